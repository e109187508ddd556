"""The power fails at every single change of the disk, in five ways: nothing acknowledged is lost, everything still opens."""

import os
from pathlib import Path

import pytest
from faulty_disk import FaultyDisk, Loss, PowerCut
from ledger_kit import Kit

from amparo.kernel.errors import DiskRefused
from amparo.ledger import log
from amparo.ledger.ledger import NoSuchPart, Origin


@pytest.mark.parametrize("loss", list(Loss))
def test_power_cut_at_every_write_of_an_append(tmp_path: Path, loss: Loss) -> None:
    """Whatever was acknowledged before the cut is there after it, and a group is there whole or not at all."""
    cut = 0
    while True:
        cut += 1
        kit = Kit(tmp_path / f"{cut}")
        kit.found()
        disk = FaultyDisk(cut, torn=0.6, loss=loss)
        acknowledged: list[str] = []
        try:
            for texts in (["a"], ["b", "c"], ["d"]):
                kit.append_group(texts, disk=disk)
                acknowledged += texts
        except PowerCut:
            words = kit.words()
            assert words[: len(acknowledged)] == acknowledged
            assert words in ([], ["a"], ["a", "b", "c"], ["a", "b", "c", "d"])
            kit.append("after")
            assert kit.words() == [*words, "after"]
            ledger = kit.ledger()
            ledger.verify(now=kit.now)
            list(ledger.check_bodies(kit.keys))
        else:
            break
    assert cut > 10


@pytest.mark.parametrize("loss", list(Loss))
def test_power_cut_while_founding(tmp_path: Path, loss: Loss) -> None:
    """A log whose first entry was cut off can be founded again."""
    cut = 0
    while True:
        cut += 1
        kit = Kit(tmp_path / f"{cut}")
        try:
            kit.found(disk=FaultyDisk(cut, torn=0.5, loss=loss))
        except PowerCut:
            if not list(kit.ledger().logs) or kit.ledger().ends()[kit.everyday.device].seq < 0:
                kit.found()
            kit.append("x")
            assert kit.words() == ["x"]
        else:
            break
    assert cut > 5


@pytest.mark.parametrize("loss", list(Loss))
def test_power_cut_during_an_erasure(tmp_path: Path, loss: Loss) -> None:
    """An erasure that was signed is completed; one that was not has not happened."""
    cut = 0
    while True:
        cut += 1
        kit = Kit(tmp_path / f"{cut}")
        kit.found()
        kit.append("stay", "go")
        ledger = kit.ledger(FaultyDisk(cut, torn=0.3, loss=loss))
        try:
            with ledger.writer(kit.everyday.device, kit.signing) as writer:
                writer.erase([Origin(1, 2, 0)], authority="officer", now=kit.now)
        except PowerCut:
            ledger = kit.ledger()
            signed = list(ledger.open_rows("tombstone@1"))
            with ledger.writer(kit.everyday.device, kit.signing) as writer:
                writer.enforce()
            assert kit.words() == (["stay"] if signed else ["stay", "go"])
            list(kit.ledger().check_bodies(kit.keys))
        else:
            break
    assert cut > 5


def test_an_erasure_of_many_parts_is_one_pass_with_one_sync_a_file(tmp_path: Path) -> None:
    """400 parts of 400 entries, every second one of 800: no entry is decoded twenty times, each file is synced once or twice,
    and exactly the other parts are left.
    """
    kit = Kit(tmp_path / "ledger")
    kit.found()
    with kit.ledger().writer(kit.everyday.device, kit.signing) as writer:
        for number in range(400):
            with writer.group(now=kit.now + number) as group:
                group.add(kit.key, "words@1", [[f"stay {number}"]])
                group.add(kit.key, "words@1", [[f"go {number}"]])
    counting = FaultyDisk()
    decoded = log._decode.cache_info().misses
    with kit.ledger(counting).writer(kit.everyday.device, kit.signing) as writer:
        gone = [Origin(1, 1 + number, 1) for number in range(400)]
        assert writer.erase([*gone, *gone], authority="officer", now=kit.now) == 400
    assert log._decode.cache_info().misses - decoded < 8_000
    assert counting.log.count("fsync wraps") <= 2 and counting.log.count("fsync bodies") <= 2
    assert counting.log.index("write bodies") < counting.log.index("write entries") < counting.log.index("fsync entries")
    last = len(counting.log) - counting.log[::-1].index("write wraps")
    assert "fsync wraps" in counting.log[last:] and counting.log[-1] == "fsync bodies"
    assert kit.words() == [f"stay {number}" for number in range(400)]
    assert sum(erased for _placed, _part, erased in kit.ledger().check_bodies(kit.keys)) == 400
    assert not list(kit.ledger().unshredded())


@pytest.mark.parametrize("wrong", [Origin(1, 0, 0), Origin(1, 1, 1), Origin(1, 9, 0), Origin(2, 1, 0), Origin(1, 1, -1)])
def test_an_erasure_of_what_is_not_there_erases_nothing(tmp_path: Path, wrong: Origin) -> None:
    """An open part, an index, an entry and a device that are not: refused before anything is signed or overwritten."""
    kit = Kit(tmp_path / "ledger")
    kit.found()
    kit.append("stay")
    with kit.ledger().writer(kit.everyday.device, kit.signing) as writer, pytest.raises(NoSuchPart):
        writer.erase([Origin(1, 1, 0), wrong], authority="officer", now=kit.now)
    assert kit.words() == ["stay"] and not kit.ledger().tombstones()


def test_full_disk_at_every_write_of_an_append(tmp_path: Path) -> None:
    """A full disk is one clear sentence, loses nothing, and the same append succeeds once there is room."""
    cut = 0
    while True:
        cut += 1
        kit = Kit(tmp_path / f"{cut}")
        kit.found()
        kit.append("before")
        disk = FaultyDisk(error_at=cut, error=28)
        try:
            kit.append_group(["x", "y"], disk=disk)
        except DiskRefused as error:
            assert "room" in str(error)
            if "fsync" not in disk.log[cut - 1]:
                assert kit.words() == ["before"]
            kit.append("after")
            assert kit.words()[0] == "before"
            assert kit.words()[-1] == "after"
        else:
            break
    assert cut > 3


def test_kill_while_appending(tmp_path: Path) -> None:
    """A process killed with SIGKILL in the middle of its work leaves every acknowledged entry."""
    kit = Kit(tmp_path / "ledger")
    kit.found()
    for _ in range(3):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:  # pragma: no cover
            os.close(reader)
            n = 0
            while True:
                kit.append(f"{n}")
                os.write(writer, b".")
                n += 1
        os.close(writer)
        acknowledged = b""
        while len(acknowledged) < 20:
            acknowledged += os.read(reader, 1)
        os.kill(child, 9)
        os.waitpid(child, 0)
        acknowledged += os.read(reader, 1 << 16)
        assert len(kit.words()) >= len(acknowledged)
        ledger = kit.ledger()
        ledger.verify(now=kit.now + 10**7)
        list(ledger.check_bodies(kit.keys))
        (tmp_path / "ledger").rename(tmp_path / f"done{_}")
        kit = Kit(tmp_path / "ledger")
        kit.found()
