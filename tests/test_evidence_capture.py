"""Web captures with the real Chromium, against a made-up site on this machine. Everything the site shows is made up."""

import base64
import gzip
import io
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import wave
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cli_kit import EVERYDAY, Shell

from amparo.app import evidence, evidence_capture, opening
from amparo.app.session import Session
from amparo.evidence.capture import browser as browsers
from amparo.evidence.capture.browser import BadProxy, BrowserFailed, Chromium, Launch, NoBrowser
from amparo.evidence.capture.capture import BadAddress, Captured, NotCaptured, NotTrusted, Plan, capture, check_address
from amparo.evidence.capture.proxy import ReplayProxy
from amparo.evidence.capture.replay import Replay
from amparo.vault import capture_signing
from amparo.vault.capture_signing import CaptureKey
from amparo.vault.seal import CompartmentKey
from amparo.vault.slots import Passphrase
from amparo.vault.spool import Spool

try:
    browsers.find()
except NoBrowser:
    pytest.skip("no Chromium on this machine: apt install chromium", allow_module_level=True)

KEY = CaptureKey.of(CompartmentKey("testimony", b"c" * 16, 1, b"k" * 32))
CANARY = "Canary-7f3a"  # stands in a page; must be in no file in the clear


def _sound(seconds: int) -> bytes:
    held = io.BytesIO()
    with wave.open(held, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(16000 * seconds))
    return held.getvalue()


SOUND = _sound(120)
LARGE = os.urandom(1 << 20)
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
PAGE = f"""<!doctype html><html lang=en><head><title>Made-up page</title><link rel=stylesheet href=/style.css>
<link rel="icon" href="data:,"></head><body><h1>Statement {CANARY}</h1><p id=who>nobody</p><div class=box></div>
<img src=/moved.png>
<iframe src=/frame></iframe><iframe src="http://localhost:PORT/other"></iframe><audio controls src=/talk.wav></audio>
<img src="data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="><script src=/app.js></script></body></html>"""
APP = """
fetch('/api/list').then(r => r.json()).then(j => who.textContent = j.who);
fetch('/packed').then(r => r.text()); fetch('/brotli').then(r => r.text());
fetch('/api/save', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{"note": "made up", "n": [1, 2]}'});
fetch('/nowhere'); new EventSource('/events'); new Worker('/worker.js'); navigator.serviceWorker?.register('/sw.js');
try { new WebSocket('ws://' + location.host + '/socket') } catch (e) {}
console.error('something is wrong on purpose');
setTimeout(() => alert('a question'), 50); window.open('/popup');
"""

FORGER = "addEventListener('fetch', e => e.respondWith(new Response('forged by the service worker')))"
ENDLESS = """<title>list</title><div style='height:1500px'>start</div><script>
let n = 0;
const add = (text) => document.body.insertAdjacentHTML('beforeend', text);
const low = () => innerHeight + scrollY > document.body.scrollHeight - 300;
onscroll = () => { if (low()) fetch('/more?' + ++n).then(r => r.text()).then(add) }</script>"""
SIMPLE = f"""<title>simple</title><h1>{CANARY}</h1><p id=who>nobody</p><img src=/back.png>
<script>fetch('/api/list').then(r => r.json()).then(j => who.textContent = j.who)</script>"""


