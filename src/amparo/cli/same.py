"""The verb ``same``: who may be one person, which pair to look at first, and what was decided about two handles."""

import importlib
from pathlib import Path
from typing import Any

import click

from amparo.app import same as app
from amparo.cli.common import names_at_hand, opened, passphrase_option, progress, verb
from amparo.kernel.i18n import _

Result = tuple[dict[str, Any], str]


@click.group(
    help=_(
        "Ask who is the same person: compare registered persons by sealed names and what the record tells, decide, and take a "
        "decision back. Nobody is ever merged.\n\n"
        "Example: amparo same queue"
    )
)
def same() -> None:
    """The group."""


def _comparing() -> Any:
    """Loaded when it is needed: linkage takes seconds to start, a decision none."""
    return importlib.import_module("amparo.app.same_compare")


def _who(shown: dict[str, Any]) -> str:
    return "  ".join(shown["persons"])


@same.command(
    help=_(
        "Show who may be one person: groups of handles, the link that holds each worst, and why. Needs the identities; "
        "names are compared in memory and not shown.\n\nExample: amparo same find"
    )
)
@passphrase_option
@verb
def find(passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, identities=True, descriptor=passphrase_fd) as session, progress(_("Comparing")) as bar:
        data = _comparing().find(session, lambda name: bar(0, 1, name))
    lines = []
    for one in data["clusters"]:
        if one["weight"] is None:
            lines.append(_("{who}: decided").format(who=_who(one)))
        else:
            lines.append(_("{who}: {percent:.1%} by the weakest link, {one} and {two}").format(
                who=_who(one), percent=one["probability"], one=one["held_by"][0], two=one["held_by"][1]))  # fmt: skip
            lines.append("    " + one["why"])
    if not lines:
        lines.append(_("No two persons look like one."))
    said = _("{count} persons with a name compared. These are suggestions: look with `amparo same show`.")
    lines.append(said.format(count=data["compared"]))
    if data["left_out"]:
        lines.append(_("{pairs} pairs that share only what is very common were not looked at.").format(pairs=data["left_out"]))
    return data, "\n".join(lines)


@same.command(
    help=_(
        "Show the pairs that the comparison leaves open, the one whose answer teaches most first; then what is decided.\n\n"
        "Example: amparo same queue --limit 10"
    )
)
@click.option("--limit", default=25, show_default=True, type=click.IntRange(1, 400), help=_("How many pairs at most."))
@passphrase_option
@verb
def queue(limit: int, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, identities=True, descriptor=passphrase_fd) as session, progress(_("Comparing")) as bar:
        data = _comparing().queue(session, limit, lambda name: bar(0, 1, name))
    lines = []
    for one in data["questions"]:
        lines.append(_("{who}: {percent:.0%}; the answer teaches {bits:.2f} bits").format(
            who=_who(one), percent=one["probability"], bits=one["teaches"]))  # fmt: skip
        lines.append("    " + one["why"])
    lines = lines or [_("No pair is left open.")]
    lines += [_decided(one) for one in data["decided"]]
    return data, "\n".join(lines)


def _decided(one: dict[str, Any]) -> str:
    words = _("{claim}: {one} and {two} are the same person: {why}") if one["same"] else _(
        "{claim}: {one} and {two} are different persons: {why}")  # fmt: skip
    return words.format(**one)


@same.command(
    help=_(
        "Show what agrees between two persons, each field with its weight (bits: above 0 speaks for one person, below for two)."
        " With --reason also what is sealed about both; an entry then says that somebody looked, and why.\n\n"
        "Example: amparo same show P-0001 P-0002"
    )
)
@click.argument("one")
@click.argument("two")
@click.option("--reason", default="", help=_("Why the sealed identities are shown; written to the record."))
@passphrase_option
@verb
def show(one: str, two: str, reason: str, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, identities=True, descriptor=passphrase_fd) as session, progress(_("Comparing")) as bar:
        data = _comparing().show(session, one, two, reason=reason, stage=lambda name: bar(0, 1, name))
    if data["weight"] is None:
        lines = [_("{who}: nothing worth a look in common.").format(who=_who(data))]
    else:
        said = _("{who}: {percent:.1%}, {weight:+.1f} bits")
        lines = [said.format(who=_who(data), percent=data["probability"], weight=data["weight"])]
        for found in data["reasons"]:
            agrees = f": {found['agrees']}" if found["agrees"] else ""
            lines.append(f"  {found['weight']:+6.1f}  {found['field']}{agrees}")
    lines += [_decided(found) for found in data["decided"]]
    for handle, sealed in data.get("sealed", {}).items():
        names = "; ".join(name["text"] for name in sealed.get("names", []))
        lines.append(f"{handle}: {names} {sealed.get('birth', '')}".rstrip())
    return data, "\n".join(lines)


@same.command(
    help=_(
        "Record that two handles are the same person, or are not, and why. A claim like any other: both handles stay, and it "
        'can be undone.\n\nExample: amparo same decide P-0001 P-0002 --same --why "same document number in both files"'
    )
)
@click.argument("one")
@click.argument("two")
@click.option("--same", "said", flag_value="same", help=_("They are the same person."))
@click.option("--different", "said", flag_value="different", help=_("They are two persons."))
@click.option("--why", required=True, help=_("The reason, without names."))
@passphrase_option
@verb
def decide(one: str, two: str, said: str | None, why: str, passphrase_fd: int | None, folder: Path | None) -> Result:
    if said is None:
        raise click.UsageError(_("Say --same or --different."))
    with opened(folder, identities=names_at_hand(folder), descriptor=passphrase_fd) as session:
        handle = app.decide(session, one, two, same=said == "same", why=why)
        data = {"demo": session.demo, "handle": handle, "persons": sorted((one, two)), "same": said == "same"}
    return data, _("Recorded: {handle}. Undo it with `amparo same undo {handle}`.").format(handle=handle)


@same.command(
    help=_(
        "Take a decision back by a new entry; the decision stays readable.\n\n"
        'Example: amparo same undo C-0042 --why "two cousins of one name, says the family"'
    )
)
@click.argument("decision")
@click.option("--why", required=True, help=_("The reason, without names."))
@passphrase_option
@verb
def undo(decision: str, why: str, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, identities=names_at_hand(folder), descriptor=passphrase_fd) as session:
        handle = app.undo(session, decision, why)
        data = {"demo": session.demo, "handle": handle, "undone": decision}
    return data, _("Recorded: {handle} takes {decision} back.").format(handle=handle, decision=decision)


COMMANDS = [same]
