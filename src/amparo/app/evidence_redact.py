"""The redacted copy of an item: suggest what goes, make it in the sandbox, read it again, and keep it only if it is clean.

Invariants: the original stays sealed and is only read; what was made becomes an item after it was read again and held nothing
that was to go, and is erased otherwise. No file is parsed in this process. Nothing that is returned or raised repeats a word
that was found: places, kinds, persons' handles, and contexts in which every found word is masked.
"""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, NamedTuple, cast

from amparo.app import evidence
from amparo.app.evidence_redact_where import PDF, Block, How, Located, Locator, limits_for
from amparo.app.session import Session
from amparo.evidence import redact
from amparo.evidence.findings import Chunk, Facts, Finding, Hints, Member, MemberEnd, Text
from amparo.evidence.redact import Box, Spot
from amparo.evidence.sandbox import FileUnreadable, NoReader, Sandbox
from amparo.kernel.i18n import _
from amparo.protect.names import SealedNames
from amparo.record.items import Item
from amparo.record.model import Identity, Name
from amparo.vault.blob_stages import Sealed

TEXTS: Final = (
    "text/plain", "text/html", "text/csv", "text/markdown", "text/tab-separated-values", "application/xhtml+xml",
    "message/rfc822", "application/mbox", "application/vnd.ms-outlook",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.template",
    "application/vnd.ms-word.document.macroEnabled.12",
    "application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text-template",
)  # fmt: skip
INCLUDED: Final = ("changes", "comments", "hidden", "headers", "notes")
_SUFFIXES: Final = {
    PDF: "pdf", "image/jpeg": "jpg", "image/png": "png", "image/tiff": "tiff", "image/webp": "webp", "text/plain": "txt",
}  # fmt: skip
_TOLD: Final = 10
_CONTEXT: Final = 40


@dataclass(slots=True, frozen=True)
class Asked:
    """What is to go. ``patterns`` of evidence.redact.PATTERNS; ``names``: sealed names and contacts (identities unlocked);
    ``accept`` "all" or numbers of the preview; ``include`` of INCLUDED stays in a text; ``dpi`` 100..400 of a PDF;
    ``recognise``: read the copy's pages by recognition before it is kept.
    """

    words: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    names: bool = False
    accept: str = "all"
    lines: bool = False
    searchable: bool = False
    annotations: bool = False
    include: tuple[str, ...] = ()
    languages: str = ""
    dpi: int = 200
    recognise: bool = True


class Found(NamedTuple):
    """One suggestion: ``number`` from 1; ``place`` "p. 3, line 12"; ``context`` with every found word masked."""

    number: int
    place: str
    kind: str
    how: str
    person: str
    context: str


@dataclass(slots=True)
class Preview:
    """What would go, and what to know before: one sentence each in ``warnings``."""

    item: str
    found: list[Found] = field(default_factory=list)
    boxes: int = 0
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Redacted:
    """The copy that was kept: how many places and boxes went, how it was checked."""

    item: Item
    places: int
    boxes: int
    recognised: bool
    warnings: list[str]


class _Finder:
    """Looks for what is to go: in the text of the original, and in what is read from the copy."""

    def __init__(self, session: Session, asked: Asked) -> None:
        self._words = redact.Words(asked.words)
        self._patterns = redact.check_patterns(asked.patterns)
        identities = list(session.identities.all()) if asked.names else []
        self._sealed = [SealedNames.from_view(identities, len(identities))] if asked.names else []
        # the words asked for count as nicknames of nobody: found in other scripts and cases too, a phrase as a whole only
        own = [Identity("", [Name(word, "nickname")]) for word in asked.words if any(map(str.isalpha, word))]
        self._own = SealedNames.from_view(own, 0)

    def find(self, text: str) -> list[Spot]:
        """Every place, in order, none overlapping another."""
        spots = [*self._words.find(text), *redact.find_patterns(text, self._patterns)]
        for one in self._own.find(text):
            spots.append(Spot(*redact.widened(text, one.start, one.end), "word", redact.WORD))
        for sealed in self._sealed:
            for one in sealed.find(text):
                spots.append(Spot(*redact.widened(text, one.start, one.end), one.kind, one.how, one.person))
        return redact.merged(spots)


def preview(session: Session, handle: str, asked: Asked) -> Preview:
    """What would be redacted. Raises NoSuchItem, NotRedactable, UnknownPattern, EmptyWord, CompartmentLocked and what
    the sandbox raises.
    """
    item, finder = _asked(session, handle, asked)
    with evidence.open_item(session, item, action="viewed", reason="redaction preview") as stream, Sandbox() as box:
        located = Locator(session, box, item, cast("BinaryIO", stream), _how(asked)).located()
    everything = finder.find(located.joined())
    warnings = _warnings(item, located, asked)
    if located.blind and _seeks(asked):
        warnings.append(str(redact.WordsNotLocated(item=item.handle, pages=_listed(located.blind))))
    return Preview(item.handle, _shown(located, located.told_once(everything), everything), len(asked.boxes), warnings)


