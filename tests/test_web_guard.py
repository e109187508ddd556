"""Attacks on the pages, by name: who must not be answered, and what no answer may lack."""

import http.client
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from cli_kit import EVERYDAY, IDENTITIES, Shell
from hypothesis import given, settings
from hypothesis import strategies as st
from web_kit import POSIX, Answer, Pages

from amparo.web.guard import HEADERS, Door, fingerprint

pytestmark = POSIX


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    home = tmp_path_factory.mktemp("user")
    made = Shell(home, home / "home" / "case")
    made.init()
    yield made
    made.lock()


@pytest.fixture
def pages(shell: Shell) -> Iterator[Pages]:
    shell.lock()
    shell.amparo("unlock", "--identities", secrets=[EVERYDAY, IDENTITIES])
    opened = Pages(shell.workspace, shell.environment).opened()
    yield opened
    opened.close()


def test_dns_rebinding_meets_a_server_with_another_name(pages: Pages) -> None:
    """A name that somebody let point to 127.0.0.1 is not this server's, and neither is its bare address."""
    port = pages.host.rpartition(":")[2]
    for host in ("evil.example", f"127.0.0.1:{port}", f"localhost:{port}", pages.host.upper() + ".", ""):
        assert pages.ask("/", Host=host or "x").status == 400
    raw = socket.create_connection(("127.0.0.1", int(port)))
    raw.sendall(f"GET / HTTP/1.1\r\nHost: {pages.host}\r\nHost: evil.example\r\nCookie: {pages.cookie}\r\n\r\n".encode())
    assert raw.recv(64).startswith(b"HTTP/1.1 400")
    raw.close()
    assert pages.ask("/").status == 200


def test_cross_site_post_changes_nothing(pages: Pages) -> None:
    """A form on another site's page, or one that does not say where it is from, is refused even with the cookie."""
    form = {"words": "Argun"}
    for site, origin in (("cross-site", "http://evil.example"), ("same-site", "http://other.localhost:1"), ("none", ""),
                         ("", ""), ("", "null"), ("", "http://evil.example"),
                         ("same-origin", "http://evil.example")):  # fmt: skip
        assert pages.ask("/search", form, Sec_Fetch_Site=site, Origin=origin).status == 403, (site, origin)
    assert pages.ask("/lock", {}, Sec_Fetch_Site="cross-site").status == 403
    assert pages.ask("/").status == 200  # it was not locked
    assert pages.ask("/search", form, Sec_Fetch_Site="", Origin=pages.base).status == 303


def test_another_sites_page_cannot_load_ours(pages: Pages) -> None:
    """An image, a script or a link on another site's page gets nothing, and every answer forbids frames."""
    assert pages.ask("/", Sec_Fetch_Site="cross-site").status == 403
    assert pages.ask("/static/amparo.js", Sec_Fetch_Site="cross-site").status == 403
    answer = pages.ask("/")
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_every_answer_carries_the_headers(pages: Pages) -> None:
    """Pages, refusals, files and errors alike forbid storing, framing and foreign content."""
    for path in ("/", "/static/amparo.css", "/P-0099", "/no/such/page", "/enter?token=x", "/search/x", "/unlock"):
        answer = pages.ask(path)
        for name, value in HEADERS.items():
            assert answer.headers[name] == value, (path, name)
    refused = pages.ask("/", Host="evil.example")
    assert refused.headers["content-security-policy"] == HEADERS["content-security-policy"]


def test_a_second_user_who_finds_the_port_gets_nothing(pages: Pages) -> None:
    """Without the cookie no page answers; a guessed token, and the used one, let nobody in."""
    assert pages.ask("/", Cookie="").status == 403
    for cookie in ("amparo=", "amparo=x", f"{pages.cookie}; amparo=x", "amparo=" + "A" * 43):
        assert pages.ask("/", Cookie=cookie).status == 403
    used = pages.ask(pages.address.removeprefix(pages.base), Cookie="")
    assert used.status == 403
    assert "set-cookie" not in used.headers


def test_a_planted_cookie_is_not_taken_over(pages: Pages, shell: Shell) -> None:
    """Session fixation: entering and unlocking make a new cookie, and the one before is good no more."""
    before = pages.cookie
    pages.ask("/lock", {})
    answer = _until_unlock_page(pages)
    assert answer.status == 200
    done = pages.ask("/unlock", {"passphrase": EVERYDAY})
    assert done.status == 303, done.sentence
    fresh = done.headers["set-cookie"].partition(";")[0]
    assert fresh != before
    assert pages.ask("/", Cookie=before).status == 403
    assert pages.ask("/", Cookie=fresh).status == 200
    assert "HttpOnly" in done.headers["set-cookie"]
    assert "SameSite=strict" in done.headers["set-cookie"]


def _until_unlock_page(pages: Pages) -> Answer:
    for _try in range(100):
        try:
            answer = pages.ask("/unlock")
        except (http.client.HTTPException, OSError):
            time.sleep(0.1)
            continue
        if answer.status == 200:
            return answer
        time.sleep(0.1)
    raise AssertionError("no page to unlock came")


def test_a_lock_ends_the_process_that_held_the_keys(pages: Pages) -> None:
    """After lock the old worker is gone, the same browser sees the page for the passphrase, and no page of the record."""
    before = _workers(pages)
    assert pages.ask("/lock", {}).status == 303
    answer = _until_unlock_page(pages)
    assert answer.status == 200
    assert not set(before) & set(_workers(pages))
    for path in ("/", "/search", "/activity", "/P-0001"):
        locked = pages.ask(path)
        assert (locked.status, locked.headers["location"]) == (303, "/unlock")


def _workers(pages: Pages) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pages.process.pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in listed.stdout.split()]


