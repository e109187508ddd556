"""Slots, recovery codes and what memory promises: published vectors, attacks by name, real files."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amparo.kernel import cbor
from amparo.kernel.errors import AmparoError, BadInput, DiskRefused, Locked
from amparo.vault import memory, recovery, slots
from amparo.vault.disk import Disk, DiskFull
from amparo.vault.recovery import RecoveryCode, RecoveryCodeIncomplete, RecoveryCodeMistyped, WrongRecoveryCode
from amparo.vault.seal import digest, expand
from amparo.vault.slots import Cost, Passphrase, Slot, read_slot, write_slot

CHEAP = Cost(8, 1, 1)
WORDS = "six unrelated words in a row"
RING = b"made-up ring \x00\xff" * 20


@pytest.fixture
def slot(tmp_path: Path) -> Path:
    """An everyday slot under WORDS."""
    path = tmp_path / "slots" / "everyday.slot"
    write_slot(path, RING, Passphrase(WORDS), kind="everyday", cost=CHEAP)
    return path


# -- vectors ----------------------------------------------------------------------------------------------------------


def test_argon2id_gives_the_tag_of_rfc_9106() -> None:
    """The library computes Argon2id as RFC 9106, 5.3 prints it."""
    kdf = Argon2id(salt=b"\2" * 16, length=32, iterations=3, lanes=4, memory_cost=32, ad=b"\4" * 12, secret=b"\3" * 8)
    assert kdf.derive(b"\1" * 32).hex() == "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"


def test_a_passphrase_is_stretched_as_by_the_reference_implementation() -> None:
    """Passphrase.derive passes memory, passes and lanes on in their right places (vector of the reference's test.c)."""
    root = Passphrase("password").derive(b"somesalt", Cost(65536, 2, 1), "a test")
    assert root.hex() == "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"


def test_hkdf_gives_the_outputs_of_rfc_5869() -> None:
    """The library's HKDF passes RFC 5869, A.1, and our own one-block expand passes A.3."""
    okm = HKDF(SHA256(), 42, bytes(range(13)), bytes(range(0xF0, 0xFA))).derive(b"\x0b" * 22)
    assert okm.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    prk = bytes.fromhex("19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04")
    assert expand(prk, "").hex() == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"


def test_crc15_gives_the_published_check_value() -> None:
    """The checksum of recovery lines is CRC-15/CAN: 0x059E for the digits 1 to 9."""
    assert recovery.crc15(int.from_bytes(b"123456789", "big"), 72) == 0x059E


def test_the_format_of_version_1_does_not_change(tmp_path: Path) -> None:
    """A slot sealed from fixed inputs has the same bytes as when version 1 was made, and opens."""
    slot = Slot.seal(b"golden", b"r" * 32, kind="everyday", kdf=["argon2id", 8, 1, 1], salt=b"S" * 32)
    slot.save(tmp_path / "everyday.slot", Disk())
    data = (tmp_path / "everyday.slot").read_bytes()
    assert digest(data).hex() == "f482bebc8e10179a0c7334712843ba720305b6b243448d9590c08512907ce4a4"
    assert Slot.load(tmp_path / "everyday.slot", "everyday", Disk()).open(b"r" * 32, "x") == b"golden"


# -- opening ----------------------------------------------------------------------------------------------------------


def test_a_slot_opens_with_its_passphrase_only(slot: Path) -> None:
    """The right passphrase returns the ring; another raises WrongPassphrase with exit code 3."""
    assert read_slot(slot, Passphrase(WORDS)) == RING
    with pytest.raises(slots.WrongPassphrase) as caught:
        read_slot(slot, Passphrase(WORDS + "!"))
    assert isinstance(caught.value, Locked)
    assert caught.value.exit_code == 3


def test_the_same_passphrase_opens_from_any_keyboard(tmp_path: Path) -> None:
    """Composed and decomposed letters and any kind of space are one passphrase (RFC 8265)."""
    path = tmp_path / "everyday.slot"
    write_slot(path, RING, Passphrase("cafe\u0301 й на столе"), kind="everyday", cost=CHEAP)
    assert read_slot(path, Passphrase("caf\u00e9\u00a0и\u0306\u3000на столе")) == RING


@pytest.mark.parametrize("text", ["", "a\nb", "tab\there", "\ufeffbyte order mark", "\ud800 surrogate", "\u202e reversed"])
def test_a_passphrase_that_cannot_be_typed_again_is_refused(text: str) -> None:
    """Empty, control, invisible and unpaired characters are refused in a sentence that does not quote the passphrase."""
    with pytest.raises(BadInput) as caught:
        Passphrase(text)
    assert "surrogate" not in str(caught.value)


def test_a_short_passphrase_seals_nothing(tmp_path: Path) -> None:
    """Eleven characters are refused when a slot is made, and no file appears."""
    with pytest.raises(slots.PassphraseTooShort):
        write_slot(tmp_path / "everyday.slot", RING, Passphrase("elevenchars"), kind="everyday", cost=CHEAP)
    assert list(tmp_path.iterdir()) == []


def test_secrets_do_not_show_when_printed() -> None:
    """No repr of passphrase, code or secret holds its value."""
    code = RecoveryCode.new()
    shown = f"{Passphrase(WORDS)!r} {code!r} {memory.Secret(b'value')!r}"
    assert "words" not in shown
    assert "value" not in shown
    assert code.lines()[0] not in shown


def test_a_changed_passphrase_leaves_no_old_slot(slot: Path) -> None:
    """Writing a slot anew leaves one file, which the old passphrase does not open."""
    write_slot(slot, RING, Passphrase("quite another passphrase"), kind="everyday", cost=CHEAP)
    assert [path.name for path in slot.parent.iterdir()] == ["everyday.slot"]
    with pytest.raises(slots.WrongPassphrase):
        read_slot(slot, Passphrase(WORDS))


@pytest.mark.parametrize("same", [True, False])
def test_a_power_cut_during_a_change_of_passphrase_is_made_good(slot: Path, same: bool) -> None:
    """A second name left by a power cut, of the slot in force or of the one before, is gone after the next change."""
    old = slot.with_name(".everyday.slot.old")
    if same:
        os.link(slot, old)
    else:
        old.write_bytes(b"an older slot")
        os.link(old, slot.with_name("witness"))
    write_slot(slot, b"new", Passphrase("quite another passphrase"), kind="everyday", cost=CHEAP)
    assert not old.exists()
    assert read_slot(slot, Passphrase("quite another passphrase")) == b"new"
    assert same or slot.with_name("witness").read_bytes() != b"an older slot"


def test_a_changed_passphrase_overwrites_the_old_blocks(slot: Path) -> None:
    """The old file's bytes are overwritten in place, as a second name of the same blocks shows."""
    before = slot.read_bytes()
    os.link(slot, slot.with_name("witness"))
    write_slot(slot, RING, Passphrase("quite another passphrase"), kind="everyday", cost=CHEAP)
    assert slot.with_name("witness").read_bytes() != before


# -- attacks ----------------------------------------------------------------------------------------------------------


def test_bit_flip_anywhere_is_told_as_damage(slot: Path) -> None:
    """Any single byte changed by accident is SlotDamaged, never a wrong passphrase and never a crash."""
    data = slot.read_bytes()
    for at in range(len(data)):
        slot.write_bytes(data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :])
        with pytest.raises(slots.SlotDamaged):
            read_slot(slot, Passphrase(WORDS))


