"""The event editor: one form becomes an event with its acts, once, checked, and with nothing stored that runs."""

import re
from collections.abc import Iterator

import pytest
from cli_kit import Shell
from web_kit import POSIX, Answer, Pages
from work_kit import SCRIPT

pytestmark = POSIX


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    home = tmp_path_factory.mktemp("user")
    made = Shell(home, home / "home" / "case")
    made.init()
    note = home / "note.txt"
    note.write_text("made up", "utf-8")
    made.amparo("evidence", "add", str(note), "--basis", "published source")
    yield made
    made.lock()


@pytest.fixture(scope="module")
def pages(shell: Shell) -> Iterator[Pages]:
    opened = Pages(shell.workspace, shell.environment).opened()
    yield opened
    opened.close()


FORM = {
    "label": "A made-up raid", "type": "raid", "valid": "2017-03", "text": "The house was searched.", "source": "s-1",
    "access": "document", "stance": "report", "voluntariness": "free", "do": "record", "once": "one",
    "act.1.type": "torture", "act.1.victim": "new person", "act.1.method": "beating by hand", "act.1.text": "He was beaten.",
    "act.2.perpetrator": "new person 2", "act.2.text": "An officer led them.",
}  # fmt: skip


def record(pages: Pages, path: str = "/events/new", **changes: str) -> Answer:
    return pages.ask(path, {name: value for name, value in {**FORM, **changes}.items() if value})


def test_one_form_becomes_an_event_with_its_acts_victims_and_perpetrators(pages: Pages, shell: Shell) -> None:
    """Label, type, date, act, victim, method and perpetrator stand as claims of the source, the act as a part of the event."""
    before = shell.amparo("status")["devices"][0]["entries"]
    answer = record(pages, once="first")
    assert answer.status == 303, answer.sentence
    event = answer.headers["location"].strip("/")
    shown = shell.amparo("show", event)
    assert (shown["entity"]["label"], shown["entity"]["type"], shown["entity"]["date"]) == ("A made-up raid", "raid", "2017-03")
    claims = {claim["property"]: claim for claim in shown["claims"]}
    assert set(claims) == {"event type", "occurred", "perpetrator"}
    assert claims["occurred"]["text"] == "The house was searched."
    assert all((claim["source"], claim["access"]) == ("S-0001", "document") for claim in claims.values())
    [act] = shown["parts"]
    told = {claim["property"]: claim["value"] for claim in shell.amparo("show", act)["claims"]}
    assert {name: told[name] for name in ("type of act", "method", "part of")} == {
        "type of act": "torture", "method": "beating by hand", "part of": event,
    }  # fmt: skip
    assert re.fullmatch(r"P-\d+", told["victim"])
    assert told["victim"] != claims["perpetrator"]["value"]
    assert shell.amparo("status")["devices"][0]["entries"] > before


def test_a_form_sent_twice_is_recorded_once(pages: Pages, shell: Shell) -> None:
    """The second sending leads to the same event, and nothing is written."""
    first = record(pages, once="twice").headers["location"]
    counts = shell.amparo("status")["counts"]
    assert record(pages, once="twice").headers["location"] == first
    assert shell.amparo("status")["counts"] == counts


