"""How many there are, averaged over every way in which lists may depend on each other that a decomposable graph can draw.

Invariants: counts and a seed in, figures out; the same seed gives the same figures. Given a graph the number of the unseen is
integrated out on a grid, never sampled. To 6 lists every decomposable graph is weighed; from 7 a Markov chain walks among them,
and says so. What the grid leaves out is worked out from the tail's own power law and told as ``tail_mass``.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from amparo.analysis.capture import CaptureTable, Estimate, NotEstimable
from amparo.analysis.diagnostics import split_rhat
from amparo.analysis.usable import usable, within
from amparo.kernel.i18n import _

MODEL: Final = "decomposable"
MOST_ENUMERATED: Final = 6
MOST_LISTS: Final = 10
MOST_UNSEEN: Final = 10**9
_TAIL: Final = 1e-5
_NEGLIGIBLE: Final = 1e-9
_FIRST_CAP: Final = 64
_COARSE, _FINE = 2, 8
_CHUNK: Final = 1 << 22
_CHAINS: Final = 4

Graph = tuple[tuple[int, int], ...]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """What the data say of the unseen and of how the lists depend on each other.

    ``lists``: those with persons on them. ``observed``: persons on one or more. ``unseen``, ``width``: (nodes,) int64, the
    first number of unseen persons that a node stands for and how many from there on (1 for the small ones). ``mass``: (nodes,)
    float64, probability of each node, summing to 1. ``graphs``: the graphs with their edges (pairs of indexes of lists),
    likeliest first; ``probability`` (graphs,) of each. ``tail_mass``: probability beyond the last node, which was left out, 1
    where it cannot be told.
    ``capped``: True if the grid ends where it was told to. ``rhat``: of the walk over graphs, 1 where all were weighed.
    """

    lists: tuple[str, ...]
    observed: int
    unseen: NDArray[np.int64]
    width: NDArray[np.int64]
    mass: NDArray[np.float64]
    graphs: tuple[Graph, ...]
    probability: NDArray[np.float64]
    tail_mass: float
    capped: bool
    rhat: float

    def quantile(self, level: float) -> float:
        """Number of persons in all that the total is at most with probability ``level``."""
        below = np.cumsum(self.mass)
        node = min(int(np.searchsorted(below, level)), below.size - 1)
        within = (level - (below[node] - self.mass[node])) / max(self.mass[node], np.finfo(float).tiny)
        steps = min(math.ceil(within * self.width[node]), int(self.width[node])) - 1
        return float(self.observed + self.unseen[node] + max(steps, 0))

    def sample(self, draws: int, seed: int) -> NDArray[np.float64]:
        """(draws,) independent draws of the total."""
        rng = np.random.default_rng(seed)
        nodes = np.minimum(np.searchsorted(np.cumsum(self.mass), rng.random(draws)), self.mass.size - 1)
        return (self.observed + self.unseen[nodes] + rng.integers(0, self.width[nodes])).astype(np.float64)

    def described(self, graph: Graph) -> str:
        """A graph in words for a table of settings: “A-B, B-C”, or “none” where no list depends on another."""
        return ", ".join(f"{self.lists[i]}-{self.lists[j]}" for i, j in graph) or "none"


# -- graphs -----------------------------------------------------------------------------------------------------------------


def _edges(k: int) -> list[tuple[int, int]]:
    return list(combinations(range(k), 2))


def _neighbours(code: int, edges: Sequence[tuple[int, int]], k: int) -> list[int]:
    """For each of k vertices the set (bits) of those it is joined to; bit e of ``code`` is edge e."""
    near = [0] * k
    for number, (i, j) in enumerate(edges):
        if code >> number & 1:
            near[i] |= 1 << j
            near[j] |= 1 << i
    return near


def _eliminated(near: Sequence[int]) -> list[tuple[int, int]] | None:
    """Vertices taken away one by one, each when what is left of its neighbours is a clique; None if the graph is not chordal.

    For each the set of it and those neighbours, and the set of those neighbours alone. Over a perfect elimination order
    sum(h(first) - h(second)) is the sum of h over cliques less that over separators, for any h with h(empty) = 0: sets that are
    no maximal clique cancel (Lauritzen 1996, section 2.1.3).
    """
    left, order = (1 << len(near)) - 1, []
    while left:
        for vertex, joined in enumerate(near):
            around = joined & left
            if left >> vertex & 1 and not any(around & ~(near[other] | 1 << other) for other in _bits(around)):
                order.append((around | 1 << vertex, around))
                left ^= 1 << vertex
                break
        else:
            return None
    return order


def _bits(number: int) -> Iterator[int]:
    while number:
        yield (number & -number).bit_length() - 1
        number &= number - 1


@lru_cache(maxsize=8)
def chordal_graphs(k: int) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Every decomposable graph of k labelled vertices: 8 for 3, 61 for 4, 822 for 5, 18,154 for 6 (OEIS A058862).

    Returns (graphs,) codes, bit e being edge e of ``combinations(range(k), 2)``, and (graphs, 2**k) multiplicities: how often
    the margin of each subset of vertices is multiplied (cliques) or divided by (separators). For k to MOST_ENUMERATED.
    """
    edges, codes, terms = _edges(k), [], []
    for code in range(1 << len(edges)):
        order = _eliminated(_neighbours(code, edges, k))
        if order is not None:
            row = np.zeros(1 << k, dtype=np.int8)
            for with_it, without_it in order:
                row[with_it] += 1
                row[without_it] -= 1
            codes.append(code)
            terms.append(row)
    return np.array(codes, dtype=np.int64), np.array(terms)


