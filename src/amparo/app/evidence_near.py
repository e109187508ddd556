"""What is like an item, and which items are like each other: suggestions from fingerprints, each with its reason.

Invariant: nothing is merged, moved or left out because something is like it; all that is written are the fingerprints of texts
that readers found. Whole pictures, frames, texts and recordings are compared, never faces, persons or voices.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

import cbor2

from amparo.app import evidence
from amparo.app.session import Session
from amparo.evidence import near
from amparo.kernel.i18n import N_, _
from amparo.record.items import Fact, Item, Piece, Print

Progress = Callable[[int, int], None]
"""progress(fingerprints compared, fingerprints there are)."""

_AT_ONCE: Final = 200  # signatures that are committed together
_SURELY: Final = 12  # bits: scaling and recompression stay below
_READ: Final = ("image/", "video/", "audio/")  # media types that have fingerprints once they were read
_MADE: Final = ("still", "rendered")  # what a reader made is not read again
_UNSIGNED: Final = (
    "SELECT id FROM rows AS p WHERE type = ? AND current AND id LIKE '%/1' AND NOT EXISTS (SELECT 1 FROM rows AS q WHERE"
    " q.type = ? AND q.current AND q.n > p.n AND q.id = p.a || '/minhash/' ||"
    " substr(p.id, length(p.a) + 2, length(p.id) - length(p.a) - 3))"
)
_UNREAD: Final = (
    "SELECT row FROM rows AS i WHERE type = ? AND current AND NOT EXISTS (SELECT 1 FROM rows AS f WHERE f.a = i.id AND"
    " f.type = ? AND f.current AND f.id LIKE i.id || '/read/fingerprint%')"
)
_FILES: Final = "SELECT key, id FROM rows WHERE type = ? AND current AND key <> '' ORDER BY key, n"
_PLACE: Final = re.compile(r"(\d{1,5}):(\d\d):(\d\d(?:\.\d{1,3})?)", re.ASCII)
TURNS: Final = (
    "", N_("mirrored left to right"), N_("mirrored top to bottom"), N_("upside down"), N_("mirrored and turned by 90°"),
    N_("turned by 90° to the left"), N_("turned by 90° to the right"), N_("mirrored and turned by 90°"),
)  # fmt: skip
"""How the pictures differ, by the number of the variant (readers.pdq); seen from the item that was asked about."""


class Like(NamedTuple):
    """An item that is like another: ``kind`` file, picture, frame, video, text, sound; ``measure`` bits of 256 that differ
    (picture, frame) or percent that is shared; ``words`` says it for people.
    """

    item: str
    kind: str
    measure: int
    words: str


@dataclass(slots=True)
class Similar:
    """What is like an item. ``compared``: with how many fingerprints of a kind; ``remarks`` say what could not be compared."""

    item: str
    likes: list[Like] = field(default_factory=list)
    compared: dict[str, int] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Group:
    """Items that hang together; each of ``ties`` (one item, what the other is to it) holds two parts of the group together."""

    items: list[str]
    ties: list[tuple[str, Like]]


def sign_texts(session: Session) -> int:
    """Take the fingerprints of texts that were read since the last time; the words come from the readers. Returns how many."""
    waiting = [str(row[0]) for row in session.testimony.db.stream(_UNSIGNED, (Piece.TYPE, Print.TYPE))]
    for start in range(0, len(waiting), _AT_ONCE):
        signed = []
        for id in waiting[start : start + _AT_ONCE]:
            session.keep_alive()
            item, _slash, rest = id.partition("/")
            reader = rest.rpartition("/")[0]
            signature = near.Signature()
            for piece in session.testimony.texts(item):
                if piece.reader == reader:
                    signature.add(piece.text)
            bits = signature.bits()
            signed.append(Print(item, "minhash", reader, bits, 100 if bits else 0))
        evidence.put_rows(session, signed)
    return len(waiting)


# -- like one item ----------------------------------------------------------------------------------------------------------


def similar(session: Session, handle: str) -> Similar:
    """All that is like one item, most like first within its kind. Raises BadHandle, NoSuchItem."""
    item = evidence.get(session, handle)
    sign_texts(session)
    view = session.testimony
    told = Similar(item.handle)
    told.likes = [_file(other.handle) for other in view.by_sha256(item.sha256) if other.handle != item.handle]
    prints: dict[str, list[Print]] = {}
    for found in map(Print.from_row, view.rows(Print.TYPE, "a = ?", (item.handle,))):
        prints.setdefault(found.kind, []).append(found)
    known = {like.item for like in told.likes}
    for kind, look in (("pdq", _pictures), ("minhash", _texts), ("chromaprint", _sounds)):
        if mine := [one for one in prints.get(kind, []) if _usable(one)]:
            told.likes += [like for like in look(session, item, mine, told) if like.item not in known]
    told.remarks += _remarks(item, prints)
    return told


def _file(theirs: str) -> Like:
    return Like(theirs, "file", 100, _("the same file, byte for byte"))


def _usable(found: Print) -> bool:
    """Whether a fingerprint has the length of its kind and says something: not of a plain picture, a short text, a silence."""
    sizes = {"pdq": (len(found.bits) in (near.HASH, 8 * near.HASH), near.LEAST_QUALITY),
             "minhash": (len(found.bits) == 4 * near.PERMUTATIONS, 1), "chromaprint": (len(found.bits) >= 4, 5)}  # fmt: skip
    whole, quality = sizes.get(found.kind, (False, 0))
    return whole and found.quality >= quality


def _remarks(item: Item, prints: dict[str, list[Print]]) -> Iterator[str]:
    if not prints:
        yield _("No fingerprint of {item} has been taken, so only the same file is found; `amparo evidence read {item}` takes "
                "those its type has.").format(item=item.handle)  # fmt: skip
    elif not any(_usable(one) for kind in prints.values() for one in kind):
        yield _("{item} is too plain, too short or too quiet to be compared.").format(item=item.handle)


def _index(prints: Iterable[Print], but: str = "") -> near.Pictures:
    index = near.Pictures()
    for found in prints:
        if _usable(found) and found.item != but:
            index.add(found.item, found.place, found.bits)
    return index


def _pictures(session: Session, item: Item, mine: list[Print], told: Similar) -> Iterator[Like]:
    index = _index(session.testimony.prints("pdq"), but=item.handle)
    told.compared["pdq"] = len(index)
    best: dict[str, tuple[int, Like]] = {}
    shared: dict[str, list[tuple[float, float]]] = {}
    sizes = _Sizes(session)
    for one in mine:
        session.keep_alive()
        for found in index.near(one.bits):
            other, place = index.place(found.row)
            if one.place and place:
                shared.setdefault(other, []).append((_second(one.place), _second(place)))
            elif other not in best or found.bits < best[other][0]:
                like = (
                    _frame(found, other, one.place or place)
                    if one.place or place
                    else _picture(found, item.handle, other, sizes)
                )
                best[other] = found.bits, like
    yield from (like for _bits, like in sorted(best.values(), key=lambda pair: pair[0]))
    counts = index.frames()
    videos = [(other, near.alike(matches, len(mine), counts[other])) for other, matches in shared.items()]
    yield from sorted((_video(other, alike) for other, alike in videos if alike), key=lambda like: -like.measure)


def _second(place: str) -> float:
    """Seconds of "00:01:02.000"; a place that a reader wrote otherwise is second 0."""
    found = _PLACE.fullmatch(place)
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else 0.0


class _Sizes:
    """Width and height of pictures, as their readers told."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._held: dict[str, tuple[int, int]] = {}

    def of(self, handle: str) -> tuple[int, int]:
        """(width, height), (0, 0) where it is not known."""
        if handle not in self._held:
            self._held[handle] = self._read(handle)
        return self._held[handle]

    def _read(self, handle: str) -> tuple[int, int]:
        for fact in self._session.testimony.facts(handle):
            data = json.loads(fact.data) if fact.kind == "media" else None
            if isinstance(data, dict) and isinstance(data.get("width"), int) and isinstance(data.get("height"), int):
                return data["width"], data["height"]
        return 0, 0


