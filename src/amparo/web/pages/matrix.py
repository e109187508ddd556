"""States by measures, as one table."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amparo.app import desk_matrix
from amparo.web.addresses import linking
from amparo.web.render import page, page_number


async def matrix(request: Request) -> Response:
    """One page of columns."""
    kind = request.query_params.get("kind", "")[:20]
    found = await request.app.state.desk.do(desk_matrix.matrix, kind=kind, page=page_number(request))
    return page(request, "matrix", {"it": found, "to": linking("/matrix", {"kind": found["kind"]})})


ROUTES: Final = [Route("/matrix", matrix)]
