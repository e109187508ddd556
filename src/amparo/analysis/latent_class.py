"""How many there are, if persons fall into classes that nobody sees and lists know each class with chances of its own.

Invariants: counts and a seed in, figures out; the same seed gives the same figures however many processors there are. How
many classes are used is left to a Dirichlet process; within a class lists are independent. Whoever no list could reach is
not counted.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import binom

from amparo.analysis import diagnostics
from amparo.analysis.capture import MOST_LISTS, CaptureTable, Estimate, NotEstimable
from amparo.analysis.latent_sampler import run
from amparo.analysis.usable import usable, within
from amparo.kernel.i18n import _

MODEL: Final = "latent_class"
_MOST_CLASSES: Final = 100
_FIRST_STEP: Final = 0.05
_BLOCK: Final = 250  # sweeps of a chain between two looks at whether to stop
_REPLICATED: Final = 400  # draws from which overlaps are foretold
_UNBOUNDED: Final = 100.0  # upper over lower bound of the unseen; so wide an interval is the prior's, not the data's

Floats = NDArray[np.float64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Chains:
    """``totals``: (chains, draws) persons in all. ``chances``: (chains, draws, lists, classes) of a list to know a person of a
    class; ``shares``: (chains, draws, classes) of the classes, summing to 1.
    """

    lists: tuple[str, ...]
    totals: Floats
    chances: Floats
    shares: Floats


class _Chain:
    """One chain: where it is, and the seeds of its blocks."""

    def __init__(
        self, table: CaptureTable, classes: int, prior: tuple[float, float], seed: np.random.SeedSequence, *, leap: bool
    ) -> None:  # fmt: skip
        self._table, self._prior, self._leap = table, prior, leap
        self._seeds = iter(lambda: int(seed.spawn(1)[0].generate_state(1)[0]), None)
        rng = np.random.default_rng(seed)
        self._x = rng.logistic(size=(len(table.lists), classes))  # the prior of a chance, so that chains start far apart
        self._v = rng.logistic(size=classes - 1)
        self._tuned = np.array([1.0, np.log(_FIRST_STEP), 0.0])

    def go(self, draws: int, thin: int, *, learn: bool = False) -> tuple[NDArray[np.int64], Floats, Floats]:
        """``draws`` of the totals and of the logits behind them."""
        totals = np.empty(draws, dtype=np.int64)
        x, v = np.empty((draws, *self._x.shape)), np.empty((draws, self._v.size))
        run(
            self._table.patterns, self._table.counts, self._x, self._v, self._tuned, *self._prior, next(self._seeds), thin,
            learn, self._leap, totals, x, v,
        )  # fmt: skip
        return totals, x, v


def sample(
    table: CaptureTable, *, classes: int = 10, shape: float = 0.25, rate: float = 0.25, chains: int = 4, draws: int = 1000,
    burn_in: int = 1000, thin: int = 2, seed: int = 1, leap: bool = True, progress: Progress | None = None,
) -> Chains:  # fmt: skip
    """Chains of the posterior (Manrique-Vallier 2016, Biometrics 72, section 3): Dirichlet-process shares cut at ``classes``,
    concentration Gamma(``shape``, ``rate``), chances Beta(1, 1), total 1/N. ``draws`` of each chain, every ``thin``-th sweep,
    after ``burn_in`` sweeps. ``leap``: with Hamiltonian steps (see ``latent_sampler``). Raises NotEstimable.
    """
    table = usable(table, MOST_LISTS)
    within(_("the number of classes"), classes, 1, _MOST_CLASSES)
    within(_("the number of chains"), chains, 1, 64)
    within(_("the number of draws"), draws, 10, 1_000_000)
    within(_("the burn-in"), burn_in, 0, 10_000_000)
    within(_("the thinning"), thin, 1, 10_000)
    within(_("the shape of the prior"), shape, 1e-3, 1e3)
    within(_("the rate of the prior"), rate, 1e-3, 1e3)
    seeds = np.random.SeedSequence(seed).spawn(chains)
    walks = [_Chain(table, classes, (shape, rate), one, leap=leap) for one in seeds]
    sweeps, done = burn_in + draws * thin, 0
    found: list[list[tuple[NDArray[np.int64], Floats, Floats]]] = [[] for _one in walks]
    with ThreadPoolExecutor(min(chains, os.cpu_count() or 1)) as pool:
        while done < sweeps:
            learn = done < burn_in
            step = min(_BLOCK, burn_in - done) if learn else min(max(_BLOCK // thin, 1) * thin, sweeps - done)
            size, every = (step, 1) if learn else (step // thin, thin)
            blocks = list(pool.map(lambda one, size=size, every=every, learn=learn: one.go(size, every, learn=learn), walks))
            done += step
            if not learn:
                for kept, block in zip(found, blocks, strict=True):
                    kept.append(block)
            if progress:
                progress(done, sweeps)
    totals, x, v = (np.array([np.concatenate([block[part] for block in kept]) for kept in found]) for part in range(3))
    return Chains(table.lists, totals.astype(np.float64), expit(x), _shares(expit(v)))


def _shares(sticks: Floats) -> Floats:
    """Shares of the classes from the sticks (equation 3)."""
    ones = np.ones((*sticks.shape[:-1], 1))
    left = np.concatenate([ones, np.cumprod(1 - sticks, axis=-1)], axis=-1)
    shares: Floats = left * np.concatenate([sticks, ones], axis=-1)
    return shares


def estimate(
    table: CaptureTable, *, classes: int = 10, shape: float = 0.25, rate: float = 0.25, chains: int = 4, draws: int = 1000,
    burn_in: int = 1000, thin: int = 2, seed: int = 1, level: float = 0.95, progress: Progress | None = None,
) -> Estimate:  # fmt: skip
    """How many there are in all by ``sample``: point the median, interval of equal tails, all draws, chain after chain.

    Diagnostics: ``ess``, ``ess_tail``, ``rhat`` of the logarithm of the total; ``error`` the Monte-Carlo error of the median,
    ``error_low`` and ``error_high`` of the bounds, in persons; ``classes_used`` classes that hold a hundredth of all persons or
    more (posterior mean); ``p_A-B`` the posterior predictive probability of a smaller overlap of lists A and B than was seen,
    ``p_cells`` of a better fit to all patterns at once. Raises NotEstimable.
    """
    within(_("the level"), level, 0.5, 0.999)
    table = usable(table, MOST_LISTS)
    found = sample(table, classes=classes, shape=shape, rate=rate, chains=chains, draws=draws, burn_in=burn_in, thin=thin,
                   seed=seed, progress=progress)  # fmt: skip
    tail = (1 - level) / 2
    low, point, high = (float(one) for one in np.quantile(found.totals, (tail, 0.5, 1 - tail)))
    if high - table.observed > _UNBOUNDED * max(low - table.observed, 1.0) and high > _UNBOUNDED * table.observed:
        raise NotEstimable(why=_("nothing in the overlap of the lists bounds the number of the unseen from above."))
    told = {
        "ess": diagnostics.ess_bulk(found.totals), "ess_tail": diagnostics.ess_tail(found.totals),
        "rhat": diagnostics.rhat(found.totals), "error": diagnostics.mcse_quantile(found.totals, 0.5),
        "error_low": diagnostics.mcse_quantile(found.totals, tail),
        "error_high": diagnostics.mcse_quantile(found.totals, 1 - tail),
        "classes_used": float((found.shares >= 0.01).sum(axis=-1).mean()),
        **predicted(table, found, seed),
    }  # fmt: skip
    settings: dict[str, float | int | str] = {
        "classes": classes, "shape": shape, "rate": rate, "chains": chains, "draws": draws, "burn_in": burn_in, "thin": thin,
        "seed": seed,
    }  # fmt: skip
    return Estimate(
        MODEL, table.lists, table.observed, point, low, high, level, found.totals.reshape(-1), told, settings
    )  # fmt: skip


def predicted(table: CaptureTable, found: Chains, seed: int) -> dict[str, float]:
    """Posterior predictive probabilities (Gelman, Meng & Stern 1996): ``p_A-B`` of an overlap smaller than the one seen, half
    of those equal to it counted; ``p_cells`` that the Freeman-Tukey distance of all patterns from what is expected of them
    (Brooks, Catchpole & Morgan 2000) is larger than the distance seen.
    """
    lists, classes = found.chances.shape[-2:]
    some = np.linspace(0, found.totals.size - 1, min(_REPLICATED, found.totals.size)).round().astype(np.int64)
    totals = found.totals.reshape(-1)[some].astype(np.int64)
    chances = found.chances.reshape(-1, lists, classes)[some]
    shares = found.shares.reshape(-1, classes)[some]
    told = {}
    for i in range(lists):
        for j in range(i):
            both = int(table.counts[(table.patterns[:, i] & table.patterns[:, j]).astype(bool)].sum())
            chance = np.clip((shares * chances[:, i] * chances[:, j]).sum(axis=1), 0, 1)
            under = binom.cdf(both, totals, chance) - binom.pmf(both, totals, chance) / 2
            told[f"p_{table.lists[j]}-{table.lists[i]}"] = float(under.mean())
    logs = np.log(np.maximum(shares, 1e-300))[:, None, :]
    for j in range(lists):
        on, off = np.log(chances[:, j]), np.log1p(-np.minimum(chances[:, j], 1 - 1e-16))
        logs = logs + np.where(table.patterns[None, :, j, None] == 1, on[:, None, :], off[:, None, :])
    expected = totals[:, None] * np.exp(logs).sum(axis=-1)
    again = np.random.default_rng(seed).poisson(expected)
    seen = ((np.sqrt(table.counts) - np.sqrt(expected)) ** 2).sum(axis=1)
    told["p_cells"] = float((((np.sqrt(again) - np.sqrt(expected)) ** 2).sum(axis=1) > seen).mean())
    return told
