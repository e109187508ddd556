"""The drawn timeline: where each bar and its label stands. Pure geometry, in shares of the width and in rows.

Invariant: within a lane no two bars or labels overlap; marks of one lane with the same days share one bar; a bar never ends
before its last possible day nor begins after its first. The axis is piecewise linear: a year is the wider the more begins
in it, and never narrower than a third of an even share, so that crowded years stay legible.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from amparo.dossier.manifest import LANES, Mark, ranges

_LETTER = 0.0078  # width of a digit of a label, as a share of the drawing's width (150 mm)
_GAP = 0.006
_POINT = 0.020  # a dot's width
_ARROW = 0.010
_FULL = 60  # rows: beyond this, rows get thinner and lose their labels
_OUTLIERS = 0.05  # share of marks that may lie before or after the drawn years, named at its edge
_FAR = 3  # years without any mark, beyond which the few that lie there are outliers


@dataclass(frozen=True, slots=True)
class Axis:
    """Years from ``start`` on; ``edges[i]`` is where year ``start + i`` begins, 0 to 1."""

    start: int
    edges: tuple[float, ...]

    def at(self, day: date) -> float:
        """Where a day stands, clipped to the drawing."""
        year = day.year - self.start
        if year < 0:
            return 0.0
        if year >= len(self.edges) - 1:
            return 1.0
        length = (date(day.year, 12, 31) - date(day.year, 1, 1)).days + 1
        share = (day - date(day.year, 1, 1)).days / length
        return self.edges[year] + share * (self.edges[year + 1] - self.edges[year])

    def ticks(self) -> list[dict[str, Any]]:
        """One for each year: its name, where it begins, how wide it is; the quarters of the wide ones."""
        return [
            {"year": str(self.start + index), "x": low, "w": high - low,
             "quarters": [low + (high - low) * part / 4 for part in (1, 2, 3)] if high - low > 0.1 else []}
            for index, (low, high) in enumerate(pairwise(self.edges))
        ]  # fmt: skip


def axis(marks: Sequence[Mark]) -> Axis:
    """The axis for these marks (at least one with a day)."""
    years = sorted(date.fromisoformat(mark.first or mark.last).year for mark in marks)
    spare = int(len(years) * _OUTLIERS)
    for _ in range(spare):
        if years[1] - years[0] > _FAR:
            years.pop(0)
        if years[-1] - years[-2] > _FAR:
            years.pop()
    start, end = years[0], years[-1]
    counts = [sum(year == shown for year in years) for shown in range(start, end + 1)]
    even, total = 1 / len(counts), sum(counts) or 1
    weights = [even / 3 + (2 / 3) * (count / total) ** 0.75 for count in counts]
    edges, place = [0.0], 0.0
    for weight in weights:
        place += weight / sum(weights)
        edges.append(place)
    edges[-1] = 1.0
    return Axis(start, tuple(edges))


@dataclass(slots=True)
class _Bar:
    left: float
    right: float
    label: str
    about: bool
    open_left: bool
    open_right: bool
    text_at: float
    span: tuple[float, float]
    row: int = 0


def draw(marks: tuple[Mark, ...]) -> dict[str, Any] | None:
    """The drawing for the template, or None without a dated mark: ``ticks``, ``lanes`` (key, rows, bars), ``rows`` in all."""
    dated = [mark for mark in marks if mark.first or mark.last]
    if not dated:
        return None
    scale = axis(dated)
    lanes: list[dict[str, Any]] = []
    for lane in LANES:
        bars = _bars([mark for mark in dated if mark.lane == lane], scale)
        if bars:
            lanes.append({"key": lane, "rows": _pack(bars), "bars": [_shape(bar) for bar in bars]})
    rows = sum(lane["rows"] for lane in lanes)
    return {"ticks": scale.ticks(), "lanes": lanes, "rows": rows, "labels": rows <= _FULL, "marks": len(dated)}


def _bars(marks: list[Mark], scale: Axis) -> list[_Bar]:
    """One bar for each span of days, in the order of its beginning, with the numbers of all its paragraphs."""
    spans: dict[tuple[str, str, bool], list[int]] = {}
    for mark in marks:
        spans.setdefault((mark.first, mark.last, mark.about), []).append(mark.paragraph)
    bars = [_bar(first, last, about, _numbers(numbers), scale) for (first, last, about), numbers in spans.items()]
    return sorted(bars, key=lambda bar: (bar.left, -bar.right, bar.label))


def _bar(first: str, last: str, about: bool, label: str, scale: Axis) -> _Bar:  # noqa: FBT001
    low = date.fromisoformat(first) if first else None
    high = date.fromisoformat(last) if last else None
    end = scale.start + len(scale.edges) - 1
    before = low is None or low.year < scale.start
    after = high is None or high.year >= end
    if high is not None and high.year < scale.start:
        return _outlier(f"{high.year}: {label}", left=True)
    if low is not None and low.year >= end:
        return _outlier(f"{low.year}: {label}", left=False)
    left, right = scale.at(low) if low else 0.0, scale.at(high) if high else 1.0
    point = low == high
    if not point and high:
        right = scale.at(high + timedelta(days=1))
    wide = len(label) * _LETTER + _GAP
    edge = _POINT / 2 if point else _GAP / 2
    if right - left > wide + 2 * _ARROW:
        return _Bar(left, right, label, about, before, after, left + _GAP / 2 + _ARROW * before, (left, right))
    if right + edge + wide <= 1:
        return _Bar(left, right, label, about, before, after, right + edge, (left - edge, right + edge + wide))
    return _Bar(left, right, label, about, before, after, left - edge - wide, (left - edge - wide, right + edge))


def _outlier(label: str, *, left: bool) -> _Bar:
    """An arrow at the edge, with the year: what lies too far off to be drawn."""
    wide = len(label) * _LETTER + _GAP
    if left:
        return _Bar(0, 0, label, about=False, open_left=True, open_right=False, text_at=_ARROW, span=(0, _ARROW + wide))
    at = 1 - _ARROW - wide
    return _Bar(1, 1, label, about=False, open_left=False, open_right=True, text_at=at, span=(at, 1))


def _pack(bars: list[_Bar]) -> int:
    """Give each bar the first row where it touches nothing; returns the number of rows."""
    ends: list[float] = []
    for bar in sorted(bars, key=lambda bar: bar.span):
        for row, end in enumerate(ends):
            if bar.span[0] >= end + _GAP:
                bar.row, ends[row] = row, bar.span[1]
                break
        else:
            bar.row = len(ends)
            ends.append(bar.span[1])
    return len(ends)


def _shape(bar: _Bar) -> dict[str, Any]:
    return {
        "x": bar.left, "w": bar.right - bar.left, "row": bar.row, "label": bar.label, "at": bar.text_at,
        "about": bar.about, "left": bar.open_left, "right": bar.open_right,
    }  # fmt: skip


def _numbers(numbers: list[int]) -> str:
    """5, 7–9: paragraphs in short, at most four pieces (the table below holds them all)."""
    shown = [str(low) if low == high else f"{low}–{high}" for low, high in ranges(numbers)]
    return ", ".join(shown if len(shown) <= 4 else [*shown[:3], "…"])
