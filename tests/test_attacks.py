"""Attacks on a whole workspace, each by its name: tried with the folder, a member's keys or a table; and what stands.

Every person here is made up. The forger without keys writes into the folder; the officer has the everyday passphrase and
not the one of the identities; the member has a certified device of their own.
"""

import importlib.util
import json
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cli_kit import Shell
from ledger_kit import NOW, Kit

from amparo.app import care, correcting, importing, opening, people, reading, release
from amparo.app.importing import RowsRefused
from amparo.app.naming import NameInWords
from amparo.app.release import Asked, Refused
from amparo.app.session import Session, now_ms
from amparo.kernel import cbor
from amparo.kernel.errors import AmparoError, BadInput, Unverified
from amparo.kernel.text import printable_json
from amparo.ledger import checkpoint
from amparo.ledger.entry import GENESIS_PREV, decode, frame, sign
from amparo.ledger.ledger import BodyMissing, NoSuchPart, Origin
from amparo.ledger.log import DeviceLog
from amparo.ledger.verify import RolledBack, WitnessedMissing
from amparo.protect.extract import decoded
from amparo.protect.names import SealedNames
from amparo.record import ground
from amparo.record.model import Assessment, Identity, Link, Name
from amparo.vault import keyring
from amparo.vault.disk import Disk, DiskFailed
from amparo.vault.seal import WRAP_SIZE, BadSignature, CompartmentKey
from amparo.vault.slots import Cost, Passphrase

_SPEC = importlib.util.spec_from_file_location("amparo_verify", Path(__file__).parent.parent / "verifier" / "amparo_verify.py")
assert _SPEC is not None
assert _SPEC.loader is not None
amparo_verify = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(amparo_verify)

PASSPHRASES = {"everyday": "a made-up passphrase", "identities": "another made-up one"}
NAME = "Zarvan Tulmetov"
CONSENT = {"purposes": ["prosecution"], "audiences": ["court"]}
ASKED = Asked("prosecution", "court", form="json")


def found(folder: Path) -> Path:
    opening.create(folder, *(Passphrase(text) for text in PASSPHRASES.values()), cost=Cost(64, 1, 1))
    return folder


def enter(folder: Path, *names: str) -> Session:
    return Session(folder, [opening.read_ring(folder, name, Passphrase(PASSPHRASES[name])) for name in names or PASSPHRASES])


def talk(session: Session, person: str, text: str = "They came at night.", **more: object) -> str:
    said = people.Interview(person, [{"text": text}], consent=dict(CONSENT), **more)  # type: ignore[arg-type]
    claims: list[str] = people.record_interview(session, said)["claims"]
    return claims[0]


def dossier(session: Session, target: Path) -> str:
    release.dossier(session, ASKED, target)
    return target.read_text("utf-8")


