"""The frames between the sandbox and the process that has keys; both ends agree here on bytes and sizes.

    frame    kind (1 byte), length of what follows (4 bytes, big-endian), payload
    READ     worker asks for bytes of the file: offset (8 bytes), length (4 bytes); answered by exactly the bytes, no frame
    FINDINGS JSON list of findings, each a list: a letter and its fields in the order of ``evidence.findings``
    CHUNK    the bytes of a Chunk
    FAILED   JSON [what, sentence]
    DONE     the reader has come to its end: highest memory in KiB (8 bytes), for show

Invariant: what comes from the worker is parsed by nothing richer than the standard library's JSON, and every value's type and
size is checked before it is used; a frame is bounded before a byte of it is kept. JSON, not CBOR: no tags, no big numbers,
no shared references for a hostile sender to play with.
"""

import json
import re
import struct
from collections.abc import Callable
from typing import Any, Final

from amparo.evidence.findings import Data, Facts, Finding, Fingerprint, Member, MemberEnd, Text, Warn

READ, FINDINGS, CHUNK, FAILED, DONE = b"R", b"F", b"C", b"X", b"Z"
HEAD: Final = struct.Struct(">cI")
RANGE: Final = struct.Struct(">QI")
LENGTH: Final = struct.Struct(">I")
PEAK: Final = struct.Struct(">Q")
MOST_READ: Final = 1 << 20
MOST_CHUNK: Final = 1 << 20
MOST_TEXT: Final = 1 << 18
"""Characters of one Text; the worker cuts longer ones in several."""
MOST_FINDINGS: Final = 1024
MOST: Final = {READ: RANGE.size, FINDINGS: 4 << 20, CHUNK: MOST_CHUNK, FAILED: 16 << 10, DONE: 8}
RELATIONS: Final = ("member", "attachment", "still", "rendered", "transcript")
FAILURES: Final = ("unreadable", "memory", "missing", "fault")

_MEDIA_TYPE: Final = re.compile(
    r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}(;[ -~]{0,200})?", re.IGNORECASE
)
DEEPEST: Final = 12
_FAR: Final = 1 << 63


class Misbehaved(Exception):
    """A frame that no honest worker sends: one word on what is wrong."""


def pack(finding: Finding) -> list[Any]:
    """A finding other than a Chunk as what JSON can hold, cut to size. Raises TypeError for anything else.

    A reader hands on what stands in a file (a name, a media type it claims); what does not fit must not look like an attack.
    """
    match finding:
        case Text():
            return ["T", finding.locator[:1000], finding.text, finding.language[:35]]
        case Facts():
            return ["K", finding.kind[:64], finding.data]
        case Fingerprint():
            return ["P", finding.kind[:64], finding.place[:1000], finding.bits.hex(), max(0, min(100, finding.quality))]
        case Member():
            kind = finding.media_type[:300] if _MEDIA_TYPE.fullmatch(finding.media_type[:300]) else ""
            modified = finding.modified if abs(finding.modified) < _FAR else 0
            return ["M", finding.name[:4096], finding.path[:4096], finding.relation, kind, modified]
        case MemberEnd():
            return ["E", finding.problem[:2000]]
        case Warn():
            return ["W", finding.sentence[:2000]]
    raise TypeError(type(finding).__name__)


def json_of(payload: bytes) -> Any:
    """Raises Misbehaved for all that is not strict JSON in UTF-8."""
    try:
        return json.loads(payload.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Misbehaved("JSON") from None


def _refuse(word: str) -> None:
    raise ValueError(word)


def findings_of(payload: bytes) -> list[Finding]:
    """The findings of a FINDINGS frame, each checked. Raises Misbehaved."""
    rows = json_of(payload)
    if not isinstance(rows, list) or len(rows) > MOST_FINDINGS:
        raise Misbehaved("findings")
    return [_unpack(row) for row in rows]


def _unpack(row: Any) -> Finding:
    if not isinstance(row, list) or not row or not isinstance(row[0], str) or row[0] not in _KINDS:
        raise Misbehaved("finding")
    make, count = _KINDS[row[0]]
    if len(row) != count + 1:
        raise Misbehaved("fields")
    return make(row)


def _text(row: list[Any]) -> Text:
    return Text(words(row[1], 1000), words(row[2], MOST_TEXT), words(row[3], 35))


def _facts(row: list[Any]) -> Facts:
    if not isinstance(row[2], dict):
        raise Misbehaved("facts")
    data: Data = row[2]
    _check_data(data, 0)
    return Facts(words(row[1], 64), data)


def _print(row: list[Any]) -> Fingerprint:
    try:
        bits = bytes.fromhex(words(row[3], 1 << 20))
    except ValueError:
        raise Misbehaved("fingerprint") from None
    return Fingerprint(words(row[1], 64), words(row[2], 1000), bits, _number(row[4], 0, 100))


def _member(row: list[Any]) -> Member:
    relation, media_type = words(row[3], 64), words(row[4], 500)
    if relation not in RELATIONS or (media_type and not _MEDIA_TYPE.fullmatch(media_type)):
        raise Misbehaved("member")
    return Member(words(row[1], 4096), words(row[2], 4096), relation, media_type, _number(row[5], -_FAR, _FAR))


def _end(row: list[Any]) -> MemberEnd:
    return MemberEnd(words(row[1], 2000))


def _warn(row: list[Any]) -> Warn:
    return Warn(words(row[1], 2000))


_KINDS: Final[dict[str, tuple[Callable[[list[Any]], Finding], int]]] = {
    "T": (_text, 3), "K": (_facts, 2), "P": (_print, 4), "M": (_member, 5), "E": (_end, 1), "W": (_warn, 1),
}  # fmt: skip


def words(value: Any, most: int) -> str:
    """A string of at most ``most`` characters that UTF-8 can hold. Raises Misbehaved."""
    if not isinstance(value, str) or len(value) > most:
        raise Misbehaved("text")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Misbehaved("text") from None
    return value


def _number(value: Any, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise Misbehaved("number")
    return value


def _check_data(value: Any, depth: int) -> None:
    if depth > DEEPEST:
        raise Misbehaved("depth")
    if isinstance(value, str):
        words(value, MOST[FINDINGS])
    elif isinstance(value, dict):
        for key, entry in value.items():
            words(key, 1000)
            _check_data(entry, depth + 1)
    elif isinstance(value, list):
        for entry in value:
            _check_data(entry, depth + 1)
    elif type(value) is int:
        _number(value, -_FAR, 2 * _FAR)
