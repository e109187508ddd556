"""Averaging over decomposable graphs: against brute force, published figures, and what must not change them."""

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from amparo.analysis.capture import CaptureTable, NotEstimable
from amparo.analysis.decomposable import (
    MOST_UNSEEN,
    Graph,
    Posterior,
    chordal_graphs,
    estimate,
    posterior,
    sensitivity,
)

KOSOVO = (1131, 845, 177, 936, 228, 217, 181, 306, 106, 31, 18, 123, 42, 32, 27)
"""Ball et al. 2002: four lists of killings in Kosovo, March to June 1999; patterns 1 to 15, list 0 the lowest bit."""


def table_of(counts: Sequence[int], k: int) -> CaptureTable:
    """``counts`` of the patterns 1 .. 2**k - 1."""
    cells = (([code >> j & 1 for j in range(k)], count) for code, count in enumerate(counts, start=1))
    return CaptureTable.of([f"list {j}" for j in range(k)], cells)


def made_up(k: int, total: int, chances: Sequence[float], seed: int) -> CaptureTable:
    """A generated population in which lists meet persons independently of each other."""
    on = np.random.default_rng(seed).random((total, k)) < np.array(chances)
    return CaptureTable.of_members([f"list {j}" for j in range(k)], [np.flatnonzero(row) for row in on])


def tables(k: int, most: int = 12) -> st.SearchStrategy[CaptureTable]:
    """Small tables of k lists."""
    return st.lists(st.integers(0, most), min_size=2**k - 1, max_size=2**k - 1).map(lambda counts: table_of(counts, k))


# -- graphs -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "number"), [(1, 1), (2, 2), (3, 8), (4, 61), (5, 822), (6, 18154)])
def test_as_many_graphs_as_there_are(k: int, number: int) -> None:
    """Every labelled chordal graph is weighed, as many as OEIS A058862 counts."""
    codes, terms = chordal_graphs(k)
    assert codes.size == len(set(codes.tolist())) == number == len(terms)


def _has_chordless_cycle(k: int, edges: set[frozenset[int]]) -> bool:
    for size in range(4, k + 1):
        for some in combinations(range(k), size):
            for order in permutations(some[1:]):
                ring = (some[0], *order)
                around = {frozenset((ring[i], ring[(i + 1) % size])) for i in range(size)}
                if around == {edge for edge in edges if edge <= set(some)}:
                    return True
    return False


def test_a_graph_is_decomposable_when_no_cycle_lacks_a_chord() -> None:
    """On five lists the graphs that are weighed are those without a cycle of four or more that has no chord, by definition."""
    pairs = list(combinations(range(5), 2))
    wanted = {
        code for code in range(1 << len(pairs))
        if not _has_chordless_cycle(5, {frozenset(pair) for number, pair in enumerate(pairs) if code >> number & 1})
    }  # fmt: skip
    assert set(chordal_graphs(5)[0].tolist()) == wanted


# -- the posterior ------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=100_000)
def _urn(counts: tuple[int, ...], prior: float) -> float:
    """Log probability of a sequence of draws with those counts from Polya's urn, one draw after the other."""
    log, drawn, whole = 0.0, 0, prior * len(counts)
    for count in counts:
        for already in range(count):
            log += math.log((prior + already) / (whole + drawn))
            drawn += 1
    return log


