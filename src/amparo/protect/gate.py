"""The one door out: checks a release's texts, its finished file and its consents, and says in a Report whether it may leave.

Invariants: any finding that is neither permitted by a person's own consent nor overridden with a reason blocks; what cannot be
seen or read blocks; the check runs only over SealedNames, which refuse a locked compartment; no Report holds a sealed name.
Withdrawn consent cannot be overridden.
"""

import getpass
import hashlib
import re
import socket
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cache
from itertools import chain
from typing import Any

from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _
from amparo.kernel.text import words
from amparo.protect.consents import CONSENT, PUBLISHED, WITHDRAWN, Consents
from amparo.protect.extract import METADATA, TEXT, UNREAD, Piece, decoded, extract
from amparo.protect.names import ALIAS, MASK, NAME, Finding, SealedNames
from amparo.protect.spelling import inflections, readings
from amparo.record.model import AUDIENCES, PURPOSES

BLOCKS, OVERRIDDEN, PERMITTED = "blocks", "overridden", "permitted"
MACHINE, SOURCE, UNREADABLE = "machine", "source", "unread"
_PATH = re.compile(
    r"(?:[A-Za-z]:\\|\\\\)[^\s\\/:*?\"<>|]+\\[^\s\"<>|]*"
    r"|(?<![\w.:/])/(?:home|Users|root|tmp|var|mnt|media|srv|opt|private|etc|usr)/[^\s\"<>|]*"
    r"|file:/+[^\s\"<>|]+|(?<![\w/])~/[^\s\"<>|]+"
)
_GENERIC_LOGINS = frozenset("root user admin administrator localhost ubuntu debian home nobody guest".split())
_BORDER = 80


class NotARelease(BadInput):
    template = N_("“{value}” is not a {field} Amparo knows; use one of: {known}.")


class OverrideWithoutReason(BadInput):
    template = N_("The override of finding {finding} gives no reason; say why it may go out.")


@dataclass(frozen=True, slots=True)
class Release:
    """What is to go out: ``kind`` (dossier ...), one of PURPOSES and of AUDIENCES, handles of its sources and persons."""

    kind: str
    purpose: str
    audience: str
    sources: frozenset[str] = frozenset()
    persons: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Override:
    """A human decision that the finding with this id may go out, and why."""

    finding: str
    reason: str


@dataclass(frozen=True, slots=True)
class Item:
    """One matter of a report, wherever it occurs: ``id`` stays the same in the next check of the same words.

    ``kind`` name, contact, unread, machine or source; ``status`` blocks, overridden or permitted; ``how`` in words;
    ``subject`` a handle or ""; ``places`` where; ``context`` masked words around the first; ``final``: not to be overridden.
    """

    id: str
    kind: str
    status: str
    how: str
    subject: str = ""
    places: tuple[str, ...] = ()
    context: str = ""
    reason: str = ""
    final: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The gate's answer. ``bases``: (source, basis) of every source used; ``unused``: overrides that met no finding."""

    release: Release
    on: date
    items: tuple[Item, ...]
    bases: tuple[tuple[str, str], ...]
    sha256: str
    unused: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """True if nothing blocks."""
        return not any(item.status == BLOCKS for item in self.items)

    @property
    def overridden(self) -> tuple[Item, ...]:
        """What the manifest must print and the ledger must hold."""
        return tuple(item for item in self.items if item.status == OVERRIDDEN)

    def as_json(self) -> dict[str, Any]:
        """Plain values only; no sealed name in any of them."""
        release = asdict(self.release) | {"sources": sorted(self.release.sources), "persons": sorted(self.release.persons)}
        return {
            "passed": self.passed,
            "release": release,
            "on": self.on.isoformat(),
            "sha256": self.sha256,
            "items": [asdict(item) | {"places": list(item.places)} for item in self.items],
            "bases": dict(self.bases),
            "unused_overrides": list(self.unused),
        }

    def plain(self) -> str:
        """The report in sentences, one to a line, in the user's language."""
        lines = [_("The gate lets it pass.") if self.passed else _("The gate refuses: nothing has left.")]
        for item in sorted(self.items, key=lambda item: (item.status != BLOCKS, item.status)):
            places = "; ".join(item.places[:3]) + (_(" and {n} more").format(n=len(item.places) - 3) if item.places[3:] else "")
            context = f"“{item.context}”" if item.context else ""
            parts = [f"[{item.id}] {_(item.status)}: {_(item.how)}", item.subject, places, context]
            lines.append(" – ".join(part for part in parts if part) + (f" ({_(item.reason)})" if item.reason else ""))
        published = sum(basis == PUBLISHED for _source, basis in self.bases)
        lines.append(_("{n} of {all} sources are published ones and need no consent.").format(n=published, all=len(self.bases)))
        lines += [_("The override {id} met no finding.").format(id=each) for each in self.unused]
        return "\n".join(lines)


