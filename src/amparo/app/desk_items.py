"""Digital items for pages: an overview a page at a time, one item with its custody, and bytes for who may have them.

Invariants: no page walks all items; how many are looked at for one page has a bound. Whoever looks into an item is in its
custody first, once a sitting (from one unlocking to the next lock); whoever takes a copy, every time and with a reason.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, BinaryIO, Final, cast
from weakref import WeakKeyDictionary

from amparo.app import evidence, evidence_proofs
from amparo.app.drawing import drawable
from amparo.app.naming import refuse_names
from amparo.app.people import Empty
from amparo.app.reading import NothingThere
from amparo.app.session import Session
from amparo.evidence.sandbox import readers_for
from amparo.evidence.time import queue
from amparo.kernel import ids, text
from amparo.kernel.i18n import N_, _
from amparo.record import locators
from amparo.record.items import Item

PAGE: Final = 50
_LOOKED: Final = 1_000  # handles looked at for one page of the overview
_SHOWN: Final = 100
_LINES, _WIDE = 40, 300
_HIDDEN: Final = ("read", "unread", "ocr", "waveform", "provenance")  # facts that are shown in another way, or nowhere
_MADE: Final = ("still", "rendered")
PLAYED: Final[Mapping[str, str]] = {
    "video/mp4": "video/mp4", "video/quicktime": "video/mp4", "video/webm": "video/webm", "video/x-matroska": "video/webm",
    "video/ogg": "video/ogg", "audio/mpeg": "audio/mpeg", "audio/mp4": "audio/mp4", "audio/ogg": "audio/ogg",
    "audio/wav": "audio/wav", "audio/flac": "audio/flac", "audio/aac": "audio/aac",
}  # fmt: skip
"""Media type of an item -> the type it is played as: the only ones a browser is ever told."""
WHAT: Final = (
    ("image/svg", N_("Drawing made of code (SVG)")), ("image/", N_("Picture")), ("video/", N_("Film")),
    ("audio/", N_("Sound recording")), ("application/pdf", N_("PDF document")),
    ("message/", N_("E-mail")), ("application/mbox", N_("E-mail")), ("application/vnd.ms-outlook", N_("E-mail")),
    ("application/wacz", N_("Web capture")), ("application/warc", N_("Web capture")), ("text/html", N_("Web page")),
    ("text/", N_("Text")), ("application/x-subrip", N_("Transcript")), ("application/ttml", N_("Transcript")),
    ("application/vnd.openxmlformats", N_("Office document")), ("application/vnd.oasis", N_("Office document")),
    ("application/msword", N_("Office document")), ("application/zip", N_("Archive")), ("application/x-7z", N_("Archive")),
    ("application/vnd.rar", N_("Archive")), ("application/gzip", N_("Archive")), ("application/x-tar", N_("Archive")),
)  # fmt: skip
KINDS: Final = {
    "document": N_("Documents and text"), "image": N_("Pictures"), "video": N_("Films"), "audio": N_("Sound recordings"),
    "other": N_("Other files"),
}  # fmt: skip
RELATIONS: Final = {
    "member": N_("came inside"), "attachment": N_("was attached to"), "redacted": N_("redacted copy of"),
    "transcript": N_("transcript of"), "still": N_("still of"), "rendered": N_("drawn from"), "capture": N_("captured with"),
    "proof": N_("proof of"), "copy": N_("copy of"),
}  # fmt: skip

_seen: WeakKeyDictionary[Session, set[str]] = WeakKeyDictionary()
"""What was looked into in this sitting."""


def what(item: Item) -> str:
    """What kind of file it is, in the reader's language."""
    return next((_(label) for start, label in WHAT if item.media_type.startswith(start)), _("File"))


def kind(item: Item) -> str:
    """Which of KINDS it is."""
    main = item.media_type.partition("/")[0]
    if main in ("image", "video", "audio"):
        return main
    return "document" if main in ("text", "message") or readers_for(item.media_type) else "other"


def shown_name(item: Item) -> str:
    """An item's name for a line of ours: what steers a screen, and line breaks, are taken out of it."""
    return text.printable(item.name).replace("\n", "\N{REPLACEMENT CHARACTER}").replace("\t", " ")


def viewed(session: Session, item: Item, reason: str = "") -> None:
    """Write “viewed” into the custody, if it is the first look into the item in this sitting."""
    seen = _seen.setdefault(session, set())
    if item.handle not in seen:
        evidence.note(session, [item.handle], "viewed", reason=reason or _("looked at on a page"))
        seen.add(item.handle)


