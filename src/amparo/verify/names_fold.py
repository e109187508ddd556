"""From a written word to the sounds it is compared by: folding, romanising, and a code of one byte for each sound.

Invariant: ``sound`` is a pure function of one word and of the script it was written in; spellings of a name that differ in
case, diacritics, Arabic letter variants, doubled letters or the usual digraphs of romanisation have one code, or codes that
lie close under ``distance``. A word keeps its Latin form of letters a-z only.

Sources: Arabic letter variants after Larkey, Ballesteros and Connell, "Improving stemming for Arabic information retrieval"
(SIGIR 2002), section 3; romanisation near BGN/PCGN (Russian 1947, Arabic 1956, Chechen 2008) without its marks; weighted
edit distance after Wagner and Fischer (J. ACM 21, 1974) with the transposition of Damerau (Commun. ACM 7, 1964).
"""

import re
import unicodedata
from functools import lru_cache

import numpy as np
from anyascii import anyascii
from numba import njit
from numpy.typing import NDArray

from amparo.kernel.text import fold, script_of

LONGEST_WORD = 40
"""Letters of a word that are compared; what follows is cut off (no name is longer, and the cost of a pair is bounded)."""
_KEPT = 60_000

_CHECHEN = {"аь": "a", "гӏ": "gh", "кх": "q", "къ": "q", "кӏ": "k", "оь": "o", "пӏ": "p", "тӏ": "t", "уь": "u", "хь": "h",
            "хӏ": "h", "цӏ": "ts", "чӏ": "ch", "юь": "yu", "яь": "ya", "ӏ": ""}  # fmt: skip
_CYRILLIC = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z", "и": "i", "й": "y", "к": "k",
    "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f", "х": "kh", "ц": "ts",
    "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ы": "y", "ь": "", "э": "e", "ю": "yu", "я": "ya", "і": "i", "ї": "yi",
    "є": "ye", "ґ": "g", "ў": "u", "ј": "y", "ђ": "dj", "љ": "l", "њ": "n", "ћ": "c", "џ": "dzh", "ѕ": "z", "ә": "a", "ғ": "gh",
    "қ": "q", "ң": "n", "ө": "o", "ұ": "u", "ү": "u", "һ": "h", "җ": "j", "ҷ": "j", "ӣ": "i", "ӯ": "u", "ҳ": "h",
}  # fmt: skip
_ARABIC = {
    "ا": "a", "ب": "b", "ت": "t", "ث": "th", "ج": "j", "ح": "h", "خ": "kh", "د": "d", "ذ": "dh", "ر": "r", "ز": "z", "س": "s",
    "ش": "sh", "ص": "s", "ض": "dh", "ط": "t", "ظ": "z", "ع": "", "غ": "gh", "ف": "f", "ق": "q", "ك": "k", "ل": "l", "م": "m",
    "ن": "n", "ه": "h", "و": "w", "ي": "y", "ء": "", "ئ": "y", "ؤ": "w", "پ": "p", "چ": "ch", "ژ": "zh", "گ": "g", "ڤ": "v",
    "ځ": "dz", "څ": "ts", "ډ": "d", "ړ": "r", "ږ": "zh", "ښ": "sh", "ټ": "t", "ګ": "g", "ڼ": "n", "ۍ": "y", "ٹ": "t", "ڈ": "d",
    "ڑ": "r", "ں": "n", "ێ": "e", "ۆ": "o", "ڵ": "l", "ڕ": "r", "ڭ": "g", "ۋ": "v", "ى": "a",
}  # fmt: skip
_MARKED = str.maketrans({"č": "ch", "ć": "ch", "š": "sh", "ś": "sh", "ş": "sh", "ș": "sh", "ž": "zh", "ż": "zh",
    "ź": "zh", "ŝ": "shch",
                         "ğ": "gh", "ȟ": "kh", "ẖ": "kh", "ḫ": "kh", "ġ": "gh", "â": "ya", "û": "yu", "ţ": "ts"})  # fmt: skip
_SHCH = re.compile("š[čt]š?|ść")
_CYRILLIC_WORD = re.compile("|".join([*_CHECHEN, "ье", "ьи", "ьо", "ъе", "."]))
_SOFT = {"ье": "ye", "ьи": "yi", "ьо": "yo", "ъе": "ye"}
_NOT_LATIN = re.compile("[^a-z]+")
_PALOCHKA = re.compile("(?<=[гкптхцч])[i1l|і](?![a-z])|ӏ|(?<=[гкптхцч])(?:і)")

