"""Export for a court: what others' programs say of it, what the gate lets out, and every way to forge it."""

import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from cli_kit import Shell
from corpora_kit import corpus
from court_kit import NOTE, PICTURE, SECRETS, VERIFIER, exported, filled, overridden, resealed, verdict, workspace, wrong
from test_evidence_time import Tsa

from amparo.app import care, evidence, evidence_time, opening, people
from amparo.app import evidence_court as court
from amparo.app.evidence_court import Asked
from amparo.app.evidence_exhibits import item_path
from amparo.app.naming import NameInWords
from amparo.app.release import Refused
from amparo.app.session import Session, stop_asked
from amparo.evidence import disclosure
from amparo.evidence.bag import Bag, FolderSink, TargetExists
from amparo.evidence.time.queue import RFC3161
from amparo.kernel import cbor
from amparo.protect.gate import Override
from amparo.record.items import Fact, Piece
from amparo.record.model import Identity, Name
from amparo.vault.disk import Disk, DiskFull
from amparo.vault.seal import SigningKey, cose_parts
from amparo.vault.slots import Cost

PEERS = os.environ.get("AMPARO_PEERS", "")
"""A folder with the programs of others (rocrate-validator, case_validate), beside those on the PATH."""


def peer(name: str) -> str:
    """Another project's program, or the test is skipped and says so."""
    found = shutil.which(
        name, path=os.pathsep.join(filter(None, (PEERS, str(Path(sys.executable).parent), os.environ["PATH"])))
    )
    if found is None:
        pytest.skip(f"{name} is not here: put it on the PATH or name its folder in AMPARO_PEERS")
    return found


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with workspace(tmp_path / "case") as opened:
        yield opened


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One export, made once; tests that change it copy it."""
    folder = tmp_path_factory.mktemp("made")
    with workspace(folder / "case") as opened:
        source = filled(opened, folder / "in")
        return exported(opened, source, folder / "bag")


@pytest.fixture
def bag(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "bag"))


# -- what is in it -------------------------------------------------------------------------------------------------------------


def test_the_export_holds_the_items_bit_for_bit_under_neutral_names(made: Path) -> None:
    """Each file is the one that was added, called by its handle; the name it came under stands nowhere in the export."""
    items = {path.name: path.read_bytes() for path in (made / "data" / "items").iterdir()}
    assert items == {"D-0001.jpg": PICTURE, "D-0002.txt": NOTE}
    for path in made.rglob("*"):
        assert not path.is_file() or b"a picture" not in path.read_bytes(), path


def test_with_names_they_and_their_signed_rows_leave(session: Session, tmp_path: Path) -> None:
    """Files keep their names behind the handle, and no row about the items stays sealed."""
    target = exported(session, filled(session, tmp_path / "in"), tmp_path / "bag", names=True)
    assert sorted(path.name for path in (target / "data" / "items").iterdir()) == ["D-0001 a picture.jpg", "D-0002 note.txt"]
    assert verdict(target)["parts_sealed"] == 0


def test_the_stand_alone_verifier_needs_nothing_but_python(made: Path, tmp_path: Path) -> None:
    """In folder and zip file, by the program in the bag too: all is verified, with OpenSSL's second opinion."""
    told = verdict(made, "--openssl")
    assert told["verified"] and told["program_in_bag_is_this"] and told["parts_sealed"] == 2 and told["rows_opened"] == 2
    assert verdict(made, program=made / "verify" / "amparo_verify_bag.py")["items"] == told["items"]
    assert [one[0] for one in told["items"]] == ["D-0001", "D-0002"]


def test_the_same_items_leave_as_one_zip_file(session: Session, tmp_path: Path) -> None:
    """A target called .zip is one file with one folder in it, and is verified as it is."""
    target = exported(session, filled(session, tmp_path / "in"), tmp_path / "case-12.zip")
    with zipfile.ZipFile(target) as archive:
        assert {name.partition("/")[0] for name in archive.namelist()} == {"case-12"}
        assert archive.testzip() is None
    assert verdict(target)["verified"]


