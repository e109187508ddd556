"""From words to index tokens: what FTS5 stores is decided here, so that its tokenizer has nothing to decide.

Invariants: the same text gives the same tokens (an erasure must name exactly the tokens that an insertion wrote; where the
rules change, ``FINGERPRINT`` does and the view is made anew); a ground word gives no token at all; a token has letters and
digits only, behind one of the marks below.

* a stem: English, Russian (Snowball), Arabic (light10: Larkey, Ballesteros and Connell, 2002), else the folded word;
* ``~`` the sound of a name in Latin or Cyrillic letters, vowels levelled: Grozny, Грозный, в Грозном -> ~grazn;
* ``^`` its consonants, by which a name in Arabic letters finds it; ``=`` the consonants of a word in Arabic letters;
* ``_`` a facet: kind, month, year, place, source, property.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import islice

import Stemmer

from amparo.kernel import dates
from amparo.kernel.errors import BadDate
from amparo.kernel.text import INVISIBLE, fold, romanise
from amparo.record.ground import ground_words

_ENGLISH, _RUSSIAN = (Stemmer.Stemmer(name, 0) for name in ("english", "russian"))
FINGERPRINT = f"1 {Stemmer.version()} {unicodedata.unidata_version} {ground_words().fingerprint}"
_WORD = re.compile(f"[^\\W_](?:[^\\W_]|[{INVISIBLE}])*")  # as kernel.text.words
_PLAIN = re.compile("[\x00-\xac\xae-\u02ff\u0400-\u0482\u048a-\u052f\u0621-\u063f\u0641-\u064a\u2010-\u2027]*")
_PLAIN_WORD = re.compile(r"[^\W_]+")  # the same words, three times faster, where a text has no marks or invisible characters
_CACHE_WORDS = 200_000
_MAX_MONTHS = 24  # a claim that holds longer is found by its years

_AR_PREFIXES = ("وال", "بال", "كال", "فال", "لل", "ال")
_AR_SUFFIXES = ("ها", "ان", "ات", "ون", "ين", "يه", "ه", "ي")
_SOUNDS = (
    ("shch", "2"), ("sch", "2"), ("dzh", "j"), ("zh", "j"), ("dj", "j"), ("tch", "1"), ("ch", "1"), ("sh", "2"), ("kh", "h"),
    ("gh", "g"), ("ph", "f"), ("th", "t"), ("dh", "d"), ("tz", "ts"), ("ck", "k"), ("c", "k"), ("q", "k"),
    ("x", "ks"), ("w", "v"), ("f", "v"),
)  # fmt: skip
_SOUND = re.compile("|".join(letters for letters, _ in _SOUNDS))
_SOUND_OF = dict(_SOUNDS)
_VOWELS = re.compile("[aeiouy]+")
_TWICE = re.compile(r"(.)\1+")


def stem(word: str) -> str:
    """The stem of a folded word, by its script."""
    if word.isascii():
        return str(_ENGLISH.stemWord(word)) if not word.isdigit() else word
    if "\u0400" <= word[0] <= "\u04ff":
        return str(_RUSSIAN.stemWord(word))
    return _arabic_stem(word) if "\u0600" <= word[0] <= "\u06ff" else word


def _arabic_stem(word: str) -> str:
    if word.startswith("و") and len(word) > 3 and not word.startswith("وال"):
        word = word[1:]
    for prefix in _AR_PREFIXES:
        if word.startswith(prefix) and len(word) >= len(prefix) + 2:
            word = word[len(prefix) :]
            break
    for suffix in _AR_SUFFIXES:
        if word.endswith(suffix) and len(word) >= len(suffix) + 2:
            word = word[: -len(suffix)]
    return word


def _consonants(sound: str) -> str:
    """The sound without its levelled vowels; the one it begins with stays."""
    return sound[:1] + sound[1:].replace("a", "")


def _sound(stemmed: str) -> str:
    """How a stem sounds, roughly, as ASCII letters and digits; "" where it cannot be written so."""
    roman = romanise(stemmed)
    if not roman.isascii() or not roman.isalpha():
        return ""
    roman = _SOUND.sub(lambda match: _SOUND_OF[match[0]], roman)
    return _TWICE.sub(r"\1", _VOWELS.sub("a", roman)).removesuffix("a")


def consonants(word: str) -> str:
    """How a folded word sounds without vowels, whatever script it is in; the word itself where that cannot be told."""
    if "\u0600" <= word[:1] <= "\u06ff":  # و and ي mostly write vowels
        word = word[:1] + word[1:].replace("و", "").replace("ي", "")
    return _consonants(_sound(word)) or word


def name_tokens(stemmed: str) -> list[str]:
    """The tokens by which a name in another script or spelling finds this stem; [] where it is too short to tell apart."""
    sound = _sound(stemmed)
    bare = consonants(stemmed)
    if not sound or len(bare) < 3:
        return []
    if "\u0600" <= stemmed[0] <= "\u06ff":
        return ["=" + bare]
    return (["~" + sound] if len(sound) >= 4 else []) + ["^" + bare]


def name_queries(stemmed: str, *, capital: bool) -> list[str]:
    """The tokens to look for besides the stem, so that a name is found across scripts and spellings."""
    tokens = name_tokens(stemmed)
    if "\u0600" <= stemmed[0] <= "\u06ff":
        return tokens + ["^" + token[1:] for token in tokens]
    enough = 3 if capital else 4
    return [token if token[0] == "~" else "=" + token[1:] for token in tokens if token[0] == "~" or len(token) > enough]


class _Cache(dict[str, str]):
    """A function of a word as written, remembered until it is full: the common words come early."""

    def __init__(self, compute: Callable[[str], str]) -> None:
        super().__init__()
        self._compute = compute

    def __missing__(self, raw: str) -> str:
        value = self._compute(raw)
        if len(self) < _CACHE_WORDS:
            self[raw] = value
        return value


def _stem_of(raw: str) -> str:
    """The stem of a word as written; "" for a ground word."""
    folded = fold(raw)
    return clean(stem(folded)) if folded and folded not in ground_words() else ""


def _names_of(raw: str) -> str:
    """The name tokens of a word as written, a space before each; "" if it is not written as a name."""
    stemmed = _stems[raw] if raw[0].isupper() or "\u0600" <= raw[0] <= "\u06ff" else ""
    return "".join(f" {token}" for token in name_tokens(stemmed)) if stemmed else ""


_stems, _names = _Cache(_stem_of), _Cache(_names_of)
_stem, _name = _stems.__getitem__, _names.__getitem__


def clean(token: str) -> str:
    """A token without what would part it or end its quotes in an FTS5 query."""
    return token if token.isalnum() else "".join(letter for letter in token if letter.isalnum())


_prepared: dict[str, str] = {}
_PREPARED = 50_000  # more than the claims a view gathers before it writes them


def prepare(forms: Mapping[str, str]) -> None:
    """Take over index forms that another process made with ``tokens``; the oldest are forgotten."""
    _prepared.update(forms)
    for text in list(islice(_prepared, max(0, len(_prepared) - _PREPARED))):
        del _prepared[text]


def tokens(text: str) -> str:
    """The index form of ``text``: its stems in order, then the name tokens, parted by spaces."""
    if _prepared and (ready := _prepared.get(text)) is not None:
        return ready
    found = (_PLAIN_WORD if text.isascii() or _PLAIN.fullmatch(text) else _WORD).findall(text)
    return " ".join(map(_stem, found)) + "".join([_name(raw) for raw in found if not raw.islower()])


@lru_cache(4096)
def tag(mark: str, value: str) -> str:
    """A facet token: ``_``, one letter for the facet, and the value as letters, digits and underscores."""
    return f"_{mark}" + re.sub("[^a-z0-9]", lambda match: f"_{ord(match[0]):x}_", value.lower())


@lru_cache(65536)
def when(valid: str) -> tuple[int | None, str, str]:
    """(day to sort by, facet value, facet tokens) of a partial date; (None, "", "") where it is empty or unreadable.

    The facet is the month a date begins in, or its year where no month is known; an open beginning counts by its end.
    """
    try:
        date = dates.parse(valid)
    except BadDate:
        return None, "", ""
    first, last = date.earliest or date.latest, date.latest or date.earliest
    assert first is not None and last is not None
    months = _months(first.year, first.month, last.year, last.month)
    known = "-" in valid
    found = [f"_a{year}" for year in range(first.year, min(last.year, first.year + 100) + 1)]
    if known and len(months) <= _MAX_MONTHS:
        found += [f"_m{month}" for month in months]
    else:
        found += [token.replace("_a", "_y") for token in found]
    return first.toordinal(), f"{first.year:04d}-{first.month:02d}" if known else f"{first.year:04d}", " ".join(found)


def date_tokens(query: str) -> list[str]:
    """The facet tokens of which a claim in that time has at least one. ``query`` a partial date; months are the resolution.

    Raises BadDate. An open beginning or end reaches to 1900 and 2100.
    """
    date = dates.parse(query)
    first = (date.earliest.year, date.earliest.month) if date.earliest else (1900, 1)
    last = (date.latest.year, date.latest.month) if date.latest else (2100, 12)
    found = []
    for year in range(first[0], min(last[0], first[0] + 250) + 1):
        months = _months(year, first[1] if year == first[0] else 1, year, last[1] if year == last[0] else 12)
        found += [f"_a{year}"] if len(months) == 12 else [f"_y{year}", *(f"_m{month}" for month in months)]
    return found


def _months(year: int, month: int, last_year: int, last_month: int) -> list[str]:
    """Months from one to another, both included, as YYYYMM; cut where there are more than anyone asks for."""
    first, last = year * 12 + month - 1, min(last_year * 12 + last_month - 1, year * 12 + month + _MAX_MONTHS)
    return [f"{index // 12:04d}{index % 12 + 1:02d}" for index in range(first, last + 1)]
