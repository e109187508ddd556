"""Reads tar, 7z, rar, cab, iso, cpio, ar, lha and compressed files through libarchive, where the machine has it.

Invariant: only formats that lie wholly inside the stream are bound: never mtree, whose entries name files on this machine, and
none of the filters that start a program (lrzip, grzip, lzop).

Source: libarchive(3), archive_read_format(3), archive_read_filter(3).
"""

import ctypes
import logging
import os
import struct
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import Any, BinaryIO

from amparo.evidence.findings import Chunk, Finding, Hints, Member, MemberEnd, Unreadable
from amparo.evidence.readers.archive import PIECE, Tally, _Reached, base, name_of
from amparo.kernel.i18n import _

_FORMATS = ("tar", "7zip", "rar", "rar5", "cab", "lha", "ar", "cpio", "iso9660")
_FILTERS = ("gzip", "bzip2", "xz", "lzma", "zstd", "lz4", "lzip", "compress")
_COMPRESSED = (
    b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"LZIP", b"\x1f\x9d", b"\x5d\x00\x00",
)  # fmt: skip
_WARN = -20
_FILE, _FOLDER, _LINK = 0o100000, 0o040000, 0o120000


def _bind() -> Any:
    """The functions of libarchive, or None. Its path is named so that no program is run to find it."""
    if "LIBARCHIVE" not in os.environ:
        for name in ("libarchive.so.13", "libarchive.dylib", "libarchive.so"):
            with suppress(OSError):
                ctypes.CDLL(name)
                os.environ["LIBARCHIVE"] = name
                break
        else:
            return None
    try:
        from libarchive import ffi  # type: ignore[import-untyped]
    except (ImportError, OSError, AttributeError, TypeError):
        return None
    logging.getLogger("libarchive").addHandler(logging.NullHandler())
    logging.getLogger("libarchive").propagate = False
    for name in ("entry_is_data_encrypted", "entry_is_metadata_encrypted"):
        ffi.ffi(name, [ctypes.c_void_p], ctypes.c_int)
    ffi.ffi("entry_pathname_utf8", [ctypes.c_void_p], ctypes.c_char_p)
    return ffi


_LIBRARY = _bind()
AVAILABLE = _LIBRARY is not None


class _Failed(Exception):
    """libarchive stopped: its own words."""


