"""Seal files into the vault, against openssl's SHA-256, plain reading and restic, on the same files in one run.

    ./run bench ingest [--big 2GiB] [--small 20000] [--rounds 3] [--folder DIR]

The files are random bytes and in the page cache. Amparo's time runs from the first byte read to the last one durable;
“with parts” adds the ledger: one ``items@1`` part for each file, each under its own wrapped key, and the group's fsync.
restic's time is that of ``restic backup`` less that of opening its repository (a key derivation of its own).
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import harness
from harness import Run, goal

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from ledger_kit import Kit

from amparo.record.items import Item
from amparo.vault.blobs import BlobStore

MIB = 1 << 20


def make_files(folder: Path, big: int, small: int) -> None:
    """One file of ``big`` bytes and ``small`` files of 10-50 KiB, in folders of 200."""
    with (folder / "big").open("wb") as file:
        for start in range(0, big, 8 * MIB):
            file.write(os.urandom(min(8 * MIB, big - start)))
    sizes = random.Random(1)
    for number in range(small):
        home = folder / "small" / f"{number // 200:03d}"
        home.mkdir(parents=True, exist_ok=True)
        (home / f"{number}.bin").write_bytes(os.urandom(sizes.randrange(10 << 10, 50 << 10)))
    os.sync()


# -- what runs in a child process -------------------------------------------------------------------------------------


def seal_big(source: Path, vault: Path) -> None:
    BlobStore(vault, bytes(32)).seal_file(source)


def seal_small(source: Path, vault: Path) -> None:
    for _ in BlobStore(vault, bytes(32)).seal_many(_files(source)):
        pass


def seal_small_with_parts(source: Path, vault: Path) -> None:
    kit = Kit(vault / "ledger")
    kit.found()
    store = BlobStore(vault / "blobs", kit.key.blob_id_key)
    with kit.ledger().writer(kit.everyday.device, kit.signing) as writer, writer.group(now=kit.now + 1) as group:
        for number, (path, sealed) in enumerate(store.seal_many(_files(source))):
            handle, told = f"D-{number + 1:04d}", f"S-{number + 1:04d}"
            row = Item(handle, told, sealed.sha256, sealed.blake3, sealed.size, sealed.blob, sealed.key, path.name)
            group.add(kit.key, Item.TYPE, [row.to_row()])


def read_small(source: Path, _: Path) -> None:
    for path in _files(source):
        with path.open("rb") as file:
            hashlib.sha256(file.read()).digest()


def _files(source: Path) -> list[Path]:
    return sorted(path for path in source.glob("*/*"))


CHILDREN: dict[str, Callable[[Path, Path], None]] = {
    function.__name__: function for function in (seal_big, seal_small, seal_small_with_parts, read_small)
}


def run_child(name: str, source: Path, vault: Path) -> None:
    started = time.perf_counter()
    CHILDREN[name](source, vault)
    print(json.dumps({"seconds": time.perf_counter() - started}))


# -- the comparison ---------------------------------------------------------------------------------------------------


def sealing(name: str, source: Path, work: Path) -> Callable[[], Run]:
    """A task that seals ``source`` into a new vault and throws it away."""

    def task() -> Run:
        try:
            return harness.child(__file__, name, str(source), str(work / "vault"))
        finally:
            shutil.rmtree(work / "vault", ignore_errors=True)

    return task


def restic(source: Path, work: Path) -> Callable[[], Run]:
    """A task that backs ``source`` up into a new repository and throws it away."""

    def task() -> Run:
        repository = ["restic", "--repo", str(work / "restic"), "--cache-dir", str(work / "cache"), "--quiet"]
        password = {"RESTIC_PASSWORD": "made up for a benchmark"}
        try:
            harness.timed([*repository, "init"], password)
            opening = harness.timed([*repository, "cat", "config"], password)
            run = harness.timed([*repository, "backup", str(source)], password)
            return Run(run.seconds - opening.seconds, run.peak_mib)
        finally:
            shutil.rmtree(work / "restic", ignore_errors=True)
            shutil.rmtree(work / "cache", ignore_errors=True)

    return task


def big_file(folder: Path, work: Path, rounds: int) -> None:
    source = folder / "big"
    tasks = {"amparo: hash, seal, fsync": sealing("seal_big", source, work)}
    if harness.tool("openssl"):
        tasks["openssl dgst -sha256"] = lambda: harness.timed(["openssl", "dgst", "-sha256", str(source)])
    if harness.tool("restic"):
        tasks["restic backup"] = restic(source, work)
    warm(source)
    results = harness.alternate(rounds, tasks)
    show(f"one file, {source.stat().st_size / MIB:,.0f} MiB", results, source.stat().st_size)
    ours = results["amparo: hash, seal, fsync"]
    for name, limit in (("openssl dgst -sha256", 0.9), ("restic backup", 5)):
        if name in results:
            goal(f"speed over {name}", results[name].seconds / ours.seconds, limit, at_least=True)
    goal("peak memory, MiB", ours.peak_mib, 150, at_least=False)


def small_files(folder: Path, work: Path, rounds: int) -> None:
    source = folder / "small"
    tasks = {
        "read + SHA-256": sealing("read_small", source, work),
        "amparo: packs": sealing("seal_small", source, work),
        "amparo: packs, with parts": sealing("seal_small_with_parts", source, work),
    }
    if harness.tool("restic"):
        tasks["restic backup"] = restic(source, work)
    for path in _files(source):
        warm(path)
    results = harness.alternate(rounds, tasks)
    total = sum(path.stat().st_size for path in _files(source))
    show(f"{len(_files(source)):,} files, {total / MIB:,.0f} MiB", results, total)
    plain, ours, parts = (results[name].seconds for name in list(tasks)[:3])
    goal("time over read + SHA-256", ours / plain, 1.5, at_least=False)
    if "restic backup" in results:
        goal("speed over restic", results["restic backup"].seconds / ours, 3, at_least=True)
    goal("peak memory, MiB", max(results[name].peak_mib for name in list(tasks)[1:3]), 150, at_least=False)
    print(f"no goal: with parts, time over read + SHA-256: {parts / plain:.2f}")


def warm(path: Path) -> None:
    """Bring a file into the page cache."""
    with path.open("rb") as file:
        while file.read(8 * MIB):
            pass


def show(title: str, results: dict[str, Run], total: int) -> None:
    print(f"\n{title}")
    rows = [
        [name, f"{run.seconds:.2f}", f"{total / run.seconds / 1e6:,.0f}", f"{run.peak_mib:.0f}"]
        for name, run in results.items()
    ]
    harness.table(["", "s", "MB/s", "peak MiB"], rows)


def main() -> None:
    """Make the files, run every task alternately, print medians and ratios beside their goals."""
    if sys.argv[1:2] == ["--child"]:
        run_child(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--big", type=harness.size, default=harness.size("2GiB"), help="size of the one large file")
    parser.add_argument("--small", type=int, default=20_000, help="number of small files")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to work (a real disk; default: the system's temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        (folder / "files").mkdir()
        make_files(folder / "files", options.big, options.small)
        print(harness.machine())
        big_file(folder / "files", folder, options.rounds)
        small_files(folder / "files", folder, options.rounds)


if __name__ == "__main__":
    main()
