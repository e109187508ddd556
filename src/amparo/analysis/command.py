"""Who stood above whom at the date and place of an act, by which claims: the chain of command.

Invariants: an edge exists because claims tell of it, and carries all of them, those that deny or are contradicted as well;
nothing is left out because it does not fit. A gap is told, never filled. No verdict on anybody's responsibility is given: the
elements of a superior's responsibility are a list of what to look at (``ELEMENTS``). The same tellings give the same chain.

Reads no record: ``app.command`` brings the tellings.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from amparo.analysis import tenure
from amparo.analysis.tenure import CERTAIN, DENIED, HOLDING, Days, Tenure
from amparo.kernel.i18n import N_

POSTS: Final = ("commands", "in charge of")
"""Properties that set a person above a unit or place."""
RANKS: Final = ("subordinate to", "superior")
"""Properties that set a unit above a unit, or a person above a person."""
SEATS: Final = ("used by", "member of")
"""Properties that lead from the place or the person of an act to a unit."""
RELATIONS: Final = {"commands": "subject", "in charge of": "subject", "superior": "value", "subordinate to": "value",
                    "used by": "value", "member of": "value"}  # fmt: skip
"""Property -> which side of a claim stands above the other."""
NODES: Final = 120
PAPER, TOLD = N_("de jure"), N_("de facto")
"""By an official or documentary source; as witnesses and reports tell it."""

ELEMENTS: Final = {
    "control": N_("Effective command and control, or effective authority and control, over those who did it"),
    "forces": N_("The act was done by forces or subordinates under that control"),
    "knowledge": N_("Knew, or owing to the circumstances should have known (a civilian superior: or consciously disregarded)"),
    "prevention": N_("Did or did not take all necessary and reasonable measures to prevent or repress it"),
    "submission": N_("Did or did not submit the matter to the competent authorities for investigation and prosecution"),
}
"""The elements of the responsibility of commanders and other superiors: Rome Statute of the ICC, article 28 (a) and (b)."""


@dataclass(frozen=True, slots=True)
class Telling:
    """One claim that ``upper`` stands above ``lower`` by the property ``by``. ``told``: partial date of its source; ``origin``:
    the cluster of common origin it counts in; ``doubts``: words for what speaks against it (contradicted, undercut).
    """

    claim: str
    upper: str
    lower: str
    by: str
    valid: str = ""
    told: str = ""
    source: str = ""
    origin: str = ""
    paper: bool = False
    denied: bool = False
    doubts: tuple[str, ...] = ()

    @property
    def tenure(self) -> Tenure | None:
        return tenure.read(self.valid, self.told)


@dataclass(frozen=True, slots=True)
class Edge:
    """``upper`` over ``lower`` by the property ``by``: how surely at the date (``tenure.STANDINGS``), by which tellings."""

    upper: str
    lower: str
    by: str
    standing: str
    tellings: tuple[Telling, ...]

    @property
    def bases(self) -> tuple[str, ...]:
        """PAPER, TOLD or both, of the tellings that affirm it."""
        found = {PAPER if one.paper else TOLD for one in self.tellings if not one.denied}
        return tuple(basis for basis in (PAPER, TOLD) if basis in found)

    @property
    def origins(self) -> int:
        """How many origins that are not known to be one affirm it."""
        return len({one.origin or one.source or one.claim for one in self.tellings if not one.denied})

    @property
    def doubted(self) -> bool:
        return any(one.denied or one.doubts for one in self.tellings)


@dataclass(frozen=True, slots=True)
class Gap:
    """Nobody (``post``) or nothing (``rank``) is recorded above ``node`` on the days ``first`` .. ``last`` (None: open).

    ``undated``: how many claims without a date might fill it.
    """

    node: str
    kind: str
    first: int | None
    last: int | None
    undated: int = 0


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two are recorded above ``node`` in the same capacity, on days they share at least possibly; ``standing`` of that."""

    node: str
    kind: str
    one: str
    other: str
    first: int | None
    last: int | None
    standing: str


