"""Every name here is generated (amparo.verify.generated) or built from syllables: nobody is real."""

import io
import logging
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from splink import Linker

from amparo.kernel import dates
from amparo.verify import blocking, linkage
from amparo.verify.choose import questions
from amparo.verify.clusterings import sample
from amparo.verify.clusters import Ints, cluster, graph
from amparo.verify.comparisons import FIELDS
from amparo.verify.explain import reasons, sentence, weakest
from amparo.verify.generated import Generated, generate
from amparo.verify.linkage import InMemory, Model, Pairs, link
from amparo.verify.reports import NAME_PARTS, Report, span, table

COUNT = 900


@pytest.fixture(scope="module")
def made() -> Generated:
    return generate(COUNT, 4)


@pytest.fixture(scope="module")
def columns(made: Generated) -> Any:
    return table(made.reports)


@pytest.fixture(scope="module")
def linked(columns: Any) -> tuple[Pairs, Model]:
    return link(columns, seed=1)


def _shares(found: Ints, person: Ints) -> tuple[float, float]:
    inside = sum(n * (n - 1) // 2 for n in np.bincount(found).tolist())
    true = sum(n * (n - 1) // 2 for n in np.bincount(person).tolist())
    both = np.unique(np.stack([found, person]), axis=1, return_counts=True)[1]
    right = int((both * (both - 1) // 2).sum())
    return right / inside, right / true


def test_reports_of_one_person_come_together(made: Generated, linked: tuple[Pairs, Model]) -> None:
    """Trained on the generated reports alone, clusters are right in 99 % of their pairs and find 93 % of all."""
    pairs, _model = linked
    precision, recall = _shares(cluster(graph(COUNT, pairs.left, pairs.right, pairs.weight - 3.3)), made.person)
    assert precision >= 0.99
    assert recall >= 0.93


def test_every_weight_is_the_sum_of_its_reasons(linked: tuple[Pairs, Model]) -> None:
    """What is shown for each field, for siblings and for chance adds up to the weight, for every pair."""
    pairs, _model = linked
    assert np.abs(pairs.parts.sum(axis=1, dtype=float) + pairs.shares.prior - pairs.weight).max() < 1e-6
    for at in range(0, len(pairs.left), 37):
        assert abs(sum(one.weight for one in reasons(pairs, at)) - pairs.weight[at]) < 0.2  # each is rounded to a hundredth
        assert "given name" in sentence(reasons(pairs, at)) or pairs.levels[at, 0] < 0


def test_the_weights_are_splinks(columns: Any, linked: tuple[Pairs, Model]) -> None:
    """Without the third class, our sum of fields is the match weight that Splink itself gives for the same settings."""
    pairs, model = linked
    blocks = blocking.block(columns, 400 * COUNT)
    engine = InMemory()
    linker = Linker(
        engine.api.register(blocking.with_keys(columns, blocks)), {**model}, log_level=None, validate_settings=False
    )
    scored = linker.inference.predict(threshold_match_weight=0.0)
    rows = engine.read(f"select unique_id_l, unique_id_r, match_weight from {scored.physical_name}").to_pylist()
    ours = {(a, b): total for a, b, total in zip(pairs.left.tolist(), pairs.right.tolist(),
            pairs.parts[:, :-1].sum(axis=1, dtype=float), strict=True)}  # fmt: skip
    start = np.log2((1 / COUNT) / (1 - 1 / COUNT))
    theirs = {tuple(sorted((row["unique_id_l"], row["unique_id_r"]))): row["match_weight"] - start for row in rows}
    common = theirs.keys() & ours.keys()
    assert len(common) > 500
    assert max(abs(theirs[pair] - ours[pair]) for pair in common) < 1e-3


def test_the_same_seed_gives_the_same_figures(columns: Any, linked: tuple[Pairs, Model]) -> None:
    """Linked again with the same seed, every pair and every weight is the same."""
    again, model = link(columns, seed=1)
    assert (again.left == linked[0].left).all()
    assert (again.right == linked[0].right).all()
    assert (again.weight == linked[0].weight).all()
    assert all(0 < level["m_probability"] <= 1 for one in model["comparisons"] for level in one["comparison_levels"][1:])


def test_a_model_holds_no_value_of_any_report(made: Generated, linked: tuple[Pairs, Model]) -> None:
    """Trained settings, which may be kept, contain no name and no place of the reports they were trained on."""
    text = repr(linked[1])
    parts = {part for one in made.reports for part in (one.given, one.family, one.place) if len(part) > 3}
    assert not [part for part in parts if f"'{part}'" in text]


def test_siblings_struck_by_one_event_stay_two_persons() -> None:
    """Brothers who share father, grandfather, family, place and day of death are not one person; one of them told twice is."""
    made = generate(700, 9)
    names = {"father": "Danuko", "grandfather": "Mirasho", "family": "Tulvarov"}
    house: dict[str, Any] = {**names, "place": "place 5", "region": "region 0", "day": (735_700, 735_700), "sex": "m"}
    added = [Report(source="a", given="Kelimat", **house), Report(source="b", given="Zubroda", **house),
             Report(source="c", given="Kelimat", **house)]  # fmt: skip
    pairs, _model = link(table([*made.reports, *added]), seed=1)
    weight = {(a, b): w for a, b, w in zip(pairs.left.tolist(), pairs.right.tolist(), pairs.weight, strict=True)}
    assert weight[700, 702] > 7
    assert weight.get((700, 701), -99) < 0
    assert weight.get((701, 702), -99) < 0


def test_duckdb_can_reach_neither_disk_nor_network(tmp_path: Path) -> None:
    """The engine refuses to read a file, write one, load an extension, spill, or change these settings."""
    (tmp_path / "a.csv").write_text("x\n1\n")
    engine = InMemory()
    assert engine.read("select current_setting('temp_directory') as t")["t"].to_pylist() == [""]
    for attack in (f"select * from read_csv('{tmp_path}/a.csv')", f"copy (select 1) to '{tmp_path}/b.csv'", "install httpfs",
                   "load httpfs", f"attach '{tmp_path}/c.db'", f"set temp_directory = '{tmp_path}'",
                   "set enable_external_access = true"):  # fmt: skip
        with pytest.raises(duckdb.Error):
            engine.connection.execute(attack)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_nothing_is_said_about_names_while_linking(
    made: Generated, columns: Any, linked: tuple[Pairs, Model], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither standard output nor error nor any log line of Splink's holds a name of the reports."""
    said, logged = io.StringIO(), caplog
    with redirect_stdout(said), redirect_stderr(said), logged.at_level(logging.DEBUG):
        link(columns, seed=1, model=linked[1])
    text = said.getvalue() + logged.text
    assert not [one.family for one in made.reports if len(one.family) > 4 and one.family in text]


def test_lists_without_duplicates_are_only_compared_with_each_other() -> None:
    """Where no list has anybody twice, no pair within a list is looked at."""
    made = generate(400, 5, sources=2)
    pairs, _model = link(table(made.reports), seed=1, lists_clean=True)
    sources = [one.source for one in made.reports]
    assert len(pairs.left) > 100
    assert all(sources[a] != sources[b] for a, b in zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))


def test_a_few_reports_are_compared_with_the_stated_weights() -> None:
    """With too few reports to learn from, the start weights decide; two spellings of one name on one day are one person."""
    reports = [Report("a", "Moromir", "", "", "Deshenkat", "m", None, (735_000, 735_000), "x", "r"),
               Report("b", "Moromyr", "", "", "Deshenkat", "m", None, (735_000, 735_000), "x", "r"),
               Report("c", "Vilado", "", "", "Hanurot", "f", None, (736_000, 736_000), "y", "r")]  # fmt: skip
    pairs, _model = link(table(reports), seed=1)
    assert list(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)) == [(0, 1)]
    assert pairs.weight[0] > 0
    assert weakest(pairs, np.array([0, 1])) == 0


def test_nobody_and_one_alone_are_no_pairs() -> None:
    """No report, or one, gives no pair and fails nowhere."""
    for reports in ([], [Report(given="Moromir")]):
        assert len(link(table(reports), seed=1)[0].left) == 0


@settings(max_examples=40)
@given(st.lists(st.builds(Report, *[st.text(max_size=12)] * 6, st.none(), st.none(), st.text(max_size=4), st.text(max_size=3)),
                max_size=12), st.integers(0, 60))  # fmt: skip
def test_keys_never_cost_more_than_the_budget(reports: list[Report], budget: int) -> None:
    """Whatever the reports say, in any script, the keys propose at most the budget's pairs, and count what they leave out."""
    columns = table(reports)
    blocks = blocking.block(columns, budget)
    assert sum(blocks.pairs.values()) <= budget
    assert blocks.left_out >= 0
    assert len(linkage.propose(columns, budget=budget)[0]) <= sum(blocks.pairs.values())


def test_a_block_that_everybody_shares_is_divided() -> None:
    """One given name for all and few pairs to spend: pairs that agree on more are still proposed."""
    reports = [Report(given="Danuko", family=f"Tul{'bdgkmn'[n % 6]}ar", place=f"p{n % 30}") for n in range(120)]
    left, right = linkage.propose(table(reports), budget=900)
    proposed = set(zip(left.tolist(), right.tolist(), strict=True))
    assert {(n, n + 30) for n in range(90)} <= proposed
    assert len(proposed) < 900


@given(st.text(max_size=30))
def test_a_folded_part_is_folded(text: str) -> None:
    """A part of a name comes out in one form, whatever script and marks it came in."""
    once = table([Report(given=text)])["given"].to_pylist()[0] or ""
    assert (table([Report(given=once)])["given"].to_pylist()[0] or "") == once


def test_partial_dates_are_spans() -> None:
    """A month is its days, an open end reaches to the end of the calendar, and nothing is nothing."""
    assert span(dates.parse("2017-03")) == (736_389, 736_419)
    assert span(dates.parse("../2017")) == (1, 736_694)
    assert span(None) is None


def test_the_question_that_settles_most_comes_first() -> None:
    """A pair that bridges two groups settles more than an equally open pair on its own, and a decided pair is not asked."""
    firm = [(0, 1, 9.0), (1, 2, 9.0), (0, 2, 9.0), (3, 4, 9.0), (4, 5, 9.0), (3, 5, 9.0)]
    across = [(a, b, 0.0) for a in (0, 1, 2) for b in (3, 4, 5)]
    one, two, weight = (np.array(side) for side in zip(*firm, *across, (6, 7, 0.0), strict=True))
    data = graph(8, one, two, weight.astype(float))
    asked = questions(data, sample(data, 400, 1))
    assert {asked[0].left, asked[0].right} <= {0, 1, 2, 3, 4, 5}
    alone = next(question for question in asked if question.left == 6)
    assert asked[0].teaches > 3 * alone.teaches
    settled = graph(8, one, two, weight.astype(float), different=[(6, 7)])
    assert not [question for question in questions(settled, sample(settled, 100, 1)) if question.left == 6]


def test_grounds_are_no_field() -> None:
    """No field, key or column of the comparison can hold orientation, religion, ethnicity or opinion."""
    allowed = {*NAME_PARTS, "day", "born", "place", "sex"}
    assert {field.name for field in FIELDS} == allowed
    assert set(Report.__slots__) == {"source", "region", *allowed}


def test_spark_runs_the_same_settings_to_the_same_clusters(linked: tuple[Pairs, Model], columns: Any) -> None:
    """The settings that DuckDB ran give the same clusters on local PySpark; skipped where Java or pyspark is absent."""
    pyspark = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
    try:
        session = (pyspark.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
                   .config("spark.sql.shuffle.partitions", "2").getOrCreate())  # fmt: skip
    except Exception as error:  # noqa: BLE001 - no Java, or one it cannot use
        pytest.skip(f"Spark does not start: {type(error).__name__}")
    pairs, model = linked
    found, _same = link(columns, seed=1, model=model, engine=linkage.Spark(session))
    session.stop()
    assert (found.left == pairs.left).all()
    one, two = (cluster(graph(COUNT, p.left, p.right, p.weight)) for p in (pairs, found))
    assert (one == two).all()
