"""The claims that somebody states on a passage, checked as those of an import are: who did what to whom, when, where.

Invariants: a claim is whole and fits the vocabulary before anything is written. “new act”, “new event” and “new person” begin
such a thing in the same change; the same words mean the same thing in all claims of one form. A person begun so has no name.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from amparo.app.naming import refuse_names, sealed_names
from amparo.app.session import Session
from amparo.intake import convert
from amparo.intake.problems import RowProblem
from amparo.kernel import ids
from amparo.kernel.errors import BadHandle, BadInput
from amparo.kernel.i18n import N_, _
from amparo.record import vocabulary
from amparo.record.model import ACCESS, POLARITIES, STANCES, VOLUNTARINESS, Claim, Entity, Passage
from amparo.record.vocabulary import Property

FIELDS: Final = (
    "about", "property", "value", "text", "valid", "place", "speaker", "access", "voluntariness", "stance", "polarity",
    "quoted",
)  # fmt: skip
MOST: Final = 20  # claims of one form
_SAID: Final = ("about", "property", "value", "text", "valid", "place", "speaker")
NEW: Final = {"act": N_("new act"), "event": N_("new event"), "person": N_("new person")}
_TYPES: Final = {"act": "type of act", "event": "event type"}
_AGAIN: Final = re.compile(r"(.{1,60}?)(?: ([2-9]|[1-9][0-9]))?")


class NothingStated(BadInput):
    template = N_("State at least one claim: what it is about, and what is said of it. Nothing was recorded.")


class TooManyClaims(BadInput):
    template = N_("At most {most} claims are stated at once. Nothing was recorded.")


class BadClaim(BadInput):
    template = N_("Claim {number}, {field}: {why} Nothing was recorded.")


class BadValue(BadInput):
    template = N_("{property}: {why} Nothing was changed.")


class SaidAlready(BadInput):
    template = N_("{claim} says just that on this passage already. Nothing was recorded.")


class NameInQuote(BadInput):
    template = N_(
        "The marked words contain the sealed name of {handles}. Mark the words before or after it, and state the claim with "
        "the handle. Nothing was recorded."
    )


@dataclass(slots=True)
class Said:
    """A claim still without handle, source and passage; ``begins``: things that begin with it, their handle the words typed."""

    claim: Claim
    begins: list[Entity] = field(default_factory=list)


class _Known:
    """The record as ``intake.convert`` asks it; it gives no handles."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def allocate(self, kind: str) -> str:
        raise AssertionError(kind)

    def find(self, dataset: str, key: str, table: str) -> tuple[str, bytes] | None:
        """As Registry.find: by handle only."""
        return self._session.record.find(dataset, key, table) if ids.is_handle(key) else None


def says(raw: Mapping[str, str]) -> bool:
    """True if a row of a form says anything."""
    return any(raw.get(name, "").strip() for name in _SAID)


def claims_of(session: Session, rows: Iterable[Mapping[str, str]], passage: Passage, most: int = MOST) -> list[Said]:
    """Every row that says something as a claim. Raises NothingStated, TooManyClaims, BadClaim, SaidAlready."""
    told = [(number, raw) for number, raw in enumerate(rows, 1) if says(raw)]
    if not told:
        raise NothingStated
    if len(told) > most:
        raise TooManyClaims(most=most)
    checker = _Checker(session, passage)
    said = [checker.claim(number, raw) for number, raw in told]
    _refuse_twice(session, passage, said)
    return [replace(one, begins=[_typed(begun, said) for begun in one.begins]) for one in said]


def _typed(begun: Entity, said: list[Said]) -> Entity:
    """A thing that begins, with the type and the event that the claims of the same form tell of it."""
    about = {one.claim.property: one.claim.value for one in said if one.claim.subject == begun.handle}
    parent = about.get("part of", "") if begun.kind == "act" else ""
    is_event = parent.startswith("E-") or any(entity.handle == parent and entity.kind == "event"
                                              for one in said for entity in one.begins)  # fmt: skip
    return replace(begun, type=about.get(_TYPES.get(begun.kind, ""), ""), parent=parent if is_event else "")


