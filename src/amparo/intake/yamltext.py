"""YAML as plain text trees: scalars are the text as written, so that 2017, no and null are never turned into something else.

Invariant: cost is bounded by the size of the file. Aliases, anchors, tags and repeated keys are refused (an alias bomb is an
alias), depth is capped, and the events of libyaml are taken one at a time.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import yaml

from amparo.intake.tables import (
    MAX_COLUMNS,
    MAX_FIELD,
    MAX_YAML,
    NulBytes,
    RowTooLong,
    TableRow,
    TooManyColumns,
    open_text,
    wrong_encoding,
)
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_

Node = str | list[Any] | dict[str, Any]
MAX_DEPTH = 12


class YamlBroken(BadInput):
    template = N_("“{file}”, line {line}: this is not YAML ({why}); mend the line, mostly its indentation or a quotation mark.")


class YamlAlias(BadInput):
    template = N_("“{file}”, line {line}: anchors (&), aliases (*) and tags (!) are not accepted; write the value out.")


class YamlTooDeep(BadInput):
    template = N_("“{file}”, line {line}: lists within lists go deeper than {limit} levels; simplify it.")


class YamlTooLarge(BadInput):
    template = N_("“{file}” is larger than {limit} bytes; save so large a table as CSV.")


class YamlRepeatedKey(BadInput):
    template = N_("“{file}”, line {line}: “{key}” is given twice; keep one of them.")


class YamlNotRows(BadInput):
    template = N_("“{file}”, line {line}: a table in YAML is a list of maps (`- column: text`); write each row so.")


class YamlNested(BadInput):
    template = N_("“{key}” holds a list or map; in a table each value is text (or a list of texts, joined by “;”).")


class _Reader:
    """Builds nodes out of libyaml's events, checking each."""

    def __init__(self, path: Path, encoding: str) -> None:
        self.path, self.file, self.encoding = path, path.name, encoding
        if path.stat().st_size > MAX_YAML:
            raise YamlTooLarge(file=self.file, limit=MAX_YAML)

    def events(self) -> Iterator[Any]:
        """The events of one document. Raises YamlBroken, YamlAlias, WrongEncoding."""
        binary, text = open_text(self.path, self.encoding)
        with text:
            try:
                event: Any
                for event in yaml.parse(_Guarded(text, self.file), Loader=yaml.CSafeLoader):
                    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or getattr(event, "tag", None):
                        raise YamlAlias(file=self.file, line=_line(event))
                    yield event
            except UnicodeDecodeError as error:
                raise wrong_encoding(self.path, self.encoding, error, binary) from None
            except yaml.MarkedYAMLError as error:
                line = error.problem_mark.line + 1 if error.problem_mark else 1
                raise YamlBroken(file=self.file, line=line, why=error.problem or "") from None
            except (yaml.YAMLError, UnicodeError) as error:
                raise YamlBroken(file=self.file, line=1, why=str(error).splitlines()[0]) from None

    def node(self, event: Any, events: Iterator[Any], depth: int = 0) -> Node:
        """The node that begins with ``event``. Raises YamlTooDeep, YamlRepeatedKey, RowTooLong."""
        line = _line(event)
        if depth > MAX_DEPTH:
            raise YamlTooDeep(file=self.file, line=line, limit=MAX_DEPTH)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, line)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Any] = []
            while not isinstance(event := next(events), yaml.SequenceEndEvent):
                items.append(self.node(event, events, depth + 1))
            return items
        entries: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self.node(event, events, depth + 1)
            if not isinstance(key, str):
                raise YamlNotRows(file=self.file, line=line)
            if key in entries:
                raise YamlRepeatedKey(file=self.file, line=_line(event), key=key[:60])
            entries[key] = self.node(next(events), events, depth + 1)
        return entries

    def _scalar(self, event: Any, line: int) -> str:
        value: str = event.value
        if len(value) > MAX_FIELD:
            raise RowTooLong(file=self.file, row=line, limit=MAX_FIELD)
        return "" if not event.style and value in ("~", "null") else value


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


class _Guarded:
    """A text stream that refuses NUL, which libyaml would report in other words."""

    def __init__(self, file: TextIO, name: str) -> None:
        self._file, self._name = file, name

    def read(self, size: int = -1, /) -> str:
        chunk = self._file.read(size if 0 < size < 65536 else 65536)
        if "\0" in chunk:
            raise NulBytes(file=self._name, row=1)
        return chunk


def load(path: Path) -> Node:
    """Read a whole small file (a mapping). Raises the errors above; an empty file is an empty map."""
    reader = _Reader(path, "")
    events = reader.events()
    for event in events:
        if isinstance(event, (yaml.ScalarEvent, yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            return reader.node(event, events)
    return {}


class YamlTable:
    """A list of maps as a table; its columns are all the keys that any item has."""

    def __init__(self, path: Path, encoding: str = "") -> None:
        self.path, self.file, self.sheet = path, path.name, ""
        self.size = path.stat().st_size
        self._reader = _Reader(path, encoding)
        self._at = 0
        names: dict[str, None] = {}
        for _, item in self._items():
            names.update(dict.fromkeys(item))
            if len(names) > MAX_COLUMNS:
                raise TooManyColumns(file=self.file, limit=MAX_COLUMNS)
        self.columns = tuple(names)

    def position(self) -> int:
        return self._at

    def rows(self) -> Iterator[TableRow]:
        """Yield the items; one with a nested value carries a problem instead of cells."""
        blank = dict.fromkeys(self.columns, "")
        for line, item in self._items():
            cells, problem = dict(blank), None
            for key, value in item.items():
                if isinstance(value, str):
                    cells[key] = value
                elif isinstance(value, list) and all(isinstance(part, str) for part in value):
                    cells[key] = ";".join(value)
                else:
                    problem = YamlNested(key=key[:60])
            yield TableRow(self.file, "", line, cells, problem)
        self._at = self.size

    def _items(self) -> Iterator[tuple[int, dict[str, Any]]]:
        events: Iterator[Any] = self._reader.events()
        for event in events:
            if isinstance(event, yaml.SequenceStartEvent):
                break
            if isinstance(event, (yaml.ScalarEvent, yaml.MappingStartEvent)):
                raise YamlNotRows(file=self.file, line=_line(event))
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                return
            line = _line(event)
            self._at = event.start_mark.index
            item = self._reader.node(event, events, 1)
            if not isinstance(item, dict):
                raise YamlNotRows(file=self.file, line=line)
            yield line, item
