"""Waves in daily counts: the sampler against sums over all paths, and what the search must and must not say."""

import itertools
import math
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amparo.analysis import waves, waves_made_up, waves_sampler
from amparo.analysis.waves import BadEvents, Events, Prior, Settings, Why
from amparo.analysis.waves_parts import Delays, evidence, fit_window, prepare

QUICK = Settings(chains=2, burn=100, draws=150, thin=1)
FIRST, LAST = waves_made_up.FIRST, waves_made_up.FIRST + waves_made_up.DAYS - 1


def steady(rate: float, seed: int) -> list[int]:
    """Days of events at a rate that never changes."""
    return np.repeat(np.arange(FIRST, LAST + 1), np.random.default_rng(seed).poisson(rate, LAST + 1 - FIRST)).tolist()


def path_weights(
    counts: Sequence[float], rates: list[float], moves: np.ndarray, start: np.ndarray, size: float
) -> dict[tuple[int, ...], float]:  # fmt: skip
    """Log probability of every path of states together with the counts, by brute force."""
    found = {}
    for path in itertools.product(range(len(rates)), repeat=len(counts)):
        log = math.log(start[path[0]]) + sum(math.log(moves[a, b]) for a, b in itertools.pairwise(path))
        for y, s in zip(counts, path, strict=True):
            mean = rates[s]
            if size:
                log += math.lgamma(y + size) - math.lgamma(size) + size * math.log(size / (size + mean))
                log += y * math.log(mean / (size + mean))
            else:
                log += y * math.log(mean) - mean
        found[path] = log
    return found


# -- the sampler --------------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=6), st.lists(st.floats(0.05, 3), min_size=2, max_size=3),
    st.sampled_from([0.0, 0.7, 4.0]), st.integers(0, 99),
)  # fmt: skip
def test_the_filter_sums_over_all_paths(counts: list[int], layers: list[float], size: float, seed: int) -> None:
    """The likelihood of the counts equals the sum over every path of states, Poisson and negative binomial, two and three."""
    k = len(layers)
    moves = np.random.default_rng(seed).dirichlet(np.ones(k), k)
    start = np.full(k, 1 / k)
    y = np.array(counts, dtype=float)
    got = waves_sampler.likelihoods(y, np.ones(len(y)), np.array([layers]), moves[None], np.array([size]), start)[0]
    want = np.logaddexp.reduce(list(path_weights(counts, np.cumsum(layers).tolist(), moves, start, size).values()))
    assert got == pytest.approx(want, rel=1e-9, abs=1e-9)


def fixed_chain(counts: list[float], spans: list[list[int]], rates: list[float], moves: np.ndarray) -> Any:
    """A long chain whose rates and transitions are held fast by their prior."""
    firm = 1e9
    layers = np.diff([0.0, *rates])
    return waves_sampler.chain(
        np.array(counts, dtype=float), np.array(spans, dtype=np.int64).reshape(-1, 2), np.zeros(1), np.zeros(1),
        np.zeros(len(counts), dtype=np.int64), np.array([0.6, 0.4]), layers * firm, np.full(2, firm), moves * firm,
        layers.copy(), 0.0, 100, 20_000, 1, 7,
    )  # fmt: skip


def test_states_are_drawn_from_their_posterior() -> None:
    """With rates held fast, each day's share of draws in a wave is the probability summed over all paths."""
    counts, rates, moves = [0.0, 1.0, 3.0, 2.0, 0.0, 0.0], [0.4, 2.0], np.array([[0.8, 0.2], [0.3, 0.7]])
    states = fixed_chain(counts, [], rates, moves)[0]
    weights = path_weights(counts, rates, moves, np.array([0.6, 0.4]), 0.0)
    total = np.logaddexp.reduce(list(weights.values()))
    want = sum(math.exp(log - total) * np.array(path) for path, log in weights.items())
    assert np.abs(states.mean(axis=0) - want).max() < 0.02


