"""The same person? A work compares sealed names in a process of its own; a page asks, and records what somebody decides.

Invariant: a page holds handles, words of agreement and probabilities, never a name; nobody is merged.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amparo.app.people import one_of
from amparo.kernel.i18n import N_
from amparo.web import forms
from amparo.web.forms import Form, path_here
from amparo.web.pages.jobs import address, jobs_of, passphrase_needed
from amparo.web.render import page, see

ANSWERS: Final = (N_("same"), N_("different"))


async def show(request: Request) -> Response:
    made = [(job, address(job)) for job in jobs_of(request).all if job.name == "same"]
    return page(request, "same", {"made": made, "passphrase": passphrase_needed(request)})


async def compare(request: Request) -> Response:
    """Compare all persons that have a name."""
    form = await forms.read(request)
    return see(address(jobs_of(request).start("same", {}, form["passphrase"])))


async def decide(request: Request) -> Response:
    """Record that two handles are one person, or are not."""
    form = await forms.read(request)
    answer = one_of(form["answer"], ANSWERS, "answer")
    asked = {"one": form["one"], "two": form["two"], "same": answer == ANSWERS[0], "why": form["why"]}
    await request.app.state.desk.act("same", **asked)
    return see(_back(form))


async def undo(request: Request) -> Response:
    """Take a decision back by a new entry."""
    form = await forms.read(request)
    await request.app.state.desk.act("same undone", decision=form["decision"], why=form["why"])
    return see(_back(form))


def _back(form: Form) -> str:
    return path_here(form["back"]) if form["back"] else "/same"


ROUTES: Final = [
    Route("/same", show), Route("/same", compare, methods=["POST"]), Route("/same/decide", decide, methods=["POST"]),
    Route("/same/undo", undo, methods=["POST"]),
]  # fmt: skip