class Site(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *_: Any) -> None:
        pass

    def give(self, body: bytes, media_type: str = "text/html", status: int = 200, **more: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.path, sent))
        if self.path == "/login":
            self.give(b"welcome", "text/plain", 303, Location="/private", Set_Cookie="session=s3cret-of-the-user; HttpOnly")
        else:
            self.give(b'{"saved": true}', "application/json")

    def do_GET(self) -> None:
        path = self.path
        self.server.seen.append((path, b""))
        body = getattr(self, "_" + path.strip("/").partition("?")[0].replace(".", "_").replace("/", "_"), None)
        plain = {
            "/": (PAGE.replace("PORT", str(self.server.server_port)), "text/html"), "/app.js": (APP, "text/javascript"),
            "/style.css": (".box { width: 9px; height: 9px; background: url(/back.png) }", "text/css"),
            "/api/list": ('{"who": "V-001"}', "application/json"), "/worker.js": ("fetch('/from-worker')", "text/javascript"),
            "/from-worker": ("by the worker", "text/plain"), "/sw.js": (FORGER, "text/javascript"),
            "/popup": ("popup", "text/html"),
            "/frame": ("<p>text in the frame</p>", "text/html"), "/other": ("<p>text of another site</p>", "text/html"),
            "/form": ("<form method=post action=/login><input name=password><button>ok</button></form>", "text/html"),
            "/endless": (ENDLESS, "text/html"), "/simple": (SIMPLE, "text/html"), "/poll": ("no news", "text/plain"),
            "/busy": ("<p>never at rest</p><script>setInterval(() => fetch('/poll'), 150)</script>", "text/html"),
            "/hang": ("<p>text</p><script>setTimeout(() => { for (;;); }, 300)</script>", "text/html"),
            "/dies": ("<p>before the end</p><img src=/slow.png>", "text/html"),
        }  # fmt: skip
        if body is not None:
            body()
        elif path in plain:
            text, media_type = plain[path]
            self.give(text.encode(), media_type)
        elif path.endswith(".png"):
            self.give(PIXEL, "image/png")
        elif path.startswith("/more"):
            self.give(b"<div style='height:900px'>more</div>")
        else:
            self.give(b"not here", "text/plain", 404)

    def _moved_png(self) -> None:
        self.give(b"", "text/plain", 302, Location="/back.png")

    def _packed(self) -> None:
        self.give(gzip.compress(b"squeezed text " * 100), "text/plain", Content_Encoding="gzip")

    def _brotli(self) -> None:
        self.give(b"\x0b\x02\x80hello\x03", "text/plain", Content_Encoding="br")

    def _talk_wav(self) -> None:
        asked = self.headers.get("Range", "")
        if not asked:
            self.give(SOUND, "audio/wav", Accept_Ranges="bytes")
            return
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start, end = int(first), int(last or len(SOUND) - 1)
        place = f"bytes {start}-{end}/{len(SOUND)}"
        self.give(SOUND[start : end + 1], "audio/wav", 206, Content_Range=place, Accept_Ranges="bytes")

    def _events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.close_connection = True
        for number in range(200):
            self.wfile.write(f"data: {number}\n\n".encode())
            time.sleep(0.1)

    def _large_bin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Disposition", "attachment; filename=large.bin")
        self.send_header("Content-Length", str(50 << 20))
        self.end_headers()
        for _ in range(50):
            self.wfile.write(LARGE)

    def _private(self) -> None:
        inside = "session=s3cret-of-the-user" in self.headers.get("Cookie", "")
        self.give(b"<p>only for members</p><script>fetch('/api/list')</script>" if inside else b"<p>log in first</p>")

    def _slow_png(self) -> None:
        self.server.slow.set()
        time.sleep(20)

    def _asks(self) -> None:
        self.give(b"<p>a name and a password, please</p>", status=401, WWW_Authenticate='Basic realm="made up"')


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.seen, server.slow, server.daemon_threads = [], threading.Event(), True
    server.handle_error = lambda *_: None
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def address(server: Any, path: str = "/") -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def take(tmp_path: Path, url: str, **plan: Any) -> tuple[Captured, bytes]:
    login = plan.pop("logged_in", None)
    with Spool(tmp_path) as out:
        made = capture(Plan(url, **{"wait": 6, "scroll": 0} | plan), out, lambda: Spool(tmp_path), signer=KEY, logged_in=login)
        return made, b"".join(out.chunks())


def held(data: bytes, url: str, **more: Any) -> bytes:
    answer = Replay(io.BytesIO(data)).get(url, **more)
    assert answer is not None, url
    return b"".join(answer.body)


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Captured, bytes]]:
    """The page that has everything, captured once."""
    with serving() as server:
        made, data = take(tmp_path_factory.mktemp("rich"), address(server), wait=8)
        yield server, made, data


# -- what a capture holds ---------------------------------------------------------------------------------------------------


def test_everything_the_page_loads_is_recorded(rich: tuple[Any, Captured, bytes]) -> None:
    """Script, frame, other site's frame, picture of a style sheet, redirect, worker, 404 and packed answers are in, decoded."""
    server, made, data = rich
    archive = Replay(io.BytesIO(data))
    found = {
        entry.url.partition(f":{server.server_port}")[2]: entry.status for entry in archive.entries if entry.url[:4] == "http"
    }
    assert {"/": 200, "/style.css": 200, "/back.png": 200, "/moved.png": 302, "/frame": 200, "/other": 200, "/app.js": 200,
            "/api/list": 200, "/packed": 200, "/brotli": 200, "/worker.js": 200, "/from-worker": 200, "/nowhere": 404,
            "/events": 200, "/api/save": 200}.items() <= found.items()  # fmt: skip
    assert held(data, address(server)) == PAGE.replace("PORT", str(server.server_port)).encode()
    assert held(data, address(server, "/packed")) == b"squeezed text " * 100
    assert held(data, address(server, "/brotli")) == b"hello"
    assert held(data, address(server, "/back.png")) == PIXEL
    assert held(data, f"http://localhost:{server.server_port}/other") == b"<p>text of another site</p>"
    assert made.partial == "" and made.facts["came to rest"]


def test_a_request_body_is_kept_and_finds_its_answer(rich: tuple[Any, Captured, bytes]) -> None:
    """What the page posted stands in its request record, and the answer is found by it and by no other."""
    server, _made, data = rich
    url, sent = address(server, "/api/save"), b'{"note": "made up", "n": [1, 2]}'
    assert held(data, url, method="POST", sent=sent, content_type="application/json") == b'{"saved": true}'
    archive = Replay(io.BytesIO(data))
    assert archive.get(url, method="POST", sent=b'{"note": "other"}', content_type="application/json") is None
    assert archive.get(url) is None
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        assert sent in gzip.decompress(package.read("archive/data.warc.gz"))


def test_sound_asked_for_in_ranges_is_recorded_whole(rich: tuple[Any, Captured, bytes]) -> None:
    """The player asks for ranges; the recording has every byte."""
    server, made, data = rich
    assert held(data, address(server, "/talk.wav")) == SOUND
    assert made.facts["media started"] == 1