def test_an_event_without_a_day_is_spread_by_the_posterior() -> None:
    """An event known by its span only lies on each day as often as the sum over all days and paths says."""
    exact, rates, moves = [0.0, 0.0, 3.0, 0.0], [0.3, 2.5], np.array([[0.8, 0.2], [0.3, 0.7]])
    counts = fixed_chain(exact, [[0, 2]], rates, moves)[3]
    log = {}
    for day in range(3):
        y = list(exact)
        y[day] += 1
        every = path_weights(y, rates, moves, np.array([0.6, 0.4]), 0.0).values()
        log[day] = np.logaddexp.reduce(list(every)) - sum(math.lgamma(one + 1) for one in y) + math.log(y[day])
    total = np.logaddexp.reduce(list(log.values()))
    want = np.array([math.exp(log[day] - total) for day in range(3)])
    assert np.abs(counts[:3] - exact[:3] - want).max() < 0.02


def test_the_evidence_for_a_steady_rate_is_exact() -> None:
    """The importance sampler finds the closed form of the Gamma-Poisson marginal likelihood."""
    prepared = prepare(Events.of(steady(0.1, 3)), fit_window(Events.of([FIRST, LAST]), None, None, None))
    prior, days, number = Prior(), waves_made_up.DAYS, prepared.number
    generator = np.random.default_rng(1)
    layers = generator.gamma(number + 1, 1 / (days + days / number), (400, 1))
    got = evidence(prepared, prior, np.ones(days), layers, np.ones((400, 1, 1)), np.zeros(400), 1)
    inverse = days / number
    want = math.log(inverse) + math.lgamma(1 + number) - (1 + number) * math.log(inverse + days)
    assert got == pytest.approx(want, abs=0.05)


# -- the search ---------------------------------------------------------------------------------------------------------


def test_strong_waves_are_found_within_days() -> None:
    """Three waves of 335 events come out as three, each bound within its band's neighbourhood and four days of the truth."""
    made = waves_made_up.three_waves(3, expected=waves_made_up.STRONG)
    found = waves.find(made.events, settings=QUICK)
    standing = [wave for wave in found.waves if wave.stands]
    assert found.determinable
    assert len(standing) == len(made.waves)
    for (low, high), wave in zip(made.waves, standing, strict=True):
        assert max(abs(wave.start - low), abs(wave.end - high)) <= 4
        assert wave.start_band[0] <= wave.start <= wave.start_band[1] <= wave.end_band[0] <= wave.end <= wave.end_band[1]


def test_the_same_seed_gives_the_same_figures() -> None:
    """Two searches with one seed agree to the last bit, with another seed they do not."""
    events = waves_made_up.three_waves(2).events
    once, again, other = (waves.find(events, settings=QUICK, seed=seed) for seed in (5, 5, 6))
    assert np.array_equal(once.probability, again.probability)
    assert once.waves == again.waves
    assert not np.array_equal(once.probability, other.probability)


def test_a_steady_rate_is_not_read_as_waves() -> None:
    """129 events at one rate give no wave and the reason that a steady rate explains them."""
    found = waves.find(Events.of(steady(0.118, 4)), first=FIRST, last=LAST, settings=QUICK)
    assert (found.waves, Why.STEADY in found.why) == ((), True)


@pytest.mark.parametrize("number", [1, 19])
def test_few_events_say_nothing(number: int) -> None:
    """Below twenty events nothing is determinable, however close together they lie."""
    found = waves.find(Events.of([FIRST + 500 + day % 7 for day in range(number)]), first=FIRST, last=LAST, settings=QUICK)
    assert (found.waves, found.why[0]) == ((), Why.FEW)


def test_month_only_dates_are_no_days() -> None:
    """Eighty events that are dated by month only are refused as too coarse, and none of them is lost or put on one day."""
    first = [date(2017, month, 1).toordinal() for month in (3, 4) for _ in range(40)]
    last = [date(2017, month, end).toordinal() for month, end in ((3, 31), (4, 30)) for _ in range(40)]
    found = waves.find(Events.of(first, last), first=FIRST, last=LAST, settings=QUICK)
    assert found.why[0] is Why.COARSE
    assert found.counts.sum() == pytest.approx(80)
    assert found.counts.max() < 10


