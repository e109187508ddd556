"""Verifying, repairing, parity: each kind of damage is named, nothing unproven replaces anything, a power cut costs nothing."""

import errno
import hashlib
import json
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import zfec  # type: ignore[import-untyped]
from cli_kit import Shell
from faulty_disk import FaultyDisk, Loss, PowerCut

from amparo.app import evidence, opening, people
from amparo.app import evidence_integrity as integrity
from amparo.app import evidence_repair as mending
from amparo.app.evidence_files import store_of
from amparo.app.session import Session, stop_asked
from amparo.kernel.errors import AmparoError, DiskRefused
from amparo.record.items import Custody, Item
from amparo.record.model import Claim
from amparo.vault import parity, parity_set
from amparo.vault.blob_check import check, order, sealed_length
from amparo.vault.blobs import BlobStore
from amparo.vault.disk import Disk
from amparo.vault.replica import FolderReplica, NoReplica
from amparo.vault.slots import Cost, Passphrase

SECRETS = Passphrase("a made-up passphrase"), Passphrase("another made-up one")
LARGE, SMALL = (1 << 20) + 5, 3_000


def open_session(folder: Path, disk: Disk | None = None) -> Session:
    return Session(folder, [opening.read_ring(folder, "everyday", SECRETS[0])], disk=disk)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with two large items (one of three chunks) and five in a pack, and a backup of it."""
    place = tmp_path_factory.mktemp("made")
    opening.create(place / "case", *SECRETS, cost=Cost(64, 1, 1))
    files = place / "files"
    files.mkdir()
    (files / "a.bin").write_bytes(os.urandom(LARGE))
    (files / "b.bin").write_bytes(os.urandom(LARGE))
    (files / "c.bin").write_bytes(os.urandom(9 << 20))
    for number in range(5):
        (files / f"s{number}.bin").write_bytes(os.urandom(SMALL + number))
    with open_session(place / "case") as session:
        evidence.add(session, [files])
        opening.back_up(session, place / "backup")
    return place


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    """A fresh copy of ``made``."""
    shutil.copytree(made / "case", tmp_path / "case")
    shutil.copytree(made / "backup", tmp_path / "backup")
    return tmp_path


@pytest.fixture
def session(place: Path) -> Iterator[Session]:
    with open_session(place / "case") as opened:
        yield opened


def items(session: Session) -> dict[str, Item]:
    return {item.name: item for item in session.testimony.items()}


def path_of(session: Session, item: Item) -> Path:
    return store_of(session).place(item.blob, item.size)[0]


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        [byte] = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


def rot(session: Session, item: Item) -> None:
    """Flip a bit in the middle of an item's sealed file."""
    path, offset, length = store_of(session).place(item.blob, item.size)
    flip(path, (offset or 0) + length // 2)


def kinds(run: integrity.Run) -> dict[str, str]:
    return {finding.item: finding.kind for finding in run.findings}


# -- verifying ------------------------------------------------------------------------------------------------------------


def test_a_whole_workspace_verifies_in_one_entry_with_an_rfc_9162_root(session: Session) -> None:
    """Every item is read; one custody entry holds counts and the Merkle tree head, computed here again by recursion."""
    run = integrity.verify(session, actor="V-901")
    every = sorted(session.testimony.items(), key=lambda item: order(item.blob))

    def root(leaves: list[bytes]) -> bytes:
        if len(leaves) == 1:
            return hashlib.sha256(b"\0" + leaves[0]).digest()
        split = 1 << (len(leaves) - 1).bit_length() - 1
        return hashlib.sha256(b"\1" + root(leaves[:split]) + root(leaves[split:])).digest()

    assert run.root == root([item.sha256 + item.blob.encode() for item in every]).hex()
    assert (run.items, run.damaged, run.findings, run.strays) == (8, 0, [], [])
    entries = [Custody.from_row(row) for row in session.testimony.rows(Custody.TYPE)]
    assert [(one.item, one.action, one.actor) for one in entries] == [("", "verified", "V-901")]
    assert json.loads(entries[0].detail)["root"] == run.root


def _truncate(session: Session, every: dict[str, Item]) -> None:
    path = path_of(session, every["a.bin"])
    os.truncate(path, path.stat().st_size - 4096)


def _lengthen(session: Session, every: dict[str, Item]) -> None:
    path = path_of(session, every["a.bin"])
    os.truncate(path, path.stat().st_size + 4096)


def _swap(session: Session, every: dict[str, Item]) -> None:
    one, two = path_of(session, every["a.bin"]), path_of(session, every["b.bin"])
    held = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(held)


def _erase_small(session: Session, every: dict[str, Item]) -> None:
    store_of(session).erase(every["s2.bin"].blob)


def _replay_chunk(session: Session, every: dict[str, Item]) -> None:
    path = path_of(session, every["c.bin"])
    data = path.read_bytes()
    path.write_bytes(data[: 4 << 20] + data[: 4 << 20] + data[8 << 20 :])


def _folder_instead(session: Session, every: dict[str, Item]) -> None:
    path = path_of(session, every["a.bin"])
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (lambda s, e: path_of(s, e["a.bin"]).unlink(), {"a.bin": "missing"}),
        (lambda s, e: path_of(s, e["s1.bin"]).unlink(), {f"s{n}.bin": "missing" for n in range(5)}),
        (_truncate, {"a.bin": "truncated"}),
        (_lengthen, {"a.bin": "truncated"}),
        (lambda s, e: os.truncate(path_of(s, e["a.bin"]), 0), {"a.bin": "truncated"}),
        (lambda s, e: rot(s, e["c.bin"]), {"c.bin": "altered"}),
        (lambda s, e: rot(s, e["s3.bin"]), {"s3.bin": "altered"}),
        (_replay_chunk, {"c.bin": "altered"}),
        (_swap, {"a.bin": "exchanged", "b.bin": "exchanged"}),
        (_erase_small, {"s2.bin": "erased"}),
        (_folder_instead, {"a.bin": "unreadable"}),
    ],
)
def test_each_kind_of_damage_is_named_and_no_other_item_is_accused(
    session: Session, harm: Callable[[Session, dict[str, Item]], object], expected: dict[str, str]
) -> None:
    """Missing, truncated, altered, replayed, exchanged, erased, unreadable: the harmed items and no others, by kind."""
    every = items(session)
    harm(session, every)
    run = integrity.verify(session)
    assert kinds(run) == {every[name].handle: kind for name, kind in expected.items()}
    assert run.items == 8 and run.damaged == len(expected)
    if "exchanged" in expected.values():
        assert {one.item: one.instead for one in run.findings} == {
            every["a.bin"].handle: every["b.bin"].handle, every["b.bin"].handle: every["a.bin"].handle,
        }  # fmt: skip


