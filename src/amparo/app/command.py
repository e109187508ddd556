"""The chain of command above an act, an event, a unit or a place, with the claims it rests on.

Invariants: persons appear by handle, never by a name, and only as alleged perpetrators or as those who are said to stand above
them; affected persons and witnesses are never looked up. What is asked of the record is bounded, whatever its size.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Final

from amparo.analysis import command as analysis
from amparo.analysis import tenure
from amparo.analysis.command import Edge, Gap, Telling
from amparo.analysis.tenure import Days
from amparo.app.desk_remembered import Remembered
from amparo.app.doubts import doubts
from amparo.app.reading import NothingThere
from amparo.app.session import Session
from amparo.app.superiors import superiors
from amparo.kernel import dates, ids
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _
from amparo.record import aggregates
from amparo.record.aggregates import Told
from amparo.record.bulk import Said
from amparo.record.model import AFFIRMED, DENIED
from amparo.record.view import CURRENT, StoredClaim
from amparo.verify import corroboration

CENTRES: Final = ("event", "act", "group", "place")
PERPETRATOR: Final = "perpetrator"
_RELATIONS: Final = 50_000  # claims of command looked at in all
_ACTS: Final = 200  # acts of an event
_CLAIMS: Final = 400  # claims of an act
LED: Final = ("carried out", "ordered", "led", "guarded", "in charge of the place", "in command")
"""Degrees of involvement from which the chain is climbed as from who did it."""
_PLACES: Final = ("place of detention", "taken to", "taken from")
_WIDE: Final = ("country", "region", "continent", "abroad", "online", "city", "village")
"""Types of places that are an area: who uses a town says nothing on an act in it."""
_NO_UNITS: Final = ("family", "affected persons", "witnesses", "defenders", "public", "news organisation",
                    "civil society organisation")  # fmt: skip
"""Types of groups that stand in no chain of command."""
_DATED: Final = ("occurred", "type of act", "event type", "perpetrator")


class NoChainOfCommand(BadInput):
    template = N_(
        "A chain of command stands above an event, an act, a unit or a place; {handle} is none of these. Write for instance "
        "`amparo command E-0001`, or `amparo command G-0001 --at 2017-03`."
    )


@dataclass(slots=True)
class Deed:
    """What is asked about: who is said to have done it, where, when.

    ``alleged``: party -> claims that it did it; ``parts``: party -> claim -> degree of another involvement; ``date`` as it
    stands in the record.
    """

    of: str
    date: str = ""
    at: Days = (None, None)
    alleged: dict[str, list[str]] = field(default_factory=dict)
    parts: dict[str, dict[str, str]] = field(default_factory=dict)
    places: list[str] = field(default_factory=list)
    areas: list[str] = field(default_factory=list)
    acts: int = 0
    acts_left_out: int = 0


def _relations(session: Session) -> tuple[list[Told], bool]:
    found = aggregates.told_by_property(session.record, tuple(analysis.RELATIONS), _RELATIONS + 1)
    return found[:_RELATIONS], len(found) > _RELATIONS


_told = Remembered(_relations)


def command(session: Session, handle: str, *, at: str = "") -> dict[str, Any]:
    """Who stood above the units said to have done an act, or above a unit or place, at its date or at the partial date ``at``.

    Raises BadHandle, NothingThere, NoChainOfCommand, BadDate.
    """
    deed = _deed(session, str(ids.parse(handle)), at)
    relations, cut = _told(session)
    led = [party for party, degrees in deed.parts.items() if set(degrees.values()) & set(LED)]
    seeds = [*_units(session, (*deed.alleged, *led)), *deed.places]
    if deed.of[:1] == "G":
        seeds = [deed.of]
    chain = analysis.chain(_tellings(session, relations, {*seeds, *deed.areas}), seeds, deed.at, areas=deed.areas)
    shown = {deed.of, *deed.alleged, *deed.parts, *deed.places, *deed.areas, *chain.levels,
             *(edge.upper for edge in chain.elsewhere)}  # fmt: skip
    named = aggregates.named(session.record, shown)
    found = superiors(session, chain, deed.at, deed.alleged, deed.parts)
    return {
        "demo": session.demo, "of": deed.of, "date": deed.date, "days": _iso(deed.at), "acts": deed.acts,
        "acts_left_out": deed.acts_left_out, "places": deed.places, "areas": deed.areas,
        "alleged": [{"party": party, "claims": claims} for party, claims in deed.alleged.items()],
        "parts": [{"party": party, "degree": degree, "claim": claim}
                  for party, degrees in deed.parts.items() for claim, degree in degrees.items()],
        "levels": dict(chain.levels), "edges": [_edge(edge) for edge in chain.edges],
        "elsewhere": [_edge(edge) for edge in chain.elsewhere],
        "gaps": [{**asdict(gap), "first": _day(gap.first), "last": _day(gap.last), "sentence": gap_sentence(gap)}
                 for gap in chain.gaps],
        "missing": missing(chain.gaps),
        "overlaps": [{**asdict(one), "first": _day(one.first), "last": _day(one.last)} for one in chain.overlaps],
        "circles": [list(circle) for circle in chain.circles], "superiors": found, "left_out": chain.left_out, "cut": cut,
        "labels": {node: thing.label for node, thing in named.items() if thing.label},
        "kinds": {node: thing.kind for node, thing in named.items()},
    }  # fmt: skip


def _units(session: Session, parties: Iterable[str]) -> list[str]:
    """Persons and units, without groups that nobody commands."""
    known = aggregates.named(session.record, parties)
    return [party for party in dict.fromkeys(parties) if party in known and known[party].type not in _NO_UNITS]


# -- the act ------------------------------------------------------------------------------------------------------------


def _deed(session: Session, handle: str, at: str) -> Deed:
    entity = session.record.entity(handle)
    if entity is None:
        raise NothingThere(what=handle)
    if entity.kind not in CENTRES:
        raise NoChainOfCommand(handle=handle)
    deed = Deed(handle, date=at or (entity.date if entity.kind in ("event", "act") else ""))
    if entity.kind == "place":
        deed.places.append(handle)
    told: list[StoredClaim] = []
    if entity.kind in ("event", "act"):
        acts = session.record.entities(parent=handle) if entity.kind == "event" else []
        acts = [act for act in acts if act.kind == "act"]
        deed.acts, deed.acts_left_out = len(acts), max(0, len(acts) - _ACTS)
        for subject in (handle, *(act.handle for act in acts[:_ACTS])):
            told += [one for one in session.record.claims(subject=subject, limit=_CLAIMS) if one.status == CURRENT]
            _involved(session, deed, subject)
        _gather(session, deed, told)
        deed.date = deed.date or _hull([one.claim.valid for one in told if one.claim.property in _DATED and one.claim.valid])
    deed.areas = _areas(session, deed)
    if deed.date:
        known = dates.parse(deed.date)
        deed.date, deed.at = known.text, known.days()
    return deed


def _gather(session: Session, deed: Deed, told: Iterable[StoredClaim]) -> None:
    """Who is said to have done it, and where."""
    places: dict[str, None] = {}
    for stored in told:
        claim = stored.claim
        if claim.property == PERPETRATOR and ids.is_handle(claim.value):
            deed.alleged.setdefault(claim.value, []).append(claim.handle)
        if claim.property in _PLACES and claim.polarity == AFFIRMED:
            places[claim.value] = None
        if claim.place and claim.property in _DATED:
            places[claim.place] = None
    known = aggregates.named(session.record, places)
    deed.places = [place for place in places if place in known and known[place].type not in _WIDE]
    deed.areas = [place for place in places if place in known and known[place].type in _WIDE]


def _involved(session: Session, deed: Deed, subject: str) -> None:
    """Who is said to have had another part in an act or event, and which."""
    for link in aggregates.told_of(session.record, subject, ("involved in",), _CLAIMS)[0]:
        asked = ("involved party", "degree of involvement")
        told = [one for one in aggregates.told_of(session.record, link.subject, asked, _CLAIMS)[0] if one.polarity == AFFIRMED]
        degrees = {one.handle: one.value for one in told if one.property == "degree of involvement"}
        for one in told:
            if one.property == "involved party":
                deed.parts.setdefault(one.value, {}).update(degrees or {one.handle: ""})


def _areas(session: Session, deed: Deed) -> list[str]:
    """The wider places around the places, the nearest first."""
    found = dict.fromkeys(deed.areas)
    waiting = [*deed.places, *deed.areas]
    while waiting:
        place = session.record.entity(waiting.pop(0))
        if place is not None and place.parent.startswith("L-") and place.parent not in found:
            found[place.parent] = None
            waiting.append(place.parent)
    return [place for place in found if place not in deed.places]


def _hull(valid: Sequence[str]) -> str:
    """The partial date that spans some partial dates, where each has both ends."""
    known = [aggregates.first_and_last(one) for one in valid]
    firsts = [one[0] for one in known if one and one[0] is not None]
    lasts = [one[1] for one in known if one and one[1] is not None]
    return f"{_day(min(firsts))}/{_day(max(lasts))}" if firsts and lasts else ""


# -- the tellings -------------------------------------------------------------------------------------------------------


def _tellings(session: Session, relations: Sequence[Told], seeds: set[str]) -> list[Telling]:
    """The claims of command that can lie above the seeds, each with its source's date and what is said against it."""
    by_lower: dict[str, list[tuple[str, Told]]] = {}
    for one in relations:
        upper, lower = (one.subject, one.value) if analysis.RELATIONS[one.property] == "subject" else (one.value, one.subject)
        if ids.is_handle(upper) and ids.is_handle(lower):
            by_lower.setdefault(lower, []).append((upper, one))
    reached, waiting, found = set(seeds), list(seeds), []
    while waiting and len(reached) <= analysis.NODES * 4:
        lower = waiting.pop(0)
        for upper, one in by_lower.get(lower, ()):
            found.append((upper, lower, one))
            if upper not in reached:
                reached.add(upper)
                waiting.append(upper)
    using = set(_units(session, {upper for upper, _lower, one in found if one.property == "used by"}))
    found = [(upper, lower, one) for upper, lower, one in found
             if one.property != "used by" or (upper in using and upper.startswith("G-"))]  # fmt: skip
    handles = [one.handle for _upper, _lower, one in found]
    links = aggregates.links_of(session.record, handles) if handles else []
    against = doubts(links, handles)
    ties = [(link.of, link.to) for link in links if link.kind == "same origin"]
    told = [Said(one.handle, one.subject, one.property, source=one.source, speaker=one.speaker) for _up, _low, one in found]
    common = {claim: origin.claims[0] for origin in corroboration.origins(told, ties) for claim in origin.claims}
    sources = aggregates.named(session.record, {one.source for _upper, _lower, one in found})
    access = {stored.claim.handle: stored.claim.access
              for stored in session.record.claims_of(ids.parse(handle).packed for handle in handles).values()}  # fmt: skip
    return [
        Telling(
            one.handle, upper, lower, one.property, one.valid, sources[one.source].date if one.source in sources else "",
            one.source, common[one.handle], paper=one.stance == "official" or access.get(one.handle) == "document",
            denied=one.polarity == DENIED, doubts=against.get(one.handle, ()),
        )
        for upper, lower, one in found
    ]  # fmt: skip


