"""The rows of the evidence room (compartment ``testimony``): digital items, their custody, and what was read in them.

Invariant: a row about an item names it by its handle ``D-n``, and the item names its source ``S-n``: whoever erases the
source finds all of them. Nothing here reaches the record: file names and metadata can hold the names of persons.

Terms as in the Berkeley Protocol on Digital Open Source Investigations (2022), ISO/IEC 27037:2012 and SWGDE: digital item,
acquisition, chain of custody, derivative.
"""

from dataclasses import dataclass
from typing import ClassVar

from amparo.kernel.i18n import N_
from amparo.record.model import Row

RELATIONS = (
    "", "member", "attachment", "redacted", "transcript", "still", "rendered", "capture", "proof", "copy",
)  # fmt: skip
"""How an item stands to its parent; "" for an original. A member or an attachment is an original that came inside another."""
ACTIONS = (
    N_("acquired"), N_("viewed"), N_("read"), N_("copied"), N_("exported"), N_("derived"), N_("redacted"), N_("verified"),
    N_("damage found"), N_("repaired"), N_("timestamped"), N_("handed over"), N_("received"), N_("moved"), N_("contested"),
)  # fmt: skip


@dataclass(slots=True)
class Acquisition(Row):
    """How the items of a source came: ``source`` S-n; the rest in the collector's words; ``started`` ms since 1970 UTC."""

    TYPE: ClassVar[str] = "acquisitions@1"
    source: str
    from_whom: str = ""
    how: str = ""
    collector: str = ""
    device: str = ""
    authority: str = ""
    path: str = ""
    started: int = 0


@dataclass(slots=True)
class Item(Row):
    """A digital item: one sealed file, original or derivative.

    ``sha256``, ``blake3`` (32 bytes) and ``size`` (bytes) of the plain file; ``blob`` its opaque address and ``key`` its own
    32-byte key (vault.blobs); ``name`` and ``path`` as it came; ``media_type`` by its first bytes, not by its name;
    ``modified`` ms since 1970 as the file system or container it came from claims, 0 unknown; ``parent`` D-n with a
    ``relation`` of RELATIONS; ``added`` ms since 1970 by this device's clock.
    """

    TYPE: ClassVar[str] = "items@1"
    handle: str
    source: str
    sha256: bytes
    blake3: bytes
    size: int
    blob: str
    key: bytes
    name: str = ""
    path: str = ""
    media_type: str = ""
    modified: int = 0
    parent: str = ""
    relation: str = ""
    added: int = 0


@dataclass(slots=True)
class Custody(Row):
    """One event in an item's chain of custody (ISO/IEC 27037 §6.1): who did what when, why, by whose authority.

    ``when`` ms since 1970 by the clock of the workspace's device with the number ``device``; ``action`` one of ACTIONS;
    "contested" stands in no row: the view says so of a handle that was given twice.
    """

    TYPE: ClassVar[str] = "custody@1"
    item: str
    when: int
    device: str
    action: str
    actor: str = ""
    reason: str = ""
    authority: str = ""
    detail: str = ""


@dataclass(slots=True)
class Fact(Row):
    """What a reader found out about an item: ``kind`` ("metadata", "media", "container", ...), ``data`` a JSON object; the
    ``number``-th of its kind from 1. Kind "read" says that the reader has been through, and what it could not read.
    """

    TYPE: ClassVar[str] = "facts@1"
    item: str
    kind: str
    reader: str
    data: str
    number: int = 1


@dataclass(slots=True)
class Piece(Row):
    """A piece of an item's text in reading order: ``number`` from 1; ``locator`` "p. 3, ¶ 2" or "00:01:02.000-00:01:05.500"."""

    TYPE: ClassVar[str] = "texts@1"
    item: str
    number: int
    locator: str
    text: str
    language: str = ""
    reader: str = ""


@dataclass(slots=True)
class Print(Row):
    """A fingerprint by which near-duplicates are found: ``kind`` pdq, minhash, chromaprint; ``place`` "" or a second."""

    TYPE: ClassVar[str] = "prints@1"
    item: str
    kind: str
    place: str
    bits: bytes
    quality: int = 0


@dataclass(slots=True)
class Seal(Row):
    """A proof from outside: ``kind`` rfc3161, opentimestamps, ...; ``digest`` what it is over, ``data`` the proof's bytes.

    ``item`` is D-n, or "" where it is over the ledger's heads. ``note`` says in plain words what it proves and by whom.
    """

    TYPE: ClassVar[str] = "seals@1"
    item: str
    kind: str
    digest: bytes
    data: bytes
    when: int = 0
    authority: str = ""
    note: str = ""


ROWS: tuple[type[Row], ...] = (Acquisition, Item, Custody, Fact, Piece, Print, Seal)
