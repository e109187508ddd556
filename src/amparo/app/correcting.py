"""Corrections: a claim never changes; a new one takes its place, with the reason, and the old one stays.

Invariant: what a correction says is checked like a claim that is stated anew; one claim is superseded once, under the lock.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from amparo.app.marking_claims import person_of, value_of
from amparo.app.naming import refuse_names
from amparo.app.people import Empty, NotOneOf, UnknownHandle, one_of, require
from amparo.app.session import Change, Session, now_ms
from amparo.kernel import dates, ids
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _
from amparo.record import vocabulary
from amparo.record.model import ACCESS, POLARITIES, STANCES, VOLUNTARINESS, Claim

CORRECTABLE: Final = ("text", "value", "valid", "place", "subject", "polarity", "access", "voluntariness", "stance", "locator")


class Superseded(BadInput):
    template = N_("{handle} was already corrected by {by}; correct that one.")


class NothingCorrected(BadInput):
    template = N_("{handle} says just that already; nothing was changed. Say with --set what to correct.")


class NotSaidOf(BadInput):
    template = N_("“{property}” cannot be said of {handle}; name what it is about. Nothing was changed.")


def field_pair(text: str) -> tuple[str, str]:
    """Split ``field=value`` of a correction. Raises NotOneOf."""
    name, equals, value = text.partition("=")
    if not equals or name not in CORRECTABLE:
        raise NotOneOf(value=text, what="field=value of a claim", choices=", ".join(CORRECTABLE))
    return name, value


def correct(session: Session, handle: str, fields: dict[str, str], reason: str) -> str:
    """Make a new claim that supersedes ``handle``, with the reason; the old one stays. Returns the new handle."""
    handle = require(session, handle, "claim")
    with session.change() as change:
        if newer := session.record.corrected_by(handle):
            raise Superseded(handle=handle, by=", ".join(newer))
        return put_corrections(session, change, {handle: fields}, reason)[0]


def put_corrections(session: Session, change: Change, fields: Mapping[str, dict[str, str]], reason: str) -> list[str]:
    """Add to a change a claim in place of each handle, with ``fields`` (of CORRECTABLE) corrected; the new handles.

    Raises Empty, NothingCorrected, UnknownHandle, NotOneOf, NotSaidOf, BadDate, NameInWords and what ``value_of`` raises.
    """
    if not reason.strip():
        raise Empty(field="reason")
    refuse_names(session, {_("reason"): reason})
    parts: dict[str, list[Claim]] = {}
    for handle, changed in fields.items():
        old = session.record.claim(handle)
        if old is None:
            raise UnknownHandle(handle=handle)
        corrected = replace(
            _corrected(session, old.claim, changed), handle=change.allocate("claim"), supersedes=handle, reason=reason.strip(),
            key="", recorded=now_ms(),
        )  # fmt: skip
        parts.setdefault(corrected.person, []).append(corrected)
    for claims in parts.values():  # what tells of one person can be erased alone
        change.put("record", Claim.TYPE, [claim.to_row() for claim in claims])
    return [claim.handle for claims in parts.values() for claim in claims]


def _corrected(session: Session, old: Claim, fields: dict[str, str]) -> Claim:
    """The claim as the corrected one says it, checked like one that is stated anew."""
    if "text" in fields and not fields["text"].strip() and not (fields.get("value") or old.value):
        raise Empty(field="text")
    _check_corrections(session, old.property, fields)
    refuse_names(session, fields)
    corrected = replace(old, **fields)  # type: ignore[arg-type]
    if corrected == old:
        raise NothingCorrected(handle=old.handle)
    if corrected.text != old.text:  # no longer the words that were said: nothing may quote them
        corrected = replace(corrected, verbatim=False)
    ends = corrected.subject, corrected.value
    if old.person in (old.subject, old.value) and old.person not in ends:  # it tells of somebody else now
        corrected = replace(corrected, person=person_of(session, *ends))
    return corrected


def _check_corrections(session: Session, property: str, fields: dict[str, str]) -> None:
    if fields.get("valid"):
        fields["valid"] = dates.parse(fields["valid"]).text
    for name, kind in (("place", "place"), ("subject", "")):
        if fields.get(name):
            fields[name] = require(session, fields[name], kind)
    known = vocabulary.load().property(property)
    subjects = known.subjects if known is not None and fields.get("subject") else ()
    if subjects and ids.parse(fields["subject"]).kind not in subjects:
        raise NotSaidOf(property=property, handle=fields["subject"])
    if known is not None and "value" in fields:
        fields["value"] = value_of(session, known, fields["value"])
    for name, choices in (("polarity", POLARITIES), ("access", ACCESS), ("voluntariness", VOLUNTARINESS), ("stance", STANCES)):
        if name in fields:
            one_of(fields[name], choices, name)
