"""All routes and what they share: the language, the lock, and an error as one sentence on a page.

Invariant: while the workspace is locked every page but those of ``pages.entrance`` leads to the passphrase, and between the
wish to lock and the end of this process no page shows anything; a traceback never reaches a page, for it could hold words
of testimony.
"""

import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from amparo.app.drawing import Drawer
from amparo.app.session import CompartmentLocked
from amparo.app.uploads import Uploads
from amparo.kernel import errors, i18n
from amparo.kernel.errors import AmparoError
from amparo.web.desk import Desk, PagesLocked
from amparo.web.guard import Door, Guard
from amparo.web.jobs import Jobs
from amparo.web.pages import ROUTES, entrance
from amparo.web.render import language_of, page, see

Handler = Callable[[Request], Awaitable[Response]]
_STATUS: Final[tuple[tuple[type[AmparoError], int], ...]] = (
    (errors.BadInput, 422), (errors.NotFound, 404), (errors.Busy, 409), (errors.GateRefused, 422), (errors.DiskRefused, 507),
    (errors.Unverified, 500), (errors.Locked, 403),
)  # fmt: skip


def make(folder: Path, door: Door, told: Callable[[dict[str, Any]], None], *, fresh: bool = True) -> ASGIApp:
    """The application for one workspace. ``told`` is what the server's parent process is told: a browser was let in;
    ``fresh`` as in ``Desk``.
    """
    routes = [Route(route.path, _careful(route), methods=sorted(route.methods or {"GET"})) for route in ROUTES]
    app = Starlette(routes=[*routes, Mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))],
                    exception_handlers={404: _not_found, 405: _not_found})  # fmt: skip
    app.state.desk, app.state.door, app.state.told = Desk(folder, fresh=fresh), door, told
    app.state.searches, app.state.jobs, app.state.uploads = {}, Jobs(folder), Uploads(folder)
    app.state.drawer = Drawer()
    return Guard(app, door)


def _careful(route: Route) -> Handler:
    """A page with its language, behind the lock, its failures told in a sentence."""
    endpoint: Handler = route.endpoint
    free = endpoint in entrance.FREE

    async def handler(request: Request) -> Response:
        with i18n.speaking(language_of(request)):
            try:
                if request.app.state.desk.leaving and endpoint is not entrance.alive:
                    return page(request, "locking", status=202)
                if not free and not request.app.state.desk.open:
                    return see("/unlock")
                return await endpoint(request)
            except (PagesLocked, CompartmentLocked) as error:
                if isinstance(error, PagesLocked):
                    return see("/unlock")
                return page(request, "error", {"sentence": str(error)}, status=403)
            except AmparoError as error:
                status = next((number for kind, number in _STATUS if isinstance(error, kind)), 500)
                return page(request, "error", {"sentence": str(error)}, status=status)
            except Exception as error:  # noqa: BLE001  the last door, as in cli.common.main
                frame = traceback.extract_tb(error.__traceback__)[-1]
                place = f"{type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}"
                text = i18n._("The page failed in a way Amparo did not expect ({place}); please report this line.")
                return page(request, "error", {"sentence": text.format(place=place)}, status=500)

    return handler


async def _not_found(request: Request, _error: Exception) -> Response:
    with i18n.speaking(language_of(request)):
        return page(request, "error", {"sentence": i18n._("There is no such page.")}, status=404)
