"""What was imported, what a dossier can be about, and the ends of the ledger: for the pages of imports, dossiers, integrity.

Invariant: reading only, and never more than a page of it.
"""

from dataclasses import asdict
from typing import Any, Final

from amparo.app.session import Session
from amparo.kernel import cbor
from amparo.ledger.log import Position

_TABLES: Final = 50
_EVENTS: Final = 60


def imports(session: Session, at: int = 1) -> dict[str, Any]:
    """A page of imports (``at`` from 1), the last first: the tables of one import together, with what its entry brought.

    Refused rows are on no record: they were told when the import was made, and written where the user asked.
    """
    found = session.record.tables(_TABLES + 1, (at - 1) * _TABLES)
    groups: dict[tuple[str, int, int], dict[str, Any]] = {}
    for origin, table in found[:_TABLES]:
        key = table.dataset, origin.device, origin.seq
        if key not in groups:
            told = session.record.told(origin.device, origin.seq)
            groups[key] = {"dataset": table.dataset, "device": origin.device, "seq": origin.seq, "tables": [],
                           "brought": [(type, rows) for type, rows, _handles in told if type != "counters@1"]}  # fmt: skip
        files = [{"name": file.name, "size": file.size, "sha256": file.sha256.hex(), "added": file.added}
                 for file in session.testimony.files(table.handle)]  # fmt: skip
        groups[key]["tables"].append({"handle": table.handle, "name": table.label, "files": files})
    return {"imports": list(groups.values()), "at": at, "more": len(found) > _TABLES}


def choices(session: Session) -> dict[str, Any]:
    """The events that a dossier may be about, if they are few, and how many there are."""
    count = session.record.counts().get("event", 0)
    events = session.record.entities(kind="event") if count <= _EVENTS else []
    return {"events": [asdict(event) for event in events], "count": count}


def ends(session: Session) -> list[dict[str, Any]]:
    """Each device's log: number of the device, how many entries, the hash of the last one (hex)."""
    numbers = session.ledger.numbers()
    found = [(numbers.get(device, 0), Position.unpack(cbor.decode(packed)))
             for device, packed in session.record.positions().items()]  # fmt: skip
    return [{"device": number, "entries": end.seq + 1, "hash": end.hash.hex()} for number, end in sorted(found)]
