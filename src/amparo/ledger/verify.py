"""Verification: a pure function of bytes, keys and a clock. No I/O; returns what may be trusted or raises what is wrong.

The root's public key hashes to the workspace id; the root (or a certified device) signs device certificates; a device signs
its entries; each entry names the one before it. Nothing here can tell that the *end* of a log was cut off: only a checkpoint
kept elsewhere can.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from amparo.kernel import cbor
from amparo.kernel.errors import AmparoError, Unverified
from amparo.kernel.i18n import N_
from amparo.ledger.checkpoint import Checkpoint, Head
from amparo.ledger.entry import (
    COSE_START,
    GENESIS_PREV,
    OPEN,
    Clock,
    Entry,
    Seen,
    decode,
    prev_of,
)
from amparo.vault.keyring import BadCertificate, Certificate, workspace_id
from amparo.vault.seal import VerifyKey, digest

SKEW_MS: Final = 10 * 60 * 1000
_NO_CLOCK: Final = Clock(0, 0)


class ForeignEntry(Unverified):
    template = N_("Entry {where} belongs to another workspace; this ledger was mixed with a foreign one.")


class ForeignDevice(Unverified):
    template = N_("Entry {where} was signed by another device than the log it lies in.")


class UnknownDevice(Unverified):
    template = N_("No certificate from this workspace's root vouches for device {device}; its entries cannot be trusted.")


class NoGenesis(Unverified):
    template = N_("The ledger of device {device} does not begin with the certificate it must begin with ({why}).")


class EntriesMissing(Unverified):
    template = N_("The log of device {device} has a hole: entries {first} to {last} are missing; take them from a backup.")


class Reordered(Unverified):
    template = N_("The log of device {device} is out of order: entry {found} stands where entry {expected} belongs.")


class Replayed(Unverified):
    template = N_("The log of device {device} holds entry {seq} a second time.")


class Forked(Unverified):
    template = N_(
        "Device {device} signed two different entries number {seq}: its log is forked; keep both copies and ask who ran "
        "a copy of this device."
    )


class ChainBroken(Unverified):
    template = N_("Entry {where} does not follow from the entry before it: one of the two was exchanged.")


class RolledBack(Unverified):
    template = N_(
        "The log of device {device} ends at entry {found}, but the checkpoint of {date} saw entry {expected}: its end was "
        "cut off or an older copy was put in its place."
    )


class WitnessedMissing(Unverified):
    template = N_(
        "The log of device {device} ends at entry {found}, but device {by} has signed that it saw entry {expected}: its end "
        "was cut off or an older copy was put in its place."
    )


class Diverged(Unverified):
    template = N_("Entry {seq} of device {device} is not the one the checkpoint saw: history was rewritten.")


class ForeignCheckpoint(Unverified):
    template = N_("This checkpoint belongs to another workspace.")


@dataclass(frozen=True, slots=True)
class Flag:
    """Something to look at that proves nothing: a clock that jumped, an unfinished tail."""

    kind: str
    where: str
    detail: str


@dataclass(slots=True)
class TrustedLog:
    """One device's log as far as it has been verified; ``update`` takes the next entry's bytes or raises."""

    workspace: bytes
    certificate: Certificate
    now: int
    seq: int = -1
    hash: bytes = GENESIS_PREV
    clock: Clock = _NO_CLOCK
    hashes: dict[int, bytes] = field(default_factory=dict)
    witnessed: dict[tuple[bytes, int], bytes] = field(default_factory=dict)
    """(other device, seq) -> hash, as this device signed that it saw them."""
    warnings: list[Flag] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.certificate.device.hex()[:8]

    def update(self, raw: bytes) -> Entry:
        """Verify the next entry: form, signature, workspace, device, order, chain; flag clock skew. Returns it."""
        entry = decode(raw)
        header, name = entry.header, self.certificate.device.hex()[:8]
        if header.workspace != self.workspace:
            raise ForeignEntry(where=entry.where)
        if header.device != self.certificate.device:
            raise ForeignDevice(where=entry.where)
        entry.check_signature(self.certificate.key)
        expected = self.seq + 1
        if header.seq > expected:
            raise EntriesMissing(device=name, first=expected, last=header.seq - 1)
        if header.seq < expected:
            if self.hashes.get(header.seq) == entry.hash:
                raise Replayed(device=name, seq=header.seq)
            raise Forked(device=name, seq=header.seq)
        if header.prev != self.hash:
            raise ChainBroken(where=entry.where)
        self._flag_skew(entry)
        self.seq, self.hash, self.clock = header.seq, entry.hash, header.clock
        self.hashes[header.seq] = entry.hash
        for saw in header.deps:
            if self.witnessed.setdefault((saw.device, saw.seq), saw.hash) != saw.hash:
                raise Diverged(device=saw.device.hex()[:8], seq=saw.seq)
        return entry

    def _flag_skew(self, entry: Entry) -> None:
        header = entry.header
        if header.clock <= self.clock:
            self.warnings.append(Flag("clock went back", entry.where, f"{header.clock.ms} ms"))
        if max(header.clock.ms, header.claimed) > self.now + SKEW_MS:
            self.warnings.append(Flag("clock ahead", entry.where, f"{header.claimed - self.now} ms"))


@dataclass(slots=True)
class Verified:
    """What a full verification established: entries, heads per device, certificates, and warnings."""

    root: VerifyKey
    workspace: bytes
    demo: bool
    certificates: dict[bytes, Certificate]
    heads: dict[bytes, Head]
    entries: int
    warnings: list[Flag]


OpenParts = Mapping[tuple[bytes, int], Sequence[bytes]]
"""(device, seq) -> the parts of an open entry, as bytes."""


def read_genesis(entry: Entry, parts: Sequence[bytes]) -> tuple[VerifyKey, bool]:
    """(root public key, demo) from a log's first entry. Raises NoGenesis if it does not found this workspace."""
    name = entry.header.device.hex()[:8]
    if entry.header.compartment != OPEN or not parts or len(parts) < len(entry.header.parts):
        raise NoGenesis(device=name, why="sealed or empty")
    for part, known in zip(parts, entry.header.parts, strict=False):
        if digest(part) != known.sha256:
            raise NoGenesis(device=name, why="its words were altered")
    body = cbor.decode(parts[0])
    if not (isinstance(body, list) and len(body) == 2 and body[0] == "genesis@1" and len(body[1]) == 1):
        raise NoGenesis(device=name, why="no genesis")
    root, demo, *_ = body[1][0]
    if not isinstance(root, bytes) or len(root) != 32 or workspace_id(VerifyKey(root)) != entry.header.workspace:
        raise NoGenesis(device=name, why="another root")
    return VerifyKey(root), demo is True


