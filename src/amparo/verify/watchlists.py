"""Sanctions and watch lists as published (OFAC, EU, UK, UN, FollowTheMoney), read entry by entry.

Invariants: a list is read from first byte to last in memory that does not grow with it (one entry at a time); no document type,
no entity but the five of XML, nothing loaded or followed; whatever the bytes are, the answer is entries or a ``BadWatchList``.
No network: who is looked up says who is being investigated.

Formats: OFAC ``sdn.xml``, ``sdn.csv`` and ``alt.csv``; EU consolidated financial sanctions 1.1 XML; UK Sanctions List
XML (FCDO); UN Security Council consolidated list XML; FollowTheMoney entities as JSON lines (OpenSanctions).
"""

import codecs
import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_
from amparo.verify.watchlists_xml import LARGEST, BadWatchList, Node, elements

PERSON, BODY = "person", "body"
FORMATS: Final = ("ofac", "eu", "uk", "un", "ftm")
ALERT = 0.82
"""Weight from which a hit is shown unless the caller asks for fewer or more (bench/bench_watchlists.py)."""
MOST_ENTRIES = 5_000_000
MOST_NAMES = 200
"""Names of one entry that are read; the longest lists have some dozens."""
_LONGEST_LINE = 4 << 20
_LONGEST_NAME = 300
_NOTHING = "-0-"  # how OFAC's tables write an empty cell


class NoEntries(BadInput):
    template = N_(
        "The file has no entry of a {format} list; is it another list, or another edition of it? Nothing was imported."
    )


@dataclass(frozen=True, slots=True)
class Alias:
    """One name of an entry; ``strength`` primary, strong, weak or original (the script its bearer writes it in)."""

    text: str
    strength: str = "strong"


@dataclass(frozen=True, slots=True)
class Entry:
    """One listed person or body: reference, names, dates of birth, countries and programmes, as the list writes them."""

    reference: str
    kind: str
    names: tuple[Alias, ...]
    born: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    programmes: tuple[str, ...] = ()


def read(format: str, chunks: Iterable[bytes]) -> Iterator[Entry]:
    """The entries of a list in one of FORMATS. Entries without a name are passed over. Raises BadWatchList, NoEntries."""
    readers: dict[str, Callable[[Iterator[bytes]], Iterator[Entry | None]]] = {
        "ofac": _ofac, "eu": lambda data: _xml(data, _eu, "sanctionEntity"), "uk": lambda data: _xml(data, _uk, "Designation"),
        "un": lambda data: _xml(data, _un, "INDIVIDUAL", "ENTITY"), "ftm": _ftm,
    }  # fmt: skip
    count = 0
    for entry in readers[format](_measured(chunks)):
        if entry is None or not entry.names:
            continue
        count += 1
        if count > MOST_ENTRIES:
            raise BadWatchList(why=N_("too many entries"))
        yield entry
    if not count:
        raise NoEntries(format=format)