def test_acts_are_added_to_an_event_and_change_nothing_of_it(pages: Pages, shell: Shell) -> None:
    """`/E-…/acts` adds claims; what was recorded of the event stands as it stood."""
    event = record(pages, once="base").headers["location"]
    before = {claim["handle"]: claim for claim in shell.amparo("show", event.strip("/"))["claims"]}
    more = {"label": "", "type": "", "valid": "", "text": "", "act.2.perpetrator": "", "act.2.text": ""}
    answer = record(pages, f"{event}/acts", once="more", **more)
    assert (answer.status, answer.headers.get("location")) == (303, event), answer.sentence
    shown = shell.amparo("show", event.strip("/"))
    assert len(shown["parts"]) == 2
    assert {claim["handle"]: claim for claim in shown["claims"]} == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"source": ""}, "Name the source"),
        ({"source": "S-0099"}, "Name the source"),
        ({"source": "P-0001"}, "Name the source"),
        ({"type": "torturing"}, "Nothing was recorded"),
        ({"valid": "yesterday"}, "Nothing was recorded"),
        ({"act.1.victim": "L-0001"}, "Nothing was recorded"),
        ({"act.1.victim": "V-001 somebody"}, "Nothing was recorded"),
        ({"act.1.type": "beheadding"}, "Nothing was recorded"),
        ({"label": "x" * 400}, "300 are enough"),
        ({"stance": "gospel"}, "none of"),
        ({"type": "", "valid": "", "text": "", "act.1.type": "", "act.1.victim": "", "act.1.method": "", "act.1.text": "",
          "act.2.perpetrator": "", "act.2.text": ""}, "Say what happened"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_sentence_and_nothing_is_lost(
    pages: Pages, shell: Shell, changes: dict[str, str], words: str
) -> None:
    """A missing source, terms that are none, handles of another kind, a wrong date: why, and the form as it was typed."""
    counts = shell.amparo("status")["counts"]
    answer = record(pages, once="wrong", **changes)
    assert answer.status == 422
    assert words in answer.sentence
    if "act.1.text" not in changes:
        assert "He was beaten." in answer.text
    assert shell.amparo("status")["counts"] == counts


def test_more_rows_keep_what_was_typed_and_record_nothing(pages: Pages, shell: Shell) -> None:
    """Without scripts “More rows” gives a longer form with all that was typed."""
    counts = shell.amparo("status")["counts"]
    answer = record(pages, do="more")
    assert answer.status == 200
    assert 'name="act.6.type"' in answer.text
    assert "The house was searched." in answer.text
    assert shell.amparo("status")["counts"] == counts


def test_attack_a_stored_script_is_words_in_every_field(pages: Pages) -> None:
    """Recorded in the label and the words, and typed into every field of a refused form, it does not run."""
    stored = pages.ask(record(pages, once="script", label=SCRIPT, text=SCRIPT, **{"act.1.text": SCRIPT}).headers["location"])
    assert "&lt;script&gt;" in stored.text
    refused = pages.ask("/events/new", {**dict.fromkeys(FORM, SCRIPT), "do": "record"})
    assert refused.status == 422
    for answer in (stored, refused, pages.ask("/events/new?source=%22%3E%3Cscript%3E")):
        assert "<script>document" not in answer.text
        assert "<img src=x" not in answer.text


def test_attack_ten_thousand_rows_are_refused(pages: Pages) -> None:
    """A form of thousands of acts is no form of this page."""
    answer = pages.ask("/events/new", {**FORM, **{f"act.{n}.type": "torture" for n in range(10_000)}})
    assert answer.status == 422


@pytest.mark.parametrize("path", ["/P-0001/acts", "/E-9999/acts", "/S-0001/acts"])
def test_acts_are_added_to_events_only(pages: Pages, path: str) -> None:
    """A person, a source and an event that is not there get a refusal, by form and by address."""
    assert pages.ask(path).status in (404, 422)
    assert record(pages, path, once="none").status in (404, 422)


# -- the editor -----------------------------------------------------------------------------------------------------------


def edited(pages: Pages, event: str, fields: dict[str, str], reason: str = "a slip", **more: str) -> Answer:
    return pages.ask(f"{event}/edit", {**fields, "reason": reason, **more})


def of_event(shell: Shell, event: str, name: str) -> str:
    """The standing claim of one property."""
    told = shell.amparo("show", event.strip("/"))
    return str(next(one["handle"] for one in told["claims"] if one["property"] == name and one["status"] == "current"))


def test_the_editor_corrects_several_claims_at_once_and_leaves_the_rest(pages: Pages, shell: Shell) -> None:
    """Changed rows get a newer claim with the reason, rows that were sent unchanged do not, and the label changes."""
    event = record(pages, once="edit").headers["location"]
    kind, day = of_event(shell, event, "event type"), of_event(shell, event, "occurred")
    shown = pages.ask(f"{event}/edit").text
    assert f'name="c.{kind}.value"' in shown
    before = shell.amparo("status")["counts"]["claim"]
    same = {f"c.{day}.valid": "2017-03", f"c.{day}.text": "The house was searched at night.", f"c.{kind}.value": "raid"}
    answer = edited(pages, event, same, label="A made-up raid at night", seen="A made-up raid")
    assert (answer.status, answer.headers["location"]) == (303, event)
    told = shell.amparo("show", event.strip("/"))
    assert told["entity"]["label"] == "A made-up raid at night"
    stands = {one["property"]: one for one in told["claims"] if one["status"] == "current"}
    assert stands["event type"]["handle"] == kind
    assert (stands["occurred"]["supersedes"], stands["occurred"]["reason"]) == (day, "a slip")
    assert stands["occurred"]["text"] == "The house was searched at night."
    assert shell.amparo("status")["counts"]["claim"] == before + 1


def test_who_was_slower_sees_both_versions_and_chooses(pages: Pages, shell: Shell) -> None:
    """Nothing is recorded before the choice; “theirs” leaves it, “mine” puts the changed field alone on top of theirs."""
    event = record(pages, once="slow").headers["location"]
    day, kind = of_event(shell, event, "occurred"), of_event(shell, event, "event type")
    theirs = shell.amparo("correct", day, "--set", "text=The house was searched twice.", "--reason", "they saw it")["handle"]
    count = shell.amparo("status")["counts"]["claim"]
    mine = {f"c.{day}.text": "The house was searched once.", f"c.{day}.valid": "2017-03-04", f"c.{kind}.value": "lull"}
    shown = edited(pages, event, mine)
    assert shown.status == 409
    for words in ("The house was searched.", "The house was searched twice.", "The house was searched once.", "they saw it"):
        assert words in shown.text, words
    assert f'name="c.{kind}.value" value="lull"' in shown.text, "what was typed is kept"
    assert shell.amparo("status")["counts"]["claim"] == count
    left = edited(pages, event, {f"c.{day}.text": "The house was searched once."}, **{f"choice.{day}": f"theirs {theirs}"})
    assert left.status == 303 and shell.amparo("status")["counts"]["claim"] == count
    taken = edited(pages, event, {f"c.{day}.valid": "2017-03-04"}, **{f"choice.{day}": f"mine {theirs}"})
    assert taken.status == 303, taken.sentence
    stands = next(one for one in shell.amparo("show", event.strip("/"))["claims"]
                  if one["property"] == "occurred" and one["status"] == "current")  # fmt: skip
    assert (stands["supersedes"], stands["valid"], stands["text"]) == (theirs, "2017-03-04", "The house was searched twice.")


def test_a_choice_against_another_version_than_the_newest_does_not_count(pages: Pages, shell: Shell) -> None:
    """Who chose between C-1 and C-2 while C-3 came is asked again."""
    event = record(pages, once="third").headers["location"]
    day = of_event(shell, event, "occurred")
    second = shell.amparo("correct", day, "--set", "text=second", "--reason", "x")["handle"]
    third = shell.amparo("correct", second, "--set", "text=third", "--reason", "x")["handle"]
    for choice in (f"mine {second}", f"theirs {second}", "mine", ""):
        assert edited(pages, event, {f"c.{day}.text": "mine"}, **{f"choice.{day}": choice}).status == 409, choice
    assert edited(pages, event, {f"c.{day}.text": "third"}).status == 303, "both say the same: nothing to choose"
    assert of_event(shell, event, "occurred") == third


def test_a_label_that_somebody_changed_is_shown_with_both(pages: Pages, shell: Shell) -> None:
    """The label is asked about like a claim, and the choice holds only against the label that was shown."""
    event = record(pages, once="label").headers["location"]
    assert edited(pages, event, {}, label="Theirs", seen="A made-up raid").status == 303
    shown = edited(pages, event, {}, label="Mine", seen="A made-up raid")
    assert shown.status == 409 and "Theirs" in shown.text and "Mine" in shown.text
    choice = f"choice.{event.strip('/')}"
    assert edited(pages, event, {}, label="Mine", seen="A made-up raid", **{choice: "mine A made-up raid"}).status == 409
    assert edited(pages, event, {}, label="Mine", seen="A made-up raid", **{choice: "mine Theirs"}).status == 303
    assert shell.amparo("show", event.strip("/"))["entity"]["label"] == "Mine"


def test_what_was_not_changed_is_not_corrected_however_a_form_writes_it(pages: Pages, shell: Shell) -> None:
    """Line ends of a browser, blanks around, a term by its label, a handle in small letters: the same is the same."""
    event = record(pages, once="same", text="One line.\nAnother line.").headers["location"]
    day, kind = of_event(shell, event, "occurred"), of_event(shell, event, "event type")
    same = {f"c.{day}.text": " One line.\r\nAnother line.\r\n", f"c.{day}.valid": " 2017-03"}
    same |= {f"c.{kind}.value": "Raid or series of raids"}
    answer = edited(pages, event, same)
    assert answer.status == 422 and "says just that already" in answer.sentence, answer.sentence


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"value": "dancing"}, "dancing"), ({"valid": "someday"}, "someday"), ({"place": "P-9999"}, "P-9999"),
     ({"reason": ""}, "reason")],
)  # fmt: skip
def test_an_edit_that_does_not_fit_records_nothing(pages: Pages, shell: Shell, change: dict[str, str], sentence: str) -> None:
    """A term, date or place that is none, and a missing reason, are refused with what was typed kept on the form."""
    event = record(pages, once=f"bad {sentence}").headers["location"]
    kind, counts = of_event(shell, event, "event type"), shell.amparo("status")["counts"]
    fields = {f"c.{kind}.{name}": value for name, value in change.items() if name != "reason"}
    answer = edited(pages, event, {f"c.{kind}.text": "kept words", **fields}, reason=change.get("reason", "why"))
    assert answer.status == 422 and sentence in answer.sentence, answer.sentence
    assert "kept words" in answer.text
    assert shell.amparo("status")["counts"] == counts


