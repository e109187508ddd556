"""Patterns over a made-up record of a million claims, and the sequence miner beside PrefixSpan's on the same sequences.

./run bench patterns [--claims 1000000]

The yardstick is the package prefixspan (pure Python, PyPI), asked for the same number of sequences; it knows no partial dates, so
both get days that are exact. Where it is not installed, nothing is compared.
"""

import argparse
import csv
import importlib
import json
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from harness import child, machine, module, table

MAPPING = """version: 1
dataset: bench
files:
  - file: entities.csv
    entities: [{key: "{key}", kind: "{kind}", type: "{type}", parent: "{parent}", date: "{date}", basis: "{basis}"}]
  - file: claims.csv
    claims:
      - {key: "{key}", subject: "{subject}", property: "{property}", value: "{value}", source: "{source}", stance: allegation}
"""
STORY = (("arrest", "police station"), ("incommunicado detention", "unofficial place of detention"), ("forced confession", ""))
OTHERS = ("torture", "beating", "humiliation", "search of a phone", "extortion", "ransom", "outing", "threat", "forced labour")
METHODS = ("electric shock", "beating with implements", "beating by hand", "stress position", "overcrowding", "verbal abuse")
PER_ACT = 4


def day(number: int, rng: random.Random) -> str:
    """A partial date: most exact, some of a month or a year."""
    year, month = 2014 + number // 360, number % 360 // 30 + 1
    exact = rng.random()
    return f"{year}-{month:02d}-{number % 28 + 1:02d}" if exact < 0.6 else f"{year}-{month:02d}" if exact < 0.9 else f"{year}"


def make_tables(folder: Path, claims: int) -> None:
    """Made-up tables of persons with three to five acts each; a third of them the story that is to be found. Seeded."""
    rng = random.Random(7)
    folder.mkdir()
    (folder / "mapping.yaml").write_text(MAPPING, "utf-8")
    acts = claims // PER_ACT
    with (
        (folder / "entities.csv").open("w", newline="", encoding="utf-8") as entities,
        (folder / "claims.csv").open("w", newline="", encoding="utf-8") as stream,
    ):
        things, told = csv.writer(entities), csv.writer(stream)
        things.writerow(["key", "kind", "type", "parent", "date", "basis"])
        told.writerow(["key", "subject", "property", "value", "source"])
        things.writerows([f"S-{n}", "source", "", "", "", "published source"] for n in range(400))
        things.writerows([f"L-{n}", "place", ("police station", "unofficial place of detention")[n % 2], "", "", ""] for n in range(300))
        things.writerows([f"G-{n}", "group", "police force", "", "", ""] for n in range(200))
        number, act, person = 0, 0, 0
        while act < acts:
            things.writerow([f"P-{person}", "person", "affected", "", "", ""])
            start = rng.randrange(3000)
            story = [(type, start + 9 * place, kind) for place, (type, kind) in enumerate(STORY)] if person % 3 == 0 else []
            story += [(rng.choice(OTHERS), start + rng.randrange(60), "") for _ in range(2 if story else 4)]
            for type, when, kind in story:
                things.writerow([f"A-{act}", "act", type, "", day(when, rng), ""])
                place = 2 * rng.randrange(150) + (kind == STORY[1][1])
                said = (("victim", f"P-{person}"), ("perpetrator", f"G-{rng.randrange(200)}"), ("method", rng.choice(METHODS)),
                        ("taken to", f"L-{place}") if kind else ("type of act", type))  # fmt: skip
                for property, value in said:
                    told.writerow([number, f"A-{act}", property, value, f"S-{rng.randrange(400)}"])
                    number += 1
                act += 1
            person += 1


def step_count(folder: Path, which: str) -> dict[str, object]:
    """Open the workspace and count."""
    from amparo.app import opening, patterns
    from amparo.app.session import Session
    from amparo.vault.slots import Passphrase

    ring = opening.read_ring(folder / "workspace", "everyday", Passphrase("a made-up passphrase"))
    with Session(folder / "workspace", [ring]) as session:
        session.record  # noqa: B018  the view is opened before the clock starts
        started = time.perf_counter()
        found = patterns.patterns(session, which)
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "first": found["sequences"]["listed"][:1] if "sequences" in found else [], "cases": found["cases"]}