def test_truncation_anywhere_is_told_as_damage(slot: Path) -> None:
    """A slot cut at any length is SlotDamaged."""
    data = slot.read_bytes()
    for length in range(len(data)):
        slot.write_bytes(data[:length])
        with pytest.raises(slots.SlotDamaged):
            read_slot(slot, Passphrase(WORDS))


def forge(path: Path, **changes: object) -> None:
    """Change fields of a slot and give it a good checksum, as an attacker would."""
    fields = cbor.decode(path.read_bytes())
    del fields["checksum"]
    fields |= changes
    path.write_bytes(cbor.encode({**fields, "checksum": digest(cbor.encode(fields))}))


def test_everyday_slot_renamed_to_identities_is_refused(slot: Path) -> None:
    """A slot in another's place is SlotMoved, whichever way it is asked for."""
    other = slot.rename(slot.with_name("identities.slot"))
    with pytest.raises(slots.SlotMoved):
        read_slot(other, Passphrase(WORDS))
    with pytest.raises(slots.SlotMoved):
        read_slot(other, Passphrase(WORDS), kind="identities")


def test_everyday_slot_forged_to_identities_does_not_open(slot: Path) -> None:
    """The kind is authenticated: a header rewritten with a good checksum fails to open."""
    forge(slot, kind="identities")
    with pytest.raises(slots.SlotDamaged):
        read_slot(slot, Passphrase(WORDS), kind="identities")


