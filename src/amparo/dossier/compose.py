"""From the views to a manifest: which claims a dossier prints, in which order, under which heading.

Invariant: every current claim that has words is printed once or counted in a table; nothing is printed without its claim. The
ground of an act is never printed beside a person: texts about persons and acts are masked, grounds appear as suppressed counts.
Codes of imported rows that stand for affected persons are printed as handles.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

import pycountry

from amparo.dossier.manifest import (
    Actor,
    Assessment,
    Cell,
    ClaimRef,
    Contradiction,
    Figure,
    Instrument,
    Manifest,
    Mark,
    Matrix,
    Override,
    Paragraph,
    Section,
    Sentence,
    Source,
    SourceFile,
    StateRow,
)
from amparo.kernel import dates, ids
from amparo.kernel.i18n import _
from amparo.record import ground, vocabulary
from amparo.record.model import Entity
from amparo.record.testimony import TestimonyView
from amparo.record.view import RecordView, StoredClaim, masked

_COMMAND: Final = ("office held", "member of", "commands", "superior", "subordinate to", "in charge of")
_CHRONICLE: Final = {"event": "event", "proceeding": "proceeding", "measure": "measure", "intervention": "protection"}
_CELL: Final = ("state", "role", "instrument")
_WITH_ACTS: Final = ("event", "proceeding", "measure")
_GROUPS: Final = {
    "events": ("event", "person", "place", "group", "source", "involvement"),
    "measures": ("measure", "position"),
    "proceedings": ("proceeding",),
    "protection": ("intervention",),
}


@dataclass(frozen=True, slots=True)
class Options:
    """What a dossier is for, and the ledger head it is dated by: SHA-256 in hex and ISO day."""

    purpose: str
    audience: str
    head_hash: str
    head_date: str
    title: str = ""
    demo: bool = False
    overrides: tuple[tuple[str, str], ...] = ()


def compose(view: RecordView, testimony: TestimonyView, options: Options) -> Manifest:
    """Compose the dossier of the whole record. Same record, options and program give the same manifest."""
    return _Composer(view, testimony, options).manifest()


def texts_of(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Every string of a manifest with the place it stands at: what the gate reads before layout."""

    def walk(place: str, value: Any) -> Iterator[tuple[str, str]]:
        if isinstance(value, str):
            if value:
                yield place, value
        elif isinstance(value, dict):
            for key, item in value.items():
                yield from walk(f"{place}.{key}" if place else key, item)
        elif isinstance(value, (list, tuple)):
            for number, item in enumerate(value, 1):
                yield from walk(f"{place}[{number}]", item)

    yield from walk("", asdict(manifest))


def sources_of(manifest: Manifest) -> frozenset[str]:
    """Handles of the sources that the printed claims rest on."""
    return frozenset(claim.source for claim in manifest.claims if claim.source)


def persons_of(manifest: Manifest) -> frozenset[str]:
    """Handles of the affected persons it tells of."""
    return frozenset(manifest.persons)


