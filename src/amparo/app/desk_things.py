"""One opened thing, arranged for a page: its claims by property, who contradicts whom, what names it, what it is part of.

Invariant: what a list may show is decided in ``record.view`` (masked claims, no grounds); here it is only put in order. A
thing with very many claims is shown in several pages.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any, Final

from amparo.app.reading import NothingThere
from amparo.app.session import Session
from amparo.kernel import ids
from amparo.record import ground, vocabulary
from amparo.record.model import Claim
from amparo.record.view import CURRENT, StoredClaim

LIMIT: Final = 100
_VERSIONS: Final = 100  # of one claim that are shown
_FIELDS: Final = tuple(field.name for field in fields(Claim))


def open_thing(session: Session, handle: str, at: int = 1) -> dict[str, Any]:
    """Whatever bears ``handle``, for its page; ``page`` names the template, ``at`` counts pages of claims from 1.

    Raises BadHandle, NothingThere.
    """
    parsed = ids.parse(handle)
    if parsed.kind == "claim":
        return _claim_page(session, str(parsed))
    if parsed.kind == "item":
        raise NothingThere(what=handle)
    if parsed.kind == "link":
        found = session.record.rows("links@1", "id = ?", (str(parsed),))
        if not found:
            raise NothingThere(what=handle)
        return _claim_page(session, found[0][2])
    entity = session.record.entity(str(parsed))
    if entity is None:
        raise NothingThere(what=handle)
    return _thing_page(session, str(parsed), at)


def _thing_page(session: Session, handle: str, at: int) -> dict[str, Any]:
    record = session.record
    entity = record.entity(handle)
    assert entity is not None
    person = entity.kind == "person"
    limit, offset = LIMIT + 1, (at - 1) * LIMIT
    own = record.claims(subject=handle, limit=limit, offset=offset)
    others = record.claims(value=handle, limit=limit, offset=offset)
    told = record.claims(source=handle, limit=limit, offset=offset) if entity.kind == "source" else []
    grounds = record.ground_of(handle) if at == 1 else []
    shown = [*own, *others, *told, *grounds]
    parts = record.entities(parent=handle)
    return {
        "page": "thing",
        "handle": handle,
        "entity": asdict(entity),
        "title": ground.mask(entity.label) if person else entity.label,
        "groups": _groups(session, own[:LIMIT]),
        "grounds": _groups(session, grounds),
        "named_in": [_shown(stored) for stored in others[:LIMIT]],
        "told": [_shown(stored) for stored in told[:LIMIT]],
        "at": at,
        "more": max(len(own), len(others), len(told)) > LIMIT,
        "parts": [asdict(part) for part in parts[:LIMIT] if part.kind != "passage"],
        "passages": [asdict(one) for one in session.testimony.passages(handle)[:LIMIT]] if entity.kind == "source" else [],
        "items": [_item(one) for one in session.testimony.files(handle)[:LIMIT]] if entity.kind == "source" else [],
        "consents": [asdict(one) for one in record.consents(handle)] if person else [],
        "versions": [asdict(one) for one in record.entity_history(handle)][:-1],
        "labels": _labels(session, shown, [entity.parent, *(part.handle for part in parts)]),
    }  # fmt: skip


def _item(item: Any) -> dict[str, Any]:
    return {"handle": item.handle, "name": item.name, "size": item.size, "media_type": item.media_type,
            "sha256": item.sha256.hex(), "added": item.added}  # fmt: skip


def _groups(session: Session, claims: Iterable[StoredClaim]) -> list[dict[str, Any]]:
    """Claims by property in the vocabulary's order: the current ones, those that were replaced, and which contradict."""
    order = {property.id: place for place, property in enumerate(vocabulary.load().properties())}
    groups: dict[str, dict[str, Any]] = {}
    for stored in claims:
        group = groups.setdefault(stored.claim.property, {"property": stored.claim.property, "current": [], "former": []})
        claim = _shown(stored)
        links = session.record.links(stored.claim.handle)
        claim["against"] = sorted({link.to if link.of == stored.claim.handle else link.of for link in links
                                   if link.kind == "contradicts"})  # fmt: skip
        claim["links"] = len(links)
        group["current" if stored.status == CURRENT else "former"].append(claim)
    for group in groups.values():
        group["disputed"] = any(claim["against"] for claim in group["current"])
    return sorted(groups.values(), key=lambda group: order.get(group["property"], len(order)))


def _shown(stored: StoredClaim) -> dict[str, Any]:
    claim = {name: getattr(stored.claim, name) for name in _FIELDS}  # asdict copies deeply, which a hundred claims feel
    return {**claim, "status": stored.status, "masked": stored.masked, "against": []}


def _labels(session: Session, claims: Iterable[StoredClaim], more: Iterable[str] = ()) -> dict[str, str]:
    named = set(more)
    for stored in claims:
        claim = stored.claim
        named.update((claim.subject, claim.value, claim.source, claim.place, claim.speaker))
    return session.record.labels(handle for handle in named if ids.is_handle(handle))


def _claim_page(session: Session, handle: str) -> dict[str, Any]:
    record = session.record
    stored = record.claim(handle)
    if stored is None:
        raise NothingThere(what=handle)
    links = record.links(handle)
    ends = {end for link in links for end in (link.of, link.to)} - {handle}
    others = {end: found for end in sorted(ends) if (found := record.claim(end)) is not None}
    line = line_of(session, handle)
    passage = session.testimony.passage(stored.claim.passage) if stored.claim.passage else None
    return {
        "page": "claim",
        "handle": handle,
        "claim": _shown(stored),
        "passage": asdict(passage) if passage else None,
        "links": [{**asdict(link), "other": _other(link, handle, others)} for link in links],
        "history": [_shown(one) for one in line] if len(line) > 1 else [],
        "assessments": [asdict(one) for one in record.assessments(handle)],
        "newer": record.corrected_by(handle),
        "labels": _labels(session, [stored, *others.values(), *line]),
    }


def _other(link: Any, handle: str, others: Mapping[str, StoredClaim]) -> dict[str, Any] | None:
    other = others.get(link.to if link.of == handle else link.of)
    return _shown(other) if other else None


def line_of(session: Session, handle: str) -> list[StoredClaim]:
    """The versions of one claim, oldest first: what it superseded, itself, and what supersedes it."""
    record = session.record
    first = handle
    for _step in range(_VERSIONS):
        stored = record.claim(first)
        if stored is None or not stored.claim.supersedes or record.claim(stored.claim.supersedes) is None:
            break
        first = stored.claim.supersedes
    line = [first]
    for one in line:
        line += [newer for newer in record.corrected_by(one) if newer not in line][: _VERSIONS - len(line)]
    return [stored for one in line if (stored := record.claim(one)) is not None]