def redacted(session: Session, handle: str, asked: Asked, *, reason: str = "", actor: str = "") -> Redacted:
    """Make the redacted copy as an item of its own, relation "redacted", with custody on both.

    Raises as ``preview``, and NothingToRedact, WordsNotLocated, NoSuchPage, BadRange, RedactionIncomplete; then nothing is
    kept.
    """
    item, finder = _asked(session, handle, asked)
    with (
        evidence.open_item(session, item, action="read", reason=reason or "redaction", actor=actor) as opened,
        Sandbox() as box,
    ):
        stream = cast("BinaryIO", opened)
        located = Locator(session, box, item, stream, _how(asked)).located()
        spots = located.told_once(finder.find(located.joined()))
        chosen = redact.numbers_from(asked.accept, len(spots)) if spots else frozenset()
        going = [spot for number, spot in enumerate(spots, 1) if number in chosen]
        staying = [spot for number, spot in enumerate(spots, 1) if number not in chosen]
        _check_pages(item, located, asked)
        if not going and not asked.boxes:
            raise redact.NothingToRedact(item=item.handle)
        made = _Making(session, box, item, stream, located, asked, going)
        sealed = made.seal()
        try:
            check = _Check(
                session, box, sealed, made, finder, {redact.key_of(located.text[one.start : one.end]) for one in staying}
            )
            wrong = check.wrong()
            if wrong:
                shown = "; ".join(dict.fromkeys(wrong[:_TOLD])) + (" …" if len(wrong) > _TOLD else "")
                raise redact.RedactionIncomplete(places=shown)
            with session.blobs().open(sealed.blob, sealed.key, sealed.size, sealed.sha256) as copy:
                kept = _kept(session, item, copy, made, reason, actor, len(going))
        finally:
            session.blobs().erase(sealed.blob)
    warnings = _warnings(item, located, asked)
    if not check.recognised and item.media_type not in TEXTS:
        warnings.append(_("The copy was not read as a picture by recognition: look at every page yourself."))
    return Redacted(kept, len(going), len(asked.boxes), check.recognised, warnings)


def _asked(session: Session, handle: str, asked: Asked) -> tuple[Item, _Finder]:
    item = evidence.get(session, handle)
    if item.media_type != PDF and not item.media_type.startswith("image/") and _plain_type(item) not in TEXTS:
        raise redact.NotRedactable(kind=item.media_type or "?")
    if item.media_type == "image/svg+xml":
        raise redact.NotRedactable(kind=item.media_type)
    return item, _Finder(session, asked)


def _how(asked: Asked) -> How:
    return How(_seeks(asked), asked.annotations, asked.include, asked.languages)


def _plain_type(item: Item) -> str:
    return item.media_type.partition(";")[0].strip()


def _kept(session: Session, item: Item, copy: Any, made: "_Making", reason: str, actor: str, places: int) -> Item:
    """The copy as an item. Its custody leaves with it, so the original is named by handle: by its hash, whoever knows the rest
    of the words could try one name after the other until the hash is right.
    """
    boxes = sum(map(len, made.painted.values()))
    detail = _("places {places}, boxes {boxes}, original {handle}").format(places=places, boxes=boxes, handle=item.handle)
    name = f"{item.handle}-redacted.{_SUFFIXES.get(made.media_type, 'bin')}"  # the original's name may be somebody's
    kept = evidence.derive(
        session,
        item,
        copy,
        name=name,
        relation="redacted",
        media_type=made.media_type,
        reason=reason,
        actor=actor,
        detail=detail,
    )
    evidence.note(session, [kept.handle], "redacted", actor=actor, reason=reason, detail=detail)
    return kept


def _check_pages(item: Item, located: Located, asked: Asked) -> None:
    boxed = {box.page for box in asked.boxes}
    for page in sorted(boxed):
        if page not in located.sizes:
            raise redact.NoSuchPage(page=page, item=item.handle, count=len(located.sizes))
    for box in asked.boxes:
        width, height = located.sizes[box.page]
        if min(box.right, width) - max(box.left, 0) <= 0 or min(box.bottom, height) - max(box.top, 0) <= 0:
            told = f"{box.left:g},{box.top:g},{box.right:g},{box.bottom:g}"
            raise redact.BoxOutside(box=told, page=box.page, item=item.handle, width=round(width), height=round(height))
    blind = [page for page in located.blind if page not in boxed]
    if blind and _seeks(asked):
        raise redact.WordsNotLocated(item=item.handle, pages=_listed(blind))


