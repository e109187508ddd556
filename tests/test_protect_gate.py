"""The one door out: what blocks, what may be overridden, what may go, and what is never let through."""

import json
from datetime import date
from typing import Any

import pytest
from test_protect_extract import attach, changed, pdf, picture

import amparo.protect.gate
from amparo.protect.consents import Consents
from amparo.protect.extract import CSV, JSON, PDF, PLAIN, Unreadable
from amparo.protect.gate import BLOCKS, PERMITTED, NotARelease, Override, OverrideWithoutReason, Release, Report, check
from amparo.protect.names import SealedNames
from amparo.record.model import Consent, Identity, Name

# All names are made up.
PEOPLE = [
    Identity("P-0001", [Name("Зелимхан Варенчуков"), Name("Zelimkhan Varenchukov"), Name("Пчёлка", "nickname")],
             [["telephone", "+7 928 123-45-67"]]),
    Identity("P-0002", [Name("Мария Бжедухаева")]),
]  # fmt: skip
SEALED = SealedNames.from_view(PEOPLE, 2)
OTHER_TEXT = b"P-0001 was detained. " * 9
DAY = date(2026, 3, 1)
RELEASE = Release("dossier", "advocacy", "press", frozenset({"S-0001"}), frozenset({"P-0001"}))
PUBLISHED = {"S-0001": "published source"}


def gate(text: str = "P-0001 was detained.", data: bytes | None = None, kind: str = PLAIN, **more: Any) -> Report:
    finished = text.encode() if data is None else data
    release, before = more.get("release", RELEASE), more.get("before", [("paragraph 1", text)])
    consents, overrides = more.get("consents", Consents([], PUBLISHED)), more.get("overrides", ())
    return check(release, before, finished, kind, SEALED, consents, DAY, overrides, published=more.get("published", ()))


def consent(person: str = "P-0001", **more: Any) -> Consent:
    given: dict[str, Any] = {"purposes": ["advocacy"], "audiences": ["press"], "recorded": 10}
    return Consent(person, **(given | more))


def test_a_clean_release_passes() -> None:
    """Handles only, published sources only: nothing blocks, and the basis is recorded."""
    report = gate(data=pdf("P-0001 was detained."), kind=PDF)
    assert report.passed
    assert report.items == ()
    assert report.as_json()["bases"] == {"S-0001": "published source"}


FILES: dict[str, Any] = {
    "metadata of a PDF": lambda: (changed(lambda d: d.docinfo.__setitem__("/Author", "Z. Varenčukov")), PDF),
    "attachment": lambda: (changed(lambda d: attach(d, "сказал Варенчукову".encode())), PDF),
    "white text": lambda: (pdf("#text(fill: white)[Warentschukow]"), PDF),
    "split across lines": lambda: (pdf("Варен- \\ чукова увезли"), PDF),
    "split across pages": lambda: (pdf("увезли Варен- #pagebreak() чукова ночью"), PDF),
    "ActualText only": lambda: (pdf('#figure(rect(), alt: "Варенчуков")'), PDF),
    "two columns": lambda: (pdf("#table(columns: 2, [Варен-\\ чуков], [б])"), PDF),
    "key of a JSON object": lambda: (json.dumps({"варенчуков": 1}).encode(), JSON),
    "escaped JSON": lambda: (json.dumps({"a": "Варенчуков"}, ensure_ascii=True).encode(), JSON),
    "number in JSON": lambda: (b'{"tel": 89281234567}', JSON),
    "row of a CSV": lambda: (b"id,who\n1,Zelimkhan V.\n", CSV),
    "cells of two rows": lambda: ("a,Варен\nчуков,b\n".encode(), CSV),
    "base64": lambda: (b"data:0JLQsNGA0LXQvdGH0YPQutC+0LI=", PLAIN),
    "percent": lambda: (b"https://example.org/%D0%92%D0%B0%D1%80%D0%B5%D0%BD%D1%87%D1%83%D0%BA%D0%BE%D0%B2", PLAIN),
}


@pytest.mark.parametrize("attack", FILES)
def test_a_name_in_the_finished_file_blocks(attack: str) -> None:
    """A name that is not in the text before layout but in the file blocks, and the report does not repeat it."""
    data, kind = FILES[attack]()
    report = gate("", data, kind)
    assert not report.passed
    assert {item.subject for item in report.items} == {"P-0001"}
    assert SEALED.find(json.dumps(report.as_json(), ensure_ascii=False) + report.plain()) == []


