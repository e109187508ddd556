"""Changing what is recorded, one claim or a whole event at once, without writing over what somebody else changed meanwhile.

Invariants: a claim never changes: who edits C-1 saw just its words, and whoever was quicker left a newer claim in its place.
Then nothing is recorded before each of the two versions was shown and one was chosen. All corrections of a form are one
change, looked at and written under the same lock.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Final

from amparo.app.correcting import CORRECTABLE, NothingCorrected, put_corrections
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


class NotOfTheEvent(BadInput):
    template = N_("{handle} is no claim about {event} or one of its acts; correct it on its own page. Nothing was changed.")


class Forked(BadInput):
    template = N_("{handle} was corrected in several ways meanwhile ({newer}), as by two devices; correct one of these on "
                  "its own page. Nothing was changed.")  # fmt: skip


class LabelTooLong(BadInput):
    template = N_("The label has {n} characters; {most} are enough. Nothing was changed.")


class _Meanwhile(Exception):
    """Somebody else changed what the form changes; carries both versions of each."""

    def __init__(self, conflicts: list[dict[str, Any]]) -> None:
        self.conflicts = conflicts


# -- the form of an event -----------------------------------------------------------------------------------------------


Typed = Mapping[str, Mapping[str, str]]
"""Claim -> fields of CORRECTABLE as typed."""


def form(session: Session, handle: str, at: int = 1, typed: Typed | None = None) -> dict[str, Any]:
    """An event and its acts with the claims that stand, to be edited; ``at`` counts pages of acts from 1.

    ``typed``: what a form that was refused had. A claim that was changed on it and corrected by somebody else meanwhile is
    shown as it was, so that nothing typed is lost; ``newer`` of its row is the claim that stands. Grounds are not among them:
    they are opened with the act. Raises BadHandle, NothingThere, NotAnEvent.
    """
    entity = _event(session, handle)
    things = [entity.handle, *(one.handle for one in session.record.entities(kind="act", parent=entity.handle))]
    shown = things[(at - 1) * _THINGS : at * _THINGS]
    held = _held(session, typed or {})
    groups = [_group(session, thing, held) for thing in shown]
    words = vocabulary.load()
    lists = {row["takes"].removeprefix("term:") for group in groups for row in group["rows"] if row["takes"][:5] == "term:"}
    named = {value for group in groups for row in group["rows"] for value in (row["value"], row["place"], row["source"])}
    return {
        "handle": entity.handle, "label": entity.label, "groups": groups, "at": at, "more": len(things) > at * _THINGS,
        "terms": {name: [words.label(name, id) for id in words.terms(name)] for name in sorted(lists)},
        "terms_of": {f"term:{name}": number for number, name in enumerate(sorted(lists), 1)},
        "labels": session.record.labels(one for one in {*named, *shown} if ids.is_handle(one)),
    }  # fmt: skip


def _held(session: Session, typed: Typed) -> dict[str, StoredClaim]:
    """The claim that stands -> the one it corrects that a form has other words for."""
    held = {}
    for handle, fields in typed.items():
        base = session.record.claim(handle)
        if base is not None and base.status != CURRENT and any(
            _plain(name, text) not in (old := _plain(name, getattr(base.claim, name)), _term(base, old))
            for name, text in fields.items() if name in CORRECTABLE
        ):  # fmt: skip
            held[_newest(session, base).claim.handle] = base
    return held


def _term(base: StoredClaim, value: str) -> str:
    """How a form writes a value: a term by its label."""
    known = vocabulary.load().property(base.claim.property)
    return vocabulary.load().label(known.value[5:], value) if known is not None and known.value.startswith("term:") else value


def _group(session: Session, thing: str, held: Mapping[str, StoredClaim]) -> dict[str, Any]:
    words = vocabulary.load()
    found = session.record.claims(subject=thing, limit=_READ)
    standing = [stored for stored in found if stored.status == CURRENT and stored.claim.property != ground.PROPERTY]
    shown = {stored.claim.handle for stored in standing[:_CLAIMS]}
    rows = []
    gone = [base for newest, base in held.items() if newest not in shown and base.claim.subject == thing]
    for stored in [*standing[:_CLAIMS], *gone]:
        base = held.get(stored.claim.handle, stored)
        row = {name: getattr(base.claim, name) for name in _ROW}
        row["newer"] = stored.claim.handle if base is not stored else ""
        row["gone"] = stored.status != CURRENT
        row["ground"] = ground.mentions(f"{base.claim.text} {base.claim.value}")
        if row["ground"]:  # its words are opened one by one, as record.ground promises
            row |= {"text": "", "value": ""}
        known = words.property(stored.claim.property)
        row["takes"] = known.value if known is not None else "text"
        rows.append(row)
    return {"thing": thing, "rows": rows, "more": len(standing) - len(rows)}


# -- saving -------------------------------------------------------------------------------------------------------------


def save(session: Session, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Correct what a form changed: ``rows`` (claim -> fields of CORRECTABLE as typed), a ``reason``, ``choices`` between two
    versions (claim -> ``mine C-9`` or ``theirs C-9``, C-9 the newer version that was shown), and for an ``event`` its
    ``label`` with the one that was shown (``seen``).

    Returns {"claims": new handles, "stands": the claim that was left as somebody else made it, or ""}; or, with nothing
    recorded, {"conflicts": both versions of each}. Raises NothingCorrected, NothingThere, NotAnEvent, NotOfTheEvent, Empty,
    LabelTooLong and what ``correcting.put_corrections`` raises.
    """
    try:
        with session.change() as change:
            claims, stands = _save(session, change, asked)
            return {"claims": claims, "stands": stands}
    except _Meanwhile as meanwhile:
        return {"conflicts": meanwhile.conflicts}


