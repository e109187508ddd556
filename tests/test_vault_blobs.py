"""vault.blobs: what was sealed comes back or is refused by name, nothing else can be learnt, and a power cut costs nothing."""

import errno
import hashlib
import io
import os
import random
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from faulty_disk import FaultyDisk, Loss, PowerCut
from hypothesis import given, settings
from hypothesis import strategies as st

from amparo.vault import blob_apart, blob_stages
from amparo.vault.blob_apart import ENOUGH
from amparo.vault.blob_format import (
    AAD,
    CHUNK,
    SEALED_CHUNK,
    BlobAltered,
    BlobErased,
    BlobHashWrong,
    BlobMissing,
    BlobTruncated,
    nonce,
    padded_size,
    padme,
    sealed_size,
)
from amparo.vault.blob_stages import SMALL, Sealed, SourceUnreadable
from amparo.vault.blobs import BlobStore
from amparo.vault.disk import DiskFull, DiskReadOnly

ID_KEY = bytes(range(32))
CANARY = b"made-up canary 7f3a, no real person "


def made_up(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def seal(store: BlobStore, data: bytes) -> Sealed:
    return store.seal_file(io.BytesIO(data))


def content(store: BlobStore, sealed: Sealed) -> bytes:
    with store.open(sealed.blob, sealed.key, sealed.size, sealed.sha256) as reader:
        return reader.read()


def blocks(raw: bytes) -> set[bytes]:
    """The 16-byte blocks of ``raw``."""
    return {raw[at : at + 16] for at in range(0, len(raw), 16)}


def file_of(folder: Path, sealed: Sealed) -> Path:
    """The file on the disk that holds a blob, object or pack."""
    name = sealed.blob.partition(":")[0]
    return next(path for path in folder.rglob("*") if path.name == name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def store(folder: Path) -> BlobStore:
    return BlobStore(folder, ID_KEY)


@pytest.fixture
def small(tmp_path: Path) -> list[Path]:
    """Forty made-up files of 0 bytes to 100 KiB."""
    home = tmp_path / "sources"
    home.mkdir()
    paths = [home / f"{number}.txt" for number in range(40)]
    for number, path in enumerate(paths):
        path.write_bytes(made_up(number * 2560, number))
    return paths


# -- what comes back --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size", [0, 1, 4095, 4096, SMALL, CHUNK - 1, CHUNK, CHUNK + 1, SEALED_CHUNK, 2 * CHUNK, 3 * CHUNK + 77]
)
def test_a_sealed_file_comes_back(store: BlobStore, folder: Path, size: int) -> None:
    """Around every boundary of the format: same bytes, true hash and size, length on disk as the format says."""
    data = made_up(size)
    sealed = seal(store, data)
    assert (sealed.size, sealed.sha256) == (size, hashlib.sha256(data).digest())
    assert content(store, sealed) == data
    assert file_of(folder, sealed).stat().st_size == sealed_size(size)
    store.verify(sealed.blob, sealed.key, sealed.size, sealed.sha256)


def test_a_file_read_by_path_and_in_short_reads_comes_back(store: BlobStore, tmp_path: Path) -> None:
    """A path and a stream that gives a few bytes at a time seal to the same plain file; progress adds up to its size."""

    class Drip(io.BytesIO):
        def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
            return super().readinto(buffer[:70_001])

    data = made_up(CHUNK + 12345)
    seen: list[int] = []
    path = tmp_path / "source"
    path.write_bytes(data)
    first, second = store.seal_file(path, seen.append), store.seal_file(Drip(data))
    assert content(store, first) == content(store, second) == data
    assert sum(seen) == len(data)


@given(st.integers(0, 1 << 45))
def test_sizes_are_padded_to_few_lengths(size: int) -> None:
    """Padmé never shortens, adds at most 12 % and keeps few significant bits; the length on disk fits whole blocks."""
    padded = padme(size)
    assert size <= padded <= size * 1.12 + 1
    assert padme(padded) == padded
    sealed = sealed_size(size)
    assert sealed % 4096 == 0
    assert padded <= padded_size(size) < sealed
    assert sealed_size(padded) == sealed
    assert sealed - padded_size(size) == 16 * -(-sealed // SEALED_CHUNK)


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_any_range_can_be_read(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Random access gives what a slice of the plain file gives, across chunks and past the end."""
    size = data.draw(st.sampled_from([0, 5, CHUNK, CHUNK + 9, 2 * CHUNK + 100]))
    plain = made_up(size)
    store = BlobStore(tmp_path_factory.mktemp("blobs"), ID_KEY)
    sealed = seal(store, plain)
    with store.open(sealed.blob, sealed.key, sealed.size, sealed.sha256) as reader:
        for _ in range(4):
            start = data.draw(st.one_of(st.integers(0, size + 10), st.integers(CHUNK - 5, CHUNK + 5)))
            length = data.draw(st.one_of(st.integers(0, 40), st.integers(0, size + 10)))
            assert reader.read_range(start, length) == plain[start : start + length]
        assert reader.seek(-min(3, size), io.SEEK_END) == size - min(3, size)
        assert reader.read() == plain[size - min(3, size) :]


def test_small_files_come_back_from_packs(store: BlobStore, folder: Path, small: list[Path], tmp_path: Path) -> None:
    """Small files share packs, each under its own key; large ones among them become objects; each path comes once."""
    large = tmp_path / "large"
    large.write_bytes(made_up(SMALL))
    done = dict(store.seal_many([*small[:20], large, *small[20:]]))
    assert set(done) == {*small, large}
    assert all(content(store, sealed) == path.read_bytes() for path, sealed in done.items())
    assert len({sealed.key for sealed in done.values()}) == len({sealed.blob for sealed in done.values()}) == 41
    assert ":" not in done[large].blob
    assert len(list(folder.glob("packs/*"))) == 1
    assert sorted(store.stored()) == sorted({sealed.blob.partition(":")[0] for sealed in done.values()})


def test_many_packs_are_filled_in_turn(store: BlobStore, folder: Path, tmp_path: Path) -> None:
    """Files of more than one pack come back from packs no longer than 32 MiB and their padding, in whole blocks."""
    path = tmp_path / "source"
    path.write_bytes(made_up(SMALL - 1))
    done = [sealed for _, sealed in store.seal_many([path] * 75)]
    packs = list(folder.glob("packs/*"))
    assert len(done) == 75
    assert len(packs) == 3
    assert all(pack.stat().st_size % 4096 == 0 and pack.stat().st_size <= 34 << 20 for pack in packs)
    assert all(content(store, sealed) == path.read_bytes() for sealed in done)


def test_nothing_to_seal_makes_no_pack(store: BlobStore, folder: Path) -> None:
    """An empty list of files yields nothing and leaves nothing."""
    assert list(store.seal_many([])) == []
    assert not folder.exists()


def test_the_documented_format_opens_without_our_code(store: BlobStore, folder: Path) -> None:
    """A stranger's ten lines, written from the module's docstring, read a sealed file."""
    data = made_up(2 * CHUNK + 1000)
    sealed = seal(store, data)
    raw, plain = file_of(folder, sealed).read_bytes(), b""
    pieces = [raw[at : at + 4194304] for at in range(0, len(raw), 4194304)]
    for number, piece in enumerate(pieces):
        last = number == len(pieces) - 1
        nonce = bytes(7) + number.to_bytes(4, "big") + bytes([last])
        plain += AESGCM(sealed.key).decrypt(nonce, piece, b"amparo/blob/1")
    assert plain[: sealed.size] == data
    assert not any(plain[sealed.size :])


# -- what is not revealed ---------------------------------------------------------------------------------------------


def test_the_same_file_sealed_twice_cannot_be_recognised(store: BlobStore, folder: Path) -> None:
    """Twice the same content: two addresses, two keys, no common bytes; erasing one leaves the other."""
    data = made_up(SMALL)
    first, second = seal(store, data), seal(store, data)
    assert first.blob != second.blob
    assert first.key != second.key
    assert not blocks(file_of(folder, first).read_bytes()) & blocks(file_of(folder, second).read_bytes())
    store.erase(first.blob)
    assert content(store, second) == data


def test_a_known_file_cannot_be_found_by_its_hash(store: BlobStore, folder: Path, small: list[Path]) -> None:
    """No plain hash (SHA-256, SHA-1, MD5) of a sealed file and none of its words is in any name or content of the store."""
    for path in small:
        path.write_bytes(CANARY * 100 + path.name.encode())
    list(store.seal_many(small))
    seal(store, CANARY * 100_000)
    names = " ".join(str(path.relative_to(folder)) for path in folder.rglob("*"))
    raw = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    for data in [path.read_bytes() for path in small] + [CANARY * 100_000]:
        for function in (hashlib.sha256, hashlib.sha1, hashlib.md5):
            assert function(data).hexdigest() not in names
            assert function(data).digest() not in raw
    assert CANARY[:12] not in raw


def test_no_plain_text_reaches_the_disk_even_for_a_moment(folder: Path, small: list[Path]) -> None:
    """Every single write to the disk, temporary files included, is free of the plain text."""
    for path in small:
        path.write_bytes(CANARY * 50)
    written: list[bytes] = []

    class Watched(FaultyDisk):
        def write_at(self, path: Path, offset: int, data: bytes) -> None:
            written.append(data)
            super().write_at(path, offset, data)

    store = BlobStore(folder, ID_KEY, Watched())
    list(store.seal_many(small))
    seal(store, CANARY * 200_000)
    assert sum(map(len, written)) > len(CANARY) * 200_000
    assert not any(CANARY[:12] in data for data in written)


def test_keys_are_not_shown(store: BlobStore) -> None:
    """The repr of a Sealed, as a traceback or log would show it, has no key in it."""
    sealed = seal(store, b"x")
    assert "key" not in repr(sealed)


# -- attacks ----------------------------------------------------------------------------------------------------------


def two_chunks(store: BlobStore) -> Sealed:
    return seal(store, made_up(2 * CHUNK))


@pytest.mark.parametrize("place", [0, 100, SEALED_CHUNK - 1, SEALED_CHUNK, -1])
def test_attack_bit_flip(store: BlobStore, folder: Path, place: int) -> None:
    """One bit flipped anywhere in a chunk, padding and tags included: BlobAltered names the chunk."""
    sealed = seal(store, made_up(CHUNK + 10))
    path = file_of(folder, sealed)
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)
    with pytest.raises(BlobAltered) as raised:
        content(store, sealed)
    assert raised.value.facts["chunk"] == (1 if 0 <= place < SEALED_CHUNK else 2)
    assert raised.value.exit_code == 5


def test_attack_truncated(store: BlobStore, folder: Path) -> None:
    """Cut at any place, lengthened or emptied: BlobTruncated, before a byte is handed out."""
    sealed = two_chunks(store)
    path = file_of(folder, sealed)
    raw = path.read_bytes()
    for length in (0, 1, 4096, SEALED_CHUNK + 5, len(raw) - 4096, len(raw) - 1):
        path.write_bytes(raw[:length])
        with pytest.raises(BlobTruncated) as raised:
            content(store, sealed)
        assert raised.value.facts["found"] == length
    path.write_bytes(raw + b"\0")
    with pytest.raises(BlobTruncated):
        content(store, sealed)


def test_attack_final_chunk_missing(store: BlobStore, folder: Path) -> None:
    """Without its last chunk a file is BlobTruncated; with the recorded size forged to match, BlobAltered."""
    sealed = seal(store, made_up(3 * CHUNK))
    path = file_of(folder, sealed)
    raw, forged = path.read_bytes(), 2 * CHUNK - (1 << 17)
    path.write_bytes(raw[: 2 * SEALED_CHUNK])
    with pytest.raises(BlobTruncated):
        content(store, sealed)
    path.write_bytes(raw[: sealed_size(forged)])
    with pytest.raises(BlobAltered), store.open(sealed.blob, sealed.key, forged, sealed.sha256) as reader:
        reader.read()
    with pytest.raises(InvalidTag):  # a whole chunk that was not the last cannot pass for the last
        AESGCM(sealed.key).decrypt(nonce(1, last=True), raw[SEALED_CHUNK : 2 * SEALED_CHUNK], AAD)


def test_attack_chunks_reordered(store: BlobStore, folder: Path) -> None:
    """Two chunks of one file exchanged, or one repeated: BlobAltered."""
    sealed = seal(store, made_up(3 * CHUNK))
    path = file_of(folder, sealed)
    raw = path.read_bytes()
    first, second, rest = (raw[:SEALED_CHUNK], raw[SEALED_CHUNK : 2 * SEALED_CHUNK], raw[2 * SEALED_CHUNK :])
    for forged in (second + first + rest, first + first + rest):
        path.write_bytes(forged)
        with pytest.raises(BlobAltered):
            content(store, sealed)


def test_attack_swapped_with_another_blob(store: BlobStore, folder: Path) -> None:
    """A file put in place of another of the same length, by its name or by its address in a record: BlobAltered."""
    first, second = two_chunks(store), two_chunks(store)
    with pytest.raises(BlobAltered), store.open(second.blob, first.key, first.size, first.sha256) as reader:
        reader.read()
    file_of(folder, second).replace(file_of(folder, first))
    with pytest.raises(BlobAltered) as raised:
        content(store, first)
    assert raised.value.facts["chunk"] == 1


def test_attack_key_made_to_open_other_content(store: BlobStore, folder: Path) -> None:
    """A blob sealed anew under the right key with other content opens, but not as the file on record: BlobHashWrong."""
    sealed = seal(store, made_up(1000))
    other = bytes(1000).ljust(padded_size(1000), b"\0")
    file_of(folder, sealed).write_bytes(AESGCM(sealed.key).encrypt(bytes(11) + b"\1", other, b"amparo/blob/1"))
    with pytest.raises(BlobHashWrong):
        content(store, sealed)
    empty = seal(store, b"")
    with pytest.raises(BlobHashWrong), store.open(empty.blob, empty.key, 0, bytes(32)) as reader:
        reader.read()


def test_attack_pack_range_moved(store: BlobStore, small: list[Path]) -> None:
    """An address in a pack shifted, stretched or pointed at a neighbour is refused."""
    done = [sealed for _, sealed in store.seal_many(small)]
    one, neighbour = done[5], done[6]
    pack, offset, length = one.blob.split(":")
    for blob in (neighbour.blob, f"{pack}:{int(offset) + 1}:{length}", f"{pack}:{99 << 20}:{length}", f"{pack}:{offset}:9"):
        with (
            pytest.raises((BlobAltered, BlobMissing, BlobTruncated)),
            store.open(blob, one.key, one.size, one.sha256) as reader,
        ):
            reader.read()


@pytest.mark.parametrize(
    "blob", ["", "..", "a" * 63, "A" * 64, "a" * 64 + "/x", "../" + "a" * 64, "a" * 64 + ":1:", "a" * 64 + ":-1:5"]
)
def test_attack_address_that_leaves_the_folder(store: BlobStore, blob: str) -> None:
    """An address we never gave, path or not, is BlobMissing for reading and erasing, and touches nothing."""
    with pytest.raises(BlobMissing):
        store.open(blob, bytes(32), 5, bytes(32))
    with pytest.raises(BlobMissing):
        store.erase(blob)


def test_missing_is_not_damaged(store: BlobStore, folder: Path, small: list[Path]) -> None:
    """A blob whose file is not here, object or pack, is BlobMissing: exit code 9, not 5."""
    sealed = [seal(store, b"x"), next(iter(store.seal_many(small[:1])))[1]]
    for one in sealed:
        file_of(folder, one).unlink()
        with pytest.raises(BlobMissing) as raised:
            content(store, one)
        assert raised.value.exit_code == 9


def test_every_byte_of_a_small_pack_is_guarded(store: BlobStore, folder: Path, tmp_path: Path) -> None:
    """Flip each byte of a file's range in a pack, one after another: always BlobAltered, its neighbour never harmed."""
    paths = [tmp_path / name for name in "ab"]
    for path in paths:
        path.write_bytes(made_up(60))
    done = dict(store.seal_many(paths))
    pack = file_of(folder, done[paths[0]])
    raw = pack.read_bytes()
    for place in range(76):
        pack.write_bytes(raw[:place] + bytes([raw[place] ^ 255]) + raw[place + 1 :])
        with pytest.raises(BlobAltered):
            content(store, done[paths[0]])
        assert content(store, done[paths[1]]) == made_up(60)


# -- erasure ----------------------------------------------------------------------------------------------------------


def test_an_erased_object_is_overwritten_then_gone(store: BlobStore, folder: Path) -> None:
    """Erasing an object overwrites its bytes before the name goes (seen through a second link), and twice is no error."""
    sealed = seal(store, made_up(SMALL))
    path = file_of(folder, sealed)
    raw, link = path.read_bytes(), folder / "link"
    os.link(path, link)
    store.erase(sealed.blob)
    store.erase(sealed.blob)
    after = link.read_bytes()
    assert len(after) == len(raw)
    assert not blocks(raw) & blocks(after)
    with pytest.raises(BlobMissing):
        content(store, sealed)


def test_one_file_of_a_pack_is_erased_alone(store: BlobStore, folder: Path, small: list[Path]) -> None:
    """Erasing one file of a pack leaves none of its sealed bytes and every other file readable; it reads as BlobErased."""
    done = dict(store.seal_many(small))
    gone = done[small[7]]
    pack = file_of(folder, gone)
    _, offset, length = gone.blob.split(":")
    old = pack.read_bytes()[int(offset) : int(offset) + int(length)]
    store.erase(gone.blob)
    store.erase(gone.blob)
    raw = pack.read_bytes()
    assert not any(old[at : at + 16] in raw for at in range(0, len(old) - 16, 16))
    with pytest.raises(BlobErased):
        content(store, gone)
    assert all(content(store, sealed) == path.read_bytes() for path, sealed in done.items() if sealed is not gone)


def test_erasing_never_lengthens_a_pack(store: BlobStore, folder: Path, small: list[Path]) -> None:
    """An address past a pack's end erases nothing and leaves the pack as it was."""
    sealed = next(iter(store.seal_many(small)))[1]
    pack = file_of(folder, sealed)
    before = pack.read_bytes()
    store.erase(f"{pack.name}:{len(before) - 5}:100")
    store.erase(f"{'0' * 64}:0:100")
    assert pack.read_bytes() == before


# -- many small files, sealed by a process of its own ------------------------------------------------------------------


@pytest.fixture
def many(tmp_path: Path) -> list[Path]:
    """As many files as a process is started for, one of them too large for a pack, one that is not there, and some more."""
    folder = tmp_path / "много"
    folder.mkdir()
    paths = [folder / f"{number}" for number in range(ENOUGH + 300)]
    for number, path in enumerate(paths):
        path.write_bytes(f"note {number} ".encode() * (number % 90))
    paths[700].write_bytes(made_up(SMALL + 5))
    paths[701].unlink()
    return paths


def test_many_small_files_are_sealed_by_another_process_as_by_this_one(store: BlobStore, many: list[Path]) -> None:
    """Each opens with its own key and digests; the file too large for a pack is an object, the missing one is refused once."""
    refused: list[SourceUnreadable] = []
    done = dict(store.seal_many(many, refused=refused.append))
    assert [error.path for error in refused] == [many[701]]
    assert set(done) == {*many} - {many[701]}
    assert len({sealed.key for sealed in done.values()}) == len(done)
    for path, sealed in done.items():
        data = path.read_bytes()
        assert content(store, sealed) == data
        assert (sealed.sha256, sealed.size, sealed.head) == (hashlib.sha256(data).digest(), len(data), data[:4096])
        assert sealed.modified == path.stat().st_mtime_ns // 1_000_000
    assert (":" in done[many[700]].blob) is False


def test_the_sealing_process_killed_in_the_middle_is_one_sentence(
    store: BlobStore, folder: Path, many: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed by the system for want of memory: what was told as sealed opens, the rest is not claimed, no draft stays."""
    started: list[subprocess.Popen[bytes]] = []

    class Watched(subprocess.Popen[bytes]):
        def __init__(self, *words: Any, **options: Any) -> None:
            super().__init__(*words, **options)
            started.append(self)

    def killing() -> Iterator[Path]:
        for number, path in enumerate(many):
            if number == ENOUGH + 100:
                started[0].kill()
            yield path

    monkeypatch.setattr(subprocess, "Popen", Watched)
    done: list[tuple[Path, Sealed]] = []
    with pytest.raises(blob_apart.SealerEnded, match="run it again"):
        done.extend(store.seal_many(killing(), refused=lambda _: None))
    assert len(done) < len(many)
    assert not list(folder.glob("tmp-*"))
    assert all(content(store, sealed) == path.read_bytes() for path, sealed in done)


def test_a_full_disk_in_the_sealing_process_is_the_same_sentence(store: BlobStore, many: list[Path]) -> None:
    """What the other process meets on the disk is raised here as if it had been met here."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    try:
        with pytest.raises(DiskFull):
            list(store.seal_many(many, refused=lambda _: None))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_stopped_sealing_ends_its_process(store: BlobStore, folder: Path, many: list[Path]) -> None:
    """Who stops after the first file leaves no process and no draft, and what stopped the paths is raised."""

    def stopped() -> Iterator[Path]:
        yield from many[: ENOUGH + 50]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(store.seal_many(stopped(), refused=lambda _: None))
    iterator = store.seal_many(many, refused=lambda _: None)
    next(iterator)
    iterator.close()
    assert not list(folder.glob("tmp-*"))
    with pytest.raises(ChildProcessError):  # every child of this process has ended
        os.waitpid(-1, os.WNOHANG)


# -- power, disk, sources ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", Loss)
def test_power_cut_at_every_change(tmp_path: Path, small: list[Path], loss: Loss) -> None:
    """Cut at each change in turn: what was acknowledged opens, no half file bears an address, ``clean`` clears the rest."""
    data, cut = made_up(SMALL), 0
    while True:
        cut += 1
        folder = tmp_path / f"{cut}"
        store = BlobStore(folder, ID_KEY, FaultyDisk(cut, torn=0.5, loss=loss))
        acknowledged: list[tuple[bytes, Sealed]] = []
        try:
            acknowledged.append((data, seal(store, data)))
            acknowledged += ((path.read_bytes(), sealed) for path, sealed in store.seal_many(small))
            acknowledged.append((b"end", seal(store, b"end")))
        except PowerCut:
            after = BlobStore(folder, ID_KEY)
            after.clean()
            assert all(content(after, sealed) == plain for plain, sealed in acknowledged)
            assert {path.stat().st_size for path in folder.glob("objects/*/*")} <= {sealed_size(SMALL), sealed_size(3)}
            assert not list(folder.glob("tmp-*"))
        else:
            break
    assert cut > 20
    assert len(acknowledged) == len(small) + 2


def test_full_disk_at_every_change(tmp_path: Path, small: list[Path]) -> None:
    """A full disk at any change of a sealing: DiskFull (a read-only one: DiskReadOnly), and what was sealed before opens."""
    counting = FaultyDisk()
    list(BlobStore(tmp_path / "count", ID_KEY, counting).seal_many(small))
    for change in range(1, counting.changes):
        folder = tmp_path / f"{change}"
        before = seal(BlobStore(folder, ID_KEY), b"before")
        number, error = ((errno.ENOSPC, DiskFull), (errno.EROFS, DiskReadOnly))[change % 2]
        store = BlobStore(folder, ID_KEY, FaultyDisk(error_at=change, error=number))
        with pytest.raises(error):
            list(store.seal_many(small))
        assert content(store, before) == b"before"
        assert not list(folder.glob("tmp-*"))
        done = dict(store.seal_many(small))
        assert all(content(store, sealed) == path.read_bytes() for path, sealed in done.items())


def test_leftovers_are_cleared(store: BlobStore, folder: Path) -> None:
    """``clean`` removes what an interrupted sealing left, and nothing else."""
    sealed = seal(store, b"kept")
    (folder / "tmp-0123").write_bytes(b"sealed under a key nobody kept")
    store.clean()
    assert not list(folder.glob("tmp-*"))
    assert content(store, sealed) == b"kept"


def test_a_sealing_that_goes_on_is_not_cleared_away(store: BlobStore, folder: Path) -> None:
    """``clean`` in the middle of another sealing leaves its draft alone, and what it seals opens."""

    class Cleaning(io.BytesIO):
        def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
            if list(folder.glob("tmp-*")):
                BlobStore(folder, ID_KEY).clean()
                assert list(folder.glob("tmp-*"))
                cleaned.append(True)
            return super().readinto(buffer)

    cleaned: list[bool] = []
    data = made_up(CHUNK * 40)
    sealed = store.seal_file(Cleaning(data))
    assert cleaned
    assert content(store, sealed) == data


def test_a_file_that_changes_while_it_is_read_is_not_sealed(
    store: BlobStore, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written to between its first byte and its last, a file is refused with the reason, and nothing of it is kept."""
    large, small = tmp_path / "recording", tmp_path / "note"
    large.write_bytes(made_up(SMALL * 20))
    small.write_bytes(b"first words")
    read = blob_stages._read_into

    def and_write(descriptor: int, room: memoryview) -> int:
        done = read(descriptor, room)
        small.write_bytes(b"other words, and more of them")
        return done

    def goes_on(_done: int) -> None:
        with large.open("ab") as file:
            file.write(b"the recording goes on")

    monkeypatch.setattr(blob_stages, "_read_into", and_write)
    with pytest.raises(SourceUnreadable, match="changed while it was read"):
        list(store.seal_many([small]))
    with pytest.raises(SourceUnreadable, match="changed while it was read"):
        store.seal_file(large, goes_on)
    assert not list(folder.glob("objects/*/*"))


def test_unreadable_sources_are_refused_without_their_name(store: BlobStore, folder: Path, tmp_path: Path) -> None:
    """A missing file, a folder, a pipe or a failing stream: SourceUnreadable with the path aside, nothing left behind."""
    pipe = tmp_path / "pipe"
    if hasattr(os, "mkfifo"):
        os.mkfifo(pipe)

    class Failing(io.BytesIO):
        def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
            if self.tell() >= CHUNK:
                raise OSError(errno.EIO, "made-up failure")
            return super().readinto(buffer)

    for source in (tmp_path / "made-up name", tmp_path, pipe):
        with pytest.raises(SourceUnreadable) as raised:
            store.seal_file(source)
        assert raised.value.path == source
        assert source.name not in str(raised.value)
        with pytest.raises(SourceUnreadable) as raised:
            list(store.seal_many([source]))
        assert raised.value.path == source
    with pytest.raises(SourceUnreadable, match="made-up failure"):
        store.seal_file(Failing(made_up(3 * CHUNK)))
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_a_file_system_that_reads_short_loses_nothing(
    store: BlobStore, small: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system hands out a file a few bytes at a time (networks do), small files are sealed whole all the same."""
    whole = blob_stages._read_into
    monkeypatch.setattr(blob_stages, "_read_into", lambda descriptor, room: whole(descriptor, room[:7001]))
    assert all(content(store, sealed) == path.read_bytes() for path, sealed in store.seal_many(small))


def test_stopping_half_way_leaves_no_file_and_no_thread(store: BlobStore, folder: Path, small: list[Path]) -> None:
    """A caller that stops iterating, or whose progress bar raises, leaves no temporary file and no running thread."""

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    def endless() -> Iterator[Path]:
        while True:
            yield small[-1]

    with pytest.raises(KeyboardInterrupt):
        store.seal_file(io.BytesIO(made_up(5 * CHUNK)), stop)
    iterator = store.seal_many(endless())
    next(iterator)
    iterator.close()
    assert not list(folder.glob("tmp-*"))
    assert not [thread for thread in threading.enumerate() if thread.name == "seal"]


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc/self/status")
def test_memory_stays_flat(tmp_path: Path) -> None:
    """A process that seals a file of 400 MiB and 200 MiB of small ones never holds more than 150 MiB."""
    large, little = tmp_path / "large", tmp_path / "little"
    with large.open("wb") as file:
        file.truncate(400 << 20)
    little.write_bytes(bytes(500_000))
    script = (
        "import sys; from pathlib import Path; from amparo.vault.blobs import BlobStore\n"
        "store = BlobStore(Path(sys.argv[1]), bytes(32)); one = store.seal_file(Path(sys.argv[2]))\n"
        "for _ in store.seal_many([Path(sys.argv[3])] * 400): pass\n"
        "store.verify(one.blob, one.key, one.size, one.sha256)\n"
        "print([line for line in open('/proc/self/status') if line.startswith('VmHWM')][0].split()[1])"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "blobs"), str(large), str(little)]
    peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert int(peak) < 150 * 1024


def test_a_size_limit_of_the_system_is_a_refusal(tmp_path: Path, store: BlobStore) -> None:
    """The operating system's own refusal in the middle of a long write arrives as DiskFull and leaves no file."""
    resource = pytest.importorskip("resource", reason="file-size limits are POSIX")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SEALED_CHUNK, before[1]))
    try:
        with pytest.raises(DiskFull):
            seal(store, made_up(3 * CHUNK))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list((tmp_path / "blobs").glob("tmp-*"))