def _refuse_twice(session: Session, passage: Passage, said: list[Said]) -> None:
    """A form that was sent twice says the same twice."""
    if not passage.handle:
        return
    there = {_core(stored.claim): stored.claim.handle for stored in session.record.claims(passage=passage.handle)}
    for one in said:
        if _core(one.claim) in there and not one.begins:
            raise SaidAlready(claim=there[_core(one.claim)])


def _core(claim: Claim) -> tuple[str, ...]:
    return claim.subject, claim.property, claim.value, claim.text, claim.valid, claim.place, claim.polarity, claim.speaker


class _Checker:
    """Checks the rows of one form."""

    def __init__(self, session: Session, passage: Passage) -> None:
        self._session, self._passage = session, passage
        self._words = vocabulary.load()
        self._keys = convert.Keys(_Known(session), "")

    def claim(self, number: int, raw: Mapping[str, str]) -> Said:
        """Raises BadClaim."""
        begins: list[Entity] = []

        def checked(field: str, convert_one: Any, text: str) -> str:
            try:
                return str(convert_one(text)) if text else ""
            except RowProblem as problem:
                raise BadClaim(number=number, field=_(_LABELS.get(field, field)), why=f"{problem} {problem.how()}") from None

        def need(field: str) -> str:
            text = raw.get(field, "").strip()
            if not text:
                raise BadClaim(number=number, field=_(_LABELS[field]), why=_("It is empty."))
            return text

        subject = checked("about", lambda text: self._thing(text, (), begins), need("about"))
        known = self._property(number, need("property"))
        if known.subjects and self._kind(subject, begins) not in known.subjects:
            why = _("“{property}” cannot be said of {handle}.").format(property=_(known.label), handle=subject)
            raise BadClaim(number=number, field=_(_LABELS["property"]), why=why)
        value = checked("value", lambda text: self.value(known, text, begins), raw.get("value", "").strip())
        if not value and known.value not in ("text", "none"):
            need("value")
        text, quoted = self._text(raw)
        if known.value == "text" and not (value or text):
            raise BadClaim(
                number=number, field=_(_LABELS["text"]), why=_("It is empty: say it in a few words, or quote the passage.")
            )
        choices: dict[str, Any] = {name: self._choice(number, name, raw) for name in _CHOICES}
        claim = Claim(
            "", subject, known.id, value, checked("text", convert.text(convert.MAX_TEXT, "text"), text),
            valid=checked("valid", convert.date, raw.get("valid", "").strip()),
            place=checked("place", lambda text: self._thing(text, ("place",), begins), raw.get("place", "").strip()),
            speaker=checked("speaker", lambda text: self._keys.speaker(_canonical(text)), raw.get("speaker", "").strip()),
            verbatim=quoted, language=self._passage.language if quoted else "", person=self._person(subject, value, begins),
            **choices,
        )  # fmt: skip
        return Said(claim, begins)

    def _text(self, raw: Mapping[str, str]) -> tuple[str, bool]:
        """The words of the claim, and whether they are the source's own."""
        text = raw.get("text", "").strip()
        if not text and raw.get("quoted"):
            return self._passage.text, bool(self._passage.text)
        return text, False

    def _choice(self, number: int, name: str, raw: Mapping[str, str]) -> str:
        allowed, default = _CHOICES[name]
        value = raw.get(name, "").strip() or default
        if value not in allowed:
            why = _("“{value}” is none of: {choices}.").format(value=value[:60], choices=", ".join(allowed))
            raise BadClaim(number=number, field=name, why=why)
        return value

    def _property(self, number: int, text: str) -> Property:
        """By its id, or its label in the reader's language."""
        labels = {_(known.label).casefold(): known for known in reversed(self._words.properties())}
        known = self._words.property(text) or labels.get(text.casefold())
        if known is None:
            near = [self._words.property_label(id) for id in self._words.suggest("property", text[:60])]
            why = _("“{text}” is no property.").format(text=text[:60])
            why += " " + _("Did you mean: {near}?").format(near=", ".join(near)) if near else ""
            raise BadClaim(number=number, field=_(_LABELS["property"]), why=why)
        return known

    def value(self, known: Property, text: str, begins: list[Entity]) -> str:
        """As it is recorded. Raises RowProblem."""
        if known.value == "handle":
            return self._thing(text, known.kinds, begins)
        if known.value.startswith("term:"):
            name = known.value.removeprefix("term:")
            labels = {self._words.label(name, id).casefold(): id for id in reversed(self._words.terms(name))}
            text = text if self._words.has_term(name, text) else labels.get(text.casefold(), text)
        return str(convert.value_of(known, self._words, self._keys)(text))

    def _thing(self, text: str, kinds: tuple[str, ...], begins: list[Entity]) -> str:
        """A handle of one of ``kinds``, or the words for a thing that begins."""
        found = _AGAIN.fullmatch(" ".join(text.split()))
        for kind, words in NEW.items():
            if found and found[1].casefold() in (words, _(words).casefold()) and (not kinds or kind in kinds):
                token = f"{words} {found[2] or 1}"
                begins.append(Entity(token, kind))
                return token
        return str(self._keys.entity(*kinds, field="/".join(kinds) or "subject")(_canonical(text)))

    def _kind(self, handle: str, begins: list[Entity]) -> str:
        return next((entity.kind for entity in begins if entity.handle == handle), "") or ids.parse(handle).kind

    def _person(self, subject: str, value: str, begins: list[Entity]) -> str:
        """The affected person the claim tells of, with whose words it would be erased; "" for none and for officials."""
        for one in (subject, value):
            if any(entity.handle == one and entity.kind == "person" for entity in begins):
                return one
        return person_of(self._session, subject, value)


