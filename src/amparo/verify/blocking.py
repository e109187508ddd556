"""Which pairs of reports are looked at: a union of keys, each divided further where it would be too common.

Invariants: a key is made of what both reports say, so a pair is looked at or not by its content alone, on every engine alike;
no key costs more pairs than its share of the budget; what was too common to be looked at even when divided is counted, never
silently left.

Dynamic subdivision of large blocks: McNeill, Kardes and Borthwick, Dynamic Record Blocking, 2012, section 3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from numpy.typing import NDArray

Codes = NDArray[np.int64]
_WINDOW: Final = 14  # days; two windows, shifted by half, bring together what lies within 7 days
_LONGEST: Final = 62  # a date told less exactly than this is no key


@dataclass(frozen=True, slots=True)
class Rule:
    """``keys``: columns that must be equal; ``divide``: columns that divide a block that is too large, in this order."""

    keys: tuple[str, ...]
    divide: tuple[str, ...] = ()


RULES: Final = (
    Rule(("given_key", "family_key"), ("father_key", "region", "born_year", "place", "day_month", "day")),
    Rule(("given_key", "father_key"), ("family_key", "region", "born_year", "place", "day_month", "day")),
    Rule(("family_key", "father_key"), ("given_start", "region", "born_year", "place", "day")),
    Rule(("given_key", "day_early"), ("region", "place", "day", "born_year")),
    Rule(("given_key", "day_late"), ("region", "place", "day", "born_year")),
    Rule(("family_key", "day_early"), ("region", "place", "day", "born_year")),
    Rule(("family_key", "day_late"), ("region", "place", "day", "born_year")),
    Rule(("given_key", "born_year", "region"), ("place", "born", "sex", "day_month")),
    Rule(("family_key", "born_year", "region"), ("place", "born", "sex", "day_month")),
    Rule(("given_key", "place"), ("born_year", "day_month", "family_start")),
    Rule(("family_key", "place"), ("born_year", "day_month", "given_start")),
    Rule(("day", "place"), ("born_year", "sex", "given_start")),
    Rule(("day_early", "place"), ("day", "born_year", "sex", "given_start")),
    Rule(("day_late", "place"), ("day", "born_year", "sex", "given_start")),
    Rule(("born", "region"), ("place", "given_start", "sex")),
    Rule(("day", "region"), ("born_year", "sex", "given_start")),
    Rule(("given_start", "family_start", "born_year"), ("region", "place", "day_month")),
    Rule(("given_key", "born"), ("sex", "region")),
    Rule(("family_key", "born"), ("sex", "region")),
    Rule(("family_key",), ("given_start", "region", "born_year", "place", "day_month")),
    Rule(("given_key",), ("family_start", "region", "born_year", "place", "day_month")),
    Rule(("place",), ("given_start", "born_year", "family_start", "day_month")),
    Rule(("born_year", "region"), ("given_start", "sex", "family_start", "place")),
    Rule(("born",), ("given_start", "sex")),
)
KEYS: Final = tuple("by_" + "_and_".join(rule.keys) for rule in RULES)


@dataclass(frozen=True, slots=True)
class Blocks:
    """``keys``: name -> (n,) int64 code, -1 where a report has no key; ``pairs``: pairs of each key, before those counted twice
    are joined; ``left_out``: pairs of blocks that stayed too large.
    """

    keys: Mapping[str, Codes]
    pairs: Mapping[str, int]
    left_out: int


def block(reports: pa.Table, budget: int) -> Blocks:
    """Keys for a table of ``reports.table``; together at most about ``budget`` pairs, equally shared among the rules.

    What one rule does not use, the later ones may.
    """
    codes = _codes(reports)
    keys: dict[str, Codes] = {}
    pairs: dict[str, int] = {}
    left, out = budget, 0
    order = sorted(range(len(RULES)), key=lambda number: _cost(_joined(codes, RULES[number].keys)))
    for done, number in enumerate(order):
        share = left // (len(order) - done)
        keys[KEYS[number]], used, dropped = _divided(codes, RULES[number], share)
        pairs[KEYS[number]] = used
        left, out = left - used, out + dropped
    return Blocks({name: keys[name] for name in KEYS}, {name: pairs[name] for name in KEYS}, out)


def pairs_of(codes: Codes, most: int = 0, rng: np.random.Generator | None = None) -> tuple[Codes, Codes]:
    """(left, right) row numbers of the pairs that share a code, left < right; ``most``: of random blocks up to so many."""
    order = np.argsort(codes, kind="stable")
    order = order[codes[order] >= 0]
    bounds = [*np.flatnonzero(np.diff(codes[order], prepend=-1)).tolist(), len(order)]
    blocks = [order[begin:end] for begin, end in pairwise(bounds) if end - begin > 1]
    turn = rng.permutation(len(blocks)).tolist() if rng is not None else range(len(blocks))
    left, right, found = [np.empty(0, np.int64)], [np.empty(0, np.int64)], 0
    for number in turn:
        one, two = np.triu_indices(len(blocks[number]), 1)
        left.append(blocks[number][one])
        right.append(blocks[number][two])
        found += len(one)
        if most and found >= most:
            break
    return np.concatenate(left)[: most or None], np.concatenate(right)[: most or None]


def with_keys(reports: pa.Table, blocks: Blocks) -> pa.Table:
    """The table with a column for each key, null where a report has none."""
    for name, codes in blocks.keys.items():
        reports = reports.append_column(name, pa.array(codes, pa.int64(), mask=codes < 0))
    return reports


def _codes(reports: pa.Table) -> dict[str, Codes]:
    """Each column that a rule names as numbers from 0, -1 for what is not told."""
    found = {name: _numbered(reports[name]) for name in reports.column_names if pa.types.is_string(reports[name].type)}
    for name in ("given", "family"):
        found[f"{name}_start"] = _numbered(pc.utf8_slice_codeunits(reports[f"{name}_key"], 0, 1))
    first, last = (_days(reports[f"day_{end}"]) for end in ("from", "to"))
    near = (first > 0) & (last - first <= _LONGEST)
    middle = (first + last) // 2
    for name, shift in (("early", 0), ("late", _WINDOW // 2)):
        found[f"day_{name}"] = np.where(near, (middle + shift) // _WINDOW, -1)
    found["day_month"] = np.where(near, middle // 31, -1)
    first, last = (_days(reports[f"born_{end}"]) for end in ("from", "to"))
    years = ((first + last) // 2 / 365.2425).astype(np.int64)
    found["born_year"] = np.where((first > 0) & (last - first <= 366 * 3), years, -1)
    return found


def _numbered(column: pa.ChunkedArray) -> Codes:
    encoded = pc.dictionary_encode(column)
    chunks = encoded.combine_chunks()
    chunks = chunks if isinstance(chunks, pa.DictionaryArray) else chunks.chunk(0)
    return np.asarray(pc.fill_null(chunks.indices, -1), np.int64)


def _days(column: pa.ChunkedArray) -> Codes:
    return np.asarray(pc.fill_null(column, -1).to_numpy(), np.int64)


def _joined(codes: Mapping[str, Codes], names: Sequence[str], start: Codes | None = None, *, missing: bool = False) -> Codes:
    """One number for each combination of values; -1 where one is missing, unless ``missing`` counts as a value."""
    joined = start
    for name in names:
        values = codes[name]
        none = values < 0
        if joined is None:
            joined = values
            continue
        mixed = joined * (int(values.max(initial=0)) + 2) + values + 1
        mixed[(joined < 0) | (none & (not missing))] = -1
        joined = _dense(mixed)
    assert joined is not None
    return joined


def _dense(values: Codes) -> Codes:
    """The same distinctions by numbers from 0, in the order of their first rows; -1 stays."""
    return np.where(values < 0, -1, np.asarray(pd.factorize(values)[0], np.int64))


def _sizes(joined: Codes) -> Codes:
    return np.bincount(joined[joined >= 0]).astype(np.int64)


def _cost(joined: Codes) -> int:
    sizes = _sizes(joined)
    return int((sizes * (sizes - 1) // 2).sum())


def _largest(sizes: Codes, share: int) -> int:
    """The largest size of block such that all blocks up to it have at most ``share`` pairs together."""
    ordered = np.sort(sizes)
    costs = np.cumsum(ordered * (ordered - 1) // 2)
    fitting = int(np.searchsorted(costs, share, side="right"))
    if fitting == len(ordered):
        return int(ordered[-1]) if len(ordered) else 0
    return int(ordered[fitting]) - 1


def _divided(codes: Mapping[str, Codes], rule: Rule, share: int) -> tuple[Codes, int, int]:
    """(key, pairs, pairs left out): blocks that do not fit are divided until they do; what is too large then has no key."""
    joined = _joined(codes, rule.keys)
    for column in rule.divide:
        if _cost(joined) <= share:
            break
        sizes = _sizes(joined)
        large = np.zeros(len(joined), bool)
        large[joined >= 0] = sizes[joined[joined >= 0]] > max(_largest(sizes, share // 2), 2)
        finer = _joined(codes, (column,), start=joined, missing=True)
        joined = _dense(np.where(large, finer + len(sizes), joined))
    sizes = _sizes(joined)
    limit = _largest(sizes, share)
    dropped = sizes[sizes > limit]
    out = int((dropped * (dropped - 1) // 2).sum())
    known = joined >= 0
    joined[known] = np.where(sizes[joined[known]] > limit, -1, joined[known])
    return joined, _cost(joined), out
