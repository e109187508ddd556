"""Items and the reading room: what is shown, marked and stated; and attacks by hostile files, ranges, ids and swapped texts."""

import asyncio
import hashlib
import io
import math
import re
import struct
import wave
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import av
import numpy as np
import pytest
from cli_kit import EVERYDAY, IDENTITIES, Shell
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_web_pages import tab
from web_kit import CHROMIUM, POSIX, Answer, Pages, browsing

from amparo.app import drawing, evidence, marking, opening
from amparo.app.session import Session
from amparo.kernel.errors import AmparoError
from amparo.record import locators
from amparo.record.items import Piece
from amparo.record.locators import Region, Stretch, Words
from amparo.vault.keyring import Ring
from amparo.vault.slots import Passphrase
from amparo.web import ranges

pytestmark = POSIX
SCRIPT = "<script>document.title='taken'</script><img src=x onerror=alert(1)>"
EVIL_NAME = "<img src=x onerror=alert(1)>.txt"
SEALED = "Zarvan Tulmetov"  # invented; no such family name is known
STATEMENT = f"""On 3 March the men in black came to the house.

They took him away in a white car. They took him away in a white car.

سيارة بيضاء أخذته.

{SCRIPT} and \u202egnp.exe

{SEALED} was his neighbour.
"""


