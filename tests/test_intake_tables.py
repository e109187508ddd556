"""Tables as they come: every strange or hostile file is read as its author saw it, or refused with one sentence."""

import io
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_kit import growth, measured

from amparo.intake import tables, workbook, yamltext
from amparo.intake.tables import TableRow, open_table
from amparo.kernel.errors import AmparoError

RUSSIAN = "ключ,слова\n1,Их увезли ночью и держали взаперти\n"


def rows(path: Path, **options: str) -> list[TableRow]:
    return list(open_table(path, **options).rows())


def cells(path: Path, **options: str) -> list[dict[str, str]]:
    return [row.cells for row in rows(path, **options)]


def save(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def xlsx(path: Path, fill: Callable[[openpyxl.Workbook], object]) -> Path:
    book = openpyxl.Workbook()
    fill(book)
    book.save(path)
    return path


def repacked(path: Path, change: dict[str, bytes]) -> Path:
    """The workbook again, with parts replaced or added."""
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()} | change
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in parts.items():
            new.writestr(name, data)
    return path


def refused(error: type[AmparoError], path: Path, **options: str) -> str:
    """Read to the end, expect ``error``, give its sentence."""
    with pytest.raises(error) as caught:
        rows(path, **options)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert path.name in sentence
    return sentence


# -- CSV ---------------------------------------------------------------------------------------------------------------


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    """A UTF-8 file with a BOM reads like one without."""
    assert cells(save(tmp_path / "a.csv", b"\xef\xbb\xbfkey,text\n1,a\n")) == [{"key": "1", "text": "a"}]


def test_windows_1251_is_named_and_read_once_declared(tmp_path: Path) -> None:
    """Cyrillic text in windows-1251 is refused with the encoding's name and read once the mapping declares it."""
    path = save(tmp_path / "a.csv", RUSSIAN.encode("cp1251"))
    assert "encoding: windows-1251" in refused(tables.WrongEncoding, path)
    assert cells(path, encoding="windows-1251")[0]["слова"].startswith("Их увезли")


@pytest.mark.parametrize("encoding", ["koi8-r", "cp866", "utf-16", "utf-16-le"])
def test_other_encodings_are_named(tmp_path: Path, encoding: str) -> None:
    """KOI8-R, code page 866 and UTF-16 with or without a byte order mark are each named."""
    path = save(tmp_path / "a.csv", (RUSSIAN * 9).encode(encoding))
    with pytest.raises((tables.WrongEncoding, tables.NulBytes)) as caught:
        rows(path)
    if not encoding.endswith("le"):
        assert f"encoding: {encoding}" in str(caught.value)
        assert cells(path, encoding=encoding)[0]["ключ"] == "1"


def test_an_accent_of_western_europe_is_not_taken_for_cyrillic(tmp_path: Path) -> None:
    """Lone accented letters are named as windows-1252."""
    path = save(tmp_path / "a.csv", "key,text\n1,un café à Genève\n".encode("cp1252"))
    assert "windows-1252" in refused(tables.WrongEncoding, path)


def test_a_wrongly_declared_encoding_makes_no_mojibake(tmp_path: Path) -> None:
    """A UTF-8 file declared as windows-1251 is refused instead of read as nonsense."""
    assert "utf-8" in refused(tables.WrongEncoding, save(tmp_path / "a.csv", RUSSIAN), encoding="windows-1251")


def test_wrong_bytes_far_down_are_found(tmp_path: Path) -> None:
    """A wrong byte beyond the first look is refused too, with its place."""
    data = b"key,text\n" + b"1,abc\n" * 50_000 + "2,слова\n".encode("cp1251")
    assert f"byte {data.index(b'2,') + 2}" in refused(tables.WrongEncoding, save(tmp_path / "a.csv", data))


def test_nul_bytes_are_refused_by_row(tmp_path: Path) -> None:
    """NUL bytes in a cell are refused, naming the row."""
    assert "row 3" in refused(tables.NulBytes, save(tmp_path / "a.csv", b"key,text\n1,a\n2,b\0c\n"))


def test_an_unclosed_quotation_mark_does_not_swallow_the_file(tmp_path: Path) -> None:
    """A quotation mark that is never closed is refused, naming its row."""
    assert "row 2" in refused(tables.RowTooLong, save(tmp_path / "a.csv", 'key,text\n1,"open\n' + "2,more\n" * 200_000))
    assert "row 2" in refused(tables.BadQuoting, save(tmp_path / "b.csv", 'key,text\n1,"open\n2,b\n'))


