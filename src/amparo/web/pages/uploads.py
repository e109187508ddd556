"""Files into the record: streamed from the browser into sealed blobs, then accepted together with how they came.

Invariants: no byte of a file lies on the disk in the clear, and memory stays flat; a form that fails anywhere leaves nothing of
its files. Without scripts one form carries everything; with them each file comes in pieces, and goes on after a cut.
"""

import asyncio
import re
import secrets
from contextlib import suppress
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from amparo.app import evidence
from amparo.app.session import Session
from amparo.app.uploads import NoSuchUpload, Upload, Uploads
from amparo.kernel.errors import AmparoError, BadInput, Busy, NotFound
from amparo.kernel.i18n import N_
from amparo.record import vocabulary
from amparo.record.model import BASES
from amparo.web import forms, multiform
from amparo.web.forms import Form, NotAForm
from amparo.web.render import page, see

_STREAM: Final = "application/octet-stream"
_PIECE: Final = 1 << 20
_MOST: Final = 64 << 20  # bytes of one piece by script
_USED: Final = 64  # pieces between two words to the key agent that the keys are in use
_KEPT: Final = 100
_FIELDS: Final = ("source", "type", "basis", "from_whom", "how", "collector", "device", "authority")
_NUMBER: Final = re.compile("[0-9]{1,15}", re.ASCII)


class PieceTooLong(BadInput):
    template = N_("A piece of a file is longer than {most:,} bytes; reload the page and send it again.")


class NoSuchDelivery(NotFound):
    template = N_("What arrived is on the page of its source; this list was forgotten when the workspace was locked.")


def _uploads(request: Request) -> Uploads:
    found: Uploads = request.app.state.uploads
    return found


async def show(request: Request) -> Response:
    """Files and how they came."""
    return _page(request, Form([("source", request.query_params.get("source", "")[:40])]), "")


def _page(request: Request, form: Form, sentence: str) -> Response:
    shown = {"typed": form.values(), "sentence": sentence, "bases": BASES,
             "types": vocabulary.load().terms("source material")}  # fmt: skip
    return page(request, "upload", shown, status=422 if sentence else 200)


# -- one form, without scripts -----------------------------------------------------------------------------------------------


async def take(request: Request) -> Response:
    """A piece by script, or a whole form with its files."""
    if request.headers.get("content-type", "") == _STREAM:
        return await _told(_take_piece(request))
    if not multiform.is_multipart(request):
        raise NotAForm
    pairs: list[tuple[str, str]] = []
    begun: list[Upload] = []
    try:
        await _take_form(request, pairs, begun)
        form = Form(pairs)
        return await _accept(request, form, [one.id for one in begun])
    except AmparoError as error:
        await _drop(request, begun)
        await multiform.drain(request)
        form = Form(pairs)
        if form["draft"]:
            raise
        return _page(request, form, str(error))
    except BaseException:
        await asyncio.shield(_drop(request, begun))
        raise


async def _take_form(request: Request, pairs: list[tuple[str, str]], begun: list[Upload]) -> None:
    desk = request.app.state.desk
    upload: Upload | None = None
    count = 0
    async for piece in multiform.pieces(request):
        if piece.kind == "field":
            pairs.append((piece.name, piece.data.decode("utf-8", "replace")))
        elif piece.kind == "file":
            upload = await desk.do(_uploads(request).begin, piece.filename) if piece.filename else None
            begun += [upload] if upload else []
        elif upload is not None and piece.kind == "data":
            await asyncio.to_thread(upload.feed, piece.data)
            count += 1
            if count % _USED == 0:
                await desk.do(_in_use)
        elif upload is not None:
            await asyncio.to_thread(upload.finish)


def _in_use(_session: Session) -> None:
    """Looking up at the desk says that the keys are in use."""


async def _drop(request: Request, begun: list[Upload]) -> None:
    for upload in begun:
        with suppress(NoSuchUpload):
            await asyncio.to_thread(_uploads(request).drop, upload.id)


