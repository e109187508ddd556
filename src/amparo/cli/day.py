"""The documenter's day: import, person add, interview, consent, correct, link, erase."""

from pathlib import Path
from typing import Any

import click

from amparo.app import importing, people
from amparo.cli.common import opened, passphrase_option, progress, verb
from amparo.cli.forms import ask_interview, read_form
from amparo.kernel.i18n import _
from amparo.kernel.text import script_of
from amparo.record.model import AUDIENCES, LINKS, PURPOSES, Identity, Name

Result = tuple[dict[str, Any], str]


@click.command(
    "import", help=_("Import a folder of tables with its mapping.yaml.\n\nExample: amparo import examples/public-record")
)
@click.argument("tables", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--mapping", type=click.Path(path_type=Path, exists=True), help=_("Another mapping file."))
@click.option(
    "--skip-bad", type=click.Path(path_type=Path), help=_("Import the good rows and write the refused ones to this CSV file.")
)
@passphrase_option
@verb
def import_(
    tables: Path, mapping: Path | None, skip_bad: Path | None, passphrase_fd: int | None, folder: Path | None
) -> Result:
    needs = importing.holds_identities(tables, mapping)
    with opened(folder, identities=needs, descriptor=passphrase_fd) as session, progress(_("Importing")) as bar:
        result = importing.import_folder(session, tables, mapping=mapping, skip_bad=skip_bad, progress=bar)
        data = {
            "demo": session.demo, "dataset": result.dataset, "added": result.added, "unchanged": result.unchanged,
            "refused": result.refused, "errors": result.errors, "warnings": result.warnings,
            "rejected": result.rejected or None,
        }  # fmt: skip
    added = ", ".join(f"{count:,} {kind.partition('@')[0]}" for kind, count in sorted(result.added.items())) or _("nothing new")
    lines = [_("Imported: {added}; {unchanged:,} rows unchanged.").format(added=added, unchanged=result.unchanged)]
    if result.refused:
        lines.append(_("{count} rows were refused; they are in {file}.").format(count=result.refused, file=result.rejected))
    lines += [_("Look at: {warning}").format(warning=warning) for warning in result.warnings[:10]]
    if needs:
        lines.append(
            _("The tables with names lie in {folder} unsealed as before; remove them when you are done.").format(folder=tables)
        )
    return data, "\n".join(lines)


@click.group(help=_("Register persons."))
def person() -> None:
    """The verbs about persons."""


@person.command(
    "add", help=_('Register a person, sealed; prints the handle.\n\nExample: amparo person add --name "..." --alias "..."')
)
@click.option("--name", "names", multiple=True, help=_("A name as written, in any script; give it again for another spelling."))
@click.option("--alias", "aliases", multiple=True, help=_("A nickname or assumed name."))
@click.option("--contact", "contacts", multiple=True, metavar="KIND=VALUE", help=_("telephone=..., e-mail=..., account=..."))
@click.option("--document", "documents", multiple=True, metavar="KIND=NUMBER", help=_("passport=..., identity card=..."))
@click.option("--birth", default="", help=_("Date of birth, as exact as known."))
@click.option("--note", default="", help=_("Anything else that identifies the person."))
@click.option(
    "--form",
    type=click.File("r", encoding="utf-8"),
    help=_("Read these fields from a YAML file (- for standard input), so that no name enters the shell's history."),
)
@click.option("--anyway", is_flag=True, help=_("Register although a person with a like name is known."))
@click.option("--unnamed", is_flag=True, help=_("Register a person whose name is not known."))
@passphrase_option
@verb
def person_add(
    names: tuple[str, ...], aliases: tuple[str, ...], contacts: tuple[str, ...], documents: tuple[str, ...], birth: str,
    note: str,
    form: Any, anyway: bool, unnamed: bool, passphrase_fd: int | None, folder: Path | None,
) -> Result:  # fmt: skip
    raw = read_form(form) if form else {}
    if not (names or aliases or raw or unnamed):
        names = (click.prompt(_("Name (as written)"), err=True),)
    every = [*names, *raw.get("names", [])], [*aliases, *raw.get("aliases", [])]
    identity = Identity(
        "",
        [Name(text, kind, script_of(text)) for kind, texts in zip(("name", "alias"), every, strict=True) for text in texts],
        [pair.split("=", 1) for pair in contacts if "=" in pair] + [list(p) for p in dict(raw.get("contacts", {})).items()],
        [pair.split("=", 1) for pair in documents if "=" in pair] + [list(p) for p in dict(raw.get("documents", {})).items()],
        birth or str(raw.get("birth", "")),
        note or str(raw.get("note", "")),
    )
    with opened(folder, identities=True, descriptor=passphrase_fd) as session:
        handle = people.add_person(session, identity, anyway=anyway, unnamed=unnamed)
        data = {"demo": session.demo, "handle": handle}
    return data, _("Registered {handle}. Use this handle everywhere; the name stays sealed.").format(handle=handle)


@click.command(
    help=_(
        "Record a conversation: asks step by step, or reads a YAML form.\n\nExample: amparo interview P-0001 --form talk.yaml"
    )
)
@click.argument("person_handle", metavar="PERSON")
@click.option(
    "--form", type=click.File("r", encoding="utf-8"), help=_("Read the interview from this YAML file (- for standard input).")
)
@click.option("--recording", type=click.Path(path_type=Path, exists=True), help=_("A recording to seal with it."))
@click.option(
    "--check-names/--no-check-names", default=True, help=_("Search the words for sealed names (needs the identities).")
)
@passphrase_option
@verb
def interview(
    person_handle: str, form: Any, recording: Path | None, check_names: bool, passphrase_fd: int | None, folder: Path | None
) -> Result:
    raw = read_form(form) if form else ask_interview()
    with opened(folder, identities=check_names, descriptor=passphrase_fd) as session:
        made = people.record_interview(session, people.interview_from(person_handle, raw, recording))
        data = {"demo": session.demo, **made}
    return data, _("Recorded as source {source}: claims {claims}.").format(
        source=made["source"], claims=", ".join(made["claims"])
    )


@click.command(
    help=_(
        "Record what a person allows for a source, or that it is withdrawn.\n\nExample: amparo consent "
        "P-0001 S-0004 --purpose complaint"
        " --audience court --until 2030"
    )
)
@click.argument("person_handle", metavar="PERSON")
@click.argument("source", default="")
@click.option("--purpose", "purposes", multiple=True, type=click.Choice(PURPOSES))
@click.option("--audience", "audiences", multiple=True, type=click.Choice(AUDIENCES))
@click.option(
    "--name-to",
    "names",
    multiple=True,
    type=click.Choice(AUDIENCES),
    help=_("The person's own name may go out to this audience."),
)
@click.option("--until", default="", help=_("The day or year it ends."))
@click.option("--how", default="", help=_("How it was given: in writing, recorded, by message."))
@click.option("--withdraw", is_flag=True, help=_("Take the consent back."))
@passphrase_option
@verb
def consent(
    person_handle: str, source: str, purposes: tuple[str, ...], audiences: tuple[str, ...], names: tuple[str, ...], until: str,
    how: str, withdraw: bool, passphrase_fd: int | None, folder: Path | None,
) -> Result:  # fmt: skip
    raw = {
        "purposes": list(purposes),
        "audiences": list(audiences),
        "names": list(names),
        "until": until,
        "how": how,
        "withdrawn": withdraw,
    }
    with opened(folder, descriptor=passphrase_fd) as session:
        people.give_consent(session, person_handle, source, raw)
        data = {"demo": session.demo, "person": person_handle, "source": source or None, **raw}
    return data, _("Withdrawn.") if withdraw else _("Recorded.")


@click.command(
    help=_(
        "Correct a claim: a new one supersedes it, the old one stays.\n\n"
        'Example: amparo correct C-0012 --set valid=2017-03 --reason "date misread"'
    )
)
@click.argument("handle")
@click.option(
    "--set",
    "fields",
    multiple=True,
    required=True,
    metavar="FIELD=VALUE",
    help=_("text, value, valid, place, polarity, access, voluntariness, stance, locator"),
)
@click.option("--reason", required=True)
@passphrase_option
@verb
def correct(handle: str, fields: tuple[str, ...], reason: str, passphrase_fd: int | None, folder: Path | None) -> Result:
    chosen = dict(people.field_pair(pair) for pair in fields)
    with opened(folder, descriptor=passphrase_fd) as session:
        new = people.correct(session, handle, chosen, reason)
        data = {"demo": session.demo, "handle": new, "supersedes": handle}
    return data, _("{new} supersedes {old}.").format(new=new, old=handle)


@click.command(help=_('Relate two claims.\n\nExample: amparo link C-0008 contradicts C-0010 --reason "different totals"'))
@click.argument("of")
@click.argument("kind", type=click.Choice(LINKS))
@click.argument("to")
@click.option("--reason", required=True)
@passphrase_option
@verb
def link(of: str, kind: str, to: str, reason: str, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, descriptor=passphrase_fd) as session:
        handle = people.link(session, kind, of, to, reason)
        data = {"demo": session.demo, "handle": handle}
    return data, _("Recorded as {handle}.").format(handle=handle)


@click.command(
    help=_(
        "Erase a person or a source: content goes from ledger, views and files; the signed entries stay.\n\n"
        'Example: amparo erase P-0007 --authority "case lead, at the person\'s wish" --yes'
    )
)
@click.argument("handle")
@click.option("--authority", required=True, help=_("Who ordered it; readable without a key, so no name of the person."))
@click.option("--yes", is_flag=True, help=_("Do not ask."))
@passphrase_option
@verb
def erase(handle: str, authority: str, yes: bool, passphrase_fd: int | None, folder: Path | None) -> Result:
    if not yes:
        click.confirm(_("Erase {handle} for good?").format(handle=handle), abort=True, err=True)
    with opened(folder, identities=True, descriptor=passphrase_fd) as session:
        done = people.erase(session, handle, authority)
        data = {"demo": session.demo, "handle": handle, **done}
    text = _(
        "Erased {parts} parts and {files} files of {handle}. Backups made earlier still hold them: "
        "back up again, and destroy older copies."
    )
    return data, text.format(handle=handle, **done)


COMMANDS = [import_, person, interview, consent, correct, link, erase]
