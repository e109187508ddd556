"""The reading room, arranged for pages: a source's words, pages or sound, what was marked in them, and what is claimed on it.

Invariants: of a long text only a window is read, however long the text. A mark is shown where its words stand now as they were
recorded, or not at all. Whatever a file says is text here: what steers a screen is taken out of it, character for character, so
that places stay what they are.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any, Final

from amparo.app import evidence, marking
from amparo.app.desk_items import PLAYED, evidence_items, line_of, shown_name, viewed, what
from amparo.app.drawing import PDF, drawable
from amparo.app.marking import Shown, Spot
from amparo.app.marking_claims import NEW
from amparo.app.reading import NothingThere
from amparo.app.session import Session
from amparo.evidence.sandbox import readers as known_readers
from amparo.evidence.sandbox import readers_for
from amparo.kernel import ids, text
from amparo.kernel.i18n import _
from amparo.record import locators, vocabulary
from amparo.record.items import Item, Piece
from amparo.record.locators import Region, Stretch, Words
from amparo.record.model import ACCESS, POLARITIES, STANCES, VOLUNTARINESS, Passage

WINDOW: Final = 30  # pieces
_LETTERS: Final = 40_000  # of a window
_ON_PAGE: Final = 400  # pieces of one page of a PDF
_PASSAGES, _CLAIMS = 200, 50
_AHEAD: Final = 200  # handles looked at for the next item to read
_PAGE: Final = re.compile(r"p\. (\d{1,6})\b", re.ASCII)
_TIME: Final = re.compile(r"(\d{2,5}):(\d\d):(\d\d\.\d{3})-", re.ASCII)
_MADE: Final = ("still", "rendered")


# -- a source's room ----------------------------------------------------------------------------------------------------


def source_room(session: Session, handle: str, after: str = "") -> dict[str, Any]:
    """A source: its items a page at a time, its passages with their claims. Raises NothingThere."""
    entity = session.record.entity(handle)
    if entity is None or entity.kind != "source":
        raise NothingThere(what=handle)
    items = session.testimony.after(handle, after if ids.is_handle(after) else "", WINDOW + 1)
    shown = [one for one in items[:WINDOW] if one.relation not in _MADE]
    passages = session.testimony.passages(handle)
    cards = [_card(session, one) for one in passages[:_PASSAGES]]
    return {
        "handle": handle, "entity": entity, "label": session.record.labels([handle]).get(handle, ""),
        "items": [line_of(one, read=session.testimony.was_read(one.handle)) for one in shown],
        "next": items[WINDOW - 1].handle if len(items) > WINDOW else "",
        "cards": cards, "more": max(0, len(passages) - _PASSAGES),
        "labels": _labels(session, cards), **form_of(session, handle),
    }  # fmt: skip


# -- an item's room -----------------------------------------------------------------------------------------------------


def item_room(session: Session, handle: str, *, at: int = 1, by: str = "", passage: str = "") -> dict[str, Any]:
    """An item as it is read: ``at`` the page of a PDF or picture, else the first piece of the window; ``by`` the reader whose
    text is shown where it has no pages; ``passage`` what to go to. Raises BadHandle, NoSuchItem.
    """
    item = evidence.get(session, handle)
    viewed(session, item)
    found = session.testimony.marked(item)
    places = {one.handle: locators.parse(one.locator) for one in found}
    readers = session.testimony.text_readers(item.handle)
    kind = _kind(item)
    if (place := places.get(passage)) is not None:
        at, by = _towards(session, item, kind, place, at, by)
    by = by if by in readers else readers[0] if readers else ""
    runs, edges = _paged(session, item, readers, at) if kind == "pages" else _windowed(session, item, by, at)
    marks = [(one, place) for one in found if (place := places[one.handle]) is not None]
    here = _here(kind, at, runs, marks)
    found.sort(key=lambda one: _order(places[one.handle]))
    cards = [_card(session, one) for one in found if one.handle in here][:_PASSAGES]
    others = [_card(session, one, claims=False) for one in found if one.handle not in here]
    plays = _plays(session, item)
    return {
        "handle": item.handle, "item": item, "name": shown_name(item), "what": what(item), "kind": kind, "at": at, "by": by,
        "readers": readers if kind != "pages" else [], "passage": passage, "sha256": item.sha256.hex(),
        "runs": [_run(item, pieces, marks) for pieces in runs], **edges,
        "regions": [(one.handle, place) for one, place in marks if isinstance(place, Region) and place.page == at],
        "cards": cards, "others": others[:_PASSAGES], "more": max(0, len(others) - _PASSAGES),
        "labels": _labels(session, cards), "read": session.testimony.was_read(item.handle),
        "readable": bool(readers_for(item.media_type)), "drawn": drawable(item),
        "plays": plays.handle if plays else "", "film": plays is not None and plays.media_type.startswith("video/"),
        "transcripts": [one.handle for one in session.testimony.children(item.handle, _AHEAD) if one.relation == "transcript"],
        "next_item": next_item(session, item), **form_of(session, item.source),
    }  # fmt: skip


def _plays(session: Session, item: Item) -> Item | None:
    """The recording that is played in the item's room: the item, or what it is a transcript of."""
    parent = session.testimony.item(item.parent) if item.relation == "transcript" else None
    return next((one for one in (item, parent) if one is not None and one.media_type in PLAYED), None)


