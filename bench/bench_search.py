"""Search and facets over a made-up record of a million claims, against plain SQLite FTS5 on the same words in the same run.

    ./run bench search [--claims 1000000]

The sentences are random words of a Zipf vocabulary in Latin, Cyrillic and Arabic letters; no claim means anything.
"""

import argparse
import itertools
import random
import resource
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from harness import machine

from amparo.record.model import Claim, Entity
from amparo.record.search import search
from amparo.record.view import RecordView
from amparo.vault.database import Database

_KEY = bytes(32)
_SYLLABLES = {
    "Latn": "ba be da de fi ga go ka ko la le ma mi na no pa po ra re sa se ta te to va vi za zi lo ru",
    "Cyrl": "ба бе да де фи га го ка ко ла ле ма ми на но па по ра ре са се та те то ва ви за зи ло ру",
    "Arab": "با بي دا دي في غا كا لا ما مي نا را ري سا تا تي وا زا لو رو",
}
_HEADS = {
    "Latn": "the of and in was to by a were that on his they at for with from had who said it he not detained men police",
    "Cyrl": "в и на не что был с по из его за были они он от как к до у сказал",
    "Arab": "في من على إلى أن كان عن مع هذا قال لم",
}
_PLACES = ["Grozny", "Argun", "Грозный", "Аргун", "غروزني"]
_SHARE = {"Latn": 0.6, "Cyrl": 0.3, "Arab": 0.1}
_PART = 50


def vocabulary(script: str, size: int, rng: random.Random) -> tuple[list[str], list[float]]:
    """Words by falling frequency, and their cumulated Zipf weights."""
    syllables = _SYLLABLES[script].split()
    words = dict.fromkeys(_HEADS[script].split())
    while len(words) < size:
        words["".join(rng.choices(syllables, k=rng.randint(2, 5)))] = None
    return list(words), list(itertools.accumulate(1 / (rank + 2.7) for rank in range(size)))


def claims(count: int, rng: random.Random) -> Iterator[list[list[Any]]]:
    """Parts of made-up claims, each of one source."""
    bags = {script: vocabulary(script, 60_000, rng) for script in _SHARE}
    for first in range(0, count, 10_000):
        scripts = rng.choices(list(_SHARE), list(_SHARE.values()), k=10_000 // _PART)
        for index, script in enumerate(scripts):
            words, weights = bags[script]
            source = f"S-{(first // _PART + index) % 5000 + 1:04d}"
            rows = []
            for number in range(first + index * _PART + 1, first + (index + 1) * _PART + 1):
                text = " ".join(rng.choices(words, cum_weights=weights, k=rng.randint(6, 18)))
                if not number % 3:
                    text += " " + rng.choice(_PLACES)
                month = f"{2010 + int(rng.random() ** 0.5 * 15)}-{rng.randint(1, 12):02d}"
                event = f"E-{number // 8 + 1:04d}"
                rows.append(
                    Claim(f"C-{number:04d}", event, "description", "", text, valid=month, place=f"L-{rng.randint(1, 300):04d}",
                          source=source, key=f"k{number}", dataset="made up", access="hearsay", stance="report",
                          recorded=1_700_000_000_000).to_row()
                )  # fmt: skip
            yield rows


def build(view: RecordView, plain: sqlite3.Connection, count: int) -> None:
    """Fill both, timing the view alone."""
    rng = random.Random(7)
    spent, started = 0.0, time.perf_counter()
    plain.execute("CREATE VIRTUAL TABLE t USING fts5(x)")
    parts = claims(count, rng)
    with view.bulk():
        begun = time.perf_counter()
        view.apply((1, 1, 0), Entity.TYPE, [Entity(f"L-{n:04d}", "place", label=f"Place {n}").to_row() for n in range(1, 301)])
        spent += time.perf_counter() - begun
        for seq in itertools.count(2):
            some = list(itertools.islice(parts, 200))
            if not some:
                break
            begun = time.perf_counter()
            for index, rows in enumerate(some):
                view.apply((1, seq, index), Claim.TYPE, rows)
            spent += time.perf_counter() - begun
            plain.executemany("INSERT INTO t (rowid, x) VALUES (?, ?)", [(int(r[0][2:]), r[4]) for rows in some for r in rows])
        begun = time.perf_counter()
    spent += time.perf_counter() - begun
    plain.commit()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"build: {count / spent:,.0f} claims/s ({spent / count * 1e6:.1f} us a claim), peak {peak} MiB,"
          f" {time.perf_counter() - started:.0f} s with the making-up")  # fmt: skip


