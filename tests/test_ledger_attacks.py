"""Attacks on the ledger, each by its name: every one is found, and found to be what it is."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_kit import Kit

from amparo.kernel.errors import AmparoError, NotCanonical
from amparo.ledger import checkpoint, verify
from amparo.ledger.entry import FRAME, decode, frame, frame_length, prev_of
from amparo.ledger.ledger import BodyAltered, BodyMissing, Origin, WrapAltered
from amparo.ledger.log import LogDamaged, LogShort
from amparo.vault.seal import BadSignature, SealBroken


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    kit = Kit(tmp_path / "ledger")
    kit.found()
    kit.append("one", "two", "three", "four")
    return kit


def frames(kit: Kit) -> list[bytes]:
    return list(kit.ledger().logs[kit.everyday.device].frames())


def put(kit: Kit, raws: list[bytes]) -> None:
    (kit.log / "entries").write_bytes(b"".join(map(frame, raws)))


def check(kit: Kit) -> None:
    ledger = kit.ledger()
    ledger.verify(now=kit.now)
    list(ledger.check_bodies(kit.keys))


def test_an_honest_ledger_verifies_and_replays(kit: Kit) -> None:
    """What was appended verifies without a warning and comes back in order."""
    assert kit.ledger().verify(now=kit.now).warnings == []
    assert kit.words() == ["one", "two", "three", "four"]


def test_bit_flip_in_an_entry(kit: Kit) -> None:
    """A flipped bit in a signed header breaks its signature."""
    raws = frames(kit)
    spot = raws[2].index(kit.workspace)
    raws[2] = raws[2][: spot + 40] + bytes([raws[2][spot + 40] ^ 1]) + raws[2][spot + 41 :]
    put(kit, raws)
    with pytest.raises(BadSignature):
        check(kit)


def test_cut_in_the_middle(kit: Kit) -> None:
    """Entries taken out of the middle are reported as missing, by number."""
    raws = frames(kit)
    put(kit, raws[:2] + raws[3:])
    with pytest.raises(verify.EntriesMissing) as error:
        check(kit)
    assert (error.value.facts["first"], error.value.facts["last"]) == (2, 2)


def test_reordering(kit: Kit) -> None:
    """Two entries that changed places are told from a hole."""
    raws = frames(kit)
    put(kit, [*raws[:2], raws[3], raws[2], raws[4]])
    with pytest.raises(verify.Reordered):
        check(kit)


def test_replay_of_an_old_entry(kit: Kit) -> None:
    """An entry that stands in the log a second time is found."""
    raws = frames(kit)
    put(kit, [*raws, raws[3]])
    with pytest.raises(verify.Replayed):
        check(kit)


def test_fork_by_a_copied_device(kit: Kit, tmp_path: Path) -> None:
    """Two histories signed by one device's key are a fork, not a hole."""
    raws = frames(kit)
    put(kit, raws[:3])
    kit.append("another truth")
    forked = frames(kit)[3]
    put(kit, [*raws, forked])
    with pytest.raises(verify.Forked):
        check(kit)


def test_entry_exchanged_for_a_forked_one(kit: Kit) -> None:
    """An entry of a fork in the place of the true one breaks the chain behind it."""
    raws = frames(kit)
    put(kit, raws[:3])
    kit.append("another truth")
    forked = frames(kit)[3]
    put(kit, [*raws[:3], forked, raws[4]])
    with pytest.raises(verify.ChainBroken):
        check(kit)


def test_entry_of_another_workspace(kit: Kit, tmp_path: Path) -> None:
    """An entry from a foreign workspace is not taken in."""
    other = Kit(tmp_path / "other")
    other.found()
    other.append("foreign")
    put(kit, [*frames(kit), frames(other)[1]])
    with pytest.raises(verify.ForeignEntry):
        check(kit)


def test_foreign_ledger_under_our_name(kit: Kit, tmp_path: Path) -> None:
    """A whole foreign ledger in the place of ours is refused."""
    other = Kit(tmp_path / "other")
    other.found()
    other.folder, other.workspace = other.folder, kit.workspace
    with pytest.raises((verify.ForeignEntry, verify.NoGenesis)):
        other.ledger().verify(now=other.now)


def test_entry_of_another_device_of_ours(kit: Kit) -> None:
    """A true entry of one device does not pass in another device's log."""
    everyday, identities = __import__("amparo.vault.keyring", fromlist=["x"]).new_rings()
    kit.found(kit.certify(everyday, identities, 2), everyday.signing)
    kit.ledger().verify(now=kit.now)
    second = kit.ledger().logs[everyday.device]
    second.entries.write_bytes(second.entries.read_bytes() + frame(frames(kit)[1]))
    with pytest.raises(verify.ForeignDevice):
        check(kit)


def test_device_without_a_certificate_of_the_root(kit: Kit, tmp_path: Path) -> None:
    """A device that nobody certified cannot add its log."""
    stranger = Kit(tmp_path / "stranger")
    everyday, identities = __import__("amparo.vault.keyring", fromlist=["x"]).new_rings()
    forged = __import__("amparo.vault.keyring", fromlist=["x"]).certify(
        everyday, identities, workspace=kit.workspace, number=2, issuer=kit.workspace, signer=stranger.root
    )
    kit.found(forged, everyday.signing)
    with pytest.raises(BadSignature):
        check(kit)


