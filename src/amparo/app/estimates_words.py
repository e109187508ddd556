"""Estimates of the unseen in words a reader who is no statistician can check: documented, estimated, unseen, and what to doubt.

Invariants: every figure in a sentence is in the data beside it; models stay apart; of the record's persons counts alone, none
of them under ``SMALL``.
"""

from typing import Any, Final

from babel.numbers import format_decimal

from amparo.analysis.capture import Estimate
from amparo.analysis.diagnostics import trace
from amparo.analysis.ensemble import APART, Ensemble, Run, Strata
from amparo.analysis.overlap import Pair
from amparo.app.estimates import SMALL, shown_strata
from amparo.kernel.i18n import _, language, ngettext

_SETTLED_RHAT: Final = 1.05
_ENOUGH: Final = 200.0
_UNLIKELY: Final = 0.05
_WIDE: Final = 3.0
_TRACED: Final = 100  # draws of each chain


def number(value: float) -> str:
    """A whole number as the reader's language writes it."""
    return format_decimal(round(value), locale=language(), format="#,##0")


def factor(value: float) -> str:
    """A factor with one decimal."""
    return format_decimal(round(value, 1), locale=language(), format="#,##0.0")


def percent(value: float) -> str:
    """A share as a whole percentage."""
    return format_decimal(round(100 * value), locale=language(), format="#,##0") + "\u00a0%"


def name(run: Run) -> str:
    """The model, and the choice that was made if it is not the usual one."""
    chosen = ", ".join(f"{_CHOICES[key]()} {value:.4g}" for key, value in run.choice.settings().items())
    return f"{_(run.choice.model)} ({chosen})" if chosen else _(run.choice.model)


_CHOICES: Final = {"classes": lambda: _("classes at most"), "prior": lambda: _("prior"), "threshold": lambda: _("threshold")}


def sentence(run: Run) -> str:
    """What one model says."""
    if run.estimate is None:
        return _("not estimable: {why}").format(why=run.why)
    one = run.estimate
    return _("between {low} and {high} in all, most likely about {point}; so {unseen_low} to {unseen_high} are unseen").format(
        low=number(one.low), high=number(one.high), point=number(one.point),
        unseen_low=number(max(0, one.low - one.observed)), unseen_high=number(max(0, one.high - one.observed)),
    )  # fmt: skip


def summary(runs: tuple[Run, ...], observed: int, what: str) -> str:
    """The sentence to quote: the documented, and the span over all models with the model at either end."""
    found = [run for run in runs if run.estimate]
    if not found:
        return _("{what}: {observed} are documented. How many more there are cannot be told from these lists.").format(
            what=what, observed=number(observed)
        )
    low = min(run.estimate.low for run in found if run.estimate)
    high = max(run.estimate.high for run in found if run.estimate)
    return ngettext(
        "{what}: {observed} are documented. In all there were between {low} and {high}, by the one model that could be fitted.",
        "{what}: {observed} are documented. In all there were between {low} and {high}: the span of {n} models with different "
        "assumptions, none of them known to be right.", len(found),
    ).format(what=what, observed=number(observed), low=number(low), high=number(high), n=len(found))  # fmt: skip


def disagreements(found: Ensemble) -> list[str]:
    """Where models, priors or lists change the figure, in the order of how much it matters."""
    lines = []
    if found.disagreement >= APART:
        lines.append(_("The models differ {factor}-fold. They read the same overlaps with other assumptions, and the data do "
                       "not tell which is right: give the whole span, never one of them alone.")
                     .format(factor=factor(found.disagreement)))  # fmt: skip
    elif found.disagreement > 1:
        lines.append(_("The models' best figures lie within a factor of {factor}.").format(factor=factor(found.disagreement)))
    if found.deciding:
        lines.append(
            _("Leave one list out, and a model's figure changes by half or more: {names}. The estimate hangs on them.").format(
                names=", ".join(found.deciding)
            )
        )
    lines += [
        _("Under another prior the figure of “{model}” changes by half or more: it is the prior that speaks, not the data.")
        .format(model=_(one)) for one in found.swayed
    ]  # fmt: skip
    return lines


def doubts(found: Ensemble) -> list[str]:
    """What a reader should doubt about these lists and these runs."""
    look = found.overlap
    lines = [_fed(pair) for pair in look.fed]
    lines += [_("{name} shares nobody with the other lists; those whom only such a list reaches are hardly counted.")
              .format(name=one) for one in look.apart]  # fmt: skip
    for run in found.runs:
        if run.estimate:
            lines += _of_run(run.estimate)
    if found.tables > 1:
        between = max((run.estimate.diagnostics.get("between", 0.0) for run in found.runs if run.estimate), default=0.0)
        lines.append(_("Who is the same person is not certain: {share} of the uncertainty comes from that (at most, over the "
                       "models; {tables} sampled answers).").format(share=percent(between), tables=found.tables))  # fmt: skip
    return lines