def _picture(found: near.Found, ours: str, theirs: str, sizes: _Sizes) -> Like:
    same = found.bits <= _SURELY
    words = [_("the same picture") if same else _("the same picture changed, cropped or written over, or one much like it")]
    if found.turn:
        words.append(_(TURNS[found.turn]))
    mine, other = sizes.of(ours), sizes.of(theirs)
    if all((*mine, *other)) and mine[0] * mine[1] != other[0] * other[1]:
        smaller = other[0] * other[1] < mine[0] * mine[1]
        how = _("smaller ({w} × {h})") if smaller else _("larger ({w} × {h})")
        words.append(how.format(w=other[0], h=other[1]))
    elif same:
        words.append(_("saved anew"))
    words.append(_("distance {n} of 256").format(n=found.bits))
    return Like(theirs, "picture", found.bits, ", ".join(words))


def _frame(found: near.Found, theirs: str, at: str) -> Like:
    words = [_("a frame of the video at {at} is like the picture").format(at=at)]
    if found.turn:
        words.append(_(TURNS[found.turn]))
    words.append(_("distance {n} of 256").format(n=found.bits))
    return Like(theirs, "frame", found.bits, ", ".join(words))


def _video(theirs: str, alike: near.Alike) -> Like:
    percent = min(100, round(100 * alike.frames / max(1, min(alike.ours, alike.theirs))))
    words = _("the same video or a part of it: {n} frames are alike, of {ours} here and {theirs} there")
    if percent == 100 and min(alike.ours, alike.theirs) < 3:
        words = _("the same scene, which hardly changes: {n} frames are alike, of {ours} here and {theirs} there")
    return Like(theirs, "video", percent, words.format(n=alike.frames, ours=alike.ours, theirs=alike.theirs))


