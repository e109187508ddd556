"""Hand-over between two workspaces: signed by both, told in both custodies, and every way to cheat at it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from court_kit import NOTE, filled, workspace
from hypothesis import given, settings
from hypothesis import strategies as st

from amparo.app import evidence, people
from amparo.app import evidence_court as court
from amparo.app import evidence_handover as handing
from amparo.app.evidence_handover import Giving
from amparo.app.naming import NameInWords
from amparo.app.release import Refused
from amparo.app.session import Session
from amparo.evidence import handover
from amparo.evidence.handover import HandOverForged, NotAHandOver
from amparo.kernel import cbor
from amparo.kernel.errors import AmparoError
from amparo.record.model import Identity, Name


@pytest.fixture
def giver(tmp_path: Path) -> Iterator[Session]:
    with workspace(tmp_path / "giver") as opened:
        filled(opened, tmp_path / "in")
        yield opened


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Session]:
    with workspace(tmp_path / "receiver") as opened:
        filled(opened, tmp_path / "came", {"first.bin": NOTE})  # one of the two items, under another handle
        yield opened


def given_out(giver: Session, path: Path, handles: tuple[str, ...] = ("D-0002",), receiver: str = "") -> Path:
    giving = Giving("a made-up court", receiver, "V-900", "expert opinion", "order 12/3")
    handing.hand_over(giver, court.chosen(giver, handles), giving, path)
    return path


def test_a_hand_over_is_signed_by_both_and_told_in_both_custodies(giver: Session, receiver: Session, tmp_path: Path) -> None:
    """Document, receipt, record: each side's custody names the other, the reason and the document; the receipt is kept."""
    document = given_out(giver, tmp_path / "handover.cbor", receiver=receiver.workspace.hex())
    shown = handing.look(receiver, document)
    assert (shown["by"], shown["reason"], shown["missing"]) == ("V-900", "expert opinion", [])
    handing.receive(receiver, document, tmp_path / "receipt.cbor", by="V-950")
    told = handing.record_receipt(giver, tmp_path / "receipt.cbor")
    assert told["items"] == ["D-0002"] and told["by"] == "V-950" and told["from_workspace"] == receiver.workspace.hex()
    ours = giver.testimony.custody("D-0002")
    assert [event.action for event in ours] == ["acquired", "handed over", "received", "derived"][: len(ours)]
    assert (ours[1].actor, ours[1].authority) == ("V-900", "order 12/3") and "a made-up court" in ours[1].detail
    assert receiver.workspace.hex() in ours[2].detail
    theirs = receiver.testimony.custody("D-0001")
    assert theirs[-1].action == "received" and giver.workspace.hex() in theirs[-1].detail
    proof = evidence.get(giver, told["proof"])
    with evidence.read_quietly(giver, proof) as stream:
        assert handover.read_receipt(stream.read(), "kept").by == "V-950"
    assert proof.relation == "proof"


def test_an_item_that_is_not_here_is_not_signed_for(giver: Session, receiver: Session, tmp_path: Path) -> None:
    """Of two items one is here: refused, with what is missing; on demand only that one is signed for, and the giver is told."""
    document = given_out(giver, tmp_path / "handover.cbor", ("D-0001", "D-0002"))
    with pytest.raises(handing.NotReceived, match="D-0001"):
        handing.receive(receiver, document, tmp_path / "receipt.cbor")
    assert not (tmp_path / "receipt.cbor").exists()
    handing.receive(receiver, document, tmp_path / "receipt.cbor", only_present=True)
    told = handing.record_receipt(giver, tmp_path / "receipt.cbor")
    assert (told["items"], told["missing"]) == (["D-0002"], ["D-0001"])
    assert [event.action for event in giver.testimony.custody("D-0001")] == ["acquired", "handed over"]


# -- attacks -------------------------------------------------------------------------------------------------------------------


def test_attack_an_altered_document_is_refused(giver: Session, receiver: Session, tmp_path: Path) -> None:
    """Any byte changed, at any place: refused by an error of ours; nothing is signed, nothing stands in a custody."""
    document = given_out(giver, tmp_path / "handover.cbor")
    data = document.read_bytes()
    for at in range(0, len(data), 7):
        changed = bytearray(data)
        changed[at] ^= 1 << (at % 8)
        with pytest.raises((HandOverForged, NotAHandOver)):
            handover.read_document(bytes(changed), "handover.cbor")
    document.write_bytes(data.replace(b"expert opinion", b"expert opiniom"))
    with pytest.raises(HandOverForged):
        handing.receive(receiver, document, tmp_path / "receipt.cbor")
    assert [event.action for event in receiver.testimony.custody("D-0001")] == ["acquired"]


def test_attack_the_wrong_receiver_cannot_accept(giver: Session, receiver: Session, tmp_path: Path) -> None:
    """A document for one workspace is refused by another, and by the giver's own."""
    document = given_out(giver, tmp_path / "handover.cbor", receiver="ab" * 16)
    with pytest.raises(handing.WrongReceiver):
        handing.receive(receiver, document, tmp_path / "receipt.cbor")
    with pytest.raises(handing.OwnDocument):
        handing.receive(giver, given_out(giver, tmp_path / "second.cbor"), tmp_path / "receipt.cbor")
    with pytest.raises(handing.BadReceiver):
        given_out(giver, tmp_path / "third.cbor", receiver="abc")