def test_device_certified_by_an_unknown_device(kit: Kit) -> None:
    """A chain of certificates that does not reach the root vouches for nobody."""
    keyring = __import__("amparo.vault.keyring", fromlist=["x"])
    everyday, identities = keyring.new_rings()
    ghost, _ = keyring.new_rings()
    forged = keyring.certify(everyday, identities, workspace=kit.workspace, number=2, issuer=ghost.device, signer=ghost.signing)
    kit.found(forged, everyday.signing)
    with pytest.raises(verify.UnknownDevice):
        check(kit)


def test_body_altered(kit: Kit) -> None:
    """A flipped bit in sealed content is found by its signed hash, with or without keys."""
    bodies = kit.log / "bodies"
    data = bytearray(bodies.read_bytes())
    data[-1] ^= 1
    bodies.write_bytes(data)
    with pytest.raises(BodyAltered):
        list(kit.ledger().check_bodies({}))
    with pytest.raises(SealBroken):
        kit.words()


def test_bodies_swapped_between_compartments(kit: Kit) -> None:
    """A part sealed for one compartment does not open in another, even if its key is offered there."""
    from amparo.ledger.entry import part_aad
    from amparo.vault.seal import open_part, seal_part

    aad = part_aad(kit.workspace, kit.everyday.device, 1, kit.key.compartment, 1, 0)
    swapped = part_aad(kit.workspace, kit.everyday.device, 1, kit.other.compartment, 1, 0)
    key, body = seal_part(b"a name", aad)
    assert open_part(key, body, aad, "it") == b"a name"
    with pytest.raises(SealBroken):
        open_part(key, body, swapped, "it")


def test_bodies_of_two_entries_swapped(kit: Kit) -> None:
    """Equal-sized bodies that changed places are found."""
    kit.append("aaaa", "bbbb")
    bodies = kit.log / "bodies"
    data = bodies.read_bytes()
    size = frames_sizes(kit)[-1]
    bodies.write_bytes(data[: -2 * size] + data[-size:] + data[-2 * size : -size])
    with pytest.raises(BodyAltered):
        check(kit)


def frames_sizes(kit: Kit) -> list[int]:
    return [part.size for raw in frames(kit) for part in decode(raw).header.parts]


def test_wrapped_keys_swapped(kit: Kit) -> None:
    """A wrapped key in another part's place does not meet the signed commitment."""
    wraps = kit.log / "wraps"
    data = wraps.read_bytes()
    wraps.write_bytes(data[:-80] + data[-40:] + data[-80:-40])
    with pytest.raises(WrapAltered):
        check(kit)


def test_body_removed_without_a_tombstone(kit: Kit) -> None:
    """Content that was made to vanish is missing, not erased."""
    wraps = kit.log / "wraps"
    wraps.write_bytes(wraps.read_bytes()[:-40] + bytes(40))
    with pytest.raises(BodyMissing):
        check(kit)


def test_erasure_leaves_the_signature_and_nothing_of_the_content(kit: Kit) -> None:
    """After an erasure every entry verifies, the part cannot be opened, and its bytes are gone."""
    before = frames(kit)
    ledger = kit.ledger()
    with ledger.writer(kit.everyday.device, kit.signing) as writer:
        assert writer.erase([Origin(1, 2, 0)], authority="data protection officer", now=kit.now) == 1
    assert frames(kit)[:5] == before
    assert kit.words() == ["one", "three", "four"]
    gone = [(placed.entry.header.seq, i) for placed, i, erased in kit.ledger().check_bodies(kit.keys) if erased]
    assert gone == [(2, 0)]
    kit.ledger().verify(now=kit.now)


def test_an_erasure_cut_by_a_power_failure_is_finished_later(kit: Kit) -> None:
    """A tombstone whose shredding never happened is enforced at the next opening."""
    saved = (kit.log / "wraps").read_bytes(), (kit.log / "bodies").read_bytes()
    ledger = kit.ledger()
    with ledger.writer(kit.everyday.device, kit.signing) as writer:
        writer.erase([Origin(1, 2, 0)], authority="officer", now=kit.now)
    for name, old in zip(("wraps", "bodies"), saved, strict=True):
        path = kit.log / name
        path.write_bytes(old + path.read_bytes()[len(old) :])
    assert "two" in kit.words()
    ledger = kit.ledger()
    with ledger.writer(kit.everyday.device, kit.signing) as writer:
        writer.enforce()
    assert kit.words() == ["one", "three", "four"]


def test_truncated_tail_is_found_by_a_checkpoint_kept_elsewhere(kit: Kit) -> None:
    """Without a checkpoint a cut end goes unseen; with one it is named."""
    seen = make_checkpoint(kit)
    raws = frames(kit)
    put(kit, raws[:-1])
    kit.ledger().verify(now=kit.now)
    with pytest.raises(verify.RolledBack):
        kit.ledger().verify(now=kit.now, checkpoint=seen)


