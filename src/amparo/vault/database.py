"""One SQLCipher file per compartment; only this module touches the SQL driver. No plaintext ever reaches the disk.

The raw key is random per file (vault.keyring wraps it), so a view rebuilt into a new file cannot be read from remnants of
the old. 4 KiB pages, WAL, ``secure_delete``; temporary tables stay in memory.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlcipher3

from amparo.kernel.errors import AmparoError, DiskRefused, Unverified
from amparo.kernel.i18n import N_

Value = str | int | bytes | float | None


class ViewUnreadable(Unverified):
    template = N_("The view {name} cannot be read with this key or is damaged; `amparo rebuild` makes it anew from the ledger.")


class ViewDisk(DiskRefused):
    template = N_(
        "The disk refused to write the view {name} ({why}); free some space or make the folder "
        "writable, then try again.")


class BadQuery(AmparoError):
    template = N_("The database refused a query ({why}).")


class Database:
    """A SQLCipher connection with the handful of calls the record needs. Not shared between threads at one time."""

    def __init__(self, path: Path | None, key: bytes, *, read_only: bool = False) -> None:
        """Open or create ``path`` (None: in memory) under the raw 32-byte ``key``. Raises ViewUnreadable, ViewDisk."""
        if len(key) != 32:
            raise ValueError("a raw key has 32 bytes")
        self.path, self.name = path, path.name if path else "memory"
        # as a URI: in a folder named ca#se or ca?se the file would otherwise be made somewhere else
        target = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}" if path else ":memory:"
        try:
            self._db = sqlcipher3.connect(target, uri=path is not None, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA cipher_log_level = NONE")  # else it writes to the user's screen, beside our sentence
            self._db.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
            self._db.execute("PRAGMA temp_store = MEMORY")
            self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if not read_only:
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = NORMAL")  # a view is rebuilt from the ledger, which fsyncs
                self._db.execute("PRAGMA secure_delete = ON")
            self._db.execute("PRAGMA cache_size = -65536")
            self._db.execute("PRAGMA threads = 2")  # for sorting, when an index is made
        except sqlcipher3.DatabaseError as error:
            raise self._refusal(error) from None

    def execute(self, sql: str, values: Sequence[Value] | dict[str, Value] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return all its rows."""
        try:
            return list(self._db.execute(sql, values))
        except sqlcipher3.DatabaseError as error:
            raise self._refusal(error) from None

    def stream(self, sql: str, values: Sequence[Value] = ()) -> Iterator[tuple[Any, ...]]:
        """Run one query and yield its rows with flat memory."""
        try:
            yield from self._db.execute(sql, values)
        except sqlcipher3.DatabaseError as error:
            raise self._refusal(error) from None

    def executemany(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run one statement for many rows."""
        try:
            self._db.executemany(sql, rows)
        except sqlcipher3.DatabaseError as error:
            raise self._refusal(error) from None

    def script(self, sql: str) -> None:
        """Run several statements (a schema)."""
        try:
            self._db.executescript(sql)
        except sqlcipher3.DatabaseError as error:
            raise self._refusal(error) from None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self.execute("COMMIT")

    def careless(self, on: bool) -> None:  # noqa: FBT001
        """Write without a journal while a view is built from nothing; turned off, the file is synced and journalled again.

        A crash in between leaves a file that cannot be trusted: the caller marks it as such before and unmarks it after. While
        another program has the file open, all is written as carefully as ever.
        """
        if on:
            try:  # the journal first: this still syncs what was written before, the mark among it
                self._db.execute("PRAGMA journal_mode = OFF")
            except sqlcipher3.DatabaseError as error:
                if "locked" not in str(error):
                    raise self._refusal(error) from None
            else:
                self.execute("PRAGMA synchronous = OFF")
            return
        if self.path is not None:
            with self.path.open("rb+") as file:
                os.fsync(file.fileno())
        self.execute("PRAGMA journal_mode = WAL")
        self.execute("PRAGMA synchronous = NORMAL")

    def truncate_wal(self) -> None:
        """Move the write-ahead log into the file and cut it to nothing, so that no erased word stays in it."""
        self.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._db.close()

    def _refusal(self, error: Exception) -> AmparoError:
        why = str(error)
        if "not a database" in why or "malformed" in why or "decrypt" in why:
            return ViewUnreadable(name=self.name)
        if "disk" in why or "readonly" in why or "unable to open" in why or "locked" in why:
            return ViewDisk(name=self.name, why=why)
        return BadQuery(why=why)
