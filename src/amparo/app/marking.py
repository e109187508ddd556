"""Passages marked in what was read of an item, and the claims stated on them: who did what to whom, on these very words.

Invariants: a quotation is recorded only if it stands in the text as it was shown and as it stands now; the passage, the claims
and whatever begins with them are one change. Words of a source go into the testimony; into the record only if who marks says
so. Where the identities are open, no sealed name passes.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from amparo.app import evidence
from amparo.app.drawing import drawable
from amparo.app.marking_claims import Said, claims_of, refuse_sealed
from amparo.app.session import Change, Session, now_ms
from amparo.kernel import cbor
from amparo.kernel.errors import BadInput, NotFound
from amparo.kernel.i18n import N_
from amparo.kernel.text import printable
from amparo.record import locators
from amparo.record.items import Item, Piece
from amparo.record.locators import Place, Region, Stretch, Words
from amparo.record.model import Claim, Entity, Passage

MOST: Final = 20_000  # characters of a passage
_FOUND: Final = 20  # places of one quotation
_WORD: Final = re.compile(r"\S+")
_SPACE: Final = re.compile(r"\s+")


class TextChanged(BadInput):
    template = N_(
        "What was read of {item} is not what this page showed: it was read anew, or another text lies there now. Look at it "
        "again and mark the words there. Nothing was recorded."
    )


class QuoteNotThere(BadInput):
    template = N_("These words do not stand in the text that is shown of {item}; copy them from it. Nothing was recorded.")


class NothingMarked(BadInput):
    template = N_("Mark the words, the region or the stretch of time that the claim rests on. Nothing was recorded.")


class PassageTooLong(BadInput):
    template = N_("The passage has {n:,} characters; mark at most {most:,}, and the rest as another one. Nothing was recorded.")


class NoSuchWords(BadInput):
    template = N_("Paragraph {number} has {count} words; give words from 1 to {count}. Nothing was recorded.")


class NoRegion(BadInput):
    template = N_(
        "A region is four numbers from 0 to 100 (percent from the left and the top, width, height) within the page of a "
        "picture or PDF. Nothing was recorded."
    )


class NoStretch(BadInput):
    template = N_("A stretch of time begins and ends within the recording, as 00:01:02 and 00:01:05.5. Nothing was recorded.")


class NoSuchPassage(NotFound):
    template = N_("There is no passage {passage} of {source} in this workspace.")


@dataclass(slots=True, frozen=True)
class Shown:
    """A run of pieces of one reader as a page showed them; ``seen`` is what ``digest`` gave for them."""

    reader: str
    first: int
    last: int
    seen: str

    def __str__(self) -> str:
        return f"{self.reader}|{self.first}|{self.last}|{self.seen}"


_SHOWN: Final = re.compile(r"(.{1,120})\|([0-9]{1,9})\|([0-9]{1,9})\|([0-9a-f]{64})", re.ASCII)


def shown_from(text: str) -> Shown | None:
    """The inverse of ``str(Shown)``; None for anything else, and for a run that no page shows."""
    found = _SHOWN.fullmatch(text)
    shown = Shown(found[1], int(found[2]), int(found[3]), found[4]) if found else None
    return shown if shown and 0 < shown.first <= shown.last < shown.first + 2_000 else None


def digest(item: Item, pieces: Iterable[Piece]) -> str:
    """What a page saw of an item's text: changes with any character, place or byte of the file."""
    rows = [[piece.reader, piece.number, piece.locator, piece.text] for piece in pieces]
    return hashlib.sha256(cbor.encode([item.handle, item.sha256, rows])).hexdigest()


def again(session: Session, item: Item, shown: Shown) -> list[Piece]:
    """The pieces a page showed, as they are now. Raises TextChanged."""
    pieces = session.testimony.pieces(item.handle, shown.reader, range(shown.first, shown.last + 1))
    if not pieces or digest(item, pieces) != shown.seen:
        raise TextChanged(item=item.handle)
    return pieces


# -- where words stand --------------------------------------------------------------------------------------------------


class Spot(NamedTuple):
    """From character ``start`` of piece ``first`` to ``end`` (exclusive) of piece ``last``."""

    first: int
    start: int
    last: int
    end: int


def cut(pieces: Sequence[Piece], spot: Spot) -> str:
    """The characters of a spot as they stand there; pieces are parted by a line break. "" for a spot that is nowhere."""
    parts = []
    for piece in pieces:
        if spot.first <= piece.number <= spot.last:
            low = spot.start if piece.number == spot.first else 0
            high = spot.end if piece.number == spot.last else len(piece.text)
            if not 0 <= low <= high <= len(piece.text):
                return ""
            parts.append(piece.text[low:high])
    return "\n".join(parts) if len(parts) == spot.last - spot.first + 1 else ""


