"""The documenter's day: register a person, record a conversation, consents, erasures.

Names pass through here only on their way into the compartment ``identities``; what is returned knows persons by handle.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from amparo.app import drafts, evidence
from amparo.app.naming import refuse_names, sealed_names
from amparo.app.session import Change, Session, now_ms
from amparo.kernel import dates, ids
from amparo.kernel.errors import BadInput, NotFound
from amparo.kernel.i18n import N_, _
from amparo.ledger.ledger import Origin
from amparo.record import vocabulary
from amparo.record.items import Acquisition, Item
from amparo.record.model import (
    ACCESS,
    AUDIENCES,
    LINKS,
    POLARITIES,
    PURPOSES,
    VOLUNTARINESS,
    Claim,
    Consent,
    Entity,
    Identity,
    Link,
    Passage,
)


class PersonKnown(BadInput):
    template = N_(
        "A person with a like name is already registered ({handles}); look with `amparo show`, and register "
        "again with --anyway if "
        "it is somebody else."
    )


class NoName(BadInput):
    template = N_("A person needs at least one name; give --name, or --unnamed where no name is known.")


class UnknownHandle(NotFound):
    template = N_("There is no {handle} in this workspace.")


class NotOneOf(BadInput):
    template = N_("“{value}” is not a {what}; choose one of: {choices}.")


class NamesInText(BadInput):
    template = N_(
        "The words of claim {number} contain the sealed name of {handles}; write the handle instead of the name, or keep the "
        "words in the recording only."
    )


class Empty(BadInput):
    template = N_("The {field} is empty; say it in a few words. Nothing was recorded.")


class LinkToItself(BadInput):
    template = N_("{handle} cannot be linked to itself; name two claims.")


class NothingSaid(BadInput):
    template = N_("The interview holds no claim; give at least one sentence that was said.")


class BadInterview(BadInput):
    template = N_("The interview's field “{field}” {why}.")


class NothingToErase(NotFound):
    template = N_("Nothing is recorded under {handle} that could be erased.")


INTERVIEW_FACTS: Final = (
    "interviewer", "rights explained", "interview language", "interpreter", "persons present", "breaks", "read back",
)  # fmt: skip


@dataclass(slots=True)
class Interview:
    """A conversation as it is recorded. ``person`` a handle; ``claims`` each a mapping with ``text`` and optional fields of
    Claim (about, property, value, valid, place, access, voluntariness, polarity, verbatim); ``place`` vague on purpose;
    ``recording`` a file still to be sealed, ``recordings`` those of a draft, which are.
    """

    person: str
    claims: list[dict[str, Any]]
    date: str = ""
    interviewer: str = ""
    rights_explained: str = ""
    language: str = ""
    interpreter: str = ""
    persons_present: str = ""
    breaks: str = ""
    read_back: str = ""
    place: str = ""
    recording: Path | None = None
    recordings: list[drafts.Attached] = field(default_factory=list)
    words: str = ""
    consent: dict[str, Any] = field(default_factory=dict)


_SEARCHED_ELSEWHERE: Final = ("person", "claims", "recording", "recordings")


def interview_from(person: str, form: dict[str, Any], recording: Path | None = None) -> Interview:
    """Make an interview of a form's fields. Raises BadInterview naming a field that does not belong there."""
    fields = {str(name).replace(" ", "_"): value for name, value in form.items() if name not in ("person", "recording")}
    for name in fields:
        if name not in Interview.__slots__ or name == "recordings":
            raise BadInterview(field=name, why="is not a field of an interview")
    claims = fields.pop("claims", None) or []
    if not isinstance(claims, list):
        raise BadInterview(field="claims", why="is not a list")
    if not isinstance(fields.get("consent", {}), dict):
        raise BadInterview(field="consent", why="is not a list of fields and values")
    said = [claim if isinstance(claim, dict) else {"text": str(claim)} for claim in claims]
    return Interview(person, said, recording=recording, **fields)


def similar_persons(session: Session, names: Iterable[str]) -> list[tuple[str, str]]:
    """(handle, why) of registered persons with a like name. Needs ``identities``."""
    found: dict[str, str] = {}
    for name in names:
        for handle, why in session.identities.find_similar(name):
            found.setdefault(handle, why)
    return sorted(found.items())


