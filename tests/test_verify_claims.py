"""Rules about claims: time and number logic against brute force, each kind of rule on made-up claims, counting by origin."""

import math
from collections.abc import Iterable
from datetime import date
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amparo.record import vocabulary
from amparo.record.bulk import Said
from amparo.verify import contradictions, numbers, rules, times, undercutting
from amparo.verify.corroboration import origins
from amparo.verify.rules import BadRule
from amparo.verify.statements import Finding
from amparo.verify.times import Level, Span

RULES = rules.load()
DAY = "2017-03-01"
SPANS = st.tuples(st.integers(0, 12), st.integers(0, 8)).map(lambda pair: Span(pair[0], pair[0] + pair[1]))


# -- dates and numbers --------------------------------------------------------------------------------------------------


def share(one: Span, other: Span, test: Any) -> float:
    """Counted reading by reading."""
    readings = list(product(range(one.first, one.last + 1), range(other.first, other.last + 1)))
    return float(Fraction(sum(test(a, b) for a, b in readings), len(readings)))


@given(SPANS, SPANS)
def test_shares_of_readings_are_those_counted_one_by_one(one: Span, other: Span) -> None:
    """“Later than” and “the same day” agree with the count over every pair of days."""
    assert times.after(one, other) == pytest.approx(share(one, other, lambda a, b: a > b))
    assert times.same_day(one, other) == pytest.approx(share(one, other, lambda a, b: a == b))
    assert (times.apart(one, other) == 1) == (times.same_day(one, other) == 0)


@given(SPANS, SPANS)
def test_what_is_certain_holds_in_every_reading_and_a_vague_date_is_never_certain(one: Span, other: Span) -> None:
    """CERTAIN is told if and only if no reading keeps the rule; never of “about” or an open date."""
    certain = Level.of(times.after(one, other)) is Level.CERTAIN
    assert certain == all(a > b for a, b in product(range(one.first, one.last + 1), range(other.first, other.last + 1)))
    vague = Span(one.first, one.last, vague=True)
    assert Level.of(times.after(vague, other)) is not Level.CERTAIN
    assert (Level.of(times.after(vague, other)) is Level.NONE) == (times.after(one, other) == 0)


@pytest.mark.parametrize(
    ("text", "first", "last", "vague"),
    [
        ("2017-03", date(2017, 3, 1), date(2017, 3, 31), False), ("2017-03-05~", date(2017, 3, 4), date(2017, 3, 6), True),
        ("2016-12/2017-02", date(2016, 12, 1), date(2017, 2, 28), False), ("../2017-09", None, date(2017, 9, 30), True),
        ("2017-03/..", date(2017, 3, 1), None, True),
    ],
)  # fmt: skip
def test_partial_dates_become_spans_of_days(text: str, first: date | None, last: date | None, vague: bool) -> None:
    """A month is all its days, “about” reaches to both sides, an open end reaches far and is vague."""
    found = times.span(text)
    assert found is not None and found.vague is vague
    assert first is None or found.first == first.toordinal()
    assert last is None or found.last == last.toordinal()
    assert found.days > 365 * 10 or (first and last)
    assert times.span("yesterday") is None


COUNTS = st.tuples(st.sampled_from(["", ">=", "<=", ">", "<"]), st.integers(0, 9)).map(lambda pair: f"{pair[0]}{pair[1]}")


def meant(text: str) -> set[int]:
    """The numbers from 0 to 30 that a count may mean."""
    number = int(text.lstrip("<>="))
    test = {">=": lambda n: n >= number, "<=": lambda n: n <= number, ">": lambda n: n > number, "<": lambda n: n < number}
    return {n for n in range(31) if test.get(text.rstrip("0123456789"), lambda n: n == number)(n)}


