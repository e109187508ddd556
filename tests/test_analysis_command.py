"""Tenures read from partial dates, and the chain of command climbed from an act: never surer than the dates, no gap filled."""

import random
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amparo.analysis import command, tenure
from amparo.analysis.command import Telling, chain
from amparo.kernel import dates
from amparo.kernel.errors import BadDate

YEARS = st.integers(1990, 2030)


@st.composite
def points(draw: st.DrawFn) -> str:
    year, month, day = draw(YEARS), draw(st.integers(1, 12)), draw(st.integers(1, 28))
    return draw(st.sampled_from((f"{year}", f"{year}-{month:02d}", f"{year}-{month:02d}-{day:02d}")))


@st.composite
def partial(draw: st.DrawFn) -> str:
    one, other = draw(points()), draw(points())
    text = draw(st.sampled_from((one, f"{one}/{other}", f"../{one}", f"{one}/.."))) + draw(st.sampled_from(("", "~")))
    try:
        return dates.parse(text).text
    except BadDate:
        return one


def _days(text: str) -> tenure.Days:
    return dates.parse(text).days()


@given(partial(), partial(), st.sampled_from(("", "2005", "2019-06")))
def test_what_is_certain_is_possible(valid: str, act: str, told: str) -> None:
    """The certain days lie within the possible ones, and a standing of certain is never given where the days do not meet."""
    read = tenure.read(valid, told)
    assert read is not None
    if read.certain:
        assert tenure.meet(read.certain, read.possible) == read.certain
    if tenure.standing([read], _days(act)) == tenure.CERTAIN:
        assert tenure.meet(read.possible, _days(act)) == _days(act)


@given(points(), points())
def test_certain_is_what_every_reading_of_the_ends_shares(one: str, other: str) -> None:
    """The certain days of ``a/b`` are those in each of the four extreme readings of its two ends, and no others."""
    start, end = sorted((one, other), key=lambda text: _days(text)[0] or 0)
    if start == end or (_days(start)[0] or 0) > (_days(end)[1] or 0):
        return
    read = tenure.read(f"{start}/{end}")
    assert read is not None
    begins, ends = _days(start), _days(end)
    readings = [(low, high) for low in begins for high in ends if low is not None and high is not None]
    shared = max(low for low, _ in readings), min(high for _, high in readings)
    assert read.certain == (shared if shared[0] <= shared[1] else None)


@given(partial(), partial())
def test_about_is_never_certain(valid: str, act: str) -> None:
    """A tenure that is told with “about” is possible at most, on no fewer days than without it."""
    plain, about = tenure.read(valid.removesuffix("~")), tenure.read(valid.removesuffix("~") + "~")
    assert plain is not None
    assert about is not None
    assert about.certain is None
    assert tenure.standing([about], _days(act)) != tenure.CERTAIN
    assert tenure.meet(plain.possible, about.possible) == plain.possible


