"""Verification of evidence (`amparo evidence verify`) against openssl; parity; a push to and a reading back from a cold store.

    ./run bench verify_blobs [--big 2GiB] [--small 20000] [--rounds 3] [--folder DIR]

Amparo's time is that of ``app.evidence_integrity.verify`` on an open workspace, from the first read to the entry in the
ledger; it reads past the page cache, from the disk itself, where openssl reads the plain file out of the cache. The cold store
is a folder on the same disk, every segment synced.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import harness
from bench_ingest import make_files, show, warm
from harness import Run, goal

MIB = 1 << 20


def child(act: str, work: Path, source: Path) -> None:
    """One act in a process of its own; prints how long it took."""
    from amparo.app import evidence, evidence_cold, evidence_integrity, opening
    from amparo.app.session import Session
    from amparo.vault import parity
    from amparo.vault.disk import Disk
    from amparo.vault.slots import Cost, Passphrase

    passphrases = Passphrase("a made-up passphrase"), Passphrase("another made-up one")
    if act == "make":
        opening.create(work, *passphrases, cost=Cost(64, 1, 1))
    with Session(work, [opening.read_ring(work, "everyday", passphrases[0])]) as session:
        count = sum(1 for _ in session.testimony.items())
        started = time.perf_counter()
        if act == "make":
            evidence.add(session, [source])
            evidence_cold.add_store(session, evidence_cold.Store("drive", str(work.parent / "drive")))
        elif act == "verify":
            run = evidence_integrity.verify(session, anew=True)
            assert run.items == count and not run.findings, run
        elif act == "push":
            assert evidence_cold.push(session, "drive").files
        elif act == "verify --remote":
            assert evidence_cold.verify_remote(session, "drive")[1] == {}
        elif act == "parity":
            assert parity.make(work, 10, Disk(), anew=True).files
        seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds}))


def acting(act: str, work: Path, source: Path) -> Callable[[], Run]:
    """A task that does ``act`` on the workspace."""
    return lambda: harness.child(__file__, act, str(work), str(source))


def pushing(work: Path, source: Path) -> Run:
    """A push of everything to a store that has nothing: on a copy of the workspace's record."""
    shutil.rmtree(work.parent / "drive", ignore_errors=True)
    (work.parent / "drive" / "objects").mkdir(parents=True)
    shutil.copytree(work / "ledger", work.parent / "ledger")
    try:
        return harness.child(__file__, "push", str(work), str(source))
    finally:
        shutil.rmtree(work / "ledger")
        shutil.rmtree(work / "views", ignore_errors=True)
        shutil.copytree(work.parent / "ledger", work / "ledger")
        shutil.rmtree(work.parent / "ledger")


def big_file(folder: Path, rounds: int) -> None:
    source, work = folder / "files" / "big", folder / "case"
    size = source.stat().st_size
    harness.child(__file__, "make", str(work), str(source))
    warm(source)
    tasks = {name: acting(name, work, source) for name in ("verify", "parity")}
    tasks["push"] = lambda: pushing(work, source)
    if harness.tool("openssl"):
        tasks["openssl dgst -sha256"] = lambda: harness.timed(["openssl", "dgst", "-sha256", str(source)])
    results = harness.alternate(rounds, tasks)
    harness.child(__file__, "push", str(work), str(source))
    results["verify --remote"] = harness.child(__file__, "verify --remote", str(work), str(source))
    show(f"one file, {size / MIB:,.0f} MiB", results, size)
    if "openssl dgst -sha256" in results:
        ratio = results["openssl dgst -sha256"].seconds / results["verify"].seconds
        goal("verification: speed over openssl dgst -sha256", ratio, 0.8, at_least=True)
    for name in ("verify", "parity", "push", "verify --remote"):
        goal(f"peak memory of {name}, MiB", results[name].peak_mib, 300, at_least=False)
    shutil.rmtree(work)
    shutil.rmtree(folder / "drive")


def read_all(source: Path) -> None:
    """The yardstick for small files: read and hash each, nothing else."""
    import hashlib

    started = time.perf_counter()
    for path in source.rglob("*"):
        if path.is_file():
            hashlib.sha256(path.read_bytes()).digest()
    print(json.dumps({"seconds": time.perf_counter() - started}))


def small_files(folder: Path, rounds: int) -> None:
    source, work = folder / "files" / "small", folder / "case"
    total = 0
    for path in source.rglob("*"):
        if path.is_file():
            warm(path)
            total += path.stat().st_size
    harness.child(__file__, "make", str(work), str(source))
    tasks = {"verify": acting("verify", work, source), "read + sha256": lambda: harness.child(__file__, "read", str(source), "")}
    results = harness.alternate(rounds, tasks)
    show(f"small files, {total / MIB:,.0f} MiB", results, total)
    goal("verification: time over read + sha256", results["verify"].seconds / results["read + sha256"].seconds, 2, at_least=False)
    goal("peak memory, MiB", results["verify"].peak_mib, 300, at_least=False)


def main() -> None:
    """Make the files, run every task alternately, print medians and ratios beside their goals."""
    if sys.argv[1:2] == ["--child"]:
        act, work, source = sys.argv[2:]
        if act == "read":
            read_all(Path(work))
        else:
            child(act, Path(work), Path(source))
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
        big_file(folder, options.rounds)
        small_files(folder, options.rounds)


if __name__ == "__main__":
    main()
