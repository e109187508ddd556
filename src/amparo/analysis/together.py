"""What goes with what: odds ratios of two traits in one person's case, each with the uncertainty the few cases leave.

Invariants: no pair is told by itself: all pairs are fitted together, so that the more pairs there are, the more each is drawn
to what pairs of this record are like. The same table gives the same figures; nothing is drawn at random.

The log odds ratio t of a pair has the likelihood of Fisher's noncentral hypergeometric distribution, all margins given
(Agresti, Categorical Data Analysis, 3rd ed., section 7.3.4; where the margins are large, a normal one with 1/2 added to each
cell, Gart 1966). Over the pairs t is normal with mean m and spread s (Gelman et al., Bayesian Data Analysis, 3rd ed., section
5.4), m flat and s half-Cauchy, both on a grid and integrated out. The mean m is what better documentation does: who is asked
more has more of everything, so all pairs go together a little; a pair is told where it goes together more, or less, than that.
*False sign rate*: the posterior chance that it is in truth the other way about; the *s-value* of a pair is the mean false sign
rate of those told before and with it (Stephens, False discovery rates: a new deal, Biostatistics 18, 2017, section 2.3).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

Floats = NDArray[np.float64]
_GRID: Final = np.linspace(-10.0, 10.0, 401)
_MEANS: Final = np.linspace(-3.0, 3.0, 31)
_SPREADS: Final = np.geomspace(0.05, 4.0, 24)
_EXACT: Final = 300
"""Values that a cell may take, up to which the exact likelihood is used."""


@dataclass(frozen=True, slots=True)
class Together:
    """For k pairs, (k,) arrays of the log odds ratio: posterior ``mean``, 95 % interval ``low`` .. ``high``; ``false_sign``
    and ``s_value`` against ``common``, the posterior mean of m; ``spread`` that of s.
    """

    mean: Floats
    low: Floats
    high: Floats
    false_sign: Floats
    s_value: Floats
    common: float
    spread: float


def fit(both: NDArray[np.int64], one: NDArray[np.int64], other: NDArray[np.int64], total: int) -> Together:
    """``both``, ``one``, ``other``: (k,) how many of ``total`` cases have both traits, the one, the other.

    Raises ValueError for counts that cannot be.
    """
    if np.any(both > np.minimum(one, other)) or np.any(both < np.maximum(0, one + other - total)):
        raise ValueError("a pair cannot be more frequent than its traits")
    if not len(both):
        empty = np.zeros(0)
        return Together(empty, empty, empty, empty, empty, 0.0, 0.0)
    means, spreads, prior = _components()
    likelihood = np.exp(_likelihoods(both, one, other, total))
    density = np.exp(-0.5 * ((_GRID[:, None] - means) / spreads) ** 2) / spreads
    density /= density.sum(axis=0)
    marginal = likelihood @ density
    weight = prior + np.log(np.maximum(marginal, 1e-300)).sum(axis=0)
    weight = np.exp(weight - logsumexp(weight))
    share = weight / np.maximum(marginal, 1e-300)
    posterior = likelihood * (share @ density.T)
    posterior /= posterior.sum(axis=1, keepdims=True)
    below = np.sum(likelihood * (share @ (density * _below(means)).T), axis=1)
    false_sign = np.clip(np.minimum(below, 1 - below), 0.0, 0.5)
    low, high = _interval(posterior)
    mean = posterior @ _GRID
    return Together(mean, low, high, false_sign, _s_values(false_sign), float(weight @ means), float(weight @ spreads))


def _components() -> tuple[Floats, Floats, Floats]:
    """(means, spreads, log prior) of the grid of (m, s); the prior of s is half-Cauchy of scale 1."""
    means, spreads = (axis.ravel() for axis in np.meshgrid(_MEANS, _SPREADS))
    prior = np.log(spreads) - np.log1p(spreads**2)  # the spreads are spaced evenly in their logarithm
    return means, spreads, prior


def _below(means: Floats) -> Floats:
    """(grid, components): the part of each grid point's mass that lies below a component's mean."""
    part: Floats = np.clip((means - _GRID[:, None]) / (_GRID[1] - _GRID[0]) + 0.5, 0.0, 1.0)
    return part


def _likelihoods(both: NDArray[np.int64], one: NDArray[np.int64], other: NDArray[np.int64], total: int) -> Floats:
    """(k, grid) log likelihoods, each with its greatest at 0."""
    found = np.empty((len(both), len(_GRID)))
    for place, (cell, row, column) in enumerate(zip(both, one, other, strict=True)):
        least, most = max(0, row + column - total), min(row, column)
        exact = most - least <= _EXACT
        found[place] = _exact(cell, row, column, total) if exact else _normal(cell, row, column, total)
        found[place] -= found[place].max()
    return found


def _exact(cell: int, row: int, column: int, total: int) -> Floats:
    """Noncentral hypergeometric: P(cell | t) = C(row, cell) C(total - row, column - cell) e^(t cell) / sum over all cells."""
    values = np.arange(max(0, row + column - total), min(row, column) + 1)
    ways = -(gammaln(values + 1) + gammaln(row - values + 1) + gammaln(column - values + 1)
             + gammaln(total - row - column + values + 1))  # fmt: skip
    terms = ways + _GRID[:, None] * values
    found: Floats = terms[:, cell - values[0]] - logsumexp(terms, axis=1)
    return found


def _normal(cell: int, row: int, column: int, total: int) -> Floats:
    """Normal around the log odds ratio, no narrower than the grid can show."""
    table = np.array([cell, row - cell, column - cell, total - row - column + cell]) + 0.5
    middle = np.log(table[0] * table[3] / (table[1] * table[2]))
    deviation = max(float(np.sqrt((1 / table).sum())), float(_GRID[1] - _GRID[0]))
    away: Floats = (_GRID - np.clip(middle, _GRID[0], _GRID[-1])) / deviation
    return -0.5 * away**2


def _interval(posterior: Floats) -> tuple[Floats, Floats]:
    """The 2.5 % and 97.5 % points, between grid points."""
    step = _GRID[1] - _GRID[0]
    rising = np.cumsum(posterior, axis=1)
    edges = _GRID + step / 2
    low, high = (np.array([np.interp(level, row, edges) for row in rising]) for level in (0.025, 0.975))
    return low, high


def _s_values(false_sign: Floats) -> Floats:
    """The mean false sign rate of all that are at least as sure."""
    order = np.argsort(false_sign, kind="stable")
    found = np.empty_like(false_sign)
    found[order] = np.cumsum(false_sign[order]) / np.arange(1, len(order) + 1)
    return found