def sequences(size: int) -> list[list[int]]:
    """Made-up sequences in a total order, each of eight items of forty; a third of them holds 1, 2, 3 in this order."""
    rng = random.Random(3)
    made = [[rng.randrange(4, 44) for _ in range(8)] for _ in range(size)]
    for place, items in enumerate(made):
        if place % 3 == 0:
            for index, item in zip(sorted(rng.sample(range(8), 3)), (1, 2, 3), strict=True):
                items[index] = item
    return made


def step_mine(size: int, top: int) -> dict[str, object]:
    """Amparo's miner on the sequences."""
    from amparo.analysis import patterns

    made = sequences(size)
    case = np.repeat(np.arange(size), 8)
    days = np.tile(np.arange(8), size)
    items = np.array(made, np.int64).ravel()
    started = time.perf_counter()
    cases = patterns.Cases(case, items, days, days, np.arange(len(case)), np.zeros(len(case), np.int64))
    found = patterns.mine(cases, top=top, longest=3, least=3)
    return {"seconds": time.perf_counter() - started, "supports": [(one.support, list(one.steps)) for one in found]}


def step_peer(size: int, top: int) -> dict[str, object]:
    """The package prefixspan on the same."""
    made = sequences(size)
    started = time.perf_counter()
    miner = importlib.import_module("prefixspan").PrefixSpan(made)
    miner.minlen, miner.maxlen = 2, 3
    found = miner.topk(top)
    return {"seconds": time.perf_counter() - started, "supports": [(count, list(steps)) for count, steps in found]}


def calibration() -> None:
    """How often the intervals of ``analysis.together`` hold the truth, and how often a told sign is wrong, on made-up pairs."""
    from amparo.analysis import together

    rng = np.random.default_rng(1)
    covered, told, wrong = [], 0, 0
    for _population in range(60):
        total, mean, spread = int(rng.choice([60, 200, 1000])), float(rng.normal(0.4, 0.3)), abs(float(rng.normal(0.6, 0.3)))
        truth = rng.normal(mean, spread, 60)
        one, other = rng.beta(2, 5, (2, 60))
        odds = np.exp(truth)
        middle = 1 + (one + other) * (odds - 1)
        both = (middle - np.sqrt(middle**2 - 4 * odds * (odds - 1) * one * other)) / (2 * (odds - 1))
        chances = np.stack([both, one - both, other - both, 1 - one - other + both], axis=1)
        cells = np.array([rng.multinomial(total, chance / chance.sum()) for chance in chances])
        found = together.fit(cells[:, 0], cells[:, 0] + cells[:, 1], cells[:, 0] + cells[:, 2], total)
        covered.append(np.mean((found.low <= truth) & (truth <= found.high)))
        sure = found.s_value <= 0.05
        told += int(sure.sum())
        wrong += int(np.sum(sure & ((found.mean > found.common) != (truth > mean))))
    print(f"together: 95 % intervals cover {np.mean(covered):.1%}; of {told} pairs told, {wrong / max(told, 1):.1%} the other way")


def main() -> None:
    """Parse arguments, run the steps, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=int, default=1_000_000)
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--top", type=int, default=40)
    parser.add_argument("--child", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    if given.child:
        step, *rest = given.child
        made = step_count(Path(rest[0]), rest[1]) if step == "count" else {"mine": step_mine, "peer": step_peer}[step](*map(int, rest))
        print(json.dumps(made))
        return
    print(machine())
    calibration()
    rows = []
    for step, name in (("mine", "Amparo"), ("peer", "prefixspan")):
        if step == "mine" or module("prefixspan"):
            run = child(__file__, step, str(given.size), str(given.top))
            rows.append([name, f"{run.seconds:.2f} s", f"{run.peak_mib:.0f} MiB", str(json.loads(run.output)["supports"][:1])])
    table([f"{given.size:,} sequences of 8", "time", "peak", "first"], rows)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_tables(folder / "tables", given.claims)
        sys.path.insert(0, str(Path(__file__).parent))
        from bench_import import step_import

        step_import(folder)
        rows = []
        for which in ("sequences", "places", "together", ""):
            run = child(__file__, "count", str(folder), which)
            rows.append([which or "all", f"{run.seconds:.1f} s", f"{run.peak_mib:.0f} MiB"])
            if which == "sequences":
                print(json.loads(run.output)["first"], json.loads(run.output)["cases"])
        table([f"{given.claims:,} claims", "time", "peak"], rows)


if __name__ == "__main__":
    main()
