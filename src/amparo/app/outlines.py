"""Outlines of countries and regions under the map: a public file (Natural Earth, for one) that a user brings once.

Invariants: reading one has a cost cap, whatever the file says of itself; what is kept is names and points to a hundredth of a
degree, nothing else of it. It lies unsealed in ``settings/outlines.json`` of the workspace, for it is public; bring the whole
world, since a part of it would tell where the work is.

Forms: GeoJSON (RFC 7946), as a FeatureCollection; ESRI Shapefile (technical description of July 1998), with its .dbf for names.
"""

import json
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import ijson  # type: ignore[import-untyped]

from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _
from amparo.kernel.text import fold
from amparo.vault.disk import Disk

SETTINGS: Final = "settings"
_FILE: Final = "outlines.json"
_BYTES: Final = 32 << 20
_FEATURES: Final = 20_000
_POINTS: Final = 500_000  # that are kept
_NAMES: Final = ("name", "name_en", "name_long", "name_ru", "name_ar", "name_fr", "name_es", "name_uk", "name_local", "admin",
                 "adm0_a3", "iso_a3")  # fmt: skip
_REGION: Final = ("iso_3166_2", "adm1_code")
"""Natural Earth's regions have these, and say in the last of _NAMES which country they are part of."""
_NAME: Final = 80
_DEEPEST: Final = 16
_NESTED: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)


class BadOutlines(BadInput):
    template = N_(
        "The outlines in {name} cannot be used: {why}. Give a GeoJSON file or shapefile of countries, such as "
        "Natural Earth 1:50m; nothing was changed.")


Points = tuple[tuple[int, int], ...]


class Outline(NamedTuple):
    """A country or region: its ``names``, folded; ``rings`` of points (longitude, latitude) in hundredths of a degree."""

    names: tuple[str, ...]
    rings: tuple[Points, ...]


class Shown(NamedTuple):
    """An outline with the box around each ring: west, south, east, north."""

    names: tuple[str, ...]
    rings: tuple[Points, ...]
    boxes: tuple[tuple[int, int, int, int], ...]


@dataclass(frozen=True, eq=False)
class Outlines:
    """What somebody brought; compared by identity, so that drawings of it can be remembered."""

    every: tuple[Shown, ...] = ()

    @cached_property
    def by_name(self) -> dict[str, Shown]:
        """The first of each name."""
        found: dict[str, Shown] = {}
        for one in self.every:
            for name in one.names:
                found.setdefault(name, one)
        return found


NONE: Final = Outlines()


# -- bringing -----------------------------------------------------------------------------------------------------------


def bring(workspace: Path, sources: Sequence[Path]) -> int:
    """Read files and keep their outlines for the map, in place of earlier ones; returns how many.

    Raises BadOutlines, DiskRefused.
    """
    kept: list[Outline] = []
    for source in sources:
        found = _read_file(source)
        if not found:
            raise BadOutlines(name=source.name, why=_("it has no areas or lines"))
        kept += found
        if sum(len(ring) for one in kept for ring in one.rings) > _POINTS:
            raise BadOutlines(name=source.name, why=_("there are more than {number} points").format(number=_POINTS))
    disk, folder = Disk(), workspace / SETTINGS
    disk.mkdir(folder)
    rows = [[list(one.names), [[part for point in ring for part in point] for ring in one.rings]] for one in kept]
    disk.atomic_write(folder / _FILE, json.dumps({"format": 1, "outlines": rows}, separators=(",", ":")).encode())
    return len(kept)


def _read_file(source: Path) -> list[Outline]:
    try:
        if source.stat().st_size > _BYTES:
            raise BadOutlines(name=source.name, why=_("it is larger than {number} MB").format(number=_BYTES >> 20))
        return _kept(source.name, _shapes(source) if source.suffix.lower() == ".shp" else _features(source))
    except (OSError, ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError, struct.error,
            ijson.JSONError):  # fmt: skip
        raise BadOutlines(name=source.name, why=_("it is damaged or of another form")) from None


def _kept(name: str, found: Iterable[tuple[list[str], Iterable[Iterable[Any]]]]) -> list[Outline]:
    """The outlines as they are kept: to a hundredth of a degree, without points that fall together."""
    kept: list[Outline] = []
    points = 0
    for names, lines in found:
        rings = []
        for line in lines:
            ring: list[tuple[int, int]] = []
            for point in line:
                at = _hundredths(point)
                if not ring or ring[-1] != at:
                    ring.append(at)
            points += len(ring)
            if points > _POINTS:
                raise BadOutlines(name=name, why=_("there are more than {number} points").format(number=_POINTS))
            if len(ring) > 2:
                rings.append(tuple(ring))
        if rings:
            kept.append(Outline(tuple(dict.fromkeys(fold(one[:_NAME]) for one in names if one)), tuple(rings)))
        if len(kept) > _FEATURES:
            raise BadOutlines(name=name, why=_("there are more than {number} areas").format(number=_FEATURES))
    return kept


