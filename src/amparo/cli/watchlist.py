"""The verb ``watchlist``: import published sanctions lists, and ask offline who on them a name may mean."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from amparo.cli.common import names_at_hand, opened, passphrase_option, progress, read_text, verb
from amparo.kernel.i18n import _, ngettext
from amparo.verify.watchlists import ALERT, FORMATS

Result = tuple[dict[str, Any], str]
_LONGEST_NAME = 300


@click.group(
    help=_(
        "Sanctions and watch lists: import the published files, and ask on this machine who on them a name may mean.\n\n"
        "Example: amparo watchlist import consolidated.xml --dated 2026-01-31 --as un"
    )
)
def watchlist() -> None:
    """The group of subverbs."""


@watchlist.command(
    name="import",
    help=_(
        "Import a published list: OFAC sdn.xml, sdn.csv and alt.csv; the EU's, UK's and UN's consolidated XML; FollowTheMoney "
        "JSON lines. It is kept as it came, sealed. Nothing is fetched: get the file on another machine.\n\n"
        "Example: amparo watchlist import consolidated.xml --dated 2026-01-31 --as un"
    ),
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dated", type=click.DateTime(["%Y-%m-%d"]), required=True, help=_("The day the list was published."))
@click.option("--as", "format", type=click.Choice(FORMATS), required=True, help=_("Whose list it is."))
@passphrase_option
@verb
def import_(file: Path, dated: datetime, format: str, passphrase_fd: int | None, folder: Path | None) -> Result:
    from amparo.app import watchlists

    with opened(folder, descriptor=passphrase_fd) as session, progress(_("Reading the list")) as bar:
        taken = watchlists.import_list(session, file, format=format, dated=f"{dated:%Y-%m-%d}", progress=bar)
        data = {
            "demo": session.demo, "handle": taken.handle, "persons": taken.persons, "bodies": taken.bodies,
            "names": taken.names,
            "new": taken.new,
        }  # fmt: skip
    told = _("{handle}: {persons} persons and {bodies} bodies under {names} names.").format(**data)
    return data, told if taken.new else told + " " + _("This very file was there already.")


@watchlist.command(name="list", help=_("The imported lists and their dates.\n\nExample: amparo watchlist list"))
@passphrase_option
@verb
def list_(passphrase_fd: int | None, folder: Path | None) -> Result:
    from amparo.app import watchlists

    with opened(folder, descriptor=passphrase_fd) as session:
        rows = [
            {"handle": one.handle, "as": one.format, "publisher": _(watchlists.PUBLISHERS[one.format]), "dated": one.dated,
             "bytes": one.item.size, "sha256": one.item.sha256.hex()}
            for one in watchlists.lists(session)
        ]  # fmt: skip
        data = {"demo": session.demo, "lists": rows}
    lines = ["{handle:<8} {dated}  {publisher}".format(**row) for row in rows]
    return data, "\n".join(lines) or _("No list was imported yet.")


@watchlist.command(
    help=_(
        "Ask who on the newest lists a person or body may be: one of the record by its handle (a sealed name only where the "
        "identities are unlocked, and with a reason), or with --name a name that is asked for, never written on the command "
        "line. A hit is a question, not an answer; nothing of it is recorded.\n\n"
        'Example: amparo watchlist match P-0142 --reason "request of the case lead"'
    )
)
@click.argument("handle", required=False)
@click.option("--name", "by_name", is_flag=True, help=_("Ask for a name (or read one line from standard input)."))
@click.option("--born", default="", metavar="YEAR", help=_("Year of birth, with --name: another year weighs against a hit."))
@click.option("--reason", default="", help=_("Why a sealed name is looked up; the record keeps it."))
@click.option("--least", type=click.FloatRange(0.3, 1.0), default=ALERT, show_default=True, help=_("Smallest weight shown."))
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help=_("How many are shown."))
@passphrase_option
@verb
def match(
    handle: str | None, by_name: bool, born: str, reason: str, least: float, limit: int, passphrase_fd: int | None,
    folder: Path | None,
) -> Result:  # fmt: skip
    from amparo.app import watchlists

    if by_name == bool(handle):
        raise click.UsageError(_("Name a handle (P-...) or say --name."))
    name = _asked() if by_name else ""
    with opened(folder, identities=not by_name and names_at_hand(folder), descriptor=passphrase_fd) as session:
        with progress(_("Reading the lists")) as bar:
            if handle:
                found = watchlists.match_handle(session, handle, reason=reason, least=least, limit=limit, progress=bar)
            else:
                found = watchlists.match_name(session, name, born=born, least=least, limit=limit, progress=bar)
        hits = [watchlists.shown(hit, found.lists) for hit in found.hits]
        asked = [
            {"handle": one.handle, "publisher": _(watchlists.PUBLISHERS[one.format]), "dated": one.dated} for one in found.lists
        ]
        data = {"demo": session.demo, "handle": handle, "hits": hits, "lists": asked}
    return data, _told(hits, asked)


def _asked() -> str:
    """A name from the terminal or from standard input; never from the command line, which other users of the machine see."""
    lines = [click.prompt(_("Name"), err=True)] if sys.stdin.isatty() else read_text(sys.stdin).splitlines()
    name = str(lines[0]).strip() if lines else ""
    if not name or len(name) > _LONGEST_NAME:
        raise click.BadParameter(_("A name has from 1 to {most} letters.").format(most=_LONGEST_NAME), param_hint="--name")
    return name


def _told(hits: list[dict[str, Any]], asked: list[dict[str, Any]]) -> str:
    lines = []
    for hit in hits:
        lines.append(f"{hit['weight']:.2f}  {hit['publisher']} {hit['dated']}  {hit['reference']}  {_flat(hit['listed_as'])}")
        about = ", ".join([*hit["born"], *hit["countries"], *hit["programmes"]])
        lines.append(f"      {hit['why']}" + (f" ({_flat(about)})" if about else ""))
    lines.append(
        ngettext("{n} hit; a question to you, not an answer.", "{n} hits; questions to you, not answers.", len(hits)).format(
            n=len(hits)
        )
        if hits
        else _("No hit. That says only that these lists, of these dates, have no like name:")
    )
    lines += [f"  {one['handle']}  {one['publisher']} {one['dated']}" for one in asked]
    return "\n".join(lines)


def _flat(text: str) -> str:
    """On one line: what a list wrote must not look like a line of ours."""
    return " ".join(text.split())


COMMANDS = [watchlist]