def log_of(folder: Path) -> DeviceLog:
    place = next(path for path in (folder / "ledger").iterdir() if path.is_dir())
    return DeviceLog(place, bytes.fromhex(place.name), Disk())


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A workspace with one sealed person."""
    with enter(found(tmp_path / "case")) as session:
        people.add_person(session, Identity("", [Name(NAME)]))
    return tmp_path / "case"


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    """A ledger of device 1, and a second device of a member that has seen all of it."""
    kit = Kit(tmp_path / "ledger")
    kit.found()
    kit.append("one", "two", "three")
    return kit


@pytest.fixture
def member(kit: Kit) -> keyring.Ring:
    rings = keyring.new_rings()
    kit.found(kit.certify(*rings, 2), rings[0].signing)
    return rings[0]


def put(kit: Kit, raws: list[bytes]) -> None:
    (kit.log / "entries").write_bytes(b"".join(map(frame, raws)))


def raws_of(kit: Kit) -> list[bytes]:
    return list(kit.ledger().logs[kit.everyday.device].frames())


def files_of(kit: Kit) -> dict[str, bytes]:
    places = [path for path in kit.folder.iterdir() if path.is_dir()]
    return {f"{place.name}/{kind}": (place / kind).read_bytes() for place in places for kind in ("entries", "bodies")}


@pytest.mark.parametrize("title", ["identities", "record"])
def test_officer_grants_a_compartment_of_their_own(case: Path, tmp_path: Path, title: str) -> None:
    """Who has the everyday keys cannot plant a later grant whose key takes a compartment over: names stay known to the gate."""
    evil = CompartmentKey(title, os.urandom(16), 2, b"E" * 32)
    with enter(case, "everyday") as session:
        ring = session.ring
        assert ring.signing is not None
        row = keyring.grant(evil, session.ledger.certificate(ring.device))
        with session.ledger.writer(ring.device, ring.signing) as writer, writer.group(now=now_ms()) as group:
            group.add_open("grant@1", [row])
    with enter(case) as session:
        assert session.keys[title].secret != evil.secret
        assert [identity.person for identity in session.identities.all()] == ["P-0001"]
        with pytest.raises(BadInput):
            talk(session, "P-0001", f"{NAME} was taken.")


def test_forger_blanks_the_key_of_an_identity_before_a_dossier(case: Path, tmp_path: Path) -> None:
    """Forty zero bytes in `wraps` do not make the gate forget a name: a key that is gone needs a tombstone."""
    with enter(case, "everyday") as session:  # with the identities open nobody could write the name
        correcting.correct(session, talk(session, "P-0001"), {"text": f"{NAME} was taken."}, "slip")
    with enter(case) as session:
        hidden = session.key("identities").compartment
        with pytest.raises(Refused):
            dossier(session, tmp_path / "d.json")
    log = log_of(case)
    for placed in log.placed():
        if placed.entry.header.compartment == hidden:
            Disk().write_at(log.wraps, placed.before.parts * WRAP_SIZE, bytes(WRAP_SIZE * len(placed.entry.header.parts)))
    shutil.rmtree(case / "views")
    with enter(case) as session, pytest.raises(BodyMissing):
        dossier(session, tmp_path / "d.json")
    assert not (tmp_path / "d.json").exists()


def test_forger_empties_the_entry_of_a_withdrawal(case: Path, tmp_path: Path) -> None:
    """An entry emptied of its parts under a false signature stops every reading verb, not only `verify`."""
    with enter(case) as session:
        talk(session, "P-0001")
        first = session.ledger.ends()[session.ring.device].seq + 1
        people.give_consent(session, "P-0001", "", {"withdrawn": True})
        last = session.ledger.ends()[session.ring.device].seq
    log = log_of(case)
    bodies, wraps, raws = bytearray(log.bodies.read_bytes()), bytearray(log.wraps.read_bytes()), []
    for placed in list(log.placed()):
        raw, header = placed.entry.raw, placed.entry.header
        if first <= header.seq <= last:
            raw = b"\xd2" + cbor.encode([bytes.fromhex("a10132"), {}, replace(header, parts=()).payload(), b"\x01" * 64])
            at = placed.before.bodies
            del bodies[at : at + sum(part.size for part in header.parts)]
            del wraps[placed.before.parts * WRAP_SIZE : (placed.before.parts + len(header.parts)) * WRAP_SIZE]
        raws.append(frame(raw))
    log.entries.write_bytes(b"".join(raws))
    log.bodies.write_bytes(bodies)
    log.wraps.write_bytes(wraps)
    shutil.rmtree(case / "views")
    with pytest.raises(Unverified), enter(case) as session:
        dossier(session, tmp_path / "d.json")


def test_whole_folder_rolled_back_is_seen_by_a_kept_checkpoint(case: Path, tmp_path: Path) -> None:
    """An older copy of everything, views too, verifies by itself and not against a checkpoint kept elsewhere."""
    shutil.copytree(case, tmp_path / "old")
    with enter(case) as session:
        talk(session, "P-0001")
        kept = care.checkpoint(session)
    shutil.rmtree(case)
    shutil.copytree(tmp_path / "old", case)
    with enter(case) as session:
        care.verify(session)
        with pytest.raises(RolledBack):
            care.verify(session, checkpoint=kept)


def test_link_in_the_folder_carries_nothing_into_a_backup(case: Path, tmp_path: Path) -> None:
    """A link planted among the sealed files does not make a backup carry a plain file of the machine."""
    (tmp_path / "person.yaml").write_text(NAME, "utf-8")
    place = case / "blobs" / "objects" / "ab"
    place.mkdir(parents=True)
    (place / ("ab" * 32)).symlink_to(tmp_path / "person.yaml")
    (case / "slots" / "more.slot").symlink_to(tmp_path / "person.yaml")
    with enter(case) as session:
        opening.back_up(session, tmp_path / "backup")
    assert not any(NAME.encode() in path.read_bytes() for path in (tmp_path / "backup").rglob("*") if path.is_file())


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """A link in place of a file, or of its temporary name, leads no write out of the folder."""
    (tmp_path / "outside").write_bytes(b"mine")
    (tmp_path / "log").symlink_to(tmp_path / "outside")
    with pytest.raises(DiskFailed):
        Disk().write_at(tmp_path / "log", 0, b"theirs")
    (tmp_path / ".slot.tmp").symlink_to(tmp_path / "outside")
    Disk().atomic_write(tmp_path / "slot", b"new")
    assert (tmp_path / "outside").read_bytes() == b"mine"


def test_umask_000_opens_nothing(tmp_path: Path) -> None:
    """With no umask at all no folder of workspace or backup lets others in, and slots and logs are the owner's alone."""
    before = os.umask(0)
    try:
        with enter(found(tmp_path / "case")) as session:
            people.add_person(session, Identity("", [Name(NAME)]))
            opening.back_up(session, tmp_path / "backup")
    finally:
        os.umask(before)
    for path in (found_path for base in ("case", "backup") for found_path in (tmp_path / base).rglob("*")):
        inside = path.is_file() and (path.name == "lock" or path.parent.name == "views")  # their folder is closed
        assert inside or not stat.S_IMODE(path.stat().st_mode) & 0o077, path


