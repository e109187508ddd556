"""One interval of several: over sampled clusterings of who is the same person, and over strata that add up.

Invariants: pure functions of estimates of ONE model under ONE set of priors; estimates of different models are never pooled.
Draws are kept, never summarised before they are combined.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from amparo.analysis.capture import Estimate
from amparo.kernel.errors import AmparoError
from amparo.kernel.i18n import N_

_WORST_HIGH: Final = ("rhat",)


class DifferentModels(AmparoError):
    template = N_("Estimates of different models or levels cannot be combined: {what}. This is a defect of Amparo.")


def pooled(estimates: Sequence[Estimate]) -> Estimate:
    """One model's estimates of M tables, each a sampled answer to who is the same person: multiple imputation.

    The posterior under uncertain data is the mixture of the posteriors under each possible data set (Rubin 1987, section 3.2;
    Sadinle 2018, section 3 for linkage), so the same number of draws of each is put together and the median and quantiles are
    taken of all. Diagnostics: ``tables`` M; ``between`` the share of the variance that comes from not knowing who is the same
    person, (1 + 1/M) B / ((1 + 1/M) B + W) (Rubin 1987, equations 3.1.3 to 3.1.5), ``within`` the rest; ``observed_low`` and
    ``observed_high`` the documented over the tables; of ess the smallest, of rhat the largest. ``observed`` is the median.

    One estimate comes back as it is. Raises DifferentModels.
    """
    first = _alike(estimates)
    if len(estimates) == 1:
        return first
    fewest = min(one.draws.size for one in estimates)
    parts = [_spread(one.draws, fewest) for one in estimates]
    draws = np.concatenate(parts)
    within = float(np.mean([part.var() for part in parts]))
    between = float(np.var([part.mean() for part in parts], ddof=1)) * (1 + 1 / len(parts))
    documented = [one.observed for one in estimates]
    diagnostics = {
        **_worst(estimates), "tables": float(len(parts)),
        "observed_low": float(min(documented)), "observed_high": float(max(documented)),
        "between": between / (between + within) if between + within else 0.0,
        "within": within / (between + within) if between + within else 1.0,
    }  # fmt: skip
    return _of(first, first.lists, int(np.median(documented)), draws, diagnostics, {"tables": len(parts)})


def summed(strata: Sequence[Estimate], seed: int = 0) -> Estimate:
    """The total over strata that no person is in twice: draws are added, each stratum's in an order of its own.

    ``point`` is the median of the sums, not the sum of medians. Strata are estimated apart, so their draws are independent.
    Raises DifferentModels.
    """
    first = _alike(strata)
    most = max(one.draws.size for one in strata)
    rng = np.random.default_rng(seed)
    draws = np.zeros(most)
    for one in strata:
        repeats = -(-most // one.draws.size)
        draws += rng.permutation(np.tile(one.draws, repeats))[:most]
    lists = tuple(dict.fromkeys(name for one in strata for name in one.lists))
    diagnostics = {**_worst(strata), "strata": float(len(strata))}
    return _of(first, lists, sum(one.observed for one in strata), draws, diagnostics, {"strata": len(strata)})


def _of(
    first: Estimate,
    lists: tuple[str, ...],
    observed: int,
    draws: np.ndarray,
    diagnostics: dict[str, float],
    more: dict[str, int],
) -> Estimate:
    tail = (1 - first.level) / 2
    low, point, high = (float(one) for one in np.quantile(draws, (tail, 0.5, 1 - tail)))
    return Estimate(
        first.model, lists, observed, point, low, high, first.level, draws, diagnostics, {**first.settings, **more}
    )  # fmt: skip


def _spread(draws: np.ndarray, number: int) -> np.ndarray:
    """``number`` of the draws, evenly over all of them, so that every chain is in it."""
    return draws[np.linspace(0, draws.size - 1, number).round().astype(np.int64)]


def _alike(estimates: Sequence[Estimate]) -> Estimate:
    if len({(one.model, one.level) for one in estimates}) != 1:
        raise DifferentModels(what=", ".join(sorted({one.model for one in estimates})) or "none")
    return estimates[0]


def _worst(estimates: Sequence[Estimate]) -> dict[str, float]:
    """The figures that tell whether to believe a chain, of the worst of several."""
    names = set.intersection(*(set(one.diagnostics) for one in estimates))
    worst = {
        name: [one.diagnostics[name] for one in estimates] for name in sorted(names) if name.startswith(("ess", "rhat", "p_"))
    }
    return {name: max(values) if name.startswith(_WORST_HIGH) else min(values) for name, values in worst.items()}
