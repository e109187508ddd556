"""Arabic-script queries on a UN list: is the right entry first, and how often does an unrelated name alert?

    ./run bench watchlists consolidated.xml     # the UN Security Council's list, any edition, fetched by hand

Three measures, over persons that the list gives in Arabic letters. Latin only: those spellings are taken out of the index, so
that each query must cross scripts. Whole list: as it is. Unrelated: generated names of four parts in Arabic letters, and, harder,
every listed person asked for while their own entry is out. No name is printed.
"""

import random
import sys
import time
from dataclasses import replace
from pathlib import Path

from harness import goal, machine

from amparo.kernel.text import script_of
from amparo.verify.watch_index import WatchIndex
from amparo.verify.watchlists import ALERT, PERSON, Entry, read

GIVEN = "محمد احمد محمود علي حسن حسين خالد عمر يوسف ابراهيم سامي رامي عادل ماهر وليد طارق ياسر نبيل سمير كريم جمال فؤاد انور هاني".split()
FAMILY = "الحداد النجار الخياط الصباغ العطار الدباغ القصاب الطحان الخباز البنا السقا الحلاق الصائغ النحاس الوراق الفخراني الزيات السمان الجمال المكاري".split()


def generated(count: int) -> list[str]:
    """Made-up names of four parts: words of the language put together by chance (seed 5)."""
    chance = random.Random(5)
    return [" ".join([*chance.sample(GIVEN, 3), chance.choice(FAMILY)]) for _ in range(count)]


def without(entry: Entry, script: str) -> Entry:
    return replace(entry, names=tuple(alias for alias in entry.names if script_of(alias.text) != script))


def main() -> None:
    path = Path(sys.argv[1])
    started = time.perf_counter()
    entries = list(read("un", [path.read_bytes()]))
    index = WatchIndex()
    index.add("un", entries)
    built = time.perf_counter() - started
    print(f"{len(entries)} entries read and indexed in {built:.1f} s; {machine()}")
    asked = [
        (entry, alias.text)
        for entry in entries
        if entry.kind == PERSON
        for alias in entry.names
        if alias.strength == "original" and script_of(alias.text) == "Arab"
    ]
    latin = WatchIndex()
    latin.add("un", [without(entry, "Arab") for entry in entries])
    for what, place in (("Latin only", latin), ("whole list", index)):
        started = time.perf_counter()
        found = [place.match(text, person=True, limit=5) for _, text in asked]
        each = (time.perf_counter() - started) / len(asked) * 1e3
        first = sum(
            bool(hits) and hits[0].entry.reference == entry.reference for (entry, _), hits in zip(asked, found, strict=True)
        )
        five = sum(
            any(hit.entry.reference == entry.reference for hit in hits) for (entry, _), hits in zip(asked, found, strict=True)
        )
        print(
            f"{what}: {len(asked)} queries, first {first / len(asked):.3f}, among five {five / len(asked):.3f}, {each:.1f} ms a query"
        )
        if what == "Latin only":
            goal("rank-1 recall, Arabic queries", first / len(asked), 0.90, at_least=True)
    names = generated(2000)
    alerts = sum(bool(index.match(name, person=True)) for name in names)
    others = sum(any(hit.entry.reference != entry.reference for hit in index.match(text, person=True)) for entry, text in asked)
    print(
        f"alerts at {ALERT}: {alerts / len(names) * 100:.2f} % of {len(names)} generated names; another entry than their own for {others / len(asked) * 100:.2f} % of listed persons"
    )
    goal("alerts on unrelated names, per cent", alerts / len(names) * 100, 1.0, at_least=False)


if __name__ == "__main__":
    main()
