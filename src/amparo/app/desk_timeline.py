"""The timeline of the record: what happened, was said and done, by decade, year, month or day; drawn from counts.

Invariants: the number of marks is bounded whatever the record holds; the table says the same numbers as the drawing. A date
is drawn as exact as it is known: what lies in one unit is counted in that unit's column, anything less exact is a bar over all
the days it may mean, open at the end that nobody knows.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from heapq import nsmallest
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from amparo.app import desk_periods
from amparo.app.desk_periods import Span, Unit, Window, today
from amparo.app.desk_remembered import Remembered
from amparo.app.session import Session
from amparo.kernel import ids
from amparo.kernel.i18n import N_
from amparo.record import aggregates
from amparo.record.aggregates import CLAIMS, THINGS, Dated
from amparo.record.model import Claim

if TYPE_CHECKING:
    from amparo.record.view import StoredClaim

LANES: Final = {
    "event": N_("Events"), "act": N_("Acts"), "happened": N_("Waves: claims about events and acts"), "said": N_("Statements"),
    "position": N_("Positions"), "measure": N_("Measures"), "proceeding": N_("Proceedings"),
    "intervention": N_("Interventions"),
}  # fmt: skip
PAGE: Final = 50
WIDTH: Final = 1000
_CLAIM: Final = tuple(one.name for one in fields(Claim))
_FEW: Final = 30  # things of a lane that are drawn one by one
_BARS: Final = 12  # rows of bars in a lane
_WIDE: Final = 60  # wider dates of a lane that are drawn and told one by one
_TALL: Final = 46  # height of the highest column
_ROW: Final = 18
_LETTER: Final = 6.1  # width of a letter of a label, on the generous side
_TEXT: Final = 44  # letters of a label
_HEAD: Final = 22  # a lane's name
_AXIS: Final = 34


@dataclass(slots=True)
class _Lane:
    id: str
    columns: dict[int, int] = field(default_factory=dict)  # index of the unit -> how many
    wide: list[Span] = field(default_factory=list)  # what no unit holds, in the order of its beginning; at most _WIDE dates
    wide_number: int = 0  # that bear such a date, drawn or not
    more: int = 0  # dates beyond those
    before: int = 0
    after: int = 0
    few: list[tuple[Dated, Span]] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.columns.values()) + self.wide_number


# -- what there is ------------------------------------------------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class _Known:
    """All dates of each lane in the order of their beginning, and the time that the drawing shows unasked."""

    lanes: dict[str, list[Span]]
    usual: tuple[int, int] | None
    whole: tuple[str, str]
    undated: dict[str, int]


def _count(session: Session) -> _Known:
    lanes = {lane: _read(counted) for lane, counted in aggregates.spans(session.record).items()}
    dated = [span for name in THINGS for span in lanes[name]] or [span for found in lanes.values() for span in found]
    days = [day for span in dated for day in (span.first, span.last) if day is not None] or [1]
    counts = session.record.counts()
    undated = {name: counts.get(name, 0) - sum(span.number for span in lanes[name]) for name in THINGS}
    whole = desk_periods.point(min(days), "year"), desk_periods.point(max(days), "year")
    return _Known(lanes, desk_periods.hull(dated), whole, {name: number for name, number in undated.items() if number > 0})


_known = Remembered(_count)


def _read(counted: dict[str, int]) -> list[Span]:
    found = []
    for text, number in counted.items():
        days = aggregates.first_and_last(text)
        if days is not None:
            found.append(Span(text, *days, number))
    return sorted(found, key=lambda span: (span.first or 0, span.last or 1 << 30, span.text))


# -- the page -----------------------------------------------------------------------------------------------------------


def timeline(
    session: Session, *, start: str = "", end: str = "", grain: str = "", lane: str = "", at: str = "", page: int = 1,
    mirrored: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """The drawing, its table, and, if ``lane`` is chosen, what it holds in the time ``at`` (a partial date; "" all of it).

    ``start`` and ``end`` are partial dates, ``grain`` one of desk_periods.GRAINS; what is left out is chosen to fit.
    ``mirrored`` lets time run to the left, as right-to-left readers expect. Raises BadPeriod.
    """
    known = _known(session)
    shown = desk_periods.window(start, end, grain, known.usual)
    result: dict[str, Any] = {
        "window": shown, "lanes": LANES, "lane": lane if lane in LANES else "", "today": today(), "list": None, "at": at,
        "undated": known.undated,
    }  # fmt: skip
    if shown is None:
        return result
    lanes = [_gather(name, known.lanes[name], shown) for name in LANES if lane == name or lane not in LANES]
    for one in lanes:
        _draw_singly(session, one, known.lanes[one.id], shown)
    result |= {"before": sum(one.before for one in lanes), "after": sum(one.after for one in lanes)}
    lanes = [one for one in lanes if one.total]
    result |= {
        "drawing": _drawing(lanes, shown, mirrored=mirrored), "table": _table(lanes, shown),
        "total": sum(one.total for one in lanes), "shown_lanes": [one.id for one in lanes],
        "coarser": grain in desk_periods.GRAINS and grain != shown.grain, "whole": known.whole,
        "earlier": shown.moved(-0.5), "later": shown.moved(0.5), "grains": _grains(shown),
    }  # fmt: skip
    if lane in LANES:
        result["list"] = _list(session, lane, known.lanes[lane], shown, at, page)
    return result


def _grains(shown: Window) -> list[dict[str, Any]]:
    """The same time by other units: from and to of each that can be drawn."""
    found = []
    for grain in desk_periods.GRAINS:
        number = len(desk_periods.units(shown.first, shown.last, grain))
        found.append({"grain": grain, "fits": number <= desk_periods.CAP, "now": grain == shown.grain})
    return found


def _gather(name: str, spans: Sequence[Span], shown: Window) -> _Lane:
    """Count one lane: what lies in one unit, what is wider, what lies before and after."""
    lane = _Lane(name)
    starts, ends = [unit.first for unit in shown.units], [unit.last for unit in shown.units]
    first, last, columns = shown.first, shown.last, lane.columns
    for span in spans:
        low, high = span.first, span.last
        if high is not None and high < first:
            lane.before += span.number
        elif low is not None and low > last:
            lane.after += span.number
        elif low is None or high is None or low < first or high > ends[index := bisect_right(starts, low) - 1]:
            lane.wide.append(span)
        else:
            columns[index] = columns.get(index, 0) + span.number
    lane.wide_number = sum(span.number for span in lane.wide)
    if len(lane.wide) > _WIDE:
        often = nsmallest(_WIDE, lane.wide, key=lambda span: (-span.number, span.first or 0, span.text))
        lane.more, lane.wide = len(lane.wide) - _WIDE, sorted(often, key=lambda span: (span.first or 0, span.last or 1 << 30))
    return lane


def _draw_singly(session: Session, lane: _Lane, spans: Sequence[Span], shown: Window) -> None:
    """Where a lane holds few things, each is drawn with its handle and label."""
    if lane.id in CLAIMS or lane.total > _FEW:
        return
    for span in spans:
        if span.touches(shown.first, shown.last):
            lane.few += [(thing, span) for thing in aggregates.things(session.record, lane.id, span.text, _FEW)]


# -- the list under the drawing -----------------------------------------------------------------------------------------


def _list(session: Session, lane: str, spans: Sequence[Span], shown: Window, at: str, page: int) -> dict[str, Any]:
    """One page of what a mark stands for, in the order of time."""
    chosen = _chosen(spans, shown, at)
    skip, room = (page - 1) * PAGE, PAGE + 1
    things: list[Dated] = []
    claims: list[StoredClaim] = []
    for span in chosen:
        if skip >= span.number:
            skip -= span.number
            continue
        if lane in CLAIMS:
            found = aggregates.claims_on(session.record, lane, span.text, room, skip)
            claims, room = [*claims, *found], room - len(found)
        else:
            more = aggregates.things(session.record, lane, span.text, room, skip)
            things, room = [*things, *more], room - len(more)
        skip = 0
        if room <= 0:
            break
    named = {handle for stored in claims for handle in (stored.claim.subject, stored.claim.value, stored.claim.source,
                                                        stored.claim.place, stored.claim.speaker)}  # fmt: skip
    return {
        "things": [thing._asdict() for thing in things[:PAGE]],
        "claims": [{**{name: getattr(stored.claim, name) for name in _CLAIM}, "status": stored.status, "against": []}
                   for stored in claims[:PAGE]],
        "labels": session.record.labels(handle for handle in named if ids.is_handle(handle)),
        "total": sum(span.number for span in chosen), "page": page, "more": room <= 0,
    }  # fmt: skip


def _chosen(spans: Sequence[Span], shown: Window, at: str) -> list[Span]:
    """The dates a mark stands for: one that is wider than a unit, or whatever lies in a stretch of time."""
    if not at:
        return [span for span in spans if span.touches(shown.first, shown.last)]
    exact = [span for span in spans if span.text == at]
    if exact and not any(exact[0].within(unit.first, unit.last) for unit in shown.units):
        return exact
    days = aggregates.first_and_last(at)
    if days is None or days[0] is None or days[1] is None:
        return exact
    return [span for span in spans if span.within(days[0], days[1])]


# -- the drawing --------------------------------------------------------------------------------------------------------


def _drawing(lanes: Sequence[_Lane], shown: Window, *, mirrored: bool) -> dict[str, Any]:
    """Everything the template draws, in a box ``WIDTH`` wide; ``mirrored`` turns it about, texts excepted."""
    scale = _Scale(shown, mirrored=mirrored)
    drawn = [_draw_lane(lane, shown, scale) for lane in lanes]
    return {"width": WIDTH, "ticks": _ticks(shown, scale), "lanes": drawn, "mirrored": mirrored}


@dataclass(frozen=True, slots=True)
class _Scale:
    shown: Window
    mirrored: bool

    def across(self, first: int, last: int) -> tuple[float, float]:
        """(left, right) of the days from ``first`` to ``last``, in reading direction, cut to the drawing."""
        days = self.shown.last + 1 - self.shown.first
        start, end = (first - self.shown.first) / days, (last + 1 - self.shown.first) / days
        return max(0.0, start) * WIDTH, min(1.0, end) * WIDTH

    def left(self, start: float, wide: float) -> float:
        """Where a box begins on the sheet that begins at ``start`` in reading direction."""
        return round(WIDTH - start - wide if self.mirrored else start, 1)


def _draw_lane(lane: _Lane, shown: Window, scale: _Scale) -> dict[str, Any]:
    height = float(_AXIS + _HEAD)
    columns: list[dict[str, Any]] = []
    bars: list[dict[str, Any]] = []
    more = 0
    if lane.few:
        bars, rows = _singles(lane, scale, height)
        height += rows * _ROW
    else:
        if lane.columns:
            columns = _columns(lane, shown, scale, height)
            height += _TALL + 16
        bars, rows, more = _wide(lane, scale, height)
        height += rows * _ROW
    return {
        "id": lane.id, "y": _AXIS, "height": height + 8, "total": lane.total, "columns": columns, "bars": bars,
        "more": more + lane.more,
    }  # fmt: skip


def _columns(lane: _Lane, shown: Window, scale: _Scale, top: float) -> list[dict[str, Any]]:
    highest = max(lane.columns.values())
    told = len(shown.units) <= 40
    found = []
    for index, number in sorted(lane.columns.items()):
        unit = shown.units[index]
        start, end = scale.across(unit.first, unit.last)
        wide = end - start
        tall = max(2.0, number / highest * _TALL)
        found.append({
            "x": scale.left(start, wide), "w": round(max(1.0, wide - 1), 1), "y": round(top + 14 + _TALL - tall, 1),
            "h": round(tall, 1), "number": number, "text": unit.text, "middle": round(scale.left(start, wide) + wide / 2, 1),
            "told": told and wide > len(str(number)) * 8,
        })  # fmt: skip
    return found


def _singles(lane: _Lane, scale: _Scale, top: float) -> tuple[list[dict[str, Any]], int]:
    """Each thing a bar with its handle and label, in the first row with room."""
    ends: list[float] = []
    bars = []
    for thing, span in lane.few:
        label = f"{thing.handle} {thing.label}" if thing.label else thing.handle
        bar = _bar(span, scale, label if len(label) <= _TEXT else label[: _TEXT - 1] + "…")
        row = _row(ends, bar)
        bars.append({**_placed(bar, scale, top + row * _ROW), "text": thing.date, "handle": thing.handle, "number": 1})
    return bars, len(ends)


def _wide(lane: _Lane, scale: _Scale, top: float) -> tuple[list[dict[str, Any]], int, int]:
    """Bars of what is wider than a unit: (bars, rows, how many dates have no bar any more)."""
    ends: list[float] = []
    bars: list[dict[str, Any]] = []
    left = 0
    for span in lane.wide:
        bar = _bar(span, scale, f"{span.text} · {span.number}")
        row = _row(ends, bar, _BARS)
        if row < 0:
            left += 1
            continue
        bars.append({**_placed(bar, scale, top + row * _ROW), "text": span.text, "handle": "", "number": span.number})
    return bars, len(ends), left


@dataclass(slots=True)
class _Bar:
    start: float
    end: float
    label: str
    label_at: float
    span: tuple[float, float]
    open_start: bool
    open_end: bool
    about: bool


def _bar(span: Span, scale: _Scale, label: str) -> _Bar:
    """A bar and where its label stands: on it, after it, or before it."""
    shown = scale.shown
    start, end = scale.across(shown.first if span.first is None else span.first, shown.last if span.last is None else span.last)
    end = max(end, start + 3)
    opened = span.first is None or span.first < shown.first, span.last is None or span.last > shown.last
    wide = len(label) * _LETTER + 8
    if end - start > wide + 12:
        return _Bar(start, end, label, start + (12 if opened[0] else 4), (start, end), *opened, span.about)
    if end + wide <= WIDTH:
        return _Bar(start, end, label, end + 4, (start, end + wide), *opened, span.about)
    at = max(0.0, start - wide)
    return _Bar(start, end, label, at, (at, end), *opened, span.about)


def _row(ends: list[float], bar: _Bar, most: int = 1_000) -> int:
    """The first row where a bar and its label touch nothing; -1 where there is none."""
    for row, end in enumerate(ends):
        if bar.span[0] >= end + 4:
            ends[row] = bar.span[1]
            return row
    if len(ends) >= most:
        return -1
    ends.append(bar.span[1])
    return len(ends) - 1


def _placed(bar: _Bar, scale: _Scale, y: float) -> dict[str, Any]:
    """A bar on the sheet: ``points`` of its outline, pointed at an open end."""
    tip = 6.0
    start, end = bar.start, bar.end
    shape = [(start + tip * bar.open_start, 0.0), (end - tip * bar.open_end, 0.0), (end, 7.0), (end - tip * bar.open_end, 14.0),
             (start + tip * bar.open_start, 14.0), (start, 7.0)]  # fmt: skip
    points = " ".join(f"{scale.left(x, 0):g},{y + dy:g}" for x, dy in shape)
    return {"points": points, "label": bar.label, "label_x": scale.left(bar.label_at, 0), "y": y, "about": bar.about,
            "inside": bar.label_at < bar.end and bar.label_at >= bar.start}  # fmt: skip


def _ticks(shown: Window, scale: _Scale) -> dict[str, Any]:
    """Where units begin: all as ``lines``, as many with a name as have room; a higher unit's name above its first."""
    step = max(1, -(-len(shown.units) * 34 // WIDTH))
    lines, lower, upper = [], [], []
    before = ""
    for index, unit in enumerate(shown.units):
        start, end = scale.across(unit.first, unit.last)
        above, below = _names(unit, shown.grain)
        at = scale.left(start, 0)
        lines.append(at)
        if above != before:
            upper.append({"x": at, "text": above})
            before = above
        if index % step == 0:
            lower.append({"x": round(scale.left(start, end - start) + (end - start) / 2, 1), "text": below})
    return {"lines": lines, "lower": lower, "upper": _apart(upper)}


def _apart(named: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out a higher unit's name where the next one would run into it: the first one's, which is cut off anyway."""
    for index, (one, following) in enumerate(pairwise(list(named))):
        if abs(following["x"] - one["x"]) < len(one["text"]) * 7.5 + 6:
            named.remove(one if index == 0 else following)
    return named


def _names(unit: Unit, grain: str) -> tuple[str, str]:
    if grain in ("decade", "year"):
        return "", unit.text[:4]
    return (unit.text[:4], unit.text[5:7]) if grain == "month" else (unit.text[:7], unit.text[8:10])


# -- the same in words --------------------------------------------------------------------------------------------------


def _table(lanes: Sequence[_Lane], shown: Window) -> dict[str, Any]:
    """One row for each unit and each wider date that anything bears, in the order of time; the numbers of each lane.

    ``other``: how many of a lane bear one of the wider dates that have no row.
    """
    rows: dict[tuple[int, int, str], dict[str, int]] = {}
    for lane in lanes:
        for index, number in lane.columns.items():
            unit = shown.units[index]
            rows.setdefault((unit.first, -unit.last, unit.text), {})[lane.id] = number
        for span in lane.wide:
            rows.setdefault((span.first or 0, -(span.last or 1 << 30), span.text), {})[lane.id] = span.number
    units = {unit.text for unit in shown.units}
    told = [{"text": key[2], "wide": key[2] not in units, "cells": rows[key]} for key in sorted(rows)]
    other = {lane.id: lane.wide_number - sum(span.number for span in lane.wide) for lane in lanes if lane.more}
    return {"rows": told, "other": other, "totals": _totals(lanes)}


def _totals(lanes: Iterable[_Lane]) -> dict[str, int]:
    return {lane.id: lane.total for lane in lanes}
