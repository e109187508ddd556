"""Reads WARC files (ISO 28500:2017, versions 0.17 to 1.1), packed or not: what they hold, and whether its digests hold.

Invariant: records are read one after the other in pieces, whatever their lengths claim; no body is kept. A record that cannot
be read on ends the reading, and that is said with how many came before it.
"""

import base64
import binascii
import hashlib
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import IO, Any, BinaryIO, Final

from amparo.evidence.findings import Chunk, Data, Facts, Finding, Hints, Member, MemberEnd, Unreadable, Warn
from amparo.kernel.i18n import _

MEDIA_TYPES = ("application/warc",)
NAME = "warc/1"

PIECE: Final = 256 << 10
_HEAD: Final = 256 << 10
_LISTED: Final = 1000
_WARNED: Final = 100
_ALGORITHMS: Final = {"sha1": "sha1", "sha256": "sha256", "sha-256": "sha256", "sha512": "sha512", "md5": "md5"}

Fields = list[tuple[str, str]]


class Damaged(Exception):
    """A record that cannot be read on: one sentence."""


def field_of(fields: Fields, name: str) -> str:
    """The first field of that name (lower case), or ""."""
    return next((value for key, value in fields if key.lower() == name), "")


def inflated(packed: Iterator[bytes]) -> Iterator[bytes]:
    """What gzip members hold, in pieces that are bounded however well they were squeezed. Raises Damaged."""
    unpack, begun = zlib.decompressobj(31), False
    for piece in packed:
        data = piece
        while data:
            begun = True
            try:
                plain = unpack.decompress(data, PIECE)
            except zlib.error as error:
                raise Damaged(str(error)) from None
            if plain:
                yield plain
            data = unpack.unconsumed_tail
            if unpack.eof:
                data, unpack, begun = unpack.unused_data, zlib.decompressobj(31), False
    if begun:
        raise Damaged(_("it is cut off"))


