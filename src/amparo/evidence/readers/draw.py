"""Draws one page of a PDF, or one picture, for somebody to look at; run in the sandbox by app.drawing only.

Invariant: what comes out is plain pixels, three bytes each, row by row, and their number: nothing of the file's own bytes. It
is no reader for ``evidence read``, so it declares neither name nor types.

Options: ``page`` from 1, ``side`` the most pixels of the longer side.
"""

import warnings
from collections.abc import Iterator
from contextlib import closing
from typing import BinaryIO

import pypdfium2  # type: ignore[import-untyped]
from PIL import Image

from amparo.evidence.findings import Chunk, Facts, Finding, Hints, Member, MemberEnd, Unreadable
from amparo.evidence.readers import pdf, picture
from amparo.kernel.i18n import _

_PIECE = 1 << 20
_BROKEN = (
    OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, SyntaxError, EOFError, ArithmeticError, RuntimeError,
)  # fmt: skip


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Yield Facts ("drawn": ``width``, ``height``, ``pages``) and the pixels as a member. Raises Unreadable."""
    warnings.simplefilter("ignore")  # Pillow warns of what is damaged, and raises where it matters
    page, side = (hints.options.get(name) for name in ("page", "side"))
    number = page if type(page) is int and page > 0 else 1
    most = side if type(side) is int and 16 <= side <= picture.LARGEST_SIDE else 1600
    head = stream.read(1024)
    stream.seek(0)
    drawn, pages = _page(stream, hints, number, most) if b"%PDF-" in head else _picture(stream, number, most)
    yield Facts("drawn", {"width": drawn.width, "height": drawn.height, "pages": pages})
    yield Member("pixels", "", "rendered", "application/octet-stream")
    data = memoryview(drawn.tobytes())
    for start in range(0, len(data), _PIECE):
        yield Chunk(bytes(data[start : start + _PIECE]))
    yield MemberEnd()


def _page(stream: BinaryIO, hints: Hints, number: int, most: int) -> tuple[Image.Image, int]:
    with closing(pdf.opened(stream, hints)) as document:
        count = len(document)
        if number > count:
            raise Unreadable(_("There is no page {n}; the file has {count}.").format(n=number, count=count))
        try:
            with closing(document[number - 1]) as page:
                width, height = page.get_size()
                scale = min(2.0, most / max(width, height, 1))
                if width * scale < 1 or height * scale < 1:
                    raise Unreadable(_("Page {n} is too narrow to be drawn.").format(n=number))
                with closing(page.render(scale=scale, may_draw_forms=False)) as bitmap:
                    return bitmap.to_pil().convert("RGB"), count
        except pypdfium2.PdfiumError:
            raise Unreadable(_("Page {n} cannot be drawn: it is damaged.").format(n=number)) from None


def _picture(stream: BinaryIO, number: int, most: int) -> tuple[Image.Image, int]:
    opened = picture.opened(stream)
    if opened.width * opened.height > picture.MOST_PIXELS or not opened.width or not opened.height:
        raise Unreadable(
            _("The picture claims {w} x {h} pixels, more than is drawn here.").format(w=opened.width, h=opened.height)
        )
    try:
        count = int(getattr(opened, "n_frames", 1)) if opened.format == "TIFF" else 1
        if number > count:
            raise Unreadable(_("There is no page {n}; the file has {count}.").format(n=number, count=count))
        if number > 1:
            opened.seek(number - 1)
        drawn = picture.flattened(opened)
        drawn.thumbnail((most, most))
    except _BROKEN as error:
        raise Unreadable(_("The picture could not be drawn ({why}): it is damaged or cut off.").format(
            why=type(error).__name__)) from None  # fmt: skip
    return drawn, count
