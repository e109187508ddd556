"""Lists of the record as tables of counts: which persons, by handle, each list knows of.

Invariants: nothing here names a person, and what comes out holds counts alone; counts of the record under ``SMALL`` persons are
not shown, nor what would tell them by subtraction. Lists are parted by period, place or type of act, never by ground. Two
handles are one person only where a claim in force says so, or a sampled clustering that the caller hands in.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from amparo.analysis.capture import MOST_LISTS, CaptureTable
from amparo.app.people import NotOneOf, UnknownHandle
from amparo.app.session import Session
from amparo.kernel import dates, ids
from amparo.kernel.errors import BadDate, BadInput
from amparo.kernel.i18n import N_, _, ngettext
from amparo.record import ground, vocabulary
from amparo.record.aggregates import told_by_property
from amparo.record.model import AFFIRMED, Claim
from amparo.record.view import CURRENT

SMALL: Final = 3
BY: Final = ("year", "place", "region", "act")
EFFORTS: Final = ("quick", "usual", "long")
_MOST_SAME: Final = 1_000_000
_DEEP: Final = 20  # places within places

Clustering = Mapping[str, int]
"""Handle -> number of its cluster, in one sample; who is not in it stands alone."""


class NotAList(BadInput):
    template = N_("“{text}” is not a list; write NAME=S-0001,S-0002 with the sources that make it, or NAME=DATASET for all "
                  "sources of an import.")  # fmt: skip
    exit_code = 2


class SourceTwice(BadInput):
    template = N_("{source} stands on the lists {lists}. A source belongs to one list: persons it tells of would overlap with "
                  "themselves.")  # fmt: skip


class ListsDiffer(BadInput):
    template = N_("{count} lists were named; an estimate takes 2 to {most}, each under a name of its own.")


class ByGround(BadInput):
    template = N_("Persons are never counted by the ground of what was done to them; choose one of: {choices}.")


@dataclass(frozen=True, slots=True)
class Counted:
    """What the record's lists come to.

    ``tables``: one for each sampled clustering (at least one). ``strata``: label -> its tables, empty if not asked for.
    ``sizes``: persons by list, as they may be shown (None: under SMALL). ``groups``: victims that are groups and were not
    counted as persons. ``merged``: handles that are one person with an earlier one.
    """

    tables: tuple[CaptureTable, ...]
    strata: dict[str, tuple[CaptureTable, ...]]
    sizes: dict[str, int | None]
    groups: int = 0
    merged: int = 0

    @classmethod
    def of_tables(cls, tables: Mapping[str, CaptureTable]) -> "Counted":
        """Tables of counts by name, each a stratum if there are several."""
        strata: dict[str, tuple[CaptureTable, ...]] = {name: (table,) for name, table in tables.items()}
        first = next(iter(tables.values()))
        return cls((first,), strata if len(strata) > 1 else {}, sizes(first))

    def beside(self) -> list[str]:
        """Sentences on who of the record was not counted, or counted with somebody else."""
        lines = []
        if self.groups:
            lines.append(ngettext("{n} group is said to be a victim; groups are not counted as persons.",
                                  "{n} groups are said to be victims; groups are not counted as persons.", self.groups)
                         .format(n=self.groups))  # fmt: skip
        if self.merged:
            lines.append(ngettext("{n} handle was counted with another, because a claim says that it is the same person.",
                                  "{n} handles were counted with others, because claims say that they are the same persons.",
                                  self.merged).format(n=self.merged))  # fmt: skip
        return lines


@dataclass(slots=True)
class _Mentions:
    """Which list tells of whom: person -> indexes of lists, and person -> strata."""

    lists: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    strata: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    groups: set[str] = field(default_factory=set)


def list_from(text: str) -> tuple[str, list[str]]:
    """``NAME=S-0001,S-0002`` or ``NAME=DATASET`` -> (name, its parts). Raises NotAList."""
    name, found, rest = text.partition("=")
    parts = [part.strip() for part in rest.split(",") if part.strip()]
    if not found or not name.strip() or not parts or ground.mentions(name):
        raise NotAList(text=text)
    return name.strip(), parts


def count(
    session: Session, lists: Mapping[str, Sequence[str]], *, by: str = "", act: str = "",
    samples: Sequence[Clustering] = (), progress: Callable[[int, int], None] | None = None,
) -> Counted:  # fmt: skip
    """The table of counts of ``lists``: name -> its sources (handles) or datasets.

    On a list is who a current, affirmed claim of one of its sources calls the victim of an act (of the type ``act``, if given).
    ``by`` one of BY makes strata; who has none, or several, forms a stratum of their own, so that no person is in two.
    Raises ListsDiffer, SourceTwice, UnknownHandle, ByGround, NotOneOf.
    """
    check(lists, by, act)
    sources = _sources(session, lists)
    found = _mentions(session, sources, by, act, progress)
    same = _same_person(session)
    clusterings = [_persons(found.lists, same, sample) for sample in samples or ({},)]
    tables = tuple(_table(list(lists), found.lists, persons) for persons in clusterings)
    strata: dict[str, tuple[CaptureTable, ...]] = {}
    if by:
        labels = _labels(session, by, found.strata)
        parted = [_parted(found.strata, persons, labels) for persons in clusterings]
        for label in sorted({one for part in parted for one in part.values()}):
            strata[label] = tuple(
                _table(list(lists), found.lists, persons, {one for one, its in part.items() if its == label})
                for persons, part in zip(clusterings, parted, strict=True)
            )
    merged = len(found.lists) - len({same.get(handle, handle) for handle in found.lists})
    return Counted(tables, strata, sizes(tables[0], small=SMALL), len(found.groups), merged)


def sizes(table: CaptureTable, *, small: int = 0) -> dict[str, int | None]:
    """Persons by list; None where there is somebody but fewer than ``small``."""
    counted = {name: int(table.counts[table.patterns[:, j] == 1].sum()) for j, name in enumerate(table.lists)}
    return {name: number if number == 0 or number >= small else None for name, number in counted.items()}


def shown_strata(documented: Mapping[str, int]) -> dict[str, int | None]:
    """Documented persons by stratum as they may be shown: small ones and what would tell them by subtraction are None."""
    cells = ground.suppress(documented, SMALL)
    return {name: cells.cells.get(name, 0) if number else 0 for name, number in documented.items()}


def check(lists: Mapping[str, Sequence[str]], by: str, act: str) -> None:
    """Whether lists, strata and type of act can be asked for. Raises ListsDiffer, ByGround, NotOneOf."""
    if not 2 <= len(lists) <= MOST_LISTS:
        raise ListsDiffer(count=len(lists), most=MOST_LISTS)
    if by == ground.PROPERTY or (by and ground.mentions(by)):
        raise ByGround(choices=", ".join(BY))
    if by and by not in BY:
        raise NotOneOf(value=by, what="by", choices=", ".join(BY))
    terms = vocabulary.load()
    if act and not terms.has_term("act", act):
        raise NotOneOf(value=act, what=_("type of act"), choices=", ".join(terms.terms("act")))


def _sources(session: Session, lists: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Source -> index of its list."""
    known = session.record.entities("source")
    by_dataset: dict[str, list[str]] = defaultdict(list)
    for entity in known:
        by_dataset[entity.dataset].append(entity.handle)
    handles = {entity.handle for entity in known}
    names = list(lists)
    found: dict[str, int] = {}
    for index, parts in enumerate(lists.values()):
        for part in parts:
            several = [part] if part in handles else by_dataset.get(part, []) if part and not ids.is_handle(part) else []
            if not several:
                raise UnknownHandle(handle=part)
            for source in several:
                if found.setdefault(source, index) != index:
                    raise SourceTwice(source=source, lists=f"{names[found[source]]}, {names[index]}")
    return found


