"""A conversation on the pages: drafts that survive kill -9 and a lock, sealed; read back, confirmed, recorded once."""

import http.client
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from cli_kit import EVERYDAY, IDENTITIES, Shell
from scanner import scan
from web_kit import CHROMIUM, POSIX, Answer, Pages, browsing

from amparo.app import drafts, evidence, opening, people
from amparo.app.drafts import ChangedElsewhere, NoSuchDraft
from amparo.app.session import Session
from amparo.kernel.errors import AmparoError
from amparo.vault.slots import Passphrase

pytestmark = POSIX
NAME = "Zarvan Tulmekhov"  # made up
WORD, SECOND = "Brimsolketh said the cellar was flooded", "Четверо мужчин молчали"
SCRIPT = "<script>alert(1)</script>"
BOUNDARY = "----made-up"


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    home = tmp_path_factory.mktemp("user")
    made = Shell(home, home / "home" / "case")
    made.init()
    made.amparo("person", "add", "--name", NAME)
    yield made
    made.lock()


@pytest.fixture(scope="module")
def pages(shell: Shell) -> Iterator[Pages]:
    opened = Pages(shell.workspace, shell.environment).opened()
    yield opened
    opened.close()


@pytest.fixture
def opened(shell: Shell, pages: Pages) -> Iterator[Session]:
    """The workspace as the pages have it open, in this process; no agent ends it."""
    rings = [opening.read_ring(shell.workspace, "everyday", Passphrase(EVERYDAY))]
    with Session(shell.workspace, rings) as session:
        yield session


def post(pages: Pages, path: str, fields: list[tuple[str, str]]) -> Answer:
    """Send a form as the page of a draft does: multipart/form-data."""
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields]
    body = ("".join(parts) + f"--{BOUNDARY}--\r\n").encode()
    return pages.ask(path, method="POST", body=body, Content_Type=f"multipart/form-data; boundary={BOUNDARY}")


def begin(pages: Pages) -> str:
    """Begin a conversation; the path of its draft."""
    return pages.ask("/P-0001/interview", {}).headers["location"]


def version(pages: Pages, draft: str) -> str:
    found = re.search(r'name="version" value="(\d+)"', pages.ask(draft).text)
    assert found
    return found[1]


def write(pages: Pages, draft: str, fields: dict[str, str], do: str = "save") -> Answer:
    answer = post(pages, draft, [("do", do), ("version", version(pages, draft)), *fields.items()])
    assert answer.status in (200, 303), answer.sentence
    return answer


def record(pages: Pages, draft: str, **how: str) -> Answer:
    return pages.ask(f"{draft}/read", {"version": version(pages, draft), **(how or {"confirmed": "1"})})


SAID = {
    "claim.0.text": WORD, "claim.0.valid": "2017-03", "claim.0.access": "hearsay", "claim.1.text": SECOND,
    "claim.1.language": "ru", "rights": "risks", "date": "2026-11-20", "interviewer": "D-07", "purposes": "complaint",
    "audiences": "court",
}  # fmt: skip


# -- what is kept -----------------------------------------------------------------------------------------------------------


def test_no_word_of_a_draft_is_on_the_disk(pages: Pages, shell: Shell) -> None:
    """Saved over and over, in any file of the workspace, its runtime and temporary folders, in any coding: nothing of it."""
    draft = begin(pages)
    write(pages, draft, SAID)
    write(pages, draft, {**SAID, "words": f"{WORD} {SECOND}"})
    assert WORD in unescape(pages.ask(draft).text)
    assert (shell.workspace / "drafts" / f"{draft.rpartition('/')[2]}.draft").stat().st_size > 100
    sealed = [path for path in shell.home.rglob("*") if path.is_file() and not path.is_socket()]
    words = ["Brimsolketh", "flooded", "Четверо", "молчали"]
    assert scan(sealed, words) == []
    control = shell.home / "control.txt"
    control.write_text(WORD)
    assert scan([control], words) != []
    control.unlink()
    pages.ask(f"{draft}/discard", {})


