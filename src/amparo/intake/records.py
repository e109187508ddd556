"""From one table row to one record row, as compiled steps: the mapping is looked at once, not once per row.

Invariant: a maker returns a whole valid row in the order of the model's fields, or None and at least one problem, or None where
the record's ``when`` is empty.
"""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Any

from amparo.intake import problems
from amparo.intake.convert import (
    MAX_SHORT,
    MAX_TEXT,
    Converter,
    Keys,
    Near,
    date,
    key,
    language,
    normal,
    one_of,
    several_of,
    term,
    text,
    value_of,
    yes_no,
)
from amparo.intake.mapping import Cells, RecordMap, Template
from amparo.intake.tables import MAX_FIELD
from amparo.kernel import ids
from amparo.kernel.errors import BadInput
from amparo.record import ground, model
from amparo.record.vocabulary import Vocabularies

Problems = list[tuple[str, BadInput]]  # column, problem
TYPES = {  # kind of entity: the vocabulary of its types
    "person": "person type", "group": "group type", "place": "place type", "event": "event type", "act": "act",
    "source": "source material", "intervention": "intervention", "proceeding": "proceeding type", "measure": "measure type",
}  # fmt: skip
_CODE = 32  # characters of a code such as V-001


@dataclass(frozen=True, slots=True)
class Layout:
    """A record's row: its fields' positions and the row of defaults."""

    positions: dict[str, int]
    blank: list[Any]

    @staticmethod
    def of(row: type[Any]) -> "Layout":
        items = fields(row)
        blank: list[Any] = []
        for item in items:
            blank.append([] if item.default_factory is not MISSING else "" if item.default is MISSING else item.default)
        return Layout({item.name: position for position, item in enumerate(items)}, blank)


ENTITY, PASSAGE, CLAIM = Layout.of(model.Entity), Layout.of(model.Passage), Layout.of(model.Claim)
LINK, ASSESSMENT, CONSENT, IDENTITY = map(Layout.of, (model.Link, model.Assessment, model.Consent, model.Identity))
Step = tuple[int, str, Callable[[Cells], str], Converter, bool]  # position, column, render, convert, required


def _steps(record: RecordMap, layout: Layout, converters: dict[str, Converter], required: tuple[str, ...]) -> list[Step]:
    return [
        (
            layout.positions[field],
            template.place or f"{field} ({template.text})",
            template.render,
            converters.get(field) or text(MAX_SHORT, field),
            field in required,
        )
        for field, template in record.fields.items()
    ]


def _fill(row: list[Any], steps: list[Step], cells: Cells, found: Problems) -> None:
    """Run the steps into ``row``. The hot path of an import: about ten steps a claim."""
    for position, column, render, convert, required in steps:
        value = render(cells).strip()
        if value:
            try:
                row[position] = convert(value)
            except BadInput as problem:
                found.append((column, problem))
        elif required:
            found.append((column, problems.Missing(field=column)))


class Maker:
    """Makes the rows of one RecordMap. Subclasses add what fields must fulfil together."""

    layout: Layout
    required: tuple[str, ...] = ()
    unique = "key"  # the field that no two rows of an import may share; "" where the pass over keys has seen to it

    def __init__(self, record: RecordMap, keys: Keys, vocabularies: Vocabularies) -> None:
        self.record, self.keys, self.vocabularies = record, keys, vocabularies
        self.when = record.when.render if record.when else None
        self.steps = _steps(record, self.layout, self.converters(), self.required)
        self.blank = list(self.layout.blank)
        if "dataset" in self.layout.positions:
            self.blank[self.layout.positions["dataset"]] = keys.dataset

    def converters(self) -> dict[str, Converter]:
        raise NotImplementedError

    def make(self, cells: Cells, found: Problems) -> list[Any] | None:
        """One row without its handle; problems are appended to ``found``."""
        if self.when and not self.when(cells).strip():
            return None
        row = self.blank.copy()
        before = len(found)
        _fill(row, self.steps, cells, found)
        if len(found) == before:
            self.check(row, found)
        return row if len(found) == before else None

    def check(self, row: list[Any], found: Problems) -> None:
        """What a field may be only in view of another."""

    def key(self, cells: Cells) -> str:
        """The key of the row's record, well-formed or not; "" where it has none."""
        template = self.record.fields.get("key")
        return normal(template.render(cells).strip()) if template else ""

    def identify(self, cells: Cells) -> tuple[str, str] | None:
        """(key, kind) of an entity or passage where both are well-formed; a malformed row is reported by ``make``."""
        if self.when and not self.when(cells).strip():
            return None
        name = self.key(cells)
        kind = self.record.fields["kind"].render(cells).strip().lower() if "kind" in self.record.fields else "passage"
        return (name, kind) if 0 < len(name) <= MAX_SHORT and kind in ids.KINDS else None

    def column(self, field: str) -> str:
        """Where the text of a field came from."""
        template = self.record.fields.get(field)
        return (template.place or template.text) if template else field


