"""Reads every text out of a PDF: pages as drawn, and every string of every object, whatever the object is for.

Invariant: the walk goes over all objects of the file, not over a list of known places, so a string has nowhere to hide;
pictures, drawings of annotations and streams of unknown kind come out as UNREAD. (ISO 32000-2: 7.3 objects, 14.3 metadata,
14.9.4 ActualText, 7.11.4 embedded files, 12.5 annotations, 8.11 optional content.)
"""

import html
import io
import re
from collections.abc import Iterator
from typing import Any

import pikepdf
import pypdfium2  # type: ignore[import-untyped]
import pypdfium2.raw as pdfium  # type: ignore[import-untyped]

from amparo.kernel.i18n import _
from amparo.protect.extract import METADATA, STRING, UNREAD, Piece, Unreadable, decode, extract, sniff

_SKIPPED_STREAMS = frozenset({"/XRef", "/ObjStm", "/CMap", "/Font"})
_CARRIERS = frozenset({
    "/FontFile", "/FontFile2", "/FontFile3", "/ToUnicode", "/CIDSet", "/CIDToGIDMap", "/DestOutputProfile", "/Encoding",
    "/UseCMap",
})  # fmt: skip
_SUBSET = re.compile(r"^/[A-Z]{6}\+")
_TAGS = re.compile(r"<[^<>]*>")
_CONTROL = re.compile("[\ufffd\ue000-\uf8ff]")
_DEEPEST = 64


def extract_pdf(data: bytes, where: str, depth: int) -> Iterator[Piece]:
    """Yield the texts of a PDF. Raises Unreadable if damaged, encrypted, or changed by appended revisions."""
    _check_single_revision(data)
    try:
        with pikepdf.open(io.BytesIO(data), attempt_recovery=False) as pdf:
            if pdf.is_encrypted:
                raise Unreadable(why=_("the PDF is encrypted"))
            yield from _Walk(pdf, where, depth).pieces()
            if pdf.get_warnings():
                raise Unreadable(why=_("the PDF is damaged"))
        yield from _drawn(data, where)
    except (pikepdf.PdfError, pypdfium2.PdfiumError, RecursionError, ValueError, TypeError, KeyError, AttributeError):
        raise Unreadable(why=_("the PDF is damaged")) from None


def _check_single_revision(data: bytes) -> None:
    """Appended revisions keep what they replaced: what was blacked out is still in the file."""
    linearised = b"/Linearized" in data[:1024]
    if data.count(b"startxref") != (2 if linearised else 1):
        raise Unreadable(why=_("the PDF is damaged or carries older revisions of itself"))
    if data[data.rfind(b"%%EOF") + 5 :].strip():
        raise Unreadable(why=_("there are bytes after the end of the PDF"))


def _drawn(data: bytes, where: str) -> Iterator[Piece]:
    """The text of each page in reading order, white, tiny, hidden and off-page text included."""
    document = pypdfium2.PdfDocument(data)
    try:
        for number in range(len(document)):
            place = _join(where, _("page {n}").format(n=number + 1))
            page = document[number].get_textpage()
            text = page.get_text_range() if page.count_chars() else ""
            yield Piece(place, text)
            unmapped = sum(pdfium.FPDFText_HasUnicodeMapError(page, at) == 1 for at in range(page.count_chars()))
            if unmapped or _CONTROL.search(text):
                yield Piece(place, _("letters that do not say which letters they are"), UNREAD)
            page.close()
    finally:
        document.close()


