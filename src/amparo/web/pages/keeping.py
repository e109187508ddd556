"""Integrity, imports, saved searches, help: pages about the workspace itself."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amparo.app import desk_help, desk_keep, desk_searches
from amparo.web import forms
from amparo.web.pages.jobs import address, jobs_of, passphrase_needed
from amparo.web.pages.searching import NoSuchSearch, keep
from amparo.web.render import page, page_number, see

# -- integrity ----------------------------------------------------------------------------------------------------------


async def integrity(request: Request) -> Response:
    shown = {"ends": await request.app.state.desk.do(desk_keep.ends), "passphrase": passphrase_needed(request),
             "jobs": [job for job in jobs_of(request).all if job.name in ("verify", "checkpoint")]}  # fmt: skip
    return page(request, "integrity", shown)


async def verify(request: Request) -> Response:
    form = await forms.read(request)
    asked = {"files": bool(form["files"]), "identities": bool(form["identities"]), "checkpoint": form["checkpoint"]}
    return see(address(jobs_of(request).start("verify", asked, form["passphrase"])))


async def checkpoint(request: Request) -> Response:
    return see(address(jobs_of(request).start("checkpoint", {})))


# -- imports ------------------------------------------------------------------------------------------------------------


async def imports(request: Request) -> Response:
    found = await request.app.state.desk.do(desk_keep.imports, page_number(request))
    return page(request, "imports", {"work": found, "passphrase": passphrase_needed(request)})


async def import_tables(request: Request) -> Response:
    form = await forms.read(request)
    return see(address(jobs_of(request).start("import", {"folder": form["folder"]}, form["passphrase"])))


# -- saved searches -----------------------------------------------------------------------------------------------------


async def save_search(request: Request) -> Response:
    """Save the search that a page shows, by its random name."""
    form = await forms.read(request)
    kept: dict[str, Any] | None = request.app.state.searches.get(form["search"])
    if kept is None:
        raise NoSuchSearch
    await request.app.state.desk.act("save search", called=form["name"], **kept)
    return see(f"/search/{form['search']}")


async def open_search(request: Request) -> Response:
    found = await request.app.state.desk.do(desk_searches.find, request.path_params["id"])
    return see(f"/search/{keep(request, found['words'], found['filters'])}")


async def remove_search(request: Request) -> Response:
    await request.app.state.desk.do(desk_searches.remove, request.path_params["id"])
    return see("/search")


# -- help ---------------------------------------------------------------------------------------------------------------


async def help_(request: Request) -> Response:
    return page(request, "help", {"tour": await request.app.state.desk.do(desk_help.tour)})


ROUTES: Final = [
    Route("/integrity", integrity), Route("/integrity/verify", verify, methods=["POST"]),
    Route("/integrity/checkpoint", checkpoint, methods=["POST"]), Route("/imports", imports),
    Route("/imports", import_tables, methods=["POST"]), Route("/searches", save_search, methods=["POST"]),
    Route("/searches/{id}", open_search, methods=["POST"]), Route("/searches/{id}/remove", remove_search, methods=["POST"]),
    Route("/help", help_),
]  # fmt: skip
