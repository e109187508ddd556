"""Claims that cannot both hold: each kind of rule of ``rules.yaml`` as a function of the claims about one person or one thing.

Invariants: claims in, findings out; the same claims in any order give the same findings. A finding is a question to somebody
who decides, never a verdict: nothing here says which of the two is true.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations, product
from typing import Any, Final

from amparo.record.bulk import Said
from amparo.verify import numbers, times
from amparo.verify.rules import Rule, Rules
from amparo.verify.statements import Finding, days_of
from amparo.verify.times import Level

CONTRADICTS: Final = "contradicts"
_ALMOST: Final = 0.999
_MOST: Final = 400  # claims on one side that are compared with each other; of one thing, under one rule
DATING: Final = ("occurred", "type of act", "event type")
"""Properties whose claims date a thing."""

Scored = tuple[float, Said, Said, dict[str, Any]]
Contains = Callable[[str, str], bool]


def _apart(_place: str, _other: str) -> bool:
    return False


def of_person(
    rules: Rules, person: str, claims: Sequence[Said], contains: Contains = _apart
) -> Iterator[Finding]:  # fmt: skip
    """What contradicts among the claims about one person and the acts against them.

    ``contains(place, other)``: whether one of two places lies in the other.
    """
    for rule in rules.contradictions:
        if rule.kind == "order":
            yield from _found(rule, person, _order(rules, rule, person, claims))
        elif rule.kind == "detention":
            yield from _found(rule, person, _detention(rule, claims))
        elif rule.kind == "places":
            yield from _found(rule, person, _places(rule, claims, contains))


def of_thing(rules: Rules, thing: str, claims: Sequence[Said]) -> Iterator[Finding]:
    """What contradicts among the claims whose subject is one thing."""
    by_property: dict[str, list[Said]] = defaultdict(list)
    for said in claims:
        by_property[said.property].append(said)
    for rule in rules.contradictions:
        if rule.kind == "denied":
            for name, several in by_property.items():
                yield from _found(rule, thing, _denied(several), property=name)
        elif rule.kind in ("exclusive", "number"):
            compare = _exclusive if rule.kind == "exclusive" else _number
            for name, several in by_property.items():
                if rule.speaks_of(name):
                    yield from _found(rule, thing, compare(rule, several), property=name)
        elif rule.kind == "pair":
            parts, wholes = by_property[rule.more["part"]], by_property[rule.more["whole"]]
            yield from _found(rule, thing, _exceeding(parts, wholes))
        elif rule.kind == "held":
            yield from _found(rule, thing, _held(rule, by_property))


def of_relation(rules: Rules, said: Said, part: Sequence[Said], whole: Sequence[Said]) -> Iterator[Finding]:
    """What contradicts between two things of which one is related to the other: the claims of ``said.subject`` (``part``) and
    of ``said.value`` (``whole``). Without a claim of its own (an act and its event) ``said.handle`` is "".
    """
    for rule in rules.contradictions:
        names = rule.list("relations") or (rule.more.get("relation"),)
        if said.property not in names or not said.affirmed:
            continue
        scored: Iterable[Scored]
        if rule.kind == "within":
            scored = _outside(part, whole)
        elif rule.kind == "cause":
            scored = _earlier(part, whole)
        else:
            prefix = rule.more["prefix"]
            counted = [one for one in part if one.property.startswith(prefix)]
            scored = [
                found for name in sorted({one.property for one in counted})
                for found in _exceeding(_named(counted, name), _named(whole, name))
            ]  # fmt: skip
        yield from _found(rule, said.subject, scored, whole=said.value)


def _named(claims: Iterable[Said], property: str) -> list[Said]:
    return [said for said in claims if said.property == property and said.affirmed]


def _found(rule: Rule, subject: str, scored: Iterable[Scored], **facts: str) -> Iterator[Finding]:
    """One finding of all pairs that a rule finds of one subject, the surest first."""
    pairs = sorted(scored, key=lambda one: (-one[0], one[1].handle, one[2].handle))
    if not pairs:
        return
    share, one, other, more = pairs[0]
    told = {
        "subject": subject, "one": one.handle, "other": other.handle, "one_value": one.value, "other_value": other.value,
        "one_date": one.valid, "other_date": other.valid, **facts, **more,
    }  # fmt: skip
    yield Finding(rule.id, CONTRADICTS, Level.of(share), subject, one.handle, other.handle, told,
                  tuple(dict.fromkeys((first.handle, second.handle) for _share, first, second, _more in pairs)))  # fmt: skip


def _some(claims: Iterable[Said]) -> list[Said]:
    """At most _MOST of them, the first by handle, so that one thing of a million claims costs no more than any other."""
    return sorted(claims)[:_MOST]


# -- persons ------------------------------------------------------------------------------------------------------------


def _order(rules: Rules, rule: Rule, person: str, claims: Iterable[Said]) -> Iterator[Scored]:
    """A state that ends all others, dated before a later one."""
    sides: dict[str, list[tuple[Said, str]]] = {"first": [], "later": []}
    for said in claims:
        for side, found in sides.items():
            day = rules.in_state(rule.more[side], said, person)
            if day and len(found) < _MOST:
                found.append((said, day))
    for (first, died), (later, seen) in product(sides["first"], sides["later"]):
        one, other = times.span(died), times.span(seen)
        if one and other and (share := times.after(other, one)) > 0:
            told = {"first": first.handle, "later": later.handle, "first_date": died, "later_date": seen}
            yield share, later, first, told


def _detention(rule: Rule, claims: Sequence[Said]) -> Iterator[Scored]:
    """An act at a place of detention, dated outside every detention of that person there."""
    acts: dict[str, list[Said]] = defaultdict(list)
    for said in claims:
        if said.affirmed and said.subject.startswith("A-"):
            acts[said.subject].append(said)
    held: dict[str, list[Said]] = defaultdict(list)
    done: list[tuple[str, Said]] = []
    for several in acts.values():
        places = {said.value for said in several if said.property == "place of detention"}
        types = [said for said in several if said.property == "type of act" and days_of(said)]
        for place, said in product(sorted(places), types):
            if said.value in rule.list("acts"):
                held[place].append(said)
            else:
                done.append((place, said))
    for place, said in done[:_MOST]:
        yield from _all_apart(said, held[place], {"place": place})


def _all_apart(said: Said, others: Sequence[Said], more: dict[str, Any]) -> Iterator[Scored]:
    """``said`` against the nearest of ``others``, if it shares no day with any of them."""
    here = days_of(said)
    dated = [(one, days_of(one)) for one in others]
    spans = [(one, when) for one, when in dated if when]
    if here is None or not spans:
        return
    share = min(times.apart(here, when) for _one, when in spans)
    if share > 0:
        nearest = min(spans, key=lambda pair: max(pair[1].first - here.last, here.first - pair[1].last))[0]
        yield share, said, nearest, more


def _places(rule: Rule, claims: Iterable[Said], contains: Contains) -> Iterator[Scored]:
    there = _some(said for said in claims if said.property == rule.more["property"] and said.affirmed and days_of(said))
    for one, other in combinations(there, 2):
        if one.value == other.value or contains(one.value, other.value) or contains(other.value, one.value):
            continue
        here, yonder = days_of(one), days_of(other)
        if here and yonder and (share := times.same_day(here, yonder)) > 0:
            yield min(share, _ALMOST), one, other, {}  # one may be taken from one to the other within a day


# -- things -------------------------------------------------------------------------------------------------------------


def _denied(claims: Iterable[Said]) -> Iterator[Scored]:
    """The same affirmed and denied, for days that can be the same."""
    sides: dict[tuple[bool, str], list[Said]] = defaultdict(list)
    for said in claims:
        sides[said.affirmed, said.value].append(said)
    for (affirmed, value), denials in list(sides.items()):
        if affirmed:
            continue
        for one, other in product(_some(sides.get((True, value), ())), _some(denials)):
            if share := _at_once(one, other):
                yield share, one, other, {}


def _at_once(one: Said, other: Said) -> float:
    """How far two claims speak of the same time: wholly without dates, by half if one has none."""
    here, there = days_of(one), days_of(other)
    if here is None or there is None:
        return 1.0 if here is there else 0.5
    return times.together(here, there)


def _exclusive(rule: Rule, claims: Iterable[Said]) -> Iterator[Scored]:
    """Values of which only one can be, at once or ever (``once``)."""
    groups = rule.more.get("groups")
    affirmed = _some(said for said in claims if said.affirmed and said.value)
    for one, other in combinations(affirmed, 2):
        if one.value == other.value or (groups and not _in_two_groups(groups, one.value, other.value)):
            continue
        if rule.more.get("dates"):
            here, there = times.span(one.value), times.span(other.value)
            share = times.apart(here, there) if here and there else 0.0
        elif rule.more.get("once"):
            share = 1.0
        else:
            here, there = days_of(one), days_of(other)
            share = min(times.same_day(here, there), _ALMOST) if here and there else 0.0  # much may change within a day
        if share > 0:
            yield share, one, other, {}


def _in_two_groups(groups: Sequence[Sequence[str]], one: str, other: str) -> bool:
    places = [next((number for number, group in enumerate(groups) if value in group), None) for value in (one, other)]
    return None not in places and places[0] != places[1]


def _number(_rule: Rule, claims: Iterable[Said]) -> Iterator[Scored]:
    for one, other in combinations(_some(said for said in claims if said.affirmed), 2):
        here, there = numbers.count(one.value), numbers.count(other.value)
        if here and there and (share := numbers.differ(here, there) * _at_once(one, other)) > 0:
            yield share, one, other, {}


def _exceeding(parts: Iterable[Said], wholes: Iterable[Said]) -> Iterator[Scored]:
    affirmed = [_some(said for said in side if said.affirmed) for side in (parts, wholes)]
    for part, whole in product(*affirmed):
        here, there = numbers.count(part.value), numbers.count(whole.value)
        if here and there and (share := numbers.exceeds(here, there)) > 0:
            yield share, part, whole, {}


def _held(rule: Rule, by_property: dict[str, list[Said]]) -> Iterator[Scored]:
    """More days than there are from the first to the last that the act is dated to; at most probable, for a date may only say
    when it began.
    """
    dated = _some(said for name in DATING for said in by_property.get(name, ()) if said.affirmed and "/" in said.valid)
    for one, other in product(_some(by_property.get(rule.more["property"], ())), dated):
        days, when = numbers.count(one.value), days_of(other)
        if one.affirmed and days and when and not when.vague and days.least > when.days + 1:
            yield 0.9, one, other, {}


# -- relations ----------------------------------------------------------------------------------------------------------


def _dated(claims: Iterable[Said]) -> list[Said]:
    return _some(said for said in claims if said.property in DATING and said.affirmed and days_of(said))


def _outside(part: Iterable[Said], whole: Iterable[Said]) -> Iterator[Scored]:
    around = _dated(whole)
    for said in _dated(part):
        yield from _all_apart(said, around, {})


def _earlier(effect: Iterable[Said], cause: Iterable[Said]) -> Iterator[Scored]:
    """An effect that is dated before every beginning of its cause."""
    causes = _dated(cause)
    for said in _dated(effect):
        here = days_of(said)
        shares = [(times.after(there, here), one) for one in causes if here and (there := days_of(one))]
        if here and shares and min(share for share, _one in shares) > 0:
            share, one = min(shares, key=lambda pair: pair[0])
            # a cause that may have gone on for long begins where its date begins
            begun = times.Span(there.first, there.first, there.vague) if (there := days_of(one)) else None
            if begun and begun.first > here.last:
                yield share, said, one, {}
