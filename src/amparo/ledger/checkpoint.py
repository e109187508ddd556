"""Checkpoints: a signed list of heads, small enough to print or to send. Kept elsewhere, it shows that a log's end was cut.

Nothing inside a workspace can show that: whoever holds the disk can put back an older copy of everything on it.
"""

import base64
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from amparo.kernel import cbor
from amparo.kernel.errors import BadInput, NotCanonical, Unverified
from amparo.kernel.i18n import N_, _
from amparo.vault.seal import BadSignature, SigningKey, VerifyKey, check_signature, cose_parts

_CONTEXT: Final = b"amparo/checkpoint/1"


class BadCheckpoint(BadInput):
    template = N_("This is not a checkpoint ({why}); copy it again, from the line “amparo checkpoint” to its end.")


class CheckpointFalse(Unverified):
    template = N_(
        "The signature on the checkpoint of {date} is not valid: it was mistyped or altered, or is of another workspace; copy "
        "it again from where it is kept."
    )


class Head(NamedTuple):
    """The last entry of a device's log: its number and its SHA-256."""

    device: bytes
    seq: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """``heads`` of all logs as ``signer`` saw them at ``ms`` (its own clock, ms since 1970 UTC)."""

    workspace: bytes
    signer: bytes
    ms: int
    heads: tuple[Head, ...]
    raw: bytes

    @property
    def date(self) -> str:
        """The claimed day, ISO 8601."""
        return datetime.fromtimestamp(self.ms / 1000, UTC).date().isoformat()

    def check(self, key: VerifyKey) -> None:
        """Raises CheckpointFalse."""
        payload, signature = cose_parts(self.raw)
        try:
            check_signature(payload, signature, key, _CONTEXT, "the checkpoint")
        except BadSignature:
            raise CheckpointFalse(date=self.date) from None

    def text(self) -> str:
        """The checkpoint as lines to print or to send: base32 of the signed bytes."""
        body = base64.b32encode(self.raw).decode().rstrip("=")
        return "\n".join(["amparo checkpoint " + self.date, *textwrap.wrap(body, 64)])


def make(workspace: bytes, heads: Iterable[Head], *, signer: bytes, key: SigningKey, now: int) -> Checkpoint:
    """Sign the given heads."""
    rows = [list(head) for head in sorted(heads)]
    return decode(key.cose_sign1(cbor.encode([1, workspace, signer, now, rows]), _CONTEXT))


def decode(raw: bytes) -> Checkpoint:
    """Read the binary form, signature unchecked. Raises BadCheckpoint, NotCanonical, BadSignature."""
    payload, _signature = cose_parts(raw)
    fields = cbor.decode(payload)
    if not (isinstance(fields, list) and [type(x) for x in fields] == [int, bytes, bytes, int, list] and fields[0] == 1):
        raise BadCheckpoint(why="unknown form")
    if not all(isinstance(row, list) and [type(x) for x in row] == [bytes, int, bytes] for row in fields[4]):
        raise BadCheckpoint(why="unknown form of a head")
    return Checkpoint(fields[1], fields[2], fields[3], tuple(Head(*row) for row in fields[4]), raw)


def parse(text: str) -> Checkpoint:
    """Read the printed form: any case, any white space, the first line optional. Raises BadCheckpoint."""
    lines = [line.strip() for line in text.strip().splitlines()]
    if lines and lines[0].lower().startswith("amparo checkpoint"):
        lines = lines[1:]
    body = "".join("".join(line.split()) for line in lines).upper()
    try:
        raw = base64.b32decode(body + "=" * (-len(body) % 8))
    except ValueError:
        raise BadCheckpoint(why=_("not base32")) from None
    try:
        return decode(raw)
    except (BadSignature, NotCanonical):
        raise BadCheckpoint(why=_("a sign was lost or changed")) from None
