"""Searches that somebody saved: sealed rows of the record, shown beside the search box, and erased when they are removed.

Invariant: the words of a saved search stand in no address and in no file in the clear; removed ones are erased from the ledger
as a person's words are, since they may tell of whom somebody thought.
"""

import secrets
from collections.abc import Mapping
from typing import Any, Final

from amparo.app.naming import refuse_names
from amparo.app.people import Empty
from amparo.app.session import Session, now_ms
from amparo.kernel.errors import BadInput, NotFound
from amparo.kernel.i18n import N_, _
from amparo.ledger.ledger import Origin
from amparo.record.model import SavedSearch

LIMIT: Final = 50
_NAME: Final = 80  # characters
_WORDS: Final = 500


class TooManySearches(BadInput):
    template = N_("{limit} searches are saved already; remove one first. Nothing was saved.")


class SearchTooLong(BadInput):
    template = N_("The name may have {name} characters and the words {words}; say it shorter. Nothing was saved.")


class NoSavedSearch(NotFound):
    template = N_("This saved search is not there any more; somebody removed it.")


def saved(session: Session) -> list[dict[str, Any]]:
    """All of them by name: id, name, words, filters."""
    found = [{"id": one.id, "name": one.name, "words": one.words, "filters": dict(_pairs(one))}
             for _origin, one in session.record.searches()[:LIMIT]]  # fmt: skip
    return sorted(found, key=lambda one: str(one["name"]).casefold())


def _pairs(one: SavedSearch) -> list[tuple[str, str]]:
    return [(str(pair[0]), str(pair[1])) for pair in one.filters if len(pair) == 2]


def save(session: Session, name: str, words: str, filters: Mapping[str, str]) -> str:
    """Keep a search under a name; one of the same name is replaced. Raises Empty, SearchTooLong, TooManySearches."""
    name = " ".join(name.split())
    if not name:
        raise Empty(field=_("name of the search"))
    if len(name) > _NAME or len(words) > _WORDS:
        raise SearchTooLong(name=_NAME, words=_WORDS)
    refuse_names(session, {_("name of the search"): name, _("words of the search"): words})
    same = [one.id for _origin, one in session.record.searches() if one.name == name]
    if len(session.record.searches()) - len(same) >= LIMIT:
        raise TooManySearches(limit=LIMIT)
    row = SavedSearch(secrets.token_hex(8), name, words, [[key, value] for key, value in filters.items()], now_ms())
    with session.change() as change:
        change.put("record", SavedSearch.TYPE, [row.to_row()])
    for id in same:
        remove(session, id)
    return row.id


def find(session: Session, id: str) -> dict[str, Any]:
    """One of them. Raises NoSavedSearch."""
    found = next((one for one in saved(session) if one["id"] == id), None)
    if found is None:
        raise NoSavedSearch
    return found


def remove(session: Session, id: str) -> None:
    """Erase one from the ledger and the view. Raises NoSavedSearch."""
    places = [origin for origin, one in session.record.searches() if one.id == id]
    if not places:
        raise NoSavedSearch
    ring = session.ring
    assert ring.signing is not None
    with session.ledger.writer(ring.device, ring.signing) as writer:
        writer.erase([Origin(*place) for place in places], authority="a saved search was removed", now=now_ms())
    session.refresh()