class _Composer:
    """Gathers once what several sections need."""

    def __init__(self, view: RecordView, testimony: TestimonyView, options: Options) -> None:
        self.view, self.testimony, self.options = view, testimony, options
        self.terms = vocabulary.load()
        self.entities = {entity.handle: entity for entity in view.entities()}
        self.codes = self._codes()
        self.claims = {stored.claim.handle: stored for entity in self.entities for stored in self._claims_about(entity)}
        self.by_subject: dict[str, list[StoredClaim]] = defaultdict(list)
        for stored in self.claims.values():
            self.by_subject[stored.claim.subject].append(stored)
        self.number = 0
        self.paragraph_of_claim: dict[str, int] = {}
        self.paragraph_of: dict[str, int] = {}
        self.used: set[str] = set()

    def manifest(self) -> Manifest:
        groups = {name: tuple(self._sections(kinds)) for name, kinds in _GROUPS.items()}
        figures, contradictions = tuple(self._figures()), tuple(self._contradictions())
        actors, matrix, marks = tuple(self._actors()), self._matrix(), tuple(self._marks())
        claims = tuple(self._reference(self.claims[handle]) for handle in sorted(self.used, key=_order))
        assessed = {item.assessment.standard for item in contradictions if item.assessment}
        ladder = self.terms.terms("standard of proof")
        return Manifest(
            title=self.options.title or _("What the record holds"),
            head_hash=self.options.head_hash,
            head_date=self.options.head_date,
            purpose=self.options.purpose,
            audience=self.options.audience,
            demo=self.options.demo,
            standards=tuple(standard for standard in ladder if standard in assessed),
            counts=tuple(sorted(self.view.counts().items())),
            figures=figures,
            ground_counts=self._ground_counts(),
            marks=marks,
            contradictions=contradictions,
            actors=actors,
            matrix=matrix,
            sources=tuple(self._sources(claims)),
            claims=claims,
            overrides=tuple(Override(*pair) for pair in self.options.overrides),
            persons=tuple(sorted(self._persons(claims), key=_order)),
            **groups,
        )

    # -- claims and words ----------------------------------------------------------------------------------------------

    def _claims_about(self, handle: str) -> Iterator[StoredClaim]:
        for stored in self.view.claims(subject=handle):
            if stored.status == "current":
                yield masked(stored)

    def _codes(self) -> re.Pattern[str] | None:
        """Finds the import keys of affected persons (``V-004``) in texts."""
        self.handle_of = {e.key: e.handle for e in self.entities.values() if e.kind == "person" and not e.official and e.key}
        if not self.handle_of:
            return None
        return re.compile(r"(?<![\w-])(?:" + "|".join(map(re.escape, sorted(self.handle_of, key=len, reverse=True))) + r")(?![\w-])")

    def _words(self, text: str) -> str:
        """A text as printed: codes of affected persons as handles."""
        return self.codes.sub(lambda match: self.handle_of[match[0]], text) if self.codes else text

    def _name(self, handle: str) -> str:
        entity = self.entities.get(handle)
        if entity is None:
            return handle
        return self._words(ground.mask(entity.label)) or entity.handle

    def _sentence(self, stored: StoredClaim) -> Sentence:
        claim = stored.claim
        self.used.add(claim.handle)
        text = claim.text
        if not text:
            value = self._name(claim.value) if ids.is_handle(claim.value) else claim.value
            text = f"{self.terms.property_label(claim.property)}: {value}." if value else self.terms.property_label(claim.property)
        return Sentence(self._words(text), (claim.handle,), claim.stance, claim.language)

    # -- numbered paragraphs -------------------------------------------------------------------------------------------

    def _sections(self, kinds: tuple[str, ...]) -> Iterator[Section]:
        """A section for each thing of these kinds that is told of; what tells of its acts stands with it."""
        acts: dict[str, list[Entity]] = defaultdict(list)
        for entity in self.entities.values():
            if entity.kind == "act":
                parent = self.entities.get(entity.parent)
                acts[entity.parent if parent is not None and parent.kind in _WITH_ACTS else ""].append(entity)
        for kind in kinds:
            things = [entity for entity in self.entities.values() if entity.kind == kind]
            for entity in sorted(things, key=lambda entity: (self._day(entity), _order(entity.handle))):
                yield from self._section(entity, acts[entity.handle])
        if "event" in kinds:
            for act in acts[""]:
                yield from self._section(act, [])

    def _section(self, entity: Entity, acts: list[Entity]) -> Iterator[Section]:
        paragraphs = tuple(self._paragraphs([entity, *acts]))
        if paragraphs:
            when = entity.date or next((p.when for p in paragraphs if p.when), "")
            self.paragraph_of[entity.handle] = paragraphs[0].number
            title = self._name(entity.handle) if entity.kind != "act" else self.terms.label("act", entity.type) or entity.handle
            yield Section(_capital(title), paragraphs, entity.handle, when)

    def _paragraphs(self, things: list[Entity]) -> Iterator[Paragraph]:
        """One paragraph for each passage (or source) that tells of these things: as it was told, in the order of its claims."""
        groups: dict[str, list[StoredClaim]] = defaultdict(list)
        for entity in things:
            told_of = self.by_subject[entity.handle]
            if entity.kind == "position" and all(stored.claim.property in _CELL for stored in told_of):
                continue  # its cell in the matrix says it
            for stored in told_of:
                groups[stored.claim.passage or stored.claim.source].append(stored)
        for told in groups.values():
            told.sort(key=lambda stored: _order(stored.claim.handle))
        for told in sorted(groups.values(), key=lambda told: (self._day_of_claim(told[0]), _order(told[0].claim.handle))):
            self.number += 1
            first = told[0].claim
            for stored in told:
                self.paragraph_of.setdefault(stored.claim.subject, self.number)
                self.paragraph_of_claim[stored.claim.handle] = self.number
            place = self._name(first.place) if first.place else ""
            yield Paragraph(self.number, tuple(self._sentence(stored) for stored in told), first.valid, place)

    def _day_of_claim(self, stored: StoredClaim) -> int:
        first, last = dates.parse(stored.claim.valid).days() if stored.claim.valid else (None, None)
        return first if first is not None else last if last is not None else 1 << 40

    def _day(self, entity: Entity) -> int:
        """The first day by which a thing is put in order; undated things come last."""
        texts = [entity.date] if entity.date else [stored.claim.valid for stored in self.by_subject[entity.handle]]
        days = [dates.parse(text).days() for text in texts if text]
        known = [first if first is not None else last for first, last in days]
        return min((day for day in known if day is not None), default=1 << 40)

    # -- tables --------------------------------------------------------------------------------------------------------

    def _figures(self) -> Iterator[Figure]:
        for stored in sorted(self.claims.values(), key=lambda s: (s.claim.property, s.claim.valid, _order(s.claim.handle))):
            claim, kind = stored.claim, self.terms.property(stored.claim.property)
            if kind is not None and kind.value == "number" and claim.property.startswith("number"):
                self.used.add(claim.handle)
                subject = self.entities.get(claim.subject)
                about = claim.subject if subject is None or subject.kind != "act" else subject.parent or claim.subject
                label = self.terms.property_label(claim.property)
                yield Figure(label, claim.value, self._name(about), claim.valid, claim.stance, (claim.handle,))

    def _ground_counts(self) -> tuple[tuple[str, str], ...]:
        counts = self.view.ground_counts()
        return tuple((name, _("suppressed") if number is None else str(number)) for name, number in counts.cells.items())

    def _marks(self) -> Iterator[Mark]:
        found = []
        for entity in self.entities.values():
            lane, paragraph = _CHRONICLE.get(entity.kind, ""), self.paragraph_of.get(entity.handle, 0)
            when = entity.date or next((s.claim.valid for s in self.by_subject[entity.handle] if s.claim.valid), "")
            if lane and paragraph and when:
                found.append(self._mark(lane, self._name(entity.handle), when, paragraph))
        said: set[int] = set()
        for stored in self.claims.values():
            claim, paragraph = stored.claim, self.paragraph_of_claim.get(stored.claim.handle, 0)
            spoken = claim.property in ("statement", "denial") and claim.stance in ("denial", "official")
            if spoken and claim.valid and paragraph not in said:  # the first sentence of a statement stands for it
                said.add(paragraph)
                found.append(self._mark("statement", self._words(claim.text), claim.valid, paragraph))
        yield from sorted(found, key=lambda mark: (mark.first or mark.last, mark.last, mark.paragraph, mark.text))

    def _mark(self, lane: str, text: str, when: str, paragraph: int) -> Mark:
        day = dates.parse(when)
        first = day.earliest.isoformat() if day.earliest else ""
        return Mark(lane, _capital(text), when, first, day.latest.isoformat() if day.latest else "", day.about, paragraph)

    # -- contradictions ------------------------------------------------------------------------------------------------

    def _contradictions(self) -> Iterator[Contradiction]:
        """Assessed ones first, in the order of their assessments; then each pair that nobody has assessed."""
        weighed: set[str] = set()
        superseded = {item.supersedes for item in self.view.assessments()}
        for item in self.view.assessments():
            if item.handle in superseded:
                continue
            sides = [[self.claims[h] for h in side if h in self.claims] for side in (item.claims_for, item.claims_against)]
            weighed.update(stored.claim.handle for side in sides for stored in side)
            shown = Assessment(
                item.handle, self._words(item.proposition), item.standard, item.outcome, self._words(item.reasons), item.assessor,
                item.date,
            )  # fmt: skip
            left, right = (tuple(self._sentence(stored) for stored in side) for side in sides)
            yield Contradiction(left, right, tuple(self._relations(sides[0] + sides[1])), shown)
        for link in self.view.contradictions():
            if {link.of, link.to} <= weighed or not {link.of, link.to} <= self.claims.keys():
                continue
            pair = self.claims[link.of], self.claims[link.to]
            yield Contradiction((self._sentence(pair[0]),), (self._sentence(pair[1]),), tuple(self._relations(list(pair))))

    def _relations(self, told: list[StoredClaim]) -> Iterator[str]:
        handles = {stored.claim.handle for stored in told}
        seen = set()
        for handle in sorted(handles, key=_order):
            for link in self.view.links(handle):
                if {link.of, link.to} <= handles and link.handle not in seen:
                    seen.add(link.handle)
                    reason = f": {self._words(ground.mask(link.reason))}" if link.reason else ""
                    yield f"{link.of} {_(link.kind)} {link.to}{reason}"

    # -- actors, States, sources ---------------------------------------------------------------------------------------

    def _actors(self) -> Iterator[Actor]:
        named: dict[str, set[int]] = defaultdict(set)
        accused: set[str] = set()
        for stored in self.claims.values():
            claim = stored.claim
            paragraph = self.paragraph_of_claim.get(claim.handle, 0)
            for handle in (claim.value, claim.speaker):
                if handle in self.entities and paragraph:
                    named[handle].add(paragraph)
            if claim.property in ("perpetrator", "accused", "target", "in charge of", "commands"):
                accused.update(h for h in (claim.value, claim.subject if claim.property in _COMMAND else "") if h in self.entities)
        for entity in self.entities.values():
            if entity.kind not in ("person", "group") or not (entity.label and (entity.official or entity.kind == "group")):
                continue
            told = [s for s in self.by_subject[entity.handle] if s.claim.property in _COMMAND]
            if told or entity.handle in accused:
                claimed = tuple(self._sentence(stored) for stored in told)
                yield Actor(entity.handle, self._name(entity.handle), entity.type, claimed, tuple(sorted(named[entity.handle])))

    def _matrix(self) -> Matrix:
        cells: dict[tuple[str, str], list[StoredClaim]] = defaultdict(list)
        states: set[str] = set()
        for entity in self.entities.values():
            if entity.kind != "position":
                continue
            told = {stored.claim.property: stored for stored in self.by_subject[entity.handle]}
            instrument = told["instrument"].claim.value if "instrument" in told else entity.parent
            if {"state", "role"} <= told.keys() and instrument in self.entities:
                states.add(told["state"].claim.value)
                cells[told["state"].claim.value, instrument] += [told["role"], told["state"]]
        columns = sorted({key[1] for key in cells}, key=lambda handle: (self._day(self.entities[handle]), _order(handle)))
        instruments = tuple(
            Instrument(handle, self._name(handle), self.entities[handle].date, self.paragraph_of.get(handle, 0)) for handle in columns
        )
        rows = []
        for state in sorted(states, key=_state_name):
            row = []
            for handle in columns:
                told_here = cells.get((state, handle), [])
                self.used.update(stored.claim.handle for stored in told_here)
                roles = tuple(dict.fromkeys(s.claim.value for s in told_here if s.claim.property == "role"))
                row.append(Cell(roles, tuple(s.claim.handle for s in told_here)) if told_here else None)
            rows.append(StateRow(state, _state_name(state), tuple(row)))
        return Matrix(instruments, tuple(rows))

    def _reference(self, stored: StoredClaim) -> ClaimRef:
        claim = stored.claim
        speaker = self._name(claim.speaker) if claim.speaker in self.entities else claim.speaker
        return ClaimRef(
            claim.handle, claim.key, claim.source, claim.passage, claim.locator, speaker, claim.access, claim.voluntariness,
            claim.stance, claim.polarity, tuple(stored.origin),
        )  # fmt: skip

    def _sources(self, claims: Iterable[ClaimRef]) -> Iterator[Source]:
        """Sources cited, with the files that carry them; then the tables that rows were imported from."""
        counts: dict[str, int] = defaultdict(int)
        for claim in claims:
            counts[claim.source] += 1
        for entity in sorted(self.entities.values(), key=lambda entity: _order(entity.handle)):
            table = entity.key.startswith("file:")
            if entity.kind == "source" and (entity.handle in counts or table):
                files = tuple(self._file(file) for file in self.testimony.files(entity.handle))
                label, kind = self._words(entity.label), entity.type
                yield Source(entity.handle, label, kind, entity.basis, entity.date, files, counts[entity.handle])

    def _file(self, file: Any) -> SourceFile:
        custody = tuple((_day_of(when), str(who), str(what)) for when, who, what in file.custody)
        return SourceFile(file.sha256.hex(), file.size, file.media_type, custody)

    def _persons(self, claims: Iterable[ClaimRef]) -> set[str]:
        told: set[str] = set()
        for reference in claims:
            claim = self.claims[reference.handle].claim
            told.update(h for h in (claim.person, claim.subject, claim.value, claim.speaker) if h.startswith("P-"))
        return {handle for handle in told if handle in self.entities and not self.entities[handle].official}


def _capital(text: str) -> str:
    """A text that begins a line begins with a capital."""
    return text[:1].upper() + text[1:]


def _order(handle: str) -> tuple[str, int, int]:
    parsed = ids.parse(handle)
    return parsed.kind, parsed.device, parsed.number


def _day_of(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).date().isoformat()


def _state_name(code: str) -> str:
    """A State's everyday name by its ISO 3166-1 alpha-3 code."""
    country = pycountry.countries.get(alpha_3=code)
    return str(getattr(country, "common_name", country.name)) if country else code
