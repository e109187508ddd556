"""Finds sealed names in a text, in every spelling, script, case form and split that ``protect.spelling`` knows.

Invariants: a SealedNames exists only over an open identities compartment that holds everybody it should hold; no Finding,
error or representation repeats a sealed name, the words around it are shown with every sealed word masked.

What blocks by itself: a surname, an alias, an unusual given name, names run together. What blocks with a neighbour of the same
name: a common given name or a patronymic (docs/guide/gate.md says why). What cannot be told to be a given name counts as
a surname: the gate fails closed.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple, Self

from amparo.kernel.errors import GateRefused
from amparo.kernel.i18n import N_
from amparo.kernel.text import INVISIBLE, script_of
from amparo.protect.contacts import Markings
from amparo.protect.spelling import LONGEST_KEPT, flat, inflections, readings, settle, skeletons
from amparo.record.model import Identity, Name

NAME, CONTACT = "name", "contact"
FULL, SURNAME, ALIAS, GIVEN, TOGETHER, INITIAL = (
    N_("full name"), N_("surname"), N_("alias"), N_("given name"), N_("names run together"), N_("given name and initial"),
)  # fmt: skip
_SURNAME, _GIVEN, _COMMON, _FATHER, _PART, _ALONE, _RUN = range(7)
_BLOCKS_ALONE = frozenset({_SURNAME, _GIVEN, _ALONE, _RUN})
_RANK = {FULL: 6, TOGETHER: 5, ALIAS: 4, SURNAME: 3, INITIAL: 2, GIVEN: 1}
MASK, OTHER = "▮▮▮", "▮"
_TOKEN = re.compile(f"[^\\W\\d_](?:[^\\W_]|[{INVISIBLE}]|['’‘ʼʹ`´”″]{{1,2}}(?=[^\\W\\d_]))*")
_JOINT = re.compile(f"[\\s\\-‐‑‒–—·.•|/_*+~\x02\ufffe\u00ac{INVISIBLE}]{{1,6}}")
_CUT = re.compile("[\n\r\t\\-‐‑|\x02\ufffe\u00ad]")  # where words are cut on purpose; any other gap needs a longer name
_OWNER = re.compile("['’]s$", re.IGNORECASE)
_FATHER_END = re.compile(".+(?:(?:[oe]v|i)iC|[oe]vna|i(?:ni)?Cna)")
_SURNAME_END = re.compile(".+(?:ov|ev|in|ova|eva|ina|sk[ia]|ck[ia]|enk[oa]|dze|Svili|uk|ez|ih)")
_PARTICLES = frozenset(
    "bin ibn bint ben al el ul ad von van de der da di du la le оглы оглу кызы бин ибн бинт аль эль уль".split()
)
_ARABIC_PARTICLES = frozenset("بن ابن بنت ال".split())
_NEAR, _SHORT, _CONTEXT = 4, 5, 60
_KEPT = 200_000  # words of texts remembered, most of them with nothing found


class GateCannotSee(GateRefused):
    template = N_(
        "The gate cannot see the sealed names ({have} of {expected} persons), so nothing may leave; unlock the identities, "
        "or register the identity of every person, then try again."
    )


class _Piece(NamedTuple):
    """One word of a sealed name: person's handle, number of the name, place in it, role, script, length of its key."""

    person: str
    name: int
    place: int
    role: int
    script: str
    size: int
    flat: bool = False


class _Match(NamedTuple):
    """A judged name: from token ``first`` to ``last``, made up of ``tokens`` (empty where only consonants agree)."""

    person: str
    first: int
    last: int
    how: str
    tokens: frozenset[int] = frozenset()
    full: bool = False


class _Hit(NamedTuple):
    """A word of a text that may be a word of a sealed name; ``first``..``last`` are the numbers of its tokens."""

    first: int
    last: int
    piece: _Piece
    weak: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """Something sealed at a place: ``start`` and ``end`` in characters of the text at ``where``; ``context`` is masked.

    ``kind`` is name, contact, unread or machine; ``how`` an English message id (translate to show); ``person`` a handle or "".
    """

    kind: str
    person: str
    where: str
    start: int
    end: int
    how: str
    context: str = ""


