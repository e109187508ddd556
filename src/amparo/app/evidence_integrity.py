"""Verifying every sealed file against the record: what is damaged, and what rests on it.

Invariants: a run of verification is one entry with counts and a Merkle root; each damaged item gets an entry of its own, once.
Where a run was stopped is kept as a sealed row, never in a plain file: it would tell what there is.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from amparo.app.evidence_cold import evicted_names
from amparo.app.evidence_files import (
    handle_of,
    is_nowhere,
    items_by_handle,
    mark_of,
    store_of,
    unhurried,
)
from amparo.app.session import Change, Session, now_ms, stops_when_asked
from amparo.kernel.errors import AmparoError, Unverified
from amparo.kernel.i18n import N_, _
from amparo.record.items import Custody, Fact, Item
from amparo.vault.blob_check import BlobUnreadable, Exchanged, Outcome, check, sealed_length, strays
from amparo.vault.blob_format import BlobAltered, BlobErased, BlobHashWrong, BlobMissing, BlobTruncated
from amparo.vault.blobs import BlobStore

Progress = Callable[[int, int], None]
"""progress(bytes read, bytes in all)."""

READER: Final = "verify/1"
_BATCH: Final = 5_000  # items looked up together
_SAVE: Final = 16 << 30  # bytes between two notes of how far a run has come
_STRAY_AGE: Final = 86_400  # seconds; a file that is being added now is on no record yet
KINDS: Final = (
    N_("missing"), N_("truncated"), N_("altered"), N_("erased"), N_("exchanged"), N_("unreadable"), N_("another hash"),
)  # fmt: skip


class DamageFound(Unverified):
    template = N_(
        "Sealed files are damaged: {damaged:,} of {items:,}. What is whole stays usable; mend the rest with "
        "`amparo evidence repair --from BACKUP`, and keep this disk as it is until that is done.\n{report}"
    )


@dataclass(slots=True)
class Finding:
    """One damaged item; ``derived`` what was made from it; ``instead`` the item whose sealed file lies in its place."""

    item: str
    source: str
    kind: str
    sentence: str
    instead: str = ""
    derived: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Resting:
    """What rests on a source with damaged items, in handles; ``releases`` went out after the first of them came.

    The ledger does not say which sources a release cites, so every later one is named.
    """

    passages: list[str] = field(default_factory=list)
    claims: list[str] = field(default_factory=list)
    releases: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Run:
    """What a verification did. ``unseen`` items came while it was stopped; ``strays`` lie in the store and on no record."""

    items: int = 0
    bytes: int = 0
    damaged: int = 0
    cold: int = 0
    unseen: int = 0
    root: str = ""
    resumed: bool = False
    findings: list[Finding] = field(default_factory=list)
    sources: dict[str, Resting] = field(default_factory=dict)
    healed: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)


# -- a Merkle tree that only grows --------------------------------------------------------------------------------------


class Tree:
    """RFC 9162, 2.1.1: SHA-256, leaves prefixed 0x00 and nodes 0x01; kept as the roots of its full subtrees."""

    def __init__(self, peaks: Iterable[tuple[int, bytes]] = ()) -> None:
        self.peaks = list(peaks)

    def add(self, data: bytes) -> None:
        """Append a leaf."""
        level, node = 0, hashlib.sha256(b"\0" + data).digest()
        while self.peaks and self.peaks[-1][0] == level:
            node = hashlib.sha256(b"\1" + self.peaks.pop()[1] + node).digest()
            level += 1
        self.peaks.append((level, node))

    def root(self) -> bytes:
        """The tree's root; of an empty tree the hash of nothing."""
        if not self.peaks:
            return hashlib.sha256().digest()
        node = self.peaks[-1][1]
        for _level, left in reversed(self.peaks[:-1]):
            node = hashlib.sha256(b"\1" + left + node).digest()
        return node


# -- where a run has come -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _State:
    """The row that says how far a run has come; ``after`` "" when none is open."""

    started: int = 0
    after: str = ""
    items: int = 0
    bytes: int = 0
    damaged: int = 0
    peaks: list[tuple[int, str]] = field(default_factory=list)

    @classmethod
    def read(cls, session: Session) -> "_State":
        for row in session.testimony.rows(Fact.TYPE, "id = ?", (f"/verification/{READER}/1",)):
            return cls(**json.loads(Fact.from_row(row).data))
        return cls()

    def put(self, change: Change) -> None:
        change.put("testimony", Fact.TYPE, [Fact("", "verification", READER, json.dumps(asdict(self))).to_row()])


# -- verifying ----------------------------------------------------------------------------------------------------------


