"""Trusted time for the ledger's heads and for digital items: asked for off line, sent when on line or carried by file.

Invariants: what leaves is a salted digest, only to authorities the user named, only by ``send`` or as request files. A reply is
kept only after it has been verified against the request, the root and the certificates the user gave. Each reply is committed
by itself: whatever interrupts the rest, it is not asked for again.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Final

import cbor2

from amparo.app import care
from amparo.app import evidence as room
from amparo.app.session import Session, check_stop, now_ms
from amparo.evidence.time import headers, merkle, ots, queue, renewal, wire
from amparo.evidence.time.queue import OTS, RFC3161, SIGNERS, Authority, Book
from amparo.evidence.time.wire import Way
from amparo.kernel import cbor
from amparo.kernel.errors import AmparoError, BadInput, NotFound
from amparo.kernel.i18n import N_, _
from amparo.record.items import Custody, Item, Seal
from amparo.record.model import Row
from amparo.vault import timestamp
from amparo.vault.timestamp import Stamp, StampOfOtherData

_REPLY: Final = "application/timestamp-reply"
_QUERY: Final = "application/timestamp-query"
_CALENDAR: Final = {"Accept": "application/vnd.opentimestamps.v1"}
_LEAVES: Final = (1 << 15) - 2
_PROMISES: Final = 8
"""Promises of one proof that are followed up at a time: an honest calendar makes one."""
_DAY: Final = 86_400_000
_NAME: Final = re.compile(r"[\w.-]{1,40}")


class NoAuthority(NotFound):
    template = N_("No authority is known yet; add one with `amparo evidence authority NAME --url ADDRESS --certificates FILE`.")


class NoSuchAuthority(NotFound):
    template = N_("There is no authority “{name}” in this workspace; `amparo evidence authority` lists them.")


class BadName(BadInput):
    template = N_("“{name}” cannot be an authority's name; use up to 40 letters, digits, dots and hyphens.")


class NoReplies(NotFound):
    template = N_("There is no time-stamp reply (*.tsr) in {folder}.")


class CannotRead(BadInput):
    template = N_("{name} cannot be read ({why}).")


@dataclass(slots=True)
class Wanted:
    """What was queued: the new roots, how many items are under them, the names of the authorities."""

    roots: list[bytes]
    items: int
    authorities: list[str]


@dataclass(slots=True)
class Outcome:
    """What came of sending or reading replies: one line each."""

    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)


def book(session: Session) -> Book:
    """What was asked of whom and what came back."""
    return queue.read(Seal.from_row(row) for row in session.testimony.rows(Seal.TYPE, "a = ?", ("",)))


# -- authorities -------------------------------------------------------------------------------------------------------------


def set_authority(session: Session, name: str, kind: str, url: str, certificates: bytes = b"") -> list[str]:
    """Name an authority (RFC3161, with its chain as PEM or DER) or a calendar (OTS). Returns its certificates in words.

    Raises BadName, BadAddress, BadCertificates.
    """
    if not _NAME.fullmatch(name):
        raise BadName(name=name[:80])
    wire.check_address(url)
    given = timestamp.read_certificates(certificates, _("The chain of {name}").format(name=name)) if kind == RFC3161 else []
    row = Authority(name, kind, url, timestamp.as_pem(given)).row(now_ms())
    room.put_rows(session, [row])
    return timestamp.describe(given)


def trust_signers(session: Session, name: str, certificates: bytes) -> list[str]:
    """Trust the Content Credentials (C2PA) of those whose certificates lead to these. Raises BadName, BadCertificates."""
    if not _NAME.fullmatch(name):
        raise BadName(name=name[:80])
    given = timestamp.read_certificates(certificates, name, rooted=False)
    room.put_rows(session, [Authority(name, SIGNERS, "-", timestamp.as_pem(given)).row(now_ms())])
    return timestamp.describe(given)


def reader_options(session: Session) -> dict[str, str]:
    """What the reader of Content Credentials is told (evidence.readers.c2pa): the roots of trusted signers, as PEM."""
    pem = b"".join(one.certificates for one in book(session).signers)
    return {"c2pa_trust": pem.decode("ascii")} if pem else {}


def drop_authority(session: Session, name: str) -> None:
    """Ask it no more; its certificates stay, so that its stamps can still be verified. Raises NoSuchAuthority."""
    known = book(session).authorities.get(name)
    if known is None or not known.url:
        raise NoSuchAuthority(name=name)
    room.put_rows(session, [known._replace(url="").row(now_ms())])


# -- asking ------------------------------------------------------------------------------------------------------------------


def want(session: Session, handles: Iterable[str] = ()) -> Wanted:
    """Put the ledger's heads and items (those named, else all in no stamp yet) under new roots, wanted of every authority.

    One root holds up to 32,766 items, so that memory stays flat. Raises NoAuthority, NoSuchItem, and what verifying raises.
    """
    asked = book(session).active
    if not asked:
        raise NoAuthority
    named = [room.get(session, handle).handle for handle in handles] or _unstamped(session)
    wanted = Wanted([], len(named), [one.name for one in asked])
    checkpoint = care.checkpoint(session).raw
    for start in range(0, max(len(named), 1), _LEAVES):
        session.keep_alive()
        items = _items(session, named[start : start + _LEAVES])
        wanted.roots.append(_plant(session, asked, items, checkpoint if not start else b"", []))
    return wanted


def _unstamped(session: Session) -> list[str]:
    stamped = {seal.item for seal in _every_seal(session) if seal.kind == queue.MERKLE}
    return [item.handle for item in session.testimony.items() if item.handle not in stamped]


def _items(session: Session, handles: Iterable[str]) -> list[Item]:
    return [item for handle in handles if (item := session.testimony.item(handle))]


def _every_seal(session: Session) -> Iterator[Seal]:
    query = "SELECT row FROM rows WHERE type = ? AND current AND a <> ''"
    for (row,) in session.testimony.db.stream(query, (Seal.TYPE,)):
        yield Seal.from_row(cbor2.loads(row))


def _plant(
    session: Session, asked: list[Authority], items: list[Item], checkpoint: bytes, old: list[tuple[str, bytes]]
) -> bytes:
    """Write a root with all its proofs and what is wanted over it, in one change.

    ``checkpoint`` a signed one or b"", ``old`` (authority, evidence) of the stamps to renew.
    """
    leaves = [merkle.item_leaf(item.sha256, item.blake3, item.size) for item in items]
    leaves += [merkle.renewal_leaf(evidence) for _name, evidence in old]
    root, proofs = merkle.plant([*leaves, *([merkle.heads_leaf(checkpoint)] if checkpoint else [])])
    now, names = now_ms(), ", ".join(one.name for one in asked)
    detail = _("put into the time-stamp {root}, wanted of {names}").format(root=root.hex()[:16], names=names)

    def rows() -> Iterator[Row]:
        for item, proof in zip(items, proofs, strict=False):
            yield Seal(item.handle, queue.MERKLE, root, proof.packed(), now, "", _("in the tree that was stamped"))
        for item in items:
            yield Custody(item.handle, now, str(session.number), "timestamped", detail=detail)

    shared = [
        Seal("", queue.RENEWAL, root, cbor.encode([1, proof.packed(), evidence]), now, name)
        for (name, evidence), proof in zip(old, proofs[len(items) :], strict=False)
    ]
    if checkpoint:
        shared.append(Seal("", queue.HEADS, root, cbor.encode([1, proofs[-1].packed(), checkpoint]), now))
    for one in asked:
        data = timestamp.request(root) if one.kind == RFC3161 else os.urandom(16)
        shared.append(Seal("", queue.WANTED[one.kind], root, data, now, one.name))
    room.put_rows(session, chain(shared, rows()))
    return root


def send(session: Session, way: Way) -> Outcome:
    """Send what is wanted, and ask calendars for the blocks they promised. A failure holds up no other request."""
    outcome = Outcome()
    held = book(session)
    for authority, row in held.pending(RFC3161):
        check_stop()
        with _told(outcome, authority.name):
            asked = timestamp.read_request(row.data)
            reply = wire.exchange(
                authority.url, row.data, {"Content-Type": _QUERY, "Accept": _REPLY}, limit=timestamp.LIMIT, way=way
            )
            _keep(session, authority, row.digest, asked.nonce, reply, outcome)
    for calendar, row in held.pending(OTS):
        check_stop()
        with _told(outcome, calendar.name):
            tree = ots.Node(row.digest)
            node = ots.submit(tree, row.data)
            _ask_calendar(session, calendar, row.digest, tree, node, way)
            outcome.done.append(_("{name}: took it; the block of Bitcoin follows in some hours").format(name=calendar.name))
    _upgrade(session, held, way, outcome)
    return outcome


@contextmanager
def _told(outcome: Outcome, name: str) -> Iterator[None]:
    """Turns a failure into a line of the outcome, so that the next request is tried."""
    try:
        yield
    except AmparoError as error:
        outcome.failed.append(f"{name}: {error}")


def _keep(
    session: Session, authority: Authority, root: bytes, nonce: int | None, reply: bytes, outcome: Outcome, where: str = ""
) -> Stamp:
    """Verify a reply and keep it. Raises what timestamp.check raises."""
    place = where or _("The reply")
    certificates = timestamp.read_certificates(authority.certificates, authority.name)
    stamp = timestamp.check(timestamp.token_of(reply, place), root, certificates, nonce=nonce, where=place)
    note = _("time-stamp of {authority}").format(authority=stamp.authority)
    room.put_rows(session, [Seal("", RFC3161, root, reply, stamp.time, authority.name, note)])
    outcome.done.append(_("{name}: stamped at {time}").format(name=authority.name, time=shown(stamp.time)))
    if abs(stamp.time - now_ms()) > _DAY:
        outcome.failed.append(
            _("{name}: its time and this machine's clock, {time}, are more than a day apart; one of them is wrong").format(
                name=authority.name, time=shown(now_ms())
            )
        )
    return stamp


def _ask_calendar(session: Session, calendar: Authority, root: bytes, tree: ots.Node, node: ots.Node, way: Way) -> None:
    """Send a node's message to a calendar, join its answer, keep the proof over the root."""
    assert node.message is not None
    url = calendar.url.rstrip("/") + "/digest"
    answer = wire.exchange(url, node.message, _CALENDAR, limit=ots.LIMIT, way=way)
    node.join(ots.decode_tree(answer, node.message, wire.host_of(calendar.url)))
    _keep_proof(session, calendar, root, tree)


