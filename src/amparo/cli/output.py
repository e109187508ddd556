"""The verb that lets something out, through the gate: dossier."""

from pathlib import Path
from typing import Any

import click

from amparo.app import release
from amparo.cli.common import opened, passphrase_option, verb
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _
from amparo.protect.gate import Override
from amparo.record.model import AUDIENCES, PURPOSES

Result = tuple[dict[str, Any], str]


class BadOverride(BadInput):
    template = N_("“{text}” is not an override; write FINDING=REASON, with the finding's id from the gate's report.")
    exit_code = 2


@click.command(
    help=_(
        "Build the dossier and let it out through the gate, as PDF or as JSON.\n\n"
        "Example: amparo dossier --purpose prosecution --audience court --out dossier.pdf"
    )
)
@click.option("--kind", type=click.Choice(["record"]), default="record", show_default=True)
@click.option("--format", "form", type=click.Choice(["pdf", "json"]), default="pdf", show_default=True)
@click.option(
    "--purpose",
    type=click.Choice(PURPOSES),
    required=True,
    help=_("What it is for; every source's consent is checked against it."),
)
@click.option("--audience", type=click.Choice(AUDIENCES), required=True, help=_("Who receives it."))
@click.option("--out", type=click.Path(path_type=Path), required=True, help=_("The file to write."))
@click.option(
    "--override",
    "overrides",
    multiple=True,
    metavar="FINDING=REASON",
    help=_("Let one finding out, for a reason that the dossier itself will print."),
)
@click.option("--title", default="", help=_("The title on its first page."))
@click.option(
    "--event", "events", multiple=True, metavar="HANDLE",
    help=_("Only what tells of this event and of what belongs to it, with whatever contradicts it; may be given again."),
)
@passphrase_option
@verb
def dossier(
    kind: str,  # noqa: ARG001  one kind so far; click checks it
    form: str,
    purpose: str,
    audience: str,
    out: Path,
    overrides: tuple[str, ...],
    title: str,
    events: tuple[str, ...],
    passphrase_fd: int | None,
    folder: Path | None,
) -> Result:
    asked = release.Asked(purpose, audience, tuple(override_pair(text) for text in overrides), form, title, events)
    with opened(folder, identities=True, descriptor=passphrase_fd) as session:
        data = release.dossier(session, asked, out)
    written = _("Wrote {file} ({bytes} bytes, SHA-256 {sha256}).").format(**data)
    return data, data.pop("report") + "\n" + written


def override_pair(text: str) -> Override:
    finding, equals, reason = text.partition("=")
    if not equals or not reason.strip():
        raise BadOverride(text=text)
    return Override(finding.strip(), reason.strip())


COMMANDS = [dossier]
