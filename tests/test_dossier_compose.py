"""From the record to the manifest: every sentence cites claims, denials are pointed at, no ground sticks to one person."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from record_kit import Part, claim, entity, example, filled

from amparo.dossier import build
from amparo.dossier.compose import Options, compose, persons_of, sources_of, texts_of
from amparo.dossier.manifest import Cell, Manifest
from amparo.record.ground import mentions
from amparo.record.model import Claim, Entity, Link
from amparo.record.view import RecordView

OPTIONS = Options("prosecution", "court", "5e" * 32, "2024-03-04")


def more() -> list[Part]:
    """To the made-up record of record_kit: a passage, States' positions, a verbatim sentence, an officer."""
    about: dict[str, Any] = {"source": "S-0001", "passage": "Q-0002", "valid": "2018-01", "place": "L-0001"}
    return [
        ((1, 6, 0), Entity.TYPE, [
            entity("E-0003", "event", label="a raid", date="2018-01"),
            entity("A-0004", "act", parent="E-0003"),
            entity("G-0001", "group", type="police force", label="the police"),
            entity("G-0002", "group", type="affected persons", label="persons held"),
            entity("P-0009", "person", type="official", label="Captain Made-Up", official=True),
            entity("M-0001", "measure", type="joint statement", label="a statement", date="2019-03"),
            entity("X-0001", "position", type="joined", parent="M-0001"),
            entity("X-0002", "position", type="asked", parent="M-0001"),
        ]),
        ((1, 6, 1), Claim.TYPE, [
            claim(20, "E-0003", "event type", "raid", "A raid took place.", stance="finding", **about),
            claim(21, "A-0004", "perpetrator", "G-0001", "The police carried it out.", stance="finding", **about),
            claim(22, "A-0004", "victim", "G-0002", "Many were taken.", stance="finding", **about),
            claim(23, "P-0009", "commands", "G-0001", source="S-0001", stance="report"),
            claim(24, "E-0003", "statement", "", "We saw it", source="S-0001", verbatim=True, speaker="P-0002"),
            claim(25, "A-0004", "ground", "sexual orientation", "They were taken for gay.", **about),
            claim(26, "X-0001", "state", "FRA", source="S-0001"), claim(27, "X-0001", "instrument", "M-0001", source="S-0001"),
            claim(28, "X-0001", "role", "joined", source="S-0001"), claim(29, "X-0002", "state", "DEU", source="S-0001"),
            claim(30, "X-0002", "instrument", "M-0001", source="S-0001"),
            claim(31, "X-0002", "role", "asked", source="S-0001"),
            claim(32, "E-0003", "number detained", ">=40", "At least 40 were held.", source="S-0001", valid="2018-01"),
            claim(33, "M-0001", "measure type", "joint statement", "States made a statement.", source="S-0001"),
        ]),
        ((1, 6, 2), Link.TYPE, [Link("K-0004", "contradicts", "C-0024", "C-0020", "One account differs.").to_row()]),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> RecordView:
    return filled(tmp_path_factory.mktemp("views") / "record.db", [*example(), *more()])


@pytest.fixture(scope="module")
def manifest(view: RecordView) -> Manifest:
    return compose(view, None, OPTIONS)


def sentences(manifest: Manifest) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    for paragraph in manifest.paragraphs():
        for sentence in paragraph.sentences:
            yield paragraph.number, sentence.text, sentence.claims


def test_every_sentence_figure_and_cell_cites_claims_that_are_listed(manifest: Manifest) -> None:
    """No words without a claim, no claim without a source and an entry of the ledger."""
    known = {each.handle: each for each in manifest.claims}
    cited = [claims for _number, _text, claims in sentences(manifest)] + [figure.claims for figure in manifest.figures]
    cited += [cell.claims for row in manifest.matrix.rows for cell in row.cells if cell]
    assert cited and all(cited)
    assert {handle for claims in cited for handle in claims} <= set(known)
    sources = {source.handle for source in manifest.sources}
    assert all(each.source in sources and len(each.entry) == 3 for each in manifest.claims if each.source)


def test_paragraphs_are_numbered_through_without_a_gap(manifest: Manifest) -> None:
    """1, 2, 3 ... across all parts, in the order in which they are printed."""
    numbers = [paragraph.number for paragraph in manifest.paragraphs()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_superseded_claim_is_left_out_and_a_retracted_one_marked(manifest: Manifest) -> None:
    """C-0003 was superseded by C-0013; C-0002 was retracted and says so."""
    handles = {each.handle for each in manifest.claims}
    assert "C-0003" not in handles and "C-0013" in handles
    assert next(each.stance for each in manifest.claims if each.handle == "C-0002") == "retracted"


def test_claims_of_one_passage_make_one_paragraph(manifest: Manifest) -> None:
    """Sentences that lean on each other stay together, in their order, with their day and place."""
    paragraph = next(each for each in manifest.paragraphs() if "C-0020" in each.claims())
    assert paragraph.claims() == ("C-0020", "C-0021", "C-0022", "C-0025")
    assert (paragraph.when, paragraph.place) == ("2018-01", "Grozny, the capital")


def test_a_denial_is_pointed_at_from_both_sides(manifest: Manifest) -> None:
    """Paragraphs that contradict each other name each other, and section 4 has both claims with the relation."""
    of = {claim: paragraph for paragraph in manifest.paragraphs() for claim in paragraph.claims()}
    assert of["C-0024"].number in of["C-0020"].against and of["C-0020"].number in of["C-0024"].against
    pair = next(each for each in manifest.contradictions if each.assessment is None and each.left[0].claims == ("C-0020",))
    assert pair.right[0].claims == ("C-0024",) and "One account differs." in pair.relations[0]


def test_no_ground_of_an_act_against_one_person_is_printed(manifest: Manifest) -> None:
    """Grounds of acts with an individual victim are in no form of the manifest, and words of them are masked beside persons."""
    handles = {each.handle for each in manifest.claims}
    assert not handles & {"C-0004", "C-0005", "C-0008", "C-0011"}
    for _number, text, claims in sentences(manifest):
        if set(claims) <= {"C-0006", "C-0007", "C-0009", "C-0010"}:
            assert not mentions(text)
    assert "[ground]" in json.dumps(json.loads(manifest.to_json()), ensure_ascii=False)


def test_the_ground_of_an_act_against_a_group_may_stand(manifest: Manifest) -> None:
    """It belongs to the act; nobody is listed by it."""
    assert "They were taken for gay." in [text for _number, text, _claims in sentences(manifest)]


def test_small_counts_by_ground_are_suppressed(manifest: Manifest) -> None:
    """The cells come suppressed from the view and no other number by ground is in the manifest."""
    assert manifest.ground_counts and {cell for _ground, cell in manifest.ground_counts} == {"suppressed"}


def test_a_state_that_was_only_asked_has_no_record_of_joining(manifest: Manifest) -> None:
    """The matrix has one column and two rows; asked is shown as asked, and absent States are not in it."""
    [column] = manifest.matrix.instruments
    assert column.handle == "M-0001" and column.paragraph > 0
    assert {row.code: row.cells for row in manifest.matrix.rows} == {
        "FRA": (Cell(("joined",), ("C-0026", "C-0027", "C-0028")),),
        "DEU": (Cell(("asked",), ("C-0029", "C-0030", "C-0031")),),
    }


def test_words_of_a_claim_without_text_are_made_and_verbatim_is_quoted(manifest: Manifest) -> None:
    """Property and value in words where nobody wrote a sentence; quotation marks where somebody's own words stand."""
    texts = [text for _number, text, _claims in sentences(manifest)]
    assert "“We saw it”" in texts
    assert any(text.startswith("Captain Made-Up: Commands") for text in texts)


def test_actors_are_officials_and_institutions_never_affected_persons(manifest: Manifest) -> None:
    """Police and captain are listed with what is claimed of command; persons affected and their groups are not."""
    actors = {actor.handle: actor for actor in manifest.actors}
    assert set(actors) == {"G-0001", "P-0009"}
    assert actors["P-0009"].claimed[0].claims == ("C-0023",)


def test_the_gate_sees_every_text_that_the_file_prints(manifest: Manifest) -> None:
    """Whatever text of a source the manifest holds is among the texts given to the gate before layout."""
    given = "\n".join(text for _where, text in texts_of(manifest))
    for _number, text, _claims in sentences(manifest):
        assert text in given
    assert all(source.label in given for source in manifest.sources)
    assert sources_of(manifest) == {source.handle for source in manifest.sources if source.claims}
    assert {"P-0001", "P-0002", "P-0003"} <= persons_of(manifest)
    assert "P-0009" not in persons_of(manifest)


def test_the_same_record_gives_the_same_manifest_and_builds(view: RecordView, manifest: Manifest) -> None:
    """Composing twice agrees in every byte; the PDF of it is made; overrides are printed in it."""
    assert compose(view, None, OPTIONS).to_json() == manifest.to_json()
    overridden = compose(view, None, replace(OPTIONS, overrides=(("0123456789ab", "a reason"),)))
    assert [each.reason for each in overridden.overrides] == ["a reason"]
    assert build.pages(build.build_pdf(overridden)) > 5


def test_an_empty_record_makes_an_empty_manifest(tmp_path: Path) -> None:
    """A workspace without a claim gives a dossier that says so, not an error."""
    manifest = compose(filled(tmp_path / "record.db", []), None, OPTIONS)
    assert not list(manifest.paragraphs()) and not manifest.claims
    assert build.pages(build.build_pdf(manifest)) > 3
