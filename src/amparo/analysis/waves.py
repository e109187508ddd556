"""Waves: stretches of time with more events than the background, with a band for each bound; or "not determinable", and why.

Invariants: arrays and a seed in, figures out; the same seed gives the same figures. An event counts on the day it happened, not
on the day somebody reported it; what is dated by month or year only is spread, never put on a day of its own. What the events
cannot bear is said, not guessed: without enough exactly dated events, without weight of evidence against a steady rate, or
where no wave stands firm, the whole is "not determinable". A wave that is gone when one source is left out is not firm.

The model and its papers: ``analysis.waves_sampler``. Weight of evidence: the Bayes factor against one state (Kass & Raftery
1995, JASA 90(430), section 3.2), each marginal likelihood by importance sampling from a Student t at the posterior's place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from amparo.analysis import waves_sampler
from amparo.analysis.diagnostics import split_rhat
from amparo.analysis.waves_parts import BadEvents, Events, Prior, Settings, evidence, fit_window, prepare, same_day
from amparo.analysis.waves_parts import Prepared as _Prepared

__all__ = ["BadEvents", "Events", "Prior", "Refit", "Settings", "Wave", "Waves", "Why", "find"]

Progress = Callable[[int, int], None]
FEWEST: Final = 20
"""Events with a known day below which nothing is said."""
EVIDENCE: Final = 4.0
"""log10 of the Bayes factor from which more than one state is taken as shown; 2 is "decisive" (Kass & Raftery 1995), but such
evidence still leaves the bounds too wide to be of use. This and _NARROW were chosen on populations with the seeds 1 to 60."""
FIRM: Final = 0.7
"""Probability from which a wave is called one."""
SHOWN: Final = 0.5
LEVEL: Final = 0.9
REPORTED: Final = 0.5
"""Share of a day's events reported by now below which the day counts as the recent tail."""
_NARROW: Final = 23
"""Days that the band of a bound may be wide (or a third of the wave, if that is more) before the bound is called diffuse."""
_UNEVEN: Final = 0.01
"""p of Fisher's exact test below which a source tells of more of a wave's events than of the others."""
_APART: Final = 1.1
_BUNCHED: Final = 0.001
_SIZE: Final = 2.0
_MOST_REFITS: Final = 12
_LEAST_SHARE: Final = 0.05


class Why(StrEnum):
    """Why something is not determinable."""

    FEW = "few events"
    COARSE = "coarse dates"
    STEADY = "a steady rate explains it"
    NO_WAVE = "no wave is firm"
    CHAINS = "the chains disagree"
    IMPROBABLE = "improbable"
    DIFFUSE = "bounds too wide"
    SOURCE = "rests on one source"
    TAIL = "in the recent tail"


@dataclass(frozen=True, slots=True)
class Wave:
    """One stretch above the background; days as ordinals, bands at LEVEL.

    ``start``, ``end``: posterior medians of first and last day. ``probability``: that its surest day lies in a wave.
    ``rate``: events a day (low, median, high); ``times``: how many times the background (low, median, high). ``events``:
    events expected on its days. ``open_start``, ``open_end``: it may have begun before the first day looked at, or not be
    over. ``without``: probability of the same wave by source left out. ``source``: the one it rests on. ``why``: not firm.
    """

    start: int
    end: int
    start_band: tuple[int, int]
    end_band: tuple[int, int]
    probability: float
    rate: tuple[float, float, float]
    times: tuple[float, float, float]
    events: float
    open_start: bool
    open_end: bool
    without: dict[str, float] = field(default_factory=dict)
    source: str = ""
    why: tuple[Why, ...] = ()

    @property
    def stands(self) -> bool:
        """A wave, though its bounds may be wide."""
        return set(self.why) <= {Why.DIFFUSE}

    @property
    def firm(self) -> bool:
        """A wave with bounds that can be told."""
        return not self.why


