"""The event editor: an event with its acts, victims and perpetrators on one form, recorded in one go."""

import asyncio
import json
import re
import secrets
from collections import OrderedDict
from hashlib import sha256
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amparo.app import desk_events
from amparo.app.desk_events import ACT_FIELDS
from amparo.kernel.errors import AmparoError
from amparo.web import forms
from amparo.web.forms import Form
from amparo.web.render import page, see

_EVENT: Final = ("label", "type", "valid", "place", "text", "source", "access", "stance", "voluntariness")
_ACT: Final = re.compile(r"act\.([0-9]{1,2})\.([a-z]+)", re.ASCII)
_ROWS: Final = 3
_MORE: Final = 3
_MOST: Final = 24
_KEPT: Final = 500
_done: "OrderedDict[str, str]" = OrderedDict()
"""Forms that were recorded, by what they held: a form sent twice leads to what it recorded, and records nothing."""
_recording: Final = asyncio.Lock()


async def show(request: Request) -> Response:
    return await _page(request, Form([]), "")


async def save(request: Request) -> Response:
    """Record the form; with “another act” only give it more rows."""
    form = await forms.read(request)
    if form["do"] == "more":
        return await _page(request, form, "")
    asked: dict[str, Any] = {name: form[name] for name in _EVENT}
    asked |= {"event": request.path_params.get("handle", ""), "acts": _acts(form)}
    sent = sha256(json.dumps([form["once"], asked]).encode()).hexdigest()
    async with _recording:  # a double click is two requests at once
        if sent in _done:
            return see(f"/{_done[sent]}")
        try:
            made = await request.app.state.desk.act("event", **asked)
        except AmparoError as error:
            return await _page(request, form, str(error))
        _done[sent] = made["event"]
        while len(_done) > _KEPT:
            _done.popitem(last=False)
    return see(f"/{made['event']}")


def _acts(form: Form) -> list[dict[str, str]]:
    rows: dict[int, dict[str, str]] = {}
    for name, value in form.values().items():
        found = _ACT.fullmatch(name)
        if found and found[2] in ACT_FIELDS:
            rows.setdefault(int(found[1]), {})[found[2]] = value.strip()
    return [rows[number] for number in sorted(rows)]


async def _page(request: Request, form: Form, sentence: str) -> Response:
    handle = request.path_params.get("handle", "")
    source = form["source"] or request.query_params.get("source", "")[:24]
    found = await request.app.state.desk.do(desk_events.choices, handle, source)
    rows = max(_ROWS, len(_acts(form))) + (_MORE if form["do"] == "more" else 0)
    shown = {
        "it": found, "typed": {"source": source, **form.values()}, "rows": min(rows, _MOST), "sentence": sentence,
        "once": form["once"] or secrets.token_urlsafe(12),
    }  # fmt: skip
    return page(request, "event", shown, status=422 if sentence else 200)


ROUTES: Final = [
    Route("/events/new", show), Route("/events/new", save, methods=["POST"]),
    Route("/{handle:handle}/acts", show), Route("/{handle:handle}/acts", save, methods=["POST"]),
]  # fmt: skip
