"""Corrections against what others did meanwhile: forks of two devices, long histories. All of it is made up."""

from pathlib import Path
from typing import Any

import pytest

from amparo.app import desk_edit, opening
from amparo.app.desk_edit import Forked
from amparo.app.session import Session
from amparo.record.model import Claim, Entity
from amparo.vault.slots import Cost, Passphrase


@pytest.fixture
def session(tmp_path: Path) -> Session:
    passphrases = Passphrase("a made-up passphrase"), Passphrase("another made-up one")
    opening.create(tmp_path / "case", *passphrases, cost=Cost(64, 1, 1))
    made = Session(tmp_path / "case", [opening.read_ring(tmp_path / "case", "everyday", passphrases[0])])
    with made.change() as change:
        change.put("record", Entity.TYPE, [Entity("E-0001", "event", label="A made-up raid").to_row()])
        change.put("record", Claim.TYPE, [said(1, "first")])
    return made


def said(number: int, text: str, supersedes: int = 0) -> list[object]:
    newer = f"C-{supersedes:04d}" if supersedes else ""
    return Claim(f"C-{number:04d}", "E-0001", "description", text=text, supersedes=newer).to_row()


def put(session: Session, *rows: list[object]) -> None:
    with session.change() as change:
        for _row in rows:
            change.allocate("claim")
        change.put("record", Claim.TYPE, list(rows))


def correct(session: Session, handle: str, text: str) -> Any:
    return desk_edit.save(session, {"event": "E-0001", "rows": {handle: {"text": text}}, "reason": "a slip"})


def test_attack_a_fork_of_two_devices_is_never_corrected_on_the_wrong_side(session: Session) -> None:
    """Where two devices corrected one claim, each version is corrected by itself, and the common elder refuses with both."""
    put(session, said(2, "device one", 1), said(3, "device two", 1))
    with pytest.raises(Forked, match="C-0002, C-0003"):
        correct(session, "C-0001", "mine")
    [newer] = correct(session, "C-0002", "device one, corrected")["claims"]
    assert session.record.claim(newer).claim.supersedes == "C-0002"  # type: ignore[union-attr]
    assert session.record.claim("C-0003").status == "current"  # type: ignore[union-attr]


def test_a_claim_with_a_long_history_is_still_corrected(session: Session) -> None:
    """After two hundred versions the last one is corrected, and the first still knows which one stands."""
    put(session, *(said(n, f"version {n}", n - 1) for n in range(2, 202)))
    [newer] = correct(session, "C-0201", "the last word")["claims"]
    assert session.record.claim(newer).claim.supersedes == "C-0201"  # type: ignore[union-attr]
    [conflict] = correct(session, "C-0001", "mine")["conflicts"]
    assert conflict["newer"] == newer