# -- for show -----------------------------------------------------------------------------------------------------------


def _edge(edge: Edge) -> dict[str, Any]:
    return {
        "upper": edge.upper, "lower": edge.lower, "property": edge.by, "standing": edge.standing, "bases": list(edge.bases),
        "origins": edge.origins, "doubted": edge.doubted,
        "claims": [_telling(one) for one in edge.tellings],
    }  # fmt: skip


def _telling(one: Telling) -> dict[str, Any]:
    read = one.tenure
    return {
        "handle": one.claim, "valid": one.valid, "source": one.source, "basis": analysis.PAPER if one.paper else analysis.TOLD,
        "denied": one.denied, "doubts": list(one.doubts), "certain": _iso(read.certain) if read and read.certain else None,
        "possible": _iso(read.possible) if read else None,
    }  # fmt: skip


def missing(gaps: Iterable[Gap]) -> list[str]:
    """The gaps in sentences, those that differ in nothing but whom they concern together."""
    together: dict[tuple[str, str, int | None, int | None, int], list[str]] = {}
    for gap in gaps:
        together.setdefault((gap.node[:1], gap.kind, gap.first, gap.last, gap.undated), []).append(gap.node)
    return [gap_sentence(Gap(", ".join(nodes), *key[1:])) for key, nodes in together.items()]


