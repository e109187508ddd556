"""The record's data: entities, claims, links, assessments, consents, identities. Plain values, no I/O.

Invariant: nothing here has a field for a person's orientation, religion, ethnicity or opinion. A ground of persecution is
the value of a claim whose subject is an act (property ``ground``), as the perpetrator perceived it. Whatever identifies a
person lives in ``Identity`` alone, which is sealed to the compartment ``identities``.

Every class has ``to_row`` (a list of scalars and lists, the canonical part encoding, type@version in ``TYPE``) and
``from_row``; fields are only ever appended, so that an older row reads as the newer class with defaults.
"""

from dataclasses import dataclass, field, fields
from functools import cache
from operator import attrgetter
from typing import Any, ClassVar, Self

from amparo.kernel.i18n import N_

AFFIRMED, DENIED = N_("affirmed"), N_("denied")
POLARITIES = (AFFIRMED, DENIED)
ACCESS = (N_("direct"), N_("hearsay"), N_("inferred"), N_("official"), N_("document"), N_("unknown"))
VOLUNTARINESS = (N_("free"), N_("custodial"), N_("suspected coerced"), N_("unknown"))
STANCES = (
    N_("allegation"), N_("finding"), N_("denial"), N_("official"), N_("report"), N_("position"), N_("sanction"),
    N_("complaint"), N_("rebuttal"), N_("possibly coerced"),
)  # fmt: skip
LINKS = (N_("supports"), N_("contradicts"), N_("explains"), N_("retracts"), N_("same origin"), N_("undercuts"))
BASES = (N_("published source"), N_("consent"), N_("unknown"))
PURPOSES = (N_("record"), N_("advocacy"), N_("complaint"), N_("prosecution"), N_("publication"), N_("casework"), N_("research"))
AUDIENCES = (N_("team"), N_("coalition"), N_("court"), N_("un body"), N_("government"), N_("press"), N_("public"))


class Row:
    """Shared ``to_row``/``from_row`` for the flat dataclasses below (tuples become lists)."""

    TYPE: ClassVar[str]

    def to_row(self) -> list[Any]:
        values = _values(type(self))(self)  # type: ignore[arg-type]
        return [list(value) if isinstance(value, (list, tuple)) else value for value in values]

    @classmethod
    def from_row(cls, row: list[Any]) -> Self:
        known = len(fields(cls))  # type: ignore[arg-type]
        return cls(*row[:known])


@cache
def _values(kind: type) -> "attrgetter[tuple[Any, ...]]":
    """All fields of a row's class in one call: ``astuple`` copies deeply, which a million claims feel."""
    return attrgetter(*(field.name for field in fields(kind)))


@dataclass(slots=True)
class Entity(Row):
    """Something claims are about. ``handle`` as in kernel.ids; ``type`` a term of the kind's vocabulary.

    ``label`` is a published name (institutions, places, officials) and stays empty for a person whose name is sealed;
    ``key`` is the key of the imported row (``F047``, ``V-001``), unique within ``dataset``; ``parent`` a handle (an act's
    event, a passage's source, a place's wider place); ``official`` marks a person named by published sources in office.
    ``basis`` (sources only) is one of BASES; ``date`` a canonical partial date; ``locator`` where in the parent it is.
    """

    TYPE: ClassVar[str] = "entities@1"
    handle: str
    kind: str
    type: str = ""
    label: str = ""
    key: str = ""
    dataset: str = ""
    parent: str = ""
    official: bool = False
    basis: str = ""
    date: str = ""
    locator: str = ""


