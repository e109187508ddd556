"""Dossiers: choose, look at the pages and at the gate's findings, mend, look again, let out, take the file.

Invariant: a file is handed over only by a work that wrote its entry; what is merely looked at comes as pictures. Neither is on
the disk in the clear.
"""

import asyncio
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from amparo.app import desk_keep
from amparo.kernel.errors import AmparoError, BadInput, NotFound
from amparo.kernel.i18n import N_
from amparo.record.model import AUDIENCES, PURPOSES
from amparo.web import forms, preview
from amparo.web.jobs import DONE, Job
from amparo.web.pages.jobs import jobs_of, passphrase_needed
from amparo.web.render import page, page_number, see

FORMS: Final = ("pdf", "json")
_AT_ONCE: Final = 6  # pictures of pages
_LARGEST: Final = 256 << 20  # bytes of a file of which pictures are made


class NothingMade(NotFound):
    template = N_(
        "There is no file here: it was not made, not let out, or forgotten when the workspace was locked. Make it anew."
    )


class BadChoice(BadInput):
    template = N_("Choose a purpose and an audience; the gate judges every source by them.")


async def choose(request: Request) -> Response:
    return await _choosing(request, {}, "")


async def make(request: Request) -> Response:
    """Build it and let the gate judge it."""
    form = await forms.read(request)
    try:
        asked = _asked(form)
        job = jobs_of(request).start("look", asked, form["passphrase"])
    except AmparoError as error:
        return await _choosing(request, form.values() | {"events": form.all("event")}, str(error))
    return see(f"/dossiers/{job.id}")


def _asked(form: forms.Form) -> dict[str, Any]:
    if form["purpose"] not in PURPOSES or form["audience"] not in AUDIENCES:
        raise BadChoice
    events = [*form.all("event"), *form["more events"].replace(",", " ").split()]
    return {"purpose": form["purpose"], "audience": form["audience"], "form": form["form"] or "pdf", "title": form["title"],
            "events": events, "overrides": {}}  # fmt: skip


async def _choosing(request: Request, typed: dict[str, Any], sentence: str) -> Response:
    made = [job for job in jobs_of(request).all if job.name in ("look", "let out")]
    shown = {
        "typed": typed, "sentence": sentence, "purposes": PURPOSES, "audiences": AUDIENCES, "forms": FORMS, "made": made,
        "choices": await request.app.state.desk.do(desk_keep.choices), "passphrase": passphrase_needed(request),
    }  # fmt: skip
    return page(request, "dossiers", shown, status=422 if sentence else 200)


async def dossier(request: Request) -> Response:
    """A dossier that is being made, was looked at, or was let out."""
    job = _job(request)
    if job.state != DONE:
        return page(request, "job", {"job": job})
    pages, at = job.data.get("pages", 0), page_number(request)
    first = (at - 1) * _AT_ONCE + 1
    shown = {
        "job": job, "at": at, "last": max(1, -(-pages // _AT_ONCE)),
        "numbers": range(first, min(pages, first + _AT_ONCE - 1) + 1),
        "passphrase": passphrase_needed(request), "kept": job.file is not None, "per": _AT_ONCE,
    }  # fmt: skip
    return page(request, "dossier", shown)


def _job(request: Request, *names: str) -> Job:
    return jobs_of(request).get(request.path_params["id"], *(names or ("look", "let out")))


async def again(request: Request) -> Response:
    """Look again, with the reasons for what may pass."""
    form = await forms.read(request)
    job = _job(request, "look")
    reasons = {name.removeprefix("reason."): value.strip() for name, value in form.values().items()
               if name.startswith("reason.") and value.strip()}  # fmt: skip
    return see(f"/dossiers/{jobs_of(request).start('look', job.asked | {'overrides': reasons}, form['passphrase']).id}")


async def let_out(request: Request) -> Response:
    """Build it once more, check it once more, write the entry."""
    form = await forms.read(request)
    job = _job(request, "look")
    if job.state != DONE or not job.data["passed"]:
        raise NothingMade
    asked = job.asked | {"seen": job.data["sha256"]}
    return see(f"/dossiers/{jobs_of(request).start('let out', asked, form['passphrase']).id}")


async def picture(request: Request) -> Response:
    """One page of what is looked at."""
    job = _job(request)
    number = request.path_params["number"]
    if job.file is None or not job.data.get("pages") or job.file.size > _LARGEST:
        raise NothingMade
    pdf = b"".join(job.file.chunks())
    return Response(await asyncio.to_thread(preview.png, pdf, number), media_type="image/png")


async def file(request: Request) -> Response:
    """The file that was let out, as an attachment."""
    job = _job(request, "let out")
    if job.state != DONE or job.file is None:
        raise NothingMade
    headers = {"content-disposition": f'attachment; filename="{job.data["name"]}"', "content-length": str(job.file.size),
               "content-security-policy": "default-src 'none'; sandbox"}  # fmt: skip
    return StreamingResponse(job.file.chunks(), media_type=job.data["media_type"], headers=headers)


ROUTES: Final = [
    Route("/dossiers", choose), Route("/dossiers", make, methods=["POST"]), Route("/dossiers/{id}", dossier),
    Route("/dossiers/{id}/again", again, methods=["POST"]), Route("/dossiers/{id}/out", let_out, methods=["POST"]),
    Route("/dossiers/{id}/pages/{number:int}.png", picture), Route("/dossiers/{id}/file", file),
]  # fmt: skip