def test_an_answer_without_end_is_kept_as_far_as_it_came(rich: tuple[Any, Captured, bytes]) -> None:
    """Server-sent events are recorded up to the end of the capture, and marked as cut off."""
    server, made, data = rich
    assert held(data, address(server, "/events")).startswith(b"data: 0\n\ndata: 1\n\n")
    assert any(one["url"].endswith("/events") for one in made.facts["cut"])


def test_what_else_happened_is_noted(rich: tuple[Any, Captured, bytes]) -> None:
    """Dialog, second window, WebSocket, console, addresses of servers, browser and its user agent are in the facts."""
    server, made, _data = rich
    facts = made.facts
    assert facts["dialogs"] == ["alert: a question"]
    assert ("/popup", b"") not in server.seen
    assert facts["websockets"] == [f"ws://127.0.0.1:{server.server_port}/socket"]
    assert any("on purpose" in line for line in facts["console"])
    assert facts["origins"][address(server, "")]["addresses"] == [f"127.0.0.1 port {server.server_port}"]
    assert facts["browser"].startswith("Chrome/") and "Headless" not in facts["user agent"]
    assert facts["started"] <= facts["opened"] <= facts["ended"]


def test_no_service_worker_forges_an_answer(rich: tuple[Any, Captured, bytes]) -> None:
    """A service worker that answers in the server's place is passed by."""
    assert b"forged by" not in held(rich[2], address(rich[0], "/api/list"))


def test_pictures_print_and_text_are_in_the_package(rich: tuple[Any, Captured, bytes]) -> None:
    """Two PNG, a PDF, and the text of the page and of both frames as the browser laid it out."""
    server, made, data = rich
    url = address(server)
    assert held(data, f"urn:view:{url}").startswith(b"\x89PNG") and held(data, f"urn:fullPage:{url}").startswith(b"\x89PNG")
    assert held(data, f"urn:pdf:{url}").startswith(b"%PDF-")
    words = {frame.place: frame.text for frame in made.texts}
    assert CANARY in words["page"] and "V-001" in words["page"]
    assert sorted(text for place, text in words.items() if place != "page") == ["text in the frame", "text of another site"]
    assert made.title == "Made-up page" and made.texts[0].language == "en"


def test_nothing_is_left_and_nothing_was_in_the_clear(tmp_path: Path) -> None:
    """The profile is gone with the browser, and no file beside it ever held the page (sealed pieces have no name)."""
    before = set(Path("/dev/shm").iterdir()) if sys.platform == "linux" else set()
    with serving() as server:
        take(tmp_path, address(server, "/large.bin"))
    assert list(tmp_path.iterdir()) == []
    assert not {path for path in (Path("/dev/shm").iterdir() if before else ()) if path.name.startswith("amparo")} - before


# -- others accept it ---------------------------------------------------------------------------------------------------------


