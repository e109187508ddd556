"""What goes together: intervals that hold what they promise, drawn to the typical pair, and never a sure word on noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import nchypergeom_fisher

from amparo.analysis import together


def _population(rng: np.random.Generator, total: int, pairs: int, mean: float, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """(true log odds ratios, table of (both, one, other)) of made-up pairs: cells drawn from four chances."""
    truth = rng.normal(mean, spread, pairs)
    one, other = rng.beta(2, 4, (2, pairs))
    odds = np.exp(truth)
    middle = 1 + (one + other) * (odds - 1)
    both = np.where(np.abs(odds - 1) < 1e-9, one * other,
                    (middle - np.sqrt(middle**2 - 4 * odds * (odds - 1) * one * other)) / (2 * (odds - 1)))  # fmt: skip
    chances = np.stack([both, one - both, other - both, 1 - one - other + both], axis=1)
    cells = np.array([rng.multinomial(total, chance / chance.sum()) for chance in chances])
    return truth, np.stack([cells[:, 0], cells[:, 0] + cells[:, 1], cells[:, 0] + cells[:, 2]], axis=1)


def test_intervals_cover_and_told_signs_are_right() -> None:
    """Over made-up populations, 95 % intervals cover about 95 % of the true ratios, and few told pairs are the wrong way."""
    rng = np.random.default_rng(11)
    covered, told, wrong = [], 0, 0
    for _round in range(12):
        mean = float(rng.normal(0.5, 0.3))
        truth, table = _population(rng, 150, 50, mean, 0.7)
        found = together.fit(table[:, 0], table[:, 1], table[:, 2], 150)
        covered += list((found.low <= truth) & (truth <= found.high))
        sure = found.s_value <= 0.05
        told += int(sure.sum())
        wrong += int(np.sum(sure & ((found.mean > found.common) != (truth > mean))))
    assert 0.92 <= np.mean(covered) <= 0.98
    assert told > 50
    assert wrong / told <= 0.08


def test_attack_many_pairs_of_noise_give_no_discovery() -> None:
    """Of 600 pairs that are all typical, some with striking raw ratios, next to none is told as sure."""
    rng = np.random.default_rng(5)
    _truth, table = _population(rng, 60, 600, 0.8, 0.0)
    found = together.fit(table[:, 0], table[:, 1], table[:, 2], 60)
    assert np.sum(found.s_value <= 0.05) <= 3
    assert found.common == pytest.approx(0.8, abs=0.25)


def test_one_strong_pair_among_many_is_told() -> None:
    """A pair that always occurs together among a hundred independent ones is told, and first."""
    rng = np.random.default_rng(8)
    _truth, table = _population(rng, 200, 100, 0.05, 0.0)
    table[0] = 60, 62, 63
    found = together.fit(table[:, 0], table[:, 1], table[:, 2], 200)
    assert int(np.argmin(found.s_value)) == 0
    assert found.s_value[0] <= 0.01
    assert found.low[0] > 1


@given(st.integers(5, 40), st.data())
def test_the_likelihood_is_fishers(total: int, data: st.DataObject) -> None:
    """The exact likelihood is that of Fisher's noncentral hypergeometric distribution, as scipy has it, at any odds ratio."""
    row, column = data.draw(st.integers(1, total - 1)), data.draw(st.integers(1, total - 1))
    cell = data.draw(st.integers(max(0, row + column - total), min(row, column)))
    ours = np.exp(together._exact(cell, row, column, total))
    for place in (120, 200, 230):
        odds = float(np.exp(together._GRID[place]))
        assert ours[place] == pytest.approx(nchypergeom_fisher.pmf(cell, total, row, column, odds), abs=1e-6)


def test_large_counts_agree_with_the_exact_likelihood() -> None:
    """Where the normal likelihood takes over, it gives the interval that the exact one gives, within a grid step."""
    row, column, total, cell = 400, 500, 2000, 160
    exact, normal = together._exact(cell, row, column, total), together._normal(cell, row, column, total)
    weights = [np.exp(one - one.max()) for one in (exact, normal)]
    means = [weight @ together._GRID / weight.sum() for weight in weights]
    assert means[0] == pytest.approx(means[1], abs=0.02)


def test_the_same_table_gives_the_same_figures_and_a_wrong_one_none() -> None:
    """Nothing is drawn at random; no pairs give no figures; counts that cannot be are refused."""
    table = np.array([[5, 8, 9], [2, 10, 4]])
    first, second = (together.fit(table[:, 0], table[:, 1], table[:, 2], 30) for _ in range(2))
    assert np.array_equal(first.low, second.low)
    nothing = np.zeros(0, np.int64)
    assert len(together.fit(nothing, nothing, nothing, 5).mean) == 0
    with pytest.raises(ValueError, match="more frequent"):
        together.fit(np.array([9]), np.array([8]), np.array([9]), 30)
