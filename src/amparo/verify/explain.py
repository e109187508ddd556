"""Why two reports are taken for one person, or not: each field's agreement in words, with its weight.

Invariants: words and weights only, no value of any field, so that an explanation may stand in the record; the weights add up
to the pair's weight.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amparo.kernel.i18n import N_, _
from amparo.verify.comparisons import FIELDS
from amparo.verify.linkage import Pairs

_CHANCE = N_("before anything is compared")
_HOUSEHOLD = N_("what brothers and sisters share too")


@dataclass(frozen=True, slots=True)
class Reason:
    """``field`` and how it agrees, in the user's words; ``weight`` log2: above 0 for one person, below for two."""

    field: str
    agrees: str
    weight: float


def reasons(pairs: Pairs, at: int) -> list[Reason]:
    """What speaks for and against a pair, the weightiest first; last what is taken off for siblings and what chance alone
    says.
    """
    said = []
    for column, field in enumerate(FIELDS):
        level = int(pairs.levels[at, column])
        if level >= 0:
            agrees = field.levels[len(field.levels) - 1 - level].words
            said.append(Reason(_(field.words), _(agrees), _bits(pairs.parts[at, column])))
    said.sort(key=lambda reason: -abs(reason.weight))
    household = _bits(pairs.parts[at, len(FIELDS)])
    if household:
        said.append(Reason(_(_HOUSEHOLD), "", household))
    return [*said, Reason(_(_CHANCE), "", _bits(pairs.shares.prior))]


def _bits(weight: float) -> float:
    return round(float(weight), 2) + 0.0


def sentence(given: list[Reason]) -> str:
    """The reasons as one line: “family name: the same +9.2; date of the event: near +1.1; …”."""
    return "; ".join(f"{one.field}{': ' + one.agrees if one.agrees else ''} {one.weight:+.1f}" for one in given)


def weakest(pairs: Pairs, members: NDArray[np.int64]) -> int | None:
    """The place of the pair that holds a cluster together worst among those that do at all: its strongest tree's weakest
    link.
    """
    inside = np.flatnonzero(np.isin(pairs.left, members) & np.isin(pairs.right, members))
    root = {int(member): int(member) for member in members}

    def find(one: int) -> int:
        while root[one] != one:
            one = root[one]
        return one

    last = None
    for at in inside[np.argsort(-pairs.weight[inside], kind="stable")]:
        one, two = find(int(pairs.left[at])), find(int(pairs.right[at]))
        if one != two:
            root[one], last = two, int(at)
    return last
