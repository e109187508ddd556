"""Redacted copies: what was to go is in no byte, layer, revision or pixel of them, and what was to stay is there.

Every document is made here, its persons are made up.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, PngImagePlugin

from amparo.app import evidence, evidence_redact, evidence_redact_where, opening
from amparo.app.evidence_redact import Asked
from amparo.app.session import CompartmentLocked, Session
from amparo.cli.evidence_redact import COMMANDS, NothingAsked
from amparo.evidence import redact
from amparo.evidence.findings import Chunk, Facts, Finding, Hints, Text, Unreadable
from amparo.evidence.readers import program, redact_document, redact_pdf, redact_picture
from amparo.evidence.redact import Box, Words
from amparo.evidence.sandbox import FileUnreadable
from amparo.kernel.errors import BadInput, Unverified
from amparo.record.items import Item
from amparo.record.model import Identity, Name
from amparo.vault.slots import Cost, Passphrase

SECRETS = Passphrase("a made-up passphrase"), Passphrase("another made-up one")
SECRET = "Zarmanova"
needs_tesseract = pytest.mark.skipif(not program.there("tesseract"), reason="Tesseract is not installed")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("redact") / "case"
    opening.create(folder, *SECRETS, cost=Cost(64, 1, 1))
    with Session(folder, [opening.read_ring(folder, "everyday", SECRETS[0])]) as opened:
        yield opened


def put(session: Session, folder: Path, name: str, data: bytes) -> Item:
    (folder / name).write_bytes(data)
    return evidence.get(session, evidence.add(session, [folder / name]).first)


def data_of(session: Session, item: Item) -> bytes:
    with evidence.read_quietly(session, item) as stream:
        return stream.read()


def copy_of(session: Session, folder: Path, name: str, data: bytes, asked: Asked, *, recognise: bool = False) -> bytes:
    """The redacted copy of a file, made and checked as the command does."""
    asked = replace(asked, recognise=recognise)
    done = evidence_redact.redacted(session, put(session, folder, name, data).handle, asked, reason="a test")
    return data_of(session, done.item)


# -- making documents -------------------------------------------------------------------------------------------------------


def pdf(*contents: str, **page_keys: Any) -> pikepdf.Pdf:
    """A document with one page for each content stream, in Helvetica (F)."""
    made = pikepdf.new()
    font = made.make_indirect(pikepdf.Dictionary(
        Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica,
        Encoding=pikepdf.Name.WinAnsiEncoding
    ))  # fmt: skip
    for content in contents:
        keys = {f"/{key}": value for key, value in page_keys.items()}
        page = made.make_indirect(pikepdf.Dictionary({
            "/Type": pikepdf.Name.Page, "/MediaBox": [0, 0, 300, 400], "/Resources": {"/Font": {"/F": font}},
            "/Contents": made.make_stream(content.encode("cp1252")), **keys,
        }))  # fmt: skip
        made.pages.append(pikepdf.Page(page))
    return made


def line(text: str, x: float = 20, y: float = 350, size: float = 12, extra: str = "") -> str:
    return f"q {extra} BT /F {size} Tf 1 0 0 1 {x} {y} Tm ({text}) Tj ET Q\n"


def saved(made: pikepdf.Pdf) -> bytes:
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def words_of(data: bytes) -> list[str]:
    with pypdfium2.PdfDocument(data) as document:
        return [page.get_textpage().get_text_range() for page in document]


def drawn(data: bytes, page: int = 0, scale: float = 1) -> Image.Image:
    with pypdfium2.PdfDocument(data) as document:
        picture: Image.Image = document[page].render(scale=scale).to_pil().convert("L")
        return picture


def jpeg(secret: str) -> bytes:
    """A photograph with the secret in EXIF, its thumbnail's EXIF, XMP, comment, profile name and behind its end."""
    picture = Image.radial_gradient("L").resize((320, 200)).convert("RGB")
    ImageDraw.Draw(picture).text((40, 60), secret, fill="red", font_size=30)
    exif = Image.Exif()
    exif[0x010E] = exif[0x013B] = exif[0x8298] = secret
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    out = io.BytesIO()
    picture.save(
        out, "JPEG", exif=exif, comment=secret.encode(), icc_profile=b"\0" * 128 + secret.encode(), xmp=secret.encode()
    )
    return out.getvalue() + secret.encode()


def holds(data: bytes, secret: str) -> bool:
    """True if the secret stands in any encoding in the bytes or in any stream of a PDF."""
    forms = redact.byte_forms([secret])
    pieces = [data]
    if data.startswith(b"%PDF"):
        with pikepdf.open(io.BytesIO(data)) as document:
            pieces += [thing.read_raw_bytes() for thing in document.objects if isinstance(thing, pikepdf.Stream)]
            pieces += [
                thing.read_bytes() for thing in document.objects
                if isinstance(thing, pikepdf.Stream) and thing.get("/Filter") != "/DCTDecode"
            ]  # fmt: skip
    return any(redact.find_bytes(io.BytesIO(piece), forms) is not None for piece in pieces)


