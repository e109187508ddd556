"""One key for all spellings of a name: Cyrillic, any romanisation of it, Latin with or without its diacritics, any case form.

Invariant: ``readings`` is a pure function of one word; two spellings of a name by any scheme below share at least one key.
A grapheme that schemes read differently (``ch`` is ч in English, х in German, ш in French) yields one key for each reading.

Schemes read: ISO 9 / GOST 7.79, BGN/PCGN, ALA-LC, ICAO 9303 (passports), scholarly (DIN 1460), German and French press forms,
Polish, Turkish/Azeri Latin, and the mixtures people type. Keys use a-z and S (ш щ), C (ч), Z (ж дж).
"""

import re
import unicodedata
from functools import lru_cache
from itertools import islice, product, zip_longest

from amparo.kernel import text as folding

MOST_READINGS = 32
LONGEST_KEPT = 64
"""Letters of a word worth remembering; what is longer is no word, and a text of such would fill the memory."""
_KEPT = 30_000  # words remembered, about 1 KiB each

_CYRILLIC: dict[str, tuple[str, ...]] = {
    letter: (plain,)
    for letter, plain in {
        "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ж": "Z", "з": "z", "и": "i", "й": "i", "к": "k",
        "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f", "х": "h",
        "ц": "c", "ч": "C", "ш": "S", "щ": "S", "ъ": "", "ы": "i", "ь": "", "э": "e", "ю": "iu", "я": "ia", "є": "e",
        "ґ": "g", "ђ": "Z", "ј": "i", "љ": "l", "њ": "n", "ћ": "C", "џ": "Z", "ѕ": "z", "ғ": "g", "қ": "k", "ң": "n",
        "ө": "o", "ұ": "u", "ү": "u", "һ": "h", "җ": "Z", "ҷ": "Z", "ҳ": "h", "ҡ": "k", "ҙ": "z", "ҫ": "s",
    }.items()
}  # fmt: skip
_CYRILLIC |= {"і": ("i", ""), "ә": ("a", "e"), "ў": ("u", "v"), "дж": ("Z",)}  # і: Ukrainian i, or the palochka of Chechen

_LATIN: dict[str, tuple[str, ...]] = {
    "schtsch": ("S",), "chtch": ("S",), "stsch": ("S",), "schch": ("S",), "shch": ("S",), "shh": ("S",), "szcz": ("S",),
    "šč": ("S",), "ŝ": ("S",), "śč": ("S",), "tsch": ("C", "tZ"), "tch": ("C",), "tš": ("C",), "č": ("C",), "ç": ("C",),
    "ć": ("C",), "cz": ("C", "c"), "ch": ("C", "h", "S"), "sch": ("S", "Z"), "sh": ("S",), "š": ("S",), "ş": ("S",),
    "ś": ("s", "S"), "ș": ("S",), "sz": ("S", "s"), "dsch": ("Z",), "dzh": ("Z",), "dž": ("Z",), "dż": ("Z",),
    "dj": ("Z", "di"), "zh": ("Z",), "ž": ("Z",), "ż": ("Z",), "ź": ("z", "Z"), "rzh": ("rZ",), "rz": ("rz", "Z", "rc"),
    "j": ("i", "Z"), "kh": ("h",), "h": ("h", "g"), "gh": ("g",), "ğ": ("g",), "dh": ("d",), "th": ("t",), "ph": ("f",),
    "ck": ("k", "ck"), "ds": ("ds", "dz"), "q": ("k",), "ts": ("c",), "tz": ("c", "tz"), "ssch": ("S", "zZ"), "tzh": ("tZ",),
    "tc": ("c",), "x": ("ks", "h"), "w": ("v",), "y": ("i",), "ı": ("i",), "z": ("z", "c"), "ẓ": ("z",), "ou": ("u", "ou"),
    "oo": ("u", "o"), "ee": ("i", "e"), "ä": ("a", "e"), "ə": ("a", "e"), "ö": ("o", "e"), "å": ("o", "a"), "â": ("ia", "a"),
    "û": ("iu", "u"), "ß": ("s",), "æ": ("e",), "œ": ("e",), "ø": ("o",), "ł": ("l",), "đ": ("d",),
    "ce": ("ce", "se", "Ze", "ke"), "ci": ("ci", "si", "Zi", "ki"), "cy": ("ci", "si", "ki"), "c": ("c", "k", "Z"),
    "gue": ("ge", "gue"), "gui": ("gi", "gui"), "guy": ("gi",), "ff": ("v", "f"),
}  # fmt: skip
_GERMAN_S = re.compile("s(?=[aeiouybdgmnlrvwj])")
_GRAPHEMES = {
    "Cyrl": re.compile("|".join(sorted(_CYRILLIC, key=len, reverse=True)) + "|."),
    "Latn": re.compile("|".join(sorted(_LATIN, key=len, reverse=True)) + "|."),
}
_APOSTROPHES = dict.fromkeys(map(ord, "'’‘ʼʹʺʽ′″`´\""), None)
_DIGITS_IN_WORDS = {"Cyrl": str.maketrans("013456", "оізчбб"), "Latn": str.maketrans("0134567", "oieasgt")}
_PROCLITIC = re.compile("^(?:[وفبلك]?ال|لل|[وفبلك])(?=...)")


