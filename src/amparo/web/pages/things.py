"""One opened thing: a person, group, place, event, act, source, claim ...: its claims by property, each with its source."""

from typing import Any, Final

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amparo.app import desk_things, people, reading
from amparo.kernel.errors import AmparoError
from amparo.record.model import ACCESS, POLARITIES, STANCES, VOLUNTARINESS
from amparo.web import forms
from amparo.web.render import page, page_number, see


class HandleConvertor(Convertor[str]):
    """A part of an address that looks like a handle."""

    regex = "[A-Z]-[0-9-]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("handle", HandleConvertor())


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
    return _form(request, found, {name: earlier[0][name] for name in people.CORRECTABLE} if earlier else {}, "")


async def correct(request: Request) -> Response:
    """A new claim supersedes this one; refused if somebody else was quicker."""
    form = await forms.read(request)
    handle = request.path_params["handle"]
    try:
        new = await request.app.state.desk.act("correct", handle=handle, typed=form.values(), reason=form["reason"])
    except AmparoError as error:
        return await _correcting(request, form.values(), str(error))
    return see(f"/{new}")


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
