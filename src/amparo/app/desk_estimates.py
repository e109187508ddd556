"""The page of estimates: what can be a list, and the work that estimates from the lists that were chosen.

Invariants: as ``app.estimates``. Sources are listed with counts of persons, never with persons, and small counts are not shown.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from amparo.analysis.capture import CaptureTable
from amparo.app import estimates
from amparo.app.desk_jobs import Progress, Told, keeping_alive
from amparo.app.estimates import BY, SMALL, Counted
from amparo.app.session import Session
from amparo.kernel.i18n import _
from amparo.record import vocabulary
from amparo.record.aggregates import told_by_property

_LOOKED_AT: Final = 200_000
_SOURCES: Final = 200


def choices(session: Session) -> dict[str, Any]:
    """The sources that call persons victims, those with most first, and what strata and acts there are to choose."""
    persons: dict[str, set[str]] = defaultdict(set)
    for one in told_by_property(session.record, ["victim"], _LOOKED_AT):
        if one.value.startswith("P-") and one.source:
            persons[one.source].add(one.value)
    ordered = sorted(persons, key=lambda one: (-len(persons[one]) if len(persons[one]) >= SMALL else 0, one))
    labels = session.record.labels(ordered[:_SOURCES])
    terms = vocabulary.load()
    shown = {one: len(persons[one]) if len(persons[one]) >= SMALL else None for one in ordered[:_SOURCES]}
    return {
        "sources": [{"handle": one, "label": labels.get(one, ""), "persons": count} for one, count in shown.items()],
        "more": max(0, len(ordered) - _SOURCES), "small": SMALL, "by": BY,
        "acts": {act: terms.label("act", act) for act in terms.terms("act")}, "efforts": estimates.EFFORTS,
    }  # fmt: skip


def checked(form: Mapping[str, str]) -> dict[str, Any]:
    """What a form asks for, as the work takes it. Raises NotAList, BadCaptureTable, ListsDiffer, ByGround, NotOneOf."""
    asked: dict[str, Any] = {
        "what": form.get("what", "").strip()[:80] or _("Persons"), "by": form.get("by", ""), "act": form.get("act", ""),
        "effort": form.get("effort", "") or "usual", "table": form.get("table", ""),
        "without": bool(form.get("without")), "priors": bool(form.get("priors")),
    }  # fmt: skip
    asked["lists"] = dict(estimates.list_from(line) for line in form.get("lists", "").splitlines() if line.strip())
    if asked["table"].strip():
        CaptureTable.read(asked["table"].strip().splitlines())
    else:
        estimates.check(asked["lists"], asked["by"], asked["act"])
    return asked


def estimate(session: Session, asked: Mapping[str, Any], progress: Progress) -> Told:
    """Estimate from a ``table`` of counts if there is one, else from ``lists`` of the record; what ``checked`` gives."""
    from amparo.app import estimates_figure, estimates_run, estimates_words  # slow to load, and only the work needs them

    of_record = not asked["table"].strip()

    if of_record:
        counted = estimates.count(
            session, asked["lists"], by=asked["by"], act=asked["act"],
            progress=lambda done, of: progress(done, of, _("Reading")),
        )  # fmt: skip
    else:
        counted = Counted.of_tables({"": CaptureTable.read(asked["table"].strip().splitlines())})
    found = estimates_run.estimated(
        counted, effort=asked["effort"], priors=asked["priors"] and not counted.strata,
        without=asked["without"] and not counted.strata, progress=keeping_alive(session, progress),
    )  # fmt: skip
    summary, sections, _data = estimates_words.told(found, asked["what"], of_record=of_record)
    data = {
        "drawn": estimates_figure.figure(found.runs, found.observed, asked["what"]),
        "rows": [estimates_words.row(run, found.observed) for run in found.runs],
        "sections": [{"title": title, "lines": lines} for title, lines in sections],
    }  # fmt: skip
    return Told(summary, counted.beside(), data)
