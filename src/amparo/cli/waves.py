"""The verb ``waves``: stretches in which more was documented than before and after, or that none can be told."""

from pathlib import Path
from typing import Any

import click

from amparo.app.figures import require_new, write_counts
from amparo.app.session import Session, stops_when_asked
from amparo.cli.common import names_at_hand, opened, passphrase_option, progress, verb
from amparo.kernel.i18n import _

Result = tuple[dict[str, Any], str]


@click.command(
    help=_(
        "Look for waves in the dated acts of the record: when more was documented than before and after, each bound with its "
        "band. Acts count on the day they happened; acts dated by month or year are spread; late reports are reckoned with; "
        "each source is left out once, so that a new collector is not read as a wave. Where the dates cannot tell, that is "
        "said and why. What somebody calls a wave is shown as an assertion and not counted.\n\n"
        "Example: amparo waves --act arrest --act round-up --from 2017 --to 2019 --figure waves.svg"
    )
)
@click.option("--act", "acts", multiple=True, metavar="TYPE", help=_("Only acts of this type; may be given again."))
@click.option("--place", default="", metavar="HANDLE", help=_("Only acts at this place, or in it."))
@click.option("--from", "since", default="", metavar="DATE", help=_("From this date on."))
@click.option("--to", "until", default="", metavar="DATE", help=_("Up to this date."))
@click.option("--states", default=2, show_default=True, type=click.IntRange(2, 5),
              help=_("2: background and wave; more: waves of several heights."))  # fmt: skip
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0, 2**31 - 1),
              help=_("The same seed gives the same figures."))  # fmt: skip
@click.option("--figure", "target", type=click.Path(path_type=Path, dir_okay=False), default=None,
              help=_("Write a figure for a report (SVG)."))  # fmt: skip
@click.option("--demonstration", is_flag=True,
              help=_("On a generated population with known waves; the record is not looked at."))  # fmt: skip
@passphrase_option
@verb
def waves(
    acts: tuple[str, ...], place: str, since: str, until: str, states: int, seed: int, target: Path | None, demonstration: bool,
    passphrase_fd: int | None, folder: Path | None,
) -> Result:  # fmt: skip
    from amparo.app import waves as work  # slow to load, and the help does without

    if target is not None:
        require_new(target)
    asked = {"since": since, "until": until, "states": states, "seed": seed}
    if demonstration:
        counted, true = work.demonstration()
        data, text = _told(counted, asked, target, None)
        shown = "; ".join(f"{low} – {high}" for low, high in true)
        return {**data, "made_up": True, "true": true}, f"{_('MADE UP: a generated population.')}\n{text}\n\n" + _(
            "The true waves: {waves}").format(waves=shown)  # fmt: skip
    with opened(folder, identities=names_at_hand(folder), descriptor=passphrase_fd) as session:
        with progress(_("Reading")) as bar, stops_when_asked():
            counted = work.count(session, acts=acts, place=place, progress=bar)
        data, text = _told(counted, asked, target, session)
        return {**data, "demo": session.demo}, text


def _told(counted: Any, asked: dict[str, Any], target: Path | None, session: Session | None) -> Result:
    from amparo.app import waves as work
    from amparo.app import waves_figure, waves_words

    with progress(_("Looking for waves")) as bar, stops_when_asked():
        found = work.look(counted, **asked, progress=bar)
    data = waves_words.data(found, counted)
    lines = [data["summary"]]
    for section in data["sections"]:
        lines += ["", section["title"], *(f"  {line}" for line in section["lines"])]
    if target is not None:
        write_counts(session, target, waves_figure.figure(found), "export figure of waves")
        data["figure"] = str(target)
        lines += ["", _("Figure: {file}").format(file=target)]
    return data, "\n".join(lines)


COMMANDS = [waves]
