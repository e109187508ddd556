"""Timeline, map, network and matrix of 100,000 made-up events: whole requests over the loopback, on a warm server.

    ./run bench drawings [--events 100000] [--folder DIR]

Events have dates of every precision over sixteen years and lie at 300 places; 2,000 units in a hierarchy are said to have
perpetrated 200,000 acts; 60 measures have positions of 190 States. Every page is asked forty times, of different times,
places, units and measures. With --folder the workspace stays there for the next run.
"""

import argparse
import csv
import gzip
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import harness
from bench_import import step_import
from bench_pages import PASSPHRASE, SAMPLES, Server
from harness import goal

MAPPING = """version: 1
dataset: drawings
files:
  - file: entities.csv
    entities: [{key: "{key}", kind: "{kind}", type: "{type}", label: "{label}", parent: "{parent}", date: "{date}", basis: "{basis}"}]
  - file: claims.csv
    claims:
      - {key: "{key}", subject: "{subject}", property: "{property}", value: "{value}", valid: "{valid}", place: "{place}",
         source: "{source}", access: "hearsay", stance: "{stance}"}
"""
STATES = ("AFG ALB AND ARG ARM AUS AUT AZE BEL BEN BGR BIH BLR BLZ BOL BRA CAN CHE CHL CHN COL CRI CYP CZE DEU DNK ECU EGY ESP EST "
          "FIN FRA GBR GEO GHA GRC HRV HUN IND IRL ISL ISR ITA JPN KAZ KEN KOR LTU LUX LVA MDA MEX MKD MLT MNE NLD NOR NZL PAN PER "
          "PHL POL PRT ROU RUS SRB SVK SVN SWE THA TUN TUR UKR URY USA").split()  # fmt: skip


def some_date(rng: random.Random) -> str:
    """A partial date: a day, a month, a year, some months."""
    year, month, day = rng.randint(2010, 2025), rng.randint(1, 12), rng.randint(1, 28)
    kind = rng.random()
    if kind < 0.6:
        return f"{year}-{month:02d}-{day:02d}"
    if kind < 0.85:
        return f"{year}-{month:02d}"
    if kind < 0.95:
        return f"{year}"
    return f"{year}-{month:02d}/{year + 1}-{rng.randint(1, 12):02d}"


