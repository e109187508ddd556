"""A group: entries that become part of a log together or not at all.

Bodies stream to the disk as they come (flat memory); the signed headers are held back and written last, in one piece. Every
header but the last carries the flag MORE, so that a group cut short is recognised and ignored.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from amparo.kernel import cbor
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_
from amparo.ledger.checkpoint import Head
from amparo.ledger.entry import MAX_PART, MORE, OPEN, Clock, Entry, Header, Part, frame, part_aad, sign
from amparo.ledger.log import NO_WRAP, DeviceLog, Position
from amparo.ledger.verify import seen_heads
from amparo.vault.seal import CompartmentKey, SigningKey, Wrapper, commit, digest, seal_part

_ENTRY_PARTS: Final = 1024
_ENTRY_BYTES: Final = 4 << 20
_BUFFER: Final = 4 << 20


class PartTooLarge(BadInput):
    template = N_(
        "What was to be recorded at once ({kind}) takes {size:,} bytes; the ledger holds at most {most:,} in one piece. "
        "Nothing of this act was recorded: shorten the text, or divide the file, and do it again."
    )


Witness = Callable[[bytes, int, int, bytes], None]
"""Told of each sealed part: compartment, seq, index, plain bytes."""


@dataclass(slots=True)
class _Pending:
    wrapper: Wrapper | None
    plain: list[bytes] = field(default_factory=list)
    size: int = 0


class Group:
    """Made by ``Writer.group``."""

    def __init__(
        self, log: DeviceLog, end: Position, key: SigningKey, workspace: bytes, heads: list[Head], *, now: int, flags: int
    ) -> None:
        self._log, self._start, self._key, self._workspace = log, end, key, workspace
        self._deps, self._now, self._flags = seen_heads(heads, log.device), now, flags
        self._pending: dict[tuple[bytes, int], _Pending] = {}
        self._held: Header | None = None
        self._hash, self._seq = end.hash, end.seq
        self._clock = end.clock
        self._frames: list[bytes] = []
        self._bodies, self._wraps = bytearray(), bytearray()
        self._body_bytes, self._parts = end.bodies, end.parts
        self.entries = 0
        self.witness: Witness | None = None
        log.disk.mkdir(log.folder)

    def add(self, key: CompartmentKey, kind: str, rows: list[list[Any]]) -> None:
        """Seal ``rows`` as one part of type ``kind`` in the compartment of ``key``: it can be erased alone."""
        self._add((key.compartment, key.epoch), key, kind, rows)

    def add_open(self, kind: str, rows: list[list[Any]]) -> None:
        """Add a part that anyone may read (certificates, grants, tombstones): nothing of the domain, ever."""
        self._add((OPEN, 0), None, kind, rows)

    def flush(self) -> None:
        """End the entries being filled: what is added next goes into entries of its own."""
        for place in list(self._pending):
            self._close_entry(place)

    def _add(self, place: tuple[bytes, int], key: CompartmentKey | None, kind: str, rows: list[list[Any]]) -> None:
        plain = cbor.encode([kind, rows]) if key is None else cbor.encode_rows([kind, rows])  # type: ignore[list-item]
        if len(plain) + 16 > MAX_PART:
            raise PartTooLarge(kind=kind.partition("@")[0], size=len(plain), most=MAX_PART)
        pending = self._pending.get(place) or self._pending.setdefault(place, _Pending(key.wrapper if key else None))
        pending.plain.append(plain)
        pending.size += len(plain)
        if len(pending.plain) >= _ENTRY_PARTS or pending.size >= _ENTRY_BYTES:
            self._close_entry(place)

    def _close_entry(self, place: tuple[bytes, int]) -> None:
        """Seal the pending parts of one compartment as the next entry."""
        pending = self._pending.pop(place)
        self._sign_held(more=True)
        self._seq += 1
        self._clock = Clock(self._now, 0) if self._now > self._clock.ms else Clock(self._clock.ms, self._clock.counter + 1)
        parts = tuple(self._seal(pending, place, index, plain) for index, plain in enumerate(pending.plain))
        if self.witness is not None and pending.wrapper is not None:
            for index, plain in enumerate(pending.plain):
                self.witness(place[0], self._seq, index, plain)
        self._held = Header(
            self._workspace, self._log.device, bytes(32), self._seq, self._flags, self._deps, self._clock, self._now,
            *place, parts,
        )  # fmt: skip
        if len(self._bodies) >= _BUFFER:
            self._write_bodies()

    def _seal(self, pending: _Pending, place: tuple[bytes, int], index: int, plain: bytes) -> Part:
        self._parts += 1
        if pending.wrapper is None:
            self._bodies += plain
            self._wraps += NO_WRAP
            return Part(digest(plain), bytes(32), len(plain))
        aad = part_aad(self._workspace, self._log.device, self._seq, *place, index)
        key, body = seal_part(plain, aad)
        self._bodies += body
        self._wraps += pending.wrapper.wrap(key)
        return Part(digest(body), commit(key), len(body))

    def _sign_held(self, *, more: bool) -> None:
        """Sign the entry made before, now that it is known whether another follows it."""
        if self._held is None:
            return
        held = self._held
        flags = held.flags | (MORE if more else 0)
        header = Header(
            held.workspace, held.device, self._hash, held.seq, flags, held.deps, held.clock, held.claimed,
            held.compartment, held.epoch, held.parts,
        )  # fmt: skip
        entry: Entry = sign(header, self._key)
        self._hash = entry.hash
        self._frames.append(frame(entry.raw))
        self.entries += 1
        self._held = None

    def _write_bodies(self) -> None:
        self._log.disk.append(self._log.bodies, bytes(self._bodies))
        self._log.disk.append(self._log.wraps, bytes(self._wraps))
        self._body_bytes += len(self._bodies)
        self._bodies, self._wraps = bytearray(), bytearray()

    def commit(self) -> Position:
        """Make the group durable and return the position behind it. Once this returns, a power cut loses nothing of it."""
        self.flush()
        self._sign_held(more=False)
        if not self._frames:
            return self._start
        disk, log = self._log.disk, self._log
        fresh = not log.entries.exists()
        self._write_bodies()
        disk.fsync(log.bodies)
        disk.fsync(log.wraps)
        if fresh:
            disk.fsync_dir(log.folder)
        disk.append(log.entries, b"".join(self._frames))
        disk.fsync(log.entries)
        if fresh:
            disk.fsync_dir(log.folder)
        frames = sum(map(len, self._frames))
        return Position(self._seq, self._hash, self._clock, self._start.entries + frames, self._body_bytes, self._parts)

    def abort(self) -> None:
        """Leave the log as it was before the group."""
        self._log.cut_unfinished(self._start)