def _save(session: Session, change: Change, asked: Mapping[str, Any]) -> tuple[list[str], str]:
    choices: Mapping[str, str] = asked.get("choices", {})
    wanted: dict[str, dict[str, str]] = {}
    conflicts: list[dict[str, Any]] = []
    settled, stands = False, ""
    editable = _things(session, asked["event"]) if "event" in asked else None
    for named, typed in asked["rows"].items():
        base, changes = _changes(session, named, typed)
        handle = base.claim.handle
        if editable is not None and (base.claim.subject not in editable or base.claim.property == ground.PROPERTY):
            raise NotOfTheEvent(handle=handle, event=asked["event"])
        if not changes:
            continue
        newest = _newest(session, base)
        newer = newest.claim.handle
        mine = {name: value for name, value in changes.items() if value != getattr(newest.claim, name)}
        if newer == handle or choices.get(handle) == f"{MINE} {newer}":
            wanted[newer] = {**wanted.get(newer, {}), **mine}
            settled = settled or not mine
        elif not mine or choices.get(handle) == f"{THEIRS} {newer}":
            settled, stands = True, newer
        else:
            conflicts.append(_both(session, base, newest, changes))
    label = _label(session, asked, conflicts)
    if conflicts:
        raise _Meanwhile(conflicts)
    wanted = {handle: fields for handle, fields in wanted.items() if fields}
    if label is not None:
        change.put("record", Entity.TYPE, [label.to_row()])
    if wanted:
        return put_corrections(session, change, wanted, asked["reason"]), ""
    if label is None and not settled:
        raise NothingCorrected(handle=", ".join(asked["rows"]) or asked.get("event", ""))
    return [], stands


def _event(session: Session, handle: str) -> Entity:
    entity = session.record.entity(str(ids.parse(handle)))
    if entity is None:
        raise NothingThere(what=handle)
    if entity.kind != "event":
        raise NotAnEvent(handle=entity.handle)
    return entity


def _things(session: Session, event: str) -> set[str]:
    """An event and its acts."""
    entity = _event(session, event)
    return {entity.handle, *(one.handle for one in session.record.entities(kind="act", parent=entity.handle))}


def _newest(session: Session, base: StoredClaim) -> StoredClaim:
    """What stands in a claim's place: itself, or what corrected it in the end. Raises Forked."""
    at, ends, several = [base], list[StoredClaim](), {base.claim.handle}
    for one in at:
        next_ = [handle for handle in session.record.corrected_by(one.claim.handle) if handle not in several]
        several.update(next_)
        newer = [stored for handle in next_ if (stored := session.record.claim(handle)) is not None]
        at += newer
        ends += [] if newer else [one]
    standing = [one for one in ends if one.status == CURRENT] or ends[-1:]
    if len(standing) > 1:
        raise Forked(handle=base.claim.handle, newer=", ".join(one.claim.handle for one in standing))
    return standing[0]


def _changes(session: Session, handle: str, typed: Mapping[str, str]) -> tuple[StoredClaim, dict[str, str]]:
    """(the claim that the form showed, what was typed otherwise, in the form it would be recorded)."""
    base = session.record.claim(str(ids.parse(handle)))
    if base is None:
        raise NothingThere(what=handle)
    changes = {name: _plain(name, typed[name]) for name in CORRECTABLE if name in typed}
    known = vocabulary.load().property(base.claim.property)
    if known is not None and "value" in changes:
        # a word that is no term any more may stay where it stands
        same = changes["value"] in (base.claim.value, _term(base, base.claim.value))
        changes["value"] = base.claim.value if same else value_of(session, known, changes["value"])
    return base, {name: new for name, new in changes.items() if new != _plain(name, getattr(base.claim, name))}


def _plain(name: str, text: str) -> str:
    """What was typed as it would be recorded: forms change the ends of lines, and a handle or a date is typed in many ways."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if name == "value":
        return " ".join(text.split())  # a field of one line keeps no line break
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
    entity = _event(session, asked["event"])
    label, seen = " ".join(asked["label"].split()), asked["seen"]
    if label in (seen, entity.label):
        return None
    if not label:
        raise Empty(field="label")
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