def make_tables(folder: Path, events: int) -> None:
    """Made-up tables; seeded, so that runs compare."""
    rng = random.Random(7)
    folder.mkdir(exist_ok=True)
    (folder / "mapping.yaml").write_text(MAPPING, "utf-8")
    units, measures = 2_000, 60
    with (folder / "entities.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["key", "kind", "type", "label", "parent", "date", "basis"])
        writer.writerows([f"S-{n}", "source", "", f"Report {n}", "", "", "published source"] for n in range(100))
        writer.writerows([f"L-{n}", "place", "city", f"Place {n}", f"L-{n // 10}" if n >= 10 else "", "", ""] for n in range(300))
        writer.writerows([f"G-{n}", "group", "", f"Unit {n}", "", "", ""] for n in range(units))
        writer.writerows([f"P-{n}", "person", "", "", "", "", ""] for n in range(units))
        writer.writerows([f"M-{n}", "measure", "joint statement", f"Statement {n}", "", some_date(rng), ""] for n in range(measures))
        writer.writerows([f"X-{n}-{state}", "position", "joined", "", f"M-{n}", "", ""] for n in range(measures) for state in STATES)
        for n in range(events):
            date = some_date(rng)
            writer.writerow([f"E-{n}", "event", "raid", f"Event {n}", "", date, ""])
            writer.writerow([f"A-{n}", "act", "arrest", "", f"E-{n}", date, ""])
    with (folder / "claims.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["key", "subject", "property", "value", "valid", "place", "source", "stance"])
        number = 0

        def tell(subject: str, property: str, value: str, valid: str = "", place: str = "", stance: str = "report") -> None:
            nonlocal number
            writer.writerow([f"{number}", subject, property, value, valid, place, f"S-{number % 100}", stance])
            number += 1

        for n in range(1, units):
            tell(f"G-{n}", "subordinate to", f"G-{(n - 1) // 6}", "2010/..")
        for n in range(units):
            tell(f"P-{n}", "commands", f"G-{n}", f"{rng.randint(2010, 2020)}/..")
        for n in range(300):
            where = f"{rng.uniform(35, 60):.2f}, {rng.uniform(0, 60):.2f} ±{rng.randint(1, 60)} km"
            tell(f"L-{n}", "coordinates", where)
        for n in range(measures):
            for state in STATES:
                tell(f"X-{n}-{state}", "state", state, some_date(rng), stance="position")
                tell(f"X-{n}-{state}", "instrument", f"M-{n}", stance="position")
                tell(f"X-{n}-{state}", "role", rng.choice(("joined", "declined", "asked")), stance="position")
        for n in range(events):
            date, place = some_date(rng), f"L-{rng.randrange(300)}"
            unit = f"G-{min(rng.randrange(units), rng.randrange(units))}"
            tell(f"A-{n}", "perpetrator", unit, date, place)
            tell(f"A-{n}", "perpetrator", f"P-{rng.randrange(units)}", date, place)
            tell(f"E-{n}", "statement", "said to be so", date, place)


def asked(events: int) -> dict[str, list[str]]:
    """Addresses of every drawing, of different things each time."""
    rng = random.Random(5)
    years = [rng.randint(2010, 2024) for _ in range(SAMPLES)]
    months = [f"{year}-{rng.randint(1, 11):02d}" for year in years]
    handles = [rng.randint(1, 2_000) for _ in range(SAMPLES)]
    return {
        "timeline, whole": ["/timeline"] * SAMPLES,
        "timeline, three years by month": [f"/timeline?from={year}&to={year + 2}&by=month" for year in years],
        "timeline, half a year by day": [f"/timeline?from={year}-02&to={year}-07&by=day" for year in years],
        "timeline, events of a month": [f"/timeline?from={m[:4]}&to={m[:4]}&by=month&lane=event&at={m}" for m in months],
        "timeline, statements of a year": [f"/timeline?by=year&lane=said&at={year}&page=9" for year in years],
        "matrix": [f"/matrix?page={1 + n % 4}" for n in range(SAMPLES)],
        "network, start": ["/network"] * SAMPLES,
        "network, a unit, depth 3": [f"/network?of=G-{n:04d}&depth=3" for n in handles],
        "network, an event": [f"/network?of=E-{rng.randint(1, events):04d}&depth=2" for _ in range(SAMPLES)],
        "map": ["/map"] * SAMPLES,
        "map, around a place": [f"/map?of=L-{1 + n * 7:04d}&zoom={1 + n % 5}" for n in range(SAMPLES)],
    }


def measure(server: Server, events: int) -> None:
    """Forty requests of each; the highest median and p95 count."""
    rows, medians, tails, weights = [], [], [], []
    for name, paths in asked(events).items():
        first = server.get(paths[0])[1]
        taken = [server.get(path) for path in paths]
        times = sorted(time for _, time, _ in taken)
        weight = max(len(gzip.compress(body)) for body, _, _ in taken) / 1024
        medians.append(statistics.median(times))
        tails.append(times[len(times) * 95 // 100])
        weights.append(weight)
        rows.append([name, f"{first:.1f}", f"{medians[-1]:.1f}", f"{tails[-1]:.1f}", f"{times[-1]:.1f}", f"{weight:.1f}"])
    harness.table(["page", "first ms", "median ms", "p95 ms", "worst ms", "KiB gzipped"], rows)
    style = sum(len(gzip.compress(server.get(f"/static/{name}")[0])) for name in ("amparo.css", "drawings.css", "amparo.js")) / 1024
    goal("highest median of any drawing, ms", max(medians), 60, at_least=False)
    goal("highest p95 of any drawing, ms", max(tails), 200, at_least=False)
    goal("heaviest first paint, KiB gzipped", max(weights) + style, 150, at_least=False)


def main() -> None:
    """Make, serve, ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--step", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.step:
        print(f"imported in {step_import(chosen.folder)['seconds']:.0f} s")
        return
    print(harness.machine())
    with tempfile.TemporaryDirectory() as name:
        folder = chosen.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "workspace" / "amparo.json").exists():
            make_tables(folder / "tables", chosen.events)
            subprocess.run([sys.executable, __file__, "--step", "--folder", str(folder)], check=True)
        from amparo.app import opening
        from amparo.vault.slots import Passphrase

        workspace = folder / "workspace"
        opening.unlock(workspace, opening.read_ring(workspace, "everyday", Passphrase(PASSPHRASE)))
        server = Server(workspace)
        try:
            measure(server, chosen.events)
        finally:
            server.close()
            opening.lock(workspace)


if __name__ == "__main__":
    main()