def test_what_a_killed_run_left_is_removed_at_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The profile of a run that was killed is removed by the next; those of running ones, of new ones and links stay."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")
    monkeypatch.setattr(browsers, "_in_memory", lambda place: place == str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(browsers, "_FRESH", 0.5)
    stale, running, other = (tmp_path / f"amparo-browser-{name}" for name in ("stale", "running", "link"))
    for folder in (stale, running):
        (folder / "Default").mkdir(parents=True)
        (folder / "Default" / "page").write_text(CANARY, "utf-8")
    (tmp_path / "elsewhere").mkdir()
    other.symlink_to(tmp_path / "elsewhere")
    hold = browsers._held(running)
    time.sleep(0.6)
    made, _place = browsers._room()
    os.close(hold)
    assert not stale.exists() and running.exists() and other.exists() and (tmp_path / "elsewhere").exists() and made.exists()


def test_wacz_and_warcio_accept_it(rich: tuple[Any, Captured, bytes], tmp_path: Path) -> None:
    """`wacz validate` of py-wacz says valid; `warcio check` finds every digest right."""
    pytest.importorskip("wacz")
    path = tmp_path / "made.wacz"
    path.write_bytes(rich[2])
    done = subprocess.run(
        [sys.executable, "-m", "wacz.main", "validate", "-f", path], capture_output=True, text=True, check=False
    )
    if "Validation" not in done.stdout:  # the module has no __main__ guard in some releases
        script = "import sys; from wacz.main import main; sys.exit(main(sys.argv[1:]))"
        done = subprocess.run(
            [sys.executable, "-c", script, "validate", "-f", path], capture_output=True, text=True, check=False
        )
    assert "the passed WACZ is valid" in done.stdout, done.stdout + done.stderr
    iterator = pytest.importorskip("warcio.archiveiterator").ArchiveIterator
    with zipfile.ZipFile(path) as package, package.open("archive/data.warc.gz") as stream:
        count = 0
        for record in iterator(stream, check_digests="raise"):
            record.content_stream().read()
            count += 1
    assert count > 30


def test_the_signature_holds_and_breaks(rich: tuple[Any, Captured, bytes]) -> None:
    """The anonymous signature is over the hash of datapackage.json; another hash, key or signature is refused."""
    with zipfile.ZipFile(io.BytesIO(rich[2])) as package:
        signed = json.loads(package.read("datapackage-digest.json"))["signedData"]
        assert json.loads(package.read("datapackage.json"))["created"] == signed["created"]
    assert signed["publicKey"] == KEY.public and signed["hash"] == rich[1].digest
    assert capture_signing.verify(signed["publicKey"], signed["signature"], signed["hash"])
    assert not capture_signing.verify(signed["publicKey"], signed["signature"], signed["hash"][:-1] + "0x")
    assert not capture_signing.verify(signed["publicKey"], base64.b64encode(bytes(96)).decode(), signed["hash"])
    assert not capture_signing.verify("AAAA", signed["signature"], signed["hash"])


# -- pages that resist --------------------------------------------------------------------------------------------------------


def test_a_login_is_not_recorded_and_its_cookie_is_withheld(tmp_path: Path) -> None:
    """The password typed and the session's cookie are nowhere in the package; the page behind the login is."""

    def log_in(browser: Chromium, tab: str) -> None:
        script = "document.querySelector('input').value = 'hunter-2-secret'; document.forms[0].submit()"
        time.sleep(0.5)
        browser.call("Runtime.evaluate", {"expression": script}, tab)
        time.sleep(1)

    with serving() as server:
        url = address(server, "/private")
        made, data = take(tmp_path, address(server, "/form"), login=True, logged_in=log_in)
        assert ("/login", b"password=hunter-2-secret") in server.seen
        assert b"hunter-2-secret" not in data

        def then(browser: Chromium, tab: str) -> None:
            browser.call("Page.navigate", {"url": address(server, "/form")}, tab)
            log_in(browser, tab)

        made, data = take(tmp_path, url, login=True, logged_in=then)
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        warc = gzip.decompress(package.read("archive/data.warc.gz"))
    assert b"only for members" in warc and made.texts[0].text == "only for members"
    assert b"s3cret-of-the-user" not in warc and b"hunter-2-secret" not in warc
    assert b"Cookie: session=withheld" in warc


def test_a_page_that_grows_for_ever_is_bounded(tmp_path: Path) -> None:
    """Infinite scroll is followed as many screens as asked, and the capture says that the page goes on."""
    with serving() as server:
        made, data = take(tmp_path, address(server, "/endless"), scroll=4)
        assert made.facts["screens scrolled"] == 4
        assert any("goes on below" in problem for problem in made.facts["problems"])
        assert held(data, address(server, "/more?1")).startswith(b"<div")
        made, data = take(tmp_path, address(server, "/simple"), scroll=1)
        assert made.facts["problems"] == []


def test_a_page_that_never_rests_is_captured_all_the_same(tmp_path: Path) -> None:
    """Polling for ever ends with --wait; the capture is whole and says that the page did not come to rest."""
    with serving() as server:
        made, data = take(tmp_path, address(server, "/busy"), wait=2)
        assert (
            not made.facts["came to rest"] and made.partial == "" and b"never at rest" in held(data, address(server, "/busy"))
        )


def test_a_download_is_recorded_and_written_nowhere(tmp_path: Path) -> None:
    """A file of 50 MiB given as a download is in the package, byte for byte; the limit of bytes stops one."""
    with serving() as server:
        made, data = take(tmp_path, address(server, "/large.bin"))
        assert held(data, address(server, "/large.bin")) == LARGE * 50
        assert made.partial == ""
        made, data = take(tmp_path, address(server, "/large.bin"), size=4 << 20)
        assert "limit" in made.partial and len(data) < 10 << 20
        Replay(io.BytesIO(data))


def test_a_browser_that_is_killed_leaves_a_partial_capture(tmp_path: Path) -> None:
    """What had arrived when the browser died is a valid package, marked as partial."""
    with serving() as server:

        def kill() -> None:
            server.slow.wait(20)
            time.sleep(0.3)
            for folder in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    name, _, rest = (folder / "stat").read_text().rpartition(")")
                    if int(rest.split()[1]) == os.getpid() and "chrom" in name:
                        os.killpg(int(folder.name), signal.SIGKILL)

        threading.Thread(target=kill, daemon=True).start()
        made, data = take(tmp_path, address(server, "/dies"), wait=10)
        assert "ended" in made.partial and b"before the end" in held(data, address(server, "/dies"))


def test_a_page_that_hangs_does_not_hang_the_capture(tmp_path: Path) -> None:
    """A script that never returns leaves the traffic recorded; pictures and text that could not be had are said."""
    with serving() as server:
        began = time.monotonic()
        made, data = take(tmp_path, address(server, "/hang"), wait=2)
        assert time.monotonic() - began < 60
        assert b"<p>text</p>" in held(data, address(server, "/hang")) and made.facts["problems"]


def test_a_site_that_asks_for_a_password_is_not_waited_for(tmp_path: Path) -> None:
    """HTTP authentication is declined, the 401 recorded, and the capture says so."""
    with serving() as server:
        made, data = take(tmp_path, address(server, "/asks"))
        assert made.facts["logins_asked"] and b"a name and a password" in held(data, address(server, "/asks"))


def test_without_video_no_sound_is_loaded(tmp_path: Path) -> None:
    """--no-video leaves sound and video out, and notes what was left out."""
    with serving() as server:
        made, data = take(tmp_path, address(server), video=False)
        assert Replay(io.BytesIO(data)).get(address(server, "/talk.wav")) is None
        assert any(one["url"].endswith("/talk.wav") for one in made.facts["cut"])


# -- whom it talks to ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server certificate by an authority nobody trusts, made for this test."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(capture_signing.throwaway_certificate())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def test_a_certificate_nobody_vouches_for_is_refused_or_said(tmp_path: Path, authority: ssl.SSLContext) -> None:
    """An untrusted certificate stops the capture; accepted on purpose, it is kept with the capture, marked as not trusted."""
    with serving(authority) as server:
        url = f"https://127.0.0.1:{server.server_port}"
        with pytest.raises(NotTrusted, match="CERT_AUTHORITY_INVALID"):
            take(tmp_path, url + "/frame")
        made, data = take(tmp_path, url + "/frame", any_certificate=True)
        origin = made.facts["origins"][url]
        assert origin["trusted"] is False and origin["tls"]["issuer"] == "Amparo offline replay" and origin["certificates"] == 1
        assert held(data, f"urn:certificates:{url}").startswith(b"-----BEGIN CERTIFICATE-----\n")
        assert made.facts["certificates accepted though not trusted"]


def test_a_site_that_is_not_there_leaves_nothing(tmp_path: Path) -> None:
    """No connection, no item: one sentence with Chromium's reason."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        with pytest.raises(NotCaptured, match="CONNECTION_REFUSED"):
            take(tmp_path, url)


def test_addresses_and_proxies_are_checked_before_anything_is_asked() -> None:
    """No file:, no javascript:, no password in the address, no proxy with a path."""
    assert check_address(" example.org/a ") == "https://example.org/a"
    for bad in (
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://user:word@example.org/",
        "http://",
        "http://a b/",
        "data:,x",
    ):
        with pytest.raises(BadAddress):
            check_address(bad)
    for bad in (
        "127.0.0.1:9050",
        "socks5://127.0.0.1",
        "ftp://127.0.0.1:1",
        "socks5://127.0.0.1:9050/x",
        "socks5://u:p@h:1",
        "socks5://h:x",
    ):
        with pytest.raises(BadProxy):
            browsers.check_proxy(bad)
    assert browsers.check_proxy("socks5://127.0.0.1:9050/") == "socks5://127.0.0.1:9050"


def test_with_a_proxy_nothing_passes_beside_it(tmp_path: Path) -> None:
    """Through a proxy that refuses, not even this machine's own server is reached, and no name is looked up."""
    with serving() as server, socket.socket() as proxy:
        proxy.bind(("127.0.0.1", 0))
        proxy.listen()
        got: list[bytes] = []

        def answer() -> None:
            with suppress(OSError):
                while True:
                    peer, _ = proxy.accept()
                    got.append(peer.recv(100))
                    peer.close()

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(NotCaptured):
            take(tmp_path, address(server), proxy=f"http://127.0.0.1:{proxy.getsockname()[1]}", wait=3)
        assert server.seen == [] and got and got[0].startswith(f"GET {address(server)}".encode())


RTC = """<p>x<script>let one = new RTCPeerConnection({iceServers: [{urls: 'stun:127.0.0.1:PORT'}]}); one.createDataChannel('x');
one.onicecandidate = e => fetch('/candidate?' + encodeURIComponent(e.candidate ? e.candidate.candidate : 'end'));
one.createOffer().then(offer => one.setLocalDescription(offer))</script>"""
TRAPS = {
    "/popups": "<p>x<script>setInterval(() => { for (let n = 0; n < 20; n++) open('/popup?' + n) }, 50)</script>",
    "/alerts": "<p>x<script>for (;;) { alert('a'); confirm('b'); prompt('c') }</script>",
    "/leave": "<p>x<script>onbeforeunload = e => { e.preventDefault(); return 'stay' };"
              "setInterval(() => fetch('/alive'), 100)</script>",
    "/ask": "<p>x<script>navigator.geolocation.getCurrentPosition(() => fetch('/place'), () => fetch('/no-place'));"
            "Notification.requestPermission().then(told => fetch('/notification-' + told));"
            "navigator.mediaDevices?.getUserMedia({audio: true}).then(() => fetch('/sound'))</script>",
    "/local-file": "<p>x<iframe src='file:///etc/passwd'></iframe><script>fetch('file:///etc/passwd')"
                   ".then(() => fetch('/was-read'))</script>",
}  # fmt: skip


class Trapping(Site):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path in TRAPS:
            self.server.seen.append((self.path, b""))
            self.give(TRAPS[path].encode())
        elif path == "/rtc":
            self.server.seen.append((self.path, b""))
            self.give(RTC.replace("PORT", str(self.server.stun)).encode())
        elif path == "/round":
            self.give(b"", "text/plain", 302, Location=f"/round?{time.time()}")
        else:
            super().do_GET()


@pytest.fixture
def trapping(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setitem(globals(), "Site", Trapping)
    with serving() as server:
        yield server


@pytest.mark.parametrize("path", TRAPS)
def test_attack_a_page_that_wants_to_be_kept_open_or_let_in(tmp_path: Path, trapping: Any, path: str) -> None:
    """Windows, dialogs, refusals to close, wishes for place, sound and files: captured, granted nothing, silent afterwards."""
    made, _data = take(tmp_path, address(trapping, path), wait=3)
    asked = [one for one, _sent in trapping.seen]
    time.sleep(0.5)
    assert len(trapping.seen) == len(asked), "the page lives on"
    assert made.partial == "" and path in asked
    assert not {"/place", "/sound", "/was-read", "/notification-granted"} & set(asked)
    assert sum(one.startswith("/popup") for one in asked) < 40


def test_attack_redirects_without_end_end(tmp_path: Path, trapping: Any) -> None:
    """A server that sends round and round is left by the browser; what it sent is kept and the end is said."""
    made, data = take(tmp_path, address(trapping, "/round"), wait=3)
    assert "TOO_MANY_REDIRECTS" in made.partial and len(list(Replay(io.BytesIO(data)).entries)) > 10


def test_attack_webrtc_tells_no_address(tmp_path: Path, trapping: Any) -> None:
    """A page that looks for this machine's addresses by WebRTC gets none, and no packet goes to the server it names."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stun:
        stun.bind(("127.0.0.1", 0))
        stun.settimeout(0.2)
        trapping.stun = stun.getsockname()[1]
        take(tmp_path, address(trapping, "/rtc"), wait=5)
        with pytest.raises(TimeoutError):
            stun.recvfrom(100)
    candidates = [path for path, _sent in trapping.seen if path.startswith("/candidate")]
    assert candidates and all(path.endswith("?end") for path in candidates)


@pytest.mark.skipif(sys.platform != "linux", reason="the flag of the test is tried on Linux only")
def test_attack_a_public_page_reaches_no_server_of_the_local_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page from the internet that asks this machine's own servers, by picture, frame, script and socket, reaches none."""
    with serving() as local:
        page = (
            "<p>x<img src='http://127.0.0.1:PORT/a.png'><iframe src='http://localhost:PORT/frame'></iframe><script>"
            "for (const how of ['GET', 'POST']) fetch('http://127.0.0.1:PORT/poll', {mode: 'no-cors', method: how});"
            "new WebSocket('ws://127.0.0.1:PORT/socket')</script>"
        ).replace("PORT", str(local.server_port))
        monkeypatch.setitem(globals(), "Site", Trapping)
        monkeypatch.setitem(TRAPS, "/inward", page)
        with serving() as server:
            override = f"--ip-address-space-overrides=127.0.0.1:{server.server_port}=public"
            monkeypatch.setattr(browsers, "_FLAGS", (*browsers._FLAGS, override))
            take(tmp_path, address(server, "/inward"), wait=4)
        assert local.seen == []


def test_no_browser_is_one_sentence(tmp_path: Path) -> None:
    """A program that is not there, or is no browser, is told in one sentence with how to mend it."""
    with pytest.raises(NoBrowser, match="apt install chromium"):
        take(tmp_path, "http://127.0.0.1:1/", program="no-such-browser")
    with pytest.raises(BrowserFailed, match="did not start"):
        take(tmp_path, "http://127.0.0.1:1/", program="/bin/false")


# -- looking at it again ------------------------------------------------------------------------------------------------------


def _look(archive: Replay, url: str, proxy: ReplayProxy, seconds: float) -> tuple[str, set[str]]:
    """Open a page from the archive; return its text, and where any process of the browser was connected to meanwhile."""
    peers: set[str] = set()
    with Chromium(Launch(extra=proxy.flags())) as browser:
        target = next(one["targetId"] for one in browser.call("Target.getTargets")["targetInfos"] if one["type"] == "page")
        tab = browser.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        browser.call("Page.enable", {}, tab)
        browser.send("Page.navigate", {"url": url}, tab)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            peers |= _peers(browser.pid)
            browser.send("Page.handleJavaScriptDialog", {"accept": True}, tab)
            time.sleep(0.1)
        found = browser.call("Runtime.evaluate", {"expression": "document.body.innerText", "returnByValue": True}, tab)
    return found["result"]["value"], peers


def _peers(group: int) -> set[str]:
    """Remote ends of TCP and UDP sockets of a process group."""
    nodes = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int((folder / "stat").read_text().rpartition(")")[2].split()[2]) != group:
                continue
            nodes |= {
                str(end.readlink()).removeprefix("socket:[").rstrip("]") for end in (folder / "fd").iterdir() if end.exists()
            }
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        with suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                words = line.split()
                if words[9] in nodes and set(words[2].partition(":")[0]) != {"0"}:
                    found.add(words[2])
    return found


def test_replay_shows_the_page_and_reaches_nothing(rich: tuple[Any, Captured, bytes]) -> None:
    """Off line the page is as it was, scripts included; no socket of the browser goes anywhere but to the replay."""
    server, _made, data = rich
    asked = len(server.seen)
    archive = Replay(io.BytesIO(data))
    with ReplayProxy(archive, capture_signing.throwaway_certificate()) as proxy:
        text, peers = _look(archive, archive.pages[0].url, proxy, 4)
        assert CANARY in text and "V-001" in text
        assert len(server.seen) == asked
        assert peers == {f"0100007F:{proxy.port:04X}"}
        own = {
            url for url in proxy.missing if not url.startswith((address(server, ""), f"http://localhost:{server.server_port}"))
        }
        assert own <= {f"ws://127.0.0.1:{server.server_port}/socket", f"https://127.0.0.1:{server.server_port}/socket"}


def test_what_is_not_in_the_capture_gets_404(rich: tuple[Any, Captured, bytes]) -> None:
    """The proxy answers what it has, ranges included, and 404 to all else; over TLS too."""
    server, _made, data = rich
    with ReplayProxy(Replay(io.BytesIO(data)), capture_signing.throwaway_certificate()) as proxy:

        def ask(url: str, more: str = "") -> bytes:
            with socket.create_connection(("127.0.0.1", proxy.port)) as line:
                line.sendall(f"GET {url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n".encode())
                return b"".join(iter(lambda: line.recv(1 << 16), b""))

        assert ask("http://example.org/").startswith(b"HTTP/1.1 404 ")
        assert ask(address(server, "/never-asked")).startswith(b"HTTP/1.1 404 ")
        assert ask(address(server, "/nowhere")).endswith(b"not here")
        part = ask(address(server, "/talk.wav"), "Range: bytes=100-199\r\n")
        assert part.startswith(b"HTTP/1.1 206 ") and part.endswith(SOUND[100:200])
        with socket.create_connection(("127.0.0.1", proxy.port)) as line:
            line.sendall(b"CONNECT example.org:443 HTTP/1.1\r\n\r\n")
            assert line.recv(100).startswith(b"HTTP/1.1 200 ")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(line, server_hostname="example.org") as safe:
                safe.sendall(b"GET /x HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n")
                assert safe.recv(100).startswith(b"HTTP/1.1 404 ")
        assert "https://example.org/x" in proxy.missing


REPLAYWEB = os.environ.get("AMPARO_REPLAYWEBPAGE", "")


@pytest.mark.skipif(not REPLAYWEB, reason="AMPARO_REPLAYWEBPAGE names no unpacked `npm pack replaywebpage`: not measured")
def test_replayweb_page_shows_it_and_knows_its_key(tmp_path: Path) -> None:
    """ReplayWeb.page in Chromium shows the page from our file, its script's work included, and takes our signature's key in."""
    with serving() as server:
        url = address(server, "/simple")
        data = take(tmp_path, url)[1]
    text, verified = _in_replayweb(Path(REPLAYWEB), data, url)
    assert CANARY in text and "V-001" in text
    assert verified["publicKey"] == KEY.public  # it counts hashes as invalid here, in packages of py-wacz too: not asserted


class Files(BaseHTTPRequestHandler):
    """Files from memory, with ranges."""

    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        body, media_type = self.server.files.get(self.path.partition("?")[0], (b"", "text/plain"))
        size, asked = len(body), self.headers.get("Range", "")
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start, end = (max(0, size - int(last)), size) if asked and not first else (int(first or 0), int(last or size - 1) + 1)
        self.send_response((206 if asked else 200) if body else 404)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body[start:end])))
        self.send_header("Accept-Ranges", "bytes")
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{min(end, size) - 1}/{size}")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[start:end])

    def do_HEAD(self) -> None:
        self.do_GET()