class EntityMaker(Maker):
    layout, required, unique = ENTITY, ("key", "kind"), ""

    def converters(self) -> dict[str, Converter]:
        return {
            "key": key,
            "kind": one_of(tuple(ids.KINDS), "kind"),
            "label": text(MAX_TEXT, "label"),
            "parent": self.keys.entity(field="parent"),
            "official": yes_no,
            "basis": one_of(model.BASES, "basis"),
            "date": date,
        }

    def check(self, row: list[Any], found: Problems) -> None:
        entity = model.Entity(*row)
        if entity.type and entity.kind in TYPES:
            try:
                term(self.vocabularies, TYPES[entity.kind], "type")(entity.type)
            except BadInput as problem:
                found.append((self.column("type"), problem))
        if entity.kind == "place" and (ground.mentions(entity.label) or ground.mentions(entity.key.replace("-", " "))):
            found.append((self.column("label"), problems.GroundPlace()))
        if entity.kind == "person" and not entity.official:
            if entity.label:
                found.append((self.column("label"), problems.NamedPerson()))
            if len(entity.key) > _CODE or not any(map(str.isdigit, entity.key)) or any(map(str.isspace, entity.key)):
                found.append((self.column("key"), problems.NamelikeKey()))
        if entity.kind == "source":
            row[ENTITY.positions["basis"]] = entity.basis or "unknown"
        elif entity.basis:
            found.append((self.column("basis"), problems.BasisNotOfSource(kind=entity.kind)))


class PassageMaker(Maker):
    """Makes the passage's row with, appended, its key and its person: two records come of it."""

    layout, required, unique = PASSAGE, ("key", "source"), ""

    def __init__(self, record: RecordMap, keys: Keys, vocabularies: Vocabularies) -> None:
        own = {field: template for field, template in record.fields.items() if field not in ("key", "person")}
        super().__init__(RecordMap(record.table, record.where, own, record.when), keys, vocabularies)
        self.record = record
        extra = Layout({"key": 0, "person": 1}, ["", ""])
        rest = RecordMap(record.table, record.where, {k: v for k, v in record.fields.items() if k in ("key", "person")})
        converters = {
            "key": key,
            "person": keys.person(),
        }
        self.extra_steps = _steps(rest, extra, converters, ("key",))

    def converters(self) -> dict[str, Converter]:
        return {
            "source": self.keys.entity("source", field="source"),
            "text": text(MAX_FIELD, "text"),
            "language": language,
        }

    def make(self, cells: Cells, found: Problems) -> list[Any] | None:
        row = super().make(cells, found)
        if row is None:
            return None
        extra, before = ["", ""], len(found)
        _fill(extra, self.extra_steps, cells, found)
        return row + extra if len(found) == before else None


