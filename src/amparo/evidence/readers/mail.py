"""Reads a mail message (.eml) or a mailbox (.mbox) of any size: header facts, text, attachments.

Invariant: memory does not grow with the mailbox, nothing a message points to is loaded, and what its header claims (sender,
time, relays) is handed on as a claim: no signature is checked here, only its presence told.

Sources: RFC 5322 (message format), RFC 2045-2049 and 2231 (MIME), RFC 6376 (DKIM), RFC 8617 (ARC), RFC 4155 (mbox).
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import getaddresses, parsedate_to_datetime
from itertools import chain
from typing import BinaryIO

from amparo.evidence.findings import Chunk, Data, Facts, Finding, Hints, Member, MemberEnd, Text, Unreadable, Warn
from amparo.evidence.readers.mime import (
    Broken,
    Event,
    Headers,
    Opened,
    PartClosed,
    PartOpened,
    Walker,
    first,
    words,
)
from amparo.evidence.readers.plain import Coding, charset_of, guess
from amparo.evidence.readers.prose import decoded, html_paragraphs, paragraphs
from amparo.kernel.i18n import _

MEDIA_TYPES = ("message/rfc822", "application/mbox")
NAME = "mail/1"
_MILLISECOND = timedelta(milliseconds=1)
_MOST = 1000  # addresses in a field, relays in a chain
_FIELD = re.compile(rb"(?:\xef\xbb\xbf)?(?:From |>?[!-9;-~]{1,100}[ \t]*:)")
_NUMERIC = re.compile(r"\[(?:IPv6:)?([0-9A-Fa-f:.]{3,45})\]")


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Yield each message's Facts ("message"), its text with places like "message 12, ¶ 3", and its attachments as members.

    Raises Unreadable where the file does not begin like a message.
    """
    start = stream.read(4096)
    begin = len(start) - len(start.lstrip(b"\r\n\t "))
    if not _FIELD.match(start, begin):
        raise Unreadable(_("This is no e-mail: it does not begin with a header field like “From:” or “Received:”."))
    begin += 3 if start[begin:].startswith(b"\xef\xbb\xbf") else 0
    stream.seek(begin)
    mailbox = start[begin:].startswith(b"From ") or hints.media_type == "application/mbox"
    count = 0
    walker = iter(Walker(stream, mailbox=mailbox))
    for event in walker:
        if isinstance(event, Opened):
            count += 1
            yield from _message(event, mailbox=mailbox)
        elif isinstance(event, PartOpened):
            yield from _part(event, walker, mailbox=mailbox)
        elif isinstance(event, Broken):
            yield Warn(f"{_where(event.message, mailbox=True)}: {event.sentence}")
    yield Facts("container", {"format": "mbox" if mailbox else "message", "messages": count})


def _where(number: str, *, mailbox: bool) -> str:
    return "" if number == "1" and not mailbox else f"message {number}"


