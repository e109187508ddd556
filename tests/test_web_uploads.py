"""Files that arrive in the browser: streamed into sealed blobs, resumed, accepted as one; and attacks on all of it."""

import hashlib
import http.client
import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cli_kit import EVERYDAY, Shell
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_kit import Watched, high_water, measured
from scanner import scan
from web_kit import CHROMIUM, POSIX, Answer, Pages, browsing

from amparo.app import evidence, opening, uploads
from amparo.app.session import Session
from amparo.app.uploads import NoRoom, NoSuchUpload, Upload, UploadElsewhere, Uploads, UploadShort, plain_name
from amparo.kernel.errors import AmparoError
from amparo.vault.slots import Passphrase
from amparo.web.multiform import Piece, _Reader

pytestmark = POSIX
BOUNDARY = "----made-up"
KIND = f"multipart/form-data; boundary={BOUNDARY}"
SCRIPT = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    home = tmp_path_factory.mktemp("user")
    made = Shell(home, home / "home" / "case")
    made.init()
    yield made
    made.lock()


@pytest.fixture(scope="module")
def pages(shell: Shell) -> Iterator[Pages]:
    opened = Pages(shell.workspace, shell.environment).opened()
    yield opened
    opened.close()


@pytest.fixture
def opened(shell: Shell, pages: Pages) -> Iterator[Session]:
    rings = [opening.read_ring(shell.workspace, "everyday", Passphrase(EVERYDAY))]
    with Session(shell.workspace, rings) as session:
        yield session


