"""Text, facts and files inside files come out of documents and pictures as they stand there; all through the sandbox."""

import io
import shutil
import zipfile
from collections.abc import Iterator
from typing import Any

import pikepdf
import pytest
import typst
from PIL import Image, ImageDraw, TiffImagePlugin

from amparo.evidence import kinds, sandbox
from amparo.evidence.findings import Chunk, Facts, Finding, Hints, Member, MemberEnd, Text, Warn

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"


@pytest.fixture(scope="module")
def box() -> Iterator[sandbox.Sandbox]:
    with sandbox.Sandbox() as made:
        yield made


def read(box: sandbox.Sandbox, reader: str, data: bytes, name: str = "", **options: Any) -> list[Finding]:
    return list(box.read(reader, io.BytesIO(data), Hints(name=name, media_type=kinds.media_type(data, name), options=options)))


def texts(found: list[Finding]) -> dict[str, str]:
    return {finding.locator: finding.text for finding in found if isinstance(finding, Text)}


def facts(found: list[Finding], kind: str) -> dict[str, Any]:
    return next(finding.data for finding in found if isinstance(finding, Facts) and finding.kind == kind)


def members(found: list[Finding]) -> dict[str, bytes]:
    made: dict[str, bytes] = {}
    name = ""
    for finding in found:
        if isinstance(finding, Member):
            name = finding.name
            made[name] = b""
        elif isinstance(finding, Chunk):
            made[name] += finding.data
    return made


def archive(parts: dict[str, str | bytes], first_stored: bool = False) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for number, (name, data) in enumerate(parts.items()):
            made.writestr(name, data, zipfile.ZIP_STORED if first_stored and number == 0 else None)
    return out.getvalue()


# -- PDF --------------------------------------------------------------------------------------------------------------------


def pdf(body: str) -> bytes:
    return typst.compile(
        f'#set document(title: "Made-up report", date: datetime(year: 2017, month: 4, day: 1))\n{body}'.encode()
    )


def test_pdf_text_has_page_and_paragraph(box: sandbox.Sandbox) -> None:
    """Paragraphs come out by page in reading order, in three scripts, lam-alef the right way round; bare pages are named."""
    body = (
        "First paragraph of a made-up letter.\n\nSecond one.\n#pagebreak()\n#rect(width: 3cm)\n#pagebreak()\nПривет, мир.\n\n"
        "الاسم والإرهاب"
    )
    found = read(box, "pdf", pdf(body))
    assert texts(found) == {
        "p. 1, ¶ 1": "First paragraph of a made-up letter.", "p. 1, ¶ 2": "Second one.", "p. 3, ¶ 1": "Привет, мир.",
        "p. 3, ¶ 2": "الاسم والإرهاب",
    }  # fmt: skip
    assert facts(found, "pages") == {"count": 3, "without_text": [2], "unreadable": []}


def test_pdf_says_where_it_comes_from(box: sandbox.Sandbox) -> None:
    """Producer, title, dates with their zone, encryption and signatures are facts."""
    told = facts(read(box, "pdf", pdf("x")), "metadata")
    assert told["title"] == "Made-up report" and told["creator"].startswith("Typst")
    assert told["creationDate"]["iso"].startswith("2017-04-01")
    assert (told["encrypted"], told["revisions"], told["javascript"], told["signatures"]) == (False, 1, 0, 0)


def changed(data: bytes, **save: Any) -> bytes:
    with pikepdf.open(io.BytesIO(data)) as document:
        document.attachments["приложение.txt"] = pikepdf.AttachedFileSpec(
            document, b"made up" * 200_000, filename="приложение.txt", description="", mime_type="",
            creation_date="", mod_date="",
        )  # fmt: skip
        script = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert(1)")
        names = pikepdf.Dictionary(Names=pikepdf.Array(["a", document.make_indirect(script)]))
        document.Root.Names.JavaScript = document.make_indirect(names)
        document.Root.OpenAction = document.make_indirect(script)
        out = io.BytesIO()
        document.save(out, **save)
        return out.getvalue()


