"""The view of the compartment ``testimony``: the words of sources, and the digital items with what is known of each.

Invariants: as ``record.store``. Ground words are not indexed and hits are masked, as everywhere (record.ground). An item is its
first row by the device that gave its handle: no later row and no row of another device stands in its place. Custody names the
device whose signature a row bears, whatever the row says, and no row written later changes how an item came.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

import cbor2

from amparo.kernel import ids
from amparo.kernel.i18n import _
from amparo.record import tokens
from amparo.record.digest import digest
from amparo.record.ground import mask
from amparo.record.items import Acquisition, Custody, Fact, Item, Piece, Print, Seal
from amparo.record.model import Passage
from amparo.record.query import compile_query, excerpt
from amparo.record.store import Keys, Origin, Store

_OF_SOURCE = (
    "SELECT part FROM rows WHERE a = :s AND a <> '' UNION SELECT part FROM rows WHERE a <> '' AND a IN"
    " (SELECT id FROM rows WHERE type = 'items@1' AND a = :s AND current)"
)
_OF_ITEM = (
    "WITH RECURSIVE made (id) AS (SELECT :d UNION SELECT rows.id FROM rows JOIN made ON rows.b = made.id"
    " WHERE rows.type = 'items@1' AND rows.b <> '' AND rows.current)"
    " SELECT part FROM rows WHERE a <> '' AND a IN made UNION SELECT part FROM rows WHERE type = 'items@1' AND id IN made"
    " UNION SELECT part FROM rows WHERE type = 'passages@1' AND b <> '' AND b IN made"
)
_LOCATED = re.compile(r"D-(?:[1-9][0-9]{0,5}-)?[0-9]{4,12}(?![0-9-])", re.ASCII)
_PLACED = (
    "SELECT p.device, p.seq, p.part, r.n, r.current, r.row FROM rows r JOIN parts p ON p.id = r.part WHERE r.type = ? AND "
)


class Hit(NamedTuple):
    """A passage or an item's piece of text that was found: its handle (Q-n or D-n), where in it, a masked excerpt."""

    handle: str
    locator: str
    excerpt: str


def signed(origin: Origin, row: list[Any]) -> Custody:
    """An event of custody with the device that signed it; ``detail`` says so where the row names another one."""
    event = Custody.from_row(row)
    if event.device != str(origin.device):
        told = _("the row names device {claimed}; device {n} signed it").format(claimed=event.device, n=origin.device)
        event.device, event.detail = str(origin.device), "; ".join(filter(None, (event.detail, told)))
    return event


def _within(handle: str) -> tuple[str, str]:
    """Between which two ids all ids of rows about an item lie: “D-0001/...”."""
    return f"{handle}/", f"{handle}0"


