"""Looks for words in files as a seizing officer would: raw bytes, several encodings, several scripts.

Reports where and how, never the word itself.
"""

import base64
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from amparo.kernel.text import fold, romanise

_PIECE = 8 << 20


class Sighting(NamedTuple):
    """``word``: index of the word looked for; ``how`` the form it was found in."""

    path: str
    word: int
    how: str


def forms(word: str) -> Iterator[tuple[str, bytes]]:
    """The byte forms of a word: as written, lower, upper, folded, romanised; UTF-8, UTF-16 both ways, CP1251, base64 at each
    of its three alignments, hexadecimal."""
    spellings = {
        "written": word,
        "lower": word.lower(),
        "upper": word.upper(),
        "folded": fold(word),
        "romanised": romanise(word),
    }
    for name, text in spellings.items():
        yield f"{name}, UTF-8", text.encode()
        yield f"{name}, UTF-16LE", text.encode("utf-16-le")
        yield f"{name}, UTF-16BE", text.encode("utf-16-be")
        yield f"{name}, JSON", text.encode("ascii", "backslashreplace")
        yield f"{name}, hex", text.encode().hex().encode()
        for shift in range(3):
            encoded = base64.b64encode(b"\0" * shift + text.encode())
            yield f"{name}, base64", encoded[(0, 2, 3)[shift] : -4 if len(encoded) > 8 else None]
        try:
            yield f"{name}, Windows-1251", text.encode("cp1251")
        except UnicodeEncodeError:
            continue


def scan(files: Iterable[Path], words: list[str]) -> list[Sighting]:
    """Every sighting of every form of every word (forms under six bytes are passed over) in the files' bytes."""
    needles = {data: (index, how) for index, word in enumerate(words) for how, data in forms(word) if len(data) >= 6}
    longest = max(map(len, needles), default=0)
    found = []
    for path in files:
        if not path.is_file():
            continue
        tail = b""
        with path.open("rb") as stream:
            while block := stream.read(_PIECE):
                piece = tail + block
                found += [Sighting(str(path), index, how) for data, (index, how) in needles.items() if data in piece]
                tail = piece[-longest:]
    return found
