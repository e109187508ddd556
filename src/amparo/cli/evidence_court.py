"""The verbs that take items out of the workspace and into it, signed: export, import, sheet, hand-over, receive."""

import re
from pathlib import Path
from typing import Any

import click

from amparo.app import evidence as room
from amparo.app import evidence_court as court
from amparo.app import evidence_handover as handing
from amparo.app import evidence_import
from amparo.app.session import Session
from amparo.cli.common import opened, passphrase_option, progress, verb
from amparo.cli.evidence import in_bytes
from amparo.cli.evidence_shared import by_option, flat, source_option
from amparo.cli.output import override_pair
from amparo.kernel import ids
from amparo.kernel.i18n import _, ngettext
from amparo.record.model import AUDIENCES, BASES, PURPOSES

Result = tuple[dict[str, Any], str]
_SHOWN = 20


def _several(values: tuple[str, ...]) -> list[str]:
    """Handles, one or several to an option: “D-0001 D-0002” or “D-0001,D-0002”."""
    return [word for value in values for word in re.split(r"[\s,]+", value) if word]


def _fours(number: str) -> str:
    return " ".join(number[at : at + 4] for at in range(0, len(number), 4))


_items = click.option("--items", multiple=True, metavar="D-...", help=_("Items, by handle; may be repeated."))
_source = source_option(_("All items of this source."), default="")
_audience = click.option(
    "--to", "audience", type=click.Choice(AUDIENCES), default="court", show_default=True, help=_("Who receives it.")
)
_purpose = click.option("--purpose", type=click.Choice(PURPOSES), default="prosecution", show_default=True)
_overrides = click.option(
    "--override", "overrides", multiple=True, metavar="FINDING=REASON",
    help=_("Let one finding of the gate out, for a reason that is logged."),
)  # fmt: skip
_authority = click.option("--authority", default="", help=_("On whose authority: an order, a request."))


@click.command(
    help=_(
        "Export items for a court: a BagIt bag with the items, their signed custody, proofs of time and the program to check "
        "it all; a folder, or one file if TARGET ends in .zip. It passes the gate.\n\n"
        "Example: amparo evidence export --to court --items D-0001,D-0002 --authority 'order 12/3' case-12.zip"
    )
)
@click.argument("target", type=click.Path(path_type=Path))
@_items
@_source
@_audience
@_purpose
@click.option("--recipient", default="", help=_("The court or person, in words."))
@click.option("--reason", default="", help=_("Why; kept in each item's custody."))
@_authority
@by_option
@click.option("--organisation", default="", help=_("Who exports; printed on the sheets."))
@click.option("--title", default="", help=_("The title on the first page."))
@click.option("--with-names", is_flag=True, help=_("Also the names of the files as they came, and their signed rows."))
@_overrides
@passphrase_option
@verb
def export(
    target: Path, items: tuple[str, ...], source: str, audience: str, purpose: str, recipient: str, reason: str,
    authority: str, actor: str, organisation: str, title: str, with_names: bool, overrides: tuple[str, ...],
    passphrase_fd: int | None, folder: Path | None,
) -> Result:  # fmt: skip
    asked = court.Asked(
        audience, purpose, recipient, reason, authority, actor, organisation, title, with_names,
        tuple(map(override_pair, overrides)),
    )  # fmt: skip
    with opened(folder, identities=True, descriptor=passphrase_fd) as session, progress(_("Exporting")) as bar:
        chosen = court.chosen(session, _several(items), source)
        data = court.export(session, chosen, asked, target, progress=bar)
    count = len(data["items"])
    text = ngettext("Exported {count:,} item ({size}) to {target}.", "Exported {count:,} items ({size}) to {target}.", count)
    lines = [
        data.pop("report"),
        text.format(count=count, size=in_bytes(data["bytes"]), target=target),
        _("Tell the receiver this workspace's number by another way: {number}").format(number=_fours(data["workspace"])),
    ]
    return data, "\n".join(lines)


