"""Signed proof of custody for outsiders: ledger entries with the keys of single parts, and a signed list of all files.

Invariant: ``read`` returns only what follows by signatures from a root whose hash is the workspace's id: root, certificates,
entries, parts by hash and key commitment, the statement by a certified device. It proves who wrote what and that nothing of
it was changed since; not that an owner left nothing out (docs/format.md).

    ledger.cbor     [1, workspace, logs, entries, parts]
                    logs     [first entry, genesis part, certificate part]     of each device needed, by device id
                    entries  entry as it lies in the log                       by device id, seq
                    parts    [device, seq, index, sealed bytes, key or null]   in this order
    statement.cbor  COSE_Sign1, external_aad "amparo/court-export/1", payload
                    [1, workspace, device, ms, audience, purpose, recipient, heads, parts, items, files]
                    heads    [device, seq, SHA-256 of the entry]               of all logs
                    parts    [device, seq, index]                              all that tell of the items, opened or not
                    items    [handle, path, SHA-256, size]
                    files    [path below the bag, SHA-256, size]               all that ``signed_for`` names
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from amparo.kernel import cbor
from amparo.kernel.errors import Unverified
from amparo.kernel.i18n import N_
from amparo.ledger.checkpoint import Head
from amparo.ledger.entry import Entry, decode
from amparo.ledger.verify import accept_certificates, read_certificate, read_genesis
from amparo.vault.keyring import Certificate
from amparo.vault.seal import (
    PartKey,
    SigningKey,
    check_signature,
    commit,
    cose_parts,
    digest,
    open_part,
)

CONTEXT: Final = b"amparo/court-export/1"
LEDGER: Final = "data/custody/ledger.cbor"
STATEMENT: Final = "data/custody/statement.cbor"
_ITEM: Final[list[type]] = [str, str, bytes, int]
_OF_THE_BAG: Final = re.compile(r"bagit\.txt|bag-info\.txt|(?:tag)?manifest-[a-z0-9]+\.txt")
LIMITS: Final = {LEDGER: 64 << 20, STATEMENT: 16 << 20}
"""Bytes of either file that are read at most: some 50,000 items."""


def signed_for(path: str) -> bool:
    """Whether the statement lists a file of the bag: all but itself and what BagIt writes when all else is there."""
    return path != STATEMENT and not _OF_THE_BAG.fullmatch(path)


class DisclosureBad(Unverified):
    template = N_("The signed custody in this bag is not valid ({why}): it was altered, or put together of several.")


class FileNotAsSigned(Unverified):
    template = N_("The file {path} is not the one that was signed for: it was exchanged, added or removed after the export.")


class Place(NamedTuple):
    """Where a part lies: device id, number of the entry, index of the part."""

    device: bytes
    seq: int
    part: int


class Disclosed(NamedTuple):
    """A part to disclose: its sealed bytes, and its key, or None where it stays sealed."""

    place: Place
    body: bytes
    key: bytes | None


class First(NamedTuple):
    """What a device's log begins with: the entry, and its parts genesis and certificate."""

    entry: bytes
    genesis: bytes
    certificate: bytes


@dataclass(slots=True, frozen=True)
class Statement:
    """The signed list: ``items`` (handle, path, SHA-256, size), ``files`` path -> (SHA-256, size)."""

    workspace: bytes
    device: bytes
    ms: int
    audience: str
    purpose: str
    recipient: str
    heads: tuple[Head, ...]
    parts: tuple[Place, ...]
    items: tuple[tuple[str, str, bytes, int], ...]
    files: Mapping[str, tuple[bytes, int]]

    def signed(self, key: SigningKey) -> bytes:
        """statement.cbor."""
        payload: list[Any] = [
            1, self.workspace, self.device, self.ms, self.audience, self.purpose, self.recipient,
            [list(head) for head in self.heads], [list(place) for place in self.parts], [list(item) for item in self.items],
            [[path, *self.files[path]] for path in sorted(self.files)],
        ]  # fmt: skip
        return key.cose_sign1(cbor.encode(payload), CONTEXT)


