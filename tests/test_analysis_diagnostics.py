"""What tells whether chains have said enough: against closed forms."""

import numpy as np
import pytest
from numpy.typing import NDArray

from amparo.analysis import diagnostics


def walk(rho: float, chains: int, length: int, seed: int) -> NDArray[np.float64]:
    """Stationary first-order autoregressions with variance 1."""
    rng = np.random.default_rng(seed)
    found = np.empty((chains, length))
    found[:, 0] = rng.standard_normal(chains)
    for step in range(1, length):
        found[:, step] = rho * found[:, step - 1] + np.sqrt(1 - rho**2) * rng.standard_normal(chains)
    return found


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.5, 0.9])
def test_effective_draws_of_an_autoregression_are_those_of_the_formula(rho: float) -> None:
    """An AR(1) chain of n draws is worth n (1 - rho) / (1 + rho) independent ones."""
    draws = walk(rho, 4, 20_000, seed=1)
    assert diagnostics.ess_bulk(draws) == pytest.approx(80_000 * (1 - rho) / (1 + rho), rel=0.12)


def test_tails_are_worth_no_more_than_there_are_draws() -> None:
    """Independent draws are worth about their number in the tails, and a sticky chain far less."""
    assert diagnostics.ess_tail(walk(0.0, 4, 5000, seed=2)) == pytest.approx(20_000, rel=0.15)
    assert diagnostics.ess_tail(walk(0.95, 4, 5000, seed=2)) < 2500


def test_chains_that_disagree_in_place_or_in_spread_are_found() -> None:
    """R-hat is near 1 for chains of one distribution, and not for a shifted one, a wider one or a drifting one."""
    draws = walk(0.3, 4, 2000, seed=3)
    assert 0.999 < diagnostics.rhat(draws) < 1.005
    for shift, factor in ((1.0, 1.0), (0.0, 3.0)):
        spoiled = draws.copy()
        spoiled[0] = spoiled[0] * factor + shift
        assert diagnostics.rhat(spoiled) > 1.03
    assert diagnostics.rhat(draws + np.linspace(0, 3, 2000)) > 1.1


def test_the_error_of_a_median_is_that_of_the_formula() -> None:
    """The median of n independent normal draws has the standard error sqrt(pi / 2 n)."""
    errors = [diagnostics.mcse_quantile(walk(0.0, 2, 4000, seed=seed), 0.5) for seed in range(20)]
    assert np.mean(errors) == pytest.approx(np.sqrt(np.pi / 2 / 8000), rel=0.1)


def test_what_never_varies_is_known() -> None:
    """A constant, as the total of a stratum without unseen may be, has R-hat 1 and no error."""
    draws = np.full((2, 50), 7.0)
    assert diagnostics.rhat(draws) == 1.0 and diagnostics.ess_bulk(draws) == 100 and diagnostics.mcse_quantile(draws, 0.5) == 0


def test_a_trace_keeps_the_ends_of_every_chain() -> None:
    """A trace to draw has few points, the first and the last among them."""
    draws = np.arange(2000.0).reshape(2, 1000)
    found = diagnostics.trace(draws, 50)
    assert found.shape == (2, 50) and found[0, 0] == 0 and found[1, -1] == 1999
