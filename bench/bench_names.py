"""Names against the public test of OpenSanctions, against 27 romanisations, and Arabic against English spellings.

    ./run bench names bench --cases cases.csv [--peer /path/to/python]   # name_bench of nomenklatura (MIT)
    ./run bench names roman [--peer /path/to/python]                     # that Python has the package iuliia too
    ./run bench names arabic --old 2024-03.csv --new 2024-08.csv [--dictionary ar_en.csv] [--births] [--held-out]

``arabic`` links two editions of a public list in Arabic letters (columns id, name_ar_raw) by the names alone; the list's own
numbers say who is who. With --dictionary (Arabic word, English word) the old edition is first written in English word by word.
Without --held-out only the half that may be looked at is used: the half is a bit of SHA-256 of the number.

Data sets with names of persons are fetched by hand, never kept here, never printed: only counts and ratios are.
"""

import argparse
import csv
import hashlib
import itertools
import json
import math
import random
import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from anyascii import anyascii
from harness import goal, machine, table
from rapidfuzz.distance import Levenshtein

from amparo.verify.names import SAME, compare, parse, skeletons
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
    """Scores, and the median of five runs in microseconds of processor time a pair, after one run that warms the caches both sides have."""
    scores = [score(*case) for case in cases]
    runs = []
    for _ in range(5):
        started = time.process_time()
        for case in cases:
            score(*case)
        runs.append((time.process_time() - started) / len(cases) * 1e6)
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
    started = time.process_time()
    for case in cases: score(*case)
    runs.append((time.process_time() - started) / len(cases) * 1e6)