@dataclass(frozen=True, slots=True)
class Refit:
    """What is found when one source is left out: its events, and the probability of each wave of the whole."""

    source: str
    events: int
    share: float
    probabilities: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Waves:
    """What ``find`` found; ``why`` is empty if it can be told. ``waves`` is empty where the events cannot bear any.

    ``first``, ``last``: the days looked at, as ordinals, T of them. ``counted``: events used, ``spread`` of them without a
    known day; ``left_out``: outside the days looked at or without bounds. ``probability``: (T,) that the day lies in a wave.
    ``rate``: (3, T) events a day: low, mean, high. ``exact``: (T,) events whose day is known; ``counts``: (T,) all of them, the
    spread ones by their expected place, or evenly where the events cannot bear any wave. ``reported``: (T,) share of
    the day's events reported by now. ``evidence``: log10 of the Bayes factor against a steady rate, nan where it could not be
    had. ``refits``: one for each large source. ``diagnostics``: R-hat, and p of the events that share a day.
    """

    first: int
    last: int
    counted: int
    spread: int
    left_out: int
    waves: tuple[Wave, ...]
    why: tuple[Why, ...]
    probability: NDArray[np.float64]
    rate: NDArray[np.float64]
    exact: NDArray[np.float64]
    counts: NDArray[np.float64]
    reported: NDArray[np.float64]
    evidence: float
    refits: tuple[Refit, ...]
    diagnostics: dict[str, float]
    settings: dict[str, float | int | str]

    @property
    def determinable(self) -> bool:
        return not self.why


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """All chains of one fit, burn-in left off: ``states`` (draws, T), ``layers`` (draws, k), the rest as ``chain`` returns."""

    states: NDArray[np.uint8]
    layers: NDArray[np.float64]
    moves: NDArray[np.float64]
    sizes: NDArray[np.float64]
    reported: NDArray[np.float64]
    counts: NDArray[np.float64]
    apart: float


def find(
    events: Events, *, first: int | None = None, last: int | None = None, as_of: int | None = None,
    prior: Prior | None = None, settings: Settings | None = None, seed: int = 1, progress: Progress | None = None,
) -> Waves:  # fmt: skip
    """Look for waves from day ``first`` to ``last`` (ordinals; left out: all that the events span), as known on ``as_of``.

    ``as_of``: the last day on which a report could have come in; without it, or without dates of reports, no delay is modelled.
    ``progress(done, of)`` is called between fits; what it raises stops the work. Raises BadEvents.
    """
    prior, settings = prior or Prior(), settings or Settings()
    prepared = prepare(events, fit_window(events, first, last, as_of))
    names = _large(prepared)
    told = progress or _untold
    steps = 2 + len(names)
    told(0, steps)
    bunched = same_day(prepared)
    clumped = settings.counts == "negative binomial" or (settings.counts == "auto" and bunched < _BUNCHED)
    fit = _fit(prepared, prior, settings, seed, clumped=clumped)
    told(1, steps)
    weight = _evidence(prepared, prior, settings, fit, seed)
    told(2, steps)
    doubts = _doubts(prepared, fit, weight)
    found = [] if doubts else _waves(prepared, fit)
    refits: list[Refit] = []
    for number, name in enumerate(names if found else [], start=1):
        refits.append(_without(prepared, prior, settings, name, found, seed, clumped=clumped))
        told(2 + number, steps)
    judged = tuple(_judge(wave, index, refits, prepared, fit) for index, wave in enumerate(found))
    shown = {**prior.as_settings(), **settings.as_settings(), "seed": seed, "model": _model(clumped=clumped)}
    return Waves(
        prepared.window.first, prepared.window.last, prepared.number, len(prepared.spans), prepared.left_out, judged,
        doubts or _why(judged), (fit.states > 0).mean(axis=0), _band(fit), prepared.exact,
        prepared.evenly() if doubts else fit.counts, fit.reported, weight, tuple(refits),
        {"rhat": fit.apart, "same_day_p": bunched}, shown,
    )  # fmt: skip


def _untold(_done: int, _of: int) -> None:
    """Nobody watches."""


def _model(*, clumped: bool) -> str:
    return "negative binomial" if clumped else "Poisson"


# -- fitting ------------------------------------------------------------------------------------------------------------