def _brute_force(
    table: CaptureTable, cliques: dict[Graph, tuple[list[str], list[str]]], cap: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The posterior of the unseen to ``cap`` and of the graphs on three lists, by urns and factorials."""
    full, delta = table.full(), 1 / 8
    joint = np.zeros((len(cliques), cap + 1))
    for unseen in range(cap + 1):
        full[0] = unseen
        cube = full.reshape(2, 2, 2).transpose(2, 1, 0)
        total = int(full.sum())
        shared = math.lgamma(total + 1) - sum(math.lgamma(int(count) + 1) for count in full) - math.log(total)
        for row, (inside, between) in enumerate(cliques.values()):
            for sign, sets in ((1, inside), (-1, between)):
                for name in sets:
                    keep = ["abc".index(letter) for letter in name]
                    margin = cube.sum(axis=tuple(axis for axis in range(3) if axis not in keep)).ravel()
                    joint[row, unseen] += sign * _urn(tuple(int(one) for one in margin), delta * 2 ** (3 - len(keep)))
        joint[:, unseen] += shared
    mass = np.exp(joint - joint.max())
    return mass.sum(axis=0) / mass.sum(), mass.sum(axis=1) / mass.sum()


THREE_LISTS: dict[Graph, tuple[list[str], list[str]]] = {
    (): (["a", "b", "c"], []),
    ((0, 1),): (["ab", "c"], []), ((0, 2),): (["ac", "b"], []), ((1, 2),): (["bc", "a"], []),
    ((0, 1), (0, 2)): (["ab", "ac"], ["a"]), ((0, 1), (1, 2)): (["ab", "bc"], ["b"]), ((0, 2), (1, 2)): (["ac", "bc"], ["c"]),
    ((0, 1), (0, 2), (1, 2)): (["abc"], []),
}  # fmt: skip


@pytest.mark.parametrize("counts", [(9, 7, 4, 8, 5, 3, 2), (1, 0, 3, 0, 2, 0, 5), (20, 1, 1, 30, 0, 1, 0)])
def test_the_posterior_is_that_of_brute_force(counts: tuple[int, ...]) -> None:
    """On three lists unseen and graphs have the posterior that urns, cliques and separators written out by hand give."""
    table, cap = table_of(counts, 3), 150
    wanted, by_graph = _brute_force(table, THREE_LISTS, cap)
    found = posterior(table, missing_cap=cap)
    spread = np.repeat(found.mass / found.width, found.width)
    assert spread.size == cap + 1
    assert found.capped
    assert np.abs(np.cumsum(spread) - np.cumsum(wanted)).max() < 1e-3  # blocks of several numbers, beyond the first ones
    exact = found.width == 1
    assert exact[:20].all()
    np.testing.assert_allclose(found.mass[:20], wanted[:20], rtol=2e-3)
    shares = dict(zip(found.graphs, found.probability, strict=True))
    np.testing.assert_allclose([shares.get(graph, 0.0) for graph in THREE_LISTS], by_graph, rtol=2e-3, atol=1e-8)


def test_kosovo_comes_out_as_published() -> None:
    """On the Kosovo lists the median and interval are those of dga 2.0.2, to the person: 12,595 (9,827 to 16,544)."""
    found = estimate(table_of(KOSOVO, 4))
    assert (found.observed, found.point, found.low, found.high) == (4400, 12595, 9827, 16544)
    assert found.diagnostics["best_graph"] == pytest.approx(0.98551, abs=1e-5)
    assert found.diagnostics["tail_mass"] < 1e-5


def test_independent_lists_give_the_truth() -> None:
    """Where lists are independent, the interval of 3,000 generated persons holds the truth and the point is near it."""
    found = estimate(made_up(4, 3000, (0.3, 0.4, 0.25, 0.35), seed=5))
    assert found.low <= 3000 <= found.high
    assert found.point == pytest.approx(3000, rel=0.03)


def test_two_lists_apart_from_the_rest_are_lincoln_and_petersen() -> None:
    """A third list of one person changes nothing: the point is close to n1 n2 / n12, with the graph of no dependence."""
    table = CaptureTable.of("abc", [((1, 0, 0), 3000), ((0, 1, 0), 2000), ((1, 1, 0), 1000), ((1, 1, 1), 1)])
    found = posterior(table)
    independent = next(number for number, graph in enumerate(found.graphs) if not graph)
    assert found.probability[independent] > 0.05
    assert found.quantile(0.025) < 4001 * 3001 / 1001 < found.quantile(0.975)


@settings(max_examples=25)
@given(table=tables(3), order=st.permutations(range(3)))
def test_the_order_of_lists_changes_nothing(table: CaptureTable, order: list[int]) -> None:
    """Lists given in another order, under other names, have the same point, interval and draws."""
    assume((table.patterns.sum(axis=1) > 1).any() and (table.patterns.sum(axis=0) > 0).all())
    rows = zip(table.patterns, table.counts, strict=True)
    other = CaptureTable.of("xyz", [([int(row[j]) for j in order], int(count)) for row, count in rows])
    try:
        one = estimate(table, draws=50)
    except NotEstimable:
        with pytest.raises(NotEstimable):
            estimate(other, draws=50)
        return
    two = estimate(other, draws=50)
    assert (one.point, one.low, one.high) == (two.point, two.low, two.high)
    np.testing.assert_array_equal(one.draws, two.draws)


@settings(max_examples=30)
@given(table=tables(4, most=40))
def test_a_posterior_is_a_distribution(table: CaptureTable) -> None:
    """Probabilities sum to one, quantiles rise from the observed on, and little lies beyond the grid, whatever is counted."""
    assume((table.patterns.sum(axis=1) > 1).any() and (table.patterns.sum(axis=0) > 0).all())
    found = posterior(table)
    assert found.mass.sum() == pytest.approx(1)
    assert found.probability.sum() == pytest.approx(1, abs=1e-6)
    quantiles = [found.quantile(level) for level in (0.001, 0.025, 0.5, 0.975, 0.999)]
    assert quantiles == sorted(quantiles)
    assert quantiles[0] >= found.observed
    assert found.tail_mass < 1e-5 or found.capped


def test_quantiles_and_draws_are_those_of_the_nodes() -> None:
    """A node that stands for several numbers is read as if each were as likely, in quantiles and in draws."""
    unseen, width, mass = np.array([0, 1, 2]), np.array([1, 1, 8]), np.array([0.1, 0.1, 0.8])
    made = Posterior(("a", "b", "c"), 100, unseen, width, mass, ((),), np.ones(1), 0.0, capped=False, rhat=1.0)
    assert [made.quantile(level) for level in (0.05, 0.15, 0.25, 0.35, 0.999)] == [100, 101, 102, 103, 109]
    drawn, times = np.unique(made.sample(20_000, 3), return_counts=True)
    assert drawn.tolist() == list(range(100, 110))
    assert np.abs(times / 20_000 - 0.1).max() < 0.01


def test_what_the_grid_leaves_out_is_told() -> None:
    """With a small cap the probability beyond it is the one that a large grid finds there, and that it is capped is said."""
    table = table_of((30, 30, 2, 30, 2, 2, 0), 3)
    whole, cut = posterior(table, missing_cap=10**8), posterior(table, missing_cap=2000)
    beyond = whole.mass[whole.unseen > 2000].sum()
    assert cut.capped
    assert beyond > 1e-3
    assert cut.tail_mass == pytest.approx(beyond, rel=0.2)
    assert posterior(table).tail_mass < 1e-5


def test_a_walk_over_graphs_finds_what_weighing_all_finds() -> None:
    """On five lists the walk gives the quantiles and the likeliest graph of the full sum, and says that it walked."""
    table = made_up(5, 900, (0.2, 0.3, 0.25, 0.15, 0.3), seed=11)
    every, walked = posterior(table), posterior(table, walk=True, steps=4000)
    for level in (0.025, 0.5, 0.975):
        assert walked.quantile(level) == pytest.approx(every.quantile(level), rel=0.02)
    assert walked.graphs[0] in every.graphs[:3]
    assert walked.rhat < 1.1
    assert every.rhat == 1


def test_seven_lists_are_walked() -> None:
    """Seven lists give an estimate that holds the truth, that names the walk, and that can be stopped while it runs."""
    table = made_up(7, 600, (0.2, 0.3, 0.25, 0.15, 0.3, 0.1, 0.1), seed=2)
    told: list[tuple[int, int]] = []
    found = estimate(table, steps=1500, draws=100, progress=lambda done, of: told.append((done, of)))
    assert found.low <= 600 <= found.high
    assert found.settings["graphs"] == "4 x 1500"
    assert told[0][0] == 0
    assert told[-1][0] == told[-1][1] - 1

    def stop(_done: int, _of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        estimate(table, steps=1500, progress=stop)


def test_a_seed_makes_it_again() -> None:
    """The same seed gives the same draws, another seed others, and their median is the point."""
    table = table_of(KOSOVO, 4)
    one, same, other = (estimate(table, seed=seed, draws=4000) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.draws, same.draws)
    assert not np.array_equal(one.draws, other.draws)
    assert np.median(one.draws) == pytest.approx(one.point, rel=0.01)


def test_the_prior_matters_and_is_shown() -> None:
    """Sensitivity gives an estimate for each prior, its settings tell which, and they do differ."""
    found = sensitivity(table_of((9, 7, 4, 8, 5, 3, 2), 3), draws=10)
    assert [one.settings["prior"] for one in found] == [1 / 32, 1 / 8, 1 / 2, 1.0]
    assert len({one.point for one in found}) > 2


def test_a_list_with_nobody_is_left_out() -> None:
    """A list that nobody is on changes nothing and is not named among the lists of the estimate."""
    table = table_of((9, 7, 4, 8, 5, 3, 2), 3)
    rows = zip(table.patterns, table.counts, strict=True)
    wider = CaptureTable.of([*table.lists, "empty"], [([*map(int, row), 0], int(count)) for row, count in rows])
    one, two = estimate(table), estimate(wider)
    assert one.lists == two.lists
    assert (one.point, one.low, one.high) == (two.point, two.low, two.high)


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (CaptureTable.of("ab", [((1, 0), 5), ((0, 1), 5), ((1, 1), 5)]), "three lists"),
        (CaptureTable.of("abc", []), "three lists"),
        (CaptureTable.of("abc", [((1, 0, 0), 9), ((0, 1, 0), 9), ((0, 0, 1), 9)]), "nobody is on two lists"),
        (CaptureTable.of("abc", [((1, 1, 0), 10**9), ((0, 0, 1), 1)]), "10,000,000 persons"),
        (table_of([1] * 2047, 11), "11 lists"),
    ],
)  # fmt: skip
def test_what_cannot_be_estimated_says_why(table: CaptureTable, why: str) -> None:
    """Too few lists, no overlap, too many lists or persons: a sentence with the reason and no figure."""
    with pytest.raises(NotEstimable, match=why):
        estimate(table)


def test_an_overlap_that_bounds_nothing_is_refused() -> None:
    """A single person on two lists among six million leaves the number of unseen without a bound, and that is said."""
    cells = [(row, 2_000_000) for row in product((0, 1), repeat=3) if sum(row) == 1]
    with pytest.raises(NotEstimable, match="bounds the number"):
        estimate(CaptureTable.of("abc", [*cells, ((1, 1, 0), 1)]))
    assert MOST_UNSEEN == 10**9


@pytest.mark.parametrize(
    "bad", [{"prior": 0.0}, {"prior": math.nan}, {"missing_cap": 0}, {"level": 1.0}, {"draws": 0}, {"steps": 1}]
)  # fmt: skip
def test_a_setting_out_of_bounds_is_refused(bad: dict[str, float]) -> None:
    """A setting outside of its bounds gets one sentence that names them."""
    with pytest.raises(NotEstimable, match="has to lie between"):
        estimate(table_of((9, 7, 4, 8, 5, 3, 2), 3), **bad)  # type: ignore[arg-type]
