"""Sanctions and watch lists: take a published file in, and ask who on it a name may mean. All of it on this machine.

Invariants: no network, ever: a query tells who is being investigated. A list is kept as it came, sealed, with the date it was
published; where one is damaged, nothing of it is kept. A sealed identity is looked up only where the identities are open, with
a reason, and the entry that says so is written first; the hits themselves are written nowhere, for a list's reference beside a
handle would say who the person is. Caches of names are emptied when an answer was given.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from amparo.app import evidence
from amparo.app.naming import refuse_names
from amparo.app.session import Session, check_stop, now_ms, stops_when_asked
from amparo.kernel import ids
from amparo.kernel.errors import BadInput, NotFound
from amparo.kernel.i18n import N_, _
from amparo.record.items import Acquisition, Item
from amparo.record.model import Entity
from amparo.verify.names import forget
from amparo.verify.watch_index import Hit, WatchIndex
from amparo.verify.watchlists import ALERT, PERSON, Entry, read

DATASET: Final = "watch lists"
PUBLISHERS: Final = {
    "ofac": N_("OFAC, United States"), "eu": N_("European Union"), "uk": N_("United Kingdom"),
    "un": N_("UN Security Council"), "ftm": N_("FollowTheMoney (OpenSanctions)"),
}  # fmt: skip
Progress = Callable[[int, int], None]
_PIECE: Final = 1 << 18


class NoWatchLists(NotFound):
    template = N_("No watch list was imported yet; `amparo watchlist import FILE --dated 2026-01-31 --as un` imports one.")


class NoNameKnown(NotFound):
    template = N_("{handle} has neither a sealed name nor a published one, so nobody can be looked up.")


class NoReasonToLook(BadInput):
    template = N_(
        "To look up a sealed name, say why (--reason); the record keeps that it was done and why. Nothing was looked up."
    )


@dataclass(frozen=True, slots=True)
class WatchList:
    """An imported list: its source's handle, whose it is, the day it was published, and how many entries it has."""

    handle: str
    format: str
    dated: str
    item: Item


@dataclass(frozen=True, slots=True)
class Taken:
    """What an import took in; ``new`` is False where this very file was kept already."""

    handle: str
    persons: int
    bodies: int
    names: int
    new: bool


@dataclass(frozen=True, slots=True)
class Matched:
    """Hits by the lists asked (handle, publisher, date); ``names`` is how many names of the person were looked up."""

    hits: list[Hit]
    lists: list[WatchList]
    names: int