def _keep_proof(session: Session, calendar: Authority, root: bytes, tree: ots.Node) -> None:
    """Raises BadProof where the proof, as it has grown, could not be read again: what was held before stays."""
    note = _("OpenTimestamps proof of {name}").format(name=calendar.name)
    data = ots.Detached(0x08, tree).encode()
    ots.decode(data, calendar.name)
    room.put_rows(session, [Seal("", OTS, root, data, now_ms(), calendar.name, note)])


def _upgrade(session: Session, held: Book, way: Way, outcome: Outcome) -> None:
    """Ask each calendar for the rest of the proofs it promised; nowhere else, whatever address a proof names."""
    for (root, name), row in held.stamps.items():
        calendar = held.authorities.get(name)
        if row.kind != OTS or calendar is None or not calendar.url:
            continue
        with _told(outcome, name):
            _upgrade_proof(session, calendar, root, row, way, outcome)


def _upgrade_proof(session: Session, calendar: Authority, root: bytes, row: Seal, way: Way, outcome: Outcome) -> None:
    name = calendar.name
    proof = ots.decode(row.data, name)
    for node in ots.pending(proof.tree)[:_PROMISES]:
        assert node.message is not None
        check_stop()
        try:
            url = calendar.url.rstrip("/") + "/timestamp/" + node.message.hex()
            answer = wire.exchange(url, None, _CALENDAR, limit=ots.LIMIT, way=way)
            node.join(ots.decode_tree(answer, node.message, wire.host_of(calendar.url)))
        except wire.NotThere as error:
            outcome.waiting.append(f"{name}: {error}")
        else:
            _keep_proof(session, calendar, root, proof.tree)
            outcome.done.append(_("{name}: gave the rest of a proof").format(name=name))


