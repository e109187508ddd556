"""Makes the redacted copy of a PDF: each page drawn, boxes painted into the pixels, a new file of pictures; and reads it again.

Invariant: no object of the original reaches the copy. All that passes is pixels and, with ``searchable``, the letters of words
that are seen and stand clear of every box, at places rounded to a grid of three points: such a layer tells no more than the
picture does. It is no reader for ``evidence read``, so it declares neither name nor types.

Options: ``act`` "locate" (Text and Facts "page" for each page), "make" or "check"; ``annotations`` True draws comments and form
fields; ``spans`` {"3": [[start, end], ...]} in characters of the text that "locate" gave, ``boxes`` {"3": [[left, top, right,
bottom], ...]} in fractions of the page as seen; ``lines`` True paints whole lines; ``searchable``; ``dpi`` 100 to 400.

Sources: ISO 32000-1 (7.5 file structure, 9.3.6 rendering mode 3, 9.10.3 ToUnicode); PDFium.
"""

import ctypes
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from math import ceil, floor
from typing import Any, BinaryIO

import pikepdf
import pypdfium2  # type: ignore[import-untyped]
import pypdfium2.raw as pdfium  # type: ignore[import-untyped]
from PIL import Image, ImageChops

from amparo.evidence.findings import Chunk, Data, Facts, Finding, Hints, Member, MemberEnd, Text, Unreadable
from amparo.evidence.readers.pdf import opened
from amparo.evidence.readers.redact_picture import filled, jpeg_extras, paint, rectangles
from amparo.kernel.i18n import _

