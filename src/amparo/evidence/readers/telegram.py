"""Reads chat exports of Telegram Desktop: result.json, messages.html, or a zip archive of the export's folder.

Invariant: memory does not grow with the export; local times keep the zone the export gives (JSON: from ``date_unixtime``,
HTML: from the title of the time) and have none where it gives none.

Source: Telegram Desktop's export writers (JSON and HTML, 2018 to 2026) and what they wrote.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import IO, Any, BinaryIO

import ijson  # type: ignore[import-untyped]
from lxml import etree  # type: ignore[import-untyped]

from amparo.evidence.findings import Finding, Hints, Unreadable, Warn
from amparo.evidence.readers.archive import DAMAGED
from amparo.evidence.readers.chat import Bundle, Conversation, bundle, local_time, text_of
from amparo.kernel.i18n import _

MEDIA_TYPES = ("application/x-telegram-chat+json", "text/x-telegram-chat+html", "application/x-telegram-chat+zip")
NAME = "telegram/1"
_CHATS = ("", "chats.list.item", "left_chats.list.item")
_LEFT_OUT = re.compile(r"\((?:File (?:unavailable|exceeds|not included)[^)]*)\)?")
_NOT_HERE = re.compile(r"Not included|Unavailable|Exceeds maximum size")
_HTML_TIME = re.compile(r"(\d\d)\.(\d\d)\.(\d{4}) (\d\d):(\d\d):(\d\d)(?: (?:UTC|GMT)([+-])(\d\d):(\d\d))?", re.ASCII)


def recognises(head: bytes) -> bool:
    """Whether the first 4 KiB of a file look like result.json or messages.html of an export."""
    start = head.lstrip(b"\xef\xbb\xbf \r\n\t")
    if start[:1] == b"{":
        return bool(re.search(rb'"(?:messages|chats|personal_information)"\s{0,99}:', head)) and b'"type"' in head
    return b"Exported Data" in head and b'class="page_wrap' in head


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Yield the messages as Text, members of a zip archive, and Facts ("conversation") for each chat. Raises Unreadable."""
    stream.seek(0)
    head = stream.read(4096)
    stream.seek(0)
    if head[:2] != b"PK":
        yield from _one(stream, head, None)
        return
    inside = bundle(stream, hints)
    found = [path for path in inside.infos if re.search(r"(?:^|/)(?:result\.json|messages\d*\.html)$", path)]
    if any(path.endswith(".json") for path in found):
        found = [path for path in found if path.endswith(".json")]
    if not found:
        raise Unreadable(_("There is no Telegram export in this archive: neither result.json nor messages.html was found."))
    for path in sorted(found, key=lambda path: [int(part) if part.isdigit() else 0 for part in re.findall(r"\d+|\D+", path)]):
        yield from _from_bundle(inside, path)
    yield from inside.members()


def _from_bundle(inside: Bundle, path: str) -> Iterator[Finding]:
    try:
        with inside.archive.open(inside.infos[path]) as member:
            head = member.read(4096)
        with inside.archive.open(inside.infos[path]) as member:
            yield from _one(member, head, inside.files(path[: path.rfind("/") + 1]))
    except Unreadable as error:
        yield Warn(f"{path[:200]}: {error}")
    except DAMAGED as error:
        yield Warn(_("{path} is damaged or encrypted ({why}).").format(path=path[:200], why=str(error)[:200]))


def _one(stream: IO[bytes], head: bytes, files: frozenset[str] | None) -> Iterator[Finding]:
    if head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"{":
        yield from _json(stream, files)
    else:
        yield from _html(stream, files)


def _json(stream: IO[bytes], files: frozenset[str] | None) -> Iterator[Finding]:
    chat: Conversation | None = None
    builder: Any = None
    seen = number = 0
    about: dict[str, Any] = {}
    try:
        for prefix, event, value in ijson.parse(stream, use_float=True):
            where, _dot, last = prefix.rpartition("messages.item")
            if builder is not None:
                builder.event(event, value)
                if event == "end_map" and last == "" and _dot and where.rstrip(".") in _CHATS:
                    assert chat is not None
                    seen += 1
                    yield from _message(chat, builder.value)
                    builder = None
            elif event == "start_map" and _dot and not last and where.rstrip(".") in _CHATS:
                if chat is None:
                    number += 1
                    chat = Conversation("Telegram", "result.json", files=files)
                    chat.facts = {"chat": number} if where else {}
                    _describe(chat, about)
                builder = ijson.ObjectBuilder()
                builder.event(event, value)
            elif event in ("string", "number") and prefix.rpartition(".")[0] in _CHATS:
                about[prefix.rpartition(".")[2]] = value
            elif event == "end_map" and prefix in _CHATS:
                if chat is not None:
                    _describe(chat, about)
                    yield from chat.close()
                chat, about = None, {}
    except (ijson.JSONError, UnicodeDecodeError) as error:
        if not seen:
            why = _short(error)
            raise Unreadable(_("This is no Telegram export: its JSON cannot be read ({why}).").format(why=why)) from None
        yield Warn(_("The export breaks off or is damaged after message {n} ({why}); what stood before was read.").format(
            n=seen, why=_short(error)))  # fmt: skip
        if chat is not None:
            chat.facts["complete"] = False
            yield from chat.close()
    if not seen:
        raise Unreadable(_("This is no Telegram export: there are no messages in it."))


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


