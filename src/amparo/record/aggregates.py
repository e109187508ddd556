"""What the drawings ask of the record's view: counts by partial date, and the few rows that one mark of a drawing stands for.

Invariants: nothing here walks all claims; counts come from what the view counts as it is written, rows through indexes, each
with a limit. Persons are handed out by handle alone, labels of acts are masked, and neither the table of grounds nor a word
of a claim is looked at to choose what is returned (record.ground).
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from amparo.kernel import dates, ids
from amparo.kernel.errors import BadDate
from amparo.record import tokens
from amparo.record.ground import mask
from amparo.record.model import DENIED, Link
from amparo.record.view import RecordView, StoredClaim
from amparo.record.writer import SAID

THINGS: Final = ("event", "act", "position", "measure", "proceeding", "intervention")
"""Kinds of things that have a date."""
CLAIMS: Final = ("happened", "said")
"""Facets of claims that the view counts by date: of events and acts; what somebody said."""
_ACT_TYPE: Final = "type of act"


class Dated(NamedTuple):
    """A thing with its partial date; ``label`` as lists show it."""

    handle: str
    kind: str
    type: str
    label: str
    date: str


def spans(view: RecordView) -> dict[str, dict[str, int]]:
    """For each of THINGS and CLAIMS: partial date, as it stands in the record -> how many bear it."""
    found: dict[str, dict[str, int]] = {name: {} for name in (*THINGS, *CLAIMS)}
    counted = "SELECT kind, date, count(*) FROM entities WHERE current AND date <> '' AND kind IN ({}) GROUP BY kind, date"
    for kind, date, number in view.db.execute(counted.format(", ".join("?" * len(THINGS))), THINGS):
        found[kind][date] = number
    for facet in CLAIMS:
        found[facet] = dict(view.db.execute("SELECT value, n FROM facets WHERE facet = ? AND value <> ''", (facet,)))
    return found


def things(view: RecordView, kind: str, date: str, limit: int, offset: int = 0) -> list[Dated]:
    """The things of one kind that bear exactly this partial date ("" for none), in the order they came."""
    exactly = "date = ? AND date <> ''" if date else "date = ?"
    found = view.db.execute(
        f"SELECT handle, kind, type, label, key, date FROM entities WHERE current AND kind = ? AND {exactly}"
        " ORDER BY n LIMIT ? OFFSET ?",
        (kind, date, limit, offset),
    )
    return [Dated(handle, kind, type, mask(label or key), date) for handle, kind, type, label, key, date in found]


def groups(view: RecordView, without: Sequence[str], limit: int, offset: int = 0) -> list[Dated]:
    """Groups but those of some types, in the order they came."""
    found = view.db.execute(
        "SELECT handle, kind, type, label, key, date FROM entities WHERE current AND kind = 'group'"
        " AND type NOT IN (SELECT value FROM json_each(?)) ORDER BY n LIMIT ? OFFSET ?",
        (json.dumps(list(without)), limit, offset),
    )
    return [Dated(handle, kind, type, mask(label or key), date) for handle, kind, type, label, key, date in found]


def named(view: RecordView, handles: Iterable[str]) -> dict[str, Dated]:
    """What some things are, as lists show them; of a person no more than the handle."""
    found = view.db.execute(
        "SELECT handle, kind, type, label, key, date FROM entities"
        " WHERE current AND handle IN (SELECT value FROM json_each(?))",
        (json.dumps(list(handles)),),
    )
    return {
        handle: Dated(handle, kind, "", "", "") if kind == "person" else Dated(handle, kind, type, mask(label or key), date)
        for handle, kind, type, label, key, date in found
    }


def claims_on(view: RecordView, facet: str, date: str, limit: int, offset: int = 0) -> list[StoredClaim]:
    """The claims of one of CLAIMS that bear exactly this partial date, masked, in the order of their handles."""
    day = tokens.when(date)[0]
    if facet not in CLAIMS or day is None:
        return []
    said = f"property IN ({', '.join('?' * len(SAID))})"
    where = said if facet == "said" else f"NOT {said} AND (subject GLOB 'E-*' OR subject GLOB 'A-*')"
    found = view.db.execute(
        f"SELECT id FROM claims WHERE day = ? AND valid = ? AND {where} ORDER BY id LIMIT ? OFFSET ?",
        (day, date, *SAID, limit, offset),
    )
    return list(view.claims_of(number for (number,) in found).values())


# -- places -------------------------------------------------------------------------------------------------------------


class Place(NamedTuple):
    """A place and what it is part of."""

    handle: str
    label: str
    type: str
    parent: str


def places(view: RecordView, limit: int) -> list[Place]:
    """The places of the record, in the order they came."""
    found = view.db.execute(
        "SELECT handle, label, key, type, parent FROM entities WHERE current AND kind = 'place' ORDER BY n LIMIT ?", (limit,)
    )
    return [Place(handle, mask(label or key), type, parent) for handle, label, key, type, parent in found]


def claims_by_place(view: RecordView) -> dict[str, int]:
    """How many claims say that they tell of a place; none that states a ground is counted."""
    return dict(view.db.execute("SELECT value, n FROM facets WHERE facet = 'place' AND value <> ''"))


# -- by property --------------------------------------------------------------------------------------------------------


class Told(NamedTuple):
    """A current claim between two things: what a cell or an edge of a drawing rests on."""

    handle: str
    subject: str
    property: str
    value: str
    valid: str
    polarity: str
    source: str
    stance: str
    speaker: str


_TOLD: Final = "c.id, c.subject, c.property, c.value, c.valid, c.polarity, c.source, c.stance, c.speaker"


def _told(rows: Iterable[tuple[Any, ...]]) -> Iterator[Told]:
    for number, *values in rows:
        yield Told(str(ids.unpack("claim", number)), *values)


def told_by_property(view: RecordView, properties: Sequence[str], limit: int) -> list[Told]:
    """Current claims of some properties, the oldest first, through the index of words; at most ``limit``."""
    expression = " OR ".join(f'"{tokens.tag("r", property)}"' for property in properties)
    found = view.db.execute(
        f"SELECT {_TOLD} FROM words w JOIN claims c ON c.id = w.rowid WHERE w.words MATCH ? AND c.status = 0"
        " AND c.property IN (SELECT value FROM json_each(?)) ORDER BY c.id LIMIT ?",
        (expression, json.dumps(list(properties)), limit),
    )
    return list(_told(found))


def told_of(view: RecordView, handle: str, properties: Sequence[str], limit: int) -> tuple[list[Told], bool]:
    """Current claims of some properties in which a thing is subject or value; True if there are more than were looked at.

    ``limit`` counts what is looked at on either side, so that a thing that a hundred thousand claims name costs no more.
    """
    wanted = set(properties)
    found: dict[str, Told] = {}
    more = False
    for column in ("subject = ?", "value = ? AND c.value GLOB '[A-Z]-*'"):
        rows = view.db.execute(
            f"SELECT {_TOLD}, c.status FROM claims c WHERE c.{column} ORDER BY c.id LIMIT ?", (handle, limit + 1)
        )
        more |= len(rows) > limit
        told = _told(row[:-1] for row in rows[:limit] if row[-1] == 0)
        found |= {one.handle: one for one in told if one.property in wanted}
    return list(found.values()), more


def disputed(view: RecordView, claims: Iterable[str]) -> set[str]:
    """Those of some claims that a link says another contradicts."""
    asked = set(claims)
    listed = json.dumps(sorted(asked))
    among = "({0} <> '' AND {0} IN (SELECT value FROM json_each(?)))"
    found = view.rows(Link.TYPE, f"{among.format('a')} OR {among.format('b')}", (listed, listed))
    links = (Link.from_row(row) for row in found)
    return {end for link in links if link.kind == "contradicts" for end in (link.of, link.to)} & asked


@lru_cache(65536)
def first_and_last(date: str) -> tuple[int | None, int | None, bool] | None:
    """(first possible day, last possible day, whether “about”) as ordinals, None where open; None for what is no date."""
    try:
        known = dates.parse(date)
    except BadDate:
        return None
    return (*known.days(), known.about)


# -- acts in time -------------------------------------------------------------------------------------------------------


class ToldAct(NamedTuple):
    """A current claim that an act took place: what, when, where, by which source, recorded when (ms since 1970 UTC)."""

    act: str
    type: str
    valid: str
    place: str
    source: str
    recorded: int


def acts_told(view: RecordView, limit: int) -> list[ToldAct]:
    """The current claims that say of what type an act was, none that denies it, the oldest first; at most ``limit``."""
    found = view.db.execute(
        "SELECT c.subject, c.value, c.valid, c.place, c.source, c.recorded FROM words w JOIN claims c ON c.id = w.rowid"
        " WHERE w.words MATCH ? AND c.status = 0 AND c.property = ? AND c.polarity <> ? ORDER BY c.id LIMIT ?",
        (f'"{tokens.tag("r", _ACT_TYPE)}"', _ACT_TYPE, DENIED, limit),
    )
    return [ToldAct(act, mask(type), *rest) for act, type, *rest in found]


def dates_of(view: RecordView, handles: Iterable[str]) -> dict[str, str]:
    """The partial dates that some things bear themselves; those without one are left out."""
    found = view.db.execute(
        "SELECT handle, date FROM entities WHERE current AND date <> '' AND handle IN (SELECT value FROM json_each(?))",
        (json.dumps(list(handles)),),
    )
    return dict(found)
