"""States by measures: who joined, declined, was asked, did something of its own; each cell with its date and its sources.

Invariants: a cell says what a claim says and names the claim; what is denied or disputed is shown as such. An empty cell means
that nothing is on record, never that a State refused. At most a page of columns is shown at once.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from amparo.app.desk_periods import today
from amparo.app.desk_remembered import Remembered
from amparo.app.session import Session
from amparo.dossier import states
from amparo.kernel.i18n import N_
from amparo.record import aggregates
from amparo.record.aggregates import Dated, Told
from amparo.record.model import DENIED

COLUMNS: Final = 12
KINDS: Final = {"position": N_("Positions on measures and matters"), "measure": N_("Measures of States themselves"),
                "intervention": N_("Help that States gave")}  # fmt: skip
_PROPERTIES: Final = ("state", "instrument", "role", "response")
_CLAIMS: Final = 60_000
_ROWS: Final = 300
_SOURCES: Final = 4  # chips in one cell; the claim's own page has all
_LAST: Final = 1 << 30


@dataclass(slots=True)
class _Entry:
    """What one thing (a position, measure, intervention) says of one State; ``kind`` one of KINDS."""

    kind: str
    thing: str
    told: list[Told] = field(default_factory=list)


@dataclass(slots=True)
class _Column:
    """``handle`` of what the positions are about, or of what a State did itself; "" for matters without an instrument."""

    handle: str
    cells: dict[str, list[_Entry]] = field(default_factory=dict)  # state -> entries


@dataclass(slots=True)
class _All:
    columns: list[_Column]
    named: dict[str, Dated]
    cut: bool


def _gather(session: Session) -> _All:
    found = aggregates.told_by_property(session.record, _PROPERTIES, _CLAIMS)
    things: dict[str, list[Told]] = {}
    for one in found:
        things.setdefault(one.subject, []).append(one)
    kinds = {"X": "position", "M": "measure", "V": "intervention"}
    columns: dict[str, _Column] = {}
    for thing, told in things.items():
        kind = kinds.get(thing[:1], "")
        said = [one for one in told if one.property == "state" and one.value]
        rest = [one for one in told if one.property != "state"]
        about = next((one.value for one in rest if one.property == "instrument"), "") if kind == "position" else thing
        for one in said if kind else ():
            column = columns.setdefault(about, _Column(about))
            column.cells.setdefault(one.value, []).append(_Entry(kind, thing, [one, *rest]))
    named = aggregates.named(session.record, {*things, *(column.handle for column in columns.values())})

    def place(column: _Column) -> tuple[bool, int, str]:
        days = aggregates.first_and_last(named[column.handle].date) if column.handle in named else None
        return not column.handle, (days[0] or days[1] or _LAST) if days else _LAST, column.handle

    return _All(sorted(columns.values(), key=place), named, len(found) >= _CLAIMS)


_all = Remembered(_gather)


def matrix(session: Session, *, kind: str = "", page: int = 1) -> dict[str, Any]:
    """One page of the matrix; ``kind`` one of KINDS, else all of them."""
    known = _all(session)
    columns = known.columns if kind not in KINDS else [only for column in known.columns if (only := _only(column, kind)).cells]
    pages = max(1, -(-len(columns) // COLUMNS))
    page = min(page, pages)
    shown = columns[(page - 1) * COLUMNS : page * COLUMNS]
    entries = [entry for column in shown for found in column.cells.values() for entry in found]
    disputed = aggregates.disputed(session.record, (one.handle for entry in entries for one in entry.told))
    codes = {code for column in shown for code in column.cells}
    ordered = sorted(codes, key=lambda code: (states.name(code), code))
    rows = [{"code": code, "name": states.name(code), "cells": [_cell(column, code, known, disputed) for column in shown]}
            for code in ordered[:_ROWS]]  # fmt: skip
    return {
        "columns": [_head(column, known) for column in shown], "rows": rows, "kinds": KINDS,
        "kind": kind if kind in KINDS else "", "page": page, "pages": pages, "today": today(),
        "total": len(columns), "cut": known.cut or len(ordered) > _ROWS,
        "sums": [_sums(column, known) for column in shown],
    }  # fmt: skip


def _only(column: _Column, kind: str) -> _Column:
    """A column with the entries of one kind."""
    cells = {state: [entry for entry in entries if entry.kind == kind] for state, entries in column.cells.items()}
    return _Column(column.handle, {state: entries for state, entries in cells.items() if entries})


def _head(column: _Column, known: _All) -> dict[str, Any]:
    thing = known.named.get(column.handle)
    return {
        "handle": column.handle, "label": thing.label if thing else "", "type": thing.type if thing else "",
        "date": thing.date if thing else "", "states": len(column.cells),
    }  # fmt: skip


def _cell(column: _Column, code: str, known: _All, disputed: set[str]) -> list[dict[str, Any]]:
    """What is said of a State in a column, in the order of time."""
    found = []
    for entry in column.cells.get(code, ()):
        shown = _words(entry, known)
        dated = [one.valid for one in entry.told if one.property in ("role", "response") and one.valid]
        dated += [one.valid for one in entry.told if one.valid]
        thing = known.named.get(entry.thing)
        sources = list(dict.fromkeys(one.source for one in entry.told if one.source))
        found.append({
            "thing": entry.thing, "words": shown, "date": dated[0] if dated else thing.date if thing else "",
            "claims": [one.handle for one in entry.told], "sources": sources[:_SOURCES], "more": len(sources) - _SOURCES,
            "denied": any(one.polarity == DENIED for one in entry.told),
            "disputed": any(one.handle in disputed for one in entry.told),
        })  # fmt: skip
    return sorted(found, key=lambda cell: (_day(cell["date"]), cell["thing"]))


def _words(entry: _Entry, known: _All) -> list[tuple[str, str]]:
    """(term, property) of what the State did or is; what a thing is called itself where no claim says."""
    roles = [(one.value, one.property) for one in entry.told if one.property in ("role", "response") and one.value]
    if roles:
        return list(dict.fromkeys(roles))
    thing = known.named.get(entry.thing)
    names = {"position": "role", "measure": "measure type", "intervention": "intervention type"}
    return [(thing.type, names[entry.kind])] if thing and thing.type else []


def _sums(column: _Column, known: _All) -> list[tuple[str, str, int]]:
    """(term, property, number of States) of a column, the most frequent first."""
    counted = Counter(word for entries in column.cells.values()
                      for word in {word for entry in entries for word in _words(entry, known)})  # fmt: skip
    return [(term, property, number) for (term, property), number in sorted(counted.items(), key=lambda one: (-one[1], one[0]))]


def _day(date: str) -> int:
    days = aggregates.first_and_last(date)
    return (days[0] or days[1] or _LAST) if days else _LAST
