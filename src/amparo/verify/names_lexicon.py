"""Which spellings are one given name: a hand-written list of names of the language (of nobody), read once.

Invariant: ``families`` of a word is empty where the list does not know it; two known words without a common family are two
names, however near their letters (Hasan, Husayn). The list helps to compare; a name that it lacks is compared by its sounds.
"""

from functools import lru_cache
from importlib import resources

from amparo.verify.names_fold import arabic_fold, romanise, sound

_FILE = "name_lexicon.txt"


@lru_cache(maxsize=1)
def _read() -> tuple[dict[str, frozenset[int]], dict[bytes, frozenset[int]], dict[str, str], frozenset[tuple[str, int]]]:
    """Words to families; codes of full forms to families; Arabic spelling to Latin form; (word, family) of familiar forms."""
    words: dict[str, set[int]] = {}
    codes: dict[bytes, set[int]] = {}
    arabic: dict[str, str] = {}
    familiar: set[tuple[str, int]] = set()
    text = resources.files("amparo.verify").joinpath(_FILE).read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    for family, line in enumerate(lines):
        full, _, short = line.partition("|")
        for word in full.split():
            if "\u0600" <= word[0] <= "\u06ff":
                arabic.setdefault(arabic_fold(word), full.split()[0])
                continue
            latin = romanise(word)
            words.setdefault(latin, set()).add(family)
            codes.setdefault(sound(latin), set()).add(family)
        for word in short.split():
            latin = romanise(word)
            words.setdefault(latin, set()).add(family)
            familiar.add((latin, family))
    return ({word: frozenset(found) for word, found in words.items()},
            {code: frozenset(found) for code, found in codes.items()},
            arabic, frozenset(familiar))  # fmt: skip


def from_arabic(word: str) -> str:
    """The Latin form of a common name in Arabic letters, with the vowels that Arabic leaves out; "" if it is not listed."""
    return _read()[2].get(arabic_fold(word), "")


@lru_cache(maxsize=60_000)
def families(latin: str) -> frozenset[int]:
    """Numbers of the names that a romanised word may be; by its sounds where this spelling is not listed."""
    words, codes, _, _ = _read()
    return words.get(latin) or codes.get(sound(latin), frozenset())


def is_familiar(latin: str, family: int) -> bool:
    """True if ``latin`` is a short or familiar form of this name (Misha of Mikhail)."""
    return (latin, family) in _read()[3]