# -- the overview -------------------------------------------------------------------------------------------------------


def overview(session: Session, *, before: str = "", only: str = "", state: str = "") -> dict[str, Any]:
    """Items from the newest on, or from before the item ``before`` on; ``only`` of KINDS, ``state`` read, unread or twice.

    ``next`` is where to go on, "" at the end; the page may be short where few of the items looked at fit.
    """
    found: list[dict[str, Any]] = []
    looked, last = 0, ""
    for handles in _downwards(session, before):
        batch = evidence_items(session, handles)
        for handle in handles:
            last = handle
            item = batch.get(handle)
            if item is not None and (line := _fitting(session, item, only, state)):
                found.append(line)
            if len(found) == PAGE:
                return {"items": found, "next": last, "only": only, "state": state, "kinds": KINDS}
        looked += len(handles)
        if looked >= _LOOKED:
            return {"items": found, "next": last, "only": only, "state": state, "kinds": KINDS}
    return {"items": found, "next": "", "only": only, "state": state, "kinds": KINDS}


def evidence_items(session: Session, handles: list[str]) -> dict[str, Item]:
    """The items of these handles that there are."""
    rows = session.testimony.rows(Item.TYPE, "id IN (SELECT value FROM json_each(?))", (json.dumps(handles),))
    return {row[0]: Item.from_row(row) for row in rows}


def _downwards(session: Session, before: str) -> Iterator[list[str]]:
    """All handles that items may have, the newest device's first, each from its last on, in lots."""
    start = ids.parse(before) if ids.is_handle(before) and before.startswith("D-") else None
    for device in sorted(session.ledger.numbers().values(), reverse=True):
        number = session.record.next_number("item", device) - 1
        if start is not None and device > start.device:
            continue
        if start is not None and device == start.device:
            number = min(number, start.number - 1)
        for high in range(number, 0, -PAGE):
            yield [str(ids.Handle("item", device, one)) for one in range(high, max(0, high - PAGE), -1)]


def _fitting(session: Session, item: Item, only: str, state: str) -> dict[str, Any] | None:
    if only and kind(item) != only:
        return None
    read = session.testimony.was_read(item.handle)
    if (state == "read" and not read) or (state == "unread" and (read or item.relation in _MADE)):
        return None
    if state == "twice" and len(session.testimony.same_file(item.sha256, 2)) < 2:
        return None
    return line_of(item, read=read)


def line_of(item: Item, *, read: bool) -> dict[str, Any]:
    """An item as a list shows it."""
    return {
        "handle": item.handle, "source": item.source, "name": shown_name(item), "what": what(item), "size": item.size,
        "added": item.added, "parent": item.parent, "relation": _(RELATIONS.get(item.relation, item.relation)),
        "read": read or item.relation in _MADE,
    }  # fmt: skip


# -- one item -----------------------------------------------------------------------------------------------------------


def item_page(session: Session, handle: str) -> dict[str, Any]:
    """All that is known of one item. Raises BadHandle, NoSuchItem."""
    item = evidence.get(session, handle)
    viewed(session, item)
    view = session.testimony
    [(origin, _row), *_others] = view.placed(Item.TYPE, "id", item.handle)
    how, _place = view.acquisition(item, origin)
    custody = view.custody(item.handle)
    children = view.children(item.handle, _SHOWN + 1)
    same = [one for one in view.same_file(item.sha256, _SHOWN) if one != item.handle]
    return {
        "handle": item.handle, "item": item, "name": shown_name(item), "path": text.printable(item.path), "what": what(item),
        "sha256": item.sha256.hex(), "blake3": item.blake3.hex(), "came": asdict(how),
        "relation": _(RELATIONS.get(item.relation, item.relation)),
        "custody": [asdict(event) for event in custody[-_SHOWN:]], "earlier": max(0, len(custody) - _SHOWN),
        "children": [line_of(one, read=False) for one in children[:_SHOWN]], "more_children": len(children) > _SHOWN,
        "same": same,
        "facts": list(_facts(session, item.handle)), "warnings": _warnings(session, item.handle),
        "stamps": [_stamp(seal) for seal in view.seals(item.handle)[:_SHOWN]],
        "provenance": [{"scheme": text.printable(str(one.get("scheme", ""))),
                        "sentences": [text.printable(sentence) for sentence in one["sentences"]]}
                       for one in evidence_proofs.provenance(session, item)],
        "read": view.was_read(item.handle), "readable": bool(readers_for(item.media_type)),
        "room": has_room(session, item), "marked": marked(session, item), "source": session.record.entity(item.source),
        "labels": session.record.labels([item.source]),
    }  # fmt: skip