# One sound, one byte: small letters are themselves; S sh, W shch, C ch, Z zh, X kh, G gh, T th, D dh, U oo, I ee, Q ts.
_GRAPHEMES = {
    "shch": "W", "shh": "W", "schtsch": "W", "chtch": "W", "dzh": "j", "dsch": "j", "tsch": "C", "tch": "C", "sch": "S",
    "szcz": "W",
    "cz": "C", "sz": "S", "dj": "j", "zh": "Z", "kh": "X", "gh": "G", "sh": "S", "ch": "C", "th": "T", "dh": "D", "ph": "f",
    "ck": "k", "cq": "k", "ts": "Q", "tz": "Q", "ou": "U", "oo": "U", "ee": "I", "ii": "I", "uu": "U", "aa": "a", "iy": "i",
    "yi": "i", "ij": "i", "ey": "ei", "ay": "ai", "ew": "ev", "ow": "ov", "qu": "k", "x": "ks", "wh": "w", "iu": "yu",
    "ia": "ya",
    "ju": "yu", "ja": "ya", "je": "ye", "ce": "se", "ci": "si", "aou": "aU", "eou": "U",
}  # fmt: skip
_GRAPHEME = re.compile("|".join(sorted(_GRAPHEMES, key=len, reverse=True)))
_TWICE = re.compile(r"(.)\1+")
_VOWELS = frozenset("aeiouyUI")
_FALSE_PAIRS = frozenset("kh sh th dh gh zh ch ts tz ph dj sz cz ck".split())


def arabic_fold(word: str) -> str:
    """A word in Arabic letters with one form for each letter (alef, yeh, kaf, teh marbuta), without vowel signs or tatweel."""
    return fold(word).replace("ئ", "ي").replace("ؤ", "و").replace("ء", "")


def romanise(word: str) -> str:
    """``word`` in letters a-z, with an apostrophe between two of Arabic that are not one sound; "" if it has no letter."""
    return romanised(word[: 2 * LONGEST_WORD])


@lru_cache(maxsize=_KEPT)
def romanised(word: str) -> str:
    """``romanise`` with a memory; ``names.forget`` empties it."""
    if not word.isascii():
        lower = unicodedata.normalize("NFC", word).lower()
        word = _SHCH.sub("ŝ", lower).translate(_MARKED) if script_of(lower) == "Latn" else word
    folded = fold(word)
    if folded.isascii():
        return _NOT_LATIN.sub("", folded)[:LONGEST_WORD]
    script = script_of(folded)
    if script == "Cyrl":
        chechen = word.casefold().replace("ё", "е")
        chechen = _PALOCHKA.sub("ӏ", chechen)
        latin = "".join(
            _CHECHEN.get(piece) or _SOFT.get(piece) or ("" if piece in _CHECHEN else _CYRILLIC.get(piece, piece))
            for piece in _CYRILLIC_WORD.findall(chechen)
        )
    elif script == "Arab":
        letters = arabic_fold(word)
        ending = "a" if letters.endswith("ه") and fold(word) != word and word.rstrip()[-1:] in "ةۃ" else ""
        return _apart([_ARABIC.get(letter, "") for letter in (letters[:-1] if ending else letters)] + [ending])[:LONGEST_WORD]
    else:
        latin = folded
    return _NOT_LATIN.sub("", anyascii(latin).lower())[:LONGEST_WORD]


def _apart(pieces: list[str]) -> str:
    """Letters joined, an apostrophe between two that would be read as one sound (Adham is d and h, not dh)."""
    out = ""
    for piece in pieces:
        out += ("'" if out and piece and out[-1] + piece[0] in _FALSE_PAIRS else "") + piece
    return out


@lru_cache(maxsize=_KEPT)
def sound(latin: str) -> bytes:
    """The code of a romanised word: a byte for each sound, doubled sounds once."""
    word = latin
    if word.startswith(("ju", "ja", "je", "jo")):  # Jamal or Yamal: a j that opens a word stays itself
        word = "j" + _GRAPHEME.sub(lambda match: _GRAPHEMES[match[0]], word[1:])
    else:
        word = _GRAPHEME.sub(lambda match: _GRAPHEMES[match[0]], word)
    return _TWICE.sub(r"\1", word.replace("'", "")).encode("ascii", "ignore")


_SKELETON_OF = str.maketrans({"S": "s", "W": "s", "C": "s", "Z": "s", "z": "s", "Q": "s", "c": "k", "q": "k", "X": "h",
                              "G": "g", "j": "g",
                              "T": "t", "D": "d", "w": "v", "f": "v", "p": "b", "x": "ks"})  # fmt: skip


@lru_cache(maxsize=_KEPT)
def skeleton(latin: str) -> str:
    """The consonants of a romanised word, sounds that schemes confuse levelled: a key for candidates, which decides nothing."""
    kept = "".join(letter for letter in sound(latin).decode() if letter not in _VOWELS)
    levelled = kept.translate(_SKELETON_OF)
    levelled = levelled[:1] + re.sub("[hv]", "", levelled[1:]) if len(levelled) > 2 else levelled
    return _TWICE.sub(r"\1", levelled)