def read_certificate(entry: Entry, parts: Sequence[bytes]) -> Certificate:
    """The device certificate in a log's first entry (its second part)."""
    name = entry.header.device.hex()[:8]
    if len(parts) < 2 or digest(parts[1]) != entry.header.parts[1].sha256:
        raise NoGenesis(device=name, why="no certificate")
    body = cbor.decode(parts[1])
    if not (isinstance(body, list) and len(body) == 2 and body[0] == "device@1" and len(body[1]) == 1):
        raise NoGenesis(device=name, why="no certificate")
    certificate = Certificate.decode(body[1][0][0])
    if certificate.device != entry.header.device or certificate.workspace != entry.header.workspace:
        raise NoGenesis(device=name, why="a certificate for another device or workspace")
    return certificate


def accept_certificates(root: VerifyKey, certificates: Iterable[Certificate]) -> dict[bytes, Certificate]:
    """Follow every certificate back to the root; device numbers must be unique. Raises UnknownDevice, BadCertificate."""
    waiting = list(certificates)
    home = workspace_id(root)
    accepted: dict[bytes, Certificate] = {}
    while waiting:
        rest = []
        for certificate in waiting:
            if certificate.issuer == home:
                certificate.check(root)
            elif certificate.issuer in accepted:
                certificate.check(accepted[certificate.issuer].key)
            else:
                rest.append(certificate)
                continue
            if any(other.number == certificate.number for other in accepted.values()):
                raise BadCertificate(why=f"device number {certificate.number} was given twice")
            accepted[certificate.device] = certificate
        if len(rest) == len(waiting):
            raise UnknownDevice(device=rest[0].device.hex()[:8])
        waiting = rest
    return accepted


def verify(
    logs: Mapping[bytes, Iterable[bytes]],
    firsts: OpenParts,
    *,
    workspace: bytes,
    now: int,
    checkpoint: Checkpoint | None = None,
) -> Verified:
    """Verify whole logs: device id -> its entries' bytes in file order; ``firsts`` holds the open parts of entry 0 of each.

    ``now`` in ms since 1970 UTC. With ``checkpoint`` (already checked), the entries of the device that signed it, up to its
    head, are only walked along their hash chain, which that very key's signature covers; no device vouches for another's
    signatures. Raises the first thing that is wrong.
    """
    streams = {device: iter(frames) for device, frames in logs.items()}
    roots: dict[bytes, tuple[VerifyKey, bool]] = {}
    certificates, opening = [], {}
    for device, stream in streams.items():
        raw = next(stream, None)
        if raw is None:
            raise NoGenesis(device=device.hex()[:8], why="empty")
        entry = decode(raw)
        if entry.header.workspace != workspace:
            raise ForeignEntry(where=entry.where)
        parts = firsts.get((device, 0), ())
        roots[device] = read_genesis(entry, parts)
        certificates.append(read_certificate(entry, parts))
        opening[device] = raw
    if not roots:
        raise NoGenesis(device="?", why="no log at all")
    root, demo = next(iter(roots.values()))
    accepted = accept_certificates(root, certificates)
    result = Verified(root, workspace, demo, accepted, {}, 0, [])
    seen = _walked_heads(checkpoint, workspace, accepted)
    trusted = {device: TrustedLog(workspace, accepted[device], now) for device in streams}
    for device, stream in streams.items():
        _verify_log(result, trusted[device], opening[device], stream, seen.get(device), checkpoint)
    missing = set(seen) - set(streams)
    if missing and checkpoint is not None:
        head = seen[missing.pop()]
        raise RolledBack(device=head.device.hex()[:8], found=-1, expected=head.seq, date=checkpoint.date)
    _check_witnesses(trusted)
    return result


