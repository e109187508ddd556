"""Folding, word splitting and rough romanising of Latin, Cyrillic and Arabic text: what search and the gate compare by.

Invariants: ``fold(fold(x)) == fold(x)``; two spellings that differ only in case, diacritics, vowel signs, presentation forms,
digits' script, invisible characters or look-alike letters inside a word fold to one text. Nothing here keeps state.

Sources: Unicode Standard Annex 15 (normalisation forms), Core Specification 5.18 (case folding), UTS 39 (confusables; only
the handful that a keyboard or a forger uses is taken).
"""

import re
import unicodedata
from bisect import bisect_right

_INVISIBLE_LETTERS = "\u115f\u1160\u3164\uffa0\u17b4\u17b5"  # Hangul and Khmer fillers: letters by category, blank to the eye


def _classes(pairs: list[int]) -> str:
    """Code points as the inside of a regular-expression class, runs contracted."""
    out: list[str] = []
    start = previous = pairs[0]
    for point in [*pairs[1:], -1]:
        if point == previous + 1:
            previous = point
            continue
        out.append(re.escape(chr(start)) + ("-" + re.escape(chr(previous)) if previous > start else ""))
        start = previous = point
    return "".join(out)


_ASSIGNED = (*range(0x20000), *range(0xE0000, 0xE0200))  # between them lie ideographs and nothing else
_ALL = [(point, unicodedata.category(chr(point))) for point in _ASSIGNED]
_MARKS = [point for point, kind in _ALL if kind in ("Mn", "Me", "Cf") or chr(point) in _INVISIBLE_LETTERS]
_MARK_CLASS = _classes(sorted({*_MARKS, 0x0640}))  # U+0640 tatweel stretches an Arabic word and says nothing
_LETTERS: dict[str, str] = {
    "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ŧ": "t", "ĸ": "k", "ŋ": "n",
    "ӏ": "і", "ѐ": "е", "ѝ": "и",
    "ٱ": "ا", "ى": "ي", "ی": "ي", "ې": "ي", "ے": "ي", "ک": "ك", "ڪ": "ك", "ة": "ه", "ۃ": "ه", "ہ": "ه", "ھ": "ه", "ە": "ه",
    "’": "'", "‘": "'", "ʼ": "'", "ʹ": "'", "ʽ": "'", "′": "'", "‐": "-", "‑": "-", "‒": "-", "–": "-",
}  # fmt: skip
_TABLE: dict[int, str | None] = dict.fromkeys(_MARKS)
_TABLE[0x0640] = None
_TABLE.update({ord(letter): plain for letter, plain in _LETTERS.items()})
_TABLE.update({point: str(unicodedata.digit(chr(point))) for point, kind in _ALL if kind == "Nd" and point > 127})
del _ALL

# Look-alikes after case folding: the capitals В Н К М Т count, since case is gone (UTS 39, reduced).
_TO_CYRILLIC = str.maketrans("aceiljopstxybhkmru3640", "асеііјорѕтхувнкмгизб4о")
_TO_LATIN = str.maketrans("асеіјорѕтхувнкмһԁԛԝгοαερτυνικχβη", "aceijopstxybhkmhdqwroapptuvikxbn")
_TO_LATIN_FROM_GREEK = {point: letter for point, letter in _TO_LATIN.items() if 0x370 <= point <= 0x3FF}
_CYRILLIC, _LATIN = "\u0400-\u04ff\u0500-\u052f", "a-z"
_GREEK = "\u0370-\u03ff"
_MIXED = re.compile(
    f"[{_LATIN}](?=[{_CYRILLIC}{_GREEK}])|[{_CYRILLIC}](?=[{_LATIN}{_GREEK}])|[{_GREEK}](?=[{_LATIN}{_CYRILLIC}])"
)
_PLAIN = re.compile("[\x00-\x7fа-я«»—„“”]*+")
_FOREIGN = re.compile("[a-z](?=[а-я])|[а-я](?=[a-z])")
_RUN = re.compile(f"[{_LATIN}{_CYRILLIC}\u0370-\u03ff]+")
_WORD = re.compile(f"[^\\W_](?:[^\\W_]|[{_MARK_CLASS}])*")
_PLAIN_WORD = re.compile(r"[a-z0-9а-я]+")
INVISIBLE = _MARK_CLASS
"""Inside of a regular-expression class: every mark, format character and filler that ``fold`` removes."""