def person_of(session: Session, subject: str, value: str) -> str:
    """The affected person that a claim with these ends tells of; "" for none and for officials."""
    for one in (subject, value):
        if one.startswith("P-") and ids.is_handle(one):
            entity = session.record.entity(one)
            if entity is not None and not entity.official:
                return one
    return ""


def value_of(session: Session, known: Property, text: str) -> str:
    """A corrected value as it is recorded: of the kind the property takes, a term by its id or its label. Raises BadValue."""
    begins: list[Entity] = []
    if not text.strip() and known.value in ("text", "none"):
        return ""
    try:
        value = _Checker(session, Passage("", "", "", "", "")).value(known, text.strip(), begins) if text.strip() else ""
    except RowProblem as problem:
        raise BadValue(property=_(known.label), why=f"{problem} {problem.how()}") from None
    if begins or not value:
        raise BadValue(property=_(known.label), why=_("It is empty.") if not value else _("Name what is recorded already."))
    return value


_LABELS: Final = {
    "about": N_("About"), "property": N_("What is said of it"), "value": N_("Value"), "text": N_("In a few words"),
    "valid": N_("When"), "place": N_("Where"), "speaker": N_("Said by"),
}  # fmt: skip
_CHOICES: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "access": (ACCESS, "unknown"), "voluntariness": (VOLUNTARINESS, "unknown"), "stance": (STANCES, "allegation"),
    "polarity": (POLARITIES, "affirmed"),
}  # fmt: skip


def _canonical(text: str) -> str:
    """A handle as it is recorded, however it was typed; anything else as it is."""
    try:
        return str(ids.parse(text))
    except BadHandle:
        return text


def refuse_sealed(session: Session, passage: Passage | None, said: Iterable[Said]) -> None:
    """Where the identities are open, refuse sealed names in the words of a new passage and of claims.

    Raises NameInQuote, NameInWords.
    """
    sealed = sealed_names(session)
    if sealed is None:
        return
    if passage is not None and (found := sealed.find(passage.text)):
        raise NameInQuote(handles=", ".join(sorted({one.person for one in found})))
    for number, one in enumerate(said, 1):
        words = f"{one.claim.text}\n{one.claim.value}\n{one.claim.speaker}"
        refuse_names(session, {_("claim {number}").format(number=number): words})
