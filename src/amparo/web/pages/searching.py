"""One box over everything: words, facets, a page of hits.

Invariant: what somebody searches for stands in no address, since a browser writes addresses to its disk: a search is sent as a
form, kept in this process under a random name, and shown under that name. It is gone with the process.
"""

import secrets
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amparo.app import desk_searches, desk_work
from amparo.kernel import ids
from amparo.kernel.errors import NotFound
from amparo.kernel.i18n import N_
from amparo.record.search import FACETS
from amparo.web import forms
from amparo.web.render import page, page_number, see

_KEPT: Final = 500
_PAGE: Final = 25


class NoSuchSearch(NotFound):
    template = N_("This search was forgotten when the workspace was locked; search again.")


async def search(request: Request) -> Response:
    """Keep a search and go to its page; a handle goes to its thing at once."""
    form = await forms.read(request)
    words = form["words"]
    filters = {name: form[name] for name in (*FACETS, "property") if form[name]}
    if not filters and ids.is_handle(words.upper()):
        return see(f"/{words.upper()}")
    return see(f"/search/{keep(request, words, filters)}")


def keep(request: Request, words: str, filters: dict[str, str]) -> str:
    """Keep a search in this process; returns the random name that its address bears."""
    kept = request.app.state.searches
    while len(kept) >= _KEPT:
        kept.pop(next(iter(kept)))
    name = secrets.token_urlsafe(9)
    kept[name] = {"words": words, "filters": filters}
    return name


async def empty(request: Request) -> Response:
    """The whole record, by its facets."""
    return await _show(request, {"words": "", "filters": {}}, "")


async def found(request: Request) -> Response:
    name = request.path_params["name"]
    kept: dict[str, Any] | None = request.app.state.searches.get(name)
    if kept is None:
        raise NoSuchSearch
    return await _show(request, kept, name)


async def _show(request: Request, kept: dict[str, Any], name: str) -> Response:
    at = page_number(request)
    result = await request.app.state.desk.do(
        desk_work.search, kept["words"], **kept["filters"], limit=_PAGE, offset=(at - 1) * _PAGE
    )
    saved = await request.app.state.desk.do(desk_searches.saved)
    shown = {"found": result, "saved": saved, "words": kept["words"], "filters": kept["filters"], "name": name, "at": at,
             "pages": max(1, -(-int(result["total"]) // _PAGE))}  # fmt: skip
    return page(request, "search", shown)


ROUTES: Final = [Route("/search", search, methods=["POST"]), Route("/search", empty), Route("/search/{name}", found)]
