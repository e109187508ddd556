"""Where the words of an item stand: its text by page or paragraph, and recognised words where a page has no text.

Invariant: everything comes out of the sandbox as plain values; a page whose words cannot be told is named in ``blind``, and one
with pictures that were not looked into in ``pictures``.
"""

import json
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, BinaryIO, Final

from amparo.app.session import Session
from amparo.evidence import redact
from amparo.evidence.findings import Facts, Finding, Hints, Text
from amparo.evidence.redact import Spot
from amparo.evidence.sandbox import FileUnreadable, Limits, NoReader, Sandbox
from amparo.kernel.i18n import _
from amparo.record.items import Item

PDF: Final = "application/pdf"
_MOST_TEXT: Final = 50_000_000


@dataclass(slots=True, frozen=True)
class How:
    """``seeks``: whether words are looked for at all; the rest as in evidence_redact.Asked."""

    seeks: bool
    annotations: bool = False
    include: tuple[str, ...] = ()
    languages: str = ""


@dataclass(slots=True)
class Block:
    """A stretch of text that stands somewhere: a page, a paragraph, the recognised words of a page (``words``: ends, boxes)."""

    where: str
    text: str
    page: int = 0
    words: list[tuple[int, int, list[float]]] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    start: int = 0

    def places(self, start: int, end: int) -> list[int]:
        """The numbers that the page's reader gave the characters from ``start`` to ``end``."""
        return [place for place in self.order[start:end] if place >= 0] if self.order else list(range(start, end))


@dataclass(slots=True)
class Located:
    """The text of an item with its places; ``sizes`` of the pages as seen; ``blind`` pages whose words stand nowhere."""

    blocks: list[Block] = field(default_factory=list)
    sizes: dict[int, tuple[float, float]] = field(default_factory=dict)
    pictures: list[int] = field(default_factory=list)
    blind: list[int] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    annotations: int = 0
    text: str = ""

    def joined(self) -> str:
        """All blocks as one text, so that a word cut by a page or paragraph is whole; sets each block's start in it."""
        parts, at = [], 0
        for block in self.blocks:
            block.start = at
            parts.append(block.text)
            at += len(block.text) + 2
        self.text = "\n\n".join(parts)
        return self.text

    def told_once(self, spots: list[Spot]) -> list[Spot]:
        """The spots without those that only repeat, in another order in which a page is seen, what was told before."""
        covered: dict[int, set[int]] = {}
        fresh = []
        for spot in spots:
            parts = [(block, set(block.places(start, end))) for block, start, end in self.within(spot) if not block.words]
            if parts and all(block.order and places <= covered.get(block.page, set()) for block, places in parts):
                continue
            fresh.append(spot)
            for block, places in parts:
                covered.setdefault(block.page, set()).update(places)
        return fresh

    def within(self, spot: Spot) -> Iterator[tuple[Block, int, int]]:
        """The blocks a spot lies in, with its start and end in each; after ``joined``."""
        first = max(0, bisect_right(self.blocks, spot.start, key=lambda block: block.start) - 1)
        for block in islice(self.blocks, first, None):
            if block.start >= spot.end:
                break
            low, high = max(spot.start, block.start), min(spot.end, block.start + len(block.text))
            if low < high:
                yield block, low - block.start, high - block.start


