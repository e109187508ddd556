"""WARC, WACZ and Auto Archiver files: what we write others read, what others wrote we read, and what is hostile is survived."""

import csv
import gzip
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amparo.evidence.capture.replay import BadCapture, Replay
from amparo.evidence.capture.wacz import Page, WaczWriter
from amparo.evidence.capture.warc import Bytes, Exchange, sort_key, with_body
from amparo.evidence.findings import Chunk, Facts, Finding, Hints, Member, MemberEnd, Text, Unreadable, Warn
from amparo.evidence.readers import autoarchiver, wacz, warc
from amparo.vault.capture_signing import CaptureKey
from amparo.vault.seal import CompartmentKey
from amparo.vault.spool import Spool

KEY = CaptureKey.of(CompartmentKey("testimony", b"c" * 16, 1, b"k" * 32))
NOON = 1_700_000_000.123
URL = "https://example.org/a?b=2&a=1"


def exchange(url: str = URL, body: bytes = b"<p>made up</p>", **more: Any) -> Exchange:
    values: dict[str, Any] = {
        "url": url, "when": NOON, "method": "GET", "request_headers": [("Host", "example.org")], "status": 200, "reason": "OK",
        "headers": [("Content-Type", "text/html; charset=utf-8"), ("Content-Encoding", "br"), ("Content-Length", "5")],
        "body": Bytes(body), "address": "192.0.2.1",
    }  # fmt: skip
    return Exchange(**values | more)


def package(*exchanges: Exchange, signer: CaptureKey | None = KEY) -> bytes:
    out = io.BytesIO()
    writer = WaczWriter(out, NOON)
    with writer.archive() as archive:
        archive.info(NOON, [("software", "a test"), ("format", "WARC File Format 1.1")])
        for one in exchanges or (exchange(),):
            archive.exchange(one)
        archive.resource("urn:view:" + URL, NOON, "image/png", Bytes(b"\x89PNG made up"))
    page = Page(URL, NOON, "Title", "text of the page", "1")
    writer.finish(archive.lines, [page], title="Title", main=page, notes={}, signer=signer)
    return out.getvalue()


def rebuilt(data: bytes, **changes: bytes | None) -> bytes:
    """The package with some of its files replaced or (None) left out."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            held = changes.get(name.replace("/", "_").replace(".", "_").replace("-", "_"), old.read(name))
            if held is not None:
                new.writestr(name, held)
    return out.getvalue()


def found(reader: Any, data: bytes, **options: Any) -> list[Finding]:
    return list(reader.read(io.BytesIO(data), Hints(options=options)))


def facts(findings: list[Finding], kind: str) -> dict[str, Any]:
    return next(one.data for one in findings if isinstance(one, Facts) and one.kind == kind)


def warnings(findings: list[Finding]) -> list[str]:
    return [one.sentence for one in findings if isinstance(one, Warn)]


# -- what we write ------------------------------------------------------------------------------------------------------------


def test_a_record_says_what_was_sent_and_keeps_what_no_longer_fits_beside_it() -> None:
    """The body is as decoded; the length is its own; the server's coding and length stand under X-Orig- names."""
    answer = Replay(io.BytesIO(package())).get(URL)
    assert answer is not None and b"".join(answer.body) == b"<p>made up</p>" and answer.size == 14
    assert dict(answer.headers) == {"Content-Type": "text/html; charset=utf-8", "X-Orig-Content-Encoding": "br",
                                    "X-Orig-Content-Length": "5", "Content-Length": "14"}  # fmt: skip


def test_a_hostile_server_cannot_begin_a_record_of_its_own() -> None:
    """Line breaks in a header, a reason or a URL stay within their line."""
    bad = exchange(
        url="https://example.org/\r\nWARC-Type: forged",
        reason="OK\r\n\r\nWARC/1.1",
        headers=[("X-A", "b\r\nX-C: d\n\nWARC/1.1")],
    )
    data = package(bad)
    with zipfile.ZipFile(io.BytesIO(data)) as held:
        plain = gzip.decompress(held.read("archive/data.warc.gz"))
    types = [line for line in plain.split(b"\r\n") if line.startswith(b"WARC-Type: ")]
    assert types == [b"WARC-Type: warcinfo", b"WARC-Type: response", b"WARC-Type: request", b"WARC-Type: resource"]
    assert not warnings(found(wacz, data))