# -- the marginal likelihood ------------------------------------------------------------------------------------------------


class _Margins:
    """The hyper-Dirichlet marginal likelihood of every subset of lists (Dawid & Lauritzen 1993; Madigan & York 1997).

    A subset A has 2**|A| cells, each with prior count delta * 2**(k - |A|), which makes the priors of all subsets agree where
    they meet. Only its cell of zeros holds the unseen.
    """

    def __init__(self, table: CaptureTable, delta: float) -> None:
        self.k, self.n, self.delta = len(table.lists), table.observed, delta
        self.total = delta * 2.0**self.k
        codes = table.patterns.astype(np.int64) @ (1 << np.arange(self.k, dtype=np.int64))
        size = 1 << self.k
        self.cell, self.outside, self.known = np.zeros(size), np.zeros(size), np.zeros(size)
        for subset in range(size):
            cells, where = np.unique(codes & subset, return_inverse=True)
            counts = np.bincount(where, weights=table.counts)
            self.cell[subset] = delta * 2.0 ** (self.k - subset.bit_count())
            self.outside[subset] = counts[cells == 0].sum()
            self.known[subset] = (gammaln(counts[cells > 0] + self.cell[subset]) - gammaln(self.cell[subset])).sum()
        self.coefficient = float(gammaln(table.counts + 1.0).sum())

    def of(self, unseen: NDArray[np.float64], subsets: Sequence[int] | None = None) -> NDArray[np.float64]:
        """(subsets, nodes) log marginal likelihood of each subset's margin, by the number of unseen; 0 for the empty one."""
        some = np.arange(1 << self.k) if subsets is None else np.asarray(subsets)
        cell, outside, known = self.cell[some, None], self.outside[some, None], self.known[some, None]
        whole = gammaln(self.total) - gammaln(unseen + self.n + self.total)
        rows: NDArray[np.float64] = gammaln(unseen + outside + cell) - gammaln(cell) + known + whole
        return rows

    def common(self, unseen: NDArray[np.float64]) -> NDArray[np.float64]:
        """(nodes,) what all graphs share: the multinomial coefficient and the prior 1/N of the total."""
        total = unseen + self.n
        shared: NDArray[np.float64] = gammaln(total + 1) - gammaln(unseen + 1) - self.coefficient - np.log(total)
        return shared

    def power(self) -> NDArray[np.float64]:
        """(2**k,) what each subset's margin adds to the power of the unseen by which the joint falls, far out."""
        added: NDArray[np.float64] = (self.outside - self.n) + (self.cell - self.total)
        return added


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """(nodes,) the first number of unseen of each node, and how many numbers it stands for."""

    first: NDArray[np.int64]
    width: NDArray[np.int64]

    @classmethod
    def to(cls, most: int, observed: int, fineness: int) -> "_Grid":
        """0 to ``most``: every number at first, then blocks that are ``fineness`` to a standard deviation.

        The number of unseen is never known better than to one part in sqrt(observed), so that is how wide a block may be.
        """
        ratio = fineness * math.sqrt(observed)
        edges = np.arange(0, min(math.ceil(ratio), most) + 1, dtype=np.int64)
        if edges[-1] < most:
            steps = math.ceil(math.log(most / edges[-1]) * ratio)
            more = np.floor(edges[-1] * np.exp(np.arange(1, steps + 1) / ratio)).astype(np.int64)
            edges = np.unique(np.concatenate([edges, np.minimum(more, most)]))
        return cls(edges, np.diff(np.append(edges, most + 1)))

    @property
    def middle(self) -> NDArray[np.float64]:
        """(nodes,) the number in the middle of each block."""
        return self.first + (self.width - 1) / 2.0


