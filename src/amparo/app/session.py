"""An open workspace: its ledger, the compartment keys that were asked for, and the views over them.

Only the compartments a task names are opened: a session without ``identities`` holds no sealed name in memory. Every write
is one ``Change``, committed to the ledger first; views then catch up by replay, so no view ever holds what the ledger does
not.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol, Self

from amparo.app.viewbuild import Builder
from amparo.app.viewfiles import ViewFiles
from amparo.kernel import cbor, ids
from amparo.kernel.errors import BadInput, DiskRefused, Locked, NotFound
from amparo.kernel.i18n import N_
from amparo.ledger.entry import ACCESS, Clock
from amparo.ledger.group import Group
from amparo.ledger.ledger import TOMBSTONE, Ledger, Origin
from amparo.ledger.log import Position
from amparo.record.identity import IdentityView
from amparo.record.testimony import TestimonyView
from amparo.record.view import RecordView
from amparo.vault.blobs import BlobStore
from amparo.vault.database import BadQuery, ViewUnreadable
from amparo.vault.disk import Disk
from amparo.vault.keyring import COMPARTMENTS, EVERYDAY, Ring, open_grant
from amparo.vault.seal import CompartmentKey

FORMAT: Final = 1


class NotAWorkspace(NotFound):
    template = N_("There is no Amparo workspace in {folder}; make one with `amparo init {folder}`.")


class NewerFormat(BadInput):
    template = N_("The workspace in {folder} was made by a newer Amparo (format {format}); update this program to open it.")


class CompartmentLocked(Locked):
    template = N_("The compartment “{name}” is locked; unlock it with `amparo unlock{option}` and try again.")


class DoneButNotShown(DiskRefused):
    template = N_(
        "It is done and safe in the ledger, so do not do it again; but the disk refused to write the view of it ({why}). Free "
        "some space or make the folder writable; the next verb shows it."
    )


@contextmanager
def _done_already() -> Iterator[None]:
    """What fails in here fails after the ledger took the change. Raises DoneButNotShown."""
    try:
        yield
    except DiskRefused as error:
        raise DoneButNotShown(why=str(error)) from None


class NoFolder(NotFound):
    template = N_("The folder {folder} is not there (was a stick pulled out?); make it or name another. Nothing was written.")


def require_folder(target: Path) -> None:
    """What is to leave for a stick must not land on the laptop's disk because the stick is gone. Raises NoFolder."""
    if not target.absolute().parent.is_dir():
        raise NoFolder(folder=str(target.absolute().parent))


class View(Protocol):
    """What a session asks of each compartment's view."""

    def apply(self, origin: Any, kind: str, rows: list[list[Any]]) -> None: ...
    def erase(self, origin: Any) -> None: ...


stop_asked: Final = threading.Event()
"""Set by a surface when the user asks to stop."""
looking: Final = threading.Event()
"""Set while long work looks at ``stop_asked`` itself: a KeyboardInterrupt raised then may be swallowed by a library in C."""


@contextmanager
def stops_when_asked() -> Iterator[None]:
    """Long work that calls ``check_stop`` often."""
    looking.set()
    try:
        yield
    finally:
        looking.clear()


def check_stop() -> None:
    """Raises KeyboardInterrupt if the user asked to stop."""
    if stop_asked.is_set():
        raise KeyboardInterrupt


def now_ms() -> int:
    """This device's clock: ms since 1970 UTC."""
    return time.time_ns() // 1_000_000


def read_marker(folder: Path) -> bytes:
    """The workspace id in ``folder``. Raises NotAWorkspace, NewerFormat."""
    try:
        marker = json.loads((folder / "amparo.json").read_text("utf-8"))
        workspace, version = bytes.fromhex(marker["workspace"]), int(marker["format"])
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        raise NotAWorkspace(folder=str(folder)) from None
    if version > FORMAT:
        raise NewerFormat(folder=str(folder), format=version)
    return workspace


