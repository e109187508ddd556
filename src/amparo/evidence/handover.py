"""Hand-over of items between organisations, signed by both: a document by the giver, a receipt by the receiver.

Invariants: a document names every item by its SHA-256 and, if the giver wants it so, the one workspace that may accept it; a
receipt holds the whole document it answers, so that neither side can later show another one. Both carry the certificates by
which their signature follows from their workspace's root: whoever reads one compares the workspace's number with the other
side.

    file     CBOR [1, firsts (disclosure.First), COSE_Sign1]
    document external_aad "amparo/handover/1", payload
             [1, workspace, device, ms, id (16 random bytes), to, receiver (workspace id or empty), by, reason, authority,
              items [handle, SHA-256, size, media type]]
    receipt  external_aad "amparo/handover-receipt/1", payload
             [1, workspace, device, ms, by, the document's file, SHA-256 of each item received]
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from amparo.evidence.disclosure import First, trusted
from amparo.kernel import cbor
from amparo.kernel.errors import BadInput, Unverified
from amparo.kernel.i18n import N_
from amparo.vault.seal import SigningKey, check_signature, cose_parts, digest

LIMIT: Final = 4 << 20
"""Bytes of a file at most: some 20,000 items. It is decoded where the keys are, so it must not cost much."""
_ROOM: Final = LIMIT // 2  # of a receipt, which holds the document and a hash for each item
_DOCUMENT: Final = b"amparo/handover/1"
_RECEIPT: Final = b"amparo/handover-receipt/1"


class NotAHandOver(BadInput):
    template = N_("{name} is neither a hand-over document nor a receipt ({why}); ask for it again.")


class HandOverForged(Unverified):
    template = N_("The signature on {name} is not valid ({why}): it was altered. Do not accept it; ask for it again.")


class TooManyHanded(BadInput):
    template = N_("{items:,} items are too many for one hand-over; hand them over in several.")


class Handed(NamedTuple):
    """An item as the giver names it."""

    handle: str
    sha256: bytes
    size: int
    media_type: str


class Signer(NamedTuple):
    """Who signs: workspace, device, its key, and the beginnings of the logs that vouch for it."""

    workspace: bytes
    device: bytes
    key: SigningKey
    firsts: tuple[First, ...]


@dataclass(slots=True, frozen=True)
class Document:
    """A verified hand-over document; ``raw`` its file."""

    workspace: bytes
    device: bytes
    ms: int
    id: bytes
    to: str
    receiver: bytes
    by: str
    reason: str
    authority: str
    items: tuple[Handed, ...]
    raw: bytes = b""

    @property
    def sha256(self) -> bytes:
        """SHA-256 of the file: what both sides write into their custody."""
        return digest(self.raw)


@dataclass(slots=True, frozen=True)
class Receipt:
    """A verified receipt with the verified document it answers; ``received`` the SHA-256 of the items that were there."""

    workspace: bytes
    device: bytes
    ms: int
    by: str
    document: Document
    received: tuple[bytes, ...]
    raw: bytes = b""

    @property
    def sha256(self) -> bytes:
        """SHA-256 of the file."""
        return digest(self.raw)


def make(signer: Signer, document: Document) -> bytes:
    """The document's file, signed. Raises TooManyHanded."""
    payload: list[Any] = [
        1, signer.workspace, signer.device, document.ms, document.id, document.to, document.receiver, document.by,
        document.reason, document.authority, [list(item) for item in document.items],
    ]  # fmt: skip
    made = _file(signer, cbor.encode(payload), _DOCUMENT)
    if len(made) > LIMIT - _ROOM:
        raise TooManyHanded(items=len(document.items))
    return made


def accept(signer: Signer, document: Document, *, now: int, by: str, received: Iterable[bytes]) -> bytes:
    """The receipt's file, signed: these items, by their SHA-256, are here."""
    payload: list[Any] = [1, signer.workspace, signer.device, now, by, document.raw, sorted(received)]
    return _file(signer, cbor.encode(payload), _RECEIPT)


def read_document(data: bytes, name: str) -> Document:
    """Verify a document's file. Raises NotAHandOver, HandOverForged."""
    fields = _verified(data, name, _DOCUMENT, [int, bytes, bytes, int, bytes, str, bytes, str, str, str, list])
    _version, workspace, device, ms, id, to, receiver, by, reason, authority, rows = fields
    items = []
    for row in rows:
        if not (isinstance(row, list) and [type(x) for x in row] == [str, bytes, int, str] and len(row[1]) == 32):
            raise NotAHandOver(name=name, why="form")
        items.append(Handed(*row))
    if len(id) != 16 or len(receiver) not in (0, 16) or not items:
        raise NotAHandOver(name=name, why="form")
    return Document(workspace, device, ms, id, to, receiver, by, reason, authority, tuple(items), data)


def read_receipt(data: bytes, name: str) -> Receipt:
    """Verify a receipt's file and the document in it. Raises NotAHandOver, HandOverForged."""
    kinds = [int, bytes, bytes, int, str, bytes, list]
    _version, workspace, device, ms, by, raw, received = _verified(data, name, _RECEIPT, kinds)
    document = read_document(raw, name)
    known = {item.sha256 for item in document.items}
    if not received or not all(isinstance(one, bytes) and one in known for one in received):
        raise NotAHandOver(name=name, why="it tells of other items")
    return Receipt(workspace, device, ms, by, document, tuple(received), data)


def _file(signer: Signer, payload: bytes, context: bytes) -> bytes:
    return cbor.encode([1, [list(first) for first in signer.firsts], signer.key.cose_sign1(payload, context)])


def _verified(data: bytes, name: str, context: bytes, kinds: list[type]) -> list[Any]:
    """The fields that a certified device of the workspace they name has signed."""
    if len(data) > LIMIT:
        raise NotAHandOver(name=name, why="too long")
    try:
        outer = cbor.decode(data)
        if not (isinstance(outer, list) and [type(x) for x in outer] == [int, list, bytes] and outer[0] == 1):
            raise NotAHandOver(name=name, why="form")
        if not all(isinstance(row, list) and [type(x) for x in row] == [bytes, bytes, bytes] for row in outer[1]):
            raise NotAHandOver(name=name, why="form")
        payload, signature = cose_parts(outer[2])
        fields = cbor.decode(payload)
        if not (isinstance(fields, list) and [type(x) for x in fields] == kinds and fields[0] == 1):
            raise NotAHandOver(name=name, why="another kind of document")
        certificates = trusted([First(*row) for row in outer[1]], fields[1])
        if fields[2] not in certificates:
            raise HandOverForged(name=name, why="no certificate for the device")
        check_signature(payload, signature, certificates[fields[2]].key, context, name)
    except NotAHandOver:
        raise
    except Unverified as error:
        if isinstance(error, HandOverForged):
            raise
        raise HandOverForged(name=name, why=str(error)) from None
    return list(fields)
