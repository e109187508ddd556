"""The reading room: a source at one side, its passages and claims at the other; words, regions and times are marked.

Invariants: reading is by GET; a mark is recorded by POST as what the page showed, or refused. Without scripts everything can be
typed; scripts fill in the same fields.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amparo.app import desk_reading, evidence, marking
from amparo.app.marking import NothingMarked, Shown, Spot
from amparo.app.marking_claims import FIELDS
from amparo.app.session import Session
from amparo.kernel import ids
from amparo.kernel.errors import AmparoError, BadInput
from amparo.kernel.i18n import N_
from amparo.record import locators
from amparo.record.locators import Region, Stretch, Words
from amparo.web import forms
from amparo.web.forms import Form
from amparo.web.pages.items import ITEM, draw
from amparo.web.render import page, see

_NUMBER: Final = re.compile("[0-9]{1,9}", re.ASCII)
_PERCENT: Final = re.compile(r"[0-9]{1,3}(?:[.,][0-9]{1,4})?", re.ASCII)
_CLAIM: Final = re.compile(r"claim\.([0-9]{1,2})\.([a-z]+)", re.ASCII)
_ROWS: Final = 3
_SOURCE: Final = "/read/{handle:handle}"


class TwoPlaces(BadInput):
    template = N_(
        "The form names a passage that is marked already, and marks another one; leave one of them out. Nothing was recorded."
    )


async def source(request: Request) -> Response:
    return await _source(request, Form([]), "")


async def _source(request: Request, form: Form, sentence: str) -> Response:
    after = request.query_params.get("after", "")[:24]
    found = await request.app.state.desk.do(desk_reading.source_room, request.path_params["handle"], after)
    shown = {"it": found, "typed": form.values(), "sentence": sentence, "rows": _ROWS,
             "on": request.query_params.get("on", "")[:24]}  # fmt: skip
    return page(request, "reading_source", shown, status=422 if sentence else 200)


async def state(request: Request) -> Response:
    """Claims on a passage that is there."""
    form = await forms.read(request)
    handle = request.path_params["handle"]
    try:
        done = await request.app.state.desk.act(
            "mark", passage=form["passage"], source=str(ids.parse(handle)), claims=_claims(form)
        )
    except AmparoError as error:
        return await _source(request, form, str(error))
    return see(f"/read/{handle}?passage={done['passage']}#{done['passage']}")


# -- an item ------------------------------------------------------------------------------------------------------------


async def item(request: Request) -> Response:
    return await _item(request, Form([]), "")


async def _item(request: Request, form: Form, sentence: str, choices: Sequence[tuple[int, Words, str]] = ()) -> Response:
    handle = request.path_params["handle"]
    query = request.query_params
    at = _number(form["at"] or query.get("at", "")) or 1
    by = form["by"] or query.get("by", "")[:120]
    found = await request.app.state.desk.do(desk_reading.item_room, handle, at=at, by=by, passage=query.get("passage", "")[:24])
    if found["kind"] == "pages" and not found["count"]:  # nobody counted its pages yet
        await _count(request, found)
    shown = {"it": found, "typed": form.values(), "sentence": sentence, "rows": _ROWS, "choices": choices,
             "on": query.get("on", "")[:24]}  # fmt: skip
    return page(request, "reading", shown, status=422 if sentence else 200)


async def _count(request: Request, found: dict[str, Any]) -> None:
    try:
        found["count"] = (await draw(request, found["handle"], found["at"])).pages
    except AmparoError as error:
        found["drawn"], found["undrawn"] = False, str(error)
    found["after"] = found["at"] + 1 if found["at"] < found["count"] else 0


async def mark(request: Request) -> Response:
    """Record what was marked and what is stated on it; where words stand several times, ask which are meant."""
    form = await forms.read(request)
    handle = str(ids.parse(request.path_params["handle"]))
    desk = request.app.state.desk
    try:
        if form["passage"] and any(form[name] for name in ("quote", "piece", "x", "start")):
            raise TwoPlaces
        if form["passage"]:
            asked: dict[str, Any] = {"passage": form["passage"], "source": form["source"]}
        else:
            place, shown, choices = await _place(request, form, handle)
            if choices:
                return await _item(request, form, "", choices)
            asked = {"item": handle, "place": str(place), "shown": shown, "sha256": form["sha256"], "words": form["words"]}
        done = await desk.act("mark", **asked, claims=_claims(form))
    except AmparoError as error:
        return await _item(request, form, str(error))
    return see(f"/{handle}/read?passage={done['passage']}#{done['passage']}")


async def _place(request: Request, form: Form, handle: str) -> tuple[locators.Place | None, str, list[tuple[int, Words, str]]]:
    """(the place that was marked, the run it is in, the places to choose from). Raises what ``marking.located`` raises."""
    if not form["quote"] and not form["piece"] and form["x"]:
        return _region(form, handle), "", []
    if not form["quote"] and not form["piece"] and form["start"]:
        start, end = locators.seconds(form["start"]), locators.seconds(form["end"])
        if start is None or end is None:
            raise marking.NoStretch
        return Stretch(handle, start, end), "", []
    shown = [one for one in map(marking.shown_from, form.all("shown")) if one is not None]
    if not shown:
        raise NothingMarked
    quote, spot, shown = await request.app.state.desk.do(_quote, handle, form, shown)
    found = await request.app.state.desk.do(marking.located, handle, shown, quote, spot)
    if len(found) > 1:
        return None, "", found
    [(run, place, _around)] = found
    return place, str(shown[run]), []


def _quote(session: Session, handle: str, form: Form, shown: list[Shown]) -> tuple[str, Spot | None, list[Shown]]:
    """(words, where they were marked if that is known, the runs they may be in): marked, chosen, counted or typed."""
    chosen = form["spot"].split(":")
    if len(chosen) == 5 and all(_NUMBER.fullmatch(one) for one in chosen):
        run, *numbers = map(int, chosen)
        if run < len(shown):
            return form["quote"], Spot(*numbers), [shown[run]]
    of, _colon, number = form["piece"].partition(":")
    if not form["quote"] and _NUMBER.fullmatch(of) and _NUMBER.fullmatch(number) and int(of) < len(shown):
        pieces = marking.again(session, evidence.get(session, handle), shown[int(of)])
        spot = marking.words_of(pieces, int(number), _number(form["from"]), _number(form["to"]))
        return marking.cut(pieces, spot), spot, [shown[int(of)]]
    return form["quote"], None, shown


def _region(form: Form, handle: str) -> Region:
    sides = [form[name] for name in ("x", "y", "w", "h")]
    if not all(_PERCENT.fullmatch(side) for side in sides):
        raise marking.NoRegion
    left, top, width, height = (round(float(side.replace(",", ".")), 2) for side in sides)
    return Region(handle, _number(form["at"]) or 1, left, top, width, height)


def _number(typed: str) -> int:
    return int(typed) if _NUMBER.fullmatch(typed) else 0


def _claims(form: Form) -> list[dict[str, str]]:
    """The rows of the form, in order."""
    rows: dict[int, dict[str, str]] = {}
    for name, value in form.values().items():
        found = _CLAIM.fullmatch(name)
        if found and found[2] in FIELDS:
            rows.setdefault(int(found[1]), {})[found[2]] = value.strip()
    return [rows[number] for number in sorted(rows)]


ROUTES: Final = [
    Route(_SOURCE, source), Route(_SOURCE, state, methods=["POST"]),
    Route(f"{ITEM}/read", item), Route(f"{ITEM}/read", mark, methods=["POST"]),
]  # fmt: skip
