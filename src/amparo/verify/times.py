"""What two partial dates say of each other: how many of their readings break a rule, all of them or some.

Invariants: a reading is one day for each date; every day of a date is as likely as another. A share of 1 means that no reading
keeps the rule, and is never told of a date that says “about”. Pure functions.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final

from amparo.kernel import dates
from amparo.kernel.errors import BadDate

_OPEN: Final = 20 * 365  # days that “before” or “since” are taken to reach
_ALMOST: Final = 0.999


class Level(IntEnum):
    """How sure it is that two claims cannot both hold, by the readings of their dates and numbers."""

    NONE = 0
    POSSIBLE = 1
    PROBABLE = 2
    CERTAIN = 3

    @classmethod
    def of(cls, share: float) -> "Level":
        """CERTAIN if every reading breaks the rule, PROBABLE if half of them or more do, POSSIBLE if any."""
        if share >= 1:
            return cls.CERTAIN
        return cls.PROBABLE if share >= 0.5 else cls.POSSIBLE if share > 0 else cls.NONE


@dataclass(frozen=True, slots=True)
class Span:
    """First and last possible day, as ordinals, both included; ``vague`` if the date says “about” or is open."""

    first: int
    last: int
    vague: bool = False

    @property
    def days(self) -> int:
        """How many days it may be, 1 or more."""
        return self.last - self.first + 1


@lru_cache(65536)
def span(date: str) -> Span | None:
    """The days of a canonical partial date; None where there is none.

    An open end reaches twenty years. “About” adds a day to a day, a month to a month, a year to a year, on both sides.
    """
    try:
        known = dates.parse(date)
    except BadDate:
        return None
    first, last = known.days()
    vague = known.about or first is None or last is None
    if first is None:
        first = (last or 0) - _OPEN
    if last is None:
        last = first + _OPEN
    if known.about:
        slack = max(1, last - first) if known.earliest is not None and known.latest is not None else 31
        first, last = first - slack, last + slack
    return Span(first, last, vague)


def _sum(reach: int, size: int) -> int:
    """Sum of min(max(t, 0), size) for t up to ``reach``."""
    if reach <= 0:
        return 0
    if reach <= size:
        return reach * (reach + 1) // 2
    return size * (size + 1) // 2 + (reach - size) * size


def after(one: Span, other: Span) -> float:
    """Share of readings in which ``one`` is on a later day than ``other``."""
    counted = _sum(one.last - other.first, other.days) - _sum(one.first - other.first - 1, other.days)
    return _told(counted / (one.days * other.days), one, other)


def apart(one: Span, other: Span) -> float:
    """1 if the two share no day, else 0: whether what both date can be one."""
    return _told(0.0 if one.first <= other.last and other.first <= one.last else 1.0, one, other)


def together(one: Span, other: Span) -> float:
    """Share of readings of the shorter that fall into the other: 1 if it lies within."""
    shared = min(one.last, other.last) - max(one.first, other.first) + 1
    return _told(max(0, shared) / min(one.days, other.days), one, other)


def same_day(one: Span, other: Span) -> float:
    """Share of readings in which both are the same day."""
    shared = min(one.last, other.last) - max(one.first, other.first) + 1
    return _told(max(0, shared) / (one.days * other.days), one, other)


def _told(share: float, one: Span, other: Span) -> float:
    return min(share, _ALMOST) if one.vague or other.vague else share
