"""Pages of a dossier as pictures, drawn when they are looked at.

Invariant: only files that Typst made for us are drawn here; what others sent is read in the sandbox. Nothing drawn is kept.
"""

import io
import threading
from typing import Final

import pypdfium2  # type: ignore[import-untyped]

from amparo.kernel.errors import NotFound
from amparo.kernel.i18n import N_

SCALE: Final = 1.5  # pixels for each point: 108 dots an inch
_ONE: Final = threading.Lock()  # PDFium is not made for two threads


class NoSuchPage(NotFound):
    template = N_("This dossier has no such page.")


def png(pdf: bytes, number: int) -> bytes:
    """The page ``number`` (from 1) as PNG. Raises NoSuchPage."""
    with _ONE:
        document = pypdfium2.PdfDocument(pdf)
        try:
            if not 1 <= number <= len(document):
                raise NoSuchPage
            drawn = document[number - 1].render(scale=SCALE).to_pil()
        finally:
            document.close()
    out = io.BytesIO()
    drawn.convert("RGB").save(out, "PNG", compress_level=3)
    return out.getvalue()