@pytest.mark.parametrize("name", ["ca#se", "ca?mode=memory&x", "ca%2e%2ese"])
def test_folder_name_leads_no_view_out_of_the_workspace(tmp_path: Path, name: str) -> None:
    """A folder's name with signs of a URI makes no file elsewhere, and the views are kept where erasure finds them."""
    with enter(found(tmp_path / "in" / name)) as session:
        people.add_person(session, Identity("", [Name(NAME)]))
    assert [path.name for path in (tmp_path / "in").iterdir()] == [name]
    assert len(list((tmp_path / "in" / name / "views").glob("*.db"))) == 2


def test_member_vouches_with_a_checkpoint_for_a_forged_log(kit: Kit, member: keyring.Ring) -> None:
    """A checkpoint of one device does not stand in for another's signatures: both verifiers refuse the forged entry."""
    prev, forged = GENESIS_PREV, []
    for number, raw in enumerate(raws_of(kit)):
        entry = decode(raw)
        if number >= 2:
            assert member.signing is not None
            entry = sign(replace(entry.header, prev=prev, claimed=1), member.signing)
        forged.append(entry.raw)
        prev = entry.hash
    put(kit, forged)
    assert member.signing is not None
    heads = [checkpoint.Head(device, end.seq, end.hash) for device, end in kit.ledger().ends().items()]
    false = checkpoint.make(kit.workspace, heads, signer=member.device, key=member.signing, now=NOW)
    with pytest.raises(BadSignature):
        kit.ledger().verify(now=kit.now, checkpoint=false)
    with pytest.raises(amparo_verify.Wrong, match="BadSignature"):
        amparo_verify.verify(kit.workspace, files_of(kit), false.text())


def test_cut_end_contradicts_what_another_device_saw(kit: Kit, member: keyring.Ring) -> None:
    """A log cut back behind the entry that a second device signed to have seen is found without any checkpoint."""
    assert len(kit.ledger().logs) == 2
    put(kit, raws_of(kit)[:-1])
    with pytest.raises(WitnessedMissing):
        kit.ledger().verify(now=kit.now)
    with pytest.raises(amparo_verify.Wrong, match="WitnessedMissing"):
        amparo_verify.verify(kit.workspace, files_of(kit))


