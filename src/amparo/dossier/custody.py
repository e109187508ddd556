"""The printed custody sheet: one item a sheet, as PDF/A-2a and PDF/UA-1, with a QR code and lines to sign on.

Invariants: a pure function of an ``Export``; the same export gives the same bytes. Words of sources are data to the
template, never markup (dossier.layout), and keep their direction. The QR code says the item's handle and SHA-256, no more.
Sources: ISO/IEC 27037:2012, 6.1 (what a chain of custody records); ISO/IEC 18004:2015 (QR code).
"""

import io
import json
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, Final

import segno
import typst

from amparo.dossier.build import FONTS, STANDARDS, TEMPLATES, refusal_of
from amparo.dossier.layout import clean, direction
from amparo.evidence.exhibits import Event, Exhibit, Export, day_and_time, grouped
from amparo.kernel.i18n import _, ngettext

_SHOWN: Final = 200
"""Derivatives listed on a sheet; more are counted."""


def sheet(export: Export, *, listed: bool = False) -> bytes:
    """The PDF: a list of the items and a sheet for each, or, with ``listed``, the list alone.

    Raises DossierFontMissing, DossierBuildFailed.
    """
    data = {**_data(export, listed=listed), "listed": listed}
    files: Any = {**_parts(), "data.json": json.dumps(data, ensure_ascii=False).encode()}
    try:
        made = typst.compile(
            files, format="pdf", font_paths=[str(FONTS)], ignore_system_fonts=True, pdf_standards=list(STANDARDS), timestamp=0,
        )  # fmt: skip
    except typst.TypstError as error:
        raise refusal_of(error) from None
    assert isinstance(made, bytes)
    return made


def qr_text(exhibit: Exhibit) -> str:
    """What the QR code says: handle and SHA-256, for any reader of codes."""
    return f"{exhibit.handle} SHA-256 {exhibit.sha256.hex()}"


@cache
def _parts() -> dict[str, bytes]:
    return {"main.typ": (TEMPLATES / "custody.typ").read_bytes(), "parts.typ": (TEMPLATES / "parts.typ").read_bytes()}


def _data(export: Export, *, listed: bool) -> dict[str, Any]:
    """All the template needs, as plain JSON values."""
    moment = datetime.fromtimestamp(export.when / 1000, UTC)
    return {
        "words": _words(), "language": _("en"), "demo": export.demo, "title": clean(export.title),
        "date": [moment.year, moment.month, moment.day], "when": day_and_time(export.when), "key": export.key,
        "workspace": _fours(export.workspace), "device": _fours(export.device), "number": export.number,
        "purpose": _(export.purpose), "audience": _(export.audience), "software": export.software,
        "organisation": _shown(export.organisation), "recipient": _shown(export.recipient),
        "authority": _shown(export.authority),
        "items": [_line(exhibit) if listed else _item(exhibit) for exhibit in export.exhibits],
    }  # fmt: skip


def _line(exhibit: Exhibit) -> dict[str, Any]:
    """An item in the list alone."""
    return {"handle": exhibit.handle, "sha256": _half(grouped(exhibit.sha256))}


def _item(exhibit: Exhibit) -> dict[str, Any]:
    facts: list[list[Any]] = [
        [_("What it is"), _what(exhibit)],
        [_("Source"), [exhibit.source, ""]],
        [_("Size"), [ngettext("{n:,} byte", "{n:,} bytes", exhibit.size).format(n=exhibit.size), ""]],
        [_("Taken in"), [day_and_time(exhibit.added), ""]],
    ]
    if exhibit.modified:
        facts.append([_("Last changed, as the file said"), [day_and_time(exhibit.modified), ""]])
    if exhibit.name:
        facts.insert(1, [_("Name as it came"), _shown(exhibit.name)])
    if exhibit.path:
        facts.append([_("File in this export"), [exhibit.path, ""]])
    derived = [[handle, _(relation)] for handle, relation in exhibit.derived[:_SHOWN]]
    return {
        "handle": exhibit.handle, "facts": facts, "sha256": _half(grouped(exhibit.sha256)),
        "blake3": _half(grouped(exhibit.blake3)), "qr": _qr(qr_text(exhibit)), "qr text": qr_text(exhibit),
        "events": [_event(number, event) for number, event in enumerate(exhibit.events, 1)], "derived": derived,
        "more derived": max(0, len(exhibit.derived) - _SHOWN), "proofs": [clean(sentence) for sentence in exhibit.proofs],
    }  # fmt: skip