def test_index_keys_are_those_other_tools_look_for() -> None:
    """Host reversed and without www, scheme and default port; lower case; the query sorted; bodies after __wb_method."""
    assert sort_key("https://www.Example.org:443/A?b=2&a=1") == "org,example)/a?a=1&b=2"
    assert sort_key("http://www2.example.org:8080") == "org,example:8080)/" and sort_key("urn:view:x y") == "urn:view:x%20y"
    assert sort_key("http://[::1") == "http://[::1"
    assert (
        with_body("https://a/x?y=1", "POST", "application/json", b'{"n": {"k": [1, 2]}}')[0]
        == "https://a/x?y=1&__wb_method=POST&k=1&k.2_=2"
    )
    assert with_body("https://a/x", "POST", "", b"\x00\xff")[0] == "https://a/x?__wb_method=POST&__wb_post_data=AP8="
    assert with_body("https://a/x", "GET", "", b"")[0] == "https://a/x"


def test_our_index_is_the_one_cdxj_indexer_makes(tmp_path: Path) -> None:
    """The third-party indexer, run over our WARC, finds the same keys, times, offsets and lengths."""
    main = pytest.importorskip("cdxj_indexer.main")
    sent = exchange(url="https://example.org/api", method="POST", sent=b"a=1&b=two", request_headers=[
        ("Host", "example.org"), ("Content-Type", "application/x-www-form-urlencoded"), ("Content-Length", "9")])  # fmt: skip
    with zipfile.ZipFile(
        io.BytesIO(package(exchange(), sent, exchange(url="http://www.example.org:8080/Ü?x", status=404)))
    ) as held:
        (tmp_path / "data.warc.gz").write_bytes(held.read("archive/data.warc.gz"))
        ours = gzip.decompress(held.read("indexes/index.cdx.gz")).decode().splitlines()
    out = io.StringIO()
    main.CDXJIndexer(out, [str(tmp_path / "data.warc.gz")], post_append=True, sort=True).process_all()

    def spots(lines: list[str]) -> list[tuple[str, str, str, str]]:
        rows = [(line.split(" ", 2)[0], line.split(" ", 2)[1], json.loads(line.split(" ", 2)[2])) for line in lines]
        return sorted((when, row["offset"], row["length"], row["url"]) for key, when, row in rows)

    assert spots(ours) == spots(out.getvalue().splitlines())
    keys = {line.split(" ", 1)[0] for line in out.getvalue().splitlines()}
    assert {line.split(" ", 1)[0] for line in ours if not line.startswith("urn:") and "ü" not in line} - keys == set()


def test_large_indexes_are_in_blocks_and_sorted() -> None:
    """Past 3000 lines the index has several blocks, each found through index.idx, and every record is found again."""
    many = [exchange(url=f"https://example.org/{number}", body=b"%d" % number) for number in range(4000)]
    data = package(*many)
    with zipfile.ZipFile(io.BytesIO(data)) as held:
        places = [json.loads(line.split(" ", 2)[2]) for line in held.read("indexes/index.idx").decode().splitlines()]
        blocks = held.read("indexes/index.cdx.gz")
        lines: list[str] = []
        for place in places[1:]:
            lines += gzip.decompress(blocks[place["offset"] : place["offset"] + place["length"]]).decode().splitlines()
    assert len(places) == 3 and lines == sorted(lines) and len(lines) == 4001
    answer = Replay(io.BytesIO(data)).get("https://example.org/3999")
    assert answer is not None and b"".join(answer.body) == b"3999"