class Source:
    """Bytes that come in pieces, read by line and by count."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._held = pieces, bytearray()

    def _more(self) -> bool:
        piece = next(self._pieces, b"")
        self._held += piece
        return bool(piece)

    def head(self) -> bytes:
        """Up to the empty line, without it; blank lines before are skipped; b"" at the end. Raises Damaged."""
        while True:
            blank = len(self._held) - len(self._held.lstrip(b"\r\n"))
            del self._held[:blank]
            for mark in (b"\r\n\r\n", b"\n\n"):
                end = self._held.find(mark)
                if end >= 0:
                    found = bytes(self._held[:end])
                    del self._held[: end + len(mark)]
                    return found
            if len(self._held) > _HEAD:
                raise Damaged(_("its headers do not end"))
            if not self._more():
                if self._held:
                    raise Damaged(_("it is cut off"))
                return b""

    def take(self, count: int) -> Iterator[bytes]:
        """Exactly ``count`` bytes in pieces. Raises Damaged where they end too early."""
        left = count
        while left > 0:
            if not self._held and not self._more():
                raise Damaged(_("it is cut off"))
            piece = bytes(self._held[:left])
            del self._held[: len(piece)]
            left -= len(piece)
            yield piece


def parse_head(head: bytes) -> tuple[str, Fields]:
    """First line and fields of a record or a HTTP message; folded lines are joined."""
    lines: list[str] = []
    for line in head.decode("utf-8", "surrogateescape").split("\n"):
        text = line.rstrip("\r")
        if text[:1] in {" ", "\t"} and lines:
            lines[-1] += " " + text.strip()
        else:
            lines.append(text)
    pairs = [line.partition(":") for line in lines[1:]]
    return lines[0], [(name.strip(), value.strip()) for name, mark, value in pairs if mark]


@dataclass(slots=True)
class Record:
    """One record; ``body`` must be read to its end before the next. ``first`` and ``http`` are of the HTTP message in it.

    ``size`` bytes of body; which digests were ``checked`` and ``wrong`` shows once it has been read.
    """

    fields: Fields
    first: str
    http: Fields
    size: int
    body: Iterator[bytes]
    wrong: list[str] = field(default_factory=list)
    checked: int = 0

    @property
    def type(self) -> str:
        """WARC-Type."""
        return field_of(self.fields, "warc-type").lower()

    @property
    def url(self) -> str:
        """WARC-Target-URI, without the angle brackets of older writers."""
        return field_of(self.fields, "warc-target-uri").strip("<>")

    @property
    def status(self) -> int:
        """HTTP status, 0 if there is none."""
        words = self.first.split(" ", 2)
        return int(words[1]) if len(words) > 1 and words[1].isascii() and words[1].isdecimal() and len(words[1]) == 3 else 0

    @property
    def mime(self) -> str:
        """The declared media type of what was transferred."""
        held = field_of(self.http, "content-type") if self.first else field_of(self.fields, "content-type")
        return held.partition(";")[0].strip().lower()[:100]


def records(source: Source) -> Iterator[Record]:
    """The records of a WARC, one after the other. Raises Damaged."""
    while head := source.head():
        first, fields = parse_head(head)
        if not first.startswith("WARC/"):
            raise Damaged(_("a record does not begin with WARC/ and a version"))
        length = field_of(fields, "content-length")
        if not (length.isascii() and length.isdecimal() and len(length) < 18):
            raise Damaged(_("a record has no length"))
        record = _open(source, fields, int(length))
        yield record
        for _rest in record.body:
            pass


def _open(source: Source, fields: Fields, length: int) -> Record:
    """Read the HTTP head, if there is one, and set up the checking of digests over the rest."""
    block = _Digest(field_of(fields, "warc-block-digest"))
    inner = _Digest(field_of(fields, "warc-payload-digest"))
    kind = field_of(fields, "content-type").replace(" ", "").lower()
    pieces, held, head = source.take(length), bytearray(), b""
    if kind.startswith("application/http"):
        while (end := held.find(b"\r\n\r\n")) < 0 and len(held) < _HEAD and (piece := next(pieces, b"")):
            held += piece
        if end >= 0:
            head = bytes(held[: end + 4])
            del held[: end + 4]
            block.update(head)
    first, http = parse_head(head[:-4]) if head else ("", [])
    record = Record(fields, first, http, length - len(head), iter(()))
    record.body = _checked(record, chain([bytes(held)] if held else [], pieces), block, inner)
    return record


def _checked(record: Record, body: Iterator[bytes], block: "_Digest", inner: "_Digest") -> Iterator[bytes]:
    for piece in body:
        block.update(piece)
        inner.update(piece)
        yield piece
    whole = not field_of(record.fields, "warc-segment-number")
    for name, digest, due in (("block", block, whole), ("payload", inner, whole and record.type != "revisit")):
        if digest.known and due:
            record.checked += 1
            if not digest.holds():
                record.wrong.append(name)


class _Digest:
    """A digest as WARC writes it: algorithm:value, the value in Base32, Base16 or Base64."""

    def __init__(self, written: str) -> None:
        name, _mark, self._value = written.partition(":")
        algorithm = _ALGORITHMS.get(name.strip().lower(), "")
        self.known = bool(algorithm and self._value)
        self._running = hashlib.new(algorithm, usedforsecurity=False) if self.known else None

    def update(self, data: bytes) -> None:
        """Count these bytes in."""
        if self._running is not None:
            self._running.update(data)

    def holds(self) -> bool:
        """True if the value is that of the bytes."""
        assert self._running is not None
        found = self._running.digest()
        value = self._value.strip()
        if value.lower() == found.hex() or value.rstrip("=").upper() == base64.b32encode(found).decode().rstrip("="):
            return True
        try:
            return (
                base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_" if set(value) & set("-_") else None) == found
            )
        except (binascii.Error, ValueError):
            return False


# -- what is found --------------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What is counted over the records of one or more WARC files."""

    types: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    mimes: Counter[str] = field(default_factory=Counter)
    hosts: Counter[str] = field(default_factory=Counter)
    first: str = ""
    last: str = ""
    software: str = ""
    checked: int = 0
    unchecked: int = 0
    wrong: list[str] = field(default_factory=list)
    wrong_count: int = 0
    truncated: int = 0
    pages: list[Data] = field(default_factory=list)

    def count(self, record: Record) -> None:
        """A record whose body has been read."""
        self.types[record.type[:20]] += 1
        date = field_of(record.fields, "warc-date")[:30]
        if date and record.type != "warcinfo":
            self.first = min(self.first or date, date)
            self.last = max(self.last, date)
        self.truncated += bool(field_of(record.fields, "warc-truncated"))
        self.checked += record.checked
        self.unchecked += not record.checked and record.type in {"response", "resource"}
        if record.wrong:
            self.wrong_count += 1
            if len(self.wrong) < _WARNED:
                self.wrong.append(f"{record.url[:500]} ({', '.join(record.wrong)})")
        if record.type == "response":
            self._response(record, date)

    def _response(self, record: Record, date: str) -> None:
        self.statuses[str(record.status)] += 1
        host = re.split("[/?#]", record.url.partition("://")[2], maxsplit=1)[0][:200]
        for counter, key in ((self.mimes, record.mime), (self.hosts, host)):
            if key in counter or len(counter) < _LISTED:
                counter[key] += 1
        if record.mime == "text/html" and record.status == 200 and len(self.pages) < _LISTED:
            self.pages.append({"url": record.url[:2000], "date": date})

    def facts(self) -> Data:
        """All of it."""
        return {
            "records": dict(self.types), "answers by status": dict(self.statuses),
            "answers by type": dict(self.mimes.most_common(50)), "hosts": dict(self.hosts.most_common(50)),
            "first date": self.first, "last date": self.last, "software": self.software,
            "digests checked": self.checked, "digests wrong": self.wrong_count, "wrong": list(self.wrong),
            "answers without digest": self.unchecked, "cut off by the recorder": self.truncated, "html": list(self.pages),
        }  # fmt: skip


