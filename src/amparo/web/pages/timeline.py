"""The timeline: lanes of what happened, was said and done; drawn on the server, zoomed by plain addresses.

Invariant: dates and kinds stand in the address, and nothing else.
"""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amparo.app import desk_timeline
from amparo.app.desk_periods import BadPeriod
from amparo.kernel.i18n import leftward
from amparo.web.addresses import linking
from amparo.web.render import page, page_number

_ASKED: Final = ("from", "to", "by", "lane", "at")


async def timeline(request: Request) -> Response:
    """The time asked for; what cannot be read as a time is told, and the whole is shown."""
    asked = {name: request.query_params.get(name, "")[:40] for name in _ASKED}
    sentence = ""
    try:
        found = await _timeline(request, asked)
    except BadPeriod as error:
        sentence = str(error)
        found = await _timeline(request, dict.fromkeys(_ASKED, ""))
    shown = {"it": found, "asked": asked, "sentence": sentence, "to": linking("/timeline", asked)}
    return page(request, "timeline", shown, status=422 if sentence else 200)


async def _timeline(request: Request, asked: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = await request.app.state.desk.do(
        desk_timeline.timeline, start=asked["from"], end=asked["to"], grain=asked["by"], lane=asked["lane"], at=asked["at"],
        page=page_number(request), mirrored=leftward(),
    )  # fmt: skip
    return found


ROUTES: Final = [Route("/timeline", timeline)]
