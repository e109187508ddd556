"""The map of the record: how many claims name which place, each place as vague as it was recorded.

Invariants: a place is a circle of the precision that a claim gives it, never smaller and never a point; one without a stated
precision is not drawn, nor is one where people live. What has no coordinates is listed with its counts, as everything is. No
coordinates stand in an address or title: a map is opened around a handle.
"""

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from amparo.app import outlines
from amparo.app.desk_periods import today
from amparo.app.desk_remembered import Remembered
from amparo.app.outlines import Outlines, Shown
from amparo.app.session import Session
from amparo.dossier import states
from amparo.kernel.i18n import N_
from amparo.kernel.text import fold
from amparo.record import aggregates

if TYPE_CHECKING:
    from amparo.record.aggregates import Told

WIDTH, HEIGHT = 1000, 620
PAGE: Final = 60
LEAST: Final = 1.0  # km: no circle is smaller, whatever a claim says
NEVER: Final = ("home",)
"""Types of places that are never drawn."""
ZOOMS: Final = {"1": 2000.0, "2": 800.0, "3": 300.0, "4": 100.0, "5": 30.0}
"""Half the height of the map in km."""
_AREAS: Final = ("country", "region")
_PLACES: Final = 20_000
_CLAIMS: Final = 20_000
_CIRCLES: Final = 400
_NAMES: Final = 40
_DEGREE: Final = 111.32  # km of a degree of latitude, and of longitude at the equator
_POINTS: Final = 24_000  # of outlines in one drawing
_VALUE: Final = re.compile(
    r"\s*([+-]?\d{1,2}(?:\.\d{1,8})?)\s*°?\s*([NS]?)\s*[,; ]\s*([+-]?\d{1,3}(?:\.\d{1,8})?)\s*°?\s*([EW]?)"
    r"\s*(?:,?\s*(?:±|\+/-|\+-|~)\s*(\d{1,5}(?:\.\d{1,3})?)\s*(km|m))?\s*", re.ASCII)  # fmt: skip
WHY: Final = {
    "circle": N_("circle"), "area": N_("area"), "": N_("no coordinates on record"), "vague": N_("no precision on record"),
    "home": N_("never drawn: people live there"), "unread": N_("coordinates cannot be read"),
}  # fmt: skip


class Spot(NamedTuple):
    """Coordinates in degrees and how exact they are, in km."""

    latitude: float
    longitude: float
    radius: float


@dataclass(frozen=True, slots=True)
class _Place:
    handle: str
    label: str
    type: str
    parent: str
    here: int  # claims that name it
    within: int  # and places that are part of it
    spots: tuple[tuple[Spot, str], ...]  # with the claim that says so
    why: str  # a key of WHY


def spot(value: str) -> Spot | str:
    """Read coordinates as a claim gives them: “43.3, 45.7 ±20 km”. A key of WHY says why they are not drawn."""
    match = _VALUE.fullmatch(value[:80])
    if match is None:
        return "unread"
    latitude, longitude = float(match[1]), float(match[3])
    latitude, longitude = -latitude if match[2] == "S" else latitude, -longitude if match[4] == "W" else longitude
    if abs(latitude) > 85 or abs(longitude) > 180:
        return "unread"
    if match[5] is None:
        return "vague"
    radius = float(match[5]) / (1000 if match[6] == "m" else 1)
    return Spot(latitude, longitude, max(LEAST, radius)) if radius <= 5000 else "unread"


def _count(session: Session) -> dict[str, _Place]:
    """All places with their counts and circles."""
    known = aggregates.places(session.record, _PLACES)
    here = aggregates.claims_by_place(session.record)
    within = dict(here)
    parents = {place.handle: place.parent for place in known}
    for handle, number in here.items():
        above, seen = parents.get(handle, ""), {handle}
        while above and above not in seen:
            within[above] = within.get(above, 0) + number
            seen.add(above)
            above = parents.get(above, "")
    told: dict[str, list[Told]] = {}
    homes = {place.handle for place in known if place.type in NEVER}
    for one in aggregates.told_by_property(session.record, ("coordinates", "place type"), _CLAIMS):
        if one.property == "coordinates":
            told.setdefault(one.subject, []).append(one)
        elif one.value in NEVER:
            homes.add(one.subject)
    found = {}
    for place in known:
        read = [(spot(one.value), one.handle) for one in told.get(place.handle, ())]
        spots = tuple((at, claim) for at, claim in read if isinstance(at, Spot))
        unread = next((at for at, _claim in read if isinstance(at, str)), "")
        why = "home" if place.handle in homes else "circle" if spots else unread
        found[place.handle] = _Place(place.handle, place.label, place.type, place.parent, here.get(place.handle, 0),
                                     within.get(place.handle, 0), () if why == "home" else spots, why)  # fmt: skip
    return found


