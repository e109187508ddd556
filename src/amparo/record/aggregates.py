"""How many things there are, by date and by kind: what drawings are made of.

Invariant: one question to an index each, whose answer is as long as there are different dates, not things. No names, no words:
who is shown a list gets it through ``RecordView``, masked.
"""

import json
from collections.abc import Sequence

from amparo.record.model import Entity
from amparo.record.view import RecordView


def dates(view: RecordView, kinds: Sequence[str]) -> list[tuple[str, str, int]]:
    """(kind, canonical partial date, how many) of the current things of these kinds; the date is "" where none is known."""
    return view.db.execute(
        "SELECT kind, date, count(*) FROM entities WHERE current AND kind IN (SELECT value FROM json_each(?))"
        " GROUP BY kind, date",
        (json.dumps(list(kinds)),),
    )


def by_state(view: RecordView, limit: int) -> list[tuple[str, str, str, str, str, str, str]]:
    """(state, handle, kind, type, date, parent, source) of what States did and said: a row for each current claim of a State,
    by State and date. At most ``limit`` rows.
    """
    return view.db.execute(
        "SELECT DISTINCT c.value, e.handle, e.kind, e.type, e.date, e.parent, c.source FROM entities e"
        " JOIN claims c ON c.subject = e.handle WHERE e.current AND e.kind IN ('position', 'measure', 'intervention')"
        " AND c.property = 'state' AND c.status = 0 AND c.value <> '' ORDER BY c.value, e.date, e.n LIMIT ?",
        (limit,),
    )


def dated(view: RecordView, kinds: Sequence[str], days: Sequence[str], limit: int, offset: int) -> list[Entity]:
    """The current things of these kinds that bear one of these dates, in the order of the dates; labels masked."""
    found = view.db.execute(
        "SELECT handle FROM entities WHERE current AND kind IN (SELECT value FROM json_each(?))"
        " AND date IN (SELECT value FROM json_each(?)) ORDER BY date, n LIMIT ? OFFSET ?",
        (json.dumps(list(kinds)), json.dumps(list(days)), limit, offset),
    )
    return [entity for (handle,) in found if (entity := view.listed(handle)) is not None]
