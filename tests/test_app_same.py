"""Every name here is made up of syllables: nobody is real. One workspace, through the real command line and the real session."""

import json
from pathlib import Path

import pytest
from cli_kit import Shell

FORMS = [
    "names: [Moromir Kelimat Deshenkat]\nbirth: 1981\n",
    "names: [Moromyr Kelimat Deshenkat]\nbirth: 1981\n",
    "names: [Vilado Hanurot]\n",
    "names: [Zubroda Kelimat Deshenkat]\nbirth: 1984\n",
]
NAMES = ("Moromir", "Moromyr", "Deshenkat", "Vilado", "Hanurot", "Zubroda")


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    folder = tmp_path_factory.mktemp("same")
    made = Shell(folder, folder / "workspace")
    made.init()
    for form in FORMS:
        made.amparo("person", "add", "--form", "-", "--anyway", stdin=form)
    return made


def test_decisions_are_claims_and_nobody_is_merged(shell):
    """Two spellings are found, decided, contradicted, undone: each a claim; both handles stay, and no answer holds a name."""
    found = shell.amparo("same", "find")
    assert {"P-0001", "P-0002"} <= {handle for one in found["clusters"] for handle in one["persons"]}
    assert not [one for one in found["clusters"] if "P-0003" in one["persons"]]
    pair = shell.amparo("same", "show", "P-0002", "P-0001")
    assert pair["persons"] == ["P-0001", "P-0002"]
    assert pair["weight"] > 0
    assert abs(sum(one["weight"] for one in pair["reasons"]) - pair["weight"]) < 0.2
    made = shell.amparo("same", "decide", "P-0001", "P-0002", "--different", "--why", "two cousins, says the family")
    apart = shell.amparo("same", "find")
    assert not [one for one in apart["clusters"] if {"P-0001", "P-0002"} <= set(one["persons"])]
    assert [(one["claim"], one["same"]) for one in apart["decided"]] == [(made["handle"], False)]
    again = shell.amparo("same", "decide", "P-0002", "P-0001", "--same", "--why", "one number", code=4)
    assert again["error"] == "DecidedAlready"
    shell.amparo("same", "undo", made["handle"], "--why", "another family")
    assert shell.amparo("same", "undo", made["handle"], "--why", "again", code=9)["error"] == "NoDecision"
    queue = shell.amparo("same", "queue")
    assert queue["decided"] == []
    old = shell.amparo("show", made["handle"])["claim"]
    assert (old["status"], old["polarity"], old["text"]) == ("retracted", "denied", "two cousins, says the family")
    assert {one["handle"] for one in (shell.amparo("show", handle)["entity"] for handle in ("P-0001", "P-0002"))} == {"P-0001", "P-0002"}
    said = json.dumps([found, pair, made, apart, again, queue, old])
    assert not [name for name in NAMES if name.lower() in said.lower()]


def test_decisions_may_not_contradict_each_other(shell):
    """By a chain of decisions one person and by another two: the second is refused with both handles, and nothing is written."""
    first = shell.amparo("same", "decide", "P-0001", "P-0003", "--same", "--why", "one number")["handle"]
    second = shell.amparo("same", "decide", "P-0003", "P-0004", "--same", "--why", "one number")["handle"]
    refused = shell.amparo("same", "decide", "P-0004", "P-0001", "--different", "--why", "seen together", code=4)
    assert (refused["error"], refused["one"], refused["two"]) == ("DecisionsClash", "P-0001", "P-0004")
    together = next(one for one in shell.amparo("same", "find")["clusters"] if "P-0003" in one["persons"])
    assert {"P-0001", "P-0003", "P-0004"} <= set(together["persons"])
    for decision in (first, second):
        shell.amparo("same", "undo", decision, "--why", "misread")


def test_what_is_wrong_is_said_in_a_sentence(shell):
    """One handle twice, an unknown one, a name in the reason, no reason, neither --same nor --different."""
    assert shell.amparo("same", "decide", "P-0001", "P-1", "--same", "--why", "x", code=4)["error"] == "SamePersonTwice"
    assert shell.amparo("same", "show", "P-0001", "P-0099", code=9)["error"] == "UnknownHandle"
    named = shell.amparo("same", "decide", "P-0001", "P-0002", "--same", "--why", "both are Moromir Deshenkat", code=4)
    assert named["error"] == "NameInWords"
    assert shell.amparo("same", "decide", "P-0001", "P-0002", "--same", "--why", " ", code=4)["error"] == "Empty"
    shell.amparo("same", "decide", "P-0001", "P-0002", "--why", "x", code=2)


def test_a_seized_disk_shows_no_name_that_was_compared(shell):
    """After finding, deciding and showing, no file of workspace, home or temporary folder holds a part of a compared name."""
    shell.amparo("same", "show", "P-0001", "P-0002", "--reason", "to tell them apart")
    places = (shell.workspace, shell.home / "home", shell.home / "tmp", shell.home / "run")
    files = [path for place in places for path in Path(place).rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        data = path.read_bytes().lower()
        assert not [name for name in NAMES if name.lower().encode() in data], path


def test_names_are_compared_only_by_who_holds_the_key(shell):
    """With the identities locked and no passphrase given, nothing is compared."""
    shell.lock()
    assert shell.amparo("same", "find", code=3)["error"] in ("NoPassphrase", "CompartmentLocked", "Locked")