def test_pdf_attachments_and_scripts_are_found(box: sandbox.Sandbox) -> None:
    """An embedded file comes out whole as a member; JavaScript is counted and not run."""
    found = read(box, "pdf", changed(pdf("x")))
    assert members(found) == {"приложение.txt": b"made up" * 200_000}
    told = facts(found, "metadata")
    assert told["javascript"] == 1 and told["marks"]["JavaScript"] >= 1 and told["marks"]["OpenAction"] == 1


def test_pdf_revisions_are_counted(box: sandbox.Sandbox) -> None:
    """A change appended to a PDF, which keeps the older text in it, shows as a second revision."""
    data = pdf("x")
    start = data.rindex(b"startxref")
    before = int(data[start:].split()[1])
    with pikepdf.open(io.BytesIO(data)) as document:
        size, root = int(document.trailer.Size), document.Root.objgen[0]
    more = f"\n{size} 0 obj\n<< /Made /Up >>\nendobj\n".encode()
    place = len(data) + 1
    table = f"xref\n{size} 1\n{place:010} 00000 n \ntrailer\n<< /Size {size + 1} /Root {root} 0 R /Prev {before} >>\n".encode()
    appended = data + more + table + f"startxref\n{len(data) + len(more)}\n%%EOF\n".encode()
    assert facts(read(box, "pdf", appended), "metadata")["revisions"] == 2


def test_an_encrypted_pdf_needs_its_password(box: sandbox.Sandbox) -> None:
    """Without the password one sentence; with it the text, and the fact that it was encrypted."""
    locked = changed(pdf("Behind a password"), encryption=pikepdf.Encryption(owner="o", user="u"))
    with pytest.raises(sandbox.FileUnreadable, match="password"):
        read(box, "pdf", locked)
    found = read(box, "pdf", locked, password="u")
    assert "Behind a password" in texts(found).values() and facts(found, "metadata")["encrypted"] is True


# -- office documents -------------------------------------------------------------------------------------------------------


def docx(body: str, more: dict[str, str | bytes] | None = None) -> bytes:
    return archive({
        "[Content_Types].xml": "<Types/>",
        "word/document.xml": f'<?xml version="1.0"?><w:document {W}><w:body>{body}</w:body></w:document>',
        **(more or {}),
    })  # fmt: skip


def test_docx_text_by_paragraph(box: sandbox.Sandbox) -> None:
    """Paragraphs, table cells, tabs and line breaks come out in order; text boxes once, not twice."""
    mc = "http://schemas.openxmlformats.org/markup-compatibility/2006"
    body = (
        "<w:p><w:pPr><w:rPr><w:b/></w:rPr></w:pPr><w:r><w:t>First</w:t><w:tab/><w:t>part</w:t><w:br/><w:t>line</w:t>"
        "</w:r></w:p><w:p/>"
        "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>cell</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"
        f'<w:p><w:r><w:t>outer</w:t></w:r><x:AlternateContent xmlns:x="{mc}"><x:Choice><w:p><w:r><w:t>boxed</w:t></w:r>'
        f"</w:p></x:Choice>"
        "<x:Fallback><w:p><w:r><w:t>boxed</w:t></w:r></w:p></x:Fallback></x:AlternateContent></w:p>"
    )
    assert list(texts(read(box, "docx", docx(body))).values()) == ["First\tpart\nline", "cell", "boxed", "outer"]


