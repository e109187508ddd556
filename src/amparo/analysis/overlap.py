"""Whether lists can tell of the unseen at all, looked at before any model is run.

Invariants: pure functions of counts. What is told of two lists is told of the persons that some third list knows, because
only among those are all four cells (both, one, the other, neither) seen; so a dependence is measured, not modelled.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from amparo.analysis.capture import CaptureTable, NotEstimable
from amparo.kernel.i18n import _

FEWEST_LISTS: Final = 3
FEWEST_TWICE: Final = 5
"""Persons on two lists or more, under which no overlap can be measured."""
_NORMAL_99: Final = 2.5758293035489004
_FED_RATIO: Final = 5.0
_NESTED_SHARE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Pair:
    """Two lists against each other. ``smaller`` has fewer persons; ``share`` is the part of it that stands on the other.

    ``odds``: how many times likelier persons of a third list who are on one are to be on the other (odds ratio, every cell
    plus 1/2: Haldane 1956); ``low``, ``high``: its 99 % interval (Woolf 1955). 1 is independence.
    """

    smaller: str
    larger: str
    persons: int
    shared: int
    share: float
    odds: float
    low: float
    high: float

    @property
    def feeds(self) -> bool:
        """True if the smaller list seems to be taken from the larger: nearly all of it is there, or the odds are implausible.

        Measured on public tables: newspapers and the academics who read them (.99 of 203, odds 49) are found; four
        organisations that interviewed apart from each other (odds 1.1 to 4.2) are not.
        """
        return self.low > _FED_RATIO or (self.share >= _NESTED_SHARE and self.low > 1)


@dataclass(frozen=True, slots=True)
class Overlap:
    """What was looked at: ``sizes`` persons by list, ``twice`` persons on two lists or more, ``pairs`` every two lists,
    ``apart`` lists that share nobody with the others, ``same`` pairs of lists with the same persons.
    """

    sizes: dict[str, int]
    twice: int
    pairs: tuple[Pair, ...]
    apart: tuple[str, ...]
    same: tuple[tuple[str, str], ...]

    @property
    def fed(self) -> tuple[Pair, ...]:
        """Pairs of which one seems to be taken from the other."""
        return tuple(pair for pair in self.pairs if pair.feeds)


def look(table: CaptureTable) -> Overlap:
    """How the lists overlap. Raises NotEstimable where that says that nothing can be estimated."""
    sizes = {name: int(table.counts[table.patterns[:, j] == 1].sum()) for j, name in enumerate(table.lists)}
    filled = [name for name, size in sizes.items() if size]
    if len(filled) < FEWEST_LISTS:
        raise NotEstimable(why=_too_few_lists(len(filled)))
    twice = int(table.counts[table.patterns.sum(axis=1) > 1].sum())
    if twice < FEWEST_TWICE:
        raise NotEstimable(
            why=_("fewer than {few} persons stand on two lists or more; how the lists overlap is what an estimate is made of.")
            .format(few=FEWEST_TWICE)
        )  # fmt: skip
    pairs = tuple(_pairs(table, sizes))
    joined = _largest_joined(filled, pairs)
    if len(joined) < FEWEST_LISTS:
        raise NotEstimable(why=_("no three lists share persons with each other, not even by way of another list."))
    same = tuple((pair.smaller, pair.larger) for pair in pairs if pair.shared == pair.persons == sizes[pair.larger])
    repeats = {
        pair.smaller for pair in pairs if pair.shared == pair.persons and (pair.feeds or pair.persons == sizes[pair.larger])
    }
    valid = [name for name in joined if name not in repeats]
    if len(valid) < FEWEST_LISTS:
        raise NotEstimable(
            why=_("{lists}: everybody on it stands on another list, more often than chance allows, so it repeats that list; "
                  "{left} others are left, and three are needed.")
            .format(lists=", ".join(sorted(repeats)), left=len(valid))
        )  # fmt: skip
    return Overlap(sizes, twice, pairs, tuple(name for name in table.lists if name not in joined), same)


def _too_few_lists(number: int) -> str:
    if number < 2:
        return _("there is only one list with persons on it, or none; an estimate of the unseen needs three.")
    return _("there are only two lists with persons on them. With two it cannot be told whether one knows of the same persons "
             "as the other because both reach them, or because one reads the other; three are needed.")  # fmt: skip


def _pairs(table: CaptureTable, sizes: dict[str, int]) -> Iterator[Pair]:
    for i, j in combinations(range(len(table.lists)), 2):
        if not sizes[table.lists[i]] or not sizes[table.lists[j]]:
            continue
        first, second = sorted((i, j), key=lambda one: sizes[table.lists[one]])
        on, other = table.patterns[:, first] == 1, table.patterns[:, second] == 1
        rest = [one for one in range(len(table.lists)) if one not in (i, j)]
        third = table.patterns[:, rest].any(axis=1)
        cells = [
            float(table.counts[third & (on == a) & (other == b)].sum()) + 0.5 for a in (True, False) for b in (True, False)
        ]
        log_odds = math.log(cells[0] * cells[3] / (cells[1] * cells[2]))
        wide = _NORMAL_99 * math.sqrt(sum(1 / cell for cell in cells))
        persons, shared = sizes[table.lists[first]], int(table.counts[on & other].sum())
        yield Pair(
            table.lists[first], table.lists[second], persons, shared, shared / persons,
            math.exp(log_odds), math.exp(log_odds - wide), math.exp(log_odds + wide),
        )  # fmt: skip


def _largest_joined(names: Sequence[str], pairs: Sequence[Pair]) -> list[str]:
    """The most lists that hang together by persons they share."""
    group = {name: number for number, name in enumerate(names)}
    for pair in pairs:
        if pair.shared:
            old, new = group[pair.smaller], group[pair.larger]
            group = {name: new if number == old else number for name, number in group.items()}
    numbers, sizes = np.unique(list(group.values()), return_counts=True)
    return [name for name in names if group[name] == numbers[int(np.argmax(sizes))]]
