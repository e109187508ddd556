"""Replacing damaged sealed files by those of a copy: a backup, another workspace's folder, a cold store.

Invariant: a byte of a copy is written only after it opened with the item's own key and the whole file gave the SHA-256 on
record; a copy can be in anybody's hand. What replaces a file does so by one rename. A pack is mended file by file: places
that no item owns are never filled from a copy, or a repair could bring back what was erased here.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from amparo.kernel.errors import AmparoError, DiskRefused, NotFound
from amparo.kernel.i18n import N_
from amparo.vault.blob_check import BlobUnreadable, Known
from amparo.vault.blob_format import (
    AAD,
    BLOCK,
    CHUNK,
    SEALED_CHUNK,
    BlobAltered,
    BlobHashWrong,
    BlobMissing,
    BlobTruncated,
    nonce,
    padme,
)
from amparo.vault.blobs import BlobStore
from amparo.vault.disk import translated
from amparo.vault.remote import Cold, FolderBucket, segment

_PACK_MOST: Final = 64 << 20  # bytes; no pack of ours is longer, whatever lies in its place


class NoReplica(NotFound):
    template = N_(
        "{folder} holds no sealed files of a workspace; name a backup, a copy of the workspace, or a cold store's folder."
    )


class Replica(Protocol):
    """A copy of the store's files, anywhere."""

    label: str

    def read(self, name: str, offset: int, length: int) -> bytes:
        """``length`` bytes of the file ``name`` (BlobStore.name). Raises BlobMissing, BlobTruncated and its own errors."""
        ...


class FolderReplica:
    """A backup's or a workspace's folder, or that of a cold store, whose files lie there in segments."""

    def __init__(self, folder: Path) -> None:
        """Raises NoReplica."""
        self.label = str(folder)
        found = next((root for root in (folder / "blobs", folder) if _holds_blobs(root)), None)
        if found is None:
            raise NoReplica(folder=str(folder))
        self.root = found
        self._segments = Cold(FolderBucket(found))

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Raises BlobMissing, BlobTruncated, BlobUnreadable, RemoteShort."""
        path = self.root / name
        if not path.exists() and path.with_name(segment(path.name, 0)).exists():
            return self._segments.read(name, offset, length)
        try:
            with translated(path), path.open("rb") as file:
                file.seek(offset)
                data = file.read(length)
        except (FileNotFoundError, NotADirectoryError):
            raise BlobMissing(blob=path.name) from None
        except DiskRefused as error:  # the copy's disk, which is no failure of ours
            raise BlobUnreadable(blob=path.name, why=str(error)) from None
        if len(data) < length:
            raise BlobTruncated(blob=path.name, found=len(data), expected=length)
        return data


def _holds_blobs(root: Path) -> bool:
    return (root / "objects").is_dir() or (root / "packs").is_dir()


def authentic(replica: Replica, store: BlobStore, item: Known) -> Iterator[bytes]:
    """Yield an item's sealed file from a copy, chunk by chunk, each after it was opened; the last after the hash was right.

    Raises BlobMissing, BlobDamaged and what the copy raises.
    """
    path, packed_at, length = store.place(item.blob, item.size)
    name, base = store.name(path), packed_at or 0
    cipher, running, held = AESGCM(item.key), hashlib.sha256(), b""
    for number, offset in enumerate(range(0, length, SEALED_CHUNK)):
        sealed = replica.read(name, base + offset, min(SEALED_CHUNK, length - offset))
        try:
            plain = cipher.decrypt(nonce(number, last=offset + len(sealed) == length), sealed, AAD)
        except (InvalidTag, ValueError):
            raise BlobAltered(blob=item.blob, chunk=number + 1) from None
        running.update(memoryview(plain)[: max(0, min(CHUNK, item.size - number * CHUNK))])
        if number:
            yield held
        held = sealed
    if running.digest() != item.sha256:
        raise BlobHashWrong(blob=item.blob)
    yield held


def mend_object(store: BlobStore, item: Known, replica: Replica) -> None:
    """Replace a large file by a copy's. Raises BlobMissing, BlobDamaged, DiskRefused; then all is as it was."""
    path, _, _ = store.place(item.blob, item.size)
    store.put_back(path, authentic(replica, store, item))


def mend_pack(
    store: BlobStore, path: Path, members: Sequence[Known], damaged: Iterable[Known], replicas: Iterable[Replica], *,
    all_or_none: bool = False,
) -> tuple[dict[str, str], dict[str, AmparoError]]:  # fmt: skip
    """Replace the damaged files of one pack by copies, each by the first copy that has it whole; the rest stays as it is.

    ``members`` are all items of the pack. Returns (handle -> label of the copy it came from, handle -> why not).
    Raises DiskRefused, and with ``all_or_none`` the first reason why not, before anything is written.
    """
    found: dict[str, tuple[int, bytes]] = {}
    origin: dict[str, str] = {}
    refused: dict[str, AmparoError] = {}
    copies = list(replicas)
    for item in damaged:
        _, offset, _ = store.place(item.blob, item.size)
        for replica in copies:
            try:
                found[item.handle] = (offset or 0, b"".join(authentic(replica, store, item)))
            except AmparoError as error:
                refused[item.handle] = error
                continue
            refused.pop(item.handle, None)
            origin[item.handle] = replica.label
            break
    if all_or_none and refused:
        raise next(iter(refused.values()))
    if found:
        store.put_back(path, [_mended(store, path, members, found)])
    return origin, refused


def _mended(store: BlobStore, path: Path, members: Sequence[Known], found: dict[str, tuple[int, bytes]]) -> bytes:
    """The pack's bytes with what was found; where nothing can be read, random bytes that no key opens (zeros mean erased)."""
    places = [store.place(item.blob, item.size) for item in members]
    end = max((offset or 0) + length for _, offset, length in places)
    here = _readable(path)
    pack = bytearray(here + os.urandom(max(0, -(-padme(end) // BLOCK) * BLOCK - len(here))))
    for offset, data in found.values():
        pack[offset : offset + len(data)] = data
    return bytes(pack)


def _readable(path: Path) -> bytes:
    """What can be read of a pack, block by block where the disk has bad ones."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            try:
                return file.read(_PACK_MOST)
            except OSError:
                return b"".join(_block(file.fileno(), offset) for offset in range(0, min(size, _PACK_MOST), BLOCK))
    except OSError:
        return b""


def _block(descriptor: int, offset: int) -> bytes:
    try:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, BLOCK)
    except OSError:
        return os.urandom(BLOCK)
