"""The parts of an export that people read: the index page, the custody as a table, the letter to whoever checks it.

Invariants: no script, no address outside the export, nothing loaded: the page is one file with its style inside and forbids
the rest by its own policy. Words of sources are escaped. A table cell never begins like a formula (=, +, -, @): it gets a
leading apostrophe, since spreadsheets run formulas.
"""

import csv
import html
import io
import textwrap
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote

from amparo.evidence.exhibits import Exhibit, Export, day_and_time, grouped, iso
from amparo.kernel.i18n import _, ngettext

COLUMNS: Final = (
    "item", "file", "sha256", "when", "device", "action", "actor", "reason", "authority", "detail", "entry",
)  # fmt: skip
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_STYLE: Final = """
:root{color-scheme:light dark}
body{font:16px/1.5 Georgia,"Libertinus Serif",serif;max-width:60rem;margin:2rem auto;padding:0 1.2rem;
color:#1b1f23;background:#fff}
h1{font-size:1.9rem;line-height:1.2;color:#1f3f5b}h2{font-size:1.25rem;color:#1f3f5b;margin-top:2.2rem;
border-top:1px solid #b9c1c9;padding-top:1rem}
table{border-collapse:collapse;width:100%;font-size:.86rem}th,td{text-align:start;vertical-align:top;padding:.3rem .5rem;
border-bottom:1px solid #d5dbe0;overflow-wrap:break-word}.long{overflow-wrap:anywhere;min-width:7rem}
th{color:#5b6670;font-weight:600}
code{font:0.8rem/1.4 "DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
.quiet{color:#5b6670}.alarm{border:1px solid #8a2f1d;color:#8a2f1d;
padding:.4rem .8rem}dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.2rem}dt{color:#5b6670}dd{margin:0}
@media (prefers-color-scheme:dark){body{background:#14181c;color:#e4e8ec}h1,h2{color:#9cc4e4}.quiet,dt,th{color:#9aa6b1}
th,td{border-color:#333c44}h2{border-color:#333c44}a{color:#9cc4e4}.alarm{color:#f0a08c;border-color:#f0a08c}}
@media (max-width:40rem){body{margin:1rem auto;padding:0 .8rem}table,tbody,tr,td{display:block}thead{display:none}
td{border:0;padding:.1rem 0}tr{border-bottom:1px solid #b9c1c9;padding:.4rem 0}dl{grid-template-columns:1fr;gap:0}
dd{margin-bottom:.4rem;overflow-wrap:anywhere}a{overflow-wrap:anywhere}}
@media print{body{margin:0;max-width:none}h2{break-after:avoid}tr{break-inside:avoid}}
"""


def custody_table(export: Export) -> Iterator[bytes]:
    """All events of custody as CSV (RFC 4180, UTF-8), in the order of the items and then of time: the header line, then the
    lines of one item after the other.
    """
    yield _lines([COLUMNS])
    for exhibit in export.exhibits:
        yield _lines(
            (
                exhibit.handle, exhibit.path, exhibit.sha256.hex(), iso(event.when), event.device,
                *map(cell, (event.action, event.actor, event.reason, event.authority, event.detail)), event.entry,
            )
            for event in exhibit.events
        )  # fmt: skip


