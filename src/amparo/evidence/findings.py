"""What a reader of hostile files may say: the only values that cross from the sandbox to the process that has keys.

Invariant: plain scalars and bytes. Whoever receives a finding checks its types and sizes (``evidence.sandbox``) and trusts none
of its words: a hostile file can make a reader say anything, and nothing but say.

A reader is a module in ``evidence.readers`` with ``MEDIA_TYPES`` (a tuple of IANA types, or prefixes like "image/"),
``NAME`` ("pdf/1": name and version of what it reads out) and ``read(stream, hints) -> Iterator[Finding]``. The stream is
binary and seekable, of any size: a reader reads in pieces. A file it cannot read makes it raise ``Unreadable`` with one clear
sentence.
"""

from dataclasses import dataclass, field
from typing import Any

Data = dict[str, Any]  # what JSON can hold: strings, numbers, truths, null, and lists and objects of them


class Unreadable(Exception):
    """The file cannot be read as what it seems: one sentence with what, where (page, byte, row) and why."""


@dataclass(slots=True, frozen=True)
class Hints:
    """What is known before reading: the file's name as it came, media type by its first bytes, size in bytes, options."""

    name: str = ""
    media_type: str = ""
    size: int = 0
    options: Data = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class Text:
    """A piece of text in reading order; ``locator`` "p. 3, ¶ 2", "00:01:02.000-00:01:05.500", "header Subject"."""

    locator: str
    text: str
    language: str = ""


@dataclass(slots=True, frozen=True)
class Facts:
    """What is known of the file: ``kind`` "metadata", "media", "container", "message", "provenance", ..."""

    kind: str
    data: Data


@dataclass(slots=True, frozen=True)
class Fingerprint:
    """For near-duplicates: ``kind`` pdq, minhash, chromaprint; ``place`` "" or where in the file; ``quality`` 0..100."""

    kind: str
    place: str
    bits: bytes
    quality: int = 0


@dataclass(slots=True, frozen=True)
class Member:
    """A file inside the file, or made from it, begins; ``Chunk`` findings with its bytes follow until ``MemberEnd``.

    ``relation`` as record.items.RELATIONS: member, attachment, still, rendered, transcript; ``path`` as written inside,
    for show only and never a place on a disk; ``modified`` ms since 1970, 0 unknown.
    """

    name: str
    path: str = ""
    relation: str = "member"
    media_type: str = ""
    modified: int = 0


@dataclass(slots=True, frozen=True)
class Chunk:
    """The next bytes of the member that began last; at most 1 MiB."""

    data: bytes


@dataclass(slots=True, frozen=True)
class MemberEnd:
    """The member is whole; ``problem`` one sentence where it is not (truncated, checksum wrong, encrypted, cap reached)."""

    problem: str = ""


@dataclass(slots=True, frozen=True)
class Warn:
    """One sentence about something that could not be read or looks wrong, with its place; the reading went on."""

    sentence: str


Finding = Text | Facts | Fingerprint | Member | Chunk | MemberEnd | Warn
