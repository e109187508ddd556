"""What two counts say of each other: 40, ~40, >=40, >100, 30..40.

Invariants: as ``verify.times``; a count that says “about” is certain of nothing. Pure functions.
"""

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_FORM: Final = re.compile(r"(~|>=|<=|>|<)?(\d{1,12})(?:\.\.(\d{1,12}))?", re.ASCII)
_ABOUT: Final = 0.2
_ALMOST: Final = 0.999


@dataclass(frozen=True, slots=True)
class Count:
    """Least and most that is meant; ``most`` is infinite for “at least”. ``about``: inexact."""

    least: float
    most: float
    about: bool = False


@lru_cache(65536)
def count(text: str) -> Count | None:
    """What a number of the record means; None for what is none. “About” reaches a fifth to both sides."""
    found = _FORM.fullmatch(text.strip())
    if found is None or (found[1] and found[3]):
        return None
    low = float(found[2])
    high = float(found[3]) if found[3] else low
    if found[1] == "~":
        return Count(low * (1 - _ABOUT), low * (1 + _ABOUT), about=True)
    step = {">": 1, "<": -1}.get(found[1] or "", 0)
    if found[1] in (">", ">="):
        return Count(low + step, math.inf)
    if found[1] in ("<", "<="):
        return Count(0, low + step)
    return Count(min(low, high), max(low, high))


def differ(one: Count, other: Count) -> float:
    """1 if no number is meant by both, else 0."""
    return _told(1.0 if one.least > other.most or other.least > one.most else 0.0, one, other)


def exceeds(part: Count, whole: Count) -> float:
    """1 if the part is more than the whole whatever is meant, else 0. A whole without an upper bound is never exceeded."""
    return _told(1.0 if part.least > whole.most else 0.0, part, whole)


def _told(share: float, one: Count, other: Count) -> float:
    return min(share, _ALMOST) if one.about or other.about else share
