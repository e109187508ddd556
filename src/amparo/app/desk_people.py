"""First contact on the pages: a person registered, a conversation recorded from its draft, consent, a sealed identity shown.

Invariant: what a page gets to see of a person is a handle; names are in what ``register`` is given and in what ``reveal``
returns, and in nothing else here.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any, Final

from amparo.app import drafts, people
from amparo.app.drafts import Draft
from amparo.app.people import NotOneOf, UnknownHandle
from amparo.app.reading import sealed_identity
from amparo.app.session import Session
from amparo.kernel import ids
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _
from amparo.kernel.text import script_of
from amparo.protect.consents import Consents
from amparo.record import ground, vocabulary
from amparo.record.model import ACCESS, AUDIENCES, POLARITIES, PURPOSES, VOLUNTARINESS, Identity, Name

NAME_KINDS: Final = (N_("name"), N_("alias"), N_("patronymic form"), N_("nickname"))
CONTACT_KINDS: Final = (N_("telephone"), N_("e-mail"), N_("account"), N_("address"))
DOCUMENT_KINDS: Final = (N_("passport"), N_("identity card"), N_("birth certificate"), N_("other document"))
RIGHTS: Final = {
    "record": N_("what the record is for, and who works with it"),
    "risks": N_("what may happen if it becomes known, also to relatives"),
    "refuse": N_("that any question may be left unanswered, and that one may stop at any time"),
    "audiences": N_("who may get to see it, for which purpose, only with consent"),
    "withdraw": N_("that consent may be taken back later, and what cannot be called back then"),
    "no promise": N_("that nothing is promised or paid for it"),
}
"""What is explained before somebody speaks (OHCHR, Manual on Human Rights Monitoring, chapter 11; Murad Code)."""
CLAIM_FIELDS: Final = (
    "text", "valid", "about", "property", "value", "place", "access", "voluntariness", "polarity", "language",
)  # fmt: skip
CONDITIONS: Final = ("date", "interviewer", "language", "interpreter", "persons_present", "breaks", "place")
_CHOICES: Final = {"access": ("direct", ACCESS), "voluntariness": ("free", VOLUNTARINESS), "polarity": ("affirmed", POLARITIES)}
_SOURCES: Final = 100


class AlreadyRecorded(BadInput):
    template = N_("These very words were recorded as {source} already; the draft was left. Throw it away if that is so.")


class NoReason(BadInput):
    template = N_("Say why you want to see it, in a few words; they are kept with the entry. Nothing was shown.")


class NotReadBack(BadInput):
    template = N_("Say that it was read back and confirmed, or why it could not be; then record it.")


class HalfAConsent(BadInput):
    template = N_("A consent needs a purpose and an audience; tick at least one of each, or none at all.")


class UnknownProperty(BadInput):
    template = N_("“{value}” is no property of the vocabulary (sentence {number}); choose one of the list, or leave it empty.")


# -- a person --------------------------------------------------------------------------------------------------------------


def identity_of(asked: Mapping[str, Any]) -> Identity:
    """The person of a form: ``names``, ``contacts`` and ``documents`` each [kind, text] pairs. Raises NotOneOf."""
    kinds = {"names": NAME_KINDS, "contacts": CONTACT_KINDS, "documents": DOCUMENT_KINDS}
    pairs: dict[str, list[list[str]]] = {}
    for name, known in kinds.items():
        pairs[name] = [[kind, text.strip()] for kind, text in asked.get(name, []) if text.strip()]
        for kind, _text in pairs[name]:
            if kind not in known:
                raise NotOneOf(value=kind, what=name, choices=", ".join(known))
    names = [Name(text, kind, script_of(text)) for kind, text in pairs["names"]]
    return Identity("", names, pairs["contacts"], pairs["documents"], asked.get("birth", ""), asked.get("note", ""))


def register(session: Session, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Register a person: ``handle``; or, without ``anyway``, only ``alike``: [handle, why] of persons with a like name.

    Raises NoName, NotOneOf, CompartmentLocked.
    """
    identity = identity_of(asked)
    if not asked.get("anyway"):
        alike = people.similar_persons(session, (name.text for name in identity.names))
        if alike:
            return {"handle": "", "alike": [list(pair) for pair in alike]}
    return {"handle": people.add_person(session, identity, anyway=True, unnamed=bool(asked.get("unnamed"))), "alike": []}


