"""Reads zip archives with the standard library, and tar, 7z, rar, cab, iso and compressed files with libarchive, within caps.

Invariant: no path of an archive is ever used as a path: links, devices and absolute or ".." paths are told of, none is
followed or made. Members, plain bytes, their ratio to the packed bytes, and depth are bounded; where a bound, a checksum or a
key stops the reading of a member, its ``MemberEnd`` says so and the rest is read on.

Sources: PKWARE APPNOTE 6.3.10 (zip); D. Fifield, "A better zip bomb" (2019), on overlapping members.
"""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from lzma import LZMAError
from typing import BinaryIO

from amparo.evidence.findings import Chunk, Data, Facts, Finding, Hints, Member, MemberEnd, Unreadable, Warn
from amparo.kernel.i18n import _

MEDIA_TYPES = (
    "application/zip", "application/x-tar", "application/gzip", "application/x-bzip2", "application/x-xz", "application/zstd",
    "application/x-7z-compressed", "application/vnd.rar", "application/x-rar-compressed", "application/vnd.ms-cab-compressed",
    "application/x-iso9660-image", "application/x-cpio", "application/x-archive", "application/x-lzh-compressed",
    "application/x-lz4", "application/x-compress",
)  # fmt: skip
NAME = "archive/1"
PIECE = 1 << 20
DAMAGED = (
    zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError, ValueError, RuntimeError, struct.error, OverflowError,
)  # fmt: skip
"""What the standard library raises on damaged, encrypted (RuntimeError) and unknown (NotImplementedError) zip members."""
_LISTED = 1000  # of each oddity, so many are named and the rest counted
_SMALL = 256 << 20  # up to so many plain bytes a ratio is nobody's business


class _Reached(Exception):
    """A cap is reached: one sentence."""


@dataclass
class Tally:
    """What is counted while an archive is read, and its caps (``hints.options``: max_members, max_bytes, max_ratio)."""

    members: int = 0
    plain: int = 0
    directories: int = 0
    encrypted: int = 0
    damaged: int = 0
    stopped: str = ""
    notes: dict[str, list[str | Data]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    most_members: int = 1_000_000
    most_bytes: int = 1 << 38
    ratio: int = 200
    _seen: set[int] = field(default_factory=set)

    def note(self, what: str, value: str | Data) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1
        if self.counts[what] <= _LISTED:
            self.notes.setdefault(what, []).append(value)

    def begin(self, path: str) -> None:
        """Count a member and note what is odd about its path. Raises _Reached."""
        if self.members >= self.most_members:
            raise _Reached(_("The archive has more than {n} members; the rest was not read.").format(n=self.most_members))
        self.members += 1
        if unsafe(path):
            self.note("unsafe_paths", path[:1000])
        key = hash(path)
        if key in self._seen:
            self.note("duplicates", path[:1000])
        self._seen.add(key)

    def add(self, size: int, here: int, packed: int) -> None:
        """Count ``size`` plain bytes of a member that has ``here`` of them, out of ``packed`` bytes. Raises _Reached."""
        self.plain += size
        if self.plain > self.most_bytes:
            raise _Reached(_("The archive holds more than {n} plain bytes; the rest was not read.").format(n=self.most_bytes))
        if here > _SMALL and here > self.ratio * max(packed, 1):
            raise _Reached(
                _("It grows to more than {n} times its packed size, as an archive bomb does; it was cut off.").format(
                    n=self.ratio
                )
            )

    def facts(self, container: str) -> Facts:
        data: Data = {
            "format": container, "members": self.members, "directories": self.directories, "plain_bytes": self.plain,
            "encrypted": self.encrypted, "damaged": self.damaged, "complete": not self.stopped,
        }  # fmt: skip
        data.update(self.notes)
        data.update({f"{what}_count": count for what, count in self.counts.items() if count > _LISTED})
        return Facts("container", data)

    def warnings(self) -> Iterator[Warn]:
        """One sentence for each kind of oddity."""
        sentences = {
            "links": _("{n} links were not followed; the facts list them."),
            "devices": _("{n} devices, pipes or sockets were left out; the facts list them."),
            "unsafe_paths": _("{n} paths are absolute, lead upwards or hold control characters; nothing was written to them."),
            "duplicates": _("{n} paths occur more than once; each such member was read."),
            "overlaps": _("{n} members share bytes with another one, as in an archive bomb; they were not read."),
        }
        for what, count in self.counts.items():
            yield Warn(sentences[what].format(n=count))
        if self.stopped:
            yield Warn(self.stopped)


def tally(hints: Hints) -> Tally:
    """An empty tally with the caps of ``hints``. Raises Unreadable where archives lie too deep within archives."""
    options = hints.options
    deepest, depth = options.get("max_depth", 8), options.get("depth", 0)
    if isinstance(depth, int) and isinstance(deepest, int) and depth > deepest:
        raise Unreadable(_("This archive lies {n} archives deep, as archive bombs do; it was not opened.").format(n=depth))
    out = Tally()
    for option, name in (("max_members", "most_members"), ("max_bytes", "most_bytes"), ("max_ratio", "ratio")):
        value = options.get(option)
        if isinstance(value, int) and value > 0:
            setattr(out, name, value)
    return out


def unsafe(path: str) -> bool:
    """Whether writing to this path could land outside a folder, or its look deceives."""
    plain = path.replace("\\", "/")
    return (
        plain.startswith("/") or plain[1:2] == ":" or ".." in plain.split("/")
        or any(ord(letter) < 32 or letter in "\x7f\u202e\u2066\u2067\u2068" for letter in plain)
    )  # fmt: skip


def base(path: str) -> str:
    """The last step of a path inside an archive, for a name."""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2][:255] or "?"


