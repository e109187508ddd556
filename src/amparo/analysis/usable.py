"""What must hold before a model is run at all, and how its settings are bounded: one sentence for each refusal.

Invariant: pure functions; a table that comes back has three lists with persons on them, some of whom two lists know.
"""

import math
from typing import Final

from amparo.analysis.capture import CaptureTable, NotEstimable
from amparo.kernel.i18n import _

FEWEST_LISTS: Final = 3
MOST_OBSERVED: Final = 10_000_000


def usable(table: CaptureTable, most_lists: int) -> CaptureTable:
    """The table without the lists that nobody is on. Raises NotEstimable, with the reason."""
    sizes = table.patterns.astype(int).T @ table.counts
    for name in [one for one, size in zip(table.lists, sizes, strict=True) if not size]:
        if len(table.lists) > 1:
            table = table.without(name)
    if len(table.lists) < FEWEST_LISTS or not table.observed:
        raise NotEstimable(
            why=_("three lists with persons on them are needed; with fewer nobody can tell whether they depend on each other.")
        )  # fmt: skip
    if len(table.lists) > most_lists:
        raise NotEstimable(
            why=_("{number} lists are more than this model can weigh ({most}); put small ones made the same way into one.")
            .format(number=len(table.lists), most=most_lists)
        )  # fmt: skip
    if table.observed > MOST_OBSERVED:
        raise NotEstimable(why=_("more than {most:,} persons are more than this model can weigh.").format(most=MOST_OBSERVED))
    if not (table.patterns.sum(axis=1) > 1).any():
        raise NotEstimable(
            why=_("nobody is on two lists, and how lists overlap is all that tells how many they missed.")
        )  # fmt: skip
    return table


def within(name: str, value: float, low: float, high: float) -> None:
    """Refuse a setting outside of its bounds. Raises NotEstimable."""
    if not (math.isfinite(value) and low <= value <= high):
        raise NotEstimable(
            why=_("{name} has to lie between {low} and {high}.").format(name=name, low=f"{low:g}", high=f"{high:g}")
        )  # fmt: skip
