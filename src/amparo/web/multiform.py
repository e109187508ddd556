"""Forms with files, read as they arrive: what a field says into memory, what a file holds straight to who takes it.

Invariants: nothing of a form is ever written to the disk here, and memory stays flat however long a file is. A form with too
many parts, too long a field or a broken frame is refused (RFC 7578, multipart/form-data).
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_
from amparo.web.forms import Form, NotAForm

_TYPE: Final = b"multipart/form-data"
_PARTS: Final = 4_000
_FILES: Final = 300
_FIELDS_BYTES: Final = 4 << 20
_PIECE: Final = 1 << 20  # bytes handed on at a time
_DRAIN: Final = 1 << 30  # bytes read and dropped after a refusal, so that the browser gets to see the sentence
_HEADERS: Final = 8


class TooManyParts(BadInput):
    template = N_("The form has more than {most:,} {what}; send fewer at one time. Nothing was kept.")


class FieldsTooLong(BadInput):
    template = N_("What was typed into the form is too long; shorten it, or attach it as a file. Nothing was kept.")


class CutShort(BadInput):
    template = N_("The form was cut off before its end; nothing of it was kept. Send it again.")


class Piece(NamedTuple):
    """``kind``: "field" (``name``; ``data`` its text), "file" (one called ``filename`` begins), "data" (bytes of it), "end"."""

    kind: str
    name: str = ""
    filename: str = ""
    data: bytes = b""


@dataclass(slots=True)
class _Part:
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    name: str = ""
    filename: str | None = None
    data: bytearray = field(default_factory=bytearray)


class _Reader:
    """What the parser tells, put together into pieces."""

    def __init__(self, boundary: bytes) -> None:
        self.pieces: list[Piece] = []
        self.ended = False
        self._part = _Part()
        self._header = [bytearray(), bytearray()]
        self._parts = self._files = self._bytes = 0
        self._parser = MultipartParser(boundary, {
            "on_part_begin": self._begin, "on_header_field": self._field, "on_header_value": self._value,
            "on_header_end": self._header_end, "on_headers_finished": self._headers, "on_part_data": self._data,
            "on_part_end": self._end, "on_end": self._finish,
        }, max_header_count=_HEADERS, max_header_size=8 << 10)  # fmt: skip

    def write(self, data: bytes) -> list[Piece]:
        """The pieces that are whole now. Raises TooManyParts, FieldsTooLong, NotAForm."""
        try:
            self._parser.write(data)
        except FormParserError:
            raise NotAForm from None
        pieces, self.pieces = self.pieces, []
        return pieces

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _PARTS:
            raise TooManyParts(most=_PARTS, what="parts")
        self._part = _Part()

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def _value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def _header_end(self) -> None:
        self._part.headers.append((bytes(self._header[0]).lower(), bytes(self._header[1])))
        self._header = [bytearray(), bytearray()]

    def _headers(self) -> None:
        value = dict(self._part.headers).get(b"content-disposition", b"")
        kind, options = parse_options_header(value)
        if kind != b"form-data" or b"name" not in options:
            raise NotAForm
        self._part.name = options[b"name"].decode("utf-8", "replace")
        if b"filename" in options:
            self._files += 1
            if self._files > _FILES:
                raise TooManyParts(most=_FILES, what="files")
            self._part.filename = options[b"filename"].decode("utf-8", "backslashreplace")
            self.pieces.append(Piece("file", self._part.name, self._part.filename))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._part.filename is None:
            self._bytes += end - start
            if self._bytes > _FIELDS_BYTES:
                raise FieldsTooLong
        self._part.data += data[start:end]
        if self._part.filename is not None and len(self._part.data) >= _PIECE:
            self._hand_on()

    def _hand_on(self) -> None:
        self.pieces.append(Piece("data", data=bytes(self._part.data)))
        self._part.data = bytearray()

    def _end(self) -> None:
        if self._part.filename is None:
            self.pieces.append(Piece("field", self._part.name, data=bytes(self._part.data)))
            return
        if self._part.data:
            self._hand_on()
        self.pieces.append(Piece("end"))

    def _finish(self) -> None:
        self.ended = True


def is_multipart(request: Request) -> bool:
    """True if the request says that it carries a form of this kind."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower().encode() == _TYPE


async def pieces(request: Request) -> AsyncIterator[Piece]:
    """The form piece by piece, as it arrives. Raises NotAForm, TooManyParts, FieldsTooLong, CutShort."""
    kind, options = parse_options_header(request.headers.get("content-type", "").encode())
    boundary = options.get(b"boundary", b"")
    if kind != _TYPE or not 0 < len(boundary) <= 70:  # RFC 2046 §5.1.1
        raise NotAForm
    reader = _Reader(boundary)
    try:
        async for chunk in request.stream():
            for piece in reader.write(chunk):
                yield piece
    except ClientDisconnect:
        raise CutShort from None
    if not reader.ended:
        raise CutShort


async def drain(request: Request) -> None:
    """Read what the browser still sends after a refusal, up to a limit: it looks at no answer before it has sent everything."""
    left = _DRAIN
    with suppress(ClientDisconnect, RuntimeError):  # it went away; or all of it was read already
        async for chunk in request.stream():
            left -= len(chunk)
            if left < 0:
                return


async def read(request: Request) -> Form:
    """A form of fields only; of Cyrillic or Arabic thrice as much fits into it as into an ordinary form. Raises NotAForm."""
    pairs = []
    async for piece in pieces(request):
        if piece.kind != "field":
            raise NotAForm
        try:
            pairs.append((piece.name, piece.data.decode()))
        except UnicodeDecodeError:
            raise NotAForm from None
    return Form(pairs)
