"""Who is one person: clusters of reports under constraints.

Invariants: two reports that must not be one person are never in one cluster, whatever links them; what must be one is, unless
that breaks a prohibition; no cluster holds two reports of a list that has nobody twice; the same pairs and seed give the same
clusters.

A clustering's score is the sum of the weights (log odds) of the pairs inside its clusters (correlation clustering: Bansal,
Blum and Chawla 2004). ``cluster`` climbs it: two clean lists are matched optimally, else clusters are joined greedily by the
weight between whole clusters (greedy additive edge contraction: Keuper et al., ICCV 2015), so that one strong link cannot
bridge two groups that disagree.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_NEVER: Final = -1e6
_ALWAYS: Final = 1e4
UNCOMPARED: Final = -1.5
"""Natural-log odds of a pair that no key proposed, inside a group that other pairs connect: mildly against."""
_LARGEST: Final = 400
"""Reports in one group that are weighed all against all; a larger group is cut at its weakest links first."""
_LN2: Final = float(np.log(2.0))


class ContradictoryDecisions(BadInput):
    template = N_(
        "The decisions contradict each other: reports {one} and {two} are said to be the same person by a chain of "
        "decisions and different persons by another; undo one of them."
    )


@dataclass(frozen=True, slots=True)
class Graph:
    """Reports 0..count-1 and what is known between them.

    ``left``, ``right`` (n,) int64 row numbers; ``weight`` (n,) float64 log2 odds. ``lists`` (count,) int64: the number of a
    clean list (nobody stands on it twice), -1 for none. ``same`` and ``different`` (k, 2) int64: decisions.
    """

    count: int
    left: Ints
    right: Ints
    weight: Floats
    lists: Ints
    same: Ints
    different: Ints


def graph(
    count: int, left: Ints, right: Ints, weight: Floats, *, lists: Ints | None = None,
    same: Iterable[tuple[int, int]] = (), different: Iterable[tuple[int, int]] = (),
) -> Graph:  # fmt: skip
    """Put a graph together. Raises ContradictoryDecisions where two reports must be and must not be one."""
    same_, different_ = (
        np.array(sorted({(min(pair), max(pair)) for pair in pairs}), np.int64).reshape(-1, 2) for pairs in (same, different)
    )
    on = np.full(count, -1, np.int64) if lists is None else np.asarray(lists, np.int64)
    if len(same_) and len(different_):
        joined = _components(count, same_[:, 0], same_[:, 1])
        clash = joined[different_[:, 0]] == joined[different_[:, 1]]
        if clash.any():
            one, two = different_[clash][0]
            raise ContradictoryDecisions(one=int(one), two=int(two))
    return Graph(count, left, right, weight, on, same_, different_)


def _components(count: int, one: Ints, two: Ints) -> Ints:
    links = coo_matrix((np.ones(len(one), np.int8), (one, two)), (count, count))
    return np.asarray(connected_components(links, directed=False)[1], np.int64)


@dataclass(frozen=True, slots=True)
class Groups:
    """Reports that are connected at all: ``members`` sorted by group, group g at starts[g]:starts[g+1]; edges likewise."""

    members: Ints
    starts: Ints
    place: Ints
    edges: Ints
    edge_starts: Ints


def groups_of(data: Graph, one: Ints, two: Ints, number: Ints) -> Groups:
    """Gather the reports and the edges of each group. ``number`` (count,) the group of each report."""
    inside = number[one] == number[two]
    kept = np.flatnonzero(inside)
    kept = kept[np.argsort(number[one[kept]], kind="stable")]
    members = np.argsort(number, kind="stable").astype(np.int64)
    total = int(number.max(initial=-1)) + 1
    starts = np.searchsorted(number[members], np.arange(total + 1)).astype(np.int64)
    place = np.empty(data.count, np.int64)
    place[members] = np.arange(data.count) - starts[number[members]]
    edge_starts = np.searchsorted(number[one[kept]], np.arange(total + 1)).astype(np.int64)
    return Groups(members, starts, place, kept.astype(np.int64), edge_starts)


def edges_of(data: Graph) -> tuple[Ints, Ints, Floats]:
    """Pairs with decisions over weights, in natural-log odds; a pair of one clean list is never one person."""
    one = np.concatenate([data.left, data.same[:, 0], data.different[:, 0]])
    two = np.concatenate([data.right, data.same[:, 1], data.different[:, 1]])
    weight = np.concatenate([data.weight * _LN2, np.full(len(data.same), _ALWAYS), np.full(len(data.different), _NEVER)])
    weight[: len(data.left)] = np.clip(weight[: len(data.left)], -700, 700)
    barred = (data.lists[one] >= 0) & (data.lists[one] == data.lists[two])
    weight[barred] = np.minimum(weight[barred], _NEVER)
    return one, two, weight


def split(data: Graph, one: Ints, two: Ints, weight: Floats, floor: float) -> Ints:
    """The group of each report: connected by weights above ``floor``, and cut at the weakest links while too large."""
    cut = np.full(data.count, floor)
    while True:
        number = _connected(data.count, one, two, weight, cut)
        large = np.bincount(number)[number] > _LARGEST if data.count else np.zeros(0, bool)
        if not large.any():
            return number
        cut[large] = np.maximum(cut[large] + 2.0, cut[large] * 1.3)  # a cut stays, or the pieces would grow together again


def _connected(count: int, one: Ints, two: Ints, weight: Floats, floor: Floats) -> Ints:
    strong = weight > np.maximum(floor[one], floor[two])
    return _components(count, one[strong], two[strong])


def start_clusters(data: Graph) -> Ints:
    """(count,) the cluster of each report as one of its reports."""
    one, two, weight = edges_of(data)
    groups = groups_of(data, one, two, split(data, one, two, weight, 0.0))
    labels = _join_all(groups.members, groups.starts, groups.place, groups.edges, groups.edge_starts, one, two, weight,
                       data.lists)  # fmt: skip
    _match_two_lists(data, groups, one, two, weight, labels)
    return np.asarray(labels, np.int64)


def cluster(data: Graph) -> Ints:
    """(count,) the number of each report's cluster, 0.. in the order of their first reports."""
    return renumbered(start_clusters(data))


