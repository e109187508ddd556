"""What a user types, compiled to an FTS5 expression: any text compiles, none can reach FTS5's own syntax.

Words are joined by AND; ``"several words"`` stand next to each other; ``detent*`` is a beginning of three letters or more. A
query with a ground word compiles to ``NOTHING``, which matches no row, and carries the explanation (record.ground).
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from amparo.kernel.i18n import N_
from amparo.kernel.text import words
from amparo.record import tokens
from amparo.record.ground import ground_words, mentions

MAX_TEXT = 1_000
MAX_TERMS = 24
NOTHING = '"_nothing"'
"""Matches no row, through the same machinery as any query."""
GROUND_EXPLANATION = N_(
    "Amparo does not search by words that name a ground of persecution, so that no query can list persons by it; the ground "
    "shows on one opened act, and in counts."
)
EMPTY_EXPLANATION = N_("The query has no word to search for.")
_UNIT = re.compile(r'"([^"]*)"?|(\S+)')
_QUOTES = str.maketrans("“”„«»‟＂", '"' * 7)
_ELLIPSIS = "…"
_WIDTH = 200


@dataclass(frozen=True, slots=True)
class Compiled:
    """``expression`` for FTS5 MATCH ("" for an empty text), ``stems`` to find the hit in a text, ``explanation`` or ""."""

    expression: str
    stems: frozenset[str] = frozenset()
    explanation: str = ""


class _Unit(NamedTuple):
    text: str
    phrase: bool


def compile_query(text: str) -> Compiled:
    """Compile what the user typed; never fails."""
    text = text[:MAX_TEXT].translate(_QUOTES)
    if not text.strip():
        return Compiled("")
    if mentions(text.replace('"', " ")) or mentions(text.replace('"', "").replace("*", "")):
        return Compiled(NOTHING, explanation=GROUND_EXPLANATION)
    units = [_Unit(match[1], True) if match[1] is not None else _Unit(match[2], False) for match in _UNIT.finditer(text)]
    compiled = [_term(unit) for unit in units[:MAX_TERMS]]
    terms = [term for term, _ in compiled if term]
    if not terms:
        return Compiled(NOTHING, explanation=EMPTY_EXPLANATION)
    return Compiled(" AND ".join(terms), frozenset(stem for _, stems in compiled for stem in stems))


def _term(unit: _Unit) -> tuple[str, list[str]]:
    """(FTS5 term, stems) of one word or phrase; ("", []) if it has no word in it."""
    found = [(word, tokens.clean(tokens.stem(word)), unit.text[start].isupper()) for word, start, _ in words(unit.text)]
    found = [(word, stem, capital) for word, stem, capital in found if stem and word not in ground_words()][:MAX_TERMS]
    if not found:
        return "", []
    stems = [stem for _, stem, _ in found]
    if unit.phrase or len(found) > 1:
        return '"' + " ".join(stems) + '"', stems
    word, stem, capital = found[0]
    if unit.text.endswith("*") and len(tokens.clean(word)) >= 3:
        return f'("{tokens.clean(word)}" * OR "{stem}")', stems
    others = tokens.name_queries(stem, capital=capital)
    return ("(" + " OR ".join(f'"{token}"' for token in (stem, *others)) + ")") if others else f'"{stem}"', stems


def excerpt(text: str, stems: frozenset[str], width: int = _WIDTH) -> str:
    """About ``width`` characters of ``text`` around the first word with one of the stems; all of it where it is shorter."""
    if len(text) <= width:
        return text
    places = (start for word, start, _ in words(text) if stems and tokens.clean(tokens.stem(word)) in stems)
    start = max(0, next(places, 0) - width // 4)
    start = text.rfind(" ", 0, start) + 1
    end = start + width
    end = text.rfind(" ", start, end) if end < len(text) and " " in text[start:end] else end
    return (_ELLIPSIS if start else "") + text[start:end].strip() + (_ELLIPSIS if end < len(text) else "")
