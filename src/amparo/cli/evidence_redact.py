"""The verb ``amparo evidence redact``: list what would go, then make the copy in which it is gone."""

from pathlib import Path
from typing import Any

import click

from amparo.app import evidence_redact
from amparo.cli.common import opened, passphrase_option, verb
from amparo.cli.evidence import brief
from amparo.cli.evidence_shared import by_option
from amparo.evidence import redact as plain
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _, ngettext

Result = tuple[dict[str, Any], str]
_SHOWN = 500


class NothingAsked(BadInput):
    template = N_("Say what is to go: --word, --pattern, --box or --names; --preview lists what they find.")


@click.command(
    help=_(
        "Make a redacted copy of a document or picture: what goes is removed, not covered, and the copy is read again before "
        "it is kept. The original stays sealed. See what would go first with --preview.\n\n"
        "Example: amparo evidence redact D-0003 --names --pattern telephone --box 2:100,200,300,240 --reason 'court export'"
    )
)
@click.argument("handle")
@click.option("--word", "words", multiple=True, help=_("This word or phrase, in every spelling and script; may be repeated."))
@click.option("--pattern", "patterns", multiple=True, type=click.Choice(list(plain.PATTERNS)), help=_("All of a kind."))
@click.option("--box", "boxes", multiple=True, metavar="PAGE:L,T,R,B", help=_("This place, in points or pixels."))
@click.option("--names", is_flag=True, help=_("The sealed names and contacts of all persons (identities unlocked)."))
@click.option("--accept", default="all", show_default=True, help=_("Which numbers of the preview go: 1-3,7 or all."))
@click.option("--preview", is_flag=True, help=_("Only list what would go."))
@click.option("--reason", default="", help=_("Why; kept in the custody of both."))
@by_option
@click.option("--lines", is_flag=True, help=_("In a PDF, cover whole lines, so that no width tells how long a word was."))
@click.option("--searchable", is_flag=True, help=_("In a PDF, lay the remaining words back as an unseen layer."))
@click.option("--annotations", is_flag=True, help=_("In a PDF, draw comments and form fields too, and search them."))
@click.option(
    "--include", "include", multiple=True, type=click.Choice(evidence_redact.INCLUDED), help=_("In a DOCX or ODT, keep these.")
)
@click.option("--language", "languages", multiple=True, help=_("Of text in pictures: eng, rus, ara; may be repeated."))
@click.option(
    "--dpi", default=200, show_default=True, type=click.IntRange(100, 400), help=_("In which a PDF's pages are drawn.")
)
@click.option("--recognise/--no-recognise", default=True, help=_("Read the copy by recognition before it is kept (slow)."))
@passphrase_option
@verb
def redact(
    handle: str, words: tuple[str, ...], patterns: tuple[str, ...], boxes: tuple[str, ...], names: bool, accept: str,
    preview: bool, reason: str, actor: str, lines: bool, searchable: bool, annotations: bool, include: tuple[str, ...],
    languages: tuple[str, ...], dpi: int, recognise: bool, passphrase_fd: int | None, folder: Path | None,
) -> Result:  # fmt: skip
    if not (words or patterns or boxes or names):
        raise NothingAsked
    asked = evidence_redact.Asked(
        words, patterns, tuple(map(plain.box_from, boxes)), names, accept, lines, searchable, annotations, include,
        "+".join(languages), dpi, recognise,
    )  # fmt: skip
    with opened(folder, identities=names, descriptor=passphrase_fd) as session:
        if preview:
            seen = evidence_redact.preview(session, handle, asked)
            return {"demo": session.demo, **_as_json(seen)}, _listed(seen)
        done = evidence_redact.redacted(session, handle, asked, reason=reason, actor=actor)
        data = {
            "demo": session.demo, **brief(done.item), "places": done.places, "boxes": done.boxes,
            "recognised": done.recognised, "warnings": done.warnings,
        }  # fmt: skip
    text = _(
        "Redacted copy {item} of {parent}: places {places}, boxes {boxes}. It was read again and nothing of them was found."
    )
    made = text.format(item=done.item.handle, parent=done.item.parent, places=done.places, boxes=done.boxes)
    look = _("Look at it before it leaves: a machine knows no faces, places or stories by which a person is recognised.")
    return data, "\n".join([made, *done.warnings, look])


def _as_json(seen: evidence_redact.Preview) -> dict[str, Any]:
    return {
        "item": seen.item, "boxes": seen.boxes, "warnings": seen.warnings, "found": [one._asdict() for one in seen.found],
    }  # fmt: skip


def _listed(seen: evidence_redact.Preview) -> str:
    lines = [
        f"{one.number:4}  {one.place}  {_(one.how)}{' ' + one.person if one.person else ''}:  {one.context}"
        for one in seen.found[:_SHOWN]
    ]
    if len(seen.found) > _SHOWN:
        lines.append(_("... and {count:,} more; --json lists all.").format(count=len(seen.found) - _SHOWN))
    count = ngettext("{count:,} place would go from {item}.", "{count:,} places would go from {item}.", len(seen.found))
    head = count.format(count=len(seen.found), item=seen.item)
    boxes = [_("Boxes that would be filled: {count}.").format(count=seen.boxes)] if seen.boxes else []
    return "\n".join([*lines, head, *boxes, *seen.warnings])


COMMANDS = [redact]
