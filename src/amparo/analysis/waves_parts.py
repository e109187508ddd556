"""What the search for waves starts from: events, the days looked at, the delay of reports, the prior, and the evidence.

Invariants: no event is put on a day that is not known; every event that is not used is counted as left out; a table of delays
holds only what could have been seen by the day of reckoning.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import lgamma as _lgamma
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from amparo.analysis import waves_sampler
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FEWEST_DAYS: Final = 28
MOST_DAYS: Final = 12_000
MOST_EVENTS: Final = 2_000_000
_NEAR: Final = 3
"""Days of a date that is taken as exact (its middle day)."""
WIDEST: Final = 731
"""Days of the widest date that is spread; a wider one says too little."""
_EDGES: Final = (*range(15), *range(21, 91, 7), *range(120, 731, 30), *range(1095, 36_500, 365))
"""Upper edges of the bins of delays, in days."""
_TRIED: Final = 1_500
_FREEDOM: Final = 5.0


class BadEvents(BadInput):
    template = N_("The waves cannot be looked for: {what}. Choose other days with --from and --to.")


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """n events; days as ordinals (``date.toordinal``).

    ``first``, ``last``: (n,) int64, the days between which each happened. ``reported``: (n,) int64, when it became known, -1
    unknown. ``source``: (n,) int64, index into ``sources``, -1 none.
    """

    first: Ints
    last: Ints
    reported: Ints
    source: Ints
    sources: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, first: Sequence[int], last: Sequence[int] | None = None, reported: Sequence[int] | None = None,
        source: Sequence[str] | None = None,
    ) -> "Events":  # fmt: skip
        """Events from plain lists; names of sources, "" for none. Raises BadEvents."""
        number = len(first)
        names = tuple(sorted({name for name in source or () if name}))
        index = {name: at for at, name in enumerate(names)} | {"": -1}
        nothing = [-1] * number
        columns = [first, first if last is None else last, nothing if reported is None else reported,
                   nothing if source is None else [index[name] for name in source]]  # fmt: skip
        if number > MOST_EVENTS or any(len(column) != number for column in columns):
            raise BadEvents(what=f"{number} events, where at most {MOST_EVENTS} can be used, each with all its dates")
        low, high, told, by = (np.asarray(column, dtype=np.int64).reshape(-1) for column in columns)
        if (low > high).any():
            raise BadEvents(what="an event ends before it begins")
        return cls(low, high, told, by, names)


@dataclass(frozen=True, slots=True)
class Window:
    """The days looked at, and the last day on which a report could have come in (-1: no delay is modelled)."""

    first: int
    last: int
    as_of: int


@dataclass(frozen=True, slots=True)
class Prior:
    """What is held likely before a count is seen; weak on purpose.

    ``wave_days``: days a wave lasts, and ``waves_a_year``: how many begin, on average; ``weight``: how firmly, in waves seen
    before. ``times``: how many times the background a wave's rate is, on average.
    """

    wave_days: float = 45.0
    waves_a_year: float = 1.0
    weight: float = 2.0
    times: float = 6.0

    def as_settings(self) -> dict[str, float | int | str]:
        return asdict(self)

    def start(self, k: int) -> Floats:
        """(k,) probabilities of the first day's state."""
        if k == 1:
            return np.ones(1)
        share = min(0.5, self.waves_a_year * self.wave_days / 365.0)
        return np.concatenate(([1 - share], np.full(k - 1, share / (k - 1))))

    def moves(self, k: int) -> Floats:
        """(k, k) Dirichlet rows, the weight on the diagonal (sticky)."""
        if k == 1:
            return np.ones((1, 1))
        rows = np.full((k, k), self.weight / (k - 1))
        stay = np.full(k, self.weight * (self.wave_days - 1))
        stay[0] = self.weight * (365.0 / self.waves_a_year - 1)
        np.fill_diagonal(rows, stay)
        return rows

    def layers(self, prepared: "Prepared", k: int) -> tuple[Floats, Floats]:
        """Gamma prior (shape, inverse scale) of the k layers, on the scale of the mean rate: weak for the background, shape 2
        for each step above it, so that a step is not nothing.
        """
        mean = max(prepared.number, 1) / len(prepared.exact)
        step = (self.times - 1) * mean / max(1, k - 1)
        shape = np.array([1.0] + [2.0] * (k - 1))
        return shape, shape / np.array([mean] + [step] * (k - 1))