def test_two_packs_that_changed_places_are_told_apart_from_rot(session: Session, tmp_path: Path) -> None:
    """Every item of both packs is reported, and the first of each names whose file lies there."""
    (tmp_path / "more").mkdir()
    for number in range(4):
        (tmp_path / "more" / f"m{number}.bin").write_bytes(os.urandom(SMALL))
    evidence.add(session, [tmp_path / "more"])
    every = items(session)
    one, two = path_of(session, every["s0.bin"]), path_of(session, every["m0.bin"])
    held = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(held)
    run = integrity.verify(session)
    assert len(run.findings) == 9 and sum(finding.kind == "exchanged" for finding in run.findings) == 2


@dataclass
class Plain:
    handle: str
    sha256: bytes
    size: int
    blob: str
    key: bytes


def test_every_flipped_byte_of_a_small_blob_is_detected(tmp_path: Path) -> None:
    """Each byte of a sealed file in a pack and of its neighbour is flipped in turn: that file is altered, the other whole."""
    store = BlobStore(tmp_path, bytes(32))
    (tmp_path / "one").write_bytes(os.urandom(150))
    (tmp_path / "two").write_bytes(os.urandom(90))
    sealed = [one for _, one in store.seal_many([tmp_path / "one", tmp_path / "two"])]
    known = [Plain(f"D-{n}", one.sha256, one.size, one.blob, one.key) for n, one in enumerate(sealed)]
    path, _, _ = store.place(known[0].blob, 150)
    for offset in range(150 + 16 + 90 + 16):
        flip(path, offset)
        broken = [outcome.problem is not None for outcome in check(store, known)]
        flip(path, offset)
        assert broken == ([True, False] if offset < 166 else [False, True]), offset


def test_flipped_bytes_of_an_object_are_detected_padding_included(tmp_path: Path) -> None:
    """A flip anywhere in a file of its own, also in the sealed padding behind the data, is damage."""
    store = BlobStore(tmp_path, bytes(32))
    (tmp_path / "one").write_bytes(b"made up")
    one = store.seal_file(tmp_path / "one")
    known = Plain("D-1", one.sha256, one.size, one.blob, one.key)
    path, _, length = store.place(one.blob, one.size)
    for offset in [*range(0, length, 61), length - 1]:
        flip(path, offset)
        assert [outcome.problem is not None for outcome in check(store, [known])] == [True], offset
        flip(path, offset)
    assert [outcome.problem for outcome in check(store, [known])] == [None]


