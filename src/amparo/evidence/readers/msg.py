"""Reads an Outlook message (.msg): facts, body, recipients, attachments, messages inside it.

Invariant: everything is read from the compound file's streams by property tag; an attachment is streamed sector by sector;
what a property claims is handed on as a claim.

Sources: MS-OXMSG (the file), MS-OXPROPS (the tags), MS-OXRTFCP (compressed RTF), MS-CFB (the container, through olefile). The
properties are read here rather than by extract-msg (GPL), which brings nine packages and holds attachments whole in memory.
"""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO

import olefile  # type: ignore[import-untyped]

from amparo.evidence.findings import Chunk, Data, Facts, Finding, Hints, Member, MemberEnd, Text, Unreadable, Warn
from amparo.evidence.readers.mail import message_facts
from amparo.evidence.readers.mime import Headers, fields_of, safe_type
from amparo.evidence.readers.plain import charset_of
from amparo.evidence.readers.prose import html_paragraphs, paragraphs
from amparo.kernel.i18n import _

MEDIA_TYPES = ("application/vnd.ms-outlook",)
NAME = "msg/1"
PIECE = 1 << 20
_TEXT_CAP, _DEEPEST, _MOST = 64 << 20, 8, 10_000
_BROKEN = (OSError, ValueError, KeyError, IndexError, struct.error, TypeError, AttributeError, RecursionError, OverflowError)
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_TIMES = {0x0039: "submitted", 0x0E06: "delivered", 0x3007: "created", 0x3008: "modified"}


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Yield Facts ("message"), the body as Text and the attachments as members. Raises Unreadable."""
    del hints
    stream.seek(0)
    if stream.read(8) != olefile.MAGIC:
        raise Unreadable(_("This is no Outlook message: it does not begin like a compound file."))
    stream.seek(0)
    try:
        container = olefile.OleFileIO(stream)
        root = container.root
        if root is None or "__properties_version1.0" not in root.kids_dict:
            raise Unreadable(_("This compound file is no Outlook message: it lacks the list of properties."))
        yield from _Message(container, root, "1", 32).findings(0)
    except _BROKEN as error:
        raise Unreadable(_("This Outlook message is damaged or cut off ({why}).").format(why=str(error)[:200])) from None


class _Storage:
    """A storage of the compound file with its properties by tag."""

    def __init__(self, container: Any, entry: Any, header: int) -> None:
        self.container, self.entry = container, entry
        self.kids: dict[str, Any] = {str(name).lower(): kid for name, kid in list(entry.kids_dict.items())[:_MOST]}
        self.fixed: dict[int, bytes] = {}
        listed = self.kids.get("__properties_version1.0")
        data = b"".join(self.content(listed, 1 << 20)) if listed is not None else b""
        for at in range(header, len(data) - 15, 16):
            kind, tag = struct.unpack_from("<HH", data, at)
            if kind in (0x0003, 0x000B, 0x0040, 0x0014):
                self.fixed.setdefault(tag, data[at + 8 : at + 16])
        page = self.number(0x3FFD) or self.number(0x3FDE) or 0
        self.codec = charset_of(f"cp{page}") or ("utf-8" if page == 65001 else "cp1252")

    def content(self, entry: Any, most: int = 1 << 62) -> Iterator[bytes]:
        """The bytes of a stream, in pieces, along its chain of sectors."""
        left = min(int(entry.size), most)
        if entry.entry_type != olefile.STGTY_STREAM:
            return
        if entry.size < self.container.minisectorcutoff:
            small = self.container._open(entry.isectStart, entry.size)  # noqa: SLF001 - by entry, for names may occur twice
            yield small.read()[:left]
            return
        sector, size = entry.isectStart, self.container.sectorsize
        batch = bytearray()
        while left > 0:
            if not 0 <= sector < len(self.container.fat):
                raise ValueError(_("a stream breaks off"))
            self.container.fp.seek(size * (sector + 1))
            data = self.container.fp.read(min(size, left))
            if not data:
                raise ValueError(_("a stream breaks off"))
            batch += data
            left -= len(data)
            sector = self.container.fat[sector]
            if len(batch) >= PIECE - size:
                yield bytes(batch)
                batch.clear()
        if batch:
            yield bytes(batch)

    def find(self, tag: int, kind: int) -> Any:
        return self.kids.get(f"__substg1.0_{tag:04x}{kind:04x}")

    def text(self, tag: int, most: int = 1 << 16) -> str:
        """A string property, "" if absent; 8-bit strings in the code page the message names."""
        if (entry := self.find(tag, 0x001F)) is not None:
            return b"".join(self.content(entry, most)).decode("utf-16-le", "replace").rstrip("\0")
        if (entry := self.find(tag, 0x001E)) is not None:
            return b"".join(self.content(entry, most)).decode(self.codec, "backslashreplace").rstrip("\0")
        return ""

    def number(self, tag: int) -> int | None:
        raw = self.fixed.get(tag)
        return struct.unpack_from("<l", raw)[0] if raw else None

    def time(self, tag: int) -> datetime | None:
        raw = self.fixed.get(tag)
        ticks = struct.unpack("<Q", raw)[0] if raw else 0
        try:
            return _EPOCH + timedelta(microseconds=ticks // 10) if ticks else None
        except OverflowError:
            return None


class _Message(_Storage):
    def __init__(self, container: Any, entry: Any, number: str, header: int) -> None:
        super().__init__(container, entry, header)
        self.name = number
        self.where = "" if number == "1" else f"message {number}"

    def findings(self, depth: int) -> Iterator[Finding]:
        facts, people = self._facts()
        yield Facts("message", facts)
        for name, value in (*people, ("Subject", self.text(0x0037))):
            if value:
                yield Text(self._place(f"header {name}"), value[:32768])
        yield from self._body()
        for name in sorted(kid for kid in self.kids if kid.startswith("__attach_version1.0_")):
            yield from self._attachment(self.kids[name], name, depth)

    def _place(self, what: str) -> str:
        return ", ".join(part for part in (self.where, what) if part)

    def _facts(self) -> tuple[Data, list[tuple[str, str]]]:
        raw = self.text(0x007D, 1 << 20)
        headers: Headers = fields_of(raw.encode("utf-8", "replace")) if raw else []
        data = message_facts(headers)
        sender = _person(self.text(0x0C1A), self.text(0x5D01) or self.text(0x0C1F))
        on_behalf = _person(self.text(0x0042), self.text(0x5D02) or self.text(0x0065))
        recipients: dict[str, list[Data]] = {"to": [], "cc": [], "bcc": []}
        for name in sorted(kid for kid in self.kids if kid.startswith("__recip_version1.0_"))[:1000]:
            person = _Storage(self.container, self.kids[name], 8)
            kind = {1: "to", 2: "cc", 3: "bcc"}.get(person.number(0x0C15) or 1, "to")
            recipients[kind].append(_person(person.text(0x3001), person.text(0x39FE) or person.text(0x3003)))
        data.setdefault("from", [on_behalf if on_behalf["address"] or on_behalf["name"] else sender])
        for kind, persons in recipients.items():
            if persons:
                data.setdefault(kind, persons)
        data.setdefault("subject", self.text(0x0037)[:10_000])
        times = {word: moment.isoformat() for tag, word in _TIMES.items() if (moment := self.time(tag))}
        if "date" not in data and (moment := self.time(0x0039) or self.time(0x0E06)):
            utc = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
            data["date"] = {"written": "", "iso": moment.isoformat(), "utc": utc}
        data["outlook"] = {
            "class": self.text(0x001A)[:200], "sender": sender, "times": times, "transport_headers": bool(raw),
        }  # fmt: skip
        data.setdefault("message_id", self.text(0x1035)[:1000])
        data["number"] = self.name
        data["from"] = [person for person in data["from"] if person["name"] or person["address"]]
        named = [("From", data["from"]), ("To", data.get("to", [])), ("Cc", data.get("cc", []))]
        written = [
            (name, ", ".join(f"{entry['name']} <{entry['address']}>".strip() for entry in entries)) for name, entries in named
        ]
        return data, written

    def _body(self) -> Iterator[Finding]:
        plain, markup = self.text(0x1000, _TEXT_CAP), self.find(0x1013, 0x0102)
        for number, text in enumerate(paragraphs([plain]), 1):
            yield Text(self._place(f"¶ {number}"), text)
        if markup is not None or self.find(0x1013, 0x001F) is not None:
            page = charset_of(f"cp{self.number(0x3FDE)}") or ("utf-8" if self.number(0x3FDE) == 65001 else "")
            pieces = self.content(markup) if markup is not None else iter([self.text(0x1013, _TEXT_CAP).encode()])
            for number, text in enumerate(html_paragraphs(pieces, page if markup is not None else "utf-8"), 1):
                yield Text(self._place(f"HTML ¶ {number}"), text)
        elif not plain and (packed := self.find(0x1009, 0x0102)) is not None:
            yield Member("body.rtf", f"message {self.name}/body.rtf", "member", "application/rtf")
            data, problem = unpacked_rtf(b"".join(self.content(packed, _TEXT_CAP)))
            for start in range(0, len(data), PIECE):
                yield Chunk(data[start : start + PIECE])
            yield MemberEnd(problem)

    def _attachment(self, entry: Any, key: str, depth: int) -> Iterator[Finding]:
        try:
            part = _Storage(self.container, entry, 8)
            inner = part.find(0x3701, 0x000D)
            if inner is not None and "__properties_version1.0" in inner.kids_dict:
                if depth >= _DEEPEST:
                    yield Warn(_("Messages lie more than {n} deep in one another; the rest was not read.").format(n=_DEEPEST))
                    return
                number = f"{self.name}.{int(key[-8:], 16) + 1}"
                yield from _Message(self.container, inner, number, 24).findings(depth + 1)
                return
            data = part.find(0x3701, 0x0102)
            name = part.text(0x3707) or part.text(0x3704) or part.text(0x3001) or key
        except _BROKEN as error:
            yield Warn(_("Attachment {name} is damaged ({why}).").format(name=key[:100], why=str(error)[:200]))
            return
        moment = part.time(0x3008)
        modified = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1) if moment else 0
        yield Member(name[:1000], f"message {self.name}/{name}"[:4000], "attachment", safe_type(part.text(0x370E)), modified)
        problem = "" if data is not None else _("Its content is not in the message (a link, or an embedded object).")
        try:
            for chunk in part.content(data) if data is not None else ():
                yield Chunk(chunk)
        except _BROKEN as error:
            problem = _("It is damaged or cut off ({why}).").format(why=str(error)[:200])
        yield MemberEnd(problem)


def _person(name: str, address: str) -> Data:
    return {"name": name[:1000], "address": address[:1000]}


_PRESET = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans Serif"
    b"SymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)


def unpacked_rtf(data: bytes) -> tuple[bytes, str]:
    """Compressed RTF unpacked (MS-OXRTFCP §3.1.3), and a problem where it breaks off or is of neither form."""
    if len(data) < 16:
        return b"", _("Its compressed text is cut off.")
    _size, raw, kind, _crc = struct.unpack_from("<LLLL", data)
    if kind == 0x414C454D:  # "MELA": not compressed
        return data[16 : 16 + raw], ""
    if kind != 0x75465A4C:  # "LZFu"
        return b"", _("Its compressed text is of an unknown form.")
    window = bytearray(_PRESET) + bytearray(4096 - len(_PRESET))
    write, out, at = len(_PRESET), bytearray(), 16
    raw = min(raw, _TEXT_CAP)
    while at < len(data) and len(out) < raw:
        control = data[at]
        at += 1
        for bit in range(8):
            if control >> bit & 1:
                if at + 2 > len(data):
                    return bytes(out), _("Its compressed text is cut off.")
                offset, length = data[at] << 4 | data[at + 1] >> 4, (data[at + 1] & 15) + 2
                at += 2
                if offset == write:
                    return bytes(out), ""
                for step in range(length):  # byte by byte: a run may reach into what it writes
                    byte = window[(offset + step) % 4096]
                    window[write] = byte
                    out.append(byte)
                    write = (write + 1) % 4096
            elif at < len(data):
                window[write] = data[at]
                out.append(data[at])
                at, write = at + 1, (write + 1) % 4096
    return bytes(out[:raw]), "" if len(out) >= raw else _("Its compressed text is cut off.")
