"""Paragraphs: which claims stand together, under which heading, in which order, with which number.

Invariant: the claims of one passage make one paragraph, in the order in which they were recorded, so that sentences that lean
on each other stay together; every claim stands in one paragraph or, if it only says a State's role, in the matrix.
"""

from collections.abc import Iterator
from dataclasses import replace

from amparo.dossier.gather import LAST_DAY, Gathered, Told, first_day
from amparo.dossier.manifest import Mark, Paragraph, Section, Sentence
from amparo.kernel import dates
from amparo.kernel.errors import BadDate
from amparo.kernel.i18n import _

_GROUPS = {
    "event": "events", "measure": "measures", "position": "measures", "proceeding": "proceedings", "intervention": "protection",
}  # fmt: skip
_LANES = {"events": "event", "measures": "measure", "proceedings": "proceeding", "protection": "protection"}
_SAID = ("denial", "official", "rebuttal", "possibly coerced")


class Sections:
    """Paragraphs: the claims of one passage together, under the home of the first of them that has one."""

    def __init__(self, record: Gathered) -> None:
        self._record = record
        self._sections: dict[str, list[Section]] = {}
        self.numbers: dict[str, int] = {}
        """Claim -> number of its paragraph."""
        groups = self._groups()
        homes = self._homes(groups)
        numbered = 0
        for name in _LANES:
            for title, handle, together in self._ordered(name, groups, homes):
                paragraphs = []
                for group in together:
                    numbered += 1
                    paragraphs.append(self._paragraph(numbered, group))
                self._sections.setdefault(name, []).append(self._section(title, handle, tuple(paragraphs)))
        self._point_at_denials()

    def of(self, name: str) -> tuple[Section, ...]:
        return tuple(self._sections.get(name, ()))

    def _groups(self) -> list[list[Told]]:
        """Claims of one passage; without a passage, of one source about one thing."""
        groups: dict[tuple[str, ...], list[Told]] = {}
        tabled = self._tabled()
        for subject, found in self._record.by_subject.items():
            if subject in tabled or self._record.entities[subject].kind == "source":
                continue
            for told in found:
                claim = told.claim
                key = (
                    (claim.source, claim.passage)
                    if claim.passage
                    else (claim.source, "", self._record.home(subject) or subject)
                )
                groups.setdefault(key, []).append(told)
        return [sorted(group, key=lambda told: told.order) for group in groups.values()]

    def _tabled(self) -> set[str]:
        """Positions that the matrix shows: all that say no more than State, instrument and role."""
        bare = {"state", "instrument", "role"}
        entities = self._record.entities
        return {
            handle for handle, found in self._record.by_subject.items()
            if entities[handle].kind == "position" and {told.claim.property for told in found} <= bare
        }  # fmt: skip

    def _homes(self, groups: list[list[Told]]) -> list[str]:
        """The home of each group: an event before anything else; a group without one goes where a linked claim has one."""
        record = self._record
        homes = [_first_home(record, group) for group in groups]
        of_claim = {told.claim.handle: home for group, home in zip(groups, homes, strict=True) for told in group}
        for index, group in enumerate(groups):
            if not homes[index]:
                linked = (
                    of_claim.get(end, "")
                    for told in group for link in record.view.links(told.claim.handle) for end in (link.of, link.to)
                )  # fmt: skip
                homes[index] = next((home for home in linked if home), "")
        return homes

    def _ordered(self, name: str, groups: list[list[Told]], homes: list[str]) -> Iterator[tuple[str, str, list[list[Told]]]]:
        """(title, handle, groups) of the sections of one part, by date; what has no home of its own comes last."""
        entities = self._record.entities
        together: dict[tuple[int, int, str, str], list[list[Told]]] = {}
        for group, home in zip(groups, homes, strict=True):
            entity = entities.get(home)
            if (_GROUPS[entity.kind] if entity else "events") != name:
                continue
            if entity is None:
                key = self._homeless(group)
            elif entity.kind == "position":
                key = (LAST_DAY, 1, "", _("Positions of single States"))
            else:
                begins = first_day(entity.date) if entity.date else LAST_DAY
                key = (begins, _depth(self._record, home), home, entity.label or home)
            together.setdefault(key, []).append(group)
        for (_day, _rank, handle, title), found in sorted(together.items()):
            yield title, handle, sorted(found, key=lambda group: (_begins(self._record, group), group[0].order))

    def _homeless(self, group: list[Told]) -> tuple[int, int, str, str]:
        kind = self._record.entities[group[0].claim.subject].kind
        title = _("Places") if kind == "place" else _("Persons and groups")
        return (LAST_DAY, 1 if kind == "place" else 2, "", title)

    def _paragraph(self, number: int, group: list[Told]) -> Paragraph:
        leading = _leading(self._record, group)
        first = leading.claim
        for told in group:
            self.numbers[told.claim.handle] = number
        sentences = tuple(sentence(self._record, told) for told in group)
        place = self._record.label(first.place) if first.place else ""
        return Paragraph(number, sentences, first.valid, place, lead=group.index(leading))

    def _section(self, title: str, handle: str, paragraphs: tuple[Paragraph, ...]) -> Section:
        entity = self._record.entities.get(handle)
        return Section(title[:1].upper() + title[1:], paragraphs, handle, entity.date if entity else "")

    def _point_at_denials(self) -> None:
        """Let each paragraph name those that contradict it."""
        against: dict[int, set[int]] = {}
        for link in self._record.view.contradictions():
            ends = (self.numbers.get(link.of, 0), self.numbers.get(link.to, 0))
            if all(ends) and ends[0] != ends[1]:
                against.setdefault(ends[0], set()).add(ends[1])
                against.setdefault(ends[1], set()).add(ends[0])
        for name, sections in self._sections.items():
            self._sections[name] = [
                replace(section, paragraphs=tuple(
                    replace(each, against=tuple(sorted(against.get(each.number, ())))) for each in section.paragraphs
                )) for section in sections
            ]  # fmt: skip

    def marks(self) -> tuple[Mark, ...]:
        """One mark for each dated paragraph, in the order of time."""
        found = []
        for name, sections in self._sections.items():
            for section in sections:
                for paragraph in section.paragraphs:
                    lane = "statement" if name == "events" and paragraph.sentences[0].stance in _SAID else _LANES[name]
                    mark = _mark(lane, paragraph)
                    if mark:
                        found.append(mark)
        return tuple(sorted(found, key=lambda mark: (first_day(mark.when), mark.paragraph)))


