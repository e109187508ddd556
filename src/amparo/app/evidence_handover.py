"""Hand-over of items between workspaces, signed by both sides and written into the custody of both.

Invariants: the giver's custody holds the document's hash before the document leaves; the receiver signs only for files that
are here, bit for bit, and once for each; the receipt is kept with the custody that tells of it, so that a full disk or a power
cut loses neither; a receipt is taken once, and only for a document of this workspace that its custody knows. Words that leave
pass the gate, which also asks for the consents that the audience needs.
"""

import hashlib
import io
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from amparo.app import evidence as room
from amparo.app.evidence_exhibits import signer_firsts
from amparo.app.evidence_leaving import judge, log_rows
from amparo.app.naming import refuse_names
from amparo.app.session import Session, now_ms, require_folder
from amparo.evidence import handover
from amparo.evidence.bag import TargetExists
from amparo.evidence.exhibits import day_and_time
from amparo.evidence.handover import Document, Handed, Receipt, Signer
from amparo.kernel.errors import BadInput, NotFound, Unverified
from amparo.kernel.i18n import N_, _
from amparo.protect.gate import Override, Release
from amparo.record.items import Custody, Item

_RECEIPT: Final = "application/cbor"


class BadReceiver(BadInput):
    template = N_("“{text}” is no workspace's number; it has 32 hexadecimal digits, and `amparo evidence receive` shows it.")


class WrongReceiver(Unverified):
    template = N_(
        "The hand-over is for the workspace {wanted}, and this is {here}: only the receiver it names can accept it. Nothing "
        "was signed."
    )


class OwnDocument(BadInput):
    template = N_("This hand-over was written here: it is for the receiver to accept. Record the receipt they send back.")


class NotReceived(NotFound):
    template = N_(
        "{missing} of {all} items that are handed over are not here ({which}); take them in first (`amparo evidence import`), "
        "or sign for those that are here with --only-present."
    )


class AlreadyReceived(BadInput):
    template = N_("This hand-over was accepted here on {when} already, and its receipt was erased; it is not signed twice.")


class ReceiptNotOurs(Unverified):
    template = N_("The receipt answers a document that this workspace has not signed or has no custody entry of; not recorded.")


class ReceiptReplayed(Unverified):
    template = N_("A receipt for this hand-over is recorded already; this one is not recorded a second time.")


class CannotReadFile(BadInput):
    template = N_("{name} cannot be read ({why}).")


@dataclass(slots=True, frozen=True)
class Giving:
    """What the giver says: ``to`` in words, ``receiver`` a workspace's number or ""; ``audience`` asks for the consents."""

    to: str
    receiver: str = ""
    by: str = ""
    reason: str = ""
    authority: str = ""
    audience: str = "court"
    purpose: str = "prosecution"
    overrides: tuple[Override, ...] = ()


def hand_over(
    session: Session, items: Sequence[Item], giving: Giving, target: Path, *, today: date | None = None
) -> dict[str, Any]:
    """Write the signed document to ``target``. Needs the identities.

    Raises BadReceiver, Refused, NameInWords, TargetExists.
    """
    require_folder(target)
    if target.exists():
        raise TargetExists(path=str(target))
    receiver = _number(giving.receiver)
    words = {"receiver": giving.to, "name": giving.by, "reason": giving.reason, "authority": giving.authority}
    room.check_words(words)
    refuse_names(session, {**words, "name of the file": target.name})
    sources = frozenset(item.source for item in items)
    told = {person for source in sources for person in session.record.persons_of_source(source)}
    release = Release("hand-over", giving.purpose, giving.audience, sources, frozenset(told))
    report = judge(session, release, (), (), list(words.items()), giving.overrides, today)
    now = now_ms()
    document = Document(
        session.workspace, session.ring.device, now, os.urandom(16), giving.to, receiver, giving.by, giving.reason,
        giving.authority, tuple(Handed(item.handle, item.sha256, item.size, item.media_type) for item in items),
    )  # fmt: skip
    data = handover.make(_signer(session), document)
    detail = _("to {to}; document {hash}").format(to=giving.to, hash=hashlib.sha256(data).hexdigest())
    about = ", ".join(item.handle for item in items[:20])
    with session.change(access=True) as change:
        rows = log_rows(session, "hand over evidence", about, f"{giving.purpose}; {giving.audience}", report, now)
        change.put("record", "access@1", rows)
        for item in items:
            row = _custody(session, item.handle, now, "handed over", giving.by, giving.reason, giving.authority, detail)
            change.put("testimony", Custody.TYPE, [row.to_row()])
    session.disk.atomic_write(target, data)
    return {
        "demo": session.demo, "file": str(target), "items": [item.handle for item in items], "id": document.id.hex(),
        "workspace": session.workspace.hex(), "sha256": hashlib.sha256(data).hexdigest(), "gate": report.as_json(),
        "report": report.plain(),
    }  # fmt: skip


