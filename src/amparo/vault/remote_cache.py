"""Reading a file that lies in a cold store, and the ciphertext kept of it for the next time.

Invariants: the cache holds sealed bytes only, at most ``limit`` of them, the longest unused going first. It is never synced: an
entry torn by a power cut has a wrong checksum and is fetched again. What a reader hands out has opened with the item's key.
"""

import hashlib
import io
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from amparo.kernel.errors import DiskRefused
from amparo.vault.blob_format import TAG, BlobDamaged, BlobErased, BlobReader, sealed_size
from amparo.vault.disk import Disk
from amparo.vault.remote import RemoteAltered
from amparo.vault.replica import Replica

_SUM: Final = 16
_ENTRY: Final = re.compile(r"[0-9a-f]{64}-[0-9]{1,20}-[0-9]{1,10}", re.ASCII)


class Cache:
    """Ranges of sealed files in a folder, each an entry named <address>-<offset>-<length>."""

    def __init__(self, folder: Path, limit: int, disk: Disk | None = None) -> None:
        self._folder, self._limit, self._disk = folder, limit, disk or Disk()

    def get(self, name: str, offset: int, length: int) -> bytes | None:
        """The bytes of a range, None if they are not here; using an entry makes it the youngest."""
        path = self._path(name, offset, length)
        try:
            data = self._disk.read(path)
        except (FileNotFoundError, DiskRefused):
            return None
        if len(data) != length + _SUM or _sum(data[:-_SUM]) != data[-_SUM:]:
            self.forget(name, offset, length)
            return None
        with suppress(OSError):
            os.utime(path)
        return data[:-_SUM]

    def put(self, name: str, offset: int, data: bytes) -> None:
        """Keep a range, if it fits; a disk that refuses is no reason not to read."""
        size = len(data) + _SUM
        if size > self._limit:
            return
        path = self._path(name, offset, len(data))
        draft = path.with_name(f"tmp-{os.urandom(8).hex()}")
        try:
            self._disk.mkdir(self._folder)
            self._make_room(size)
            self._disk.write_at(draft, 0, data + _sum(data))
            self._disk.rename(draft, path)
        except DiskRefused:
            with suppress(DiskRefused):
                self._disk.unlink(draft)

    def forget(self, name: str, offset: int, length: int) -> None:
        """Drop a range that turned out not to be what was sealed."""
        with suppress(DiskRefused):
            self._disk.unlink(self._path(name, offset, length))

    def clear(self) -> None:
        """Drop everything."""
        self._make_room(self._limit + 1)

    def size(self) -> int:
        """Bytes of all entries."""
        return sum(size for _, size, _ in self._entries())

    def _make_room(self, wanted: int) -> None:
        entries = sorted(self._entries())
        used = sum(size for _, size, _ in entries)
        for _, size, path in entries:
            if used + wanted <= self._limit:
                return
            self._disk.unlink(path)
            used -= size

    def _entries(self) -> list[tuple[int, int, Path]]:
        """(when last used, bytes, path) of all that lies there, drafts of a run that was cut off included."""
        found = []
        with suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                if _ENTRY.fullmatch(entry.name) or entry.name.startswith("tmp-"):
                    with suppress(FileNotFoundError):
                        status = entry.stat()
                        found.append((status.st_mtime_ns, status.st_size, Path(entry.path)))
        return found

    def _path(self, name: str, offset: int, length: int) -> Path:
        return self._folder / f"{name.rpartition('/')[2]}-{offset}-{length}"


def _sum(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_SUM).digest()


class _RemoteFile:
    """What BlobReader asks of a file: every range it reads is one chunk, or one small file."""

    def __init__(self, replica: Replica, cache: Cache, name: str) -> None:
        self._replica, self._cache, self._name = replica, cache, name
        self._position = 0
        self._last = (0, 0)

    def seek(self, position: int) -> None:
        self._position = position

    def read(self, length: int) -> bytes:
        self._last = (self._position, length)
        data = self._cache.get(self._name, self._position, length)
        if data is None:
            data = self._replica.read(self._name, self._position, length)
            self._cache.put(self._name, self._position, data)
        return data

    def forget(self) -> None:
        self._cache.forget(self._name, *self._last)

    def close(self) -> None:
        """Nothing is held open."""


class ColdReader(BlobReader):
    """A BlobReader over a cold store; fetches a chunk when it is asked for. Raises also what the store raises."""

    def __init__(
        self, replica: Replica, cache: Cache, name: str, blob: str, key: bytes, size: int, sha256: bytes, packed_at: int | None
    ) -> None:  # fmt: skip
        """Asks the store for nothing yet."""
        io.RawIOBase.__init__(self)  # BlobReader's own beginning looks for a file here
        self._blob, self._size, self._sha256 = blob, size, sha256
        self._packed, self._offset = packed_at is not None, packed_at or 0
        self._sealed = size + TAG if self._packed else sealed_size(size)
        self._cipher = AESGCM(key)
        self._store, self._remote = replica.label, _RemoteFile(replica, cache, name)
        self._file = self._remote  # type: ignore[assignment]
        self._position = 0
        self._chunk, self._number = b"", -1
        self._running, self._hashed = hashlib.sha256(), 0

    def _load(self, number: int) -> None:
        try:
            super()._load(number)
        except (BlobDamaged, BlobErased) as error:
            self._remote.forget()
            raise RemoteAltered(store=self._store, blob=self._blob, why=type(error).__name__) from None
