"""Mail, chats and archives are read to their last part, and what is broken, hostile or ambiguous in them is said.

All persons and messages are made up; all files are generated here.
"""

import base64
import bz2
import gzip
import io
import json
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_kit import from_here, high_water, measured

from amparo.evidence import frames
from amparo.evidence.findings import Chunk, Data, Facts, Finding, Hints, Member, MemberEnd, Text, Unreadable, Warn
from amparo.evidence.readers import archive, mail, msg, packed, signal, telegram, whatsapp
from amparo.evidence.sandbox import FileUnreadable, Sandbox

LIBARCHIVE = pytest.mark.skipif(not packed.AVAILABLE, reason="libarchive is not installed (Debian: libarchive13)")


def found(reader: ModuleType, data: bytes, name: str = "", **options: object) -> list[Finding]:
    return list(reader.read(io.BytesIO(data), Hints(name=name, size=len(data), options=dict(options))))


def texts(findings: list[Finding]) -> dict[str, str]:
    return {finding.locator: finding.text for finding in findings if isinstance(finding, Text)}


def facts(findings: list[Finding], kind: str) -> list[Data]:
    return [finding.data for finding in findings if isinstance(finding, Facts) and finding.kind == kind]


def warnings(findings: list[Finding]) -> str:
    return "\n".join(finding.sentence for finding in findings if isinstance(finding, Warn))


def members(findings: list[Finding]) -> list[tuple[str, bytes, str]]:
    """(path, content, problem) of each member; asserts that members, chunks and ends come in order."""
    out: list[tuple[str, bytes, str]] = []
    path: str | None = None
    content = b""
    for finding in findings:
        if isinstance(finding, Member):
            assert path is None
            path, content = finding.path, b""
        elif isinstance(finding, Chunk):
            assert path is not None and 0 < len(finding.data) <= 1 << 20
            content += finding.data
        elif isinstance(finding, MemberEnd):
            assert path is not None
            out.append((path, content, finding.problem))
            path = None
    assert path is None
    return out


# -- mail -------------------------------------------------------------------------------------------------------------------

LETTER = (
    b"Received: from a.example ([10.1.2.3]) by b.example with ESMTP; Tue, 28 Mar 2017 14:05:02 +0300\r\n"
    b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=k1; t=1490699100; bh=x; b=y\r\n"
    b"From: =?koi8-r?B?8MXS18HR?= <v001@example.org>\r\n"
    b'To: "Two, V" <v002@example.org>, v003@example.org\r\n'
    b"Subject: =?utf-8?B?0J/RgNC4?=\r\n =?utf-8?B?0LLQtdGC?= =?iso-8859-6?Q?=E5=D1?=\r\n"
    b"Date: Tue, 28 Mar 2017 14:05:00 +0300\r\nMessage-ID: <1@example.org>\r\nIn-Reply-To: <0@example.org>\r\n"
    b'Content-Type: multipart/mixed; boundary="outer"\r\n\r\nThis is a multi-part message in MIME format.\r\n'
    b'--outer\r\nContent-Type: multipart/alternative; boundary="inner"\r\n\r\n'
    b"--inner\r\nContent-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"=F0=D2=C9=D7=C5=D4=\r\n, V-002\r\n\r\nsecond\r\n"
    b"--inner\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    b"<p>hello<p hidden>hidden <b>words</b><script>code()</script><img src=http://tracker.example/x alt=pic>\r\n--inner--\r\n"
    b"--outer\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n"
    b"Content-Disposition: attachment; filename*0*=utf-8''%D1%84%D0%BE; filename*1*=%D1%82%D0%BE.png\r\n\r\niVBORw0KGgo=\r\n"
    b"--outer\r\nContent-Type: message/rfc822\r\n\r\nFrom: v004@example.org\r\nSubject: inside\r\n\r\ninner body\r\n"
    b"--outer--\r\nwords after the end\r\n"
)


def test_a_letter_is_read_with_names_times_relays_and_parts() -> None:
    """Encoded names, zones, the chain of relays, both bodies, the attachment and the letter inside come out."""
    findings = found(mail, LETTER)
    head, inner = facts(findings, "message")
    assert head["from"] == [{"name": "Первая", "address": "v001@example.org"}]
    assert [person["address"] for person in head["to"]] == ["v002@example.org", "v003@example.org"]
    assert head["subject"] == "Приветمر" and head["in_reply_to"] == "<0@example.org>"
    assert head["date"] == mail.time_of("Tue, 28 Mar 2017 14:05:00 +0300")
    relay = {"from": "a.example", "by": "b.example", "with": "ESMTP", "ip": ["10.1.2.3"]}
    assert head["received"] == [relay | {"date": mail.time_of("Tue, 28 Mar 2017 14:05:02 +0300")}]
    assert head["dkim"] == [{"algorithm": "rsa-sha256", "domain": "example.org", "selector": "k1", "time": "1490699100"}]
    told = texts(findings)
    assert told["¶ 1"] == "Привет, V-002" and told["¶ 2"] == "second"
    assert told["HTML ¶ 2"] == "hidden words [pic]" and "code" not in str(told)
    assert (inner["number"], told["message 1.1.3, ¶ 1"]) == ("1.1.3", "inner body")
    assert "words after the end" in told.values()
    assert members(findings) == [("message 1/part 1.2/фото.png", b"\x89PNG\r\n\x1a\n", "")]


def test_a_mailbox_is_parted_at_its_envelopes_only() -> None:
    """A quoted ">From " is undone, and a body line that merely begins with "From" does not begin a message."""
    box = (
        b"From a@b Tue Mar 28 14:05:00 2017\n"
        + LETTER.replace(b"\r\n", b"\n")
        + (
            b"\nFrom - Wed Mar 29 10:00:00 2017\nSubject: two\n\n>From here on\n\nFrom there we went, 12 persons\n"
            b"\nFrom 123@xxx Thu Mar 30 10:00:00 +0000 2017\nSubject: three\n\n"
        )
    )
    findings = found(mail, box)
    assert [data["number"] for data in facts(findings, "message")] == ["1", "1.1.3", "2", "3"]
    told = texts(findings)
    assert told["message 2, ¶ 1"] == "From here on" and told["message 2, ¶ 2"] == "From there we went, 12 persons"
    third = facts(findings, "message")[3]
    assert box[third["offset"] :].startswith(b"From 123@xxx")


