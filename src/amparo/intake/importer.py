"""Tables in, parts of checked records out: a generator that knows neither ledger nor vault.

Invariants: each part holds rows of one type and one (source, person), so that either can be erased alone; a row with an error
yields none of its records; importing the same files twice yields nothing; memory is bounded by the number of entities and open
parts, not by the number of claims. The caller commits all parts as one group, and only if ``errors.count`` is 0 at the end (or
``skip_bad`` was asked for): parts yielded before the first error must then be dropped.

The files are read in passes, so that a reference may point forward: keys, things, claims, links.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from amparo.intake import mapping, problems, records, tables
from amparo.intake.convert import Keys, Registry
from amparo.intake.problems import RowErrors
from amparo.kernel import ids
from amparo.record import ground, model, vocabulary
from amparo.record.digest import DIGEST_LENGTH, content, digest
from amparo.record.vocabulary import Vocabularies

__all__ = ["DIGEST_LENGTH", "Part", "Registry", "RowErrors", "digest", "open_tables", "run"]

PART_ROWS = 256
PART_BYTES = 64 << 10
OPEN_PARTS = 4_096
OPEN_BYTES = 16 << 20
_PROGRESS_ROWS = 2_048
_ROW_OVERHEAD = 64  # bytes of handle, time and framing that ``content`` leaves out

_mentions = lru_cache(65_536)(ground.mentions)

Progress = Callable[[int, int, str], None]
PASSES: dict[str, tuple[str, ...]] = {
    "keys": ("entities", "passages"),
    "things": ("entities", "passages", "consents", "identities"),
    "claims": ("claims",),
    "links": ("links", "assessments"),
}


@dataclass(slots=True)
class Part:
    """Rows of one type for one compartment, of one source and one person ("" for none)."""

    compartment: str
    type: str
    source: str
    person: str
    rows: list[list[Any]]


@dataclass(slots=True)
class _Open:
    part: Part
    size: int = 0


@dataclass(slots=True)
class _Buffers:
    """Parts being filled. Full ones, and the oldest when there are too many, move to ``ready``."""

    open: dict[tuple[str, str, str], _Open] = field(default_factory=dict)
    ready: list[Part] = field(default_factory=list)
    size: int = 0

    def add(self, compartment: str, type: str, source: str, person: str, row: list[Any], size: int) -> None:
        key = (type, source, person)
        entry = self.open.get(key)
        if entry is not None and entry.size + size > PART_BYTES:
            self._close(key)
            entry = None
        if entry is None:
            entry = self.open[key] = _Open(Part(compartment, type, source, person, []))
        entry.part.rows.append(row)
        entry.size += size
        self.size += size
        if len(entry.part.rows) >= PART_ROWS:
            self._close(key)
        while len(self.open) > OPEN_PARTS or self.size > OPEN_BYTES:
            self._close(next(iter(self.open)))

    def _close(self, key: tuple[str, str, str]) -> None:
        entry = self.open.pop(key)
        self.size -= entry.size
        self.ready.append(entry.part)

    def drain(self) -> Iterator[Part]:
        """Yield and forget what is ready."""
        ready, self.ready = self.ready, []
        yield from ready

    def close(self) -> None:
        for key in list(self.open):
            self._close(key)


class _Trial:
    """A registry for a run whose parts are thrown away: gives handles of its own, so that none is lost for good."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.given: Counter[str] = Counter()

    def allocate(self, kind: str) -> str:
        self.given[kind] += 1
        return f"{ids.KINDS[kind]}-{self.given[kind]}"

    def find(self, dataset: str, key: str, table: str) -> tuple[str, bytes] | None:
        return self.registry.find(dataset, key, table)


def open_tables(folder: Path, plan: mapping.Mapping) -> list[tables.Table]:
    """Open every file of the mapping and check its columns. Raises what ``tables`` and ``mapping`` raise."""
    opened = []
    for file in plan.files:
        path = folder / file.file
        if path.exists() and not path.resolve().is_relative_to(folder.resolve()):  # a link that leads out
            raise mapping.MappingOutside(where=file.where, file=file.file)
        table = tables.open_table(path, sheet=file.sheet, encoding=file.encoding)
        file.check_columns(table.columns)
        opened.append(table)
    return opened


def run(
    folder: Path,
    plan: mapping.Mapping,
    registry: Registry,
    *,
    recorded: int,
    errors: RowErrors,
    progress: Progress | None = None,
    skip_bad: bool = False,
    vocabularies: Vocabularies | None = None,
) -> Iterator[Part]:
    """Yield the parts that the files of ``folder`` add to the record. ``recorded``: ms since 1970 UTC.

    Row errors go to ``errors``; after the first, nothing more is yielded but checking goes on. With ``skip_bad`` the files are
    first checked until no more rows fall (a row that refers to a rejected row is rejected too), then the good rows are yielded.
    Raises TooManyBadRows, and one error for what concerns a whole file (``tables``, ``workbook``, ``yamltext``, ``mapping``).
    """
    words = vocabularies or vocabulary.load()
    opened = errors.tables = open_tables(folder, plan)
    while skip_bad:
        before = len(errors.bad)
        for _part in _Run(opened, plan, _Trial(registry), words, recorded, errors, progress).parts():
            pass
        if len(errors.bad) >= problems.MAX_BAD:
            raise problems.TooManyBadRows(limit=problems.MAX_BAD)
        if len(errors.bad) == before:
            break
    yield from _Run(opened, plan, registry, words, recorded, errors, progress).parts()


