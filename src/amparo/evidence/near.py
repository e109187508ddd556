"""What is like what: fingerprints of pictures and video frames, texts and sounds, compared in memory.

Invariant: ``Pictures`` finds every hash within its distance and no other; texts and sounds are found by estimates, whose limits
stand with their classes. Only whole pictures, frames, texts and recordings are compared: nothing here knows of faces, persons
or voices. All constants are fixed, so that fingerprints taken on other machines and in other years compare.

Sources: PDQ and vPDQ (ThreatExchange); Broder, "On the resemblance and containment of documents" (1997); Chromaprint 1.5
(acoustid.org).
"""

from array import array
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from amparo.kernel import text as words_of

Words64 = NDArray[np.uint64]
Ints = NDArray[np.int64]

MOST_BITS: Final = 31
"""Two PDQ hashes that differ in no more than this many of 256 bits are of one picture, says ThreatExchange."""
LEAST_QUALITY: Final = 50
LEAST_SHARED: Final = 0.5
"""Texts are like when they share about half of their runs of five words."""
HASH: Final = 32
_COLUMN: Final = 1 << 16  # rows that are looked at together: they stay in the processor's cache


class Place(NamedTuple):
    """Whose fingerprint it is: an item's handle, and where in it ("" or a time)."""

    item: str
    place: str


