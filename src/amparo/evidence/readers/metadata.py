"""Reads the metadata of pictures, video, sound and documents: all groups that exiftool knows, or what Pillow finds without it.

Invariant: exiftool gets the file through a pipe, never a path, with no configuration of the user's; of a file larger than
64 MiB it gets the parts where metadata stand, and that is said. Embedded previews come out as members: they may show what was
cropped away or covered. A place is warned of.

Sources: exiftool(1); ISO/IEC 14496-12 (boxes); Exif 2.32 (CIPA DC-008), IFD1 thumbnails.
"""

import base64
import binascii
import json
import re
import shutil
import struct
import subprocess
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any, BinaryIO

from amparo.evidence.findings import Chunk, Data, Facts, Finding, Hints, Member, MemberEnd, Unreadable, Warn
from amparo.kernel.i18n import _

MEDIA_TYPES = ("image/", "video/", "audio/", "application/pdf")
NAME = "metadata/1"
PROGRAMS = ("exiftool",)
PIECE = 1 << 20
_WHOLE = 64 << 20  # bytes that exiftool is given at most
_LONGEST_VALUE, _MOST_OUTPUT, _MOST_TAGS, _DEEPEST = 4000, 32 << 20, 3000, 6
_SECONDS = 60
_EMBEDDED = re.compile(r"(?:Thumbnail|Preview|JpgFromRaw|OtherImage|MPImage|CoverArt|EmbeddedImage|ScreenNail|Picture)\w*$")
_BINARY = re.compile(r"\(Binary data \d+ bytes")
_FORGET = ("System", "SourceFile")  # about the pipe, not the file
_KINDS = ((b"\xff\xd8\xff", "jpg", "image/jpeg"), (b"\x89PNG", "png", "image/png"), (b"II*\0", "tif", "image/tiff"),
          (b"MM\0*", "tif", "image/tiff"), (b"GIF8", "gif", "image/gif"))  # fmt: skip


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Yield Facts ("metadata": {group: {tag: value}}), Facts ("location") with a warning, and previews as members."""
    if shutil.which("exiftool") is None:
        yield Warn(_("Without exiftool (Debian: apt install libimage-exiftool-perl) only a part of the metadata can be read."))
        yield from _by_pillow(stream, hints)
        return
    told = _tell(stream, hints, ("-c", "%+.8f"))
    groups = _groups(told)
    if left := _left_out(stream, hints):
        yield Warn(left)
    yield Facts("metadata", {"groups": groups, "by": "exiftool " + str(told.get("ExifTool:ExifToolVersion", ""))})
    if error := groups.get("ExifTool", {}).get("Error"):
        yield Warn(_("exiftool: {words}.").format(words=str(error)[:500]))
    yield from _location(told)
    named = [key for key, value in told.items() if _EMBEDDED.search(key) and isinstance(value, str) and _BINARY.match(value)]
    if named:
        tags = tuple(f"-{key}" for key in named[:20] if re.fullmatch(r"[\w:-]{1,100}", key))
        yield from _embedded(_tell(stream, hints, ("-b", *tags)))


def _tell(stream: BinaryIO, hints: Hints, arguments: tuple[str, ...]) -> dict[str, Any]:
    """What exiftool says as {"Group:Tag": value}. Raises Unreadable where it says nothing that can be used."""
    command = ["exiftool", "-config", "", "-json", "-G1", "-struct", "-charset", "utf8", *arguments, "-"]
    try:
        program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                   env={"PATH": "/usr/bin:/bin:/usr/local/bin", "LC_ALL": "C.UTF-8"})  # fmt: skip
    except OSError as error:
        raise Unreadable(_("exiftool cannot be started ({why}).").format(why=error.strerror)) from None
    assert program.stdin and program.stdout
    output = bytearray()
    pipe = program.stdout

    def listen() -> None:
        while len(output) < _MOST_OUTPUT and (data := pipe.read(1 << 16)):
            output.extend(data)

    listener = threading.Thread(target=listen, daemon=True)
    watchdog = threading.Timer(_SECONDS, program.kill)
    listener.start()
    watchdog.start()
    try:
        _feed(program.stdin, stream, hints)
        listener.join()
    finally:
        watchdog.cancel()
        program.kill()
        program.wait()
        pipe.close()
    try:
        found = json.loads(bytes(output))
        return dict(found[0])
    except (ValueError, TypeError, LookupError, RecursionError):
        raise Unreadable(_("exiftool could not read it within its bounds.")) from None


def _feed(pipe: IO[bytes], stream: BinaryIO, hints: Hints) -> None:
    with suppress(BrokenPipeError):  # it may have seen enough
        for data in _parts(stream, hints):
            pipe.write(data)
    with suppress(BrokenPipeError):
        pipe.close()


def _left_out(stream: BinaryIO, hints: Hints) -> str:
    size = hints.size or stream.seek(0, 2)
    if size <= _WHOLE:
        return ""
    if _is_boxes(stream):
        return _("The file is larger than 64 MiB: exiftool was given its boxes of metadata, not its pictures and sound.")
    return _("The file is larger than 64 MiB: exiftool was given its first 64 MiB.")


def _is_boxes(stream: BinaryIO) -> bool:
    stream.seek(0)
    return stream.read(12)[4:8] in (b"ftyp", b"moov", b"wide", b"mdat", b"free")


def _parts(stream: BinaryIO, hints: Hints) -> Iterator[bytes]:
    size = hints.size or stream.seek(0, 2)
    if size > _WHOLE and _is_boxes(stream):
        yield from _boxes(stream, size)
        return
    stream.seek(0)
    left = min(size, _WHOLE)
    while left > 0 and (data := stream.read(min(PIECE, left))):
        left -= len(data)
        yield data


def _boxes(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """The top-level boxes of an MP4 or QuickTime file, all but the samples (mdat), which shrink to an empty box."""
    at, left = 0, _WHOLE
    for _count in range(10_000):
        stream.seek(at)
        head = stream.read(16)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head[:8])
        if length == 1 and len(head) == 16:
            length = struct.unpack(">Q", head[8:])[0]
        elif length == 0:
            length = size - at
        if length < 8:
            return
        if kind == b"mdat" or length > left:
            yield struct.pack(">I4s", 8, b"mdat" if kind == b"mdat" else b"skip")
        else:
            left -= length
            stream.seek(at)
            rest = length
            while rest > 0 and (data := stream.read(min(PIECE, rest))):
                rest -= len(data)
                yield data
        at += length


def _groups(told: dict[str, Any]) -> dict[str, Data]:
    """Tags by group, values bounded, binary ones as their size."""
    out: dict[str, Data] = {}
    for key, value in list(told.items())[:_MOST_TAGS]:
        group, _colon, tag = key.rpartition(":")
        if (group or key) not in _FORGET:
            out.setdefault(group or "File", {})[tag[:200]] = _bounded(value, 0)
    return out


def _bounded(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value[:_LONGEST_VALUE]
    if isinstance(value, dict) and depth < _DEEPEST:
        return {str(key)[:200]: _bounded(entry, depth + 1) for key, entry in list(value.items())[:200]}
    if isinstance(value, list) and depth < _DEEPEST:
        return [_bounded(entry, depth + 1) for entry in value[:500]]
    return value if isinstance(value, (int, float, bool, type(None))) and abs(value or 0) < 1 << 53 else str(value)[:200]


def _location(told: dict[str, Any]) -> Iterator[Finding]:
    """Places as numbers (degrees, WGS 84 unless the file says otherwise; metres), one for each group that has one."""
    places: list[Data] = []
    for key, value in told.items():
        group, _colon, tag = key.rpartition(":")
        if tag != "GPSLatitude" or group == "GPS":  # of GPS itself Composite holds the signed value
            continue
        latitude, longitude = _degrees(value), _degrees(told.get(f"{group}:GPSLongitude"))
        if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
            continue
        place: Data = {"latitude": latitude, "longitude": longitude, "group": group}
        for name, tag_name in (("altitude", "GPSAltitude"), ("time", "GPSDateTime"), ("direction", "GPSImgDirection")):
            more = told.get(f"{group}:{tag_name}", told.get(f"GPS:{tag_name}"))
            if more is not None:
                place[name] = str(more)[:100]
        places.append(place)
    if places:
        yield Facts("location", {"places": places[:100]})
        yield Warn(
            _("It holds the place where it was made (GPS): evidence of where, and a danger to whoever lives or hid there. "
              "It stays sealed here; take it out of every copy that leaves.")
        )  # fmt: skip


def _degrees(value: object) -> float | None:
    try:
        return round(float(str(value)), 8)
    except ValueError:
        return None


def _embedded(told: dict[str, Any]) -> Iterator[Finding]:
    for key, value in told.items():
        for number, entry in enumerate(value if isinstance(value, list) else [value]):
            if not (isinstance(entry, str) and entry.startswith("base64:") and _EMBEDDED.search(key)):
                continue
            try:
                data = base64.b64decode(entry[7:])
            except (binascii.Error, ValueError):
                continue
            yield from _preview(key + (f" {number}" if number else ""), data)


def _preview(key: str, data: bytes) -> Iterator[Finding]:
    suffix, kind = next(((suffix, kind) for mark, suffix, kind in _KINDS if data.startswith(mark)), ("bin", ""))
    yield Member(f"{key.rpartition(':')[2]}.{suffix}", key, "member", kind)
    for start in range(0, len(data), PIECE):
        yield Chunk(data[start : start + PIECE])
    yield MemberEnd()


# -- without exiftool ---------------------------------------------------------------------------------------------------------


def _by_pillow(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """EXIF of pictures as Pillow reads it: the same kinds of facts, fewer of them. Sound and video: the media reader tells."""
    if not hints.media_type.startswith("image/"):
        return
    from PIL import ExifTags, Image

    stream.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # no pixel is decoded here
            image = Image.open(stream)
        exif = image.getexif()
        parts = {"IFD0": (dict(exif), ExifTags.TAGS), "ExifIFD": (dict(exif.get_ifd(ExifTags.IFD.Exif)), ExifTags.TAGS),
                 "GPS": (dict(exif.get_ifd(ExifTags.IFD.GPSInfo)), ExifTags.GPSTAGS)}  # fmt: skip
        thumbnail = _thumbnail(image.info.get("exif"), dict(exif.get_ifd(ExifTags.IFD.IFD1)))
    except Exception as error:  # noqa: BLE001 - Pillow's parsers raise a dozen classes on damaged EXIF
        raise Unreadable(_("Pillow cannot read this picture ({why}).").format(why=str(error)[:200])) from None
    groups = {
        group: {str(names.get(tag, tag)): _bounded(_simple(value), 0) for tag, value in list(tags.items())[:_MOST_TAGS]}
        for group, (tags, names) in parts.items() if tags
    }  # fmt: skip
    groups["File"] = {"FileType": str(image.format), "ImageWidth": image.width, "ImageHeight": image.height}
    yield Facts("metadata", {"groups": groups, "by": "Pillow"})
    yield from _location(_signed(groups.get("GPS", {})))
    if thumbnail:
        yield from _preview("IFD1:ThumbnailImage", thumbnail)


def _simple(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, (tuple, list)):
        return [_simple(entry) for entry in value]
    if isinstance(value, dict):
        return {str(key): _simple(entry) for key, entry in value.items()}
    if isinstance(value, (str, int, type(None))):
        return value
    try:
        return round(float(value), 8)
    except (ArithmeticError, ValueError, TypeError):
        return str(value)


def _signed(gps: Data) -> dict[str, Any]:
    """Degrees, minutes and seconds with their letters as signed degrees."""
    out: dict[str, Any] = {}
    for name, negative in (("GPSLatitude", "S"), ("GPSLongitude", "W")):
        parts = gps.get(name)
        with suppress(TypeError, ValueError):
            degrees = sum(float(part) / 60**power for power, part in enumerate((parts or [])[:3]))
            if parts:
                out[f"Composite:{name}"] = -degrees if str(gps.get(f"{name}Ref")).startswith(negative) else degrees
    return out


def _thumbnail(raw: object, tags: dict[int, Any]) -> bytes:
    offset, length = tags.get(513), tags.get(514)
    if not isinstance(raw, bytes) or not isinstance(offset, int) or not isinstance(length, int) or offset < 0:
        return b""
    data = raw[6:][offset : offset + length] if raw.startswith(b"Exif\0\0") else raw[offset : offset + length]
    return data if data.startswith(b"\xff\xd8") else b""
