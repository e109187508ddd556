"""What is to be taken out of a file: words, patterns and boxes, found in text however they are written, as plain values.

Invariants: whatever ``Words`` finds is covered whole, to the ends of the words it touches; the same search that chose what goes
judges what is left. A mark in a text has one width whatever stood there. No error and no context repeats what was found.

Sources: ISO 13616-1 (IBAN, check by ISO 7064 MOD 97-10), ITU-T E.164 (15 digits at most), RFC 5321 §4.5.3.1 (lengths);
Bland, Iyer and Levchenko, "Story Beyond the Eye" (PETS 2023): what widths and positions of neighbours give away.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import BinaryIO, Final, NamedTuple

from amparo.kernel.errors import BadInput, Unverified
from amparo.kernel.i18n import N_
from amparo.kernel.text import fold

MARK: Final = "[redacted]"
MASK: Final = "▮▮▮"
WORD, PATTERN = N_("word"), N_("pattern")
_GAP: Final = 8  # characters that may stand between two letters of one word: hyphen, line end, indentation
_ANYWHERE, _AT_EDGE = 6, 4
_PIECE: Final = 1 << 20
_HYPHENS: Final = frozenset("-‐‑‒–\xad\x02\ufffe¬")
_BOX: Final = re.compile(r"\s*(?:(\d{1,6})\s*:)?\s*(\d{1,6}(?:\.\d{1,4})?)((?:\s*,\s*\d{1,6}(?:\.\d{1,4})?){3})\s*")
_RANGE: Final = re.compile(r"\s*(\d{1,9})\s*(?:-\s*(\d{1,9}))?\s*")

_DATE: Final = (
    r"(?:\d{1,2}[./-]\d{1,2}[./-]\d{4}|\d{4}-\d{2}-\d{2}|\d{1,2}\s+[^\W\d_]{3,12}\.?\s+\d{4}|[^\W\d_]{3,12}\s+\d{1,2},\s+\d{4}|"
    r"\d{4})"
)
PATTERNS: Final = {
    "telephone": re.compile(r"(?<![\w.])(?!\d{4}-\d\d-\d\d\b)(?:\+|00)?\(?\d"
        r"(?:[^\S\n]?[().\-‐‑–/]{0,2}[^\S\n]?\d){6,14}(?![\w])"),
    "email": re.compile(r"[\w.+%-]{1,64}[^\S\n]?@[^\S\n]?[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}"),
    "iban": re.compile(r"(?<!\w)[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]{4}){2,7}(?: ?[A-Za-z0-9]{1,3})?(?!\w)"),
    "passport": re.compile(r"(?<!\w)(?:[A-ZА-ЯЁ]{1,3}[ -]?(?:№|No\.?|N)?[ ]?\d{6,9}|"
        r"\d{2}[ ]?\d{2}[ ]?(?:№|No\.?|N)?[ ]?\d{6})(?!\w)"),
    "birth": re.compile(
        rf"(?i:born|birth|d\.?o\.?b\b|рожд|родил|г\.\s?р\.|мест[оа] рождения|مواليد|الميلاد|ولد)[^\n\d]{{0,25}}({_DATE})"
        rf"|({_DATE})\s{{0,3}}(?i:г\.\s?р|года рожд)"
    ),
    "gps": re.compile(
        r"(?<![\w.])[-+]?\d{1,3}\.\d{3,12}°?[ ]?[NSEW]?[,; ]{1,3}[-+]?\d{1,3}\.\d{3,12}°?[ ]?[NSEW]?(?!\w)"
        r"|\d{1,3}[ ]?°[ ]?\d{1,2}[ ]?['’′][ ]?(?:\d{1,2}(?:\.\d{1,6})?[ ]?[\"”″]|[’′']{2})?[ ]?[NSEWСЮВЗ]"
    ),
}  # fmt: skip


class BadBox(BadInput):
    template = N_(
        "“{text}” is no box; write PAGE:LEFT,TOP,RIGHT,BOTTOM, as 2:100,200,300,240, from the top left of the page as it is "
        "seen (points in a PDF, pixels in a picture)."
    )


class BadRange(BadInput):
    template = N_("“{text}” is no list of numbers from 1 to {most}; write 1-3,7 or all.")


class UnknownPattern(BadInput):
    template = N_("There is no pattern “{pattern}”; the patterns are: {known}.")


class EmptyWord(BadInput):
    template = N_("A word to redact has at least two letters or digits; nothing was redacted.")


class NothingToRedact(BadInput):
    template = N_("Nothing was found to redact in {item}, and no box was given; no copy was made.")


class WordsNotLocated(BadInput):
    template = N_(
        "Where the words stand cannot be told on these pages of {item}, since they have no text: {pages}. Install Tesseract "
        "with the language, or give boxes for each of them (--box PAGE:...)."
    )


class NotRedactable(BadInput):
    template = N_(
        "A file of the kind {kind} cannot be redacted; pictures, PDF, DOCX, ODT, HTML, e-mail and plain text can. Make a PDF "
        "or a picture of it, add that as an item, and redact it."
    )


class TooMuchText(BadInput):
    template = N_("The text of {item} has more than {most} characters, more than is redacted in one piece; split it first.")


class NoSuchPage(BadInput):
    template = N_("A box names page {page}, but {item} has {count}; no copy was made.")


class BoxOutside(BadInput):
    template = N_(
        "The box {box} covers nothing of page {page} of {item}, which is {width} wide and {height} high; no copy was made. "
        "Measure it from the page's top left."
    )


class RedactionIncomplete(Unverified):
    template = N_(
        "The redacted copy was read again and was not clean, so it was destroyed and nothing was kept: {places}. Add a box "
        "over each of these places, or --lines, and redact again."
    )


class Box(NamedTuple):
    """A rectangle on a page as it is seen, from its top left: points (1/72 inch) in a PDF, pixels in a picture."""

    page: int
    left: float
    top: float
    right: float
    bottom: float


class Spot(NamedTuple):
    """Something found from ``start`` to ``end`` (characters of a text); ``how`` a message id or a pattern's name."""

    start: int
    end: int
    kind: str
    how: str
    person: str = ""