@given(COUNTS, COUNTS)
def test_counts_differ_or_exceed_when_no_meaning_fits(one: str, other: str) -> None:
    """Two counts differ if no number is meant by both; a part exceeds a whole if every meaning of it is more than every other.
    """
    here, there = numbers.count(one), numbers.count(other)
    assert here and there
    if meant(one) and meant(other):
        assert (numbers.differ(here, there) == 1) == (not meant(one) & meant(other))
        assert (numbers.exceeds(here, there) == 1) == (there.most < math.inf and min(meant(one)) > max(meant(other)))


def test_about_forty_is_certain_of_nothing() -> None:
    """“~40” and 100 differ, but not with certainty; “~40” and 45 do not; a word is no count."""
    forty, hundred, near = numbers.count("~40"), numbers.count("100"), numbers.count("45")
    assert forty and hundred and near
    assert 0 < numbers.differ(forty, hundred) < 1 and numbers.differ(forty, near) == 0
    assert numbers.count("dozens") is None and numbers.count("~4..5") is None


# -- contradictions -----------------------------------------------------------------------------------------------------


def says(number: int, subject: str, property: str, value: str = "", **more: Any) -> Said:
    return Said(f"C-{number:04d}", subject, property, value, **more)


def one(found: Iterable[Finding], rule: str) -> Finding:
    [finding] = [finding for finding in found if finding.rule == rule]
    return finding


@pytest.mark.parametrize(
    ("died", "seen", "level"),
    [("2017-03-05", "2017-04", Level.CERTAIN), ("2017-04", "2017-04", Level.POSSIBLE), ("2017", "2017-11", Level.PROBABLE),
     ("2017-04", "2017-03", None), ("../2017-09", "2017-09", Level.PROBABLE), ("2017-03~", "2018", Level.PROBABLE)],
)  # fmt: skip
def test_killed_and_seen_alive_later(died: str, seen: str, level: Level | None) -> None:
    """Dead and later alive is certain if every reading is, probable if most are, and nothing the other way round."""
    claims = [
        says(1, "A-0001", "type of act", "killing", valid=died, person="P-0001"),
        says(2, "P-0001", "alive", valid=seen, person="P-0001"),
    ]
    found = list(contradictions.of_person(RULES, "P-0001", claims))
    assert [finding.level for finding in found] == ([level] if level else [])
    if found:
        assert (found[0].of, found[0].to) == ("C-0002", "C-0001")


def test_a_dead_person_who_speaks_later_is_found() -> None:
    """A statement of somebody who died before it was made contradicts the death; a statement about them does not."""
    death = says(1, "P-0001", "died", valid="2017-03", person="P-0001")
    own = says(2, "P-0001", "statement", "I am well", valid="2017-05", speaker="P-0001", person="P-0001")
    about = says(3, "P-0001", "statement", "he was kind", valid="2017-05", speaker="P-0002", person="P-0001")
    assert not list(contradictions.of_person(RULES, "P-0001", [death, about]))
    assert one(contradictions.of_person(RULES, "P-0001", [death, own, about]), "dead and seen alive later").of == "C-0002"


def test_the_order_of_claims_changes_nothing() -> None:
    """The same claims in another order give the same findings, and a pair is told once with all that are like it."""
    claims = [says(n, "P-0001", "died" if n % 2 else "alive", valid=f"20{10 + n}", person="P-0001") for n in range(1, 9)]
    found = list(contradictions.of_person(RULES, "P-0001", claims))
    assert found == list(contradictions.of_person(RULES, "P-0001", claims[::-1]))
    assert len(found) == 1 and len(found[0].pairs) == 4 + 3 + 2 + 1


