"""Reading: status, search, one opened thing, and the walk from a sentence back to the signature that vouches for it.

Lists and searches come masked by ``record.ground``; one opened act shows its ground. Sealed fields appear only where the
session holds ``identities``, and showing them leaves an entry.
"""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from amparo.app.naming import refuse_names
from amparo.app.session import Session
from amparo.kernel import ids
from amparo.kernel.errors import BadHandle, NotFound
from amparo.kernel.i18n import N_, _
from amparo.ledger.ledger import Origin
from amparo.record import ground
from amparo.record.model import Assessment, Link
from amparo.record.search import search as search_record
from amparo.record.view import RecordView


class NothingThere(NotFound):
    template = N_("Nothing is recorded under “{what}”; `amparo search` may find it.")


class AnItem(NotFound):
    template = N_("{what} is a digital item: `amparo evidence show {what}` shows it.")


class ReasonNeeded(NotFound):
    template = N_("Sealed fields are shown only with a reason (--reason), which is kept in the ledger.")
    exit_code = 2


def status(session: Session) -> dict[str, Any]:
    """What the workspace holds and what waits: counts by kind, contradictions without assessment, heads, compartments."""
    record = session.record
    contradictions = record.contradictions()
    waiting = unweighed(record, record.assessments())
    sources = [source for source in record.entities(kind="source") if source.type != "table"]
    unknown = [source.handle for source in sources if source.basis not in ("published source", "consent")]
    return {
        "workspace": session.workspace.hex(),
        "demo": session.demo,
        "counts": record.counts(),
        "contradictions": len(contradictions),
        "contradictions_unassessed": len(waiting),
        "sources_without_basis": unknown,
        "open_compartments": sorted(session.keys),
        "devices": [
            {"number": number, "id": device.hex(), "entries": session.ledger.ends()[device].seq + 1}
            for device, number in sorted(session.ledger.numbers().items(), key=lambda item: item[1])
        ],
    }


def unweighed(record: RecordView, assessments: Iterable[Assessment]) -> list[Link]:
    """The contradictions that none of the assessments in force weighs as a pair, in the order they were recorded."""
    found = list(assessments)
    gone = {item.supersedes for item in found if item.supersedes}
    weighed: dict[str, list[set[str]]] = {}
    for item in found:
        if item.handle not in gone:
            together = {*item.claims_for, *item.claims_against}
            for claim in together:
                weighed.setdefault(claim, []).append(together)
    return [link for link in record.contradictions() if not any(link.to in some for some in weighed.get(link.of, ()))]


def search(session: Session, query: str, **options: Any) -> dict[str, Any]:
    """Search the record; see record.search for the options."""
    found = search_record(session.record, query, **options)
    return {"demo": session.demo, "query": query, **asdict(found), "total_text": found.total_text}


def show(session: Session, handle: str, *, reason: str = "") -> dict[str, Any]:
    """One opened person, act, event, source, claim ...; with ``identities`` open and a reason, also what is sealed."""
    place = str(ids.parse(handle))
    record = session.record
    if place.startswith(("C-",)):
        stored = record.claim(place)
        if stored is None:
            raise NothingThere(what=handle)
        return {"demo": session.demo, "claim": _claim(stored), "links": [asdict(item) for item in record.links(place)],
                "assessments": [asdict(item) for item in record.assessments(place)]}  # fmt: skip
    entity = record.entity(place)
    if entity is None:
        raise AnItem(what=place) if session.testimony.item(place) else NothingThere(what=handle)
    masked = entity.kind == "person"
    data: dict[str, Any] = {
        "demo": session.demo,
        "entity": {key: value for key, value in asdict(entity).items() if value not in ("", False)},
        "claims": [_claim(stored, masked=masked) for stored in record.claims(subject=place)],
        "named_in": [_claim(stored, masked=True) for stored in record.claims(value=place)],
        "parts": [item.handle for item in record.entities(parent=place)],
    }
    if entity.kind == "act":
        data["ground"] = [_claim(stored) for stored in record.ground_of(place)]
    if entity.kind == "person":
        data["consents"] = [asdict(item) for item in record.consents(place)]
        if "identities" in session.keys:
            data["sealed"] = sealed_identity(session, place, reason)
    return data