def test_docx_changes_hidden_words_notes_and_comments(box: sandbox.Sandbox) -> None:
    """Tracked changes are marked with who made them, hidden words as hidden, notes and comments have places of their own."""
    body = (
        '<w:p><w:r><w:t xml:space="preserve">He said </w:t></w:r><w:ins w:author="V-001" w:date="2017-04-01T10:00:00Z">'
        "<w:r><w:t>no</w:t></w:r></w:ins>"
        '<w:del w:author="V-002"><w:r><w:delText>yes</w:delText></w:r></w:del><w:r><w:footnoteReference w:id="2"/></w:r></w:p>'
        "<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>unseen</w:t></w:r><w:r><w:t> seen</w:t></w:r></w:p>"
    )
    notes = f'<w:footnotes {W}><w:footnote w:id="2"><w:p><w:r><w:t>a note</w:t></w:r></w:p></w:footnote></w:footnotes>'
    comments = (
        f'<w:comments {W}><w:comment w:id="1" w:author="V-003"><w:p><w:r><w:t>check</w:t></w:r></w:p></w:comment></w:comments>'
    )
    header = f"<w:hdr {W}><w:p><w:r><w:t>draft</w:t></w:r></w:p></w:hdr>"
    found = read(
        box, "docx", docx(body, {"word/footnotes.xml": notes, "word/comments.xml": comments, "word/header1.xml": header})
    )
    assert texts(found) == {
        "¶ 1": "He said [inserted V-001: no][deleted V-002: yes][footnote 2]", "¶ 2": "[hidden: unseen] seen",
        "footnote 2, ¶ 1": "a note", "comment 1 (V-003), ¶ 1": "check", "header 1, ¶ 1": "draft",
    }  # fmt: skip
    assert facts(found, "changes")["count"] == 2


def test_docx_metadata_links_macros_and_pictures(box: sandbox.Sandbox) -> None:
    """Authors and dates, remote templates, macros and embedded pictures come out; nothing is fetched or run."""
    core = (
        '<c:coreProperties xmlns:c="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" '
        'xmlns:d="http://purl.org/dc/elements/1.1/"><d:creator>V-001</d:creator><c:lastModifiedBy>V-002'
        "</c:lastModifiedBy></c:coreProperties>"
    )
    rels = (
        f'<Relationships><Relationship Type="{REL}attachedTemplate" TargetMode="External"'
        f' Target="http://127.0.0.1/x.dotm"/></Relationships>'
    )
    more: dict[str, str | bytes] = {
        "docProps/core.xml": core, "word/_rels/settings.xml.rels": rels, "word/vbaProject.bin": b"macro",
        "word/media/image1.png": b"picture",
    }  # fmt: skip
    found = read(box, "docx", docx("<w:p><w:r><w:t>x</w:t></w:r></w:p>", more))
    told = facts(found, "metadata")
    assert (told["creator"], told["lastModifiedBy"], told["macros"]) == ("V-001", "V-002", True)
    assert facts(found, "links")["links"] == [{"kind": "attachedTemplate", "target": "http://127.0.0.1/x.dotm"}]
    assert members(found) == {"vbaProject.bin": b"macro", "image1.png": b"picture"}


ODF = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xlink="http://www.w3.org/1999/xlink"'
)


def odt(body: str, more: dict[str, str | bytes] | None = None) -> bytes:
    return archive({
        "mimetype": "application/vnd.oasis.opendocument.text",
        "content.xml": f"<office:document-content {ODF}><office:body><office:text>{body}</office:text></office:body>"
                       f"</office:document-content>",
        **(more or {}),
    }, first_stored=True)  # fmt: skip


def test_odt_text_notes_comments_and_changes(box: sandbox.Sandbox) -> None:
    """Headings, paragraphs, notes, comments and deleted text come out, each with its place."""
    body = (
        "<text:tracked-changes><text:changed-region><text:deletion><office:change-info><dc:creator>V-001</dc:creator>"
        "</office:change-info>"
        "<text:p>taken back</text:p></text:deletion></text:changed-region></text:tracked-changes><text:h>Heading</text:h>"
        '<text:p>One<text:s text:c="3"/>two<text:note text:note-class="footnote"><text:note-body><text:p>the note'
        "</text:p></text:note-body></text:note>"
        "<office:annotation><dc:creator>V-002</dc:creator><text:p>the comment</text:p></office:annotation>"
        '<text:change-start/>new<text:change-end/> <text:a xlink:href="http://127.0.0.1/">link</text:a></text:p>'
    )
    found = read(box, "odt", odt(body, {"Pictures/a.png": b"picture"}))
    assert texts(found) == {
        "deleted text (V-001), ¶ 1": "taken back", "¶ 1": "Heading", "footnote 1, ¶ 1": "the note",
        "comment 2 (V-002), ¶ 1": "the comment",
        "¶ 2": "One   two[footnote 1][comment 2][inserted: new] link",
    }  # fmt: skip
    assert facts(found, "links")["links"] == ["http://127.0.0.1/"] and members(found) == {"a.png": b"picture"}


