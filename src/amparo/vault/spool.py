"""Room for what is too large for memory while it is made: on the disk only sealed, under a key that ends with the process.

The file has no name where the system allows (O_TMPFILE), else it is unlinked at once; each chunk of 1 MiB is AES-256-GCM
(NIST SP 800-38D) with its number as nonce, under a random key that is kept nowhere. After a crash nobody can read what is left.
What fits into ``MEMORY`` never reaches the disk at all.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, Self

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from amparo.vault.disk import translated

CHUNK: Final = 1 << 20
_TAG: Final = 16
MEMORY: Final = 4 << 20


class Spool:
    """Bytes written once, then read from the start as often as wanted; ``size`` bytes so far. Serves as zipfile's output."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is where sealed chunks may lie; nothing is made there before ``MEMORY`` bytes are exceeded."""
        self._folder = folder
        self._tail = bytearray()
        self._file: IO[bytes] | None = None
        self._chunks = 0
        self._cipher = AESGCM(os.urandom(32))
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, data: bytes) -> int:
        """Append. Raises what vault.disk raises (DiskFull, ...)."""
        self._tail += data
        self.size += len(data)
        if self._file is not None or len(self._tail) > MEMORY:
            while len(self._tail) >= CHUNK:
                self._push(bytes(self._tail[:CHUNK]))
                del self._tail[:CHUNK]
        return len(data)

    def flush(self) -> None:
        """Nothing is promised to outlast the process."""

    def _push(self, chunk: bytes) -> None:
        with translated(self._folder):
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
            self._file.seek(self._chunks * (CHUNK + _TAG))
            sealed = memoryview(self._cipher.encrypt(self._chunks.to_bytes(12, "big"), chunk, None))
            while sealed:
                sealed = sealed[self._file.write(sealed) :]
        self._chunks += 1

    def chunks(self) -> Iterator[bytes]:
        """All that was written, in pieces of at most ``MEMORY`` bytes."""
        for number in range(self._chunks):
            assert self._file is not None
            self._file.seek(number * (CHUNK + _TAG))
            sealed = self._file.read(CHUNK + _TAG)
            yield self._cipher.decrypt(number.to_bytes(12, "big"), sealed, None)
        if self._tail:
            yield bytes(self._tail)

    def reader(self) -> "SpoolReader":
        """A binary stream over all that was written."""
        return SpoolReader(self.chunks())

    def close(self) -> None:
        """Forget all of it."""
        self._tail = bytearray()
        if self._file is not None:
            self._file.close()


class SpoolReader:
    """A stream as BlobStore.seal_file reads it."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, memoryview(b"")

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill ``buffer`` as far as the piece at hand goes; 0 at the end."""
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
