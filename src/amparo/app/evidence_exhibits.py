"""From the workspace to what a court gets: exhibits as plain values, and the signed parts that prove them.

Invariants: a part's key is disclosed only if every row in it tells of the items that leave, and only if it holds no name under
which a file came, unless names were asked for. What stays sealed is named all the same: its signed hash is in the entry.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from amparo.app import evidence_proofs
from amparo.app.evidence_time import book, shown
from amparo.app.session import Session
from amparo.evidence.disclosure import Disclosed, First, Place
from amparo.evidence.exhibits import Event, Exhibit
from amparo.evidence.time import queue
from amparo.kernel import cbor
from amparo.kernel.i18n import _
from amparo.ledger.log import Placed
from amparo.record.items import Acquisition, Custody, Item
from amparo.record.store import Origin
from amparo.vault.seal import open_part

_SUFFIXES: Final = {
    "image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp", "image/heic": "heic",
    "image/tiff": "tif",
    "video/mp4": "mp4", "video/quicktime": "mov", "video/webm": "webm", "video/3gpp": "3gp", "video/x-msvideo": "avi",
    "audio/mpeg": "mp3", "audio/mp4": "m4a", "audio/ogg": "ogg", "audio/wav": "wav", "audio/aac": "aac",
    "application/pdf": "pdf", "application/zip": "zip", "application/wacz": "wacz", "application/json": "json",
    "text/plain": "txt", "text/html": "html", "text/csv": "csv", "message/rfc822": "eml", "application/mbox": "mbox",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.oasis.opendocument.text": "odt", "application/msword": "doc", "application/cbor": "cbor",
}  # fmt: skip
_FORBIDDEN: Final = frozenset('/\\<>:"|?*%~')


@dataclass(slots=True, frozen=True)
class Proven:
    """What ledger.cbor is made of."""

    firsts: tuple[First, ...]
    entries: tuple[bytes, ...]
    parts: tuple[Disclosed, ...]


def exhibit(session: Session, item: Item, *, names: bool, files: Sequence[str] = ()) -> Exhibit:
    """One item with its custody; ``files`` are the paths of its proof files."""
    children = [(child.handle, child.relation) for child in session.testimony.children(item.handle)]
    return Exhibit(
        item.handle, item.source, item_path(item, names=names), item.sha256, item.blake3, item.size, item.media_type,
        (item.path or item.name) if names else "", item.modified, item.added, item.parent, item.relation,
        tuple(events(session, item, names=names)), tuple(children), tuple(_proofs(session, item)), tuple(files),
    )  # fmt: skip


def with_events(exhibits: Iterable[Exhibit], more: Iterable[Custody]) -> list[Exhibit]:
    """Exhibits with events that are about to be written."""
    by_item = {row.item: row for row in more}
    return [replace(one, events=(*one.events, _event(by_item[one.handle], ""))) for one in exhibits]


def item_path(item: Item, *, names: bool) -> str:
    """Its path in the export: handle and suffix by its type; with names, the name as it came behind the handle."""
    if not names:
        suffix = _SUFFIXES.get(item.media_type.partition(";")[0].lower(), "bin")
        return f"items/{item.handle}.{suffix}"
    clean = "".join("_" if letter in _FORBIDDEN or not letter.isprintable() else letter for letter in item.name).strip(" .")
    while len(clean.encode()) > 180:
        clean = clean[1:]
    return f"items/{item.handle} {clean}" if clean else f"items/{item.handle}"


# -- custody -----------------------------------------------------------------------------------------------------------------


def events(session: Session, item: Item, *, names: bool) -> list[Event]:
    """An item's custody in order; how it came first. The path it came from only with ``names``."""
    chain, view = [], session.testimony
    for origin, _row in view.placed(Item.TYPE, "id", item.handle):
        how, _place = view.acquisition(item, origin)
        words = (how.from_whom, how.device, (item.path or item.name) if names else "", item.parent)
        row = Custody(
            item.handle, item.added, str(origin.device), "derived" if item.parent else "acquired", how.collector,
            how.how or item.relation, how.authority, "; ".join(word for word in words if word),
        )  # fmt: skip
        chain.append(_event(row, _entry(origin)))
    for origin, raw in view.placed(Custody.TYPE, "a", item.handle):
        event = Custody.from_row(raw)  # its own words stay as they were signed; the device is the one that signed
        chain.append(_event(replace(event, device=str(origin.device)), _entry(origin)))
    return chain


def _entry(origin: Origin) -> str:
    return ":".join(map(str, origin))


def _event(row: Custody, entry: str) -> Event:
    return Event(row.when, row.device, row.action, row.actor, row.reason, row.authority, row.detail, entry)


