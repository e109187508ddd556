"""Who is said to command whom, to belong to what, to have done what: a bounded network around one thing that was opened.

Invariants: persons appear by handle, never by a name. It finds perpetrators and chains of command, not victims: a person is
drawn only as the thing that was opened, as alleged perpetrator, commander or official, or, around an opened event or act, as
whom that very act befell; nobody is reached by belonging to a group. No choice by any attribute of a person. At most ``NODES``
things are drawn, the others are counted.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from amparo.app import desk_layout
from amparo.app.desk_periods import today
from amparo.app.desk_remembered import Remembered
from amparo.app.reading import NothingThere
from amparo.app.session import Session
from amparo.kernel import dates, ids
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_
from amparo.record import aggregates
from amparo.record.aggregates import Dated, Told
from amparo.record.model import DENIED

NODES: Final = 60
DEPTHS: Final = (1, 2, 3)
PAGE: Final = 60
COMMAND: Final = {"commands": "subject", "in charge of": "subject", "superior": "value", "subordinate to": "value",
                  "member of": "value"}  # fmt: skip
"""Property -> which side of the claim stands above the other."""
DEEDS: Final = {"perpetrator": "value", "used by": "value", "involved party": "value", "involved in": "subject",
                "part of": "value"}  # fmt: skip
BEFELL: Final = {"victim": "subject", "affected": "subject"}
"""Followed from what was opened, and from the acts of an opened event, alone."""
_ROLES: Final = ("commands", "in charge of", "perpetrator", "involved party")
"""By these a person is alleged to have had a part, and may be drawn."""
_CENTRES: Final = ("person", "group", "place", "event", "act", "involvement")
_NO_UNITS: Final = ("affected persons", "family", "witnesses", "defenders", "public")
"""Types of groups that the list to begin with leaves out."""
_LOOKED: Final = 120  # claims looked at on either side of one thing
_DEEDS: Final = 4  # acts and events of one unit or person that are drawn, beyond what was opened
_OPENED: Final = 12  # the same of what was opened
_COMMAND_CLAIMS: Final = 20_000
_WIDTH, _BOX, _TALL, _STEP, _PER_ROW = 1000, 150, 40, 96, 6
_NEAR: Final = 0.78  # a line's name stands nearer its lower end, where lines are further apart
_WORDY: Final = 18  # edges that are named in the drawing; more are numbered


class NoCentre(BadInput):
    template = N_("A network is drawn around a person, group, place, event or act; {handle} is none of these.")


class Relation(NamedTuple):
    """Two things and how they are joined: ``upper`` stands above ``lower``."""

    upper: str
    lower: str
    property: str


@dataclass(slots=True)
class _Net:
    """What is drawn, as it grows. ``told``: relation -> the claims it rests on; ``left``: thing -> how many more it has."""

    nodes: dict[str, None] = field(default_factory=dict)
    told: dict[Relation, list[Told]] = field(default_factory=dict)
    left: Counter[str] = field(default_factory=Counter)
    outside: int = 0  # claims that hold at other times

    @property
    def full(self) -> bool:
        return len(self.nodes) >= NODES


def _command_claims(session: Session) -> dict[str, list[Told]]:
    """All claims of command, by each thing they name."""
    found: dict[str, list[Told]] = {}
    for one in aggregates.told_by_property(session.record, tuple(COMMAND), _COMMAND_CLAIMS):
        for end in {one.subject, one.value}:
            found.setdefault(end, []).append(one)
    return found


_command = Remembered(_command_claims)


# -- gathering ----------------------------------------------------------------------------------------------------------


def network(
    session: Session, *, of: str = "", depth: int = 2, at: str = "", page: int = 1, mirrored: bool = False
) -> dict[str, Any]:
    """The network around one thing, ``depth`` steps far, as of a partial date ("" for any time); without ``of`` the chains of
    command that begin at the top, and a page of the groups.

    Raises BadHandle, NothingThere, NoCentre, BadDate.
    """
    days = dates.parse(at).days() if at else None
    depth = depth if depth in DEPTHS else 2
    centre = ""
    if of:
        centre = str(ids.parse(of))
        entity = session.record.entity(centre)
        if entity is None:
            raise NothingThere(what=of[:40])
        if entity.kind not in _CENTRES:
            raise NoCentre(handle=centre)
    net = _Net()
    if centre:
        _grow(session, net, centre, depth, days)
    else:
        _from_the_top(session, net, days)
    named = aggregates.named(session.record, net.nodes)
    shown = _shown(session, net, named, centre, mirrored=mirrored)
    groups = [] if centre else aggregates.groups(session.record, _NO_UNITS, PAGE + 1, (page - 1) * PAGE)
    return {
        **shown, "of": centre, "depth": depth, "at": at, "today": today(), "page": page,
        "groups": [group._asdict() for group in groups[:PAGE]], "more_groups": len(groups) > PAGE,
        "label": named[centre].label if centre in named else "",
        "kind": named[centre].kind if centre in named else "",
    }  # fmt: skip


def _from_the_top(session: Session, net: _Net, days: tuple[int | None, int | None] | None) -> None:
    """The chains of command of the whole record: first those who stand above most and below nobody."""
    claims = _command(session)
    below: Counter[str] = Counter()
    under: set[str] = set()
    for told in claims.values():
        for one in told:
            relation = _relation(one)
            if relation.upper.startswith("G-") and relation.lower.startswith("G-"):
                below[relation.upper] += 1
                under.add(relation.lower)
    roots = sorted((group for group in below if group not in under), key=lambda group: (-below[group], _order(group)))
    roots = roots or sorted({end for end in claims if end.startswith("G-")}, key=_order)
    frontier = roots[:NODES]
    for node in frontier:
        if not net.full:
            net.nodes[node] = None
            found = [(_relation(one), one) for one in claims.get(node, ())]
            frontier += _take(session, net, node, found, days, NODES)


def _grow(session: Session, net: _Net, centre: str, depth: int, days: tuple[int | None, int | None] | None) -> None:
    """From what was opened, step by step; at each thing first who commands it, then what it is said to have done."""
    net.nodes[centre] = None
    frontier = [centre]
    for _step in range(depth):
        following: list[str] = []
        for node in frontier:
            opened = node == centre
            acts = session.record.entities(parent=node)[:_OPENED] if opened and node.startswith("E-") else []
            for act in acts:
                if act.kind == "act" and _add(net, act.handle):
                    net.told.setdefault(Relation(node, act.handle, "part of"), [])
                    following.append(act.handle)
            found, more = _joined(session, node, centre)
            net.left[node] += more
            following += _take(session, net, node, found, days, _OPENED if opened else _DEEDS)
        frontier = following


def _joined(session: Session, node: str, centre: str) -> tuple[list[tuple[Relation, Told]], int]:
    """(relations of one thing with their claims, 1 if there are claims that were not looked at)."""
    wanted = dict(DEEDS)
    if node[:1] in "EAP" and (node == centre or _is_of(session, node, centre)):
        wanted |= BEFELL
    told, more = aggregates.told_of(session.record, node, tuple(wanted), _LOOKED)
    told = [one for one in told if one.property not in BEFELL or centre in (one.subject, one.value) or one.subject == node]
    every = [*_command(session).get(node, ()), *told]
    return [(_relation(one), one) for one in every if ids.is_handle(one.value)], int(more)


def _is_of(session: Session, node: str, centre: str) -> bool:
    """True for an act of the event that was opened."""
    if not (node.startswith("A-") and centre.startswith("E-")):
        return False
    act = session.record.entity(node)
    return act is not None and act.parent == centre


def _take(
    session: Session, net: _Net, node: str, found: Iterable[tuple[Relation, Told]], days: tuple[int | None, int | None] | None,
    deeds: int,
) -> list[str]:  # fmt: skip
    """Add what a thing is joined to, as far as there is room and it may be drawn; returns what is new."""
    rank = {property: place for place, property in enumerate((*COMMAND, *BEFELL, *DEEDS))}
    fresh: list[str] = []
    done = 0
    officials: dict[str, bool] = {}

    def place(pair: tuple[Relation, Told]) -> tuple[int, tuple[str, int], str]:
        return rank[pair[1].property], _order(_other(pair[0], node)), pair[1].handle

    for relation, one in sorted(found, key=place):
        other = _other(relation, node)
        if not _holds(one, days):
            net.outside += 1
            continue
        if other not in net.nodes:
            deed = one.property in DEEDS and other[:1] in "EAN"
            if (deed and done >= deeds) or not _may(session, one, relation, other, officials) or not _add(net, other):
                net.left[node] += 1
                continue
            done += deed
            if not (one.property in BEFELL and other.startswith("P-")):  # nobody is asked about whom something befell
                fresh.append(other)
        claims = net.told.setdefault(relation, [])
        if one not in claims:
            claims.append(one)
    return fresh


def _may(session: Session, one: Told, relation: Relation, other: str, officials: dict[str, bool]) -> bool:
    """A person is drawn for a part in command or in an act, or as an official; or where an opened act befell the person."""
    if not other.startswith("P-") or one.property in _ROLES or (one.property == "superior" and other == relation.upper):
        return True
    if one.property in BEFELL:
        return True  # only asked of what was opened: _joined
    if other not in officials:
        entity = session.record.entity(other)
        officials[other] = entity is not None and entity.official
    return officials[other]


def _add(net: _Net, node: str) -> bool:
    if node not in net.nodes and net.full:
        return False
    net.nodes[node] = None
    return True


def _relation(one: Told) -> Relation:
    above = {**COMMAND, **DEEDS, **BEFELL}[one.property]
    upper, lower = (one.subject, one.value) if above == "subject" else (one.value, one.subject)
    return Relation(upper, lower, one.property)


def _other(relation: Relation, node: str) -> str:
    return relation.lower if relation.upper == node else relation.upper


def _holds(one: Told, days: tuple[int | None, int | None] | None) -> bool:
    """True if a claim may hold at the time asked for; one without a date may."""
    known = aggregates.first_and_last(one.valid) if days is not None and one.valid else None
    if days is None or known is None:
        return True
    return (known[0] is None or days[1] is None or known[0] <= days[1]) and (
        known[1] is None or days[0] is None or known[1] >= days[0]
    )


def _order(handle: str) -> tuple[str, int]:
    return (handle[:1], ids.parse(handle).packed) if ids.is_handle(handle) else (handle, 0)


# -- drawing ------------------------------------------------------------------------------------------------------------


def _shown(session: Session, net: _Net, named: dict[str, Dated], centre: str, *, mirrored: bool) -> dict[str, Any]:
    """Boxes, lines between them, and the table that says the same."""
    disputed = aggregates.disputed(session.record, (one.handle for claims in net.told.values() for one in claims))
    nodes = sorted(net.nodes, key=_order)
    placed = _placed(desk_layout.rows(nodes, [(one.upper, one.lower) for one in net.told], _PER_ROW), mirrored=mirrored)
    boxes = [_box(node, named.get(node), placed[node], centre, net.left[node]) for node in nodes]
    edges = []
    ordered = sorted(net.told.items(), key=lambda item: (_order(item[0].upper), _order(item[0].lower), item[0].property))
    for number, (relation, claims) in enumerate(ordered, 1):
        edges.append({
            "number": number, **_line(placed[relation.upper], placed[relation.lower]), **relation._asdict(),
            "claims": [{"handle": one.handle, "valid": one.valid, "source": one.source, "denied": one.polarity == DENIED,
                        "disputed": one.handle in disputed} for one in claims],
            "dates": list(dict.fromkeys(one.valid for one in claims if one.valid)),
            "doubted": any(one.polarity == DENIED or one.handle in disputed for one in claims),
        })  # fmt: skip
    height = max((y for _x, y in placed.values()), default=0) + _TALL + 12
    return {
        "boxes": boxes, "edges": edges, "width": _WIDTH, "height": height, "wordy": len(edges) <= _WORDY,
        "labels": {node: thing.label for node, thing in named.items()}, "left": sum(net.left.values()), "outside": net.outside,
    }  # fmt: skip


def _placed(rows: list[list[str]], *, mirrored: bool) -> dict[str, tuple[float, float]]:
    """For each node (left, top) of its box, the rows centred."""
    found = {}
    for index, row in enumerate(rows):
        room = _WIDTH / len(row)
        for place, node in enumerate(row):
            x = place * room + (room - _BOX) / 2
            found[node] = (round(_WIDTH - x - _BOX if mirrored else x, 1), 6.0 + index * _STEP)
    return found


def _box(node: str, thing: Dated | None, at: tuple[float, float], centre: str, left: int) -> dict[str, Any]:
    label = thing.label if thing else ""
    return {"handle": node, "x": at[0], "y": at[1], "w": _BOX, "h": _TALL, "kind": thing.kind if thing else "", "left": left,
            "label": label if len(label) <= 23 else label[:22] + "…", "centre": node == centre}  # fmt: skip


def _line(upper: tuple[float, float], lower: tuple[float, float]) -> dict[str, Any]:
    """A curve from the foot of one box to the head of another, and its middle."""
    x1, y1, x2, y2 = upper[0] + _BOX / 2, upper[1] + _TALL, lower[0] + _BOX / 2, lower[1]
    if y2 <= y1:  # in one row, or against the order: over the heads
        y1, y2 = upper[1], lower[1]
        bend = min(y1, y2) - 22
        return {"d": f"M{x1:g} {y1:g}C{x1:g} {bend:g} {x2:g} {bend:g} {x2:g} {y2:g}",
                "mx": round((x1 + x2) / 2, 1), "my": round((y1 + y2 + 6 * bend) / 8, 1)}  # fmt: skip
    half = (y1 + y2) / 2
    return {"d": f"M{x1:g} {y1:g}C{x1:g} {half:g} {x2:g} {half:g} {x2:g} {y2:g}",
            "mx": round(x1 + (x2 - x1) * _NEAR, 1), "my": round(y1 + (y2 - y1) * 0.6, 1)}  # fmt: skip