def _hundredths(point: Any) -> tuple[int, int]:
    longitude, latitude = float(point[0]), float(point[1])
    if not (-181 <= longitude <= 181 and -91 <= latitude <= 91):
        raise ValueError("no longitude and latitude")
    return round(longitude * 100), round(latitude * 100)


def _features(source: Path) -> Iterator[tuple[list[str], list[Any]]]:
    """(names, lines) of each feature of a GeoJSON file, one after the other."""
    with source.open("rb") as file:
        _check_depth(file.read())
        file.seek(0)
        for feature in ijson.items(file, "features.item", use_float=True):
            geometry = feature.get("geometry") or {}
            kind, lines = geometry.get("type"), geometry.get("coordinates") or []
            known = {str(key).lower(): value for key, value in (feature.get("properties") or {}).items()}
            names = [value for key in _keys(known) if isinstance(value := known.get(key), str)]
            if kind == "LineString":
                yield names, [lines]
            elif kind in ("Polygon", "MultiLineString"):
                yield names, lines
            elif kind == "MultiPolygon":
                yield names, [ring for polygon in lines for ring in polygon]


def _check_depth(data: bytes) -> None:
    """Refuse what is nested deeper than outlines are: a JSON reader pays for each level at every value. Raises ValueError."""
    depth = 0
    for found in _NESTED.finditer(data):
        if found[0] in b"[{":
            depth += 1
            if depth > _DEEPEST:
                raise ValueError("nested too deep")
        elif found[0] in b"]}":
            depth -= 1


def _keys(known: Iterable[str]) -> tuple[str, ...]:
    """Which properties are names of the thing itself."""
    return _NAMES[:-3] if set(_REGION) & set(known) else _NAMES


def _shapes(source: Path) -> Iterator[tuple[list[str], list[Any]]]:
    """The same of a shapefile; names come from the .dbf beside it, where there is one."""
    data = source.read_bytes()
    if struct.unpack_from(">i", data)[0] != 9994:
        raise ValueError("no shapefile")
    table = source.with_suffix(".dbf")
    names = list(_rows(table)) if table.is_file() and table.stat().st_size <= _BYTES else []
    at, number = 100, 0
    while at + 12 <= len(data):
        words = struct.unpack_from(">i", data, at + 4)[0]
        (kind,) = struct.unpack_from("<i", data, at + 8)
        if words < 2:
            raise ValueError("a record without content")
        if kind in (3, 5, 13, 15):  # lines and areas, also with heights
            parts, points = struct.unpack_from("<ii", data, at + 44)
            if not (0 < parts <= points) or at + 52 + 4 * parts + 16 * points > len(data):
                raise ValueError("a record that is longer than the file")
            starts = [*struct.unpack_from(f"<{parts}i", data, at + 52), points]
            flat = struct.unpack_from(f"<{2 * points}d", data, at + 52 + 4 * parts)
            lines = [[(flat[2 * n], flat[2 * n + 1]) for n in range(max(0, low), min(high, points))]
                     for low, high in pairwise(starts)]  # fmt: skip
            yield names[number] if number < len(names) else [], lines
        at, number = at + 8 + 2 * words, number + 1


def _rows(table: Path) -> Iterator[list[str]]:
    """The names in each row of a dBase III table (UTF-8, as Natural Earth writes them)."""
    data = table.read_bytes()
    count, header, width = struct.unpack_from("<IHH", data, 4)
    fields: dict[str, tuple[int, int]] = {}
    at = 1
    for start in range(32, min(header, len(data)) - 31, 32):
        if data[start] == 0x0D:
            break
        name, length = data[start : start + 11].split(b"\0")[0].decode("ascii", "replace").lower(), data[start + 16]
        fields[name] = at, length
        at += length
    places = [fields[key] for key in _keys(fields) if key in fields]
    for number in range(min(count, _FEATURES)):
        row = data[header + number * width : header + (number + 1) * width]
        yield [row[low : low + length].decode("utf-8", "replace").strip("\0 ") for low, length in places]


# -- reading what is kept -----------------------------------------------------------------------------------------------


def kept(workspace: Path) -> Outlines:
    """The outlines somebody brought; none where nobody did, or where the file was damaged."""
    path = workspace / SETTINGS / _FILE
    try:
        stat = path.stat()
    except OSError:
        return NONE
    return _read(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(2)
def _read(path: Path, _changed: int, size: int) -> Outlines:
    if size > 2 * _BYTES:
        return NONE
    try:
        rows = json.loads(path.read_bytes())["outlines"]
        return Outlines(tuple(_shown(names, rings) for names, rings in rows[:_FEATURES]))
    except (OSError, ValueError, TypeError, KeyError):
        return NONE


def _shown(names: list[str], flat: list[list[int]]) -> Shown:
    rings = tuple(tuple(zip(map(int, ring[::2]), map(int, ring[1::2]), strict=True)) for ring in flat if len(ring) > 1)
    boxes = ((min(x for x, _ in ring), min(y for _, y in ring), max(x for x, _ in ring), max(y for _, y in ring))
             for ring in rings)  # fmt: skip
    return Shown(tuple(map(str, names)), rings, tuple(boxes))