def test_sealed_bytes_changed_with_a_good_checksum_do_not_open(slot: Path) -> None:
    """The checksum is no authenticator: AES-GCM refuses what an attacker changed."""
    sealed = cbor.decode(slot.read_bytes())["sealed"]
    forge(slot, sealed=bytes([sealed[0] ^ 1]) + sealed[1:])
    with pytest.raises(slots.SlotDamaged):
        read_slot(slot, Passphrase(WORDS))


@pytest.mark.parametrize("field", ["salt", "commitment"])
def test_forged_salt_or_commitment_opens_nothing(slot: Path, field: str) -> None:
    """Another salt or commitment leads to WrongPassphrase, so a file cannot be made to open under a chosen key."""
    forge(slot, **{field: b"\0" * 32})
    with pytest.raises(slots.WrongPassphrase):
        read_slot(slot, Passphrase(WORDS))


@pytest.mark.parametrize("cost", [(2**21 + 1, 1, 1), (8, 65, 1), (1024, 1, 65), (2**21, 64, 4), (2**63, 1, 1)])
def test_hostile_cost_is_refused_before_anything_is_derived(slot: Path, cost: tuple[int, int, int]) -> None:
    """Parameters that would eat memory or time raise SlotHostile."""
    forge(slot, kdf=["argon2id", *cost])
    with pytest.raises(slots.SlotHostile):
        read_slot(slot, Passphrase(WORDS))


@pytest.mark.parametrize(
    "kdf", [[], ["argon2id"], ["argon2id", 8, 1], ["argon2id", 8, 0, 1], ["argon2id", 7, 1, 1], ["argon2id", 8, -1, 1],
            ["argon2id", "8", 1, 1], ["argon2id", True, 1, 1], ["hkdf-sha256"], ["scrypt", 8, 1, 1], "argon2id"]
)  # fmt: skip
def test_malformed_kdf_is_told_as_damage(slot: Path, kdf: object) -> None:
    """A key derivation that Amparo never writes raises SlotDamaged."""
    forge(slot, kdf=kdf)
    with pytest.raises(slots.SlotDamaged):
        read_slot(slot, Passphrase(WORDS))


ANYTHING = st.one_of(st.none(), st.integers(0, 9), st.binary(max_size=40), st.lists(st.integers(0, 9), max_size=4))


@given(st.dictionaries(st.sampled_from(["format", "version", "kind", "kdf", "salt", "commitment", "sealed"]), ANYTHING))
def test_hostile_fields_never_crash(tmp_path_factory: pytest.TempPathFactory, fields: dict[str, object]) -> None:
    """Any value in any field, under a good checksum, is refused by an error of ours."""
    path = tmp_path_factory.getbasetemp() / "everyday.slot"
    Slot("everyday", ["argon2id", *CHEAP], b"S" * 32, b"C" * 32, b"").save(path, Disk())
    forge(path, **fields)
    with pytest.raises(AmparoError):
        read_slot(path, Passphrase(WORDS))


def test_oversized_file_and_pipe_are_refused_unread(tmp_path: Path) -> None:
    """A file longer than any slot is SlotHostile; a pipe that never ends is not opened."""
    path = tmp_path / "everyday.slot"
    path.write_bytes(bytes(slots.RING_LIMIT + 2000))
    with pytest.raises(slots.SlotHostile):
        read_slot(path, Passphrase(WORDS))
    path.unlink()
    if hasattr(os, "mkfifo"):
        os.mkfifo(path)
    with pytest.raises(slots.SlotMissing):
        read_slot(path, Passphrase(WORDS))


