"""What rules find in claims without their words (``record.bulk.Said``).

Invariant: a finding holds no text and no name; it names claims and things by handle.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from amparo.record.bulk import Said
from amparo.verify.times import Level, Span, span


def days_of(said: Said) -> Span | None:
    """The days at which a claim holds; None without a date."""
    return span(said.valid) if said.valid else None


@dataclass(frozen=True, slots=True)
class Finding:
    """Claim ``of`` contradicts or undercuts (``kind``) claim ``to``, by a rule; ``level`` how surely.

    ``subject`` is what both are about. ``facts`` fill the rule's sentence. ``pairs`` are all pairs of claims that the rule
    finds of that subject, the one of ``of`` and ``to`` first. ``of`` is "" where a claim is undercut by how it was said.
    """

    rule: str
    kind: str
    level: Level
    subject: str
    of: str
    to: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    pairs: tuple[tuple[str, str], ...] = ()