def test_a_checkpoint_kept_elsewhere_and_the_workspaces_number_are_compared(session: Session, tmp_path: Path) -> None:
    """The number that was told by another way passes, any other is refused; heads of a checkpoint are compared."""
    target = exported(session, filled(session, tmp_path / "in"), tmp_path / "bag")
    (tmp_path / "checkpoint.txt").write_text(care.checkpoint(session).text())
    number = session.workspace.hex()
    told = verdict(target, "--workspace", number, "--checkpoint", str(tmp_path / "checkpoint.txt"))
    assert told["checkpoint_heads_compared"] == 1
    assert wrong(target, "--workspace", "00" * 16) == "AnotherWorkspace"


def test_export_is_an_access_and_a_custody_entry_of_each_item(session: Session, tmp_path: Path) -> None:
    """The custody of each item says when, by whom and for whom it left; the export itself holds that entry, signed."""
    source = filled(session, tmp_path / "in")
    target = exported(session, source, tmp_path / "bag", reason="made up", authority="order 12/3")
    for item in session.testimony.items(source):
        last = session.testimony.custody(item.handle)[-1]
        assert (last.action, last.actor, last.reason, last.authority) == ("exported", "V-901", "made up", "order 12/3")
        assert "a made-up court" in last.detail
    rows = list(csv.DictReader(io.StringIO((target / "data/custody/custody.csv").read_text())))
    assert [(row["item"], row["action"]) for row in rows] == [
        ("D-0001", "acquired"), ("D-0001", "exported"), ("D-0002", "acquired"), ("D-0002", "exported"),
    ]  # fmt: skip
    assert all(row["entry"].count(":") == 2 for row in rows)


def test_custody_of_several_devices_follows_from_one_root(session: Session, tmp_path: Path) -> None:
    """A restored copy is a second device: its export holds rows of both, each verified by its own certificate."""
    filled(session, tmp_path / "in", {"note.txt": NOTE})
    evidence.note(session, ["D-0001"], "viewed", reason="on the first device")
    opening.back_up(session, tmp_path / "copy")
    opening.restore(tmp_path / "copy", tmp_path / "second", *SECRETS, cost=Cost(64, 1, 1))
    rings = [
        opening.read_ring(tmp_path / "second", kind, one) for kind, one in zip(("everyday", "identities"), SECRETS, strict=True)
    ]
    with Session(tmp_path / "second", rings) as second:
        court.export(second, court.chosen(second, ["D-0001"]), Asked(), tmp_path / "bag")
    told = verdict(tmp_path / "bag", "--workspace", session.workspace.hex())
    assert told["rows_opened"] == 2 and told["device"] != session.ring.device.hex()
    rows = list(csv.DictReader(io.StringIO((tmp_path / "bag/data/custody/custody.csv").read_text())))
    assert [row["entry"].partition(":")[0] for row in rows] == ["1", "1", "2"]


def test_of_many_items_a_list_is_printed_and_all_else_is_as_with_few(session: Session, tmp_path: Path) -> None:
    """Over a hundred items: one list instead of a sheet each; custody, signatures and files are verified for all."""
    filled(session, tmp_path / "in", {f"{number:03}.txt": b"made up %d" % number for number in range(103)})
    court.export(session, court.chosen(session, [], "S-0001"), Asked(), tmp_path / "bag.zip")
    told = verdict(tmp_path / "bag.zip")
    assert len(told["items"]) == 103 and told["rows_opened"] == 103
    with (
        zipfile.ZipFile(tmp_path / "bag.zip") as archive,
        pikepdf.open(io.BytesIO(archive.read("bag/data/custody/custody-sheet.pdf"))) as sheet,
    ):
        assert len(sheet.pages) < 6


def test_a_part_that_tells_of_another_item_stays_sealed(session: Session, tmp_path: Path) -> None:
    """Of two items of a source one is exported: nothing of the other's rows is in the export, open or sealed."""
    source = filled(session, tmp_path / "in")
    evidence.note(session, ["D-0002"], "viewed", reason="a look at the other one")
    items = court.chosen(session, ["D-0002"])
    court.export(session, items, Asked(), tmp_path / "bag")
    evidence.note(session, ["D-0001"], "viewed", reason="never to leave")
    ledger = cbor.decode((tmp_path / "bag" / disclosure.LEDGER).read_bytes())
    assert source and len(ledger[4]) == 4  # acquisition, item, viewed, exported
    assert b"D-0001" not in (tmp_path / "bag" / "data/custody/custody.csv").read_bytes()


