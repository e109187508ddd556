"""Bitcoin block headers from a file the user supplies: the only thing off line that a Bitcoin attestation can be held against.

Invariant: a block is believed because of the file it came from, and every sentence about it says so and gives the block's
hash, which anybody can compare with any public copy of the chain. What the file itself shows is checked: the header's proof
of work by its own target, and in a whole chain that each header names its predecessor. Read in pieces, any size.

Three forms: all headers from block 0, 80 bytes each, without anything between (as SPV wallets keep them); or text, one block
a line: "HEIGHT HEADER" (160 hexadecimal digits) or "HEIGHT MERKLE-ROOT UNIX-TIME" (64 digits as block explorers print them).
"""

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from amparo.kernel import cbor
from amparo.kernel.errors import BadInput, Unverified
from amparo.kernel.i18n import N_, _

_SIZE: Final = 80
_LINE: Final = 400


class BadHeaders(BadInput):
    template = N_(
        "{where} is no list of Bitcoin block headers ({why}); give 80-byte headers from block 0, or lines “HEIGHT HEADER-HEX”."
    )


class StoredBlockDamaged(Unverified):
    template = N_("A stored Bitcoin block header is damaged; give the headers again.")


@dataclass(slots=True, frozen=True)
class Block:
    """``root`` Merkle root in the header's byte order; ``time`` Unix seconds as its miner set it (within about two hours);
    ``header`` 80 bytes, or b"" where only root and time were given.
    """

    height: int
    root: bytes
    time: int
    header: bytes = b""

    @property
    def hash(self) -> str:
        """The block's hash as explorers print it; "" where no header was given."""
        return _hash(self.header)[::-1].hex() if self.header else ""

    def packed(self) -> bytes:
        return cbor.encode([1, self.height, self.root, self.time, self.header])

    @classmethod
    def unpack(cls, data: bytes) -> "Block":
        """Raises StoredBlockDamaged, NotCanonical."""
        fields = cbor.decode(data)
        if not (isinstance(fields, list) and [type(one) for one in fields] == [int, int, bytes, int, bytes] and fields[0] == 1):
            raise StoredBlockDamaged
        return cls(*fields[1:])


def read(stream: BinaryIO, wanted: Iterable[int], where: str) -> dict[int, Block]:
    """The blocks of the wanted heights that the seekable file holds. Raises BadHeaders."""
    heights = set(wanted)
    head = stream.read(_SIZE)
    binary = len(head) == _SIZE and head[4:36] == bytes(32)  # block 0 has no predecessor
    blocks = _chain(stream, head, where) if binary else _lines(stream, where)
    return {block.height: block for block in blocks if block.height in heights}


def _chain(stream: BinaryIO, header: bytes, where: str) -> Iterator[Block]:
    height, before = 0, bytes(32)
    while header:
        if len(header) != _SIZE:
            raise BadHeaders(where=where, why=_("block {height} is cut short").format(height=height))
        if header[4:36] != before:
            raise BadHeaders(where=where, why=_("block {height} does not follow the one before it").format(height=height))
        yield _block(height, header, where)
        before, height = _hash(header), height + 1
        header = stream.read(_SIZE)


def _lines(stream: BinaryIO, where: str) -> Iterator[Block]:
    stream.seek(0)
    for number in itertools.count(1):
        line = stream.readline(_LINE + 1)
        if not line:
            return
        if line.strip():
            yield _line(line, number, where)


def _line(line: bytes, number: int, where: str) -> Block:
    why = _("line {number}").format(number=number)
    try:
        words = line.decode("ascii").split()
        height, digits = int(words[0]), bytes.fromhex(words[1])
        if height < 0 or len(line) > _LINE:
            raise BadHeaders(where=where, why=why)
        if len(digits) == _SIZE and len(words) == 2:
            return _block(height, digits, where)
        if len(digits) == 32 and len(words) == 3 and 0 < int(words[2]) < 1 << 32:
            return Block(height, digits[::-1], int(words[2]))
    except (ValueError, IndexError):
        raise BadHeaders(where=where, why=why) from None
    raise BadHeaders(where=where, why=why)


def _block(height: int, header: bytes, where: str) -> Block:
    bits = int.from_bytes(header[72:76], "little")
    size, digits = bits >> 24, bits & 0x007FFFFF
    target = digits << (8 * (size - 3)) if size >= 3 else digits >> (8 * (3 - size))
    if bits & 0x00800000 or int.from_bytes(_hash(header), "little") > target:
        raise BadHeaders(where=where, why=_("block {height} has not the proof of work it claims").format(height=height))
    return Block(height, header[36:68], int.from_bytes(header[68:72], "little"), header)


def _hash(header: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(header).digest()).digest()
