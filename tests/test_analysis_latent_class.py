"""The latent-class estimate: against exact posteriors, against the sampler of the paper alone, and against published figures.
"""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import betaln, gammaln
from scipy.stats import binom, chisquare
from test_analysis_decomposable import KOSOVO, table_of

from amparo.analysis import latent_sampler
from amparo.analysis.capture import CaptureTable, NotEstimable
from amparo.analysis.diagnostics import mcse_quantile
from amparo.analysis.latent_class import estimate, sample

SMALL = table_of((23, 17, 6, 30, 8, 5, 3), 3)


def test_with_one_class_the_posterior_is_the_exact_one() -> None:
    """With a single class (independent lists) median and bounds are those of the posterior summed number by number."""
    table, total = SMALL, np.arange(SMALL.observed, 2000)
    sizes = table.patterns.T.astype(int) @ table.counts
    log = gammaln(total) - gammaln(total - table.observed + 1)  # N! / (N - n)! times 1/N
    for size in sizes:
        log = log + betaln(size + 1, total - size + 1)
    exact = np.cumsum(np.exp(log - log.max()))
    exact /= exact[-1]
    found = sample(table, classes=1, draws=6000, thin=1)
    for level in (0.025, 0.5, 0.975):
        wanted = total[np.searchsorted(exact, level)]
        assert abs(np.quantile(found.totals, level) - wanted) < 4 * mcse_quantile(found.totals, level) + 2


def test_hamiltonian_steps_leave_the_posterior_as_it_is() -> None:
    """With three classes, the sampler of the paper alone and the one with Hamiltonian steps give the same quantiles."""
    quick = sample(SMALL, classes=3, draws=4000, thin=2, seed=3).totals
    paper = sample(SMALL, classes=3, draws=4000, thin=20, seed=4, leap=False).totals
    for level in (0.1, 0.5, 0.9):
        error = np.hypot(mcse_quantile(quick, level), mcse_quantile(paper, level))
        assert abs(np.quantile(quick, level) - np.quantile(paper, level)) < 4 * error + 2


def _log_density(table: CaptureTable, x: NDArray[Any], v: NDArray[Any], alpha: float) -> float:
    """The logarithm of the posterior density of the logits, written anew from the paper's equations."""
    chances, sticks = 1 / (1 + np.exp(-x)), 1 / (1 + np.exp(-v))
    shares = np.append(sticks, 1.0) * np.cumprod(np.append(1.0, 1 - sticks))
    cells = [float(shares @ np.prod(np.where(row[:, None], chances, 1 - chances), axis=0)) for row in table.patterns]
    none = float(shares @ np.prod(1 - chances, axis=0))
    prior = np.log(chances * (1 - chances)).sum() + (np.log(sticks) + alpha * np.log(1 - sticks)).sum()
    return float(table.counts @ np.log(cells) - table.observed * np.log(1 - none) + prior)


