"""The write side of the record's view: claims, entities and the rest go in by parts and come out by erasure.

Invariants: as ``record.store``. A claim's row number is its handle, so no order of arrival shows in it. The first part that
gave a handle keeps it, a second claim of that handle waits in ``spare`` in case the first is erased. Claims of the property
``ground`` go to a table of their own, which neither words, facets nor lookups read (record.ground).

Speed: rows are bound as they come, in one wide table; words are indexed in ascending order of row number, as FTS5 needs it to
collect them in memory; both are written in batches.
"""

import builtins
import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any, ClassVar, Final

import cbor2

from amparo.kernel import ids
from amparo.kernel.errors import BadHandle
from amparo.kernel.i18n import N_
from amparo.record import ground, tokens
from amparo.record.model import Assessment, Claim, Consent, Entity, Link
from amparo.record.store import SHAPES, UNREADABLE, Keys, Store

CURRENT, SUPERSEDED, RETRACTED = N_("current"), N_("superseded"), N_("retracted")
STATUSES = (CURRENT, SUPERSEDED, RETRACTED)
CLAIM_COLUMNS = (
    "subject, property, value, text, polarity, valid, place, source, passage, locator, speaker, access, voluntariness, stance,"
    " verbatim, language, person, key, dataset, supersedes, reason, recorded"
)
ENTITY_COLUMNS = "handle, kind, type, label, key, dataset, parent, official, basis, date, locator"
_FIRST_DEVICE = ids.Handle("claim", 1, 0).packed
_SHIFT = _FIRST_DEVICE.bit_length() - 1  # a row number above it is the device that gave the handle
_BATCH = 20_000
_NUMBERED = {letter: kind for kind, letter in ids.KINDS.items()}
_COLUMNS = "id INTEGER PRIMARY KEY, status INT, day INT, part INT, " + CLAIM_COLUMNS
SAID: Final = ("statement", "report", "denial", "threat", "finding", "demand")
"""Properties of claims that tell when something was said, not when something happened."""
_HAPPENED = ("E-", "A-")
# positions in a row of the tables ``claims`` and ``grounds``
ID, DAY, PART, SUBJECT, PROPERTY, VALUE, TEXT, VALID, PLACE, SOURCE, SUPERSEDES = 0, 2, 3, 4, 5, 6, 7, 9, 10, 11, 23


def claim_id(handle: str) -> int:
    """The row number of a claim's handle. Raises BadHandle."""
    digits = handle[2:]
    if handle.startswith("C-") and len(digits) < 12 and digits.isascii() and digits.isdecimal():
        return int(digits) | _FIRST_DEVICE
    parsed = ids.parse(handle)
    if parsed.kind != "claim":
        raise BadHandle(text=handle[:40])
    return parsed.packed


def indexed_text(value: str, text: str) -> str:
    """The words of a claim that are indexed: its text and, unless that is a handle, its value."""
    return f"{text} {value}" if value and value[1:2] != "-" else text


def index_form(row: Sequence[Any]) -> str:
    """The tokens of a claim, from a row of the table ``claims``: words of text and value, and its facets."""
    place = row[PLACE]
    facets = f" _k{row[SUBJECT][:1]} {tokens.tag('r', row[PROPERTY])} {tokens.tag('s', row[SOURCE])}"
    if row[VALID]:
        facets += " " + tokens.when(row[VALID])[2]
    return tokens.tokens(indexed_text(row[VALUE], row[TEXT])) + facets + (" " + tokens.tag("l", place) if place else "")


