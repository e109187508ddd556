"""Contradictions to be weighed: the queue, two claims side by side with the decision, an assessment, a link between claims.

Invariant: nothing typed is lost when something is wrong with it; a decision changes no claim.
"""

from typing import Any, Final

from starlette.convertors import register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amparo.app import desk_assess, desk_things
from amparo.kernel import ids
from amparo.kernel.errors import AmparoError
from amparo.record.model import LINKS
from amparo.web import forms
from amparo.web.addresses import HandleConvertor
from amparo.web.render import page, page_number, see


class AssessmentConvertor(HandleConvertor):
    """A part of an address that looks like the handle of an assessment."""

    regex = "J-[0-9-]+"


register_url_convertor("assessment", AssessmentConvertor())


async def queue(request: Request) -> Response:
    found = await request.app.state.desk.do(desk_assess.queue, page_number(request))
    return page(request, "assess_queue", {"work": found})


async def choose(request: Request) -> Response:
    """Two claims that somebody names."""
    form = await forms.read(request)
    of, to = (str(ids.parse(form[name])) for name in ("of", "to"))
    return see(f"/assess/{of}/{to}")


async def pair(request: Request) -> Response:
    return await _weighing(request, None, "")


async def decide(request: Request) -> Response:
    """Record an assessment and show it."""
    form = await forms.read(request)
    typed = form.values()
    sides: dict[str, list[str]] = {"for": [], "against": []}
    for name, value in typed.items():
        if name.startswith("side.") and value in sides:
            sides[value].append(name.removeprefix("side."))
    for side in sides:
        sides[side] += form[f"more {side}"].replace(",", " ").split()
    try:
        handle = await request.app.state.desk.act(
            "assess", proposition=form["proposition"], standard=form["standard"], outcome=form["outcome"],
            reasons=form["reasons"], assessor=form["assessor"], claims_for=sides["for"], claims_against=sides["against"],
            supersedes=form["supersedes"],
        )  # fmt: skip
    except AmparoError as error:
        return await _weighing(request, typed, str(error))
    return see(f"/{handle}")


async def _weighing(request: Request, typed: dict[str, str] | None, sentence: str) -> Response:
    of, to = request.path_params["of"], request.path_params["to"]
    found = await request.app.state.desk.do(desk_assess.pair, of, to)
    shown = {"it": found, "typed": typed, "sentence": sentence, "choices": desk_assess.choices()}
    return page(request, "assess", shown, status=422 if sentence else 200)


async def assessment(request: Request) -> Response:
    found = await request.app.state.desk.do(desk_assess.opened, request.path_params["handle"])
    return page(request, "assessment", {"it": found})


async def show_link(request: Request) -> Response:
    return await _linking(request, {}, "")


async def link(request: Request) -> Response:
    """Relate the claim to another one."""
    form = await forms.read(request)
    handle = request.path_params["handle"]
    try:
        await request.app.state.desk.act("link", kind=form["kind"], of=handle, to=form["to"], reason=form["reason"])
    except AmparoError as error:
        return await _linking(request, form.values(), str(error))
    return see(f"/{handle}")


async def _linking(request: Request, typed: dict[str, Any], sentence: str) -> Response:
    found = await request.app.state.desk.do(desk_things.open_thing, request.path_params["handle"])
    shown = {"it": found, "typed": typed, "sentence": sentence, "kinds": LINKS}
    return page(request, "link", shown, status=422 if sentence else 200)


class ClaimConvertor(HandleConvertor):
    """A part of an address that looks like the handle of a claim."""

    regex = "C-[0-9-]+"


register_url_convertor("claim", ClaimConvertor())

ROUTES: Final = [
    Route("/assess", queue), Route("/assess", choose, methods=["POST"]), Route("/assess/{of:claim}/{to:claim}", pair),
    Route("/assess/{of:claim}/{to:claim}", decide, methods=["POST"]), Route("/{handle:assessment}", assessment),
    Route("/{handle:claim}/link", show_link), Route("/{handle:claim}/link", link, methods=["POST"]),
]  # fmt: skip
