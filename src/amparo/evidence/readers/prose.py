"""Cuts running text and HTML into paragraphs while it streams by.

Invariant: memory does not grow with the text; nothing of HTML is run, loaded or followed; every letter that a browser could be
made to show comes out, hidden ones too, but for comments, scripts and styles.
"""

import codecs
from collections.abc import Iterable, Iterator
from contextlib import suppress

from lxml import etree  # type: ignore[import-untyped]

LONGEST = 1 << 15
_BLOCKS = frozenset(
    "address article aside blockquote body br caption center dd details div dl dt fieldset figcaption figure footer form h1 h2 "
    "h3 h4 h5 h6 head header hr html legend li main nav ol option p pre section summary table tbody td tfoot th thead title "
    "tr ul".split()
)
_SILENT = frozenset(("script", "style", "template"))


def decoded(chunks: Iterable[bytes], charset: str) -> Iterator[str]:
    """Bytes of one text as pieces of it; bytes that ``charset`` does not know stay visible as escapes."""
    decoder = codecs.getincrementaldecoder(charset)("backslashreplace")
    for chunk in chunks:
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)


def paragraphs(pieces: Iterable[str]) -> Iterator[str]:
    """The paragraphs of a text: what stands between empty lines, cut after 32 Ki letters; blank ones are left out."""
    lines: list[str] = []
    size, rest = 0, ""
    for piece in pieces:
        *whole, rest = (rest + piece).replace("\r\n", "\n").split("\n")
        if len(rest) > LONGEST:
            whole.append(rest)
            rest = ""
        for line in whole:
            size += len(line)
            if not line.strip() or size > LONGEST:
                yield from _joined(lines)
                lines, size = [], len(line)
            lines.append(line)
    lines.append(rest)
    yield from _joined(lines)


def _joined(lines: list[str]) -> Iterator[str]:
    text = "\n".join(lines).strip()
    for start in range(0, len(text), LONGEST):
        yield text[start : start + LONGEST]


class _Blocks:
    """The target of lxml's parser (SAX): collects text, cut where a block begins or ends."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self._open: list[str] = []
        self._silent = self._size = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in _SILENT:
            self._silent += 1
        if tag in _BLOCKS:
            self._cut()
        if told := attributes.get("alt") or (attributes.get("value") if tag == "input" else ""):
            self.data(f" [{told}] ")

    def end(self, tag: str) -> None:
        if tag in _SILENT and self._silent:
            self._silent -= 1
        if tag in _BLOCKS:
            self._cut()

    def data(self, text: str) -> None:
        if self._silent:
            return
        self._open.append(text)
        self._size += len(text)
        if self._size > LONGEST:
            self._cut()

    def close(self) -> None:
        self._cut()

    def _cut(self) -> None:
        text = " ".join("".join(self._open).split())
        self._open, self._size = [], 0
        self.done += [text[start : start + LONGEST] for start in range(0, len(text), LONGEST)]


def html_paragraphs(chunks: Iterable[bytes], charset: str = "") -> Iterator[str]:
    """The paragraphs of an HTML text; ``charset`` as declared outside of it, "" to believe its own ``meta`` element."""
    blocks = _Blocks()
    parser = etree.HTMLParser(target=blocks, no_network=True, huge_tree=True)
    fed = False
    for chunk in decoded(chunks, charset) if charset else chunks:
        if chunk:
            fed = True
            with suppress(etree.LxmlError):  # it recovers from nearly all; what was read stands, and what follows is tried
                parser.feed(chunk)
        yield from blocks.done
        blocks.done = []
    if fed:
        with suppress(etree.LxmlError):
            parser.close()
    blocks.close()
    yield from blocks.done
