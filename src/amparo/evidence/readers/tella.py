"""Reads the CSV that Tella exports beside a media file: its hash at capture, and what the device's sensors said.

Invariant: as capturelog. Whether the hash is that of a file here is told by the workspace, which knows all files (``hashes``).

Source: Horizontal-org/Tella-Android, PublicMetadataMapper (field names), 2026.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import BinaryIO, Final

from amparo.evidence.findings import Facts, Finding, Hints
from amparo.evidence.readers import capturelog
from amparo.kernel.i18n import _

MEDIA_TYPES = ("text/csv",)
NAME = "tella/1"
_BEGINS: Final = (b"File hash,File path,File name,", b"\xef\xbb\xbfFile hash,File path,File name,")


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:  # noqa: ARG001
    """Yield Facts ("provenance") for each capture in the file; nothing for a CSV of other columns."""
    data = stream.read(capturelog.LONGEST)
    if not data.startswith(_BEGINS):
        return
    for record in capturelog.parse(data):
        captured = record.time("timestamp")
        point = capturelog.point(record, captured)
        claimed = record.get("filehash").lower()
        odd = [*capturelog.oddities([point] if point else []), *capturelog.skews(captured, point.time if point else 0, 0)]
        sentences = [_("Tella's record of a capture; it is not signed: anybody could have written it.")]
        if captured:
            when = datetime.fromtimestamp(captured / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
            sentences.append(_("By the device's own clock the file was captured at {time}.").format(time=when))
        if not claimed:
            sentences.append(_("It names no hash, so it is about no particular file."))
        hashes = [{"file": record.get("filename")[:200], "digest": claimed[:128]}]
        yield Facts("provenance", {
            "scheme": "tella", "sensitive": False, "signature": "none", "captured": captured, "oddities": odd,
            "hashes": hashes if claimed else [], "sentences": [*sentences, *odd], "fields": record.plain(),
        })  # fmt: skip
        if record.sensitive():
            yield Facts("provenance", capturelog.sensitive_facts("tella", record.sensitive()))
