"""Read items without trusting them: text, facts, fingerprints and the files inside, all through the sandbox.

Invariants: no byte of an item is parsed in this process. What a reader says of one item is committed with the entry in the
item's custody, or not at all; a reader that has been through an item is not sent again, so an interrupted run is finished by
running it again. Files found inside are sealed as items of the same source, small ones in packs, and read in their turn; all
that comes out of one item together has a bound, and what is not read for a bound is told.
"""

import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from amparo.app import evidence
from amparo.app.session import Change, Session, now_ms, stops_when_asked
from amparo.evidence import kinds
from amparo.evidence.findings import Chunk, Facts, Finding, Fingerprint, Hints, Member, MemberEnd, Text, Warn
from amparo.evidence.sandbox import (
    FileUnreadable,
    Limits,
    NoReader,
    Reader,
    ReaderCrashed,
    ReaderMisbehaved,
    ReaderTookTooLong,
    ReaderTooLarge,
    Sandbox,
    readers,
)
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _
from amparo.record.items import Custody, Fact, Item, Piece, Print
from amparo.record.model import Row
from amparo.vault.blob_stages import SMALL, Sealed
from amparo.vault.remote import RemoteFailed

Progress = Callable[[int, int, str], None]
"""progress(items read, items found so far, name of the item being read)."""

_DEPTH: Final = 8
_ITEMS: Final = 200_000  # read in one run: an archive of archives has an end
_MEMBERS: Final = 1_000_000  # of one item
_WARNINGS: Final = 100  # kept of one reading; all are counted
_TOLD: Final = 10_000  # problems kept of a run; all are counted
_AT_ONCE: Final = 50  # items committed together
_LOT: Final = 8 << 20  # characters of rows written together: a part has an end (ledger.entry.MAX_PART)
_POCKET: Final = 200  # small members sealed together; each is an open descriptor meanwhile
_MADE: Final = ("still", "rendered")  # what a reader made is not read again
REFUSALS: Final = (FileUnreadable, ReaderCrashed, ReaderMisbehaved, ReaderTookTooLong, ReaderTooLarge)


class UnknownReader(BadInput):
    template = N_("There is no reader “{reader}”; the readers are: {known}.")


@dataclass(slots=True)
class Reading:
    """What a run did. ``problems`` (item, sentence) of what could not be read whole, the first of ``troubles`` in all;
    ``lacking`` one a reader that misses a library or program.
    """

    items: int = 0
    texts: int = 0
    facts: int = 0
    prints: int = 0
    members: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)
    troubles: int = 0
    lacking: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Room:
    """Plain bytes that what comes out of one item, files in files included, may still take."""

    left: int


@dataclass(slots=True)
class _Waiting:
    """An item to be read: how deep it lies in the one that was asked for, and that one's room."""

    handle: str
    depth: int
    room: _Room


def read(
    session: Session, items: Iterable[Item], *, only: Iterable[str] = (), again: bool = False,
    options: dict[str, Any] | None = None, times: int = 1, progress: Progress | None = None,
) -> Reading:  # fmt: skip
    """Read items with every reader their media type has, or with those named in ``only``; ``times`` as many limits.

    Raises UnknownReader and what the sandbox and the disk raise; what a hostile file makes a reader do is told in
    ``problems``.
    """
    known, chosen = readers(), list(only)
    for name in chosen:
        if name not in known:
            raise UnknownReader(reader=name, known=", ".join(known))
    run = _Run(session, known, chosen, again=again, options=options or {}, times=times)
    waiting = [_Waiting(item.handle, 0, _Room(run.limits(item).members)) for item in items if item.relation not in _MADE]
    found = len(waiting)
    with Sandbox() as run.box, stops_when_asked():
        while waiting:
            batch, waiting = waiting[:_AT_ONCE], waiting[_AT_ONCE:]
            with session.change() as change:
                for one in batch:
                    item = evidence.get(session, one.handle)
                    if progress:
                        progress(run.done.items, found, item.name)
                    inner = run.read_item(change, item, one.room)
                    if inner and (one.depth >= _DEPTH or found + len(inner) > _ITEMS):
                        run.left_out(change, item, len(inner))
                        continue
                    waiting += [_Waiting(handle, one.depth + 1, one.room) for handle in inner]
                    found += len(inner)
    return run.done


