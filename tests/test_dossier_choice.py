"""A dossier of chosen events: what tells of them, with whatever contradicts it, and nothing that could be subtracted."""


import pytest
from record_kit import example, filled
from test_dossier_compose import OPTIONS, more

from amparo.dossier import build
from amparo.dossier.compose import NoSuchEvent, claims_at, compose, texts_of
from amparo.dossier.compose import Options as Asked
from amparo.dossier.manifest import Manifest
from amparo.record.model import Link
from amparo.record.view import RecordView


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> RecordView:
    beyond = ((1, 7, 0), Link.TYPE, [Link("K-0050", "contradicts", "C-0033", "C-0021", "It speaks against the raid.").to_row()])
    return filled(tmp_path_factory.mktemp("views") / "record.db", [*example(), *more(), beyond])


def chosen(view: RecordView, *events: str) -> Manifest:
    return compose(view, None, Asked(OPTIONS.purpose, OPTIONS.audience, OPTIONS.head_hash, OPTIONS.head_date, events=events))


def test_a_choice_keeps_what_belongs_to_the_event_and_leaves_the_rest(view: RecordView) -> None:
    """The claims of the event and its acts are there, those of other events and States' positions are not."""
    manifest = chosen(view, "E-0003")
    cited = {claim.handle for claim in manifest.claims}
    assert {"C-0020", "C-0021", "C-0022", "C-0024", "C-0032"} <= cited
    assert "C-0001" not in cited
    assert "C-0026" not in cited
    assert {section.handle for section in manifest.events} == {"E-0003"}
    assert len(cited) < len(compose(view, None, OPTIONS).claims)


def test_no_choice_leaves_out_what_speaks_against(view: RecordView) -> None:
    """A claim about another thing that contradicts one of the event comes with it, and the two stand side by side."""
    manifest = chosen(view, "E-0003")
    assert "C-0033" in {claim.handle for claim in manifest.claims}  # about a measure, linked against C-0021
    sides = [{claim for sentence in (*item.left, *item.right) for claim in sentence.claims} for item in manifest.contradictions]
    assert {"C-0033", "C-0021"} in sides


def test_a_choice_counts_no_grounds(view: RecordView) -> None:
    """Counts over two choices would tell one act by subtraction: a chosen dossier has none of grounds, and no totals."""
    assert compose(view, None, OPTIONS).ground_counts
    assert chosen(view, "E-0003").ground_counts == ()
    assert chosen(view, "E-0003").counts == ()


def test_the_reader_is_told_of_the_choice(view: RecordView) -> None:
    """The first page names the events; the PDF is laid out with and without a choice; an event that is none is refused."""
    manifest = chosen(view, "E-0003")
    assert manifest.chosen == (("E-0003", "a raid"),)
    assert manifest.title == "a raid"
    assert b'"chosen"' in manifest.to_json()
    assert build.build_pdf(manifest).startswith(b"%PDF")
    for wrong in ("E-0099", "P-0009"):
        with pytest.raises(NoSuchEvent):
            chosen(view, wrong)


def test_every_place_the_gate_names_leads_to_claims(view: RecordView) -> None:
    """Where a text stands, as the gate is told, is the place by which its claims are found."""
    manifest = compose(view, None, OPTIONS)
    places = claims_at(manifest)
    told = {where for where, _text in texts_of(manifest) if where.startswith(("paragraph", "claim", "source"))}
    assert told
    assert told <= places.keys()
    assert all(places[where] for where in told)