def _describe(chat: Conversation, about: dict[str, Any]) -> None:
    chat.name = text_of(about.get("name")) or chat.name
    chat.facts.update({key: text_of(about[key]) for key in ("type", "id") if key in about})


def _message(chat: Conversation, data: dict[str, Any]) -> Iterator[Finding]:
    service = data.get("type") == "service"
    sender = text_of(data.get("actor" if service else "from")) or text_of(data.get("actor_id" if service else "from_id"))
    parts = [_words(data.get("text"))]
    if service:
        members = data.get("members")
        told = ", ".join(text_of(name) for name in members if name) if isinstance(members, list) else ""
        parts.append("[" + " ".join(filter(None, (text_of(data.get("action")), text_of(data.get("title")), told))) + "]")
    paths = _files(data)
    parts += [f"[{label}: {path}]" for label, path in paths]
    parts += _notes(data)
    yield from chat.message(_when(data), sender, "\n".join(part for part in parts if part) or "(empty)", service=service,
                            ident=text_of(data.get("id")))  # fmt: skip
    for label, path in paths:
        if match := _LEFT_OUT.search(path):
            chat.refer(path[: match.start()].strip(), kind=label, left_out=match[0])
        else:
            chat.refer(path, kind=label)


def _words(value: object) -> str:
    """Text is a string, or a list of strings and of entities with a text (links with where they lead)."""
    if not isinstance(value, list):
        return text_of(value, 1 << 20)
    out = []
    for part in value:
        if isinstance(part, dict):
            out.append(text_of(part.get("text"), 1 << 20))
            if target := text_of(part.get("href")):
                out.append(f" <{target}>")
        else:
            out.append(text_of(part, 1 << 20))
    return "".join(out)


def _files(data: dict[str, Any]) -> list[tuple[str, str]]:
    kinds = [("photo", "photo"), ("file", text_of(data.get("media_type")) or "file"), ("thumbnail", "thumbnail"),
             ("contact_vcard", "contact")]  # fmt: skip
    return [(label, path) for key, label in kinds if (path := text_of(data.get(key)))]


def _notes(data: dict[str, Any]) -> list[str]:
    """What stands around the words, in square brackets."""
    out = []
    if source := text_of(data.get("forwarded_from")):
        out.append(f"[forwarded from {source}]")
    if answer := text_of(data.get("reply_to_message_id")):
        out.append(f"[in reply to message id {answer}]")
    if edited := text_of(data.get("edited")):
        out.append(f"[edited {edited}]")
    place = data.get("location_information")
    if isinstance(place, dict):
        out.append(f"[location {text_of(place.get('latitude'))}, {text_of(place.get('longitude'))}]")
    contact = data.get("contact_information")
    if isinstance(contact, dict):
        out.append("[contact " + " ".join(text_of(value) for value in contact.values() if value) + "]")
    poll = data.get("poll")
    if isinstance(poll, dict):
        answers = [text_of(entry.get("text")) for entry in poll.get("answers") or [] if isinstance(entry, dict)]
        out.append(f"[poll: {_words(poll.get('question'))}; {'; '.join(answers)}]")
    return out


def _when(data: dict[str, Any]) -> str:
    try:
        local = datetime.fromisoformat(text_of(data.get("date")))
    except ValueError:
        return text_of(data.get("date"), 40)
    offset = None
    seconds = text_of(data.get("date_unixtime"))
    if re.fullmatch(r"\d{1,11}", seconds, re.ASCII) and local.tzinfo is None:
        offset = local - (datetime(1970, 1, 1) + timedelta(seconds=int(seconds)))  # noqa: DTZ001 - the difference is the zone
        offset = offset if abs(offset) <= timedelta(hours=15) else None
    return local_time(local, offset)