def check(
    release: Release,
    before: Iterable[tuple[str, str]],
    finished: bytes,
    media_type: str,
    sealed: SealedNames,
    consents: Consents,
    on: date,
    overrides: Iterable[Override] = (),
    *,
    published: Iterable[str] = (),
) -> Report:
    """Check a release: ``before`` yields (where, text) before layout, ``finished`` are the bytes that would leave.

    ``published``: labels of officials, institutions and places of the record. A sealed name that lies wholly within one is
    still a finding, but one for all its occurrences, so that one reasoned override settles the coincidence.
    Raises NotARelease, OverrideWithoutReason, Unreadable (a file the gate cannot read does not leave).
    """
    _check_release(release)
    reasons = _reasons(overrides)
    labels = _Labels(published)
    items: dict[str, Item] = {}
    written, read = _Count(), _Count()
    before_layout = written.over(Piece(_("before layout, {where}").format(where=where), text) for where, text in before)
    in_file = read.over(extract(finished, media_type))
    for found in chain(_scan(before_layout, sealed), _scan(in_file, sealed)):
        _add(items, _judge(found, release, consents, on, labels))
    if read.letters * 2 < written.letters:
        how = N_("less than half of the text could be read in the finished file")
        _add(items, Item(_id(UNREADABLE, how), UNREADABLE, BLOCKS, how))
    for item in _sources(release, consents, on):
        _add(items, item)
    decided = tuple(_override(item, reasons) for item in items.values())
    used = {item.id for item in decided if item.status == OVERRIDDEN}
    bases = tuple((source, consents.basis(source)) for source in sorted(release.sources))
    unused = tuple(finding for finding in reasons if finding not in used)
    return Report(release, on, decided, bases, hashlib.sha256(finished).hexdigest(), unused)


def _check_release(release: Release) -> None:
    for field, value, known in (("purpose", release.purpose, PURPOSES), ("audience", release.audience, AUDIENCES)):
        if value not in known:
            raise NotARelease(value=value[:40], field=field, known=", ".join(known))


def _reasons(overrides: Iterable[Override]) -> dict[str, str]:
    reasons = {}
    for override in overrides:
        if not override.reason.strip():
            raise OverrideWithoutReason(finding=override.finding)
        reasons[override.finding] = override.reason.strip()
    return reasons


