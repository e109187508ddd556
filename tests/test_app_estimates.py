"""Lists of the record as tables of counts: who is counted where, what is never shown, what is refused. All of it is made up."""

from pathlib import Path
from typing import Any
from xml.dom import minidom

import numpy as np
import pytest

from amparo.analysis.capture import CaptureTable, Estimate, NotEstimable
from amparo.analysis.ensemble import GRAPHS, LATENT, Choice, Ensemble, Run, Strata
from amparo.analysis.overlap import look
from amparo.app import estimates, estimates_words, opening
from amparo.app.estimates_figure import figure
from amparo.app.people import NotOneOf, UnknownHandle
from amparo.app.session import Session
from amparo.kernel.i18n import speaking
from amparo.record.model import Claim, Entity
from amparo.vault.slots import Cost, Passphrase

LISTS = {"hospital": ["S-0001", "S-0002"], "relatives": ["S-0003"], "press": ["press-archive"]}


def victim(number: int, person: int, source: int, **more: Any) -> list[Any]:
    told: dict[str, Any] = {"source": f"S-{source:04d}", "subject": f"A-{person:04d}", "person": f"P-{person:04d}", **more}
    return Claim(f"C-{number:04d}", property="victim", value=f"P-{person:04d}", **told).to_row()


def rows() -> dict[str, list[list[Any]]]:
    """Six persons, an act for each; P-0004 and P-0005 are one person; sources 4 and 5 came with the import press-archive."""
    sources = [Entity(f"S-{n:04d}", "source", dataset="press-archive" if n > 3 else "") for n in range(1, 6)]
    persons = [Entity(f"P-{n:04d}", "person") for n in range(1, 8)]
    types, days = {6: "arrest"}, {3: "2019"}
    acts = [Entity(f"A-{n:04d}", "act", types.get(n, "killing"), date=days.get(n, "")) for n in range(1, 8)]
    places = [Entity("L-0001", "place", label="A made-up province")]
    places += [Entity("L-0002", "place", label="A made-up town", parent="L-0001")]
    said = [
        victim(1, 1, 1, valid="2020-03"), victim(2, 1, 2, valid="2020"), victim(3, 1, 3, valid="2020-03-02", place="L-0002"),
        victim(4, 2, 2, valid="2021-05"), victim(5, 2, 4, valid="2020-05"),
        victim(6, 3, 3), victim(7, 3, 5),
        victim(8, 4, 1, valid="2020/2021"), victim(9, 5, 3, valid="2020"),
        victim(10, 6, 4, place="L-0001"),
        victim(11, 7, 1, polarity="denied"),
        Claim("C-0012", "A-0001", "victim", "G-0001", source="S-0001").to_row(),
        Claim("C-0013", "P-0004", "same person as", "P-0005", source="S-0001").to_row(),
        victim(14, 7, 3, supersedes="C-0015"), victim(15, 7, 3),
        Claim("C-0016", "P-0007", "description", text="not a victim here", source="S-0001", supersedes="C-0014").to_row(),
        Claim("C-0017", "A-0002", "ground", "sexual orientation", source="S-0002").to_row(),
    ]  # fmt: skip
    return {Entity.TYPE: [one.to_row() for one in (*sources, *persons, *acts, *places)], Claim.TYPE: said}


@pytest.fixture
def session(tmp_path: Path) -> Session:
    passphrases = Passphrase("a made-up passphrase"), Passphrase("another made-up one")
    opening.create(tmp_path / "case", *passphrases, cost=Cost(64, 1, 1))
    made = Session(tmp_path / "case", [opening.read_ring(tmp_path / "case", "everyday", passphrases[0])])
    with made.change() as change:
        for kind, several in rows().items():
            change.put("record", kind, several)
    return made


def cells(table: CaptureTable) -> dict[tuple[int, ...], int]:
    return {tuple(int(one) for one in row): int(count) for row, count in zip(table.patterns, table.counts, strict=True)}