@click.command(
    help=_(
        "Print the custody sheets of items: hashes, custody, proofs, a QR code, lines to sign on. It passes the gate.\n\n"
        "Example: amparo evidence sheet --items D-0001 sheet.pdf"
    )
)
@click.argument("target", type=click.Path(path_type=Path))
@_items
@_source
@_audience
@_purpose
@_authority
@click.option("--organisation", default="", help=_("Who prints it."))
@click.option("--title", default="", help=_("The title on the first page."))
@click.option("--with-names", is_flag=True, help=_("Also the names of the files as they came."))
@_overrides
@passphrase_option
@verb
def sheet(
    target: Path, items: tuple[str, ...], source: str, audience: str, purpose: str, authority: str, organisation: str,
    title: str, with_names: bool, overrides: tuple[str, ...], passphrase_fd: int | None, folder: Path | None,
) -> Result:  # fmt: skip
    asked = court.Asked(
        audience, purpose, authority=authority, organisation=organisation, title=title, names=with_names,
        overrides=tuple(map(override_pair, overrides)),
    )  # fmt: skip
    with opened(folder, identities=True, descriptor=passphrase_fd) as session:
        data = court.sheet(session, court.chosen(session, _several(items), source), asked, target)
    written = _("Wrote {file} ({bytes} bytes).").format(**data)
    return data, data.pop("report") + "\n" + written


@click.command(
    name="import",
    help=_(
        "Take in a bag (BagIt, a folder or a zip file) of another organisation or of another Amparo. It is checked first, "
        "whole; what is wrong with it is said and nothing is taken in.\n\n"
        "Example: amparo evidence import case-12.zip --from 'the other organisation' --basis consent"
    ),
)
@click.argument("path", type=click.Path(path_type=Path))
@source_option(_("Add to this source instead of a new one."), default="")
@click.option("--from", "from_whom", default="", help=_("Who handed it over: a handle (P-...) or words; kept sealed."))
@click.option("--how", default="", help=_("How it came."))
@by_option
@_authority
@click.option(
    "--basis", default="unknown", type=click.Choice(BASES), help=_("On what the source may be used; the gate asks for it.")
)
@passphrase_option
@verb
def import_bag(
    path: Path, source: str, from_whom: str, how: str, actor: str, authority: str, basis: str, passphrase_fd: int | None,
    folder: Path | None,
) -> Result:  # fmt: skip
    origin = room.Origin(from_whom, how, actor, "", authority, basis)
    with opened(folder, descriptor=passphrase_fd) as session, progress(_("Checking and sealing")) as bar:
        done = evidence_import.import_bag(session, path, origin=origin, source=source, progress=bar)
        data = {
            "demo": session.demo, "source": done.source, "items": done.items, "bytes": done.bytes, "first": done.first,
            "last": done.last, "version": done.version, "verified_workspace": done.verified, "rows_verified": done.opened,
            "parts_sealed": done.sealed, "warnings": done.warnings, "facts": done.facts,
            "duplicates": [{"item": new, "same_as": old} for new, old in done.duplicates],
        }  # fmt: skip
        renamed = _renamed(session, done) if done.verified else []
    lines = [
        _("Took in {items:,} files ({size}) of a BagIt {version} bag as source {source}: {first} to {last}.").format(
            items=done.items,
            size=in_bytes(done.bytes),
            version=done.version,
            source=done.source,
            first=done.first,
            last=done.last,
        )
    ]
    if done.verified:
        lines.append(
            _("Its custody is signed by the workspace {number}; signatures, rows ({rows}) and files hold.").format(
                number=_fours(done.verified), rows=done.opened
            )
        )
        lines.append(_("Whose workspace that is, the bag cannot show: compare the number with one they tell you otherwise."))
        lines.append(_("Their handles are not yours. Here, and as they call it:"))
        lines += [f"  {here} = {theirs}" for here, theirs in renamed[:_SHOWN]]
        if len(renamed) > _SHOWN:
            more = _("... and {count:,} more; `amparo evidence list --source {source}` shows all.")
            lines.append(more.format(count=len(renamed) - _SHOWN, source=done.source))
    if done.duplicates:
        lines.append(_("The same file as an earlier item, kept all the same: {count:,}.").format(count=len(done.duplicates)))
    lines += [_("Look at: {warning}").format(warning=flat(warning)) for warning in done.warnings[:_SHOWN]]
    return data, "\n".join(lines)


def _renamed(session: Session, done: evidence_import.Imported) -> list[tuple[str, str]]:
    """(handle here, name of the file there) of the items of another Amparo's bag; the rest of the bag is left out."""
    first, last = ids.parse(done.first).number, ids.parse(done.last).number
    return [
        (item.handle, flat(item.name.rpartition(".")[0] or item.name))
        for item in session.testimony.items(done.source)
        if item.path.startswith("data/items/") and first <= ids.parse(item.handle).number <= last
    ]