def test_a_name_before_layout_blocks() -> None:
    """A name in the text before layout blocks though the file does not show it."""
    report = gate(before=[("paragraph 1", "Варенчукова"), ("note 2", "Варенчукова")])
    assert not report.passed
    assert [item.places for item in report.items] == [("before layout, paragraph 1", "before layout, note 2")]


def test_a_file_that_cannot_be_read_does_not_leave() -> None:
    """A damaged file raises; a file without the text it should have is a finding."""
    with pytest.raises(Unreadable):
        gate(data=pdf()[:-300], kind=PDF)
    report = gate("A long text that was to be laid out.", pdf(""), PDF)
    assert not report.passed


@pytest.mark.parametrize("trace", ["/home/anna/case/a.typ", "C:\\Users\\anna\\a.typ", "file:///srv/x", "\\\\host\\share\\x"])
def test_a_path_in_metadata_is_a_finding(trace: str) -> None:
    """A path on somebody's computer in the metadata blocks."""
    report = gate(data=changed(lambda d: d.docinfo.__setitem__("/Creator", trace), "P-0001 was detained."), kind=PDF)
    assert [item.kind for item in report.items] == ["machine"]


def test_this_computers_names_in_metadata_are_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The login or host name of the machine that made the file, in its metadata, blocks."""
    monkeypatch.setattr(amparo.protect.gate, "_this_machine", lambda: (frozenset({"krasnaya", "panda"}),))
    data = changed(lambda d: d.docinfo.__setitem__("/Producer", "made on krasnaya-panda"), "P-0001 was detained.")
    assert [item.kind for item in gate(data=data, kind=PDF).items] == ["machine"]


def test_an_override_needs_a_reason_and_is_listed() -> None:
    """A finding with a reasoned override passes and is listed; without a reason it is refused; an idle one is named."""
    blocked = gate("Варенчукова увезли")
    with pytest.raises(OverrideWithoutReason):
        gate("Варенчукова увезли", overrides=[Override(blocked.items[0].id, "  ")])
    overrides = [Override(item.id, "the name of a village, see C-12") for item in blocked.items]
    overrides.append(Override("000000000000", "idle"))
    report = gate("Варенчукова увезли", overrides=overrides)
    assert report.passed
    assert [item.reason for item in report.overridden] == ["the name of a village, see C-12"]
    assert report.unused == ("000000000000",)


def test_an_override_survives_a_change_of_layout_and_nothing_else() -> None:
    """The same words on other lines are the same finding; the same name among other words is another."""
    first = gate("Сказали, что вчера\nВаренчукова увезли ночью домой")
    again = gate("Сказали, что\nвчера Варенчукова увезли\nночью домой")
    other = gate("Врач осмотрел Варенчукова сегодня")
    assert {item.id for item in first.items} == {item.id for item in again.items}
    assert not {item.id for item in first.items} & {item.id for item in other.items}


def test_a_published_name_that_coincides_is_one_finding() -> None:
    """A sealed surname within an official's published name blocks once for all places, and one override settles it."""
    texts = [("a", "Рустам Бжедухаев сказал"), ("b", "по словам Рустама Бжедухаева"), ("c", "Rustam Bzhedukhaev said")]
    report = gate(before=texts, data=OTHER_TEXT, published=["Рустам Бжедухаев"])
    assert [(item.status, len(item.places)) for item in report.items] == [(BLOCKS, 3)]
    official = [Override(report.items[0].id, "the official")]
    assert gate(before=texts, data=OTHER_TEXT, published=["Рустам Бжедухаев"], overrides=official).passed


def test_a_published_name_hides_no_other_use() -> None:
    """The override of a coincidence does not cover the surname where the official's name does not stand."""
    texts = [("a", "Рустам Бжедухаев сказал"), ("b", "Бжедухаева плакала")]
    report = gate(before=texts, data=OTHER_TEXT, published=["Рустам Бжедухаев"])
    assert len(report.items) == 2


