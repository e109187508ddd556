"""Read items without trusting them: text, facts, fingerprints and the files inside, all through the sandbox.

Invariants: no byte of an item is parsed in this process. What a reader says of one item is committed with the entry in the
item's custody, or not at all; a reader that has been through an item is not sent again, so an interrupted run is finished by
running it again. Files found inside are sealed as items of the same source and read in their turn, to a depth.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, cast

from amparo.app import evidence
from amparo.app.session import Change, Session, now_ms, stops_when_asked
from amparo.evidence.findings import Chunk, Facts, Finding, Fingerprint, Hints, Member, MemberEnd, Text, Warn
from amparo.evidence.sandbox import (
    FileUnreadable,
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
from amparo.kernel.i18n import N_
from amparo.record.items import Custody, Fact, Item, Piece, Print
from amparo.record.model import Row

Progress = Callable[[int, int, str], None]
"""progress(items read, items found so far, name of the item being read)."""

_DEPTH: Final = 6
_ITEMS: Final = 200_000  # of one run: an archive of archives has an end
_WARNINGS: Final = 100  # kept of one reading; all are counted
_AT_ONCE: Final = 50  # items committed together
_MADE: Final = ("still", "rendered")  # what a reader made is not read again
_REFUSALS: Final = (FileUnreadable, ReaderCrashed, ReaderMisbehaved, ReaderTookTooLong, ReaderTooLarge)


class UnknownReader(BadInput):
    template = N_("There is no reader “{reader}”; the readers are: {known}.")


@dataclass(slots=True)
class Reading:
    """What a run did. ``problems`` one sentence an item that could not be read whole;
    ``lacking`` one a reader that misses a library or program.
    """

    items: int = 0
    texts: int = 0
    facts: int = 0
    prints: int = 0
    members: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)


def read(
    session: Session, items: Iterable[Item], *, only: Iterable[str] = (), again: bool = False,
    options: dict[str, Any] | None = None, progress: Progress | None = None,
) -> Reading:  # fmt: skip
    """Read items with every reader their media type has, or with those named in ``only``. Raises UnknownReader and what the
    sandbox and the disk raise; what a hostile file makes a reader do is told in ``problems``.
    """
    known, chosen = readers(), list(only)
    for name in chosen:
        if name not in known:
            raise UnknownReader(reader=name, known=", ".join(known))
    run = _Run(session, known, chosen, again=again, options=options or {})
    waiting = [(item, 0) for item in items]
    found = len(waiting)
    with Sandbox() as run.box, stops_when_asked():
        while waiting:
            batch, waiting = waiting[:_AT_ONCE], waiting[_AT_ONCE:]
            with session.change() as change:
                for item, depth in batch:
                    if progress:
                        progress(run.done.items, found, item.name)
                    inner = run.read_item(change, item)
                    if depth < _DEPTH and found < _ITEMS:
                        waiting += [(one, depth + 1) for one in inner if one.relation not in _MADE]
                        found += len(inner)
    return run.done


class _Run:
    """The state of one run: sandbox, readers, what was done."""

    box: Sandbox

    def __init__(
        self, session: Session, known: dict[str, Reader], chosen: list[str], *, again: bool, options: dict[str, Any]
    ) -> None:
        self.session, self.known, self.chosen = session, known, chosen
        self.again, self.options = again, options
        self.done = Reading()

    def _for(self, item: Item) -> list[Reader]:
        """The readers to send to an item: those for its type that have not been through it."""
        fitting = [self.known[name] for name in self.chosen] or [
            reader for reader in self.known.values() if not reader.asked and _reads(reader, item.media_type)
        ]
        if self.again:
            return fitting
        been = {fact.reader for fact in self.session.testimony.facts(item.handle) if fact.kind == "read"}
        return [reader for reader in fitting if reader.name not in been]

    def read_item(self, change: Change, item: Item) -> list[Item]:
        """Send every fitting reader through one item; return the items that were found inside."""
        inner: list[Item] = []
        been = []
        for reader in self._for(item):
            self.session.keep_alive()
            with suppress(_NotThere):
                inner += self._read(change, item, reader)
                been.append(reader.name)
        if been:
            self.done.items += 1
            event = Custody(item.handle, now_ms(), str(self.session.number), "read", detail=", ".join(been))
            evidence.put_parts(change, [event])
        return inner

    def _read(self, change: Change, item: Item, reader: Reader) -> list[Item]:
        hints = Hints(item.name, item.media_type, item.size, self.options)
        with evidence.read_quietly(self.session, item) as stream:
            findings = self.box.read(reader.module, cast("BinaryIO", stream), hints, tick=self.session.keep_alive)
            taken = _Taken(self.session, change, item, reader.name, findings)
            try:
                evidence.put_parts(change, taken.rows())
            except NoReader as error:
                self._lacks(str(error))
                raise _NotThere from None
            except _REFUSALS as error:
                taken.problems.append(str(error))
        said = {"warnings": taken.problems[:_WARNINGS], "count": len(taken.problems)}
        evidence.put_parts(change, [Fact(item.handle, "read", reader.name, json.dumps(said, ensure_ascii=False))])
        self.done.texts += taken.count[Piece.TYPE]
        self.done.facts += taken.count[Fact.TYPE]
        self.done.prints += taken.count[Print.TYPE]
        self.done.members += len(taken.members)
        self.done.problems += [(item.handle, sentence) for sentence in taken.problems[:_WARNINGS]]
        return taken.members

    def _lacks(self, sentence: str) -> None:
        if sentence not in self.done.lacking:
            self.done.lacking.append(sentence)


class _NotThere(Exception):
    """The reader lacks its library or program: the item counts as not read by it."""


def _reads(reader: Reader, media_type: str) -> bool:
    plain = media_type.partition(";")[0].strip().lower()
    return any(plain == kind or (kind.endswith("/") and plain.startswith(kind)) for kind in reader.media_types)


class _Taken:
    """Takes the findings of one reader about one item: rows to record, members to seal."""

    def __init__(self, session: Session, change: Change, item: Item, reader: str, findings: Iterator[Finding]) -> None:
        self._session, self._change, self._item, self._reader, self._findings = session, change, item, reader, findings
        self.members: list[Item] = []
        self.problems: list[str] = []
        self.count: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._held = {(child.path, child.name, child.sha256) for child in session.testimony.children(item.handle)}

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
                    self._seal(finding)
                case Warn():
                    self.problems.append(finding.sentence)
                case Chunk() | MemberEnd():  # the sandbox lets none through outside a member
                    raise AssertionError

    def _seal(self, member: Member) -> None:
        stream = Inside(self._findings)
        sealed = self._session.blobs().seal_file(stream)
        if stream.problem:
            self.problems.append(f"{member.path or member.name}: {stream.problem}")
        again = (member.path, member.name, sealed.sha256) in self._held
        if again or (stream.problem and not sealed.size):
            self._session.blobs().erase(sealed.blob)
            return
        item = evidence.put_item(
            self._change, self._item.source, sealed, name=member.name, path=member.path, media_type=member.media_type,
            parent=self._item.handle, relation=member.relation, modified=member.modified,
        )  # fmt: skip
        self.members.append(item)


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
