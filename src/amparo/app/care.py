"""Keeping a workspace honest: verification, checkpoints, rebuilding the views."""

from collections.abc import Callable
from typing import Any

from amparo.app.session import Session, now_ms
from amparo.ledger import checkpoint as checkpoints
from amparo.ledger.checkpoint import Checkpoint
from amparo.ledger.log import LogExchanged, LogShort
from amparo.ledger.verify import Verified

Progress = Callable[[int, int], None]


def verify(
    session: Session, *, checkpoint: Checkpoint | None = None, bodies: bool = True, progress: Progress | None = None
) -> dict[str, Any]:
    """Verify every entry (and, with ``bodies``, every sealed part) against hashes, signatures and ``checkpoint``.

    Raises the first thing that is wrong, by its name.
    """
    verified = session.ledger.verify(now=now_ms(), checkpoint=checkpoint)
    check_remembered(session, verified)
    parts = erased = 0
    if bodies:
        ends = session.ledger.ends()
        total = sum(end.parts for end in ends.values())
        keys = {(key.compartment, key.epoch): key for key in session.keys.values()}
        for _, _, gone in session.ledger.check_bodies(keys):
            parts, erased = parts + 1, erased + gone
            if parts % 1000 == 0:
                session.keep_alive()
                if progress:
                    progress(parts, total)
    unfinished = sum(log.unfinished(end) for log, end in zip(
        session.ledger.logs.values(), session.ledger.ends().values(), strict=True))  # fmt: skip
    return {
        "demo": session.demo,
        "entries": verified.entries,
        "parts": parts,
        "erased": erased,
        "devices": len(verified.heads),
        "checkpoint": checkpoint.date if checkpoint else None,
        "unfinished_bytes": unfinished,
        "warnings": [
            *(f"{warning.kind}: entry {warning.where} ({warning.detail})" for warning in verified.warnings),
            *(f"erased but still there: part {i} of {left.entry.where}" for _, left, i in session.ledger.unshredded()),
        ],
        "heads": {head.device.hex(): [head.seq, head.hash.hex()] for head in verified.heads.values()},
    }


def check_remembered(session: Session, verified: Verified) -> None:
    """Compare the logs with what the record's view has read of them before: it notices a cut that no signature shows.

    Raises LogShort, LogExchanged. A view that cannot be read remembers nothing.
    """
    remembered = session.remembered()
    session.ledger.ends(remembered)
    for device, position in remembered.items():
        head = verified.heads.get(device)
        if head is None:
            raise LogShort(device=device.hex()[:8], expected=position.seq)
        if head.seq == position.seq and head.hash != position.hash:
            raise LogExchanged(device=device.hex()[:8], seq=position.seq)


def checkpoint(session: Session) -> Checkpoint:
    """Verify the entries and sign their heads: to be printed or sent, and kept elsewhere."""
    verified = session.ledger.verify(now=now_ms())
    check_remembered(session, verified)
    ring = session.ring
    assert ring.signing is not None
    return checkpoints.make(session.workspace, verified.heads.values(), signer=ring.device, key=ring.signing, now=now_ms())


def rebuild(session: Session) -> dict[str, Any]:
    """Throw the views away and make them anew from the ledger."""
    session.rebuild()
    counts = session.record.counts()
    opened = [name for name in ("testimony", "identities") if name in session.keys]
    if "testimony" in opened:
        _ = session.testimony
    if "identities" in opened:
        _ = session.identities
    return {"demo": session.demo, "rebuilt": ["record", *opened], "counts": counts}