def test_a_name_goes_out_only_with_its_consent() -> None:
    """Where the person allows this audience their own name it is listed as permitted; other names and contacts block."""
    allowed = Consents([consent(names=["press"])], PUBLISHED)
    report = gate("Zelimkhan Varenchukov spoke", consents=allowed)
    assert report.passed
    assert [item.status for item in report.items] == [PERMITTED]
    assert not gate("Zelimkhan Varenchukov, 8 928 123 45 67", consents=allowed).passed
    assert not gate("Пчёлка", consents=allowed).passed
    assert not gate("Мария Бжедухаева", consents=allowed).passed
    court = Release("dossier", "complaint", "court", RELEASE.sources)
    assert not gate("Zelimkhan Varenchukov spoke", consents=allowed, release=court).passed


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ([], False),
        ([consent()], True),
        ([consent(source="S-0009")], False),
        ([consent(purposes=["complaint"])], False),
        ([consent(audiences=["court"])], False),
        ([consent(purposes=["complaint"]), consent(audiences=["court"])], False),
        ([consent(until="2026-03-01")], True),
        ([consent(until="2026-02")], False),
        ([consent(until="2026")], True),
        ([consent(until="2026~")], False),
        ([consent(until="soon")], False),
        ([consent(), consent(withdrawn=True, purposes=[], audiences=[], recorded=11)], False),
        ([consent(), consent(withdrawn=True, purposes=[], audiences=[], recorded=10)], False),
        ([consent(), consent(withdrawn=True, purposes=[], audiences=[], recorded=9)], True),
        ([consent(source="S-0001"), consent(withdrawn=True, purposes=[], audiences=[], recorded=11)], False),
        ([consent(), consent(withdrawn=True, source="S-0009", purposes=[], audiences=[], recorded=11)], True),
        ([consent(), consent(withdrawn=True, audiences=["court"], recorded=11)], True),
        ([consent(), consent(withdrawn=True, recorded=11), consent(recorded=12)], True),
        ([consent("P-0002")], False),
    ],
)
def test_a_source_on_consent_needs_it(given: list[Consent], allowed: bool) -> None:
    """Purpose, audience, source, term and withdrawal each decide."""
    consents = Consents(given, {"S-0001": "consent"}, {"S-0001": ["P-0001"]})
    assert gate(consents=consents).passed is allowed


def test_everybody_a_source_tells_of_must_agree() -> None:
    """One consent of two is not enough, and a source on consent that names nobody blocks."""
    both = {"S-0001": ["P-0001", "P-0002"]}
    assert not gate(consents=Consents([consent()], {"S-0001": "consent"}, both)).passed
    assert gate(consents=Consents([consent(), consent("P-0002")], {"S-0001": "consent"}, both)).passed
    assert not gate(consents=Consents([consent()], {"S-0001": "consent"}, {})).passed


@pytest.mark.parametrize("bases", [{}, {"S-0001": "unknown"}, {"S-0001": ""}, {"S-0001": "hearsay"}])
def test_an_unknown_basis_blocks(bases: dict[str, str]) -> None:
    """A source whose basis nobody recorded does not leave."""
    assert not gate(consents=Consents([consent()], bases, {"S-0001": ["P-0001"]})).passed


def test_withdrawn_consent_cannot_be_overridden() -> None:
    """The team may override a missing consent with a reason, never a withdrawal."""
    told = {"S-0001": ["P-0001"]}
    missing = Consents([], {"S-0001": "consent"}, told)
    withdrawn = Consents([consent(), consent(withdrawn=True, recorded=11)], {"S-0001": "consent"}, told)
    for consents, passed in ((missing, True), (withdrawn, False)):
        item = gate(consents=consents).items[0]
        assert gate(consents=consents, overrides=[Override(item.id, "danger to life, decided by two")]).passed is passed


def test_an_unknown_purpose_or_audience_is_refused() -> None:
    """A release whose purpose or audience is no term of the record raises."""
    for release in (Release("dossier", "fun", "press"), Release("dossier", "advocacy", "friends")):
        with pytest.raises(NotARelease):
            gate(release=release)


def test_a_picture_blocks_until_somebody_looked() -> None:
    """A picture cannot be read by the gate, so it needs a human's reason."""
    data = changed(picture, "P-0001 was detained.")
    report = gate(data=data, kind=PDF)
    assert [item.kind for item in report.items] == ["unread"]
    assert gate(data=data, kind=PDF, overrides=[Override(report.items[0].id, "a map, looked at")]).passed


def test_the_report_says_it_in_words() -> None:
    """The plain form says refused or not, what, whom by handle, and where."""
    text = gate("Варенчукова увезли").plain()
    assert "refuses" in text
    assert "P-0001" in text
    assert "paragraph 1" in text
