"""How likely two reports tell of one person: Splink's pairwise weights over our fields and keys, on DuckDB or on Spark.

Invariants: nothing is written to disk and nothing asked of the network: DuckDB runs in memory with spilling off and no access
to files; the same table, model and seed give the same weights; a model holds weights and no value of any report. A weight is
log2 of the odds; a field that a report does not tell weighs 0.

Fellegi and Sunter (1969); expectation maximisation and frequencies as in Splink (Linacre et al., Int. J. Population Data
Science 7:1, 2022). Beyond it: a third class
of pairs, two persons of one household, and shares of the classes out of the weights themselves (``estimate_shares``).
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import duckdb
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from numpy.typing import NDArray
from splink import DuckDBAPI, Linker

from amparo.verify.blocking import Blocks, block, pairs_of, with_keys
from amparo.verify.comparisons import EXACT, FIELDS, level_sql, lists_apart
from amparo.verify.households import Shares, estimate_shares, shared
from amparo.verify.training import train

Model = dict[str, Any]
"""Splink's settings as a dictionary, trained; numbers and SQL only."""

PAIRS_EACH: Final = 400  # pairs looked at for each report, at most, as long as there are few reports
MOST_PAIRS: Final = 30_000_000
_FLOOR: Final = -12.0  # weights below are not kept: odds of one in four thousand
_LEAST_FREQUENCY: Final = 1e-6


class Engine(Protocol):
    """Where Splink runs: ``api`` its database, ``read`` a query's answer."""

    api: Any

    def read(self, sql: str) -> pa.Table: ...


class InMemory:
    """DuckDB in memory: no spilling, no files, no extensions, no network, settings locked."""

    def __init__(self, threads: int = 2, memory: str = "4GB") -> None:
        self.connection = duckdb.connect(":memory:", config={
            "threads": threads, "memory_limit": memory, "temp_directory": "", "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false", "preserve_insertion_order": "false",
        })  # fmt: skip
        self.connection.execute("SET enable_external_access = false")  # last: it forbids to set the place for spilling
        self.connection.execute("SET lock_configuration = true")
        self.api: Any = DuckDBAPI(self.connection)

    def read(self, sql: str) -> pa.Table:
        """A query's answer as a table."""
        return self.connection.sql(sql).to_arrow_table()


class Spark:
    """An organisation's own cluster, or Spark on this machine with generated data: by explicit choice only."""

    def __init__(self, session: Any) -> None:
        from splink import SparkAPI

        self.session = session
        self.api: Any = SparkAPI(  # type: ignore[no-untyped-call]
            spark_session=session, register_udfs_automatically=False, break_lineage_method="persist"
        )

    def read(self, sql: str) -> pa.Table:
        """A query's answer as a table."""
        return self.session.sql(sql).toArrow()


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of row numbers, ``left`` < ``right``, sorted, each once.

    ``weight`` (n,) log2 odds that both tell of one person. ``levels`` (n, fields) int8: the level of each field counted from
    the last, -1 where one does not tell it. ``parts`` (n, fields + 1) float32: what each field added, and last what was taken
    off again because siblings share it too; their sum and ``shares.prior`` is the weight. ``looked_at`` pairs compared,
    ``left_out`` pairs of blocks too large to look at.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    weight: NDArray[np.float64]
    levels: NDArray[np.int8]
    parts: NDArray[np.float32]
    shares: Shares
    looked_at: int
    left_out: int

    def probability(self) -> NDArray[np.float64]:
        """(n,) probability that both tell of one person."""
        return probability(self.weight)