# -- by file -----------------------------------------------------------------------------------------------------------------


def write_requests(session: Session, folder: Path) -> list[Path]:
    """Write what is wanted of authorities as .tsq files, for a machine that is on line. Raises what the disk raises."""
    session.disk.mkdir(folder)
    written = []
    for authority, row in book(session).pending(RFC3161):
        path = folder / f"{file_name(authority.name)}-{row.digest.hex()[:16]}.tsq"
        session.disk.atomic_write(path, row.data)
        written.append(path)
    return written


def read_replies(session: Session, folder: Path) -> Outcome:
    """Keep the .tsr files that answer what is wanted. One bad file holds up no other. Raises NoReplies."""
    paths = sorted(folder.glob("*.tsr"))
    if not paths:
        raise NoReplies(folder=str(folder))
    outcome = Outcome()
    for path in paths:
        with _told(outcome, path.name):
            _match(session, path, outcome)
    return outcome


def _match(session: Session, path: Path, outcome: Outcome) -> None:
    reply = read_file(path, timestamp.LIMIT)
    imprint = timestamp.imprint_of(timestamp.token_of(reply, path.name), path.name)
    open_requests = book(session).pending(RFC3161)
    fitting = [(one, row) for one, row in open_requests if hashlib.sha512(row.digest).digest() == imprint]
    if not fitting:
        raise StampOfOtherData
    for number, (authority, row) in enumerate(fitting, 1):
        try:
            _keep(session, authority, row.digest, timestamp.read_request(row.data).nonce, reply, outcome, path.name)
        except AmparoError:
            if number == len(fitting):
                raise
        else:
            return