@dataclass(frozen=True, slots=True)
class Chain:
    """What stood above ``seeds`` at ``at``. ``levels``: node -> steps above the act; ``edges`` hold at the date at least
    possibly, ``elsewhere`` are recorded of other times or only denied; ``circles``: things that stand above each other.
    """

    at: Days
    seeds: tuple[str, ...]
    levels: Mapping[str, int]
    edges: tuple[Edge, ...]
    elsewhere: tuple[Edge, ...]
    gaps: tuple[Gap, ...]
    overlaps: tuple[Overlap, ...]
    circles: tuple[tuple[str, ...], ...]
    left_out: int = 0

    def commanders(self) -> list[str]:
        """The persons that stand above something at the date, from below."""
        above = {edge.upper for edge in self.edges if edge.upper.startswith("P-") and edge.by != "member of"}
        return sorted(above, key=lambda node: (self.levels[node], node))


@dataclass(slots=True)
class _Climb:
    """The way up, as it grows."""

    above: Mapping[str, list[Edge]]
    levels: dict[str, int]
    edges: list[Edge] = field(default_factory=list)
    elsewhere: list[Edge] = field(default_factory=list)
    left_out: int = 0


def chain(tellings: Iterable[Telling], seeds: Sequence[str], at: Days, *, areas: Sequence[str] = ()) -> Chain:
    """Climb from ``seeds`` (units and persons said to have done it, the place) to whoever stood above them at ``at``.

    ``areas``: the wider places around the place; only who is in charge of them is taken, the area's command. At most ``NODES``
    things are looked at, the nearest to the act first; ``left_out`` counts the others.
    """
    above: dict[str, list[Edge]] = defaultdict(list)
    for edge in edges(tellings, at):
        above[edge.lower].append(edge)
    climb = _Climb(above, dict.fromkeys((*seeds, *areas), 0))
    frontier = list(climb.levels)
    while frontier:
        following: list[str] = []
        for node in frontier:
            following += _above(climb, node, seed=node in seeds)
        frontier = following
    nodes = [node for node in climb.levels if node in seeds or not (node in areas or node.startswith("P-"))]
    return Chain(
        at, tuple(dict.fromkeys(seeds)), climb.levels, tuple(climb.edges), tuple(climb.elsewhere),
        tuple(gap for node in nodes for gap in _gaps(node, above[node], at)),
        tuple(overlap for node in climb.levels for overlap in _overlaps(node, above[node], at)),
        circles(climb.edges), climb.left_out,
    )  # fmt: skip


def edges(tellings: Iterable[Telling], at: Days) -> list[Edge]:
    """The tellings gathered by who stands above whom in which capacity, each with its standing at ``at``."""
    gathered: dict[tuple[str, str, str], list[Telling]] = defaultdict(list)
    for one in tellings:
        gathered[one.upper, one.lower, one.by].append(one)
    found = []
    for (upper, lower, by), told in sorted(gathered.items()):
        affirmed = [one.tenure for one in told if not one.denied]
        stands = tenure.standing(affirmed, at) if affirmed else DENIED
        found.append(Edge(upper, lower, by, stands, tuple(told)))
    return found


def _above(climb: _Climb, node: str, *, seed: bool) -> list[str]:
    """Take what stands above one node; returns what is new. Who uses a place or belongs to a unit counts for a seed alone."""
    fresh = []
    for edge in climb.above.get(node, ()):
        if edge.by in SEATS and not seed:
            continue
        if edge.standing not in HOLDING:
            climb.elsewhere.append(edge)
            continue
        if edge.upper not in climb.levels:
            if len(climb.levels) >= NODES:
                climb.left_out += 1
                continue
            climb.levels[edge.upper] = climb.levels[node] + 1
            fresh.append(edge.upper)
        climb.edges.append(edge)
    return fresh


def _kinds(node: str) -> dict[str, tuple[str, ...]]:
    """Kind of gap -> the properties that would fill it, for a unit, a place or a person."""
    if node.startswith("G-"):
        return {"post": POSTS, "rank": RANKS}
    return {"post": POSTS} if node.startswith("L-") else {"rank": (*RANKS, "member of")}


