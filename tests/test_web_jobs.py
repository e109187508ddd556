"""Long works in processes of their own: what they tell, who ends them, what cannot be started."""

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_kit import EVERYDAY, IDENTITIES, Shell
from web_kit import POSIX, Pages
from work_kit import furnish, start, told, wait

from amparo.vault import agent_client

pytestmark = POSIX
LOOK = {"purpose": "prosecution", "audience": "court", "form": "pdf", "passphrase": IDENTITIES}


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


@pytest.fixture
def pages(shell: Shell, claims: list[str]) -> Iterator[Pages]:
    assert claims
    shell.lock()
    shell.amparo("unlock", secrets=[EVERYDAY])
    opened = Pages(shell.workspace, shell.environment).opened()
    yield opened
    opened.close()


def test_verification_says_one_sentence_and_finds_damage(shell: Shell, pages: Pages) -> None:
    """All is well; then a byte of the ledger is another one, and the work says what is wrong."""
    assert told(wait(pages, start(pages, "/integrity/verify", {"files": "1"}))) == (
        "Everything that was verified is as it was signed and sealed."
    )
    bodies = next((shell.workspace / "ledger").glob("*/bodies"))
    whole = bodies.read_bytes()
    try:
        bodies.write_bytes(whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:])
        assert "Everything" not in told(wait(pages, start(pages, "/integrity/verify", {})))
    finally:
        bodies.write_bytes(whole)


def test_a_checkpoint_is_shown_and_verifies(pages: Pages) -> None:
    """The text on the page, given back to the verification, shows that nothing is missing; a mistyped one is refused."""
    shown = wait(pages, start(pages, "/integrity/checkpoint", {})).text
    found = re.search(r"<pre[^>]*>([^<]+)</pre>", shown)
    assert found
    verified = wait(pages, start(pages, "/integrity/verify", {"checkpoint": found[1]}))
    assert "Nothing is missing since the checkpoint" in verified.text
    assert "not a checkpoint" in told(wait(pages, start(pages, "/integrity/verify", {"checkpoint": "x"})))


def test_looking_at_a_work_is_no_use_of_the_keys(shell: Shell, pages: Pages) -> None:
    """While only the state of a work is asked for, the time left to the everyday keys runs down."""
    place = start(pages, "/integrity/checkpoint", {})
    wait(pages, place)
    before = time_left(shell)
    for _ in range(12):
        assert pages.ask(f"{place}/state").status == 200
        assert pages.ask(place).status == 200
        assert pages.ask("/jobs").status == 200
        time.sleep(0.1)
    after = time_left(shell)
    assert after <= before - 1
    pages.ask("/integrity")
    assert time_left(shell) > after


def time_left(shell: Shell) -> float:
    """Seconds left to the everyday keys."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", shell.environment["XDG_RUNTIME_DIR"])
        state = agent_client.status(shell.workspace)
    assert state is not None
    return state.left["everyday"]


def works(pages: Pages) -> list[int]:
    """Processes of works that descend from these pages."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            inside = f"XDG_RUNTIME_DIR={pages.environment['XDG_RUNTIME_DIR']}".encode()
            if b"amparo.web.job" in words and inside in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def leaving(pages: Pages) -> int:
    """A dossier is being let out, which would write an entry at its end: the process that does, which is held still."""
    place = start(pages, "/dossiers", LOOK)
    wait(pages, place)
    start(pages, f"{place}/out", {})
    for _try in range(500):
        if found := works(pages):
            os.kill(found[0], signal.SIGSTOP)
            return found[0]
        time.sleep(0.01)
    raise AssertionError("no work runs")


def entries(shell: Shell) -> int:
    """How many entries the ledger has."""
    shell.amparo("unlock", secrets=[EVERYDAY])
    found: int = shell.amparo("status")["devices"][0]["entries"]
    return found


def gone(pages: Pages) -> bool:
    for _try in range(600):
        if not works(pages):
            return True
        time.sleep(0.05)
    return False


