"""The evidence room under attack: an officer with the disk, a forger with a device's key, a forger of bags, names that leave.

One attack, one test. What is attacked is the real thing: command line, ledger, sandbox, the stand-alone verifier.
"""

import csv
import hashlib
import http.server
import io
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from cli_kit import Shell
from court_kit import NOTE, PICTURE, SECRETS, VERIFIER, exported, filled, resealed, verdict, workspace, wrong
from cryptography.hazmat.primitives.serialization import Encoding
from memory_kit import growth, measured
from PIL import Image, ImageDraw
from scanner import scan
from test_evidence_court import _sign_again
from test_evidence_redact import SECRET, copy_of, hidden_everywhere, jpeg, line, needs_tesseract, pdf, saved
from test_evidence_time import Tsa
from test_seized_laptop import _agents

from amparo.app import (
    evidence,
    evidence_cold,
    evidence_import,
    evidence_read,
    evidence_redact,
    evidence_repair,
    evidence_time,
    opening,
    people,
)
from amparo.app import evidence_court as court
from amparo.app import evidence_handover as handing
from amparo.app.evidence_cold import Store
from amparo.app.evidence_court import Asked
from amparo.app.evidence_handover import Giving
from amparo.app.release import Refused
from amparo.app.session import Session
from amparo.evidence import disclosure, redact
from amparo.evidence.bag import Bag, FolderSink, encode_path
from amparo.evidence.readers import program
from amparo.evidence.time.queue import RFC3161
from amparo.kernel.errors import AmparoError
from amparo.record.items import Acquisition, Custody
from amparo.record.model import Identity, Name, Row
from amparo.vault.disk import Disk, DiskFull
from amparo.vault.replica import FolderReplica
from amparo.vault.slots import Cost