def hidden_everywhere() -> bytes:
    """A PDF with the secret in every place a PDF has, and an earlier revision with another page."""
    white, under = "1 g", line(SECRET, 20, 200) + "q 60 0 0 20 18 195 cm /Im Do Q\n"
    made = pdf(
        line(f"The witness {SECRET} spoke.") + line(SECRET, 20, 300, extra=white) + line("plain words", 20, 250) + under
        + line(SECRET, 20, 150, extra="3 Tr") + line(SECRET, 5000, 5000) + line(SECRET, 20, 100, 0.5)
        + f"/Span <</ActualText ({SECRET}) /Alt ({SECRET})>> BDC {line('spoken', 20, 80)} EMC\n"
    )  # fmt: skip
    page = made.pages[0].obj
    picture = made.make_stream(bytes(3 * 4), {
        "/Type": pikepdf.Name.XObject, "/Subtype": pikepdf.Name.Image, "/Width": 2, "/Height": 2, "/BitsPerComponent": 8,
        "/ColorSpace": pikepdf.Name.DeviceRGB, "/Alt": SECRET, "/Metadata": made.make_stream(SECRET.encode()),
    })  # fmt: skip
    page["/Resources"]["/XObject"] = pikepdf.Dictionary(Im=picture)
    page["/Thumb"] = made.make_stream(SECRET.encode())
    page["/PieceInfo"] = pikepdf.Dictionary(Maker=pikepdf.Dictionary(Private=SECRET))
    note = made.make_indirect(pikepdf.Dictionary(
        Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Text, Rect=[10, 10, 30, 30], Contents=SECRET, T=SECRET
    ))  # fmt: skip
    field = made.make_indirect(pikepdf.Dictionary(
        Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Widget, FT=pikepdf.Name.Tx, T="name", V=SECRET, Rect=[100, 10, 200, 30],
    ))  # fmt: skip
    link = made.make_indirect(pikepdf.Dictionary(
        Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Link, Rect=[10, 40, 30, 60],
        A=pikepdf.Dictionary(S=pikepdf.Name.URI, URI=f"https://example.org/{SECRET}"),
    ))  # fmt: skip
    page["/Annots"] = pikepdf.Array([note, field, link])
    made.Root["/AcroForm"] = pikepdf.Dictionary(Fields=[field])
    made.Root["/OpenAction"] = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS=f"app.alert('{SECRET}')")
    made.attachments["a.txt"] = pikepdf.AttachedFileSpec(  # type: ignore[call-arg]
        made, SECRET.encode(), filename=f"{SECRET}.txt", description=SECRET
    )
    with made.open_outline() as outline:
        outline.root.append(pikepdf.OutlineItem(SECRET, 0))
    made.docinfo["/Author"] = made.docinfo["/Title"] = SECRET
    made.Root["/Metadata"] = made.make_stream(f"<x:xmpmeta>{SECRET}</x:xmpmeta>".encode())
    layer = made.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.OCG, Name=SECRET))
    made.Root["/OCProperties"] = pikepdf.Dictionary(OCGs=[layer], D=pikepdf.Dictionary(OFF=[layer]))
    whole = saved(made)
    return whole + f"\n999 0 obj\n({SECRET})\nendobj\n".encode() + whole  # bytes that no table names, and a second file


# -- PDF --------------------------------------------------------------------------------------------------------------------


def test_a_secret_in_every_place_of_a_pdf_is_in_none_of_the_copy(session: Session, tmp_path: Path) -> None:
    """Body, white text, text under a picture, unseen and tiny text, marks, notes, fields, links, scripts, files: gone."""
    data = hidden_everywhere()
    assert holds(data, SECRET)
    for asked in (Asked(words=(SECRET,)), Asked(words=(SECRET,), searchable=True), Asked(words=(SECRET,), annotations=True)):
        copy = copy_of(session, tmp_path, "all.pdf", data, asked)
        assert not holds(copy, SECRET)
        [text] = words_of(copy)
        assert Words([SECRET]).find(text) == []
        assert ("plain words" in " ".join(text.split())) is asked.searchable
        with pikepdf.open(io.BytesIO(copy)) as document:
            assert set(document.Root.keys()) == {"/Type", "/Pages"} and dict(document.docinfo) == {"/Producer": "Amparo"}
            assert not document.attachments and "/Annots" not in document.pages[0]


def test_the_original_stays_and_both_custodies_tell(session: Session, tmp_path: Path) -> None:
    """The original's bytes are as before; its chain says read and derived, the copy's derived and redacted, with the reason."""
    data = saved(pdf(line(f"The witness {SECRET} spoke.")))
    item = put(session, tmp_path, "a.pdf", data)
    done = evidence_redact.redacted(session, item.handle, Asked(words=(SECRET,)), reason="a reason")
    assert data_of(session, item) == data
    assert (done.item.parent, done.item.relation, done.item.media_type) == (item.handle, "redacted", "application/pdf")
    assert [event.action for event in session.testimony.custody(item.handle)] == ["acquired", "read", "derived"]
    chain = session.testimony.custody(done.item.handle)
    assert [event.action for event in chain] == ["derived", "redacted"] and chain[-1].reason == "a reason"
    assert item.handle in chain[-1].detail and item.sha256.hex() not in chain[-1].detail and "a.pdf" not in done.item.name


