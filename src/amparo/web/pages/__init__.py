"""One module for each kind of page, each with its ``ROUTES``.

Invariant: a page reads by GET and changes something by POST, after which the browser is sent on to a page that only reads.
"""

from typing import Final

from starlette.routing import Route

import amparo.web.addresses  # noqa: F401  registers the convertor that addresses of handles name
from amparo.web.pages import (
    assessing,
    commanding,
    dossiers,
    edits,
    entrance,
    estimating,
    events,
    home,
    interviews,
    items,
    jobs,
    keeping,
    maps,
    matrix,
    network,
    patterns,
    people,
    reading,
    same,
    searching,
    things,
    timeline,
    uploads,
    waving,
)

ROUTES: Final[list[Route]] = [
    *entrance.ROUTES, *home.ROUTES, *searching.ROUTES, *assessing.ROUTES, *dossiers.ROUTES, *jobs.ROUTES, *keeping.ROUTES,
    *people.ROUTES, *interviews.ROUTES, *uploads.ROUTES, *items.ROUTES, *reading.ROUTES,
    *timeline.ROUTES, *maps.ROUTES, *matrix.ROUTES, *network.ROUTES, *commanding.ROUTES, *patterns.ROUTES, *estimating.ROUTES,
    *waving.ROUTES, *same.ROUTES, *events.ROUTES, *edits.ROUTES, *things.ROUTES,
]  # fmt: skip
