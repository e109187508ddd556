"""Finds telephone numbers, e-mail addresses, accounts, document numbers and street addresses however they are punctuated.

Invariant: a value is compared without its punctuation, spaces, case and look-alike letters, so writing it in another way
does not hide it; nothing of a value is kept in a Spot.
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from amparo.kernel.i18n import N_
from amparo.kernel.text import fold, in_latin, words
from amparo.protect.spelling import inflections, readings

PHONE, EMAIL, ACCOUNT, ADDRESS, DOCUMENT = (
    N_("telephone number"), N_("e-mail address"), N_("account"), N_("street address"), N_("document number"),
)  # fmt: skip
_NUMBER_RUN = re.compile(r"\d(?:[^\w\n]{0,4}\n?[^\w\n]{0,2}\d)*")
_GAP = re.compile(r"[\W_]{0,6}")
_GENERIC = frozenset(
    "street road avenue lane house flat apartment city town village region district улица проспект переулок город село дом "
    "квартира район область поселок шоссе площадь бульвар".split()
)
_FILLERS = frozenset({"at", "dot", "собака", "точка"})
_LONGEST_MARK, _MOST_PIECES = 80, 14
_TAIL, _PREFIX = 8, 6
"""Last digits of a telephone number that are compared: what country and trunk prefixes leave unchanged."""


class Spot(NamedTuple):
    """A place in a text: start and end (characters), the person's handle, and which kind of thing was found."""

    start: int
    end: int
    person: str
    kind: str


