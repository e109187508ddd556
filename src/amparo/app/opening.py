"""Making, unlocking, locking and destroying a workspace; backup and restore as a new device.

Passphrases open slots, slots give rings, the agent holds rings, and a session asks the agent for the rings a task needs.
"""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from amparo.app.session import Session, now_ms, read_marker, require_folder
from amparo.kernel import cbor
from amparo.kernel.errors import AmparoError, BadInput, Locked
from amparo.kernel.i18n import N_
from amparo.ledger.ledger import Ledger
from amparo.ledger.verify import read_genesis
from amparo.vault import agent_client, backup, keyring, recovery, slots
from amparo.vault.disk import Disk
from amparo.vault.keyring import COMPARTMENTS, EVERYDAY, IDENTITIES, Certificate, Ring
from amparo.vault.seal import CompartmentKey, SigningKey
from amparo.vault.slots import Passphrase

DEMO_KEY: Final = "demo.key"


class WorkspaceExists(BadInput):
    template = N_("{folder} is not empty; choose a new folder for the workspace.")


class SamePassphrase(BadInput):
    template = N_(
        "The identities need a passphrase of their own; whoever learns the everyday one must not read the names with it."
    )


class NotADemo(BadInput):
    template = N_("This workspace is not a demonstration; a key file beside it does not open it. Use its passphrase.")


class NoSlot(Locked):
    template = N_(
        "The key slot “{kind}” is gone (was this workspace destroyed with `panic`?); only `amparo recover` can open it."
    )


@dataclass(frozen=True, slots=True)
class Founded:
    """A new workspace: its folder, and the recovery code to be printed and then forgotten."""

    folder: Path
    recovery: recovery.RecoveryCode


def slot_path(folder: Path, kind: str) -> Path:
    """Where a slot lies."""
    return folder / "slots" / f"{kind}.slot"


def create(
    folder: Path, everyday: Passphrase, identities: Passphrase, *, demo: bool = False, cost: slots.Cost = slots.DEFAULT
) -> Founded:
    """Make a workspace: root, first device, compartments, slots, and the signed genesis. Raises WorkspaceExists."""
    if folder.exists() and any(folder.iterdir()):
        raise WorkspaceExists(folder=str(folder))
    check_new_passphrases(everyday, identities)
    disk = Disk()
    disk.mkdir(folder)
    root = SigningKey.from_seed(os.urandom(32))
    workspace = keyring.workspace_id(root.public)
    rings = keyring.new_rings()
    certificate = keyring.certify(*rings, workspace=workspace, number=1, issuer=workspace, signer=root)
    keys = [keyring.new_compartment(name) for name in COMPARTMENTS]
    _found_log(folder, rings[0], certificate, root.public, keys, disk, demo=demo)
    code = recovery.RecoveryCode.new()
    _write_slots(folder, rings, (everyday, identities), cost)
    recovery.write_recovery(slot_path(folder, "recovery"), _recovery_ring(root.seed, rings), code)
    disk.atomic_write(folder / "amparo.json", json.dumps({"format": 1, "workspace": workspace.hex()}).encode())
    return Founded(folder, code)


def check_new_passphrases(everyday: Passphrase, identities: Passphrase) -> None:
    """Refuse too short ones and one for both, before anything is made. Raises PassphraseTooShort, SamePassphrase."""
    everyday.check_new()
    identities.check_new()
    if everyday == identities:
        raise SamePassphrase


def _found_log(
    folder: Path, ring: Ring, certificate: Certificate, root: bytes, keys: Iterable[CompartmentKey], disk: Disk, *, demo: bool
) -> None:
    """Write a device's first entry: genesis, certificate, grants."""
    disk.mkdir(folder / "ledger")
    ledger = Ledger(folder / "ledger", certificate.workspace, disk)
    assert ring.signing is not None
    with ledger.writer(ring.device, ring.signing) as writer, writer.group(now=now_ms()) as group:
        group.add_open("genesis@1", [[root, demo, now_ms()]])
        group.add_open("device@1", [[certificate.raw]])
        group.add_open("grant@1", [keyring.grant(key, certificate) for key in keys])


def _write_slots(folder: Path, rings: tuple[Ring, Ring], passphrases: tuple[Passphrase, Passphrase], cost: slots.Cost) -> None:
    Disk().mkdir(folder / "slots")
    for ring, passphrase in zip(rings, passphrases, strict=True):
        slots.write_slot(slot_path(folder, ring.name), ring.encode(), passphrase, kind=ring.name, cost=cost)


def _recovery_ring(seed: bytes, rings: tuple[Ring, Ring]) -> bytes:
    return cbor.encode([1, seed, rings[0].encode(), rings[1].encode()])


def read_ring(folder: Path, kind: str, passphrase: Passphrase) -> Ring:
    """Open one slot. Raises NoSlot, WrongPassphrase, SlotDamaged."""
    read_marker(folder)
    path = slot_path(folder, kind)
    if not path.is_file():
        raise NoSlot(kind=kind)
    return Ring.decode(slots.read_slot(path, passphrase, kind=kind))


def demo_passphrases(folder: Path) -> tuple[Passphrase, Passphrase]:
    """The passphrases of a demonstration, from the key file beside it. Raises NotADemo unless its signed genesis says demo."""
    ledger = Ledger(folder / "ledger", read_marker(folder), Disk())
    if not ledger.demo:
        raise NotADemo
    everyday, identities = json.loads((folder / DEMO_KEY).read_text("utf-8"))["passphrases"]
    return Passphrase(everyday), Passphrase(identities)


