"""Import of bags: other organisations' exports and our own, judged first, then sealed with all that they say of themselves.

Invariants: a bag is taken in whole or not at all: whatever is wrong with it is found in the sandbox or by the signatures, and
then neither an item nor a sealed file is left. What a bag says of its files is kept as facts, as the bag's word; only what was
verified here by signatures is called so.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from amparo.app import evidence as room
from amparo.app.evidence import check_added, new_source
from amparo.app.evidence_read import Inside
from amparo.app.session import Change, Session, now_ms, stops_when_asked
from amparo.evidence import disclosure
from amparo.evidence.disclosure import Checked
from amparo.evidence.findings import Facts, Finding, Hints, Member, Warn
from amparo.evidence.folderstream import FolderStream
from amparo.evidence.sandbox import FileUnreadable, Limits, Sandbox
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _
from amparo.record.items import Acquisition, Custody, Fact, Item
from amparo.vault.blob_format import BlobDamaged, BlobMissing

Progress = room.Progress
_READER: Final = "bag/1"
_MOST_FACTS: Final = 200_000


class NotABag(BadInput):
    template = N_("{path} is neither a folder nor a zip file; a bag (BagIt) is one of them.")


class BagRefused(BadInput):
    template = N_("The bag was not taken in: {why}")


@dataclass(slots=True)
class Imported:
    """What an import did. ``verified``: another Amparo's workspace whose signatures hold, or ""; ``facts`` by kind."""

    source: str
    items: int = 0
    bytes: int = 0
    first: str = ""
    last: str = ""
    version: str = ""
    verified: str = ""
    opened: int = 0
    sealed: int = 0
    warnings: list[str] = field(default_factory=list)
    facts: dict[str, int] = field(default_factory=dict)
    duplicates: list[tuple[str, str]] = field(default_factory=list)


def import_bag(
    session: Session, path: Path, *, origin: room.Origin | None = None, source: str = "", progress: Progress | None = None,
) -> Imported:  # fmt: skip
    """Judge a bag (folder or zip) and take in every file of it as an item of one source, new unless given.

    Raises NotABag, BagRefused, LinkInFolder, DisclosureBad, FileNotAsSigned, NoSuchSource, UnknownBasis, NothingThere and
    what sandbox and disk raise; then nothing is left.
    """
    how = origin or room.Origin()
    check_added(session, [path], source, how)
    with ExitStack() as stack, stops_when_asked():
        stream, kind, size = _opened(path, stack)
        box = stack.enter_context(Sandbox())
        hints = Hints(path.name, kind, size)
        findings = box.read("bag", stream, hints, Limits.for_size(size), tick=session.keep_alive)
        job = _Import(session, how, source, path.name, size, progress)
        try:
            with session.change() as change:
                job.take(change, findings)
        except FileUnreadable as error:
            job.forget()
            raise BagRefused(why=str(error.facts.get("why", error))) from None
        except BaseException:
            job.forget()
            raise
    return job.done


def _opened(path: Path, stack: ExitStack) -> tuple[BinaryIO, str, int]:
    """(stream, media type, size) of a folder or a zip file. Raises NotABag, LinkInFolder, FolderTooLarge."""
    if path.is_dir():
        folder = stack.enter_context(FolderStream(path))
        return cast("BinaryIO", folder), "application/x-bagit+folder", folder.seek(0, 2)
    try:
        stream = stack.enter_context(path.open("rb"))
        head = stream.read(4)
    except OSError:
        raise NotABag(path=str(path)) from None
    if head[:2] != b"PK":
        raise NotABag(path=str(path))
    return stream, "application/x-bagit+zip", stream.seek(0, 2)


