"""The main job in one verb: the worked example from tables to a court-ready dossier."""

from pathlib import Path
from typing import Any

import click

from amparo.app import demonstration
from amparo.cli.common import progress, verb
from amparo.kernel.i18n import _

Result = tuple[dict[str, Any], str]


@click.command(
    help=_(
        "Make a demonstration workspace from the worked example and write its dossier.\n\n"
        "Example: amparo demo --workspace demo/workspace --pdf demo/dossier.pdf"
    )
)
@click.option(
    "--example",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path("examples/public-record"),
    show_default=True,
)
@click.option("--pdf", type=click.Path(path_type=Path), default=Path("demo/dossier.pdf"), show_default=True)
@verb
def demo(example: Path, pdf: Path, folder: Path | None) -> Result:
    place = folder or Path("demo/workspace")
    with progress(_("Importing the worked example")) as bar:
        data = demonstration.run(place, example, pdf, bar)
    text = _(
        "Made the demonstration workspace {workspace} and the dossier {pdf} ({pages} pages).\n"
        "Every identity in it is made up. How to go on:\n"
        "  {run} status --workspace {workspace}\n"
        '  {run} search "Argun" --workspace {workspace}\n'
        "  {run} trace F047 --workspace {workspace}\n"
        "  {run} verify --workspace {workspace}\n"
        "  {run} lock --workspace {workspace}"
    ).format(run=demonstration.RUN, **data)
    return data, text


COMMANDS = [demo]
