"""Recognises text in pictures and in the pages of a PDF with Tesseract, all inside the sandbox.

Invariant: recognised words are a machine's guess and are told as such, each with its place and the machine's own confidence;
nothing is written to a disk (picture in and words out go through pipes).

It takes seconds a page, so it is run when asked for. Options: ``languages`` "rus+eng", ``pages`` [3, 4] (of a PDF; else
those without text), ``dpi`` 100 to 400.

Sources: Tesseract's TSV output (tesseract(1)), ISO 639-2 names of its languages.
"""

import io
import re
from collections.abc import Iterator
from contextlib import closing
from statistics import mean
from typing import BinaryIO

import pypdfium2  # type: ignore[import-untyped]
from PIL import Image

from amparo.evidence.findings import Data, Facts, Finding, Hints, Text, Unreadable, Warn
from amparo.evidence.readers import pdf, picture, program
from amparo.kernel.i18n import _

MEDIA_TYPES = (
    "application/pdf", "image/jpeg", "image/png", "image/gif", "image/bmp", "image/tiff", "image/webp", "image/jp2",
    "image/j2c", "image/avif", "image/heic", "image/heif",
)  # fmt: skip
NAME = "ocr/1"
PROGRAMS = ("tesseract",)
ASKED = True
_LANGUAGES = re.compile(r"[a-z]{3}(_[a-z]{2,8})?(\+[a-z]{3}(_[a-z]{2,8})?){0,7}")
_USUAL = ("eng", "rus", "ara")
_MOST_PAGES, _MOST_WORDS = 5000, 20_000
_SECONDS = 120
_SIDE = 8000  # pixels; a page that claims to be larger is drawn smaller


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Yield for each page Text by paragraph ("p. 3, ¶ 2") and Facts ("ocr": words with boxes in pixels). Raises Unreadable."""
    languages = _languages(hints)
    if stream.read(1024).find(b"%PDF-") >= 0:
        stream.seek(0)
        yield from _document(stream, hints, languages)
        return
    stream.seek(0)
    opened = picture.opened(stream)
    if opened.width * opened.height > picture.MOST_PIXELS:
        raise Unreadable(
            _("The picture claims {w} x {h} pixels, more than is drawn here.").format(w=opened.width, h=opened.height)
        )
    try:
        drawn = picture.flattened(opened)
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise Unreadable(_("The picture could not be drawn ({why}).").format(why=type(error).__name__)) from None
    yield from _recognise(drawn, "", 0, 0, languages)


def _languages(hints: Hints) -> str:
    """The languages to look for. Raises Unreadable where one is not installed."""
    if not program.there("tesseract"):
        raise Unreadable(_("Text in pictures is recognised by Tesseract, which is not installed; on Debian: tesseract-ocr."))
    told = program.run("tesseract", ["--list-langs"]).decode("utf-8", "replace").splitlines()[1:]
    installed = {line.strip() for line in told}
    asked = hints.options.get("languages")
    if not isinstance(asked, str) or not asked:
        return "+".join(language for language in _USUAL if language in installed) or "eng"
    if not _LANGUAGES.fullmatch(asked):
        raise Unreadable(_("Languages are written like rus+eng."))
    if missing := [language for language in asked.split("+") if language not in installed]:
        raise Unreadable(_("Tesseract has no data for {languages}; on Debian install tesseract-ocr-{first}.").format(
            languages=", ".join(missing), first=missing[0]))  # fmt: skip
    return asked


def _document(stream: BinaryIO, hints: Hints, languages: str) -> Iterator[Finding]:
    dpi = hints.options.get("dpi")
    dpi = dpi if type(dpi) is int and 100 <= dpi <= 400 else 200
    asked = hints.options.get("pages")
    with closing(pdf.opened(stream, hints)) as document:
        count = len(document)
        numbers = [one for one in asked if type(one) is int and 0 < one <= count] if isinstance(asked, list) else None
        done = 0
        for number in numbers if numbers is not None else range(1, count + 1):
            if done == _MOST_PAGES:
                yield Warn(_("{n} pages were recognised; the rest was left.").format(n=done))
                return
            try:
                drawn = _drawn(document, number, dpi, always=numbers is not None)
            except pypdfium2.PdfiumError:
                yield Warn(_("Page {n} could not be drawn.").format(n=number))
                continue
            if drawn is not None:
                done += 1
                yield from _recognise(drawn, f"p. {number}, ", number, dpi, languages)


def _drawn(document: pypdfium2.PdfDocument, number: int, dpi: int, *, always: bool) -> Image.Image | None:
    """A page as a grey picture; None where it has text of its own and was not asked for."""
    with closing(document[number - 1]) as page:
        if not always:
            with closing(page.get_textpage()) as text:
                if text.count_chars() and text.get_text_range().strip():
                    return None
        width, height = page.get_size()
        scale = min(dpi / 72, _SIDE / max(width, height, 1))
        with closing(page.render(scale=scale, grayscale=True, may_draw_forms=False)) as bitmap:
            drawn: Image.Image = bitmap.to_pil().copy()
            return drawn


def _recognise(drawn: Image.Image, where: str, number: int, dpi: int, languages: str) -> Iterator[Finding]:
    out = io.BytesIO()
    drawn.convert("L").save(out, "PPM")
    arguments = ["stdin", "stdout", "-l", languages, "--psm", "3", *(["--dpi", str(dpi)] if dpi else []), "tsv"]
    try:
        table = program.run("tesseract", arguments, out.getvalue(), seconds=_SECONDS).decode("utf-8", "replace")
    except Unreadable as error:
        yield Warn(f"{where}{error}")
        return
    words: list[Data] = []
    blocks: dict[tuple[str, str], list[tuple[str, str]]] = {}  # (block, paragraph) -> (line, word)
    for row in table.splitlines()[1:]:
        cells = row.split("\t")
        if len(cells) == 12 and cells[0] == "5" and cells[11].strip():
            left, top, width, height = map(int, cells[6:10])
            words.append({"text": cells[11], "box": [left, top, width, height], "confidence": round(float(cells[10]))})
            blocks.setdefault((cells[2], cells[3]), []).append((cells[4], cells[11]))
    for index, paragraph in enumerate(blocks.values(), 1):
        lines: dict[str, list[str]] = {}
        for line, word in paragraph:
            lines.setdefault(line, []).append(word)
        yield Text(f"{where}¶ {index}", "\n".join(" ".join(line) for line in lines.values()))
    sure = [word["confidence"] for word in words]
    yield Facts("ocr", {
        "page": number, "width": drawn.width, "height": drawn.height, "dpi": dpi, "languages": languages,
        "confidence": round(mean(sure)) if sure else None, "count": len(words), "words": words[:_MOST_WORDS],
    })  # fmt: skip
