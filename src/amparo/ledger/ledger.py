"""The ledger of a workspace: all devices' logs, one of which this device may write. Nothing is overwritten but what is erased.

One writer at a time (a file lock). A group of entries is committed whole or not at all. Replay gives every part that the
held keys open, in the order of the hybrid logical clock; what is erased is skipped, what is altered is an error.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import filelock

from amparo.kernel import cbor
from amparo.kernel.errors import Busy, NotFound, Unverified
from amparo.kernel.i18n import N_
from amparo.ledger.checkpoint import Checkpoint, Head
from amparo.ledger.entry import OPEN, Header
from amparo.ledger.group import Group
from amparo.ledger.log import NO_WRAP, SHREDDED, DeviceLog, LogExchanged, Placed, Position
from amparo.ledger.verify import (
    ForeignDevice,
    ForeignEntry,
    NoGenesis,
    Verified,
    accept_certificates,
    read_certificate,
    read_genesis,
    verify,
)
from amparo.vault.disk import Disk
from amparo.vault.keyring import Certificate
from amparo.vault.seal import CompartmentKey, SigningKey, Wrapper, commit, digest, open_part

TOMBSTONE: Final = "tombstone@1"
_TOMBSTONES: Final = 100_000  # in one part: some 10 MB
UNREADABLE: Final = "unreadable"


class WorkspaceBusy(Busy):
    template = N_("Another amparo process is writing to this workspace; wait until it has finished, then try again.")


class BodyMissing(Unverified):
    template = N_("Part {part} of entry {where} is missing and no tombstone says that it was erased; take it from a backup.")


class BodyAltered(Unverified):
    template = N_("Part {part} of entry {where} is not what was signed: its bytes were altered or exchanged.")


class WrapAltered(Unverified):
    template = N_("The key of part {part} of entry {where} is not the one its signed commitment names.")


class NoSuchPart(NotFound):
    template = N_("There is no part {part} in entry {seq} of device number {device}.")


class Origin(NamedTuple):
    """Where a part lies: number of the device, sequence number of the entry, index of the part."""

    device: int
    seq: int
    part: int


class Replayed(NamedTuple):
    """One opened part: its place, the header it hangs from, its type (``claims@1``) and rows."""

    origin: Origin
    header: Header
    type: str
    rows: list[list[Any]]


Keys = Mapping[tuple[bytes, int], CompartmentKey]
"""(compartment id, epoch) -> key."""


class Ledger:
    """Reads all logs below ``folder``; ``writer`` appends to one of them."""

    def __init__(self, folder: Path, workspace: bytes, disk: Disk) -> None:
        self.folder, self.workspace, self.disk = folder, workspace, disk
        names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.exists() else []
        self.logs = {bytes.fromhex(name): DeviceLog(folder / name, bytes.fromhex(name), disk) for name in names if _is_id(name)}
        self._firsts: dict[bytes, tuple[Placed, list[bytes]]] = {}
        self._trusted: set[bytes] = set()

    # -- what the logs begin with --------------------------------------------------------------------------------------

    def first(self, device: bytes) -> tuple[Placed, list[bytes]]:
        """A log's first entry and its open parts. Raises NoGenesis, ForeignEntry, ForeignDevice, LogFileMissing."""
        if device not in self._firsts:
            log = self.logs[device]
            placed = next(log.placed(), None)
            if placed is None:
                raise NoGenesis(device=log.name, why="empty")
            if placed.entry.header.workspace != self.workspace:
                raise ForeignEntry(where=placed.entry.where)
            if placed.entry.header.device != device:
                raise ForeignDevice(where=placed.entry.where)
            with log.parts() as files:
                self._firsts[device] = placed, [body for body, _ in files.of(placed)]
        return self._firsts[device]

    def certificate(self, device: bytes) -> Certificate:
        """The certificate a device's log begins with (``verify`` checks it)."""
        placed, parts = self.first(device)
        return read_certificate(placed.entry, parts)

    def numbers(self) -> dict[bytes, int]:
        """Device id -> its number."""
        return {device: self.certificate(device).number for device in self.logs}

    @property
    def demo(self) -> bool:
        """True only if the signed genesis says that this workspace is a demonstration."""
        self.check_devices()
        placed, parts = self.first(next(iter(self.logs)))
        return read_genesis(placed.entry, parts)[1]

    def check_devices(self) -> None:
        """Follow each log's certificate back to the root, and check the signature of each first entry: whoever can write
        into the folder may not add a device. Raises NoGenesis, ForeignEntry, UnknownDevice, BadSignature.
        """
        if not self.logs:
            raise NoGenesis(device="?", why="no log at all")
        if self._trusted == set(self.logs):
            return
        firsts = {device: self.first(device) for device in self.logs}
        root, _ = read_genesis(*next((placed.entry, parts) for placed, parts in firsts.values()))
        for device, certificate in accept_certificates(root, map(self.certificate, self.logs)).items():
            firsts[device][0].entry.check_signature(certificate.key)
        self._trusted = set(self.logs)

    def founding_rows(self, kind: str, device: bytes) -> list[list[Any]]:
        """Rows of open parts of type ``kind`` in the first entry of one device's log: the whole chain hangs from it, so that
        no later signature, of this device's key or another's, gives the device other keys. Raises as ``check_devices``.
        """
        self.check_devices()
        if device not in self.logs:
            return []
        placed, parts = self.first(device)
        rows: list[list[Any]] = []
        for index, (part, known) in enumerate(zip(parts, placed.entry.header.parts, strict=True)):
            if digest(part) != known.sha256:
                raise BodyAltered(part=index, where=placed.entry.where)
            found, several = cbor.decode(part)
            rows += several if found == kind else []
        return rows

    def tombstones(self) -> set[tuple[bytes, int, int]]:
        """(device, seq, index) of every part that a signed tombstone names."""
        return {(row[0], row[1], row[2]) for row in self.open_rows(TOMBSTONE)}

    def open_rows(self, kind: str) -> Iterator[list[Any]]:
        """Rows of open parts (not sealed) of type ``kind``, from all logs: grants, certificates, tombstones."""
        for replayed in self.replay({}):
            if replayed.type == kind:
                yield from replayed.rows

    # -- reading -------------------------------------------------------------------------------------------------------

    def ends(self, since: Mapping[bytes, Position] | None = None) -> dict[bytes, Position]:
        """The position behind each log's last whole group, searched from ``since``. Raises LogShort, LogDamaged."""
        since = since or {}
        return {device: log.end(since.get(device, Position())) for device, log in self.logs.items()}

    def replay(
        self, keys: Keys, since: Mapping[bytes, Position] | None = None, until: Mapping[bytes, Position] | None = None
    ) -> Iterator[Replayed]:
        """Open and yield every part after ``since`` (and up to ``until``, as ``ends`` gives it) that is open or that ``keys``
        open, ordered by clock, device, seq.

        Raises SealBroken, BadSignature, LogExchanged, what ``check_devices`` raises, and BodyMissing (a part whose key is
        gone without a tombstone that names it; erased parts are skipped).
        """
        since = since or {}
        self.check_devices()
        numbers = self.numbers()
        streams = [
            self._replay_log(log, numbers[d], keys, since.get(d, Position()), until[d].seq if until else None)
            for d, log in self.logs.items()
        ]
        yield from heapq.merge(*streams, key=lambda r: (r.header.clock, r.origin.device, r.origin.seq))

    def _replay_log(self, log: DeviceLog, number: int, keys: Keys, since: Position, last: int | None) -> Iterator[Replayed]:
        wrappers: dict[tuple[bytes, int], Wrapper] = {place: key.wrapper for place, key in keys.items()}
        signer = self.certificate(log.device).key
        erased: set[tuple[bytes, int, int]] | None = None
        with log.parts() as files:
            for placed in log.placed(since):
                header = placed.entry.header
                if last is not None and header.seq > last:
                    return
                if (header.seq, header.prev) != (placed.before.seq + 1, placed.before.hash):
                    raise LogExchanged(device=log.name, seq=placed.before.seq)
                placed.entry.check_signature(signer)  # of every entry: who drops one, or empties it, must not go unnoticed
                wrapper = wrappers.get((header.compartment, header.epoch))
                if wrapper is None and header.compartment != OPEN:
                    continue
                for index, (body, wrapped) in enumerate(files.of(placed)):
                    if wrapped == SHREDDED:
                        if erased is None:
                            erased = self.tombstones() if header.compartment != OPEN else set()
                        if (log.device, header.seq, index) not in erased:
                            raise BodyMissing(part=index, where=placed.entry.where)
                        continue
                    plain = _open(placed, index, body, wrapped, wrapper)
                    kind, rows = _read(plain, sealed=wrapper is not None)
                    yield Replayed(Origin(number, header.seq, index), header, kind, rows)

    def locate(self, origin: Origin) -> tuple[DeviceLog, Placed]:
        """Find an entry by its place. Raises NoSuchPart."""
        return self.locate_all([origin])[origin]

    def locate_all(self, origins: Iterable[Origin]) -> dict[Origin, tuple[DeviceLog, Placed]]:
        """Find the entries of many places in one pass over each log. Raises NoSuchPart."""
        wanted: dict[tuple[int, int], list[Origin]] = {}
        for origin in origins:
            wanted.setdefault((origin.device, origin.seq), []).append(origin)
        found = {}
        for device, number in self.numbers().items():
            if any(place[0] == number for place in wanted):
                for placed in self.logs[device].placed():
                    parts = max(1, len(placed.entry.header.parts))
                    for origin in wanted.get((number, placed.entry.header.seq), ()):
                        if 0 <= origin.part < parts:
                            found[origin] = self.logs[device], placed
        for origin in (origin for place in wanted.values() for origin in place if origin not in found):
            raise NoSuchPart(**origin._asdict())
        return found

    # -- verification --------------------------------------------------------------------------------------------------

    def verify(self, *, now: int, checkpoint: Checkpoint | None = None) -> Verified:
        """Verify every log's entries (not the bodies). ``now`` in ms. Raises what is wrong."""
        frames = {device: log.frames() for device, log in self.logs.items()}
        firsts = {(device, 0): self.first(device)[1] for device in self.logs}
        return verify(frames, firsts, workspace=self.workspace, now=now, checkpoint=checkpoint)

    def check_bodies(self, keys: Keys) -> Iterator[tuple[Placed, int, bool]]:
        """Compare every part with its signed hash, open it where a key is held, and yield (entry, index, erased).

        Raises BodyMissing, BodyAltered, WrapAltered, SealBroken.
        """
        erased = self.tombstones()
        for device, log in self.logs.items():
            wrappers = {place: key.wrapper for place, key in keys.items()}
            with log.parts() as files:
                for placed in log.placed():
                    header = placed.entry.header
                    wrapper = wrappers.get((header.compartment, header.epoch))
                    for index, (body, wrapped) in enumerate(files.of(placed)):
                        gone = (device, header.seq, index) in erased
                        if not gone:
                            _check_body(placed, index, body, wrapped, wrapper)
                        yield placed, index, gone

    def unshredded(self) -> Iterator[tuple[DeviceLog, Placed, int]]:
        """Sealed parts that a tombstone names and whose key is still there: an erasure that was cut short, or undone."""
        erased = self.tombstones()
        for log in self.logs.values() if erased else ():
            with log.parts() as files:
                for placed in log.placed():
                    header = placed.entry.header
                    named = [i for i in range(len(header.parts)) if (log.device, header.seq, i) in erased]
                    if not named or header.compartment == OPEN:
                        continue
                    found = list(files.of(placed))
                    yield from ((log, placed, i) for i in named if found[i][1] != SHREDDED or any(found[i][0]))

    # -- writing -------------------------------------------------------------------------------------------------------

    @contextmanager
    def writer(self, device: bytes, key: SigningKey, since: Position | None = None, *, wait: float = 5) -> Iterator["Writer"]:
        """Lock the ledger and give its writer; waits up to ``wait`` seconds for another. Raises WorkspaceBusy, LogShort."""
        lock = filelock.FileLock(self.folder / "lock", timeout=wait)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise WorkspaceBusy from None
        try:
            log = self.logs.setdefault(device, DeviceLog(self.folder / device.hex(), device, self.disk))
            end = log.end(since or Position())
            log.check_whole(end)
            log.cut_unfinished(end)
            yield Writer(self, log, key, end)
        finally:
            lock.release()