def _chunks(graphs: int, nodes: int) -> Iterator[slice]:
    step = max(1, _CHUNK // max(nodes, 1))
    return (slice(start, start + step) for start in range(0, graphs, step))


def _evidence(
    margins: _Margins, terms: NDArray[np.int8], grid: _Grid, weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """(graphs,) log probability of each, (nodes,) the posterior of the nodes, and the probability beyond the grid.

    ``weight``: (graphs,) log prior of each graph. Far out a graph's joint falls as a power p of the total, so what lies beyond
    the last node T is f(T) T / (p - 1). Where some graph's still rises at the end that is not known, and 1 is told.
    """
    rows, common = margins.of(grid.middle), margins.common(grid.middle)
    wide, ends = np.log(grid.width), np.log(grid.middle[-2:] + margins.n)
    evidence, beyond, parts = np.zeros(len(terms)), np.zeros(len(terms)), []
    doubled = terms.astype(np.float64)
    power = 1.0 - margins.n - terms @ margins.power()
    for some in _chunks(len(terms), grid.first.size):
        joint = doubled[some] @ rows + common + weight[some, None]
        fall = np.minimum(power[some], (joint[:, -2] - joint[:, -1]) / (ends[1] - ends[0])) - 1.0
        beyond[some] = np.where(fall > 0, joint[:, -1] + ends[1] - np.log(np.maximum(fall, _NEGLIGIBLE)), math.inf)
        joint += wide
        most = joint.max()
        shares = np.exp(np.subtract(joint, most, out=joint), out=joint)
        with np.errstate(divide="ignore"):  # a graph or a number 1e-300 times less likely than the best has no share
            evidence[some] = np.log(shares.sum(axis=1)) + most
            parts.append(np.log(shares.sum(axis=0)) + most)
    nodes = logsumexp(np.array(parts), axis=0)
    all_in = logsumexp(evidence)
    tail = 1.0 if np.isinf(beyond).any() else float(np.exp(logsumexp(beyond) - np.logaddexp(all_in, logsumexp(beyond))))
    return evidence - all_in, np.exp(nodes - all_in), tail


# -- seven lists and more: a walk over graphs -------------------------------------------------------------------------------


class _Scores:
    """Log evidence of a graph, worked out once; minus infinity for one that is not decomposable."""

    def __init__(self, margins: _Margins, grid: _Grid) -> None:
        self._k, self._edges, self._margins, self._middle = margins.k, _edges(margins.k), margins, grid.middle
        self._rows: dict[int, NDArray[np.float64]] = {}
        self._common = margins.common(grid.middle) + np.log(grid.width)
        self.seen: dict[int, tuple[float, float]] = {}
        self._log_total = np.log(grid.middle + margins.n)

    def of(self, code: int) -> tuple[float, float]:
        """Log evidence, and the mean of the logarithm of the total under that graph."""
        if code not in self.seen:
            self.seen[code] = self._scored(code)
        return self.seen[code]

    def _scored(self, code: int) -> tuple[float, float]:
        order = _eliminated(_neighbours(code, self._edges, self._k))
        if order is None:
            return -math.inf, 0.0
        joint = self._common.copy()
        for with_it, without_it in order:
            joint += self._row(with_it)
            joint -= self._row(without_it)
        most = float(joint.max())
        share = np.exp(joint - most)
        whole = float(share.sum())
        return most + math.log(whole), float(share @ self._log_total) / whole

    def _row(self, subset: int) -> NDArray[np.float64]:
        if subset not in self._rows:
            self._rows[subset] = self._margins.of(self._middle, [subset])[0]
        return self._rows[subset]


def _walk(
    scores: _Scores, edges: int, start: int, steps: int, rng: np.random.Generator, told: Callable[[], None]
) -> tuple[dict[int, int], list[float]]:
    """A Metropolis walk that adds or takes away an edge (Madigan & York 1995, section 4): visits by graph, mean log totals."""
    state, (score, mean) = start, scores.of(start)
    visits: dict[int, int] = {}
    means: list[float] = []
    chosen, accept = rng.integers(0, edges, steps), np.log(rng.random(steps))
    for step in range(steps):
        if not step % 500:
            told()
        other = state ^ (1 << int(chosen[step]))
        new, new_mean = scores.of(other)
        if accept[step] < new - score:
            state, score, mean = other, new, new_mean
        if step >= steps // 5:
            visits[state] = visits.get(state, 0) + 1
            means.append(mean)
    return visits, means


def _rhat(chains: Sequence[Sequence[float]]) -> float:
    """Split R-hat of the mean log total along each chain; 1 where it varies by no more than rounding."""
    draws = np.array(chains)
    return 1.0 if draws.var() * draws.shape[1] < _NEGLIGIBLE else split_rhat(draws)


def _found(
    margins: _Margins, grid: _Grid, steps: int, seed: int, progress: Progress | None
) -> tuple[NDArray[np.int64], NDArray[np.int8], NDArray[np.float64], float]:
    """Codes and terms of the graphs that four walks met, the weights that give each its share of the visits, and R-hat."""
    scores, edges = _Scores(margins, grid), margins.k * (margins.k - 1) // 2
    rng, visits, means, asked = np.random.default_rng(seed), dict[int, int](), list[list[float]](), 0

    def told() -> None:
        nonlocal asked
        if progress:
            progress(asked, _CHAINS * -(-steps // 500))
        asked += 1

    for chain in range(_CHAINS):
        start = _star(margins.k, chain)
        counted, along = _walk(scores, edges, start, steps, rng, told)
        means.append(along)
        for code, times in counted.items():
            visits[code] = visits.get(code, 0) + times
    codes = np.array(sorted(visits), dtype=np.int64)
    terms = np.zeros((codes.size, 1 << margins.k), dtype=np.int8)
    for number, code in enumerate(codes):
        for with_it, without_it in _eliminated(_neighbours(int(code), _edges(margins.k), margins.k)) or ():
            terms[number, with_it] += 1
            terms[number, without_it] -= 1
    weight = np.array([math.log(visits[int(code)]) - scores.of(int(code))[0] for code in codes])
    return codes, terms, weight, _rhat(means)


def _star(k: int, chain: int) -> int:
    """Where a walk starts: no edge, every edge, or a star around the first or the last list."""
    if chain < 2:
        return chain * ((1 << k * (k - 1) // 2) - 1)
    return sum(1 << number for number, pair in enumerate(_edges(k)) if (0, k - 1)[chain - 2] in pair)


# -- the estimate -----------------------------------------------------------------------------------------------------------


def posterior(
    table: CaptureTable, *, prior: float | None = None, missing_cap: int | None = None, steps: int = 20_000, seed: int = 1,
    walk: bool | None = None, progress: Progress | None = None,
) -> Posterior:  # fmt: skip
    """The posterior of the unseen, averaged over decomposable graphs (Madigan & York 1997, equations 4 to 8).

    ``prior``: delta, persons added to each of the 2**k cells, 1/2**k by default; every graph is as likely as another beforehand
    and the total has the prior 1/N. ``missing_cap``: the most unseen persons thought possible; by default the grid grows until
    less than 1e-5 lies beyond it, to a thousand million at most. ``walk``: whether to walk over graphs rather than weigh all;
    by default from 7 lists on, where it must be. ``steps`` of each of the four walks. Raises NotEstimable.
    """
    table = usable(table, MOST_LISTS)
    delta = 0.5 ** len(table.lists) if prior is None else prior
    within(_("the prior count of a cell"), delta, 1e-6, 1e3)
    within(_("the most unseen"), 1 if missing_cap is None else missing_cap, 1, MOST_UNSEEN)
    within(_("the number of steps"), steps, 10, 10_000_000)
    margins = _Margins(table, delta)
    if margins.k <= MOST_ENUMERATED and not walk:
        cap, known_tail, codes, terms = _enumerated(margins, missing_cap)
        weight, rhat = np.zeros(codes.size), 1.0
    else:
        cap, known_tail = missing_cap or MOST_UNSEEN, 0.0
        coarse = _Grid.to(cap, margins.n, _COARSE)
        codes, terms, weight, rhat = _found(margins, coarse, steps, seed, progress)
    grid = _Grid.to(cap, margins.n, _FINE)
    evidence, mass, tail = _evidence(margins, terms, grid, weight)
    order = np.argsort(-evidence, kind="stable")
    pairs = _edges(margins.k)
    graphs = tuple(tuple(pair for number, pair in enumerate(pairs) if int(codes[one]) >> number & 1) for one in order)
    return Posterior(
        table.lists, margins.n, grid.first, grid.width, mass / mass.sum(), graphs, np.exp(evidence[order]),
        max(tail, known_tail), cap == (missing_cap or MOST_UNSEEN), rhat,
    )  # fmt: skip


def _enumerated(
    margins: _Margins, missing_cap: int | None
) -> tuple[int, float, NDArray[np.int64], NDArray[np.int8]]:
    """How far the grid has to go and what lies beyond it; codes and terms of the graphs that are not negligible."""
    codes, terms = chordal_graphs(margins.k)
    cap = missing_cap or min(_FIRST_CAP * margins.n, MOST_UNSEEN)
    while True:
        evidence, _mass, tail = _evidence(margins, terms, _Grid.to(cap, margins.n, _COARSE), np.zeros(codes.size))
        if missing_cap or tail < _TAIL or cap == MOST_UNSEEN:
            break
        cap = min(cap * _FIRST_CAP, MOST_UNSEEN)
    order = np.argsort(evidence)
    kept = np.sort(order[np.cumsum(np.exp(evidence[order])) > _NEGLIGIBLE])
    return cap, tail, codes[kept], terms[kept]


def estimate(
    table: CaptureTable, *, prior: float | None = None, missing_cap: int | None = None, steps: int = 20_000, seed: int = 1,
    level: float = 0.95, draws: int = 10_000, progress: Progress | None = None,
) -> Estimate:  # fmt: skip
    """How many there are in all by ``posterior``: point its median, interval of equal tails, independent draws.

    Diagnostics: ``graphs`` weighed and not negligible; ``best_graph`` the probability of the likeliest, ``no_independence``
    that of the graph in which every list depends on every other, under which counts say nothing of the unseen; ``tail_mass``;
    ``rhat`` of the walk over graphs (1 where all were weighed). Raises NotEstimable.
    """
    within(_("the level"), level, 0.5, 0.999)
    within(_("the number of draws"), draws, 1, 10_000_000)
    found = posterior(table, prior=prior, missing_cap=missing_cap, steps=steps, seed=seed, progress=progress)
    if missing_cap is None and found.tail_mass > (1 - level) / 4:
        raise NotEstimable(why=_("nothing in the overlap of the lists bounds the number of the unseen from above."))
    k, tail = len(found.lists), (1 - level) / 2
    complete = np.array([len(graph) == k * (k - 1) // 2 for graph in found.graphs])
    diagnostics = {
        "graphs": float(len(found.graphs)), "best_graph": float(found.probability[0]),
        "no_independence": float(found.probability[complete].sum()), "tail_mass": found.tail_mass, "rhat": found.rhat,
    }  # fmt: skip
    settings: dict[str, float | int | str] = {
        "prior": 0.5**k if prior is None else prior, "most_unseen": int(found.unseen[-1] + found.width[-1] - 1),
        "seed": seed, "draws": draws, "graphs": "all" if k <= MOST_ENUMERATED else f"{_CHAINS} x {steps}",
        "likeliest": found.described(found.graphs[0]),
    }  # fmt: skip
    return Estimate(
        MODEL, found.lists, found.observed, found.quantile(0.5), found.quantile(tail), found.quantile(1 - tail), level,
        found.sample(draws, seed), diagnostics, settings,
    )  # fmt: skip


def sensitivity(
    table: CaptureTable, priors: Sequence[float] | None = None, *, missing_cap: int | None = None, seed: int = 1,
    level: float = 0.95, draws: int = 1_000,
) -> tuple[Estimate, ...]:  # fmt: skip
    """The same data under several priors; by default 1/4, 1, 4 times 1/2**k, then 1/2 (Jeffreys) and 1. Raises NotEstimable."""
    table = usable(table, MOST_LISTS)
    cell = 0.5 ** len(table.lists)
    chosen = priors or sorted({cell / 4, cell, 4 * cell, 0.5, 1.0})
    return tuple(
        estimate(table, prior=one, missing_cap=missing_cap, seed=seed, level=level, draws=draws) for one in chosen
    )  # fmt: skip
