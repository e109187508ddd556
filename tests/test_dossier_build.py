"""The dossier as a file: valid marks of PDF/A and PDF/UA, the same bytes twice, words that stay words, three scripts."""

import io
import json
import re
from dataclasses import replace
from datetime import date
from typing import Any

import pikepdf
import pypdfium2  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amparo.dossier import build, layout, timeline, words
from amparo.dossier.manifest import (
    Actor,
    Assessment,
    Cell,
    ClaimRef,
    Contradiction,
    Figure,
    Instrument,
    Manifest,
    Mark,
    Matrix,
    Override,
    Paragraph,
    Section,
    Sentence,
    Source,
    SourceFile,
    StateRow,
)

# Everything here is made up.
ATTACK = '#panic() *bold* @ref $x$ \\ <label> // c _it_ = h #read("data.json") `raw` [x] ~ -- \''
ARABIC = "احتُجز الأشخاص في قبو مبنى إداري"
RUSSIAN = "Задержанных держали в подвале; Ӏаьржа"
EMPTY = Manifest("A made-up record", "5e" * 32, "2024-03-04", "prosecution", "court")


def claim(number: int, **more: Any) -> ClaimRef:
    given: dict[str, Any] = {
        "handle": f"C-{number:04d}", "key": f"F{number:03d}/1", "source": "S-0001", "passage": "Q-0001", "locator": "p. 3",
        "speaker": "P-0001", "said_by": "P-0001", "access": "direct", "voluntariness": "free", "stance": "allegation",
        "polarity": "affirmed", "entry": (1, number, 0),
    }  # fmt: skip
    return ClaimRef(**(given | more))


def said(text: str, number: int = 1, stance: str = "allegation") -> Sentence:
    return Sentence(text, (f"C-{number:04d}",), stance)


def full(*texts: str) -> Manifest:
    """A manifest with something in every part; ``texts`` are the paragraphs of its one event."""
    paragraphs = tuple(Paragraph(n, (said(text),), "2017-02", "Town") for n, text in enumerate(texts or ("Held.",), 1))
    found = Assessment("J-0001", "He was held.", "reasonable basis", "reached", "Two agree.", "team", "2024-03-04")
    return replace(
        EMPTY,
        standards=("reasonable basis",), counts=(("claim", 2),), events=(Section("A raid", paragraphs, "E-0001", "2017-02"),),
        figures=(Figure("Persons detained", ">=3", "A raid", "2017-02", "allegation", ("C-0001",)),),
        ground_counts=(("journalism", "suppressed"),),
        marks=(Mark("event", "Held.", "2017-02", "2017-02-01", "2017-02-28", about=False, paragraph=1),),
        contradictions=(Contradiction((said("He was held."),), (said("Nobody was.", 2, "denial"),), ("They differ.",), found),
                        Contradiction((said("He was held."),), (said("Nobody was.", 2, "denial"),))),
        actors=(Actor("G-0001", "The police", "police force", (said("It commands."),), (1,)),),
        matrix=Matrix((Instrument("M-0001", "A statement", "2019", 0),),
                      (StateRow("FRA", "France", (Cell(("joined",), ("C-0001",)),)), StateRow("DEU", "Germany", (Cell(),)))),
        sources=(Source("S-0001", "A made-up report", "press report", "published source", "2017-04",
                        (SourceFile("ab" * 32, 1234567, "application/pdf", (("2024-03-04", "device", "sealed"),)),), 2),),
        claims=(claim(1), claim(2, stance="denial")), overrides=(Override("0123456789ab", "a made-up reason"),),
        persons=(("P-0001", "V-001"),),
    )  # fmt: skip


def text_of(pdf: bytes) -> list[str]:
    with pypdfium2.PdfDocument(pdf) as document:
        return [" ".join(page.get_textpage().get_text_range().split()) for page in document]


def whole(pdf: bytes) -> str:
    return " ".join(text_of(pdf))


