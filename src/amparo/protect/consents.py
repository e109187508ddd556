"""Who allowed what: consent by person, source, purpose, audience and day, and what the basis of a source asks for.

Invariants: nothing is allowed that no consent names; a withdrawal ends what was given before it and only a consent recorded
later gives anew; on a tie the withdrawal wins.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from amparo.kernel.dates import parse
from amparo.kernel.errors import BadDate
from amparo.kernel.i18n import N_
from amparo.record.model import Consent

PUBLISHED, CONSENT, UNKNOWN = "published source", "consent", "unknown"
NONE, WITHDRAWN, EXPIRED, OTHER_USE, GIVEN = (
    N_("no consent is recorded"), N_("consent was withdrawn"), N_("consent has expired"),
    N_("consent was given for other purposes or audiences"), N_("consent is given"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Decision:
    """``allowed`` or not, and ``reason``: an English message id of the five above."""

    allowed: bool
    reason: str


class Consents:
    """The consents of a record, the basis of each source (S-n -> one of model.BASES), and whom each source tells of.

    A source that is not in ``bases`` is of unknown basis. ``told``: S-n -> handles of the persons its claims tell of.
    """

    def __init__(
        self, consents: Iterable[Consent], bases: Mapping[str, str], told: Mapping[str, Iterable[str]] | None = None
    ) -> None:
        self._by_person: dict[str, list[Consent]] = {}
        for consent in consents:
            self._by_person.setdefault(consent.person, []).append(consent)
        self._bases = dict(bases)
        self._told = {source: frozenset(persons) for source, persons in (told or {}).items()}

    def basis(self, source: str) -> str:
        """One of model.BASES."""
        basis = self._bases.get(source, UNKNOWN)
        return basis if basis in (PUBLISHED, CONSENT) else UNKNOWN

    def told(self, source: str) -> frozenset[str]:
        """Handles of the persons the claims of ``source`` tell of."""
        return self._told.get(source, frozenset())

    def allowed(self, person: str, source: str, purpose: str, audience: str, on: date) -> Decision:
        """Whether ``person`` allows ``source`` to be used so on that day. One consent must name both purpose and audience."""
        return self._decide(person, source, purpose, audience, on, name=False)

    def name_allowed(self, person: str, sources: Iterable[str], purpose: str, audience: str, on: date) -> Decision:
        """Whether the person's own name may go out: for every one of ``sources`` that tells of them, and in any case at all."""
        telling = sorted(source for source in sources if person in self.told(source)) or [""]
        decisions = [self._decide(person, source, purpose, audience, on, name=True) for source in telling]
        return next((decision for decision in decisions if not decision.allowed), decisions[0])

    def _decide(self, person: str, source: str, purpose: str, audience: str, on: date, *, name: bool) -> Decision:
        relevant = [consent for consent in self._by_person.get(person, []) if consent.source in ("", source)]
        ends = [
            consent.recorded
            for consent in relevant
            if consent.withdrawn and _covers(consent.purposes, purpose) and _covers(consent.audiences, audience)
        ]
        given = [consent for consent in relevant if not consent.withdrawn]
        if not given:
            return Decision(False, WITHDRAWN if ends else NONE)
        standing = [consent for consent in given if not ends or consent.recorded > max(ends)]
        if not standing:
            return Decision(False, WITHDRAWN)
        fitting = [
            consent
            for consent in standing
            if purpose in consent.purposes and audience in consent.audiences and (not name or audience in consent.names)
        ]
        if not fitting:
            return Decision(False, WITHDRAWN if ends else OTHER_USE)
        if not any(_lasts(consent.until, on) for consent in fitting):
            return Decision(False, EXPIRED)
        return Decision(True, GIVEN)


def _covers(named: list[str], one: str) -> bool:
    """A withdrawal that names no purposes (audiences) ends them all."""
    return not named or one in named


def _lasts(until: str, on: date) -> bool:
    """``until`` counts to the last day it can mean; a vague or unreadable date counts to the first, or not at all."""
    if not until:
        return True
    try:
        day = parse(until)
    except BadDate:
        return False
    end = day.earliest if day.about else day.latest
    return end is not None and on <= end
