"""What links say of claims: which are doubted, and which count once because they go back to one origin.

Invariant: two claims count as one origin only where they stand in one source or a link says so; nothing is guessed. So the
number of origins is how many are *not known* to be one, an upper bound of how many are independent.
"""

from collections.abc import Iterable
from typing import Final

from amparo.kernel.i18n import N_
from amparo.record.model import Link

CONTRADICTED, UNDERCUT, RETRACTED = N_("contradicted"), N_("undercut"), N_("retracted")
_TO: Final = {"undercuts": UNDERCUT, "retracts": RETRACTED}


def doubts(links: Iterable[Link], claims: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Claim -> what links say against it, for the claims that are doubted."""
    asked = set(claims)
    found: dict[str, dict[str, None]] = {}
    for link in links:
        if link.kind == "contradicts":
            for end in {link.of, link.to} & asked:
                found.setdefault(end, {})[CONTRADICTED] = None
        elif link.kind in _TO and link.to in asked:
            found.setdefault(link.to, {})[_TO[link.kind]] = None
    return {claim: tuple(sorted(words)) for claim, words in found.items()}


def origins(links: Iterable[Link], claims: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Claim -> a claim that stands for its cluster of common origin. ``claims``: (claim, its source or "")."""
    parent: dict[str, str] = {}

    def root(claim: str) -> str:
        while parent[claim] != claim:
            parent[claim] = parent[parent[claim]]
            claim = parent[claim]
        return claim

    first: dict[str, str] = {}
    for claim, source in claims:
        parent.setdefault(claim, claim)
        if source:
            parent[root(claim)] = root(first.setdefault(source, claim))
    for link in links:
        if link.kind == "same origin" and link.of in parent and link.to in parent:
            parent[root(link.of)] = root(link.to)
    return {claim: root(claim) for claim in parent}
