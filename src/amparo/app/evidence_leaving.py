"""The gate for digital items that leave: consents of their sources, sealed names in whatever of them can be read.

Invariants: fails closed. What of an item nobody can search (pictures, sound, film, packed files) is a finding of its own that
blocks until a person says why it may go; withdrawn consent cannot be overridden. What lies in an item (attachments, members of
an archive) leaves with it and is judged with it. No Report holds a sealed name.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Final

from amparo.app import evidence as room
from amparo.app.release import Refused, consents_of, published_officials
from amparo.app.session import Session, check_stop
from amparo.kernel.i18n import N_
from amparo.protect import extract
from amparo.protect.gate import BLOCKS, OVERRIDDEN, UNREADABLE, Item, Override, Release, Report, check
from amparo.protect.names import SealedNames
from amparo.record.items import Item as Digital

_READ_WHOLE: Final = 64 << 20
_BATCH: Final = 1 << 20
_PIECE: Final = 1 << 15
_BORDER: Final = 200
_AS_TEXT: Final = (extract.JSON, "application/x-subrip", "application/jsonl", "application/xml", "application/yaml")
_TAG: Final = re.compile(r"<[^<>]*>")
_WITHIN: Final = ("member", "attachment")
_NO_PART: Final = ("redacted", "proof", "copy")  # of which less leaves, or nothing, with the one they belong to
_NOT_WORDS: Final = ("image", "audio", "video")
_UNSEEN: Final = {
    "image": N_("pictures, which the gate cannot search: look at faces, signs and papers in each"),
    "audio": N_("sound recordings, which the gate cannot search: listen for names and voices in each"),
    "video": N_("films, which the gate cannot search: look and listen for faces, names and voices in each"),
    "place": N_("files that hold the place where they were made (GPS), by which whoever lives or hid there can be found; let a "
                "redacted copy leave instead"),
    "": N_("files whose content was not read: read them with `amparo evidence read`, or look through each"),
}


@dataclass(slots=True, frozen=True)
class Paper:
    """A file that Amparo makes for this export: its name, the type by which the gate reads it, and its bytes in pieces.

    ``alone``: the same in pieces each of which can be read alone (a table's lines with their header, a graph's nodes). Both are
    made anew each time they are asked for: all of it may be large.
    """

    name: str
    media_type: str
    pieces: Callable[[], Iterable[bytes]]
    alone: Callable[[], Iterable[bytes]]


def judge(
    session: Session, release: Release, items: Iterable[Digital], papers: Iterable[Paper], words: Iterable[tuple[str, str]],
    overrides: tuple[Override, ...], on: date | None = None,
) -> Report:  # fmt: skip
    """The gate's report on items whose files leave, papers about them, and words (where, text) in them or in names.

    Needs the identities open. Raises Refused where anything blocks, NotARelease, OverrideWithoutReason, Unreadable,
    GateCannotSee.
    """
    judged = _Judged(session, release, overrides, on or datetime.now(UTC).date())
    for paper in papers:
        for data in paper.alone():
            check_stop()
            judged.add(data, paper.media_type)
    unseen: dict[str, list[str]] = {}
    texts = judged.batches()
    for where, text in words:
        texts.put("export", where, text)
    judged_already: set[str] = set()
    for item in items:
        for one in _with_inner(session, item):
            session.keep_alive()
            if one.handle in judged_already:
                continue
            judged_already.add(one.handle)
            if not _search(session, one, texts, inner=one is not item):
                unseen.setdefault(_kind(one.media_type), []).append(one.handle)
            if (one is item or one.relation in _WITHIN) and _tells_place(session, one):
                unseen.setdefault("place", []).append(one.handle)
    texts.flush()
    for kind, handles in sorted(unseen.items()):
        judged.unseen(kind, handles)
    report = judged.report()
    if not report.passed:
        blocking = sum(one.status == BLOCKS for one in report.items)
        raise Refused(count=blocking, report=report.plain(), gate=report.as_json())
    return report


def log_rows(session: Session, what: str, about: str, purpose: str, report: Report, when: int) -> list[list[object]]:
    """Rows of access@1 for one leaving: what left, and each override with its reason."""
    device = session.ring.device.hex()[:8]
    rows: list[list[object]] = [[device, what, about, purpose, when]]
    return rows + [[device, f"override {one.id}", one.subject, one.reason, when] for one in report.overridden]


class _Judged:
    """Collects what several checks of one release find, each matter once."""

    def __init__(self, session: Session, release: Release, overrides: tuple[Override, ...], on: date) -> None:
        identities = list(session.identities.all())
        self._sealed = SealedNames.from_view(identities, len(identities))
        self._consents = consents_of(session)
        self._published = list(published_officials(session))
        self._release, self._overrides, self._on = release, overrides, on
        self._items: dict[str, Item] = {}
        self._bases: tuple[tuple[str, str], ...] = ()
        self._hash = hashlib.sha256()

    def add(self, data: bytes, media_type: str) -> None:
        """Check one file."""
        report = check(
            self._release, [], data, media_type, self._sealed, self._consents, self._on, self._overrides,
            published=self._published,
        )  # fmt: skip
        self._hash.update(data)
        self._bases = report.bases
        for item in report.items:
            known = self._items.get(item.id)
            places = tuple(dict.fromkeys((*known.places, *item.places))) if known else item.places
            self._items[item.id] = replace(item, places=places)

    def batches(self) -> "_Texts":
        return _Texts(self)

    def unseen(self, kind: str, handles: list[str]) -> None:
        """A finding over items nobody can search; an override of it holds for just these items."""
        name = hashlib.sha256("\x1f".join((UNREADABLE, kind, *handles)).encode()).hexdigest()[:12]
        reasons = {one.finding: one.reason.strip() for one in self._overrides}
        status = OVERRIDDEN if reasons.get(name) else BLOCKS
        self._items[name] = Item(
            name, UNREADABLE, status, _UNSEEN.get(kind, _UNSEEN[""]), places=tuple(handles), reason=reasons.get(name, "")
        )

    def report(self) -> Report:
        if not self._bases:  # nothing but files that cannot be searched: the consents are judged all the same
            self.add(b"{}", extract.JSON)
        used = {one.id for one in self._items.values() if one.status == OVERRIDDEN}
        unused = tuple(one.finding for one in self._overrides if one.finding not in used)
        items = tuple(self._items.values())
        return Report(self._release, self._on, items, self._bases, self._hash.hexdigest(), unused)


class _Texts:
    """Texts of items, checked in batches of a megabyte; places read “$.D-0001.p. 3”."""

    def __init__(self, judged: _Judged) -> None:
        self._judged = judged
        self._held: dict[str, list[dict[str, str]]] = {}
        self._size, self._last = 0, ("", "")

    def put(self, handle: str, where: str, text: str) -> None:
        """Add a text; what stands at a cut, or where one batch ends, is looked at with what follows it."""
        for at in range(0, len(text), _PIECE):
            piece = text[at : at + _PIECE + _BORDER]
            if not self._held and self._last[0] == handle:
                self._held[handle] = [{where[:40] or "?": self._last[1]}]
            self._held.setdefault(handle, []).append({where[:40] or "?": piece})
            self._size += len(piece)
            self._last = handle, piece[-_BORDER:]
            if self._size > _BATCH:
                self.flush()

    def flush(self) -> None:
        if self._held:
            self._judged.add(json.dumps(self._held, ensure_ascii=False).encode(), extract.JSON)
        self._held, self._size = {}, 0


def _with_inner(session: Session, item: Digital) -> Iterator[Digital]:
    """The item, what lies in it at any depth, and what was made of it that tells what it says (a transcript, a still)."""
    waiting, known = [item], {item.handle}
    while waiting:
        one = waiting.pop(0)
        yield one
        inner = [child for child in session.testimony.children(one.handle) if child.relation not in _NO_PART]
        waiting += [child for child in inner if child.handle not in known]
        known.update(child.handle for child in inner)


def _tells_place(session: Session, item: Digital) -> bool:
    """True if a reader found where it was made in it: by a camera's receiver, which no box or face tells."""
    facts = session.testimony.facts(item.handle)
    return any(fact.kind == "location" or (fact.kind == "metadata" and "place" in json.loads(fact.data)) for fact in facts)