class _Page:
    """The target of lxml's parser: collects the messages of messages.html by the classes of its elements."""

    def __init__(self, chat: Conversation) -> None:
        self.chat = chat
        self.done: list[Finding] = []
        self._stack: list[str] = []  # the classes of the open elements
        self._depth = 0  # of the message's element, 0 outside
        self._fields: dict[str, list[str]] = {}
        self._paths: list[str] = []
        self._time = ""
        self._sender = ""
        self._service = False
        self._id = ""

    def start(self, _tag: str, attributes: dict[str, str]) -> None:
        names = attributes.get("class", "")
        self._stack.append(names)
        words = names.split()
        if not self._depth and words[:1] == ["message"]:
            self._depth = len(self._stack)
            self._fields, self._paths, self._time = {}, [], ""
            self._service = "service" in words
            self._id = attributes.get("id", "").removeprefix("message")
        elif self._depth:
            if "date" in words and not self._time:
                self._time = attributes.get("title", "")
            target = attributes.get("href", "")
            if target and ("media" in names or "_wrap" in names) and "://" not in target:
                self._paths.append(target)
            elif target.startswith("#go_to_message"):
                self._add("reply", target.removeprefix("#go_to_message"))
            elif target and "text" in self._open():
                self._add("links", f"<{target[:1000]}>")
        if _tag == "br":
            self.data("\n")

    def end(self, _tag: str) -> None:
        if not self._stack:
            return
        if len(self._stack) == self._depth:
            self._finish()
            self._depth = 0
        self._stack.pop()

    def data(self, text: str) -> None:
        if not self._depth:
            if "page_header" in " ".join(self._stack) and "bold" in " ".join(self._stack):
                self.chat.name = (self.chat.name + text.strip())[:1000]
            return
        where = self._open()
        forwarded = "forwarded" in " ".join(self._stack[self._depth :])
        for field in ("date", "from_name", "text", "reply_to", "title", "description", "status", "signature", "details"):
            if field in where:
                if field not in ("date", "reply_to"):
                    self._add("forwarded" if field == "from_name" and forwarded else field, text)
                return

    def _open(self) -> set[str]:
        for names in reversed(self._stack[self._depth :]):
            if names:
                return set(names.split())
        return set()

    def _add(self, field: str, text: str) -> None:
        parts = self._fields.setdefault(field, [])
        if len(parts) < 10_000:
            parts.append(text[: 1 << 20])

    def _finish(self) -> None:
        told = {field: "".join(parts).strip() for field, parts in self._fields.items()}
        if "from_name" in told:
            self._sender = told["from_name"]
        media = " ".join(told.get(field, "") for field in ("title", "description", "status")).split()
        left_out = _NOT_HERE.search(" ".join(media))
        lines = [told.get("details", "") if self._service else told.get("text", ""), told.get("links", "")]
        lines += [f"[file: {path}]" for path in self._paths]
        lines += ["[" + " ".join(media) + "]"] if media else []
        lines += [f"[forwarded from {told['forwarded']}]"] if "forwarded" in told else []
        lines += [f"[in reply to message id {told['reply']}]"] if "reply" in told else []
        sender = "" if self._service else self._sender
        text = "\n".join(line for line in lines if line) or "(empty)"
        self.done += self.chat.message(_html_time(self._time), sender, text, service=self._service, ident=self._id)
        for path in self._paths:
            self.chat.refer(path)
        if left_out and not self._paths:
            self.chat.refer("", left_out=" ".join(media)[:200])

    def close(self) -> None:
        if self._depth:
            self._finish()
            self._depth = 0


def _html_time(title: str) -> str:
    match = _HTML_TIME.search(title)
    if not match:
        return title[:40]
    day, month, year, hour, minute, second = map(int, match.groups()[:6])
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return title[:40]
    if not match[7]:
        return local_time(moment)
    offset = timedelta(hours=int(match[8]), minutes=int(match[9]))
    return local_time(moment, -offset if match[7] == "-" else offset)


def _html(stream: IO[bytes], files: frozenset[str] | None) -> Iterator[Finding]:
    page = _Page(Conversation("Telegram", "messages.html", files=files))
    parser = etree.HTMLParser(target=page, encoding="utf-8", no_network=True, huge_tree=True)
    broken, tail = "", b""
    while block := stream.read(1 << 16):
        tail = (tail + block)[-200:]
        try:
            parser.feed(block)
        except etree.LxmlError as error:
            broken = broken or _short(error)
        yield from page.done
        page.done = []
    try:
        parser.close()
    except etree.LxmlError as error:
        broken = broken or _short(error)
    page.close()
    yield from page.done
    if not page.chat.messages:
        raise Unreadable(_("This is no Telegram export: no message was found in its HTML."))
    if b"</html>" not in tail.lower():
        yield Warn(_("The HTML of the export ends without its closing tag: it may be cut off."))
    if broken:
        yield Warn(_("The HTML of the export is damaged ({why}); what could be read was.").format(why=broken))
    yield from page.chat.close()
