"""The waves as a figure: acts by week or month, the probability of a wave, each wave with the bands of its bounds.

Invariants: one file of its own (SVG, no script, no font or picture from elsewhere); the table under the drawing says the same
as the drawing, so that nobody needs to see colours; counts are by week or longer, never by day; sources stand by handle.
"""

from collections.abc import Sequence
from datetime import date
from html import escape
from typing import Final

import numpy as np

from amparo.analysis.waves import REPORTED, Wave, Waves
from amparo.app.waves import Report, day
from amparo.kernel.i18n import N_, _

_WIDTH: Final = 960
_LEFT: Final = 56
_RIGHT: Final = 16
_TOP: Final = 78
_TALL: Final = 150
_BETWEEN: Final = 34
_CURVE: Final = 80
_LINE: Final = 20
_BINS: Final = (7, 14, 28, 91)
_MOST_BINS: Final = 160
_INK, _SOFT, _BAR, _PALE, _BAND, _SURE, _CORE = (
    "#1b1b1b", "#595959", "#4b6a89", "#a9bdd0", "#faead9", "#f3d3b0", "#d9822b"
)  # fmt: skip
_NOTHING: Final = N_("No act bears a date that can be used: there is nothing to draw.")


def figure(report: Report) -> str:
    """The SVG text of a report."""
    found = report.found
    title = _("Waves of acts")
    if report.made_up:
        title += " · " + _("MADE-UP POPULATION, about nobody")
    if found is None:
        return _sheet(title, 120, [_text(_LEFT, _TOP, _(_NOTHING))])
    rows = table(report)
    if found.waves:
        rows.append(_("Light: where a bound lies, 9 in 10. Dark bar: from the likely start to the likely end."))
    under = _foot(found) + 50
    parts = [_text(_LEFT, 46, subtitle(report), _SOFT), *_bands(found), *_columns(found), *_axis(found)]
    parts += _curve(found) if found.waves else []
    parts += [_text(_LEFT, under + number * _LINE, row, _INK) for number, row in enumerate(rows)]
    return _sheet(title, under + len(rows) * _LINE + 8, parts)


def _foot(found: Waves) -> int:
    """Where time runs: under the curve, if there are waves to draw one for."""
    return _TOP + _TALL + (_BETWEEN + _CURVE if found.waves else 0)


def subtitle(report: Report) -> str:
    """The verdict in one line."""
    if report.why:
        return _("Not determinable: {why}.").format(why="; ".join(_(one) for one in report.why))
    number = sum(wave.stands for wave in report.found.waves) if report.found else 0
    return _("Waves that stand: {number}").format(number=number)


def table(report: Report) -> list[str]:
    """The table twin: one line for each wave, then what is not shown by the drawing."""
    found = report.found
    assert found is not None
    lines = [
        _("{start} ({start_low} to {start_high}) – {end} ({end_low} to {end_high}): probability {probability}, {times} times "
          "the background, about {events} acts{remark}").format(
            start=day(wave.start), start_low=day(wave.start_band[0]), start_high=day(wave.start_band[1]), end=day(wave.end),
            end_low=day(wave.end_band[0]), end_high=day(wave.end_band[1]), probability=f"{wave.probability:.2f}",
            times=f"{wave.times[1]:.1f}", events=f"{wave.events:.0f}",
            remark="" if wave.stands else " · " + _("does not stand"),
        )
        for wave in found.waves
    ]  # fmt: skip
    lines.append(_("{number} acts from {first} to {last}, {spread} of them without a known day, spread over their span").format(
        number=found.counted, first=day(found.first), last=day(found.last), spread=found.spread))  # fmt: skip
    if (found.reported < REPORTED).any():
        lines.append(_("From {day} on less than half is likely to have been reported yet").format(
            day=day(found.first + int(np.argmax(found.reported < REPORTED)))))  # fmt: skip
    return lines


def _across(found: Waves, at: float) -> float:
    """Where a day (index, may be the one after the last) lies."""
    return _LEFT + at / len(found.counts) * (_WIDTH - _LEFT - _RIGHT)


def _bins(found: Waves) -> tuple[int, list[tuple[float, float]]]:
    """(days of a column, all acts and those whose day is known in each); the last may be shorter."""
    days = len(found.counts)
    length = next((one for one in _BINS if days / one <= _MOST_BINS), _BINS[-1])
    starts = np.arange(0, days, length)
    every, known = (np.add.reduceat(one, starts).tolist() for one in (found.counts, found.exact))
    return length, list(zip(every, known, strict=True))


