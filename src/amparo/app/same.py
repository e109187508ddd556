"""The same person, or not: decisions about two handles.

Invariants: nobody is merged; that two handles are one person, or are not, is a claim with a reason, by a person, and a later
entry takes it back; what was decided here never contradicts itself. Comparing is ``app.same_compare``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from amparo.app.naming import refuse_names
from amparo.app.people import Empty, require
from amparo.app.session import Session, now_ms
from amparo.kernel.errors import BadInput, NotFound
from amparo.kernel.i18n import N_, _
from amparo.record.model import AFFIRMED, DENIED, Claim, Link
from amparo.record.view import CURRENT

PROPERTY: Final = "same person as"


class SamePersonTwice(BadInput):
    template = N_("{handle} is one person anyway; name two handles.")


class DecidedAlready(BadInput):
    template = N_(
        "{one} and {two} were decided about in {claim}; undo that first with `amparo same undo {claim}`. Nothing was recorded."
    )


class DecisionsClash(BadInput):
    template = N_(
        "That contradicts earlier decisions: by a chain of them {one} and {two} are one person, and by another they are not. "
        "Undo one of them with `amparo same undo`. Nothing was recorded."
    )


class NoDecision(NotFound):
    template = N_("{handle} is no decision in force about who is the same person; `amparo same queue` lists those that are.")


@dataclass(frozen=True, slots=True)
class Decision:
    """A claim in force that ``one`` and ``two`` are the same person or are not. ``ours``: decided here, not said by a
    source.
    """

    claim: str
    one: str
    two: str
    same: bool
    why: str
    ours: bool


def decisions(session: Session, persons: Iterable[str]) -> list[Decision]:
    """What is in force between persons: decided here, or said by a source; a decision made here outweighs what a source
    says.
    """
    found: dict[tuple[str, str], Decision] = {}
    for person in persons:
        for stored in session.record.claims(subject=person):
            claim = stored.claim
            if claim.property != PROPERTY or stored.status != CURRENT or not claim.value:
                continue
            one, two = sorted((claim.subject, claim.value))
            made = Decision(claim.handle, one, two, claim.polarity == AFFIRMED, claim.text, not claim.source)
            known = found.get((one, two))
            if known is None or (made.ours and not known.ours):
                found[one, two] = made
    return list(found.values())


def two_persons(session: Session, one: str, two: str) -> tuple[str, str]:
    """The handles of two different persons, sorted. Raises UnknownHandle, SamePersonTwice."""
    one, two = sorted((require(session, one, "person"), require(session, two, "person")))
    if one == two:
        raise SamePersonTwice(handle=one)
    return one, two


def decide(session: Session, one: str, two: str, *, same: bool, why: str) -> str:
    """Record that two handles are one person, or are not; both stay as they are. Returns the claim's handle.

    Raises UnknownHandle, SamePersonTwice, Empty, NameInWords, DecidedAlready, DecisionsClash.
    """
    one, two = two_persons(session, one, two)
    if not why.strip():
        raise Empty(field=_("reason"))
    refuse_names(session, {_("reason"): why})
    persons = [person.handle for person in session.record.entities(kind="person")]
    with session.change() as change:
        known = decisions(session, persons)
        for found in known:
            if found.ours and (found.one, found.two) == (one, two):
                raise DecidedAlready(one=one, two=two, claim=found.claim)
        _check([*known, Decision("", one, two, same, "", ours=True)])
        handle = change.allocate("claim")
        claim = Claim(
            handle, one, PROPERTY, two, why.strip(), polarity=AFFIRMED if same else DENIED, access="inferred",
            voluntariness="free", stance="finding", person=one, recorded=now_ms(),
        )  # fmt: skip
        change.put("record", Claim.TYPE, [claim.to_row()])
    return handle


def _check(all_: list[Decision]) -> None:
    """Raises DecisionsClash where what was decided here contradicts itself; a source's denial gives way."""
    head: dict[str, str] = {}

    def first(handle: str) -> str:
        while head.get(handle, handle) != handle:
            handle = head[handle]
        return handle

    ours = [found for found in all_ if found.ours]
    for found in ours:
        if found.same:
            head[first(found.one)] = first(found.two)
    for found in ours:
        if not found.same and first(found.one) == first(found.two):
            raise DecisionsClash(one=found.one, two=found.two)


def undo(session: Session, decision: str, why: str) -> str:
    """Take a decision back by a new entry that says why; the decision stays readable. Returns the new claim's handle.

    Raises UnknownHandle, NoDecision, Empty, NameInWords.
    """
    decision = require(session, decision, "claim")
    if not why.strip():
        raise Empty(field=_("reason"))
    refuse_names(session, {_("reason"): why})
    with session.change() as change:
        stored = session.record.claim(decision)
        if stored is None or stored.claim.property != PROPERTY or stored.status != CURRENT or stored.claim.source:
            raise NoDecision(handle=decision)
        handle, between = change.allocate("claim"), change.allocate("link")
        said = Claim(handle, stored.claim.subject, "statement", text=why.strip(), access="inferred", voluntariness="free",
                     stance="finding", person=stored.claim.person, recorded=now_ms())  # fmt: skip
        change.put("record", Claim.TYPE, [said.to_row()])
        change.put("record", Link.TYPE, [Link(between, "retracts", handle, decision, why.strip()).to_row()])
    return handle