def import_list(session: Session, path: Path, *, format: str, dated: str, progress: Progress | None = None) -> Taken:
    """Seal a published list and read it once from end to end; a damaged one leaves nothing. Raises BadWatchList, NoEntries."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").digest()
    key = f"{format}:{dated}:{digest.hex()[:16]}"
    known = session.record.by_key(key, DATASET)
    if known:
        return _counted(session, known[0], format, session.testimony.files(known[0])[0], progress, new=False)
    with session.change() as change, stops_when_asked():
        sealed = session.blobs().seal_file(path)
        handle = change.allocate("source")
        entity = Entity(handle, "source", type="table", label=f"{format} {dated}", key=key, dataset=DATASET, date=dated,
                        basis="published source")  # fmt: skip
        change.put("record", Entity.TYPE, [entity.to_row()])
        came = Acquisition(handle, how=_("import of a watch list"), started=now_ms())
        change.put("testimony", Acquisition.TYPE, [came.to_row()])
        item = evidence.put_item(change, handle, sealed, name=path.name)
        return _counted(session, handle, format, item, progress, new=True)


def _counted(session: Session, handle: str, format: str, item: Item, progress: Progress | None, *, new: bool) -> Taken:
    persons = bodies = names = 0
    for entry in read(format, _bytes(session, item, progress)):
        persons, bodies = persons + (entry.kind == PERSON), bodies + (entry.kind != PERSON)
        names += len(entry.names)
    return Taken(handle, persons, bodies, names, new)


def _bytes(session: Session, item: Item, progress: Progress | None = None) -> Iterator[bytes]:
    with closing(evidence.read_quietly(session, item)) as stream:
        done = 0
        while piece := stream.read(_PIECE):
            check_stop()
            session.keep_alive()
            done += len(piece)
            if progress:
                progress(done, item.size)
            yield piece


def lists(session: Session) -> list[WatchList]:
    """The imported lists, by publisher, the newest first."""
    found = []
    for entity in session.record.entities(kind="source"):
        if entity.dataset == DATASET and entity.type == "table":
            files = session.testimony.files(entity.handle)
            if files:
                found.append(WatchList(entity.handle, entity.key.partition(":")[0], entity.date, files[0]))
    return sorted(sorted(found, key=lambda one: one.dated, reverse=True), key=lambda one: one.format)


def in_force(session: Session) -> list[WatchList]:
    """The lists that are asked: of each publisher all files of the newest date. Raises NoWatchLists."""
    every = lists(session)
    newest = {one.format: max(other.dated for other in every if other.format == one.format) for one in every}
    chosen = [one for one in every if one.dated == newest[one.format]]
    if not chosen:
        raise NoWatchLists
    return chosen


def index(session: Session, chosen: list[WatchList], progress: Progress | None = None) -> WatchIndex:
    """The lists in memory, ready to be asked. Raises BadWatchList, and what reading a sealed file raises."""
    built = WatchIndex()
    total = sum(one.item.size for one in chosen)
    before = 0
    with stops_when_asked():
        for one in chosen:
            start = before

            def look(done: int, _size: int, start: int = start) -> None:
                if progress:
                    progress(start + done, total)

            built.add(one.handle, _checked(read(one.format, _bytes(session, one.item, look))))
            before += one.item.size
    return built


def _checked(entries: Iterator[Entry]) -> Iterator[Entry]:
    for count, entry in enumerate(entries):
        if count % 500 == 0:
            check_stop()
        yield entry


def match_name(
    session: Session, name: str, *, born: str = "", least: float = ALERT, limit: int = 20, progress: Progress | None = None
) -> Matched:  # fmt: skip
    """Who on the lists ``name`` may mean. Nothing is written. Raises NoWatchLists."""
    chosen = in_force(session)
    try:
        return Matched(index(session, chosen, progress).match(name, born=born, least=least, limit=limit), chosen, 1)
    finally:
        forget()


def match_handle(
    session: Session, handle: str, *, reason: str = "", least: float = ALERT, limit: int = 20, progress: Progress | None = None
) -> Matched:  # fmt: skip
    """Who on the lists a person or body of the record may be, by the sealed names where there are any, else the published one.

    Raises NoWatchLists, NoNameKnown, NoReasonToLook, CompartmentLocked, NameInWords.
    """
    place = str(ids.parse(handle))
    entity = session.record.entity(place)
    if entity is None:
        raise NoNameKnown(handle=place)
    chosen = in_force(session)
    person = entity.kind == "person"
    names, born = [entity.label] if entity.label and entity.kind in ("person", "group") else [], ""
    if not names and person:
        names, born = _sealed_names(session, place, reason)
    if not names:
        raise NoNameKnown(handle=place)
    try:
        return _asked(index(session, chosen, progress), names, chosen, person=person, born=born, least=least, limit=limit)
    finally:
        forget()


def _asked(
    built: WatchIndex, names: list[str], chosen: list[WatchList], *, person: bool, born: str, least: float, limit: int
) -> Matched:
    best: dict[tuple[str, str], Hit] = {}
    for name in names:
        for hit in built.match(name, person=person, born=born, least=least, limit=limit):
            known = best.get((hit.source, hit.entry.reference))
            if known is None or hit.weight > known.weight:
                best[hit.source, hit.entry.reference] = hit
    ranked = sorted(best.values(), key=lambda hit: (-hit.weight, hit.source, hit.entry.reference))
    return Matched(ranked[:limit], chosen, len(names))


def _sealed_names(session: Session, person: str, reason: str) -> tuple[list[str], str]:
    if not reason.strip():
        raise NoReasonToLook
    refuse_names(session, {_("reason"): reason})  # the entry outlives an erasure of the person
    identity = session.identities.identity(person)
    session.note_access("look up sealed identity on watch lists", person, reason)
    return ([name.text for name in identity.names], identity.birth) if identity else ([], "")


def shown(hit: Hit, chosen: list[WatchList]) -> dict[str, Any]:
    """A hit as a screen and a program get it: of the list's public words, and no word of the name that was asked for."""
    where = next(one for one in chosen if one.handle == hit.source)
    return {
        "list": where.handle, "publisher": _(PUBLISHERS[where.format]), "dated": where.dated, "reference": hit.entry.reference,
        "kind": hit.entry.kind, "listed_as": hit.alias.text, "weight": round(hit.weight, 3), "why": hit.why,
        "parts": {part: score and round(score, 3) for part, score in hit.likeness.parts.items()},
        "born": list(hit.entry.born), "countries": list(hit.entry.countries), "programmes": list(hit.entry.programmes),
        "names": [alias.text for alias in hit.entry.names],
    }  # fmt: skip
