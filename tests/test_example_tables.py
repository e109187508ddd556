"""The worked example's tables, read plainly: every fact finds its place as typed claims, and no table says what it must not."""

import csv
import re
import runpy
from collections import defaultdict
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from amparo.kernel import dates, ids
from amparo.record import ground, model

Row = dict[str, str]
FOLDER = Path(__file__).parent.parent / "examples" / "public-record"
TERMS = files("amparo.record") / "terms"
PERSONS = [f"V-{number:03d}" for number in range(1, 13)]
PERSON = re.compile(r"\bV-\d{3}\b")
NUMBER = re.compile(r"(~|>=|>|<=|<)?\d+|\d+\.\.\d+")
MOVES = {"moved to", "fled to", "returned to"}
# kind of fact -> properties of which at least one must be among its claims
FAMILIES: dict[str, set[str]] = {
    "event": {"event type"},
    "count": set(),  # a property whose value is a number, see below
    "statement": {"statement"},
    "act": {"type of act", "event type", *MOVES},
    "pattern": {"type of act", "intervention type", "event type"},
    "place": {"place type", "place of detention"},
    "finding": {"finding", "type of act"},
    "identification": {"involved party"},
    "proceeding": {"proceeding type", "outcome"},
    "judgment": {"outcome"},
    "petition": {"number of signatures"},
    "investigation": {"proceeding type"},
    "contradiction": {"person shown is"},
    "measure": {"measure type"},
    "position": {"role"},
    "accused": {"accused"},
    "protest": {"event type"},
    "partner": {"partner"},
    "media": {"published"},
    "law": {"rule", "in force"},
}
# kind of fact -> kind of entity that at least one of its claims must be about
SUBJECTS = {
    "event": "event", "place": "place", "identification": "involvement", "proceeding": "proceeding", "judgment": "proceeding",
    "investigation": "proceeding", "petition": "measure", "measure": "measure", "position": "position", "accused": "proceeding",
    "protest": "event", "partner": "intervention", "contradiction": "person", "law": "measure",
}  # fmt: skip


def table(name: str) -> list[Row]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def term_files() -> dict[str, Any]:
    return {path.name: yaml.safe_load(path.read_text("utf-8")) for path in TERMS.iterdir() if path.name.endswith(".yaml")}


FACTS, POSITIONS, CLAIMS, ENTITIES = table("facts.csv"), table("positions.csv"), table("claims.csv"), table("entities.csv")
SOURCES, LINKS, ASSESSMENTS = table("sources.csv"), table("links.csv"), table("assessments.csv")
IDENTITIES, CONSENTS = table("identities.csv"), table("consents.csv")
YAML = term_files()
VOCABULARIES = {data["vocabulary"]: [term["id"] for term in data["terms"]] for data in YAML.values() if "vocabulary" in data}
PROPERTIES = {item["id"]: item for item in YAML["properties.yaml"]["properties"]}
KINDS = (
    {row["key"]: row["kind"] for row in ENTITIES}
    | {row["key"]: "source" for row in SOURCES}
    | {f"X-{row['statement']}-{row['state_iso3']}": "position" for row in POSITIONS}
)
CLAIM_KEYS = [f"{row['fact']}/{row['n']}" for row in CLAIMS] + [
    f"{row['statement']}/{row['state_iso3']}/{n}" for row in POSITIONS for n in (1, 2, 3)
]
BY_FACT: dict[str, list[Row]] = defaultdict(list)
for _claim in CLAIMS:
    BY_FACT[_claim["fact"]].append(_claim)


def claim(key: str) -> Row:
    return next(row for row in CLAIMS if f"{row['fact']}/{row['n']}" == key)


