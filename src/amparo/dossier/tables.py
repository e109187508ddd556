"""What a dossier shows in tables: figures, contradictions, actors, the matrix of States and instruments.

Invariant: nothing here is concluded; a figure, a side, an office, a role is what a claim says, and names the claim. A State
of which there is no record is shown as such and never as one that refused.
"""

from collections.abc import Iterator

from amparo.dossier import states, words
from amparo.dossier.gather import OFFICES, Gathered, Told, first_day
from amparo.dossier.manifest import (
    Actor,
    Assessment,
    Cell,
    Contradiction,
    Figure,
    Instrument,
    Matrix,
    Sentence,
    StateRow,
)
from amparo.dossier.sections import Sections, sentence
from amparo.kernel.i18n import _
from amparo.record import model, vocabulary

_FIGURES = (
    "number detained", "number killed", "number who died in custody", "number disappeared", "number tortured", "number held",
    "number affected", "number evacuated", "number resettled", "number granted asylum", "number of visas",
)  # fmt: skip
_NAMED_AS = ("perpetrator", "involved party", "accused", "used by")


def figures(record: Gathered) -> tuple[Figure, ...]:
    """The numbers claimed of persons, by what is counted and then by time; each number of each event once for each source."""
    terms = vocabulary.load()
    found = []
    for subject, claims in record.by_subject.items():
        for told in claims:
            claim = told.claim
            if claim.property in _FIGURES and not told.retracted:
                home = record.home(subject) or subject
                found.append((_FIGURES.index(claim.property), first_day(claim.valid), told.order, home, told))
    figures = []
    for _index, _day, _order, home, told in sorted(found, key=lambda item: item[:3]):
        claim, label = told.claim, record.label(home)
        label = _capital(label)
        figures.append(
            Figure(terms.property_label(claim.property), claim.value, label, claim.valid, told.stance, (claim.handle,))
        )
    return tuple(figures)


def contradictions(record: Gathered) -> tuple[Contradiction, ...]:
    """What was assessed, then the pairs that no assessment weighs together."""
    found, weighed = [], []
    assessments = record.view.assessments()
    gone = {item.supersedes for item in assessments if item.supersedes}
    for item in assessments:
        if item.handle not in gone:
            found.append(_assessed(record, item))
            weighed.append({*item.claims_for, *item.claims_against})
    pairs: dict[str, list[model.Link]] = {}
    for link in record.view.contradictions():
        known = link.of in record.told and link.to in record.told
        if known and not any({link.of, link.to} <= claims for claims in weighed):
            pairs.setdefault(link.to, []).append(link)
    for claim, links in pairs.items():
        left, right = _side(record, [claim]), _side(record, [link.of for link in links])
        found.append(Contradiction(left, right, tuple(_relation(record, link) for link in links if link.reason)))
    return tuple(found)


def _assessed(record: Gathered, item: model.Assessment) -> Contradiction:
    weighed = list(dict.fromkeys((*item.claims_for, *item.claims_against)))
    links = {
        link.handle: link for claim in weighed for link in record.view.links(claim) if {link.of, link.to} <= set(weighed)
    }  # fmt: skip
    relations = tuple(_relation(record, link) for link in links.values() if link.reason)
    return Contradiction(
        _side(record, item.claims_for), _side(record, item.claims_against), relations,
        Assessment(
            item.handle, record.by_handle(item.proposition), item.standard, item.outcome, record.by_handle(item.reasons),
            item.assessor, item.date,
        ),
    )  # fmt: skip


def _side(record: Gathered, handles: list[str]) -> tuple[Sentence, ...]:
    return tuple(sentence(record, record.told[handle]) for handle in handles if handle in record.told)


def _relation(record: Gathered, link: model.Link) -> str:
    return _("{of} {relation} {to}: {reason}").format(
        of=link.of, relation=words.plain(link.kind), to=link.to, reason=record.by_handle(link.reason)
    )


def actors(record: Gathered, sections: Sections) -> tuple[Actor, ...]:
    """Officials and institutions to which sources ascribe a part or a command; most often named first."""
    named: dict[str, set[int]] = {}
    command: dict[str, list[Told]] = {}
    for told in record.told.values():
        claim = told.claim
        number = sections.numbers.get(claim.handle, 0)
        if claim.property in _NAMED_AS and claim.value in record.entities:
            named.setdefault(claim.value, set()).add(number)
        if claim.property in ("commands", "in charge of"):
            named.setdefault(claim.subject, set()).add(number)
        if claim.property in OFFICES:
            command.setdefault(claim.subject, []).append(told)
    actors = []
    for handle, numbers in named.items():
        entity = record.entities[handle]
        if record.affected(handle) or entity.type == "affected persons":
            continue
        claimed = sorted(command.get(handle, ()), key=lambda told: told.order)
        kind = vocabulary.load().label("person type" if entity.kind == "person" else "group type", entity.type)
        name = _capital(entity.label) or handle
        sentences = tuple(sentence(record, told) for told in claimed)
        actors.append(Actor(handle, name, kind, sentences, tuple(sorted(numbers - {0}))))
    return tuple(sorted(actors, key=lambda actor: (-len(actor.paragraphs), actor.handle)))


def matrix(record: Gathered, sections: Sections) -> Matrix:
    """States x instruments; positions taken alone make a last column. A State without a record is not in the cell."""
    columns: dict[str, dict[str, list[Told]]] = {}
    for handle, found in record.by_subject.items():
        if record.entities[handle].kind != "position":
            continue
        state = next((told.claim.value for told in found if told.claim.property == "state"), "")
        instrument = next((told.claim.value for told in found if told.claim.property == "instrument"), "")
        if state and any(told.claim.property == "role" for told in found):
            columns.setdefault(instrument, {}).setdefault(state, []).extend(found)
    ordered = sorted(columns, key=lambda handle: (not handle, first_day(_date(record, handle)), handle))
    paragraphs = dict(_paragraphs_of(record, sections))
    instruments = tuple(
        Instrument(handle, _capital(record.label(handle)), _date(record, handle), paragraphs.get(handle, 0))
        if handle else Instrument("", _("Positions taken by single States"), "", 0)
        for handle in ordered
    )  # fmt: skip
    codes = {state for found in columns.values() for state in found}
    rows = tuple(
        StateRow(code, states.name(code), tuple(_cell(columns[handle].get(code)) for handle in ordered))
        for code in sorted(codes, key=lambda code: (states.name(code), code))
    )
    return Matrix(instruments, rows)


def _cell(found: list[Told] | None) -> Cell | None:
    if found is None:
        return None
    told = [each for each in found if each.claim.property in ("state", "instrument", "role")]
    roles = [each.claim for each in told if each.claim.property == "role" and each.claim.polarity == model.AFFIRMED]
    return Cell(
        tuple(dict.fromkeys(role.value for role in roles)),
        tuple(each.claim.handle for each in sorted(told, key=lambda each: each.order)),
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _date(record: Gathered, handle: str) -> str:
    entity = record.entities.get(handle)
    return entity.date if entity else ""


def _paragraphs_of(record: Gathered, sections: Sections) -> Iterator[tuple[str, int]]:
    """(subject, number of the first paragraph that tells of it)."""
    for subject, found in record.by_subject.items():
        numbers = [sections.numbers[told.claim.handle] for told in found if told.claim.handle in sections.numbers]
        if numbers:
            yield subject, min(numbers)