@dataclass(frozen=True, slots=True)
class Settings:
    """How much is computed: ``states`` (2: background and wave; more: waves of several heights), chains, sweeps, and which
    counts: "auto" takes negative binomial where more events than chance share a day, and Poisson elsewhere.
    """

    states: int = 2
    chains: int = 4
    burn: int = 500
    draws: int = 500
    thin: int = 2
    counts: Literal["auto", "Poisson", "negative binomial"] = "auto"

    def as_settings(self) -> dict[str, float | int | str]:
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class Delays:
    """Reporting delays by bin (waves_sampler._report): seen (bins,), exposed (bins,), lags (T,)."""

    seen: Floats
    exposed: Floats
    lags: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Events as the sampler takes them: ``exact`` (T,) counts, ``spans`` (m, 2) indexes of days; the sources of either."""

    window: Window
    exact: Floats
    spans: Ints
    days: Ints
    day_source: Ints
    span_source: Ints
    delays: Delays
    sources: tuple[str, ...]
    left_out: int

    @property
    def number(self) -> int:
        return len(self.days) + len(self.spans)

    @property
    def source(self) -> Ints:
        """(number,) index of each event's source, those of a known day first."""
        return np.concatenate((self.day_source, self.span_source))

    def evenly(self) -> Floats:
        """(T,) events, each of those without a known day in equal parts on all days of its span."""
        counts = self.exact.copy()
        for low, high in self.spans:
            counts[low : high + 1] += 1 / (high + 1 - low)
        return counts

    def without(self, name: str) -> "Prepared":
        """The same days without the events of a source; the delays stay as they are."""
        at = self.sources.index(name)
        days, spans = self.day_source != at, self.span_source != at
        return Prepared(
            self.window, _counts(self.days[days], len(self.exact)), self.spans[spans], self.days[days], self.day_source[days],
            self.span_source[spans], self.delays, self.sources, self.left_out,
        )  # fmt: skip


def fit_window(events: Events, first: int | None, last: int | None, as_of: int | None) -> Window:
    """The days looked at: as asked, or FEWEST_DAYS and more that hold the events not wider than WIDEST. Raises BadEvents."""
    usable = events.last - events.first < WIDEST
    if not usable.any() and (first is None or last is None):
        raise BadEvents(what="no event bears a date that can be used")
    low = int(events.first[usable].min()) if first is None else first
    high = int(events.last[usable].max()) if last is None else last
    if as_of is not None:
        high = min(high, as_of)
    if first is None and 0 < high - low + 1 < FEWEST_DAYS:
        low = high + 1 - FEWEST_DAYS
    if not FEWEST_DAYS <= high - low + 1 <= MOST_DAYS:
        raise BadEvents(what=f"{max(0, high - low + 1)} days, where {FEWEST_DAYS} to {MOST_DAYS} can be looked at")
    return Window(low, high, -1 if as_of is None else as_of)


def prepare(events: Events, window: Window) -> Prepared:
    """Sort the events into those whose day is known, those to be spread, and those left out."""
    wide = events.last - events.first + 1
    inside = (events.first >= window.first) & (events.last <= window.last) & (wide <= WIDEST)
    near, far = inside & (wide <= _NEAR), inside & (wide > _NEAR)
    days = (events.first[near] + events.last[near]) // 2 - window.first
    spans = np.stack([events.first[far], events.last[far]], axis=1) - window.first
    length = window.last - window.first + 1
    return Prepared(
        window, _counts(days, length), spans, days, events.source[near], events.source[far],
        _delays(days + window.first, events.reported[near], window, length), events.sources, int((~inside).sum()),
    )  # fmt: skip


def _counts(days: Ints, length: int) -> Floats:
    return np.bincount(days, minlength=length).astype(np.float64)


