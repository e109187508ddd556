"""The evidence room's core: files in, sealed and hashed, each with its chain of custody; and what is made from them.

Invariants: an item is acknowledged by an entry only once its sealed file is durable. A file is added once: the same path with
the same size and time in the same source is passed over, so that an interrupted run is finished by running it again. Every
reading, copy and derivative writes its custody entry before a byte is handed out.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from amparo.app.naming import refuse_names
from amparo.app.session import Change, Session, check_stop, now_ms, stops_when_asked
from amparo.evidence import kinds
from amparo.kernel import ids
from amparo.kernel.errors import BadInput, NotFound
from amparo.kernel.i18n import N_, _
from amparo.record.items import Acquisition, Custody, Item
from amparo.record.model import BASES, Entity, Row
from amparo.vault.blob_format import BlobDamaged, BlobMissing, BlobReader
from amparo.vault.blob_stages import Readable, Sealed, SourceUnreadable
from amparo.vault.blobs import BlobStore

Progress = Callable[[int, int], None]
"""progress(bytes done, bytes found so far)."""

_FILES: Final = 5_000
_BYTES: Final = 4 << 30
"""Files and bytes committed together: what an interrupted run has to do again."""
_PART_ROWS: Final = 200
_PART_SIZE: Final = 4 << 20
"""Rows, and characters and bytes of them, in one part of the ledger (MAX_PART): a letter takes up to four bytes."""
_WORDS: Final = 10_000  # characters of one thing said in the custody


class NoSuchItem(NotFound):
    template = N_("There is no digital item {handle} in this workspace; `amparo evidence list` shows them.")


class NoSuchSource(NotFound):
    template = N_("There is no source {handle} in this workspace; leave --source out to begin a new one.")


class NothingThere(NotFound):
    template = N_("{path} is not there; nothing was added.")


class InsideWorkspace(BadInput):
    template = N_("{path} lies in the workspace itself; add files from elsewhere.")


class UnknownBasis(BadInput):
    template = N_("“{basis}” is no basis on which a source is used; choose one of: {choices}.")


class BasisStands(BadInput):
    template = N_(
        "The source {handle} rests on the consent of whoever gave it, and no other basis can take its place: what they allow "
        "or take back is recorded with `amparo consent`. Nothing was changed."
    )


class ReasonMissing(BadInput):
    template = N_("Say why (--reason): who later asks on what a source was used reads it.")


class WordsTooLong(BadInput):
    template = N_("The {field} has {n:,} characters; at most {most:,} find room in the custody. Nothing was changed.")


@dataclass(slots=True)
class Added:
    """What an ingest did. ``duplicates``: (new item, older item that is the same file); ``refused``: one sentence a file."""

    source: str
    items: int = 0
    bytes: int = 0
    unchanged: int = 0
    first: str = ""
    last: str = ""
    duplicates: list[tuple[str, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@dataclass(slots=True, frozen=True)
class Origin:
    """How files came, in the collector's words (record.items.Acquisition); ``basis`` one of BASES, ``type`` a source's type."""

    from_whom: str = ""
    how: str = ""
    collector: str = ""
    device: str = ""
    authority: str = ""
    basis: str = "unknown"
    type: str = "other material"


def check_words(words: Mapping[str, str]) -> None:
    """Refuse what would make tables and sheets of custody unreadable for others. Raises WordsTooLong."""
    for name, text in words.items():
        if len(text) > _WORDS:
            raise WordsTooLong(field=name, n=len(text), most=_WORDS)


def add(
    session: Session, paths: Iterable[Path], *, source: str = "", origin: Origin | None = None, progress: Progress | None = None
) -> Added:
    """Seal files and folders (never following links) as items of one source, new unless given.

    What cannot be read is told in ``refused`` and does not hold up the rest. Raises NoSuchSource, NothingThere,
    InsideWorkspace, UnknownBasis and what the disk raises; what was committed before stays.
    """
    how = origin or Origin()
    roots = [Path(path) for path in paths]
    check_added(session, roots, source, how)
    source = str(ids.parse(source)) if source else ""  # as it will be looked for: s-1 is S-0001
    added = Added(source)
    found = _Files(session, roots, source, added)
    with stops_when_asked():
        moved = _Counter(session, found, progress)
        with closing(session.blobs().seal_many(found, moved, found.unreadable)) as sealed:
            while batch := _together(sealed):
                _add_batch(session, batch, found, how, added)
    return added


def _together(sealed: Iterator[tuple[Path, Sealed]]) -> list[tuple[Path, Sealed]]:
    """The files that are committed next. They are gathered first: recording them while others are sealed is slower, since
    the threads of the sealing then wait for the interpreter at each step.
    """
    batch: list[tuple[Path, Sealed]] = []
    size = 0
    while len(batch) < _FILES and size < _BYTES and (one := next(sealed, None)):
        batch.append(one)
        size += one[1].size
    return batch


def check_added(session: Session, roots: list[Path], source: str, how: Origin) -> None:
    """Refuse what cannot be added. Raises NoSuchSource, UnknownBasis, WordsTooLong, NothingThere, InsideWorkspace."""
    if source:
        entity = session.record.entity(str(ids.parse(source)))
        if entity is None or entity.kind != "source":
            raise NoSuchSource(handle=source)
    check_words({"from whom": how.from_whom, "how": how.how, "collector": how.collector, "device": how.device,
                 "authority": how.authority})  # fmt: skip
    if how.basis not in BASES:
        raise UnknownBasis(basis=how.basis, choices=", ".join(BASES))
    inside = session.folder.resolve()
    for root in roots:
        if not root.exists():
            raise NothingThere(path=str(root))
        place = root.resolve()
        if place.is_relative_to(inside) or inside.is_relative_to(place):
            raise InsideWorkspace(path=str(root))


class _Files:
    """The regular files under some roots that the source does not hold yet; ``found`` and ``done`` count their bytes."""

    found = done = 0

    def __init__(self, session: Session, roots: list[Path], source: str, added: Added) -> None:
        places = dict.fromkeys(root.resolve() for root in roots)
        self._roots = [place for place in places if not any(other in place.parents for other in places)]
        self._added = added
        held = session.testimony.items(source) if source else ()
        self._shown: dict[Path, str] = {}
        self._known = {_mark(item.path, item.size, item.modified) for item in held}

    def __iter__(self) -> Iterator[Path]:
        """The paths; they are looked for some thousands at a time, so that ``found`` runs ahead of ``done``."""
        batch: dict[Path, str] = {}
        for path, shown, status in self._walk():
            check_stop()
            if _mark(shown, status.st_size, status.st_mtime_ns // 1_000_000) in self._known:
                self._added.unchanged += 1
                continue
            batch[path] = shown
            self.found += status.st_size
            if len(batch) == _FILES:
                self._shown.update(batch)
                yield from batch
                batch = {}
        self._shown.update(batch)
        yield from batch

    def shown(self, path: Path) -> str:
        """The path kept with the item, relative to the root it was found under; asked once for each path given out."""
        return self._shown.pop(path)

    def unreadable(self, error: SourceUnreadable) -> None:
        """Take note of a file given out that could not be read."""
        self._added.refused.append(str(error))

    def _walk(self) -> Iterator[tuple[Path, str, os.stat_result]]:
        for root in self._roots:
            folders = [root]
            while folders:
                here = folders.pop()
                try:
                    if not here.is_dir():
                        yield from self._look(here, _shown(here.name), folders)
                        continue
                    names = sorted(os.listdir(here))  # noqa: PTH208  a Path for each of many files costs more than reading it
                except OSError as error:
                    self._refuse(here, error.strerror or str(error))
                    continue
                deeper: list[Path] = []
                prefix = _shown(here.relative_to(root.parent).as_posix())
                for name in names:
                    yield from self._look(here / name, f"{prefix}/{_shown(name)}", deeper)
                folders += reversed(deeper)

    def _look(self, path: Path, shown: str, folders: list[Path]) -> Iterator[tuple[Path, str, os.stat_result]]:
        """Yield a file, add a folder to ``folders``, refuse what is neither."""
        try:
            status = os.lstat(path)
        except OSError as error:
            self._refuse(path, error.strerror or str(error))
            return
        if stat.S_ISREG(status.st_mode):
            yield path, shown, status
        elif stat.S_ISDIR(status.st_mode):
            folders.append(path)
        else:
            self._refuse(path, _("it is a link or a device, which is not followed"))

    def _refuse(self, path: Path, why: str) -> None:
        self._added.refused.append(_("{path}: {why}").format(path=_shown(path.as_posix()), why=why))


class _Counter:
    """Told of every few bytes done: keeps the session alive, looks whether to stop, moves the progress bar."""

    def __init__(self, session: Session, files: _Files, progress: Progress | None) -> None:
        self._session, self._files, self._progress = session, files, progress

    def __call__(self, bytes_done: int) -> None:
        check_stop()
        self._session.keep_alive()
        self._files.done += bytes_done
        if self._progress:
            self._progress(self._files.done, self._files.found)


def _shown(path: str) -> str:
    """A path as text; bytes that are no UTF-8 by their hexadecimal values."""
    return path if path.isascii() else os.fsencode(path).decode("utf-8", "backslashreplace")


def _mark(path: str, size: int, modified: int) -> bytes:
    return hashlib.blake2b(f"{path}\0{size}\0{modified}".encode(), digest_size=16).digest()


def _add_batch(session: Session, batch: list[tuple[Path, Sealed]], files: _Files, how: Origin, added: Added) -> None:
    started = now_ms()
    fresh: dict[bytes, list[str]] = {}
    with session.change() as change:
        if not added.source:
            added.source = new_source(change, how)
        if not added.items:
            row = Acquisition(added.source, how.from_whom, how.how, how.collector, how.device, how.authority, "", started)
            change.put("testimony", Acquisition.TYPE, [row.to_row()])
        for path, one in batch:
            shown = files.shown(path)
            item = put_item(change, added.source, one, name=shown.rpartition("/")[2], path=shown)
            fresh.setdefault(one.sha256, []).append(item.handle)
            added.first, added.last = added.first or item.handle, item.handle
            added.items, added.bytes = added.items + 1, added.bytes + one.size
        older = session.testimony.handles_of(fresh)
    for sha256, handles in fresh.items():
        first, *same = [older[sha256], *handles] if sha256 in older else handles
        added.duplicates += [(handle, first) for handle in same]


def new_source(change: Change, how: Origin) -> str:
    """Begin a source for items that came as ``how`` says; its handle."""
    handle = change.allocate("source")
    change.put("record", Entity.TYPE, [Entity(handle, "source", type=how.type, basis=how.basis).to_row()])
    return handle


def set_basis(session: Session, source: str, basis: str, reason: str) -> Entity:
    """Record anew on what a source may be used; the earlier word stays in its history. The entry of the access comes first.

    What ever rested on consent goes on doing so: a withdrawal must not be got round. Raises BadHandle, NoSuchSource,
    UnknownBasis, WordsTooLong, ReasonMissing, NameInWords, BasisStands.
    """
    if basis not in BASES:
        raise UnknownBasis(basis=basis, choices=", ".join(BASES))
    handle = str(ids.parse(source))
    entity = session.record.entity(handle)
    if entity is None or entity.kind != "source":
        raise NoSuchSource(handle=handle)
    if not reason.strip():
        raise ReasonMissing
    check_words({"reason": reason})
    refuse_names(session, {_("reason"): reason})
    given = any(one.source == handle for one in session.record.consents())
    if basis != "consent" and (given or any(one.basis == "consent" for one in session.record.entity_history(handle))):
        raise BasisStands(handle=handle)
    session.note_access(f"basis: {basis}", handle, reason)
    fresh = replace(entity, basis=basis)
    with session.change() as change:
        change.put("record", Entity.TYPE, [fresh.to_row()])
    return fresh


def put_item(
    change: Change, source: str, sealed: Sealed, *, name: str, path: str = "", media_type: str = "", parent: str = "",
    relation: str = "", modified: int = 0,
) -> Item:  # fmt: skip
    """Add the item of a sealed file to a change, in a part of its own, so that it can be erased alone."""
    item = Item(
        change.allocate("item"), source, sealed.sha256, sealed.blake3, sealed.size, sealed.blob, sealed.key, name, path,
        media_type or kinds.media_type(sealed.head, name), modified or sealed.modified, parent, relation, now_ms(),
    )  # fmt: skip
    change.put("testimony", Item.TYPE, [item.to_row()])
    return item


# -- items that are there ---------------------------------------------------------------------------------------------------


def get(session: Session, handle: str) -> Item:
    """One item by its handle. Raises BadHandle, NoSuchItem."""
    wanted = str(ids.parse(handle))
    item = session.testimony.item(wanted)
    if item is None:
        raise NoSuchItem(handle=wanted)
    return item


def with_derived(session: Session, item: Item) -> list[Item]:
    """The item and all that came out of it, each once."""
    found, fresh = {item.handle: item}, [item]
    while fresh:
        fresh = [child for one in fresh for child in session.testimony.children(one.handle) if child.handle not in found]
        found.update((child.handle, child) for child in fresh)
    return list(found.values())


def note(
    session: Session, handles: Iterable[str], action: str, *, actor: str = "", reason: str = "", authority: str = "",
    detail: str = "",
) -> None:  # fmt: skip
    """Write one event into the custody of each item, in one change that does not count towards a dossier's date."""
    check_words({"actor": actor, "reason": reason, "authority": authority})
    with session.change(access=True) as change:
        for handle in handles:
            _custody(change, session, handle, action, actor, reason, authority, detail)