def test_copy_paste_under_the_box_gives_nothing(session: Session, tmp_path: Path) -> None:
    """Selecting the area of a box in the copy yields no letter, even with a searchable layer; the pixels there are black."""
    data = saved(pdf(line(f"The witness {SECRET} spoke.")))
    copy = copy_of(session, tmp_path, "a.pdf", data, Asked(boxes=(Box(1, 80, 35, 160, 60),), searchable=True))
    with pypdfium2.PdfDocument(copy) as document:
        assert document[0].get_textpage().get_text_bounded(80, 340, 160, 365).strip() == ""
    assert drawn(copy).crop((82, 37, 158, 58)).getextrema() == (0, 0)
    assert "The" in words_of(copy)[0]


def test_undo_by_incremental_revision_finds_no_revision(session: Session, tmp_path: Path) -> None:
    """A secret that an earlier revision showed and the last one does not is in no byte of the copy, which has one end."""
    first = saved(pdf(line(f"The witness {SECRET} spoke.")))
    start = first.rindex(b"startxref")
    offset = int(first[start:].split()[1])
    number = next(
        n
        for n in range(1, 20)
        if f"\n{n} 0 obj".encode() in first and b"/Contents" not in first[first.index(f"\n{n} 0 obj".encode()) :][:40]
    )
    assert offset and number
    with pikepdf.open(io.BytesIO(first)) as document:
        stream = document.pages[0].obj["/Contents"].objgen[0]
    body = line("The witness V-001 spoke.").encode()
    at = len(first)
    update = b"%d 0 obj\n<</Length %d>>\nstream\n%b\nendstream\nendobj\n" % (stream, len(body), body)
    table = b"xref\n%d 1\n%010d 00000 n \ntrailer\n<</Size 50/Root 1 0 R/Prev %d>>\nstartxref\n%d\n%%%%EOF\n" % (
        stream,
        at,
        offset,
        at + len(update),
    )
    copy = copy_of(session, tmp_path, "two.pdf", first + update + table, Asked(words=("spoke",), searchable=True))
    assert not holds(copy, SECRET) and copy.count(b"%%EOF") == 1
    assert "V-001" in words_of(copy)[0]


def test_width_of_the_redacted_word_is_not_told_by_whole_lines(session: Session, tmp_path: Path) -> None:
    """With ``lines`` a short and a long secret on the same line give the same file, byte for byte."""
    copies = [
        copy_of(session, tmp_path, f"{word}.pdf", saved(pdf(line(f"Saw {word} here") + line("and left", 20, 300))),
                Asked(words=(word,), lines=True, searchable=True))
        for word in ("Ali", "Zarmanovskyjg")
    ]  # fmt: skip
    assert copies[0] == copies[1] and "left" in words_of(copies[0])[0] and "here" not in words_of(copies[0])[0]


def test_neighbouring_glyph_positions_are_rounded_in_the_layer(session: Session, tmp_path: Path) -> None:
    """Every place, size and word of the searchable layer is on the grid: what follows a secret tells no more than pixels do."""
    copy = copy_of(session, tmp_path, "a.pdf", saved(pdf(line(f"The witness {SECRET} spoke, then slept."))),
                   Asked(words=(SECRET,), searchable=True))  # fmt: skip
    with pikepdf.open(io.BytesIO(copy)) as document:
        places = [
            [float(operand) for operand in instruction.operands[4:]]
            for instruction in pikepdf.parse_content_stream(document.pages[0]) if str(instruction.operator) == "Tm"
        ]  # fmt: skip
    assert len(places) == 5 and all(x % 3 == 0 and (400 - y) % 3 == 0 for x, y in places)


@pytest.mark.parametrize("written", [
    "({0}) Tj", "[({1}) -900 ({2})] TJ", "({1}-) Tj 0 -14 Td ({2}) Tj", "({1}) Tj 0 -14 Td ({2}) Tj",
    "(Z a r m a n o v a) Tj", "(ZARMANOVA) Tj", "(Zarmanovoy) Tj", "({1}) Tj ({2}) Tj", "4 Tc ({0}) Tj", "(zarmanova85) Tj",
])  # fmt: skip
def test_a_word_is_found_however_it_is_set(session: Session, tmp_path: Path, written: str) -> None:
    """Spans, hyphens, line breaks, spaced letters, capitals, case endings: nothing dark is left but the boxes."""
    shown = written.format(SECRET, "Zarma", "nova")
    data = saved(pdf(f"BT /F 12 Tf 40 300 Td {shown} ET\n" + line("kept", 20, 100)))
    copy = copy_of(session, tmp_path, "a.pdf", data, Asked(words=(SECRET,), searchable=True))
    before, after = drawn(data, scale=2), drawn(copy, scale=2)
    inked = [(x, y) for x in range(600) for y in range(500) if before.getpixel((x, y)) < 128]  # type: ignore[operator]
    assert inked and all(after.getpixel(place) == 0 for place in inked)
    assert words_of(copy) == ["kept"]


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_rotated_and_cropped_pages_are_covered_where_they_show(session: Session, tmp_path: Path, turn: int) -> None:
    """On a turned page with a crop box the word's ink is all black, and what lies outside the crop box is nowhere."""
    made = pdf(line(SECRET, 60, 300) + line("kept", 60, 200) + line("Outside", 60, 20), Rotate=turn, CropBox=[40, 50, 280, 380])
    data = saved(made)
    copy = copy_of(session, tmp_path, "a.pdf", data, Asked(words=(SECRET,), searchable=True))
    alone = drawn(saved(pdf(line(SECRET, 60, 300), Rotate=turn, CropBox=[40, 50, 280, 380])))
    after = drawn(copy)
    assert after.size == alone.size
    ink = [(x, y) for x in range(alone.width) for y in range(alone.height) if alone.getpixel((x, y)) < 128]  # type: ignore[operator]
    assert ink and all(after.getpixel(place) < 8 for place in ink)  # type: ignore[operator]
    assert words_of(copy) == ["kept"]


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_word_cut_by_a_line_end_is_found_in_the_order_in_which_the_page_is_seen(
    session: Session, tmp_path: Path, turn: int
) -> None:
    """Halves of a word are joined as the eye does, whatever order the file has them in."""
    data = saved(pdf(line("nova left", 20, 300) + line("far", 20, 100) + line("saw Zarma-", 20, 320), Rotate=turn))
    seen = evidence_redact.preview(session, put(session, tmp_path, "p.pdf", data).handle, Asked(words=(SECRET,)))
    assert seen.found and not any("Zarma" in one.context or "nova" in one.context for one in seen.found)
    copy = copy_of(session, tmp_path, "a.pdf", data, Asked(words=(SECRET,), searchable=True))
    assert sorted(words_of(copy)[0].split()) == ["far", "left", "saw"]