def test_a_draft_survives_kill_nine(pages: Pages, shell: Shell) -> None:
    """The process of the pages is killed outright; the draft is found on the page of first contact, word for word."""
    draft = begin(pages)
    write(pages, draft, SAID)
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pages.process.pid)], capture_output=True, text=True, check=False)
    os.kill(int(listed.stdout.split()[0]), signal.SIGKILL)
    _wait_for(pages, "/unlock", 303)  # the agent still has the keys
    text = unescape(pages.ask(draft).text)
    assert WORD in text
    assert SECOND in text
    assert draft in pages.ask("/first-contact").text
    assert draft in pages.ask("/P-0001/interview").text
    assert draft in pages.ask("/").text
    pages.ask(f"{draft}/discard", {})


def _wait_for(pages: Pages, path: str, status: int) -> None:
    """Until the next worker answers so."""
    for _try in range(100):
        with suppress(OSError, http.client.HTTPException):
            if pages.ask(path).status == status:
                return
        time.sleep(0.1)
    raise AssertionError("no page came")


def test_a_draft_survives_a_lock(pages: Pages) -> None:
    """Locked, nothing of it is shown; unlocked again, it is there to the letter."""
    draft = begin(pages)
    write(pages, draft, SAID)
    pages.ask("/lock", {})
    _wait_for(pages, "/unlock", 200)
    locked = pages.ask(draft)
    assert locked.status == 303
    assert WORD not in locked.text
    fresh = pages.ask("/unlock", {"passphrase": EVERYDAY})
    pages.cookie = fresh.headers["set-cookie"].partition(";")[0]
    assert WORD in unescape(pages.ask(draft).text)
    pages.ask(f"{draft}/discard", {})


def test_an_ended_draft_is_overwritten_first(opened: Session, pages: Pages) -> None:
    """Thrown away, its key is gone before the rest; an old version that the disk kept opens no more."""
    id = begin(pages).rpartition("/")[2]
    folder = opened.folder / "drafts"
    kept = {path.name: path.read_bytes() for path in folder.glob(f"{id}.*")}
    assert set(kept) == {f"{id}.key", f"{id}.draft"}
    pages.ask(f"/interviews/{id}/discard", {})
    assert list(folder.glob(f"{id}.*")) == []
    (folder / f"{id}.draft").write_bytes(kept[f"{id}.draft"])  # undeleted by somebody
    with pytest.raises(NoSuchDraft):
        drafts.read(opened, id)
    (folder / f"{id}.draft").unlink()


def test_a_draft_that_was_changed_on_the_disk_does_not_open(opened: Session, pages: Pages) -> None:
    """One bit, a cut, another draft's bytes: said in a sentence, listed as such, and it can be thrown away."""
    id, other = (begin(pages).rpartition("/")[2] for _ in range(2))
    path = opened.folder / "drafts" / f"{id}.draft"
    good = path.read_bytes()
    for bad in (good[:-1] + bytes([good[-1] ^ 1]), good[:40], b"", path.with_name(f"{other}.draft").read_bytes()):
        path.write_bytes(bad)
        assert "does not open" in pages.ask(f"/interviews/{id}").sentence
        assert "does not open" in pages.ask("/first-contact").text
        assert "does not open" in pages.ask("/").text
        with pytest.raises(AmparoError):
            drafts.read(opened, id)
    assert pages.ask(f"/interviews/{id}/discard", {}).status == 303
    assert "does not open" not in pages.ask("/first-contact").text
    pages.ask(f"/interviews/{other}/discard", {})


def test_paths_in_the_place_of_a_draft_lead_nowhere(opened: Session, pages: Pages) -> None:
    """Path traversal in the number of a draft finds nothing and removes nothing."""
    for id in ("..", "../amparo", "..%2f..%2famparo.json", "lock", "x" * 400, "0" * 15, "G" * 16):
        assert pages.ask(f"/interviews/{id}").status in (404, 422), id
        assert pages.ask(f"/interviews/{id}/discard", {}).status in (404, 405), id
        with pytest.raises(NoSuchDraft):
            drafts.read(opened, id)
    assert (opened.folder / "amparo.json").exists()


def test_two_windows_do_not_write_over_each_other(pages: Pages, opened: Session) -> None:
    """Whoever saves second over the same version is told so, sees what they typed, and nothing of the first is lost."""
    draft = begin(pages)
    first = version(pages, draft)
    write(pages, draft, SAID)
    late = post(pages, draft, [("do", "save"), ("version", first), ("claim.0.text", "typed in the other window")])
    assert late.status == 422
    assert "another window" in late.sentence
    assert "typed in the other window" in late.text
    assert WORD in unescape(pages.ask(draft).text)
    quiet = post(pages, draft, [("quiet", "1"), ("version", first), ("claim.0.text", "x")])
    assert quiet.status == 409
    assert "another window" in quiet.text
    old = drafts.Draft(draft.rpartition("/")[2], "", version=1)
    with pytest.raises(ChangedElsewhere):
        drafts.save(opened, old)
    pages.ask(f"{draft}/discard", {})


