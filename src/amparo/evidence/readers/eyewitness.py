"""Reads a log in the manner of eyeWitness to Atrocities: hashes at capture, and sensor readings over time, as JSON or CSV.

Invariant: as capturelog. A log is recognised by what it holds, a hash of a file and readings with a time; eyeWitness's own
format is not public, so this reads what exports of that kind have in common.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import BinaryIO, Final

from amparo.evidence.findings import Facts, Finding, Hints
from amparo.evidence.readers import capturelog
from amparo.evidence.readers.capturelog import Point, Record
from amparo.kernel.i18n import _

MEDIA_TYPES = ("application/json", "text/csv")
NAME = "eyewitness/1"
_HASH: Final = re.compile(r"(?:media|file|content|image|video|audio|original)?(?:hash(?:value)?|sha256|sha512|checksum|digest)")
_DIGEST: Final = re.compile(r"[0-9a-fA-F]{64}(?:[0-9a-fA-F]{64})?")
_TELLA: Final = (b"File hash,File path,", b"\xef\xbb\xbfFile hash,File path,")
_TIME: Final = ("timestamp", "time", "capturetime", "capturedat", "datetime", "date", "locationtime")
_NAME: Final = ("filename", "file", "name", "media", "mediafile", "original")


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Yield Facts ("provenance") about a log that has a hash and readings with times; nothing for any other file."""
    if hints.name.endswith((".proof.json", ".proof.csv")):
        return  # a bundle of ProofMode, unpacked: its reader tells, where the signatures are
    data = stream.read(capturelog.LONGEST)
    if data.startswith(_TELLA):
        return
    records = [inner for record in capturelog.parse(data) for inner in _spread(record)]
    hashes: dict[str, str] = {}
    times: list[int] = []
    points: list[Point] = []
    personal: dict[str, str] = {}
    for record in records:
        for name, value in record.fields.items():
            bare = re.sub(r"[\W_]+", "", name.rpartition(".")[2]).lower()
            if _HASH.fullmatch(bare) and _DIGEST.fullmatch(value.strip()) and len(hashes) < 1000:
                hashes.setdefault(value.strip().lower(), _file_of(record, name))
        time = record.time(*_TIME)
        if time:
            times.append(time)
        point = capturelog.point(record, time)
        if point:
            points.append(point)
        personal |= record.sensitive()
    if hashes and times:
        yield from _told(hashes, times, points, personal)


def _spread(record: Record) -> Iterator[Record]:
    """A record whose lists were flattened under numbers ("readings.0.lat") as one record for each number, and the rest."""
    groups: dict[str, dict[str, str]] = {}
    rest: dict[str, str] = {}
    for name, value in record.fields.items():
        match = re.match(r"(.*?\.\d+)\.(.+)", name)
        if match:
            groups.setdefault(match[1], {})[match[2]] = value
        else:
            rest[name] = value
    yield Record(rest)
    for fields in groups.values():
        yield Record(fields)


def _file_of(record: Record, name: str) -> str:
    """The file that a hash is of: the name that stands beside it ("media.filename" beside "media.sha256"), or ""."""
    beside = name.rpartition(".")[0]
    for other, value in record.fields.items():
        before, _dot, last = other.rpartition(".")
        if before == beside and re.sub(r"[\W_]+", "", last).lower() in _NAME:
            return value[:200]
    return ""


def _told(hashes: dict[str, str], times: list[int], points: list[Point], personal: dict[str, str]) -> Iterator[Finding]:
    first, last = min(times), max(times)
    begin, end = (datetime.fromtimestamp(one / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") for one in (first, last))
    odd = [*capturelog.oddities(points), *capturelog.skews(first, points[0].time if points else 0, 0)]
    text = _("A log of a capture: {hashes} hashes of files, {readings} readings from {begin} to {end} by the device's clock.")
    told = [
        text.format(hashes=len(hashes), readings=len(times), begin=begin, end=end),
        _("It is not signed in a form that Amparo can check: anybody could have written it."),
    ]
    yield Facts("provenance", {
        "scheme": "capture log", "sensitive": False, "signature": "none", "captured": first,
        "hashes": [{"file": name, "digest": digest} for digest, name in hashes.items()],
        "readings": len(times), "places": len(points), "oddities": odd, "sentences": [*told, *odd],
    })  # fmt: skip
    if personal:
        yield Facts("provenance", capturelog.sensitive_facts("capture log", personal))
