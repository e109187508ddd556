"""Sequences of acts and suppression: exactly what brute force finds, in a certain order only, and no small count to be had."""

import itertools
import random
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amparo.analysis import patterns, suppress
from amparo.analysis.patterns import Cases, mine

Step = tuple[int, int, int]  # item, first, last


def _cases(made: list[list[Step]], before: list[tuple[int, int]] | None = None) -> Cases:
    rows = [(case, *step) for case, steps in enumerate(made) for step in steps]
    case, item, first, last = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    return Cases(case, item, first, last, np.arange(len(rows)), np.zeros(len(rows), np.int64), before or [])


def _supports(steps: list[Step], wanted: tuple[int, ...]) -> bool:
    """True if some choice of steps has these items, each certainly before the next."""
    return any(
        all(one[0] == item for one, item in zip(chosen, wanted, strict=True))
        and all(one[2] < other[1] for one, other in itertools.pairwise(chosen))
        for chosen in itertools.permutations(steps, len(wanted))
    )


@st.composite
def populations(draw: st.DrawFn) -> list[list[Step]]:
    def step() -> Step:
        first = draw(st.integers(0, 9))
        return draw(st.integers(0, 2)), first, first + draw(st.integers(0, 4))

    return [[step() for _ in range(draw(st.integers(1, 4)))] for _ in range(draw(st.integers(1, 6)))]


@settings(max_examples=60, deadline=None)
@given(populations())
def test_the_miner_finds_what_brute_force_finds(made: list[list[Step]]) -> None:
    """Every sequence of two or three steps has the support that trying all choices of steps gives it, and none is missing."""
    every = {}
    for length in (2, 3):
        for wanted in itertools.product(range(3), repeat=length):
            count = sum(_supports(steps, wanted) for steps in made)
            if count:
                every[wanted] = count
    found = {one.steps: one.support for one in mine(_cases(made), top=10_000, least=1, longest=3)}
    closed = {steps: count for steps, count in every.items()
              if not any(len(other) > len(steps) and suppress.within(steps, other) and every[other] == count
                         for other in every)}  # fmt: skip
    assert found == closed


@settings(max_examples=40, deadline=None)
@given(populations(), st.integers(1, 4))
def test_the_most_frequent_come_first_and_none_that_is_more_frequent_is_left_out(made: list[list[Step]], top: int) -> None:
    """A list cut to its first entries holds the greatest supports there are."""
    whole = [one.support for one in mine(_cases(made), top=10_000, least=1, longest=2)]
    assert [one.support for one in mine(_cases(made), top=top, least=1, longest=2)] == whole[:top]
    assert whole == sorted(whole, reverse=True)


def test_overlapping_dates_give_no_order() -> None:
    """Two acts of the same month are in no order, however often they are recorded; a day between them orders them."""
    same = _cases([[(0, 10, 40), (1, 10, 40)]] * 5)
    assert mine(same, least=1) == []
    [one] = mine(_cases([[(0, 10, 40), (1, 41, 60)]] * 5), least=1)
    assert (one.steps, one.support, one.all_steps) == ((0, 1), 5, 5)


def test_an_order_that_the_record_states_counts_and_a_contradictory_one_does_not() -> None:
    """“Preceded by” orders acts without dates, through others as well; where it runs in a circle nothing is ordered."""
    loose = [[(0, 0, 99), (1, 0, 99), (2, 0, 99)]]
    found = {one.steps for one in mine(_cases(loose, [(0, 1), (1, 2)]), least=1)}
    assert found == {(0, 1, 2)}
    assert mine(_cases(loose, [(0, 1), (1, 0)]), least=1) == []


def test_steps_of_one_act_are_in_the_order_of_their_rank() -> None:
    """Arrest, the place it led to, and how it ended are in order though they bear one date."""
    zeros = np.zeros(3, np.int64)
    [one] = mine(Cases(zeros, np.arange(3), zeros, zeros, zeros, np.arange(3)), least=1)
    assert one.steps == (0, 1, 2)


def test_attack_a_case_of_many_steps_is_refused_not_mined_wrongly() -> None:
    """More steps in a case than a word has bits are refused, since bits would fall on each other."""
    with pytest.raises(ValueError, match="too many"):
        _cases([[(0, day, day) for day in range(patterns.STEPS + 1)]])
    [longest, *_rest] = mine(_cases([[(0, day, day) for day in range(patterns.STEPS)]]), least=1)
    assert longest.steps == (0,) * 6