class _Owners:
    """Whose each row is, kept small: a million rows need no million strings."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._number: dict[str, int] = {}
        self.of: array[int] = array("I")

    def add(self, name: str) -> None:
        number = self._number.setdefault(name, len(self.names))
        if number == len(self.names):
            self.names.append(name)
        self.of.append(number)

    def __getitem__(self, row: int) -> str:
        return self.names[self.of[row]]


# -- pictures and frames ----------------------------------------------------------------------------------------------------


class Found(NamedTuple):
    """A row of an index and how far it is: ``bits`` 0..31, ``turn`` the number of the variant that came so near."""

    row: int
    bits: int
    turn: int


class Pictures:
    """PDQ hashes of pictures and video frames.

    Each is compared with all of them, so the search is exact by nature and needs no index. Of two hashes within 31 bits the
    first halves are, too, which hardly one of a million others is: half of the bits is nearly all that is looked at.
    """

    def __init__(self) -> None:
        self._items, self._places = _Owners(), _Owners()
        self._raw = bytearray()
        self._columns: Words64 = np.empty((4, 0), np.uint64)

    def __len__(self) -> int:
        return len(self._items.of)

    def add(self, item: str, place: str, bits: bytes) -> None:
        """Add a fingerprint of readers.pdq, of which only the hash of the picture as it is is kept."""
        self._items.add(item)
        self._places.add(place)
        self._raw += bits[:HASH]

    def place(self, row: int) -> Place:
        """Whose fingerprint a row is."""
        return Place(self._items[row], self._places[row])

    def frames(self) -> dict[str, int]:
        """Item -> how many of its rows are frames of a video."""
        counts: dict[str, int] = {}
        for row in range(len(self)):
            if self._places[row]:
                item = self._items[row]
                counts[item] = counts.get(item, 0) + 1
        return counts

    def _ready(self) -> Words64:
        if self._columns.shape[1] != len(self):
            self._columns = np.frombuffer(self._raw, np.uint64).reshape(-1, 4).T.copy()
        return self._columns

    def near(self, bits: bytes, most: int = MOST_BITS, first: int = 0) -> list[Found]:
        """Every row from ``first`` on within ``most`` bits of a variant in ``bits`` (32 bytes each), once, nearest first."""
        columns = self._ready()
        best: dict[int, Found] = {}
        for start in range(first, len(self), _COLUMN):
            one, two = columns[:2, start : start + _COLUMN]
            for turn, query in enumerate(variants(bits)):
                half = np.bitwise_count(one ^ query[0])
                half += np.bitwise_count(two ^ query[1])
                if int(half.min()) > most:
                    continue
                rows = start + np.flatnonzero(half <= most)
                distances = np.bitwise_count(columns[:, rows] ^ query[:, None]).sum(0, dtype=np.int64)
                for row, distance in zip(rows.tolist(), distances.tolist(), strict=True):
                    if distance <= most and (row not in best or distance < best[row].bits):
                        best[row] = Found(row, distance, turn)
        return sorted(best.values(), key=lambda found: (found.bits, found.row))


def variants(bits: bytes) -> Words64:
    """The hashes in a fingerprint as rows of four words."""
    return np.frombuffer(bits, np.uint64).reshape(-1, 4)


# -- texts ------------------------------------------------------------------------------------------------------------------

PERMUTATIONS: Final = 128
_SHINGLE: Final = 5
_LEAST_SHINGLES: Final = 16
_WORDS_HELD: Final = 1 << 13
_LSH_BANDS: Final = 32  # of four values: of two texts that share a half, 87 % meet; that share 70 %, 99.98 %


def _seeds(label: bytes, count: int) -> Words64:
    return np.frombuffer(b"".join(blake2b(b"%s %d" % (label, one), digest_size=8).digest() for one in range(count)), "<u8")


_SEEDS: Final = _seeds(b"amparo minhash/1", PERMUTATIONS)
_FACTORS: Final = _seeds(b"amparo shingle/1", _SHINGLE) | np.uint64(1)
_ODD: Final = np.uint64(0xBF58476D1CE4E5B9)  # of the splitmix64 finaliser


class Signature:
    """MinHash of a text that is told in pieces: 128 values of 32 bits over its runs of five folded words.

    Written here in numpy: datasketch would bring scipy for what is twenty lines, and its constants are its own to change.
    """

    def __init__(self) -> None:
        self._least: NDArray[np.uint64] = np.full(PERMUTATIONS, np.iinfo(np.uint64).max, np.uint64)
        self._held: list[bytes] = []
        self._count = 0
        self._known: dict[str, bytes] = {}

    def add(self, text: str) -> None:
        """The text goes on: words of two pieces make runs, too."""
        for word, _start, _end in words_of.words(text):
            digest = self._known.get(word)
            if digest is None:
                if len(self._known) > 1 << 16:
                    self._known.clear()
                digest = self._known[word] = blake2b(word.encode(), digest_size=8).digest()
            self._held.append(digest)
            if len(self._held) == _WORDS_HELD:
                self._take()

    def _take(self) -> None:
        hashes = np.frombuffer(b"".join(self._held), "<u8")
        count = len(hashes) - _SHINGLE + 1
        if count < 1:
            return
        runs = sum((hashes[at : at + count] * factor for at, factor in enumerate(_FACTORS)), np.zeros(count, np.uint64))
        runs ^= runs >> np.uint64(31)
        for number, seed in enumerate(_SEEDS):
            mixed = (runs ^ seed) * _ODD
            mixed ^= mixed >> np.uint64(29)
            self._least[number] = min(self._least[number], (mixed * _ODD).min())
        self._count += count
        self._held = self._held[-_SHINGLE + 1 :]

    def bits(self) -> bytes:
        """512 bytes; b"" for a text of fewer than 20 words, in which one phrase would be all."""
        self._take()
        self._held = []
        return (self._least >> np.uint64(32)).astype("<u4").tobytes() if self._count >= _LEAST_SHINGLES else b""


class Texts:
    """MinHash signatures.

    The share of equal values estimates the share of common runs of words, within 0.09 in 19 of 20 cases.
    """

    def __init__(self) -> None:
        self.owners = _Owners()
        self._raw = bytearray()

    def __len__(self) -> int:
        return len(self.owners.of)

    def add(self, item: str, bits: bytes) -> None:
        """Add the signature of an item's text."""
        self.owners.add(item)
        self._raw += np.frombuffer(bits, "<u4").astype(np.uint8).tobytes()

    def _columns(self) -> NDArray[np.uint8]:
        return np.frombuffer(self._raw, np.uint8).reshape(-1, PERMUTATIONS).T.copy()

    def near(self, bits: bytes, least: float = LEAST_SHARED) -> list[tuple[int, float]]:
        """(row, share 0..1) of every text that shares ``least`` or more, most like first."""
        query = np.frombuffer(bits, "<u4").astype(np.uint8)
        columns = self._columns()
        equal = np.zeros(len(self), np.uint8)
        for column, value in zip(columns, query, strict=True):
            equal += column == value
        shares = _share(equal)
        found = [(int(row), float(shares[row])) for row in np.flatnonzero(shares >= least)]
        return sorted(found, key=lambda one: -one[1])

    def pairs(self, least: float = LEAST_SHARED) -> Iterator[tuple[int, int, float]]:
        """(row, row, share): for every group of texts that are like, pairs that hold it together, each once."""
        table = np.frombuffer(bytes(self._raw), np.uint8).reshape(-1, PERMUTATIONS)
        seen: set[tuple[int, int]] = set()
        for band in range(_LSH_BANDS):
            keys = np.ascontiguousarray(table[:, 4 * band : 4 * band + 4]).view(np.uint32).ravel()
            order = np.argsort(keys, kind="stable")
            same = np.flatnonzero(np.diff(keys[order]) == 0)
            heads = np.searchsorted(keys[order], keys[order[same]])
            # each with the one before it and with the first of its run: enough to connect, and linear in the run's length
            earlier, later = np.concatenate((order[same], order[heads])), np.tile(order[same + 1], 2)
            for start in range(0, len(earlier), _COLUMN):
                one, other = earlier[start : start + _COLUMN], later[start : start + _COLUMN]
                shares = _share((table[one] == table[other]).sum(1))
                for index in np.flatnonzero(shares >= least):
                    pair = (int(one[index]), int(other[index]))
                    if pair not in seen:
                        seen.add(pair)
                        yield (*pair, float(shares[index]))


