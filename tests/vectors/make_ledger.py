"""Make the ledger vectors anew: ``python tests/vectors/make_ledger.py``. Keys are random, so the bytes differ each time.

A vector is one JSON file: name, expect ("ok" or the name of the error), workspace (hex), now (ms), checkpoint (text or null),
files (path below ledger/ -> base64).
"""

import base64
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from ledger_kit import Kit

from amparo.ledger import checkpoint
from amparo.ledger.entry import frame
from amparo.ledger.ledger import Origin
from amparo.vault import keyring

HERE = Path(__file__).parent / "ledger"


def write(kit: Kit, name: str, expect: str, seen: str | None = None) -> None:
    files = {
        str(path.relative_to(kit.folder)): base64.b64encode(path.read_bytes()).decode()
        for path in sorted(kit.folder.rglob("*"))
        if path.is_file() and path.name != "lock"
    }
    vector = {
        "name": name,
        "expect": expect,
        "workspace": kit.workspace.hex(),
        "now": kit.now,
        "checkpoint": seen,
        "files": files,
    }
    (HERE / f"{name.replace(' ', '-')}.json").write_text(json.dumps(vector, indent=1) + "\n")


def frames(kit: Kit) -> list[bytes]:
    return list(kit.ledger().logs[kit.everyday.device].frames())


def main() -> None:
    HERE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        kit = Kit(Path(folder) / "ledger")
        kit.found()
        kit.append("one", "two", "three")
        kit.append_group(["four", "five"])
        write(kit, "honest", "ok")
        raws = frames(kit)
        head = kit.ledger().verify(now=kit.now).heads.values()
        seen = checkpoint.make(kit.workspace, head, signer=kit.everyday.device, key=kit.signing, now=kit.now).text()
        write(kit, "honest with checkpoint", "ok", seen)
        entries, bodies, wraps = kit.log / "entries", kit.log / "bodies", kit.log / "wraps"
        saved = entries.read_bytes(), bodies.read_bytes(), wraps.read_bytes()

        def variant(name: str, expect: str, new: list[bytes] | bytes, seen: str | None = None) -> None:
            entries.write_bytes(new if isinstance(new, bytes) else b"".join(map(frame, new)))
            write(kit, name, expect, seen)
            for path, data in zip((entries, bodies, wraps), saved, strict=True):
                path.write_bytes(data)

        flipped = raws[2][:150] + bytes([raws[2][150] ^ 1]) + raws[2][151:]
        variant("bit flip", "BadSignature", [*raws[:2], flipped, *raws[3:]])
        variant("cut in the middle", "EntriesMissing", [*raws[:2], *raws[3:]])
        variant("reordered", "Reordered", [*raws[:2], raws[3], raws[2], *raws[4:]])
        variant("replayed", "Replayed", [*raws, raws[1]])
        variant("torn tail", "ok", saved[0] + frame(raws[1])[:60])
        variant("damaged length", "LogDamaged", saved[0][:1] + bytes([saved[0][1] ^ 0x40]) + saved[0][2:])
        variant("rolled back", "RolledBack", raws[:-1], seen)
        longer = raws[1].replace(b"\xa0\x58", b"\xb8\x00\x58", 1)
        variant("not canonical", "NotCanonical", [raws[0], longer, *raws[2:]])
        forks(kit, raws, variant, seen)
        bodies.write_bytes(saved[1][:-1] + bytes([saved[1][-1] ^ 1]))
        variant("body altered", "BodyAltered", raws)
        bodies.write_bytes(saved[1][:-20])
        variant("body cut", "BodyMissing", raws)
        other = Kit(Path(folder) / "other")
        other.found()
        other.append("foreign")
        variant("foreign entry", "ForeignEntry", [*raws, frames(other)[1]])
        devices(kit, other)
        with kit.ledger().writer(kit.everyday.device, kit.signing) as writer:
            writer.erase([Origin(1, 2, 0)], authority="an officer", now=kit.now)
        write(kit, "erased", "ok")


def forks(kit: Kit, raws: list[bytes], variant: Callable[..., None], seen: str) -> None:
    path = kit.log / "entries"
    path.write_bytes(b"".join(map(frame, raws[:2])))
    kit.append("another")
    other = frames(kit)
    variant("forked", "Forked", [*raws, other[2]])
    variant("exchanged by a fork", "ChainBroken", [*raws[:2], other[2], *raws[3:]])
    path.write_bytes(b"".join(map(frame, raws[:2])))
    kit.append("another", "yet another", "more")
    variant("rewritten after a checkpoint", "Diverged", frames(kit), seen)


def devices(kit: Kit, stranger: Kit) -> None:
    """A second device: honest, certified by a stranger, certified by nobody known, and with an entry of the first."""
    ghost, _ = keyring.new_rings()
    cases = (
        ("second device", "ok", kit.workspace, kit.root),
        ("certified by the first device", "ok", kit.everyday.device, kit.signing),
        ("certificate forged", "BadSignature", kit.workspace, stranger.root),
        ("certified by nobody known", "UnknownDevice", ghost.device, ghost.signing),
    )
    for name, expect, issuer, signer in cases:
        everyday, identities = keyring.new_rings()
        assert signer is not None
        made = keyring.certify(everyday, identities, workspace=kit.workspace, number=2, issuer=issuer, signer=signer)
        kit.found(made, everyday.signing)
        write(kit, name, expect)
        log = kit.folder / everyday.device.hex()
        if name == "second device":
            with (log / "entries").open("ab") as file:
                file.write(frame(frames(kit)[1]))
            write(kit, "entry of another device", "ForeignDevice")
        for path in log.iterdir():
            path.unlink()
        log.rmdir()


if __name__ == "__main__":
    main()
