"""XLSX sheets as text rows, by openpyxl's streaming reader, behind a guard that first looks at every part of the file.

Invariant: openpyxl sees a workbook only when its archive is of bounded size and count, none of its XML declares a DTD (so no
entity can expand or reach outside) or nests deeply, and the sheet to be read has no formula, error value or merged cell.
Office Open XML: ECMA-376 part 1; the archive: PKWARE APPNOTE.
"""

import re
import zipfile
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from xml.parsers import expat

import openpyxl

from amparo.intake.tables import MAX_COLUMNS, MAX_FIELD, RowTooLong, TableRow, TooManyCells, TooManyColumns, header
from amparo.kernel.errors import AmparoError, BadInput
from amparo.kernel.i18n import N_

MAX_ENTRIES = 2_000
MAX_TOTAL = 1 << 30  # bytes of all parts, unpacked
MAX_PART = 16 << 20  # bytes of a part that openpyxl reads as a whole (styles, theme, relations)
MAX_STRINGS = 192 << 20  # bytes of the shared strings, which stay in memory
MAX_RATIO = 250  # a sheet of equal rows packs to about 1:100, a bomb to 1:1000
MAX_DEPTH = 64
MAX_ROWS = 1_048_576
_FREE_RATIO = 4 << 20  # below this many unpacked bytes a ratio tells nothing
_LAST_COLUMN = "ALL"  # column number MAX_COLUMNS
_NAMED = 5  # cells named in a refusal


class NotAWorkbook(BadInput):
    template = N_("“{file}” is no readable workbook ({why}); open it in a spreadsheet program and save it as .xlsx or .csv.")


class LockedWorkbook(BadInput):
    template = N_("“{file}” is protected by a password or an old .xls file; save it as .xlsx without a password.")


class WorkbookBomb(BadInput):
    template = N_("“{file}” would unpack to far more than a table needs ({why}); it is not opened. Save the table as CSV.")


class WorkbookEntities(BadInput):
    template = N_("“{file}” holds an XML document type or entity (in {part}); no spreadsheet program writes such. Not opened.")


class Formulas(BadInput):
    template = N_(
        "“{file}”, sheet “{sheet}”: {count} cells hold formulas ({cells}); copy them and paste as values, so that the record "
        "says what was seen."
    )


class ErrorCells(BadInput):
    template = N_("“{file}”, sheet “{sheet}”: {count} cells hold an error such as #REF! ({cells}); write their values.")


class MergedCells(BadInput):
    template = N_("“{file}”, sheet “{sheet}”: cells are merged ({cells}); unmerge them and write the value into each row.")


class WhichSheet(BadInput):
    template = N_("“{file}” has the sheets {sheets}; write `sheet:` with one of them beside the file in mapping.yaml.")


@dataclass
class _Part:
    """What the guard saw in one XML part: cell references (the first few) and counts."""

    formulas: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    formula_count: int = 0
    error_count: int = 0


class Workbook:
    """One sheet of a workbook."""

    def __init__(self, path: Path, sheet: str = "") -> None:
        """Guard, choose the sheet, read its header. Raises the errors above."""
        self.path, self.file = path, path.name
        self.size = path.stat().st_size
        self._fraction = 0.0
        parts = _guard(path)
        with _opened(path) as sheets:
            if (sheet and sheet not in sheets) or (not sheet and len(sheets) != 1):
                raise WhichSheet(file=self.file, sheets=", ".join(sheets))
            self.sheet = sheet or next(iter(sheets))
            part = str(sheets[self.sheet]._worksheet_path).lstrip("/")  # noqa: SLF001 - openpyxl tells it nowhere else
            self._last = min(sheets[self.sheet].max_row or MAX_ROWS, MAX_ROWS)
        self._refuse(parts.get(part, _Part()))
        with closing(self._rows()) as rows:
            _, names = next(rows, (1, []))
        self.columns = header(self.file, names)

    def position(self) -> int:
        return int(self._fraction * self.size)

    def rows(self) -> Iterator[TableRow]:
        """Yield the rows below the header that hold anything."""
        width = len(self.columns)
        for number, cells in self._rows():
            if number == 1 or not any(cells):
                continue
            if any(cells[width:]):
                yield TableRow(self.file, self.sheet, number, {}, TooManyCells(cells=len(cells), columns=width))
            else:
                padded = cells[:width] + [""] * (width - len(cells))
                yield TableRow(self.file, self.sheet, number, dict(zip(self.columns, padded, strict=True)))
        self._fraction = 1.0

    def _rows(self) -> Generator[tuple[int, list[str]], None, None]:
        number = 0
        try:
            with _opened(self.path) as sheets:
                sheet = sheets[self.sheet]
                sheet.reset_dimensions()  # the declared extent may be wrong; the rows tell
                for number, cells in enumerate(sheet.iter_rows(), start=1):
                    self._fraction = min(1.0, number / self._last)
                    yield number, [_text(cell) for cell in cells]
        except RowTooLong:
            raise RowTooLong(file=self.file, row=number + 1, limit=MAX_FIELD) from None

    def _refuse(self, part: _Part) -> None:
        if part.formula_count:
            cells = ", ".join(part.formulas)
            raise Formulas(file=self.file, sheet=self.sheet, count=part.formula_count, cells=cells)
        if part.error_count:
            raise ErrorCells(file=self.file, sheet=self.sheet, count=part.error_count, cells=", ".join(part.errors))
        if part.merged:
            raise MergedCells(file=self.file, sheet=self.sheet, cells=", ".join(part.merged))


