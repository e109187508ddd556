"""One entry: a signed header that names its sealed parts by hash. Decoding and encoding are inverse, byte for byte.

An entry is a COSE_Sign1 (RFC 9052) whose payload is a deterministic CBOR array; see docs/format.md. ``prev`` stands at a
fixed place, so that a walk along the chain needs no decoding. What the parts say, and even their type, is sealed.
"""

import struct
from dataclasses import dataclass
from mmap import mmap
from typing import Any, Final, NamedTuple

from amparo.kernel import cbor
from amparo.kernel.errors import Unverified
from amparo.kernel.i18n import N_
from amparo.vault.seal import SigningKey, VerifyKey, check_signature, cose_parts, digest

VERSION: Final = 1
CONTEXT: Final = b"amparo/entry/1"
OPEN: Final = bytes(16)
"""The compartment id of entries whose parts are not sealed: genesis, certificates, grants, tombstones."""
MORE: Final = 1
"""Flag: the next entry belongs to the same group; a log that ends here was cut before the group was acknowledged."""
ACCESS: Final = 2
"""Flag: tells of access or export; does not count towards the head a dossier is dated by."""
MAX_ENTRY: Final = 1 << 20
MAX_PARTS: Final = 4096
MAX_PART: Final = 1 << 26
GENESIS_PREV: Final = bytes(32)


class BadEntry(Unverified):
    template = N_("Entry {where} has a form this version of Amparo does not know ({why}).")


class Part(NamedTuple):
    """sha256 of the sealed bytes, the part key's commitment (zeros in open entries), size in bytes."""

    sha256: bytes
    commitment: bytes
    size: int


class Clock(NamedTuple):
    """Hybrid logical clock: milliseconds since 1970 UTC and a counter (Kulkarni et al. 2014)."""

    ms: int
    counter: int


class Seen(NamedTuple):
    """The head of another device's log as seen when the entry was made."""

    device: bytes
    seq: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """The signed fields of an entry; ``claimed`` is the device's own clock in ms, believed by nobody."""

    workspace: bytes
    device: bytes
    prev: bytes
    seq: int
    flags: int
    deps: tuple[Seen, ...]
    clock: Clock
    claimed: int
    compartment: bytes
    epoch: int
    parts: tuple[Part, ...]

    def aad(self, index: int) -> bytes:
        """Associated data of part ``index``: a part opens only at the place it was made for."""
        return part_aad(self.workspace, self.device, self.seq, self.compartment, self.epoch, index)

    def payload(self) -> bytes:
        return cbor.encode([
            VERSION, self.workspace, self.device, self.prev, self.seq, self.flags, [list(seen) for seen in self.deps],
            list(self.clock), self.claimed, self.compartment, self.epoch, [list(part) for part in self.parts],
        ])  # fmt: skip


def part_aad(workspace: bytes, device: bytes, seq: int, compartment: bytes, epoch: int, index: int) -> bytes:
    """Workspace 16 || device 16 || compartment 16 || seq, epoch, index as big-endian u64, u32, u32, after a label."""
    return b"amparo/part/1" + workspace + device + compartment + struct.pack(">QII", seq, epoch, index)


@dataclass(frozen=True, slots=True)
class Entry:
    """A header with the bytes it came from; ``hash`` (SHA-256 of ``raw``) is what the next entry points to."""

    header: Header
    raw: bytes
    hash: bytes
    payload: bytes
    signature: bytes

    @property
    def more(self) -> bool:
        return bool(self.header.flags & MORE)

    def check_signature(self, key: VerifyKey) -> None:
        """Raises BadSignature."""
        check_signature(self.payload, self.signature, key, CONTEXT, f"entry {self.where}")

    @property
    def where(self) -> str:
        return f"{self.header.device.hex()[:8]}:{self.header.seq}"


def sign(header: Header, key: SigningKey) -> Entry:
    """Sign a header with its device's key."""
    payload = header.payload()
    raw = key.cose_sign1(payload, CONTEXT)
    return Entry(header, raw, digest(raw), payload, raw[-64:])