def _seeks(asked: Asked) -> bool:
    return bool(asked.words or asked.patterns or asked.names)


def _listed(pages: Iterable[int]) -> str:
    numbers = list(pages)
    return ", ".join(map(str, numbers[:20])) + (" …" if len(numbers) > 20 else "")


def _warnings(item: Item, located: Located, asked: Asked) -> list[str]:
    out = []
    if located.annotations and not asked.annotations:
        out.append(_("Comments and form fields are left out of the copy: {count}; --annotations draws them.").format(
            count=located.annotations))  # fmt: skip
    if located.left_out:
        listed = ", ".join(f"{kind} {count}" for kind, count in sorted(located.left_out.items()))
        out.append(_("Left out of the copy unless --include names them: {list}.").format(list=listed))
    if located.pictures and _seeks(asked):
        out.append(_("These pages hold pictures in which words were not looked for: {pages}; look at them.").format(
            pages=_listed(located.pictures)))  # fmt: skip
    if asked.searchable and item.media_type == PDF:
        out.append(_("The copy has a layer of words: read it with `amparo evidence text` before it leaves."))
    return out


def _kind_of(block: Block) -> tuple[int, str]:
    """What blocks have in common whose characters bear the same numbers: the orders of one page."""
    return (block.page, block.where) if block.page else (0, str(block.start))


def _context(block: Block, start: int, covered: dict[tuple[int, str], set[int]]) -> str:
    """The words around a place in its own block, everything masked that any find in any order covers."""
    low, high = max(0, start - _CONTEXT), min(len(block.text), start + 2 * _CONTEXT)
    gone = covered[_kind_of(block)]
    out: list[str] = []
    for place in range(low, high):
        if any(one in gone for one in block.places(place, place + 1)):
            out += [] if out and out[-1] == redact.MASK else [redact.MASK]
        else:
            out.append(block.text[place])
    return " ".join("".join(out).split())


def _shown(located: Located, spots: list[Spot], everything: list[Spot]) -> list[Found]:
    """``everything``: what is masked in contexts, repetitions in another order of a page included."""
    covered: dict[tuple[int, str], set[int]] = {}
    for spot in everything:
        for block, start, end in located.within(spot):
            covered.setdefault(_kind_of(block), set()).update(block.places(start, end))
    found = []
    for number, spot in enumerate(spots, 1):
        block, start, _end = next(located.within(spot))
        line = block.text.count("\n", 0, start) + 1
        place = (
            _("{where}, line {line}").format(where=block.where, line=line) if block.page and not block.words else block.where
        )
        found.append(Found(number, place, spot.kind, spot.how, spot.person, _context(block, start, covered)))
    return found


# -- the copy ---------------------------------------------------------------------------------------------------------------


class _Making:
    """Makes the copy and seals it under an address that no item has yet."""

    def __init__(
        self, session: Session, box: Sandbox, item: Item, stream: BinaryIO, located: Located, asked: Asked, going: list[Spot]
    ) -> None:
        self._session, self._box, self._item, self._stream = session, box, item, stream
        self._located, self._asked, self._going = located, asked, going
        self.painted: dict[str, list[Any]] = {}
        self.media_type = "text/plain"
        self.needles = {located.text[spot.start : spot.end] for spot in going}
        self.pages = len(located.sizes)
        self.languages, self.recognise = asked.languages, asked.recognise

    def seal(self) -> Sealed:
        """Raises what the sandbox and the disk raise; nothing is left then."""
        if not self._located.sizes:
            return self._session.blobs().seal_file(io.BytesIO(self._text().encode()))
        module = "redact_pdf" if self._item.media_type == PDF else "redact_picture"
        hints = Hints(self._item.name, self._item.media_type, self._item.size, self._options())
        limits = limits_for(self._item.size, self.pages)
        findings = self._box.read(module, self._stream, hints, limits, self._session.keep_alive)
        first = next(findings)
        assert isinstance(first, Member)
        self.media_type = first.media_type
        sealed = self._session.blobs().seal_file(_Made(findings))
        try:
            for finding in findings:
                if isinstance(finding, Facts) and finding.kind == "painted":
                    self.painted[str(finding.data["page"])] = finding.data["boxes"]
        except BaseException:
            self._session.blobs().erase(sealed.blob)
            raise
        return sealed

    def _options(self) -> dict[str, Any]:
        spans: dict[str, list[list[int]]] = {}
        boxes: dict[str, list[list[float]]] = {}
        for spot in self._going:
            for block, start, end in self._located.within(spot):
                if block.words:
                    hit = [box for low, high, box in block.words if low < end and high > start]
                    boxes.setdefault(str(block.page), []).extend(hit)
                else:
                    spans.setdefault(str(block.page), []).extend(_runs(block.places(start, end)))
        for box in self._asked.boxes:
            width, height = self._located.sizes[box.page]
            place = [box.left / width, box.top / height, box.right / width, box.bottom / height]
            boxes.setdefault(str(box.page), []).append(place)
        return {
            "act": "make", "spans": spans, "boxes": boxes, "dpi": self._asked.dpi, "lines": self._asked.lines,
            "searchable": self._asked.searchable, "annotations": self._asked.annotations,
        }  # fmt: skip

    def _text(self) -> str:
        lines = []
        for block in self._located.blocks:
            spots = [
                Spot(low, high, "", "") for spot in self._going for one, low, high in self._located.within(spot) if one is block
            ]
            lines.append(f"[{block.where}]\n{redact.replaced(block.text, spots)}\n")
        return "\n".join(lines)


