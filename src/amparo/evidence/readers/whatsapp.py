"""Reads WhatsApp's "Export chat": the text alone, or the zip archive with its files.

Invariant: an order of day and month is taken only if the file leaves no other; where it allows two, both dates are stated.
Times are those of the phone that exported; no zone is written there and none is made up.

Source: the exports of Android and iOS in their languages (12 and 24 hours; dots, slashes and hyphens; digits of four scripts).
"""

import codecs
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import IO, BinaryIO

from amparo.evidence.findings import Finding, Hints, Unreadable, Warn
from amparo.evidence.readers.archive import DAMAGED
from amparo.evidence.readers.chat import Bundle, Conversation, bundle
from amparo.kernel.i18n import _

MEDIA_TYPES = ("text/x-whatsapp-chat", "application/x-whatsapp-chat+zip")
NAME = "whatsapp/1"
Readable = IO[bytes]
_MARK = "[\u200e\u200f\u061c\ufeff\u202a-\u202e\u2066-\u2069]"  # of direction; they stand anywhere
_MARKS = re.compile(_MARK)
_SPACES = {0x202F: " ", 0xA0: " ", 0x2009: " "}
_DIGITS = {point: str(unicodedata.digit(chr(point))) for point in range(128, 0x3000) if chr(point).isdecimal()}
_PLAIN = _DIGITS | _SPACES  # digits and spaces of all scripts as those of ASCII
_MAY_BEGIN = re.compile(_MARK + r"*(?:\[|\d)")
_AM = "am|a\\. ?m\\.?|ص|ق\\.ظ\\.?|قبل\u200c?ازظهر|오전|上午|午前|πμ|π\\.μ\\.|öö|дп|पूर्वाह्न|pg|sa"
_PM = "pm|p\\. ?m\\.?|م|ب\\.ظ\\.?|بعدازظهر|오후|下午|午後|μμ|μ\\.μ\\.|ös|пп|अपराह्न|ptg|ch"
_DATE = r"(?P<a>\d{1,4})(?P<mark>[./-])\s?(?P<b>\d{1,2})[./-]\s?(?P<c>\d{1,4})\.?"
_TIME = (
    rf"(?:(?P<before>{_AM}|{_PM})\s?)?(?P<h>\d{{1,2}})[:.](?P<m>\d\d)(?:[:.](?P<s>\d\d))?"
    rf"(?:\s?(?P<after>{_AM}|{_PM})(?!\w))?"
)
_BETWEEN = r"(?:[,،]\s?|\s)\s?(?:(?:klo|kl\.|um|at|à|às|a las|в|о|saat)\s)?"
_MOMENT = _DATE + _BETWEEN + _TIME
_HEAD = re.compile(rf"(?:\[{_MOMENT}\]\s?|{_MOMENT.replace('P<', 'P<x')}\s[-–—]\s)", re.IGNORECASE | re.ASCII)
_PM_ONLY = re.compile(_PM, re.IGNORECASE)
_ATTACHED = re.compile(r"<[^<>:]{1,40}:\s{0,3}([^<>/\\]{1,200}\.\w{1,5})>")
_FILE = re.compile(r"^([^<>/\\\n]{1,200}\.\w{1,5}) \(([^()]{3,60})\)$", re.MULTILINE)
_CAMERA = re.compile(r"[A-Z]{3,4}-\d{8}-WA\d{4}\.", re.IGNORECASE)
_SAID_ATTACHED = re.compile(
    r"attach|adjunt|anex|allegat|joint|angehängt|добавлен|прикрепл|bijlage|ekli|مرفق|پیوست|załącz|вкладен"
)
_OMITTED = re.compile(
    r"<[^<>\n]{4,60}>|[\w\- ]{2,30} (?:omitted|omitid[oa]|omiss?e?|weggelassen|omess[oa]|ausgelassen|пропущено?)"
)
_ORDERS = {"day/month/year": "abc", "month/day/year": "bac", "year/month/day": "cba"}
_FIRST_YEAR = 2009  # WhatsApp's own
_LONGEST_MESSAGE = 1 << 20