class ClaimMaker(Maker):
    layout, required = CLAIM, ("key", "subject", "property")
    _property, _subject, _value = (CLAIM.positions[name] for name in ("property", "subject", "value"))
    _source, _passage = CLAIM.positions["source"], CLAIM.positions["passage"]

    def __init__(self, record: RecordMap, keys: Keys, vocabularies: Vocabularies, sources: dict[str, str]) -> None:
        """``sources``: passage handle to source handle."""
        super().__init__(record, keys, vocabularies)
        self.sources = sources
        self._values: dict[str, Converter] = {}
        self._subjects: dict[str, frozenset[str]] = {}
        self._needs_value: set[str] = set()

    def converters(self) -> dict[str, Converter]:
        keys = self.keys
        return {
            "key": key,
            "subject": keys.entity(),
            "property": self._known_property,
            "value": text(MAX_TEXT, "value"),
            "text": text(MAX_TEXT, "text"),
            "polarity": one_of(model.POLARITIES, "polarity"),
            "valid": date,
            "place": keys.entity("place", field="place"),
            "source": keys.entity("source", field="source"),
            "passage": keys.entity("passage", field="passage"),
            "speaker": keys.speaker,
            "access": one_of(model.ACCESS, "access"),
            "voluntariness": one_of(model.VOLUNTARINESS, "voluntariness"),
            "stance": one_of(model.STANCES, "stance"),
            "verbatim": yes_no,
            "language": language,
            "person": keys.person(),
        }

    def check(self, row: list[Any], found: Problems) -> None:
        name: str = row[self._property]
        subjects = self._subjects[name]
        if subjects and row[self._subject][0] not in subjects:
            kinds = ", ".join(ids.LETTERS[letter] for letter in sorted(subjects))
            handle = row[self._subject]
            problem = problems.WrongKind(text=handle, kind=ids.LETTERS[handle[0]], field=name, expected=kinds)
            found.append((self.column("subject"), problem))
        if row[self._value]:
            try:
                row[self._value] = self._values[name](row[self._value])
            except BadInput as problem:
                found.append((self.column("value"), problem))
        elif name in self._needs_value:
            found.append((self.column("value"), problems.Missing(field="value")))
        if not row[self._source]:
            row[self._source] = self.sources.get(row[self._passage], "")
            if not row[self._source]:
                found.append((self.column("source"), problems.NoSource()))

    def _known_property(self, value: str) -> str:
        if value not in self._values:
            known = self.vocabularies.property(value)
            if known is None:
                word, words = value[:60], self.vocabularies
                nearest = Near(word, lambda: words.suggest("property", word) or [one.id for one in words.properties()])
                raise problems.NotAmong(field="property", text=word, near=nearest)
            self._values[value] = value_of(known, self.vocabularies, self.keys)
            self._subjects[value] = frozenset(ids.KINDS[kind] for kind in known.subjects)
            if known.value not in ("text", "none"):
                self._needs_value.add(value)
        return value


class LinkMaker(Maker):
    layout, required = LINK, ("key", "kind", "of", "to")

    def converters(self) -> dict[str, Converter]:
        return {
            "kind": one_of(model.LINKS, "kind"),
            "of": self.keys.claim,
            "to": self.keys.claim,
            "reason": text(MAX_TEXT, "reason"),
        }


class AssessmentMaker(Maker):
    layout = ASSESSMENT
    required = ("key", "proposition", "standard", "outcome", "reasons", "assessor", "date")

    def converters(self) -> dict[str, Converter]:
        return {
            "proposition": text(MAX_TEXT, "proposition"),
            "reasons": text(MAX_TEXT, "reasons"),
            "standard": term(self.vocabularies, "standard of proof", "standard"),
            "outcome": term(self.vocabularies, "assessment outcome", "outcome"),
            "date": date,
            "claims_for": self.keys.claim_list,
            "claims_against": self.keys.claim_list,
        }


class ConsentMaker(Maker):
    layout, required = CONSENT, ("key", "person")

    def converters(self) -> dict[str, Converter]:
        return {
            "person": self.keys.person(),
            "source": self.keys.entity("source", field="source"),
            "purposes": several_of(model.PURPOSES, "purposes"),
            "audiences": several_of(model.AUDIENCES, "audiences"),
            "names": several_of(model.AUDIENCES, "names"),
            "until": date,
            "withdrawn": yes_no,
            "how": text(MAX_TEXT, "how"),
        }


class IdentityMaker(Maker):
    """Its problems never repeat what stands in the cells."""

    layout, required, unique = IDENTITY, ("person",), "person"

    def converters(self) -> dict[str, Converter]:
        person = self.keys.person()
        return {"person": person, "birth": date, "note": text(MAX_FIELD, "note"), "made_up": yes_no}

    def make(self, cells: Cells, found: Problems) -> list[Any] | None:
        open_problems: Problems = []
        row = super().make(cells, open_problems)
        for column, problem in open_problems:
            found.append((column, problem if isinstance(problem, problems.Missing) else problems.Sealed(field=column)))
        if row is None:
            return None
        identity = model.Identity(*row)
        identity.names = [model.Name(**words) for name in self.record.names if (words := _words(name, cells)).get("text")]
        identity.contacts = _pairs(self.record.contacts, cells)
        identity.documents = _pairs(self.record.documents, cells)
        return identity.to_row()


def _words(name: dict[str, Template], cells: Cells) -> dict[str, str]:
    words = {field: template.render(cells).strip() for field, template in name.items()}
    return {field: value for field, value in words.items() if value}


def _pairs(templates: tuple[tuple[Template, Template], ...], cells: Cells) -> list[list[str]]:
    return [[kind.render(cells).strip(), value] for kind, what in templates if (value := what.render(cells).strip())]
