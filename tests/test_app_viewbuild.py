"""The view that is built alongside a large import is the one a replay makes; if the builder dies, nothing is missing."""

import csv
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from amparo.app import importing, opening, reading
from amparo.app.session import Session
from amparo.app.viewbuild import Builder
from amparo.vault.slots import Cost, Passphrase

MAPPING = """version: 1
dataset: made-up
files:
  - file: things.csv
    entities: [{key: "{key}", kind: "{kind}", label: "{label}", basis: "{basis}"}]
  - file: claims.csv
    claims:
      - {key: "{key}", subject: "{subject}", property: report, text: "{text}", source: S-1, valid: "{valid}"}
"""


def make_tables(folder: Path) -> None:
    folder.mkdir()
    (folder / "mapping.yaml").write_text(MAPPING)
    with (folder / "things.csv").open("w", newline="") as stream:
        rows = [["S-1", "source", "a report", "published source"], *([f"E-{n}", "event", f"event {n}", ""] for n in range(40))]
        csv.writer(stream).writerows([["key", "kind", "label", "basis"], *rows])
    with (folder / "claims.csv").open("w", newline="") as stream:
        rows = [[str(n), f"E-{n % 40}", f"claim number {n} of a wagtail", f"2017-{n % 12 + 1:02d}"] for n in range(2000)]
        csv.writer(stream).writerows([["key", "subject", "text", "valid"], *rows])


def answers(session: Session) -> list[Any]:
    found = [reading.search(session, query, limit=30) for query in ("wagtail", "number 7", "event")]
    return [*found, reading.show(session, "E-0003"), reading.trace(session, "C-0100"), reading.status(session)["counts"]]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    passphrases = Passphrase("a made-up passphrase"), Passphrase("another made-up one")
    opening.create(tmp_path / "case", *passphrases, cost=Cost(64, 1, 1))
    return Session(tmp_path / "case", [opening.read_ring(tmp_path / "case", "everyday", passphrases[0])])


def test_the_view_built_alongside_answers_as_a_rebuilt_one(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every query says the same before and after a rebuild, and the view was not made by replay the first time."""
    make_tables(tmp_path / "tables")
    monkeypatch.setattr(importing, "_LARGE", 0)
    replayed = []
    original = Session._replay_into

    def noted(self: Session, view: Any, key: Any, since: Any, ends: Any) -> None:
        replayed.append((key.name, bool(since)))
        original(self, view, key, since, ends)

    monkeypatch.setattr(Session, "_replay_into", noted)
    with session:
        importing.import_folder(session, tmp_path / "tables")
        assert ("record", True) not in replayed
        before = answers(session)
        assert before[-1]["claim"] == 2000
        session.rebuild()
        assert answers(session) == before
        assert len(list((tmp_path / "case" / "views").glob("record-*.db"))) == 1


def test_a_builder_killed_in_the_middle_costs_nothing_but_time(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The import is acknowledged and complete although the process that built its view was killed."""
    make_tables(tmp_path / "tables")
    monkeypatch.setattr(importing, "_LARGE", 0)
    original = Builder.part

    def kill(self: Builder, compartment: bytes, seq: int, index: int, plain: bytes) -> None:
        original(self, compartment, seq, index, plain)
        if index == 3:
            os.kill(self._child.pid, signal.SIGKILL)

    monkeypatch.setattr(Builder, "part", kill)
    with session:
        importing.import_folder(session, tmp_path / "tables")
        assert reading.status(session)["counts"]["claim"] == 2000
        before = answers(session)
        session.rebuild()
        assert answers(session) == before


def test_a_refused_import_leaves_no_view_behind(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one bad row the builder is ended and the record stays empty."""
    make_tables(tmp_path / "tables")
    monkeypatch.setattr(importing, "_LARGE", 0)
    with (tmp_path / "tables" / "claims.csv").open("a") as stream:
        stream.write("x,E-nowhere,a claim about nothing,2017\n")
    with session:
        with pytest.raises(importing.RowsRefused):
            importing.import_folder(session, tmp_path / "tables")
        assert reading.status(session)["counts"].get("claim", 0) == 0
        session.rebuild()
        assert len(list((tmp_path / "case" / "views").glob("record-*.db"))) == 1