@measured
def test_a_line_without_end_is_refused_early(tmp_path: Path) -> None:
    """A sparse 3 GB file that is one line is refused after its first megabytes, in flat memory."""
    path = save(tmp_path / "a.csv", "key,text\n1,")
    with path.open("r+b") as file:
        file.truncate(3 << 30)
    assert growth(lambda: refused(tables.RowTooLong, path)) < 100 << 20


def test_a_row_of_many_short_lines_without_end_is_refused(tmp_path: Path) -> None:
    """A row that goes on over ever more quoted lines is refused before memory fills."""
    refused(tables.RowTooLong, save(tmp_path / "a.csv", "key,text\n" + '"a\nb",' * 2_000_000))


def test_long_tables_are_streamed(tmp_path: Path) -> None:
    """The first row of a large file is there before the rest is read."""
    path = save(tmp_path / "a.csv", "key,text\n" + "1,abc\n" * 200_000)
    table = open_table(path)
    assert next(table.rows()).number == 2
    assert table.position() < table.size // 10


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ("key,key\n1,2\n", tables.DuplicateHeader),
        ("key,,text\n1,2,3\n", tables.EmptyHeader),
        ("", tables.NoHeader),
        (",,\n1,2\n", tables.NoHeader),
        (",".join(f"c{n}" for n in range(1001)) + "\n", tables.TooManyColumns),
    ],
)
def test_bad_headers_are_refused(tmp_path: Path, header: str, error: type[AmparoError]) -> None:
    """Repeated, empty, missing and endless headers are each refused."""
    refused(error, save(tmp_path / "a.csv", header))


def test_a_row_with_too_many_cells_is_that_rows_problem(tmp_path: Path) -> None:
    """One row with too many cells carries a problem; blank cells beyond the header and short rows do not."""
    found = rows(save(tmp_path / "a.csv", "key,text,,\n1,a,b\n2,c,,\n\n3\n"))
    assert [(row.number, row.cells, bool(row.problem)) for row in found] == [
        (2, {}, True),
        (3, {"key": "2", "text": "c"}, False),
        (5, {"key": "3", "text": ""}, False),
    ]


def test_row_numbers_are_those_of_a_spreadsheet_program(tmp_path: Path) -> None:
    """A cell that spans lines counts as one row, a blank line as one too."""
    found = rows(save(tmp_path / "a.csv", 'key,text\r\n1,"a\r\nb"\r\n\r\n2,c\r\n'))
    assert [(row.number, row.cells["text"]) for row in found] == [(2, "a\r\nb"), (4, "c")]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_are_taken_from_the_header(tmp_path: Path, separator: str) -> None:
    """Semicolons and tabs separate where the header uses them, also if a header cell has a comma."""
    path = save(tmp_path / "a.csv", f'key{separator}"text, long"{separator}c\n1{separator}a, b{separator}x\n')
    assert cells(path) == [{"key": "1", "text, long": "a, b", "c": "x"}]


def test_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    """A missing file, a folder, an old .xls and an ending nobody knows have each their sentence."""
    refused(tables.TableMissing, tmp_path / "a.csv")
    (tmp_path / "b.csv").mkdir()
    refused(tables.TableMissing, tmp_path / "b.csv")
    refused(tables.UnknownFormat, save(tmp_path / "c.ods", b""))
    refused(tables.SheetOnlyForXlsx, save(tmp_path / "d.csv", "a\n"), sheet="one")
    refused(workbook.LockedWorkbook, save(tmp_path / "e.xlsx", bytes.fromhex("d0cf11e0a1b11ae1") + b"x" * 600))