def box_from(text: str) -> Box:
    """Parse "2:100,200,300,240" (page 1 if none is named). Raises BadBox."""
    match = _BOX.fullmatch(text)
    if match is None:
        raise BadBox(text=text[:80])
    left, top, right, bottom = (float(part) for part in (match[2] + match[3]).split(","))
    page = int(match[1] or 1)
    if left >= right or top >= bottom or page < 1:
        raise BadBox(text=text[:80])
    return Box(page, left, top, right, bottom)


def numbers_from(text: str, most: int) -> frozenset[int]:
    """Parse "1-3,7" or "all" into numbers of 1..``most``. Raises BadRange."""
    if text.strip().casefold() == "all":
        return frozenset(range(1, most + 1))
    chosen: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= most:
            raise BadRange(text=text[:80], most=most)
        chosen.update(range(first, last + 1))
    return frozenset(chosen)


# -- words ------------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=50_000)
def _letters(character: str) -> str:
    """What a character is compared by: nothing, a letter, or the letters of a ligature."""
    return "".join(letter for letter in fold(character) if letter.isalnum())


def compact(text: str) -> tuple[str, list[int]]:
    """The letters and digits of a text folded, and for each the place of the character it came from."""
    letters, places = [], []
    for place, character in enumerate(text):
        for letter in (character.lower() if character.isalnum() else "") if character.isascii() else _letters(character):
            letters.append(letter)
            places.append(place)
    # PDFium hands out the halves of the ligature lam-alef in either order: one order for both is compared
    return "".join(letters).replace("ال", "لا"), places


def key_of(text: str) -> str:
    """What two spellings that differ only in case, spaces, hyphens or ligatures have in common."""
    return compact(text)[0]


class _Needle(NamedTuple):
    letters: str
    breaks: frozenset[int]  # numbers of letters before which the asked words themselves have a gap


class Words:
    """Words and phrases as the user wrote them, found whatever their case, split, spacing or ligatures.

    Six letters and more are found inside a longer word too, four and five at its beginning or end, fewer as whole words.
    """

    def __init__(self, words: Iterable[str]) -> None:
        """Raises EmptyWord."""
        self.words = tuple(words)
        self._needles = []
        for word in self.words:
            letters, places = compact(word)
            if len(letters) < 2:
                raise EmptyWord
            breaks = frozenset(n for n in range(1, len(places)) if places[n] - places[n - 1] > 1)
            self._needles.append(_Needle(letters, breaks))

    def find(self, text: str) -> list[Spot]:
        """Every place, widened to the ends of the words it touches, in order."""
        if not self._needles:
            return []
        letters, places = compact(text)
        found = set()
        for needle in self._needles:
            at = letters.find(needle.letters)
            while at >= 0:
                if _fits(text, places, at, needle):
                    found.add(widened(text, places[at], places[at + len(needle.letters) - 1] + 1))
                at = letters.find(needle.letters, at + 1)
        return [Spot(start, end, "word", WORD) for start, end in sorted(found)]


def _fits(text: str, places: list[int], at: int, needle: _Needle) -> bool:
    length = len(needle.letters)
    gaps, cut = False, False
    for n in range(1, length):
        apart = places[at + n] - places[at + n - 1] - 1
        if apart > _GAP:
            return False
        if apart > 0 and n not in needle.breaks:
            between = text[places[at + n - 1] + 1 : places[at + n]]
            visible = [letter for letter in between if not _unseen(letter)]
            gaps = gaps or bool(visible)
            cut = cut or any(letter in _HYPHENS for letter in between)
    begins = at == 0 or not _touches(text, places[at - 1], places[at])
    last = at + length
    ends = last == len(places) or not _touches(text, places[last - 1], places[last])
    if gaps:
        return (begins and ends) or (cut and length >= _ANYWHERE and (begins or ends))
    return length >= _ANYWHERE or (begins and ends) or (length >= _AT_EDGE and (begins or ends))