def verify(
    session: Session, *, sources: Sequence[str] = (), anew: bool = False, actor: str = "", progress: Progress | None = None
) -> Run:
    """Read every sealed file from the disk, open and hash it. Goes on where a run was stopped, unless ``anew``.

    With ``sources`` only their items, and from the start. Findings and the run are entries when this returns or is stopped.
    Damage is in the result, not raised; DiskRefused and KeyboardInterrupt are raised, after noting how far it came.
    """
    return _Verifier(session, sources, actor, anew=anew).run(progress)


class _Verifier:
    """One run."""

    def __init__(self, session: Session, sources: Sequence[str], actor: str, *, anew: bool) -> None:
        self._session, self._actor, self._part = session, actor, bool(sources)
        self._store = store_of(session)
        found = _State.read(session)
        self._state = found if found.after and not anew and not sources else _State(started=now_ms())
        self._result = Run(resumed=bool(self._state.after))
        self._tree = Tree((level, bytes.fromhex(node)) for level, node in self._state.peaks)
        self._open = open_damage(session)
        self._cold = evicted_names(session)
        self._fresh: list[tuple[Item, AmparoError]] = []
        self._healed: list[str] = []
        self._marks, self._total = self._plan(sources)
        self._read = self._saved = 0

    def _plan(self, sources: Sequence[str]) -> tuple[list[bytes], int]:
        marks, total, after = [], 0, bytes.fromhex(self._state.after)
        before = 0
        for source in sources or (None,):
            for item in self._session.testimony.items(source):
                mark = mark_of(item)
                if mark > after:
                    marks.append(mark)
                    total += sealed_length(item) if not is_nowhere(mark) else 0
                else:
                    before += 1
        self._result.unseen = max(0, before - self._state.items)
        marks.sort()
        return marks, total

    def run(self, progress: Progress | None) -> Run:
        def moved(done: int) -> None:
            self._session.keep_alive()
            self._read += done
            if progress:
                progress(self._read, self._total)

        try:
            with stops_when_asked():
                for start in range(0, len(self._marks), _BATCH):
                    self._batch(self._marks[start : start + _BATCH], moved)
        except BaseException:
            self._save(finished=False)
            raise
        self._save(finished=True)
        return self._told()

    def _batch(self, marks: list[bytes], moved: Callable[[int], None]) -> None:
        items = items_by_handle(self._session, map(handle_of, marks))
        for outcome in check(self._store, [item for item in items if not self._is_cold(item)], moved):
            self._take(outcome)
            if self._read - self._saved > _SAVE:
                self._save(finished=False)

    def _is_cold(self, item: Item) -> bool:
        """True for a file that was moved to a cold store, which another verb looks at."""
        if not self._cold or is_nowhere(mark_of(item)):
            return False
        path, _offset, _length = self._store.place(item.blob, item.size)
        away = self._store.name(path) in self._cold and not path.exists()
        self._result.cold += away
        return away

    def _take(self, outcome: Outcome) -> None:
        item, problem = outcome.item, outcome.problem
        assert isinstance(item, Item)
        self._state.items += 1
        self._state.bytes += item.size
        self._state.after = mark_of(item).hex()
        if problem is not None:
            self._state.damaged += 1
            self._fresh.append((item, problem))
            self._result.findings.append(Finding(item.handle, item.source, kind_of(problem), str(problem)))
            return
        self._tree.add(item.sha256 + item.blob.encode())
        if item.handle in self._open:
            self._healed.append(item.handle)

    def _save(self, *, finished: bool) -> None:
        """Write what was found since the last time, and how far the run has come, in one change."""
        self._state.peaks = [(level, node.hex()) for level, node in self._tree.peaks]
        self._name_exchanged()
        if not (finished or self._fresh or self._healed or self._state.after):
            return
        with unhurried(), self._session.change(access=True) as change:
            for item, problem in self._fresh:
                kind = next(one.kind for one in self._result.findings if one.item == item.handle)
                if self._open.get(item.handle) != kind:
                    self._note_damage(change, item, kind, problem)
                    self._open[item.handle] = kind
            for handle in self._healed:
                clear_damage(change, self._session, handle, "verified", _("found whole again"), self._actor)
                self._open.pop(handle, None)
            if finished:
                self._note_run(change)
            if not self._part:
                (_State() if finished else self._state).put(change)
        self._result.healed += self._healed
        self._fresh, self._healed, self._saved = [], [], self._read

    def _note_damage(self, change: Change, item: Item, kind: str, problem: AmparoError) -> None:
        number, now = str(self._session.number), now_ms()
        detail = f"{_(kind)}: {problem}"
        row = Custody(item.handle, now, number, "damage found", self._actor, "", "", detail)
        change.put("testimony", Custody.TYPE, [row.to_row()])
        fact = Fact(item.handle, "damage", READER, json.dumps({"kind": kind, "when": now}))
        change.put("testimony", Fact.TYPE, [fact.to_row()])

    def _note_run(self, change: Change) -> None:
        state = self._state
        self._result.root = self._tree.root().hex()
        detail = json.dumps(
            {
                "started": state.started, "finished": now_ms(), "items": state.items, "bytes": state.bytes,
                "damaged": state.damaged, "whole": "RFC 9162 SHA-256 over (SHA-256 || address) in the order of addresses",
                "root": self._result.root, "all": not self._part,
            }
        )  # fmt: skip
        row = Custody("", now_ms(), str(self._session.number), "verified", self._actor, "", "", detail)
        change.put("testimony", Custody.TYPE, [row.to_row()])

    def _name_exchanged(self) -> None:
        """Look whether other items' files lie where the damaged ones should: one pass over the record, if any is damaged."""
        wrong = (BlobAltered, BlobTruncated, BlobHashWrong)
        exchanged = Exchanged(self._store, [item for item, problem in self._fresh if isinstance(problem, wrong)])
        if exchanged.idle:
            return
        for item in self._session.testimony.items():
            exchanged.offer(item)
        for finding in self._result.findings:
            if finding.item in exchanged.found:
                finding.kind, finding.instead = "exchanged", exchanged.found[finding.item]

    def _told(self) -> Run:
        result, state = self._result, self._state
        result.items, result.bytes, result.damaged = state.items, state.bytes, state.damaged
        known = {finding.item for finding in result.findings}
        for item in items_by_handle(self._session, [handle for handle in self._open if handle not in known]):
            result.findings.append(Finding(item.handle, item.source, self._open[item.handle], _("found by an earlier run")))
        _tell_effects(self._session, result)
        if not self._part:
            result.strays = [stray for stray, _age in _strays(self._session, self._store)]
        return result


