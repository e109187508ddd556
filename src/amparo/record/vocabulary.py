"""Vocabularies are data: lists of terms and the list of properties, one YAML file each in ``record/terms/``.

Invariant: a term's ``id`` is what the ledger stores and never changes; its label is what a user reads, in the user's language.
Each list keeps the number of the HURIDOCS micro-thesaurus it maps to (Events Standard Formats, 2nd rev. ed., 2001); the
wording is ours. A folder of further files of the same form adds terms (never changes or removes one).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _

_TERMS = Path(__file__).parent / "terms"
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SUGGESTIONS = 1_000  # remembered
_VALUES = ("handle", "number", "date", "text", "state", "none")


class BadVocabulary(BadInput):
    template = N_("The vocabulary file {file} cannot be used: {why}; compare it with the files in amparo/record/terms.")


@dataclass(frozen=True, slots=True)
class Property:
    """What a claim may say: ``subjects`` the kinds it may be about (empty: any); ``value`` is one of ``handle``,
    ``term:<vocabulary>``, ``number``, ``date``, ``text``, ``state``, ``none``; ``kinds`` what a handle may be (empty: any).
    """

    id: str
    label: str
    subjects: tuple[str, ...] = ()
    value: str = "text"
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """One list: ``terms`` maps id to English label, in the order of the file; ``huridocs`` the list number or None."""

    name: str
    label: str
    huridocs: int | None
    terms: Mapping[str, str]


class Vocabularies:
    """All vocabularies and properties; read-only."""

    def __init__(self) -> None:
        self._lists: dict[str, Vocabulary] = {}
        self._properties: dict[str, Property] = {}
        self._suggested: dict[tuple[str, str], list[str]] = {}
        self.ground_words: dict[str, tuple[str, ...]] = {}
        """language -> words that name a ground of persecution (a trailing ``*`` marks a prefix); see record.ground."""
        self.ground_names: tuple[str, ...] = ()
        """Published names of institutions that contain such a word."""

    def __iter__(self) -> Iterator[str]:
        """The names of the vocabularies, sorted."""
        return iter(sorted(self._lists))

    def property(self, id: str) -> Property | None:
        """The property, or None if there is none by that id."""
        return self._properties.get(id)

    def properties(self) -> list[Property]:
        """All properties in the order of the file."""
        return list(self._properties.values())

    def vocabulary(self, name: str) -> Vocabulary | None:
        """The list itself, or None."""
        return self._lists.get(name)

    def has_term(self, vocabulary: str, id: str) -> bool:
        """True if the list exists and has the term."""
        found = self._lists.get(vocabulary)
        return found is not None and id in found.terms

    def terms(self, vocabulary: str) -> list[str]:
        """The ids of a list's terms in the order of the file; empty for an unknown list."""
        found = self._lists.get(vocabulary)
        return list(found.terms) if found else []

    def label(self, vocabulary: str, id: str) -> str:
        """The term's label in the user's language; the id itself where list or term is unknown."""
        found = self._lists.get(vocabulary)
        label = found.terms.get(id, id) if found else id
        return _(label) if label else id

    def property_label(self, id: str) -> str:
        """The property's label in the user's language, or the id."""
        found = self._properties.get(id)
        return _(found.label) if found and found.label else id

    def huridocs(self, vocabulary: str) -> int | None:
        """The number of the HURIDOCS micro-thesaurus the list maps to, or None."""
        found = self._lists.get(vocabulary)
        return found.huridocs if found else None

    def suggest(self, vocabulary: str, wrong: str) -> list[str]:
        """Up to three ids near to what was written, best first (``vocabulary`` “property” looks among the properties).

        Ids and labels are both compared, so that a label typed in the user's language finds its id.
        """
        asked = (vocabulary, wrong.strip().lower())
        if asked not in self._suggested:  # a column filled with one wrong word asks the same a thousand times
            if len(self._suggested) >= _SUGGESTIONS:
                self._suggested.clear()
            self._suggested[asked] = self._near(*asked)
        return self._suggested[asked]

    def _near(self, vocabulary: str, wrong: str) -> list[str]:
        if vocabulary == "property":
            terms: Mapping[str, str] = {id: found.label for id, found in self._properties.items()}
        else:
            terms = self._lists[vocabulary].terms if vocabulary in self._lists else {}
        candidates = {id: id for id in terms} | {_(label).lower(): id for id, label in terms.items() if label}
        near = get_close_matches(wrong, list(candidates), n=6, cutoff=0.6)
        return list(dict.fromkeys(candidates[name] for name in near))[:3]

    def merge(self, data: Any) -> None:
        """Add what one file says; an earlier term's or property's label stays. Raises KeyError, TypeError, ValueError."""
        if "properties" in data:
            for item in data["properties"]:
                new = _property(item)
                self._properties.setdefault(new.id, new)
        elif "words" in data:
            for language, more in data["words"].items():
                words = [*self.ground_words.get(str(language), ()), *map(str, more)]
                self.ground_words[str(language)] = tuple(dict.fromkeys(words))
            self.ground_names = tuple(dict.fromkeys([*self.ground_names, *map(str, data.get("names") or ())]))
        else:
            name = str(data["vocabulary"])
            terms = {str(term["id"]): str(term.get("label") or term["id"]) for term in data["terms"]}
            number = data.get("huridocs")
            old = self._lists.get(name) or Vocabulary(
                name, str(data.get("label") or name), int(number) if number is not None else None, {}
            )
            added = {id: label for id, label in terms.items() if id not in old.terms}
            self._lists[name] = Vocabulary(name, old.label, old.huridocs, {**old.terms, **added})


@cache
def load(extra: Path | None = None) -> Vocabularies:
    """Read the shipped vocabularies and, if given, a folder of further ones. Raises BadVocabulary."""
    vocabularies = Vocabularies()
    for folder in (_TERMS, *([extra] if extra else [])):
        for path in sorted(folder.glob("*.yaml")):
            try:
                vocabularies.merge(yaml.load(path.read_text("utf-8"), Loader=_Loader))  # noqa: S506  (a safe one)
            except (yaml.YAMLError, UnicodeDecodeError) as error:
                raise BadVocabulary(file=path.name, why=str(error).splitlines()[0]) from None
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise BadVocabulary(file=path.name, why=f"{type(error).__name__} {error}") from None
    return vocabularies


def _property(item: dict[str, Any]) -> Property:
    value = str(item.get("value") or "text")
    if value not in _VALUES and not value.startswith("term:"):
        raise ValueError(f"value {value}")
    subjects, kinds = (tuple(map(str, item.get(name) or ())) for name in ("subjects", "kinds"))
    return Property(str(item["id"]), str(item.get("label") or item["id"]), subjects, value, kinds)