# -- what others' programs say -------------------------------------------------------------------------------------------------


def test_bagit_py_accepts_the_bag(made: Path) -> None:
    """The Library of Congress's validator finds it whole."""
    done = subprocess.run([sys.executable, "-m", "bagit", "--validate", str(made)], capture_output=True, text=True, check=False)
    if "No module named" in done.stderr:
        pytest.skip("the package bagit is not here")
    assert done.returncode == 0, done.stderr


def test_case_validate_accepts_the_graph(made: Path) -> None:
    """case-utils finds no violation and no warning, by the newest CASE ontology it has."""
    done = subprocess.run([peer("case_validate"), str(made / "data/case.jsonld")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


_OFFLINE = """
import io, sys, requests, rdflib._networking, rdflib.parser
from email.message import Message
from urllib.response import addinfourl
context = open(sys.argv.pop(1), 'rb').read()
def given(request):
    assert "ro/crate/1.1/context" in request.full_url, request.full_url
    head = Message(); head["Content-Type"] = "application/ld+json"
    return addinfourl(io.BytesIO(context), head, request.full_url, 200)
def get(self, method, url, *words, **more):
    answer = requests.Response()
    answer.status_code, answer.url, answer._content = (200 if "ro/crate/1.1/context" in url else 404), url, context
    answer.headers["Content-Type"] = "application/ld+json"
    return answer
rdflib._networking._urlopen = rdflib.parser._urlopen = given
requests.Session.request = get
requests.Session.get = lambda self, url, **more: get(self, "GET", url)
from rocrate_validator.cli import cli
cli()
"""


def test_rocrate_validator_accepts_the_crate(made: Path, tmp_path: Path) -> None:
    """It meets every requirement of RO-Crate 1.1. Off line, so the context (CC0) is given from a file."""
    python = Path(peer("rocrate-validator")).read_text("utf-8", "replace").splitlines()[0].removeprefix("#!")
    context = corpus("ro-crate") / "docs" / "_specification" / "1.1" / "context.jsonld"
    words = [
        "-y",
        "validate",
        "--no-paging",
        "-p",
        "ro-crate-1.1",
        "-l",
        "required",
        "-f",
        "json",
        "-o",
        str(tmp_path / "told.json"),
    ]
    done = subprocess.run(
        [python, "-c", _OFFLINE, str(context), *words, str(made / "data")], capture_output=True, text=True, check=False
    )
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["passed"] and done.returncode == 0, told["issues"]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="OpenSSL is not here")
def test_openssl_verifies_the_time_stamps_inside(session: Session, tmp_path: Path) -> None:
    """A stamp over the items is in the export with its certificates: by hand and by the verifier OpenSSL says that it holds;
    with another authority's roots it does not."""
    source = filled(session, tmp_path / "in")
    tsa = Tsa(tmp_path / "tsa", "made-up")
    evidence_time.set_authority(session, "one", RFC3161, "https://one.invalid/", tsa.pem)
    evidence_time.want(session)
    [asked] = evidence_time.write_requests(session, tmp_path / "asked")
    (tmp_path / "asked" / (asked.stem + ".tsr")).write_bytes(tsa.reply(asked.read_bytes()))
    evidence_time.read_replies(session, tmp_path / "asked")
    target = exported(session, source, tmp_path / "bag")
    told = verdict(target)
    assert len(told["stamps"]) == 2 and "existed before" in told["stamps"][0]
    [reply] = (target / "data/proofs/D-0001").glob("*.tsr")
    mark = reply.stem.rpartition("-")[2]
    command = ["openssl", "ts", "-verify", "-data", f"root-{mark}.bin", "-in", reply.name, "-CAfile", "one.pem"]
    assert "Verification: OK" in subprocess.run(command, cwd=reply.parent, capture_output=True, text=True, check=False).stdout
    other = Tsa(tmp_path / "tsa2", "other")
    (tmp_path / "other.pem").write_bytes(other.pem)
    assert wrong(target, "--tsa-roots", str(tmp_path / "other.pem")) == "StampWrong"
    root = target / f"data/proofs/D-0001/root-{mark}.bin"
    root.write_bytes(bytes(32))
    resealed(target)
    assert wrong(target) == "FileNotAsSigned"


# -- the gate ------------------------------------------------------------------------------------------------------------------


def test_the_gate_refuses_a_source_of_unknown_basis(session: Session, tmp_path: Path) -> None:
    """Without consent or a published basis nothing leaves, no entry is written, no file is left."""
    filled(session, tmp_path / "in", {"note.txt": NOTE}, basis="unknown")
    with pytest.raises(Refused, match="basis of a source is unknown"):
        court.export(session, court.chosen(session, ["D-0001"]), Asked(), tmp_path / "bag")
    assert [event.action for event in session.testimony.custody("D-0001")] == ["acquired"]
    assert not list(tmp_path.glob("*bag*"))


@pytest.mark.parametrize("where", ["file", "text", "metadata", "custody", "file name"])
def test_the_gate_finds_a_sealed_name_wherever_it_would_leave(session: Session, tmp_path: Path, where: str) -> None:
    """In a text file, in what a reader found in a picture, in its metadata, in a custody entry, in a file's own name."""
    people.add_person(session, Identity("", [Name("Зелимхан Варенчуков")]))  # made up
    words = "сказал Варенчукову"
    files = {"note.txt": words.encode() if where == "file" else NOTE}
    filled(session, tmp_path / "in", {"Варенчуков.txt": NOTE} if where == "file name" else files)
    if where == "text":
        evidence.put_rows(session, [Piece("D-0001", 1, "p. 1", words, "ru", "made-up/1")])
    if where == "metadata":
        evidence.put_rows(session, [Fact("D-0001", "metadata", "made-up/1", json.dumps({"Artist": "Varenchukov"}))])
    if where == "custody":
        evidence.note(session, ["D-0001"], "viewed", reason=words)
    asked = Asked(names=where == "file name")
    with pytest.raises(Refused) as refused:
        court.export(session, court.chosen(session, ["D-0001"]), asked, tmp_path / "bag")
    told = refused.value.facts["gate"]["items"]  # type: ignore[index]
    assert {one["subject"] for one in told if one["status"] == "blocks"} == {"P-0001"}
    assert "аренчуков" not in str(refused.value) and not (tmp_path / "bag").exists()


def test_a_sealed_name_in_the_users_own_words_is_refused_before_anything(session: Session, tmp_path: Path) -> None:
    """Recipient, reason and the name of the target are looked at first."""
    people.add_person(session, Identity("", [Name("Зелимхан Варенчуков")]))  # made up
    filled(session, tmp_path / "in")
    with pytest.raises(NameInWords):
        court.export(session, court.chosen(session, ["D-0002"]), Asked(reason="о Варенчукове"), tmp_path / "bag")


def test_pictures_block_until_somebody_says_why_and_only_those_that_were_looked_at(session: Session, tmp_path: Path) -> None:
    """The override of a finding about one picture does not let another one out; it is logged with its reason."""
    filled(session, tmp_path / "in", {"a.jpg": PICTURE, "b.jpg": PICTURE + b"2"})
    first = overridden(session, court.chosen(session, ["D-0001"]), tmp_path / "bag")
    court.export(session, court.chosen(session, ["D-0001"]), Asked(overrides=first), tmp_path / "bag")
    with pytest.raises(Refused):
        court.export(session, court.chosen(session, ["D-0001", "D-0002"]), Asked(overrides=first), tmp_path / "bag2")
    overrides = [row for row in _access(session) if row[1] == f"override {first[0].finding}"]
    assert [row[3] for row in overrides] == ["made up, looked through"]


def _access(session: Session) -> list[Any]:
    """The rows about access and export, from the ledger itself."""
    key = session.key("record")
    return [
        row for one in session.ledger.replay({(key.compartment, key.epoch): key}) if one.type == "access@1" for row in one.rows
    ]


def test_a_withdrawn_consent_cannot_be_overridden(session: Session, tmp_path: Path) -> None:
    """With the consent of the person it tells of, the source leaves; once it is withdrawn no override lets it out."""
    person = people.add_person(session, Identity("", [Name("Зелимхан Варенчуков")]))  # made up
    form = {"consent": {"purposes": ["prosecution"], "audiences": ["court"]}, "claims": ["made up"], "language": "en"}
    recording = tmp_path / "recording.txt"
    recording.write_bytes(NOTE)
    told = people.record_interview(session, people.interview_from(person, form, recording))
    items = court.chosen(session, [], told["source"])
    try:
        court.export(session, items, Asked(), tmp_path / "bag")
    except Refused as refused:
        pytest.fail(str(refused))
    people.give_consent(session, person, told["source"], {"withdrawn": True})
    with pytest.raises(Refused) as again:
        court.export(session, items, Asked(), tmp_path / "bag2")
    [finding] = [one for one in again.value.facts["gate"]["items"] if one["status"] == "blocks"]  # type: ignore[index]
    with pytest.raises(Refused):
        court.export(session, items, Asked(overrides=(Override(finding["id"], "please"),)), tmp_path / "bag2")


# -- nothing half-done ---------------------------------------------------------------------------------------------------------


def test_a_stopped_export_leaves_nothing_and_says_nothing_of_an_export(session: Session, tmp_path: Path) -> None:
    """Stopped between two items: no file, no temporary file, no entry; run again it is whole."""
    source = filled(session, tmp_path / "in")
    items = court.chosen(session, [], source)
    asked = Asked(overrides=overridden(session, items, tmp_path / "bag"))

    def stop(*_args: int) -> None:
        stop_asked.set()

    for name in ("bag", "bag.zip"):
        with pytest.raises(KeyboardInterrupt):
            court.export(session, items, asked, tmp_path / name, progress=stop)
        stop_asked.clear()
        assert not [path for path in tmp_path.iterdir() if "bag" in path.name]
    assert [event.action for event in session.testimony.custody("D-0001")] == ["acquired"]
    court.export(session, items, asked, tmp_path / "bag")
    assert verdict(tmp_path / "bag")["verified"]


class _Full(Disk):
    """A disk that is full when the bag's own files come."""

    def writer(self, path: Path) -> Any:
        if path.name == "bagit.txt":
            raise DiskFull(name=path.name)
        return super().writer(path)


def test_a_full_disk_at_the_end_is_told_in_the_custody(session: Session, tmp_path: Path) -> None:
    """After the entries nothing can be taken back: the custody says that the export came to nothing, and no file is left."""
    filled(session, tmp_path / "in", {"note.txt": NOTE})
    session.disk = _Full()
    with pytest.raises(DiskFull):
        court.export(session, court.chosen(session, ["D-0001"]), Asked(), tmp_path / "bag")
    assert not [path for path in tmp_path.iterdir() if "bag" in path.name]
    assert "came to nothing" in session.testimony.custody("D-0001")[-1].reason


def test_a_target_that_is_there_is_never_written_over(session: Session, tmp_path: Path) -> None:
    """Neither a file nor a folder nor a link of that name."""
    filled(session, tmp_path / "in", {"note.txt": NOTE})
    (tmp_path / "bag").mkdir()
    with pytest.raises(TargetExists):
        court.export(session, court.chosen(session, ["D-0001"]), Asked(), tmp_path / "bag")


def test_a_damaged_item_does_not_leave(session: Session, tmp_path: Path) -> None:
    """A sealed file that was changed on the disk ends the export, and nothing is left of it."""
    filled(session, tmp_path / "in", {"film.mp4": os.urandom(2 << 20)})
    items = court.chosen(session, ["D-0001"])
    asked = Asked(overrides=overridden(session, items, tmp_path / "bag"))
    [blob] = (session.folder / "blobs").glob("objects/??/*")
    data = bytearray(blob.read_bytes())
    data[1000] ^= 1
    blob.chmod(0o600)
    blob.write_bytes(data)
    with pytest.raises(Exception, match="sealed file"):
        court.export(session, items, asked, tmp_path / "bag")
    assert not [path for path in tmp_path.iterdir() if "bag" in path.name]


# -- attacks on what has left --------------------------------------------------------------------------------------------------


def test_attack_a_swapped_item_is_found_though_all_manifests_were_made_anew(bag: Path) -> None:
    """Another file in an item's place, every hash list recomputed: the signed list does not know it."""
    (bag / "data/items/D-0001.jpg").write_bytes(b"another picture")
    assert wrong(bag) == "FileAltered"
    resealed(bag)
    assert wrong(bag) == "FileNotAsSigned"


def test_attack_an_edited_custody_table_is_found(bag: Path) -> None:
    """A word changed in the table, hash lists recomputed."""
    table = bag / "data/custody/custody.csv"
    table.write_text(table.read_text().replace("copied over USB", "bought on a market"))
    resealed(bag)
    assert wrong(bag) == "FileNotAsSigned"


def test_attack_a_removed_custody_event_is_found(bag: Path) -> None:
    """One signed part taken out of ledger.cbor: the statement names it."""
    path = bag / disclosure.LEDGER
    fields = cbor.decode(path.read_bytes())
    fields[4].pop()
    path.write_bytes(cbor.encode(fields))
    resealed(bag)
    assert wrong(bag) == "CustodyIncomplete"


def test_attack_an_owner_whose_table_differs_from_the_signed_rows_is_found(session: Session, tmp_path: Path) -> None:
    """Even who holds the signing key cannot sign a table that says other than the rows: they are compared line by line."""
    bag = exported(session, filled(session, tmp_path / "in"), tmp_path / "bag")
    table = bag / "data/custody/custody.csv"
    table.write_text(table.read_text().replace("V-901", "V-999"))
    signing = session.ring.signing
    assert signing is not None
    _sign_again(bag, session.workspace, session.ring.device, signing)
    assert wrong(bag) == "TableWrong"


def test_attack_an_owner_cannot_add_an_event_that_no_row_was_signed_for(session: Session, tmp_path: Path) -> None:
    """A line that rests on an entry that is not here, and a second line for one that is, are refused whoever signed."""
    bag = exported(session, filled(session, tmp_path / "in"), tmp_path / "bag")
    signing, table = session.ring.signing, bag / "data/custody/custody.csv"
    assert signing is not None
    whole = table.read_text()
    last = whole.splitlines()[-1]
    for line in (last.rpartition(",")[0] + ",1:99:0", last.replace("exported", "viewed")):
        table.write_text(whole + line + "\n")
        _sign_again(bag, session.workspace, session.ring.device, signing)
        assert wrong(bag) == "TableWrong"


def _sign_again(bag: Path, workspace: bytes, device: bytes, key: SigningKey) -> None:
    """Make statement and manifests anew over the files as they are."""
    old = cbor.decode(cose_parts((bag / disclosure.STATEMENT).read_bytes())[0])
    files = {
        path.relative_to(bag).as_posix(): (hashlib.sha256(path.read_bytes()).digest(), path.stat().st_size)
        for path in bag.rglob("*")
        if path.is_file() and disclosure.signed_for(path.relative_to(bag).as_posix())
    }
    places = tuple(disclosure.Place(*one) for one in old[8])
    items = tuple((one[0], one[1], files[f"data/{one[1]}"][0], files[f"data/{one[1]}"][1]) for one in old[9])
    told = disclosure.Statement(workspace, device, old[3], old[4], old[5], old[6], (), places, items, files)
    (bag / disclosure.STATEMENT).write_bytes(told.signed(key))
    resealed(bag)


def test_attack_a_statement_signed_by_a_stranger_is_refused(bag: Path) -> None:
    """The whole signed anew with a fresh key, in the name of the device or of another one: no certificate, no belief."""
    (bag / "data/items/D-0001.jpg").write_bytes(b"another picture")
    fields = cbor.decode(cose_parts((bag / disclosure.STATEMENT).read_bytes())[0])
    stranger = SigningKey.from_seed(bytes(range(32)))
    copy = Path(shutil.copytree(bag, bag.with_name("second")))
    _sign_again(bag, fields[1], fields[2], stranger)
    assert wrong(bag) == "BadSignature"
    _sign_again(copy, fields[1], b"\1" * 16, stranger)
    assert wrong(copy) == "ForeignStatement"


def test_attack_an_item_swapped_by_the_owner_is_found_where_its_row_is_open(session: Session, tmp_path: Path) -> None:
    """With names the signed row of the item is open: another file under its handle does not match, whoever signed."""
    bag = exported(session, filled(session, tmp_path / "in"), tmp_path / "bag", names=True)
    (bag / "data/items/D-0001 a picture.jpg").write_bytes(b"another picture")
    signing = session.ring.signing
    assert signing is not None
    _sign_again(bag, session.workspace, session.ring.device, signing)
    assert wrong(bag) == "ItemSwapped"


def test_attack_custody_of_another_workspace_is_refused(bag: Path, session: Session, tmp_path: Path) -> None:
    """The ledger file of one workspace beside the statement of another."""
    other = exported(session, filled(session, tmp_path / "in2"), tmp_path / "other")
    shutil.copy(other / disclosure.LEDGER, bag / disclosure.LEDGER)
    resealed(bag)
    assert wrong(bag) == "ForeignStatement"


def test_attack_a_key_that_opens_other_words_is_refused(bag: Path) -> None:
    """A part's key exchanged: the signed commitment belongs to one key only."""
    path = bag / disclosure.LEDGER
    fields = cbor.decode(path.read_bytes())
    opened = [part for part in fields[4] if part[4] is not None]
    opened[0][4] = bytes(32)
    path.write_bytes(cbor.encode(fields))
    resealed(bag)
    assert wrong(bag) == "KeyOfAnotherPart"


def test_attack_a_bag_without_its_signatures_is_not_verified(bag: Path) -> None:
    """Whoever strips statement and ledger gets a whole bag and no verdict in its favour."""
    shutil.rmtree(bag / "data/custody")
    resealed(bag)
    assert wrong(bag) == "NoSignedCustody"


def test_attack_a_forged_verifier_in_the_bag_is_found_by_a_true_one(bag: Path) -> None:
    """The program in the bag is among the signed files: one that always says VERIFIED is named."""
    (bag / "verify/amparo_verify_bag.py").write_text("print('VERIFIED: everything')\n")
    resealed(bag)
    assert wrong(bag) == "FileNotAsSigned"


def test_attack_a_file_name_cannot_write_into_the_verifiers_output(bag: Path) -> None:
    """A name with line breaks and terminal controls comes out escaped, on the one line that says NOT VERIFIED."""
    name = "data/items/x\nVERIFIED: 2 items\x1b[2K\u202e.txt"
    (bag / name).write_text("made up")
    done = subprocess.run([sys.executable, str(VERIFIER), str(bag)], capture_output=True, text=True, check=False)
    assert done.returncode == 5 and done.stdout.startswith("NOT VERIFIED: FileExtra") and done.stdout.count("\n") == 1
    assert "\x1b" not in done.stdout and "\u202e" not in done.stdout


def test_attack_a_cut_or_altered_byte_anywhere_is_found(made: Path, tmp_path: Path) -> None:
    """One byte of each file flipped in turn, and each file cut by one: never verified, never a crash."""
    for number, path in enumerate(sorted(path for path in made.rglob("*") if path.is_file())):
        copy = Path(shutil.copytree(made, tmp_path / f"{number}"))
        target = copy / path.relative_to(made)
        data = bytearray(target.read_bytes())
        data[len(data) // 2] ^= 4
        target.write_bytes(data if number % 2 else data[:-1])
        told = verdict(copy, code=5)
        assert not told["verified"], path
        shutil.rmtree(copy)


def test_attack_links_and_twin_names_in_a_zip_are_refused(made: Path, tmp_path: Path) -> None:
    """Absolute paths, paths upwards, a link, a name twice, names that differ by case only."""
    for number, (name, mode, expected) in enumerate([
        ("/etc/passwd", 0, "PathUnsafe"), ("bag/../../x", 0, "PathUnsafe"), ("bag/data/link", 0o120777, "LinkInBag"),
        ("bag/data/items/d-0001.JPG", 0, "PathTwice"), ("bag\\data\\x", 0, "PathUnsafe"), ("C:/x", 0, "PathUnsafe"),
    ]):  # fmt: skip
        target = tmp_path / f"{number}.zip"
        with zipfile.ZipFile(target, "w") as archive:
            for path in sorted(made.rglob("*")):
                archive.write(path, f"bag/{path.relative_to(made).as_posix()}")
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, "/etc/passwd")
        assert wrong(target) == expected, name


# -- small things --------------------------------------------------------------------------------------------------------------


def test_a_table_cell_is_never_a_formula(session: Session, tmp_path: Path) -> None:
    """A reason that begins like a formula is written with an apostrophe before it, and is verified all the same."""
    filled(session, tmp_path / "in", {"note.txt": NOTE})
    evidence.note(session, ["D-0001"], "viewed", reason='=HYPERLINK("http://x.invalid")', actor="@V-900")
    court.export(session, court.chosen(session, ["D-0001"]), Asked(), tmp_path / "bag")
    rows = list(csv.reader(io.StringIO((tmp_path / "bag/data/custody/custody.csv").read_text())))
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)
    assert verdict(tmp_path / "bag")["rows_opened"] == 2


