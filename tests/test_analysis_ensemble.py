"""What is looked at before an estimate, what is put together after it, and what is never put together."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amparo.analysis import ensemble
from amparo.analysis.capture import CaptureTable, Estimate, NotEstimable
from amparo.analysis.ensemble import GRAPHS, LATENT, MODELS, STEPWISE, Choice, Effort, Ensemble, Run
from amparo.analysis.overlap import look
from amparo.analysis.pooling import DifferentModels, pooled, summed

LITTLE = Effort(chains=2, draws=200, burn_in=500, thin=2, bootstrap=20, graph_draws=500)


def drawn(*shares: float, persons: int = 2000, seed: int = 5, lists: str = "ABCDEFGH") -> CaptureTable:
    """Made-up persons whom each list reaches by chance alone."""
    rng = np.random.default_rng(seed)
    on = rng.random((persons, len(shares))) < shares
    return CaptureTable.of_members(lists[: len(shares)], (np.flatnonzero(row) for row in on))


def estimated(draws: Any, observed: int = 10, model: str = "m", level: float = 0.9, **told: float) -> Estimate:
    values = np.asarray(draws, dtype=float)
    low, point, high = np.quantile(values, [(1 - level) / 2, 0.5, (1 + level) / 2])
    return Estimate(model, ("A", "B", "C"), observed, point, low, high, level, values, told, {"seed": 1})


# -- before -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ({(1, 0, 0): 9}, "only one list"),
        ({(1, 0, 0): 9, (1, 1, 0): 9, (0, 1, 0): 9}, "only two lists"),
        ({(1, 0, 0): 90, (0, 1, 0): 90, (0, 0, 1): 90}, "fewer than 5 persons"),
        ({(1, 0, 0): 90, (1, 1, 0): 90, (0, 0, 1): 90, (0, 1, 0): 5}, "no three lists share"),
        ({(1, 1, 0): 50, (1, 1, 1): 20, (0, 0, 1): 60}, "repeats that list"),
    ],
)
def test_lists_that_cannot_tell_are_refused_with_the_reason(cells: dict[tuple[int, ...], int], says: str) -> None:
    """One list, two lists, no overlap, lists apart and a list given twice each have a sentence of their own."""
    with pytest.raises(NotEstimable, match=says):
        look(CaptureTable.of("ABC", cells.items()))


def test_a_list_copied_from_another_is_flagged_and_independent_lists_are_not() -> None:
    """A list that takes nine in ten of its persons from another feeds on it; lists that reach persons by chance do not."""
    assert look(drawn(0.3, 0.25, 0.2, 0.15)).fed == ()
    rng = np.random.default_rng(3)
    on = rng.random((2000, 4)) < (0.3, 0.25, 0.2, 0.15)
    on[:, 3] = on[:, 0] & (rng.random(2000) < 0.5)
    on[:30, 3] = True
    fed = look(CaptureTable.of_members("ABCD", (np.flatnonzero(row) for row in on))).fed
    assert [(pair.smaller, pair.larger) for pair in fed] == [("D", "A")]


def test_a_small_list_within_another_by_chance_is_kept() -> None:
    """Four persons who all stand on a list that holds nine of ten are no repetition of it."""
    rng = np.random.default_rng(1)
    on = rng.random((1000, 4)) < (0.9, 0.4, 0.3, 0.0)
    on[np.flatnonzero(on[:, 0])[:4], 3] = True
    assert look(CaptureTable.of_members("ABCD", (np.flatnonzero(row) for row in on))).fed == ()


@given(st.lists(st.frozensets(st.integers(0, 3), min_size=1), min_size=1, max_size=60))
def test_any_table_is_looked_at_or_refused(members: list[frozenset[int]]) -> None:
    """Whatever the counts, looking ends in figures within bounds or in NotEstimable."""
    table = CaptureTable.of_members("ABCD", members)
    try:
        found = look(table)
    except NotEstimable as refused:
        assert refused.facts["why"]
        return
    assert sum(found.sizes.values()) >= table.observed + found.twice
    assert all(pair.low < pair.odds < pair.high and 0 <= pair.share <= 1 for pair in found.pairs)


# -- after --------------------------------------------------------------------------------------------------------------


def test_pooling_carries_the_difference_between_tables_into_the_interval() -> None:
    """Two tables that disagree give an interval over both, and nearly all of its variance is between them."""
    rng = np.random.default_rng(1)
    parts = [estimated(rng.normal(middle, 1, 1000), observed=seen) for middle, seen in ((100, 40), (200, 60))]
    both = pooled(parts)
    assert both.low < 103 and both.high > 197
    assert both.diagnostics["between"] > 0.99 and both.settings["tables"] == 2
    assert (both.diagnostics["observed_low"], both.diagnostics["observed_high"]) == (40, 60)
    alike = pooled([estimated(rng.normal(100, 5, 1000)) for _table in range(4)])
    assert alike.diagnostics["between"] < 0.05


def test_pooling_one_table_changes_nothing() -> None:
    """A table that is certain keeps the model's own figures, a bootstrap's interval among them."""
    one = estimated([1, 2, 3])
    assert pooled([one]) is one


def test_every_table_weighs_the_same_whatever_it_was_drawn_with() -> None:
    """A table with ten times the draws does not speak ten times louder."""
    both = pooled([estimated(np.full(1000, 100.0)), estimated(np.full(100, 200.0))])
    assert both.draws.mean() == 150


def test_the_worst_chain_speaks_for_all() -> None:
    """Of several tables the smallest effective sample and the largest R-hat are told."""
    told = pooled([estimated([1, 2], ess=900.0, rhat=1.0), estimated([1, 2], ess=30.0, rhat=1.4)]).diagnostics
    assert (told["ess"], told["rhat"]) == (30, 1.4)


def test_models_are_never_put_together() -> None:
    """Pooling or adding estimates of two models is refused."""
    two = [estimated([1, 2]), estimated([1, 2], model="another")]
    for combine in (pooled, summed):
        with pytest.raises(DifferentModels):
            combine(two)


@given(st.lists(st.floats(10, 1000), min_size=2, max_size=5), st.integers(0, 99))
def test_strata_add_up(middles: list[float], seed: int) -> None:
    """The total's mean is the sum of the strata's, and the documented is the sum of theirs."""
    rng = np.random.default_rng(seed)
    strata = [estimated(rng.normal(middle, 1, 500)) for middle in middles]
    total = summed(strata, seed)
    assert total.draws.mean() == pytest.approx(sum(one.draws.mean() for one in strata))
    assert total.observed == 10 * len(strata)


def test_a_sum_is_narrower_than_its_parts_laid_end_to_end() -> None:
    """Strata are independent: variances add, not half-widths, even where the strata were drawn with one seed."""
    draws = np.random.default_rng(1).normal(100, 10, 4000)
    total = summed([estimated(draws), estimated(draws), estimated(draws), estimated(draws)], 1)
    assert total.draws.std() == pytest.approx(20, rel=0.1)


# -- all together -------------------------------------------------------------------------------------------------------


def test_all_models_run_and_stay_apart() -> None:
    """On lists that reach persons by chance each model's interval holds the truth, and the same seed gives the same draws."""
    table = drawn(0.4, 0.35, 0.3, persons=600)
    found = ensemble.run([table], effort=LITTLE, seed=2)
    assert [run.choice.model for run in found.runs] == list(MODELS)
    for run in found.runs:
        assert run.estimate and run.estimate.low <= 620 and run.estimate.high >= 580, run
    again = ensemble.run([table], effort=LITTLE, seed=2)
    for one, other in zip(found.runs, again.runs, strict=True):
        assert one.estimate and other.estimate and np.array_equal(one.estimate.draws, other.estimate.draws)