_MOST_PAGES = 5000
_MOST_PIXELS, _LONGEST_SIDE = 40_000_000, 10_000
_LARGEST_PAGE = 14_400  # points, ISO 32000-1 Annex C
_MARGIN = 2.0  # points around what is covered: letters overhang, and drawings smear
_GRID = 3.0
_INK = 40  # of 255: a word that contrasts less with its ground is not seen
_PICTURE_SHARE = 0.01  # of the page: smaller pictures hold no words
Rectangle = tuple[int, int, int, int]
_CHECKED_DPI = 100


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Do what the option ``act`` says. Raises Unreadable."""
    act = hints.options.get("act")
    if act == "check":
        yield from _check(stream, hints)
        return
    with closing(opened(stream, hints)) as document:
        if len(document) > _MOST_PAGES:
            raise Unreadable(_("This PDF claims {n} pages, more than are redacted in one piece ({m}).").format(
                n=len(document), m=_MOST_PAGES))  # fmt: skip
        if hints.options.get("annotations") is True:
            document.init_forms()
        if act == "make":
            yield from _make(document, hints.options)
        else:
            for number in range(1, len(document) + 1):
                yield from _locate(document, number, hints.options)


class _Page:
    """A page that is open, its text by PDFium's characters, and how its points become pixels of a drawing."""

    def __init__(self, document: pypdfium2.PdfDocument, number: int, options: Data) -> None:
        try:
            self.page = document[number - 1]
            if options.get("annotations") is True and self.page.formenv is not None:
                self.page.flatten()
                self.page.close()
                self.page = document[number - 1]
            self.text = self.page.get_textpage()
        except pypdfium2.PdfiumError:
            raise Unreadable(_("Page {n} cannot be read, so nothing of the file was redacted.").format(n=number)) from None
        width, height = self.page.get_size()
        self.points = max(width, 1.0), max(height, 1.0)
        dpi = options.get("dpi")
        scale = (dpi if type(dpi) is int and 100 <= dpi <= 400 else 200) / 72
        scale = min(scale, _LONGEST_SIDE / max(self.points), (_MOST_PIXELS / (self.points[0] * self.points[1])) ** 0.5)
        self.size = max(1, round(self.points[0] * scale)), max(1, round(self.points[1] * scale))
        self.scale = scale

    def close(self) -> None:
        self.text.close()
        self.page.close()

    def letters(self) -> str:
        """One character for each of PDFium's, so that a place in this text is the number of a character."""
        raw, get = self.text.raw, pdfium.FPDFText_GetUnicode
        points = (get(raw, index) for index in range(self.text.count_chars()))
        return "".join(chr(point) if 0 < point < 0xD800 or 0xE000 <= point < 0x110000 else "\ufffe" for point in points)

    def seen_orders(self, text: str) -> list[list[int]]:
        """The numbers of the characters line by line as seen from each side of the page, where the file's order differs;
        -1 stands for a line's end.

        A word that is cut by a line's end is whole in one of these orders, or in the file's.
        """
        lines, start = [], 0
        for line in text.splitlines(keepends=True):
            places = range(start, start + len(line))
            box = next((box for place in places if not text[place].isspace() and (box := self.box(place))), None)
            if box is not None:
                lines.append((box, places))
            start += len(line)
        orders = [
            sorted(lines, key=lambda line: (line[0][side] * way, line[0][1 - side]))
            for side, way in ((1, 1), (1, -1), (0, 1), (0, -1))
        ]
        fresh = [order for number, order in enumerate(orders) if order != lines and order not in orders[:number]]
        return [[place for _box, places in order for place in (*places, -1)] for order in fresh]

    def box(self, index: int, *, alike: bool = False) -> Rectangle | None:
        """Where a character stands in pixels, with all its font may overhang; None for one that is drawn nowhere.

        ``alike``: as high as the font's letters are, whether this one has a tail or an accent or not.
        """
        edges: list[float] = []
        loose = pdfium.FS_RECTF()
        if pdfium.FPDFText_GetLooseCharBox(self.text.raw, index, ctypes.byref(loose)):
            edges += [loose.left, loose.bottom, loose.right, loose.top]
        tight = [ctypes.c_double() for _edge in range(4)]
        if not (alike and edges) and pdfium.FPDFText_GetCharBox(self.text.raw, index, *map(ctypes.byref, tight)):
            left, right, bottom, top = (edge.value for edge in tight)
            edges += [left, bottom, right, top]
        corners = [
            self._pixel(x, y) for n in range(0, len(edges), 4) for x in edges[n : n + 4 : 2] for y in edges[n + 1 : n + 4 : 2]
        ]
        if not corners:
            return None
        xs, ys = zip(*corners, strict=True)
        found = min(xs), min(ys), max(xs), max(ys)
        return found if found[2] > found[0] or found[3] > found[1] else None

    def _pixel(self, x: float, y: float) -> tuple[int, int]:
        at_x, at_y = ctypes.c_int(), ctypes.c_int()
        pdfium.FPDF_PageToDevice(self.page, 0, 0, *self.size, 0, x, y, ctypes.byref(at_x), ctypes.byref(at_y))
        return at_x.value, at_y.value

    def drawn(self) -> Image.Image:
        """The page as it is seen, without comments and form fields (those that are wanted were made part of it before)."""
        width, height = self.size
        try:
            with closing(pypdfium2.PdfBitmap.new_native(width, height, pdfium.FPDFBitmap_BGR)) as bitmap:
                bitmap.fill_rect((255, 255, 255, 255), 0, 0, width, height)
                pdfium.FPDF_RenderPageBitmap(bitmap, self.page, 0, 0, width, height, 0, 0)
                picture: Image.Image = bitmap.to_pil().convert("RGB")
        except pypdfium2.PdfiumError:
            raise Unreadable(_("A page could not be drawn, so nothing of the file was redacted.")) from None
        return picture


# -- where things stand -----------------------------------------------------------------------------------------------------


def _locate(document: pypdfium2.PdfDocument, number: int, options: Data) -> Iterator[Finding]:
    with closing(_Page(document, number, options)) as page:
        text = page.letters()
        if text.strip():
            yield Text(f"p. {number}", text)
        yield Facts("page", {
            "number": number, "width": page.points[0], "height": page.points[1], "characters": len(text),
            "orders": [*page.seen_orders(text)], "pictures": _has_pictures(page),
            "annotations": max(0, int(pdfium.FPDFPage_GetAnnotCount(page.page))),
        })  # fmt: skip