def is_demo(folder: Path) -> bool:
    """True if ``folder`` is a workspace whose signed genesis says demo; False for anything else, whatever is wrong with it."""
    try:
        return Ledger(folder / "ledger", read_marker(folder), Disk()).demo
    except (AmparoError, OSError, StopIteration):
        return False


def has_demo_key(folder: Path) -> bool:
    """True if a key file lies beside the workspace; ``demo_passphrases`` decides whether it counts."""
    return (folder / DEMO_KEY).exists()


# -- the agent ---------------------------------------------------------------------------------------------------------


def unlock(folder: Path, ring: Ring) -> None:
    """Give a ring to the workspace's agent; start one if none runs."""
    if agent_client.status(folder) is None:
        agent_client.start_agent(folder, {ring.name: ring.encode()})
    else:
        with agent_client.AgentClient(folder) as client:
            client.put(ring.name, ring.encode())


def open_session(folder: Path, *, identities: bool = False) -> Session:
    """Open with the rings the agent holds; the process ends when the agent locks. Raises AgentNotRunning, RingLocked."""
    read_marker(folder)
    client = agent_client.AgentClient(folder)
    names = (EVERYDAY, IDENTITIES) if identities else (EVERYDAY,)
    return Session(folder, [Ring.decode(client.get(name)) for name in names], on_close=client.close, keep_alive=client.touch)


def holds(folder: Path, name: str) -> bool:
    """True if an agent runs and holds the ring ``name``."""
    state = agent_client.status(folder)
    return state is not None and name in state.left


def agent_status(folder: Path) -> dict[str, Any]:
    """What the agent holds: ring -> seconds until it goes if nobody uses it."""
    state = agent_client.status(folder)
    return {"rings": {name: round(left) for name, left in state.left.items()} if state else {}}


def lock_identities(folder: Path) -> bool:
    """Let the agent forget the identities and end every process that had them; False if no agent runs."""
    return agent_client.forget(folder, IDENTITIES)


def lock(folder: Path) -> bool:
    """End the agent and everything that talks to it. Returns whether one ran."""
    return agent_client.lock(folder)


def panic(folder: Path, *, recovery_too: bool = False) -> agent_client.Panic:
    """Destroy the key slots, then end the agent and its clients: in under a second, needing no key and no answer."""
    kinds = [EVERYDAY, IDENTITIES, *(["recovery"] if recovery_too else [])]
    done = agent_client.panic(folder, kinds)
    with suppress(AmparoError, OSError):  # nothing may stand in the way of a panic
        Disk().shred(folder / DEMO_KEY)
    return done


# -- recovery, backup, restore -----------------------------------------------------------------------------------------


def recover(
    folder: Path, code: recovery.RecoveryCode, everyday: Passphrase, identities: Passphrase, *, cost: slots.Cost = slots.DEFAULT
) -> None:
    """Open the recovery slot and write new passphrase slots. Raises NoSlot, WrongRecoveryCode."""
    check_new_passphrases(everyday, identities)
    _, rings = _open_recovery(folder, code)
    _write_slots(folder, rings, (everyday, identities), cost)


def _open_recovery(folder: Path, code: recovery.RecoveryCode) -> tuple[SigningKey, tuple[Ring, Ring]]:
    read_marker(folder)
    path = slot_path(folder, "recovery")
    if not path.is_file():
        raise NoSlot(kind="recovery")
    _, seed, first, second = cbor.decode(recovery.read_recovery(path, code))
    return SigningKey.from_seed(seed), (Ring.decode(first), Ring.decode(second))


class BackupInside(BadInput):
    template = N_("{folder} lies in the workspace itself; choose a folder on another disk, which survives this one.")


def back_up(session: Session, target: Path, progress: backup.Progress | None = None) -> tuple[int, int]:
    """Mirror the sealed workspace into ``target`` while the ledger is held still. Returns (files changed, bytes written)."""
    if target.resolve().is_relative_to(session.folder.resolve()) and target.resolve() != session.folder.resolve():
        raise BackupInside(folder=str(target))
    require_folder(target)
    ring = session.ring
    assert ring.signing is not None
    with session.ledger.writer(ring.device, ring.signing) as writer:
        writer.enforce()  # what was erased must not travel
        return backup.back_up(session.folder, target, session.disk, progress)


def restore(
    source: Path, target: Path, everyday: Passphrase, identities: Passphrase, *, cost: slots.Cost = slots.DEFAULT,
    progress: backup.Progress | None = None,
) -> int:  # fmt: skip
    """Restore a backup as a *new* device: a log of its own, certified by the old device's key; the old log is never written.

    Raises WrongPassphrase before anything is copied. Returns the new device's number.
    """
    old = read_ring(source, EVERYDAY, everyday), read_ring(source, IDENTITIES, identities)
    disk = Disk()
    backup.restore(source, target, disk, progress)
    assert old[0].signing is not None
    workspace = read_marker(target)
    ledger = Ledger(target / "ledger", workspace, disk)
    root, demo = _root_of(ledger), ledger.demo
    with Session(target, old) as session:
        keys = list(session.keys.values())
    rings = keyring.new_rings()
    number = max(ledger.numbers().values()) + 1
    certificate = keyring.certify(*rings, workspace=workspace, number=number, issuer=old[0].device, signer=old[0].signing)
    _found_log(target, rings[0], certificate, root, keys, disk, demo=demo)
    _write_slots(target, rings, (everyday, identities), cost)
    return number


def _root_of(ledger: Ledger) -> bytes:
    placed, parts = ledger.first(next(iter(ledger.logs)))
    return read_genesis(placed.entry, parts)[0]