def test_an_encrypted_odt_is_told(box: sandbox.Sandbox) -> None:
    """An encrypted OpenDocument file gives one sentence."""
    manifest = (
        '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><m:file-entry>'
        "<m:encryption-data/></m:file-entry></m:manifest>"
    )
    with pytest.raises(sandbox.FileUnreadable, match="encrypted"):
        read(box, "odt", odt("", {"META-INF/manifest.xml": manifest}))


# -- pages and plain text ---------------------------------------------------------------------------------------------------


def test_html_text_and_what_it_would_load(box: sandbox.Sandbox) -> None:
    """Blocks come out with hidden ones, scripts do not; what a browser would load or send is listed."""
    page = (
        '<html lang="ru"><head><meta charset="windows-1251"><title>Заголовок</title>'
        '<script src="http://127.0.0.1/s.js">alert(1)</script></head>'
        '<body onload="x()"><p>Первый<p style="display:none">скрытый &amp; другой<form action="http://127.0.0.1/f">'
        '<input value="поле"></form>'
        '<img src="//127.0.0.1/p.png" alt="снимок"><a href="https://127.0.0.1/">ссылка</a></body></html>'
    )
    found = read(box, "html", page.encode("cp1251"))
    words = " | ".join(texts(found).values())
    assert words == "Заголовок | Первый | скрытый & другой | [поле] | [снимок] ссылка"
    told = facts(found, "page")
    assert (told["title"], told["language"], told["encoding"], told["encoding_by"]) == ("Заголовок", "ru", "cp1251", "declared")
    assert (told["scripts"], told["handlers"], told["forms"]) == (1, 1, 1)
    links = facts(found, "links")
    assert {entry["target"] for entry in links["links"]} == {"http://127.0.0.1/f", "https://127.0.0.1/"}
    assert {entry["target"] for entry in links["loads"]} == {"http://127.0.0.1/s.js", "//127.0.0.1/p.png"}


def test_svg_text_and_scripts(box: sandbox.Sandbox) -> None:
    """The words of an SVG come out; its script and its remote picture are named."""
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg"><script>x()</script><text>Made up</text>'
        '<image xlink:href="http://127.0.0.1/a"/></svg>'
    )
    found = read(box, "html", drawing.encode(), "a.svg")
    assert list(texts(found).values()) == ["Made up"] and facts(found, "page")["scripts"] == 1
    assert facts(found, "links")["loads"] == [{"kind": "picture", "target": "http://127.0.0.1/a"}]


RUSSIAN = (
    "Это выдуманное письмо. Вчера вечером мы были дома, и никто не приходил.\n\nНа следующий день мы уехали в другой город.\n"
)
ARABIC = "هذه رسالة مختلقة. كنا في البيت أمس ولم يأت أحد إلى هناك.\n\nوفي اليوم التالي ذهبنا إلى المدينة.\n"


@pytest.mark.parametrize(("text", "encoding", "by"), [
    (RUSSIAN, "utf-8", "validity"), (RUSSIAN, "utf-8-sig", "mark"), (RUSSIAN, "utf-16", "mark"), (RUSSIAN, "utf-16-le",
    "validity"),
    (RUSSIAN, "utf-16-be", "validity"), (RUSSIAN, "cp1251", "statistics"), (RUSSIAN, "koi8-r", "statistics"),
    (RUSSIAN, "cp866", "statistics"), (RUSSIAN, "iso8859-5", "statistics"), (RUSSIAN.upper(), "cp1251", "statistics"),
    (ARABIC, "utf-8", "validity"), (ARABIC, "cp1256", "statistics"), (ARABIC, "utf-16-le", "validity"),
    ("Une lettre inventée : où étions-nous ?\n\nÀ la maison, près de la forêt.\n", "cp1252", "statistics"),
    ("plain made-up words\n\nmore of them\n", "ascii", "validity"),
])  # fmt: skip
def test_plain_text_in_its_encoding(box: sandbox.Sandbox, text: str, encoding: str, by: str) -> None:
    """Text in any of the usual encodings comes out right, and how the encoding is known is a fact."""
    found = read(box, "plain", text.encode(encoding))
    first, second = (part.strip() for part in text.split("\n\n"))
    assert texts(found) == {"¶ 1, line 1": first, "¶ 2, line 3": second}
    assert facts(found, "text")["encoding_by"] == by