def readings(word: str, *, look_alikes: bool = True) -> frozenset[str]:
    """All keys of one word, as written in a text. Empty for a word without a letter of Latin, Cyrillic or Arabic.

    Marks may be there or not; with ``look_alikes``, digits and letters of another script inside the word are also read as the
    letters they resemble (for words of a text; a sealed name is read as it stands).
    """
    return (_kept if len(word) <= LONGEST_KEPT else _readings)(word, look_alikes=look_alikes)


def _readings(word: str, *, look_alikes: bool) -> frozenset[str]:
    word = unicodedata.normalize("NFKC", word).casefold().translate(_APOSTROPHES)
    bare = folding.fold(word)
    if folding.script_of(bare) == "Arab":
        return frozenset({bare, *_without_proclitics(bare)})
    forms = {("Latn", _with_marks(word)), ("Latn", bare), ("Cyrl", bare)}
    if look_alikes:
        forms |= {("Latn", folding.in_latin(bare)), ("Cyrl", folding.in_cyrillic(bare)), ("Latn", folding.romanise(bare))}
        numbered = [(script, form) for script, form in forms if any(map(str.isdigit, form))]
        forms |= {(script, form.translate(_DIGITS_IN_WORDS[script])) for script, form in numbered}
    keys: set[str] = set()
    for script, form in forms:
        if form and all(_fits(letter, script) for letter in form):
            keys |= _read(form, script)
    return frozenset(key for key in keys if key)


_kept = lru_cache(maxsize=_KEPT)(_readings)


def _with_marks(word: str) -> str:
    """The word composed, so that š is one letter, and without what is invisible."""
    return "".join(letter for letter in unicodedata.normalize("NFC", word) if letter.isalnum())


def _fits(letter: str, script: str) -> bool:
    return letter in _LATIN or letter.isdigit() or folding.script_of(letter) == script


def _read(form: str, script: str) -> set[str]:
    """Split into graphemes, then take every combination of readings: one grapheme is read alike throughout a word."""
    table = _CYRILLIC if script == "Cyrl" else _LATIN
    graphemes = _GRAPHEMES[script].findall(form)
    if script == "Latn":
        graphemes = [piece if piece in table else folding.fold(piece) for piece in graphemes]
    chosen = {piece: table.get(piece, (piece,))[0] for piece in graphemes}
    doubtful = [piece for piece in chosen if len(table.get(piece, ())) > 1]
    keys = set()
    for choice in islice(product(*(table[piece] for piece in doubtful)), MOST_READINGS):
        chosen.update(zip(doubtful, choice, strict=True))
        keys.add(settle("".join(chosen[piece] for piece in graphemes)))
    if script == "Latn" and len(form) > 4 and _GERMAN_S.search(form):
        keys |= {key for voiced in _voiced(form) for key in _read(voiced, script)}
    return keys


def _voiced(form: str) -> set[str]:
    """German spellings write з as s: the word with it told apart (ẓ is always з)."""
    forms = {_GERMAN_S.sub("ẓ", form), form[0] + _GERMAN_S.sub("ẓ", form[1:])}
    return {voiced for voiced in forms if voiced != form}


_SETTLE = [
    (re.compile("dZ"), "Z"), (re.compile("t[sc]"), "c"), (re.compile("tC"), "C"), (re.compile("sC|SC"), "S"),
    (re.compile("[iy]+"), "i"), (re.compile("io"), "e"), (re.compile("i(?=[aeu])"), ""), (re.compile("(?<=[SZC])o"), "e"),
    (re.compile(r"(.)\1+"), r"\1"), (re.compile("(?<=[oe])f$"), "v"), (re.compile("ah$"), "a"),
]  # fmt: skip


def settle(key: str) -> str:
    """Bring a raw reading to its settled form: soft vowels, doubled letters and affricates have one spelling."""
    for pattern, plain in _SETTLE:
        key = pattern.sub(plain, key)
    return key


