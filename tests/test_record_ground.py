"""The ground belongs to the act: every route by which a list of persons by ground could be had, attacked by name."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_kit import claim, entity, example, filled

from amparo.record import ground, tokens
from amparo.record.ground import MASK, mask, suppress
from amparo.record.model import Claim, Entity
from amparo.record.query import GROUND_EXPLANATION, NOTHING, compile_query
from amparo.record.search import search
from amparo.record.view import RecordView

SPELLINGS = [
    "gay", "GAY", "Gay", "“gay”", '"gay"', '"gay man"', "ga\u200by", "g\u00ada\u200dy", "gаy", "ｇａｙ", "gay*", "+gay", "-gay",
    "gay's", "anti-gay", "gay_man", "(gay)", "NEAR(gay man)", "text:gay", "gay OR beaten", "gay AND beaten", "gay NOT x",
    "beaten gay",     "gei", "gey", "gej", "гей", "ГЕЙ", "гэй", "геев", "геями", "gomoseksualist", "гомосексуалист",
    "homosexual", "homosexuals",
    "lesbian", "лесбиянка", "LGBT", "лгбт", "مثلي", "المثليين", "والمثليين", "مِثلي", "muslim", "religion", "sexual orientation",
    "ориентация", '"because he was gay"', "gay " * 200,
]  # fmt: skip


@pytest.fixture
def view(tmp_path: Path) -> RecordView:
    return filled(tmp_path / "v.db", example())


def words_of(value: object) -> str:
    return json.dumps(value, default=str, ensure_ascii=False).lower()


def tells(value: object) -> list[str]:
    return [word for word in ("gay", "гей", "homosexual", "sexual orientation", "political opinion") if word in words_of(value)]


@pytest.mark.parametrize("query", SPELLINGS)
def test_attack_search_by_ground_word(view: RecordView, query: str) -> None:
    """No spelling of a ground word finds a claim or an entity, also where the text has it; the answer has the shape of none."""
    found, none = search(view, query), search(view, "wordthatisnothere")
    assert found.hits == [] and found.total == 0 and not found.more and found.facets == none.facets
    assert found.explanation == GROUND_EXPLANATION


PREFIXES = ["ga*", "homosex*", "homo*x", "hom*", "гом*", "le*", "sex*", "[ground]", "ground", "_rground", "kA", "grou*"]


@pytest.mark.parametrize("query", PREFIXES)
def test_attack_prefix_and_inner_tokens(view: RecordView, query: str) -> None:
    """A beginning of a ground word, the mask itself or a token of the index's own making finds nobody."""
    assert [hit for hit in search(view, query).hits if hit.kind != "place"] == []


def test_attack_neighbouring_words_come_masked(view: RecordView) -> None:
    """A phrase beside a ground word finds the claim like any other, but the hit does not show the word."""
    hits = search(view, '"beaten because he was"').hits
    assert len(hits) == 1 and MASK in hits[0].text and tells(asdict(hits[0])) == []


def test_attack_two_hops_from_event_to_victims(view: RecordView) -> None:
    """Neither the event, nor its acts, nor the list of claims about its victims tells the ground on the way."""
    acts = view.entities(parent="E-0001")
    victims = [view.claims(value=person) for person in ("P-0001", "P-0002", "P-0003")]
    told = [view.claims(person=person) for person in ("P-0001", "P-0002", "P-0003")]
    assert tells([[asdict(a) for a in acts], [asdict(s) for several in victims + told for s in several]]) == []
    assert any(stored.masked for several in told for stored in several)


@pytest.mark.parametrize(
    "value", ["sexual orientation", "political opinion", "gay", "SEXUAL ORIENTATION", "", "%", "A-1' OR 1=1"]
)
def test_attack_lookup_by_value(view: RecordView, value: str) -> None:
    """Claims cannot be listed by a value that is no handle, so not by a ground either."""
    assert view.claims(value=value) == []


@pytest.mark.parametrize("prefix", ["", "gay", "gay/", "g\u200bay", "F001/2", "F001/3"])
def test_attack_key_prefix(view: RecordView, prefix: str) -> None:
    """The key of an imported row does not lead to the ground it states, and an empty beginning lists nothing."""
    assert view.claims(key_prefix=prefix) == []


def test_attack_facets_and_filters(view: RecordView) -> None:
    """No facet counts by ground, the property is no filter, and a claim of a ground is counted by no facet."""
    for options in ({}, {"kind": "act"}, {"source": "S-0001"}, {"date": "2017"}, {"status": "current"}):
        for query in ("", "beaten"):
            found = search(view, query, **options)  # type: ignore[arg-type]
            assert tells(asdict(found)) == []
            assert not {hit.handle for hit in found.hits} & {"C-0004", "C-0005", "C-0008", "C-0011"}
            assert set(found.facets) == {"kind", "date", "place", "source", "status"}
    for name in ("ground", "Ground", " GROUND ", "gro\u200bund"):
        assert search(view, "", property=name).hits == [] and search(view, "", property=name).explanation == GROUND_EXPLANATION


