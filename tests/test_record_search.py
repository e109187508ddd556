"""Search: scripts, stems, phrases, facets, and queries that were written to break it."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from record_kit import claim, entity, example, filled

from amparo.kernel.errors import BadInput
from amparo.kernel.text import words
from amparo.record import ground, tokens
from amparo.record import search as module
from amparo.record.model import Claim, Entity
from amparo.record.query import compile_query, excerpt
from amparo.record.search import search
from amparo.record.view import RecordView


@pytest.fixture
def view(tmp_path: Path) -> RecordView:
    return filled(tmp_path / "v.db", example())


def handles(view: RecordView, query: str, **options: str) -> list[str]:
    return [hit.handle for hit in search(view, query, **options).hits]  # type: ignore[arg-type]


@pytest.mark.parametrize("query", ["grozny", "Grozny", "GROZNY", "Грозный", "грозном", "Grozniy", "غروزني", "Gro\u200bzny"])
def test_a_place_is_found_across_scripts(view: RecordView, query: str) -> None:
    """A name in Latin, Cyrillic or Arabic letters finds the place and the claims that spell it otherwise."""
    assert handles(view, query)[:1] == ["L-0001"] and {"C-0001", "C-0002", "C-0012"} <= set(handles(view, query))


def test_stems_of_english_russian_and_arabic(tmp_path: Path) -> None:
    """An inflected word finds its other forms."""
    texts = ["They were detaining students", "Студентов задержали ночью", "اعتقل المعتقلون في الليل"]
    view = filled(tmp_path / "v.db", [((1, 1, 0), Claim.TYPE, [claim(n, "E-0001", text=t) for n, t in enumerate(texts, 1)])])
    assert [handles(view, q) for q in ("detained student", "студент", "معتقل")] == [["C-0001"], ["C-0002"], ["C-0003"]]


def test_words_are_joined_phrases_stand_and_beginnings_match(view: RecordView) -> None:
    """AND by default, neighbours in quotation marks (of any kind), a star for a beginning."""
    assert handles(view, "masks grozny") == ["C-0001"] and handles(view, "masks argun") == []
    assert handles(view, '"in masks"') == handles(view, "“in masks”") == ["C-0001"] and handles(view, '"masks in"') == []
    assert set(handles(view, "deta*")) == {"C-0001", "C-0012"} and handles(view, "detaine*") == handles(view, "detained")


def test_facets_count_what_was_found(view: RecordView) -> None:
    """Facets agree with the hits, with and without words, and each value of a facet finds as many as it says."""
    for query in ("", "grozny", "beaten", "held"):
        facets = search(view, query).facets
        for name, cells in facets.items():
            for value, number in cells.items():
                found = search(view, query, **{name: value}, limit=1000)  # type: ignore[arg-type]
                claims = [hit for hit in found.hits if hit.handle.startswith("C-")]
                entities = [hit for hit in search(view, query).hits if not hit.handle.startswith("C-")]
                expected = number - (sum(e.kind == value for e in entities) if name == "kind" else 0)
                assert name == "date" or len(claims) == expected, (query, name, value)


@pytest.mark.parametrize(
    ("date", "expected"),
    [("2017", 5), ("2017-03", 3), ("2017-05", 3), ("2017-02/2017-04", 4), ("../2016", 0), ("2018/..", 0),
     ("2016-12/2017-12", 5), ("before 2018", 5), ("2017-03-15", 3)],
)  # fmt: skip
def test_dates_filter_to_the_month(view: RecordView, date: str, expected: int) -> None:
    """A claim is found by every time it touches: a month by its month and year, a year by each of its months."""
    assert search(view, "", date=date).total == expected


def test_filters_that_do_not_exist_are_refused(view: RecordView) -> None:
    """A wrong status, kind or date is told, with what can be chosen; an unknown place just finds nothing."""
    for wrong in ({"status": "x"}, {"kind": "x"}, {"date": "x"}):
        with pytest.raises(BadInput):
            search(view, "", **wrong)  # type: ignore[arg-type]
    assert search(view, "", place='L-1" OR "x').total == 0


def test_pages_do_not_overlap_and_cover_all(view: RecordView) -> None:
    """Paging shows every hit once, in one order."""
    whole = handles(view, "grozny")
    assert [hit.handle for at in range(0, 8, 2) for hit in search(view, "grozny", limit=2, offset=at).hits] == whole
    assert search(view, "grozny", offset=100).hits == [] and len(set(whole)) == len(whole)


def test_more_than_the_cap_is_said(view: RecordView, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more match than are ranked, the result says so, and holds the newest."""
    monkeypatch.setattr(module, "CAP", 2)
    found = search(view, "beaten")
    assert found.more and found.total == 2 and found.total_text == "more than 2"
    assert {hit.handle for hit in found.hits} == {"C-0009", "C-0010"}


