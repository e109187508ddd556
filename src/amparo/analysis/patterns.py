"""Frequent ordered sequences of acts under partial dates: what followed what for many, where the order is certain.

Invariants: one step counts as before another only if every reading of the dates says so, or the record does; the sequences
found are exactly those with the greatest support, and their supports are exact. Memory is linear in the number of steps; the
number of patterns looked at is bounded. The same arrays give the same sequences.

A case's steps are a partial order, so a sequence is a *serial episode* (Mannila, Toivonen & Verkamo, Data Min. Knowl. Discov.
1, 1997) and a case supports it if the order embeds it. Growth by prefix (Pei et al., PrefixSpan, IEEE TKDE 16, 2004, section
3), with the prefix of greatest support grown first: support never rises as a prefix grows, so patterns come in descending
order.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

NEVER: Final = -(1 << 40)
ALWAYS: Final = 1 << 40
"""First and last day of a step whose date is open."""
STEPS: Final = 64
"""Steps of a case that are looked at: the bits of a word."""
_TABLE: Final = 1 << 27
"""Bytes up to which cases are counted in a table of items by cases."""
Ints = NDArray[np.int64]
Masks = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Sequence:
    """``steps`` items in order; ``cases`` those that support it, ascending; ``all_steps`` how many have all these items, in
    whatever order, known or not.
    """

    steps: tuple[int, ...]
    cases: Ints
    all_steps: int

    @property
    def support(self) -> int:
        return len(self.cases)


class Cases:
    """Steps of cases as arrays, and which step is certainly before which.

    ``case``, ``item``: (n,) int, ascending by case; ``first``, ``last``: (n,) days; ``act``: (n,) int, the act a step belongs
    to, and ``rank``: (n,) int, its place within the act. ``before``: pairs of rows that the record says are in this order.
    Rows beyond ``STEPS`` of one case must have been left out. Raises ValueError for arrays that are not so.
    """

    def __init__(
        self, case: Ints, item: Ints, first: Ints, last: Ints, act: Ints, rank: Ints, before: Iterable[tuple[int, int]] = ()
    ) -> None:
        if len(case) and (np.any(np.diff(case) < 0) or case[0] < 0):
            raise ValueError("case must ascend from 0 or more")
        self.case, self.item = case, item
        self.cases = int(case[-1]) + 1 if len(case) else 0
        starts = np.searchsorted(case, np.arange(self.cases))
        self.local = np.arange(len(case)) - starts[case] if len(case) else case
        if len(case) and int(self.local.max()) >= STEPS:
            raise ValueError("too many steps in a case")
        self.after = self._after(starts, first, last, act, rank)
        self._declare(starts, before)

    def _after(self, starts: Ints, first: Ints, last: Ints, act: Ints, rank: Ints) -> Masks:
        """For each step, the bits of those of its case that are certainly after it."""
        after = np.zeros(len(self.case), np.uint64)
        counts = np.bincount(self.case, minlength=self.cases)
        for place in range(int(counts.max(initial=0))):
            rows = np.flatnonzero((counts > place)[self.case])
            other = starts[self.case[rows]] + place
            later = (last[rows] < first[other]) | ((act[rows] == act[other]) & (rank[rows] < rank[other]))
            after[rows[later]] |= np.uint64(1) << np.uint64(place)
        return after

    def _declare(self, starts: Ints, before: Iterable[tuple[int, int]]) -> None:
        """Add the orders that the record states, and what follows from them; of two that exclude each other, neither."""
        touched: set[int] = set()
        for one, other in before:
            if self.case[one] == self.case[other] and one != other:
                self.after[one] |= np.uint64(1) << np.uint64(self.local[other])
                touched.add(int(self.case[one]))
        for case in sorted(touched):
            low = int(starts[case])
            high = int(np.searchsorted(self.case, case, "right"))
            words = [int(word) for word in self.after[low:high]]
            for middle in range(len(words)):
                words = [word | words[middle] if word >> middle & 1 else word for word in words]
            circle = sum(1 << place for place, word in enumerate(words) if word >> place & 1)
            self.after[low:high] = [0 if circle >> place & 1 else word & ~circle for place, word in enumerate(words)]

    def orders(self) -> dict[str, int]:
        """How many pairs of steps of one case there are (``pairs``), and of how many the order is certain (``ordered``)."""
        counts = np.bincount(self.case, minlength=self.cases)
        bits = np.unpackbits(self.after.view(np.uint8)).sum() if len(self.after) else 0
        return {"pairs": int((counts * (counts - 1) // 2).sum()), "ordered": int(bits)}

    def following(self, ends: Ints) -> Ints:
        """The steps certainly after at least one of the steps ``ends`` (rows, ascending)."""
        if not len(ends):
            return ends
        cases = self.case[ends]
        starts = np.flatnonzero(np.diff(cases, prepend=-1))
        reach = np.zeros(self.cases, np.uint64)
        reach[cases[starts]] = np.bitwise_or.reduceat(self.after[ends], starts)
        return np.flatnonzero(reach[self.case] >> self.local.astype(np.uint64) & np.uint64(1))

    def ends(self, steps: tuple[int, ...]) -> Ints:
        """The steps at which an embedding of a sequence may end."""
        found = np.flatnonzero(self.item == steps[0])
        for item in steps[1:]:
            after = self.following(found)
            found = after[self.item[after] == item]
        return found

    def supports(self, rows: Ints, items: int) -> Ints:
        """For each item, how many cases have it among ``rows``."""
        keys = self.item[rows] * self.cases + self.case[rows]
        if items * self.cases > _TABLE:
            return np.bincount(np.unique(keys) // self.cases, minlength=items)
        table = np.zeros(items * self.cases, np.bool_)
        table[keys] = True
        found: Ints = np.count_nonzero(table.reshape(items, self.cases), axis=1).astype(np.int64)
        return found

    def supporting(self, rows: Ints) -> Ints:
        """The cases of some rows, each once; ``rows`` ascend."""
        found = self.case[rows]
        once: Ints = found[np.diff(found, prepend=-1) != 0]
        return once


def mine(cases: Cases, *, top: int = 50, least: int = 3, longest: int = 6) -> list[Sequence]:
    """The ``top`` sequences of two to ``longest`` steps that most cases support, at least ``least``; closed ones only.

    Descending by support, then by steps. A sequence is left out if a longer one among them has the same support.
    """
    items = int(cases.item.max(initial=-1)) + 1
    single = cases.supports(np.arange(len(cases.case)), items)
    heap: list[tuple[int, tuple[int, ...]]] = []
    for item, count in enumerate(single):
        if count >= least:
            heap.append((-int(count), (item,)))
    heapq.heapify(heap)
    having = [cases.supporting(np.flatnonzero(cases.item == item)) for item in range(items)]
    found: list[Sequence] = []
    while heap and len(found) < top:
        _support, steps = heapq.heappop(heap)
        ends = cases.ends(steps)
        if len(steps) > 1:
            found.append(Sequence(steps, cases.supporting(ends), _together(having, steps)))
        if len(steps) < longest:
            after = cases.following(ends)
            for item, count in enumerate(cases.supports(after, items)):
                if count >= least:
                    heapq.heappush(heap, (-int(count), (*steps, item)))
    return [one for one in found if not any(_covers(other, one) for other in found)]


def _together(having: list[Ints], steps: tuple[int, ...]) -> int:
    """How many cases have each of these items."""
    common = having[steps[0]]
    for item in set(steps[1:]):
        common = np.intersect1d(common, having[item], assume_unique=True)
    return len(common)


def _covers(longer: Sequence, shorter: Sequence) -> bool:
    if len(longer.steps) <= len(shorter.steps) or longer.support != shorter.support:
        return False
    rest = iter(longer.steps)
    return all(item in rest for item in shorter.steps)