# -- destruction ------------------------------------------------------------------------------------------------------


def test_destroyed_slots_are_overwritten_then_gone(slot: Path) -> None:
    """The blocks hold other bytes (seen through a second name), the names are gone, leftovers of crashes too."""
    before = slot.read_bytes()
    os.link(slot, slot.with_name("witness"))
    slot.with_name(".everyday.slot.tmp").write_bytes(before)
    write_slot(slot.with_name("identities.slot"), RING, Passphrase(WORDS), kind="identities", cost=CHEAP)
    results = slots.destroy_slots(slot.parent, ["everyday", "identities", "absent"])
    assert sorted(result.name for result in results) == [".everyday.slot.tmp", "everyday.slot", "identities.slot"]
    assert all(result.overwritten and result.removed and not result.why for result in results)
    assert [path.name for path in slot.parent.iterdir()] == ["witness"]
    witness = slot.with_name("witness").read_bytes()
    assert len(witness) == len(before)
    assert witness != before


def test_a_slot_that_cannot_be_destroyed_does_not_stop_the_next(slot: Path) -> None:
    """A folder in a slot's place is reported; the other slot is destroyed all the same."""
    (slot.parent / "blocked.slot").mkdir()
    blocked, destroyed = slots.destroy_slots(slot.parent, ["blocked", "everyday"])
    assert not blocked.overwritten
    assert blocked.why
    assert destroyed.removed
    assert not slot.exists()


def test_destroying_in_a_folder_that_is_not_there_is_no_failure(tmp_path: Path) -> None:
    """Nothing to destroy: an empty report."""
    assert slots.destroy_slots(tmp_path / "nowhere", ["everyday"]) == []


# -- recovery ---------------------------------------------------------------------------------------------------------


@given(st.binary(min_size=32, max_size=32))
def test_a_recovery_code_reads_back_however_it_is_typed(raw: bytes) -> None:
    """Lines, one run, lower case, O for 0, I and L for 1, look-alike Cyrillic, line numbers and dashes: the same code."""
    lines = RecoveryCode(raw).lines()
    typed = [
        "\n".join(lines),
        " ".join(lines).lower().replace("-", " "),
        "".join(lines).replace("-", "").replace("0", "o").replace("1", "l"),
        "\r\n".join(f" {number}. {line.replace('-', ' – ')} " for number, line in enumerate(lines, 1)),
        "\n".join(lines).translate(str.maketrans("ABEKMHPCTX01", "АВЕКМНРСТХОI")),
        "\n".join(lines).translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")),
    ]
    assert {tuple(RecoveryCode.read(text).lines()) for text in typed} == {tuple(lines)}


@settings(max_examples=300)
@given(st.binary(min_size=32, max_size=32), st.integers(0, 3), st.integers(0, 15), st.integers(1, 31))
def test_one_wrong_sign_is_found_in_its_line(raw: bytes, line: int, place: int, change: int) -> None:
    """Every single substitution names the line it is in."""
    lines = [text.replace("-", "") for text in RecoveryCode(raw).lines()]
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    wrong = alphabet[(alphabet.index(lines[line][place]) + change) % 32]
    lines[line] = lines[line][:place] + wrong + lines[line][place + 1 :]
    with pytest.raises(RecoveryCodeMistyped) as caught:
        RecoveryCode.read("\n".join(lines))
    assert caught.value.facts["line"] == line + 1