def wanted(hints: Hints) -> set[str] | None:
    """Whose bodies are to be handed out (``hints.options["resources"]``): a set of URLs, None for all."""
    asked: Any = hints.options.get("resources", [])
    return {str(one) for one in asked} if isinstance(asked, list) else None if asked else set()


def findings(source: Source, tally: Tally, asked: set[str] | None) -> Iterator[Finding]:
    """Read all records into ``tally``; yield the bodies that are asked for as members, and what looks wrong."""
    try:
        for record in records(source):
            if record.type == "warcinfo":
                tally.software = tally.software or _software(b"".join(record.body))
            if (asked is None or record.url in asked) and record.type in {"response", "resource"}:
                yield from _member(record)
            for _piece in record.body:
                pass
            tally.count(record)
            if record.wrong and tally.wrong_count <= _WARNED:
                text = _("The digest of {url} ({which}) does not hold: its record was changed after it was written.")
                yield Warn(text.format(url=record.url[:500], which=", ".join(record.wrong)))
    except Damaged as error:
        yield Warn(_("After {count} records the file cannot be read on: {why}.").format(count=tally.types.total(), why=error))


def _software(block: bytes) -> str:
    _first, fields = parse_head(b"\n" + block[: 64 << 10])
    return field_of(fields, "software")[:200]


def _member(record: Record) -> Iterator[Finding]:
    name = record.url.partition("?")[0].rstrip("/").rpartition("/")[2][:200] or "index"
    yield Member(name, record.url[:4000], "member", record.mime)
    problem = ""
    try:
        for piece in record.body:
            for at in range(0, len(piece), 1 << 20):
                yield Chunk(piece[at : at + (1 << 20)])
    except Damaged as error:
        problem = str(error)
    if field_of(record.fields, "warc-truncated"):
        problem = problem or _("The recorder cut it off.")
    if record.wrong:
        problem = _("Its digest does not hold.")
    yield MemberEnd(problem)


def pieces_of(stream: IO[bytes]) -> Iterator[bytes]:
    """The stream in pieces."""
    return iter(lambda: stream.read(PIECE), b"")


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Facts of the kind "web archive"; bodies as members where ``hints.options["resources"]`` asks. Raises Unreadable."""
    start = stream.read(5)
    stream.seek(0)
    if start[:2] == b"\x1f\x8b":
        source = Source(inflated(pieces_of(stream)))
    elif start == b"WARC/":
        source = Source(pieces_of(stream))
    else:
        raise Unreadable(_("This is no WARC file: it begins neither with WARC/ nor as gzip does."))
    tally = Tally()
    yield from findings(source, tally, wanted(hints))
    if not tally.types:
        raise Unreadable(_("This WARC file has no record that can be read."))
    yield Facts("web archive", {"format": "WARC", **tally.facts()})
