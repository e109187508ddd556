"""Views on real SQLCipher files, and a made-up record to fill them with. No claim here tells of anybody."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from amparo.record.model import Assessment, Claim, Consent, Entity, Link
from amparo.record.search import search
from amparo.record.view import RecordView
from amparo.vault.database import Database

KEY = bytes(range(32))
PAGE, RESERVED = 4096, 80  # SQLCipher 4: IV and HMAC-SHA512 at the end of each page
Part = tuple[tuple[int, int, int], str, list[list[Any]]]


def open_view(path: Path) -> RecordView:
    return RecordView(Database(path, KEY))


def filled(path: Path, parts: Iterable[Part], batch: int = 0) -> RecordView:
    """A view with all parts applied: in one bulk, or in bulks of ``batch`` parts."""
    view, parts = open_view(path), list(parts)
    for start in range(0, len(parts), batch or max(1, len(parts))):
        with view.bulk():
            for part in parts[start : start + (batch or len(parts))]:
                view.apply(*part)
    return view


def entity(handle: str, kind: str, **fields: Any) -> list[Any]:
    return Entity(handle, kind, **fields).to_row()


def claim(
    number: int | str, subject: str, property: str = "description", value: str = "", text: str = "", **more: Any
) -> list[Any]:
    handle = number if isinstance(number, str) else f"C-{number:04d}"
    return Claim(handle, subject, property, value, text, **more).to_row()


def example() -> list[Part]:
    """Two events, three acts with grounds, three persons, two sources; made up."""
    return [
        ((1, 1, 0), Entity.TYPE, [
            entity("L-0001", "place", label="Grozny", key="grozny", dataset="d"),
            entity("L-0002", "place", label="Аргун", key="argun", dataset="d"),
            entity("S-0001", "source", label="A made-up report", key="s1", dataset="d", basis="published source"),
            entity("S-0002", "source", type="interview", basis="consent"),
            entity("E-0001", "event", key="F001", dataset="d"),
            entity("E-0002", "event", key="F002", dataset="d"),
            entity("A-0001", "act", parent="E-0001", label="Detention of a gay man"),
            entity("A-0002", "act", parent="E-0001"),
            entity("A-0003", "act", parent="E-0002"),
            entity("Q-0001", "passage", parent="S-0002"),
        ]),
        ((1, 1, 1), Entity.TYPE, [entity("P-0001", "person", key="V-001", dataset="d")]),
        ((1, 1, 2), Entity.TYPE, [entity("P-0002", "person"), entity("P-0003", "person")]),
        ((1, 2, 0), Claim.TYPE, [
            claim(1, "E-0001", text="Officers in masks detained men in Grozny", valid="2017-03", place="L-0001",
                  source="S-0001", key="F001/1", dataset="d", recorded=1),
            claim(2, "E-0002", text="Сотрудники задержали мужчин в Грозном", valid="2017-04-02", place="L-0001",
                  source="S-0001", key="F002/1", dataset="d", recorded=2),
            claim(3, "E-0002", "number detained", "40", "About forty were held in Argun", valid="2017", place="L-0002",
                  source="S-0001", key="F002/2", dataset="d", recorded=3),
            claim(4, "A-0001", "ground", "sexual orientation", "They called him gay", source="S-0001", key="F001/2",
                  dataset="d"),
            claim(5, "A-0002", "ground", "sexual orientation", "They called him гей", source="S-0001", key="F001/3",
                  dataset="d"),
        ]),
        ((1, 2, 1), Claim.TYPE, [
            claim(6, "A-0001", "victim", "P-0001", "A gay man was beaten with pipes", person="P-0001", source="S-0001"),
            claim(7, "A-0001", text="He was beaten because he was gay", person="P-0001", source="S-0002", passage="Q-0001",
                  valid="2017-05", speaker="P-0001"),
            claim(8, "A-0001", "ground", "sexual orientation", "because I am gay", person="P-0001", source="S-0002"),
        ]),
        ((1, 2, 2), Claim.TYPE, [
            claim(9, "A-0002", "victim", "P-0002", "A homosexual was beaten", person="P-0002", source="S-0001"),
            claim(10, "A-0003", "victim", "P-0003", "A student was beaten", person="P-0003", source="S-0001"),
            claim(11, "A-0003", "ground", "political opinion", "for his posts", person="P-0003", source="S-0001"),
        ]),
        ((1, 3, 0), Claim.TYPE, [
            claim(12, "E-0001", text="No one was detained in Grozny", source="S-0001", stance="denial", polarity="denied",
                  recorded=4),
            claim(13, "E-0002", "number detained", "45", "Forty-five were held in Argun", valid="2017", place="L-0002",
                  source="S-0001", key="F002/2", dataset="d", supersedes="C-0003", reason="re-import", recorded=5),
        ]),
        ((1, 3, 1), Link.TYPE, [Link("K-0001", "contradicts", "C-0012", "C-0001", key="l1", dataset="d").to_row(),
                                Link("K-0002", "retracts", "C-0012", "C-0002").to_row(),
                                Link("K-0003", "contradicts", "C-0004", "C-0011").to_row()]),
        ((1, 3, 2), Assessment.TYPE, [
            Assessment("J-0001", "A gay man was detained", "reasonable grounds", "established", "Two accounts agree", "team",
                       "2020", ["C-0006"], ["C-0012"]).to_row(),
        ]),
        ((1, 4, 0), Consent.TYPE, [Consent("P-0001", "S-0002", ["record"], ["team"], key="c1", dataset="d").to_row()]),
        ((1, 4, 1), Consent.TYPE, [Consent("P-0001", "S-0002", ["record"], ["court"], key="c1", dataset="d").to_row()]),
        ((1, 4, 2), "access@1", [["device", "show", "P-0001", "a reason", 1]]),
        ((1, 4, 3), "counters@1", [["claim", 14], ["person", 4]]),
        ((1, 4, 4), "weather@1", [["rain", 3]]),
        ((1, 5, 0), Entity.TYPE, [entity("L-0001", "place", label="Grozny, the capital", key="grozny", dataset="d")]),
    ]  # fmt: skip


QUERIES = ["", "grozny", "Грозный", "غروزني", "detained men", '"in masks"', "detain*", "beaten", "F001", "argun", "nothing"]


def answers(view: RecordView) -> dict[str, Any]:
    """What every query of the view answers: two views that agree here cannot be told apart."""
    handles = [e.handle for e in view.entities()]
    claims = [f"C-{number:04d}" for number in range(1, 40)]
    return {
        "entities": view.entities(),
        "histories": [view.entity_history(handle) for handle in handles],
        "claims": [view.claim(handle) for handle in claims],
        "by": [[view.claims(subject=h), view.claims(value=h), view.claims(source=h), view.claims(passage=h),
                view.claims(person=h), view.ground_of(h), view.entities(parent=h), view.consents(h), view.sources_of_person(h),
                view.persons_of_source(h), view.origins_of_person(h), view.origins_of_source(h)] for h in handles],
        "keys": [view.claims(key_prefix="F"), [view.by_key(k) for k in ("grozny", "F001", "V-001")],
                 [view.find("d", k, t) for k, t in (("F001/1", Claim.TYPE), ("F002/2", Claim.TYPE), ("l1", Link.TYPE),
                                                    ("c1", Consent.TYPE), ("grozny", Entity.TYPE))]],
        "links": [[view.links(handle), view.assessments(handle)] for handle in claims],
        "lists": [view.contradictions(), view.assessments(), list(view.timeline()), view.ground_counts(),
                  view.rows("weather@1")],
        "counts": view.counts(),
        "search": [search(view, query) for query in QUERIES],
        "filtered": [search(view, "", **f) for f in ({"kind": "event"}, {"date": "2017-03"}, {"place": "L-0002"},  # type: ignore[arg-type]
                                                     {"source": "S-0001"}, {"status": "superseded"}, {"property": "victim"})],
    }  # fmt: skip


def decrypted(path: Path) -> bytes:
    """Every page of a SQLCipher file as it was before encryption, free pages and all; and its write-ahead log as it lies."""
    raw = path.read_bytes()
    pages = []
    for start in range(0, len(raw), PAGE):
        page = raw[start : start + PAGE]
        first = 16 if start == 0 else 0  # the salt stands in place of the file's magic
        decryptor = Cipher(algorithms.AES(KEY), modes.CBC(page[-RESERVED : -RESERVED + 16])).decryptor()
        pages.append(decryptor.update(page[first:-RESERVED]) + decryptor.finalize())
    log = path.with_name(path.name + "-wal")
    assert not log.exists() or not log.stat().st_size
    return b"".join(pages)
