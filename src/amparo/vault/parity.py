"""Parity for copies that lie in a drawer: rotten or lost parts of sealed files are computed back, without any key.

    <copy>/parity/<set>.index-1, .index-2     what is protected, and a checksum of every block; twice, page by page checked
    <copy>/parity/<set>.parity                the parity blocks

Invariants: a file is replaced only by one whose every block has its checksum, in one rename; what cannot be computed back is
named and left as it is. Only sealed files are protected, never the ledger: a copy of its wraps (part keys) would undo erasures.

Reed-Solomon over GF(256) (Reed & Solomon 1960), an erasure code: which blocks are wrong is told by their checksums (BLAKE3,
16 bytes). The files, each begun on a new block, are laid end to end and cut into 100 columns; blocks of equal height are a
row, and each row gets P parity blocks, P being the percentage. Any P of a row's 100 + P blocks may be lost; so may a run of
damage as long as P columns, which is P % of the set (a scratch, a cut-off end, lost files): a row meets it in P places.

The code is zfec's (Tahoe-LAFS; GPL-2.0-or-later; kept since 2007): 5 to 10 times the speed of tables in numpy, and a library
of the system that most need not be fetched, unlike par2, whose program would also parse files out of a stranger's hands with
all the rights of this user. What zfec computes is checked against the textbook's definition in the tests.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Final

import zfec  # type: ignore[import-untyped]

from amparo.kernel.errors import AmparoError, BadInput, NotFound
from amparo.kernel.i18n import N_
from amparo.vault.blob_stages import ahead
from amparo.vault.disk import Disk
from amparo.vault.parity_set import (
    BLOCK,
    BLOCKS,
    COLUMNS,
    INDEX_MOST,
    INDEXES,
    SUM,
    IndexDamaged,
    Linear,
    ParitySet,
    file_of,
    files_in,
    packed,
    pages,
    read_index,
    read_piece,
    remove_drafts,
    remove_set,
    root_of,
    sets_in,
    sum_blocks,
    sum_of,
)

_SLAB: Final = 256 << 10  # bytes of a column that are worked on at one time

Progress = Callable[[int, int], None]
"""progress(bytes done, bytes in all)."""


def _silent(_done: int, _total: int) -> None:
    pass


class BadPercent(BadInput):
    template = N_("Parity of {percent} % cannot be made; choose a whole number from 1 to 100.")


class NothingToProtect(NotFound):
    template = N_("{folder} holds no sealed files; name a backup, a copy of the workspace, or a cold store's folder.")


class NoParity(NotFound):
    template = N_("{folder} has no parity; make it with `amparo evidence parity {folder}` while the copy is whole.")


@dataclass(slots=True)
class Made:
    """What ``make`` did: files and bytes newly protected, bytes of parity, files that had parity already."""

    files: int = 0
    bytes: int = 0
    parity: int = 0
    before: int = 0


@dataclass(slots=True)
class Checked:
    """What ``check`` found. ``mendable`` and ``mended`` are names of files; ``lost``: name -> (blocks beyond the bound, of).

    ``unprotected`` files have no parity yet; ``sets_damaged`` counts sets whose own parity was damaged; ``unusable``: one
    sentence for each set whose index is gone.
    """

    files: int = 0
    bytes: int = 0
    blocks_wrong: int = 0
    mendable: list[str] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)
    lost: dict[str, tuple[int, int]] = field(default_factory=dict)
    unprotected: int = 0
    sets_damaged: int = 0
    unusable: list[str] = field(default_factory=list)
    percent: int = 0


# -- making -------------------------------------------------------------------------------------------------------------


def make(folder: Path, percent: int, disk: Disk, *, anew: bool = False, progress: Progress = _silent) -> Made:
    """Give parity to the sealed files in ``folder`` that have none (``anew``: to all, in one set). Durable on return.

    The files must be whole: parity of a damaged file protects the damage. Raises BadPercent, NothingToProtect, DiskRefused.
    """
    if not 1 <= percent <= 100:
        raise BadPercent(percent=percent)
    root, place = root_of(folder), folder / "parity"
    everything = dict(files_in(root))
    if not everything:
        raise NothingToProtect(folder=str(folder))
    remove_drafts(place, root, disk)
    old = list(sets_in(place))
    covered: set[str] = set()
    for name in old:
        with suppress(AmparoError):
            covered.update(name for name, _size in read_index(place, name).files)
    wanted = everything if anew else {name: size for name, size in everything.items() if name not in covered}
    made = Made(before=len(everything) - len(wanted))
    if wanted:
        made.files, made.bytes = len(wanted), sum(wanted.values())
        made.parity = _make_set(root, place, sorted(wanted.items()), percent, disk, progress)
    if anew:
        for name in old:
            remove_set(place, name, disk)
    return made


def _make_set(root: Path, place: Path, files: list[tuple[str, int]], parity: int, disk: Disk, progress: Progress) -> int:
    """Write one set: the parity, then both indexes; without an index it is nothing. Returns the bytes of parity."""
    block = BLOCK
    while sum(-(-size // block) for _name, size in files) > BLOCKS:
        block *= 2
    made = ParitySet(os.urandom(8).hex(), block, parity, files)
    made.sums, made.parity_sums = bytearray(made.blocks * SUM), bytearray(made.rows * parity * SUM)
    disk.mkdir(place)
    target = place / f"{made.name}.parity"
    with closing(_Encoder(made, root)) as encoder:
        for row, height, columns in encoder.columns():
            for number, data in enumerate(columns):
                disk.write_at(target, (number * made.rows + row) * block, data)
                sum_blocks(data, block, made.parity_sums, number * made.rows + row)
            progress((row + height) * COLUMNS * block, made.rows * COLUMNS * block)
    disk.fsync(target)
    index = pages(packed(made))
    for copy in INDEXES:
        disk.atomic_write(place / f"{made.name}.{copy}", index)
    return made.rows * parity * block


class _Encoder:
    """Reads the columns of a set a slab at a time, sums their blocks, and computes the parity, on two cores."""

    def __init__(self, made: ParitySet, root: Path) -> None:
        self._made, self._linear = made, Linear(root, made)
        self._code = zfec.Encoder(COLUMNS, COLUMNS + made.parity)
        self._numbers = tuple(range(COLUMNS, COLUMNS + made.parity))
        self._pool = ThreadPoolExecutor(2, "parity")

    def columns(self) -> Iterator[tuple[int, int, list[bytes]]]:
        """Yield (first row, rows, the slab of each parity column)."""
        with closing(ahead(self._slabs())) as slabs:
            for row, height, slab in slabs:
                half = (height + 1) // 2 * self._made.block
                parts = self._pool.map(self._encode, ([one[:half] for one in slab], [one[half:] for one in slab]))
                yield row, height, [b"".join(pair) for pair in zip(*parts, strict=True)]

    def _encode(self, slab: list[bytes]) -> list[bytes]:
        if not slab[0]:
            return [b""] * self._made.parity
        return [bytes(one) for one in self._code.encode(tuple(slab), self._numbers)]

    def _slabs(self) -> Iterator[tuple[int, int, list[bytes]]]:
        made = self._made
        step = max(1, _SLAB // made.block)
        for row in range(0, made.rows, step):
            height = min(step, made.rows - row)
            slab = []
            for column in range(COLUMNS):
                first = column * made.rows + row
                data = self._linear.read(first, height)
                real = max(0, min(height, made.blocks - first))
                sum_blocks(data[: real * made.block], made.block, made.sums, first)
                slab.append(data)
            yield row, height, slab

    def close(self) -> None:
        self._pool.shutdown()


# -- checking and mending -----------------------------------------------------------------------------------------------


def check(folder: Path, disk: Disk, *, repair: bool = False, progress: Progress = _silent) -> Checked:
    """Compare every protected file with its checksums; with ``repair`` compute back what the parity allows.

    Damage is in the result. Raises NoParity, DiskRefused.
    """
    root, place = root_of(folder), folder / "parity"
    names = list(sets_in(place))
    if not names:
        raise NoParity(folder=str(folder))
    if repair:
        remove_drafts(place, root, disk)
    found, sets = Checked(), []
    for name in names:
        try:
            sets.append(read_index(place, name))
        except IndexDamaged as error:
            found.unusable.append(str(error))
    total, base = 2 * sum(one.bytes() for one in sets), 0
    for one in sets:
        found.percent = max(found.percent, one.parity)
        moved = partial(_shifted, progress, base, total)
        _Checker(one, root, place, disk, found, moved).run(repair=repair)
        base += 2 * one.bytes()
    covered = {name for one in sets for name, _size in one.files}
    found.unprotected = sum(name not in covered for name, _size in files_in(root))
    return found


def _shifted(progress: Progress, base: int, total: int, done: int) -> None:
    progress(base + done, total)


class _Checker:
    """One set that is compared and mended."""

    def __init__(
        self, made: ParitySet, root: Path, place: Path, disk: Disk, found: Checked, moved: Callable[[int], None]
    ) -> None:
        self._made, self._root, self._disk, self._found, self._moved = made, root, disk, found, moved
        self._place = place
        self._linear = Linear(root, made)
        self._parity = place / f"{made.name}.parity"
        self._bad = bytearray(made.blocks)  # 1: this block is wrong
        self._bad_parity = bytearray(made.rows * made.parity)
        self._done = 0

    def run(self, *, repair: bool) -> None:
        made, found = self._made, self._found
        found.files += len(made.files)
        found.bytes += made.bytes()
        damaged = [index for index in range(len(made.files)) if self._compare(index)]
        self._compare_parity()
        found.blocks_wrong += sum(self._bad)
        sick = any(self._bad_parity) or not self._indexes_agree()
        found.sets_damaged += sick
        beyond = self._beyond()
        mendable = []
        for index in damaged:
            name, size = made.files[index]
            first = made.first[index]
            lost = sum(block in beyond for block in range(first, first + -(-size // made.block)))
            if lost:
                found.lost[name] = (lost, -(-size // made.block))
            else:
                mendable.append(index)
        found.mendable += [made.files[index][0] for index in mendable]
        if repair and mendable:
            self._mend(mendable)
        if repair and sick and {made.files[index][0] for index in damaged} <= set(found.mended):
            _make_set(self._root, self._place, made.files, made.parity, self._disk, _silent)
            remove_set(self._place, made.name, self._disk)

    def _compare(self, index: int) -> bool:
        """Mark the wrong blocks of a file; True if any is wrong, or its length."""
        made = self._made
        name, size = made.files[index]
        path = self._root / name
        wrong = self._disk.size(path) != size or not path.is_file()
        step = max(1, (1 << 20) // made.block)
        blocks = -(-size // made.block)
        for at in range(0, blocks, step):
            count = min(step, blocks - at)
            data = self._linear.read(made.first[index] + at, count)
            wrong = self._mark(data, made.first[index] + at, made.sums, self._bad) or wrong
            self._moved_by(count * made.block)
        return wrong

    def _compare_parity(self) -> None:
        made = self._made
        step = max(1, (1 << 20) // made.block)
        for at in range(0, len(self._bad_parity), step):
            count = min(step, len(self._bad_parity) - at)
            data = read_piece(self._parity, at * made.block, count * made.block).ljust(count * made.block, b"\0")
            self._mark(data, at, made.parity_sums, self._bad_parity)
            self._moved_by(0)

    def _mark(self, data: bytes, first: int, sums: bytearray, bad: bytearray) -> bool:
        seen = bytearray(len(data) // self._made.block * SUM)
        sum_blocks(data, self._made.block, seen, 0)
        if seen == sums[first * SUM : first * SUM + len(seen)]:
            return False
        for number in range(len(seen) // SUM):
            start = number * SUM
            bad[first + number] = seen[start : start + SUM] != sums[first * SUM + start : first * SUM + start + SUM]
        return True

    def _moved_by(self, count: int) -> None:
        self._done += count
        self._moved(self._done)

    def _indexes_agree(self) -> bool:
        index, place, name = pages(packed(self._made)), self._place, self._made.name
        return all(read_piece(place / f"{name}.{copy}", 0, INDEX_MOST) == index for copy in INDEXES)

    def _wrong_in(self, row: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """(columns whose block of this row is wrong, parity columns whose block is right)."""
        made = self._made
        wrong = tuple(c for c in range(COLUMNS) if c * made.rows + row < made.blocks and self._bad[c * made.rows + row])
        right = tuple(p for p in range(made.parity) if not self._bad_parity[p * made.rows + row])
        return wrong, right

    def _rows(self) -> list[int]:
        """The rows with a wrong block."""
        rows, at = set(), self._bad.find(1)
        while at >= 0:
            rows.add(at % self._made.rows)
            at = self._bad.find(1, at + 1)
        return sorted(rows)

    def _beyond(self) -> set[int]:
        """The wrong blocks of rows that have more wrong ones than parity left."""
        beyond: set[int] = set()
        for row in self._rows():
            wrong, right = self._wrong_in(row)
            if len(wrong) > len(right):
                beyond.update(column * self._made.rows + row for column in wrong)
        return beyond

    def _mend(self, files: list[int]) -> None:
        """Make a draft of each file, fill in what is computed back, look at every block of it again, rename."""
        drafts = {index: self._draft(index) for index in files}
        for first, height, wrong, right in self._runs():
            decoded = self._decode(first, height, wrong, right)
            for column, data in decoded.items():
                self._put(column * self._made.rows + first, height, data, drafts)
            self._moved_by(height * len(wrong) * self._made.block)
        for index, draft in drafts.items():
            name, size = self._made.files[index]
            self._disk.truncate(draft, size)
            self._disk.fsync(draft)
            if self._whole(index, draft):
                self._disk.rename(draft, self._root / name)
                self._disk.fsync_dir(draft.parent)
                self._found.mended.append(name)
            else:
                self._disk.unlink(draft)

    def _draft(self, index: int) -> Path:
        name, size = self._made.files[index]
        path = self._root / name
        draft = path.with_name(f".{path.name}.parity.tmp")
        self._disk.mkdir(path.parent)
        self._disk.write_at(draft, 0, b"")
        for start in range(0, size, 1 << 20):
            data = read_piece(path, start, min(1 << 20, size - start))
            if data:
                self._disk.write_at(draft, start, data)
        return draft

    def _runs(self) -> Iterator[tuple[int, int, tuple[int, ...], tuple[int, ...]]]:
        """Neighbouring rows with the same wrong columns, at most a slab high: (first row, rows, wrong, right parity)."""
        most = max(1, _SLAB // self._made.block)
        marked = [(row, *self._wrong_in(row)) for row in self._rows()]
        mendable = [one for one in marked if len(one[1]) <= len(one[2])]
        for (_, wrong, right), group in groupby(enumerate(mendable), lambda one: (one[1][0] - one[0], one[1][1], one[1][2])):
            rows = [row for _place, (row, _wrong, _right) in group]
            for start in range(0, len(rows), most):
                yield rows[start], len(rows[start : start + most]), wrong, right

    def _decode(self, row: int, height: int, wrong: tuple[int, ...], right: tuple[int, ...]) -> dict[int, bytes]:
        """Column -> the right bytes of ``height`` blocks from ``row``."""
        made, spare = self._made, iter(right)
        shares, numbers = [], []
        for column in range(COLUMNS):
            if column in wrong:
                parity = next(spare)
                offset = (parity * made.rows + row) * made.block
                shares.append(read_piece(self._parity, offset, height * made.block))
                numbers.append(COLUMNS + parity)
            else:
                shares.append(self._linear.read(column * made.rows + row, height))
                numbers.append(column)
        columns = zfec.Decoder(COLUMNS, COLUMNS + made.parity).decode(tuple(shares), tuple(numbers))
        return {column: bytes(columns[column]) for column in wrong}

    def _put(self, first: int, height: int, data: bytes, drafts: dict[int, Path]) -> None:
        """Write decoded blocks into the drafts of the files they belong to."""
        block = self._made.block
        for number in range(height):
            index = file_of(self._made, first + number)
            if index in drafts:
                offset = (first + number - self._made.first[index]) * block
                self._disk.write_at(drafts[index], offset, data[number * block : (number + 1) * block])

    def _whole(self, index: int, draft: Path) -> bool:
        made = self._made
        _name, size = made.files[index]
        for number, start in enumerate(range(0, size, made.block), made.first[index]):
            data = read_piece(draft, start, min(made.block, size - start)).ljust(made.block, b"\0")
            if sum_of(data) != made.sums[number * SUM : (number + 1) * SUM]:
                return False
        return True