@dataclass(slots=True)
class Claim(Row):
    """Who says what, about whom, where in which source, how they know it, how freely they spoke.

    ``handle`` C-n; ``subject`` a handle; ``property`` a key of the property vocabulary; ``value`` a handle, a term, a number,
    a partial date or text, as the property says; ``text`` the sentence in our words (or the speaker's, if ``verbatim``);
    ``valid`` when it holds (canonical partial date); ``place`` and ``speaker`` handles (a speaker may be a word: "witnesses");
    ``source`` a handle S-n, ``passage`` Q-n or "", ``locator`` page, row, second or region; ``person`` the handle whose part
    this claim belongs to when it tells of one affected person; ``supersedes`` C-n with ``reason``; ``recorded`` = milliseconds
    since 1970 UTC, claimed by the recording device.
    """

    TYPE: ClassVar[str] = "claims@1"
    handle: str
    subject: str
    property: str
    value: str = ""
    text: str = ""
    polarity: str = AFFIRMED
    valid: str = ""
    place: str = ""
    source: str = ""
    passage: str = ""
    locator: str = ""
    speaker: str = ""
    access: str = "unknown"
    voluntariness: str = "unknown"
    stance: str = "allegation"
    verbatim: bool = False
    language: str = ""
    person: str = ""
    key: str = ""
    dataset: str = ""
    supersedes: str = ""
    reason: str = ""
    recorded: int = 0


@dataclass(slots=True)
class Link(Row):
    """A relation between two claims; ``kind`` one of LINKS."""

    TYPE: ClassVar[str] = "links@1"
    handle: str
    kind: str
    of: str
    to: str
    reason: str = ""
    key: str = ""
    dataset: str = ""


@dataclass(slots=True)
class Assessment(Row):
    """A dated, reasoned claim about claims: proposition, standard of proof, outcome, claims for and against (C-n)."""

    TYPE: ClassVar[str] = "assessments@1"
    handle: str
    proposition: str
    standard: str
    outcome: str
    reasons: str
    assessor: str
    date: str
    claims_for: list[str] = field(default_factory=list)
    claims_against: list[str] = field(default_factory=list)
    supersedes: str = ""
    key: str = ""
    dataset: str = ""


@dataclass(slots=True)
class Consent(Row):
    """What one person allows for one source (S-n, or "" for all): purposes x audiences until a day; or its withdrawal.

    ``names`` lists audiences to which the person's own name may go out; empty for nearly everyone.
    """

    TYPE: ClassVar[str] = "consents@1"
    person: str
    source: str = ""
    purposes: list[str] = field(default_factory=list)
    audiences: list[str] = field(default_factory=list)
    until: str = ""
    withdrawn: bool = False
    names: list[str] = field(default_factory=list)
    how: str = ""
    recorded: int = 0
    key: str = ""
    dataset: str = ""


@dataclass(slots=True)
class SavedSearch(Row):
    """A search somebody wants to make again: ``id`` random; ``filters`` [name, value] pairs; ``saved`` ms since 1970 UTC."""

    TYPE: ClassVar[str] = "searches@1"
    id: str
    name: str = ""
    words: str = ""
    filters: list[list[str]] = field(default_factory=list)
    saved: int = 0


@dataclass(slots=True)
class Name:
    """One name of a person, as written: ``kind`` name, alias, patronymic form, nickname; ``script`` Latn, Cyrl, Arab."""

    text: str
    kind: str = "name"
    script: str = ""
    language: str = ""


@dataclass(slots=True)
class Identity:
    """Whatever identifies a person. Sealed to ``identities``; never in the record, its indexes, logs or errors.

    ``contacts``: [kind, value] pairs (telephone, e-mail, account, address); ``documents``: [kind, number] pairs.
    """

    TYPE: ClassVar[str] = "identities@1"
    person: str
    names: list[Name] = field(default_factory=list)
    contacts: list[list[str]] = field(default_factory=list)
    documents: list[list[str]] = field(default_factory=list)
    birth: str = ""
    note: str = ""
    made_up: bool = False

    def to_row(self) -> list[Any]:
        names = [[name.text, name.kind, name.script, name.language] for name in self.names]
        return [self.person, names, self.contacts, self.documents, self.birth, self.note, self.made_up]

    @classmethod
    def from_row(cls, row: list[Any]) -> Self:
        return cls(row[0], [Name(*name) for name in row[1]], *row[2:7])


@dataclass(slots=True)
class Passage(Row):
    """The words of a source at one place (testimony compartment): ``handle`` Q-n, ``source`` S-n, text as it stands."""

    TYPE: ClassVar[str] = "passages@1"
    handle: str
    source: str
    locator: str = ""
    text: str = ""
    language: str = ""
