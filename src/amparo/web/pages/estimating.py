"""Estimates of the unseen: choose lists, then a work that shows documented, estimated and unseen by each model.

Invariant: a page holds counts and figures, never a person.
"""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amparo.app import desk_estimates
from amparo.kernel.errors import AmparoError
from amparo.web import forms
from amparo.web.pages.jobs import address, jobs_of
from amparo.web.render import page, see


async def choose(request: Request) -> Response:
    return await _choosing(request, {}, "")


async def start(request: Request) -> Response:
    """Estimate from the lists or the table of the form."""
    form = await forms.read(request)
    try:
        job = jobs_of(request).start("estimate", desk_estimates.checked(form.values()))
    except AmparoError as error:
        return await _choosing(request, form.values(), str(error))
    return see(address(job))


async def _choosing(request: Request, typed: dict[str, Any], sentence: str) -> Response:
    made = [(job, address(job)) for job in jobs_of(request).all if job.name == "estimate"]
    shown = {"typed": typed, "sentence": sentence, "made": made, "it": await request.app.state.desk.do(desk_estimates.choices)}
    return page(request, "estimate", shown, status=422 if sentence else 200)


ROUTES: Final = [Route("/estimate", choose), Route("/estimate", start, methods=["POST"])]