def test_published_tables_are_unchanged() -> None:
    """facts.csv and positions.csv are byte for byte what was handed over: 134 facts, 69 positions."""
    digests = {name: sha256((FOLDER / name).read_bytes()).hexdigest() for name in ("facts.csv", "positions.csv")}
    assert digests == {
        "facts.csv": "ca8bf88e598ab568a237d42c79673d4540522dc0d2a7d9c4e8f8eae6e7cebe1f",
        "positions.csv": "c7e3e1ccdb216c1b16a1d72f2a12c41ac8feaf785c11da0be114cf41b1f92013",
    }
    assert (len(FACTS), len(POSITIONS)) == (134, 69)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact["id"])
def test_fact_leads_to_claims_of_the_right_kinds(fact: Row) -> None:
    """Each fact is two or more typed claims, among them those that its kind asks for, in its own stance."""
    claims = BY_FACT[fact["id"]]
    used = {row["property"] for row in claims}
    assert len(claims) >= 2
    assert any(row["stance"] == fact["stance"] for row in claims)
    if fact["kind"] == "count":
        assert any(PROPERTIES[name]["value"] == "number" for name in used)
    else:
        assert used & FAMILIES[fact["kind"]]
    if fact["kind"] in SUBJECTS:
        assert SUBJECTS[fact["kind"]] in {KINDS[row["subject"]] for row in claims}
    if fact["kind"] == "contradiction":
        keys = {f"{row['fact']}/{row['n']}" for row in claims}
        assert any(link["kind"] == "contradicts" and {link["of"], link["to"]} & keys for link in LINKS)
    if fact["kind"] in ("statement", "position", "accused", "proceeding"):
        assert any(row["speaker"] for row in claims)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact["id"])
def test_fact_keeps_its_persons_and_figures(fact: Row) -> None:
    """Each person's code and each figure of a fact is found again in its claims; nothing is cleaned away."""
    claims = BY_FACT[fact["id"]]
    everything = " ".join(" ".join(row.values()) for row in claims).replace(",", "")
    for code in PERSON.findall(f"{fact['by']} {fact['about']} {fact['fact']}"):
        assert code in everything
    for figure in re.findall(r"(?<![F\d-])\d+(?![\d-])", fact["fact"].replace(",", "")):
        assert figure in everything


@pytest.mark.parametrize(
    ("fact", "property", "value"),
    [
        ("F006", "number detained", "~40"), ("F007", "number killed", "2"), ("F008", "number detained", ">100"),
        ("F009", "number killed", ">=3"), ("F010", "number who died in custody", ">=2"), ("F044", "number detained", ">40"),
        ("F023", "number held", "30..40"), ("F072", "number of signatures", ">2000000"),
        ("F085", "number of signatures", ">130000"),
        ("F096", "number of signatures", "65000"), ("F109", "number detained", ">=40"), ("F113", "number evacuated", "42"),
        ("F115", "number of visas", "9"), ("F118", "number resettled", ">140"), ("F118", "number resettled", "0"),
        ("F120", "number granted asylum", "22"), ("F121", "number resettled", "57"), ("F130", "number of applications", "90"),
    ],
)  # fmt: skip
def test_protection_and_loss_figures_are_numbers(fact: str, property: str, value: str) -> None:
    """The figures that a summary counts stand as numbers of the right property, as exact as reported."""
    assert value in [row["value"] for row in BY_FACT[fact] if row["property"] == property]


@pytest.mark.parametrize("fact", [fact["id"] for fact in FACTS if fact["stance"] == "denial"])
def test_denials_stay_denials(fact: str) -> None:
    """Every denial keeps that stance and contradicts, or is contradicted by, some other claim."""
    keys = {f"{row['fact']}/{row['n']}" for row in BY_FACT[fact] if row["stance"] == "denial"}
    assert any(link["kind"] == "contradicts" and {link["of"], link["to"]} & keys for link in LINKS)