# -- suppression --------------------------------------------------------------------------------------------------------


def _published(population: tuple[int, ...], total: int) -> tuple[object, ...]:
    """What is shown of a population of three traits: how many have each, how many have each two. ``population``: 8 cells."""
    has = [sum(n for cell, n in enumerate(population) if cell >> trait & 1) for trait in range(3)]
    shown = suppress.shares(dict(enumerate(has)), total)
    pairs = {}
    for one, other in itertools.combinations(range(3), 2):
        both = sum(n for cell, n in enumerate(population) if cell >> one & 1 and cell >> other & 1)
        if suppress.pair(both, has[one], has[other], total):
            pairs[one, other] = both
    return tuple(sorted(shown.items())), tuple(sorted(pairs.items()))


def _compositions(total: int, parts: int) -> list[tuple[int, ...]]:
    if parts == 1:
        return [(total,)]
    return [(head, *rest) for head in range(total + 1) for rest in _compositions(total - head, parts - 1)]


@pytest.mark.parametrize("total", [7, 9])
def test_attack_no_small_cell_follows_from_what_is_shown(total: int) -> None:
    """Who knows the rules and every shown count of single traits and pairs finds the exact value of no cell of one or two."""
    behind: dict[tuple[object, ...], list[tuple[int, ...]]] = defaultdict(list)
    for population in _compositions(total, 8):
        behind[_published(population, total)].append(population)
    told: list[object] = []
    for shown, possible in behind.items():
        for one, other in itertools.combinations(range(3), 2):
            for kind in range(4):
                values = {_cell(population, one, other, kind) for population in possible}
                if len(values) == 1 and values <= {1, 2}:
                    told.append((shown, one, other, kind, values))
        for trait in range(3):
            values = {sum(n for cell, n in enumerate(population) if cell >> trait & 1) for population in possible}
            if len(values) == 1 and (values | {total - next(iter(values))}) & {1, 2}:
                told.append((shown, trait, values))
    assert told == []


def _cell(population: tuple[int, ...], one: int, other: int, kind: int) -> int:
    """How many have both, the one, the other or neither of two traits (``kind`` 3, 1, 2, 0)."""
    return sum(n for cell, n in enumerate(population) if (cell >> one & 1) + 2 * (cell >> other & 1) == kind)


@given(st.lists(st.tuples(st.lists(st.integers(0, 2), min_size=1, max_size=4).map(tuple), st.integers(0, 30)), max_size=12),
       st.integers(0, 40))  # fmt: skip
def test_attack_nested_patterns_never_differ_by_one_or_two(listed: list[tuple[tuple[int, ...], int]], total: int) -> None:
    """Of the patterns shown, none is small, none leaves a small rest of all, and no two nested ones differ by a small count."""
    kept = [listed[place] for place in suppress.nested(listed, total)]
    for (one, count), (other, known) in itertools.combinations(kept, 2):
        if suppress.within(one, other) or suppress.within(other, one):
            assert abs(count - known) not in (1, 2)
    assert all(count >= 3 and total - count not in (1, 2) for _steps, count in kept)


def test_suppression_shows_what_it_may() -> None:
    """A rule that hid everything would pass every attack: counts of three and more, with none or three left, are shown."""
    assert suppress.shares({"a": 3, "b": 2, "c": 6, "d": 5, "e": 0}, 6) == {"a": 3, "c": 6}
    assert suppress.pair(4, 8, 9, 20)
    assert suppress.nested([((0,), 9), ((0, 1), 6), ((0, 1, 2), 5)], 12) == [0, 1]


def test_a_large_record_is_mined_within_bounded_time_and_memory() -> None:
    """A hundred thousand steps of made-up cases: the miner returns the sequence that was planted first."""
    draw = random.Random(5)
    made = []
    for _case in range(20_000):
        start = draw.randrange(5000)
        steps = [(draw.randrange(3, 40), draw.randrange(5000), 10_000) for _ in range(2)]
        made.append([*steps, *((item, start + 3 * item, start + 3 * item + 1) for item in range(3))])
    [first, *_rest] = mine(_cases(made), top=5)
    assert (first.steps, first.support) == ((0, 1, 2), 20_000)