def _kind(item: Item) -> str:
    if item.media_type in PLAYED:
        return "player"
    return "pages" if drawable(item) else "text"


def _towards(session: Session, item: Item, kind: str, place: locators.Place, at: int, by: str) -> tuple[int, str]:
    """(page or piece, reader) to show for a passage."""
    if isinstance(place, Region):
        return place.page, by
    if isinstance(place, Stretch):
        return at, by
    if kind != "pages":
        return place.first, place.reader
    pieces = session.testimony.pieces(item.handle, place.reader, [place.first])
    found = _PAGE.match(pieces[0].locator) if pieces else None
    return int(found[1]) if found else 1, place.reader


def _order(place: locators.Place | None) -> tuple[float, float]:
    if isinstance(place, Words):
        return place.first, place.start
    if isinstance(place, Region):
        return place.page, place.top
    return (place.start, place.end) if place else (0.0, 0.0)


# -- windows of a text --------------------------------------------------------------------------------------------------


def _windowed(session: Session, item: Item, reader: str, at: int) -> tuple[list[list[Piece]], dict[str, Any]]:
    """The pieces from number ``at`` on, as many as make a page, and where the former and the next page begin (0: nowhere)."""
    if not reader:
        return [], {"before": 0, "after": 0, "count": 0}
    at = max(1, at)
    pieces = _enough(session.testimony.pieces(item.handle, reader, range(at, at + WINDOW)))
    last = pieces[-1].number if pieces else at
    more = session.testimony.pieces(item.handle, reader, [last + 1])
    former = session.testimony.pieces(item.handle, reader, range(max(1, at - WINDOW), at))
    before = _enough(former[::-1])[-1].number if former else 0
    return [pieces] if pieces else [], {"before": before, "after": last + 1 if more else 0, "count": 0}


def _enough(pieces: list[Piece]) -> list[Piece]:
    size = 0
    for count, piece in enumerate(pieces):
        size += len(piece.text)
        if size > _LETTERS and count:
            return pieces[:count]
    return pieces


def _paged(session: Session, item: Item, readers: list[str], at: int) -> tuple[list[list[Piece]], dict[str, Any]]:
    """What each reader found on one page, and how many pages there are (0: not known)."""
    count = page_count(session, item)
    runs = [run for reader in readers if (run := _on_page(session, item, reader, at))]
    return runs, {"before": at - 1, "after": at + 1 if at < count or not count else 0, "count": count}


