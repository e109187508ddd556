"""How two reports are compared, field by field: levels of agreement, each in SQL and in words.

Invariants: the SQL uses only what DuckDB and Spark both have built in (=, levenshtein, least, greatest, like), so that one
settings object gives the same levels on both; a level is listed before every level it implies; the last is "differs". Grounds
are no field.

The model is Fellegi and Sunter (1969), fitted by Splink (Linacre et al. 2022): weights log2(m/u) add up over the fields, with
frequencies of the values for exact agreement (Winkler 2000). Starting m are stated here, and stay where data cannot teach
others.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from amparo.kernel.i18n import N_
from amparo.verify.blocking import KEYS

EXACT: Final = "exact"
_SIDE: Final = re.compile(r"\b([a-z_]+)_([lr])\b")


@dataclass(frozen=True, slots=True)
class Level:
    """``sql`` a condition, or EXACT for equality with frequencies, or "ELSE"; ``words`` what it means; ``m``, ``u`` the
    start.
    """

    sql: str
    words: str
    m: float
    u: float


@dataclass(frozen=True, slots=True)
class Field:
    """``name`` of the comparison and ``words`` for it; ``null`` the column that is null where nothing is told."""

    name: str
    words: str
    null: str
    levels: tuple[Level, ...]


SAME, DIFFERS = N_("the same"), N_("differs")


def _name(part: str, words: str, m: tuple[float, ...], u: tuple[float, ...]) -> Field:
    close = (
        f"(levenshtein({part}_l, {part}_r) <= 1 and least(length({part}_l), length({part}_r)) >= 4) "
        f"or {part}_key_l = {part}_key_r"
    )
    holds = (
        f"concat(' ', {part}_l, ' ') like concat('% ', {part}_r, ' %') "
        f"or concat(' ', {part}_r, ' ') like concat('% ', {part}_l, ' %') "
        f"or (least(length({part}_l), length({part}_r)) = 1 and substr({part}_l, 1, 1) = substr({part}_r, 1, 1))"
    )
    near = (
        f"levenshtein({part}_l, {part}_r) * 3 <= greatest(length({part}_l), length({part}_r)) "
        f"or levenshtein({part}_key_l, {part}_key_r) <= 1 and least(length({part}_key_l), length({part}_key_r)) >= 3"
    )
    texts = (EXACT, close, holds, near, "ELSE")
    said = (SAME, N_("nearly the same"), N_("one holds the other, or its first letter"), N_("similar"), DIFFERS)
    return Field(part, words, part, tuple(Level(*row) for row in zip(texts, said, m, u, strict=True)))


def _date(name: str, words: str, near: int, wide: int, m: tuple[float, ...], u: tuple[float, ...]) -> Field:
    gap = f"greatest({name}_from_l, {name}_from_r) - least({name}_to_l, {name}_to_r)"
    width = f"greatest({name}_to_l - {name}_from_l, {name}_to_r - {name}_from_r)"
    texts = (
        EXACT, f"levenshtein({name}_l, {name}_r) <= 1 or ({gap} = 1 and {width} = 0)", f"{gap} <= 0 and {width} <= {near * 2}",
        f"{gap} <= 0", f"{gap} <= {near}", f"{gap} <= {wide}", "ELSE",
    )  # fmt: skip
    said = (
        SAME, N_("a digit or a day apart"), N_("can be the same"), N_("can be the same, told roughly"), N_("near"),
        N_("not far"), DIFFERS,
    )  # fmt: skip
    return Field(name, words, f"{name}_from", tuple(Level(*row) for row in zip(texts, said, m, u, strict=True)))


_NAME_U = (0.01, 0.01, 0.005, 0.02, 0.955)
FIELDS: Final = (
    _name("given", N_("given name"), (0.66, 0.2, 0.05, 0.05, 0.04), _NAME_U),
    _name("father", N_("father's name"), (0.66, 0.2, 0.05, 0.05, 0.04), _NAME_U),
    _name("grandfather", N_("grandfather's name"), (0.66, 0.2, 0.05, 0.05, 0.04), _NAME_U),
    _name("family", N_("family name"), (0.66, 0.2, 0.05, 0.05, 0.04), (0.003, 0.003, 0.002, 0.01, 0.982)),
    _date("day", N_("date of the event"), 15, 62, (0.55, 0.13, 0.1, 0.1, 0.06, 0.03, 0.03),
          (0.001, 0.003, 0.02, 0.06, 0.02, 0.06, 0.836)),
    _date("born", N_("date of birth"), 366, 1100, (0.3, 0.05, 0.4, 0.05, 0.12, 0.04, 0.04),
          (0.0001, 0.0009, 0.02, 0.03, 0.05, 0.1, 0.799)),
    Field("place", N_("place"), "place", (
        Level(EXACT, SAME, 0.75, 0.02), Level("region_l = region_r", N_("another place of the same region"), 0.17, 0.08),
        Level("ELSE", DIFFERS, 0.08, 0.9))),
    Field("sex", N_("sex"), "sex", (Level("sex_l = sex_r", SAME, 0.98, 0.6), Level("ELSE", DIFFERS, 0.02, 0.4))),
)  # fmt: skip
HOME: Final = [1, 2, 3, 6]
"""The fields that members of one household share: father, grandfather, family, place."""
DAY: Final = 4
"""The field that they share when one event strikes them."""


def _comparison(field: Field) -> dict[str, Any]:
    null = {"sql_condition": f"{field.null}_l is null or {field.null}_r is null", "is_null_level": True,
            "label_for_charts": "not told"}  # fmt: skip
    levels = [null]
    for level in field.levels:
        exact = level.sql == EXACT
        made: dict[str, Any] = {
            "sql_condition": f"{field.name}_l = {field.name}_r" if exact else level.sql, "label_for_charts": level.words,
            "m_probability": level.m, "u_probability": level.u,
        }  # fmt: skip
        if exact:
            made |= {"tf_adjustment_column": field.name, "tf_adjustment_weight": 1.0, "tf_minimum_u_value": 1e-6}
        levels.append(made)
    return {"output_column_name": field.name, "comparison_levels": levels}


def settings(prior: float, link_type: str = "dedupe_only") -> dict[str, Any]:
    """Splink's settings: the one object that DuckDB and Spark both run.

    ``prior``: the probability that two reports drawn at random tell of one person.
    """
    return {
        "link_type": link_type, "probability_two_random_records_match": prior,
        "unique_id_column_name": "unique_id", "source_dataset_column_name": "source_dataset",
        "comparisons": [_comparison(field) for field in FIELDS],
        "blocking_rules_to_generate_predictions": [{"blocking_rule": f"l.{key} = r.{key}"} for key in KEYS],
        "retain_matching_columns": False, "retain_intermediate_calculation_columns": False,
        "max_iterations": 20, "em_convergence": 0.001, "linker_uid": "amparo",
    }  # fmt: skip


def level_sql(field: Field) -> str:
    """The level of a field for a pair ``l``, ``r`` of a joined table: counted from the last level, -1 where one does not tell
    it.
    """
    made = _comparison(field)["comparison_levels"]
    cases = [f"when {made[0]['sql_condition']} then -1"]
    for number, level in zip(range(len(made) - 2, 0, -1), made[1:], strict=False):
        cases.append(f"when {level['sql_condition']} then {number}")
    sql = f"case {' '.join(cases)} else 0 end"
    return _SIDE.sub(lambda found: f"{found[2]}.{found[1]}", sql)


def lists_apart(rule: str) -> str:
    """A rule restricted to pairs of two sources: for lists that have no duplicates of their own."""
    return f"({rule}) and l.source <> r.source"