@pytest.mark.parametrize("name", ["con.txt", "a/b\\c:d*?.jpg", "\u202egpj.exe", "x" * 400 + ".jpg", "", "نص.txt", "100%.txt"])
def test_every_name_a_file_came_under_makes_a_path_that_any_disk_takes(session: Session, tmp_path: Path, name: str) -> None:
    """With names: no path outside, no control or bidirectional sign, no sign that Windows refuses, at most 255 bytes a step."""
    filled(session, tmp_path / "in", {"note.txt": NOTE})
    item = evidence.get(session, "D-0001")
    item.name = name
    path = item_path(item, names=True)
    Bag(FolderSink(tmp_path / "out", Disk())).whole(f"data/{path}", b"")
    step = path.removeprefix("items/")
    assert "/" not in step and step.isprintable() and len(step.encode()) <= 255 and not set('\\:*?"<>|%') & set(step)


def test_the_page_has_no_script_and_loads_nothing(made: Path) -> None:
    """The index is one file with its own policy; every link in it leads to a file of the export."""
    page = (made / "data/ro-crate-preview.html").read_text()
    assert "<script" not in page and "default-src 'none'" in page and "http://" not in page and "https://" not in page
    for link in page.split('href="')[1:]:
        target = link.partition('"')[0]
        assert target.startswith("#") or (made / "data" / target).is_file(), target