def test_presented_men_are_never_merged_with_the_persons_reported_killed() -> None:
    """F078 and F079: killed, alive, shown is the victim, shown is not; (4) contradicts (3) and undercuts (2)."""
    for person, shown in (("V-009", "P-SHOWN-1"), ("V-010", "P-SHOWN-2")):

        def key(fact: str, subject: str, property: str, person: str = person) -> str:
            return next(
                f"{row['fact']}/{row['n']}"
                for row in BY_FACT[fact]
                if (row["subject"], row["property"], row["person"]) == (subject, property, person)
            )

        killed, alive = key("F078", person, "died"), key("F078", person, "alive")
        is_victim, is_not = key("F078", shown, "person shown is"), key("F079", shown, "person shown is")
        assert claim(killed)["polarity"] == claim(alive)["polarity"] == claim(is_victim)["polarity"] == model.AFFIRMED
        assert claim(is_victim)["voluntariness"] == "suspected coerced"
        assert claim(is_not)["polarity"] == model.DENIED
        found = {(link["kind"], link["of"], link["to"]) for link in LINKS}
        assert {("contradicts", is_not, is_victim), ("undercuts", is_not, alive), ("contradicts", alive, killed)} <= found
        assert any(is_victim in row["claims_for"] and is_not in row["claims_against"] for row in ASSESSMENTS)


def test_statement_from_detention_is_marked() -> None:
    """F063: what was said in detention is suspected coerced, in every claim that rests on it."""
    assert {row["voluntariness"] for row in BY_FACT["F063"]} == {"suspected coerced"}


def test_every_position_has_a_measure() -> None:
    """Each row of positions.csv resolves to a measure and a role of the vocabulary."""
    for row in POSITIONS:
        assert KINDS[f"M-{row['statement']}"] == "measure"
        assert row["position"] in VOCABULARIES["position"]


def test_every_key_is_unique_and_every_reference_resolves() -> None:
    """Entities, claims, links and assessments refer only to keys that exist."""
    assert len(CLAIM_KEYS) == len(set(CLAIM_KEYS))
    assert len(KINDS) == len(ENTITIES) + len(SOURCES) + len(POSITIONS)
    known = {fact["id"] for fact in FACTS}
    for row in CLAIMS:
        assert row["fact"] in known
        assert row["subject"] in KINDS
        assert KINDS.get(row["place"], "place") == "place"
        assert row["person"] in ("", *PERSONS)
        assert row["speaker"] in KINDS or not any(map(str.isdigit, row["speaker"])), row["speaker"]
    for row in ENTITIES:
        assert row["parent"] in ("", *KINDS)
        assert row["kind"] in ids.KINDS
    for row in LINKS:
        assert row["kind"] in model.LINKS
        assert {row["of"], row["to"]} <= set(CLAIM_KEYS)
        assert row["of"] != row["to"]
    for row in ASSESSMENTS:
        assert set(filter(None, f"{row['claims_for']};{row['claims_against']}".split(";"))) <= set(CLAIM_KEYS)


def test_every_entity_is_spoken_of() -> None:
    """No entity is registered that no claim, parent or consent mentions."""
    mentioned = {row[field] for row in CLAIMS for field in ("subject", "value", "place", "speaker")}
    mentioned |= {row["parent"] for row in ENTITIES}
    assert [row["key"] for row in ENTITIES if row["key"] not in mentioned] == []


def test_every_claim_fits_its_property() -> None:
    """Property, kind of subject and form of value agree with terms/properties.yaml."""
    for row in CLAIMS:
        item = PROPERTIES[row["property"]]
        kind, value, where = item["value"], row["value"], f"{row['fact']}/{row['n']} {row['property']} {row['value']}"
        assert KINDS[row["subject"]] in item["subjects"], where
        if kind == "handle":
            assert KINDS[value] in item["kinds"], where
        elif kind.startswith("term:"):
            assert value in VOCABULARIES[kind.removeprefix("term:")], where
        elif kind == "number":
            assert NUMBER.fullmatch(value), where
        elif kind == "date":
            assert dates.parse(value).text == value, where
        elif kind == "state":
            assert re.fullmatch("[A-Z]{3}", value), where
        else:
            assert bool(value) == (kind == "text"), where