def test_a_file_that_opens_but_has_another_hash_on_record_is_damage(tmp_path: Path) -> None:
    """Key and tag are right and the record's SHA-256 is not: reported for a file of its own, one in a pack and an empty one."""
    store = BlobStore(tmp_path, bytes(32))
    for name, size in (("one", 1 << 20), ("two", 100), ("none", 0)):
        (tmp_path / name).write_bytes(os.urandom(size))
    sealed = [one for _, one in store.seal_many([tmp_path / "one", tmp_path / "two"])]
    sealed.append(store.seal_file(tmp_path / "none"))
    known = [Plain(f"D-{n}", bytes(32), one.size, one.blob, one.key) for n, one in enumerate(sealed)]
    assert [type(outcome.problem).__name__ for outcome in check(store, known)] == ["BlobHashWrong"] * 3


@pytest.mark.parametrize(
    ("blob", "size"),
    [
        ("../../etc/passwd", 5), ("0" * 64 + ":0:20", 99), ("0" * 64 + ":0:9999999999", 9999999983), ("0" * 64, -1),
        ("0" * 64, 1 << 62),
    ],
)
def test_a_false_address_or_size_in_a_row_is_damage_and_reads_nothing(tmp_path: Path, blob: str, size: int) -> None:
    """A row of another hand with a path, a false length or an absurd size neither crashes nor reserves memory."""
    store = BlobStore(tmp_path, bytes(32))
    [outcome] = check(store, [Plain("D-1", bytes(32), size, blob, bytes(32))])
    assert isinstance(outcome.problem, AmparoError)


def test_damage_is_one_entry_however_often_it_is_found_and_names_what_rests_on_it(session: Session) -> None:
    """The second run writes no second entry; the finding names source, claims, passages, derivatives and later releases."""
    every = items(session)
    child = evidence.derive(session, every["c.bin"], _Stream(b"words"), name="words.txt", relation="transcript")
    with session.change() as change:
        claim = change.allocate("claim")
        row = Claim(claim, every["c.bin"].source, "statement", text="made up", source=every["c.bin"].source)
        change.put("record", Claim.TYPE, [row.to_row()])
    session.note_access("export dossier", "00ff", "prosecution; court")
    rot(session, every["c.bin"])
    run = integrity.verify(session)
    again = integrity.verify(session)
    assert kinds(run) == kinds(again) == {every["c.bin"].handle: "altered"}
    [finding] = run.findings
    assert finding.source == every["c.bin"].source and finding.derived == [child.handle]
    assert run.sources[finding.source].releases == ["export dossier 00ff"]
    assert run.sources[finding.source].claims == [claim] and run.sources[finding.source].passages == []
    chain = [event.action for event in session.testimony.custody(every["c.bin"].handle)]
    assert chain == ["acquired", "derived", "damage found"]


class _Stream:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def readinto(self, buffer: memoryview, /) -> int:
        size = min(len(buffer), len(self._data))
        buffer[:size], self._data = self._data[:size], self._data[size:]
        return size


