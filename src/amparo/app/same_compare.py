"""The same person? Registered persons compared by their sealed names and by what the record tells of them.

Invariants: names are compared in memory alone, by whoever holds the key of ``identities``; what leaves here are handles,
words of agreement and weights. Nobody is merged. Grounds are no field of the comparison, and everything of the
record is read masked.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from amparo.app.reading import sealed_identity
from amparo.app.same import PROPERTY, Decision, DecisionsClash, decisions, two_persons
from amparo.app.session import Session, check_stop
from amparo.kernel import dates
from amparo.kernel.errors import BadDate, BadInput
from amparo.kernel.i18n import N_, _
from amparo.record.model import AFFIRMED, Entity, Identity
from amparo.record.view import CURRENT, StoredClaim
from amparo.verify import choose, explain
from amparo.verify.clusterings import sample
from amparo.verify.clusters import ContradictoryDecisions, Graph, cluster, graph
from amparo.verify.linkage import Pairs, link, probability, within
from amparo.verify.names import forget, parse
from amparo.verify.reports import Report, span, table

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
    forget()
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


def clusterings(session: Session, draws: int, seed: int, stage: Stage = lambda _name: None) -> list[dict[str, int]]:
    """Sampled answers to who is the same person: in each, handle -> number of its cluster; for ``estimates.count``.

    Raises what ``compare`` raises.
    """
    compared = compare(session, stage)
    drawn = sample(compared.graph, draws, seed)
    return [dict(zip(compared.handles, (int(number) for number in row), strict=True)) for row in drawn]


def _at(pairs: Pairs, one: int, two: int) -> int | None:
    found = np.flatnonzero((pairs.left == min(one, two)) & (pairs.right == max(one, two)))
    return int(found[0]) if len(found) else None


def show(session: Session, one: str, two: str, *, reason: str = "", stage: Stage = lambda _name: None) -> dict[str, Any]:
    """Two persons: what agrees with which weight, what was decided; with a ``reason`` also what is sealed of both.

    Raises UnknownHandle, SamePersonTwice and what ``compare`` raises.
    """
    one, two = two_persons(session, one, two)
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