WEBCRYPTO = """(async () => { const raw = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const key = await crypto.subtle.importKey('spki', raw('KEY'), {name: 'ECDSA', namedCurve: 'P-384'}, true, ['verify']);
  const way = {name: 'ECDSA', hash: 'SHA-256'};
  const check = (hash) => crypto.subtle.verify(way, key, raw('SIGNATURE'), new TextEncoder().encode(hash));
  return [await check('HASH'), await check('HASH0')] })()"""


def test_webcrypto_finds_the_signature_valid(rich: tuple[Any, Captured, bytes]) -> None:
    """Chromium's own cryptography, asked as ReplayWeb.page asks it, accepts the signature, and not over another hash."""
    with zipfile.ZipFile(io.BytesIO(rich[2])) as package:
        signed = json.loads(package.read("datapackage-digest.json"))["signedData"]
    code = (
        WEBCRYPTO.replace("KEY", signed["publicKey"]).replace("SIGNATURE", signed["signature"]).replace("HASH", signed["hash"])
    )
    with serving() as server, Chromium(Launch()) as browser:
        target = next(one["targetId"] for one in browser.call("Target.getTargets")["targetInfos"] if one["type"] == "page")
        tab = browser.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        browser.call("Page.navigate", {"url": address(server, "/frame")}, tab)  # cryptography is for secure contexts only
        asked = {"expression": code, "awaitPromise": True, "returnByValue": True}
        assert browser.call("Runtime.evaluate", asked, tab)["result"]["value"] == [True, False]


