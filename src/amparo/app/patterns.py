"""Patterns of acts: what followed what, which places, units and means recur, what goes together. Counts, never persons.

Invariants: a count of cases or persons is shown only as ``analysis.suppress`` allows; no handle of a person and no ground comes
near the counting (``app.pattern_cases``); nothing can be chosen by an attribute of a person.
"""

import itertools
import operator
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, Final

import numpy as np

from amparo.analysis import patterns as mining
from amparo.analysis import suppress
from amparo.analysis import together as pairs
from amparo.analysis.patterns import Ints
from amparo.app import pattern_cases
from amparo.app.desk_remembered import Remembered
from amparo.app.pattern_cases import ACT, END, INSTRUMENT, METHOD, PLACE, PLACE_TYPE, UNIT, Told, Trait
from amparo.app.session import Session, stops_when_asked
from amparo.kernel.i18n import N_
from amparo.record import aggregates, vocabulary

WHICH: Final = {
    "sequences": N_("What followed what"), "places": N_("Places that recur"), "units": N_("Units that recur"),
    "means": N_("Means that recur"), "together": N_("What goes together"),
}  # fmt: skip
LISTED: Final = 40
_KINDS: Final = {"places": (PLACE, PLACE_TYPE), "units": (UNIT,), "means": (METHOD, INSTRUMENT)}
_TOGETHER: Final = (ACT, METHOD, INSTRUMENT, PLACE_TYPE, END)
_TRAITS: Final = 60  # traits, the most frequent, whose pairs are looked at
Counted = tuple[suppress.Pattern, int]
SURE: Final = 0.05
"""Mean false sign rate up to which pairs are told."""


def _gather(session: Session, progress: Callable[[int, int], None] | None = None) -> Told:
    with stops_when_asked():
        return pattern_cases.gather(session, progress)


_told = Remembered(_gather)