def test_a_stopped_run_goes_on_where_it_was_and_ends_with_the_same_root(
    place: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after some items, a later session reads only the rest; counts and root are those of a run in one go."""
    whole = integrity.verify(session).root
    monkeypatch.setattr(integrity, "_BATCH", 2)

    def stop(done: int, _total: int) -> None:
        if done > objects:  # in the pack, which comes last
            stop_asked.set()

    objects = sum(sealed_length(item) for name, item in items(session).items() if not name.startswith("s"))
    try:
        with pytest.raises(KeyboardInterrupt):
            integrity.verify(session, progress=stop)
    finally:
        stop_asked.clear()
    session.close()
    with open_session(place / "case") as later:
        seen: list[int] = []
        run = integrity.verify(later, progress=lambda _done, total: seen.append(total))
        assert run.resumed and run.items == 8 and run.root == whole
        assert seen[-1] < sum(item.size for item in later.testimony.items())
        assert not integrity.verify(later).resumed


def test_how_far_a_run_came_is_in_no_plain_file(session: Session, place: Path) -> None:
    """After a stopped run no file outside ledger and views has changed, and no new one has come."""

    def files() -> dict[str, float]:
        sealed = ("ledger", "views")
        return {
            str(path): path.stat().st_mtime for path in (place / "case").rglob("*")
            if path.is_file() and path.relative_to(place / "case").parts[0] not in sealed
        }  # fmt: skip

    before = files()
    try:
        with pytest.raises(KeyboardInterrupt):
            integrity.verify(session, progress=lambda _done, _total: stop_asked.set())
    finally:
        stop_asked.clear()
    assert files() == before


def test_an_item_found_whole_again_is_said_to_be_so(session: Session) -> None:
    """Damage that somebody mended by hand is cleared by the next run, with an entry."""
    every = items(session)
    rot(session, every["a.bin"])
    integrity.verify(session)
    rot(session, every["a.bin"])
    run = integrity.verify(session)
    assert run.healed == [every["a.bin"].handle] and not run.findings and not integrity.open_damage(session)
    assert [event.action for event in session.testimony.custody(every["a.bin"].handle)][-2:] == ["damage found", "verified"]


def test_what_an_erasure_could_not_reach_is_found_and_removed_only_when_old(session: Session) -> None:
    """A file on no record and an erased place in a pack that has its bytes yet are told; removed after a day, not before."""
    store, every = store_of(session), items(session)
    erased = every["s2.bin"]
    path, offset, length = store.place(erased.blob, erased.size)
    assert offset is not None
    bytes_before = path.read_bytes()[offset : offset + length]
    if offset == 0:
        pytest.skip("the first of the pack leaves no gap before another")
    people.erase(session, erased.handle, "request of the owner")
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(bytes_before)
    orphan = store.seal_file(_Stream(b"never acknowledged"))
    run = integrity.verify(session)
    after = any(other.blob.startswith(path.name) and order(other.blob)[2] > offset for other in session.testimony.items())
    wanted = {orphan.blob, *([f"{path.name}:{offset}:{length}"] if after else [])}
    assert set(run.strays) == wanted
    assert integrity.remove_strays(session) == 0
    day_before = time.time() - 90_000
    for stray in store.files():
        os.utime(stray, (day_before, day_before))
    assert integrity.remove_strays(session) == len(wanted)
    run = integrity.verify(session)
    assert run.strays == [] and run.findings == [] and run.items == 7
    assert bytes_before not in path.read_bytes()


# -- repairing ------------------------------------------------------------------------------------------------------------


def test_damage_is_repaired_from_a_backup_with_custody(session: Session, place: Path) -> None:
    """A rotten file, a missing one and a rotten one in a pack come back from the backup; each item's chain says from where."""
    every = items(session)
    rot(session, every["c.bin"])
    path_of(session, every["a.bin"]).unlink()
    rot(session, every["s3.bin"])
    assert len(integrity.verify(session).findings) == 3
    done = mending.repair(session, [FolderReplica(place / "backup")])
    assert set(done.repaired) == {every[name].handle for name in ("a.bin", "c.bin", "s3.bin")} and not done.left
    assert not integrity.verify(session).findings
    last = session.testimony.custody(every["c.bin"].handle)[-1]
    assert last.action == "repaired" and "copy" in last.detail and str(place) not in last.detail
    with evidence.read_quietly(session, every["c.bin"]) as stream:
        assert hashlib.sha256(stream.read()).digest() == every["c.bin"].sha256


def test_a_lost_pack_is_rebuilt_without_what_was_erased(session: Session, place: Path) -> None:
    """The pack is gone and the backup still has an erased file in it: the others come back, the erased bytes do not."""
    every = items(session)
    erased = every["s2.bin"]
    path, offset, length = store_of(session).place(erased.blob, erased.size)
    sealed = path.read_bytes()[offset or 0 : (offset or 0) + length]
    people.erase(session, erased.handle, "request of the owner")
    path.unlink()
    integrity.verify(session)
    done = mending.repair(session, [FolderReplica(place / "backup")])
    assert len(done.repaired) == 4 and not integrity.verify(session).findings
    assert sealed in (place / "backup" / "blobs" / "packs" / path.name).read_bytes()
    assert sealed not in path.read_bytes()


def _other_file(session: Session, backup: Path, every: dict[str, Item]) -> None:
    copy = backup / "blobs" / store_of(session).name(path_of(session, every["a.bin"]))
    copy.write_bytes(path_of(session, every["b.bin"]).read_bytes())


def _cut_copy(session: Session, backup: Path, every: dict[str, Item]) -> None:
    copy = backup / "blobs" / store_of(session).name(path_of(session, every["a.bin"]))
    os.truncate(copy, 4096)


def _rotten_copy(session: Session, backup: Path, every: dict[str, Item]) -> None:
    flip(backup / "blobs" / store_of(session).name(path_of(session, every["a.bin"])), 77_777)


@pytest.mark.parametrize("harm", [_other_file, _cut_copy, _rotten_copy])
def test_a_hostile_copy_replaces_nothing_and_a_good_one_behind_it_does(
    session: Session, place: Path, harm: Callable[[Session, Path, dict[str, Item]], None]
) -> None:
    """A copy with another item's file, a cut or an altered one is refused, the damaged bytes stay; the next copy mends."""
    every = items(session)
    shutil.copytree(place / "backup", place / "good")
    harm(session, place / "backup", every)
    rot(session, every["a.bin"])
    before = path_of(session, every["a.bin"]).read_bytes()
    integrity.verify(session)
    refused = mending.repair(session, [FolderReplica(place / "backup")])
    assert set(refused.left) == {every["a.bin"].handle} and not refused.repaired
    assert path_of(session, every["a.bin"]).read_bytes() == before
    assert not list((place / "case" / "blobs").glob("tmp-*"))
    done = mending.repair(session, [FolderReplica(place / "backup"), FolderReplica(place / "good")])
    assert done.repaired == {every["a.bin"].handle: str(place / "good")} and not done.left


def test_a_folder_without_sealed_files_is_no_copy(session: Session, tmp_path: Path) -> None:
    """An empty folder is refused in a sentence; with nothing damaged a repair says so."""
    (tmp_path / "nothing").mkdir()
    with pytest.raises(NoReplica):
        FolderReplica(tmp_path / "nothing")
    with pytest.raises(mending.NothingDamaged):
        mending.repair(session, [])


def _damaged(place: Path, target: Path) -> None:
    """A copy of the workspace with a rotten large file and a rotten small one on record."""
    shutil.copytree(place / "case", target)
    with open_session(target) as session:
        every = items(session)
        rot(session, every["a.bin"])
        rot(session, every["s1.bin"])
        integrity.verify(session)


LOSSES = [Loss.NOTHING, Loss.ZEROS, Loss.EVERYTHING]


def test_power_cut_at_every_step_of_a_repair_leaves_old_or_new_and_the_next_repair_finishes(place: Path) -> None:
    """Wherever the power goes, whole items stay whole, nothing false is opened, and running it again mends all."""
    _damaged(place, place / "damaged")
    disk = FaultyDisk()
    shutil.copytree(place / "damaged", place / "count")
    with open_session(place / "count", disk) as session:
        mending.repair(session, [FolderReplica(place / "backup")])
    for cut in range(1, disk.changes + 1):
        target = place / f"cut{cut}"
        shutil.copytree(place / "damaged", target)
        session = open_session(target, FaultyDisk(cut_at=cut, torn=0.5, loss=LOSSES[cut % 3]))
        with pytest.raises(PowerCut):
            mending.repair(session, [FolderReplica(place / "backup")])
        session.close()
        with open_session(target) as after:
            assert len(integrity.verify(after).findings) <= 2
            if integrity.open_damage(after):
                mending.repair(after, [FolderReplica(place / "backup")])
            run = integrity.verify(after)
            assert not run.findings and run.items == 8 and not list((target / "blobs").glob("tmp-*")), cut
        shutil.rmtree(target)


def test_a_full_or_failing_disk_at_every_step_of_a_repair_is_a_sentence_and_loses_nothing(place: Path) -> None:
    """Each refused change ends in DiskRefused, the bytes that were there stay or are replaced whole, and a retry mends."""
    _damaged(place, place / "damaged")
    disk = FaultyDisk()
    shutil.copytree(place / "damaged", place / "count")
    with open_session(place / "count", disk) as session:
        mending.repair(session, [FolderReplica(place / "backup")])
    for at in range(1, disk.changes + 1):
        error = (errno.ENOSPC, errno.EIO)[at % 2]
        target = place / f"at{at}"
        shutil.copytree(place / "damaged", target)
        with open_session(target, FaultyDisk(error_at=at, error=error, error_stays=True)) as session:
            try:
                mending.repair(session, [FolderReplica(place / "backup")])
            except DiskRefused as refused:
                assert str(refused)
        with open_session(target) as after:
            integrity.verify(after)
            if integrity.open_damage(after):
                mending.repair(after, [FolderReplica(place / "backup")])
            assert not integrity.verify(after).findings, at
        shutil.rmtree(target)


def test_an_unplugged_backup_in_the_middle_of_a_repair_changes_nothing(session: Session, place: Path) -> None:
    """The copy's files vanish between two reads: the item is left as it was, with the reason."""
    every = items(session)
    rot(session, every["c.bin"])
    integrity.verify(session)

    class Unplugged(FolderReplica):
        def read(self, name: str, offset: int, length: int) -> bytes:
            if offset:
                shutil.rmtree(self.root, ignore_errors=True)
            return super().read(name, offset, length)

    before = path_of(session, every["c.bin"]).read_bytes()
    done = mending.repair(session, [Unplugged(place / "backup")])
    assert set(done.left) == {every["c.bin"].handle} and path_of(session, every["c.bin"]).read_bytes() == before


def test_a_copy_is_verified_without_a_word_in_the_ledger(session: Session, place: Path) -> None:
    """`verify --copy` names what is damaged in the backup, and the workspace's own items have no damage on record."""
    every = items(session)
    flip(place / "backup" / "blobs" / store_of(session).name(path_of(session, every["b.bin"])), 5_000)
    run = mending.verify_copy(session, place / "backup")
    assert kinds(run) == {every["b.bin"].handle: "altered"} and run.items == 8
    assert not integrity.open_damage(session) and not session.testimony.rows(Custody.TYPE)


# -- parity ---------------------------------------------------------------------------------------------------------------


def _field() -> tuple[list[int], list[int]]:
    """Exponents and logarithms of GF(256) with x^8+x^4+x^3+x^2+1 (0x11d), generator 2."""
    exp, log, value = [0] * 510, [0] * 256, 1
    for power in range(255):
        exp[power] = exp[power + 255] = value
        log[value] = power
        value = (value << 1) ^ (0x11D if value & 0x80 else 0)
    return exp, log


def test_the_code_is_the_textbooks_reed_solomon() -> None:
    """Parity equals that of the systematic matrix V · V_top⁻¹ of the Vandermonde matrix over GF(256), 0x11d, computed here."""
    exp, log = _field()

    def times(a: int, b: int) -> int:
        return exp[log[a] + log[b]] if a and b else 0

    k, n = 5, 8
    rows = [[1 if column == 0 else 0 for column in range(k)]]
    rows += [[exp[(row * column) % 255] for column in range(k)] for row in range(n - 1)]
    top = [row[:] + [int(at == number) for at in range(k)] for number, row in enumerate(rows[:k])]
    for at in range(k):  # Gauss and Jordan
        pivot = next(row for row in range(at, k) if top[row][at])
        top[at], top[pivot] = top[pivot], top[at]
        scale = exp[255 - log[top[at][at]]]
        top[at] = [times(scale, value) for value in top[at]]
        for row in range(k):
            if row != at and top[row][at]:
                factor = top[row][at]
                top[row] = [value ^ times(factor, other) for value, other in zip(top[row], top[at], strict=True)]
    inverse = [row[k:] for row in top]

    def combine(row: list[int], data: list[bytes]) -> bytes:
        out = bytearray(len(data[0]))
        for factor, one in zip(row, data, strict=True):
            out = bytearray(have ^ times(factor, value) for have, value in zip(out, one, strict=True))
        return bytes(out)

    def dot(row: list[int], column: int) -> int:
        value = 0
        for at in range(k):
            value ^= times(row[at], inverse[at][column])
        return value

    data = [os.urandom(64) for _ in range(k)]
    wanted = [combine([dot(rows[k + number], column) for column in range(k)], data) for number in range(n - k)]
    assert [bytes(one) for one in zfec.Encoder(k, n).encode(data, list(range(k, n)))] == wanted


def make_copy(folder: Path, sizes: list[int], seed: int = 1) -> dict[str, bytes]:
    """Random files under names as a backup has them."""
    made, chance = {}, random.Random(seed)
    for size in sizes:
        address = chance.randbytes(32).hex()
        name = f"objects/{address[:2]}/{address}"
        path = folder / "blobs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        made[name] = chance.randbytes(size)
        path.write_bytes(made[name])
    return made


def read_copy(folder: Path) -> dict[str, bytes]:
    root = folder / "blobs"
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


SIZES = [4096 * 90, 4096 * 37, 4096, 4096 * 150, 4096 * 11, 4096 * 60]  # 349 blocks: 4 rows in 88 columns


def linear(folder: Path) -> list[tuple[Path, int]]:
    """(file, offset) of every block of the only set, in the order in which it counts them."""
    [name] = parity_set.sets_in(folder / "parity")
    made = parity_set.read_index(folder / "parity", name)
    return [
        (folder / "blobs" / file, start) for file, size in made.files for start in range(0, size, made.block)
    ]  # fmt: skip


def harm_blocks(folder: Path, numbers: list[int]) -> None:
    for number in numbers:
        path, offset = linear(folder)[number]
        flip(path, offset + number % 4096)


@pytest.mark.parametrize("percent", [1, 10, 25])
@pytest.mark.parametrize("start", [0, 100, 200])
def test_a_burst_up_to_the_bound_is_mended_and_a_byte_more_is_told_honestly(tmp_path: Path, percent: int, start: int) -> None:
    """Damage as long as P columns is computed back byte for byte; one byte further a block is beyond, named, left as it is."""
    made = make_copy(tmp_path, SIZES)
    parity.make(tmp_path, percent, Disk())
    rows = -(-349 // 100)
    burst = list(range(start, min(349, start + percent * rows)))
    harm_blocks(tmp_path, burst)
    found = parity.check(tmp_path, Disk())
    assert found.blocks_wrong == len(burst) and not found.lost and found.mendable
    found = parity.check(tmp_path, Disk(), repair=True)
    assert sorted(found.mended) == sorted(found.mendable) and read_copy(tmp_path) == made
    if start + percent * rows < 349:
        harm_blocks(tmp_path, [*burst, burst[-1] + 1])
        broken = read_copy(tmp_path)
        found = parity.check(tmp_path, Disk(), repair=True)
        assert found.lost and all(beyond > 0 for beyond, _ in found.lost.values())
        after = read_copy(tmp_path)
        assert all(after[name] == broken[name] for name in found.lost)
        assert all(after[name] == made[name] for name in made if name not in found.lost)


def test_truncated_lengthened_lost_and_scattered_damage_is_mended(tmp_path: Path) -> None:
    """A cut end, bytes appended, whole files gone and single flipped bits all over, at one time."""
    made = make_copy(tmp_path, SIZES)
    parity.make(tmp_path, 30, Disk())
    files = sorted(made)
    by_size = sorted(files, key=lambda name: len(made[name]))
    (tmp_path / "blobs" / by_size[0]).unlink()
    (tmp_path / "blobs" / by_size[1]).unlink()
    os.truncate(tmp_path / "blobs" / by_size[3], len(made[by_size[3]]) - 40_000)
    with (tmp_path / "blobs" / by_size[2]).open("ab") as file:
        file.write(b"appended")
    harm_blocks(tmp_path, [number for number, (path, _) in enumerate(linear(tmp_path)) if path.exists() and number % 29 == 0
                           and path.name == Path(by_size[5]).name])  # fmt: skip
    found = parity.check(tmp_path, Disk(), repair=True)
    assert not found.lost and len(found.mended) == 5 and read_copy(tmp_path) == made


def test_all_lost_is_said_to_be_lost(tmp_path: Path) -> None:
    """Where more is gone than parity can bring back, every lost file is named with its blocks, and nothing is invented."""
    made = make_copy(tmp_path, SIZES)
    parity.make(tmp_path, 10, Disk())
    largest = max(made, key=lambda name: len(made[name]))
    (tmp_path / "blobs" / largest).unlink()
    found = parity.check(tmp_path, Disk(), repair=True)
    assert found.lost == {largest: (150, 150)} and not found.mended and not (tmp_path / "blobs" / largest).exists()


def test_damage_to_parity_and_indexes_is_survived_and_mended(tmp_path: Path) -> None:
    """Rot in the parity, in one index, and at different pages of both: files are still mended and the set is made whole."""
    made = make_copy(tmp_path, SIZES)
    parity.make(tmp_path, 10, Disk())
    [name] = parity_set.sets_in(tmp_path / "parity")
    first, second = (tmp_path / "parity" / f"{name}.index-{n}" for n in (1, 2))
    flip(first, 100)
    flip(second, first.stat().st_size - 100)
    flip(tmp_path / "parity" / f"{name}.parity", 9_000)
    harm_blocks(tmp_path, [7, 8, 9])
    found = parity.check(tmp_path, Disk(), repair=True)
    assert not found.lost and found.sets_damaged == 1 and read_copy(tmp_path) == made
    again = parity.check(tmp_path, Disk())
    assert again.sets_damaged == 0 and not again.mendable and not again.unusable


def test_an_index_lost_in_both_copies_at_one_place_is_told(tmp_path: Path) -> None:
    """Then the set is unusable, which is a sentence and no crash; --anew makes it again."""
    make_copy(tmp_path, SIZES)
    parity.make(tmp_path, 10, Disk())
    [name] = parity_set.sets_in(tmp_path / "parity")
    for number in (1, 2):
        flip(tmp_path / "parity" / f"{name}.index-{number}", 100)
    found = parity.check(tmp_path, Disk(), repair=True)
    assert len(found.unusable) == 1 and found.files == 0
    parity.make(tmp_path, 10, Disk(), anew=True)
    assert not parity.check(tmp_path, Disk()).unusable


@pytest.mark.parametrize(
    "change",
    [
        lambda data: [*data[:3], [["../../outside", 4096]], data[4], data[5]],
        lambda data: [*data[:3], [["/etc/passwd", 4096]], data[4], data[5]],
        lambda data: [*data[:3], [[data[3][0][0], 1 << 60]], data[4], data[5]],
        lambda data: [data[0], 1, *data[2:]],
        lambda data: [data[0], data[1], 0, *data[3:]],
        lambda data: [*data[:4], data[4][:-1], data[5]],
        lambda data: data[:3],
        lambda _data: {"a": 1},
    ],
)
def test_a_forged_index_is_refused_and_writes_nowhere(tmp_path: Path, change: Callable[[Any], Any]) -> None:
    """Paths that lead out, absurd sizes and counts that do not fit, in an index with right checksums: the set is unusable."""
    from amparo.kernel import cbor

    made = make_copy(tmp_path / "copy", SIZES)
    parity.make(tmp_path / "copy", 10, Disk())
    [name] = parity_set.sets_in(tmp_path / "copy" / "parity")
    data = cbor.decode(parity_set.packed(parity_set.read_index(tmp_path / "copy" / "parity", name)))
    for copy in parity_set.INDEXES:
        (tmp_path / "copy" / "parity" / f"{name}.{copy}").write_bytes(parity_set.pages(cbor.encode(change(data))))
    found = parity.check(tmp_path / "copy", Disk(), repair=True)
    assert len(found.unusable) == 1 and read_copy(tmp_path / "copy") == made
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]


def test_new_files_get_a_set_of_their_own_and_anew_makes_one_of_all(tmp_path: Path) -> None:
    """A second run protects only what is new; --anew joins the sets; ledger and slots are never protected."""
    make_copy(tmp_path, SIZES[:3])
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "wraps").write_bytes(os.urandom(40))
    assert parity.make(tmp_path, 10, Disk()).files == 3
    make_copy(tmp_path, SIZES[3:], seed=2)
    second = parity.make(tmp_path, 10, Disk())
    assert (second.files, second.before) == (3, 3) and len(list(parity_set.sets_in(tmp_path / "parity"))) == 2
    assert parity.make(tmp_path, 10, Disk()).files == 0
    assert parity.make(tmp_path, 10, Disk(), anew=True).files == 6
    [name] = parity_set.sets_in(tmp_path / "parity")
    assert all(file.startswith("objects/") for file, _ in parity_set.read_index(tmp_path / "parity", name).files)


