"""The first page: what waits for somebody, what the record holds, who did what last."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amparo.app import desk_work
from amparo.web.jobs import DONE
from amparo.web.pages.jobs import address, jobs_of
from amparo.web.render import page


async def home(request: Request) -> Response:
    found = await request.app.state.desk.do(desk_work.waiting)
    works = [(job, address(job)) for job in jobs_of(request).all if job.state != DONE]
    return page(request, "home", {"work": found, "works": works})


async def activity(request: Request) -> Response:
    """The ledger as a readable log, newest first."""
    before = request.query_params.get("before", "")
    found = await request.app.state.desk.do(desk_work.activity, before=int(before) if before.isdecimal() else None)
    return page(request, "activity", {"log": found})


ROUTES: Final = [Route("/", home), Route("/activity", activity)]