INSIDE = """(async () => {
  let texts = [], verify = null;
  const walk = async (node) => { for (const it of node.querySelectorAll('*')) {
    if (it.shadowRoot) await walk(it.shadowRoot);
    if (it.tagName == 'IFRAME' && it.contentDocument) { texts.push(it.contentDocument.body.innerText);
      try { verify ??= (await (await it.contentWindow.fetch('/replay/w/api/c/made?all=1')).json()).verify } catch (e) {}
      await walk(it.contentDocument) } } };
  await walk(document); return JSON.stringify([texts.join('\\n'), verify]) })()"""


def _in_replayweb(package: Path, data: bytes, url: str) -> tuple[str, dict[str, Any]]:
    page = (
        f'<script src=/ui.js></script><replay-web-page source=/made.wacz coll=made embed=default url="{url}"></replay-web-page>'
    )
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    server.files = {
        "/": (page.encode(), "text/html"), "/made.wacz": (data, "application/wacz"),
        "/ui.js": ((package / "ui.js").read_bytes(), "text/javascript"),
        "/replay/sw.js": ((package / "sw.js").read_bytes(), "text/javascript"),
    }  # fmt: skip
    threading.Thread(target=server.serve_forever, daemon=True).start()
    text, verified = "", None
    with Chromium(Launch()) as browser:
        target = next(one["targetId"] for one in browser.call("Target.getTargets")["targetInfos"] if one["type"] == "page")
        tab = browser.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        browser.send("Page.navigate", {"url": f"http://127.0.0.1:{server.server_port}/"}, tab)
        end = time.monotonic() + 30
        while time.monotonic() < end and not ("V-001" in text and verified):
            time.sleep(0.5)
            asked = {"expression": INSIDE, "awaitPromise": True, "returnByValue": True}
            with suppress(KeyError, browsers.BrowserRefused):
                text, verified = json.loads(browser.call("Runtime.evaluate", asked, tab)["result"]["value"])
    server.shutdown()
    server.server_close()
    return text, verified or {}


