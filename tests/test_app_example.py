"""The worked example in a real workspace: every fact is traced to its claims, and the dossier leaves only through the gate."""

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from amparo.app import correcting, importing, opening, people, reading, release
from amparo.app.session import Session
from amparo.protect.gate import Override
from amparo.record import vocabulary
from amparo.vault.slots import Cost, Passphrase

EXAMPLE = Path(__file__).parent.parent / "examples" / "public-record"
pytestmark = pytest.mark.skipif(not EXAMPLE.exists(), reason="the worked example lies in the source tree only")
ASKED = release.Asked("prosecution", "court")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("example") / "case"
    passphrases = Passphrase("a made-up passphrase"), Passphrase("another made-up one")
    opening.create(folder, *passphrases, cost=Cost(64, 1, 1), demo=True)
    rings = [opening.read_ring(folder, kind, p) for kind, p in zip(("everyday", "identities"), passphrases, strict=True)]
    with Session(folder, rings) as session:
        importing.import_folder(session, EXAMPLE)
        yield session


def facts() -> list[dict[str, str]]:
    with (EXAMPLE / "facts.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("fact", facts() if EXAMPLE.exists() else [], ids=lambda fact: fact["id"])
def test_a_fact_is_traced_to_claims_of_the_right_kind(session: Session, fact: dict[str, str]) -> None:
    """From the fact's id to claims, the passage with its very words, its source, the table's hash, a valid signature."""
    claims = reading.trace(session, fact["id"])["claims"]
    properties = {item["claim"]["property"] for item in claims}
    terms = vocabulary.load()
    numbers = {name for name in properties if (known := terms.property(name)) and known.value == "number"}
    if fact["kind"] == "count":
        assert numbers
    if fact["stance"] == "denial":
        assert any(item["claim"]["stance"] == "denial" for item in claims)
    if fact["kind"] == "position" and fact["stance"] == "position":
        assert {"role", "state"} & properties
    if fact["kind"] == "accused":
        assert "accused" in properties
    for item in claims:
        assert item["passage"]["text"] == fact["fact"]
        assert item["source"]["basis"] == "published source"
        assert item["entry"]["signature_valid"] is True
        assert any(file["name"] == "facts.csv" and len(file["sha256"]) == 64 for file in item["files"])


def test_every_position_is_a_claim_of_a_state(session: Session) -> None:
    """Each of the 69 positions leads to state, instrument and role."""
    with (EXAMPLE / "positions.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            claims = session.record.claims(key_prefix=f"{row['statement']}/{row['state_iso3']}/")
            found = {stored.claim.property: stored.claim.value for stored in claims}
            assert found["state"] == row["state_iso3"]
            assert found["role"] == row["position"]


def test_importing_twice_changes_nothing(session: Session) -> None:
    """The second import adds no entry to the ledger."""
    before = session.ledger.ends()
    assert importing.import_folder(session, EXAMPLE).added == {}
    assert session.ledger.ends() == before


def test_the_dossier_is_the_same_bytes_twice_and_dated_by_content(session: Session, tmp_path: Path) -> None:
    """Two builds agree byte for byte although the first left an entry about the export."""
    head = release.content_head(session)
    first = release.dossier(session, ASKED, tmp_path / "1.pdf")
    second = release.dossier(session, ASKED, tmp_path / "2.pdf")
    assert (tmp_path / "1.pdf").read_bytes() == (tmp_path / "2.pdf").read_bytes()
    assert first["sha256"] == second["sha256"]
    assert release.content_head(session) == head
    assert first["gate"]["passed"] is True


def test_the_json_form_leads_from_each_paragraph_to_entries(session: Session, tmp_path: Path) -> None:
    """Every paragraph names claims, and every claim the entry that carries it."""
    release.dossier(session, replace(ASKED, form="json"), tmp_path / "d.json")
    data = json.loads((tmp_path / "d.json").read_text("utf-8"))
    groups = ("events", "measures", "proceedings", "protection")
    paragraphs = [paragraph for group in groups for section in data[group] for paragraph in section["paragraphs"]]
    assert len(paragraphs) > 100
    for paragraph in paragraphs:
        assert paragraph["claims"]
        assert paragraph["entries"]
    assert len(data["claims"]) > 850


def test_a_sealed_name_planted_in_a_claim_does_not_leave(session: Session, tmp_path: Path) -> None:
    """A claim that spells a sealed name blocks the dossier and nothing is written; an override must be asked for."""
    name = session.identities.identity("P-0001").names[0].text  # type: ignore[union-attr]
    handle = next(s.claim.handle for s in session.record.claims(person="P-0001"))
    text = session.record.claim(handle).claim.text  # type: ignore[union-attr]
    with Session(session.folder, [session.rings["everyday"]]) as everyday:  # with the identities open nobody could write it
        planted = correcting.correct(everyday, handle, {"text": f"{text} His name is {name}."}, "planted by a test")
    target = tmp_path / "d.pdf"
    with pytest.raises(release.Refused) as refused:
        release.dossier(session, ASKED, target)
    assert not target.exists()
    assert name not in str(refused.value)
    blocking = [item["id"] for item in refused.value.facts["gate"]["items"] if item["status"] == "blocks"]  # type: ignore[index]
    asked = replace(ASKED, overrides=tuple(Override(item, "a test of the override") for item in blocking))
    released = release.dossier(session, asked, target)
    assert released["gate"]["passed"] is True
    rows = [row for row in session.record.rows("access@1") if "override" in row[1]]
    assert rows
    correcting.correct(session, planted, {"text": text}, "taken back by the test")
    release.dossier(session, ASKED, tmp_path / "clean.pdf")


def test_a_source_without_consent_for_the_audience_does_not_leave(session: Session, tmp_path: Path) -> None:
    """An interview consented to for a court is refused for the public, and after withdrawal for the court as well."""
    form = {
        "claims": [{"text": "A sentence said in a made-up interview.", "valid": "2017"}],
        "consent": {"purposes": "prosecution", "audiences": "court"},
    }
    made = people.record_interview(session, people.interview_from("P-0002", form))
    release.dossier(session, ASKED, tmp_path / "court.pdf")
    with pytest.raises(release.Refused):
        release.dossier(session, replace(ASKED, audience="public"), tmp_path / "public.pdf")
    people.give_consent(session, "P-0002", made["source"], {"withdrawn": True})
    with pytest.raises(release.Refused):
        release.dossier(session, ASKED, tmp_path / "court2.pdf")
    people.erase(session, made["source"], "the person's wish")
    release.dossier(session, ASKED, tmp_path / "after.pdf")


def test_no_ground_stands_beside_a_person_in_the_dossier(session: Session, tmp_path: Path) -> None:
    """In the JSON form no text about a person names a ground, and grounds appear as suppressed counts only."""
    from amparo.record.ground import mentions

    release.dossier(session, replace(ASKED, form="json"), tmp_path / "d.json")
    data = json.loads((tmp_path / "d.json").read_text("utf-8"))
    affected = {handle for handle, _ in data["persons"]}
    assert "P-0004" in affected
    for group in ("events", "measures", "proceedings", "protection"):
        for section in data[group]:
            for paragraph in section["paragraphs"]:
                text = " ".join(sentence["text"] for sentence in paragraph["sentences"])
                assert not (affected & set(re.findall(r"P-\d+", text)) and mentions(text)), paragraph["number"]
                assert "V-0" not in text
    assert data["ground_counts"]
