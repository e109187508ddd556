"""Which lists know of which persons: the table of counts that every estimate of the unseen starts from.

Invariants: a pattern stands once, none is the pattern of nobody's list, counts are not negative; patterns are sorted, so that
two tables of the same counts are equal and a seed gives the same draws.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_

MOST_LISTS: Final = 16
_COUNT_COLUMNS: Final = ("freq", "count", "n")
_MOST_COUNTED: Final = 10**9


class BadCaptureTable(BadInput):
    template = N_("{where}: {what}. A table of counts has a column for each list (1: on that list, 0: not) and a last column "
                  "Freq with the number of persons; nothing was estimated.")  # fmt: skip


class NotEstimable(BadInput):
    """The data cannot say how many are unseen; ``why`` is a whole sentence for the reader."""

    template = N_("Not estimable: {why}")


@dataclass(frozen=True, slots=True, eq=False)
class CaptureTable:
    """Counts of persons by the lists they stand on.

    ``lists``: names of the k lists. ``patterns``: (cells, k) uint8, 1 where the list knows them, no row of zeros, each row
    once, sorted. ``counts``: (cells,) int64, persons with that pattern; cells that nobody has need not be there.
    """

    lists: tuple[str, ...]
    patterns: NDArray[np.uint8]
    counts: NDArray[np.int64]

    @property
    def observed(self) -> int:
        """Persons on at least one list."""
        return int(self.counts.sum())

    @classmethod
    def of(cls, lists: Sequence[str], cells: Iterable[tuple[Sequence[int], int]]) -> "CaptureTable":
        """Counts by pattern, in any order; what stands twice is added up. Raises BadCaptureTable."""
        if not 1 <= len(lists) <= MOST_LISTS:
            raise BadCaptureTable(where="lists", what=f"{len(lists)} lists, where 1 to {MOST_LISTS} can be used")
        if len(set(lists)) != len(lists):
            raise BadCaptureTable(where="lists", what="two lists have the same name")
        counted: Counter[tuple[int, ...]] = Counter()
        for number, (pattern, count) in enumerate(cells, start=2):
            if len(pattern) != len(lists) or any(one not in (0, 1) for one in pattern):
                raise BadCaptureTable(where=f"row {number}", what=f"a row holds {len(lists)} marks, each 0 or 1")
            if not 0 <= count <= _MOST_COUNTED:
                raise BadCaptureTable(where=f"row {number}", what="a count is a whole number from 0 to 1,000,000,000")
            if not any(pattern) and count:
                raise BadCaptureTable(where=f"row {number}", what="persons on no list cannot be counted")
            if count:
                counted[tuple(pattern)] += count
        rows = sorted(counted)
        patterns = np.array(rows, dtype=np.uint8).reshape(len(rows), len(lists))
        return cls(tuple(lists), patterns, np.array([counted[row] for row in rows], dtype=np.int64))

    @classmethod
    def of_members(cls, lists: Sequence[str], members: Iterable[Iterable[int]]) -> "CaptureTable":
        """For each person the indexes of the lists that know them; who is on none is left out."""
        k, counted = len(lists), Counter(frozenset(one) for one in members)
        return cls.of(lists, ((tuple(int(j in on) for j in range(k)), count) for on, count in counted.items() if on))

    @classmethod
    def read(cls, lines: Iterable[str]) -> "CaptureTable":
        """A table as CSV: a column for each list, then Freq (or count, n). Raises BadCaptureTable."""
        rows = csv.reader(lines)
        header = [name.strip() for name in next(rows, [])]
        if len(header) < 2 or header[-1].casefold() not in _COUNT_COLUMNS:
            raise BadCaptureTable(where="row 1", what="the last column is not named Freq")
        return cls.of(header[:-1], _cells(rows, len(header)))

    def full(self) -> NDArray[np.int64]:
        """(2**k,) counts of every pattern, list 0 the lowest bit; the first, of those on no list, is 0."""
        weights = 1 << np.arange(len(self.lists), dtype=np.int64)
        counts = np.zeros(1 << len(self.lists), dtype=np.int64)
        counts[self.patterns.astype(np.int64) @ weights] = self.counts
        return counts

    def without(self, name: str) -> "CaptureTable":
        """The table had that list never been made: who stands on it alone is unseen."""
        keep = [j for j, one in enumerate(self.lists) if one != name]
        cells = ((tuple(int(row[j]) for j in keep), int(count)) for row, count in zip(self.patterns, self.counts, strict=True))
        return CaptureTable.of([self.lists[j] for j in keep], ((row, count) for row, count in cells if any(row)))


def _cells(rows: Iterator[list[str]], width: int) -> Iterator[tuple[list[int], int]]:
    for number, row in enumerate(rows, start=2):
        if not row:
            continue
        if len(row) != width:
            raise BadCaptureTable(where=f"row {number}", what=f"{len(row)} columns, where the heading has {width}")
        words = [word.strip() for word in row]
        if not all(word.isascii() and word.isdigit() and len(word) < 12 for word in words):
            raise BadCaptureTable(where=f"row {number}", what="every cell is a whole number")
        numbers = [int(word) for word in words]
        yield numbers[:-1], numbers[-1]


@dataclass(frozen=True, slots=True)
class Estimate:
    """How many there are in all, by one model: draws of the posterior or of the bootstrap, and what tells whether to
    believe them.

    ``draws``: (draws,) float64 of the total, the observed among them. ``point``: the model's own best figure (the posterior
    median unless the model says otherwise). ``low``, ``high``: bounds of the ``level`` interval. ``diagnostics``: figures by
    name (ess, ess_tail, rhat, overlap p-values ...). ``settings``: every prior, seed and number of draws, so that it can be
    made again.
    """

    model: str
    lists: tuple[str, ...]
    observed: int
    point: float
    low: float
    high: float
    level: float
    draws: NDArray[np.float64]
    diagnostics: dict[str, float]
    settings: dict[str, float | int | str]