def same_day(prepared: Prepared) -> float:
    """How likely chance makes as many pairs of events on one day, were the events of each week spread evenly over its days.

    Waves move the number of a week, clumps (one round-up, recorded as many acts) the pairs within it; the number of pairs is
    taken as Poisson.
    """
    weeks = prepared.exact[: len(prepared.exact) // 7 * 7].reshape(-1, 7)
    of_week = weeks.sum(axis=1)
    expected = float((of_week * (of_week - 1)).sum()) / 14
    pairs = float((weeks * (weeks - 1)).sum()) / 2
    return float(poisson.sf(pairs - 1, expected)) if expected > 0 else 1.0


def _delays(days: Ints, reported: Ints, window: Window, length: int) -> Delays:
    """The table of delays (Lawless 1994, section 2: counts by delay, and those at risk of it, under right truncation)."""
    known = (reported >= days) & (reported <= window.as_of)
    if window.as_of < 0 or known.sum() < 10:
        return Delays(np.zeros(1), np.zeros(1), np.zeros(length, dtype=np.int64))
    edges = np.array(_EDGES)
    delay = np.searchsorted(edges, reported[known] - days[known])
    could = np.searchsorted(edges, window.as_of - days[known], side="right") - 1
    bins = int(delay.max()) + 1
    seen, exposed = np.zeros(bins), np.zeros(bins)
    for x in range(bins):
        at_risk = could >= x
        seen[x] = np.sum(at_risk & (delay == x))
        exposed[x] = np.sum(at_risk & (delay <= x))
    room = window.as_of - (window.first + np.arange(length))
    lags = np.minimum(np.searchsorted(edges, room, side="right") - 1, bins - 1)
    return Delays(seen, exposed, lags.astype(np.int64))


# -- evidence -----------------------------------------------------------------------------------------------------------


def evidence(
    prepared: Prepared, prior: Prior, reported: Floats, layers: Floats, moves: Floats, sizes: Floats, seed: int
) -> float:
    """Log of the marginal likelihood of the events whose day is known (without factorials), by importance sampling.

    Proposal: a Student t (5 degrees) in log layers, log ratios of transitions and log size, placed where the draws
    (n, k), (n, k, k), (n,) lie, half as wide again.
    """
    k, clumped = layers.shape[1], bool(sizes[0] > 0)
    share = prepared.exact.sum() / prepared.number
    there = _unbound(layers * share, moves, sizes)
    generator = np.random.default_rng(seed)
    place = there.mean(axis=0)
    root = np.asarray(np.linalg.cholesky(2.0 * np.atleast_2d(np.cov(there.T)) + 1e-9 * np.eye(len(place))), np.float64)
    normal, chi = generator.standard_normal((_TRIED, len(place))), generator.chisquare(_FREEDOM, _TRIED) / _FREEDOM
    scaled: Floats = normal / np.sqrt(chi)[:, None]
    found = _bound(place + scaled @ root.T, k, clumped=clumped)
    shape, inverse = prior.layers(prepared, k)
    log = _log_prior(*found, shape, inverse / share, prior.moves(k))
    log += waves_sampler.likelihoods(prepared.exact, reported, *found, prior.start(k))
    log -= _log_t(scaled, root)
    best = log.max()
    return float(best + np.log(np.exp(log - best).mean()))


def _unbound(layers: Floats, moves: Floats, sizes: Floats) -> Floats:
    """(n, d): log layers, log of each transition over staying, log size."""
    k = layers.shape[1]
    off = ~np.eye(k, dtype=bool)
    stay = np.einsum("nss->ns", moves)
    ratios = np.log(np.maximum(moves, 1e-12) / stay[:, :, None])[:, off]
    columns = [np.log(layers), ratios, np.log(sizes)[:, None]] if sizes[0] > 0 else [np.log(layers), ratios]
    return np.concatenate(columns, axis=1)


def _bound(points: Floats, k: int, *, clumped: bool) -> tuple[Floats, Floats, Floats]:
    """Back: layers (n, k), moves (n, k, k), sizes (n,)."""
    odds = np.ones((len(points), k, k))
    odds[:, ~np.eye(k, dtype=bool)] = np.exp(points[:, k : k * k])
    sizes = np.exp(points[:, -1]) if clumped else np.zeros(len(points))
    return np.exp(points[:, :k]), odds / odds.sum(axis=2, keepdims=True), sizes


def _log_prior(layers: Floats, moves: Floats, sizes: Floats, shape: Floats, inverse: Floats, rows: Floats) -> Floats:
    """Log density in the unbound coordinates: Gamma and Dirichlet with their Jacobians (a power more of each), Normal."""
    gammaln = np.vectorize(_lgamma)
    log: Floats = (shape * np.log(inverse) - gammaln(shape) + shape * np.log(layers) - inverse * layers).sum(axis=1)
    log += gammaln(rows.sum(axis=1)).sum() - gammaln(rows).sum() + (rows * np.log(np.maximum(moves, 1e-300))).sum(axis=(1, 2))
    if sizes[0] > 0:
        away = (np.log(sizes) - waves_sampler.SIZE_MEAN) / waves_sampler.SIZE_SD
        log += -0.5 * away**2 - np.log(waves_sampler.SIZE_SD) - 0.5 * np.log(2 * np.pi)
    return log


def _log_t(scaled: Floats, root: Floats) -> Floats:
    """Log density of the multivariate Student t at ``root @ scaled``."""
    d, v = scaled.shape[1], _FREEDOM
    constant = _lgamma((v + d) / 2) - _lgamma(v / 2) - 0.5 * d * np.log(v * np.pi) - np.log(np.diag(root)).sum()
    away: Floats = constant - 0.5 * (v + d) * np.log1p((scaled**2).sum(axis=1) / v)
    return away