def test_the_file_says_it_is_pdf_a_2a_and_pdf_ua_1_and_is_tagged() -> None:
    """Both standards are named in the metadata; structure tree, language, title and output intent are there."""
    pdf = pikepdf.open(io.BytesIO(build.build_pdf(full())))
    xmp = bytes(pdf.Root.Metadata.read_bytes()).decode()
    assert "<pdfaid:part>2</pdfaid:part>" in xmp and "<pdfaid:conformance>A</pdfaid:conformance>" in xmp
    assert "<pdfuaid:part>1</pdfuaid:part>" in xmp
    assert "A made-up record" in xmp
    assert bool(pdf.Root.MarkInfo.Marked)
    assert "/StructTreeRoot" in pdf.Root
    assert str(pdf.Root.Lang) == "en"
    assert len(pdf.Root.OutputIntents) == 1
    assert bool(pdf.Root.ViewerPreferences.DisplayDocTitle)


def test_the_same_manifest_gives_the_same_bytes() -> None:
    """Two builds agree in every byte, and another word gives another file."""
    first = build.build_pdf(full(RUSSIAN, ARABIC))
    assert first == build.build_pdf(full(RUSSIAN, ARABIC))
    assert first != build.build_pdf(full(RUSSIAN))


def test_the_only_date_is_the_ledger_heads_and_no_path_is_told() -> None:
    """Creation and modification are the head's day; no folder of this machine stands in the file."""
    made = build.build_pdf(full())
    pdf = pikepdf.open(io.BytesIO(made))
    assert str(pdf.docinfo["/CreationDate"]).startswith("D:20240304")
    assert str(pdf.docinfo["/ModDate"]).startswith("D:20240304")
    xmp = bytes(pdf.Root.Metadata.read_bytes())
    assert set(re.findall(rb"\d{4}-\d\d-\d\dT", xmp)) == {b"2024-03-04T"}
    for hidden in (str(build.FONTS), "data.json", "main.typ"):
        assert hidden.encode() not in made
        assert hidden.encode() not in xmp


def test_markup_in_every_text_is_printed_literally() -> None:
    """Typst code in whatever a source, a label or a reason says is neither run nor laid out, but stands there as it is."""
    manifest = full(ATTACK)
    manifest = replace(
        manifest, title=ATTACK, events=(replace(manifest.events[0], title=ATTACK, place=ATTACK),),
        marks=(replace(manifest.marks[0], text=ATTACK),), sources=(replace(manifest.sources[0], label=ATTACK),),
        actors=(replace(manifest.actors[0], name=ATTACK),), overrides=(Override("0123456789ab", ATTACK),),
        figures=(replace(manifest.figures[0], label=ATTACK, about=ATTACK),),
        claims=(claim(1, locator=ATTACK, said_by=ATTACK), claim(2)),
    )  # fmt: skip
    shown = whole(build.build_pdf(manifest))
    assert shown.count("#panic()") >= 9
    assert ATTACK in shown


@settings(max_examples=25)
@given(st.text(st.characters(codec="latin-1"), max_size=60))
def test_any_latin_text_builds(text: str) -> None:
    """Whatever letters and signs of Latin-1 a sentence has, controls included, the page is made."""
    assert build.pages(build.build_pdf(full(text))) > 4


def test_cyrillic_and_arabic_are_printed_and_extracted() -> None:
    """The words of both scripts come out of the finished file as they went in, and Arabic is tagged as such."""
    made = build.build_pdf(full(RUSSIAN, f"A witness said: {ARABIC}.", "الأشخاص في مبنى"))
    shown = whole(made)
    assert RUSSIAN in shown
    assert "مبنى" in shown and "الأشخاص" in shown
    assert b"(ar)" in b"".join(_uncompressed(made))


