"""vault.disk: what it calls durable survives a power cut at every change, and refusals come as one sentence each."""

import errno
import mmap
from collections.abc import Callable
from pathlib import Path

import pytest
from faulty_disk import FaultyDisk, Loss, PowerCut

from amparo.kernel.errors import DiskRefused
from amparo.vault.disk import Disk, DiskFailed, DiskFull, DiskReadOnly, aligned_buffer

OLD, NEW = b"old" * 50, b"new content" * 100


def cut_everywhere(work: Callable[[Disk], None], loss: Loss, check: Callable[[], None], prepare: Callable[[], None]) -> int:
    """Run ``work`` once for each of its changes with the power cut there; ``check`` the folder each time."""
    cut = 0
    while True:
        cut += 1
        prepare()
        disk = FaultyDisk(cut, torn=0.5, loss=loss)
        try:
            work(disk)
        except PowerCut:
            check()
        else:
            return cut - 1


@pytest.mark.parametrize("loss", Loss)
def test_atomic_write_leaves_old_or_new_whatever_the_power_does(tmp_path: Path, loss: Loss) -> None:
    """After a cut at any change of ``atomic_write``, the file holds exactly its old or its new content."""
    path = tmp_path / "file"

    def check() -> None:
        assert path.read_bytes() in (OLD, NEW)

    cuts = cut_everywhere(lambda disk: disk.atomic_write(path, NEW), loss, check, lambda: Disk().atomic_write(path, OLD))
    assert cuts >= 4
    assert path.read_bytes() == NEW


@pytest.mark.parametrize("loss", Loss)
def test_shredded_bytes_are_gone_when_shred_returns(tmp_path: Path, loss: Loss) -> None:
    """Once ``shred`` has returned, a power cut at the next change brings neither name nor content back."""
    path, other = tmp_path / "slot", tmp_path / "other"
    path.write_bytes(OLD)
    other.write_bytes(b"-")
    counting = FaultyDisk()
    counting.shred(path)
    path.write_bytes(OLD)
    disk = FaultyDisk(counting.changes + 1, loss=loss)
    disk.shred(path)
    with pytest.raises(PowerCut):
        disk.truncate(other, 0)
    assert not path.exists()


def test_shred_overwrites_before_it_removes(tmp_path: Path) -> None:
    """When the power goes between sync and removal, the name is still there but the old bytes are not."""
    path = tmp_path / "slot"
    path.write_bytes(OLD)
    disk = FaultyDisk(3, loss=Loss.EVERYTHING)
    with pytest.raises(PowerCut):
        disk.shred(path)
    assert disk.log == ["write slot", "fsync slot", "unlink slot"]
    assert len(path.read_bytes()) == len(OLD)
    assert b"old" not in path.read_bytes()


def test_synced_appends_survive_and_offsets_are_right(tmp_path: Path) -> None:
    """Appended bytes lie at the offset returned, and those synced survive the loss of everything else."""
    path = tmp_path / "log"
    disk = FaultyDisk(6, loss=Loss.DATA)
    assert disk.append(path, b"abc") == 0
    disk.fsync(path)
    disk.fsync_dir(tmp_path)
    assert disk.append(path, b"defg") == 3
    assert disk.read(path, 3, 2) == b"de"
    disk.truncate(path, 5)
    with pytest.raises(PowerCut):
        disk.fsync(path)
    assert path.read_bytes() == b"abc"
    with pytest.raises(PowerCut):
        disk.append(path, b"after death nothing is written")
    assert path.read_bytes() == b"abc"


@pytest.mark.parametrize(
    ("loss", "left"),
    [
        (Loss.NOTHING, b"0123abcdefghij"),
        (Loss.TAIL, b"0123abcde"),
        (Loss.ZEROS, b"0123" + bytes(10)),
        (Loss.DATA, b"0123"),
        (Loss.EVERYTHING, b"0123"),
    ],
)
def test_faulty_disk_loses_what_was_not_synced(tmp_path: Path, loss: Loss, left: bytes) -> None:
    """Positive control: each kind of loss leaves of an unsynced append exactly what it says."""
    path = tmp_path / "log"
    path.write_bytes(b"0123")
    disk = FaultyDisk(2, loss=loss)
    disk.append(path, b"abcdefghij")
    with pytest.raises(PowerCut):
        disk.fsync(path)
    assert path.read_bytes() == left


