"""Rows of a CSV, XLSX or YAML file as text cells, one at a time. Memory stays flat however large or hostile the file.

Invariant: a cell reaches the importer only as the text its author saw, never as a guess. Whatever would need guessing (an
undeclared encoding, a formula, a merged cell, an unclosed quotation mark) is refused with a sentence that tells how to mend it.
CSV as in RFC 4180, with the delimiter (comma, semicolon, tab) taken from the header line.
"""

import codecs
import csv
import io
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import BinaryIO, Protocol, TextIO

from amparo.kernel.errors import BadInput, DiskRefused, NotFound
from amparo.kernel.i18n import N_

MAX_FIELD = 1_000_000  # characters of one cell
MAX_LINE = 4_000_000  # characters of one line
MAX_ROW = 8_000_000  # characters of one row, over all the lines its quoted cells span
MAX_COLUMNS = 1_000
MAX_YAML = 64 << 20  # bytes
ENCODINGS = (
    "utf-8", "utf-16", "windows-1251", "koi8-r", "koi8-u", "cp866", "iso-8859-5", "windows-1252", "iso-8859-1",
    "windows-1256",
)  # fmt: skip
_SAMPLE = 64 << 10

csv.field_size_limit(MAX_FIELD)  # one setting for the process; protect.extract lifts it for its own files


class TableMissing(NotFound):
    template = N_("There is no file “{file}” in the folder; put it there, or correct its name in mapping.yaml.")


class TableUnreadable(DiskRefused):
    template = N_("The file “{file}” cannot be read ({why}); make it readable, then import again.")


class UnknownFormat(BadInput):
    template = N_("“{file}” is neither CSV, XLSX nor YAML; open it in a spreadsheet program and save it as .csv or .xlsx.")


class WrongEncoding(BadInput):
    template = N_(
        "“{file}” is not {expected} text (first at byte {byte}); it looks like {guess}. "
        "Write `encoding: {guess}` beside the file's name in mapping.yaml, or save the file as UTF-8."
    )


class NulBytes(BadInput):
    template = N_("“{file}”, row {row}: the text holds NUL bytes, so it is damaged or no text; save it as CSV in UTF-8 anew.")


class RowTooLong(BadInput):
    template = N_(
        "“{file}”, row {row}: a cell or row is longer than {limit} characters; mostly a quotation mark was opened "
        "and never closed."
    )


class BadQuoting(BadInput):
    template = N_("“{file}”, row {row}: the quotation marks do not match ({why}); write a quotation mark inside a cell twice.")


class TooManyColumns(BadInput):
    template = N_("“{file}” has more than {limit} columns; delete those that are not data.")


class NoHeader(BadInput):
    template = N_("“{file}” has no header row; its first row must name the columns.")


class EmptyHeader(BadInput):
    template = N_("“{file}”: column {column} has no name; write one in the first row, or delete the column.")


class DuplicateHeader(BadInput):
    template = N_("“{file}”: two columns are named “{name}”; give each its own name in the first row.")


class TooManyCells(BadInput):
    template = N_(
        "The row has {cells} cells but the header names {columns}; a text with the separator in it needs quotation marks "
        "around it."
    )


class SheetOnlyForXlsx(BadInput):
    template = N_("“{file}” has no sheets; leave out `sheet:` beside it in mapping.yaml.")


@dataclass(slots=True)
class TableRow:
    """One row. ``number`` is the row number a spreadsheet program shows (YAML: the line on which the item begins);
    ``cells`` column name to text; ``problem`` what is wrong with this row alone (its cells are then not to be used).
    """

    file: str
    sheet: str
    number: int
    cells: dict[str, str]
    problem: BadInput | None = None


class Table(Protocol):
    """An opened file: ``columns`` known before the first row, ``size`` and ``position()`` in bytes, for progress."""

    file: str
    sheet: str
    columns: tuple[str, ...]
    size: int

    def rows(self) -> Iterator[TableRow]: ...
    def position(self) -> int: ...


def open_table(path: Path, *, sheet: str = "", encoding: str = "") -> Table:
    """Open ``path`` by its ending. Raises the errors above, or those of ``workbook`` and ``yamltext``."""
    from amparo.intake import workbook, yamltext  # each needs the errors of this module

    suffix = path.suffix.lower()
    if suffix not in (".csv", ".tsv", ".txt", ".xlsx", ".xlsm", ".yaml", ".yml"):
        raise UnknownFormat(file=path.name)
    if not path.is_file():
        raise TableMissing(file=path.name)
    try:
        if suffix in (".xlsx", ".xlsm"):
            return workbook.Workbook(path, sheet)
        if sheet:
            raise SheetOnlyForXlsx(file=path.name)
        return yamltext.YamlTable(path, encoding) if suffix in (".yaml", ".yml") else CsvTable(path, encoding)
    except OSError as error:
        raise TableUnreadable(file=path.name, why=error.strerror or str(error)) from None


def header(file: str, names: list[str]) -> tuple[str, ...]:
    """Check the first row: names given, unique, not too many. Empty cells at its end are a spreadsheet's habit, dropped."""
    names = [name.strip() for name in names]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise NoHeader(file=file)
    if len(names) > MAX_COLUMNS:
        raise TooManyColumns(file=file, limit=MAX_COLUMNS)
    seen: set[str] = set()
    for number, name in enumerate(names, start=1):
        if not name:
            raise EmptyHeader(file=file, column=number)
        if name in seen:
            raise DuplicateHeader(file=file, name=name)
        seen.add(name)
    return tuple(names)