def _what(exhibit: Exhibit) -> list[str]:
    kind = exhibit.media_type or _("file of unknown type")
    if not exhibit.parent:
        return [_("original, {type}").format(type=kind), ""]
    return [_("{relation}, from {parent}, {type}").format(relation=_(exhibit.relation), parent=exhibit.parent, type=kind), ""]


def _event(number: int, event: Event) -> dict[str, Any]:
    return {
        "n": number, "when": day_and_time(event.when).removesuffix(" UTC"), "device": event.device, "action": _(event.action),
        "actor": _shown(event.actor), "entry": event.entry,
        "words": [
            [label, _shown(word)]
            for label, word in (("", event.reason), (_("authority:"), event.authority), ("", event.detail))
            if word
        ],
    }  # fmt: skip


def _shown(text: str) -> list[str]:
    """A text on one line and its direction: [text, "ar" or "he" or ""]."""
    shown = clean(text)
    return [shown, direction(shown)]


def _half(digits: str) -> list[str]:
    """Sixteen groups of four as two lines of eight."""
    groups = digits.split(" ")
    return [" ".join(groups[:8]), " ".join(groups[8:])]


def _fours(digits: str) -> str:
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


@lru_cache(1024)  # papers are drawn twice: for the gate, and with the numbers of their own entries
def _qr(text: str) -> str:
    """The QR code as SVG: drawn, since the gate lets no picture pass; error correction M, so that a stain does not matter."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False, boost_error=False).save(out, kind="svg", border=0, xmldecl=False)
    return out.getvalue().decode()


def _words() -> dict[str, str]:
    return {
        "kind": _("Chain of custody"), "item": _("Item"), "custody": _("Custody, in order"), "derived": _("Made from it"),
        "proofs": _("Proofs from outside"), "sha256": "SHA-256", "blake3": "BLAKE3", "number": _("No."),
        "when": _("When (UTC)"), "what": _("What"), "who": _("Who"), "why": _("Why, by whose authority, how"),
        "entry": _("Signed entry"),
        "no proofs": _("None: no time-stamp covers this item yet."), "no derived": _("Nothing."), "unsaid": _("not recorded"),
        "more": _("and {n} more"), "page": _("Page {page} of {pages}"), "device": _("device {n}"),
        "hand over": _("Hand-over"), "given": _("Handed over by"), "received": _("Received by"), "name": _("Name"),
        "function": _("Function, organisation"), "place": _("Place"), "date": _("Date and time"), "signature": _("Signature"),
        "seal intact": _("The SHA-256 of the file was computed again at hand-over and is the one above:"),
        "yes": _("yes"), "no": _("no"), "workspace": _("Workspace"), "signing": _("Signing device"),
        "printed": _("Printed"), "for": _("For"), "purpose": _("Purpose"), "by": _("By"), "authority": _("Authority"),
        "recipient": _("Recipient"), "export": _("Export"), "demo": _("DEMONSTRATION: every person and file in it is made up."),
        "listed": _("Their sheets are printed on demand (`amparo evidence sheet`); the custody of each is in custody.csv."),
        "note": _(
            "Each event is a row signed by the device that wrote it, in a chain in which nothing can be changed without "
            "breaking a signature. Times are by that device's clock (UTC). The entry's number finds the row in the ledger."
        ),
        "qr": _("QR code: {text}"), "items": _("Items on these sheets"), "size": _("Size"), "page of": _("Sheet"),
    }  # fmt: skip
