"""mapping.yaml: which column says what. Read once into frozen values; nothing of it is ever evaluated.

Invariant: a mapping that loads names only tables, fields and forms that exist; whether its columns exist is checked against
each file's header (``check_columns``) before the first row is read. Format: docs/guide/import.md.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import Any

from amparo.intake import yamltext
from amparo.intake.tables import ENCODINGS
from amparo.kernel.errors import BadInput, NotFound
from amparo.kernel.i18n import N_, _

VERSION = "1"
# record list: (fields that must be mapped, fields that may be)
TABLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "entities": (("key", "kind"), ("type", "label", "parent", "official", "basis", "date", "locator")),
    "passages": (("key", "source"), ("locator", "text", "language", "person")),
    "claims": (
        ("key", "subject", "property"),
        ("value", "text", "polarity", "valid", "place", "source", "passage", "locator", "speaker", "access",
         "voluntariness", "stance", "verbatim", "language", "person"),
    ),
    "links": (("key", "kind", "of", "to"), ("reason",)),
    "assessments": (
        ("key", "proposition", "standard", "outcome", "reasons", "assessor", "date"), ("claims_for", "claims_against"),
    ),
    "identities": (("person",), ("names", "contacts", "documents", "birth", "note", "made_up")),
    "consents": (("key", "person"), ("source", "purposes", "audiences", "names", "until", "withdrawn", "how")),
}  # fmt: skip
_NAME_FIELDS = ("text", "kind", "script", "language")
_FILE_FIELDS = ("file", "sheet", "encoding", *TABLES)
_TOKEN = re.compile(r"(\{\{|\}\}|\{[^{}]+\})")

Cells = dict[str, str]


class MappingMissing(NotFound):
    template = N_("There is no {file} in the folder; write one that tells which column says what (docs/guide/import.md).")


class MappingField(BadInput):
    template = N_("mapping.yaml, {where}: “{field}” is not known here; {near}")


class MappingLacks(BadInput):
    template = N_("mapping.yaml, {where}: “{field}” is missing; add it.")


class MappingForm(BadInput):
    template = N_("mapping.yaml, {where}: {expected}.")


class MappingTemplate(BadInput):
    template = N_("mapping.yaml, {where}: “{text}” has a lone brace; a column stands as {{column}}, a brace as {{{{ or }}}}.")


class MappingVersion(BadInput):
    template = N_("mapping.yaml is of version “{version}”; this Amparo reads version 1. Write `version: 1` or update Amparo.")


class MappingEncoding(BadInput):
    template = N_("mapping.yaml, {where}: the encoding “{encoding}” is not one of {known}.")


class MappingOutside(BadInput):
    template = N_("mapping.yaml, {where}: “{file}” lies outside the folder; put the file into it and give its bare name.")


class UnknownColumn(BadInput):
    template = N_("mapping.yaml, {where}: “{file}” has no column “{column}”; {near}")


def near(word: str, known: Iterator[str] | list[str] | tuple[str, ...]) -> str:
    """Return the second half of a sentence about an unknown word: the nearest known ones, or all where few."""
    candidates = list(known)
    close = get_close_matches(word, candidates, n=3, cutoff=0.6)
    if close:
        return _("did you mean {words}?").format(words=", ".join(close))
    return _("known are: {words}.").format(words=", ".join(candidates[:20]))


@dataclass(frozen=True, slots=True)
class Template:
    """Text with ``{column}`` places. ``render`` gives "" where all its columns are empty; constants have no columns."""

    text: str
    columns: tuple[str, ...]
    render: Callable[[Cells], str]

    @property
    def constant(self) -> bool:
        return not self.columns

    @property
    def place(self) -> str:
        """How an error names where the text came from: its columns."""
        return ", ".join(self.columns)


@dataclass(frozen=True, slots=True)
class RecordMap:
    """One record per row: ``table`` a key of TABLES, ``fields`` field to template; the lists are of identities only."""

    table: str
    where: str
    fields: dict[str, Template]
    when: Template | None = None
    names: tuple[dict[str, Template], ...] = ()
    contacts: tuple[tuple[Template, Template], ...] = ()
    documents: tuple[tuple[Template, Template], ...] = ()

    def templates(self) -> Iterator[Template]:
        """Every template of the record, nested ones too."""
        yield from self.fields.values()
        if self.when:
            yield self.when
        for name in self.names:
            yield from name.values()
        for pair in (*self.contacts, *self.documents):
            yield from pair


@dataclass(frozen=True, slots=True)
class FileMap:
    """One table file: its bare name, sheet (XLSX), encoding (text), and the records each of its rows makes."""

    file: str
    where: str
    records: tuple[RecordMap, ...]
    sheet: str = ""
    encoding: str = ""

    @property
    def identities(self) -> bool:
        """True if its rows hold what identifies persons."""
        return any(record.table == "identities" for record in self.records)

    def check_columns(self, columns: tuple[str, ...]) -> None:
        """Raise UnknownColumn for a column that the file's header lacks."""
        for record in self.records:
            for template in record.templates():
                for column in template.columns:
                    if column not in columns:
                        raise UnknownColumn(where=record.where, file=self.file, column=column, near=near(column, columns))


@dataclass(frozen=True, slots=True)
class Mapping:
    """``dataset``: the name within which the rows' keys are unique."""

    dataset: str
    files: tuple[FileMap, ...]

    def has(self, *tables: str) -> bool:
        """Whether any file makes records of one of ``tables``."""
        return any(record.table in tables for file in self.files for record in file.records)