# -- in the workspace ---------------------------------------------------------------------------------------------------------


def test_a_capture_becomes_an_item_whose_address_the_record_never_learns(tmp_path: Path) -> None:
    """`amparo capture` seals one item with facts and searchable text; address and text lie in no file in the clear."""
    shell = Shell(tmp_path / "user", tmp_path / "user" / "w")
    shell.init()
    with serving() as server, opened(shell) as session:
        kept = evidence_capture.take(session, Plan(address(server), wait=6, scroll=0))
        item = evidence.get(session, kept.item.handle)
        assert item.media_type == "application/wacz" and item.path == address(server) and session.testimony.facts(item.handle)
        assert any(CANARY in piece.text for piece in session.testimony.texts(item.handle))
        assert session.testimony.custody(item.handle)[0].action == "acquired"
        source = session.record.entity(item.source)
        assert source is not None and source.type == "web page" and not source.label
        with evidence.open_item(session, item) as stream:
            assert Replay(stream).pages[0].url == address(server)
        port = server.server_port
    for path in (tmp_path / "user").rglob("*"):
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes() and f"127.0.0.1:{port}".encode() not in path.read_bytes()


@contextmanager
def opened(shell: Shell) -> Iterator[Session]:
    rings = [opening.read_ring(shell.workspace, "everyday", Passphrase(EVERYDAY))]
    with Session(shell.workspace, rings) as session:
        yield session


