"""The record's view: every question the program asks of the pseudonymous record. Pure reading; writing is ``record.writer``.

Invariants: as ``record.store``. What a method returns of many things at once is masked and leaves the grounds out, as
``record.ground`` says; ``claim``, ``ground_of`` and ``claims(subject=...)`` of anything but a person open one thing in full.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cbor2

from amparo.kernel import dates, ids
from amparo.kernel.errors import BadHandle
from amparo.record import ground, vocabulary
from amparo.record.digest import digest
from amparo.record.ground import GroundCounts, mask
from amparo.record.model import AFFIRMED, Assessment, Claim, Consent, Entity, Link, SavedSearch
from amparo.record.store import Origin
from amparo.record.writer import (
    CLAIM_COLUMNS,
    CURRENT,
    ENTITY_COLUMNS,
    RETRACTED,
    STATUSES,
    SUPERSEDED,
    RecordWriter,
    claim_id,
)

__all__ = ["CURRENT", "RETRACTED", "SUPERSEDED", "Origin", "RecordView", "StoredClaim"]

_CLAIM = ", ".join(f"c.{name.strip()}" for name in CLAIM_COLUMNS.split(","))
_SELECT = f"SELECT c.id, c.status, p.device, p.seq, p.part, {_CLAIM} FROM {{}} c JOIN parts p ON p.id = c.part"
_ENTITIES = f"SELECT {ENTITY_COLUMNS} FROM entities WHERE current AND "
_PERSONAL = ("P-", "A-", "N-")
_LAST = "\U0010ffff"
_FEW = 5


@dataclass(slots=True)
class StoredClaim:
    """A claim, where it lies in the ledger, and its ``status``: current, superseded, retracted. ``masked`` if ground words
    were taken out of it: for show, never to be written again.
    """

    claim: Claim
    origin: Origin
    status: str
    masked: bool = False


class RecordView(RecordWriter):
    """entities@1, claims@1, links@1, assessments@1, consents@1, access@1, counters@1; other types are kept and not read."""

    # -- entities ------------------------------------------------------------------------------------------------------

    def entity(self, handle: str) -> Entity | None:
        """The entity as it is now, or None."""
        return next(iter(self._entities("handle = ?", handle)), None)

    def entity_history(self, handle: str) -> list[Entity]:
        """All versions of an entity, oldest first; the last one is the current."""
        found = self.db.execute(f"SELECT {ENTITY_COLUMNS} FROM entities WHERE handle = ? ORDER BY n", (handle,))
        return [_entity(row) for row in found]

    def entities(self, kind: str | None = None, parent: str | None = None) -> list[Entity]:
        """Current entities in the order of their handles; labels of persons, acts and involvements are masked."""
        wanted = [("kind = ?", kind), ("parent = ? AND parent <> ''", parent)]
        given = [(clause, value) for clause, value in wanted if value is not None]
        found = self._entities(" AND ".join(clause for clause, _ in given) or "1", *(value for _, value in given))
        found.sort(key=lambda entity: _place(entity.handle))
        return [replace(e, label=mask(e.label)) if e.handle.startswith(_PERSONAL) and e.label else e for e in found]

    def by_key(self, key: str, dataset: str | None = None) -> list[str]:
        """Handles of the entities imported under a row's key, from one dataset or any."""
        found = self._entities("key = ? AND key <> ''", key)
        return sorted((e.handle for e in found if dataset is None or e.dataset == dataset), key=_place)

    def _entities(self, where: str, *values: str) -> list[Entity]:
        return [_entity(row) for row in self.db.execute(_ENTITIES + where, values)]

    # -- claims --------------------------------------------------------------------------------------------------------

    def claim(self, handle: str) -> StoredClaim | None:
        """One opened claim, in full; also one that states a ground."""
        try:
            number = claim_id(handle)
        except BadHandle:
            return None
        found = (stored for table in ("claims", "grounds") for stored in self._claims(table, "c.id = ?", number))
        return next(found, None)

    def claims(
        self, *, subject: str | None = None, value: str | None = None, source: str | None = None, passage: str | None = None,
        person: str | None = None, key_prefix: str | None = None, limit: int = -1, offset: int = 0,
    ) -> list[StoredClaim]:  # fmt: skip
        """Claims by what they are about, in the order of their handles; several conditions narrow each other.

        ``value`` a handle (a term or a text finds nothing: no list by value); ``key_prefix`` the beginning of an imported key;
        ``limit`` of them after the first ``offset`` (negative: all). Masked unless ``subject`` opens one thing that is not a
        person. Raises ValueError without a condition.
        """
        wanted: list[tuple[str, tuple[str, ...]]] = []
        for column, handle in (("subject", subject), ("source", source), ("passage", passage), ("person", person)):
            if handle is not None:
                wanted.append((f"c.{column} = ? AND c.{column} <> ''", (handle,)))
        if value is not None:
            wanted.append(("c.value = ? AND c.value GLOB '[A-Z]-*'", (value,)))
        if key_prefix is not None:
            if not key_prefix or ground.mentions(key_prefix):
                return []
            wanted.append(("c.key >= ? AND c.key < ? AND c.key <> ''", (key_prefix, key_prefix + _LAST)))
        if not wanted:
            raise ValueError("claims() needs a condition")
        where = " AND ".join(clause for clause, _ in wanted)
        values = [v for _, values in wanted for v in values]
        found = self._claims("claims", where, *values, page=f" LIMIT {limit:d} OFFSET {offset:d}")
        return found if subject is not None and not subject.startswith("P-") else [masked(stored) for stored in found]

    def history(self, subject: str, property: str) -> list[StoredClaim]:
        """Every claim ever made of one property of one thing, oldest first, whatever its status."""
        if property == ground.PROPERTY:
            found = self.ground_of(subject)
        else:
            found = [stored for stored in self.claims(subject=subject) if stored.claim.property == property]
        return sorted(found, key=lambda stored: (stored.claim.recorded, _place(stored.claim.handle)))

    def corrected_by(self, handle: str) -> list[str]:
        """The claims that supersede a claim, in the order of their handles; [] if it stands. Raises BadHandle."""
        found = self.db.execute("SELECT by FROM marks WHERE target = ? AND by GLOB 'C-*'", (claim_id(handle),))
        return sorted((by for (by,) in found), key=_place)

    def timeline(self, start: str = "", end: str = "") -> Iterator[StoredClaim]:
        """Current claims that have a date, by the day they begin; from and up to a partial date, both included. Masked.

        Raises BadDate.
        """
        low = dates.parse(start).days()[0] if start else None
        high = dates.parse(end).days()[1] if end else None
        where = " WHERE c.day IS NOT NULL AND c.status = 0 AND c.day >= ? AND c.day <= ? ORDER BY c.day, c.id"
        for row in self.db.stream(_SELECT.format("claims") + where, (low or 0, high or 1 << 40)):
            yield masked(_stored(row))

    def claims_of(self, numbers: Iterable[int]) -> dict[int, StoredClaim]:
        """Masked claims by row number: the page of hits that a search shows."""
        found = {}
        for number in numbers:
            for stored in self._claims("claims", "c.id = ?", number):
                found[number] = masked(stored, always=True)
        return found

    def _claims(self, table: str, where: str, *values: str | int, page: str = "") -> list[StoredClaim]:
        found = self.db.execute(f"{_SELECT.format(table)} WHERE {where} ORDER BY c.id{page}", values)
        return [_stored(row) for row in found]

    # -- grounds -------------------------------------------------------------------------------------------------------

    def ground_of(self, act: str) -> list[StoredClaim]:
        """The claims about the ground of one opened act, as the perpetrator perceived it; [] for what is not an act."""
        return self._claims("grounds", "c.subject = ?", act) if act.startswith("A-") else []

    def ground_counts(self) -> GroundCounts:
        """How many acts each ground is claimed of, over the whole record, small cells suppressed. Takes no filter: counts of
        two overlapping selections would tell one act by subtraction.
        """
        terms = vocabulary.load()
        counts: dict[str, int] = {}
        for value, number in self.db.execute(
            "SELECT value, count(DISTINCT subject) FROM grounds WHERE status = 0 AND polarity = ? GROUP BY value", (AFFIRMED,)
        ):
            name = value if terms.has_term("ground", value) else "other"
            counts[name] = counts.get(name, 0) + number
        return ground.suppress(counts)

    def labels(self, handles: Iterable[str]) -> dict[str, str]:
        """Handle -> what it is called where many things are shown: its published name or key, masked; "" if it has none."""
        found = self.db.execute(
            "SELECT handle, label, key FROM entities WHERE current AND handle IN (SELECT value FROM json_each(?))",
            (json.dumps(list(handles)),),
        )
        return {handle: mask(label or key) for handle, label, key in found}

    def without_basis(self, limit: int) -> list[Entity]:
        """Sources that have neither consent nor publication as their basis, in the order they came; no imported tables."""
        where = "kind = 'source' AND type <> 'table' AND basis NOT IN ('published source', 'consent') ORDER BY n LIMIT"
        return self._entities(f"{where} {limit:d}")

    def tables(self, limit: int, offset: int = 0) -> list[tuple[Origin, Entity]]:
        """The sources that are imported tables, the last to come first, each with where it lies in the ledger."""
        columns = ", ".join(f"e.{name.strip()}" for name in ENTITY_COLUMNS.split(","))
        found = self.db.execute(
            f"SELECT p.device, p.seq, p.part, {columns} FROM entities e JOIN parts p ON p.id = e.part"
            " WHERE e.current AND e.kind = 'source' AND e.type = 'table'"
            f" ORDER BY e.n DESC LIMIT {limit:d} OFFSET {offset:d}"
        )
        return [(Origin(*row[:3]), _entity(row[3:])) for row in found]

    def _told_of(self, part: int, type: str, numbers: Sequence[int]) -> tuple[int, list[str]]:
        if type == Claim.TYPE:
            return len(numbers), [str(ids.unpack("claim", number)) for number in numbers[:_FEW]]
        if type == Entity.TYPE:
            [(count,)] = self.db.execute("SELECT count(*) FROM entities WHERE part = ?", (part,))
            found = self.db.execute("SELECT handle FROM entities WHERE part = ? ORDER BY n LIMIT ?", (part, _FEW))
            return count, [handle for (handle,) in found]
        return super()._told_of(part, type, numbers)

    # -- links, assessments, consents ----------------------------------------------------------------------------------

    def links(self, claim: str) -> list[Link]:
        """The links from and to a claim."""
        ends = "n IN (SELECT n FROM rows WHERE a = ? AND a <> '' UNION SELECT n FROM rows WHERE b = ? AND b <> '')"
        return [Link.from_row(row) for row in self.rows(Link.TYPE, ends, (claim, claim))]

    def contradictions(self) -> list[Link]:
        """All pairs of claims that are said to contradict each other; none that states a ground."""
        found = (Link.from_row(row) for row in self.rows(Link.TYPE))
        return [link for link in found if link.kind == "contradicts" and not any(map(self._is_ground, (link.of, link.to)))]

    def assessments(self, claim: str | None = None) -> list[Assessment]:
        """Assessments that weigh one claim, in full; or all, masked where they weigh claims about persons or acts."""
        found = [Assessment.from_row(row) for row in self.rows(Assessment.TYPE)]
        if claim is not None:
            return [item for item in found if claim in (*item.claims_for, *item.claims_against)]
        return [self._masked_assessment(item) for item in found]

    def assessment(self, handle: str) -> Assessment | None:
        """One opened assessment, in full."""
        return next((Assessment.from_row(row) for row in self.rows(Assessment.TYPE, "id = ?", (handle,))), None)

    def _masked_assessment(self, item: Assessment) -> Assessment:
        weighed = (self.claim(handle) for handle in (*item.claims_for, *item.claims_against))
        if not any(stored and personal(stored.claim) for stored in weighed):
            return item
        return replace(item, proposition=mask(item.proposition), reasons=mask(item.reasons))

    def _is_ground(self, handle: str) -> bool:
        try:
            return bool(self.db.execute("SELECT 1 FROM grounds WHERE id = ?", (claim_id(handle),)))
        except BadHandle:
            return False

    def consents(self, person: str | None = None) -> list[Consent]:
        """What a person (or everybody) allowed and withdrew, in the order it was recorded."""
        where, values = ("1", ()) if person is None else ("person = ? AND person <> ''", (person,))
        return [Consent.from_row(row) for row in self.rows(Consent.TYPE, where, values)]

    def searches(self) -> list[tuple[Origin, SavedSearch]]:
        """What somebody saved to search for again, each with where it lies in the ledger."""
        found = self.db.execute(
            "SELECT p.device, p.seq, p.part, r.row FROM rows r JOIN parts p ON p.id = r.part WHERE r.type = ? ORDER BY r.n",
            (SavedSearch.TYPE,),
        )
        return [(Origin(*place), SavedSearch.from_row(cbor2.loads(row))) for *place, row in found]

    # -- persons and sources -------------------------------------------------------------------------------------------

    def sources_of_person(self, person: str) -> list[str]:
        """Handles of the sources that tell of a person or that a consent of the person names."""
        found = self.db.execute(
            "SELECT source FROM claims WHERE person = :p AND person <> '' UNION SELECT source FROM claims WHERE subject = :p"
            " UNION SELECT source FROM grounds WHERE person = :p"
            " UNION SELECT a FROM rows WHERE person = :p AND person <> '' AND type = 'consents@1'",
            {"p": person},
        )
        return sorted((source for (source,) in found if source), key=_place)

    def persons_of_source(self, source: str) -> list[str]:
        """Handles of the persons a source tells of: whose words go if it is erased."""
        found = self.db.execute(
            "SELECT person FROM claims WHERE source = :s AND source <> '' UNION SELECT person FROM grounds WHERE source = :s",
            {"s": source},
        )
        return sorted((person for (person,) in found if person), key=_place)

    def origins_of_person(self, person: str) -> list[Origin]:
        """The parts of this compartment that tell of one person alone: what an erasure shreds."""
        return self._origins(
            "SELECT part FROM claims WHERE person = :p AND person <> '' UNION SELECT part FROM grounds WHERE person = :p"
            " UNION SELECT part FROM entities WHERE handle = :p UNION SELECT part FROM rows WHERE person = :p AND person <> ''",
            {"p": person},
        )

    def origins_of_source(self, source: str) -> list[Origin]:
        """The parts of this compartment that rest on one source: its claims, its entity, its passages, consents for it."""
        return self._origins(
            "SELECT part FROM claims WHERE source = :s AND source <> '' UNION SELECT part FROM grounds WHERE source = :s"
            " UNION SELECT part FROM entities WHERE handle = :s"
            " UNION SELECT part FROM entities WHERE parent = :s AND parent <> ''"
            " UNION SELECT part FROM rows WHERE a = :s AND a <> '' AND type = 'consents@1'",
            {"s": source},
        )

    def origins_of_passages(self, passages: Iterable[str]) -> list[Origin]:
        """The parts that hold these passages' entities, and those whose claims all rest on them: what goes with their words."""
        wanted = "IN (SELECT value FROM json_each(:q))"
        tables = "claims", "grounds"
        found = " UNION ".join(f"SELECT part FROM {table} WHERE passage <> '' AND passage {wanted}" for table in tables)
        mixed = " UNION ".join(
            f"SELECT part FROM {table} WHERE part IN ({found}) AND passage NOT {wanted}" for table in tables
        )
        query = f"SELECT part FROM ({found}) WHERE part NOT IN ({mixed}) UNION SELECT part FROM entities WHERE handle {wanted}"
        return self._origins(query, {"q": json.dumps(list(passages))})

    def remarks_on(self, origins: Iterable[Origin]) -> tuple[list[Origin], list[tuple[str, list[Any]]]]:
        """The parts with links and assessments that speak of the claims in some parts; and (type, row) of what in them speaks
        of other claims only. What was written about a person's words tells of the person.
        """
        gone = self.db.execute(
            "SELECT c.id FROM json_each(?) o JOIN parts p ON p.device = json_extract(o.value, '$[0]')"
            " AND p.seq = json_extract(o.value, '$[1]') AND p.part = json_extract(o.value, '$[2]')"
            " JOIN (SELECT id, part FROM claims UNION ALL SELECT id, part FROM grounds) c ON c.part = p.id",
            (json.dumps([list(origin) for origin in origins]),),
        )
        claims = {str(ids.unpack("claim", number)) for (number,) in gone}
        found = self.db.execute("SELECT part, type, current, row FROM rows WHERE type IN (?, ?)", (Link.TYPE, Assessment.TYPE))
        remarks = [(part, type, current, cbor2.loads(row)) for part, type, current, row in found]
        parts = {part for part, type, _current, row in remarks if claims & _spoken_of(type, row)}
        rest = [(type, row) for part, type, current, row in remarks if part in parts and current
                and not claims & _spoken_of(type, row)]  # fmt: skip
        return self._origins("SELECT value FROM json_each(:parts)", {"parts": json.dumps(sorted(parts))}), rest

    # -- numbers -------------------------------------------------------------------------------------------------------

    def next_number(self, kind: str, device: int = 1) -> int:
        """The number of the next handle of ``kind`` that a device gives. Never one that was given before: what was erased
        is remembered by counters@1 [kind, next number].
        """
        return self._next.get((kind, device), 1)

    def find(self, dataset: str, key: str, table: str) -> tuple[str, bytes] | None:
        """(handle, digest) of the current row under an import key (with no dataset: under a handle), or None: how a re-import
        knows what it has seen.
        """
        if not dataset and table in (Claim.TYPE, Entity.TYPE):
            stored = self.claim(key) if table == Claim.TYPE else None
            row = stored.claim if stored else self.entity(key) if table == Entity.TYPE else None
            return (row.handle, digest(table, row.to_row())) if row else None
        if table == Claim.TYPE:
            where = "c.key = ? AND c.key <> '' AND c.dataset = ?"
            found = [stored for name in ("claims", "grounds") for stored in self._claims(name, where, key, dataset)]
            if not found:
                return None
            last = max(found, key=lambda stored: (stored.status == CURRENT, claim_id(stored.claim.handle)))
            return last.claim.handle, digest(table, last.claim.to_row())
        if table == Entity.TYPE:
            entities = [entity for entity in self._entities("key = ? AND key <> ''", key) if entity.dataset == dataset]
            return (entities[-1].handle, digest(table, entities[-1].to_row())) if entities else None
        return super().find(dataset, key, table)

    def counts(self) -> dict[str, int]:
        """How many there are: current entities by kind, claims, links, assessments, consents."""
        counts = {value: n for value, n in self.db.execute("SELECT value, n FROM facets WHERE facet = 'entity'") if value}
        [(claims,)] = self.db.execute("SELECT coalesce(sum(n), 0) FROM facets WHERE facet = 'total'")
        [(grounds,)] = self.db.execute("SELECT count(*) FROM grounds")
        counts["claim"] = claims + grounds
        for type, n in self.db.execute("SELECT type, count(*) FROM rows WHERE current GROUP BY type"):
            if type in (Link.TYPE, Assessment.TYPE, Consent.TYPE):
                counts[type.partition("s@")[0]] = n
        return counts


