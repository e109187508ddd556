"""First contact on the pages: names go to a process of their own; registering, a sealed identity, consent, with attacks."""

import http.client
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import pytest
from cli_kit import EVERYDAY, IDENTITIES, Shell
from web_kit import POSIX, Pages

from amparo.app import opening
from amparo.app.desk_acts import ACTS
from amparo.vault.slots import Passphrase
from amparo.web import clerk

pytestmark = POSIX
NAME, SPELLING, CONTACT = "Zarvan Tulmekhov", "Зарван Тульмехов", "+7 900 000 41 07"  # made up
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    home = tmp_path_factory.mktemp("user")
    made = Shell(home, home / "home" / "case")
    made.init()
    yield made
    made.lock()


@pytest.fixture(scope="module")
def pages(shell: Shell) -> Iterator[Pages]:
    """The pages; a test that needs the names locked locks them."""
    opened = Pages(shell.workspace, shell.environment).opened()
    yield opened
    opened.close()


def lock_names(pages: Pages) -> None:
    pages.ask("/names/lock", {})


def register(pages: Pages, **fields: str) -> str:
    """Register a person and return the handle."""
    form = {"do": "anyway", "names.0.kind": "name", "names.0.text": NAME, "passphrase": IDENTITIES, **fields}
    answer = pages.ask("/first-contact", form)
    assert answer.status == 303, answer.sentence
    return answer.headers["location"].removeprefix("/")


def accesses(pages: Pages) -> int:
    return pages.ask("/activity").text.count("access or export")


def worker(pages: Pages) -> int:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pages.process.pid)], capture_output=True, text=True, check=False)
    [found] = [int(word) for word in listed.stdout.split()]
    return found


# -- the names ------------------------------------------------------------------------------------------------------------


def test_names_are_unlocked_and_locked_by_themselves(pages: Pages) -> None:
    """Their own passphrase opens them for a while, shown in minutes; the everyday one does not; a lock ends them alone."""
    lock_names(pages)
    assert "Unlocked" not in pages.ask("/names").text
    wrong = pages.ask("/names", {"passphrase": EVERYDAY})
    assert wrong.status == 403
    assert "does not open" in wrong.sentence
    assert pages.ask("/names?back=/first-contact", {"passphrase": IDENTITIES}).headers["location"] == "/first-contact"
    assert re.search(r"lock in [1-5] minutes", pages.ask("/names").text)
    assert pages.ask("/names/lock", {}).status == 303
    assert "Unlocked" not in pages.ask("/names").text
    assert pages.ask("/").status == 200


def test_the_page_after_unlocking_is_one_of_this_server(pages: Pages) -> None:
    """An open redirect through ?back= leads to the page of the names instead."""
    for back in ("//evil.example/", "http://evil.example", "/%5cevil.example", "javascript:alert(1)"):
        assert pages.ask(f"/names?back={back}", {"passphrase": IDENTITIES}).headers["location"] == "/names"


def _in_memory(process: int, needle: bytes) -> bool:
    with Path(f"/proc/{process}/mem").open("rb", 0) as memory:
        for line in Path(f"/proc/{process}/maps").read_text().splitlines():
            start, end = (int(part, 16) for part in line.split()[0].split("-"))
            if "r" not in line.split()[1] or start > 1 << 47:
                continue
            try:
                memory.seek(start)
                if needle in memory.read(end - start):
                    return True
            except OSError:
                continue
    return False


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="memory is read from Linux's /proc")
def test_the_worker_never_holds_the_key_of_the_names(pages: Pages, shell: Shell) -> None:
    """After unlocking, registering and showing, the ring of the identities is nowhere in its memory; the everyday ring is."""
    handle = register(pages)
    assert NAME in pages.ask(f"/{handle}/sealed", {"reason": "looked at by a test"}).text
    rings = {kind: opening.read_ring(shell.workspace, kind, Passphrase(text)).recipient.secret
             for kind, text in (("everyday", EVERYDAY), ("identities", IDENTITIES))}  # fmt: skip
    process = worker(pages)
    try:
        control = _in_memory(process, rings["everyday"][:48])
    except PermissionError:
        pytest.skip("this user may not read another process's memory: so much the better")
    assert control
    assert not _in_memory(process, rings["identities"][:48])


def test_the_clerk_does_only_what_stands_on_its_list(pages: Pages, shell: Shell) -> None:
    """An act that is not on the list is not done, whatever its name; what is asked stands in no command line."""
    pages.ask("/names", {"passphrase": IDENTITIES})
    for name in ("erase", "os.system", "__import__", "", "record_interview"):
        start = {"folder": str(shell.workspace), "act": name, "asked": {"handle": "P-0001"}, "language": "en"}
        done = subprocess.run([sys.executable, "-P", "-m", "amparo.web.clerk"], input=json.dumps(start) + "\n", text=True,
                              capture_output=True, env=shell.environment, check=False)  # fmt: skip
        assert "KeyError in clerk.py" in json.loads(done.stdout)["sentence"]
    assert "erase" not in ACTS


