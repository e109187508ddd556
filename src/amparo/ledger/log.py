"""One device's log on disk: ``entries`` (frames), ``bodies`` (sealed parts) and ``wraps`` (40 bytes a part), in one order.

A group is acknowledged when its last frame is on the disk. Order of writing: bodies and wraps, fsync, entries, fsync. What lies
behind the last whole group was never acknowledged and is ignored by readers, cut off by the next writer. A tail that is not
the true beginning of an entry is damage, and is never cut off.
"""

import mmap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from amparo.kernel.errors import Unverified
from amparo.kernel.i18n import N_
from amparo.ledger.entry import (
    FRAME,
    GENESIS_PREV,
    MAX_ENTRY,
    Clock,
    Entry,
    announced_length,
    decode,
    frame_length,
)
from amparo.vault.disk import Disk
from amparo.vault.seal import WRAP_SIZE

NO_WRAP: Final = b"\xff" * WRAP_SIZE
SHREDDED: Final = bytes(WRAP_SIZE)
_SIGNATURE: Final = 64


_decode: Final = lru_cache(16)(decode)  # one act reads the newest entries several times; a pure function of their bytes


class LogDamaged(Unverified):
    template = N_("The log of device {device} is damaged at byte {at}; nothing was changed. Take this file from a backup.")


class LogFileMissing(Unverified):
    template = N_("The file {file} of the log of device {device} is missing; nothing was changed. Take it from a backup.")


class PartsShort(Unverified):
    template = N_("The file {file} of the log of device {device} was cut short; nothing was changed. Take it from a backup.")


class LogExchanged(Unverified):
    template = N_(
        "The log of device {device} is not the one this workspace has read up to entry {seq}: another history was put in its "
        "place. Nothing was changed."
    )


class LogShort(Unverified):
    template = N_(
        "The log of device {device} is shorter than what this workspace has already read from it (entry {expected}): its end "
        "was cut off, or an older copy was put in its place. Nothing was changed."
    )


class Position(NamedTuple):
    """A place in a log behind a whole group: last entry's seq, hash and clock, and the three files' sizes (parts: a count)."""

    seq: int = -1
    hash: bytes = GENESIS_PREV
    clock: Clock = Clock(0, 0)
    entries: int = 0
    bodies: int = 0
    parts: int = 0

    def after(self, entry: Entry, length: int) -> "Position":
        size = sum(part.size for part in entry.header.parts)
        return Position(
            entry.header.seq, entry.hash, entry.header.clock, self.entries + length, self.bodies + size,
            self.parts + len(entry.header.parts),
        )  # fmt: skip

    def pack(self) -> list[object]:
        return [self.seq, self.hash, list(self.clock), self.entries, self.bodies, self.parts]

    @classmethod
    def unpack(cls, row: list) -> "Position":  # type: ignore[type-arg]
        return cls(row[0], row[1], Clock(*row[2]), *row[3:6])


class Placed(NamedTuple):
    """An entry and the position before it: where its parts begin."""

    entry: Entry
    before: Position