def find(pieces: Sequence[Piece], quote: str) -> list[Spot]:
    """Every place of a quotation, whatever the spaces and line breaks between its words; at most 20."""
    wanted = _same(quote)
    text, places = _flat(pieces)
    found: list[Spot] = []
    at = text.find(wanted) if wanted else -1
    while at >= 0 and len(found) < _FOUND:
        (first, start), (last, end) = places[at], places[at + len(wanted) - 1]
        found.append(Spot(first, start, last, end + 1))
        at = text.find(wanted, at + 1)
    return found


def _flat(pieces: Sequence[Piece]) -> tuple[str, list[tuple[int, int]]]:
    """The pieces as one text with single spaces, and for each character its piece and place."""
    out: list[str] = []
    places: list[tuple[int, int]] = []
    for piece in pieces:
        if out and out[-1] != " ":
            out.append(" ")
            places.append((piece.number, 0))
        for place, letter in enumerate(printable(piece.text)):
            if not letter.isspace():
                out.append(letter)
            elif out and out[-1] != " ":
                out.append(" ")
            else:
                continue
            places.append((piece.number, place))
    return "".join(out), places


def words_of(pieces: Sequence[Piece], number: int, low: int, high: int) -> Spot:
    """The ``low``-th to ``high``-th word of a piece (0: from its first, to its last). Raises NoSuchWords."""
    piece = next((one for one in pieces if one.number == number), None)
    found = list(_WORD.finditer(piece.text)) if piece else []
    low, high = low or 1, high or len(found)
    if not 1 <= low <= high <= len(found):
        raise NoSuchWords(number=number, count=len(found))
    return Spot(number, found[low - 1].start(), number, found[high - 1].end())


def located(
    session: Session, handle: str, shown: Sequence[Shown], quote: str, spot: Spot | None
) -> list[tuple[int, Words, str]]:
    """Where a quotation stands in what a page showed: (which of ``shown``, place, the words around it). One if ``spot`` is it.

    Raises NoSuchItem, TextChanged, QuoteNotThere.
    """
    item = evidence.get(session, handle)
    found: list[tuple[int, Words, str]] = []
    for number, one in enumerate(shown):
        pieces = again(session, item, one)
        spots = (
            [spot] if spot and one.first <= spot.first and spot.last <= one.last else find(pieces, quote) if not spot else []
        )
        for place in spots:
            if not cut(pieces, place).strip() or (spot and _same(cut(pieces, place)) != _same(quote)):
                continue
            found.append((number, _words(item, one.reader, pieces, place), _around(pieces, place)))
    if not found or not quote.strip():
        raise QuoteNotThere(item=item.handle)
    return found[:_FOUND]


def _same(words: str) -> str:
    """What two copies of the same words have in common: neither spaces nor what cannot be shown."""
    return " ".join(printable(words).split())


def _words(item: Item, reader: str, pieces: Sequence[Piece], spot: Spot) -> Words:
    named = {piece.number: locators.safe(piece.locator, piece.number) for piece in pieces}
    first, last = named[spot.first], named[spot.last]
    return Words(item.handle, first if first == last else f"{first} – {last}", reader, *spot)


def _around(pieces: Sequence[Piece], spot: Spot) -> str:
    """Some words before and after a spot, for who has to choose one of several."""
    first = next(piece for piece in pieces if piece.number == spot.first)
    last = next(piece for piece in pieces if piece.number == spot.last)
    before, after = first.text[max(0, spot.start - 60) : spot.start], last.text[spot.end : spot.end + 60]
    return printable(f"…{before}[{_SPACE.sub(' ', cut(pieces, spot))[:200]}]{after}…")


# -- recording ----------------------------------------------------------------------------------------------------------


