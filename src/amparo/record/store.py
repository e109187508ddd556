"""What all views have in common: parts applied once, rows that replace each other, positions, erasure, bulk loading.

Invariant: a view is a pure function of the parts applied and not erased, in the ledger's order; how they were batched cannot
be seen in any query. A part that was applied is not applied again. A view whose building broke off, or that was made by other
indexing rules, is emptied when it is opened, and says so by having no positions.
"""

from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import MISSING, fields
from typing import Any, ClassVar, NamedTuple

import cbor2

from amparo.kernel.errors import AmparoError
from amparo.kernel.ids import is_handle
from amparo.record import items, tokens
from amparo.record.digest import digest
from amparo.record.model import Assessment, Claim, Consent, Entity, Identity, Link, Passage, SavedSearch
from amparo.vault.database import Database, Value

_COMMIT_ROWS = 200_000
_TOLD = 5
_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE positions (device BLOB PRIMARY KEY, position BLOB) WITHOUT ROWID;
CREATE TABLE parts (id INTEGER PRIMARY KEY, device INT, seq INT, part INT, type TEXT, ids BLOB, UNIQUE (device, seq, part));
CREATE TABLE rows (n INTEGER PRIMARY KEY, part INT, type TEXT, id TEXT, dataset TEXT, key TEXT, person TEXT, a TEXT, b TEXT,
                   current INT, row BLOB);
"""
_INDEXES = {
    "rows_part": "rows (part)",
    "rows_id": "rows (type, id)",
    "rows_key": "rows (key) WHERE key <> ''",
    "rows_person": "rows (person) WHERE person <> ''",
    "rows_a": "rows (a) WHERE a <> ''",
    "rows_b": "rows (b) WHERE b <> ''",
}
FTS = "CREATE VIRTUAL TABLE {} USING fts5 (t, content='', tokenize=\"ascii tokenchars '_~^='\");"
_FTS_ALWAYS = {"secure-delete": 1, "pgsz": 4000}
_FTS_BULK = {"automerge": 0, "crisismerge": 64, "hashsize": 32 << 20}
_FTS_DAILY = {"automerge": 4, "crisismerge": 16, "hashsize": 1 << 20}


class Origin(NamedTuple):
    """Where a part lies: number of the device, sequence number of the entry, index of the part."""

    device: int
    seq: int
    part: int


class Shape:
    """The row of a model in this version: which rows of other versions and hands can be read as one."""

    def __init__(self, model: type[Any]) -> None:
        every = fields(model)
        needed = [item for item in every if item.default is MISSING and item.default_factory is MISSING]
        blanks: dict[Any, Any] = {"str": "", "bytes": b"", "int": 0}
        self.blank = model(*(blanks[getattr(item.type, "__name__", item.type)] for item in needed)).to_row()
        self.types = tuple(map(type, self.blank))

    def fit(self, row: list[Any]) -> list[Any] | None:
        """The row with this version's fields: missing ones by default, later ones left out. None if it is no such row."""
        if tuple(map(type, row)) == self.types:
            return row
        full = [*row[: len(self.blank)], *self.blank[len(row) :]]
        return full if row and tuple(map(type, full)) == self.types else None


_MODELS: tuple[type[Any], ...] = (Entity, Claim, Link, Assessment, Consent, SavedSearch, Identity, Passage, *items.ROWS)
SHAPES = {model.TYPE: Shape(model) for model in _MODELS}
UNREADABLE = "unreadable"
_VERSION = f"3 {tokens.FINGERPRINT} {[len(shape.blank) for shape in SHAPES.values()]}"


class Keys(NamedTuple):
    """By what a row is found: a later row of the same type and ``id`` replaces it; ``a`` and ``b`` handles it is about."""

    id: str = ""
    dataset: str = ""
    key: str = ""
    person: str = ""
    a: str = ""
    b: str = ""