def test_member_certifies_a_device_under_a_number_in_use(kit: Kit, member: keyring.Ring) -> None:
    """A second device under the number of the first, whose handles it would give, is refused by both verifiers."""
    rings = keyring.new_rings()
    kit.found(kit.certify(*rings, 1), rings[0].signing)
    with pytest.raises(keyring.BadCertificate):
        kit.ledger().verify(now=kit.now)
    with pytest.raises(amparo_verify.Wrong, match="BadCertificate"):
        amparo_verify.verify(kit.workspace, files_of(kit))


@pytest.mark.parametrize("rows", [["abc", 7], 7, [[[[1]]]], None], ids=str)
def test_member_writes_parts_of_no_known_form(kit: Kit, member: keyring.Ring, rows: object) -> None:
    """Parts that are no lists of rows, and tombstones that name nothing, stop no replay and no verifier."""
    assert member.signing is not None
    with kit.ledger().writer(member.device, member.signing) as writer, writer.group(now=kit.now + 1) as group:
        group.add(kit.key, "claims@1", rows)  # type: ignore[arg-type]
        group.add_open("tombstone@1", rows)  # type: ignore[arg-type]
    assert kit.words() == ["one", "two", "three"]
    list(kit.ledger().check_bodies(kit.keys))
    assert amparo_verify.verify(kit.workspace, files_of(kit))["erased"] == 0


@pytest.mark.parametrize("text", ["", "\n", "amparo checkpoint 2026-01-01\n", "0189", "amparo checkpoint\n\u03a9"])
def test_blanked_checkpoint_vouches_for_nothing(kit: Kit, text: str) -> None:
    """A checkpoint emptied or spoilt by a forger is refused by both verifiers, not taken for none at all."""
    with pytest.raises(AmparoError):
        checkpoint.parse(text)
    with pytest.raises((amparo_verify.Wrong, ValueError)):
        amparo_verify.verify(kit.workspace, files_of(kit), text)


def test_erasing_a_founding_part_is_refused(kit: Kit) -> None:
    """Nobody can have the certificate or the grants of a log shredded, which would close the workspace for ever."""
    with kit.ledger().writer(kit.everyday.device, kit.signing) as writer, pytest.raises(NoSuchPart):
        writer.erase([Origin(1, 0, 1)], authority="x", now=kit.now)
    assert kit.words() == ["one", "two", "three"]


class _Ended(BaseException):
    """The process ends: `lock`, Ctrl-C, power."""


class _Ending(Disk):
    """Ends the process at the first byte that is to be overwritten in `wraps`."""

    def write_at(self, path: Path, offset: int, data: bytes) -> None:
        if path.name == "wraps" and not any(data):
            raise _Ended
        super().write_at(path, offset, data)


def test_erasure_cut_short_is_told_and_finished(case: Path, tmp_path: Path) -> None:
    """Ended between tombstone and shredding, an erasure is told by `verify`, and finished before the next backup."""
    rings = [opening.read_ring(case, name, Passphrase(text)) for name, text in PASSPHRASES.items()]
    with Session(case, rings, disk=_Ending()) as session, pytest.raises(_Ended):
        people.erase(session, "P-0001", "lead")
    with enter(case) as session:
        assert any("still there" in warning for warning in care.verify(session)["warnings"])
        opening.back_up(session, tmp_path / "backup")
        assert care.verify(session)["warnings"] == []
        assert not list(session.ledger.unshredded())


TABLE = {
    "sources.csv": "k\nsrc\n",
    "rows.csv": "id,person,words\n1,V-001,He kept bees by the mill\n2,V-002,She was a nurse\n",
    "mapping.yaml": """version: 1
dataset: made-up
files:
  - file: sources.csv
    entities: [{key: "{k}", kind: source, label: "a report", basis: "published source"}]
  - file: rows.csv
    entities: [{key: "{person}", kind: person}]
    claims:
      - {key: "{id}", subject: "{person}", property: statement, text: "{words}", source: src, person: "{person}"}
""",
}


def tables(folder: Path, **more: str) -> Path:
    folder.mkdir()
    for name, text in {**TABLE, **{key.replace("_", "."): value for key, value in more.items()}}.items():
        (folder / name).write_text(text, "utf-8")
    return folder


