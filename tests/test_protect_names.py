"""Sealed names are found however they are written, and never repeated."""

import hashlib
import json
from dataclasses import asdict

import pytest
from memory_kit import growth, measured

from amparo.protect.names import GateCannotSee, SealedNames
from amparo.protect.spelling import readings
from amparo.record.model import Identity, Name

# All names, numbers and addresses are made up.
PEOPLE = [
    Identity(
        "P-0001",
        [
            Name("Варенчуков Зелимхан Абубакарович", script="Cyrl"),
            Name("Zelimkhan Varenchukov", script="Latn"),
            Name("زيليمخان فارنتشوكوف", script="Arab"),
            Name("Пчёлка", "nickname"),
            Name("Silver Heron", "nickname"),
        ],
        [["telephone", "+7 928 123-45-67"], ["e-mail", "z.varen89@example.org"], ["account", "@volk_95"], ["account", "https://t.me/heron"],
         ["address", "ул. Садовая, дом 12, кв. 5"]],
        [["passport", "82 04 123456"], ["card", "IV-АБ 987654"]],
    ),
    Identity("P-0002", [Name("Мария Пельц")]),
    Identity("P-0003", [Name("محمد الحمدانيّ", script="Arab")]),
    Identity("P-0004", [Name("Ли Ольга"), Name("Hassan Ali")]),
]  # fmt: skip


_LETTERS = str.maketrans("0123456789", "qrtuvwxyzk")


@pytest.fixture(scope="module")
def sealed() -> SealedNames:
    return SealedNames.from_view(PEOPLE, 4)


FOUND = {
    "inflected": "Встретили Варенчукову и Варенчуковых",
    "capitals": "ВАРЕНЧУКОВ",
    "in small letters": "сказал варенчуков",
    "transliterated": "Warentschukow",
    "transliterated another way": "Varenčukov",
    "old transliteration": "Varenchoukoff",
    "possessive": "at Varenchukov's home",
    "hyphenated across lines": "вместе с Ва-\nренчу-\nковым",
    "soft hyphens": "Варен\u00adчу\u00ad\nков",
    "letter by letter": "В а р е н ч у к о в",
    "stray space": "Варен чуков",
    "zero-width joined letters": "В\u200bа\u200dр\u2060е\ufeffнчуков",
    "homoglyphs": "Вapeнчyкoв",
    "homoglyphs in Latin": "Vаrеnсhukоv",
    "transliterated in part": "Waренчуков",
    "digits for letters": "Варенчук0в",
    "diacritics added": "Várénchùkòv",
    "full-width": "Ｖａｒｅｎｃｈｕｋｏｖ",
    "ligature and combining marks": "Ва\u0301ренчуко\u0301в",
    "mirrored letters": "вокучнераВ",
    "reversed by a direction mark": "\u202eвокучнераВ\u202c",
    "mirrored order": "Зелимхан Варенчуков",
    "given name and patronymic": "Зелимхана Абубакаровича",
    "given name and patronymic abroad": "Zelimkhan Abubakarovitch",
    "given name and initial": "Zelimkhan V. said",
    "run together": "#зелимханваренчуков",
    "in a file name": "photo_varenchukov_2.jpg",
    "split by table cells": "Варенчуков | Зелимхан",
    "cut by a table cell": "Варен |\nчуков",
    "alias": "мы звали пчелкой",
    "alias of words": "the heron, silver",
    "in Arabic script": "قال زيليمخان فارنتشوكوف",
    "Arabic prefix": "وفارنتشوكوف",
}
CONTACTS = {
    "national prefix": "8 (928) 1234567",
    "international prefix": "0079281234567",
    "without area": "тел. 123 45 67",
    "dotted": "928.123.45.67",
    "Arabic digits": "٩٢٨١٢٣٤٥٦٧",
    "zero-width digits": "928\u200b123\u200b45\u200b67",
    "over two lines": "+7 928 123-\n45-67",
    "e-mail": "Z.VAREN89@Example.org",
    "e-mail disguised": "z . varen89 [at] example dot org",
    "account": "t.me/volk_95",
    "short account": "see @heron",
    "passport": "8204 № 123456",
    "passport without series": "№123456",
    "card with Latin letters": "IV-AB-987654",
    "address": "на Садовой, д. 12",
    "address abroad": "12 Sadovaya street",
}


@pytest.mark.parametrize("attack", [*FOUND, *CONTACTS])
def test_a_sealed_word_is_found(sealed: SealedNames, attack: str) -> None:
    """Every disguise of a name, contact or document number is seen through."""
    text = f"Сказано так: {(FOUND | CONTACTS)[attack]}. More words follow."
    findings = sealed.find(text, "page 1")
    assert {finding.person for finding in findings} == {"P-0001"}
    assert {finding.kind for finding in findings} == {"name" if attack in FOUND else "contact"}