def patterns(
    session: Session, which: str = "", *, progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """The patterns of the record: one of WHICH, or all of them. ``progress`` as in ``pattern_cases.gather``."""
    told = _told(session) if progress is None else _gather(session, progress)
    asked = [which] if which in WHICH else list(WHICH)
    data: dict[str, Any] = {
        "demo": session.demo, "cases": told.cases if suppress.safe(told.cases) else None,
        "persons": _persons(told, np.arange(told.cases)), "acts": len(told.sources), "acts_without_victim": told.without_victim,
        "small": suppress.SMALL,
    }  # fmt: skip
    if "sequences" in asked:
        data["sequences"] = _sequences(told)
    for name in asked:
        if name in _KINDS:
            data[name] = _recurring(told, _KINDS[name])
    if "together" in asked:
        data["together"] = _together(told)
    handles = {trait["name"] for name in asked for row in listed(data[name]) for trait in row["traits"]}
    data["labels"] = {thing.handle: thing.label for thing in aggregates.named(session.record, handles).values()}
    return data


def listed(part: Any) -> list[dict[str, Any]]:
    """The lines of one kind of patterns."""
    return list(part["listed"] if isinstance(part, dict) else part)


def label(trait: dict[str, str], labels: dict[str, str]) -> str:
    """What a trait is called."""
    if trait["kind"] in (PLACE, UNIT):
        return f"{trait['name']} {labels.get(trait['name'], '')}".strip()
    return vocabulary.load().label(trait["kind"], trait["name"])


# -- counting -----------------------------------------------------------------------------------------------------------


def _shown(trait: Trait) -> dict[str, str]:
    return {"kind": trait[0], "name": trait[1]}


def _persons(told: Told, cases: Ints) -> int | None:
    """How many of some cases are one person's each; None if that must not be shown."""
    count, total = int(told.person[cases].sum()), int(told.person.sum())
    return count if suppress.safe(count, len(cases) - count, total - count) else None


def _origins(told: Told, acts: Iterable[int]) -> int:
    """From how many origins that are not known to be one the acts are told."""
    return len(set[int]().union(*(told.sources[act] for act in acts)))


def _sequences(told: Told) -> dict[str, Any]:
    """The sequences that may be shown beside each other and beside the single steps, the most frequent first."""
    cases, rows, left_out = pattern_cases.steps(told)
    found = mining.mine(cases, top=LISTED, least=suppress.SMALL)
    having = [np.unique(told.case[one]) for one in told.rows_of()]
    single: list[Counted] = [((trait,), len(having[trait])) for trait in np.unique(told.trait[rows]).tolist()]
    kept = _nested(single, [(one.steps, one.support) for one in found], told.cases)
    every = _nested(single, [(tuple(sorted(set(one.steps))), one.all_steps) for one in found], told.cases)
    alone: list[Counted] = [(step, int(told.person[having[step[0]]].sum())) for step, _count in single]
    persons = [int(told.person[one.cases].sum()) for one in found]
    shown = _nested(alone, [(one.steps, count) for one, count in zip(found, persons, strict=True)], int(told.person.sum()))
    lines = []
    for place in sorted(kept):
        one = found[place]
        if not _beside_pairs(one, having, told.cases):
            continue
        mask = np.isin(told.case[rows], one.cases) & np.isin(told.trait[rows], one.steps)
        lines.append({
            "traits": [_shown(told.traits[step]) for step in one.steps], "cases": one.support,
            "persons": _persons(told, one.cases) if place in shown else None,
            "with_all_steps": one.all_steps if place in every and suppress.safe(one.all_steps - one.support) else None,
            "origins": _origins(told, np.unique(told.act[rows[mask]]).tolist()),
        })  # fmt: skip
    return {"listed": lines, "steps_left_out": left_out, **cases.orders()}


def _beside_pairs(one: mining.Sequence, having: list[Ints], total: int) -> bool:
    """True if a sequence's count may be shown beside how many have two of its steps, which ``together`` may tell."""
    for first, second in itertools.combinations(sorted(set(one.steps)), 2):
        both = len(np.intersect1d(having[first], having[second], assume_unique=True))
        told = suppress.pair(both, len(having[first]), len(having[second]), total)
        if told and not suppress.safe(both - one.support):
            return False
    return True


def _nested(single: list[Counted], found: list[Counted], total: int) -> set[int]:
    """The places of the patterns that may be shown beside each other and beside the single steps."""
    return {place - len(single) for place in suppress.nested([*single, *found], total) if place >= len(single)}


def _recurring(told: Told, kinds: tuple[str, ...]) -> list[dict[str, Any]]:
    """The traits of some kinds that enough cases have, the most frequent first."""
    lines: list[dict[str, Any]] = []
    for trait, rows in zip(told.traits, told.rows_of(), strict=True):
        if trait[0] not in kinds:
            continue
        cases = np.unique(told.case[rows])
        if not suppress.share(len(cases), told.cases):
            continue
        acts = np.unique(told.act[rows])
        lines.append({
            "traits": [_shown(trait)], "cases": len(cases), "persons": _persons(told, cases), "acts": len(acts),
            "origins": _origins(told, acts.tolist()), "first": _day(told.first[rows], least=True),
            "last": _day(told.last[rows], least=False),
        })  # fmt: skip
    return sorted(lines, key=operator.itemgetter("cases"), reverse=True)[:LISTED]


def _day(days: Ints, *, least: bool) -> str | None:
    """The first or last day of acts whose dates are not open."""
    known = days[(days > mining.NEVER) & (days < mining.ALWAYS)]
    if not len(known):
        return None
    return date.fromordinal(min(int(known.min() if least else known.max()), date.max.toordinal())).isoformat()


def _together(told: Told) -> dict[str, Any]:
    """Pairs of traits, each with its odds ratio; only pairs whose four cells may be shown are fitted and listed."""
    wanted = [number for number, trait in enumerate(told.traits) if trait[0] in _TOGETHER]
    rows = told.rows_of()
    having = {number: np.unique(told.case[rows[number]]) for number in wanted}
    shown = [number for number in wanted if suppress.share(len(having[number]), told.cases)]
    shown = sorted(shown, key=lambda number: (-len(having[number]), told.traits[number]))[:_TRAITS]
    table = np.zeros((told.cases, len(shown)), np.float32)
    for column, number in enumerate(shown):
        table[having[number], column] = 1
    counts = (table.T @ table).astype(np.int64)  # exact up to 2^24 cases
    found = [
        (one, other) for one, other in itertools.combinations(range(len(counts)), 2)
        if suppress.pair(int(counts[one, other]), int(counts[one, one]), int(counts[other, other]), told.cases)
    ]  # fmt: skip
    ones, others = (np.array([pair[side] for pair in found], np.int64) for side in (0, 1))
    fitted = pairs.fit(counts[ones, others], counts[ones, ones], counts[others, others], told.cases)
    order = np.lexsort((-np.abs(fitted.mean - fitted.common), fitted.s_value))[:LISTED]
    return {
        "looked_at": len(found), "typical": round(float(np.exp(fitted.common)), 3), "spread": round(fitted.spread, 3),
        "listed": [{
            "traits": [_shown(told.traits[shown[ones[place]]]), _shown(told.traits[shown[others[place]]])],
            "cases": int(counts[ones[place], others[place]]), "one": int(counts[ones[place], ones[place]]),
            "other": int(counts[others[place], others[place]]), "of": told.cases,
            "odds": round(float(np.exp(fitted.mean[place])), 3), "low": round(float(np.exp(fitted.low[place])), 3),
            "high": round(float(np.exp(fitted.high[place])), 3), "s_value": round(float(fitted.s_value[place]), 4),
            "more": bool(fitted.mean[place] > fitted.common), "sure": bool(fitted.s_value[place] <= SURE),
        } for place in order.tolist()],
    }  # fmt: skip