def _mentions(
    session: Session, sources: Mapping[str, int], by: str, act: str, progress: Callable[[int, int], None] | None
) -> _Mentions:
    found = _Mentions()
    for done, (source, index) in enumerate(sources.items()):
        session.keep_alive()
        if progress:
            progress(done, len(sources))
        in_force = [
            stored.claim for stored in session.record.claims(source=source)
            if stored.status == CURRENT and stored.claim.polarity == AFFIRMED
        ]  # fmt: skip
        places = _places_of(in_force)
        for claim in in_force:
            if claim.property != "victim" or not _of_type(session, claim.subject, act):
                continue
            if not claim.value.startswith("P-"):
                found.groups.add(claim.value)
                continue
            found.lists[claim.value].add(index)
            if by:
                found.strata[claim.value].update(_strata_of(session, claim, by, places))
    return found


def _places_of(claims: Iterable[Claim]) -> dict[str, set[str]]:
    """Act -> the places that claims about it name."""
    places: dict[str, set[str]] = defaultdict(set)
    for claim in claims:
        if claim.place:
            places[claim.subject].add(claim.place)
    return places


def _type_of(session: Session, act: str) -> str:
    entity = session.record.entity(act)
    return entity.type if entity else ""


def _of_type(session: Session, act: str, wanted: str) -> bool:
    return not wanted or _type_of(session, act) == wanted


