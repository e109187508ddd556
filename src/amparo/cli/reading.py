"""Verbs that read: status, search, show, trace."""

from typing import Any

import click

from amparo.app import reading
from amparo.cli.common import opened, passphrase_option, verb
from amparo.kernel.i18n import _

Result = tuple[dict[str, Any], str]


@click.command(help=_("Tell what the workspace holds and what waits to be done.\n\nExample: amparo status"))
@passphrase_option
@verb
def status(passphrase_fd: int | None, folder: Any) -> Result:
    with opened(folder, descriptor=passphrase_fd) as session:
        data = reading.status(session)
    lines = [_("Workspace {id}").format(id=data["workspace"][:8])]
    lines += [f"  {count:>8,}  {kind}" for kind, count in sorted(data["counts"].items())]
    lines.append(
        _("Contradictions: {all}, of which {open} without an assessment").format(
            all=data["contradictions"], open=data["contradictions_unassessed"]
        )
    )
    if data["sources_without_basis"]:
        lines.append(_("Sources without consent or other basis: {list}").format(list=", ".join(data["sources_without_basis"])))
    lines += [_("Device {number}: {entries} entries").format(**device) for device in data["devices"]]
    lines.append(_("Open now: {list}").format(list=", ".join(data["open_compartments"])))
    return data, "\n".join(lines)


@click.command(
    help=_('Search the record, in Latin, Cyrillic or Arabic.\n\nExample: amparo search "detained Argun" --date 2017')
)
@click.argument("words", nargs=-1)
@click.option("--kind", help=_("Kind of the thing the claim is about: event, act, person ..."))
@click.option("--date", help=_("A partial date: 2017, 2017-03, 2016-12/2017-02."))
@click.option("--place", help=_("Handle of a place."))
@click.option("--source", help=_("Handle of a source."))
@click.option("--property", "property_", help=_("Property of the claim."))
@click.option("--status", "claim_status", help=_("current, superseded or retracted."))
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--offset", type=click.IntRange(0), default=0)
@passphrase_option
@verb
def search(
    words: tuple[str, ...], kind: str | None, date: str | None, place: str | None, source: str | None, property_: str | None,
    claim_status: str | None, limit: int, offset: int, passphrase_fd: int | None, folder: Any,
) -> Result:  # fmt: skip
    with opened(folder, descriptor=passphrase_fd) as session:
        data = reading.search(
            session, " ".join(words), kind=kind, date=date, place=place, source=source, property=property_, status=claim_status,
            limit=limit, offset=offset,
        )  # fmt: skip
    return data, _search_text(data)


def _search_text(data: dict[str, Any]) -> str:
    lines = [_("{total} found").format(total=data["total_text"])]
    if data["explanation"]:
        lines.append(str(data["explanation"]))
    for hit in data["hits"]:
        about = f"{hit['subject']} {hit['property']}" if hit["property"] else hit["kind"]
        when = f" ({hit['valid']})" if hit["valid"] else ""
        tail = f"  [{hit['source']}]" if hit["source"] else ""
        lines.append(f"{hit['handle']:<8} {about}{when}: {hit['text'] or hit['value']}{tail}")
    for name, cells in data["facets"].items():
        shown = ", ".join(f"{value} {count}" for value, count in list(cells.items())[:8])
        if shown:
            lines.append(f"{name}: {shown}")
    return "\n".join(lines)


@click.command(help=_("Open one person, event, act, source or claim.\n\nExample: amparo show P-0001"))
@click.argument("handle")
@click.option("--sealed", is_flag=True, help=_("Show the sealed identity too; needs --reason and leaves an entry."))
@click.option("--reason", default="", help=_("Why the sealed identity is shown."))
@passphrase_option
@verb
def show(handle: str, sealed: bool, reason: str, passphrase_fd: int | None, folder: Any) -> Result:
    with opened(folder, identities=sealed, descriptor=passphrase_fd) as session:
        data = reading.show(session, handle, reason=reason)
    return data, _show_text(data)


def _show_text(data: dict[str, Any]) -> str:
    lines = []
    for name, value in data.items():
        if name == "demo" or not value:
            continue
        if isinstance(value, dict):
            lines.append(name.upper())
            lines += [f"  {key}: {item}" for key, item in value.items() if item not in ("", [], None)]
        elif isinstance(value, list):
            lines.append(f"{name.upper()} ({len(value)})")
            lines += [f"  {_line(item)}" for item in value]
    return "\n".join(lines)


def _line(item: Any) -> str:
    if not isinstance(item, dict):
        return str(item)
    if "property" in item:
        head = f"{item['handle']} {item['subject']} {item['property']}"
        if item.get("value"):
            head += f" = {item['value']}"
        tail = "".join(
            f" ({item[key]})" for key in ("valid", "stance", "polarity") if item.get(key) and item[key] != "affirmed"
        )
        return f"{head}{tail}: {item.get('text', '')} [{item.get('source', '')}]"
    return ", ".join(f"{key}: {value}" for key, value in item.items() if value not in ("", [], False, 0))


@click.command(
    help=_(
        "Walk from a claim, a handle or an imported row's key back to passage, source, file hash, entry and signature."
        "\n\nExample: amparo trace F047"
    )
)
@click.argument("what")
@passphrase_option
@verb
def trace(what: str, passphrase_fd: int | None, folder: Any) -> Result:
    with opened(folder, descriptor=passphrase_fd) as session:
        data = reading.trace(session, what)
    lines = []
    for item in data["claims"]:
        claim, entry = item["claim"], item["entry"]
        lines.append(
            f"{claim['handle']}  {claim['subject']} {claim['property']}: {claim.get('text') or claim.get('value', '')}"
        )
        if item["passage"]:
            lines.append(f"  passage   {item['passage']['handle']} ({item['passage']['locator']}): {item['passage']['text']}")
        if item["source"]:
            source = item["source"]
            lines.append(
                f"  source    {source['handle']} {source.get('label', '')} {source.get('date', '')} [{source.get('basis', '')}]"
            )
        for file in item["files"]:
            lines.append(f"  file      {file['name']}, {file['size']} bytes, SHA-256 {file['sha256']}")
        lines.append(
            f"  entry     device {entry['device']}, number {entry['seq']}, part {entry['part']}, SHA-256 {entry['sha256']}"
        )
        lines.append(f"  signature {entry['signature'][:32]}... by {entry['signed_by'][:16]}..., valid")
    return data, "\n".join(lines)


COMMANDS = [status, search, show, trace]