def test_other_typing_errors_are_found_in_their_line() -> None:
    """Neighbours and lines that changed places, a sign left out, a sign of no alphabet: each names a line."""
    lines = [text.replace("-", "") for text in RecoveryCode(bytes(range(32))).lines()]
    third = lines[2]
    at = next(at for at in range(15) if third[at] != third[at + 1])
    cases = {
        third[:at] + third[at + 1] + third[at] + third[at + 2 :]: 3,
        third[1:]: 3,
        "U" + third[1:]: 3,
        "!" + third[1:]: 3,
    }
    for text, line in cases.items():
        with pytest.raises(RecoveryCodeMistyped) as caught:
            RecoveryCode.read("\n".join([*lines[:2], text, lines[3]]))
        assert caught.value.facts["line"] == line
    with pytest.raises(RecoveryCodeMistyped):
        RecoveryCode.read("\n".join([lines[1], lines[0], *lines[2:]]))
    with pytest.raises(RecoveryCodeIncomplete):
        RecoveryCode.read("\n".join(lines[:3]))


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first text of a run builds hypothesis's table of characters
@given(st.text(max_size=120))
def test_hostile_recovery_text_never_crashes(text: str) -> None:
    """Any text is read or refused by an error of ours."""
    with pytest.raises(BadInput):
        RecoveryCode.read(text)


def test_a_recovery_slot_opens_with_its_code_only(tmp_path: Path) -> None:
    """The sheet's lines open the slot; another code, a passphrase, or another kind of slot do not."""
    path = tmp_path / "recovery.slot"
    code = RecoveryCode.new()
    recovery.write_recovery(path, RING, code)
    assert recovery.read_recovery(path, RecoveryCode.read("\n".join(code.lines()))) == RING
    with pytest.raises(WrongRecoveryCode):
        recovery.read_recovery(path, RecoveryCode.new())
    with pytest.raises(slots.SlotDamaged):
        read_slot(path, Passphrase(WORDS))
    write_slot(path, RING, Passphrase(WORDS), kind="recovery", cost=CHEAP)
    with pytest.raises(slots.SlotDamaged):
        recovery.read_recovery(path, code)


def test_the_sheet_can_be_typed_back() -> None:
    """The printed sheet shows the four lines as they are read, and the workspace it belongs to."""
    code = RecoveryCode.new()
    sheet = recovery.sheet_text(code, "Made-up workspace", "0011aabb", "2030-01-01")
    assert "Made-up workspace" in sheet
    assert "2030-01-01" in sheet
    shown = [line for line in sheet.splitlines() if line.startswith("    ")]
    assert RecoveryCode.read("\n".join(shown)).lines() == code.lines()
    assert max(map(len, sheet.splitlines())) < 110


# -- disk -------------------------------------------------------------------------------------------------------------


class FullDisk(Disk):
    """Refuses every write."""

    def write_at(self, path: Path, offset: int, data: bytes) -> None:
        raise DiskFull(name=f"{path.name} at {offset} for {len(data)}")


def test_a_full_disk_keeps_the_old_slot(slot: Path) -> None:
    """A passphrase change that the disk refuses leaves the old slot, which still opens."""
    with pytest.raises(DiskRefused):
        write_slot(slot, b"new", Passphrase("quite another passphrase"), kind="everyday", cost=CHEAP, disk=FullDisk())
    assert read_slot(slot, Passphrase(WORDS)) == RING
    write_slot(slot, b"new", Passphrase("quite another passphrase"), kind="everyday", cost=CHEAP)
    assert [path.name for path in slot.parent.iterdir()] == ["everyday.slot"]


# -- memory -----------------------------------------------------------------------------------------------------------


def test_a_closed_secret_gives_nothing() -> None:
    """After close a secret can no longer be revealed, and closing twice is harmless."""
    secret = memory.Secret(bytearray(b"value"))
    assert secret.reveal() == b"value"
    secret.close()
    secret.close()
    with pytest.raises(ValueError, match="closed"):
        secret.reveal()


HARDENED = """
import threading
from amparo.vault import memory
print(memory.harden(lock_memory=True))
def use(secret): return {}[secret]
thread = threading.Thread(target=use, args=("CANARY-VALUE",)); thread.start(); thread.join()
use("CANARY-VALUE")
"""


def test_tracebacks_never_print_values() -> None:
    """In a hardened process an exception that quotes a secret is reported by type and place only, in any thread."""
    done = subprocess.run([sys.executable, "-c", HARDENED], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "CANARY-VALUE" not in done.stdout + done.stderr
    assert done.stderr.count("KeyError") == 2
    assert "in use" in done.stderr
    if sys.platform != "win32":
        assert memory.CORE_DUMPS in done.stdout
