"""The chain of command above one act, event, unit or place, with its dated drawing.

Invariant: a handle and a date stand in the address, and nothing else.
"""

from typing import Any, Final

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amparo.app import command
from amparo.app.command_figure import figure
from amparo.app.desk_periods import today
from amparo.kernel.errors import BadInput, NotFound
from amparo.kernel.i18n import leftward
from amparo.web.render import page


async def commanding(request: Request) -> Response:
    """What cannot be read as a handle or a date is told, and the form is shown."""
    asked = {name: request.query_params.get(name, "").strip()[:30] for name in ("of", "at")}
    sentence, status = "", 200
    found: dict[str, Any] = {}
    if asked["of"]:
        try:
            found = await request.app.state.desk.do(command.command, asked["of"], at=asked["at"])
            found["edges"], found["elsewhere"] = command.surest(found["edges"]), command.surest(found["elsewhere"])
        except (BadInput, NotFound) as error:
            sentence, status = str(error), 404 if isinstance(error, NotFound) else 422
    # every word of the drawing is escaped where it is drawn
    drawn = Markup(figure(found, mirrored=leftward(), alone=False)) if found else ""  # noqa: S704
    shown = {"it": found, "asked": asked, "sentence": sentence, "drawn": drawn, "today": today()}
    return page(request, "command", shown, status=status)


ROUTES: Final = [Route("/command", commanding)]
