"""The network around one handle, and where to begin: the chains of command and the groups.

Invariant: a handle, a depth and a date stand in the address, and nothing else.
"""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amparo.app import desk_network
from amparo.kernel.errors import BadInput, NotFound
from amparo.kernel.i18n import leftward
from amparo.web.addresses import linking
from amparo.web.render import page, page_number


async def network(request: Request) -> Response:
    """What cannot be read as a handle or a date is told, and the start is shown."""
    asked = {name: request.query_params.get(name, "").strip()[:30] for name in ("of", "depth", "at")}
    sentence, status = "", 200
    try:
        found = await _network(request, asked)
    except (BadInput, NotFound) as error:
        sentence, status = str(error), 404 if isinstance(error, NotFound) else 422
        found = await _network(request, {"of": "", "depth": "", "at": ""})
    return page(request, "network", {"it": found, "sentence": sentence, "to": linking("/network", asked)}, status=status)


async def _network(request: Request, asked: dict[str, str]) -> dict[str, Any]:
    depth = int(asked["depth"]) if asked["depth"] in ("1", "2", "3") else 2
    found: dict[str, Any] = await request.app.state.desk.do(
        desk_network.network, of=asked["of"], depth=depth, at=asked["at"], page=page_number(request), mirrored=leftward()
    )
    return found


ROUTES: Final = [Route("/network", network)]