@pytest.mark.parametrize(
    ("rule", "claims"),
    [
        ("affirmed and denied", [("occurred", "", True, "2017"), ("occurred", "", False, "2017-03")]),
        ("two persons shown", [("person shown is", "P-0002", True, ""), ("person shown is", "P-0003", True, "")]),
        ("two ends of one act", [("status at the end", "killed", True, ""), ("status at the end", "released", True, "")]),
        ("two whereabouts at once", [("whereabouts", "in hiding", True, DAY), ("whereabouts", "abroad", True, DAY)]),
        ("two dates of one step", [("filed", "2017-03", True, ""), ("filed", "2017-05", True, "")]),
        ("counts differ", [("number killed", "3", True, "2017"), ("number killed", ">=20", True, "2017")]),
        ("days held differ", [("days held", "11", True, ""), ("days held", "2", True, "")]),
        ("more than were detained", [("number who died in custody", ">=9", True, ""), ("number detained", "4", True, "")]),
        ("longer than the dates", [("days held", ">=30", True, ""), ("occurred", "", True, "2017-03-01/2017-03-10")]),
    ],
)  # fmt: skip
def test_each_rule_about_one_thing_finds_what_it_is_for(rule: str, claims: list[tuple[str, str, bool, str]]) -> None:
    """Each rule finds its pair, and finds nothing when both claims say the same."""
    made = [
        says(n, "X-0001", name, value, affirmed=affirmed, valid=valid)
        for n, (name, value, affirmed, valid) in enumerate(claims)
    ]
    assert one(contradictions.of_thing(RULES, "X-0001", made), rule).level >= Level.PROBABLE
    twice = [made[0], made[0]._replace(handle="C-0009")]
    assert not list(contradictions.of_thing(RULES, "X-0001", twice))


def test_what_differs_at_different_times_is_no_contradiction() -> None:
    """Counts of two years, whereabouts of two days, denials of another year do not contradict."""
    for name, first, second in (
        ("number killed", "3", "20"),
        ("whereabouts", "in hiding", "abroad"),
        ("fled to", "GEO", "DEU"),
    ):
        claims = [says(1, "X-0001", name, first, valid="2017"), says(2, "X-0001", name, second, valid="2018")]
        assert not list(contradictions.of_thing(RULES, "X-0001", claims))
    denied = [says(1, "E-0001", "occurred", valid="2017"), says(2, "E-0001", "occurred", valid="2019", affirmed=False)]
    assert not list(contradictions.of_thing(RULES, "E-0001", denied))


def test_parts_wholes_and_causes() -> None:
    """A part that counts more than the whole, lies outside its dates, or an effect before its cause is found; else nothing."""
    part = [says(1, "E-0002", "number killed", "9"), says(2, "E-0002", "occurred", valid="2017-02")]
    whole = [says(3, "E-0001", "number killed", "<=5"), says(4, "E-0001", "occurred", valid="2017-04/2017-08")]
    found = list(contradictions.of_relation(RULES, says(5, "E-0002", "part of", "E-0001"), part, whole))
    assert {finding.rule: finding.level for finding in found} == {
        "part exceeds total": Level.CERTAIN, "outside the whole": Level.CERTAIN,
    }  # fmt: skip
    after = list(contradictions.of_relation(RULES, says(5, "E-0002", "results from", "E-0001"), part, whole))
    assert [finding.rule for finding in after] == ["before its cause"]
    assert not list(contradictions.of_relation(RULES, says(5, "E-0001", "results from", "E-0002"), whole, part))
    within = [says(2, "E-0002", "occurred", valid="2017-05")]
    assert not list(contradictions.of_relation(RULES, says(5, "E-0002", "part of", "E-0001"), within, whole))
    assert not list(contradictions.of_relation(RULES, says(5, "E-0002", "part of", "E-0001", affirmed=False), part, whole))


def test_torture_at_a_place_outside_the_detention_there() -> None:
    """An act at a place of detention, dated after every detention of the person there, is found; one within is not."""

    def act(number: int, type: str, valid: str) -> list[Said]:
        subject = f"A-{number:04d}"
        return [says(10 * number, subject, "type of act", type, valid=valid, person="P-0001"),
                says(10 * number + 1, subject, "place of detention", "L-0001", person="P-0001")]  # fmt: skip

    held = act(1, "arrest", "2017-03-01/2017-03-12")
    assert not list(contradictions.of_person(RULES, "P-0001", held + act(2, "torture", "2017-03-05")))
    found = one(contradictions.of_person(RULES, "P-0001", held + act(2, "torture", "2017-05")), "outside the detention")
    assert found.level is Level.CERTAIN and (found.of, found.to) == ("C-0020", "C-0010")


