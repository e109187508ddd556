"""The figure of an estimate for a report: for each model what is documented, the interval of the total, and its middle, as SVG.

Invariants: a pure function of figures and words; black, white and hatching alone, so that a photocopy still tells; whoever
cannot see it reads the same figures in its description; where the reader's language runs from right to left, so does the axis.
"""

import math
import textwrap
from collections.abc import Sequence
from typing import Final

from amparo.analysis.ensemble import Run
from amparo.app.estimates_words import name, number, sentence, summary
from amparo.app.figures import FONT, WIDE, Drawing, xml
from amparo.kernel.i18n import _, language

_MARGIN: Final = 24
_ROW: Final = 62
_BAR: Final = 20
_CHARACTERS: Final = 88
_TITLE_CHARACTERS: Final = 72
_LEGEND_CELL: Final = 224


def figure(runs: Sequence[Run], observed: int, what: str) -> str:
    """An SVG document: a row for each run; a run that is not estimable says why in its row. ``what`` is counted (“persons”)."""
    ends = [run.estimate.high for run in runs if run.estimate]
    step = _step(max([*ends, observed, 1]))
    top = step * math.ceil(max([*ends, observed, 1]) / step)
    scale = (WIDE - 2 * _MARGIN) / top
    drawing = Drawing()
    y = 30.0
    for row in textwrap.wrap(summary(tuple(runs), observed, what), _TITLE_CHARACTERS):
        drawing.text(_MARGIN, y, row, size=14, bold=True)
        y += 20
    y += 4
    for run in runs:
        y = _row(drawing, run, observed, y, scale)
    end = y + 8
    _axis(drawing, step, top, end, scale)
    high = _legend(drawing, end + 44)
    told = "; ".join(f"{name(run)}: {sentence(run)}" for run in runs)
    title = _("{what}: documented and estimated").format(what=what)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {high:.0f}" width="{WIDE}" height="{high:.0f}"'
        f' role="img" lang="{language()}" aria-labelledby="estimate-title estimate-desc" font-family="{FONT}">'
        f'<title id="estimate-title">{xml(title)}</title>'
        f'<desc id="estimate-desc">{xml(summary(tuple(runs), observed, what))} {xml(told)}.</desc>'
        '<defs><pattern id="estimate-hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect width="6" height="6" fill="#fff"/><path d="M0 0V6" stroke="#000" stroke-width="2"/></pattern></defs>'
        f'<rect width="{WIDE}" height="{high:.0f}" fill="#fff"/>{"".join(drawing.parts)}</svg>\n'
    )  # fmt: skip


def _row(drawing: Drawing, run: Run, observed: int, y: float, scale: float) -> float:
    """Draw a run; returns where the next one begins."""
    one = run.estimate
    if one is None:
        drawing.text(_MARGIN, y + 14, name(run), bold=True, size=13)
        reason = textwrap.wrap(sentence(run), _CHARACTERS)
        for line, words in enumerate(reason):
            drawing.text(_MARGIN, y + 31 + 15 * line, words, size=12)
        return y + max(_ROW, 36 + 15 * len(reason))
    figures = _("{low} to {high}, middle {point}").format(low=number(one.low), high=number(one.high), point=number(one.point))
    drawing.text(_MARGIN, y + 14, name(run), bold=True, size=13)
    drawing.text(WIDE - _MARGIN, y + 14, figures, anchor="end", size=13)
    bar = y + 22
    drawing.box(_MARGIN, bar, observed * scale, _BAR, "#000")
    drawing.box(_MARGIN + one.low * scale, bar, max(1.0, (one.high - one.low) * scale), _BAR, "url(#estimate-hatch)")
    middle = _MARGIN + one.point * scale
    drawing.line(middle, bar - 4, bar + _BAR + 4, 7, "#fff")
    drawing.line(middle, bar - 4, bar + _BAR + 4, 3)
    return y + _ROW


def _axis(drawing: Drawing, step: float, top: float, end: float, scale: float) -> None:
    drawing.parts.insert(0, f'<path d="M{_MARGIN} {end:.1f}H{WIDE - _MARGIN}" stroke="#000"/>')
    for tick in range(round(top / step) + 1):
        x = _MARGIN + tick * step * scale
        drawing.line(x, end, end + 6)
        anchor = "start" if tick == 0 else "end" if tick == round(top / step) else "middle"
        drawing.text(x, end + 20, number(tick * step), anchor=anchor, size=12)


def _legend(drawing: Drawing, y: float) -> float:
    """Draw what the marks mean; returns the drawing's height."""
    words = (_("documented"), _("interval of the total"), _("middle of the estimate"))
    for place, (label, fill) in enumerate(zip(words, ("#000", "url(#estimate-hatch)", ""), strict=True)):
        x = _MARGIN + place * _LEGEND_CELL
        if fill:
            drawing.box(x, y - 11, 24, 13, fill)
        else:
            drawing.line(x + 12, y - 13, y + 4, 3)
        drawing.text(x + 32, y, label, size=12)
    return y + 20


def _step(largest: float) -> float:
    """A round distance between ticks that gives four to ten of them."""
    power: float = 10.0 ** math.floor(math.log10(largest))
    return max(1.0, next(power * part for part in (0.1, 0.2, 0.25, 0.5, 1, 2) if largest / (power * part) <= 8))
