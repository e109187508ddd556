"""Reads a picture: size, form, what EXIF, XMP and comments say, what else hides in the file; draws it anew for safe viewing.

Invariant: the rendered copy is made of pixels only: no metadata, profile, layer, thumbnail or trailing byte of the original. A
picture larger than can be drawn is described and not drawn.

Sources: CIPA DC-008 (Exif 2.32), ISO/IEC 10918-1 (JPEG), 15948 (PNG), Adobe XMP part 3.
"""

import io
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import pillow_heif
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from amparo.evidence.findings import Chunk, Data, Facts, Finding, Hints, Member, MemberEnd, Unreadable, Warn
from amparo.kernel.i18n import _

MEDIA_TYPES = (
    "image/jpeg", "image/png", "image/gif", "image/bmp", "image/tiff", "image/webp", "image/jp2", "image/j2c", "image/avif",
    "image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence", "image/vnd.microsoft.icon",
    "image/vnd.adobe.photoshop",
)  # fmt: skip
NAME = "picture/1"
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "JPEG2000", "AVIF", "HEIF", "ICO", "PSD")
MOST_PIXELS = 120_000_000
LARGEST_SIDE = 4096
_MOST_TAGS, _LONGEST = 500, 2000
_BROKEN = (
    OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, SyntaxError, EOFError, ArithmeticError, RuntimeError,
    OverflowError,
)  # fmt: skip
_XMP = re.compile(rb"<x:xmpmeta.{0,262144}?</x:xmpmeta>", re.DOTALL)
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xae\x42\x60\x82", "GIF": b"\x00\x3b"}
_GUESTS = (
    (b"PK\x03\x04", "zip archive"),
    (b"%PDF-", "PDF"),
    (b"<?php", "PHP program"),
    (b"<script", "script"),
    (b"\x7fELF", "program"),
)

pillow_heif.register_heif_opener(thumbnails=False)
Image.init()
Image.MAX_IMAGE_PIXELS = None  # decided here, before anything is decoded
Picture = Image.Image