def test_an_erased_person_leaves_no_draft(tmp_path: Path) -> None:
    """Erasing a person overwrites the drafts about that person, and no others; a backup never had any."""
    home = Shell(tmp_path, tmp_path / "home" / "case")
    home.init()
    home.amparo("person", "add", "--name", NAME)
    home.amparo("person", "add", "--name", "Quorst Belmanthi", "--anyway")
    rings = [opening.read_ring(home.workspace, kind, Passphrase(text))
             for kind, text in (("everyday", EVERYDAY), ("identities", IDENTITIES))]  # fmt: skip
    with Session(home.workspace, rings) as session:
        gone, stays = drafts.begin(session, "P-0001"), drafts.begin(session, "P-0002")
        opening.back_up(session, tmp_path / "backup")
        people.erase(session, "P-0001", "case lead")
    with Session(home.workspace, rings) as session:
        with pytest.raises(NoSuchDraft):
            drafts.read(session, gone.id)
        assert drafts.read(session, stays.id).person == "P-0002"
    assert not list((tmp_path / "backup").rglob("*draft*"))
    home.lock()


# -- recording --------------------------------------------------------------------------------------------------------------


def test_a_conversation_is_read_back_confirmed_and_recorded_once(pages: Pages, shell: Shell) -> None:
    """From the draft to the record: claims, conditions, consent; the draft is gone, a second click finds none."""
    draft = begin(pages)
    write(pages, draft, SAID)
    assert write(pages, draft, SAID, "read").headers["location"] == f"{draft}/read"
    text = unescape(pages.ask(f"{draft}/read").text)
    assert WORD in text
    assert "No recording is attached" in text
    assert "what may happen if it becomes known" in text
    assert "read back and confirmed" in pages.ask(f"{draft}/read", {"version": version(pages, draft), "why": " "}).sentence
    stale = pages.ask(f"{draft}/read", {"version": "1", "confirmed": "1"})
    assert "another window" in stale.sentence
    form = {"version": version(pages, draft), "confirmed": "1"}
    done = pages.ask(f"{draft}/read", form)
    assert done.status == 303, done.sentence
    source = done.headers["location"].removeprefix("/")
    assert pages.ask(f"{draft}/read", form).status == 404
    assert not list((shell.workspace / "drafts").glob(f"{draft.rpartition('/')[2]}.*"))
    shown = shell.amparo("show", source)
    facts = {claim["property"]: claim.get("value") for claim in shown["claims"]}
    assert facts["read back"] == "read back and confirmed"
    assert "what may happen if it becomes known" in facts["rights explained"]
    assert facts["interviewer"] == "D-07"
    traced = shell.amparo("trace", source)["claims"]
    words = {one["claim"].get("text"): one["claim"] for one in traced}
    assert words[WORD]["access"] == "hearsay"
    assert words[WORD]["valid"] == "2017-03"
    assert words[SECOND]["person"] == "P-0001"
    assert source in pages.ask("/P-0001/consent").text


def test_a_recording_is_attached_and_becomes_an_item(pages: Pages, shell: Shell, opened: Session) -> None:
    """Attached before it is recorded, it is sealed with the draft, survives a clean-up of the store, and ends in the source."""
    draft = begin(pages)
    write(pages, draft, {**SAID, "claim.0.text": "Said into the microphone"}, "recording")
    data = b"RIFF\x00\x00\x00\x00WAVE" + os.urandom(3_000_000)
    body = _with_file(draft, f"../../{SCRIPT}\u202eexe.wav", data)
    sent = pages.ask("/upload", method="POST", body=body, Content_Type=f"multipart/form-data; boundary={BOUNDARY}")
    assert sent.headers["location"] == f"{draft}/recording", sent.sentence
    shell.amparo("evidence", "verify", "--remove-leftovers")
    text = pages.ask(f"{draft}/recording").text
    assert SCRIPT not in text
    assert "\u202e" not in text
    assert "u202eexe.wav" in text
    done = record(pages, draft)
    assert done.status == 303, done.sentence
    source = done.headers["location"].removeprefix("/")
    opened.refresh()
    [item] = opened.testimony.files(source)
    with evidence.read_quietly(opened, item) as stream:
        assert stream.read() == data
    [came] = opened.testimony.acquisitions(source)
    assert (came.how, came.collector) == ("recording of an interview", "D-07")
    assert not list((shell.workspace / "drafts" / "blobs").rglob("objects/*/*"))