def test_faulty_disk_catches_a_rename_without_sync(tmp_path: Path) -> None:
    """Positive control: the classic mistake, renaming a file that was not synced, is punished by the model."""
    new, path = tmp_path / "new", tmp_path / "file"
    path.write_bytes(OLD)
    disk = FaultyDisk(3, loss=Loss.DATA)
    disk.write_at(new, 0, NEW)
    disk.rename(new, path)
    with pytest.raises(PowerCut):
        disk.fsync_dir(tmp_path)
    assert path.read_bytes() == b""


def test_faulty_disk_tears_the_write_that_is_cut(tmp_path: Path) -> None:
    """Positive control: of the write the cut falls on, the given part reaches the file, new or old."""
    path = tmp_path / "log"
    with pytest.raises(PowerCut):
        FaultyDisk(1, torn=0.5).append(path, b"0123456789")
    assert path.read_bytes() == b"01234"


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.ENOSPC, DiskFull),
        (errno.EDQUOT, DiskFull),
        (errno.EROFS, DiskReadOnly),
        (errno.EACCES, DiskReadOnly),
        (errno.EIO, DiskFailed),
    ],
)
def test_refusals_are_told_apart(tmp_path: Path, number: int, error: type[DiskRefused]) -> None:
    """A full, a read-only and a failing disk each raise their own DiskRefused, and the file keeps its old content."""
    path = tmp_path / "file"
    path.write_bytes(OLD)
    for change in range(1, 5):
        with pytest.raises(error) as raised:
            FaultyDisk(error_at=change, error=number).atomic_write(path, NEW)
        assert raised.value.exit_code == 7
        assert raised.value.facts["name"]
        assert path.read_bytes() == OLD
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_disk_that_is_really_full_is_named(tmp_path: Path) -> None:
    """The operating system's own refusal (here /dev/full) is translated as well."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full on this system")
    with pytest.raises(DiskFull):
        Disk().write_at(full, 0, b"x")


def test_a_missing_file_is_nothing_to_shred_and_has_no_size(tmp_path: Path) -> None:
    """Shredding and measuring what is not there is no error; reading it is FileNotFoundError."""
    Disk().shred(tmp_path / "none")
    assert Disk().size(tmp_path / "none") == 0
    with pytest.raises(FileNotFoundError):
        Disk().read(tmp_path / "none")


def test_folders_are_made_for_the_owner_alone(tmp_path: Path) -> None:
    """``mkdir`` makes parents too and lets nobody else in."""
    folder = tmp_path / "a" / "b"
    Disk().mkdir(folder)
    Disk().mkdir(folder)
    assert folder.stat().st_mode & 0o077 == 0
    assert folder.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("sizes", [[8192, 4096], [8192, 100, 4096], [1], [mmap.PAGESIZE - 1, mmap.PAGESIZE]])
def test_writer_takes_what_direct_writing_refuses(tmp_path: Path, sizes: list[int]) -> None:
    """Aligned or not, in whole pages or not, what was written and synced is in the file."""
    path = tmp_path / "long"
    writer = Disk().writer(path)
    expected = b""
    for number, size in enumerate(sizes):
        buffer = aligned_buffer(16384)
        buffer[:size] = bytes([number + 1]) * size
        writer.write(buffer[:size])
        expected += bytes(buffer[:size])
    odd = memoryview(bytearray(b"-" * 4097))[1:]
    writer.write(odd)
    writer.sync()
    writer.close()
    assert path.read_bytes() == expected + b"-" * 4096
    assert path.stat().st_mode & 0o077 == 0
