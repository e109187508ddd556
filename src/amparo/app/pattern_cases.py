"""What befell whom, as arrays that patterns are counted in: one case for each person, or group of persons, that acts befell.

Invariants: nothing of a ground is read. Only terms of the vocabularies and handles of places and units come in, never a word of
a text. Cases are numbered and their handles are forgotten, so that no pattern can be turned back into a list of persons. One
pass over the claims, memory linear in the acts and what is said of them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np

from amparo.analysis import patterns, tenure
from amparo.analysis.patterns import Ints
from amparo.app.session import Session
from amparo.record import aggregates, vocabulary
from amparo.record.ground import mentions

ACT, METHOD, INSTRUMENT, PLACE_TYPE, END = "act", "method", "instrument", "place type", "status at the end"
"""Vocabularies whose terms are traits of a case."""
PLACE, UNIT = "place", "group"
"""Kinds of things that are traits of a case."""
Trait = tuple[str, str]
"""(one of the above, a term or handle)."""
_TERMS: Final = {"method": METHOD, "instrument used": INSTRUMENT, "status at the end": END}
_PLACES: Final = ("place of detention", "taken to")
_ASKED: Final = ("type of act", "victim", "perpetrator", "preceded by", *_TERMS, *_PLACES)
_WIDE: Final = ("country", "region", "continent", "abroad", "online", "")
_RANKS: Final = {ACT: 0, PLACE_TYPE: 1, END: 2}
"""What comes after what within one act: it happens, it leads to a place, it ends."""
_OFTEN: Final = 10_000


@dataclass(slots=True)
class _Act:
    """What is said of one act. ``traits`` in the order they are first said; ``sources`` numbers."""

    first: int
    last: int
    victims: list[int] = field(default_factory=list)
    traits: dict[Trait, None] = field(default_factory=dict)
    sources: set[int] = field(default_factory=set)
    earlier: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Told:
    """Traits of cases in rows, ascending by case: (n,) arrays.

    ``case``, ``trait`` (place in ``traits``), ``act``, ``first``, ``last`` (days); ``person``: (cases,) whether the case is one
    person's; ``sources``: act -> numbers of its origins; ``earlier``: pairs of acts that the record puts in this order.
    """

    case: Ints
    trait: Ints
    act: Ints
    first: Ints
    last: Ints
    person: np.ndarray[tuple[int], np.dtype[np.bool_]]
    traits: list[Trait]
    sources: list[set[int]]
    earlier: list[tuple[int, int]]
    without_victim: int

    @property
    def cases(self) -> int:
        return len(self.person)

    def rows_of(self) -> list[Ints]:
        """For each trait, its rows."""
        order = np.argsort(self.trait, kind="stable")
        return np.split(order, np.searchsorted(self.trait[order], np.arange(1, len(self.traits)))) if self.traits else []


class _Places:
    """Types of places, looked up once each."""

    def __init__(self, session: Session) -> None:
        self._session, self._known = session, dict[str, str]()

    def type(self, handle: str) -> str:
        if handle not in self._known:
            place = self._session.record.entity(handle) if handle.startswith("L-") else None
            self._known[handle] = place.type if place is not None else ""
        return self._known[handle]


def gather(session: Session, progress: Callable[[int, int], None] | None = None) -> Told:
    """Read what the record says of acts and whom they befell. Long work: it looks whether the user asked to stop.

    ``progress`` is called now and then with (claims read, at most so many).
    """
    most = int(session.record.counts().get("claim", 0))
    terms = vocabulary.load()
    acts: dict[str, _Act] = {}
    for handle, type, date in aggregates.stream_acts(session.record):
        act = acts[handle] = _Act(*_days(date))
        if terms.has_term(ACT, type):
            act.traits[ACT, type] = None
    victims: dict[str, int] = {}
    sources: dict[str, int] = {}
    places = _Places(session)
    for number, (subject, property, value, source, place) in enumerate(
        aggregates.stream_by_property(session.record, _ASKED)
    ):
        if number % _OFTEN == 0:
            session.keep_alive()
            if progress is not None:
                progress(number, most)
        found = acts.get(subject)
        if found is None:
            continue
        if source:
            found.sources.add(sources.setdefault(source, len(sources)))
        _take(found, property, value, place, victims, places)
    roots = _roots(sources, aggregates.same_origin(session.record))
    return _arrays(acts, victims, roots)


@lru_cache(65536)
def _days(date: str) -> tuple[int, int]:
    """The first and last day a date may mean."""
    read = tenure.read(date)
    first, last = read.possible if read else (None, None)
    return patterns.NEVER if first is None else first, patterns.ALWAYS if last is None else last


def _take(act: _Act, property: str, value: str, place: str, victims: dict[str, int], places: _Places) -> None:
    """Add what one claim says of an act."""
    terms = vocabulary.load()
    if property == "victim" and value[:2] in ("P-", "G-"):
        case = victims.setdefault(value, len(victims))
        if case not in act.victims:
            act.victims.append(case)
    elif property == "perpetrator" and value.startswith("G-"):
        act.traits[UNIT, value] = None
    elif property == "preceded by" and value.startswith("A-"):
        act.earlier.append(value)
    elif property in _TERMS and terms.has_term(_TERMS[property], value) and not mentions(value):
        act.traits[_TERMS[property], value] = None
    elif property in _PLACES:
        place = value
        if (type := places.type(value)) not in _WIDE:
            act.traits[PLACE_TYPE, type] = None
    if place.startswith("L-") and places.type(place) not in _WIDE:
        act.traits[PLACE, place] = None


def _roots(sources: dict[str, int], pairs: Iterable[tuple[str, str]]) -> list[int]:
    """Source -> the source that stands for its cluster of common origin."""
    parent = list(range(len(sources)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    for one, other in pairs:
        if one in sources and other in sources:
            parent[root(sources[one])] = root(sources[other])
    return [root(number) for number in range(len(parent))]


def _arrays(acts: dict[str, _Act], victims: dict[str, int], roots: list[int]) -> Told:
    traits: dict[Trait, int] = {}
    rows: list[tuple[int, int, int, int, int]] = []
    numbers = {handle: number for number, handle in enumerate(acts)}
    for number, act in enumerate(acts.values()):
        numbered = [traits.setdefault(trait, len(traits)) for trait in act.traits]
        rows += [(case, act.first, number, trait, act.last) for case in act.victims for trait in numbered]
    rows.sort()
    table = np.array(rows, np.int64).reshape(-1, 5)
    earlier = [(numbers[before], number) for number, act in enumerate(acts.values())
               for before in act.earlier if before in numbers]  # fmt: skip
    person = np.zeros(len(victims), np.bool_)
    person[[case for handle, case in victims.items() if handle.startswith("P-")]] = True
    return Told(
        table[:, 0], table[:, 3], table[:, 2], table[:, 1], table[:, 4], person, list(traits),
        [{roots[source] for source in act.sources} for act in acts.values()], earlier,
        sum(not act.victims for act in acts.values()),
    )  # fmt: skip


def steps(told: Told) -> tuple[patterns.Cases, Ints, int]:
    """(what the miner reads, the row of ``told`` behind each step, how many steps were beyond the limit of a case)."""
    ranks = np.array([_RANKS.get(kind, -1) for kind, _name in told.traits] or [-1], np.int64)
    rank = ranks[told.trait] if len(told.trait) else told.trait
    rows = np.flatnonzero(rank >= 0)
    case = told.case[rows]
    local = np.arange(len(rows)) - np.searchsorted(case, case)
    left_out = int(np.sum(local >= patterns.STEPS))
    rows = rows[local < patterns.STEPS]
    made = patterns.Cases(
        told.case[rows], told.trait[rows], told.first[rows], told.last[rows], told.act[rows], rank[rows],
        _ordered(told, rows),
    )  # fmt: skip
    return made, rows, left_out


def _ordered(told: Told, rows: Ints) -> list[tuple[int, int]]:
    """Pairs of steps that belong to acts which the record puts in this order."""
    later: dict[int, list[int]] = {}
    for one, other in told.earlier:
        later.setdefault(one, []).append(other)
    named = np.array(sorted({act for pair in told.earlier for act in pair}), np.int64)
    where: dict[tuple[int, int], list[int]] = {}
    for place in np.flatnonzero(np.isin(told.act[rows], named)).tolist():
        where.setdefault((int(told.case[rows[place]]), int(told.act[rows[place]])), []).append(place)
    return [
        (place, after) for (case, act), places in where.items() for other in later.get(act, ())
        for place in places for after in where.get((case, other), ())
    ]  # fmt: skip