def _strata_of(session: Session, claim: Claim, by: str, places: Mapping[str, set[str]]) -> set[str]:
    """What a claim says of the period, place or type of act; nothing if it does not say."""
    if by == "act":
        return {_type_of(session, claim.subject)} - {""}
    if by == "year":
        entity = session.record.entity(claim.subject)
        return {_year(claim.valid or (entity.date if entity else ""))} - {""}
    named = {claim.place} if claim.place else places.get(claim.subject, set())
    return {_widest(session, place) for place in named} if by == "region" else set(named)


def _year(text: str) -> str:
    try:
        known = dates.parse(text)
    except BadDate:
        return ""
    if known.earliest is None or known.latest is None or known.earliest.year != known.latest.year:
        return ""
    return str(known.earliest.year)


def _widest(session: Session, place: str) -> str:
    for _step in range(_DEEP):
        entity = session.record.entity(place)
        if entity is None or not entity.parent.startswith("L-"):
            break
        place = entity.parent
    return place


def _labels(session: Session, by: str, strata: Mapping[str, set[str]]) -> dict[str, str]:
    values = {value for several in strata.values() for value in several}
    if by in ("place", "region"):
        called = session.record.labels(values)
        return {value: f"{called.get(value, '')} ({value})".strip() for value in values}
    if by == "act":
        terms = vocabulary.load()
        return {value: _(terms.label("act", value)) for value in values}
    return {value: value for value in values}


def _same_person(session: Session) -> dict[str, str]:
    """Handle -> the handle that stands for the person, by the claims in force that two are the same."""
    told = told_by_property(session.record, ["same person as"], _MOST_SAME)
    return _joined((one.subject, one.value) for one in told if one.polarity == AFFIRMED)


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    above: dict[str, str] = {}

    def top(handle: str) -> str:
        while handle in above:
            handle = above[handle]
        return handle

    for one, other in pairs:
        first, second = sorted((top(one), top(other)), key=lambda handle: (len(handle), handle))
        if first != second:
            above[second] = first
    return {handle: top(handle) for handle in above}


def _persons(handles: Iterable[str], same: Mapping[str, str], sample: Clustering) -> dict[str, str]:
    """Handle -> person, where claims in force and the sample say who is the same."""
    first: dict[int, str] = {}
    pairs = [(handle, first.setdefault(number, handle)) for handle, number in sorted(sample.items())]
    joined = _joined([*same.items(), *pairs])
    return {handle: joined.get(handle, handle) for handle in handles}


def _table(
    names: Sequence[str], lists: Mapping[str, set[int]], persons: Mapping[str, str], among: set[str] | None = None
) -> CaptureTable:
    on: dict[str, set[int]] = defaultdict(set)
    for handle, indexes in lists.items():
        if among is None or persons[handle] in among:
            on[persons[handle]] |= indexes
    return CaptureTable.of_members(names, on.values())


def _parted(strata: Mapping[str, set[str]], persons: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, str]:
    """Person -> the label of the one stratum they are in."""
    said: dict[str, Counter[str]] = defaultdict(Counter)
    for handle, person in persons.items():
        said[person].update(strata.get(handle, ()))
    return {
        person: labels[next(iter(values))] if len(values) == 1 else _("not known, or several")
        for person, values in said.items()
    }  # fmt: skip