class Store:
    """Base of the views. Subclasses name their further tables and what their types do."""

    TABLES: ClassVar[str] = ""
    INDEXES: ClassVar[dict[str, str]] = {}
    LATE: ClassVar[tuple[str, ...]] = ()
    """Indexes that nearly every row is in: made at the end of a bulk load, each by a scan of the whole table."""
    WORDS: ClassVar[tuple[str, ...]] = ()
    """Names of the FTS5 tables."""

    def __init__(self, db: Database) -> None:
        """Take over ``db``; an empty, outdated or half-built file gets fresh tables."""
        self.db = db
        self._open = False
        self._since_commit = 0
        self._device = 0  # that wrote the part being applied
        if not self._usable():
            self._reset()
        self._load()

    # -- life of the file ----------------------------------------------------------------------------------------------

    def _usable(self) -> bool:
        if not self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'"):
            return False
        meta = dict(self.db.execute("SELECT name, value FROM meta"))
        return meta.get("version") == _VERSION and meta.get("view") == type(self).__name__ and "building" not in meta

    def _reset(self) -> None:
        """Drop whatever the file holds and make empty tables."""
        for kind in ("index", "table"):
            names = self.db.execute("SELECT name, sql FROM sqlite_master WHERE type = ? AND sql IS NOT NULL", (kind,))
            for name, _ in sorted(names, key=lambda item: not str(item[1]).upper().startswith("CREATE VIRTUAL")):
                if self.db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)):
                    self.db.execute(f'DROP {kind} "{name}"')
        with self.db.transaction():
            for statement in (_TABLES + self.TABLES).split(";"):
                if statement.strip():
                    self.db.execute(statement)
            for name in self.WORDS:
                self.db.execute(FTS.format(name))
                self._configure(name, _FTS_ALWAYS)
            self._make_indexes()
            self.db.executemany("INSERT INTO meta VALUES (?, ?)", [("version", _VERSION), ("view", type(self).__name__)])

    def _make_indexes(self) -> None:
        for name, what in {**_INDEXES, **self.INDEXES}.items():
            self.db.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {what}")

    def _configure(self, table: str, options: dict[str, int]) -> None:
        for name, value in options.items():
            self.db.execute(f"INSERT INTO {table} ({table}, rank) VALUES (?, ?)", (name, value))

    def reload(self) -> None:
        """Read again what is kept in memory: another process may have applied parts since."""
        self._load()

    def _load(self) -> None:
        """Read what is kept in memory besides the file; called when opened and after a rollback."""
        self._part = self.db.execute("SELECT coalesce(max(id), 0) FROM parts")[0][0]

    @property
    def empty(self) -> bool:
        """True if no part was applied yet."""
        return not self.db.execute("SELECT 1 FROM parts LIMIT 1")

    def positions(self) -> dict[bytes, bytes]:
        """Device -> how far its log was applied, as ``set_positions`` was told. Empty for a fresh view."""
        return {bytes(device): bytes(position) for device, position in self.db.execute("SELECT * FROM positions")}

    def set_positions(self, positions: dict[bytes, bytes]) -> None:
        """Note how far each device's log was applied; call it inside the ``bulk`` that applied it."""
        with self._batch():
            self.db.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?)", list(positions.items()))

    @contextmanager
    def bulk(self) -> Iterator[None]:
        """Apply, erase and set positions as one; into an empty view, indexes are made at the end.

        After an exception the view is as it was (an empty view: empty), or has some of the parts without the positions, so that
        applying them again completes it.
        """
        if self._open:
            raise RuntimeError("bulk() is not nested")
        fresh = self.empty
        if fresh:
            self._begin_building()
        self.db.execute("BEGIN IMMEDIATE")
        self._open = True
        try:
            yield
            self._flush()
            if fresh:
                self._make_indexes()
            self.db.execute("COMMIT")
            if fresh:
                self._finish_building()
        except BaseException:
            self._give_up(fresh=fresh)
            raise
        finally:
            self._open = False

    def _give_up(self, *, fresh: bool) -> None:
        """After a failure: roll back, and empty a half-built view; a disk that refuses that too finds it so when opened."""
        with suppress(AmparoError):  # SQLite may have rolled back already
            self.db.execute("ROLLBACK")
        with suppress(AmparoError):
            if fresh:
                self.db.careless(False)
                self._reset()
            self._load()

    def _begin_building(self) -> None:
        self.db.execute("INSERT OR REPLACE INTO meta VALUES ('building', '1')")
        self.db.careless(True)  # from here on a half-built file is thrown away, not mended
        for name in self.LATE:
            self.db.execute(f"DROP INDEX IF EXISTS {name}")
        for table in self.WORDS:
            self._configure(table, _FTS_BULK)

    def _finish_building(self) -> None:
        """The file is whole and on the disk before the mark that it is not goes."""
        self.db.careless(False)
        for table in self.WORDS:
            self._configure(table, _FTS_DAILY)
        self.db.execute("DELETE FROM meta WHERE name = 'building'")

    @contextmanager
    def _batch(self) -> Iterator[None]:
        """Inside an open ``bulk`` nothing, else one of its own."""
        if self._open:
            yield
        else:
            with self.bulk():
                yield

    def _wrote(self, rows: int) -> None:
        """Commit now and then, so that the write-ahead log of a long load stays short."""
        self._since_commit += rows
        if self._since_commit >= _COMMIT_ROWS:
            self._flush()
            self.db.execute("COMMIT")
            self.db.execute("BEGIN IMMEDIATE")
            self._since_commit = 0

    # -- parts ---------------------------------------------------------------------------------------------------------

    def apply(self, origin: tuple[int, int, int], type: str, rows: Sequence[list[Any]]) -> None:
        """Add one part; without effect if a part of this origin is here already. A type this version does not know is kept."""
        with self._batch():
            new = "INSERT OR IGNORE INTO parts VALUES (?, ?, ?, ?, ?, x'') RETURNING id"
            if not self.db.execute(new, (self._part + 1, *origin, type)):
                return
            self._part += 1
            self._device = origin[0]
            if ids := self._take(self._part, type, rows):
                self.db.execute("UPDATE parts SET ids = ? WHERE id = ?", (array("q", ids).tobytes(), self._part))
            self._wrote(len(rows))

    def erase(self, origin: tuple[int, int, int]) -> None:
        """Remove every row that came from the part, and its words from the index. Without effect if it is not here."""
        with self._batch():
            self._flush()
            found = self.db.execute("SELECT id, type, ids FROM parts WHERE device = ? AND seq = ? AND part = ?", tuple(origin))
            for part, _, packed in found:
                self._erase_part(part, list(array("q", packed)))
                self.db.execute("DELETE FROM parts WHERE id = ?", (part,))

    def _take(self, part: int, type: str, rows: Sequence[list[Any]]) -> list[int]:
        """Store a part's rows. Returns the numbers by which ``_erase_part`` finds what is not in ``rows``."""
        for row in rows:
            self._put(part, type, row)
        return []

    def _keys(self, type: str, row: list[Any]) -> Keys:  # noqa: ARG002
        """By what a row of this type is found."""
        return Keys()

    def _put(self, part: int, type: str, given: list[Any]) -> bool:
        """Store one row; True if it took the place of a current one. A row of a known type that cannot be read as one is kept
        aside, so that a replay goes on.
        """
        row = SHAPES[type].fit(given) if type in SHAPES else given
        if row is None:
            type, row = UNREADABLE, given
        keys = self._keys(type, row)
        displaced = False
        if keys.id:
            for n, old in self.db.execute("SELECT n, row FROM rows WHERE type = ? AND id = ? AND current", (type, keys.id)):
                self.db.execute("UPDATE rows SET current = 0 WHERE n = ?", (n,))
                self._left(type, n, cbor2.loads(old))
                displaced = True
        [(n,)] = self.db.execute(
            "INSERT INTO rows (part, type, id, dataset, key, person, a, b, current, row)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?) RETURNING n",
            (part, type, keys.id, keys.dataset, keys.key, keys.person, keys.a, keys.b, cbor2.dumps(row)),
        )
        self._came(type, n, row)
        return displaced

    def _erase_part(self, part: int, ids: list[int]) -> None:  # noqa: ARG002
        for n, type, id, current, row in self.db.execute("SELECT n, type, id, current, row FROM rows WHERE part = ?", (part,)):
            if current:
                self._left(type, n, cbor2.loads(row))
            self.db.execute("DELETE FROM rows WHERE n = ?", (n,))
            if current and id:
                for last, old in self.db.execute(
                    "SELECT n, row FROM rows WHERE type = ? AND id = ? ORDER BY n DESC LIMIT 1", (type, id)
                ):
                    self.db.execute("UPDATE rows SET current = 1 WHERE n = ?", (last,))
                    self._came(type, last, cbor2.loads(old))

    def _came(self, type: str, n: int, row: list[Any]) -> None:
        """A row became the current one of its id."""

    def _left(self, type: str, n: int, row: list[Any]) -> None:
        """A row is no longer current, or about to be removed."""

    def _flush(self) -> None:
        """Write what was buffered."""

    # -- reading -------------------------------------------------------------------------------------------------------

    def told(self, device: int, seq: int) -> list[tuple[str, int, list[str]]]:
        """What one entry brought: (type of row, how many, up to five handles), for a log of what was done."""
        found: dict[str, tuple[int, list[str]]] = {}
        parts = "SELECT id, type, ids FROM parts WHERE device = ? AND seq = ? ORDER BY part"
        for part, type, packed in self.db.execute(parts, (device, seq)):
            count, handles = found.get(type, (0, []))
            more, others = self._told_of(part, type, array("q", packed))
            found[type] = count + more, [*handles, *(one for one in others if one not in handles)][:_TOLD]
        return [(type, count, handles) for type, (count, handles) in found.items()]

    def _told_of(self, part: int, type: str, numbers: Sequence[int]) -> tuple[int, list[str]]:  # noqa: ARG002
        """How many rows a part brought, and handles of the first; ``numbers`` as ``_take`` returned them."""
        [(count,)] = self.db.execute("SELECT count(*) FROM rows WHERE part = ?", (part,))
        found = self.db.execute("SELECT id, a FROM rows WHERE part = ? ORDER BY n LIMIT ?", (part, _TOLD))
        return count, [word for pair in found if is_handle(word := pair[0] if is_handle(pair[0]) else pair[1])]

    def rows(self, type: str, where: str = "1", values: Sequence[Value] = ()) -> list[list[Any]]:
        """The current rows of a type in the order they were applied; also of a type this version does not know."""
        found = self.db.execute(f"SELECT row FROM rows WHERE type = ? AND current AND ({where}) ORDER BY n", (type, *values))
        return [cbor2.loads(row) for (row,) in found]

    def find(self, dataset: str, key: str, table: str) -> tuple[str, bytes] | None:
        """(handle or "", digest) of the current row of type ``table`` under an import key, or None."""
        found = self.db.execute(
            "SELECT row FROM rows WHERE key = ? AND key <> '' AND dataset = ? AND type = ? AND current ORDER BY n DESC LIMIT 1",
            (key, dataset, table),
        )
        if not found:
            return None
        row = cbor2.loads(found[0][0])
        return ("" if table.startswith("consents@") else row[0]), digest(table, row)

    def _origins(self, parts: str, values: Sequence[Value] | dict[str, Value]) -> list[Origin]:
        """The origins of the parts whose ids the query ``parts`` selects, sorted."""
        found = self.db.execute(f"SELECT device, seq, part FROM parts WHERE id IN ({parts}) ORDER BY 1, 2, 3", values)
        return [Origin(*origin) for origin in found]
