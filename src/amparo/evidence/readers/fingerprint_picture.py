"""Takes the PDQ fingerprint of a picture as it is shown, with those of its turned and mirrored copies.

Invariant: nothing is decoded before the picture's claimed size is known to be bearable; what comes out is 256 bytes, from which
the picture cannot be drawn again.
"""

from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image, ImageOps

from amparo.evidence.findings import Finding, Fingerprint, Hints, Unreadable
from amparo.evidence.readers import pdq, picture
from amparo.kernel.i18n import _

import numpy as np  # isort: skip - after pdq, which keeps its threads few

MEDIA_TYPES = (
    "image/jpeg", "image/png", "image/gif", "image/bmp", "image/tiff", "image/webp", "image/jp2", "image/j2c", "image/avif",
    "image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence", "image/vnd.adobe.photoshop",
)  # fmt: skip
NAME = "fingerprint_picture/1"
SMALLEST = 32
"""Pixels of the shorter side: icons have no fingerprint."""
_BROKEN = (
    OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, SyntaxError, EOFError, ArithmeticError, RuntimeError,
)  # fmt: skip


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Yield one Fingerprint ("pdq": 8 x 32 bytes, see ``pdq.hashes``), none of an icon. Raises Unreadable."""
    del hints
    opened = picture.opened(stream)
    if opened.width * opened.height > picture.MOST_PIXELS:
        raise Unreadable(_("The picture claims {w} x {h} pixels, too many to take its fingerprint.").format(
            w=opened.width, h=opened.height))  # fmt: skip
    if min(opened.width, opened.height) < SMALLEST:
        return
    try:
        luma = np.asarray(_brightness(opened), dtype=np.float64)
    except _BROKEN as error:
        raise Unreadable(_("The picture could not be decoded ({why}): it is damaged or cut off.").format(
            why=type(error).__name__)) from None  # fmt: skip
    bits, quality = pdq.hashes(luma)
    yield Fingerprint("pdq", "", bits, quality)


def _brightness(opened: Image.Image) -> Image.Image:
    """The first frame the right way up, on white where it is transparent, grey, small."""
    if opened.format in ("JPEG", "MPO"):
        opened.draft("L", (pdq.LARGEST, pdq.LARGEST))  # decoded at a half, a quarter or an eighth
    opened.load()
    upright = ImageOps.exif_transpose(opened)
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        layer = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    elif upright.mode.startswith("I"):  # 16 bits
        upright = upright.point(lambda value: value / 256)
    grey = upright.convert("L")
    grey.thumbnail((pdq.LARGEST, pdq.LARGEST))
    return grey
