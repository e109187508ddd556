"""Changing what is recorded, one claim or a whole event at once, without writing over what somebody else changed meanwhile.

Invariants: a claim never changes: who edits C-1 saw just its words, and whoever was quicker left a newer claim in its place.
Then nothing is recorded before each of the two versions was shown and one was chosen. All corrections of a form are one
change, looked at and written under the same lock.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Final

from amparo.app.correcting import CORRECTABLE, NothingCorrected, put_corrections
from amparo.app.desk_things import line_of
from amparo.app.marking_claims import value_of
from amparo.app.naming import refuse_names
from amparo.app.people import Empty
from amparo.app.reading import NothingThere
from amparo.app.session import Change, Session
from amparo.kernel import dates, ids
from amparo.kernel.errors import BadDate, BadHandle, BadInput
from amparo.kernel.i18n import N_, _
from amparo.record import ground, vocabulary
from amparo.record.model import Entity
from amparo.record.view import CURRENT, StoredClaim

MINE: Final = "mine"
THEIRS: Final = "theirs"
_THINGS: Final = 6  # of an event on one page: itself and its acts
_CLAIMS: Final = 12  # of one thing
_READ: Final = 400  # of one thing that are looked at, former versions among them
_LABEL: Final = 300  # characters
_ROW: Final = ("handle", "subject", "property", "value", "text", "valid", "place", "source", "verbatim", "language")


class NotAnEvent(BadInput):
    template = N_("{handle} is no event. Open an event to edit it with its acts.")


class LabelTooLong(BadInput):
    template = N_("The label has {n} characters; {most} are enough. Nothing was changed.")


class _Meanwhile(Exception):
    """Somebody else changed what the form changes; carries both versions of each."""

    def __init__(self, conflicts: list[dict[str, Any]]) -> None:
        self.conflicts = conflicts


# -- the form of an event -----------------------------------------------------------------------------------------------


def form(session: Session, handle: str, at: int = 1) -> dict[str, Any]:
    """An event and its acts with the claims that stand, to be edited; ``at`` counts pages of acts from 1.

    Grounds are not among them: they are opened with the act. Raises BadHandle, NothingThere, NotAnEvent.
    """
    entity = session.record.entity(str(ids.parse(handle)))
    if entity is None:
        raise NothingThere(what=handle)
    if entity.kind != "event":
        raise NotAnEvent(handle=entity.handle)
    things = [entity.handle, *(one.handle for one in session.record.entities(kind="act", parent=entity.handle))]
    shown = things[(at - 1) * _THINGS : at * _THINGS]
    groups = [_group(session, thing) for thing in shown]
    words = vocabulary.load()
    lists = {row["takes"].removeprefix("term:") for group in groups for row in group["rows"] if row["takes"][:5] == "term:"}
    named = {value for group in groups for row in group["rows"] for value in (row["value"], row["place"], row["source"])}
    return {
        "handle": entity.handle, "label": entity.label, "groups": groups, "at": at, "more": len(things) > at * _THINGS,
        "terms": {name: [words.label(name, id) for id in words.terms(name)] for name in sorted(lists)},
        "terms_of": {f"term:{name}": number for number, name in enumerate(sorted(lists), 1)},
        "labels": session.record.labels(one for one in {*named, *shown} if ids.is_handle(one)),
    }  # fmt: skip


def _group(session: Session, thing: str) -> dict[str, Any]:
    words = vocabulary.load()
    found = session.record.claims(subject=thing, limit=_READ)
    standing = [stored for stored in found if stored.status == CURRENT and stored.claim.property != ground.PROPERTY]
    rows = []
    for stored in standing[:_CLAIMS]:
        row = {name: getattr(stored.claim, name) for name in _ROW}
        known = words.property(stored.claim.property)
        row["takes"] = known.value if known is not None else "text"
        rows.append(row)
    return {"thing": thing, "rows": rows, "more": len(standing) - len(rows)}


# -- saving -------------------------------------------------------------------------------------------------------------


def save(session: Session, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Correct what a form changed: ``rows`` (claim -> fields of CORRECTABLE as typed), a ``reason``, ``choices`` between two
    versions (claim -> ``mine C-9`` or ``theirs C-9``, C-9 the newer version that was shown), and for an ``event`` its
    ``label`` with the one that was shown (``seen``).

    Returns {"claims": new handles} or, with nothing recorded, {"conflicts": both versions of each}. Raises NothingCorrected,
    NothingThere, Empty, LabelTooLong and what ``people.put_corrections`` raises.
    """
    try:
        with session.change() as change:
            return {"claims": _save(session, change, asked)}
    except _Meanwhile as meanwhile:
        return {"conflicts": meanwhile.conflicts}


