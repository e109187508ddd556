"""Counting partial dates into units of time: nothing is lost, nothing counted twice, nothing put where it need not lie."""

from datetime import date
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from amparo.app.desk_periods import CAP, GRAINS, Span, Window, hull, units, window
from amparo.app.desk_timeline import _gather
from amparo.record import aggregates

_DAYS = st.integers(date(1995, 1, 1).toordinal(), date(2030, 12, 31).toordinal())
_YEAR, _MONTH = st.integers(1996, 2029).map(str), st.integers(1, 12)
_TEXTS = st.one_of(
    _YEAR, st.tuples(_YEAR, _MONTH).map(lambda two: f"{two[0]}-{two[1]:02d}"),
    _DAYS.map(lambda day: date.fromordinal(day).isoformat()),
    st.tuples(_DAYS, _DAYS).map(lambda two: "/".join(date.fromordinal(day).isoformat() for day in sorted(two))),
    _YEAR.map("before {}".format), _YEAR.map("after {}".format),
)  # fmt: skip


def _span(text: str, number: int) -> Span:
    days = aggregates.first_and_last(text)
    assert days is not None, text
    return Span(text, *days, number)


_SPANS = st.lists(st.builds(_span, _TEXTS, st.integers(1, 5)), max_size=30)


@given(_DAYS, st.integers(0, 4000), st.sampled_from(GRAINS))
def test_units_follow_each_other_without_a_gap_and_cover_what_was_asked(first: int, length: int, grain: str) -> None:
    """Each unit begins the day after the one before it, and together they hold what was asked, or are too many."""
    found = units(first, first + length, grain)
    assert all(one.last + 1 == two.first for one, two in pairwise(found))
    assert found[0].first <= first <= found[0].last
    assert len(found) > CAP or found[-1].first <= first + length <= found[-1].last


@given(_SPANS, _DAYS, st.integers(0, 3000), st.sampled_from(("", *GRAINS)))
def test_every_date_is_counted_once_and_in_a_unit_only_if_it_must_lie_there(
    spans: list[Span], first: int, length: int, grain: str,
) -> None:  # fmt: skip
    """Before, after, one column or wide: against each span looked at day by day, the counts agree and add up."""
    start, end = (date.fromordinal(day).isoformat() for day in (first, first + length))
    shown = window(start, end, grain, None)
    assert isinstance(shown, Window)
    lane = _gather("event", sorted(spans, key=lambda span: (span.first or 0, span.last or 1 << 30, span.text)), shown)
    for number, unit in enumerate(shown.units):
        assert lane.columns.get(number, 0) == sum(span.number for span in spans if span.within(unit.first, unit.last))
    outside = [span for span in spans if not span.touches(shown.first, shown.last)]
    assert lane.before + lane.after == sum(span.number for span in outside)
    assert lane.before + lane.after + lane.wide_number + sum(lane.columns.values()) == sum(span.number for span in spans)


@given(_SPANS)
def test_the_time_shown_unasked_holds_nearly_all_dates(spans: list[Span]) -> None:
    """At most two in a hundred begin before it and as many end after it."""
    found = hull(spans)
    known = [span for span in spans if span.first is not None or span.last is not None]
    if not known:
        assert found is None
        return
    assert found is not None
    whole = sum(span.number for span in known)
    assert sum(span.number for span in known if span.first is not None and span.first < found[0]) <= 0.02 * whole
    assert sum(span.number for span in known if span.last is not None and span.last > found[1]) <= 0.02 * whole


@given(_DAYS, st.integers(0, 3000), st.sampled_from(GRAINS), st.sampled_from((-1.0, -0.5, 0.5, 1.0)))
def test_moving_on_and_back_comes_back_to_the_same_time(
    first: int, length: int, grain: str, share: float,
) -> None:  # fmt: skip
    """A window moved by a share and then back begins where it began."""
    shown = window(date.fromordinal(first).isoformat(), date.fromordinal(first + length).isoformat(), grain, None)
    assert shown is not None
    there = window(*shown.moved(share), shown.grain, None)
    assert there is not None
    assert (len(there.units), there.grain) == (len(shown.units), shown.grain)
    back = window(*there.moved(-share), there.grain, None)
    assert back is not None
    assert (back.start, back.end) == (shown.start, shown.end)
