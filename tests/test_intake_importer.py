"""Imports: whole rows or none, all errors at once, twice the same as once, forward references, parts to erase alone."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from amparo.intake import importer, mapping, problems
from amparo.intake.importer import Part, RowErrors
from amparo.kernel import ids
from amparo.record import model
from amparo.record.digest import content, digest

MODELS = {
    one.TYPE: one
    for one in (model.Entity, model.Claim, model.Link, model.Assessment, model.Consent, model.Identity, model.Passage)
}


class Memory:
    """A registry in memory: what a record view and its counters do."""

    def __init__(self) -> None:
        self.given: Counter[str] = Counter()
        self.rows: dict[tuple[str, str, str], tuple[str, bytes]] = {}
        self.now: dict[tuple[str, str], list[object]] = {}

    def allocate(self, kind: str) -> str:
        self.given[kind] += 1
        return str(ids.Handle(kind, 1, self.given[kind]))

    def find(self, dataset: str, key: str, table: str) -> tuple[str, bytes] | None:
        return self.rows.get((dataset, key, table))

    def apply(self, parts: list[Part]) -> None:
        for part in parts:
            for row in part.rows:
                record = MODELS[part.type].from_row(row)
                assert record.to_row() == row
                handle = getattr(record, "handle", "") or ("" if part.type == "consents@1" else getattr(record, "person", ""))
                found = (handle, digest(part.type, row))
                if not isinstance(record, (model.Identity, model.Passage)):
                    self.rows[record.dataset, record.key, part.type] = found
                if handle:
                    self.rows["", handle, part.type] = found
                    self.now[part.type, handle] = row


MAPPING = """version: 1
dataset: made-up
files:
  - file: claims.csv
    passages:
      - {key: "{fact}", source: "{source}", locator: "row {fact}", text: "{words}", language: en}
    claims:
      - {key: "{fact}/1", passage: "{fact}", subject: "{subject}", property: "{property}", value: "{value}", text: "{text}",
         valid: "{when}", place: "{place}", stance: finding, speaker: "{speaker}", person: "{person}"}
  - file: entities.csv
    entities:
      - {key: "{key}", kind: "{kind}", type: "{type}", label: "{label}", parent: "{parent}", official: "{official}"}
  - file: links.csv
    links: [{key: "{key}", kind: "{kind}", of: "{of}", to: "{to}", reason: "{reason}", when: "{kind}"}]
    assessments:
      - {key: "{key}/a", proposition: "{reason}", standard: reasonable basis, outcome: reached, reasons: "{reason}",
         assessor: desk, date: "2020", claims_for: "{of};{to}", when: "{assess}"}
  - file: people.csv
    identities:
      - {person: "{code}", names: [{text: "{name}", script: Latn}, {text: "{nom}", script: Cyrl}],
         contacts: [[telephone, "{phone}"]], birth: "{birth}", made_up: "yes"}
    consents:
      - {key: "{code}/c", person: "{code}", purposes: "record;complaint", audiences: "team;court", until: "{until}"}
"""
FILES = {
    "claims.csv": """fact,source,words,subject,property,value,text,when,place,speaker,person
F1,S1,"What was said, made up",A1,type of act,torture,He was beaten,about 2017-03,L1,witnesses,V-001
F2,S1,More made-up words,A1,victim,V-001,,2017,,V-001,V-001
F3,S2,,A1,days held,~40,,,,,
""",
    "entities.csv": """key,kind,type,label,parent,official