def test_a_box_at_the_page_edge_is_clipped(session: Session, tmp_path: Path) -> None:
    """A box beyond the edge fills to the edge; one on a page that is not there is refused with the count."""
    data = saved(pdf(line("edge", 280, 390)))
    copy = copy_of(session, tmp_path, "a.pdf", data, Asked(boxes=(Box(1, 250, 0, 999, 30),)))
    assert drawn(copy).crop((252, 0, 300, 30)).getextrema() == (0, 0)
    item = put(session, tmp_path, "b.pdf", data)
    with pytest.raises(redact.NoSuchPage, match="has 1"):
        evidence_redact.redacted(session, item.handle, Asked(boxes=(Box(2, 0, 0, 9, 9),)))
    with pytest.raises(redact.BoxOutside, match="300 wide"):  # “made without a box” must not read as “made”
        evidence_redact.redacted(session, item.handle, Asked(boxes=(Box(1, 0, 0, 9, 9), Box(1, 5000, 5000, 6000, 6000))))
    assert session.testimony.children(item.handle) == []


def test_a_huge_page_is_drawn_within_bounds() -> None:
    """A page that claims 14,400,000 points a side costs a bounded picture."""
    data = saved(pdf(line(SECRET), MediaBox=[0, 0, 14_400_000, 14_400_000]))
    options = {"act": "make", "boxes": {"1": [[0, 0, 0.5, 0.5]]}}
    made = b"".join(
        f.data for f in redact_pdf.read(io.BytesIO(data), Hints(size=len(data), options=options)) if isinstance(f, Chunk)
    )
    with pikepdf.open(io.BytesIO(made)) as document:
        [picture] = document.pages[0].get_images().values()
        assert int(picture.Width) * int(picture.Height) <= 41_000_000
        assert float(document.pages[0].MediaBox[2]) <= 14_400


def scan(text: str) -> bytes:
    """A page that is a picture of words."""
    picture = Image.new("L", (1000, 500), 255)
    ImageDraw.Draw(picture).text((60, 150), text, fill=0, font_size=56)
    out = io.BytesIO()
    picture.save(out, "PDF", resolution=100)
    return out.getvalue()


