"""Append and verify: the ledger against the bare calls it cannot do without, on the same bytes, in one run.

./run bench ledger [--entries 100000]
"""

import argparse
import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path

import nacl.bindings

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from ledger_kit import Kit

from amparo.kernel import cbor
from amparo.ledger import checkpoint
from amparo.ledger.entry import CONTEXT
from amparo.vault.seal import cose_parts


def main() -> None:
    """Print appends/s, the ratio of full verification to bare calls (three rounds), the walk from a checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    count = parser.parse_args().entries
    with tempfile.TemporaryDirectory() as folder:
        kit = Kit(Path(folder) / "ledger")
        kit.found()
        started = time.perf_counter()
        ledger = kit.ledger()
        text = os.urandom(100).hex()
        with ledger.writer(kit.everyday.device, kit.signing) as writer:
            for _ in range(count // 1000):
                kit.now += 1000
                with writer.group(now=kit.now) as group:
                    for _ in range(1000):
                        group.add(kit.key, "words@1", [[text]])
                        group.flush()
        print(f"append: {count / (time.perf_counter() - started):,.0f} entries/s in groups of 1,000")
        _verify(kit, count)


def _verify(kit: Kit, count: int) -> None:
    frames = list(kit.ledger().logs[kit.everyday.device].frames())
    prepared = []
    for raw in frames:
        payload, signature = cose_parts(raw)
        prepared.append(signature + cbor.encode(["Signature1", bytes.fromhex("a10132"), CONTEXT, payload]))
    ratios, seen = [], None
    for _ in range(3):
        started = time.perf_counter()
        for raw, signed in zip(frames, prepared, strict=True):
            nacl.bindings.crypto_sign_open(signed, kit.signing.public)
            hashlib.sha256(raw).digest()
        bare = time.perf_counter() - started
        started = time.perf_counter()
        verified = kit.ledger().verify(now=kit.now)
        full = time.perf_counter() - started
        ratios.append(full / bare)
        seen = checkpoint.make(kit.workspace, verified.heads.values(), signer=kit.everyday.device, key=kit.signing, now=kit.now)
        print(f"full verification {count / full:,.0f}/s, bare Ed25519 + SHA-256 {count / bare:,.0f}/s: {full / bare:.2f} x")
    started = time.perf_counter()
    kit.ledger().verify(now=kit.now, checkpoint=seen)
    walk = time.perf_counter() - started
    print(f"from a signed checkpoint: {count / walk:,.0f} entries/s")
    print(f"median: {sorted(ratios)[1]:.2f} x (goal 1.5); walk {count / walk / 300_000:.2f} x the goal of 300,000/s")


if __name__ == "__main__":
    main()