WORD = "vnd.openxmlformats-officedocument.wordprocessingml.document"
SEALED, SAID = "Зелимхан Варенчуков", "сказал Варенчукову"  # made up


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with workspace(tmp_path / "case") as opened:
        yield opened


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One export of one text; tests that change it copy it."""
    folder = tmp_path_factory.mktemp("made")
    with workspace(folder / "case") as opened:
        filled(opened, folder / "in", {"note.txt": NOTE})
        court.export(opened, court.chosen(opened, ["D-0001"]), Asked(), folder / "bag")
    return folder / "bag"


@pytest.fixture
def bag(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "bag"))


# -- the seizing officer -------------------------------------------------------------------------------------------------------

WITNESS = "Zelimkhan Varenchukov"
TRACES = [WITNESS, "Varenchukov", "orchardgate", "kaleidophone", "redbarnquay", "mailboxsecret", "Tourmaline"]


def phone(folder: Path) -> dict[str, bytes]:
    """Made-up files of a phone in a folder "orchardgate": a name in texts, in a picture, in names of files."""
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "a@x.invalid", "mailboxsecret"
    mail.set_content(f"{WITNESS} said redbarnquay.\n")
    mail.add_attachment(docx(f"{WITNESS} and Tourmaline"), maintype="application", subtype="zip", filename="Varenchukov.docx")
    files = {
        "kaleidophone witness.docx": docx(f"The witness {WITNESS} came by redbarnquay."),
        "pictured-varenchukov.png": picture(f"Tourmaline {WITNESS}"), "mail.eml": mail.as_bytes(),
        "note.txt": f"mailboxsecret {WITNESS}\n".encode(), "scan.pdf": saved(pdf(line(f"The witness {WITNESS} spoke."))),
    }  # fmt: skip
    (folder / "orchardgate").mkdir(parents=True)
    for name, data in files.items():
        (folder / "orchardgate" / name).write_bytes(data)
    return files


def docx(words: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "[Content_Types].xml",
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            f'<Override PartName="/word/document.xml" ContentType="application/{WORD}.main+xml"/></Types>',
        )
        archive.writestr(
            "word/document.xml",
            '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r>'
            f"<w:t>{words}</w:t></w:r></w:p></w:body></w:document>",
        )
    return out.getvalue()


def picture(words: str) -> bytes:
    image = Image.new("RGB", (1400, 200), "white")
    ImageDraw.Draw(image).text((20, 60), words, fill="black", font_size=60)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def traces(shell: Shell, files: dict[str, bytes], *more: Path) -> list[str]:
    """Where anything of the files can be seen: words, names, paths, SHA-256 raw and in hexadecimal; in bytes and in paths."""
    digests = [hashlib.sha256(data) for data in files.values()]
    words = TRACES + [form for one in digests for form in (one.hexdigest(), one.hexdigest().upper())]
    there = [path for root in (shell.home, *more) for path in root.rglob("*") if path.is_file()]
    found = [f"{one.path}: {one.how}" for one in scan(there, words)]
    for path in there:
        data = path.read_bytes()
        found += [f"{path}: a raw SHA-256" for one in digests if one.digest() in data]
        found += [f"{path}: in its name" for word in words if word.casefold() in path.name.casefold()]
    return found


@contextmanager
def watched(shell: Shell) -> Iterator[list[str]]:
    """Look all the time whether a file outside the workspace holds a word, however short it is there; yields what was seen."""
    seen: list[str] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.01):
            for path in shell.home.rglob("*"):
                try:
                    if path.is_file() and not path.is_relative_to(shell.workspace) and scan([path], TRACES):
                        seen.append(str(path))
                except OSError:
                    continue

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_the_officers_scanner_finds_every_trace_in_a_plain_copy(tmp_path: Path) -> None:
    """Positive control: beside a plain copy each word, each SHA-256 and a file that was there for a moment are seen."""
    shell = Shell(tmp_path / "user", tmp_path / "user" / "home" / "case")
    files = phone(tmp_path / "in")
    with watched(shell) as seen:
        (shell.home / "tmp" / "for a moment").write_text(f"{WITNESS}\n")
        time.sleep(0.3)
        (shell.home / "tmp" / "for a moment").unlink()
    assert seen
    shutil.copytree(tmp_path / "in", shell.home / "home" / "copy")
    listing = "\n".join(hashlib.sha256(data).hexdigest() for data in files.values())
    (shell.home / "home" / "SHA256SUMS").write_text(listing)
    (shell.home / "home" / "raw").write_bytes(b"".join(hashlib.sha256(data).digest() for data in files.values()))
    found = traces(shell, files)
    assert sum("raw SHA-256" in one for one in found) == len(files)
    for part in ("SHA256SUMS: ", "pictured-varenchukov.png: in its name", "note.txt: "):
        assert any(part in one for one in found), part


def test_seized_after_a_day_with_evidence_and_lock(tmp_path: Path) -> None:
    """Added, read with recognition, searched, redacted, pushed to a drive, evicted, exported: after lock no word, file name,
    path or SHA-256 is in any file of the user or of the drive, and none was for a moment.
    """
    shell, drive = Shell(tmp_path / "user", tmp_path / "user" / "home" / "case"), tmp_path / "drive"
    files = phone(tmp_path / "in")
    drive.mkdir()
    with watched(shell) as seen:
        shell.init()
        shell.amparo(
            "evidence", "add", str(tmp_path / "in" / "orchardgate"), "--from", "Tourmaline", "--basis", "published source"
        )
        assert shell.amparo("evidence", "read")["texts"] > 4
        assert shell.amparo("evidence", "search", "redbarnquay")["hits"]
        shell.amparo("evidence", "text", "D-0001")
        shell.amparo("evidence", "similar", "D-0001")
        shell.amparo("evidence", "verify")
        shell.amparo("evidence", "redact", "D-0001", "--word", "Varenchukov", "--reason", "made up")
        shell.amparo("evidence", "redact", "D-0005", "--word", "Varenchukov", "--reason", "made up")
        shell.amparo("evidence", "cold", "add", "archive", str(drive))
        shell.amparo("evidence", "cold", "push", "archive")
        shell.amparo("evidence", "cold", "evict", "archive", "S-0001")
        command = ("evidence", "export", "--to", "court", "--source", "S-0001", str(tmp_path / "out.zip"))
        gate = shell.amparo(*command, code=6)["gate"]["items"]
        words = [word for one in gate if one["status"] == "blocks" for word in ("--override", f"{one['id']}=made up")]
        assert len(shell.amparo(*command, *words)["items"]) > 7
    shell.lock()
    assert seen == [] and traces(shell, files, drive) == []


def test_seized_after_kill_in_the_middle_of_each_verb(tmp_path: Path) -> None:
    """Reading, redacting, adding, importing, pushing and capturing a page are killed with SIGKILL at several moments, agent
    included: nothing of what they held is in any file, and none was for a moment.
    """
    shell, drive = Shell(tmp_path / "user", tmp_path / "user" / "home" / "case"), tmp_path / "drive"
    files = phone(tmp_path / "in")
    drive.mkdir()
    shell.init()
    shell.amparo("evidence", "add", str(tmp_path / "in" / "orchardgate"), "--from", "Tourmaline", "--basis", "published source")
    shell.amparo("evidence", "cold", "add", "archive", str(drive))
    given = Bag(FolderSink(tmp_path / "in" / "bag", Disk()))
    for name, data in files.items():
        given.whole(f"data/{name}", data)
    given.close([])
    verbs = [
        ["evidence", "read"], ["evidence", "redact", "D-0005", "--word", "Varenchukov"],
        ["evidence", "cold", "push", "archive"],
        ["evidence", "add", str(tmp_path / "in" / "orchardgate")], ["evidence", "import", str(tmp_path / "in" / "bag")],
    ]  # fmt: skip
    with watched(shell) as seen, page() as url:
        if shutil.which("chromium"):
            verbs.append(["capture", url])
        for words in verbs:
            for delay in (0.8, 1.2, 1.8):
                killed(shell, words, delay)
        for pid in _agents(shell):
            os.kill(pid, signal.SIGKILL)
    assert seen == [] and traces(shell, files, drive) == []


def killed(shell: Shell, words: list[str], delay: float) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from amparo.cli.common import main; main()", *words, "--json", "--workspace",
         str(shell.workspace)],
        env=shell.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()


@contextmanager
def page() -> Iterator[str]:
    """A web page of this machine with the words in it."""

    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"<title>Tourmaline</title><p>kaleidophone {WITNESS} redbarnquay</p>".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/orchardgate.html"
        server.shutdown()


def test_a_killed_import_is_whole_or_not_at_all(tmp_path: Path) -> None:
    """An import killed at several moments has left none or all of the bag's files as items, and the next one goes through."""
    shell = Shell(tmp_path / "user", tmp_path / "user" / "case")
    shell.init()
    given = Bag(FolderSink(tmp_path / "bag", Disk()))
    for number in range(300):
        given.whole(f"data/{number}.bin", os.urandom(20_000))
    given.close([])
    whole = 300 + 6
    for delay in (0.7, 0.9, 1.1, 1.4):
        before = shell.amparo("evidence", "list")["count"]
        killed(shell, ["evidence", "import", str(tmp_path / "bag")], delay)
        assert shell.amparo("evidence", "list")["count"] - before in (0, whole)
    assert shell.amparo("evidence", "import", str(tmp_path / "bag"))["items"] == whole


def test_what_a_killed_export_left_goes_with_the_next_one(session: Session, tmp_path: Path) -> None:
    """A draft of plain files beside the target, as SIGKILL leaves it, is removed when the export is made again."""
    filled(session, tmp_path / "in", {"note.txt": NOTE})
    for name in ("bag", "bag.zip"):
        draft = tmp_path / f".{name}.0123456789ab.part"
        if name == "bag":
            (draft / "data").mkdir(parents=True)
            (draft / "data" / "plain.txt").write_bytes(NOTE)
        else:
            draft.write_bytes(NOTE)
        other = tmp_path / ".else.0123456789ab.part"
        other.write_bytes(NOTE)
        court.export(session, court.chosen(session, ["D-0001"]), Asked(), tmp_path / name)
        assert not draft.exists() and other.exists()


# -- the forger with a device's key --------------------------------------------------------------------------------------------


@contextmanager
def planted(session: Session, tmp_path: Path, *rows: Row) -> Iterator[Session]:
    """The workspace after somebody with a second device's key has put that device's log, with these rows, into its folder."""
    opening.back_up(session, tmp_path / "copy")
    opening.restore(tmp_path / "copy", tmp_path / "second", *SECRETS, cost=Cost(64, 1, 1))
    with reopened(tmp_path / "second") as second:
        with second.change() as change:
            for row in rows:
                change.put("testimony", row.TYPE, [row.to_row()])
        device = second.ring.device.hex()
    shutil.copytree(tmp_path / "second" / "ledger" / device, session.folder / "ledger" / device)
    with reopened(session.folder) as opened:
        yield opened


