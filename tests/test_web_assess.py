"""Assessments, links, saved searches and the first walk: on the pages and on the command line."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_kit import EVERYDAY, Shell
from web_kit import POSIX, Pages
from work_kit import SCRIPT, furnish, start

pytestmark = POSIX


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("user")


@pytest.fixture(scope="module")
def shell(home: Path) -> Iterator[Shell]:
    made = Shell(home, home / "home" / "case")
    made.init()
    yield made
    made.lock()


@pytest.fixture(scope="module")
def claims(shell: Shell) -> list[str]:
    return furnish(shell)


@pytest.fixture(scope="module")
def pages(shell: Shell, claims: list[str]) -> Iterator[Pages]:
    assert claims
    shell.lock()
    shell.amparo("unlock", secrets=[EVERYDAY])
    opened = Pages(shell.workspace, shell.environment).opened()
    yield opened
    opened.close()


def test_a_contradiction_waits_until_both_are_weighed(shell: Shell, pages: Pages) -> None:
    """It stands in the queue, is weighed on its page, leaves the queue, and the assessment can be superseded once."""
    pair = re.search(r'href="(/assess/(C-\d+)/(C-\d+))"', pages.ask("/assess").text)
    assert pair
    form = {"proposition": f"At night. {SCRIPT}", "standard": "balance of probabilities", "outcome": "reached",
            "reasons": f"dark {SCRIPT}", "assessor": f"lead {SCRIPT}", f"side.{pair[2]}": "for", f"side.{pair[3]}": "against",
            "more for": "", "supersedes": ""}  # fmt: skip
    wrong = pages.ask(pair[1], form | {"outcome": "surely"})
    assert wrong.status == 422
    assert "At night." in wrong.text  # nothing typed is lost
    both = pages.ask(pair[1], form | {"more against": pair[2]})
    assert "for and against" in both.sentence
    none = pages.ask(pair[1], {name: value for name, value in form.items() if not name.startswith("side.")})
    assert "at least one" in none.sentence
    done = pages.ask(pair[1], form)
    assert done.status == 303
    shown = pages.ask(done.headers["location"])
    for text in (wrong.text, shown.text, pages.ask("/assess").text, pages.ask(pair[1]).text):
        assert "<script>document" not in text
        assert "<img src=x" not in text
    assert f'href="{pair[1]}">Weigh' not in pages.ask("/assess").text
    assert shell.amparo("status")["contradictions_unassessed"] == 0
    handle = done.headers["location"].lstrip("/")
    assert pages.ask(pair[1], form | {"supersedes": handle}).status == 303
    twice = pages.ask(pair[1], form | {"supersedes": handle})
    assert twice.status == 422
    assert "superseded" in twice.sentence


def test_the_command_line_assesses_too(shell: Shell, claims: list[str]) -> None:
    """`amparo assess` records it and says its handle; a term that is none, a claim that is none, are refused by name."""
    words = ["assess", "It was in February.", "--standard", "reasonable basis", "--reasons", "one speaker"]
    words += ["--assessor", "D-07"]
    made = shell.amparo(*words, "--outcome", "partly reached", "--for", claims[0])
    assert made["handle"].startswith("J-")
    later = shell.amparo(*words, "--outcome", "reached", "--for", claims[0], "--supersedes", made["handle"])
    assert later["supersedes"] == made["handle"]
    assert shell.amparo(*words, "--outcome", "reached", code=4)["error"] == "NothingWeighed"
    assert shell.amparo(*words, "--outcome", "reached", "--for", "C-9999", code=9)["error"] == "UnknownHandle"
    twice = ("--for", claims[0], "--against", claims[0])
    assert shell.amparo(*words, "--outcome", "reached", *twice, code=4)["error"] == "OnBothSides"
    assert shell.amparo(*words, "--outcome", "surely", "--for", claims[0], code=2)["error"] == "Usage"


def test_two_claims_are_linked_from_a_page(pages: Pages, claims: list[str]) -> None:
    """The link stands on both claims; a claim that is not there, or the claim itself, is refused with what was typed."""
    form = {"kind": "undercuts", "to": claims[1], "reason": f"because {SCRIPT}"}
    assert pages.ask(f"/{claims[0]}/link", form).status == 303
    shown = pages.ask(f"/{claims[1]}").text
    assert "undercuts" in shown
    assert "<script>document" not in shown
    for to in ("C-9999", claims[0], "P-0001", "x" * 300):
        wrong = pages.ask(f"/{claims[0]}/link", form | {"to": to})
        assert wrong.status == 422, to
        assert "because" in wrong.text


def test_a_search_is_saved_sealed_opened_and_erased(shell: Shell, pages: Pages) -> None:
    """Its words are in no file in the clear and in no address; removed, they are erased and the ledger verifies."""
    found = start(pages, "/search", {"words": "Brimsolketword night", "kind": "person"})
    start(pages, "/searches", {"search": found.rpartition("/")[2], "name": f"mine {SCRIPT}"})
    listed = pages.ask("/search").text
    assert "<script>document" not in listed
    [id] = re.findall(r'action="/searches/([0-9a-f]{16})"', listed)
    opened = start(pages, f"/searches/{id}", {})
    assert "Brimsolketword" not in opened
    assert "Brimsolketword night" in pages.ask(opened).text
    for path in shell.workspace.rglob("*"):
        assert not path.is_file() or b"Brimsolketword" not in path.read_bytes(), path
    start(pages, f"/searches/{id}/remove", {})
    assert id not in pages.ask("/search").text
    assert pages.ask(f"/searches/{id}", {}).status == 404
    assert pages.ask(f"/searches/{id}/remove", {}).status == 404
    assert shell.amparo("verify")["warnings"] == []


def test_saving_has_limits(pages: Pages) -> None:
    """No name, a name too long, a search that was forgotten: a sentence, nothing saved."""
    found = start(pages, "/search", {"words": "night"}).rpartition("/")[2]
    assert pages.ask("/searches", {"search": found, "name": " "}).status == 422
    assert pages.ask("/searches", {"search": found, "name": "x" * 81}).status == 422
    assert pages.ask("/searches", {"search": "none", "name": "x"}).status == 404
    assert 'action="/searches/' not in pages.ask("/search").text


def test_an_empty_record_says_how_to_begin(tmp_path: Path) -> None:
    """In a new workspace the first page leads to the walk, each step of which is there; every page of work says what to do."""
    shell = Shell(tmp_path, tmp_path / "home" / "case")
    shell.init()
    pages = Pages(shell.workspace, shell.environment).opened()
    try:
        assert 'href="/help"' in pages.ask("/").text
        steps = re.findall(r'<p><a href="([^"#]+)', pages.ask("/help").text)
        assert "/first-contact" in steps
        for step in steps:
            assert pages.ask(step).status == 200, step
        for path, sentence in (("/assess", "Open a claim and link it"), ("/imports", "A folder of tables"),
                               ("/jobs", "No long work was started")):  # fmt: skip
            assert sentence in pages.ask(path).text, path
    finally:
        pages.close()


def test_every_step_of_the_tour_leads_somewhere(pages: Pages) -> None:
    """Each link of the first walk is a page that is there."""
    text = pages.ask("/help").text
    steps = re.findall(r'<p><a href="([^"#]+)', text.partition('class="tour"')[2].partition("</ol>")[0])
    assert len(steps) >= 7
    for step in steps:
        assert pages.ask(step).status == 200, step