def _fit(prepared: _Prepared, prior: Prior, settings: Settings, seed: int, *, clumped: bool) -> _Fit:
    k = settings.states
    first = _SIZE if clumped else 0.0
    shape, inverse = prior.layers(prepared, k)
    rows = [
        waves_sampler.chain(
            prepared.exact, prepared.spans, prepared.delays.seen, prepared.delays.exposed, prepared.delays.lags,
            prior.start(k), shape, inverse, prior.moves(k), shape / inverse * np.linspace(0.3, 1.3, k) * (1 + at % 3), first,
            settings.burn, settings.draws, settings.thin, int(one),
        )
        for at, one in enumerate(np.random.SeedSequence(seed).generate_state(settings.chains))
    ]  # fmt: skip
    figures = np.stack([row[1] for row in rows])
    apart = max(split_rhat(np.log(figures[:, :, j])) for j in range(k))
    days = np.stack([(row[0] > 0).sum(axis=1).astype(float) for row in rows])
    flat = figures.reshape(-1, figures.shape[2])
    return _Fit(
        np.concatenate([row[0] for row in rows]), flat[:, :k], flat[:, k : k + k * k].reshape(-1, k, k), flat[:, -1],
        np.mean([row[2] for row in rows], axis=0), np.mean([row[3] for row in rows], axis=0),
        max(apart, split_rhat(days)),
    )  # fmt: skip


def _evidence(prepared: _Prepared, prior: Prior, settings: Settings, fit: _Fit, seed: int) -> float:
    """log10 of the Bayes factor of the states against one state, both over the events whose day is known; nan without any.

    That a day is known is taken to be independent of waves: those events are then the same process, thinned.
    """
    if prepared.exact.sum() < FEWEST:
        return float("nan")
    clumped = bool(fit.sizes[0] > 0)
    one = _fit(prepared, prior, replace(settings, states=1, chains=1), seed, clumped=clumped)
    parts = [
        evidence(prepared, prior, each.reported, each.layers, each.moves, each.sizes, seed) for each in (fit, one)
    ]  # fmt: skip
    return (parts[0] - parts[1]) / float(np.log(10.0))


# -- what is found ------------------------------------------------------------------------------------------------------


def _runs(above: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], above, [False])).astype(np.int8)))
    return [(int(low), int(high) - 1) for low, high in edges.reshape(-1, 2)]


