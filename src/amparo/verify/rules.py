"""The rules of ``rules.yaml``, read and checked: which claims cannot both hold, and which weaken another.

Invariant: a rule that is misspelt is refused when it is read, never passed over; the kinds are those that ``contradictions``
and ``undercutting`` know.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from amparo.kernel.errors import AmparoError
from amparo.kernel.i18n import N_
from amparo.record.bulk import Said

CONTRADICTIONS: Final = {
    "order": {"first", "later"}, "denied": set[str](), "exclusive": {"properties", "once", "groups", "dates"},
    "number": {"prefix", "properties"}, "pair": {"part", "whole"}, "part": {"relation", "prefix"}, "within": {"relation"},
    "cause": {"relations"}, "held": {"property"}, "detention": {"acts"}, "places": {"property"},
}  # fmt: skip
UNDERCUTS: Final = {
    "spoken": {"voluntariness"}, "custody": {"state", "properties"}, "denial": {"stances", "access"},
    "accused": {"stances", "relations", "accusing"}, "standin": {"property", "kin", "state"},
}  # fmt: skip


class BadRule(AmparoError):
    template = N_("The rule “{rule}” cannot be used: {why}. Compare it with amparo/verify/rules.yaml.")


@dataclass(frozen=True, slots=True)
class Rule:
    """``id`` says what it finds; ``kind`` how; ``sentence`` what a reader is told, with {names} to be filled in; ``more`` the
    kind's own settings.
    """

    id: str
    kind: str
    sentence: str
    more: Mapping[str, Any]

    def list(self, name: str) -> tuple[str, ...]:
        """A setting that is a list; empty where it is not given."""
        return tuple(self.more.get(name, ()))

    def speaks_of(self, property: str) -> bool:
        """True if the rule is about that property, by its list or its beginning."""
        prefix = self.more.get("prefix")
        return property in self.list("properties") or bool(prefix and property.startswith(prefix))


@dataclass(frozen=True, slots=True)
class _State:
    property: str
    terms: frozenset[str]
    by_value: bool
    speaking: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """``states``: name -> what puts a person in it; ``contradictions`` and ``undercuts`` in the order of the file."""

    states: Mapping[str, tuple[_State, ...]]
    contradictions: tuple[Rule, ...]
    undercuts: tuple[Rule, ...]

    def in_state(self, state: str, said: Said, person: str) -> str | None:
        """The date at which a claim puts a person in a state ("" if it gives none), or None if it does not."""
        if not said.affirmed:
            return None
        for one in self.states[state]:
            if one.property != said.property or (one.terms and said.value not in one.terms):
                continue
            if one.speaking and said.speaker != person:
                continue
            return said.value if one.by_value else said.valid
        return None


@cache
def load() -> Rules:
    """The rules that come with Amparo. Raises BadRule."""
    return of(yaml.safe_load((Path(__file__).parent / "rules.yaml").read_text(encoding="utf-8")))


def of(data: Mapping[str, Any]) -> Rules:
    """Rules from a mapping of the form of ``rules.yaml``. Raises BadRule."""
    states = {
        name: tuple(
            _State(one["property"], frozenset(one.get("terms", ())), one.get("day") == "value", bool(one.get("speaker")))
            for one in several
        )
        for name, several in data["states"].items()
    }  # fmt: skip
    found = Rules(states, _rules(data["contradictions"], CONTRADICTIONS), _rules(data["undercuts"], UNDERCUTS))
    for rule in (*found.contradictions, *found.undercuts):
        for name in ("first", "later", "state"):
            if rule.more.get(name, next(iter(states))) not in states:
                raise BadRule(rule=rule.id, why=f"there is no state {rule.more[name]}")
    return found


def _rules(several: list[dict[str, Any]], kinds: Mapping[str, set[str]]) -> tuple[Rule, ...]:
    found = []
    for one in several:
        id, kind, sentence = one.get("id", "?"), one.get("kind", ""), one.get("sentence", "")
        more = {name: value for name, value in one.items() if name not in ("id", "kind", "sentence")}
        if kind not in kinds:
            raise BadRule(rule=id, why=f"there is no kind {kind}")
        if not sentence or set(more) - kinds[kind]:
            raise BadRule(rule=id, why=", ".join(sorted(set(more) - kinds[kind])) or "no sentence")
        found.append(Rule(id, kind, sentence, more))
    if len({rule.id for rule in found}) != len(found):
        raise BadRule(rule=found[-1].id, why="two rules have one id")
    return tuple(found)
