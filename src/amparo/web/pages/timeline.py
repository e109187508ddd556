"""The timeline as a drawing of columns, as a table, and as lists of what stands behind a column."""

from datetime import date, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amparo.app import desk_timeline
from amparo.app.desk_timeline import Lane, Span
from amparo.kernel.errors import AmparoError
from amparo.kernel.i18n import N_
from amparo.web.render import page, page_number

_WIDE: Final = 960  # of the drawing, in its own units
_HIGH: Final = 64  # of a lane
_LINE: Final = 92  # from one lane to the next
_LABELS: Final = 12
NAMES: Final = {
    "events": N_("Events and waves"), "acts": N_("Acts"), "statements": N_("Statements"),
    "measures": N_("Measures, interventions, proceedings"),
}  # fmt: skip


async def timeline(request: Request) -> Response:
    """The lanes of a span; with ?lane= also the things of that lane."""
    asked = request.query_params
    since, until, lane = asked.get("from", "")[:40], asked.get("to", "")[:40], asked.get("lane", "")
    sentence, status, at = "", 200, page_number(request)
    do = request.app.state.desk.do
    try:
        found = await do(desk_timeline.timeline, since, until, lane, at)
    except AmparoError as error:
        sentence, status = str(error), 422
        found = await do(desk_timeline.timeline)
    span = found["span"]
    shown: dict[str, Any] = {
        "it": found, "names": NAMES, "since": since, "until": until, "sentence": sentence, "at": at,
        "columns": [(label(low, span.unit), iso(low), iso(high)) for low, high in span.columns] if span else [],
        "drawing": drawing(span, found["lanes"]) if span else None, "moves": moves(span) if span else [],
    }  # fmt: skip
    return page(request, "timeline", shown, status=status)


def drawing(span: Span, lanes: list[Lane]) -> dict[str, Any]:
    """Rectangles and words with their places: ``lanes`` (name, top, most, columns), ``ticks`` (x, words)."""
    count = len(span.edges) - 1
    step = _WIDE / count
    shown = []
    for number, lane in enumerate(lanes):
        most = max((sure + perhaps for sure, perhaps in zip(lane.sure, lane.perhaps, strict=True)), default=0)
        base = 18 + number * _LINE + _HIGH
        columns = []
        for place, ((low, high), sure, perhaps) in enumerate(zip(span.columns, lane.sure, lane.perhaps, strict=True)):
            if sure or perhaps:
                solid, pale = _HIGH * sure / most, _HIGH * perhaps / most
                columns.append({
                    "x": round(place * step, 1), "wide": round(max(step - 1.5, 1), 1), "y": round(base - solid, 1),
                    "high": round(solid, 1), "pale_y": round(base - solid - pale, 1), "pale_high": round(pale, 1),
                    "label": label(low, span.unit), "from": iso(low), "to": iso(high), "sure": sure, "perhaps": perhaps,
                })  # fmt: skip
        shown.append({"name": lane.name, "base": base, "most": most, "columns": columns})
    every = -(-count // _LABELS)
    ticks = [(round(place * step, 1), label(low, span.unit)) for place, (low, _) in enumerate(span.columns)][::every]
    return {"wide": _WIDE, "high": len(lanes) * _LINE + 20, "lanes": shown, "ticks": ticks}


def label(day: date, unit: str) -> str:
    """A column's name: the partial date of its stretch."""
    if unit == "day":
        return day.isoformat()
    return f"{day.year:04d}-{day.month:02d}" if unit == "month" else f"{day.year:04d}" if unit == "year" else f"{day.year:04d}s"


def iso(day: date) -> str:
    return day.isoformat()


def moves(span: Span) -> list[tuple[str, str, str]]:
    """(what, first day, last day) of the spans one step from here."""
    days = (span.last - span.first).days + 1
    quarter = timedelta(days=max(1, days // 4))
    steps = [
        (N_("Earlier"), -quarter * 2, -quarter * 2), (N_("Later"), quarter * 2, quarter * 2),
        (N_("Closer"), quarter, -quarter), (N_("Wider"), -quarter * 2, quarter * 2),
    ]  # fmt: skip
    found = []
    for name, before, after in steps:
        try:
            first, last = span.first + before, span.last + after
        except OverflowError:
            continue
        if first <= last:
            found.append((name, iso(first), iso(last)))
    return found


ROUTES: Final = [Route("/timeline", timeline)]