class DeviceLog:
    """The three files of one device."""

    def __init__(self, folder: Path, device: bytes, disk: Disk) -> None:
        self.device, self.folder, self.disk = device, folder, disk
        self.entries, self.bodies, self.wraps = folder / "entries", folder / "bodies", folder / "wraps"

    @property
    def name(self) -> str:
        return self.device.hex()[:8]

    def frames(self, start: int = 0) -> Iterator[bytes]:
        """Yield whole entries' bytes from byte ``start``, groups or not, until the end or a torn frame. Raises LogDamaged."""
        for _, raw in self._frames(start):
            yield raw

    def _frames(self, start: int) -> Iterator[tuple[int, bytes]]:
        if not self.entries.exists() or (size := self.entries.stat().st_size) <= start:
            return
        with self.entries.open("rb") as file, mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as data:
            at = start
            while at < size:
                if size - at < FRAME:
                    return
                length = frame_length(data, at)
                raw = data[at + FRAME : at + FRAME + length] if length <= MAX_ENTRY else b""
                if length == 0 or len(raw) < length:
                    self._torn_or_damaged(data, at, length)
                    return
                if not any(raw[-_SIGNATURE:]) and not any(data[at + FRAME + length :]):
                    return  # its length and first blocks reached the disk, its end did not
                yield at, raw
                at += FRAME + length

    def _torn_or_damaged(self, data: mmap.mmap, at: int, length: int) -> None:
        """Return if the tail at ``at`` may be a write that a power cut tore; raise LogDamaged if it may not."""
        tail = data[at + FRAME : at + FRAME + 64]
        if length == 0 and not any(data[at:]):  # grown but never filled
            return
        announced = announced_length(tail)
        if length <= MAX_ENTRY and (announced == length or (announced is None and len(data) - at - FRAME < 12)):
            return
        if not any(data[at + FRAME :]):  # its length reached the disk, its bytes did not
            return
        raise LogDamaged(device=self.name, at=at)

    def placed(self, since: Position = Position()) -> Iterator[Placed]:  # noqa: B008  (an immutable tuple)
        """Yield the entries of whole groups after ``since``; what was never acknowledged is left out. Signatures unchecked."""
        before = since
        group: list[Placed] = []
        for _, raw in self._frames(since.entries):
            entry = _decode(raw)
            group.append(Placed(entry, before))
            before = before.after(entry, FRAME + len(raw))
            if not entry.more:
                yield from group
                group = []

    def end(self, since: Position = Position()) -> Position:  # noqa: B008
        """The position behind the last whole group. Raises LogShort if the log no longer reaches ``since``, LogExchanged if
        what stands behind it does not follow from it.
        """
        if since.seq >= 0 and (not self.entries.exists() or self.entries.stat().st_size < since.entries):
            raise LogShort(device=self.name, expected=since.seq)
        last = since
        for placed in self.placed(since):
            if last is since and since.seq >= 0 and placed.entry.header.prev != since.hash:
                raise LogExchanged(device=self.name, seq=since.seq)
            last = placed.before.after(placed.entry, FRAME + len(placed.entry.raw))
        return last

    def unfinished(self, end: Position) -> int:
        """Bytes behind the last whole group: the trace of a write that was cut."""
        return self.entries.stat().st_size - end.entries if self.entries.exists() else 0

    def check_whole(self, end: Position) -> None:
        """Refuse to append behind a hole: what is written next must lie where its entry says.

        Raises LogFileMissing, PartsShort.
        """
        for path, size in ((self.bodies, end.bodies), (self.wraps, end.parts * WRAP_SIZE)):
            if size and not path.exists():
                raise LogFileMissing(device=self.name, file=path.name)
            if size and path.stat().st_size < size:
                raise PartsShort(device=self.name, file=path.name)

    def cut_unfinished(self, end: Position) -> None:
        """Cut what was never acknowledged, so that the next group follows the last one."""
        for path, size in ((self.entries, end.entries), (self.bodies, end.bodies), (self.wraps, end.parts * WRAP_SIZE)):
            if path.exists() and path.stat().st_size > size:
                self.disk.truncate(path, size)
                self.disk.fsync(path)

    @contextmanager
    def parts(self) -> Iterator["PartFiles"]:
        """Open bodies and wraps for reading. Raises LogFileMissing."""
        for path in (self.bodies, self.wraps):
            if not path.exists():
                raise LogFileMissing(device=self.name, file=path.name)
        with self.bodies.open("rb") as bodies, self.wraps.open("rb") as wraps:
            yield PartFiles(bodies, wraps)

    def shred(self, parts: Iterable[tuple[Placed, int]]) -> None:
        """Overwrite the wrapped key of each part (entry, index), then the bytes of each; idempotent."""
        parts = list(parts)
        for placed, index in parts:
            self.disk.write_at(self.wraps, (placed.before.parts + index) * WRAP_SIZE, SHREDDED)
        if parts:
            self.disk.fsync(self.wraps)
        for placed, index in parts:
            sizes = [part.size for part in placed.entry.header.parts[: index + 1]]
            self.disk.write_at(self.bodies, placed.before.bodies + sum(sizes[:-1]), bytes(sizes[-1]))
        if parts:
            self.disk.fsync(self.bodies)


class PartFiles(NamedTuple):
    """The open files of a log's sealed parts."""

    bodies: BinaryIO
    wraps: BinaryIO

    def of(self, placed: Placed) -> Iterator[tuple[bytes, bytes]]:
        """(ciphertext, wrapped key) of each part of an entry; a short read gives short bytes."""
        self.bodies.seek(placed.before.bodies)
        parts = placed.entry.header.parts
        self.wraps.seek(placed.before.parts * WRAP_SIZE)
        wraps = self.wraps.read(WRAP_SIZE * len(parts))
        for index, part in enumerate(parts):
            yield self.bodies.read(part.size), wraps[index * WRAP_SIZE : (index + 1) * WRAP_SIZE]