def _costs() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Costs of replacing (256 x 256) and of leaving out (2 modes x 256) a sound; a consonant counts 1, a vowel half."""
    replace = np.ones((256, 256))  # a place for every byte: the kernel does not check its bounds
    near = [
        ("Xh", 0.1), ("Xk", 0.35), ("Xx", 0.1), ("qk", 0.0), ("qg", 0.3), ("qG", 0.3), ("gk", 0.5), ("Gg", 0.1), ("Gk", 0.5),
        ("Gh", 0.4),
        ("gh", 0.5), ("Gr", 0.6), ("Tt", 0.1), ("Ts", 0.3), ("Dd", 0.1), ("Dz", 0.2), ("TD", 0.3), ("td", 0.45), ("sz", 0.3),
        ("Ss", 0.3), ("WS", 0.2), ("WC", 0.4), ("Ws", 0.45), ("WQ", 0.5), ("SC", 0.35), ("SZ", 0.35),
        ("Cc", 0.3), ("Ck", 0.5), ("CX", 0.35), ("Ch", 0.4), ("Cj", 0.4), ("CQ", 0.35),
        ("Zz", 0.3), ("Zj", 0.15), ("jg", 0.25), ("jy", 0.2), ("ji", 0.25), ("jG", 0.4), ("Zy", 0.5), ("Zg", 0.4),
        ("jz", 0.4), ("jd", 0.5),
        ("Qc", 0.1), ("Qs", 0.4), ("Qz", 0.35), ("ck", 0.05), ("cs", 0.2), ("vw", 0.05), ("vf", 0.2), ("vb", 0.4), ("vu", 0.35),
        ("wu", 0.1), ("wo", 0.15), ("wU", 0.05), ("wf", 0.5), ("pb", 0.35), ("pf", 0.4), ("mn", 0.65), ("lr", 0.8),
        ("yi", 0.05), ("ye", 0.2), ("yI", 0.05),
        ("ya", 0.4), ("yu", 0.4), ("iI", 0.05), ("uU", 0.05), ("oU", 0.1), ("ou", 0.1), ("ei", 0.15), ("eI", 0.15),
        ("ae", 0.2), ("ao", 0.25),
        ("ai", 0.35), ("au", 0.35), ("eo", 0.3), ("eu", 0.4), ("io", 0.45), ("iu", 0.45), ("UI", 0.5), ("aU", 0.4),
        ("aI", 0.4), ("eU", 0.4),
        ("oI", 0.45), ("iU", 0.45), ("uI", 0.45), ("yo", 0.45), ("yU", 0.45), ("aw", 0.6), ("ew", 0.6), ("iw", 0.6),
    ]  # fmt: skip
    for pair, cost in near:
        replace[ord(pair[0]), ord(pair[1])] = replace[ord(pair[1]), ord(pair[0])] = cost
    np.fill_diagonal(replace, 0.0)
    leave = np.ones((2, 256))
    for vowel in "aeiouyUI":
        leave[0, ord(vowel)] = 0.4
    leave[0, ord("h")], leave[0, ord("w")], leave[0, ord("y")] = 0.4, 0.6, 0.3
    leave[1] = leave[0]  # the other word has no short vowels
    for vowel, cost in {"a": 0.04, "e": 0.06, "i": 0.1, "o": 0.12, "u": 0.12, "y": 0.15, "U": 0.35, "I": 0.35}.items():
        leave[1, ord(vowel)] = cost
    return replace, leave


_REPLACE, _LEAVE = _costs()


@njit(cache=True)
def _distance(
    a: NDArray[np.uint8],
    b: NDArray[np.uint8],
    replace: NDArray[np.float64],
    lone_a: NDArray[np.float64],
    lone_b: NDArray[np.float64],
) -> float:
    rows, columns = len(a), len(b)
    table = np.empty((rows + 1, columns + 1))
    table[0, 0] = 0.0
    for i in range(1, rows + 1):
        table[i, 0] = table[i - 1, 0] + lone_a[a[i - 1]]
    for j in range(1, columns + 1):
        table[0, j] = table[0, j - 1] + lone_b[b[j - 1]]
    for i in range(1, rows + 1):
        for j in range(1, columns + 1):
            best = table[i - 1, j - 1] + replace[a[i - 1], b[j - 1]]
            best = min(best, table[i - 1, j] + lone_a[a[i - 1]], table[i, j - 1] + lone_b[b[j - 1]])
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                best = min(best, table[i - 2, j - 2] + 0.7)
            table[i, j] = best
    return table[rows, columns]  # type: ignore[no-any-return]


def distance(a: bytes, b: bytes, *, bare_a: bool = False, bare_b: bool = False) -> float:
    """Weighted edit distance of two codes of ``sound``, in consonants; ``bare``: written without short vowels (Arabic)."""
    return float(_distance(
        np.frombuffer(a, np.uint8), np.frombuffer(b, np.uint8), _REPLACE,
        _LEAVE[1 if bare_b and not bare_a else 0], _LEAVE[1 if bare_a and not bare_b else 0],
    ))  # fmt: skip


def weight(code: bytes, *, vowels: float) -> float:
    """How much of a word there is to compare: its consonants, and ``vowels`` for each vowel."""
    soft = sum(chr(letter) in _VOWELS for letter in code)
    return len(code) - soft + vowels * soft
