"""Every name here is made up of syllables: nobody is real."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_kit import Shell

from amparo.app import opening, people, same, same_compare
from amparo.app.naming import NameInWords
from amparo.app.people import Empty, UnknownHandle
from amparo.app.same import DecidedAlready, DecisionsClash, NoDecision, SamePersonTwice
from amparo.app.session import CompartmentLocked, Session
from amparo.record.model import Claim, Identity, Name
from amparo.vault.slots import Cost, Passphrase

SECRETS = Passphrase("a made-up passphrase"), Passphrase("another made-up one")
PERSONS = (("Moromir Kelimat Deshenkat", "1981"), ("Moromyr Kelimat Deshenkat", "1981"), ("Vilado Hanurot", ""),
           ("Zubroda Kelimat Deshenkat", "1984"))  # fmt: skip
NAMES = ("Moromir", "Moromyr", "Deshenkat", "Vilado", "Hanurot", "Zubroda")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("same") / "case"
    opening.create(made, *SECRETS, cost=Cost(64, 1, 1))
    with _open(made) as session:
        for name, birth in PERSONS:
            people.add_person(session, Identity("", [Name(name)], birth=birth), anyway=True)
    return made


def _open(folder: Path, *kinds: str) -> Session:
    secrets = dict(zip(("everyday", "identities"), SECRETS, strict=True))
    return Session(folder, [opening.read_ring(folder, kind, secrets[kind]) for kind in kinds or secrets])


@pytest.fixture
def session(folder: Path) -> Iterator[Session]:
    with _open(folder) as opened:
        yield opened


def test_decisions_are_claims_and_nobody_is_merged(session: Session) -> None:
    """Two spellings are found, decided against, undone: each a claim; both handles stay, and no answer holds a name."""
    found = same_compare.find(session)
    assert {"P-0001", "P-0002"} <= {handle for one in found["clusters"] for handle in one["persons"]}
    assert not [one for one in found["clusters"] if "P-0003" in one["persons"]]
    pair = same_compare.show(session, "P-0002", "P-0001")
    assert pair["persons"] == ["P-0001", "P-0002"]
    assert pair["weight"] > 0
    assert abs(sum(one["weight"] for one in pair["reasons"]) - pair["weight"]) < 0.2
    made = same.decide(session, "P-0002", "P-0001", same=False, why="two cousins, says the family")
    apart = same_compare.find(session)
    assert not [one for one in apart["clusters"] if {"P-0001", "P-0002"} <= set(one["persons"])]
    assert [(one["claim"], one["same"]) for one in apart["decided"]] == [(made, False)]
    with pytest.raises(DecidedAlready):
        same.decide(session, "P-0001", "P-0002", same=True, why="one number")
    same.undo(session, made, "another family")
    with pytest.raises(NoDecision):
        same.undo(session, made, "again")
    queue = same_compare.queue(session)
    assert queue["decided"] == []
    old = session.record.claim(made)
    assert old is not None
    assert (old.status, old.claim.polarity, old.claim.text) == ("retracted", "denied", "two cousins, says the family")
    assert [one.handle for one in session.record.entities(kind="person")] == ["P-0001", "P-0002", "P-0003", "P-0004"]
    said = json.dumps([found, pair, apart, queue]).lower()
    assert not [name for name in NAMES if name.lower() in said]


def test_decisions_may_not_contradict_each_other(session: Session) -> None:
    """By a chain of decisions one person, by another two: the later is refused, with both handles, and nothing is written."""
    made = [same.decide(session, "P-0001", "P-0003", same=True, why="one number"),
            same.decide(session, "P-0003", "P-0004", same=True, why="one number")]  # fmt: skip
    before = session.record.counts()
    with pytest.raises(DecisionsClash) as caught:
        same.decide(session, "P-0004", "P-0001", same=False, why="seen together")
    assert caught.value.facts == {"one": "P-0001", "two": "P-0004"}
    assert session.record.counts() == before
    together = next(one for one in same_compare.find(session)["clusters"] if "P-0003" in one["persons"])
    assert {"P-0001", "P-0003", "P-0004"} <= set(together["persons"])
    for decision in made:
        same.undo(session, decision, "misread")


def test_what_a_source_denies_is_kept_apart(session: Session) -> None:
    """A source's claim that two are not the same person keeps them apart until somebody here decides otherwise."""
    with session.change() as change:
        said = Claim(change.allocate("claim"), "P-0001", same.PROPERTY, "P-0002", polarity="denied", source="S-0001")
        change.put("record", Claim.TYPE, [said.to_row()])
    apart = same_compare.compare(session)
    assert apart.graph.different.tolist() == [[0, 1]]
    made = same.decide(session, "P-0001", "P-0002", same=True, why="the source mixed up two files")
    assert same_compare.compare(session).graph.same.tolist() == [[0, 1]]
    same.undo(session, made, "misread")


def test_what_is_wrong_is_said(session: Session) -> None:
    """One handle twice, an unknown one, a sealed name in the reason, and no reason are refused before anything is written."""
    for error, arguments, why in (
        (SamePersonTwice, ("P-0001", "P-1"), "x"), (UnknownHandle, ("P-0001", "P-0099"), "x"),
        (NameInWords, ("P-0001", "P-0002"), "both are Moromir Deshenkat"), (Empty, ("P-0001", "P-0002"), " "),
    ):  # fmt: skip
        with pytest.raises(error):
            same.decide(session, *arguments, same=True, why=why)


def test_every_comparison_leaves_an_entry(session: Session) -> None:
    """That sealed names were compared is written down before it is done, and what is sealed is shown only with a reason."""
    before = len(session.record.rows("access@1"))
    shown = same_compare.show(session, "P-0001", "P-0002")
    assert "sealed" not in shown
    assert len(session.record.rows("access@1")) == before + 1
    assert same_compare.show(session, "P-0001", "P-0002", reason="to tell them apart")["sealed"]["P-0001"]["names"]


def test_names_are_compared_only_by_who_holds_the_key(folder: Path) -> None:
    """With the identities locked nothing is compared."""
    with _open(folder, "everyday") as session, pytest.raises(CompartmentLocked):
        same_compare.find(session)


def test_a_seized_disk_shows_no_name_that_was_compared(tmp_path: Path) -> None:
    """After a find through the real command line, no file of workspace, home or temporary folder holds a part of a name."""
    shell = Shell(tmp_path, tmp_path / "workspace")
    shell.init()
    for name, birth in PERSONS[:2]:
        shell.amparo("person", "add", "--form", "-", "--anyway", stdin=f"names: [{name}]\nbirth: {birth}\n")
    found = shell.amparo("same", "find")
    assert [one["persons"] for one in found["clusters"]] == [["P-0001", "P-0002"]]
    shell.amparo("same", "decide", "P-0001", "P-0002", "--same", "--why", "one number")
    shell.amparo("same", "decide", "P-0001", "P-0002", "--why", "x", code=2)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        data = path.read_bytes().lower()
        assert not [name for name in NAMES if name.lower().encode() in data], path


def test_sampled_answers_are_what_estimates_count_with(session: Session) -> None:
    """Each sampled answer gives every handle a number and no name; strangers are never one; a seed gives the same again."""
    drawn = same_compare.clusterings(session, 40, 1)
    assert len(drawn) == 40 and all(list(one) == ["P-0001", "P-0002", "P-0003", "P-0004"] for one in drawn)
    assert not any(one["P-0003"] in (one["P-0001"], one["P-0002"], one["P-0004"]) for one in drawn)
    assert drawn == same_compare.clusterings(session, 40, 1)