def _runs(places: list[int]) -> list[list[int]]:
    """Numbers as [first, after the last] of what follows one upon another."""
    runs: list[list[int]] = []
    for place in places:
        if runs and runs[-1][1] == place:
            runs[-1][1] += 1
        else:
            runs.append([place, place + 1])
    return runs


class _Made:
    """The bytes of the copy as they come out of the sandbox."""

    def __init__(self, findings: Iterator[Finding]) -> None:
        self._findings, self._held, self._ended = findings, memoryview(b""), False

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill the beginning of ``buffer``; 0 at the end of the copy."""
        while not len(self._held) and not self._ended:
            finding = next(self._findings)
            if isinstance(finding, Chunk):
                self._held = memoryview(finding.data)
            else:
                assert isinstance(finding, MemberEnd)
                self._ended = True
        got = min(len(buffer), len(self._held))
        buffer[:got] = self._held[:got]
        self._held = self._held[got:]
        return got


class _Check:
    """Reads the copy again as an opponent would: its text, its streams, its bytes, its pixels, its letters by recognition."""

    def __init__(
        self, session: Session, box: Sandbox, sealed: Sealed, made: _Making, finder: _Finder, staying: set[str]
    ) -> None:
        self._session, self._box, self._sealed, self._made = session, box, sealed, made
        self._finder, self._staying = finder, staying
        self.recognised = False

    def wrong(self) -> list[str]:
        """A place for each thing that should not be there, without repeating it."""
        found = []
        media_type = self._made.media_type
        if media_type == PDF:
            found += self._read("redact_pdf", {"act": "check", "boxes": self._made.painted})
        elif media_type.startswith("image/"):
            found += self._read("redact_picture", {"act": "check", "boxes": self._made.painted})
        else:
            found += self._read("plain", {})
        needles = [needle for needle in self._made.needles if redact.key_of(needle) not in self._staying]
        with self._open() as stream:
            if (at := redact.find_bytes(stream, redact.byte_forms(needles))) is not None:
                found.append(_("byte {offset}").format(offset=at))
        if self._made.pages and self._made.recognise and not found:
            found += self._look()
        return found

    def _look(self) -> list[str]:
        """What recognition still reads on the copy's pages."""
        options: dict[str, Any] = {"pages": list(range(1, self._made.pages + 1))}
        if self._made.languages:
            options["languages"] = self._made.languages
        try:
            found = self._read("ocr", options)
        except (NoReader, FileUnreadable):
            return []
        self.recognised = True
        return [_("{place} (recognised in the picture)").format(place=place) for place in found]

    def _open(self) -> BinaryIO:
        sealed = self._sealed
        return cast("BinaryIO", self._session.blobs().open(sealed.blob, sealed.key, sealed.size, sealed.sha256))

    def _read(self, module: str, options: dict[str, Any]) -> list[str]:
        wrong: list[str] = []
        texts: dict[str, list[str]] = {}
        limits = limits_for(self._sealed.size, self._made.pages)
        with self._open() as stream:
            hints = Hints("redacted", self._made.media_type, self._sealed.size, options)
            for finding in self._box.read(module, stream, hints, limits, self._session.keep_alive):
                if isinstance(finding, Text):
                    place = finding.locator.partition(", ¶")[0] or finding.locator
                    texts.setdefault(place, []).append(finding.text)
                elif isinstance(finding, Facts) and finding.kind == "check":
                    wrong += [str(sentence)[:200] for sentence in finding.data.get("wrong", [])]
        whole = "\n\n".join("\n".join(parts) for parts in texts.values())
        starts, at = [], 0
        for place, parts in texts.items():
            starts.append((at, place))
            at += sum(len(part) + 1 for part in parts) + 1
        for spot in self._finder.find(whole):
            if redact.key_of(whole[spot.start : spot.end]) not in self._staying:
                wrong.append(next(place for start, place in reversed(starts) if start <= spot.start))
        return wrong
