"""The ground belongs to the act: no list, search, facet or bulk output returns persons by the ground of what was done to them.

How the promise is kept (tests/test_record_ground.py attacks each route by name):

* A claim with the property ``ground`` is kept in a table of its own. No index of words, facet, count by property, timeline,
  lookup by value, key or source reads that table; only ``RecordView.ground_of(act)`` for one opened act, ``claim(handle)`` for
  one opened claim, and ``ground_counts()``, where cells under ``SMALL`` are suppressed together with the cell that would tell
  them by subtraction.
* A *ground word* (terms/ground-words.yaml, in any case, spelling or transliteration we know) is not indexed at all. A query
  that has one is answered like a query that finds nothing, by the same path, with an explanation.
* Whatever is shown of many things at once is masked by ``mask``: every search hit; every list of claims about a person or an
  act or told by one person; the labels of persons, acts and involvements. The full text stands on one opened claim, act,
  event or other thing that is not a person.
* What remains, and is said in the threat model: who may open every act one by one can note their grounds by hand, and a
  person who knows the neighbouring words of a sentence can search for those.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property

from amparo.kernel.text import fold, romanise, script_of, words
from amparo.record import vocabulary

PROPERTY = "ground"
SMALL = 5
MASK = "[ground]"
_AR_CONJUNCTIONS = ("و", "ف")
_AR_ARTICLES = ("بال", "كال", "لل", "ال", "ب", "ل", "ك")
_TRANSLITERATED_PREFIX = 6  # letters: a shorter prefix in Latin letters would hide common words (“indus*” hides industry)


class GroundWords:
    """A matcher for words that name a ground: whole words and prefixes, in all the scripts they may be written in."""

    def __init__(self, lists: Mapping[str, Iterable[str]], names: Iterable[str] = ()) -> None:
        """``lists``: language -> words, a trailing ``*`` marks a prefix. ``names``: names that only contain such a word."""
        entries = {(fold(word.rstrip("*")), word.endswith("*")) for several in lists.values() for word in several}
        self._whole = frozenset(word for word, prefix in entries if not prefix)
        self._prefixes = sorted(word for word, prefix in entries if prefix)
        self._begins = _beginning(self._prefixes)
        cyrillic = [(_plain(word), prefix) for word, prefix in entries if script_of(word) == "Cyrl"]
        long = {word for word, prefix in cyrillic if prefix and len(word) >= _TRANSLITERATED_PREFIX}
        self._plain_begins = _beginning(sorted(long))
        self._plain_whole = frozenset(word for word, _ in cyrillic if word not in long)
        self._names = [[word for word, _, _ in words(name)] for name in names]
        self._known: dict[str, bool] = {}

    def __contains__(self, folded: str) -> bool:
        """True if the word (folded, as ``kernel.text.words`` gives it) names a ground."""
        known = self._known.get(folded)
        if known is None:
            if len(self._known) > 100_000:
                self._known.clear()
            known = self._known[folded] = self._look(folded)
        return known

    def _look(self, word: str) -> bool:
        for form in _forms(word):
            if form in self._whole or self._begins(form):
                return True
        plain = _plain(word)
        return plain in self._plain_whole or self._plain_begins(plain) is not None

    def spans(self, text: str) -> list[tuple[int, int]]:
        """(start, end) of every ground word of ``text``, without those that are part of a published name."""
        found = words(text)
        marked = [word in self for word, _, _ in found]
        if True not in marked:
            return []
        for name in self._names:
            for start in range(len(found) - len(name) + 1):
                if [word for word, _, _ in found[start : start + len(name)]] == name:
                    marked[start : start + len(name)] = [False] * len(name)
        return [(start, end) for (_, start, end), mark in zip(found, marked, strict=True) if mark]

    def mask(self, text: str) -> str:
        """``text`` with every ground word replaced by ``[ground]``."""
        for start, end in reversed(self.spans(text)):
            text = text[:start] + MASK + text[end:]
        return text

    @cached_property
    def fingerprint(self) -> str:
        """Changes whenever an index made with another list would differ."""
        return f"{len(self._whole)}.{len(self._prefixes)}.{sum(map(_checksum, (*self._whole, *self._prefixes)))}"


def _beginning(prefixes: Iterable[str]) -> Callable[[str], re.Match[str] | None]:
    """Tells whether a word begins with one of ``prefixes``; a pattern looks at the first letter once for all of them."""
    return re.compile("|".join(map(re.escape, prefixes)) or "(?!)").match


def _checksum(word: str) -> int:
    return sum((place + 1) * ord(letter) for place, letter in enumerate(word))


def _forms(word: str) -> list[str]:
    """The word, and if it is Arabic, the word without conjunction, preposition and article."""
    forms = [word]
    if "\u0600" <= word[:1] <= "\u06ff":
        for letters in (_AR_CONJUNCTIONS, _AR_ARTICLES):
            forms += [form.removeprefix(cut) for form in forms for cut in letters if form.startswith(cut) and len(form) > 4]
    return forms


def _plain(word: str) -> str:
    """A Latin form in which the usual romanisations of one Cyrillic word meet: гей, гэй, gey, gei, gej -> gei."""
    return romanise(word).replace("y", "i").replace("j", "i").replace("kh", "h").replace("x", "h").replace("ie", "e")


@cache
def ground_words() -> GroundWords:
    """The matcher of the shipped lists."""
    loaded = vocabulary.load()
    return GroundWords(loaded.ground_words, loaded.ground_names)


def mask(text: str) -> str:
    """Put ``[ground]`` in place of every ground word, for whatever shows many things at once; idempotent."""
    return ground_words().mask(text) if text else text


def mentions(text: str) -> bool:
    """True if ``text`` has a ground word outside a published name."""
    return bool(ground_words().spans(text))


@dataclass(frozen=True, slots=True)
class GroundCounts:
    """``cells``: ground -> number of acts, None where suppressed; ``total``: sum of all cells, None where it would tell one."""

    cells: dict[str, int | None]
    total: int | None
    small: int = SMALL


def suppress(counts: Mapping[str, int], small: int = SMALL) -> GroundCounts:
    """Suppress cells under ``small``, and as many of the next smallest as keep them from being told by subtraction.

    Afterwards no cell is suppressed, or at least two are and together they count ``small`` or more; where that cannot be, the
    total is suppressed too. (Primary and complementary suppression, Hundepool et al., Statistical Disclosure Control, 2012,
    section 4.4.)
    """
    ordered = sorted((number, name) for name, number in counts.items() if number > 0)
    hidden = sum(number < small for number, _ in ordered)
    if hidden:
        while hidden < len(ordered) and (hidden < 2 or sum(number for number, _ in ordered[:hidden]) < small):
            hidden += 1
    told = hidden == 0 or (hidden >= 2 and sum(number for number, _ in ordered[:hidden]) >= small)
    suppressed = {name for _, name in ordered[:hidden]}
    cells = {name: None if name in suppressed else number for number, name in sorted(ordered, key=lambda cell: cell[1])}
    return GroundCounts(cells, sum(number for number, _ in ordered) if told else None, small)
