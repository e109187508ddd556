"""The event editor: what is recorded of an event and its acts on one form; and the two versions where somebody was quicker."""

import re
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amparo.app import desk_edit
from amparo.app.correcting import CORRECTABLE
from amparo.kernel.errors import AmparoError
from amparo.web import forms
from amparo.web.forms import Form
from amparo.web.render import page, page_number, see

CHOICE: Final = "choice."
_FIELD: Final = re.compile(r"c\.(C-[0-9-]{1,30})\.([a-z]+)", re.ASCII)


async def show(request: Request) -> Response:
    return await _page(request, Form([]), "")


async def save(request: Request) -> Response:
    """Record what was changed as corrections, all at once."""
    form = await forms.read(request)
    handle = request.path_params["handle"]
    asked: dict[str, Any] = {"event": handle, "rows": _rows(form), "choices": choices(form), "reason": form["reason"]}
    if "label" in form:
        asked |= {"label": form["label"], "seen": form["seen"]}
    try:
        made = await request.app.state.desk.act("edit", **asked)
    except AmparoError as error:
        return await _page(request, form, str(error))
    return conflict(request, form, made["conflicts"], handle) if "conflicts" in made else see(f"/{handle}")


def choices(form: Form) -> dict[str, str]:
    """Which version to take of what somebody else changed meanwhile."""
    return {name.removeprefix(CHOICE): value for name, value in form.values().items() if name.startswith(CHOICE)}


def conflict(request: Request, form: Form, conflicts: list[dict[str, Any]], handle: str) -> Response:
    """Both versions of each, with a choice; what was typed is kept."""
    kept = {name: value for name, value in form.values().items() if not name.startswith(CHOICE)}
    shown = {"of": handle, "conflicts": conflicts, "kept": kept, "mine": desk_edit.MINE, "theirs": desk_edit.THEIRS}
    return page(request, "conflict", shown, status=409)


def _rows(form: Form) -> dict[str, dict[str, str]]:
    rows: dict[str, dict[str, str]] = {}
    for name, value in form.values().items():
        found = _FIELD.fullmatch(name)
        if found and found[2] in CORRECTABLE:
            rows.setdefault(found[1], {})[found[2]] = value
    return rows


async def _page(request: Request, form: Form, sentence: str) -> Response:
    handle, at = request.path_params["handle"], page_number(request)
    found = await request.app.state.desk.do(desk_edit.form, handle, at)
    shown = {"it": found, "typed": form.values(), "sentence": sentence}
    return page(request, "edit", shown, status=422 if sentence else 200)


ROUTES: Final = [Route("/{handle:handle}/edit", show), Route("/{handle:handle}/edit", save, methods=["POST"])]
