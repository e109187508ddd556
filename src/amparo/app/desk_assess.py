"""Weighing what contradicts: the queue of contradictions, one of them with what speaks for and against it, and the decision.

Invariants: an assessment is a dated, reasoned entry by somebody; it changes no claim, and a later one supersedes it without
taking it away. A pair waits until one assessment weighs both of its claims. Lists are masked (record.ground); two claims that
are weighed are opened one by one.
"""

from collections.abc import Iterable
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any, Final
from weakref import WeakKeyDictionary

from amparo.app.naming import refuse_names
from amparo.app.people import Empty, NotOneOf, UnknownHandle
from amparo.app.reading import NothingThere, unweighed
from amparo.app.session import Session
from amparo.kernel import ids
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _
from amparo.record import vocabulary
from amparo.record.model import Assessment, Claim, Link
from amparo.record.search import search as search_record
from amparo.record.view import CURRENT, StoredClaim

PAGE: Final = 25
_BESIDE: Final = 20  # claims that say the same, of one side
_LINKED: Final = 40  # claims linked to one of the two
_ALIKE: Final = ("same person as", "same place as")
_STANDARD, _OUTCOME = "standard of proof", "assessment outcome"
_FIELDS: Final = tuple(field.name for field in fields(Claim))

_read: WeakKeyDictionary[Session, tuple[Any, tuple[list[Link], list[Assessment]]]] = WeakKeyDictionary()
"""What waits and what was assessed, as it was when the logs ended there."""


class NothingWeighed(BadInput):
    template = N_("An assessment weighs claims; name at least one for or against the proposition. Nothing was recorded.")


class OnBothSides(BadInput):
    template = N_("{handle} stands for and against the proposition; choose one. Nothing was recorded.")


class NewerAssessment(BadInput):
    template = N_("{handle} was superseded by {newer} meanwhile; look at that one. Nothing was recorded.")


# -- the queue ----------------------------------------------------------------------------------------------------------


def _known(session: Session) -> tuple[list[Link], list[Assessment]]:
    """(pairs that wait, all assessments as a list shows them), read once for each state of the ledger."""
    state = tuple(session.record.positions().items())
    known = _read.get(session)
    if known is None or known[0] != state:
        assessments = session.record.assessments()
        known = _read[session] = state, (unweighed(session.record, assessments), assessments)
    return known[1]


def waiting(session: Session) -> list[Link]:
    """The contradictions that no assessment in force weighs as a pair, in the order they were recorded."""
    return _known(session)[0]


def queue(session: Session, at: int = 1) -> dict[str, Any]:
    """A page of what waits (``at`` from 1), then what was assessed, the newest first, and what is said to be the same."""
    record = session.record
    links, assessments = _known(session)
    shown = links[(at - 1) * PAGE : at * PAGE]
    numbered = record.claims_of(_number(handle) for link in shown for handle in (link.of, link.to) if _number(handle))
    claims = {stored.claim.handle: stored for stored in numbered.values()}
    alike = [hit for name in _ALIKE for hit in search_record(record, "", property=name, status=CURRENT, limit=PAGE).hits]
    gone = {item.supersedes for item in assessments if item.supersedes}
    in_force = [item for item in reversed(assessments) if item.handle not in gone]
    return {
        "pairs": [{"link": asdict(link), **{end: _shown(claims.get(getattr(link, end))) for end in ("of", "to")}}
                  for link in shown],
        "count": len(links), "at": at, "more": len(links) > at * PAGE,
        "assessed": [asdict(item) for item in in_force[:PAGE]] if at == 1 else [], "assessed_count": len(in_force),
        "alike": [asdict(hit) for hit in alike],
        "labels": _labels(session, claims.values(), [word for hit in alike for word in (hit.subject, hit.value, hit.source)]),
    }  # fmt: skip


def _number(handle: str) -> int:
    """A claim's row number, or 0."""
    return ids.parse(handle).packed if handle.startswith("C-") and ids.is_handle(handle) else 0


def _shown(stored: StoredClaim | None) -> dict[str, Any] | None:
    if stored is None:
        return None
    claim = {name: getattr(stored.claim, name) for name in _FIELDS}
    return {**claim, "status": stored.status, "against": []}


def _labels(session: Session, claims: Iterable[StoredClaim], more: Iterable[str] = ()) -> dict[str, str]:
    named = set(more)
    for stored in claims:
        claim = stored.claim
        named.update((claim.subject, claim.value, claim.source, claim.place, claim.speaker))
    return session.record.labels(handle for handle in named if ids.is_handle(handle))


# -- one of them --------------------------------------------------------------------------------------------------------


def pair(session: Session, of: str, to: str) -> dict[str, Any]:
    """Two claims side by side: source, passage, links, who says the same; and all that an assessment of them may weigh.

    Raises BadHandle, UnknownHandle.
    """
    both = [_claim(session, of), _claim(session, to)]
    handles = [stored.claim.handle for stored in both]
    sides = [_side(session, stored, handles) for stored in both]
    linked = list(dict.fromkeys(link["other"]["handle"] for side in sides for link in side["links"] if link["other"]))
    weighed = [asdict(item) for item in _of_both(session, handles)]
    relation = [asdict(link) for link in session.record.links(handles[0]) if {link.of, link.to} == set(handles)]
    others = [stored for handle in linked if (stored := session.record.claim(handle)) is not None]
    same = [stored for side in sides for stored in side.pop("stored")]
    return {
        "handles": handles, "sides": sides, "relation": relation, "assessments": weighed,
        "candidates": [*handles, *(handle for handle in linked if handle not in handles)],
        "labels": _labels(session, [*both, *others, *same]),
    }  # fmt: skip