def _with_file(draft: str, name: str, data: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="draft"\r\n\r\n{draft.rpartition("/")[2]}\r\n--{BOUNDARY}\r\n'
    head += f'Content-Disposition: form-data; name="files"; filename="{name}"\r\nContent-Type: audio/wav\r\n\r\n'
    return head.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()


def test_a_recording_that_is_removed_or_thrown_away_is_gone(pages: Pages, shell: Shell) -> None:
    """Removed from the draft, or with the draft, its sealed file is overwritten and removed."""
    draft = begin(pages)
    store = shell.workspace / "drafts" / "blobs"
    for _ in range(2):
        pages.ask("/upload", method="POST", body=_with_file(draft, "a.wav", b"x" * 5000),
                  Content_Type=f"multipart/form-data; boundary={BOUNDARY}")  # fmt: skip
    assert len(list(store.rglob("objects/*/*"))) == 2
    pages.ask(f"{draft}/recording", {"number": "0"})
    assert len(list(store.rglob("objects/*/*"))) == 1
    pages.ask(f"{draft}/discard", {})
    assert not list(store.rglob("objects/*/*"))


def test_a_sealed_name_is_told_before_it_is_recorded(pages: Pages) -> None:
    """With the names open, a sealed name in a sentence or a condition stops the reading back; the draft stays."""
    pages.ask("/names", {"passphrase": IDENTITIES})
    for field in ("claim.0.text", "interviewer", "words"):
        draft = begin(pages)
        write(pages, draft, {**SAID, "claim.1.text": "different", field: f"{NAME} was there"})
        refused = pages.ask(f"{draft}/read")
        assert refused.status == 422, field
        assert "sealed name" in refused.sentence
        assert record(pages, draft).status == 422
        assert NAME in unescape(pages.ask(draft).text)
        pages.ask(f"{draft}/discard", {})
    pages.ask("/names/lock", {})
    draft = begin(pages)
    write(pages, draft, SAID)
    assert "nobody has looked for them" in pages.ask(f"{draft}/read").text
    pages.ask(f"{draft}/discard", {})


def test_the_same_words_are_not_recorded_twice(pages: Pages) -> None:
    """After a crash between recording and ending the draft, the second recording is refused and names the source."""
    draft = begin(pages)
    write(pages, draft, {**SAID, "claim.0.text": "Said once only"})
    assert record(pages, draft).status == 303
    again = begin(pages)
    write(pages, again, {**SAID, "claim.0.text": "Said once only"})
    refused = record(pages, again)
    assert refused.status == 422
    assert "recorded as S-" in refused.sentence
    pages.ask(f"{again}/discard", {})


def test_what_is_wrong_is_said_and_nothing_typed_is_lost(pages: Pages) -> None:
    """Empty talk, a date that is none, half a consent, an unknown handle, a property that cannot be said of a person."""
    cases = {
        "no claim": {"claim.0.text": "", "claim.1.text": "", "claim.0.valid": "", "claim.1.language": ""},
        "not a date": {"claim.0.valid": "some day"},
        "purpose and an audience": {"audiences": ""},
        "There is no E-0999": {"claim.0.about": "E-0999"},
        "no property": {"claim.0.property": SCRIPT},
        "cannot be said of P-0001": {"claim.0.property": "ground", "claim.0.value": "made up"},
        "is not a audience": {"audiences": SCRIPT},
    }  # fmt: skip
    for sentence, wrong in cases.items():
        draft = begin(pages)
        write(pages, draft, {**SAID, **wrong})
        refused = pages.ask(f"{draft}/read")
        assert refused.status in (404, 422), sentence
        assert sentence in unescape(refused.sentence)
        assert SCRIPT not in refused.text
        assert 'value="D-07"' in refused.text
        assert record(pages, draft).status in (404, 422)
        pages.ask(f"{draft}/discard", {})


def test_a_stored_script_in_every_field_of_a_conversation_stays_text(pages: Pages) -> None:
    """In the form, in reading it back, on the page of the source: what was typed is text."""
    draft = begin(pages)
    fields = {**dict.fromkeys(("interviewer", "language", "interpreter", "persons_present", "breaks", "place", "words", "how",
                               "rights_explained", "claim.0.text", "claim.0.value"), SCRIPT), "date": "2026"}  # fmt: skip
    write(pages, draft, {**fields, "purposes": "complaint", "audiences": "court"})
    for path in (draft, f"{draft}/read", f"{draft}/recording", f"{draft}/discard"):
        answer = pages.ask(path)
        assert answer.status == 200, path
        assert SCRIPT not in answer.text, path
    source = record(pages, draft).headers["location"]
    assert SCRIPT not in pages.ask(source).text


def test_sentences_are_added_and_removed_without_scripts(pages: Pages) -> None:
    """A button adds a blank sentence and saves; another removes one; numbers that lie or repeat break nothing."""
    draft = begin(pages)
    text = write(pages, draft, SAID, "add").text
    assert text.count("data-row>") == 3 + 1  # and the blank one for the script
    write(pages, draft, SAID, "remove.0")
    text = unescape(pages.ask(draft).text)
    assert WORD not in text
    assert SECOND in text
    for odd in ("claim.99999.text", "claim.-1.text", "claim.0.handle", "claim.0", "claim..text", "claim.0.text.text"):
        write(pages, draft, {**SAID, odd: "odd words"})
        assert "odd words" not in pages.ask(draft).text, odd
    many = {f"claim.{number}.text": "x" for number in range(600)}
    assert "at most" in post(pages, draft, [("do", "save"), ("version", version(pages, draft)), *many.items()]).sentence
    pages.ask(f"{draft}/discard", {})


def test_a_cut_or_broken_form_changes_nothing(pages: Pages) -> None:
    """A form that ends in the middle, has no frame, or holds a file is refused, and the draft is as it was."""
    draft = begin(pages)
    write(pages, draft, SAID)
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="claim.0.text"\r\n\r\nhalf'
    file = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="x"; filename="y"\r\n\r\nz\r\n--{BOUNDARY}--\r\n'
    for body, sent in ((part, kind), ("", kind), (file, kind), ("x" * 1000, kind), (part, "multipart/form-data"),
                       (part, "multipart/form-data; boundary=" + "x" * 300)):  # fmt: skip
        answer = pages.ask(draft, method="POST", body=body.encode(), Content_Type=sent)
        assert answer.status == 422, (body[:30], sent)
    assert WORD in unescape(pages.ask(draft).text)
    pages.ask(f"{draft}/discard", {})


# -- in a browser -----------------------------------------------------------------------------------------------------------


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


@contextmanager
def tab(browser: Any, pages: Pages, **options: Any) -> Iterator[Any]:
    """A tab that was let in by the cookie the tests have. Any console error or foreign request fails the test."""
    wrong: list[str] = []
    context = browser.new_context(**options)
    name, _, value = pages.cookie.partition("=")
    context.add_cookies([{"name": name, "value": value, "url": pages.base}])
    page = context.new_page()
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(pages.base) else wrong.append(request.url))
    yield page
    context.close()
    assert wrong == []


