"""States and measures: who joined, raised, voted or was silent on what, as rows and columns.

Invariant: a cell holds what the record says of a State, with the source it rests on; an empty cell says only that the record
says nothing.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from amparo.app.session import Session
from amparo.record import aggregates

_MOST: Final = 20_000
"""Statements of States that are read; the page says when there are more."""


@dataclass(slots=True)
class Column:
    """A measure, or what States did on their own (``handle`` is ""): its label, date and how many cells it fills."""

    handle: str
    label: str = ""
    date: str = ""
    filled: int = 0


@dataclass(slots=True, frozen=True)
class Mark:
    """One thing in a cell: its handle, kind and type (a term), its date and the source."""

    handle: str
    kind: str
    type: str
    date: str
    source: str


@dataclass(slots=True)
class State:
    """A row: ISO 3166-1 alpha-3 code, and column -> what is in its cell."""

    code: str
    cells: dict[str, list[Mark]] = field(default_factory=dict)


def matrix(session: Session) -> dict[str, Any]:
    """The States and the columns they appear in, the fullest column first; ``more`` if not all was read."""
    rows = aggregates.by_state(session.record, _MOST + 1)
    states: dict[str, State] = {}
    columns: dict[str, Column] = {}
    labels = session.record.labels({handle for row in rows for handle in (row[1], row[5], row[6]) if handle})
    for code, handle, kind, type, day, parent, source in rows[:_MOST]:
        measure = handle if kind == "measure" else parent if parent.startswith("M-") else ""
        if measure not in columns:
            entity = session.record.entity(measure) if measure else None
            columns[measure] = Column(measure, labels.get(measure, ""), entity.date if entity else "")
        cell = states.setdefault(code, State(code)).cells.setdefault(measure, [])
        columns[measure].filled += not cell
        cell.append(Mark(handle, kind, type, day, source))
    ordered = sorted(columns.values(), key=lambda one: (not one.handle, -one.filled, one.date, one.handle))
    shown = [states[code] for code in sorted(states)]
    return {"states": shown, "columns": ordered, "labels": labels, "more": len(rows) > _MOST}
