"""Takes a mail message apart while it streams by: header fields, parts, decoded bytes; no message is ever held whole.

Invariant: memory does not grow with the message or the mailbox (1 MiB of header fields, 1 MiB of a part's body at a time),
every byte of a body comes out in one part, and broken MIME is named in a ``Broken`` event instead of raising.

Sources: RFC 5322 (message), RFC 2045-2049 (MIME), RFC 2231 (parameters), RFC 4155 (mbox); mboxrd's ``>From`` is undone.
"""

import binascii
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.header import decode_header
from email.message import Message as _StdMessage
from typing import BinaryIO

from amparo.evidence.readers.plain import charset_of
from amparo.kernel.i18n import _

Headers = list[tuple[str, str]]
PIECE = 1 << 20
_LONGEST_LINE, _MOST_HEADERS, _DEEPEST, _MOST_PARTS = 1 << 16, 1 << 20, 24, 100_000
_ENVELOPE = re.compile(rb"From .{0,999}?\d\d:\d\d(:\d\d)?\b.{0,99}?\b(19|20)\d\d\b")
_SPECIAL = (b"--", b"From ", b">")  # how a boundary or a message may begin
_NAME = re.compile(rb"([!-9;-~]{1,200})[ \t]*:")
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,60}")
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="))
_ENCODED = re.compile(r"=\?[^?\s]{1,80}\?[bBqQ]\?")
Stop = tuple[int, bool]  # which boundary ended a body (-1: the message is over) and whether more parts follow
_OVER: Stop = (-1, False)


@dataclass(slots=True, frozen=True)
class Opened:
    """A message begins: ``number`` "12", or "12.1" for one inside another; ``envelope`` its mbox line; ``offset`` in bytes."""

    number: str
    headers: Headers
    envelope: str = ""
    offset: int = 0


@dataclass(slots=True, frozen=True)
class PartOpened:
    """A leaf part begins: ``message`` it belongs to, ``place`` "2.1" within it; ``bytes`` events and ``PartClosed`` follow."""

    message: str
    place: str
    headers: Headers
    media_type: str
    name: str = ""
    charset: str = ""
    attached: bool = False


@dataclass(slots=True, frozen=True)
class PartClosed:
    problem: str = ""


@dataclass(slots=True, frozen=True)
class Broken:
    """Something is not as MIME wants it; reading went on."""

    message: str
    sentence: str


Event = Opened | PartOpened | bytes | PartClosed | Broken


def first(headers: Headers, name: str) -> str:
    """The first field called ``name`` (lower case), "" if there is none."""
    return next((value for key, value in headers if key == name), "")


def safe_type(value: str) -> str:
    """A declared media type in lower case, "" where it is none."""
    kind = re.split(r"[;\s]", value.strip(), maxsplit=1)[0].lower()[:127]
    return kind if _TYPE.fullmatch(kind) else ""


def fields_of(raw: bytes) -> Headers:
    """The fields of a header block that stands alone."""
    fields: list[bytes] = []
    for line in raw.replace(b"\r\n", b"\n").split(b"\n"):
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] += b"\n" + line
        elif _NAME.match(line):
            fields.append(line)
    return _decoded(fields)


