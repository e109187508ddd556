"""Conversations that are being written down: kept sealed on the disk until they are recorded or thrown away.

Invariants: no word of a draft is on the disk in the clear, and none is in a backup. A draft has a key of its own, wrapped under
the compartment ``testimony`` in a file that is written once: when a draft ends that file is overwritten first, and with it
goes every version of the draft the disk may still hold. Saving is atomic, and refuses to undo what another window saved.

    drafts/<id>.key      40 bytes: the draft's key, wrapped
    drafts/<id>.draft    [1, wrapped key of this version, sealed version]
    drafts/blobs/        recordings attached to drafts, sealed as in ``blobs``
"""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Final

import filelock

from amparo.app.session import Session, now_ms
from amparo.kernel import cbor
from amparo.kernel.errors import BadInput, Busy, NotCanonical, NotFound, Unverified
from amparo.kernel.i18n import N_
from amparo.ledger.ledger import WorkspaceBusy
from amparo.vault.blob_format import BlobMissing
from amparo.vault.blob_stages import Sealed
from amparo.vault.blobs import BlobStore
from amparo.vault.disk import translated
from amparo.vault.seal import SealBroken, Wrapper, open_part, seal_part

_ID: Final = re.compile(r"[0-9a-f]{16}", re.ASCII)
_MOST: Final = 200  # drafts at one time
_BYTES: Final = 8 << 20  # of one draft
_PATIENCE: Final = 60  # seconds
_WHAT: Final = "a draft"
_FORMAT: Final = 1


class NoSuchDraft(NotFound):
    template = N_("There is no such draft here; it was recorded or thrown away.")


class DraftDamaged(Unverified):
    template = N_("This draft does not open: its file was changed or cut short. Throw it away, and write it down again.")


class ChangedElsewhere(Busy):
    template = N_("This draft was saved in another window after you opened it here. Reload it there; nothing was overwritten.")


class TooManyDrafts(BadInput):
    template = N_("{most} drafts wait already; record or throw away some of them first.")


class DraftTooLong(BadInput):
    template = N_("The draft is longer than {most:,} bytes; record this part as one conversation and begin another.")


@dataclass(frozen=True, slots=True)
class Attached:
    """A recording: ``name`` as it came, the sealed file with its key, ``modified`` ms since 1970 or 0."""

    name: str
    sealed: Sealed
    modified: int = 0


@dataclass(slots=True)
class Draft:
    """``fields`` and ``claims`` as they were typed; ``chosen`` what was ticked. ``begun``, ``saved`` in ms since 1970;
    ``version`` counts savings from 1.
    """

    id: str
    person: str
    fields: dict[str, str] = field(default_factory=dict)
    chosen: dict[str, list[str]] = field(default_factory=dict)
    claims: list[dict[str, str]] = field(default_factory=list)
    attached: list[Attached] = field(default_factory=list)
    begun: int = 0
    saved: int = 0
    version: int = 0

    def pack(self) -> bytes:
        """Canonical bytes, to be sealed."""
        files = [[one.name, one.modified, *attrgetter("blob", "sha256", "size", "key", "blake3", "head")(one.sealed)]
                 for one in self.attached]  # fmt: skip
        return cbor.encode([self.person, self.fields, self.chosen, self.claims, files, self.begun, self.saved, self.version])

    @classmethod
    def unpack(cls, id: str, data: bytes) -> "Draft":
        person, fields, chosen, claims, files, begun, saved, version = cbor.decode(data)
        attached = [Attached(name, Sealed(*sealed), modified) for name, modified, *sealed in files]
        return cls(id, person, fields, chosen, claims, attached, begun, saved, version)


# -- reading ---------------------------------------------------------------------------------------------------------------


def read(session: Session, id: str) -> Draft:
    """One draft. Raises NoSuchDraft, DraftDamaged, CompartmentLocked."""
    if not _ID.fullmatch(id):
        raise NoSuchDraft
    try:
        key = _key(session, id)
        _format, wrapped, sealed = cbor.decode(session.disk.read(_path(session, id)))
        return Draft.unpack(id, open_part(key.unwrap(wrapped, _WHAT), sealed, _bound(id), _WHAT))
    except FileNotFoundError:
        raise NoSuchDraft from None
    except (SealBroken, NotCanonical, ValueError, TypeError):
        raise DraftDamaged from None


def listed(session: Session, person: str = "") -> tuple[list[Draft], list[str]]:
    """The drafts (of one person, if named), the last saved first; and the ids of those that do not open."""
    found, damaged = [], []
    for path in sorted(_folder(session).glob("*.draft"))[: 2 * _MOST]:
        try:
            found.append(read(session, path.stem))
        except DraftDamaged:
            damaged.append(path.stem)
        except NoSuchDraft:
            continue
    mine = [draft for draft in found if not person or draft.person == person]
    return sorted(mine, key=lambda draft: -draft.saved), damaged


# -- writing ---------------------------------------------------------------------------------------------------------------


def begin(session: Session, person: str) -> Draft:
    """A new draft about a person. Raises TooManyDrafts."""
    draft = Draft(secrets.token_hex(8), person, begun=now_ms())
    with _held(session):
        if len(list(_folder(session).glob("*.draft"))) >= _MOST:
            raise TooManyDrafts(most=_MOST)
        wrapped = session.key("testimony").wrapper.wrap(os.urandom(32))
        session.disk.atomic_write(_path(session, draft.id, "key"), wrapped)
        _write(session, draft)
    return draft


