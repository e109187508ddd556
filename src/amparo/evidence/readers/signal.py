"""Reads plain-text exports of Signal: its own main.jsonl, and what signal-export (sigexport) and sigtop write.

Invariant: an encrypted database or backup is never opened here; one sentence says how to export it. Times are UTC where the
file has them in ms since 1970, else as written, without a zone.

Sources: Signal's backup frames as JSON lines ("Export chat history", from 2026: main.jsonl, metadata.json, files/);
signal-export's data.json and chat.md; sigtop's JSON.
"""

import base64
import json
import re
from collections.abc import Iterator
from typing import IO, Any, BinaryIO

import ijson  # type: ignore[import-untyped]

from amparo.evidence.findings import Finding, Hints, Unreadable, Warn
from amparo.evidence.readers.archive import DAMAGED
from amparo.evidence.readers.chat import Bundle, Conversation, bundle, text_of, utc_time
from amparo.kernel.i18n import _

MEDIA_TYPES = ("application/x-signal-chat+jsonl", "text/x-signal-chat+markdown", "application/x-signal-chat+zip")
NAME = "signal/1"
_LONGEST_LINE = 16 << 20
_MARKDOWN = re.compile(r"\[(\d{4}-\d\d-\d\d \d\d:\d\d)(?::\d\d)?\] ?([^:\n]{1,200}): ?(.*)", re.ASCII)
_LINK = re.compile(r"!?\[[^\]\n]{0,300}\]\(\./([^)\n]{1,500})\)")
_EXPORTS = re.compile(r"(?:^|/)(?:main\.jsonl|data\.json|chat\.md)$")


