"""Verbs that read: status, search, show, trace."""

from datetime import UTC, datetime
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
    lines = [_("Workspace {id} holds").format(id=data["workspace"][:8])]
    lines += [f"  {count:>8,}  {kind}" for kind, count in sorted(data["counts"].items())]
    lines.append(
        _("Contradictions: {all}, of which {open} wait for an assessment").format(
            all=data["contradictions"], open=data["contradictions_unassessed"]
        )
    )
    if data["sources_without_basis"]:
        lines.append(_("Sources without consent or other basis: {list}").format(list=", ".join(data["sources_without_basis"])))
    lines += [_("Entries of device {number}: {entries}").format(**device) for device in data["devices"]]
    lines.append(_("Open to this command: {list}").format(list=", ".join(data["open_compartments"])))
    return data, "\n".join(lines)


@click.command(
    help=_(
        "Search the record: claims that have every word, in any form of it; names in Latin, Cyrillic or Arabic spelling.\n\n"
        'Example: amparo search "detained Argun" --date 2017'
    )
)
@click.argument("words", nargs=-1)
@click.option("--kind", help=_("Kind of the thing the claim is about: event, act, person ..."))
@click.option("--date", help=_("A partial date: 2017, 2017-03, 2016-12/2017-02."))
@click.option("--place", help=_("Handle of a place."))
@click.option("--source", help=_("Handle of a source."))
@click.option("--property", "property_", help=_("Property of the claim."))
@click.option("--status", "claim_status", help=_("current, superseded or retracted."))
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help=_("How many are shown."))
@click.option("--offset", type=click.IntRange(0), default=0, help=_("How many are passed over first."))
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
    if not data["hits"] and data["query"] and not data["explanation"]:
        lines.append(_("Every word must stand in one claim, in its own language (names in any script): try fewer words."))
    elif len(data["hits"]) < data["total"]:
        lines[0] += _("; shown are {count} (--limit, --offset show others)").format(count=len(data["hits"]))
    if data["explanation"]:
        lines.append(str(data["explanation"]))
    for hit in data["hits"]:
        about = f"{hit['subject']} {hit['property']}" if hit["property"] else hit["kind"]
        when = f" ({hit['valid']})" if hit["valid"] else ""
        tail = f"  [{hit['source']}]" if hit["source"] else ""
        lines.append(f"{hit['handle']:<8} {about}{when}: {_flat(hit['text'] or hit['value'])}{tail}")
    if data["hits"]:
        lines.append("")
    for name, cells in data["facets"].items():
        shown = ", ".join(f"{value} {count}" for value, count in list(cells.items())[:8])
        if shown and data["hits"]:
            lines.append(f"{name + ':':<8} {shown}")
    return "\n".join(lines)


def _flat(text: str) -> str:
    """On one line: what a source wrote must not look like a line of ours."""
    return " ".join(str(text).split())


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
    lines: list[str] = []
    for name, value in data.items():
        if name == "demo" or not value:
            continue
        title = name.replace("_", " ").upper()
        if isinstance(value, dict):
            lines.append(title)
            lines += [
                f"  {_label(key):<14} {_flat(_text(key, item))}"
                for key, item in value.items()
                if item not in ("", [], None, False)
            ]
        elif isinstance(value, list):
            lines.append(f"{title} ({len(value)})")
            lines += [f"  {_flat(_line(item))}" for item in value]
    return "\n".join(lines)


def _label(key: str) -> str:
    return key.replace("_", " ")


def _text(key: str, value: Any) -> str:
    """A field as a person reads it: lists joined, truths as yes, times as UTC."""
    if key == "recorded" and isinstance(value, int):
        return datetime.fromtimestamp(value / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, dict):  # a name: its text, and what kind of name it is
        other = ", ".join(str(item) for name, item in value.items() if name != "text" and item)
        return f"{value.get('text', '')} ({other})" if other else str(value.get("text", ""))
    if isinstance(value, (list, tuple)):
        pair = len(value) == 2 and all(isinstance(item, str) for item in value) and key in ("contact", "document")
        inner = {"contacts": "contact", "documents": "document"}.get(key, key)
        return " ".join(value) if pair else "; ".join(_text(inner, item) for item in value)
    return str(value)


def _line(item: Any) -> str:
    if not isinstance(item, dict):
        return str(item)
    if "property" in item:
        head = f"{item['handle']} {item['subject']} {item['property']}"
        if item.get("value"):
            head += f" = {item['value']}"
        stood = [item.get("valid"), item.get("stance"), item.get("polarity"), item.get("status")]
        facts = ", ".join(str(fact) for fact in stood if fact and fact not in ("affirmed", "current"))
        text = f": {item['text']}" if item.get("text") else ""
        return head + (f" ({facts})" if facts else "") + text + (f"  [{item['source']}]" if item.get("source") else "")
    if "proposition" in item:
        return f"{item['handle']} {item['proposition']} – {item['outcome']} ({item['standard']})"
    return ", ".join(f"{_label(key)}: {_text(key, value)}" for key, value in item.items() if value not in ("", [], False, 0))


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
    lines: list[str] = []
    before: list[str] = []
    for item in data["claims"]:
        claim, found = item["claim"], _proof(item)
        text = claim.get("text") or claim.get("value", "")
        lines.append(f"{claim['handle']}  {claim['subject']} {claim['property']}: {_flat(text)}")
        lines += [_("  the same passage, source, file, entry and signature")] if found == before else found
        before = found
    return data, "\n".join(lines)


def _proof(item: dict[str, Any]) -> list[str]:
    """The way back from a claim, a line for each step."""
    entry = item["entry"]
    lines: list[str] = []
    if item["passage"]:
        passage = item["passage"]
        words = str(passage["text"]).replace("\n", "\n            ")
        lines.append(f"  passage   {passage['handle']} ({passage['locator']}): {words}")
    if item["source"]:
        source = item["source"]
        told = ", ".join(str(source[key]) for key in ("label", "type", "date") if source.get(key))
        lines.append(f"  source    {source['handle']} {told} [{source.get('basis') or _('no basis')}]")
    lines += [f"  file      {file['name']}, {file['size']:,} bytes, SHA-256 {file['sha256']}" for file in item["files"]]
    place = f"device {entry['device']}, number {entry['seq']}, part {entry['part']}"
    lines.append(f"  entry     {place}, SHA-256 {entry['sha256']}")
    lines.append(f"  signature {entry['signature'][:32]}... by {entry['signed_by'][:16]}..., valid")
    return lines


COMMANDS = [status, search, show, trace]