def add_person(session: Session, identity: Identity, *, anyway: bool = False, unnamed: bool = False) -> str:
    """Register a sealed person and return the handle. Raises NoName, PersonKnown, CompartmentLocked."""
    if not identity.names and not unnamed:
        raise NoName
    alike = similar_persons(session, (name.text for name in identity.names))
    if alike and not anyway:
        raise PersonKnown(handles=", ".join(handle for handle, _ in alike))
    with session.change() as change:
        handle = change.allocate("person")
        change.put("record", Entity.TYPE, [Entity(handle, "person").to_row()])
        identity.person = handle
        change.put("identities", Identity.TYPE, [identity.to_row()])
    return handle


def require(session: Session, handle: str, kind: str = "") -> str:
    """A handle of something that is recorded, of a kind if one is named. Raises BadHandle, UnknownHandle."""
    parsed = ids.parse(handle)
    known = session.record.claim(str(parsed)) if parsed.kind == "claim" else session.record.entity(str(parsed))
    if known is None or (kind and parsed.kind != kind):
        raise UnknownHandle(handle=handle)
    return str(parsed)


def one_of(value: str, choices: Iterable[str], what: str) -> str:
    """The value, if it is one of the choices. Raises NotOneOf."""
    if value not in choices:
        raise NotOneOf(value=value, what=what, choices=", ".join(choices))
    return value


def record_interview(session: Session, interview: Interview) -> dict[str, Any]:
    """Record a conversation: its source, conditions, recording, consent, and the claims as they were said.

    Where ``identities`` is open, the words are searched for sealed names first. Raises NamesInText, NothingSaid, ...
    """
    person, day, prepared = check_interview(session, interview)
    with session.change() as change:
        source = change.allocate("source")
        change.put("record", Entity.TYPE, [Entity(source, "source", type="interview", basis="consent", date=day).to_row()])
        passage = _testimony(session, change, interview, source)
        conditions = [
            _condition(change, source, name, str(getattr(interview, name.replace(" ", "_").replace("interview_", ""))))
            for name in INTERVIEW_FACTS
            if getattr(interview, name.replace(" ", "_").replace("interview_", ""))
        ]
        if interview.place:
            conditions.append(_condition(change, source, "place of interview", interview.place))
        if conditions:
            change.put("record", Claim.TYPE, [claim.to_row() for claim in conditions])
        claims = [
            replace(claim, handle=change.allocate("claim"), source=source, passage=passage, recorded=now_ms())
            for claim in prepared
        ]
        change.put("record", Claim.TYPE, [claim.to_row() for claim in claims])
        if interview.consent:
            change.put("record", Consent.TYPE, [_consent(person, source, interview.consent).to_row()])
    return {"source": source, "passage": passage, "claims": [claim.handle for claim in claims]}


def check_interview(session: Session, interview: Interview) -> tuple[str, str, list[Claim]]:
    """All that can be wrong with an interview is told before anything is written: (person, day, claims as they were said)."""
    person = require(session, interview.person, "person")
    if not interview.claims:
        raise NothingSaid
    day = dates.parse(interview.date).text if interview.date else ""
    _refuse_names(session, interview)
    if interview.consent:
        _consent(person, "", interview.consent)
    return person, day, [_said(session, number, raw, person) for number, raw in enumerate(interview.claims, 1)]


def words_of(interview: Interview) -> str:
    """The words of a conversation's passage: as they were written down whole, else its sentences."""
    return interview.words.strip() or "\n".join(str(claim["text"]).strip() for claim in interview.claims)


def _refuse_names(session: Session, interview: Interview) -> None:
    sealed = sealed_names(session)
    for number, raw in enumerate(interview.claims, 1):
        words = "\n".join(str(raw.get(name) or "") for name in ("text", "value"))
        if sealed and (found := sealed.find(words)):
            raise NamesInText(number=number, handles=", ".join(sorted({finding.person for finding in found})))
    others = {name: str(getattr(interview, name)) for name in Interview.__slots__ if name not in _SEARCHED_ELSEWHERE}
    named = [interview.recording.name] if interview.recording is not None else []
    others["name of the recording's file"] = "\n".join((*named, *(one.name for one in interview.recordings)))
    refuse_names(session, {name.replace("_", " "): text for name, text in others.items()})