def make_checkpoint(kit: Kit) -> checkpoint.Checkpoint:
    heads = kit.ledger().verify(now=kit.now).heads.values()
    made = checkpoint.make(kit.workspace, heads, signer=kit.everyday.device, key=kit.signing, now=kit.now)
    assert checkpoint.parse(made.text().lower()) == made
    return made


def test_rolled_back_copy_with_new_entries(kit: Kit) -> None:
    """An older copy that was written on differs from the checkpoint at the checkpoint's own entry."""
    seen = make_checkpoint(kit)
    put(kit, frames(kit)[:-1])
    kit.append("instead", "and more")
    with pytest.raises(verify.Diverged):
        kit.ledger().verify(now=kit.now, checkpoint=seen)


def test_checkpoint_forged(kit: Kit) -> None:
    """A checkpoint with another head does not carry our signature."""
    seen = make_checkpoint(kit)
    raw = seen.raw.replace(seen.heads[0].hash, bytes(32))
    with pytest.raises(checkpoint.CheckpointFalse):
        kit.ledger().verify(now=kit.now, checkpoint=checkpoint.decode(raw))


def test_change_behind_a_checkpoint_is_found_by_the_walk(kit: Kit) -> None:
    """The quick walk sees a changed entry although it checks no signature but the checkpoint's."""
    seen = make_checkpoint(kit)
    raws = frames(kit)
    raws[1] = raws[1][:-1] + bytes([raws[1][-1] ^ 1])
    put(kit, raws)
    with pytest.raises((BadSignature, verify.ChainBroken)):
        kit.ledger().verify(now=kit.now, checkpoint=seen)


def test_clock_skew_is_flagged_and_not_refused(kit: Kit) -> None:
    """An entry from the future verifies with a warning."""
    kit.now += 10**9
    kit.append("tomorrow")
    warnings = kit.ledger().verify(now=kit.now - 10**9).warnings
    assert [warning.kind for warning in warnings] == ["clock ahead"]


def test_log_shorter_than_the_views_remember(kit: Kit) -> None:
    """A log that lost entries this device has read is refused, and not written on."""
    end = kit.ledger().ends()[kit.everyday.device]
    put(kit, frames(kit)[:-1])
    with (
        pytest.raises(LogShort),
        kit.ledger().writer(kit.everyday.device, kit.signing, end),
    ):
        pass


def test_length_of_a_frame_damaged_is_not_a_torn_tail(kit: Kit) -> None:
    """A flipped length in the middle is damage; a writer must not cut off what lies behind it."""
    entries = kit.log / "entries"
    data = bytearray(entries.read_bytes())
    first = FRAME + frame_length(data, 0)
    data[first + 1] ^= 0x40
    entries.write_bytes(data)
    with pytest.raises(LogDamaged):
        kit.append("more")
    assert entries.read_bytes() == bytes(data)


def test_every_byte_of_a_small_log_flipped(kit: Kit) -> None:
    """No flipped byte in any file of the log passes unseen or ends in anything but one of our errors."""
    for name in ("entries", "bodies", "wraps"):
        path = kit.log / name
        honest = path.read_bytes()
        for at in range(len(honest)):
            path.write_bytes(honest[:at] + bytes([honest[at] ^ 0x55]) + honest[at + 1 :])
            with pytest.raises(AmparoError):
                check(kit)
        path.write_bytes(honest)
    check(kit)


def test_log_truncated_at_every_byte(kit: Kit) -> None:
    """A log cut at any byte still opens with the groups that are whole, or says what is wrong; it never crashes."""
    entries = kit.log / "entries"
    honest = entries.read_bytes()
    for size in range(len(honest)):
        entries.write_bytes(honest[:size])
        try:
            words = kit.words()
        except AmparoError:
            continue
        assert words == ["one", "two", "three", "four"][: len(words)]


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_fuzzed_entries_never_crash_the_parser(data: bytes) -> None:
    """Any bytes decode to an entry or raise one of our errors."""
    for raw in (data, bytes.fromhex("d28443a10132a0") + data):
        with pytest.raises(AmparoError):
            decode(raw)


def test_prev_lies_where_the_walk_looks_for_it(kit: Kit) -> None:
    """The fixed place of prev holds for small entries and for ones with many parts."""
    kit.append_group([f"w{n}" for n in range(900)])
    for raw in frames(kit):
        assert prev_of(raw) == decode(raw).header.prev


def test_not_canonical_encoding_of_a_true_payload(kit: Kit) -> None:
    """The same values in other bytes are refused before any signature is looked at."""
    raw = frames(kit)[1]
    longer = (
        raw.replace(b"\xa0\x59", b"\xb8\x00\x59", 1) if b"\xa0\x59" in raw else raw.replace(b"\xa0\x58", b"\xb8\x00\x58", 1)
    )
    with pytest.raises(NotCanonical):
        decode(longer)


Change = Callable[[list[bytes]], list[bytes]]