def _gaps(node: str, above: Sequence[Edge], at: Days) -> list[Gap]:
    """The times around the act in which nobody is recorded above a node."""
    found = []
    for kind, properties in _kinds(node).items():
        spans: list[Days] = []
        undated = 0
        for edge in above:
            if edge.by in properties:
                known = [one.tenure for one in edge.tellings if not one.denied]
                dated = [one for one in known if one is not None]
                undated += len(known) - len(dated)
                bracketed = tenure.bracket(dated, at)
                spans += [*(one.possible for one in dated), *([bracketed] if bracketed else [])]
        if at == (None, None) and (spans or undated):
            continue  # an act without a date: nothing can be said to be missing on it
        found += [Gap(node, kind, first, last, undated) for first, last in tenure.uncovered(spans, at)]
    return found


def _overlaps(node: str, above: Sequence[Edge], at: Days) -> list[Overlap]:
    """Pairs recorded above a node at the same time in the same capacity, as far as the act's date is concerned."""
    found = []
    for kind, properties in {"post": POSTS, "rank": RANKS}.items():
        holding: dict[str, list[Tenure]] = defaultdict(list)
        for edge in above:
            if edge.by in properties and edge.standing in HOLDING:
                holding[edge.upper] += [one.tenure for one in edge.tellings if one.tenure is not None and not one.denied]
        uppers = [upper for upper in holding if kind == "post" or upper[:1] == node[:1]]
        for index, one in enumerate(uppers):
            found += [
                Overlap(node, kind, one, other, *shared)
                for other in uppers[index + 1 :]
                if (shared := _shared(holding[one], holding[other], at)) is not None
            ]
    return found


def _shared(ones: Sequence[Tenure], others: Sequence[Tenure], at: Days) -> tuple[int | None, int | None, str] | None:
    """(first, last, standing) of the surest days that two tenures share at ``at``."""
    best: tuple[int | None, int | None, str] | None = None
    for one in ones:
        for other in others:
            if one.certain and other.certain and (days := tenure.meet(one.certain, other.certain)) and tenure.meet(days, at):
                return (*days, CERTAIN)
            days = tenure.meet(one.possible, other.possible)
            if days is not None and tenure.meet(days, at) and best is None:
                best = (*days, tenure.POSSIBLE)
    return best


def circles(found: Iterable[Edge]) -> tuple[tuple[str, ...], ...]:
    """The groups of things that stand above each other (strongly connected; Tarjan, SIAM J. Comput. 1, 1972), and what is said
    to stand above itself.
    """
    below: dict[str, list[str]] = defaultdict(list)
    for edge in found:
        below[edge.upper].append(edge.lower)
    own = [(node,) for node in sorted(below) if node in below[node]]
    return tuple(sorted([*own, *(group for group in _strong(below) if len(group) > 1)]))


def _strong(below: Mapping[str, Sequence[str]]) -> list[tuple[str, ...]]:
    """Strongly connected components, without recursion."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    waiting: list[str] = []
    held: set[str] = set()
    found = []
    for root in sorted(below):
        if root in number:
            continue
        stack = [(root, iter(below[root]))]
        number[root] = low[root] = len(number)
        waiting.append(root)
        held.add(root)
        while stack:
            node, left = stack[-1]
            following = next(left, None)
            if following is None:
                stack.pop()
                if stack:
                    low[stack[-1][0]] = min(low[stack[-1][0]], low[node])
                if low[node] == number[node]:
                    place = waiting.index(node)
                    found.append(tuple(sorted(waiting[place:])))
                    held.difference_update(waiting[place:])
                    del waiting[place:]
            elif following not in number:
                number[following] = low[following] = len(number)
                waiting.append(following)
                held.add(following)
                stack.append((following, iter(below.get(following, ()))))
            elif following in held:
                low[node] = min(low[node], number[following])
    return found