print(json.dumps([scores, statistics.median(runs)]))
"""


def cold(cases: Sequence[tuple[str, str, str]]) -> float:
    """Microseconds a pair where each pair is seen for the first time (prepared names, cold caches of word pairs)."""
    from amparo.verify import names_compare

    prepared = [(parse(one), parse(two)) for schema, one, two in cases if schema == "Person"]
    names_compare.alike_kept.cache_clear()  # each pair of words is to be met for the first time
    started = time.process_time()
    for one, two in prepared:
        compare(one, two)
    return (time.process_time() - started) / len(prepared) * 1e6


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
    table(["", "pairs", "precision", "recall", "F1", "CPU us a pair"], out)
    print(f"prepared names of persons, each pair for the first time: {cold(cases):.0f} us a pair")
    goal("name_bench F1", f1(scores, truth, SAME)[2], 0.82, at_least=True)
    goal("CPU us a pair, the worse of warm and first time", max(each, cold(cases)), 200, at_least=False)
    if show:
        groups: dict[tuple[str, str, bool], list[bool]] = defaultdict(list)
        for row, score, true in zip(rows, scores, truth, strict=True):
            groups[row["case_group"], row["schema"], true].append((score >= SAME) == true)
        for key, right in sorted(groups.items()):
            print(*key, f"{sum(right)}/{len(right)}")


def half(number: str) -> bool:
    """True for the half that is held out."""
    return hashlib.sha256(f"amparo held out {number}".encode()).digest()[0] % 2 == 1


def read_list(path: Path, *, held_out: bool) -> tuple[dict[str, str], dict[str, str]]:
    """Number -> name and number -> date of birth, of one half; of doubled numbers the first counts."""
    with path.open(encoding="utf-8-sig") as file:
        rows = [(row["id"].strip(), row["name_ar_raw"].strip(), row.get("dob", "").strip()) for row in csv.DictReader(file)]
    kept: dict[str, str] = {}
    born: dict[str, str] = {}
    for number, name, birth in rows:
        if number and name and half(number) == held_out and number not in kept:
            kept[number], born[number] = name, birth
    return kept, born


def in_english(name: str, words: dict[str, str]) -> str:
    """Word by word; "" where a word is not in the dictionary."""
    found = [words.get(word, "") for word in name.split()]
    return " ".join(found) if all(found) else ""


def linked(
    old: dict[str, str], new: dict[str, str], births: tuple[dict[str, str], dict[str, str]] | None
) -> list[tuple[float, str, str]]:
    """(score, old, new), one to one, best first: candidates by rare shared skeletons, then greedy."""
    names = {number: parse(name) for number, name in new.items()}
    postings: dict[str, list[str]] = defaultdict(list)
    for number, name in names.items():
        for key in skeletons(name):
            postings[key].append(number)
    scored: list[tuple[float, float, str, str]] = []
    for number, text in old.items():
        name = parse(text)
        shared: dict[str, float] = defaultdict(float)
        for key in skeletons(name):
            for other in postings.get(key, ()):
                shared[other] += math.log(len(names) / len(postings[key]))
        for other in sorted(shared, key=lambda one: -shared[one])[:30]:
            score = compare(name, names[other]).total
            if births and births[0][number] and births[1][other]:  # another date of birth: another person, or a slip of the pen
                score *= 1.0 if births[0][number] == births[1][other] else 0.8
            scored.append((score, shared[other], number, other))
    scored.sort(reverse=True)
    out: list[tuple[float, str, str]] = []
    used_old: set[str] = set()
    used_new: set[str] = set()
    for score, _, number, other in scored:
        if number not in used_old and other not in used_new:
            used_old.add(number)
            used_new.add(other)
            out.append((score, number, other))
    return out


def arabic(old_path: Path, new_path: Path, dictionary: Path | None, *, held_out: bool, births: bool) -> None:
    old, old_born = read_list(old_path, held_out=held_out)
    new, new_born = read_list(new_path, held_out=held_out)
    if dictionary:
        with dictionary.open(encoding="utf-8-sig") as file:
            words = {row[0].strip(): row[1].strip() for row in csv.reader(file) if len(row) > 1}
        old = {number: text for number, name in old.items() if (text := in_english(name, words))}
    truth = set(old) & set(new)
    if not dictionary:
        print(f"of {len(truth)} persons on both, {sum(old[one] != new[one] for one in truth)} are written in another way")
    started = time.perf_counter()
    found = linked(old, new, (old_born, new_born) if births else None)
    seconds = time.perf_counter() - started
    rows = []
    for threshold in (0.7, 0.75, 0.8, 0.85, 0.9):
        said = [(number, other) for score, number, other in found if score >= threshold]
        right = sum(number == other for number, other in said)
        precision, recall = right / max(len(said), 1), right / len(truth)
        rows.append(
            [f"{threshold}", f"{precision:.4f}", f"{recall:.4f}", f"{2 * precision * recall / (precision + recall):.4f}"]
        )
    print(
        f"{len(old)} x {len(new)} names, {len(truth)} on both, {'held-out' if held_out else 'looked-at'} half, {seconds:.0f} s; {machine()}"
    )
    table(["threshold", "precision", "recall", "F1"], rows)
    wrong = [(number, other) for score, number, other in found if score >= SAME and number != other]
    alike = sum(old[number] == new[other] and old_born[number] == new_born[other] != "" for number, other in wrong)
    print(f"of {len(wrong)} wrong links, {alike} have the very same name and date of birth under another number")


SCHEMES = """
import json, sys, iuliia
names = json.load(sys.stdin)
schemes = {key: getattr(iuliia, key) for key in dir(iuliia) if key.isupper()}
print(json.dumps({key: [iuliia.translate(name, schema=scheme) for name in names] for key, scheme in sorted(schemes.items())}))
"""
STEMS = "Зарв Тулм Бешх Хамч Джам Шовх Ягуж Щерб Цокт Жовн Эльм Юсх Ахь Гойт Чермх Кхетаг Рязх Мышл Вьюж Лепёх".split()
MIDDLES = "ан ет ожей ыч иев юр яг ем ущ ош".split()
ENDINGS = "ов ев ин ский енко ханов беков шин жиев цев".split()
FATHERS = "Зарвович Шовхаевич Юсхович Цоктович Яглаевич Хамчиевич Жовнович Эльмирович Щербович Чермхович".split()


def levenshtein(one: str, two: str) -> float:
    """The yardstick: both in Latin letters, share of letters that stay."""
    return Levenshtein.normalized_similarity(anyascii(one).lower(), anyascii(two).lower())


def roman(peer: str) -> None:
    """Made-up Russian-like and Chechen-like names in each scheme of iuliia against Cyrillic and against each other (seed 7)."""
    chance = random.Random(7)
    names = sorted(
        {
            f"{chance.choice(STEMS)}{chance.choice(MIDDLES)} {chance.choice(FATHERS)} {chance.choice(STEMS)}{chance.choice(MIDDLES)}{chance.choice(ENDINGS)}"
            for _ in range(150)
        }
    )
    done = subprocess.run([peer, "-c", SCHEMES], input=json.dumps(names), capture_output=True, text=True, check=True)
    written = json.loads(done.stdout)
    shared = {
        key: statistics.mean(bool(skeletons(parse(one)) & skeletons(parse(two))) for one, two in zip(names, texts, strict=True))
        for key, texts in written.items()
    }
    recall = {
        key: statistics.mean(compare(parse(one), parse(two)).total >= SAME for one, two in zip(names, texts, strict=True))
        for key, texts in written.items()
    }
    pairs = {
        (one, two): statistics.mean(
            compare(parse(a), parse(b)).total >= SAME for a, b in zip(written[one], written[two], strict=True)
        )
        for one, two in itertools.combinations(written, 2)
    }
    others = [compare(parse(names[i]), parse(names[j])).total >= SAME for i in range(len(names)) for j in range(i)]
    edits = {
        key: statistics.mean(levenshtein(one, two) >= 0.8 for one, two in zip(names, texts, strict=True))
        for key, texts in written.items()
    }
    edit_pairs = [
        statistics.mean(levenshtein(a, b) >= 0.8 for a, b in zip(written[one], written[two], strict=True))
        for one, two in itertools.combinations(written, 2)
    ]
    print(f"{len(names)} made-up names, {len(written)} schemes; {machine()}")
    print(
        f"Cyrillic against a scheme: recall {statistics.mean(recall.values()):.3f}, worst {min(recall, key=lambda key: recall[key])} {min(recall.values()):.3f}; candidates by skeleton {statistics.mean(shared.values()):.3f}"
    )
    print(
        f"scheme against scheme: recall {statistics.mean(pairs.values()):.3f}, worst {min(pairs, key=lambda key: pairs[key])} {min(pairs.values()):.3f}"
    )
    print(
        f"anyascii and Levenshtein >= 0.8: recall {statistics.mean(edits.values()):.3f}, worst {min(edits.values()):.3f}; scheme against scheme {statistics.mean(edit_pairs):.3f}, worst {min(edit_pairs):.3f}; two names for one {statistics.mean(levenshtein(names[i], names[j]) >= 0.8 for i in range(len(names)) for j in range(i)):.5f}"
    )
    print(f"two different names taken for one: {statistics.mean(others):.5f} of {len(others)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["bench", "roman", "arabic"])
    parser.add_argument("--cases", type=Path, help="cases.csv of name_bench")
    parser.add_argument("--peer", help="a Python that has nomenklatura, followthemoney and iuliia")
    parser.add_argument("--old", type=Path)
    parser.add_argument("--new", type=Path)
    parser.add_argument("--dictionary", type=Path)
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--births", action="store_true", help="compare dates of birth (column dob) too")
    parser.add_argument("--groups", action="store_true", help="also the share of right answers by group of cases")
    given = parser.parse_args()
    if given.what == "bench":
        name_bench(given.cases, given.peer, show=given.groups)
    elif given.what == "roman":
        roman(given.peer)
    else:
        arabic(given.old, given.new, given.dictionary, held_out=given.held_out, births=given.births)


if __name__ == "__main__":
    main()
