"""The evidence room as its users meet it: what the verbs say, and that what they say is so."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from cli_kit import Shell
from PIL import Image

from amparo.cli.evidence import SECTIONS, SUBVERBS, evidence

RUN = [sys.executable, "-c", "from amparo.cli.common import main; main()"]


def said(shell: Shell, *words: str, code: int = 0, **more: str) -> str:
    """What a verb prints for people."""
    done = subprocess.run(
        [*RUN, *words, "--workspace", str(shell.workspace)], env=shell.environment | more, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == code, (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout + done.stderr


def placed(path: Path, colour: tuple[int, int, int]) -> None:
    """A made-up photograph that holds a place."""
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (43.0, 19.0, 5.0), 3: "E", 4: (45.0, 41.0, 3.0)})
    Image.new("RGB", (64, 48), colour).save(path, exif=exif)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A workspace with a small made-up phone dump, read: S-0001."""
    base = tmp_path_factory.mktemp("journey")
    user = Shell(base / "user", base / "case")
    user.init()
    dump = base / "dump"
    dump.mkdir()
    placed(dump / "a.jpg", (200, 10, 10))
    placed(dump / "b.jpg", (10, 200, 10))
    (dump / "c.sqlite").write_bytes(b"SQLite format 3\0" + bytes(2000))
    (dump / "d.txt").write_bytes(b"made up, held in a cellar\n[p. 9] a false place")
    (dump / "e.txt").write_bytes(b"")
    (dump / "f\nD-0099  S-0001      1 B  text.txt").write_bytes(b"its name would be a line of a list")
    user.amparo("evidence", "add", str(dump), "--how", "made up")
    yield user
    user.lock()


# -- what the verbs are -------------------------------------------------------------------------------------------------------


def test_the_help_names_every_subverb_once_with_a_whole_sentence(shell: Shell) -> None:
    """`amparo evidence --help` lists each subverb in one section, none with its first sentence cut."""
    assert sorted(name for _title, names in SECTIONS for name in names) == sorted(SUBVERBS)
    told = subprocess.run(
        [*RUN, "evidence", "--help"], env=shell.environment, capture_output=True, text=True, check=True
    ).stdout
    assert "...\n" not in told.partition("To take in:")[2] and all(f"\n  {name} " in told for name in SUBVERBS)


def test_who_acts_is_asked_in_one_way() -> None:
    """Every verb that asks who does it for the custody calls that --by, and AMPARO_BY stands for it."""
    commands = [(name, evidence.get_command(click.Context(evidence), name)) for name in SUBVERBS]
    asking = {name: [one for one in command.params if one.name == "actor"] for name, command in commands if command}
    assert {name for name, found in asking.items() if found} >= {"show", "text", "verify", "repair", "redact", "export"}
    for found in asking.values():
        for one in found:
            assert one.opts == ["--by"] and one.envvar == "AMPARO_BY"


# -- lists --------------------------------------------------------------------------------------------------------------------


def test_attack_a_file_name_with_a_line_break_makes_no_line_of_a_list(shell: Shell) -> None:
    """Neither `list` nor `show` begins a line with what a file is called."""
    lines = said(shell, "evidence", "list").splitlines()
    assert not any(line.startswith("D-0099") for line in lines) and len(lines) == 6
    item = next(line for line in lines if "D-0099" in line).split()[0]
    assert not any(line.startswith("D-0099") for line in said(shell, "evidence", "show", item).splitlines())


def test_attack_a_text_with_brackets_passes_for_no_place(shell: Shell) -> None:
    """Lines that a document brings stand behind the place they were found at, and begin no place of their own."""
    shell.amparo("evidence", "read", "D-0004")
    shown = said(shell, "evidence", "text", "D-0004")
    assert "a false place" in shown and not any(line.startswith("[p. 9]") for line in shown.splitlines())


def test_facts_are_shown_in_lines_not_as_json(shell: Shell) -> None:
    """`show` tells facts by name and value, long ones cut, and says nothing of readings without a remark."""
    shell.amparo("evidence", "read", "D-0001")
    shown = said(shell, "evidence", "show", "D-0001")
    assert "    width: 64" in shown and '{"' not in shown and "count: 0" not in shown
    assert "location (metadata/1)" in shown or shutil.which("exiftool") is None


@pytest.mark.parametrize("words", [["list"], ["read"], ["verify"]])
def test_a_source_that_is_not_there_is_told(shell: Shell, words: list[str]) -> None:
    """A mistyped source is an error, never an empty answer that reads like “all is well”."""
    assert shell.amparo("evidence", *words, "--source", "S-0999", code=9)["error"] == "NoSourceOfItems"
    assert shell.amparo("evidence", *words, "--source", "nonsense", code=4)["error"] == "BadHandle"


def test_a_source_typed_carelessly_is_the_source_itself(shell: Shell, tmp_path: Path) -> None:
    """`--source s-1` adds to S-0001: a file under another spelling would escape the source's consent and its erasure."""
    (tmp_path / "late.bin").write_bytes(b"\0made up late")
    added = shell.amparo("evidence", "add", str(tmp_path / "late.bin"), "--source", "s-1")
    assert added["source"] == "S-0001"
    assert added["first"] in [one["item"] for one in shell.amparo("evidence", "list", "--source", "s-01")["items"]]