def test_a_new_collector_is_not_a_wave() -> None:
    """What one source alone brings for two hundred days does not stand, and the source is named."""
    old, new = steady(0.05, 8), [FIRST + 400 + day // 2 for day in range(160)]
    names = [f"S-{1 + at % 3}" for at in range(len(old))] + ["S-9"] * len(new)
    found = waves.find(Events.of(old + new, source=names), settings=QUICK)
    assert found.why == (Why.NO_WAVE,)
    assert {wave.source for wave in found.waves if wave.probability > 0.9} == {"S-9"}


def test_a_wave_that_several_sources_tell_of_survives_each() -> None:
    """A wave told by four sources keeps its probability when any one is left out."""
    found = waves.find(waves_made_up.three_waves(3, expected=waves_made_up.STRONG).events, settings=QUICK)
    assert len(found.refits) == 4
    assert min(kept for refit in found.refits for kept in refit.probabilities) > 0.9


def test_late_reports_make_a_tail_and_not_an_end() -> None:
    """Reports sixty days late on average: the share reported by now follows the delays, and the last days are the tail."""
    made = waves_made_up.three_waves(6, expected=900, times=1.0, delay=60.0, after=0)
    found = waves.find(made.events, first=FIRST, last=LAST, as_of=made.as_of, settings=QUICK)
    room = LAST - np.arange(FIRST, LAST + 1)
    assert np.abs(found.reported - (1 - np.exp(-(room + 1) / 60))).max() < 0.15
    assert found.reported[-10] < waves.REPORTED < found.reported[-100]


def test_delays_are_not_learnt_from_what_could_not_be_seen() -> None:
    """An event is at risk of a delay only if so late a report could have come in (right truncation)."""
    events = Events.of([FIRST] * 10 + [FIRST + 98] * 10, reported=[FIRST + 90] * 10 + [FIRST + 99] * 10)
    delays: Delays = prepare(events, fit_window(events, FIRST, FIRST + 99, FIRST + 100)).delays
    late = int(np.flatnonzero(delays.seen)[-1])
    assert (delays.seen[late], delays.exposed[late]) == (10, 10)


def test_many_events_on_a_day_are_clumps_and_no_waves() -> None:
    """Round-ups of six on single scattered days make the counts negative binomial and no wave stands."""
    generator = np.random.default_rng(2)
    days = np.repeat(generator.choice(np.arange(FIRST, LAST), 40, replace=False), 6).tolist()
    found = waves.find(Events.of(days), first=FIRST, last=LAST, settings=QUICK)
    assert found.settings["model"] == "negative binomial"
    assert not [wave for wave in found.waves if wave.stands]


def test_three_states_hold_waves_of_two_heights() -> None:
    """With three states a low and a high wave both stand, at different rates."""
    generator = np.random.default_rng(1)
    daily = np.full(waves_made_up.DAYS, 0.03)
    daily[200:260], daily[700:740] = 0.8, 5.0
    days = np.repeat(np.arange(FIRST, LAST + 1), generator.poisson(daily)).tolist()
    found = waves.find(Events.of(days), settings=Settings(states=3, chains=2, burn=200, draws=150, thin=1))
    low, high = [wave for wave in found.waves if wave.stands]
    assert low.rate[2] < high.rate[0]


@pytest.mark.parametrize(
    ("first", "last", "window"),
    [([5], [4], (None, None)), ([1], [20_000], (None, None)), ([1, 30_000], [1, 30_000], (None, None)), ([1], [1], (9, 3))],
)
def test_events_that_cannot_be_used_are_refused(first: list[int], last: list[int], window: Any) -> None:
    """An event that ends before it begins, no usable date, a century of days and a window turned round are each refused."""
    with pytest.raises(BadEvents):
        waves.find(Events.of(first, last), first=window[0], last=window[1], settings=QUICK)


def test_the_work_can_be_stopped() -> None:
    """What the watcher raises between two fits ends the search."""

    def stop(done: int, _of: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        waves.find(waves_made_up.three_waves(1).events, settings=QUICK, progress=stop)
