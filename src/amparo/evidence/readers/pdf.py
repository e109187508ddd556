"""Reads a PDF: its text by page and paragraph, what it says of itself, files embedded in it, pages that need recognition.

Invariant: nothing in it is run and nothing it points to is loaded (PDFium is built without JavaScript); a page that cannot be
read is named and the next one is read; a page tree that claims more pages than it has costs a bounded time.

Sources: ISO 32000-1 (7.5.6 incremental updates, 7.6 encryption, 7.11.4 embedded files, 12.6.4.16 JavaScript actions); PDFium.
"""

import ctypes
import re
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any, BinaryIO

import pypdfium2  # type: ignore[import-untyped]
import pypdfium2.raw as pdfium  # type: ignore[import-untyped]

from amparo.evidence.findings import Chunk, Data, Facts, Finding, Hints, Member, MemberEnd, Text, Unreadable, Warn
from amparo.kernel.i18n import _

MEDIA_TYPES = ("application/pdf",)
NAME = "pdf/1"
_IN_MEMORY = 64 << 20  # up to so many bytes PDFium gets the file whole, which is quicker
_EMPTY_ROW = 200  # so many unreadable pages in a row, and the page tree is not believed
_MOST_ATTACHMENTS, _LARGEST_ATTACHMENT = 10_000, 512 << 20
_LISTED = 10_000
_FEW = 4
_PIECE = 1 << 20
_DATE = re.compile(r"(?:D:)?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:(Z)|([+-])(\d\d)'?(\d\d)?)?")
_LAM_ALEF = re.compile("[اأإآٱ]ل")
_MARKS = (b"/JavaScript", b"/JS", b"/OpenAction", b"/AA", b"/Launch", b"/SubmitForm", b"/RichMedia", b"/XFA", b"/EmbeddedFile")


def opened(stream: BinaryIO, hints: Hints) -> pypdfium2.PdfDocument:
    """The document. Raises Unreadable."""
    password = hints.options.get("password")
    try:
        source: Any = stream.read() if hints.size <= _IN_MEMORY else stream
        return pypdfium2.PdfDocument(source, password=password if isinstance(password, str) else None)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pdfium.FPDF_ERR_PASSWORD:
            raise Unreadable(_("This PDF is encrypted with a password that is not known here.")) from None
        raise Unreadable(_("This is no PDF that can be read: its structure is damaged.")) from None


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Yield Facts ("metadata", "pages"), a Text for each paragraph ("p. 3, ¶ 2"), embedded files. Raises Unreadable."""
    found, ends = _scan(stream)
    stream.seek(0)
    with closing(opened(stream, hints)) as document:
        yield Facts("metadata", _metadata(document, found, ends))
        yield from _pages(document)
        yield from _attachments(document)


def _scan(stream: BinaryIO) -> tuple[dict[str, int], int]:
    """How often each of _MARKS stands in the plain bytes (object streams hide more), and how many ends the file has."""
    found = dict.fromkeys(_MARKS, 0)
    ends, tail = 0, b""
    stream.seek(0)
    while piece := stream.read(_PIECE):
        window = tail + piece
        for mark in _MARKS:
            found[mark] += len(re.findall(re.escape(mark) + rb"(?![A-Za-z])", window)) if mark in window else 0
        ends += window.count(b"%%EOF")
        tail = window[-16:] if len(piece) == _PIECE else b""
        for mark in _MARKS:  # what stands whole in the tail is counted once
            found[mark] -= len(re.findall(re.escape(mark) + rb"(?![A-Za-z])", tail)) if mark in tail else 0
        ends -= tail.count(b"%%EOF")
    return {mark.decode()[1:]: count for mark, count in found.items() if count > 0}, ends


def _metadata(document: pypdfium2.PdfDocument, marks: dict[str, int], ends: int) -> Data:
    data: Data = {"format": "PDF"}
    with suppress(pypdfium2.PdfiumError):
        data["version"] = (document.get_version() or 0) / 10
    with suppress(pypdfium2.PdfiumError, UnicodeError):
        told = document.get_metadata_dict(skip_empty=True)
        data |= {key[:1].lower() + key[1:]: str(value)[:10_000] for key, value in told.items()}
    for key in ("creationDate", "modDate"):
        if isinstance(written := data.get(key), str):
            data[key] = _time(written)
    revision = pdfium.FPDF_GetSecurityHandlerRevision(document)
    data["encrypted"] = revision >= 0
    if revision >= 0:
        data["permissions"] = int(pdfium.FPDF_GetDocPermissions(document))
    data["revisions"] = 1 if ends < 2 else max(int(pdfium.FPDF_GetTrailerEnds(document, None, 0)), 1)
    data["ends"] = ends
    data["javascript"] = int(max(pdfium.FPDFDoc_GetJavaScriptActionCount(document), 0))
    data["signatures"] = int(max(pdfium.FPDF_GetSignatureCount(document), 0))
    data["form"] = int(document.get_formtype())
    data["tagged"] = bool(pdfium.FPDFCatalog_IsTagged(document))
    data["marks"] = {name: count for name, count in marks.items()}  # noqa: C416 - the contract's type is wider
    return data


def _time(written: str) -> Data:
    """A date of ISO 32000-1 §7.9.4 as {"written", "iso", "utc"}; ``utc`` ms since 1970, None where no zone is told."""
    match = _DATE.match(written)
    told: Data = {"written": written[:100], "iso": "", "utc": None}
    if match is None:
        return told
    parts = [int(part) if part else default for part, default in zip(match.groups()[:6], (1, 1, 1, 0, 0, 0), strict=True)]
    with suppress(ValueError, OverflowError):
        when = datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001 - its zone is looked at below
        told["iso"] = when.isoformat()
        if match[7] or match[8]:
            east = timedelta(hours=int(match[9] or 0), minutes=int(match[10] or 0)) * (-1 if match[8] == "-" else 1)
            told["utc"] = ((when - east).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
            told["iso"] += match[7] or f"{match[8]}{match[9]}:{match[10] or '00'}"
    return told


# -- pages ------------------------------------------------------------------------------------------------------------------


def _pages(document: pypdfium2.PdfDocument) -> Iterator[Finding]:
    count, row = len(document), 0
    bare: list[int] = []
    broken: list[int] = []
    for number in range(1, count + 1):
        try:
            with closing(document[number - 1]) as page, closing(page.get_textpage()) as text:
                found = list(paragraphs(text))
        except pypdfium2.PdfiumError:
            broken.append(number)
            row += 1
            if row == _EMPTY_ROW:
                yield Warn(_("The file claims {n} pages; from page {p} on none can be read; the rest was not tried.").format(
                    n=count, p=number - row + 1))  # fmt: skip
                break
            continue
        row = 0
        if not found:
            bare.append(number)
        for index, words in enumerate(found, 1):
            yield Text(f"p. {number}, ¶ {index}", words)
    if broken:
        shown = ", ".join(map(str, broken[:20])) + (" …" if len(broken) > 20 else "")
        yield Warn(_("Pages that could not be read: {pages}.").format(pages=shown))
    yield Facts("pages", {"count": count, "without_text": [*bare[:_LISTED]], "unreadable": [*broken[:_LISTED]]})


def paragraphs(text: pypdfium2.PdfTextPage) -> Iterator[str]:
    """A page's text in the order of the file, parted where a line stands apart, is indented, or begins another column."""
    whole = text.get_text_range().replace("\ufffe", "-")  # PDFium's mark for a hyphen at the end of a line
    if not whole.strip():
        return
    if _LAM_ALEF.search(whole):
        whole = _LAM_ALEF.sub(lambda match: match[0][::-1] if _one_letter(text, match.start()) else match[0], whole)
    lines: list[tuple[str, float, float]] = []  # words, x and y of the first letter's origin in points
    origin, straight, raw = pdfium.FPDFText_GetCharOrigin, text.count_chars() == len(whole), text.raw
    at, x, y = 0, ctypes.c_double(), ctypes.c_double()
    place = ctypes.byref(x), ctypes.byref(y)
    for line in whole.split("\n"):
        if words := line.strip():
            first = at if line[0] != " " else at + len(line) - len(line.lstrip())
            first = first if straight else pdfium.FPDFText_GetCharIndexFromTextIndex(raw, first)
            lines.append((words, x.value, y.value) if origin(raw, first, *place) else (words, 0.0, 0.0))
        at += len(line) + 1
    steps = [before[2] - after[2] for before, after in pairwise(lines)]
    usual = median([step for step in steps if step > 1] or [12.0])
    if len(steps) < _FEW:  # too few lines to say what is usual: about the height of a line
        usual = min(usual, _height(raw) or usual)
    held = [lines[0][0]]
    for (before, after), step in zip(pairwise(lines), steps, strict=True):
        if step < -1 or step > usual * 1.35 or usual * 0.5 < after[1] - before[1] < usual * 4:
            yield "\n".join(held)
            held = []
        held.append(after[0])
    yield "\n".join(held)