@browsing
def test_what_is_typed_saves_itself(browser: Any, pages: Pages) -> None:
    """With scripts on a sentence that nobody saved is there after the tab is gone; more sentences come without loading."""
    draft = begin(pages)
    with tab(browser, pages) as page:
        page.goto(pages.base + draft)
        page.fill('[name="claim.0.text"]', "Typed and never saved")
        page.keyboard.press("Control+Enter")
        page.keyboard.type("Another one")
        page.get_by_text("Saved, sealed", exact=True).wait_for()
        page.locator("[data-remove]").first.click()
        page.get_by_text("Not saved yet").wait_for()
        page.get_by_text("Saved, sealed", exact=True).wait_for()
    text = pages.ask(draft).text
    assert "Another one" in text
    assert "Typed and never saved" not in text
    pages.ask(f"{draft}/discard", {})


@browsing
@pytest.mark.parametrize("scripts", [True, False])
def test_a_documenter_walks_from_first_contact_to_the_record(browser: Any, pages: Pages, tmp_path: Path, scripts: bool) -> None:
    """The whole journey by clicks, with scripts and without: talk, recording, consent, reading back, recording it."""
    recording = tmp_path / "talk.ogg"
    recording.write_bytes(b"OggS" + os.urandom(200_000))
    with tab(browser, pages, java_script_enabled=scripts) as page:
        page.goto(f"{pages.base}/first-contact")
        page.fill("#person", "p-0001")
        page.get_by_role("button", name="Record a conversation").click()
        page.get_by_role("button", name="Begin").click()
        page.get_by_label("that nothing is promised").check()
        page.fill('[name="claim.0.text"]', f"They were four, {scripts}")
        page.get_by_role("button", name="Another sentence").click()
        page.fill('[name="claim.1.text"]', f"The door was of iron, {scripts}")
        page.get_by_role("button", name="Save, and attach or remove a recording").click()
        page.set_input_files("#files", recording)
        page.get_by_role("button", name="Attach").click()
        page.get_by_role("button", name="Remove").wait_for()
        page.get_by_role("link", name="Back to writing").click()
        page.get_by_role("group", name="May be used for", exact=True).get_by_label("complaint").check()
        page.get_by_role("group", name="May go to", exact=True).get_by_label("court").check()
        page.get_by_role("button", name="Read it back").click()
        assert "The door was of iron" in page.locator(".read").inner_text()
        page.get_by_label("It was read back").check()
        page.get_by_role("button", name="Record it").click()
        page.wait_for_url(re.compile(r"/S-\d+$"))
        assert "talk.ogg" in page.content()


