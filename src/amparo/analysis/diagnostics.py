"""Whether Markov chains have said enough: effective sample size, R-hat, Monte-Carlo error, a trace to draw.

Invariants: pure functions of draws, shape (chains, draws); nothing is dropped and nothing is random. All after Vehtari, Gelman,
Simpson, Carpenter & Burkner (2021, Bayesian Analysis 16), whose equations are named.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import beta, rankdata

Floats = NDArray[np.float64]
_TAILS: Final = (0.05, 0.95)
_ONE_SIGMA: Final = 0.158655253931457  # the normal distribution's mass under -1


def ess_bulk(draws: Floats) -> float:
    """Effective draws for the middle of the distribution: of split chains, rank-normalised (section 4.1, equation 14)."""
    return _ess(_normal_scores(_split(draws)))


def ess_tail(draws: Floats) -> float:
    """Effective draws for the 5 % and the 95 % quantile, the smaller (section 4.3)."""
    halves = _split(draws)
    return min(_ess((halves <= np.quantile(halves, tail)).astype(np.float64)) for tail in _TAILS)


def rhat(draws: Floats) -> float:
    """Rank-normalised split R-hat, the larger of that of the draws and of how far they lie from their median (section 4.2)."""
    halves = _split(draws)
    folded = np.abs(halves - np.median(halves))
    return max(_rhat(_normal_scores(halves)), _rhat(_normal_scores(folded)))


def split_rhat(draws: Floats) -> float:
    """R-hat of the halves of each chain, of the draws as they are (section 3.1, equations 1 to 4); 1 where nothing varies."""
    return _rhat(_split(draws))


def mcse_quantile(draws: Floats, level: float) -> float:
    """Monte-Carlo standard error of the ``level`` quantile (section 4.4): half the width between the order statistics that hold
    a one-sigma interval of a Beta law with as many draws as are effective for that quantile.
    """
    halves = _split(draws)
    effective = _ess((halves <= np.quantile(halves, level)).astype(np.float64))
    a, b = effective * level + 1, effective * (1 - level) + 1
    low, high = beta.ppf([_ONE_SIGMA, 1 - _ONE_SIGMA], a, b)
    ordered = np.sort(halves, axis=None)
    first = max(int(np.floor(low * ordered.size)), 0)
    last = min(int(np.ceil(high * ordered.size)), ordered.size - 1)
    return float(ordered[last] - ordered[first]) / 2


def trace(draws: Floats, most: int = 200) -> Floats:
    """(chains, at most ``most``) draws evenly along each chain, to be drawn."""
    number = min(most, draws.shape[1])
    return draws[:, np.linspace(0, draws.shape[1] - 1, number).round().astype(np.int64)]


def autocovariance(draws: Floats) -> Floats:
    """(chains, draws) autocovariance of each chain at every lag, divided by its length (Geyer 1992), by FFT."""
    length = draws.shape[1]
    centred = draws - draws.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred, 2 * length, axis=1)
    found: Floats = np.fft.irfft(spectrum * np.conj(spectrum), 2 * length, axis=1)[:, :length] / length
    return found


def _split(draws: Floats) -> Floats:
    """(2 chains, half) with the middle draw of an odd chain left out."""
    half = draws.shape[1] // 2
    return np.concatenate([draws[:, :half], draws[:, -half:]])


def _normal_scores(draws: Floats) -> Floats:
    """Normal quantiles of the ranks of all draws together (section 4.1, equation 14)."""
    ranks = rankdata(draws, method="average").reshape(draws.shape)
    scores: Floats = ndtri((ranks - 3 / 8) / (draws.size + 1 / 4))
    return scores


def _variances(draws: Floats) -> tuple[float, float]:
    """The mean variance within the chains, and the marginal variance (section 3.1, equations 1 to 3)."""
    length = draws.shape[1]
    within = float(draws.var(axis=1, ddof=1).mean())
    between = float(draws.mean(axis=1).var(ddof=1))
    return within, (length - 1) / length * within + between


def _rhat(draws: Floats) -> float:
    within, marginal = _variances(draws)
    return float(np.sqrt(marginal / within)) if within > 0 else (1.0 if marginal == 0 else float("inf"))


def _ess(draws: Floats) -> float:
    """Effective draws over all chains, autocorrelations summed to Geyer's initial monotone sequence (section 3.2, 10 to 13)."""
    length = draws.shape[1]
    within, marginal = _variances(draws)
    if marginal == 0:
        return float(draws.size)  # what never varies is known
    covariance = autocovariance(draws).mean(axis=0) * length / (length - 1)
    correlation = 1 - (within - covariance) / marginal
    pairs = correlation[: length // 2 * 2].reshape(-1, 2).sum(axis=1)
    ends = np.flatnonzero(pairs <= 0)
    kept = np.minimum.accumulate(pairs[: ends[0] if ends.size else pairs.size])
    time = max(2 * float(kept.sum()) - 1, 1 / np.log10(draws.size))
    return float(draws.size / time)
