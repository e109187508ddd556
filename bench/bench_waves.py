"""Waves: error of the bounds, waves invented, and "not determinable", beside Bayesian blocks and a plain hidden Markov model.

Run: ./run bench waves [--rounds 100] [--first-seed 1000] [--only NAME] [--peers PYTHON]
PYTHON is an interpreter with astropy, hmmlearn and numpy (they are no dependency of Amparo); without it nothing is compared.
Populations come from ``amparo.analysis.waves_made_up.three_waves`` with the seeds first-seed, first-seed + 1 ...

For every true wave, the wave found that shares most days with it is taken; the error of a bound is the distance in days, and
a wave not found counts as two bounds of infinite error. Spurious is every wave found beyond those.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import harness

Found = list[tuple[int, int]]

SCENARIOS: dict[str, dict[str, Any]] = {
    "strong": {"expected": 335},
    "sparse": {},
    "sparse, lengths 12 33 105": {"lengths": (12, 33, 105)},
    "sparse, lengths 20 30 25": {"lengths": (20, 30, 25)},
    "sparse, lengths 80 120 100": {"lengths": (80, 120, 100)},
    "sparse, prior 4 times too short": {"prior": {"wave_days": 12.0}},
    "sparse, prior 4 times too long": {"prior": {"wave_days": 200.0}},
    "sparse, 30 % by month only": {"coarse": 0.3},
    "sparse, told 60 days late, today": {"delay": 60.0, "after": 0},
    "very sparse": {"expected": 60},
    "no wave, 129 events": {"times": 1.0},
    "a new collector, no wave": {"expected": 50, "times": 1.0, "collector": 0.4},
}


# -- scoring ------------------------------------------------------------------------------------------------------------


def score(true: Found, found: Found) -> tuple[list[float], int]:
    """(errors of the true bounds in days, spurious waves)."""
    errors: list[float] = []
    taken: set[int] = set()
    for low, high in true:
        shared = [min(high, end) - max(low, start) for start, end in found]
        best = max(range(len(found)), key=lambda one: shared[one], default=-1)
        if best < 0 or shared[best] < 0 or best in taken:
            errors += [float("inf")] * 2
            continue
        taken.add(best)
        errors += [abs(found[best][0] - low), abs(found[best][1] - high)]
    return errors, len(found) - len(taken)


def row(name: str, method: str, results: list[tuple[list[float], int, bool, float]], events: float) -> list[str]:
    """One line of the table: medians over all bounds, means over populations."""
    errors = [error for one in results for error in one[0]]
    within = 6 * sum(error <= 7 for error in errors) / len(errors) if errors else float("nan")
    return [
        name, method, f"{events:.0f}", f"{statistics.median(errors):.1f}" if errors else "-", f"{within:.1f}",
        f"{statistics.mean(one[1] for one in results):.2f}", f"{statistics.mean(one[2] for one in results):.2f}",
        f"{statistics.mean(one[3] for one in results):.2f}",
    ]  # fmt: skip


# -- Amparo -------------------------------------------------------------------------------------------------------------


def population(name: str, seed: int) -> Any:
    import numpy as np

    from amparo.analysis import waves_made_up
    from amparo.analysis.waves_parts import Events

    options = {key: value for key, value in SCENARIOS[name].items() if key not in ("prior", "collector")}
    made = waves_made_up.three_waves(seed, **options)
    rate = SCENARIOS[name].get("collector")
    if not rate:
        return waves_made_up.MadeUp(made.events, (), made.as_of) if options.get("times") == 1.0 else made
    generator = np.random.default_rng(seed)
    start = int(generator.integers(100, waves_made_up.DAYS - 300))
    days = np.repeat(np.arange(start, start + 200), generator.poisson(rate, 200)) + waves_made_up.FIRST
    old, source = made.events, np.full(len(days), len(made.events.sources))
    first, last, reported = (np.concatenate(pair) for pair in ((old.first, days), (old.last, days), (old.reported, days)))
    events = Events(first, last, reported, np.concatenate((old.source, source)), (*old.sources, "the new one"))
    return waves_made_up.MadeUp(events, (), made.as_of)


def ours(task: tuple[str, int]) -> tuple[list[float], int, bool, float, int]:
    from amparo.analysis import waves, waves_made_up
    from amparo.analysis.waves_parts import Prior, Settings

    name, seed = task
    made = population(name, seed)
    started = time.perf_counter()
    result = waves.find(
        made.events, first=waves_made_up.FIRST, last=waves_made_up.FIRST + waves_made_up.DAYS - 1, as_of=made.as_of,
        prior=Prior(**SCENARIOS[name].get("prior", {})), settings=Settings(chains=2), seed=seed,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    found = [(wave.start, wave.end) for wave in result.waves if wave.stands]
    return *score(list(made.waves), found), not result.determinable, seconds, len(made.events.first)


# -- peers --------------------------------------------------------------------------------------------------------------


def peers(path: str) -> None:
    """Runs in the peers' interpreter: for each list of days, the waves by astropy and hmmlearn, with their seconds."""
    import numpy as np
    from astropy.stats import bayesian_blocks
    from hmmlearn.hmm import PoissonHMM

    def above(edges: Any, high: Any) -> Found:
        found: Found = []
        for start, end, up in zip(edges[:-1], edges[1:], high, strict=True):
            if up and found and found[-1][1] + 1 >= int(start):
                found[-1] = (found[-1][0], int(end) - 1)
            elif up:
                found.append((int(start), int(end) - 1))
        return found

    def blocks(days: Any, length: int) -> Found:
        times = np.sort(days + np.random.default_rng(1).random(len(days)))
        edges = bayesian_blocks(times, fitness="events", p0=0.05)
        edges[0], edges[-1] = 0, length
        counted = np.histogram(times, edges)[0]
        return above(np.round(edges), counted / np.diff(edges) > len(days) / length)

    def hidden(days: Any, length: int) -> Found:
        counts = np.bincount(days, minlength=length)[:, None]
        best: Any = None
        most = -np.inf
        for start in range(5):
            model = PoissonHMM(2, transmat_prior=np.array([[728.0, 2.0], [2.0, 88.0]]), n_iter=200, random_state=start)
            model.fit(counts)
            if (reached := model.score(counts)) > most:
                best, most = model, reached
        assert best is not None
        states = best.predict(counts)
        return above(np.arange(length + 1), best.lambdas_[states, 0] > best.lambdas_.mean())

    answers = []
    for days, length in json.loads(Path(path).read_text()):
        answer = {}
        for name, method in (("Bayesian blocks", blocks), ("hidden Markov, hmmlearn", hidden)):
            started = time.perf_counter()
            found = method(np.array(days), length)
            answer[name] = [found, time.perf_counter() - started]
        answers.append(answer)
    print(json.dumps(answers))