def pdf(*pages: str) -> bytes:
    """A PDF with a line of text on each page."""
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    bodies = ["<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>",
              "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]  # fmt: skip
    for n, words in enumerate(pages):
        drawn = f"BT /F 18 Tf 40 700 Td ({words}) Tj ET"
        bodies.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents {5 + 2 * n} 0 R/Resources<</Font<</F 3 0 R>>>>>>"
        )
        bodies.append(f"<</Length {len(drawn)}>>\nstream\n{drawn}\nendstream")
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(bodies, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(bodies) + 1
    return (
        out
        + f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<</Size {size}/Root 1 0 R>>\n".encode()
        + f"startxref\n{len(out)}\n%%EOF\n".encode()
    )


def sound(seconds: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"".join(struct.pack("<h", int(8000 * math.sin(n / 10))) for n in range(8000)) * seconds)
    return out.getvalue()


def film(seconds: int) -> bytes:
    """A grey made-up film, VP8 in WebM, ten pictures a second."""
    out = io.BytesIO()
    with av.open(out, "w", format="webm") as file:
        stream = file.add_stream("libvpx", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(10 * seconds):
            picture = np.full((120, 160, 3), number * 4 % 256, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())
    return out.getvalue()


FILES = {
    "1.txt": STATEMENT.encode(), "2.pdf": pdf("They were held in Argun", "Nothing is here", "They were held in Argun"),
    "3.wav": sound(20), "5.html": f"<html><body><p>Ten men were held.</p>{SCRIPT}</body></html>".encode(),
    "6.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "7.bin": b"\x00\x01\x02" * 99,
    "8.srt": b"1\n00:00:01,000 --> 00:00:04,000\nWho took him?\n\n2\n00:00:05,000 --> 00:00:09,500\nThe second regiment.\n",
    "9.txt": b"A white car came. A white car left. Nobody asked why.", EVIL_NAME: b"harmless words",
    "10.webm": film(6),
}  # fmt: skip


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    home = tmp_path_factory.mktemp("user")
    made = Shell(home, home / "home" / "case")
    made.init()
    yield made
    made.lock()


@pytest.fixture(scope="module")
def items(shell: Shell) -> dict[str, str]:
    """The name of each file -> its handle."""
    folder = shell.home / "given"
    folder.mkdir()
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    Image.new("RGB", (90, 60), "#9ab").save(folder / "4.jpg", comment=b"EVILBYTES")
    shell.amparo("person", "add", "--form", "-", stdin=f"names: [{SEALED}]\n")
    shell.amparo("evidence", "add", str(folder), "--from", f"P-0001 {SCRIPT}")
    shell.amparo("evidence", "read")
    found = shell.amparo("evidence", "list")["items"]
    return {one.get("name", one["path"].rpartition("/")[2]): one["item"] if "item" in one else one["handle"] for one in found}


@pytest.fixture(scope="module")
def pages(shell: Shell, items: dict[str, str]) -> Iterator[Pages]:
    shell.lock()
    shell.amparo("unlock", secrets=[EVERYDAY])
    opened = Pages(shell.workspace, shell.environment).opened()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def rings(shell: Shell) -> list[Ring]:
    """Read once: a passphrase costs half a second."""
    return [opening.read_ring(shell.workspace, "everyday", Passphrase(EVERYDAY))]


@pytest.fixture
def opened(shell: Shell, pages: Pages, rings: list[Ring]) -> Iterator[Session]:
    with Session(shell.workspace, rings) as session:
        yield session


def hidden(text: str) -> dict[str, Any]:
    """The hidden fields of the form for marks."""
    found: dict[str, Any] = {}
    for name, value in re.findall(r'<input type="hidden" name="([a-z0-9]+)" value="([^"]*)"', text):
        found.setdefault(name, []).append(unescape(value))
    return {name: values if name == "shown" else values[-1] for name, values in found.items()}


def mark(pages: Pages, handle: str, at: str = "1", **typed: str) -> Answer:
    """Fill in the form of an item's room and send it."""
    form = hidden(pages.ask(f"/{handle}/read?at={at}").text)
    return send(pages, handle, form, **typed)


def send(pages: Pages, handle: str, form: dict[str, Any], **typed: str) -> Answer:
    claims = {f"claim.{name[5]}.{name[7:]}": value for name, value in typed.items() if name.startswith("claim")}
    rest = {name: value for name, value in typed.items() if not name.startswith("claim")}
    body = urlencode({**form, **claims, **rest}, doseq=True)
    return pages.ask(f"/{handle}/read", method="POST", body=body, Content_Type="application/x-www-form-urlencoded")


CLAIM = {"claim1_about": "P-0001", "claim1_property": "statement", "claim1_text": "He was taken away."}


def passage_of(answer: Answer) -> str:
    assert answer.status == 303, answer.sentence
    return str(answer.headers["location"]).rpartition("#")[2]


# -- an item's page -----------------------------------------------------------------------------------------------------------


def test_an_item_tells_what_it_is_and_who_looked_once_a_sitting(pages: Pages, items: dict[str, str], opened: Session) -> None:
    """Hashes, how it came, custody; three looks on pages are one entry “viewed”; what is said of it is escaped."""
    handle = items["1.txt"]
    for path in (f"/{handle}", f"/{handle}/read", f"/{handle}"):
        answer = pages.ask(path)
        assert answer.status == 200
        assert "<script>document" not in answer.text and "<img src=x" not in answer.text
    assert hashlib.sha256(FILES["1.txt"]).hexdigest() in answer.text
    assert "P-0001 &lt;script&gt;" in answer.text
    opened.refresh()
    assert [event.action for event in opened.testimony.custody(handle)].count("viewed") == 1


def test_the_overview_pages_and_narrows(pages: Pages, items: dict[str, str]) -> None:
    """The newest first; by kind, by read or not; a place to go on that is no handle changes nothing."""
    text = pages.ask("/evidence").text
    assert text.index(items["8.srt"]) < text.index(items["1.txt"])
    only = pages.ask("/evidence?only=audio").text
    assert items["3.wav"] in only and items["1.txt"] not in only
    assert items["1.txt"] not in pages.ask("/evidence?state=unread").text
    assert items["1.txt"] in pages.ask("/evidence?before=../../etc&only=x&state=y").text
    assert items["1.txt"] in pages.ask(f"/evidence?before={items['2.pdf']}").text
    assert items["2.pdf"] not in pages.ask(f"/evidence?before={items['2.pdf']}").text


def test_a_file_name_with_a_script_is_a_name(pages: Pages, items: dict[str, str]) -> None:
    """Stored script in a file's name is shown as text on every page that names the file."""
    for path in ("/evidence", f"/{items[EVIL_NAME]}", f"/{items[EVIL_NAME]}/read", "/read/S-0001", "/S-0001"):
        text = pages.ask(path).text
        assert "&lt;img src=x onerror=alert(1)&gt;.txt" in text, path
        assert "<img src=x" not in text, path


def test_a_copy_asks_for_a_reason_and_runs_nowhere(pages: Pages, items: dict[str, str], opened: Session) -> None:
    """Without a reason nothing leaves; with one the file is an attachment of no type and no name, and the custody says why."""
    handle = items["5.html"]
    assert pages.ask(f"/{handle}/copy", {"reason": "  "}).status == 422
    assert pages.ask(f"/{handle}/copy").status == 404
    answer = pages.ask(f"/{handle}/copy", {"reason": "for the expert"})
    assert answer.text.encode() == FILES["5.html"]
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == f'attachment; filename="{handle}.bin"'
    assert "sandbox" in answer.headers["content-security-policy"]
    assert (answer.headers["x-content-type-options"], answer.headers["cache-control"]) == ("nosniff", "no-store")
    opened.refresh()
    copied = [event.reason for event in opened.testimony.custody(handle) if event.action == "copied"]
    assert copied == ["for the expert"]


# -- hostile files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["5.html", "6.svg", "7.bin", "1.txt", "8.srt"])
def test_html_svg_and_the_like_are_never_drawn_or_streamed(pages: Pages, items: dict[str, str], name: str) -> None:
    """Neither as a picture nor as a recording does a byte of such a file come out; its text is escaped."""
    for path in ("drawn/1.png", "stream"):
        answer = pages.ask(f"/{items[name]}/{path}")
        assert answer.status == 404
        assert FILES[name][:20].decode("latin-1") not in answer.text
    text = pages.ask(f"/{items[name]}/read").text
    assert "<script>alert" not in text and "<svg xmlns" not in text and "<img src=x" not in text


def test_what_is_drawn_holds_nothing_of_the_file(pages: Pages, items: dict[str, str]) -> None:
    """Pictures and pages of a PDF come as PNG made of pixels: no comment of the original is in it; sandboxed, not stored."""
    for name, count in (("4.jpg", 1), ("2.pdf", 3)):
        answer = pages.ask(f"/{items[name]}/drawn/{count}.png")
        assert answer.status == 200 and answer.headers["content-type"] == "image/png"
        assert "sandbox" in answer.headers["content-security-policy"] and answer.headers["cache-control"] == "no-store"
        assert "EVILBYTES" not in answer.text and "Argun" not in answer.text
        assert pages.ask(f"/{items[name]}/drawn/{count + 1}.png").status == 422
        assert pages.ask(f"/{items[name]}/drawn/99999999999.png").status == 422


@given(st.binary(min_size=300, max_size=300), st.sampled_from([(1, 100), (100, 1), (10, 10), (4, 25)]))
def test_pixels_become_the_picture_they_are(pixels: bytes, size: tuple[int, int]) -> None:
    """Another program reads out of our PNG the very pixels that went in."""
    with Image.open(io.BytesIO(drawing.png(pixels, *size))) as picture:
        assert (picture.size, picture.tobytes()) == (size, pixels)


def test_a_text_that_would_steer_the_eye_is_shown_plain(pages: Pages, items: dict[str, str]) -> None:
    """An override of the writing direction in a text is replaced, one character for one."""
    text = pages.ask(f"/{items['1.txt']}/read").text
    assert "\u202e" not in text and "\ufffdgnp.exe" in text


@pytest.mark.parametrize("id", ["D-0001/../../amparo.json", "D-..%2f..%2famparo.json", "D-99999999999999999999", "D--1", "D-0",
                                "D-0001%00", "D-0001/drawn/../../x", "D-7777"])  # fmt: skip
def test_path_traversal_in_an_id_finds_nothing(pages: Pages, id: str) -> None:
    """Addresses that climb, overflow or cut strings short are no page, and say nothing of any file."""
    for tail in ("", "/read", "/stream", "/drawn/1.png"):
        answer = pages.ask(f"/{id}{tail}")
        assert answer.status in (404, 422), (id, tail)
        assert '"workspace"' not in answer.text


def test_an_error_of_a_reader_is_a_sentence(pages: Pages, opened: Session) -> None:
    """A PDF that cannot be drawn says so where its page would be, and the room is there all the same."""
    with opened.change() as change:
        sealed = opened.blobs().seal_file(io.BytesIO(b"%PDF-1.4 broken"))
        handle = evidence.put_item(change, "S-0001", sealed, name="broken.pdf").handle
    answer = pages.ask(f"/{handle}/read")
    assert answer.status == 200 and "structure is damaged" in answer.sentence
    with pytest.raises(AmparoError):
        marking.located(opened, handle, [], "x", None)
    assert Path(opened.folder).is_dir()


# -- ranges -------------------------------------------------------------------------------------------------------------------


def test_a_recording_is_streamed_by_ranges(pages: Pages, items: dict[str, str], opened: Session) -> None:
    """206 with the very bytes and where they are; no more than 8 MiB; a closed type, sandboxed, not stored, in the custody."""
    size = len(FILES["3.wav"])
    answer = pages.ask(f"/{items['3.wav']}/stream", Range="bytes=0-3")
    assert (answer.status, answer.text, answer.headers["content-range"]) == (206, "RIFF", f"bytes 0-3/{size}")
    assert answer.headers["content-type"] == "audio/wav" and answer.headers["accept-ranges"] == "bytes"
    assert (answer.headers["x-content-type-options"], answer.headers["cache-control"]) == ("nosniff", "no-store")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert (
        pages.ask(f"/{items['3.wav']}/stream", Range="bytes=-4").headers["content-range"]
        == f"bytes {size - 4}-{size - 1}/{size}"
    )
    assert pages.ask(f"/{items['3.wav']}/stream", Range="bytes=8-999999999999").headers["content-length"] == str(size - 8)
    assert pages.ask(f"/{items['3.wav']}/stream").status == 200
    assert pages.ask(f"/{items['3.wav']}/stream", method="HEAD").headers["content-length"] == str(size)
    assert pages.ask(f"/{items['3.wav']}/stream", Range="bytes=0-3", If_Range='"x"').status == 200
    opened.refresh()
    assert [event.action for event in opened.testimony.custody(items["3.wav"])].count("viewed") == 1


@pytest.mark.parametrize("asked", [
    "bytes=0-1,2-3", "bytes=" + ",".join(f"{n}-{n}" for n in range(1000)), "bytes=9-3", "bytes=-0", "bytes=-", "bytes=--5",
    "bytes=99999999-", "bytes=999999999999999999999-", "bytes=0-1;2-3", "bits=0-1", "bytes=a-b", "bytes=0x1-", "x",
    "bytes = 0-1",     "bytes=٣-٤",
])  # fmt: skip
def test_range_abuse_gets_416_and_no_byte(asked: str) -> None:
    """Many, backward, negative, huge, malformed ranges and those beyond the end are refused."""
    stream = io.BytesIO(b"secret" * 100)
    answer = ranges.answer(stream, 600, "audio/wav", asked, lambda: True)
    assert (answer.status_code, answer.body, answer.headers["content-range"]) == (416, b"", "bytes */600")
    assert stream.closed


@given(st.integers(0, 10**15), st.text(alphabet="bytes=-,0123456789 ", max_size=40))
def test_no_range_leads_outside_the_file(size: int, asked: str) -> None:
    """Whatever is asked, what is granted lies within the file."""
    found = ranges.parse(asked, size)
    assert found is None or 0 <= found[0] < found[1] <= size


class Counted(io.RawIOBase):
    """A file of zeros of any size that counts what is read of it, and the longest single reading."""

    def __init__(self) -> None:
        self.got = self.longest = 0

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return offset + whence

    def read(self, size: int = -1, /) -> bytes:
        self.got, self.longest = self.got + size, max(self.longest, size)
        return bytes(size)


def test_a_range_of_a_huge_file_costs_little(pages: Pages) -> None:
    """Of 20 GB a range gives 8 MiB in small pieces; HEAD reads nothing; a lock ends the stream between two pieces."""

    async def drain(answer: Any) -> int:
        return sum([len(piece) async for piece in answer.body_iterator])

    huge = 20 << 30
    stream = Counted()
    answer = ranges.answer(stream, huge, "video/mp4", "bytes=0-", lambda: True)
    assert answer.headers["content-range"] == f"bytes 0-{ranges.MOST - 1}/{huge}"
    assert asyncio.run(drain(answer)) == ranges.MOST == stream.got
    assert stream.longest <= 1 << 20 and stream.closed
    stream = Counted()
    assert ranges.answer(stream, huge, "video/mp4", None, lambda: True, body=False).headers["content-length"] == str(huge)
    assert stream.got == 0 and stream.closed
    left = iter([True, True, False])
    stream = Counted()
    assert asyncio.run(drain(ranges.answer(stream, huge, "video/mp4", None, lambda: next(left)))) <= 2 << 20
    assert stream.closed


def test_a_stream_is_for_a_player_only(pages: Pages, items: dict[str, str]) -> None:
    """What says it is a page or a frame gets no stream: a copy asks for its reason."""
    for dest in ("document", "iframe", "image", "empty"):
        assert pages.ask(f"/{items['3.wav']}/stream", Sec_Fetch_Dest=dest).status == 404
    assert pages.ask(f"/{items['3.wav']}/stream", Sec_Fetch_Dest="audio", Range="bytes=0-0").status == 206


# -- marking ------------------------------------------------------------------------------------------------------------------


def test_words_are_marked_and_a_claim_stands_on_them(pages: Pages, items: dict[str, str], opened: Session) -> None:
    """Quoted words become a passage with its place, a claim rests on it, both are shown in the text and on the item's page; the
    claim leads back, no word stands in an address or in the record, and sending twice says so.
    """
    handle = items["1.txt"]
    typed = CLAIM | {"quote": "the men  in\nblack", "claim1_valid": "2017-03-03", "claim1_access": "direct"}
    form = hidden(pages.ask(f"/{handle}/read").text)
    answer = send(pages, handle, form, **typed)
    passage = passage_of(answer)
    assert answer.headers["location"] == f"/{handle}/read?passage={passage}#{passage}"
    text = pages.ask(f"/{handle}/read").text
    assert f'data-marks="{passage}">the men in black</mark>' in text
    opened.refresh()
    found = opened.testimony.passage(passage)
    assert found is not None and found.text == "the men in black" and found.source == "S-0001"
    place = locators.parse(found.locator)
    assert isinstance(place, Words) and (place.item, place.shown, place.first, place.start) == (handle, "¶ 1", 1, 11)
    [stored] = opened.record.claims(passage=passage)
    assert (stored.claim.person, stored.claim.valid, stored.claim.verbatim) == ("P-0001", "2017-03-03", False)
    assert stored.claim.locator == f"{handle}, ¶ 1" and stored.claim.text == "He was taken away."
    entity = opened.record.entity(passage)
    assert entity is not None and "black" not in str(entity)
    assert passage in pages.ask(f"/{handle}").text
    assert f"/{handle}/read?passage={passage}#{passage}" in pages.ask(f"/{stored.claim.handle}").text
    again = send(pages, handle, form, **typed)
    assert again.status == 422 and stored.claim.handle in again.sentence


def test_a_quotation_that_is_not_there_is_refused(pages: Pages, items: dict[str, str], opened: Session) -> None:
    """Invented words, words of another page, and nothing at all are no passage; nothing is recorded."""
    before = len(opened.testimony.passages("S-0001"))
    for quote in ("the men in white", "Nothing is here", ""):
        answer = mark(pages, items["2.pdf"], quote=quote, **CLAIM)
        assert answer.status == 422 and "Nothing was recorded" in answer.sentence
    assert "He was taken away." in answer.text  # what was typed is there again
    opened.refresh()
    assert len(opened.testimony.passages("S-0001")) == before


def test_words_that_stand_twice_are_asked_for(pages: Pages, items: dict[str, str], opened: Session) -> None:
    """The page asks which are meant; the second choice is recorded where the second stands."""
    quote = "took him away in a white car"
    answer = mark(pages, items["1.txt"], quote=quote, **CLAIM)
    choices = re.findall(r'name="spot" value="([0-9:]+)"', answer.text)
    assert answer.status == 200 and len(choices) == 2
    passage = passage_of(send(pages, items["1.txt"], hidden(answer.text), quote=quote, spot=choices[1], **CLAIM))
    opened.refresh()
    found = opened.testimony.passage(passage)
    place = locators.parse(found.locator) if found else None
    assert isinstance(place, Words) and place.start > 35 and found and found.text == quote
    assert mark(pages, items["1.txt"], quote="black came to", spot="0:1:0:1:5", **CLAIM).status == 422  # not what stands there


def test_words_are_counted_where_nobody_types_them(pages: Pages, items: dict[str, str], opened: Session) -> None:
    """Paragraph and numbers of words do as well; a number too high is refused with how many there are."""
    passage = passage_of(mark(pages, items["1.txt"], piece="0:1", **{"from": "5", "to": "7"}, **CLAIM))
    opened.refresh()
    found = opened.testimony.passage(passage)
    assert found is not None and found.text == "men in black"
    answer = mark(pages, items["1.txt"], piece="0:1", **{"from": "5", "to": "700"}, **CLAIM)
    assert answer.status == 422 and "11 words" in answer.sentence


def test_a_page_of_a_pdf_is_its_own(pages: Pages, items: dict[str, str], opened: Session) -> None:
    """The same words on pages 1 and 3 are told apart by the page that is read; going to the passage opens its page."""
    passage = passage_of(mark(pages, items["2.pdf"], at="3", quote="held in Argun", **CLAIM))
    opened.refresh()
    found = opened.testimony.passage(passage)
    assert found is not None and found.locator.startswith(f"{items['2.pdf']}, p. 3, ¶ 1 [pdf/1 ")
    text = pages.ask(f"/{items['2.pdf']}/read?passage={passage}").text
    assert "Page 3 of 3" in text and f"/{items['2.pdf']}/drawn/3.png" in text


def test_a_region_is_marked_on_a_picture_and_on_a_page(pages: Pages, items: dict[str, str], opened: Session) -> None:
    """Four numbers make a region with what is seen there; numbers outside, and regions of a text, are refused."""
    box = {"x": "10", "y": "20.5", "w": "30", "h": "40"}
    passage = passage_of(mark(pages, items["4.jpg"], **box, words="a grey wall", **CLAIM))
    opened.refresh()
    found = opened.testimony.passage(passage)
    assert found is not None and found.text == "a grey wall"
    assert locators.parse(found.locator) == Region(items["4.jpg"], 1, 10, 20.5, 30, 40)
    assert f'data-region="{passage}"' in pages.ask(f"/{items['4.jpg']}/read").text
    assert passage_of(mark(pages, items["2.pdf"], at="2", **box, **CLAIM))
    for wrong in ({"x": "80"}, {"w": "0"}, {"x": "-1"}, {"h": "1e9"}, {"y": ""}):
        assert mark(pages, items["4.jpg"], **(box | wrong), **CLAIM).status == 422, wrong
    assert mark(pages, items["1.txt"], **box, **CLAIM).status == 422


def test_a_stretch_of_time_is_marked_in_a_recording(pages: Pages, items: dict[str, str], opened: Session) -> None:
    """Beginning and end make a passage; backward, beyond the end, or of what is no recording they are refused."""
    passage = passage_of(mark(pages, items["3.wav"], start="00:00:02", end="4,5", words="a hum", **CLAIM))
    opened.refresh()
    found = opened.testimony.passage(passage)
    assert found is not None and locators.parse(found.locator) == Stretch(items["3.wav"], 2, 4.5)
    for start, end in (("5", "2"), ("1", "600"), ("x", "3"), ("0:75", "0:80"), ("1", "")):
        assert mark(pages, items["3.wav"], start=start, end=end, **CLAIM).status == 422, (start, end)
    assert mark(pages, items["4.jpg"], start="1", end="2", **CLAIM).status == 422


def test_a_transcript_is_read_with_its_recording(pages: Pages, items: dict[str, str], opened: Session) -> None:
    """The room of a transcript plays what it is a transcript of, and each leads to the other."""
    parent = evidence.get(opened, items["3.wav"])
    words = io.BytesIO(b"1\n00:00:01,000 --> 00:00:04,000\nWho?\n")
    child = evidence.derive(opened, parent, words, name="words.srt", relation="transcript")
    assert f'<audio src="/{parent.handle}/stream"' in pages.ask(f"/{child.handle}/read").text
    assert f"/{child.handle}/read" in pages.ask(f"/{parent.handle}/read").text
    assert "transcript of" in pages.ask(f"/{child.handle}").text


def test_a_speakers_name_stays_out_of_the_place(pages: Pages, items: dict[str, str], opened: Session) -> None:
    """The place of a cue is its time and nothing a file wrote beside it."""
    passage = passage_of(mark(pages, items["8.srt"], quote="The second regiment.", **CLAIM))
    opened.refresh()
    found = opened.testimony.passage(passage)
    assert found is not None and found.locator.startswith(
        f"{items['8.srt']}, 00:00:05.000-00:00:09.500 [transcript/2 2:0-2:20]"
    )
    assert locators.safe("00:00:05.000-00:00:09.500, Zarvan", 2) == "00:00:05.000-00:00:09.500"
    assert locators.safe("sheet Zarvan, row 3", 7) == "piece 7"


def test_who_did_what_to_whom_begins_with_the_words(pages: Pages, items: dict[str, str], opened: Session) -> None:
    """“new act” in several claims of one form is one act, with its type; a term is understood by its label."""
    typed = {
        "claim1_about": "new act", "claim1_property": "Type of act", "claim1_value": "Arrests of many persons in one operation",
        "claim2_about": "New act", "claim2_property": "victim", "claim2_value": "p-1",
        "claim3_about": "new act", "claim3_property": "description", "claim3_quoted": "1",
    }  # fmt: skip
    passage = passage_of(mark(pages, items["1.txt"], quote="came to the house", **typed))
    opened.refresh()
    claims = {one.claim.property: one.claim for one in opened.record.claims(passage=passage)}
    [act] = {claim.subject for claim in claims.values()}
    entity = opened.record.entity(act)
    assert act.startswith("A-") and entity is not None and entity.type == claims["type of act"].value != ""
    assert (claims["victim"].value, claims["victim"].person) == ("P-0001", "P-0001")
    assert (claims["description"].text, claims["description"].verbatim) == ("came to the house", True)


@pytest.mark.parametrize("wrong", [
    {"claim1_about": ""}, {"claim1_about": "P-0099"}, {"claim1_about": "Ivan"}, {"claim1_property": "sexual orientation"},
    {"claim1_property": ""}, {"claim1_property": "ground"}, {"claim1_property": "victim", "claim1_value": "P-0001"},
    {"claim1_valid": "yesterday"}, {"claim1_place": "P-0001"}, {"claim1_text": ""}, {"claim1_access": "rumour"},
    {"claim1_property": "alive", "claim1_value": "yes"}, {"claim1_text": "x" * 20_001}, {"claim1_speaker": "P-0099"},
])  # fmt: skip
def test_a_claim_that_does_not_fit_leaves_nothing(
    pages: Pages, items: dict[str, str], opened: Session, wrong: dict[str, str]
) -> None:
    """A claim the vocabulary does not know, about nobody, with a wrong date or place is refused with its number, and neither
    passage nor handle is left of it.
    """
    before = (opened.record.counts(), len(opened.testimony.passages("S-0001")), opened.record.next_number("passage"))
    answer = mark(pages, items["5.html"], quote="Ten men were held.", **(CLAIM | wrong))
    assert answer.status == 422 and "Claim 1" in answer.sentence and "Nothing was recorded" in answer.sentence
    opened.refresh()
    assert (opened.record.counts(), len(opened.testimony.passages("S-0001")), opened.record.next_number("passage")) == before


def test_a_form_without_a_claim_or_with_two_places_is_refused(pages: Pages, items: dict[str, str]) -> None:
    """Marks without statements are not kept, and a form cannot mean two passages."""
    assert "at least one claim" in mark(pages, items["5.html"], quote="Ten men were held.").sentence
    assert "leave one of them out" in mark(pages, items["5.html"], quote="Ten men", passage="Q-0001", **CLAIM).sentence


def test_a_claim_is_stated_on_a_passage_of_its_source_only(pages: Pages, items: dict[str, str], opened: Session) -> None:
    """A passage takes further claims, in the item's room and the source's; a passage of another source is refused."""
    first = passage_of(mark(pages, items["5.html"], quote="Ten men were held", **CLAIM))
    assert passage_of(mark(pages, items["5.html"], passage=first, **(CLAIM | {"claim1_text": "Ten were held."}))) == first
    form = {"passage": first, "claim.1.about": "P-0001", "claim.1.property": "statement", "claim.1.text": "All ten."}
    assert pages.ask("/read/S-0001", form).status == 303
    assert len(opened.record.claims(passage=first)) <= 3
    opened.refresh()
    assert len(opened.record.claims(passage=first)) == 3
    talk = {"claim.1.about": "P-0001", "claim.1.property": "statement", "claim.1.text": "x"}
    for passage in ("Q-0999", "x", ""):
        assert pages.ask("/read/S-0001", talk | {"passage": passage}).status == 422, passage
    assert mark(pages, items["5.html"], **CLAIM).status == 422
    assert mark(pages, items["5.html"], passage=first, source="S-0002", **(CLAIM | {"claim1_text": "Other."})).status == 422


def test_a_source_swapped_between_reading_and_marking_is_refused(pages: Pages, items: dict[str, str], opened: Session) -> None:
    """If the text that was read lies there no more, or another item's text or hash is sent, nothing is recorded."""
    handle = items[EVIL_NAME]
    form = hidden(pages.ask(f"/{handle}/read").text)
    other = hidden(pages.ask(f"/{items['1.txt']}/read").text)
    assert send(pages, handle, form | {"shown": other["shown"]}, quote="the men in black", **CLAIM).status == 422
    picture = hidden(pages.ask(f"/{items['4.jpg']}/read").text) | {"sha256": "0" * 64}
    assert send(pages, items["4.jpg"], picture, x="1", y="1", w="5", h="5", **CLAIM).status == 422
    opened.refresh()
    evidence.put_rows(opened, [Piece(handle, 1, "¶ 1, line 1", "harmless words, changed", "", "plain/1")])
    answer = send(pages, handle, form, quote="harmless words", **CLAIM)
    assert answer.status == 422 and "is not what this page showed" in answer.sentence
    assert passage_of(mark(pages, handle, quote="words, changed", **CLAIM))


def test_a_mark_is_not_shown_where_other_words_stand(pages: Pages, items: dict[str, str], opened: Session) -> None:
    """A passage keeps its words; a text that was read anew and differs there is not highlighted as if it said them."""
    handle = items["6.svg"]
    evidence.put_rows(opened, [Piece(handle, 1, "¶ 1", "these words stand here", "", "plain/1")])
    passage = passage_of(mark(pages, handle, quote="words stand", **CLAIM))
    assert f'data-marks="{passage}"' in pages.ask(f"/{handle}/read").text
    opened.refresh()
    evidence.put_rows(opened, [Piece(handle, 1, "¶ 1", "those deeds stood there", "", "plain/1")])
    text = pages.ask(f"/{handle}/read").text
    assert f'data-marks="{passage}"' not in text and "words stand" in text


def test_a_sealed_name_is_refused_while_names_are_open(pages: Pages, shell: Shell, items: dict[str, str]) -> None:
    """Where the identities are unlocked, a quotation and a claim with a sealed name are refused, by handle."""
    assert pages.ask("/names", {"passphrase": IDENTITIES}).status == 303
    try:
        quoted = mark(pages, items["1.txt"], quote="was his neighbour", **(CLAIM | {"claim1_text": f"{SEALED} lived there."}))
        assert quoted.status == 422 and "P-0001" in quoted.sentence and SEALED not in quoted.sentence
        marked = mark(pages, items["1.txt"], quote=f"{SEALED} was his", **CLAIM)
        assert marked.status == 422 and "P-0001" in marked.sentence and SEALED not in marked.sentence
        assert mark(pages, items["1.txt"], quote="his neighbour", **CLAIM).status == 303
    finally:
        pages.ask("/names/lock", {})


def test_with_an_item_goes_what_was_marked_in_it(pages: Pages, shell: Shell, items: dict[str, str], rings: list[Ring]) -> None:
    """Erasing one file erases its passages and the claims on them, and nothing that rests on others."""
    handle = items["8.srt"]
    passage = passage_of(mark(pages, handle, quote="Who took him?", **CLAIM))
    kept = passage_of(mark(pages, items["1.txt"], quote="On 3 March", **CLAIM))
    shell.amparo("erase", handle, "--authority", "at the request of who gave it", "--yes", secrets=[IDENTITIES])
    with Session(shell.workspace, rings) as session:
        assert session.testimony.passage(passage) is None and session.record.entity(passage) is None
        assert session.record.claims(passage=passage) == []
        assert session.testimony.passage(kept) is not None and len(session.record.claims(passage=kept)) == 1
    assert pages.ask(f"/{handle}/read").status == 404


_TEXT = st.text(st.sampled_from("ab \n\u202e\U0001f600س"), max_size=30)


@settings(max_examples=200)
@given(st.lists(_TEXT, min_size=1, max_size=4), st.data())
def test_whatever_is_copied_from_a_text_is_found_in_it(texts: list[str], data: st.DataObject) -> None:
    """Any run of words, over any pieces and in any script, is found, and at one of the places it was taken from."""
    pieces = [Piece("D-0001", number, "", text) for number, text in enumerate(texts, 1)]
    first = data.draw(st.integers(1, len(texts)))
    last = data.draw(st.integers(first, len(texts)))
    start = data.draw(st.integers(0, len(texts[first - 1])))
    end = data.draw(st.integers(start if first == last else 0, len(texts[last - 1])))
    words = marking.cut(pieces, marking.Spot(first, start, last, end))
    found = [marking.cut(pieces, spot) for spot in marking.find(pieces, words)]
    if words.strip():
        assert " ".join(words.split()).replace("\u202e", "\ufffd") in [
            " ".join(one.split()).replace("\u202e", "\ufffd") for one in found
        ]
    else:
        assert found == []


@given(st.one_of(
    st.builds(Words, st.just("D-2-0001"), st.sampled_from(["p. 3, ¶ 2", "¶ 9", "piece 4"]),
              st.sampled_from(["pdf/1", "vosk/3 a ru"]),
              *[st.integers(0, 10**9 - 1)] * 4),
    st.builds(Region, st.just("D-0001"), st.integers(0, 10**6 - 1), *[st.integers(0, 10_000).map(lambda n: n / 100)] * 4),
    st.builds(Stretch, st.just("D-0001"), *[st.integers(0, 10**9).map(lambda n: n / 1000)] * 2),
))  # fmt: skip
def test_a_place_is_read_back_from_its_locator(place: locators.Place) -> None:
    """What a locator says is what was written, and the part for people has no bracket."""
    assert locators.parse(str(place)) == place
    assert "[" not in locators.plain(str(place))


@given(st.text(max_size=60))
def test_any_other_locator_is_left_alone(text: str) -> None:
    """Locators of imports are no places of ours and are shown as they are."""
    assert locators.parse(text) is None and locators.plain(text) == text


# -- in a browser -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def fresh(shell: Shell, items: dict[str, str]) -> Iterator[Pages]:
    shell.amparo("unlock", secrets=[EVERYDAY])  # the pages before these locked it when they ended
    opened = Pages(shell.workspace, shell.environment)
    yield opened
    opened.close()


@browsing
def test_words_are_marked_by_selecting_them(browser: Any, fresh: Pages, items: dict[str, str]) -> None:
    """Select words (twice in the text), press c, state, record: the second place is marked; n and g n go on by keyboard."""
    from playwright.sync_api import expect

    with tab(browser, fresh) as page:
        page.goto(f"{fresh.base}/{items['9.txt']}/read")
        page.evaluate("""() => {
            const text = document.querySelectorAll('[data-piece="1"] [data-at]');
            const last = text[text.length - 1].firstChild;
            const at = last.data.lastIndexOf("white car");
            getSelection().setBaseAndExtent(last, at, last, at + 9);
        }""")
        expect(page.locator("[data-quote]")).to_have_value("white car")
        page.keyboard.press("c")
        page.keyboard.type("P-0001")
        page.fill('[name="claim.1.property"]', "Statement")
        page.fill('[name="claim.1.text"]', "By selection.")
        page.get_by_role("button", name="Record it").click()
        page.wait_for_url(re.compile(r"passage=Q-"))
        marks = page.locator("mark", has_text="white car")
        assert marks.count() == 1
        page.keyboard.press("n")
        assert page.locator(".passage.at").count() == 1
        page.keyboard.press("?")
        assert page.locator("dialog[open]").count() == 1
        page.keyboard.press("Escape")
        page.goto(f"{fresh.base}/{items['2.pdf']}/read")
        page.keyboard.press("g")
        page.keyboard.press("n")
        page.wait_for_url(re.compile("at=2"))


@browsing
def test_a_region_is_dragged_and_a_time_is_taken_from_the_player(browser: Any, fresh: Pages, items: dict[str, str]) -> None:
    """A box drawn with the mouse fills its numbers; [ and ] take the time that is played, and the stream plays."""
    from playwright.sync_api import expect

    with tab(browser, fresh) as page:
        page.goto(f"{fresh.base}/{items['4.jpg']}/read")
        expect(page.locator("[data-sheet] img")).to_have_js_property("complete", True)
        box = page.locator("[data-sheet] svg").bounding_box()
        page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.5)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.9)
        page.mouse.up()
        assert abs(float(page.input_value("#x")) - 25) < 1 and abs(float(page.input_value("#w")) - 50) < 1
        page.goto(f"{fresh.base}/{items['3.wav']}/read")
        expect(page.locator("[data-player]")).to_have_js_property("duration", 20)
        page.evaluate("document.querySelector('[data-player]').currentTime = 12.5")
        expect(page.locator("[data-player]")).to_have_js_property("seeking", False)
        page.keyboard.press("[")
        assert page.input_value("#start") == "00:00:12.500"


