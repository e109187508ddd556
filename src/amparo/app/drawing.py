"""Pages and pictures of items drawn for the eye, in the sandbox; the last of them are kept in memory.

Invariants: nothing that is drawn ever lies on a disk. No byte of an item reaches a browser: the sandbox hands out pixels, whose
number must be right, and this process, which holds no decoder, makes a PNG of them (ISO/IEC 15948).
"""

import struct
import threading
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import BinaryIO, Final, cast

from amparo.app import evidence
from amparo.app.session import Session
from amparo.evidence.findings import Chunk, Facts, Hints
from amparo.evidence.sandbox import Limits, Sandbox
from amparo.kernel.errors import BadInput, NotFound
from amparo.kernel.i18n import N_
from amparo.record.items import Item

PDF: Final = "application/pdf"
PICTURES: Final = (
    "image/jpeg", "image/png", "image/gif", "image/bmp", "image/tiff", "image/webp", "image/jp2", "image/j2c", "image/avif",
    "image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence", "image/vnd.microsoft.icon",
    "image/vnd.adobe.photoshop",
)  # fmt: skip
SIDE: Final = 1600
_MOST: Final = SIDE * SIDE * 3
_KEPT: Final = 48 << 20  # bytes of finished pictures
_AT_ONCE: Final = 2
_LIMITS: Final = Limits(cpu=60, wall=90.0, said=1 << 16, members=_MOST, findings=1000)


class NotDrawn(NotFound):
    template = N_("Files of the type {type} are not drawn here; {item} stays evidence as it is.")


class WrongPixels(BadInput):
    template = N_(
        "What came back from the sandbox is no picture of {item}; this file may have been made to attack who opens it. Nothing "
        "of it is shown."
    )


@dataclass(slots=True, frozen=True)
class Drawn:
    """A picture as PNG; ``pages`` of the file it is from."""

    png: bytes
    width: int
    height: int
    pages: int


class Drawer:
    """One sandbox for all that is drawn in this session, started with the first; threads may draw at the same time."""

    def __init__(self) -> None:
        self._box = Sandbox()
        self._lock = threading.Lock()
        self._turns = threading.Semaphore(_AT_ONCE)
        self._kept: OrderedDict[tuple[bytes, int], Drawn] = OrderedDict()
        self._bytes = 0

    def kept(self, item: Item, page: int) -> Drawn | None:
        """The page if it was drawn lately."""
        with self._lock:
            found = self._kept.get((item.sha256, page))
            if found is not None:
                self._kept.move_to_end((item.sha256, page))
            return found

    def draw(self, item: Item, stream: BinaryIO, page: int) -> Drawn:
        """Draw a page (from 1) out of the item's bytes, which are closed.

        Raises NotDrawn, WrongPixels and what the sandbox raises.
        """
        with stream:
            if not drawable(item):
                raise NotDrawn(type=item.media_type or "?", item=item.handle)
            with self._turns:
                if found := self.kept(item, page):
                    return found
                drawn = self._drawn(item, stream, page)
        with self._lock:
            before = self._kept.pop((item.sha256, page), None)
            self._kept[item.sha256, page] = drawn
            self._bytes += len(drawn.png) - (len(before.png) if before else 0)
            while self._bytes > _KEPT and len(self._kept) > 1:
                self._bytes -= len(self._kept.popitem(last=False)[1].png)
        return drawn

    def _drawn(self, item: Item, stream: BinaryIO, page: int) -> Drawn:
        hints = Hints("", item.media_type, item.size, {"page": page, "side": SIDE})
        sizes: list[int] = []
        pixels = bytearray()
        for finding in self._box.read("draw", stream, hints, _LIMITS):
            if isinstance(finding, Facts) and finding.kind == "drawn":
                sizes = [value for value in map(finding.data.get, ("width", "height", "pages")) if type(value) is int]
            elif isinstance(finding, Chunk):
                pixels += finding.data
        if len(sizes) != 3 or not (0 < sizes[0] <= SIDE and 0 < sizes[1] <= SIDE) or len(pixels) != sizes[0] * sizes[1] * 3:
            raise WrongPixels(item=item.handle)
        return Drawn(png(pixels, sizes[0], sizes[1]), sizes[0], sizes[1], max(1, sizes[2]))

    def close(self) -> None:
        """End the sandbox and forget what was drawn."""
        self._box.close()
        self._kept.clear()


def drawable(item: Item) -> bool:
    """True if pages of it, or it as a picture, can be drawn."""
    return item.media_type == PDF or item.media_type in PICTURES


def opened(session: Session, handle: str) -> tuple[Item, BinaryIO]:
    """An item and its bytes for ``Drawer.draw``; whoever asks has noted the view. Raises NoSuchItem, what reading raises."""
    item = evidence.get(session, handle)
    return item, cast("BinaryIO", evidence.read_quietly(session, item))


def png(pixels: bytes | bytearray, width: int, height: int) -> bytes:
    """Rows of red, green and blue as PNG."""
    row = width * 3
    packer = zlib.compressobj(3, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    data = b"".join(packer.compress(b"\0" + pixels[at : at + row]) for at in range(0, row * height, row)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _piece(b"IHDR", head) + _piece(b"IDAT", data) + _piece(b"IEND", b"")


def _piece(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