class _Run:
    """The state of one run: sandbox, readers, what was done."""

    box: Sandbox

    def __init__(
        self, session: Session, known: dict[str, Reader], chosen: list[str], *, again: bool, options: dict[str, Any], times: int
    ) -> None:
        self.session, self.known, self.chosen = session, known, chosen
        self.again, self.options, self.times = again, options, times
        self.done = Reading()
        self.away: RemoteFailed | None = None

    def limits(self, item: Item) -> Limits:
        """What one reading of the item may cost, and, of ``members``, all that comes out of it."""
        return Limits.for_size(item.size).times(self.times)

    def _for(self, item: Item) -> list[Reader]:
        """The readers to send to an item: those for its type that have not been through it."""
        fitting = [self.known[name] for name in self.chosen] or [
            reader for reader in self.known.values() if not reader.asked and _reads(reader, item.media_type)
        ]
        if self.again:
            return fitting
        been = {fact.reader for fact in self.session.testimony.facts(item.handle) if fact.kind == "read"}
        return [reader for reader in fitting if reader.name not in been]

    def read_item(self, change: Change, item: Item, room: _Room) -> list[str]:
        """Send every fitting reader through one item; return the handles of the files found inside that are to be read."""
        inner: list[str] = []
        been = []
        for reader in self._for(item):
            self.session.keep_alive()
            try:
                if self.away is not None and not self._is_here(item):
                    raise self.away
                inner += self._read(change, item, reader, room)
            except _NotThere:
                continue
            except RemoteFailed as error:  # what lies here is read all the same, and this store is not asked again
                self.away = error
                self._told(item, [str(error)], 1)
                break
            been.append(reader.name)
        if been:
            self.done.items += 1
            event = Custody(item.handle, now_ms(), str(self.session.number), "read", detail=", ".join(been))
            evidence.put_parts(change, [event])
        return inner

    def _is_here(self, item: Item) -> bool:
        return self.session.blobs().place(item.blob, item.size)[0].exists()

    def _read(self, change: Change, item: Item, reader: Reader, room: _Room) -> list[str]:
        hints = Hints(item.name, item.media_type, item.size, self.options)
        limits = self.limits(item)
        limits = replace(limits, members=min(limits.members, room.left))
        with evidence.read_quietly(self.session, item) as stream:
            findings = self.box.read(reader.module, cast("BinaryIO", stream), hints, limits, self.session.keep_alive)
            taken = _Taken(self.session, change, item, reader.name, findings)
            try:
                for lot in lots(taken.rows()):
                    evidence.put_parts(change, lot)
            except NoReader as error:
                self._lacks(str(error))
                raise _NotThere from None
            except REFUSALS as error:
                taken.trouble(str(error))
            taken.seal_pocket()
        room.left = max(0, room.left - taken.bytes)
        said = {"warnings": taken.problems, "count": taken.troubles}
        evidence.put_parts(change, [Fact(item.handle, "read", reader.name, json.dumps(said, ensure_ascii=False))])
        self.done.texts += taken.count[Piece.TYPE]
        self.done.facts += taken.count[Fact.TYPE]
        self.done.prints += taken.count[Print.TYPE]
        self.done.members += taken.sealed
        self._told(item, taken.problems, taken.troubles)
        return taken.members

    def left_out(self, change: Change, item: Item, count: int) -> None:
        """Note that files inside an item were sealed and not read."""
        sentence = _(
            "{count} files inside it were sealed and not read, since they lie too deep or are too many for one run; read "
            "them by their handles."
        ).format(count=count)
        said = {"warnings": [sentence], "count": 1}
        evidence.put_parts(change, [Fact(item.handle, "unread", "amparo", json.dumps(said, ensure_ascii=False))])
        self._told(item, [sentence], 1)

    def _told(self, item: Item, sentences: list[str], count: int) -> None:
        self.done.troubles += count
        room = max(0, _TOLD - len(self.done.problems))
        self.done.problems += [(item.handle, sentence) for sentence in sentences[:room]]

    def _lacks(self, sentence: str) -> None:
        if sentence not in self.done.lacking:
            self.done.lacking.append(sentence)


class _NotThere(Exception):
    """The reader lacks its library or program: the item counts as not read by it."""


def _reads(reader: Reader, media_type: str) -> bool:
    plain = media_type.partition(";")[0].strip().lower()
    return any(plain == kind or (kind.endswith("/") and plain.startswith(kind)) for kind in reader.media_types)