class SealedNames:
    """All names, contacts and document numbers of the identities compartment, ready to be looked for in texts.

    Made by ``from_view`` only; finds in time linear in the text, whatever the number of persons.
    """

    def __init__(self, identities: list[Identity], *, _seen: object = None) -> None:
        if _seen is not _SEEN:
            raise TypeError("use SealedNames.from_view, which refuses a locked or incomplete compartment")
        self.persons = frozenset(identity.person for identity in identities)
        self._forms: dict[str, list[_Piece]] = {}
        self._skeletons: dict[str, list[_Piece]] = {}
        self._initials: dict[tuple[int, int], frozenset[str]] = {}
        self._markings = Markings()
        self._sizes: list[int] = []
        self._aliases: set[int] = set()
        for identity in identities:
            for name in identity.names:
                self._add_name(identity.person, name)
            for kind, value in identity.contacts:
                self._markings.add_contact(identity.person, kind, value)
            for _kind, value in identity.documents:
                self._markings.add_document(identity.person, value)
        self._sorted = sorted(self._forms)
        self._cache: dict[str, tuple[tuple[_Piece, bool], ...]] = {}

    def __repr__(self) -> str:
        return f"SealedNames({len(self.persons)} persons)"

    @classmethod
    def from_view(cls, identities: Iterable[Identity] | None, expected_persons: int) -> Self:
        """Build from the open identities view. ``expected_persons``: how many persons of the record have a sealed identity.

        Raises GateCannotSee if the view is None (locked) or holds fewer persons than expected: an empty list passes only
        where the record itself says that nobody's identity is sealed.
        """
        if identities is None:
            raise GateCannotSee(have=0, expected=expected_persons)
        known = list(identities)
        have = len({identity.person for identity in known})
        if have < expected_persons:
            raise GateCannotSee(have=have, expected=expected_persons)
        return cls(known, _seen=_SEEN)

    def find(self, text: str, where: str = "") -> list[Finding]:
        """Every sealed name, contact and document number in ``text``, in order; one finding for one person at one place."""
        tokens = _tokens(text)
        hits = self._hits(text, tokens)
        spans = [(tokens[hit.first][0], tokens[hit.last][1]) for hit in hits]
        found: list[tuple[int, int, str, str, str]] = []
        for match in _strongest(self._judge(hits, tokens)):
            found.append((tokens[match.first][0], tokens[match.last][1], match.person, NAME, match.how))
        for spot in self._markings.find(text):
            found.append((spot.start, spot.end, spot.person, CONTACT, spot.kind))
            spans.append((spot.start, spot.end))
        found = _merge(found)
        if not found:
            return []
        spans += [entry[:2] for entry in found]
        return [
            Finding(kind, person, where, start, end, how, _context(text, start, end, spans))
            for start, end, person, kind, how in found
        ]

    def masked(self, text: str) -> str:
        """``text`` with everything sealed in it masked: for places and contexts that are shown."""
        spans = [(finding.start, finding.end) for finding in self.find(text)]
        return _mask(text, 0, len(text), spans)

    def _add_name(self, person: str, name: Name) -> None:
        number = len(self._sizes)
        parts = [(word, base) for word in _split(name.text) if (base := sorted(readings(word, look_alikes=False)))]
        self._sizes.append(len(parts))
        if name.kind != "name" and not name.kind.startswith("patronymic"):
            self._aliases.add(number)
        roles = _roles([keys for _, keys in parts], name.kind)
        for index, ((word, keys), role) in enumerate(zip(parts, roles, strict=True)):
            script, size = script_of(word), min(map(len, keys))
            piece = _Piece(person, number, index, role, script, size)
            self._initials[number, index] = frozenset(key[0] for key in keys) | {word[0].casefold()}
            for key in keys:
                for form in inflections(key):
                    self._put(self._forms, form, piece)
                for lost in flat(key):
                    for form in inflections(lost):
                        self._put(self._forms, form, piece._replace(flat=True))
                for bones in skeletons(key):
                    self._put(self._skeletons, bones, piece)
        for one, (word, keys) in enumerate(parts):
            for other, (_, more) in enumerate(parts):
                if one != other and abs(one - other) == 1 and len(keys) * len(more) <= 64:
                    piece = _Piece(person, number, -1, _RUN, script_of(word), 9)
                    for form in {settle(left + right) for left in keys for right in more}:
                        self._put(self._forms, form, piece)

    @staticmethod
    def _put(index: dict[str, list[_Piece]], key: str, piece: _Piece) -> None:
        pieces = index.setdefault(key, [])
        if key and piece not in pieces:
            pieces.append(piece)

    def _hits(self, text: str, tokens: list[tuple[int, int, str]]) -> list[_Hit]:
        hits = []
        for number, (_, _, word) in enumerate(tokens):
            for piece, weak in self._lookup(word):
                hits.append(_Hit(number, number, piece, weak))
        hits += self._joined(text, tokens)
        return hits

    def _lookup(self, word: str) -> tuple[tuple[_Piece, bool], ...]:
        """The sealed words that one word of a text may be; ``True`` marks an agreement of consonants only."""
        known = self._cache.get(word)
        if known is None:
            known = tuple(dict.fromkeys(self._look_up(word)))
            if len(word) <= LONGEST_KEPT:
                if len(self._cache) >= _KEPT:
                    self._cache.clear()
                self._cache[word] = known
        return known

    def _look_up(self, word: str) -> Iterator[tuple[_Piece, bool]]:
        script = script_of(word)
        capital = word[:1].isupper() or script == "Arab"
        keys = readings(word)
        if script == "Latn" and len(word) > 4:
            keys |= {key[:-1] for key in keys if key.endswith("s")}  # the Petrovs
        backwards = readings(word[::-1]) if len(word) > 4 else frozenset()
        for key in keys | backwards:
            for piece in self._forms.get(key, ()):
                if key not in keys and (piece.size < 5 or piece.role not in _BLOCKS_ALONE):
                    continue
                if not piece.flat or script == "Latn":
                    # A short name in small letters may be any word: it needs a neighbour of the same name.
                    yield piece if piece.size >= _SHORT or capital else piece._replace(role=_COMMON), False
        if capital:
            for bones in {bones for key in keys for bones in skeletons(key)}:
                for piece in self._skeletons.get(bones, ()):
                    if (piece.script == "Arab") != (script == "Arab"):
                        yield piece._replace(size=len(bones)), True

    def _joined(self, text: str, tokens: list[tuple[int, int, str]]) -> Iterator[_Hit]:
        """Words cut in two (hyphenation, table cells, stray spaces) or spaced out letter by letter."""
        for first, (_, first_end, word) in enumerate(tokens):
            joined, last, end = word, first, first_end
            while last + 1 < len(tokens) and len(joined) < 40:
                start, next_end, fragment = tokens[last + 1]
                if start - end > 6 or not _JOINT.fullmatch(text, end, start) or not self._may_begin(joined):
                    break
                gap = text[end:start]
                if last > first and not (len(fragment) < 4 and len(tokens[last][2]) < 4) and gap in (" ", "."):
                    break
                joined, last, end = joined + fragment, last + 1, next_end
                enough = 5 if len(fragment) == 1 or _CUT.search(gap) else 7
                for piece, weak in self._lookup(joined):
                    if not weak and piece.size >= enough and piece.role in _BLOCKS_ALONE and piece.role != _RUN:
                        yield _Hit(first, last, piece, False)

    def _may_begin(self, word: str) -> bool:
        """Tell whether a sealed form may begin with ``word``; its last letter may still change when more follows."""
        if len(word) < 3:
            return True
        for key in readings(word):
            start = key[:-1]
            at = bisect_left(self._sorted, start)
            if at < len(self._sorted) and self._sorted[at].startswith(start):
                return True
        return False

    def _judge(self, hits: list[_Hit], tokens: list[tuple[int, int, str]]) -> Iterator[_Match]:
        """Everything that blocks, name by name, cluster by cluster (a cluster: hits of one name with few words between)."""
        names: dict[int, list[_Hit]] = {}
        for hit in hits:
            names.setdefault(hit.piece.name, []).append(hit)
        for found in names.values():
            found.sort(key=lambda hit: (hit.first, hit.last))
            cluster: list[_Hit] = []
            for hit in found:
                if cluster and hit.first - max(other.last for other in cluster[-_NEAR:]) > _NEAR:
                    yield from self._judge_cluster(cluster, tokens)
                    cluster = []
                cluster.append(hit)
            yield from self._judge_cluster(cluster, tokens)

    def _judge_cluster(self, cluster: list[_Hit], tokens: list[tuple[int, int, str]]) -> Iterator[_Match]:
        person, name = cluster[0].piece.person, cluster[0].piece.name
        strong = [hit for hit in cluster if not hit.weak]
        roles = {hit.piece.role for hit in strong}
        how = {_SURNAME: SURNAME, _ALONE: FULL, _GIVEN: GIVEN, _RUN: TOGETHER}
        if name in self._aliases:
            how = dict.fromkeys(how, ALIAS)
        if _together(cluster, self._sizes[name]):
            matched = frozenset(number for hit in strong for number in range(hit.first, hit.last + 1))
            last = max(hit.last for hit in cluster)
            yield _Match(person, cluster[0].first, last, ALIAS if name in self._aliases else FULL, matched, full=True)
        elif roles & set(how):
            for hit in strong:
                if hit.piece.role in how:
                    matched = frozenset(range(hit.first, hit.last + 1))
                    yield _Match(person, hit.first, hit.last, how[hit.piece.role], matched, full=hit.piece.role == _RUN)
        else:
            for hit in strong:
                beside = self._initial_beside(hit, tokens)
                if hit.piece.role == _COMMON and beside is not None:
                    yield _Match(person, min(hit.first, beside), max(hit.last, beside), INITIAL)

    def _initial_beside(self, hit: _Hit, tokens: list[tuple[int, int, str]]) -> int | None:
        """The number of a token next to ``hit`` that is the initial of the surname of the same name ("Ivan P.")."""
        for beside in (hit.last + 1, hit.first - 1):
            if 0 <= beside < len(tokens) and len(tokens[beside][2]) == 1 and tokens[beside][2].isupper():
                heads = {key[:1] for key in readings(tokens[beside][2])} | {tokens[beside][2].casefold()}
                others = (index for index in range(self._sizes[hit.piece.name]) if index != hit.piece.place)
                if any(heads & self._initials[hit.piece.name, index] for index in others):
                    return beside
        return None