def page_count(session: Session, item: Item) -> int:
    """How many pages a reader counted in an item; 0 where none did."""
    for name, key in (("pages", "count"), ("media", "frames")):
        for fact in session.testimony.facts(item.handle, name):
            data = json.loads(fact.data)
            if isinstance(data, dict) and type(data.get(key)) is int and data[key] > 0:
                return int(data[key]) if name == "pages" or item.media_type == "image/tiff" else 1
    return 0 if item.media_type in (PDF, "image/tiff") else 1


def _on_page(session: Session, item: Item, reader: str, at: int) -> list[Piece]:
    """The pieces of a page, found by halving: a reader tells pages in order."""

    def page(number: int) -> int:
        found = session.testimony.pieces(item.handle, reader, [number])
        if not found:
            return 1 << 30
        match = _PAGE.match(found[0].locator)
        return int(match[1]) if match else 1

    first = _lowest(lambda number: page(number) >= at)
    found: list[Piece] = []
    while len(found) < _ON_PAGE:
        start = first + len(found)
        lot = session.testimony.pieces(item.handle, reader, range(start, start + WINDOW))
        here = [one for one in lot if int(match[1] if (match := _PAGE.match(one.locator)) else 1) == at]
        found += here
        if len(here) < WINDOW:
            break
    return _enough(found)


def _lowest(true: Callable[[int], bool]) -> int:
    """The least number from 1 for which something holds that holds for all later ones."""
    high = 1
    while not true(high) and high < 1 << 30:
        high *= 2
    low = high // 2 + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if true(middle) else (middle + 1, high)
    return high


# -- marks in a text ----------------------------------------------------------------------------------------------------


def _run(item: Item, pieces: list[Piece], marks: Sequence[tuple[Passage, locators.Place]]) -> dict[str, Any]:
    """A run of one reader's pieces, each cut into segments where marks begin and end."""
    reader = pieces[0].reader
    spans = _spans(pieces, marks)
    shown = Shown(reader, pieces[0].number, pieces[-1].number, marking.digest(item, pieces))
    return {
        "reader": reader, "machine": _recognises(reader), "seen": str(shown),
        "pieces": [{
            "number": piece.number, "locator": text.printable(piece.locator).replace("\n", " "),
            "language": piece.language[:35], "seconds": _seconds(piece.locator),
            "segments": _segments(piece, spans.get(piece.number, [])),
        } for piece in pieces],
    }  # fmt: skip


def _recognises(reader: str) -> bool:
    """True for a machine that guesses words from a picture or a sound; a reader of ours tells what is written in the file."""
    return reader.startswith("ocr/") or reader not in {one.name for one in known_readers().values()}


def _seconds(locator: str) -> float | None:
    found = _TIME.match(locator)
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else None


def _spans(pieces: list[Piece], marks: Sequence[tuple[Passage, locators.Place]]) -> dict[int, list[tuple[int, int, str]]]:
    """Piece -> (start, end, passage), for the marks whose words stand there now."""
    found: dict[int, list[tuple[int, int, str]]] = {}
    low, high = pieces[0].number, pieces[-1].number
    for passage, place in marks:
        if not isinstance(place, Words) or place.reader != pieces[0].reader or place.last < low or place.first > high:
            continue
        whole = low <= place.first and place.last <= high
        if whole and marking.cut(pieces, Spot(place.first, place.start, place.last, place.end)) != passage.text:
            continue
        for piece in pieces:
            if place.first <= piece.number <= place.last:
                start = place.start if piece.number == place.first else 0
                end = place.end if piece.number == place.last else len(piece.text)
                found.setdefault(piece.number, []).append((start, end, passage.handle))
    return found


