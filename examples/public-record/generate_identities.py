"""Writes identities.csv: made-up identities for the persons V-001 to V-012 of the worked example.

Invariant: nothing here is, or resembles on purpose, a real person. Names are joined from syllables by a fixed seed, telephone
numbers are of the range that Ofcom keeps free for drama (+44 7700 900000 to 900999), e-mail addresses end in example.org
(RFC 2606), passport numbers begin with ZZ, which no state uses (ISO 3166-1 leaves it to users). The same call, the same bytes.
"""

import csv
import random
import sys
from pathlib import Path

Script = tuple[str, str, str]  # Latin, Cyrillic, Arabic


def syllables(text: str) -> tuple[Script, ...]:
    """“Zhel Жел جيل, …” as triples; aliases have no Arabic form."""
    return tuple((latin, cyrillic, "".join(rest)) for latin, cyrillic, *rest in (item.split() for item in text.split(",")))


COLUMNS = (
    "person", "made_up", "name_latin", "name_cyrillic", "name_arabic", "full_latin", "full_cyrillic", "alias_latin",
    "alias_cyrillic", "birth", "telephone", "email", "document",
)  # fmt: skip
GIVEN_FIRST = syllables(
    "Zhel Жел جيل, Vard Вард فارد, Tumg Тумг تومغ, Khorv Хорв خورف, Dzelm Дзелм دزيلم, Urb Урб أورب, "
    "Sagv Сагв ساغف, Yezd Езд يزد, Bolg Болг بولغ, Gorsh Горш غورش, Narv Нарв نارف, Chelk Челк تشيلك"
)
GIVEN_LAST = syllables(
    "emur емур يمور, ozan озан وزان, idur идур يدور, alesh алеш اليش, ugir угир وغير, omat омат ومات, "
    "ersul ерсул يرسول, indar индар يندار"
)
FAMILY_FIRST = syllables(
    "Tolg Толг تولغ, Echk Эчк إتشك, Dombr Домбр دومبر, Yarmz Ярмз يارمز, Gudzh Гудж غودج, "
    "Sharv Шарв شارف, Pelkh Пелх بيلخ, Vezn Везн فيزن, Kubzh Кубж كوبج, Latg Латг لاتغ, Morsh Морш مورش, "
    "Zubd Зубд زوبد"
)
FAMILY_LAST = syllables("amov амов اموف, iroev ироев يرويف, eldov елдов يلدوف, ukhaev ухаев وخايف, anzov анзов انزوف")
ALIAS_FIRST = syllables(
    "Kvizh Квиж, Prund Прунд, Blakh Блах, Dzub Дзуб, Fyrk Фырк, Grozd Грозд, Tsvil Цвил, Shmorg Шморг, "
    "Vyrl Вырл, Khlem Хлем, Mzhur Мжур, Zdrob Здроб"
)
ALIAS_LAST = syllables("ek ек, unya уня, ach ач, ulik улик")
WOMEN = ("V-011",)
SIBLINGS = {"V-007": "V-006"}  # brothers share father and family name: what a matcher must not merge


def join(first: Script, last: Script) -> Script:
    """One name in the three scripts."""
    return first[0] + last[0], first[1] + last[1], first[2] + last[2]


def patronymic(father: Script, *, woman: bool) -> Script:
    """The father's given name with the Russian ending; Arabic writes the name itself after the given name."""
    latin, cyrillic = ("ovna", "овна") if woman else ("ovich", "ович")
    return father[0] + latin, father[1] + cyrillic, father[2]


def identities(seed: int = 20170401) -> list[dict[str, str]]:
    """One row for each of V-001 to V-012; syllables are used without repeats, so that every name is distinctive."""
    draw = random.Random(seed)  # noqa: S311 - deterministic on purpose, nothing secret
    count = len(GIVEN_FIRST)
    given, family, alias = (draw.sample(first, count) for first in (GIVEN_FIRST, FAMILY_FIRST, ALIAS_FIRST))
    kin: dict[str, tuple[Script, Script]] = {}
    rows = []
    for number in range(count):
        person = f"V-{number + 1:03d}"
        woman = person in WOMEN
        own = join(given[number], draw.choice(GIVEN_LAST))
        father = join(given[(number + 5) % count], draw.choice(GIVEN_LAST))
        surname = join(family[number], draw.choice(FAMILY_LAST))
        father, surname = kin.get(SIBLINGS.get(person, ""), (father, surname))
        kin[person] = father, surname
        if woman:
            surname = surname[0] + "a", surname[1] + "а", surname[2] + "ا"
        middle = patronymic(father, woman=woman)
        nick = join(alias[number], draw.choice(ALIAS_LAST))
        rows.append(dict(zip(COLUMNS, (
            person, "yes", f"{own[0]} {surname[0]}", f"{own[1]} {surname[1]}", f"{own[2]} {surname[2]}",
            f"{own[0]} {middle[0]} {surname[0]}", f"{surname[1]} {own[1]} {middle[1]}", nick[0], nick[1],
            f"{draw.randint(1975, 1999)}-{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d}",
            f"+44 7700 900{draw.randint(100, 999)}", f"{nick[0].lower()}{draw.randint(10, 99)}@example.org",
            f"ZZ{draw.randint(1_000_000, 9_999_999)}",
        ), strict=True)))  # fmt: skip
    return rows


def write(path: Path) -> None:
    """Write the table as UTF-8 CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(identities())


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("identities.csv"))
