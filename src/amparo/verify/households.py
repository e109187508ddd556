"""Siblings are not one person: the third class of pairs, two persons of one household, beside one person and strangers.

Invariants: what members of one household have in common never counts as proof that they are one; arrays in, figures out, the
same every time.

Winkler, Improved decision rules in the Fellegi-Sunter model of record linkage, 1993, section 3; Larsen and Rubin, Journal of
the American Statistical Association 96, 2001: in the two-class model members of a household pass for one person.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amparo.verify.comparisons import DAY, HOME

_ROUNDS: Final = 100


@dataclass(frozen=True, slots=True)
class Shares:
    """Of all pairs, which share tells of one person (``same``) and which of two of one household (``household``); ``one_event``
    the share of the latter that the same event struck.
    """

    same: float
    household: float
    one_event: float

    @property
    def prior(self) -> float:
        """log2 odds that two reports drawn at random tell of one person rather than of strangers."""
        return float(np.log2(self.same / (1 - self.same - self.household)))


def _household(parts: NDArray[np.float32], shares: Shares) -> NDArray[np.float64]:
    """(n,) log2 of how much likelier a pair's levels are within a household than between strangers.

    A household shares what its members have in common as one person does; given names, births and sex agree as strangers' do.
    """
    in_common = parts[:, HOME].sum(axis=1, dtype=np.float64)
    event = np.exp2(np.minimum(parts[:, DAY].astype(np.float64), 60.0))
    return np.asarray(in_common + np.log2(shares.one_event * event + 1 - shares.one_event), np.float64)


def shared(parts: NDArray[np.float32], shares: Shares) -> NDArray[np.float32]:
    """(n, 1) what is taken off again because siblings share it too."""
    odds = np.log2(shares.household / (1 - shares.same - shares.household))
    return np.asarray(-np.logaddexp2(0.0, _household(parts, shares) + odds)[:, None], np.float32)


def estimate_shares(parts: NDArray[np.float32], total: float) -> Shares:
    """Expectation maximisation of the three shares, all levels' weights held; pairs that no key proposed count as strangers'.

    ``parts`` (n, fields) log2(m/u) as ``linkage.contributions``; ``total`` how many pairs could be one person.
    """
    shares = Shares(min(total**-0.5, 0.3), min(0.5 * total**-0.5, 0.1), 0.3)
    same = parts.sum(axis=1, dtype=np.float64)
    event = np.exp2(np.minimum(parts[:, DAY].astype(np.float64), 60.0))
    for _ in range(_ROUNDS):
        strangers = np.log2(1 - shares.same - shares.household)
        home = _household(parts, shares) + np.log2(shares.household) - strangers
        one = same + shares.prior
        whole = np.logaddexp2(np.logaddexp2(one, home), 0.0)
        of_one, of_home = np.exp2(one - whole), np.exp2(home - whole)
        struck = shares.one_event * event / (shares.one_event * event + 1 - shares.one_event)
        new = Shares(
            float(np.clip(of_one.sum() / total, 0.1 / total, 0.4)), float(np.clip(of_home.sum() / total, 0.01 / total, 0.4)),
            float(np.clip((of_home * struck).sum() / max(of_home.sum(), 1e-9), 0.01, 0.99)),
        )  # fmt: skip
        moved = abs(np.log2(new.same / shares.same)) + abs(np.log2(new.household / shares.household))
        shares = new
        if moved < 1e-4:
            break
    return Shares(*(float(f"{value:.6g}") for value in (shares.same, shares.household, shares.one_event)))
