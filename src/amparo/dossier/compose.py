"""From the record's views to a manifest: what is printed, in which order, resting on which claims.

Invariants: every sentence, figure, mark and cell names its claims; a denial stands in the same section as what it denies, or
the paragraph points to it, and section 4 sets both side by side. Same view and options give the same manifest.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from amparo.dossier import tables
from amparo.dossier.gather import Gathered, Told
from amparo.dossier.manifest import ClaimRef, Manifest, Override, Source, SourceFile
from amparo.dossier.sections import Sections
from amparo.kernel.errors import NotFound
from amparo.kernel.i18n import N_, _
from amparo.record import vocabulary
from amparo.record.items import Custody, Item
from amparo.record.testimony import TestimonyView
from amparo.record.view import RecordView


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked for. ``head_hash`` (hex) and ``head_date`` (ISO day) of the ledger, entries about access left aside;
    ``overrides``: (finding, reason) let out at the gate; ``title`` "" takes the widest event's label;
    ``events`` handles of those it is about, none for the whole record.
    """

    purpose: str
    audience: str
    head_hash: str
    head_date: str
    demo: bool = False
    overrides: tuple[tuple[str, str], ...] = ()
    title: str = ""
    language: str = "en"
    events: tuple[str, ...] = ()


def compose(view: RecordView, testimony: TestimonyView | None, options: Options) -> Manifest:
    """The manifest of all that the record holds, or of what tells of the chosen events. Raises NoSuchEvent."""
    record = Gathered(view, options.events)
    chosen = _chosen(record, options.events)
    sections = Sections(record)
    contradictions = tables.contradictions(record)
    assessments = [item.assessment for item in contradictions if item.assessment]
    matrix = tables.matrix(record, sections)
    manifest = Manifest(
        title=options.title or (chosen[0][1] if chosen else _title(record)),
        head_hash=options.head_hash, head_date=options.head_date,
        purpose=options.purpose, audience=options.audience, language=options.language, demo=options.demo,
        standards=_standards({item.standard for item in assessments}),
        counts=() if chosen else tuple(sorted(view.counts().items())),
        figures=tables.figures(record), marks=sections.marks(), chosen=chosen,
        ground_counts=() if chosen else _ground_counts(view),  # counts of two selections would tell one act by subtraction
        contradictions=contradictions,
        events=sections.of("events"), measures=sections.of("measures"), proceedings=sections.of("proceedings"),
        protection=sections.of("protection"), actors=tables.actors(record, sections), matrix=matrix,
        overrides=tuple(Override(finding, reason) for finding, reason in options.overrides),
    )  # fmt: skip
    claims = tuple(_reference(record, record.told[handle]) for handle in _cited(manifest) if handle in record.told)
    return replace(manifest, claims=claims, sources=_sources(record, testimony, claims), persons=_persons(record))


def claims_at(manifest: Manifest) -> dict[str, tuple[str, ...]]:
    """Where, as ``texts_of`` says it -> the claims (or the source) that stand there: where to mend what the gate found."""
    found = {_("paragraph {n}").format(n=paragraph.number): paragraph.claims() for paragraph in manifest.paragraphs()}
    found |= {_("source {handle}").format(handle=source.handle): (source.handle,) for source in manifest.sources}
    return found | {_("claim {handle}").format(handle=claim.handle): (claim.handle,) for claim in manifest.claims}


def sources_of(manifest: Manifest) -> frozenset[str]:
    """Handles of the sources whose words are used; not the tables that carry them."""
    return frozenset(source.handle for source in manifest.sources if source.claims)


def persons_of(manifest: Manifest) -> frozenset[str]:
    """Handles of the affected persons it tells of."""
    return frozenset(handle for handle, _key in manifest.persons)


