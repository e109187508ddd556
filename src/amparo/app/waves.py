"""Waves in the dated acts of the record: what is counted, what others assert, and what the model can tell.

Invariants: an act counts on the day it happened, not when it was told; what somebody calls a wave is an assertion, shown as
such and never counted as an act. Counts go to the model, never a person and never a ground.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from amparo.analysis import waves
from amparo.analysis.waves import Events, Waves
from amparo.analysis.waves_made_up import three_waves
from amparo.app.people import one_of, require
from amparo.app.session import Session, check_stop
from amparo.kernel import dates
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_
from amparo.record import bulk, vocabulary
from amparo.record.aggregates import first_and_last
from amparo.record.bulk import Said

ASSERTED: Final = "wave of arrests"
"""Type of an event by which a source asserts a wave."""
_DATING: Final = ("type of act", "occurred")
_LONGEST: Final = 5_000  # days that are looked at together
_DEMONSTRATION: Final = 20_171

Progress = Callable[[int, int], None]


class NothingDated(BadInput):
    template = N_("No act that was asked for has a date, so there is nothing to count. Date acts, or ask for others.")


class TooLong(BadInput):
    template = N_("The acts span {days} days; at most {most} can be looked at together. Choose a part with --from and --to.")


@dataclass(frozen=True, slots=True)
class Assertion:
    """Somebody says that there was a wave: the event, the claim, its date and source."""

    event: str
    claim: str
    when: str
    source: str


@dataclass(slots=True)
class Counted:
    """Acts as events for the model; ``asserted`` waves beside; ``undated`` acts that could not be counted; ``within``
    acts of asserted waves, which are left out.
    """

    first: list[int] = field(default_factory=list)
    last: list[int] = field(default_factory=list)
    reported: list[int] = field(default_factory=list)
    source: list[str] = field(default_factory=list)
    asserted: list[Assertion] = field(default_factory=list)
    undated: int = 0
    within: int = 0


def count(session: Session, *, acts: Sequence[str] = (), place: str = "", progress: Progress | None = None) -> Counted:
    """The dated acts of some types (of all without any), in one place or what lies in it. Raises NotOneOf, UnknownHandle."""
    for act in acts:
        one_of(act, vocabulary.load().terms("act"), "type of act")
    place = require(session, place, "place") if place else ""
    inside = bulk.containing(session.record)
    found = Counted(asserted=list(_assertions(session)))
    told = {one.event for one in found.asserted}
    asserted = {act for act, event in bulk.acts(session.record) if event in told}
    published = _published(session)
    total, done = session.record.counts().get("claims", 0), 0
    for number, (subject, claims) in enumerate(bulk.by_subject(session.record)):
        if number % 500 == 0:
            check_stop()
            if progress:
                progress(done, total)
        done += len(claims)
        if not subject.startswith("A-"):
            continue
        if _wanted(claims, acts, place, inside):
            if subject in asserted:
                found.within += 1
            else:
                _add(found, claims, published)
    return found


def _wanted(claims: Sequence[Said], acts: Sequence[str], place: str, inside: Callable[[str, str], bool]) -> bool:
    types = {said.value for said in claims if said.property == "type of act" and said.affirmed}
    if not types or (acts and not types & set(acts)):
        return False
    return not place or any(inside(said.place, place) for said in claims if said.place)


def _add(found: Counted, claims: Sequence[Said], published: dict[str, int]) -> None:
    """One act: its narrowest date, told by the source of the claim that gives it."""
    dated = [
        (last - first, said.handle, first, last, said)
        for said in claims
        if said.property in _DATING and said.affirmed and (bounds := first_and_last(said.valid)) is not None
        and (first := bounds[0]) is not None and (last := bounds[1]) is not None
    ]  # fmt: skip
    if not dated:
        found.undated += 1
        return
    _wide, _handle, first, last, said = min(dated)
    found.first.append(first)
    found.last.append(last)
    found.source.append(said.source)
    found.reported.append(max(last, published[said.source]) if said.source in published else -1)


def _published(session: Session) -> dict[str, int]:
    """Sources whose own day is known: when what they tell became known."""
    found = {}
    for entity in session.record.entities("source"):
        bounds = first_and_last(entity.date) if entity.date else None
        if bounds and bounds[0] is not None and bounds[0] == bounds[1] and not bounds[2]:
            found[entity.handle] = bounds[0]
    return found


def _assertions(session: Session) -> Iterator[Assertion]:
    for entity in session.record.entities("event"):
        for said in bulk.of_thing(session.record, entity.handle, ("event type",)):
            if said.value == ASSERTED and said.affirmed:
                yield Assertion(entity.handle, said.handle, said.valid, said.source)


def look(
    counted: Counted, *, since: str = "", until: str = "", states: int = 2, seed: int = 1, progress: Progress | None = None
) -> Waves:  # fmt: skip
    """What the model tells of the counted acts between two partial dates. Raises NothingDated, TooLong, BadDate, BadEvents."""
    low = dates.parse(since).days()[0] if since else None
    high = dates.parse(until).days()[1] if until else None
    kept = [
        at for at, (first, last) in enumerate(zip(counted.first, counted.last, strict=True))
        if (low is None or last >= low) and (high is None or first <= high)
    ]  # fmt: skip
    if not kept:
        raise NothingDated
    begin = min(counted.first[at] for at in kept) if low is None else low
    end = max(counted.last[at] for at in kept) if high is None else high
    if end - begin >= _LONGEST:
        raise TooLong(days=end - begin + 1, most=_LONGEST)
    events = Events.of(
        [counted.first[at] for at in kept], [counted.last[at] for at in kept], [counted.reported[at] for at in kept],
        [counted.source[at] for at in kept],
    )  # fmt: skip

    def looking(done: int, total: int) -> None:
        check_stop()
        if progress:
            progress(done, total)

    as_of = max((counted.reported[at] for at in kept), default=-1)
    return waves.find(
        events, first=begin, last=end, as_of=as_of if as_of >= 0 else None, settings=waves.Settings(states=states), seed=seed,
        progress=looking,
    )  # fmt: skip


def demonstration() -> tuple[Counted, tuple[tuple[str, str], ...]]:
    """A generated population of three waves in three years, and the true days of each; made up, always the same."""
    made = three_waves(_DEMONSTRATION, expected=335, delay=20.0, coarse=0.2)
    events = made.events
    counted = Counted(
        [int(one) for one in events.first], [int(one) for one in events.last], [int(one) for one in events.reported],
        [events.sources[one] for one in events.source],
    )  # fmt: skip
    return counted, tuple((date.fromordinal(low).isoformat(), date.fromordinal(high).isoformat()) for low, high in made.waves)