@contextmanager
def _opened(path: Path) -> Iterator[dict[str, Any]]:
    """Titles and openpyxl's streaming sheets (Any: the stubs lack what they have). Raises NotAWorkbook for all it raises."""
    book = None
    try:
        book = openpyxl.load_workbook(path, read_only=True, keep_links=False)
        yield {str(sheet.title): sheet for sheet in book.worksheets}
    except (AmparoError, GeneratorExit):
        raise
    except Exception as error:  # noqa: BLE001 - a library on hostile input: whatever it raises means one thing
        raise NotAWorkbook(file=path.name, why=type(error).__name__) from None
    finally:
        if book is not None:
            book.close()


def _text(cell: Any) -> str:
    """A cell as its author saw it. A date shown as month and year alone is that exact and no more."""
    value = cell.value
    if isinstance(value, str):
        if len(value) > MAX_FIELD:
            raise RowTooLong(file="", row=0, limit=MAX_FIELD)
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return _date_text(value, cell.number_format)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value) if not isinstance(value, timedelta) else f"{value.total_seconds() / 86400:g}"


def _date_text(value: datetime, number_format: str) -> str:
    """ISO 8601, as exact as the cell's number format shows it (ECMA-376 18.8.31)."""
    shown = re.sub(r'\[[^\]]*\]|"[^"]*"|\\.', "", number_format).lower()
    if value.time() != time():
        return value.isoformat(sep=" ", timespec="minutes")
    if "d" in shown or "y" not in shown:
        return value.date().isoformat()
    return f"{value:%Y-%m}" if "m" in shown else f"{value:%Y}"


def _guard(path: Path) -> dict[str, _Part]:
    """Look at the archive and at every XML part before anything else does. Returns what the sheets hold, by part name."""
    with path.open("rb") as file:
        if file.read(8) == bytes.fromhex("d0cf11e0a1b11ae1"):  # OLE: encrypted OOXML or BIFF
            raise LockedWorkbook(file=path.name)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            _measure(path.name, infos)
            found = {}
            for info in infos:
                if not info.filename.lower().endswith((".png", ".jpg", ".jpeg", ".gif", ".emf", ".wmf", ".bin")):
                    found[info.filename] = _scan(path.name, archive, info)
            return found
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
        raise NotAWorkbook(file=path.name, why=str(error)) from None


def _measure(file: str, infos: list[zipfile.ZipInfo]) -> None:
    """Refuse by the directory alone. zipfile never unpacks more than a part declares, so declared sizes bind."""
    if len(infos) > MAX_ENTRIES:
        raise WorkbookBomb(file=file, why=f"{len(infos)} parts")
    if len({info.filename for info in infos}) != len(infos):
        raise NotAWorkbook(file=file, why="two parts of one name")
    total = sum(info.file_size for info in infos)
    if total > MAX_TOTAL:
        raise WorkbookBomb(file=file, why=f"{total} bytes")
    for info in infos:
        if info.flag_bits & 1:
            raise LockedWorkbook(file=file)
        if info.file_size > _FREE_RATIO and info.file_size > MAX_RATIO * max(info.compress_size, 1):
            raise WorkbookBomb(file=file, why=f"{info.filename}: {info.file_size} of {info.compress_size} bytes")
        limit = MAX_STRINGS if info.filename.endswith("sharedStrings.xml") else MAX_PART
        if info.file_size > limit and "worksheets/" not in info.filename and not info.filename.startswith("xl/media/"):
            raise WorkbookBomb(file=file, why=f"{info.filename}: {info.file_size} bytes")


def _scan(file: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Part:
    """Stream one XML part through expat: no DTD, bounded depth, cells within the grid; note formulas, errors, merges."""
    part = _Part()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    depth, cell = 0, ""

    def doctype(*_: object) -> None:
        raise WorkbookEntities(file=file, part=info.filename)

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, cell
        depth += 1
        if depth > MAX_DEPTH:
            raise WorkbookBomb(file=file, why=f"{info.filename}: nested too deeply")
        kind = name.rpartition(" ")[2]
        if kind == "c":
            cell = attributes.get("r", "?")
            letters = cell.rstrip("0123456789")
            if len(letters) > 3 or (len(letters) == 3 and letters > _LAST_COLUMN):
                raise TooManyColumns(file=file, limit=MAX_COLUMNS)
            if attributes.get("t") == "e":
                part.error_count += 1
                part.errors += [cell] if len(part.errors) < _NAMED else []
        elif kind == "f" and "worksheets/" in info.filename:
            part.formula_count += 1
            part.formulas += [cell] if len(part.formulas) < _NAMED else []
        elif kind == "mergeCell" and len(part.merged) < _NAMED:
            part.merged.append(attributes.get("ref", "?"))
        elif kind == "row" and (len(attributes.get("r", "")) > 7 or int(attributes.get("r") or 0) > MAX_ROWS):
            raise WorkbookBomb(file=file, why=f"row {attributes['r'][:20]}")

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    parser.StartDoctypeDeclHandler, parser.EntityDeclHandler = doctype, doctype
    parser.StartElementHandler, parser.EndElementHandler = start, end
    try:
        with archive.open(info) as stream:
            parser.ParseFile(stream)
    except expat.ExpatError as error:
        raise NotAWorkbook(file=file, why=f"{info.filename}: {error}") from None
    return part
