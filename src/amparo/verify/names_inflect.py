"""Russian names in the nominative, whatever case a text has them in; the words as they stood are kept by the caller.

Invariant: the words of one name agree in case, gender and number; a name that can be read as a nominative is left as it is.
The dictionary (pymorphy3, Korobov, AIST 2015) is loaded when the first name in Cyrillic letters comes.
"""

import re
from functools import lru_cache
from typing import Any

_CASES = ("nomn", "gent", "datv", "accs", "ablt", "loct")
_RUSSIAN = re.compile("[А-Яа-яЁё]{3,40}")  # the analyser fails on signs that Unicode has no name for
_NAME_TAGS = ("Name", "Surn", "Patr")


@lru_cache(maxsize=1)
def _analyser() -> Any:
    import pymorphy3

    return pymorphy3.MorphAnalyzer(lang="ru")


@lru_cache(maxsize=20_000)
def cases(word: str) -> tuple[tuple[str, str, str], ...]:
    """(case, gender, nominative) of each reading of a word as a name."""
    found = []
    for reading in _analyser().parse(word.lower()):
        tag = reading.tag
        if not any(name in tag for name in _NAME_TAGS) or "plur" in tag:
            continue
        gender = "femn" if "femn" in tag else "masc"
        straight = reading.inflect({"nomn", "sing", gender}) or reading.inflect({"nomn"})
        case = {"gen2": "gent", "loc2": "loct"}.get(tag.case, tag.case)
        if straight is not None and case in _CASES:
            found.append((case, gender, straight.word))
    return tuple(found)


def nominatives(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words in the nominative, capitals kept at the front; as they are where nothing shows another case."""
    known = [(index, cases(word)) for index, word in enumerate(words) if _RUSSIAN.fullmatch(word)]
    known = [(index, readings) for index, readings in known if readings]
    if not known:
        return words
    best: tuple[int, int, str, str] | None = None
    for place, case in enumerate(_CASES):
        for gender in ("masc", "femn"):
            fits = sum(any(reading[:2] == (case, gender) for reading in readings) for _, readings in known)
            if best is None or (fits, -place) > (best[0], best[1]):
                best = (fits, -place, case, gender)
    assert best is not None
    fits, _, case, gender = best
    if case == "nomn" or fits == 0:
        return words
    out = list(words)
    for index, readings in known:
        straight = next((word for found, of, word in readings if (found, of) == (case, gender)), "")
        if straight:
            out[index] = straight.capitalize() if words[index][:1].isupper() else straight
    return tuple(out)