def test_two_places_of_detention_on_one_day_unless_one_lies_in_the_other() -> None:
    """Held in two places on one day is found, but never certain; a cell and the town it is in are no contradiction."""
    claims = [says(n, f"A-000{n}", "place of detention", f"L-000{n}", valid="2017-03-05", person="P-0001") for n in (1, 2)]
    found = one(contradictions.of_person(RULES, "P-0001", claims), "two places of detention at once")
    assert found.level is Level.PROBABLE
    inside = contradictions.of_person(RULES, "P-0001", claims, lambda place, other: (place, other) == ("L-0001", "L-0002"))
    assert not list(inside)


def test_a_thing_with_a_million_claims_costs_no_more_than_its_first_ones() -> None:
    """Attack by flooding: thousands of counts of one thing end in one finding with bounded pairs."""
    claims = [says(n, "E-0001", "number killed", str(n)) for n in range(3000)]
    [found] = contradictions.of_thing(RULES, "E-0001", claims)
    assert len(found.pairs) <= 400 * 399 / 2


# -- undercutting -------------------------------------------------------------------------------------------------------


def test_what_was_said_under_pressure_or_by_the_accused_is_undercut() -> None:
    """Suspected coercion, an official denial and a denial by an accused party, one step up or down, each undercut the claim."""
    accusing = [says(1, "A-0001", "perpetrator", "G-0001")]
    sides = undercutting.sides(
        accusing, [says(2, "P-0005", "commands", "G-0001"), says(3, "G-0002", "subordinate to", "G-0003")]
    )
    assert sides == {"G-0001": "C-0001", "P-0005": "C-0001"}
    pressed = says(4, "P-0001", "status", "fine", voluntariness="suspected coerced")
    assert [one.rule for one in undercutting.of_claim(RULES, pressed, sides)] == ["spoken under pressure"]
    denial = says(5, "A-0001", "denial", "no", stance="denial", access="official", speaker="G-0009")
    assert [one.rule for one in undercutting.of_claim(RULES, denial, sides)] == ["denied by the accused"]
    commander = denial._replace(speaker="P-0005")
    [found] = undercutting.of_claim(RULES, commander, sides)
    assert found.rule == "speaker accused" and found.of == "C-0001" and found.to == "C-0005"
    assert not list(undercutting.of_claim(RULES, says(6, "P-0001", "alive", speaker="P-0005"), sides))


def test_a_statement_from_custody_is_undercut_by_another_claim_only() -> None:
    """Who says from jail that all is well is undercut by a claim that others make of the jail, not by their own words."""
    well = says(1, "P-0001", "statement", "fine", valid="2023", speaker="P-0001")
    own = says(2, "P-0001", "whereabouts", "in official custody", valid="2023", speaker="P-0001")
    others = says(3, "P-0001", "whereabouts", "in official custody", valid="2022/2023", speaker="G-0001")
    assert not list(undercutting.of_person(RULES, "P-0001", [well, own], []))
    found = [one for one in undercutting.of_person(RULES, "P-0001", [well, own, others], []) if one.to == "C-0001"]
    assert [(one.rule, one.of, one.level) for one in found] == [("spoken in custody", "C-0003", Level.CERTAIN)]
    free = says(3, "P-0001", "whereabouts", "in official custody", valid="2020", speaker="G-0001")
    assert not list(undercutting.of_person(RULES, "P-0001", [well, free], []))


def test_a_stand_in_undercuts_the_life_it_is_shown_for() -> None:
    """Officials show a man as the missing one; a newspaper says he is a sibling: that he was shown proves no life."""
    alive = says(1, "P-0001", "alive", valid="2017-09", speaker="G-0001")
    shown = says(2, "P-0009", "person shown is", "P-0001", valid="2017-09", speaker="G-0001")
    for doubt in (
        says(3, "P-0009", "sibling of", "P-0001", speaker="G-0002"),
        says(3, "P-0009", "person shown is", "P-0001", affirmed=False, speaker="G-0002"),
    ):
        [found] = undercutting.of_person(RULES, "P-0001", [alive], [shown, doubt])
        assert (found.rule, found.of, found.to, found.level) == ("a stand-in", "C-0003", "C-0001", Level.CERTAIN)
    elsewhere = says(4, "P-0001", "alive", valid="2017-09", speaker="P-0007")
    assert not list(undercutting.of_person(RULES, "P-0001", [elsewhere], [shown, doubt]))
    assert not list(undercutting.of_person(RULES, "P-0001", [alive], [shown]))