class Session:
    """Made by ``app.opening``; ``with`` closes its databases."""

    def __init__(
        self, folder: Path, rings: Iterable[Ring], *, disk: Disk | None = None, on_close: Callable[[], None] | None = None,
        keep_alive: Callable[[], object] | None = None,
    ) -> None:  # fmt: skip
        """Open the compartments that ``rings`` were granted; ``keep_alive`` is called now and then during long work.

        Raises NotAWorkspace and what the ledger raises.
        """
        self.folder, self.disk = folder, disk or Disk()
        self._on_close, self._touch = on_close, keep_alive or (lambda: None)
        self.workspace = read_marker(folder)
        self.ledger = Ledger(folder / "ledger", self.workspace, self.disk)
        self.rings = {ring.name: ring for ring in rings}
        self.keys: dict[str, CompartmentKey] = {}
        for ring in self.rings.values():
            for row in self.ledger.founding_rows("grant@1", ring.device):
                key = open_grant(row, ring)
                if key is not None and COMPARTMENTS.get(key.name) == ring.name and key.name not in self.keys:
                    self.keys[key.name] = key
        self.files = ViewFiles(folder / "views", self.disk)
        self._views: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self.keys, self.rings = {}, {}
        if self._on_close:
            self._on_close()

    def keep_alive(self) -> None:
        """Called now and then in long work: the keys are still in use, and the user may have asked to stop."""
        check_stop()
        self._touch()

    def close(self) -> None:
        """Close the views."""
        for view in self._views.values():
            view.db.close()
        self._views = {}

    @property
    def demo(self) -> bool:
        """True if the workspace's first signed entry says that it is a demonstration."""
        return self.ledger.demo

    @property
    def ring(self) -> Ring:
        """This device's everyday ring, which signs."""
        if EVERYDAY not in self.rings:
            raise CompartmentLocked(name="record", option="")
        return self.rings[EVERYDAY]

    @property
    def number(self) -> int:
        """This device's number."""
        return self.ledger.numbers()[self.ring.device]

    def key(self, name: str) -> CompartmentKey:
        """A compartment's key. Raises CompartmentLocked."""
        if name not in self.keys:
            raise CompartmentLocked(name=name, option=" --identities" if COMPARTMENTS.get(name) != EVERYDAY else "")
        return self.keys[name]

    def blobs(self, name: str = "testimony") -> BlobStore:
        """The store of sealed files of a compartment."""
        return BlobStore(self.folder / "blobs", self.key(name).blob_id_key)

    # -- views ---------------------------------------------------------------------------------------------------------

    @property
    def record(self) -> RecordView:
        """The view of the compartment ``record``."""
        return self._view("record", RecordView)  # type: ignore[no-any-return]

    @property
    def testimony(self) -> TestimonyView:
        """The view of the compartment ``testimony``."""
        return self._view("testimony", TestimonyView)  # type: ignore[no-any-return]

    @property
    def identities(self) -> IdentityView:
        """The view of the compartment ``identities``: the only place with names. Raises CompartmentLocked."""
        return self._view("identities", IdentityView)  # type: ignore[no-any-return]

    def _view(self, name: str, make: Callable[[Any], Any]) -> Any:
        if name not in self._views:
            key = self.key(name)
            with self.files.locked():
                try:
                    view = make(self.files.open(key))
                except ViewUnreadable:  # cut off while it was built; the ledger has all of it
                    view = make(self.files.renew(key))
                self._views[name] = view
                self._catch_up(name, key, make)
        return self._views[name]

    def _catch_up(self, name: str, key: CompartmentKey, make: Callable[[Any], Any]) -> None:
        """Bring a view up to the ledger's ends; from nothing where entries arrived that are older than what it holds."""
        view = self._views[name]
        since = {device: Position.unpack(cbor.decode(packed)) for device, packed in view.positions().items()}
        ends = self.ledger.ends(since)
        if since == ends:
            return
        latest = max((position.clock for position in since.values()), default=Clock(0, 0))
        late = any(
            next(self.ledger.logs[device].placed(since.get(device, Position()))).entry.header.clock < latest
            for device, end in ends.items()
            if end != since.get(device, Position())
        )
        if since and late:
            view.db.close()
            view = self._views[name] = make(self.files.renew(key))
            since = {}
        self._replay_into(view, key, since, ends)

    def _replay_into(self, view: Any, key: CompartmentKey, since: dict[bytes, Position], ends: dict[bytes, Position]) -> None:
        numbers = self.ledger.numbers()
        with view.bulk():
            for count, replayed in enumerate(self.ledger.replay({(key.compartment, key.epoch): key}, since, ends)):
                if count % 5000 == 0:
                    self.keep_alive()
                if replayed.type == TOMBSTONE:
                    for device, seq, part, *_ in replayed.rows:
                        view.erase(Origin(numbers.get(device, 0), seq, part))
                elif replayed.header.compartment == key.compartment:
                    view.apply(replayed.origin, replayed.type, replayed.rows)
            view.set_positions({device: cbor.encode(end.pack()) for device, end in ends.items()})

    def remembered(self) -> dict[bytes, Position]:
        """Device -> how far the record's view has read its log; nothing where no view can be read."""
        try:
            if "record" in self._views:
                found = self.record.positions()
            else:
                database = self.files.existing(self.key("record"))
                found = dict(database.execute("SELECT device, position FROM positions")) if database else {}
                if database:
                    database.close()
        except (DiskRefused, ViewUnreadable, BadQuery):
            return {}
        return {bytes(device): Position.unpack(cbor.decode(packed)) for device, packed in found.items()}

    def refresh(self) -> None:
        """Let every opened view catch up with the ledger."""
        makers: dict[str, Callable[[Any], Any]] = {
            "record": RecordView, "testimony": TestimonyView, "identities": IdentityView,
        }  # fmt: skip
        with self.files.locked():
            for name, view in list(self._views.items()):
                view.reload()
                self._catch_up(name, self.key(name), makers[name])

    def rebuild(self, names: Iterable[str] = COMPARTMENTS) -> None:
        """Throw views away and make them anew from the ledger, each under a new key; of the compartments that are open."""
        for name in names:
            if name in self._views:
                self._views.pop(name).db.close()
            if name in self.keys:
                self.files.renew(self.keys[name]).close()

    # -- writing -------------------------------------------------------------------------------------------------------

    @contextmanager
    def change(self, *, access: bool = False, large: bool = False) -> Iterator["Change"]:
        """Collect what one act adds and commit it as one group; an exception leaves everything as it was.

        ``large``: much will be added; into an empty record, the view is then built alongside by a process of its own.
        """
        record = self.record
        ring = self.ring
        assert ring.signing is not None
        since = record.positions().get(ring.device)
        known = Position.unpack(cbor.decode(since)) if since else None
        with self.ledger.writer(ring.device, ring.signing, known) as writer:
            self.refresh()
            if "testimony" in self.keys:
                self.blobs().clean()
            change = Change(self)
            builder, secret = self._builder() if large and record.empty and len(self.ledger.logs) == 1 else (None, b"")
            try:
                with writer.group(now=now_ms(), flags=ACCESS if access else 0) as group:
                    group.witness = builder.part if builder is not None else None
                    change.begin(group)
                    yield change
                    check_stop()
                    change.finish()
            except BaseException:
                if builder is not None:
                    builder.abandon()
                raise
            if builder is not None:
                with _done_already():
                    self._adopt(builder, secret, {ring.device: cbor.encode(writer.end.pack())})
        with _done_already():
            self._show_what_was_done()

    def _builder(self) -> tuple[Builder, bytes]:
        key = self.key("record")
        path, secret = self.files.draft(key)
        return Builder(path, secret, key.compartment, self.number), secret

    def _adopt(self, builder: Builder, secret: bytes, positions: dict[bytes, bytes]) -> None:
        """Take the view that was built alongside into use; if it came to nothing, the next refresh replays."""
        if builder.finish(positions):
            self.record.db.close()
            self._views.pop("record")
            self.files.adopt(self.key("record"), builder.path, secret)
            self._views["record"] = RecordView(self.files.open(self.key("record")))

    def _show_what_was_done(self) -> None:
        """Let the views catch up with a committed change; damaged ones are made anew."""
        try:
            self.refresh()
        except ViewUnreadable:
            self.rebuild()

    def note_access(self, what: str, about: str, purpose: str) -> None:
        """Write an entry about an access or an export; it does not count towards the head a dossier is dated by."""
        with self.change(access=True) as change:
            change.put("record", "access@1", [[self.ring.device.hex()[:8], what, about, purpose, now_ms()]])