def test_a_spool_on_disk_is_sealed_and_has_no_name(tmp_path: Path) -> None:
    """What exceeds memory is read back the same; no file can be seen, and the bytes on the disk are not the plain ones."""
    with Spool(tmp_path) as spool:
        data = b"canary in the clear " * 500_000
        for at in range(0, len(data), 77_777):
            spool.write(data[at : at + 77_777])
        assert list(tmp_path.iterdir()) == [] and spool.size == len(data)
        assert spool._file is not None
        spool._file.seek(0)
        assert b"canary" not in spool._file.read()
        assert b"".join(spool.chunks()) == data
        buffer, reader = memoryview(bytearray(1 << 16)), spool.reader()
        assert b"".join(bytes(buffer[:count]) for count in iter(lambda: reader.readinto(buffer), 0)) == data


# -- what the readers say -----------------------------------------------------------------------------------------------------


def test_an_untouched_package_is_found_whole() -> None:
    """All hashes and digests hold, the page's text is handed on, the signature stands ready to be checked."""
    findings = found(wacz, package())
    assert warnings(findings) == []
    assert facts(findings, "web archive")["digests checked"] == 7 and facts(findings, "web archive")["digests wrong"] == 0
    assert facts(findings, "package")["hash wrong"] == [] and facts(findings, "signature")["fits"] is True
    assert [one.text for one in findings if isinstance(one, Text)] == ["text of the page"]
    assert facts(findings, "pages")["pages"] == [{"url": URL, "ts": "2023-11-14T22:13:20.123Z", "title": "Title"}]


def test_resources_are_handed_out_on_request_only() -> None:
    """Without being asked no body comes; asked for one address, that one comes."""
    data = package(exchange(), exchange(url="https://example.org/other", body=b"x" * 3_000_000))
    assert not [one for one in found(wacz, data) if isinstance(one, Member | Chunk)]
    findings = found(wacz, data, resources=["https://example.org/other"])
    assert [one.path for one in findings if isinstance(one, Member)] == ["https://example.org/other"]
    assert sum(len(one.data) for one in findings if isinstance(one, Chunk)) == 3_000_000
    assert [one.problem for one in findings if isinstance(one, MemberEnd)] == [""]
    assert len([one for one in found(wacz, data, resources=True) if isinstance(one, Member)]) == 3


def test_attack_body_changed_after_capture() -> None:
    """A body exchanged in the WARC is found by its digest, by the package's hash, and by both."""
    data = package()
    with zipfile.ZipFile(io.BytesIO(data)) as held:
        archive = gzip.compress(gzip.decompress(held.read("archive/data.warc.gz")).replace(b"made up</p>", b"forged!</p>"))
    said = " ".join(warnings(found(wacz, rebuilt(data, archive_data_warc_gz=archive))))
    assert "digest of " + URL in said and "archive/data.warc.gz is not the one in datapackage.json" in said


def test_attack_package_described_anew() -> None:
    """A datapackage.json that was made to fit a forged file no longer fits the hash that was signed."""
    data = package()
    with zipfile.ZipFile(io.BytesIO(data)) as held:
        described = json.loads(held.read("datapackage.json"))
    pages = b'{"format": "json-pages-1.0"}\n{"url": "https://example.org/", "ts": "2020-01-01T00:00:00Z", "text": "forged"}\n'
    for one in described["resources"]:
        if one["path"] == "pages/pages.jsonl":
            one["hash"] = "sha256:" + hashlib.sha256(pages).hexdigest()
    findings = found(wacz, rebuilt(data, pages_pages_jsonl=pages, datapackage_json=json.dumps(described).encode()))
    assert facts(findings, "signature")["fits"] is False and "another datapackage.json" in " ".join(warnings(findings))


def test_missing_and_extra_files_are_said() -> None:
    """A file that is listed but gone, and one that is there but not listed, are both told; so is a missing signature."""
    data = rebuilt(package(signer=None), pages_pages_jsonl=None)
    findings = found(wacz, data)
    assert "pages/pages.jsonl stands in datapackage.json but is not in the package." in warnings(findings)
    assert "not signed" in facts(findings, "signature")["state"]


