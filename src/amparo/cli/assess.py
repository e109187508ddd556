"""The verb ``assess``: weigh claims for and against a proposition, at a standard of proof, with reasons."""

from pathlib import Path
from typing import Any

import click

from amparo.app import desk_assess
from amparo.cli.common import names_at_hand, opened, passphrase_option, verb
from amparo.kernel.i18n import _
from amparo.record import vocabulary

Result = tuple[dict[str, Any], str]


@click.command(
    help=_(
        "Assess a proposition: which claims speak for and against it, at which standard of proof, with which outcome and "
        "why.\n\n"
        'Example: amparo assess "He was held at the first place." --standard "balance of probabilities" --outcome reached '
        '--for C-0007 --against C-0008 --assessor "case lead" --reasons "two sources that do not know of each other"'
    )
)
@click.argument("proposition")
@click.option("--standard", type=click.Choice(vocabulary.load().terms("standard of proof")), required=True,
              help=_("How sure one must be."))  # fmt: skip
@click.option("--outcome", type=click.Choice(vocabulary.load().terms("assessment outcome")), required=True,
              help=_("What is concluded at that standard."))  # fmt: skip
@click.option("--reasons", required=True, help=_("Why; a dossier prints it."))
@click.option("--for", "claims_for", multiple=True, metavar="CLAIM", help=_("A claim that speaks for it; may be given again."))
@click.option("--against", "claims_against", multiple=True, metavar="CLAIM", help=_("A claim that speaks against it."))
@click.option("--assessor", required=True, help=_("Who assesses: a role or a code; a dossier prints it."))
@click.option("--supersedes", default="", metavar="ASSESSMENT", help=_("The earlier assessment that this one replaces."))
@passphrase_option
@verb
def assess(
    proposition: str, standard: str, outcome: str, reasons: str, claims_for: tuple[str, ...], claims_against: tuple[str, ...],
    assessor: str, supersedes: str, passphrase_fd: int | None, folder: Path | None,
) -> Result:  # fmt: skip
    with opened(folder, identities=names_at_hand(folder), descriptor=passphrase_fd) as session:
        handle = desk_assess.assess(
            session, proposition=proposition, standard=standard, outcome=outcome, reasons=reasons, assessor=assessor,
            claims_for=claims_for, claims_against=claims_against, supersedes=supersedes,
        )  # fmt: skip
        data = {"demo": session.demo, "handle": handle, "supersedes": supersedes or None}
    return data, _("Recorded: assessment {handle}.").format(handle=handle)


COMMANDS = [assess]