def reveal(session: Session, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What is sealed about ``person``; an entry with ``reason`` is written first. Raises NoReason, NameInWords."""
    if not asked["reason"].strip():
        raise NoReason
    return sealed_identity(session, require(session, asked["person"])["handle"], asked["reason"])


def require(session: Session, handle: str) -> dict[str, Any]:
    """A person's entity, its label masked as in a list. Raises BadHandle, UnknownHandle."""
    parsed = ids.parse(handle)
    entity = session.record.entity(str(parsed)) if parsed.kind == "person" else None
    if entity is None:
        raise UnknownHandle(handle=handle)
    return {**asdict(entity), "label": ground.mask(entity.label)}


# -- consent ---------------------------------------------------------------------------------------------------------------


class ConsentMeanwhile(BadInput):
    template = N_("Somebody recorded a consent of {person}, or its withdrawal, while this form was open. Look at what is "
                  "allowed now, and send the form again if it is still right. Nothing was recorded.")  # fmt: skip


def consent_page(session: Session, handle: str, today: date | None = None) -> dict[str, Any]:
    """What a person allows now, for every source and for each with a consent of its own; and what was given and taken back."""
    person = require(session, handle)
    given = session.record.consents(person["handle"])
    told = session.record.sources_of_person(person["handle"])[:_SOURCES]
    own = sorted({consent.source for consent in given if consent.source})
    consents = Consents(given, {}, {source: [person["handle"]] for source in own})
    day = today or date.today()  # noqa: DTZ011  the day by this device's own calendar, as the gate takes it
    tables = [_allowed(consents, person["handle"], source, day) for source in ("", *own)]
    resting = [source for source in told if source not in own and _rests_on_consent(session, source)]
    return {
        "person": person,
        "tables": tables,
        "given": sorted((asdict(consent) for consent in given), key=lambda one: -one["recorded"]),
        "sources": told, "seen": len(given),
        "resting": resting if not tables[0]["any"] else [],
        "labels": session.record.labels([*told, *own]),
        "purposes": PURPOSES, "audiences": AUDIENCES,
    }  # fmt: skip


def _rests_on_consent(session: Session, source: str) -> bool:
    entity = session.record.entity(source)
    return entity is not None and entity.basis == "consent"


def _allowed(consents: Consents, person: str, source: str, day: date) -> dict[str, Any]:
    rows = []
    for purpose in PURPOSES:
        cells = []
        for audience in AUDIENCES:
            decision = consents.allowed(person, source, purpose, audience, day)
            name = consents.name_allowed(person, [source] if source else [], purpose, audience, day)
            cells.append({"allowed": decision.allowed, "name": name.allowed, "reason": decision.reason})
        rows.append({"purpose": purpose, "cells": cells, "any": any(cell["allowed"] for cell in cells)})
    return {"source": source, "rows": rows, "any": any(row["any"] for row in rows)}


def consent(session: Session, asked: Mapping[str, Any]) -> None:
    """Record a consent or its withdrawal: ``person``, ``source`` and the fields of one; ``seen`` how many were known to who
    gives it, so that what was taken back meanwhile is not given again unasked. Raises ConsentMeanwhile and what give_consent
    raises.
    """
    known = len(session.record.consents(require(session, asked["person"])["handle"]))
    if not asked["consent"]["withdrawn"] and str(known) != asked["seen"]:
        raise ConsentMeanwhile(person=asked["person"])
    people.give_consent(session, asked["person"], asked["source"], dict(asked["consent"]))


# -- a conversation --------------------------------------------------------------------------------------------------------


def draft_page(session: Session, id: str) -> dict[str, Any]:
    """A draft as its page shows it, with what can be chosen. Raises NoSuchDraft, DraftDamaged."""
    draft = drafts.read(session, id)
    return {"draft": draft, "person": require(session, draft.person), "properties": properties(), "rights": RIGHTS,
            "purposes": PURPOSES, "audiences": AUDIENCES,
            "choices": {name: list(known) for name, (_first, known) in _CHOICES.items()}}  # fmt: skip


def properties() -> list[str]:
    """What a sentence can be said to be, in the reader's language; "statement" is what it is otherwise."""
    known = vocabulary.load()
    return [known.property_label(one.id) for one in known.properties()]


def begin(session: Session, handle: str) -> Draft:
    """A new draft about a person. Raises UnknownHandle, TooManyDrafts."""
    return drafts.begin(session, require(session, handle)["handle"])


def read_back(session: Session, id: str) -> dict[str, Any]:
    """The draft as it will be recorded, checked as far as can be without the identities; what is missing is told.

    Raises NothingSaid, HalfAConsent, UnknownProperty, BadDate, UnknownHandle and what recording raises for bad fields.
    """
    draft = drafts.read(session, id)
    interview = interview_of(draft)
    people.check_interview(session, interview)
    missing = [
        sentence
        for sentence, there in (
            (_("Nothing says that rights and risks were explained."), interview.rights_explained),
            (_("No consent is ticked: nothing of it can leave until one is recorded."), interview.consent),
            (_("No recording is attached."), interview.recordings),
        )
        if not there
    ]
    return {"draft": draft, "person": require(session, draft.person), "interview": interview, "missing": missing}


def interview_of(draft: Draft) -> people.Interview:
    """The interview a draft will be. Raises HalfAConsent, UnknownProperty."""
    known = vocabulary.load()
    ids_by_label = {known.property_label(one.id).casefold(): one.id for one in known.properties()}
    claims: list[dict[str, Any]] = []
    for number, typed in enumerate(filter(says, draft.claims), 1):
        claim: dict[str, Any] = {name: value for name, value in typed.items() if value and name in CLAIM_FIELDS}
        if word := claim.get("property", ""):
            claim["property"] = ids_by_label.get(word.casefold(), word)
            if known.property(claim["property"]) is None:
                raise UnknownProperty(value=word, number=number)
        claims.append(claim)
    fields = {name: draft.fields.get(name, "") for name in (*CONDITIONS, "words")}
    explained = [_(RIGHTS[name]) for name in draft.chosen.get("rights", []) if name in RIGHTS]
    fields["rights_explained"] = "; ".join([*explained, *filter(None, [draft.fields.get("rights_explained", "")])])
    return people.Interview(draft.person, claims, recordings=draft.attached, consent=_consent_of(draft), **fields)  # type: ignore[arg-type]


def says(claim: Mapping[str, str]) -> bool:
    """True if something was typed into a sentence; a blank one waits to be filled."""
    return any(claim.get(name) for name in CLAIM_FIELDS if name not in _CHOICES)


def _consent_of(draft: Draft) -> dict[str, Any]:
    chosen = {name: draft.chosen.get(name, []) for name in ("purposes", "audiences", "names")}
    if not any(chosen.values()):
        return {}
    if not (chosen["purposes"] and chosen["audiences"]):
        raise HalfAConsent
    return {**chosen, "until": draft.fields.get("until", ""), "how": draft.fields.get("how", "")}


def record(session: Session, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Record the ``draft`` in its ``version``, as it was ``confirmed`` (or ``why`` not); the draft ends with it.

    Raises NotReadBack, AlreadyRecorded, ChangedElsewhere, NoSuchDraft and what record_interview raises; then it stays.
    """
    if not (asked["confirmed"] or asked["why"].strip()):
        raise NotReadBack
    with drafts.taken(session, asked["draft"], int(asked["version"])) as draft:
        interview = interview_of(draft)
        interview.read_back = _("read back and confirmed") if asked["confirmed"] else asked["why"].strip()
        _refuse_twice(session, interview)
        return people.record_interview(session, interview)


def _refuse_twice(session: Session, interview: people.Interview) -> None:
    """The power may have failed after the interview was recorded and before its draft was removed."""
    words = people.words_of(interview)
    for source in session.record.sources_of_person(interview.person):
        if any(one.locator == "interview" and one.text == words for one in session.testimony.passages(source)):
            raise AlreadyRecorded(source=source)


def first_contact(session: Session) -> dict[str, Any]:
    """What the first page of a contact shows: drafts that wait."""
    found, damaged = drafts.listed(session)
    return {"drafts": [_line(one) for one in found], "damaged": damaged}


def _line(draft: Draft) -> dict[str, Any]:
    return {"id": draft.id, "person": draft.person, "saved": draft.saved, "said": sum(map(says, draft.claims))}


def drafts_of(session: Session, handle: str) -> dict[str, Any]:
    """The drafts about one person."""
    person = require(session, handle)
    found, _damaged = drafts.listed(session, person["handle"])
    return {"person": person, "drafts": [_line(one) for one in found]}