def test_a_wrong_passphrase_opens_nothing_and_many_at_once_cost_one(pages: Pages) -> None:
    """Each try costs a quarter of a gigabyte, so of twenty at once most are told to wait, and none opens."""
    pages.ask("/lock", {})
    _until_unlock_page(pages)
    answers: list[int] = []

    def attempt() -> None:
        answers.append(pages.ask("/unlock", {"passphrase": "a wrong passphrase"}).status)

    threads = [threading.Thread(target=attempt) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) == {403}
    assert pages.ask("/").headers["location"] == "/unlock"
    assert pages.ask("/unlock", {"passphrase": EVERYDAY}).status == 303


def test_a_flood_of_forms_leaves_the_server_answering(pages: Pages) -> None:
    """Ten thousand forms, one after the other on few connections, and it still answers; searches kept are bounded."""
    body = urlencode({"words": "Argun"})
    headers = {"Host": pages.host, "Cookie": pages.cookie, "Sec-Fetch-Site": "same-origin",
               "Content-Type": "application/x-www-form-urlencoded"}  # fmt: skip

    def flood() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", int(pages.host.rpartition(":")[2]), timeout=60)
        for _ in range(2_500):
            connection.request("POST", "/search", body, headers)
            connection.getresponse().read()
        connection.close()

    threads = [threading.Thread(target=flood) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pages.ask("/").status == 200


def test_a_form_that_is_too_long_or_too_wide_is_refused(pages: Pages) -> None:
    """Two megabytes, a body that hides its length, and ten thousand fields are refused; none is written anywhere."""
    assert pages.ask("/search", {"words": "x"}, Content_Length=str(2 << 20)).status == 413
    assert pages.ask("/search", {f"f{n}": "" for n in range(10_000)}).status == 422
    assert pages.ask("/search", method="POST", body=b"{}", Content_Type="application/json").status == 422
    chunked = http.client.HTTPConnection("127.0.0.1", int(pages.host.rpartition(":")[2]), timeout=30)
    sent = {"Host": pages.host, "Cookie": pages.cookie, "Sec-Fetch-Site": "same-origin",
            "Content-Type": "application/x-www-form-urlencoded"}  # fmt: skip
    try:
        chunked.request("POST", "/search", iter([b"words=" + b"x" * 65_536] * 40), sent, encode_chunked=True)
        status = chunked.getresponse().status
    except (OSError, http.client.HTTPException):
        status = 0
    chunked.close()
    assert status != 303
    assert pages.ask("/").status == 200


def test_paths_lead_nowhere_else(pages: Pages) -> None:
    """Path traversal in the static files, in handles and in searches finds nothing."""
    for path in ("/static/../application.py", "/static/..%2fapplication.py", "/static/%2e%2e/%2e%2e/amparo.json",
                 "/static//etc/passwd", "/P-0001/../../x", "/search/..%2f..%2fx", "//evil.example/", "/static/"):  # fmt: skip
        answer = pages.ask(path)
        assert answer.status in (400, 403, 404, 405), path
        assert "root:" not in answer.text
        assert "Starlette" not in answer.text


def test_the_language_form_sends_nobody_elsewhere(pages: Pages) -> None:
    """An open redirect: the page to go back to is a path of this server, whatever the form says."""
    for back in ("http://evil.example/", "//evil.example/", "\\\\evil.example", "/\\evil.example", "javascript:alert(1)", ""):
        answer = pages.ask("/language", {"language": "en", "back": back})
        assert answer.status == 303
        assert answer.headers["location"] == "/", back


def test_the_parents_end_is_the_workers_end(shell: Shell) -> None:
    """kill -9 of ``amparo open`` leaves no process behind that serves or holds a key."""
    shell.amparo("unlock", secrets=[EVERYDAY])
    pages = Pages(shell.workspace, shell.environment).opened()
    [worker] = _workers(pages)
    pages.process.kill()
    pages.process.wait()
    for _try in range(50):
        if not Path(f"/proc/{worker}").exists():
            break
        time.sleep(0.1)
    assert not Path(f"/proc/{worker}").exists()
    pages.close()


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_no_text_is_taken_for_the_cookie(token: str, cookie: str) -> None:
    """Whatever is sent as token or cookie, only the very secret opens the door, and the token only once."""
    door = Door("x.localhost:1", fingerprint("the token"))
    assert (door.enter(token) != "") is (token == "the token")
    door = Door("x.localhost:1", fingerprint("the token"))
    secret = door.enter("the token")
    assert door.enter("the token") == ""
    assert door.knows(secret)
    assert door.knows(cookie) is (cookie == secret)
    assert not door.knows("")
    assert json.dumps(door.browser)
    assert secret not in repr(door)


def test_no_random_request_breaks_a_page(pages: Pages) -> None:
    """A fuzzer over every route: odd paths, queries and fields end in a page with a sentence, never in a failure."""
    from amparo.web.pages import ROUTES

    odd = ["", "0", "-1", "9" * 400, "P-0001", "ё" * 50, "%00", "\x00", "<script>alert(1)</script>", "'; --", "..", "💥"]
    for route in ROUTES:
        if route.path in ("/lock", "/panic", "/unlock", "/enter"):
            continue
        for word in odd:
            path = route.path.replace("{handle:handle}", "P-0001").replace("{name}", "x")
            query = urlencode({"page": word, "before": word, "x": word})
            names = "words kind date place source status property reason valid back language text"
            fields = dict.fromkeys(names.split(), word)
            form = fields if "POST" in (route.methods or ()) else None
            answer = pages.ask(f"{path}?{query}", form)
            assert answer.status in (200, 204, 303, 403, 404, 409, 422), (route.path, word, answer.status, answer.sentence)
            assert "<script>alert(1)" not in answer.text