def recognises(head: bytes) -> bool:
    """Whether the first 4 KiB of a file look like one of these exports."""
    start = head.lstrip(b"\xef\xbb\xbf \r\n\t")
    if _MARKDOWN.match(start[:600].decode("utf-8", "replace")):
        return True
    if start[:1] in (b"{", b"["):
        return any(key in head for key in (b'"backupTimeMs"', b'"chatItem"', b'"sent_at"')) or (
            b'"sender"' in head and b'"body"' in head and b'"reactions"' in head
        )
    return False


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Yield the messages as Text, members of a zip archive, and Facts ("conversation") for each chat. Raises Unreadable."""
    stream.seek(0)
    head = stream.read(4096)
    stream.seek(0)
    if head[:2] != b"PK":
        yield from _one(stream, head, hints.name, None)
        return
    inside = bundle(stream, hints)
    found = [path for path in inside.infos if _EXPORTS.search(path)]
    folders = {path[: path.rfind("/") + 1] for path in found if path.endswith(("jsonl", "json"))}
    found = [path for path in found if not (path.endswith(".md") and path[: path.rfind("/") + 1] in folders)]
    if not found:
        raise Unreadable(_("There is no Signal export in this archive: neither main.jsonl, data.json nor chat.md was found."))
    for path in found:
        yield from _from_bundle(inside, path)
    yield from inside.members()


def _from_bundle(inside: Bundle, path: str) -> Iterator[Finding]:
    folder = path[: path.rfind("/") + 1]
    try:
        with inside.archive.open(inside.infos[path]) as member:
            head = member.read(4096)
        with inside.archive.open(inside.infos[path]) as member:
            yield from _one(member, head, folder.rstrip("/").rpartition("/")[2] or path, inside.files(folder))
    except Unreadable as error:
        yield Warn(f"{path[:200]}: {error}")
    except DAMAGED as error:
        yield Warn(_("{path} is damaged or encrypted ({why}).").format(path=path[:200], why=str(error)[:200]))


def _one(stream: IO[bytes], head: bytes, name: str, files: frozenset[str] | None) -> Iterator[Finding]:
    start = head.lstrip(b"\xef\xbb\xbf \r\n\t")
    if _MARKDOWN.match(start[:600].decode("utf-8", "replace")):
        yield from _markdown(stream, name, files)
    elif start[:1] == b"[":
        yield from _array(stream, name, files)
    elif start[:1] == b"{":
        yield from _json_lines(stream, name, files)
    else:
        raise Unreadable(
            _("This is no plain export of Signal; its own database and its backups are encrypted. Export the chat in Signal "
              "(Settings, Chats, Export chat history) or with signal-export, and add what that writes.")
        )  # fmt: skip


def _json_lines(stream: IO[bytes], name: str, files: frozenset[str] | None) -> Iterator[Finding]:
    own = _Own(files)
    single = Conversation("Signal", "signal-export data.json", name, files)
    lines = number = 0
    while line := stream.readline(_LONGEST_LINE):
        number += 1
        if not line.strip():
            continue
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            yield Warn(_("Line {n} is not whole JSON: it is damaged or cut off.").format(n=number))
            continue
        if not isinstance(data, dict):
            continue
        lines += 1
        if own.takes(data):
            yield from own.take(data)
        elif "sender" in data or "body" in data:
            yield from _exported(single, data)
    if not single.messages and not own.chats:
        raise Unreadable(_("There are no messages in this file, or not in a form of Signal's exports that is known here."))
    yield from own.close()
    if single.messages:
        yield from single.close()


class _Own:
    """Signal's own frames: recipients and chats come first, then each message names them by id."""

    def __init__(self, files: frozenset[str] | None) -> None:
        self.chats: dict[str, Conversation] = {}
        self._files = files
        self._names: dict[str, str] = {}
        self._recipients: dict[str, str] = {}
        self._numbers: dict[str, int] = {}

    def takes(self, data: dict[str, Any]) -> bool:
        return any(key in data for key in ("recipient", "chat", "chatItem", "backupTimeMs", "account"))

    def take(self, data: dict[str, Any]) -> Iterator[Finding]:
        if isinstance(data.get("recipient"), dict):
            entry = data["recipient"]
            if len(self._names) < 1_000_000:
                self._names[text_of(entry.get("id"))] = _called(entry)
        elif isinstance(data.get("chat"), dict):
            entry = data["chat"]
            if len(self._recipients) < 1_000_000:
                self._recipients[text_of(entry.get("id"))] = text_of(entry.get("recipientId"))
        elif isinstance(data.get("chatItem"), dict):
            yield from self._item(data["chatItem"])

    def _item(self, item: dict[str, Any]) -> Iterator[Finding]:
        key = text_of(item.get("chatId"))
        if key not in self.chats:
            if len(self.chats) >= 10_000:
                key = next(iter(self.chats))
            else:
                name = self._names.get(self._recipients.get(key, ""), "")
                self.chats[key] = Conversation("Signal", "main.jsonl", name or "?", self._files, {"chat": len(self.chats) + 1})
        chat = self.chats[key]
        author = text_of(item.get("authorId"))
        sender = self._names.get(author) or (f"recipient {author}" if author else "")
        message = item.get("standardMessage")
        body = message if isinstance(message, dict) else {}
        words = body.get("text")
        text = text_of(words.get("body"), 1 << 20) if isinstance(words, dict) else ""
        kinds = [key for key in item if key.endswith("Message") and key != "standardMessage"]
        parts = [text, *(f"[{kind}]" for kind in kinds)]
        attachments = [entry for entry in body.get("attachments") or [] if isinstance(entry, dict)] if body else []
        described = [_pointer(entry.get("pointer")) for entry in attachments]
        parts += [f"[attachment: {entry['path'] or entry['type']}]" for entry in described]
        yield from chat.message(utc_time(item.get("dateSent")), sender, "\n".join(filter(None, parts)) or "(empty)",
                                service="updateMessage" in item)  # fmt: skip
        for entry in described:
            path = entry.pop("path")
            chat.refer(path, **entry)

    def close(self) -> Iterator[Finding]:
        for chat in self.chats.values():
            if chat.files is not None:  # its own export stores files under their hash, not their name
                chat.files, chat.missing = None, 0
                for entry in chat.references:
                    entry["present"] = None
            yield from chat.close()


def _called(entry: dict[str, Any]) -> str:
    """The name a recipient has in the export, as written there; a number or service id where it has none."""
    if "self" in entry:
        return "(the exporting account)"
    contact = entry.get("contact")
    if isinstance(contact, dict):
        names = [text_of(contact.get(key)) for key in ("systemGivenName", "systemFamilyName")]
        if not any(names):
            names = [text_of(contact.get(key)) for key in ("profileGivenName", "profileFamilyName")]
        return " ".join(filter(None, names)) or text_of(contact.get("e164")) or text_of(contact.get("aci"))
    group = entry.get("group")
    if isinstance(group, dict):
        snapshot = group.get("snapshot")
        title = snapshot.get("title") if isinstance(snapshot, dict) else None
        return text_of(title.get("title")) if isinstance(title, dict) else ""
    return ""