def _segments(piece: Piece, spans: list[tuple[int, int, str]]) -> list[dict[str, Any]]:
    """A piece's text cut at every edge of a mark: ``at`` its first character, ``marks`` the passages it belongs to, ``ends``
    those that end with it.
    """
    shown = text.printable(piece.text)
    edges = sorted({0, len(shown), *(edge for start, end, _handle in spans for edge in (start, end) if edge <= len(shown))})
    found = []
    for low, high in pairwise(edges):
        over = [handle for start, end, handle in spans if start <= low and high <= end]
        ends = [handle for _start, end, handle in spans if end == high and handle in over]
        found.append({"at": low, "text": shown[low:high], "marks": over, "ends": ends})
    return found


def _here(kind: str, at: int, runs: list[list[Piece]], marks: Sequence[tuple[Passage, locators.Place]]) -> set[str]:
    """The passages of what is shown."""
    found = set()
    for passage, place in marks:
        if isinstance(place, Region):
            inside = place.page == at
        elif isinstance(place, Stretch):
            inside = kind == "player"
        else:
            inside = any(run[0].reader == place.reader and place.first <= run[-1].number and place.last >= run[0].number
                         for run in runs)  # fmt: skip
        if inside:
            found.add(passage.handle)
    return found


# -- passages, claims, the form -----------------------------------------------------------------------------------------


def _card(session: Session, passage: Passage, *, claims: bool = True) -> dict[str, Any]:
    """A passage as it stands, with its claims as a list shows them."""
    told = session.record.claims(passage=passage.handle, limit=_CLAIMS) if claims else []
    place = locators.parse(passage.locator)
    return {
        "handle": passage.handle, "where": place.shown if place else passage.locator, "text": text.printable(passage.text),
        "language": passage.language, "item": place.item if place else "",
        "start": place.start if isinstance(place, Stretch) else None,
        "claims": [{**asdict(one.claim), "status": one.status, "against": []} for one in told],
    }  # fmt: skip


def _labels(session: Session, cards: list[dict[str, Any]]) -> dict[str, str]:
    named = {
        claim[name] for card in cards for claim in card["claims"] for name in ("subject", "value", "source", "place", "speaker")
    }
    return session.record.labels(handle for handle in named if ids.is_handle(handle))


def form_of(session: Session, source: str) -> dict[str, Any]:
    """What the form for claims offers: things this source tells of, properties, terms, choices."""
    words = vocabulary.load()
    told = session.record.claims(source=source, limit=_PASSAGES)
    handles = dict.fromkeys(
        handle for one in reversed(told) for handle in (one.claim.subject, one.claim.value, one.claim.place)
        if ids.is_handle(handle) and not handle.startswith(("C-", "S-", "Q-"))
    )  # fmt: skip
    known = session.record.labels(handles)
    lists = {known.value.removeprefix("term:") for known in words.properties() if known.value.startswith("term:")}
    return {
        "things": [(handle, known.get(handle, "")) for handle in handles],
        "begins": [(kind, _(name)) for kind, name in NEW.items()],
        "properties": [(one.id, _(one.label), one.value.removeprefix("term:") if one.value.startswith("term:") else "",
                        one.value) for one in words.properties()],
        "terms": {name: [words.label(name, id) for id in words.terms(name)] for name in sorted(lists)},
        "choices": {"access": ACCESS, "voluntariness": VOLUNTARINESS, "stance": STANCES, "polarity": POLARITIES},
    }  # fmt: skip


def next_item(session: Session, item: Item) -> str:
    """The next item that has something to read and no passage yet, of the same device; "" if none is near."""
    here = ids.parse(item.handle)
    for start in range(here.number + 1, here.number + 1 + _AHEAD, WINDOW):
        handles = [str(ids.Handle("item", here.device, number)) for number in range(start, start + WINDOW)]
        found = evidence_items(session, handles)
        for handle in handles:
            one = found.get(handle)
            if one is not None and one.relation not in _MADE and _worth(session, one):
                return handle
        if not found:
            return ""
    return ""


def _worth(session: Session, item: Item) -> bool:
    room = drawable(item) or item.media_type in PLAYED or bool(session.testimony.text_readers(item.handle))
    return room and not session.testimony.marked(item)