_SEEN = object()


@cache
def _common() -> frozenset[str]:
    lines = files("amparo.protect").joinpath("given_names.txt").read_text("utf-8").splitlines()
    return frozenset(key for line in lines if not line.startswith("#") for key in readings(line.strip(), look_alikes=False))


def _tokens(text: str) -> list[tuple[int, int, str]]:
    found = []
    for match in _TOKEN.finditer(text):
        word = _OWNER.sub("", match[0])
        found.append((match.start(), match.start() + len(word), word))
    return found


def _split(name: str) -> list[str]:
    words = [word for _, _, word in _tokens(name)]
    telling = [word for word in words if len(word) > 1 and word.casefold() not in _PARTICLES and word not in _ARABIC_PARTICLES]
    return telling or words


def _roles(parts: list[list[str]], kind: str) -> list[int]:
    """The role of each word of a name, from its keys: what is not a patronymic or a common given name is a surname.

    If one word ends like a surname, the others that do not are given names.
    """
    if len(parts) == 1:
        return [_ALONE]
    if kind == "nickname":
        return [_PART] * len(parts)
    with_father = len(parts) > 2 or kind.startswith("patronymic")
    roles, sure = [], []
    for keys in parts:
        common = any(key in _common() for key in keys)
        father = with_father and any(_FATHER_END.fullmatch(key) for key in keys)
        roles.append(_COMMON if common or min(map(len, keys)) < 3 else _FATHER if father else _SURNAME)
        sure.append(roles[-1] == _SURNAME and any(_SURNAME_END.fullmatch(key) for key in keys))
    if roles.count(_FATHER) > 1:  # a surname that looks like a patronymic stands beside one
        roles = [_SURNAME if role == _FATHER else role for role in roles]
    elif any(sure):
        given = [_GIVEN if min(map(len, keys)) >= _SHORT else _COMMON for keys in parts]
        roles = [given[n] if role == _SURNAME and not sure[n] else role for n, role in enumerate(roles)]
    return roles


