"""What a dossier takes out of the record: claims that may be printed, each with its words, its home and its day.

Invariants: superseded claims are left out, retracted ones are marked. The ground of an act is taken only from acts whose
victims are groups and which tell of no single person; words that name a ground are masked in whatever is linked to a person who
is not in office. Only the view's own questions are asked.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from amparo.kernel import dates, ids
from amparo.kernel.errors import BadDate
from amparo.kernel.i18n import N_, _
from amparo.record import ground, vocabulary
from amparo.record.model import DENIED, Claim, Entity
from amparo.record.view import RETRACTED, SUPERSEDED, RecordView, StoredClaim

LAST_DAY = 1 << 40
OFFICES = ("office held", "commands", "in charge of", "member of")
RETRACTED_STANCE = "retracted"
_MASKED = ("text", "value", "reason", "locator", "speaker")


@dataclass(frozen=True, slots=True)
class Told:
    """A claim as it is printed, and where it lies in the ledger (device, sequence number, part)."""

    claim: Claim
    origin: tuple[int, int, int]
    retracted: bool

    @property
    def stance(self) -> str:
        """The stance to print before it."""
        return RETRACTED_STANCE if self.retracted else self.claim.stance

    @property
    def order(self) -> int:
        """Place among all claims."""
        return ids.parse(self.claim.handle).packed


class Gathered:
    """The record as the dossier sees it. Reads once, answers often."""

    def __init__(self, view: RecordView, events: Collection[str] = ()) -> None:
        """All of it, or with ``events`` (handles) what tells of them: see ``_choose``."""
        self.view = view
        found_entities = view.entities()
        self.handle_of = {e.key: e.handle for e in found_entities if e.kind == "person" and not e.official and e.key}
        self._codes = re.compile(r"(?<![\w-])(?:" + "|".join(map(re.escape, self.handle_of)) + r")(?![\w-])")
        self.entities: dict[str, Entity] = {e.handle: replace(e, label=self.by_handle(e.label)) for e in found_entities}
        self.by_subject: dict[str, list[Told]] = {}
        for handle, entity in self.entities.items():
            found = [self._told(stored) for stored in self._stored(entity) if stored.status != SUPERSEDED]
            if found:
                self.by_subject[handle] = found
        self.told: dict[str, Told] = {told.claim.handle: told for found in self.by_subject.values() for told in found}
        if events:
            self._choose(events)

    def _choose(self, events: Collection[str]) -> None:
        """Keep what tells of the events and of what belongs to them, whatever stands in one passage with it or speaks for or
        against it, and the offices of those it names: nobody can leave a denial out by choosing.
        """
        within = [handle for handle in self.by_subject if self._within(handle, events)]
        kept = self._whole_passages({told.claim.handle for handle in within for told in self.by_subject[handle]})
        linked = {end for claim in kept for link in self.view.links(claim) for end in (link.of, link.to)}
        kept = self._whole_passages(kept | linked & self.told.keys())
        named = {self.told[claim].claim.value for claim in kept}
        offices = {told.claim.handle for handle in named & self.by_subject.keys() for told in self.by_subject[handle]
                   if told.claim.property in OFFICES}  # fmt: skip
        kept |= offices
        chosen = {handle: [told for told in found if told.claim.handle in kept] for handle, found in self.by_subject.items()}
        self.by_subject = {handle: found for handle, found in chosen.items() if found}
        self.told = {claim: told for claim, told in self.told.items() if claim in kept}

    def _whole_passages(self, claims: set[str]) -> set[str]:
        """The claims, and those of the same passages: sentences lean on each other."""
        passages = {self.told[claim].claim.passage for claim in claims} - {""}
        return claims | {claim for claim, told in self.told.items() if told.claim.passage in passages}

    def _within(self, handle: str, events: Collection[str]) -> bool:
        """True if the thing is one of the events or belongs to one, through however many others."""
        seen: set[str] = set()
        while handle not in seen:
            if handle in events:
                return True
            seen.add(handle)
            entity = self.entities.get(handle)
            handle = entity.parent if entity is not None else handle
        return False

    def by_handle(self, text: str) -> str:
        """A text as printed: affected persons by handle, also where a table of ours called them by its own code (``V-004``)."""
        return self._codes.sub(lambda match: self.handle_of[match[0]], text) if self.handle_of else text

    def _stored(self, entity: Entity) -> Iterator[StoredClaim]:
        claims = self.view.claims(subject=entity.handle)
        yield from claims
        if entity.kind == "act" and not any(self._personal(stored.claim) for stored in claims):
            yield from (stored for stored in self.view.ground_of(entity.handle) if not self._personal(stored.claim))

    def affected(self, handle: str) -> bool:
        """True for a person whose name is not a published one."""
        entity = self.entities.get(handle)
        return handle.startswith("P-") and not (entity is not None and entity.official)

    def _personal(self, claim: Claim) -> bool:
        return bool(claim.person) or any(map(self.affected, (claim.subject, claim.value, claim.speaker)))

    def _linked(self, claim: Claim) -> bool:
        """True if a ground named in the claim would stick to one person."""
        return self._personal(claim) or claim.subject.startswith("P-") or self._of_one(claim.subject)

    def _of_one(self, handle: str) -> bool:
        """True for an act against one person, and for an involvement in such an act."""
        entity = self.entities.get(handle)
        if entity is None or entity.kind not in ("act", "involvement"):
            return False
        if handle not in self._single:
            own = entity.kind == "act" and any(self._personal(stored.claim) for stored in self.view.claims(subject=handle))
            self._single[handle] = own or self._of_one(entity.parent)
        return self._single[handle]

    @cached_property
    def _single(self) -> dict[str, bool]:
        return {}

    def _told(self, stored: StoredClaim) -> Told:
        claim = stored.claim
        claim = claim if claim.verbatim else replace(claim, text=self.by_handle(claim.text))
        if self._linked(claim):
            claim = replace(claim, **{name: ground.mask(getattr(claim, name)) for name in _MASKED})  # type: ignore[arg-type]
        return Told(claim, (stored.origin.device, stored.origin.seq, stored.origin.part), stored.status == RETRACTED)

    # -- words ---------------------------------------------------------------------------------------------------------

    def label(self, handle: str) -> str:
        """What a reader calls it: its published label, a person's key in the sources' tables, or its handle."""
        entity = self.entities.get(handle)
        if entity is None:
            return handle
        return (handle if self.affected(handle) else entity.label) or handle

    def sentence(self, claim: Claim) -> str:
        """The claim's own words, in quotation marks if verbatim; where it has none, property and value in words."""
        if claim.text:
            return _("“{words}”").format(words=claim.text) if claim.verbatim else claim.text
        terms = vocabulary.load()
        known = terms.property(claim.property)
        value = self.label(claim.value)
        if known and known.value.startswith("term:"):
            value = terms.label(known.value.removeprefix("term:"), claim.value)
        words = f"{terms.property_label(claim.property)}: {value}" if value else terms.property_label(claim.property)
        template = N_("{subject}: denied: {words}.") if claim.polarity == DENIED else N_("{subject}: {words}.")
        return _(template).format(subject=self.label(claim.subject), words=words)

    # -- homes ---------------------------------------------------------------------------------------------------------

    def home(self, handle: str) -> str:
        """The event, proceeding, measure, position or intervention a thing belongs to; "" for persons, groups and places."""
        seen: set[str] = set()
        while (entity := self.entities.get(handle)) is not None and handle not in seen:
            if entity.kind in ("act", "involvement"):
                seen.add(handle)
                handle = entity.parent
                continue
            if entity.kind == "position" and entity.parent:
                return entity.parent
            return handle if entity.kind in ("event", "proceeding", "measure", "position", "intervention") else ""
        return ""


def first_day(text: str) -> int:
    """The first possible day of a partial date as an ordinal, for sorting; what has none comes last."""
    try:
        known = dates.parse(text)
    except BadDate:
        return LAST_DAY
    low, high = known.days()
    return low if low is not None else high if high is not None else LAST_DAY