def _search(session: Session, item: Digital, texts: "_Texts", *, inner: bool) -> bool:
    """Search one item; True if nothing of it stayed unseen. Of what lies in another one the name leaves too."""
    for where, text in _texts(session, item):
        texts.put(item.handle, where, text)
    if inner and item.relation in _WITHIN:
        texts.put(item.handle, "name", f"{item.path}\n{item.name}")
    if inner and item.relation not in _WITHIN:
        return True  # it does not leave itself; what it was made of is judged
    return _search_content(session, item, texts)


def _texts(session: Session, item: Digital) -> Iterator[tuple[str, str]]:
    """What readers found in an item: its text, and what stands in its metadata, which leaves inside the file."""
    for fact in session.testimony.facts(item.handle):
        if fact.kind != "read":
            yield fact.kind, fact.data
    for piece in session.testimony.texts(item.handle):
        yield piece.locator, piece.text


def _search_content(session: Session, item: Digital, texts: _Texts) -> bool:
    """Search the file itself where it is plain text; True if nothing of it stayed unseen.

    No hostile file is parsed in here: of a document the text that a reader found in the sandbox is searched. That is not enough
    for a picture, a sound recording or a film.
    """
    if not _is_text(item.media_type) or item.size > _READ_WHOLE:
        return _kind(item.media_type) == "" and bool(session.testimony.texts(item.handle))
    with room.read_quietly(session, item) as stream:
        data = stream.read()
    whole = True
    try:
        for piece in extract.extract(data, extract.PLAIN):
            whole &= piece.kind != extract.UNREAD
            texts.put(item.handle, piece.where, "" if piece.kind == extract.UNREAD else piece.text)
            if "<" in piece.text:  # a name may be cut by tags, or stand in two of them
                texts.put(item.handle, piece.where, _TAG.sub("", piece.text))
                texts.put(item.handle, piece.where, _TAG.sub(" ", piece.text))
    except extract.Unreadable:
        return False
    return whole


def _is_text(media_type: str) -> bool:
    plain = media_type.partition(";")[0].strip().lower()
    return plain.startswith("text/") or plain in _AS_TEXT


def _kind(media_type: str) -> str:
    main = media_type.partition("/")[0].lower()
    return main if main in _NOT_WORDS else ""