def test_erased_person_stays_in_no_kept_table(tmp_path: Path) -> None:
    """The table an import kept as it came goes too when a person of it is erased: no sealed file still tells of them."""
    with enter(found(tmp_path / "case")) as session:
        importing.import_folder(session, tables(tmp_path / "tables"))
        assert people.erase(session, "P-0001", "lead")["files"] == 2
        kept = [file for item in session.record.entities(kind="source") for file in session.testimony.files(item.handle)]
        assert kept == []
    assert not list((tmp_path / "case" / "blobs" / "objects").rglob("?" * 64))


def test_ground_smuggled_in_as_a_place(tmp_path: Path) -> None:
    """A mapping that makes a ground into a place, so that `search --place` lists persons by it, is refused by row."""
    mapping = TABLE["mapping.yaml"].replace(
        'entities: [{key: "{person}", kind: person}]',
        'entities: [{key: "{person}", kind: person}, {key: "pl-{id}", kind: place, label: "{words}"}]',
    )
    folder = tables(tmp_path / "tables", mapping_yaml=mapping, rows_csv="id,person,words\n1,V-001,gay\n2,V-002,sufi\n")
    with enter(found(tmp_path / "case")) as session, pytest.raises(RowsRefused):
        importing.import_folder(session, folder)


def test_trace_of_a_source_lists_no_ground(case: Path) -> None:
    """A walk back from a source shows many passages, masked; from one claim, the passage in its own words."""
    mapping_words = [("They called me gay.", "P-0001"), ("He was a sufi, they said.", "P-0001")]
    with enter(case, "everyday") as session:
        claims = [talk(session, person, text) for text, person in mapping_words]
        with session.change() as change:  # one source with two passages
            stored = [session.record.claim(claim) for claim in claims]
            row = [replace(item.claim, handle=change.allocate("claim"), source="S-0001") for item in stored if item]
            change.put("record", "claims@1", [claim.to_row() for claim in row])
        assert not ground.mentions(json.dumps(reading.trace(session, "S-0001"), default=str))
        assert "gay" in json.dumps(reading.trace(session, claims[0]), default=str)


def test_key_and_speaker_of_a_listed_claim_are_masked(tmp_path: Path) -> None:
    """Ground words that a mapping put into keys or speakers show in no list of persons' claims."""
    mapping = TABLE["mapping.yaml"].replace('{key: "{id}", subject', '{key: "gay/{id}", speaker: "gay man", subject')
    with enter(found(tmp_path / "case"), "everyday") as session:
        importing.import_folder(session, tables(tmp_path / "tables", mapping_yaml=mapping))
        shown = [reading.show(session, "P-0001"), reading.search(session, "bees"), reading.trace(session, "S-0001")]
        assert not any(ground.mentions(json.dumps(data, default=str)) for data in shown)
        with pytest.raises(AmparoError):
            reading.trace(session, "gay")


def test_sealed_name_in_the_file_name(case: Path, tmp_path: Path) -> None:
    """A dossier whose file is called by a sealed name does not leave, and the refusal does not say the name."""
    with enter(case) as session:
        talk(session, "P-0001")
        with pytest.raises(Refused) as refused:
            dossier(session, tmp_path / f"{NAME}.json")
    assert "Tulmetov" not in str(refused.value)
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize("field", ["words", "persons_present", "place", "interviewer", "recording"])
def test_sealed_name_in_another_field_of_an_interview(case: Path, tmp_path: Path, field: str) -> None:
    """With identities open, a sealed name in any field, or in the recording's file name, is asked for again, not recorded."""
    recording = tmp_path / f"{NAME.replace(' ', '_')}.ogg"
    recording.write_bytes(b"voice")
    given: dict[str, object] = {field: recording if field == "recording" else f"said to {NAME}"}
    with enter(case) as session:
        with pytest.raises(BadInput) as refused:
            talk(session, "P-0001", **given)  # type: ignore[arg-type]
        assert "Tulmetov" not in str(refused.value)
        assert not session.record.entities(kind="source")