def words(value: str) -> str:
    """A header value with its RFC 2047 encoded words decoded; what cannot be decoded stays as it is written."""
    value = value[: PIECE // 16]
    if not _ENCODED.search(value):
        return value
    try:
        found = decode_header(value)
    except Exception:  # noqa: BLE001 - a broken encoded word raises half a dozen classes; it is then shown as written
        return value
    out = []
    for chunk, charset in found:
        if isinstance(chunk, str):
            out.append(chunk)
        else:
            out.append(chunk.decode(charset_of(charset or "ascii") or "ascii", "backslashreplace"))
    return "".join(out)


def parameter(value: str, name: str) -> str:
    """A parameter of a header field like Content-Type (RFC 2231 continuations and charsets undone), "" if absent."""
    message = _StdMessage()
    message["content-type"] = re.sub(r"[\r\n]+", " ", value[:16384])
    with suppress(Exception):  # the standard library's parser raises ValueError, IndexError and more on broken continuations
        found = message.get_param(name, "")
        if isinstance(found, tuple):
            charset, _language, raw = found
            return raw.encode("latin-1", "replace").decode(charset_of(charset or "") or "latin-1", "backslashreplace")
        return words(str(found))
    return ""


@dataclass
class Lines:
    """The lines of a stream with their line ends, longer ones in pieces of 64 KiB; ``offset`` of the next line in bytes."""

    stream: BinaryIO
    offset: int = 0
    fresh: bool = True  # the next piece begins a line
    _buffer: bytes = b""
    _at: int = 0

    def _more(self) -> bool:
        block = self.stream.read(PIECE)
        self._buffer, self._at = self._buffer[self._at :] + block, 0
        return bool(block)

    def take(self) -> bytes:
        """The next line or piece, b"" at the end."""
        while (end := self._buffer.find(b"\n", self._at, self._at + _LONGEST_LINE)) < 0:
            if len(self._buffer) - self._at >= _LONGEST_LINE:
                end = self._at + _LONGEST_LINE - 1
                break
            if not self._more():
                end = len(self._buffer) - 1
                break
        line = self._buffer[self._at : end + 1]
        self._at = end + 1
        self.offset += len(line)
        return line

    def back(self, line: bytes) -> None:
        """Put ``line``, which was taken last, back."""
        self._at -= len(line)
        self.offset -= len(line)

    def run(self) -> bytes:
        """What lies ready of whole lines that can neither be a boundary nor begin a message; only where a line begins."""
        if self._buffer.startswith(_SPECIAL, self._at):
            return b""
        end = self._buffer.rfind(b"\n", self._at) + 1
        for mark in _SPECIAL:
            found = self._buffer.find(b"\n" + mark, self._at, end) + 1
            end = found or end
        data = self._buffer[self._at : end]
        self._at += len(data)
        self.offset += len(data)
        return data


class Walker:
    """Walks one stream: a single message, or with ``mailbox`` any number of them parted by "From " lines."""

    def __init__(self, stream: BinaryIO, *, mailbox: bool) -> None:
        self._lines = Lines(stream)
        self._mailbox = mailbox
        self._boundaries: list[bytes] = []
        self._blank = True  # the line before was empty: only then does "From " begin a message
        self._stop = _OVER

    def __iter__(self) -> Iterator[Event]:
        number = 0
        while True:
            line = self._lines.take()
            if not line:
                return
            offset, envelope = self._lines.offset - len(line), ""
            if self._mailbox and line.startswith(b"From "):
                envelope = line.decode("utf-8", "backslashreplace").strip()
            else:
                self._lines.back(line)
            number += 1
            self._boundaries = []
            headers, broken = self._headers()
            yield Opened(str(number), headers, envelope, offset)
            for sentence in broken:
                yield Broken(str(number), sentence)
            yield from self._entity(str(number), "1", headers)

    def _next(self) -> tuple[bytes, Stop | None]:
        """The next line and, if it ends the body in hand, where: then the line is used up ("From " is put back)."""
        fresh = self._lines.fresh
        line = self._lines.take()
        self._lines.fresh = line.endswith(b"\n")
        if not line:
            return b"", _OVER
        if not fresh:
            return line, None
        blank, self._blank = self._blank, line in (b"\n", b"\r\n")
        if line.startswith(b"--") and self._boundaries:
            text = line.rstrip()
            for level in range(len(self._boundaries) - 1, -1, -1):
                mark = self._boundaries[level]
                if text == mark or text == mark + b"--":
                    return b"", (level, text == mark)
        elif self._mailbox:
            if blank and line.startswith(b"From ") and _ENVELOPE.match(line):
                self._lines.back(line)
                self._lines.fresh = True
                return b"", _OVER
            if line.startswith(b">") and line.lstrip(b">").startswith(b"From "):
                return line[1:], None
        return line, None

    def _headers(self) -> tuple[Headers, list[str]]:
        fields: list[bytes] = []
        broken: list[str] = []
        size = 0
        while True:
            whole, line = self._lines.fresh, self._lines.take()
            self._lines.fresh = line.endswith(b"\n") or not line
            if not line or (whole and line in (b"\n", b"\r\n")):
                self._blank = True
                break
            size += len(line)
            if fields and (not whole or line[:1] in (b" ", b"\t")):
                fields[-1] += line if size < _MOST_HEADERS else b""
            elif not _NAME.match(line):
                self._lines.back(line)
                self._lines.fresh = self._blank = True
                broken.append(_("The header ends without an empty line; what follows is taken for the body."))
                break
            elif size < _MOST_HEADERS:
                fields.append(line)
        if size >= _MOST_HEADERS:
            broken.append(_("The header is longer than 1 MiB; the rest of it was not read."))
        return _decoded(fields), broken

    def _entity(self, message: str, place: str, headers: Headers, depth: int = 0) -> Iterator[Event]:
        """The body that belongs to ``headers``; leaves in ``self._stop`` what ended it."""
        kind_line = first(headers, "content-type")
        kind = safe_type(kind_line) or ("application/octet-stream" if kind_line.strip() else "text/plain")
        encoding = first(headers, "content-transfer-encoding").strip().lower()[:40]
        if kind.startswith("multipart/") and depth < _DEEPEST:
            boundary = parameter(kind_line, "boundary").rstrip()
            if boundary:
                yield from self._multipart(message, place, boundary.encode("utf-8", "surrogateescape"), depth)
                return
            yield Broken(message, _("Part {place} is multipart without a boundary; it is read as text.").format(place=place))
            kind = "text/plain"
        if kind == "message/rfc822" and depth < _DEEPEST and encoding in ("", "7bit", "8bit", "binary"):
            inner, broken = self._headers()
            number = f"{message}.{place}"
            yield Opened(number, inner, offset=self._lines.offset)
            for sentence in broken:
                yield Broken(number, sentence)
            yield from self._entity(number, "1", inner, depth + 1)
            return
        yield from self._leaf(message, place, headers, kind, encoding)

    def _multipart(self, message: str, place: str, boundary: bytes, depth: int) -> Iterator[Event]:
        level = len(self._boundaries)
        self._boundaries.append(b"--" + boundary)
        yield from self._aside(message, place, _("before its first part"))
        count = 0
        while self._stop == (level, True):
            count += 1
            headers, broken = self._headers()
            for sentence in broken:
                yield Broken(message, sentence)
            if count > _MOST_PARTS:
                yield Broken(message, _("More than {n} parts; the rest is read as one.").format(n=_MOST_PARTS))
                self._boundaries[level] = b"\n"  # no line equals it
            yield from self._entity(message, f"{place}.{count}", headers, depth + 1)
        closed = self._stop == (level, False)
        del self._boundaries[level:]
        if closed:
            yield from self._aside(message, place, _("after its last part"))
        else:
            yield Broken(message, _("Part {place} ends without its closing boundary: it may be cut off.").format(place=place))

    def _aside(self, message: str, place: str, where: str) -> Iterator[Event]:
        """What stands before the first or after the last part, where mail programs show nothing: text if it says something."""
        start = bytearray()
        lost = 0
        while True:
            line, stop = self._next()
            if stop is not None:
                self._stop = stop
                break
            start += line if len(start) < _LONGEST_LINE else b""
            lost += len(line) if len(start) >= _LONGEST_LINE else 0
        text = bytes(start).strip()
        if text and not (len(text) < 400 and re.search(rb"(?i)multi-?part|mime", text)):
            yield PartOpened(message, place, [], "text/plain", where, "utf-8")
            yield text
            yield PartClosed(_("Only the first 64 KiB of it were kept.") if lost else "")

    def _leaf(self, message: str, place: str, headers: Headers, kind: str, encoding: str) -> Iterator[Event]:
        kind_line, disposition = first(headers, "content-type"), first(headers, "content-disposition")
        name = parameter(disposition, "filename") or parameter(kind_line, "name")
        attached = disposition.strip().lower().startswith("attachment") or bool(name) or not kind.startswith("text/")
        yield PartOpened(message, place, headers, kind, name, parameter(kind_line, "charset"), attached)
        decoder = _DECODERS.get(encoding, Decoder)()
        batch: list[bytes] = []
        size, held = 0, b""
        while True:
            line, stop = (self._lines.run() if self._lines.fresh else b""), None
            if line:
                self._blank = line in (b"\n", b"\r\n") or line.endswith((b"\n\n", b"\n\r\n"))
            else:
                line, stop = self._next()
            if stop is not None:
                break
            bare = line[: -2 if line.endswith(b"\r\n") else -1] if line.endswith(b"\n") else line
            batch.append(held + bare)  # the line end before a boundary belongs to the boundary
            held = line[len(bare) :]
            size += len(line)
            if size >= PIECE:
                yield from _pieces(decoder.feed(b"".join(batch)))
                batch, size = [], 0
        if stop == _OVER and not self._boundaries:
            batch.append(held)
        self._stop = stop
        yield from _pieces(decoder.feed(b"".join(batch)) + decoder.end())
        problem = decoder.problem
        if encoding not in ("", "7bit", "8bit", "binary", *_DECODERS):
            problem = _("Its transfer encoding “{name}” is unknown; it is kept as it is.").format(name=encoding)
        yield PartClosed(problem)


def _pieces(data: bytes) -> Iterator[bytes]:
    return (data[start : start + PIECE] for start in range(0, len(data), PIECE))


def _decoded(fields: list[bytes]) -> Headers:
    """Names in lower case, values unfolded; bytes beyond ASCII as UTF-8, or as the charset the message declares."""
    declared = next((line for line in fields if line[:13].lower() == b"content-type:"), b"")
    match = re.search(rb"charset\s*=\s*\"?([\w.:-]{1,40})", declared, re.IGNORECASE)
    fallback = charset_of(match[1].decode()) if match else ""
    out: Headers = []
    for line in fields:
        name, _colon, raw = line.partition(b":")
        raw = re.sub(rb"\r?\n(?=[ \t])", b"", raw).strip()
        try:
            value = raw.decode("utf-8")
        except UnicodeDecodeError:
            value = raw.decode(fallback or "latin-1", "backslashreplace")
        out.append((name.strip().lower().decode("ascii", "replace"), value))
    return out


class Decoder:
    """7bit, 8bit, binary: bytes as they are."""

    problem = ""

    def feed(self, data: bytes) -> bytes:
        return data

    def end(self) -> bytes:
        return b""


class _Base64(Decoder):
    def __init__(self) -> None:
        self._rest = b""
        self._ended = False

    def feed(self, data: bytes) -> bytes:
        out = []
        plain = self._rest + data.translate(None, _NOT_BASE64)
        if b"=" not in plain:
            cut = len(plain) - len(plain) % 4
            self._rest = plain[cut:]
            return binascii.a2b_base64(plain[:cut])
        *whole, last = re.split(b"=+", plain)
        for run in whole:  # "=" ends a run; some mailers join several
            out.append(self._run(run))
        cut = len(last) - len(last) % 4
        self._rest = last[cut:]
        out.append(binascii.a2b_base64(last[:cut]))
        return b"".join(out)

    def end(self) -> bytes:
        return self._run(self._rest)

    def _run(self, run: bytes) -> bytes:
        if len(run) % 4 == 1:
            self.problem = _("Its base64 text is damaged or cut off.")
            run = run[:-1]
        return binascii.a2b_base64(run + b"=" * (-len(run) % 4))


class _Quoted(Decoder):
    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        data = self._rest + data
        cut = data.rfind(b"=", len(data) - 3 if len(data) > 3 else 0)
        cut = len(data) if cut < 0 else cut
        self._rest = data[cut:]
        return binascii.a2b_qp(data[:cut])

    def end(self) -> bytes:
        return binascii.a2b_qp(self._rest)


class _Uuencoded(Decoder):
    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        *lines, self._rest = (self._rest + data).split(b"\n")
        return b"".join(map(self._line, lines))

    def end(self) -> bytes:
        return self._line(self._rest)

    def _line(self, line: bytes) -> bytes:
        if line.startswith((b"begin ", b"end")) or not line.strip():
            return b""
        try:
            return binascii.a2b_uu(line)
        except binascii.Error:
            self.problem = _("Its uuencoded text is damaged.")
            return b""


_DECODERS: dict[str, type[Decoder]] = {
    "base64": _Base64, "quoted-printable": _Quoted,
    "x-uuencode": _Uuencoded, "uuencode": _Uuencoded, "x-uue": _Uuencoded,
}  # fmt: skip
