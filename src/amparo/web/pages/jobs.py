"""Long works: how far they are, what they told, and how to stop them.

Invariant: looking at a work, also again and again, is no use of the keys; a work is started only by its own page.
"""

from typing import Final

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from amparo.web import forms
from amparo.web.jobs import Job, Jobs
from amparo.web.render import page, see

_OWN_PAGE: Final = {"look": "/dossiers/{id}", "let out": "/dossiers/{id}"}


def jobs_of(request: Request) -> Jobs:
    """The works of this session."""
    found: Jobs = request.app.state.jobs
    return found


def address(job: Job) -> str:
    """Where a work is shown."""
    return _OWN_PAGE.get(job.name, "/jobs/{id}").format(id=job.id)


async def listed(request: Request) -> Response:
    return page(request, "jobs", {"jobs": [(job, address(job)) for job in jobs_of(request).all]})


async def job(request: Request) -> Response:
    """A work while it goes on and when it is over; some have a page of their own for what they made."""
    found = jobs_of(request).get(request.path_params["id"])
    if found.name in _OWN_PAGE:
        return see(address(found))
    drawn = Markup(found.data.get("drawn", ""))  # noqa: S704  our own figure, in which every word is escaped
    return page(request, "job", {"job": found, "drawn": drawn})


async def state(request: Request) -> Response:
    """How far a work is, for the script that asks again and again."""
    return JSONResponse(jobs_of(request).get(request.path_params["id"]).status())


async def stop(request: Request) -> Response:
    found = jobs_of(request).get(request.path_params["id"])
    found.stop()
    return see(address(found))


async def start_alike(request: Request) -> Response:
    """Compare the fingerprints of all files."""
    return see(address(jobs_of(request).start("alike", {})))


async def start_read(request: Request) -> Response:
    """Send the readers through the files of one source."""
    form = await forms.read(request)
    return see(address(jobs_of(request).start("read", {"source": form["source"]})))


def passphrase_needed(request: Request) -> bool:
    """True if a work that needs the identities must be given their passphrase."""
    desk = request.app.state.desk
    return not desk.demo and "identities" not in desk.quiet_status()["rings"]


ROUTES: Final = [
    Route("/jobs", listed), Route("/jobs/alike", start_alike, methods=["POST"]),
    Route("/jobs/read", start_read, methods=["POST"]), Route("/jobs/{id}", job), Route("/jobs/{id}/state", state),
    Route("/jobs/{id}/stop", stop, methods=["POST"]),
]  # fmt: skip