class RecordWriter(Store):
    """Applies and erases; ``record.view.RecordView`` adds the questions."""

    WORDS = ("words", "names")
    TABLES: ClassVar[str] = f"""
    CREATE TABLE claims ({_COLUMNS});
    CREATE TABLE grounds ({_COLUMNS});
    CREATE TABLE spare (id INT, part INT, row BLOB);
    CREATE TABLE entities (n INTEGER PRIMARY KEY, part INT, current INT, {ENTITY_COLUMNS});
    CREATE TABLE counters (kind TEXT, device INT, next INT, seen INT, PRIMARY KEY (kind, device)) WITHOUT ROWID;
    CREATE TABLE facets (facet TEXT, value TEXT, n INT, PRIMARY KEY (facet, value)) WITHOUT ROWID;
    CREATE TABLE marks (target INT, status INT, by TEXT, PRIMARY KEY (target, status, by)) WITHOUT ROWID
    """
    LATE = ("claims_subject", "claims_source", "claims_key", "claims_day")
    INDEXES: ClassVar[dict[str, str]] = {
        "claims_subject": "claims (subject)",
        "claims_source": "claims (source) WHERE source <> ''",
        "claims_value": "claims (value) WHERE value GLOB '[A-Z]-*'",
        "claims_passage": "claims (passage) WHERE passage <> ''",
        "claims_person": "claims (person) WHERE person <> ''",
        "claims_key": "claims (key) WHERE key <> ''",
        "claims_day": "claims (day) WHERE day IS NOT NULL",
        "claims_status": "claims (status) WHERE status <> 0",
        "grounds_subject": "grounds (subject)",
        "grounds_source": "grounds (source)",
        "grounds_person": "grounds (person)",
        "grounds_key": "grounds (key)",
        "spare_id": "spare (id)",
        "spare_part": "spare (part)",
        "marks_by": "marks (by)",
        "entities_handle": "entities (handle)",
        "entities_key": "entities (key) WHERE key <> ''",
        "entities_kind": "entities (kind) WHERE current",
        "entities_dated": "entities (kind, date) WHERE current AND date <> ''",
        "entities_parent": "entities (parent) WHERE parent <> ''",
        "entities_part": "entities (part)",
    }

    def _load(self) -> None:
        super()._load()
        self._buffer: list[tuple[Any, ...]] = []
        self._touched: set[int] = set()
        numbers = self.db.execute("SELECT kind, device, next, seen FROM counters")
        self._next: dict[tuple[str, int], int] = {(kind, device): following for kind, device, following, _ in numbers}
        self._seen: dict[tuple[str, int], int] = {(kind, device): seen for kind, device, _, seen in numbers}
        self._numbers_changed = False

    # -- taking parts --------------------------------------------------------------------------------------------------

    def _take(self, part: int, type: str, rows: Sequence[list[Any]]) -> list[int]:
        if type == Claim.TYPE:
            return self._take_claims(part, rows)
        if type == Entity.TYPE:
            for row in rows:
                self._take_entity(part, row)
            return []
        return super()._take(part, type, rows)

    def _take_claims(self, part: int, rows: Sequence[list[Any]]) -> list[int]:
        """Buffer claims for the next flush."""
        taken = []
        fit = SHAPES[Claim.TYPE].fit
        for given in rows:
            row = fit(given)
            try:
                number = claim_id(row[0]) if row else 0
            except BadHandle:
                number = 0
            if row is None or not number:
                self._put(part, UNREADABLE, given)
                continue
            taken.append(number)
            self._buffer.append((number, 0, tokens.when(row[6])[0] if row[6] else None, part, *row[1:]))
        if len(self._buffer) >= _BATCH:
            self._flush()
        return taken

    def _take_entity(self, part: int, given: list[Any]) -> None:
        row = SHAPES[Entity.TYPE].fit(given)
        try:
            handle = ids.parse(row[0]) if row else None
        except BadHandle:
            handle = None
        if row is None or handle is None:
            self._put(part, UNREADABLE, given)
            return
        place = (handle.kind, handle.device)
        if handle.number <= self._seen.get(place, 0):
            for old in self._entity_rows("handle = ? AND current", row[0]):
                self.db.execute("UPDATE entities SET current = 0 WHERE n = ?", (old[0],))
                self._name(old, remove=True)
        self._saw(handle.kind, handle.device, handle.number)
        [(n,)] = self.db.execute(
            f"INSERT INTO entities (part, current, {ENTITY_COLUMNS}) VALUES (?, 1, {', '.join('?' * 11)}) RETURNING n",
            (part, *row),
        )
        self._name((n, part, 1, *row))

    def _entity_rows(self, where: str, *values: str | int) -> list[tuple[Any, ...]]:
        return self.db.execute(f"SELECT n, part, current, {ENTITY_COLUMNS} FROM entities WHERE {where} ORDER BY n", values)

    def _name(self, entity: tuple[Any, ...], *, remove: bool = False) -> None:
        """Index an entity by label, key and handle, or take that back; and count it."""
        n, handle, kind, label, key = entity[0], entity[3], entity[4], entity[6], entity[7]
        form = f"{tokens.tokens(f'{label} {key} {handle}')} _k{ids.KINDS.get(kind, '')}"
        if remove:
            self.db.execute("INSERT INTO names (names, rowid, t) VALUES ('delete', ?, ?)", (n, form))
        else:
            self.db.execute("INSERT INTO names (rowid, t) VALUES (?, ?)", (n, form))
        self._count([("entity", kind, -1 if remove else 1)])

    def _keys(self, type: str, row: list[Any]) -> Keys:
        if type == Link.TYPE:
            link = Link.from_row(row)
            return Keys(link.handle, link.dataset, link.key, "", link.of, link.to)
        if type == Assessment.TYPE:
            found = Assessment.from_row(row)
            return Keys(found.handle, found.dataset, found.key)
        if type == Consent.TYPE:
            consent = Consent.from_row(row)
            known_as = json.dumps([consent.dataset, consent.key]) if consent.key else ""
            return Keys(known_as, consent.dataset, consent.key, consent.person, consent.source)
        return Keys()

    def _came(self, type: str, n: int, row: list[Any]) -> None:  # noqa: ARG002
        if type == "counters@1" and tuple(map(builtins.type, row)) == (str, int):
            self._gave(row[0], self._device, row[1])
        elif type in (Link.TYPE, Assessment.TYPE):
            try:
                handle = ids.parse(row[0])
            except BadHandle:
                return
            self._saw(handle.kind, handle.device, handle.number)
            if type == Link.TYPE and row[1] == "retracts":
                self._mark(row[3], RETRACTED, row[0])

    def _left(self, type: str, n: int, row: list[Any]) -> None:  # noqa: ARG002
        if type == Link.TYPE:
            self._unmark(row[0])

    # -- numbers, marks, counts ----------------------------------------------------------------------------------------

    def _saw(self, kind: str, device: int, number: int) -> None:
        if number > self._seen.get((kind, device), 0):
            self._seen[kind, device] = number
            self._gave(kind, device, number + 1)

    def _gave(self, kind: str, device: int, following: int) -> None:
        if following > self._next.get((kind, device), 1):
            self._next[kind, device] = following
        self._numbers_changed = True

    def _mark(self, target: str, status: str, by: str) -> None:
        """Note that ``by`` (a claim or a link) supersedes or retracts ``target``, wherever the two arrive first."""
        try:
            number = claim_id(target)
        except BadHandle:
            return
        if target != by:
            self.db.execute("INSERT OR IGNORE INTO marks VALUES (?, ?, ?)", (number, STATUSES.index(status), by))
            self._touched.add(number)

    def _unmark(self, by: str) -> None:
        self._touched.update(number for (number,) in self.db.execute("SELECT target FROM marks WHERE by = ?", (by,)))
        self.db.execute("DELETE FROM marks WHERE by = ?", (by,))

    def _count(self, changes: Sequence[tuple[str, str, int]]) -> None:
        """Keep the counts that an unfiltered search shows."""
        self.db.executemany(
            "INSERT INTO facets VALUES (?, ?, ?) ON CONFLICT (facet, value) DO UPDATE SET n = n + excluded.n", changes
        )

    def _count_claims(self, rows: Sequence[Sequence[Any]], sign: int) -> None:
        counted = {
            "kind": Counter(_NUMBERED.get(row[SUBJECT][:1], "") for row in rows),
            "date": Counter(tokens.when(row[VALID])[1] for row in rows),
            "place": Counter(row[PLACE] for row in rows),
            "source": Counter(row[SOURCE] for row in rows),
            "said": Counter(row[VALID] for row in rows if row[DAY] is not None and row[PROPERTY] in SAID),
            "happened": Counter(row[VALID] for row in rows if row[DAY] is not None and row[SUBJECT][:2] in _HAPPENED
                                and row[PROPERTY] not in SAID),
        }  # fmt: skip
        self._count([(facet, value, sign * n) for facet, values in counted.items() for value, n in values.items() if value])
        self._count([("total", "claim", sign * len(rows))])
        if sign < 0:
            self.db.execute("DELETE FROM facets WHERE n <= 0")

    # -- writing -------------------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        """Write the buffered claims: rows, words, counts, then who supersedes whom."""
        if self._buffer:
            rows, self._buffer = self._buffer, []
            rows.sort(key=lambda row: row[ID])  # stable: of one handle, the first to come stays first
            numbers = [row[ID] for row in rows]
            if self._maybe_taken(numbers):
                rows = self._without_taken(rows)
            self._write_claims(rows)
            if self._touched or self.db.execute("SELECT 1 FROM marks LIMIT 1"):
                between = self.db.execute("SELECT target FROM marks WHERE target BETWEEN ? AND ?", (numbers[0], numbers[-1]))
                self._touched.update(number for (number,) in between)
        if self._touched:
            self._restate()
        if self._numbers_changed:
            entries = [(kind, device, n, self._seen.get((kind, device), 0)) for (kind, device), n in self._next.items()]
            self.db.executemany("INSERT OR REPLACE INTO counters VALUES (?, ?, ?, ?)", entries)
            self._numbers_changed = False

    def _maybe_taken(self, numbers: list[int]) -> bool:
        """False if no handle of this sorted batch can be in the view yet. Notes the highest number of each device."""
        taken = len(set(numbers)) < len(numbers)
        for device in {number >> _SHIFT for number in numbers}:
            first = numbers[bisect_left(numbers, device << _SHIFT)]
            last = numbers[bisect_left(numbers, device + 1 << _SHIFT) - 1]
            taken |= ids.unpack("claim", first).number <= self._seen.get(("claim", device), 0)
            self._saw("claim", device, ids.unpack("claim", last).number)
        return taken

    def _without_taken(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Set aside each claim whose handle was given before."""
        taken = {
            number
            for table in ("claims", "grounds")
            for (number,) in self.db.execute(
                f"SELECT id FROM {table} WHERE id IN (SELECT value FROM json_each(?))", (json.dumps([row[ID] for row in rows]),)
            )
        }
        free = []
        for row in rows:
            if row[ID] in taken:
                self.db.execute("INSERT INTO spare VALUES (?, ?, ?)", (row[ID], row[PART], cbor2.dumps(list(row))))
            else:
                taken.add(row[ID])
                free.append(row)
        return free

    def _write_claims(self, rows: list[tuple[Any, ...]]) -> None:
        grounds = [row for row in rows if row[PROPERTY] == ground.PROPERTY]
        if grounds:
            rows = [row for row in rows if row[PROPERTY] != ground.PROPERTY]
        marks = f"({', '.join('?' * 26)})"
        self.db.executemany(f"INSERT INTO claims VALUES {marks}", rows)
        self.db.executemany(f"INSERT INTO grounds VALUES {marks}", grounds)
        self.db.executemany("INSERT INTO words (rowid, t) VALUES (?, ?)", ((row[ID], index_form(row)) for row in rows))
        self._count_claims(rows, 1)
        for row in rows + grounds:
            if row[SUPERSEDES]:
                self._mark(row[SUPERSEDES], SUPERSEDED, str(ids.unpack("claim", row[ID])))

    def _restate(self) -> None:
        """Set the status of every claim whose marks changed: retracted before superseded before current."""
        numbers = iter(self._touched)
        while some := list(islice(numbers, 10_000)):
            for table in ("claims", "grounds"):
                self.db.execute(
                    f"UPDATE {table} SET status = coalesce((SELECT max(status) FROM marks WHERE target = {table}.id), 0)"
                    " WHERE id IN (SELECT value FROM json_each(?))",
                    (json.dumps(some),),
                )
        self._touched = set()

    # -- erasing -------------------------------------------------------------------------------------------------------

    def _erase_part(self, part: int, numbers: list[int]) -> None:
        super()._erase_part(part, numbers)
        self.db.execute("DELETE FROM spare WHERE part = ?", (part,))
        for number in numbers:
            self._erase_claim(part, number)
        for entity in self._entity_rows("part = ?", part):
            if entity[2]:
                self._name(entity, remove=True)
            self.db.execute("DELETE FROM entities WHERE n = ?", (entity[0],))
            earlier = self._entity_rows("handle = ?", entity[3])
            if entity[2] and earlier:
                self.db.execute("UPDATE entities SET current = 1 WHERE n = ?", (earlier[-1][0],))
                self._name(earlier[-1])
        self._flush()
        self.db.execute("DELETE FROM facets WHERE n <= 0")

    def _erase_claim(self, part: int, number: int) -> None:
        for table in ("claims", "grounds"):
            for row in self.db.execute(f"SELECT * FROM {table} WHERE id = ? AND part = ?", (number, part)):
                if table == "claims":
                    self.db.execute("INSERT INTO words (words, rowid, t) VALUES ('delete', ?, ?)", (number, index_form(row)))
                    self._count_claims([row], -1)
                self.db.execute(f"DELETE FROM {table} WHERE id = ?", (number,))
                self._unmark(str(ids.unpack("claim", number)))
                waiting = self.db.execute("SELECT rowid, row FROM spare WHERE id = ? ORDER BY part LIMIT 1", (number,))
                for rowid, spare in waiting:
                    self.db.execute("DELETE FROM spare WHERE rowid = ?", (rowid,))
                    self._write_claims([tuple(cbor2.loads(spare))])
                self._touched.add(number)