def _columns(found: Waves) -> list[str]:
    length, counts = _bins(found)
    most = max(1.0, *(count for count, _known in counts))
    foot = _TOP + _TALL
    heading = _("Acts by {number} days; pale: those without a known day, where they may lie").format(number=length)
    parts = [_text(_LEFT, _TOP - 2, heading, _SOFT),
             _text(_LEFT - 6, _TOP + 12, f"{most:.0f}", _SOFT, "end"), _text(_LEFT - 6, foot, "0", _SOFT, "end")]  # fmt: skip
    for number, (count, known) in enumerate(counts):
        left, right = _across(found, number * length), _across(found, min(len(found.counts), (number + 1) * length))
        for amount, colour in ((count, _PALE), (known, _BAR)):
            tall = amount / most * (_TALL - 12)
            if tall >= 0.1:
                parts.append(_box(left, foot - tall, max(0.8, right - left - 0.8), tall, colour))
    return parts


def _bands(found: Waves) -> list[str]:
    """For each wave that stands: light where its bounds may lie, darker what is inside either way, a bar from start to end."""
    parts = []
    for wave in found.waves:
        if wave.stands:
            parts += [_stripe(found, wave.start_band[0], wave.end_band[1], _BAND, _TOP),
                      _stripe(found, wave.start_band[1], max(wave.start_band[1], wave.end_band[0]), _SURE, _TOP),
                      _box(*_from_to(found, wave), _CORE, f"{day(wave.start)} – {day(wave.end)}")]  # fmt: skip
    return parts


def _from_to(found: Waves, wave: Wave) -> tuple[float, float, float, float]:
    left, right = (_across(found, at - found.first) for at in (wave.start, wave.end + 1))
    return left, _TOP + _TALL + 4, right - left, 8


def _stripe(found: Waves, first: int, last: int, colour: str, top: float) -> str:
    left, right = (_across(found, at - found.first) for at in (first, last + 1))
    return _box(left, top, right - left, _foot(found) - top, colour)


def _curve(found: Waves) -> list[str]:
    top = _TOP + _TALL + _BETWEEN
    foot = top + _CURVE
    points = [f"{_across(found, at + 0.5):.1f},{foot - float(one) * _CURVE:.1f}" for at, one in enumerate(found.probability)]
    path = f"M{_LEFT},{foot}L" + " ".join(points) + f" {_WIDTH - _RIGHT},{foot}Z"
    return [
        _text(_LEFT, top - 4, _("Probability that the day lies in a wave"), _SOFT),
        _text(_LEFT - 6, top + 8, "1", _SOFT, "end"),
        _text(_LEFT - 6, foot, "0", _SOFT, "end"),
        f'<path d="{path}" fill="{_CORE}" fill-opacity=".35" stroke="{_CORE}" stroke-width="1"/>',
    ]  # fmt: skip


def _axis(found: Waves) -> list[str]:
    foot = _foot(found)
    parts = [f'<path d="M{_LEFT},{foot + 0.5}H{_WIDTH - _RIGHT}" stroke="{_INK}"/>']
    for at in _ticks(found.first, found.last):
        x = _across(found, at - found.first)
        parts += [f'<path d="M{x:.1f},{foot}v6" stroke="{_INK}"/>', _text(x + 2, foot + 18, day(at)[:7], _SOFT)]
    return parts


def _ticks(first: int, last: int) -> list[int]:
    """Firsts of months, at most a dozen."""
    start, end = date.fromordinal(first), date.fromordinal(last)
    months = [year * 12 + month for year in range(start.year, end.year + 1) for month in range(12)]
    step = next(one for one in (1, 2, 3, 6, 12, 24, 60, 120, 240) if (end.year - start.year + 1) * 12 / one <= 13 or one == 240)
    days = [date(one // 12, one % 12 + 1, 1).toordinal() for one in months if one % step == 0]
    return [one for one in days if first <= one <= last]


def _text(x: float, y: float, words: str, colour: str = _INK, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{escape(words)}</text>'


def _box(x: float, y: float, wide: float, tall: float, colour: str, words: str = "") -> str:
    inside = f"<title>{escape(words)}</title>" if words else ""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}" fill="{colour}">{inside}</rect>'


def _sheet(title: str, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" width="{_WIDTH}" height="{height:.0f}"'
        f' font-family="sans-serif" font-size="12" role="img" aria-labelledby="t"><title id="t">{escape(title)}</title>'
        f'<rect width="100%" height="100%" fill="#fff"/>'
        f'<text x="{_LEFT}" y="26" font-size="17" font-weight="bold" fill="{_INK}">{escape(title)}</text>'
        f'{"".join(parts)}</svg>\n'
    )
