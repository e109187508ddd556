"""The way in and out: the one-time address, the passphrase, lock, panic, language.

Invariant: these are the only pages that answer while the workspace is locked, and none shows anything of it.
"""

from typing import Final

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from amparo.app.session import Session
from amparo.kernel import i18n
from amparo.kernel.errors import AmparoError
from amparo.vault.slots import Passphrase
from amparo.web import forms
from amparo.web.guard import COOKIE
from amparo.web.render import LANGUAGE_COOKIE, page, see


async def enter(request: Request) -> Response:
    """Let one browser in, once. Answers with a page and not a redirect: a strict cookie is not sent along a chain of
    redirects that began on another site's page, and a file is one.
    """
    cookie = request.app.state.door.enter(request.query_params.get("token", ""))
    if not cookie:
        return page(request, "entered", {"good": False}, status=403)
    answer = page(request, "entered", {"good": True})
    _give(request, answer, cookie)
    return answer


def _give(request: Request, answer: Response, cookie: str) -> None:
    answer.set_cookie(COOKIE, cookie, path="/", httponly=True, samesite="strict")
    request.app.state.told({"browser": request.app.state.door.browser})


async def show_unlock(request: Request) -> Response:
    if request.app.state.desk.open or await request.app.state.desk.sit():
        return see("/")
    return page(request, "unlock", {"sentence": ""})


async def unlock(request: Request) -> Response:
    """Open the workspace; the cookie is a new one from now on."""
    form = await forms.read(request)
    try:
        await request.app.state.desk.unlock(None if "demonstration" in form else Passphrase(form["passphrase"]))
    except AmparoError as error:
        return page(request, "unlock", {"sentence": str(error)}, status=403)
    answer = see("/")
    _give(request, answer, request.app.state.door.renew())
    return answer


async def lock(request: Request) -> Response:
    """Send the browser away from what it shows, then end this process and its keys."""
    request.app.state.desk.leave()
    answer = see("/unlock")
    answer.background = BackgroundTask(request.app.state.desk.lock)
    answer.headers["clear-site-data"] = '"cache"'
    return answer


async def show_panic(request: Request) -> Response:
    return page(request, "panic")


async def panic(request: Request) -> Response:
    """Destroy the key slots: asked once, by the page before."""
    request.app.state.desk.leave()
    answer = page(request, "destroyed")
    answer.background = BackgroundTask(request.app.state.desk.panic)
    return answer


async def alive(request: Request) -> Response:
    """Asked by the pages now and then: whether what they show may still be seen. Does not count as use."""
    return JSONResponse({"open": request.app.state.desk.open})


async def typed(request: Request) -> Response:
    """Somebody is typing into a form: that is use, and keeps the workspace open."""
    await request.app.state.desk.do(_nothing)
    return Response(status_code=204)


def _nothing(_session: Session) -> None:
    return None


async def language(request: Request) -> Response:
    """Remember the language of the pages."""
    form = await forms.read(request)
    answer = see(forms.path_here(form["back"]))
    if form["language"] in i18n.languages():
        answer.set_cookie(LANGUAGE_COOKIE, form["language"], path="/", httponly=True, samesite="strict", max_age=366 * 86_400)
    return answer


FREE: Final = (enter, show_unlock, unlock, show_panic, panic, alive, language, lock)
"""The pages that answer while the workspace is locked."""

ROUTES: Final = [
    Route("/enter", enter), Route("/unlock", show_unlock), Route("/unlock", unlock, methods=["POST"]),
    Route("/lock", lock, methods=["POST"]), Route("/panic", show_panic), Route("/panic", panic, methods=["POST"]),
    Route("/alive", alive), Route("/typed", typed, methods=["POST"]), Route("/language", language, methods=["POST"]),
]  # fmt: skip