def has_room(session: Session, item: Item) -> bool:
    """True if there is something of it to be read, seen or heard in the reading room."""
    return drawable(item) or item.media_type in PLAYED or bool(session.testimony.text_readers(item.handle))


def marked(session: Session, item: Item) -> list[dict[str, Any]]:
    """The first passages that were marked in an item, with the claims on each."""
    found = []
    for passage in session.testimony.marked(item)[:_SHOWN]:
        claims = session.record.claims(passage=passage.handle, limit=PAGE)
        found.append({"passage": asdict(passage), "where": locators.plain(passage.locator),
                      "claims": [{**asdict(one.claim), "status": one.status, "against": []} for one in claims]})  # fmt: skip
    return found


def _stamp(seal: Any) -> dict[str, Any]:
    names = {queue.MERKLE: _("in the tree that was stamped"), queue.OTS: "OpenTimestamps", queue.RFC3161: "RFC 3161"}
    return {"kind": names.get(seal.kind, seal.kind), "when": seal.when, "authority": text.printable(seal.authority),
            "note": text.printable(seal.note), "digest": seal.digest.hex()}  # fmt: skip


def _warnings(session: Session, handle: str) -> list[str]:
    """What readers could not read, in their words."""
    found: list[str] = []
    for fact in (*session.testimony.facts(handle, "read"), *session.testimony.facts(handle, "unread")):
        data = json.loads(fact.data)
        told = data.get("warnings") if isinstance(data, dict) else None
        found += [text.printable(f"{fact.reader}: {one}") for one in told[:10]] if isinstance(told, list) else []
    return found[:_SHOWN]


def _facts(session: Session, handle: str) -> Iterator[dict[str, Any]]:
    """What readers found out, as lines of a name and a value, cut where they are long."""
    for name in session.testimony.fact_kinds(handle):
        if name in _HIDDEN:
            continue
        for fact in session.testimony.facts(handle, name)[:PAGE]:
            lines = list(_lines("", json.loads(fact.data)))
            yield {"kind": text.printable(fact.kind), "reader": text.printable(fact.reader), "lines": lines[:_LINES],
                   "more": max(0, len(lines) - _LINES)}  # fmt: skip


def _lines(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """(name.part, value) for whatever JSON holds; what is empty is left out."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _lines(f"{name}.{key}" if name else str(key), one)
    elif isinstance(value, list) and any(isinstance(one, (dict, list)) for one in value):
        for number, one in enumerate(value, 1):
            yield from _lines(f"{name} {number}", one)
    elif isinstance(value, list):
        if value:
            yield _cut(name, ", ".join(map(str, value[:16])) + (", …" if len(value) > 16 else ""))
    elif isinstance(value, bool):
        yield _cut(name, _("yes") if value else _("no"))
    elif value is not None and value != "":
        yield _cut(name, str(value))


def _cut(name: str, value: str) -> tuple[str, str]:
    return text.printable(name)[:_WIDE], text.printable(value)[:_WIDE] + (" …" if len(value) > _WIDE else "")


# -- bytes --------------------------------------------------------------------------------------------------------------


def take_copy(session: Session, asked: Mapping[str, Any]) -> str:
    """Write “copied” with its ``reason`` into the custody of ``item``. Raises NoSuchItem, Empty, NameInWords, WordsTooLong."""
    item = evidence.get(session, asked["item"])
    reason = str(asked["reason"]).strip()
    if not reason:
        raise Empty(field=_("reason"))
    refuse_names(session, {_("reason"): reason})
    evidence.note(session, [item.handle], "copied", reason=reason, detail=_("through a browser on this machine"))
    return item.handle


def bytes_of(session: Session, handle: str) -> tuple[Item, BinaryIO]:
    """An item and its bytes; whoever asks has noted why. Raises NoSuchItem and what reading raises."""
    item = evidence.get(session, handle)
    return item, cast("BinaryIO", evidence.read_quietly(session, item))


def played(session: Session, handle: str) -> tuple[Item, BinaryIO]:
    """A recording and its bytes for a player. Raises NoSuchItem, NothingThere for what is not played."""
    item = evidence.get(session, handle)
    if item.media_type not in PLAYED:
        raise NothingThere(what=handle)
    viewed(session, item, _("played on a page"))
    return bytes_of(session, handle)