def _together(cluster: list[_Hit], size: int) -> bool:
    """Tell whether the hits of a cluster make up a name: two of its words, or every word of a nickname.

    Words that agree in consonants only count if they stand side by side and have enough consonants between them.
    """
    strong = {hit.piece.place for hit in cluster if not hit.weak and hit.piece.place >= 0}
    if any(hit.piece.role == _PART for hit in cluster):
        return len(strong) == size
    if len(strong) > 1 and len({hit.first for hit in cluster if not hit.weak}) > 1:
        return True
    return any(
        one.piece.place != other.piece.place and 0 < other.first - one.last < 3 and one.piece.size + other.piece.size >= 5
        for one in cluster
        for other in cluster
        if -1 not in (one.piece.place, other.piece.place)
    )


def _strongest(judged: Iterable[_Match]) -> list[_Match]:
    """Drop what a fuller match of the same words explains: a surname inside somebody's full name is that person's."""
    found = list(dict.fromkeys(judged))
    full = {match.tokens for match in found if match.full}
    explained: dict[int, list[frozenset[int]]] = {}
    for tokens in full:
        for number in tokens:
            explained.setdefault(number, []).append(tokens)
    return [
        match
        for match in found
        if match.full or not any(match.tokens <= tokens for tokens in explained.get(match.first, ()))
    ]