class _Run:
    """One reading of all files. Rows that were bad before it began are left out."""

    def __init__(
        self,
        opened: list[tables.Table],
        plan: mapping.Mapping,
        registry: Registry,
        words: Vocabularies,
        recorded: int,
        errors: RowErrors,
        progress: Progress | None,
    ) -> None:
        self.files = list(zip(plan.files, opened, strict=True))
        self.plan, self.registry, self.words, self.recorded = plan, registry, words, recorded
        self.errors, self.progress = errors, progress
        self.left_out = frozenset(errors.bad)
        self.count_before = errors.count
        self.keys = Keys(registry, plan.dataset)
        if plan.has("links", "assessments"):
            self.keys.claims = {}
        self.sources: dict[str, str] = {}  # passage to source
        self.seen: set[int] = set()  # 64-bit hashes of keys: a chance of 2^-25 for a false repeat among a million
        self.buffers = _Buffers()
        self.total = sum(table.size for _name, _file, table in self._readings())
        self.done = 0
        errors.begin()

    def parts(self) -> Iterator[Part]:
        """The passes, in order; what is still open at the end of a pass goes out with it."""
        for name in PASSES:
            for reading, file, table in self._readings():
                if reading == name:
                    yield from self._read(name, file, table)
            self.buffers.close()
            yield from self._ready()

    def _readings(self) -> Iterator[tuple[str, mapping.FileMap, tables.Table]]:
        for name, wanted in PASSES.items():
            for file, table in self.files:
                if any(record.table in wanted for record in file.records):
                    yield name, file, table

    def _read(self, name: str, file: mapping.FileMap, table: tables.Table) -> Iterator[Part]:
        """One pass over one file."""
        makers = [self._maker(record) for record in file.records if record.table in PASSES[name]]
        first = next(reading for reading, other, _table in self._readings() if other is file) == name
        label = f"{table.file} [{table.sheet}]" if table.sheet else table.file
        left_out = self.left_out
        for count, row in enumerate(table.rows()):
            if self.progress and not count % _PROGRESS_ROWS:
                self.progress(self.done + table.position(), self.total, label)
            if left_out and (row.file, row.sheet, row.number) in left_out:
                if row.problem is None:
                    self._reject(makers, row)
            elif row.problem:
                if first:
                    self.errors.add(row, "", row.problem)
            elif name == "keys":
                self._note_keys(makers, row)
            else:
                self._make(makers, row)
                if self.buffers.ready:
                    yield from self._ready()
        self.done += table.size
        if self.progress:
            self.progress(self.done, self.total, label)

    def _ready(self) -> Iterator[Part]:
        if self.errors.count == self.count_before:
            yield from self.buffers.drain()
        else:
            self.buffers.ready.clear()

    def _maker(self, record: mapping.RecordMap) -> records.Maker:
        if record.table == "claims":
            return records.ClaimMaker(record, self.keys, self.words, self.sources)
        makers: dict[str, type[records.Maker]] = {
            "entities": records.EntityMaker, "passages": records.PassageMaker, "links": records.LinkMaker,
            "assessments": records.AssessmentMaker, "consents": records.ConsentMaker, "identities": records.IdentityMaker,
        }  # fmt: skip
        return makers[record.table](record, self.keys, self.words)

    # -- keys ----------------------------------------------------------------------------------------------------------

    def _note_keys(self, makers: list[records.Maker], row: tables.TableRow) -> None:
        """Give each new entity its handle, so that any row may refer to it."""
        for maker in makers:
            identified = maker.identify(row.cells)
            if identified is None:
                continue
            key, kind = identified
            if key in self.keys.entities:
                self.errors.add(row, maker.column("key"), problems.RepeatedKey(text=key[:60]))
                continue
            found = self.registry.find(self.plan.dataset, key, model.Entity.TYPE)
            if found and ids.LETTERS[found[0][0]] != kind:
                problem = problems.KindChanged(text=key[:60], old=ids.LETTERS[found[0][0]], kind=kind)
                self.errors.add(row, maker.column("kind"), problem)
            self.keys.entities[key] = found[0] if found else self.registry.allocate(kind)

    def _reject(self, makers: list[records.Maker], row: tables.TableRow) -> None:
        """Remember the keys of a bad row, so that rows which refer to it are told why."""
        self.keys.rejected.update(maker.key(row.cells) for maker in makers)

    # -- records -------------------------------------------------------------------------------------------------------

    def _make(self, makers: list[records.Maker], row: tables.TableRow) -> None:
        """Make all records of the row, and keep them only if every one is well."""
        found: records.Problems = []
        made = []
        for maker in makers:
            record = maker.make(row.cells, found)
            if record is not None:
                if maker.unique:
                    self._once(maker, record, found)
                made.append((maker, record))
        for column, problem in found:
            self.errors.add(row, column, problem)
        if found:
            self._reject(makers, row)
            return
        for maker, record in made:
            self._keep(maker, record, row)

    def _once(self, maker: records.Maker, record: list[Any], found: records.Problems) -> None:
        key: str = record[maker.layout.positions[maker.unique]]
        mark = hash((maker.record.table, key))
        if mark in self.seen:
            found.append((maker.column(maker.unique), problems.RepeatedKey(text=key[:60])))
        self.seen.add(mark)

    def _keep(self, maker: records.Maker, record: list[Any], row: tables.TableRow) -> None:
        match maker:
            case records.ClaimMaker():
                self._keep_claim(model.Claim.TYPE, record, row)
            case records.EntityMaker():
                self._keep_entity(record)
            case records.PassageMaker():
                self._keep_passage(record)
            case records.LinkMaker():
                self._keep_handled(model.Link.TYPE, "link", record, records.LINK)
            case records.AssessmentMaker():
                self._keep_handled(model.Assessment.TYPE, "assessment", record, records.ASSESSMENT)
            case records.ConsentMaker():
                record[records.CONSENT.positions["recorded"]] = self.recorded
                consent = model.Consent(*record)
                known_as = (self.plan.dataset, consent.key)
                self._keep_row("record", model.Consent.TYPE, known_as, record, consent.source, consent.person)
            case _:
                person: str = record[0]
                self._keep_row("identities", model.Identity.TYPE, ("", person), record, "", person)

    def _keep_claim(self, type: str, record: list[Any], row: tables.TableRow) -> None:
        """A changed claim is a new claim that supersedes the old."""
        position = records.CLAIM.positions
        key: str = record[position["key"]]
        body = content(type, record)
        handle = ""
        found = self.registry.find(self.plan.dataset, key, type)
        if found is None:
            self.errors.new += 1
        elif found[1] == digest(type, record):
            self.errors.unchanged += 1
            handle = found[0]
        else:
            self.errors.changed += 1
            record[position["supersedes"]], record[position["reason"]] = found[0], "re-import"
        if not handle:
            handle = record[0] = self.registry.allocate("claim")
            record[position["recorded"]] = self.recorded
            person: str = record[position["person"]]
            self.buffers.add("record", type, record[position["source"]], person, record, len(body) + _ROW_OVERHEAD)
            if person or record[position["subject"]][0] == "P":
                self._warn_of_ground(record[position["text"]], row)
        if self.keys.claims is not None:
            self.keys.claims[key] = handle

    def _warn_of_ground(self, text: str, row: tables.TableRow) -> None:
        # word by word first: texts repeat their words, and an import looks at a million of them
        if any(_mentions(word) for word in text.split() if not word.isdecimal()) and ground.mentions(text):
            self.errors.warn(row)

    def _keep_entity(self, record: list[Any]) -> None:
        entity = model.Entity(*record)
        handle = record[0] = self.keys.entities[entity.key]
        source = handle if entity.kind == "source" else entity.parent if entity.parent.startswith("S-") else ""
        person = handle if entity.kind == "person" else ""
        self._keep_row("record", model.Entity.TYPE, (self.plan.dataset, entity.key), record, source, person)

    def _keep_passage(self, record: list[Any]) -> None:
        """The passage's place goes into the record, its words into the testimony."""
        *fields, key, person = record
        handle = fields[0] = self.keys.entities[key]
        passage = model.Passage(*fields)
        self.sources[handle] = passage.source
        entity = model.Entity(
            handle, "passage", key=key, dataset=self.plan.dataset, parent=passage.source, locator=passage.locator
        ).to_row()
        self._keep_row("record", model.Entity.TYPE, (self.plan.dataset, key), entity, passage.source, person)
        if passage.text:
            self._keep_row("testimony", model.Passage.TYPE, ("", handle), fields, passage.source, person)

    def _keep_handled(self, type: str, kind: str, record: list[Any], layout: records.Layout) -> None:
        """A link or assessment keeps its handle when it changes; the later row wins."""
        key: str = record[layout.positions["key"]]
        found = self.registry.find(self.plan.dataset, key, type)
        if found is None or found[1] != digest(type, record):
            record[0] = found[0] if found else self.registry.allocate(kind)
        self._keep_row("record", type, (self.plan.dataset, key), record, "", record[0])  # a part of its own

    def _keep_row(
        self, compartment: str, type: str, known_as: tuple[str, str], row: list[Any], source: str, person: str
    ) -> None:
        """Buffer a row unless the registry has its like under (dataset, key)."""
        found = self.registry.find(*known_as, type)
        if found is None:
            self.errors.new += 1
        elif found[1] == digest(type, row):
            self.errors.unchanged += 1
            return
        else:
            self.errors.changed += 1
        self.buffers.add(compartment, type, source, person, row, len(content(type, row)) + _ROW_OVERHEAD)
