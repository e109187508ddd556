"""Weights out of the reports themselves: u of random pairs, m by expectation maximisation over pairs that share a key.

Invariants: the same table and seed give the same weights on every engine; few pairs change little, since the stated weights
count like a few pairs of their own; no m and no u is 0.

Three classes as in ``verify.households``, so that siblings do not teach that one person bears two given names. Splink's own
training stops with an error where no match shows a level at all, which in a small workspace is the rule; hence ours. Maximum a
posteriori instead of maximum likelihood: Dempster, Laird and Rubin, JRSS B 39, 1977, section 1.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from amparo.verify.blocking import Blocks, pairs_of
from amparo.verify.comparisons import FIELDS, HOME, settings

Levels = NDArray[np.int8]
Measure = Callable[[NDArray[np.int64], NDArray[np.int64]], Levels]
"""measure(left, right): (n, fields) the level of each field, counted from the last, -1 where one does not tell it."""

_FROM: Final = 300  # reports; with fewer the stated weights are used
_LEAST: Final = 100  # pairs that a key must propose to teach anything
_MOST: Final = 100_000
_RANDOM: Final = 500_000
_PRIOR: Final = 20.0  # pairs that the stated weights count for
_ROUNDS: Final = 60
_LESSONS: Final[Sequence[tuple[str, tuple[str, ...]]]] = (
    ("by_given_key_and_family_key", ("given", "family")),
    ("by_given_key_and_father_key", ("given", "father")),
    ("by_day_and_place", ("day", "place")),
    ("by_born_and_region", ("born", "place")),
)
"""A key, and the fields it says nothing about because its pairs agree on them."""


def train(count: int, blocks: Blocks, measure: Measure, seed: int) -> dict[str, Any]:
    """Splink's settings with m and u put in. ``count`` of reports."""
    model = settings(1.0 / max(count, 2))
    if count < _FROM:
        return model
    rng = np.random.default_rng(seed)
    u = _random(count, measure, rng)
    m = [np.array([level.m for level in field.levels]) * _PRIOR for field in FIELDS]
    for key, silent in _LESSONS:
        left, right = pairs_of(blocks.keys[key], _MOST, rng)
        if len(left) >= _LEAST:
            taught = [at for at, field in enumerate(FIELDS) if field.name not in silent]
            for at, counted in zip(taught, _lesson(measure(left, right), taught, u), strict=True):
                m[at] = m[at] + counted
    for at, comparison in enumerate(model["comparisons"]):
        for level, of_one, of_two in zip(comparison["comparison_levels"][1:], m[at] / m[at].sum(), u[at], strict=True):
            level["m_probability"], level["u_probability"] = float(of_one), float(of_two)
    return model


def _random(count: int, measure: Measure, rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """For each field the share of each level, the first first, among random pairs."""
    size = min(_RANDOM, count * (count - 1))
    left, right = rng.integers(0, count, size), rng.integers(0, count - 1, size)
    levels = measure(left, right + (right >= left))
    return [_counts(levels[:, at], np.ones(len(levels)), at, "u") for at in range(len(FIELDS))]


def _counts(level: Levels, weight: NDArray[np.float64], at: int, which: str) -> NDArray[np.float64]:
    """The share of each level, the first level first, the stated shares counted as ``_PRIOR`` pairs."""
    return _normed(_tallied(level, weight, at) + _PRIOR * np.array([getattr(one, which) for one in FIELDS[at].levels]))


def _tallied(level: Levels, weight: NDArray[np.float64], at: int) -> NDArray[np.float64]:
    told = level >= 0
    return np.asarray(np.bincount(level[told], weight[told], len(FIELDS[at].levels))[::-1], np.float64)


def _normed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(values / values.sum(), np.float64)


def _lesson(levels: Levels, taught: list[int], u: list[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """How many pairs of one person show each level, for each field taught: the counts that m is made of."""
    patterns, times = np.unique(levels[:, taught], axis=0, return_counts=True)
    number = times.astype(float)
    m = [np.array([level.m for level in FIELDS[at].levels]) for at in taught]
    shares = np.array([0.3, 0.05, 0.65])
    at_home = np.array([at in HOME for at in taught])
    for _ in range(_ROUNDS):
        of_one = np.column_stack([_logs(patterns[:, place], m[place]) for place in range(len(taught))])
        of_two = np.column_stack([_logs(patterns[:, place], u[at]) for place, at in enumerate(taught)])
        logs = np.column_stack([of_one.sum(1), np.where(at_home, of_one, of_two).sum(1), of_two.sum(1)]) + np.log(shares)
        likely = np.exp(logs - logs.max(axis=1, keepdims=True))
        likely *= (number / likely.sum(axis=1))[:, None]
        new = _normed(likely.sum(axis=0) + 1.0)
        m = [_counts(patterns[:, place], likely[:, 0] + likely[:, 1] * at_home[place], at, "m")
             for place, at in enumerate(taught)]  # fmt: skip
        moved, shares = float(np.abs(new - shares).max()), new
        if moved < 1e-5:
            break
    return [_tallied(patterns[:, place], likely[:, 0], at) for place, at in enumerate(taught)]


def _logs(level: Levels, chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) log of the chance of each level; 0 where it is not told."""
    return np.asarray(np.append(np.log(chances[::-1]), 0.0)[level], np.float64)