def guess_encoding(sample: bytes) -> str:
    """Name the likeliest encoding of bytes that are not UTF-8: by their byte order mark, zeros, or Cyrillic letters."""
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or sample.count(0) > len(sample) // 8:
        return "utf-16"
    high = [byte for byte in sample if byte >= 0x80]
    pairs = sum(1 for one, two in pairwise(sample) if one >= 0x80 and two >= 0x80)
    if pairs * 3 < len(high):  # lone accented letters between plain ones: a Western European text
        return "windows-1252"
    # small letters are the many: E0-FF in windows-1251, C0-DF in KOI8, A0-AF and E0-EF in code page 866
    small = {
        "windows-1251": sum(1 for byte in high if byte >= 0xE0),
        "koi8-r": sum(1 for byte in high if 0xC0 <= byte <= 0xDF),
        "cp866": sum(1 for byte in high if 0xA0 <= byte <= 0xAF or 0xE0 <= byte <= 0xEF),
    }
    return max(small, key=lambda name: (small[name], name == "windows-1251"))


def open_text(path: Path, encoding: str) -> tuple[BinaryIO, TextIO]:
    """Open as strict text after a look at the first 64 KiB. Returns the binary and the text file. Raises WrongEncoding."""
    binary = path.open("rb")
    sample = binary.read(_SAMPLE)
    binary.seek(0)
    try:
        if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and encoding != "utf-16":
            raise WrongEncoding(file=path.name, expected=encoding or "utf-8", byte=0, guess="utf-16")
        if encoding in ("", "utf-8"):
            return binary, io.TextIOWrapper(binary, encoding="utf-8-sig", newline="")
        if _is_utf8(sample):
            raise WrongEncoding(file=path.name, expected=encoding, byte=0, guess="utf-8")
        return binary, io.TextIOWrapper(binary, encoding=encoding, newline="")
    except WrongEncoding:
        binary.close()
        raise


def wrong_encoding(path: Path, encoding: str, error: UnicodeDecodeError, binary: BinaryIO) -> WrongEncoding:
    """Turn a decoder's refusal in mid-file into a sentence that names the likeliest encoding."""
    chunk = bytes(error.object)
    guess = guess_encoding(chunk[max(0, error.start - 2000) : error.start + 2000])
    byte = max(0, binary.tell() - len(chunk)) + error.start
    return WrongEncoding(file=path.name, expected=encoding or "utf-8", byte=byte, guess=guess)


def _is_utf8(sample: bytes) -> bool:
    """True for UTF-8 with at least one character beyond ASCII (which hardly any other text is by accident)."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return not text.isascii()


class _Lines:
    """Lines of bounded length. ``used`` counts the characters of the row at hand; the reader of rows sets it back to 0."""

    def __init__(self, file: TextIO, name: str) -> None:
        self.file, self.name = file, name
        self.used = 0
        self.row = 1

    def __iter__(self) -> Iterator[str]:
        read = self.file.readline
        while line := read(MAX_LINE):
            self.used += len(line)
            if len(line) >= MAX_LINE or self.used > MAX_ROW:
                raise RowTooLong(file=self.name, row=self.row, limit=MAX_LINE if len(line) >= MAX_LINE else MAX_ROW)
            if "\0" in line:
                raise NulBytes(file=self.name, row=self.row)
            yield line


class CsvTable:
    """A delimited text file, read line by line."""

    def __init__(self, path: Path, encoding: str = "") -> None:
        self.path, self.file, self.sheet, self.encoding = path, path.name, "", encoding
        self.size = path.stat().st_size
        self._at = 0
        records = self._records()
        _, names = next(records, (1, []))
        records.close()
        self.columns = header(self.file, names)

    def position(self) -> int:
        return self._at

    def rows(self) -> Iterator[TableRow]:
        """Yield the rows below the header that hold anything. Raises the errors of this module."""
        columns, file, width = self.columns, self.file, len(self.columns)
        records = self._records()
        next(records, None)
        for number, cells in records:
            if len(cells) == width:
                row = TableRow(file, "", number, dict(zip(columns, cells)))  # noqa: B905 - equal by the line above
            elif any(cells[width:]):
                row = TableRow(file, "", number, {}, TooManyCells(cells=len(cells), columns=width))
            else:
                row = TableRow(file, "", number, dict(zip_longest(columns, cells[:width], fillvalue="")))
            if any(cells):
                yield row

    def _records(self) -> Generator[tuple[int, list[str]], None, None]:
        """(row number, cells), the header included."""
        binary, text = open_text(self.path, self.encoding)
        with text:
            lines = _Lines(text, self.file)
            number = 1
            try:
                for number, cells in enumerate(csv.reader(lines, delimiter=self._delimiter(), strict=True), start=1):
                    lines.used, lines.row = 0, number + 1
                    if not number & 1023:
                        self._at = binary.tell()
                    yield number, cells
            except UnicodeError as error:
                if isinstance(error, UnicodeDecodeError):
                    raise wrong_encoding(self.path, self.encoding, error, binary) from None
                raise WrongEncoding(file=self.file, expected=self.encoding, byte=0, guess="utf-8") from None
            except csv.Error as error:
                if "field larger" in str(error):
                    raise RowTooLong(file=self.file, row=lines.row, limit=MAX_FIELD) from None
                raise BadQuoting(file=self.file, row=lines.row, why=str(error)) from None
            except OSError as error:
                raise TableUnreadable(file=self.file, why=error.strerror or str(error)) from None
        self._at = self.size

    def _delimiter(self) -> str:
        """The separator that the header line uses most; a comma where it uses none."""
        binary, text = open_text(self.path, self.encoding)
        with text:
            try:
                line = text.readline(_SAMPLE)
            except UnicodeDecodeError as error:
                raise wrong_encoding(self.path, self.encoding, error, binary) from None
        outside = "".join(line.split('"')[::2])
        return max(",;\t", key=outside.count)
