"""What readers find becomes rows, text that can be searched, and items; all of it through the sandbox, none of it twice."""

import io
import json
import os
import pty
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from cli_kit import Shell
from hypothesis import given
from hypothesis import strategies as st
from test_evidence_readers import docx, picture

from amparo.app import evidence, evidence_read, evidence_transcribe, opening
from amparo.app.session import Session, stop_asked
from amparo.evidence import speech
from amparo.evidence.sandbox import FileUnreadable, Limits
from amparo.record.items import Fact, Piece
from amparo.vault.slots import Cost, Passphrase

SECRETS = Passphrase("a made-up passphrase"), Passphrase("another made-up one")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    opening.create(tmp_path / "case", *SECRETS, cost=Cost(64, 1, 1))
    with Session(tmp_path / "case", [opening.read_ring(tmp_path / "case", "everyday", SECRETS[0])]) as opened:
        yield opened


def letter(subject: str, text: str) -> bytes:
    message = EmailMessage()
    message["Subject"], message["From"] = subject, "V-001 <v001@example.org>"
    message["Date"] = "Tue, 04 Apr 2017 10:00:00 +0300"
    message.set_content(text)
    cue = b"1\n00:00:01,000 --> 00:00:02,500\nHe was taken to Argun.\n\n"
    message.add_attachment(cue, maintype="application", subtype="x-subrip", filename="words.srt")
    return message.as_bytes()


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def add(session: Session, folder: Path, name: str, data: bytes) -> evidence.Added:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return evidence.add(session, [folder / name])


def test_an_attachment_declared_as_nothing_is_taken_by_its_bytes(session: Session, tmp_path: Path) -> None:
    """Senders who call everything application/octet-stream do not keep a document from being read."""
    message = EmailMessage()
    message["Subject"], message["From"] = "made up", "V-001 <v001@example.org>"
    message.set_content("see the file")
    document = docx("<w:p><w:r><w:t>He was taken to Argun.</w:t></w:r></w:p>")
    message.add_attachment(document, maintype="application", subtype="octet-stream", filename="a.bin")
    first = add(session, tmp_path / "in", "m.eml", message.as_bytes()).first
    evidence_read.read(session, [evidence.get(session, first)])
    [inside] = session.testimony.children(first)
    assert inside.media_type.endswith("wordprocessingml.document")
    assert [hit.handle for hit in session.testimony.search("Argun")] == [inside.handle]


def test_an_archive_is_read_to_its_attachments_attachments(session: Session, tmp_path: Path) -> None:
    """Archive, letter in it and subtitles in the letter: each an item of the source with its parent; the words are found."""
    added = add(session, tmp_path / "in", "dump.zip", packed({"mail/one.eml": letter("made up", "Они пришли ночью.")}))
    done = evidence_read.read(session, [evidence.get(session, added.first)])
    chain = {item.name: item for item in session.testimony.items(added.source)}
    assert [item.relation for item in chain.values()] == ["", "member", "attachment"] and not done.problems
    inner = next(item for item in chain.values() if item.name.endswith(".srt"))
    assert session.testimony.item(inner.parent) == next(item for item in chain.values() if item.name.endswith(".eml"))
    [hit] = session.testimony.search("Аргун")
    assert (hit.handle, hit.locator) == (inner.handle, "00:00:01.000-00:00:02.500")
    assert [event.action for event in session.testimony.custody(added.first)] == ["acquired", "read"]


def test_what_was_read_is_not_read_again_unless_asked(session: Session, tmp_path: Path) -> None:
    """A second run finds nothing to do; with ``again`` the same rows replace the old ones and no text stands twice."""
    added = add(session, tmp_path / "in", "one.eml", letter("made up", "They came at night."))
    evidence_read.read(session, session.testimony.items(added.source))
    texts = session.testimony.texts(added.first)
    facts = session.testimony.facts(added.first)
    assert evidence_read.read(session, list(session.testimony.items(added.source))).items == 0
    evidence_read.read(session, [evidence.get(session, added.first)], again=True)
    assert session.testimony.texts(added.first) == texts and session.testimony.facts(added.first) == facts
    assert len(list(session.testimony.items(added.source))) == 2


