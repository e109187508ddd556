"""The views' files: one SQLCipher file per compartment, thrown away and made anew at will.

Each file has a random key, kept wrapped under its compartment's key in ``views/<compartment>.key``; a view made anew gets a
new file under a new key, so that nothing erased can be read from remnants of the old file. On a disk that cannot be written (a
stick with its switch on, a copy burnt for a court) views are made in memory, each time anew.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import filelock

from amparo.kernel import cbor
from amparo.kernel.errors import NotCanonical
from amparo.ledger.ledger import WorkspaceBusy
from amparo.vault.database import Database, ViewUnreadable
from amparo.vault.disk import Disk, translated
from amparo.vault.seal import CompartmentKey, SealBroken

_PATIENCE: Final = 300  # seconds: a view of a million claims is made anew in less


class ViewFiles:
    """The folder ``views`` of a workspace."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self.folder, self.disk = folder, disk
        self._memory = not os.access(folder if folder.exists() else folder.parent, os.W_OK)
        self._lock = filelock.FileLock(folder / "lock", timeout=_PATIENCE)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time opens views or brings them up to date: two that replayed at once would mix. Raises
        WorkspaceBusy, DiskRefused. May be nested.
        """
        if self._memory:
            yield
            return
        self.disk.mkdir(self.folder)
        try:
            self._lock.acquire()
        except filelock.Timeout:
            raise WorkspaceBusy from None
        except OSError as error:
            with translated(self.folder):
                raise error from None
        try:
            yield
        finally:
            self._lock.release()

    def open(self, key: CompartmentKey) -> Database:
        """Open the compartment's view file; make an empty one where there is none or it cannot be read (a view is
        rebuilt from the ledger, so damage to it costs time and no data). Raises ViewDisk.
        """
        return self.existing(key) or self.renew(key)

    def existing(self, key: CompartmentKey) -> Database | None:
        """Open the compartment's view file if it is there and can be read. Raises ViewDisk."""
        if self._memory:
            return None
        try:
            generation, wrapped = cbor.decode(self.disk.read(self._key_path(key.name)))
            path = self._path(key.name, generation)
            if path.exists():
                return Database(path, key.wrapper.unwrap(wrapped, f"the view {key.name}"))
        except (FileNotFoundError, NotCanonical, SealBroken, ViewUnreadable, ValueError, TypeError):
            pass
        return None

    def renew(self, key: CompartmentKey) -> Database:
        """Make a new, empty file under a new key and remove the old ones."""
        if self._memory:
            return Database(None, os.urandom(32))
        path, secret = self.draft(key)
        database = Database(path, secret)
        self.adopt(key, path, secret)
        return database

    def draft(self, key: CompartmentKey) -> tuple[Path, bytes]:
        """Path and key for a new file of the compartment, which is not in use until it is adopted."""
        self.disk.mkdir(self.folder)
        return self._path(key.name, os.urandom(4).hex()), os.urandom(32)

    def adopt(self, key: CompartmentKey, path: Path, secret: bytes) -> None:
        """Take a drafted file into use and remove all others of the compartment."""
        generation = path.stem.rpartition("-")[2]
        self.disk.atomic_write(self._key_path(key.name), cbor.encode([generation, key.wrapper.wrap(secret)]))
        for old in self.folder.glob(f"{key.name}-*"):
            if old.is_file() and not old.name.startswith(path.name):
                old.unlink(missing_ok=True)

    def _path(self, name: str, generation: str) -> Path:
        return self.folder / f"{name}-{generation}.db"

    def _key_path(self, name: str) -> Path:
        return self.folder / f"{name}.key"