def test_closed_lists_and_dates() -> None:
    """Access, voluntariness, stance, polarity, bases, purposes, audiences, standards and dates are of the record's lists."""
    for row in CLAIMS:
        assert row["access"] in model.ACCESS
        assert row["voluntariness"] in model.VOLUNTARINESS
        assert row["stance"] in model.STANCES
        assert row["polarity"] in model.POLARITIES
    for text in [row["valid"] for row in CLAIMS] + [row["date"] for row in (*ENTITIES, *SOURCES, *ASSESSMENTS)]:
        assert text == "" or dates.parse(text).text == text
    for row in ASSESSMENTS:
        assert row["standard"] in VOCABULARIES["standard of proof"]
        assert row["outcome"] in VOCABULARIES["assessment outcome"]
    for row in CONSENTS:
        assert row["person"] in PERSONS
        assert set(row["purposes"].split(";")) <= set(model.PURPOSES)
        assert set(row["audiences"].split(";")) <= set(model.AUDIENCES)
        assert row["how"].startswith("MADE UP")


def test_types_are_terms_of_the_kind() -> None:
    """An entity's type is a term of its kind's vocabulary."""
    lists = {"person": "person type", "group": "group type", "place": "place type", "event": "event type"}
    lists |= {"measure": "measure type", "proceeding": "proceeding type"}
    for row in ENTITIES:
        if row["type"]:
            assert row["type"] in VOCABULARIES[lists.get(row["kind"], row["kind"])], row["key"]
    assert {row["material"] for row in SOURCES} <= set(VOCABULARIES["source material"])


def test_one_source_for_each_publication() -> None:
    """Sources are the distinct (source, kind, date) of the facts, each recorded as a published source."""
    assert [row["key"] for row in SOURCES] == list(
        dict.fromkeys(f"{fact['source']}|{fact['source_kind']}|{fact['source_date']}" for fact in FACTS)
    )
    assert {row["basis"] for row in SOURCES} == {"published source"}


def test_only_persons_in_public_office_or_function_have_labels() -> None:
    """Affected and unidentified persons bear a code and nothing else."""
    for row in ENTITIES:
        if row["kind"] == "person":
            assert (row["label"] != "") == (row["official"] == "yes") == (row["type"] not in ("affected", "unidentified"))


def test_ground_belongs_to_acts_alone() -> None:
    """The property `ground` has acts as its only subjects, in the vocabulary and in the tables."""
    assert PROPERTIES["ground"]["subjects"] == ["act"]
    assert [item["id"] for item in PROPERTIES.values() if item["value"] == "term:ground"] == ["ground"]
    assert {KINDS[row["subject"]] for row in CLAIMS if row["property"] == "ground"} == {"act"}


def test_no_words_of_a_ground_about_a_person() -> None:
    """No text about one person, no label and no account of an act with an individual victim names a ground."""
    individual = {row["subject"] for row in CLAIMS if row["property"] == "victim" and KINDS[row["value"]] == "person"}
    for row in CLAIMS:
        if row["person"] or row["subject"] in individual or KINDS[row["subject"]] == "person":
            assert not ground.mentions(row["text"]), row
            assert row["property"] == "ground" or not ground.mentions(row["value"]), row
    for row in ENTITIES:
        assert not ground.mentions(row["label"]), row
    for row in (*ASSESSMENTS, *LINKS, *CONSENTS):
        assert not any(ground.mentions(value) for value in row.values()), row


def test_no_property_describes_what_a_person_is_or_thinks() -> None:
    """No property has a person's orientation, religion, ethnicity or opinion as its meaning."""
    for name, item in PROPERTIES.items():
        assert not ground.mentions(name), name
        assert not re.search("orientation|religio|ethnic|opinion|belief|sexual", f"{name} {item['label']}".lower()), name


