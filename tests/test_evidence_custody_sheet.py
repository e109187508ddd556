"""The printed custody sheet: valid marks of PDF/A, every fact on it, three scripts, a readable code, data that stays data."""

import hashlib
import io
import re
from dataclasses import replace
from pathlib import Path

import pikepdf
import pypdfium2  # type: ignore[import-untyped]
import pytest
import segno
from court_kit import NOTE, filled, workspace

from amparo.app import evidence, people
from amparo.app import evidence_court as court
from amparo.app.evidence_court import Asked
from amparo.app.naming import NameInWords
from amparo.app.release import Refused
from amparo.dossier import custody
from amparo.evidence.exhibits import Event, Exhibit, Export, grouped
from amparo.record.model import Identity, Name

# Everything here is made up.
ATTACK = '#panic() *bold* @ref $x$ \\ <label> // c _it_ = h #read("data.json") `raw` [x] ~ -- \''
EVENTS = (
    Event(1700000000000, "1", "acquired", "V-900", "copied over USB", "mandate of the owner", "P-0007; telephone", "1:17:0"),
    Event(1700000200000, "2", "handed over", "Айшат Выдуманная", "передано для экспертизы", "постановление 12/3", "", "2:4:1"),
    Event(1700000300000, "1", "exported", "أحمد المختلق", "للمحكمة", "أمر القاضي", "", "1:22:0"),
)