def fold(text: str) -> str:
    """Return ``text`` as it is compared: compatibility forms resolved, case folded, marks and invisible characters gone.

    ё is е, alef and yeh and teh marbuta have one form, digits are ASCII, and a word that mixes scripts by look-alike letters
    is written in the script most of its letters have. Spaces and punctuation stay.
    """
    if text.isascii():
        return text.lower()
    lower = text.lower().replace("ё", "е")
    if _PLAIN.fullmatch(lower):  # ordinary Russian needs no normalisation
        return _RUN.sub(_unmix, lower) if _FOREIGN.search(lower) else lower
    text = _clean(text)
    return _RUN.sub(_unmix, text) if _MIXED.search(text) else text


def _clean(text: str) -> str:
    before = ""
    while text != before:  # case folding may compose what normalisation had taken apart; two rounds settle every character
        before = text
        text = unicodedata.normalize("NFKD", text.casefold()).replace("и\u0306", "й")
        text = unicodedata.normalize("NFC", text.translate(_TABLE))
    return text


def _unmix(match: re.Match[str]) -> str:
    """Write a word of mixed scripts in the script that most of its letters have, if look-alikes allow it."""
    word = match[0]
    cyrillic = sum(letter >= "\u0400" for letter in word)
    if cyrillic in (0, len(word)) and not any("\u0370" <= letter <= "\u03ff" for letter in word):
        return word
    first, second = (in_cyrillic, in_latin) if cyrillic * 2 >= len(word) else (in_latin, in_cyrillic)
    return first(word) or second(word) or word


def in_cyrillic(word: str) -> str:
    """A folded word with its Latin (and digit) look-alikes as Cyrillic letters, or "" if a letter has no look-alike."""
    turned = word.translate(_TO_LATIN_FROM_GREEK).translate(_TO_CYRILLIC)
    return turned if all("\u0400" <= letter <= "\u052f" for letter in turned if letter.isalpha()) else ""


def in_latin(word: str) -> str:
    """A folded word with its Cyrillic and Greek look-alikes as Latin letters, or "" if a letter has no look-alike."""
    turned = word.translate(_TO_LATIN)
    return turned if turned.isascii() else ""


def words(text: str) -> list[tuple[str, int, int]]:
    """Return (folded word, start, end) for every word; start and end index ``text`` as given. Numbers are words.

    Letters with their marks and invisible characters make one word; apostrophes, hyphens and underscores part words.
    """
    lower = text.lower().replace("ё", "е")
    if text.isascii() or (_PLAIN.fullmatch(lower) and not _FOREIGN.search(lower)):
        return [(match[0], match.start(), match.end()) for match in _PLAIN_WORD.finditer(lower)]
    found = ((fold(match[0]), match.start(), match.end()) for match in _WORD.finditer(text))
    return [entry for entry in found if entry[0]]


_SCRIPTS: list[tuple[int, str]] = [
    (0x0000, ""), (0x0041, "Latn"), (0x005B, ""), (0x0061, "Latn"), (0x007B, ""), (0x00C0, "Latn"), (0x0250, "Latn"),
    (0x02B0, ""), (0x0370, "Grek"), (0x0400, "Cyrl"), (0x0530, "Armn"), (0x0590, "Hebr"), (0x0600, "Arab"), (0x0700, "Zzzz"),
    (0x0750, "Arab"), (0x0780, "Zzzz"), (0x08A0, "Arab"), (0x0900, "Deva"), (0x0980, "Zzzz"), (0x10A0, "Geor"),
    (0x1100, "Hang"), (0x1200, "Ethi"), (0x13A0, "Zzzz"), (0x1C80, "Cyrl"), (0x1C90, "Geor"), (0x1CC0, "Zzzz"),
    (0x1D00, "Latn"), (0x1F00, "Grek"), (0x2000, ""), (0x2C60, "Latn"), (0x2C80, "Zzzz"), (0x2D00, "Geor"), (0x2D30, "Zzzz"),
    (0x2DE0, "Cyrl"), (0x2E00, ""), (0x3040, "Jpan"), (0x3100, "Zzzz"), (0x3400, "Hani"), (0xA000, "Zzzz"), (0xA640, "Cyrl"),
    (0xA6A0, "Zzzz"), (0xA720, "Latn"), (0xA800, "Zzzz"), (0xAC00, "Hang"), (0xD800, ""), (0xFB00, "Latn"), (0xFB13, "Armn"),
    (0xFB1D, "Hebr"), (0xFB50, "Arab"), (0xFE00, ""), (0xFE70, "Arab"), (0xFEFF, ""), (0xFF21, "Latn"), (0xFF3B, ""),
    (0xFF41, "Latn"), (0xFF5B, ""), (0x10000, "Zzzz"),
]  # fmt: skip
_STARTS = [start for start, _ in _SCRIPTS]


