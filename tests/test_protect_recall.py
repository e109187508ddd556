"""How much the gate finds: made-up names in every case form, romanised by seventeen schemes, and how much it finds wrongly."""

import pydoc_data.topics
import random
import re
import unicodedata
from functools import cache

import pytest

from amparo.protect.names import SealedNames
from amparo.record.model import Identity, Name

pymorphy3 = pytest.importorskip("pymorphy3")

LETTERS = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"


def scheme(text: str, **changed: str) -> dict[str, str]:
    """A romanisation table: one word for each of the 33 letters; - stands for nothing."""
    return dict(zip(LETTERS, ("" if word == "-" else word for word in text.split()), strict=True)) | changed


# Tables written from the schemes themselves, apart from the code they test.
SCHEMES = {
    "ISO 9": scheme("a b v g d e ë ž z i j k l m n o p r s t u f h c č š ŝ ʺ y ʹ è û â"),
    "GOST 7.79 B": scheme("a b v g d e yo zh z i j k l m n o p r s t u f x cz ch sh shh `` y ` e yu ya"),
    "BGN/PCGN": scheme("a b v g d e ë zh z i y k l m n o p r s t u f kh ts ch sh shch ” y ’ e yu ya"),
    "ALA-LC": scheme("a b v g d e ë zh z i ĭ k l m n o p r s t u f kh t͡s ch sh shch ʺ y ʹ ė i͡u i͡a"),
    "ALA-LC plain": scheme("a b v g d e e zh z i i k l m n o p r s t u f kh ts ch sh shch - y - e iu ia"),
    "ICAO 9303": scheme("a b v g d e e zh z i i k l m n o p r s t u f kh ts ch sh shch ie y - e iu ia"),
    "passport 1997": scheme("a b v g d e e zh z i y k l m n o p r s t u f kh ts ch sh shch - y - e yu ya"),
    "scholarly": scheme("a b v g d e ë ž z i j k l m n o p r s t u f x c č š šč ʺ y ʹ è ju ja"),
    "scholarly, marks lost": scheme("a b v g d e e z z i j k l m n o p r s t u f ch c c s sc - y - e ju ja"),
    "German press": scheme("a b w g d e jo sch s i i k l m n o p r s t u f ch z tsch sch schtsch - y - e ju ja"),
    "French press": scheme("a b v g d e io j z i ï k l m n o p r s t ou f kh ts tch ch chtch - y - e iou ia"),
    "Polish": scheme("a b w g d e jo ż z i j k l m n o p r s t u f ch c cz sz szcz - y - e ju ja"),
    "Turkish": scheme("a b v g d e yo j z i y k l m n o p r s t u f h ts ç ş şç - ı - e yu ya"),
    "casual y": scheme("a b v g d e yo zh z i y k l m n o p r s t u f h ts ch sh sch - y - e yu ya"),
    "casual j": scheme("a b v g d e jo zh z i j k l m n o p r s t u f h c ch sh shch - y - e ju ja"),
    "casual x": scheme("a b v g d e e j z i y k l m n o p r s t u f x c ch sh sh - i - e u ya"),
    "ь as y, е as ye": scheme("a b v g d e ye zh z i y k l m n o p r s t u f kh ts ch sh shch y y - e yu ya"),
}
# Made up: stems that belong to nobody we know of, with the endings that real surnames have.
SURNAMES = (
    "Варенчуков Бжедухаев Хацимурзин Щерцовский Жуцельный Якшеварин Цызгоев Шуцаев Чебжоков Юхкаев Пелькевич Дзержулашвили "
    "Кумзадзе Товжаренко Мирцоян Гарцмайер Зурбадой Стрежелец Хуцорук Ельщаков Рыжбуцев Йохаров Эльджаркиев Соцловьёв "
    "Бугольский Жижцин Щучбаков Ахметжулов Дудгаев Объездецов Сазжинов Хамжадов Каситов Буйшуев Цехоев"
).split()
GIVEN = ("Зайхмурад", "Бецлан", "Ющемир")


def romanise(word: str, table: dict[str, str]) -> str:
    out = "".join(table.get(letter, letter) for letter in word.lower())
    return unicodedata.normalize("NFC", out[:1].upper() + out[1:])


ANALYSER = pymorphy3.MorphAnalyzer()


@cache
def forms(word: str) -> frozenset[str]:
    """Every form a dictionary of Russian morphology gives a surname, plus rules of grammar where it knows none."""
    found = {word.lower()}
    plain = word.lower().replace("ё", "е")
    if plain.endswith(("ов", "ев", "ин")):
        found |= {plain + end for end in ("а", "у", "ым", "е", "ой", "ы", "ых", "ыми")}
    for parsed in ANALYSER.parse(plain):
        if "Surn" in parsed.tag and parsed.normal_form == plain:
            found |= {form.word for form in parsed.lexeme}
    if word.endswith(("ский", "ный")):
        instrumental = "им" if word.endswith("ский") else "ым"
        found |= {word.lower()[:-2] + end for end in ("ого", "ому", instrumental, "ом", "ая", "ой", "ую")}
    if word.endswith("ец"):
        found |= {word.lower()[:-2] + end for end in ("ца", "цу", "цом", "це")}
    return frozenset(form.capitalize() for form in found)