@browsing
def test_nothing_serious_stands_in_anybodys_way(browser: Any, pages: Pages) -> None:
    """axe-core finds nothing serious on the pages of a conversation, light and dark; at 360 pixels nothing runs sideways."""
    from axe_playwright_python.sync_playwright import Axe

    draft = begin(pages)
    write(pages, draft, {**SAID, "claim.0.about": "P-0001", "words": "word " * 200})
    pages.ask("/upload", method="POST", body=_with_file(draft, "a" * 200 + ".wav", b"x"),
              Content_Type=f"multipart/form-data; boundary={BOUNDARY}")  # fmt: skip
    pages.ask("/names", {"passphrase": IDENTITIES})
    with tab(browser, pages, bypass_csp=True, viewport={"width": 360, "height": 740}) as page:
        for path in ("", "/read", "/recording", "/discard"):
            page.goto(f"{pages.base}{draft}{path}")
            _nobody_is_hindered(page, Axe(), path)
        page.goto(f"{pages.base}/P-0001/sealed")
        page.fill("#reason", "looked at by a test")
        page.get_by_role("button", name="Show the sealed identity").click()
        page.get_by_text(NAME).wait_for()
        _nobody_is_hindered(page, Axe(), "sealed")
    pages.ask("/names/lock", {})
    pages.ask(f"{draft}/discard", {})


def _nobody_is_hindered(page: Any, axe: Any, path: str) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = axe.run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == [], path
    for direction in ("ltr", "rtl"):
        page.evaluate(f"document.documentElement.dir = '{direction}'")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, (path, direction)


@browsing
def test_nothing_of_a_conversation_is_in_the_browsers_profile(chromium: Any, pages: Pages, tmp_path: Path) -> None:
    """Neither a word typed into a draft, nor a name shown, nor the passphrase typed for it is in any file of the profile."""
    draft = begin(pages)
    profile = tmp_path / "profile"
    context = chromium.launch_persistent_context(profile, executable_path=CHROMIUM, args=["--no-sandbox"])
    name, _, value = pages.cookie.partition("=")
    context.add_cookies([{"name": name, "value": value, "url": pages.base}])
    page = context.new_page()
    page.goto(pages.base + draft)
    page.fill('[name="claim.0.text"]', "Vorgantelm typed this")
    page.get_by_text("Saved, sealed", exact=True).wait_for()
    pages.ask("/names/lock", {})
    page.goto(f"{pages.base}/P-0001/sealed")
    page.fill("#reason", "looked at by a test")
    page.fill("#passphrase", IDENTITIES)
    page.get_by_role("button", name="Show the sealed identity").click()
    page.get_by_text(NAME).wait_for()
    page.wait_for_timeout(1_000)
    context.close()
    kept = b"".join(path.read_bytes() for path in profile.rglob("*") if path.is_file())
    assert pages.host.encode() in kept  # the control
    for word in ("Vorgantelm", NAME, IDENTITIES):
        for coded in (word.encode(), word.encode("utf-16-le")):
            assert coded not in kept, word
    shutil.rmtree(profile)
    pages.ask(f"{draft}/discard", {})