def _has_pictures(page: _Page) -> bool:
    area = page.points[0] * page.points[1]
    for thing in page.page.get_objects(filter=(pdfium.FPDF_PAGEOBJ_IMAGE,), max_depth=4):
        left, bottom, right, top = thing.get_bounds()
        if (right - left) * (top - bottom) > area * _PICTURE_SHARE:
            return True
    return False


def _covered(page: _Page, spans: Any, *, lines: bool) -> list[Rectangle]:
    """The rectangles over spans of characters: letters of one line as one, so that their number and widths do not show."""
    margin = round(_MARGIN * page.scale) + 1
    width, height = page.size
    out: list[Rectangle] = []
    for start, end in spans if isinstance(spans, list) else ():
        held: list[Rectangle] = []
        for index in range(int(start), int(end)):
            box = page.box(index, alike=lines)
            if box is None:
                continue
            if held and _one_line(held[-1], box):
                held[-1] = _around(held[-1], box)
            else:
                held.append(box)
        for left, top, right, bottom in held:
            high, wide = bottom - top, right - left
            if lines and high > 2 * wide and int(end) - int(start) > 1:  # a line that runs down the page
                grown = (left - wide // 4, 0, right + wide // 4, height)
            elif lines:  # the font's height and room for tails, whatever letters stand there
                grown = (0, top - high // 4, width, bottom + high // 4)
            else:
                along, across = (margin, 2) if wide >= high else (2, margin)
                grown = (left - along, top - across, right + along, bottom + across)
            clipped = max(0, grown[0]), max(0, grown[1]), min(width, grown[2]), min(height, grown[3])
            if clipped[0] < clipped[2] and clipped[1] < clipped[3]:
                out.append(clipped)
    return out


def _one_line(one: Rectangle, other: Rectangle) -> bool:
    for low, high in ((1, 3), (0, 2)):
        shared = min(one[high], other[high]) - max(one[low], other[low])
        if shared * 2 > min(one[high] - one[low], other[high] - other[low]) >= 1:
            return True
    return False


def _touch(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and one[2] > other[0] and one[1] < other[3] and one[3] > other[1]


def _around(one: Rectangle, other: Rectangle) -> Rectangle:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


# -- the words that stay ----------------------------------------------------------------------------------------------------


@dataclass(slots=True, frozen=True)
class _Word:
    text: str
    box: Rectangle


def _remaining(page: _Page, spans: Any, painted: list[Rectangle], picture: Image.Image) -> Iterator[_Word]:
    """The words that are seen on the painted page and touch no box; nothing of a word that does."""
    text = page.letters()
    gone = {index for start, end in spans or () for index in range(int(start), int(end))}
    hides = _Hiding(page)
    clear = 1  # pixel; the boxes have their margin already
    start = 0
    for end in range(len(text) + 1):
        if end < len(text) and not text[end].isspace() and text[end] not in "\ufffe\x02":
            continue
        indexes, start_of_next = range(start, end), end + 1
        start = start_of_next
        boxes = [box for index in indexes if (box := page.box(index))]
        if not boxes or len(boxes) < len(indexes) or any(index in gone for index in indexes):
            continue
        whole = boxes[0]
        for box in boxes[1:]:
            whole = _around(whole, box)
        left, top, right, bottom = whole
        if left < 0 or top < 0 or right > page.size[0] or bottom > page.size[1] or right <= left or bottom <= top:
            continue
        if any(
            left - clear < box[2] and right + clear > box[0] and top - clear < box[3] and bottom + clear > box[1]
            for box in painted
        ):
            continue
        low, high = picture.crop(whole).convert("L").getextrema()
        if float(str(high)) - float(str(low)) < _INK or hides.one(indexes[0]):
            continue
        yield _Word("".join(text[index] for index in indexes), whole)


class _Hiding:
    """Which letters lie under a picture or a filled area that is drawn after them."""

    def __init__(self, page: _Page) -> None:
        self._page = page
        self._order: dict[int, int] = {}
        self._covers: list[tuple[int, Rectangle]] = []
        for number, thing in enumerate(page.page.get_objects(max_depth=1)):
            self._order[ctypes.addressof(thing.raw.contents)] = number
            if thing.type == pdfium.FPDF_PAGEOBJ_TEXT or (thing.type == pdfium.FPDF_PAGEOBJ_PATH and not _is_filled(thing)):
                continue
            left, bottom, right, top = thing.get_bounds()
            (x0, y0), (x1, y1) = page._pixel(left, bottom), page._pixel(right, top)  # noqa: SLF001
            self._covers.append((number, (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))))

    def one(self, index: int) -> bool:
        box = self._page.box(index)
        if box is None:
            return True
        thing = pdfium.FPDFText_GetTextObject(self._page.text.raw, index)
        order = self._order.get(ctypes.addressof(thing.contents), -1) if thing else -1
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        return any(
            number > order and left <= x <= right and top <= y <= bottom for number, (left, top, right, bottom) in self._covers
        )


def _is_filled(thing: Any) -> bool:
    mode, stroke = ctypes.c_int(), ctypes.c_int()
    return bool(pdfium.FPDFPath_GetDrawMode(thing, ctypes.byref(mode), ctypes.byref(stroke))) and mode.value != 0


# -- the new file -----------------------------------------------------------------------------------------------------------


def _make(document: pypdfium2.PdfDocument, options: Data) -> Iterator[Finding]:
    spans, boxes = (value if isinstance(value := options.get(key), dict) else {} for key in ("spans", "boxes"))
    searchable, lines = options.get("searchable") is True, options.get("lines") is True
    painted: list[Facts] = []
    writer = _Writer(searchable=searchable)
    yield Member("redacted.pdf", "", "rendered", "application/pdf")
    yield Chunk(writer.begin())
    for number in range(1, len(document) + 1):
        with closing(_Page(document, number, options)) as page:
            here = _covered(page, spans.get(str(number)), lines=lines)
            here += rectangles(boxes.get(str(number)), *page.size, round(_MARGIN * page.scale))
            picture = page.drawn()
            paint(picture, here)
            words = list(_remaining(page, spans.get(str(number)), here, picture)) if searchable else []
            yield Chunk(writer.page(page.points, page.size, picture, words))
            wide, high = page.size
            told = [[x0 / wide, y0 / high, x1 / wide, y1 / high] for x0, y0, x1, y1 in here]
            painted.append(Facts("painted", {"page": number, "boxes": told, "words": len(words)}))
    yield Chunk(writer.end())
    yield MemberEnd()
    yield from painted


class _Writer:
    """Writes a PDF of pictures, object after object, so that no more than one page is held."""

    def __init__(self, *, searchable: bool) -> None:
        self._searchable = searchable
        self._at = 0
        self._places: dict[int, int] = {}
        self._pages: list[int] = []
        self._next = 8 if searchable else 4

    def _put(self, data: bytes) -> bytes:
        self._at += len(data)
        return data

    def _object(self, number: int, body: bytes, stream: bytes | None = None) -> bytes:
        self._places[number] = self._at
        if stream is not None:
            body = body[:-2] + b"/Length %d>>\nstream\n%b\nendstream" % (len(stream), stream)
        return self._put(b"%d 0 obj\n%b\nendobj\n" % (number, body))

    def begin(self) -> bytes:
        out = self._put(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
        out += self._object(1, b"<</Type/Catalog/Pages 2 0 R>>")
        out += self._object(3, b"<</Producer(Amparo)>>")
        if self._searchable:
            out += self._object(
                4, b"<</Type/Font/Subtype/Type0/BaseFont/Unseen/Encoding/Identity-H/DescendantFonts[5 0 R]/ToUnicode 7 0 R>>"
            )
            out += self._object(
                5, b"<</Type/Font/Subtype/CIDFontType2/BaseFont/Unseen/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)"
                b"/Supplement 0>>/FontDescriptor 6 0 R/DW 500/CIDToGIDMap/Identity>>"
            )  # fmt: skip
            out += self._object(
                6, b"<</Type/FontDescriptor/FontName/Unseen/Flags 4/FontBBox[0 0 500 1000]/ItalicAngle 0/Ascent 1000/Descent 0"
                b"/CapHeight 1000/StemV 80>>"
            )  # fmt: skip
            out += self._object(7, b"<<>>", _to_unicode())
        return out

    def page(self, points: tuple[float, float], size: tuple[int, int], picture: Image.Image, words: list[_Word]) -> bytes:
        shrink = min(1.0, _LARGEST_PAGE / max(points))
        width, height = points[0] * shrink, points[1] * shrink
        number, contents, image = self._next, self._next + 1, self._next + 2
        self._next += 3
        self._pages.append(number)
        fonts = b"/Font<</F 4 0 R>>" if self._searchable else b""
        out = self._object(
            number,
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %.2f %.2f]/Contents %d 0 R/Resources<</XObject<</I %d 0 R>>%b>>>>"
            % (width, height, contents, image, fonts),
        )
        drawn = b"q %.2f 0 0 %.2f 0 0 cm /I Do Q\n" % (width, height)
        layer = b"".join(_laid(word, width / size[0], height) for word in words)
        out += self._object(
            contents, b"<</Filter/FlateDecode>>", zlib.compress(drawn + (b"BT 3 Tr\n" + layer + b"ET\n" if layer else b""))
        )
        return out + self._picture(image, picture)

    def _picture(self, number: int, picture: Image.Image) -> bytes:
        red, green, blue = picture.split()
        grey = ImageChops.difference(red, green).getbbox() is None and ImageChops.difference(red, blue).getbbox() is None
        plain = red if grey else picture
        head = b"<</Type/XObject/Subtype/Image/Width %d/Height %d/BitsPerComponent 8/ColorSpace/%b/Filter/%b>>"
        space = b"DeviceGray" if grey else b"DeviceRGB"
        if grey and not _photographic(plain):
            return self._object(number, head % (*plain.size, space, b"FlateDecode"), zlib.compress(plain.tobytes(), 6))
        out = io.BytesIO()
        plain.save(out, "JPEG", quality=88, subsampling=0)
        return self._object(number, head % (*plain.size, space, b"DCTDecode"), out.getvalue())

    def end(self) -> bytes:
        kids = b" ".join(b"%d 0 R" % number for number in self._pages)
        out = self._object(2, b"<</Type/Pages/Count %d/Kids[%b]>>" % (len(self._pages), kids))
        start = self._at
        count = max(self._places) + 1
        rows = b"".join(b"%010d 00000 n \n" % self._places[number] for number in range(1, count))
        return out + self._put(
            b"xref\n0 %d\n0000000000 65535 f \n%btrailer\n<</Size %d/Root 1 0 R/Info 3 0 R>>\nstartxref\n%d\n%%%%EOF\n"
            % (count, rows, count, start)
        )


def _photographic(grey: Image.Image) -> bool:
    """True if many greys between black and white cover the page, so that JPEG is a tenth of the size and as good."""
    counts = grey.histogram()
    return sum(counts[16:240]) > sum(counts) * 0.2


def _laid(word: _Word, point: float, height: float) -> bytes:
    """A word of the layer: its place, width and size rounded to the grid."""
    top, bottom = (_GRID * round(edge * point / _GRID) for edge in word.box[1::2])
    left, right = (
        _GRID * ceil(word.box[0] * point / _GRID),
        _GRID * floor(word.box[2] * point / _GRID),
    )
    size = max(_GRID, bottom - top)
    letters = word.text.encode("utf-16-be", "ignore")
    stretch = 100 * max(_GRID, right - left) / (0.5 * size * max(1, len(letters) // 2))
    return b"/F %.0f Tf %.1f Tz 1 0 0 1 %.0f %.2f Tm <%b> Tj\n" % (
        size, min(stretch, 1000), left, height - bottom, letters.hex().encode(),
    )  # fmt: skip


def _to_unicode() -> bytes:
    rows = [b"<%02X00> <%02XFF> <%02X00>" % (high, high, high) for high in range(256)]
    blocks = b"".join(
        b"%d beginbfrange\n%b\nendbfrange\n" % (len(part), b"\n".join(part))
        for part in (rows[n : n + 100] for n in range(0, 256, 100))
    )
    return (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) "
        b"/Supplement 0>> def /CMapName /Unseen def /CMapType 2 def 1 begincodespacerange <0000> <FFFF> endcodespacerange\n"
        + blocks + b"endcmap CMapName currentdict /CMap defineresource pop end end"
    )  # fmt: skip


# -- reading it again -------------------------------------------------------------------------------------------------------

_KEYS = frozenset(
    "/Type /Subtype /Pages /Count /Kids /Parent /MediaBox /Contents /Resources /XObject /I /Font /F /Width /Height"
    " /BitsPerComponent /ColorSpace /Filter /Length /Producer /BaseFont /Encoding /DescendantFonts /ToUnicode"
    " /CIDSystemInfo /Registry /Ordering /Supplement /FontDescriptor /DW /CIDToGIDMap /FontName /Flags /FontBBox"
    " /ItalicAngle /Ascent /Descent /CapHeight /StemV".split()
)  # fmt: skip
_CONTENT = re.compile(
    rb"q [\d.]+ 0 0 [\d.]+ 0 0 cm /I Do Q\n"
    rb"(?:BT 3 Tr\n(?:/F \d+ Tf [\d.]+ Tz 1 0 0 1 -?\d+ -?[\d.]+ Tm <[0-9a-f]*> Tj\n)*ET\n)?"
)
_TRAILER = frozenset(("/Size", "/Root", "/Info"))


def _check(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Yield every page's text, and Facts "check" with a sentence for each thing that is wrong."""
    wrong: list[str] = []
    boxes = value if isinstance(value := hints.options.get("boxes"), dict) else {}
    with pikepdf.open(stream) as document:
        wrong += [_("the trailer has {key}").format(key=key) for key in document.trailer.keys() if key not in _TRAILER]  # noqa: SIM118
        for thing in document.objects:
            place = f"{thing.objgen[0]} 0"
            wrong += [_("object {place} has {key}").format(place=place, key=key[:40]) for key in _strange(thing)]
            if not isinstance(thing, pikepdf.Stream):
                continue
            if thing.get("/Subtype") != "/Image":
                data = thing.read_bytes()
                if data != _to_unicode() and not _CONTENT.fullmatch(data):
                    wrong.append(_("stream {place} holds what is not written here").format(place=place))
            elif thing.get("/Filter") == "/DCTDecode" and (what := jpeg_extras(thing.read_raw_bytes())):
                wrong.append(_("picture {place} has segments {what}").format(place=place, what=what))
    stream.seek(0)
    with closing(opened(stream, hints)) as again:
        for number in range(1, len(again) + 1):
            with closing(_Page(again, number, {"dpi": _CHECKED_DPI})) as page:
                if (text := page.letters()).strip():
                    yield Text(f"p. {number}", text)
                    for order in page.seen_orders(text):
                        seen = "".join(text[place] if place >= 0 else "\n" for place in order)
                        yield Text(f"p. {number} as seen", seen + "\n\n")
                picture = page.drawn().convert("L")
                for box in rectangles(boxes.get(str(number)), *page.size):
                    if not filled(picture, box, 24, 2):
                        wrong.append(_("page {n}: the box {box} is not filled").format(n=number, box=",".join(map(str, box))))
    yield Facts("check", {"wrong": [*wrong[:1000]]})


def _strange(thing: Any, depth: int = 0) -> Iterator[str]:
    if depth < 5 and isinstance(thing, (pikepdf.Dictionary, pikepdf.Stream)):
        for key, value in thing.items():
            if key not in _KEYS:
                yield key
            elif not getattr(value, "is_indirect", False):
                yield from _strange(value, depth + 1)
