"""Waves: choose which acts are counted, then a work that shows what stands out, with bands, and what cannot be told.

Invariant: a page holds counts and dates, never a person.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amparo.app.people import one_of
from amparo.kernel import dates
from amparo.kernel.errors import AmparoError
from amparo.record import vocabulary
from amparo.web import forms
from amparo.web.forms import Form
from amparo.web.pages.jobs import address, jobs_of
from amparo.web.render import page, see


async def choose(request: Request) -> Response:
    return _choosing(request, Form([]), "")


async def start(request: Request) -> Response:
    """Look for waves in the acts that the form asks for."""
    form = await forms.read(request)
    try:
        for act in form.all("acts"):
            one_of(act, vocabulary.load().terms("act"), "type of act")
        for name in ("since", "until"):
            dates.parse(form[name]) if form[name] else None
        asked = {"acts": form.all("acts"), "place": form["place"], "since": form["since"], "until": form["until"]}
        job = jobs_of(request).start("waves", asked)
    except AmparoError as error:
        return _choosing(request, form, str(error))
    return see(address(job))


def _choosing(request: Request, form: Form, sentence: str) -> Response:
    terms = vocabulary.load()
    made = [(job, address(job)) for job in jobs_of(request).all if job.name == "waves"]
    shown = {"typed": form.values(), "chosen": form.all("acts"), "sentence": sentence, "made": made,
             "acts": {act: terms.label("act", act) for act in terms.terms("act")}}  # fmt: skip
    return page(request, "waves", shown, status=422 if sentence else 200)


ROUTES: Final = [Route("/waves", choose), Route("/waves", start, methods=["POST"])]
