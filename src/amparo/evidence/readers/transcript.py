"""Reads transcripts and subtitles: SRT, WebVTT, TTML, and the JSON of common recognisers; each cue a piece with its times.

Invariant: a time that cannot be read is named with its line or entry, and the words beside it are kept under a place that
says so; words are handed on as written, tags of formatting taken away; a transcript says what a recogniser or a person heard.

Sources: WebVTT (W3C 2019), TTML2 (W3C 2021) clause 12.3, SubRip as players read it, the outputs of Whisper, whisper.cpp,
faster-whisper, Vosk, pocketsphinx, Amazon Transcribe, Google and Azure Speech-to-Text.
"""

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from lxml import etree  # type: ignore[import-untyped]

from amparo.evidence.findings import Facts, Finding, Hints, Text, Unreadable, Warn
from amparo.evidence.readers.plain import guess
from amparo.kernel.i18n import _

MEDIA_TYPES = ("application/x-subrip", "text/vtt", "application/ttml+xml", "application/x-transcript+json", "application/json")
NAME = "transcript/2"
_LARGEST_JSON = 64 << 20
_LONGEST = 1 << 15
_CLOCK = r"(?:(\d{1,4})\s*:\s*)?(\d{1,2})\s*:\s*(\d{1,2})(?:\s*[.,:]\s*(\d{1,9}))?"
_CUE = re.compile(rf"\s*{_CLOCK}\s*--?>\s*{_CLOCK}(?:\s|$)", re.ASCII)
_ARROW = re.compile(r"\s*[\d:.,\s]*\d[\d:.,\s]*--?>")
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,200}>|<[\d:.]{5,15}>|\{\\[^{}]{0,200}\}")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]{1,200})>")


@dataclass(slots=True)
class Cue:
    """``start`` and ``end`` in seconds, None unknown; ``confidence`` 0..1, None where the recogniser gives none."""

    start: float | None
    end: float | None
    text: str
    speaker: str = ""
    confidence: float | None = None


def place(start: float | None, end: float | None) -> str:
    """A stretch of time as a locator: "00:01:02.000-00:01:05.500"."""
    return f"{clock(start)}-{clock(end)}" if start is not None and end is not None else ""


