"""First transcripts of recordings by the user's own recogniser: drafts that become searchable text, marked as such.

Invariants: a recording is decoded in the sandbox and the recogniser gets its samples only; each recogniser, model and language
has a transcript of its own, beside what others heard; a transcript is committed with its entry in the custody, or not at all.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final, cast

from amparo.app import evidence
from amparo.app.evidence_read import REFUSALS, Progress, lots
from amparo.app.session import Session, check_stop, now_ms, stops_when_asked
from amparo.evidence.findings import Facts, Finding, Hints, Text
from amparo.evidence.sandbox import NoReader, Sandbox
from amparo.evidence.speech import Recogniser, SoundBroken, samples_of, transcript
from amparo.record.items import Custody, Fact, Item, Piece
from amparo.record.model import Row

_READER: Final = "media"


@dataclass(slots=True)
class Draft:
    """What was heard in one item: how many pieces, by which recogniser; ``problems`` one sentence each."""

    item: str
    reader: str
    pieces: int = 0
    problems: list[str] = field(default_factory=list)


def transcribe(
    session: Session, items: list[Item], by: Recogniser, language: str = "", progress: Progress | None = None
) -> list[Draft]:
    """Let a recogniser listen to items. Raises what the sandbox and the disk raise; damage of a recording is told."""
    drafts: list[Draft] = []
    with Sandbox() as box, stops_when_asked():
        for item in items:
            if progress:
                progress(len(drafts), len(items), item.name)
            drafts.append(_one(session, box, item, by, language))
    return drafts


def _one(session: Session, box: Sandbox, item: Item, by: Recogniser, language: str) -> Draft:
    name = " ".join(filter(None, (f"{by.name}/{by.version}", by.digest[:16], language)))
    draft = Draft(item.handle, name)
    hints = Hints(item.name, item.media_type, item.size, {"want": "sound"})
    with session.change() as change, evidence.read_quietly(session, item) as stream:
        findings = box.read(_READER, cast("BinaryIO", stream), hints, tick=session.keep_alive)
        heard = transcript(by, _awake(session, samples_of(findings)), language)
        try:
            for lot in lots(_rows(draft, heard)):
                evidence.put_parts(change, lot)
        except (*REFUSALS, NoReader, SoundBroken) as error:
            draft.problems.append(str(error))
        if draft.pieces or not draft.problems:
            said = {"warnings": draft.problems, "count": len(draft.problems)}
            event = Custody(item.handle, now_ms(), str(session.number), "read", detail=name)
            evidence.put_parts(change, [Fact(item.handle, "read", name, json.dumps(said, ensure_ascii=False)), event])
    return draft


def _awake(session: Session, samples: Iterator[bytes]) -> Iterator[bytes]:
    """The samples, while the session is told that there is work."""
    for data in samples:
        check_stop()
        session.keep_alive()
        yield data


def _rows(draft: Draft, heard: Iterator[Finding]) -> Iterator[Row]:
    for finding in heard:
        check_stop()
        if isinstance(finding, Text):
            draft.pieces += 1
            yield Piece(draft.item, draft.pieces, finding.locator, finding.text, finding.language, draft.reader)
        elif isinstance(finding, Facts):
            yield Fact(draft.item, finding.kind, draft.reader, json.dumps(finding.data, ensure_ascii=False))
