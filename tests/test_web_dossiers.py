"""Dossiers on the pages: looked at, led back to what must be mended, let out with an entry, never on the disk in the clear."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_kit import EVERYDAY, IDENTITIES, Shell
from test_web_pages import tab
from web_kit import CHROMIUM, POSIX, Pages, browsing
from work_kit import MADE_UP, SCRIPT, furnish, start, told, wait

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


@pytest.fixture(scope="module")
def pages(shell: Shell, claims: list[str]) -> Iterator[Pages]:
    assert claims
    shell.lock()
    shell.amparo("unlock", secrets=[EVERYDAY])
    opened = Pages(shell.workspace, shell.environment).opened()
    yield opened
    opened.close()


def test_a_wrong_passphrase_of_the_identities_builds_nothing(pages: Pages) -> None:
    """The work says so in its sentence; no dossier is there."""
    place = start(pages, "/dossiers", LOOK | {"passphrase": "a wrong passphrase"})
    seen = wait(pages, place)
    assert "passphrase" in told(seen).lower()
    assert pages.ask(f"{place}/pages/1.png").status == 404


def test_a_dossier_is_looked_at_let_out_and_taken(shell: Shell, pages: Pages) -> None:
    """Built and judged; pictures of its pages; let out with an entry; the file is the one the entry tells of, and a PDF."""
    before = shell.amparo("status")["devices"][0]["entries"]
    place = start(pages, "/dossiers", LOOK)
    seen = wait(pages, place)
    assert told(seen) == "The gate lets it pass. It has not left yet."
    assert shell.amparo("status")["devices"][0]["entries"] == before  # looking is no export
    picture = pages.ask(f"{place}/pages/1.png")
    assert (picture.status, picture.headers["content-type"]) == (200, "image/png")
    assert pages.ask(f"{place}/pages/9999.png").status == 404
    assert pages.ask(f"{place}/file").status == 404  # what is merely looked at is handed to nobody
    out = start(pages, f"{place}/out", {"passphrase": ""})
    assert "It is let out" in told(wait(pages, out))
    assert shell.amparo("status")["devices"][0]["entries"] == before + 1
    file = pages.ask(f"{out}/file")
    assert file.headers["content-disposition"] == 'attachment; filename="dossier.pdf"'
    assert "sandbox" in file.headers["content-security-policy"]
    assert file.text.startswith("%PDF")


def test_no_built_dossier_lies_on_the_disk(shell: Shell, pages: Pages) -> None:
    """While a dossier waits to be taken, no file of workspace, home or temporary folder is a PDF or holds its title."""
    place = start(pages, "/dossiers", LOOK | {"title": "Brimsolketitle"})
    wait(pages, place)
    wait(pages, start(pages, f"{place}/out", {}))
    for path in shell.home.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not data.startswith(b"%PDF"), path
            assert b"Brimsolketitle" not in data, path


def test_a_sealed_name_in_the_title_blocks(pages: Pages) -> None:
    """A sealed name in the title blocks; the page names the handle, not the name, says how to mend it, and lets nothing out."""
    place = start(pages, "/dossiers", LOOK | {"title": f"On {MADE_UP}"})
    seen = wait(pages, place)
    assert "Nothing has left." in told(seen)
    assert 'href="/P-0001"' in seen.text
    assert "choose another title" in seen.text
    assert "Tulmetov" not in seen.text
    assert pages.ask(f"{place}/out", {}).status == 404


def test_a_finding_in_a_claim_leads_there_and_may_pass_with_a_reason(shell: Shell, pages: Pages) -> None:
    """A sealed name in the words of a claim leads to that claim; with a reason for each place, or corrected, it passes."""
    talk = "claims:\n  - text: Tulmetov was there.\nconsent: {purposes: prosecution, audiences: court}\n"
    [claim] = shell.amparo("interview", "P-0001", "--form", "-", "--no-check-names", stdin=talk)["claims"]
    place = start(pages, "/dossiers", LOOK)
    seen = wait(pages, place)
    assert "Nothing has left." in told(seen)
    assert f'href="/{claim}"' in seen.text
    reasons = {f"reason.{id}": "the family asked for it" for id in re.findall(r'name="reason\.([0-9a-f]{12})"', seen.text)}
    assert reasons
    assert "lets it pass" in told(wait(pages, start(pages, f"{place}/again", reasons)))
    start(pages, f"/{claim}/correct", {"text": "It was dark.", "reason": "the handle instead of the name"})
    assert "lets it pass" in told(wait(pages, start(pages, "/dossiers", LOOK)))


def test_what_changed_since_it_was_looked_at_does_not_leave(pages: Pages, claims: list[str]) -> None:
    """A correction between looking and letting out: refused, no entry of an export."""
    place = start(pages, "/dossiers", LOOK)
    wait(pages, place)
    changed = pages.ask(f"/{claims[0]}/correct", {"text": "They came at night, by car.", "reason": "completed"})
    assert changed.status == 303
    refused = wait(pages, start(pages, f"{place}/out", {}))
    assert "look at it again" in told(refused)
    assert pages.ask(str(refused.headers.get("location") or f"{place}/file")).status == 404


def test_a_choice_the_gate_cannot_judge_is_refused_with_what_was_typed(pages: Pages) -> None:
    """No purpose: the form comes back, with the title as typed and escaped."""
    answer = pages.ask("/dossiers", {"purpose": "", "audience": "court", "title": SCRIPT})
    assert answer.status == 422
    assert "Choose a purpose" in answer.sentence
    assert "<script>document" not in answer.text
    assert "&lt;script&gt;document" in answer.text
    wrong = wait(pages, start(pages, "/dossiers", LOOK | {"more events": "E-0099 x"}))
    assert "E-0099" in told(wrong) or "x" in told(wrong)


# -- in a browser -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def fresh(shell: Shell, claims: list[str]) -> Iterator[Pages]:
    """Pages that no browser has entered yet."""
    assert claims
    shell.lock()
    shell.amparo("unlock", secrets=[EVERYDAY])
    opened = Pages(shell.workspace, shell.environment)
    yield opened
    opened.close()


@browsing
@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_dossier_from_choice_to_file_in_a_browser(browser: Any, fresh: Pages, scripts: bool) -> None:
    """Choose, wait, look, let out, take: by clicks, with the work followed by the script or by reloading."""
    with tab(browser, fresh, java_script_enabled=scripts, accept_downloads=True) as page:
        page.goto(f"{fresh.base}/dossiers")
        page.select_option("#purpose", "prosecution")
        page.select_option("#audience", "court")
        page.fill("#passphrase", IDENTITIES)
        page.get_by_role("button", name="Build and look").click()
        page.wait_for_selector(".sheets img", timeout=60_000)
        assert page.locator(".sheets img").first.evaluate("image => image.decode().then(() => image.naturalWidth)") > 500
        page.get_by_role("button", name="Let it out").click()
        page.wait_for_selector("a[download]", timeout=60_000)
        with page.expect_download() as download:
            page.get_by_role("link", name="Take the file").click()
        assert Path(download.value.path()).read_bytes().startswith(b"%PDF")


@browsing
def test_the_pages_of_works_stand_in_nobodys_way(browser: Any, fresh: Pages) -> None:
    """axe-core finds nothing serious on a dossier with findings, a verification, a checkpoint; none is too wide."""
    from axe_playwright_python.sync_playwright import Axe

    with tab(browser, fresh, bypass_csp=True, viewport={"width": 360, "height": 740}) as page:
        page.goto(f"{fresh.base}/dossiers")
        page.select_option("#purpose", "advocacy")
        page.select_option("#audience", "press")
        page.fill("#title", f"On {MADE_UP}")
        page.fill("#passphrase", IDENTITIES)
        page.get_by_role("button", name="Build and look").click()
        page.wait_for_selector(".finding", timeout=60_000)
        places = [page.url]
        for button in ("Verify", "Make a checkpoint"):
            page.goto(f"{fresh.base}/integrity")
            page.get_by_role("button", name=button).click()
            page.wait_for_selector(".told", timeout=60_000)
            places.append(page.url)
        for place in places:
            page.goto(place)
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                found = Axe().run(page).response["violations"]
                assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, place
