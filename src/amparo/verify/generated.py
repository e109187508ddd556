"""A made-up population and the reports about it, with the truth known: for tests, measurements and demonstrations. Nobody is
real.

Invariants: names are built from syllables and belong to nobody; the same seed gives the same reports; siblings share father,
grandfather, family and home, and are often struck by the same event.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amparo.verify.reports import Report

_ONSETS = ("b", "d", "g", "k", "l", "m", "n", "r", "s", "t", "v", "z", "sh", "kh", "h", "f")
_VOWELS = ("a", "e", "i", "o", "u", "ya")
_ENDS = ("", "n", "r", "m", "d", "sh", "t", "l", "s", "bek", "din", "ev")
_FIRST = 735_000  # an ordinal in 2013
_DAYS = 1500
_SPELLINGS = (
    ("kh", "h"), ("ya", "ia"), ("sh", "ch"), ("v", "w"), ("u", "ou"), ("i", "y"), ("ev", "eff"), ("e", "ye"), ("k", "q"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Generated:
    """``reports`` and ``person``: (n,) the number of the person that each tells of."""

    reports: list[Report]
    person: NDArray[np.int64]


def names(rng: np.random.Generator, count: int) -> list[str]:
    """Different made-up names of two or three syllables."""
    found: dict[str, None] = {}
    while len(found) < count:
        syllables = rng.integers(1, 3)
        stem = "".join(_ONSETS[rng.integers(len(_ONSETS))] + _VOWELS[rng.integers(len(_VOWELS))] for _ in range(syllables))
        found[stem + _ONSETS[rng.integers(len(_ONSETS))] + _VOWELS[rng.integers(4)] + _ENDS[rng.integers(len(_ENDS))]] = None
    return list(found)


def respell(rng: np.random.Generator, name: str) -> str:
    """The name in another romanisation, or with a slip of the pen."""
    if rng.random() < 0.7:
        usable = [pair for pair in _SPELLINGS if pair[0] in name]
        if usable:
            old, new = usable[rng.integers(len(usable))]
            return name.replace(old, new, 1)
    at = int(rng.integers(1, max(len(name), 2)))
    kind = rng.integers(3)
    if kind == 0 and len(name) > 3:
        return name[:at] + name[at + 1 :]
    return name[:at] + "aeioubdklmnrst"[rng.integers(14)] + name[at + (kind == 1) :]


def _skewed(rng: np.random.Generator, size: int, count: int) -> NDArray[np.int64]:
    """``count`` draws of 0..size-1, the first ones often: as names and places are distributed (Zipf)."""
    chances = 1.0 / (np.arange(size) + 8.0)
    return rng.choice(size, count, p=chances / chances.sum())


def _apart(given: NDArray[np.int64], first: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Siblings, who begin at ``first``, never bear one given name."""
    starts = np.zeros(len(given), np.int64)
    starts[first] = first
    rank = np.arange(len(given)) - np.maximum.accumulate(starts)
    for order in (1, 2):
        here = np.flatnonzero(rank == order)
        for before in range(1, order + 1):
            clash = given[here] == given[here - before]
            given[here[clash]] = (given[here[clash]] + 7 * order) % size
    return given


def generate(count: int, seed: int, *, sources: int = 12) -> Generated:
    """``count`` made-up reports of about ``count`` / 2.5 persons out of ``sources`` sources."""
    rng = np.random.default_rng(seed)
    given, family = names(rng, 1200), names(rng, max(300, min(count // 20, 20_000)))
    places = max(40, count // 400)
    houses = int(count / 2.5 / 1.6) + 1
    house = {"father": _skewed(rng, len(given), houses), "grandfather": _skewed(rng, len(given), houses),
             "family": _skewed(rng, len(family), houses), "place": _skewed(rng, places, houses),
             "day": rng.integers(0, _DAYS, houses)}  # fmt: skip
    persons = np.repeat(np.arange(houses), rng.choice((1, 2, 3), houses, p=(0.55, 0.3, 0.15)))
    number = len(persons)
    first = np.concatenate([[0], np.flatnonzero(np.diff(persons)) + 1])
    own = {"given": _apart(_skewed(rng, len(given), number), first, len(given)),
           "born": _FIRST - 365 * rng.integers(16, 70, number) - rng.integers(0, 365, number),
           "sex": rng.random(number) < 0.85}  # fmt: skip
    day = np.where(rng.random(number) < 0.4, house["day"][persons], rng.integers(0, _DAYS, number)) + _FIRST
    told = np.sort(rng.choice(number, count, p=(weights := rng.gamma(1.2, 1.0, number) + 0.2) / weights.sum()))
    reports = []
    for person in told:
        home = persons[person]
        place = int(house["place"][home])
        texts = {"given": given[own["given"][person]], "father": given[house["father"][home]],
                 "grandfather": given[house["grandfather"][home]], "family": family[house["family"][home]]}  # fmt: skip
        born, male = int(own["born"][person]), bool(own["sex"][person])
        reports.append(_told(rng, texts, sources, born, int(day[person]), place, male=male))
    return Generated(reports, told.astype(np.int64))


_MISSING = {"given": 0.01, "father": 0.3, "grandfather": 0.6, "family": 0.07}


def _told(
    rng: np.random.Generator, texts: dict[str, str], sources: int, born: int, day: int, place: int, *, male: bool
) -> Report:  # fmt: skip
    """One report as a source tells it: parts missing, other spellings, dates known roughly or wrongly."""
    chance = rng.random(12)
    parts = {
        name: "" if chance[at] < _MISSING[name] else respell(rng, text) if rng.random() < 0.16 else text
        for at, (name, text) in enumerate(texts.items())
    }
    seen = None if chance[4] < 0.06 else (day, day)
    if seen and chance[5] < 0.12:
        seen = (day - day % 30, day - day % 30 + 29)
    elif seen and chance[5] < 0.2:
        slip = day + int(rng.integers(-3, 4))
        seen = (slip, slip)
    age = born - born % 365
    birth = None if chance[6] < 0.3 else (born, born) if chance[6] < 0.55 else (age - 200, age + 365 + 200)
    other = chance[7] < 0.05
    town = int(rng.integers(0, 40)) if other else place
    return Report(
        source=f"source {rng.integers(sources)}", **parts, sex="" if chance[8] < 0.05 else "m" if male else "f", born=birth,
        day=seen, place="" if chance[9] < 0.08 else f"place {town}", region="" if chance[9] < 0.04 else f"region {town // 8}",
    )  # fmt: skip
