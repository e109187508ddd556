"""Reads HTML, SVG and other XML as text by block; what it would run, load or send elsewhere is listed.

Invariant: nothing is run, loaded or followed, no entity is expanded beyond HTML's own; hidden text comes out too. Memory does
not grow with the file.

Sources: HTML Living Standard (13.2 parsing, 4.2.5.5 and BOM sniffing of the character set), SVG 1.1 §18 (scripts).
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import BinaryIO

from amparo.evidence.findings import Data, Facts, Finding, Hints, Text
from amparo.evidence.readers.plain import charset_of, guess

MEDIA_TYPES = (
    "text/html", "application/xhtml+xml", "image/svg+xml", "application/xml", "application/rss+xml", "application/atom+xml",
    "application/vnd.google-earth.kml+xml", "application/gpx+xml",
)  # fmt: skip
NAME = "html/1"
LONGEST = 1 << 15
_PIECE = 1 << 18
_MOST = 5000  # links told
_LONGEST_TAG = 1 << 20  # a tag that never ends is given up
_BLOCKS = frozenset(
    "address article aside blockquote body br caption center dd details div dl dt fieldset figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 head header hr html legend li main nav ol option p pre section summary table tbody td textarea tfoot "
    "th thead title tr ul text tspan desc item description name".split()
)
_SILENT = frozenset(("script", "style"))
_LOADS = {
    "script": "script", "img": "picture", "iframe": "frame", "frame": "frame", "embed": "object", "object": "object",
    "video": "media", "audio": "media", "source": "media", "track": "media", "link": "style or icon", "image": "picture",
    "use": "picture",
    "feimage": "picture", "foreignobject": "object", "input": "picture", "applet": "object", "base": "base",
}  # fmt: skip
_CHARSET = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{2,40})"
    rb"|<\?xml[^>]{0,100}encoding=[\"']([A-Za-z0-9_.-]{2,40})",
    re.IGNORECASE,
)


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Yield Text for each block ("¶ 3"), then Facts ("page": title, language, scripts, forms; "links"). Raises nothing."""
    head = stream.read(4096)
    told = _CHARSET.search(head[:2048])
    declared = charset_of((told[1] or told[2]).decode()) if told else ""
    sample = head + stream.read(1 << 16)
    coding = guess(sample, declared)
    stream.seek(0)
    page = _Page()
    number = 0
    decoder = coding.decoder()
    while piece := stream.read(_PIECE):
        page.feed(decoder.decode(piece))
        if len(page.rawdata) > _LONGEST_TAG:
            page.give_up()
        for text in page.taken():
            number += 1
            yield Text(f"¶ {number}", text, page.language)
    page.feed(decoder.decode(b"", final=True))
    page.close()
    page.cut()
    for text in page.taken():
        number += 1
        yield Text(f"¶ {number}", text, page.language)
    facts: Data = {
        "title": " ".join("".join(page.title).split())[:1000], "language": page.language,
        "encoding": coding.name, "encoding_by": coding.by,
        "scripts": page.scripts, "handlers": page.handlers, "forms": page.forms, "comments": page.comments, "meta": page.meta,
        "kind": hints.media_type,
    }  # fmt: skip
    yield Facts("page", facts)
    if page.links or page.loads:
        yield Facts("links", {"links": page.links, "loads": page.loads, "count": page.count})


class _Page(HTMLParser):
    """Collects text, cut where a block begins or ends, and what points elsewhere."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title: list[str] = []
        self.language = ""
        self.scripts = self.handlers = self.forms = self.comments = self.count = 0
        self.links: list[Data] = []
        self.loads: list[Data] = []
        self.meta: dict[str, str] = {}
        self._done: list[str] = []
        self._open: list[str] = []
        self._size = self._silent = 0
        self._in_title = False

    def give_up(self) -> None:
        """Take an endless tag as text, so that it costs no more than its length."""
        held, self.rawdata = self.rawdata, ""
        self.handle_data(held)

    def taken(self) -> list[str]:
        done, self._done = self._done, []
        return done

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag in _BLOCKS:
            self.cut()
        self._in_title = tag == "title" or (self._in_title and tag not in _BLOCKS)
        if tag in _SILENT:
            self._silent += 1
        self.scripts += tag == "script"
        self.forms += tag == "form"
        self.handlers += sum(name.startswith("on") for name in told)
        if tag == "html" or (tag == "svg" and not self.language):
            self.language = (told.get("lang") or told.get("xml:lang") or "")[:35]
        if (
            tag == "meta"
            and (key := told.get("name") or told.get("property") or told.get("http-equiv"))
            and len(self.meta) < 200
        ):
            self.meta[key[:200]] = told.get("content", "")[:2000]
        if alternative := told.get("alt") or (told.get("value") if tag in ("input", "button") else ""):
            self.handle_data(f" [{alternative}] ")
        self._point(tag, told)

    def _point(self, tag: str, told: dict[str, str]) -> None:
        for name in ("href", "xlink:href", "src", "srcset", "action", "formaction", "data", "poster", "background", "ping"):
            target = told.get(name, "").strip()
            if not target or target.startswith("#"):
                continue
            self.count += 1
            kind = "form" if "action" in name else _LOADS.get(tag, "link")
            into = self.links if kind in ("link", "form") else self.loads
            if len(into) < _MOST:
                into.append({"kind": kind, "target": target[:2000]})

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT and self._silent:
            self._silent -= 1
        if tag == "title":
            self._in_title = False
        if tag in _BLOCKS:
            self.cut()

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        if self._in_title and len(self.title) < 100:
            self.title.append(data[:1000])
        self._open.append(data)
        self._size += len(data)
        if self._size > LONGEST:
            self.cut()

    def handle_comment(self, data: str) -> None:  # noqa: ARG002 - counted, and left in the original
        self.comments += 1

    def cut(self) -> None:
        text = " ".join("".join(self._open).split())
        self._open, self._size = [], 0
        self._done += [text[start : start + LONGEST] for start in range(0, len(text), LONGEST)]