class Row(NamedTuple):
    """A row that was opened and verified, and where it lies: "1:17:0" by the number of its device."""

    type: str
    row: list[Any]
    place: str


class Checked(NamedTuple):
    """What could be verified: the statement, rows of opened parts, how many parts stayed sealed."""

    statement: Statement
    rows: list[Row]
    sealed: int


def packed(workspace: bytes, logs: Iterable[First], entries: Iterable[bytes], parts: Iterable[Disclosed]) -> bytes:
    """ledger.cbor."""
    return cbor.encode([
        1, workspace, [list(first) for first in logs], list(entries),
        [[*part.place, part.body, part.key] for part in parts],
    ])  # fmt: skip


def read(ledger: bytes, statement: bytes, files: Mapping[str, bytes]) -> Checked:
    """Verify another workspace's disclosure. ``files``: path -> SHA-256 of each file as it is in the bag.

    Raises DisclosureBad, FileNotAsSigned, BadSignature and what the ledger's verification raises.
    """
    workspace, certificates, entries, parts = _read_ledger(ledger)
    told = _read_statement(statement, workspace, certificates)
    if set(told.parts) != {part.place for part in parts}:
        raise DisclosureBad(why="parts were added or taken away")
    found = {path: sha256 for path, sha256 in files.items() if signed_for(path)}
    for path in sorted(found.keys() | told.files.keys()):
        if found.get(path) != told.files.get(path, (b"", 0))[0]:
            raise FileNotAsSigned(path=path)
    for handle, path, sha256, size in told.items:
        if path and told.files.get(f"data/{path}") != (sha256, size):
            raise DisclosureBad(why=f"{handle} is not the file it is listed as")
    rows = [row for part in parts if part.key is not None for row in _open(part, entries, certificates)]
    _check_items(rows, told)
    return Checked(told, rows, sum(part.key is None for part in parts))


def _read_ledger(
    data: bytes,
) -> tuple[bytes, dict[bytes, Certificate], dict[tuple[bytes, int], Entry], list[Disclosed]]:
    _version, workspace, logs, raws, parts = _shape(cbor.decode(data), [int, bytes, list, list, list])
    accepted = trusted([First(*_shape(first, [bytes, bytes, bytes], version=False)) for first in logs], workspace)
    return workspace, accepted, _read_entries(raws, workspace, accepted), [_part(row) for row in parts]


def trusted(firsts: Iterable[First], workspace: bytes) -> dict[bytes, Certificate]:
    """Device -> its certificate, for logs whose beginnings follow by signatures from the root that is the workspace's.

    Raises DisclosureBad and what the ledger's verification raises.
    """
    found, root = [], None
    for first in firsts:
        entry = decode(first.entry)
        if entry.header.workspace != workspace or len(entry.header.parts) < 2 or entry.header.seq:
            raise DisclosureBad(why="a log begins with an entry of another workspace")
        beginning = replace(entry, header=replace(entry.header, parts=entry.header.parts[:2]))  # the rest, grants, stays here
        parts = [first.genesis, first.certificate]
        root = read_genesis(beginning, parts)[0]
        found.append((entry, read_certificate(beginning, parts)))
    if root is None:
        raise DisclosureBad(why="no log")
    accepted = accept_certificates(root, [certificate for _entry, certificate in found])
    for entry, certificate in found:
        entry.check_signature(certificate.key)
    return accepted


