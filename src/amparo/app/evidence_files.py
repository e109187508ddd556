"""The sealed files of the items, in the order in which they lie on the disk; what verification and cold storage share.

Invariant: a million items are held as some 50 bytes each, and read from the view again when their turn comes.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Final

from amparo.app.session import Session, stop_asked
from amparo.record.items import Item
from amparo.vault.blob_check import order
from amparo.vault.blob_format import BlobMissing
from amparo.vault.blobs import BlobStore

HANDLE_AT: Final = 38
"""Where a mark's handle begins."""
_NOWHERE: Final = b"\2"


def store_of(session: Session) -> BlobStore:
    """The sealed files of this workspace themselves, with the session's disk and nothing behind them."""
    return BlobStore(session.folder / "blobs", session.key("testimony").blob_id_key, session.disk)


def mark_of(item: Item) -> bytes:
    """Sorts as the files lie on the disk (packs last, each from its start) and ends in the handle."""
    try:
        packed, address, offset = order(item.blob)
    except BlobMissing:
        return _NOWHERE + bytes(37) + item.handle.encode()
    return bytes([packed]) + bytes.fromhex(address) + offset.to_bytes(5, "big") + item.handle.encode()


@contextmanager
def unhurried() -> Iterator[None]:
    """Note how far long work has come although the user asked to stop: in here nothing looks whether they did."""
    asked = stop_asked.is_set()
    stop_asked.clear()
    try:
        yield
    finally:
        if asked:
            stop_asked.set()


def is_nowhere(mark: bytes) -> bool:
    """True for an item whose address is none of ours (a row of another hand)."""
    return mark[:1] == _NOWHERE


def handle_of(mark: bytes) -> str:
    """The handle a mark ends in."""
    return mark[HANDLE_AT:].decode()


def items_by_handle(session: Session, handles: Iterable[str]) -> list[Item]:
    """Items in the order given; those erased meanwhile are left out."""
    wanted = list(handles)
    found = session.testimony.rows(Item.TYPE, "id IN (SELECT value FROM json_each(?))", (json.dumps(wanted),))
    by_handle = {row[0]: Item.from_row(row) for row in found}
    return [by_handle[handle] for handle in wanted if handle in by_handle]


def files_of(session: Session, items: Iterable[Item]) -> Iterator[tuple[Path, str, list[Item]]]:
    """Group items by the sealed file they lie in: (path, name as every copy has it, the items of ``items`` in it)."""
    store = store_of(session)
    marks = sorted(mark for mark in map(mark_of, items) if not is_nowhere(mark))
    for _, group in groupby(marks, key=lambda mark: mark[:33]):
        held = items_by_handle(session, map(handle_of, group))
        places = [(item, store.place(item.blob, item.size)[0]) for item in held]
        if places:
            path = places[0][1]
            yield path, store.name(path), [item for item, where in places if where == path]


def members_of(session: Session, addresses: Sequence[str]) -> dict[str, list[Item]]:
    """All items in each of these packs and objects: one pass over the record."""
    found: dict[str, list[Item]] = {address: [] for address in addresses}
    for item in session.testimony.items():
        address = item.blob.partition(":")[0]
        if address in found:
            found[address].append(item)
    return found