def test_a_person_stands_on_every_list_whose_sources_tell_of_them(session: Session) -> None:
    """Sources of one list count once, an import's sources are a list, and two handles of one person are one person."""
    found = estimates.count(session, LISTS)
    assert found.tables[0].lists == ("hospital", "relatives", "press")
    assert cells(found.tables[0]) == {(1, 1, 0): 2, (1, 0, 1): 1, (0, 1, 1): 1, (0, 0, 1): 1}
    assert (found.merged, found.groups) == (1, 1)


def test_what_is_denied_or_superseded_puts_nobody_on_a_list(session: Session) -> None:
    """A person who is a victim only in a denied and in superseded claims is not counted."""
    assert estimates.count(session, LISTS).tables[0].observed == 5


def test_strata_part_the_persons_and_nobody_is_in_two(session: Session) -> None:
    """By year, place, region and type of act every person is in one stratum, and who has none or several in one apart."""
    for by in estimates.BY:
        found = estimates.count(session, LISTS, by=by)
        assert sum(tables[0].observed for tables in found.strata.values()) == found.tables[0].observed, by
    years = {name: tables[0].observed for name, tables in estimates.count(session, LISTS, by="year").strata.items()}
    assert years == {"2019": 1, "2020": 2, "not known, or several": 2}
    places = estimates.count(session, LISTS, by="place").strata
    assert set(places) == {"A made-up town (L-0002)", "A made-up province (L-0001)", "not known, or several"}
    assert set(estimates.count(session, LISTS, by="region").strata) == {"A made-up province (L-0001)", "not known, or several"}


def test_victims_of_one_type_of_act_can_be_counted_alone(session: Session) -> None:
    """Only the victims of that type of act are on the lists."""
    assert cells(estimates.count(session, LISTS, act="arrest").tables[0]) == {(0, 0, 1): 1}
    with pytest.raises(NotOneOf):
        estimates.count(session, LISTS, act="no such act")


def test_each_sampled_clustering_makes_a_table(session: Session) -> None:
    """Persons in one cluster are one person in that sample only; what claims say holds in every sample."""
    found = estimates.count(session, LISTS, samples=[{}, {"P-0001": 7, "P-0002": 7, "P-0003": 8}, {"P-0006": 1, "P-0003": 1}])
    assert [table.observed for table in found.tables] == [5, 4, 4]
    assert cells(found.tables[1]) == {(1, 1, 0): 1, (1, 1, 1): 1, (0, 1, 1): 1, (0, 0, 1): 1}


def test_nobody_is_counted_by_the_ground(session: Session) -> None:
    """Neither as strata nor hidden in the name of a list can persons be counted by what they were persecuted for."""
    for by in ("ground", "sexual orientation"):
        with pytest.raises(estimates.ByGround):
            estimates.count(session, LISTS, by=by)
    with pytest.raises(NotOneOf):
        estimates.count(session, LISTS, by="perpetrator")
    with pytest.raises(estimates.NotAList):
        estimates.list_from("gay men=S-0001")


def test_sources_that_are_not_there_or_on_two_lists_are_refused(session: Session) -> None:
    """An unknown source or import, a source on two lists, one list alone: each is told in a sentence."""
    for lists, error in (
        ({"a": ["S-0001"], "b": ["S-0009"]}, UnknownHandle), ({"a": ["S-0001"], "b": ["no import"]}, UnknownHandle),
        ({"a": ["S-0001"], "b": ["S-0001"]}, estimates.SourceTwice), ({"a": ["S-0001"]}, estimates.ListsDiffer),
    ):  # fmt: skip
        with pytest.raises(error):
            estimates.count(session, lists)
    for text in ("S-0001", "=S-0001", "a=", "a= , "):
        with pytest.raises(estimates.NotAList):
            estimates.list_from(text)


def test_counts_under_three_are_not_shown_nor_what_tells_them(session: Session) -> None:
    """Small lists and strata read as none, and with a single small stratum the next smallest is hidden as well."""
    assert estimates.count(session, LISTS).sizes == {"hospital": 3, "relatives": 3, "press": 3}
    small = CaptureTable.of("ab", [((1, 0), 2), ((0, 1), 9)])
    assert estimates.sizes(small, small=3) == {"a": None, "b": 9}
    assert estimates.shown_strata({"2019": 2, "2020": 50, "2021": 70}) == {"2019": None, "2020": None, "2021": 70}


