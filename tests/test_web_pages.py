"""The pages in a real browser, on the worked example: with scripts and without, by keyboard, for everybody."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cli_kit import Shell
from web_kit import CHROMIUM, POSIX, Pages, browsing

pytestmark = [POSIX, browsing]
EXAMPLE = Path(__file__).parent.parent / "examples" / "public-record"
PAGES = ("/", "/search", "/activity", "/P-0001", "/E-0001", "/S-0001", "/A-0001", "/L-0018", "/C-0383", "/C-0383/correct",
         "/C-0383/trace", "/panic", "/assess", "/assess/C-0573/C-0383", "/J-0001", "/C-0383/link", "/dossiers", "/integrity",
         "/imports", "/help", "/jobs", "/names", "/first-contact", "/P-0001/sealed", "/P-0001/consent", "/P-0001/interview",
         "/upload", "/evidence", "/D-0001", "/D-0001/read", "/read/S-0001", "/timeline",
         "/timeline?from=2017&to=2018&lane=event", "/matrix", "/estimate", "/waves", "/same", "/command?of=E-0001",
         "/patterns", "/map", "/network", "/network?of=G-0013", "/events/new", "/E-0001/acts", "/E-0001/edit")  # fmt: skip


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium


@pytest.fixture(scope="module")
def browser(chromium: Any) -> Iterator[Any]:
    started = chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    yield started
    started.close()


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    home = tmp_path_factory.mktemp("user")
    shell = Shell(home, home / "home" / "demo")
    made = shell.amparo("demo", "--example", str(EXAMPLE), "--pdf", str(home / "dossier.pdf"))
    assert made
    yield shell
    shell.lock()


@pytest.fixture
def pages(example: Shell) -> Iterator[Pages]:
    opened = Pages(example.workspace, example.environment)
    yield opened
    opened.close()


@contextmanager
def tab(browser: Any, pages: Pages, **options: Any) -> Iterator[Any]:
    """A browser's tab that was let in. Any console error, refused content or request off the loopback fails the test."""
    wrong: list[str] = []
    context = browser.new_context(**options)
    page = context.new_page()
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(pages.base) else wrong.append(request.url))
    page.goto(pages.address)
    page.wait_for_url(f"{pages.base}/")
    yield page
    context.close()
    assert wrong == []


def test_a_reader_walks_from_search_to_signature(browser: Any, pages: Pages) -> None:
    """Search, open a hit, its event, a claim, and the way back to the signature: by clicks."""
    with tab(browser, pages) as page:
        page.fill("#words", "Argun")
        page.click("form.find button")
        page.wait_for_url(re.compile("/search/"))
        assert "Argun" not in page.url
        assert page.locator(".hit").count() > 10
        page.get_by_role("link", name="E-0009").first.click()
        assert page.locator("h1").inner_text().startswith("E-0009")
        page.locator(".claim a.handle").first.click()
        page.get_by_role("link", name="Trace to the signature").click()
        assert "valid, checked just now" in page.content()


def test_the_same_walk_without_scripts(browser: Any, pages: Pages) -> None:
    """With JavaScript off search, facets, pages, correction and lock work as plain forms."""
    with tab(browser, pages, java_script_enabled=False) as page:
        page.fill("#words", "Argun")
        page.click("form.find button")
        before = page.locator(".hit").count()
        page.locator("fieldset", has_text="About").get_by_role("button", name=re.compile("Event")).click()
        assert 0 < page.locator(".hit").count() < before
        page.goto(f"{pages.base}/C-0383")
        page.get_by_role("link", name="Correct").click()
        page.fill("#valid", "2017-02")
        page.fill("#reason", "tried by a test")
        page.get_by_role("button", name="Record the correction").click()
        assert "2017-02" in page.content()
        assert page.url != f"{pages.base}/C-0383"
        page.get_by_role("button", name="Lock").click()
        page.wait_for_url(f"{pages.base}/unlock")


def test_two_versions_are_chosen_from_by_everybody(browser: Any, pages: Pages, example: Shell) -> None:
    """While an event is edited somebody corrects it: axe finds nothing in the choice, 360 px hold it, and it is recorded."""
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(viewport={"width": 360, "height": 800}, bypass_csp=True)
    page = context.new_page()
    page.goto(pages.address)
    page.wait_for_url(f"{pages.base}/")
    page.goto(f"{pages.base}/E-0002/edit")
    field = page.locator("textarea[name^='c.C-']").first
    claim = field.get_attribute("name").split(".")[1]
    example.amparo("correct", claim, "--set", "text=Theirs, made up by a test.", "--reason", "a better reading")
    field.fill("Mine, made up by a test.")
    page.fill("#reason", "clearer")
    page.get_by_role("button", name="Record the corrections").click()
    assert page.locator("table").inner_text().count("made up by a test") == 2
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert [one["id"] for one in Axe().run(page).response["violations"] if one["impact"] in ("serious", "critical")] == []
    page.get_by_label("Put mine in its place").check()
    page.get_by_role("button", name="Record what I chose").click()
    page.wait_for_url(f"{pages.base}/E-0002")
    assert "Mine, made up by a test." in page.content()
    context.close()