def test_what_is_about_another_person_now_is_erased_with_that_person(pages: Pages, shell: Shell) -> None:
    """A victim corrected to somebody else: the new claim goes when that one is erased, and not with the first."""
    event = record(pages, once="victim").headers["location"]
    [act] = shell.amparo("show", event.strip("/"))["parts"]
    claim = of_event(shell, act, "victim")
    first = next(one["value"] for one in shell.amparo("show", act)["claims"] if one["handle"] == claim)
    other = shell.amparo("person", "add", "--unnamed")["handle"]
    assert edited(pages, event, {f"c.{claim}.value": other, f"c.{claim}.text": "the other one"}).status == 303
    shell.amparo("erase", first, "--authority", "asked for", "--yes")
    assert of_event(shell, act, "victim") != claim
    shell.amparo("erase", other, "--authority", "asked for", "--yes")
    assert not [one for one in shell.amparo("show", act)["claims"] if one["property"] == "victim"]


def test_attack_a_script_in_two_versions_is_words(pages: Pages, shell: Shell) -> None:
    """Label, text and reason of both versions are shown as they are, and nothing of them runs."""
    event = record(pages, once="two scripts").headers["location"]
    day = of_event(shell, event, "occurred")
    shell.amparo("correct", day, "--set", f"text={SCRIPT}", "--reason", SCRIPT)
    shown = edited(pages, event, {f"c.{day}.text": SCRIPT + "2", f"c.{day}.valid": SCRIPT}, label=SCRIPT, seen="A made-up raid")
    assert shown.status in (409, 422)
    shown = edited(pages, event, {f"c.{day}.text": SCRIPT + "2"}, label=SCRIPT, seen=SCRIPT + "3")
    assert shown.status == 409
    assert "<script>document" not in shown.text and "<img src=x" not in shown.text
