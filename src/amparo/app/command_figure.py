"""The chain of command as a dated drawing: units and posts from above, bars of tenure, the act's date as a band through them.

Invariants: what is shown by colour is shown by outline or hatching as well; every bar says in words what it stands for; text
runs in its own direction, and a mirrored drawing is the same one read from the right. Only handles and published labels of
units and places are drawn. The same chain gives the same bytes.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from amparo.analysis import tenure
from amparo.kernel.i18n import N_, _

WIDTH, NAMES, ROW, TOP, FOOT = 1000, 330, 24, 64, 54
_INDENT: Final = 14
_LEVELS: Final = 8  # levels that are indented
_MARGIN: Final = 0.06
_SHORTEST: Final = 3.0  # a bar of one day can be seen
_MANY: Final = 60  # rows
_WORDS: Final = {
    "commands": N_("{upper} commands it"), "in charge of": N_("{upper} is in charge of it"),
    "superior": N_("its superior: {upper}"), "subordinate to": N_("stands under {upper}"),
    "used by": N_("used by {upper}"), "member of": N_("belongs to {upper}"),
}  # fmt: skip
_STYLE: Final = """
text{font:13px system-ui,"Noto Sans","Noto Sans Arabic",sans-serif;fill:#1b1b1b;unicode-bidi:plaintext}
.small{font-size:11px;fill:#444}.head{font-weight:600}.axis{stroke:#999;stroke-width:1}.grid{stroke:#ddd;stroke-width:1}
.act{fill:#b3441e;fill-opacity:.16;stroke:#b3441e;stroke-width:1.5}.actname{fill:#8a2f10;font-weight:600}
.possible{stroke:#2b5b84;stroke-width:1}.certain{fill:#2b5b84}
.doubted{stroke:#8a2f10;stroke-width:2;stroke-dasharray:5 3}
.weave{fill:#e6eef5}.thread{stroke:#7f9fbb;stroke-width:2}
.gap{stroke:#8a2f10;stroke-width:2;stroke-dasharray:2 5;fill:none}.line{stroke:#777;stroke-width:1;fill:none}
"""


class _Scale:
    """Days to places across; open ends run to the edge of the drawing."""

    def __init__(self, days: Iterable[int], *, mirrored: bool) -> None:
        known = sorted(days)
        low, high = (known[0], known[-1]) if known else (date(2000, 1, 1).toordinal(),) * 2
        room = max(60, int((high - low) * _MARGIN) + 30)
        self.low, self.high, self.mirrored = max(1, low - room), min(date.max.toordinal(), high + room), mirrored

    def at(self, day: int | None, *, end: bool = False) -> float:
        """The place of a day's beginning, or of its end."""
        number = (self.high if end else self.low) if day is None else day + (1 if end else 0)
        part = (min(max(number, self.low), self.high) - self.low) / (self.high - self.low)
        x = NAMES + part * (WIDTH - NAMES - 10)
        return round(WIDTH - x if self.mirrored else x, 1)

    def span(self, first: int | None, last: int | None) -> tuple[float, float]:
        """(left, width) of a bar."""
        one, other = self.at(first), self.at(last, end=True)
        left = min(one, other)
        return left, round(max(abs(other - one), _SHORTEST), 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Beginnings of years, or of months where the drawing spans few; at most about twelve."""
        first, last = date.fromordinal(self.low), date.fromordinal(self.high)
        months = (last.year - first.year) * 12 + last.month - first.month
        step = next(step for step in (1, 2, 3, 6, 12, 24, 60, 120, 600, 12000) if months / step <= 12)
        found = []
        for month in range(first.year * 12 + first.month, last.year * 12 + last.month):
            if month % step == 0:
                year, number = divmod(month, 12)
                label = f"{year:04d}" if step >= 12 else f"{year:04d}-{number + 1:02d}"
                found.append((self.at(date(year, number + 1, 1).toordinal()), label))
        return found


def figure(chain: Mapping[str, Any], *, mirrored: bool = False, alone: bool = True) -> str:
    """An SVG of what ``app.command.command`` returned; ``mirrored`` for languages read from the right. ``alone``: with its own
    colours and ground; else a page's style sheet gives them.
    """
    scale = _Scale(_days(chain), mirrored=mirrored)
    rows = _rows(chain)
    height = TOP + ROW * len(rows[:_MANY]) + FOOT
    parts = [_opening(chain, height, mirrored=mirrored, alone=alone), _axis(scale, height), _act(chain, scale, height)]
    for index, row in enumerate(rows[:_MANY]):
        parts.append(_row(row, TOP + index * ROW, scale, chain, mirrored=mirrored))
    parts.append(_legend(height, mirrored=mirrored, more=max(0, len(rows) - _MANY)))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _ordinal(text: str | None) -> int | None:
    return date.fromisoformat(text).toordinal() if text else None


def _days(chain: Mapping[str, Any]) -> list[int]:
    """Every day the drawing has to reach."""
    found = [_ordinal(day) for day in chain["days"]]
    for edge in (*chain["edges"], *chain["elsewhere"]):
        for claim in edge["claims"]:
            found += [_ordinal(day) for day in claim["possible"] or ()]
    return [day for day in found if day is not None]


def _rows(chain: Mapping[str, Any]) -> list[dict[str, Any]]:
    """From above: each thing, and under it who stands above it, with its gaps."""
    found: list[dict[str, Any]] = []
    edges = [*chain["edges"], *chain["elsewhere"]]
    nodes = sorted(chain["levels"], key=lambda node: (-chain["levels"][node], node))
    top = max(chain["levels"].values(), default=0)
    for node in nodes:
        above = [edge for edge in edges if edge["lower"] == node]
        gaps = [gap for gap in chain["gaps"] if gap["node"] == node]
        if not above and (node.startswith("P-") or not gaps):
            continue  # a person stands in the row of what the person commands; of an area nothing is recorded
        depth = min(top - chain["levels"][node], _LEVELS)
        found.append({"node": node, "depth": depth, "gaps": gaps, "edge": None})
        found += [{"node": node, "depth": depth, "gaps": [], "edge": edge} for edge in above]
    return found


def _opening(chain: Mapping[str, Any], height: int, *, mirrored: bool, alone: bool) -> str:
    title = _("Chain of command above {what}").format(what=chain["of"])
    told = [title + ". " + (_("Date: {date}.").format(date=chain["date"]) if chain["date"] else _("No date is recorded."))]
    told += [gap["sentence"] for gap in chain["gaps"]]
    direction = "rtl" if mirrored else "ltr"
    x, anchor = (WIDTH - 10, "start") if mirrored else (10, "start")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="drawing chain" viewBox="0 0 {WIDTH} {height}" role="group" '
        f'aria-labelledby="chain-title chain-told" direction="{direction}">\n<title id="chain-title">{escape(title)}</title>\n'
        f'<desc id="chain-told">{escape(" ".join(told))}</desc>\n{f"<style>{_STYLE}</style>" if alone else ""}\n'
        '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect width="6" height="6" class="weave"/><path d="M0 0V6" class="thread"/></pattern></defs>\n'
        f'{f"""<rect width="{WIDTH}" height="{height}" fill="#fff"/>""" if alone else ""}\n'
        f'<text x="{x}" y="22" class="head" text-anchor="{anchor}">{escape(title)}</text>'
    )


def _axis(scale: _Scale, height: int) -> str:
    foot = height - FOOT
    lines = [f'<line x1="{x}" y1="{TOP - 8}" x2="{x}" y2="{foot}" class="grid"/>'
             f'<text x="{x}" y="{TOP - 14}" class="small" text-anchor="middle" direction="ltr">{label}</text>'
             for x, label in scale.ticks()]  # fmt: skip
    return "\n".join(lines)


def _act(chain: Mapping[str, Any], scale: _Scale, height: int) -> str:
    """The band of the days the act may have fallen on."""
    if chain["days"] == [None, None]:
        return ""
    left, width = scale.span(*(_ordinal(day) for day in chain["days"]))
    words = _("{what}: {date}").format(what=chain["of"], date=chain["date"])
    middle = min(max(left + width / 2, 60), WIDTH - 60)
    return (
        f'<g><title>{escape(words)}</title><rect x="{left}" y="{TOP - 8}" width="{width}" height="{height - FOOT - TOP + 8}" '
        f'class="act"/></g>\n<text x="{middle:g}" y="{TOP - 30}" class="actname small" text-anchor="middle" '
        f'direction="ltr">{escape(words)}</text>'
    )


def _row(row: Mapping[str, Any], y: int, scale: _Scale, chain: Mapping[str, Any], *, mirrored: bool) -> str:
    edge = row["edge"]
    indent = 10 + row["depth"] * _INDENT + (16 if edge else 0)
    x = WIDTH - indent if mirrored else indent
    label = chain["labels"].get(row["node"], "")
    words = _edge_words(edge, chain) if edge else f"{row['node']} {label}".strip()
    kind = "small" if edge else "head"
    shown = escape(_short(words, (46 if edge else 38) - 2 * row["depth"]))
    title = f"<title>{escape(words)}</title>"
    parts = [f'<text x="{x}" y="{y + 16}" class="{kind}" text-anchor="start">{shown}{title}</text>']
    parts += [_gap(gap, y, scale) for gap in row["gaps"]]
    for claim in edge["claims"] if edge else ():
        parts.append(_bar(edge, claim, y, scale))
    return "\n".join(parts)


def _edge_words(edge: Mapping[str, Any], chain: Mapping[str, Any]) -> str:
    upper = f"{edge['upper']} {chain['labels'].get(edge['upper'], '')}".strip()
    words = _(_WORDS[edge["property"]]).format(upper=upper)
    return words if edge["standing"] == tenure.CERTAIN else f"{words} ({_(edge['standing'])})"


def _short(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"


def _bar(edge: Mapping[str, Any], claim: Mapping[str, Any], y: int, scale: _Scale) -> str:
    """What one claim tells of a tenure: hatched where possible, solid where certain, a broken outline where doubted."""
    facts = [claim["handle"], claim["valid"] or _("undated"), claim["source"], _(claim["basis"])]
    facts += [_("denied")] if claim["denied"] else []
    facts += [_(word) for word in claim["doubts"]]
    title = f"<title>{escape(', '.join(fact for fact in facts if fact))}</title>"
    doubted = " doubted" if claim["denied"] or claim["doubts"] else ""
    if claim["possible"] is None:
        x = scale.at(None)
        return f'<g>{title}<text x="{x}" y="{y + 16}" class="small" text-anchor="start">{escape(_("undated"))}</text></g>'
    left, width = scale.span(*(_ordinal(day) for day in claim["possible"]))
    parts = [f'<rect x="{left}" y="{y + 5}" width="{width}" height="13" fill="url(#hatch)" class="possible{doubted}"/>']
    if claim["certain"] and not claim["denied"]:
        inner, wide = scale.span(*(_ordinal(day) for day in claim["certain"]))
        parts.append(f'<rect x="{inner}" y="{y + 7}" width="{wide}" height="9" class="certain"/>')
    label = quoteattr(", ".join([edge["upper"], *(fact for fact in facts if fact)]))
    return f'<g role="img" aria-label={label}>{title}{"".join(parts)}</g>'


def _gap(gap: Mapping[str, Any], y: int, scale: _Scale) -> str:
    left, width = scale.span(_ordinal(gap["first"]), _ordinal(gap["last"]))
    shift = 10 if gap["kind"] == "post" else 15
    sentence = gap["sentence"]
    return (f'<g role="img" aria-label={quoteattr(sentence)}><title>{escape(sentence)}</title>'
            f'<path d="M{left} {y + shift}h{width}" class="gap"/></g>')  # fmt: skip


def _legend(height: int, *, mirrored: bool, more: int) -> str:
    """What the marks mean, under the drawing."""
    hatched = '<rect x="{x}" y="{y}" width="26" height="10" fill="url(#hatch)" '
    marks = (
        ('<rect x="{x}" y="{y}" width="26" height="10" class="certain"/>', _("certain under the dates")),
        (hatched + 'class="possible"/>', _("possible")),
        (hatched + 'class="possible doubted"/>', _("contradicted or denied")),
        ('<path d="M{x} {m}h26" class="gap"/>', _("nobody or nothing recorded")),
        ('<rect x="{x}" y="{y}" width="26" height="10" class="act"/>', _("when it happened")),
    )
    y, step = height - 34, 196
    parts = []
    for index, (mark, words) in enumerate(marks):
        x = 10 + index * step
        place = WIDTH - x - 26 if mirrored else x
        parts.append(mark.format(x=place, y=y, m=y + 5))
        end = place - 6 if mirrored else place + 32
        parts.append(f'<text x="{end}" y="{y + 10}" class="small" text-anchor="start">{escape(words)}</text>')
    if more:
        text = _("Rows that are not drawn: {count}; the table has all of them.").format(count=more)
        parts.append(f'<text x="{WIDTH - 10 if mirrored else 10}" y="{height - 8}" class="small">{escape(text)}</text>')
    return "\n".join(parts)