@click.command(
    name="hand-over",
    help=_(
        "Sign a hand-over document for items, for the receiver to accept; or record the receipt that comes back.\n\n"
        "Example: amparo evidence hand-over D-0001 D-0002 --to 'the court of ...' --reason 'expert opinion' --out handover.cbor"
    ),
)
@click.argument("handles", nargs=-1)
@_source
@click.option("--to", "to", default="", help=_("The receiver, in words."))
@click.option("--receiver", default="", help=_("The receiver's workspace number: then no other workspace can accept it."))
@by_option
@click.option("--reason", default="", help=_("Why."))
@_authority
@click.option("--audience", type=click.Choice(AUDIENCES), default="court", show_default=True, help=_("Who the receiver is."))
@_purpose
@_overrides
@click.option("--out", type=click.Path(path_type=Path), default=None, help=_("The file to write."))
@click.option("--receipt", type=click.Path(path_type=Path), default=None, help=_("The receipt that came back: record it."))
@passphrase_option
@verb
def hand_over(
    handles: tuple[str, ...], source: str, to: str, receiver: str, actor: str, reason: str, authority: str, audience: str,
    purpose: str, overrides: tuple[str, ...], out: Path | None, receipt: Path | None, passphrase_fd: int | None,
    folder: Path | None,
) -> Result:  # fmt: skip
    if receipt is not None:
        if handles or out or to:
            raise click.UsageError(_("--receipt stands alone: the receipt names the items itself."))
        return _receipt(receipt, passphrase_fd, folder)
    if out is None or not to:
        raise click.UsageError(_("Name the receiver with --to and the file to write with --out."))
    giving = handing.Giving(to, receiver, actor, reason, authority, audience, purpose, tuple(map(override_pair, overrides)))
    with opened(folder, identities=True, descriptor=passphrase_fd) as session:
        data = handing.hand_over(session, court.chosen(session, _several(handles), source), giving, out)
    lines = [
        data.pop("report"),
        _("Wrote {file}: send it with the items. Tell the receiver this workspace's number by another way: {number}").format(
            file=out, number=_fours(data["workspace"])
        ),
    ]
    return data, "\n".join(lines)


def _receipt(path: Path, descriptor: int | None, folder: Path | None) -> Result:
    with opened(folder, descriptor=descriptor) as session:
        data = handing.record_receipt(session, path)
    lines = [
        _("The receipt is signed by the workspace {number} for {count} items; it is kept as {proof}.").format(
            number=_fours(data["from_workspace"]), count=len(data["items"]), proof=data["proof"]
        ),
        _("Whose workspace that is, the receipt cannot show: compare the number with one they tell you otherwise."),
    ]
    if data["missing"]:
        lines.append(_("Not signed for: {handles}.").format(handles=", ".join(data["missing"][:_SHOWN])))
    return data, "\n".join(lines)


@click.command(
    help=_(
        "Accept a hand-over: sign for those of its items that are here, bit for bit. Without --out it shows what the document "
        "says, and this workspace's number.\n\n"
        "Example: amparo evidence receive handover.cbor --by V-900 --out receipt.cbor"
    )
)
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=None, help=_("The receipt to write and send back."))
@by_option
@click.option("--reason", default="", help=_("Why; kept in each item's custody."))
@click.option("--only-present", is_flag=True, help=_("Sign although some of the items are not here."))
@passphrase_option
@verb
def receive(
    path: Path, out: Path | None, actor: str, reason: str, only_present: bool, passphrase_fd: int | None, folder: Path | None
) -> Result:
    with opened(folder, identities=out is not None, descriptor=passphrase_fd) as session:
        if out is None:
            data = handing.look(session, path)
        else:
            data = handing.receive(session, path, out, by=actor, reason=reason, only_present=only_present)
    lines = [
        _("Signed by the workspace {number}; compare it with one they tell you otherwise.").format(
            number=_fours(data["from_workspace"])
        ),
        _("This workspace's number: {number}").format(number=_fours(data["this_workspace"])),
    ]
    if out is None:
        said = (
            (_("By: {words}"), data["by"]), (_("To: {words}"), data["to"]), (_("Reason: {words}"), data["reason"]),
            (_("Authority: {words}"), data["authority"]),
        )  # fmt: skip
        lines += [text.format(words=flat(words)) for text, words in said if words]
        lines.append(
            _("Items: {count}; here: {here}; not here: {missing}.").format(
                count=len(data["items"]),
                here=", ".join(data["here"][:_SHOWN]) or "-",
                missing=", ".join(data["missing"][:_SHOWN]) or "-",
            )
        )
    else:
        lines.append(_("Signed for {items} in {file}; send it back.").format(items=", ".join(data["items"]), file=out))
    return data, "\n".join(lines)


COMMANDS = [export, import_bag, sheet, hand_over, receive]
