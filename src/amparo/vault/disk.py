"""Durable file operations: what returns from ``fsync``, ``fsync_dir``, ``atomic_write`` or ``shred`` survives a power cut.

Every change of a file or folder goes through one of the few methods marked *primitive*; tests/faulty_disk.py overrides
those and cuts the power at any of them. The data itself is the caller's business: nothing here seals it.
"""

import errno
import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from amparo.kernel.errors import DiskRefused
from amparo.kernel.i18n import N_

if sys.platform != "win32":
    import fcntl

_PIECE: Final = 1 << 20  # bytes overwritten at a time by ``shred``
_BINARY: Final = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_DIRECT: Final = getattr(os, "O_DIRECT", 0)
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_RIGHT: Final = (errno.EROFS, errno.EACCES, errno.EPERM)


class DiskFull(DiskRefused):
    template = N_("There is no room left on the disk for {name}; free some space, then do the same again: nothing was lost.")


class DiskReadOnly(DiskRefused):
    template = N_("{name} cannot be written: the disk or the folder is read-only; make it writable, then do the same again.")


class DiskFailed(DiskRefused):
    template = N_("The disk failed at {name} ({why}); check the disk and its cable, and copy the workspace before going on.")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn an OSError into DiskFull, DiskReadOnly or DiskFailed naming the file; a file that is not there stays as it is."""
    try:
        yield
    except (FileNotFoundError, FileExistsError):
        raise
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise DiskFull(name=path.name) from None
        if error.errno in _NO_RIGHT:
            raise DiskReadOnly(name=path.name) from None
        raise DiskFailed(name=path.name, why=error.strerror or str(error)) from None


class Writer:
    """Writes one new file from start to end, past the page cache (O_DIRECT) where file system and buffer allow it.

    It is locked until it is closed, so that ``Disk.remove_abandoned`` leaves it alone, whichever process asks.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._direct = bool(_DIRECT)
        with translated(path):
            self._fd = self._create()
            while not _locked(self._fd):  # it was cleared away between two calls: as if it had not been made
                os.close(self._fd)
                path.unlink(missing_ok=True)
                self._fd = self._create()

    def _create(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY
        if self._direct:
            try:
                return os.open(self._path, flags | _DIRECT, 0o600)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
            self._path.unlink(missing_ok=True)  # some file systems refuse O_DIRECT only after creating the file
            self._direct = False
        return os.open(self._path, flags, 0o600)

    def write(self, data: memoryview) -> None:
        """Write all of ``data``; direct while it is page-aligned (``aligned_buffer``) and a multiple of 4096 bytes long."""
        done = 0
        with translated(self._path):
            while done < len(data):
                if self._direct and (len(data) - done) % mmap.PAGESIZE:
                    self._buffered()
                try:
                    done += os.write(self._fd, data[done:])
                except OSError as error:
                    if error.errno != errno.EINVAL or not self._direct:
                        raise
                    self._buffered()

    def sync(self) -> None:
        """Return when all of it is on the disk."""
        with translated(self._path):
            _sync(self._fd)

    def close(self) -> None:
        """Close, without syncing."""
        os.close(self._fd)

    def _buffered(self) -> None:
        self._direct = False
        if sys.platform != "win32":
            fcntl.fcntl(self._fd, fcntl.F_SETFL, fcntl.fcntl(self._fd, fcntl.F_GETFL) & ~_DIRECT)


def aligned_buffer(size: int) -> memoryview:
    """Return ``size`` bytes of page-aligned memory, as O_DIRECT wants it; touched pages only count as used."""
    return memoryview(mmap.mmap(-1, size))


class Disk:
    """The file operations of blobs and ledger; all raise DiskFull, DiskReadOnly, DiskFailed, or FileNotFoundError."""

    # -- reading ------------------------------------------------------------------------------------------------------

    def read(self, path: Path, offset: int = 0, length: int | None = None) -> bytes:
        """Return up to ``length`` bytes (None: to the end) from ``offset``; fewer where the file ends before."""
        with translated(path), path.open("rb") as file:
            file.seek(offset)
            return file.read() if length is None else file.read(length)

    def size(self, path: Path) -> int:
        """Bytes in the file; 0 if there is none."""
        try:
            with translated(path):
                return path.stat().st_size
        except FileNotFoundError:
            return 0

    # -- primitives: every change passes here -------------------------------------------------------------------------

    def write_at(self, path: Path, offset: int, data: bytes) -> None:
        """Write ``data`` at ``offset`` of the file, made if it is not there; never through a link. Primitive; not synced."""
        with translated(path):
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | _BINARY, 0o600)
            try:
                os.lseek(fd, offset, os.SEEK_SET)
                _write_all(fd, data)
            finally:
                os.close(fd)

    def truncate(self, path: Path, size: int) -> None:
        """Cut (or lengthen with zeros) the file to ``size`` bytes. Primitive; not synced."""
        with translated(path):
            os.truncate(path, size)

    def fsync(self, path: Path) -> None:
        """Return when the file's content is on the disk. Primitive."""
        with translated(path):
            fd = os.open(path, os.O_RDWR | _BINARY)
            try:
                _sync(fd)
            finally:
                os.close(fd)

    def fsync_dir(self, folder: Path) -> None:
        """Return when the folder's names (made, renamed, removed) are on the disk; Windows does so unasked. Primitive."""
        if os.name == "nt":
            return
        with translated(folder):
            fd = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _BINARY)
            try:
                _sync(fd)
            finally:
                os.close(fd)

    def rename(self, source: Path, target: Path) -> None:
        """Rename within one file system, over ``target`` if it is there. Primitive; not synced."""
        with translated(target):
            source.replace(target)

    def unlink(self, path: Path) -> None:
        """Remove the file's name, if it is there. Primitive; not synced."""
        with translated(path):
            path.unlink(missing_ok=True)

    def mkdir(self, folder: Path) -> None:
        """Make a folder only its owner enters, its parents too; durable on return. Primitive."""
        if folder.is_dir():
            return
        self.mkdir(folder.parent)
        with translated(folder):
            folder.mkdir(mode=0o700, exist_ok=True)
            Disk.fsync_dir(self, folder.parent)

    def remove_abandoned(self, path: Path) -> None:
        """Remove a file that a ``writer`` made, unless one that lives is still writing it."""
        if sys.platform == "win32":  # there an open file cannot be removed
            with suppress(DiskReadOnly, FileNotFoundError):
                self.unlink(path)
            return
        with suppress(FileNotFoundError), translated(path):
            descriptor = os.open(path, os.O_RDONLY | _BINARY)
            try:
                if _locked(descriptor):
                    self.unlink(path)
            finally:
                os.close(descriptor)

    def writer(self, path: Path) -> Writer:
        """Create ``path`` for writing a long file from start to end. Each call of its ``write`` and ``sync`` is primitive."""
        return Writer(path)

    # -- compositions -------------------------------------------------------------------------------------------------

    def append(self, path: Path, data: bytes) -> int:
        """Write ``data`` at the file's end and return the offset where it begins. Not synced."""
        offset = self.size(path)
        self.write_at(path, offset, data)
        return offset

    def atomic_write(self, path: Path, data: bytes) -> None:
        """Replace the file's content: after a power cut it holds the old bytes or the new ones. Durable on return."""
        temporary = path.with_name(f".{path.name}.tmp")
        self.unlink(temporary)
        try:
            self.write_at(temporary, 0, data)
            self.fsync(temporary)
            self.rename(temporary, path)
        except (DiskRefused, OSError):
            with suppress(DiskRefused, OSError):
                self.unlink(temporary)
            raise
        self.fsync_dir(path.parent)

    def shred(self, path: Path) -> None:
        """Overwrite the file with random bytes, sync, remove; nothing if it is not there. Durable on return.

        Flash memory, snapshots and copy-on-write file systems may keep the old bytes: so shred keys, not only data.
        """
        if not path.exists():
            return
        size = self.size(path)
        for offset in range(0, size, _PIECE):
            self.write_at(path, offset, os.urandom(min(_PIECE, size - offset)))
        self.fsync(path)
        self.unlink(path)
        self.fsync_dir(path.parent)


def _locked(fd: int) -> bool:
    """Lock an open file for this descriptor; False if another has it or the file has gone. True where nothing can be locked."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return os.fstat(fd).st_nlink > 0


def _sync(fd: int) -> None:
    """fsync; on macOS the stronger call, since plain fsync leaves the bytes in the drive's own cache there."""
    if sys.platform == "darwin":
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fsync(fd)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
