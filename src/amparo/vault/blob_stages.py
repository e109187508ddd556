"""The stages a file passes on its way into the store (read, hash, seal), each in a thread of its own; flat memory.

Hashing, sealing, reading and writing all release the interpreter's lock on long buffers, so the slowest stage sets the pace.
Buffers are reused in turn: each ring below is longer than the number of buffers that can be on their way at one time, which
the one-place queues of ``ahead`` bound. Plain text is in these buffers only; what leaves the last stage is sealed.
"""

import hashlib
import io
import os
import queue
import stat
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Final, Protocol, TypeVar

from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _
from amparo.vault.blob_format import AAD, BLOCK, CHUNK, SEALED_CHUNK, TAG, nonce, padded_size, padme
from amparo.vault.disk import aligned_buffer

SMALL: Final = 1 << 20  # bytes; files below go into packs
PACK: Final = 32 << 20  # bytes; a pack is closed once another batch might not fit
HEAD: Final = 4096  # bytes
_BATCH: Final = 2 << 20  # bytes of small files read before they are handed on
_BATCH_FILES: Final = 1024
_CHUNK_RING: Final = 7  # on their way: 2 in the reader, then queue, hasher, queue, sealer
_BATCH_RING: Final = 4  # on their way: reader, queue, sealer
_SEALED_RING: Final = 4  # on their way: sealer, queue, writer
_SEALED_BATCH: Final = _BATCH + _BATCH_FILES * TAG + BLOCK  # a batch, its tags, the rest of the one before

_READ: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_ONLY: Final = nonce(0, last=True)

T = TypeVar("T")


class SourceUnreadable(BadInput):
    """``path`` (None for a stream) says which; it is no fact of the error, since a source's name may be a person's."""

    template = N_("A file to be sealed cannot be read ({why}); see that it is there and that you may read it, then try again.")

    def __init__(self, path: Path | None, **facts: object) -> None:
        super().__init__(**facts)
        self.path = path


class Readable(Protocol):
    """A binary stream."""

    def readinto(self, buffer: memoryview, /) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Sealed:
    """What the caller keeps in a ledger part: opaque address, SHA-256, BLAKE3 and size (bytes) of the plain file, its own key.

    ``head`` is its first bytes (at most HEAD), by which its type is told; ``modified`` ms since 1970, by the file system.
    """

    blob: str
    sha256: bytes
    size: int
    key: bytes = field(repr=False)
    blake3: bytes = b""
    head: bytes = field(default=b"", repr=False)
    modified: int = 0


def open_source(path: Path) -> io.FileIO:
    """Open a file to be sealed. Raises SourceUnreadable, also for a folder, a device or a pipe (which might wait for ever)."""
    try:
        if stat.S_ISREG(path.stat().st_mode):
            return io.FileIO(path)
    except OSError as error:
        raise SourceUnreadable(path, why=error.strerror or str(error)) from None
    raise SourceUnreadable(path, why=_("not a regular file"))