def renumbered(labels: Ints) -> Ints:
    """Numbers 0.. in the order in which clusters first appear."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def _match_two_lists(data: Graph, groups: Groups, one: Ints, two: Ints, weight: Floats, labels: Ints) -> None:
    """Where a group's reports all stand on two clean lists, the best assignment replaces the greedy one."""
    if len(np.unique(data.lists)) != 2 or (data.lists < 0).any() or len(data.same):
        return
    first = data.lists.min()
    sizes = np.diff(groups.starts)
    for group in np.flatnonzero(sizes > 2):
        members = groups.members[groups.starts[group] : groups.starts[group + 1]]
        on_first = members[data.lists[members] == first]
        rest = members[data.lists[members] != first]
        gain = np.zeros((len(on_first), len(rest)))
        for edge in groups.edges[groups.edge_starts[group] : groups.edge_starts[group + 1]]:
            a, b = (one[edge], two[edge]) if data.lists[one[edge]] == first else (two[edge], one[edge])
            if data.lists[a] != data.lists[b]:
                row, column = np.searchsorted(on_first, a), np.searchsorted(rest, b)
                gain[row, column] += weight[edge]
        rows, columns = linear_sum_assignment(np.maximum(gain, 0.0), maximize=True)
        labels[members] = members
        for row, column in zip(rows, columns, strict=True):
            if gain[row, column] > 0:
                labels[rest[column]] = on_first[row]


@njit(cache=True)
def matrix(
    members: Ints, place: Ints, edges: Ints, one: Ints, two: Ints, weight: Floats, lists: Ints
) -> Floats:  # fmt: skip
    """The weights inside one group, all against all, in natural-log odds."""
    size = len(members)
    table = np.full((size, size), UNCOMPARED)
    told = np.zeros((size, size), np.bool_)
    for edge in edges:
        a, b = place[one[edge]], place[two[edge]]
        value = weight[edge] + (table[a, b] if told[a, b] else 0.0)
        table[a, b] = table[b, a] = value
        told[a, b] = told[b, a] = True
    for a in range(size):
        table[a, a] = 0.0
        for b in range(a):
            if lists[members[a]] >= 0 and lists[members[a]] == lists[members[b]]:
                table[a, b] = table[b, a] = _NEVER
    return table


@njit(cache=True)
def _join_all(
    members: Ints, starts: Ints, place: Ints, edges: Ints, edge_starts: Ints, one: Ints, two: Ints, weight: Floats, lists: Ints
) -> Ints:  # fmt: skip
    """Greedy additive edge contraction in every group: the number of each report's cluster, a report of it."""
    labels = np.arange(len(place))
    for group in range(len(starts) - 1):
        own = members[starts[group] : starts[group + 1]]
        if len(own) < 2:
            continue
        table = matrix(own, place, edges[edge_starts[group] : edge_starts[group + 1]], one, two, weight, lists)
        alive = np.ones(len(own), np.bool_)
        while True:
            best, a, b = 0.0, -1, -1
            for row in range(len(own)):
                if alive[row]:
                    for column in range(row):
                        if alive[column] and table[row, column] > best:
                            best, a, b = table[row, column], column, row
            if a < 0:
                break
            table[a, :] += table[b, :]
            table[:, a] = table[a, :]
            alive[b] = False
            for row in range(len(own)):
                if labels[own[row]] == own[b]:
                    labels[own[row]] = own[a]
    return labels
