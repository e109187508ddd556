"""One search over the record: words, facets, a page of hits. What it may never do is said in ``record.ground``.

Invariant: every hit and facet is a function of the query and the view. Of more than ``CAP`` matches the newest ``CAP`` are
ranked and counted, and the result says so; without words and filters the facets count the whole record.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from amparo.kernel import ids
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _
from amparo.kernel.text import fold
from amparo.record import ground, tokens
from amparo.record.ground import mask
from amparo.record.query import GROUND_EXPLANATION, NOTHING, Compiled, compile_query, excerpt
from amparo.record.view import RecordView
from amparo.record.writer import CURRENT, STATUSES

CAP = 2_000
ENTITY_CAP = 100
FACETS = ("kind", "date", "place", "source", "status")
_SHOWN = 20
Row = tuple[int, int, float, str, str, str, str]


class UnknownFilter(BadInput):
    template = N_("“{value}” is not a {name} Amparo knows; choose one of: {choices}.")


@dataclass(slots=True)
class Hit:
    """One claim or entity found. ``kind`` of the thing it is about; ``text`` masked and cut to an excerpt."""

    handle: str
    kind: str
    subject: str
    text: str
    property: str = ""
    value: str = ""
    valid: str = ""
    place: str = ""
    source: str = ""
    status: str = CURRENT


@dataclass(slots=True)
class Results:
    """``total`` matches, or ``more`` than that many; ``facets``: name -> value -> count, most frequent first."""

    hits: list[Hit] = field(default_factory=list)
    total: int = 0
    more: bool = False
    facets: dict[str, dict[str, int]] = field(default_factory=dict)
    explanation: str = ""

    @property
    def total_text(self) -> str:
        """“17” or “more than 2000”."""
        return _("more than {number}").format(number=self.total) if self.more else str(self.total)


def search(
    view: RecordView, query: str, *, kind: str | None = None, date: str | None = None, place: str | None = None,
    source: str | None = None, status: str | None = None, property: str | None = None, limit: int = 50, offset: int = 0,
) -> Results:  # fmt: skip
    """Find claims and entities that have all words of ``query`` (see record.query) and pass every filter.

    ``kind`` of the thing a claim is about; ``date`` a partial date the claim's time touches, to the month; ``place`` and
    ``source`` handles; ``status`` current, superseded or retracted; ``property`` an id. Things found by name come first, then
    claims: current ones before others, the best match first, the newest before the older. Raises UnknownFilter, BadDate.
    """
    compiled = _compiled(query, kind, status, property)
    expression = " AND ".join(filter(None, (compiled.expression, *_filters(kind, date, place, source, property))))
    rows = _candidates(view, expression, status)
    entities = [] if any((date, place, source, status, property)) else _entities(view, compiled, kind)
    results = Results(explanation=_(compiled.explanation) if compiled.explanation else "")
    if expression or status:
        results.more = len(rows) > CAP
        rows = rows[:CAP]
        results.total = len(rows) + len(entities)
        results.facets = _facets(rows, entities)
    else:
        results.total, results.facets = _whole(view)
        rows = rows[:CAP]
    rows.sort(key=lambda row: (row[1] != 0, row[2], -row[0]))
    page = rows[max(0, offset - len(entities)) : max(0, offset + limit - len(entities))]
    results.hits = entities[offset : offset + limit] + _hits(view, [row[0] for row in page], compiled)
    return results


def _compiled(query: str, kind: str | None, status: str | None, property: str | None) -> Compiled:
    """The query's words, once the filters are seen to be ones that may be asked."""
    if status is not None and status not in STATUSES:
        raise UnknownFilter(value=status[:40], name=_("status"), choices=", ".join(STATUSES))
    if kind is not None and kind not in ids.KINDS:
        raise UnknownFilter(value=kind[:40], name=_("kind"), choices=", ".join(ids.KINDS))
    if property is not None and fold(property).strip() == ground.PROPERTY:
        return Compiled(NOTHING, explanation=GROUND_EXPLANATION)
    return compile_query(query)


def _filters(kind: str | None, date: str | None, place: str | None, source: str | None, property: str | None) -> list[str]:
    """FTS5 terms of the facet tokens."""
    found = [f'"_k{ids.KINDS[kind]}"'] if kind else []
    if date:
        found.append("(" + " OR ".join(f'"{token}"' for token in tokens.date_tokens(date)) + ")")
    return found + [f'"{tokens.tag(mark, value)}"' for mark, value in (("l", place), ("s", source), ("r", property)) if value]