def _height(raw: Any) -> float:
    """The height of a line by the page's first letter, in points; 0 where it is not known."""
    box = pdfium.FS_RECTF()
    return 1.1 * abs(box.top - box.bottom) if pdfium.FPDFText_GetLooseCharBox(raw, 0, ctypes.byref(box)) else 0.0


def _one_letter(text: pypdfium2.PdfTextPage, index: int) -> bool:
    """True if two characters are drawn as one: the ligature lam-alef, whose halves PDFium hands out the wrong way round."""
    x, y = (ctypes.c_double * 2)(), ctypes.c_double()
    for half in (0, 1):
        place = pdfium.FPDFText_GetCharIndexFromTextIndex(text, index + half)
        at = ctypes.cast(ctypes.byref(x, half * ctypes.sizeof(ctypes.c_double)), ctypes.POINTER(ctypes.c_double))
        if not pdfium.FPDFText_GetCharOrigin(text, place, at, ctypes.byref(y)):
            return False
    return bool(x[0] == x[1])


# -- embedded files ---------------------------------------------------------------------------------------------------------


def _attachments(document: pypdfium2.PdfDocument) -> Iterator[Finding]:
    count = document.count_attachments()
    if count > _MOST_ATTACHMENTS:
        yield Warn(_("{n} embedded files; the first {m} were taken out.").format(n=count, m=_MOST_ATTACHMENTS))
    for index in range(min(count, _MOST_ATTACHMENTS)):
        try:
            attachment = document.get_attachment(index)
            name = attachment.get_name()[:4000] or f"attachment {index + 1}"
            length = ctypes.c_ulong()
            if pdfium.FPDFAttachment_GetFile(attachment, None, 0, ctypes.byref(length)) and length.value > _LARGEST_ATTACHMENT:
                yield Warn(_("Embedded file {n} has more than {m} bytes and was left in place.").format(
                    n=index + 1, m=_LARGEST_ATTACHMENT))  # fmt: skip
                continue
            data = memoryview(attachment.get_data())
        except (pypdfium2.PdfiumError, UnicodeError):
            yield Warn(_("Embedded file {n} could not be taken out.").format(n=index + 1))
            continue
        yield Member(name, name, "attachment")
        for start in range(0, len(data), _PIECE):
            yield Chunk(bytes(data[start : start + _PIECE]))
        yield MemberEnd()