@dataclass(slots=True)
class _Entry:
    """A message as it stands there: the numbers of its date, clock as written, "sender: text" or a system message."""

    date: tuple[int, int, int]
    written: str
    clock: str
    rest: str
    lines: list[str] = field(default_factory=list)
    size: int = 0


def recognises(head: bytes) -> bool:
    """Whether the first 4 KiB of a text look like an exported chat."""
    lines = head.decode("utf-8", "replace").splitlines()[:20]
    return any(_parse(line) for line in lines)


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Yield the messages as Text, members where it is a zip archive, and Facts ("conversation"). Raises Unreadable."""
    stream.seek(0)
    if stream.read(2) != b"PK":
        yield from _chat(lambda: _from_start(stream), hints.name, None)
        return
    inside = bundle(stream, hints)
    found = next((path for path in inside.infos if path.endswith(".txt") and _is_chat(inside, path)), "")
    if not found:
        raise Unreadable(_("There is no chat in this archive: no text file of WhatsApp's form was found."))
    try:
        folder = found[: found.rfind("/") + 1]
        yield from _chat(lambda: inside.archive.open(inside.infos[found]), found, inside.files(folder))
    except DAMAGED as error:
        yield Warn(_("The chat text in the archive is damaged or encrypted ({why}).").format(why=str(error)[:200]))
    yield from inside.members()


def _is_chat(inside: Bundle, path: str) -> bool:
    try:
        with inside.archive.open(inside.infos[path]) as member:
            return recognises(member.read(4096))
    except DAMAGED:
        return False


def _from_start(stream: BinaryIO) -> BinaryIO:
    stream.seek(0)
    return stream


def _lines(stream: Readable) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    rest = ""
    while block := stream.read(1 << 18):
        *whole, rest = (rest + decoder.decode(block)).replace("\r\n", "\n").split("\n")
        yield from whole
        while len(rest) > _LONGEST_MESSAGE:
            yield rest[:_LONGEST_MESSAGE]
            rest = rest[_LONGEST_MESSAGE:]
    yield rest


def _parse(line: str) -> _Entry | None:
    """The head of a message, or None for a line that goes on."""
    if not _MAY_BEGIN.match(line):
        return None
    bare = _MARKS.sub("", line[:64])
    match = _HEAD.match(bare if bare.isascii() else bare.translate(_PLAIN))
    if not match:
        return None
    part = {key.removeprefix("x"): value for key, value in match.groupdict().items() if value is not None}
    hour, minute = int(part["h"]), int(part["m"])
    if hour > 23 or minute > 59 or (part.get("s") and int(part["s"]) > 59):
        return None
    if token := (part.get("before") or part.get("after")):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if _PM_ONLY.fullmatch(token) else 0)
    clock = f"{hour:02}:{minute:02}" + (f":{part['s']}" if part.get("s") else "")
    # the rest of the line keeps its marks: only the head was cleaned
    at = match.end()
    while at - len(_MARKS.findall(line, 0, at)) < match.end():
        at += 1
    written = bare[: match.end()].translate(_SPACES).strip(" []-–—")
    return _Entry((int(part["a"]), int(part["b"]), int(part["c"])), written, clock, line[at:])


def _entries(stream: Readable) -> Iterator[_Entry]:
    entry: _Entry | None = None
    for line in _lines(stream):
        if found := _parse(line):
            if entry is not None:
                yield entry
            entry = found
        elif entry is None:
            if line.strip():
                entry = _Entry((0, 0, 0), "", "", line)
        elif entry.size < _LONGEST_MESSAGE:
            entry.lines.append(line)
            entry.size += len(line) + 1
        else:  # a message without an end: in pieces of 1 MiB
            yield entry
            entry = _Entry(entry.date, entry.written, entry.clock, line)
    if entry is not None:
        yield entry


@dataclass
class _Order:
    """Which orders of day, month and year the whole file allows: those that fit most dates, if they fit nearly all."""

    newest: int
    seen: int = 0
    misfits: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_ORDERS, 0))
    backward: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_ORDERS, 0))
    against: dict[str, str] = field(default_factory=dict)  # the first date that does not fit an order
    possible: list[str] = field(default_factory=list)
    _last: dict[str, datetime] = field(default_factory=dict)

    def look(self, entry: _Entry) -> None:
        if not entry.written:
            return
        self.seen += 1
        for name in _ORDERS:
            moment = self.moment(entry, name)
            if moment is None:
                self.misfits[name] += 1
                self.against.setdefault(name, entry.written)
            else:
                self.backward[name] += moment < self._last.get(name, moment)
                self._last[name] = moment

    def decide(self) -> list[str]:
        """Which orders are possible, now that the whole file was seen."""
        fewest = min(self.misfits.values())
        fits = fewest * 20 <= self.seen
        self.possible = [name for name in _ORDERS if self.misfits[name] == fewest and fits]
        return self.possible

    def moment(self, entry: _Entry, name: str) -> datetime | None:
        numbers = dict(zip("abc", entry.date, strict=True))
        day, month, year = (numbers[place] for place in _ORDERS[name])
        year += 2000 if year < 100 else 0
        if not _FIRST_YEAR <= year <= self.newest:
            return None
        try:
            return datetime(year, month, day, int(entry.clock[:2]), int(entry.clock[3:5]))  # noqa: DTZ001 - no zone is known
        except ValueError:
            return None

    def when(self, entry: _Entry) -> str:
        """Return "2017-03-28 14:05"; with two dates where both can be meant; as written where neither can."""
        found = (self.moment(entry, name) for name in self.possible)
        days = dict.fromkeys(f"{moment:%Y-%m-%d}" for moment in found if moment)
        return f"{' or '.join(days)} {entry.clock[:5]}" if days else entry.written


def _chat(open_again: Callable[[], Readable], name: str, files: frozenset[str] | None) -> Iterator[Finding]:
    order = _Order(datetime.now(UTC).year + 1)
    halves = 0
    for entry in _entries(open_again()):
        order.look(entry)
        halves += bool(re.search(r"[^\W\d_]", entry.written[-6:]))
    if not order.seen:
        raise Unreadable(_("This is no WhatsApp export: no line begins with a date and a time as WhatsApp writes them."))
    orders = order.decide()
    chat = Conversation("WhatsApp", "text export" if files is None else "zip export", name, files)
    for entry in _entries(open_again()):
        yield from _message(chat, entry, order)
    decided = [order.against[other] for other in _ORDERS if other in order.against] if len(orders) == 1 else []
    chat.facts = {
        "date_order": orders[0] if len(orders) == 1 else orders, "decided_by": decided,
        "dates_that_do_not_fit": min(order.misfits.values()), "backward_steps": {name: order.backward[name] for name in orders},
        "clock": "12-hour" if halves else "24-hour", "zone": "not stated: the clock of the phone that exported",
    }  # fmt: skip
    yield from chat.close()
    if len(orders) > 1:
        yield Warn(_("No date of this chat tells day from month (or year); both readings are given: {orders}.").format(
            orders=", ".join(f"{name} ({order.backward[name]} steps back in time)" for name in orders)))  # fmt: skip
    elif not orders:
        yield Warn(_("The dates of this chat follow no one order of the Gregorian calendar; they are given as written."))


def _message(chat: Conversation, entry: _Entry, order: _Order) -> Iterator[Finding]:
    sender, colon, text = entry.rest.partition(": ")
    if not colon and _MARKS.sub("", entry.rest).endswith(":"):
        sender, colon, text = entry.rest.rstrip("\u200e\u200f")[:-1], ":", ""
    if not colon or len(sender) > 200:
        sender, text = "", entry.rest
    text = "\n".join(chain((text,), entry.lines)).strip()
    when = order.when(entry) if entry.written else ""
    yield from chat.message(when, _MARKS.sub("", sender).strip(), text or "(empty)", service=not sender)
    plain = _MARKS.sub("", text)
    for match in _ATTACHED.finditer(plain):
        chat.refer(match[1])
    for match in _FILE.finditer(plain):
        path, told = match[1].strip(), match[2].lower()
        if _CAMERA.match(path) or _SAID_ATTACHED.search(told) or (chat.files and path.lower() in chat.files):
            chat.refer(path)
    if _OMITTED.fullmatch(plain) and not _ATTACHED.search(plain):
        chat.refer("", left_out=plain[:80])
