"""Reading sealed files again from the disk and hashing them, as fast as the disk and one core's SHA-256 allow.

Invariant: a file is called whole only after every byte of it came from the storage itself (past the page cache where the
system allows it: a cached page would hide a rotten sector), opened with its own key and gave the SHA-256 on record. Nothing
is written.

Spans of at most 4 MiB pass through stages, each in threads of its own: two that read, one that opens (AES-GCM), one that
hashes; all release the interpreter's lock. Files in a pack share spans, so that 20,000 small files are a few hundred reads.
"""

import errno
import hashlib
import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from amparo.kernel.errors import AmparoError
from amparo.kernel.i18n import N_
from amparo.vault.blob_format import (
    AAD,
    BLOCK,
    CHUNK,
    SEALED_CHUNK,
    TAG,
    BlobAltered,
    BlobDamaged,
    BlobErased,
    BlobHashWrong,
    BlobMissing,
    BlobTruncated,
    nonce,
    sealed_size,
)
from amparo.vault.blob_stages import ahead
from amparo.vault.blobs import BlobStore, Progress, parse
from amparo.vault.disk import aligned_buffer

_READERS: Final = 2  # reads under way at one time: one leaves the drive idle between two requests
_WINDOW: Final = 3  # spans asked for before the first of them is opened
_READ_RING: Final = _WINDOW + 4  # on their way: the window, opener, queue, hasher, and one to fill
_PLAIN_RING: Final = 4
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_DIRECT: Final = getattr(os, "O_DIRECT", 0)


class BlobUnreadable(BlobDamaged):
    template = N_("The disk cannot read a sealed file ({why}; {blob}); copy what is left and restore it from a backup.")


class Known(Protocol):
    """What the record knows of a sealed file (record.items.Item is one)."""

    handle: str
    sha256: bytes
    size: int
    blob: str
    key: bytes


@dataclass(slots=True)
class Outcome:
    """One file was read: ``problem`` None, or what is wrong with it."""

    item: Known
    problem: AmparoError | None = None


@dataclass(slots=True)
class _Slice:
    """Where an item's sealed bytes lie in a span."""

    item: Known
    start: int
    length: int


@dataclass(slots=True)
class _Span:
    """Bytes of one file, read at one time: a chunk of a large file, or a run of small ones in a pack."""

    path: Path
    offset: int = 0
    length: int = 0
    slices: list[_Slice] = field(default_factory=list)
    chunk: int = -1  # of a large file; -1: whole small files
    last: bool = True
    problems: dict[str, AmparoError] = field(default_factory=dict)
    data: memoryview = field(default_factory=lambda: memoryview(b""))


def order(blob: str) -> tuple[bool, str, int]:
    """By what to sort addresses so that small files are read pack by pack, each from its start. Raises BlobMissing."""
    address, offset, _ = parse(blob)
    return offset is not None, address, offset or 0


def check(store: BlobStore, items: Iterable[Known], moved: Progress = lambda _: None) -> Iterator[Outcome]:
    """Read, open and hash each item's sealed file; yield one outcome for each, in their order, which should be ``order``'s.

    ``items`` are taken by another thread; ``moved`` is told of the bytes read, by this one. Memory is flat (some 50 MiB).
    Nothing is raised for damage: it is in the outcome.
    """
    with closing(ahead(_open(ahead(_read(_plan(store, items)))))) as opened:
        running = hashlib.sha256()
        for span, plain in opened:
            moved(span.length)
            if span.chunk < 0:
                for part in span.slices:
                    problem = span.problems.get(part.item.handle)
                    if problem is None and hashlib.sha256(plain[part.start : part.start + part.item.size]).digest() != (
                        part.item.sha256
                    ):
                        problem = BlobHashWrong(blob=part.item.blob)
                    yield Outcome(part.item, problem)
                continue
            [part] = span.slices
            problem = span.problems.get(part.item.handle)
            if span.chunk == 0:
                running = hashlib.sha256()
            if problem is None:
                running.update(plain[: max(0, min(CHUNK, part.item.size - span.chunk * CHUNK))])
            if span.last:
                if problem is None and running.digest() != part.item.sha256:
                    problem = BlobHashWrong(blob=part.item.blob)
                yield Outcome(part.item, problem)


# -- what is to be read -------------------------------------------------------------------------------------------------


def _plan(store: BlobStore, items: Iterable[Known]) -> Iterator[_Span]:
    """Cut the files into spans; a file that is missing or has a wrong length gets a span that is not read."""
    held: _Span | None = None
    found, size = Path(), 0
    for item in items:
        try:
            path, offset, length = store.place(item.blob, item.size)
            if path != found:
                found, size = path, _size_of(path, item.blob)
            _check_length(item, size, offset, length)
        except AmparoError as error:
            if held:
                yield held
                held = None
            yield _Span(Path(), slices=[_Slice(item, 0, 0)], problems={item.handle: error})
            continue
        if offset is None:
            if held:
                yield held
                held = None
            yield from _chunks(item, path, length)
            continue
        if held and not (held.path == path and held.offset <= offset and offset + length <= held.offset + SEALED_CHUNK):
            yield held
            held = None
        held = held or _Span(path, offset - offset % BLOCK)
        held.slices.append(_Slice(item, offset - held.offset, length))
        held.length = max(held.length, offset + length - held.offset)
    if held:
        yield held


