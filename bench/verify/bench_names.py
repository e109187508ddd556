"""Names against the public test of OpenSanctions, against 27 romanisations, and Arabic against English spellings.

    python bench/verify/bench_names.py bench --cases cases.csv [--peer /path/to/python]   # name_bench of nomenklatura (MIT)
    python bench/verify/bench_names.py roman [--peer /path/to/python]                     # a Python with the package iuliia
    python bench/verify/bench_names.py arabic --list raw.csv [--held-out]                 # a public list with both spellings

Data sets with names of persons are fetched by hand, never kept here, never printed: only counts and ratios are.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness import goal, machine, table

from amparo.verify.names import SAME, compare, parse
from amparo.verify.names_bodies import compare_bodies, parse_body


def f1(scores: Sequence[float], truth: Sequence[bool], threshold: float) -> tuple[float, float, float]:
    """Precision, recall and F1 of "score >= threshold"."""
    hits = sum(score >= threshold and true for score, true in zip(scores, truth, strict=True))
    alerts, positives = sum(score >= threshold for score in scores), sum(truth)
    precision, recall = hits / max(alerts, 1), hits / max(positives, 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


def ours(schema: str, one: str, two: str) -> float:
    if schema == "Person":
        return compare(parse(one), parse(two)).total
    return compare_bodies(parse_body(one), parse_body(two)).total


def timed_pairs(score: Callable[[str, str, str], float], cases: Sequence[tuple[str, str, str]]) -> tuple[list[float], float]:
    """Scores, and the median of five runs in microseconds a pair, after one run that warms the caches both sides have."""
    scores = [score(*case) for case in cases]
    runs = []
    for _ in range(5):
        started = time.perf_counter()
        for case in cases:
            score(*case)
        runs.append((time.perf_counter() - started) / len(cases) * 1e6)
    return scores, statistics.median(runs)


PEER = """
import json, sys, time, statistics
from uuid import uuid4
from followthemoney import ValueEntity, model
from nomenklatura.matching.logic_v2.model import LogicV2
config = LogicV2.default_config()
def score(schema, one, two):
    made = []
    for name in (one, two):
        made.append(ValueEntity(model.get(schema), {"id": uuid4().hex}))
        made[-1].add("name", name)
    return float(LogicV2.compare(*made, config).score)
cases = json.load(sys.stdin)
scores = [score(*case) for case in cases]
runs = []
for _ in range(3):
    started = time.perf_counter()
    for case in cases: score(*case)
    runs.append((time.perf_counter() - started) / len(cases) * 1e6)
print(json.dumps([scores, statistics.median(runs)]))
"""


def cold(cases: Sequence[tuple[str, str, str]]) -> float:
    """Microseconds a pair where each pair is seen for the first time (prepared names, cold caches of word pairs)."""
    from amparo.verify import names_compare

    prepared = [(parse(one), parse(two)) for schema, one, two in cases if schema == "Person"]
    names_compare._alike.cache_clear()  # noqa: SLF001 - each pair of words is to be met for the first time
    started = time.perf_counter()
    for one, two in prepared:
        compare(one, two)
    return (time.perf_counter() - started) / len(prepared) * 1e6


def name_bench(path: Path, peer: str | None, *, show: bool) -> None:
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    cases = [(row["schema"], row["name1"], row["name2"]) for row in rows]
    truth = [row["is_match"] == "true" for row in rows]
    scores, each = timed_pairs(ours, cases)
    results = {"Amparo": (scores, each)}
    if peer:
        done = subprocess.run([peer, "-c", PEER], input=json.dumps(cases), capture_output=True, text=True, check=True)
        results["logic-v2"] = tuple(json.loads(done.stdout.splitlines()[-1]))
    print(f"{len(cases)} pairs, threshold {SAME}; {machine()}")
    out = []
    for name, (found, micro) in results.items():
        for what, keep in (
            ("all", lambda _row: True),
            ("persons", lambda row: row["schema"] == "Person"),
            ("others", lambda row: row["schema"] != "Person"),
        ):
            chosen = [index for index, row in enumerate(rows) if keep(row)]
            measures = f1([found[index] for index in chosen], [truth[index] for index in chosen], SAME)
            out.append(
                [
                    f"{name}, {what}",
                    str(len(chosen)),
                    *(f"{value:.3f}" for value in measures),
                    f"{micro:.0f}" if what == "all" else "",
                ]
            )
    table(["", "pairs", "precision", "recall", "F1", "us a pair"], out)
    print(f"prepared names of persons, each pair for the first time: {cold(cases):.0f} us a pair")
    goal("name_bench F1", f1(scores, truth, SAME)[2], 0.82, at_least=True)
    goal("us a pair", max(each, cold(cases)), 200, at_least=False)
    if show:
        groups: dict[tuple[str, str, bool], list[bool]] = defaultdict(list)
        for row, score, true in zip(rows, scores, truth, strict=True):
            groups[row["case_group"], row["schema"], true].append((score >= SAME) == true)
        for key, right in sorted(groups.items()):
            print(*key, f"{sum(right)}/{len(right)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["bench", "roman", "arabic"])
    parser.add_argument("--cases", type=Path)
    parser.add_argument("--list", type=Path)
    parser.add_argument("--peer")
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--groups", action="store_true", help="also the share of right answers by group of cases")
    given = parser.parse_args()
    if given.what == "bench":
        name_bench(given.cases, given.peer, show=given.groups)


if __name__ == "__main__":
    main()