def exhibit(number: int = 1, **more: object) -> Exhibit:
    digest = hashlib.sha256(b"%d" % number).digest()
    made = Exhibit(
        f"D-{number:04d}", "S-0003", f"items/D-{number:04d}.jpg", digest, digest[::-1], 1234567, "image/jpeg",
        modified=1488722821000, added=1700000000000, events=EVENTS, derived=(("D-0003", "redacted"),),
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def export(*exhibits: Exhibit) -> Export:
    return Export(
        "Custody of digital items", "ab" * 16, "cd" * 16, 1, 1700000400000, "court", "prosecution", "District court",
        "order 12/3", "Amparo 0.1", False, exhibits or (exhibit(),), "A made-up organisation",
    )  # fmt: skip


def words(pdf: bytes) -> str:
    with pypdfium2.PdfDocument(pdf) as document:
        return " ".join(" ".join(page.get_textpage().get_text_range() for page in document).split())


def test_the_sheet_is_pdf_a_2a_and_pdf_ua_1_and_the_same_twice() -> None:
    """Both standards are named, the file is tagged, and two prints of one export agree in every byte."""
    made = custody.sheet(export())
    assert made == custody.sheet(export())
    pdf = pikepdf.open(io.BytesIO(made))
    xmp = bytes(pdf.Root.Metadata.read_bytes()).decode()
    assert "<pdfaid:part>2</pdfaid:part>" in xmp and "<pdfaid:conformance>A</pdfaid:conformance>" in xmp
    assert "<pdfuaid:part>1</pdfuaid:part>" in xmp and bool(pdf.Root.MarkInfo.Marked)
    assert set(re.findall(rb"\d{4}-\d\d-\d\dT", bytes(pdf.Root.Metadata.read_bytes()))) == {b"2023-11-14T"}


def test_all_that_is_known_of_an_item_is_on_its_sheet_in_order() -> None:
    """Handle, both hashes in groups of four, times, each event, derivatives, proofs and lines to sign on."""
    told = words(custody.sheet(export(exhibit(proofs=("Time-stamp of a made-up authority.",)))))
    first, second = custody._half(grouped(exhibit().sha256))
    assert first in told and second in told and "1,234,567 bytes" in told and "2017-03-05 14:07:01 UTC" in told
    places = [told.index(event.entry) for event in EVENTS]
    assert places == sorted(places)
    for text in ("V-900", "copied over USB", "mandate of the owner", "D-0003", "redacted", "made-up authority", "Signature",
                 "Handed over by", "Received by", "order 12/3", "District court"):  # fmt: skip
        assert text in told, text


def test_names_in_cyrillic_and_arabic_are_set_as_they_are_read() -> None:
    """Each word of them can be taken out of the file again, and no character is missing in the fonts."""
    told = words(custody.sheet(export(exhibit(name="صورة.jpg"))))
    assert "Айшат" in told and "Выдуманная" in told and "постановление" in told
    assert "أحمد" in told and "للمحكمة" in told and "صورة" in told


def test_attack_words_of_sources_are_never_markup() -> None:
    """Typst's own signs in every field come out as they went in."""
    events = (Event(1700000000000, "1", "viewed", ATTACK, ATTACK, ATTACK, ATTACK, "1:2:3"),)
    made = custody.sheet(replace(export(exhibit(events=events, name=ATTACK)), recipient=ATTACK, title=ATTACK, authority=ATTACK))
    assert words(made).replace(" ", "").count('#read("data.json")') >= 6


def test_attack_bidirectional_controls_cannot_reorder_a_name() -> None:
    """An override character in a file name is left out: the reader sees the letters in their true order."""
    told = words(custody.sheet(export(exhibit(name="photo_\u202egpj.exe"))))
    assert "photo_gpj.exe" in told and "\u202e" not in told


def test_the_code_says_handle_and_hash_and_a_reader_takes_it_from_the_page() -> None:
    """The modules drawn on the page are those of the code for handle and SHA-256, dark on light, with room around."""
    with pypdfium2.PdfDocument(custody.sheet(export())) as document:
        page = document[1].render(scale=8).to_pil().convert("L")
    code = segno.make(custody.qr_text(exhibit()), error="m", micro=False, boost_error=False)
    size = code.symbol_size(border=0)[0]
    edge = 8 * 72 / 25.4
    right, top = page.width - 20 * edge, 26 * edge
    step = 30 * edge / size
    for row, line in enumerate(code.matrix):
        for column, dark in enumerate(line):
            shade = page.getpixel((int(right - 30 * edge + (column + 0.5) * step), int(top + (row + 0.5) * step)))
            assert (shade < 128) == bool(dark), (row, column)


def test_a_hundred_items_have_a_sheet_each_and_stand_in_the_list() -> None:
    """Every item begins a page; the list names the page where its sheet begins."""
    many = [exhibit(number, events=EVENTS[:1]) for number in range(1, 101)]
    with pypdfium2.PdfDocument(custody.sheet(export(*many))) as document:
        pages = [" ".join(page.get_textpage().get_text_range().split()) for page in document]
    starts = [number for number, text in enumerate(pages, 1) if "What it is" in text]
    assert len(starts) == 100
    listed = re.findall(r"(D-\d{4}) (?:[0-9a-f]{4} ){15}[0-9a-f]{4} (\d+)", " ".join(pages[: starts[0] - 1]))
    assert [int(page) for _handle, page in listed] == starts


# -- from a workspace ----------------------------------------------------------------------------------------------------------


def test_a_sheet_is_printed_through_the_gate_and_told_in_the_ledger(tmp_path: Path) -> None:
    """No name of a file unless asked for; a source of unknown basis is refused; a sealed name in custody is refused."""
    with workspace(tmp_path / "case") as session:
        filled(session, tmp_path / "in", {"a picture.txt": NOTE})
        items = court.chosen(session, ["D-0001"])
        told = court.sheet(session, items, Asked(organisation="A made-up organisation"), tmp_path / "sheet.pdf")
        assert told["items"] == ["D-0001"] and "a picture" not in words((tmp_path / "sheet.pdf").read_bytes())
        court.sheet(session, items, Asked(names=True), tmp_path / "named.pdf")
        assert "a picture.txt" in words((tmp_path / "named.pdf").read_bytes())
        people.add_person(session, Identity("", [Name("Зелимхан Варенчуков")]))
        with pytest.raises(NameInWords):
            court.sheet(session, items, Asked(organisation="Варенчуков"), tmp_path / "x.pdf")
        evidence.note(session, ["D-0001"], "viewed", actor="Варенчуков")
        with pytest.raises(Refused):
            court.sheet(session, items, Asked(), tmp_path / "x.pdf")
        assert not (tmp_path / "x.pdf").exists()
