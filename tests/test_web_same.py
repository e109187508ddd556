"""The same person? on the pages: a work compares, a person decides, a decision is taken back. Every name is made up."""

import re
from collections.abc import Iterator

import pytest
from cli_kit import IDENTITIES, Shell
from web_kit import POSIX, Pages
from work_kit import start, told, wait

pytestmark = POSIX
NAMES = ("Moromir Kelimat Deshenkat", "Moromyr Kelimat Deshenkat", "Vilado Hanurot")


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    home = tmp_path_factory.mktemp("user")
    made = Shell(home, home / "home" / "case")
    made.init()
    for name in NAMES:
        made.amparo("person", "add", "--form", "-", "--anyway", stdin=f"names: [{name}]\nbirth: '1981'\n")
    yield made
    made.lock()


@pytest.fixture(scope="module")
def pages(shell: Shell) -> Iterator[Pages]:
    made = Pages(shell.workspace, shell.environment)
    yield made.opened()
    made.close()


def test_two_spellings_are_asked_about_decided_and_taken_back(pages: Pages, shell: Shell) -> None:
    """The page shows handles and what agrees, never a name; the answer is a claim; taken back, it stands no more."""
    work = start(pages, "/same", {"passphrase": IDENTITIES})
    page = wait(pages, work)
    assert "P-0001" in page.text and told(page)
    assert not [word for name in NAMES for word in name.split() if word.lower() in page.text.lower()]
    asked = {"one": "P-0001", "two": "P-0002", "answer": "same", "why": "one number in both files", "back": work}
    assert start(pages, "/same/decide", asked) == work
    claims = shell.amparo("show", "P-0001")["claims"]
    [decision] = [one["handle"] for one in claims if one["property"] == "same person as" and one["status"] == "current"]
    assert pages.ask("/same/decide", asked).status == 422, "decided already"
    again = wait(pages, start(pages, "/same", {"passphrase": IDENTITIES}))
    assert decision in again.text and "one number in both files" in again.text
    assert start(pages, "/same/undo", {"decision": decision, "why": "misread", "back": ""}) == "/same"
    claims = shell.amparo("show", "P-0001")["claims"]
    assert not [one for one in claims if one["property"] == "same person as" and one["status"] == "current"]


@pytest.mark.parametrize(
    "wrong", [{"answer": "perhaps"}, {"why": ""}, {"two": "P-0001"}, {"two": "P-0999"}, {"why": "Hanurot said so"}]
)
def test_an_answer_that_does_not_fit_is_a_sentence(pages: Pages, shell: Shell, wrong: dict[str, str]) -> None:
    """Another answer, no reason, a person twice, an unknown handle, a sealed name in the reason: nothing is recorded."""
    before = shell.amparo("status")["counts"]
    asked = {"one": "P-0001", "two": "P-0003", "answer": "different", "why": "two families", "back": "//evil.example", **wrong}
    answer = pages.ask("/same/decide", asked)
    assert answer.status in (404, 422) and not re.search("Moromir|Hanurot", answer.text)
    assert shell.amparo("status")["counts"] == before
