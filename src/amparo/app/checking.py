"""Looking through the record for claims that cannot both hold or that are undercut, and counting who says something
independently.

Invariants: what is found is a question: nothing is recorded but by ``put``, as links that somebody asked for and can undo, and
nothing is weighed here (``app.desk_assess`` does that). No word of a claim is read to find anything, and no ground. Memory does
not grow with the record.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final
from weakref import WeakKeyDictionary

from amparo.app.naming import refuse_names
from amparo.app.reading import NothingThere
from amparo.app.session import Session, check_stop
from amparo.kernel import ids
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _
from amparo.record import bulk, vocabulary
from amparo.record.aggregates import Told, told_by_property
from amparo.record.bulk import Said
from amparo.record.ground import mask
from amparo.record.model import AFFIRMED, Link
from amparo.verify import contradictions, corroboration, rules, undercutting
from amparo.verify.corroboration import Origin
from amparo.verify.rules import Rules
from amparo.verify.statements import Finding
from amparo.verify.times import Level

LEVELS: Final = {"certain": Level.CERTAIN, "probable": Level.PROBABLE, "possible": Level.POSSIBLE}
_MOST: Final = 10_000  # findings that are kept; all are counted
_RELATIONS: Final = 500_000
_EVERY: Final = 500

Progress = Callable[[int, int, str], None]


class NothingFound(BadInput):
    template = N_("There is nothing new to record: every pair of claims that was chosen is linked already.")


@dataclass(slots=True)
class Checked:
    """``findings``: contradictions, then undercuts, the surest first, at most 10,000 in all; ``counts``: rule -> how many;
    ``linked``: pairs that a link relates.
    """

    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    linked: set[tuple[str, str]] = field(default_factory=set)

    def is_linked(self, finding: Finding) -> bool:
        """Whether somebody recorded the relation of one of the pairs, so that it waits or was weighed already."""
        return any(pair in self.linked or pair[::-1] in self.linked for pair in finding.pairs)


def _no_progress(_done: int, _total: int, _what: str) -> None:
    return None


def check(session: Session, *, level: str = "probable", progress: Progress = _no_progress) -> Checked:
    """Every finding of the rules, contradictions and undercuts, at least as sure as ``level``."""
    found, known = Checked(), rules.load()
    for finding in _walk(session, known, progress):
        if finding.level >= LEVELS[level]:
            found.counts[finding.rule] += 1
            if len(found.findings) < _MOST:
                found.findings.append(finding)
    order = {rule.id: number for number, rule in enumerate((*known.contradictions, *known.undercuts))}
    found.findings.sort(key=lambda one: (one.kind, -one.level, order[one.rule], one.subject, one.to))
    found.linked = {(link.of, link.to) for link in _links(session) if link.kind in ("contradicts", "undercuts")}
    return found


def _links(session: Session) -> Iterator[Link]:
    return (Link.from_row(row) for row in session.record.rows(Link.TYPE))


def _walk(session: Session, known: Rules, progress: Progress) -> Iterator[Finding]:
    counts = session.record.counts()
    total, done = 2 * counts.get("claims", 0) + 1, 0
    kin = {name for rule in known.undercuts for name in (*rule.list("kin"), rule.more.get("property")) if name}
    identities: dict[str, list[Said]] = {}
    for said in _told(session, kin):
        identities.setdefault(said.value, []).append(said)
    contains = bulk.containing(session.record)
    for number, (person, claims) in enumerate(bulk.by_person(session.record)):
        if number % _EVERY == 0:
            check_stop()
            progress(done, total, _("Claims about persons"))
        yield from contradictions.of_person(known, person, claims, contains)
        yield from undercutting.of_person(known, person, claims, identities.get(person, []))
        done += len(claims)
    accused, done = _accused(session, known), total // 2
    for number, (thing, claims) in enumerate(bulk.by_subject(session.record)):
        if number % _EVERY == 0:
            check_stop()
            progress(done, total, _("Claims about things"))
        yield from contradictions.of_thing(known, thing, claims)
        for said in claims:
            yield from undercutting.of_claim(known, said, accused)
        done += len(claims)
    yield from _related(session, known)
    progress(total, total, "")


def _told(session: Session, properties: Iterable[str]) -> Iterator[Said]:
    found = told_by_property(session.record, sorted(properties), _RELATIONS)
    return (_as_said(one) for one in found)


def _as_said(one: Told) -> Said:
    return Said(one.handle, one.subject, one.property, one.value, one.polarity == AFFIRMED, one.valid,
                source=one.source, speaker=one.speaker, stance=one.stance)  # fmt: skip


_accused_of: WeakKeyDictionary[Session, tuple[Any, dict[str, str]]] = WeakKeyDictionary()
"""Who is accused, as it was when the logs ended there."""


def _accused(session: Session, known: Rules) -> dict[str, str]:
    state = tuple(session.record.positions().items())
    kept = _accused_of.get(session)
    if kept is None or kept[0] != state:
        kept = _accused_of[session] = state, _sides(session, known)
    return kept[1]


def _sides(session: Session, known: Rules) -> dict[str, str]:
    accusing = {name for rule in known.undercuts for name in rule.list("accusing")}
    relations = {name for rule in known.undercuts for name in rule.list("relations")}
    return undercutting.sides(_told(session, accusing), _told(session, relations))


def _related(session: Session, known: Rules) -> Iterator[Finding]:
    """Things that are part of others, follow others, or are acts of an event."""
    names = {name for rule in known.contradictions for name in (*rule.list("relations"), rule.more.get("relation")) if name}
    prefixes = tuple(rule.more["prefix"] for rule in known.contradictions if "prefix" in rule.more)

    @lru_cache(4096)
    def claims(thing: str) -> tuple[Said, ...]:
        found = bulk.of_thing(session.record, thing)
        return tuple(one for one in found if one.property in contradictions.DATING or one.property.startswith(prefixes))

    for number, said in enumerate(_told(session, names)):
        if number % _EVERY == 0:
            check_stop()
        yield from contradictions.of_relation(known, said, claims(said.subject), claims(said.value))
    for number, (act, event) in enumerate(bulk.acts(session.record)):
        if number % _EVERY == 0:
            check_stop()
        yield from contradictions.of_relation(known, Said("", act, "part of", event), claims(act), claims(event))


# -- in words -----------------------------------------------------------------------------------------------------------


def sentence(finding: Finding) -> str:
    """What was found, for a reader: claims and things by handle, terms by their labels. Masked (record.ground)."""
    known = rules.load()
    rule = next(one for one in (*known.contradictions, *known.undercuts) if one.id == finding.rule)
    facts = {name: _label(name, str(value), finding) for name, value in finding.facts.items()}
    return mask(_(rule.sentence).format_map(facts))


def _label(name: str, value: str, finding: Finding) -> str:
    terms = vocabulary.load()
    if name == "property":
        return terms.property_label(value)
    if name == "why":
        return _(value)
    if name.endswith("_value"):
        for vocabulary_ in ("status at the end", "whereabouts"):
            if terms.has_term(vocabulary_, value) and finding.rule.startswith(("two ends", "two whereabouts")):
                return terms.label(vocabulary_, value)
    if name.endswith("_date"):
        return value or _("undated")
    return value


def data(checked: Checked) -> dict[str, Any]:
    """What was found, for --json and for pages."""
    return {
        "counts": dict(checked.counts),
        "findings": [
            {
                "rule": one.rule, "kind": one.kind, "level": one.level.name.lower(), "subject": one.subject, "of": one.of,
                "to": one.to, "pairs": [list(pair) for pair in one.pairs], "linked": checked.is_linked(one),
                "sentence": sentence(one),
            }
            for one in checked.findings
        ],
    }  # fmt: skip


# -- recording ----------------------------------------------------------------------------------------------------------


def put(session: Session, found: Iterable[Mapping[str, Any]]) -> list[str]:
    """Record a link for the surest pair of each of some findings (as ``data`` gives them) that has two claims and no link yet;
    returns the links' handles. A contradiction then waits to be weighed. Raises NothingFound.
    """
    linked = {(link.of, link.to) for link in _links(session)}
    wanted: dict[tuple[str, str], Mapping[str, Any]] = {}
    for one in found:
        pairs = [tuple(pair) for pair in one["pairs"]]
        if one["of"] and not any(pair in linked or pair[::-1] in linked for pair in pairs):
            wanted.setdefault((one["of"], one["to"]), one)
    if not wanted:
        raise NothingFound
    refuse_names(session, {_("reason"): " ".join(one["sentence"] for one in wanted.values())})
    with session.change() as change:
        links = [
            Link(change.allocate("link"), one["kind"], one["of"], one["to"], one["sentence"]).to_row()
            for one in wanted.values()
        ]  # fmt: skip
        change.put("record", Link.TYPE, links)
    return [row[0] for row in links]


# -- corroboration ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Corroborated:
    """One claim and who else says so: ``agree`` and ``deny`` by origin; ``undercut``: claim -> why it is weakened."""

    claim: str
    agree: list[Origin]
    deny: list[Origin]
    undercut: dict[str, str]

    @property
    def independent(self) -> int:
        """Origins that agree and are not wholly undercut."""
        return sum(not one.weakened for one in self.agree)


def corroborate(session: Session, handle: str) -> Corroborated:
    """Who says what a claim says, counted by common origin. Raises BadHandle, NothingThere."""
    asked = bulk.one(session.record, str(ids.parse(handle))) if handle.startswith("C-") else None
    if asked is None:
        raise NothingThere(what=handle)
    claims = _saying(session, asked)
    ties, weak = _relations(session, claims)
    known = rules.load()
    accused = _accused(session, known)
    for said in claims:
        for finding in undercutting.of_claim(known, said, accused):
            weak.setdefault(said.handle, sentence(finding))
    wholes = _wholes(session, {said.source for said in claims if said.source})
    agree, deny = (
        corroboration.origins([said for said in claims if said.affirmed == side], ties, wholes, weak)
        for side in (asked.affirmed, not asked.affirmed)
    )  # fmt: skip
    return Corroborated(asked.handle, agree, deny, weak)


def _saying(session: Session, asked: Said) -> list[Said]:
    """The claims that say the same; of a person also those that put them in the same state."""
    found = {said.handle: said for said in bulk.saying(session.record, asked.subject, asked.property, asked.value)}
    known = rules.load()
    person = asked.person or asked.subject
    states = [name for name in known.states if known.in_state(name, asked, person) is not None]
    if states and person.startswith("P-") and states[0] != "in custody":
        for said in bulk.of_person(session.record, person):
            if known.in_state(states[0], said, person) is not None:
                found.setdefault(said.handle, said)
    return list(found.values())


def _relations(session: Session, claims: Iterable[Said]) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Pairs recorded as of the same origin; claims that a link undercuts, each with the link's reason."""
    ties, weak = [], {}
    for said in claims:
        for link in session.record.links(said.handle):
            if link.kind == "same origin":
                ties.append((link.of, link.to))
            elif link.kind == "undercuts" and link.to == said.handle:
                weak[said.handle] = mask(link.reason)
    return ties, weak


def _wholes(session: Session, sources: Iterable[str]) -> dict[str, str]:
    """Sources that are parts of one: source -> the whole."""
    found = {}
    for source in sources:
        entity = session.record.entity(source)
        if entity is not None and entity.parent:
            found[source] = entity.parent
    return found
