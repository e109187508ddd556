"""OpenTimestamps proofs: read, followed, joined and written; byte-compatible with the `ots` program's .ots files.

Invariants: a proof is at most 64 KiB, 256 operations deep, and each message at most 4 KiB, so that a hostile one costs no more
than hashing some megabytes; nothing recurses on reading. What a tree of operations ends in are attestations: that of a
calendar is a promise, that of Bitcoin says that the message is the Merkle root of the block at a height, which ``headers``
can check off line. Attestations and operations we do not know are kept as they are and prove nothing.

Form: magic, version 1, the operation that hashed the file, its digest, then the tree (opentimestamps.org; Todd, 2016).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from amparo.evidence.time.merkle import Leaf, Proof
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _

LIMIT: Final = 64 << 10
_MAGIC: Final = b"\x00OpenTimestamps\x00\x00Proof\x00\xbf\x89\xe2\xe8\x84\xe8\x92\x94"
_DEPTH: Final = 256
_MESSAGE: Final = 4096
_PAYLOAD: Final = 8192
_SHA256, _APPEND, _PREPEND = 0x08, 0xF0, 0xF1
_HASHES: Final = {0x02: ("sha1", 20), 0x03: ("ripemd160", 20), 0x08: ("sha256", 32), 0x67: ("keccak256", 32)}
BITCOIN: Final = bytes.fromhex("0588960d73d71901")
PENDING: Final = bytes.fromhex("83dfe30d2ef90c8e")


class BadProof(BadInput):
    template = N_("{where} is not an OpenTimestamps proof that Amparo can read ({why}).")


class OtherProof(BadInput):
    template = N_("{where} is a proof for another file: it is over {digest}.")


class Attestation(NamedTuple):
    """``kind`` is BITCOIN, PENDING or 8 other bytes; ``payload`` its content as stored."""

    kind: bytes
    payload: bytes

    @property
    def height(self) -> int:
        """Of a Bitcoin attestation: the number of the block, or -1."""
        reader = _Reader(self.payload, "")
        try:
            height = reader.number(10)
        except BadProof:
            return -1
        return height if self.kind == BITCOIN and reader.ended else -1

    @property
    def calendar(self) -> str:
        """Of a pending attestation: the calendar's own address, as it claims; never contacted because of it."""
        reader = _Reader(self.payload, "")
        try:
            text = reader.block(1000).decode("ascii")
        except (BadProof, UnicodeDecodeError):
            return ""
        return text if self.kind == PENDING and reader.ended and text.isprintable() else ""


@dataclass(slots=True)
class Node:
    """A message (None: not computable), what attests to it, and what is made of it: (operation, argument, result)."""

    message: bytes | None
    attestations: list[Attestation] = field(default_factory=list)
    steps: list[tuple[int, bytes, "Node"]] = field(default_factory=list)

    def then(self, operation: int, argument: bytes = b"") -> "Node":
        """The node that an operation leads to, made if it is not there yet."""
        for known, given, node in self.steps:
            if (known, given) == (operation, argument):
                return node
        node = Node(_apply(operation, argument, self.message))
        self.steps.append((operation, argument, node))
        return node

    def join(self, other: "Node") -> None:
        """Add what another node over the same message knows."""
        todo = [(self, other)]
        while todo:
            ours, theirs = todo.pop()
            ours.attestations += [one for one in theirs.attestations if one not in ours.attestations]
            todo += [(ours.then(operation, argument), node) for operation, argument, node in theirs.steps]

    def walk(self) -> Iterator["Node"]:
        """This node and all below it."""
        todo = [self]
        while todo:
            node = todo.pop()
            yield node
            todo += [below for _operation, _argument, below in reversed(node.steps)]

    def ends(self) -> Iterator[tuple[bytes | None, Attestation]]:
        """(message, attestation) of all that is attested."""
        for node in self.walk():
            for attestation in node.attestations:
                yield node.message, attestation


@dataclass(slots=True)
class Detached:
    """A .ots file: the hash operation's tag (0x08 SHA-256) and the tree over the digest."""

    operation: int
    tree: Node

    @property
    def digest(self) -> bytes:
        return self.tree.message or b""

    def encode(self) -> bytes:
        """The file's bytes."""
        return _MAGIC + b"\x01" + bytes([self.operation]) + self.digest + encode_tree(self.tree)


# -- reading -----------------------------------------------------------------------------------------------------------------


def decode(data: bytes, where: str = "The file") -> Detached:
    """Read a .ots file. Raises BadProof."""
    reader = _Reader(data, where)
    if reader.take(len(_MAGIC)) != _MAGIC:
        raise BadProof(where=where, why=_("it does not begin as one"))
    if reader.number(10) != 1:
        raise BadProof(where=where, why=_("a version later than 1"))
    operation = reader.take(1)[0]
    if operation not in _HASHES:
        raise BadProof(where=where, why=_("an unknown hash of the file"))
    digest = reader.take(_HASHES[operation][1])
    tree = _tree(reader, digest)
    if not reader.ended:
        raise BadProof(where=where, why=_("bytes after its end"))
    return Detached(operation, tree)


def decode_tree(data: bytes, message: bytes, where: str = "The answer") -> Node:
    """Read what a calendar answers about ``message``. Raises BadProof."""
    reader = _Reader(data, where)
    tree = _tree(reader, message)
    if not reader.ended:
        raise BadProof(where=where, why=_("bytes after its end"))
    return tree