@browsing
def test_a_film_is_played_and_a_stretch_of_it_is_stated_on(browser: Any, fresh: Pages, items: dict[str, str]) -> None:
    """A sealed film plays from its ranges; [ and ] take a stretch of it, and the claim on it stands in the room."""
    from playwright.sync_api import expect

    with tab(browser, fresh) as page:
        page.goto(f"{fresh.base}/{items['10.webm']}/read")
        player = page.locator("video[data-player]")
        expect(player).to_have_js_property("videoWidth", 160)
        page.evaluate("document.querySelector('[data-player]').currentTime = 2")
        expect(player).to_have_js_property("seeking", False)
        page.keyboard.press("[")
        page.evaluate("document.querySelector('[data-player]').currentTime = 4.5")
        expect(player).to_have_js_property("seeking", False)
        page.keyboard.press("]")
        assert (page.input_value("#start"), page.input_value("#end")) == ("00:00:02.000", "00:00:04.500")
        page.fill("#words-heard", "A grey yard.")
        page.fill('[name="claim.1.about"]', "P-0001")
        page.fill('[name="claim.1.property"]', "Statement")
        page.fill('[name="claim.1.text"]', "On a stretch of film.")
        page.get_by_role("button", name="Record it").click()
        page.wait_for_url(re.compile(r"passage=Q-"))
        expect(page.locator(".passage", has_text="A grey yard.")).to_contain_text("On a stretch of film.")


