"""First contact: the names unlocked and locked, a person registered, a sealed identity shown once, consent and its end.

Invariant: a name is on a page only where somebody has just typed it, or has just asked for it with a reason; never in an
address, a title or a list.
"""

from typing import Any, Final

from starlette.convertors import register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amparo.app import desk_people
from amparo.kernel import ids
from amparo.kernel.errors import AmparoError
from amparo.web import forms
from amparo.web.addresses import HandleConvertor
from amparo.web.forms import Form
from amparo.web.render import page, see

_ROWS: Final = {"names": 3, "contacts": 2, "documents": 1}
_MOST_ROWS: Final = 30


class PersonConvertor(HandleConvertor):
    """A part of an address that looks like the handle of a person."""

    regex = "P-[0-9-]+"


register_url_convertor("person", PersonConvertor())
PERSON: Final = "/{handle:person}"


# -- the names ---------------------------------------------------------------------------------------------------------------


async def names(request: Request) -> Response:
    """Whether the names are unlocked, and for how long."""
    return await _names(request, "")


async def _names(request: Request, sentence: str) -> Response:
    back = forms.path_here(request.query_params.get("back", ""))
    shown = {"left": await request.app.state.desk.names_left(), "sentence": sentence, "back": back}
    return page(request, "names", shown, status=403 if sentence else 200)


async def unlock_names(request: Request) -> Response:
    form = await forms.read(request)
    try:
        await request.app.state.desk.unlock_names(form["passphrase"])
    except AmparoError as error:
        return await _names(request, str(error))
    back = forms.path_here(request.query_params.get("back", ""))
    return see(back if back != "/" else "/names")


async def lock_names(request: Request) -> Response:
    await request.app.state.desk.lock_names()
    return see("/names")


async def names_needed(request: Request) -> bool:
    """True if the identities are locked: the form then asks for their passphrase."""
    return not await request.app.state.desk.names_left()


async def _open_names(request: Request, form: Form) -> None:
    """Unlock the identities with the passphrase a form brought, or a demonstration's with its own. Raises WrongPassphrase."""
    desk = request.app.state.desk
    if (form["passphrase"] or desk.demo) and await names_needed(request):
        await desk.unlock_names(form["passphrase"])


# -- a person ----------------------------------------------------------------------------------------------------------------


async def first_contact(request: Request) -> Response:
    """Register somebody, talk to somebody who is registered, go on with a conversation that is not recorded yet."""
    return await _first_contact(request, Form([]), {})


async def _first_contact(request: Request, form: Form, more: dict[str, Any]) -> Response:
    shown = {
        **await request.app.state.desk.do(desk_people.first_contact), "typed": form.values(), "rows": _rows(form),
        "kinds": {"names": desk_people.NAME_KINDS, "contacts": desk_people.CONTACT_KINDS,
                  "documents": desk_people.DOCUMENT_KINDS},
        "sentence": "", "alike": [], "passphrase": await names_needed(request), **more,
    }  # fmt: skip
    return page(request, "first_contact", shown, status=422 if shown["sentence"] else 200)


def _rows(form: Form) -> dict[str, list[tuple[str, str]]]:
    """The rows of kind and text for each list, and blank ones as many as the page asks for."""
    found = {}
    for name, least in _ROWS.items():
        typed = [(form[f"{name}.{n}.kind"], form[f"{name}.{n}.text"]) for n in range(_MOST_ROWS) if form[f"{name}.{n}.text"]]
        blank = max(least - len(typed), 2 if form["do"] == f"more {name}" else 0)
        found[name] = [*typed, *[("", "")] * min(blank, _MOST_ROWS - len(typed))]
    return found


async def register(request: Request) -> Response:
    """Register a person, unless somebody of a like name is; or give the form more rows."""
    form = await forms.read(request)
    if form["do"].startswith("more "):
        return await _first_contact(request, form, {})
    asked = {**{name: [list(pair) for pair in rows if pair[1]] for name, rows in _rows(form).items()}, "birth": form["birth"],
             "note": form["note"], "unnamed": "unnamed" in form, "anyway": form["do"] == "anyway"}  # fmt: skip
    try:
        await _open_names(request, form)
        done = await request.app.state.desk.act("register", **asked)
    except AmparoError as error:
        return await _first_contact(request, form, {"sentence": str(error)})
    if done["alike"]:
        return await _first_contact(request, form, {"alike": done["alike"]})
    return see(f"/{done['handle']}")


async def talk_to(request: Request) -> Response:
    """To the conversation with somebody who is registered."""
    form = await forms.read(request)
    person = await request.app.state.desk.do(desk_people.require, str(ids.parse(form["person"])))
    return see(f"/{person['handle']}/interview")


async def ask_reveal(request: Request) -> Response:
    """The form that asks for the reason."""
    return await _reveal(request, "")


async def _reveal(request: Request, sentence: str, reason: str = "") -> Response:
    person = await request.app.state.desk.do(desk_people.require, request.path_params["handle"])
    shown = {"person": person, "sentence": sentence, "reason": reason, "passphrase": await names_needed(request), "it": None}
    return page(request, "sealed", shown, status=422 if sentence else 200)


async def reveal(request: Request) -> Response:
    """Show what is sealed, in this one answer and at no address; the entry is written first."""
    form = await forms.read(request)
    handle = request.path_params["handle"]
    try:
        await _open_names(request, form)
        found = await request.app.state.desk.act("reveal", person=handle, reason=form["reason"])
    except AmparoError as error:
        return await _reveal(request, str(error), form["reason"])
    person = await request.app.state.desk.do(desk_people.require, handle)
    return page(request, "sealed", {"person": person, "sentence": "", "passphrase": False, "it": found, "reason": ""})


# -- consent -----------------------------------------------------------------------------------------------------------------


async def show_consent(request: Request) -> Response:
    return await _consent(request, None, "")


async def _consent(request: Request, form: Form | None, sentence: str) -> Response:
    found = await request.app.state.desk.do(desk_people.consent_page, request.path_params["handle"])
    typed = form or Form([])
    chosen = {name: typed.all(name) for name in ("purposes", "audiences", "names")}
    shown = {"it": found, "typed": typed.values(), "chosen": chosen, "sentence": sentence}
    return page(request, "consent", shown, status=422 if sentence else 200)


async def consent(request: Request) -> Response:
    """Record what is allowed, or that it is taken back."""
    form = await forms.read(request)
    handle = request.path_params["handle"]
    given = {"purposes": form.all("purposes"), "audiences": form.all("audiences"), "names": form.all("names"),
             "until": form["until"], "how": form["how"], "withdrawn": form["do"] == "withdraw"}  # fmt: skip
    try:
        await request.app.state.desk.act("consent", person=handle, source=form["source"], consent=given)
    except AmparoError as error:
        return await _consent(request, form, str(error))
    return see(f"/{handle}/consent")


ROUTES: Final = [
    Route("/names", names), Route("/names", unlock_names, methods=["POST"]), Route("/names/lock", lock_names, methods=["POST"]),
    Route("/first-contact", first_contact), Route("/first-contact", register, methods=["POST"]),
    Route("/first-contact/known", talk_to, methods=["POST"]),
    Route(f"{PERSON}/sealed", ask_reveal), Route(f"{PERSON}/sealed", reveal, methods=["POST"]),
    Route(f"{PERSON}/consent", show_consent), Route(f"{PERSON}/consent", consent, methods=["POST"]),
]  # fmt: skip