class _Gunzip:
    """A gzip file as the bytes it holds, each of its checksums compared, which libarchive leaves out (RFC 1952).

    zlib's own comparison would keep the last bytes of a damaged file back: they are wanted, and said to be damaged.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._inflate: Any = None
        self._checksum = 0
        self._waiting = b""
        self.consumed = 0
        self.problem = ""

    def _more(self) -> bool:
        data = self._stream.read(1 << 16)
        self.consumed += len(data)
        self._waiting += data
        return bool(data)

    def read(self, size: int) -> bytes:
        """The next bytes, b"" at the end or at a damage, which ``problem`` then names."""
        while not self.problem:
            if self._inflate is None and not self._begin():
                return b""
            if not self._waiting and not self._more():
                self.problem = _("gzip data end before their checksum")
                return b""
            try:
                data: bytes = self._inflate.decompress(self._waiting, size)
            except zlib.error as error:
                self.problem = _("gzip: {words}").format(words=str(error)[:100])
                return b""
            self._checksum = zlib.crc32(data, self._checksum)
            self._waiting = self._inflate.unconsumed_tail
            if self._inflate.eof:
                self._waiting = self._inflate.unused_data
                self._end()
            if data:
                return data
        return b""

    def _begin(self) -> bool:
        """Go past a header; False at the end of the file, or of what is gzip in it."""
        while not self._waiting.strip(b"\0"):  # zeros may fill a tape's block
            self._waiting = b""
            if not self._more():
                return False
        self._waiting = self._waiting.lstrip(b"\0")
        while (length := gzip_header(self._waiting)[0]) < 0 and len(self._waiting) < 1 << 18 and self._more():
            pass
        if length <= 0:
            self.problem = _("gzip: what follows is no gzip data")
            return False
        self._waiting = self._waiting[length:]
        self._inflate, self._checksum = zlib.decompressobj(-15), 0
        return True

    def _end(self) -> None:
        while len(self._waiting) < 8 and self._more():
            pass
        if len(self._waiting) < 8:
            self.problem = _("gzip data end before their checksum")
        elif struct.unpack_from("<L", self._waiting)[0] != self._checksum:
            self.problem = _("gzip: checksum wrong")
        self._waiting = self._waiting[8:]
        self._inflate = None


def gzip_header(head: bytes) -> tuple[int, str, int]:
    """(length, name, ms since 1970) of a gzip header (RFC 1952 §2.3); length -1 where more is needed, 0 where it is none."""
    if head[:3] != b"\x1f\x8b\x08"[: len(head)]:
        return 0, "", 0
    if len(head) < 12:
        return -1, "", 0
    flags, seconds = head[3], struct.unpack_from("<L", head, 4)[0]
    at = 10 + (2 + struct.unpack_from("<H", head, 10)[0] if flags & 4 else 0)
    name = ""
    for flag in (8, 16):  # name, comment
        if flags & flag:
            raw, zero, _rest = head[at:].partition(b"\0")
            if not zero:
                return -1, "", 0
            name = name_of(raw) if flag == 8 else name
            at += len(raw) + 1
    at += 2 if flags & 2 else 0
    return (at if at <= len(head) else -1), name, seconds * 1000


class _Reader:
    """One archive through libarchive: ``entries`` walks, ``content`` reads the entry in hand."""

    def __init__(self, stream: BinaryIO, formats: tuple[str, ...], password: str, gunzip: _Gunzip | None) -> None:
        self._ffi = _LIBRARY
        self._stream = stream
        self.gunzip = gunzip
        self.consumed = 0
        self._keep = b""  # libarchive reads from this buffer until it asks again
        self._archive = self._ffi.read_new()
        self._callbacks: tuple[Any, ...] = ()
        try:
            if password:
                self._ffi.read_add_passphrase(self._archive, password.encode())
            for name in _FILTERS:
                with suppress(ValueError):
                    self._call(self._ffi.get_read_filter_function(name))
            for name in formats:
                with suppress(ValueError):
                    self._call(self._ffi.get_read_format_function(name))
            self._callbacks = (self._ffi.READ_CALLBACK(self._more), self._ffi.SEEK_CALLBACK(self._seek))
            if gunzip is None:
                self._call(self._ffi.read_set_seek_callback, self._callbacks[1])
            self._call(self._ffi.read_open, None, self._ffi.NO_OPEN_CB, self._callbacks[0], self._ffi.NO_CLOSE_CB)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        archive, self._archive = self._archive, None
        if archive:
            with suppress(Exception):
                self._ffi.read_free(archive)

    def _more(self, _archive: Any, _context: Any, place: Any) -> int:
        if self.gunzip is not None:
            self._keep = self.gunzip.read(1 << 16)
            self.consumed = self.gunzip.consumed
        else:
            self._keep = self._stream.read(1 << 16)
            self.consumed += len(self._keep)
        place[0] = ctypes.cast(ctypes.c_char_p(self._keep), ctypes.c_void_p)
        return len(self._keep)

    def _seek(self, _archive: Any, _context: Any, offset: int, whence: int) -> int:
        return self._stream.seek(offset, whence)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> int:
        from libarchive.exception import ArchiveError  # type: ignore[import-untyped]

        try:
            return int(function(self._archive, *arguments))
        except ArchiveError as error:
            words = error.msg.decode("ascii", "replace") if isinstance(error.msg, bytes) else str(error.msg or "?")
            raise _Failed(words[:200]) from None

    def entries(self) -> Iterator[Any]:
        """Pointers to the entries, each good until the next is asked for. Raises _Failed."""
        entry = self._ffi.entry_new()
        try:
            while self._call(self._ffi.read_next_header2, entry) != self._ffi.ARCHIVE_EOF:
                yield entry
        finally:
            self._ffi.entry_free(entry)

    def content(self) -> Iterator[bytes]:
        """The plain bytes of the entry in hand, holes as zeros, up to where it is damaged. Raises _Failed."""
        block, size, offset = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_longlong()
        at = 0
        while True:
            result = self._call(self._ffi.read_data_block, ctypes.byref(block), ctypes.byref(size), ctypes.byref(offset))
            if result == self._ffi.ARCHIVE_EOF:
                return
            while at < offset.value:
                hole = min(PIECE, offset.value - at)
                at += hole
                yield bytes(hole)
            for start in range(0, size.value, PIECE):
                yield ctypes.string_at((block.value or 0) + start, min(PIECE, size.value - start))
            at += size.value
            if result < 0:
                raise _Failed(self.words())

    def words(self) -> str:
        text = self._ffi.error_string(self._archive) or b"?"
        return text.decode("ascii", "replace")[:200]

    def path(self, entry: Any) -> str:
        wide = self._ffi.entry_pathname_utf8(entry)
        if wide is not None:
            return bytes(wide).decode("utf-8", "backslashreplace")
        return name_of(self._ffi.entry_pathname(entry) or b"?")

    def target(self, entry: Any) -> str:
        return name_of(self._ffi.entry_symlink(entry) or self._ffi.entry_hardlink(entry) or b"")

    def modified(self, entry: Any) -> int:
        """Milliseconds since 1970; 0 where unknown or beyond what a file of our time can have."""
        when = int(self._ffi.entry_mtime(entry)) if self._ffi.entry_mtime_is_set(entry) else 0
        return when * 1000 + int(self._ffi.entry_mtime_nsec(entry)) // 1_000_000 if 0 < when < 1 << 36 else 0

    def format(self) -> str:
        name = (self._ffi.format_name(self._archive) or b"").decode("ascii", "replace")
        filters = [
            (self._ffi.filter_name(self._archive, number) or b"").decode("ascii", "replace")
            for number in range(max(0, self._ffi.filter_count(self._archive) - 1))
        ]
        filters += ["gzip"] if self.gunzip is not None else []
        return " + ".join(part for part in (name, *filters) if part and part != "none")

    def kind(self, entry: Any) -> int:
        return int(self._ffi.entry_filetype(entry))

    def encrypted(self, entry: Any) -> bool:
        return bool(self._ffi.entry_is_data_encrypted(entry) or self._ffi.entry_is_metadata_encrypted(entry))


def read_packed(stream: BinaryIO, hints: Hints, counts: Tally, head: bytes) -> Iterator[Finding]:
    """Yield the members of what libarchive can read, then Facts ("container") and warnings. Raises Unreadable."""
    if not AVAILABLE:
        raise Unreadable(_("This archive needs libarchive, which this computer lacks (Debian: apt install libarchive13)."))
    formats: tuple[str, ...] = ("zip_streamable", "zip_seekable") if head[:2] == b"PK" else _FORMATS
    if head.startswith(b"PK") and not hints.options.get("password"):
        formats = ("zip_streamable",)
    if head.startswith(_COMPRESSED):
        formats = ("tar", "cpio", "raw")
    container = yield from _walk(stream, hints, counts, formats)
    if "raw" in formats and not counts.members + counts.directories + counts.damaged:
        container = yield from _walk(stream, hints, counts, ("raw",))  # zeros look like the end of a tar archive
    yield counts.facts(container)
    yield from counts.warnings()


def _walk(stream: BinaryIO, hints: Hints, counts: Tally, formats: tuple[str, ...]) -> Generator[Finding, None, str]:
    """Yield the members; return libarchive's name of what it is."""
    stream.seek(0)
    head = stream.read(4096)
    gunzip = _Gunzip(stream) if head.startswith(b"\x1f\x8b") else None
    stream.seek(0)
    password = str(hints.options.get("password") or "")
    reader: _Reader | None = None
    container = ""
    try:
        reader = _Reader(stream, formats, password, gunzip)
        yield from _members(reader, hints, counts, head, raw="raw" in formats, password=bool(password))
    except _Failed as error:
        if reader is None or not counts.members + counts.directories:
            raise Unreadable(_("The archive cannot be read: {why}.").format(why=error)) from None
        counts.damaged += 1
        counts.stopped = _("The archive is damaged or cut off after member {n} ({why}); what stood before was read.").format(
            n=counts.members, why=error
        )
    finally:
        if reader:
            container = reader.format()
            reader.close()
    if gunzip is not None and not counts.stopped:
        for _piece in range(1024):  # after the end of a tar archive: up to 64 MiB, for the checksum
            if not gunzip.read(1 << 16):
                break
        if gunzip.problem:
            counts.stopped = _("The archive is damaged or cut off ({why}); what could be read was.").format(why=gunzip.problem)
    return container