class Locator:
    """Reads an item in the sandbox: its text, its pages' sizes, and recognised words where there is no text."""

    def __init__(self, session: Session, box: Sandbox, item: Item, stream: BinaryIO, how: How) -> None:
        self._session, self._box, self._item, self._stream, self._how = session, box, item, stream, how
        self._located = Located()

    def located(self) -> Located:
        """Raises TooMuchText and what the sandbox raises."""
        item = self._item
        if item.media_type == PDF:
            self._pages("redact_pdf", {"act": "locate", "annotations": self._how.annotations})
        elif item.media_type.startswith("image/"):
            self._pages("redact_picture", {"act": "pages"})
        else:
            self._texts()
        return self._located

    def _read(self, module: str, options: dict[str, Any]) -> Iterator[Finding]:
        item = self._item
        hints = Hints(item.name, item.media_type, item.size, options)
        yield from self._box.read(
            module, self._stream, hints, limits_for(item.size, len(self._located.sizes)), self._session.keep_alive
        )

    def _texts(self) -> None:
        total = 0
        for finding in self._read("redact_document", {"include": list(self._how.include)}):
            if isinstance(finding, Text):
                total += len(finding.text)
                if total > _MOST_TEXT:
                    raise redact.TooMuchText(item=self._item.handle, most=_MOST_TEXT)
                self._located.blocks.append(Block(finding.locator, finding.text))
            elif isinstance(finding, Facts) and finding.kind == "left out":
                self._located.left_out = {
                    str(kind)[:40]: count for kind, count in finding.data.items() if isinstance(count, int)
                }

    def _pages(self, module: str, options: dict[str, Any]) -> None:
        texts: dict[int, list[str]] = {}
        orders: dict[int, list[list[int]]] = {}
        bare: list[int] = []
        total = 0
        for finding in self._read(module, options):
            if isinstance(finding, Text):
                total += len(finding.text)
                if total > _MOST_TEXT:
                    raise redact.TooMuchText(item=self._item.handle, most=_MOST_TEXT)
                texts.setdefault(int(finding.locator.removeprefix("p. ")), []).append(finding.text)
            elif isinstance(finding, Facts) and finding.kind == "page":
                data = finding.data
                number = int(data["number"])
                self._located.sizes[number] = float(data["width"]), float(data["height"])
                orders[number] = [[int(place) for place in order] for order in data.get("orders") or ()]
                self._located.annotations += int(data.get("annotations") or 0)
                if number not in texts:
                    bare.append(number)
                elif data.get("pictures"):
                    self._located.pictures.append(number)
        wanted = [*bare, *self._located.pictures]
        words = self._recognised(sorted(wanted)) if wanted and self._how.seeks else {}
        for number in self._located.sizes:
            if number in texts:
                text = "".join(texts[number])
                self._located.blocks.append(Block(f"p. {number}", text, number))
                for order in orders.get(number, ()):
                    seen = "".join(text[place] if place >= 0 else "\n" for place in order)
                    self._located.blocks.append(Block(f"p. {number}", seen, number, order=order))
            if number in words:
                self._located.blocks.append(words[number])
        self._located.blind = [number for number in bare if number not in words]
        self._located.pictures = [number for number in self._located.pictures if number not in words]

    def _recognised(self, pages: list[int]) -> dict[int, Block]:
        """The words of pages by recognition: as found before, else now where Tesseract is installed."""
        found = {}
        for fact in self._session.testimony.facts(self._item.handle):
            if fact.kind == "ocr" and (block := _words_of(json.loads(fact.data))):
                found[block.page] = block
        missing = [page for page in pages if page not in found]
        if missing:
            options: dict[str, Any] = {"pages": missing}
            if self._how.languages:
                options["languages"] = self._how.languages
            try:
                for finding in self._read("ocr", options):
                    if isinstance(finding, Facts) and finding.kind == "ocr" and (block := _words_of(finding.data)):
                        found[block.page] = block
            except (NoReader, FileUnreadable):
                pass  # no Tesseract, or not this language: the pages stay blind, and that is told
        return {page: found[page] for page in pages if page in found}


def _words_of(data: Any) -> Block | None:
    """The words of one page with their boxes in fractions of it; None where not all of them are told."""
    words, width, height = data.get("words"), data.get("width"), data.get("height")
    if not isinstance(words, list) or len(words) < int(data.get("count") or 0) or not width or not height:
        return None
    number = int(data.get("page") or 0) or 1
    block = Block(_("p. {number} (recognised)").format(number=number), "", number)
    parts, at = [], 0
    for word in words:
        left, top, wide, high = (float(one) for one in word["box"])
        text = str(word["text"])
        more = max(2.0, high * 0.15)  # recognition draws its boxes tight
        place = [(left - more) / width, (top - more) / height, (left + wide + more) / width, (top + high + more) / height]
        block.words.append((at, at + len(text), place))
        parts.append(text)
        at += len(text) + 1
    block.text = " ".join(parts)
    return block


def limits_for(size: int, pages: int) -> Limits:
    """What one reading of a file of ``size`` bytes and so many pages may cost."""
    usual = Limits.for_size(size)
    return Limits(
        memory=3 << 30, cpu=usual.cpu + 5 * pages, wall=usual.wall + 20 * pages, members=usual.members + pages * (64 << 20)
    )