def changed(before: os.stat_result, after: os.stat_result, size: int) -> bool:
    """True if a file was written to while its ``size`` bytes were read: half of the old, half of the new prove nothing."""
    return (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or size != after.st_size


# -- threads ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None = None


def ahead(items: Iterator[T], count: int = 1) -> Generator[T, None, None]:
    """Yield ``items``, produced by a thread that runs ``count`` ahead. Errors arrive in order; closing ends the thread."""
    box: queue.Queue[T | _End] = queue.Queue(count)
    stop = threading.Event()

    def work() -> None:
        end = _End()
        try:
            for item in items:
                box.put(item)
                if stop.is_set():
                    break
        except BaseException as error:  # noqa: BLE001  raised again where the items are used
            end = _End(error)
        finally:
            if (close := getattr(items, "close", None)) is not None:
                close()
            box.put(end)

    thread = threading.Thread(target=work, name="seal", daemon=True)
    thread.start()
    try:
        while not isinstance(item := box.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        while thread.is_alive():
            with suppress(queue.Empty):
                box.get(timeout=0.01)


# -- one large file ---------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Chunk:
    """``buffer`` holds ``data`` bytes of the file, then zeros up to ``plain`` bytes; ``last`` of the file or not."""

    number: int
    buffer: memoryview
    data: int
    plain: int = CHUNK
    last: bool = False


def _fill(stream: Readable, buffer: memoryview, path: Path | None) -> int:
    """Read until ``buffer`` is full or the stream ends; return the bytes read. Raises SourceUnreadable."""
    done = 0
    try:
        while done < len(buffer) and (got := stream.readinto(buffer[done:])):
            done += got
    except OSError as error:
        raise SourceUnreadable(path, why=error.strerror or str(error)) from None
    return done


def read_chunks(stream: Readable, path: Path | None) -> Iterator[Chunk]:
    """Cut a stream of unknown length into chunks, padded with zeros to ``padded_size``."""
    ring = cycle([aligned_buffer(SEALED_CHUNK)[:CHUNK] for _ in range(_CHUNK_RING)])
    size = 0

    def read(number: int) -> Chunk:
        buffer = next(ring)
        return Chunk(number, buffer, _fill(stream, buffer, path))

    held = read(0)
    while held.data == CHUNK and (following := read(held.number + 1)).data:
        size += CHUNK
        yield held
        held = following
    left = padded_size(size + held.data) - size
    while True:
        held.plain = min(CHUNK, left)
        held.last = held.plain == left
        held.buffer[held.data : held.plain] = bytes(held.plain - held.data)
        yield held
        left -= held.plain
        if not left:
            return
        held = Chunk(held.number + 1, next(ring), 0)


class Running:
    """What is gathered of a file's bytes (not of the padding) on their way."""

    def __init__(self) -> None:
        self.sha256, self.blake3, self.head, self.size = hashlib.sha256(), blake3(), b"", 0


def hash_chunks(chunks: Iterable[Chunk], running: Running) -> Iterator[Chunk]:
    """Feed SHA-256, and keep the head."""
    for chunk in chunks:
        running.sha256.update(chunk.buffer[: chunk.data])
        running.head = running.head or bytes(chunk.buffer[: min(HEAD, chunk.data)])
        yield chunk


def seal_chunks(chunks: Iterable[Chunk], key: bytes, running: Running) -> Iterator[tuple[memoryview, int]]:
    """Yield each chunk sealed, with the number of the file's bytes in it; all but the last are SEALED_CHUNK long.

    Feeds BLAKE3 as well: beside AES-GCM it takes less time than SHA-256 does in the stage before.
    """
    ring = cycle([aligned_buffer(SEALED_CHUNK) for _ in range(_SEALED_RING)])
    cipher = AESGCM(key)
    for chunk in chunks:
        out = next(ring)[: chunk.plain + TAG]
        running.blake3.update(chunk.buffer[: chunk.data])
        cipher.encrypt_into(nonce(chunk.number, last=chunk.last), chunk.buffer[: chunk.plain], AAD, out)
        yield out, chunk.data


# -- many small files -------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Batch:
    """Small files read into one buffer: (path, start, size, modified ms) each; ``large`` those found too long for a pack."""

    buffer: memoryview
    files: list[tuple[Path, int, int, int]] = field(default_factory=list)
    large: list[Path] = field(default_factory=list)
    used: int = 0


@dataclass(slots=True)
class Piece:
    """Sealed bytes to append to the pack called ``pack`` (a multiple of 4096), the files in them, and whether it ends."""

    pack: str
    data: memoryview
    files: list[tuple[Path, Sealed]] = field(default_factory=list)
    large: list[Path] = field(default_factory=list)
    last: bool = False


def read_batches(paths: Iterable[Path], refused: Callable[[SourceUnreadable], object]) -> Iterator[Batch]:
    """Read files, many to a batch; ``refused`` is told of each that cannot be read, which may raise."""
    ring = cycle([aligned_buffer(_BATCH) for _ in range(_BATCH_RING)])
    batch = Batch(next(ring))
    for path in paths:
        if batch.used > _BATCH - SMALL or len(batch.files) + len(batch.large) == _BATCH_FILES:
            yield batch
            batch = Batch(next(ring))
        room = batch.buffer[batch.used : batch.used + SMALL]
        try:
            size, modified = _read_small(path, room)
        except SourceUnreadable as error:
            refused(error)
            continue
        if size == SMALL:
            batch.large.append(path)
        else:
            batch.files.append((path, batch.used, size, modified))
            batch.used += size
    yield batch


def _read_small(path: Path, room: memoryview) -> tuple[int, int]:
    """Read a file into ``room``; return its bytes (``len(room)`` says it has as many or more) and when it was modified.

    Bare system calls, each once: every call hands the interpreter's lock over, which for small files costs more than reading.
    """
    try:
        descriptor = os.open(path, _READ)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise SourceUnreadable(path, why=_("not a regular file"))
            if status.st_size >= len(room):
                return len(room), 0
            done = _read_into(descriptor, room)
            while done < status.st_size and (got := _read_into(descriptor, room[done:])):
                done += got
            if changed(status, os.fstat(descriptor), done):
                raise SourceUnreadable(path, why=_("it changed while it was read; wait until it is whole"))
            return done, status.st_mtime_ns // 1_000_000
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SourceUnreadable(path, why=error.strerror or str(error)) from None


def _read_into(descriptor: int, room: memoryview) -> int:
    if sys.platform != "win32":
        return os.readv(descriptor, [room])
    data = os.read(descriptor, len(room))
    room[: len(data)] = data
    return len(data)


class Packer:
    """Hashes and seals batches into packs, each file under a key of its own; a pack is named by ``name_of`` its first file."""

    def __init__(self, name_of: Callable[[bytes, bytes], str]) -> None:
        self._name_of = name_of
        self._ring = cycle([aligned_buffer(_SEALED_BATCH) for _ in range(_SEALED_RING)])
        self._pack, self._length, self._rest = "", 0, b""

    def seal(self, batches: Iterable[Batch]) -> Iterator[Piece]:
        """Yield the packs piece by piece."""
        for batch in batches:
            yield self._seal(batch)
            if self._length > PACK - _BATCH:
                yield self._finish()
        if self._length:
            yield self._finish()

    def _seal(self, batch: Batch) -> Piece:
        out = next(self._ring)
        out[: len(self._rest)] = self._rest
        at = len(self._rest)
        files = []
        for path, start, size, modified in batch.files:
            key, end, plain = os.urandom(32), at + size + TAG, batch.buffer[start : start + size]
            sha256 = hashlib.sha256(plain).digest()
            AESGCM(key).encrypt_into(_ONLY, plain, AAD, out[at:end])
            self._pack = self._pack or self._name_of(sha256, key)
            address = f"{self._pack}:{self._length}:{size + TAG}"
            sealed = Sealed(address, sha256, size, key, blake3(plain).digest(), bytes(plain[:HEAD]), modified)
            files.append((path, sealed))
            self._length += end - at
            at = end
        whole = at - at % BLOCK
        self._rest = bytes(out[whole:at])
        return Piece(self._pack, out[:whole], files, batch.large)

    def _finish(self) -> Piece:
        """Fill the pack up with random bytes, so that its end shows no more than its Padmé size."""
        out = next(self._ring)
        length = -(-padme(self._length) // BLOCK) * BLOCK - self._length
        end = len(self._rest) + length
        out[:end] = self._rest + os.urandom(length)
        piece = Piece(self._pack, out[:end], last=True)
        self._pack, self._length, self._rest = "", 0, b""
        return piece