def load(path: Path) -> Mapping:
    """Read a mapping file. Raises the errors above and those of ``yamltext``."""
    if not path.is_file():
        raise MappingMissing(file=path.name)
    root = _map(yamltext.load(path), "top")
    _known(root, ("version", "dataset", "files"), "top")
    if root.get("version") != VERSION:
        raise MappingVersion(version=root.get("version", ""))
    dataset = root.get("dataset")
    if not isinstance(dataset, str) or not re.fullmatch(r"[\w.-]{1,64}", dataset):
        raise MappingForm(where="top", expected=_("write `dataset:` with a short name of letters, digits, dots and hyphens"))
    files = _list(root.get("files"), "files")
    if not files:
        raise MappingLacks(where="top", field="files")
    return Mapping(dataset, tuple(_file(item, f"files[{number}]") for number, item in enumerate(files, start=1)))


def parse_template(text: str, where: str) -> Template:
    """Compile a template. Raises MappingTemplate."""
    literals: list[str] = []
    columns: list[str] = []
    for token in _TOKEN.split(text):
        if token in ("{{", "}}"):
            literals.append(token[0])
        elif len(token) > 2 and token[0] == "{" and token[-1] == "}":
            columns.append(token[1:-1].strip())
            literals.append("%s")
            continue
        elif "{" in token or "}" in token:
            raise MappingTemplate(where=where, text=text[:80])
        else:
            literals.append(token.replace("%", "%%"))
    pattern = "".join(literals)
    if not columns:
        constant = pattern.replace("%%", "%").strip()
        return Template(text, (), lambda _cells: constant)
    pick = itemgetter(*columns)
    if pattern == "%s":
        return Template(text, (columns[0],), pick)
    if len(columns) == 1:
        return Template(text, tuple(columns), lambda cells: pattern % value if (value := pick(cells)) else "")
    return Template(text, tuple(columns), lambda cells: pattern % values if any(values := pick(cells)) else "")


def _file(node: yamltext.Node, where: str) -> FileMap:
    entries = _map(node, where)
    _known(entries, _FILE_FIELDS, where)
    name = entries.get("file")
    if not isinstance(name, str) or not name:
        raise MappingLacks(where=where, field="file")
    where = f"{where} ({name})"
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or ":" in name:
        raise MappingOutside(where=where, file=name)
    encoding = _text(entries.get("encoding", ""), f"{where}.encoding").lower().replace("cp125", "windows-125")
    if encoding and encoding not in ENCODINGS:
        raise MappingEncoding(where=where, encoding=encoding, known=", ".join(ENCODINGS))
    records = [
        _record(table, item, f"{where}.{table}[{number}]")
        for table in TABLES
        for number, item in enumerate(_list(entries.get(table, []), f"{where}.{table}"), start=1)
    ]
    if not records:
        raise MappingLacks(where=where, field="|".join(TABLES))
    return FileMap(name, where, tuple(records), _text(entries.get("sheet", ""), f"{where}.sheet"), encoding)


def _record(table: str, node: yamltext.Node, where: str) -> RecordMap:
    entries = _map(node, where)
    required, optional = TABLES[table]
    _known(entries, (*required, *optional, "when"), where)
    for field in required:
        if not entries.get(field):
            raise MappingLacks(where=where, field=field)
    nested: dict[str, Any] = {}
    if table == "identities":
        nested = {
            "names": tuple(
                _name(item, f"{where}.names[{number}]")
                for number, item in enumerate(_list(entries.pop("names", []), f"{where}.names"), start=1)
            ),
            "contacts": _pairs(entries.pop("contacts", []), f"{where}.contacts"),
            "documents": _pairs(entries.pop("documents", []), f"{where}.documents"),
        }
    templates = {field: _template(value, f"{where}.{field}") for field, value in entries.items()}
    when = templates.pop("when", None)
    return RecordMap(table, where, templates, when, **nested)


def _name(node: yamltext.Node, where: str) -> dict[str, Template]:
    entries = _map(node, where)
    _known(entries, _NAME_FIELDS, where)
    if not entries.get("text"):
        raise MappingLacks(where=where, field="text")
    return {field: _template(value, f"{where}.{field}") for field, value in entries.items()}


def _pairs(node: yamltext.Node, where: str) -> tuple[tuple[Template, Template], ...]:
    pairs = []
    for item in _list(node, where):
        if not isinstance(item, list) or len(item) != 2:
            raise MappingForm(where=where, expected=_("each item is a pair [kind, text]"))
        one, two = (_template(part, where) for part in item)
        pairs.append((one, two))
    return tuple(pairs)


def _known(entries: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    for field in entries:
        if field not in known:
            raise MappingField(where=where, field=field[:60], near=near(field[:60], known))


def _map(node: yamltext.Node, where: str) -> dict[str, Any]:
    if not isinstance(node, dict):
        raise MappingForm(where=where, expected=_("a map of fields is expected here"))
    return node


def _list(node: yamltext.Node | None, where: str) -> list[Any]:
    if not isinstance(node, list):
        raise MappingForm(where=where, expected=_("a list is expected here"))
    return node


def _template(node: yamltext.Node, where: str) -> Template:
    return parse_template(_text(node, where), where)


def _text(node: yamltext.Node, where: str) -> str:
    if not isinstance(node, str):
        raise MappingForm(where=where, expected=_("a text is expected here"))
    return node