def theirs(python: str, made: list[Any]) -> dict[str, list[tuple[list[float], int, bool, float]]]:
    from amparo.analysis import waves_made_up

    asked = [[((one.events.first + one.events.last) // 2 - waves_made_up.FIRST).tolist(), waves_made_up.DAYS] for one in made]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "days.json"
        path.write_text(json.dumps(asked))
        command = [python, "-W", "ignore", __file__, "--child", str(path)]
        answers = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    results: dict[str, list[tuple[list[float], int, bool, float]]] = {}
    for one, answer in zip(made, answers, strict=True):
        true = [(low - waves_made_up.FIRST, high - waves_made_up.FIRST) for low, high in one.waves]
        for name, (found, seconds) in answer.items():
            errors, spurious = score(true, [(low, high) for low, high in found])
            results.setdefault(name, []).append((errors, spurious, False, seconds))
    return results


# -- the run ------------------------------------------------------------------------------------------------------------


def goals(all_results: dict[str, list[Any]]) -> None:
    for name in ("sparse", "sparse, lengths 12 33 105", "sparse, prior 4 times too short", "sparse, prior 4 times too long"):
        if name in all_results:
            results = all_results[name]
            median = statistics.median(error for one in results for error in one[0])
            harness.goal(f"{name}: median error of a bound, days", median, 4, at_least=False)
            harness.goal(f"{name}: spurious waves", statistics.mean(one[1] for one in results), 0.5, at_least=False)
    if "strong" in all_results:
        median = statistics.median(error for one in all_results["strong"] for error in one[0])
        harness.goal("strong: median error of a bound, days", median, 1, at_least=False)
    for name in ("very sparse", "no wave, 129 events", "a new collector, no wave"):
        if name in all_results:
            said = statistics.mean(one[2] for one in all_results[name])
            harness.goal(f"{name}: says “not determinable”", said, 0.9, at_least=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--only", default="")
    parser.add_argument("--peers", default="")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--child", default="")
    chosen = parser.parse_args()
    if chosen.child:
        peers(chosen.child)
        return
    print(harness.machine())
    lines, every = [], {}
    with ProcessPoolExecutor(chosen.workers) as pool:
        for name in (name for name in SCENARIOS if chosen.only in name):
            seeds = range(chosen.first_seed, chosen.first_seed + chosen.rounds)
            results = every[name] = list(pool.map(ours, [(name, seed) for seed in seeds]))
            events = statistics.mean(one[4] for one in results)
            lines.append(row(name, "amparo", [one[:4] for one in results], events))
            if chosen.peers:
                for method, found in theirs(chosen.peers, [population(name, seed) for seed in seeds]).items():
                    lines.append(row(name, method, found, events))
            print(lines[-1] if not chosen.peers else lines[-3:], file=sys.stderr)
    heading = ["population", "method", "events", "median error", "within 7 of 6", "spurious", "not determinable", "seconds"]
    harness.table(heading, lines)
    goals(every)


if __name__ == "__main__":
    main()