class TestimonyView(Store):
    """passages@1 and the rows of record.items."""

    __test__: ClassVar[bool] = False  # not a test, whatever its name makes pytest think
    WORDS = ("words",)

    def _keys(self, type: str, row: list[Any]) -> Keys:
        if type == Passage.TYPE:
            marked = _LOCATED.match(row[2])
            return Keys(id=row[0], a=row[1], b=marked[0] if marked else "")
        if type == Item.TYPE:
            return Keys(id=row[0], key=row[2].hex(), a=row[1], b=row[11])
        if type == Fact.TYPE:
            return Keys(id=f"{row[0]}/{row[1]}/{row[2]}/{row[4]}", a=row[0])
        if type == Piece.TYPE:
            return Keys(id=f"{row[0]}/{row[5]}/{row[1]}", a=row[0])
        if type == Print.TYPE:
            return Keys(id="/".join(row[:3]), a=row[0])
        return Keys(a=row[0]) if type in (Acquisition.TYPE, Custody.TYPE, Seal.TYPE) else Keys()

    def _put(self, part: int, type: str, given: list[Any]) -> bool:
        displaced = super()._put(part, type, given)
        if type == Item.TYPE and (displaced or not isinstance(given[0], str) or ids.device_of(given[0]) != self._device):
            self._settle(given[0])  # else it is the first by the device its handle names
        return displaced

    def _erase_part(self, part: int, ids: list[int]) -> None:
        items = [row[0] for row in self.db.execute("SELECT id FROM rows WHERE part = ? AND type = ?", (part, Item.TYPE))]
        super()._erase_part(part, ids)
        for handle in items:
            self._settle(handle)

    def _settle(self, handle: Any) -> None:
        """Make an item's true row the current one: who holds another device's key, or this one's later, changes no item."""
        found = self.db.execute(_PLACED + "r.id = ? ORDER BY r.n", (Item.TYPE, handle)) if isinstance(handle, str) else []
        giver = ids.device_of(handle) if found else 0
        true = next((n for device, _seq, _part, n, *_row in found if device == giver), 0)
        for _device, _seq, _part, n, current, _row in found:
            if bool(current) != (n == true):
                self.db.execute("UPDATE rows SET current = ? WHERE n = ?", (int(n == true), n))

    def _came(self, type: str, n: int, row: list[Any]) -> None:
        if type in (Passage.TYPE, Piece.TYPE):
            self.db.execute("INSERT INTO words (rowid, t) VALUES (?, ?)", (n, tokens.tokens(row[3])))

    def _left(self, type: str, n: int, row: list[Any]) -> None:
        if type in (Passage.TYPE, Piece.TYPE):
            self.db.execute("INSERT INTO words (words, rowid, t) VALUES ('delete', ?, ?)", (n, tokens.tokens(row[3])))

    # -- passages ------------------------------------------------------------------------------------------------------

    def passage(self, handle: str) -> Passage | None:
        """One passage, in full."""
        return next((Passage.from_row(row) for row in self.rows(Passage.TYPE, "id = ?", (handle,))), None)

    def passages(self, source: str) -> list[Passage]:
        """The passages of one source, in the order they were recorded."""
        return [Passage.from_row(row) for row in self.rows(Passage.TYPE, "a = ? AND a <> ''", (source,))]

    def marked(self, item: Item) -> list[Passage]:
        """The passages whose locator begins with the item's handle: what was marked in it, in the order it was recorded."""
        found = (Passage.from_row(row) for row in self.rows(Passage.TYPE, "b = ? AND b <> ''", (item.handle,)))
        return [passage for passage in found if passage.source == item.source]

    def search(self, query: str, *, limit: int = 50) -> list[Hit]:
        """The newest passages and pieces of text that have all words of the query; [] for one with a ground word."""
        compiled = compile_query(query)
        if not compiled.expression:
            return []
        newest = "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT ?"
        hits = []
        for (number,) in self.db.execute(newest, (compiled.expression, limit)):
            [(type, packed)] = self.db.execute("SELECT type, row FROM rows WHERE n = ?", (number,))
            row = cbor2.loads(packed)
            locator = row[2] if type == Piece.TYPE else ""
            hits.append(Hit(row[0], locator, excerpt(mask(row[3]), compiled.stems)))
        return hits

    # -- items ---------------------------------------------------------------------------------------------------------

    def item(self, handle: str) -> Item | None:
        """One digital item."""
        return next((Item.from_row(row) for row in self.rows(Item.TYPE, "id = ?", (handle,))), None)

    def items(self, source: str | None = None) -> Iterator[Item]:
        """The items of one source, or all, in the order they came; streamed."""
        where, values = ("a = ? AND a <> ''", (source,)) if source is not None else ("1", ())
        query = f"SELECT row FROM rows WHERE type = ? AND current AND {where} ORDER BY n"
        for (row,) in self.db.stream(query, (Item.TYPE, *values)):
            yield Item.from_row(cbor2.loads(row))

    def files(self, source: str) -> list[Item]:
        """The original items of a source: what carries it. Members and derivatives are ``children`` of these."""
        return [item for item in self.items(source) if not item.parent]

    def children(self, handle: str, limit: int = -1) -> list[Item]:
        """What came inside an item or was made from it; at most ``limit`` (negative: all)."""
        query = "SELECT row FROM rows WHERE type = ? AND current AND b = ? AND b <> '' ORDER BY n LIMIT ?"
        return [Item.from_row(cbor2.loads(row)) for (row,) in self.db.execute(query, (Item.TYPE, handle, limit))]

    def by_sha256(self, sha256: bytes) -> list[Item]:
        """The items that are this very file, oldest first."""
        return [Item.from_row(row) for row in self.rows(Item.TYPE, "key = ? AND key <> ''", (sha256.hex(),))]

    def same_file(self, sha256: bytes, limit: int) -> list[str]:
        """Handles of at most ``limit`` items that are this very file, oldest first."""
        query = "SELECT id FROM rows WHERE type = ? AND current AND key = ? AND key <> '' ORDER BY n LIMIT ?"
        return [str(handle) for (handle,) in self.db.execute(query, (Item.TYPE, sha256.hex(), limit))]

    def handles_of(self, digests: Iterable[bytes]) -> dict[bytes, str]:
        """SHA-256 -> the oldest item that is this file, for those of ``digests`` that are here: one query for many."""
        query = (
            "SELECT key, id FROM rows WHERE type = ? AND key <> '' AND key IN (SELECT value FROM json_each(?)) ORDER BY n DESC"
        )
        wanted = json.dumps([digest.hex() for digest in digests])
        return {bytes.fromhex(key): handle for key, handle in self.db.execute(query, (Item.TYPE, wanted))}

    def acquisitions(self, source: str) -> list[Acquisition]:
        """How the items of a source came, oldest first."""
        return [Acquisition.from_row(row) for row in self.rows(Acquisition.TYPE, "a = ? AND a <> ''", (source,))]

    def placed(self, type: str, column: str, value: str) -> list[tuple[Origin, list[Any]]]:
        """The current rows of a type with ``value`` in ``column`` ("id" or "a"), each with where it lies in the ledger."""
        found = self.db.execute(f"{_PLACED}r.{column} = ? AND r.{column} <> '' AND r.current ORDER BY r.n", (type, value))
        return [(Origin(device, seq, part), cbor2.loads(row)) for device, seq, part, _n, _current, row in found]

    def acquisition(self, item: Item, origin: Origin) -> tuple[Acquisition, Origin | None]:
        """How an original came and where that is written: the last acquisition of its source that its device wrote before it.

        Blank for what came out of another item, and where none is written.
        """
        found: tuple[Acquisition, Origin | None] = Acquisition(item.source), None
        for place, row in self.placed(Acquisition.TYPE, "a", item.source) if not item.parent else ():
            if place.device == origin.device and (found[1] or Origin(place.device, -1, 0)) < place < origin:
                found = Acquisition.from_row(row), place
        return found

    def custody(self, handle: str) -> list[Custody]:
        """An item's chain of custody: how it came, as its row and its source's acquisition tell, then the recorded events.

        The device is the one that signed; ``detail`` says where a row names another one. Last come others that gave its handle.
        """
        chain = []
        for origin, row in self.placed(Item.TYPE, "id", handle):
            item = Item.from_row(row)
            how, _place = self.acquisition(item, origin)
            words = "; ".join(word for word in (how.from_whom, how.device, item.path or item.name, item.parent) if word)
            came = Custody(handle, item.added, str(origin.device), "acquired", how.collector, how.how, how.authority, words)
            chain.append(replace(came, action="derived", reason=item.relation) if item.parent else came)
        chain += [signed(origin, row) for origin, row in self.placed(Custody.TYPE, "a", handle)]
        return chain + self._contested(handle)

    def _contested(self, handle: str) -> list[Custody]:
        """Rows that give an item's handle to another file: never believed, and never passed over in silence."""
        words = _("device {n} gave {handle} to another file; that row is not believed")
        chain = []
        for device, *_place, row in self.db.execute(_PLACED + "r.id = ? AND NOT r.current ORDER BY r.n", (Item.TYPE, handle)):
            told = words.format(n=device, handle=handle)
            chain.append(Custody(handle, Item.from_row(cbor2.loads(row)).added, str(device), "contested", detail=told))
        return chain

    def facts(self, handle: str, kind: str = "") -> list[Fact]:
        """What readers found out about an item, all or of one kind."""
        within = _within(f"{handle}/{kind}" if kind else handle)
        return [Fact.from_row(row) for row in self.rows(Fact.TYPE, "id > ? AND id < ?", within)]

    def fact_kinds(self, handle: str) -> list[str]:
        """The kinds of facts there are about an item, without a look at them: recognised words fill megabytes."""
        return [id.split("/")[1] for id in self._firsts(Fact.TYPE, handle, lambda one: "/".join(one.split("/")[:2]))]

    def texts(self, handle: str) -> list[Piece]:
        """The text of an item in reading order, by reader."""
        found = [Piece.from_row(row) for row in self.rows(Piece.TYPE, "id > ? AND id < ?", _within(handle))]
        return sorted(found, key=lambda piece: (piece.reader, piece.number))

    def text_readers(self, handle: str) -> list[str]:
        """The readers that found text in an item, without a look at the text."""
        firsts = self._firsts(Piece.TYPE, handle, lambda one: one.rpartition("/")[0])
        return [id.partition("/")[2].rpartition("/")[0] for id in firsts]

    def _firsts(self, type: str, handle: str, group: Callable[[str], str]) -> Iterator[str]:
        """The first id of each group of ids of an item, in the order of the index; ids of a group begin with it and “/”."""
        low, high = _within(handle)
        query = "SELECT id FROM rows WHERE type = ? AND id > ? AND id < ? ORDER BY id LIMIT 1"
        while found := self.db.execute(query, (type, low, high)):
            yield str(found[0][0])
            low = _within(group(str(found[0][0])))[1]

    def pieces(self, handle: str, reader: str, numbers: Iterable[int]) -> list[Piece]:
        """Those pieces of what one reader found that there are, in reading order."""
        wanted = json.dumps([f"{handle}/{reader}/{number}" for number in numbers])
        found = self.rows(Piece.TYPE, "id IN (SELECT value FROM json_each(?))", (wanted,))
        return sorted(map(Piece.from_row, found), key=lambda piece: piece.number)

    def was_read(self, handle: str) -> bool:
        """True if a reader has been through the item."""
        query = "SELECT 1 FROM rows WHERE type = ? AND id > ? AND id < ? AND current LIMIT 1"
        return bool(self.db.execute(query, (Fact.TYPE, f"{handle}/read/", f"{handle}/read0")))

    def after(self, source: str, handle: str, limit: int) -> list[Item]:
        """At most ``limit`` items of a source that came after one of them ("" for the first), in the order they came."""
        found = self.db.execute("SELECT n FROM rows WHERE type = ? AND id = ? AND current", (Item.TYPE, handle))
        query = "SELECT row FROM rows WHERE type = ? AND current AND a = ? AND a <> '' AND n > ? ORDER BY n LIMIT ?"
        rows = self.db.execute(query, (Item.TYPE, source, found[0][0] if found else 0, limit))
        return [Item.from_row(cbor2.loads(row)) for (row,) in rows]

    def seals(self, handle: str = "") -> list[Seal]:
        """The proofs from outside over an item, or over the ledger's heads."""
        return [Seal.from_row(row) for row in self.rows(Seal.TYPE, "a = ? AND a <> ''" if handle else "a = ?", (handle,))]

    def prints(self, kind: str) -> Iterator[Print]:
        """Every fingerprint of a kind, streamed."""
        for (row,) in self.db.stream("SELECT row FROM rows WHERE type = ? AND current ORDER BY n", (Print.TYPE,)):
            found = Print.from_row(cbor2.loads(row))
            if found.kind == kind:
                yield found

    # -- keys and origins ----------------------------------------------------------------------------------------------

    def find(self, dataset: str, key: str, table: str) -> tuple[str, bytes] | None:  # noqa: ARG002
        """(handle, digest) of a passage under its handle (``dataset`` is ""), or None."""
        found = self.rows(table, "id = ?", (key,)) if table == Passage.TYPE else []
        return (found[0][0], digest(table, found[0])) if found else None

    def origins_of_source(self, source: str) -> list[Origin]:
        """The parts that hold passages, items and all rows about these items: what an erasure of the source shreds."""
        return self._origins(_OF_SOURCE, {"s": source})

    def origins_of_item(self, handle: str) -> list[Origin]:
        """The parts that hold an item, what was made from it, and all rows about them: what an erasure of the item shreds."""
        return self._origins(_OF_ITEM, {"d": handle})