def test_a_damaged_file_is_told_and_holds_up_nothing(session: Session, tmp_path: Path) -> None:
    """A truncated archive leaves a sentence with the item and in its facts, and the file after it is read."""
    whole = packed({f"{number}.txt": bytes(2000) for number in range(20)})
    add(session, tmp_path / "a", "cut.zip", whole[: len(whole) // 2])
    added = add(session, tmp_path / "b", "one.eml", letter("made up", "They came at night."))
    done = evidence_read.read(session, list(session.testimony.items()))
    assert done.problems and done.problems[0][0] == "D-0001"
    told = {fact.reader: json.loads(fact.data) for fact in session.testimony.facts("D-0001") if fact.kind == "read"}
    assert told["archive/1"]["count"] and session.testimony.texts(added.first)


def test_a_stopped_run_keeps_nothing_half_done(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in mid-reading, no row of the batch is there, and the next run reads everything."""
    added = add(session, tmp_path / "in", "dump.zip", packed({f"{n}.eml": letter("made up", f"word{n}") for n in range(5)}))
    monkeypatch.setattr(evidence_read, "_AT_ONCE", 1)
    seen = []

    def stop(done: int, found: int, name: str) -> None:
        seen.append(name)
        if len(seen) == 3:
            stop_asked.set()

    with pytest.raises(KeyboardInterrupt):
        evidence_read.read(session, [evidence.get(session, added.first)], progress=stop)
    stop_asked.clear()
    read = {fact.item for item in session.testimony.items() for fact in session.testimony.facts(item.handle)}
    assert read == {item.handle for item in session.testimony.items() if session.testimony.texts(item.handle)} | {"D-0001"}
    evidence_read.read(session, list(session.testimony.items()))
    assert all(session.testimony.search(f"word{n}") for n in range(5))


def test_an_unknown_reader_is_named_with_those_there_are(session: Session) -> None:
    """The sentence lists the readers that can be asked for."""
    with pytest.raises(evidence_read.UnknownReader) as refused:
        evidence_read.read(session, [], only=["nonsense"])
    assert "mail" in str(refused.value)


# -- hostile to the side that has the keys ------------------------------------------------------------------------------------


def everything(session: Session, added: evidence.Added, **more: Any) -> evidence_read.Reading:
    return evidence_read.read(session, [evidence.get(session, added.first)], **more)


def test_attack_text_larger_than_a_part_of_the_ledger_is_kept_in_several(session: Session, tmp_path: Path) -> None:
    """A document of 80 KB whose paragraphs are 80 MB in UTF-8 is read whole: no part outgrows what the format allows."""
    words = "".join("<w:p><w:r><w:t>" + "\u0939" * 262_000 + "</w:t></w:r></w:p>" for _ in range(100))
    added = add(session, tmp_path / "in", "long.docx", docx(words))
    assert everything(session, added).texts == 100
    assert sum(len(piece.text) for piece in session.testimony.texts(added.first)) == 26_200_000


def nested(levels: int, width: int, leaf: int) -> bytes:
    data = packed({"leaf.bin": bytes(leaf)})
    for _ in range(levels):
        data = packed({f"{number}.zip": data + bytes([number]) for number in range(width)})
    return data


def test_attack_archives_in_archives_share_one_allowance(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bomb of many small archives fills no disk: all that comes out of one item together is bounded, and it is said."""
    monkeypatch.setattr(Limits, "for_size", classmethod(lambda cls, _size: cls(members=5 << 20)))
    added = add(session, tmp_path / "in", "bomb.zip", nested(2, 4, 1 << 20))
    done = everything(session, added)
    held = sum(item.size for item in session.testimony.items(added.source))
    assert held < 6 << 20 and any("limit" in sentence for _item, sentence in done.problems)
    assert everything(session, added, again=True, times=4).problems == []


def test_what_lies_too_deep_is_sealed_and_said(session: Session, tmp_path: Path) -> None:
    """Below eight archives nothing is opened any more; the item says so, and reading it by its handle goes on."""
    added = add(session, tmp_path / "in", "deep.zip", nested(10, 1, 5))
    done = everything(session, added)
    [(item, sentence)] = done.problems
    assert "too deep" in sentence and done.troubles == 1
    [kept] = [fact for fact in session.testimony.facts(item) if fact.kind == "unread"]
    assert "too deep" in kept.data
    [below] = session.testimony.children(item)
    assert evidence_read.read(session, [below]).members == 2


def test_small_files_found_inside_share_packs(session: Session, tmp_path: Path) -> None:
    """A thousand members are sealed in a few packs, each under a key of its own; a large one alone; each comes out the same."""
    files = {f"folder/{number:04}.bin": os.urandom(200 + number) for number in range(1000)} | {"large.bin": os.urandom(2 << 20)}
    added = add(session, tmp_path / "in", "many.zip", packed(files))
    assert everything(session, added).members == 1001
    children = session.testimony.children(added.first)
    assert [child.path for child in children] == list(files)
    assert len({child.blob.partition(":")[0] for child in children}) < 12 and len({child.key for child in children}) == 1001
    for child in children[::97] + children[-1:]:
        with evidence.read_quietly(session, child) as stream:
            assert stream.read() == files[child.path]
    assert {child.modified for child in children} == {children[0].modified}
    session.blobs().erase(children[3].blob)
    with evidence.read_quietly(session, children[4]) as stream:
        assert stream.read() == files[children[4].path]


@given(st.lists(st.integers(0, 3 << 20), max_size=60), st.booleans())
def test_rows_are_written_in_lots_and_none_is_lost(sizes: list[int], refused: bool) -> None:
    """Lots are bounded, together they are the rows in order, and what stood before a refusal comes before it."""

    def rows() -> Any:
        for number, size in enumerate(sizes):
            yield Piece("D-0001", number, "", "x" * size)
        if refused:
            raise FileUnreadable(why="made up")

    found = []
    try:
        for lot in evidence_read.lots(rows()):
            assert sum(len(row.text) for row in lot[:-1] if isinstance(row, Piece)) <= 8 << 20
            found += [row.number for row in lot if isinstance(row, (Piece, Fact))]
        assert not refused
    except FileUnreadable:
        assert refused
    assert found == list(range(len(sizes)))


def test_text_before_a_break_is_kept(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a reader is stopped in the middle of a file, the pieces it had read are there, and the stop is told."""
    monkeypatch.setattr(Limits, "for_size", classmethod(lambda cls, _size: cls(said=400_000)))
    added = add(session, tmp_path / "in", "words.srt", b"".join(
        f"{n}\n00:00:{n % 60:02},000 --> 00:00:{n % 60:02},500\n{'word ' * 400}\n\n".encode() for n in range(1, 1000)
    ))  # fmt: skip
    done = everything(session, added)
    assert 20 < done.texts < 999 == len(session.testimony.texts(added.first)) + 999 - done.texts
    assert "limit" in done.problems[-1][1]


def test_attack_warnings_without_end_are_counted_and_not_kept(session: Session, tmp_path: Path) -> None:
    """Of a hundred thousand warnings some are kept and all are counted."""
    added = add(
        session, tmp_path / "in", "words.srt", b"1\n00:00:01,000 --> 00:00:02,000\nmade up\n\n" + b"odd one\n\n" * 100_000
    )
    done = everything(session, added)
    assert done.troubles >= 100_000 and len(done.problems) <= 100


# -- at the command line ------------------------------------------------------------------------------------------------------


def test_attack_a_name_that_steers_the_terminal_shows_as_letters(tmp_path: Path) -> None:
    """A name with escape sequences, an override of direction and marks of the progress bar ends neither run nor screen."""
    shell = Shell(tmp_path, tmp_path / "case")
    shell.init()
    (tmp_path / "\x1b]0;owned\x07\x1b[2J\u202e[bold]gpj.txt").write_bytes(b"made up")
    shell.amparo("evidence", "add", *map(str, tmp_path.glob("*.txt")))
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from amparo.cli.common import main; main()", "evidence", "read", "--workspace"]
    with subprocess.Popen(
        [*command, str(shell.workspace)], env=shell.environment | {"TERM": "xterm"}, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:  # fmt: skip
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:
                break
            if not piece:
                break
            shown += piece
        assert process.wait() == 0, shown[-500:]
    os.close(ours)
    shell.lock()
    assert b"Read 1 item." in shown and b"[bold]" in shown
    assert b"\x1b]0;" not in shown and b"\x1b[2J" not in shown and "\u202e".encode() not in shown and b"\x1b]8" not in shown


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed (it speaks the words of the test)")
def test_a_recording_is_transcribed_by_the_users_own_recogniser(tmp_path: Path) -> None:
    """`evidence transcribe` makes searchable pieces with times, marked with recogniser and model, and a line in the custody."""
    pytest.importorskip("pocketsphinx", reason="pocketsphinx is not installed")
    shell = Shell(tmp_path, tmp_path / "case")
    shell.init()
    command = ["flite", "-voice", "kal16", "-t", "the people came in the morning. they went to the city.", "-o"]
    subprocess.run([*command, str(tmp_path / "talk.wav")], check=True)
    item = shell.amparo("evidence", "add", str(tmp_path / "talk.wav"))["first"]
    told = shell.amparo("evidence", "transcribe", item, "--with", "pocketsphinx", "--language", "en")
    assert told["drafts"][0]["pieces"] >= 1 and told["drafts"][0]["problems"] == []
    assert shell.amparo("evidence", "search", "morning")["hits"][0]["handle"] == item
    [piece, *_rest] = shell.amparo("evidence", "text", item)["pieces"]
    assert piece["reader"].startswith("pocketsphinx/") and piece["reader"].endswith(" en") and "-00:00:0" in piece["locator"]
    custody = shell.amparo("evidence", "custody", item)
    assert "pocketsphinx" in json.dumps(custody)
    shell.amparo("evidence", "transcribe", item, "--with", "vosk", "--model", str(tmp_path / "none"), code=2)
    shell.lock()


class Parrot:
    """A recogniser that hears how much sound there is."""

    name, version, model, digest = "parrot", "1", "made-up", "0" * 64

    def hear(self, samples: Any, language: str) -> Any:
        del language
        for at, sound in speech.stretches(samples):
            yield speech.Segment(at, at + len(sound) / 32_000, f"{len(sound)} bytes")


def test_what_is_no_recording_is_told_and_leaves_no_transcript(session: Session, tmp_path: Path) -> None:
    """A picture has no sound: one sentence, no piece, and no line in the custody that something was heard."""
    added = add(session, tmp_path / "in", "a.png", picture("PNG"))
    [draft] = evidence_transcribe.transcribe(session, [evidence.get(session, added.first)], Parrot())
    assert draft.pieces == 0 and len(draft.problems) == 1
    assert [event.action for event in session.testimony.custody(added.first)] == ["acquired"]


@given(st.lists(st.binary(max_size=7), max_size=50), st.integers(1, 9))
def test_stretches_are_the_sound_in_order(pieces: list[bytes], length: int) -> None:
    """However it comes, the sound is handed on whole, in stretches of even length, each with its second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speech, "_STRETCH", 4 * length)
        patch.setattr(speech, "_SEARCHED", 2 * length)
        found = list(speech.stretches(iter(pieces)))
    whole = b"".join(pieces)
    assert b"".join(sound for _at, sound in found) == whole
    begins = [0]
    for _at, sound in found:
        begins.append(begins[-1] + len(sound))
    assert [round(at * 32_000) for at, _sound in found] == begins[: len(found)]
    assert all(len(sound) <= 4 * length and sound for _at, sound in found)


def test_a_password_is_asked_for_and_opens_the_archive(tmp_path: Path) -> None:
    """--password-fd gives the password of an encrypted archive; without it the sentence says that one is needed."""
    libarchive = pytest.importorskip("libarchive", reason="libarchive is not installed")
    shell = Shell(tmp_path, tmp_path / "case")
    shell.init()
    with libarchive.file_writer(str(tmp_path / "a.zip"), "zip", options="encryption=aes256", passphrase="made up") as out:
        out.add_file_from_memory("one.txt", 7, b"opened.")
    item = shell.amparo("evidence", "add", str(tmp_path / "a.zip"))["first"]
    assert "password" in shell.amparo("evidence", "read", item)["problems"][0]["problem"]
    (tmp_path / "word").write_text("made up\n", "utf-8")
    verb = 'exec "$0" -c "from amparo.cli.common import main; main()" evidence read "$1" --again --password-fd 7 --json 7<"$2"'
    done = subprocess.run(
        ["sh", "-c", verb, sys.executable, item, str(tmp_path / "word")], env=shell.environment, cwd=shell.workspace,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert (told["problems"], told["members"]) == ([], 1)
    assert shell.amparo("evidence", "search", "opened")["hits"]
    shell.lock()