def opened(stream: BinaryIO) -> Picture:
    """The picture, nothing decoded yet. Raises Unreadable."""
    try:
        return Image.open(stream, formats=FORMATS)
    except UnidentifiedImageError:
        raise Unreadable(_("This is no picture of a form that can be read here.")) from None
    except _BROKEN:
        raise Unreadable(_("This picture is damaged: its header cannot be read.")) from None


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Yield Facts ("media", "metadata") and the picture drawn anew as PNG (``rendered``). Raises Unreadable."""
    picture = opened(stream)
    yield Facts("media", _media(picture))
    metadata, warnings = _metadata(picture)
    if metadata:
        yield Facts("metadata", metadata)
    for sentence in warnings:
        yield Warn(sentence)
    if (trailing := _trailing(stream, picture.format or "")) is not None:
        yield Warn(trailing)
    if hints.options.get("rendered", True) is not False:
        yield from _rendered(picture, hints)


def _media(picture: Picture) -> Data:
    data: Data = {
        "format": picture.format or "", "width": picture.width, "height": picture.height, "mode": picture.mode,
        "frames": 1, "animated": bool(getattr(picture, "is_animated", False)),
    }  # fmt: skip
    try:
        data["frames"] = int(getattr(picture, "n_frames", 1))
        if dpi := picture.info.get("dpi"):
            data["dpi"] = [float(one) for one in dpi]
    except _BROKEN:
        data["frames"] = None
    data["colour_profile"] = len(picture.info.get("icc_profile") or b"")
    data["progressive"] = bool(picture.info.get("progressive") or picture.info.get("interlace"))
    return data


# -- metadata ---------------------------------------------------------------------------------------------------------------


def _metadata(picture: Picture) -> tuple[Data, list[str]]:
    data: Data = {}
    warnings = []
    try:
        small = picture.width * picture.height <= MOST_PIXELS
        exif = picture.getexif() if small else Image.Image.getexif(picture)  # PNG's own would decode the picture
        data |= {_tag(ExifTags.TAGS, tag): _value(value) for tag, value in list(exif.items())[:_MOST_TAGS]}
        for ifd, name in ((ExifTags.IFD.Exif, "Exif"), (ExifTags.IFD.GPSInfo, "GPS"), (ExifTags.IFD.Interop, "Interop")):
            names = ExifTags.GPSTAGS if name == "GPS" else ExifTags.TAGS
            if inside := exif.get_ifd(ifd):
                data[name] = {_tag(names, tag): _value(value) for tag, value in list(inside.items())[:_MOST_TAGS]}
                if name == "GPS" and (place := _place(inside)):
                    data["place"] = place
    except (*_BROKEN, MemoryError) as error:
        warnings.append(_("Its EXIF data is damaged ({why}).").format(why=type(error).__name__))
    for key in ("comment", "Comment", "Description", "Software", "Author", "Title", "Copyright", "Creation Time"):
        if told := picture.info.get(key):
            data[key] = _value(told)
    if xmp := picture.info.get("xmp") or picture.info.get("XML:com.adobe.xmp"):
        raw = xmp if isinstance(xmp, bytes) else str(xmp).encode()
        match = _XMP.search(raw)
        data["xmp"] = (match[0] if match else raw)[: 1 << 18].decode("utf-8", "replace")
    return data, warnings


def _tag(names: dict[int, str], tag: int) -> str:
    return names.get(tag, f"0x{tag:04x}")


def _value(value: Any, depth: int = 0) -> Any:
    if isinstance(value, bytes):
        text = value[:_LONGEST].rstrip(b"\0")
        return text.decode("ascii") if text.isascii() and text.decode("ascii").isprintable() else text.hex()
    if isinstance(value, str):
        return value[:_LONGEST].rstrip("\0")
    if isinstance(value, (bool, int)):
        return value if abs(value) < 1 << 62 else str(value)[:40]
    if isinstance(value, (tuple, list)) and depth < 3:
        return [_value(one, depth + 1) for one in value[:64]]
    try:
        number = float(value)
    except _BROKEN:
        return str(value)[:_LONGEST]
    return number


def _place(inside: Any) -> Data | None:
    """GPS as decimal degrees (WGS 84 as a rule), None where it is not whole or out of range."""
    try:
        north, east = (
            sum(float(part) / 60**power for power, part in enumerate(inside[tag]))
            * (-1 if str(inside[ref]).strip("\0 ") in "SW" else 1)
            for ref, tag in ((1, 2), (3, 4))
        )
    except _BROKEN:
        return None
    return {"latitude": round(north, 7), "longitude": round(east, 7)} if abs(north) <= 90 and abs(east) <= 180 else None


def _trailing(stream: BinaryIO, form: str) -> str | None:
    """One sentence where bytes follow the picture's end, as in files that are two things at once."""
    mark = _ENDS.get(form)
    if mark is None:
        return None
    size = stream.seek(0, io.SEEK_END)
    start = max(0, size - (8 << 20))
    stream.seek(start)
    tail = stream.read()
    found = tail.find(mark) if form == "PNG" and start == 0 else tail.rfind(mark)
    if found < 0:
        return _("The picture has no end mark: it is cut off, or something stands behind it.")
    after = tail[found + len(mark) :]
    if not after.strip(b"\0\r\n "):
        return None
    guest = next((name for start_mark, name in _GUESTS if start_mark in after), "")
    return _("{n} bytes stand behind the end of the picture{what}.").format(n=len(after), what=f" ({guest})" if guest else "")


# -- the copy for viewing ---------------------------------------------------------------------------------------------------


def _rendered(picture: Picture, hints: Hints) -> Iterator[Finding]:
    if picture.width * picture.height > MOST_PIXELS or not picture.width or not picture.height:
        yield Warn(_("The picture claims {w} x {h} pixels, more than is drawn here; it was described only.").format(
            w=picture.width, h=picture.height))  # fmt: skip
        return
    try:
        drawn = flattened(picture)
    except (*_BROKEN, MemoryError) as error:
        yield Warn(_("The picture could not be drawn ({why}): it is damaged or cut off.").format(why=type(error).__name__))
        return
    out = io.BytesIO()
    drawn.save(out, "PNG", compress_level=3)
    yield Member(f"{hints.name or 'picture'}.png", "", "rendered", "image/png")
    data = out.getbuffer()
    for start in range(0, len(data), 1 << 20):
        yield Chunk(bytes(data[start : start + (1 << 20)]))
    yield MemberEnd()


def flattened(picture: Picture) -> Picture:
    """The first frame the right way up as plain RGB, at most LARGEST_SIDE to a side, and nothing else of the file."""
    if picture.format in ("JPEG", "MPO"):
        picture.draft("RGB", (LARGEST_SIDE, LARGEST_SIDE))
    picture.load()
    turned = ImageOps.exif_transpose(picture)
    turned.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    if turned.mode in ("RGBA", "LA", "PA") or "transparency" in turned.info:
        layer = turned.convert("RGBA")
        ground = Image.new("RGBA", layer.size, "white")
        turned = Image.alpha_composite(ground, layer)
    elif turned.mode.startswith("I;16") or turned.mode == "I":
        turned = turned.point(lambda value: value / 256).convert("L")
    plain = turned.convert("RGB")
    clean = Image.new("RGB", plain.size)
    clean.paste(plain)
    return clean