def test_the_gradient_is_that_of_the_density() -> None:
    """Compiled density and gradient agree with the equations written plainly and with differences of them."""
    rng, classes = np.random.default_rng(5), 4
    x, v, alpha = rng.normal(size=(3, classes)), rng.normal(size=classes - 1), 0.7
    gx, gv, on, off = np.empty_like(x), np.empty_like(v), np.empty_like(x), np.empty_like(x)
    nu, like, mass = np.empty(classes), np.empty(classes), np.empty(classes)
    found = latent_sampler._gradient(SMALL.patterns, SMALL.counts, x, v, alpha, gx, gv, on, off, nu, like, mass)
    assert found + latent_sampler._log_prior(x, v, alpha) == pytest.approx(_log_density(SMALL, x, v, alpha))
    for where, slope in ((x, gx), (v, gv)):
        for at in np.ndindex(where.shape):
            where[at] += 1e-5
            above = _log_density(SMALL, x, v, alpha)
            where[at] -= 2e-5
            below = _log_density(SMALL, x, v, alpha)
            where[at] += 1e-5
            assert slope[at] == pytest.approx((above - below) / 2e-5, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(("n", "p"), [(3, 0.4), (50, 0.02), (200, 0.3), (5000, 0.9), (40, 0.5)])
def test_binomial_draws_are_binomial(n: int, p: float) -> None:
    """Both ways to draw a binomial pass a chi-square test against its law."""
    latent_sampler.binomial(1, 0.5)
    drawn = np.array([latent_sampler.binomial(n, p) for _one in range(20_000)])
    edges = np.unique(binom.ppf(np.linspace(0, 1, 12)[1:-1], n, p))
    expected = np.diff(np.concatenate([[0.0], binom.cdf(edges, n, p), [1.0]])) * drawn.size
    counted = np.bincount(np.searchsorted(edges, drawn), minlength=edges.size + 1)
    kept = expected > 0
    assert chisquare(counted[kept], expected[kept]).pvalue > 1e-5


def test_the_killings_of_kosovo_are_as_many_as_the_authors_program_says() -> None:
    """LCMCR by the paper's author gives a median of 10,360 to 10,418 over three seeds and 8,840 to 14,035 for the interval."""
    found = estimate(table_of(KOSOVO, 4), draws=2000)
    told = found.diagnostics
    assert 10_360 - 4 * told["error"] < found.point < 10_418 + 4 * told["error"]
    assert found.low == pytest.approx(9_000, rel=0.03) and found.high == pytest.approx(13_900, rel=0.06)
    assert told["rhat"] < 1.02 and told["ess"] > 800
    assert min(value for name, value in told.items() if name.startswith("p_")) > 0.05


def test_the_same_seed_gives_the_same_figures() -> None:
    """Draws are the same again, whatever order threads ran in, and another seed gives others."""
    one, again, other = (estimate(SMALL, draws=50, burn_in=100, seed=seed) for seed in (7, 7, 8))
    assert np.array_equal(one.draws, again.draws) and not np.array_equal(one.draws, other.draws)
    assert one.diagnostics == again.diagnostics


def test_classes_that_lists_reach_unequally_are_found() -> None:
    """Where half of all persons are harder to reach for every list, one class says far too few and several come near the
    truth.
    """
    rng = np.random.default_rng(11)
    faint = rng.random(4000) < 0.5
    on = rng.random((4000, 5)) < np.where(faint[:, None], 0.12, 0.5)
    table = CaptureTable.of_members("ABCDE", [np.flatnonzero(row) for row in on])
    one, several = estimate(table, classes=1, draws=500), estimate(table, draws=500)
    assert one.high < 3500 and several.low < 4000 < several.high
    assert one.diagnostics["p_cells"] < 0.01 < several.diagnostics["p_cells"]
    assert several.diagnostics["classes_used"] > 1.5


@pytest.mark.parametrize("cells", [(40, 30, 0, 50, 0, 0, 0), (40, 30, 5, 0, 0, 0, 0)])
def test_lists_without_overlap_or_too_few_are_not_estimable(cells: tuple[int, ...]) -> None:
    """Three lists that share nobody, or two lists, are refused with the reason."""
    with pytest.raises(NotEstimable):
        estimate(table_of(cells, 3))


def test_a_single_overlap_does_not_become_a_narrow_figure() -> None:
    """Where one person alone is on two of three large lists, the bounds are refused or lie more than a factor of 5 apart."""
    try:
        found = estimate(table_of((400, 300, 1, 500, 0, 0, 0), 3), draws=500)
    except NotEstimable:
        return
    assert found.high > 5 * found.low


def test_it_can_be_followed_and_stopped() -> None:
    """Progress rises to the whole, and an exception from whoever follows it stops the chains at once."""
    seen: list[tuple[int, int]] = []
    sample(SMALL, draws=500, burn_in=500, thin=1, progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _total in seen] == sorted({done for done, _total in seen}) and seen[-1] == (1000, 1000)

    def stop(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample(SMALL, draws=10**6, progress=stop)


def test_settings_out_of_bounds_are_refused() -> None:
    """No class, no draw or a negative prior has a sentence that names the bounds."""
    for wrong in ({"classes": 0}, {"draws": 0}, {"shape": -1.0}, {"thin": 0}, {"chains": 65}, {"level": 1.0}):
        with pytest.raises(NotEstimable, match="between"):
            estimate(SMALL, **wrong)


def test_a_list_that_nobody_is_on_changes_nothing() -> None:
    """A fourth list without persons gives the same figures, draw by draw."""
    cells = [([*row, 0], int(count)) for row, count in zip(SMALL.patterns.tolist(), SMALL.counts, strict=True)]
    wider = CaptureTable.of([*SMALL.lists, "empty"], cells)
    assert np.array_equal(sample(wider, draws=50, burn_in=50).totals, sample(SMALL, draws=50, burn_in=50).totals)