class Markings:
    """Contacts and document numbers of sealed persons, ready to be looked for."""

    def __init__(self) -> None:
        self._anywhere: dict[int, dict[str, set[tuple[str, str]]]] = {}
        self._bounded: dict[str, set[tuple[str, str]]] = {}
        self._lengths: set[int] = set()
        self._marks: dict[str, set[tuple[str, str]]] = {}
        self._signed: dict[str, set[tuple[str, str]]] = {}
        self._addresses: dict[str, list[tuple[str, frozenset[str]]]] = {}
        self._sorted: list[str] = []

    def add_contact(self, person: str, kind: str, value: str) -> None:
        """Take in a contact; what it is shows by its form, so a wrong ``kind`` hides nothing."""
        digits, letters = _digits(value), sum(map(str.isalpha, value))
        if "@" in value.strip()[1:]:
            self._add_mark(person, EMAIL, value)
            local = value.partition("@")[0]
            if len(_compact(local)) >= 6:
                self._add_mark(person, EMAIL, local)
        elif len(digits) >= 5 and letters <= 4:
            self._add_phone(person, digits)
        elif "address" in kind.casefold() or len(words(value)) > 4:
            self._add_address(person, value)
        else:
            self._add_mark(person, ACCOUNT, value)
            self._add_mark(person, ACCOUNT, value.strip().rstrip("/").rsplit("/", 1)[-1])

    def add_document(self, person: str, value: str) -> None:
        """Take in a document number; a number of six digits and more is also found without its series letters."""
        self._add_mark(person, DOCUMENT, value)
        digits = _digits(value)
        if len(digits) >= 8 and digits == _compact(value):
            self._add_window(person, DOCUMENT, digits)
        for run in re.findall(r"\d{6,}", fold(value)):
            self._add_bounded(person, DOCUMENT, run)

    def _add_phone(self, person: str, digits: str) -> None:
        digits = digits.removeprefix("00")
        if len(digits) >= _TAIL + 2:
            self._add_window(person, PHONE, digits[-_TAIL:])
            self._add_bounded(person, PHONE, digits[-7:])
        else:
            self._add_bounded(person, PHONE, digits)
            if len(digits) >= 8:
                self._add_window(person, PHONE, digits[-7:])

    def _add_window(self, person: str, kind: str, digits: str) -> None:
        self._anywhere.setdefault(len(digits), {}).setdefault(digits, set()).add((person, kind))

    def _add_bounded(self, person: str, kind: str, digits: str) -> None:
        self._bounded.setdefault(digits, set()).add((person, kind))
        self._lengths.add(len(digits))

    def _add_mark(self, person: str, kind: str, value: str) -> None:
        mark = _compact(value)
        if not mark:
            return
        # A short plain word is an account only behind its sign: @wolf, /wolf.
        plain = kind is ACCOUNT and mark.isalpha() and len(mark) < 6
        (self._signed if plain else self._marks).setdefault(mark, set()).add((person, kind))
        self._sorted = []

    def _add_address(self, person: str, value: str) -> None:
        pieces = [word for word, _, _ in words(value)]
        named = [index for index, word in enumerate(pieces) if len(word) > 3 and not word[0].isdigit() and word not in _GENERIC]
        for index in named:
            keys = frozenset(form for key in readings(pieces[index], look_alikes=False) for form in inflections(key))
            for other in pieces[max(0, index - 2) : index + 4]:
                if other[0].isdigit():
                    self._addresses.setdefault(other, []).append((person, keys))
        if not any(piece[0].isdigit() for piece in pieces):
            self._add_mark(person, ADDRESS, value)

    def find(self, text: str) -> Iterator[Spot]:
        """Yield every place of a sealed contact or document number in ``text``; spots may overlap."""
        yield from self._find_numbers(text)
        if self._marks or self._signed or self._addresses:
            pieces = words(text)
            yield from self._find_marks(text, pieces)
            yield from self._find_addresses(pieces)

    def _find_numbers(self, text: str) -> Iterator[Spot]:
        if not self._anywhere and not self._bounded:
            return
        plain = _visible(text)
        for match in _NUMBER_RUN.finditer(plain):
            places = [index for index in range(match.start(), match.end()) if plain[index].isdigit()]
            digits = "".join(_digit(plain[index]) for index in places)
            edges = [True, *(after - before > 1 for before, after in pairwise(places)), True]
            for length, known in self._anywhere.items():
                for first in range(len(digits) - length + 1):
                    for person, kind in known.get(digits[first : first + length], ()):
                        start = places[max(0, first - _PREFIX)]  # the country's and area's digits belong to the number
                        yield Spot(start, places[first + length - 1] + 1, person, kind)
            for first in (index for index in range(len(digits)) if edges[index]):
                for length in self._lengths:
                    if first + length <= len(digits) and edges[first + length]:
                        for person, kind in self._bounded.get(digits[first : first + length], ()):
                            yield Spot(places[first], places[first + length - 1] + 1, person, kind)

    def _find_marks(self, text: str, pieces: list[tuple[str, int, int]]) -> Iterator[Spot]:
        if not self._sorted:
            self._sorted = sorted({*self._marks, *self._signed})
        latin = [_latin(word) for word, _, _ in pieces]
        for first, (_, start, _) in enumerate(pieces):
            mark = ""
            for last in range(first, min(first + _MOST_PIECES, len(pieces))):
                if last > first and not _GAP.fullmatch(text, pieces[last - 1][2], pieces[last][1]):
                    break
                if mark and latin[last] in _FILLERS and not self._begins(mark + latin[last]):
                    continue
                mark += latin[last]
                if not self._begins(mark):
                    break
                end = pieces[last][2]
                for person, kind in self._marks.get(mark, ()):
                    yield Spot(start, end, person, kind)
                if start and text[start - 1] in "@/":
                    for person, kind in self._signed.get(mark, ()):
                        yield Spot(start, end, person, kind)

    def _begins(self, mark: str) -> bool:
        at = bisect_left(self._sorted, mark)
        return at < len(self._sorted) and self._sorted[at].startswith(mark)

    def _find_addresses(self, pieces: list[tuple[str, int, int]]) -> Iterator[Spot]:
        for index, (word, start, end) in enumerate(pieces):
            for person, keys in self._addresses.get(word, ()):
                for other, other_start, other_end in pieces[max(0, index - 3) : index + 3]:
                    if other != word and keys & readings(other):
                        yield Spot(min(start, other_start), max(end, other_end), person, ADDRESS)


def _digits(value: str) -> str:
    return "".join(_digit(letter) for letter in value if letter.isdigit())


def _digit(letter: str) -> str:
    return str(unicodedata.digit(letter, 0))


def _visible(text: str) -> str:
    """The text with invisible characters as spaces, so that every place keeps its number."""
    if text.isascii():
        return text
    return "".join(" " if unicodedata.category(letter) in ("Cf", "Mn") else letter for letter in text)


def _latin(word: str) -> str:
    return word if word.isascii() else in_latin(word) or word


def _compact(value: str) -> str:
    return "".join(_latin(word) for word, _, _ in words(value))
