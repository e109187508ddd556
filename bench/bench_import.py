"""Import, open, and the first page at a million claims: rates, peak memory, and the size on disk, in processes of their own.

./run bench import [--claims 1000000]
"""

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MAPPING = """version: 1
dataset: bench
files:
  - file: entities.csv
    entities: [{key: "{key}", kind: "{kind}", type: "{type}", label: "{label}", basis: "{basis}"}]
  - file: claims.csv
    claims:
      - {key: "{key}", subject: "{subject}", property: "{property}", value: "{value}", text: "{text}", valid: "{valid}",
         place: "{place}", source: "{source}", access: "{access}", stance: "{stance}"}
"""
WORDS = (
    (
        "detained beaten taken station night men uniform building cell days released threatened phone searched house road car witness "
        "said saw heard officer commander guard room water food ordered signed paper family village city office returned missing"
    ).split()
    + "задержан избит участок ночью люди форма здание камера дней отпущен угрозы телефон дом дорога свидетель сказал".split()
)


def make_tables(folder: Path, claims: int, share: int = 20) -> None:
    """Made-up tables: 400 sources, 300 places, an event for every ``share`` claims; seeded, so that runs compare."""
    rng = random.Random(7)
    (folder / "mapping.yaml").write_text(MAPPING, "utf-8")
    events = max(1, claims // share)
    with (folder / "entities.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["key", "kind", "type", "label", "basis"])
        writer.writerows([f"S-{n}", "source", "", f"Report {n}", "published source"] for n in range(400))
        writer.writerows([f"L-{n}", "place", "", f"Place {n}", ""] for n in range(300))
        writer.writerows([f"E-{n}", "event", "", f"Event {n}", ""] for n in range(events))
    with (folder / "claims.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["key", "subject", "property", "value", "text", "valid", "place", "source", "access", "stance"])
        for n in range(claims):
            text = " ".join(rng.choices(WORDS, k=rng.randint(8, 20)))
            date = f"20{rng.randint(10, 25)}-{rng.randint(1, 12):02d}"
            writer.writerow([f"{n}", f"E-{n // share % events}", "report", "", text, date, f"L-{rng.randrange(300)}",
                             f"S-{rng.randrange(400)}", "hearsay", "report"])  # fmt: skip


def child(step: str, *arguments: str) -> dict[str, float]:
    """Run one step in a process of its own; seconds and peak memory (MiB) come from the operating system."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, __file__, "--step", step, *arguments], stdout=subprocess.PIPE)
    output = process.communicate()[0]
    usage = json.loads(output.decode().splitlines()[-1])
    if process.returncode:
        raise SystemExit(process.returncode)
    return {"wall": time.perf_counter() - started, **usage}


def step_import(folder: Path) -> dict[str, float]:
    """Make a workspace and import the tables."""
    from amparo.app import importing, opening
    from amparo.app.session import Session
    from amparo.vault.slots import Cost, Passphrase

    workspace = folder / "workspace"
    passphrases = Passphrase("a made-up passphrase"), Passphrase("another made-up one")
    opening.create(workspace, *passphrases, cost=Cost(64, 1, 1))
    rings = [opening.read_ring(workspace, kind, p) for kind, p in zip(("everyday", "identities"), passphrases, strict=True)]
    started = time.perf_counter()
    with Session(workspace, rings) as session:
        importing.import_folder(session, folder / "tables")
    return {"seconds": time.perf_counter() - started}


def step_open(folder: Path) -> dict[str, float]:
    """Open the workspace (after key derivation) and answer what a first page shows."""
    from amparo.app import opening, reading
    from amparo.app.session import Session
    from amparo.vault.slots import Passphrase

    ring = opening.read_ring(folder / "workspace", "everyday", Passphrase("a made-up passphrase"))
    started = time.perf_counter()
    with Session(folder / "workspace", [ring]) as session:
        reading.status(session)
        reading.search(session, "", limit=20)
    return {"seconds": time.perf_counter() - started}


def main() -> None:
    """Parse arguments, run the steps, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=int, default=1_000_000)
    parser.add_argument("--step")
    parser.add_argument("folder", nargs="?", type=Path)
    chosen = parser.parse_args()
    if chosen.step:
        import resource

        result = {"import": step_import, "open": step_open}[chosen.step](chosen.folder)
        result["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        result["child_mib"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(json.dumps(result))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tables").mkdir()
        make_tables(folder / "tables", chosen.claims)
        done = child("import", name)
        print(f"import of {chosen.claims:,} claims: {done['seconds']:.1f} s, {chosen.claims / done['seconds']:,.0f} claims/s "
              f"(goal 20,000), peak {done['peak_mib']:.0f} MiB, "
              f"of the process that builds the view beside it {done['child_mib']:.0f} MiB (goal 600)")  # fmt: skip
        size = sum(path.stat().st_size for path in (folder / "workspace").rglob("*") if path.is_file())
        tables = sum(path.stat().st_size for path in (folder / "tables").iterdir())
        print(f"workspace {size >> 20} MiB on disk, {size / tables:.2f} x the tables")
        opened = child("open", name)
        print(f"open and first page: {opened['seconds']:.2f} s (goal 2), peak {opened['peak_mib']:.0f} MiB")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    main()