def mark(session: Session, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Record the passage at ``place`` (a locator) of an item as ``shown`` (its text) or with ``words`` typed for a region or
    stretch, and the ``claims`` (mappings) on it; or claims on a ``passage`` of a ``source`` that is there.

    Returns {"passage", "claims"}. Raises NothingMarked, TextChanged, QuoteNotThere, PassageTooLong, NoRegion, NoStretch,
    NoSuchPassage, NameInQuote and what ``marking_claims`` raises.
    """
    passage = _there(session, asked) if asked.get("passage") else _new(session, asked)
    if not passage.handle:
        marked = session.testimony.marked(evidence.get(session, asked["item"]))
        passage = next((one for one in marked if (one.locator, one.text) == (passage.locator, passage.text)), passage)
    fresh = not passage.handle
    said = claims_of(session, asked["claims"], passage)
    refuse_sealed(session, passage if fresh else None, said)
    with session.change() as change:
        if fresh:
            passage = replace(passage, handle=change.allocate("passage"))
            entity = Entity(passage.handle, "passage", parent=passage.source, locator=passage.locator)
            change.put("record", Entity.TYPE, [entity.to_row()])
            change.put("testimony", Passage.TYPE, [passage.to_row()])
        claims = put(change, said, passage)
    return {"passage": passage.handle, "claims": claims}


def _there(session: Session, asked: Mapping[str, Any]) -> Passage:
    passage = session.testimony.passage(asked["passage"])
    if passage is None or passage.source != asked["source"]:
        raise NoSuchPassage(passage=asked["passage"][:20], source=asked["source"][:20])
    return passage


def _new(session: Session, asked: Mapping[str, Any]) -> Passage:
    """The passage that is to be recorded, checked; without a handle."""
    place = locators.parse(str(asked.get("place", "")))
    if place is None or place.item != asked["item"]:
        raise NothingMarked
    item = evidence.get(session, place.item)
    if isinstance(place, Words):
        text, language = _quoted(session, item, place, asked["shown"])
    else:
        _check(session, item, place)
        if item.sha256.hex() != asked["sha256"]:
            raise TextChanged(item=item.handle)
        text, language = asked["words"].strip(), ""
    if len(text) > MOST:
        raise PassageTooLong(n=len(text), most=MOST)
    return Passage("", item.source, str(place), text, language)


def _quoted(session: Session, item: Item, place: Words, shown: str) -> tuple[str, str]:
    run = shown_from(shown)
    if run is None or run.reader != place.reader:
        raise NothingMarked
    pieces = again(session, item, run)
    spot = Spot(place.first, place.start, place.last, place.end)
    text = cut(pieces, spot)
    if not text.strip() or place != _words(item, run.reader, pieces, spot):
        raise QuoteNotThere(item=item.handle)
    return text, next(piece.language for piece in pieces if piece.number == place.first)


def _check(session: Session, item: Item, place: Place) -> None:
    """Raises NoRegion, NoStretch."""
    if isinstance(place, Region):
        edges = place.left, place.top, place.width, place.height
        within = place.left + place.width <= 100.01 and place.top + place.height <= 100.01
        if not drawable(item) or not within or min(edges) < 0 or min(edges[2:]) < 0.1 or place.page < 1:
            raise NoRegion
    elif isinstance(place, Stretch):
        last = seconds(session, item)
        if not item.media_type.startswith(("audio/", "video/")) or place.start >= place.end or (last and place.end > last + 1):
            raise NoStretch


def seconds(session: Session, item: Item) -> float:
    """How long a recording lasts as its reader measured, 0 if it was not read."""
    for fact in session.testimony.facts(item.handle, "media"):
        data = json.loads(fact.data)
        if isinstance(data, dict) and isinstance(data.get("seconds"), (int, float)):
            return float(data["seconds"])
    return 0.0


def put(change: Change, said: list[Said], passage: Passage) -> list[str]:
    """Add claims, and what begins with them, each person's in a part of its own so that it can be erased alone."""
    begins = {entity.handle: entity for one in said for entity in one.begins}
    given = {token: change.allocate(entity.kind) for token, entity in begins.items()}
    for token, entity in begins.items():
        row = replace(entity, handle=given[token], parent=given.get(entity.parent, entity.parent))
        change.put("record", Entity.TYPE, [row.to_row()])
    parts: dict[str, list[Claim]] = {}
    where = locators.plain(passage.locator) if locators.parse(passage.locator) else ""
    for one in said:
        claim = replace(
            one.claim, handle=change.allocate("claim"), source=passage.source, passage=passage.handle, locator=where,
            subject=given.get(one.claim.subject, one.claim.subject), value=given.get(one.claim.value, one.claim.value),
            person=given.get(one.claim.person, one.claim.person), recorded=now_ms(),
        )  # fmt: skip
        parts.setdefault(claim.person, []).append(claim)
    for claims in parts.values():
        change.put("record", Claim.TYPE, [claim.to_row() for claim in claims])
    return [claim.handle for claims in parts.values() for claim in claims]
