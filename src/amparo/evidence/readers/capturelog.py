"""What ProofMode, Tella and eyeWitness-like logs share: fields, times, places, and whether they can be true together.

Invariant: a log is what a device or its owner wrote, so every sentence says what the log says and what is odd in it, never that
it is true. Sentences carry no identifier and no place: those are personal and go out apart (``sensitive``).
"""

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from amparo.evidence.findings import Data
from amparo.kernel.i18n import _

LONGEST: Final = 4 << 20
"""Bytes of a log that is read: a megabyte of sensor readings is hours."""
_FIELDS: Final = 400
_ROWS: Final = 100_000
_LONG: Final = 500
_FASTEST: Final = 340.0
"""Metres a second above which nobody travels but in a military aircraft."""
_LEAST: Final = 2_000.0
"""Metres within which a receiver's jump is its own error."""
_SKEW: Final = 600_000
_DAY: Final = 86_400_000
_PERSONAL: Final = re.compile(
    r"device.?id|\bid\b|imei|imsi|serial|mac\b|wifi|wi-fi|ipv?[46]|\bip\b|bluetooth|cell|ssid|operator|network|lat|lon|lng|gps|"
    r"location|altitude|bearing|place|address|phone|notes?\b|user|owner|path",
    re.IGNORECASE,
)
_STAMP: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d))?(?:[.,]\d+)?\s*(Z|[+-]\d\d:?\d\d)?")