def clock(seconds: float | None) -> str:
    """Seconds as "00:01:02.000"."""
    total = round((seconds or 0) * 1000)
    return f"{total // 3_600_000:02}:{total // 60_000 % 60:02}:{total // 1000 % 60:02}.{total % 1000:03}"


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Yield each cue as Text (locator "00:01:02.000-00:01:05.500, speaker"), then Facts ("transcript"). Raises Unreadable.

    JSON of which nothing but that is known is passed over in silence where it is no transcript.
    """
    stream.seek(0)
    head = stream.read(4096)
    stream.seek(0)
    start = head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0")
    if start[:1] in (b"{", b"["):
        try:
            found, kind = _json(stream)
        except Unreadable:
            if hints.media_type == "application/json":
                return
            raise
        yield from _pieces(iter(found), kind)
    elif start[:1] == b"<":
        yield from _pieces(_ttml(stream), "TTML")
    else:
        yield from _pieces(_lines(stream, head), "WebVTT" if start.startswith(b"WEBVTT") else "SubRip")


def _pieces(cues: Iterator[Cue | Warn], kind: str) -> Iterator[Finding]:
    count, last, latest = 0, 0.0, 0.0
    speakers: dict[str, int] = {}
    doubts: list[dict[str, object]] = []
    for cue in cues:
        if isinstance(cue, Warn):
            yield cue
            continue
        count += 1
        where = place(cue.start, cue.end) or _("cue {n}, time unknown").format(n=count)
        if cue.speaker and (cue.speaker in speakers or len(speakers) < 1000):
            speakers[cue.speaker] = speakers.get(cue.speaker, 0) + 1
        for begin in range(0, max(1, len(cue.text)), _LONGEST):
            yield Text(where + (f", {cue.speaker[:200]}" if cue.speaker else ""), cue.text[begin : begin + _LONGEST])
        if cue.start is not None and cue.end is not None:
            if cue.end < cue.start:
                yield Warn(_("Cue {n} ends before it begins ({where}).").format(n=count, where=where))
            if cue.start < last:
                yield Warn(_("Cue {n} begins before the one above it ({where}).").format(n=count, where=where))
            last, latest = cue.start, max(latest, cue.end)
        if cue.confidence is not None and len(doubts) < 10_000:
            doubts.append({"place": where, "confidence": round(cue.confidence, 4)})
    if not count:
        raise Unreadable(_("There is no cue in this transcript: no line like “00:01:02,000 --> 00:01:05,500” was found."))
    data: dict[str, Any] = {"format": kind, "cues": count, "seconds": round(latest, 3), "speakers": [*speakers]}
    if doubts:
        data["confidence"] = doubts
    yield Facts("transcript", data)


def _text_lines(stream: BinaryIO, head: bytes) -> Iterator[str]:
    """Lines without their ends, 64 Ki letters at most; the encoding by its mark or its letters."""
    decoder = guess(head).decoder()
    rest = ""
    while block := stream.read(1 << 16):
        *whole, rest = (rest + decoder.decode(block)).replace("\r\n", "\n").split("\n")
        yield from (line.rstrip("\r") for line in whole)
        if len(rest) > 1 << 16:
            yield rest
            rest = ""
    yield rest + decoder.decode(b"", final=True)


def _lines(stream: BinaryIO, head: bytes) -> Iterator[Cue | Warn]:
    """SRT and WebVTT: a line with an arrow begins a cue, an empty line ends it."""
    cue: Cue | None = None
    words: list[str] = []
    skipping, count, size = False, 0, 0
    for number, line in enumerate(_text_lines(stream, head), 1):
        match = _CUE.match(line)
        if match or _ARROW.match(line):
            if cue is not None:
                numbered = words and words[-1].strip() == str(count + 1)  # of the cue that begins: no blank line before it
                yield from _finished(cue, words[:-1] if numbered else words)
            words, skipping, count, size = [], False, count + 1, 0
            cue = Cue(_seconds(match.groups()[:4]), _seconds(match.groups()[4:]), "") if match else Cue(None, None, "")
            if cue.start is None or cue.end is None:
                sentence = _("Line {n}: “{line}” is not a time; its words are kept without one.")
                yield Warn(sentence.format(n=number, line=line[:80]))
        elif not line.strip():
            if cue is not None and words:
                yield from _finished(cue, words)
                cue, words = None, []
            skipping = False
        elif cue is not None:
            size += len(line) + 1
            if size < 1 << 20:
                words.append(line)
        elif line.startswith(("NOTE", "STYLE", "REGION", "WEBVTT")):
            skipping = True
        elif not skipping and not line.strip().isdigit() and not re.fullmatch(r"[\w.-]{1,80}", line.strip()):
            yield Warn(_("Line {n}: “{line}” belongs to no cue.").format(n=number, line=line[:80]))
    if cue is not None:
        yield from _finished(cue, words)


def _seconds(groups: tuple[str | None, ...]) -> float | None:
    hours, minutes, seconds, fraction = groups
    if int(minutes or 0) > 59 or int(seconds or 0) > 59:
        return None
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0) + float(f"0.{fraction or 0}")


def _finished(cue: Cue, words: list[str]) -> Iterator[Cue]:
    text = "\n".join(words)
    if voice := _VOICE.search(text):
        cue.speaker = html.unescape(voice[1]).strip()
    cue.text = html.unescape(_TAG.sub("", text)).strip()
    if cue.text:
        yield cue


def _ttml(stream: BinaryIO) -> Iterator[Cue | Warn]:
    """TTML: each ``p`` with begin and end (or dur); entities are not expanded, nothing is loaded."""
    parser = etree.XMLPullParser(("start", "end"), resolve_entities=False, no_network=True, load_dtd=False, recover=True)
    rate, tick, count = 30.0, 1.0, 0
    while block := stream.read(1 << 16):
        parser.feed(block)
        for event, node in parser.read_events():
            name = _local(node.tag)
            if event == "start" and name == "tt":
                rate = _number(_attribute(node, "frameRate"), rate)
                tick = _number(_attribute(node, "tickRate"), tick)
            elif event == "end" and name == "p":
                count += 1
                begin, end = (_offset(_attribute(node, key), rate, tick) for key in ("begin", "end"))
                length = _offset(_attribute(node, "dur"), rate, tick)
                if end is None and begin is not None and length is not None:
                    end = begin + length
                if begin is None or end is None:
                    sentence = _("Line {n}: paragraph {count} has no time that can be read; its words are kept without one.")
                    yield Warn(sentence.format(n=node.sourceline, count=count))
                text = "".join("\n" if part is None else part for part in _spoken(node)).strip()
                if text:
                    yield Cue(begin, end, text, _attribute(node, "agent"))
                node.clear()
                while node.getprevious() is not None:  # what was read need not be kept
                    del node.getparent()[0]


def _local(tag: object) -> str:
    """The name without its name space, "" for a comment; by hand, for lxml refuses names that its own parser lets through."""
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _spoken(node: Any) -> Iterator[str | None]:
    yield node.text or ""
    for child in node:
        if _local(child.tag) == "br":
            yield None
        elif isinstance(child.tag, str):
            yield from _spoken(child)
        yield child.tail or ""


def _attribute(node: Any, name: str) -> str:
    return next((str(value) for key, value in node.attrib.items() if _local(key) == name), "")


def _number(text: str, otherwise: float) -> float:
    return float(text) if re.fullmatch(r"[0-9]{1,9}", text) and int(text) else otherwise


def _offset(text: str, rate: float, tick: float) -> float | None:
    """A time expression of TTML2 §12.3.1 in seconds."""
    if match := re.fullmatch(r"(\d{1,4}):(\d\d):(\d\d)(?:\.(\d{1,9})|:(\d{1,3}))?", text.strip(), re.ASCII):
        base = _seconds((match[1], match[2], match[3], match[4]))
        return base if base is None else base + int(match[5] or 0) / rate
    if match := re.fullmatch(r"(\d{1,12}(?:\.\d{1,9})?)(h|ms|m|s|f|t)", text.strip(), re.ASCII):
        factor = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "f": 1 / rate, "t": 1 / tick}[match[2]]
        return float(match[1]) * factor
    return None


def _json(stream: BinaryIO) -> tuple[list[Cue | Warn], str]:
    raw = stream.read(_LARGEST_JSON + 1)
    if len(raw) > _LARGEST_JSON:
        raise Unreadable(_("This transcript is larger than 64 MiB; export it in parts."))
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Unreadable(_("This transcript is not whole JSON ({why}).").format(why=str(error)[:200])) from None
    from amparo.evidence.readers import recognised

    return recognised.cues(data)