class Writer:
    """The right to append to one log, held while the ledger is locked."""

    def __init__(self, ledger: Ledger, log: DeviceLog, key: SigningKey, end: Position) -> None:
        self.ledger, self.log, self.key, self.end = ledger, log, key, end

    @contextmanager
    def group(self, *, now: int, flags: int = 0) -> Iterator[Group]:
        """Collect entries and commit them together when the block ends; an exception leaves the log as it was."""
        heads = (
            [Head(d, p.seq, p.hash) for d, p in self.ledger.ends().items() if p.seq >= 0] if len(self.ledger.logs) > 1 else []
        )
        group = Group(self.log, self.end, self.key, self.ledger.workspace, heads, now=now, flags=flags)
        try:
            yield group
            self.end = group.commit()
        except BaseException:
            group.abort()
            raise

    def erase(self, origins: Iterable[Origin], *, authority: str, now: int) -> int:
        """Sign a tombstone for each part, then shred its key and bytes. Returns how many. Raises NoSuchPart.

        ``authority`` is open text, readable without a key: who may order the erasure, never why or whom it tells of.
        """
        places = self.ledger.locate_all(origins)
        for origin, (_log, placed) in places.items():
            if placed.entry.header.compartment == OPEN:  # certificates, grants and tombstones are never erased
                raise NoSuchPart(**origin._asdict())
        rows = [[log.device, origin.seq, origin.part, authority] for origin, (log, _placed) in places.items()]
        if rows:
            with self.group(now=now) as group:
                for start in range(0, len(rows), _TOMBSTONES):
                    group.add_open(TOMBSTONE, rows[start : start + _TOMBSTONES])
            _shred((log, placed, origin.part) for origin, (log, placed) in places.items())
        return len(rows)

    def enforce(self) -> int:
        """Shred what tombstones name and what is still there: after a lock or power cut in the midst of an erasure, or after
        old files were put back. Returns how many parts.
        """
        left = list(self.ledger.unshredded())
        _shred(left)
        return len(left)