@dataclass(slots=True)
class _Count:
    """Counts letters of running text as it passes."""

    letters: int = 0

    def over(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        for piece in pieces:
            if piece.kind == TEXT:
                self.letters += sum(map(str.isalpha, piece.text))
            yield piece


@dataclass(frozen=True, slots=True)
class _Found:
    """A finding with the text it was found in."""

    finding: Finding
    text: str


def _scan(pieces: Iterable[Piece], sealed: SealedNames) -> Iterator[_Found]:
    tail = ""
    for piece in pieces:
        if piece.kind == UNREAD:
            yield _Found(Finding(UNREADABLE, "", sealed.masked(piece.where), 0, 0, piece.text), "")
            continue
        yield from _named(piece.where, piece.text, sealed)
        for encoding, plain in decoded(piece.text):
            yield from _named(_("{where}, written in {encoding}").format(where=piece.where, encoding=encoding), plain, sealed)
        if piece.kind == TEXT:
            yield from _across(tail, piece, sealed)
            tail = piece.text[-_BORDER:]
        elif piece.kind == METADATA:
            yield from _machine(piece)


def _named(where: str, text: str, sealed: SealedNames) -> Iterator[_Found]:
    found = sealed.find(text, where)
    if found:
        place = sealed.masked(where)
        yield from (_Found(replace(finding, where=place), text) for finding in found)


def _across(tail: str, piece: Piece, sealed: SealedNames) -> Iterator[_Found]:
    """What only shows where two pages, rows or paragraphs meet."""
    if not tail:
        return
    both = tail.rstrip() + "\n" + piece.text.lstrip()[:_BORDER]
    border = len(tail.rstrip())
    for found in _named(_("{where}, with what stands before it").format(where=piece.where), both, sealed):
        if found.finding.start < border < found.finding.end:
            yield found


def _machine(piece: Piece) -> Iterator[_Found]:
    """Paths, login and host names in metadata: they tell whose machine made the file."""
    for match in _PATH.finditer(piece.text):
        yield _Found(Finding(MACHINE, "", piece.where, *match.span(), N_("path on a computer")), "")
    present = {word for word, _start, _end in words(piece.text)}
    if any(set(name) <= present for name in _this_machine()):
        yield _Found(Finding(MACHINE, "", piece.where, 0, 0, N_("name of this computer or of its user")), "")


@cache
def _this_machine() -> tuple[frozenset[str], ...]:
    try:
        login = getpass.getuser()
    except (OSError, KeyError):
        login = ""
    names = [frozenset(word for word, _start, _end in words(name)) for name in (login, socket.gethostname().partition(".")[0])]
    return tuple(name for name in names if name and not name & _GENERIC_LOGINS and sum(map(len, name)) > 2)


def _judge(found: _Found, release: Release, consents: Consents, on: date, labels: "_Labels") -> Item:
    finding = found.finding
    places = (finding.where,)
    if finding.kind == NAME and finding.how != ALIAS:
        decision = consents.name_allowed(finding.person, release.sources, release.purpose, release.audience, on)
        if decision.allowed:
            own = _id(finding.kind, finding.person, PERMITTED)
            how = N_("own name, with consent")
            return Item(own, finding.kind, PERMITTED, how, finding.person, places, finding.context, decision.reason)
    label = labels.around(found.text, finding) if finding.kind == NAME else ""
    if label:
        how = N_("coincides with a published name")
        same = _id(finding.kind, finding.person, label)
        return Item(same, finding.kind, BLOCKS, how, finding.person, places, finding.context)
    same = _id(finding.kind, finding.person, finding.how, *_beside(finding))
    return Item(same, finding.kind, BLOCKS, finding.how, finding.person, places, finding.context)


def _beside(finding: Finding) -> list[str]:
    """Three words on either side: they survive a change of layout, so an override does too."""
    before, mask, after = finding.context.partition(MASK)
    if not mask:
        return [finding.where]
    return [*(word for word, _start, _end in words(before)[-3:]), MASK, *(word for word, _start, _end in words(after)[:3])]


def _sources(release: Release, consents: Consents, on: date) -> Iterator[Item]:
    """What the basis of each source asks for: consent of everybody it tells of, for this purpose and audience."""
    for source in sorted(release.sources):
        basis, told = consents.basis(source), consents.told(source)
        if basis == PUBLISHED:
            continue
        if basis != CONSENT:
            how = N_("the basis of a source is unknown")
            yield Item(_id(SOURCE, source, how), SOURCE, BLOCKS, how, source)
        elif not told:
            how = N_("a source rests on consent, but nobody's is recorded")
            yield Item(_id(SOURCE, source, how), SOURCE, BLOCKS, how, source)
        for person in sorted(told) if basis == CONSENT else ():
            decision = consents.allowed(person, source, release.purpose, release.audience, on)
            if not decision.allowed:
                gone = decision.reason == WITHDRAWN
                same = _id(SOURCE, source, person, decision.reason)
                yield Item(same, SOURCE, BLOCKS, decision.reason, person, (source,), final=gone)


def _override(item: Item, reasons: dict[str, str]) -> Item:
    if item.status == BLOCKS and not item.final and item.id in reasons:
        return replace(item, status=OVERRIDDEN, reason=reasons[item.id])
    return item


def _add(items: dict[str, Item], item: Item) -> None:
    known = items.get(item.id)
    if known is None:
        items[item.id] = item
    elif item.places and item.places[0] not in known.places:
        items[item.id] = replace(known, places=(*known.places, *item.places))


def _id(*parts: str) -> str:
    """Twelve hexadecimal digits that name a matter; contexts are masked, so nothing sealed goes into them."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:12]


class _Labels:
    """Published labels, found by their words in any case form and script."""

    def __init__(self, labels: Iterable[str]) -> None:
        self._labels: list[tuple[str, list[frozenset[str]]]] = []
        self._by_key: dict[str, set[int]] = {}
        for label in dict.fromkeys(labels):
            forms = [_forms(word) for word, _start, _end in words(label)]
            for keys in forms:
                for key in keys:
                    self._by_key.setdefault(key, set()).add(len(self._labels))
            self._labels.append((label, forms))

    def around(self, text: str, finding: Finding) -> str:
        """The published label within whose words the finding lies wholly, or ""."""
        start = max(0, finding.start - 120)
        near = [(readings(word), start + low, start + high) for word, low, high in words(text[start : finding.end + 120])]
        inside = [number for number, (_keys, low, high) in enumerate(near) if low < finding.end and high > finding.start]
        for label in sorted({label for number in inside for key in near[number][0] for label in self._by_key.get(key, ())}):
            name, forms = self._labels[label]
            for first in range(max(0, inside[-1] - len(forms) + 1), inside[0] + 1):
                run = near[first : first + len(forms)]
                if len(run) == len(forms) and all(keys & form for (keys, _low, _high), form in zip(run, forms, strict=True)):
                    return name
        return ""


@cache
def _forms(word: str) -> frozenset[str]:
    return frozenset(form for key in readings(word, look_alikes=False) for form in inflections(key)) | {word}
