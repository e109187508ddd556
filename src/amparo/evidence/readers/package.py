"""Opens documents that are zip archives of XML (DOCX, ODT) with their cost bounded and their XML without entities.

Invariant: a part is unpacked while it is read and never past a cap; XML with a document type or an entity is refused: nothing
can grow out of itself or fetch anything; no path inside the archive is ever used as a path.

Sources: APPNOTE 6.3 (zip); ISO/IEC 29500-2 §8.1.4 (no document types); XML 1.0 §4.
"""

import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO
from xml.parsers import expat

from amparo.evidence.findings import Chunk, Finding, Member, MemberEnd, Unreadable
from amparo.kernel.i18n import _

MOST_PARTS = 20_000
LARGEST_XML = 512 << 20
LARGEST_MEMBER = 2 << 30
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)
_PIECE = 1 << 16
_DEEPEST = 256

Node = tuple[str, str, dict[str, str]]
"""("<", name, attributes), (">", name, {}) or ("", text, {}); names as “namespace name”."""


def opened(stream: BinaryIO) -> zipfile.ZipFile:
    """The archive. Raises Unreadable."""
    try:
        archive = zipfile.ZipFile(stream)
    except DAMAGED as error:
        raise Unreadable(_("This document is no whole zip archive ({why}).").format(why=str(error)[:100])) from None
    if len(archive.infolist()) > MOST_PARTS:
        raise Unreadable(_("This document has {n} parts, more than any real one.").format(n=len(archive.infolist())))
    return archive


def nodes(archive: zipfile.ZipFile, part: str) -> Iterator[Node]:
    """The XML of a part as it streams by; nothing where there is no such part. Raises Unreadable."""
    if part not in archive.NameToInfo:
        return
    try:
        with archive.open(part) as source:
            yield from events(_pieces(source, part))
    except DAMAGED as error:
        raise Unreadable(_("Its part {part} is damaged ({why}).").format(part=part[:100], why=str(error)[:100])) from None


def _pieces(source: object, part: str) -> Iterator[bytes]:
    done = 0
    while piece := source.read(_PIECE):  # type: ignore[attr-defined]
        done += len(piece)
        if done > LARGEST_XML:
            raise Unreadable(_("Its part {part} unpacks to more than {n} bytes.").format(part=part[:100], n=LARGEST_XML))
        yield piece


def events(pieces: Iterator[bytes]) -> Iterator[Node]:
    """Parse XML piece by piece. Raises Unreadable for XML that is broken, nested too deeply or has a document type."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    held: list[Node] = []
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise Unreadable(_("Its XML is nested more than {n} deep.").format(n=_DEEPEST))
        held.append(("<", name, attributes))

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        held.append((">", name, {}))

    def refuse(*_told: object) -> int:
        raise Unreadable(_("Its XML declares a document type or entities, which no such document does; it may be an attack."))

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = lambda text: held.append(("", text, {}))
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = parser.ExternalEntityRefHandler = refuse
    try:
        for piece in pieces:
            parser.Parse(piece, False)
            yield from held
            held.clear()
        parser.Parse(b"", True)
        yield from held
    except expat.ExpatError as error:
        raise Unreadable(_("Its XML is broken at line {line}.").format(line=error.lineno)) from None
    except (ValueError, LookupError):
        raise Unreadable(_("Its XML names an encoding that is none.")) from None


def members(archive: zipfile.ZipFile, folders: tuple[str, ...]) -> Iterator[Finding]:
    """The files in some folders of the archive as members: pictures, sound, embedded documents, macros."""
    for info in archive.infolist():
        if info.filename.endswith("/") or not info.filename.startswith(folders):
            continue
        yield Member(info.filename.rpartition("/")[2] or info.filename, info.filename[:4096], "attachment")
        done, problem = 0, ""
        try:
            with archive.open(info) as source:
                while piece := source.read(1 << 20):
                    done += len(piece)
                    if done > LARGEST_MEMBER:
                        problem = _("cut off after {n} bytes").format(n=LARGEST_MEMBER)
                        break
                    yield Chunk(piece)
        except DAMAGED as error:
            problem = _("damaged: {why}").format(why=str(error)[:100])
        yield MemberEnd(problem)


class Paragraphs:
    """Numbers the paragraphs of one stretch of a document and says their places: "¶ 3", "footnote 2, ¶ 1"."""

    def __init__(self, where: str = "") -> None:
        self._where, self.count = where, 0

    def place(self) -> str:
        self.count += 1
        return f"{self._where}, ¶ {self.count}" if self._where else f"¶ {self.count}"
