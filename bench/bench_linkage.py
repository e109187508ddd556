"""The same person? Linkage and clustering against truth: police lists, historical figures, a million generated reports, Spark.

    ./run bench verify/linkage generated [--reports 1000000]
    ./run bench verify/linkage police --mpv MPVDatasetDownload.xlsx --post fatal-police-shootings-data.csv
    ./run bench verify/linkage historical --file historical_figures_with_errors_50k.parquet
    ./run bench verify/linkage spark [--reports 100000]       (with pyspark and Java)

The two public data sets hold real names: they are given as files, read into memory, never printed and never part of the project.
What is generated is made up. Peers (Splink with its default comparisons, recordlinkage) run in the same minutes where installed.
"""

import argparse
import resource
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd  # type: ignore[import-untyped]
from harness import goal, machine, module
from harness import table as printed
from numpy.typing import NDArray

from amparo.verify import linkage
from amparo.verify.clusters import cluster, graph
from amparo.verify.generated import generate
from amparo.verify.reports import Report, table

Ints = NDArray[np.int64]
CERTAIN = 3.3  # bits: ten to one
THRESHOLDS = (-6.0, -5.0, -4.0, -3.0, -2.0, 0.0, 2.0, 4.0, 6.0)  # bits; where a threshold is chosen by the truth, for all alike