def _check_witnesses(logs: Mapping[bytes, TrustedLog]) -> None:
    """What one device signed that it saw of another's log must be there: a cut that spares the witness shows."""
    for witness in logs.values():
        for (device, seq), known in witness.witnessed.items():
            log = logs.get(device)
            if log is None or log.seq < seq:
                found = -1 if log is None else log.seq
                raise WitnessedMissing(device=device.hex()[:8], expected=seq, found=found, by=witness.name)
            if log.hashes.get(seq, known) != known:
                raise Diverged(device=device.hex()[:8], seq=seq)


def _walked_heads(checkpoint: Checkpoint | None, workspace: bytes, accepted: Mapping[bytes, Certificate]) -> dict[bytes, Head]:
    if checkpoint is None:
        return {}
    if checkpoint.workspace != workspace:
        raise ForeignCheckpoint
    signer = accepted.get(checkpoint.signer)
    if signer is None:
        raise UnknownDevice(device=checkpoint.signer.hex()[:8])
    checkpoint.check(signer.key)
    return {head.device: head for head in checkpoint.heads}


def _verify_log(
    result: Verified,
    log: TrustedLog,
    first: bytes,
    rest: Iterable[bytes],
    seen: Head | None,
    checkpoint: Checkpoint | None,
) -> None:
    name = log.certificate.device.hex()[:8]
    stream = iter(rest)
    walked = seen is not None and checkpoint is not None and checkpoint.signer == log.certificate.device
    if walked:
        assert seen is not None
        assert checkpoint is not None
        _walk(log, first, stream, seen, checkpoint)
    else:
        log.update(first)
    for raw in stream:
        try:
            log.update(raw)
        except EntriesMissing as gap:
            _tell_gap_from_disorder(gap, stream, name, log.seq + 1)
    if seen is not None and checkpoint is not None and not walked:
        if log.seq < seen.seq:
            raise RolledBack(device=name, found=log.seq, expected=seen.seq, date=checkpoint.date)
        if log.hashes.get(seen.seq) != seen.hash:
            raise Diverged(device=name, seq=seen.seq)
    result.entries += log.seq + 1
    result.heads[log.certificate.device] = Head(log.certificate.device, log.seq, log.hash)
    result.warnings += log.warnings


def _tell_gap_from_disorder(gap: EntriesMissing, rest: Iterable[bytes], name: str, expected: int) -> None:
    """A missing entry that turns up later was moved, not cut out."""
    for raw in rest:
        try:
            found = decode(raw).header.seq
        except AmparoError:
            continue
        if found == expected:
            last = gap.facts["last"]
            raise Reordered(device=name, expected=expected, found=int(str(last)) + 1) from None
    raise gap


def _walk(log: TrustedLog, first: bytes, rest: Iterable[bytes], seen: Head, checkpoint: Checkpoint) -> None:
    """Follow the hash chain up to the checkpoint's head without decoding or checking signatures: one SHA-256 an entry."""
    name = log.certificate.device.hex()[:8]
    previous, raw, seq = GENESIS_PREV, first, 0
    stream = iter(rest)
    while True:
        if raw[:7] != COSE_START or prev_of(raw) != previous:
            log.seq, log.hash = seq - 1, previous
            log.update(raw)  # says exactly what is wrong
            raise ChainBroken(where=f"{name}:{seq}")
        previous = log.hashes[seq] = digest(raw)
        if seq == seen.seq:
            break
        following = next(stream, None)
        if following is None:
            raise RolledBack(device=name, found=seq, expected=seen.seq, date=checkpoint.date)
        raw, seq = following, seq + 1
    if previous != seen.hash:
        raise Diverged(device=name, seq=seq)
    entry = decode(raw)
    log.seq, log.hash, log.clock = seq, previous, entry.header.clock
    log.hashes[seq] = previous


def seen_heads(heads: Iterable[Head], but: bytes) -> tuple[Seen, ...]:
    """Other devices' heads as an entry's ``deps``, in canonical order."""
    return tuple(Seen(head.device, head.seq, head.hash) for head in sorted(heads, key=lambda h: h.device) if head.device != but)