def _texts(session: Session, item: Item, mine: list[Print], told: Similar) -> Iterator[Like]:
    index = near.Texts()
    for found in session.testimony.prints("minhash"):
        if _usable(found) and found.item != item.handle:
            index.add(found.item, found.bits)
    told.compared["minhash"] = len(index)
    best: dict[str, float] = {}
    for one in mine:
        for row, share in index.near(one.bits):
            best[index.owners[row]] = max(share, best.get(index.owners[row], 0.0))
    yield from (_text(other, share) for other, share in sorted(best.items(), key=lambda pair: -pair[1]))


def _text(theirs: str, share: float) -> Like:
    percent = round(100 * share)
    words = _("the same words in the same order") if percent == 100 else _("about {n} % of its runs of words are the same")
    return Like(theirs, "text", percent, words.format(n=percent))


def _sounds(session: Session, item: Item, mine: list[Print], told: Similar) -> Iterator[Like]:
    index = near.Sounds()
    for found in session.testimony.prints("chromaprint"):
        if _usable(found) and found.item != item.handle:
            index.add(found.item, found.bits)
    told.compared["chromaprint"] = len(index)
    for one in mine:
        session.keep_alive()
        yield from (_sound(index.owners[heard.row], heard) for heard in index.near(one.bits))


def _sound(theirs: str, heard: near.Heard) -> Like:
    words = _("{n} seconds of the same recorded sound, from {here} here and {there} there").format(
        n=round(heard.seconds), here=_clock(heard.here), there=_clock(heard.there)
    )
    return Like(theirs, "sound", round(100 * heard.share), words)


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


# -- groups of items --------------------------------------------------------------------------------------------------------


def groups(session: Session, progress: Progress | None = None) -> Iterator[Group]:
    """Everything that hangs together by likeness, each group with as many ties as hold it together, by the oldest item.

    An item and what came out of it (a preview inside a picture, a redacted copy) are not tied for that alone.
    """
    sign_texts(session)
    ties = _Ties(session)
    before = ("", "")
    for key, id in session.testimony.db.stream(_FILES, ("items@1",)):
        if key == before[0]:
            ties.tie(before[1], id, partial(_file, id))
        else:
            before = key, id
    _tie_pictures(session, ties, progress)
    _tie_texts(session, ties)
    _tie_sounds(session, ties)
    yield from ties.groups()