def test_words_on_a_scan_are_refused_where_nothing_recognises(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without recognition the page is named and nothing is made; with a box on that page the copy is made."""
    monkeypatch.setattr(evidence_redact_where.Locator, "_recognised", lambda *_told: {})
    item = put(session, tmp_path, "scan.pdf", scan(f"Witness {SECRET}"))
    assert "pages" in evidence_redact.preview(session, item.handle, Asked(words=(SECRET,))).warnings[0]
    with pytest.raises(redact.WordsNotLocated, match="no text: 1"):
        evidence_redact.redacted(session, item.handle, Asked(words=(SECRET,)))
    box = Box(1, 10, 70, 700, 180)
    assert evidence_redact.redacted(session, item.handle, Asked(words=(SECRET,), boxes=(box,))).item.relation == "redacted"


@needs_tesseract
def test_words_on_a_scan_are_found_by_recognition(session: Session, tmp_path: Path) -> None:
    """The recognised word's place is black in the copy, and recognition reads only the rest."""
    item = put(session, tmp_path, "scan.pdf", scan(f"Witness {SECRET} spoke"))
    done = evidence_redact.redacted(session, item.handle, Asked(words=(SECRET,)))
    assert done.recognised and done.places == 1
    with pypdfium2.PdfDocument(data_of(session, done.item)) as document:
        picture = document[0].render(scale=2).to_pil()
    out = io.BytesIO()
    picture.convert("L").save(out, "PPM")
    read = program.run("tesseract", ["stdin", "stdout"], out.getvalue()).decode()
    assert "Witness" in read and "spoke" in read and SECRET[:5] not in read


@needs_tesseract
def test_a_copy_in_which_recognition_still_reads_the_word_is_destroyed(session: Session, tmp_path: Path) -> None:
    """Letters whose code says other letters pass the text search; the check by recognition stops the copy, nothing is kept."""
    made = pdf(f"BT /F 40 Tf 20 300 Td ({SECRET}) Tj ET")
    font = made.pages[0].obj["/Resources"]["/Font"]["/F"]
    rows = "".join(f"<{code:02X}> <{0x61 + code % 26:04X}>\n" for code in range(0x41, 0x7B))
    table = f"begincmap 1 begincodespacerange <00> <FF> endcodespacerange {0x7B - 0x41} beginbfchar\n{rows}endbfchar endcmap"
    font["/ToUnicode"] = made.make_stream(table.encode())
    item = put(session, tmp_path, "lies.pdf", saved(made))
    blobs = len(list(session.blobs().stored()))
    with pytest.raises(redact.RedactionIncomplete, match="recognised"):
        evidence_redact.redacted(session, item.handle, Asked(words=(SECRET,), boxes=(Box(1, 0, 0, 5, 5),)))
    assert session.testimony.children(item.handle) == [] and len(list(session.blobs().stored())) == blobs


def test_a_hostile_pdf_ends_in_a_sentence(session: Session, tmp_path: Path) -> None:
    """Cut off, mutated, or with a page tree that leads into itself: refused or redacted, and the session goes on."""
    whole = hidden_everywhere()
    made = pdf(line("x"))
    made.Root["/Pages"]["/Kids"].append(made.Root["/Pages"])
    for number, data in enumerate(
        (whole[:700], whole[: len(whole) // 2], b"%PDF-1.7\n" + bytes(5000), whole.replace(b"/Count 1", b"/Count 9999999"))
    ):
        item = put(session, tmp_path, f"h{number}.pdf", data)
        try:
            evidence_redact.redacted(session, item.handle, Asked(words=(SECRET,), boxes=(Box(1, 0, 0, 5, 5),), recognise=False))
        except (BadInput, Unverified) as error:
            assert str(error).endswith(".")


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.text("abcdefghij", min_size=3, max_size=9), st.integers(9, 240), st.integers(9, 380), st.integers(6, 24)),
             min_size=1, max_size=8),
    st.booleans(),
)  # fmt: skip
def test_any_word_anywhere_is_never_left_in_the_layer(placed: list[tuple[str, int, int, int]], lines: bool) -> None:
    """Random words at random places, one redacted: the copy's text, streams and boxes pass the reader's own check and ours."""
    secret = placed[0][0]
    data = saved(pdf("".join(line(word, x, y, size) for word, x, y, size in placed)))
    hints = Hints(size=len(data), options={"act": "locate"})
    [text] = ["".join(f.text for f in redact_pdf.read(io.BytesIO(data), hints) if isinstance(f, Text))]
    spans = [[spot.start, spot.end] for spot in Words([secret]).find(text)]
    options: dict[str, Any] = {"act": "make", "spans": {"1": spans}, "searchable": True, "lines": lines, "dpi": 100}
    findings = list(redact_pdf.read(io.BytesIO(data), Hints(size=len(data), options=options)))
    copy = b"".join(finding.data for finding in findings if isinstance(finding, Chunk))
    [painted] = [finding.data["boxes"] for finding in findings if isinstance(finding, Facts)]
    told: list[Finding] = list(
        redact_pdf.read(io.BytesIO(copy), Hints(size=len(copy), options={"act": "check", "boxes": {"1": painted}}))
    )
    assert [finding.data for finding in told if isinstance(finding, Facts)] == [{"wrong": []}]
    left = "\n\n".join(finding.text for finding in told if isinstance(finding, Text))
    assert Words([secret]).find(left) == []


# -- pictures ---------------------------------------------------------------------------------------------------------------


def test_a_jpeg_loses_every_word_that_hides_in_it(session: Session, tmp_path: Path) -> None:
    """EXIF, GPS, XMP, comment, profile, turn and what stands behind the end are gone; the picture stands upright, filled."""
    copy = copy_of(session, tmp_path, "a.jpg", jpeg(SECRET), Asked(boxes=(Box(1, 20, 20, 180, 220),)))
    assert not holds(copy, SECRET) and copy.endswith(b"\xff\xd9")
    with Image.open(io.BytesIO(copy)) as picture:
        assert picture.size == (200, 320) and not dict(picture.getexif()) and "icc_profile" not in picture.info
        assert max(high for _low, high in picture.crop((24, 24, 176, 216)).getextrema()) < 16  # type: ignore[misc]


