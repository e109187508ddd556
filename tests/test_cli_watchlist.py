"""Watch lists on the command line: import, list, ask; sealed names stay sealed and hits are written nowhere."""

import json
from pathlib import Path

import pytest
from cli_kit import Shell
from watchlist_kit import EU, PERSON_LATIN, UN

MADE_UP = "Зарван Тулметов"  # invented; the made-up lists have the same invention


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    home = tmp_path_factory.mktemp("user")
    shell = Shell(home, home / "home" / "case")
    shell.init()
    shell.amparo("person", "add", "--form", "-", stdin=f"names: [{MADE_UP}]\n")
    for name, data in (("un.xml", UN), ("eu.xml", EU), ("broken.xml", UN[:-40])):
        (home / name).write_bytes(data)
    return shell


def test_watch_lists_are_imported_asked_and_kept_apart(shell: Shell) -> None:
    """Import twice is once; a damaged list leaves nothing; a sealed name needs a reason and open identities."""
    home = shell.home
    first = shell.amparo("watchlist", "import", str(home / "un.xml"), "--dated", "2026-01-31", "--as", "un")
    assert (first["persons"], first["bodies"], first["new"]) == (1, 1, True)
    again = shell.amparo("watchlist", "import", str(home / "un.xml"), "--dated", "2026-01-31", "--as", "un")
    assert (again["handle"], again["new"]) == (first["handle"], False)
    refused = shell.amparo("watchlist", "import", str(home / "broken.xml"), "--dated", "2026-02-28", "--as", "un", code=4)
    assert refused["error"] == "BadWatchList"
    shell.amparo("watchlist", "import", str(home / "eu.xml"), "--dated", "2026-01-15", "--as", "eu")
    assert [(one["as"], one["dated"]) for one in shell.amparo("watchlist", "list")["lists"]] == [
        ("eu", "2026-01-15"),
        ("un", "2026-01-31"),
    ]

    assert shell.amparo("watchlist", "match", "P-0001", code=4)["error"] == "NoReasonToLook"
    found = shell.amparo("watchlist", "match", "P-0001", "--reason", "asked by the case lead")
    assert {hit["reference"] for hit in found["hits"]} == {"MUi.071", "EU.71.1"}
    assert MADE_UP not in json.dumps(found, ensure_ascii=False)
    by_name = shell.amparo("watchlist", "match", "--name", "--born", "1971", stdin="Tulmetov, Zarvan\n")
    assert by_name["hits"][0]["listed_as"].casefold() == PERSON_LATIN.casefold()
    assert shell.amparo("watchlist", "match", "--name", stdin="Samir Okonkwo Bergstrom\n")["hits"] == []
    assert shell.amparo("watchlist", "match", code=2)["error"] == "Usage"
    assert shell.amparo("watchlist", "match", "P-0099", code=9)["error"] == "NoNameKnown"
    told = shell.amparo("show", "P-0001")
    assert "MUi.071" not in json.dumps(told)

    shell.lock()
    from cli_kit import EVERYDAY

    shell.amparo("unlock", secrets=[EVERYDAY])
    assert shell.amparo("watchlist", "match", "P-0001", "--reason", "again", code=3)["error"] == "CompartmentLocked"


def test_no_plain_byte_of_a_list_lies_in_the_workspace(shell: Shell) -> None:
    """The list is kept sealed: no file of the workspace or of the temporary folder has a name of it."""
    for folder in (shell.workspace, shell.home / "tmp"):
        for path in Path(folder).rglob("*"):
            if path.is_file():
                assert b"TULMETOV" not in path.read_bytes()