def probability(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """log2 odds as probabilities."""
    return np.asarray(1.0 / (1.0 + np.exp2(-np.clip(weight, -1000, 1000))), np.float64)


Stage = Callable[[str], None]


def link(
    reports: pa.Table, *, seed: int, model: Model | None = None, engine: Engine | None = None, lists_clean: bool = False,
    budget: int = 0, stage: Stage = lambda _name: None,
) -> tuple[Pairs, Model]:  # fmt: skip
    """Compare the reports of a table of ``reports.table``; train on them unless a ``model`` is given.

    ``lists_clean``: no source has anybody twice, so that pairs within one are not looked at. ``budget``: most pairs to look at,
    0 for a default that grows with the table. ``stage`` is told what begins, and may raise to stop.
    """
    count = reports.num_rows
    engine = engine or InMemory()
    stage("blocking")
    blocks = block(reports, budget or min(MOST_PAIRS, PAIRS_EACH * max(count, 100)))
    keyed = with_keys(reports, blocks)
    with _quietly():
        registered = engine.api.register(keyed)

        def measure(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int8]:
            pairs = engine.api.register(pa.table({"unique_id_l": left, "unique_id_r": right}))
            return _levels(_measured(engine, registered.physical_name, pairs.physical_name))

        if model is None:
            stage("training")
            model = train(count, blocks, measure, seed)
        stage("comparing")
        found = _predict(registered, engine, _scoped(model, lists_clean=lists_clean))
    stage("weighing")
    return _weighed(reports, found, model, blocks, lists_clean=lists_clean), model


def propose(reports: pa.Table, *, budget: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(left, right): all pairs that the keys propose, each once, as ``link`` would compare them; to measure the keys by."""
    seen = [one * reports.num_rows + two for one, two in map(pairs_of, block(reports, budget).keys.values())]
    joined = np.unique(np.concatenate(seen))
    return joined // max(reports.num_rows, 1), joined % max(reports.num_rows, 1)


def _quietly() -> AbstractContextManager[None]:
    logging.getLogger("splink").setLevel(logging.ERROR)
    return nullcontext()


def _scoped(model: Model, *, lists_clean: bool) -> Model:
    if not lists_clean:
        return model
    rules = model["blocking_rules_to_generate_predictions"]
    return {**model, "blocking_rules_to_generate_predictions": [
        {"blocking_rule": lists_apart(rule["blocking_rule"])} for rule in rules]}  # fmt: skip


def _measured(engine: Engine, keyed: str, pairs: str) -> pa.Table:
    """unique_id_l, unique_id_r and each field's level, of a table of pairs that has these two columns."""
    levels = ", ".join(f"cast({level_sql(field)} as tinyint) as {field.name}" for field in FIELDS)
    return engine.read(
        f"select p.unique_id_l, p.unique_id_r, {levels} from {pairs} p "  # noqa: S608 - names of our own
        f"join {keyed} l on l.unique_id = p.unique_id_l join {keyed} r on r.unique_id = p.unique_id_r"
    )


def _levels(found: pa.Table) -> NDArray[np.int8]:
    return np.column_stack([np.asarray(found[field.name], np.int8) for field in FIELDS])


def _predict(registered: Any, engine: Engine, model: Model) -> pa.Table:
    """Levels of the pairs that Splink proposes and finds worth keeping."""
    linker = Linker(registered, {**model}, log_level=None, validate_settings=False)
    scored = linker.inference.predict(threshold_match_weight=_FLOOR + 4)
    return _measured(engine, registered.physical_name, scored.physical_name)


def _weighed(reports: pa.Table, found: pa.Table, model: Model, blocks: Blocks, *, lists_clean: bool) -> Pairs:
    """Weights out of levels and frequencies, summed field by field in one order, so that every engine gives the same."""
    one, two = (np.asarray(found[name], np.int64) for name in ("unique_id_l", "unique_id_r"))
    left, right = np.minimum(one, two), np.maximum(one, two)
    order = np.lexsort((right, left))
    left, right = left[order], right[order]
    levels = _levels(found)[order]
    parts = contributions(reports, left, levels, model)
    shares = estimate_shares(parts, _eligible(reports, lists_clean=lists_clean))
    parts = np.column_stack([parts, shared(parts, shares)])
    weight = parts.sum(axis=1, dtype=np.float64) + shares.prior
    kept = weight >= _FLOOR
    return Pairs(left[kept], right[kept], weight[kept], levels[kept], parts[kept], shares, sum(blocks.pairs.values()),
                 blocks.left_out)  # fmt: skip


def _eligible(reports: pa.Table, *, lists_clean: bool) -> float:
    """How many pairs could be one person at all."""
    count = reports.num_rows
    total = float(count * (count - 1) / 2)
    if lists_clean:
        sizes = np.asarray(pc.value_counts(reports["source"]).field("counts"), np.float64)
        total -= float((sizes * (sizes - 1) / 2).sum())
    return max(total, 2.0)


def contributions(
    reports: pa.Table, left: NDArray[np.int64], levels: NDArray[np.int8], model: Model
) -> NDArray[np.float32]:  # fmt: skip
    """(n, fields) what each field adds in log2: log2(m/u) of its level; for exact agreement log2(m/frequency of the value)."""
    parts = np.zeros(levels.shape, np.float32)
    for column, (field, comparison) in enumerate(zip(FIELDS, model["comparisons"], strict=True)):
        known = comparison["comparison_levels"][1:]
        weights = np.log2([level["m_probability"] / level["u_probability"] for level in known])
        by_level = np.append(weights[::-1], 0.0)  # level 0 is the last; -1, not told, weighs nothing
        parts[:, column] = by_level[levels[:, column]]
        if field.levels[0].sql == EXACT:
            exact = levels[:, column] == len(known) - 1
            frequency = np.maximum(_frequencies(reports[field.name])[left[exact]], _LEAST_FREQUENCY)
            parts[exact, column] = np.log2(known[0]["m_probability"] / frequency)
    return parts


def _frequencies(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """(rows,) how often each row's value occurs among those that are told; 1 where it is not told."""
    codes = pc.dictionary_encode(column).combine_chunks()
    codes = codes if isinstance(codes, pa.DictionaryArray) else codes.chunk(0)
    numbers = np.asarray(pc.fill_null(codes.indices, -1), np.int64)
    counts = np.bincount(numbers[numbers >= 0])
    if not len(counts):
        return np.ones(len(numbers))
    return np.where(numbers >= 0, counts[numbers] / counts.sum(), 1.0)


def within(pairs: Pairs, chosen: NDArray[np.bool_]) -> Pairs:
    """Some of the pairs, in the same order. ``chosen`` (n,)."""
    rows = {name: getattr(pairs, name)[chosen] for name in ("left", "right", "weight", "levels", "parts")}
    return replace(pairs, **rows)
