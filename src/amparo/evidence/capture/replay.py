"""Reading a web capture back: an address in, the answer of that day out; nothing is rewritten and nothing is fetched.

Invariant: an answer is what a record in the archive holds, byte for byte, or there is none (``Missing`` is not papered over
with something similar). The archive may come from strangers: sizes are bounded before anything is read into memory, and
bodies are streamed. Random access: only index, description and the record asked for are read.
"""

import io
import json
import threading
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Final

from amparo.evidence.capture.warc import Headers, sort_key, with_body
from amparo.evidence.readers import warc
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_

_FILES: Final = 10_000
_INDEX: Final = 256 << 20  # bytes of index lines, unpacked
_LINES: Final = 1_000_000
_LINE: Final = 16 << 20
_PAGES: Final = 64 << 20
_PIECE: Final = 256 << 10
_LOCAL: Final = 30  # bytes of a local file header (APPNOTE 4.3.7)


class BadCapture(BadInput):
    template = N_("This is no web capture that Amparo can show ({why}); it is kept as it is.")


@dataclass(slots=True, frozen=True)
class Entry:
    """A line of the index: where the record lies. ``when`` 14 digits."""

    url: str
    when: str
    status: int
    mime: str
    file: str
    offset: int
    length: int


@dataclass(slots=True)
class Shown:
    """A page of the capture: where looking begins."""

    url: str
    when: str
    title: str


@dataclass(slots=True)
class Answer:
    """What the server answered: ``size`` bytes of ``body``, -1 where that shows only at its end."""

    status: int
    reason: str
    headers: Headers
    body: Iterator[bytes]
    size: int
    entry: Entry


