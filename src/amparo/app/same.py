"""The same person? Registered persons compared by their sealed names and by what the record tells of them.

Invariants: names are compared in memory alone, by whoever holds the key of ``identities``; what leaves here are handles, words
of agreement and weights. Nobody is merged: that two handles are one person, or are not, is a claim with a reason, by a person,
and a later entry takes it back. Grounds are no field of the comparison, and everything of the record is read masked.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from amparo.app.naming import refuse_names
from amparo.app.people import Empty, require
from amparo.app.reading import sealed_identity
from amparo.app.session import Session, check_stop, now_ms
from amparo.kernel import dates
from amparo.kernel.errors import BadDate, BadInput, NotFound
from amparo.kernel.i18n import N_, _
from amparo.record.model import AFFIRMED, DENIED, Claim, Entity, Identity, Link
from amparo.record.view import CURRENT, StoredClaim
from amparo.verify import choose, explain
from amparo.verify.clusterings import sample
from amparo.verify.clusters import ContradictoryDecisions, Graph, cluster, graph
from amparo.verify.linkage import Pairs, link, probability, within
from amparo.verify.names import parse
from amparo.verify.reports import Report, span, table

PROPERTY: Final = "same person as"
MOST_PERSONS: Final = 100_000
_CERTAIN: Final = 3.3  # bits: clusters are shown from odds of ten to one
_DRAWS: Final = 200
_SEED: Final = 1
_STRUCK: Final = ("died", "victim", "affected", "last seen")
"""Properties that date what befell a person, the surest first."""

Stage = Callable[[str], None]


class TooManyPersons(BadInput):
    template = N_(
        "{count} persons are too many to compare here; {most} is the most. Compare them with `amparo.verify` on a server."
    )


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


@dataclass(frozen=True, slots=True)
class Compared:
    """All persons compared: ``handles`` by row number, the pairs worth a look, and what is decided between them."""

    handles: list[str]
    pairs: Pairs
    graph: Graph
    decided: list[Decision]

    def surer(self, bits: float) -> Graph:
        """The graph with a margin: pairs must be surer by so many bits."""
        data = self.graph
        return Graph(data.count, data.left, data.right, data.weight - bits, data.lists, data.same, data.different)


# -- what the record tells of a person -----------------------------------------------------------------------------------


def _reports(session: Session) -> Iterator[tuple[str, Report]]:
    persons = session.record.entities(kind="person")
    if len(persons) > MOST_PERSONS:
        raise TooManyPersons(count=len(persons), most=MOST_PERSONS)
    sealed = {identity.person: identity for identity in session.identities.all()}
    parents = {place.handle: place.parent for place in session.record.entities(kind="place")}
    for person in persons:
        check_stop()
        identity = sealed.get(person.handle)
        written = _written(person, identity)
        if written:
            yield person.handle, _report(session, person, identity, written, parents)


def _written(person: Entity, identity: Identity | None) -> str:
    """The name to compare by: the longest sealed one; of an official of published sources the published one."""
    names = [name.text for name in identity.names if name.kind == "name"] if identity else []
    names = names or [name.text for name in identity.names] if identity else names
    return max(names, key=lambda text: (len(text.split()), len(text)), default=person.label if person.official else "")


def _report(session: Session, person: Entity, identity: Identity | None, written: str, parents: dict[str, str]) -> Report:
    name = parse(written)
    day, place = _befell(session, person.handle)
    given, father, grandfather, family = (" ".join(part) for part in (name.given, name.father, name.grandfather, name.family))
    return Report(
        source=person.dataset, given=given, father=father, grandfather=grandfather, family=family,
        born=_span(identity.birth) if identity else None, day=day, place=place, region=parents.get(place) or place,
    )  # fmt: skip


def _befell(session: Session, person: str) -> tuple[tuple[int, int] | None, str]:
    """(first and last day, place) of what befell a person, by the surest claim that tells them."""
    record = session.record
    found = (*record.claims(subject=person), *record.claims(value=person))
    told = [stored.claim for stored in found if stored.status == CURRENT]
    told = [claim for claim in told if claim.property in _STRUCK and claim.polarity == AFFIRMED]
    told.sort(key=lambda claim: _STRUCK.index(claim.property))
    days: list[tuple[int, int]] = []
    places: list[str] = []
    for claim in told:
        about = record.entity(claim.subject) if claim.subject != person else None
        when = claim.value if claim.property == "last seen" else claim.valid or (about.date if about else "")
        days += [day] if (day := _span(when)) else []
        places += [place] if (place := claim.place or (_place(record.claims(subject=about.handle)) if about else "")) else []
    return (days[0] if days else None), (places[0] if places else "")


def _place(claims: Iterable[StoredClaim]) -> str:
    return next((stored.claim.place for stored in claims if stored.claim.place and stored.status == CURRENT), "")


def _span(text: str) -> tuple[int, int] | None:
    try:
        return span(dates.parse(text)) if text else None
    except BadDate:
        return None


# -- comparing ----------------------------------------------------------------------------------------------------------


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


def compare(session: Session, stage: Stage = lambda _name: None) -> Compared:
    """Compare all persons that have a name. Raises CompartmentLocked, TooManyPersons, DecisionsClash.

    An entry says that it was done, before anything is compared.
    """
    session.key("identities")
    session.note_access("compare sealed identities", "", PROPERTY)
    stage(_("reading"))
    rows = list(_reports(session))
    handles = [handle for handle, _report in rows]

    def going(name: str) -> None:
        session.keep_alive()
        stage(name)

    pairs, _model = link(table([report for _handle, report in rows]), seed=_SEED, stage=going)
    number = {handle: at for at, handle in enumerate(handles)}
    decided = [one for one in decisions(session, handles) if one.one in number and one.two in number]
    same = [(number[one.one], number[one.two]) for one in decided if one.same and one.ours]
    different = [(number[one.one], number[one.two]) for one in decided if not one.same]
    try:
        data = graph(len(handles), pairs.left, pairs.right, pairs.weight, same=same, different=different)
    except ContradictoryDecisions as error:
        raise DecisionsClash(one=handles[_row(error, "one")], two=handles[_row(error, "two")]) from None
    return Compared(handles, pairs, data, decided)


def _row(error: ContradictoryDecisions, which: str) -> int:
    return int(str(error.facts[which]))


def find(session: Session, stage: Stage = lambda _name: None) -> dict[str, Any]:
    """Who may be one person: clusters of handles, each with the link that holds it worst and why; what is decided; counts."""
    compared = compare(session, stage)
    number = cluster(compared.surer(_CERTAIN))
    order = np.argsort(number, kind="stable")
    groups = [group for group in np.split(order, np.flatnonzero(np.diff(number[order])) + 1) if len(group) > 1]
    shown = [_cluster(compared, group) for group in groups]
    shown.sort(key=lambda one: (-one["weight"] if one["weight"] is not None else -1e9, one["persons"]))
    return {
        "demo": session.demo, "clusters": shown, "compared": len(compared.handles), "pairs": compared.pairs.looked_at,
        "left_out": compared.pairs.left_out, "decided": [asdict(one) for one in compared.decided],
    }  # fmt: skip


def _cluster(compared: Compared, group: np.ndarray[Any, np.dtype[np.int64]]) -> dict[str, Any]:
    at = explain.weakest(compared.pairs, group)
    persons = [compared.handles[row] for row in group]
    shown: dict[str, Any] = {"persons": persons, "weight": None, "probability": None, "why": ""}
    if at is not None:
        ends = [compared.handles[rows[at]] for rows in (compared.pairs.left, compared.pairs.right)]
        why = explain.sentence(explain.reasons(compared.pairs, at))
        shown |= {**_odds(compared.pairs, at), "why": why, "held_by": ends}
    return shown


def _odds(pairs: Pairs, at: int) -> dict[str, Any]:
    return {"weight": round(float(pairs.weight[at]), 2), "probability": round(float(probability(pairs.weight[[at]])[0]), 4)}


def queue(session: Session, most: int = 25, stage: Stage = lambda _name: None) -> dict[str, Any]:
    """The pairs to ask a person about, the one whose answer teaches most first, and the decisions in force."""
    compared = compare(session, stage)
    stage(_("choosing"))
    asked = choose.questions(compared.graph, sample(compared.graph, _DRAWS, _SEED), most)
    shown = []
    for one in asked:
        at = _at(compared.pairs, one.left, one.right)
        persons = [compared.handles[one.left], compared.handles[one.right]]
        why = explain.sentence(explain.reasons(compared.pairs, at)) if at is not None else ""
        shown.append({"persons": persons, "probability": round(one.probability, 3), "teaches": one.teaches, "why": why})
    return {"demo": session.demo, "questions": shown, "decided": [asdict(one) for one in compared.decided]}


def _at(pairs: Pairs, one: int, two: int) -> int | None:
    found = np.flatnonzero((pairs.left == min(one, two)) & (pairs.right == max(one, two)))
    return int(found[0]) if len(found) else None


def show(session: Session, one: str, two: str, *, reason: str = "", stage: Stage = lambda _name: None) -> dict[str, Any]:
    """Two persons: what agrees with which weight, what was decided; with a ``reason`` also what is sealed of both.

    Raises UnknownHandle, SamePersonTwice and what ``compare`` raises.
    """
    one, two = _two(session, one, two)
    compared = compare(session, stage)
    number = {handle: at for at, handle in enumerate(compared.handles)}
    at = _at(compared.pairs, number[one], number[two]) if one in number and two in number else None
    shown: dict[str, Any] = {
        "demo": session.demo, "persons": [one, two], "weight": None, "probability": None, "reasons": [],
        "decided": [asdict(found) for found in compared.decided if {found.one, found.two} == {one, two}],
        "compared": [handle in number for handle in (one, two)],
    }  # fmt: skip
    if at is not None:
        chosen = within(compared.pairs, np.arange(len(compared.pairs.left)) == at)
        shown |= {**_odds(chosen, 0), "reasons": [asdict(found) for found in explain.reasons(chosen, 0)]}
    if reason.strip():
        shown["sealed"] = {handle: sealed_identity(session, handle, reason) for handle in (one, two)}
    return shown


# -- deciding -----------------------------------------------------------------------------------------------------------


def _two(session: Session, one: str, two: str) -> tuple[str, str]:
    one, two = sorted((require(session, one, "person"), require(session, two, "person")))
    if one == two:
        raise SamePersonTwice(handle=one)
    return one, two


def decide(session: Session, one: str, two: str, *, same: bool, why: str) -> str:
    """Record that two handles are one person, or are not; both stay as they are. Returns the claim's handle.

    Raises UnknownHandle, SamePersonTwice, Empty, NameInWords, DecidedAlready, DecisionsClash.
    """
    one, two = _two(session, one, two)
    if not why.strip():
        raise Empty(field=_("reason"))
    refuse_names(session, {_("reason"): why})
    persons = [person.handle for person in session.record.entities(kind="person")]
    with session.change() as change:
        known = decisions(session, persons)
        for found in known:
            if found.ours and (found.one, found.two) == (one, two):
                raise DecidedAlready(one=one, two=two, claim=found.claim)
        _check(persons, [*known, Decision("", one, two, same, "", ours=True)])
        handle = change.allocate("claim")
        claim = Claim(
            handle, one, PROPERTY, two, why.strip(), polarity=AFFIRMED if same else DENIED, access="inferred",
            voluntariness="free", stance="finding", person=one, recorded=now_ms(),
        )  # fmt: skip
        change.put("record", Claim.TYPE, [claim.to_row()])
    return handle


def _check(persons: list[str], all_: list[Decision]) -> None:
    """Raises DecisionsClash where what was decided here contradicts itself; a source's denial gives way."""
    number = {handle: at for at, handle in enumerate(persons)}
    ours = [(number[found.one], number[found.two], found.same) for found in all_ if found.ours]
    none = np.empty(0, np.int64)
    try:
        graph(len(persons), none, none, np.empty(0), same=[(a, b) for a, b, same in ours if same],
              different=[(a, b) for a, b, same in ours if not same])  # fmt: skip
    except ContradictoryDecisions as error:
        raise DecisionsClash(one=persons[_row(error, "one")], two=persons[_row(error, "two")]) from None


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