def _merge(found: list[tuple[int, int, str, str, str]]) -> list[tuple[int, int, str, str, str]]:
    """One entry for one person and kind where several overlap: the span covers them, the strongest says how."""
    merged: dict[tuple[str, str], list[tuple[int, int, str, str, str]]] = {}
    for start, end, person, kind, how in sorted(found):
        row = merged.setdefault((person, kind), [])
        if row and start < row[-1][1]:
            before = row[-1]
            best = how if _RANK.get(how, 0) > _RANK.get(before[4], 0) else before[4]
            row[-1] = (before[0], max(end, before[1]), person, kind, best)
        else:
            row.append((start, end, person, kind, how))
    return sorted(entry for row in merged.values() for entry in row)


def _mask(text: str, start: int, end: int, spans: Iterable[tuple[int, int]], mask: str = MASK) -> str:
    """The text from ``start`` to ``end`` with whatever part of a span lies in it masked."""
    out, at = [], start
    for low, high in sorted(spans):
        if low < end and high > at:
            if low >= at:
                out += [text[at:low], mask]
            at = min(high, end)
    return "".join([*out, text[at:end]])


def _context(text: str, start: int, end: int, spans: list[tuple[int, int]]) -> str:
    """Some words before and after a finding, itself shown as MASK and every other sealed word as OTHER."""
    low, high = max(0, start - _CONTEXT), min(len(text), end + _CONTEXT)
    low = low if low == 0 else start - len(text[low:start].partition(" ")[2])
    high = high if high == len(text) else end + len(text[end:high].rpartition(" ")[0])
    near = [(first, last) for first, last in spans if first < high and last > low]
    return " ".join(f"{_mask(text, low, start, near, OTHER)}{MASK}{_mask(text, end, high, near, OTHER)}".split())