def name_of(raw: bytes, fallback: str = "") -> str:
    """A name whose encoding the archive does not state: UTF-8, else ``fallback``, else the Russian or first DOS code page."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if fallback:
        return raw.decode(fallback, "backslashreplace")
    high = [byte for byte in raw if byte > 127]
    russian = all(0x80 <= byte <= 0xAF or 0xE0 <= byte <= 0xF1 for byte in high)
    return raw.decode("cp866" if russian else "cp437", "backslashreplace")


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Yield the members of an archive, then its Facts ("container") and warnings.

    ``hints.options``: password, max_members, max_bytes, max_ratio, depth, max_depth. Raises Unreadable.
    """
    counts = tally(hints)
    stream.seek(0)
    head = stream.read(8)
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08") or hints.media_type == "application/zip":
        yield from _zip(stream, hints, counts)
        return
    from amparo.evidence.readers import packed  # binds libarchive, which not every machine has

    yield from packed.read_packed(stream, hints, counts, head)


def _zip(stream: BinaryIO, hints: Hints, counts: Tally) -> Iterator[Finding]:
    try:
        _check_directory(stream)
        archive = zipfile.ZipFile(stream)
    except DAMAGED as error:
        from amparo.evidence.readers import packed

        yield Warn(
            _("The zip archive's directory is missing or damaged ({why}); members were read by their own headers.").format(
                why=str(error)[:200]
            )
        )
        yield from packed.read_packed(stream, hints, counts, b"PK\x03\x04")
        return
    with archive:
        infos = archive.infolist()
        password = str(hints.options.get("password") or "")
        if password and any(info.flag_bits & 1 for info in infos):
            from amparo.evidence.readers import packed

            if packed.AVAILABLE:  # it knows AES, which zipfile does not
                yield from packed.read_packed(stream, hints, counts, b"PK\x03\x04")
                return
        yield from zip_members(archive, counts, password)
        yield counts.facts("zip")
    yield from counts.warnings()


def _check_directory(stream: BinaryIO) -> None:
    """Raise Unreadable where the central directory alone would fill the memory (APPNOTE §4.3.14, §4.3.16)."""
    size = stream.seek(0, 2)
    stream.seek(max(0, size - 65557))
    tail = stream.read(65557)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        raise zipfile.BadZipFile(_("no end record"))
    entries, length = struct.unpack_from("<HL", tail, at + 10)
    wide = tail.rfind(b"PK\x06\x06", 0, at)
    if (entries == 0xFFFF or length == 0xFFFFFFFF) and wide >= 0 and wide + 48 <= len(tail):
        entries, length = struct.unpack_from("<QQ", tail, wide + 32)
    if length > 1 << 28 or entries > 4_000_000:
        raise Unreadable(
            _("The zip archive lists {n} members in {size} bytes, more than is read; unpack it in parts.").format(
                n=entries, size=length
            )
        )