def _said(session: Session, number: int, raw: dict[str, Any], person: str) -> Claim:
    """One claim as it was said, checked; handle, source and passage come later."""
    known = {
        "text",
        "about",
        "property",
        "value",
        "valid",
        "place",
        "access",
        "voluntariness",
        "polarity",
        "verbatim",
        "language",
    }
    for name in raw:
        if name not in known:
            raise BadInterview(field=f"claims, {number}, {name}", why="is not a field of a claim")
    if not str(raw.get("text", "")).strip():
        raise BadInterview(field=f"claims, {number}, text", why="is empty")
    subject = require(session, str(raw.get("about") or person))
    name = str(raw.get("property") or "statement")
    known_property = vocabulary.load().property(name)
    if known_property is None:
        raise BadInterview(field=f"claims, {number}, property", why=f"has no term “{name}” in the vocabulary")
    if known_property.subjects and ids.parse(subject).kind not in known_property.subjects:
        raise BadInterview(field=f"claims, {number}, property", why=f"“{name}” cannot be said of {subject}")
    return Claim(
        "", subject, name, str(raw.get("value", "")), str(raw["text"]).strip(),
        polarity=one_of(str(raw.get("polarity") or "affirmed"), POLARITIES, "polarity"),
        valid=dates.parse(str(raw["valid"])).text if raw.get("valid") else "",
        place=require(session, str(raw["place"]), "place") if raw.get("place") else "",
        speaker=person,
        access=one_of(str(raw.get("access") or "direct"), ACCESS, "way of knowing"),
        voluntariness=one_of(str(raw.get("voluntariness") or "free"), VOLUNTARINESS, "voluntariness"),
        stance="allegation", verbatim=bool(raw.get("verbatim", True)), language=str(raw.get("language") or ""), person=person,
    )  # fmt: skip


def _condition(change: Change, source: str, name: str, value: str) -> Claim:
    return Claim(
        change.allocate("claim"), source, name, value, source=source, access="direct", voluntariness="free", stance="report",
        recorded=now_ms(),
    )  # fmt: skip


def _testimony(session: Session, change: Change, interview: Interview, source: str) -> str:
    """Seal the recording and the words; return the passage's handle, or "" if there are no words."""
    if interview.recording is not None or interview.recordings:
        came = Acquisition(source, how=_("recording of an interview"), collector=interview.interviewer, started=now_ms())
        change.put("testimony", Acquisition.TYPE, [came.to_row()])
    if interview.recording is not None:
        sealed = session.blobs().seal_file(interview.recording)
        evidence.put_item(change, source, sealed, name=interview.recording.name)
    for one in interview.recordings:
        drafts.hand_over(session, one)
        evidence.put_item(change, source, one.sealed, name=one.name, modified=one.modified)
    passage = change.allocate("passage")
    change.put("record", Entity.TYPE, [Entity(passage, "passage", parent=source, locator="interview").to_row()])
    words = Passage(passage, source, "interview", words_of(interview), interview.language)
    change.put("testimony", Passage.TYPE, [words.to_row()])
    return passage


def _consent(person: str, source: str, raw: dict[str, Any]) -> Consent:
    def listed(name: str) -> list[str]:
        value = raw.get(name) or []
        return (
            [item.strip() for item in value.split(";") if item.strip()] if isinstance(value, str) else [str(v) for v in value]
        )

    return Consent(
        person, source,
        [one_of(value, PURPOSES, "purpose") for value in listed("purposes")],
        [one_of(value, AUDIENCES, "audience") for value in listed("audiences")],
        dates.parse(str(raw["until"])).text if raw.get("until") else "",
        bool(raw.get("withdrawn", False)),
        [one_of(value, AUDIENCES, "audience") for value in listed("names")],
        str(raw.get("how") or ""), now_ms(),
    )  # fmt: skip


def give_consent(session: Session, person: str, source: str, raw: dict[str, Any]) -> None:
    """Record what a person allows for one source ("" for all), or, with ``withdrawn``, that it is taken back."""
    person = require(session, person, "person")
    refuse_names(session, {_("way the consent was given"): str(raw.get("how") or "")})
    source = require(session, source, "source") if source else ""
    consent = _consent(person, source, raw)
    if not consent.withdrawn and not (consent.purposes and consent.audiences):
        raise NotOneOf(value="", what="consent without purpose and audience", choices="--purpose and --audience, or --withdraw")
    with session.change() as change:
        change.put("record", Consent.TYPE, [consent.to_row()])