def test_warc_of_others_is_read() -> None:
    """Plain WARC/1.0 with SHA-1 in Base32, LF line ends in HTTP, a revisit, and an ARC-like stranger refused."""
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\nhello"
    digest = "sha1:VL2MMHO4YXUKFWV63YHTWSBM3GXKSQ2N"  # SHA-1 of "hello" (FIPS 180), Base32
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: <http://example.org/>\r\nWARC-Date: 2016-01-11T00:00:00Z\r\n"
        f"WARC-Payload-Digest: {digest}\r\nContent-Type: application/http;msgtype=response\r\n"
        f"Content-Length: {len(http)}\r\n\r\n"
    )
    findings = found(warc, head.encode() + http + b"\r\n\r\n")
    got = facts(findings, "web archive")
    assert got["digests checked"] == 1 and got["digests wrong"] == 0 and got["html"][0]["url"] == "http://example.org/"
    bare = found(warc, head.replace("example.org/>", "example.org?a=b/c>").encode() + http + b"\r\n\r\n")
    assert facts(bare, "web archive")["hosts"] == {"example.org": 1}
    wrong = found(warc, head.encode() + http.replace(b"hello", b"hullo") + b"\r\n\r\n")
    assert facts(wrong, "web archive")["digests wrong"] == 1 and "does not hold" in warnings(wrong)[0]
    with pytest.raises(Unreadable):
        found(warc, b"filedesc://x 0.0.0.0 text/plain\n")
    with pytest.raises(Unreadable, match="no WACZ"):
        found(wacz, b"PK but not really")


def test_a_warc_that_is_cut_off_is_read_up_to_there() -> None:
    """Cut at any byte, the records before stay, the loss is said, and nothing worse happens."""
    with zipfile.ZipFile(io.BytesIO(package())) as held:
        archive = held.read("archive/data.warc.gz")
    for length in range(20, len(archive), 37):
        try:
            findings = found(warc, archive[:length])
        except Unreadable:
            continue
        count = sum(facts(findings, "web archive")["records"].values())
        assert count < 4 or length == len(archive)


def test_bombs_cost_no_memory() -> None:
    """A body of 512 MiB of zeros in half a megabyte, and a header without end, pass or are refused in flat memory."""
    import tracemalloc

    def zeros() -> Iterator[bytes]:
        size = 1 << 29
        yield f"WARC/1.1\r\nWARC-Type: resource\r\nContent-Length: {size}\r\n\r\n".encode()
        for _ in range(size >> 22):
            yield bytes(1 << 22)

    import zlib

    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(squeeze.compress(piece) for piece in zeros()) + squeeze.flush()
    endless = gzip.compress(b"WARC/1.1\r\n" + b"X: y\r\n" * 5_000_000)
    tracemalloc.start()
    try:
        assert facts(found(warc, bomb), "web archive")["records"] == {"resource": 1}
        with pytest.raises(Unreadable):
            found(warc, endless)
        assert tracemalloc.get_traced_memory()[1] < 24 << 20
    finally:
        tracemalloc.stop()


SMALL = package(exchange(), exchange(url="https://example.org/x.css", headers=[("Content-Type", "text/css")], body=b"a{}"))
with zipfile.ZipFile(io.BytesIO(SMALL)) as _held:
    WARC = _held.read("archive/data.warc.gz")
    PLAIN = gzip.decompress(WARC)

edits = st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(max_size=8), st.integers(0, 40)), min_size=1, max_size=6)


def edited(data: bytes, changes: list[tuple[int, bytes, int]]) -> bytes:
    held = bytearray(data)
    for place, new, gone in changes:
        at = place % (len(held) + 1)
        held[at : at + gone] = new
    return bytes(held)


@given(edits)
def test_fuzz_warc(changes: list[tuple[int, bytes, int]]) -> None:
    """A WARC mutated anywhere, packed or plain, gives findings or one Unreadable; nothing else."""
    for data in (edited(WARC, changes), edited(PLAIN, changes), gzip.compress(edited(PLAIN, changes))):
        try:
            found(warc, data, resources=True)
        except Unreadable as error:
            assert str(error)


