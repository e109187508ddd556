"""The matrix of States and measures: a table, which is drawing and twin in one."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amparo.app import desk_matrix
from amparo.web.render import page


async def matrix(request: Request) -> Response:
    """All States of the record against all measures."""
    return page(request, "matrix", {"it": await request.app.state.desk.do(desk_matrix.matrix)})


ROUTES: Final = [Route("/matrix", matrix)]