# -- proofs of time ----------------------------------------------------------------------------------------------------------


def _proofs(session: Session, item: Item) -> list[str]:
    """One sentence each; they are verified by whoever receives them, and by `amparo evidence proofs`."""
    seals = session.testimony.seals(item.handle)
    if not seals:
        return []
    held, sentences = book(session), []
    for seal in seals:
        for row in held.over(seal.digest, queue.RFC3161) if seal.kind == queue.MERKLE else ():
            words = _("Time-stamp (RFC 3161) of {authority}: it existed before {time}.")
            sentences.append(words.format(authority=row.authority, time=shown(row.when)))
        if seal.kind == queue.OTS or (seal.kind == queue.MERKLE and held.over(seal.digest, queue.OTS)):
            sentences.append(_("OpenTimestamps proof; it leads to the Bitcoin chain."))
    return list(dict.fromkeys(sentences))


def proof_files(session: Session, item: Item) -> dict[str, bytes]:
    """Path in the export -> bytes of each proof of an item."""
    if not session.testimony.seals(item.handle):
        return {}
    return {f"proofs/{item.handle}/{name}": data for name, data in sorted(evidence_proofs.proof_files(session, item).items())}


# -- the signed parts --------------------------------------------------------------------------------------------------------


def prove(session: Session, items: Sequence[Item], *, names: bool) -> Proven:
    """The entries and parts that hold the rows about these items. Raises what reading the ledger raises."""
    wanted: dict[tuple[int, int], set[int]] = {}
    for place in _places(session, items):
        wanted.setdefault((place.device, place.seq), set()).add(place.part)
    about = {item.handle for item in items} | {item.source for item in items}
    numbers = session.ledger.numbers()
    entries: list[bytes] = []
    parts: list[Disclosed] = []
    for device, log in sorted(session.ledger.logs.items()):
        seqs = {seq: chosen for (number, seq), chosen in wanted.items() if number == numbers[device]}
        if not seqs:
            continue
        with log.parts() as files:
            for placed in log.placed():
                header = placed.entry.header
                if header.seq in seqs:
                    entries.append(placed.entry.raw)
                    parts += [
                        _disclosed(session, placed, index, body, wrapped, about, names=names)
                        for index, (body, wrapped) in enumerate(files.of(placed))
                        if index in seqs[header.seq]
                    ]
    return Proven(_firsts(session, {part.place.device for part in parts} | {session.ring.device}), tuple(entries), tuple(parts))


def _places(session: Session, items: Sequence[Item]) -> Iterator[Origin]:
    """Where the rows lie that tell of items: their own, their custody, and how just these came.

    How other files of their sources came is no part of it: the gate has not looked at those words.
    """
    view = session.testimony
    for item in items:
        for origin, _row in view.placed(Item.TYPE, "id", item.handle):
            yield origin
            _how, place = view.acquisition(item, origin)
            if place:
                yield place
        for origin, _row in view.placed(Custody.TYPE, "a", item.handle):
            yield origin


def _disclosed(
    session: Session, placed: Placed, index: int, body: bytes, wrapped: bytes, about: set[str], *, names: bool
) -> Disclosed:
    header = placed.entry.header
    place, key = Place(header.device, header.seq, index), session.key("testimony")
    if (header.compartment, header.epoch) != (key.compartment, key.epoch):
        return Disclosed(place, body, None)
    what = f"part {index} of entry {placed.entry.where}"
    part_key = key.wrapper.unwrap(wrapped, what)
    kind, rows = cbor.decode_sealed(open_part(part_key, body, header.aad(index), what))
    open_to_all = kind == Custody.TYPE or (kind == Item.TYPE and names)
    if kind == Acquisition.TYPE:
        open_to_all = names or not any(Acquisition.from_row(row).path for row in rows)
    about_these = all(row[0] in about for row in rows)
    return Disclosed(place, body, part_key if open_to_all and about_these else None)


def _firsts(session: Session, devices: set[bytes]) -> tuple[First, ...]:
    """The beginnings of these devices' logs and of those that vouch for them, up to the root."""
    needed, waiting = set(devices), list(devices)
    while waiting:
        issuer = session.ledger.certificate(waiting.pop()).issuer
        if issuer != session.workspace and issuer not in needed:
            needed.add(issuer)
            waiting.append(issuer)
    firsts = []
    for device in sorted(needed):
        placed, parts = session.ledger.first(device)
        firsts.append(First(placed.entry.raw, parts[0], parts[1]))
    return tuple(firsts)


def signer_firsts(session: Session) -> tuple[First, ...]:
    """What vouches for this device's signature."""
    return _firsts(session, {session.ring.device})