def test_a_damaged_byte_stays_visible(box: sandbox.Sandbox) -> None:
    """One bad byte in a long UTF-8 text does not turn it into another encoding, and shows as what it is."""
    data = RUSSIAN.encode() * 50 + b"\xff" + RUSSIAN.encode()
    found = read(box, "plain", data)
    assert facts(found, "text")["encoding"] == "utf-8" and facts(found, "text")["unknown_bytes"] == 1
    assert any("\\xff" in text for text in texts(found).values())


# -- pictures ---------------------------------------------------------------------------------------------------------------


def picture(form: str = "JPEG", size: tuple[int, int] = (120, 60), **save: Any) -> bytes:
    drawn = Image.new("RGB", size, "white")
    ImageDraw.Draw(drawn).rectangle((0, 0, size[0] // 2, size[1]), fill="red")
    out = io.BytesIO()
    drawn.save(out, form, **save)
    return out.getvalue()


def exif() -> Image.Exif:
    made = Image.Exif()
    made[0x0110], made[0x0112], made[0x9003] = "Made-up Phone", 6, "2017:04:01 10:00:00"
    degrees = tuple(TiffImagePlugin.IFDRational(value) for value in (43, 19, 4))
    made[0x8825] = {1: "N", 2: degrees, 3: "W", 4: degrees}
    return made


def test_a_picture_and_its_exif(box: sandbox.Sandbox) -> None:
    """Size, camera and place come out; the copy for viewing is turned upright and carries nothing but pixels."""
    found = read(box, "picture", picture(exif=exif(), comment=b"made-up comment"), "a.jpg")
    assert facts(found, "media")["width"] == 120
    told = facts(found, "metadata")
    assert told["Model"] == "Made-up Phone" and told["place"] == {"latitude": 43.3177778, "longitude": -43.3177778}
    assert told["comment"] == "made-up comment"
    ((name, data),) = members(found).items()
    assert name == "a.jpg.png" and b"Made-up" not in data and b"made-up" not in data
    with Image.open(io.BytesIO(data)) as copy:
        assert copy.size == (60, 120) and copy.mode == "RGB" and not copy.info and not copy.getexif()
        assert copy.getpixel((30, 5)) == pytest.approx((254, 0, 0), abs=3)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "JPEG2000", "AVIF", "HEIF", "ICO"])
def test_pictures_of_every_form(box: sandbox.Sandbox, form: str) -> None:
    """The usual forms of pictures are told by their first bytes, and are drawn anew."""
    if form == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    data = picture(form, (64, 64))
    assert "picture" in sandbox.readers_for(kinds.media_type(data))
    (drawn,) = members(read(box, "picture", data)).values()
    with Image.open(io.BytesIO(drawn)) as copy:
        assert copy.size == (64, 64)


def test_what_stands_behind_a_picture_is_told(box: sandbox.Sandbox) -> None:
    """A picture that is an archive at the same time draws a warning, and the copy is the picture alone."""
    found = read(box, "picture", picture() + archive({"a.txt": "hidden"}))
    assert any("zip archive" in finding.sentence for finding in found if isinstance(finding, Warn))
    assert b"a.txt" not in b"".join(members(found).values())


# -- recognition ------------------------------------------------------------------------------------------------------------

tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="Tesseract is not installed: no text in pictures")


