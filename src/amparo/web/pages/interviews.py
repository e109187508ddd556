"""A conversation: written down in a sealed draft, read back, confirmed, recorded.

Invariants: what was typed is saved before anything else is done with it, and nothing saved is lost by a refusal. What is
recorded is the version that was read back.
"""

import re
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from amparo.app import desk_people, drafts
from amparo.app.drafts import Draft
from amparo.app.session import Session
from amparo.kernel.errors import AmparoError, BadInput
from amparo.kernel.i18n import N_
from amparo.web import forms, multiform
from amparo.web.forms import Form
from amparo.web.pages.people import PERSON
from amparo.web.render import page, see

_MOST: Final = 500  # sentences
_CLAIM: Final = re.compile(r"claim\.([0-9]{1,4})\.([a-z]+)", re.ASCII)
_FIELDS: Final = (*desk_people.CONDITIONS, "rights_explained", "words", "until", "how")
_CHOSEN: Final = ("rights", "purposes", "audiences", "names")


class TooManySentences(BadInput):
    template = N_("A conversation holds at most {most} sentences; record these, and begin another for the rest.")


async def of_person(request: Request) -> Response:
    """Begin a conversation, or go on with one."""
    found = await request.app.state.desk.do(desk_people.drafts_of, request.path_params["handle"])
    return page(request, "interview_begin", {"it": found, "rights": desk_people.RIGHTS})


async def begin(request: Request) -> Response:
    draft = await request.app.state.desk.do(desk_people.begin, request.path_params["handle"])
    return see(f"/interviews/{draft.id}")


async def show(request: Request) -> Response:
    return await _show(request, "")


async def _show(request: Request, sentence: str, draft: Draft | None = None, *, blank: bool = False) -> Response:
    found = await request.app.state.desk.do(desk_people.draft_page, request.path_params["id"])
    if draft is not None:
        draft.attached = found["draft"].attached
        found["draft"] = draft
    said = list(found["draft"].claims)
    if blank or not said:
        said.append({})
    return page(request, "interview", {"it": found, "said": said, "sentence": sentence}, status=422 if sentence else 200)


def _draft(id: str, form: Form) -> Draft:
    """What a form says of a draft. Raises TooManySentences."""
    claims: dict[int, dict[str, str]] = {}
    for name, value in form.values().items():
        found = _CLAIM.fullmatch(name)
        if found and found[2] in desk_people.CLAIM_FIELDS and value.strip():
            claims.setdefault(int(found[1]), {})[found[2]] = value.strip()
    if len(claims) > _MOST:
        raise TooManySentences(most=_MOST)
    version = int(form["version"]) if re.fullmatch("[0-9]{1,9}", form["version"], re.ASCII) else 0
    gone = form["do"].removeprefix("remove.") if form["do"].startswith("remove.") else ""
    said = [claims[number] for number in sorted(claims) if desk_people.says(claims[number]) and str(number) != gone]
    return Draft(id, "", {name: form[name] for name in _FIELDS if form[name]},
                 {name: form.all(name) for name in _CHOSEN if form.all(name)}, said, version=version)  # fmt: skip


async def save(request: Request) -> Response:
    """Save the draft; then, as the button says, stay, or go on to the recording, to reading back, to throwing away."""
    form = await multiform.read(request)
    id = request.path_params["id"]
    quiet = "quiet" in form
    draft = None
    try:
        draft = _draft(id, form)
        saved = await request.app.state.desk.do(drafts.save, draft)
    except AmparoError as error:
        if quiet:
            return JSONResponse({"sentence": str(error)}, 409)
        return await _show(request, str(error), draft)
    if quiet:
        return JSONResponse({"version": saved.version})
    if form["do"] in ("recording", "read", "discard"):
        return see(f"/interviews/{id}/{form['do']}")
    if form["do"] == "add":
        return await _show(request, "", saved, blank=True)
    return see(f"/interviews/{id}")


async def show_read(request: Request) -> Response:
    """The draft as it will be recorded, to be read aloud. Sealed names in it are told now, where the identities are open."""
    id = request.path_params["id"]
    desk = request.app.state.desk
    try:
        await desk.act("read back", draft=id)
        found = await desk.do(desk_people.read_back, id)
    except AmparoError as error:
        return await _show(request, str(error))
    return page(request, "interview_read", {"it": found, "sentence": "", "names_open": await desk.names_left()})


async def record(request: Request) -> Response:
    """Record what was read back and confirmed; the draft ends."""
    form = await forms.read(request)
    id = request.path_params["id"]
    version = form["version"] if form["version"].isdecimal() else "0"
    asked = {"draft": id, "version": version, "confirmed": "confirmed" in form, "why": form["why"]}
    try:
        done = await request.app.state.desk.act("record", **asked)
    except AmparoError as error:
        return await _show(request, str(error))
    return see(f"/{done['source']}")


async def show_recording(request: Request) -> Response:
    """What is attached, and a form for more."""
    found = await request.app.state.desk.do(desk_people.draft_page, request.path_params["id"])
    return page(request, "interview_recording", {"it": found, "sentence": ""})


async def detach(request: Request) -> Response:
    form = await forms.read(request)
    id = request.path_params["id"]
    number = int(form["number"]) if re.fullmatch("[0-9]{1,4}", form["number"], re.ASCII) else -1
    await request.app.state.desk.do(drafts.detach, id, number)
    return see(f"/interviews/{id}/recording")


async def ask_discard(request: Request) -> Response:
    """Asked once before a draft is thrown away; also one that does not open any more."""
    found = await request.app.state.desk.do(_of_discard, request.path_params["id"])
    return page(request, "interview_discard", {"id": request.path_params["id"], "person": found})


def _of_discard(session: Session, id: str) -> str:
    try:
        return drafts.read(session, id).person
    except drafts.DraftDamaged:
        return ""


async def discard(request: Request) -> Response:
    await request.app.state.desk.do(drafts.discard, request.path_params["id"])
    return see("/first-contact")


ROUTES: Final[list[Any]] = [
    Route(f"{PERSON}/interview", of_person), Route(f"{PERSON}/interview", begin, methods=["POST"]),
    Route("/interviews/{id}", show), Route("/interviews/{id}", save, methods=["POST"]),
    Route("/interviews/{id}/read", show_read), Route("/interviews/{id}/read", record, methods=["POST"]),
    Route("/interviews/{id}/recording", show_recording), Route("/interviews/{id}/recording", detach, methods=["POST"]),
    Route("/interviews/{id}/discard", ask_discard), Route("/interviews/{id}/discard", discard, methods=["POST"]),
]  # fmt: skip
