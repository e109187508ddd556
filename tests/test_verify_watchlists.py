"""Watch lists: each format read as published, hostile files refused within a bounded cost, hits with reasons, no network."""

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from watchlist_kit import ALIAS, BODY, BORN, EU, LISTS, OFAC_ALT, OFAC_CSV, OFAC_XML, PERSON_ARABIC, UN

from amparo.verify import watchlists_xml
from amparo.verify.watch_index import WatchIndex
from amparo.verify.watchlists import ALERT, FORMATS, MOST_NAMES, Entry, NoEntries, read
from amparo.verify.watchlists_xml import BadWatchList


def entries(format: str, data: bytes) -> list[Entry]:
    return list(read(format, [data]))


@pytest.mark.parametrize("format", FORMATS)
def test_each_format_gives_the_same_person_and_body(format: str) -> None:
    """Names with their strength, year of birth, country, programme and kind come out of every format."""
    person, body = entries(format, LISTS[format])
    assert (person.kind, body.kind) == ("person", "body")
    names = {alias.text: alias.strength for alias in person.names}
    assert {text.casefold() for text in names} >= {ALIAS.casefold()} and names[ALIAS] == "weak"
    assert any("tulmetov" in text.casefold() for text in names)
    assert format == "ofac" or PERSON_ARABIC in names
    assert BORN in person.born[0] and person.countries and person.programmes and person.reference
    assert [alias.text for alias in body.names] == [BODY]


def test_tables_of_ofac_are_read() -> None:
    """sdn.csv with its remarks, and alt.csv with its aliases under the same reference."""
    person, body = entries("ofac", OFAC_CSV)
    assert (person.reference, person.kind, person.born, person.countries) == ("71", "person", ("01 Mar 1971",), ("Nowhere",))
    assert (body.reference, body.kind) == ("72", "body")
    (other,) = entries("ofac", OFAC_ALT)
    assert (other.reference, other.names[0].text) == ("71", ALIAS)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("size", [1, 7, 4096])
def test_pieces_of_any_size_give_the_same_entries(format: str, size: int) -> None:
    """A list is read from a stream: where it is cut changes nothing."""
    data = LISTS[format]
    assert list(read(format, (data[at : at + size] for at in range(0, len(data), size)))) == entries(format, data)


LAUGHS = b'<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><r><INDIVIDUAL><FIRST_NAME>&b;</FIRST_NAME></INDIVIDUAL></r>'
FETCHES = b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd"><r><INDIVIDUAL><FIRST_NAME>x</FIRST_NAME></INDIVIDUAL></r>'
FILES = b'<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/hostname">]><r><INDIVIDUAL><FIRST_NAME>&a;</FIRST_NAME></INDIVIDUAL></r>'


