"""Verbs that keep the workspace honest: verify, checkpoint, rebuild."""

from pathlib import Path
from typing import Any

import click

from amparo.app import care
from amparo.cli.common import opened, passphrase_option, progress, read_text, verb
from amparo.kernel.i18n import _
from amparo.ledger import checkpoint as checkpoints

Result = tuple[dict[str, Any], str]


@click.command(
    help=_(
        "Verify the ledger: every signature, hash, order and sealed part; with --checkpoint also that its end is not cut off."
        "\n\nExample: amparo verify --checkpoint 2026-11.txt"
    )
)
@click.option(
    "--checkpoint", type=click.File("r", encoding="utf-8"), help=_("A checkpoint kept elsewhere (- for standard input).")
)
@click.option("--quick", is_flag=True, help=_("Entries only, not the sealed parts."))
@click.option(
    "--identities", is_flag=True, help=_("Unlock the identities too, so that their parts are opened, not only hashed.")
)
@passphrase_option
@verb
def verify(checkpoint: Any, quick: bool, identities: bool, passphrase_fd: int | None, folder: Path | None) -> Result:
    seen = checkpoints.parse(read_text(checkpoint)) if checkpoint else None
    with opened(folder, identities=identities, descriptor=passphrase_fd) as session, progress(_("Verifying")) as bar:
        data = care.verify(session, checkpoint=seen, bodies=not quick, progress=bar)
    text = (
        _("Verified: {entries:,} entries, devices: {devices}; the sealed parts were not looked at.")
        if quick
        else _("Verified: {entries:,} entries, devices: {devices}; {parts:,} sealed parts, {erased:,} erased by tombstone.")
    )
    lines = [text.format(**data)]
    if seen:
        lines.append(_("Nothing is missing since the checkpoint of {checkpoint}.").format(**data))
    else:
        lines.append(_("Without --checkpoint, one kept elsewhere, nobody can tell whether the ledger's end was cut off."))
    if data["unfinished_bytes"]:
        lines.append(
            _("A write was cut short ({unfinished_bytes} bytes, never acknowledged); the next entry replaces it.").format(
                **data
            )
        )
    lines += [_("Look at: {warning}").format(warning=warning) for warning in data["warnings"]]
    return data, "\n".join(lines)


@click.command(
    help=_(
        "Sign the heads of the ledger; print or send the result and keep it elsewhere.\n\n"
        "Example: amparo checkpoint > 2026-11.txt"
    )
)
@passphrase_option
@verb
def checkpoint(passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, descriptor=passphrase_fd) as session:
        made = care.checkpoint(session)
        data = {
            "demo": session.demo, "date": made.date, "checkpoint": made.text(),
            "heads": {head.device.hex(): [head.seq, head.hash.hex()] for head in made.heads},
        }  # fmt: skip
    return data, made.text()


@click.command(help=_("Throw the views away and make them anew from the ledger.\n\nExample: amparo rebuild"))
@click.option("--identities", is_flag=True, help=_("The view of the identities too."))
@passphrase_option
@verb
def rebuild(identities: bool, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, identities=identities, descriptor=passphrase_fd) as session:
        data = care.rebuild(session)
    return data, _("Made anew: {list}.").format(list=", ".join(data["rebuilt"]))


COMMANDS = [verify, checkpoint, rebuild]
