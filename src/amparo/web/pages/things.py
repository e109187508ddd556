"""One opened thing: a person, group, place, event, act, source, claim ...: its claims by property, each with its source."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amparo.app import correcting, desk_things, reading
from amparo.kernel.errors import AmparoError
from amparo.record.model import ACCESS, POLARITIES, STANCES, VOLUNTARINESS
from amparo.web import forms
from amparo.web.pages import edits
from amparo.web.render import page, page_number, see


async def thing(request: Request) -> Response:
    """Whatever bears the handle in the address."""
    handle = request.path_params["handle"]
    found = await request.app.state.desk.do(desk_things.open_thing, handle, page_number(request))
    return page(request, found["page"], {"it": found})


async def trace(request: Request) -> Response:
    """The way back from a claim to the signature that vouches for it."""
    handle = request.path_params["handle"]
    return page(request, "trace", {"of": handle, "it": await request.app.state.desk.do(reading.trace, handle)})


async def show_correct(request: Request) -> Response:
    """The form, filled with what the claim says now, or (?as=C-...) with what an earlier version said."""
    found = await request.app.state.desk.do(desk_things.open_thing, request.path_params["handle"])
    earlier = [one for one in found.get("history", ()) if one["handle"] == request.query_params.get("as")]
    return _form(request, found, {name: earlier[0][name] for name in correcting.CORRECTABLE} if earlier else {}, "")


async def correct(request: Request) -> Response:
    """A new claim supersedes this one; if somebody else was quicker, both versions are shown, to choose."""
    form = await forms.read(request)
    handle = request.path_params["handle"]
    asked = {"rows": {handle: form.values()}, "choices": edits.choices(form), "reason": form["reason"]}
    try:
        made = await request.app.state.desk.act("edit", **asked)
    except AmparoError as error:
        return await _correcting(request, form.values(), str(error))
    if "conflicts" in made:
        return edits.conflict(request, form, made["conflicts"], handle)
    return see(f"/{made['claims'][-1] if made['claims'] else form[edits.CHOICE + handle].rpartition(' ')[2] or handle}")


async def _correcting(request: Request, typed: dict[str, str], sentence: str) -> Response:
    found = await request.app.state.desk.do(desk_things.open_thing, request.path_params["handle"])
    return _form(request, found, typed, sentence)


def _form(request: Request, found: dict[str, Any], typed: dict[str, str], sentence: str) -> Response:
    choices = {"polarity": POLARITIES, "access": ACCESS, "voluntariness": VOLUNTARINESS, "stance": STANCES}
    shown = {"it": found, "typed": typed, "sentence": sentence, "choices": choices}
    return page(request, "correct", shown, status=422 if sentence else 200)


ROUTES: Final = [
    Route("/{handle:handle}", thing), Route("/{handle:handle}/trace", trace), Route("/{handle:handle}/correct", show_correct),
    Route("/{handle:handle}/correct", correct, methods=["POST"]),
]  # fmt: skip
