"""The figure of waves for a report: acts by month, the rate with its band, and the waves with the bands of their bounds, as
SVG.

Invariants: as ``app.figures``; months with fewer than three acts are drawn as one height, so that the figure counts nobody.
"""

import textwrap
from datetime import date
from typing import Final
from xml.sax.saxutils import quoteattr

import numpy as np

from amparo.analysis.waves import Waves
from amparo.app.estimates import SMALL
from amparo.app.figures import FONT, WIDE, Drawing, xml
from amparo.app.waves_words import day, of_wave, summary
from amparo.kernel.i18n import _, language

_MARGIN: Final = 40
_TOP: Final = 64
_HIGH: Final = 200
_POINTS: Final = 640
_CHARACTERS: Final = 84


def months(found: Waves) -> list[tuple[str, int | None]]:
    """Month -> acts, those of unknown day by their expected place; None where there are some but fewer than SMALL."""
    counted: dict[str, float] = {}
    for at, acts in enumerate(found.counts):
        month = day(found.first + at)[:7]
        counted[month] = counted.get(month, 0.0) + float(acts)
    return [(month, None if 0 < round(acts) < SMALL else round(acts)) for month, acts in counted.items()]


def figure(found: Waves) -> str:
    """An SVG document; its description has the same in words."""
    drawing = Drawing()
    days = len(found.counts)
    across = (WIDE - 2 * _MARGIN) / days
    monthly = months(found)
    tallest = max([*(acts or SMALL for _month, acts in monthly), float(found.rate[2].max()) * 30.4, 1.0])
    up = _HIGH / tallest
    base = _TOP + _HIGH
    for at, line in enumerate(_wrapped(summary(found))):
        drawing.text(_MARGIN, 24 + 18 * at, line, size=14, bold=True)
    for wave in found.waves:
        start, end = (_MARGIN + (one - found.first) * across for one in (wave.start, wave.end + 1))
        drawing.box(start, _TOP, max(2.0, end - start), _HIGH, "url(#waves-hatch)" if wave.firm else "none")
        for low, high in (wave.start_band, wave.end_band):
            drawing.box(_MARGIN + (low - found.first) * across, base + 4, max(1.0, (high - low + 1) * across), 6, "#000")
    _bars(drawing, found, monthly, across, up, base)
    drawing.parts.append(_rate(found, across, up, base, rtl=drawing.direction == "rtl"))
    _axis(drawing, found, across, base)
    _legend(drawing, base + 52)
    told = " ".join(of_wave(wave) for wave in found.waves)
    high = base + 72
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {high}" width="{WIDE}" height="{high}" role="img"'
        f' lang="{language()}" aria-labelledby="waves-title waves-desc" font-family={quoteattr(FONT)}>'
        f'<title id="waves-title">{xml(_("Waves"))}</title><desc id="waves-desc">{xml(summary(found))} {xml(told)}</desc>'
        '<defs><pattern id="waves-hatch" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect width="8" height="8" fill="#fff"/><path d="M0 0V8" stroke="#999" stroke-width="1.5"/></pattern></defs>'
        f'<rect width="{WIDE}" height="{high}" fill="#fff"/>{"".join(drawing.parts)}</svg>\n'
    )  # fmt: skip


def _wrapped(words: str) -> list[str]:
    return textwrap.wrap(words, _CHARACTERS)[:2]


def _bars(
    drawing: Drawing, found: Waves, monthly: list[tuple[str, int | None]], across: float, up: float, base: float
) -> None:  # fmt: skip
    at = 0
    for month, acts in monthly:
        long = sum(1 for _day in range(found.first + at, min(found.first + at + 31, found.last + 1)) if day(_day)[:7] == month)
        if acts != 0:
            high, grey = (SMALL - 1 if acts is None else acts) * up, "#ddd" if acts is None else "#888"
            drawing.box(_MARGIN + at * across + 0.5, base - high, max(0.8, long * across - 1), high, grey)
        at += long


def _rate(found: Waves, across: float, up: float, base: float, *, rtl: bool) -> str:
    """Mean rate as a line between its band, a month's worth of acts high."""
    some = np.unique(np.linspace(0, len(found.counts) - 1, min(_POINTS, len(found.counts))).round().astype(int))

    def place(at: int, rate: float) -> str:
        x = _MARGIN + (at + 0.5) * across
        return f"{WIDE - x if rtl else x:.1f} {base - rate * 30.4 * up:.1f}"

    low, mean, high = ("L".join(place(int(at), float(found.rate[row, at])) for at in some) for row in range(3))
    return (
        f'<path d="M{low}" fill="none" stroke="#000" stroke-width="0.6" stroke-dasharray="2 2"/>'
        f'<path d="M{high}" fill="none" stroke="#000" stroke-width="0.6" stroke-dasharray="2 2"/>'
        f'<path d="M{mean}" fill="none" stroke="#000" stroke-width="1.6"/>'
    )


def _axis(drawing: Drawing, found: Waves, across: float, base: float) -> None:
    drawing.parts.append(f'<path d="M{_MARGIN} {base}H{WIDE - _MARGIN}" stroke="#000"/>')
    years = list(range(date.fromordinal(found.first).year, date.fromordinal(found.last).year + 2))
    every = max(1, len(years) // 8)
    for year in years[::every]:
        first = date(year, 1, 1).toordinal()
        if found.first <= first <= found.last:
            x = _MARGIN + (first - found.first) * across
            drawing.line(x, base, base + 14)
            drawing.text(x + 3, base + 24, str(year), size=12)


def _legend(drawing: Drawing, y: float) -> None:
    words = ((_("acts by month"), "#888"), (_("under {n}").format(n=SMALL), "#ddd"), (_("a wave"), "url(#waves-hatch)"),
             (_("where a bound may lie"), "#000"))  # fmt: skip
    for place, (label, fill) in enumerate(words):
        x = _MARGIN + place * 165
        drawing.box(x, y - 10, 18, 6 if fill == "#000" else 12, fill)
        drawing.text(x + 24, y, label, size=12)