def test_claims_about_a_person_can_be_erased_with_the_person() -> None:
    """Whatever names a person's code, or an act or proceeding that is that person's alone, is in that person's part."""
    own: dict[str, set[str]] = defaultdict(set)
    for row in CLAIMS:
        if row["property"] in ("victim", "accused", "party") and row["value"] in PERSONS:
            own[row["subject"]].add(row["value"])
    for row in CLAIMS:
        codes = set(PERSON.findall(f"{row['subject']} {row['value']} {row['text']} {row['speaker']}"))
        codes |= own.get(row["subject"], set())
        if codes:
            assert row["person"] in codes, row


def test_texts_are_sentences() -> None:
    """Every claim's text is a whole sentence, and no two claims of one fact repeat it."""
    for fact, rows in BY_FACT.items():
        texts = [row["text"] for row in rows]
        assert len(set(texts)) == len(texts), fact
        for text in texts:
            assert re.fullmatch(r"[A-Z“].*[.”]", text, re.DOTALL), text


def test_twelve_made_up_identities_in_three_scripts() -> None:
    """Each affected person has one identity, marked made up, in Latin, Cyrillic and Arabic letters, of distinctive names."""
    assert [row["person"] for row in IDENTITIES] == PERSONS
    assert {row["made_up"] for row in IDENTITIES} == {"yes"}
    for row in IDENTITIES:
        assert re.fullmatch(r"[A-Za-z ]+", row["name_latin"])
        assert re.fullmatch(r"[\u0400-\u04ff ]+", row["name_cyrillic"])
        assert re.fullmatch(r"[\u0600-\u06ff ]+", row["name_arabic"])
        assert re.fullmatch(r"\+44 7700 900\d{3}", row["telephone"])
        assert row["email"].endswith("@example.org")
        assert dates.parse(row["birth"]).exact
    for column in ("name_latin", "name_cyrillic", "name_arabic", "alias_latin", "telephone", "email", "document"):
        assert len({row[column] for row in IDENTITIES}) == len(PERSONS)


def test_no_made_up_name_stands_in_another_table() -> None:
    """No part of an identity occurs in any table that is not sealed."""
    needles = {
        part.casefold()
        for row in IDENTITIES
        for name, value in row.items()
        if name not in ("person", "made_up")
        for part in value.split()
    } - {"+44", "7700"}
    for path in FOLDER.iterdir():
        if path.suffix in (".csv", ".yaml", ".md") and path.name != "identities.csv":
            text = path.read_text("utf-8").casefold()
            assert [needle for needle in needles if needle in text] == [], path.name


def test_identities_are_generated_anew_byte_for_byte(tmp_path: Path) -> None:
    """generate_identities.py writes the very file that lies in the example."""
    runpy.run_path(str(FOLDER / "generate_identities.py"))["write"](tmp_path / "identities.csv")
    assert (tmp_path / "identities.csv").read_bytes() == (FOLDER / "identities.csv").read_bytes()


@pytest.mark.parametrize("name", sorted(name for name, data in YAML.items() if "vocabulary" in data))
def test_vocabulary_has_stable_ids_and_labels(name: str) -> None:
    """Each list has unique lower-case ids, a label each, a number of its HURIDOCS list or null, and a workable size."""
    data = YAML[name]
    terms = [term["id"] for term in data["terms"]]
    assert name == data["vocabulary"].replace(" ", "-") + ".yaml"
    assert len(set(terms)) == len(terms)
    assert 6 <= len(terms) <= 45
    assert data["huridocs"] is None or 1 <= data["huridocs"] <= 63
    for term in data["terms"]:
        assert re.fullmatch(r"[a-z][a-z -]*", str(term["id"])), term
        assert term["label"]


def test_properties_name_existing_lists_and_kinds() -> None:
    """Each property's value is a known form, its lists exist, its kinds are kinds of handles."""
    for item in PROPERTIES.values():
        if item["value"].startswith("term:"):
            assert item["value"].removeprefix("term:") in VOCABULARIES
        else:
            assert item["value"] in ("handle", "number", "date", "text", "state", "none")
        assert {*item["subjects"], *item.get("kinds", ())} <= set(ids.KINDS)
        assert (item["value"] == "handle") == bool(item.get("kinds"))