def _read_entries(
    raws: list[Any], workspace: bytes, certificates: Mapping[bytes, Certificate]
) -> dict[tuple[bytes, int], Entry]:
    entries: dict[tuple[bytes, int], Entry] = {}
    for raw in raws:
        if not isinstance(raw, bytes):
            raise DisclosureBad(why="form")
        entry = decode(raw)
        header = entry.header
        if header.workspace != workspace or header.device not in certificates:
            raise DisclosureBad(why="an entry of another workspace or device")
        entry.check_signature(certificates[header.device].key)
        if entries.setdefault((header.device, header.seq), entry).hash != entry.hash:
            raise DisclosureBad(why="two entries with one number")
    for (device, seq), entry in entries.items():
        before = entries.get((device, seq - 1))
        if before is not None and entry.header.prev != before.hash:
            raise DisclosureBad(why="an entry that does not follow from the one before it")
    return entries


def _part(row: Any) -> Disclosed:
    if not (isinstance(row, list) and len(row) == 5 and [type(x) for x in row[:4]] == [bytes, int, int, bytes]):
        raise DisclosureBad(why="form")
    if row[4] is not None and not (isinstance(row[4], bytes) and len(row[4]) == 32):
        raise DisclosureBad(why="form")
    return Disclosed(Place(*row[:3]), row[3], row[4])


def _read_statement(data: bytes, workspace: bytes, certificates: Mapping[bytes, Certificate]) -> Statement:
    payload, signature = cose_parts(data)
    kinds = [int, bytes, bytes, int, str, str, str, list, list, list, list]
    _version, home, device, ms, audience, purpose, recipient, heads, parts, items, files = _shape(cbor.decode(payload), kinds)
    if home != workspace or device not in certificates:
        raise DisclosureBad(why="a statement by another workspace or device")
    check_signature(payload, signature, certificates[device].key, CONTEXT, "the list of files")
    return Statement(
        workspace, device, ms, audience, purpose, recipient,
        tuple(Head(*_shape(row, [bytes, int, bytes], version=False)) for row in heads),
        tuple(Place(*_shape(row, [bytes, int, int], version=False)) for row in parts),
        tuple((row[0], row[1], row[2], row[3]) for row in (_shape(one, _ITEM, version=False) for one in items)),
        {row[0]: (row[1], row[2]) for row in (_shape(row, [str, bytes, int], version=False) for row in files)},
    )  # fmt: skip


def _open(part: Disclosed, entries: Mapping[tuple[bytes, int], Entry], certificates: Mapping[bytes, Certificate]) -> list[Row]:
    """The rows of one part, bound by hash and commitment to its signed entry."""
    device, seq, index = part.place
    entry = entries.get((device, seq))
    if entry is None or not 0 <= index < len(entry.header.parts) or part.key is None:
        raise DisclosureBad(why=f"part {index} of entry {seq} has no entry")
    known = entry.header.parts[index]
    if digest(part.body) != known.sha256 or commit(PartKey(part.key)) != known.commitment:
        raise DisclosureBad(why=f"part {index} of entry {seq} is not what was signed")
    plain = open_part(PartKey(part.key), part.body, entry.header.aad(index), f"part {index} of entry {entry.where}")
    body = cbor.decode(plain)
    if not (isinstance(body, list) and len(body) == 2 and isinstance(body[0], str) and isinstance(body[1], list)):
        raise DisclosureBad(why="form of a part")
    place = f"{certificates[device].number}:{seq}:{index}"
    return [Row(body[0], row, place) for row in body[1] if isinstance(row, list) and row]


def _check_items(rows: Iterable[Row], told: Statement) -> None:
    """An opened row of an item has the hash and size that the statement lists."""
    known = {handle: (sha256, size) for handle, _path, sha256, size in told.items}
    for one in rows:
        if one.type == "items@1" and len(one.row) > 4 and known.get(one.row[0]) != (one.row[2], one.row[4]):
            raise DisclosureBad(why=f"the signed row of {one.row[0]} names another file")


def _shape(value: Any, kinds: list[type], *, version: bool = True) -> list[Any]:
    if not (isinstance(value, list) and [type(x) for x in value] == kinds and (not version or value[0] == 1)):
        raise DisclosureBad(why="form")
    return value