def decode(raw: bytes) -> Entry:
    """Read an entry without checking its signature. Raises NotCanonical, BadEntry, BadSignature (not a COSE_Sign1)."""
    payload, signature = cose_parts(raw)
    return Entry(_header(cbor.decode_form(payload)), raw, digest(raw), payload, signature)


_FORM: Final = (int, bytes, bytes, bytes, int, int, list, list, int, bytes, int, list)
_SIZES: Final = {1: 16, 2: 16, 3: 32, 9: 16}


def _header(fields: Any) -> Header:
    where = "?"
    if not isinstance(fields, list) or len(fields) != len(_FORM):
        raise BadEntry(where=where, why="not twelve fields")
    if fields[0] != VERSION:
        raise BadEntry(where=where, why="version")
    if not all(type(value) is kind for value, kind in zip(fields, _FORM, strict=True)):
        raise BadEntry(where=where, why="type of a field")
    if any(len(fields[place]) != size for place, size in _SIZES.items()):
        raise BadEntry(where=where, why="length of a field")
    where = f"{fields[2].hex()[:8]}:{fields[4]}"
    numbers = (fields[4], fields[5], fields[8], fields[10], *fields[7])
    if len(fields[7]) != 2 or not all(type(n) is int and 0 <= n < 1 << 63 for n in numbers):
        raise BadEntry(where=where, why="a number out of range")
    deps = tuple(_triple(item, where, (bytes, int, bytes), (16, None, 32)) for item in fields[6])
    parts = tuple(_triple(item, where, (bytes, bytes, int), (32, 32, None)) for item in fields[11])
    if len(parts) > MAX_PARTS or any(part[2] > MAX_PART for part in parts):
        raise BadEntry(where=where, why="too many or too large parts")
    _, workspace, device, prev, seq, flags, _, clock, claimed, compartment, epoch, _ = fields
    return Header(
        workspace, device, prev, seq, flags, tuple(Seen(*item) for item in deps), Clock(*clock), claimed, compartment, epoch,
        tuple(Part(*item) for item in parts),
    )  # fmt: skip


def _triple(item: Any, where: str, kinds: tuple[type, ...], sizes: tuple[int | None, ...]) -> list[Any]:
    if not isinstance(item, list) or len(item) != 3:
        raise BadEntry(where=where, why="a list of three expected")
    for place, (kind, size) in enumerate(zip(kinds, sizes, strict=True)):
        if type(item[place]) is not kind or (size is not None and len(item[place]) != size):
            raise BadEntry(where=where, why="an item of a list")
        if kind is int and not 0 <= item[place] < 1 << 63:
            raise BadEntry(where=where, why="a number out of range")
    return item


# -- frames: how entries lie in a file --------------------------------------------------------------------------------

_LENGTH: Final = struct.Struct(">I")
FRAME: Final = _LENGTH.size
COSE_START: Final = bytes.fromhex("d28443a10132a0")
_PREV_AT: Final = {0x58: 2, 0x59: 3, 0x5A: 5}


def frame(raw: bytes) -> bytes:
    """Length (u32, big-endian) || entry."""
    return _LENGTH.pack(len(raw)) + raw


def frame_length(data: bytes | bytearray | mmap, at: int) -> int:
    """The length that the frame at ``at`` announces."""
    return int(_LENGTH.unpack_from(data, at)[0])


def prev_of(raw: bytes) -> bytes:
    """The ``prev`` field by its place in the bytes: payload = array(12), version, bstr 16, bstr 16, bstr 32."""
    start = len(COSE_START) + _PREV_AT.get(raw[len(COSE_START)], 1) + 2 + 17 + 17 + 2
    return raw[start : start + 32]


def announced_length(raw: bytes) -> int | None:
    """The length an entry's own first bytes announce, or None if they are not an entry's.

    Tells a torn write (a true beginning, cut short) from damage.
    """
    start = len(COSE_START)
    if raw[:start] != COSE_START or len(raw) <= start or raw[start] not in _PREV_AT:
        return None
    width = _PREV_AT[raw[start]] - 1
    if len(raw) < start + 1 + width:
        return None
    return start + 1 + width + int.from_bytes(raw[start + 1 : start + 1 + width], "big") + 66
