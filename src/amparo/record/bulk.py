"""All current claims without their words, grouped by the person or the thing they are about: what rules and counts walk over.

Invariants: the words of a claim and the table of grounds are never read here; memory does not grow with the record, since one
group at a time is handed out and a group has a limit.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any, Final, NamedTuple

from amparo.kernel import ids
from amparo.record.aggregates import places
from amparo.record.model import AFFIRMED
from amparo.record.view import RecordView

GROUP: Final = 20_000
"""Claims about one person or thing that are handed out; the first by handle."""
_PAGE: Final = 20_000
_PLACES: Final = 100_000
_DEEP: Final = 12  # places within places
_COLUMNS: Final = (
    "id, subject, property, value, polarity, valid, place, source, passage, speaker, access, voluntariness, stance, person"
)


class Said(NamedTuple):
    """A claim without its words; fields as in ``record.model.Claim``, ``affirmed`` instead of the polarity."""

    handle: str
    subject: str
    property: str
    value: str = ""
    affirmed: bool = True
    valid: str = ""
    place: str = ""
    source: str = ""
    passage: str = ""
    speaker: str = ""
    access: str = "unknown"
    voluntariness: str = "unknown"
    stance: str = "allegation"
    person: str = ""


def by_person(view: RecordView) -> Iterator[tuple[str, list[Said]]]:
    """Every person with the claims that are told of them or of acts against them."""
    return _grouped(view, "person")


def by_subject(view: RecordView) -> Iterator[tuple[str, list[Said]]]:
    """Every thing that claims are about, with these claims."""
    return _grouped(view, "subject")


def _grouped(view: RecordView, column: str) -> Iterator[tuple[str, list[Said]]]:
    at = _COLUMNS.split(", ").index(column)
    for key, rows in groupby(_rows(view, column, at), key=lambda row: row[at]):
        yield key, [_said(row) for row in islice(rows, GROUP)]


def _rows(view: RecordView, column: str, at: int) -> Iterator[tuple[Any, ...]]:
    last: tuple[str, int] = ("", 0)
    while True:
        page = view.db.execute(
            f"SELECT {_COLUMNS} FROM claims WHERE {column} <> '' AND status = 0 AND ({column}, id) > (?, ?)"
            f" ORDER BY {column}, id LIMIT ?",
            (*last, _PAGE),
        )
        yield from page
        if len(page) < _PAGE:
            return
        last = page[-1][at], page[-1][0]


def acts(view: RecordView) -> Iterator[tuple[str, str]]:
    """Every act that belongs to an event, with the event."""
    last = 0
    while True:
        page = view.db.execute(
            "SELECT n, handle, parent FROM entities WHERE current AND kind = 'act' AND parent <> '' AND n > ?"
            " ORDER BY n LIMIT ?",
            (last, _PAGE),
        )
        yield from ((handle, parent) for _n, handle, parent in page)
        if len(page) < _PAGE:
            return
        last = page[-1][0]


def of_thing(view: RecordView, subject: str, properties: Sequence[str] = (), limit: int = GROUP) -> list[Said]:
    """The current claims about one thing, of some properties or of all."""
    among = f" AND property IN ({', '.join('?' * len(properties))})" if properties else ""
    found = view.db.execute(
        f"SELECT {_COLUMNS} FROM claims WHERE subject = ? AND status = 0{among} ORDER BY id LIMIT ?",
        (subject, *properties, limit),
    )
    return [_said(row) for row in found]


def of_person(view: RecordView, person: str, limit: int = GROUP) -> list[Said]:
    """The current claims that are told of one person or of acts against them."""
    found = view.db.execute(
        f"SELECT {_COLUMNS} FROM claims WHERE person = ? AND person <> '' AND status = 0 ORDER BY id LIMIT ?", (person, limit)
    )
    return [_said(row) for row in found]


def saying(view: RecordView, subject: str, property: str, value: str, limit: int = GROUP) -> list[Said]:
    """The current claims that say one thing of one thing, affirmed or denied."""
    found = view.db.execute(
        f"SELECT {_COLUMNS} FROM claims WHERE subject = ? AND property = ? AND value = ? AND status = 0 ORDER BY id LIMIT ?",
        (subject, property, value, limit),
    )
    return [_said(row) for row in found]


def one(view: RecordView, handle: str) -> Said | None:
    """A current claim without its words, or None."""
    found = view.db.execute(f"SELECT {_COLUMNS} FROM claims WHERE id = ? AND status = 0", (ids.parse(handle).packed,))
    return _said(found[0]) if found else None


def containing(view: RecordView) -> Callable[[str, str], bool]:
    """Whether one place lies in another, or is it; where the record does not say so, it does not."""
    wider = {place.handle: place.parent for place in places(view, _PLACES)}

    def contains(place: str, other: str) -> bool:
        for _step in range(_DEEP):
            if place == other:
                return True
            place = wider.get(place, "")
        return False

    return contains


def _said(row: tuple[Any, ...]) -> Said:
    number, subject, property, value, polarity, *rest = row
    return Said(str(ids.unpack("claim", number)), subject, property, value, polarity == AFFIRMED, *rest)
