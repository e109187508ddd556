"""The documenter's day: import, person add, interview, consent, correct, link, erase."""

from pathlib import Path
from typing import Any

import click

from amparo.app import correcting, importing, people
from amparo.app.naming import NameInWords
from amparo.cli.common import names_at_hand, opened, passphrase_option, progress, verb
from amparo.cli.forms import ask_again, ask_field_again, ask_interview, identity_from, read_form, split_pairs
from amparo.kernel import ids
from amparo.kernel.errors import AmparoError
from amparo.kernel.i18n import _
from amparo.record.model import AUDIENCES, LINKS, PURPOSES

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
    if len(result.warnings) > 10:
        lines.append(_("... and more like these (--json lists them)."))
    if needs:
        lines.append(
            _("The tables with names lie in {folder} unsealed as before; remove them when you are done.").format(folder=tables)
        )
    return data, "\n".join(lines)


@click.group(help=_("Register a person, names sealed: `amparo person add`."))
def person() -> None:
    """The verbs about persons."""


@person.command("add", help=_("Register a person, sealed; prints the handle.\n\nExample: amparo person add --form person.yaml"))
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
    given = {
        "names": names, "aliases": aliases, "birth": birth, "note": note,
        "contacts": split_pairs(contacts, "--contact", "telephone=+7..."),
        "documents": split_pairs(documents, "--document", "passport=..."),
    }  # fmt: skip
    identity, more = identity_from(raw), identity_from(given)
    for field in ("names", "contacts", "documents"):
        getattr(identity, field)[:0] = getattr(more, field)
    identity.birth, identity.note = more.birth or identity.birth, more.note or identity.note
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
    if form:
        raw = read_form(form)
    else:  # a long conversation must not end in “no such person” or “locked”
        with opened(folder, identities=check_names, descriptor=passphrase_fd) as session:
            if session.record.entity(str(ids.parse(person_handle))) is None:
                raise people.UnknownHandle(handle=person_handle)
        raw = ask_interview()
    while True:
        try:
            with opened(folder, identities=check_names, descriptor=passphrase_fd) as session:
                made = people.record_interview(session, people.interview_from(person_handle, raw, recording))
                data = {"demo": session.demo, **made}
            break
        except people.NamesInText as error:
            if form:
                raise
            click.echo(str(error), err=True)
            number = int(str(error.facts["number"]))
            raw["claims"][number - 1]["text"] = ask_again(number)
        except NameInWords as error:
            if form:
                raise
            click.echo(str(error), err=True)
            field = str(error.facts["field"])
            raw[field] = ask_field_again(field)
        except AmparoError as error:  # a wrong passphrase, a full disk, a stick pulled out: keep what was typed, try again
            if form:
                raise
            click.echo(str(error), err=True)
            if not click.confirm(_("What you typed is not recorded yet. Try again?"), default=True, err=True):
                raise
    text = _("Recorded as source {source}: claims {claims}.").format(source=made["source"], claims=", ".join(made["claims"]))
    return data, text if raw.get("consent") else text + "\n" + _("No consent was recorded; `amparo consent` adds it.")


@click.command(
    help=_(
        "Record what a person allows for a source (without a source: for all), or that it is withdrawn.\n\n"
        "Example: amparo consent P-0001 S-0004 --purpose complaint --audience court --until 2030"
    )
)
@click.argument("person_handle", metavar="PERSON")
@click.argument("source", default="")
@click.option(
    "--purpose", "purposes", multiple=True, type=click.Choice(PURPOSES), help=_("Allowed for this; may be given again.")
)
@click.option(
    "--audience",
    "audiences",
    multiple=True,
    type=click.Choice(AUDIENCES),
    help=_("Allowed to go to these; may be given again."),
)
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
    if not withdraw and not (purposes and audiences):
        raise click.UsageError(_("Say at least one --purpose and one --audience, or --withdraw."))
    raw = {
        "purposes": list(purposes),
        "audiences": list(audiences),
        "names": list(names),
        "until": until,
        "how": how,
        "withdrawn": withdraw,
    }
    with opened(folder, identities=names_at_hand(folder), descriptor=passphrase_fd) as session:
        people.give_consent(session, person_handle, source, raw)
        data = {"demo": session.demo, "person": person_handle, "source": source or None, **raw}
    about = _("source {source}").format(source=source) if source else _("every source")
    if withdraw:
        return data, _("Withdrawn: what {person} allowed for {about}.").format(person=person_handle, about=about)
    allowed = _("Recorded: {person} allows {purposes}, to {audiences}, for {about}.")
    return data, allowed.format(person=person_handle, about=about, purposes=", ".join(purposes), audiences=", ".join(audiences))


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
    help=_("One of: {fields}. May be given again.").format(fields=", ".join(correcting.CORRECTABLE)),
)
@click.option("--reason", required=True, help=_("Why; it is kept with the correction."))
@passphrase_option
@verb
def correct(handle: str, fields: tuple[str, ...], reason: str, passphrase_fd: int | None, folder: Path | None) -> Result:
    chosen = dict(correcting.field_pair(pair) for pair in fields)
    with opened(folder, identities=names_at_hand(folder), descriptor=passphrase_fd) as session:
        new = correcting.correct(session, handle, chosen, reason)
        data = {"demo": session.demo, "handle": new, "supersedes": handle}
    return data, _("{new} supersedes {old}.").format(new=new, old=handle)


@click.command(
    help=_(
        "Relate two claims. KIND is one of: {kinds}.\n\n"
        'Example: amparo link C-0008 contradicts C-0010 --reason "different totals"'
    ).format(kinds=", ".join(LINKS))
)
@click.argument("of", metavar="CLAIM")
@click.argument("kind", metavar="KIND", type=click.Choice(LINKS))
@click.argument("to", metavar="CLAIM")
@click.option("--reason", required=True, help=_("Why; it is kept with the link."))
@passphrase_option
@verb
def link(of: str, kind: str, to: str, reason: str, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, identities=names_at_hand(folder), descriptor=passphrase_fd) as session:
        handle = people.link(session, kind, of, to, reason)
        data = {"demo": session.demo, "handle": handle}
    return data, _("Recorded: {of} {kind} {to}.").format(of=of, kind=kind, to=to)


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