def _bounds(inside: NDArray[np.bool_], core: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For the draws in which ``core`` lies in a wave: first and last day of the run that holds it."""
    held = inside[inside[:, core]]
    before = held[:, core::-1]
    after = held[:, core:]
    start = core - np.where(before.all(axis=1), before.shape[1], before.argmin(axis=1)) + 1
    end = core + np.where(after.all(axis=1), after.shape[1], after.argmin(axis=1)) - 1
    return start, end


def _waves(prepared: _Prepared, fit: _Fit) -> list[Wave]:
    inside = fit.states > 0
    probability = inside.mean(axis=0)
    rates = np.cumsum(fit.layers, axis=1)
    found: list[Wave] = []
    for low, high in _runs(probability > SHOWN):
        surest = np.flatnonzero(probability[low : high + 1] == probability[low : high + 1].max())
        core = low + int(surest[len(surest) // 2])
        start, end = _bounds(inside, core)
        held = inside[:, core]
        here = np.take_along_axis(rates[held], fit.states[held][:, [core]].astype(np.int64), axis=1)[:, 0]
        found.append(_wave(prepared, fit, start, end, float(probability[core]), here, rates[held, 0]))
    return _apart(found)


def _apart(waves: Sequence[Wave]) -> list[Wave]:
    """Of waves that share days the surest: a dip of the probability does not make two of one."""
    kept: list[Wave] = []
    for wave in sorted(waves, key=lambda one: -one.probability):
        if all(wave.end < other.start or wave.start > other.end for other in kept):
            kept.append(wave)
    return sorted(kept, key=lambda one: one.start)


def _wave(
    prepared: _Prepared, fit: _Fit, start: NDArray[np.int64], end: NDArray[np.int64], probability: float,
    rate: NDArray[np.float64], background: NDArray[np.float64],
) -> Wave:  # fmt: skip
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    first, days = prepared.window.first, len(prepared.exact)
    low, high = int(np.median(start)), int(np.median(end))
    bands = [tuple(int(day) + first for day in np.quantile(one, tails, method="nearest")) for one in (start, end)]
    around = [tails[0], 0.5, tails[1]]
    rated, times = (tuple(float(one) for one in np.quantile(what, around)) for what in (rate, rate / background))
    return Wave(
        low + first, high + first, (bands[0][0], bands[0][1]), (bands[1][0], bands[1][1]), probability,
        (rated[0], rated[1], rated[2]), (times[0], times[1], times[2]), float(fit.counts[low : high + 1].sum()),
        bool((start == 0).mean() > (1 - LEVEL) / 2), bool((end == days - 1).mean() > (1 - LEVEL) / 2),
    )  # fmt: skip


def _band(fit: _Fit) -> NDArray[np.float64]:
    """(3, T): low, mean and high of each day's rate."""
    rates = np.cumsum(fit.layers, axis=1)
    daily = np.take_along_axis(rates, fit.states.astype(np.int64), axis=1)
    low, high = np.quantile(daily, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return np.stack([low, daily.mean(axis=0), high])


# -- judging ------------------------------------------------------------------------------------------------------------


def _large(prepared: _Prepared) -> list[str]:
    """The sources with a share of the events that could make a wave, the largest first."""
    number = np.bincount(prepared.source[prepared.source >= 0], minlength=len(prepared.sources))
    least = _LEAST_SHARE * prepared.number
    return [prepared.sources[one] for one in np.argsort(-number, kind="stable")[:_MOST_REFITS] if number[one] >= max(3, least)]


def _without(
    prepared: _Prepared, prior: Prior, settings: Settings, name: str, waves: Sequence[Wave], seed: int, *, clumped: bool
) -> Refit:
    """Fit again without one source; the waves of the whole are looked for on the days of each."""
    rest = prepared.without(name)
    number = prepared.number - rest.number
    share = number / prepared.number
    if rest.number < 3:
        return Refit(name, number, share, (0.0,) * len(waves))
    inside = _fit(rest, prior, replace(settings, chains=max(1, settings.chains // 2)), seed, clumped=clumped).states > 0
    first = prepared.window.first
    kept = tuple(float(inside[:, wave.start - first : wave.end - first + 1].mean(axis=0).max()) for wave in waves)
    return Refit(name, number, share, kept)


def _judge(wave: Wave, index: int, refits: Sequence[Refit], prepared: _Prepared, fit: _Fit) -> Wave:
    without = {refit.source: refit.probabilities[index] for refit in refits}
    gone = [name for name, kept in sorted(without.items(), key=lambda one: one[1]) if kept < FIRM]
    rests = next((name for name in gone if _uneven(wave, name, prepared)), "")
    why: list[Why] = []
    if wave.probability < FIRM:
        why.append(Why.IMPROBABLE)
    if max(_widths(wave)) > _allowed(wave):
        why.append(Why.DIFFUSE)
    if rests:
        why.append(Why.SOURCE)
    if fit.reported[(wave.start + wave.end) // 2 - prepared.window.first] < REPORTED:
        why.append(Why.TAIL)
    return replace(wave, without=without, source=rests, why=tuple(why))


def _uneven(wave: Wave, name: str, prepared: _Prepared) -> bool:
    """True if a source tells of more of a wave's events than of the others, or of more than half of the wave's.

    Of the events whose day is known; Fisher's exact test, one-sided.
    """
    days = prepared.days + prepared.window.first
    inside, told = (days >= wave.start) & (days <= wave.end), prepared.day_source == prepared.sources.index(name)
    both = int((inside & told).sum())
    beyond = hypergeom.sf(both - 1, len(days), int(told.sum()), int(inside.sum()))
    return bool(beyond < _UNEVEN or 2 * both > inside.sum())


def _widths(wave: Wave) -> tuple[int, int]:
    return wave.start_band[1] - wave.start_band[0], wave.end_band[1] - wave.end_band[0]


def _allowed(wave: Wave) -> float:
    return max(_NARROW, (wave.end - wave.start + 1) / 3)


def _doubts(prepared: _Prepared, fit: _Fit, weight: float) -> tuple[Why, ...]:
    """Why the events cannot bear any wave at all."""
    why: list[Why] = []
    if prepared.number < FEWEST:
        why.append(Why.FEW)
    elif prepared.exact.sum() < FEWEST:
        why.append(Why.COARSE)
    if weight < EVIDENCE:
        why.append(Why.STEADY)
    if fit.apart > _APART:
        why.append(Why.CHAINS)
    return tuple(why)


def _why(waves: Sequence[Wave]) -> tuple[Why, ...]:
    """Why none of the waves makes a picture that can be told."""
    standing = [wave for wave in waves if wave.stands]
    if not standing:
        return (Why.NO_WAVE,)
    wide = np.median([width / _allowed(wave) for wave in standing for width in _widths(wave)]) > 1
    return (Why.DIFFUSE,) if wide else ()