def queries() -> dict[str, list[tuple[str, dict[str, str]]]]:
    """The mix: kind of query -> queries with filters."""
    rng = random.Random(7)
    latin, weights = vocabulary("Latn", 60_000, rng)
    cyrillic, _ = vocabulary("Cyrl", 60_000, rng)
    common, middle, rare = latin[:20], latin[50:2000], latin[5_000:40_000]

    def some(words: list[str], n: int) -> list[str]:
        return [" ".join(rng.sample(words, n)) for _ in range(20)]

    return {
        "worst: one of the commonest words": [(word, {}) for word in common],
        "worst: three of the commonest": [(text, {}) for text in some(common, 3)],
        "worst: common phrase": [(f'"{text}"', {}) for text in some(common[:6], 2)],
        "worst: short prefix": [(word[:3] + "*", {}) for word in middle[:20]],
        "one word of middling frequency": [(word, {}) for word in rng.sample(middle, 20)],
        "two words": [(text, {}) for text in some(middle[:400], 2)],
        "one rare word": [(word, {}) for word in rng.sample(rare, 20)],
        "random words as in the texts": [(" ".join(rng.choices(latin, cum_weights=weights, k=2)), {}) for _ in range(20)],
        "Cyrillic": [(word, {}) for word in rng.sample(cyrillic[:500], 20)],
        "name across scripts": [(word, {}) for word in _PLACES * 4],
        "common word + place": [(word, {"place": f"L-{n + 1:04d}"}) for n, word in enumerate(common)],
        "common word + source + month": [(word, {"source": "S-0007", "date": "2020-03"}) for word in common],
        "common word + year + kind": [(word, {"date": "2021", "kind": "event"}) for word in common],
        "common word + superseded": [(word, {"status": "superseded"}) for word in common],
        "first page, no words": [("", {})] * 20,
        "place alone": [("", {"place": f"L-{n:04d}"}) for n in range(1, 21)],
    }


def measure(label: str, asked: list[tuple[str, dict[str, str]]], run: Callable[[str, dict[str, str]], object]) -> list[float]:
    """Milliseconds of each query; prints their median and worst."""
    taken = []
    for query, filters in asked:
        begun = time.perf_counter()
        run(query, filters)
        taken.append((time.perf_counter() - begun) * 1e3)
    print(f"  {label:38} median {statistics.median(taken):7.1f} ms   worst {max(taken):7.1f} ms")
    return taken


def main() -> None:
    """Build, reopen, ask, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=int, default=1_000_000)
    count = parser.parse_args().claims // 10_000 * 10_000
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        path, plain_path = Path(folder) / "record.db", Path(folder) / "plain.db"
        view, plain = RecordView(Database(path, _KEY)), sqlite3.connect(plain_path)
        build(view, plain, count)
        view.db.close()
        print(f"size: {path.stat().st_size / count:.0f} bytes a claim; plain FTS5 {plain_path.stat().st_size / count:.0f}")
        begun = time.perf_counter()
        view = RecordView(Database(path, _KEY))
        search(view, "")
        print(f"open and first page: {(time.perf_counter() - begun) * 1e3:.0f} ms; then, facets included:")
        mix = queries()

        def ask(query: str, filters: dict[str, str]) -> object:
            return search(view, query, **filters)  # type: ignore[arg-type]

        taken = [ms for label, asked in mix.items() for ms in measure(label, asked, ask)]
        taken.sort()
        p95 = taken[len(taken) * 95 // 100]
        print(f"all: median {statistics.median(taken):.1f} ms, p95 {p95:.1f} ms, worst {taken[-1]:.1f} ms")
        words = [(q, f) for label, asked in mix.items() for q, f in asked if q and not f and "prefix" not in label]
        ours = measure("Amparo, words only", words, ask)
        ranked = "SELECT rowid, x FROM t WHERE t MATCH ? ORDER BY rank LIMIT 50"
        theirs = measure("plain FTS5, 50 best, no facets", words, lambda q, _: plain.execute(ranked, (q,)).fetchall())
        print(f"ratio to plain FTS5: median {statistics.median(ours) / statistics.median(theirs):.2f},"
              f" sum {sum(ours) / sum(theirs):.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