A1,act,torture,,E1,
E1,event,round-up,A made-up round-up,,
L1,place,,A made-up place,,
S1,source,,A made-up report,,
S2,source,,Another made-up report,,
V-001,person,affected,,,
O-1,person,official,A made-up official,,yes
""",
    "links.csv": "key,kind,of,to,reason,assess\nK1,contradicts,F1/1,F3/1,the dates differ,x\n",
    "people.csv": "code,name,nom,phone,birth,until\nV-001,Made Up,Придуман,000,1990,2030\n",
}


class Case:
    """A folder with a mapping and tables, and a registry that remembers."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.registry = folder, Memory()
        self.errors = RowErrors()
        self.mapping = MAPPING
        for name, text in FILES.items():
            (folder / name).write_text(text, "utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text("utf-8")
        assert old in text
        (self.folder / name).write_text(text.replace(old, new), "utf-8")

    def run(self, *, skip_bad: bool = False) -> list[Part]:
        (self.folder / "mapping.yaml").write_text(self.mapping, "utf-8")
        self.errors = RowErrors()
        plan = mapping.load(self.folder / "mapping.yaml")
        parts = list(importer.run(self.folder, plan, self.registry, recorded=1_000, errors=self.errors, skip_bad=skip_bad))
        if skip_bad or not self.errors.count:
            self.registry.apply(parts)
        return parts

    def names(self) -> list[str]:
        return [error.error for error in self.errors.kept]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def rows_of(parts: list[Part], model_of: type[model.Row] | type[model.Identity]) -> list[list[object]]:
    return [row for part in parts if part.type == model_of.TYPE for row in part.rows]


def test_a_folder_becomes_records_with_forward_references(case: Case) -> None:
    """Claims may refer to entities, and entities to parents, that stand in later rows and files."""
    parts = case.run()
    assert case.errors.kept == []
    claims = [model.Claim.from_row(row) for row in rows_of(parts, model.Claim)]
    entities = {row[4]: row[0] for row in rows_of(parts, model.Entity)}
    first = claims[0]
    assert (first.subject, first.place, first.source, first.person) == (
        entities["A1"], entities["L1"], entities["S1"], entities["V-001"],
    )  # fmt: skip
    assert (first.valid, first.value, first.speaker, first.recorded) == ("2017-03~", "torture", "witnesses", 1_000)
    assert claims[1].value == claims[1].speaker == entities["V-001"]
    assert claims[2].value == "~40"
    acts = [model.Entity.from_row(row) for row in rows_of(parts, model.Entity) if row[4] == "A1"]
    assert acts[0].parent == entities["E1"]
    link = model.Link.from_row(rows_of(parts, model.Link)[0])
    assert (link.of, link.to) == (claims[0].handle, claims[2].handle)
    assert model.Assessment.from_row(rows_of(parts, model.Assessment)[0]).claims_for == [claims[0].handle, claims[2].handle]
    assert model.Consent.from_row(rows_of(parts, model.Consent)[0]).audiences == ["team", "court"]


def test_each_part_is_of_one_type_one_source_and_one_person(case: Case) -> None:
    """Words go to testimony, names to identities, and no part mixes two sources or two persons."""
    parts = case.run()
    for part in parts:
        assert part.compartment == {"passages@1": "testimony", "identities@1": "identities"}.get(part.type, "record")
        if part.type == "claims@1":
            claims = [model.Claim.from_row(row) for row in part.rows]
            assert {(claim.source, claim.person) for claim in claims} == {(part.source, part.person)}
    record = b"".join(content(part.type, row) for part in parts if part.compartment == "record" for row in part.rows)
    for sealed in ("What was said", "Made Up", "Придуман", "1990"):
        assert sealed.encode() not in record


def test_importing_twice_changes_nothing(case: Case) -> None:
    """A second import of the same files yields no part and gives no handle."""
    case.run()
    given = dict(case.registry.given)
    assert case.run() == []
    assert (case.errors.new, case.errors.changed, case.errors.unchanged) == (0, 0, 19)
    assert case.registry.given == given


def test_a_changed_claim_supersedes_the_old_one(case: Case) -> None:
    """A changed claim is a new claim that names the old; a changed entity, passage, link and name keep their handles."""
    before = case.run()
    case.edit("claims.csv", "He was beaten", "He was beaten twice")
    case.edit("claims.csv", "More made-up words", "Other made-up words")
    case.edit("entities.csv", "A made-up place", "Another made-up place")
    case.edit("people.csv", "Придуман", "Выдуман")
    after = case.run()
    old = next(row for row in rows_of(before, model.Claim) if row[18] == "F1/1")
    (new,) = rows_of(after, model.Claim)
    assert (new[20], new[21]) == (old[0], "re-import")
    assert new[0] != old[0]
    (place,) = rows_of(after, model.Entity)
    assert place in [[*row[:3], "Another made-up place", *row[4:]] for row in rows_of(before, model.Entity)]
    assert len(rows_of(after, model.Passage)) == len(rows_of(after, model.Identity)) == 1
    assert case.run() == []


def test_claims_may_refer_to_an_earlier_import(case: Case) -> None:
    """Keys and handles of earlier imports are found when their files are gone from the mapping."""
    case.run()
    case.mapping = """version: 1
dataset: made-up
files:
  - file: more.csv
    claims: [{key: "{k}", subject: "{s}", property: type of act, value: torture, source: S1}]
"""
    act = case.registry.find("made-up", "A1", "entities@1")
    assert act is not None
    (case.folder / "more.csv").write_text(f"k,s\nm1,A1\nm2,{act[0]}\n", "utf-8")
    rows = rows_of(case.run(), model.Claim)
    assert [row[1] for row in rows] == [act[0], act[0]]


def test_all_errors_are_told_at_once_and_nothing_is_yielded_after_the_first(case: Case) -> None:
    """One run names every bad row by file, row and column, and says how to mend it."""
    case.edit("claims.csv", "about 2017-03", "42826")
    case.edit("claims.csv", "victim,V-001", "victim,V-002")
    case.edit("claims.csv", "~40", "forty")
    case.edit("entities.csv", "round-up", "roundup")
    case.edit("links.csv", "contradicts,F1/1", "contradict,F9/1")
    parts = case.run()
    found = {(error.file, error.row, error.column): error for error in case.errors.kept}
    assert found["claims.csv", 2, "when"].error == "DateSerial"
    assert "2017-04-01" in found["claims.csv", 2, "when"].how
    assert "V-001" in found["claims.csv", 3, "value"].how
    assert found["claims.csv", 4, "value"].error == "NotANumber"
    assert "did you mean round-up" in found["entities.csv", 3, "type"].how
    assert found["links.csv", 2, "kind"].error == "NotAmong"
    assert found["links.csv", 2, "of"].error == "NoSuchKey"
    assert rows_of(parts, model.Claim) == rows_of(parts, model.Link) == []
    assert str(case.errors.kept[0]).startswith("entities.csv, row 3, column type: “roundup” is no type")


@pytest.mark.parametrize(
    ("file", "old", "new", "error"),
    [
        ("entities.csv", "V-001,person,affected,", "V-001,person,affected,Made Up", "NamedPerson"),
        ("entities.csv", "V-001,person", "Made Up,person", "NamelikeKey"),
        ("entities.csv", "A1,act", "A1,deed", "NotAmong"),
        ("entities.csv", "E1,event", "A1,event", "RepeatedKey"),
        ("entities.csv", "yes", "perhaps", "NotYesNo"),
        ("claims.csv", "F1,S1", "F1,L1", "WrongKind"),
        ("claims.csv", "F3,S2", "F1,S2", "RepeatedKey"),
        ("claims.csv", "A1,type of act", "L1,type of act", "WrongKind"),
        ("claims.csv", "type of act", "typ of act", "NotAmong"),
        ("claims.csv", "days held,~40", "days held,", "Missing"),
        ("claims.csv", "torture,He", "tortur,He", "NotAmong"),
        ("claims.csv", "witnesses", "V-009", "NoSuchKey"),
        ("claims.csv", "He was beaten", "x" * 20_001, "ValueTooLong"),
        ("claims.csv", "F3,S2,,A1", "F3,S2,,A1,too,many,cells,in,this,row,here", "TooManyCells"),
        ("people.csv", "2030", "whenever", "NotADate"),
        ("people.csv", "V-001,", "V-007,", "Sealed"),
    ],
)
def test_each_mistake_has_its_error(case: Case, file: str, old: str, new: str, error: str) -> None:
    """Each kind of mistake in a cell is found and named."""
    case.edit(file, old, new)
    case.run()
    assert error in case.names()


def test_errors_never_repeat_what_identifies_a_person(case: Case) -> None:
    """A wrong birth date, a name where a code belongs, a label of a sealed person: no sentence shows them."""
    case.edit("people.csv", "1990", "Secretday")
    case.edit("people.csv", "V-001,Made", "Secretname,Made")
    case.edit("entities.csv", "V-001,person,affected,", "V-001,person,affected,Secretlabel")
    case.run()
    assert "Sealed" in case.names()
    spoken = "".join(map(str, case.errors.kept))
    assert "Secretday" not in spoken
    assert "Secretname" not in spoken
    assert "Secretlabel" not in spoken


def test_a_claim_without_a_source_is_refused(case: Case) -> None:
    """Every statement has a source: a claim with neither source nor passage is an error, and so is what leans on it."""
    case.mapping = case.mapping.replace('passage: "{fact}", ', "")
    case.run()
    assert set(case.names()) == {"NoSource", "KeyRejected"}


def test_a_bad_row_yields_none_of_its_records_and_rejects_what_leans_on_it(case: Case) -> None:
    """With skip_bad, a row's passage falls with its claim, and links to that claim fall too; the rest is imported."""
    case.edit("claims.csv", "~40", "forty")
    parts = case.run(skip_bad=True)
    assert {row[18] for row in rows_of(parts, model.Claim)} == {"F1/1", "F2/1"}
    assert "F3" not in {row[4] for row in rows_of(parts, model.Entity)}
    assert rows_of(parts, model.Link) == rows_of(parts, model.Assessment) == []
    assert {(error.file, error.row) for error in case.errors.kept} == {("claims.csv", 4), ("links.csv", 2)}
    assert max(int(str(row[0])[2:]) for row in rows_of(parts, model.Claim)) == 2


def test_a_rejected_entity_rejects_the_rows_that_refer_to_it(case: Case) -> None:
    """A claim on an entity whose own row was rejected says so."""
    case.edit("entities.csv", "L1,place,,A made-up place", "L1,place,,A made-up place,nowhere")
    parts = case.run(skip_bad=True)
    assert "KeyRejected" in case.names()
    assert {row[18] for row in rows_of(parts, model.Claim)} == {"F2/1", "F3/1"}


def test_rejected_rows_are_written_with_reasons_and_without_live_formulas(case: Case, tmp_path: Path) -> None:
    """The file of rejected rows has each row, why, and its cells, none of which a spreadsheet program would run."""
    case.edit("claims.csv", "~40", "=HYPERLINK(1)")
    case.run(skip_bad=True)
    case.errors.write(tmp_path / "rejected.csv")
    with (tmp_path / "rejected.csv").open(encoding="utf-8-sig", newline="") as file:
        written = list(csv.DictReader(file))
    assert [(row["file"], row["row"]) for row in written] == [("claims.csv", "4"), ("links.csv", "2")]
    assert written[0]["value"] == "'=HYPERLINK(1)"
    assert "is not a number" in written[0]["why"]


def test_no_cell_of_the_rejected_file_starts_a_formula() -> None:
    """=, +, -, @, tab and return at the start of a cell are all disarmed."""
    for start in "=+-@\t\r":
        assert problems.neutral(start + "1").startswith("'")
    assert problems.neutral("plain = text") == "plain = text"


def test_text_that_names_a_ground_on_a_person_is_warned_of(case: Case) -> None:
    """A claim that belongs to a person and names a ground is imported and its row is named in a warning."""
    case.edit("claims.csv", "He was beaten", "He was beaten for being GAY")
    case.run()
    assert case.errors.count == 0
    assert case.errors.warned == 1
    assert str(case.errors.warnings[0]).startswith("claims.csv, row 2:")


def test_a_link_out_of_the_folder_is_refused(case: Case, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A symbolic link in the folder that leads out of it is not followed."""
    outside = tmp_path_factory.mktemp("outside") / "people.csv"
    outside.write_text(FILES["people.csv"], "utf-8")
    (case.folder / "people.csv").unlink()
    (case.folder / "people.csv").symlink_to(outside)
    with pytest.raises(mapping.MappingOutside):
        case.run()


def test_parts_stay_small_and_few_are_open(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """No part exceeds its rows or bytes, and when too many are open the oldest goes out."""
    count = 3_000
    case.mapping = """version: 1
dataset: made-up
files:
  - file: e.csv
    entities: [{key: "{k}", kind: "{kind}"}]
  - file: c.csv
    claims: [{key: "{k}", subject: A1, property: description, text: "{t}", value: x, source: S1, person: "{p}"}]
"""
    (case.folder / "e.csv").write_text("k,kind\nA1,act\nS1,source\n" + "".join(f"V-{n},person\n" for n in range(50)), "utf-8")
    long = "word " * 200
    (case.folder / "c.csv").write_text("k,t,p\n" + "".join(f"c{n},{long},V-{n % 50}\n" for n in range(count)), "utf-8")
    monkeypatch.setattr(importer, "OPEN_PARTS", 10)
    parts = case.run()
    claims = [part for part in parts if part.type == "claims@1"]
    assert sum(len(part.rows) for part in claims) == count
    assert max(len(part.rows) for part in claims) <= importer.PART_ROWS
    assert max(sum(len(content(part.type, row)) for row in part.rows) for part in claims) <= importer.PART_BYTES
    monkeypatch.setattr(importer, "OPEN_PARTS", 4_096)
    case.registry = Memory()
    assert len([part for part in case.run() if part.type == "claims@1"]) < len(claims)


def test_progress_reaches_its_end(case: Case) -> None:
    """Progress never goes back and ends at the total."""
    told: list[tuple[int, int]] = []
    (case.folder / "mapping.yaml").write_text(MAPPING, "utf-8")
    plan = mapping.load(case.folder / "mapping.yaml")

    def progress(done: int, total: int, _label: str) -> None:
        told.append((done, total))

    run = importer.run(case.folder, plan, case.registry, recorded=1, errors=RowErrors(), progress=progress)
    assert list(run)
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]


def test_the_digest_looks_only_at_what_a_row_says() -> None:
    """Handle, time and history leave a claim's digest alone; any word of it, and a link's reason, change it."""
    claim = model.Claim("C-0001", "A-0001", "occurred", source="S-0001", key="k", dataset="d", recorded=1)
    again = model.Claim("C-0009", "A-0001", "occurred", source="S-0001", key="k", dataset="d", recorded=2, supersedes="C-0001")
    other = model.Claim("C-0001", "A-0001", "occurred", text="x", source="S-0001", key="k", dataset="d", recorded=1)
    assert digest("claims@1", claim.to_row()) == digest("claims@1", again.to_row()) != digest("claims@1", other.to_row())
    link = model.Link("K-0001", "explains", "C-0001", "C-0002", "one reason")
    assert digest("links@1", link.to_row()) != digest("links@1", [*link.to_row()[:4], "another", "", ""])