def _tree(reader: "_Reader", message: bytes) -> Node:
    root = Node(message)
    open_nodes: list[tuple[Node, bool]] = [(root, True)]  # (node, whether another branch of it follows)
    while open_nodes:
        node, _more = open_nodes.pop()
        tag = reader.take(1)[0]
        more = tag == 0xFF
        if more:
            tag = reader.take(1)[0]
        open_nodes.append((node, more))
        if tag == 0:
            node.attestations.append(Attestation(reader.take(8), reader.block(_PAYLOAD)))
            while open_nodes and not open_nodes[-1][1]:
                open_nodes.pop()
            continue
        if tag not in _HASHES and not 0xF0 <= tag <= 0xF3:
            raise BadProof(where=reader.where, why=_("an unknown operation, {tag:#x}").format(tag=tag))
        argument = reader.block(_MESSAGE) if tag in (_APPEND, _PREPEND) else b""
        if tag in (_APPEND, _PREPEND) and not argument:
            raise BadProof(where=reader.where, why=_("an operation without its argument"))
        below = Node(_apply(tag, argument, node.message, reader.where))
        node.steps.append((tag, argument, below))
        if len(open_nodes) >= _DEPTH:
            raise BadProof(where=reader.where, why=_("more than {count} operations deep").format(count=_DEPTH))
        open_nodes.append((below, True))
    return root


def _apply(operation: int, argument: bytes, message: bytes | None, where: str = "The proof") -> bytes | None:
    """The result of an operation; None where this machine's OpenSSL has no such hash, and from there on."""
    if message is None:
        return None
    if operation in _HASHES:
        try:
            return hashlib.new(_HASHES[operation][0], message).digest()
        except ValueError:  # keccak256 never, ripemd160 where OpenSSL leaves it out
            return None
    made = {
        _APPEND: message + argument, _PREPEND: argument + message, 0xF2: message[::-1], 0xF3: message.hex().encode(),
    }[operation]  # fmt: skip
    if len(made) > _MESSAGE:
        raise BadProof(where=where, why=_("a message of more than {count} bytes").format(count=_MESSAGE))
    return made


class _Reader:
    """Takes bytes from the front; never beyond the end."""

    def __init__(self, data: bytes, where: str) -> None:
        self.where, self._data, self._at = where, data, 0
        if len(data) > LIMIT:
            raise BadProof(where=where, why=_("more than {count} bytes").format(count=LIMIT))

    @property
    def ended(self) -> bool:
        return self._at == len(self._data)

    def take(self, count: int) -> bytes:
        found = self._data[self._at : self._at + count]
        if len(found) != count:
            raise BadProof(where=self.where, why=_("it is cut short"))
        self._at += count
        return found

    def number(self, most: int) -> int:
        """An unsigned LEB128 of at most ``most`` bytes."""
        value = 0
        for place in range(most):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << (7 * place)
            if not byte & 0x80:
                return value
        raise BadProof(where=self.where, why=_("a number that does not end"))

    def block(self, most: int) -> bytes:
        """Bytes after their number."""
        count = self.number(4)
        if count > most:
            raise BadProof(where=self.where, why=_("a field of more than {count} bytes").format(count=most))
        return self.take(count)


# -- writing -----------------------------------------------------------------------------------------------------------------


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def encode_tree(node: Node) -> bytes:
    """A tree's bytes, branches in the order that the reference implementation writes (sorted)."""
    out: list[bytes] = []
    todo: list[Node | bytes] = [node]
    while todo:
        one = todo.pop()
        if isinstance(one, bytes):
            out.append(one)
            continue
        ends: list[list[Node | bytes]] = [
            [b"\x00" + each.kind + _number(len(each.payload)) + each.payload] for each in sorted(one.attestations)
        ]
        steps: list[list[Node | bytes]] = [
            [bytes([operation]) + (_number(len(argument)) + argument if argument else b""), below]
            for operation, argument, below in sorted(one.steps, key=lambda step: step[:2])
        ]
        branches = ends + steps
        flat = [part for branch in branches[:-1] for part in (b"\xff", *branch)] + branches[-1]
        todo += reversed(flat)
    return b"".join(out)


def submit(root: Node, nonce: bytes) -> Node:
    """The node whose 32-byte message is sent to a calendar: the root blinded once more, so that a stamp elsewhere over the
    same root cannot be told from the calendar's public list.
    """
    return root.then(_APPEND, nonce).then(_SHA256)


def pending(tree: Node) -> list[Node]:
    """The nodes with a promise whose block is not known yet."""
    return [
        node for node in tree.walk()
        if node.message is not None
        and any(one.kind == PENDING for one in node.attestations)
        and not any(one.kind == BITCOIN for _message, one in node.ends())
    ]  # fmt: skip


def for_item(sha256: bytes, leaf: Leaf, proof: Proof, stamped: Node) -> Detached:
    """A .ots file for an item's own SHA-256: from the file's digest through its leaf and the tree to what is attested.

    `ots verify FILE.ots -f FILE` then needs nothing of Amparo. Raises ProofWrong.
    """
    before, found, after = leaf.data.partition(sha256)
    assert found
    top = Node(sha256)
    node = top.then(_PREPEND, b"\x00" + before)
    node = (node.then(_APPEND, after) if after else node).then(_SHA256)
    for left, right in proof.steps():
        if right:
            node = node.then(_APPEND, right)
        node = node.then(_PREPEND, left).then(_SHA256)
    node.join(stamped)
    return Detached(_SHA256, top)