@pytest.mark.parametrize("data", [
    LAUGHS, FETCHES, FILES, b"", b"\0\xff", b"<r>", b"<r><INDIVIDUAL>", UN[:-30], b"<a>" * 5000,
    b"<r><INDIVIDUAL>" + b"<b/>" * (watchlists_xml.MOST_NODES + 1) + b"</INDIVIDUAL></r>",
    b"<r><INDIVIDUAL><FIRST_NAME>" + b"x" * (watchlists_xml.MOST_TEXT + 1) + b"</FIRST_NAME></INDIVIDUAL></r>",
], ids=range(11))  # fmt: skip
def test_hostile_xml_is_refused(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entities, document types, endless depth, endless entries, broken files: one clear refusal, and no socket is opened."""
    monkeypatch.setattr(socket, "socket", lambda *_: pytest.fail("a socket was opened"))
    with pytest.raises(BadWatchList) as caught:
        entries("un", data)
    assert "Nothing was imported" in str(caught.value)


def test_a_list_of_another_publisher_is_refused() -> None:
    """A well-formed file without an entry of the format that was named imports nothing."""
    with pytest.raises(NoEntries):
        entries("uk", UN)
    with pytest.raises(NoEntries):
        entries("ofac", b"one,two,three\r\n")


def test_an_endless_list_is_read_in_flat_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries stream by, none is kept; what is larger than the limit is refused."""
    import tracemalloc

    def endless() -> Iterator[bytes]:
        yield b"<r>"
        while True:
            yield b"<INDIVIDUAL><FIRST_NAME>Zarvan Tulmetov</FIRST_NAME><UN_LIST_TYPE>x</UN_LIST_TYPE></INDIVIDUAL>" * 200

    monkeypatch.setattr("amparo.verify.watchlists.LARGEST", 1 << 20)
    tracemalloc.start()
    with pytest.raises(BadWatchList):
        for _ in read("un", endless()):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_names_of_one_entry_are_bounded() -> None:
    """An entry with a hundred thousand names keeps the first ones, each cut to a bounded length."""
    many = b"".join(b'<nameAlias wholeName="n%d"/>' % number for number in range(20_000))
    (entry,) = entries(
        "eu",
        b'<e><sanctionEntity logicalId="1"><nameAlias wholeName="' + b"x" * 5000 + b'"/>' + many + b"</sanctionEntity></e>",
    )
    assert len(entry.names) == MOST_NAMES and len(entry.names[0].text) == 300


@settings(max_examples=60)
@given(st.sampled_from(FORMATS), st.data())
def test_damaged_lists_give_entries_or_a_refusal(format: str, data: st.DataObject) -> None:
    """Whatever bytes are changed, cut or put in, reading ends with entries, BadWatchList or NoEntries."""
    raw = bytearray(LISTS[format])
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 40))] = data.draw(
            st.binary(max_size=20) | st.sampled_from([b"<", b"]]>", b"&lt;", b'{"', b"[[", b'"'])
        )
    try:
        found = entries(format, bytes(raw))
    except (BadWatchList, NoEntries):
        return
    assert all(entry.names for entry in found)


@settings(max_examples=60)
@given(st.sampled_from(FORMATS), st.binary(max_size=300))
def test_any_bytes_give_entries_or_a_refusal(format: str, raw: bytes) -> None:
    """Bytes that are no list at all are refused in words, never by another failure."""
    with pytest.raises((BadWatchList, NoEntries)):
        entries(format, raw)


def index(data: bytes = UN, format: str = "un") -> WatchIndex:
    made = WatchIndex()
    made.add("S-0001", read(format, [data]))
    return made


@pytest.mark.parametrize(
    "name", ["Зарван Тулметов", "Tulmetov Zarvan", "Z Tulmetov", "زروان خالد الحداد", "Zarwan Khaled al-Haddad"]
)
def test_a_listed_person_is_found_in_every_script(name: str) -> None:
    """Cyrillic, Latin and Arabic spellings find the entry, first and with a reason."""
    hits = index().match(name, person=True, least=0.5)
    assert hits and hits[0].entry.reference == "MUi.071"
    assert hits[0].why and not any(word in hits[0].why.casefold() for word in ("zarvan", "tulmetov", "haddad"))


def test_unrelated_and_sibling_names_do_not_alert() -> None:
    """Another person, and a brother of the listed one, stay under the alert."""
    assert index().match("Samir Okonkwo Bergstrom") == []
    assert all(hit.weight < ALERT for hit in index().match("Анзор Тулметов", least=0.3))


def test_another_year_of_birth_weighs_against_a_hit() -> None:
    """The same year keeps the weight, a far one lowers it, and the reason says which."""
    same, far = (index().match("Zarvan Tulmetov", person=True, born=year, least=0.3)[0] for year in ("1971-03", "1990"))
    assert same.weight > far.weight
    assert "the year of birth is the same" in same.why and "the year of birth is another" in far.why


def test_a_body_is_found_as_a_body() -> None:
    """Asked for persons only, a body is no hit; asked for anything, it is, without its legal form."""
    assert index(EU, "eu").match("Tulmet Aviation GmbH", person=True, least=0.3) == []
    (hit,) = index(EU, "eu").match("Tulmet Aviation GmbH")
    assert hit.entry.kind == "body"


def test_several_lists_answer_together() -> None:
    """Each hit says on which list it stands."""
    made = index()
    made.add("S-0002", read("ofac", [OFAC_XML]))
    assert {hit.source for hit in made.match("Zarvan Tulmetov", least=0.5)} == {"S-0001", "S-0002"}