def field(name: str, value: str) -> bytes:
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def file(name: str, data: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
    return f"{head}Content-Type: text/html\r\n\r\n".encode() + data + b"\r\n"


def send(pages: Pages, *parts: bytes) -> Answer:
    """A whole form, as a browser without scripts sends it."""
    return pages.ask("/upload", method="POST", body=b"".join(parts) + f"--{BOUNDARY}--\r\n".encode(), Content_Type=KIND)


def taken(pages: Pages, *parts: bytes) -> str:
    """Send a form and return the source its files are in."""
    answer = send(pages, *parts)
    assert answer.status == 303, answer.sentence
    found = re.search(r'href="/(S-[0-9]+)"', pages.ask(answer.headers["location"]).text)
    assert found
    return found[1]


def announce(pages: Pages, name: str, size: int) -> str:
    answer = pages.ask("/upload/begin", {"name": name, "size": str(size), "modified": "1700000000000"})
    assert answer.status == 200, answer.text
    return str(json.loads(answer.text)["id"])


def piece(pages: Pages, id: str, offset: int, data: bytes) -> Answer:
    return pages.ask("/upload", method="POST", body=data, Content_Type="application/octet-stream", X_Upload=id,
                     X_Offset=str(offset))  # fmt: skip


def items(session: Session) -> list[Any]:
    session.refresh()
    return list(session.testimony.items())


def left_over(shell: Shell) -> list[Path]:
    return [path for path in (shell.workspace / "uploads").rglob("*") if path.is_file() and path.name != "lock"]


# -- it works -----------------------------------------------------------------------------------------------------------------


def test_files_come_in_with_their_custody_without_scripts(pages: Pages, opened: Session, shell: Shell) -> None:
    """One form: two files and an empty one become items of a new source, with how they came; each reads back bit for bit."""
    first, second = os.urandom(2_500_000), b"a few words"
    typed = {"from_whom": "P-0007", "how": "on a stick", "collector": "D-02", "device": "telephone", "authority": "case lead",
             "basis": "consent", "type": "", "source": ""}  # fmt: skip
    source = taken(pages, *[field(name, value) for name, value in typed.items()], file("one.bin", first),
                   file("two.txt", second), file("none.txt", b""))  # fmt: skip
    opened.refresh()
    found = opened.testimony.files(source)
    assert [(item.name, item.size) for item in found] == [("one.bin", len(first)), ("two.txt", len(second)), ("none.txt", 0)]
    for item, data in zip(found, (first, second, b""), strict=True):
        assert item.sha256 == hashlib.sha256(data).digest()
        with evidence.read_quietly(opened, item) as stream:
            assert stream.read() == data
    [came] = opened.testimony.acquisitions(source)
    assert (came.from_whom, came.how, came.collector, came.device, came.authority) == (
        "P-0007", "on a stick", "D-02", "telephone", "case lead")  # fmt: skip
    assert [one.action for one in opened.testimony.custody(found[0].handle)] == ["acquired"]
    assert left_over(shell) == []


def test_more_files_join_a_source_and_copies_are_told(pages: Pages, opened: Session) -> None:
    """A second delivery for the same source; a file that is there already is kept and told."""
    source = taken(pages, file("a.txt", b"the same words"))
    answer = send(pages, field("source", source.lower()), file("b.txt", b"the same words"))
    text = pages.ask(answer.headers["location"]).text
    assert "is the same file as" in text
    opened.refresh()
    assert len(opened.testimony.files(source)) == 2
    assert pages.ask("/upload/" + "x" * 12).status == 404


def test_a_file_comes_in_pieces_and_goes_on_after_a_cut(pages: Pages, opened: Session) -> None:
    """A piece is cut in the middle: what arrived is kept, the server says where to go on, and the file is whole."""
    data = os.urandom(5_000_000)
    id = announce(pages, "long.bin", len(data))
    assert json.loads(piece(pages, id, 0, data[:2_000_000]).text)["received"] == 2_000_000
    raw = socket.create_connection(("127.0.0.1", int(pages.host.rpartition(":")[2])))
    head = (f"POST /upload HTTP/1.1\r\nHost: {pages.host}\r\nCookie: {pages.cookie}\r\nSec-Fetch-Site: same-origin\r\n"
            f"Content-Type: application/octet-stream\r\nX-Upload: {id}\r\nX-Offset: 2000000\r\n"
            f"Content-Length: 3000000\r\n\r\n")  # fmt: skip
    raw.sendall(head.encode() + data[2_000_000:3_500_000])
    time.sleep(0.5)
    raw.close()
    at = _settled(pages, id)
    assert 2_000_000 <= at <= 3_500_000
    assert at > 2_000_000
    assert piece(pages, id, at + 1, data[at + 1 :]).status == 409  # a hole
    assert piece(pages, id, at - 1, data[at - 1 :]).status == 409  # twice the same
    assert json.loads(piece(pages, id, at, data[at:]).text)["done"]
    assert pages.ask("/upload/accept", {"uploads": id, "how": "by script"}).status == 303
    [item] = [one for one in items(opened) if one.name == "long.bin"]
    assert item.sha256 == hashlib.sha256(data).digest()
    assert item.modified == 1_700_000_000_000
    assert pages.ask("/upload/accept", {"uploads": id}).status == 422  # once


def _settled(pages: Pages, id: str) -> int:
    """How much has arrived, once it is the same for a while."""
    before = -1
    for _try in range(100):
        now = int(json.loads(pages.ask(f"/uploads/{id}").text)["received"])
        if now == before and _try > 3:
            return now
        before = now
        time.sleep(0.1)
    raise AssertionError("it never settled")


def test_two_uploads_at_once_do_not_mix(pages: Pages, opened: Session) -> None:
    """Two files whose pieces come in turn, and two pieces of one file at the same moment: each file is what was sent."""
    one, two = os.urandom(3_000_000), os.urandom(3_000_000)
    a, b = announce(pages, "a", len(one)), announce(pages, "b", len(two))
    for start in range(0, 3_000_000, 1_000_000):
        piece(pages, a, start, one[start : start + 1_000_000])
        piece(pages, b, start, two[start : start + 1_000_000])
    twice = os.urandom(8_000_000)
    c = announce(pages, "c", len(twice))
    answers: list[Answer] = []
    threads = [threading.Thread(target=lambda: answers.append(piece(pages, c, 0, twice))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(answer.status for answer in answers) == 409
    at = _settled(pages, c)
    if at < len(twice):
        piece(pages, c, at, twice[at:])
    assert pages.ask("/upload/accept", {"uploads": f"{a} {b} {c}"}).status == 303
    found = {item.name: item.sha256 for item in items(opened)}
    assert [found[name] for name in "abc"] == [hashlib.sha256(data).digest() for data in (one, two, twice)]


@measured
def test_memory_stays_flat(pages: Pages, shell: Shell) -> None:
    """Of 700 MB the worker holds some tens at a time, whether they come in one form or in pieces; then they are dropped."""
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pages.process.pid)], capture_output=True, text=True, check=False)
    worker = int(listed.stdout.split()[0])
    before, watched = high_water(worker), Watched(worker)
    block = os.urandom(1 << 20)
    count = 350
    head = file("big.bin", b"")[:-2]
    connection = http.client.HTTPConnection("127.0.0.1", int(pages.host.rpartition(":")[2]), timeout=120)
    headers = {"Host": pages.host, "Cookie": pages.cookie, "Sec-Fetch-Site": "same-origin", "Content-Type": KIND,
               "Content-Length": str(len(head) + count * len(block))}  # fmt: skip
    connection.request("POST", "/upload", iter([head, *[block] * count]), headers)  # without its end: refused
    assert connection.getresponse().status == 422
    connection.close()
    id = announce(pages, "big2.bin", count << 20)
    for number in range(0, count, 50):
        assert piece(pages, id, number << 20, block * 50).status == 200
    pages.ask("/upload/drop", {"uploads": id})
    time.sleep(0.1)
    grown = watched.ended() - before
    assert grown < 160 << 20
    assert left_over(shell) == []