@pytest.mark.parametrize(
    ("written", "iso", "utc"),
    [
        ("Tue, 28 Mar 2017 14:05:00 -0000", "2017-03-28T14:05:00", None),
        ("Tue, 28 Mar 2017 14:05:00", "2017-03-28T14:05:00", None),
        ("Tue, 28 Mar 2017 14:05:00 +0300", "2017-03-28T14:05:00+03:00", 1490699100000),
        ("28 Mar 17 14:05 EST", "2017-03-28T14:05:00-05:00", 1490727900000),
        ("yesterday", "", None),
        ("Tue, 99 Mar 2017 14:05:00 +0300", "", None),
        ("Tue, 28 Mar 2017 14:05:00 +999999999", "", None),
    ],
)
def test_a_time_without_a_zone_stays_without_one(written: str, iso: str, utc: int | None) -> None:
    """A date of mail is never given a zone that it does not name, and one that cannot be read is shown as written."""
    assert mail.time_of(written) == {"written": written, "iso": iso, "utc": utc}


@pytest.mark.parametrize(
    "subject",
    [
        "=?utf-8?B?!!!!?=", "=?utf-8?B?0J?=", "=?no-such-charset?Q?x=FF?=", "=?utf-8?Q?=ZZ?=", "=?idna?Q?xn--?=", "=?utf-8?",
        "=?utf-8?B?" + "A" * 70001 + "?=", "=?hex?Q?00?=", "=?undefined?Q?abc?=",
    ],
)  # fmt: skip
def test_a_broken_encoded_word_is_shown_as_far_as_it_can_be(subject: str) -> None:
    """Broken RFC 2047 in a header raises nothing."""
    findings = found(mail, f"Subject: {subject}\nFrom: {subject} <a@b>\n\nbody\n".encode())
    assert texts(findings)["¶ 1"] == "body"


def test_a_message_without_a_charset_is_read_by_its_letters_and_that_is_called_a_guess() -> None:
    """A Russian text in KOI8-R whose header names no charset is readable, with a warning."""
    text = "Его увезли ночью, и никто не знает куда. Мы просим помочь найти его."
    findings = found(mail, b"Subject: x\n\n" + text.encode("koi8-r"))
    assert texts(findings)["¶ 1"] == text and "guess" in warnings(findings)


def test_mime_that_is_cut_off_says_so() -> None:
    """A letter cut in its attachment gives the attachment's beginning and says that the boundary is missing."""
    findings = found(mail, LETTER[: LETTER.index(b"iVBORw0") + 6])
    assert members(findings)[0][1:] == (b"\x89PNG", "")
    assert "closing boundary" in warnings(findings)


def test_base64_in_several_runs_and_with_foreign_bytes_loses_nothing() -> None:
    """What mailers join or break with spaces, and padding in the middle, is decoded whole; a damaged end is told."""
    body = base64.b64encode(b"one") + b"\r\n" + base64.b64encode(b"two!") + b"\r\n !! " + base64.b64encode(b"three!!") + b"Q"
    letter = b"From: a@b\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n" + body
    assert members(found(mail, letter))[0][1:] == (b"onetwo!three!!", "Its base64 text is damaged or cut off.")


@pytest.mark.parametrize("kind", ["multipart/mixed; boundary=q", "multipart/mixed"])
def test_parts_within_parts_within_parts_do_not_exhaust_the_stack(kind: str) -> None:
    """A thousand nested multiparts, with one boundary or none, are read flat after the deepest that is followed."""
    letter = "".join(f"Content-Type: {kind}\n\n--q\n" for _ in range(1000)) + "\n\nbottom\n"
    assert "bottom" in str(texts(found(mail, letter.encode())))
    nested = "Content-Type: message/rfc822\n\n" * 1000 + "\nbottom\n"
    assert found(mail, nested.encode())


def test_what_is_no_mail_is_refused() -> None:
    """A file that begins with no header field is not taken for a letter."""
    with pytest.raises(Unreadable, match="no e-mail"):
        found(mail, b"\x00\x01\x02 nothing")