@given(edits)
def test_fuzz_wacz(changes: list[tuple[int, bytes, int]]) -> None:
    """A WACZ mutated anywhere gives findings or one Unreadable; the replay answers, or refuses with one sentence."""
    data = edited(SMALL, changes)
    try:
        found(wacz, data, resources=True)
    except Unreadable as error:
        assert str(error)
    try:
        archive = Replay(io.BytesIO(data))
        for entry in list(archive.entries):
            answer = archive.get(entry.url)
            assert answer is None or len(b"".join(answer.body)) >= 0
    except BadCapture as error:
        assert "no web capture" in str(error)


@given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=300))
def test_fuzz_package_files(index: bytes, pages: bytes, described: bytes) -> None:
    """Index, pages and description of any content break neither reader nor replay."""
    data = rebuilt(SMALL, indexes_index_cdx_gz=gzip.compress(index), pages_pages_jsonl=pages, datapackage_json=described)
    found(wacz, data)
    with suppress(BadCapture):
        Replay(io.BytesIO(data)).get(URL)


# -- Auto Archiver ------------------------------------------------------------------------------------------------------------

ROW = {
    "status": "generic: success",
    "metadata": {"url": "https://example.org/v", "title": "Made-up clip", "timestamp": "2024-05-01T10:00:00+00:00",
                 "_processed_at": "2024-05-02"},
    "media": [{"filename": "/tmp/a/clip.mp4", "key": "k/clip.mp4", "urls": ["https://store.example/clip.mp4"],
               "_mimetype": "video/mp4",
               "properties": {"hash": "SHA-256:" + "a" * 64, "thumbnails": [{"filename": "thumb1.jpg", "properties": {}}]}}],
}  # fmt: skip


def test_auto_archiver_json_and_its_csv_database_say_the_same() -> None:
    """Address, title, times, and each kept file with its hash come out of JSON and of the CSV in Python's notation."""
    held = io.StringIO()
    writer = csv.DictWriter(held, ["status", "metadata", "media"])
    writer.writeheader()
    shown = str(ROW["metadata"]).replace("'2024-05-02'", "datetime.datetime(2024, 5, 2, 0, 0, tzinfo=datetime.timezone.utc)")
    writer.writerow({"status": ROW["status"], "metadata": shown, "media": str(ROW["media"])})
    for data in (json.dumps(ROW), json.dumps([ROW]), held.getvalue()):
        got = facts(found(autoarchiver, data.encode()), "auto archiver 1")
        assert got["url"] == "https://example.org/v" and got["archived"].startswith("2024-05-02")
        assert [(one["name"], one["algorithm"], one["hash"][:2]) for one in got["media"]] == [
            ("clip.mp4", "SHA-256", "aa"), ("thumb1.jpg", "", ""),
        ]  # fmt: skip


def test_auto_archiver_sheet_is_read() -> None:
    """The sheet's columns, exported as CSV, give link, status, hash and text."""
    sheet = (
        "Link,Archive status,Archive location,Hash,Upload title,Textual content\nhttps://example.org/p,success,https://s.example/x.html,"
        f"SHA3-512:{'b' * 128},Title,words\n"
    )
    findings = found(autoarchiver, sheet.encode())
    got = facts(findings, "auto archiver 1")
    assert got["media"][0]["algorithm"] == "SHA3-512" and got["url"] == "https://example.org/p"
    assert [one.text for one in findings if isinstance(one, Text)] == ["Title\n\nwords"]
    with pytest.raises(Unreadable):
        found(autoarchiver, b"a,b\n1,2\n")


@given(
    st.one_of(
        st.binary(max_size=300), st.text(max_size=300).map(str.encode), edits.map(lambda e: edited(json.dumps(ROW).encode(), e))
    )
)
def test_fuzz_auto_archiver(data: bytes) -> None:
    """Anything else is refused with a sentence, code in a cell is never run."""
    try:
        found(autoarchiver, data)
    except Unreadable as error:
        assert str(error)
    with io.StringIO() as held:
        csv.writer(held).writerows([["status", "metadata", "media"], ["x", "__import__('os').abort()", data.decode("latin-1")]])
        found(autoarchiver, held.getvalue().replace("\0", "").encode())