def _shred(parts: Iterable[tuple[DeviceLog, Placed, int]]) -> None:
    """Log by log."""
    by_log: dict[bytes, tuple[DeviceLog, list[tuple[Placed, int]]]] = {}
    for log, placed, part in parts:
        by_log.setdefault(log.device, (log, []))[1].append((placed, part))
    for log, named in by_log.values():
        log.shred(named)


def _read(plain: bytes, *, sealed: bool) -> tuple[str, list[list[Any]]]:
    """(type, rows) of a part. What a member's own program wrote in another form reads as nothing, so that a replay goes on."""
    try:
        kind, rows = cbor.decode_sealed(plain) if sealed else cbor.decode(plain)
    except Exception:  # noqa: BLE001  a decoder in C, over bytes that a member chose
        return UNREADABLE, []
    if type(kind) is not str or type(rows) is not list:
        return UNREADABLE, []
    rows = [row for row in rows if type(row) is list]
    return kind, [row for row in rows if _names_a_part(row)] if kind == TOMBSTONE else rows


def _names_a_part(row: list[Any]) -> bool:
    return len(row) >= 3 and [type(item) for item in row[:3]] == [bytes, int, int]


def _open(placed: Placed, index: int, body: bytes, wrapped: bytes, wrapper: Wrapper | None) -> bytes:
    """The plaintext of a part; an open part must match its signed hash, a sealed one proves itself by its AEAD."""
    part, where = placed.entry.header.parts[index], placed.entry.where
    if len(body) < part.size or len(wrapped) < len(SHREDDED):
        raise BodyMissing(part=index, where=where)
    if wrapper is None:
        if digest(body) != part.sha256:
            raise BodyAltered(part=index, where=where)
        return body
    key = wrapper.unwrap(wrapped, f"key of part {index} of entry {where}")
    return open_part(key, body, placed.entry.header.aad(index), f"part {index} of entry {where}")


def _check_body(placed: Placed, index: int, body: bytes, wrapped: bytes, wrapper: Wrapper | None) -> None:
    part, where = placed.entry.header.parts[index], placed.entry.where
    if len(body) < part.size or len(wrapped) < len(SHREDDED) or wrapped == SHREDDED:
        raise BodyMissing(part=index, where=where)
    if digest(body) != part.sha256:
        raise BodyAltered(part=index, where=where)
    if placed.entry.header.compartment == OPEN:
        if wrapped != NO_WRAP:
            raise WrapAltered(part=index, where=where)
    elif wrapper is not None:
        if commit(wrapper.unwrap(wrapped, f"key of part {index} of entry {where}")) != part.commitment:
            raise WrapAltered(part=index, where=where)
        _open(placed, index, body, wrapped, wrapper)


def _is_id(name: str) -> bool:
    return len(name) == 32 and all(c in "0123456789abcdef" for c in name)
