"""The whole ingest path of evidence (custody, type, hashes, ledger, view), against openssl, restic, borg and bagit.py.

    ./run bench evidence [--big 2GiB] [--small 20000] [--rounds 3] [--folder DIR]

The files are random bytes and in the page cache. Amparo's time is that of ``app.evidence.add`` on an open workspace: from the
first byte read to the last entry durable and shown. restic's and borg's time leaves out making and opening the repository
(their key derivations); bagit.py bags a copy of the files in place with two processes, SHA-256 only.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import harness
from bench_ingest import make_files, restic, show, warm
from harness import Run, goal

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

MIB = 1 << 20


def ingest(source: Path, work: Path) -> None:
    """The child: make a workspace, then time the ingest."""
    from amparo.app import evidence, opening
    from amparo.app.session import Session
    from amparo.vault.slots import Cost, Passphrase

    passphrases = Passphrase("a made-up passphrase"), Passphrase("another made-up one")
    opening.create(work, *passphrases, cost=Cost(64, 1, 1))
    with Session(work, [opening.read_ring(work, "everyday", passphrases[0])]) as session:
        assert not session.record.counts().get("claim") and not list(session.testimony.items())
        started = time.perf_counter()
        added = evidence.add(session, [source], origin=evidence.Origin("made up", "benchmark"))
        seconds = time.perf_counter() - started
        assert added.items == len(list(session.testimony.items())) and not added.refused
    print(json.dumps({"seconds": seconds}))


def ingesting(source: Path, work: Path) -> Callable[[], Run]:
    """A task that ingests ``source`` into a new workspace and throws it away."""

    def task() -> Run:
        try:
            return harness.child(__file__, str(source), str(work / "case"))
        finally:
            shutil.rmtree(work / "case", ignore_errors=True)

    return task


def borg(source: Path, work: Path) -> Callable[[], Run]:
    """A task that backs ``source`` up into a new encrypted repository and throws it away."""

    def task() -> Run:
        place = str(work / "borg")
        words = {"BORG_PASSPHRASE": "made up for a benchmark", "BORG_BASE_DIR": str(work / "borg-home")}
        try:
            harness.timed(["borg", "init", "--encryption", "repokey-blake2", place], words)
            opening = harness.timed(["borg", "list", place], words)
            run = harness.timed(["borg", "create", f"{place}::one", str(source)], words)
            return Run(run.seconds - opening.seconds, run.peak_mib)
        finally:
            shutil.rmtree(work / "borg", ignore_errors=True)
            shutil.rmtree(work / "borg-home", ignore_errors=True)

    return task


def bagit(source: Path, work: Path) -> Callable[[], Run]:
    """A task that bags a hard-linked copy of ``source`` and throws it away."""

    def task() -> Run:
        place = work / "bag"
        try:
            if source.is_dir():
                shutil.copytree(source, place, copy_function=os.link)
            else:
                place.mkdir()
                os.link(source, place / source.name)
            return harness.timed([sys.executable, "-m", "bagit", "--sha256", "--processes", "2", "--quiet", str(place)])
        finally:
            shutil.rmtree(place, ignore_errors=True)

    return task


def peers(source: Path, work: Path) -> dict[str, Callable[[], Run]]:
    """The tasks of those peers that are installed."""
    found: dict[str, Callable[[], Run]] = {}
    if harness.tool("restic"):
        found["restic backup"] = restic(source, work)
    if harness.tool("borg"):
        found["borg create"] = borg(source, work)
    if harness.module("bagit"):
        found["bagit.py"] = bagit(source, work)
    return found


def big_file(folder: Path, work: Path, rounds: int) -> None:
    source = folder / "big"
    tasks = {"amparo evidence add": ingesting(source, work), **peers(source, work)}
    if harness.tool("openssl"):
        tasks["openssl dgst -sha256"] = lambda: harness.timed(["openssl", "dgst", "-sha256", str(source)])
    warm(source)
    results = harness.alternate(rounds, tasks)
    show(f"one file, {source.stat().st_size / MIB:,.0f} MiB", results, source.stat().st_size)
    ours = results["amparo evidence add"]
    if "openssl dgst -sha256" in results:
        goal("speed over openssl dgst -sha256", results["openssl dgst -sha256"].seconds / ours.seconds, 0.8, at_least=True)
    goal("peak memory, MiB", ours.peak_mib, 300, at_least=False)


def small_files(folder: Path, work: Path, rounds: int) -> None:
    source = folder / "small"
    files = [path for path in source.rglob("*") if path.is_file()]
    tasks = {"amparo evidence add": ingesting(source, work), **peers(source, work)}
    for path in files:
        warm(path)
    results = harness.alternate(rounds, tasks)
    total = sum(path.stat().st_size for path in files)
    show(f"{len(files):,} files, {total / MIB:,.0f} MiB", results, total)
    ours = results.pop("amparo evidence add")
    for name, run in results.items():
        goal(f"speed over {name}", run.seconds / ours.seconds, 1, at_least=True)
    goal("peak memory, MiB", ours.peak_mib, 300, at_least=False)


def main() -> None:
    """Make the files, run every task alternately, print medians and ratios beside their goals."""
    if sys.argv[1:2] == ["--child"]:
        ingest(Path(sys.argv[2]), Path(sys.argv[3]))
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
