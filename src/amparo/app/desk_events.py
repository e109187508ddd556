"""An event stated in one go, as HURIDOCS sees it: the event, its acts, who suffered and who did them, each by a source.

Invariants: what a form says becomes claims, checked as those of an import are, in one change with the things that begin;
nothing that is recorded already is written over. A source is named for all of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from amparo.app.desk_reading import form_of
from amparo.app.marking import put
from amparo.app.marking_claims import NEW, BadClaim, claims_of, refuse_sealed
from amparo.app.naming import refuse_names
from amparo.app.session import Session
from amparo.intake import convert
from amparo.intake.problems import RowProblem
from amparo.kernel import ids
from amparo.kernel.errors import BadHandle, BadInput
from amparo.kernel.i18n import N_, _
from amparo.record import vocabulary
from amparo.record.model import Passage

MOST: Final = 120  # claims of one form
ACT_FIELDS: Final = ("type", "victim", "method", "perpetrator", "text", "valid", "place")
_SAID_OF_ACT: Final = (("type", "type of act"), ("victim", "victim"), ("method", "method"), ("perpetrator", "perpetrator"))
_BASIS: Final = ("access", "stance", "voluntariness")
_LABEL: Final = 300  # characters


class SourceNeeded(BadInput):
    template = N_("Name the source (S-...) that all of this comes from. Nothing was recorded.")


class EventNeeded(BadInput):
    template = N_("Say what happened: the type of the event, when or where it was, or an act. Nothing was recorded.")


class BadEvent(BadInput):
    template = N_("{field}: {why} Nothing was recorded.")


def choices(session: Session, event: str = "", source: str = "") -> dict[str, Any]:
    """What the form offers, and the event it adds to. Raises BadHandle, EventNeeded."""
    found: dict[str, Any] = {"event": "", "label": "", "form": form_of(session, source if _source(session, source) else "")}
    if event:
        entity = session.record.entity(str(ids.parse(event)))
        if entity is None or entity.kind != "event":
            raise EventNeeded
        found |= {"event": entity.handle, "label": session.record.labels([entity.handle])[entity.handle]}
    return found


def _source(session: Session, text: str) -> str:
    """A source's handle; "" for what is none."""
    try:
        entity = session.record.entity(str(ids.parse(text)))
    except BadHandle:
        return ""
    return entity.handle if entity is not None and entity.kind == "source" else ""


def record(session: Session, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Record what the form says: ``event`` (a handle, or "" for a new one), ``label``, ``type``, ``valid``, ``place``,
    ``text``, ``source``, ``access``, ``stance``, ``voluntariness`` and ``acts`` (mappings of ACT_FIELDS).

    Returns {"event", "claims"}. Raises SourceNeeded, EventNeeded, BadEvent, NameInWords and what ``claims_of`` raises.
    """
    source = _source(session, asked["source"])
    if not source:
        raise SourceNeeded
    fresh = not asked["event"]
    event = "" if fresh else choices(session, asked["event"])["event"]
    rows = _rows(asked, event or NEW["event"])
    if not rows:
        raise EventNeeded
    label, day = _label(asked["label"]), _date(asked["valid"])
    passage = Passage("", source, "", "", "")
    try:
        said = claims_of(session, rows, passage, MOST)
    except BadClaim as error:
        raise _placed(error, rows) from None
    if fresh:
        refuse_names(session, {_("Label"): label})
        said = [replace(one, begins=[_named(entity, label, day) for entity in one.begins]) for one in said]
    refuse_sealed(session, None, said)
    with session.change() as change:
        claims = put(change, said, passage)
    return {"event": event or _begun(session, claims), "claims": claims}


def _placed(error: BadClaim, rows: Sequence[Mapping[str, str]]) -> BadEvent:
    """The same refusal with the words of the form: which act, which field."""
    row = rows[int(str(error.facts["number"])) - 1]
    known = vocabulary.load().property(row["property"])
    field = _(known.label) if known is not None and error.facts["field"] == _("Value") else str(error.facts["field"])
    where = _("The event") if not row["about"].startswith(NEW["act"]) else row["about"]
    return BadEvent(field=f"{where}, {field}", why=str(error.facts["why"]))


def _rows(asked: Mapping[str, Any], event: str) -> list[dict[str, str]]:
    """The claims that the form amounts to."""
    basis = {name: asked.get(name, "") for name in _BASIS}
    when = {"valid": asked["valid"], "place": asked["place"]}
    rows = [{"about": event, "property": "event type", "value": asked["type"]}] if asked["type"] else []
    if any(when.values()) or asked["text"]:
        rows.append({"about": event, "property": "occurred", "value": "", "text": asked["text"], **when})
    for number, act in enumerate(asked["acts"], 1):
        rows += _act_rows(act, NEW["act"] if number == 1 else f"{NEW['act']} {number}", event)
    if rows and not any(row["about"] == event for row in rows) and event == NEW["event"]:
        rows.insert(0, {"about": event, "property": "occurred", "value": ""})
    return [{**basis, **row} for row in rows]


def _act_rows(act: Mapping[str, str], name: str, event: str) -> list[dict[str, str]]:
    """An act's claims; what is said of no type of act, victim or method stands with the event."""
    given = [(property, act.get(field, "")) for field, property in _SAID_OF_ACT if act.get(field, "")]
    more = {field: act.get(field, "") for field in ("valid", "place")}
    text = act.get("text", "")
    if not given and not text:
        return []
    if [property for property, _value in given] == ["perpetrator"]:
        return [{"about": event, "property": "perpetrator", "value": given[0][1], "text": text, **more}]
    first = [{"about": name, "property": "part of", "value": event}]
    if not given:
        return [*first, {"about": name, "property": "description", "value": "", "text": text, **more}]
    rows = [{"about": name, "property": property, "value": value, **more} for property, value in given]
    rows[0]["text"] = text
    return first + rows


def _label(text: str) -> str:
    label = " ".join(text.split())
    if len(label) > _LABEL:
        why = _("It has {n} characters; {most} are enough.").format(n=len(label), most=_LABEL)
        raise BadEvent(field=_("Label"), why=why)
    return label


def _date(text: str) -> str:
    try:
        return convert.date(text) if text else ""
    except RowProblem as problem:
        raise BadEvent(field=_("When"), why=f"{problem} {problem.how()}") from None


def _named(entity: Any, label: str, day: str) -> Any:
    return replace(entity, label=label, date=day) if entity.kind == "event" else entity


def _begun(session: Session, claims: Sequence[str]) -> str:
    """The event that began with these claims."""
    for handle in claims:
        stored = session.record.claim(handle)
        if stored is not None:
            for one in (stored.claim.subject, stored.claim.value):
                if one.startswith("E-"):
                    return one
    return ""
