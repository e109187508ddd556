"""The verb ``estimate``: how many there are in all, from lists that overlap; each model apart, with what to doubt."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from amparo.analysis import ensemble
from amparo.analysis.capture import CaptureTable
from amparo.analysis.ensemble import Effort, Ensemble, Strata
from amparo.app import estimates, estimates_words
from amparo.app.estimates_figure import figure
from amparo.app.naming import refuse_names
from amparo.app.session import Session, check_stop, require_folder, stops_when_asked
from amparo.cli.common import names_at_hand, opened, passphrase_option, progress, read_text, verb
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _, ngettext
from amparo.vault.disk import Disk

Result = tuple[dict[str, Any], str]
EFFORTS: Final = {
    "quick": ensemble.QUICK, "usual": Effort(),
    "long": Effort(chains=4, draws=2500, burn_in=100_000, thin=100, bootstrap=2000, graph_draws=40_000),
}  # fmt: skip


class FigureThere(BadInput):
    template = N_("{file} is there already; choose another name. Nothing was estimated.")


class TablesOrLists(BadInput):
    template = N_("Give either tables of counts (--table FILE) or lists of the record (--list NAME=S-0001,S-0002), "
                  "not {given}.")  # fmt: skip
    exit_code = 2


@click.command(
    help=_(
        "Estimate how many there are in all from three or more lists that overlap: documented, estimated, unseen. Several "
        "models are shown side by side and never averaged; where the lists cannot tell, that is said and why. Only counts "
        "are used and shown, never persons.\n\n"
        "Lists come from the record (whom the sources of a list call the victim of an act) or from a table of counts: a "
        "column for each list (1: on it, 0: not) and a last column Freq. Several tables are strata that share no person.\n\n"
        "It ends with 0 if a model could be fitted, with 4 if none could and the lists say why, with 130 if stopped.\n\n"
        "Example: amparo estimate --list hospital=S-0001,S-0002 --list relatives=S-0007 --list press=S-0011 --by year"
    )
)
@click.option(
    "--table",
    "tables",
    multiple=True,
    type=click.File(encoding="utf-8-sig"),
    help=_("A table of counts as CSV; “-” reads it from standard input. May be given again: strata."),
)
@click.option(
    "--list",
    "lists",
    multiple=True,
    metavar="NAME=SOURCES",
    help=_("A list of the record: a name and its sources, or the name of an import."),
)
@click.option(
    "--by",
    default="",
    metavar="|".join(estimates.BY),
    help=_("Estimate each year, place, region or type of act apart, and their sum. Never by ground."),
)
@click.option("--act", default="", metavar="TYPE", help=_("Only victims of this type of act."))
@click.option("--what", default="", help=_("What is counted, in a word or two, as it shall be printed (“Persons killed”)."))
@click.option("--without", is_flag=True, help=_("Also with each list left out."))
@click.option("--priors", is_flag=True, help=_("Also under other priors."))
@click.option(
    "--figure",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help=_("Write a figure for a report (SVG)."),
)
@click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(0, 2**31 - 1), help=_("The same seed gives the same figures.")
)
@click.option(
    "--level", default=0.95, show_default=True, type=click.FloatRange(0.5, 0.999), help=_("How much the intervals hold.")
)
@click.option(
    "--effort", type=click.Choice(list(EFFORTS)), default="usual", show_default=True, help=_("How long the computation runs.")
)
@passphrase_option
@verb
def estimate(
    tables: tuple[Any, ...], lists: tuple[str, ...], by: str, act: str, what: str, without: bool, priors: bool,
    target: Path | None, seed: int, level: float, effort: str, passphrase_fd: int | None, folder: Path | None,
) -> Result:  # fmt: skip
    if bool(tables) == bool(lists) or (tables and (by or act)):
        raise TablesOrLists(given=_("both") if tables else _("neither"))
    if target is not None:
        require_folder(target)
        if target.exists():
            raise FigureThere(file=str(target))
    if (by or len(tables) > 1) and (without or priors):
        raise click.UsageError(_("--without and --priors are for lists as a whole; leave --by and further tables away."))
    what = what.strip() or _("Persons")
    settings = {"effort": EFFORTS[effort], "seed": seed, "level": level}
    if tables:
        named = _named(tables)
        strata = named if len(named) > 1 else {}
        found = _estimated(next(iter(named.values())), strata, settings, without=without, priors=priors)
        return _told(found, what, seed, target, None)
    named_lists = dict(estimates.list_from(text) for text in lists)
    with opened(folder, identities=names_at_hand(folder), descriptor=passphrase_fd) as session:
        refuse_names(session, {_("name of a list"): " ".join(named_lists), _("what is counted"): what})
        with progress(_("Reading")) as bar:
            counted = estimates.count(session, named_lists, by=by, act=act, progress=bar)
        found = _estimated(counted.tables, counted.strata, settings, without=without, priors=priors)
        data, text = _told(found, what, seed, target, session)
    return {**data, "demo": session.demo, "groups": counted.groups, "same person": counted.merged}, text + _beside(counted)


def _named(tables: tuple[Any, ...]) -> dict[str, tuple[CaptureTable, ...]]:
    """The tables by the names of their files."""
    found = {Path(str(one.name)).stem: (CaptureTable.read(read_text(one).splitlines()),) for one in tables}
    if len(found) != len(tables):
        raise click.UsageError(_("Two tables have the same name; a stratum is called by the name of its file."))
    return found


def _estimated(
    tables: tuple[CaptureTable, ...],
    strata: dict[str, tuple[CaptureTable, ...]],
    settings: dict[str, Any],
    *,
    without: bool,
    priors: bool,
) -> Ensemble | Strata:
    with progress(_("Estimating")) as bar, stops_when_asked():
        told = _looking(bar)
        found: Ensemble | Strata = (
            ensemble.stratified(strata, progress=told, **settings) if strata
            else ensemble.run(tables, progress=told, without=without, priors=priors, **settings)
        )  # fmt: skip
    found.require_some()
    return found


def _looking(bar: Callable[..., None]) -> ensemble.Progress:
    def update(done: int, total: int, what: str) -> None:
        check_stop()
        bar(done, total, what)

    return update


def _told(found: Ensemble | Strata, what: str, seed: int, target: Path | None, session: Session | None) -> Result:
    """Data and text; the figure, if asked for, is written last."""
    of_record = session is not None
    if isinstance(found, Strata):
        runs, data = found.totals, estimates_words.strata_data(found, of_record=of_record)
        lines = estimates_words.strata_lines(found, what, of_record=of_record)
    else:
        runs, data = found.runs, estimates_words.ensemble_data(found, of_record=of_record)
        lines = estimates_words.ensemble_lines(found, what, of_record=of_record)
    data = {"what": what, "seed": seed, **data, "limits": estimates_words.limits()}
    if target is not None:
        drawn = figure(runs, found.observed, what).encode()
        if session is not None:
            session.note_access("export figure of an estimate", "", "counts")
        (session.disk if session else Disk()).atomic_write(target, drawn)
        data["figure"] = str(target)
        lines += ["", _("Figure: {file}").format(file=target)]
    return data, "\n".join(lines)


def _beside(counted: estimates.Counted) -> str:
    """What was and was not counted of the record."""
    lines = []
    if counted.groups:
        lines.append(ngettext("{n} group is said to be a victim; groups are not counted as persons.",
                              "{n} groups are said to be victims; groups are not counted as persons.", counted.groups)
                     .format(n=counted.groups))  # fmt: skip
    if counted.merged:
        lines.append(ngettext("{n} handle was counted with another, because a claim says that it is the same person.",
                              "{n} handles were counted with others, because claims say that they are the same persons.",
                              counted.merged).format(n=counted.merged))  # fmt: skip
    return "".join(f"\n{line}" for line in lines)


COMMANDS = [estimate]
