"""Hostile XML by the element: chosen elements come out whole, everything else flows by.

Invariants: memory is bounded by one element (``MOST_NODES``, ``MOST_TEXT``, ``DEEPEST``) whatever the document's size; a
document type declaration is refused, so that no entity can be declared, none expanded and none fetched; the parser is libxml2's
push parser without network and without its ``huge_tree`` switch.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from lxml import etree  # type: ignore[import-untyped]

from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _

LARGEST: Final = 2 << 30
"""Bytes of a list that are read."""
MOST_NODES = 50_000
MOST_TEXT = 4 << 20
DEEPEST = 64


class BadWatchList(BadInput):
    template = N_(
        "The list cannot be read: {why}. Get it again from its publisher, or name its format with --as. Nothing was imported."
    )

    def __str__(self) -> str:
        return _(self.template).format(why=_(str(self.facts["why"])))


class Node:
    """An element: ``tag`` without its name space, attributes, children, ``content`` (its own text, trimmed)."""

    __slots__ = ("_attributes", "_children", "_text", "tag")

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self._attributes = {_local(name): value for name, value in attributes.items()}
        self._children: list[Node] = []
        self._text: list[str] = []

    @property
    def content(self) -> str:
        return "".join(self._text).strip()

    def get(self, name: str) -> str:
        """An attribute's value, "" where it is absent."""
        return self._attributes.get(name, "").strip()

    def children(self, tag: str) -> list["Node"]:
        return [child for child in self._children if child.tag == tag]

    def first(self, tag: str) -> "Node | None":
        return next(iter(self.children(tag)), None)

    def text(self, tag: str) -> str:
        """The text of the first child of that tag, "" where there is none."""
        found = self.first(tag)
        return found.content if found else ""

    def all(self, outer: str, inner: str) -> list["Node"]:
        """The elements ``outer/inner`` below this one."""
        return [child for middle in self.children(outer) for child in middle.children(inner)]


def _local(name: str) -> str:
    return name.rpartition("}")[2]


class _Collector:
    """The target of lxml's parser: builds a Node for each wanted element and lays it ready."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self.ready: list[Node] = []
        self._wanted = wanted
        self._open: list[Node] = []
        self._depth = self._nodes = self._letters = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise BadWatchList(why=N_("its elements lie too deep"))
        local = _local(tag)
        if not self._open and local not in self._wanted:
            return
        if not self._open:
            self._nodes = self._letters = 0
        self._nodes += 1
        self._letters += sum(len(name) + len(value) for name, value in attributes.items())
        self._check()
        node = Node(local, dict(attributes))
        if self._open:
            self._open[-1]._children.append(node)  # noqa: SLF001 - built here
        self._open.append(node)

    def end(self, _tag: str) -> None:
        self._depth -= 1
        if self._open:
            node = self._open.pop()
            if not self._open:
                self.ready.append(node)

    def data(self, text: str) -> None:
        if self._open:
            self._letters += len(text)
            self._check()
            self._open[-1]._text.append(text)  # noqa: SLF001 - built here

    def doctype(self, *_names: str | None) -> None:
        raise BadWatchList(why=N_("it declares a document type, which no list does"))

    def close(self) -> None:
        """Nothing is left to give."""

    def _check(self) -> None:
        if self._nodes > MOST_NODES or self._letters > MOST_TEXT:
            raise BadWatchList(why=N_("one of its entries is too large"))


_PIECE = 1 << 16


def elements(chunks: Iterable[bytes], wanted: frozenset[str]) -> Iterator[Node]:
    """Every element whose local name is in ``wanted``, in the document's order. Raises BadWatchList."""
    collector = _Collector(wanted)
    parser = etree.XMLParser(target=collector, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        for chunk in chunks:
            for start in range(0, len(chunk), _PIECE):
                parser.feed(chunk[start : start + _PIECE])
                yield from collector.ready
                collector.ready = []
        parser.close()
    except (etree.LxmlError, ValueError):
        raise BadWatchList(why=N_("it is not well-formed XML")) from None
    yield from collector.ready