def sealed_identity(session: Session, person: str, reason: str) -> dict[str, Any]:
    """What is sealed about a person; the entry that says so and why is written first. Raises ReasonNeeded, NameInWords."""
    if not reason.strip():
        raise ReasonNeeded
    refuse_names(session, {_("reason"): reason})  # the entry outlives an erasure of the person
    identity = session.identities.identity(person)
    session.note_access("show sealed identity", person, reason)
    return asdict(identity) if identity else {}


def _claim(stored: Any, *, masked: bool = False) -> dict[str, Any]:
    data = {key: value for key, value in asdict(stored.claim).items() if value not in ("", False, 0)}
    if masked and "text" in data:
        data["text"] = ground.mask(data["text"])
    return {**data, "status": stored.status}


def trace(session: Session, what: str) -> dict[str, Any]:
    """Walk back from a handle or an imported row's key to passages, sources, file hashes, entries and signatures."""
    claims = _claims_of(session, what)
    if not claims and ids.is_handle(what.upper()) and session.testimony.item(what.upper()):
        raise AnItem(what=what.upper())
    if not claims:
        raise NothingThere(what=what)
    many = len({stored.claim.passage for stored in claims}) > 1  # one opened passage is shown in full, a list of them is masked
    return {"demo": session.demo, "of": what, "claims": [_traced(session, stored, masked=many) for stored in claims]}


def _claims_of(session: Session, what: str) -> list[Any]:
    record = session.record
    try:
        handle = str(ids.parse(what))
    except BadHandle:
        found = [*record.claims(key_prefix=f"{what}/")]
        for entity in record.by_key(what):
            found += record.claims(passage=entity) if entity.startswith("Q-") else record.claims(subject=entity)
        return list({stored.claim.handle: stored for stored in found}.values())
    kind = ids.parse(handle).kind
    if kind == "claim":
        stored = record.claim(handle)
        return [stored] if stored else []
    if kind == "passage":
        return list(record.claims(passage=handle))
    if kind == "source":
        return list(record.claims(source=handle))
    if kind == "item" and (item := session.testimony.item(handle)) is not None:
        return list(record.claims(source=item.source))
    return list(record.claims(subject=handle))


def _traced(session: Session, stored: Any, *, masked: bool) -> dict[str, Any]:
    claim = stored.claim
    passage = session.testimony.passage(claim.passage) if claim.passage else None
    source = session.record.entity(claim.source) if claim.source else None
    return {
        "claim": _claim(stored),
        "passage": {**asdict(passage), **({"text": ground.mask(passage.text)} if masked else {})} if passage else None,
        "source": {k: v for k, v in asdict(source).items() if v not in ("", False)} if source else None,
        "files": _files(session, stored),
        "entry": entry_proof(session, stored.origin),
    }


def _files(session: Session, stored: Any) -> list[dict[str, Any]]:
    """The sealed files behind a claim: of its source, and of the table it was imported from."""
    claim = stored.claim
    sources = [claim.source] if claim.source else []
    if claim.dataset:
        tables = [e for e in session.record.entities(kind="source") if e.dataset == claim.dataset and e.key.startswith("file:")]
        passage = session.record.entity(claim.passage) if claim.passage else None
        locator = passage.locator if passage else claim.locator
        sources += [e.handle for e in tables if e.label in (locator or "") or not locator]
    return [
        {"source": file.source, "name": file.name, "sha256": file.sha256.hex(), "size": file.size, "blob": file.blob}
        for source in dict.fromkeys(sources)
        for file in session.testimony.files(source)
    ]


def entry_proof(session: Session, origin: Any) -> dict[str, Any]:
    """The entry that carries a part: its hash, signature and signer, checked now."""
    log, placed = session.ledger.locate(Origin(*origin))
    entry = placed.entry
    certificate = session.ledger.certificate(log.device)
    entry.check_signature(certificate.key)
    return {
        "device": certificate.number,
        "seq": entry.header.seq,
        "part": origin[2],
        "sha256": entry.hash.hex(),
        "part_sha256": entry.header.parts[origin[2]].sha256.hex(),
        "claimed_ms": entry.header.claimed,
        "signature": entry.signature.hex(),
        "signed_by": certificate.key.hex(),
        "signature_valid": True,
    }
