"""Gives the text of a document for its redacted copy: what is to stay, block by block, and nothing that hides beside it.

Invariant: of a DOCX or ODT, comments, deleted and hidden words, headers and notes come out only where the option ``include``
names them; field codes, links, properties and embedded files never do. It is no reader for ``evidence read``, so it declares
neither name nor types.

Options: ``include``, a list of INCLUDED. Sources: ISO/IEC 29500-1 (17.13.5 revisions, 17.3.2.41 vanish), ISO/IEC 26300-1 (5.5).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from amparo.evidence.findings import Facts, Finding, Hints, Text, Unreadable
from amparo.evidence.readers import docx, html, mail, msg, odt, package, plain
from amparo.kernel.i18n import _

INCLUDED = ("changes", "comments", "hidden", "headers", "notes")
_WORDML = re.compile(
    r"http://(?:schemas\.openxmlformats\.org/wordprocessingml/2006|purl\.oclc\.org/ooxml/wordprocessingml)/main "
)
_FALLBACK = "http://schemas.openxmlformats.org/markup-compatibility/2006 Fallback"
_PART = re.compile(r"word/(?:(document)|(footnotes|endnotes)|(comments)|(header|footer)\d{1,5})\.xml")
_AUTHOR = re.compile(r" \(.*\)", re.DOTALL)
_OTHERS = (mail, msg, odt, html, plain)


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Yield Text for each block and Facts ("left out": how many blocks of which kind). Raises Unreadable."""
    asked = hints.options.get("include")
    include = {one for one in asked if one in INCLUDED} if isinstance(asked, list) else set()
    kind = hints.media_type.partition(";")[0]
    left: dict[str, int] = {}
    if kind in docx.MEDIA_TYPES:
        yield from _docx(stream, include, left)
    else:
        reader = next((one for one in _OTHERS if kind in one.MEDIA_TYPES), None)
        if reader is None:
            raise Unreadable(_("A file of the kind {kind} has no text that can be redacted.").format(kind=kind[:80]))
        for finding in reader.read(stream, hints):
            if isinstance(finding, Text):
                if (what := _told(finding.locator, mail=reader in (mail, msg))) and what not in include:
                    left[what] = left.get(what, 0) + 1
                    continue
                yield Text(_AUTHOR.sub("", finding.locator)[:200], finding.text)
    yield Facts("left out", {**left})


def _told(locator: str, *, mail: bool) -> str:
    """Which of INCLUDED a block of an ODT belongs to, by its locator; "" for the body (and the header of a letter)."""
    if mail:
        return ""
    for start, what in (("comment", "comments"), ("deleted text", "changes"), ("page style", "headers"),
                        ("footnote", "notes"), ("endnote", "notes")):  # fmt: skip
        if locator.startswith(start):
            return what
    return ""


# -- DOCX -------------------------------------------------------------------------------------------------------------------


@dataclass
class _Open:
    """What is open while a part streams by."""

    paragraphs: package.Paragraphs
    text: list[str] = field(default_factory=list)
    outer: list[list[str]] = field(default_factory=list)
    taken: bool = False
    properties: int = 0
    deleted: int = 0
    skipped: int = 0
    hidden: bool = False


def _docx(stream: BinaryIO, include: set[str], left: dict[str, int]) -> Iterator[Finding]:
    archive = package.opened(stream)
    if "word/document.xml" not in archive.NameToInfo:
        raise Unreadable(_("There is no document in this file; it is damaged or no DOCX."))
    for part in sorted(archive.namelist(), key=lambda name: (name != "word/document.xml", name)):
        match = _PART.fullmatch(part)
        if match is None:
            continue
        what = "" if match[1] else "notes" if match[2] else "comments" if match[3] else "headers"
        state = _Open(package.Paragraphs("" if match[1] else part.removeprefix("word/").removesuffix(".xml")))
        for kind, full, attributes in package.nodes(archive, part):
            for text in _node(state, kind, full, attributes, include, left):
                if what and what not in include:
                    left[what] = left.get(what, 0) + 1
                else:
                    yield Text(state.paragraphs.place(), text)


def _node(
    state: _Open, kind: str, full: str, attributes: dict[str, str], include: set[str], left: dict[str, int]
) -> Iterator[str]:
    if kind == "":
        if not state.taken or state.skipped:
            return
        what = "changes" if state.deleted else "hidden" if state.hidden else ""
        if what and what not in include:
            left[what] = left.get(what, 0) + 1
        else:
            state.text.append(full)
        return
    if full == _FALLBACK:
        state.skipped += 1 if kind == "<" else -1
        return
    name = _WORDML.sub("", full)
    if state.skipped or name == full:
        return
    step = 1 if kind == "<" else -1
    if name in ("del", "moveFrom") and not state.properties:
        state.deleted += step
        if "changes" in include:
            state.text.append(_("[deleted: ") if kind == "<" else "]")
    elif name in ("pPr", "rPr"):
        state.properties += step
    elif name in ("t", "delText"):
        state.taken = kind == "<"
    elif name == "r":
        state.hidden = False
    elif kind == "<":
        _opens(state, name, attributes)
    elif name == "p":
        text = "".join(state.text).strip()
        state.text = state.outer.pop() if state.outer else []
        if text:
            yield text


def _opens(state: _Open, name: str, attributes: dict[str, str]) -> None:
    if name == "p":
        state.outer.append(state.text)
        state.text = []
    elif name in ("vanish", "webHidden", "specVanish"):
        value = next((value for key, value in attributes.items() if _WORDML.sub("", key) == "val"), "")
        state.hidden = value not in ("0", "false", "off")
    elif name in ("tab", "ptab") and not state.properties:
        state.text.append("\t")
    elif name in ("br", "cr"):
        state.text.append("\n")
    elif name == "noBreakHyphen":
        state.text.append("-")
