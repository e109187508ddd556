"""Files made to break, fill or fool who opens them: each gives its text, a warning or one clear sentence, and no more."""

import gzip
import io
import json
import random
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from test_evidence_readers import RUSSIAN, archive, changed, docx, exif, facts, members, odt, pdf, picture, texts

from amparo.evidence import kinds, sandbox
from amparo.evidence.findings import Finding, Hints, Member, Warn
from amparo.evidence.sandbox import Limits
from amparo.kernel.errors import AmparoError

SHORT = Limits(memory=1 << 30, cpu=20, wall=20, said=64 << 20, members=256 << 20)


@pytest.fixture(scope="module")
def box() -> Iterator[sandbox.Sandbox]:
    with sandbox.Sandbox() as made:
        yield made


def read(box: sandbox.Sandbox, reader: str, data: bytes, **options: Any) -> list[Finding]:
    hints = Hints("made-up", kinds.media_type(data), options=options)
    return list(box.read(reader, io.BytesIO(data), hints, SHORT))


def warnings(found: list[Finding]) -> str:
    return " ".join(finding.sentence for finding in found if isinstance(finding, Warn))


# -- PDF --------------------------------------------------------------------------------------------------------------------


def tree(pages: str, *more: str) -> bytes:
    """A PDF whose objects 1 (catalogue), 2 (page tree) and further ones are given."""
    out = b"%PDF-1.4\n"
    places = []
    for number, body in enumerate(("<< /Type /Catalog /Pages 2 0 R >>", pages, *more), 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    start = len(out)
    out += f"xref\n0 {len(places) + 1}\n0000000000 65535 f \n".encode() + b"".join(
        f"{place:010} 00000 n \n".encode() for place in places
    )
    return out + f"trailer\n<< /Size {len(places) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()


PAGE = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >>"
TREES = {
    "ten million pages claimed": tree("<< /Type /Pages /Count 10000000 /Kids [3 0 R] >>", PAGE),
    "a million pages claimed, all the same": tree(f"<< /Type /Pages /Count 1000000 /Kids [{'3 0 R ' * 1000}] >>", PAGE),
    "a tree that holds itself": tree("<< /Type /Pages /Count 1000000 /Kids [2 0 R 2 0 R] >>"),
    "a ring of trees": tree(
        "<< /Type /Pages /Count 99999 /Kids [3 0 R] >>", "<< /Type /Pages /Parent 2 0 R /Count 99999 /Kids [2 0 R] >>"
    ),
    "fewer than none": tree("<< /Type /Pages /Count -5 /Kids [3 0 R] >>", PAGE),
    "no kids": tree("<< /Type /Pages /Count 3 >>"),
    "a deep chain": tree(
        "<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
        *(f"<< /Type /Pages /Parent {n - 1} 0 R /Count 1 /Kids [{n + 1} 0 R] >>" for n in range(3, 3000)), PAGE,
    ),
    "a page of nonsense size": tree("<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
    "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 1e38 -1e38] >>"),
    "content that calls itself": tree(
        "<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R /Resources << /XObject << /F 5 0 R >> >> >>",
        "<< /Length 5 >>\nstream\n/F Do\nendstream",
        "<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject <"
        "< /F 5 0 R >> >> /Length 5 >>\nstream\n/F Do\nendstream",
    ),
    "operators without end": tree(
        "<< /Type /Pages /Count 1 /Kids [3 0 R] >>", "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R >>",
        f"<< /Length 2000000 >>\nstream\n{'q ' * 1000000}\nendstream",
    ),
    "a filter upon a filter": tree(
        "<< /Type /Pages /Count 1 /Kids [3 0 R] >>", "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R >>",
        f"<< /Length 10 /Filter [{'/ASCIIHexDecode ' * 5000}] >>\nstream\n0000000000\nendstream",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TREES)
def test_a_false_page_tree_costs_a_bounded_time(box: sandbox.Sandbox, name: str) -> None:
    """A PDF that claims pages without number, or holds itself, ends with text, a warning or a sentence."""
    try:
        found = read(box, "pdf", TREES[name])
    except sandbox.FileUnreadable:
        return
    told = facts(found, "pages")
    assert len(told["unreadable"]) <= 200
    assert told["count"] < 1000 or told["unreadable"] == [] or "the rest was not tried" in warnings(found)


def test_a_picture_of_gigabytes_in_a_pdf_is_not_drawn(box: sandbox.Sandbox) -> None:
    """A page that unpacks to gigabytes gives a warning, nothing or a sentence about memory, and no crash of ours."""
    data = zlib.compress(bytes(50 << 20), 9)
    bomb = tree(
        "<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 2000 2000] /Contents 4 0 R /Resources << /XObject << /I 5 0 R >> >> >>",
        "<< /Length 30 >>\nstream\nq 9999 0 0 9999 0 0 cm /I Do Q\nendstream",
        f"<< /Type /XObject /Subtype /Image /Width 60000 /Height 60000 /BitsPerComponent 8 /ColorSpace /DeviceRGB"
        f" /Filter /FlateDecode "
        f"/Length {len(data)} >>\nstream\n",
    )
    bomb = bomb.replace(b"stream\n\nendobj", b"stream\n" + data + b"\nendstream\nendobj")
    for reader in ("pdf", "ocr"):
        try:
            read(box, reader, bomb)
        except (sandbox.FileUnreadable, sandbox.ReaderTooLarge, sandbox.ReaderCrashed, sandbox.ReaderTookTooLong):
            continue


# -- archives and XML -------------------------------------------------------------------------------------------------------


def test_a_document_that_unpacks_to_gigabytes_is_cut(box: sandbox.Sandbox) -> None:
    """A DOCX of a few hundred KiB whose text is 100 MB ends with a sentence; memory and output stay within their limits."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made, made.open("word/document.xml", "w", force_zip64=True) as part:
        part.write(b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>')
        piece = b"<w:p><w:r><w:t>" + b"x" * (1 << 20) + b"</w:t></w:r></w:p>"
        for _ in range(100):
            part.write(piece)
        part.write(b"</w:body></w:document>")
    with pytest.raises((sandbox.FileUnreadable, sandbox.ReaderTooLarge)):
        read(box, "docx", out.getvalue())


def test_a_member_that_never_ends_is_cut(box: sandbox.Sandbox) -> None:
    """An embedded picture that unpacks to gigabytes stops at the limit of members."""
    out = io.BytesIO(docx(""))
    with (
        zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as made,
        made.open("word/media/image1.png", "w", force_zip64=True) as part,
    ):
        for _ in range(40):
            part.write(bytes(1 << 20))
    with pytest.raises(sandbox.ReaderTooLarge):
        list(box.read("docx", out, Hints(), Limits(members=20 << 20)))


LAUGHS = '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {chr(98 + n)} "{("&" + chr(97 + n) + ";") * 10}">' for n in range(10)
) + "]><w:document><w:body>&k;</w:body></w:document>"  # fmt: skip
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]><w:document>&x;</w:document>'
XML = {
    "a billion laughs": LAUGHS, "a file from outside": OUTSIDE,
    "an address from outside": OUTSIDE.replace("file:///etc/passwd", "http://127.0.0.1/"),
    "a parameter entity": '<!DOCTYPE l [<!ENTITY % p SYSTEM "http://127.0.0.1/"> %p;]><l/>',
    "an outer subset": '<!DOCTYPE l SYSTEM "http://127.0.0.1/"><l/>',
    "nested without end": "<a>" * 100_000, "no XML": "made up", "an attribute of megabytes": f'<a b="{"x" * 5_000_000}"/>',
    "a million attributes": "<a " + " ".join(f'a{n}="1"' for n in range(100_000)) + "/>",
    "a false encoding": '<?xml version="1.0" encoding="utf-7"?><a/>',
    "nothing": "",
}  # fmt: skip


@pytest.mark.parametrize("name", XML)
@pytest.mark.parametrize("reader", ["docx", "odt"])
def test_xml_made_to_grow_or_to_fetch_is_refused(box: sandbox.Sandbox, reader: str, name: str) -> None:
    """Entities, document types, endless nesting: refused with a sentence or read as empty, without growing or fetching."""
    data = archive({"word/document.xml": XML[name]} if reader == "docx" else {"content.xml": XML[name]})
    try:
        found = read(box, reader, data)
    except sandbox.FileUnreadable as error:
        assert "XML" in str(error)
        return
    assert name in ("an attribute of megabytes", "a million attributes")
    assert not texts(found)


@pytest.mark.parametrize("name", XML)
def test_the_same_as_a_page_is_only_text(box: sandbox.Sandbox, name: str) -> None:
    """Read as HTML, an entity stays the letters it is written with, and nothing grows."""
    found = read(box, "html", XML[name].encode())
    assert sum(map(len, texts(found).values())) <= len(XML[name]) + 100
    assert "root:" not in " ".join(texts(found).values())


def quine() -> bytes:
    """An archive that lists itself as its own member: its entry points back at the archive's first byte."""
    inner = archive({"a.zip": b"placeholder"})
    return inner.replace(struct.pack("<I", len(b"placeholder")), struct.pack("<I", len(inner)))


ARCHIVES: dict[str, Callable[[], bytes]] = {
    "a zip in a zip in a zip": lambda: archive({"a.zip": archive({"b.zip": archive({"c.docx": docx("")})})}),
    "a zip that claims to hold itself": quine,
    "names that climb": lambda: docx("", {"word/media/../../../../etc/cron.d/x": b"x", "/word/media/abs": b"x",
    "word/media/..\\..\\x": b"x"}),
    "a name twice": lambda: docx("") + docx(""),
    "a false central directory": lambda: docx("")[:-10] + b"\xff" * 10,
    "overlapping members": lambda: docx("").replace(b"PK\x01\x02", b"PK\x01\x02", 1)[:-22] + docx("")[-22:],
    "only an end": lambda: b"PK\5\6" + bytes(18),
    "an end that counts wrongly": lambda: b"PK\5\6" + b"\xff" * 18,
}  # fmt: skip


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_false_archive_is_no_crash(box: sandbox.Sandbox, name: str, tmp_path: Path) -> None:
    """Archives that nest, climb, overlap or lie end with findings or a sentence; names of members are words, never paths."""
    for reader in ("docx", "odt"):
        try:
            found = read(box, reader, ARCHIVES[name]())
        except sandbox.FileUnreadable:
            continue
        assert all("/" not in member for member in members(found))


# -- pictures ---------------------------------------------------------------------------------------------------------------


def bomb(width: int, height: int) -> bytes:
    """A PNG of few bytes that claims so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    data = zlib.compress(bytes(1 << 22), 9)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", data)
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("width", "height"), [(100_000, 100_000), (2**31 - 1, 2**31 - 1), (2**31 - 1, 1), (10_000, 10_000)])
def test_a_picture_that_claims_gigapixels_is_described_only(box: sandbox.Sandbox, width: int, height: int) -> None:
    """Size is told from the header; what is too large is not decoded, what is cut off is not drawn."""
    found = read(box, "picture", bomb(width, height))
    assert facts(found, "media")["width"] == width
    assert not members(found) and ("pixels" in warnings(found) or "drawn" in warnings(found))


def broken_exif() -> Iterator[bytes]:
    """EXIF blocks with offsets out of the file, rings of directories, counts without end, wrong types."""
    block = exif().tobytes()
    for place in range(6, min(len(block), 120), 3):
        yield block[:place] + b"\xff\xff" + block[place + 2 :]
    yield b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 65535) + b"\xff" * 200
    yield b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 1) + struct.pack("<HHII", 0x8769, 4, 1, 8) + bytes(4)
    yield b"Exif\0\0MM\0*\xff\xff\xff\xff"
    yield b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2) + struct.pack("<HHII", 0x010F, 2, 0x7FFFFFFF, 8) + bytes(40)


def test_malformed_exif_never_hides_the_picture(box: sandbox.Sandbox) -> None:
    """However its EXIF is broken, the picture is described and drawn."""
    for block in broken_exif():
        found = read(box, "picture", picture(exif=block))
        assert facts(found, "media")["height"] == 60 and len(members(found)) == 1


def test_a_tiff_whose_directories_run_in_a_ring_ends(box: sandbox.Sandbox) -> None:
    """A TIFF whose next page is its first one is read in a bounded time."""
    data = bytearray(picture("TIFF"))
    start = struct.unpack("<I", data[4:8])[0]
    count = struct.unpack("<H", data[start : start + 2])[0]
    end = start + 2 + 12 * count
    data[end : end + 4] = struct.pack("<I", start)
    started = time.monotonic()
    with suppress(AmparoError):
        read(box, "picture", bytes(data))
    assert time.monotonic() - started < 20


# -- two things at once -----------------------------------------------------------------------------------------------------


def test_a_file_that_is_two_things_is_told_by_its_first_bytes(box: sandbox.Sandbox) -> None:
    """A PDF that is an archive too, a picture that is a page too: each is one kind, and no reader trips over the other."""
    both = pdf("Seen text") + docx("<w:p><w:r><w:t>other text</w:t></w:r></w:p>")
    assert kinds.media_type(both, "a.docx") == "application/pdf"
    assert "Seen text" in texts(read(box, "pdf", both)).values()
    gif = b"GIF89a/*" + b"\x01\x00\x01\x00" + b"*/=1;<script>alert(1)</script><html><body>page"
    assert kinds.media_type(gif, "a.html") == "image/gif"
    for reader in ("picture", "html", "plain", "pdf", "docx"):
        try:
            read(box, reader, gif)
        except sandbox.FileUnreadable as error:
            assert str(error).endswith((".", "!", ")"))


def test_truncated_files_say_so(box: sandbox.Sandbox) -> None:
    """Each kind cut off at many places gives what is left, a warning or a sentence, never a crash."""
    for reader, data in SEEDS.items():
        for cut in range(0, len(data), max(1, len(data) // 12)):
            try:
                read(box, reader, data[:cut])
            except sandbox.FileUnreadable:
                continue


ODD = (
    b"".join(b"<a" + b" b=" * 3000 + b"<" for _ in range(30))
    + b"<!--" * 20_000
    + b"<![CDATA[" * 10_000
    + b"&#" * 50_000
    + b"<script>" * 5_000
)


@pytest.mark.parametrize("data", [
    ODD, b"<" * 500_000, b"<a " + b"x" * 3_000_000, b"<!" * 80_000, b"&" * 1_000_000, b"<title>" * 100_000, b"<p>" * 100_000,
    b"<meta charset=idna><p>a", b"<meta charset=" + b"x" * 5000 + b">", b"<?xml encoding='zlib_codec'?><p>a",
], ids=lambda data: repr(data[:12]))  # fmt: skip
def test_a_page_made_to_be_slow_is_read_in_time(box: sandbox.Sandbox, data: bytes) -> None:
    """Endless tags, comments and references cost about their length."""
    started = time.monotonic()
    read(box, "html", data)
    assert time.monotonic() - started < 20


# -- one of each kind ---------------------------------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def boxed(kind: bytes, body: bytes = b"", size: int = 0) -> bytes:
    return struct.pack(">I", size or 8 + len(body)) + kind + body


def boxes(depth: int) -> bytes:
    body = b""
    for _ in range(depth):
        body = boxed(b"moov", body)
    return body


def coded(name: str, data: bytes) -> bytes:
    """A PDF with one picture of 65,535 x 65,535 points in some coding."""
    return tree(
        "<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R /Resources << /XObject << /I 5 0 R >> >> >>",
        "<< /Length 5 >>\nstream\n/I Do\nendstream",
        f"<< /Type /XObject /Subtype /Image /Width 65535 /Height 65535 /BitsPerComponent 1 /ColorSpace /DeviceGray "
        f"/Filter /{name} /Length {len(data)} >>\nstream\n{data.decode('latin-1')}\nendstream",
    )


def letter(rest: bytes) -> bytes:
    return b"From: a@example.org\nTo: b@example.org\nSubject: made up\nMIME-Version: 1.0\n" + rest


def wacz(description: str) -> bytes:
    return archive({"datapackage.json": description})


PNG = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
JBIG2 = struct.pack(">IBBIIIIIBH", 0, 0x30, 1, 19, 0xFFFF, 0xFFFF, 0, 0, 0, 0) + bytes(30)
FTYP = boxed(b"ftyp", b"isom\0\0\0\0isom")
ONE_OF_EACH: dict[str, Callable[[], bytes]] = {
    "a text of gigabytes in a PNG": lambda: PNG + b"".join(
        chunk(b"iTXt", b"k%d\0\1\0\0\0" % n + zlib.compress(bytes(50 << 20), 9)) for n in range(4)) + chunk(b"IEND", b""),
    "a profile of gigabytes in a PNG": lambda: PNG + chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(200 << 20), 9)),
    "a drawing of drawings of drawings": lambda: SVG + b"".join(
        b'<g id="a%d">' % n + b'<use xlink:href="#a%d"/>' % (n - 1) * 10 + b"</g>" for n in range(12)) + b"</svg>",
    "a drawing nested without end": lambda: SVG + b"<g>" * 50_000,
    "gzip in gzip in gzip": lambda: gzip.compress(gzip.compress(gzip.compress(bytes(200 << 20), 9), 9), 9),
    "mail parts within parts": lambda: letter(b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n) for n in range(20_000))),
    "messages within messages": lambda: letter((b"Content-Type: message/rfc822\n\n" + letter(b"")) * 5_000),
    "a boundary that is everywhere": lambda: letter(
        b'Content-Type: multipart/mixed; boundary="' + b"-" * 70 + b'"\n\n' + (b"-" * 72 + b"\n") * 50_000),
    "a name in a hundred thousand parts": lambda: letter(
        b"Content-Type: text/plain; " + b"".join(b"name*%d*=utf-8''%%41;" % n for n in range(100_000)) + b"\n\nx"),
    "a message whose sectors run in rings": lambda: (
        OLE + struct.pack("<9I", 0, 1, 0, 0, 4096, 0, 1, 0, 0) + bytes(436)).ljust(512, b"\0") + bytes(512 * 64)
        + "__substg1.0_".encode("utf-16-le"),
    "a record of ninety-nine quintillion bytes": lambda: (
        b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: 99999999999999999999\r\n\r\nHTTP/1.1 200 OK\r\n\r\nx"),
    "a record of minus five bytes": lambda: b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: -5\r\n\r\nx",
    "a record of a million headers": lambda: b"WARC/1.0\r\n" + b"X: y\r\n" * 1_000_000,
    "a package of paths that climb": lambda: wacz(json.dumps({"resources": [
        {"path": "../../etc/passwd\x1b[2J", "hash": "sha256:00", "bytes": 1}] * 100_000})),
    "a package of other types": lambda: wacz('{"resources": {"a": []}, "title": {"x": 1}, "created": [1]}'),
    "a package nested without end": lambda: wacz("[" * 200_000),
    "a film whose boxes lie": lambda: FTYP + boxed(b"moov", boxed(b"trak"), 0xFFFFFFFF),
    "a film of boxes in boxes": lambda: FTYP + boxes(3000),
    "a film of clusters without end": lambda: (
        b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x1f\x42\x82\x88matroska" + bytes(16) + b"\x18\x53\x80\x67\x01"
        + b"\xff" * 7 + (b"\x1f\x43\xb6\x75\x01" + b"\xff" * 7) * 50_000),
    "a picture in JBIG2": lambda: coded("JBIG2Decode", JBIG2), "a picture in JPEG 2000": lambda: coded("JPXDecode", JBIG2),
    "a chat of one message": lambda: json.dumps({"name": "x", "type": "personal_chat", "messages": [
        {"id": 1, "type": "message", "date": "2017-04-04T10:00:00", "text": "y" * 10_000_000}]}).encode(),
    "a chat nested without end": lambda: b'{"name":"x","type":"personal_chat","messages":[{"id":1,"text":' + b"[" * 300_000,
    "a number of megabytes": lambda: (
        b'{"name":"x","type":"personal_chat","messages":[{"id":' + b"9" * 2_000_000 + b',"text":"a"}]}'),
    "a chat with a giant line": lambda: b"28/3/17, 14:05 - V-001: " + b"x" * 20_000_000 + b"\n28/3/17, 14:06 - V-002: y\n",
    "a sealed chat with a giant number": lambda: b'{"sent_at":' + b"9" * 2_000_000 + b',"body":"x"}\n',
}  # fmt: skip


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_one_hostile_file_of_each_kind(box: sandbox.Sandbox, name: str) -> None:
    """Each reader that its type sends ends with findings or one sentence, in its bounds, and the next file is read."""
    data = ONE_OF_EACH[name]()
    kind = kinds.media_type(data[: kinds.HEAD], "made-up")
    for reader in sandbox.readers_for(kind):
        try:
            for finding in box.read(reader, io.BytesIO(data), Hints("made-up", kind, len(data)), SHORT):
                assert not isinstance(finding, Member) or len(finding.name) <= 4096
        except (sandbox.FileUnreadable, sandbox.ReaderTooLarge) as error:
            assert str(error).endswith((".", ")"))
    assert "still here" in texts(read(box, "plain", b"still here")).values()


# -- fuzz -------------------------------------------------------------------------------------------------------------------


def tiff() -> bytes:
    out = io.BytesIO()
    Image.new("L", (40, 40), 77).save(out, "TIFF", compression="tiff_lzw")
    return out.getvalue()


SEEDS: dict[str, bytes] = {
    "pdf": changed(pdf("Made-up text.\n\nПривет.")),
    "docx": docx("<w:p><w:r><w:t>made up</w:t></w:r></w:p>", {"word/media/a.png": picture("PNG", (8, 8))}),
    "odt": odt("<text:p>made up</text:p>", {"meta.xml": "<m/>"}),
    "html": b"<html><meta charset=utf-8><title>t</title><p>made up &amp; more<a href='x'>y</a><script>z</script>",
    "plain": RUSSIAN.encode("cp1251"),
    "picture": picture(exif=exif()),
}
PICTURES = [picture(form, (24, 24)) for form in ("PNG", "GIF", "BMP", "WEBP", "JPEG2000", "AVIF", "ICO")] + [tiff()]
ALLOWED = (sandbox.FileUnreadable, sandbox.ReaderTooLarge, sandbox.ReaderTookTooLong)


def mutated(data: bytes, seed: int) -> bytes:
    """A file with bytes changed, moved, doubled or left out."""
    dice = random.Random(seed)
    out = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 5, 30))):
        at, length = dice.randrange(len(out) + 1), dice.choice((1, 2, 4, 20))
        match dice.randrange(5):
            case 0:
                out[at : at + length] = dice.randbytes(length)
            case 1:
                out[at : at + length] = dice.choice((b"\xff", b"\0", b"\x7f", b"\x80")) * length
            case 2:
                del out[at : at + length * 3]
            case 3:
                out[at:at] = out[at : at + length * 5]
            case _:
                out[at:at] = dice.choice((b"%", b"<", b"&", b"PK\x03\x04", b"endobj", b"9" * 12, b"\r\n", b"-1"))
    return bytes(out)


@settings(max_examples=40)
@given(st.sampled_from(sorted(SEEDS)), st.integers(0, 1 << 32))
@example("pdf", 0)
def test_readers_take_any_bytes(fuzzed: sandbox.Sandbox, reader: str, seed: int) -> None:
    """Mutated files end in findings or one sentence; a reader's own library may break down, its Python may not."""
    _fuzz(fuzzed, reader, mutated(SEEDS[reader], seed))


@settings(max_examples=40)
@given(st.integers(0, len(PICTURES) - 1), st.integers(0, 1 << 32))
def test_pictures_take_any_bytes(fuzzed: sandbox.Sandbox, which: int, seed: int) -> None:
    """Mutated pictures of every form end in findings or one sentence."""
    _fuzz(fuzzed, "picture", mutated(PICTURES[which], seed))


def _fuzz(fuzzed: sandbox.Sandbox, reader: str, data: bytes) -> None:
    try:
        read(fuzzed, reader, data)
    except ALLOWED:
        return
    except sandbox.ReaderCrashed as error:
        assert "signal" in str(error), error  # a fault in C code inside the sandbox is what the sandbox is for


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[sandbox.Sandbox]:
    with sandbox.Sandbox() as made:
        yield made


@given(st.binary(max_size=200), st.text(max_size=12))
@example(b"PK\x03\x04" + b"\xff" * 60, "a.docx")
@example(b"\0\0\0\x08ftyp", "")
@example(b"\xff\xff\xff", "")
def test_kinds_takes_any_bytes(head: bytes, name: str) -> None:
    """Any first bytes and any name give a media type."""
    assert "/" in kinds.media_type(head, name)
