"""How long somebody held a post, as far as a partial date tells: what is certain, what is possible, what is not said.

Invariants: an interval is never more exact than the date it was read from; what is certain is possible. No clock is read: an
open end holds as long as whoever told of it could know, which is the day of the source.

A relation's date is read as how long it held: ``2016/2018-03`` began some day of 2016 and ended some day of March 2018, so it
is certain from 31 December 2016 to 1 March 2018 and possible from 1 January 2016 to 31 March 2018. A date without a slash is a
*sighting*: it held on some day of that year, month or day, and the date says nothing of the days around. (Allen, Maintaining
knowledge about temporal intervals, CACM 26, 1983, with ends that are themselves intervals; first and last citing as registers
of security forces keep them.)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from amparo.kernel import dates
from amparo.kernel.errors import BadDate
from amparo.kernel.i18n import N_

CERTAIN, POSSIBLE = N_("certain"), N_("possible")
BETWEEN, UNDATED = N_("recorded before and after"), N_("undated")
OTHER, DENIED = N_("at other times"), N_("denied")
STANDINGS: Final = (CERTAIN, POSSIBLE, BETWEEN, UNDATED, OTHER, DENIED)
"""How surely a relation held at a date, the surest first."""
HOLDING: Final = frozenset(STANDINGS[:4])
_ABOUT: Final = {4: 366, 7: 31, 10: 1}
"""Length of a written date -> days by which “about” widens it: once its own unit."""

Days = tuple[int | None, int | None]
"""First and last day as proleptic Gregorian ordinals, both included; None where open."""


@dataclass(frozen=True, slots=True)
class Tenure:
    """It began between ``first`` and ``start_by`` and ended between ``end_from`` and ``last`` (ordinals; None: not known).

    ``sighting``: the date names no beginning and no end.
    """

    first: int | None
    start_by: int | None
    end_from: int | None
    last: int | None
    sighting: bool = False

    @property
    def certain(self) -> tuple[int, int] | None:
        """The days on which it held under every reading of the date."""
        if self.start_by is None or self.end_from is None or self.start_by > self.end_from:
            return None
        return self.start_by, self.end_from

    @property
    def possible(self) -> Days:
        """The days on which it held under some reading of the date."""
        return self.first, self.last


def read(valid: str, told: str = "") -> Tenure | None:
    """The tenure a partial date tells of; None for no date. ``told``: partial date of the source, which bounds an open end."""
    known = _parse(valid)
    if known is None:
        return None
    text = known.text.removesuffix("~")
    start, slash, end = text.partition("/")
    first, last = known.days()
    if not slash:
        tenure = Tenure(first, last, first, last, sighting=True)
    elif start == "..":
        tenure = Tenure(None, None, dates.parse(end).days()[0], last)
    else:
        begun = dates.parse(start).days()
        ended = (_known_until(begun, told), None) if end == ".." else dates.parse(end).days()
        tenure = Tenure(begun[0], begun[1], ended[0], ended[1])
    return _widened(tenure, start, end or start) if known.about else tenure


def _known_until(begun: Days, told: str) -> int | None:
    """The first day on which a source may have said “since then”: as long as that, it had not ended."""
    source = _parse(told)
    day = source.days()[0] if source else None
    return max(day, begun[0]) if day is not None and begun[0] is not None else begun[0]


def _parse(text: str) -> dates.PartialDate | None:
    try:
        return dates.parse(text) if text else None
    except BadDate:
        return None


def _widened(tenure: Tenure, start: str, end: str) -> Tenure:
    """“About”: nothing is certain, and once the date's own unit more is possible on either side."""
    first = None if tenure.first is None else max(1, tenure.first - _ABOUT.get(len(start), 0))
    last = None if tenure.last is None else tenure.last + _ABOUT.get(len(end), 0)
    return Tenure(first, None, None, last, tenure.sighting)


def standing(tenures: Iterable[Tenure | None], at: Days) -> str:
    """How surely a relation that is told with these tenures held at ``at``, an act that fell on some day of that interval.

    CERTAIN: it covers every day the act may have fallen on. POSSIBLE: it may cover one. BETWEEN: seen before and seen after.
    """
    known = list(tenures)
    dated = [one for one in known if one is not None]
    if any(_covers(one.certain, at) for one in dated):
        return CERTAIN
    if any(meet(one.possible, at) for one in dated):
        return POSSIBLE
    if bracket(dated, at) is not None:
        return BETWEEN
    return UNDATED if len(dated) < len(known) else OTHER


def _covers(certain: tuple[int, int] | None, at: Days) -> bool:
    return certain is not None and at[0] is not None and at[1] is not None and certain[0] <= at[0] and at[1] <= certain[1]


def bracket(tenures: Iterable[Tenure], at: Days) -> Days | None:
    """The days from the last sighting before ``at`` to the first one after it, or None; a told end is no sighting."""
    seen = [one for one in tenures if one.sighting]
    before = [one.last for one in seen if one.last is not None and at[0] is not None and one.last < at[0]]
    after = [one.first for one in seen if one.first is not None and at[1] is not None and one.first > at[1]]
    return (max(before), min(after)) if before and after else None


def meet(one: Days, other: Days) -> Days | None:
    """The days two intervals share, or None."""
    low = _highest(one[0], other[0])
    high = min((end for end in (one[1], other[1]) if end is not None), default=None)
    return None if low is not None and high is not None and low > high else (low, high)


def _highest(one: int | None, other: int | None) -> int | None:
    return max((start for start in (one, other) if start is not None), default=None)


def uncovered(spans: Iterable[Days], at: Days) -> list[Days]:
    """The longest intervals without a day of ``spans`` that share a day with ``at``, in the order of time."""
    found: list[Days] = []
    free: int | None = None  # first day that nothing so far covers; None: from the beginning
    ended = False
    for low, high in sorted(spans, key=lambda span: (span[0] is not None, span[0] or 0)):
        if low is not None and (free is None or low > free):
            found.append((free, low - 1))
        if high is None:
            ended = True
            break
        free = max(free or 0, high + 1)
    if not ended:
        found.append((free, None))
    return [gap for gap in found if meet(gap, at) is not None]
