"""Where in a digital item a passage stands: a run of characters of what a reader found, a region of a page, a stretch of time.

Invariants: ``parse(str(place)) == place``; a locator holds numbers and names of our own readers, no word of a file: it stands
in the record, where file names and speakers have no business. People read what is before the bracket, programs what is in it.

Sources: W3C Media Fragments URI 1.0 §4.2 (``t=``, ``xywh=percent:``), W3C Web Annotation Data Model §4.2 (selectors).
"""

import re
from dataclasses import dataclass

_HANDLE = r"(D-(?:[1-9][0-9]{0,5}-)?[0-9]{4,12})"
_SHARE = r"([0-9]{1,3}\.[0-9]{2})"
_CLOCK = r"\d{2,5}:\d\d:\d\d\.\d{3}"
_SECONDS = r"([0-9]{1,8}\.[0-9]{3})"
_WORDS = re.compile(
    rf"{_HANDLE}, ([^\[\]]{{1,200}}) \[([^\[\]]{{1,120}}) (\d{{1,9}}):(\d{{1,9}})-(\d{{1,9}}):(\d{{1,9}})\]", re.ASCII
)
_REGION = re.compile(rf"{_HANDLE}, p\. (\d{{1,6}}) \[xywh=percent:{_SHARE},{_SHARE},{_SHARE},{_SHARE}\]", re.ASCII)
_STRETCH = re.compile(rf"{_HANDLE}, {_CLOCK}-{_CLOCK} \[t={_SECONDS},{_SECONDS}\]", re.ASCII)
_SAFE = re.compile(rf"p\. \d{{1,6}}(?:, ¶ \d{{1,6}})?|¶ \d{{1,9}}|{_CLOCK}-{_CLOCK}", re.ASCII)


@dataclass(slots=True, frozen=True)
class Words:
    """Characters of a reader's text: from ``start`` in piece number ``first`` to ``end`` (exclusive) in piece ``last``;
    ``shown`` is the place for people.
    """

    item: str
    shown: str
    reader: str
    first: int
    start: int
    last: int
    end: int

    def __str__(self) -> str:
        return f"{self.item}, {self.shown} [{self.reader} {self.first}:{self.start}-{self.last}:{self.end}]"


@dataclass(slots=True, frozen=True)
class Region:
    """A rectangle of a page or picture (page 1) as it is seen: left, top, width, height in percent from its top left."""

    item: str
    page: int
    left: float
    top: float
    width: float
    height: float

    def __str__(self) -> str:
        box = ",".join(f"{one:.2f}" for one in (self.left, self.top, self.width, self.height))
        return f"{self.item}, p. {self.page} [xywh=percent:{box}]"

    @property
    def shown(self) -> str:
        return f"p. {self.page}"


@dataclass(slots=True, frozen=True)
class Stretch:
    """A stretch of a recording: ``start`` to ``end`` in seconds from its beginning."""

    item: str
    start: float
    end: float

    def __str__(self) -> str:
        return f"{self.item}, {self.shown} [t={self.start:.3f},{self.end:.3f}]"

    @property
    def shown(self) -> str:
        return f"{clock(self.start)}-{clock(self.end)}"


Place = Words | Region | Stretch


def parse(locator: str) -> Place | None:
    """The place a locator of ours means; None for any other locator."""
    if found := _WORDS.fullmatch(locator):
        return Words(found[1], found[2], found[3], *(int(found[n]) for n in range(4, 8)))
    if found := _REGION.fullmatch(locator):
        return Region(found[1], int(found[2]), *(float(found[n]) for n in range(3, 7)))
    if found := _STRETCH.fullmatch(locator):
        return Stretch(found[1], float(found[2]), float(found[3]))
    return None


def plain(locator: str) -> str:
    """The part of a locator for people: without what stands in brackets for programs."""
    return locator.partition(" [")[0] if parse(locator) else locator


def safe(locator: str, number: int) -> str:
    """A reader's locator as far as it is made of numbers, else the number of the piece: a speaker's name stays out."""
    found = _SAFE.match(locator)
    return found[0] if found else f"piece {number}"


def clock(seconds: float) -> str:
    """Seconds as 00:01:02.000."""
    total = round(seconds * 1000)
    return f"{total // 3_600_000:02}:{total // 60_000 % 60:02}:{total // 1000 % 60:02}.{total % 1000:03}"


_TYPED = re.compile(r"(?:(?:(\d{1,4}):)?(\d{1,4}):)?(\d{1,6})(?:[.,](\d{1,3}))?", re.ASCII)


def seconds(text: str) -> float | None:
    """Seconds of a time as it is typed: 1:02:03.5, 02:03, 83.25; None for anything else."""
    found = _TYPED.fullmatch(text.strip())
    if found is None or (found[2] is not None and int(found[3]) > 59) or (found[1] is not None and int(found[2]) > 59):
        return None
    return int(found[1] or 0) * 3600 + int(found[2] or 0) * 60 + int(found[3]) + int((found[4] or "0").ljust(3, "0")) / 1000