def gap_sentence(gap: Gap) -> str:
    """What is missing, in words."""
    if gap.node.startswith("P-"):
        text = _("No unit or superior of {node} is recorded {when}.")
    elif gap.kind == "rank":
        text = _("No unit is recorded above {node} {when}.")
    elif gap.node.startswith("L-"):
        text = _("Nobody is recorded as in charge of {node} {when}.")
    else:
        text = _("Nobody is recorded as commander of {node} {when}.")
    sentence = text.format(node=gap.node, when=_when(gap.first, gap.last))
    undated = _("Claims without a date that may fill this: {count}.").format(count=gap.undated)
    return f"{sentence} {undated}" if gap.undated else sentence


def _when(first: int | None, last: int | None) -> str:
    if first is None and last is None:
        return _("at any time")
    if first is None:
        return _("up to {last}").format(last=_day(last))
    if last is None:
        return _("from {first} on").format(first=_day(first))
    return _("between {first} and {last}").format(first=_day(first), last=_day(last))


def _day(number: int | None) -> str | None:
    if number is None:
        return None
    return date.fromordinal(min(max(number, 1), date.max.toordinal())).isoformat()


def _iso(days: Days) -> list[str | None]:
    return [_day(days[0]), _day(days[1])]


def surest(edges: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Edges as a reader goes through them: from the act upward is the chain's order; within it the surest first."""
    return sorted(edges, key=lambda edge: (edge["lower"], tenure.STANDINGS.index(edge["standing"]), edge["upper"]))
