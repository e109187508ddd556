"""Partial dates: a date is as exact as it is known, never more. Text in canonical form is the value; days are derived.

The forms are a subset of EDTF (ISO 8601-2:2019): ``2017``, ``2017-03``, ``2017-03-15``, ``2016-12/2017-02``, ``../2017``
(before or up to), ``2017-03/..`` (from then on), each with an ending ``~`` for “about”. HURIDOCS list 48 (type of date).
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta

from amparo.kernel.errors import BadDate

_POINT = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)
_WORDS = {"before": "../{}", "until": "../{}", "after": "{}/..", "since": "{}/..", "from": "{}/.."}


@dataclass(frozen=True, slots=True)
class PartialDate:
    """``text`` canonical; ``earliest``/``latest`` the first and last possible day, None where open; ``about`` inexact."""

    text: str
    earliest: date | None
    latest: date | None
    about: bool = False

    @property
    def exact(self) -> bool:
        """True if it names a single day and does not say “about”."""
        return self.earliest is not None and self.earliest == self.latest and not self.about

    def overlaps(self, other: "PartialDate") -> bool:
        """True unless the two can share no day."""
        low = max(self.earliest or date.min, other.earliest or date.min)
        high = min(self.latest or date.max, other.latest or date.max)
        return low <= high

    def days(self) -> tuple[int | None, int | None]:
        """(earliest, latest) as proleptic Gregorian ordinals, None where open: what a view sorts by."""
        return (
            self.earliest.toordinal() if self.earliest else None,
            self.latest.toordinal() if self.latest else None,
        )


def parse(text: str) -> PartialDate:
    """Read a partial date, canonical or in words (``before 2017``, ``about 2017-03``). Raises BadDate."""
    original = text
    text = text.strip()
    about = text.endswith("~")
    text = text.removesuffix("~").strip()
    low = text.lower()
    for word in ("about ", "c. ", "ca. ", "circa "):
        if low.startswith(word):
            about, text = True, text[len(word) :].strip()
            break
    word, _, rest = text.partition(" ")
    exclusive = word.lower() if word.lower() in ("before", "after") else ""
    if word.lower() in _WORDS:
        text = _WORDS[word.lower()].format(rest.strip())
    first, slash, last = (part.strip() for part in text.partition("/"))
    earliest = None if first == ".." and slash else _bounds(first, original)[0]
    latest = _bounds(first, original)[1] if not slash else None if last == ".." else _bounds(last, original)[1]
    if (slash and first == last == "..") or (earliest and latest and earliest > latest):
        raise BadDate(text=original[:60])
    if exclusive:
        return _exclude(exclusive, first if exclusive == "after" else last, original, about=about)
    if slash and first == last:
        slash, text = "", first
    return PartialDate((f"{first}/{last}" if slash else first) + ("~" if about else ""), earliest, latest, about)


def _exclude(word: str, point: str, original: str, *, about: bool) -> PartialDate:
    """“before 2017” ends on the last day of 2016; “after 2017” starts on the first of 2018."""
    earliest, latest = _bounds(point, original)
    try:
        if word == "before":
            day = earliest - timedelta(days=1)
            return PartialDate(f"../{day.isoformat()}" + ("~" if about else ""), None, day, about)
        day = latest + timedelta(days=1)
    except OverflowError:
        raise BadDate(text=original[:60]) from None
    return PartialDate(f"{day.isoformat()}/.." + ("~" if about else ""), day, None, about)


def _bounds(point: str, original: str) -> tuple[date, date]:
    match = _POINT.fullmatch(point)
    if match is None:
        raise BadDate(text=original[:60])
    year, month, day = int(match[1]), int(match[2] or 0), int(match[3] or 0)
    try:
        if day:
            exact = date(year, month, day)
            return exact, exact
        if month:
            return date(year, month, 1), date(year, month, monthrange(year, month)[1])
        if match[2]:
            raise ValueError
        return date(year, 1, 1), date(year, 12, 31)
    except ValueError:
        raise BadDate(text=original[:60]) from None