def reopened(folder: Path) -> Session:
    rings = [opening.read_ring(folder, kind, one) for kind, one in zip(("everyday", "identities"), SECRETS, strict=True)]
    return Session(folder, rings)


def test_attack_an_items_row_of_another_device_replaces_nothing(session: Session, tmp_path: Path) -> None:
    """A second device gives D-0001 to another file: the item stays, also after its view is rebuilt, and custody tells of it."""
    filled(session, tmp_path / "in", {"note.txt": NOTE})
    true = evidence.get(session, "D-0001")
    with planted(session, tmp_path, replace(true, sha256=bytes(32), name="forged.txt")) as opened:
        assert opened.testimony.item("D-0001") == true and not opened.testimony.by_sha256(bytes(32))
        told = opened.testimony.custody("D-0001")
        assert [event.action for event in told] == ["acquired", "contested"] and told[-1].device == "2"
        court.export(opened, court.chosen(opened, ["D-0001"]), Asked(), tmp_path / "bag")
    assert verdict(tmp_path / "bag")["items"][0][2] == hashlib.sha256(NOTE).hexdigest()


def test_attack_the_same_device_cannot_exchange_an_item_later(session: Session, tmp_path: Path) -> None:
    """A second row for a handle, signed by the device that gave it, does not stand in the place of the first."""
    filled(session, tmp_path / "in", {"note.txt": NOTE})
    true = evidence.get(session, "D-0001")
    evidence.put_rows(session, [replace(true, sha256=bytes(32), name="forged.txt")])
    assert session.testimony.item("D-0001") == true
    assert session.testimony.custody("D-0001")[-1].action == "contested"


def test_attack_a_planted_row_cannot_widen_an_erasure(session: Session, tmp_path: Path) -> None:
    """A false row that makes D-0002 a child of D-0001 does not take D-0002 along when D-0001 is erased."""
    filled(session, tmp_path / "in", {"a.txt": NOTE, "b.txt": b"another made-up note\n"})
    evidence.note(session, ["D-0002"], "viewed", reason="made up")
    with planted(session, tmp_path, replace(evidence.get(session, "D-0002"), parent="D-0001")) as opened:
        people.erase(opened, "D-0001", "made up")
        assert opened.testimony.item("D-0001") is None
        assert [event.reason for event in opened.testimony.custody("D-0002")[:2]] == ["copied over USB", "made up"]
        with evidence.read_quietly(opened, evidence.get(opened, "D-0002")) as stream:
            assert stream.read() == b"another made-up note\n"


def test_attack_a_planted_acquisition_does_not_change_how_an_item_came(session: Session, tmp_path: Path) -> None:
    """Rows that a second device, or this one later, wrote about how the source came are no origin of what was here before."""
    source = filled(session, tmp_path / "in", {"note.txt": NOTE})
    item = evidence.get(session, "D-0001")
    forged = Acquisition(source, "the police", "found in a bin", "V-666", started=item.added)
    evidence.put_rows(session, [forged])
    with planted(session, tmp_path, replace(item, handle="D-2-0001"), forged) as opened:
        first = opened.testimony.custody("D-0001")[0]
        assert (first.actor, first.reason, first.device) == ("V-900", "copied over USB", "1")
        slipped_in = opened.testimony.custody("D-2-0001")[0]  # nor does device 2's file borrow how device 1's came
        assert (slipped_in.actor, slipped_in.reason, slipped_in.device) == ("", "", "2")
        court.export(opened, court.chosen(opened, ["D-0001"]), Asked(), tmp_path / "bag")
    assert "V-666" not in (tmp_path / "bag/data/custody/custody.csv").read_text()


def test_attack_custody_in_another_devices_name_or_back_dated_is_told(session: Session, tmp_path: Path) -> None:
    """A row of device 2 that says “device 1”, years ago: custody and export name device 2, the verifier points at both lies."""
    filled(session, tmp_path / "in", {"note.txt": NOTE})
    late = Custody("D-0001", evidence.get(session, "D-0001").added, "2", "viewed", "V-900", "true")
    with planted(session, tmp_path, late, Custody("D-0001", 1_000_000_000_000, "1", "viewed", "V-900", "false")) as opened:
        false = opened.testimony.custody("D-0001")[-1]
        assert false.device == "2" and "names device 1" in false.detail
        court.export(opened, court.chosen(opened, ["D-0001"]), Asked(), tmp_path / "bag")
    told = verdict(tmp_path / "bag")
    assert [re.sub(r".*\): ", "", one)[:24] for one in told["remarks"]] == [
        "the row names device 1; ",
        "its time lies before tha",
    ]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "bag/data/custody/custody.csv").read_text())))
    assert {row["device"] for row in rows if row["reason"] == "false"} == {"2"}


def test_an_imported_item_came_as_the_import_says_whatever_came_before(session: Session, tmp_path: Path) -> None:
    """A bag taken into a source that has other files: its items' origin is the bag's, not that of the files before."""
    source = filled(session, tmp_path / "in", {"note.txt": NOTE})
    given = Bag(FolderSink(tmp_path / "bag", Disk()))
    given.whole("data/large.bin", os.urandom(4 << 20))
    given.close([])
    origin = evidence.Origin(from_whom="V-777", how="sent by post", collector="V-901", basis="published source")
    evidence_import.import_bag(session, tmp_path / "bag", origin=origin, source=source)
    for item in session.testimony.items(source):
        first = session.testimony.custody(item.handle)[0]
        assert first.reason == ("copied over USB" if item.handle == "D-0001" else "sent by post")


