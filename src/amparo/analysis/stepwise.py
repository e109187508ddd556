"""How many there are, by a Poisson log-linear model whose two-list interactions are chosen step by step, with a BCa bootstrap.

Invariants: counts and a seed in, figures out; the same seed gives the same figures. The choice of the model is part of the
estimate, so every resample chooses anew. No interaction comes in for which the maximum likelihood estimate does not exist or is
not unique; two lists that share nobody may get an interaction of minus infinity, which is an estimate like any other.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.special import ndtr, ndtri, pdtr, pdtrc

from amparo.analysis.capture import CaptureTable, Estimate, NotEstimable
from amparo.analysis.usable import usable, within
from amparo.kernel.i18n import _

MODEL: Final = "stepwise"
MOST_LISTS: Final = 10
_NEWTON_STEPS: Final = 60
_SCORE: Final = 1e-9
_CERTAIN: Final = 1e4
_SMALLEST_MEAN: Final = 1e-12
_LONGEST_STEP: Final = 5.0
_REPORTED_EVERY: Final = 10

Floats = NDArray[np.float64]
Progress = Callable[[int, int], None]


@dataclass(slots=True, eq=False)
class _Design:
    """``rows``: the cells a model is about; ``matrix``: (rows, columns); ``unique``: whether its columns are independent."""

    rows: NDArray[np.intp]
    matrix: Floats
    unique: bool


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """The extended maximum likelihood fit of a log-linear model with some two-list interactions.

    ``pairs``: those of its interactions that are finite, ``empty``: those that are minus infinity, as pairs of indexes of
    lists, each in the order in which they came in. ``coefficients``: (1 + lists present + pairs,) of constant, lists, pairs;
    ``means``: (2**k - 1,) expected counts of the patterns 1 .. 2**k - 1 (list 0 the lowest bit).
    """

    pairs: tuple[tuple[int, int], ...]
    empty: tuple[tuple[int, int], ...]
    coefficients: Floats
    means: Floats
    _design: _Design

    @property
    def unseen(self) -> float:
        """The expected number on no list."""
        return math.exp(min(self.coefficients[0], 700.0))

    @property
    def error(self) -> float:
        """The standard error of the logarithm of the unseen, were the model known beforehand."""
        matrix, means = self._design.matrix, self.means[self._design.rows]
        return math.sqrt(max(float(np.linalg.pinv(matrix.T @ (means[:, None] * matrix))[0, 0]), 0.0))


@dataclass(slots=True, eq=False)
class Search:
    """What all resamples of one table share: matrices of the models met, and which have an estimate on which support.

    Whether the estimate exists depends on which cells are occupied and not on how many are in them (Fienberg & Rinaldo
    2012), so that the linear programme is solved once for each set of occupied cells.
    """

    k: int
    pairs: list[tuple[int, int]] = field(init=False)
    on: Floats = field(init=False)
    both: Floats = field(init=False)
    _designs: dict[tuple[tuple[int, ...], frozenset[int], bytes], _Design] = field(init=False, default_factory=dict)
    _exists: dict[tuple[frozenset[int], frozenset[int], bytes], bool] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        codes = np.arange(1, 1 << self.k)
        self.pairs = list(combinations(range(self.k), 2))
        self.on = (codes[:, None] >> np.arange(self.k) & 1).astype(np.float64)
        self.both = np.stack([self.on[:, i] * self.on[:, j] for i, j in self.pairs], axis=1)

    def _design(self, finite: tuple[int, ...], empty: frozenset[int], present: NDArray[np.bool_]) -> _Design:
        key = finite, empty, present.tobytes()
        if key not in self._designs:
            gone = self.on[:, ~present].any(axis=1) | self.both[:, sorted(empty)].any(axis=1)
            rows = np.flatnonzero(~gone)
            columns = [np.ones((rows.size, 1)), self.on[rows][:, present], self.both[rows][:, list(finite)]]
            matrix = np.ascontiguousarray(np.concatenate(columns, axis=1))
            unique = matrix.shape[0] >= matrix.shape[1] == int(np.linalg.matrix_rank(matrix))
            self._designs[key] = _Design(rows, matrix, unique)
        return self._designs[key]

    def fit(self, counts: Floats, chosen: Sequence[int], start: Floats | None = None) -> Fit | None:
        """The model with interactions ``chosen`` (indexes into ``pairs``), or None if it has no estimate or several.

        ``counts``: (2**k - 1,). Overlaps of pairs that are empty take their cells out of the likelihood (Chan, Silverman &
        Vincent 2021, section 2). ``start``: coefficients of the model without its last interaction.
        """
        overlap, present = self.both.T @ counts, self.on.T @ counts > 0
        finite = tuple(one for one in chosen if overlap[one])
        empty = tuple(one for one in chosen if not overlap[one])
        design = self._design(finite, frozenset(empty), present)
        if not design.unique:
            return None
        seen = counts[design.rows]
        coefficients, means, sure = _newton(design.matrix, seen, start)
        if not sure and not self._exist(design, finite, empty, counts):
            return None
        full = np.zeros(counts.size)
        full[design.rows] = means
        return Fit(
            tuple(self.pairs[one] for one in finite), tuple(self.pairs[one] for one in empty), coefficients, full, design
        )  # fmt: skip

    def _exist(self, design: _Design, finite: Sequence[int], empty: Sequence[int], counts: Floats) -> bool:
        occupied = counts > 0
        key = frozenset(finite), frozenset(empty), occupied.tobytes()
        if key not in self._exists:
            self._exists[key] = exists(design.matrix, occupied[design.rows])
        return self._exists[key]

    def stepwise(self, counts: Floats, threshold: float) -> Fit | float:
        """The model of forward choice, or the number of unseen where even the lists alone have no finite estimate.

        At each step the interaction whose overlap is the least likely under the model so far (Chan, Silverman & Vincent 2021,
        section 3: the smaller Poisson tail of the overlap's count) comes in if its p-value is below the threshold and the
        model has an estimate. Where p-values are too small to tell apart, the larger deviance goes first. Without any overlap
        the unseen are infinitely many; where a list holds everybody there are none.
        """
        observed, sizes = counts.sum(), self.on.T @ counts
        if sizes.sum() <= observed:
            return math.inf
        if sizes.max() >= observed:
            return 0.0
        fit = self.fit(counts, ())
        if fit is None:
            return math.inf
        overlap, chosen = self.both.T @ counts, list[int]()
        while len(chosen) < len(self.pairs):
            order = _suspects(overlap, self.both.T @ fit.means, threshold, chosen)
            for one in order:
                start = np.append(fit.coefficients, 0.0) if overlap[one] else fit.coefficients
                wider = self.fit(counts, [*chosen, one], start)
                if wider is not None:
                    break
            else:
                break
            fit = wider
            chosen.append(one)
        return fit


def _suspects(overlap: Floats, expected: Floats, threshold: float, chosen: Sequence[int]) -> list[int]:
    """Interactions not chosen yet whose overlap is too unlikely, the unlikeliest first."""
    with np.errstate(divide="ignore", invalid="ignore"):
        above = np.where(overlap > 0, pdtrc(overlap - 1, expected), 1.0)
        value = np.minimum(np.where(expected > 0, pdtr(overlap, expected), 1.0), above)
        ratio = np.where(overlap > 0, overlap * np.log(overlap / expected), 0.0)
    value[list(chosen)] = 1.0
    deviance = ratio - (overlap - expected)
    return [int(one) for one in np.lexsort((-deviance, value)) if value[one] < threshold]


def _newton(matrix: Floats, counts: Floats, start: Floats | None) -> tuple[Floats, Floats, bool]:
    """Maximum likelihood of Poisson counts by Newton's method (IRLS; McCullagh & Nelder 1989, section 2.5).

    Returns coefficients, means, and whether the means prove that the estimate exists: positive means with the sufficient
    statistics of the data, by far more exactly than the smallest of them, put these inside of the marginal cone.
    """
    if start is None:
        guess = counts + 0.1
        scaled = matrix * np.sqrt(guess)[:, None]
        aim = np.sqrt(guess) * (np.log(guess) + (counts - guess) / guess)
        start = np.linalg.lstsq(scaled, aim, rcond=None)[0].astype(np.float64)
    beta = start
    target = matrix.T @ counts
    means = np.exp(matrix @ beta)
    gain = float(target @ beta - means.sum())
    for _step in range(_NEWTON_STEPS):
        score = target - matrix.T @ means
        worst = float(np.abs(score).max())
        if worst < _SCORE * max(1.0, float(target[0]) * 1e-3) or means.min() < _SMALLEST_MEAN:
            break
        try:
            move = np.linalg.solve(matrix.T @ (means[:, None] * matrix), score)
        except np.linalg.LinAlgError:
            break
        size = min(1.0, _LONGEST_STEP / max(float(np.abs(move).max()), 1e-300))
        while size > 1e-6:
            tried = beta + size * move
            new = np.exp(np.minimum(matrix @ tried, 50.0))
            better = float(target @ tried - new.sum())
            if better >= gain - 1e-9 * abs(gain):
                break
            size /= 2
        beta, means, gain = tried, new, better
    worst = float(np.abs(target - matrix.T @ means).max())
    return beta, means, bool(means.min() > _CERTAIN * worst)


def exists(matrix: Floats, occupied: NDArray[np.bool_]) -> bool:
    """Whether a log-linear model has a maximum likelihood estimate, by a linear programme (Fienberg & Rinaldo 2012).

    ``matrix``: (cells, columns); ``occupied``: (cells,) true where somebody was counted. There is none if some direction c
    leaves every occupied cell's predictor as it is, lowers none of the others and raises one: then the data lie on a face of
    the marginal cone, and the likelihood grows for ever against c. The optimum is 0 (exists) or at least 1 (does not).
    """
    off, held = matrix[~occupied], matrix[occupied]
    if not off.shape[0]:
        return True
    found = linprog(
        -off.sum(axis=0), A_ub=np.concatenate([-off, off]), b_ub=np.concatenate([np.zeros(len(off)), np.ones(len(off))]),
        A_eq=held, b_eq=np.zeros(len(held)), bounds=(None, None), method="highs",
    )  # fmt: skip
    return bool(found.status == 0 and -found.fun < 0.5)


# -- the bootstrap ------------------------------------------------------------------------------------------------------------


def _total(observed: float, found: Fit | float) -> float:
    return observed + (found.unseen if isinstance(found, Fit) else found)


def _resampled(
    search: Search, counts: Floats, threshold: float, times: int, seed: int, told: Callable[[], None]
) -> tuple[Floats, list[frozenset[tuple[int, int]]]]:
    """(times,) totals of multinomial resamples of the observed persons, and the interactions each of them chose."""
    rng, observed = np.random.default_rng(seed), int(counts.sum())
    totals, models = np.empty(times), []
    for number in range(times):
        found = search.stepwise(rng.multinomial(observed, counts / observed).astype(np.float64), threshold)
        totals[number] = _total(observed, found)
        models.append(_interactions(found))
        told()
    return totals, models


def _interactions(found: Fit | float) -> frozenset[tuple[int, int]]:
    return frozenset((*found.pairs, *found.empty)) if isinstance(found, Fit) else frozenset()


def _acceleration(search: Search, counts: Floats, threshold: float, told: Callable[[], None]) -> float:
    """The acceleration of the bootstrap by leaving out one person at a time (DiCiccio & Efron 1996).

    Persons of one pattern leave the same table, so a table for each occupied cell is enough; each counts as often as it has
    persons.
    """
    occupied = np.flatnonzero(counts)
    totals = np.empty(occupied.size)
    for number, cell in enumerate(occupied):
        fewer = counts.copy()
        fewer[cell] -= 1
        totals[number] = _total(float(fewer.sum()), search.stepwise(fewer, threshold))
        told()
    if not np.isfinite(totals).all():
        return 0.0
    weight = counts[occupied]
    away = weight @ totals / weight.sum() - totals
    spread = float(weight @ away**2)
    return float(weight @ away**3) / (6 * spread**1.5) if spread > 0 else 0.0


def bca(replicates: Floats, point: float, acceleration: float, levels: Sequence[float]) -> tuple[float, list[float]]:
    """The bias correction z0, and the bounds of the BCa interval at ``levels`` (DiCiccio & Efron 1996, section 2).

    Replicates may be infinite; a bound that falls among them is. Where no replicate or every one is below the point, half a
    replicate is taken to be.
    """
    share = float(np.mean(replicates < point))
    z0 = float(ndtri(min(max(share, 0.5 / replicates.size), 1 - 0.5 / replicates.size)))
    bounds = []
    for level in levels:
        z = z0 + float(ndtri(level))
        at = float(ndtr(z0 + z / (1 - acceleration * z)))
        finite = replicates[np.isfinite(replicates)]
        unbounded = at * replicates.size > finite.size - 0.5
        bounds.append(math.inf if unbounded else _quantile(np.sort(replicates), at))
    return z0, bounds


def _quantile(ordered: Floats, at: float) -> float:
    """The median-unbiased quantile (Hyndman & Fan 1996, definition 8), which may meet infinite values."""
    place = (ordered.size + 1 / 3) * at - 2 / 3
    low = int(np.clip(math.floor(place), 0, ordered.size - 1))
    high = min(low + 1, ordered.size - 1)
    part = float(np.clip(place - low, 0, 1))
    return float(ordered[low] if not part else ordered[low] * (1 - part) + ordered[high] * part)


def estimate(
    table: CaptureTable, *, threshold: float = 0.02, bootstrap: int = 1000, seed: int = 1, level: float = 0.95,
    progress: Progress | None = None,
) -> Estimate:  # fmt: skip
    """How many there are in all, by forward stepwise choice and the BCa bootstrap (Chan, Silverman & Vincent 2021, section 3).

    ``threshold``: the p-value under which an interaction comes in; 0 fits the lists alone. ``bootstrap``: resamples of the
    observed persons. ``draws`` of the estimate are the resamples' totals, those that are finite. Diagnostics:
    ``given_model_low`` and ``given_model_high`` the log-normal interval that would hold were the model known beforehand;
    ``interactions`` and of them ``empty_overlaps``; ``same_model`` the share of resamples that chose the same; ``bias`` z0;
    ``acceleration``;
    ``unbounded`` the share of resamples without a finite estimate. Raises NotEstimable.
    """
    table = usable(table, MOST_LISTS)
    within(_("the threshold"), threshold, 0, 1)
    within(_("the number of resamples"), bootstrap, 10, 1_000_000)
    within(_("the level"), level, 0.5, 0.999)
    counts, search = table.full()[1:].astype(np.float64), Search(len(table.lists))
    found = search.stepwise(counts, threshold)
    if not isinstance(found, Fit):
        raise NotEstimable(why=_("one list holds everybody who is on any other, so the others tell nothing of whom it missed."))
    asked, steps = 0, bootstrap + int(np.count_nonzero(counts))

    def told() -> None:
        nonlocal asked
        asked += 1
        if progress and not asked % _REPORTED_EVERY:
            progress(asked, steps)

    point = _total(table.observed, found)
    totals, models = _resampled(search, counts, threshold, bootstrap, seed, told)
    acceleration = _acceleration(search, counts, threshold, told)
    tail = (1 - level) / 2
    z0, (low, high) = bca(totals, point, acceleration, (tail, 1 - tail))
    finite = totals[np.isfinite(totals)]
    if not math.isfinite(high) or not finite.size:
        raise NotEstimable(
            why=_("in {share} of the resamples no number of unseen is too large; the overlaps are too few.")
            .format(share=f"{1 - finite.size / totals.size:.0%}")
        )  # fmt: skip
    normal = float(ndtri(1 - tail))
    diagnostics = {
        "given_model_low": table.observed + found.unseen * math.exp(-normal * found.error),
        "given_model_high": table.observed + found.unseen * math.exp(normal * found.error),
        "interactions": float(len(found.pairs) + len(found.empty)), "empty_overlaps": float(len(found.empty)),
        "same_model": sum(one == _interactions(found) for one in models) / len(models), "bias": z0,
        "acceleration": acceleration, "unbounded": 1 - finite.size / totals.size,
    }  # fmt: skip
    settings: dict[str, float | int | str] = {
        "threshold": threshold, "bootstrap": bootstrap, "seed": seed, "interactions": _described(table.lists, found),
    }  # fmt: skip
    return Estimate(MODEL, table.lists, table.observed, point, low, high, level, finite, diagnostics, settings)


def _described(lists: Sequence[str], found: Fit) -> str:
    """The chosen interactions in words, those that are minus infinity marked."""
    words = [f"{lists[i]}-{lists[j]}" for i, j in found.pairs]
    words += [f"{lists[i]}-{lists[j]} ({_('nobody on both')})" for i, j in found.empty]
    return ", ".join(words) or _("none")
