"""Reads a DOCX: paragraphs, headers, notes and comments; tracked changes and hidden text marked as such; what is embedded.

Invariant: deleted and inserted words both come out, each marked with who changed them; links and templates outside are listed
and never fetched; macros are named and never run.

Sources: ISO/IEC 29500-1 (17.3 paragraphs, 17.11 notes, 17.13.4 comments, 17.13.5 revisions), 29500-2 (packages).
"""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from amparo.evidence.findings import Data, Facts, Finding, Hints, Text, Unreadable, Warn
from amparo.evidence.readers import package
from amparo.kernel.i18n import _

MEDIA_TYPES = (
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.template",
    "application/vnd.ms-word.document.macroEnabled.12",
)
NAME = "docx/1"
_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main "
_STRICT = "http://purl.oclc.org/ooxml/wordprocessingml/main "
_FALLBACK = "http://schemas.openxmlformats.org/markup-compatibility/2006 Fallback"
_NOTES = {"footnote": "footnote", "endnote": "endnote", "comment": "comment"}
_PARTS = (
    ("word/document.xml", ""), ("word/footnotes.xml", ""), ("word/endnotes.xml", ""), ("word/comments.xml", ""),
)  # fmt: skip
_HEADERS = re.compile(r"word/(header|footer)(\d{1,5})\.xml")
_MOST_CHANGES = 2000


@dataclass
class _State:
    """What is open while a part streams by."""

    paragraphs: package.Paragraphs
    text: list[str] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    skipped: int = 0
    taken: bool = False
    properties: bool = False
    hidden: bool = False
    outer: list[list[str]] = field(default_factory=list)  # paragraphs around a text box's own


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:  # noqa: ARG001 - the contract of all readers
    """Yield Facts ("metadata", "changes", "links"), Text for each paragraph, embedded files as members. Raises Unreadable."""
    archive = package.opened(stream)
    if "word/document.xml" not in archive.NameToInfo:
        raise Unreadable(_("There is no document in this file; it is damaged or no DOCX."))
    changes: list[Data] = []
    yield Facts("metadata", _metadata(archive))
    headers = sorted(name for name in archive.namelist() if _HEADERS.fullmatch(name))
    for part, where in (*_PARTS, *((name, _header(name)) for name in headers)):
        try:
            yield from _part(archive, part, where, changes)
        except Unreadable as error:
            if part == "word/document.xml":
                raise
            yield Warn(str(error))
    if changes:
        yield Facts("changes", {"changes": changes[:_MOST_CHANGES], "count": len(changes)})
    if links := _links(archive):
        yield Facts("links", {"links": [*links]})
    yield from package.members(archive, ("word/media/", "word/embeddings/", "word/vbaProject", "word/activeX/"))


def _header(name: str) -> str:
    match = _HEADERS.fullmatch(name)
    assert match
    return f"{match[1]} {match[2]}"


def _part(archive: zipfile.ZipFile, part: str, where: str, changes: list[Data]) -> Iterator[Finding]:
    state = _State(package.Paragraphs(where))
    for kind, full, attributes in package.nodes(archive, part):
        if kind == "":
            if state.taken and not state.skipped:
                state.text.append(full)
            continue
        if full == _FALLBACK:  # says the same as the choice before it, in an older way
            state.skipped += 1 if kind == "<" else -1
            continue
        name = full.removeprefix(_W).removeprefix(_STRICT)
        if state.skipped:
            continue
        if kind == "<":
            _opens(state, name, attributes, changes)
            continue
        if name == "p":
            text = "".join(state.text).strip()
            state.text = state.outer.pop() if state.outer else []
            if text:
                yield Text(state.paragraphs.place(), text)
        else:
            _closes(state, name)


def _value(attributes: dict[str, str], name: str) -> str:
    return attributes.get(_W + name) or attributes.get(_STRICT + name) or ""


def _opens(state: _State, name: str, attributes: dict[str, str], changes: list[Data]) -> None:
    if name == "p":
        state.outer.append(state.text)
        state.text = []
    elif name in ("t", "delText"):
        state.taken = True
        if state.hidden:
            state.text.append(_("[hidden: "))
    elif name in ("tab", "ptab"):
        state.text.append("\t" if not state.properties else "")
    elif name in ("br", "cr"):
        state.text.append("\n")
    elif name == "noBreakHyphen":
        state.text.append("-")
    elif name in ("pPr", "rPr"):
        state.properties = True
        state.hidden = False
    elif name == "vanish":
        state.hidden = _value(attributes, "val") not in ("0", "false", "off")
    elif name in ("ins", "del", "moveFrom", "moveTo") and not state.properties:
        who, when = _value(attributes, "author")[:200], _value(attributes, "date")[:40]
        if len(changes) < _MOST_CHANGES * 2:
            changes.append({"kind": name, "author": who, "date": when, "paragraph": state.paragraphs.count + 1})
        word = _("inserted") if name in ("ins", "moveTo") else _("deleted")
        state.text.append(f"[{word}{' ' + who if who else ''}: ")
    elif name in _NOTES:
        number = _value(attributes, "id")[:20]
        who = _value(attributes, "author")[:200]
        state.paragraphs = package.Paragraphs(f"{name} {number}" + (f" ({who})" if who else ""))
    elif name in ("footnoteReference", "endnoteReference", "commentReference"):
        state.text.append(f"[{name.removesuffix('Reference')} {_value(attributes, 'id')[:20]}]")


def _closes(state: _State, name: str) -> None:
    if name in ("t", "delText"):
        state.taken = False
        if state.hidden:
            state.text.append("]")
    elif name in ("pPr", "rPr"):
        state.properties = False
    elif name == "r":
        state.hidden = False
    elif name in ("ins", "del", "moveFrom", "moveTo") and not state.properties:
        state.text.append("]")


# -- facts ------------------------------------------------------------------------------------------------------------------


def _metadata(archive: zipfile.ZipFile) -> Data:
    data: Data = {"format": "DOCX"}
    for part in ("docProps/core.xml", "docProps/app.xml"):
        try:
            data |= _properties(archive, part)
        except Unreadable as error:
            data[part] = str(error)
    data["macros"] = any(name.lower().endswith("vbaproject.bin") for name in archive.namelist())
    data["embedded"] = sum(1 for name in archive.namelist() if name.startswith(("word/media/", "word/embeddings/")))
    return data


def _properties(archive: zipfile.ZipFile, part: str) -> Data:
    """The leaves of a part of properties: creator, lastModifiedBy, created, modified, revision, Application, TotalTime, ..."""
    data: Data = {}
    open_leaf, words = "", ""
    for kind, name, _attributes in package.nodes(archive, part):
        if kind == "<":
            open_leaf, words = name.rpartition(" ")[2], ""
        elif kind == "":
            words += name if len(words) < 10_000 else ""
        else:
            if open_leaf and words.strip() and len(data) < 200:
                data[open_leaf] = words.strip()
            open_leaf, words = "", ""
    return data


def _links(archive: zipfile.ZipFile) -> list[Data]:
    """Everything outside that the document points to: hyperlinks, remote pictures, and templates, which Word would load."""
    found: list[Data] = []
    for part in archive.namelist():
        if not part.endswith(".rels"):
            continue
        try:
            for kind, _name, attributes in package.nodes(archive, part):
                if kind == "<" and attributes.get("TargetMode") == "External" and len(found) < 5000:
                    told = attributes.get("Type", "").rpartition("/")[2]
                    found.append({"kind": told[:60], "target": attributes.get("Target", "")[:2000]})
        except Unreadable as error:
            found.append({"kind": "unreadable", "target": str(error)})
    return found
