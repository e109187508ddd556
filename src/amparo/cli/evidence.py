"""The verbs ``amparo evidence ...``: files in, what is there, and each item's custody. Further ones in modules of their own."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from amparo.app import evidence as room
from amparo.app.session import Session
from amparo.cli.common import opened, passphrase_option, progress, verb
from amparo.cli.evidence_shared import by_option, facts_shown, flat, known_source, source_option
from amparo.kernel.i18n import N_, _, ngettext
from amparo.record.items import Item
from amparo.record.model import BASES

Result = tuple[dict[str, Any], str]

SUBVERBS: Final = {
    "add": "", "list": "", "show": "", "custody": "", "basis": "",
    "read": "evidence_read", "transcribe": "evidence_read", "search": "evidence_read", "text": "evidence_read",
    "authority": "evidence_time", "timestamp": "evidence_time", "proofs": "evidence_time",
    "replay": "evidence_capture", "check-capture": "evidence_capture", "auto-archiver": "evidence_capture",
    "similar": "evidence_near", "redact": "evidence_redact",
    "export": "evidence_court", "import": "evidence_court", "hand-over": "evidence_court", "receive": "evidence_court",
    "sheet": "evidence_court",
    "verify": "evidence_integrity", "repair": "evidence_integrity", "parity": "evidence_integrity", "cold": "evidence_cold",
}  # fmt: skip
"""Subverb -> the module amparo.cli.<name> that holds it; "" this one."""

SECTIONS: Final = (
    (N_("To take in"), ("add", "import", "auto-archiver", "basis")),
    (N_("To read and look"), ("read", "transcribe", "list", "show", "text", "search", "similar", "replay", "check-capture")),
    (N_("To prove"), ("custody", "authority", "timestamp", "proofs")),
    (N_("To let out"), ("redact", "export", "sheet", "hand-over", "receive")),
    (N_("To keep"), ("verify", "repair", "parity", "cold")),
)

_SHOWN: Final = 50
_FEW: Final = 10
_TYPE: Final = 24  # characters of a media type in a list


class Subverbs(click.Group):
    """Finds a subverb in the module that holds it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(SUBVERBS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subverbs by what they are for, each with its whole first sentence."""
        for title, names in SECTIONS:
            with formatter.section(_(title)):
                commands = [(name, self.get_command(ctx, name)) for name in names]
                formatter.write_dl([(name, command.get_short_help_str(300)) for name, command in commands if command])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in SUBVERBS:
            return None
        module = SUBVERBS[cmd_name]
        held = importlib.import_module(f"amparo.cli.{module}").COMMANDS if module else _HERE
        return next((command for command in held if command.name == cmd_name), None)


@click.group(
    cls=Subverbs, help=_("Keep files as evidence: sealed, hashed, with their custody.\n\nExample: amparo evidence add dump/")
)
def evidence() -> None:
    """The group of subverbs."""


@click.command(
    help=_(
        "Seal files and folders as digital items, each with its hash and custody. Run it again to go on where it was "
        "interrupted. The files outside are left as they are.\n\n"
        "Example: amparo evidence add /media/phone --from P-0007 --how 'copied over USB, screen unlocked by the owner'"
    )
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@source_option(_("Add to this source instead of a new one."), default="")
@click.option("--from", "from_whom", default="", help=_("Who handed it over: a handle (P-...) or words; kept sealed."))
@click.option("--how", default="", help=_("How it was acquired."))
@click.option("--collector", default="", help=_("Who acquired it."))
@click.option("--device", default="", help=_("The device it came from."))
@click.option("--authority", default="", help=_("On whose authority."))
@click.option(
    "--basis", default="unknown", type=click.Choice(BASES), help=_("On what the source may be used; the gate asks for it.")
)
@passphrase_option
@verb
def add(
    paths: tuple[Path, ...], source: str, from_whom: str, how: str, collector: str, device: str, authority: str, basis: str,
    passphrase_fd: int | None, folder: Path | None,
) -> Result:  # fmt: skip
    origin = room.Origin(from_whom, how, collector, device, authority, basis)
    with opened(folder, descriptor=passphrase_fd) as session, progress(_("Sealing")) as bar:
        with _told_where(session, source):
            added = room.add(session, paths, source=source, origin=origin, progress=bar)
        data = {
            "demo": session.demo, "source": added.source, "items": added.items, "bytes": added.bytes, "first": added.first,
            "last": added.last, "unchanged": added.unchanged, "refused": added.refused,
            "duplicates": [{"item": new, "same_as": old} for new, old in added.duplicates],
        }  # fmt: skip
    return data, _told(added)


@contextmanager
def _told_where(session: Session, source: str) -> Iterator[None]:
    """Where it is stopped or fails after some files were sealed: say where they are, so that it can go on there."""
    before = {entity.handle for entity in session.record.entities(kind="source")}
    try:
        yield
    except BaseException:
        fresh = [entity.handle for entity in session.record.entities(kind="source") if entity.handle not in before]
        if fresh or source:
            text = _("What was sealed until then is kept; run it again with --source {source} and it goes on.")
            click.echo(text.format(source=(fresh or [source])[-1]), err=True)
        raise


def _told(added: room.Added) -> str:
    if not added.items:
        lines = [_("Nothing new was added.")]
    else:
        text = ngettext(
            "Sealed {count:,} item ({size}) as source {source}: {first}.",
            "Sealed {count:,} items ({size}) as source {source}: {first} to {last}.",
            added.items,
        )
        lines = [
            text.format(count=added.items, size=in_bytes(added.bytes), source=added.source, first=added.first, last=added.last)
        ]
    if added.unchanged:
        lines.append(_("Were here already: {count:,}.").format(count=added.unchanged))
    if added.duplicates:
        lines.append(_("The same file as an earlier item, kept all the same: {count:,}.").format(count=len(added.duplicates)))
        lines += [f"  {new} = {old}" for new, old in sorted(added.duplicates)[:_FEW]]
        if len(added.duplicates) > _FEW:
            lines.append(_("... and {count:,} more; --json tells all.").format(count=len(added.duplicates) - _FEW))
        if len(added.duplicates) == added.items > 1:
            text = _("Every one of them was here. Was it taken in twice? `amparo erase {source}` takes this source out again.")
            lines.append(text.format(source=added.source))
    if added.refused:
        lines.append(_("Not added, {count:,}:").format(count=len(added.refused)))
        lines += [f"  {flat(sentence)}" for sentence in added.refused[:_SHOWN]]
        if len(added.refused) > _SHOWN:
            lines.append(_("... and {count:,} more; --json tells all.").format(count=len(added.refused) - _SHOWN))
    return "\n".join(lines)


@click.command(name="list", help=_("List the digital items, newest last.\n\nExample: amparo evidence list --source S-0003"))
@source_option(_("Only those of this source."), default=None)
@click.option("--limit", default=200, show_default=True, type=click.IntRange(1), help=_("How many at most."))
@passphrase_option
@verb
def list_items(source: str | None, limit: int, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, descriptor=passphrase_fd) as session:
        if source:
            known_source(session, source)
        items, count = [], 0
        for item in session.testimony.items(source):
            count += 1
            if count <= limit:
                items.append(item)
        data = {"demo": session.demo, "count": count, "items": [brief(item) for item in items]}
    lines = [
        f"{item.handle}  {item.source}  {in_bytes(item.size):>9}  {_elided(item.media_type or '?'):{_TYPE}}  {_named(item)}"
        for item in items
    ]
    if count > limit:
        lines.append(_("... and {count:,} more; --limit shows more.").format(count=count - limit))
    if source and not lines:
        return data, _("The source {source} has no digital items.").format(source=source)
    return data, "\n".join(lines) or _("There are no digital items; `amparo evidence add FILE` adds some.")


def _elided(media_type: str) -> str:
    return media_type if len(media_type) <= _TYPE else media_type[: _TYPE - 1] + "…"


def _named(item: Item) -> str:
    made = f"  ({_(item.relation)} {item.parent})" if item.parent else ""
    return flat(item.path or item.name) + made


def brief(item: Item) -> dict[str, Any]:
    """What --json says of an item: never its key."""
    return {
        "item": item.handle, "source": item.source, "name": item.name, "path": item.path, "media_type": item.media_type,
        "size": item.size, "sha256": item.sha256.hex(), "blake3": item.blake3.hex(), "modified": item.modified,
        "parent": item.parent, "relation": item.relation, "added": item.added,
    }  # fmt: skip


@click.command(help=_("Show one digital item: hashes, facts and custody.\n\nExample: amparo evidence show D-0003"))
@click.argument("handle")
@by_option
@passphrase_option
@verb
def show(handle: str, actor: str, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, descriptor=passphrase_fd) as session:
        item = room.get(session, handle)
        room.note(session, [item.handle], "viewed", actor=actor, reason="evidence show")
        view = session.testimony
        found = view.facts(item.handle)
        facts = [{"kind": fact.kind, "reader": fact.reader, "data": fact.data} for fact in found]
        data = {
            "demo": session.demo, **brief(item), "facts": facts, "pieces_of_text": len(view.texts(item.handle)),
            "children": [child.handle for child in view.children(item.handle)],
            "same_file": [other.handle for other in view.by_sha256(item.sha256) if other.handle != item.handle],
            "custody": [event.to_row()[1:] for event in view.custody(item.handle)],
        }  # fmt: skip
        lines = [
            f"{item.handle}  {flat(item.path or item.name)}",
            _("type {type}, {size} ({bytes:,} bytes), source {source}").format(
                type=item.media_type or "?", size=in_bytes(item.size), bytes=item.size, source=item.source
            ),
            f"SHA-256  {item.sha256.hex()}",
            f"BLAKE3   {item.blake3.hex()}",
        ]
        if item.parent:
            lines.append(_("{relation}, from {parent}").format(relation=_(item.relation), parent=item.parent))
        lines += [_("The same file as {handle}.").format(handle=other) for other in data["same_file"]]
        lines += facts_shown(found)
        if data["children"]:
            lines.append(_("From it: {list}").format(list=", ".join(data["children"][:_SHOWN])))
        lines += [_("Custody:"), *_events(view.custody(item.handle))]
    return data, "\n".join(lines)


@click.command(help=_("Show an item's chain of custody.\n\nExample: amparo evidence custody D-0003 --json"))
@click.argument("handle")
@passphrase_option
@verb
def custody(handle: str, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, descriptor=passphrase_fd) as session:
        item = room.get(session, handle)
        chain = session.testimony.custody(item.handle)
        names = ("item", "when", "device", "action", "actor", "reason", "authority", "detail")
        events = [dict(zip(names, event.to_row(), strict=True)) for event in chain]
        data = {"demo": session.demo, "item": item.handle, "sha256": item.sha256.hex(), "events": events}
    return data, "\n".join(_events(chain))


def _events(chain: list[Any]) -> list[str]:
    lines = []
    for event in chain:
        when = datetime.fromtimestamp(event.when / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        words = (_("device {number}").format(number=event.device), event.actor, event.reason, event.authority, event.detail)
        lines.append(f"  {when}  {_(event.action)}  " + " · ".join(flat(word) for word in words if word))
    return lines


def in_bytes(size: int) -> str:
    """A size for people: three digits and a unit of 1,000."""
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.3g} {unit}"


@click.command(
    help=_(
        "Say afterwards on what a source may be used; the gate asks for it. The earlier word stays in the source's history. "
        "For a person's consent use `amparo consent`.\n\n"
        "Example: amparo evidence basis S-0003 'published source' --reason 'the report came out on 3 April'"
    )
)
@click.argument("source", metavar="S-...")
@click.argument("basis", type=click.Choice(BASES))
@click.option("--reason", default="", help=_("Why; kept in the ledger."))
@passphrase_option
@verb
def basis(source: str, basis: str, reason: str, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, descriptor=passphrase_fd) as session:
        entity = room.set_basis(session, source, basis, reason)
        data = {"demo": session.demo, "source": entity.handle, "basis": entity.basis}
    return data, _("Source {source} rests on: {basis}.").format(source=entity.handle, basis=_(entity.basis))


_HERE = [add, list_items, show, custody, basis]
COMMANDS = [evidence]
