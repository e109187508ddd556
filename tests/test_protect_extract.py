"""Whatever a finished file holds is read, and what cannot be read is not passed over."""

import csv
import io
import json
from collections.abc import Callable
from contextlib import suppress

import pikepdf
import pytest
import typst
from hypothesis import given
from hypothesis import strategies as st

from amparo.protect.extract import CSV, JSON, MARKDOWN, PDF, PLAIN, UNREAD, Unreadable, decoded, extract

WORD = "Hiddenword"


def pdf(body: str = "Some text.") -> bytes:
    """A small tagged PDF."""
    return typst.compile(f'#set document(title: "T")\n{body}'.encode())


def changed(change: Callable[[pikepdf.Pdf], object], body: str = "Some text.") -> bytes:
    """A PDF after ``change``."""
    with pikepdf.open(io.BytesIO(pdf(body))) as document:
        change(document)
        out = io.BytesIO()
        document.save(out)
    return out.getvalue()


def draw(document: pikepdf.Pdf, content: bytes) -> None:
    font = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)
    page = document.pages[0]
    if "/Font" not in page.Resources:
        page.Resources.Font = pikepdf.Dictionary()
    page.Resources.Font.F99 = document.make_indirect(font)
    page.contents_add(content)


def layer(document: pikepdf.Pdf) -> None:
    group = document.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.OCG, Name="Layer"))
    document.Root.OCProperties = pikepdf.Dictionary(OCGs=[group], D=pikepdf.Dictionary(OFF=[group], Order=[group]))
    document.pages[0].Resources.Properties = pikepdf.Dictionary(OC1=group)
    draw(document, b"/OC /OC1 BDC BT /F99 12 Tf 100 100 Td (Hiddenword) Tj ET EMC")


def annotate(document: pikepdf.Pdf) -> None:
    note = pikepdf.Dictionary(Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Text, Rect=[0, 0, 9, 9], Contents=WORD)
    document.pages[0].Annots = document.make_indirect(pikepdf.Array([note]))


def attach(document: pikepdf.Pdf, data: bytes, name: str = "a.txt") -> None:
    document.attachments[name] = pikepdf.AttachedFileSpec(
        document, data, filename=name, description="", mime_type="", creation_date="", mod_date=""
    )


def field(document: pikepdf.Pdf) -> None:
    entry = document.make_indirect(pikepdf.Dictionary(FT=pikepdf.Name.Tx, T="f", V=WORD))
    document.Root.AcroForm = pikepdf.Dictionary(Fields=[entry])


def author(document: pikepdf.Pdf) -> None:
    document.docinfo["/Author"] = WORD


def unused_object(document: pikepdf.Pdf) -> None:
    document.Root.PieceInfo = document.make_indirect(pikepdf.Dictionary(Private=pikepdf.Array([[WORD]])))


def xmp(document: pikepdf.Pdf) -> None:
    with document.open_metadata() as metadata:
        metadata["dc:creator"] = [WORD]


