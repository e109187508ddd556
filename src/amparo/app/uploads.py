"""Files on their way in from a browser: sealed as they come, on no record until they are accepted.

Invariants: no plain byte of an upload reaches the disk, and memory stays flat for files of any size. An upload that was cut
goes on where it stopped, as long as this process lives; what is not accepted when the process ends is random noise, whose
keys nobody has, and the next process removes it. Files are accepted together, in one change, or not at all.

    uploads/<random>/    one process's sealed files, held by its lock
"""

import queue
import secrets
import shutil
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import filelock

from amparo.app import drafts, evidence
from amparo.app.drafts import Attached
from amparo.app.session import Session, now_ms
from amparo.kernel.errors import AmparoError, BadInput, Busy, DiskRefused, NotFound
from amparo.kernel.i18n import N_
from amparo.kernel.ids import parse
from amparo.kernel.text import printable_json
from amparo.record.items import Acquisition
from amparo.vault.blob_stages import Sealed
from amparo.vault.blobs import BlobStore
from amparo.vault.disk import Disk, translated

_AHEAD: Final = 2  # pieces that wait for the sealer
_AT_ONCE: Final = 3  # files that are being sealed: each takes some 45 MB of memory
_WAITING: Final = 2_000  # files that wait to be accepted
_FORGOTTEN: Final = 3600.0  # seconds after which an upload that nobody goes on with is thrown away
_RESERVE: Final = 256 << 20  # bytes of the disk that uploads leave free, for the ledger
_LOOK: Final = 64 << 20  # bytes between two looks at the room that is left
_NAME: Final = 255


class NoSuchUpload(NotFound):
    template = N_("This upload was forgotten (the workspace was locked since, or it stood still for an hour); begin it again.")


class UploadElsewhere(Busy):
    template = N_("Of this file {received:,} bytes have arrived; the piece that came does not begin there.")


class UploadBusy(Busy):
    template = N_("{most} files are arriving already; wait until one of them is in.")


class UploadsFull(Busy):
    template = N_("{most:,} files wait to be taken into the record; accept or throw away these first.")


class UploadShort(BadInput):
    template = N_("{received:,} bytes of this file arrived where {size:,} were announced; nothing was kept. Send it again.")


class NoRoom(DiskRefused):
    template = N_("The disk is almost full, so the file was not kept; free some space, then send it again.")


class UploadBroken(AmparoError):
    template = N_("The file could not be sealed ({why}); nothing of it was kept. Send it again.")


class NothingSent(BadInput):
    template = N_("No file arrived; choose at least one. Nothing was changed.")


