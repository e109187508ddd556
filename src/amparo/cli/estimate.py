"""The verb ``estimate``: how many there are in all, from lists that overlap; each model apart, with what to doubt."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from amparo.analysis.capture import CaptureTable
from amparo.app import estimates
from amparo.app.estimates import Counted
from amparo.app.figures import require_new, write_counts
from amparo.app.naming import refuse_names
from amparo.app.session import Session, stops_when_asked
from amparo.cli.common import names_at_hand, opened, passphrase_option, progress, read_text, verb
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _

Result = tuple[dict[str, Any], str]


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
@click.option(
    "--linkage", default=0, metavar="N", type=click.IntRange(0, 100),
    help=_("Carry into the intervals that who is the same person is uncertain: N sampled answers by sealed names (unlocked)."),
)
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
    "--effort", type=click.Choice(estimates.EFFORTS), default="usual", show_default=True,
    help=_("How long the computation runs."),
)
@passphrase_option
@verb
def estimate(
    tables: tuple[Any, ...], lists: tuple[str, ...], by: str, act: str, linkage: int, what: str, without: bool, priors: bool,
    target: Path | None, seed: int, level: float, effort: str, passphrase_fd: int | None, folder: Path | None,
) -> Result:  # fmt: skip
    if bool(tables) == bool(lists) or (tables and (by or act or linkage)):
        raise TablesOrLists(given=_("both") if tables else _("neither"))
    if target is not None:
        require_new(target)
    if (by or len(tables) > 1) and (without or priors):
        raise click.UsageError(_("--without and --priors are for lists as a whole; leave --by and further tables away."))
    what = what.strip() or _("Persons")
    settings = {"effort": effort, "seed": seed, "level": level, "without": without, "priors": priors}
    if tables:
        return _told(Counted.of_tables(_named(tables)), what, settings, target, None)
    named_lists = dict(estimates.list_from(text) for text in lists)
    with opened(folder, identities=bool(linkage) or names_at_hand(folder), descriptor=passphrase_fd) as session:
        refuse_names(session, {_("name of a list"): " ".join(named_lists), _("what is counted"): what})
        with progress(_("Reading")) as bar:
            samples = _samples(session, linkage, seed, bar) if linkage else []
            counted = estimates.count(session, named_lists, by=by, act=act, samples=samples, progress=bar)
        data, text = _told(counted, what, settings, target, session)
        return {**data, "demo": session.demo, "groups": counted.groups, "same person": counted.merged}, text


def _samples(session: Session, number: int, seed: int, bar: Callable[..., None]) -> list[dict[str, int]]:
    from amparo.app import same_compare  # slow to load, and only this asks for it

    return same_compare.clusterings(session, number, seed, lambda stage: bar(0, 1, stage))


def _named(tables: tuple[Any, ...]) -> dict[str, CaptureTable]:
    """The tables by the names of their files."""
    found = {Path(str(one.name)).stem: CaptureTable.read(read_text(one).splitlines()) for one in tables}
    if len(found) != len(tables):
        raise click.UsageError(_("Two tables have the same name; a stratum is called by the name of its file."))
    return found


def _told(
    counted: Counted, what: str, settings: dict[str, Any], target: Path | None, session: Session | None
) -> Result:  # fmt: skip
    """Estimate; data and text. The figure, if asked for, is written last."""
    from amparo.app import estimates_figure, estimates_run, estimates_words  # slow to load, and the help does without

    with progress(_("Estimating")) as bar, stops_when_asked():
        found = estimates_run.estimated(counted, progress=bar, **settings)
    summary, sections, data = estimates_words.told(found, what, of_record=session is not None)
    lines = [summary, *counted.beside()]
    for title, several in sections:
        lines += ["", title, *(f"  {line}" for line in several)]
    if target is not None:
        drawn = estimates_figure.figure(found.runs, found.observed, what)
        write_counts(session, target, drawn, "export figure of an estimate")
        data["figure"] = str(target)
        lines += ["", _("Figure: {file}").format(file=target)]
    return {**data, "seed": settings["seed"]}, "\n".join(lines)


COMMANDS = [estimate]