def _custody(
    change: Change, session: Session, item: str, action: str, actor: str, reason: str, authority: str, detail: str
) -> None:
    row = Custody(item, now_ms(), str(session.number), action, actor, reason, authority, detail)
    change.put("testimony", Custody.TYPE, [row.to_row()])


def open_item(session: Session, item: Item, *, action: str = "viewed", reason: str = "", actor: str = "") -> BlobReader:
    """The item's bytes as a seekable stream. The custody entry is written first. Raises what BlobStore.open raises."""
    stream = read_quietly(session, item)
    try:
        note(session, [item.handle], action, actor=actor, reason=reason)
    except BaseException:
        stream.close()
        raise
    return stream


def read_quietly(session: Session, item: Item) -> BlobReader:
    """The item's bytes for the program's own work, whose caller writes one custody entry for all of it.

    They come from the cold store where the file was moved to one. Raises what BlobStore.open and the cold store raise.
    """
    where = item.blob, item.key, item.size, item.sha256
    try:
        return session.blobs().open(*where)
    except BlobMissing:
        from amparo.app.evidence_cold import reading_store  # what speaks to servers is loaded where a file is not here

        return reading_store(session).open(*where)


def derive(
    session: Session, parent: Item, stream: Readable, *, name: str, relation: str, media_type: str = "", reason: str = "",
    actor: str = "", detail: str = "",
) -> Item:  # fmt: skip
    """Seal what was made from an item (a redacted copy, a transcript, a still) as an item of its own, with custody on both."""
    check_words({"actor": actor, "reason": reason})
    sealed = session.blobs().seal_file(stream)
    with session.change() as change:
        item = put_item(
            change, parent.source, sealed, name=name, media_type=media_type, parent=parent.handle, relation=relation
        )
        made = _("{relation} {handle}").format(relation=relation, handle=item.handle)
        _custody(change, session, parent.handle, "derived", actor, reason, "", "; ".join(filter(None, (made, detail))))
    return item


