r"""Reads plain text in whatever encoding it came, and says which it was taken for and why.

Invariant: no byte is dropped: what the encoding does not know stays visible as ``\xNN``. The encoding is believed in this
order: a byte-order mark, valid UTF-8, what the file declares, the statistics of letters; a guess is called a guess.

Sources: Unicode 3.10 (byte-order mark), RFC 3629 (UTF-8), Windows-1251/1252/1256, KOI8-R, IBM866; letter frequencies as in any
running text of Russian and Arabic.
"""

import codecs
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from amparo.evidence.findings import Facts, Finding, Hints, Text

MEDIA_TYPES = (
    "text/plain", "text/csv", "text/tab-separated-values", "text/markdown", "text/css", "text/javascript", "text/vcard",
    "text/calendar", "application/json", "application/jsonl", "application/yaml", "application/rtf",
)  # fmt: skip
NAME = "plain/1"
LONGEST = 1 << 15
_PIECE = 1 << 18
_SAMPLE = 1 << 17
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_UNSAFE = frozenset(("idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem", "utf-7"))
_RUSSIAN = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё"
_ARABIC = "اليمونرتبةعدسفهكقأحجشطصىخإذضزثءغئظؤآ"
_PERSIAN = "پچژگکی"
_LATIN = "éèàáíóúñçüöäêâôîûßãõëïåøæœÉÀÜÖÄ"
_SINGLE = ("cp1251", "koi8-r", "cp1256", "cp866", "cp1252", "mac-cyrillic", "iso8859-5", "iso8859-6")


@dataclass(slots=True, frozen=True)
class Coding:
    """An encoding and how it is known: ``by`` "mark", "validity", "declared", "statistics"; ``score`` 0..1 of a guess."""

    name: str
    by: str
    score: float = 1.0
    second: str = ""

    def decoder(self) -> codecs.IncrementalDecoder:
        return codecs.getincrementaldecoder(self.name)("backslashreplace")


def charset_of(name: str) -> str:
    """Python's codec of a declared character set, "" where there is no plain text codec of that name."""
    with suppress(LookupError, ValueError):
        info = codecs.lookup(name.strip()[:40])
        if getattr(info, "_is_text_encoding", True) and info.name not in _UNSAFE:
            return info.name
    return ""


def guess(sample: bytes, declared: str = "") -> Coding:
    """The encoding of a text that begins with ``sample``, which may end in the middle of a letter."""
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return Coding(name, "mark")
    if coding := _without_mark(sample):
        return Coding(coding, "validity")
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(sample)
    except UnicodeDecodeError:
        pass
    else:
        return Coding("utf-8", "validity")
    if declared and declared not in ("utf-8", "ascii", "utf-16", "utf-32"):
        return Coding(declared, "declared")
    scores = sorted(((_score(sample, name), name) for name in _SINGLE), reverse=True)
    (best, name), (_next, second) = scores[:2]
    if best <= 0 and sample.count(b"\xef\xbf\xbd") + _valid_pairs(sample) > sample.count(b"\xff"):
        return Coding("utf-8", "statistics", 0.0, name)
    return Coding(name, "statistics", round(max(0.0, min(1.0, best)), 2), second)


def _valid_pairs(sample: bytes) -> int:
    """How many letters of UTF-8 beyond ASCII stand there: a long text with one damaged byte is still UTF-8."""
    return sum(1 for letter in sample.decode("utf-8", "ignore") if letter > "\x7f")


def _without_mark(sample: bytes) -> str:
    even, odd = sample[0::2], sample[1::2]
    if len(sample) < 4:
        return ""
    if odd.count(0) * 10 > len(odd) * 4 and even.count(0) * 10 < len(even):
        return "utf-16-le"
    if even.count(0) * 10 > len(even) * 4 and odd.count(0) * 10 < len(odd):
        return "utf-16-be"
    # Cyrillic or Arabic without a mark: every other byte is 4 or 6
    if min(len(even), len(odd)) > 16:
        if (odd.count(4) + odd.count(6) + odd.count(0)) * 10 > len(odd) * 9:
            return "utf-16-le"
        if (even.count(4) + even.count(6) + even.count(0)) * 10 > len(even) * 9:
            return "utf-16-be"
    return ""


def _score(sample: bytes, name: str) -> float:
    """How much the letters beyond ASCII look like words of Russian, Arabic or a western language, -1 to 1 a letter."""
    text = sample.decode(name, "replace")
    total, value, before = 0, 0.0, " "
    for letter in text:
        if letter > "\x7f":
            total += 1
            value += _weight(letter, before)
        before = letter
    return value / total if total else 0.0


def _weight(letter: str, before: str) -> float:
    lower = letter.lower()
    if lower in _RUSSIAN:
        if before.isascii() and before.isalpha():
            return -1.0
        if letter != lower:  # a capital after a small letter: the cases are swapped
            return 0.9 - _RUSSIAN.index(lower) / 40 if not before.isalpha() or before.isupper() else -1.0
        return 1.0 - _RUSSIAN.index(lower) / 40
    if letter in _ARABIC:
        return -1.0 if before.isascii() and before.isalpha() else 1.0 - _ARABIC.index(letter) / 50
    if letter in _PERSIAN:
        return 0.5
    if letter in _LATIN:  # stands among ASCII letters
        return 0.7 if before.isascii() and before.isalpha() else -0.4
    if letter in "«»“”„–—’…№،؟؛ \u200c\u200f":
        return 0.1
    return -1.0


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Yield Facts ("text": encoding and how it is known), then Text for each paragraph ("¶ 3, line 12")."""
    sample = stream.read(_SAMPLE)
    declared = hints.options.get("encoding")
    coding = guess(sample, charset_of(declared) if isinstance(declared, str) else "")
    stream.seek(0)
    bad = lines = 0
    for number, (line, text, damage) in enumerate(_paragraphs(stream, coding), 1):
        yield Text(f"¶ {number}, line {line}", text)
        bad += damage
        lines = line + text.count("\n")
    yield Facts("text", {
        "encoding": coding.name, "encoding_by": coding.by, "encoding_score": coding.score, "encoding_second": coding.second,
        "unknown_bytes": bad, "lines": lines,
    })  # fmt: skip


def _paragraphs(stream: BinaryIO, coding: Coding) -> Iterator[tuple[int, str, int]]:
    """(number of its first line, text, bytes the encoding does not know) of each run of lines between blank ones."""
    decoder = coding.decoder()
    held: list[str] = []
    size = line = 0
    first, rest = 1, ""
    while True:
        piece = stream.read(_PIECE)
        *whole, rest = (rest + decoder.decode(piece, final=not piece)).replace("\r\n", "\n").split("\n")
        if len(rest) > LONGEST or not piece:
            whole += [rest[start : start + LONGEST] for start in range(0, len(rest), LONGEST)]
            rest = ""
        for words in whole:
            line += 1
            if held and (not words.strip() or size > LONGEST):
                yield first, "\n".join(held), _damage(held)
                held, size = [], 0
            if words.strip():
                first = first if held else line
                held.append(words.rstrip("\r"))
                size += len(words)
        if not piece:
            break
    if held:
        yield first, "\n".join(held), _damage(held)


def _damage(lines: list[str]) -> int:
    return sum(line.count("\\x") for line in lines)