def test_a_thumbnail_in_exif_does_not_outlive_the_box(session: Session, tmp_path: Path) -> None:
    """The small picture that cameras keep beside the large one is not in the copy."""
    small = io.BytesIO()
    Image.new("RGB", (32, 20), "red").save(small, "JPEG")
    tiff = b"II*\0\x08\0\0\0\0\0\x0e\0\0\0" + b"\x02\0" + b"\x01\x02\x04\0\x01\0\0\0\x2c\0\0\0"
    tiff += b"\x02\x02\x04\0\x01\0\0\0" + len(small.getvalue()).to_bytes(4, "little") + bytes(4)
    out = io.BytesIO()
    Image.new("RGB", (320, 200), "red").save(out, "JPEG", exif=b"Exif\0\0" + tiff + small.getvalue())
    assert out.getvalue().count(b"\xff\xd8\xff") == 2
    copy = copy_of(session, tmp_path, "t.jpg", out.getvalue(), Asked(boxes=(Box(1, 0, 0, 100, 100),)))
    assert copy.count(b"\xff\xd8\xff") == 1 and b"Exif" not in copy


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "BMP", "GIF", "HEIF", "AVIF"])
def test_other_pictures_keep_nothing_but_pixels(session: Session, tmp_path: Path, form: str) -> None:
    """What stands in clear pixels, text chunks or tags is gone in every form that is read."""
    picture = Image.new("RGBA", (200, 100), (255, 255, 255, 0))
    ImageDraw.Draw(picture).text((10, 10), SECRET, fill=(0, 0, 0, 0), font_size=30)
    extra: dict[str, Any] = {}
    if form == "PNG":
        extra["pnginfo"] = PngImagePlugin.PngInfo()
        extra["pnginfo"].add_text("Author", SECRET)
        extra["pnginfo"].add_itxt("Title", SECRET)
    if form in ("WEBP", "PNG", "HEIF", "AVIF"):
        extra["exif"] = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x3b\x01\x02\0\x0a\0\0\0\x1a\0\0\0\0\0\0\0" + SECRET.encode() + b"\0"
    if form == "TIFF":
        extra["description"] = SECRET
    out = io.BytesIO()
    (picture.convert("RGB") if form in ("BMP", "GIF") else picture).save(out, form, **extra)
    copy = copy_of(session, tmp_path, f"a.{form.lower()}", out.getvalue(), Asked(boxes=(Box(1, 100, 50, 190, 90),)))
    assert not holds(copy, SECRET)
    with Image.open(io.BytesIO(copy)) as again:
        assert again.mode in ("RGB", "L") and again.convert("L").getpixel((145, 70)) in range(9)
        if form in ("PNG", "TIFF"):
            assert again.convert("L").crop((0, 0, 100, 50)).getextrema() == (255, 255)


def test_every_page_of_a_tiff_is_redacted_and_a_moving_picture_refused(session: Session, tmp_path: Path) -> None:
    """Boxes go to their pages; an animation is refused with what to do instead."""
    pages = [Image.new("L", (60, 40), 200) for _page in range(3)]
    out = io.BytesIO()
    pages[0].save(out, "TIFF", save_all=True, append_images=pages[1:])
    copy = copy_of(session, tmp_path, "a.tiff", out.getvalue(), Asked(boxes=(Box(2, 10, 10, 30, 30),)))
    with Image.open(io.BytesIO(copy)) as again:
        seen = []
        for index in range(3):
            again.seek(index)
            seen.append(again.getpixel((20, 20)))
    assert seen == [200, 0, 200]
    moving = io.BytesIO()
    Image.new("RGB", (9, 9)).save(moving, "GIF", save_all=True, append_images=[Image.new("RGB", (9, 9), "red")])
    item = put(session, tmp_path, "m.gif", moving.getvalue())
    with pytest.raises(FileUnreadable, match="moves"):
        evidence_redact.redacted(session, item.handle, Asked(boxes=(Box(1, 0, 0, 5, 5),)))


@needs_tesseract
def test_a_word_in_a_photograph_is_found_and_filled(session: Session, tmp_path: Path) -> None:
    """A word asked for is found by recognition in a picture larger than recognition draws it, and filled there."""
    picture = Image.new("RGB", (5200, 1000), "white")
    ImageDraw.Draw(picture).text((400, 300), f"Witness {SECRET}", fill="black", font_size=300)
    out = io.BytesIO()
    picture.save(out, "PNG")
    copy = copy_of(session, tmp_path, "p.png", out.getvalue(), Asked(words=(SECRET,)))
    with Image.open(io.BytesIO(copy)) as again:
        ink = [x for x in range(0, 5200, 20) if again.convert("L").crop((x, 450, x + 20, 520)).getextrema() == (0, 0)]
    assert len(ink) > 60


# -- texts ------------------------------------------------------------------------------------------------------------------

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def docx() -> bytes:
    """A DOCX with the secret in body, split runs, deletion, hidden run, header, footnote, comment, alt text and properties."""

    def run(text: str, properties: str = "") -> str:
        return f"<w:r><w:rPr>{properties}</w:rPr><w:t>{text}</w:t></w:r>"

    body = (
        f"<w:p>{run('The witness ')}{run(SECRET[:4])}{run(SECRET[4:])}{run(' spoke.')}</w:p>"
        f'<w:p><w:del w:author="{SECRET}"><w:r><w:delText>{SECRET}] said ] more</w:delText></w:r></w:del>'
        f"{run('kept here')}</w:p>"
        f'<w:p>{run(SECRET + " unseen", "<w:vanish/>")}{run("also kept")}<w:drawing><wp descr="{SECRET}"/></w:drawing></w:p>'
    )
    parts = {
        "[Content_Types].xml": "<Types/>", "word/document.xml": f"<w:document {_W}><w:body>{body}</w:body></w:document>",
        "word/comments.xml": f'<w:comments {_W}><w:comment w:author="{SECRET}">'
                             f'<w:p>{run("by " + SECRET)}</w:p></w:comment></w:comments>',
        "word/header1.xml": f"<w:hdr {_W}><w:p>{run(SECRET + ' head')}</w:p></w:hdr>",
        "word/footnotes.xml": f"<w:footnotes {_W}><w:footnote><w:p>{run('note of ' + SECRET)}</w:p></w:footnote></w:footnotes>",
        "docProps/core.xml": f"<p>{SECRET}</p>", "word/media/a.txt": SECRET, "customXml/item1.xml": f"<p>{SECRET}</p>",
    }  # fmt: skip
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return out.getvalue()


