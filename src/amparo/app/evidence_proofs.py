"""What proves an item's age and origin, told in plain words and verified again each time it is asked.

Invariants: a proof counts only if all of it verifies now: the item's bytes as they are read, its path in the tree, the stamp
over the root, and that the stamp has not aged without renewal. Two bounds are told, never a date: *after*, because the entry
that sealed the item follows in the signed chain upon a stamp that nobody could know before its time; *before*, because a stamp
covers it. Both hold even if this device's clock and owner lie. What the device's clock says is told apart from them.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import cbor2
from blake3 import blake3

from amparo.app import evidence as room
from amparo.app.evidence_time import book, file_name, shown
from amparo.app.session import Session, now_ms
from amparo.evidence.time import merkle, ots, queue, renewal
from amparo.evidence.time.queue import OTS, RFC3161, Book
from amparo.kernel import cbor
from amparo.kernel.errors import AmparoError, Unverified
from amparo.kernel.i18n import N_, _
from amparo.record.items import Fact, Item, Seal
from amparo.vault import timestamp
from amparo.vault.timestamp import Stamp

_TWO_HOURS: Final = 7_200_000
"""How far the time in a Bitcoin header may be off (its rule on the network's median time, rounded up)."""
_FAR: Final = 253_370_764_800_000
"""The year 9999, in ms: no end is announced."""
PROVENANCE: Final = "provenance"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_HOW: Final = """Proofs of time for {item} (SHA-256 {sha256})

Each line can be run by anybody, with OpenSSL and the OpenTimestamps client, without Amparo:

{commands}
{path}
"""
_PATH: Final = """
How {item} leads to a root: {json} holds, for each root, the salt, the place and the sibling hashes. The leaf is
SHA-256 of the byte 00, "amparo/stamp/item/1", the salt, the file's SHA-256, its BLAKE3 and its size in 8 bytes
(big-endian); then SHA-256 of the byte 01, left, right at each level, as in RFC 9162, section 2.1.3.2.
"""


class NotTheItem(Unverified):
    template = N_("The sealed file of {item} is not the one its entry describes; run `amparo evidence verify`.")


@dataclass(slots=True, frozen=True)
class Proof:
    """One proof: ``kind`` rfc3161, opentimestamps; ``holds`` verified now; ``before`` ms since 1970 or 0; words for people."""

    kind: str
    holds: bool
    authority: str
    before: int
    sentence: str


@dataclass(slots=True)
class Told:
    """All that is known of an item's age and origin; ``after`` and ``before`` ms since 1970, 0 unknown."""

    item: Item
    proofs: list[Proof] = field(default_factory=list)
    after: int = 0
    before: int = 0
    bracket: list[str] = field(default_factory=list)
    provenance: list[dict[str, Any]] = field(default_factory=list)


def proofs(session: Session, handle: str, now: int = 0) -> Told:
    """Read the item again and verify every proof of it, as of ``now`` (ms; this moment).

    Raises NoSuchItem, NotTheItem and what reading a blob raises.
    """
    item, now = room.get(session, handle), now or now_ms()
    _read_again(session, item)
    told, held = Told(item), book(session)
    for seal in session.testimony.seals(item.handle):
        if seal.kind == queue.MERKLE:
            told.proofs += _under_root(held, item, seal, now)
        elif seal.kind == OTS:
            told.proofs.append(_opentimestamps(held, seal, item.sha256, seal.note))
    told.before = min((one.before for one in told.proofs if one.holds and one.before), default=0)
    told.after, by = _after(session, held, item)
    told.bracket = _bracket(told, by)
    told.provenance = [*provenance(session, item), *_named_in(session, item)]
    return told


def _read_again(session: Session, item: Item) -> None:
    sha256, second = hashlib.sha256(), blake3()
    with room.open_item(session, item, action="verified", reason="evidence proofs") as stream:
        while chunk := stream.read(1 << 20):
            session.keep_alive()
            sha256.update(chunk)
            second.update(chunk)
    if (sha256.digest(), second.digest()) != (item.sha256, item.blake3):
        raise NotTheItem(item=item.handle)


# -- where it came from ------------------------------------------------------------------------------------------------------


def provenance(session: Session, item: Item) -> Iterator[dict[str, Any]]:
    """What readers found of the item's origin; facts marked sensitive (device, network, place) stay where they are."""
    for fact in session.testimony.facts(item.handle):
        if fact.kind != PROVENANCE:
            continue
        data = json.loads(fact.data)
        if not isinstance(data, dict) or (data.get("sensitive") and "sentences" not in data):
            continue
        said = data.get("sentences")
        sentences = [one for one in said if isinstance(one, str)] if isinstance(said, list) else []
        yield {**data, "reader": fact.reader, "sentences": [*sentences, *_hashes_told(session, data.get("hashes"))]}


def _hashes_told(session: Session, hashes: Any) -> Iterator[str]:
    """Whether the files whose hashes a log names are here. What a reader says may have any form: a hostile file made it."""
    for one in hashes if isinstance(hashes, list) else []:
        digest, name = (str(one.get(field, "")) for field in ("digest", "file")) if isinstance(one, dict) else ("", "")
        name = name or digest[:16]
        found = session.testimony.by_sha256(bytes.fromhex(digest)) if _SHA256.fullmatch(digest) else []
        if found:
            yield _("The hash it gives for {name} is that of {list}.").format(
                name=name, list=", ".join(other.handle for other in found)
            )
        else:
            yield _("No item here has the hash it gives for {name}: changed, or not handed over.").format(name=name)


def _named_in(session: Session, item: Item) -> Iterator[dict[str, Any]]:
    """The logs and bundles of other items that name this very file by its SHA-256."""
    query = "SELECT row FROM rows WHERE type = ? AND current AND id LIKE '%/' || ? || '/%'"
    for (row,) in session.testimony.db.stream(query, (Fact.TYPE, PROVENANCE)):
        fact = Fact.from_row(cbor2.loads(row))
        if fact.item == item.handle or item.sha256.hex() not in fact.data:
            continue
        scheme = str(json.loads(fact.data).get("scheme", ""))
        words = _("{other} ({scheme}) names this very file by its hash; see `amparo evidence proofs {other}`.")
        yield {
            "reader": fact.reader, "scheme": scheme, "item": fact.item, "sensitive": False,
            "sentences": [words.format(other=fact.item, scheme=scheme)],
        }  # fmt: skip


# -- each proof --------------------------------------------------------------------------------------------------------------


def _under_root(held: Book, item: Item, seal: Seal, now: int) -> Iterator[Proof]:
    """The stamps over the root that the item's leaf leads to."""
    try:
        proof = merkle.Proof.unpack(seal.data)
        if proof.root(merkle.item_leaf(item.sha256, item.blake3, item.size, proof.salt)) != seal.digest:
            raise merkle.ProofWrong
    except AmparoError as error:
        yield Proof(queue.MERKLE, False, "", 0, str(error))
        return
    for row in held.over(seal.digest, RFC3161):
        yield _rfc3161(held, row, now)
    for row in held.over(seal.digest, OTS):
        yield _opentimestamps(held, row, seal.digest, row.authority)
    for (root, name), row in held.wanted.items():
        if root == seal.digest and (root, name) not in held.stamps:
            yield Proof(row.kind, False, name, 0, _("Wanted of {name}, not there yet.").format(name=name))


def _rfc3161(held: Book, row: Seal, now: int) -> Proof:
    try:
        stamp = _stamp(held, row)
    except AmparoError as error:
        return Proof(RFC3161, False, row.authority, 0, _("{name}: {why}").format(name=row.authority, why=error))
    accuracy = "" if stamp.accuracy is None else _(" (± {seconds:g} s)").format(seconds=stamp.accuracy / 1000)
    stands, standing = _standing(held, row, renewal.end(stamp), now)
    sentence = _(
        "{authority} stamped it at {time}{accuracy}: it existed then, bit for bit as it is now. Checked: the signature, its "
        "certificates at that time up to the root you gave, and that the stamp is over this item. {standing}"
    ).format(authority=stamp.authority, time=shown(stamp.time), accuracy=accuracy, standing=standing)
    return Proof(RFC3161, stands, row.authority, stamp.time + (stamp.accuracy or 0), sentence)


def _stamp(held: Book, row: Seal) -> Stamp:
    """Verify a stored reply; against the request's nonce where the request is known."""
    wanted = held.wanted.get((row.digest, row.authority))
    nonce = timestamp.read_request(wanted.data).nonce if wanted is not None else None
    certificates = timestamp.read_certificates(held.certificates.get(row.authority, b""), row.authority)
    return timestamp.check(timestamp.token_of(row.data), row.digest, certificates, nonce=nonce, where=row.authority)


def _standing(held: Book, row: Seal, ends: renewal.End, now: int) -> tuple[bool, str]:
    """Whether the stamp can still be relied on, alone or by a renewal, and why."""
    later = []
    for one in held.renewals:
        if one.authority == row.authority and _renews(one, row):
            for new in held.over(one.root, RFC3161):
                with suppress(AmparoError):
                    later.append((_stamp(held, new), new))
    for stamp, new in sorted(later, key=lambda pair: pair[0].time):
        if stamp.time < ends.at and _standing(held, new, renewal.end(stamp), now)[0]:
            words = _("It was renewed at {time} by {name}, before it could age.")
            return True, words.format(time=shown(stamp.time), name=new.authority)
    if ends.at > _FAR:
        return True, ""
    if ends.at > now:
        return True, _("It stands alone until {time}: {why}; renew it before.").format(time=shown(ends.at), why=ends.why)
    words = _("But {why} ({time}) and no earlier renewal vouches for it: whoever got hold of its key since could have made it.")
    return False, words.format(time=shown(ends.at) if ends.at else "?", why=ends.why)


def _renews(one: queue.Renewed, row: Seal) -> bool:
    """Whether a renewal's evidence is this stamp, and is in the tree of the new root."""
    try:
        root, reply, _certificates = renewal.read_evidence(one.evidence)
        proof = merkle.Proof.unpack(one.proof)
        leaf = merkle.renewal_leaf(one.evidence, proof.salt)
        return root == row.digest and reply == row.data and proof.root(leaf) == one.root
    except AmparoError:
        return False


def _opentimestamps(held: Book, row: Seal, digest: bytes, name: str) -> Proof:
    """The best that an OpenTimestamps proof shows: a block whose header is given, one that is not, or a promise."""
    try:
        proof = ots.decode(row.data, name)
    except AmparoError as error:
        return Proof(OTS, False, row.authority, 0, str(error))
    if proof.digest != digest:
        return Proof(OTS, False, row.authority, 0, _("{name}: the proof is over something else.").format(name=name))
    blocks = sorted((end.height, message) for message, end in proof.tree.ends() if end.height >= 0 and message is not None)
    told = [_block(held, height, message, row.authority, name) for height, message in blocks]
    for one in told:
        if one.holds:
            return one
    if told:
        return told[0]
    promises = sorted({end.calendar for _message, end in proof.tree.ends() if end.calendar})
    sentence = _("{name}: {calendars} promised to put it into Bitcoin; that proves nothing yet.")
    return Proof(OTS, False, row.authority, 0, sentence.format(name=name, calendars=", ".join(promises) or "?"))


def _block(held: Book, height: int, message: bytes, authority: str, name: str) -> Proof:
    if height not in held.blocks:
        sentence = _("{name}: it names Bitcoin block {height:,}; give its header with --headers FILE to check it off line.")
        return Proof(OTS, False, authority, 0, sentence.format(name=name, height=height))
    block, source = held.blocks[height]
    if block.root != message:
        sentence = _(
            "{name}: it does not lead to Bitcoin block {height:,} as {source} gives it: the proof or that file is wrong."
        )
        return Proof(OTS, False, authority, 0, sentence.format(name=name, height=height, source=source))
    sentence = _(
        "Bitcoin block {height:,} ({hash}), whose header says {time}, commits to it: it existed by then (within two hours), "
        "bit for bit as it is now. The header is as {source} gives it: compare the block's hash with any copy of the chain."
    ).format(height=height, hash=block.hash or _("hash not given"), time=shown(block.time * 1000), source=source)
    return Proof(OTS, True, authority, block.time * 1000 + _TWO_HOURS, sentence)


# -- the bracket -------------------------------------------------------------------------------------------------------------


def _after(session: Session, held: Book, item: Item) -> tuple[int, str]:
    """(time, authority) of the latest verified stamp that the signed chain shows to be older than the item's entry."""
    database = session.testimony.db
    placed = "SELECT p.device, p.seq, r.row FROM rows r JOIN parts p ON p.id = r.part WHERE r.type = ? AND r.current AND r."
    [(device, seq, _row)] = database.execute(placed + "id = ?", (Item.TYPE, item.handle))
    seen = _seen(session, device, seq)
    earlier = []
    for number, place, row in database.execute(placed + "a = ''", (Seal.TYPE,)):
        if place <= seen.get(number, -1):
            seal = Seal.from_row(cbor.decode(row))
            if seal.kind == RFC3161:
                earlier.append(seal)
    for seal in sorted(earlier, key=lambda one: one.when, reverse=True):
        try:
            stamp = _stamp(held, seal)
        except AmparoError:
            continue
        return stamp.time - (stamp.accuracy or 0), seal.authority
    return 0, ""


def _seen(session: Session, number: int, seq: int) -> dict[int, int]:
    """Device -> the last entry of its log that entry ``seq`` of device ``number`` provably follows upon."""
    seen = {number: seq - 1}
    numbers = session.ledger.numbers()
    if len(numbers) == 1:
        return seen
    [device] = [one for one, known in numbers.items() if known == number]
    for placed in session.ledger.logs[device].placed():
        header = placed.entry.header
        if header.seq > seq:
            break
        for dep in header.deps:
            other = numbers.get(dep.device, 0)
            seen[other] = max(seen.get(other, -1), dep.seq)
    return seen


def _bracket(told: Told, by: str) -> list[str]:
    clock = _("This device's clock, which nobody vouches for, says it was sealed at {time}.").format(
        time=shown(told.item.added)
    )
    lines = [clock]
    if told.after:
        text = _("It was sealed here after {time}: its entry follows, in the signed chain, upon a stamp of {name}.")
        lines.append(text.format(time=shown(told.after), name=by))
    else:
        lines.append(
            _("No stamp stands before its entry in the signed chain, so nothing shows after which time it was sealed.")
        )
    if told.before:
        lines.append(_("It existed before {time}, by the earliest proof that holds.").format(time=shown(told.before)))
    else:
        lines.append(_("No proof that holds shows before which time it existed; `amparo evidence timestamp` asks for one."))
    lines.append(_("None of this shows when the file was made, by whom, or whether what it shows is true."))
    return lines


# -- for others --------------------------------------------------------------------------------------------------------------


def proof_files(session: Session, item: Item) -> dict[str, bytes]:
    """File name -> bytes: every proof of an item in the forms of openssl and ots, and how to check them without Amparo."""
    held, commands, steps = book(session), [], []
    files: dict[str, bytes] = {}
    joined: ots.Detached | None = None
    for seal in session.testimony.seals(item.handle):
        if seal.kind == OTS:
            joined = _join(joined, ots.decode(seal.data))
        if seal.kind != queue.MERKLE:
            continue
        proof, mark = merkle.Proof.unpack(seal.data), seal.digest.hex()[:16]
        steps.append({
            "root": seal.digest.hex(), "salt": proof.salt.hex(), "index": proof.index, "leaves": proof.leaves,
            "path": [one.hex() for one in proof.path],
        })  # fmt: skip
        leaf = merkle.item_leaf(item.sha256, item.blake3, item.size, proof.salt)
        for row in held.over(seal.digest, OTS):
            joined = _join(joined, ots.for_item(item.sha256, leaf, proof, ots.decode(row.data).tree))
        for row in held.over(seal.digest, RFC3161):
            name, pem = f"{file_name(row.authority)}-{mark}.tsr", f"{file_name(row.authority)}.pem"
            files |= {name: row.data, pem: held.certificates.get(row.authority, b""), f"root-{mark}.bin": seal.digest}
            commands.append(f"openssl ts -verify -data root-{mark}.bin -in {name} -CAfile {pem} -attime {row.when // 1000}")
    if joined is not None:
        files[f"{item.handle}.ots"] = joined.encode()
        commands.append(f"ots verify -d {item.sha256.hex()} {item.handle}.ots")
    path = ""
    if steps:
        name = f"{item.handle}-proof.json"
        leaf_of = {"item": item.handle, "sha256": item.sha256.hex(), "blake3": item.blake3.hex(), "size": item.size}
        files[name] = json.dumps({**leaf_of, "proofs": steps}, indent=1).encode()
        path = _PATH.format(item=item.handle, json=name)
    if files:
        words = _HOW.format(item=item.handle, sha256=item.sha256.hex(), commands="\n".join(commands), path=path)
        files[f"{item.handle}-how-to-verify.txt"] = words.encode()
    return files


def _join(one: ots.Detached | None, other: ots.Detached) -> ots.Detached:
    if one is None:
        return other
    one.tree.join(other.tree)
    return one