class Change:
    """What one act adds: parts, and the handles it gives. Serves the importer as its registry."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._given: dict[str, int] = {}
        self._number = session.number
        self._group: Group | None = None
        self._no_claims = not session.record.counts().get("claim")

    def begin(self, group: Group) -> None:
        self._group = group

    def allocate(self, kind: str) -> str:
        """Give the next handle of ``kind``; once the change is committed it is never given again."""
        if kind not in self._given:
            self._given[kind] = self.session.record.next_number(kind, self._number)
        number = self._given[kind]
        self._given[kind] = number + 1
        return str(ids.Handle(kind, self._number, number))

    def find(self, dataset: str, key: str, table: str) -> tuple[str, bytes] | None:
        """(handle, digest) of the current row under an import key (or, with no dataset, under a handle), or None."""
        session = self.session
        if table == "passages@1":
            return session.testimony.find(dataset, key, table)
        if table == "identities@1":
            return session.identities.find(dataset, key, table) if "identities" in session.keys else None
        if table == "claims@1" and self._no_claims:  # the first import of a large table asks a million times
            return None
        return session.record.find(dataset, key, table)

    def put(self, compartment: str, kind: str, rows: list[list[Any]]) -> None:
        """Add one part. Raises CompartmentLocked."""
        assert self._group is not None
        self._group.add(self.session.key(compartment), kind, rows)

    def finish(self) -> None:
        """Record the numbers given, in a part that no erasure touches."""
        if self._given:
            self.put("record", "counters@1", [[kind, number] for kind, number in sorted(self._given.items())])