def limits() -> list[str]:
    """What no estimate of this kind can tell."""
    return [
        _("Nobody whom no list could ever have reached is counted; the unseen are a number, not persons."),
        _("It holds only if the lists tell of the same persons, place and time, and if nobody on them is counted twice or "
          "wrongly taken for somebody else."),
    ]  # fmt: skip


def _fed(pair: Pair) -> str:
    return _("{smaller} seems to feed on {larger}: {share} of it stands there too, and persons known to a third list are "
             "{odds} times likelier on one if they are on the other. If one was made from the other, leave it out.").format(
        smaller=pair.smaller, larger=pair.larger, share=percent(pair.share), odds=factor(pair.odds)
    )  # fmt: skip


def _of_run(one: Estimate) -> list[str]:
    model, told, lines = _(one.model), one.diagnostics, []
    if told.get("rhat", 1.0) > _SETTLED_RHAT or told.get("ess", _ENOUGH) < _ENOUGH:
        lines.append(_("{model}: the computation has not settled; let it run longer (--effort long).").format(model=model))
    p_values = [value for key, value in told.items() if key.startswith("p_")]
    if p_values and min(*p_values, 1 - max(p_values)) < _UNLIKELY / 2:
        lines.append(_("{model}: the overlaps it expects are unlike those that were seen; it fits these lists badly.")
                     .format(model=model))  # fmt: skip
    if told.get("no_independence", 0.0) > _UNLIKELY:
        lines.append(_("{model}: with a probability of {share} every list depends on every other, and then the overlaps say "
                       "nothing of the unseen.").format(model=model, share=percent(told["no_independence"])))  # fmt: skip
    if one.high > _WIDE * one.low:
        lines.append(_("{model}: the interval is so wide that it says little more than that there are unseen.")
                     .format(model=model))  # fmt: skip
    return lines


# -- as data and as text ------------------------------------------------------------------------------------------------


def run_data(run: Run, *, observed: bool = True) -> dict[str, Any]:
    """A run for --json: figures, diagnostics and the settings that make it again."""
    data: dict[str, Any] = {"model": run.choice.model, "choice": run.choice.settings()}
    if run.estimate is None:
        return {**data, "why": run.why}
    one = run.estimate
    return {
        **data, "point": round(one.point, 1), "low": round(one.low, 1), "high": round(one.high, 1), "level": one.level,
        **({"documented": one.observed, "unseen": [max(0.0, round(end - one.observed, 1)) for end in (one.low, one.high)]}
           if observed else {}),
        "diagnostics": {key: round(value, 4) for key, value in one.diagnostics.items()}, "settings": one.settings,
        **({"trace": _trace(one)} if observed and _one_run(one) else {}),
    }  # fmt: skip


def _one_run(one: Estimate) -> bool:
    """Whether its draws are those of chains of one table, and not of several put together."""
    return "chains" in one.settings and not {"tables", "strata"} & set(one.settings)


def _trace(one: Estimate) -> list[list[int]]:
    """Some draws of each chain in their order, to be drawn: chains that walk apart or drift have not settled."""
    chains = one.draws.reshape(int(one.settings["chains"]), -1)
    return [[int(total) for total in chain] for chain in trace(chains, _TRACED)]


def ensemble_data(found: Ensemble, *, of_record: bool) -> dict[str, Any]:
    """An ensemble for --json. ``of_record``: what could tell of fewer than SMALL persons is left out."""
    look = found.overlap
    return {
        "lists": {one: size if not of_record or not 0 < size < SMALL else None for one, size in look.sizes.items()},
        "documented": found.observed, "on two lists or more": look.twice, "tables": found.tables,
        "pairs": [{"lists": [pair.smaller, pair.larger], "share": round(pair.share, 2), "odds": round(pair.odds, 2),
                   "interval": [round(pair.low, 2), round(pair.high, 2)], "feeds": pair.feeds} for pair in look.pairs
                  if not of_record or _safe(pair)],
        "models": [run_data(run) for run in found.runs], "priors": [run_data(run, observed=False) for run in found.priors],
        "without": {one: [run_data(run, observed=not of_record) for run in runs] for one, runs in found.without.items()},
        "disagreement": round(found.disagreement, 2), "disagrees": disagreements(found), "doubts": doubts(found),
    }  # fmt: skip