def link(session: Session, kind: str, of: str, to: str, reason: str) -> str:
    """Relate two claims: supports, contradicts, explains, retracts, same origin, undercuts."""
    one_of(kind, LINKS, "link")
    of, to = require(session, of, "claim"), require(session, to, "claim")
    if of == to:
        raise LinkToItself(handle=of)
    if not reason.strip():
        raise Empty(field="reason")
    refuse_names(session, {_("reason"): reason})
    with session.change() as change:
        handle = change.allocate("link")
        change.put("record", Link.TYPE, [Link(handle, kind, of, to, reason).to_row()])
    return handle


def erase(session: Session, handle: str, authority: str) -> dict[str, int]:
    """Erase a person, a source or a digital item everywhere: sealed identity, words, files, claims, what was remarked on them;
    of an item also what was made from it, and what was marked in it. Returns what was erased, by kind.

    The entries and their signatures stay. Views are made anew under new keys, so that no index keeps a word. Needs
    ``identities`` for a person. Raises NothingToErase, UnknownHandle, CompartmentLocked.
    """
    parsed = ids.parse(handle)
    handle = str(parsed)
    if parsed.kind not in ("person", "source", "item"):
        raise NotOneOf(value=handle, what="person, source or item", choices="P-..., S-..., D-...")
    finish_erasures(session)
    if parsed.kind != "item" and session.record.entity(handle) is None:
        raise UnknownHandle(handle=handle)
    if not authority.strip():
        raise Empty(field="authority")
    refuse_names(session, {_("authority"): authority})  # it stays readable without a key, for ever
    items: list[Item] = []
    sources: list[str] = []
    if parsed.kind == "person":
        origins = [*session.record.origins_of_person(handle), *session.identities.origins_of_person(handle)]
        sources = _own_sources(session, handle)
        for table in _tables_of(session, handle):
            origins += session.testimony.origins_of_source(table)
            items += session.testimony.items(table)
    elif parsed.kind == "item":
        items = evidence.with_derived(session, evidence.get(session, handle))
        origins = session.testimony.origins_of_item(handle)
        origins += session.record.origins_of_passages(one.handle for item in items for one in session.testimony.marked(item))
    else:
        origins, sources = [], [handle]
    for source in sources:
        origins += session.record.origins_of_source(source)
        origins += session.testimony.origins_of_source(source)
        items += session.testimony.items(source)
    if not origins:
        raise NothingToErase(handle=handle)
    remarks, others = session.record.remarks_on(origins)
    places = sorted({Origin(*origin) for origin in (*origins, *remarks)})
    if others:  # links and assessments of other claims, which an older import put into one part with those
        with session.change() as change:
            for type, row in others:
                change.put("record", type, [row])
    if parsed.kind == "person":
        drafts.forget(session, handle)
    ring = session.ring
    assert ring.signing is not None
    with session.ledger.writer(ring.device, ring.signing) as writer:
        count = writer.erase(places, authority=authority, now=now_ms())
    evidence.erase_files(session, items)
    session.close()
    session.rebuild()
    return {"parts": count, "files": len(items), "sources": len(sources)}


def finish_erasures(session: Session) -> int:
    """Destroy what a tombstone names and what is still there, after an erasure that was cut short. Returns how many parts."""
    ring = session.ring
    assert ring.signing is not None
    with session.ledger.writer(ring.device, ring.signing) as writer:
        return writer.enforce()


def _tables_of(session: Session, person: str) -> list[str]:
    """The kept tables of the imports that told of a person: the words stand in them as they came."""
    entity = session.record.entity(person)
    datasets = {stored.claim.dataset for stored in session.record.claims(person=person)}
    datasets |= {stored.claim.dataset for stored in session.record.claims(subject=person)}
    datasets |= {entity.dataset} if entity is not None else set()
    sources = session.record.entities(kind="source")
    return [e.handle for e in sources if e.key.startswith("file:") and e.dataset and e.dataset in datasets]


def _own_sources(session: Session, person: str) -> list[str]:
    """Sources that tell of this person alone and rest on the person's consent: interviews, not published reports."""
    own = []
    for source in session.record.sources_of_person(person):
        entity = session.record.entity(source)
        others = set(session.record.persons_of_source(source)) - {person}
        if entity is not None and entity.basis == "consent" and not others:
            own.append(source)
    return own
