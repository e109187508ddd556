"""`amparo check` over a record of a million claims, beside one plain walk over the same rows (what reading them costs at least).

    ./run bench check --folder KEPT

KEPT is the folder of `./run bench pages --folder KEPT`, which makes the record.
"""

import argparse
import time
from pathlib import Path

import harness
from bench_pages import PASSPHRASE

from amparo.app import checking, opening
from amparo.app.session import Session
from amparo.record import bulk
from amparo.vault.slots import Passphrase


def walked(session: Session) -> int:
    """Every claim once by person and once by thing."""
    return sum(len(claims) for walk in (bulk.by_person, bulk.by_subject) for _key, claims in walk(session.record))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--folder", type=Path, required=True)
    workspace = arguments.parse_args().folder / "workspace"
    print(harness.machine())
    session = Session(workspace, [opening.read_ring(workspace, "everyday", Passphrase(PASSPHRASE))])
    started = time.perf_counter()
    rows = walked(session)
    walk = time.perf_counter() - started
    started = time.perf_counter()
    found = checking.check(session)
    check = time.perf_counter() - started
    peak = int(next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")).split()[1])
    print(f"{rows:,} rows walked in {walk:.1f} s; checked in {check:.1f} s ({check / walk:.2f} x), peak {peak >> 10} MiB")
    harness.table(["rule", "found"], [[rule, f"{number:,}"] for rule, number in found.counts.most_common()])


if __name__ == "__main__":
    main()
