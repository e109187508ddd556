"""Patterns of acts, as tables: counts that may be shown, and no person."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amparo.app import patterns as app
from amparo.app.desk_periods import today
from amparo.web.render import page


async def patterns(request: Request) -> Response:
    """One kind of patterns; the first where none is asked for."""
    which = request.query_params.get("which", "")
    which = which if which in app.WHICH else next(iter(app.WHICH))
    found = await request.app.state.desk.do(app.patterns, which)
    rows = app.listed(found[which])
    for row in rows:
        row["names"] = [app.label(trait, found["labels"]) for trait in row["traits"]]
    return page(request, "patterns", {"it": found, "which": which, "kinds": app.WHICH, "rows": rows, "part": found[which],
                                      "today": today()})  # fmt: skip


ROUTES: Final = [Route("/patterns", patterns)]
