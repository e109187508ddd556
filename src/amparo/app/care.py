"""Keeping a workspace honest: verification, checkpoints, rebuilding the views."""

from collections.abc import Callable
from typing import Any

from amparo.app.session import Session, now_ms
from amparo.ledger import checkpoint as checkpoints
from amparo.ledger.checkpoint import Checkpoint

Progress = Callable[[int, int], None]


def verify(
    session: Session, *, checkpoint: Checkpoint | None = None, bodies: bool = True, progress: Progress | None = None
) -> dict[str, Any]:
    """Verify every entry (and, with ``bodies``, every sealed part) against hashes, signatures and ``checkpoint``.

    Raises the first thing that is wrong, by its name.
    """
    verified = session.ledger.verify(now=now_ms(), checkpoint=checkpoint)
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
        "warnings": [f"{warning.kind}: entry {warning.where} ({warning.detail})" for warning in verified.warnings],
        "heads": {head.device.hex(): [head.seq, head.hash.hex()] for head in verified.heads.values()},
    }


def checkpoint(session: Session) -> Checkpoint:
    """Verify the entries and sign their heads: to be printed or sent, and kept elsewhere."""
    verified = session.ledger.verify(now=now_ms())
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