def _uncompressed(pdf: bytes) -> list[bytes]:
    with pikepdf.open(io.BytesIO(pdf)) as document:
        return [each.unparse(resolved=True) for each in document.objects if isinstance(each, pikepdf.Dictionary)]


def test_a_paragraph_of_arabic_runs_from_right_to_left() -> None:
    """Its first letter stands at the right margin, its number still at the left one."""
    with pypdfium2.PdfDocument(build.build_pdf(full("ا ب ت ث ج ح خ"))) as document:
        page = next(page for page in document if "[1] February" in page.get_textpage().get_text_range())
        text = page.get_textpage()
        letters = {text.get_text_range(n, 1): text.get_charbox(n)[0] for n in range(text.count_chars())}
    assert letters["ا"] > letters["ب"] > letters["ح"] > 150
    assert letters["ا"] > 450


def test_hidden_and_reordering_characters_are_left_out() -> None:
    """A bidirectional override, a zero-width space, a control or a soft hyphen never reaches the page."""
    data = json.dumps(layout.data(full("a\u202eb\u2066c\x07d\u200be\xadf\ng")), ensure_ascii=False)
    assert "abcdef g" in data
    assert not set("\u202e\u2066\u200b\xad\x07") & set(data)


def test_a_character_without_a_font_is_named_in_one_sentence() -> None:
    """Nothing is left out silently: the character and its code are named, and what to do."""
    with pytest.raises(build.DossierFontMissing) as refused:
        build.build_pdf(full("In Chinese: 漢字"))
    assert "U+6F22" in str(refused.value) and str(refused.value).count("\n") == 0
    assert refused.value.exit_code == 4
    with pytest.raises(build.DossierFontMissing) as refused:
        build.build_pdf(full("private \ue000"))
    assert "U+E000" in str(refused.value)


def test_a_demonstration_says_so_on_every_page() -> None:
    """The banner stands on each page, the title page included; without a demonstration on none."""
    pages = text_of(build.build_pdf(replace(full(), demo=True)))
    assert len(pages) > 5
    assert all("EXAMPLE – demonstration workspace" in page for page in pages)
    assert "EXAMPLE" not in whole(build.build_pdf(full()))


def test_an_empty_record_builds_and_says_what_it_lacks() -> None:
    """Every part says in one sentence that there is nothing, instead of being left out."""
    shown = whole(build.build_pdf(EMPTY))
    for key in ("no figures", "no chronology", "no events", "no contradictions", "no actors", "no proceedings", "no overrides"):
        assert words.WORDS[key] in shown


def test_paragraphs_notes_and_annex_are_cited_and_linked() -> None:
    """A paragraph's note names source, passage, speaker and claims; links lead to places inside the file."""
    made = build.build_pdf(full("Held."))
    shown = whole(made)
    assert "[1] February 2017, Town. Allegation: Held." in shown
    assert "S-0001 · A made-up report, April 2017 · Q-0001, p. 3 · P-0001 · own perception · C-0001." in shown
    assert ("ab" * 16) in shown.replace(" ", "") and "1\u00a0234\u00a0567 bytes".replace("\u00a0", " ") in shown
    assert "P-0001 (V-001)" in shown and "a made-up reason" in shown and "suppressed" in shown
    with pikepdf.open(io.BytesIO(made)) as pdf:
        links = [note for page in pdf.pages for note in page.get("/Annots", []) if str(note.Subtype) == "/Link"]
        assert len(links) > 10
        assert not any("/URI" in (note.get("/A") or {}) for note in links)


def test_silence_is_never_shown_as_a_refusal() -> None:
    """A State without a record of joining is a dash explained as “no record of joining”; nowhere does “refused” stand."""
    shown = whole(build.build_pdf(full()))
    assert "no record of joining" in shown
    assert "refused" not in shown.lower()
    assert layout.sign("declined")["form"] == "box" and layout.sign("joined") == {"letter": "J", "form": "disc"}