def _save(session: Session, change: Change, asked: Mapping[str, Any]) -> list[str]:
    choices: Mapping[str, str] = asked.get("choices", {})
    wanted: dict[str, dict[str, str]] = {}
    conflicts: list[dict[str, Any]] = []
    settled = False
    for handle, typed in asked["rows"].items():
        base, changes = _changes(session, handle, typed)
        if not changes:
            continue
        newest = line_of(session, handle)[-1]
        newer = newest.claim.handle
        mine = {name: value for name, value in changes.items() if value != getattr(newest.claim, name)}
        if newer == handle or choices.get(handle) == f"{MINE} {newer}":
            wanted[newer] = {**wanted.get(newer, {}), **mine}
            settled = settled or not mine
        elif not mine or choices.get(handle) == f"{THEIRS} {newer}":
            settled = True
        else:
            conflicts.append(_both(session, base, newest, changes))
    label = _label(session, asked, conflicts)
    if conflicts:
        raise _Meanwhile(conflicts)
    wanted = {handle: fields for handle, fields in wanted.items() if fields}
    if label is not None:
        change.put("record", Entity.TYPE, [label.to_row()])
    if wanted:
        return put_corrections(session, change, wanted, asked["reason"])
    if label is None and not settled:
        raise NothingCorrected(handle=", ".join(asked["rows"]) or asked.get("event", ""))
    return []


def _changes(session: Session, handle: str, typed: Mapping[str, str]) -> tuple[StoredClaim, dict[str, str]]:
    """(the claim that the form showed, what was typed otherwise, in the form it would be recorded)."""
    base = session.record.claim(str(ids.parse(handle)))
    if base is None:
        raise NothingThere(what=handle)
    changes = {name: _plain(name, typed[name]) for name in CORRECTABLE if name in typed}
    known = vocabulary.load().property(base.claim.property)
    if known is not None and "value" in changes:
        label = vocabulary.load().label(known.value[5:], base.claim.value) if known.value.startswith("term:") else ""
        same = changes["value"] in (base.claim.value, label)  # a word that is no term any more may stay where it stands
        changes["value"] = base.claim.value if same else value_of(session, known, changes["value"])
    return base, {name: new for name, new in changes.items() if new != _plain(name, getattr(base.claim, name))}


def _plain(name: str, text: str) -> str:
    """What was typed as it would be recorded: forms change the ends of lines, and a handle or a date is typed in many ways."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    try:
        if name in ("place", "subject"):
            return str(ids.parse(text))
        if name == "valid":
            return dates.parse(text).text
    except (BadHandle, BadDate):
        pass  # it is told when it is checked
    return text


def _both(session: Session, base: StoredClaim, newest: StoredClaim, mine: Mapping[str, str]) -> dict[str, Any]:
    """What was shown, what somebody made of it, and what this form would make of it, field by field."""
    seen, theirs = asdict(base.claim), asdict(newest.claim)
    differ = [name for name in CORRECTABLE if name in mine or seen[name] != theirs[name]]
    merged = {**theirs, **mine}
    return {
        "handle": base.claim.handle, "newer": newest.claim.handle, "subject": theirs["subject"], "property": theirs["property"],
        "reason": theirs["reason"], "recorded": theirs["recorded"], "device": newest.origin.device,
        "fields": [{"name": name, "seen": seen[name], "theirs": theirs[name], "mine": merged[name]} for name in differ],
        "labels": session.record.labels(one for one in {theirs["subject"], *(str(d[f]) for d in (seen, theirs, merged)
                                        for f in ("value", "place", "subject"))} if ids.is_handle(one)),
    }  # fmt: skip


def _label(session: Session, asked: Mapping[str, Any], conflicts: list[dict[str, Any]]) -> Entity | None:
    """The event under a new label, if the form gives it one; adds to ``conflicts``."""
    if "label" not in asked:
        return None
    entity = session.record.entity(str(ids.parse(asked["event"])))
    if entity is None:
        raise NothingThere(what=asked["event"])
    label, seen = " ".join(asked["label"].split()), asked["seen"]
    if label in (seen, entity.label):
        return None
    if len(label) > _LABEL:
        raise LabelTooLong(n=len(label), most=_LABEL)
    if not asked["reason"].strip():
        raise Empty(field="reason")
    refuse_names(session, {_("Label"): label})
    choice = asked.get("choices", {}).get(entity.handle, "")
    if entity.label != seen and choice == f"{THEIRS} {entity.label}":
        return None
    if entity.label != seen and choice != f"{MINE} {entity.label}":
        conflicts.append({
            "handle": entity.handle, "newer": entity.label, "subject": entity.handle, "property": "", "reason": "",
            "recorded": 0, "device": 0, "labels": {},
            "fields": [{"name": "label", "seen": seen, "theirs": entity.label, "mine": label}],
        })  # fmt: skip
    return replace(entity, label=label)
