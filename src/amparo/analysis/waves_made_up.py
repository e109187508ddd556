"""Made-up populations with known waves: for the demonstration, the tests and the benchmark. Nothing here is about anybody.

Invariants: the same seed gives the same events; the truth is returned beside them.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from amparo.analysis.waves_parts import Events

FIRST: Final = 735_964
"""1 January 2016, as an ordinal."""
DAYS: Final = 1_096
STRONG, SPARSE, VERY_SPARSE = 335, 129, 60
"""Events expected in the three years."""
TIMES: Final = 5.3
"""How many times the background the rate in a wave is: here Bayesian blocks and a plain hidden Markov model err as much as in
the figures that were to be beaten (median 8.5 and 4.5 days on sparse data)."""


@dataclass(frozen=True, slots=True)
class MadeUp:
    """Events, and the first and last day of each true wave (ordinals)."""

    events: Events
    waves: tuple[tuple[int, int], ...]
    as_of: int


def three_waves(
    seed: int, *, expected: float = SPARSE, times: float = TIMES, lengths: tuple[int, ...] = (40, 60, 50), sources: int = 4,
    delay: float = 0.0, coarse: float = 0.0, after: int = 3_650,
) -> MadeUp:  # fmt: skip
    """Three years with one wave of each of ``lengths`` days; fewer events are the same population thinned.

    Each third of the time holds one wave, at a uniform place, 20 days or more from the third's ends. Events of a day are
    Poisson; each is told by one of ``sources`` at random; it is reported after an exponential delay with a mean of ``delay``
    days, and is not seen if that is later than ``after`` days past the last; ``coarse`` is the share dated by month only.
    """
    generator = np.random.default_rng(seed)
    background = expected / (DAYS + (times - 1) * sum(lengths))
    daily = np.full(DAYS, background)
    third, true = DAYS // len(lengths), []
    for number, length in enumerate(generator.permutation(np.array(lengths))):
        start = number * third + int(generator.integers(20, max(21, third - int(length) - 20)))
        daily[start : start + length] = times * background
        true.append((FIRST + start, FIRST + start + int(length) - 1))
    days = np.repeat(np.arange(DAYS), generator.poisson(daily))
    reported = days + np.floor(generator.exponential(delay, len(days)) if delay else np.zeros(len(days))).astype(np.int64)
    seen = reported <= DAYS - 1 + after
    days, reported = days[seen], reported[seen]
    source = generator.integers(0, sources, len(days))
    first, last = days.copy(), days.copy()
    by_month = generator.random(len(days)) < coarse
    first[by_month], last[by_month] = _month(days[by_month])
    names = tuple(f"source {number + 1}" for number in range(sources))
    return MadeUp(Events(first + FIRST, last + FIRST, reported + FIRST, source, names), tuple(true), FIRST + DAYS - 1 + after)


def _month(days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last day (counted from FIRST) of the calendar month of each day."""
    dates = (np.datetime64("2016-01-01") + days).astype("datetime64[M]")
    zero = np.datetime64("2016-01-01")
    first = (dates.astype("datetime64[D]") - zero).astype(np.int64)
    last = ((dates + 1).astype("datetime64[D]") - zero).astype(np.int64) - 1
    return first, last