class Replay:
    """A WACZ file opened for looking; usable from several threads at one time."""

    def __init__(self, stream: IO[bytes] | io.RawIOBase) -> None:
        """``stream`` binary and seekable. Raises BadCapture."""
        self._stream, self._lock = stream, threading.Lock()
        try:
            self._zip = zipfile.ZipFile(stream)
            names = self._zip.infolist()
            if len(names) > _FILES:
                raise BadCapture(why=f"{len(names)} files")
            self._index: dict[str, list[Entry]] = {}
            self._read_index()
            self.pages = self._read_pages()
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, warc.Damaged) as error:
            raise BadCapture(why=str(error) or type(error).__name__) from None

    # -- index and pages -------------------------------------------------------------------------------------------------

    def _lines(self, name: str, limit: int) -> Iterator[bytes]:
        with self._zip.open(name) as packed:
            pieces = warc.pieces_of(packed)
            held, total = bytearray(), 0
            for piece in warc.inflated(pieces) if name.endswith(".gz") else pieces:
                held += piece
                total += len(piece)
                if total > limit or len(held) > _LINE:
                    raise BadCapture(why=f"{name} is too large")
                *lines, rest = held.split(b"\n")
                held = rest
                yield from map(bytes, lines)
            yield bytes(held)

    def _read_index(self) -> None:
        count = 0
        for name in self._zip.namelist():
            if not name.startswith("indexes/") or not name.endswith((".cdx", ".cdxj", ".cdx.gz", ".cdxj.gz")):
                continue
            for line in self._lines(name, _INDEX):
                entry = _entry(line)
                if entry is None:
                    continue
                count += 1
                if count > _LINES:
                    raise BadCapture(why="its index is too large")
                key = line.split(b" ", 1)[0].decode("utf-8", "replace")
                self._index.setdefault(key, []).append(entry)
        if not count:
            raise BadCapture(why="it has no index")

    def _read_pages(self) -> list[Shown]:
        found: list[Shown] = []
        for name in ("pages/pages.jsonl", "pages/extraPages.jsonl"):
            if name not in self._zip.namelist():
                continue
            for line in self._lines(name, _PAGES):
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError):
                    continue
                if isinstance(row, dict) and isinstance(row.get("url"), str):
                    when = "".join(char for char in str(row.get("ts", "")) if char.isdigit())[:14]
                    found.append(Shown(row["url"], when, str(row.get("title", ""))[:1000]))
                if len(found) >= _FILES:
                    return found
        return found

    @property
    def entries(self) -> Iterator[Entry]:
        """Every line of the index."""
        for held in self._index.values():
            yield from held

    # -- answers ---------------------------------------------------------------------------------------------------------

    def get(self, url: str, *, method: str = "GET", sent: bytes = b"", content_type: str = "", when: str = "") -> Answer | None:
        """The answer recorded for a request, of several the one nearest to ``when`` (14 digits; the first page's time).

        None where there is none. Raises BadCapture where the record cannot be read.
        """
        entry = self.find(url, method=method, sent=sent, content_type=content_type, when=when)
        return self._answer(entry) if entry is not None else None

    def find(self, url: str, *, method: str = "GET", sent: bytes = b"", content_type: str = "", when: str = "") -> Entry | None:
        """The line of the index that ``get`` would take."""
        plain = url.partition("#")[0]
        key = sort_key(with_body(plain, method, content_type, sent)[0])
        held = self._index.get(key, [])
        exact = [entry for entry in held if entry.url == plain] or held
        wanted = int(when or (self.pages[0].when if self.pages and self.pages[0].when else "0") or 0)
        best = [entry for entry in exact if 200 <= entry.status < 300 and entry.status != 206] or exact
        return min(best, key=lambda entry: abs(int(entry.when) - wanted), default=None)

    def _answer(self, entry: Entry, depth: int = 0) -> Answer:
        try:
            record = next(warc.records(warc.Source(self._record(entry))), None)
        except warc.Damaged as error:
            raise BadCapture(why=str(error)) from None
        if record is None:
            raise BadCapture(why="a record is empty")
        if record.type == "revisit" and depth == 0:
            first = warc.field_of(record.fields, "warc-refers-to-target-uri")
            same = [one for one in self._index.get(sort_key(first), []) if one != entry and one.mime != "warc/revisit"]
            if same:
                return self._answer(same[0], 1)
        body = _told(record.body)
        if not record.first:
            return Answer(200, "OK", [("Content-Type", warc.field_of(record.fields, "content-type"))], body, record.size, entry)
        size = record.size
        if "chunked" in warc.field_of(record.http, "transfer-encoding").lower():
            body, size = _unchunked(body), -1
        reason = record.first.split(" ", 2)[2:]
        return Answer(record.status or 502, reason[0] if reason else "", record.http, body, size, entry)

    def _record(self, entry: Entry) -> Iterator[bytes]:
        """The bytes of one record, unpacked."""
        name = f"archive/{entry.file}"
        if name not in self._zip.NameToInfo:
            raise BadCapture(why=f"{name} is not in it")
        info = self._zip.getinfo(name)
        if info.compress_type != zipfile.ZIP_STORED or entry.offset < 0 or entry.offset + entry.length > info.file_size:
            raise BadCapture(why=f"a record of {name} cannot be reached")
        local = self._read_at(info.header_offset, _LOCAL)
        start = info.header_offset + _LOCAL + int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
        raw = self._raw(start + entry.offset, entry.length)
        return warc.inflated(raw) if name.endswith(".gz") else raw

    def _raw(self, start: int, length: int) -> Iterator[bytes]:
        while length > 0:
            piece = self._read_at(start, min(length, _PIECE))
            if not piece:
                raise BadCapture(why="it is cut off")
            yield piece
            start, length = start + len(piece), length - len(piece)

    def _read_at(self, start: int, length: int) -> bytes:
        if start < 0:
            raise BadCapture(why="its directory points outside of it")
        with self._lock:
            self._stream.seek(start)
            found = bytearray()
            while len(found) < length:
                piece = self._stream.read(length - len(found))
                if not piece:
                    break
                found += piece
            return bytes(found)


def _entry(line: bytes) -> Entry | None:
    """A CDXJ line: key, 14 digits, JSON."""
    parts = line.split(b" ", 2)
    if len(parts) != 3 or not parts[1].isdigit() or len(parts[1]) > 17:
        return None
    try:
        row: Any = json.loads(parts[2])
        status = str(row.get("status", "200"))
        return Entry(
            str(row["url"]), parts[1].decode()[:14], int(status) if status.isdecimal() else 200, str(row.get("mime", "")),
            str(row["filename"]).rpartition("/")[2], int(row["offset"]), int(row["length"]),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _told(body: Iterator[bytes]) -> Iterator[bytes]:
    """A body whose damage is told in this module's words."""
    try:
        yield from body
    except warc.Damaged as error:
        raise BadCapture(why=str(error)) from None


def _unchunked(body: Iterator[bytes]) -> Iterator[bytes]:
    """Undo the chunked transfer coding (RFC 9112, 7.1), which some tools keep in their archives."""
    held = bytearray()
    for piece in body:
        held += piece
        while (end := held.find(b"\r\n")) >= 0:
            number = bytes(held[:end]).split(b";")[0].strip()
            try:
                size = int(number, 16)
            except ValueError:  # not chunked after all: tools that undo the coding forget the header
                yield bytes(held)
                yield from body
                return
            if size == 0:
                return
            if len(held) < end + 2 + size + 2:
                if size > 64 << 20:
                    raise BadCapture(why="a chunk of a body is too large")
                break
            yield bytes(held[end + 2 : end + 2 + size])
            del held[: end + 2 + size + 2]