@tesseract
def test_text_in_a_picture_is_recognised_with_its_place(box: sandbox.Sandbox) -> None:
    """Words in a picture come out by paragraph, each with its box in pixels and the machine's confidence."""
    data = typst.compile(
        b"#set page(width: 14cm, height: 7cm)\n#set text(size: 22pt)\nThis is a made up letter.\n\n#v(1cm)\nSecond paragraph.",
        format="png", ppi=150.0,
    )  # fmt: skip
    found = read(box, "ocr", data, languages="eng")
    assert list(texts(found).values()) == ["This is a made up letter.", "Second paragraph."]
    told = facts(found, "ocr")
    first = told["words"][0]
    assert first["text"] == "This" and first["confidence"] > 50
    left, top, width, height = first["box"]
    assert 0 < left < told["width"] / 4 and 0 < top < told["height"] / 2 and 20 < width < 200 and 10 < height < 100


@tesseract
def test_pages_without_text_are_recognised(box: sandbox.Sandbox) -> None:
    """Of a PDF, the scanned page is recognised and the one with text of its own is left, unless it is asked for."""
    scan = typst.compile(
        "#set page(width: 14cm, height: 7cm)\n#set text(size: 22pt)\nЭто выдуманное письмо.".encode(), format="png", ppi=150.0
    )
    image = io.BytesIO()
    Image.open(io.BytesIO(scan)).convert("RGB").save(image, "PDF", resolution=150)
    with pikepdf.open(io.BytesIO(pdf("Own text"))) as document, pikepdf.open(image) as scanned:
        document.pages.append(scanned.pages[0])
        out = io.BytesIO()
        document.save(out)
    if "rus" not in _languages():
        pytest.skip("Tesseract has no data for Russian here")
    assert texts(read(box, "ocr", out.getvalue(), languages="rus")) == {"p. 2, ¶ 1": "Это выдуманное письмо."}
    assert "Own text" in texts(read(box, "ocr", out.getvalue(), languages="eng", pages=[1])).get("p. 1, ¶ 1", "")


def _languages() -> str:
    import subprocess

    return subprocess.run(["tesseract", "--list-langs"], capture_output=True, text=True, check=False).stdout


@tesseract
def test_a_language_without_data_is_named(box: sandbox.Sandbox) -> None:
    """A language Tesseract has no data for, or no language at all, gives one sentence that says what to install."""
    with pytest.raises(sandbox.FileUnreadable, match="tesseract-ocr-qqq"):
        read(box, "ocr", picture(), languages="qqq")
    with pytest.raises(sandbox.FileUnreadable, match=r"rus\+eng"):
        read(box, "ocr", picture(), languages="../../etc")


# -- kinds ------------------------------------------------------------------------------------------------------------------