@given(data=st.binary(max_size=400))
def test_any_bytes_as_csv_end_in_rows_or_one_sentence(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever bytes a .csv holds, reading it gives rows or an error of ours."""
    try:
        rows(save(tmp_path_factory.getbasetemp() / "fuzz.csv", data))
    except AmparoError as error:
        assert str(error)


@given(data=st.binary(max_size=300) | st.text("-[]{}:,&*!|>'\"#%@` \nab01?", max_size=200).map(str.encode))
def test_any_bytes_as_yaml_end_in_rows_or_one_sentence(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever bytes a .yaml holds, reading it gives rows or an error of ours."""
    try:
        rows(save(tmp_path_factory.getbasetemp() / "fuzz.yaml", data))
    except AmparoError as error:
        assert str(error)


# -- XLSX --------------------------------------------------------------------------------------------------------------


def test_xlsx_cells_read_as_they_are_shown(tmp_path: Path) -> None:
    """Text, numbers, booleans and dates of a sheet become text; a date shown as month and year stays that exact."""

    moment = datetime(2017, 4, 1, 14, 30)  # noqa: DTZ001 - a spreadsheet knows no zone

    def fill(book: openpyxl.Workbook) -> None:
        sheet = book.active
        assert sheet is not None
        sheet.append(["key", "n", "f", "yes", "day", "month", "moment"])
        sheet.append(["a", 79990000000, 2.5, True, date(2017, 4, 1), date(2017, 4, 1), moment])
        sheet["F2"].number_format = "mmm yyyy"
        sheet["A4"] = "b"

    found = rows(xlsx(tmp_path / "a.xlsx", fill))
    assert list(found[0].cells.values()) == ["a", "79990000000", "2.5", "true", "2017-04-01", "2017-04", "2017-04-01 14:30"]
    assert [row.number for row in found] == [2, 4]


def test_dates_of_the_1904_system_are_right(tmp_path: Path) -> None:
    """A workbook that counts days from 1904 gives the same dates."""
    from openpyxl.utils.datetime import CALENDAR_MAC_1904

    def fill(book: openpyxl.Workbook) -> None:
        book.epoch = CALENDAR_MAC_1904
        assert book.active is not None
        book.active.append(["day"])
        book.active.append([date(2017, 4, 1)])

    assert cells(xlsx(tmp_path / "a.xlsx", fill)) == [{"day": "2017-04-01"}]


def test_formulas_are_refused_by_cell(tmp_path: Path) -> None:
    """A sheet with formulas is refused, naming cells and the way out; a formula on another sheet is no matter."""

    def fill(book: openpyxl.Workbook) -> None:
        assert book.active is not None
        book.active.title = "data"
        book.active.append(["key", "sum"])
        book.active.append(["a", "=1+1"])
        other = book.create_sheet("other")
        other.append(["key"])
        other.append(["b"])

    path = xlsx(tmp_path / "a.xlsx", fill)
    sentence = refused(workbook.Formulas, path, sheet="data")
    assert "B2" in sentence
    assert "paste as values" in sentence
    assert cells(path, sheet="other") == [{"key": "b"}]
    assert "data, other" in refused(workbook.WhichSheet, path)


def test_merged_cells_are_refused_by_range(tmp_path: Path) -> None:
    """Merged cells are refused, naming the range."""

    def fill(book: openpyxl.Workbook) -> None:
        assert book.active is not None
        book.active.append(["key", "text"])
        book.active.append(["a", "b"])
        book.active.merge_cells("A2:A3")

    assert "A2:A3" in refused(workbook.MergedCells, xlsx(tmp_path / "a.xlsx", fill))


def test_error_values_are_refused(tmp_path: Path) -> None:
    """A cell with #REF! pasted as a value is refused."""

    def fill(book: openpyxl.Workbook) -> None:
        assert book.active is not None
        book.active.append(["key", "text"])
        book.active["B2"] = "#REF!"
        book.active["B2"].data_type = "e"

    assert "B2" in refused(workbook.ErrorCells, xlsx(tmp_path / "a.xlsx", fill))


def plain(path: Path) -> Path:
    def fill(book: openpyxl.Workbook) -> None:
        assert book.active is not None
        book.active.append(["key"])
        book.active.append(["a"])

    return xlsx(path, fill)


def test_a_zip_bomb_is_not_opened(tmp_path: Path) -> None:
    """A workbook whose sheet would unpack a thousandfold is refused by its directory alone."""
    path = plain(tmp_path / "a.xlsx")
    refused(workbook.WorkbookBomb, repacked(path, {"xl/worksheets/sheet1.xml": b"<row/>" * (10 << 20)}))


def test_a_swarm_of_parts_is_not_opened(tmp_path: Path) -> None:
    """A workbook of thousands of parts is refused."""
    refused(workbook.WorkbookBomb, repacked(plain(tmp_path / "a.xlsx"), {f"xl/x{n}.xml": b"<a/>" for n in range(2_001)}))


def test_external_entities_and_the_billion_laughs_are_refused(tmp_path: Path) -> None:
    """A part with a document type is refused before any entity could expand or reach a file."""
    laughs = b'<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;">]><a>&y;</a>'
    reach = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
    for number, attack in enumerate((laughs, reach)):
        path = repacked(plain(tmp_path / f"{number}.xlsx"), {"xl/sharedStrings.xml": attack})
        refused(workbook.WorkbookEntities, path)


def test_deep_nesting_and_cells_outside_the_grid_are_refused(tmp_path: Path) -> None:
    """XML nested without end, a row numbered in the billions and a column beyond the limit are refused."""
    sheet = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
    attacks = {
        "deep": b"<a>" * 5_000 + b"</a>" * 5_000,
        "row": sheet.format('<row r="9999999999"><c r="A9999999999"><v>1</v></c></row>').encode(),
    }
    for name, attack in attacks.items():
        path = repacked(plain(tmp_path / f"{name}.xlsx"), {"xl/worksheets/sheet1.xml": attack})
        refused(workbook.WorkbookBomb, path)
    far = sheet.format('<row r="1"><c r="XFD1"><v>1</v></c></row>').encode()
    refused(tables.TooManyColumns, repacked(plain(tmp_path / "far.xlsx"), {"xl/worksheets/sheet1.xml": far}))


def test_damaged_workbooks_are_refused(tmp_path: Path) -> None:
    """A cut archive, a zip of something else, broken XML and plain text under the name .xlsx are one refusal each."""
    good = plain(tmp_path / "a.xlsx").read_bytes()
    refused(workbook.NotAWorkbook, save(tmp_path / "b.xlsx", good[: len(good) // 2]))
    refused(workbook.NotAWorkbook, save(tmp_path / "c.xlsx", b"key,text\n1,a\n"))
    refused(workbook.NotAWorkbook, repacked(plain(tmp_path / "d.xlsx"), {"xl/worksheets/sheet1.xml": b"<worksheet><"}))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as other:
        other.writestr("hello.xml", "<a/>")
    refused(workbook.NotAWorkbook, save(tmp_path / "e.xlsx", archive.getvalue()))


# -- YAML --------------------------------------------------------------------------------------------------------------


def test_yaml_values_stay_the_text_they_are(tmp_path: Path) -> None:
    """no, 2017, 0123 and dates stay text; null is empty; a list of texts is joined; missing keys are empty."""
    path = save(tmp_path / "a.yaml", "- {key: no, n: 0123, day: 2017-03-01, none: null}\n- key: b\n  n: [x, y]\n")
    assert cells(path) == [
        {"key": "no", "n": "0123", "day": "2017-03-01", "none": ""},
        {"key": "b", "n": "x;y", "day": "", "none": ""},
    ]
    assert [row.number for row in rows(path)] == [1, 2]


def test_a_yaml_alias_bomb_is_refused(tmp_path: Path) -> None:
    """Nine levels of nine aliases are refused at the first anchor."""
    levels = zip("abcdefgh", "bcdefghi", strict=True)
    bomb = "- a: &a [x, x]\n" + "".join(f"- {b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in levels)
    assert "line 1" in refused(yamltext.YamlAlias, save(tmp_path / "a.yaml", bomb))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("- key: !!python/object/apply:os.system [ls]\n", yamltext.YamlAlias),
        ("- key: " + "[" * 5_000 + "\n", yamltext.YamlTooDeep),
        ("- key: a\n  key: b\n", yamltext.YamlRepeatedKey),
        ("key: a\n", yamltext.YamlNotRows),
        ("- a\n", yamltext.YamlNotRows),
        ('- key: "open\n', yamltext.YamlBroken),
        ("- key: a\0b\n", tables.NulBytes),
    ],
)
def test_bad_yaml_is_refused(tmp_path: Path, text: str, error: type[AmparoError]) -> None:
    """Tags, deep nesting, repeated keys, other shapes, broken syntax and NUL bytes are each refused."""
    refused(error, save(tmp_path / "a.yaml", text))


def test_a_nested_yaml_value_is_that_rows_problem(tmp_path: Path) -> None:
    """An item with a map for a value carries a problem of its own."""
    found = rows(save(tmp_path / "a.yaml", "- key: {a: b}\n- key: c\n"))
    assert [bool(row.problem) for row in found] == [True, False]


def test_yaml_in_windows_1251_is_named(tmp_path: Path) -> None:
    """YAML follows the same rules of encoding as CSV."""
    path = save(tmp_path / "a.yaml", "- key: слова\n".encode("cp1251"))
    assert "windows-1251" in refused(tables.WrongEncoding, path)
    assert cells(path, encoding="windows-1251") == [{"key": "слова"}]
