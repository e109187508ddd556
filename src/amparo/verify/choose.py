"""Which question to put to a person first: the pair whose answer teaches most about who is who.

Invariants: a pair that is decided, or that the draws leave no doubt about, is never asked; the same draws give the same order.

An answer is a function of the clustering, so what it is expected to teach about the clustering is its own entropy (Lindley,
Annals of Mathematical Statistics 27, 1956; MacKay, Neural Computation 4, 1992). Among pairs equally open, the one that settles
others counts more: ``teaches`` sums the mutual information of the answer with every open pair of its group, its own entropy
included.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amparo.verify.clusters import Floats, Graph, Ints

_MOST: Final = 400
_DOUBT: Final = 0.02


@dataclass(frozen=True, slots=True)
class Question:
    """Are reports ``left`` and ``right`` one person? ``probability`` among the draws; ``teaches`` bits about all open pairs."""

    left: int
    right: int
    probability: float
    teaches: float


def questions(data: Graph, draws: NDArray[np.int64], most: int = 25) -> list[Question]:
    """The pairs to ask about, the most instructive first. ``draws`` (m, count) as ``clusterings.sample``."""
    together = (draws[:, data.left] == draws[:, data.right]).mean(axis=0) if len(data.left) else np.zeros(0)
    decided = {(int(a), int(b)) for pairs in (data.same, data.different) for a, b in pairs}
    open_ = [at for at in np.argsort(np.abs(together - 0.5), kind="stable")
             if _DOUBT < together[at] < 1 - _DOUBT and _ordered(data, at) not in decided][:_MOST]  # fmt: skip
    if not open_:
        return []
    chosen = np.array(open_)
    left, right = data.left[chosen], data.right[chosen]
    answers = draws[:, left] == draws[:, right]
    shared = _information(answers) * _one_group(left, right)
    teaches = shared.sum(axis=1)
    order = np.lexsort((right, left, -np.round(teaches, 9)))
    share = answers.mean(axis=0)
    asked = order[:most].tolist()
    return [Question(int(left[at]), int(right[at]), float(share[at]), round(float(teaches[at]), 4)) for at in asked]


def _ordered(data: Graph, at: int) -> tuple[int, int]:
    one, two = int(data.left[at]), int(data.right[at])
    return min(one, two), max(one, two)


def _one_group(left: Ints, right: Ints) -> Floats:
    """(k, k) 1 where two pairs hang together over open pairs; elsewhere draws agree by chance alone."""
    names = np.unique(np.concatenate([left, right]))
    one, two = np.searchsorted(names, left), np.searchsorted(names, right)
    number = np.arange(len(names))
    while True:
        low = np.minimum(number[one], number[two])
        before = number.copy()
        np.minimum.at(number, one, low)
        np.minimum.at(number, two, low)
        number = number[number]
        if (number == before).all():
            return np.asarray(number[one][:, None] == number[one][None, :], float)


def _information(answers: NDArray[np.bool_]) -> Floats:
    """(k, k) mutual information in bits between the answers to each two questions. ``answers`` (m, k)."""
    draws = len(answers)
    yes = answers.astype(float)
    both = yes.T @ yes / draws
    share = yes.mean(axis=0)
    found = np.zeros_like(both)
    for joint, one, two in (
        (both, share, share), (share[:, None] - both, share, 1 - share), (share[None, :] - both, 1 - share, share),
        (1 - share[:, None] - share[None, :] + both, 1 - share, 1 - share),
    ):  # fmt: skip
        product = one[:, None] * two[None, :]
        usable = (joint > 1e-12) & (product > 1e-12)
        found[usable] += joint[usable] * np.log2(joint[usable] / product[usable])
    return np.asarray(np.maximum(found, 0.0), np.float64)
