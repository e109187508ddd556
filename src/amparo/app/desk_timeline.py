"""The timeline of the record: what happened, was said and done, by decade, year, month or day; drawn from counts.

Invariants: the number of marks is bounded whatever the record holds; the table says the same numbers as the drawing. A date
is drawn as exact as it is known: what lies in one unit is counted in that unit's column, anything less exact is a bar over all
the days it may mean, open at the end that nobody knows.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from amparo.app import desk_periods
from amparo.app.desk_periods import Span, Unit, Window
from amparo.app.session import Session, now_ms
from amparo.kernel import ids
from amparo.kernel.i18n import N_
from amparo.record import aggregates
from amparo.record.aggregates import CLAIMS, THINGS, Dated

if TYPE_CHECKING:
    from amparo.record.view import StoredClaim

LANES: Final = {
    "event": N_("Events"), "act": N_("Acts"), "happened": N_("Waves: claims about events and acts"), "said": N_("Statements"),
    "position": N_("Positions"), "measure": N_("Measures"), "proceeding": N_("Proceedings"),
    "intervention": N_("Interventions"),
}  # fmt: skip
PAGE: Final = 50
WIDTH: Final = 1000
_FEW: Final = 30  # things of a lane that are drawn one by one
_BARS: Final = 12  # rows of bars in a lane
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
    wide: list[Span] = field(default_factory=list)  # what no single unit holds, in the order of its beginning
    before: int = 0
    after: int = 0
    few: list[tuple[Dated, Span]] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.columns.values()) + sum(span.number for span in self.wide)


# -- what there is ------------------------------------------------------------------------------------------------------

_known: WeakKeyDictionary[Session, tuple[Any, dict[str, list[Span]]]] = WeakKeyDictionary()


def _spans(session: Session) -> dict[str, list[Span]]:
    """All dates of each lane, in the order of their beginning; remembered while the logs end as they end now."""
    now = tuple(session.record.positions().items())
    kept = _known.get(session)
    if kept is None or kept[0] != now:
        kept = now, {lane: _read(counted) for lane, counted in aggregates.spans(session.record).items()}
        _known[session] = kept
    return kept[1]


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
    spans = _spans(session)
    dated = [span for name in THINGS for span in spans[name]] or [span for found in spans.values() for span in found]
    shown = desk_periods.window(start, end, grain, dated)
    counts = session.record.counts()
    undated = {name: counts.get(name, 0) - sum(span.number for span in spans[name]) for name in THINGS}
    result: dict[str, Any] = {
        "window": shown, "lanes": LANES, "lane": lane if lane in LANES else "", "today": _today(), "list": None, "at": at,
        "undated": {name: number for name, number in undated.items() if number > 0},
    }  # fmt: skip
    if shown is None:
        return result
    lanes = [_gather(name, spans[name], shown) for name in LANES if lane in ("", name) or lane not in LANES]
    for one in lanes:
        _draw_singly(session, one, spans[one.id], shown)
    lanes = [one for one in lanes if one.total or one.before or one.after]
    result |= {
        "drawing": _drawing(lanes, shown, mirrored=mirrored), "table": _table(lanes, shown),
        "total": sum(one.total for one in lanes), "before": sum(one.before for one in lanes),
        "after": sum(one.after for one in lanes), "shown_lanes": [one.id for one in lanes],
        "coarser": grain in desk_periods.GRAINS and grain != shown.grain, "whole": _whole(dated),
        "earlier": shown.moved(-0.5), "later": shown.moved(0.5), "grains": _grains(shown),
    }  # fmt: skip
    if lane in LANES:
        result["list"] = _list(session, lane, spans[lane], shown, at, page)
    return result


def _today() -> str:
    return datetime.fromtimestamp(now_ms() / 1000, UTC).date().isoformat()


def _whole(spans: Sequence[Span]) -> tuple[str, str]:
    """The years from the first date of all to the last."""
    days = [day for span in spans for day in (span.first, span.last) if day is not None]
    return desk_periods.point(min(days), "year"), desk_periods.point(max(days), "year")


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
    starts = [unit.first for unit in shown.units]
    for span in spans:
        if span.last is not None and span.last < shown.first:
            lane.before += span.number
        elif span.first is not None and span.first > shown.last:
            lane.after += span.number
        else:
            index = bisect_right(starts, span.first) - 1 if span.first is not None else -1
            if index >= 0 and span.within(shown.units[index].first, shown.units[index].last):
                lane.columns[index] = lane.columns.get(index, 0) + span.number
            else:
                lane.wide.append(span)
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
        "claims": [{**asdict(stored.claim), "status": stored.status, "against": []} for stored in claims[:PAGE]],
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
        "id": lane.id, "y": _AXIS, "height": height + 8, "total": lane.total, "columns": columns, "bars": bars, "more": more,
        "before": lane.before, "after": lane.after,
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


def _ticks(shown: Window, scale: _Scale) -> list[dict[str, Any]]:
    """Where units begin: all as lines, as many with a name as have room; a higher unit's name above its first."""
    step = max(1, -(-len(shown.units) * 34 // WIDTH))
    found: list[dict[str, Any]] = []
    before = ""
    for index, unit in enumerate(shown.units):
        start, end = scale.across(unit.first, unit.last)
        upper, lower = _names(unit, shown.grain)
        major = upper != before
        before = upper
        room = index % step == 0
        found.append({"x": scale.left(start, 0), "middle": round(scale.left(start, end - start) + (end - start) / 2, 1),
                      "upper": upper if major else "", "lower": lower if room else "", "major": major})  # fmt: skip
    return _apart(found, mirrored=scale.mirrored)


def _apart(ticks: list[dict[str, Any]], *, mirrored: bool) -> list[dict[str, Any]]:
    """Leave out a higher unit's name where the next one would run into it."""
    named = [tick for tick in ticks if tick["upper"]]
    for one, following in pairwise(named):
        if abs(following["x"] - one["x"]) < len(one["upper"]) * 7.5 + 6:
            (one if one is named[0] else following)["upper"] = ""
    return ticks if not mirrored else ticks[::-1]


def _names(unit: Unit, grain: str) -> tuple[str, str]:
    if grain in ("decade", "year"):
        return "", unit.text[:4]
    return (unit.text[:4], unit.text[5:7]) if grain == "month" else (unit.text[:7], unit.text[8:10])


# -- the same in words --------------------------------------------------------------------------------------------------


def _table(lanes: Sequence[_Lane], shown: Window) -> dict[str, Any]:
    """One row for each unit and each wider date that anything bears, in the order of time; the numbers of each lane.

    Wider dates that many lanes bear in great variety are counted together in ``other`` beyond a hundred rows.
    """
    rows: dict[tuple[int, int, str], dict[str, int]] = {}
    for lane in lanes:
        for index, number in lane.columns.items():
            unit = shown.units[index]
            rows.setdefault((unit.first, -unit.last, unit.text), {})[lane.id] = number
        for span in lane.wide:
            cells = rows.setdefault((span.first or 0, -(span.last or 1 << 30), span.text), {})
            cells[lane.id] = cells.get(lane.id, 0) + span.number
    ordered = sorted(rows)
    units = {unit.text for unit in shown.units}
    wide = [key for key in ordered if key[2] not in units]
    kept = set(wide[:100])
    told = [{"text": key[2], "wide": key[2] not in units, "cells": rows[key]} for key in ordered
            if key[2] in units or key in kept]  # fmt: skip
    other: dict[str, int] = {}
    for key in wide[100:]:
        for name, number in rows[key].items():
            other[name] = other.get(name, 0) + number
    return {"rows": told, "other": other, "totals": _totals(lanes)}


def _totals(lanes: Iterable[_Lane]) -> dict[str, int]:
    return {lane.id: lane.total for lane in lanes}