def test_leaving_lists_out_and_other_priors_are_told_apart() -> None:
    """Every list is left out once for every model, and every other prior is run; what is done is told up to the end."""
    steps: list[tuple[int, int, str]] = []
    found = ensemble.run(
        [drawn(0.4, 0.35, 0.3, 0.2, persons=300)], effort=LITTLE, models=(GRAPHS,), priors=True, without=True,
        progress=lambda done, total, what: steps.append((done, total, what)),
    )  # fmt: skip
    assert list(found.without) == ["A", "B", "C", "D"]
    assert {run.choice.prior for run in found.priors} == {1 / 64, 1 / 4, 1.0}
    assert all(done <= total for done, total, _what in steps) and steps == sorted(steps, key=lambda step: step[0])


def test_sampled_clusterings_widen_the_interval() -> None:
    """Tables that differ by who is the same person give a wider interval than any of them alone."""
    tables = [drawn(0.4, 0.35, 0.3, persons=persons) for persons in (400, 600, 800)]
    alone = ensemble.run([tables[1]], effort=LITTLE, models=(GRAPHS,)).runs[0].estimate
    together = ensemble.run(tables, effort=LITTLE, models=(GRAPHS,)).runs[0].estimate
    assert alone and together
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_a_stratum_too_thin_takes_the_total_away() -> None:
    """The total over strata is refused by the name of the stratum that could not be estimated, which keeps its documented."""
    strata = {"2020": (drawn(0.4, 0.35, 0.3, persons=300),), "2021": (CaptureTable.of("ABC", [((1, 0, 0), 7)]),)}
    found = ensemble.stratified(strata, effort=LITTLE, models=(GRAPHS,))
    assert found.runs[0].estimate is None and "2021" in found.runs[0].why
    assert isinstance(found.parts["2020"], Ensemble) and found.documented["2021"] == 7
    whole = ensemble.stratified({"2020": strata["2020"]}, effort=LITTLE, models=(GRAPHS,))
    assert whole.runs[0].estimate


def test_whoever_watches_may_stop_it() -> None:
    """A progress that raises ends the work at once."""

    def stop(*_args: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensemble.run([drawn(0.4, 0.35, 0.3, persons=300)], effort=LITTLE, progress=stop)


@settings(max_examples=20)
@given(st.sampled_from(list(product((100.0, 160.0), repeat=2))))
def test_disagreement_is_the_largest_over_the_smallest(points: tuple[float, float]) -> None:
    """Two models that differ by half or more disagree, and the factor says by how much."""
    runs = tuple(Run(Choice(model), estimated([point])) for model, point in zip((LATENT, STEPWISE), points, strict=True))
    table = drawn(0.4, 0.35, 0.3, persons=100)
    assert Ensemble(table.lists, 10, 1, look(table), runs).disagreement == max(points) / min(points)