def test_an_error_comes_back_as_it_was_raised() -> None:
    """A sentence carried from the other process is of the same kind, so that it gets the same status."""
    from amparo.kernel import errors

    for kind in (errors.BadInput, errors.NotFound, errors.Busy, errors.Locked, errors.DiskRefused):
        carried = clerk._CARRIED[kind.__name__]("a sentence with {braces}")
        assert isinstance(carried, kind)
        assert str(carried) == "a sentence with {braces}"


def test_a_clerk_that_is_ended_tells_so(pages: Pages, shell: Shell) -> None:
    """If the names lock while an act is under way, the page says to look before doing it again."""
    code = (
        "import subprocess,sys,pathlib\n"
        "from amparo.web import clerk\n"
        "real = subprocess.Popen\n"
        "class Killed(real):\n"
        "    def communicate(self, *a, **k):\n"
        "        self.kill()\n"
        "        return super().communicate(*a, **k)\n"
        "clerk.subprocess.Popen = Killed\n"
        "try: clerk.ask(pathlib.Path(sys.argv[1]), 'register', {})\n"
        "except clerk.ClerkGone as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(shell.workspace)], env=shell.environment, capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert "look whether it was done" in done.stdout, done.stderr


# -- a person -------------------------------------------------------------------------------------------------------------


def test_the_first_person_is_registered_while_the_pages_are_open(tmp_path: Path) -> None:
    """In a new workspace the first writing comes from another process than the one that has the empty view open."""
    fresh = Shell(tmp_path, tmp_path / "home" / "case")
    fresh.init()
    pages = Pages(fresh.workspace, fresh.environment).opened()
    assert pages.ask("/").status == 200
    handle = register(pages)
    assert pages.ask(f"/{handle}").status == 200
    assert pages.ask(f"/{register(pages)}").status == 200
    pages.close()
    fresh.lock()


def test_a_name_reaches_no_page_but_the_one_that_asked(pages: Pages, shell: Shell) -> None:
    """After registering with every field, none of them is on any page, in any address, nor on the disk in the clear."""
    handle = register(pages, **{
        "names.1.kind": "alias", "names.1.text": SPELLING, "contacts.0.kind": "telephone", "contacts.0.text": CONTACT,
        "documents.0.kind": "passport", "documents.0.text": "AX 41070", "birth": "1991-05-17", "note": "limps on one leg",
    })  # fmt: skip
    words = (NAME, SPELLING, CONTACT, "AX 41070", "1991-05-17", "limps on one leg")
    for path in (f"/{handle}", "/first-contact", "/", "/activity", "/search", f"/{handle}/consent", f"/{handle}/interview",
                 f"/{handle}/sealed"):  # fmt: skip
        text = pages.ask(path).text
        assert not [word for word in words if word in text], path
    shown = pages.ask(f"/{handle}/sealed", {"reason": "the lawyer needs the spelling"})
    assert not [word for word in words if word not in unescape(shown.text)]
    assert shown.headers["cache-control"] == "no-store"
    for file in shell.workspace.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert not [word for word in words if word.encode() in data], file.name


def test_like_names_are_told_by_handle_and_may_be_somebody_else(pages: Pages) -> None:
    """A name in another script finds the handle of who may be meant, without the name; one button registers all the same."""
    first = register(pages)
    form = {"do": "register", "names.0.kind": "name", "names.0.text": SPELLING}
    asked = pages.ask("/first-contact", form)
    assert asked.status == 200
    assert f'href="/{first}"' in asked.text
    assert NAME not in asked.text
    assert SPELLING in asked.text  # what was typed is not lost
    second = register(pages, **{"names.0.text": SPELLING})
    assert second != first


def test_nobody_without_a_name_unless_so_said(pages: Pages) -> None:
    """An empty form is refused; "no name is known" registers a person whose sealed identity says just that."""
    empty = {"do": "register", "names.0.kind": "name", "names.0.text": "", "passphrase": IDENTITIES}
    assert "at least one name" in pages.ask("/first-contact", empty).sentence
    handle = register(pages, **{"names.0.text": "", "unnamed": "1"})
    assert "No name is known" in pages.ask(f"/{handle}/sealed", {"reason": "who is it"}).text


def test_rows_are_added_without_scripts(pages: Pages) -> None:
    """Another name, another way: the form comes back with what was typed and more rows, and nobody is registered."""
    before = pages.ask("/").text
    typed = {"names.0.kind": "alias", "names.0.text": SPELLING, "names.1.text": NAME, "names.2.text": "third", "note": "kept"}
    asked = pages.ask("/first-contact", {"do": "more names", **typed})
    assert asked.text.count('name="names.') == 2 * 5
    assert all(word in asked.text for word in (SPELLING, NAME, "third", "kept"))
    assert re.findall(r"<dd>[^<]*</dd>", pages.ask("/").text) == re.findall(r"<dd>[^<]*</dd>", before)


def test_a_stored_script_in_every_field_stays_text(pages: Pages) -> None:
    """What somebody types as a name, a contact or a note is shown as it was typed, and runs nowhere."""
    fields = {"names.0.text": SCRIPT, "contacts.0.kind": "account", "contacts.0.text": SCRIPT, "documents.0.kind": "passport",
              "documents.0.text": SCRIPT, "birth": SCRIPT, "note": SCRIPT}  # fmt: skip
    handle = register(pages, **fields)
    text = pages.ask(f"/{handle}/sealed", {"reason": "read by a test"}).text
    assert SCRIPT not in text
    assert text.count("&lt;script&gt;") == 5
    assert SCRIPT not in pages.ask("/first-contact", {"do": "more names", **fields}).text
    refused = pages.ask("/first-contact", {"do": "register", **fields, "names.0.kind": SCRIPT})
    assert refused.status == 422
    assert SCRIPT not in refused.text


def test_a_sealed_identity_asks_a_reason_and_leaves_an_entry(pages: Pages) -> None:
    """Without a reason, with a name in the reason, or with the names locked nothing is shown; else once, with an entry."""
    handle = register(pages)
    before = accesses(pages)
    for reason in ("", "   ", f"{NAME} asks"):
        refused = pages.ask(f"/{handle}/sealed", {"reason": reason})
        assert refused.status == 422, reason
        assert 'class="facts identity"' not in refused.text
    assert accesses(pages) == before
    assert NAME in pages.ask(f"/{handle}/sealed", {"reason": "a court asks"}).text
    assert accesses(pages) == before + 1
    assert NAME not in pages.ask(f"/{handle}/sealed").text  # the address itself shows nothing
    lock_names(pages)
    locked = pages.ask(f"/{handle}/sealed", {"reason": "a court asks"})
    assert locked.status == 422
    assert NAME not in locked.text
    assert pages.ask("/E-0001/sealed", {"reason": "x"}).status == 404


def test_a_sealed_name_stays_out_of_a_correction_while_the_names_are_open(pages: Pages, shell: Shell) -> None:
    """The page of a correction goes through the clerk: a sealed name in it is refused, and nothing is lost of the form."""
    handle = register(pages)
    talk = "claims:\n  - text: They came at night.\n"
    said = shell.amparo("interview", handle, "--form", "-", "--no-check-names", stdin=talk)
    form = {"text": f"They came for {NAME}.", "reason": "as it was said"}
    refused = pages.ask(f"/{said['claims'][0]}/correct", form)
    assert refused.status == 422
    assert "sealed name" in refused.sentence
    assert "as it was said" in refused.text
    done = pages.ask(f"/{said['claims'][0]}/correct", {"text": "They came for him.", "reason": "as it was said"})
    assert done.status == 303
    again = pages.ask(f"/{said['claims'][0]}/correct", {"text": "They came for them.", "reason": "a slip"})
    assert (again.status, "Look at both versions" in again.sentence) == (409, True)
    assert "They came for him." in again.text and "They came for them." in again.text


def test_a_correction_is_undone_by_a_new_entry(pages: Pages, shell: Shell) -> None:
    """The history of a corrected claim leads to a form with what it said before; sent with a reason, that stands again."""
    handle = register(pages)
    talk = "claims:\n  - {text: They came at night., valid: 2026-02}\n"
    [first] = shell.amparo("interview", handle, "--form", "-", "--no-check-names", stdin=talk)["claims"]
    second = pages.ask(f"/{first}/correct", {"text": "They came at dawn.", "reason": "a slip"}).headers["location"]
    assert "They came at night." in pages.ask(second).text
    assert f'href="{second}/correct?as={first}"' in pages.ask(second).text
    form = pages.ask(f"{second}/correct?as={first}").text
    assert ">They came at night.</textarea>" in form
    assert "They came at dawn." not in form
    third = pages.ask(f"{second}/correct", {"text": "They came at night.", "reason": "no slip after all"}).headers["location"]
    assert "no slip after all" in pages.ask(third).text
    shown = shell.amparo("show", third.strip("/"))["claim"]
    assert (shown["text"], shown["supersedes"], shown["status"]) == ("They came at night.", second.strip("/"), "current")
    assert pages.ask(f"{third}/correct?as=C-9999").status == 200  # not of this claim's history: nothing is filled in


# -- consent --------------------------------------------------------------------------------------------------------------


def _allowed(text: str) -> set[tuple[str, str]]:
    """(purpose, audience) of every yes in the first table of a consent page."""
    found = re.search(r'<table class="allowed">(.*?)</table>', text, re.DOTALL)
    if not found:
        return set()
    audiences = re.findall(r'<th scope="col">([^<]*)</th>', found[1])[1:]
    rows = re.findall(r'<th scope="row">([^<]*)</th>(.*?)</tr>', found[1], re.DOTALL)
    return {
        (purpose, audience)
        for purpose, cells in rows
        for audience, cell in zip(audiences, re.findall(r"<td>(.*?)</td>", cells, re.DOTALL), strict=True)
        if "yes" in cell
    }


def test_consent_is_given_shown_and_taken_back(pages: Pages) -> None:
    """What is allowed now stands in a table; a part or all of it is taken back by one button; what was given stays listed."""
    handle = register(pages)
    give = [("do", "give"), ("purposes", "complaint"), ("purposes", "prosecution"), ("audiences", "court"),
            ("audiences", "un body"), ("until", "2099"), ("how", "in writing")]  # fmt: skip
    form = "application/x-www-form-urlencoded"
    answer = pages.ask(f"/{handle}/consent", method="POST", body=urlencode(give), Content_Type=form)
    assert answer.status == 303
    text = pages.ask(f"/{handle}/consent").text
    assert _allowed(text) == {(p, a) for p in ("complaint", "prosecution") for a in ("court", "un body")}
    pages.ask(f"/{handle}/consent", {"do": "withdraw", "purposes": "complaint", "audiences": "un body", "source": ""})
    assert _allowed(pages.ask(f"/{handle}/consent").text) == {("complaint", "court"), ("prosecution", "court"),
                                                              ("prosecution", "un body")}  # fmt: skip
    pages.ask(f"/{handle}/consent", {"do": "withdraw", "source": "", "how": "by telephone"})
    text = pages.ask(f"/{handle}/consent").text
    assert _allowed(text) == set()
    assert text.count("taken back</span>") == 2
    assert "by telephone" in text


def test_half_a_consent_and_a_wrong_one_are_refused(pages: Pages) -> None:
    """A purpose without an audience, a word that is none, a date that is none, a sealed name: nothing is recorded."""
    handle = register(pages)
    whole = {"do": "give", "purposes": "complaint", "audiences": "court"}
    for wrong in ({"audiences": ""}, {"purposes": SCRIPT}, {"until": "soon"}, {"source": "S-0999"}, {"source": SCRIPT},
                  {"how": f"{NAME} wrote it"}):  # fmt: skip
        answer = pages.ask(f"/{handle}/consent", {**whole, **wrong})
        assert answer.status in (404, 422), wrong
        assert SCRIPT not in answer.text
    assert "Given and taken back" not in pages.ask(f"/{handle}/consent").text
    assert pages.ask("/P-0999/consent", whole).status == 404
    assert pages.ask("/E-0001/consent", whole).status == 404


def test_two_at_once_register_two_persons(pages: Pages) -> None:
    """Acts with the names go one after the other: two that are sent at once are both done, under two handles."""
    import threading

    pages.ask("/names", {"passphrase": IDENTITIES})
    found: list[str] = []

    def one(number: int) -> None:
        form = {"do": "register", "names.0.kind": "name", "names.0.text": f"Quorst Belmanthi{'xyz'[number] * 4}"}
        found.append(pages.ask("/first-contact", {**form, "do": "anyway"}).headers["location"])

    threads = [threading.Thread(target=one, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 3


def test_a_flood_of_passphrases_for_the_names_costs_one_at_a_time(pages: Pages) -> None:
    """Of many tries at once most are told to wait, and none opens the names."""
    import threading

    lock_names(pages)
    sentences: list[str] = []

    def attempt() -> None:
        try:
            sentences.append(pages.ask("/names", {"passphrase": "a wrong passphrase"}).sentence)
        except (OSError, http.client.HTTPException) as error:
            sentences.append(repr(error))

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("being tried already" in sentence for sentence in sentences) >= 5
    assert "Unlocked" not in pages.ask("/names").text


def test_nothing_is_shown_once_a_lock_was_asked_for(tmp_path: Path) -> None:
    """Between the answer to a lock and the end of the process the pages lead to the passphrase, and take nothing in."""
    import asyncio

    from amparo.web.desk import Desk, PagesLocked

    async def leave() -> None:
        desk = Desk(tmp_path)
        desk._session = object()  # type: ignore[assignment]
        assert desk.open
        desk.leave()
        assert not desk.open
        assert not await desk.sit()
        with pytest.raises(PagesLocked):
            await desk.do(lambda session: session)
        with pytest.raises(PagesLocked):
            await desk.act("register")

    asyncio.run(leave())
