"""The digest by which a re-import knows an unchanged row: equal content, equal digest, whatever its handle and history.

Invariant: a digest depends on what a row says and on nothing that an import assigns (handle, time, what it supersedes).
It stays where its row stays: a digest of a sealed name is as secret as the name, since names can be guessed.
"""

import hashlib
from dataclasses import fields
from typing import Any

import cbor2

from amparo.record.model import Assessment, Claim, Consent, Entity, Identity, Link, Passage

DIGEST_LENGTH = 16
_ASSIGNED: list[tuple[type[Any], set[str]]] = [
    (Entity, {"handle"}),
    (Claim, {"handle", "supersedes", "reason", "recorded"}),
    (Link, {"handle"}),  # a link's reason is part of what it says
    (Assessment, {"handle", "supersedes"}),
    (Consent, {"recorded"}),
    (Identity, set()),
    (Passage, {"handle"}),
]


def _runs(model: type[Any], assigned: set[str]) -> tuple[slice, ...]:
    """The kept fields as slices of a row, so that the hot path joins two or three slices instead of picking fields."""
    kept = [index for index, item in enumerate(fields(model)) if item.name not in assigned]
    starts = [index for index in kept if index - 1 not in kept]
    ends = [index + 1 for index in kept if index + 1 not in kept]
    return tuple(slice(start, end) for start, end in zip(starts, ends, strict=True))


_KEPT: dict[str, tuple[slice, ...]] = {model.TYPE: _runs(model, assigned) for model, assigned in _ASSIGNED}


def content(type: str, row: list[Any]) -> bytes:
    """Return the canonical bytes of what ``row`` says. ``type`` as in ``TYPE`` of the model; KeyError if unknown."""
    runs = _KEPT[type]
    kept = row[runs[0]]
    for run in runs[1:]:
        kept += row[run]
    return cbor2.dumps(kept)  # lists and scalars only, so this is RFC 8949 4.2.1 as it is (no map to sort)


def digest(type: str, row: list[Any]) -> bytes:
    """Return the first 16 bytes of SHA-256 over ``content(type, row)``."""
    return hashlib.sha256(content(type, row)).digest()[:DIGEST_LENGTH]