# -- corroboration ------------------------------------------------------------------------------------------------------


def test_ten_papers_that_copy_one_count_once() -> None:
    """Claims tied by source, by speaker or by a recorded origin, also through each other, are one origin."""
    claims = [
        says(1, "P-0001", "died", source="S-0001", speaker="P-0009"),
        says(2, "P-0001", "died", source="S-0002", speaker="P-0009"),
        says(3, "P-0001", "died", source="S-0002"), says(4, "P-0001", "died", source="S-0003"),
        says(5, "P-0001", "died", source="S-0004", speaker="witnesses"),
        says(6, "P-0001", "died", source="S-0005", speaker="witnesses"),
    ]  # fmt: skip
    found = origins(claims, [("C-0004", "C-0001")], {"S-0005": "S-0006"}, ["C-0005"])
    assert [one.claims for one in found] == [("C-0001", "C-0002", "C-0003", "C-0004"), ("C-0006",), ("C-0005",)]
    assert [one.weakened for one in found] == [False, False, True]
    assert {why for _one, _other, why in found[0].why} == {"source", "speaker", "recorded"}


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 5)), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_origins_part_the_claims_whatever_their_order(drawn: list[tuple[int, int]], chance: Any) -> None:
    """Every claim has one origin; claims of one source share it; the order in which they come changes nothing."""
    claims = [says(n, "P-0001", "died", source=f"S-{s}", speaker=f"P-{p:04d}" if p else "") for n, (s, p) in enumerate(drawn)]
    found = origins(claims)
    shuffled = claims[:]
    chance.shuffle(shuffled)
    assert found == origins(shuffled)
    placed = {handle: number for number, origin in enumerate(found) for handle in origin.claims}
    assert sorted(placed) == sorted(said.handle for said in claims)
    for first, second in product(claims, claims):
        if first.source == second.source or (first.speaker and first.speaker == second.speaker):
            assert placed[first.handle] == placed[second.handle]


# -- the rules themselves -----------------------------------------------------------------------------------------------


def test_the_rules_speak_the_vocabulary() -> None:
    """Every property and term in a rule exists, so that no rule is silent for a misspelling."""
    words = vocabulary.load()
    known = {found.id for found in words.properties()}
    for several in RULES.states.values():
        for state in several:
            assert state.property in known
            terms = next(found for found in words.properties() if found.id == state.property).value.removeprefix("term:")
            assert all(words.has_term(terms, term) for term in state.terms), state
    lists = ("properties", "kin", "relations", "accusing")
    for rule in (*RULES.contradictions, *RULES.undercuts):
        named = {name for which in lists for name in rule.list(which)}
        named |= {rule.more[which] for which in ("part", "whole", "property", "relation") if which in rule.more}
        assert named <= known, rule.id
        assert "prefix" not in rule.more or any(name.startswith(rule.more["prefix"]) for name in known)


@pytest.mark.parametrize("change", [{"kind": "guess"}, {"sentence": ""}, {"sometimes": True}, {"first": "asleep"}])
def test_a_misspelt_rule_is_refused(change: dict[str, Any]) -> None:
    """An unknown kind, setting or state, or a rule without a sentence, is refused by the rule's name."""
    rule = {"id": "mine", "kind": "order", "first": "dead", "later": "alive", "sentence": "x", **change}
    with pytest.raises(BadRule, match="mine"):
        rules.of({"states": {"dead": [], "alive": []}, "contradictions": [rule], "undercuts": []})