def plain_name(name: str) -> str:
    """The last part of a name as it came; what would steer a reader's eye or terminal is written as an escape."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = printable_json(last).replace("\n", "\\u000a").replace("\t", "\\u0009").strip()
    if len(shown) > _NAME:
        stem, dot, suffix = shown.rpartition(".")
        shown = f"{stem[: _NAME - 20]}…{dot}{suffix[-18:]}" if stem else shown[:_NAME]
    return shown if shown.strip(". ") else "-"


class _Feed:
    """A stream that a thread reads while another one fills it."""

    def __init__(self) -> None:
        self._pieces: queue.Queue[bytes | None] = queue.Queue(_AHEAD)
        self._rest = memoryview(b"")
        self._ended = False
        self.broken = False

    def readinto(self, buffer: memoryview, /) -> int:
        while not self._rest and not self._ended:
            piece = self._pieces.get()
            if self.broken:
                raise OSError("cut short")
            self._ended = piece is None
            self._rest = memoryview(piece or b"")
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def put(self, piece: bytes | None, alive: threading.Thread) -> None:
        """Wait until there is room; give up when the reader is gone."""
        while alive.is_alive():
            try:
                self._pieces.put(piece, timeout=0.5)
            except queue.Full:
                continue
            return

    def break_off(self) -> None:
        self.broken = True
        with suppress(queue.Empty):
            while True:
                self._pieces.get_nowait()
        self._pieces.put(None)


class Upload:
    """One file: ``received`` bytes of it, of ``size`` announced (-1: unknown); ``sealed`` once all of it is in."""

    def __init__(self, store: BlobStore, folder: Path, name: str, size: int = -1, modified: int = 0) -> None:
        self.id = secrets.token_urlsafe(12)
        self.name, self.size, self.modified = plain_name(name), size, modified
        self.received = 0
        self.sealed: Sealed | None = None
        self.store = store
        self.touched = time.monotonic()
        self._folder, self._error = folder, None  # type: tuple[Path, BaseException | None]
        self._feed = _Feed()
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._seal, name="amparo-upload", daemon=True)
        self._thread.start()

    @property
    def sealing(self) -> bool:
        return self._thread.is_alive()

    def _seal(self) -> None:
        try:
            sealed = self.store.seal_file(self._feed)
        except BaseException as error:  # noqa: BLE001  raised again where the bytes come from
            self._error = error
        else:
            self.sealed = replace(sealed, modified=self.modified)

    def feed(self, piece: bytes, offset: int | None = None) -> None:
        """Take the next bytes, waiting while the sealer is behind. Raises UploadElsewhere, NoRoom, and what sealing raised."""
        with self._turn:
            if (offset is not None and offset != self.received) or self.sealed is not None:
                raise UploadElsewhere(received=self.received)
            if 0 <= self.size < self.received + len(piece):
                raise UploadShort(received=self.received + len(piece), size=self.size)
            if self.received // _LOOK != (self.received + len(piece)) // _LOOK or not self.received:
                self._look()
            self._feed.put(piece, self._thread)
            self._raise()
            self.received += len(piece)
            self.touched = time.monotonic()

    def _look(self) -> None:
        with translated(self._folder):
            free = shutil.disk_usage(self._folder).free
        if free < _RESERVE + _LOOK:
            raise NoRoom

    def finish(self) -> Sealed:
        """All of it is in: durable on return. Raises UploadShort, and what sealing raised."""
        with self._turn:
            if self.sealed is None:
                if self.size not in (-1, self.received):
                    raise UploadShort(received=self.received, size=self.size)
                self._feed.put(None, self._thread)
                self._thread.join()
                self._raise()
            assert self.sealed is not None
            return self.sealed

    def _raise(self) -> None:
        if isinstance(self._error, AmparoError):
            raise self._error
        if self._error is not None or (not self._thread.is_alive() and self.sealed is None):
            raise UploadBroken(why=type(self._error).__name__)

    def close(self) -> None:
        """Throw it away, unless it was handed over to a record or a draft."""
        if self._thread.is_alive():
            self._feed.break_off()
            self._thread.join()
        if self.sealed is not None:
            self.store.erase(self.sealed.blob)

    def status(self) -> dict[str, Any]:
        return {"id": self.id, "received": self.received, "size": self.size, "done": self.sealed is not None}


class Uploads:
    """What arrives in this process. Not for two event loops."""

    def __init__(self, folder: Path) -> None:
        """``folder`` of the workspace. Removes what processes that ended left behind."""
        self._root = folder / "uploads"
        self._place: Path | None = None
        self._lock: filelock.BaseFileLock | None = None
        self._uploads: dict[str, Upload] = {}
        self.told: dict[str, evidence.Added] = {}
        with suppress(OSError):  # a disk that cannot be written holds no uploads
            self._sweep()

    def _sweep(self) -> None:
        if not self._root.is_dir():
            return
        with filelock.FileLock(self._root / "lock", timeout=0):
            for place in self._root.iterdir():
                lock = filelock.FileLock(place / "lock", timeout=0)
                if place.is_dir() and not place.is_symlink():
                    with suppress(filelock.Timeout), lock:
                        shutil.rmtree(place)

    def begin(self, session: Session, name: str, size: int = -1, modified: int = 0) -> Upload:
        """A new file. Raises UploadBusy, UploadsFull, DiskRefused, CompartmentLocked."""
        self._forget()
        if sum(one.sealing for one in self._uploads.values()) >= _AT_ONCE:
            raise UploadBusy(most=_AT_ONCE)
        if len(self._uploads) >= _WAITING:
            raise UploadsFull(most=_WAITING)
        place = self._own_place()
        upload = Upload(BlobStore(place, session.key("testimony").blob_id_key, Disk()), place, name, size, modified)
        self._uploads[upload.id] = upload
        return upload

    def _own_place(self) -> Path:
        if self._place is None:
            place = self._root / secrets.token_hex(8)
            Disk().mkdir(self._root)
            with translated(self._root), filelock.FileLock(self._root / "lock", timeout=10):
                Disk().mkdir(place)
                self._lock = filelock.FileLock(place / "lock", timeout=0, thread_local=False)
                self._lock.acquire()
            self._place = place
        return self._place

    def _forget(self) -> None:
        now = time.monotonic()
        for upload in [one for one in self._uploads.values() if now - one.touched > _FORGOTTEN]:
            self.drop(upload.id)

    def get(self, id: str) -> Upload:
        """Raises NoSuchUpload."""
        if id not in self._uploads:
            raise NoSuchUpload
        return self._uploads[id]

    def drop(self, id: str) -> None:
        """Throw an upload away. Raises NoSuchUpload."""
        upload = self.get(id)
        del self._uploads[id]
        upload.close()

    def accept(self, session: Session, ids: Iterable[str], source: str, origin: evidence.Origin) -> evidence.Added:
        """Take files into the record as items of one source (new if ""), in one change; they are uploads no more.

        Raises NothingSent, NoSuchUpload, UploadShort, NoSuchSource, UnknownBasis, WordsTooLong.
        """
        files = self._finished(ids)
        evidence.check_added(session, [], source, origin)
        source = str(parse(source)) if source else ""
        added = evidence.Added(source)
        fresh: dict[bytes, list[str]] = {}
        with session.change() as change:
            if not source:
                added.source = evidence.new_source(change, origin)
            row = Acquisition(added.source, origin.from_whom, origin.how, origin.collector, origin.device, origin.authority, "",
                              now_ms())  # fmt: skip
            change.put("testimony", Acquisition.TYPE, [row.to_row()])
            for upload, one in files.items():
                drafts.move(session, one.sealed, upload.store, session.blobs())
                item = evidence.put_item(change, added.source, one.sealed, name=one.name, path=one.name, modified=one.modified)
                fresh.setdefault(one.sealed.sha256, []).append(item.handle)
                added.first, added.last = added.first or item.handle, item.handle
                added.items, added.bytes = added.items + 1, added.bytes + one.sealed.size
            older = session.testimony.handles_of(fresh)
        for sha256, handles in fresh.items():
            first, *same = [older[sha256], *handles] if sha256 in older else handles
            added.duplicates += [(handle, first) for handle in same]
        self._let_go(files)
        return added

    def attach(self, session: Session, ids: Iterable[str], draft: str) -> None:
        """Make recordings of a draft of them. Raises NothingSent, NoSuchUpload, UploadShort, NoSuchDraft."""
        files = self._finished(ids)
        for upload, one in files.items():
            drafts.attach(session, draft, one, upload.store)
            self._let_go({upload: one})

    def _finished(self, ids: Iterable[str]) -> dict[Upload, Attached]:
        uploads = [self.get(id) for id in dict.fromkeys(ids)]
        if not uploads:
            raise NothingSent
        return {upload: Attached(upload.name, upload.finish(), upload.modified) for upload in uploads}

    def _let_go(self, files: Mapping[Upload, Attached]) -> None:
        for upload in files:
            self._uploads.pop(upload.id, None)