def test_attack_every_list_and_its_json(view: RecordView) -> None:
    """No list that the view can make names a ground beside a person or an act: claims, timeline, links, entities."""
    lists = {
        "by source": [view.claims(source=s) for s in ("S-0001", "S-0002")],
        "by passage": view.claims(passage="Q-0001"),
        "by key": view.claims(key_prefix="F"),
        "about a person": [view.claims(subject=p) for p in ("P-0001", "P-0002")],
        "timeline": list(view.timeline()),
        "assessments": view.assessments(),
        "contradictions": view.contradictions(),
        "entities": [view.entities(), view.entities(kind="act"), view.entities(kind="person")],
        "counts": view.counts(),
        "search": [search(view, q) for q in ("", "beaten", "man", "victim")],
    }
    assert {name: tells(found) for name, found in lists.items() if tells(found)} == {}
    assert {link.handle for link in view.contradictions()} == {"K-0001"}


def test_attack_sorting(view: RecordView, tmp_path: Path) -> None:
    """The order of a list does not follow the ground: what is masked or hidden has no part in it."""
    parts = [
        (origin, type, [["political opinion" if field == "sexual orientation" else field for field in row] for row in rows])
        for origin, type, rows in example()
    ]
    other = filled(tmp_path / "w.db", parts)
    for query in ("", "beaten", "man"):
        assert [hit.handle for hit in search(view, query).hits] == [hit.handle for hit in search(other, query).hits]
    assert view.claims(source="S-0001") == other.claims(source="S-0001")


def test_attack_timing_takes_the_same_path() -> None:
    """A refused query runs the same statement as any other, on a word that no text can have: no time depends on data."""
    assert compile_query("gay").expression == NOTHING == compile_query("...").expression
    assert tokens.tokens("_nothing nothing") == "noth noth"


def test_attack_the_index_itself(view: RecordView) -> None:
    """The words stored in the index have no ground word, and no row of it belongs to a claim that states a ground."""
    view.db.execute("CREATE VIRTUAL TABLE temp.seen USING fts5vocab(main, words, instance)")
    found = view.db.execute("SELECT term, doc FROM temp.seen")
    assert not {term for term, _ in found} & {"gay", "гей", "homosexu", "ge", "~ga"}
    assert not {number & 0xFFFF for _, number in found} & {4, 5, 8, 11}


def test_one_opened_act_shows_its_ground(view: RecordView) -> None:
    """What the promise allows: one act, one claim, one assessment in full; and not through what is not an act."""
    assert [stored.claim.handle for stored in view.ground_of("A-0001")] == ["C-0004", "C-0008"]
    assert "gay" in view.claims(subject="A-0001")[1].claim.text
    assert view.claim("C-0004").claim.value == "sexual orientation"  # type: ignore[union-attr]
    assert "gay" in view.assessment("J-0001").proposition  # type: ignore[union-attr]
    assert "gay" in view.assessments("C-0006")[0].proposition
    assert view.ground_of("P-0001") == view.ground_of("E-0001") == view.ground_of("%") == []
    assert view.history("P-0001", "ground") == []


def test_counts_suppress_small_cells(tmp_path: Path) -> None:
    """Grounds are counted over acts; what is under five is suppressed, with the cell that would give it away."""
    grounds = ["sexual orientation"] * 40 + ["political opinion"] * 7 + ["journalism"] * 3 + ["made up by a typist"] * 9
    acts = [entity(f"A-{n:04d}", "act") for n in range(1, len(grounds) + 1)]
    claims = [claim(n, f"A-{n:04d}", "ground", value) for n, value in enumerate(grounds, 1)]
    again = [
        claim(900, "A-0001", "ground", "sexual orientation"),
        claim(901, "A-0001", "ground", "ethnicity", polarity="denied"),
    ]
    view = filled(tmp_path / "v.db", [((1, 1, 0), Entity.TYPE, acts), ((1, 1, 1), Claim.TYPE, claims + again)])
    counted = view.ground_counts()
    assert counted.cells == {"sexual orientation": 40, "political opinion": None, "journalism": None, "other": 9}
    assert counted.total == 59


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 60), max_size=8))
def test_suppressed_cells_cannot_be_told_by_subtraction(counts: dict[str, int]) -> None:
    """From what is shown, no cell under five is known: at least two are hidden, together five or more, or there is no total."""
    shown = suppress(counts)
    hidden = [counts[name] for name, n in shown.cells.items() if n is None]
    assert all(n is None or n >= 5 for n in shown.cells.values())
    assert all(counts[name] == n for name, n in shown.cells.items() if n is not None)
    assert not hidden or shown.total is None or (len(hidden) >= 2 and sum(hidden) >= 5)


@given(st.text(alphabet=st.sampled_from(" gaywlbtiГЕЙгейаًمثليا\u200b\u00ad*'\"-_[]"), max_size=40))
def test_a_masked_text_has_no_ground_word(text: str) -> None:
    """Masking is complete and masks nothing twice."""
    assert not ground.mentions(mask(text)) and mask(mask(text)) == mask(text)


def test_names_of_institutions_and_common_words_stay() -> None:
    """A published name that contains a ground word stands; words that only look alike are not masked and are found."""
    text = "The Russian LGBT Network met in Kafr, paid in евро, and heard of industry, transfer, Gayane and Мусса."
    assert mask(text) == text and mask("LGBT persons") == f"{MASK} persons"
    assert compile_query("Russian LGBT Network").expression != NOTHING