def texts_of(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """(where, text) of every text before layout: what the gate reads first."""
    yield _("title"), manifest.title
    for section in manifest.sections():
        yield section.title, section.title
        for paragraph in section.paragraphs:
            words_ = " ".join(sentence.text for sentence in paragraph.sentences)
            yield _("paragraph {n}").format(n=paragraph.number), f"{paragraph.place} {words_}".strip()
    for figure in manifest.figures:
        yield _("figures"), f"{figure.label} {figure.value} {figure.about}"
    for mark in manifest.marks:
        yield _("chronology"), mark.text
    for item in manifest.contradictions:
        sides = [sentence.text for sentence in (*item.left, *item.right)]
        found = item.assessment
        judged = [found.proposition, found.reasons, found.assessor] if found else []
        yield _("contradictions"), "\n".join((*sides, *item.relations, *judged))
    for actor in manifest.actors:
        yield _("actors"), "\n".join((actor.name, *(sentence.text for sentence in actor.claimed)))
    for instrument in manifest.matrix.instruments:
        yield _("matrix"), instrument.label
    for source in manifest.sources:
        custody = [" ".join(step) for file in source.files for step in file.custody]
        yield _("source {handle}").format(handle=source.handle), "\n".join((source.label, *custody))
    for claim in manifest.claims:
        yield _("claim {handle}").format(handle=claim.handle), f"{claim.key} {claim.locator} {claim.speaker}"
    for override in manifest.overrides:
        yield _("overrides"), override.reason


class NoSuchEvent(NotFound):
    template = N_("There is no event {handle} to make a dossier of; `amparo search --kind event` finds those that there are.")


def _chosen(record: Gathered, events: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    for handle in events:
        entity = record.entities.get(handle)
        if entity is None or entity.kind != "event":
            raise NoSuchEvent(handle=handle[:40])
    return tuple((handle, record.label(handle)) for handle in events)


def _title(record: Gathered) -> str:
    """The label of the event that most other things belong to."""
    parents = [entity.parent for entity in record.entities.values() if entity.parent.startswith("E-")]
    events = [entity for entity in record.entities.values() if entity.kind == "event" and entity.label]
    widest = max(events, key=lambda event: (parents.count(event.handle), -len(event.handle)), default=None)
    return widest.label if widest else _("The record")


def _standards(used: set[str]) -> tuple[str, ...]:
    """In the order of the ladder."""
    ladder = vocabulary.load().terms("standard of proof")
    return tuple(sorted(used, key=lambda term: (ladder.index(term) if term in ladder else len(ladder), term)))


def _ground_counts(view: RecordView) -> tuple[tuple[str, str], ...]:
    counts = view.ground_counts()
    return tuple((name, _("suppressed") if number is None else str(number)) for name, number in counts.cells.items())


def _cited(manifest: Manifest) -> list[str]:
    """Every claim that the manifest names, in the order of their handles."""
    cited = {claim for paragraph in manifest.paragraphs() for claim in paragraph.claims()}
    cited |= {claim for figure in manifest.figures for claim in figure.claims}
    cited |= {claim for row in manifest.matrix.rows for cell in row.cells if cell for claim in cell.claims}
    for item in manifest.contradictions:
        cited |= {claim for sentence in (*item.left, *item.right) for claim in sentence.claims}
    for actor in manifest.actors:
        cited |= {claim for sentence in actor.claimed for claim in sentence.claims}
    return sorted(cited, key=lambda handle: (len(handle), handle))


def _reference(record: Gathered, told: Told) -> ClaimRef:
    claim = told.claim
    said_by = record.label(claim.speaker) if claim.speaker in record.entities else claim.speaker
    return ClaimRef(
        claim.handle, claim.key, claim.source, claim.passage, claim.locator, claim.speaker, said_by, claim.access,
        claim.voluntariness, told.stance, claim.polarity, told.origin,
    )  # fmt: skip


def _sources(record: Gathered, testimony: TestimonyView | None, claims: tuple[ClaimRef, ...]) -> tuple[Source, ...]:
    """The sources cited, then the tables that claims were imported from (they carry what the cited sources say)."""
    used: dict[str, int] = {}
    for claim in claims:
        used[claim.source] = used.get(claim.source, 0) + 1
    datasets = {record.told[claim.handle].claim.dataset for claim in claims} - {""}
    cited: list[Source] = []
    carriers: list[Source] = []
    for handle, entity in record.entities.items():
        table = entity.key.startswith("file:") and entity.dataset in datasets
        if entity.kind == "source" and (handle in used or table):
            files = testimony.files(handle) if testimony else []
            shown = tuple(_file(file, testimony.custody(file.handle) if testimony else []) for file in files)
            count = used.get(handle, 0)
            basis = "" if table else entity.basis or "unknown"
            found = Source(handle, entity.label, entity.type, basis, entity.date, shown, count)
            (cited if count else carriers).append(found)
    return (*cited, *carriers)


def _file(file: Item, custody: list[Custody]) -> SourceFile:
    steps = []
    for event in custody:  # who gave it and what it was called stay inside: they can name a person
        day = datetime.fromtimestamp(event.when / 1000, UTC).date().isoformat()
        steps.append((day, _("device {number}").format(number=event.device), _(event.action)))
    return SourceFile(file.sha256.hex(), file.size, file.media_type, tuple(steps))


def _persons(record: Gathered) -> tuple[tuple[str, str], ...]:
    """Affected persons of whom a claim tells: handle, and key in the sources' tables."""
    told: set[str] = set()
    for each in record.told.values():
        claim = each.claim
        told |= {handle for handle in (claim.person, claim.subject, claim.value, claim.speaker) if record.affected(handle)}
    return tuple((handle, entity.key) for handle, entity in record.entities.items() if handle in told)
