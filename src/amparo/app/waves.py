"""The waves of the record: acts by the day they happened, looked at for stretches with more of them; what others assert, apart.

Invariants: an act counts once, on the narrowest date that a claim or the act itself bears; it goes with a source only if that
source alone tells of it. What a source asserts to be a wave is listed as its assertion and never counted as acts. Sources are
named by handle.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from amparo.analysis import waves as analysis
from amparo.analysis import waves_made_up
from amparo.analysis.waves import Events, Wave, Waves, Why
from amparo.analysis.waves_parts import WIDEST
from amparo.app.session import Session, check_stop, now_ms, stops_when_asked
from amparo.kernel import dates
from amparo.kernel.errors import NotFound
from amparo.kernel.i18n import N_
from amparo.record import aggregates
from amparo.record.aggregates import ToldAct

MOST_CLAIMS: Final = 500_000
SEED: Final = 1
_PLACES: Final = 100_000
_WAVES: Final = ("wave of arrests", "round-up", "new cases", "renewed reports")
"""Types of events that assert a wave."""
_MADE_UP: Final = 300
"""Acts of the demonstration, about."""
_ABOUT: Final = 15
"""Days on either side that “about” a day may mean."""
_DAY: Final = 86_400_000
_EPOCH: Final = date(1970, 1, 1).toordinal()

REASONS: Final = {
    Why.FEW: N_("there are fewer than twenty dated acts"),
    Why.COARSE: N_("fewer than twenty acts are dated to the day; the others only by month, year or span"),
    Why.STEADY: N_("a steady rate explains the acts nearly as well as waves do"),
    Why.NO_WAVE: N_("no wave stands: none is probable without resting on a single source or on the recent tail"),
    Why.CHAINS: N_("the computation did not settle: its chains disagree"),
    Why.IMPROBABLE: N_("it is not probable enough"),
    Why.DIFFUSE: N_("its bounds cannot be told within a few weeks"),
    Why.SOURCE: N_("it rests on one source: without it the wave is gone, so it may be that source's work and not a wave"),
    Why.TAIL: N_("it lies in the recent past, of which less than half is likely to have been reported yet"),
}
WHOLE: Final = {**REASONS, Why.DIFFUSE: N_("most bounds of what looks like waves cannot be told within a few weeks")}

Progress = Callable[[int, int], None]


class NoSuchPlace(NotFound):
    template = N_("There is no place {place} in the record; `amparo search` finds places, their ids look like L-0001.")


@dataclass(frozen=True, slots=True)
class Asserted:
    """A wave that a source asserts: the event, its date, by whom (handle of the source) and in which claim."""

    event: str
    label: str
    date: str
    source: str
    claim: str


@dataclass(frozen=True, slots=True)
class Report:
    """``found`` None where no act bears a date that can be used; ``undated`` acts without one. ``truth``: of a made-up
    population, the days of its waves as ordinals. ``more``: claims beyond MOST_CLAIMS were not looked at.
    """

    found: Waves | None
    acts: int
    undated: int
    asserted: tuple[Asserted, ...]
    made_up: bool = False
    truth: tuple[tuple[int, int], ...] = ()
    more: bool = False

    @property
    def why(self) -> tuple[str, ...]:
        """Why it is not determinable, in English for gettext; empty if it is."""
        if self.found is None:
            return (REASONS[Why.FEW],)
        return tuple(WHOLE[one] for one in self.found.why)

    def as_json(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        data: dict[str, Any] = {
            "made_up": self.made_up, "acts": self.acts, "undated": self.undated, "not_all": self.more,
            "determinable": not self.why, "why": list(self.why),
            "asserted": [{"event": one.event, "date": one.date, "source": one.source, "claim": one.claim}
                         for one in self.asserted],
        }  # fmt: skip
        if self.truth:
            data["truth"] = [[day(low), day(high)] for low, high in self.truth]
        return data if self.found is None else data | _figures(self.found)


def day(ordinal: int) -> str:
    """A day as it is written everywhere."""
    return date.fromordinal(ordinal).isoformat()


def _figures(found: Waves) -> dict[str, Any]:
    evidence = None if found.evidence != found.evidence else round(found.evidence, 2)
    return {
        "first": day(found.first), "last": day(found.last), "counted": found.counted, "spread": found.spread,
        "left_out": found.left_out, "log10_bayes_factor": evidence, "waves": [_wave(one) for one in found.waves],
        "without_source": [{"source": one.source, "events": one.events, "share": round(one.share, 3)} for one in found.refits],
        "diagnostics": {name: round(value, 4) for name, value in found.diagnostics.items()}, "settings": found.settings,
        "probability": [round(float(one), 3) for one in found.probability] if found.waves else None,
        "reported": [round(float(one), 3) for one in found.reported],
    }  # fmt: skip


def _wave(wave: Wave) -> dict[str, Any]:
    return {
        "start": day(wave.start), "start_band": [day(one) for one in wave.start_band], "end": day(wave.end),
        "end_band": [day(one) for one in wave.end_band], "probability": round(wave.probability, 3),
        "rate": [round(one, 4) for one in wave.rate], "times": [round(one, 2) for one in wave.times],
        "events": round(wave.events, 1), "open_start": wave.open_start, "open_end": wave.open_end, "stands": wave.stands,
        "why": [REASONS[one] for one in wave.why], "source": wave.source,
        "without": {name: round(kept, 3) for name, kept in wave.without.items()},
    }  # fmt: skip


# -- acts ---------------------------------------------------------------------------------------------------------------


def look(
    session: Session, *, start: str = "", end: str = "", place: str = "", kind: str = "", seed: int = SEED,
    progress: Progress | None = None,
) -> Report:  # fmt: skip
    """The waves of the acts of one ``kind`` ("": all) at a ``place`` or within it ("": anywhere).

    ``start``, ``end``: partial dates, from and up to. Raises BadDate, NoSuchPlace, BadEvents.
    """
    first = dates.parse(start).days()[0] if start else None
    last = dates.parse(end).days()[1] if end else None
    told = aggregates.acts_told(session.record, MOST_CLAIMS + 1)
    more, told = len(told) > MOST_CLAIMS, told[:MOST_CLAIMS]
    within = _within(session, place) if place else None
    wanted = [one for one in told if (within is None or one.place in within) and kind in ("", one.type)]
    events, undated = _events(session, wanted)
    number = len(events.first) + undated
    asserted = _asserted(session)
    if not (events.last - events.first < WIDEST).any():
        return Report(None, number, undated, asserted, more=more)
    with stops_when_asked():
        as_of = now_ms() // _DAY + _EPOCH
        found = analysis.find(events, first=first, last=last, as_of=as_of, seed=seed, progress=_stoppable(progress))
    return Report(found, number, undated, asserted, more=more)


def demonstration(*, seed: int = SEED, progress: Progress | None = None) -> Report:
    """The same of a made-up population with three true waves; no record is read."""
    made = waves_made_up.three_waves(seed, expected=_MADE_UP, coarse=0.2, delay=30.0)
    with stops_when_asked():
        found = analysis.find(made.events, as_of=made.as_of, seed=seed, progress=_stoppable(progress))
    return Report(found, len(made.events.first), 0, (), made_up=True, truth=made.waves)


def _stoppable(progress: Progress | None) -> Progress:
    def told(done: int, of: int) -> None:
        check_stop()
        if progress is not None:
            progress(done, of)

    return told


def _within(session: Session, place: str) -> set[str]:
    """A place and all that lies in it. Raises NoSuchPlace."""
    known = {one.handle: one.parent for one in aggregates.places(session.record, _PLACES)}
    if place not in known:
        raise NoSuchPlace(place=place)
    inside = {place}
    grown = True
    while grown:
        more = {handle for handle, parent in known.items() if parent in inside} - inside
        inside, grown = inside | more, bool(more)
    return inside


def _events(session: Session, told: Iterable[ToldAct]) -> tuple[Events, int]:
    """(acts with a date that has two ends, number of those without)."""
    by_act: defaultdict[str, list[ToldAct]] = defaultdict(list)
    for one in told:
        by_act[one.act].append(one)
    own = aggregates.dates_of(session.record, by_act)
    published = aggregates.dates_of(session.record, {one.source for one in told if one.source})
    rows: list[tuple[int, int, int, str]] = []
    for act, claims in by_act.items():
        spans = [span for text in (own.get(act, ""), *(one.valid for one in claims)) if (span := _span(text))]
        if spans:
            low, high = min(spans, key=lambda span: (span[1] - span[0], span))
            sources = {one.source for one in claims}
            rows.append((low, high, _known_on(claims, published), sources.pop() if len(sources) == 1 else ""))
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    return Events.of(*columns), len(by_act) - len(rows)


def _span(text: str) -> tuple[int, int] | None:
    known = aggregates.first_and_last(text) if text else None
    if known is None:
        return None
    low, high, about = known
    if low is None or high is None:
        return None
    return (low - _ABOUT, high + _ABOUT) if about else (low, high)


def _known_on(claims: Iterable[ToldAct], published: dict[str, str]) -> int:
    """The day an act became known: the earliest on which a source that tells of it was made, or a claim was recorded."""
    days = [span[1] if (span := _span(published.get(one.source, ""))) else _recorded(one.recorded) for one in claims]
    return min((one for one in days if one > 0), default=-1)


def _recorded(moment: int) -> int:
    return moment // _DAY + _EPOCH if moment > 0 else -1


def _asserted(session: Session) -> tuple[Asserted, ...]:
    """What sources call waves, round-ups or new cases."""
    told = [one for one in aggregates.told_by_property(session.record, ["event type"], MOST_CLAIMS)
            if one.value in _WAVES and one.polarity != "denied"]  # fmt: skip
    named = aggregates.named(session.record, {one.subject for one in told})
    return tuple(
        Asserted(one.subject, named[one.subject].label if one.subject in named else "", one.valid, one.source, one.handle)
        for one in sorted(told, key=lambda one: (one.valid, one.handle))
    )
