"""Folding, words, scripts and romanising: what makes two spellings one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amparo.kernel.text import fold, romanise, script_of, words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ЁЛКА", "елка"),
        ("Zürich Łódź", "zurich lodz"),
        ("ﬁnal ＡＢＣ", "final abc"),
        ("مُحَمَّد", "محمد"),
        ("محـــمد", "محمد"),
        ("أحمد إيمان آمنة", "احمد ايمان امنه"),
        ("ليلى", "ليلي"),
        ("٣٤٥", "345"),
        ("ма\u200bга\u00adзин\u202e", "магазин"),
        ("мaгaзин", "магазин"),  # Latin a among Cyrillic
        ("mаgаzine", "magazine"),  # Cyrillic а among Latin
        ("Гӏала", "ГIала"),  # the palochka and the I that stands for it
        ("Й", "И\u0306"),
    ],
)
def test_spellings_of_one_word_fold_to_one(one: str, other: str) -> None:
    """Case, marks, forms, digits, invisible characters and look-alikes make no difference."""
    assert fold(one) == fold(other)


def test_letters_of_their_own_stay() -> None:
    """й is not и, and a word of one script is not rewritten into another."""
    assert fold("мой") == "мой"
    assert fold("сора cop") == "сора cop"


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    """fold(fold(x)) == fold(x) for any text."""
    assert fold(fold(text)) == fold(text)


@given(st.text(alphabet="abAB'- ёЁйжЖ1\u0301\u200bмPабأةـ٣"))
def test_words_point_into_the_text_as_given(text: str) -> None:
    """Every word is the fold of the stretch it names, in order, without overlap."""
    end = 0
    for word, start, stop in words(text):
        assert fold(text[start:stop]) == word
        assert end <= start < stop <= len(text)
        end = stop


def test_words_of_three_scripts() -> None:
    """Latin, Cyrillic, Arabic and numbers are words; punctuation, hyphens and underscores part them."""
    assert [word for word, _, _ in words("Der Ёж_2, кто-то: محمَّد")] == ["der", "еж", "2", "кто", "то", "محمد"]


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Groß", "Latn"),
        ("Ёж 12", "Cyrl"),
        ("محمد", "Arab"),
        ("შოთა", "Geor"),
        ("1 !", "Zyyy"),
        ("да, da, да", "Cyrl"),
        ("漢字", "Hani"),
    ],
)
def test_the_script_most_letters_have(text: str, script: str) -> None:
    """The dominant script is named by its ISO 15924 code."""
    assert script_of(text) == script


def test_romanising_gives_plain_latin() -> None:
    """Cyrillic and Arabic come out as ASCII, the same for every spelling of a word."""
    assert romanise("Щёголь") == "shchegol"
    assert romanise("عبد الله") == "bd allh"
    assert romanise("Straße") == "strasse"