def put_rows(session: Session, rows: Iterable[Row]) -> None:
    """Write rows of record.items in one change; neighbours of one type about one item share a part."""
    with session.change() as change:
        put_parts(change, rows)


def put_parts(change: Change, rows: Iterable[Row]) -> None:
    """As ``put_rows``, into a change that is open; a part ends at _PART_ROWS rows or _PART_SIZE characters of them.

    Raises PartTooLarge for a single row that no part holds.
    """
    held: list[list[Any]] = []
    size = 0
    last: tuple[str, Any] = ("", None)
    for row in rows:
        packed = row.to_row()
        more = sum(len(value) for value in packed if isinstance(value, (str, bytes)))
        if held and (last != (row.TYPE, packed[0]) or len(held) == _PART_ROWS or size + more > _PART_SIZE):
            change.put("testimony", last[0], held)
            held, size = [], 0
        last = (row.TYPE, packed[0])
        held.append(packed)
        size += more
    if held:
        change.put("testimony", last[0], held)


def erase_files(session: Session, items: Iterable[Item]) -> None:
    """Overwrite sealed files, each once it has opened with its own key: a false address must not destroy another file."""
    store = session.blobs()
    store.erase_all(item.blob for item in items if _opens(store, item))


def _opens(store: BlobStore, item: Item) -> bool:
    with suppress(BlobMissing, BlobDamaged):  # its key is shredded already: what is left of it cannot be read
        store.open(item.blob, item.key, item.size, item.sha256).close()
        return True
    return False
