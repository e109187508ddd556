"""Makes the redacted copy of a picture, and looks at it again; run in the sandbox by app.evidence_redact only.

Invariant: the copy is encoded anew from plain red, green and blue: boxes are filled before encoding, and no metadata, profile,
thumbnail, alpha, layer, second frame or trailing byte of the original reaches it.

Options: ``act`` "pages" (Facts "page" for each), "make" (``boxes`` {"1": [[left, top, right, bottom], ...]} in fractions of the
picture the right way up) or "check" (the same boxes; Facts "check" names what is wrong). It is no reader for ``evidence read``,
so it declares neither name nor types.
"""

import io
import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO

from PIL import Image, ImageCms, ImageDraw, ImageOps

from amparo.evidence.findings import Chunk, Data, Facts, Finding, Hints, Member, MemberEnd, Unreadable
from amparo.evidence.readers.picture import MOST_PIXELS, opened
from amparo.kernel.i18n import _

_LOSSY = frozenset(("JPEG", "MPO", "WEBP", "HEIF", "AVIF", "JPEG2000"))
_MARGIN = 16  # pixels: a lossy original smears what stands in a box over the blocks that the box's edge cuts
_MOST_FRAMES = 1000
_OUT = {"JPEG": "JPEG", "MPO": "JPEG", "HEIF": "JPEG", "AVIF": "JPEG", "JPEG2000": "JPEG", "WEBP": "WEBP", "TIFF": "TIFF"}
_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "TIFF": "image/tiff"}
_BROKEN = (
    OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, SyntaxError, EOFError, ArithmeticError, RuntimeError,
)  # fmt: skip
_TOLERANCE = 24  # of 255: how far JPEG may be from black inside a box
Picture = Image.Image


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Do what the option ``act`` says. Raises Unreadable."""
    warnings.simplefilter("ignore")  # Pillow warns of what is damaged, and raises where it matters
    picture = opened(stream)
    boxes = hints.options.get("boxes")
    boxes = boxes if isinstance(boxes, dict) else {}
    try:
        count = _frames(picture)
        if hints.options.get("act") == "pages":
            yield from _pages(picture, count)
        elif hints.options.get("act") == "make":
            yield from _make(picture, count, boxes)
        else:
            yield Facts("check", {"wrong": [*_wrong(stream, picture, count, boxes)]})
    except _BROKEN as error:
        raise Unreadable(_("The picture could not be drawn ({why}): it is damaged or cut off.").format(
            why=type(error).__name__)) from None  # fmt: skip


def _frames(picture: Picture) -> int:
    """How many pages are redacted. Raises Unreadable for what moves."""
    count = int(getattr(picture, "n_frames", 1))
    if picture.format == "TIFF":
        if count > _MOST_FRAMES:
            raise Unreadable(_("The picture has {n} pages, more than are redacted.").format(n=count))
        return count
    if count > 1 and picture.format not in ("MPO", "HEIF"):  # these hold previews and second views, which are dropped
        raise Unreadable(
            _("This picture moves ({n} frames); take the frames that matter as stills and redact those.").format(n=count)
        )
    return 1


def _pages(picture: Picture, count: int) -> Iterator[Finding]:
    for index in range(count):
        if count > 1:
            picture.seek(index)
        turned = picture.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        width, height = (picture.height, picture.width) if turned else picture.size
        yield Facts("page", {"number": index + 1, "width": width, "height": height, "dpi": 0})


def _plain(picture: Picture) -> Picture:
    """The frame the right way up as RGB or grey on white, in the colours a screen shows; a new picture that knows no other."""
    if picture.width * picture.height > MOST_PIXELS or not picture.width or not picture.height:
        raise Unreadable(
            _("The picture claims {w} x {h} pixels, more than is redacted here.").format(w=picture.width, h=picture.height)
        )
    picture.load()
    frame = ImageOps.exif_transpose(picture)
    profile = picture.info.get("icc_profile")
    if frame.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in frame.info:
        layer = frame.convert("RGBA")
        ground = Image.new("RGBA", layer.size, "white")
        frame = Image.alpha_composite(ground, layer).convert("RGB")
    elif frame.mode.startswith("I;16") or frame.mode == "I":
        frame = frame.point(lambda value: value / 256).convert("L")
    if frame.mode == "1":
        frame = frame.convert("L")
    if profile and frame.mode in ("RGB", "CMYK", "L"):
        try:
            frame = (
                ImageCms.profileToProfile(
                    frame, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), outputMode="RGB"
                )
                or frame
            )
        except (ImageCms.PyCMSError, *_BROKEN):
            pass  # a profile nobody can use colours nothing
    if frame.mode not in ("RGB", "L"):
        frame = frame.convert("RGB")
    clean = Image.new(frame.mode, frame.size)
    clean.paste(frame)
    return clean


def rectangles(boxes: Any, width: int, height: int, margin: int = 0) -> list[tuple[int, int, int, int]]:
    """Boxes in fractions as pixels (left, top, right and bottom exclusive), grown by a margin, within the picture."""
    out = []
    for box in boxes if isinstance(boxes, list) else ():
        left, top, right, bottom = (float(one) for one in box)
        rectangle = (
            max(0, int(left * width) - margin), max(0, int(top * height) - margin),
            min(width, int(right * width + 0.999) + margin), min(height, int(bottom * height + 0.999) + margin),
        )  # fmt: skip
        if rectangle[0] < rectangle[2] and rectangle[1] < rectangle[3]:
            out.append(rectangle)
    return out


def paint(picture: Picture, boxes: list[tuple[int, int, int, int]]) -> None:
    """Fill boxes solid black."""
    draw = ImageDraw.Draw(picture)
    for left, top, right, bottom in boxes:
        draw.rectangle((left, top, right - 1, bottom - 1), fill=0 if picture.mode == "L" else (0, 0, 0))


def _make(picture: Picture, count: int, boxes: Data) -> Iterator[Finding]:
    form = _OUT.get(picture.format or "", "PNG")
    margin = _MARGIN if picture.format in _LOSSY or picture.info.get("compression") in ("jpeg", "old-jpeg", "webp") else 0
    frames = []
    painted: list[Facts] = []
    for index in range(count):
        if count > 1:
            picture.seek(index)
        frame = _plain(picture)
        found = rectangles(boxes.get(str(index + 1)), *frame.size, margin)
        paint(frame, found)
        frames.append(frame if count == 1 else _packed(frame))
        wide, high = frame.size
        painted.append(Facts("painted", {
            "page": index + 1, "boxes": [[x0 / wide, y0 / high, x1 / wide, y1 / high] for x0, y0, x1, y1 in found],
        }))  # fmt: skip
    out = io.BytesIO()
    if form == "TIFF":
        first, *rest = (Image.open(one) if isinstance(one, io.BytesIO) else one for one in frames)
        first.save(out, "TIFF", compression="tiff_deflate", save_all=True, append_images=rest)
    elif form == "JPEG":
        frames[0].save(out, "JPEG", quality=92, subsampling=0)
    elif form == "WEBP":
        frames[0].save(out, "WEBP", quality=92, method=4)
    else:
        frames[0].save(out, "PNG", compress_level=6)
    yield Member(f"redacted.{form.lower().replace('jpeg', 'jpg')}", "", "rendered", _TYPES[form])
    data = out.getbuffer()
    for start in range(0, len(data), 1 << 20):
        yield Chunk(bytes(data[start : start + (1 << 20)]))
    yield MemberEnd()
    yield from painted


def _packed(frame: Picture) -> Any:
    """A page of many kept compressed until all are written."""
    held = io.BytesIO()
    frame.save(held, "PNG", compress_level=1)
    held.seek(0)
    return held


# -- looking again ----------------------------------------------------------------------------------------------------------

_USUAL = frozenset(
    ("jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi", "resolution", "compression", "adobe", "adobe_transform",
     "loop", "background", "timestamp", "duration")
)  # fmt: skip
_TIFF_TAGS = frozenset((254, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 282, 283, 284, 296, 297, 317, 338, 339))


def _wrong(stream: BinaryIO, picture: Picture, count: int, boxes: Data) -> Iterator[str]:
    """A sentence for each thing that has no business in a redacted picture."""
    for index in range(count):
        if count > 1:
            picture.seek(index)
        for key in set(map(str, picture.info)) - _USUAL:
            yield _("page {n}: the metadata “{key}”").format(n=index + 1, key=key[:40])
        tags = set(getattr(picture, "tag_v2", None) or picture.getexif())
        if strange := tags - _TIFF_TAGS:
            yield _("page {n}: the tags {tags}").format(n=index + 1, tags=", ".join(map(str, sorted(strange)[:10])))
        picture.load()
        plain = picture.convert("L")
        lossy = picture.format in _LOSSY
        for box in rectangles(boxes.get(str(index + 1)), *plain.size):
            if not filled(plain, box, _TOLERANCE if lossy else 0, 8 if lossy else 0):
                yield _("page {n}: the box {box} is not filled").format(n=index + 1, box=",".join(map(str, box)))
    stream.seek(0)
    if picture.format == "JPEG" and (what := jpeg_extras(stream.read())):
        yield _("segments of the file: {what}").format(what=what)


def filled(plain: Picture, box: tuple[int, int, int, int], tolerance: int, edge: int) -> bool:
    """True if all pixels of a box are black to a tolerance, its edge left out; of one that is all edge, its middle."""
    left, top, right, bottom = box
    across, down = min(edge, (right - left - 1) // 2), min(edge, (bottom - top - 1) // 2)
    high = plain.crop((left + across, top + down, right - across, bottom - down)).getextrema()[1]
    return isinstance(high, (int, float)) and high <= tolerance


def jpeg_extras(data: bytes) -> str:
    """The application and comment segments of a JPEG beyond JFIF's and Adobe's, and bytes behind its end; "" if none."""
    found, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        mark, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if mark == 0xDA:
            break
        if mark == 0xFE or (0xE0 <= mark <= 0xEF and not data[at + 4 :].startswith((b"JFIF\0", b"Adobe"))):
            found.append(f"{mark:02X}")
        at += 2 + length
    if not data.endswith(b"\xff\xd9"):
        found.append("end")
    return ", ".join(found)