class _Ties:
    """Ties between items, kept while they join what was apart (a forest)."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._above: dict[str, str] = {}
        self._kept: list[tuple[str, Like]] = []

    def _root(self, item: str) -> str:
        while (above := self._above.get(item, item)) != item:
            self._above[item] = self._above.get(above, above)
            item = above
        return item

    def joined(self, one: str, other: str) -> bool:
        """Whether they hang together already."""
        return self._root(one) == self._root(other)

    def tie(self, one: str, other: str, like: Callable[[], Like]) -> None:
        """Tie two items unless they are one, hang together already, one came out of the other, or a reader drew one of them."""
        if one == other or self.joined(one, other) or not self._apart(one, other):
            return
        self._above[self._root(other)] = self._root(one)
        self._kept.append((one, like()))

    def _apart(self, one: str, other: str) -> bool:
        items = [self._session.testimony.item(handle) for handle in (one, other)]
        return all(item and item.parent not in (one, other) and item.relation not in _MADE for item in items)

    def groups(self) -> Iterator[Group]:
        found: dict[str, Group] = {}
        for one, like in self._kept:
            group = found.setdefault(self._root(one), Group([], []))
            group.ties.append((one, like))
            group.items += [one, like.item]
        for group in found.values():
            group.items = sorted(set(group.items), key=_number)
        yield from sorted(found.values(), key=lambda group: _number(group.items[0]))


def _number(handle: str) -> tuple[int, str]:
    return len(handle), handle


def _tie_pictures(session: Session, ties: _Ties, progress: Progress | None) -> None:
    index = _index(session.testimony.prints("pdq"))
    counts, sizes = index.frames(), _Sizes(session)
    shared: dict[str, list[tuple[float, float]]] = {}
    before = ""
    for row, bits in _in_full(session, index):
        session.keep_alive()
        one, place = index.place(row)
        if one != before:
            _tie_videos(ties, before, shared, counts)
            before, shared = one, {}
        for found in index.near(bits, first=row + 1):
            other, there = index.place(found.row)
            if place and there:
                shared.setdefault(other, []).append((_second(place), _second(there)))
            elif place or there:
                ties.tie(one, other, partial(_frame, found, other, place or there))
            else:
                ties.tie(one, other, partial(_picture, found, one, other, sizes))
        if progress:
            progress(row + 1, len(index))
    _tie_videos(ties, before, shared, counts)


def _in_full(session: Session, index: near.Pictures) -> Iterator[tuple[int, bytes]]:
    """(row, fingerprint with all variants), read a second time; what was erased or added meanwhile is passed over."""
    row = 0
    for found in session.testimony.prints("pdq"):
        if not _usable(found):
            continue
        while row < len(index) and index.place(row) != (found.item, found.place):
            row += 1
        if row == len(index):
            return
        yield row, found.bits
        row += 1


def _tie_videos(ties: _Ties, one: str, shared: dict[str, list[tuple[float, float]]], counts: dict[str, int]) -> None:
    for other, matches in shared.items():
        if not ties.joined(one, other) and (alike := near.alike(matches, counts[one], counts[other])):
            ties.tie(one, other, partial(_video, other, alike))


def _tie_texts(session: Session, ties: _Ties) -> None:
    index = near.Texts()
    for found in session.testimony.prints("minhash"):
        if _usable(found):
            index.add(found.item, found.bits)
    for row, other_row, share in index.pairs():
        session.keep_alive()
        one, other = sorted((index.owners[row], index.owners[other_row]), key=_number)
        ties.tie(one, other, partial(_text, other, share))


def _tie_sounds(session: Session, ties: _Ties) -> None:
    index = near.Sounds()
    for found in session.testimony.prints("chromaprint"):
        if _usable(found):
            index.add(found.item, found.bits)
    for row in range(len(index)):
        session.keep_alive()
        for heard in index.near(index.bits(row)):
            if heard.row > row:
                other = index.owners[heard.row]
                ties.tie(index.owners[row], other, partial(_sound, other, heard))


def unread(session: Session) -> int:
    """How many pictures, videos and recordings no reader of fingerprints has been through yet: they cannot be found."""
    count = 0
    for (row,) in session.testimony.db.stream(_UNREAD, (Item.TYPE, Fact.TYPE)):
        item = Item.from_row(cbor2.loads(row))
        count += item.media_type.startswith(_READ) and item.relation not in _MADE
    return count
