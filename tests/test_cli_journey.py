"""The documenter's day and the bad day, through the real command line in real processes."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_kit import EVERYDAY, IDENTITIES, Shell

MADE_UP = "Zarvan Tulmetov"  # invented; no such family name is known
INTERVIEW = """
rights_explained: read aloud in Russian, understood
date: 2026-10-03
interviewer: D-07
language: ru
interpreter: none
place: a town abroad
claims:
  - text: They came at night and took me to a building with bars.
    valid: 2026-02
  - text: I was held for nine days.
consent:
  purposes: record; prosecution
  audiences: team; court
  until: 2031
  how: recorded
"""


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    home = tmp_path_factory.mktemp("user")
    shell = Shell(home, home / "home" / "case")
    shell.init()
    return shell


def test_a_day_of_a_documenter(shell: Shell) -> None:
    """Register, interview, consent, correct, show, trace, status: each verb does what it says and speaks JSON."""
    person = shell.amparo(
        "person", "add", "--form", "-", stdin=f"names: [{MADE_UP}]\ncontacts: {{telephone: '+7 900 000 00 11'}}\n"
    )
    assert person["handle"] == "P-0001"
    made = shell.amparo("interview", "P-0001", "--form", "-", stdin=INTERVIEW)
    assert len(made["claims"]) == 2
    shown = shell.amparo("show", "P-0001")
    assert MADE_UP not in json.dumps(shown, ensure_ascii=False)
    assert {claim["text"] for claim in shown["claims"]} >= {"I was held for nine days."}
    new = shell.amparo(
        "correct", made["claims"][1], "--set", "text=I was held for ten days.", "--reason", "corrected by the speaker"
    )
    traced = shell.amparo("trace", new["handle"])
    (item,) = traced["claims"]
    assert item["entry"]["signature_valid"] is True
    assert item["passage"]["source"] == made["source"]
    old = shell.amparo("show", made["claims"][1])
    assert old["claim"]["status"] == "superseded"
    shell.amparo("consent", "P-0001", made["source"], "--withdraw", "--how", "by message")
    assert shell.amparo("status")["counts"]["person"] == 1
    assert shell.amparo("search", "bars")["hits"]
    assert shell.amparo("verify", "--identities")["warnings"] == []


def test_a_person_known_in_another_script_is_found_before_registering(shell: Shell) -> None:
    """The same made-up name in Cyrillic is recognised; --anyway registers a namesake."""
    refused = shell.amparo("person", "add", "--name", "Тулметов Зарван", code=4)
    assert refused["error"] == "PersonKnown"
    assert "P-0001" in refused["handles"]
    assert MADE_UP not in json.dumps(refused)


def test_a_sealed_name_in_the_words_of_an_interview_is_refused(shell: Shell) -> None:
    """A name said in a claim does not reach the record; the refusal names the handle only."""
    form = "claims:\n  - text: Then I saw Tulmetov in the yard.\n"
    refused = shell.amparo("interview", "P-0001", "--form", "-", stdin=form, code=4)
    assert refused["error"] == "NamesInText"
    assert "ulmetov" not in json.dumps(refused)


def test_sealed_fields_are_shown_for_a_reason_only(shell: Shell) -> None:
    """Without a reason nothing is shown; with one, the name is, and the ledger grows by an entry."""
    shell.amparo("show", "P-0001", "--sealed", code=2)
    before = shell.amparo("verify", "--quick")["entries"]
    shown = shell.amparo("show", "P-0001", "--sealed", "--reason", "call back")
    assert shown["sealed"]["names"][0]["text"] == MADE_UP
    assert shell.amparo("verify", "--quick")["entries"] == before + 1


def test_a_checkpoint_kept_elsewhere_shows_a_rolled_back_copy(shell: Shell, tmp_path: Path) -> None:
    """The workspace put back to an older state is found by the checkpoint."""
    log = next(path for path in (shell.workspace / "ledger").iterdir() if path.is_dir())
    older = {path.name: path.read_bytes() for path in log.iterdir()}
    shell.amparo("show", "P-0001", "--sealed", "--reason", "to add an entry")
    seen = shell.amparo("checkpoint")["checkpoint"]
    newer = {path.name: path.read_bytes() for path in log.iterdir()}
    for name, data in older.items():
        (log / name).write_bytes(data)
    refused = shell.amparo("verify", "--checkpoint", "-", stdin=seen, code=5)
    assert refused["error"] in ("RolledBack", "LogShort")
    for name, data in newer.items():
        (log / name).write_bytes(data)
    assert shell.amparo("verify", "--checkpoint", "-", stdin=seen)["checkpoint"]


def test_rebuild_gives_the_same_answers(shell: Shell) -> None:
    """After the views were thrown away every query says what it said before."""
    queries = (["status"], ["search", "held"], ["show", "P-0001"], ["trace", "C-0001"])
    before = [shell.amparo(*query) for query in queries]
    shell.amparo("rebuild", "--identities")
    assert [shell.amparo(*query) for query in queries] == before


def test_backup_restore_is_a_new_device_and_never_a_fork(shell: Shell, tmp_path: Path) -> None:
    """A restored copy writes a log of its own; both go on without contradiction."""
    target = tmp_path / "stick"
    first = shell.amparo("backup", str(target))
    assert first["files"] > 3
    assert shell.amparo("backup", str(target))["bytes"] == 0
    elsewhere = Shell(tmp_path / "other", tmp_path / "other" / "case")
    made = elsewhere.amparo("restore", str(target), str(elsewhere.workspace), secrets=[EVERYDAY, IDENTITIES])
    assert made["device"] == 2
    elsewhere.amparo("unlock", "--identities", secrets=[EVERYDAY, IDENTITIES])
    assert elsewhere.amparo("person", "add", "--unnamed")["handle"] == "P-2-0001"
    assert elsewhere.amparo("verify", "--identities")["devices"] == 2
    assert elsewhere.amparo("show", "P-0001", "--sealed", "--reason", "check")["sealed"]["names"][0]["text"] == MADE_UP
    elsewhere.lock()


def test_erasing_a_person_leaves_no_word(shell: Shell) -> None:
    """Identity, words and claims are gone from every view; the ledger still verifies; the handle is not given again."""
    form = "claims:\n  - text: A quite singular zebrine sentence.\n    valid: 2026-01\n"
    person = shell.amparo("person", "add", "--name", "Quellian Ostravik")["handle"]
    shell.amparo("interview", person, "--form", "-", stdin=form)
    assert shell.amparo("search", "zebrine")["hits"]
    assert shell.amparo("erase", person, "--authority", "case lead", "--yes")["parts"] >= 3
    assert not shell.amparo("search", "zebrine")["hits"]
    shell.amparo("show", person, code=9)
    done = shell.amparo("verify", "--identities")
    assert done["erased"] >= 3
    assert shell.amparo("person", "add", "--unnamed")["handle"] != person


def test_lock_forgets_and_a_wrong_passphrase_opens_nothing(shell: Shell) -> None:
    """After lock every verb asks again; a wrong passphrase is one sentence and exit code 3."""
    shell.lock()
    assert shell.amparo("status", code=3)["error"] in ("NoPassphrase", "WorkspaceLocked")
    assert shell.amparo("unlock", secrets=["not the passphrase"], code=3)["error"] == "WrongPassphrase"
    shell.amparo("unlock", secrets=[EVERYDAY])
    assert shell.amparo("person", "add", "--unnamed", code=3)["error"] in ("NoPassphrase", "WorkspaceLocked")
    assert shell.amparo("status")["counts"]


def test_panic_destroys_the_keys_and_the_sheet_recovers(tmp_path: Path) -> None:
    """Panic leaves no passphrase that opens; the printed sheet does; --no-recovery leaves nothing."""
    shell = Shell(tmp_path, tmp_path / "home" / "case")
    sheet = shell.init()
    started = time.monotonic()
    shell.amparo("panic", "--yes")
    assert time.monotonic() - started < 30
    assert shell.amparo("unlock", secrets=[EVERYDAY], code=3)["error"] == "NoSlot"
    code = tmp_path / "sheet.txt"
    code.write_text("\n".join(line.split(".", 1)[1] for line in sheet.splitlines() if line.startswith("    ")))
    shell.amparo("recover", "--sheet", str(code), secrets=["a new passphrase 1", "a new passphrase 2"])
    shell.amparo("unlock", secrets=["a new passphrase 1"])
    assert shell.amparo("status")
    shell.amparo("panic", "--no-recovery", "--yes")
    assert shell.amparo("recover", "--sheet", str(code), secrets=["a new passphrase 1", "a new passphrase 2"], code=3)
    assert not list((shell.workspace / "slots").iterdir())


def test_a_key_file_opens_no_workspace_that_is_not_a_demo(shell: Shell) -> None:
    """Only the signed genesis makes a demonstration; a key file put beside another workspace is refused."""
    shell.lock()
    key = shell.workspace / "demo.key"
    key.write_text(json.dumps({"demo": True, "passphrases": [EVERYDAY, IDENTITIES]}))
    assert shell.amparo("status", code=4)["error"] == "NotADemo"
    key.unlink()


def test_every_verb_has_help_with_an_example() -> None:
    """--help of each verb shows how it is used."""
    from amparo.cli.evidence import SUBVERBS
    from amparo.cli.evidence_cold import cold
    from amparo.cli.main import VERBS
    from amparo.cli.same import same
    from amparo.cli.watchlist import watchlist

    groups = {"same": same, "watchlist": watchlist}
    names = [[name] for name in VERBS if name not in ("person", "evidence", *groups)] + [["person", "add"]]
    names += [[group, name] for group, verbs in groups.items() for name in verbs.commands]
    names += [["evidence", name] for name in SUBVERBS if name != "cold"]
    for words in names + [["evidence", "cold", name] for name in cold.commands]:
        done = subprocess.run(
            [sys.executable, "-c", "from amparo.cli.common import main; main()", *words, "--help"],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert "Example: amparo" in done.stdout, words
        assert "--json" in done.stdout, words


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path / "user", tmp_path / "user" / "home" / "case")
    shell.init()
    yield shell
    shell.lock()


def test_no_sealed_name_enters_a_field_that_lies_outside_the_identities(fresh: Shell) -> None:
    """Conditions of an interview, and who ordered an erasure, which is readable without a key."""
    fresh.amparo("person", "add", "--name", "Зарван Тулметов")
    for form in ("interviewer: Zarvan Tulmetov", "persons_present: при Зарване Тулметове", "place: at Tulmetov's"):
        refused = fresh.amparo("interview", "P-0001", "--form", "-", stdin=f"{form}\nclaims: [a]\n", code=4)
        assert refused["field"] == form.partition(":")[0].replace("_", " ")
        assert "Tulmetov" not in str(refused)
    fresh.amparo("erase", "P-0001", "--authority", "Зарван Тулметов", "--yes", code=4)


def test_corrected_words_are_no_longer_verbatim_and_nothing_is_emptied(fresh: Shell) -> None:
    """A dossier quotes what was said; what a documenter wrote instead is not it."""
    fresh.amparo("person", "add", "--name", "Зарван Тулметов")
    form = "claims: [They came at night., He went home.]"
    first, second = fresh.amparo("interview", "P-0001", "--form", "-", stdin=form)["claims"]
    fresh.amparo("correct", first, "--set", "text=", "--reason", "x", code=4)
    fresh.amparo("correct", first, "--set", "text=ok", "--reason", " ", code=4)
    fresh.amparo("link", first, "contradicts", first, "--reason", "x", code=4)
    fresh.amparo("link", first, "contradicts", second, "--reason", "", code=4)
    dated = fresh.amparo("correct", first, "--set", "valid=2017", "--reason", "date")["handle"]
    assert fresh.amparo("show", dated)["claim"]["verbatim"] is True
    reworded = fresh.amparo("correct", dated, "--set", "text=They came by night.", "--reason", "a slip")["handle"]
    assert not fresh.amparo("show", reworded)["claim"].get("verbatim")


def test_tables_may_name_what_was_recorded_by_hand(fresh: Shell, tmp_path: Path) -> None:
    """import.md: keys, or handles such as A-0012; also Russian letters that look like the Latin ones."""
    fresh.amparo("person", "add", "--name", "Зарван Тулметов")
    made = fresh.amparo("interview", "P-0001", "--form", "-", stdin="claims: [They came at night.]")
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "t.csv").write_text(f"k,s,c\n1,{made['source']},{made['claims'][0]}\n", encoding="utf-8")
    (tables / "mapping.yaml").write_text(
        """version: 1
dataset: d
files:
  - file: t.csv
    claims:
      - {key: "{k}", subject: P-0001, property: statement, value: again, text: again, source: "{s}", person: P-0001}
    links:
      - {key: "l{k}", kind: supports, of: "{k}", to: "{c}", reason: same}
""",
        encoding="utf-8",
    )
    fresh.amparo("import", str(tables))
    assert any(claim["text"] == "again" for claim in fresh.amparo("show", "\u0420-0001")["claims"])