def test_contradictions_stand_side_by_side_with_their_assessment() -> None:
    """Both claims, who says them, standard, outcome and reasons are on the page; so are pairs that nobody assessed."""
    shown = whole(build.build_pdf(full()))
    for part in ("Claims for", "Claims against", "Denial: Nobody was.", "Standard reached", "Reasonable basis", "Two agree."):
        assert part in shown
    assert "Further contradictions, not assessed" in shown and "Contradicted by" in shown


def test_the_json_form_leads_from_paragraphs_to_entries() -> None:
    """Each paragraph lists its claims and the entries that hold them; the bytes are the same twice."""
    made, media_type = build.build(full("Held."), "json")
    data = json.loads(made)
    assert media_type == "application/json"
    [paragraph] = data["events"][0]["paragraphs"]
    assert paragraph["claims"] == ["C-0001"] and paragraph["entries"] == [[1, 1, 0]]
    assert data["claims"][0]["source"] == "S-0001" and data["sources"][0]["files"][0]["sha256"] == "ab" * 32
    assert made == build.build(full("Held."), "json")[0]


def test_dates_and_numbers_are_words() -> None:
    """Partial dates and claimed numbers read as a reader writes them, never more exact than they are."""
    assert words.when("2016-12/2017-02") == "December 2016 – February 2017"
    assert words.when("../2017-05-26") == "until 26 May 2017"
    assert words.when("2017-03/..~") == "about from March 2017"
    assert words.when("nonsense") == "nonsense"
    assert [words.number(text) for text in (">=3", "~40", ">100", "30..40", "5")] == [
        "at least 3", "about 40", "more than 100", "30–40", "5",
    ]  # fmt: skip


def mark(number: int, first: str, last: str) -> Mark:
    return Mark("event", "x", "2017", first, last, about=False, paragraph=number)


days = st.dates(min_value=date(1990, 1, 1), max_value=date(2030, 12, 31))


@given(st.lists(st.tuples(days, days, st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_no_two_bars_of_a_lane_overlap(spans: list[tuple[Any, Any, bool, bool]]) -> None:
    """Whatever the dates, also open ones, bars of one row stand apart and inside of the drawing."""
    marks = []
    for number, (one, other, no_start, no_end) in enumerate(spans, 1):
        first, last = sorted((one, other))
        end = "" if no_end and not no_start else last.isoformat()
        marks.append(mark(number, "" if no_start else first.isoformat(), end))
    drawn = timeline.draw(tuple(marks))
    assert drawn is not None
    for lane in drawn["lanes"]:
        rows: dict[int, float] = {}
        for bar in sorted(lane["bars"], key=lambda bar: bar["x"]):
            assert 0 <= bar["x"] <= 1 and bar["x"] + bar["w"] <= 1 + 1e-9
            assert bar["x"] >= rows.get(bar["row"], 0) - 1e-9
            rows[bar["row"]] = bar["x"] + bar["w"]


def test_a_mark_of_long_ago_is_an_arrow_with_its_year() -> None:
    """One law of 1993 does not squeeze the years that matter; it stands at the edge with its year."""
    crowd = [mark(n, f"2017-{n % 12 + 1:02d}-01", f"2017-{n % 12 + 1:02d}-20") for n in range(2, 40)]
    drawn = timeline.draw((mark(1, "1993-01-01", "1993-12-31"), *crowd))
    assert drawn is not None
    assert [tick["year"] for tick in drawn["ticks"]] == ["2017"]
    labels = [bar["label"] for bar in drawn["lanes"][0]["bars"]]
    assert "1993: 1" in labels


def test_handles_and_numbers_are_drawn_together() -> None:
    """Neighbours become a range, all else is listed, and no claim is lost."""
    assert layout.spans(["C-0001", "C-0002", "C-0003", "C-0007", "C-2-0001"]) == "C-0001–C-0003, C-0007, C-2-0001"
    assert layout.spans([]) == ""
