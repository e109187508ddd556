"""Digital items: an overview, one item with its custody, a copy with its reason, pages drawn in the sandbox, sound and film.

Invariants: no byte of an item is given to a browser to be rendered as what it claims to be: pages and pictures are drawn anew
in the sandbox, recordings are streamed under a type of a closed list, all else leaves as an attachment without its name.
Every look is in the custody before a byte is shown.
"""

import asyncio
from contextlib import closing
from typing import Any, Final

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from amparo.app import desk_items, drawing
from amparo.app.session import Session
from amparo.kernel.errors import AmparoError, NotFound
from amparo.kernel.i18n import N_
from amparo.record.items import Item
from amparo.web import forms, ranges
from amparo.web.pages.jobs import address, jobs_of
from amparo.web.render import page, see

ITEM: Final = "/{handle:item}"
_PLAYERS: Final = ("video", "audio", "")  # Sec-Fetch-Dest: who may have a stream


class NotForThis(NotFound):
    template = N_("A recording is played on its page; take a copy there if you need the file.")


class ItemConvertor(Convertor[str]):
    """A part of an address that looks like the handle of an item."""

    regex = "D-[0-9-]{1,24}"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("item", ItemConvertor())


async def overview(request: Request) -> Response:
    asked = {name: request.query_params.get(name, "")[:40] for name in ("before", "only", "state")}
    only = asked["only"] if asked["only"] in desk_items.KINDS else ""
    state = asked["state"] if asked["state"] in ("read", "unread", "twice") else ""
    found = await request.app.state.desk.do(desk_items.overview, before=asked["before"], only=only, state=state)
    return page(request, "items", {"it": found, "before": asked["before"]})


async def item(request: Request) -> Response:
    return await _item(request, "", "")


async def _item(request: Request, sentence: str, reason: str) -> Response:
    found = await request.app.state.desk.do(desk_items.item_page, request.path_params["handle"])
    shown = {"it": found, "sentence": sentence, "reason": reason}
    return page(request, "items_item", shown, status=422 if sentence else 200)


async def copy(request: Request) -> Response:
    """The file itself, once its custody says why: as an attachment that no browser opens by itself."""
    form = await forms.read(request)
    desk = request.app.state.desk
    try:
        handle = await desk.act("take a copy", item=request.path_params["handle"], reason=form["reason"])
        found, stream = await desk.do(desk_items.bytes_of, handle)
    except AmparoError as error:
        return await _item(request, str(error), form["reason"])
    headers = {**ranges.HEADERS, "content-disposition": f'attachment; filename="{found.handle}.bin"',
               "content-length": str(found.size)}  # fmt: skip
    return StreamingResponse(
        ranges.sent(stream, 0, found.size, lambda: desk.open), headers=headers, media_type="application/octet-stream"
    )


async def stream(request: Request) -> Response:
    """A recording for the player of a page, by ranges."""
    if request.headers.get("sec-fetch-dest", "") not in _PLAYERS:
        raise NotForThis
    desk = request.app.state.desk
    found, opened = await desk.do(desk_items.played, request.path_params["handle"])
    asked = request.headers.get("range") if "if-range" not in request.headers else None
    kind = desk_items.PLAYED[found.media_type]
    return ranges.answer(opened, found.size, kind, asked, lambda: desk.open, body=request.method != "HEAD")


async def drawn(request: Request) -> Response:
    """A page or picture, drawn in the sandbox."""
    number = min(request.path_params["number"], 1_000_000)
    made = await draw(request, request.path_params["handle"], number)
    return Response(made.png, headers=ranges.HEADERS, media_type="image/png")


async def draw(request: Request, handle: str, number: int) -> drawing.Drawn:
    """Draw a page beside the desk's thread. Raises NoSuchItem, NotDrawn and what the sandbox raises."""
    drawer: drawing.Drawer = request.app.state.drawer
    found, opened = await request.app.state.desk.do(_to_draw, handle)
    if kept := drawer.kept(found, number):
        opened.close()
        return kept
    return await asyncio.to_thread(drawer.draw, found, opened, number)


def _to_draw(session: Session, handle: str) -> tuple[Item, Any]:
    found, opened = drawing.opened(session, handle)
    try:
        desk_items.viewed(session, found)
    except BaseException:
        with closing(opened):
            raise
    return found, opened


async def start_proofs(request: Request) -> Response:
    """Read the item again and verify every proof of its time."""
    return see(address(jobs_of(request).start("proofs", {"item": request.path_params["handle"]})))


async def start_like(request: Request) -> Response:
    """Look for what is like this item."""
    return see(address(jobs_of(request).start("like", {"item": request.path_params["handle"]})))


async def start_read(request: Request) -> Response:
    """Send the readers through this item."""
    form = await forms.read(request)
    reader = "ocr" if form["reader"] == "ocr" else ""
    return see(address(jobs_of(request).start("read", {"item": request.path_params["handle"], "reader": reader})))


ROUTES: Final = [
    Route("/evidence", overview), Route(ITEM, item), Route(f"{ITEM}/copy", copy, methods=["POST"]),
    Route(f"{ITEM}/stream", stream), Route(f"{ITEM}/drawn/{{number:int}}.png", drawn),
    Route(f"{ITEM}/proofs", start_proofs, methods=["POST"]), Route(f"{ITEM}/like", start_like, methods=["POST"]),
    Route(f"{ITEM}/reading", start_read, methods=["POST"]),
]  # fmt: skip