def zip_members(archive: zipfile.ZipFile, counts: Tally, password: str = "") -> Iterator[Finding]:
    """Yield the members of an open zip archive in the order of its directory, within the caps of ``counts``."""
    infos = archive.infolist()
    overlapping = _overlaps(infos)
    first = min((info.header_offset for info in infos), default=0)
    if first:
        yield Warn(_("{n} bytes stand before the first member; they are not part of any.").format(n=first))
    for info in infos:
        path = zip_name(info)
        try:
            counts.begin(path)
        except _Reached as reached:
            counts.stopped = str(reached)
            return
        if info.filename.endswith("/"):
            counts.members -= 1
            counts.directories += 1
            continue
        yield Member(base(path), path, modified=_modified(info))
        problem = ""
        kind = (info.external_attr >> 28) & 0xF if info.create_system == 3 else 0
        if id(info) in overlapping:
            counts.note("overlaps", path[:1000])
            problem = _("Its bytes overlap those of another member; it was not read.")
        elif info.flag_bits & 1 and not password:
            counts.encrypted += 1
            problem = _("It is encrypted; give the archive's password to read it.")
        elif kind == 0xA and info.file_size > 4096:
            problem = _("It claims to be a link but has content; it was not read.")
        else:
            try:
                yield from _content(archive, info, counts, password)
            except _Reached as reached:
                problem = str(reached)
                if counts.plain > counts.most_bytes:
                    counts.stopped = problem
            except DAMAGED as error:
                counts.damaged += 1
                problem = _problem(error)
            if kind == 0xA:
                counts.note("links", path[:1000])
        yield MemberEnd(problem)
        if counts.stopped:
            return


def _problem(error: Exception) -> str:
    if isinstance(error, NotImplementedError):
        return _("It is packed in a way that is not known here ({why}).").format(why=str(error)[:200])
    if isinstance(error, RuntimeError):
        return _("The password does not open it.")
    return _("It is damaged or cut off ({why}).").format(why=str(error)[:200] or type(error).__name__)


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, counts: Tally, password: str) -> Iterator[Chunk]:
    here = checksum = 0
    with archive.open(info, pwd=password.encode() if info.flag_bits & 1 else None) as member:
        member._expected_crc = None  # type: ignore[attr-defined] # noqa: SLF001 - damaged bytes are wanted too, and said so
        while data := member.read(PIECE):
            here += len(data)
            checksum = zlib.crc32(data, checksum)
            counts.add(len(data), here, info.compress_size)
            for start in range(0, len(data), PIECE):
                yield Chunk(data[start : start + PIECE])
    if checksum != info.CRC:
        raise zipfile.BadZipFile(_("checksum wrong"))


def _overlaps(infos: list[zipfile.ZipInfo]) -> set[int]:
    """The ``id`` of each entry whose bytes begin inside those of one before it in the file."""
    out: set[int] = set()
    end = -1
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            out.add(id(info))
        end = max(end, info.header_offset + 30 + len(info.orig_filename) + info.compress_size)
    return out


def zip_name(info: zipfile.ZipInfo) -> str:
    """A member's path as written, its encoding undone as far as it is known."""
    if info.flag_bits & 0x800:
        return info.orig_filename
    try:
        return name_of(info.orig_filename.encode("cp437"))
    except UnicodeEncodeError:
        return info.orig_filename


def _modified(info: zipfile.ZipInfo) -> int:
    """Milliseconds since 1970: the extended timestamp (UTC) if there is one, else the DOS time, of no zone, as if UTC."""
    extra = info.extra
    while len(extra) >= 4:
        tag, length = struct.unpack_from("<HH", extra)
        if tag == 0x5455 and length >= 5 and len(extra) >= 9 and extra[4] & 1:
            return int(struct.unpack_from("<l", extra, 5)[0]) * 1000
        extra = extra[4 + length :]
    if info.date_time[:3] == (1980, 1, 1):
        return 0  # what packers write that know no time
    try:
        return int(datetime(*info.date_time, tzinfo=UTC).timestamp()) * 1000
    except ValueError:
        return 0