def _claim(session: Session, handle: str) -> StoredClaim:
    stored = session.record.claim(str(ids.parse(handle)))
    if stored is None:
        raise UnknownHandle(handle=handle)
    return stored


def _side(session: Session, stored: StoredClaim, pair_: list[str]) -> dict[str, Any]:
    claim = stored.claim
    source = session.record.entity(claim.source) if claim.source else None
    passage = session.testimony.passage(claim.passage) if claim.passage else None
    links = []
    for link in session.record.links(claim.handle)[:_LINKED]:
        other = link.to if link.of == claim.handle else link.of
        if other not in pair_:
            found = session.record.claims_of([_number(other)]) if _number(other) else {}
            links.append({**asdict(link), "to_this": link.to == claim.handle,
                          "other": _shown(next(iter(found.values()), None))})  # fmt: skip
    same = _saying_the_same(session, claim, pair_)
    return {
        "claim": _shown(stored), "source": asdict(source) if source else None, "passage": asdict(passage) if passage else None,
        "links": links, "same": [_shown(one) for one in same], "stored": same,
        "sources": len({one.claim.source for one in same} - {claim.source, ""}),
    }  # fmt: skip


def _saying_the_same(session: Session, claim: Claim, but: list[str]) -> list[StoredClaim]:
    """Current claims that say the same of the same thing, out of any source. Masked where a list is."""
    if not claim.value:
        return []
    found = session.record.claims(subject=claim.subject, limit=500)
    return [one for one in found if one.status == CURRENT and one.claim.handle not in but
            and (one.claim.property, one.claim.value, one.claim.polarity) == (claim.property, claim.value, claim.polarity)
            ][:_BESIDE]  # fmt: skip


def _of_both(session: Session, handles: list[str]) -> list[Assessment]:
    return [item for item in session.record.assessments(handles[0]) if handles[1] in (*item.claims_for, *item.claims_against)]


def opened(session: Session, handle: str) -> dict[str, Any]:
    """One assessment with the claims it weighs, what it supersedes and what superseded it. Raises BadHandle, NothingThere."""
    item = session.record.assessment(str(ids.parse(handle)))
    if item is None:
        raise NothingThere(what=handle)
    sides = [[stored for claim in side if (stored := session.record.claim(claim)) is not None]
             for side in (item.claims_for, item.claims_against)]  # fmt: skip
    return {
        "handle": item.handle, "assessment": asdict(item), "for": [_shown(one) for one in sides[0]],
        "against": [_shown(one) for one in sides[1]], "newer": _newer(session, item.handle),
        "labels": _labels(session, [*sides[0], *sides[1]]),
    }  # fmt: skip


def _newer(session: Session, handle: str) -> list[str]:
    return [one.handle for one in _known(session)[1] if one.supersedes == handle]


def choices() -> dict[str, list[tuple[str, str]]]:
    """The terms of a form: (id, label) of standards of proof, lowest first, and of outcomes."""
    terms = vocabulary.load()
    return {name: [(id, terms.label(list_, id)) for id in terms.terms(list_)]
            for name, list_ in (("standard", _STANDARD), ("outcome", _OUTCOME))}  # fmt: skip


# -- the decision -------------------------------------------------------------------------------------------------------


def assess(
    session: Session, *, proposition: str, standard: str, outcome: str, reasons: str, assessor: str,
    claims_for: Iterable[str] = (), claims_against: Iterable[str] = (), supersedes: str = "",
) -> str:  # fmt: skip
    """Record an assessment of today and return its handle; ``assessor`` a role or a code, which a dossier prints.

    Raises Empty, NotOneOf, UnknownHandle, NothingWeighed, OnBothSides, NewerAssessment, NameInWords.
    """
    texts = {_("proposition"): proposition, _("reasons"): reasons, _("assessor"): assessor}
    for name, text in texts.items():
        if not text.strip():
            raise Empty(field=name)
    for what, list_, term in ((N_("standard of proof"), _STANDARD, standard), (N_("outcome"), _OUTCOME, outcome)):
        if not vocabulary.load().has_term(list_, term):
            raise NotOneOf(value=term, what=_(what), choices=", ".join(vocabulary.load().terms(list_)))
    sides = [list(dict.fromkeys(_claim(session, handle).claim.handle for handle in side))
             for side in (claims_for, claims_against)]  # fmt: skip
    if not any(sides):
        raise NothingWeighed
    if both := next((handle for handle in sides[0] if handle in sides[1]), ""):
        raise OnBothSides(handle=both)
    older = _superseded(session, supersedes) if supersedes else ""
    refuse_names(session, texts)
    today = datetime.now(UTC).date().isoformat()
    with session.change() as change:
        handle = change.allocate("assessment")
        words = (proposition.strip(), standard, outcome, reasons.strip(), assessor.strip())
        row = Assessment(handle, *words, today, sides[0], sides[1], older)
        change.put("record", Assessment.TYPE, [row.to_row()])
    return handle


def _superseded(session: Session, handle: str) -> str:
    known = session.record.assessment(str(ids.parse(handle)))
    if known is None:
        raise UnknownHandle(handle=handle)
    if newer := _newer(session, known.handle):
        raise NewerAssessment(handle=known.handle, newer=", ".join(newer))
    return known.handle