@pytest.mark.parametrize("attack", [*FOUND, *CONTACTS])
def test_a_finding_never_repeats_what_is_sealed(sealed: SealedNames, attack: str) -> None:
    """Whatever a finding, its context or the masked text say, the gate finds nothing in it."""
    text = f"Сказано так: {(FOUND | CONTACTS)[attack]}. More words follow; Зелимхан знает Пельц."
    for finding in sealed.find(text, "page 1"):
        assert sealed.find(json.dumps(asdict(finding), ensure_ascii=False)) == []
    assert sealed.find(sealed.masked(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "Зелимхан и Мария пришли",  # common given names alone
        "В 2017-03-15 задержали 1234 человека, 12 домов",
        "Hassan was there, as was Ali's cousin, later on",
        "ли он пришёл, не знаю ли",
        "silver and gold, far away from any lake with a heron",
        "Садовая улица, 14 человек",
        "The heron waits",
    ],
)
def test_ordinary_words_raise_no_alert(sealed: SealedNames, text: str) -> None:
    """Common given names, small words, dates and parts of an alias do not block by themselves."""
    assert sealed.find(text) == []


@pytest.mark.parametrize("text", ["Mohammed al-Hamdani", "Muhammad Hamdany", "Мухаммад Аль-Хамдани", "قال الحمداني"])
def test_an_arabic_name_is_found_in_other_scripts(sealed: SealedNames, text: str) -> None:
    """A name sealed in Arabic is found by its consonants as a full name, and by its surname in Arabic."""
    assert {finding.person for finding in sealed.find(f"Witness: {text}.")} == {"P-0003"}


def test_a_latin_name_is_found_in_arabic() -> None:
    """A name sealed in Latin letters only is found in Arabic script."""
    sealed = SealedNames.from_view([Identity("P-0001", [Name("Khaldoun Mansouri")])], 1)
    assert [finding.person for finding in sealed.find("قال خلدون المنصوري ذلك")] == ["P-0001"]


def test_a_shared_surname_in_a_full_name_is_that_persons() -> None:
    """Of two relatives only the one whose given name stands there is reported; a surname alone reports both."""
    people = [Identity("P-0001", [Name("Иван Бжедухаев")]), Identity("P-0002", [Name("Мария Бжедухаева")])]
    sealed = SealedNames.from_view(people, 2)
    assert [finding.person for finding in sealed.find("Мария Бжедухаева")] == ["P-0002"]
    assert [finding.person for finding in sealed.find("семья Бжедухаевых")] == ["P-0001", "P-0002"]


def test_another_person_between_the_words_of_a_name_is_not_hidden() -> None:
    """A full name whose words stand apart does not explain a second sealed name between them."""
    people = [Identity("P-0001", [Name("Иван Бжедухаев")]), Identity("P-0002", [Name("Мария Цызгоева")])]
    found = SealedNames.from_view(people, 2).find("Иван, Цызгоева, Бжедухаев")
    assert {finding.person for finding in found} == {"P-0001", "P-0002"}


def test_a_rare_given_name_blocks_alone() -> None:
    """A given name that is on no list of common ones points at one person."""
    sealed = SealedNames.from_view([Identity("P-0001", [Name("Зайхмурад Бжедухаев")])], 1)
    assert [finding.how for finding in sealed.find("видели Зайхмурада там")] == ["given name"]


def test_a_locked_compartment_is_refused() -> None:
    """Without the identities there is no gate: None, or fewer persons than the record knows, raises."""
    for identities, expected in ((None, 3), (None, 0), ([], 1), (PEOPLE[:3], 4)):
        with pytest.raises(GateCannotSee):
            SealedNames.from_view(identities, expected)
    with pytest.raises(TypeError):
        SealedNames([])
    assert SealedNames.from_view([], 0).find("anything") == []


def test_nothing_of_a_name_shows_in_a_representation(sealed: SealedNames) -> None:
    """repr() of the matcher holds a number only."""
    assert repr(sealed) == "SealedNames(4 persons)"


@measured
def test_the_memory_of_a_search_does_not_grow_with_the_words_of_the_text() -> None:
    """Hashes and identifiers are words that never come again: of 70,000 not all are remembered, of long ones none."""
    sealed = SealedNames.from_view(PEOPLE, 4)

    def word(number: int) -> str:
        return hashlib.sha256(b"%d" % number).hexdigest().translate(_LETTERS)

    def look() -> None:
        for number in range(70_000):
            readings(word(number)[:12])

    assert growth(look) < 45 << 20
    assert not sealed.find(f"{word(1)}x and {word(2)[:20]}")
    assert {len(kept) for kept in sealed._cache} <= set(range(65))