def test_what_others_can_check_of_a_capture_is_said_in_words(tmp_path: Path) -> None:
    """A capture is checked in the sandbox and its signature by its key; a forged one is told apart; custody notes the check."""
    shell = Shell(tmp_path / "user", tmp_path / "user" / "w")
    shell.init()
    with serving() as server, opened(shell) as session:
        kept = evidence_capture.take(session, Plan(address(server, "/frame"), wait=4, scroll=0))
        verdict = evidence_capture.check(session, kept.item.handle)
        assert verdict["sound"] is True and kept.fingerprint in verdict["signature"] and verdict["warnings"] == []
        assert session.testimony.custody(kept.item.handle)[-1].action == "verified"
        with evidence.read_quietly(session, kept.item) as stream:
            data = bytearray(stream.read_range(0, kept.item.size))
        place = data.index(b'"pages.jsonl"')
        data[place + 1 : place + 2] = b"q"
        (tmp_path / "forged.wacz").write_bytes(data)
        added = evidence.add(session, [tmp_path / "forged.wacz"])
        verdict = evidence_capture.check(session, added.first)
        assert verdict["sound"] is False and verdict["warnings"]
        (tmp_path / "no.txt").write_text("no capture")
        with pytest.raises(evidence_capture.NotACapture):
            evidence_capture.check(session, evidence.add(session, [tmp_path / "no.txt"]).first)


def test_auto_archiver_media_are_compared_with_what_is_here(tmp_path: Path) -> None:
    """Each file a row names is found here with its hash, found changed, or missing; SHA-256 and SHA3-512 both."""
    import hashlib

    shell = Shell(tmp_path / "user", tmp_path / "user" / "w")
    shell.init()
    folder = tmp_path / "archive"
    folder.mkdir()
    names = {"one.mp4": b"made-up video", "two.jpg": b"made-up picture", "changed.jpg": b"after"}
    for name, data in names.items():
        (folder / name).write_bytes(data)
    media = [
        {"filename": "/x/one.mp4", "properties": {"hash": "SHA-256:" + hashlib.sha256(names["one.mp4"]).hexdigest()}},
        {"filename": "/x/two.jpg", "properties": {"hash": "SHA3-512:" + hashlib.sha3_512(names["two.jpg"]).hexdigest()}},
        {"filename": "/x/changed.jpg", "properties": {"hash": "SHA-256:" + hashlib.sha256(b"before").hexdigest()}},
        {"filename": "/x/gone.png", "properties": {}},
    ]
    (folder / "metadata.json").write_text(
        json.dumps({"status": "success", "metadata": {"url": "https://example.org/"}, "media": media})
    )
    with opened(shell) as session:
        added = evidence.add(session, [folder])
        handle = next(item.handle for item in session.testimony.items(added.source) if item.name == "metadata.json")
        rows = evidence_capture.check_auto_archiver(session, handle)
        assert [(row["name"], row["state"]) for row in rows] == [
            ("one.mp4", "same"), ("two.jpg", "same"), ("changed.jpg", "changed"), ("gone.png", "missing"),
        ]  # fmt: skip