def test_power_cut_at_every_step_of_making_and_using_parity(tmp_path: Path) -> None:
    """Cut while it is made: the files and no false parity; cut while mending: each file old or new, and again mends."""
    made = make_copy(tmp_path / "copy", SIZES[:3])
    disk = FaultyDisk()
    shutil.copytree(tmp_path / "copy", tmp_path / "count")
    parity.make(tmp_path / "count", 10, disk)
    for cut in range(1, disk.changes + 1):
        target = tmp_path / f"make{cut}"
        shutil.copytree(tmp_path / "copy", target)
        with pytest.raises(PowerCut):
            parity.make(target, 10, FaultyDisk(cut_at=cut, torn=0.5, loss=LOSSES[cut % 3]))
        parity.make(target, 10, Disk())
        found = parity.check(target, Disk())
        assert read_copy(target) == made and not (found.mendable or found.lost or found.unusable), cut
    harm_blocks(tmp_path / "count", [3, 4])
    disk = FaultyDisk()
    shutil.copytree(tmp_path / "count", tmp_path / "mended")
    parity.check(tmp_path / "mended", disk, repair=True)
    for cut in range(1, disk.changes + 1):
        target = tmp_path / f"mend{cut}"
        shutil.copytree(tmp_path / "count", target)
        with pytest.raises(PowerCut):
            parity.check(target, FaultyDisk(cut_at=cut, torn=0.5, loss=LOSSES[cut % 3]), repair=True)
        parity.check(target, Disk(), repair=True)
        assert read_copy(target) == made, cut