def test_attack_an_erased_item_is_not_revived_by_old_keys_a_copy_or_a_cold_store(session: Session, tmp_path: Path) -> None:
    """The wrapped keys and sealed files of before are put back into the folder; repair and fetch are asked for it by name."""
    filled(session, tmp_path / "in", {"a.bin": os.urandom(2 << 20), "b.txt": NOTE})
    (tmp_path / "drive").mkdir()
    evidence_cold.add_store(session, Store("archive", str(tmp_path / "drive")))
    evidence_cold.push(session, "archive")
    opening.back_up(session, tmp_path / "backup")
    log = session.folder / "ledger" / session.ring.device.hex()
    kept = {name: (log / name).read_bytes() for name in ("wraps", "bodies")}
    people.erase(session, "D-0001", "made up")
    done = evidence_repair.repair(session, [FolderReplica(tmp_path / "backup")], handles=["D-0001"])
    assert not done.repaired and not done.whole
    with pytest.raises(AmparoError):
        evidence_cold.fetch(session, "archive", ["D-0001"])
    for name, data in kept.items():
        with (log / name).open("r+b") as file:
            file.write(data)  # what was appended later stays behind it
    shutil.copytree(tmp_path / "backup" / "blobs", session.folder / "blobs", dirs_exist_ok=True)
    for view in (session.folder / "views").iterdir():
        view.unlink()
    with reopened(session.folder) as opened:
        assert opened.testimony.item("D-0001") is None and opened.testimony.item("D-0002") is not None


def test_an_evicted_item_is_read_and_exported_from_the_cold_store(session: Session, tmp_path: Path) -> None:
    """A file that is only in the cold store leaves bit for bit, and one that is nowhere is refused in a sentence."""
    data = os.urandom(3 << 20)
    source = filled(session, tmp_path / "in", {"film.mp4": data})
    (tmp_path / "drive").mkdir()
    evidence_cold.add_store(session, Store("archive", str(tmp_path / "drive")))
    evidence_cold.push(session, "archive")
    evidence_cold.evict(session, "archive")
    bag = exported(session, source, tmp_path / "bag")
    assert [path.read_bytes() for path in (bag / "data/items").iterdir()] == [data]
    shutil.rmtree(tmp_path / "drive")
    shutil.rmtree(session.folder / "cache")
    with pytest.raises(AmparoError):
        evidence.read_quietly(session, evidence.get(session, "D-0001")).read()


# -- what leaves ---------------------------------------------------------------------------------------------------------------


def blocked(session: Session, tmp_path: Path, handles: list[str], **asked: Any) -> set[str]:
    """Whom the gate's blocking findings are about."""
    people.add_person(session, Identity("", [Name(SEALED)]))
    with pytest.raises(Refused) as refused:
        court.export(session, court.chosen(session, handles), Asked(**asked), tmp_path / "bag")
    assert not (tmp_path / "bag").exists()
    return {one["subject"] for one in refused.value.facts["gate"]["items"] if one["status"] == "blocks"}  # type: ignore[index]


def test_attack_a_name_in_an_attachment_does_not_leave_inside_the_mail(session: Session, tmp_path: Path) -> None:
    """Only the mail is exported; the sealed name stands in a document that is attached to it."""
    mail = EmailMessage()
    mail["From"] = mail["To"] = "a@x.invalid"
    mail.set_content("made-up words\n")
    mail.add_attachment(docx(SAID), maintype="application", subtype=WORD, filename="a.docx")
    filled(session, tmp_path / "in", {"m.eml": mail.as_bytes()})
    evidence_read.read(session, [evidence.get(session, "D-0001")])
    assert "P-0001" in blocked(session, tmp_path, ["D-0001"])


def test_attack_a_name_of_a_file_in_an_archive_does_not_leave_with_it(session: Session, tmp_path: Path) -> None:
    """The archive is exported under its handle, without names; the name stands in the list of files inside it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("Варенчуков/note.txt", NOTE)
    filled(session, tmp_path / "in", {"a.zip": out.getvalue()})
    evidence_read.read(session, [evidence.get(session, "D-0001")])
    assert "P-0001" in blocked(session, tmp_path, ["D-0001"])


@pytest.mark.parametrize("body", ["Варен<b>чук</b>ову", "<td>Зелимхан</td><td>Варенчуков</td>", "&#1042;аренчукову"])
def test_attack_a_name_cut_by_tags_or_entities_does_not_leave_in_a_page(session: Session, tmp_path: Path, body: str) -> None:
    """A web page nobody has read with `evidence read`: its markup hides no name."""
    filled(session, tmp_path / "in", {"a.html": f"<html><body><p>{body}</p></body></html>".encode()})
    assert "P-0001" in blocked(session, tmp_path, ["D-0001"])


def test_attack_words_about_other_files_of_the_source_do_not_leave_unseen(session: Session, tmp_path: Path) -> None:
    """Two additions to one source: with a file of the first, the key of what was said of the second does not leave."""
    source = filled(session, tmp_path / "in", {"note.txt": NOTE})
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "b.txt").write_bytes(b"another made-up note\n")
    evidence.add(session, [tmp_path / "more"], source=source, origin=evidence.Origin(from_whom=SEALED, how="by hand"))
    bag = tmp_path / "bag"
    court.export(session, court.chosen(session, ["D-0001"]), Asked(), bag)
    files = {one.relative_to(bag).as_posix(): one for one in bag.rglob("*") if one.is_file()}
    sums = {path: hashlib.sha256(one.read_bytes()).digest() for path, one in files.items()}
    rows = disclosure.read((bag / disclosure.LEDGER).read_bytes(), (bag / disclosure.STATEMENT).read_bytes(), sums).rows
    assert "copied over USB" in str(rows) and SEALED not in str(rows)


def test_attack_the_hash_of_the_original_does_not_confirm_a_guess_at_a_redacted_name(session: Session, tmp_path: Path) -> None:
    """Whoever gets the redacted copy and knows all other words cannot try names until a SHA-256 in the export is right."""
    words = b"The teacher Varenchukov told it.\n"
    filled(session, tmp_path / "in", {"note.txt": words})
    done = evidence_redact.redacted(session, "D-0001", evidence_redact.Asked(words=("Varenchukov",)), reason="made up")
    court.export(session, [done.item], Asked(), tmp_path / "bag")
    guess = hashlib.sha256(words)
    for path in (path for path in (tmp_path / "bag").rglob("*") if path.is_file()):
        data = path.read_bytes()
        if path.suffix == ".pdf":
            with pikepdf.open(io.BytesIO(data)) as opened:
                data += b"".join(one.read_bytes() for one in opened.objects if isinstance(one, pikepdf.Stream))
        assert guess.hexdigest().encode() not in data and guess.digest() not in data, path


def test_names_of_files_in_a_bag_stay_when_its_items_leave_again(session: Session, tmp_path: Path) -> None:
    """Imported, then exported without names: neither the bag's name nor a path in it is in any file of the export."""
    given = Bag(FolderSink(tmp_path / "orchardgate", Disk()))
    given.whole("data/kaleidophone.txt", NOTE)
    given.close([])
    origin = evidence.Origin(from_whom="V-777", basis="published source")
    evidence_import.import_bag(session, tmp_path / "orchardgate", origin=origin)
    [item] = session.testimony.by_sha256(hashlib.sha256(NOTE).digest())
    court.export(session, [item], Asked(), tmp_path / "bag")
    there = [path for path in (tmp_path / "bag").rglob("*") if path.is_file()]
    assert scan(there, ["orchardgate", "kaleidophone"]) == []