def test_a_lock_ends_the_works(shell: Shell, pages: Pages) -> None:
    """A work that may hold the keys of the identities is gone when the workspace is locked, and did not finish first."""
    before = entries(shell)
    work = leaving(pages)
    pages.ask("/lock", {})
    with contextlib.suppress(ProcessLookupError):
        os.kill(work, signal.SIGCONT)
    assert gone(pages)
    assert entries(shell) == before


def test_the_pages_end_is_the_works_end(shell: Shell, pages: Pages) -> None:
    """kill -9 of what serves the pages leaves no work behind, and nothing is let out that nobody could take."""
    before = entries(shell)
    work = leaving(pages)
    parent = int(re.search(r"PPid:\s+(\d+)", Path(f"/proc/{work}/status").read_text())[1])  # type: ignore[index]
    os.kill(parent, signal.SIGKILL)
    os.kill(work, signal.SIGCONT)
    assert gone(pages)
    assert entries(shell) == before
    assert shell.amparo("verify")["warnings"] == []


def test_a_work_is_stopped(pages: Pages) -> None:
    """Stop ends it; its page says that nothing half-done was kept, or it was done before."""
    place = start(pages, "/dossiers", LOOK)
    assert pages.ask(f"/jobs/{place.rpartition('/')[2]}/stop", {}).status == 303
    seen = told(wait(pages, place))
    assert "Stopped" in seen or "ended before" in seen or "gate" in seen
    assert gone(pages)


def test_only_works_of_the_list_are_started_and_few_at_once(pages: Pages) -> None:
    """There is no address that starts anything else; a fourth work at once is told to wait."""
    for path in ("/jobs/verify", "/jobs/rm", "/jobs/import", "/jobs"):
        assert pages.ask(path, {"folder": "/", "job": "sh"}).status == 404
    answers = [pages.ask("/dossiers", LOOK).status for _ in range(6)]
    assert answers.count(303) == 3
    assert set(answers) == {303, 422}
    assert pages.ask("/jobs/..%2f..%2fetc/state").status == 404
    assert pages.ask("/jobs/unknown").status == 404


def test_an_import_tells_its_refused_rows_and_its_tables(pages: Pages, shell: Shell) -> None:
    """A folder that is not there, a table with a bad row: told and nothing imported; a good one is listed with its counts."""
    assert "no folder" in told(wait(pages, start(pages, "/imports", {"folder": "/nowhere/at all"})))
    assert "no folder" in told(wait(pages, start(pages, "/imports", {"folder": "relative"})))
    folder = shell.home / "tables <b>"
    folder.mkdir()
    plan = 'version: 1\ndataset: made-up\nfiles:\n  - file: "t<b>.csv"\n    entities:\n'
    (folder / "mapping.yaml").write_text(plan + '      - {key: "{key}", kind: "{kind}", label: "{label}"}\n', "utf-8")
    (folder / "t<b>.csv").write_text("key,kind,label\nX1,place,A place\nX2,nonsense <b>,Another\n", "utf-8")
    bad = wait(pages, start(pages, "/imports", {"folder": str(folder)})).text
    assert "t&lt;b&gt;.csv" in bad
    assert "nonsense &lt;b&gt;" in bad
    home = pages.ask("/").text
    assert "Works that go on, or did not succeed" in home
    assert "<b>" not in re.sub(r"<b>(?=[A-Z]-\d)", "", home)
    assert "No tables were imported" in pages.ask("/imports").text
    (folder / "t<b>.csv").write_text("key,kind,label\nX1,place,A place\nX2,place,Another\n", "utf-8")
    assert "Imported: " in told(wait(pages, start(pages, "/imports", {"folder": str(folder)})))
    listed = pages.ask("/imports").text
    assert "made-up" in listed
    assert "t&lt;b&gt;.csv" in listed
    assert "things: 3" in listed  # two places and the table itself
    assert "t<b>" not in listed