def test_a_percent_that_is_none_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    """0, 101, no sealed files, no parity: one sentence each."""
    with pytest.raises(parity.NothingToProtect):
        parity.make(tmp_path, 10, Disk())
    with pytest.raises(parity.NoParity):
        parity.check(tmp_path, Disk())
    for percent in (0, 101):
        with pytest.raises(parity.BadPercent):
            parity.make(tmp_path, percent, Disk())


# -- the command line -----------------------------------------------------------------------------------------------------


def test_the_command_line_verifies_repairs_and_mends_by_parity(tmp_path: Path) -> None:
    """Exit code 5 on damage with the findings in JSON, 0 after the repair; parity mends a backup without a passphrase."""
    shell = Shell(tmp_path / "user", tmp_path / "case")
    shell.init()
    (tmp_path / "film.bin").write_bytes(os.urandom(LARGE))
    item = shell.amparo("evidence", "add", str(tmp_path / "film.bin"))["first"]
    shell.amparo("backup", str(tmp_path / "backup"))
    assert shell.amparo("evidence", "verify")["items"] == 1
    [blob] = (tmp_path / "case" / "blobs" / "objects").glob("*/*")
    flip(blob, 70_000)
    failed = shell.amparo("evidence", "verify", code=5)
    assert failed["error"] == "DamageFound" and failed["findings"][0]["item"] == item
    backup = str(tmp_path / "backup")
    assert shell.amparo("evidence", "repair", "--from", backup)["repaired"] == {item: backup}
    assert shell.amparo("evidence", "verify")["findings"] == []
    parity_of = ("evidence", "parity", str(tmp_path / "backup"))
    assert run_plain(shell, *parity_of, "--percent", "20")["files"] == 1
    [copy] = (tmp_path / "backup" / "blobs" / "objects").glob("*/*")
    flip(copy, 70_000)
    assert shell.amparo("evidence", "verify", "--copy", str(tmp_path / "backup"), code=5)["error"] == "DamageFound"
    assert run_plain(shell, *parity_of, "--check", code=5)["error"] == "CopyDamaged"
    assert len(run_plain(shell, *parity_of, "--repair")["mended"]) == 1
    assert shell.amparo("evidence", "verify", "--copy", str(tmp_path / "backup"))["items"] == 1


def run_plain(shell: Shell, *words: str, code: int = 0) -> dict[str, Any]:
    """A verb that needs no workspace."""
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-c", "from amparo.cli.common import main; main()", *words, "--json"],
        env=shell.environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == code, (done.stdout[-2000:], done.stderr[-2000:])
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed
