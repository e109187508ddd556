"""Claims that are weakened by how, by whom or about whom they were said: each kind of rule of ``rules.yaml`` as a function.

Invariants: as ``verify.contradictions``. What is undercut is not false: it shows that it was said.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from amparo.record.bulk import Said
from amparo.verify import times
from amparo.verify.rules import Rule, Rules
from amparo.verify.statements import Finding, days_of
from amparo.verify.times import Level

UNDERCUTS: Final = "undercuts"


def of_claim(rules: Rules, said: Said, accused: Mapping[str, str]) -> Iterator[Finding]:
    """What undercuts one claim by itself. ``accused``: party -> the claim that accuses it or its side (``sides``)."""
    for rule in rules.undercuts:
        told = {"subject": said.subject, "one": said.handle, "speaker": said.speaker}
        if rule.kind == "spoken" and said.voluntariness in rule.list("voluntariness"):
            yield _finding(rule, Level.CERTAIN, said, "", {**told, "why": said.voluntariness})
        elif rule.kind == "denial" and said.stance in rule.list("stances") and said.access in rule.list("access"):
            if accused.get(said.speaker, said.handle) == said.handle:  # else the rule below says more
                yield _finding(rule, Level.CERTAIN, said, "", told)
        elif rule.kind == "accused" and said.stance in rule.list("stances") and said.speaker in accused:
            by = accused[said.speaker]
            if by != said.handle:
                yield _finding(rule, Level.PROBABLE, said, by, {**told, "other": by})


def sides(accusing: Iterable[Said], relations: Iterable[Said]) -> dict[str, str]:
    """Who is accused, and whoever stands one step above or below: party -> the claim that says so.

    ``accusing``: claims of the properties that a rule calls ``accusing``; ``relations``: of those it calls ``relations``.
    """
    first = {said.value: said.handle for said in sorted(accusing, reverse=True) if said.affirmed and said.value}
    found = dict(first)
    for said in sorted(relations):
        if said.affirmed:
            for one, other in ((said.subject, said.value), (said.value, said.subject)):
                if other in first:
                    found.setdefault(one, first[other])
    return found


def of_person(rules: Rules, person: str, claims: Sequence[Said], identities: Sequence[Said]) -> Iterator[Finding]:
    """What undercuts claims about one person. ``identities``: claims whose value is the person and whose property is that of a
    stand-in rule or one of its ``kin``.
    """
    for rule in rules.undercuts:
        if rule.kind == "custody":
            yield from _custody(rules, rule, person, claims)
        elif rule.kind == "standin":
            yield from _standin(rules, rule, person, claims, identities)


def _custody(rules: Rules, rule: Rule, person: str, claims: Sequence[Said]) -> Iterator[Finding]:
    """What persons say of themselves while somebody has them in custody; by another claim than their own."""
    held = [said for said in sorted(claims) if said.speaker != person and rules.in_state(rule.more["state"], said, person)]
    for said in sorted(claims):
        if said.speaker != person or said.property not in rule.list("properties"):
            continue
        here = days_of(said)
        shares = [(times.together(here, there), one) for one in held if here and (there := days_of(one))]
        if shares and (share := max(one for one, _by in shares)) > 0:
            by = next(one for found, one in shares if found == share)
            told = {"one": said.handle, "other": by.handle, "speaker": person, "other_date": by.valid, "subject": person}
            yield _finding(rule, Level.of(share), said, by.handle, told)


def _standin(rules: Rules, rule: Rule, person: str, claims: Sequence[Said], identities: Sequence[Said]) -> Iterator[Finding]:
    """A person is said to live because somebody was shown as them, whom another claim knows for somebody else."""
    shown = [said for said in sorted(identities) if said.property == rule.more["property"] and said.value == person]
    for identity in (said for said in shown if said.affirmed):
        doubts = [
            said for said in sorted(identities)
            if said.subject == identity.subject and said.speaker != identity.speaker
            and (said.property in rule.list("kin") if said.affirmed else said.property == identity.property)
        ]  # fmt: skip
        if not doubts:
            continue
        by = min(doubts, key=lambda said: (said.affirmed, said.handle))
        for said in sorted(claims):
            if rules.in_state(rule.more["state"], said, person) is None or said.speaker != identity.speaker:
                continue
            here, there = days_of(said), days_of(identity)
            if here and there and not times.together(here, there):
                continue
            told = {"one": said.handle, "other": by.handle, "subject": person, "shown": identity.subject}
            yield _finding(rule, Level.CERTAIN, said, by.handle, told)


def _finding(rule: Rule, level: Level, said: Said, by: str, told: dict[str, str]) -> Finding:
    return Finding(rule.id, UNDERCUTS, level, said.subject, by, said.handle, told, ((by, said.handle),) if by else ())

