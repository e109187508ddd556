"""The timeline: how much is known to have happened when, in lanes, as columns of equal stretches of time.

Invariant: a date counts for no more than it says. What may have happened in any of several columns is counted in each of them
as “perhaps”, and in none as certain; nothing is put on a day that nobody named. The work grows with the number of different
dates and of columns, not of things.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import accumulate
from typing import Any, Final

from amparo.app.session import Session
from amparo.kernel import dates
from amparo.kernel.errors import BadDate, BadInput
from amparo.kernel.i18n import N_
from amparo.record import aggregates

LANES: Final = {
    "events": ("event",), "acts": ("act",), "statements": ("position",), "measures": ("measure", "intervention", "proceeding"),
}  # fmt: skip
UNITS: Final = ("day", "month", "year", "decade")
LIMIT: Final = 100
_MOST: Final = {"day": 93, "month": 72, "year": 100, "decade": 10_000}
"""Columns of a unit, beyond which the next larger one is taken."""


class NoSuchLane(BadInput):
    template = N_("There is no lane “{lane}”; the lanes are: {lanes}.")


@dataclass(slots=True)
class Lane:
    """``sure`` and ``perhaps``: things in each column; ``total`` dated in the span, ``undated`` without any date."""

    name: str
    sure: list[int] = field(default_factory=list)
    perhaps: list[int] = field(default_factory=list)
    total: int = 0
    undated: int = 0


@dataclass(slots=True, frozen=True)
class Span:
    """From the first day to the last, in columns: ``edges`` has the first day of each and the day after the last one."""

    first: date
    last: date
    unit: str
    edges: tuple[date, ...]

    @property
    def columns(self) -> list[tuple[date, date]]:
        """First and last day of each column."""
        return [(low, high - timedelta(days=1)) for low, high in zip(self.edges, self.edges[1:], strict=False)]


def timeline(session: Session, since: str = "", until: str = "", lane: str = "", at: int = 1) -> dict[str, Any]:
    """The lanes between two partial dates (all that is dated, where they are empty), and the things of one lane, page ``at``.

    Raises BadDate, NoSuchLane.
    """
    if lane and lane not in LANES:
        raise NoSuchLane(lane=lane[:40], lanes=", ".join(LANES))
    kinds = [kind for some in LANES.values() for kind in some]
    known = {
        (kind, text): (dates.parse(text) if text else None, count)
        for kind, text, count in aggregates.dates(session.record, kinds)
    }
    asked = _asked(since, until)
    span = _span(asked, [when for when, _count in known.values() if when is not None])
    lanes = [Lane(name) for name in LANES]
    for one in lanes:
        _fill(one, span, [(when, count) for (kind, _), (when, count) in known.items() if kind in LANES[one.name]])
    things = _things(session, lane, span, known, at) if lane and span else []
    return {"span": span, "asked": asked, "lanes": lanes, "lane": lane, "things": things[:LIMIT], "more": len(things) > LIMIT}


def _asked(since: str, until: str) -> tuple[date | None, date | None]:
    first = dates.parse(since).earliest if since.strip() else None
    last = dates.parse(until).latest if until.strip() else None
    if first and last and first > last:
        raise BadDate(text=f"{since[:30]}/{until[:30]}")
    return first, last


def _span(asked: tuple[date | None, date | None], known: list[dates.PartialDate]) -> Span | None:
    """What is shown: as asked, else all days that are named. None where nothing is dated."""
    ends = [day for when in known for day in (when.earliest, when.latest) if day is not None]
    if not ends and None in asked:
        return None
    first, last = asked[0] or min(ends), asked[1] or max(ends)
    if first > last:  # asked for only one end, beyond all that is dated
        first = last = asked[0] or last
    for unit in UNITS:
        edges = _edges(first, last, unit)
        if len(edges) - 1 <= _MOST[unit]:
            break
    return Span(first, last, unit, tuple(edges))


def _edges(first: date, last: date, unit: str) -> list[date]:
    """The first day of each column and of the one after the last; at most a few more than a unit may have."""
    here = _floor(first, unit)
    edges = [here]
    while edges[-1] <= last and len(edges) <= _MOST[unit] + 1:
        edges.append(_next(edges[-1], unit))
    return edges


def _floor(day: date, unit: str) -> date:
    if unit == "day":
        return day
    if unit == "month":
        return day.replace(day=1)
    return date(day.year if unit == "year" else max(1, day.year - day.year % 10), 1, 1)


def _next(day: date, unit: str) -> date:
    try:
        if unit == "day":
            return day + timedelta(days=1)
        if unit == "month":
            return (day.replace(day=28) + timedelta(days=4)).replace(day=1)
        return day.replace(year=day.year + 1 if unit == "year" else day.year - day.year % 10 + 10)
    except (OverflowError, ValueError):
        return date.max


def _fill(lane: Lane, span: Span | None, known: list[tuple[dates.PartialDate | None, int]]) -> None:
    lane.undated = sum(count for when, count in known if when is None)
    if span is None:
        return
    columns = len(span.edges) - 1
    lane.sure, steps = [0] * columns, [0] * (columns + 1)
    for when, count in known:
        if when is None or not _within(when, span):
            continue
        lane.total += count
        low = _column(span, when.earliest or date.min)
        high = _column(span, when.latest or date.max)
        if low == high and not when.about and when.earliest and when.latest:
            lane.sure[low] += count
        else:
            steps[low] += count
            steps[high + 1] -= count
    lane.perhaps = list(accumulate(steps))[:columns]


def _column(span: Span, day: date) -> int:
    return min(max(bisect_right(span.edges, day) - 1, 0), len(span.edges) - 2)


def _within(when: dates.PartialDate, span: Span) -> bool:
    return (when.earliest or date.min) <= span.last and (when.latest or date.max) >= span.first


def _things(session: Session, lane: str, span: Span, known: dict[tuple[str, str], tuple[Any, int]], at: int) -> list[Any]:
    """The things of a lane that may fall into the span, one more than a page."""
    ours = [(text, when) for (kind, text), (when, _) in known.items() if kind in LANES[lane]]
    named = {text for text, when in ours if when is not None and _within(when, span)}
    return aggregates.dated(session.record, LANES[lane], sorted(named), LIMIT + 1, (at - 1) * LIMIT)
