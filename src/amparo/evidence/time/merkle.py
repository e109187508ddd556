"""A salted Merkle tree: whoever stamps its root learns neither what was stamped nor how much.

Invariants: the tree is that of RFC 9162 §2.1 over SHA-256 (leaf: 0x00 || data, node: 0x01 || left || right), so no node passes
for a leaf. Each leaf's data begins with a label of its kind and 32 random bytes of its own: neither the root nor a neighbour
in somebody else's proof lets anyone test a guess at a file. Random leaves fill a tree up to a power of two and all are
shuffled: a proof shows one leaf, hashes, and no more of the others' number than that.

    item      "amparo/stamp/item/1"    || salt || SHA-256 || BLAKE3 || size (8 bytes, big-endian)
    heads     "amparo/stamp/heads/1"   || salt || SHA-256 of a signed checkpoint of the ledger
    renewal   "amparo/stamp/renewal/1" || salt || SHA-512 of an earlier stamp (time.renewal)
    filling   "amparo/stamp/filling/1" || salt
"""

import hashlib
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from amparo.kernel import cbor
from amparo.kernel.errors import Unverified
from amparo.kernel.i18n import N_

ITEM: Final = b"amparo/stamp/item/1"
HEADS: Final = b"amparo/stamp/heads/1"
RENEWAL: Final = b"amparo/stamp/renewal/1"
FILLING: Final = b"amparo/stamp/filling/1"
_DEEPEST: Final = 64


class ProofUnreadable(Unverified):
    template = N_("The stored proof of inclusion is damaged; take the ledger from a backup, or stamp the item again.")


class ProofWrong(Unverified):
    template = N_("The proof of inclusion does not lead to the root that was stamped: the item, or the proof, was changed.")


@dataclass(slots=True, frozen=True)
class Leaf:
    """``label`` of its kind, 32 random bytes, and what is stamped; ``data`` is what is hashed."""

    label: bytes
    salt: bytes
    content: bytes

    @property
    def data(self) -> bytes:
        return self.label + self.salt + self.content


def item_leaf(sha256: bytes, blake3: bytes, size: int, salt: bytes = b"") -> Leaf:
    """The leaf of a digital item; a fresh salt unless given."""
    return Leaf(ITEM, salt or os.urandom(32), sha256 + blake3 + size.to_bytes(8, "big"))


def heads_leaf(checkpoint: bytes, salt: bytes = b"") -> Leaf:
    """The leaf of a signed checkpoint (ledger.checkpoint), by which all entries up to its heads are stamped."""
    return Leaf(HEADS, salt or os.urandom(32), hashlib.sha256(checkpoint).digest())


def renewal_leaf(earlier: bytes, salt: bytes = b"") -> Leaf:
    """The leaf of an earlier stamp with all that is needed to verify it."""
    return Leaf(RENEWAL, salt or os.urandom(32), hashlib.sha512(earlier).digest())


@dataclass(slots=True, frozen=True)
class Proof:
    """That a leaf is in a tree: its salt, its place, the number of leaves, the sibling hashes upwards (32 bytes each)."""

    salt: bytes
    index: int
    leaves: int
    path: tuple[bytes, ...]

    def packed(self) -> bytes:
        return cbor.encode([1, self.salt, self.index, self.leaves, b"".join(self.path)])

    @classmethod
    def unpack(cls, data: bytes) -> "Proof":
        """Raises ProofUnreadable, NotCanonical."""
        fields = cbor.decode(data)
        if not (isinstance(fields, list) and [type(one) for one in fields] == [int, bytes, int, int, bytes] and fields[0] == 1):
            raise ProofUnreadable
        _version, salt, index, leaves, path = fields
        if not (len(salt) == 32 and 0 <= index < leaves < 1 << _DEEPEST and len(path) % 32 == 0 and len(path) <= 32 * _DEEPEST):
            raise ProofUnreadable
        return cls(salt, index, leaves, tuple(path[at : at + 32] for at in range(0, len(path), 32)))

    def steps(self) -> Iterator[tuple[bytes, bytes]]:
        """(bytes before, bytes after): what is put around the hash so far before it is hashed again, from the leaf to the root.

        The walk of RFC 9162 §2.1.3.2. Raises ProofWrong for a path of the wrong length.
        """
        node, last = self.index, self.leaves - 1
        for sibling in self.path:
            if last == 0:
                raise ProofWrong
            if node & 1 or node == last:
                yield b"\x01" + sibling, b""
                while not node & 1 and node:
                    node, last = node >> 1, last >> 1
            else:
                yield b"\x01", sibling
            node, last = node >> 1, last >> 1
        if last:
            raise ProofWrong

    def root(self, leaf: Leaf) -> bytes:
        """The root that this proof leads to from ``leaf``. Raises ProofWrong."""
        found = hashlib.sha256(b"\x00" + leaf.data).digest()
        for before, after in self.steps():
            found = hashlib.sha256(before + found + after).digest()
        return found


def plant(leaves: Sequence[Leaf]) -> tuple[bytes, list[Proof]]:
    """The root of a filled and shuffled tree over at least one leaf, and a proof for each given leaf, in their order."""
    size = 1 << (len(leaves) - 1).bit_length()
    filled = [*leaves, *(Leaf(FILLING, os.urandom(32), b"") for _ in range(size - len(leaves)))]
    places = list(range(size))
    random.SystemRandom().shuffle(places)
    root, proofs = tree([filled[place] for place in places])
    by_leaf = dict(zip(places, proofs, strict=True))
    return root, [by_leaf[at] for at in range(len(leaves))]


def tree(leaves: Sequence[Leaf]) -> tuple[bytes, list[Proof]]:
    """The root over at least one leaf, and a proof for each, in their order."""
    levels = [[hashlib.sha256(b"\x00" + leaf.data).digest() for leaf in leaves]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        above = [hashlib.sha256(b"\x01" + below[at] + below[at + 1]).digest() for at in range(0, len(below) - 1, 2)]
        levels.append(above + below[2 * len(above) :])  # one without a sibling rises as it is
    proofs = []
    for index, leaf in enumerate(leaves):
        path, place = [], index
        for level in levels[:-1]:
            if place ^ 1 < len(level):
                path.append(level[place ^ 1])
            place >>= 1
        proofs.append(Proof(leaf.salt, index, len(leaves), tuple(path)))
    return levels[-1][0], proofs