def estimate_of(point: float, observed: int = 100) -> Estimate:
    draws = np.linspace(point * 0.8, point * 1.2, 101)
    return Estimate("m", ("a", "b", "c"), observed, point, point * 0.8, point * 1.2, 0.95, draws, {}, {"seed": 1})


def whole(*points: float) -> Ensemble:
    table = CaptureTable.of("abc", [((1, 1, 0), 30), ((1, 0, 1), 30), ((0, 1, 1), 2), ((1, 0, 0), 40), ((0, 0, 1), 30)])
    runs = [Run(Choice(model), estimate_of(point)) for model, point in zip((LATENT, GRAPHS), points, strict=False)]
    return Ensemble(table.lists, 132, 1, look(table), tuple(runs))


def test_a_hidden_stratum_is_not_told_by_its_estimate() -> None:
    """Where a stratum's documented is hidden, no line and no figure of --json holds it or lets it be subtracted."""
    parts: dict[str, Ensemble | str] = {"2019": "too thin.", "2020": whole(300.0), "2021": whole(900.0)}
    found = Strata(parts, {"2019": 2, "2020": 100, "2021": 400}, (Run(Choice(LATENT), why="no total."),))
    data = estimates_words.strata_data(found, of_record=True)["strata"]
    assert data["2019"]["documented"] is None and data["2020"]["documented"] is None and data["2021"]["documented"] == 400
    assert not {"documented", "unseen"} & set(data["2020"]["models"][0]) and "unseen" in data["2021"]["models"][0]
    lines = dict(estimates_words.strata_sections(found, of_record=True))["2020 (documented: too few to tell)"]
    assert "unseen" not in lines[0] and "240" in lines[0]


def test_the_summary_names_the_span_and_the_disagreement() -> None:
    """Documented, the lowest and the highest bound of all models; that they differ twofold is said."""
    found = whole(300.0, 600.0)
    summary, sections, _data = estimates_words.told(found, "Persons killed", of_record=True)
    text = "\n".join(line for _title, lines in sections for line in lines)
    assert "Persons killed: 132 are documented. In all there were between 240 and 720" in summary
    assert "The models differ 2.0-fold" in text
    assert "so 140 to 260 are unseen" in text


@pytest.mark.parametrize("tongue", ["en", "ru", "ar"])
def test_the_figure_is_whole_in_every_language(tongue: str) -> None:
    """The figure is well-formed, has a title and a description with every figure in it, and draws from the right in Arabic."""
    with speaking(tongue):
        runs = (*whole(300.0, 600.0).runs, Run(Choice(GRAPHS, prior=1.0), why="<script>\x00 & no overlap."))
        drawn = minidom.parseString(figure(runs, 132, 'Persons <"&>').encode())
    told = drawn.getElementsByTagName("desc")[0].firstChild
    assert told and all(words in str(told.nodeValue) for words in ("240", "720", "132", "<script>"))
    assert drawn.getElementsByTagName("title") and not drawn.getElementsByTagName("script")
    boxes = drawn.getElementsByTagName("rect")
    bars = [float(box.getAttribute("x")) for box in boxes if box.getAttribute("fill") == "#000"]
    assert (max(bars) > 300) == (tongue == "ar")
    directions = {text.getAttribute("direction") for text in drawn.getElementsByTagName("text")}
    assert directions == {"rtl" if tongue == "ar" else "ltr"}
    inside = [float(box.getAttribute(name)) for box in boxes for name in ("x", "y") if box.getAttribute(name)]
    assert min(inside) >= 0 and max(inside) <= 720


def test_no_model_at_all_is_a_refusal() -> None:
    """Where no model and no stratum could be estimated, the reasons are the answer."""
    table = whole(300.0)
    with pytest.raises(NotEstimable, match="because of this"):
        Ensemble(table.lists, 5, 1, table.overlap, (Run(Choice(LATENT), why="because of this."),)).require_some()
    with pytest.raises(NotEstimable, match="2019: too thin"):
        Strata({"2019": "too thin."}, {"2019": 2}, ()).require_some()