def _lines(rows: Iterable[tuple[str, ...]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def cell(text: str) -> str:
    """Text as a table cell on one line that no spreadsheet takes for a formula."""
    line = " ".join(text.split())
    return "'" + line if line.startswith(_FORMULA) else line


# -- the page ----------------------------------------------------------------------------------------------------------------


def page(export: Export) -> Iterator[bytes]:
    """ro-crate-preview.html: what this is, what is in it, how it is checked, each item with its custody.

    In pieces that end with a paragraph: whoever searches it need not hold all of it at one time.
    """
    for part in _page(export):
        yield part.encode() + b"\n\n"


def _page(export: Export) -> Iterator[str]:
    policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"
    yield from (
        "<!doctype html>", f'<html lang="{html.escape(_("en"))}"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">',
        f"<title>{_e(export.title)}</title><style>{_STYLE}</style></head><body>",
    )  # fmt: skip
    if export.demo:
        yield f'<p class="alarm">{_e(_("DEMONSTRATION: every person and file in it is made up."))}</p>'
    yield from (f"<h1>{_e(export.title)}</h1>", _facts(export), _how(export), *_list(export))
    yield from map(_exhibit, export.exhibits)
    yield from (*_others(export), "</body></html>")


def _e(text: str) -> str:
    return html.escape(text)


def _facts(export: Export) -> str:
    count = len(export.exhibits)
    facts = [
        (_("What"), ngettext("{n} digital item", "{n} digital items", count).format(n=count)),
        (_("Exported"), day_and_time(export.when)), (_("For"), _(export.audience)), (_("Recipient"), export.recipient),
        (_("Purpose"), _(export.purpose)), (_("Authority"), export.authority), (_("By"), export.organisation),
        (_("Workspace"), export.workspace), (_("Signing device"), export.device),
    ]  # fmt: skip
    return "<dl>" + "".join(f"<dt>{_e(name)}</dt><dd>{_e(value)}</dd>" for name, value in facts if value) + "</dl>"


def _how(export: Export) -> str:
    words = [
        _("Each file below is an exact copy of what was sealed when taken in; its SHA-256 would change with any bit of it."),
        _("Custody lists in order who did what with an item. Its rows are signed by the device that wrote them."),
        _("README.txt, one folder up, says how all of it is checked with Python alone, and what the check cannot show."),
    ]
    if export.others:
        words.append(_("The same custody is in custody/custody.csv as a table and in the printed custody sheet."))
    return "".join(f"<p>{_e(sentence)}</p>" for sentence in words)


def _list(export: Export) -> Iterator[str]:
    heads = (_("Item"), _("Type"), _("Size"), _("Taken in"), _("From"))
    yield f"<h2>{_e(_('Items'))}</h2><table><thead><tr>{_heads(heads)}</tr></thead><tbody>"
    for one in export.exhibits:
        yield (
            f'<tr><td><a href="#{_e(one.handle)}">{_e(one.handle)}</a></td><td class="long">{_e(one.media_type)}</td>'
            f"<td>{_bytes(one.size)}</td><td>{_e(day_and_time(one.added))}</td><td>{_e(one.parent or one.source)}</td></tr>"
        )
    yield "</tbody></table>"


def _heads(words: tuple[str, ...]) -> str:
    return "".join(f'<th scope="col">{_e(word)}</th>' for word in words)


def _exhibit(exhibit: Exhibit) -> str:
    link = f'<a href="{_href(exhibit.path)}">{_e(exhibit.path)}</a>'
    facts = [(_("File"), link), (_("Size"), _e(_bytes(exhibit.size))), (_("Type"), _e(exhibit.media_type))]
    if exhibit.name:
        facts.append((_("Name as it came"), f'<bdi dir="auto">{_e(exhibit.name)}</bdi>'))
    if exhibit.parent:
        facts.append((_("Made from"), f"{_e(exhibit.parent)} ({_e(_(exhibit.relation))})"))
    facts.append((_("SHA-256"), f"<code>{grouped(exhibit.sha256)}</code>"))
    facts.append((_("BLAKE3"), f"<code>{grouped(exhibit.blake3)}</code>"))
    rows = "".join(
        f"<tr><td>{_e(day_and_time(event.when))}</td><td>{_e(_(event.action))}</td>"
        f'<td><bdi dir="auto">{_e(event.actor or _("device {n}").format(n=event.device))}</bdi></td><td class="long">'
        + " · ".join(f'<bdi dir="auto">{_e(word)}</bdi>' for word in (event.reason, event.authority, event.detail) if word)
        + f"</td><td>{_e(event.entry)}</td></tr>"
        for event in exhibit.events
    )
    heads = (_("When"), _("What"), _("Who"), _("Why, by whose authority"), _("Signed entry"))
    proofs = "".join(f"<li>{_e(sentence)}</li>" for sentence in exhibit.proofs)
    files = "".join(f'<li><a href="{_href(path)}">{_e(path)}</a></li>' for path in exhibit.files)
    return (
        f'<h2 id="{_e(exhibit.handle)}">{_e(exhibit.handle)}</h2><dl>'
        + "".join(f"<dt>{_e(name)}</dt><dd>{value}</dd>" for name, value in facts)
        + f"</dl><table><thead><tr>{_heads(heads)}</tr></thead><tbody>{rows}</tbody></table>"
        + (f"<p>{_e(_('Proofs of time'))}</p><ul>{proofs}{files}</ul>" if proofs or files else "")
    )


def _others(export: Export) -> Iterator[str]:
    shown = [(path, what) for path, what in sorted(export.others.items()) if not path.startswith("proofs/")]
    if shown:
        yield f"<h2>{_e(_('Other files'))}</h2><ul>"
        yield from (f'<li><a href="{_href(path)}">{_e(path)}</a>: {_e(what)}</li>' for path, what in shown)
        yield "</ul>"


def _href(path: str) -> str:
    return html.escape(quote(path))


def _bytes(size: int) -> str:
    return ngettext("{n:,} byte", "{n:,} bytes", size).format(n=size)


# -- the letter ---------------------------------------------------------------------------------------------------------------


def readme(export: Export) -> str:
    """README.txt: for whoever receives this, whoever doubts it, and their experts."""
    command = "python3 -I verify/amparo_verify_bag.py ."
    sections = [
        (export.title, [
            _("Exported {when} for: {audience}. Workspace {workspace}, device {device}.").format(
                when=day_and_time(export.when), audience=_(export.audience), workspace=export.workspace, device=export.device),
            _("Open data/ro-crate-preview.html in a browser: it lists the items with their custody. It needs no network."),
        ]),
        (_("How to check it"), [
            _("1. Any BagIt tool (RFC 8493) checks that every file is there and unchanged since the bag was made."),
            _("2. {command} does that too, and checks the signatures: of the device on the list of all files, on each row of "
              "custody, and on the device's certificate. It needs Python 3.10 or later and nothing else; OpenSSL, where it is "
              "there, checks the time-stamps. Take the program from the Amparo project rather than from this bag, or compare "
              "the two: a bag that was forged would bring a forged program. It shares no code with Amparo; read it, or write "
              "your own from the format document.").format(command=command),
            _("3. Compare the workspace number above with the one on a custody sheet signed by hand, or ask the organisation "
              "by another way. Only that shows whose signature it is."),
        ]),
        (_("What is in it"), [
            _("data/items: the digital items, bit for bit."),
            _("data/custody: custody.csv (a table), custody-sheet.pdf (to print), ledger.cbor (the signed entries and the keys "
              "of those parts that tell of these items, no other), statement.cbor (the signed list of all files)."),
            _("data/case.jsonld: the same for CASE/UCO tools. data/ro-crate-metadata.json: the same as RO-Crate."),
            _("data/proofs: time-stamps (RFC 3161) with certificates, OpenTimestamps proofs, and how to check each."),
        ]),
        (_("What it does not show"), [
            _("A signature shows which device wrote a row and that nobody changed it since; not that the row is true, nor that "
              "no row was left out by the device's owner. The clock of a device proves nothing; a time-stamp does, within "
              "its bounds."),
            _("Rows that hold the names of files as they came stay sealed unless names were exported. Their signed hashes are "
              "in ledger.cbor; their keys can be handed over later, one by one."),
        ]),
    ]  # fmt: skip
    lines: list[str] = []
    for title, sentences in sections:
        lines += [title, "=" * len(title), "", *(textwrap.fill(sentence, 78) + "\n" for sentence in sentences)]
    if export.demo:
        lines.insert(0, _("DEMONSTRATION: every person and file in it is made up.") + "\n")
    return "\n".join(lines)
