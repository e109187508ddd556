"""How a sealed file lies on the disk, and how it is read: no byte is handed out before its chunk has been verified.

A file is sealed under a random 32-byte key that seals nothing else, in chunks, each AES-256-GCM (NIST SP 800-38D) with the
STREAM nonce (Hoang, Reyhanitabar, Rogaway, Vizár, "Online authenticated-encryption", CRYPTO 2015): seven zero bytes ||
chunk number, 4 bytes big-endian || 1 for the last chunk, else 0. So chunks cannot be altered, reordered, dropped or cut off
unseen. There is no header: whoever holds key, size and SHA-256 (a ``items@1`` row) can read the file, nobody else can tell
what it is. AES-GCM does not bind a ciphertext to one key; the SHA-256 in the signed record does, and is checked whenever a
file is read from start to end.

A sealed chunk has 4 MiB with its 16-byte tag, the last one less. The plain text is padded with zeros to its Padmé size
(Nikitin et al., "Reducing metadata leakage from encrypted files", PETS 2019: at most 12 % longer, under 4 % from 1 MiB on)
and the whole rounded up to 4096 bytes, so that the file's length says little. A file in a pack is one chunk and unpadded:
where one ends and the next begins cannot be seen.
"""

import hashlib
import io
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from amparo.kernel.errors import NotFound, Unverified
from amparo.kernel.i18n import N_

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

TAG: Final = 16
SEALED_CHUNK: Final = 4 << 20
CHUNK: Final = SEALED_CHUNK - TAG
BLOCK: Final = 4096
AAD: Final = b"amparo/blob/1"


class BlobMissing(NotFound):
    template = N_("A sealed file is not in this copy of the workspace ({blob}); fetch it from a backup or another device.")


class BlobErased(BlobMissing):
    template = N_("A sealed file was erased from this copy of the workspace ({blob}).")


class BlobDamaged(Unverified):
    template = N_("A sealed file is not what was sealed ({blob}); restore it from a backup.")


class BlobTruncated(BlobDamaged):
    template = N_("A sealed file has {found} bytes where {expected} were sealed ({blob}); restore it from a backup.")


class BlobAltered(BlobDamaged):
    template = N_(
        "Chunk {chunk} of a sealed file does not open with its key ({blob}): it was altered or belongs to another file; "
        "restore it from a backup."
    )


class BlobHashWrong(BlobDamaged):
    template = N_("A sealed file opens, but its SHA-256 is not the one on record ({blob}); restore file and record together.")


def nonce(chunk: int, *, last: bool) -> bytes:
    """The 12-byte nonce of chunk number ``chunk`` (0 ..)."""
    return struct.pack(">7xIB", chunk, last)


def padme(size: int) -> int:
    """The Padmé size of ``size`` bytes: its binary form keeps only as many significant bits as its exponent has bits."""
    if size < 2:
        return size
    exponent = size.bit_length() - 1
    low = exponent - exponent.bit_length()
    mask = (1 << max(low, 0)) - 1
    return (size + mask) & ~mask


def chunks_of(plain: int) -> int:
    """How many chunks ``plain`` bytes take (an empty file takes one)."""
    return max(1, -(-plain // CHUNK))


def sealed_size(size: int) -> int:
    """Bytes on the disk of a file of ``size`` bytes sealed as an object of its own: a multiple of 4096."""
    padded = padme(size)
    return -(-(padded + TAG * chunks_of(padded)) // BLOCK) * BLOCK


def padded_size(size: int) -> int:
    """Bytes of plain text and zeros that are sealed for a file of ``size`` bytes."""
    sealed = sealed_size(size)
    return sealed - TAG * -(-sealed // SEALED_CHUNK)


class BlobReader(io.RawIOBase):
    """A readable, seekable binary stream over a sealed file; holds one chunk in memory, never plain text on the disk.

    Reading raises BlobAltered, BlobTruncated or (when read from start to end) BlobHashWrong.
    """

    def __init__(self, path: Path, blob: str, key: bytes, size: int, sha256: bytes, *, packed_at: int | None = None) -> None:
        """``path`` holds the file alone, or from ``packed_at`` on in a pack. Raises BlobMissing, BlobTruncated."""
        self._blob, self._size, self._sha256 = blob, size, sha256
        self._packed, self._offset = packed_at is not None, packed_at or 0
        self._sealed = size + TAG if self._packed else sealed_size(size)
        self._cipher = AESGCM(key)
        try:
            self._file = path.open("rb", buffering=0)
        except FileNotFoundError:
            raise BlobMissing(blob=blob) from None
        found = max(0, path.stat().st_size - self._offset)
        if found < self._sealed or (found > self._sealed and not self._packed):
            self._file.close()
            raise BlobTruncated(blob=blob, found=found, expected=self._sealed)
        self._position = 0
        self._chunk, self._number = b"", -1
        self._running, self._hashed = hashlib.sha256(), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("negative position")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        number, start = divmod(self._position, CHUNK)
        if self._position >= self._size:
            if self._size == 0:
                self._load(0)
            return 0
        self._load(number)
        data = memoryview(self._chunk)[start : start + min(len(view), self._size - self._position)]
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def read_range(self, start: int, length: int) -> bytes:
        """Return ``length`` bytes from ``start`` (fewer at the file's end), opening only the chunks they lie in."""
        self.seek(start)
        wanted = bytearray(max(0, min(length, self._size - start)))
        view = memoryview(wanted)
        while view:
            view = view[self.readinto(view) :]
        return bytes(wanted)

    def close(self) -> None:
        self._chunk = b""
        if not self.closed:
            self._file.close()
        super().close()

    def _load(self, number: int) -> None:
        """Open chunk ``number`` unless it is open; hash it if all before it were hashed; check the hash after the last."""
        if number == self._number:
            return
        self._file.seek(self._offset + number * SEALED_CHUNK)
        wanted = min(SEALED_CHUNK, self._sealed - number * SEALED_CHUNK)
        sealed = self._file.read(wanted)
        last = (number + 1) * SEALED_CHUNK >= self._sealed
        if self._packed and not any(sealed):
            raise BlobErased(blob=self._blob)
        try:
            self._chunk = self._cipher.decrypt(nonce(number, last=last), sealed, AAD)
        except (InvalidTag, ValueError):
            raise BlobAltered(blob=self._blob, chunk=number + 1) from None
        self._number = number
        begin = number * CHUNK
        if begin == self._hashed:
            data = memoryview(self._chunk)[: max(0, self._size - begin)]
            self._running.update(data)
            self._hashed += len(data)
            if self._hashed == self._size and self._running.digest() != self._sha256:
                raise BlobHashWrong(blob=self._blob)
