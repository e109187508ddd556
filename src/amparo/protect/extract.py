"""Reads out of a finished file every text a reader, a search engine or a forensic tool could take from it.

Invariant: what cannot be read is never passed over: it comes out as a Piece of kind UNREAD, and a file that is damaged,
encrypted, of an unknown type or that carries older revisions raises Unreadable. Nothing here touches the disk.

Formats: PDF (ISO 32000-2, in ``extract_pdf``), JSON (RFC 8259), CSV (RFC 4180), plain text and Markdown (UTF-8, or UTF-16 with
a byte-order mark).
"""

import base64
import binascii
import csv
import html
import io
import json
import quopri
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from amparo.kernel.errors import GateRefused
from amparo.kernel.i18n import N_, _

TEXT, STRING, METADATA, UNREAD = "text", "string", "metadata", "unread"
PDF, JSON, CSV, PLAIN, MARKDOWN = "application/pdf", "application/json", "text/csv", "text/plain", "text/markdown"
_SIGN = re.compile(r"(?:LETTER SMALL CAPITAL|SYMBOL LETTER|(?:CIRCLED|SQUARED|PARENTHESIZED|MODIFIER|SUBSCRIPT).* LETTER"
                   r"(?: CAPITAL| SMALL)?|MODIFIER LETTER (?:CAPITAL|SMALL)) ([A-Z])$")  # names of the Unicode Standard
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
_WRAPPED = re.compile(r"(?<=[A-Za-z0-9+/]{40})\r?\n(?=[A-Za-z0-9+/=])")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}[\s:]?){6,}")
_ESCAPE = re.compile(r"\\u\{?([0-9A-Fa-f]{4,6})\}?|\\x([0-9A-Fa-f]{2})")
_DEEPEST = 64


class Unreadable(GateRefused):
    template = N_("The gate cannot read the finished file ({why}), so it does not leave; make the file anew and try again.")


class Piece(NamedTuple):
    """``where`` in the file, in words; ``text`` as found (for UNREAD: what could not be read).

    ``kind``: TEXT runs on from the piece before it, STRING stands alone, METADATA tells about the file, UNREAD is not known.
    """

    where: str
    text: str
    kind: str = TEXT


def extract(data: bytes, media_type: str, where: str = "", depth: int = 0) -> Iterator[Piece]:
    """Yield every text in ``data``. Raises Unreadable for a damaged file or a type the gate does not know."""
    media_type = media_type.partition(";")[0].strip().lower()
    if depth > 4:
        raise Unreadable(why=_("attachments within attachments"))
    if media_type == PDF:
        from amparo.protect.extract_pdf import extract_pdf  # it calls back for attachments

        yield from extract_pdf(data, where, depth)
    elif media_type == JSON:
        yield from _json(data, where)
    elif media_type == CSV:
        yield from _csv(decode(data), where)
    elif media_type in (PLAIN, MARKDOWN):
        yield from _paragraphs(decode(data), where)
    else:
        raise Unreadable(why=_("files of type {type} are unknown").format(type=media_type[:60] or "?"))


def decode(data: bytes) -> str:
    """Bytes of a text file as text; never guesses: raises Unreadable unless UTF-8 or marked UTF-16."""
    try:
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return data.decode("utf-16")
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable(why=_("its text is neither UTF-8 nor UTF-16")) from None
    if "\0" in text:
        raise Unreadable(why=_("there are zero bytes in its text"))
    return text


def sniff(data: bytes) -> str:
    """The media type of an attachment by its content, "" if unknown: a declared type is not believed."""
    if data.lstrip()[:5] == b"%PDF-":
        return PDF
    try:
        text = decode(data)
    except Unreadable:
        return ""
    if text.lstrip()[:1] in ("{", "["):
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            return PLAIN
        return JSON
    return PLAIN