def test_a_docx_becomes_text_with_marks_of_one_width(session: Session, tmp_path: Path) -> None:
    """Only the body by default; what is included by choice is redacted too; the mark does not tell the word's length."""
    copy = copy_of(session, tmp_path, "a.docx", docx(), Asked(words=(SECRET,))).decode()
    assert "The witness [redacted] spoke." in copy and "kept here" in copy and "also kept" in copy
    assert not any(word in copy for word in (SECRET, "unseen", "said", "more", "head", "note of", "by "))
    all_of = Asked(words=(SECRET,), include=evidence_redact.INCLUDED)
    copy = copy_of(session, tmp_path, "b.docx", docx(), all_of).decode()
    assert all(word in copy for word in ("unseen", "said ] more", "head", "note of", "by [redacted]")) and SECRET not in copy


@pytest.mark.parametrize(("name", "data"), [
    ("a.txt", f"He saw {SECRET} and {SECRET.upper()}.\n\nZarma-\nnova left. Zarma-\n\n\nnova.".encode()),
    ("b.txt", f"Он видел: {SECRET}, Зарманова, Зармановой.".encode("utf-16")),
    ("c.html", f"<html><title>{SECRET}</title><!-- {SECRET} --><p>The <b>Zar</b>manova</p><img alt='{SECRET}'>"
               f"<script>var x='{SECRET}'</script><p style='display:none'>{SECRET}</p></html>".encode()),
    ("d.eml", f"From: {SECRET} <v@example.org>\nTo: x@example.org\nSubject: {SECRET}\nX-Secret: {SECRET}\n\n"
              f"Dear {SECRET},\n".encode()),
])  # fmt: skip
def test_other_texts_keep_no_spelling_of_the_word(session: Session, tmp_path: Path, name: str, data: bytes) -> None:
    """Plain text in any encoding, HTML with what hides in it, e-mail with its header: no spelling in any script is left."""
    copy = copy_of(session, tmp_path, name, data, Asked(words=(SECRET,)))
    assert not holds(copy, SECRET) and redact.MARK.encode() in copy
    assert Words([SECRET, "Зарманова", "Зармановой"]).find(copy.decode()) == []


@given(st.lists(st.sampled_from(["Zarmanova", "zarmanova", "saw", "the", "Zarma-\nnova", "Z a r m a n o v a", "\n\n",
                                 "Zar\xadmanova"]),
                min_size=1, max_size=30))  # fmt: skip
def test_no_mixture_of_spellings_leaves_the_word(parts: list[str]) -> None:
    """After replacement a second search finds nothing: the search that chose is the search that judges."""
    text = " ".join(parts)
    words = Words([SECRET])
    left = redact.replaced(text, redact.merged(words.find(text)))
    assert words.find(left) == [] and left.count("saw") == parts.count("saw")


@given(st.binary(max_size=400), st.integers(0, 3000))
def test_a_mutated_docx_never_breaks_the_reader(noise: bytes, at: int) -> None:
    """Whatever bytes are changed, the reader yields texts or says in a sentence that it cannot."""
    data = bytearray(docx())
    data[at : at + len(noise)] = noise
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    try:
        list(redact_document.read(io.BytesIO(bytes(data)), Hints(media_type=kind, size=len(data))))
    except Unreadable as error:
        assert str(error)


@given(st.binary(max_size=100), st.integers(0, 5000))
@settings(max_examples=30)
def test_a_mutated_picture_never_breaks_the_reader(noise: bytes, at: int) -> None:
    """Whatever bytes are changed, a copy is made or refused in a sentence."""
    data = bytearray(jpeg(SECRET))
    data[at : at + len(noise)] = noise
    try:
        list(redact_picture.read(io.BytesIO(bytes(data)), Hints(size=len(data), options={"act": "make"})))
    except Unreadable as error:
        assert str(error)


# -- what is asked ----------------------------------------------------------------------------------------------------------

PATTERNED = (
    "Call +7 928 000-00-00 or 8 (928) 0000000, mail v001@example.org. IBAN GB33 BUKB 2020 1555 5555 55. Passport AB 1234567, "
    "паспорт 45 06 123456. Born on 12.03.1985; 1979 г.р. At 43.318400, 45.698700 or 43°19'06\" N. On 2017-03-15 12 men came."
)


def test_patterns_find_what_they_name_and_little_else() -> None:
    """Each pattern finds its made-up example; a plain date is no telephone number and a wrong IBAN is none."""
    found = {name: [PATTERNED[s.start : s.end] for s in redact.find_patterns(PATTERNED, [name])] for name in redact.PATTERNS}
    assert found["telephone"] == ["+7 928 000-00-00", "8 (928) 0000000", "45 06 123456"] and found["email"] == [
        "v001@example.org"
    ]
    assert found["iban"] == ["GB33 BUKB 2020 1555 5555 55"] and found["passport"] == ["AB 1234567", "45 06 123456"]
    assert found["birth"] == ["12.03.1985", "1979"] and found["gps"] == ["43.318400, 45.698700", "43°19'06\" N"]
    assert not list(redact.find_patterns("GB34 BUKB 2020 1555 5555 55", ["iban"]))