def missed_in(sealed: SealedNames, tried: list[tuple[int, str]]) -> list[str]:
    """The forms whose person is not found, each in a paragraph of its own."""
    text = "\n\n".join(f"{form} was there, и вот так." for _, form in tried)
    places = [match.start() for match in re.finditer("^", text, re.MULTILINE)][::2]
    found = {(finding.person, text.rfind("\n", 0, finding.start + 1) + 1) for finding in sealed.find(text)}
    return [form for (n, form), place in zip(tried, places, strict=True) if (f"P-{n:04d}", place) not in found]


@pytest.fixture(scope="module")
def sealed() -> SealedNames:
    people = [Identity(f"P-{n:04d}", [Name(f"{word} {random.Random(n).choice(GIVEN)}")]) for n, word in enumerate(SURNAMES, 1)]
    return SealedNames.from_view(people, len(people))


def test_every_case_form_in_cyrillic_is_found(sealed: SealedNames) -> None:
    """At least 99 of 100 case forms, masculine, feminine and plural, are found as they stand in Russian text."""
    tried = [(n, form) for n, word in enumerate(SURNAMES, 1) for form in forms(word)]
    missed = missed_in(sealed, tried)
    assert len(tried) > 250
    assert len(missed) <= len(tried) // 100, missed


@pytest.mark.parametrize("name", SCHEMES)
def test_romanised_forms_are_found(sealed: SealedNames, name: str) -> None:
    """At least 98 of 100 case forms are found when romanised by the scheme."""
    tried = [(n, romanise(form, SCHEMES[name])) for n, word in enumerate(SURNAMES, 1) for form in forms(word)]
    missed = missed_in(sealed, tried)
    assert len(missed) <= len(tried) // 60, (len(missed), len(tried), missed[:40])


@pytest.mark.parametrize("name", [name for name in SCHEMES if "lost" not in name])
def test_a_name_sealed_in_latin_is_found_in_russian(name: str) -> None:
    """At least 95 of 100 made-up surnames known only in a romanisation are found in Russian case forms."""
    people = [Identity(f"P-{n:04d}", [Name(romanise(word, SCHEMES[name]))]) for n, word in enumerate(SURNAMES, 1)]
    sealed = SealedNames.from_view(people, len(people))
    tried = [(n, form) for n, word in enumerate(SURNAMES, 1) for form in forms(word)]
    missed = missed_in(sealed, tried)
    assert len(missed) <= len(tried) // 20, (len(missed), len(tried), missed[:40])


def test_few_false_alerts_on_ordinary_english(sealed: SealedNames) -> None:
    """Ordinary English prose of 60,000 words raises no alert for names it does not hold."""
    text = "\n".join(pydoc_data.topics.topics.values())
    assert len(re.findall(r"\w+", text)) > 60_000
    assert [text[f.start : f.end] for f in sealed.find(text)] == []


SYLLABLES = (
    "ба ве га ги до дзу жа же жу за зе ка ки ла лю ма му на ня по ра рю са се та те у фа ха хо ца цу ча че ша шу ща щи э ю я ё "
    "бай кой льи вье нар мур тох баш зец хад"
).split()
ENDINGS = "ов ев ин ский цкий енко ук ян швили дзе ец ич ой ый ь ман як".split()


def test_names_the_rules_were_not_made_for_are_found() -> None:
    """Random surnames that nobody looked at while the rules were made: 98 of 100 forms over all schemes, 90 in each."""
    dice = random.Random(7)
    names = ["".join([*dice.choices(SYLLABLES, k=2), dice.choice("бвгдзклмнпрстхж"), dice.choice(ENDINGS)]) for _ in range(60)]
    people = [Identity(f"P-{n:04d}", [Name(word.capitalize())]) for n, word in enumerate(names, 1)]
    sealed = SealedNames.from_view(people, len(people))
    cyrillic = [(n, form) for n, word in enumerate(names, 1) for form in forms(word)]
    missed = {"Cyrillic": len(missed_in(sealed, cyrillic))}
    for name, table in SCHEMES.items():
        missed[name] = len(missed_in(sealed, [(n, romanise(form, table)) for n, form in cyrillic]))
    assert missed["Cyrillic"] <= len(cyrillic) // 100
    assert max(missed.values()) <= len(cyrillic) // 10, missed
    assert sum(missed.values()) <= len(cyrillic) * len(missed) // 50, missed
