"""Who on the imported lists may be meant by a name: candidates by consonants, a judgement part by part, a reason for each hit.

Invariants: a hit is a question to a reader, never an answer; the index answers from memory and touches no file, ledger or
network; the same entries and the same query give the same hits in the same order. Names are indexed in every script they are
listed in: a query in Arabic letters meets both the listed Arabic spelling and the romanised one.

Candidates are ranked by the rarity of the keys they share (inverse document frequency; Spaerck Jones, J. Documentation 28,
1972), and the best ``MOST_CANDIDATES`` are compared.
"""

import math
import re
from array import array
from collections.abc import Iterable
from dataclasses import dataclass

from amparo.kernel.i18n import N_, _
from amparo.kernel.text import fold
from amparo.verify.names_bodies import body_skeletons, compare_bodies, parse_body
from amparo.verify.names_compare import Likeness, compare
from amparo.verify.names_fold import skeleton
from amparo.verify.names_parse import Name, Word, parse, skeletons
from amparo.verify.watchlists import ALERT, PERSON, Alias, Entry

MOST_CANDIDATES = 200
ENOUGH_BITS, MOST_BITS, LEFT_OUT = 12.0, 7.0, 0.08
PRIOR_NAMES, COMMON, RARE = 1000, 1 / 50, 1 / 4000
"""A short list tells little of how common a name is: as if 1000 names had been seen before, with these shares."""
_WEAK = 0.96  # what a list itself calls a weak alias
_YEAR = re.compile(r"(?<!\d)(1[89]\d\d|20\d\d)(?!\d)")


@dataclass(frozen=True, slots=True)
class Hit:
    """A listed entry that a name may mean: which list, by which of its names, how heavy in [0, 1], why."""

    source: str
    entry: Entry
    alias: Alias
    weight: float
    likeness: Likeness
    reasons: tuple[str, ...]

    @property
    def why(self) -> str:
        """A sentence in the reader's language, without a letter of any name."""
        return "; ".join(map(_, self.reasons))


class WatchIndex:
    """Entries of one or several lists, ready to be asked. About 0.5 KiB for each listed name."""

    def __init__(self) -> None:
        self._entries: list[tuple[str, Entry]] = []
        self._names: list[tuple[int, int]] = []
        self._postings: dict[str, array[int]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, source: str, entries: Iterable[Entry]) -> int:
        """Index the entries of a list that is called ``source`` in hits; returns how many there were."""
        before = len(self._entries)
        for entry in entries:
            number = len(self._entries)
            self._entries.append((source, entry))
            for place, alias in enumerate(entry.names):
                position = len(self._names)
                self._names.append((number, place))
                for key in _keys(alias.text, person=entry.kind == PERSON):
                    self._postings.setdefault(key, array("I")).append(position)
        return len(self._entries) - before

    def match(
        self, name: str, *, person: bool | None = None, born: str = "", least: float = ALERT, limit: int = 20
    ) -> list[Hit]:
        """Entries that ``name`` may mean, heaviest first; ``person`` None: persons and bodies; ``born``: a partial date."""
        hits: list[tuple[float, float, int, Hit]] = []
        for as_person in (True, False) if person is None else (person,):
            best: dict[int, tuple[float, float, int, Hit]] = {}
            for position, shared in self._candidates(name, person=as_person):
                number, place = self._names[position]
                source, entry = self._entries[number]
                if (entry.kind == PERSON) != as_person:
                    continue
                hit = self._judge(source, entry, entry.names[place], name, born)
                if hit.weight >= least and (number not in best or (hit.weight, shared) > best[number][:2]):
                    best[number] = (hit.weight, shared, number, hit)
            hits += best.values()
        hits.sort(key=lambda row: (-round(row[0], 6), -row[1], row[2]))
        return [row[3] for row in hits[:limit]]

    def _candidates(self, name: str, *, person: bool) -> list[tuple[int, float]]:
        """(position of a listed name, summed rarity of shared keys), rarest together first."""
        scores: dict[int, float] = {}
        for key in sorted(_keys(name, person=person)):
            found = self._postings.get(key)
            if found is None or (len(found) > 50_000 and scores):
                continue
            rarity = math.log1p(len(self._names) / len(found))
            for position in found:
                scores[position] = scores.get(position, 0.0) + rarity
        return sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:MOST_CANDIDATES]

    def _judge(self, source: str, entry: Entry, alias: Alias, name: str, born: str) -> Hit:
        if entry.kind == PERSON:
            asked, listed = parse(name), parse(alias.text)
            likeness = compare(asked, listed)
            weight = likeness.total * self._telling(asked, listed, likeness)
        else:
            likeness = compare_bodies(parse_body(name), parse_body(alias.text))
            weight = likeness.total
        reasons = list(likeness.reasons)
        if weight < 0.95 * likeness.total:
            reasons.append(N_("what agrees is common, so it tells little"))
        if alias.strength == "weak":
            weight *= _WEAK
            reasons.append(N_("the list calls this alias weak"))
        asked_years, listed_years = _years(born), {year for date in entry.born for year in _years(date)}
        if asked_years and listed_years:
            apart = min(abs(one - other) for one in asked_years for other in listed_years)
            if apart == 0:
                reasons.append(N_("the year of birth is the same"))
            else:
                weight *= 0.95 if apart <= 2 else 0.75
                reasons.append(N_("the year of birth is near") if apart <= 2 else N_("the year of birth is another"))
        return Hit(source, entry, alias, weight, likeness, tuple(reasons))

    def _telling(self, asked: Name, listed: Name, likeness: Likeness) -> float:
        """In [0, 1]: how much the words that agree tell, in bits of rarity among the listed names, and how much is left."""
        bits = 0.0
        matched = 0
        for ours, theirs, score in likeness.pairs:
            matched += max(len(ours), len(theirs))
            bits += score * sum(self._rarity(listed.words[place]) for place in theirs)
        left = max(len(asked.words), len(listed.words)) - matched
        return min(1.0, math.sqrt(bits / ENOUGH_BITS)) * (1.0 - LEFT_OUT * max(left, 0))

    def _rarity(self, word: Word) -> float:
        if word.initial:
            return 1.0
        keys = [f"#{family}" for family in word.families] or ["p" + skeleton(word.latin)]
        seen = max((len(self._postings.get(key, ())) for key in keys), default=0)
        expected = PRIOR_NAMES * (COMMON if word.families else RARE)
        return min(MOST_BITS, math.log2((len(self._names) + PRIOR_NAMES) / (seen + expected)))


def _keys(text: str, *, person: bool) -> set[str]:
    """Consonants of the words, the common names they are, and the words as written (=)."""
    if not person:
        return {"b" + key for key in body_skeletons(parse_body(text))} | {"=" + word for word in fold(text).split()}
    name = parse(text)
    known = {f"#{family}" for word in name.words for family in word.families}
    return {"p" + key for key in skeletons(name)} | known | {"=" + fold(word) for word in name.written}


def _years(date: str) -> set[int]:
    return {int(year) for year in _YEAR.findall(date)}
