"""Which claims speak to each element of a superior's responsibility (Rome Statute, article 28): a list to work through.

Invariants: no element is ever called met or not met; an element to which no claim speaks is listed as such. Only persons who
stand above in a chain of command, or whom a claim says had a part in the act, are looked at; a ground is never looked at.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from amparo.analysis import tenure
from amparo.analysis.command import ELEMENTS, POSTS, RANKS, Chain
from amparo.analysis.tenure import Days
from amparo.app.doubts import doubts
from amparo.app.session import Session
from amparo.kernel import ids
from amparo.kernel.i18n import N_
from amparo.record import aggregates
from amparo.record.aggregates import Told
from amparo.record.ground import mask
from amparo.record.model import DENIED

PERSONS: Final = 12
_LOOKED: Final = 300  # claims looked at on either side of a person
_SHOWN: Final = 12  # claims listed for one element
BEFORE, MAYBE, AFTER, ANYTIME = N_("before the act"), N_("perhaps before the act"), N_("after the act"), N_("undated")
DEGREES: Final = {
    "ordered": ("control", "knowledge"), "planned": ("knowledge",), "incited": ("knowledge",), "led": ("control", "knowledge"),
    "present": ("knowledge",), "carried out": ("knowledge",), "guarded": ("knowledge",),
    "tolerated": ("knowledge", "prevention"), "failed to prevent": ("prevention",),
    "failed to investigate": ("submission",), "concealed": ("submission",),
    "in charge of the place": ("control",), "in command": ("control",),
}  # fmt: skip
"""Degree of involvement -> the elements it speaks to."""
SAID: Final = {"statement": "knowledge", "report": "knowledge", "denial": "knowledge", "threat": "knowledge",
               "office held": "control"}  # fmt: skip
"""Property of a claim about the person -> element."""
NAMED: Final = {"addressed to": "knowledge", "imposed by": "prevention", "forum": "submission", "party": "submission"}
"""Property of a claim whose value is the person -> element."""
ACTS: Final = {"refusal to investigate": "submission", "destruction of evidence": "submission"}
"""Type of an act that the person is said to have done -> element."""
_ASKED: Final = (*SAID, *NAMED, "involved party", "perpetrator")


def superiors(
    session: Session, chain: Chain, at: Days, alleged: Mapping[str, Iterable[str]], parts: Iterable[str]
) -> list[dict[str, Any]]:
    """For each person above the act, or said to have had a part in it, the claims that speak to each element.

    ``alleged``: who is said to have done it -> the claims that say so; ``parts``: who had another part in it.
    """
    persons = dict.fromkeys([*chain.commanders(), *(party for party in parts if party.startswith("P-"))])
    found = []
    for person in list(persons)[:PERSONS]:
        speaks: dict[str, list[Told]] = {name: [] for name in ELEMENTS}
        for edge in chain.edges:
            if edge.upper == person and edge.by in (*POSTS, *RANKS):
                speaks["control"] += aggregates.told_among(session.record, [one.claim for one in edge.tellings])
        for party in _under(chain, person) & set(alleged):
            speaks["forces"] += aggregates.told_among(session.record, alleged[party])
        _about(session, person, speaks)
        found.append({"person": person, "elements": _elements(session, speaks, at)})
    return found


def _under(chain: Chain, person: str) -> set[str]:
    """The person and whatever the chain sets below."""
    found, waiting = {person}, [person]
    while waiting:
        node = waiting.pop()
        for edge in chain.edges:
            if edge.upper == node and edge.lower not in found:
                found.add(edge.lower)
                waiting.append(edge.lower)
    return found


def _about(session: Session, person: str, speaks: dict[str, list[Told]]) -> None:
    """Sort what is said of one person by the elements it speaks to."""
    told, _more = aggregates.told_of(session.record, person, _ASKED, _LOOKED)
    for one in told:
        if one.subject == person and one.property in SAID:
            speaks[SAID[one.property]].append(one)
        elif one.value == person and one.property in NAMED:
            speaks[NAMED[one.property]].append(one)
        elif one.property == "involved party":
            degrees, _more = aggregates.told_of(session.record, one.subject, ("degree of involvement",), _LOOKED)
            for degree in degrees:
                for name in DEGREES.get(degree.value, ()):
                    speaks[name].append(degree)
        elif one.property == "perpetrator" and one.value == person:
            act = session.record.entity(one.subject)
            if act is not None and act.type in ACTS:
                speaks[ACTS[act.type]].append(one)


def _elements(session: Session, speaks: Mapping[str, Sequence[Told]], at: Days) -> list[dict[str, Any]]:
    links = aggregates.links_of(session.record, {one.handle for told in speaks.values() for one in told})
    found = []
    for name, told in speaks.items():
        once = list({one.handle: one for one in told}.values())
        against = doubts(links, [one.handle for one in once])
        found.append({
            "element": name, "sentence": ELEMENTS[name], "claims": [_claim(one, at, against) for one in once[:_SHOWN]],
            "more": max(0, len(once) - _SHOWN),
        })  # fmt: skip
    return found


def _claim(one: Told, at: Days, against: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    words = one.value if ids.is_handle(one.value) else mask(one.value)
    short = words if len(words) <= 80 else words[:79] + "…"
    return {"handle": one.handle, "subject": one.subject, "property": one.property, "value": short, "valid": one.valid,
            "source": one.source, "when": _when(one.valid, at), "denied": one.polarity == DENIED,
            "doubts": list(against.get(one.handle, ()))}  # fmt: skip


def _when(valid: str, at: Days) -> str:
    """How a claim's date lies to the act's: what was known afterwards is no knowledge at the time."""
    read = tenure.read(valid)
    if at == (None, None):
        return ""
    if read is None:
        return ANYTIME
    if read.last is not None and at[0] is not None and read.last < at[0]:
        return BEFORE
    return AFTER if read.first is not None and at[1] is not None and read.first > at[1] else MAYBE