def _place(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _message(event: Opened, *, mailbox: bool) -> Iterator[Finding]:
    where = _where(event.number, mailbox=mailbox)
    data = message_facts(event.headers)
    data["number"] = event.number
    data["offset"] = event.offset
    if event.envelope:
        data["envelope"] = words(event.envelope)[:1000]
    yield Facts("message", data)
    for name in ("From", "To", "Cc", "Subject"):
        if value := words(first(event.headers, name.lower())).strip():
            yield Text(_place(where, f"header {name}"), value)


def _part(part: PartOpened, rest: Iterator[Event], *, mailbox: bool) -> Iterator[Finding]:
    where = _where(part.message, mailbox=mailbox)
    closed = PartClosed()

    def body() -> Iterator[bytes]:
        nonlocal closed
        for event in rest:
            if isinstance(event, PartClosed):
                closed = event
                return
            assert isinstance(event, bytes)
            yield event

    if part.attached:
        name = part.name or f"part {part.place}"
        yield Member(name, f"message {part.message}/part {part.place}/{name}", "attachment", part.media_type)
        for data in body():
            yield Chunk(data)
        yield MemberEnd(closed.problem)
        return
    charset = charset_of(part.charset)
    pieces = body()
    begin = next(pieces, b"")
    if part.media_type == "text/html":
        texts, prefix = html_paragraphs(chain((begin,), pieces), charset), "HTML ¶ "
    else:
        coding = guess(begin[: 1 << 17]) if charset in ("", "ascii") else Coding(charset, "declared")
        texts, prefix = paragraphs(decoded(chain((begin,), pieces), coding.name)), "¶ "
        if coding.by == "statistics":
            sentence = _("{where}: its text names no character set; by its letters it was read as {name}, which is a guess.")
            yield Warn(sentence.format(where=_where(part.message, mailbox=True), name=coding.name))
    for number, text in enumerate(texts, 1):
        yield Text(_place(where, part.name if not part.headers else "", f"{prefix}{number}"), text)
    if part.charset and not charset:
        yield Warn(_("{where}: its character set “{name}” is unknown; its encoding was told by its letters.").format(
            where=_where(part.message, mailbox=True), name=part.charset[:40]))  # fmt: skip
    if closed.problem:
        yield Warn(f"{_where(part.message, mailbox=True)}: {closed.problem}")


def message_facts(headers: Headers) -> Data:
    """What the header of a message claims: persons, times with their zones, ids, relays, signatures present.

    A time is {"written", "iso", "utc"}: as it stands there, in ISO 8601 with its own zone, and in ms since 1970, the last two
    empty where it cannot be read or names no zone. ``received`` is in the order of the file: the newest relay first.
    """
    data: Data = {}
    for name in ("from", "sender", "reply-to", "to", "cc", "bcc"):
        fields = [value for key, value in headers if key == name]
        if fields:
            data[name.replace("-", "_")] = list(_addresses(fields))
    for name in ("subject", "message-id", "in-reply-to", "return-path", "x-mailer", "user-agent", "x-originating-ip"):
        if value := words(first(headers, name)).strip():
            data[name.replace("-", "_")] = value[:10_000]
    if references := first(headers, "references").split()[:_MOST]:
        data["references"] = [*references]
    if written := first(headers, "date"):
        data["date"] = time_of(written)
    data["received"] = [_relay(value) for key, value in headers if key == "received"][:_MOST]
    data["dkim"] = [_signature(value) for key, value in headers if key == "dkim-signature"][:_MOST]
    data["arc_sets"] = sum(key == "arc-seal" for key, _value in headers)
    if told := [value[:2000] for key, value in headers if key == "authentication-results"][:20]:
        data["authentication_results"] = [*told]
    return data


def _addresses(fields: list[str]) -> Iterator[Data]:
    try:
        found = getaddresses([field[:65536] for field in fields])[:_MOST]
    except (ValueError, IndexError, RecursionError):  # broken nesting of comments and quotes
        found = []
    if not any(address for _name, address in found):
        found = [(field, "") for field in fields[:_MOST]]
    for name, address in found:
        yield {"name": words(name)[:1000], "address": words(address)[:1000]}


def time_of(written: str) -> Data:
    """A date of RFC 5322 §3.3 as {"written", "iso", "utc"}; without a zone (or with "-0000") ``utc`` is None."""
    written = written.strip()[:200]
    try:
        when = parsedate_to_datetime(written)
    except (ValueError, TypeError, IndexError, OverflowError):
        return {"written": written, "iso": "", "utc": None}
    utc: int | None = None
    if when.tzinfo is not None:
        utc = (when - datetime(1970, 1, 1, tzinfo=UTC)) // _MILLISECOND
    return {"written": written, "iso": when.isoformat(), "utc": utc}


def _relay(value: str) -> Data:
    told, _semicolon, when = value[:8000].rpartition(";")
    relay: Data = {"date": time_of(when)}
    for word in ("from", "by", "with", "for"):
        if match := re.search(rf"(?:^|\s){word}\s+([^\s;()]+)", told):
            relay[word] = match[1][:300]
    if addresses := _NUMERIC.findall(told)[:10]:
        relay["ip"] = [*addresses]
    return relay


def _signature(value: str) -> Data:
    tags = dict(re.findall(r"(?:^|;)\s*([adst])\s*=\s*([^;\s]+)", value[:8000]))
    names = {"d": "domain", "s": "selector", "a": "algorithm", "t": "time"}
    return {names[tag]: text[:300] for tag, text in tags.items()}