@dataclass(slots=True)
class Record:
    """One capture: the fields as written. Names are compared folded: "File Hash SHA256" is "filehashsha256"."""

    fields: dict[str, str]
    _folded: dict[str, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._folded = {re.sub(r"[\W_]+", "", name).lower(): value.strip() for name, value in self.fields.items()}

    def get(self, *names: str) -> str:
        """The first of these fields (folded names) that has a value."""
        return next((self._folded[name] for name in names if self._folded.get(name)), "")

    def time(self, *names: str) -> int:
        """As ``get``, as ms since 1970 UTC; 0 where it is no time."""
        return milliseconds(self.get(*names))

    def number(self, *names: str) -> float | None:
        """As ``get``, as a number."""
        return _number(self.get(*names))

    def sensitive(self) -> dict[str, str]:
        """The fields that tell of a device, a network, a place or a person."""
        return {name: value[:_LONG] for name, value in self.fields.items() if value and _PERSONAL.search(name)}

    def plain(self) -> dict[str, str]:
        """The other fields."""
        return {name: value[:_LONG] for name, value in self.fields.items() if value and not _PERSONAL.search(name)}


@dataclass(slots=True, frozen=True)
class Point:
    """Where the log says the device was: ms since 1970 (0 unknown), degrees, and how exact in metres."""

    time: int
    latitude: float
    longitude: float
    accuracy: float = 0.0


def parse(data: bytes) -> list[Record]:
    """The records of a log in JSON (an object, or a list of them) or CSV (names above values, or name and value a line)."""
    text = data[:LONGEST].decode("utf-8-sig", "replace")
    if text.lstrip()[:1] in ("{", "["):
        return _json(text)
    try:
        rows = [row for row, _number in zip(csv.reader(io.StringIO(text)), range(_ROWS), strict=False) if row]
    except csv.Error:
        return []
    if len(rows) >= 2 and all(len(row) == 2 for row in rows):
        return [Record({row[0]: row[1] for row in rows[:_FIELDS]})]
    if len(rows) < 2:
        return []
    names = rows[0][:_FIELDS]
    return [Record({name: value for name, value in zip(names, row, strict=False) if name}) for row in rows[1:]]


def _json(text: str) -> list[Record]:
    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        return []
    found = held if isinstance(held, list) else [held]
    return [Record(dict(_flat(one, "", 0))) for one in found[:_ROWS] if isinstance(one, dict)]


def _flat(value: Any, name: str, depth: int) -> Iterator[tuple[str, str]]:
    """Nested fields under dotted names; lists under their numbers. No deeper than four levels."""
    if isinstance(value, dict) and depth < 4:
        for key, below in list(value.items())[:_FIELDS]:
            yield from _flat(below, f"{name}.{key}" if name else str(key), depth + 1)
    elif isinstance(value, list) and depth < 4:
        for number, below in enumerate(value[:_ROWS]):
            yield from _flat(below, f"{name}.{number}", depth + 1)
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        yield name, str(value)


def milliseconds(text: str) -> int:
    """ISO 8601, Unix seconds or milliseconds as ms since 1970 UTC; 0 where it is none, or has no zone and cannot be placed."""
    match = _STAMP.match(text.strip())
    if match:
        try:
            offset = (match[7] or "Z").replace("Z", "+00:00")
            offset = offset if ":" in offset else offset[:3] + ":" + offset[3:]
            clock = f"{match[1]}-{match[2]}-{match[3]}T{match[4]}:{match[5]}:{match[6] or '00'}{offset}"
            return max(int(datetime.fromisoformat(clock).timestamp() * 1000), 0)
        except (ValueError, OverflowError):
            return 0
    number = _number(text)
    if number is None or not 0 < number < 1e14:
        return 0
    return int(number) if number > 1e11 else int(number * 1000)


def _number(text: str) -> float | None:
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def point(record: Record, time: int = 0) -> Point | None:
    """The place a record names, at the time of its fix or else at ``time``."""
    latitude = record.number("locationlatitude", "latitude", "lat", "gpslatitude")
    longitude = record.number("locationlongitude", "longitude", "lon", "lng", "gpslongitude")
    if latitude is None or longitude is None:
        return None
    at = record.time("locationtime", "locationtimestamp", "gpstime", "gpstimestamp") or time
    return Point(at, latitude, longitude, record.number("locationaccuracy", "accuracy", "gpsaccuracy") or 0.0)


# -- can it be true --------------------------------------------------------------------------------------------------------


def oddities(points: Iterable[Point]) -> Iterator[str]:
    """Sentences about a track that cannot be: no place on Earth, time that runs backwards, journeys nobody makes."""
    before: Point | None = None
    backwards = jumps = nowhere = 0
    fastest = 0.0
    for one in points:
        if not (-90 <= one.latitude <= 90 and -180 <= one.longitude <= 180) or (one.latitude == 0 == one.longitude):
            nowhere += 1
            continue
        if before is not None and before.time and one.time:
            backwards += one.time < before.time
            way = max(_metres(before, one) - before.accuracy - one.accuracy, 0.0)
            seconds = abs(one.time - before.time) / 1000
            if way > _LEAST and way > _FASTEST * max(seconds, 1.0):
                jumps += 1
                fastest = max(fastest, way / max(seconds, 1.0))
        before = one
    if nowhere:
        yield _("{count} places in the log are no places: out of range, or latitude and longitude 0.").format(count=nowhere)
    if backwards:
        yield _("The log's times run backwards at {count} places.").format(count=backwards)
    if jumps:
        text = _("The log's places jump {count} times faster than anybody travels (up to {speed:,.0f} km/h).")
        yield text.format(count=jumps, speed=fastest * 3.6)


def _metres(one: Point, other: Point) -> float:
    """The great circle between two points, by haversines, Earth's radius 6,371 km."""
    first, second = math.radians(one.latitude), math.radians(other.latitude)
    across = math.sin(math.radians(other.longitude - one.longitude) / 2) ** 2
    share = math.sin((second - first) / 2) ** 2 + math.cos(first) * math.cos(second) * across
    return 2 * 6_371_000 * math.asin(math.sqrt(min(1.0, share)))


def skews(captured: int, fixed: int, file: int) -> Iterator[str]:
    """Sentences about clocks that differ: the log's capture time, its satellite fix, the file's own time (ms; 0 unknown)."""
    if captured and fixed and abs(captured - fixed) > _SKEW:
        text = _("The log's own clock and its location fix differ by {time}: the fix may be old, or the clock was wrong.")
        yield text.format(time=span(abs(captured - fixed)))
    if captured and file and abs(captured - file) > _DAY:
        text = _("The time the log gives for the capture and the file's time differ by {time}.")
        yield text.format(time=span(abs(captured - file)))
    if captured and captured > int(datetime.now(UTC).timestamp() * 1000) + _DAY:
        yield _("The log's time lies in the future.")


def span(ms: int) -> str:
    """A length of time for people."""
    minutes = ms // 60_000
    if minutes < 120:
        return _("{count} minutes").format(count=minutes)
    if minutes < 2 * 1440:
        return _("{count} hours").format(count=minutes // 60)
    return _("{count} days").format(count=minutes // 1440)


def sensitive_facts(scheme: str, fields: dict[str, str]) -> Data:
    """Personal fields of a log, marked so that they can be kept apart; at most some hundred of them."""
    return {"scheme": scheme, "sensitive": True, "fields": {name[:100]: fields[name] for name in list(fields)[:_FIELDS]}}
