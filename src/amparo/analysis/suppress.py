"""Which counts of persons may be shown, so that no count under ``SMALL`` is shown or follows from those that are.

Invariants: a count is shown if it and its complement are none or at least ``SMALL``; of a pair, if that holds of each of the
four cells behind it; of nested patterns, if each step from one to the next leaves none or at least ``SMALL`` persons. What may
not be shown is left out without a mark, so that a missing line does not tell whether there was nothing or too little. (Primary
and complementary suppression, Hundepool et al., Statistical Disclosure Control, 2012, chapter 4; differencing, section 1.2.)
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Final

SMALL: Final = 3
Pattern = tuple[int, ...]


def safe(*cells: int) -> bool:
    """True if no cell holds one or two persons."""
    return all(cell == 0 or cell >= SMALL for cell in cells)


def share(count: int, total: int) -> bool:
    """True if a count may be shown beside the total it is part of."""
    return count >= SMALL and safe(total - count)


def cells(both: int, one: int, other: int, total: int) -> tuple[int, int, int, int]:
    """(both, the one alone, the other alone, neither) of two traits of ``total`` persons."""
    return both, one - both, other - both, total - one - other + both


def pair(both: int, one: int, other: int, total: int) -> bool:
    """True if it may be shown how many have both of two traits, each of which may be shown by itself."""
    return share(one, total) and share(other, total) and safe(*cells(both, one, other, total))


def shares(counts: Mapping[Hashable, int], total: int) -> dict[Hashable, int]:
    """The counts that may be shown beside the total; a person may be counted in several."""
    return {name: count for name, count in counts.items() if share(count, total)}


def within(part: Pattern, whole: Pattern) -> bool:
    """True if ``part`` is a subsequence of ``whole``."""
    rest = iter(whole)
    return all(item in rest for item in part)


def nested(patterns: Sequence[tuple[Pattern, int]], total: int) -> list[int]:
    """The places of the patterns that may be shown together, taken in their order.

    ``patterns``: (steps, persons). Where two shown patterns lie one within the other, their difference is itself a count of
    persons: those who match the shorter and not the longer.
    """
    kept: list[int] = []
    for place, (steps, count) in enumerate(patterns):
        if not share(count, total):
            continue
        others = (patterns[at] for at in kept)
        if all(safe(abs(count - known)) for other, known in others if within(other, steps) or within(steps, other)):
            kept.append(place)
    return kept