def test_a_dump_taken_in_twice_is_told_in_few_lines(shell: Shell, tmp_path: Path) -> None:
    """Where every file was here already, the answer says so and how to take it out, and lists some only."""
    for number in range(30):
        (tmp_path / f"{number}.bin").write_bytes(b"\0made up %d" % number)
    shell.amparo("evidence", "add", str(tmp_path))
    told = said(shell, "evidence", "add", str(tmp_path))
    assert "Every one of them was here" in told and len(told.splitlines()) < 20


# -- reading ------------------------------------------------------------------------------------------------------------------


def test_what_is_said_of_many_items_is_said_once(shell: Shell) -> None:
    """Two photographs with a place are one line; --json has each."""
    told = said(shell, "evidence", "read", "D-0001", "D-0002", "--again")
    assert told.count("GPS") == 1 and "  D-0001, D-0002: " in told
    problems = shell.amparo("evidence", "read", "D-0001", "D-0002", "--again")["problems"]
    assert {one["item"] for one in problems} == {"D-0001", "D-0002"}


def test_a_file_that_nothing_reads_is_told(shell: Shell) -> None:
    """`read` names types that no reader knows, and a second run says that nothing was left to do."""
    assert shell.amparo("evidence", "read", "D-0003", "D-0005")["no_reader"] == {"application/vnd.sqlite3": ["D-0003"]}
    shell.amparo("evidence", "read", "D-0004")
    assert "read before" in said(shell, "evidence", "read", "D-0004")


def test_who_asks_the_record_for_an_item_is_told_where_it_is_shown(shell: Shell) -> None:
    """`show` and `trace` of a digital item do not say that nothing is recorded."""
    for verb in ("show", "trace"):
        assert "`amparo evidence show D-0003`" in shell.amparo(verb, "D-0003", code=9)["sentence"]


def test_the_basis_of_a_source_is_said_afterwards_with_a_reason(shell: Shell) -> None:
    """Without a reason nothing changes; with one the status no longer names the source, and its earlier word stays."""
    assert "S-0001" in shell.amparo("status")["sources_without_basis"]
    assert "--reason" in shell.amparo("evidence", "basis", "S-0001", "consent", code=4)["sentence"]
    assert "S-0001" in shell.amparo("status")["sources_without_basis"]
    shell.amparo("evidence", "basis", "s-1", "published source", "--reason", "made up, for a test")
    assert "S-0001" not in shell.amparo("status")["sources_without_basis"]
    assert shell.amparo("show", "S-0001")["entity"]["basis"] == "published source"


def test_why_there_is_no_text_is_told_truly(shell: Shell) -> None:
    """Not read yet, read without finding any, nothing that could read it, empty: four sentences."""
    assert "Nothing here reads" in said(shell, "evidence", "text", "D-0003")
    assert "empty" in said(shell, "evidence", "text", "D-0005")
    assert "No text was read from it yet" in said(shell, "evidence", "text", "D-0006")
    shell.amparo("evidence", "read", "D-0001")
    assert "--reader ocr" in said(shell, "evidence", "text", "D-0001")


def test_reading_all_again_makes_nothing_of_what_was_made(tmp_path: Path) -> None:
    """A second `read` of everything has nothing to do: a picture drawn from a picture is not drawn anew, run after run."""
    user = Shell(tmp_path / "user", tmp_path / "case")
    user.init()
    placed(tmp_path / "a.jpg", (200, 10, 10))
    user.amparo("evidence", "add", str(tmp_path / "a.jpg"))
    assert user.amparo("evidence", "read")["members"] == 1
    again = [user.amparo("evidence", "read", *words) for words in ([], ["--source", "S-0001"])]
    count = user.amparo("evidence", "list")["count"]
    user.lock()
    assert [one["items"] for one in again] == [0, 0] and count == 2


def test_a_search_for_no_word_is_refused(shell: Shell) -> None:
    """An empty search is a mistake of typing, not a search that found nothing."""
    assert shell.amparo("evidence", "search", " -- ", code=4)["error"] == "NothingToLookFor"


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="Tesseract is not installed")
def test_the_language_asked_for_reaches_the_recogniser(shell: Shell) -> None:
    """`read --reader ocr --language` is heard: a language that is not installed is told, those given are kept with the text."""
    told = shell.amparo("evidence", "read", "D-0002", "--reader", "ocr", "--language", "xyz")
    assert "xyz" in told["problems"][0]["problem"]
    told = shell.amparo("evidence", "read", "D-0002", "--reader", "ocr", "--language", "eng", "--again")
    assert told["problems"] == []
    facts = shell.amparo("evidence", "show", "D-0002")["facts"]
    assert any('"languages": "eng"' in one["data"] for one in facts if one["reader"].startswith("ocr"))


