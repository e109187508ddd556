"""The verb that shows what is like what: similar."""

from pathlib import Path
from typing import Any

import click

from amparo.app import evidence_near
from amparo.app.evidence_near import Group, Like, Similar
from amparo.cli.common import opened, passphrase_option, progress, verb
from amparo.kernel.i18n import _, ngettext

Result = tuple[dict[str, Any], str]


@click.command(
    help=_(
        "Show what is like an item: copies that are smaller, recompressed, cropped, turned or mirrored; videos, texts and "
        "recordings that share parts. With --all, every group of items that hang together. Whole files are compared, never "
        "faces or voices; what is shown are suggestions, and nothing is merged.\n\n"
        "Example: amparo evidence similar D-0003"
    )
)
@click.argument("handle", required=False)
@click.option("--all", "every", is_flag=True, help=_("All groups of items that are like each other."))
@click.option(
    "--limit",
    default=50,
    show_default=True,
    type=click.IntRange(1),
    help=_("How many lines or groups at most; --json tells all."),
)
@passphrase_option
@verb
def similar(handle: str | None, every: bool, limit: int, passphrase_fd: int | None, folder: Path | None) -> Result:
    if every == bool(handle):
        raise click.UsageError(_("Name one item (D-...) or say --all."))
    data: dict[str, Any]
    with opened(folder, descriptor=passphrase_fd) as session:
        if handle:
            told = evidence_near.similar(session, handle)
            lines = _of_one(told, limit)
            data = {
                "item": told.item, "similar": [like._asdict() for like in told.likes], "compared": told.compared,
                "remarks": told.remarks,
            }  # fmt: skip
        else:
            with progress(_("Comparing")) as bar:
                groups = list(evidence_near.groups(session, bar))
            lines = _of_all(groups, limit)
            data = {"groups": [_group(group) for group in groups]}
        unread = evidence_near.unread(session)
        data |= {"demo": session.demo, "unread": unread}
    if unread:
        words = ngettext(
            "{n:,} picture, video or recording was not read yet and cannot be found; `amparo evidence read` does.",
            "{n:,} pictures, videos and recordings were not read yet and cannot be found; `amparo evidence read` does.",
            unread,
        )
        lines.append(words.format(n=unread))
    return data, "\n".join(lines)


def _line(like: Like) -> str:
    return f"{like.item}  {like.words}"


def _of_one(told: Similar, limit: int) -> list[str]:
    lines = [_line(like) for like in told.likes[:limit]]
    if len(told.likes) > limit:
        lines.append(_("... and {count:,} more; --limit shows more.").format(count=len(told.likes) - limit))
    return [*(lines or [_("Nothing is like {item}.").format(item=told.item)]), *told.remarks]


def _of_all(groups: list[Group], limit: int) -> list[str]:
    lines = []
    for group in groups[:limit]:
        lines.append(_("{count:,} items: {items}").format(count=len(group.items), items=" ".join(group.items[:limit])))
        lines += [f"  {one} ~ {_line(like)}" for one, like in group.ties[:limit]]
    if len(groups) > limit:
        lines.append(_("... and {count:,} groups more; --limit shows more.").format(count=len(groups) - limit))
    return lines or [_("No two items are like each other.")]


def _group(group: Group) -> dict[str, Any]:
    return {"items": group.items, "ties": [{"of": one, **like._asdict()} for one, like in group.ties]}


COMMANDS = [similar]