def save(session: Session, draft: Draft) -> Draft:
    """Save what was typed over ``draft.version``. Raises ChangedElsewhere, NoSuchDraft, DraftTooLong."""
    with _held(session):
        now = read(session, draft.id)
        if now.version != draft.version:
            raise ChangedElsewhere
        draft.attached, draft.person, draft.begun = now.attached, now.person, now.begun
        _write(session, draft)
    return draft


def attach(session: Session, id: str, recording: Attached, come_from: BlobStore) -> Draft:
    """Take over a recording that was sealed elsewhere in this workspace. Raises NoSuchDraft, DraftTooLong."""
    with _held(session):
        draft = read(session, id)
        draft.attached.append(recording)
        move(session, recording.sealed, come_from, _store(session))
        _write(session, draft)
    return draft


def detach(session: Session, id: str, number: int) -> Draft:
    """Throw one recording away (``number`` from 0): overwritten once no draft names it."""
    with _held(session):
        draft = read(session, id)
        gone = [draft.attached.pop(number)] if 0 <= number < len(draft.attached) else []
        _write(session, draft)
        for one in gone:
            _erase(session, one)
    return draft


def discard(session: Session, id: str) -> None:
    """Overwrite a draft and its recordings. Raises NoSuchDraft."""
    with _held(session):
        try:
            attached = read(session, id).attached
        except DraftDamaged:
            attached = []
        _end(session, id)
        for one in attached:
            _erase(session, one)


def forget(session: Session, person: str) -> int:
    """Overwrite every draft about a person who is erased. Returns how many there were."""
    found, _damaged = listed(session, person)
    for draft in found:
        discard(session, draft.id)
    return len(found)


@contextmanager
def taken(session: Session, id: str, version: int) -> Iterator[Draft]:
    """A draft while it is recorded: nobody saves it meanwhile, and it ends when the block does. An exception leaves it.

    Raises NoSuchDraft, ChangedElsewhere.
    """
    with _held(session):
        draft = read(session, id)
        if draft.version != version:
            raise ChangedElsewhere
        yield draft
        _end(session, id)


def hand_over(session: Session, one: Attached) -> None:
    """Move a draft's recording to where the sealed files of the record lie; nothing if it is there already."""
    move(session, one.sealed, _store(session), session.blobs())


def move(session: Session, sealed: Sealed, source: BlobStore, target: BlobStore) -> None:
    """Move a sealed file between two stores of this workspace; durable on return. Raises BlobMissing."""
    old, new = (store.place(sealed.blob, sealed.size)[0] for store in (source, target))
    if not old.exists():
        if not new.exists():
            raise BlobMissing(blob=sealed.blob)
        return
    session.disk.mkdir(new.parent)
    session.disk.rename(old, new)
    session.disk.fsync_dir(new.parent)
    session.disk.fsync_dir(old.parent)


# -- places ----------------------------------------------------------------------------------------------------------------


def _folder(session: Session) -> Path:
    return session.folder / "drafts"


def _path(session: Session, id: str, kind: str = "draft") -> Path:
    return _folder(session) / f"{id}.{kind}"


def _bound(id: str) -> bytes:
    return b"amparo/draft/1 " + id.encode()


def _key(session: Session, id: str) -> Wrapper:
    wrapped = session.disk.read(_path(session, id, "key"))
    return Wrapper(session.key("testimony").wrapper.unwrap(wrapped, _WHAT))


def _store(session: Session) -> BlobStore:
    return BlobStore(_folder(session) / "blobs", session.key("testimony").blob_id_key, session.disk)


@contextmanager
def _held(session: Session) -> Iterator[None]:
    """One writer of drafts at a time, in whichever process."""
    session.disk.mkdir(_folder(session))
    lock = filelock.FileLock(_folder(session) / "lock", timeout=_PATIENCE)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise WorkspaceBusy from None
    except OSError as error:
        with translated(_folder(session)):
            raise error from None
    try:
        yield
    finally:
        lock.release()


def _write(session: Session, draft: Draft) -> None:
    draft.version, draft.saved = draft.version + 1, now_ms()
    plain = draft.pack()
    if len(plain) > _BYTES:
        raise DraftTooLong(most=_BYTES)
    key, sealed = seal_part(plain, _bound(draft.id))
    session.disk.atomic_write(_path(session, draft.id), cbor.encode([_FORMAT, _key(session, draft.id).wrap(key), sealed]))


def _end(session: Session, id: str) -> None:
    session.disk.shred(_path(session, id, "key"))
    for path in (_path(session, id), _folder(session) / f".{id}.draft.tmp"):
        session.disk.shred(path)


def _erase(session: Session, one: Attached) -> None:
    """Overwrite a recording that no item owns, wherever an interrupted recording of the interview left it."""
    owned = any(item.blob == one.sealed.blob for item in session.testimony.by_sha256(one.sealed.sha256))
    for store in (_store(session), *(() if owned else (session.blobs(),))):
        store.erase(one.sealed.blob)
