"""The manifest: all that a dossier says, and for each sentence the claims it rests on. Plain values; a PDF is a form of it.

Invariant: every sentence, figure, mark and cell names claims that stand in ``claims``, every claim a source that stands in
``sources``; so whoever holds the manifest can walk from any sentence to an entry of the ledger. Persons appear by handle.
Same record, options and head give the same manifest, byte for byte (``to_json``).
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words and the claims (C-n) they rest on. ``stance`` as in record.model.STANCES; ``language`` BCP 47 or ""."""

    text: str
    claims: tuple[str, ...] = ()
    stance: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A numbered paragraph: ``number`` counts from 1 through the whole dossier; ``when`` a canonical partial date, that of the
    sentence ``lead``; ``against`` the numbers of paragraphs that contradict it.
    """

    number: int
    sentences: tuple[Sentence, ...]
    when: str = ""
    place: str = ""
    against: tuple[int, ...] = ()
    lead: int = 0

    def claims(self) -> tuple[str, ...]:
        """The claims of all its sentences, in their order, each once."""
        return tuple(dict.fromkeys(claim for sentence in self.sentences for claim in sentence.claims))


@dataclass(frozen=True, slots=True)
class Section:
    """Paragraphs under a heading: an event, a proceeding, a measure (``handle``), or what tells of no single one ("")."""

    title: str
    paragraphs: tuple[Paragraph, ...]
    handle: str = ""
    when: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number as claimed (``>=3``, ``~40``): what is counted, about which event, when, in what stance."""

    label: str
    value: str
    about: str
    when: str
    stance: str
    claims: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A dated matter of the chronology; ``lane`` a key of LANES; the days are ISO dates, "" where open."""

    lane: str
    text: str
    when: str
    first: str
    last: str
    about: bool
    paragraph: int


LANES = ("event", "statement", "proceeding", "measure", "protection")


@dataclass(frozen=True, slots=True)
class Assessment:
    """What was concluded about claims for and against, at which standard of proof."""

    handle: str
    proposition: str
    standard: str
    outcome: str
    reasons: str
    assessor: str
    date: str


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Claims side by side; ``relations`` are sentences about how they stand to each other."""

    left: tuple[Sentence, ...]
    right: tuple[Sentence, ...]
    relations: tuple[str, ...] = ()
    assessment: Assessment | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody in office or an institution: what is claimed of rank and command, and where else it is named."""

    handle: str
    name: str
    type: str
    claimed: tuple[Sentence, ...]
    paragraphs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Instrument:
    """A column of the matrix; ``paragraph`` 0 where none tells of it."""

    handle: str
    label: str
    when: str
    paragraph: int


@dataclass(frozen=True, slots=True)
class Cell:
    """What a State did about an instrument: terms of the vocabulary ``position``; none at all means no record of joining."""

    roles: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StateRow:
    """A State (ISO 3166-1 alpha-3) and its cells in the order of the instruments; None where it was not known as eligible."""

    code: str
    name: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    instruments: tuple[Instrument, ...] = ()
    rows: tuple[StateRow, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A sealed file that carries a source: SHA-256 (hex) and size (bytes) of the plain file; custody (day, who, what)."""

    sha256: str
    size: int
    media_type: str
    custody: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A source cited by ``claims`` of the claims printed; 0 for a table from which such claims were imported."""

    handle: str
    label: str
    type: str
    basis: str
    date: str
    files: tuple[SourceFile, ...] = ()
    claims: int = 0


@dataclass(frozen=True, slots=True)
class ClaimRef:
    """Where a claim comes from and lies: source, passage, locator; ``speaker`` a handle or a word, ``said_by`` as a reader
    calls the speaker; ``entry`` = device, sequence number, part of the ledger.
    """

    handle: str
    key: str
    source: str
    passage: str
    locator: str
    speaker: str
    said_by: str
    access: str
    voluntariness: str
    stance: str
    polarity: str
    entry: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Override:
    """A finding of the gate that a human let out, and why."""

    finding: str
    reason: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """A dossier. ``head_hash`` hex and ``head_date`` (ISO day, UTC) of the ledger; ``standards`` the standards of proof used;
    ``ground_counts`` (ground, cell as printed); ``demo`` true for a demonstration workspace; ``chosen`` (handle, label) of the
    events it is about, none if it is about the whole record.
    """

    title: str
    head_hash: str
    head_date: str
    purpose: str
    audience: str
    kind: str = "record"
    language: str = "en"
    demo: bool = False
    standards: tuple[str, ...] = ()
    counts: tuple[tuple[str, int], ...] = ()
    figures: tuple[Figure, ...] = ()
    ground_counts: tuple[tuple[str, str], ...] = ()
    marks: tuple[Mark, ...] = ()
    events: tuple[Section, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    actors: tuple[Actor, ...] = ()
    measures: tuple[Section, ...] = ()
    matrix: Matrix = field(default_factory=Matrix)
    proceedings: tuple[Section, ...] = ()
    protection: tuple[Section, ...] = ()
    sources: tuple[Source, ...] = ()
    claims: tuple[ClaimRef, ...] = ()
    overrides: tuple[Override, ...] = ()
    persons: tuple[tuple[str, str], ...] = ()
    chosen: tuple[tuple[str, str], ...] = ()

    def sections(self) -> Iterator[Section]:
        """All sections in the order of their paragraphs' numbers."""
        for group in (self.events, self.measures, self.proceedings, self.protection):
            yield from group

    def paragraphs(self) -> Iterator[Paragraph]:
        for section in self.sections():
            yield from section.paragraphs

    def to_json(self) -> bytes:
        """UTF-8 JSON: the fields as they are; each paragraph also with its ``claims`` and their ``entries``
        ([device, sequence number, part], each once).
        """
        data: dict[str, Any] = {"format": FORMAT} | asdict(self)
        entries = {claim.handle: claim.entry for claim in self.claims}
        shown = (shape for name in ("events", "measures", "proceedings", "protection") for section in data[name]
                 for shape in section["paragraphs"])  # fmt: skip
        for paragraph, shape in zip(self.paragraphs(), shown, strict=True):
            claims = paragraph.claims()
            shape["claims"] = claims
            shape["entries"] = sorted({entries[claim] for claim in claims if claim in entries})
        return json.dumps(data, ensure_ascii=False, indent=1).encode()


def ranges(numbers: list[int]) -> list[list[int]]:
    """Neighbouring numbers drawn together: [1, 2, 3, 7] is [[1, 3], [7, 7]]."""
    found: list[list[int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found