_all = Remembered(_count)


# -- the page -----------------------------------------------------------------------------------------------------------


def chart(session: Session, *, of: str = "", zoom: str = "", page: int = 1) -> dict[str, Any]:
    """The map and its table. ``of`` a place it is centred on, ``zoom`` a key of ZOOMS; without them all that can be drawn."""
    known = _all(session)
    brought = outlines.kept(session.folder)
    areas = _areas(known, brought)
    centre = known.get(of)
    frame = _frame(known, areas, brought, centre, ZOOMS.get(zoom))
    ordered = sorted(known.values(), key=lambda place: (-place.within, place.handle))
    drawn = _drawn(known, areas, brought, frame, of) if frame else None
    rows = [{"handle": place.handle, "label": place.label, "type": place.type, "parent": place.parent, "here": place.here,
             "within": place.within, "how": "area" if place.handle in areas and place.why != "circle" else place.why,
             "radius": max((at.radius for at, _claim in place.spots), default=0),
             "claims": [claim for _at, claim in place.spots]}
            for place in ordered[(page - 1) * PAGE : page * PAGE]]  # fmt: skip
    return {
        "drawing": drawn, "rows": rows, "why": WHY, "of": of if centre else "", "zoom": zoom if zoom in ZOOMS else "",
        "label": centre.label if centre else "", "total": len(known), "page": page, "pages": max(1, -(-len(known) // PAGE)),
        "most": ordered[0].within if ordered else 0, "outlined": bool(brought.every), "today": today(),
        "zooms": {step: 2 * half for step, half in ZOOMS.items()},
        "labels": {place.parent: known[place.parent].label for place in ordered if place.parent in known},
        "located": sum(bool(place.spots) for place in known.values()), "areas": len(areas),
        "claims": sum(place.here for place in known.values()),
    }  # fmt: skip


def _areas(known: dict[str, _Place], brought: Outlines) -> dict[str, Shown]:
    """Countries and regions that have no circle but an outline of their name."""
    by_name = brought.by_name
    codes = {fold(states.name(code)): code.lower() for code in states.NAMES} | {
        fold(name): code.lower() for code, name in states.NAMES.items()
    }
    found = {}
    for place in known.values():
        if place.type in _AREAS and not place.spots and place.within:
            name = fold(place.label)
            outline = by_name.get(name) or (by_name.get(codes.get(name, "")) if place.type == "country" else None)
            if outline is not None:
                found[place.handle] = outline
    return found


@dataclass(frozen=True, slots=True)
class _Frame:
    """What part of the world is drawn: degrees, and how many units of the drawing a degree takes (equirectangular)."""

    south: float
    west: float
    north: float
    east: float

    @property
    def across(self) -> float:
        return WIDTH / (self.east - self.west)

    @property
    def up(self) -> float:
        return HEIGHT / (self.north - self.south)

    def at(self, latitude: float, longitude: float) -> tuple[float, float]:
        return (longitude - self.west) * self.across, (self.north - latitude) * self.up


def _frame(
    known: dict[str, _Place], areas: dict[str, Shown], brought: Outlines, centre: _Place | None, half: float | None
) -> _Frame | None:
    """Around a place as far as asked, or as far as it is vague; else whatever is drawn; None where nothing can be."""
    every = [at for place in known.values() for at, _claim in place.spots]
    chosen = [at for at, _claim in centre.spots] if centre else every
    boxes = [_box(at) for at in chosen]
    if centre is None or not boxes:
        named = [areas[centre.handle]] if centre and centre.handle in areas else list(areas.values())
        boxes += [_extent(one) for one in named]
    boxes = boxes or [_box(at) for at in every]
    if not boxes:
        return _fit(-58, -170, 78, 180) if brought.every else None
    south, west = min(box[0] for box in boxes), min(box[1] for box in boxes)
    north, east = max(box[2] for box in boxes), max(box[3] for box in boxes)
    if half is not None:
        middle = (south + north) / 2, (west + east) / 2
        tall = half / _DEGREE
        wide = tall / max(0.05, math.cos(math.radians(middle[0])))
        return _fit(middle[0] - tall, middle[1] - wide, middle[0] + tall, middle[1] + wide)
    room = 0.08 if centre is None else 1.5
    tall, wide = max(0.2, north - south) * room, max(0.2, east - west) * room
    return _fit(south - tall, west - wide, north + tall, east + wide)


def _box(at: Spot) -> tuple[float, float, float, float]:
    tall = at.radius / _DEGREE
    wide = tall / max(0.05, math.cos(math.radians(at.latitude)))
    return at.latitude - tall, at.longitude - wide, at.latitude + tall, at.longitude + wide


def _extent(one: Shown) -> tuple[float, float, float, float]:
    largest = max(range(len(one.rings)), key=lambda index: len(one.rings[index]))  # islands far off are left out
    west, south, east, north = one.boxes[largest]
    return south / 100, west / 100, north / 100, east / 100


def _fit(south: float, west: float, north: float, east: float) -> _Frame:
    """Widened to the sheet's shape, so that a kilometre is as long across as up in the middle."""
    south, north = max(-85.0, south), min(85.0, north)
    narrow = max(0.05, math.cos(math.radians((south + north) / 2)))
    wide, tall = (east - west) * narrow, north - south
    if wide / tall < WIDTH / HEIGHT:
        more = (tall * WIDTH / HEIGHT - wide) / narrow / 2
        west, east = west - more, east + more
    else:
        more = (wide * HEIGHT / WIDTH - tall) / 2
        south, north = south - more, north + more
    return _Frame(south, west, north, east)


# -- drawing ------------------------------------------------------------------------------------------------------------


def _drawn(
    known: dict[str, _Place], areas: dict[str, Shown], brought: Outlines, frame: _Frame, of: str
) -> dict[str, Any]:
    circles, outside = _circles(known, frame, of)
    most = max((known[handle].within for handle in areas), default=1)
    shaded = [{"handle": handle, "label": known[handle].label, "number": known[handle].within, "d": _path(one, frame),
               "shade": _shade(known[handle].within, most)} for handle, one in areas.items()]  # fmt: skip
    shaded = [one for one in shaded if one["d"]]
    return {
        "width": WIDTH, "height": HEIGHT, "circles": circles, "names": _names(circles, shaded, frame, areas),
        "areas": sorted(shaded, key=lambda one: one["number"]), "land": _land(brought, frame) if brought.every else "",
        "lines": _graticule(frame), "bar": _bar(frame), "outside": outside,
    }  # fmt: skip


def _circles(known: dict[str, _Place], frame: _Frame, of: str) -> tuple[list[dict[str, Any]], int]:
    """The circles that touch the map, the vaguest first so that the others lie on top; and how many are left out."""
    found: list[dict[str, Any]] = []
    outside = 0
    for place in known.values():
        for at, claim in place.spots:
            x, y = frame.at(at.latitude, at.longitude)
            tall = at.radius / _DEGREE * frame.up
            wide = at.radius / _DEGREE / max(0.05, math.cos(math.radians(at.latitude))) * frame.across
            if not (-wide < x < WIDTH + wide and -tall < y < HEIGHT + tall):
                outside += 1
                continue
            found.append({
                "handle": place.handle, "label": place.label, "number": place.within, "claim": claim, "x": round(x, 1),
                "y": round(y, 1), "rx": round(max(4.0, wide), 1), "ry": round(max(4.0, tall), 1), "chosen": place.handle == of,
            })  # fmt: skip
    found.sort(key=lambda one: (-one["number"], one["handle"]))
    kept = found[:_CIRCLES]
    most = max((one["number"] for one in kept), default=1)
    for one in kept:
        one["shade"] = _shade(one["number"], most)
    return sorted(kept, key=lambda one: -one["rx"]), outside + len(found) - len(kept)


def _shade(number: int, most: int) -> float:
    """How dark: by the logarithm, so that one claim can still be seen beside ten thousand."""
    return round(0.12 + 0.5 * math.log1p(number) / math.log1p(max(most, 1)), 2)


def _names(
    circles: list[dict[str, Any]], shaded: list[dict[str, Any]], frame: _Frame, areas: dict[str, Shown]
) -> list[dict[str, Any]]:
    """Names that have room, those of most claims first."""
    wished = [(one["number"], one["handle"], one["label"], one["x"], one["y"]) for one in circles]
    for one in shaded:
        south, west, north, east = _extent(areas[one["handle"]])
        x, y = frame.at((south + north) / 2, (west + east) / 2)
        wished.append((one["number"], one["handle"], one["label"], round(x, 1), round(y, 1)))
    taken: list[tuple[float, float, float, float]] = []
    found: list[dict[str, Any]] = []
    for number, handle, label, x, y in sorted(wished, key=lambda one: (-one[0], one[1])):
        text = f"{(label or handle)[:28]} · {number}"
        half = len(text) * 3.2
        box = x - half, y - 7, x + half, y + 7
        free = all(box[2] < other[0] or other[2] < box[0] or box[3] < other[1] or other[3] < box[1] for other in taken)
        if free and half < x < WIDTH - half and 10 < y < HEIGHT - 10 and len(found) < _NAMES:
            taken.append(box)
            found.append({"x": x, "y": y, "label": (label or handle)[:28], "number": number})
    return found


def _path(one: Shown, frame: _Frame) -> str:
    """An outline as an SVG path in whole units, without what lies outside or is too small to see."""
    parts = []
    low, high = frame.west * 100 - 500, frame.east * 100 + 500
    bottom, top = frame.south * 100 - 500, frame.north * 100 + 500
    across, up = frame.across / 100, frame.up / 100
    west, north = frame.west * 100, frame.north * 100
    for ring, box in zip(one.rings, one.boxes, strict=True):
        if box[2] < low or box[0] > high or box[3] < bottom or box[1] > top:
            continue
        points: list[tuple[int, int]] = []
        for x, y in ring:
            at = round(min(max((x - west) * across, -WIDTH), 2 * WIDTH)), round(min(max((north - y) * up, -HEIGHT), 2 * HEIGHT))
            if not points or abs(at[0] - points[-1][0]) + abs(at[1] - points[-1][1]) > 1:
                points.append(at)
        if len(points) > 2:
            parts.append("M" + "L".join(f"{x} {y}" for x, y in points))
    return "".join(parts)


@lru_cache(16)
def _land(brought: Outlines, frame: _Frame) -> str:
    """All outlines in one path, bounded."""
    parts: list[str] = []
    points = 0
    for one in brought.every:
        path = _path(one, frame)
        points += path.count("L")
        if points > _POINTS:
            break
        parts.append(path)
    return "".join(parts)


def _graticule(frame: _Frame) -> list[dict[str, Any]]:
    """Meridians and parallels at round degrees, some six across."""
    wide = frame.east - frame.west
    step = next((one for one in (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0) if wide / one < 8), 60.0)
    digits = 0 if step >= 1 else 2 if step < 0.1 else 1
    found = []
    for n in range(math.ceil(frame.west / step), math.floor(frame.east / step) + 1):
        x = round((n * step - frame.west) * frame.across, 1)
        found.append({"d": f"M{x} 0V{HEIGHT}", "x": x + 3, "y": HEIGHT - 4, "label": f"{n * step:.{digits}f}°"})
    for n in range(math.ceil(frame.south / step), math.floor(frame.north / step) + 1):
        y = round((frame.north - n * step) * frame.up, 1)
        found.append({"d": f"M0 {y}H{WIDTH}", "x": 3, "y": y - 3, "label": f"{n * step:.{digits}f}°"})
    return found


def _bar(frame: _Frame) -> dict[str, Any]:
    """A scale bar of round kilometres, true in the middle of the map."""
    per_km = frame.up / _DEGREE
    length = next((one for one in (2000, 1000, 500, 200, 100, 50, 20, 10, 5, 2, 1) if one * per_km <= 200), 1)
    return {"km": length, "w": round(length * per_km, 1)}
