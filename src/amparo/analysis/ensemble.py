"""All models on the same lists, side by side, with what changes when a prior or a list is changed.

Invariants: models are shown together and never averaged into one; where they disagree, that is the result. The same tables,
effort and seed give the same figures. A run that cannot be made says why and does not stop the others.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from amparo.analysis import decomposable, latent_class, stepwise
from amparo.analysis.capture import CaptureTable, Estimate, NotEstimable
from amparo.analysis.overlap import FEWEST_LISTS, Overlap, look
from amparo.analysis.pooling import pooled, summed
from amparo.kernel.i18n import N_, _

LATENT: Final = N_("latent classes")
GRAPHS: Final = N_("decomposable graphs")
STEPWISE: Final = N_("log-linear, stepwise")
MODELS: Final = (LATENT, GRAPHS, STEPWISE)
APART: Final = 1.5
"""Medians of two models or two choices that differ by this factor disagree."""
_SHARED_FEWEST: Final = 200

Progress = Callable[[int, int, str], None]
"""Called with (steps done, steps in all, what is done now); may raise to stop."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long the models run. ``draws`` of each of ``chains`` after ``burn_in``, every ``thin``-th kept; ``bootstrap``
    samples; ``graph_draws`` independent draws of the decomposable model.
    """

    chains: int = 4
    draws: int = 1000
    burn_in: int = 1000
    thin: int = 3
    bootstrap: int = 500
    graph_draws: int = 10_000

    def shared(self, tables: int) -> "Effort":
        """The effort for each of several tables whose draws are put together."""
        if tables == 1:
            return self
        share = {name: max(_SHARED_FEWEST, getattr(self, name) // tables) for name in ("draws", "bootstrap", "graph_draws")}
        return replace(self, chains=2, **share)


QUICK: Final = Effort(chains=2, draws=500, burn_in=500, thin=2, bootstrap=200, graph_draws=4_000)
"""For sensitivity, where a change of half as much again is looked for and not a third digit."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a model is told beside the data; what is None is left to the model."""

    model: str
    classes: int | None = None
    prior: float | None = None
    threshold: float | None = None

    def settings(self) -> dict[str, Any]:
        """What was chosen, by name."""
        given = {"classes": self.classes, "prior": self.prior, "threshold": self.threshold}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Run:
    """One model under one choice: an estimate, or a whole sentence that says why there is none."""

    choice: Choice
    estimate: Estimate | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Ensemble:
    """``observed`` documented persons (the median over ``tables`` sampled tables); ``runs`` one for each of MODELS;
    ``priors`` the same data under other choices; ``without`` list left out -> runs.
    """

    lists: tuple[str, ...]
    observed: int
    tables: int
    overlap: Overlap
    runs: tuple[Run, ...]
    priors: tuple[Run, ...] = ()
    without: dict[str, tuple[Run, ...]] = field(default_factory=dict)

    def require_some(self) -> None:
        """Raises NotEstimable if no model could be fitted."""
        if not any(run.estimate for run in self.runs):
            raise NotEstimable(why=" ".join(dict.fromkeys(run.why for run in self.runs)))

    @property
    def disagreement(self) -> float:
        """The largest of the models' points over the smallest; 1 where there are not two."""
        points = [run.estimate.point for run in self.runs if run.estimate]
        return max(points) / min(points) if len(points) > 1 else 1.0

    @property
    def deciding(self) -> tuple[str, ...]:
        """Lists without which some model's point changes by APART or more: the figure hangs on them."""
        whole = {run.choice.model: run.estimate.point for run in self.runs if run.estimate}
        return tuple(
            name for name, runs in self.without.items()
            if any(run.estimate and _far(run.estimate.point, whole.get(run.choice.model)) for run in runs)
        )  # fmt: skip

    @property
    def swayed(self) -> tuple[str, ...]:
        """Models whose point changes by APART or more under another prior."""
        whole = {run.choice.model: run.estimate.point for run in self.runs if run.estimate}
        changed = [run for run in self.priors if run.estimate and _far(run.estimate.point, whole.get(run.choice.model))]
        return tuple(dict.fromkeys(run.choice.model for run in changed))


@dataclass(frozen=True, slots=True)
class Strata:
    """``parts``: stratum -> its ensemble, or the sentence that says why it is not estimable; ``documented``: persons
    by stratum; ``runs``: the totals, one for each of MODELS.
    """

    parts: dict[str, Ensemble | str]
    documented: dict[str, int]
    runs: tuple[Run, ...]

    @property
    def observed(self) -> int:
        """Documented persons over all strata."""
        return sum(self.documented.values())

    def require_some(self) -> None:
        """Raises NotEstimable if no model could be fitted to any stratum."""
        if not any(isinstance(part, Ensemble) and any(run.estimate for run in part.runs) for part in self.parts.values()):
            whys = [f"{name}: {part}" for name, part in self.parts.items() if isinstance(part, str)]
            raise NotEstimable(why=" ".join(whys) or _("no model could be fitted to any stratum."))


def _far(one: float, other: float | None) -> bool:
    return other is not None and max(one, other) >= APART * min(one, other)