class _Import:
    """Takes the findings of the bag's reader: seals its files, keeps what it says, verifies what is signed."""

    def __init__(
        self, session: Session, how: room.Origin, source: str, name: str, size: int, progress: Progress | None
    ) -> None:
        self._session, self._how, self._name, self._size, self._progress = session, how, name, size, progress
        self.done = Imported(source)
        self._items: dict[str, Item] = {}
        self._sealed: list[str] = []
        self._kinds: Counter[tuple[str, str]] = Counter()
        self._kept: list[Fact] = []
        self._bag: dict[str, Any] = {}

    def take(self, change: Change, findings: Iterator[Finding]) -> None:
        """All of the bag, into a change that is open. Raises as ``import_bag``."""
        first = next(findings)
        if not (isinstance(first, Facts) and first.kind == "bag"):
            raise BagRefused(why=_("it was not read in order"))
        self._bag = first.data
        self._begin(change)
        for finding in findings:
            match finding:
                case Member():
                    self._seal(change, finding, findings)
                case Facts():
                    self._keep(finding)
                case Warn():
                    self.done.warnings.append(finding.sentence)
                case _:
                    raise AssertionError
        self.done.version = str(self._bag.get("version", ""))
        checked = self._verified()
        self._write(change, checked)

    def _begin(self, change: Change) -> None:
        """How the bag came, before its items: what is written before an item is how it came (record.testimony)."""
        how = self._how
        if not self.done.source:
            self.done.source = new_source(change, how)
        info = {str(name).lower(): str(value) for name, value in self._bag.get("info", [])}
        from_whom = how.from_whom or info.get("source-organization", "")
        row = Acquisition(
            self.done.source, from_whom, how.how or _("import of a bag"), how.collector, how.device,
            how.authority, "", now_ms(),
        )  # fmt: skip
        change.put("testimony", Acquisition.TYPE, [row.to_row()])

    def forget(self) -> None:
        """Overwrite what was sealed of a bag that is not taken in."""
        for blob in self._sealed:
            with suppress(BlobMissing, BlobDamaged):
                self._session.blobs().erase(blob)

    def _seal(self, change: Change, member: Member, findings: Iterator[Finding]) -> None:
        stream = Inside(findings)
        sealed = self._session.blobs().seal_file(stream)
        self._sealed.append(sealed.blob)
        if stream.problem:
            raise BagRefused(why=stream.problem)
        item = room.put_item(change, self.done.source, sealed, name=member.name, path=member.path)
        self._items[member.path] = item
        self.done.items, self.done.bytes = self.done.items + 1, self.done.bytes + item.size
        self.done.first, self.done.last = self.done.first or item.handle, item.handle
        if self._progress:
            self._progress(self.done.bytes, self._size)

    def _keep(self, facts: Facts) -> None:
        """What the bag's own metadata say of one of its files."""
        item = self._items.get(str(facts.data.get("path", "")))
        if item is None or len(self._kept) >= _MOST_FACTS or facts.kind not in ("ro-crate", "case"):
            return
        self._kinds[item.handle, facts.kind] += 1
        number = self._kinds[item.handle, facts.kind]
        self._kept.append(Fact(item.handle, facts.kind, _READER, json.dumps(facts.data, ensure_ascii=False), number))
        self.done.facts[facts.kind] = self.done.facts.get(facts.kind, 0) + 1

    def _verified(self) -> Checked | None:
        """The signed custody of another Amparo, verified; None where the bag has none. Raises what is wrong with it."""
        there = [self._items.get(path) for path in (disclosure.LEDGER, disclosure.STATEMENT)]
        if not any(there):
            if any(path.startswith("verify/amparo_verify_bag") for path in self._items):
                self.done.warnings.append(
                    _("It looks like an Amparo export whose signed custody was taken out: nothing in it is proven.")
                )
            return None
        ledger, statement = there
        if (
            ledger is None
            or statement is None
            or any(self._items[path].size > most for path, most in disclosure.LIMITS.items())
        ):
            raise disclosure.DisclosureBad(why="one of its two files is missing or too large")
        files = {path: item.sha256 for path, item in self._items.items()}
        return disclosure.read(self._bytes(ledger), self._bytes(statement), files)

    def _bytes(self, item: Item) -> bytes:
        with room.read_quietly(self._session, item) as stream:
            return stream.read()

    def _write(self, change: Change, checked: Checked | None) -> None:
        how, done, number = self._how, self.done, str(self._session.number)
        now = now_ms()
        theirs = self._theirs(checked)
        bag = Fact(done.first, "bag", _READER, json.dumps({"name": self._name, **self._bag}, ensure_ascii=False))
        room.put_parts(
            change, [bag, *sorted((*self._kept, *_provenance(theirs, checked)), key=lambda one: (one.item, one.kind))]
        )
        for path, item in self._items.items():
            words = [_("in a bag of {n} files").format(n=done.items)]  # custody leaves; names of files stay
            if checked is not None and path in theirs:
                words.append(
                    _("{handle} of the workspace {number}, whose signatures hold").format(
                        handle=theirs[path][1], number=checked.statement.workspace.hex()
                    )
                )
            event = Custody(item.handle, now, number, "received", how.collector, how.how, how.authority, "; ".join(words))
            change.put("testimony", Custody.TYPE, [event.to_row()])
        older = self._session.testimony.handles_of([item.sha256 for item in self._items.values()])
        done.duplicates = [(item.handle, older[item.sha256]) for item in self._items.values() if item.sha256 in older]
        if checked is not None:
            done.verified, done.opened, done.sealed = checked.statement.workspace.hex(), len(checked.rows), checked.sealed

    def _theirs(self, checked: Checked | None) -> dict[str, tuple[str, str]]:
        """Path in the bag -> (our handle, the handle it had there)."""
        if checked is None:
            return {}
        found = {}
        for handle, path, _sha256, _size in checked.statement.items:
            item = self._items.get(f"data/{path}")
            if item is not None:
                found[f"data/{path}"] = item.handle, handle
        return found


def _provenance(theirs: dict[str, tuple[str, str]], checked: Checked | None) -> Iterable[Fact]:
    """For each item of another Amparo: whose it was, and its custody there, as its signed rows say."""
    if checked is None:
        return
    told = checked.statement
    by_item: dict[str, list[list[Any]]] = {}
    for one in checked.rows:
        if one.type == Custody.TYPE:
            event = Custody.from_row(one.row)
            by_item.setdefault(event.item, []).append([
                event.when, event.device, event.action, event.actor, event.reason, event.authority, event.detail, one.place,
            ])  # fmt: skip
    for ours, handle in theirs.values():
        words = _("It is {handle} of the workspace {number}; its file and custody there are signed, and the signatures hold.")
        sentence = words.format(handle=handle, number=told.workspace.hex())
        data = {
            "scheme": "amparo", "state": "signatures hold", "sensitive": False, "sentences": [sentence],
            "workspace": told.workspace.hex(), "device": told.device.hex(), "exported": told.ms,
            "audience": told.audience, "item": handle, "custody": by_item.get(handle, []),
        }  # fmt: skip
        yield Fact(ours, "provenance", _READER, json.dumps(data, ensure_ascii=False))
