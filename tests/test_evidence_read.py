"""What readers find becomes rows, text that can be searched, and items; all of it through the sandbox, none of it twice."""

import io
import json
import zipfile
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from amparo.app import evidence, evidence_read, opening
from amparo.app.session import Session, stop_asked
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