@browsing
def test_the_room_works_without_scripts(browser: Any, fresh: Pages, items: dict[str, str]) -> None:
    """With JavaScript off the words are typed, the one place is chosen where they stand twice, and the mark is there."""
    with tab(browser, fresh, java_script_enabled=False) as page:
        page.goto(f"{fresh.base}/{items['9.txt']}/read")
        page.fill("#quote", "car")
        page.fill('[name="claim.1.about"]', "P-0001")
        page.fill('[name="claim.1.property"]', "Statement")
        page.fill('[name="claim.1.text"]', "Without scripts.")
        page.get_by_role("button", name="Record it").click()
        page.locator('input[type="radio"][name="spot"]').nth(1).check()
        page.get_by_role("button", name="Record it").click()
        page.wait_for_url(re.compile(r"passage=Q-"))
        assert page.locator("mark", has_text=re.compile("^car$")).count() == 1
        assert "Without scripts." in page.content()


@browsing
def test_everybody_can_use_the_room(browser: Any, fresh: Pages, items: dict[str, str]) -> None:
    """axe-core finds nothing serious in the rooms of text, picture, PDF, sound and on an item's page, light and dark; at 360
    pixels nothing is scrolled sideways, in either direction of writing.
    """
    from axe_playwright_python.sync_playwright import Axe

    paths = [f"/{items[name]}/read" for name in ("1.txt", "2.pdf", "3.wav", "4.jpg")] + [f"/{items['5.html']}", "/read/S-0001"]
    with tab(browser, fresh, bypass_csp=True, viewport={"width": 360, "height": 740}) as page:
        for path in paths:
            page.goto(fresh.base + path)
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                found = Axe().run(page).response["violations"]
                serious = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
                assert serious == [], (scheme, path)
            for direction in ("ltr", "rtl"):
                page.evaluate(f"document.documentElement.dir = '{direction}'")
                assert page.evaluate("document.documentElement.scrollWidth") <= 360, (direction, path)