class Repeated(io.RawIOBase):
    """A unit so many times over, made as it is read."""

    def __init__(self, unit: bytes, times: int) -> None:
        self.unit, self.size, self.at = unit * (1 + (1 << 20) // len(unit)), len(unit) * times, 0
        self.step = len(unit)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = {0: 0, 1: self.at, 2: self.size}[whence] + offset
        return self.at

    def tell(self) -> int:
        return self.at

    def readinto(self, buffer: Any) -> int:
        start = self.at % self.step
        data = self.unit[start : start + min(len(buffer), self.size - self.at)]
        buffer[: len(data)] = data
        self.at += len(data)
        return len(data)


UNIT = (
    b"From a@b Tue Mar 28 14:05:00 2017\nSubject: x\nContent-Type: multipart/mixed; boundary=q\n\n--q\n\nhello\n--q\n"
    b"Content-Type: image/png; name=a.png\nContent-Transfer-Encoding: base64\n\n"
    + base64.encodebytes(bytes(700_000))
    + b"--q--\n\n"
)


@pytest.mark.parametrize(
    ("unit", "size"),
    [(UNIT, 300), (b"Subject: x\n\n" + b"x" * 70_000, 100), (b"a: b\n", 20), (b"From: x\nX-Long: " + b"y" * 999_999, 100)],
    ids=["mailbox of 300 MB", "lines without end", "header without end", "field without end"],
)
@measured
def test_memory_stays_flat_over_a_large_mailbox(unit: bytes, size: int) -> None:
    """300 MB of mail, or a header or line without an end, raise the peak of memory by less than 40 MiB."""
    list(mail.read(Repeated(unit, 1), Hints()))  # type: ignore[arg-type]
    before = from_here()
    for _finding in mail.read(Repeated(unit, size * 1_000_000 // len(unit)), Hints()):  # type: ignore[arg-type]
        pass
    assert high_water() - before < 40 << 20


# -- Outlook ----------------------------------------------------------------------------------------------------------------

Tree = dict[str, "bytes | Tree"]
FREE, END, FAT, NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF


def compound(tree: Tree) -> bytes:
    """A compound file (MS-CFB, version 3) with these storages and streams."""
    entries: list[list[Any]] = []

    def add(name: str, node: "bytes | Tree") -> int:
        index = len(entries)
        entries.append([name, 2 if isinstance(node, bytes) else 1, node if isinstance(node, bytes) else b"", NONE, NONE])
        if not isinstance(node, bytes):
            kids = [add(*kid) for kid in sorted(node.items(), key=lambda kid: (len(kid[0]), kid[0].upper()))]
            for left, right in pairwise(kids):
                entries[left][3] = right
            entries[index][4] = kids[0] if kids else NONE
        return index

    add("Root Entry", tree)
    entries[0][1] = 5
    fat: list[int] = []
    sectors: list[bytes] = []

    def put(data: bytes) -> int:
        start, count = len(fat), -(-len(data) // 512)
        fat.extend([*range(start + 1, start + count), END] if count else [])
        sectors.append(data + bytes(count * 512 - len(data)))
        return start if count else END

    small, chain, places = b"", list[int](), dict[int, int]()
    for index, (_name, kind, data, _right, _child) in enumerate(entries):
        if kind == 2 and len(data) >= 4096:
            places[index] = put(data)
        elif kind == 2 and data:
            places[index], count = len(chain), -(-len(data) // 64)
            chain += [*range(len(chain) + 1, len(chain) + count), END]
            small += data + bytes(count * 64 - len(data))
    places[0] = put(small)
    table = struct.pack(f"<{len(chain)}L", *chain)
    start_small = put(table + b"\xff" * (-len(table) % 512))
    listing = b""
    for index, (name, kind, data, right, child) in enumerate(entries):
        raw = name.encode("utf-16-le") + b"\0\0"
        size = len(small) if kind == 5 else len(data)
        listing += raw.ljust(64, b"\0") + struct.pack("<HBBLLL", len(raw), kind, 1, NONE, right, child) + bytes(36)
        listing += struct.pack("<LQ", places.get(index, END), size)
    start_listing = put(listing + bytes(-len(listing) % 512))
    count = -(-len(fat) // 127)
    first = len(fat)
    fat += [FAT] * count + [FREE] * (count * 128 - len(fat) - count)
    sectors.append(struct.pack(f"<{len(fat)}L", *fat))
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<9L", 0, count, start_listing, 0, 4096, start_small, -(-len(table) // 512), END, 0)
    head += struct.pack("<109L", *range(first, first + count), *[FREE] * (109 - count))
    return head + b"".join(sectors)


def properties(header: int, **fixed: bytes) -> bytes:
    """A property stream; keys are "t" and tag and type in hexadecimal."""
    out = bytes(header)
    for key, value in fixed.items():
        out += struct.pack("<HHL", int(key[5:], 16), int(key[1:5], 16), 0) + value.ljust(8, b"\0")
    return out


def wide(text: str) -> bytes:
    return text.encode("utf-16-le")


def outlook() -> Tree:
    ticks = struct.pack("<Q", (1490699100 + 11644473600) * 10**7)
    return {
        "__properties_version1.0": properties(32, t00390040=ticks, t3FDE0003=struct.pack("<l", 65001)),
        "__substg1.0_0037001F": wide("Тема"), "__substg1.0_1000001F": wide("one\r\n\r\ntwo"),
        "__substg1.0_10130102": "<p>при<p>вет".encode(), "__substg1.0_0C1A001F": wide("V-001"),
        "__substg1.0_0C1F001F": wide("v001@example.org"),
        "__recip_version1.0_#00000000": {
            "__properties_version1.0": properties(8, t0C150003=struct.pack("<l", 1)), "__substg1.0_3001001F": wide("V-002"),
            "__substg1.0_39FE001F": wide("v002@example.org"),
        },
        "__attach_version1.0_#00000000": {
            "__properties_version1.0": properties(8), "__substg1.0_3707001F": wide("фото.jpg"),
            "__substg1.0_37010102": bytes(range(256)) * 5000, "__substg1.0_370E001F": wide("image/jpeg"),
        },
        "__attach_version1.0_#00000001": {
            "__properties_version1.0": properties(8),
            "__substg1.0_3701000D": {
                "__properties_version1.0": properties(24), "__substg1.0_0037001F": wide("inside"),
                "__substg1.0_1000001F": wide("inner body"),
            },
        },
    }  # fmt: skip


def test_an_outlook_message_is_read_with_its_persons_attachment_and_inner_message() -> None:
    """Subject, UTC time of sending, sender, recipients, both bodies, an attachment along its sectors, a message inside."""
    findings = found(msg, compound(outlook()))
    head, inner = facts(findings, "message")
    assert head["from"] == [{"name": "V-001", "address": "v001@example.org"}]
    assert head["to"] == [{"name": "V-002", "address": "v002@example.org"}]
    assert head["date"]["iso"] == "2017-03-28T11:05:00+00:00" and head["subject"] == "Тема"
    told = texts(findings)
    assert (told["¶ 1"], told["¶ 2"], told["HTML ¶ 2"]) == ("one", "two", "вет")
    assert (inner["subject"], told["message 1.2, ¶ 1"]) == ("inside", "inner body")
    assert members(findings) == [("message 1/фото.jpg", bytes(range(256)) * 5000, "")]


def test_headers_of_transport_win_over_outlooks_own() -> None:
    """Where the message still has the header it came with, that one is told."""
    tree = outlook() | {"__substg1.0_007D001F": wide("From: real@example.org\r\nDate: Tue, 28 Mar 2017 14:05:00 +0300\r\n")}
    head = facts(found(msg, compound(tree)), "message")[0]
    assert head["from"][0]["address"] == "real@example.org" and head["date"]["iso"].endswith("+03:00")
    assert head["outlook"]["sender"]["address"] == "v001@example.org"


def test_compressed_rtf_is_unpacked() -> None:
    """The example of MS-OXRTFCP §4.1.1 gives the text that the specification says."""
    packed_text = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
    )
    assert msg.unpacked_rtf(packed_text) == (b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n", "")
    assert "cut off" in msg.unpacked_rtf(packed_text[:30])[1]


def test_an_attachment_whose_sectors_run_in_a_circle_ends() -> None:
    """A loop in the table of sectors cannot make an attachment longer than its size."""
    data = bytearray(compound(outlook()))
    table = struct.unpack_from("<L", data, 76)[0] * 512 + 512
    struct.pack_into("<L", data, table + 4 * 5, 1)
    content = [part for _path, part, _problem in members(found(msg, bytes(data)))]
    assert len(content[0]) == 256 * 5000


# -- chats ------------------------------------------------------------------------------------------------------------------


def test_whatsapp_lines_go_on_and_system_messages_have_no_sender() -> None:
    """A message of two lines is one piece; who wrote it stands in its place; a notice of the system has nobody."""
    findings = found(whatsapp, (
        "28.03.17, 14:05 - V-001: Привет\nвторая строка\n28.03.17, 14:06 - Сообщения защищены\n"
        "29.03.17, 09:00 - V-002: IMG-20170401-WA0001.jpg (файл добавлен)\n29.03.17, 09:01 - V-002: <Без медиафайлов>\n"
    ).encode(), "chat.txt")  # fmt: skip
    told = texts(findings)
    assert told["message 1, 2017-03-28 14:05, V-001"] == "Привет\nвторая строка"
    assert told["message 2, 2017-03-28 14:06"] == "Сообщения защищены"
    talk = facts(findings, "conversation")[0]
    assert talk["date_order"] == "day/month/year" and talk["clock"] == "24-hour" and talk["zone"].startswith("not stated")
    assert [(entry["path"], entry["present"]) for entry in talk["files"]] == [("IMG-20170401-WA0001.jpg", None), ("", False)]


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("[28/03/2017, 14:05:09] V-001: x", "2017-03-28 14:05"),
        ("\u200e[3/28/17, 2:05:09\u202fPM] V-001: x", "2017-03-28 14:05"),
        ("3/28/17, 12:05\u202fAM - V-001: x", "2017-03-28 00:05"),
        ("3/28/17, 12:05 PM - V-001: x", "2017-03-28 12:05"),
        ("28/3/17, 2:05 p.\xa0m. - V-001: x", "2017-03-28 14:05"),
        ("28.03.2017, 14:05 - V-001: x", "2017-03-28 14:05"),
        ("28-03-17 14:05 - V-001: x", "2017-03-28 14:05"),
        ("[28.3.2017 klo 14.05.09] V-001: x", "2017-03-28 14:05"),
        ("2017-03-28, 14:05 - V-001: x", "2017-03-28 14:05"),
        ("2017/3/28 下午2:05 - V-001: x", "2017-03-28 14:05"),
        ("2017. 3. 28. 오후 2:05 - V-001: x", "2017-03-28 14:05"),
        ("\u200f٢٨\u200f/٣\u200f/٢٠١٧، ٢:٠٥ م - V-001: x", "2017-03-28 14:05"),
        ("[۲۸/۳/۲۰۱۷، ۱۴:۰۵:۰۹] V-001: x", "2017-03-28 14:05"),
        ("1396/1/8، 14:05 - V-001: x", "1396/1/8، 14:05"),
    ],
)
def test_whatsapp_dates_of_many_places_are_read(line: str, place: str) -> None:
    """12 and 24 hours, narrow spaces, marks of direction, digits of three scripts; another calendar's year stays as written."""
    assert texts(found(whatsapp, line.encode())) == {f"message 1, {place}, V-001": "x"}


def test_whatsapp_a_day_and_month_that_cannot_be_told_apart_are_both_given() -> None:
    """Without a day above 12 both dates stand in the place, with how often each reading runs back in time."""
    findings = found(whatsapp, b"5/6/17, 10:00 - V-001: a\n6/6/17, 10:00 - V-001: b\n7/5/17, 10:00 - V-001: c\n")
    assert "message 1, 2017-06-05 or 2017-05-06 10:00, V-001" in texts(findings)
    assert facts(findings, "conversation")[0]["backward_steps"] == {"day/month/year": 1, "month/day/year": 0}
    assert "both readings" in warnings(findings)


def test_whatsapp_one_line_late_in_the_file_decides_for_all() -> None:
    """A day above 12 settles the order for the first message too; a pasted foreign line does not undo it."""
    lines = [f"{day}/6/17, 10:00 - V-001: a" for day in range(1, 13)] * 4 + ["13/6/17, 10:00 - V-001: b"] * 2
    findings = found(whatsapp, "\n".join([*lines, "6/28/17, 10:00 - V-002: pasted"]).encode())
    talk = facts(findings, "conversation")[0]
    assert talk["date_order"] == "day/month/year" and talk["dates_that_do_not_fit"] == 1
    told = texts(findings)
    assert "message 1, 2017-06-01 10:00, V-001" in told
    assert "message 51, 6/28/17, 10:00, V-002" in told


def chat_zip(files: dict[str, bytes | str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in files.items():
            bundle.writestr(name, data)
    return out.getvalue()


TELEGRAM = [
    {"id": 1, "type": "service", "date": "2017-03-28T14:00:00", "date_unixtime": "1490698800", "actor": "V-001",
     "action": "create_group", "title": "G", "members": ["V-002", None], "text": ""},
    {"id": 2, "type": "message", "date": "2017-03-28T14:05:00", "date_unixtime": "1490699100", "from": "V-001",
     "text": ["see ", {"type": "text_link", "text": "this", "href": "http://example.org"}], "photo": "photos/1.jpg",
     "location_information": {"latitude": 43.3, "longitude": 45.7}, "forwarded_from": "V-009"},
    {"id": 3, "type": "message", "date": "2017-03-28T14:06:00", "from": None, "from_id": "user7", "text": "ok",
     "file": "(File not included. Change data exporting settings to download.)", "reply_to_message_id": 2},
]  # fmt: skip
SINGLE = {"name": "Made up", "type": "private_group", "id": 1, "messages": TELEGRAM}


@pytest.mark.parametrize(
    ("reader", "files", "here", "missing"),
    [
        (whatsapp, {"WhatsApp Chat.txt": "28.03.17, 14:05 - V-001: \u200e<attached: a.jpg>\n"
                    "28.03.17, 14:05 - V-001: b.pdf (file attached)\n", "a.jpg": b"x"}, "a.jpg", "b.pdf"),
        (telegram, {"Export/result.json": json.dumps(SINGLE), "Export/photos/1.jpg": b"x"}, "photos/1.jpg", ""),
        (signal, {"V-002/data.json": json.dumps({"date": "2017-03-28T14:05:00", "sender": "V-002", "body": "hi",
                  "reactions": [], "attachments": [{"path": "media/a.jpg"}, {"path": "media/b.jpg"}]}),
                  "V-002/media/a.jpg": b"x"},
         "media/a.jpg", "media/b.jpg"),
    ],
    ids=["WhatsApp", "Telegram", "Signal"],
)  # fmt: skip
def test_a_chat_in_an_archive_has_its_files_and_lists_those_that_are_missing(
    reader: ModuleType, files: dict[str, bytes | str], here: str, missing: str
) -> None:
    """Messages become text, files become members, and a file that a message names but that did not come is listed."""
    findings = found(reader, chat_zip(files))
    assert texts(findings) and [path for path, _data, problem in members(findings) if not problem] == list(files)
    listed = {entry["path"]: entry["present"] for entry in facts(findings, "conversation")[0]["files"]}
    assert listed[here] is True and listed[missing] is False
    assert "did not come" in warnings(findings)


def test_telegrams_json_keeps_zones_services_links_and_places() -> None:
    """The zone follows from the two times; a sender without a name is told by id; what is not text stands in brackets."""
    told = list(texts(found(telegram, json.dumps(SINGLE).encode())).items())
    assert told[0] == ("message 1 (id 1), 2017-03-28 14:00 UTC+03:00, V-001", "[create_group G V-002]")
    assert told[1][1] == "see this <http://example.org>\n[photo: photos/1.jpg]\n[forwarded from V-009]\n[location 43.3, 45.7]"
    assert told[2][0] == "message 3 (id 3), 2017-03-28 14:06, user7"


def test_a_whole_account_of_telegram_gives_each_chat() -> None:
    """The full export has facts for each chat, and places name the chat."""
    chats = [SINGLE | {"name": name, "messages": TELEGRAM[1:2]} for name in ("A", "B")]
    whole = {"about": "x", "personal_information": {"user_id": 1}, "chats": {"about": "y", "list": chats}}
    findings = found(telegram, json.dumps(whole).encode())
    assert [data["name"] for data in facts(findings, "conversation")] == ["A", "B"]
    assert "chat 2, message 1 (id 2), 2017-03-28 14:05 UTC+03:00, V-001" in texts(findings)


def test_a_telegram_export_that_breaks_off_keeps_what_stood_before() -> None:
    """A cut result.json gives its whole messages and says after which it ends."""
    findings = found(telegram, json.dumps(SINGLE).encode()[:-150])
    assert len(texts(findings)) == 2 and "after message 2" in warnings(findings)
    assert facts(findings, "conversation")[0]["complete"] is False


PAGE = """<!DOCTYPE html><html><head><title>Exported Data</title></head><body><div class="page_wrap">
<div class="page_header"><div class="content"><div class="text bold"> Made up </div></div></div><div class="history">
<div class="message service" id="message-1"><div class="body details">28 March 2017</div></div>
<div class="message default clearfix" id="message2"><div class="body">
<div class="pull_right date details" title="28.03.2017 14:05:00 UTC+03:00">14:05</div><div class="from_name">V-001 </div>
<div class="media_wrap clearfix"><a class="photo_wrap clearfix pull_left" href="photos/1.jpg"></a></div>
<div class="text">Привет<br>see <a href="http://example.org">this</a></div></div></div>
<div class="message default clearfix joined" id="message3"><div class="body">
<div class="pull_right date details" title="28.03.2017 14:06:00">14:06</div>
<div class="reply_to details">In reply to <a href="#go_to_message2">this message</a></div>
<div class="media_wrap clearfix"><div class="media clearfix pull_left media_video"><div class="body">
<div class="title bold">Video</div>
<div class="description">Not included, change data exporting settings to download.</div></div></div></div></div></div>
</div></div></body></html>"""


def test_telegrams_html_is_read_like_its_json() -> None:
    """Sender of a joined message, zone, file, reply and what was left out come from the classes of the page."""
    findings = found(telegram, PAGE.encode())
    told = texts(findings)
    assert told["message 2 (id 2), 2017-03-28 14:05 UTC+03:00, V-001"].startswith("Привет\nsee this\n<http://example.org>")
    assert told["message 3 (id 3), 2017-03-28 14:06, V-001"].endswith("[in reply to message id 2]")
    talk = facts(findings, "conversation")[0]
    assert talk["name"] == "Made up" and talk["missing_files"] == 1
    assert "cut off" in warnings(found(telegram, PAGE.encode()[:-30]))


OWN = [
    {"version": "1", "backupTimeMs": "1490700000000"}, {"recipient": {"id": "1", "self": {}}},
    {"recipient": {"id": "2", "contact": {"profileGivenName": "V-002"}}}, {"chat": {"id": "7", "recipientId": "2"}},
    {"chatItem": {"chatId": "7", "authorId": "2", "dateSent": "1490699100000", "standardMessage": {"text": {"body": "hi"},
     "attachments": [{"pointer": {"contentType": "image/jpeg", "fileName": "a.jpg",
                                  "locatorInfo": {"plaintextHash": base64.b64encode(bytes(32)).decode()}}}]}}},
    {"chatItem": {"chatId": "7", "authorId": "1", "dateSent": "1490699160000", "updateMessage": {}}},
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ("\n".join(json.dumps(line) for line in OWN), "chat 1, message 1, 2017-03-28 11:05 UTC, V-002"),
        (json.dumps([{"body": "hi", "sent_at": 1490699100000, "type": "incoming", "source": "V-002"}]),
         "message 1, 2017-03-28 11:05 UTC, V-002"),
        ("[2017-03-28 14:05:00] V-002: hi\n\n[2017-03-28 14:06] Me: yes\n", "message 1, 2017-03-28 14:05, V-002"),
    ],
    ids=["Signal's own", "sigtop", "signal-export Markdown"],
)  # fmt: skip
def test_plain_exports_of_signal_are_read(data: str, place: str) -> None:
    """Signal's own JSON lines, sigtop's array and signal-export's Markdown give the same piece; each has a sign of its kind."""
    assert signal.recognises(data.encode()[:4096])
    assert texts(found(signal, data.encode()))[place].startswith("hi")


def test_a_file_of_signals_export_is_named_by_its_hash() -> None:
    """The SHA-256 that the export gives of an attachment is told, so that the file can be found by it."""
    entry = facts(found(signal, "\n".join(json.dumps(line) for line in OWN).encode()), "conversation")[0]["files"][0]
    assert (entry["path"], entry["sha256"]) == ("a.jpg", bytes(32).hex())


def test_an_encrypted_database_of_signal_is_not_opened() -> None:
    """The sentence says that it is encrypted and how to export the chat."""
    with pytest.raises(Unreadable, match=r"encrypted.*Export"):
        found(signal, bytes(range(128, 256)) * 64, "db.sqlite")


# -- archives ---------------------------------------------------------------------------------------------------------------


def tar_of(*entries: tuple[str, bytes] | tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as bundle:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                bundle.addfile(entry)
            else:
                info = tarfile.TarInfo(entry[0])
                info.size, info.mtime = len(entry[1]), 1490699100
                bundle.addfile(info, io.BytesIO(entry[1]))
    return out.getvalue()


def written(kind: str, filter: str | None = None, **more: Any) -> bytes:
    """An archive as libarchive writes it, with one member."""
    import libarchive  # type: ignore[import-untyped]

    out: list[bytes] = []

    def take(data: bytes) -> int:
        out.append(bytes(data))
        return len(data)

    with libarchive.custom_writer(take, kind, filter, **more) as writer:
        writer.add_file_from_memory("папка/one.txt", 11, b"hello world")
    return b"".join(out)


def rar(name: str, data: bytes, flags: int = 0) -> bytes:
    """A RAR 4 archive with one stored member (archivers that write RAR are not free); flag 4 says that it is encrypted."""

    def block(kind: int, flags: int, rest: bytes, after: bytes = b"") -> bytes:
        body = struct.pack("<BHH", kind, flags, 7 + len(rest)) + rest
        return struct.pack("<H", zlib.crc32(body) & 0xFFFF) + body + after

    info = struct.pack("<LLBLLBBHL", len(data), len(data), 3, zlib.crc32(data), 0x4A7C70A0, 20, 0x30, len(name), 0o100644)
    member = block(0x74, 0x8000 | flags, info + name.encode(), data)
    return b"Rar!\x1a\x07\x00" + block(0x73, 0, bytes(6)) + member + block(0x7B, 0x4000, b"")


@LIBARCHIVE
@pytest.mark.parametrize(
    "make",
    [
        lambda: written("7zip"), lambda: written("pax", "zstd"), lambda: written("pax", "xz"),
        lambda: written("gnutar", "bzip2"), lambda: written("ustar", "lz4"), lambda: written("cpio"),
        lambda: written("iso9660"), lambda: written("zip"),
        lambda: gzip.compress(tar_of(("папка/one.txt", b"hello world"))),
    ],
    ids=["7z", "tar.zst", "tar.xz", "tar.bz2", "tar.lz4", "cpio", "iso", "zip", "tar.gz"],
)  # fmt: skip
def test_archives_of_many_kinds_give_their_member(make: Callable[[], bytes]) -> None:
    """Each kind gives the member's path, in its own letters, and bytes."""
    assert members(found(archive, make())) == [("папка/one.txt", b"hello world", "")]


@LIBARCHIVE
def test_a_rar_archive_is_read() -> None:
    """A stored member of a RAR archive comes out."""
    assert members(found(archive, rar("one.txt", b"hello world"))) == [("one.txt", b"hello world", "")]


@LIBARCHIVE
@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gz", "bz2", "xz"])
def test_one_compressed_file_is_a_member(pack: Callable[[bytes], bytes]) -> None:
    """A compressed file that is no tar archive gives one member, called after it; zeros too, which look like an empty tar."""
    assert members(found(archive, pack(b"hello"), "log.txt.gz")) == [("log.txt", b"hello", "")]
    assert members(found(archive, pack(bytes(5000)), "zeros.gz")) == [("zeros", bytes(5000), "")]


def test_a_zip_archive_keeps_paths_for_show_and_names_in_their_letters() -> None:
    """Times, a name in an old Russian code page, a duplicate, a path that leads upwards: all read, all told."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as bundle:
        info = zipfile.ZipInfo("a/x", (2017, 3, 28, 14, 5, 0))
        info.extra = struct.pack("<HHBl", 0x5455, 5, 1, 1490699100)
        bundle.writestr(info, b"one")
        with pytest.warns(UserWarning, match="Duplicate"):
            bundle.writestr("a/x", b"two")
        bundle.writestr("../../etc/passwd", b"three")
        bundle.writestr("C:\\windows\\x", b"four")
        bundle.writestr("zzzzz.txt", b"five")
        bundle.mkdir("folder")
    data = out.getvalue().replace(b"zzzzz.txt", "архив.txt".encode("cp866"))
    findings = found(archive, data)
    paths = ["a/x", "a/x", "../../etc/passwd", "C:\\windows\\x", "архив.txt"]
    assert [path for path, _data, _problem in members(findings)] == paths
    assert next(finding for finding in findings if isinstance(finding, Member)).modified == 1490699100000
    told = facts(findings, "container")[0]
    assert told["unsafe_paths"] == ["../../etc/passwd", "C:\\windows\\x"] and told["duplicates"] == ["a/x"]
    assert told["directories"] == 1 and [entry.name for entry in findings if isinstance(entry, Member)][2] == "passwd"


@LIBARCHIVE
def test_links_and_devices_of_a_tar_archive_are_told_and_not_followed() -> None:
    """Symbolic and hard links, devices and pipes give no member; the facts say where links lead."""
    odd = []
    for name, kind, target in (("soft", tarfile.SYMTYPE, "/etc/shadow"), ("hard", tarfile.LNKTYPE, "one"),
                               ("null", tarfile.CHRTYPE, ""), ("pipe", tarfile.FIFOTYPE, "")):  # fmt: skip
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        odd.append(info)
    findings = found(archive, tar_of(("one", b"1"), *odd, ("/abs/two", b"2")))
    assert [path for path, _data, _problem in members(findings)] == ["one", "/abs/two"]
    told = facts(findings, "container")[0]
    assert told["links"] == [{"path": "soft", "target": "/etc/shadow"}, {"path": "hard", "target": "one"}]
    assert told["devices"] == ["null", "pipe"] and told["unsafe_paths"] == ["/abs/two"]


@LIBARCHIVE
def test_an_archive_that_names_files_of_this_machine_gives_none_of_them() -> None:
    """mtree, whose entries name files to be read from the disk, is not a format that is bound."""
    with pytest.raises(Unreadable):
        found(archive, b"#mtree\n./x type=file contents=/etc/passwd size=10\n")


@LIBARCHIVE
def test_encrypted_members_say_so_and_open_with_the_password() -> None:
    """AES and the old zip cipher: without the password, with a wrong one, with the right one."""
    sealed = written("zip", options="encryption=aes256", passphrase="made up")
    assert "password" in members(found(archive, sealed))[0][2]
    assert members(found(archive, sealed, password="wrong"))[0][1:] != (b"hello world", "")
    assert members(found(archive, sealed, password="made up")) == [("папка/one.txt", b"hello world", "")]
    old = written("zip", options="encryption=zipcrypt", passphrase="made up")
    assert members(found(archive, old, password="made up"))[0][1] == b"hello world"


@LIBARCHIVE
@pytest.mark.parametrize("more", [{}, {"password": "made up"}])
def test_an_encrypted_rar_says_what_to_do(more: dict[str, str]) -> None:
    """Its encryption is not undone here, with a password or without: the sentence does not ask for one, and names a way."""
    [(name, content, problem)] = members(found(archive, rar("one.txt", b"hello world", 4), **more))
    assert (name, content) == ("one.txt", b"") and "its own program" in problem and "give the archive's password" not in problem


def test_a_wrong_checksum_is_told_and_the_bytes_come_out() -> None:
    """A changed byte in a stored member: its bytes are evidence too, and the end says that the checksum is wrong."""
    data = chat_zip({"a": b""})
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as bundle:
        bundle.writestr("a", b"hello")
    data = out.getvalue().replace(b"hello", b"jello")
    assert members(found(archive, data)) == [("a", b"jello", "It is damaged or cut off (checksum wrong).")]


@LIBARCHIVE
@pytest.mark.parametrize(
    ("data", "why"),
    [
        (lambda: written("7zip", options="compression=store").replace(b"hello", b"jello"), "CRC"),
        (lambda: gzip.compress(b"hello world")[:-8] + bytes(8), "checksum wrong"),
        (lambda: gzip.compress(b"hello world")[:-3], "before their checksum"),
    ],
    ids=["7z", "gz", "gz cut off"],
)
def test_wrong_checksums_of_other_archives_are_told(data: Callable[[], bytes], why: str) -> None:
    """Also of gzip, whose checksum libarchive does not compare: the bytes come out with the problem."""
    _path, content, problem = members(found(archive, data()))[0]
    assert content.endswith(b"ello world") and why in problem


@LIBARCHIVE
def test_a_wrong_checksum_around_a_tar_archive_is_told() -> None:
    """The members are whole as far as tar can tell; the checksum of what they were packed in is not."""
    findings = found(archive, gzip.compress(tar_of(("one", b"1")))[:-8] + bytes(8))
    assert members(findings)[0][1] == b"1" and "checksum wrong" in warnings(findings)


@LIBARCHIVE
def test_a_gzip_file_in_two_runs_with_its_own_name_is_one_member() -> None:
    """Runs that follow one another are one file; the name and time in the header are its own."""
    head = b"\x1f\x8b\x08\x08" + struct.pack("<L", 1490699100) + b"\x00\x03" + "log б.txt".encode() + b"\0"
    findings = found(archive, head + gzip.compress(b"one")[10:] + gzip.compress(b"two") + bytes(100), "x.gz")
    assert members(findings) == [("log б.txt", b"onetwo", "")]
    assert next(finding for finding in findings if isinstance(finding, Member)).modified == 1490699100000


@LIBARCHIVE
@pytest.mark.parametrize("cut", [5, 60, 90])
def test_a_zip_archive_without_its_directory_is_read_by_its_own_headers(cut: int) -> None:
    """A phone that died while it packed leaves no directory: the whole members are saved, and that is said."""
    data = chat_zip({"one": b"1" * 100, "two": b"2" * 100})
    findings = found(archive, data[:-cut])
    assert members(findings)[0] == ("one", b"1" * 100, "")
    assert "directory is missing" in warnings(findings)


@LIBARCHIVE
def test_a_tar_archive_that_breaks_off_keeps_what_stood_before() -> None:
    """The whole member and the beginning of the cut one come out."""
    findings = found(archive, tar_of(("one", b"1" * 600), ("two", b"2" * 600))[: 512 + 1024 + 512 + 100])
    assert members(findings)[0] == ("one", b"1" * 600, "") and members(findings)[1][1] == b"2" * 100
    assert "damaged" in members(findings)[1][2] and facts(findings, "container")[0]["complete"] is False


def test_overlapping_members_of_an_archive_bomb_are_not_read() -> None:
    """Two directory entries over the same bytes (Fifield's bomb): the second one is left out and told."""
    data = bytearray(chat_zip({"one": b"1" * 100, "two": b"2" * 100}))
    second = data.rindex(b"PK\x01\x02")
    struct.pack_into("<L", data, second + 42, 0)
    findings = found(archive, bytes(data))
    assert "overlap" in members(findings)[1][2] and "overlap" not in members(findings)[0][2]
    assert facts(findings, "container")[0]["overlaps"] == ["two"]


def bomb(kind: str) -> bytes:
    zeros = bytes(300 << 20)
    return chat_zip({"zeros": zeros}) if kind == "zip" else gzip.compress(zeros, 6)


@LIBARCHIVE
@pytest.mark.parametrize("kind", ["zip", "gz"])
def test_an_archive_bomb_is_cut_off_at_its_ratio(kind: str) -> None:
    """A member that grows a thousandfold ends after 256 MiB with a sentence; a higher ratio lets it through."""
    data, size, problem = bomb(kind), 0, ""
    for finding in archive.read(io.BytesIO(data), Hints(size=len(data))):
        size += len(finding.data) if isinstance(finding, Chunk) else 0
        problem = finding.problem if isinstance(finding, MemberEnd) else problem
    assert 255 << 20 <= size <= 257 << 20 and "bomb" in problem
    size = sum(len(finding.data) for finding in archive.read(io.BytesIO(data), Hints(options={"max_ratio": 5000}))
               if isinstance(finding, Chunk))  # fmt: skip
    assert size == 300 << 20


def test_caps_on_members_bytes_and_depth_are_kept() -> None:
    """Each cap stops with a sentence, and the facts say that the reading is not complete."""
    data = chat_zip({str(number): b"x" * 1000 for number in range(20)})
    few = found(archive, data, max_members=5)
    assert len(members(few)) == 5 and "more than 5 members" in warnings(few)
    small = found(archive, data, max_bytes=5500)
    assert [problem for _path, _data, problem in members(small)][-1].startswith("The archive holds more than")
    assert facts(small, "container")[0]["complete"] is False
    with pytest.raises(Unreadable, match="bomb"):
        found(archive, data, depth=9)


def test_a_directory_of_millions_is_refused_before_it_is_read() -> None:
    """An end record that promises four thousand million members is not followed."""
    data = bytearray(chat_zip({"one": b"1"}))
    end = data.rindex(b"PK\x05\x06")
    struct.pack_into("<HHL", data, end + 8, 0xFFFE, 0xFFFE, 0xF0000000)
    with pytest.raises(Unreadable, match="lists"):
        found(archive, bytes(data))


def test_archives_in_archives_come_out_one_layer_at_a_time() -> None:
    """An archive within an archive is a member, which read again gives its own members: depth is the caller's to count."""
    data = chat_zip({"deep.txt": b"bottom"})
    for number in range(4):
        data = chat_zip({f"layer {number}.zip": data})
    for depth in range(4):
        data = members(found(archive, data, depth=depth))[0][1]
    assert members(found(archive, data, depth=4)) == [("deep.txt", b"bottom", "")]


@LIBARCHIVE
@measured
def test_memory_stays_flat_over_a_large_tar_archive() -> None:
    """200 MB in 2,000 members raise the peak of memory by less than 40 MiB."""
    unit = tar_of(("member", b"x" * 100_000))[: 512 + 100_352]
    for _finding in archive.read(Repeated(unit, 1), Hints()):  # type: ignore[arg-type]
        pass
    before = from_here()
    count = sum(isinstance(finding, Member) for finding in archive.read(Repeated(unit, 2000), Hints()))  # type: ignore[arg-type]
    assert count == 2000 and high_water() - before < 40 << 20


# -- hostile bytes, and the sandbox -----------------------------------------------------------------------------------------

SEEDS: dict[str, tuple[ModuleType, Callable[[], bytes]]] = {
    "mail": (mail, lambda: LETTER),
    "mailbox": (mail, lambda: b"From a@b Tue Mar 28 14:05:00 2017\n" + LETTER + b"\n" + UNIT[:900]),
    "outlook": (msg, lambda: compound(outlook() | {"__attach_version1.0_#00000000": {"__properties_version1.0": bytes(8)}})),
    "zip": (archive, lambda: chat_zip({"one": b"1" * 50, "two/б": b"2" * 50})),
    "whatsapp": (whatsapp, "28.03.17, 14:05 - V-001: Привет\nx\n3/28/17, 2:05\u202fPM - A: <a: b.jpg>\n".encode),
    "whatsapp zip": (whatsapp, lambda: chat_zip({"_chat.txt": "[28.03.17, 14:05:00] V-001: <a: b.jpg>", "b.jpg": b"x"})),
    "telegram": (telegram, lambda: json.dumps(SINGLE).encode()),
    "telegram html": (telegram, PAGE.encode),
    "signal": (signal, lambda: "\n".join(json.dumps(line) for line in OWN).encode()),
    "signal array": (signal, lambda: b'[{"body": "hi", "sent_at": 1, "reactions": [{}], "attachments": [1, {}]}]'),
    "tar": (archive, lambda: gzip.compress(tar_of(("one", b"1" * 50), ("two", b"2")))),
    "7z": (archive, lambda: written("7zip")),
    "rar": (archive, lambda: rar("one.txt", b"hello world")),
    "iso": (archive, lambda: written("iso9660")[: 40 * 2048]),
}  # fmt: skip
WORDS = (
    b"\0\0\0\0", b"\xff\xff\xff\xff", b"\n--outer\n", b'"', b"[{", b"=?x?B?", b"null", b"1e999", b"<div class='message'>",
    "\u202e\u200f٢٢/٢".encode(), b"\nFrom a 12:00 2017\n",
)  # fmt: skip
_MADE: dict[str, bytes] = {}


def seed(name: str) -> bytes:
    if name not in _MADE:
        _MADE[name] = SEEDS[name][1]()
    return _MADE[name]


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    """A valid file with a few bytes changed, cut out, doubled or cut off."""
    name = draw(st.sampled_from([name for name in SEEDS if packed.AVAILABLE or name not in ("tar", "7z", "rar", "iso")]))
    data = bytearray(seed(name))
    for _ in range(draw(st.integers(1, 6))):
        if not data:
            break
        at = draw(st.integers(0, len(data) - 1))
        match draw(st.sampled_from(("byte", "cut", "double", "end", "words"))):
            case "byte":
                data[at] = draw(st.integers(0, 255))
            case "cut":
                del data[at : at + draw(st.integers(1, 20))]
            case "double":
                data[at:at] = data[at : at + draw(st.integers(1, 50))]
            case "end":
                del data[at:]
            case "words":
                data[at:at] = draw(st.sampled_from(WORDS))
    return name, bytes(data)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_no_mutation_breaks_a_reader_or_what_it_may_say(case: tuple[str, bytes]) -> None:
    """Changed files are read or refused in a sentence; findings keep their order, and the sandbox's other end takes each."""
    name, data = case
    findings: list[Finding] = []
    try:
        for finding in SEEDS[name][0].read(io.BytesIO(data), Hints(size=len(data))):
            findings.append(finding)  # noqa: PERF402 - what came before a refusal counts too
    except Unreadable as error:
        assert 20 < len(str(error)) < 600
        findings = [finding for finding in findings if isinstance(finding, (Text, Facts, Warn))]
    members(findings)
    for finding in findings:
        if not isinstance(finding, Chunk):
            payload = json.dumps([frames.pack(finding)], ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
            frames.findings_of(payload)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


def test_the_readers_say_the_same_inside_the_sandbox(box: Sandbox) -> None:
    """What a reader says on a stream here, it says in the jail: no file, program or network was needed."""
    for name, (module, _make) in SEEDS.items():
        if not packed.AVAILABLE and name in ("tar", "7z", "rar", "iso"):
            continue
        data = seed(name)
        reader = module.__name__.rpartition(".")[2]
        inside = list(box.read(reader, io.BytesIO(data), Hints(size=len(data))))
        assert texts(inside) == texts(found(module, data)), name
        assert members(inside) == members(found(module, data)), name


def test_a_refusal_crosses_the_sandbox_as_one_sentence(box: Sandbox) -> None:
    """A file that is no archive is refused with the reader's sentence."""
    with pytest.raises(FileUnreadable, match="cannot be read"):
        list(box.read("archive", io.BytesIO(b"nothing at all" * 20), Hints(size=280)))
