"""Files in: sealed once, hashed twice, with custody; interrupted, repeated, erased."""

import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3
from cli_kit import Shell

from amparo.app import evidence, opening, people
from amparo.app.session import Session, stop_asked
from amparo.ledger.group import PartTooLarge
from amparo.record.items import Fact, Piece
from amparo.vault import blob_stages
from amparo.vault.slots import Cost, Passphrase

SECRETS = Passphrase("a made-up passphrase"), Passphrase("another made-up one")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    opening.create(tmp_path / "case", *SECRETS, cost=Cost(64, 1, 1))
    rings = [opening.read_ring(tmp_path / "case", kind, p) for kind, p in zip(("everyday", "identities"), SECRETS, strict=True)]
    with Session(tmp_path / "case", rings) as opened:
        yield opened


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    folder = tmp_path / "dump"
    (folder / "DCIM" / "пустая").mkdir(parents=True)
    for number in range(30):
        (folder / "DCIM" / f"{number:02d}.bin").write_bytes(os.urandom(700 + number))
    (folder / "DCIM" / "again.bin").write_bytes((folder / "DCIM" / "03.bin").read_bytes())
    (folder / "empty").write_bytes(b"")
    (folder / "large.bin").write_bytes(os.urandom((1 << 20) + 5))
    return folder


def test_every_file_of_a_folder_becomes_an_item_with_both_hashes(session: Session, dump: Path) -> None:
    """Path, size, SHA-256, BLAKE3 and bytes of each item are those of the file it was made from."""
    added = evidence.add(session, [dump], origin=evidence.Origin("P-0001", "copied over USB", "V-900"))
    items = {item.path: item for item in session.testimony.items(added.source)}
    files = [path for path in dump.rglob("*") if path.is_file()]
    assert added.items == len(items) == len(files) == 33 and not added.refused
    for path in files:
        item, plain = items[path.relative_to(dump.parent).as_posix()], path.read_bytes()
        assert (item.size, item.sha256, item.blake3) == (len(plain), hashlib.sha256(plain).digest(), blake3(plain).digest())
        with evidence.read_quietly(session, item) as stream:
            assert stream.read() == plain
        assert item.modified == path.stat().st_mtime_ns // 1_000_000


def test_an_exact_duplicate_is_recognised_within_a_run_and_later(session: Session, dump: Path) -> None:
    """The copy inside the folder and a copy added as another source are both told, with the item they equal."""
    first = evidence.add(session, [dump])
    paths = {item.handle: Path(item.path).name for item in session.testimony.items(first.source)}
    assert [{paths[new], paths[old]} for new, old in first.duplicates] == [{"03.bin", "again.bin"}]
    second = evidence.add(session, [dump / "large.bin"])
    [(new, old)] = second.duplicates
    assert second.source != first.source and paths[old] == "large.bin"
    assert [item.handle for item in session.testimony.by_sha256(evidence.get(session, new).sha256)] == [old, new]