def _candidates(view: RecordView, expression: str, status: str | None) -> list[Row]:
    """The newest CAP + 1 matches: (row number, status, rank by BM25, subject, valid, place, source)."""
    columns = "c.subject, c.valid, c.place, c.source"
    number = STATUSES.index(status) if status else 0
    if not expression:
        where = "" if status is None else f"WHERE status = {number}"
        sql = f"SELECT c.id, c.status, 0.0, {columns} FROM claims c {where} ORDER BY c.id DESC LIMIT ?"
        return view.db.execute(sql, (CAP + 1,))
    chosen = ""
    if status == CURRENT:
        chosen = "AND c.status = 0"
    elif status:  # few: known by their index, so that matches are not looked up one by one
        chosen = f"AND +words.rowid IN (SELECT id FROM claims WHERE status = {number} AND status <> 0)"
    sql = (
        f"SELECT c.id, c.status, bm25(words), {columns} FROM words CROSS JOIN claims c ON c.id = words.rowid"
        f" WHERE words MATCH ? {chosen} ORDER BY words.rowid DESC LIMIT ?"
    )
    return view.db.execute(sql, (expression, CAP + 1))


def _entities(view: RecordView, compiled: Compiled, kind: str | None) -> list[Hit]:
    """Persons, places, sources ... whose published name, key or handle has the words; the best match first."""
    if not compiled.expression:
        return []
    expression = compiled.expression + (f' AND "_k{ids.KINDS[kind]}"' if kind else "")
    found = view.db.execute(
        "SELECT e.handle, e.kind, e.label, e.key, e.date FROM names CROSS JOIN entities e ON e.n = names.rowid"
        " WHERE names MATCH ? ORDER BY bm25(names), e.handle LIMIT ?",
        (expression, ENTITY_CAP),
    )
    return [Hit(handle, kind, handle, mask(label or key), valid=date) for handle, kind, label, key, date in found]


def _facets(rows: list[Row], entities: list[Hit]) -> dict[str, dict[str, int]]:
    counted: dict[str, Counter[str]] = {
        "kind": Counter(ids.LETTERS.get(row[3][:1], "") for row in rows) + Counter(hit.kind for hit in entities),
        "date": Counter(tokens.when(row[4])[1] for row in rows),
        "place": Counter(row[5] for row in rows),
        "source": Counter(row[6] for row in rows),
        "status": Counter(STATUSES[row[1]] for row in rows),
    }
    return {facet: _most(values) for facet, values in counted.items()}


def _most(values: Mapping[str, int]) -> dict[str, int]:
    """The most frequent values, equal ones in the order of their names."""
    return dict(sorted(((value, n) for value, n in values.items() if value), key=lambda cell: (-cell[1], cell[0]))[:_SHOWN])


def _whole(view: RecordView) -> tuple[int, dict[str, dict[str, int]]]:
    """(claims, facets) of the whole record, from the counts that the view keeps."""
    facets = {}
    for facet in FACETS:
        best = "SELECT value, n FROM facets WHERE facet = ? ORDER BY n DESC, value LIMIT ?"
        facets[facet] = dict(view.db.execute(best, (facet, _SHOWN)))
    [(total,)] = view.db.execute("SELECT coalesce(sum(n), 0) FROM facets WHERE facet = 'total'")
    others = {
        STATUSES[status]: n
        for status, n in view.db.execute("SELECT status, count(*) FROM claims WHERE status <> 0 GROUP BY status")
    }
    facets["status"] = _most({CURRENT: total - sum(others.values()), **others})
    return total, facets


def _hits(view: RecordView, numbers: list[int], compiled: Compiled) -> list[Hit]:
    claims = view.claims_of(numbers)
    return [
        Hit(
            stored.claim.handle, ids.LETTERS.get(stored.claim.subject[:1], ""), stored.claim.subject,
            excerpt(stored.claim.text, compiled.stems), stored.claim.property, stored.claim.value, stored.claim.valid,
            stored.claim.place, stored.claim.source, stored.status,
        )
        for stored in (claims[number] for number in numbers)
    ]  # fmt: skip
