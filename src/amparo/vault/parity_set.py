"""One parity set: which blocks of which files it protects, their checksums, and where all of it lies in a copy.

Invariant: an index that was read is consistent in itself: names that lead nowhere else, sizes that fit its checksums. It may
come out of anybody's hands. See vault.parity for what a set is.
"""

import re
import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from blake3 import blake3

from amparo.kernel import cbor
from amparo.kernel.errors import AmparoError, Unverified
from amparo.kernel.i18n import N_
from amparo.vault.disk import Disk

COLUMNS: Final = 100
BLOCK: Final = 4096  # bytes of the smallest block; doubled until a set has at most BLOCKS
BLOCKS: Final = 1 << 20
SUM: Final = 16
INDEX_MOST: Final = 256 << 20  # bytes; a longer index is not one of ours
INDEXES: Final = ("index-1", "index-2")
_PAGE: Final = 4096
_NAME: Final = re.compile(r"(?:objects/[0-9a-f]{2}|packs)/[0-9a-f]{64}(?:\.[0-9]{5,9})?", re.ASCII)
_SET: Final = re.compile(r"[0-9a-f]{16}", re.ASCII)


class IndexDamaged(Unverified):
    template = N_(
        "Both indexes of the parity set {set} are damaged at the same place, so it cannot be used; compare the copy with "
        "another one, then make its parity anew with --anew."
    )