def _first_home(record: Gathered, group: list[Told]) -> str:
    homes = [home for told in group if (home := record.home(told.claim.subject))]
    return next((home for home in homes if record.entities[home].kind == "event"), homes[0] if homes else "")


def _leading(record: Gathered, group: list[Told]) -> Told:
    """The claim that gives a paragraph its day and place: the first about an event or the like, else the first."""
    home = _first_home(record, group)
    return next((told for told in group if home and record.home(told.claim.subject) == home), group[0])


def _begins(record: Gathered, group: list[Told]) -> int:
    return first_day(_leading(record, group).claim.valid)


def _depth(record: Gathered, handle: str) -> int:
    depth, seen = 0, {handle}
    while (entity := record.entities.get(handle)) is not None and entity.parent and entity.parent not in seen:
        handle = entity.parent
        seen.add(handle)
        depth += 1
    return depth


def sentence(record: Gathered, told: Told) -> Sentence:
    """The words of one claim."""
    return Sentence(record.sentence(told.claim), (told.claim.handle,), told.stance, told.claim.language)


def _mark(lane: str, paragraph: Paragraph) -> Mark | None:
    try:
        known = dates.parse(paragraph.when)
    except BadDate:
        return None
    first = known.earliest.isoformat() if known.earliest else ""
    last = known.latest.isoformat() if known.latest else ""
    return Mark(lane, paragraph.sentences[paragraph.lead].text, paragraph.when, first, last, known.about, paragraph.number)