def test_only_accepted_numbers_go(session: Session, tmp_path: Path) -> None:
    """The preview numbers what it finds with masked contexts; accepting some leaves the others."""
    item = put(session, tmp_path, "p.txt", PATTERNED.encode())
    asked = Asked(patterns=tuple(redact.PATTERNS))
    seen = evidence_redact.preview(session, item.handle, asked)
    assert [one.number for one in seen.found] == list(range(1, len(seen.found) + 1))
    assert not any("928" in one.context or "v001" in one.context for one in seen.found)
    number = next(one.number for one in seen.found if one.how == "email")
    done = evidence_redact.redacted(session, item.handle, Asked(patterns=asked.patterns, accept=str(number)))
    text = data_of(session, done.item).decode()
    assert "v001" not in text and "+7 928 000-00-00" in text
    assert session.testimony.custody(item.handle)[1].action == "viewed"


@pytest.mark.parametrize("wrong", ["", "1", "1:5,5,1,9", "0:1,1,2,2", "a:1,1,2,2", "1:1,1,2", "1:-1,0,2,2", "1:nan,1,2,2"])
def test_a_wrong_box_is_refused_in_a_sentence(wrong: str) -> None:
    """What is no box, is empty or runs backwards is refused with how to write one."""
    with pytest.raises(redact.BadBox, match="from the top left"):
        redact.box_from(wrong)


@pytest.mark.parametrize("wrong", ["0", "4", "2-1", "x", "", "1,,2", "1-99"])
def test_wrong_numbers_are_refused(wrong: str) -> None:
    """Numbers beyond the preview's are refused with how many there are."""
    with pytest.raises(redact.BadRange, match="from 1 to 3"):
        redact.numbers_from(wrong, 3)
    assert redact.numbers_from("1-2, 3", 3) == redact.numbers_from("all", 3) == {1, 2, 3}


def test_nothing_found_makes_no_copy_and_other_kinds_are_refused(session: Session, tmp_path: Path) -> None:
    """A word that is not there makes no item; an archive is refused with what to do."""
    item = put(session, tmp_path, "n.txt", b"nothing to see")
    with pytest.raises(redact.NothingToRedact):
        evidence_redact.redacted(session, item.handle, Asked(words=(SECRET,)))
    zipped = put(session, tmp_path, "z.bin", b"\x7fELF" + bytes(100))
    with pytest.raises(redact.NotRedactable, match="add that as an item"):
        evidence_redact.redacted(session, zipped.handle, Asked(words=(SECRET,)))
    with pytest.raises(redact.EmptyWord):
        evidence_redact.preview(session, item.handle, Asked(words=("-",)))


def test_short_words_do_not_swallow_others() -> None:
    """A word of four letters is not found in the middle of another; at its beginning it takes the whole word."""
    assert Words(["Rose"]).find("the prosecutor spoke") == []
    text = "Rosemary and rose-\nwood, ROSE"
    assert [text[s.start : s.end] for s in Words(["Rose"]).find(text)] == ["Rosemary", "rose", "ROSE"]
    assert Words(["Ali"]).find("quality of al ibrahim") == []


def test_sealed_names_go_by_handle(tmp_path: Path) -> None:
    """``names`` shows handles and masked contexts, never a name; the copy has none in any script; locked, it is refused."""
    folder = tmp_path / "case"
    opening.create(folder, *SECRETS, cost=Cost(64, 1, 1))
    rings = [opening.read_ring(folder, name, secret) for name, secret in zip(("everyday", "identities"), SECRETS, strict=True)]
    text = (
        f"Petimat {SECRET} called the office in the evening from 8 928 000 00 01. "
        "That day the woman they call Зармановой was out. Nobody else."
    )
    with Session(folder, rings) as opened:
        row = Identity("P-0001", [Name(f"{SECRET} Petimat")], [["telephone", "+7 928 000-00-01"]], made_up=True).to_row()
        with opened.change() as change:
            change.put("identities", Identity.TYPE, [row])
        item = put(opened, tmp_path, "n.txt", text.encode())
        seen = evidence_redact.preview(opened, item.handle, Asked(names=True))
        assert {one.person for one in seen.found} == {"P-0001"} and {one.kind for one in seen.found} == {"name", "contact"}
        told = json.dumps([one._asdict() for one in seen.found], ensure_ascii=False)
        assert not any(word in told for word in (SECRET, "Petimat", "Зарман", "928"))
        copy = data_of(opened, evidence_redact.redacted(opened, item.handle, Asked(names=True)).item).decode()
        assert not any(word in copy for word in (SECRET, "Petimat", "Зарман", "928")) and "Nobody else." in copy
    with Session(folder, rings[:1]) as opened, pytest.raises(CompartmentLocked):
        evidence_redact.preview(opened, item.handle, Asked(names=True))


def test_the_command_shows_and_makes(session: Session, tmp_path: Path) -> None:
    """The verb's options reach the room: nothing asked is refused, and its help has an example."""
    [verb] = COMMANDS
    assert verb.name == "redact" and "Example:" in (verb.help or "")
    with pytest.raises(NothingAsked):
        verb.main(["D-0001"], standalone_mode=False)