KINDS: list[tuple[bytes, str, str]] = [
    (b"", "a.pdf", "application/x-empty"),
    (b"%PDF-1.7\n", "a.jpg", "application/pdf"),
    (b"junk\n%PDF-1.7\n", "", "application/pdf"),
    (b"MZ\x90\0\x03", "holiday.jpg", "application/vnd.microsoft.portable-executable"),
    (b"\x7fELF\2\1\1", "a.pdf", "application/x-executable"),
    (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "", "image/heic"),
    (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf", "", "image/heic"),
    (b"\0\0\0\x1cftypavif\0\0\0\0", "", "image/avif"),
    (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "", "video/mp4"),
    (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "", "video/quicktime"),
    (b"\0\0\0\x18ftyp3gp4\0\0\0\0", "", "video/3gpp"),
    (b"\0\0\0\x18ftypM4A \0\0\0\0", "", "audio/mp4"),
    (b"RIFF\0\0\0\0WAVEfmt ", "", "audio/wav"), (b"RIFF\0\0\0\0AVI LIST", "", "video/x-msvideo"),
    (b"OggS\0\2" + b"\0" * 22 + b"OpusHead", "", "audio/ogg"), (b"\xff\xfb\x90\x64\0\0", "", "audio/mpeg"),
    (b"\xff\xf1\x50\x80\x02\x1f\xfc", "", "audio/aac"), (b"#!AMR\n", "", "audio/amr"),
    (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm", "", "video/webm"),
    (b"G" + b"\0" * 187 + (b"G" + b"\0" * 187) * 3, "", "video/mp2t"),
    (b"\x1f\x8b\x08\0", "a.tgz", "application/gzip"), (b"Rar!\x1a\x07\1\0", "", "application/vnd.rar"),
    (b"\0" * 257 + b"ustar\x0000", "", "application/x-tar"),
    (b"WARC/1.0\r\n", "", "application/warc"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "letter.msg", "application/vnd.ms-outlook"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "letter.doc", "application/msword"),
    (b"From a@b Sat Apr  1 10:00:00 2017\nFrom: a\n", "", "application/mbox"),
    (b"Received: x\n y\nFrom: a@b\nTo: c@d\nSubject: e\n\nbody", "", "message/rfc822"),
    (b"Note: a\nThing: b\nOther: c\n", "", "text/plain"),
    (b"<!DOCTYPE html>\n<html>", "", "text/html"), (b"<?xml version='1.0'?>\n<!-- x -->\n<svg xmlns='a'>", "", "image/svg+xml"),
    (b"<?xml version='1.0'?><tt xml:lang=''>", "", "application/ttml+xml"), (b"<?xml version='1.0'?><other/>", "",
    "application/xml"),
    (b"WEBVTT\n\n", "", "text/vtt"), (b"1\n00:00:01,000 --> 00:00:02,000\nx\n", "", "application/x-subrip"),
    (b"BEGIN:VCARD\nVERSION:3.0", "", "text/vcard"), (b'{"a": 1}', "", "application/json"), (b"[1, 2]", "", "application/json"),
    (b"[note] to myself", "", "text/plain"),
    (b'{\n "name": "x",\n "type": "personal_chat",\n "messages": [', "result.json", "application/x-telegram-chat+json"),
    (b"[01.04.17, 10:00:00] V-001: a\n[01.04.17, 10:00:10] V-002: b\n", "", "text/x-whatsapp-chat"),
    (b"4/1/17, 10:00 AM - V-001: a\n4/1/17, 10:01 AM - V-002: b\n", "", "text/x-whatsapp-chat"),
    (RUSSIAN.encode("cp1251"), "", "text/plain"), (RUSSIAN.encode("utf-16-le"), "", "text/plain"), (RUSSIAN.encode("koi8-r"),
    "x.csv", "text/csv"),
    (bytes(range(256)), "a.txt", "application/octet-stream"), (b"\0\1\2\3" * 20, "a.jpg", "application/octet-stream"),
    (b"\0OpenTimestamps\0\0Proof\0\xbf\x89", "", "application/vnd.opentimestamps.ots"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("head", "name", "kind"), KINDS, ids=lambda value: repr(value)[:24] if isinstance(value, bytes) else value
)
def test_the_first_bytes_tell_the_kind(head: bytes, name: str, kind: str) -> None:
    """The media type follows the bytes; a name only decides between kinds that begin alike."""
    assert kinds.media_type(head, name) == kind


def test_archives_are_told_by_their_first_members() -> None:
    """Office, OpenDocument, EPUB, WACZ and chats in a zip are told from a plain archive."""
    assert kinds.media_type(docx("")).endswith("wordprocessingml.document")
    assert kinds.media_type(archive({"[Content_Types].xml": "x", "xl/workbook.xml": "x"})).endswith("spreadsheetml.sheet")
    assert kinds.media_type(odt("")) == "application/vnd.oasis.opendocument.text"
    assert kinds.media_type(archive({"mimetype": "application/epub+zip"}, first_stored=True)) == "application/epub+zip"
    assert kinds.media_type(archive({"archive/data.warc.gz": b"x", "datapackage.json": "{}"})) == "application/wacz"
    assert kinds.media_type(archive({"_chat.txt": "x", "a.jpg": "x"})) == "application/x-whatsapp-chat+zip"
    assert kinds.media_type(archive({"photo.jpg": "x"}), "a.docx") == "application/zip"


def test_members_end_where_they_are_whole(box: sandbox.Sandbox) -> None:
    """Each member has its end, without a problem where it is whole."""
    found = read(box, "docx", docx("", {"word/media/a.png": b"x" * 3_000_000}))
    assert [finding for finding in found if isinstance(finding, MemberEnd)] == [MemberEnd()]
    assert members(found) == {"a.png": b"x" * 3_000_000}