def _safe(pair: Pair) -> bool:
    return all(count == 0 or count >= SMALL for count in (pair.shared, pair.persons - pair.shared))


def strata_data(found: Strata, *, of_record: bool) -> dict[str, Any]:
    """Strata and totals for --json."""
    documented = _documented(found, of_record=of_record)
    return {
        "documented": found.observed, "total": [run_data(run) for run in found.runs],
        "strata": {
            one: {"documented": documented[one], **_part_data(part, hidden=documented[one] is None)}
            for one, part in found.parts.items()
        },
    }  # fmt: skip


def _part_data(part: Ensemble | str, *, hidden: bool) -> dict[str, Any]:
    if isinstance(part, str):
        return {"why": part}
    return {
        "models": [run_data(run, observed=not hidden) for run in part.runs],
        "disagrees": disagreements(part), "doubts": doubts(part),
    }  # fmt: skip


def _documented(found: Strata, *, of_record: bool) -> dict[str, int | None]:
    return shown_strata(found.documented) if of_record else dict(found.documented)


Section = tuple[str, list[str]]
"""A title and its lines."""


def ensemble_sections(found: Ensemble, *, of_record: bool) -> list[Section]:
    """What a reader is shown of an ensemble beside its summary; empty sections are left out."""
    sizes = "; ".join(
        f"{one} {_('under {n}').format(n=SMALL) if of_record and 0 < size < SMALL else number(size)}"
        for one, size in found.overlap.sizes.items()
    )
    told = _("Lists: {sizes}. On two lists or more: {twice}.").format(sizes=sizes, twice=number(found.overlap.twice))
    left = [
        f"{_('without {name}').format(name=one)}, {_ended(name(run), _short(run))}"
        for one, runs in found.without.items() for run in runs
    ]  # fmt: skip
    sections = [
        (_("By each model"), [told, *(_ended(name(run), sentence(run)) for run in found.runs)]),
        (_("Under other priors"), [_ended(name(run), sentence(run)) for run in found.priors]),
        (_("With a list left out"), left),
        (_("What disagrees"), disagreements(found)),
        (_("What to doubt"), [*doubts(found), *limits()]),
    ]
    return [(title, lines) for title, lines in sections if lines]


def strata_sections(found: Strata, *, of_record: bool) -> list[Section]:
    """What a reader is shown of strata beside the summary of their total."""
    documented = _documented(found, of_record=of_record)
    sections = [(_("All strata together, by each model"), [_ended(name(run), sentence(run)) for run in found.runs])]
    for one, part in found.parts.items():
        told = documented[one]
        shown = _("too few to tell") if told is None else number(told)
        title = _("{stratum} (documented: {documented})").format(stratum=one, documented=shown)
        sections.append((title, _part_lines(part, hidden=told is None)))
    return [*sections, (_("What to doubt"), limits())]


def _part_lines(part: Ensemble | str, *, hidden: bool) -> list[str]:
    """A stratum's runs; ``hidden``: nothing from which its documented could be told."""
    if isinstance(part, str):
        return [_("not estimable: {why}").format(why=part)]
    runs = [_ended(name(run), _short(run) if hidden else sentence(run)) for run in part.runs]
    return [*runs, *disagreements(part), *doubts(part)]


def told(found: Ensemble | Strata, what: str, *, of_record: bool) -> tuple[str, list[Section], dict[str, Any]]:
    """(summary, sections, data for --json) of what was estimated. ``of_record``: small counts are not told."""
    if isinstance(found, Strata):
        parts, data = strata_sections(found, of_record=of_record), strata_data(found, of_record=of_record)
    else:
        parts, data = ensemble_sections(found, of_record=of_record), ensemble_data(found, of_record=of_record)
    return summary(found.runs, found.observed, what), parts, {"what": what, **data, "limits": limits()}


def _ended(model: str, words: str) -> str:
    return f"{model}: {words.removesuffix('.')}."


def _short(run: Run) -> str:
    if run.estimate is None:
        return _("not estimable: {why}").format(why=run.why)
    one = run.estimate
    return f"{number(one.point)} ({number(one.low)}–{number(one.high)})"


def row(run: Run, observed: int) -> dict[str, Any]:
    """A run as a row of the figure's table twin."""
    found: dict[str, Any] = {"model": name(run), "documented": observed, "why": run.why}
    if run.estimate:
        low, high = run.estimate.low, run.estimate.high
        found |= {"low": round(low), "middle": round(run.estimate.point), "high": round(high),
                "unseen_low": max(0, round(low - observed)), "unseen_high": max(0, round(high - observed))}  # fmt: skip
    return found