async def accept(request: Request) -> Response:
    """Take files that arrived by script into the record, or attach them to a draft."""
    form = await forms.read(request)
    try:
        return await _accept(request, form, form["uploads"].split())
    except AmparoError as error:
        if form["draft"]:
            raise
        return _page(request, form, str(error))


async def _accept(request: Request, form: Form, ids: list[str]) -> Response:
    desk = request.app.state.desk
    if form["draft"]:
        await desk.do(_uploads(request).attach, ids, form["draft"])
        return see(f"/interviews/{form['draft']}/recording")
    came = {name: form[name] for name in _FIELDS[3:]}
    origin = evidence.Origin(**came, basis=form["basis"] or "unknown", type=form["type"] or "other material")
    added = await desk.do(_uploads(request).accept, ids, form["source"].upper(), origin)
    kept: dict[str, Any] = _uploads(request).told
    while len(kept) >= _KEPT:
        kept.pop(next(iter(kept)))
    name = secrets.token_urlsafe(9)
    kept[name] = added
    return see(f"/upload/{name}")


async def done(request: Request) -> Response:
    """What was taken in, and which files were there already."""
    added = _uploads(request).told.get(request.path_params["name"])
    if added is None:
        raise NoSuchDelivery
    return page(request, "upload_done", {"added": added})


# -- in pieces, by script ----------------------------------------------------------------------------------------------------


async def _told(answer: Any) -> Response:
    """An answer for a script: what it awaits, or the sentence of what failed."""
    try:
        return JSONResponse(await answer)
    except AmparoError as error:
        status = 404 if isinstance(error, NotFound) else 409 if isinstance(error, Busy) else 422
        return JSONResponse({"sentence": str(error)}, status)


async def begin(request: Request) -> Response:
    """Announce a file: its name, size and time; its number for the pieces comes back."""
    form = await forms.read(request)
    size, modified = (int(form[name]) if _NUMBER.fullmatch(form[name]) else -1 for name in ("size", "modified"))

    async def begun() -> dict[str, Any]:
        upload: Upload = await request.app.state.desk.do(_uploads(request).begin, form["name"], size, max(0, modified))
        return upload.status()

    return await _told(begun())


async def _take_piece(request: Request) -> dict[str, Any]:
    """The bytes from an offset on; those that came before a cut are kept."""
    upload = _uploads(request).get(request.headers.get("x-upload", ""))
    at = request.headers.get("x-offset", "")
    offset = int(at) if _NUMBER.fullmatch(at) else -1
    await request.app.state.desk.do(_in_use)
    buffer, total = bytearray(), 0
    try:
        with suppress(ClientDisconnect):
            async for chunk in request.stream():
                total += len(chunk)
                if total > _MOST:
                    raise PieceTooLong(most=_MOST)
                buffer += chunk
                if len(buffer) >= _PIECE:
                    await asyncio.to_thread(upload.feed, bytes(buffer), offset)
                    offset, buffer = offset + len(buffer), bytearray()
        await asyncio.to_thread(upload.feed, bytes(buffer), offset)
        if upload.received == upload.size:
            await asyncio.to_thread(upload.finish)
    except Busy:
        raise
    except AmparoError:
        with suppress(NoSuchUpload):
            await asyncio.to_thread(_uploads(request).drop, upload.id)
        raise
    return upload.status()


async def status(request: Request) -> Response:
    """How many bytes of a file have arrived: where to go on after a cut."""

    async def looked() -> dict[str, Any]:
        return _uploads(request).get(request.path_params["id"]).status()

    return await _told(looked())


async def drop(request: Request) -> Response:
    """Throw away what arrived of some files."""
    form = await forms.read(request)
    for id in form["uploads"].split():
        with suppress(NoSuchUpload):
            await asyncio.to_thread(_uploads(request).drop, id)
    return JSONResponse({})


ROUTES: Final = [
    Route("/upload", show), Route("/upload", take, methods=["POST"]), Route("/upload/begin", begin, methods=["POST"]),
    Route("/upload/accept", accept, methods=["POST"]), Route("/upload/drop", drop, methods=["POST"]),
    Route("/upload/{name}", done), Route("/uploads/{id}", status),
]  # fmt: skip
