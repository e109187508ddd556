"""What the pages show of the whole: what waits for somebody, who did what last, and a search with its words explained.

Invariant: reading only. Everything shown of many things at once is masked (record.ground); the log tells what was done to
which handle, never a word of it.
"""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final
from weakref import WeakKeyDictionary

from amparo.app import desk_assess, drafts
from amparo.app.session import Session, now_ms
from amparo.kernel import dates, ids
from amparo.kernel.errors import BadDate
from amparo.kernel.i18n import N_
from amparo.ledger.entry import ACCESS, OPEN
from amparo.ledger.log import DeviceLog, Placed, Position
from amparo.record.model import Consent
from amparo.record.search import search as search_record

_DAY: Final = 86_400_000
_SOON: Final = 90  # days before a consent ends
_SHOWN: Final = 50
_STEP: Final = 64  # entries between two places that are remembered
_PAGES: Final = 32  # of the log that are remembered

DONE: Final = {
    "claims@1": N_("claims"), "entities@1": N_("things"), "links@1": N_("links between claims"),
    "assessments@1": N_("assessments"), "consents@1": N_("consents"), "access@1": N_("an access or export"),
    "counters@1": N_("handles given"), "passages@1": N_("passages"), "items@1": N_("digital items"),
    "acquisitions@1": N_("how items came"), "custody@1": N_("events of custody"), "facts@1": N_("what readers found"),
    "texts@1": N_("texts of items"), "prints@1": N_("fingerprints"), "seals@1": N_("proofs from outside"),
    "searches@1": N_("saved searches"),
}  # fmt: skip


# -- what waits ---------------------------------------------------------------------------------------------------------


def waiting(session: Session) -> dict[str, Any]:
    """Contradictions nobody assessed, sources without a basis, conversations not recorded yet, consents that end soon, and what
    the record holds.
    """
    record = session.record
    open_pairs = desk_assess.waiting(session)
    sources = record.without_basis(_SHOWN)
    begun, damaged = drafts.listed(session)
    return {
        "counts": record.counts(),
        "drafts": [{"id": one.id, "person": one.person, "saved": one.saved} for one in begun[:_SHOWN]],
        "drafts_damaged": len(damaged),
        "unassessed": [asdict(link) for link in open_pairs[:_SHOWN]],
        "unassessed_count": len(open_pairs),
        "sources": [asdict(entity) for entity in sources],
        "consents": [asdict(consent) for consent in _ending(record.consents())],
        "log": activity(session)["entries"][:10],
    }


def _ending(consents: Iterable[Consent]) -> list[Consent]:
    """Consents that end within 90 days, the soonest first; withdrawn ones wait for nobody."""
    found = []
    today = now_ms() // _DAY
    for consent in consents:
        try:
            last = dates.parse(consent.until).days()[1] if consent.until else None
        except BadDate:
            continue
        if last is not None and not consent.withdrawn and 0 <= last - today <= _SOON:
            found.append((last, consent))
    return [consent for _last, consent in sorted(found, key=lambda pair: pair[0])][:_SHOWN]


# -- search -------------------------------------------------------------------------------------------------------------


def search(session: Session, words: str, **options: Any) -> dict[str, Any]:
    """Search the record and name what the hits and facets are about."""
    found = search_record(session.record, words, **options)
    handles = {hit.subject for hit in found.hits} | {hit.source for hit in found.hits} | {hit.value for hit in found.hits}
    handles |= set(found.facets.get("place", ())) | set(found.facets.get("source", ()))
    texts = session.testimony.search(words, limit=5) if words and not options.get("offset") else []
    return {
        "hits": [asdict(hit) for hit in found.hits], "total": found.total, "total_text": found.total_text, "more": found.more,
        "facets": found.facets, "explanation": found.explanation, "texts": [hit._asdict() for hit in texts],
        "labels": session.record.labels(handle for handle in handles if ids.is_handle(handle)),
    }  # fmt: skip


# -- the log ------------------------------------------------------------------------------------------------------------

_places: WeakKeyDictionary[Session, dict[bytes, list[Position]]] = WeakKeyDictionary()
_shown: WeakKeyDictionary[Session, dict[Any, dict[str, Any]]] = WeakKeyDictionary()
"""Pages of the log as they were shown while the logs ended as they end now."""


def activity(session: Session, *, before: int | None = None) -> dict[str, Any]:
    """The newest entries of all devices' logs: when by the device's clock, by which device, what kind of things.

    ``before`` is the ``clock`` of the last entry of the page before (ms since 1970).
    """
    kept = _shown.setdefault(session, {})
    asked = before, *session.record.positions().items()
    if asked not in kept:
        if len(kept) >= _PAGES:
            kept.clear()
        kept[asked] = _read_log(session, before)
    return kept[asked]


def _read_log(session: Session, before: int | None) -> dict[str, Any]:
    entries: list[dict[str, Any]] = []
    for device, log in session.ledger.logs.items():
        number = session.ledger.numbers()[device]
        found = _newest(session, device, log, before)
        entries += [_told(session, number, placed) for placed in found]
    entries.sort(key=lambda one: (one["clock"], one["seq"]), reverse=True)
    page = entries[:_SHOWN]
    _name_parts(session, page)
    return {"entries": page, "next": page[-1]["clock"] if len(entries) >= _SHOWN else None}


def _newest(session: Session, device: bytes, log: DeviceLog, before: int | None) -> list[Placed]:
    """The last entries of one log older than ``before``, read from a remembered place near its end."""
    known = _places.setdefault(session, {}).setdefault(device, [Position()])
    for count, placed in enumerate(log.placed(known[-1])):
        if count and count % _STEP == 0:
            known.append(placed.before)
    found: list[Placed] = []
    end: Position | None = None
    for start in reversed(known):
        chunk = []
        for placed in log.placed(start):
            if end is not None and placed.before.entries >= end.entries:
                break
            if before is None or placed.entry.header.clock.ms < before:
                chunk.append(placed)
        found = chunk + found
        if len(found) >= _SHOWN:
            break
        end = start
    return found[-_SHOWN:]


def _told(session: Session, number: int, placed: Placed) -> dict[str, Any]:
    header = placed.entry.header
    names = {key.compartment: name for name, key in session.keys.items()}
    return {
        "device": number, "seq": header.seq, "clock": header.clock.ms, "claimed": header.claimed,
        "access": bool(header.flags & ACCESS), "parts": len(header.parts),
        "bytes": len(placed.entry.raw) + sum(part.size for part in header.parts),
        "compartment": "open" if header.compartment == OPEN else names.get(header.compartment, "identities"),
        "what": [],
    }  # fmt: skip


def _name_parts(session: Session, entries: list[dict[str, Any]]) -> None:
    """What the views know of the entries' parts: kinds of rows and how many, and handles where they are few."""
    views: dict[str, Any] = {"record": session.record, "testimony": session.testimony}
    for entry in entries:
        view = views.get(entry["compartment"])
        if view is not None:
            told = view.told(entry["device"], entry["seq"])
            entry["what"] = [{"type": type, "rows": rows, "handles": handles} for type, rows, handles in told]