def _pointer(pointer: object) -> dict[str, Any]:
    """An attachment: its name, type and the SHA-256 of its plain bytes, by which the file can be found."""
    data = pointer if isinstance(pointer, dict) else {}
    place = data.get("locatorInfo")
    raw = text_of(place.get("plaintextHash")) if isinstance(place, dict) else ""
    try:
        digest = base64.b64decode(raw, validate=True).hex()
    except ValueError:
        digest = ""
    return {"path": text_of(data.get("fileName")), "type": text_of(data.get("contentType"), 100), "sha256": digest}


def _exported(chat: Conversation, data: dict[str, Any]) -> Iterator[Finding]:
    """A message of signal-export's data.json, or a row of Signal's database as sigtop writes it."""
    sender = text_of(data.get("sender"))
    when = text_of(data.get("date"), 40)[:16].replace("T", " ")
    if not when:
        when = utc_time(data.get("sent_at"))
        if not sender:
            sender = "(the exporting account)" if data.get("type") == "outgoing" else (
                text_of(data.get("sourceServiceId")) or text_of(data.get("source")))  # fmt: skip
    parts = [text_of(data.get("body"), 1 << 20).strip()]
    quote = data.get("quote")
    if told := (text_of(quote.get("text"), 10_000) if isinstance(quote, dict) else text_of(quote, 10_000).strip(" \n>")):
        parts.insert(0, f"[quotes: {told}]")
    if isinstance(data.get("sticker"), (str, dict)) and data["sticker"]:
        parts.append("[sticker]")
    reactions = data.get("reactions")
    for entry in reactions if isinstance(reactions, list) else []:
        pair = [entry.get("name") or entry.get("fromId"), entry.get("emoji")] if isinstance(entry, dict) else entry
        if isinstance(pair, list) and len(pair) == 2:
            parts.append(f"[reaction {text_of(pair[1], 20)} {text_of(pair[0])}]")
    if data.get("deleted") or data.get("isErased"):
        parts.append("[deleted]")
    attachments = data.get("attachments")
    paths = [text_of(entry.get("path")) or text_of(entry.get("fileName")) or text_of(entry.get("name"))
             for entry in (attachments if isinstance(attachments, list) else []) if isinstance(entry, dict)]  # fmt: skip
    parts += [f"[attachment: {path}]" for path in paths]
    yield from chat.message(when, sender, "\n".join(filter(None, parts)) or "(empty)",
                            service=data.get("type") not in (None, "incoming", "outgoing"))  # fmt: skip
    for path in paths:
        chat.refer(path.replace("%20", " "))


def _array(stream: IO[bytes], name: str, files: frozenset[str] | None) -> Iterator[Finding]:
    chat = Conversation("Signal", "sigtop JSON", name, files)
    try:
        for data in ijson.items(stream, "item", use_float=True):
            if isinstance(data, dict):
                yield from _exported(chat, data)
    except (ijson.JSONError, UnicodeDecodeError) as error:
        why = " ".join(str(error).split())[:120]
        if not chat.messages:
            raise Unreadable(_("This is no export of Signal: its JSON cannot be read ({why}).").format(why=why)) from None
        yield Warn(_("The export breaks off or is damaged after message {n} ({why}); what stood before was read.").format(
            n=chat.messages, why=why))  # fmt: skip
    if not chat.messages:
        raise Unreadable(_("There are no messages in this file."))
    yield from chat.close()


def _markdown(stream: IO[bytes], name: str, files: frozenset[str] | None) -> Iterator[Finding]:
    chat = Conversation("Signal", "signal-export chat.md", name, files)
    head: re.Match[str] | None = None
    lines: list[str] = []
    while True:
        raw = stream.readline(1 << 20)
        line = raw.decode("utf-8", "backslashreplace").rstrip("\r\n")
        match = _MARKDOWN.match(line)
        if head is not None and (match or not raw or len(lines) > 10_000):
            text = "\n".join(lines).strip()
            yield from chat.message(head[1], head[2].strip(), text or "(empty)")
            for path in _LINK.findall(text):
                chat.refer(path.replace("%20", " "))
            lines = []
        if not raw:
            break
        head = match or head
        lines.append(match[3] if match else line)
    yield from chat.close()
