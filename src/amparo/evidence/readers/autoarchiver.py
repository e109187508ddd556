"""Reads what Bellingcat's Auto Archiver leaves beside the media: its metadata as JSON, its CSV database, or its sheet as CSV.

Invariant: the reader says which files with which hashes the archiver claims to have kept; whether they are here and are what
it hashed is found out by who holds them. Nothing in a row is executed: Python's notation in the CSV is read as literals only.
"""

import ast
import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from amparo.evidence.findings import Data, Facts, Finding, Hints, Text, Unreadable, Warn
from amparo.kernel.i18n import _

MEDIA_TYPES = ("application/vnd.auto-archiver+json", "application/vnd.auto-archiver+csv")
NAME = "autoarchiver/1"

_SIZE: Final = 64 << 20
_CELL: Final = 1 << 20
_ROWS: Final = 100_000
_DEEP: Final = 6
_HASH: Final = re.compile(r"\b(SHA-?256|SHA3-512)\s*:\s*([0-9a-f]{64}(?:[0-9a-f]{64})?)\b", re.IGNORECASE)
_MOMENT: Final = re.compile(r"datetime\.datetime\(([0-9, ]{5,60})(?:, *tzinfo=[A-Za-z0-9_.() =]{1,60})?\)")
_SHEET: Final = (
    "link", "archive status", "archive location", "archive date", "upload timestamp", "upload title", "textual content", "hash",
    "wacz", "replaywebpage", "thumbnail", "screenshot", "perceptual hashes",
)  # fmt: skip


def read(stream: BinaryIO, _hints: Hints) -> Iterator[Finding]:
    """Facts "auto archiver" (one for each archived link) and their texts. Raises Unreadable."""
    data = stream.read(_SIZE + 1)
    if len(data) > _SIZE:
        raise Unreadable(_("This is larger than any table of the Auto Archiver (64 MiB)."))
    text = data.decode("utf-8-sig", "replace")
    rows = _from_json(text) if text.lstrip()[:1] in {"{", "["} else _from_csv(text)
    count = 0
    for count, row in enumerate(rows, 1):
        words = row.pop("text", "")
        yield Facts(f"auto archiver {count}", row)
        if isinstance(words, str) and words.strip():
            yield Text(f"row {count}", words)
        if not row.get("media"):
            yield Warn(_("Row {row}: the archiver names no file it kept.").format(row=count))
        if count == _ROWS:
            break
    if not count:
        raise Unreadable(_("This holds no row of the Auto Archiver: no “status”, “metadata” and “media”, and no “link”."))


def _from_json(text: str) -> Iterator[Data]:
    try:
        found = json.loads(text)
        held = found if isinstance(found, list) else [found]
    except RecursionError:
        raise Unreadable(_("This JSON is nested too deeply.")) from None
    except ValueError:
        held = []
        for line in text.splitlines():
            try:
                held.append(json.loads(line))
            except (ValueError, RecursionError):
                continue
    for one in held:
        if isinstance(one, dict) and "media" in one:
            yield _row(one.get("status"), one.get("metadata"), one.get("media"))


def _from_csv(text: str) -> Iterator[Data]:
    csv.field_size_limit(_CELL)
    try:
        for row in csv.DictReader(io.StringIO(text, newline="")):
            cells = {str(name).strip().lower(): value for name, value in row.items() if isinstance(value, str)}
            if "media" in cells and "metadata" in cells:
                yield _row(cells.get("status"), _literal(cells["metadata"]), _literal(cells["media"]))
            elif cells.get("link") and ("archive status" in cells or "hash" in cells):
                yield _sheet(cells)
    except csv.Error as error:
        raise Unreadable(_("This table cannot be read: {why}.").format(why=error)) from None


def _literal(cell: str) -> Any:
    """A cell in Python's notation, as the archiver's CSV database has it: literals, moments as text."""
    plain = _MOMENT.sub(lambda found: repr(_moment(found[1])), cell)
    try:
        return ast.literal_eval(plain)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return plain


def _moment(numbers: str) -> str:
    parts = [int(one) for one in numbers.split(",") if one.strip().isdecimal()] + [0] * 7
    year, month, day, hour, minute, second = parts[:6]
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}Z"


def _row(status: Any, metadata: Any, media: Any) -> Data:
    known = metadata if isinstance(metadata, dict) else {}
    moment = known.get("timestamp") or ""
    words = [str(known.get(name, "")) for name in ("title", "content") if known.get(name)]
    return {
        "status": str(status or "")[:200], "url": str(known.get("url", ""))[:4000], "title": str(known.get("title", ""))[:1000],
        "published": str(moment)[:40], "archived": str(known.get("_processed_at", ""))[:40],
        "media": list(_media(media, 0)), "text": "\n\n".join(words)[:_CELL],
    }  # fmt: skip


def _media(found: Any, depth: int) -> Iterator[Data]:
    """The files that a row names, with those made from them (thumbnails, hashes of frames)."""
    if depth > _DEEP:
        return
    if isinstance(found, list):
        for one in found[:1000]:
            yield from _media(one, depth + 1)
    elif isinstance(found, dict):
        more = found.get("properties")
        more = more if isinstance(more, dict) else {}
        if isinstance(found.get("filename"), str):
            algorithm, value = _hash(str(more.get("hash", "")))
            name = found["filename"].replace("\\", "/").rpartition("/")[2][:500]
            urls = [str(url)[:2000] for url in found["urls"][:20]] if isinstance(found.get("urls"), list) else []
            key = str(found.get("key") or "")[:1000]
            yield {"name": name, "key": key, "algorithm": algorithm, "hash": value, "urls": list(urls)}
        for one in more.values():
            if isinstance(one, list | dict):
                yield from _media(one, depth + 1)


def _hash(text: str) -> tuple[str, str]:
    found = _HASH.search(text)
    return (found[1].upper().replace("SHA256", "SHA-256"), found[2].lower()) if found else ("", "")


def _sheet(cells: dict[str, str]) -> Data:
    """A row of the Google Sheet that the archiver fills in, exported as CSV."""
    algorithm, value = _hash(cells.get("hash", ""))
    location = cells.get("archive location", "")
    media: list[Any] = []
    if location or value:
        name = location.partition("?")[0].rpartition("/")[2][:500]
        media.append({"name": name, "key": "", "algorithm": algorithm, "hash": value, "urls": [location[:2000]]})
    return {
        "status": cells.get("archive status", "")[:200], "url": cells["link"][:4000],
        "title": cells.get("upload title", "")[:1000], "published": cells.get("upload timestamp", "")[:40],
        "archived": cells.get("archive date", "")[:40], "media": media,
        "text": "\n\n".join(cells.get(name, "") for name in ("upload title", "textual content")).strip()[:_CELL],
        "columns": [name for name in _SHEET if cells.get(name)],
    }  # fmt: skip