def _size_of(path: Path, blob: str) -> int:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise BlobMissing(blob=blob) from None
    except OSError as error:
        raise BlobUnreadable(blob=blob, why=error.strerror or str(error)) from None
    if not stat.S_ISREG(status.st_mode):
        raise BlobUnreadable(blob=blob, why=os.strerror(errno.EISDIR))
    return status.st_size


def _check_length(item: Known, size: int, offset: int | None, length: int) -> None:
    if size != length if offset is None else size < offset + length:
        raise BlobTruncated(blob=item.blob, found=max(0, size - (offset or 0)), expected=length)


def _chunks(item: Known, path: Path, length: int) -> Iterator[_Span]:
    for number, offset in enumerate(range(0, length, SEALED_CHUNK)):
        size = min(SEALED_CHUNK, length - offset)
        yield _Span(path, offset, size, [_Slice(item, 0, size)], number, offset + size == length)


# -- reading ------------------------------------------------------------------------------------------------------------


def _read(spans: Iterator[_Span]) -> Iterator[_Span]:
    """Fill the spans, a few ahead, in their order."""
    ring = cycle([aligned_buffer(SEALED_CHUNK + BLOCK) for _ in range(_READ_RING)])
    waiting: deque[Future[_Span]] = deque()
    pool = ThreadPoolExecutor(_READERS, "verify")
    try:
        for span in spans:
            waiting.append(pool.submit(_fill, span, next(ring)))
            if len(waiting) == _WINDOW:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _fill(span: _Span, buffer: memoryview) -> _Span:
    """Read a span. Where the disk refuses, read its files one by one, so that a bad sector costs only the file it is in."""
    if span.length:
        try:
            got = read_at(span.path, span.offset, buffer[: -(-span.length // BLOCK) * BLOCK])
            _note_short(span, got)
        except OSError as error:
            if len(span.slices) > 1:
                _fill_singly(span, buffer)
            else:
                part = span.slices[0]
                span.problems[part.item.handle] = _refusal(part.item.blob, error)
    span.data = buffer
    return span


def _note_short(span: _Span, got: int) -> None:
    for part in span.slices:
        if part.start + part.length > got:  # cut off since it was measured
            short = BlobTruncated(blob=part.item.blob, found=max(0, got - part.start), expected=part.length)
            span.problems[part.item.handle] = short


def _fill_singly(span: _Span, buffer: memoryview) -> None:
    for part in span.slices:
        low = part.start - part.start % BLOCK
        high = -(-(part.start + part.length) // BLOCK) * BLOCK
        try:
            if low + read_at(span.path, span.offset + low, buffer[low:high]) < part.start + part.length:
                span.problems[part.item.handle] = BlobTruncated(blob=part.item.blob, found=0, expected=part.length)
        except OSError as error:
            span.problems[part.item.handle] = _refusal(part.item.blob, error)


def _refusal(blob: str, error: OSError) -> AmparoError:
    if isinstance(error, FileNotFoundError):
        return BlobMissing(blob=blob)
    return BlobUnreadable(blob=blob, why=error.strerror or str(error))


def read_at(path: Path, offset: int, buffer: memoryview) -> int:
    """Fill a page-aligned buffer from a multiple of 4096; return the bytes read, fewer at the file's end. Raises OSError."""
    descriptor, direct = _open_direct(path)
    try:
        if not direct and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(descriptor, offset, len(buffer), os.POSIX_FADV_DONTNEED)
        done = 0
        while done < len(buffer):
            got = _read_into(descriptor, buffer[done:], offset + done)
            done += got
            if not got or (direct and done % BLOCK):
                break
        return done
    finally:
        os.close(descriptor)


def _open_direct(path: Path) -> tuple[int, bool]:
    if _DIRECT:
        with suppress(OSError):
            return os.open(path, _FLAGS | _DIRECT), True
    return os.open(path, _FLAGS), False


def _read_into(descriptor: int, buffer: memoryview, offset: int) -> int:
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [buffer], offset)
    os.lseek(descriptor, offset, os.SEEK_SET)
    data = os.read(descriptor, len(buffer))
    buffer[: len(data)] = data
    return len(data)


# -- opening ------------------------------------------------------------------------------------------------------------


def _open(spans: Iterator[_Span]) -> Iterator[tuple[_Span, memoryview]]:
    """Open every slice with its key; of a large file found damaged the rest is not opened any more."""
    ring = cycle([aligned_buffer(SEALED_CHUNK + BLOCK) for _ in range(_PLAIN_RING)])
    handle, cipher, broken = "", AESGCM(bytes(32)), None
    for span in spans:
        plain = next(ring)
        if span.chunk < 0:
            for part in span.slices:
                if part.item.handle not in span.problems:
                    _open_small(span, part, plain)
        else:
            [part] = span.slices
            if part.item.handle != handle:
                handle, cipher, broken = part.item.handle, AESGCM(part.item.key), None
            broken = broken or span.problems.get(handle) or _open_chunk(span, part, cipher, plain)
            if broken:
                span.problems[handle] = broken
        yield span, plain


def _open_small(span: _Span, part: _Slice, plain: memoryview) -> None:
    sealed = span.data[part.start : part.start + part.length]
    try:
        AESGCM(part.item.key).decrypt_into(
            nonce(0, last=True), sealed, AAD, plain[part.start : part.start + part.length - TAG]
        )
    except (InvalidTag, ValueError):
        erased = not any(sealed)
        span.problems[part.item.handle] = (
            BlobErased(blob=part.item.blob) if erased else BlobAltered(blob=part.item.blob, chunk=1)
        )


def _open_chunk(span: _Span, part: _Slice, cipher: AESGCM, plain: memoryview) -> AmparoError | None:
    try:
        cipher.decrypt_into(nonce(span.chunk, last=span.last), span.data[: part.length], AAD, plain[: part.length - TAG])
    except (InvalidTag, ValueError):
        return BlobAltered(blob=part.item.blob, chunk=span.chunk + 1)
    return None


# -- whose bytes are these? ---------------------------------------------------------------------------------------------


class Exchanged:
    """Finds out of damaged files whether another item's sealed file lies in their place; every other item is ``offer``ed.

    Tells two blobs that changed places (a careless copy, or a hand that wants one file read as another) from bit rot.
    """

    _MOST: Final = 64  # damaged files looked at; each holds up to 4 MiB while the items pass by

    def __init__(self, store: BlobStore, damaged: Iterable[Known]) -> None:
        self._store = store
        self._heads: dict[int, list[tuple[Known, bytes]]] = {}
        self._packs: dict[str, tuple[Known, Path]] = {}
        self.found: dict[str, str] = {}
        """Handle of the damaged item -> handle of the item whose sealed file lies there."""
        for count, item in enumerate(damaged):
            if count < self._MOST:
                self._take(item)

    def _take(self, item: Known) -> None:
        try:
            path, offset, _ = self._store.place(item.blob, item.size)
            size = path.stat().st_size
            if offset is None:
                with path.open("rb") as file:
                    self._heads.setdefault(size, []).append((item, file.read(SEALED_CHUNK)))
            else:
                self._packs.setdefault(path.name, (item, path))
        except (AmparoError, OSError):
            return

    @property
    def idle(self) -> bool:
        """True if there is nothing to find."""
        return not (self._heads or self._packs)

    def offer(self, other: Known) -> None:
        """Look whether ``other``'s sealed file lies in one of the damaged places."""
        try:
            _, offset, length = self._store.place(other.blob, other.size)
        except BlobMissing:
            return
        if offset is None:
            for item, head in self._heads.get(length, ()):
                if item.handle != other.handle and _opens(other.key, head, last=length <= SEALED_CHUNK):
                    self.found[item.handle] = other.handle
        elif offset == 0:
            for item, path in self._packs.values():
                if parse(other.blob)[0] != path.name:
                    with suppress(OSError), path.open("rb") as file:
                        if _opens(other.key, file.read(length), last=True):
                            self.found[item.handle] = other.handle


def _opens(key: bytes, sealed: bytes, *, last: bool) -> bool:
    try:
        AESGCM(key).decrypt(nonce(0, last=last), sealed, AAD)
    except (InvalidTag, ValueError):
        return False
    return True


# -- what no record knows -----------------------------------------------------------------------------------------------


def strays(store: BlobStore, places: Iterable[str]) -> Iterator[str]:
    """Yield what lies in the store though no item owns it, as addresses: files, packs, and places in packs not overwritten.

    ``places`` are the addresses of every item, sorted by ``order``. It is what an interrupted ingest sealed and nobody
    acknowledged, or what an erasure could not reach; its key is gone, but its bytes and their size are still here. After a
    pack's last item its random filling begins, which nobody can tell from a sealed file: nothing is said of it.
    """
    known = iter(places)
    blob = next(known, None)
    for path in store.files():
        here = path.parent.name == "packs", path.name
        owned: list[tuple[int, int]] = []
        while blob is not None and order(blob)[:2] <= here:
            address, offset, length = parse(blob)
            if address == path.name:
                owned.append((offset or 0, length))
            blob = next(known, None)
        if not owned:
            yield path.name
        elif here[0]:
            yield from _gaps(path, owned)


def _gaps(pack: Path, owned: list[tuple[int, int]]) -> Iterator[str]:
    end = 0
    with pack.open("rb") as file:
        for offset, length in owned:
            if offset > end:
                file.seek(end)
                if any(file.read(offset - end)):
                    yield f"{pack.name}:{end}:{offset - end}"
            end = max(end, offset + length)


def sealed_length(item: Known) -> int:
    """Bytes of an item's sealed file on the disk."""
    packed = parse(item.blob)[1] is not None
    return item.size + TAG if packed else sealed_size(item.size)
