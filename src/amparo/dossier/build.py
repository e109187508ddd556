"""From a manifest to bytes: Typst lays the template out as PDF/A-2a and PDF/UA-1 together, or the manifest goes out as JSON.

Invariant: the same manifest, standards, engine and fonts give the same bytes. The date is the ledger head's, no clock, path or
system font is looked at, and what sources wrote is data to the template, never markup (dossier.layout).
Standards: ISO 19005-2:2011 level a (PDF/A-2a), ISO 14289-1:2014 (PDF/UA-1).
"""

import json
import re
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import pikepdf
import typst

from amparo.dossier import layout
from amparo.dossier.manifest import Manifest
from amparo.kernel.errors import AmparoError, BadInput
from amparo.kernel.i18n import N_

Standard = Literal["a-2a", "a-2b", "a-2u", "a-3a", "ua-1", "1.7"]
STANDARDS: tuple[Standard, ...] = ("a-2a", "ua-1")
FONTS = Path(__file__).parent / "fonts"
TEMPLATES = Path(__file__).parent / "templates"
_NO_GLYPH = re.compile(r"the text `\"(?P<text>.+?)\"` could not be displayed")
_PRIVATE = re.compile(r"contains the codepoint `\"(?P<text>.+?)\"`")


class DossierFontMissing(BadInput):
    template = N_(
        "No font at hand has the character “{text}” ({code}), which the dossier needs; "
        "add a font that has it (.ttf or .otf) to the folder of fonts, or correct the claim."
    )


class DossierBuildFailed(AmparoError):
    template = N_(
        "The dossier could not be laid out ({why}); nothing was written. This is a fault of Amparo: please report it."
    )


def build(manifest: Manifest, form: str = "pdf") -> tuple[bytes, str]:
    """The finished file and its media type; ``form`` is ``pdf`` or ``json``. Raises as ``build_pdf``."""
    if form == "json":
        return manifest.to_json(), "application/json"
    return build_pdf(manifest), "application/pdf"


def build_pdf(manifest: Manifest, *, standards: tuple[Standard, ...] = STANDARDS, fonts: Path | None = None) -> bytes:
    """Lay out a manifest. ``standards`` as Typst names them; ``fonts`` a folder with further fonts for scripts ours lack.

    Raises DossierFontMissing, DossierBuildFailed.
    """
    text = json.dumps(layout.data(manifest), ensure_ascii=False)
    files: Any = {**_templates(), "data.json": text.encode()}  # virtual files, which the published types leave out
    folders = [str(folder) for folder in (FONTS, fonts) if folder]
    try:
        made = typst.compile(
            files, format="pdf", font_paths=folders, ignore_system_fonts=True, pdf_standards=list(standards), timestamp=0,
        )  # fmt: skip
    except typst.TypstError as error:
        raise refusal_of(error) from None
    if not isinstance(made, bytes):
        raise DossierBuildFailed(why="no single file")
    return made


def pages(pdf: bytes) -> int:
    """The number of pages of a finished PDF."""
    with pikepdf.open(BytesIO(pdf)) as document:
        return len(document.pages)


@cache
def _templates() -> dict[str, bytes]:
    """The templates as virtual files: no path of this machine is known to the engine."""
    parts = {path.name: path.read_bytes() for path in sorted(TEMPLATES.glob("*.typ"))}
    return {"main.typ": parts.pop("record.typ"), **parts}


def refusal_of(error: typst.TypstError) -> AmparoError:
    """Typst's message as one of our sentences."""
    message = str(getattr(error, "message", "") or error)
    found = _NO_GLYPH.search(message) or _PRIVATE.search(message)
    if found is None:
        return DossierBuildFailed(why=" ".join(message.split())[:200])
    escaped = re.fullmatch(r"\\u\{([0-9a-f]+)\}", found["text"])
    text = chr(int(escaped[1], 16)) if escaped else found["text"]
    return DossierFontMissing(text=text if text.isprintable() else "", code=f"U+{ord(text[0]):04X}")