def kind_of(problem: AmparoError) -> str:
    """One of KINDS."""
    kinds: tuple[tuple[type[AmparoError], str], ...] = (
        (BlobErased, "erased"), (BlobMissing, "missing"), (BlobTruncated, "truncated"), (BlobHashWrong, "another hash"),
        (BlobUnreadable, "unreadable"),
    )  # fmt: skip
    return next((kind for error, kind in kinds if isinstance(problem, error)), "altered")


def open_damage(session: Session) -> dict[str, str]:
    """Handle -> kind of the damage on record that no repair has mended."""
    found = {}
    for row in session.testimony.rows(Fact.TYPE, "id GLOB ?", (f"D-*/damage/{READER}/1",)):
        fact = Fact.from_row(row)
        kind = json.loads(fact.data).get("kind")
        if kind:
            found[fact.item] = kind
    return found


def clear_damage(change: Change, session: Session, handle: str, action: str, detail: str, actor: str = "") -> None:
    """Note that an item is whole again: its custody entry, and the mark that it is damaged goes."""
    row = Custody(handle, now_ms(), str(session.number), action, actor, "", "", detail)
    change.put("testimony", Custody.TYPE, [row.to_row()])
    change.put("testimony", Fact.TYPE, [Fact(handle, "damage", READER, json.dumps({"kind": ""})).to_row()])


def _tell_effects(session: Session, run: Run) -> None:
    """Fill in what was made from each damaged item and what rests on its source."""
    since: dict[str, int] = {}
    for item in items_by_handle(session, [finding.item for finding in run.findings]):
        since[item.source] = min(item.added, since.get(item.source, item.added))
    for finding in run.findings:
        finding.derived = [child.handle for child in session.testimony.children(finding.item)]
    out = [row for row in session.record.rows("access@1") if len(row) == 5 and str(row[1]).startswith("export")]
    for source, first in since.items():
        run.sources[source] = Resting(
            [passage.handle for passage in session.testimony.passages(source)],
            [stored.claim.handle for stored in session.record.claims(source=source)],
            [f"{row[1]} {row[2]}" for row in out if row[4] >= first],
        )


# -- what is on no record -----------------------------------------------------------------------------------------------


def _strays(session: Session, store: BlobStore) -> list[tuple[str, float]]:
    """(address, seconds since it was written) of what lies in the store though no item owns it."""
    marks = sorted((mark_of(item), item.blob) for item in session.testimony.items())
    owned = [blob for mark, blob in marks if not is_nowhere(mark)]
    ages = {path.name: time.time() - path.stat().st_mtime for path in store.files()}
    return [(stray, ages.get(stray.partition(":")[0], 0.0)) for stray in strays(store, owned)]


def remove_strays(session: Session) -> int:
    """Overwrite what is on no record and older than a day: what is being added now is on none yet. Returns how many."""
    store = store_of(session)
    with session.change(access=True) as change:
        old = [stray for stray, age in _strays(session, store) if age > _STRAY_AGE]
        for stray in old:
            store.erase_stray(stray)
        if old:
            detail = _("leftovers on no record, overwritten: {count:,}").format(count=len(old))
            row = Custody("", now_ms(), str(session.number), "verified", "", "", "", detail)
            change.put("testimony", Custody.TYPE, [row.to_row()])
    return len(old)
