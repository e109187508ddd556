"""The rules over the worked example and over a small record: what is found, recorded, counted and graded."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_kit import Shell
from test_app_estimates import session as session  # noqa: PLC0414 (a fixture)
from web_kit import POSIX, Pages
from work_kit import furnish, start, told, wait

from amparo.app import checking
from amparo.app.checking import NothingFound
from amparo.record.model import Claim, Link

EXAMPLE = Path(__file__).parent.parent / "examples" / "public-record"


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """The worked example in a workspace of its own."""
    home = tmp_path_factory.mktemp("user")
    made = Shell(home, home / "home" / "case")
    made.init()
    made.amparo("import", str(EXAMPLE))
    yield made
    made.lock()


def handles(shell: Shell, *keys: str) -> dict[str, str]:
    """Key -> handle of the claims of some facts or rows."""
    found = (one["claim"] for key in keys for one in shell.amparo("trace", key)["claims"])
    return {claim["key"]: claim["handle"] for claim in found}


def of(data: dict[str, Any], rule: str) -> list[dict[str, Any]]:
    return [one for one in data["findings"] if one["rule"] == rule]


def test_the_worked_example_gives_up_its_contradictions_and_what_is_undercut(example: Shell) -> None:
    """F078 against F079 (killed, shown alive, a stand-in) and F063 (fine, says who is in jail) are found."""
    found = example.amparo("check")

    names = handles(example, "F063", "F078", "F079")
    dead = of(found, "dead and seen alive later")
    assert [names["F078/3"], names["F078/1"]] in dead[0]["pairs"] and [names["F078/4"], names["F078/2"]] in dead[1]["pairs"]
    assert {(one["of"], one["to"]) for one in of(found, "a stand-in")} == {
        (names["F079/1"], names["F078/3"]), (names["F079/2"], names["F078/4"]),
    }  # fmt: skip
    assert {names["F078/5"], names["F079/1"]} in [{one["of"], one["to"]} for one in of(found, "affirmed and denied")]
    pressed = {one["to"] for one in of(found, "spoken under pressure")}
    assert {names[f"F063/{n}"] for n in (1, 2, 3, 4)} <= pressed
    assert {names[f"F063/{n}"] for n in (1, 2, 3, 4)} == {one["to"] for one in of(found, "spoken in custody")}
    assert names["F078/3"] in {one["to"] for one in of(found, "speaker accused")}


def test_two_claims_of_one_publication_are_one_origin(example: Shell) -> None:
    """That V-009 died is told twice by one newspaper: one origin; its denial by the officials is undercut."""
    names = handles(example, "F078", "F079")
    found = example.amparo("corroborate", names["F078/1"])
    assert found["independent"] == 1 and {names["F078/1"], names["F079/5"]} <= set(found["agree"][0]["claims"])
    alive = example.amparo("corroborate", names["F078/3"])
    assert alive["independent"] == 0 and names["F078/3"] in alive["undercut"] and alive["agree"][0]["weakened"]
    assert example.amparo("corroborate", "C-99999", code=9)["error"] == "NothingThere"


# -- a record of our own ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    home = tmp_path_factory.mktemp("user")
    made = Shell(home, home / "home" / "case")
    made.init()
    furnish(made)
    made.amparo("import", str(fill(home / "tables")))
    yield made
    made.lock()


def fill(folder: Path) -> Path:
    """A person killed in March by one source and seen in May by another; a count and a smaller total."""
    folder.mkdir()
    (folder / "mapping.yaml").write_text(
        "version: 1\ndataset: made-up\nfiles:\n"
        '  - file: things.csv\n    entities: [{key: "{key}", kind: "{kind}", basis: "{basis}"}]\n'
        '  - file: claims.csv\n    claims:\n      - {key: "{key}", subject: "{subject}", property: "{property}",\n'
        '         value: "{value}",\n'
        '         person: "{person}", text: "{text}", source: "{source}", valid: "{valid}"}\n', "utf-8",
    )  # fmt: skip
    (folder / "things.csv").write_text(
        "key,kind,basis\nV1,person,\nK1,act,\nS1,source,published source\nS2,source,published source\nS3,source,unknown\n",
        "utf-8",
    )
    (folder / "claims.csv").write_text(
        "key,subject,property,value,person,text,source,valid\n"
        "F901/1,V1,died,,V1,made up,S1,2017-03\nF902/1,V1,alive,,V1,made up,S2,2017-05\n"
        "F903/1,K1,number tortured,9,,made up,S1,2017\nF904/1,K1,number held,4,,made up,S2,2017\n"
        "F905/1,K1,description,,,made up,S3,\n", "utf-8",
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def pages(shell: Shell) -> Iterator[Pages]:
    made = Pages(shell.workspace, shell.environment)
    yield made.opened()
    made.close()


@POSIX
def test_what_is_found_is_recorded_only_when_asked_and_once(shell: Shell, pages: Pages) -> None:
    """The page shows each finding with its claims; the chosen become links and wait to be weighed; a second time is refused."""
    before = shell.amparo("status")
    work = start(pages, "/assess/look", {})
    page = wait(pages, work)
    assert told(page).startswith("2 findings") and "dead" in page.text and "tortured" in page.text
    assert shell.amparo("status") == before
    address = f"/assess/found/{work.rpartition('/')[2]}"
    assert start(pages, address, {"finding": "0"}) == "/assess"
    queue = pages.ask("/assess").text
    assert "Both cannot hold" in queue
    assert pages.ask(address, {"finding": "0"}).status == 422 or "nothing new" in pages.ask(address, {"finding": "0"}).text
    linked = of(shell.amparo("check"), "dead and seen alive later")
    assert [one["linked"] for one in linked] == [True]
    assert pages.ask(address, {"finding": "9" * 40}).status != 500


def test_the_verb_records_what_is_new(shell: Shell) -> None:
    """`check --record` links what is not linked yet; when all is linked it says so and records nothing."""
    recorded = shell.amparo("check", "--record")["recorded"]
    assert len(recorded) >= 1
    assert shell.amparo("check", "--record", code=4)["error"] == "NothingFound"
    assert json.dumps(shell.amparo("check", "--level", "certain")).count('"possible"') == 0


def test_only_published_sources_are_graded(shell: Shell) -> None:
    """A published source gets a grade, a later grade takes its place; who spoke to the documenters is refused."""
    published, unknown = (shell.amparo("trace", key)["claims"][0]["claim"]["source"] for key in ("F901", "F905"))
    words = ("--reliability", "usually reliable", "--credibility", "doubtful", "--reason", "one error was found")
    first = shell.amparo("grade", published, *words)
    assert first["code"] == "B4"
    again = shell.amparo("grade", published, *words[:3], "confirmed", *words[4:])
    assert again["code"] == "B1"
    standing = [one for one in shell.amparo("show", published)["claims"] if one["property"] == "credibility"]
    assert {one["value"]: one["status"] for one in standing}["confirmed"] == "current"
    interview = next(one["claim"]["source"] for one in shell.amparo("trace", "C-0001")["claims"])
    for refused in (unknown, interview):
        assert shell.amparo("grade", refused, *words, code=4)["error"] == "NotPublished"


def test_grounds_are_never_looked_at(session: Any) -> None:
    """Two grounds of one act are no finding, and no sentence carries a word of a claim."""
    with session.change() as change:
        change.put("record", Claim.TYPE, [
            Claim("C-0101", "A-0001", "ground", "sexual orientation", source="S-0001").to_row(),
            Claim("C-0102", "A-0001", "ground", "ethnicity", source="S-0002", polarity="denied").to_row(),
            Claim("C-0103", "A-0001", "ground", "sexual orientation", source="S-0002", polarity="denied").to_row(),
            Claim("C-0104", "P-0001", "status", "a secret word", "a secret sentence", voluntariness="custodial").to_row(),
        ])  # fmt: skip
    found = checking.data(checking.check(session, level="possible"))
    assert [one["to"] for one in found["findings"]] == ["C-0104"] and "secret" not in json.dumps(found)


def test_nothing_is_recorded_of_a_finding_with_one_claim(session: Any) -> None:
    """A claim that is undercut by how it was said has no second claim to be linked with: refused, nothing recorded."""
    one = {"rule": "x", "kind": "undercuts", "of": "", "to": "C-0001", "pairs": [], "sentence": "x"}
    with pytest.raises(NothingFound):
        checking.put(session, [one])
    assert not list(session.record.rows(Link.TYPE))
