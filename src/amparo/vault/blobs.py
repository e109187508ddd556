"""Sealed files under addresses that tell nothing: a blob is durable before its address is known, and complete or absent.

    blobs/objects/ab/<address>   one file (1 MiB and more)
    blobs/packs/<address>        many small files, each under a key of its own: <address>:<offset>:<length>
    blobs/tmp-<random>           being written; sealed under keys nobody has kept, removed by ``clean``

Each sealing makes an object of its own: the address is HMAC-SHA256(compartment's blob-id key, label || SHA-256 || file
key), so the same file sealed twice has two addresses and two keys. That is on purpose: two sources that carry the same
file can be erased independently, and nobody sees from the store that they carry the same. Whoever wants to store a known
file once looks its SHA-256 up in the record first. Without the compartment's key an address cannot be told from random
bytes, even by who has the file.

The key is returned once and kept nowhere here: it belongs into a ledger part (``items@1``), whose destruction erases the
file everywhere, backups included; ``erase`` frees this copy. A file that was moved to a cold store is read from there
(``Elsewhere``). Sealing order: write, fsync, rename, fsync the folder, return; the caller appends the entry only then. No
plain text ever reaches the disk. See blob_format for the bytes.
"""

import hmac
import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Final

from amparo.kernel.errors import DiskRefused
from amparo.kernel.i18n import _
from amparo.vault.blob_apart import ENOUGH, Packed, packs
from amparo.vault.blob_format import TAG, BlobMissing, BlobReader, sealed_size
from amparo.vault.blob_stages import (
    SMALL,
    Packer,
    Readable,
    Running,
    Sealed,
    SourceUnreadable,
    ahead,
    changed,
    hash_chunks,
    open_source,
    read_batches,
    read_chunks,
    seal_chunks,
)
from amparo.vault.disk import Disk, Writer

_OBJECT: Final = "amparo/blob-object/1"
_PACK: Final = "amparo/blob-pack/1"
_ADDRESS: Final = re.compile(r"([0-9a-f]{64})(?::(0|[1-9][0-9]{0,9}):([1-9][0-9]{0,9}))?", re.ASCII)

Progress = Callable[[int], None]
Elsewhere = Callable[[str, str, bytes, int, bytes, int | None], BlobReader | None]
"""(name, address, key, size, SHA-256, offset if in a pack) -> a reader of a file that is not in the folder, or None."""


def _silent(_: int) -> None:
    pass


def _raise(error: SourceUnreadable) -> None:
    raise error