def test_an_interrupted_ingest_is_finished_by_running_it_again(
    session: Session, dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped between two batches, what was acknowledged stays, and the second run adds the rest and nothing twice."""
    monkeypatch.setattr(evidence, "_FILES", 10)
    monkeypatch.setattr(blob_stages, "_BATCH_FILES", 5)
    monkeypatch.setattr(blob_stages, "PACK", 0)  # a pack for every five files

    def stop_late(_done: int, _found: int) -> None:
        if list(session.testimony.items()):  # the first batch is committed, and the second being sealed
            stop_asked.set()

    with pytest.raises(KeyboardInterrupt):
        evidence.add(session, [dump / "DCIM", dump / "empty", dump / "large.bin"], progress=stop_late)
    stop_asked.clear()
    [source] = {item.source for item in session.testimony.items()}
    kept = len(list(session.testimony.items()))
    assert 0 < kept < 33 and kept % 10 == 0
    again = evidence.add(session, [dump / "DCIM", dump / "empty", dump / "large.bin"], source=source)
    assert (again.items, again.unchanged) == (33 - kept, kept)
    assert len({item.path for item in session.testimony.items(source)}) == 33


def test_a_folder_and_a_file_in_it_named_together_come_in_once(session: Session, dump: Path) -> None:
    """Who names a folder, the folder again and a file inside it gets each file once."""
    added = evidence.add(session, [dump / "DCIM", dump, dump, dump / "large.bin"])
    assert (added.items, added.refused) == (33, [])


def test_attack_another_basis_does_not_get_round_a_withdrawn_consent(session: Session, dump: Path) -> None:
    """What came in on consent, or ever rested on it, cannot be called published later, nor unknown."""
    consented = evidence.add(session, [dump / "empty"], origin=evidence.Origin(basis="consent")).source
    later = evidence.add(session, [dump / "large.bin"]).source
    evidence.set_basis(session, later, "consent", "asked in March")
    for source in (consented, later):
        for basis in ("published source", "unknown"):
            with pytest.raises(evidence.BasisStands):
                evidence.set_basis(session, source, basis, "made up")
        entity = session.record.entity(source)
        assert entity is not None and entity.basis == "consent"


def test_links_devices_and_unreadable_files_are_told_and_hold_up_nothing(session: Session, dump: Path) -> None:
    """A link out of the folder, a pipe and a file without permission are refused in a sentence each; the others come in."""
    (dump / "link").symlink_to("/etc/passwd")
    os.mkfifo(dump / "pipe")
    added = evidence.add(session, [dump])
    assert added.items == 33 and len(added.refused) == 2
    assert all("dump/" in sentence or "dump" in sentence for sentence in added.refused)


def test_a_workspace_is_not_added_to_itself(session: Session, tmp_path: Path) -> None:
    """Neither the workspace nor a folder that holds it can be added."""
    for path in (session.folder, session.folder / "ledger", tmp_path):
        with pytest.raises(evidence.InsideWorkspace):
            evidence.add(session, [path])


def test_opening_an_item_writes_custody_before_a_byte_is_read(session: Session, dump: Path) -> None:
    """Acquisition, viewing and derivation stand in the chain in order, with actor and reason; the derivative has its own."""
    added = evidence.add(session, [dump / "large.bin"], origin=evidence.Origin("P-0001", "copied over USB", "V-900"))
    item = evidence.get(session, added.first)
    evidence.open_item(session, item, reason="to transcribe it", actor="V-901").close()
    made = evidence.derive(session, item, io.BytesIO(b"words"), name="words.txt", relation="transcript", actor="V-901")
    chain = session.testimony.custody(item.handle)
    assert [event.action for event in chain] == ["acquired", "viewed", "derived"]
    assert (chain[0].actor, chain[0].reason) == ("V-900", "copied over USB") and "P-0001" in chain[0].detail
    assert chain[1].reason == "to transcribe it" and made.handle in chain[2].detail
    assert [event.action for event in session.testimony.custody(made.handle)] == ["derived"]
    assert session.testimony.children(item.handle) == [made]


def test_custody_and_items_survive_a_rebuild_from_the_ledger(session: Session, dump: Path) -> None:
    """Views thrown away and replayed say the same of items, custody, facts and text."""
    added = evidence.add(session, [dump])
    piece = Piece(added.first, 1, "p. 1", "a wagtail in Argun", "en", "made-up/1")
    evidence.put_rows(session, [Fact(added.first, "metadata", "made-up/1", "{}"), piece])
    evidence.note(session, [added.first], "viewed", reason="a look")

    def told() -> list[object]:
        view = session.testimony
        one = added.first
        return [list(view.items()), view.custody(one), view.facts(one), view.texts(one), view.search("Аргун")]

    before = told()
    session.rebuild()
    assert told() == before and before[-1]


def test_an_erased_item_takes_derivatives_text_and_custody_with_it_and_nothing_else(session: Session, dump: Path) -> None:
    """After `erase D-...` neither it nor what was made from it can be found or opened; its neighbours can."""
    added = evidence.add(session, [dump])
    item = evidence.get(session, added.first)
    made = evidence.derive(session, item, io.BytesIO(b"words"), name="words.txt", relation="transcript")
    evidence.put_rows(session, [Piece(made.handle, 1, "p. 1", "a wagtail", "en", "made-up/1")])
    people.erase(session, item.handle, "request of the owner")
    assert session.testimony.item(item.handle) is None and session.testimony.item(made.handle) is None
    assert session.testimony.search("wagtail") == [] and session.testimony.custody(item.handle) == []
    assert len(list(session.testimony.items())) == 32
    for other in session.testimony.items():
        with evidence.read_quietly(session, other) as stream:
            assert hashlib.sha256(stream.read()).digest() == other.sha256


def test_an_erased_source_takes_its_items_and_all_rows_about_them(session: Session, dump: Path) -> None:
    """After `erase S-...` no item, custody, fact or text of the source is left."""
    added = evidence.add(session, [dump])
    evidence.put_rows(session, [Piece(added.first, 1, "p. 1", "a wagtail", "en", "made-up/1")])
    evidence.note(session, [added.first], "viewed")
    people.erase(session, added.source, "request of the owner")
    assert list(session.testimony.items()) == [] and session.testimony.search("wagtail") == []
    assert session.testimony.acquisitions(added.source) == []


def test_the_record_compartment_never_holds_a_file_name(session: Session, dump: Path) -> None:
    """File names can name persons: the everyday record knows the source's handle and type only."""
    (dump / "Wagtail Testsson.jpg").write_bytes(b"x")
    evidence.add(session, [dump])
    assert "Wagtail" not in str([entity.to_row() for entity in session.record.entities()])


def test_the_command_line_adds_lists_shows_and_tells_custody(tmp_path: Path, dump: Path) -> None:
    """The four verbs work together on a fresh workspace, in text and JSON, and never print a key."""
    shell = Shell(tmp_path / "user", tmp_path / "case2")
    shell.init()
    added = shell.amparo("evidence", "add", str(dump), "--how", "made up for a test")
    assert added["items"] == 33 and added["source"] == "S-0001"
    listed = shell.amparo("evidence", "list")
    shown = shell.amparo("evidence", "show", added["first"])
    chain = shell.amparo("evidence", "custody", added["first"])
    assert listed["count"] == 33 and "key" not in shown
    assert [event["action"] for event in chain["events"]] == ["acquired", "viewed"]
    assert shell.amparo("evidence", "show", "D-9999", code=9)["error"] == "NoSuchItem"


def test_a_source_written_another_way_is_the_same_source(session: Session, tmp_path: Path) -> None:
    """`s-1` is S-0001: what is added to it is found, and erased, with it."""
    (tmp_path / "one.txt").write_bytes(b"one")
    (tmp_path / "two.txt").write_bytes(b"two")
    first = evidence.add(session, [tmp_path / "one.txt"]).source
    assert evidence.add(session, [tmp_path / "two.txt"], source="s-1").source == first == "S-0001"
    assert [item.name for item in session.testimony.items(first)] == ["one.txt", "two.txt"]


def test_rows_too_large_for_one_part_are_divided_and_one_that_fits_none_is_refused(session: Session, dump: Path) -> None:
    """Some 100 MB of facts about one item go into several parts; a fact of 70 MB is refused in a sentence, and nothing left."""
    added = evidence.add(session, [dump / "large.bin"])
    text = "\u0431" * (3 << 20)
    evidence.put_rows(session, (Fact(added.first, "container", "made-up/1", text, number) for number in range(1, 18)))
    assert len([fact for fact in session.testimony.facts(added.first) if fact.data == text]) == 17
    with pytest.raises(PartTooLarge, match=r"facts.*at most 67,108,864"):
        evidence.put_rows(session, [Fact(added.first, "metadata", "made-up/1", "x" * (70 << 20))])
    assert not [fact for fact in session.testimony.facts(added.first) if fact.kind == "metadata"]