def _spoken_of(type: str, row: list[Any]) -> set[str]:
    """The claims a link or an assessment is about."""
    if type == Link.TYPE:
        link = Link.from_row(row)
        return {link.of, link.to}
    found = Assessment.from_row(row)
    return {*found.claims_for, *found.claims_against}


def personal(claim: Claim) -> bool:
    """True if the claim is about a person or an act, or told of or by one person: where a ground would stick to somebody."""
    return bool(claim.person) or claim.subject.startswith(_PERSONAL) or "P-" in (claim.value[:2], claim.speaker[:2])


def masked(stored: StoredClaim, *, always: bool = False) -> StoredClaim:
    """The claim as a list shows it."""
    claim = stored.claim
    if not always and not personal(claim):
        return stored
    texts = {name: mask(getattr(claim, name)) for name in ("text", "value", "reason", "locator", "speaker", "key")}
    shown = replace(claim, **texts)  # type: ignore[arg-type]
    return StoredClaim(shown, stored.origin, stored.status, masked=shown != claim)


def _stored(row: tuple[Any, ...]) -> StoredClaim:
    number, status, device, seq, part, *values = row
    values[14] = bool(values[14])  # verbatim
    return StoredClaim(Claim(str(ids.unpack("claim", number)), *values), Origin(device, seq, part), STATUSES[status])


def _entity(row: tuple[Any, ...]) -> Entity:
    values = list(row)
    values[7] = bool(values[7])  # official
    return Entity(*values)


def _place(handle: str) -> tuple[str, int]:
    """Sorts handles by kind, device and number."""
    return (handle[:1], ids.parse(handle).packed) if ids.is_handle(handle) else (handle, 0)