PLACES: dict[str, Callable[[], bytes]] = {
    "drawn": lambda: pdf(WORD),
    "white text": lambda: pdf(f"#text(fill: white)[{WORD}]"),
    "tiny text": lambda: pdf(f"#text(size: 0.1pt)[{WORD}]"),
    "hidden layer": lambda: changed(layer),
    "off the page": lambda: changed(lambda d: draw(d, b"BT /F99 9 Tf -900 5000 Td (Hiddenword) Tj ET")),
    "invisible rendering": lambda: changed(lambda d: draw(d, b"BT 3 Tr /F99 9 Tf 10 10 Td (Hiddenword) Tj ET")),
    "covered by a box": lambda: pdf(f"#place[{WORD}]#place(rect(width: 9cm, height: 2cm, fill: black))"),
    "ActualText only": lambda: changed(lambda d: draw(d, b"/Span <</Actual#54ext (Hiddenword)>> BDC EMC")),
    "alternative text": lambda: pdf(f'#figure(rect(), alt: "{WORD}")'),
    "title": lambda: changed(lambda d: d.docinfo.__setitem__("/Title", WORD)),
    "own metadata key": lambda: changed(lambda d: d.docinfo.__setitem__("/Reviewer", WORD)),
    "metadata in UTF-16": lambda: changed(lambda d: d.docinfo.__setitem__("/Subject", pikepdf.String(WORD + " ж"))),
    "XMP": lambda: changed(xmp),
    "bookmark": lambda: pdf(f"= {WORD}"),
    "annotation": lambda: changed(annotate),
    "link target": lambda: pdf(f'#link("https://example.org/{WORD}")[x]'),
    "form field": lambda: changed(field),
    "text attachment": lambda: changed(lambda d: attach(d, WORD.encode())),
    "name of an attachment": lambda: changed(lambda d: attach(d, b"x", f"{WORD}.txt")),
    "JSON attachment": lambda: changed(lambda d: attach(d, json.dumps({"a": [WORD]}).encode())),
    "PDF in a PDF": lambda: changed(lambda d: attach(d, pdf(WORD))),
    "metadata of a PDF in a PDF": lambda: changed(lambda d: attach(d, changed(author))),
    "object nobody uses": lambda: changed(unused_object),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_word_anywhere_in_a_pdf_is_read(place: str) -> None:
    """Text that a reader, a search or a forensic tool could take out of a PDF comes out of extract."""
    assert any(WORD in piece.text for piece in extract(PLACES[place](), PDF))


def picture(document: pikepdf.Pdf) -> None:
    image = pikepdf.Stream(document, b"\x00\x00\x00")
    image.stream_dict = pikepdf.Dictionary(
        Type=pikepdf.Name.XObject, Subtype=pikepdf.Name.Image, Width=1, Height=1, BitsPerComponent=8,
        ColorSpace=pikepdf.Name.DeviceRGB,
    )  # fmt: skip
    document.pages[0].Resources.XObject = pikepdf.Dictionary(I1=document.make_indirect(image))


UNREADABLE_PARTS: dict[str, Callable[[pikepdf.Pdf], object]] = {
    "picture": picture,
    "picture in the page's content": lambda d: draw(d, b"BI /W 1 /H 1 /CS /G /BPC 8 ID \x00 EI"),
    "attachment of unknown kind": lambda d: attach(d, b"\x89PNG\r\n\x1a\n\x00\x01\xff"),
    "stream of unknown kind": lambda d: d.Root.__setitem__("/PieceInfo", pikepdf.Stream(d, b"\xff\x00\xfe")),
}


@pytest.mark.parametrize("part", UNREADABLE_PARTS)
def test_what_cannot_be_read_is_named(part: str) -> None:
    """Pictures and unknown data come out as UNREAD, never silently skipped."""
    assert any(piece.kind == UNREAD for piece in extract(changed(UNREADABLE_PARTS[part]), PDF))


def test_an_ordinary_pdf_is_read_wholly() -> None:
    """A PDF as Typst makes it leaves nothing unread, in three scripts, and reads as written."""
    body = '= Заголовок\nОсмотр шёл. #footnote[Сноска] final office محمد #figure(rect(), alt: "рисунок")'
    pieces = list(extract(pdf(body), PDF))
    assert [piece for piece in pieces if piece.kind == UNREAD] == []
    assert any("Осмотр шёл" in piece.text and "final office" in piece.text and "محمد" in piece.text for piece in pieces)


def encrypted(data: bytes) -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(data)) as document:
        document.save(out, encryption=pikepdf.Encryption(owner="o", user=""))
    return out.getvalue()


def deep_json() -> bytes:
    return b"[" * 5000 + b"]" * 5000


