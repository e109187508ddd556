"""From a cell's text to the value a record stores: terms, dates, numbers, yes and no, keys to handles.

Invariant: a converter returns a canonical value or raises one RowProblem; equal texts give equal values within a run.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import date as day
from datetime import timedelta
from functools import lru_cache
from itertools import islice
from typing import Any, Protocol

from amparo.intake import problems
from amparo.intake.mapping import near
from amparo.kernel import dates, ids
from amparo.kernel.errors import BadDate
from amparo.record.vocabulary import Property, Vocabularies

Converter = Callable[[str], Any]
MAX_TEXT = 20_000  # characters of a claim's text, a label or a reason: they share parts of 64 KiB
MAX_SHORT = 400  # characters of a key, locator or speaker
_CACHED = 65_536
_SUGGEST_AMONG = 5_000
_SUGGEST_TIMES = 50
_TRUE, _FALSE = ("yes", "true", "1", "x"), ("no", "false", "0")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,4}", re.ASCII)
_NUMBER = re.compile(r"(?:~|[<>]=?)?-?\d{1,15}(?:\.\d{1,6})?|\d{1,15}(?:\.\d{1,6})?\.\.\d{1,15}(?:\.\d{1,6})?", re.ASCII)
_ISO3 = re.compile(r"[A-Z]{3}", re.ASCII)
_SERIAL = re.compile(r"[2-6]\d{4}(\.\d+)?", re.ASCII)


class Registry(Protocol):
    """What an import asks of the record it adds to."""

    def allocate(self, kind: str) -> str:
        """The next free handle of a kind (a key of ``kernel.ids.KINDS``)."""
        ...

    def find(self, dataset: str, key: str, table: str) -> tuple[str, bytes] | None:
        """(handle, digest) of the current record under a key; ``table`` is a row type such as ``claims@1``.

        With ``dataset`` "" the key is a handle: so passages@1 and identities@1, whose rows bear no key, are found, and so is an
        entity that a user names by its handle. A consent's handle is "".
        """
        ...


class Near:
    """The nearest known words, looked for only when the sentence is shown: of 100,000 errors a thousand are."""

    def __init__(self, word: str, candidates: Callable[[], list[str]]) -> None:
        self.word, self.candidates = word, candidates

    def __str__(self) -> str:
        candidates = tuple(self.candidates())
        return _near(self.word, candidates) if candidates else ""


_near = lru_cache(1000)(near)  # a column filled with one wrong word asks the same a thousand times


def text(limit: int, field: str) -> Converter:
    """Text of at most ``limit`` characters."""

    def convert(value: str) -> str:
        if len(value) > limit:
            raise problems.ValueTooLong(field=field, length=len(value), limit=limit)
        return value

    return convert


def one_of(allowed: tuple[str, ...], field: str) -> Converter:
    """One of a closed list of words."""
    known = {word: word for word in allowed}

    def convert(value: str) -> str:
        word = known.get(value) or known.get(value.lower())
        if word is None:
            raise problems.NotAmong(field=field, text=value[:60], near=near(value[:60], allowed))
        return word

    return convert


def several_of(allowed: tuple[str, ...], field: str) -> Converter:
    """A ``;``-separated list of such words, without repeats."""
    one = one_of(allowed, field)
    return lambda value: list(dict.fromkeys(one(part.strip()) for part in value.split(";") if part.strip()))


def yes_no(value: str) -> bool:
    """yes, true, 1, x; no, false, 0; in any case."""
    low = value.lower()
    if low in _TRUE:
        return True
    if low in _FALSE:
        return False
    raise problems.NotYesNo(text=value[:60])


def language(value: str) -> str:
    """A tag of the form of BCP 47 (RFC 5646), not looked up."""
    if not _LANGUAGE.fullmatch(value):
        raise problems.NotALanguage(text=value[:60])
    return value


def number(value: str) -> str:
    """A decimal number as exact as it is known: 40, ~40, >=40, >100, 30..40 (the forms of record/terms/properties.yaml)."""
    if not _NUMBER.fullmatch(value):
        raise problems.NotANumber(text=value[:60])
    return value


def state(value: str) -> str:
    """A state by its ISO 3166-1 alpha-3 code, as to form."""
    if not _ISO3.fullmatch(value):
        raise problems.NotAState(text=value[:60])
    return value


@lru_cache(_CACHED)
def date(value: str) -> str:
    """A partial date (kernel.dates) in canonical form; a bare spreadsheet serial is named as such."""
    if _SERIAL.fullmatch(value):  # days since 1899-12-30 (ECMA-376 18.17.4.1, 1900 system)
        serial = day(1899, 12, 30) + timedelta(days=int(value.partition(".")[0]))
        raise problems.DateSerial(text=value, date=serial.isoformat())
    try:
        return dates.parse(value).text
    except BadDate:
        raise problems.NotADate(text=value[:60]) from None


def normal(key: str) -> str:
    """A key in Unicode's composed form, so that two keyboards' spellings of one key meet."""
    return key if key.isascii() else unicodedata.normalize("NFC", key)


def key(value: str) -> str:
    """A key as it is stored."""
    if len(value) > MAX_SHORT:
        raise problems.ValueTooLong(field="key", length=len(value), limit=MAX_SHORT)
    return value if value.isascii() else normal(value)


class Keys:
    """Keys to handles: those of this run, and through the registry those of earlier imports of the same dataset."""

    def __init__(self, registry: Registry, dataset: str) -> None:
        self.registry, self.dataset = registry, dataset
        self.entities: dict[str, str] = {}
        self.claims: dict[str, str] | None = None  # kept only when something refers to claims
        self.rejected: set[str] = set()
        self._earlier: dict[tuple[str, str], str] = {}
        self._suggested = 0

    def entity(self, *kinds: str, field: str = "subject") -> Converter:
        """A key (or handle) to the handle of an entity of one of ``kinds`` (none: any)."""
        letters = frozenset(ids.KINDS[kind] for kind in kinds) if kinds else frozenset(ids.LETTERS)

        entities = self.entities

        def convert(key: str) -> str:
            handle = entities.get(key)
            if handle is None:
                key = normal(key)
                handle = entities.get(key) or self._find(key, "entities@1", entities)
            if handle[0] not in letters:
                kind = ids.LETTERS[handle[0]]
                raise problems.WrongKind(text=key[:60], kind=kind, field=field, expected=", ".join(kinds))
            return handle

        return convert

    def person(self) -> Converter:
        """A person's key to its handle. A wrong one without a digit may be a name, so no error repeats it."""
        find = self.entity("person", field="person")

        def convert(key: str) -> str:
            try:
                return str(find(key))
            except problems.RowProblem:
                if any(character.isdigit() for character in key):
                    raise
                raise problems.Sealed(field="person") from None

        return convert

    def claim(self, key: str) -> str:
        """A claim's key (or handle) to its handle."""
        key = normal(key)
        known = self.claims or {}
        return known.get(key) or self._find(key, "claims@1", known)

    def claim_list(self, value: str) -> list[str]:
        """A ``;``-separated list of claims."""
        return [self.claim(part.strip()) for part in value.split(";") if part.strip()]

    def speaker(self, value: str) -> str:
        """A handle, or a word such as “witnesses”. What has a digit in it is a key, so that a mistyped one is not taken for a
        word.
        """
        key = normal(value)
        if handle := self.entities.get(key):
            return handle
        try:
            return self._find(key, "entities@1", self.entities)
        except problems.RowProblem:
            if key in self.rejected or any(character.isdigit() for character in key) or len(key) > MAX_SHORT:
                raise
            return value

    def _find(self, key: str, table: str, known: dict[str, str]) -> str:
        cached = self._earlier.get((table, key))
        if cached:
            return cached
        if key in self.rejected:
            raise problems.KeyRejected(text=key[:60])
        found = self.registry.find(self.dataset, key, table)
        if found is None and ids.is_handle(key):
            found = self.registry.find("", key, table)
        if found is None:
            raise problems.NoSuchKey(text=key[:60], near=Near(key[:60], lambda: self._among(known)))
        if len(self._earlier) >= _CACHED:
            self._earlier.clear()
        self._earlier[table, key] = found[0]
        return found[0]

    def _among(self, known: dict[str, str]) -> list[str]:
        self._suggested += 1
        return list(islice(known, _SUGGEST_AMONG)) if self._suggested <= _SUGGEST_TIMES else []


def term(vocabularies: Vocabularies, name: str, field: str) -> Converter:
    """The id of a term of a vocabulary."""

    def convert(value: str) -> str:
        if vocabularies.has_term(name, value):
            return value
        word = value[:60]
        nearest = Near(word, lambda: vocabularies.suggest(name, word) or vocabularies.terms(name))
        raise problems.NotAmong(field=field, text=word, near=nearest)

    return convert


def value_of(property: Property, vocabularies: Vocabularies, keys: Keys) -> Converter:
    """The converter of a property's values."""
    if property.value.startswith("term:"):
        return term(vocabularies, property.value.removeprefix("term:"), property.id)
    if property.value == "handle":
        return keys.entity(*property.kinds, field=property.id)
    simple: dict[str, Converter] = {"number": number, "date": date, "state": state, "none": _no_value(property.id)}
    return simple.get(property.value) or text(MAX_TEXT, property.id)


def _no_value(property: str) -> Converter:
    def convert(value: str) -> str:
        raise problems.NoValue(property=property, text=value[:60])

    return convert