@given(st.lists(partial(), max_size=6), partial())
def test_gaps_and_tenures_leave_no_day_of_the_act_unaccounted(valid: list[str], act: str) -> None:
    """Each day around an act is in a gap or in a possible tenure, never in both, and every gap touches the act."""
    spans = [read.possible for text in valid if (read := tenure.read(text))]
    at = _days(act)
    gaps = tenure.uncovered(spans, at)
    assert all(tenure.meet(gap, at) is not None for gap in gaps)
    low, high = at[0] or date(1980, 1, 1).toordinal(), at[1] or date(2040, 1, 1).toordinal()
    for day in {low, high, (low + high) // 2, *(edge for span in spans for edge in span if edge and low <= edge <= high)}:
        covered = any(tenure.meet(span, (day, day)) for span in spans)
        assert covered != any(tenure.meet(gap, (day, day)) for gap in gaps)


def test_a_short_tenure_within_a_long_one_opens_no_gap() -> None:
    """Where one held throughout and another for a while, no day between the ends of the two is told as a gap."""
    assert tenure.uncovered([(1, 10), (2, 5), (11, 20)], (1, 20)) == []
    assert tenure.uncovered([(1, 10), (2, 5), (12, 20)], (1, 20)) == [(11, 11)]
    assert tenure.uncovered([], (1, 20)) == [(None, None)]


def test_a_sighting_says_nothing_of_the_days_around() -> None:
    """Seen in office in May 2019: not in office in 2017 by that, and on some day of that month only possibly."""
    read = tenure.read("2019-05")
    assert tenure.standing([read], _days("2017")) == tenure.OTHER
    assert tenure.standing([read], _days("2019-05-03")) == tenure.POSSIBLE
    assert tenure.standing([tenure.read("2019-05-03")], _days("2019-05-03")) == tenure.CERTAIN


def test_seen_before_and_after_is_told_apart_from_possible() -> None:
    """Two sightings around an act are “recorded before and after”; an end that was told is no sighting."""
    seen = [tenure.read("2015"), tenure.read("2018-02")]
    assert tenure.standing(seen, _days("2017-03")) == tenure.BETWEEN
    assert tenure.standing([tenure.read("2014/2015"), tenure.read("2018-02")], _days("2017-03")) == tenure.OTHER


def test_an_open_end_holds_until_the_source_was_made() -> None:
    """“Since 2015” told in 2019 is certain in 2017, told in 2016 or on an unknown day only possible."""
    assert tenure.standing([tenure.read("2015/..", "2019")], _days("2017")) == tenure.CERTAIN
    assert tenure.standing([tenure.read("2015/..", "2016")], _days("2017")) == tenure.POSSIBLE
    assert tenure.standing([tenure.read("2015/..")], _days("2017")) == tenure.POSSIBLE


TELLINGS = [
    Telling("C-0001", "P-0001", "G-0003", "commands", "2014/2016-06", source="S-0001"),
    Telling("C-0002", "P-0002", "G-0003", "commands", "2016-06/2018", source="S-0002", paper=True),
    Telling("C-0003", "P-0003", "G-0003", "commands", "2017-01/2017-09", source="S-0003", doubts=("contradicted",)),
    Telling("C-0004", "G-0002", "G-0003", "subordinate to", "2015/..", told="2019", source="S-0001"),
    Telling("C-0005", "P-0004", "G-0002", "commands", "2015", source="S-0001"),
    Telling("C-0006", "P-0004", "G-0002", "commands", "2018-02", source="S-0004"),
    Telling("C-0007", "G-0001", "G-0002", "subordinate to", source="S-0004"),
    Telling("C-0008", "P-0005", "G-0001", "commands", "../2016", source="S-0004"),
    Telling("C-0009", "P-0006", "L-0001", "in charge of", "2017-03-12", source="S-0005"),
    Telling("C-0010", "P-0007", "G-0003", "commands", "2017", source="S-0005", denied=True),
    Telling("C-0011", "P-0008", "L-0009", "in charge of", "2017-01/2017-12", source="S-0006"),
    Telling("C-0012", "G-0009", "L-0009", "used by", "2017", source="S-0006"),
]


def test_the_chain_at_a_date_with_its_gaps_and_rivals() -> None:
    """A made-up chain: who held which post in March 2017 and how surely, who did before, two side by side, who is missing."""
    found = chain(TELLINGS, ["G-0003", "L-0001"], _days("2017-03"), areas=["L-0009"])
    standing = {(edge.upper, edge.lower): edge.standing for edge in found.edges}
    assert standing == {
        ("P-0002", "G-0003"): tenure.CERTAIN, ("P-0003", "G-0003"): tenure.CERTAIN, ("G-0002", "G-0003"): tenure.CERTAIN,
        ("P-0004", "G-0002"): tenure.BETWEEN, ("G-0001", "G-0002"): tenure.UNDATED, ("P-0006", "L-0001"): tenure.POSSIBLE,
        ("P-0008", "L-0009"): tenure.CERTAIN,
    }  # fmt: skip
    assert {(edge.upper, edge.standing) for edge in found.elsewhere} == {
        ("P-0001", tenure.OTHER), ("P-0005", tenure.OTHER), ("P-0007", tenure.DENIED),
    }  # fmt: skip
    assert [(one.one, one.other, one.standing) for one in found.overlaps] == [("P-0002", "P-0003", tenure.CERTAIN)]
    gaps = {(gap.node, gap.kind, gap.first, gap.undated) for gap in found.gaps}
    assert ("G-0001", "post", date(2017, 1, 1).toordinal(), 0) in gaps
    assert ("G-0002", "rank", None, 1) in gaps
    assert not any(gap.node in ("G-0003", "L-0009") for gap in found.gaps)
    assert found.levels["G-0001"] == 2
    assert {edge.upper: edge.bases for edge in found.edges}["P-0002"] == (command.PAPER,)


def test_who_uses_a_region_is_not_taken_for_who_did_it_there() -> None:
    """Of a wider area only who is in charge is taken; a unit that uses it stands in no chain for that."""
    found = chain(TELLINGS, ["L-0001"], _days("2017-03"), areas=["L-0009"])
    assert "G-0009" not in found.levels
    assert "P-0008" in found.levels


def test_a_commanders_own_memberships_lead_nowhere() -> None:
    """“Member of” and “used by” lead up from what did the act alone, so that no network grows around an official."""
    told = [Telling("C-1", "P-0001", "G-0001", "commands", "2017"), Telling("C-2", "G-0002", "P-0001", "member of", "2017")]
    assert "G-0002" not in chain(told, ["G-0001"], _days("2017")).levels
    assert "G-0002" in chain(told, ["P-0001"], _days("2017")).levels


def test_claims_of_one_origin_count_once() -> None:
    """Two claims of one edge from one origin are one origin; both are listed."""
    told = [Telling(f"C-{n}", "P-0001", "G-0001", "commands", "2017", source=f"S-{n}", origin="C-1") for n in (1, 2)]
    told.append(Telling("C-3", "P-0001", "G-0001", "commands", "2017", source="S-3", origin="C-3"))
    [edge] = chain(told, ["G-0001"], _days("2017")).edges
    assert (edge.origins, len(edge.tellings)) == (2, 3)


def test_circles_are_found_and_the_climb_ends() -> None:
    """Units said to stand under each other are told as a circle, at once with one that stands under itself."""
    pairs = [("G-1", "G-2"), ("G-2", "G-3"), ("G-3", "G-1"), ("G-4", "G-3"), ("G-4", "G-4")]
    told = [Telling(f"C-{n}", upper, lower, "subordinate to", "2017") for n, (upper, lower) in enumerate(pairs)]
    assert chain(told, ["G-3"], _days("2017")).circles == (("G-1", "G-2", "G-3"), ("G-4",))


def test_circles_agree_with_brute_force() -> None:
    """On random graphs, things are told as one circle exactly if each can be reached from the other."""
    for seed in range(60):
        draw = random.Random(seed)
        names = [f"G-{n}" for n in range(1, 8)]
        pairs = {(draw.choice(names), draw.choice(names)) for _ in range(draw.randint(0, 14))}
        told = [command.Edge(upper, lower, "superior", tenure.CERTAIN, ()) for upper, lower in pairs]
        reach = {(one, other) for one, other in pairs}
        for middle in names:
            reach |= {(one, other) for one in names for other in names if {(one, middle), (middle, other)} <= reach}
        groups = {tuple(sorted(o for o in names if {(n, o), (o, n)} <= reach)) for n in names if (n, n) in reach}
        expected = {group for group in groups if len(group) > 1} | {(one,) for one, other in pairs if one == other}
        assert set(command.circles(told)) == expected


def test_attack_a_record_of_endless_superiors_is_climbed_no_further_than_the_limit() -> None:
    """A chain of ten thousand units, each under the next: a bounded part is taken, the rest is counted."""
    told = [Telling(f"C-{n}", f"G-{n + 1:05d}", f"G-{n:05d}", "subordinate to", "2017") for n in range(1, 10_000)]
    found = chain(told, ["G-00001"], _days("2017"))
    assert len(found.levels) == command.NODES
    assert found.left_out == 1


@pytest.mark.parametrize("at", [(None, None), (None, 736_000), (736_000, None)])
def test_an_act_without_a_whole_date_makes_nothing_certain(at: tenure.Days) -> None:
    """Where the act's date is open, no post is certain at it."""
    found = chain(TELLINGS, ["G-0003"], at)
    assert all(edge.standing != tenure.CERTAIN for edge in found.edges)