def decoded(text: str) -> Iterator[tuple[str, str]]:
    """(name of the encoding, text) for what is written in ``text`` in base64, hexadecimal, percent or character escapes."""
    for match in _BASE64.finditer(_WRAPPED.sub("", text)):
        word = match[0].rstrip("=").replace("-", "+").replace("_", "/")
        with_padding = word[: len(word) - (len(word) % 4 == 1)]
        yield from _readable("base64", base64.b64decode(with_padding + "=" * (-len(with_padding) % 4)))
    for match in _HEX.finditer(text):
        digits = re.sub(r"[\s:]", "", match[0])
        yield from _readable("hexadecimal", binascii.unhexlify(digits))
    if "%" in text and (plain := unquote(text)) != text:
        yield "percent", plain
    if "&" in text and (plain := html.unescape(text)) != text:
        yield "entities", plain
    if "\\" in text and (plain := _ESCAPE.sub(_unescape, text)) != text:
        yield "escapes", plain
    if not text.isascii() and (plain := "".join(map(_letter, text))) != text:
        yield "signs shaped like letters", plain
    if "=D" in text or "=C" in text or "=d" in text:
        yield from _readable("quoted-printable", quopri.decodestring(text.encode("utf-8", "ignore")))


@lru_cache(4096)
def _letter(sign: str) -> str:
    """The Latin letter or the digit that a sign shows: circled, squared, raised, small capitals, regional indicators."""
    if sign.isascii():
        return sign
    digit = unicodedata.digit(sign, None)
    if digit is not None:
        return str(digit)
    match = _SIGN.search(unicodedata.name(sign, ""))
    return match[1].lower() if match else sign


def _unescape(match: re.Match[str]) -> str:
    point = int(match[1] or match[2], 16)
    return chr(point) if point < 0xD800 or 0xE000 <= point < 0x110000 else ""


def _readable(name: str, data: bytes) -> Iterator[tuple[str, str]]:
    for encoding in ("utf-8", "utf-16-le", "utf-16-be", "cp1251"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if sum(letter.isalpha() or letter in " .,-'\n" for letter in text) >= 0.8 * len(text) and text:
            yield name, text


def _paragraphs(text: str, where: str) -> Iterator[Piece]:
    line = 1
    for block in re.split(r"(\n[ \t\r]*\n)", text):
        if block.strip():
            first = line + block[: len(block) - len(block.lstrip())].count("\n")
            yield Piece(_join(where, _("line {n}").format(n=first)), block)
        line += block.count("\n")


def _csv(text: str, where: str) -> Iterator[Piece]:
    for number, row in enumerate(_rows(text), 1):
        yield Piece(_join(where, _("row {n}").format(n=number)), " | ".join(row))


def _rows(text: str) -> Iterator[list[str]]:
    """The rows, fields of any length: csv's own limit is one for the process, so it is lifted for one row at a time."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    while True:
        limit = csv.field_size_limit(len(text) + 1)
        try:
            row = next(reader, None)
        except csv.Error:
            raise Unreadable(why=_("it is not well-formed CSV")) from None
        finally:
            csv.field_size_limit(limit)
        if row is None:
            return
        yield row


def _delimiter(text: str) -> str:
    head = text.partition("\n")[0]
    return max(",;\t", key=head.count)


def _json(data: bytes, where: str) -> Iterator[Piece]:
    try:
        value = json.loads(decode(data), object_pairs_hook=_Pairs, parse_float=str, parse_int=str)
        yield from _walk_json(value, _join(where, "$"), 0)
    except (ValueError, RecursionError):
        raise Unreadable(why=_("it is not well-formed JSON")) from None


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with every member, repeated names too."""


def _walk_json(value: Any, where: str, depth: int) -> Iterator[Piece]:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    if isinstance(value, _Pairs):
        for name, _member in value:
            yield Piece(_("{where}, a key").format(where=where), name)
        for name, member in value:
            yield from _walk_json(member, f"{where}.{name[:40]}", depth + 1)
    elif isinstance(value, list):
        for number, member in enumerate(value):
            yield from _walk_json(member, f"{where}[{number}]", depth + 1)
    elif isinstance(value, str):
        yield Piece(where, value)


def _join(where: str, place: str) -> str:
    return f"{where}, {place}" if where else place