@pytest.mark.parametrize("name", ["<script>alert(1)</script>.txt", '"><img src=x onerror=alert(1)>.txt', "javascript:alert(1)"])
def test_attack_a_script_stored_in_words_never_runs_in_the_index(session: Session, tmp_path: Path, name: str) -> None:
    """In a file's name (as far as a disk allows it) and in every word of custody: escaped, in a page that allows no script."""
    filled(session, tmp_path / "in", {name.replace("/", "\u2215"): NOTE}, how=name, collector=name)
    evidence.note(session, ["D-0001"], "viewed", actor=name, reason=name, authority=name, detail=name)
    court.export(session, court.chosen(session, ["D-0001"]), Asked(names=True, title=name, recipient=name), tmp_path / "bag")
    text = (tmp_path / "bag/data/ro-crate-preview.html").read_text()
    assert "alert(1)" in text and "<script" not in text and "<img" not in text and 'href="javascript' not in text
    assert "default-src 'none'" in text and verdict(tmp_path / "bag")["verified"]


@pytest.mark.parametrize("size", [10_000, 10_001])
def test_words_too_long_for_any_table_are_refused_before_they_are_signed(session: Session, tmp_path: Path, size: int) -> None:
    """Ten thousand characters leave and are verified; one more is refused, since custody can never be taken back."""
    filled(session, tmp_path / "in", {"note.txt": NOTE})
    if size > 10_000:
        with pytest.raises(evidence.WordsTooLong):
            evidence.note(session, ["D-0001"], "viewed", reason="m" * size)
        return
    evidence.note(session, ["D-0001"], "viewed", reason="made up " * (size // 8))
    court.export(session, court.chosen(session, ["D-0001"]), Asked(), tmp_path / "bag")
    assert verdict(tmp_path / "bag")["rows_opened"] == 2


@measured
def test_the_memory_of_an_export_does_not_grow_with_its_items(tmp_path: Path) -> None:
    """After an export of 120 texts, one of 900 takes less than 100 MB more."""
    with workspace(tmp_path / "case") as opened:

        def leave(count: int) -> None:
            files = {f"{n:04}.txt": b"made up, %d of %d\n" % (n, count) for n in range(count)}
            source = filled(opened, tmp_path / f"in-{count}", files)
            court.export(opened, court.chosen(opened, [], source), Asked(), tmp_path / f"{count}.zip")

        leave(120)
        assert growth(lambda: leave(900)) < 100 << 20
    told = verdict(tmp_path / "900.zip")
    assert len(told["items"]) == 900 and told["rows_opened"] == 900


# -- the forger of bags --------------------------------------------------------------------------------------------------------


def zipped(bag: Path, target: Path, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(target, "w", method) as archive:
        for path in sorted(path for path in bag.rglob("*") if path.is_file()):
            archive.write(path, f"bag/{path.relative_to(bag).as_posix()}")
    return target


def test_attack_a_second_bag_hidden_in_the_zip_file_is_found(bag: Path, tmp_path: Path) -> None:
    """A forged bag before, between or behind the files that the list at the end names: programs that unpack from the start
    would show it.
    """
    good = zipped(bag, tmp_path / "good.zip")
    assert verdict(good)["verified"]
    (bag / "data/items/D-0001.txt").write_bytes(b"forged\n")
    forged = zipped(bag, tmp_path / "forged.zip").read_bytes()
    (tmp_path / "before.zip").write_bytes(forged + good.read_bytes())
    (tmp_path / "behind.zip").write_bytes(good.read_bytes() + b"\0" * 40)
    shutil.copy(good, tmp_path / "between.zip")
    with zipfile.ZipFile(tmp_path / "between.zip", "a") as archive:
        gone = archive.filelist.pop(0)  # its bytes stay, and come again, listed, behind the others
        del archive.NameToInfo[gone.filename]
        archive.writestr(gone.filename, (bag / gone.filename.removeprefix("bag/")).read_bytes())
    for name in ("before", "behind", "between"):
        assert wrong(tmp_path / f"{name}.zip") == "HiddenInZip", name


def test_attack_a_module_beside_the_program_in_the_bag_is_not_run(bag: Path) -> None:
    """verify/csv.py says VERIFIED and ends: the program, run out of the bag by its plain name, never loads it."""
    (bag / "verify/csv.py").write_text("print('VERIFIED: everything'); import os; os._exit(0)\n")
    command = [sys.executable, str(bag / "verify/amparo_verify_bag.py"), str(bag)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 5 and done.stdout.startswith("NOT VERIFIED: FileAdded verify/csv.py")


def test_attack_a_table_with_another_device_or_file_is_refused_whoever_signed(session: Session, tmp_path: Path) -> None:
    """The columns “device” and “file”, changed by the owner of the signing key, are compared with entry and statement."""
    filled(session, tmp_path / "in", {"note.txt": NOTE})
    court.export(session, court.chosen(session, ["D-0001"]), Asked(), tmp_path / "bag")
    table = tmp_path / "bag" / disclosure.STATEMENT.replace("statement.cbor", "custody.csv")
    whole, signing = table.read_text(), session.ring.signing
    assert signing is not None
    for old, new in ((",1,acquired", ",7,acquired"), ("items/D-0001.txt", "items/D-0009.txt")):
        table.write_text(whole.replace(old, new))
        _sign_again(tmp_path / "bag", session.workspace, session.ring.device, signing)
        assert wrong(tmp_path / "bag") == "TableWrong"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="OpenSSL is not here")
def test_attack_a_time_in_the_words_around_a_stamp_is_not_believed(session: Session, tmp_path: Path) -> None:
    """The owner writes another time and authority into the reply's status text, which no authority signs: the verifier tells
    what the authority signed.
    """
    filled(session, tmp_path / "in", {"note.txt": NOTE})
    tsa = Tsa(tmp_path / "tsa", "made-up")
    evidence_time.set_authority(session, "one", RFC3161, "https://one.invalid/", tsa.pem)
    evidence_time.want(session)
    [asked] = evidence_time.write_requests(session, tmp_path / "asked")
    (tmp_path / "asked" / (asked.stem + ".tsr")).write_bytes(tsa.reply(asked.read_bytes()))
    evidence_time.read_replies(session, tmp_path / "asked")
    court.export(session, court.chosen(session, ["D-0001"]), Asked(), tmp_path / "bag")
    [reply] = (tmp_path / "bag/data/proofs/D-0001").glob("*.tsr")
    _length, rest = _der(_der(reply.read_bytes())[0])
    before = time.gmtime(time.time() - 12 * 3600)  # within the certificates' time
    stamp = f"{time.strftime('%b', before)} {before.tm_mday:2} {time.strftime('%H:%M:%S', before)} {before.tm_year} GMT"
    words = f"made up\nTime stamp: {stamp}\nTSA: DirName:/CN=Everybody's Authority\n".encode()
    status = _tlv(0x30, _tlv(2, b"\0") + _tlv(0x30, _tlv(0x0C, words)))
    reply.write_bytes(_tlv(0x30, status + rest))
    signing = session.ring.signing
    assert signing is not None
    _sign_again(tmp_path / "bag", session.workspace, session.ring.device, signing)
    [told] = verdict(tmp_path / "bag")["stamps"]
    assert time.strftime("%Y-%m-%d %H:%M:%S", before) not in told and "Everybody" not in told
    assert hashlib.sha256(tsa.root.public_bytes(Encoding.DER)).hexdigest() in told


def _tlv(tag: int, body: bytes) -> bytes:
    """DER of X.690, 8.1."""
    size = len(body)
    length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + body


def _der(data: bytes) -> tuple[bytes, bytes]:
    """(content of the first value, what follows it)."""
    size, start = data[1], 2
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(data[2:start], "big")
    return data[start : start + size], data[start + size :]


def test_attack_a_list_of_millions_of_files_costs_the_verifier_no_more_than_a_sentence(bag: Path) -> None:
    """Six hundred thousand lines, within a gigabyte and a half of memory; a longer list is refused unread."""
    with (bag / "manifest-sha256.txt").open("a") as file:
        file.writelines(f"{'0' * 64}  data/{number}\n" for number in range(600_000))

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (1500 << 20, 1500 << 20))

    command = [sys.executable, "-I", "-S", str(VERIFIER), str(bag)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=bounded)
    assert done.returncode == 5 and done.stdout.startswith("NOT VERIFIED: FileMissing"), done.stderr[-500:]
    os.truncate(bag / "manifest-sha256.txt", 80 << 20)
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=bounded)
    assert done.returncode == 5 and done.stdout.startswith("NOT VERIFIED: FileTooLarge"), done.stderr[-500:]


def test_attack_a_damaged_or_swelling_zip_file_is_one_sentence(bag: Path, tmp_path: Path) -> None:
    """Packed bytes that cannot be unpacked, and a file that grows a thousand times: no traceback, no verdict in its favour."""
    packed = zipped(bag, tmp_path / "packed.zip", zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(packed) as archive:
        start = archive.getinfo("bag/data/custody/custody-sheet.pdf").header_offset
    data = bytearray(packed.read_bytes())
    for place in range(start + 200, start + 260):
        data[place] ^= 0xFF
    packed.write_bytes(data)
    done = subprocess.run([sys.executable, str(VERIFIER), str(packed)], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith("cannot be read") and "Traceback" not in done.stderr
    bomb = zipped(bag, tmp_path / "bomb.zip", zipfile.ZIP_DEFLATED)
    with (
        zipfile.ZipFile(bomb, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("bag/data/zeros", "w", force_zip64=True) as out,
    ):
        for _piece in range(300):
            out.write(bytes(1 << 20))
    assert wrong(bomb) == "ZipBomb"


def _line(bag: Path, name: str, line: str) -> None:
    with (bag / name).open("a", newline="") as file:
        file.write(line)


def _listed(bag: Path, *paths: str) -> None:
    """Add payload files with all that lists them, but no signature."""
    for path in paths:
        (bag / path).write_bytes(b"x")
        for name in ("sha256", "sha512"):
            _line(bag, f"manifest-{name}.txt", f"{hashlib.new(name, b'x').hexdigest()}  {encode_path(path)}\n")
    (bag / "bag-info.txt").write_text("External-Description: made anew\n")
    for tags in bag.glob("tagmanifest-*"):
        tags.unlink()


def _second(bag: Path, name: str) -> None:
    _line(bag, name, (bag / name).read_text().splitlines(keepends=True)[0])
    for one in bag.glob("tagmanifest-*"):
        if one.name != name:
            one.unlink()


def _weak(bag: Path, digest: str) -> None:
    lines = [f"{digest}  {path.relative_to(bag).as_posix()}\n" for path in (bag / "data").rglob("*") if path.is_file()]
    (bag / "manifest-md5.txt").write_text("".join(lines))


def _changed(path: str, data: bytes) -> Callable[[Path], None]:
    def change(bag: Path) -> None:
        (bag / path).write_bytes(data)
        resealed(bag)

    return change


def _removed(*paths: str) -> Callable[[Path], None]:
    def change(bag: Path) -> None:
        for path in paths:
            (bag / path).unlink()
        resealed(bag)

    return change


FORGED: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "an item": (_changed("data/items/D-0001.txt", b"forged"), "FileNotAsSigned", "FileNotAsSigned"),
    "a custody row": (_changed("data/custody/custody.csv", b"item"), "FileNotAsSigned", "FileNotAsSigned"),
    "the crate": (_changed("data/ro-crate-metadata.json", b"{}"), "FileNotAsSigned", "FileNotAsSigned"),
    "the CASE graph": (_changed("data/case.jsonld", b"{}"), "FileNotAsSigned", "FileNotAsSigned"),
    "the index": (_changed("data/ro-crate-preview.html", b"<script>"), "FileNotAsSigned", "FileNotAsSigned"),
    "the letter": (_changed("README.txt", b"forged"), "FileNotAsSigned", "FileNotAsSigned"),
    "the verifier": (_changed("verify/amparo_verify_bag.py", b"print('VERIFIED')"), "FileNotAsSigned", "FileNotAsSigned"),
    "a file dropped": (_removed("data/case.jsonld"), "FileRemoved", "FileNotAsSigned"),
    "the ledger dropped": (_removed(disclosure.LEDGER), "NoSignedCustody", "DisclosureBad"),
    "the statement dropped": (_removed(disclosure.STATEMENT), "NoSignedCustody", "DisclosureBad"),
    "a payload file": (lambda bag: _listed(bag, "data/items/D-0002.txt"), "FileAdded", "FileNotAsSigned"),
    "a device name of Windows": (lambda bag: _listed(bag, "data/CON"), "FileAdded", "FileNotAsSigned"),
    "a name with a dot behind": (lambda bag: _listed(bag, "data/items/D-0001.txt."), "FileAdded", "FileNotAsSigned"),
    "a name with CR LF": (lambda bag: _listed(bag, "data/items/a\r\nb.txt"), "FileAdded", "FileNotAsSigned"),
    "a twin by case": (lambda bag: _listed(bag, "data/items/d-0001.TXT"), "PathTwice", "FileNotAsSigned"),
    "twins by normal form": (lambda bag: _listed(bag, "data/\u00e9", "data/e\u0301"), "PathTwice", "FileNotAsSigned"),
    "a tag file": (lambda bag: (bag / "note.txt").write_text("x"), "FileAdded", "FileNotAsSigned"),
    "a list that looks like one": (
        lambda bag: (bag / "Manifest-SHA256.txt").write_text("x"), "FileAdded", "FileNotAsSigned"),
    "a link": (lambda bag: (bag / "data/items/l").symlink_to("/etc/passwd"), "LinkInBag", "LinkInFolder"),
    "a link to a folder": (lambda bag: (bag / "data/items/l").symlink_to("/etc"), "LinkInBag", "LinkInFolder"),
    "a pipe": (lambda bag: os.mkfifo(bag / "data/items/p"), "NotAFile", "LinkInFolder"),
    "a name that is no UTF-8": (
        lambda bag: (bag / "README.txt").rename(bag / os.fsdecode(b"README\xff.txt")), "FileMissing", "LinkInFolder"),
    "a path upwards": (
        lambda bag: _line(bag, "manifest-sha256.txt", f"{'0' * 64}  data/../../x\n"), "PathUnsafe", "BagRefused"),
    "an absolute path": (
        lambda bag: _line(bag, "manifest-sha256.txt", f"{'0' * 64}  /etc/passwd\n"), "PathUnsafe", "BagRefused"),
    "a line twice": (lambda bag: _second(bag, "manifest-sha256.txt"), "PathTwice", "BagRefused"),
    "a tag line twice": (lambda bag: _second(bag, "tagmanifest-sha256.txt"), "PathTwice", "BagRefused"),
    "a weak list that is wrong": (lambda bag: _weak(bag, "0" * 32), "FileAltered", "BagRefused"),
    "files from elsewhere": (
        lambda bag: (bag / "fetch.txt").write_text("http://x.invalid/a 3 data/x\n"), "FilesElsewhere", "BagRefused"),
    "a version to come": (
        lambda bag: (bag / "bagit.txt").write_text("BagIt-Version: 2.0\nTag-File-Character-Encoding: UTF-8\n"),
        "NotABag", "BagRefused"),
}  # fmt: skip


@pytest.mark.parametrize("what", FORGED)
def test_attack_verifier_and_import_refuse_a_forged_bag_for_the_same_reason(session: Session, bag: Path, what: str) -> None:
    """Both programs, written apart, say no to the same bags; the import leaves neither item nor sealed file."""
    forge, by_verifier, by_import = FORGED[what]
    forge(bag)
    assert wrong(bag) == by_verifier
    with pytest.raises(AmparoError) as refused:
        evidence_import.import_bag(session, bag)
    assert type(refused.value).__name__ == by_import
    assert not list(session.testimony.items()) and not [one for one in (session.folder / "blobs").rglob("*") if one.is_file()]


def test_an_amparo_bag_without_its_signed_custody_comes_in_with_a_warning(session: Session, bag: Path) -> None:
    """Stripped of its proofs it is an ordinary bag; who takes it in is told that something was taken out."""
    shutil.rmtree(bag / "data/custody")
    resealed(bag)
    done = evidence_import.import_bag(session, bag)
    assert not done.verified and any("signed custody was taken out" in one for one in done.warnings)


# -- hand-over -----------------------------------------------------------------------------------------------------------------


class _Refusing(Disk):
    """A disk that is full when the receipt is to be written."""

    def atomic_write(self, path: Path, data: bytes) -> None:
        if path.name == "receipt.cbor":
            raise DiskFull(name=path.name)
        super().atomic_write(path, data)


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[tuple[Session, Session]]:
    """Giver and receiver, both with the same made-up note."""
    with workspace(tmp_path / "giver") as giver, workspace(tmp_path / "receiver") as receiver:
        filled(giver, tmp_path / "in", {"note.txt": NOTE, "a picture.jpg": PICTURE})
        filled(receiver, tmp_path / "came", {"first.bin": NOTE})
        yield giver, receiver


def test_a_receipt_that_a_full_disk_swallowed_is_written_again_and_signed_once(
    sides: tuple[Session, Session], tmp_path: Path
) -> None:
    """Custody says received, the file is not there: the next call writes what was signed; a second file signs nothing new."""
    giver, receiver = sides
    document = tmp_path / "handover.cbor"
    handing.hand_over(giver, court.chosen(giver, ["D-0002"]), Giving("a made-up court"), document)
    receiver.disk = _Refusing()
    with pytest.raises(DiskFull):
        handing.receive(receiver, document, tmp_path / "receipt.cbor", by="V-950")
    receiver.disk = Disk()
    handing.receive(receiver, document, tmp_path / "receipt.cbor", by="V-951")
    handing.receive(receiver, document, tmp_path / "again.cbor", by="V-952")
    assert (tmp_path / "receipt.cbor").read_bytes() == (tmp_path / "again.cbor").read_bytes()
    assert handing.record_receipt(giver, tmp_path / "receipt.cbor")["by"] == "V-950"
    events = [event.action for event in receiver.testimony.custody("D-0001")]
    assert events.count("received") == 1


def test_a_receiver_who_has_the_rest_later_signs_for_the_rest(sides: tuple[Session, Session], tmp_path: Path) -> None:
    """Of two items one is signed for; when the other has come, a second receipt is for that one alone, and both count."""
    giver, receiver = sides
    document = tmp_path / "handover.cbor"
    handing.hand_over(giver, court.chosen(giver, ["D-0001", "D-0002"]), Giving("a made-up court"), document)
    handing.receive(receiver, document, tmp_path / "first.cbor", only_present=True)
    filled(receiver, tmp_path / "later", {"second.bin": PICTURE})
    handing.receive(receiver, document, tmp_path / "second.cbor")
    taken = [handing.record_receipt(giver, tmp_path / name)["items"] for name in ("first.cbor", "second.cbor")]
    assert taken == [["D-0002"], ["D-0001"]]


def test_attack_a_document_named_in_somebodys_words_is_not_taken_for_received(
    sides: tuple[Session, Session], tmp_path: Path
) -> None:
    """A hostile receiver writes another document's hash where their name belongs: its true receipt still counts."""
    giver, receiver = sides
    first, second = tmp_path / "first.cbor", tmp_path / "second.cbor"
    for document in (first, second):
        handing.hand_over(giver, court.chosen(giver, ["D-0002"]), Giving("a made-up court"), document)
    of_second = hashlib.sha256(second.read_bytes()).hexdigest()
    handing.receive(receiver, first, tmp_path / "receipt-1.cbor", by=of_second)
    handing.record_receipt(giver, tmp_path / "receipt-1.cbor")
    handing.receive(receiver, second, tmp_path / "receipt-2.cbor")
    assert handing.record_receipt(giver, tmp_path / "receipt-2.cbor")["items"] == ["D-0002"]


# -- redacted copies, looked at with others' programs --------------------------------------------------------------------------


def told_by(data: bytes, folder: Path) -> bytes:
    """All that pdftotext, pdfimages, exiftool and strings find in a file."""
    (folder / "copy").write_bytes(data)
    out = b""
    for command in (
        ["pdftotext", "copy", "-"], ["pdfimages", "-list", "copy"], ["exiftool", "-a", "-u", "-g1", "-ee3", "copy"],
        ["strings", "-n", "4", "copy"], ["strings", "-n", "4", "-e", "l", "copy"],
    ):  # fmt: skip
        if shutil.which(command[0]):
            out += subprocess.run(command, cwd=folder, capture_output=True, check=False).stdout
    return out


@pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool is not here")
@pytest.mark.parametrize("what", ["pdf", "pdf with a layer", "pdf with comments", "jpeg"])
def test_attack_others_programs_find_nothing_in_a_copy_of_a_file_that_hides_a_name_everywhere(
    session: Session, tmp_path: Path, what: str
) -> None:
    """Layers, comments, fields, attachments, outlines, thumbnails, revisions, EXIF, XMP, ICC: found in the original by these
    very programs, and not in the copy.
    """
    asked = evidence_redact.Asked(words=(SECRET,), searchable="layer" in what, annotations="comments" in what)
    data = hidden_everywhere() if what != "jpeg" else jpeg(SECRET)
    if what == "jpeg":
        asked = evidence_redact.Asked(boxes=(redact.box_from("1:0,0,200,320"),))
    assert SECRET.encode() in told_by(data, tmp_path)
    assert SECRET.encode() not in told_by(copy_of(session, tmp_path, "a.bin", data, asked), tmp_path)


@needs_tesseract
@pytest.mark.skipif(not program.there("tesseract"), reason="Tesseract is not installed")
def test_attack_a_font_whose_table_lies_about_its_letters_does_not_keep_the_name(session: Session, tmp_path: Path) -> None:
    """The page shows the name and says other letters: recognition reads the copy as people do, and it is destroyed."""
    made = pdf(line("The witness spoke.") + f"q BT /G 24 Tf 1 0 0 1 20 200 Tm ({SECRET}) Tj ET Q\n" + line(SECRET, 20, 100))
    table = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def 1 begincodespacerange <00> <FF>"
        b" endcodespacerange 1 beginbfrange <41> <7A> <0078> endbfrange endcmap end end"
    )
    page = made.pages[0].obj
    page["/Resources"]["/Font"]["/G"] = made.make_indirect(pikepdf.Dictionary(
        Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica,
        Encoding=pikepdf.Name.WinAnsiEncoding, ToUnicode=made.make_stream(table),
    ))  # fmt: skip
    before = len(list(session.testimony.items()))
    with pytest.raises(redact.RedactionIncomplete):
        copy_of(session, tmp_path, "a.pdf", saved(made), evidence_redact.Asked(words=(SECRET,)), recognise=True)
    assert len(list(session.testimony.items())) == before + 1  # the original, no copy


def test_a_photo_does_not_leave_with_its_place_unremarked(session: Session, tmp_path: Path) -> None:
    """A picture whose camera wrote down where it stood is a finding of its own; its redacted copy is not."""
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (43.0, 18.0, 0.0), 3: "E", 4: (45.0, 42.0, 0.0)})
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "white").save(out, "JPEG", exif=exif)
    source = filled(session, tmp_path / "in", {"a photo.jpg": out.getvalue()})
    [photo] = session.testimony.files(source)
    evidence_read.read(session, [photo])
    with pytest.raises(Refused) as refused:
        court.export(session, [photo], Asked(), tmp_path / "bag")
    found = refused.value.facts["gate"]["items"]  # type: ignore[index]
    assert any("GPS" in str(one) and photo.handle in str(one) for one in found), found
    copy = evidence_redact.redacted(session, photo.handle, evidence_redact.Asked(boxes=(redact.Box(1, 0, 0, 9, 9),)))
    with pytest.raises(Refused) as refused:
        court.export(session, [session.testimony.item(copy.item.handle) or photo], Asked(), tmp_path / "bag")
    assert not any("GPS" in str(one) for one in refused.value.facts["gate"]["items"])  # type: ignore[index]
