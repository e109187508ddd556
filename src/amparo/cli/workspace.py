"""Verbs that make, unlock, lock, destroy, back up and restore a workspace."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from amparo.app import opening
from amparo.cli.common import (
    Passphrases,
    find_workspace,
    opened,
    passphrase_option,
    progress,
    read_text,
    unlock_if_needed,
    verb,
)
from amparo.kernel.i18n import _
from amparo.vault import recovery

Result = tuple[dict[str, Any], str]
_SIGNS = 16  # of a line of the recovery sheet


@click.command(
    help=_(
        "Make a new workspace in a folder that is new or empty. Asks for two passphrases of at least twelve characters.\n\n"
        "Example: amparo init ~/case"
    )
)
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--sheet", type=click.Path(path_type=Path), help=_("Write the recovery sheet to this new file instead of the screen.")
)
@passphrase_option
@verb
def init(target: Path, sheet: Path | None, passphrase_fd: int | None) -> Result:
    ask = Passphrases(passphrase_fd)
    everyday = ask.ask(_("New passphrase (everyday work)"), confirm=passphrase_fd is None)
    identities = ask.ask(_("New passphrase of the identities (a different one)"), confirm=passphrase_fd is None)
    founded = opening.create(target, everyday, identities)
    text = recovery.sheet_text(founded.recovery, target.name)
    if sheet is not None:
        descriptor = os.open(sheet, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        shown = _("The recovery sheet is in {sheet}: print it, keep it elsewhere, and delete the file.").format(sheet=sheet)
    else:
        shown = text + "\n" + _("Print or copy this sheet now; it is shown once. Then clear the screen and its scroll-back.")
    data = {"workspace": str(target), "recovery_sheet": str(sheet) if sheet else None, "recovery_text": None if sheet else text}
    return data, _("Made the workspace {folder}.").format(folder=target) + "\n\n" + shown


@click.command(help=_("Unlock a workspace for a while.\n\nExample: amparo unlock --identities"))
@click.option("--identities", is_flag=True, help=_("Unlock the sealed identities too (own passphrase, own shorter limit)."))
@passphrase_option
@verb
def unlock(identities: bool, passphrase_fd: int | None, folder: Path | None) -> Result:
    place = find_workspace(folder)
    ask = Passphrases(passphrase_fd) if passphrase_fd is not None else None
    unlock_if_needed(place, identities=identities, passphrases=ask)
    state = opening.agent_status(place)
    return {"workspace": str(place), **state}, _("Unlocked: {rings}. `amparo lock` ends it.").format(
        rings=", ".join(sorted(state["rings"]))
    )


@click.command(help=_("Forget all keys and end everything that holds them.\n\nExample: amparo lock"))
@verb
def lock(folder: Path | None) -> Result:
    place = find_workspace(folder)
    ran = opening.lock(place)
    return {"workspace": str(place), "was_unlocked": ran}, _("Locked.") if ran else _("It was locked already.")


@click.command(
    help=_(
        "Destroy the keys of this workspace at once. Only the recovery sheet can open it again; with --no-recovery only a "
        "backup can.\n\nExample: amparo panic --yes"
    )
)
@click.option("--no-recovery", is_flag=True, help=_("Destroy the recovery slot too: what is not in a backup is lost for good."))
@click.option("--yes", is_flag=True, help=_("Do not ask."))
@verb
def panic(no_recovery: bool, yes: bool, folder: Path | None) -> Result:
    place = find_workspace(folder)
    if not yes:
        click.confirm(_("Destroy the keys of {folder}?").format(folder=place), abort=True, err=True)
    report = opening.panic(place, recovery_too=no_recovery)
    text = (
        _("The keys are destroyed. Neither passphrase nor recovery sheet opens this workspace; only an earlier backup would.")
        if no_recovery
        else _("The keys are destroyed; no passphrase opens the workspace any more, only the sheet (`amparo recover`).")
    )
    data = {
        "workspace": str(place), "recovery_destroyed": no_recovery, "complete": report.complete,
        "slots": [slot._asdict() for slot in report.slots], "killed": len(report.killed),
    }  # fmt: skip
    return data, text if report.complete else _("Not everything could be destroyed: look at --json, and destroy the disk.")


def _typed_code() -> recovery.RecoveryCode:
    """The recovery code from the terminal, line by line; a line with a typing error is asked for again."""

    def ask(number: int) -> str:
        text = _("Line {number} of the recovery sheet (not shown as you type)").format(number=number)
        return str(click.prompt(text, hide_input=True, err=True))

    if not sys.stdin.isatty():
        raise click.UsageError(
            _("There is no terminal to ask on; give the recovery code with --sheet FILE (- for standard input).")
        )
    lines = [ask(1)]
    if sum(map(str.isalnum, lines[0])) < 2 * _SIGNS:  # else all lines were given as one
        lines += [ask(number) for number in range(2, recovery.LINES + 1)]
    while True:
        try:
            return recovery.RecoveryCode.read("\n".join(lines))
        except recovery.RecoveryCodeMistyped as error:
            if len(lines) == 1:
                raise
            click.echo(str(error), err=True)
            number = int(str(error.facts["line"]))
            lines[number - 1] = ask(number)


@click.command(help=_("Open with the recovery sheet, typed line by line, and set new passphrases.\n\nExample: amparo recover"))
@click.option(
    "--sheet", type=click.File("r", encoding="utf-8"), help=_("Read the recovery code from this file (- for standard input).")
)
@passphrase_option
@verb
def recover(sheet: Any, passphrase_fd: int | None, folder: Path | None) -> Result:
    place = find_workspace(folder)
    code = recovery.RecoveryCode.read(read_text(sheet)) if sheet else _typed_code()
    ask = Passphrases(passphrase_fd)
    everyday = ask.ask(_("New passphrase (everyday work)"), confirm=passphrase_fd is None)
    identities = ask.ask(_("New passphrase of the identities (a different one)"), confirm=passphrase_fd is None)
    opening.recover(place, code, everyday, identities)
    return {"workspace": str(place)}, _("The new passphrases are set; the recovery sheet stays valid.")


@click.command(
    help=_("Copy what is sealed into a folder; run it again to copy what changed.\n\nExample: amparo backup /media/stick/case")
)
@click.argument("target", type=click.Path(path_type=Path))
@passphrase_option
@verb
def backup(target: Path, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, descriptor=passphrase_fd) as session, progress(_("Backing up")) as bar:
        changed, written = opening.back_up(session, target, bar)
        data = {"backup": str(target), "files": changed, "bytes": written, "demo": session.demo}
    return data, _("Backed up: {files} files changed, {bytes} bytes written to {folder}.").format(
        files=changed, bytes=written, folder=target
    )


@click.command(
    help=_(
        "Restore a backup into a new folder, as a new device of the same workspace.\n\nExample: amparo "
        "restore /media/stick/case ~/case"
    )
)
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.argument("target", type=click.Path(path_type=Path))
@passphrase_option
@verb
def restore(source: Path, target: Path, passphrase_fd: int | None) -> Result:
    ask = Passphrases(passphrase_fd)
    everyday = ask.ask(_("Passphrase"))
    identities = ask.ask(_("Passphrase of the identities"))
    with progress(_("Restoring")) as bar:
        number = opening.restore(source, target, everyday, identities, progress=bar)
    text = _("Restored to {folder} as device number {number}. Verify it with `amparo verify -w {folder}`.")
    return {"workspace": str(target), "device": number}, text.format(folder=target, number=number)


COMMANDS = [init, unlock, lock, panic, recover, backup, restore]
