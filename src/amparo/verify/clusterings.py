# ruff: noqa: NPY002 - numba knows no other generator inside a kernel; each kernel seeds its own
"""What the weights leave open: clusterings drawn at random from all that the weights and the decisions allow.

Invariants: as ``verify.clusters``: no drawn clustering breaks a prohibition; the same pairs and seed give the same draws; two
reports that nothing else touches are together in a share of the draws that is their own probability.

The distribution is proportional to exp(sum of the log odds inside clusters). It takes pairs as independent, which they are not
quite, so large clusters come out surer than they are. Moves: Gibbs steps of single reports, and sequentially allocated merges
and splits (Dahl, Technical report 1086, University of Wisconsin, 2003, section 3), which carry whole halves across.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from amparo.verify.clusters import Floats, Graph, Ints, edges_of, groups_of, matrix, renumbered, split, start_clusters

_BURN: Final = 20
_THIN: Final = 4
_OPEN: Final = -4.6
"""Natural-log odds from which on a pair is left open: one in a hundred."""


def sample(data: Graph, draws: int, seed: int) -> NDArray[np.int64]:
    """(draws, count): in each row the number of each report's cluster, 0.. in the order of their first reports."""
    one, two, weight = edges_of(data)
    groups = groups_of(data, one, two, split(data, one, two, weight, _OPEN))
    start = start_clusters(data)
    drawn = _draw_all(groups.members, groups.starts, groups.place, groups.edges, groups.edge_starts, one, two, weight,
                      data.lists, start, draws, seed & 0xFFFFFFFF)  # fmt: skip
    return np.array([renumbered(row) for row in drawn], np.int64).reshape(draws, data.count)


@njit(cache=True)
def _gibbs(table: Floats, state: Ints, one: int) -> None:
    """Draw the cluster of one report, all others held."""
    size = len(state)
    score = np.zeros(size)
    used = np.zeros(size, np.bool_)
    for other in range(size):
        if other != one:
            used[state[other]] = True
            score[state[other]] += table[one, other]
    spare = -1
    for slot in range(size):
        if not used[slot]:
            if spare < 0:
                spare = slot
            else:
                score[slot] = -np.inf
    best = score.max()
    total = np.exp(score - best).sum()
    left = np.random.random() * total
    for slot in range(size):
        left -= np.exp(score[slot] - best)
        if left < 0:
            state[one] = slot
            return


@njit(cache=True)
def _split_or_merge(table: Floats, state: Ints) -> None:
    """Propose to part two reports' cluster in two, or to join their clusters; accept by Metropolis and Hastings."""
    size = len(state)
    a, b = np.random.randint(size), np.random.randint(size - 1)
    b += b >= a
    together = state[a] == state[b]
    side = np.zeros(size, np.int64)
    side[a], side[b] = 1, 2
    logq = 0.0
    for one in np.random.permutation(size):
        if one in (a, b) or (state[one] != state[a] and state[one] != state[b]):
            continue
        lean = 0.0
        for other in range(size):
            if side[other]:
                lean += table[one, other] if side[other] == 1 else -table[one, other]
        to_first = (np.random.random() < 1 / (1 + np.exp(-lean))) if together else state[one] == state[a]
        side[one] = 1 if to_first else 2
        logq -= np.log1p(np.exp(min(-lean if to_first else lean, 700.0)))
    across = 0.0
    for one in range(size):
        for other in range(one):
            if side[one] and side[other] and side[one] != side[other]:
                across += table[one, other]
    if np.log(np.random.random()) >= (-across - logq if together else across + logq):
        return
    target = state[a]
    if together:
        used = np.zeros(size, np.bool_)
        for one in range(size):
            used[state[one]] = True
        for slot in range(size):
            if not used[slot]:
                target = slot
    for one in range(size):
        if side[one] == 2:
            state[one] = target


@njit(cache=True)
def _draw_all(
    members: Ints, starts: Ints, place: Ints, edges: Ints, edge_starts: Ints, one: Ints, two: Ints, weight: Floats, lists: Ints,
    start: Ints, draws: int, seed: int,
) -> Ints:  # fmt: skip
    """(draws, count): the cluster of each report as a report of its group."""
    np.random.seed(seed)
    drawn = np.empty((draws, len(place)), np.int64)
    for row in range(draws):
        drawn[row] = np.arange(len(place))
    for group in range(len(starts) - 1):
        own = members[starts[group] : starts[group + 1]]
        if len(own) < 2:
            continue
        table = matrix(own, place, edges[edge_starts[group] : edge_starts[group + 1]], one, two, weight, lists)
        if len(own) == 2:
            chance = 1 / (1 + np.exp(-max(table[0, 1], -700.0)))
            for row in range(draws):
                drawn[row, own[1]] = own[0] if np.random.random() < chance else own[1]
            continue
        state = _slots(own, start)
        for turn in range(_BURN + _THIN * (draws - 1) + 1):
            for report in range(len(own)):
                _gibbs(table, state, report)
                _split_or_merge(table, state)
            if turn >= _BURN and (turn - _BURN) % _THIN == 0:
                for report in range(len(own)):
                    drawn[(turn - _BURN) // _THIN, own[report]] = own[state[report]]
    return drawn


@njit(cache=True)
def _slots(own: Ints, start: Ints) -> Ints:
    """The starting clusters of a group's reports as numbers below its size."""
    state = np.empty(len(own), np.int64)
    for report in range(len(own)):
        state[report] = report
        for earlier in range(report):
            if start[own[earlier]] == start[own[report]]:
                state[report] = state[earlier]
                break
    return state