def _unseen(character: str) -> bool:
    return unicodedata.category(character) in ("Cf", "Mn", "Me") or character in "\x02\ufffe"


def _touches(text: str, one: int, other: int) -> bool:
    """True if nothing visible stands between two letters, and they are both letters or both digits."""
    between = text[one + 1 : other]
    return text[one].isdigit() == text[other].isdigit() and all(map(_unseen, between))


def widened(text: str, start: int, end: int) -> tuple[int, int]:
    """A place stretched to the ends of the words it touches, their invisible characters included."""
    while start > 0 and (text[start - 1].isalnum() or _unseen(text[start - 1])):
        start -= 1
    while end < len(text) and (text[end].isalnum() or _unseen(text[end])):
        end += 1
    return start, end


# -- patterns ---------------------------------------------------------------------------------------------------------------


def check_patterns(names: Iterable[str]) -> tuple[str, ...]:
    """The names as given. Raises UnknownPattern."""
    chosen = tuple(names)
    for name in chosen:
        if name not in PATTERNS:
            raise UnknownPattern(pattern=name[:40], known=", ".join(PATTERNS))
    return chosen


def find_patterns(text: str, names: Iterable[str]) -> Iterator[Spot]:
    """Every place of the named patterns."""
    for name in names:
        for match in PATTERNS[name].finditer(text):
            group = next((n for n in range(1, (match.lastindex or 0) + 1) if match[n]), 0)
            if name == "telephone" and not _is_number(match[0]):
                continue
            if name == "iban" and not _is_iban(match[0]):
                continue
            yield Spot(match.start(group), match.end(group), "pattern", name)


def _is_number(text: str) -> bool:
    """E.164: with its prefix 7 to 15 digits; without one it is a number at 9 to 11."""
    digits = sum(map(str.isdigit, text))
    return 7 <= digits <= 15 if text.startswith(("+", "00")) else 9 <= digits <= 11


def _is_iban(text: str) -> bool:
    code = "".join(text.split()).upper()
    return 15 <= len(code) <= 34 and int("".join(str(int(letter, 36)) for letter in code[4:] + code[:4])) % 97 == 1


# -- spots in a text --------------------------------------------------------------------------------------------------------


def merged(spots: Iterable[Spot]) -> list[Spot]:
    """Overlapping places as one; a name outranks a word, and a word a pattern, in saying what it is."""
    rank = {"name": 0, "contact": 1, "word": 2, "pattern": 3}
    out: list[Spot] = []
    for spot in sorted(spots):
        if out and spot.start < out[-1].end:
            before = out[-1]
            told = min(before, spot, key=lambda one: rank.get(one.kind, 9))
            out[-1] = told._replace(start=before.start, end=max(before.end, spot.end))
        else:
            out.append(spot)
    return out


def replaced(text: str, spots: Iterable[Spot], mark: str = MARK, low: int = 0, high: int | None = None) -> str:
    """The text with every place replaced by a mark of one width; ``spots`` in order, not overlapping."""
    end = len(text) if high is None else high
    out, at = [], low
    for spot in spots:
        out += [text[at : max(at, spot.start)], mark]
        at = max(at, spot.end)
    return "".join([*out, text[at:end]])


# -- bytes ------------------------------------------------------------------------------------------------------------------


def byte_forms(words: Iterable[str]) -> frozenset[bytes]:
    """How words of six letters and more stand in a file, in every case and the encodings of documents."""
    forms = set()
    for word in words:
        for piece in word.split():
            if len(key_of(piece)) < _ANYWHERE:
                continue
            for spelled in {piece, piece.lower(), piece.upper(), piece.capitalize()}:
                wide = spelled.encode("utf-16-be", "ignore")
                forms |= {wide, spelled.encode("utf-16-le", "ignore"), spelled.encode("utf-8", "ignore")}
                forms |= {wide.hex().encode(), wide.hex().upper().encode()}
                for coding in ("cp1251", "cp1256", "koi8-r", "cp866", "cp1252"):
                    forms.add(spelled.encode(coding, "ignore"))
    return frozenset(form for form in forms if len(form) >= _ANYWHERE)


def find_bytes(stream: BinaryIO, forms: frozenset[bytes]) -> int | None:
    """The offset at which one of the forms stands, None where none does."""
    longest = max(map(len, forms), default=0)
    tail, offset = b"", 0
    while piece := stream.read(_PIECE):
        window = tail + piece
        for form in forms:
            if (at := window.find(form)) >= 0:
                return offset - len(tail) + at
        offset += len(piece)
        tail = window[-longest:]
    return None