def _measured(chunks: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > LARGEST:
            raise BadWatchList(why=N_("too large"))
        if chunk:
            yield chunk


def _entry(
    reference: str, kind: str, names: Iterable[tuple[str, str]], born: Iterable[str] = (), countries: Iterable[str] = (),
    programmes: Iterable[str] = (),
) -> Entry:  # fmt: skip
    """An entry of clean values: no blanks at the ends, nothing twice, a bounded number of names of bounded length."""
    seen: dict[str, str] = {}
    for text, strength in names:
        name = " ".join(text.split())[:_LONGEST_NAME]
        if name and name not in seen and len(seen) < MOST_NAMES:
            seen[name] = strength
    aliases = tuple(Alias(name, strength) for name, strength in seen.items())
    return Entry(reference[:100], kind, aliases, _clean(born), _clean(countries), _clean(programmes))


def _clean(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(" ".join(value.split())[:100] for value in values if value and value.strip()))[:20]


def _xml(data: Iterator[bytes], make: Callable[[Node], Entry], *tags: str) -> Iterator[Entry | None]:
    for node in elements(data, frozenset(tags)):
        yield make(node)


# -- OFAC --------------------------------------------------------------------------------------------------------------


def _ofac(data: Iterator[bytes]) -> Iterator[Entry | None]:
    """sdn.xml, or the tables sdn.csv and alt.csv, told apart by the first byte that is no blank."""
    first = next(data, b"")
    whole = _with(first, data)
    if first.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        yield from _xml(whole, _ofac_node, "sdnEntry")
        return
    for row in _rows(whole):
        yield _ofac_row([("" if cell.strip() == _NOTHING else cell.strip()) for cell in row])


def _with(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _ofac_node(node: Node) -> Entry:
    individual = node.text("sdnType").lower() == "individual"
    names = [(_ofac_name(node), "primary")]
    names += [(_ofac_name(aka), "weak" if aka.text("category") == "weak" else "strong") for aka in node.all("akaList", "aka")]
    return _entry(
        node.text("uid"), PERSON if individual else BODY, names,
        born=[item.text("dateOfBirth") for item in node.all("dateOfBirthList", "dateOfBirthItem")],
        countries=[item.text("country") for path in (("nationalityList", "nationality"), ("citizenshipList", "citizenship"))
                   for item in node.all(*path)],
        programmes=[item.content for item in node.all("programList", "program")],
    )  # fmt: skip


def _ofac_name(node: Node) -> str:
    given, family = node.text("firstName"), node.text("lastName")
    return f"{family}, {given}" if given and family else given or family


def _ofac_row(row: list[str]) -> Entry | None:
    """sdn.csv: number, name, type, programme, ... remarks; alt.csv: number, number of the name, its type, name, remarks."""
    if len(row) >= 12 and row[0].isdigit():
        person = row[2].strip().lower() == "individual"
        return _entry(row[0], PERSON if person else BODY, [(row[1], "primary")], born=_remarked(row[11], "DOB"),
                      countries=_remarked(row[11], "nationality"), programmes=[row[3]])  # fmt: skip
    if len(row) == 5 and row[0].isdigit() and row[1].isdigit():
        return _entry(row[0], PERSON if "," in row[3] else BODY, [(row[3], "strong")])
    return None


def _remarked(remarks: str, word: str) -> list[str]:
    return [part.strip()[len(word) :].strip(" .") for part in remarks.split(";") if part.strip().startswith(word + " ")]


def _rows(data: Iterator[bytes]) -> Iterator[list[str]]:
    try:
        yield from csv.reader(_lines(data), strict=True)
    except csv.Error:
        raise BadWatchList(why=N_("not a table of comma-separated values")) from None


def _lines(data: Iterator[bytes]) -> Iterator[str]:
    """Lines of text; Latin-1 where the bytes are not UTF-8, as OFAC's tables once were. Raises BadWatchList."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    rest = ""
    for chunk in data:
        *lines, rest = (rest + decoder.decode(chunk)).split("\n")
        if len(rest) > _LONGEST_LINE:
            raise BadWatchList(why=N_("a line is too long"))
        for line in lines:
            yield line.replace("\0", "") + "\n"
    rest += decoder.decode(b"", final=True)
    if rest.strip("\x1a \r\n"):
        yield rest.replace("\0", "")


# -- EU, UK, UN --------------------------------------------------------------------------------------------------------


def _eu(node: Node) -> Entry:
    subject = node.first("subjectType")
    person = subject is not None and (subject.get("classificationCode") == "P" or subject.get("code") == "person")
    names = []
    for alias in node.children("nameAlias"):
        whole = alias.get("wholeName") or " ".join(alias.get(part) for part in ("firstName", "middleName", "lastName"))
        names.append((whole, "weak" if alias.get("strong") == "false" else "strong"))
    return _entry(
        node.get("euReferenceNumber") or node.get("logicalId"), PERSON if person else BODY, names,
        born=[birth.get("birthdate") or birth.get("year") for birth in node.children("birthdate")],
        countries=[item.get("countryIso2Code") for item in node.children("citizenship")],
        programmes=[item.get("programme") for item in node.children("regulation")],
    )  # fmt: skip


def _uk(node: Node) -> Entry:
    names = []
    for name in node.all("Names", "Name"):
        whole = " ".join(name.text(f"Name{number}") for number in range(1, 7))
        primary = name.text("NameType").lower().startswith("primary name") and "variation" not in name.text("NameType").lower()
        weak = "low" in name.text("AliasStrength").lower() or "weak" in name.text("AliasStrength").lower()
        names.append((whole, "primary" if primary else "weak" if weak else "strong"))
    names += [(name.text("NameNonLatinScript"), "original") for name in node.all("NonLatinNames", "NonLatinName")]
    people = node.all("IndividualDetails", "Individual")
    return _entry(
        node.text("UniqueID") or node.text("OFSIGroupID"),
        PERSON if node.text("IndividualEntityShip").lower() == "individual" else BODY, names,
        born=[date.content for person in people for date in person.all("DOBs", "DOB")],
        countries=[item.content for person in people for item in person.all("Nationalities", "Nationality")],
        programmes=[node.text("RegimeName")],
    )  # fmt: skip


def _un(node: Node) -> Entry:
    person = node.tag == "INDIVIDUAL"
    names = [(" ".join(node.text(part) for part in ("FIRST_NAME", "SECOND_NAME", "THIRD_NAME", "FOURTH_NAME")), "primary"),
             (node.text("NAME_ORIGINAL_SCRIPT"), "original")]  # fmt: skip
    for alias in node.children("INDIVIDUAL_ALIAS" if person else "ENTITY_ALIAS"):
        names.append((alias.text("ALIAS_NAME"), "weak" if alias.text("QUALITY").lower() == "low" else "strong"))
        names.append((alias.text("NAME_ORIGINAL_SCRIPT"), "original"))
    born = [
        birth.text("DATE") or birth.text("YEAR") or birth.text("FROM_YEAR")
        for birth in node.children("INDIVIDUAL_DATE_OF_BIRTH")
    ]
    return _entry(
        node.text("REFERENCE_NUMBER") or node.text("DATAID"), PERSON if person else BODY, names, born=born,
        countries=[item.content for item in node.all("NATIONALITY", "VALUE")], programmes=[node.text("UN_LIST_TYPE")],
    )  # fmt: skip


# -- FollowTheMoney ----------------------------------------------------------------------------------------------------

_NAMED = (("name", "primary"), ("alias", "strong"), ("previousName", "strong"), ("weakAlias", "weak"))
_BODIES = {"LegalEntity", "Organization", "Company", "PublicBody", "Vessel", "Airplane", "Vehicle"}


def _ftm(data: Iterator[bytes]) -> Iterator[Entry | None]:
    for line in _lines(data):
        if not line.strip():
            continue
        try:
            given = json.loads(line)
        except (ValueError, RecursionError):
            raise BadWatchList(why=N_("a line is not JSON")) from None
        if isinstance(given, dict) and (given.get("schema") == "Person" or given.get("schema") in _BODIES):
            yield _ftm_entry(given)


def _ftm_entry(given: dict[str, Any]) -> Entry:
    properties = given.get("properties")
    held = properties if isinstance(properties, dict) else {}

    def texts(name: str) -> list[str]:
        values = held.get(name)
        return [value for value in values[:MOST_NAMES] if isinstance(value, str)] if isinstance(values, list) else []

    names = [(text, strength) for name, strength in _NAMED for text in texts(name)]
    return _entry(
        str(given.get("id", "")), PERSON if given["schema"] == "Person" else BODY, names, born=texts("birthDate"),
        countries=[*texts("nationality"), *texts("citizenship"), *texts("country")],
        programmes=[*texts("programId"), *texts("topics")],
    )  # fmt: skip