def test_no_plain_byte_is_on_the_disk(pages: Pages, shell: Shell) -> None:
    """Half arrived and all arrived: the words of a file are nowhere under the user's home, and its name neither."""
    word = "Brimsolketh wrote this in a file"
    data = f"{word}\n".encode() * 200_000
    id = announce(pages, "Brimsolketh.txt", len(data))
    piece(pages, id, 0, data[: len(data) // 2])
    time.sleep(0.3)
    assert left_over(shell) != []
    for _half in range(2):
        files = [path for path in shell.home.rglob("*") if path.is_file() and not path.is_socket()]
        assert scan(files, ["Brimsolketh"]) == []
        piece(pages, id, len(data) // 2, data[len(data) // 2 :])
    assert pages.ask("/upload/accept", {"uploads": id}).status == 303
    assert scan([path for path in shell.home.rglob("*") if path.is_file()], ["Brimsolketh"]) == []


# -- attacks ------------------------------------------------------------------------------------------------------------------


def test_a_lying_content_length_leaves_nothing(pages: Pages, opened: Session, shell: Shell) -> None:
    """More announced than sent, in a form and in a piece; less announced than sent; a size that lies: nothing is accepted."""
    before = len(items(opened))
    port = int(pages.host.rpartition(":")[2])
    body = file("x.bin", b"y" * 100_000)
    head = f"POST /upload HTTP/1.1\r\nHost: {pages.host}\r\nCookie: {pages.cookie}\r\nSec-Fetch-Site: same-origin\r\n"
    for length in (len(body) + 10_000, 30, 10**15):
        raw = socket.create_connection(("127.0.0.1", port))
        with suppress(OSError):
            raw.sendall(f"{head}Content-Type: {KIND}\r\nContent-Length: {length}\r\n\r\n".encode() + body)
            raw.shutdown(socket.SHUT_WR)
            raw.recv(1000)
        raw.close()
    for number in ("-5", "1e9", "x", "5, 5"):
        answer = pages.ask("/upload", method="POST", body=body, Content_Type=KIND, Content_Length=number)
        assert answer.status in (400, 413, 422)
    small = announce(pages, "small", 10)
    assert "announced" in piece(pages, small, 0, b"x" * 5000).text
    assert pages.ask(f"/uploads/{small}").status == 404
    short = announce(pages, "short", 100)
    piece(pages, short, 0, b"x" * 50)
    assert "announced" in pages.ask("/upload/accept", {"uploads": short}).sentence
    pages.ask("/upload/drop", {"uploads": short})
    _wait_until_empty(shell)
    assert len(items(opened)) == before


def _wait_until_empty(shell: Shell) -> None:
    for _try in range(100):
        if not left_over(shell):
            return
        time.sleep(0.1)
    assert left_over(shell) == []


def test_an_endless_body_ends_with_a_sentence_before_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the room that is kept for the ledger is reached, the upload is refused, and its bytes are gone from the disk."""
    made = Uploads(tmp_path)
    place = made._own_place()
    upload = Upload(_store(place), place, "endless")
    upload.feed(b"x" * 1000)
    monkeypatch.setattr(uploads, "_RESERVE", 1 << 62)
    with pytest.raises(NoRoom):
        _feed_for_ever(upload)
    upload.close()
    assert [path.name for path in place.rglob("*") if path.is_file()] == ["lock"]


def _feed_for_ever(upload: Upload) -> None:
    for _ in range(200):
        upload.feed(b"x" * (1 << 20))


def _store(place: Path) -> Any:
    from amparo.vault.blobs import BlobStore

    return BlobStore(place, b"k" * 32)


def test_a_piece_that_never_ends_is_cut(pages: Pages) -> None:
    """A piece by script is at most 64 MB long; a longer one is refused with a sentence, and the upload is gone."""
    id = announce(pages, "x", 1 << 40)
    connection = http.client.HTTPConnection("127.0.0.1", int(pages.host.rpartition(":")[2]), timeout=60)
    headers = {"Host": pages.host, "Cookie": pages.cookie, "Sec-Fetch-Site": "same-origin", "X-Upload": id, "X-Offset": "0",
               "Content-Type": "application/octet-stream"}  # fmt: skip
    with suppress(OSError, http.client.HTTPException):
        connection.request("POST", "/upload", iter([b"x" * (1 << 20)] * 70), headers, encode_chunked=True)
        connection.getresponse()
    connection.close()
    assert pages.ask(f"/uploads/{id}").status == 404


def test_ten_thousand_parts_are_refused(pages: Pages, opened: Session, shell: Shell) -> None:
    """Ten thousand fields, a thousand files, a field of five megabytes, twenty headers: a sentence, and nothing is kept."""
    before = len(items(opened))
    cases = [b"".join(field(f"f{n}", "x") for n in range(10_000)), b"".join(file(f"{n}.txt", b"x" * 2_000) for n in range(400)),
             field("how", "x" * 5_000_000), b"--" + BOUNDARY.encode() + b"\r\n" + b"X-A: b\r\n" * 20 + b"\r\nx\r\n",
             b"--" + BOUNDARY.encode() + b"\r\nX: " + b"y" * 20_000 + b"\r\n\r\nx\r\n"]  # fmt: skip
    for body in cases:
        answer = send(pages, body)
        assert answer.status == 422, body[:60]
        assert answer.sentence
    _wait_until_empty(shell)
    assert len(items(opened)) == before


def test_file_names_cannot_steer_anything(pages: Pages, opened: Session) -> None:
    """Scripts, slashes, overrides of the writing direction, controls, emptiness in a name: kept visible, run nowhere."""
    names = [SCRIPT, "../../../etc/passwd", "C:\\fakepath\\photo.jpg", "photo\u202egpj.exe", "line%0D%0Abreak",
             "\x1b[31mred", "..", "x" * 5000 + ".jpg", "Дневник\u2066 ١٢٣.pdf"]  # fmt: skip
    source = taken(pages, *[file(name, b"%d" % number) for number, name in enumerate(names)])
    opened.refresh()
    kept = [item.name for item in opened.testimony.files(source)]
    assert kept[:4] == [SCRIPT, "passwd", "photo.jpg", "photo\\u202egpj.exe"]
    assert kept[5:7] == ["\\u001b[31mred", "-"]
    assert max(map(len, kept)) <= 255
    assert not [name for name in kept if any(ord(letter) < 32 or letter in "\u202e\u2066" for letter in name)]
    text = pages.ask(f"/{source}").text
    assert SCRIPT not in text
    assert SCRIPT in unescape(text)
    assert all(item.path == item.name for item in opened.testimony.files(source))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=600))
def test_any_name_becomes_a_plain_one(name: str) -> None:
    """Whatever a name holds, what is kept is one line without slashes, controls or overrides, and never empty or a folder."""
    kept = plain_name(name)
    assert kept.strip(". ")
    assert len(kept) <= 255
    assert not set(kept) & set("/\n\r\x00\u202e\u2067")
    assert plain_name(kept) in (kept, plain_name(kept))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=3000)), max_size=6), st.integers(1, 700))
def test_a_form_cut_into_any_chunks_reads_the_same(parts: list[tuple[bool, bytes]], size: int) -> None:
    """Fields and files come out as they were put in, wherever the chunks end, boundaries inside the data among it."""
    boundary = b"bd" * 20 + b"x"
    body = b""
    for number, (is_file, data) in enumerate(parts):
        head = b'\r\nContent-Disposition: form-data; name="%d"' % number + (b'; filename="n"' if is_file else b"")
        body += b"--" + boundary + head + b"\r\n\r\n" + data + b"\r\n"
    body += b"--" + boundary + b"--\r\n"
    reader = _Reader(boundary)
    pieces: list[Piece] = []
    for start in range(0, len(body), size):
        pieces += reader.write(body[start : start + size])
    assert reader.ended
    read: list[tuple[bool, bytes]] = []
    for one in pieces:
        if one.kind == "field":
            read.append((False, one.data))
        elif one.kind == "file":
            read.append((True, b""))
        elif one.kind == "data":
            read[-1] = (True, read[-1][1] + one.data)
    assert read == parts


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2000))
def test_no_bytes_break_the_reader_of_forms(data: bytes) -> None:
    """Random bytes are pieces or a sentence, never a failure."""
    reader = _Reader(b"AaB03x")
    with suppress(AmparoError):
        reader.write(b"--AaB03x\r\n" + data)
        reader.write(b'--AaB03x\r\nContent-Disposition: form-data; name="a"; filename="' + data[:50] + b'"\r\n\r\n' + data)


def test_uploads_take_turns_and_are_forgotten() -> None:
    """A piece at a wrong place, bytes after the end, too many bytes, and an unknown number each have their sentence."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        upload = Upload(_store(place), place, "x", 10)
        upload.feed(b"12345", 0)
        with pytest.raises(UploadElsewhere):
            upload.feed(b"12345", 4)
        with pytest.raises(UploadShort):
            upload.feed(b"123456", 5)
        with pytest.raises(UploadShort):
            upload.finish()
        upload.feed(b"67890", 5)
        assert upload.finish().size == 10
        assert upload.finish().size == 10
        with pytest.raises(UploadElsewhere):
            upload.feed(b"1", 10)
        upload.close()
        assert not list(place.rglob("objects/*/*"))
        with pytest.raises(NoSuchUpload):
            Uploads(place).get("x")


def test_too_many_at_once_wait(pages: Pages) -> None:
    """A fourth file that arrives while three do is told to wait; what is dropped makes room."""
    running = [announce(pages, "x", 1 << 30) for _ in range(3)]
    assert pages.ask("/upload/begin", {"name": "y", "size": "5", "modified": ""}).status == 409
    assert "arriving already" in send(pages, file("z", b"z")).sentence
    pages.ask("/upload/drop", {"uploads": " ".join(running)})
    taken(pages, file("z", b"z"))


def test_a_wrong_form_is_refused_and_its_words_come_back(pages: Pages, opened: Session, shell: Shell) -> None:
    """No file, a source that is none, a basis that is none, words without end: a sentence, the fields as typed, no item."""
    before = len(items(opened))
    one = file("a", b"a")
    for parts, sentence in (
        ((), "No file arrived"), ((field("source", "S-0999"), one), "no source"), ((field("source", SCRIPT), one), "not an id"),
        ((field("basis", "hearsay"), one), "no basis"), ((field("how", "x" * 20_000), one), "find room"),
    ):  # fmt: skip
        answer = send(pages, field("collector", "typed before"), *parts)
        assert answer.status == 422, sentence
        assert sentence in unescape(answer.sentence)
        assert "typed before" in answer.text
        assert SCRIPT not in answer.text
    for kind in ("text/plain", "application/json", "", "application/x-www-form-urlencoded"):
        assert pages.ask("/upload", method="POST", body=b"x" * 100, Content_Type=kind).status == 422
    _wait_until_empty(shell)
    assert len(items(opened)) == before
    assert send(pages, field("draft", "0" * 16), file("a", b"a")).status == 404
    _wait_until_empty(shell)


def test_a_lock_in_mid_upload_leaves_nothing_half_accepted(shell: Shell, pages: Pages, opened: Session) -> None:
    """Locked while a form arrives, and while a file waits to be accepted: no item, no leftover, and the number is forgotten."""
    before = len(items(opened))
    waiting = announce(pages, "waiting", 4)
    piece(pages, waiting, 0, b"done")
    body = file("half.bin", b"z" * 3_000_000)
    raw = socket.create_connection(("127.0.0.1", int(pages.host.rpartition(":")[2])))
    head = f"POST /upload HTTP/1.1\r\nHost: {pages.host}\r\nCookie: {pages.cookie}\r\nSec-Fetch-Site: same-origin\r\n"
    raw.sendall(f"{head}Content-Type: {KIND}\r\nContent-Length: {len(body) * 2}\r\n\r\n".encode() + body)
    for _try in range(50):
        if len(left_over(shell)) >= 2:
            break
        time.sleep(0.1)
    assert left_over(shell) != []
    shell.lock()
    raw.close()
    _wait_for(pages)
    _wait_until_empty(shell)
    fresh = pages.ask("/unlock", {"passphrase": EVERYDAY})
    pages.cookie = fresh.headers["set-cookie"].partition(";")[0]
    assert pages.ask(f"/uploads/{waiting}").status == 404
    assert "forgotten" in pages.ask("/upload/accept", {"uploads": waiting}).sentence
    assert len(items(opened)) == before
    taken(pages, file("after.txt", b"it goes on"))


def _wait_for(pages: Pages) -> None:
    for _try in range(100):
        with suppress(OSError, http.client.HTTPException):
            if pages.ask("/unlock").status == 200:
                return
        time.sleep(0.1)
    raise AssertionError("no page to unlock came")


def test_leftovers_of_a_living_process_stay(tmp_path: Path) -> None:
    """A second process that starts removes what ended processes left, and nothing of one that still lives."""
    (tmp_path / "uploads" / "dead").mkdir(parents=True)
    (tmp_path / "uploads" / "dead" / "tmp-1").write_bytes(b"noise")
    living = Uploads(tmp_path)
    assert not (tmp_path / "uploads" / "dead").exists()
    place = living._own_place()
    (place / "tmp-1").write_bytes(b"noise")
    Uploads(tmp_path)
    assert (place / "tmp-1").exists()


def test_an_upload_from_another_site_is_refused(pages: Pages, opened: Session) -> None:
    """A form with files on another site's page, and one without the cookie, gets nothing in."""
    before = len(items(opened))
    body = file("a", b"a") + f"--{BOUNDARY}--\r\n".encode()
    bad: tuple[dict[str, Any], ...] = ({"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "", "Origin": ""}, {"Cookie": ""})
    for headers in bad:
        answer = pages.ask("/upload", method="POST", body=body, Content_Type=KIND, **headers)
        assert answer.status == 403
    assert pages.ask("/upload/begin", method="POST", body=urlencode({"name": "x", "size": "1"}), Sec_Fetch_Site="cross-site",
                     Content_Type="application/x-www-form-urlencoded").status == 403  # fmt: skip
    for path in ("/upload/accept", "/upload/begin", "/uploads/x", "/upload/x", "/search"):  # only one address takes long bodies
        assert pages.ask(path, method="POST", body=b"x", Content_Length=str(2 << 20)).status == 413, path
    assert len(items(opened)) == before


# -- in a browser -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@contextmanager
def tab(browser: Any, pages: Pages, wrong: list[str], **options: Any) -> Iterator[Any]:
    context = browser.new_context(**options)
    name, _, value = pages.cookie.partition("=")
    context.add_cookies([{"name": name, "value": value, "url": pages.base}])
    page = context.new_page()
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    context.close()


@browsing
def test_several_files_arrive_by_script_with_progress(browser: Any, pages: Pages, opened: Session, tmp_path: Path) -> None:
    """Several files at once, one longer than a piece, taken in by one click; the words typed beside them are kept with them."""
    paths = [tmp_path / name for name in ("film.mp4", "empty.txt", "Записка.txt")]
    for path, size in zip(paths, (20_000_000, 0, 700), strict=True):
        path.write_bytes(os.urandom(size))
    wrong: list[str] = []
    with tab(browser, pages, wrong) as page:
        page.goto(f"{pages.base}/upload")
        page.fill("#how", "on a stick")
        page.set_input_files("#files", paths)
        page.get_by_role("button", name="Take them in").click()
        page.wait_for_url(re.compile(r"/upload/.+"))
        assert "3 files are sealed and on record" in page.content()
    assert wrong == []
    found = {item.name: item.sha256 for item in items(opened)}
    assert all(found[path.name] == hashlib.sha256(path.read_bytes()).digest() for path in paths)
    [film] = [item for item in items(opened) if item.name == "film.mp4"]
    assert film.modified == int(paths[0].stat().st_mtime * 1000)
    [came] = opened.testimony.acquisitions(film.source)
    assert came.how == "on a stick"


@browsing
def test_the_script_goes_on_after_the_connection_was_cut(browser: Any, pages: Pages, opened: Session, tmp_path: Path) -> None:
    """Pieces fail on the way: it tries again where the server stands, and the file is whole."""
    path = tmp_path / "cut.bin"
    path.write_bytes(os.urandom(30_000_000))
    failed: list[int] = []

    def cut(route: Any) -> None:
        if len(failed) < 3 and route.request.headers.get("x-offset", "0") != "0":
            failed.append(1)
            route.abort()
        else:
            route.continue_()

    with tab(browser, pages, []) as page:
        page.route("**/upload", cut)
        page.goto(f"{pages.base}/upload")
        page.set_input_files("#files", path)
        page.get_by_role("button", name="Take them in").click()
        page.wait_for_url(re.compile(r"/upload/.+"), timeout=40_000)
    assert len(failed) == 3
    [item] = [one for one in items(opened) if one.name == "cut.bin"]
    assert item.sha256 == hashlib.sha256(path.read_bytes()).digest()


@browsing
def test_a_stopped_upload_leaves_nothing(browser: Any, pages: Pages, shell: Shell, tmp_path: Path) -> None:
    """The button Stop ends it and drops what arrived; the form can be sent again."""

    def slow(route: Any) -> None:
        time.sleep(0.2)
        route.continue_()

    path = tmp_path / "stopped.bin"
    path.write_bytes(os.urandom(40_000_000))
    with tab(browser, pages, []) as page:
        page.route("**/upload", slow)
        page.goto(f"{pages.base}/upload")
        page.set_input_files("#files", path)
        page.get_by_role("button", name="Take them in").click()
        page.get_by_role("button", name="Stop").click()
        page.get_by_role("button", name="Take them in", disabled=False).wait_for()
        assert page.get_by_role("button", name="Stop").count() == 0
    _wait_until_empty(shell)


@browsing
def test_files_arrive_without_scripts(browser: Any, pages: Pages, opened: Session, tmp_path: Path) -> None:
    """With JavaScript off the same form sends everything at once."""
    path = tmp_path / "plain form.pdf"
    path.write_bytes(b"%PDF-1.7\n" + os.urandom(3_000_000))
    wrong: list[str] = []
    with tab(browser, pages, wrong, java_script_enabled=False) as page:
        page.goto(f"{pages.base}/upload")
        page.set_input_files("#files", path)
        page.get_by_role("button", name="Take them in").click()
        page.wait_for_url(re.compile(r"/upload/.+"))
    assert wrong == []
    [item] = [one for one in items(opened) if one.name == "plain form.pdf"]
    assert item.media_type == "application/pdf"