def test_two_escapes_blank_the_screen_and_lock(browser: Any, pages: Pages) -> None:
    """Esc Esc takes everything off the screen at once; then the page asks for the passphrase."""
    with tab(browser, pages) as page:
        page.goto(f"{pages.base}/E-0001")
        page.keyboard.press("Escape")
        page.wait_for_timeout(900)
        assert "E-0001" in page.content()  # one Esc, or a slow second one, does nothing
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        page.wait_for_url(f"{pages.base}/unlock", wait_until="commit")
        page.wait_for_selector("#passphrase")


def test_a_page_left_open_goes_when_the_workspace_is_locked_elsewhere(browser: Any, pages: Pages, example: Shell) -> None:
    """`amparo lock` in a terminal takes the record off a screen nobody touches."""
    with tab(browser, pages) as page:
        page.goto(f"{pages.base}/E-0001")
        example.lock()
        page.wait_for_url(f"{pages.base}/unlock", timeout=20_000, wait_until="commit")
        page.wait_for_selector("#passphrase")


def test_the_keyboard_suffices(browser: Any, pages: Pages) -> None:
    """/ goes to the search box, j and k walk the hits, Enter opens one."""
    with tab(browser, pages) as page:
        page.keyboard.press("/")
        page.keyboard.type("Argun")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/search/"))
        page.locator("body").click(position={"x": 5, "y": 5})
        for key in "jjk":
            page.keyboard.press(key)
        first = page.locator(".hit.at b").inner_text()
        page.keyboard.press("Enter")
        page.wait_for_url(f"{pages.base}/{first}")


def test_nothing_serious_stands_in_anybodys_way(browser: Any, pages: Pages) -> None:
    """axe-core finds nothing serious on any page, light and dark (WCAG 2.2 AA)."""
    from axe_playwright_python.sync_playwright import Axe

    with tab(browser, pages, bypass_csp=True) as page:
        for path in PAGES:
            page.goto(pages.base + path)
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                found = Axe().run(page).response["violations"]
                serious = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
                assert serious == [], (scheme, path)


def test_no_page_is_wider_than_a_telephone(browser: Any, pages: Pages) -> None:
    """At 360 pixels nothing has to be scrolled sideways, in either direction of writing."""
    with tab(browser, pages, viewport={"width": 360, "height": 740}) as page:
        for path in PAGES:
            page.goto(pages.base + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
            page.evaluate("document.documentElement.dir = 'rtl'")
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, path


def test_the_browser_keeps_nothing(chromium: Any, pages: Pages, tmp_path: Path) -> None:
    """Neither words searched for nor words read are in any file of the browser's profile; what it does keep is found."""
    profile = tmp_path / "profile"
    context = chromium.launch_persistent_context(profile, executable_path=CHROMIUM, args=["--no-sandbox"])
    page = context.new_page()
    page.goto(pages.address)
    page.wait_for_url(f"{pages.base}/")
    page.fill("#words", "Zarvantulm Argun")
    page.click("form.find button")
    page.goto(f"{pages.base}/E-0009")
    read = page.locator("h1 .label").inner_text()
    page.goto(f"{pages.base}/C-0383/correct")
    page.fill("#text", "Brimsolket")
    page.wait_for_timeout(1_500)
    context.close()
    kept = b"".join(path.read_bytes() for path in profile.rglob("*") if path.is_file())
    assert pages.host.encode() in kept  # the control: the profile does remember where it was
    for word in ("Zarvantulm", "Brimsolket", read):
        for coded in (word.encode(), word.encode("utf-16-le")):
            assert coded not in kept, word
    shutil.rmtree(profile)


def test_no_template_lets_anything_through_unescaped() -> None:
    """No |safe, no script or style in a page, no handler in an attribute, no address of anybody else."""
    templates = Path(__file__).parent.parent / "src" / "amparo" / "web" / "templates"
    if not templates.is_dir():
        import amparo.web

        templates = Path(amparo.web.__file__).parent / "templates"
    found = sorted(templates.glob("*.html"))
    assert len(found) > 8
    for path in found:
        text = path.read_text(encoding="utf-8")
        for bad in (r"\|\s*safe", r"autoescape\s+false", r"\son\w+\s*=", r"\sstyle\s*=", "<style", "https?://", "javascript:"):
            assert not re.search(bad, text), (path.name, bad)
        assert not re.search(r"<script(?![^>]*\ssrc=\"/static/)", text), path.name