def _members(reader: _Reader, hints: Hints, counts: Tally, head: bytes, *, raw: bool, password: bool) -> Iterator[Finding]:
    for entry in reader.entries():
        path = reader.path(entry)
        modified = reader.modified(entry)
        if raw and path == "data" and reader.format().startswith("raw"):
            inside = ""
            if reader.gunzip is not None:
                _length, inside, modified = gzip_header(head)
            path = inside or hints.name.rpartition(".")[0] or hints.name or "data"
        kind, target = reader.kind(entry), reader.target(entry)
        if kind == _FOLDER:
            counts.directories += 1
            if counts.directories > counts.most_members:
                counts.stopped = _("The archive has more than {n} folders; the rest was not read.").format(
                    n=counts.most_members
                )
                return
            continue
        try:
            counts.begin(path)
        except _Reached as reached:
            counts.stopped = str(reached)
            return
        if kind == _LINK or target:
            counts.note("links", {"path": path[:1000], "target": target[:1000]})
            continue
        if kind not in (_FILE, 0):
            counts.note("devices", path[:1000])
            continue
        yield Member(base(path), path, modified=modified)
        yield from _body(reader, counts, encrypted=reader.encrypted(entry), password=password)
        if counts.stopped:
            return


def _body(reader: _Reader, counts: Tally, *, encrypted: bool, password: bool) -> Iterator[Finding]:
    """The chunks of the member in hand and its end."""
    if encrypted and not (password and reader.format().startswith("ZIP")):
        counts.encrypted += 1
        yield MemberEnd(
            _("It is encrypted; give the archive's password to read it.")
            if reader.format().startswith("ZIP")
            else _("It is encrypted, which is not undone here; open the archive with its own program and add what comes out.")
        )
        return
    here, before, problem = 0, reader.consumed, ""
    try:
        for data in reader.content():
            here += len(data)
            # in a solid archive the packed bytes of this member may have been read with the one before
            counts.add(len(data), here, max(reader.consumed - before, reader.consumed // max(1, counts.members)))
            yield Chunk(data)
    except _Reached as reached:
        counts.stopped = str(reached)  # skipping the rest of it would cost as much as reading it
        problem = counts.stopped
    except _Failed as error:
        counts.damaged += 1
        problem = _("It is damaged, cut off or of an unknown method ({why}).").format(why=error)
    if not problem and reader.gunzip is not None and reader.gunzip.problem:
        counts.damaged += 1
        problem = _("It is damaged or cut off ({why}).").format(why=reader.gunzip.problem)
    yield MemberEnd(problem)
