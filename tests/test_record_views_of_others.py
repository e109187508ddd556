"""The views of testimony and identities, and the vocabularies."""

from pathlib import Path

import pytest

from amparo.record.digest import digest
from amparo.record.identity import IdentityView
from amparo.record.items import Item
from amparo.record.model import Identity, Name, Passage
from amparo.record.testimony import TestimonyView
from amparo.record.vocabulary import BadVocabulary, load
from amparo.vault.database import Database

KEY = bytes(32)


def person(handle: str, *names: str) -> Identity:
    return Identity(handle, [Name(name) for name in names], made_up=True)


def test_passages_and_files_of_a_source(tmp_path: Path) -> None:
    """Passages are found by handle, source and words, masked in lists; files in order; erasing leaves none."""
    view = TestimonyView(Database(tmp_path / "t.db", KEY))
    rows = [Passage("Q-0001", "S-0001", "p. 1", "They took the gay man to Argun").to_row()]
    items = [Item(f"D-000{size}", "S-0001", bytes(32), bytes(32), size, f"blob{size}", bytes(32), "a.txt") for size in (5, 6)]
    files = [item.to_row() for item in items]
    with view.bulk():
        view.apply((1, 1, 0), Passage.TYPE, rows)
        view.apply((1, 1, 1), Item.TYPE, files)
        view.set_positions({b"d": b"p"})
    assert view.search("Аргун") == [("Q-0001", "", "They took the [ground] man to Argun")] and view.search("gay") == []
    assert view.passage("Q-0001") == view.passages("S-0001")[0] == Passage.from_row(rows[0])
    assert [file.size for file in view.files("S-0001")] == [5, 6]
    assert view.find("", "Q-0001", Passage.TYPE) == ("Q-0001", digest(Passage.TYPE, rows[0]))
    assert [tuple(origin) for origin in view.origins_of_source("S-0001")] == [(1, 1, 0), (1, 1, 1)]
    for origin in view.origins_of_source("S-0001"):
        view.erase(origin)
    assert (view.search("argun"), view.files("S-0001"), view.passage("Q-0001")) == ([], [], None)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Arslan Testov", ["P-0001"]), ("testov ARSLAN", ["P-0001"]), ("Арслан Тестов", ["P-0001"]),
        ("Арслана Тестова", ["P-0001"]),
        ("أرسلان تستوف", ["P-0001"]), ("Arslan Tesstov", ["P-0001"]), ("Arslan Musaevich Testov", ["P-0001"]),
        ("Arslan", []),
        ("Zelim Probnyy", ["P-0002"]), ("Зелим", []), ("", []), ("...", []), ("Malika Vymysel", []),
    ],
)  # fmt: skip
def test_a_known_person_is_recognised(tmp_path: Path, name: str, expected: list[str]) -> None:
    """A name that was registered is recognised in another order, script, case or with a slip; a stranger is not."""
    view = IdentityView(Database(tmp_path / "i.db", KEY))
    view.apply((1, 1, 0), Identity.TYPE, [person("P-0001", "Arslan Testov").to_row()])
    view.apply((1, 1, 1), Identity.TYPE, [person("P-0002", "Зелим Пробный", "Зел").to_row()])
    assert [handle for handle, _ in view.find_similar(name)] == expected


def test_an_identity_is_replaced_and_erased(tmp_path: Path) -> None:
    """The later row of a person counts; erasing it brings the earlier back, erasing both leaves nobody."""
    view = IdentityView(Database(tmp_path / "i.db", KEY))
    first, second = person("P-0001", "Arslan Testov"), person("P-0001", "Arslan Testov", "Arsik")
    view.apply((1, 1, 0), Identity.TYPE, [first.to_row()])
    view.apply((1, 2, 0), Identity.TYPE, [second.to_row()])
    assert view.identity("P-0001") == second and view.all() == [second]
    assert view.find("", "P-0001", Identity.TYPE) == ("P-0001", digest(Identity.TYPE, second.to_row()))
    view.erase((1, 2, 0))
    assert view.identity("P-0001") == first
    for origin in view.origins_of_person("P-0001"):
        view.erase(origin)
    assert view.all() == [] and view.identity("P-0001") is None


def test_shipped_vocabularies_are_whole() -> None:
    """Every property's vocabulary exists, every list has terms and labels, and no property is a field for what a person is."""
    loaded = load()
    for item in loaded.properties():
        assert not item.value.startswith("term:") or loaded.terms(item.value[5:]), item
    assert all(loaded.terms(name) and loaded.label(name, loaded.terms(name)[0]) for name in loaded)
    assert loaded.property("ground").subjects == ("act",)  # type: ignore[union-attr]
    forbidden = {"sexual orientation", "orientation", "religion", "ethnicity", "political opinion", "opinion", "nationality"}
    assert not forbidden & {item.id for item in loaded.properties()}
    assert loaded.huridocs("act") == 4 and loaded.huridocs("no such list") is None


def test_a_slip_is_answered_with_what_was_meant() -> None:
    """A misspelt term or property gets near ones; nonsense gets none."""
    loaded = load()
    term = loaded.terms("act")[0]
    assert loaded.suggest("act", term[:-1] + "x")[0] == term and loaded.suggest("property", "grond")[0] == "ground"
    assert loaded.suggest("act", "qqqqqqqq") == loaded.suggest("no such list", "x") == []


def test_further_terms_add_and_never_change(tmp_path: Path) -> None:
    """A folder of one's own adds terms and lists; what is shipped keeps its label; a broken file is named."""
    shipped = load().terms("act")[0]
    terms = f"[{{id: {shipped}, label: Other}}, {{id: our own, label: Ours}}]"
    (tmp_path / "act.yaml").write_text(f"vocabulary: act\nterms: {terms}\n")
    loaded = load(tmp_path)
    assert loaded.label("act", shipped) == load().label("act", shipped) and loaded.has_term("act", "our own")
    assert not load().has_term("act", "our own")
    for number, text in enumerate(["vocabulary: x", "[", "properties: [{id: p, value: strange}]", "- a"]):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "broken.yaml").write_text(text)
        with pytest.raises(BadVocabulary) as caught:
            load(tmp_path / f"{number}")
        assert caught.value.facts["file"] == "broken.yaml"