def pairs_in(labels: Ints) -> int:
    sizes = np.bincount(labels)
    return int((sizes * (sizes - 1) // 2).sum())


def both(one: Ints, two: Ints) -> Ints:
    return np.asarray(np.unique(np.stack([one, two]), axis=1, return_inverse=True)[1], np.int64).ravel()


def scores(found: Ints, truth: Ints) -> tuple[float, float, float]:
    """Pairwise precision, recall and F1 of clusters."""
    right = pairs_in(both(found, truth))
    precision, recall = right / max(pairs_in(found), 1), right / max(pairs_in(truth), 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


def peak() -> float:
    """This process's peak memory in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


def row(name: str, figures: tuple[float, float, float], seconds: float) -> list[str]:
    return [name, *(f"{figure:.4f}" for figure in figures), f"{seconds:.1f} s"]


HEADING = ["", "P", "R", "F1", "time"]


# -- generated ----------------------------------------------------------------------------------------------------------


def generated(reports: int, seed: int) -> None:
    made = generate(reports, seed)
    before = peak()
    started, processor = time.perf_counter(), time.process_time()

    def stage(name: str) -> None:
        print(f"  {time.perf_counter() - started:6.1f} s  {name}", flush=True)

    columns = table(made.reports)
    made.reports.clear()
    pairs, _model = linkage.link(columns, seed=seed, stage=stage)
    stage("clustering")
    found = cluster(graph(reports, pairs.left, pairs.right, pairs.weight - CERTAIN))
    seconds, processor = time.perf_counter() - started, time.process_time() - processor
    precision, recall, f1 = scores(found, made.person)
    print(f"{reports} generated reports; {pairs.looked_at} pairs proposed, {pairs.left_out} left out; {pairs.shares}")
    printed(HEADING, [row("clusters", (precision, recall, f1), seconds)])
    print(f"{processor:.0f} s of processor time; with two cores and nothing beside it at least half of that")
    print(f"memory: {before:.2f} GiB with the generated reports alone, {peak():.2f} GiB at the peak")
    goal("seconds", seconds, 120, at_least=False)
    goal("GiB at the peak", peak(), 4, at_least=False)
    goal("cluster precision", precision, 0.999, at_least=True)
    goal("cluster recall", recall, 0.93, at_least=True)


# -- two lists of killings by police ------------------------------------------------------------------------------------

_SUFFIXES = {"jr", "sr", "ii", "iii", "iv", "jr.", "sr."}


def _american(name: object) -> tuple[str, str]:
    """(given, family) of a name as American lists write it; empty where it was withheld."""
    words = [word for word in str(name or "").replace(",", " ").replace('"', " ").split() if word.lower() not in _SUFFIXES]
    if len(words) < 2 or "withheld" in str(name).lower() or "unidentified" in str(name).lower():
        return "", ""
    return words[0], words[-1]


def _killing(source: str, name: object, day: date, age: object, sex: object, place: tuple[object, object]) -> Report:
    given, family = _american(name)
    try:
        years = int(float(str(age)))
        born = ((day - timedelta(days=366 * (years + 1))).toordinal(), (day - timedelta(days=365 * years)).toordinal())
    except ValueError:
        born = None
    city, state = str(place[0] or "").strip().lower(), str(place[1] or "").strip()
    return Report(source, given, "", "", family, str(sex or "")[:1].lower(), born, (day.toordinal(),) * 2,
                  f"{city}, {state}" if city else "", state)  # fmt: skip


def police_reports(mpv: Path, post: Path) -> tuple[list[Report], Ints]:
    """Reports of both lists and the number of the person, as the first list names the second's row."""
    sheet = openpyxl.load_workbook(mpv, read_only=True).worksheets[0].iter_rows(values_only=True)
    header = [str(cell) for cell in next(sheet)]
    at = {key: next(i for i, cell in enumerate(header) if cell.startswith(start)) for key, start in {
        "name": "Victim's name", "age": "Victim's age", "sex": "Victim's gender", "day": "Date of Incident", "city": "City",
        "state": "State", "id": "WaPo ID"}.items()}  # fmt: skip
    reports, person, known = [], [], set()
    last = date(2015, 1, 1)
    for number, cells in enumerate(sheet):
        if not "2015" <= str(cells[at["day"]])[:4] <= "2021":
            continue
        day = date.fromisoformat(str(cells[at["day"]])[:10])
        last = max(last, day)
        reports.append(_killing("one", cells[at["name"]], day, cells[at["age"]], cells[at["sex"]], (cells[at["city"]], cells[at["state"]])))
        id = cells[at["id"]]
        usable = str(id).split(".")[0].isdigit() and int(float(str(id))) not in known
        person.append(int(float(str(id))) if usable else 1_000_000 + number)
        known.add(person[-1])
    frame = pd.read_csv(post)
    frame["day"] = pd.to_datetime(frame["date"], format="mixed", dayfirst=False)
    for cells in frame.itertuples():
        day = cells.day.date()
        if day <= last:
            name = "" if pd.isna(cells.name) else cells.name
            reports.append(_killing("two", name, day, cells.age, cells.gender, (cells.city, cells.state)))
            person.append(int(cells.id))
    return reports, np.unique(np.array(person), return_inverse=True)[1].astype(np.int64)


def completed(reports: list[Report], person: Ints) -> Ints:
    """The truth with what the reference left out: rows without a partner that agree exactly on name, day and state, one to one."""
    alone = np.bincount(person)[person] == 1
    at: dict[object, dict[str, list[int]]] = {}
    for number, one in enumerate(reports):
        if alone[number] and one.family:
            key = (one.given.lower(), one.family.lower(), one.day, one.region)
            at.setdefault(key, {"one": [], "two": []})[one.source].append(number)
    whole = person.copy()
    for sides in at.values():
        if len(sides["one"]) == len(sides["two"]) == 1:
            whole[sides["two"][0]] = whole[sides["one"][0]]
    return whole


def police(mpv: Path, post: Path) -> None:
    reports, reference = police_reports(mpv, post)
    person = completed(reports, reference)
    sizes = [sum(report.source == name for report in reports) for name in ("one", "two")]
    print(f"two lists: {sizes[0]} x {sizes[1]} rows; {pairs_in(reference)} true pairs by the first list's own reference, "
          f"{pairs_in(person)} with equal name, day and state added")  # fmt: skip
    started = time.perf_counter()
    columns = table(reports)
    pairs, model = linkage.link(columns, seed=1, lists_clean=True)
    lists = np.array([report.source == "two" for report in reports], np.int64)
    found = cluster(graph(len(reports), pairs.left, pairs.right, pairs.weight, lists=lists))
    ours = scores(found, person)
    rows = [row("Amparo, one-to-one", ours, time.perf_counter() - started)]
    for threshold in (-4.0, -2.0, 2.0, 4.0):
        again = cluster(graph(len(reports), pairs.left, pairs.right, pairs.weight - threshold, lists=lists))
        rows.append(row(f"  at {threshold:+.0f} bits", scores(again, person), 0))
    rows.append(row("  by the reference alone", scores(found, reference), 0))
    rows += [_splink_defaults(reports, person, "link_only"), *_recordlinkage(reports, person)]
    printed(HEADING, rows)
    goal("F1", ours[2], 0.985, at_least=True)
    del model


def _frame(reports: list[Report]) -> pd.DataFrame:
    def day(span: tuple[int, int] | None) -> str | None:
        return date.fromordinal(span[0]).isoformat() if span and span[0] == span[1] else None

    return pd.DataFrame({
        "unique_id": range(len(reports)), "source": [one.source for one in reports],
        "first_name": [one.given.lower() or None for one in reports], "surname": [one.family.lower() or None for one in reports],
        "day": [day(one.day) for one in reports], "dob": [day(one.born) for one in reports],
        "age": [one.born[0] // 365 if one.born else None for one in reports],
        "place": [one.place or None for one in reports], "region": [one.region or None for one in reports],
        "sex": [one.sex or None for one in reports],
    })  # fmt: skip


def _splink_defaults(reports: list[Report], person: Ints, link_type: str) -> list[str]:
    """Splink as its own guide sets it up: name, date and exact comparisons, blocking on single fields."""
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    started = time.perf_counter()
    frame = _frame(reports)
    when = "day" if frame["day"].notna().mean() > 0.5 else "dob"
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=[cl.NameComparison("first_name"), cl.NameComparison("surname"), cl.DateOfBirthComparison(when, input_is_string=True),
                     cl.ExactMatch("place").configure(term_frequency_adjustments=True), cl.ExactMatch("sex")],
        blocking_rules_to_generate_predictions=[block_on("first_name", "surname"), block_on(when, "region"), block_on("surname", when),
                                                block_on("first_name", when), block_on("first_name", "place"), block_on("surname", "place")],
    )  # fmt: skip
    api = DuckDBAPI()
    linker = Linker(api.register(frame), settings, log_level="ERROR")
    linker.training.estimate_probability_two_random_records_match([block_on("first_name", "surname", when)], recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=2e6, seed=1)
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("first_name", "surname"))
    linker.training.estimate_parameters_using_expectation_maximisation(block_on(when, "place"))
    scored = linker.inference.predict(threshold_match_weight=0.0 if link_type == "link_only" else THRESHOLDS[0]).as_pandas_dataframe()  # type: ignore[no-untyped-call]
    left, right = scored["unique_id_l"].to_numpy(), scored["unique_id_r"].to_numpy()
    lists = np.array([one.source for one in reports])
    if link_type == "link_only":
        order = np.argsort(-scored["match_weight"].to_numpy(), kind="stable")
        used: set[int] = set()
        labels = np.arange(len(reports))
        for at in order:
            a, b = int(left[at]), int(right[at])
            if lists[a] != lists[b] and a not in used and b not in used:
                used |= {a, b}
                labels[b] = labels[a]
    else:
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        every = []
        for bits in THRESHOLDS:
            firm = scored["match_weight"].to_numpy() >= bits
            links = coo_matrix((np.ones(firm.sum()), (left[firm], right[firm])), (len(reports),) * 2)
            every.append(np.unique(connected_components(links, directed=False)[1], return_inverse=True)[1].astype(np.int64))
        labels = max(every, key=lambda one: scores(one, person)[2])
    found = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    return row("Splink, default comparisons", scores(found, person), time.perf_counter() - started)


def _recordlinkage(reports: list[Report], person: Ints) -> list[list[str]]:
    if not module("recordlinkage"):
        return []
    import recordlinkage  # type: ignore[import-not-found]

    started = time.perf_counter()
    frame = _frame(reports)
    one, two = frame[frame["source"] == "one"], frame[frame["source"] == "two"]
    index = recordlinkage.Index()
    for field in ("day", "surname"):
        index.block(field)
    candidates = index.index(one, two)
    compare = recordlinkage.Compare()
    for field in ("first_name", "surname"):
        compare.string(field, field, method="jarowinkler", threshold=0.88)
    for field in ("day", "place", "region", "sex"):
        compare.exact(field, field)
    compare.numeric("age", "age", method="step", offset=1)
    agreed = compare.compute(candidates, one, two).sum(axis=1)
    labels = np.arange(len(reports))
    used: set[int] = set()
    for (a, b), points in agreed.sort_values(ascending=False, kind="stable").items():
        if points >= 5 and a not in used and b not in used:
            used |= {a, b}
            labels[b] = labels[a]
    return [row("recordlinkage, 5 of 7", scores(labels, person), time.perf_counter() - started)]


# -- historical figures -------------------------------------------------------------------------------------------------


def _birth(text: object) -> tuple[int, int] | None:
    try:
        return (date.fromisoformat(str(text)).toordinal(),) * 2
    except ValueError:
        return None


def historical_reports(file: Path) -> tuple[list[Report], Ints]:
    frame = pd.read_parquet(file)
    reports = []
    for cells in frame.itertuples():
        values: dict[str, Any] = {key: "" if pd.isna(value) else str(value) for key, value in cells._asdict().items()}
        postcode = values["postcode_fake"]
        reports.append(Report("", values["first_name"], "", "", values["surname"], values["gender"], _birth(values["dob"]), None,
                              postcode, values["birth_place"]))  # fmt: skip
    return reports, np.unique(frame["cluster"], return_inverse=True)[1].astype(np.int64)


def historical(file: Path) -> None:
    reports, person = historical_reports(file)
    started = time.perf_counter()
    columns = table(reports)
    every = len(reports) * (len(reports) - 1) // 2
    pairs, _model = linkage.link(columns, seed=1, budget=int(every * 0.0195))
    proposed = linkage.propose(columns, budget=int(every * 0.0195))
    hit = int((person[proposed[0]] == person[proposed[1]]).sum())
    recall, share = hit / pairs_in(person), len(proposed[0]) / every
    found = cluster(graph(len(reports), pairs.left, pairs.right, pairs.weight))
    seconds = time.perf_counter() - started
    rows = [row("Amparo, clusters", scores(found, person), seconds)]
    best = 0.0
    for threshold in THRESHOLDS:
        again = scores(cluster(graph(len(reports), pairs.left, pairs.right, pairs.weight - threshold)), person)
        rows.append(row(f"  at {threshold:+.0f} bits", again, 0))
        best = max(best, again[2])
    rows.append(_splink_defaults(reports, person, "dedupe_only"))
    printed(HEADING, rows)
    print(f"{len(reports)} reports, {pairs_in(person)} true pairs; {pairs.shares}")
    goal("blocking recall", recall, 0.85, at_least=True)
    goal("share of all pairs, %", share * 100, 2, at_least=False)
    goal("cluster F1 at the best threshold, chosen by the truth as the peer's is", best, 0.86, at_least=True)


# -- Spark --------------------------------------------------------------------------------------------------------------


def spark(reports: int) -> None:
    from pyspark.sql import SparkSession  # type: ignore[import-not-found]

    made = generate(reports, 3)
    columns = table(made.reports)
    pairs, model = linkage.link(columns, seed=1)
    session = SparkSession.builder.master("local[2]").config("spark.driver.memory", "3g").config("spark.ui.enabled", "false").config(
        "spark.sql.shuffle.partitions", "8").getOrCreate()  # fmt: skip
    rows, labels = [], []
    for name, engine in (("DuckDB", linkage.InMemory()), ("Spark, local", linkage.Spark(session))):
        started = time.perf_counter()
        pairs, _same = linkage.link(columns, seed=1, model=model, engine=engine)
        labels.append(cluster(graph(reports, pairs.left, pairs.right, pairs.weight - CERTAIN)))
        rows.append(row(name, scores(labels[-1], made.person), time.perf_counter() - started))
    printed(HEADING, rows)
    print("the same clusters" if (labels[0] == labels[1]).all() else "DIFFERENT clusters")
    session.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["generated", "police", "historical", "spark"])
    parser.add_argument("--reports", type=int, default=0)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--mpv", type=Path)
    parser.add_argument("--post", type=Path)
    parser.add_argument("--file", type=Path)
    given = parser.parse_args()
    print(machine())
    if given.what == "generated":
        generated(given.reports or 1_000_000, given.seed)
    elif given.what == "police":
        police(given.mpv, given.post)
    elif given.what == "historical":
        historical(given.file)
    else:
        spark(given.reports or 100_000)


if __name__ == "__main__":
    main()
