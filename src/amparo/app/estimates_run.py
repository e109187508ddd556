"""From counts to estimates: all models, as long as the user allows, until the user asks to stop.

Invariant: the same counts, effort and seed give the same figures. Apart from ``app.estimates``, because what computes takes a
second to load and a page that only asks for lists shall not wait for it.
"""

from typing import Final

from amparo.analysis import ensemble
from amparo.analysis.ensemble import Effort, Ensemble, Strata
from amparo.app.estimates import Counted
from amparo.app.session import check_stop

_EFFORTS: Final = {
    "quick": ensemble.QUICK, "usual": Effort(),
    "long": Effort(chains=4, draws=5000, burn_in=5000, thin=5, bootstrap=2000, graph_draws=40_000),
}  # fmt: skip


def estimated(
    counted: Counted, *, effort: str = "usual", seed: int = 1, level: float = 0.95, priors: bool = False, without: bool = False,
    progress: ensemble.Progress | None = None,
) -> Ensemble | Strata:  # fmt: skip
    """All models on what was counted, or on each stratum if there are any; ``effort`` one of ``estimates.EFFORTS``.

    Looks again and again whether the user asked to stop. Raises NotEstimable where no model could say anything.
    """

    def looking(done: int, total: int, what: str) -> None:
        check_stop()
        if progress:
            progress(done, total, what)

    found: Ensemble | Strata
    if counted.strata:
        found = ensemble.stratified(counted.strata, effort=_EFFORTS[effort], seed=seed, level=level, progress=looking)
    else:
        found = ensemble.run(
            counted.tables, effort=_EFFORTS[effort], seed=seed, level=level, priors=priors, without=without, progress=looking
        )  # fmt: skip
    found.require_some()
    return found