def read_file(path: Path, limit: int) -> bytes:
    """A small file's bytes, at most ``limit`` + 1, which the format then refuses. Raises CannotRead."""
    try:
        with path.open("rb") as stream:
            return stream.read(limit + 1)
    except OSError as error:
        raise CannotRead(name=path.name, why=error.strerror or type(error).__name__) from None


def read_headers(session: Session, path: Path) -> list[headers.Block]:
    """Keep those Bitcoin headers from a file that the proofs name. Raises BadHeaders, CannotRead."""
    held = book(session)
    proofs = chain(
        (row.data for row in held.stamps.values() if row.kind == OTS),
        (seal.data for seal in _every_seal(session) if seal.kind == OTS),
    )
    wanted = {height for data in proofs for height in _heights(data)}
    try:
        with path.open("rb") as stream:
            found = headers.read(stream, wanted, path.name)
    except OSError as error:
        raise CannotRead(name=path.name, why=error.strerror or type(error).__name__) from None
    fresh = [block for height, block in sorted(found.items()) if held.blocks.get(height, (None, ""))[0] != block]
    rows = [Seal("", queue.BLOCK, b"", block.packed(), block.time * 1000, path.name) for block in fresh]
    if rows:
        room.put_rows(session, rows)
    return fresh


def _heights(data: bytes) -> list[int]:
    """The blocks that a stored proof names; none where it cannot be read, which ``proofs`` tells."""
    with suppress(ots.BadProof):
        return [end.height for _message, end in ots.decode(data).tree.ends() if end.height >= 0]
    return []


def import_proof(session: Session, handle: str, data: bytes, name: str) -> list[ots.Attestation]:
    """Keep somebody's .ots file about an item. Raises BadProof, OtherProof, NoSuchItem."""
    item = room.get(session, handle)
    proof = ots.decode(data, name)
    if proof.operation != 0x08 or proof.digest != item.sha256:
        raise ots.OtherProof(where=name, digest=proof.digest.hex())
    digest = hashlib.sha256(data).hexdigest()  # the file's name stays out: it may be a person's
    room.put_rows(session, [Seal(item.handle, OTS, item.sha256, data, now_ms(), "", _("imported from a file"))])
    room.note(session, [item.handle], "received", detail=_("OpenTimestamps proof, SHA-256 {digest}").format(digest=digest))
    return [end for _message, end in proof.tree.ends()]


# -- renewal -----------------------------------------------------------------------------------------------------------------


@dataclass(slots=True, frozen=True)
class Due:
    """A stamp that ends soon: ``at`` ms since 1970, ``why`` in words; ``evidence`` what a renewal is over."""

    root: bytes
    authority: str
    at: int
    why: str
    evidence: bytes


def due(session: Session, now: int = 0) -> list[Due]:
    """The stamps to be renewed: their end is near and no renewal of them is held or wanted yet. Soonest first.

    One that does not verify cannot be renewed; ``evidence_proofs.proofs`` tells of it.
    """
    held = book(session)
    renewed = held.renewed()
    moment = (now or now_ms()) + renewal.margin()
    found = []
    for (root, name), row in held.stamps.items():
        if row.kind != RFC3161:
            continue
        pem = held.certificates.get(name, b"")
        try:
            given = timestamp.read_certificates(pem, name)
            ends = renewal.end(timestamp.check(timestamp.token_of(row.data, name), root, given, where=name))
        except AmparoError:
            continue
        if ends.at <= moment and (root, name) not in renewed:
            found.append(Due(root, name, ends.at, ends.why, renewal.evidence(root, row.data, pem)))
    return sorted(found, key=lambda one: one.at)


def renew(session: Session) -> tuple[list[bytes], int]:
    """Want a new stamp over every stamp that is due, with its items' digests as well. Returns (roots, number renewed)."""
    asked = book(session).active
    if not asked:
        raise NoAuthority
    old = due(session)
    if not old:
        return [], 0
    roots: dict[bytes, list[tuple[str, bytes]]] = {}
    for one in old:
        roots.setdefault(one.root, []).append((one.authority, one.evidence))
    checkpoint, made = care.checkpoint(session).raw, []
    for root, evidence in roots.items():
        handles = [seal.item for seal in _every_seal(session) if seal.kind == queue.MERKLE and seal.digest == root]
        made.append(_plant(session, asked, _items(session, handles), checkpoint, evidence))
    return made, len(old)


def file_name(name: str) -> str:
    """An authority's name as part of a file's: one that came from another device may hold anything."""
    return re.sub(r"[^\w-]", "_", name)[:40] or "_"


def shown(ms: int) -> str:
    """A time for people, UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