@pytest.mark.parametrize("text", ["Ⓣⓤⓛⓜⓔⓣⓞⓥ", "🅃🅄🄻🄼🄴🅃🄾🅅", "🅣🅤🅛🅜🅔🅣🅞🅥", "🇹🇺🇱🇲🇪🇹🇴🇻", "ᴛᴜʟᴍᴇᴛᴏᴠ", "ᵗᵘˡᵐᵉᵗᵒᵛ", "⁹⁰⁰⁰⁰⁰⁰⁰¹¹",
                                  "Tul\u200bme\u2060tov", "Тulmеtоv", "T.u.l.m.e.t.o.v", "votemluT"])  # fmt: skip
def test_disguised_name_or_number(text: str) -> None:
    """Signs that show letters or digits hide no sealed surname and no telephone number."""
    person = Identity("P-0001", [Name(NAME)], [["telephone", "+7 900 000 00 11"]])
    sealed = SealedNames.from_view([person], 1)
    said = f"The man {text} was there."
    assert sealed.find(said, "x") or any(sealed.find(plain, "x") for _, plain in decoded(said))


def test_sealed_name_in_a_correction_a_link_or_a_reason(case: Path) -> None:
    """With identities open, no correction, link, consent or reason to look that holds a sealed name is recorded."""
    with enter(case) as session:
        claims = [talk(session, "P-0001", text) for text in ("They came.", "They left.")]
        before = session.ledger.ends()
        for act in (
            lambda: correcting.correct(session, claims[0], {"text": f"{NAME} came."}, "slip"),
            lambda: correcting.correct(session, claims[0], {"text": "He came."}, f"as {NAME} says"),
            lambda: people.link(session, "supports", claims[0], claims[1], f"both from {NAME}"),
            lambda: people.give_consent(session, "P-0001", "", {**CONSENT, "how": f"by letter of {NAME}"}),
            lambda: reading.show(session, "P-0001", reason=f"to call {NAME}'s sister"),
        ):
            with pytest.raises(NameInWords):
                act()
        assert session.ledger.ends() == before


@pytest.fixture
def shell(case: Path, tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path / "user", case)
    shell.amparo("unlock", "--identities", secrets=list(PASSPHRASES.values()))
    yield shell
    shell.lock()


def test_imported_words_command_no_terminal(case: Path, shell: Shell) -> None:
    """Escape codes, overrides of direction and line breaks in a claim reach neither the screen nor the JSON."""
    text = "They came\x1b[2J\x9b31m \u202eabc\u2066\nP-0002   statement: forged"
    with enter(case) as session:
        talk(session, "P-0001", text)
    data = shell.amparo("search", "came")
    assert data["hits"][0]["text"] == text
    assert printable_json('"\x9b\u202e"') == '"\\u009b\\u202e"'
    from amparo.cli.reading import _search_text

    assert not [line for line in _search_text(data).splitlines() if line.startswith("P-0002")]


def test_what_was_remarked_on_a_persons_words_goes_with_the_person(tmp_path: Path) -> None:
    """The reasons of a link and of an assessment that speak of an erased person's claims are gone; those about others stay."""
    with enter(found(tmp_path / "case"), "everyday", "identities") as session:
        first, second = (people.add_person(session, Identity(""), unnamed=True) for _ in range(2))
        said = [people.record_interview(session, people.interview_from(person, {"claims": [f"made up {person}", "more"]}))
                for person in (first, second)]  # fmt: skip
        mine, theirs = (one["claims"] for one in said)
        with session.change() as change:
            kept = [Link(change.allocate("link"), "supports", pair[0], pair[1], reason).to_row()
                    for pair, reason in ((mine, "Brimsolket"), (theirs, "stays here"))]  # fmt: skip
            change.put("record", Link.TYPE, kept)  # in one part, as older imports did
        weighed = Assessment("J-0001", "it was so", "reasonable basis", "reached", "Zarvreasons", "D-07", "2026", [mine[0]])
        with session.change() as change:
            change.put("record", Assessment.TYPE, [weighed.to_row()])
        people.erase(session, first, "case lead")
        assert [Link.from_row(row).reason for row in session.record.rows(Link.TYPE)] == ["stays here"]
        assert session.record.assessments() == []
        assert [stored.claim.text for stored in session.record.claims(person=second)] == [f"made up {second}", "more"]
