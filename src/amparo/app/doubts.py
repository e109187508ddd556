"""What links say against claims: contradicted, undercut, retracted.

Invariant: only what somebody recorded counts; nothing is guessed (``app.checking`` finds what nobody recorded yet).
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
