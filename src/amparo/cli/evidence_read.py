"""The verbs that read items in the sandbox and show what was read: read, search, text."""

from pathlib import Path
from typing import Any

import click

from amparo.app import evidence as room
from amparo.app import evidence_read, evidence_time
from amparo.cli.common import opened, passphrase_option, progress, verb
from amparo.evidence import sandbox
from amparo.kernel.i18n import _, ngettext

Result = tuple[dict[str, Any], str]
_SHOWN = 50


@click.command(
    help=_(
        "Read items: their text, facts and fingerprints, and the files inside them. Hostile files are read in a sandbox; the "
        "last line says how strong it is here. Run it again to go on where it was interrupted.\n\n"
        "Example: amparo evidence read --source S-0003"
    )
)
@click.argument("handles", nargs=-1)
@click.option("--source", default=None, help=_("All items of this source; with no item and no source, all there are."))
@click.option("--reader", "only", multiple=True, help=_("This reader instead of those for the file's type; may be repeated."))
@click.option("--language", "languages", multiple=True, help=_("Of text in pictures: eng, rus, ara; may be repeated."))
@click.option("--again", is_flag=True, help=_("Also those that were read before."))
@passphrase_option
@verb
def read(
    handles: tuple[str, ...], source: str | None, only: tuple[str, ...], languages: tuple[str, ...], again: bool,
    passphrase_fd: int | None, folder: Path | None,
) -> Result:  # fmt: skip
    with opened(folder, descriptor=passphrase_fd) as session, progress(_("Reading")) as bar:
        items = [room.get(session, handle) for handle in handles] if handles else list(session.testimony.items(source))
        options: dict[str, Any] = {**evidence_time.reader_options(session)}
        if languages:
            options["languages"] = list(languages)
        done = evidence_read.read(session, items, only=only, again=again, options=options, progress=bar)
        strength = sandbox.strength()
        data = {
            "demo": session.demo, "items": done.items, "texts": done.texts, "facts": done.facts, "fingerprints": done.prints,
            "members": done.members, "problems": [{"item": item, "problem": what} for item, what in done.problems],
            "lacking": done.lacking, "sandbox": strength,
        }  # fmt: skip
    lines = [
        ngettext("Read {count:,} item.", "Read {count:,} items.", done.items).format(count=done.items)
        + " "
        + _("Pieces of text: {texts:,}; facts: {facts:,}; files found inside: {members:,}.").format(
            texts=done.texts, facts=done.facts, members=done.members
        )
    ]
    lines += [f"  {item}: {what}" for item, what in done.problems[:_SHOWN]]
    if len(done.problems) > _SHOWN:
        lines.append(_("... and {count:,} more; --json tells all.").format(count=len(done.problems) - _SHOWN))
    return data, "\n".join([*lines, *done.lacking, strength])


@click.command(help=_("Search the words of passages and items.\n\nExample: amparo evidence search 'военная полиция'"))
@click.argument("query")
@click.option("--limit", default=50, show_default=True, help=_("How many at most."))
@passphrase_option
@verb
def search(query: str, limit: int, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, descriptor=passphrase_fd) as session:
        hits = session.testimony.search(query, limit=limit)
        data = {"demo": session.demo, "hits": [hit._asdict() for hit in hits]}
    lines = [f"{hit.handle}  {hit.locator}  {' '.join(hit.excerpt.split())}" for hit in hits]
    return data, "\n".join(lines) or _("Nothing has all these words; `amparo evidence read` reads what was not read yet.")


@click.command(help=_("Show the text of an item, with the place of each piece.\n\nExample: amparo evidence text D-0003"))
@click.argument("handle")
@click.option("--limit", default=500, show_default=True, help=_("How many pieces at most."))
@passphrase_option
@verb
def text(handle: str, limit: int, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, descriptor=passphrase_fd) as session:
        item = room.get(session, handle)
        room.note(session, [item.handle], "viewed", reason="evidence text")
        pieces = session.testimony.texts(item.handle)
        data = {
            "demo": session.demo, "item": item.handle, "count": len(pieces),
            "pieces": [{"locator": piece.locator, "text": piece.text, "language": piece.language, "reader": piece.reader}
                       for piece in pieces[:limit]],
        }  # fmt: skip
    lines = [f"[{piece.locator}] {piece.text}" for piece in pieces[:limit]]
    if len(pieces) > limit:
        lines.append(_("... and {count:,} more; --limit shows more.").format(count=len(pieces) - limit))
    none = _("No text was read from it yet; `amparo evidence read {item}` does.").format(item=item.handle)
    return data, "\n".join(lines) or none


COMMANDS = [read, search, text]
