"""The map: places as vague as they were recorded, and all of them as a table.

Invariant: a place's handle and a step of zoom stand in the address; coordinates never do.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amparo.app import desk_map
from amparo.web.addresses import linking
from amparo.web.render import page, page_number


async def chart(request: Request) -> Response:
    """The whole, or the surroundings of one place."""
    asked = {name: request.query_params.get(name, "")[:30] for name in ("of", "zoom")}
    found = await request.app.state.desk.do(desk_map.chart, of=asked["of"], zoom=asked["zoom"], page=page_number(request))
    shown = {"it": found, "to": linking("/map", {"of": found["of"], "zoom": found["zoom"]})}
    return page(request, "map", shown)


ROUTES: Final = [Route("/map", chart)]