# -- custody ------------------------------------------------------------------------------------------------------------------


def test_the_custody_names_who_looked(shell: Shell) -> None:
    """--by, or AMPARO_BY once for the day, stands in the custody's column “who”."""
    shell.amparo("evidence", "show", "D-0005", "--by", "team-3")
    said(shell, "evidence", "text", "D-0005", AMPARO_BY="team-4")
    events = shell.amparo("evidence", "custody", "D-0005")["events"]
    assert [one["actor"] for one in events if one["action"] == "viewed"][-2:] == ["team-3", "team-4"]


# -- bad days -----------------------------------------------------------------------------------------------------------------


def test_an_add_that_failed_in_the_middle_says_where_it_goes_on(tmp_path: Path) -> None:
    """The disk refuses the second lot: the first is kept, its source is named, and with it the rest comes in once."""
    user = Shell(tmp_path / "user", tmp_path / "case")
    user.init()
    dump = tmp_path / "dump"
    dump.mkdir()
    for number in range(5_000):
        (dump / f"a{number:04}").write_bytes(b"\0made up %d" % number)
    (dump / "z.bin").write_bytes(os.urandom(80 << 20))
    limit = 60 << 20
    done = subprocess.run(
        [*RUN, "evidence", "add", str(dump), "--workspace", str(user.workspace)], env=user.environment, capture_output=True,
        text=True, check=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert done.returncode == 7 and "--source S-0001" in done.stderr, (done.returncode, done.stdout, done.stderr)
    again = user.amparo("evidence", "add", str(dump), "--source", "S-0001")
    user.lock()
    assert again["items"] == 1 and again["unchanged"] == 5_000


def test_damage_is_told_by_kind(tmp_path: Path) -> None:
    """Many damaged items are one line for each kind of damage, with its meaning; --json has each one's sentence."""
    user = Shell(tmp_path / "user", tmp_path / "case")
    user.init()
    dump = tmp_path / "dump"
    dump.mkdir()
    for number in range(60):
        (dump / f"{number:02}.bin").write_bytes(b"\0made up %d" % number)
    user.amparo("evidence", "add", str(dump))
    for pack in (user.workspace / "blobs" / "packs").iterdir():
        pack.unlink()
    told = said(user, "evidence", "verify", code=5)
    findings = user.amparo("evidence", "verify", code=5)["findings"]
    user.lock()
    assert "  missing (the sealed file is not there), 60: D-0001, " in told and len(told.splitlines()) < 8
    assert len(findings) == 60


def test_what_waits_for_an_authority_is_seen_and_told_once(shell: Shell, tmp_path: Path) -> None:
    """`authority` counts what waits; a failure that came twice is one line; a SOCKS proxy is refused in its own sentence."""
    named = ("evidence", "authority", "cal", "--calendar", "--url", "http://127.0.0.1:1/")
    shell.amparo(*named)
    shell.amparo("evidence", "timestamp", "D-0001")
    shell.amparo("evidence", "timestamp", "D-0002")
    assert [one["waiting"] for one in shell.amparo("evidence", "authority")["authorities"]] == [2]
    told = said(shell, "evidence", "timestamp", "--send", "--seconds", "5")
    assert told.count("Failed: ") == 1 and "× 2" in told
    refused = shell.amparo("evidence", "timestamp", "--send", "--proxy", "socks5://127.0.0.1:9050", code=2)
    assert refused["error"] == "BadProxy"
    shell.amparo("evidence", "authority", "cal", "--remove")


def test_a_bag_of_others_is_taken_in_with_both_handles(tmp_path: Path) -> None:
    """Handles of the sender are not those of the receiver: the answer sets them side by side."""
    giver, receiver = Shell(tmp_path / "a", tmp_path / "one"), Shell(tmp_path / "b", tmp_path / "two")
    for user in (giver, receiver):
        user.init()
    (tmp_path / "note.txt").write_bytes(b"A made-up note, words of nobody.\n")
    giver.amparo("evidence", "add", str(tmp_path / "note.txt"), "--basis", "published source")
    receiver.amparo("evidence", "add", str(tmp_path / "note.txt"))
    giver.amparo("evidence", "read")
    giver.amparo("evidence", "export", "--items", "D-0001", str(tmp_path / "bag.zip"))
    told = said(receiver, "evidence", "import", str(tmp_path / "bag.zip"))
    here = next(one["item"] for one in receiver.amparo("evidence", "list")["items"] if one["path"] == "data/items/D-0001.txt")
    for user in (giver, receiver):
        user.lock()
    assert here != "D-0001" and f"  {here} = D-0001\n" in told


def test_nothing_moved_to_a_cold_store_is_no_success(shell: Shell, tmp_path: Path) -> None:
    """`cold evict` before `cold push` says that the store has none of it, instead of zero files moved."""
    shell.amparo("evidence", "cold", "add", "drawer", str(tmp_path / "drawer"))
    assert "cold push" in said(shell, "evidence", "cold", "evict", "drawer", "D-0001")
    shell.amparo("evidence", "cold", "remove", "drawer")