def _share(equal: NDArray[Any]) -> NDArray[np.float64]:
    """Of 128 values kept as 8 bits, one in 256 is equal by chance."""
    chance = 1 / 256
    return np.maximum(0.0, (equal / PERMUTATIONS - chance) / (1 - chance))


# -- sounds -----------------------------------------------------------------------------------------------------------------

SECONDS: Final = 1365 / 11_025
"""Of sound for each value of a Chromaprint fingerprint."""
_BLOCK: Final = 16  # values that are judged together: two seconds
_MOST_WRONG: Final = 0.18  # of the bits of a block; unrelated speech differs in 0.4, a copy at 16 kbit/s in 0.09
_LEAST_BLOCKS: Final = 4
_COMMON: Final = 100  # a value that stands in more places (silence, a tone) finds nothing
_STRETCH: Final = 2048  # values that vote together: four minutes, so that a long recording costs no more memory
_TRIED: Final = 256  # guesses of each stretch that are looked at
_FAR: Final = 1 << 32
_BITS32: Final = np.array([0, *(1 << bit for bit in range(32))], np.uint32)


class Heard(NamedTuple):
    """Sound that two recordings share: ``seconds`` of it, from second ``here`` of the first and ``there`` of the other.

    ``share`` of the shorter one, 0..1.
    """

    row: int
    seconds: float
    here: float
    there: float
    share: float