def read_file(path: Path) -> bytes:
    """A document's or receipt's bytes. Raises CannotReadFile."""
    try:
        with path.open("rb") as stream:
            return stream.read(handover.LIMIT + 1)
    except OSError as error:
        raise CannotReadFile(name=path.name, why=error.strerror or type(error).__name__) from None


def look(session: Session, path: Path) -> dict[str, Any]:
    """What a document says and which of its items are here; signs nothing. Raises NotAHandOver, HandOverForged."""
    document = handover.read_document(read_file(path), path.name)
    here = _here(session, document)
    return {
        "demo": session.demo, "from_workspace": document.workspace.hex(), "this_workspace": session.workspace.hex(),
        "receiver": document.receiver.hex(), "to": document.to, "by": document.by, "reason": document.reason,
        "authority": document.authority, "when": document.ms, "items": [item.handle for item in document.items],
        "here": sorted(handle for handles in here.values() for handle in handles),
        "missing": [item.handle for item in document.items if item.sha256 not in here],
    }  # fmt: skip


def receive(
    session: Session, path: Path, target: Path, *, by: str = "", reason: str = "", only_present: bool = False,
    today: date | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Accept a document: sign for its items that are here, write their custody, write the receipt to ``target``.

    Raises NotAHandOver, HandOverForged, WrongReceiver, AlreadyReceived, NotReceived, Refused, TargetExists.
    """
    require_folder(target)
    if target.exists():
        raise TargetExists(path=str(target))
    document = handover.read_document(read_file(path), path.name)
    if document.receiver and document.receiver != session.workspace:
        raise WrongReceiver(wanted=document.receiver.hex(), here=session.workspace.hex())
    if document.workspace == session.workspace:
        raise OwnDocument
    here = _here(session, document)
    missing = [item.handle for item in document.items if item.sha256 not in here]
    if missing and not (only_present and here):
        raise NotReceived(missing=len(missing), all=len(document.items), which=", ".join(missing[:10]))
    fresh = _unsigned(session, here, document)
    if not fresh:
        session.disk.atomic_write(target, _kept(session, here, document))
        return _receipt_told(session, target, here, missing, document)
    words = {"name": by, "reason": reason, "name of the file": target.name}
    room.check_words(words)
    refuse_names(session, words)
    judge(session, Release("receipt", "record", "coalition"), (), (), [("name", by)], (), today)
    now = now_ms()
    data = handover.accept(_signer(session), document, now=now, by=by, received=fresh)
    _enter(session, fresh, document, now, by, reason, data)
    session.disk.atomic_write(target, data)
    return _receipt_told(session, target, fresh, missing, document)


def _enter(
    session: Session, fresh: dict[bytes, list[str]], document: Document, now: int, by: str, reason: str, receipt: bytes
) -> None:
    """Access, custody of each item, and the receipt itself as an item: if its file is lost, it is written again, not signed."""
    own = [handle for handles in fresh.values() for handle in handles]
    detail = _("from {by}, workspace {workspace}; document {hash}").format(
        by=document.by or "?", workspace=document.workspace.hex(), hash=document.sha256.hex()
    )
    first = room.get(session, own[0])
    sealed = session.blobs().seal_file(io.BytesIO(receipt))
    with session.change(access=True) as change:
        device = session.ring.device.hex()[:8]
        change.put("record", "access@1", [[device, "receipt of hand-over", ", ".join(own[:20]), "record", now]])
        for handle in own:
            row = _custody(session, handle, now, "received", by, reason, document.authority, detail)
            change.put("testimony", Custody.TYPE, [row.to_row()])
        room.put_item(
            change, first.source, sealed, name=_name(document), media_type=_RECEIPT, parent=first.handle, relation="proof"
        )


def _name(document: Document) -> str:
    return f"receipt-{document.id.hex()}.cbor"


def _unsigned(session: Session, here: dict[bytes, list[str]], document: Document) -> dict[bytes, list[str]]:
    """Of what is here, the files that were not signed for yet."""
    return {
        sha256: handles
        for sha256, handles in here.items()
        if not any(_tells(event, "received", document, -1) for handle in handles for event in session.testimony.custody(handle))
    }


def _kept(session: Session, here: dict[bytes, list[str]], document: Document) -> bytes:
    """The receipt that was signed before. Raises AlreadyReceived where it was erased."""
    own = [handle for handles in here.values() for handle in handles]
    for handle in own:
        for child in session.testimony.children(handle):
            if child.relation == "proof" and child.name == _name(document):
                with room.read_quietly(session, child) as stream:
                    return stream.read()
    events = [event for handle in own for event in session.testimony.custody(handle)]
    raise AlreadyReceived(when=day_and_time(max(event.when for event in events if _tells(event, "received", document, -1))))


def _tells(event: Custody, action: str, document: Document, place: int) -> bool:
    """Whether an event is about this document. Its hash stands at ``place`` among the hashes: before it stand others' words."""
    hashes = re.findall("[0-9a-f]{64}", event.detail)
    return event.action == action and len(hashes) >= -place and hashes[place] == document.sha256.hex()


def _receipt_told(
    session: Session, target: Path, signed: dict[bytes, list[str]], missing: list[str], document: Document
) -> dict[str, Any]:
    own = [handle for handles in signed.values() for handle in handles]
    return {
        "demo": session.demo, "file": str(target), "items": own, "missing": missing, "id": document.id.hex(),
        "from_workspace": document.workspace.hex(), "this_workspace": session.workspace.hex(),
    }  # fmt: skip


def record_receipt(session: Session, path: Path) -> dict[str, Any]:
    """The giver keeps a receipt: in the custody of each item, and as an item of its own (a proof of the first one's source).

    Raises NotAHandOver, HandOverForged, WrongReceiver, ReceiptNotOurs, ReceiptReplayed.
    """
    data = read_file(path)
    receipt = handover.read_receipt(data, path.name)
    document = receipt.document
    if document.receiver and document.receiver != receipt.workspace:
        raise WrongReceiver(wanted=document.receiver.hex(), here=receipt.workspace.hex())
    items = _ours(session, receipt)
    mark = document.sha256.hex()
    for item in items:
        if any(_tells(event, "received", document, -2) for event in session.testimony.custody(item.handle)):
            raise ReceiptReplayed
    words = _("by {by} of {to}, workspace {workspace}; document {hash}; receipt {receipt}")
    detail = words.format(
        by=receipt.by or "?", to=document.to, workspace=receipt.workspace.hex(), hash=mark, receipt=receipt.sha256.hex()
    )
    now = now_ms()
    with session.change() as change:
        for item in items:
            row = _custody(session, item.handle, now, "received", receipt.by, document.reason, document.authority, detail)
            change.put("testimony", Custody.TYPE, [row.to_row()])
        sealed = session.blobs().seal_file(io.BytesIO(data))
        proof = room.put_item(
            change, items[0].source, sealed, name=_name(document), media_type=_RECEIPT, parent=items[0].handle, relation="proof"
        )
    missing = [one.handle for one in document.items if one.sha256 not in set(receipt.received)]
    return {
        "demo": session.demo, "items": [item.handle for item in items], "missing": missing, "proof": proof.handle,
        "by": receipt.by, "from_workspace": receipt.workspace.hex(), "when": receipt.ms, "id": document.id.hex(),
    }  # fmt: skip


def _ours(session: Session, receipt: Receipt) -> list[Item]:
    """The items of this workspace that a receipt is for. Raises ReceiptNotOurs."""
    document = receipt.document
    if document.workspace != session.workspace or document.device not in session.ledger.logs:
        raise ReceiptNotOurs
    received = set(receipt.received)
    items = []
    for one in document.items:
        item = session.testimony.item(one.handle)
        if one.sha256 not in received or item is None:
            continue
        given = any(_tells(event, "handed over", document, -1) for event in session.testimony.custody(one.handle))
        if item.sha256 != one.sha256 or not given:
            raise ReceiptNotOurs
        items.append(item)
    if not items:
        raise ReceiptNotOurs
    return items


def _here(session: Session, document: Document) -> dict[bytes, list[str]]:
    """SHA-256 -> our items that are this file, of those the document names."""
    found = {}
    for item in document.items:
        held = [one.handle for one in session.testimony.by_sha256(item.sha256) if one.size == item.size]
        if held:
            found[item.sha256] = held
    return found


def _number(text: str) -> bytes:
    """A workspace's number as it is written: 32 hexadecimal digits, spaces allowed. Raises BadReceiver."""
    digits = "".join(text.split()).lower()
    if digits and not re.fullmatch("[0-9a-f]{32}", digits):
        raise BadReceiver(text=text[:60])
    return bytes.fromhex(digits)


def _signer(session: Session) -> Signer:
    signing = session.ring.signing
    assert signing is not None
    return Signer(session.workspace, session.ring.device, signing, signer_firsts(session))


def _custody(
    session: Session, item: str, when: int, action: str, actor: str, reason: str, authority: str, detail: str
) -> Custody:
    return Custody(item, when, str(session.number), action, actor, reason, authority, detail)
