"""Counts that go out: small cells are suppressed, so that no count points at a person.

Invariant: from the suppressed table and its total nobody can tell a suppressed cell's value (primary and complementary
suppression; Hundepool et al., Statistical Disclosure Control, chapter 4, one-way tables).
"""

from collections.abc import Mapping

SUPPRESSED = "*"
"""What stands for a suppressed cell; it does not say whether the cell was small or hidden to protect a small one."""


def suppress(counts: Mapping[str, int], threshold: int = 5) -> dict[str, str]:
    """Return each count as text, ``*`` for a cell from 1 to ``threshold`` - 1 and for as many others as protect it.

    At least two cells are suppressed, and together they hold at least ``threshold``, so that a total printed beside the table
    gives none away. If there is no other cell to hide behind, all are suppressed: then print no total either. Keys keep
    their order. Raises ValueError for a negative count.
    """
    if any(count < 0 for count in counts.values()):
        raise ValueError("a count is never negative")
    hidden = {key for key, count in counts.items() if 0 < count < threshold}
    if hidden:
        others = sorted((key for key in counts if key not in hidden), key=lambda key: (counts[key] == 0, counts[key], key))
        for key in others:
            if len(hidden) > 1 and sum(counts[each] for each in hidden) >= threshold:
                break
            hidden.add(key)
    return {key: SUPPRESSED if key in hidden else str(count) for key, count in counts.items()}