@browsing
def test_hostile_files_run_nothing_in_a_browser(browser: Any, fresh: Pages, items: dict[str, str]) -> None:
    """Every page of every hostile file is looked at: no script runs, no policy is broken, nothing off this machine is asked."""
    with tab(browser, fresh) as page:
        for name in ("1.txt", "5.html", "6.svg", EVIL_NAME):
            for path in ("", "/read"):
                page.goto(f"{fresh.base}/{items[name]}{path}")
                assert "taken" not in page.title()


def test_a_locked_workspace_shows_no_item_of_the_session_before(shell: Shell, items: dict[str, str]) -> None:
    """After a lock items, drawn pages, streams, rooms and forms all lead to the passphrase, for the same browser."""
    shell.amparo("unlock", secrets=[EVERYDAY])
    with_pages = Pages(shell.workspace, shell.environment).opened()
    try:
        assert with_pages.ask(f"/{items['4.jpg']}/drawn/1.png").status == 200
        shell.lock()
        for _try in range(100):
            if with_pages.ask("/").headers.get("location") == "/unlock":
                break
        for path in ("", "/read", "/drawn/1.png", "/stream"):
            answer = with_pages.ask(f"/{items['4.jpg']}{path}")
            assert (answer.status, answer.headers.get("location")) == (303, "/unlock"), path
        for path in ("/read", "/copy", "/reading", "/proofs", "/like"):
            answer = with_pages.ask(f"/{items['4.jpg']}{path}", {"reason": "x"})
            assert (answer.status, answer.headers.get("location")) == (303, "/unlock"), path
    finally:
        with_pages.close()