class _Steps:
    """Counts the runs of a whole ensemble for whoever shows how far it is."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._done, self._total, self._progress = 0, total, progress or (lambda *_args: None)

    def within(self, what: str) -> Callable[[int, int], None]:
        """For one run: (done, of) of its own."""
        return lambda done, of: self._progress(100 * self._done + 100 * min(done, of) // max(of, 1), 100 * self._total, what)

    def next(self, what: str) -> None:
        self._progress(100 * self._done, 100 * self._total, what)
        self._done += 1


def fit(
    table: CaptureTable, choice: Choice, effort: Effort, *, seed: int, level: float, progress: Callable[[int, int], None]
) -> Estimate:
    """One model on one table. Raises NotEstimable."""
    given: dict[str, Any] = choice.settings()
    if choice.model == LATENT:
        return latent_class.estimate(
            table, chains=effort.chains, draws=effort.draws, burn_in=effort.burn_in, thin=effort.thin, seed=seed, level=level,
            progress=progress, **given,
        )  # fmt: skip
    if choice.model == GRAPHS:
        return decomposable.estimate(table, seed=seed, level=level, draws=effort.graph_draws, progress=progress, **given)
    return stepwise.estimate(table, bootstrap=effort.bootstrap, seed=seed, level=level, progress=progress, **given)


def other_priors(lists: int) -> tuple[Choice, ...]:
    """The choices that sensitivity looks at for a table of ``lists`` lists.

    The prior of the decomposable model is persons added to each of the 2**k cells: beside 1/2**k four times less, four times
    more, and 1 (Bayes; Madigan & York 1997, section 3). Half and twice as many latent classes. A stricter and a looser
    threshold of the stepwise search (Chan, Silverman & Vincent 2021, section 4).
    """
    cells = 1 << lists
    return (
        Choice(LATENT, classes=5), Choice(LATENT, classes=20),
        *(Choice(GRAPHS, prior=prior) for prior in (0.25 / cells, 4 / cells, 1.0)),
        Choice(STEPWISE, threshold=0.005), Choice(STEPWISE, threshold=0.05),
    )  # fmt: skip


def run(
    tables: Sequence[CaptureTable], *, effort: Effort | None = None, seed: int = 1, level: float = 0.95, priors: bool = False,
    without: bool = False, models: Sequence[str] = MODELS, progress: Progress | None = None,
) -> Ensemble:  # fmt: skip
    """All models on one table, or on M tables that are sampled answers to who is the same person (then pooled).

    ``priors``: also under ``other_priors``; ``without``: also with each list left out; both with the effort QUICK. Raises
    NotEstimable where no model could say anything.
    """
    effort = effort or Effort()
    overlap, *_others = [look(table) for table in tables]
    lists = tables[0].lists
    chosen = [Choice(model) for model in models]
    others = [choice for choice in other_priors(len(lists)) if choice.model in models] if priors else []
    left_out = list(lists) if without and len(lists) > FEWEST_LISTS else []
    steps = _Steps(len(chosen) + len(others) + len(left_out) * len(chosen), progress)
    whole = tuple(_run(tables, choice, effort, seed, level, steps) for choice in chosen)
    varied = tuple(_run(tables, choice, QUICK, seed, level, steps) for choice in others)
    reduced = {}
    for name in left_out:
        fewer = [table.without(name) for table in tables]
        reduced[name] = tuple(_run(fewer, choice, QUICK, seed, level, steps, checked=False) for choice in chosen)
    return Ensemble(lists, _documented(tables), len(tables), overlap, whole, varied, reduced)


def _documented(tables: Sequence[CaptureTable]) -> int:
    return sorted(table.observed for table in tables)[len(tables) // 2]


def _run(
    tables: Sequence[CaptureTable],
    choice: Choice,
    effort: Effort,
    seed: int,
    level: float,
    steps: _Steps,
    *,
    checked: bool = True,
) -> Run:
    shared = effort.shared(len(tables))
    label = _(choice.model)
    try:
        if not checked:
            for table in tables:
                look(table)
        found = [
            fit(table, choice, shared, seed=seed + number, level=level, progress=steps.within(label))
            for number, table in enumerate(tables)
        ]
    except NotEstimable as refused:
        return Run(choice, why=str(refused.facts["why"]))
    finally:
        steps.next(label)
    return Run(choice, pooled(found))


def stratified(
    strata: Mapping[str, Sequence[CaptureTable]], *, effort: Effort | None = None, seed: int = 1, level: float = 0.95,
    models: Sequence[str] = MODELS, progress: Progress | None = None,
) -> Strata:  # fmt: skip
    """Each stratum apart and, model by model, the sum of their draws; what is documented is the sum over the strata.

    A stratum that is too thin says so, and then so does the total: a total without it would count only those who happen to be
    estimable. Strata must not share persons. Raises NotEstimable without strata.
    """
    if not strata:
        raise NotEstimable(why=_("there is nobody in any stratum."))
    parts: dict[str, Ensemble | str] = {}
    for number, (name, tables) in enumerate(strata.items()):
        told = _part(number, len(strata), name, progress)
        try:
            parts[name] = run(
                tables, effort=effort, seed=seed + 1000 * number, level=level, models=models, progress=told
            )  # fmt: skip
        except NotEstimable as refused:
            parts[name] = str(refused.facts["why"])
    documented = {name: _documented(tables) for name, tables in strata.items()}
    return Strata(parts, documented, tuple(_total(parts, model, seed) for model in models))


def _part(number: int, of: int, name: str, progress: Progress | None) -> Progress | None:
    if progress is None:
        return None
    return lambda done, total, what: progress(number * total + done, of * total, f"{name}: {what}")


def _total(parts: Mapping[str, Ensemble | str], model: str, seed: int) -> Run:
    found, thin = [], []
    for name, part in parts.items():
        one = None if isinstance(part, str) else next(run.estimate for run in part.runs if run.choice.model == model)
        if one is None:
            thin.append(name)
        else:
            found.append(one)
    if thin:
        why = _("no total, because these strata are not estimable: {names}.").format(names=", ".join(thin))
        return Run(Choice(model), why=why)
    return Run(Choice(model), summed(found, seed))
