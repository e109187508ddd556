"""What goes to a court, as plain values: items, their custody and proofs. The crate, the CASE graph, the index, the custody
sheet and the CSV are drawn from these alone, so that all of them say the same.

Invariants: a name or path under which a file came stands here only if the user asked for names. What is drawn comes in pieces,
so that an export of any number of items needs no more memory than its list.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

BATCH: Final = 1 << 18
"""Bytes, about, of a piece that is drawn."""


@dataclass(slots=True, frozen=True)
class Event:
    """One event of custody. ``when`` ms since 1970 by the clock of device number ``device``; ``entry`` "device:seq:part" of
    the signed row it rests on.
    """

    when: int
    device: str
    action: str
    actor: str = ""
    reason: str = ""
    authority: str = ""
    detail: str = ""
    entry: str = ""


@dataclass(slots=True, frozen=True)
class Exhibit:
    """One digital item. ``path`` in the crate ("items/D-0001.jpg"), "" where the file itself does not leave; ``name`` as it
    came, "" where names stay; ``proofs`` one sentence each; ``files`` paths of proof files in the crate.

    ``modified`` and ``added`` ms since 1970, 0 unknown; hashes 32 bytes.
    """

    handle: str
    source: str
    path: str
    sha256: bytes
    blake3: bytes
    size: int
    media_type: str
    name: str = ""
    modified: int = 0
    added: int = 0
    parent: str = ""
    relation: str = ""
    events: tuple[Event, ...] = ()
    derived: tuple[tuple[str, str], ...] = ()
    proofs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True)
class Export:
    """All of one export. ``workspace``, ``device`` hexadecimal; ``when`` ms since 1970; ``others``: path -> what it is, for
    files of the crate that are no items.
    """

    title: str
    workspace: str
    device: str
    number: int
    when: int
    audience: str
    purpose: str
    recipient: str
    authority: str
    software: str
    demo: bool
    exhibits: tuple[Exhibit, ...]
    organisation: str = ""
    others: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """A short name of this export: device number and time."""
        return f"{self.number}-{datetime.fromtimestamp(self.when / 1000, UTC):%Y%m%dT%H%M%SZ}"


def json_graph(context: Any, nodes: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """A JSON-LD document with these nodes as its graph, in UTF-8, node by node."""
    before = f'{{\n"@context": {json.dumps(context, ensure_ascii=False, indent=1)},\n"@graph": [\n'
    for node in nodes:
        yield (before + json.dumps(node, ensure_ascii=False, indent=1)).encode()
        before = ",\n"
    yield b"\n]\n}\n"


def batched(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces joined to larger ones of about BATCH bytes; a cut is where one piece ends."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= BATCH:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def iso(ms: int) -> str:
    """2017-03-05T14:07:01.250Z, the form of xsd:dateTime; "" for 0."""
    if not ms:
        return ""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def day_and_time(ms: int) -> str:
    """2017-03-05 14:07:01 UTC, for people; "" for 0."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC" if ms else ""


def grouped(digest: bytes) -> str:
    """A hash in groups of four digits, as it can be read out and compared."""
    text = digest.hex()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))