class BlobStore:
    """The sealed files of one compartment, in a folder that compartments share. Not for two threads at one time."""

    def __init__(self, folder: Path, id_key: bytes, disk: Disk | None = None, elsewhere: Elsewhere | None = None) -> None:
        """``folder`` is the workspace's ``blobs``; ``id_key`` CompartmentKey.blob_id_key (used for new addresses only).

        ``elsewhere`` reads what is not in the folder.
        """
        self._folder, self._id_key, self._disk, self._elsewhere = folder, id_key, disk or Disk(), elsewhere

    # -- sealing ------------------------------------------------------------------------------------------------------

    def seal_file(self, source: Path | Readable, progress: Progress = _silent) -> Sealed:
        """Seal one file or binary stream of any length; durable on return. ``progress`` gets the bytes done since last.

        Raises SourceUnreadable, DiskFull, DiskReadOnly, DiskFailed; nothing remains of a sealing that failed.
        """
        if not isinstance(source, Path):
            return self._seal_stream(source, None, progress)
        with open_source(source) as stream:
            before = os.fstat(stream.fileno())
            sealed = self._seal_stream(stream, source, progress)
            if changed(before, os.fstat(stream.fileno()), sealed.size):
                self.erase(sealed.blob)
                raise SourceUnreadable(source, why=_("it changed while it was read; wait until it is whole"))
            return replace(sealed, modified=before.st_mtime_ns // 1_000_000)

    def _seal_stream(self, stream: Readable, path: Path | None, progress: Progress) -> Sealed:
        key, running = os.urandom(32), Running()
        chunks = ahead(hash_chunks(ahead(read_chunks(stream, path)), running))
        with closing(ahead(seal_chunks(chunks, key, running))) as sealed, self._draft() as (draft, writer):
            for data, plain in sealed:
                writer.write(data)
                running.size += plain
                progress(plain)
            sha256 = running.sha256.digest()
            address = self._address(_OBJECT, sha256, key)
            self._commit(draft, writer, self._object(address))
        return Sealed(address, sha256, running.size, key, running.blake3.digest(), running.head)

    def seal_many(
        self, paths: Iterable[Path], progress: Progress = _silent, refused: Callable[[SourceUnreadable], object] = _raise
    ) -> Generator[tuple[Path, Sealed], None, None]:
        """Seal files, small ones (under 1 MiB) in packs; yield each once it is durable, in no particular order. Of many the
        small ones are sealed by another process, in which their paths must mean the same.

        Flat memory for any number of files. ``refused`` gets each file that cannot be read (else that ends it all). Raises as
        ``seal_file``; what was yielded before stays sealed.
        """
        paths = iter(paths)
        first = list(islice(paths, ENOUGH))
        if len(first) == ENOUGH and type(self._disk) is Disk:
            found = self._packs_apart(chain(first, paths), refused)
        else:
            found = ahead(self.write_packs(chain(first, paths), refused))
        with closing(found):
            for sealed, large in found:
                progress(sum(one.size for _, one in sealed))
                yield from sealed
                for path in large:
                    try:
                        file = self.seal_file(path, progress)
                    except SourceUnreadable as error:
                        refused(error)
                    else:
                        yield path, file

    def _packs_apart(
        self, paths: Iterable[Path], refused: Callable[[SourceUnreadable], object]
    ) -> Generator[Packed, None, None]:
        try:
            yield from packs(self._folder, self._id_key, paths, refused)
        finally:
            self.clean()  # where that process was stopped

    def write_packs(self, paths: Iterable[Path], refused: Callable[[SourceUnreadable], object]) -> Iterator[Packed]:
        """Write packs of small files; yield the files of each once it is durable, and the files found too large for it."""
        batches = ahead(read_batches(paths, refused))
        pieces = ahead(Packer(lambda sha256, key: self._address(_PACK, sha256, key)).seal(batches))
        with closing(pieces):
            for piece in pieces:
                large, sealed = list(piece.large), list(piece.files)
                if piece.pack:
                    with self._draft() as (draft, writer):
                        writer.write(piece.data)
                        while not piece.last and (piece := next(pieces)):
                            writer.write(piece.data)
                            sealed += piece.files
                            large += piece.large
                        self._commit(draft, writer, self._folder / "packs" / piece.pack)
                yield sealed, large

    # -- reading ------------------------------------------------------------------------------------------------------

    def open(self, blob: str, key: bytes, size: int, sha256: bytes) -> BlobReader:
        """Open a sealed file as a binary stream; each chunk is verified before any of its bytes is handed out.

        Raises BlobMissing and BlobTruncated here; BlobErased, BlobAltered and BlobHashWrong while reading.
        """
        path, offset, _ = self.place(blob, size)
        if self._elsewhere is not None and not path.exists():
            reader = self._elsewhere(self.name(path), blob, key, size, sha256, offset)
            if reader is not None:
                return reader
        return BlobReader(path, blob, key, size, sha256, packed_at=offset)

    def verify(self, blob: str, key: bytes, size: int, sha256: bytes, progress: Progress = _silent) -> None:
        """Read a sealed file from start to end and drop it. Raises what ``open`` and reading raise."""
        buffer = bytearray(1 << 20)
        with self.open(blob, key, size, sha256) as reader:
            while got := reader.readinto(buffer):
                progress(got)

    def stored(self) -> Iterator[str]:
        """Yield the address of every object and pack in the folder (of all compartments): what a clean-up compares with."""
        for path in self.files():
            yield path.name

    def files(self) -> Iterator[Path]:
        """Yield every object, then every pack, each by address."""
        for path in sorted((*self._folder.glob("objects/??/*"), *self._folder.glob("packs/*"))):
            if _ADDRESS.fullmatch(path.name):
                yield path

    def place(self, blob: str, size: int) -> tuple[Path, int | None, int]:
        """Where a sealed file of ``size`` bytes lies: file, offset if it is a pack, sealed bytes.

        Raises BlobMissing for an address and size that do not belong together: they were never given.
        """
        address, offset, length = parse(blob)
        if offset is None:
            if size < 0:
                raise BlobMissing(blob=blob)
            return self._object(address), None, sealed_size(size)
        if length != size + TAG or size >= SMALL:
            raise BlobMissing(blob=blob)
        return self._pack(address), offset, length

    def name(self, path: Path) -> str:
        """The name under which every copy of the store keeps a file of ``files``: objects/ab/<address>, packs/<address>."""
        return path.relative_to(self._folder).as_posix()

    # -- copies of what is sealed: the caller has opened every byte with its key before it comes here ---------------------

    def put_back(self, path: Path, pieces: Iterable[bytes]) -> None:
        """Write a file of ``files`` anew; after a power cut it holds the old bytes or the new ones. Durable on return.

        An error in ``pieces`` leaves all as it was. Only for who holds the workspace's lock (``clean``).
        """
        with self._draft() as (draft, writer):
            for piece in pieces:
                writer.write(memoryview(piece))
            self._commit(draft, writer, path)

    def drop(self, path: Path) -> None:
        """Remove a file of ``files`` that is kept elsewhere. Durable on return."""
        self._disk.unlink(path)
        self._disk.fsync_dir(path.parent)

    # -- removing -----------------------------------------------------------------------------------------------------

    def erase(self, blob: str) -> None:
        """Overwrite the file here and sync: an object with random bytes, then removed; its place in a pack with zeros.

        Does nothing where it is gone already. Flash memory may keep old bytes: the caller destroys the key as well.
        """
        self.erase_all([blob])

    def erase_all(self, blobs: Iterable[str]) -> None:
        """``erase`` of many files: each pack is synced once, at the end."""
        packs: set[Path] = set()
        for blob in blobs:
            address, offset, length = parse(blob)
            pack = self._pack(address)
            if offset is None:
                self._disk.shred(self._object(address))
            elif offset + length <= self._disk.size(pack):
                self._disk.write_at(pack, offset, bytes(length))
                packs.add(pack)
        for pack in sorted(packs):
            self._disk.fsync(pack)

    def erase_stray(self, stray: str) -> None:
        """Overwrite what no item owns: an object, a place in a pack, or a whole pack."""
        address, offset, _ = parse(stray)
        pack = self._pack(address)
        if offset is None and pack.exists():
            self._disk.shred(pack)
        else:
            self.erase(stray)

    def clean(self) -> None:
        """Remove what interrupted sealings left; one that goes on elsewhere keeps its own."""
        for path in self._folder.glob("tmp-*"):
            self._disk.remove_abandoned(path)

    # -- places -------------------------------------------------------------------------------------------------------

    def _address(self, label: str, sha256: bytes, key: bytes) -> str:
        return hmac.digest(self._id_key, label.encode() + sha256 + key, "sha256").hex()

    def _object(self, address: str) -> Path:
        return self._folder / "objects" / address[:2] / address

    def _pack(self, address: str) -> Path:
        return self._folder / "packs" / address

    @contextmanager
    def _draft(self) -> Iterator[tuple[Path, Writer]]:
        """A new file to write to, gone again if anything fails before ``_commit``."""
        self._disk.mkdir(self._folder)
        draft = self._folder / f"tmp-{os.urandom(8).hex()}"
        writer = self._disk.writer(draft)
        try:
            yield draft, writer
        finally:
            writer.close()
            if draft.exists():
                with suppress(DiskRefused):
                    self._disk.unlink(draft)

    def _commit(self, draft: Path, writer: Writer, target: Path) -> None:
        writer.sync()
        self._disk.mkdir(target.parent)
        self._disk.rename(draft, target)
        self._disk.fsync_dir(target.parent)


def parse(blob: str) -> tuple[str, int | None, int]:
    """Split an address into (name, offset in a pack or None, length). Raises BlobMissing for anything we never gave."""
    match = _ADDRESS.fullmatch(blob)
    if match is None:
        raise BlobMissing(blob=blob[:80])
    return match[1], None if match[2] is None else int(match[2]), int(match[3] or 0)