HOSTILE = [
    "", " ", '"', '""', '"""', "*", "a*", "**", "AND", "OR NOT", "NEAR(a b)", "NEAR/3", "{t}: x", "t : x", "-x", "^x", "x^2",
    "(", ")", "((((", "a AND", "a +", "';DROP TABLE claims;--", "%", "\\", "\x00", "a\x00b", "\ud800", "_sS_1", "~grazn",
    "=grzn", "x" * 5000, "a " * 2000, '"' + "a " * 2000, "ﷺ", "½", "🏳️", "\u202egrozny", "ŉ", "ǅ", "e\u0301" * 50, "C-0001",
    "P-0001*",
]  # fmt: skip


@pytest.mark.parametrize("query", HOSTILE)
def test_hostile_queries_get_an_answer(view: RecordView, query: str) -> None:
    """No text that a user can type makes the database complain."""
    assert search(view, query).total >= 0


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60) | st.text(alphabet='"*()+-^:{}.,\\ aAnNdDoOrRтьم_~=', max_size=40))
def test_any_text_is_a_query(view: RecordView, text: str) -> None:
    """Whatever it is, a query has a result."""
    search(view, text)


@settings(deadline=None)
@given(st.text(max_size=80))
def test_tokens_are_clean_and_the_same_each_time(text: str) -> None:
    """A token has letters and digits behind at most one mark, so none can end its quotes; and equal texts give equal tokens."""
    made = tokens.tokens(text).split()
    assert all((token[1:] if token[0] in "~^=" else token).isalnum() for token in made)
    assert tokens.tokens(text).split() == made


@settings(deadline=None)
@given(st.text(max_size=80))
def test_every_word_of_a_text_finds_it(text: str) -> None:
    """What is indexed of a text contains the stem of each of its words that is no ground word."""
    indexed = set(tokens.tokens(text).split(" "))
    missing = {word for word, _, _ in words(text) if word not in ground.ground_words()} if text.isprintable() else set()
    assert {stem for stem in (tokens.clean(tokens.stem(word)) for word in missing) if stem} <= indexed


def test_an_excerpt_shows_the_word_found() -> None:
    """A long text is cut around the first match, between words."""
    text = "word " * 200 + "masks were worn " + "word " * 200
    cut = excerpt(text, compile_query("masks").stems)
    assert "masks were worn" in cut and len(cut) <= 210 and cut[0] == cut[-1] == "…"
    assert excerpt("short", frozenset()) == "short"


def test_an_entity_is_found_by_label_key_and_handle(tmp_path: Path) -> None:
    """Units, places and sources are found by published name, imported key and handle; renamed ones by the new name alone."""
    parts = [
        ((1, 1, 0), Entity.TYPE, [entity("G-0001", "group", label="Terek special unit", key="unit-7")]),
        ((1, 1, 1), Entity.TYPE, [entity("G-0001", "group", label="Akhmat special unit", key="unit-7")]),
    ]
    view = filled(tmp_path / "v.db", parts)
    assert all(handles(view, query) == ["G-0001"] for query in ("akhmat", "Ахмат", "أحمت unit", "unit-7", "g-0001", "special"))
    assert handles(view, "terek") == [] and handles(view, "akhmat", kind="place") == []
