"""Stretches of time and their units: decades, years, months, days; which of them a partial date lies in.

Invariant: a date is put into a unit only if every day it may mean lies in that unit; one that is less exact than the unit is
never put at one place of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from amparo.app.session import now_ms
from amparo.kernel import dates
from amparo.kernel.errors import BadDate, BadInput
from amparo.kernel.i18n import N_

GRAINS: Final = ("decade", "year", "month", "day")
MOST: Final = 72
"""Units that are drawn where the reader chose none."""
CAP: Final = 190
"""Units that are drawn at the most."""
_LENGTH: Final = {"decade": 3653, "year": 366, "month": 31, "day": 1}
_FIRST, _LAST = date(1000, 1, 1).toordinal(), date(2999, 12, 31).toordinal()
_OUTLIERS: Final = 0.02


class BadPeriod(BadInput):
    template = N_(
        "The time from “{start}” to “{end}” cannot be drawn; write 2017, 2017-03 or 2017-03-15, the earlier one first.")


@dataclass(frozen=True, slots=True)
class Span:
    """A partial date and how many bear it: ``first`` and ``last`` day as ordinals, None where open; ``about`` inexact."""

    text: str
    first: int | None
    last: int | None
    about: bool
    number: int

    def touches(self, first: int, last: int) -> bool:
        """True unless it can share no day with a stretch of time."""
        return (self.first is None or self.first <= last) and (self.last is None or self.last >= first)

    def within(self, first: int, last: int) -> bool:
        """True if every day it may mean lies in a stretch of time."""
        return self.first is not None and self.last is not None and first <= self.first and self.last <= last


@dataclass(frozen=True, slots=True)
class Unit:
    """A decade, year, month or day: ``text`` as a partial date; its ``first`` and ``last`` day as ordinals."""

    text: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Window:
    """What is drawn: ``units`` of one ``grain``, in order, without a gap."""

    grain: str
    units: tuple[Unit, ...]

    @property
    def first(self) -> int:
        return self.units[0].first

    @property
    def last(self) -> int:
        return self.units[-1].last

    @property
    def start(self) -> str:
        """Its first unit's beginning, as a partial date of the grain (a decade by its first year)."""
        return self.units[0].text.partition("/")[0]

    @property
    def end(self) -> str:
        return self.units[-1].text.rpartition("/")[2]

    def moved(self, share: float) -> tuple[str, str]:
        """(from, to) of a window as long, moved by a share of its length."""
        step = max(1, round(len(self.units) * abs(share))) * (1 if share > 0 else -1)
        return point(_shift(self.first, self.grain, step), self.grain), point(_shift(self.last, self.grain, step), self.grain)


def today() -> str:
    """The day by this device's clock, in UTC."""
    return datetime.fromtimestamp(now_ms() / 1000, UTC).date().isoformat()


def point(day: int, grain: str) -> str:
    """A day as a partial date no finer than a grain (a decade by its year)."""
    return date.fromordinal(min(max(day, _FIRST), _LAST)).isoformat()[: {"decade": 4, "year": 4, "month": 7, "day": 10}[grain]]


def _shift(day: int, grain: str, steps: int) -> int:
    if grain == "day":
        return day + steps
    at = date.fromordinal(day)
    months = at.year * 12 + at.month - 1 + steps * {"decade": 120, "year": 12, "month": 1}[grain]
    return date(min(max(months // 12, 1000), 2999), months % 12 + 1, 1).toordinal()


def units(first: int, last: int, grain: str) -> tuple[Unit, ...]:
    """All units of a grain that two days and the time between them touch; at most one more than CAP."""
    found: list[Unit] = []
    at = date.fromordinal(first)
    year, month = at.year - at.year % 10 if grain == "decade" else at.year, at.month if grain == "month" else 1
    start = first if grain == "day" else date(year, month, 1).toordinal()
    while start <= last and len(found) <= CAP:
        after = _shift(start, grain, 1)
        text = point(start, grain)
        found.append(Unit(f"{text}/{point(after - 1, 'year')}" if grain == "decade" else text, start, after - 1))
        if after <= start:
            break
        start = after
    return tuple(found)


def window(start: str, end: str, grain: str, usual: tuple[int, int] | None) -> Window | None:
    """What to draw: the time asked for, and where none is asked for the ``usual`` one (``hull``); in the grain asked for, or
    the finest one that fits. None where there is nothing to draw. Raises BadPeriod.
    """
    first, last = _asked(start, end)
    if first is None or last is None:
        if usual is None:
            return None
        low, high = usual
        first, last = min(low, last or low) if first is None else first, max(high, first or high) if last is None else last
    if not _FIRST <= first <= last <= _LAST:
        raise BadPeriod(start=start[:20], end=end[:20])
    fitting = [one for one in GRAINS if (last - first) // _LENGTH[one] < (CAP if one == grain else MOST)]
    chosen = grain if grain in fitting else fitting[-1] if fitting else "decade"
    found = units(first, last, chosen)
    return Window(chosen, found[:CAP])


def _asked(start: str, end: str) -> tuple[int | None, int | None]:
    try:
        first = dates.parse(start).days()[0] if start else None
        last = dates.parse(end).days()[1] if end else None
    except BadDate:
        raise BadPeriod(start=start[:20], end=end[:20]) from None
    if (start and first is None) or (end and last is None):
        raise BadPeriod(start=start[:20], end=end[:20])
    return first, last


def hull(spans: Iterable[Span]) -> tuple[int, int] | None:
    """The first and the last day of what nearly all dates lie in: two in a hundred may lie before it, and as many after it."""
    ends = [(low, high, span.number) for span in spans for low, high in [(span.first, span.last)]
            if low is not None or high is not None]  # fmt: skip
    if not ends:
        return None
    spare = sum(number for _low, _high, number in ends) * _OUTLIERS
    lows = sorted((low if low is not None else high or 0, number) for low, high, number in ends)
    highs = sorted(((high if high is not None else low or 0, number) for low, high, number in ends), reverse=True)
    first, last = (min(max(_cut(days, spare), _FIRST), _LAST) for days in (lows, highs))
    return min(first, last), max(first, last)


def _cut(days: Iterable[tuple[int, int]], spare: float) -> int:
    """The first day that is left when ``spare`` dates are gone."""
    gone = 0
    for day, number in days:
        gone += number
        if gone > spare:
            return day
    return 0