@dataclass(slots=True)
class ParitySet:
    """One set: ``files`` are (name, size); ``first`` the number of each file's first block."""

    name: str
    block: int
    parity: int
    files: list[tuple[str, int]]
    sums: bytearray = field(default_factory=bytearray)
    parity_sums: bytearray = field(default_factory=bytearray)
    first: list[int] = field(default_factory=list)
    blocks: int = 0
    rows: int = 0

    def __post_init__(self) -> None:
        for _name, size in self.files:
            self.first.append(self.blocks)
            self.blocks += -(-size // self.block)
        self.rows = -(-self.blocks // COLUMNS)

    def bytes(self) -> int:
        return sum(size for _name, size in self.files)


class Linear:
    """The set's files as one run of blocks; what is missing, cut off or unreadable reads as zeros."""

    def __init__(self, root: Path, made: ParitySet) -> None:
        self._root, self._made = root, made

    def read(self, first: int, count: int) -> bytes:
        """``count`` blocks from number ``first``; zeros behind the last."""
        made, out = self._made, bytearray()
        wanted = count * made.block
        index = file_of(made, first)
        while len(out) < wanted and index < len(made.files):
            name, size = made.files[index]
            start = (first - made.first[index]) * made.block + len(out) if not out else 0
            length = min(wanted - len(out), -(-size // made.block) * made.block - start)
            if length > 0:
                out += read_piece(self._root / name, start, min(length, max(0, size - start))).ljust(length, b"\0")
            index += 1
        return bytes(out.ljust(wanted, b"\0"))


def file_of(made: ParitySet, block: int) -> int:
    """Index of the file that block number ``block`` lies in; the number of files for one behind the last."""
    return len(made.files) if block >= made.blocks else bisect_right(made.first, block) - 1


def read_piece(path: Path, offset: int, length: int) -> bytes:
    """What can be read of a file there: fewer bytes at its end, none where the disk refuses."""
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            return file.read(length) or b""
    except OSError:
        return b""


def sum_of(data: bytes) -> bytes:
    """The checksum of a block."""
    return blake3(data).digest(SUM)


def sum_blocks(data: bytes, block: int, sums: bytearray, first: int) -> None:
    """Put the checksums of the blocks in ``data`` into ``sums``, from block number ``first`` on."""
    view = memoryview(data)
    for number, start in enumerate(range(0, len(data), block), first):
        sums[number * SUM : (number + 1) * SUM] = blake3(view[start : start + block]).digest(SUM)


# -- the index ----------------------------------------------------------------------------------------------------------


def packed(made: ParitySet) -> bytes:
    """The index as canonical CBOR."""
    files = [[name, size] for name, size in made.files]
    return cbor.encode([1, made.block, made.parity, files, bytes(made.sums), bytes(made.parity_sums)])


def pages(payload: bytes) -> bytes:
    """Cut into pages of 4096 bytes, each with a checksum over its number and content, so that two copies mend each other."""
    body = struct.pack(">Q", len(payload)) + payload
    room = _PAGE - SUM
    pages = []
    for number, start in enumerate(range(0, len(body), room)):
        content = body[start : start + room].ljust(room, b"\0")
        pages.append(content + sum_of(struct.pack(">Q", number) + content))
    return b"".join(pages)


def read_index(place: Path, name: str) -> ParitySet:
    """Raises IndexDamaged."""
    copies = [read_piece(place / f"{name}.{copy}", 0, INDEX_MOST) for copy in INDEXES]
    body = bytearray()
    for number in range(max(map(len, copies)) // _PAGE):
        for copy in copies:
            page = copy[number * _PAGE : (number + 1) * _PAGE]
            content = page[:-SUM]
            if len(page) == _PAGE and page[-SUM:] == sum_of(struct.pack(">Q", number) + content):
                body += content
                break
        else:
            break
    try:
        [length] = struct.unpack_from(">Q", body)
        if length > len(body) - 8:
            raise ValueError
        return _unpacked(name, cbor.decode(bytes(body[8 : 8 + length])))
    except (ValueError, TypeError, struct.error, AmparoError):
        raise IndexDamaged(set=name) from None


def _unpacked(name: str, data: Any) -> ParitySet:
    """An index can come from anybody's hand: names that lead elsewhere and sizes that do not fit are refused."""
    version, block, parity, files, sums, parity_sums = data
    if version != 1 or block not in [BLOCK << shift for shift in range(16)] or not 1 <= parity <= COLUMNS:
        raise ValueError
    listed = [(str(path), int(size)) for path, size in files]
    if any(not _NAME.fullmatch(path) or size < 0 for path, size in listed):
        raise ValueError
    made = ParitySet(name, block, parity, listed, bytearray(sums), bytearray(parity_sums))
    if len(made.sums) != made.blocks * SUM or len(made.parity_sums) != made.rows * parity * SUM:
        raise ValueError
    return made


# -- places -------------------------------------------------------------------------------------------------------------


def root_of(folder: Path) -> Path:
    """Where the sealed files of a backup, a workspace or a cold store begin."""
    return folder / "blobs" if (folder / "blobs").is_dir() else folder


def files_in(root: Path) -> Iterator[tuple[str, int]]:
    """Yield (name, size) of the sealed files, sorted by name."""
    for path in sorted((*root.glob("objects/??/*"), *root.glob("packs/*"))):
        name = path.relative_to(root).as_posix()
        if _NAME.fullmatch(name) and path.is_file():
            yield name, path.stat().st_size


def sets_in(place: Path) -> Iterable[str]:
    """The names of the parity sets, sorted."""
    names = {path.name.partition(".")[0] for path in place.glob("*.index-[12]")}
    return sorted(name for name in names if _SET.fullmatch(name))


def remove_set(place: Path, name: str, disk: Disk) -> None:
    """The indexes first: parity without an index is nothing, an index without parity would be an alarm."""
    for suffix in ("index-1", "index-2", "parity"):
        disk.unlink(place / f"{name}.{suffix}")
    disk.fsync_dir(place)


def remove_drafts(place: Path, root: Path, disk: Disk) -> None:
    """What an interrupted run left: drafts, and parity that has no index."""
    known = set(sets_in(place))
    for path in place.glob("*.parity"):
        if path.name.partition(".")[0] not in known:
            disk.unlink(path)
    for path in (*root.glob("objects/??/.*.parity.tmp"), *root.glob("packs/.*.parity.tmp")):
        disk.unlink(path)
