"""Workspaces with a few made-up items, exported and verified by the stand-alone program in a process of its own."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from amparo.app import evidence, opening
from amparo.app import evidence_court as court
from amparo.app.evidence_court import Asked
from amparo.app.release import Refused
from amparo.app.session import Session
from amparo.evidence.bag import Bag, FolderSink
from amparo.protect.gate import Override
from amparo.vault.disk import Disk
from amparo.vault.slots import Cost, Passphrase

SECRETS = Passphrase("a made-up passphrase"), Passphrase("another made-up one")
VERIFIER = Path(__file__).parent.parent / "verifier" / "amparo_verify_bag.py"
PICTURE = b"\xff\xd8\xff\xe0" + b"made up, no image at all " * 200
NOTE = b"A made-up note, words of nobody.\n"


def workspace(folder: Path) -> AbstractContextManager[Session]:
    """A new workspace with all its keys open."""
    opening.create(folder, *SECRETS, cost=Cost(64, 1, 1))
    rings = [opening.read_ring(folder, kind, one) for kind, one in zip(("everyday", "identities"), SECRETS, strict=True)]
    return Session(folder, rings)


def filled(session: Session, folder: Path, files: dict[str, bytes] | None = None, **origin: str) -> str:
    """Add files as a source, of published basis unless said; returns its handle."""
    folder.mkdir()
    for name, data in (files or {"a picture.jpg": PICTURE, "note.txt": NOTE}).items():
        (folder / name).write_bytes(data)
    given = {"from_whom": "P-0001", "how": "copied over USB", "collector": "V-900", "basis": "published source"}
    return evidence.add(session, [folder], origin=evidence.Origin(**(given | origin))).source


def overridden(session: Session, items: Iterable[Any], target: Path, asked: Asked | None = None) -> tuple[Override, ...]:
    """Overrides for whatever the gate says of files it cannot search, and nothing else."""
    with pytest.raises(Refused) as refused:
        court.export(session, list(items), asked or Asked(), target)
    findings = refused.value.facts["gate"]["items"]  # type: ignore[index]
    assert {one["kind"] for one in findings if one["status"] == "blocks"} == {"unread"}
    return tuple(Override(one["id"], "made up, looked through") for one in findings)


def exported(session: Session, source: str, target: Path, **asked: Any) -> Path:
    """A source's items exported, with the override that pictures need."""
    items = court.chosen(session, [], source)
    given = Asked(**{"recipient": "a made-up court", "actor": "V-901", **asked})
    given = Asked(
        **{**{name: getattr(given, name) for name in Asked.__slots__}, "overrides": overridden(session, items, target)}
    )
    court.export(session, items, given, target)
    return target


def verdict(bag: Path, *words: str, program: Path = VERIFIER, code: int = 0) -> dict[str, Any]:
    """What the stand-alone verifier says, by Python alone: no site packages, nothing of ours on the path."""
    command = [sys.executable, "-I", "-S", str(program), str(bag), "--json", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def wrong(bag: Path, *words: str) -> str:
    """The name of what is wrong with a bag."""
    return str(verdict(bag, *words, code=5)["detail"]).split()[0]


def resealed(bag: Path) -> None:
    """Make all manifests anew, as somebody does who has changed a file and hides it."""
    for name in bag.glob("*manifest-*.txt"):
        name.unlink()
    (bag / "bagit.txt").unlink()
    (bag / "bag-info.txt").unlink()
    copy = bag.with_name(bag.name + "-copy")
    bag.rename(copy)
    made = Bag(FolderSink(bag, Disk()))
    for path in sorted(copy.rglob("*")):
        if path.is_file():
            made.whole(path.relative_to(copy).as_posix(), path.read_bytes())
    made.close([("External-Description", "made anew")])
    shutil.rmtree(copy)