BAD: dict[str, Callable[[], tuple[bytes, str]]] = {
    "truncated PDF": lambda: (pdf()[:-400], PDF),
    "PDF cut at its start": lambda: (pdf()[200:], PDF),
    "empty PDF": lambda: (b"", PDF),
    "encrypted PDF": lambda: (encrypted(pdf()), PDF),
    "PDF with an older revision": lambda: (pdf() + b"\n1 0 obj\n<<>>\nendobj\nstartxref\n0\n%%EOF", PDF),
    "bytes after the end of a PDF": lambda: (pdf() + b"\nsecret", PDF),
    "broken JSON": lambda: (b'{"a": ', JSON),
    "deep JSON": lambda: (deep_json(), JSON),
    "JSON in Windows-1251": lambda: ('"да"'.encode("cp1251"), JSON),
    "binary as text": lambda: (b"\xff\xfe\xfd\x00\x01", PLAIN),
    "zero bytes in text": lambda: (b"a\0b", MARKDOWN),
    "CSV with an open quote": lambda: (b'a,"b\n1,2\n', CSV),
    "unknown type": lambda: (b"PK\x03\x04", "application/zip"),
}


@pytest.mark.parametrize("damage", BAD)
def test_a_bad_file_is_refused(damage: str) -> None:
    """A damaged, encrypted, appended or unknown file raises one clear error: the gate stays shut."""
    data, media_type = BAD[damage]()
    with pytest.raises(Unreadable) as caught:
        list(extract(data, media_type))
    assert str(caught.value)


@given(st.binary(max_size=300))
def test_garbage_is_refused_or_read(data: bytes) -> None:
    """Arbitrary bytes never raise anything but Unreadable."""
    for media_type in (PDF, JSON, CSV, PLAIN):
        with suppress(Unreadable):
            list(extract(data, media_type))


def test_json_is_read_key_and_value() -> None:
    """Keys, values, numbers and repeated members of JSON are all read."""
    data = b'{"k1": "v1", "k1": ["v2", {"k2": 89281234567}], "n": null}'
    texts = [piece.text for piece in extract(data, JSON)]
    assert texts == ["k1", "k1", "n", "v1", "v2", "k2", "89281234567"]


def test_tables_and_texts_say_where() -> None:
    """A CSV piece is a row, a text piece a paragraph with its line."""
    rows = extract("a;b\n1;2\n".encode("utf-16"), CSV)
    assert [tuple(piece)[:2] for piece in rows] == [("row 1", "a | b"), ("row 2", "1 | 2")]
    assert [piece.where for piece in extract(b"one\n\ntwo\nthree\n\n\nfour", PLAIN)] == ["line 1", "line 3", "line 7"]


@pytest.mark.parametrize("size", [131_071, 131_073, 3_000_000])
def test_a_cell_of_any_length_is_read_to_its_end(size: int) -> None:
    """What stands behind the 131,072 characters that Python's csv takes for the longest is read; the limit of imports stays."""
    limit = csv.field_size_limit()
    rows = list(extract(f'a;b\n"{"x" * size} {WORD}";1\n'.encode(), CSV))
    assert [row.where for row in rows] == ["row 1", "row 2"] and rows[1].text.endswith(f"{WORD} | 1")
    assert csv.field_size_limit() == limit


ENCODED = {
    "base64": "SGlkZGVud29yZCB0ZXh0",
    "base64 over lines": "U29tZSBsb25nIHRleHQgaGVyZSwgYW5kIG1vcmUgb2Yg\naXQ6IEhpZGRlbndvcmQgYmVsb3c=",
    "base64 of UTF-16": "SABpAGQAZABlAG4AdwBvAHIAZAA=",
    "hexadecimal": "48 69 64 64 65 6e 77 6f 72 64",
    "percent": "%48iddenword",
    "entities": "&#72;iddenword",
    "escapes": "\\u0048iddenword",
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_encoded_text_is_decoded(encoding: str) -> None:
    """One layer of the usual encodings is seen through."""
    assert any(WORD in text for _, text in decoded(f"see {ENCODED[encoding]} there"))