def flat(key: str) -> set[str]:
    """Keys of the same name after its carons and cedillas were lost (Žukov written Zukov, Hadžiev written Hadziev)."""
    head, *tails = re.split("(?<=[SZC])e", key)  # жо and же have one key, but zo and ze have not
    lost = set()
    for vowels in product("eo", repeat=min(len(tails), 3)):
        opened = head + "".join(vowel + tail for vowel, tail in zip_longest(vowels, tails, fillvalue="e"))
        for sh, zh in product(("s", "sc"), ("z", "dz")):
            lost.add(settle(opened.replace("C", "c").replace("S", sh).replace("Z", zh)))
    return lost - {key}


# Case endings in key letters. Possessive: -ов -ев -ин; adjective: -ский -ой -ый; noun: consonants, -й, -ь; a: -а -я; o: -о.
_POSSESSIVE = ("", "a", "u", "im", "om", "e", "oi", "ou", "i", "ih", "imi")
_ADJECTIVE = ("i", "oi", "ogo", "ego", "omu", "emu", "im", "om", "em", "a", "oa", "ei", "u", "ou", "e", "oe", "ih", "imi")
_NOUN = ("", "a", "u", "om", "em", "e", "i", "ov", "ev", "ei", "am", "ami", "ah", "oi")
_SOFT = ("i", "ia", "iu", "iem", "ie", "ii", "iev", "iami", "iam", "iah")
_A_NOUN = ("a", "i", "e", "u", "oi", "ei", "ou", "eu", "", "am", "ami", "ah", "iu")
_O_NOUN = ("o", "a", "i", "e", "u", "oi", "om", "ou")
_FLEETING = re.compile("(.+)[eo]([cknlr])")


@lru_cache(maxsize=_KEPT)
def inflections(key: str) -> frozenset[str]:
    """The key and its forms in all cases, both genders and the plural (Russian declension of names; Zaliznyak, Graudina).

    More forms than grammar allows: a name need not be recognised as a noun or an adjective first.
    """
    if not key.isascii():  # Arabic nouns keep their written form but for proclitics, which ``readings`` takes off
        return frozenset({key})
    found = {key}
    if re.fullmatch(".+(?:ov|ev|in)a?", key):
        found |= _attach(key.removesuffix("a"), _POSSESSIVE)
    if key.endswith("i"):
        found |= _attach(key[:-1], _SOFT)
        found |= _attach(key[:-2] if key[-2:-1] in "oe" else key[:-1], _ADJECTIVE)
    elif key.endswith("a"):
        found |= _attach(key[:-1], _A_NOUN)
        if re.search("(?:sk|ck|k|n)a$", key):
            found |= _attach(key[:-1], _ADJECTIVE)
    elif key.endswith("o"):
        found |= _attach(key[:-1], _O_NOUN)
    elif key[-1:] not in "eu":
        found |= _attach(key, _NOUN)
        fleeting = _FLEETING.fullmatch(key)
        if fleeting and len(key) > 3:
            found |= _attach(fleeting[1] + fleeting[2], _NOUN[1:])
    if re.search("[oe]viC$", key):
        found |= _attach(key[:-4] + "iC", _NOUN)  # Ivanych for Ivanovich
    return frozenset(found)


def _attach(stem: str, endings: tuple[str, ...]) -> set[str]:
    return {settle(stem + ending) for ending in endings}


def _without_proclitics(word: str) -> set[str]:
    """The Arabic word without article, conjunction or preposition written onto it."""
    shorter = {word[2:]} if word.startswith("ال") and len(word) > 4 else set()
    match = _PROCLITIC.match(word)
    return shorter | ({word[match.end() :], "ال" + word[match.end() :]} if match else set())


_SKELETON_ARABIC = {letter: plain for letters, plain in {
    "ب": "b", "پ": "b", "تطة": "t", "ثسص": "s", "ج": "Z", "حخه": "h", "دضذ": "d", "زظ": "z", "ر": "r", "ش": "S", "غقكگ": "k",
    "فڤ": "f", "ل": "l", "م": "m", "ن": "n", "چ": "tS", "ژ": "Z",
}.items() for letter in letters}  # fmt: skip
_SKELETON_KEY = str.maketrans({"p": "b", "g": "k", "q": "k", "v": "f", "C": "tS", "c": "ts"} | dict.fromkeys("aeiouyw", ""))


def skeletons(key: str) -> frozenset[str]:
    """Consonants alone, for comparing Arabic script with the others; consonants that Arabic script merges are merged.

    A final h is dropped (teh marbuta), w counts as vowel and as consonant.
    """
    if key.isascii():
        raw = {key.translate(_SKELETON_KEY), key.replace("v", "").translate(_SKELETON_KEY)}
        raw |= {form.replace("z", "d") for form in raw}
    else:
        raw = {"".join(_SKELETON_ARABIC.get(letter, "") for letter in key.removesuffix("ه"))}
        raw |= {form.replace("z", "d") for form in raw}
    return frozenset(re.sub(r"(.)\1+", r"\1", form) for form in raw)