def test_attack_a_receipt_of_the_wrong_receiver_is_not_recorded(giver: Session, receiver: Session, tmp_path: Path) -> None:
    """Who signs a receipt for a document that names somebody else, with a program of their own, is refused by the giver."""
    raw = given_out(giver, tmp_path / "handover.cbor", receiver="ab" * 16).read_bytes()
    document = handover.read_document(raw, "handover.cbor")
    forged = handover.accept(handing._signer(receiver), document, now=1, by="V-666", received=[document.items[0].sha256])
    (tmp_path / "receipt.cbor").write_bytes(forged)
    with pytest.raises(handing.WrongReceiver):
        handing.record_receipt(giver, tmp_path / "receipt.cbor")


def test_attack_a_replayed_receipt_is_not_recorded_twice(giver: Session, receiver: Session, tmp_path: Path) -> None:
    """The same receipt, and another one for the same hand-over, are refused; the receiver gets the one that was signed."""
    document = given_out(giver, tmp_path / "handover.cbor")
    handing.receive(receiver, document, tmp_path / "receipt.cbor")
    handing.record_receipt(giver, tmp_path / "receipt.cbor")
    with pytest.raises(handing.ReceiptReplayed):
        handing.record_receipt(giver, tmp_path / "receipt.cbor")
    handing.receive(receiver, document, tmp_path / "again.cbor", by="V-999")
    assert (tmp_path / "again.cbor").read_bytes() == (tmp_path / "receipt.cbor").read_bytes()
    assert [event.action for event in giver.testimony.custody("D-0002")].count("received") == 1


def test_attack_a_receipt_does_not_count_for_a_later_hand_over(giver: Session, receiver: Session, tmp_path: Path) -> None:
    """The item is handed over again: the old receipt answers the old document only."""
    handing.receive(receiver, given_out(giver, tmp_path / "first.cbor"), tmp_path / "receipt.cbor")
    handing.record_receipt(giver, tmp_path / "receipt.cbor")
    second = given_out(giver, tmp_path / "second.cbor")
    with pytest.raises(handing.ReceiptReplayed):
        handing.record_receipt(giver, tmp_path / "receipt.cbor")
    handing.receive(receiver, second, tmp_path / "receipt2.cbor")
    assert handing.record_receipt(giver, tmp_path / "receipt2.cbor")["items"] == ["D-0002"]


def test_attack_a_receipt_for_a_document_of_somebody_else_is_refused(giver: Session, receiver: Session, tmp_path: Path) -> None:
    """A receipt for another workspace's hand-over, and one for a document that our custody does not know."""
    with workspace(tmp_path / "third") as third:
        filled(third, tmp_path / "in3", {"first.bin": NOTE})
        document = given_out(third, tmp_path / "handover.cbor", ("D-0001",))
        handing.receive(receiver, document, tmp_path / "receipt.cbor")
    with pytest.raises(handing.ReceiptNotOurs):
        handing.record_receipt(giver, tmp_path / "receipt.cbor")


def test_attack_a_receipt_for_other_items_is_refused(giver: Session, receiver: Session, tmp_path: Path) -> None:
    """A receipt that tells of a file the document does not name is no receipt."""
    raw = given_out(giver, tmp_path / "handover.cbor").read_bytes()
    document = handover.read_document(raw, "handover.cbor")
    forged = handover.accept(handing._signer(receiver), document, now=1, by="V-950", received=[bytes(32)])
    with pytest.raises(NotAHandOver):
        handover.read_receipt(forged, "receipt.cbor")


def test_attack_another_workspaces_certificates_do_not_vouch(giver: Session, receiver: Session, tmp_path: Path) -> None:
    """The certificates exchanged for those of another workspace, the signature left: refused."""
    first = cbor.decode(given_out(giver, tmp_path / "a.cbor").read_bytes())
    other = cbor.decode(given_out(receiver, tmp_path / "b.cbor", ("D-0001",)).read_bytes())
    with pytest.raises(HandOverForged):
        handover.read_document(cbor.encode([1, other[1], first[2]]), "mixed")
    with pytest.raises(NotAHandOver):
        handover.read_receipt((tmp_path / "a.cbor").read_bytes(), "a document")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_fuzz_random_bytes_are_neither_document_nor_receipt(data: bytes) -> None:
    """Anything at all is refused by an error of ours."""
    for read in (handover.read_document, handover.read_receipt):
        with pytest.raises(AmparoError):
            read(data, "noise")


# -- the gate ------------------------------------------------------------------------------------------------------------------


def test_a_hand_over_needs_the_consents_of_its_sources(tmp_path: Path) -> None:
    """A source of unknown basis is not handed over: no document, no custody entry."""
    with workspace(tmp_path / "case") as session:
        filled(session, tmp_path / "in", {"note.txt": NOTE}, basis="unknown")
        with pytest.raises(Refused):
            given_out(session, tmp_path / "handover.cbor", ("D-0001",))
        assert not (tmp_path / "handover.cbor").exists()
        assert [event.action for event in session.testimony.custody("D-0001")] == ["acquired"]


def test_a_sealed_name_does_not_leave_in_a_document_or_a_receipt(giver: Session, receiver: Session, tmp_path: Path) -> None:
    """Neither in the giver's words nor in the receiver's."""
    for session in (giver, receiver):
        people.add_person(session, Identity("", [Name("Зелимхан Варенчуков")]))  # made up
    giving = Giving("следователю Варенчукову")
    with pytest.raises(NameInWords):
        handing.hand_over(giver, court.chosen(giver, ["D-0002"]), giving, tmp_path / "x.cbor")
    document = given_out(giver, tmp_path / "handover.cbor")
    with pytest.raises(NameInWords):
        handing.receive(receiver, document, tmp_path / "receipt.cbor", by="Z. Varenchukov")
    shutil.rmtree(tmp_path / "in")
