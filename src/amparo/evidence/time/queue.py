"""What was asked of whom, what came back, and what is still wanted: read from the seals over the ledger's heads.

Invariant: a pure function of the rows (record.items.Seal with no item), in the order they were written. Nothing is ever
overwritten: a later row for the same root and authority stands beside the earlier one and counts instead of it. A request is
wanted until a reply to it is held.

    kind                    digest   data                                                     authority
    authority               -        CBOR [1, rfc3161 | opentimestamps | c2pa, address, PEM]   its name; address "" removes it
    rfc3161-wanted          root     DER TimeStampReq                                          name
    rfc3161                 root     DER TimeStampResp as it came                              name
    opentimestamps-wanted   root     16 random bytes that blind the root                       name of the calendar
    opentimestamps          root     a .ots file over the root                                 name of the calendar
    heads                   root     CBOR [1, proof, signed checkpoint]
    renewal                 root     CBOR [1, proof, evidence (time.renewal)]                  name of the authority renewed
    bitcoin-block           -        time.headers.Block                                        where it is from
    merkle                  root     proof (time.merkle); on the item's own row
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from amparo.evidence.time.headers import Block
from amparo.evidence.time.renewal import read_evidence
from amparo.kernel import cbor
from amparo.kernel.errors import Unverified
from amparo.kernel.i18n import N_
from amparo.record.items import Seal

RFC3161: Final = "rfc3161"
OTS: Final = "opentimestamps"
SIGNERS: Final = "c2pa"
"""Not asked for anything: roots of those whose Content Credentials the user trusts."""
AUTHORITY: Final = "authority"
WANTED: Final = {RFC3161: "rfc3161-wanted", OTS: "opentimestamps-wanted"}
HEADS: Final = "heads"
RENEWAL: Final = "renewal"
BLOCK: Final = "bitcoin-block"
MERKLE: Final = "merkle"


class RowDamaged(Unverified):
    template = N_("A stored row about time-stamps ({kind}) is damaged; verify the ledger and take it from a backup.")


class Authority(NamedTuple):
    """``kind`` RFC3161, OTS or SIGNERS; ``certificates`` PEM, all that were ever given under this name."""

    name: str
    kind: str
    url: str
    certificates: bytes = b""

    def row(self, when: int) -> Seal:
        """The row that keeps it."""
        return Seal("", AUTHORITY, b"", cbor.encode([1, self.kind, self.url, self.certificates]), when, self.name)


class Renewed(NamedTuple):
    """An old stamp's evidence and the proof that it is in the tree of a new root."""

    root: bytes
    proof: bytes
    evidence: bytes
    authority: str


@dataclass(slots=True)
class Book:
    """All of it. Keys of the dicts are (root, name of the authority)."""

    authorities: dict[str, Authority] = field(default_factory=dict)
    wanted: dict[tuple[bytes, str], Seal] = field(default_factory=dict)
    stamps: dict[tuple[bytes, str], Seal] = field(default_factory=dict)
    heads: dict[bytes, tuple[bytes, bytes]] = field(default_factory=dict)
    renewals: list[Renewed] = field(default_factory=list)
    blocks: dict[int, tuple[Block, str]] = field(default_factory=dict)
    certificates: dict[str, bytes] = field(default_factory=dict)

    @property
    def active(self) -> list[Authority]:
        """The authorities that are asked now."""
        return [one for one in self.authorities.values() if one.url and one.kind in WANTED]

    @property
    def signers(self) -> list[Authority]:
        """Whose Content Credentials are trusted now."""
        return [one for one in self.authorities.values() if one.url and one.kind == SIGNERS]

    def pending(self, kind: str) -> list[tuple[Authority, Seal]]:
        """What is wanted of an authority that is still asked, oldest first."""
        return [
            (self.authorities[name], row)
            for (root, name), row in self.wanted.items()
            if row.kind == WANTED[kind] and (root, name) not in self.stamps
            and name in self.authorities and self.authorities[name].url
        ]  # fmt: skip

    def renewed(self) -> set[tuple[bytes, str]]:
        """(root, authority) of the stamps whose renewal is held, or wanted of somebody who is still asked."""
        alive = {root for root, _name in self.stamps}
        alive.update(row.digest for kind in WANTED for _authority, row in self.pending(kind))
        return {(read_evidence(one.evidence)[0], one.authority) for one in self.renewals if one.root in alive}

    def over(self, root: bytes, kind: str) -> list[Seal]:
        """The stamps of a kind over a root."""
        return [row for (over, _name), row in self.stamps.items() if over == root and row.kind == kind]


def read(rows: Iterable[Seal]) -> Book:
    """The book of the rows. Raises RowDamaged, NotCanonical."""
    book = Book()
    for row in rows:
        key = (row.digest, row.authority)
        if row.kind == AUTHORITY:
            _version, kind, url, pem = _fields(row, [int, str, str, bytes])
            given = book.certificates.get(row.authority, b"")
            book.certificates[row.authority] = given if pem in given else given + pem
            book.authorities[row.authority] = Authority(row.authority, kind, url, book.certificates[row.authority])
        elif row.kind in WANTED.values():
            book.wanted[key] = row
        elif row.kind in (RFC3161, OTS):
            book.stamps[key] = row
        elif row.kind == HEADS:
            _version, proof, checkpoint = _fields(row, [int, bytes, bytes])
            book.heads[row.digest] = proof, checkpoint
        elif row.kind == RENEWAL:
            _version, proof, evidence = _fields(row, [int, bytes, bytes])
            book.renewals.append(Renewed(row.digest, proof, evidence, row.authority))
        elif row.kind == BLOCK:
            block = Block.unpack(row.data)
            book.blocks[block.height] = block, row.authority
    return book


def _fields(row: Seal, types: list[type]) -> list[Any]:
    fields = cbor.decode(row.data)
    if not (isinstance(fields, list) and [type(one) for one in fields] == types and fields[0] == 1):
        raise RowDamaged(kind=row.kind)
    return fields