def script_of(text: str) -> str:
    """Return the ISO 15924 code of the script most letters of ``text`` have (Latn, Cyrl, Arab ...), Zyyy without letters.

    A script this table does not tell apart is Zzzz. On a tie the script that comes first in the text wins.
    """
    counts: dict[str, int] = {}
    for letter in text:
        if letter.isalpha():
            script = _SCRIPTS[bisect_right(_STARTS, ord(letter)) - 1][1] or "Zzzz"
            counts[script] = counts.get(script, 0) + 1
    return max(counts, key=lambda script: counts[script]) if counts else "Zyyy"


_ROMAN = str.maketrans({
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ж": "zh", "з": "z", "и": "i", "й": "y", "к": "k", "л": "l",
    "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f", "х": "kh", "ц": "ts",
    "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ы": "y", "ь": "", "э": "e", "ю": "yu", "я": "ya", "і": "i", "ї": "yi",
    "є": "ye", "ґ": "g", "ў": "w", "ђ": "dj", "ј": "j", "љ": "lj", "њ": "nj", "ћ": "c", "џ": "dzh", "ѕ": "dz", "ә": "a",
    "ғ": "gh", "қ": "q", "ң": "ng", "ө": "o", "ұ": "u", "ү": "u", "һ": "h", "җ": "j", "ҷ": "j", "ӣ": "i", "ӯ": "u", "ҳ": "h",
    "ا": "a", "ب": "b", "ت": "t", "ث": "th", "ج": "j", "ح": "h", "خ": "kh", "د": "d", "ذ": "dh", "ر": "r", "ز": "z",
    "س": "s", "ش": "sh", "ص": "s", "ض": "d", "ط": "t", "ظ": "z", "ع": "", "غ": "gh", "ف": "f", "ق": "q", "ك": "k", "ل": "l",
    "م": "m", "ن": "n", "ه": "h", "و": "w", "ي": "y", "ء": "", "پ": "p", "چ": "ch", "ژ": "zh", "گ": "g", "ڤ": "v",
})  # fmt: skip


def romanise(text: str) -> str:
    """Fold ``text`` and write its Cyrillic and Arabic letters in a rough Latin form (Арслан -> arslan, محمد -> mhmd).

    Near BGN/PCGN without its marks; one letter always gives the same letters, short vowels of Arabic stay unwritten.
    For search across scripts, not for print; letters of other scripts stay as they are.
    """
    text = fold(text)
    return text if text.isascii() else text.translate(_ROMAN)


_COMMANDS = (range(0x20), range(0x7F, 0xA0), range(0x2028, 0x202F), range(0x2066, 0x206A))
_CONTROLS = {point: "\ufffd" for points in _COMMANDS for point in points if point not in (0x09, 0x0A)}


def printable(text: str) -> str:
    """Replace what commands a terminal (control codes, overrides of the writing direction) by U+FFFD; line breaks and tabs
    stay. Foreign words reach the screen, and must not steer it.
    """
    return text.translate(_CONTROLS)


_ESCAPED = {point: f"\\u{point:04x}" for point in _CONTROLS}


def printable_json(text: str) -> str:
    """The same for JSON, which stays the same JSON: such characters are written as escapes."""
    return text.translate(_ESCAPED)