class _Walk:
    """One pass over all objects of a PDF."""

    def __init__(self, pdf: pikepdf.Pdf, where: str, depth: int) -> None:
        self._pdf, self._where, self._depth = pdf, where, depth
        self._info = pdf.trailer["/Info"].objgen if "/Info" in pdf.trailer else None
        self._skip: set[tuple[int, int]] = set()
        self._drawn: set[tuple[int, int]] = set()

    def pieces(self) -> Iterator[Piece]:
        for number, page in enumerate(self._pdf.pages, 1):
            contents = page.obj.get("/Contents")
            parts = list(contents) if isinstance(contents, pikepdf.Array) else [contents] if contents is not None else []
            self._drawn.update(part.objgen for part in parts)
            yield from self._marked(page, _join(self._where, _("page {n}, marked content").format(n=number)))
        for item in self._pdf.objects:
            self._note_carriers(item, 0)
        for item in self._pdf.objects:
            if isinstance(item, (pikepdf.Dictionary, pikepdf.Stream)):
                yield from self._object(item)
            else:
                yield from self._strings(item, _join(self._where, _("object {n}").format(n=item.objgen[0])), STRING, 0)
        yield from self._strings(self._pdf.trailer.get("/ID", pikepdf.Array()), _join(self._where, "ID"), METADATA, 0)

    def _note_carriers(self, item: Any, depth: int) -> None:
        """Streams that hold fonts, colour profiles and code tables: named by who refers to them."""
        if depth > 3 or not isinstance(item, (pikepdf.Dictionary, pikepdf.Stream, pikepdf.Array)):
            return
        if isinstance(item, pikepdf.Array):
            if len(item) == 2 and item[0] == pikepdf.Name("/ICCBased"):
                self._skip.add(item[1].objgen)
            for member in item:
                if not getattr(member, "is_indirect", False):
                    self._note_carriers(member, depth + 1)
            return
        for key, member in item.items():
            if isinstance(member, pikepdf.Stream):
                if key in _CARRIERS:
                    self._skip.add(member.objgen)
            elif not getattr(member, "is_indirect", False):
                self._note_carriers(member, depth + 1)

    def _object(self, item: Any) -> Iterator[Piece]:
        kind, place, subtype = self._describe(item)
        yield from self._strings(item, place, kind, 0)
        if str(item.get("/Type")) == "/Annot" and subtype != "/Link" and "/AP" in item:
            yield Piece(place, _("the drawing of an annotation"), UNREAD)
        if isinstance(item, pikepdf.Stream):
            yield from self._stream(item, place, str(item.get("/Type")), subtype)

    def _describe(self, item: Any) -> tuple[str, str, str]:
        """(kind, place in words, subtype) of a dictionary or stream."""
        type_, subtype = str(item.get("/Type", "")), str(item.get("/Subtype", ""))
        if self._info == item.objgen or type_ == "/Metadata":
            return METADATA, _join(self._where, _("metadata")), subtype
        names = {
            "/Annot": _("annotation"), "/StructElem": _("structure"), "/EmbeddedFile": _("attachment"), "/OCG": _("layer"),
            "/Filespec": _("name of an attachment"), "/F": _("name of an attachment"),
        }  # fmt: skip
        name = names.get(type_) or (_("form field") if "/FT" in item else _("bookmark") if "/Title" in item else _("object"))
        kind = METADATA if type_ in ("/Filespec", "/F", "/EmbeddedFile") else STRING
        return kind, _join(self._where, f"{name} {item.objgen[0]}"), subtype

    def _strings(self, value: Any, where: str, kind: str, depth: int) -> Iterator[Piece]:
        """Every string and name inside an object, not following references (each object has its own turn)."""
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        if isinstance(value, pikepdf.String):
            yield Piece(where, _text_of(value), kind)
        elif isinstance(value, pikepdf.Name):
            yield Piece(where, _SUBSET.sub("", str(value)).lstrip("/"), kind)
        elif isinstance(value, pikepdf.Array):
            for member in value:
                if not getattr(member, "is_indirect", False):
                    yield from self._strings(member, where, kind, depth + 1)
        elif isinstance(value, (pikepdf.Dictionary, pikepdf.Stream)):
            for key, member in value.items():
                label = f"{where} {key}"
                yield Piece(where, key.lstrip("/"), kind)
                if not getattr(member, "is_indirect", False) or isinstance(member, (pikepdf.String, pikepdf.Name)):
                    yield from self._strings(member, label, kind, depth + 1)

    def _stream(self, stream: Any, place: str, type_: str, subtype: str) -> Iterator[Piece]:
        if type_ in _SKIPPED_STREAMS or stream.objgen in self._skip | self._drawn:
            return
        if "/FunctionType" in stream or "/ShadingType" in stream:
            return
        if subtype == "/Image":
            yield Piece(place, _("a picture"), UNREAD)
        elif subtype == "/Form":
            yield from self._marked(stream, place)
        elif type_ == "/Pattern" or "/PatternType" in stream:
            yield Piece(place, _("a drawn pattern"), UNREAD)
        elif type_ == "/EmbeddedFile":
            yield from self._attachment(stream.read_bytes(), place)
        else:
            yield from self._unknown(stream.read_bytes(), place, METADATA if type_ == "/Metadata" else STRING)

    def _marked(self, source: Any, place: str) -> Iterator[Piece]:
        """Strings in the property lists of marked content: ActualText, Alt, E and whatever else is written there."""
        for instruction in pikepdf.parse_content_stream(source):
            if isinstance(instruction, pikepdf.ContentStreamInlineImage):
                yield Piece(place, _("a picture"), UNREAD)
            elif str(instruction.operator) in ("BDC", "DP"):
                for operand in instruction.operands:
                    yield from self._strings(operand, place, STRING, 0)

    def _attachment(self, data: bytes, place: str) -> Iterator[Piece]:
        media_type = sniff(data)
        if media_type:
            yield from extract(data, media_type, place, self._depth + 1)
        else:
            yield Piece(place, _("an attachment of unknown kind"), UNREAD)

    def _unknown(self, data: bytes, place: str, kind: str) -> Iterator[Piece]:
        try:
            text = decode(data)
        except Unreadable:
            yield Piece(place, _("a stream of unknown kind"), UNREAD)
            return
        yield Piece(place, html.unescape(_TAGS.sub(" \n", text)), kind)
        attributes = " \n".join(re.findall(r"=\s*[\"']([^\"'<>]*)[\"']", text))
        if attributes:
            yield Piece(place, html.unescape(attributes), kind)


def _text_of(value: Any) -> str:
    """A PDF string as text: UTF-16 or UTF-8 by its mark, else PDFDocEncoding; binary strings yield what letters they have."""
    raw = bytes(value)
    if raw[:2] in (b"\xfe\xff", b"\xff\xfe"):
        return raw.decode("utf-16", "replace")
    if raw[:3] == b"\xef\xbb\xbf":
        return raw.decode("utf-8-sig", "replace")
    try:
        utf8 = raw.decode("utf-8")  # written without a mark, as some programs do
    except UnicodeDecodeError:
        utf8 = ""
    plain = str(value)
    return plain if plain == utf8 or not utf8 else f"{plain} \n{utf8}"


def _join(where: str, place: str) -> str:
    return f"{where}, {place}" if where else place
