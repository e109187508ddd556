"""Reads an ODT (or its sister formats): paragraphs, notes, comments, headers; tracked changes marked as such; what is embedded.

Invariant: deleted words come out, marked with who deleted them; links are listed, never fetched; macros are named, never run.

Sources: ISO/IEC 26300-1 (5 text, 5.5 change tracking, 6.3 notes, 14 annotations), 26300-3 (packages, encryption).
"""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from amparo.evidence.findings import Data, Facts, Finding, Hints, Text, Unreadable, Warn
from amparo.evidence.readers import package
from amparo.kernel.i18n import _

MEDIA_TYPES = (
    "application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text-template",
    "application/vnd.oasis.opendocument.spreadsheet", "application/vnd.oasis.opendocument.presentation",
)  # fmt: skip
NAME = "odt/1"
_SPACE = "urn:oasis:names:tc:opendocument:xmlns:"
_TEXT, _OFFICE, _META = _SPACE + "text:1.0 ", _SPACE + "office:1.0 ", _SPACE + "meta:1.0 "
_LINK = "http://www.w3.org/1999/xlink href"
_DUBLIN = "http://purl.org/dc/elements/1.1/ "
_MOST_LINKS = 5000
_MOST_SPACES = 1000


@dataclass
class _State:
    """What is open while a part streams by: paragraphs within paragraphs (notes), and regions that are not plain text."""

    where: str = ""
    counts: dict[str, package.Paragraphs] = field(default_factory=dict)
    regions: list[tuple[str, str]] = field(default_factory=list)  # element, place
    text: list[list[str]] = field(default_factory=list)
    notes: int = 0
    leaf: str = ""
    who: str = ""
    links: list[str] = field(default_factory=list)

    def place(self) -> str:
        where = self.regions[-1][1] if self.regions else self.where
        return self.counts.setdefault(where, package.Paragraphs(where)).place()


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:  # noqa: ARG001 - the contract of all readers
    """Yield Facts ("metadata", "links"), Text for each paragraph, embedded files as members. Raises Unreadable."""
    archive = package.opened(stream)
    if "content.xml" not in archive.NameToInfo:
        raise Unreadable(_("There is no document in this file; it is damaged or no OpenDocument file."))
    if _encrypted(archive):
        raise Unreadable(_("This document is encrypted with a password that is not known here."))
    yield Facts("metadata", _metadata(archive))
    links: list[str] = []
    for part, where in (("content.xml", ""), ("styles.xml", "page style")):
        state = _State(where, links=links)
        try:
            yield from _part(archive, part, state)
        except Unreadable as error:
            if part == "content.xml":
                raise
            yield Warn(str(error))
    if links:
        yield Facts("links", {"links": [*links[:_MOST_LINKS]], "count": len(links)})
    yield from package.members(archive, ("Pictures/", "Object", "media/", "Media/", "Basic/", "Scripts/"))


def _part(archive: zipfile.ZipFile, part: str, state: _State) -> Iterator[Finding]:
    for kind, name, attributes in package.nodes(archive, part):
        if kind == "":
            if state.leaf:
                state.who += name[:200]
            elif state.text:
                state.text[-1].append(name)
        elif kind == "<":
            _opens(state, name, attributes)
        elif name in (_TEXT + "p", _TEXT + "h"):
            text = "".join(state.text.pop()).strip() if state.text else ""
            if text:
                yield Text(state.place(), text)
        else:
            _closes(state, name)


def _opens(state: _State, name: str, attributes: dict[str, str]) -> None:
    if (target := attributes.get(_LINK, "")) and ":" in target[:12] and len(state.links) < _MOST_LINKS * 2:
        state.links.append(target[:2000])
    if name in (_TEXT + "p", _TEXT + "h"):
        state.text.append([])
    elif name in (_DUBLIN + "creator", _DUBLIN + "date", _META + "date-string", _META + "creator-initials"):
        state.leaf = name
    elif name == _TEXT + "note":
        state.notes += 1
        kind = attributes.get(_TEXT + "note-class", "footnote")[:20]
        state.regions.append((name, f"{kind} {state.notes}"))
        _say(state, f"[{kind} {state.notes}]")
    elif name == _OFFICE + "annotation":
        state.notes += 1
        state.who = ""
        state.regions.append((name, f"comment {state.notes}"))
        _say(state, f"[comment {state.notes}]")
    elif name == _TEXT + "deletion":
        state.who = ""
        state.regions.append((name, "deleted text"))
    elif name == _TEXT + "s":
        count = attributes.get(_TEXT + "c", "1")
        _say(state, " " * min(int(count), _MOST_SPACES) if count.isascii() and count.isdigit() and len(count) < 6 else " ")
    elif name == _TEXT + "tab":
        _say(state, "\t")
    elif name == _TEXT + "line-break":
        _say(state, "\n")
    elif name == _TEXT + "change-start":
        _say(state, _("[inserted: "))
    elif name == _TEXT + "change-end":
        _say(state, "]")
    elif name == _TEXT + "change":
        _say(state, _("[here text was deleted]"))


def _say(state: _State, words: str) -> None:
    if state.text:
        state.text[-1].append(words)


def _closes(state: _State, name: str) -> None:
    if name == state.leaf:
        state.leaf = ""
        if state.regions and state.who and name == _DUBLIN + "creator":
            element, where = state.regions[-1]
            state.regions[-1] = (element, f"{where.partition(' (')[0]} ({state.who[:200]})")
        state.who = ""
    elif state.regions and name == state.regions[-1][0]:
        state.regions.pop()


def _encrypted(archive: zipfile.ZipFile) -> bool:
    return any(
        kind == "<" and name.endswith(" encryption-data")
        for kind, name, _attributes in package.nodes(archive, "META-INF/manifest.xml")
    )


def _metadata(archive: zipfile.ZipFile) -> Data:
    data: Data = {"format": "OpenDocument"}
    leaf, words = "", ""
    try:
        for kind, name, attributes in package.nodes(archive, "meta.xml"):
            if kind == "<":
                leaf, words = name.rpartition(" ")[2], ""
                if leaf == "document-statistic":
                    data["statistic"] = {key.rpartition(" ")[2]: value[:100] for key, value in attributes.items()}
            elif kind == "":
                words += name if len(words) < 10_000 else ""
            else:
                if leaf and words.strip() and len(data) < 200:
                    data[leaf] = words.strip()
                leaf, words = "", ""
    except Unreadable as error:
        data["meta.xml"] = str(error)
    data["macros"] = any(name.startswith(("Basic/", "Scripts/")) for name in archive.namelist())
    return data
