import itertools
import math
from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amparo.verify import clusters
from amparo.verify.clusterings import sample
from amparo.verify.clusters import ContradictoryDecisions, Graph, Ints, cluster, graph


def _graph(count: int, edges: list[tuple[int, int, float]], **options: Any) -> Graph:
    one, two, weight = zip(*edges, strict=True) if edges else ((), (), ())
    return graph(count, np.array(one, np.int64), np.array(two, np.int64), np.array(weight, float), **options)


@st.composite
def _graphs(draw: st.DrawFn) -> Graph:
    count = draw(st.integers(2, 9))
    every = list(itertools.combinations(range(count), 2))
    chosen = draw(st.lists(st.sampled_from(every), unique=True))
    edges = [(a, b, draw(st.floats(-15, 15))) for a, b in chosen]
    lists = np.array(draw(st.lists(st.integers(-1, 2), min_size=count, max_size=count)), np.int64)
    return _graph(count, edges, lists=lists, different=draw(st.lists(st.sampled_from(every), max_size=3)))


def _kept(data: Graph, found: Ints) -> bool:
    clean = all(len(set(on)) == len(on) for number in set(found.tolist())
                for on in [[entry for entry in data.lists[found == number].tolist() if entry >= 0]])  # fmt: skip
    return clean and all(found[a] != found[b] for a, b in data.different)


@settings(max_examples=60, deadline=None)
@given(_graphs())
def test_no_cluster_and_no_draw_breaks_a_prohibition(data: Graph) -> None:
    """Reports of one clean list, and reports said to be different persons, are never in one cluster and in no drawn
    clustering.
    """
    assert _kept(data, cluster(data))
    assert all(_kept(data, row) for row in sample(data, 5, 1))


def _score(data: Graph, found: Ints) -> float:
    inside = found[data.left] == found[data.right]
    told = set(zip(data.left.tolist(), data.right.tolist(), strict=True))
    bare = sum(found[a] == found[b] and (a, b) not in told for a, b in itertools.combinations(range(data.count), 2))
    return float(data.weight[inside].sum() * math.log(2) + clusters.UNCOMPARED * bare)


def _partitions(count: int) -> Iterator[Ints]:
    def grow(done: list[int], most: int) -> Iterator[Ints]:
        if len(done) == count:
            yield np.array(done)
            return
        for number in range(most + 2):
            yield from grow([*done, number], max(most, number))
    return grow([0], 0)  # fmt: skip


def test_draws_follow_the_distribution_of_clusterings() -> None:
    """On four reports the share of each of the fifteen clusterings among the draws is exp of its score, normed."""
    data = _graph(4, [(0, 1, 1.2), (1, 2, 0.7), (0, 2, -0.5), (2, 3, 0.9), (0, 3, -1.5)])
    drawn = sample(data, 20_000, 7)
    every = [tuple(row.tolist()) for row in _partitions(4)]
    weights = np.array([math.exp(_score(data, np.array(one))) for one in every])
    counted = dict.fromkeys(every, 0)
    for row in drawn:
        counted[tuple(row.tolist())] += 1
    assert np.abs(np.array([counted[one] for one in every]) / len(drawn) - weights / weights.sum()).max() < 0.015


def test_a_pair_on_its_own_is_together_with_its_own_probability() -> None:
    """A pair of weight w that nothing else touches is together in 2^w / (1 + 2^w) of the draws."""
    drawn = sample(_graph(2, [(0, 1, 1.5)]), 20_000, 3)
    assert abs((drawn[:, 0] == drawn[:, 1]).mean() - 2**1.5 / (1 + 2**1.5)) < 0.015


def test_two_clean_lists_are_matched_optimally() -> None:
    """Between two lists without duplicates, the assignment with the greatest sum is found where greed takes the best pair
    first.
    """
    data = _graph(4, [(0, 2, 10.0), (0, 3, 9.0), (1, 2, 9.0)], lists=np.array([0, 0, 1, 1]))
    assert cluster(data).tolist() == [0, 1, 1, 0]


def test_one_strong_link_does_not_bridge_two_groups_that_disagree() -> None:
    """Chaining is refused: two firm groups joined by one good pair stay apart while the other pairs speak against it."""
    firm = [(a, b, 12.0) for group in ((0, 1, 2), (3, 4, 5)) for a, b in itertools.combinations(group, 2)]
    across = [(a, b, 5.0 if (a, b) == (2, 3) else -6.0) for a in (0, 1, 2) for b in (3, 4, 5)]
    assert cluster(_graph(6, firm + across)).tolist() == [0, 0, 0, 1, 1, 1]


def test_decisions_rule_over_weights() -> None:
    """Reports decided to be one person are together against their weight; decided to differ, they are apart; the rest
    follows.
    """
    edges = [(0, 1, -20.0), (1, 2, 20.0), (2, 3, 20.0)]
    assert cluster(_graph(4, edges, same=[(0, 1)], different=[(3, 2)])).tolist() == [0, 0, 0, 1]


def test_contradictory_decisions_are_refused() -> None:
    """A chain of “same” between two reports that are said to differ is an error that names both."""
    with pytest.raises(ContradictoryDecisions) as caught:
        _graph(3, [(0, 1, 1.0)], same=[(0, 1), (1, 2)], different=[(2, 0)])
    assert caught.value.facts == {"one": 0, "two": 2}


@settings(max_examples=30, deadline=None)
@given(_graphs(), st.randoms(use_true_random=False))
def test_order_of_the_pairs_does_not_matter(data: Graph, random: Random) -> None:
    """The same pairs in another order give the same clusters, and the same seed the same draws."""
    order = list(range(len(data.left)))
    random.shuffle(order)
    other = Graph(data.count, data.left[order], data.right[order], data.weight[order], data.lists, data.same, data.different)
    assert cluster(other).tolist() == cluster(data).tolist()
    assert sample(data, 3, 5).tolist() == sample(data, 3, 5).tolist()


def test_a_group_that_is_too_large_is_cut_at_its_weakest_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more reports hang together than are weighed all against all, the weakest links give way, and nothing fails."""
    monkeypatch.setattr(clusters, "_LARGEST", 4)
    found = cluster(_graph(6, [(0, 1, 9.0), (1, 2, 9.0), (2, 3, 1.0), (3, 4, 9.0), (4, 5, 9.0)]))
    assert found.tolist() == [0, 0, 0, 1, 1, 1]


def test_decided_chains_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain of decisions longer than a group may be is cut like any other, and the clustering comes to an end."""
    monkeypatch.setattr(clusters, "_LARGEST", 3)
    found = cluster(_graph(8, [], same=[(number, number + 1) for number in range(7)]))
    assert len(found) == 8


def test_no_pairs_make_no_clusters() -> None:
    """Reports that nothing connects are persons of their own; no reports give nothing."""
    assert cluster(_graph(3, [])).tolist() == [0, 1, 2]
    assert sample(_graph(3, []), 2, 1).tolist() == [[0, 1, 2]] * 2
    assert cluster(_graph(0, [])).tolist() == []