def lots(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Rows in lots of bounded size; where they end in a refusal, those before it come first."""
    lot: list[Row] = []
    size = 0
    refusal: BadInput | None = None
    while True:
        try:
            row = next(rows, None)
        except BadInput as error:
            refusal, row = error, None
        if row is not None:
            lot.append(row)
            size += sum(len(value) for value in row.to_row() if isinstance(value, (str, bytes)))
        if lot and (row is None or size > _LOT):
            yield lot
            lot, size = [], 0
        if refusal:
            raise refusal
        if row is None:
            return


class _Taken:
    """Takes the findings of one reader about one item: rows to record, members to seal.

    ``members`` the handles of those to be read in their turn, ``sealed`` how many there are in all, ``bytes`` theirs;
    ``problems`` the first sentences of ``troubles``.
    """

    def __init__(self, session: Session, change: Change, item: Item, reader: str, findings: Iterator[Finding]) -> None:
        self._session, self._change, self._item, self._reader, self._findings = session, change, item, reader, findings
        self.members: list[str] = []
        self.problems: list[str] = []
        self.troubles = self.sealed = self.bytes = 0
        self.count: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._held = {(child.path, child.name, child.sha256) for child in session.testimony.children(item.handle)}
        self._pocket: list[tuple[Member, bytes]] = []

    def trouble(self, sentence: str) -> None:
        self.troubles += 1
        if len(self.problems) < _WARNINGS:
            self.problems.append(sentence)

    def rows(self) -> Iterator[Row]:
        """The rows of the texts, facts and fingerprints as they come; members are sealed in between."""
        for finding in self._findings:
            match finding:
                case Text():
                    self.count[Piece.TYPE] += 1
                    number = self.count[Piece.TYPE]
                    yield Piece(self._item.handle, number, finding.locator, finding.text, finding.language, self._reader)
                case Facts():
                    self.count[Fact.TYPE] += 1
                    self._kinds[finding.kind] += 1
                    data = json.dumps(finding.data, ensure_ascii=False)
                    yield Fact(self._item.handle, finding.kind, self._reader, data, self._kinds[finding.kind])
                case Fingerprint():
                    self.count[Print.TYPE] += 1
                    yield Print(self._item.handle, finding.kind, finding.place, finding.bits, finding.quality)
                case Member():
                    self._take(finding)
                case Warn():
                    self.trouble(finding.sentence)
                case Chunk() | MemberEnd():  # the sandbox lets none through outside a member
                    raise AssertionError

    def _take(self, member: Member) -> None:
        """Seal a member, or keep it until enough small ones are there to be packed. Raises ReaderTooLarge."""
        if self.sealed + len(self._pocket) >= _MEMBERS:
            raise ReaderTooLarge(reader=self._reader, limit=_MEMBERS, what=_("files inside it"))
        stream = Inside(self._findings)
        head = bytearray(SMALL)
        size = 0
        while size < SMALL and (got := stream.readinto(memoryview(head)[size:])):
            size += got
        if size == SMALL:
            sealed = self._session.blobs().seal_file(_Chained(bytes(head), stream))
            self.bytes += sealed.size
            if self._wanted(member, stream, sealed.sha256, sealed.size):
                self._put(member, sealed)
            else:
                self._session.blobs().erase(sealed.blob)
            return
        self.bytes += size
        data = bytes(head[:size])
        if self._wanted(member, stream, hashlib.sha256(data).digest(), size):
            self._pocket.append((member, data))
            if len(self._pocket) == _POCKET:
                self.seal_pocket()

    def _wanted(self, member: Member, stream: "Inside", sha256: bytes, size: int) -> bool:
        if stream.problem:
            self.trouble(f"{member.path or member.name}: {stream.problem}")
        return (member.path, member.name, sha256) not in self._held and bool(size or not stream.problem)

    def _put(self, member: Member, sealed: Sealed) -> None:
        item = evidence.put_item(
            self._change, self._item.source, sealed, name=member.name, path=member.path,
            media_type=kinds.named(member.media_type), parent=self._item.handle, relation=member.relation,
            modified=member.modified,
        )  # fmt: skip
        self.sealed += 1
        if item.relation not in _MADE:
            self.members.append(item.handle)

    def seal_pocket(self) -> None:
        """Seal the small members that are held, in packs."""
        held, self._pocket = self._pocket, []
        store = self._session.blobs()
        if len(held) < 2 or not hasattr(os, "memfd_create"):
            for member, data in held:
                self._put(member, store.seal_file(io.BytesIO(data)))
            return
        files = {}
        try:  # the packer reads files: these lie in memory only
            for member, data in held:
                descriptor = os.memfd_create("amparo", os.MFD_CLOEXEC)
                files[Path(f"/proc/self/fd/{descriptor}")] = member, descriptor
                with os.fdopen(descriptor, "wb", closefd=False) as file:
                    file.write(data)
            sealed = {path: (files[path][0], one) for path, one in store.seal_many(files)}
        finally:
            for _member, descriptor in files.values():
                os.close(descriptor)
        for path in files:  # in the order in which they were found
            member, one = sealed[path]
            self._put(member, replace(one, modified=0))


class _Chained:
    """The bytes in hand, then the rest of the member, as one stream."""

    def __init__(self, head: bytes, rest: "Inside") -> None:
        self._head, self._rest = memoryview(head), rest

    def readinto(self, buffer: memoryview, /) -> int:
        if not len(self._head):
            return self._rest.readinto(buffer)
        got = min(len(buffer), len(self._head))
        buffer[:got] = self._head[:got]
        self._head = self._head[got:]
        return got


class Inside:
    """The bytes of the member that has just begun, as a stream; ends at its end."""

    def __init__(self, findings: Iterator[Finding]) -> None:
        self._findings, self._held, self._ended = findings, memoryview(b""), False
        self.problem = ""

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill the beginning of ``buffer``; 0 at the end of the member."""
        while not len(self._held) and not self._ended:
            finding = next(self._findings)
            if isinstance(finding, Chunk):
                self._held = memoryview(finding.data)
            else:
                assert isinstance(finding, MemberEnd)
                self.problem, self._ended = finding.problem, True
        got = min(len(buffer), len(self._held))
        buffer[:got] = self._held[:got]
        self._held = self._held[got:]
        return got