def test_the_command_line_exports_imports_and_hands_over(tmp_path: Path) -> None:
    """Two users: one exports and hands over, the other imports, accepts and sends the receipt back; the gate's refusal is 6."""
    giver, receiver = Shell(tmp_path / "a", tmp_path / "one"), Shell(tmp_path / "b", tmp_path / "two")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "note.txt").write_bytes(NOTE)
    for shell in (giver, receiver):
        shell.init()
    giver.amparo("evidence", "add", str(tmp_path / "in"))
    bag, paper, receipt = tmp_path / "bag.zip", tmp_path / "handover.cbor", tmp_path / "receipt.cbor"
    refused = giver.amparo("evidence", "export", "--to", "court", "--items", "D-0001", str(bag), code=6)
    [finding] = [one["id"] for one in refused["gate"]["items"] if one["status"] == "blocks"]
    leave = ("--override", f"{finding}=made up")
    told = giver.amparo("evidence", "export", "--to", "court", "--items", "D-0001", str(bag), *leave)
    assert told["items"] == ["D-0001"] and verdict(bag)["workspace"] == told["workspace"]
    assert giver.amparo("evidence", "export", "--source", "S-0001", str(bag), *leave, code=4)["error"] == "TargetExists"
    giver.amparo("evidence", "hand-over", "D-0001", "--to", "a made-up court", "--out", str(paper), *leave)
    came = receiver.amparo("evidence", "import", str(bag), "--basis", "published source")
    assert came["verified_workspace"] == told["workspace"] and came["rows_verified"] >= 2
    assert receiver.amparo("evidence", "receive", str(paper))["missing"] == []
    receiver.amparo("evidence", "receive", str(paper), "--by", "V-950", "--out", str(receipt))
    assert giver.amparo("evidence", "hand-over", "--receipt", str(receipt))["by"] == "V-950"
    assert giver.amparo("evidence", "hand-over", "--receipt", str(receipt), code=5)["error"] == "ReceiptReplayed"
    sheet = tmp_path / "sheet.pdf"
    assert giver.amparo("evidence", "sheet", "--items", "D-0001", str(sheet), *leave)["bytes"] == sheet.stat().st_size
    assert giver.amparo("evidence", "import", str(sheet), code=4)["error"] == "NotABag"
