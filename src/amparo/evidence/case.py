"""The same export as a CASE/UCO graph (CASE 1.5, Unified Cyber Ontology 1.5, JSON-LD): for tools of investigators.

Invariants: a pure function of an ``Export``. Node ids end in a UUID of version 5 (RFC 9562) made of the workspace and the item,
so that two exports of one item name it alike. Each item is a uco-observable:File with its hash, each event of custody a
case-investigation:InvestigativeAction, and a case-investigation:ProvenanceRecord holds the items of the export together.
"""

import uuid
from collections.abc import Iterator
from typing import Any, Final

from amparo.evidence.exhibits import Event, Exhibit, Export, iso, json_graph
from amparo.kernel.i18n import _

CONTEXT: Final = {
    "kb": "urn:amparo:",
    "core": "https://ontology.unifiedcyberontology.org/uco/core/",
    "action": "https://ontology.unifiedcyberontology.org/uco/action/",
    "identity": "https://ontology.unifiedcyberontology.org/uco/identity/",
    "observable": "https://ontology.unifiedcyberontology.org/uco/observable/",
    "tool": "https://ontology.unifiedcyberontology.org/uco/tool/",
    "types": "https://ontology.unifiedcyberontology.org/uco/types/",
    "vocabulary": "https://ontology.unifiedcyberontology.org/uco/vocabulary/",
    "investigation": "https://ontology.caseontology.org/case/investigation/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_SPACE: Final = uuid.UUID("6f0a6f9e-6d4b-5c1e-9a53-0d3c5a5e7b11")  # of our own, for names below it
Node = dict[str, Any]


def graph(export: Export) -> Iterator[bytes]:
    """CASE JSON-LD, UTF-8, in pieces."""
    return json_graph(CONTEXT, nodes(export))


def nodes(export: Export) -> Iterator[Node]:
    """The nodes of the graph."""
    ids = _Ids(export)
    yield from (
        {
            "@id": ids("investigation", ""), "@type": "investigation:Investigation", "core:name": export.title,
            "investigation:focus": _(export.purpose),
            "core:object": [{"@id": ids("record", export.key)}],
        },
        {
            "@id": ids("record", export.key), "@type": "investigation:ProvenanceRecord", "core:name": export.title,
            "core:description": _("Items exported for: {audience}").format(audience=_(export.audience)),
            "investigation:exhibitNumber": export.key, "core:objectCreatedTime": _time(export.when),
            "core:object": [{"@id": ids("item", exhibit.handle)} for exhibit in export.exhibits],
        },
    )  # fmt: skip
    for exhibit in export.exhibits:
        yield from (_item(exhibit, ids), *_actions(exhibit, ids))
    for words, id in ids.named("agent").items():
        yield {"@id": id, "@type": "identity:Identity", "core:name": words}
    for number, id in ids.named("device").items():
        version = export.software.rpartition(" ")[2]
        yield {"@id": id, "@type": "tool:Tool", "core:name": f"Amparo, device {number}", "tool:version": version}


class _Ids:
    """Names of nodes; remembers those of agents and devices."""

    def __init__(self, export: Export) -> None:
        self._workspace = export.workspace
        self._named: dict[str, dict[str, str]] = {"agent": {}, "device": {}}

    def __call__(self, kind: str, name: str) -> str:
        made = f"kb:{kind}-{uuid.uuid5(_SPACE, f'{self._workspace}/{kind}/{name}')}"
        if kind in self._named:
            self._named[kind][name] = made
        return made

    def named(self, kind: str) -> dict[str, str]:
        return self._named[kind]


def _item(exhibit: Exhibit, ids: _Ids) -> Node:
    """A file with the facets FileFacet and ContentDataFacet (UCO observable)."""
    handle = exhibit.handle
    hashed = {
        "@id": ids("sha256", handle), "@type": "types:Hash",
        "types:hashMethod": "SHA256",
        "types:hashValue": {"@type": "xsd:hexBinary", "@value": exhibit.sha256.hex().upper()},
    }  # fmt: skip
    file: Node = {
        "@id": ids("file", handle), "@type": "observable:FileFacet", "observable:filePath": exhibit.path,
        "observable:fileName": exhibit.path.rpartition("/")[2], "observable:sizeInBytes": _integer(exhibit.size),
        "observable:isDirectory": False,
    }  # fmt: skip
    if exhibit.modified:
        file["observable:modifiedTime"] = _time(exhibit.modified)
    content = {
        "@id": ids("content", handle), "@type": "observable:ContentDataFacet", "observable:hash": [hashed],
        "observable:mimeType": exhibit.media_type or "application/octet-stream",
        "observable:sizeInBytes": _integer(exhibit.size),
    }  # fmt: skip
    node: Node = {
        "@id": ids("item", handle), "@type": "observable:File", "core:name": exhibit.name or handle,
        "core:tag": [handle, exhibit.source], "core:hasFacet": [file, content],
    }  # fmt: skip
    if exhibit.added:
        node["core:objectCreatedTime"] = _time(exhibit.added)
    return node


def _actions(exhibit: Exhibit, ids: _Ids) -> list[Node]:
    return [_action(exhibit, event, number, ids) for number, event in enumerate(exhibit.events, 1)]


def _action(exhibit: Exhibit, event: Event, number: int, ids: _Ids) -> Node:
    words = "; ".join(word for word in (event.reason, event.authority, event.detail, event.entry) if word)
    node: Node = {
        "@id": ids("event", f"{exhibit.handle}/{number}"), "@type": "investigation:InvestigativeAction",
        "core:name": _(event.action), "action:endTime": _time(event.when),
        "action:instrument": [{"@id": ids("device", event.device)}],
        "action:object": [{"@id": ids("item", exhibit.handle)}], "action:result": [{"@id": ids("item", exhibit.handle)}],
    }  # fmt: skip
    if event.actor:
        node["action:performer"] = {"@id": ids("agent", event.actor)}
    if words:
        node["core:description"] = words
    return node


def _time(ms: int) -> Node:
    return {"@type": "xsd:dateTime", "@value": iso(ms)}


def _integer(value: int) -> Node:
    return {"@type": "xsd:integer", "@value": str(value)}