class Sounds:
    """Chromaprint fingerprints, found whatever was cut off before: by values that agree but for a bit, at one distance in time.

    Eight seconds must agree, or four fifths of a shorter recording. What was slowed down, sped up or drowned in noise is not.
    """

    def __init__(self) -> None:
        self.owners = _Owners()
        self._raw = bytearray()
        self._starts: array[int] = array("q", [0])
        self._sorted: NDArray[np.uint32] = np.empty(0, np.uint32)
        self._order: Ints = np.empty(0, np.int64)

    def __len__(self) -> int:
        return len(self.owners.of)

    def add(self, item: str, bits: bytes) -> None:
        """Add the fingerprint of an item's sound."""
        self.owners.add(item)
        self._raw += bits[: len(bits) // 4 * 4]
        self._starts.append(len(self._raw) // 4)

    def bits(self, row: int) -> bytes:
        """The fingerprint of a row."""
        return bytes(self._raw[4 * self._starts[row] : 4 * self._starts[row + 1]])

    def _ready(self) -> NDArray[np.uint32]:
        values = np.frombuffer(bytes(self._raw), "<u4")
        if len(self._order) != len(values):
            self._order = np.argsort(values, kind="stable")
            self._sorted = values[self._order]
        return values

    def near(self, bits: bytes) -> list[Heard]:
        """The recordings that share sound with the one whose fingerprint is ``bits``, most first."""
        values, query = self._ready(), np.frombuffer(bits[: len(bits) // 4 * 4], "<u4")
        best: dict[int, Heard] = {}
        for row, shift in self._guesses(query):
            theirs = values[self._starts[row] : self._starts[row + 1]]
            for offset in (shift - 1, shift, shift + 1):
                heard = _agree(query, theirs, offset)
                if heard and heard[0] > best.get(row, Heard(row, 0.0, 0.0, 0.0, 0.0)).seconds:
                    best[row] = Heard(row, *heard)
        return sorted(best.values(), key=lambda heard: (-heard.seconds, heard.row))

    def _guesses(self, query: NDArray[np.uint32]) -> Iterator[tuple[int, int]]:
        """(row, by how many values its sound comes later), as values that nearly agree suggest; each once."""
        seen: set[tuple[int, int]] = set()
        every = np.flatnonzero(np.diff(query, prepend=~query[:1]))  # a value that goes on counts once
        starts = np.frombuffer(self._starts, np.int64)
        for first in range(0, len(every), _STRETCH):
            at = every[first : first + _STRETCH]
            wanted = (query[at][:, None] ^ _BITS32[None, :]).ravel()
            low, high = (np.searchsorted(self._sorted, wanted, side) for side in ("left", "right"))
            count = np.where(high - low > _COMMON, 0, high - low)
            places = self._order[np.repeat(low - (np.cumsum(count) - count), count) + np.arange(count.sum())]
            rows = np.searchsorted(starts, places, "right") - 1
            shifts = places - starts[rows] - np.repeat(np.repeat(at, len(_BITS32)), count)
            votes, number = np.unique(rows * _FAR + shifts + _FAR // 2, return_counts=True)
            best = np.argsort(-number, kind="stable")[:_TRIED]
            for vote in votes[best[number[best] > 1]].tolist():
                guess = vote // _FAR, vote % _FAR - _FAR // 2
                if guess not in seen:
                    seen.add(guess)
                    yield guess


def _agree(ours: NDArray[np.uint32], theirs: NDArray[np.uint32], shift: int) -> tuple[float, float, float, float] | None:
    """(seconds, here, there, share of the shorter) of the blocks that agree when theirs comes ``shift`` values later."""
    here, there = max(0, -shift), max(0, shift)
    length = min(len(ours) - here, len(theirs) - there)
    blocks = length // _BLOCK
    if blocks < 1:
        return None
    one = ours[here : here + blocks * _BLOCK].reshape(blocks, _BLOCK)
    other = theirs[there : there + blocks * _BLOCK].reshape(blocks, _BLOCK)
    wrong = np.bitwise_count(one ^ other).mean(1) / 32
    moving = (one[:, 1:] != one[:, :-1]).mean(1) > 0.5  # silence agrees with all silence
    good = np.flatnonzero((wrong <= _MOST_WRONG) & moving)
    shorter = min(len(ours), len(theirs))
    share = min(1.0, len(good) * _BLOCK / max(1, shorter // _BLOCK * _BLOCK))
    if len(good) < _LEAST_BLOCKS and (share < 0.8 or len(good) < 2):
        return None
    first = int(good[0]) * _BLOCK
    return len(good) * _BLOCK * SECONDS, (here + first) * SECONDS, (there + first) * SECONDS, share


# -- videos -----------------------------------------------------------------------------------------------------------------

_LEAST_FRAMES: Final = 3
_IN_A_ROW: Final = 8


class Alike(NamedTuple):
    """Frames that two videos share: ``frames`` of ``ours`` and ``theirs`` there are; whether ``in_step`` in time."""

    frames: int
    ours: int
    theirs: int
    in_step: int


def alike(matches: Iterable[tuple[float, float]], ours: int, theirs: int) -> Alike | None:
    """Judge two videos by the seconds (here, there) of frames that are alike; None where too few are.

    Half of the frames of one of them, at least three where there are so many; or eight at one distance in time: a part.
    """
    found = list(matches)
    here, there = len({one for one, _other in found}), len({other for _one, other in found})
    shifts: dict[int, set[float]] = {}
    for one, other in found:
        for shift in (int(other - one), int(other - one) + 1):
            shifts.setdefault(shift, set()).add(one)
    in_step = max((len(seconds) for seconds in shifts.values()), default=0)
    enough = any(part >= max(1, min(_LEAST_FRAMES, whole), 0.5 * whole) for part, whole in ((here, ours), (there, theirs)))
    return Alike(max(here, there), ours, theirs, in_step) if enough or in_step >= _IN_A_ROW else None
