"""RO-Crate 1.1 metadata of an export (https://w3id.org/ro/crate/1.1): the items, their hashes, and what was done with them.

Invariant: a pure function of an ``Export``; the same export gives the same bytes. Whoever did something is named as the custody
names them (codes such as V-001), and only there.
"""

from collections.abc import Iterator
from typing import Any, Final

from amparo.evidence.exhibits import Event, Exhibit, Export, iso, json_graph
from amparo.kernel.i18n import _

METADATA: Final = "ro-crate-metadata.json"
PREVIEW: Final = "ro-crate-preview.html"
PROFILE: Final = "https://w3id.org/ro/crate/1.1"
_CONTEXT: Final = [f"{PROFILE}/context", {"sha256": "http://schema.org/sha256", "blake3": "urn:amparo:terms:blake3"}]
_MAKES: Final = ("derived", "redacted")
_TYPES: Final = {"acquired": "CreateAction", "received": "ReceiveAction", "handed over": "TransferAction"}
Node = dict[str, Any]


def metadata(export: Export) -> Iterator[bytes]:
    """ro-crate-metadata.json: UTF-8, a flattened graph (RO-Crate 1.1, 2 and 3), in pieces."""
    return json_graph(_CONTEXT, nodes(export))


def nodes(export: Export) -> Iterator[Node]:
    """The nodes of the graph."""
    agents = _Agents(export)
    yield {"@id": METADATA, "@type": "CreativeWork", "conformsTo": {"@id": PROFILE}, "about": {"@id": "./"}}
    yield _root(export)
    for exhibit in export.exhibits:
        yield from (_file(exhibit), *_actions(exhibit, agents))
    for path, what in sorted(export.others.items()):
        yield {"@id": path, "@type": "File", "name": what, "encodingFormat": _format(path)}
    yield from (*agents.nodes(), _organisation(export), _licence())


def _root(export: Export) -> Node:
    parts = [{"@id": exhibit.path} for exhibit in export.exhibits] + [{"@id": path} for path in sorted(export.others)]
    told = _("Digital items with hashes, chain of custody and proofs, exported for: {audience}. {recipient}")
    description = told.format(audience=_(export.audience), recipient=export.recipient).strip()
    return {
        "@id": "./", "@type": "Dataset", "name": export.title, "description": description,
        "datePublished": iso(export.when)[:10], "identifier": f"urn:amparo:{export.workspace}:{export.key}",
        "license": {"@id": "#rights"}, "hasPart": parts, "author": {"@id": "#organisation"},
        "publisher": {"@id": "#organisation"},
        "mentions": [{"@id": f"#{one.handle}-{n}"} for one in export.exhibits for n, _event in enumerate(one.events, 1)],
    }  # fmt: skip


def _organisation(export: Export) -> Node:
    name = export.organisation or _("Amparo workspace {number}").format(number=export.workspace)
    return {"@id": "#organisation", "@type": "Organization", "name": name, "identifier": export.workspace}


def _licence() -> Node:
    words = _("For the proceedings this was exported for; whoever wants to use it otherwise asks who exported it.")
    return {"@id": "#rights", "@type": "CreativeWork", "name": _("Rights"), "description": words}


def _file(exhibit: Exhibit) -> Node:
    """One item; absent facts are left out rather than written empty."""
    node: Node = {
        "@id": exhibit.path, "@type": "File", "name": exhibit.name or exhibit.handle, "identifier": exhibit.handle,
        "contentSize": str(exhibit.size), "encodingFormat": exhibit.media_type or "application/octet-stream",
        "sha256": exhibit.sha256.hex(), "blake3": exhibit.blake3.hex(),
    }  # fmt: skip
    if exhibit.modified:
        node["dateModified"] = iso(exhibit.modified)
    if exhibit.added:
        node["dateCreated"] = iso(exhibit.added)
    if exhibit.parent:
        node["isBasedOn"] = exhibit.parent
        node["description"] = _("{relation} of {parent}").format(relation=_(exhibit.relation), parent=exhibit.parent)
    if exhibit.files:
        node["subjectOf"] = [{"@id": path} for path in exhibit.files]
    return node


def _actions(exhibit: Exhibit, agents: "_Agents") -> list[Node]:
    return [_action(exhibit, event, number, agents) for number, event in enumerate(exhibit.events, 1)]


def _action(exhibit: Exhibit, event: Event, number: int, agents: "_Agents") -> Node:
    kind = _TYPES.get(event.action, "CreateAction" if event.action in _MAKES else "Action")
    words = "; ".join(word for word in (event.reason, event.authority, event.detail) if word)
    node: Node = {
        "@id": f"#{exhibit.handle}-{number}", "@type": kind, "name": f"{exhibit.handle}: {_(event.action)}",
        "endTime": iso(event.when), "instrument": {"@id": agents.device(event.device)},
        "agent": {"@id": agents.person(event.actor) if event.actor else agents.device(event.device)},
        "object": {"@id": exhibit.path},
    }  # fmt: skip
    if kind == "CreateAction":
        node["result"] = {"@id": exhibit.path}
    if words:
        node["description"] = words
    if event.entry:
        node["identifier"] = f"ledger entry {event.entry}"
    return node


class _Agents:
    """The persons and devices that the custody names, each once."""

    def __init__(self, export: Export) -> None:
        self._export = export
        self._devices: dict[str, str] = {}
        self._persons: dict[str, str] = {}

    def device(self, number: str) -> str:
        return self._devices.setdefault(number, f"#device-{number}")

    def person(self, words: str) -> str:
        return self._persons.setdefault(words, f"#agent-{len(self._persons) + 1}")

    def nodes(self) -> list[Node]:
        version = self._export.software
        devices = [
            {"@id": id, "@type": "SoftwareApplication", "version": version.rpartition(" ")[2],
             "name": _("{software} on device {n}").format(software=version, n=number)}
            for number, id in self._devices.items()
        ]  # fmt: skip
        return [*devices, *({"@id": id, "@type": "Person", "name": words} for words, id in self._persons.items())]


def _format(path: str) -> str:
    known = {
        "pdf": "application/pdf", "csv": "text/csv", "json": "application/json", "jsonld": "application/ld+json",
        "cbor": "application/cbor", "txt": "text/plain", "tsr": "application/timestamp-reply",
        "pem": "application/x-pem-file", "ots": "application/vnd.opentimestamps.v1", "py": "text/x-python",
    }  # fmt: skip
    return known.get(path.rpartition(".")[2], "application/octet-stream")
