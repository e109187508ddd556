"""What a report tells of a person, as one row of a table that records can be compared by.

Invariants: a row has a number and no handle, and nothing about orientation, religion, ethnicity or opinion; what a report does
not say is None and speaks neither for nor against; a date is a span of days, never more exact than it was told.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import pyarrow as pa  # type: ignore[import-untyped]

from amparo.kernel.dates import PartialDate
from amparo.kernel.text import fold, romanise, words
from amparo.record.tokens import consonants

NAME_PARTS: Final = ("given", "father", "grandfather", "family")
FIRST_DAY, LAST_DAY = 1, 3_652_059  # years 1 and 9999: where a date is open


@dataclass(frozen=True, slots=True)
class Report:
    """One report of one person; every field but ``source`` may be empty or None.

    ``source`` the list or document it comes from. The four parts of a name in any script, each one or more words. ``sex`` a
    code. ``born`` and ``day`` (of the event): (first, last) possible day as proleptic Gregorian ordinals. ``place`` and the
    wider ``region`` as codes, equal where the place is.
    """

    source: str = ""
    given: str = ""
    father: str = ""
    grandfather: str = ""
    family: str = ""
    sex: str = ""
    born: tuple[int, int] | None = None
    day: tuple[int, int] | None = None
    place: str = ""
    region: str = ""


def span(date: PartialDate | None) -> tuple[int, int] | None:
    """(first, last) possible day of a partial date, open ends at the ends of the calendar; None for None."""
    if date is None:
        return None
    first, last = date.days()
    return (FIRST_DAY if first is None else first, LAST_DAY if last is None else last)


def folded(part: str) -> str:
    """A part of a name as folded Latin words: what two spellings are compared by."""
    return " ".join(word for word, _, _ in words(romanise(fold(part))))


def skeleton(part: str) -> str:
    """The consonants of a part's words, whatever their script: proposes candidates, never decides."""
    return " ".join(consonants(word) for word, _, _ in words(part))


_SPANS: Final = ("born", "day")
_TEXTS: Final = ("source", *NAME_PARTS, "sex", "place", "region")


def table(reports: Sequence[Report] | Iterable[Report]) -> pa.Table:
    """The reports as columns: unique_id (row number), the texts, a skeleton of each part of a name, and the dates.

    Columns: ``unique_id`` int64; texts as strings, null where empty, name parts folded; ``<part>_key`` skeletons;
    ``born_from``, ``born_to``, ``day_from``, ``day_to`` int64 ordinals; ``born``, ``day`` the ordinal as text where one day.
    """
    columns: dict[str, list[Any]] = {name: [] for name in _TEXTS}
    columns.update({f"{name}_key": [] for name in NAME_PARTS})
    columns.update({f"{name}{end}": [] for name in _SPANS for end in ("", "_from", "_to")})
    known: dict[str, tuple[str | None, str | None]] = {"": (None, None)}
    for report in reports:
        for name in NAME_PARTS:
            text = getattr(report, name)
            if text not in known:
                known[text] = (folded(text) or None, skeleton(text) or None)
            columns[name].append(known[text][0])
            columns[f"{name}_key"].append(known[text][1])
        for name in ("source", "sex", "place", "region"):
            columns[name].append(getattr(report, name) or None)
        for name in _SPANS:
            first, last = getattr(report, name) or (None, None)
            columns[f"{name}_from"].append(first)
            columns[f"{name}_to"].append(last)
            columns[name].append(_one_day(first, last))
    arrays = {name: pa.array(values, pa.int64() if name.endswith(("_from", "_to")) else pa.string())
              for name, values in columns.items()}  # fmt: skip
    count = len(columns["source"])
    return pa.table({"unique_id": pa.array(range(count), pa.int64()), **arrays})


def _one_day(first: int | None, last: int | None) -> str | None:
    """A day as eight digits, whose distance counts wrong digits; None where it is not one day."""
    return date.fromordinal(first).strftime("%Y%m%d") if first is not None and first == last else None
