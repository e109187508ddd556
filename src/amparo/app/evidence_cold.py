"""Cold storage: sealed files moved to an S3 server or another drive, read from there when they are asked for.

Invariants: only what opened with its key is pushed. The local file goes only after all of it was read back from the store and
opened, and after the ledger says where it is; a power cut in between leaves both. Credentials are sealed rows. Which file is
where is known from the ledger alone; a store's own list is never believed.
"""

import json
import re
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from amparo.app.evidence import NoSuchSource, get
from amparo.app.evidence_files import files_of, members_of, store_of, unhurried
from amparo.app.session import Change, Session, check_stop, now_ms, stops_when_asked
from amparo.kernel import ids
from amparo.kernel.errors import BadInput, NotFound, Unverified
from amparo.kernel.i18n import N_, _
from amparo.record.items import Custody, Fact, Item
from amparo.vault.blob_check import Known, check, sealed_length
from amparo.vault.blob_format import SEALED_CHUNK, BlobDamaged, BlobMissing, BlobReader
from amparo.vault.blobs import BlobStore
from amparo.vault.remote import BadAddress, Bucket, Cold, FolderBucket, Pace, RemoteFailed, S3Bucket, Settings
from amparo.vault.remote_cache import Cache, ColdReader
from amparo.vault.replica import FolderReplica, Replica, authentic, mend_object, mend_pack

Progress = Callable[[int, int], None]

STORE: Final = "cold store"
COPY: Final = "cold copy"
CACHE: Final = 1 << 30  # bytes, where nothing else is asked for
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
_COMMIT: Final = 256 << 20  # bytes pushed between two entries
_MODES: Final = {"governance": "GOVERNANCE", "compliance": "COMPLIANCE"}


class BadStoreName(BadInput):
    template = N_("“{name}” is no name for a cold store; use up to 32 small letters, digits and hyphens.")


class NoSuchStore(NotFound):
    template = N_("There is no cold store {name}; `amparo evidence cold list` shows them.")


class StoreNeeded(BadInput):
    template = N_(
        "Files are only in the cold store {name} ({count:,}); bring them back with `amparo evidence cold fetch {name}` first."
    )


class PushRefused(Unverified):
    template = N_(
        "Not pushed, since the file here is damaged: {count:,}. Repair them first: `amparo evidence repair`. What is whole was "
        "pushed.\n{report}"
    )


class NotEvicted(Unverified):
    template = N_("Kept here, since the cold store {store} did not give back what was put there: {count:,}.\n{report}")


class NotFetched(Unverified):
    template = N_("The cold store {store} did not give these files back whole: {count:,}.\n{report}")


class RemoteDamage(Unverified):
    template = N_("The cold store {store} does not have these files whole: {count:,} of {files:,}.\n{report}")


@dataclass(slots=True)
class Store:
    """A cold store as it is kept in its row. ``url`` s3://bucket/prefix or a path; ``cache`` bytes kept of what is read."""

    name: str
    url: str
    endpoint: str = ""
    region: str = ""
    key: str = ""
    secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    authority: str = ""
    cache: int = CACHE
    patience: int = 60

    def settings(self) -> Settings:
        """How its server is reached. Raises BadAddress."""
        address = urlsplit(self.url)
        prefix = address.path.strip("/")
        return Settings(
            address.netloc, f"{prefix}/" if prefix else "", self.endpoint, self.region, self.key, self.secret, self.token,
            self.authority, self.patience,
        ).checked()  # fmt: skip

    @property
    def on_server(self) -> bool:
        return self.url.startswith("s3://")


@dataclass(slots=True)
class Copy:
    """That a file lies in a store. ``pushed`` and ``evicted`` ms since 1970, 0: not; ``bad``: was found damaged there."""

    pushed: int = 0
    evicted: int = 0
    size: int = 0
    until: int = 0
    bad: bool = False


# -- rows ---------------------------------------------------------------------------------------------------------------


def add_store(session: Session, store: Store) -> None:
    """Keep a store's address and credentials, sealed; one of the same name is replaced. Raises BadStoreName, BadAddress."""
    if not _NAME.fullmatch(store.name):
        raise BadStoreName(name=store.name)
    if store.on_server:
        store.settings()
    elif "://" in store.url:
        raise BadAddress(address=store.url)
    else:
        FolderBucket(Path(store.url), session.disk).found()
    _put_store(session, store.name, asdict(store))


def _put_store(session: Session, name: str, data: dict[str, Any]) -> None:
    with session.change(access=True) as change:
        change.put("testimony", Fact.TYPE, [Fact("", STORE, name, json.dumps(data)).to_row()])


def stores(session: Session) -> list[Store]:
    """The cold stores, by name."""
    rows = session.testimony.rows(Fact.TYPE, "id GLOB ?", (f"/{STORE}/*",))
    data = [json.loads(Fact.from_row(row).data) for row in rows]
    return sorted((Store(**one) for one in data if one), key=lambda store: store.name)


def get_store(session: Session, name: str) -> Store:
    """Raises NoSuchStore."""
    found = next((store for store in stores(session) if store.name == name), None)
    if found is None:
        raise NoSuchStore(name=name)
    return found


def remove_store(session: Session, name: str) -> None:
    """Forget a store and its credentials. Raises StoreNeeded while a file is there only."""
    get_store(session, name)
    away = sum(bool(copy.evicted) for copy in copies(session, name).values())
    if away:
        raise StoreNeeded(name=name, count=away)
    _put_store(session, name, {})


def copies(session: Session, store: str) -> dict[str, Copy]:
    """Name of a file -> what is on record of its copy in a store."""
    start = f"/{COPY}/{store}/"
    rows = session.testimony.rows(Fact.TYPE, "id >= ? AND id < ?", (start, start[:-1] + "0"))
    found = {row[2].partition("/")[2]: Copy(**json.loads(Fact.from_row(row).data)) for row in rows}
    return {name: copy for name, copy in found.items() if copy.pushed}


def _put_copy(change: Change, store: str, name: str, copy: Copy) -> None:
    change.put("testimony", Fact.TYPE, [Fact("", COPY, f"{store}/{name}", json.dumps(asdict(copy))).to_row()])


def evicted_names(session: Session) -> set[str]:
    """The files that are meant to be in a cold store only."""
    return {name for store in stores(session) for name, copy in copies(session, store.name).items() if copy.evicted}


_open: WeakKeyDictionary[Session, dict[str, Cold]] = WeakKeyDictionary()


def open_cold(session: Session, store: Store) -> Cold:
    """A store, open while the session lives: a thousand small files need not start a thousand processes.

    Raises BadAddress; nothing is asked of the store yet.
    """
    mine = _open.setdefault(session, {})
    key = json.dumps(asdict(store))
    if key not in mine:
        mine[key] = Cold(_bucket(session, store))
        weakref.finalize(session, mine[key].bucket.close)
    return mine[key]


def _bucket(session: Session, store: Store) -> Bucket:
    if store.on_server:
        alive = weakref.WeakMethod(session.keep_alive)  # the session must not live on because a store is open

        def watch() -> None:
            if (keep_alive := alive()) is not None:
                keep_alive()

        return S3Bucket(store.name, store.settings(), watch)
    bucket = FolderBucket(Path(store.url), session.disk)
    bucket.label = store.name
    return bucket


def elsewhere(
    session: Session, name: str, blob: str, key: bytes, size: int, sha256: bytes, offset: int | None
) -> BlobReader | None:
    """A reader of a file that was moved to a cold store, None if it was not: for BlobStore's ``elsewhere``."""
    for store in stores(session):
        reader_of = f"/{COPY}/{store.name}/{name}/1"
        for row in session.testimony.rows(Fact.TYPE, "id = ?", (reader_of,)):
            if Copy(**json.loads(Fact.from_row(row).data)).evicted:
                return ColdReader(open_cold(session, store), cache_of(session, store), name, blob, key, size, sha256, offset)
    return None


def reading_store(session: Session) -> BlobStore:
    """The sealed files of this workspace, those moved to a cold store included."""
    return BlobStore(
        session.folder / "blobs", session.key("testimony").blob_id_key, session.disk, elsewhere=partial(elsewhere, session)
    )


def cache_of(session: Session, store: Store) -> Cache:
    """The ciphertext kept of what was read from cold stores."""
    return Cache(session.folder / "cache", store.cache, session.disk)


def _wanted(session: Session, handles: Sequence[str]) -> Iterator[Item]:
    """The items named, or all of the sources named, or all. Raises NoSuchItem, NoSuchSource: erased, or mistyped."""
    if not handles:
        yield from session.testimony.items()
    for handle in map(ids.parse, handles):
        if handle.kind != "item" and session.record.entity(str(handle)) is None:
            raise NoSuchSource(handle=str(handle))
        yield from [get(session, str(handle))] if handle.kind == "item" else session.testimony.items(str(handle))


def _custody(change: Change, session: Session, items: Iterable[Item], action: str, detail: str) -> None:
    for item in items:
        row = Custody(item.handle, now_ms(), str(session.number), action, detail=detail)
        change.put("testimony", Custody.TYPE, [row.to_row()])


# -- push ---------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Pushed:
    """``files`` put there now, ``before`` those that were there already, ``sent`` bytes, ``refused`` name -> sentence."""

    files: int = 0
    before: int = 0
    sent: int = 0
    refused: dict[str, str] = field(default_factory=dict)


def push(
    session: Session, name: str, handles: Sequence[str] = (), *, limit: int = 0, retain_days: int = 0, mode: str = "governance",
    progress: Progress | None = None,
) -> Pushed:  # fmt: skip
    """Copy the sealed files of all items (or of the items and sources named) to a store; ``limit`` bytes a second.

    Run it again to go on where it was stopped. ``retain_days``: ask the server to let nobody remove them before. A file that is
    damaged here is not pushed, and the rest is. Raises NoSuchStore, RemoteFailed.
    """
    store, result = get_store(session, name), Pushed()
    until = int(time.time()) + retain_days * 86_400 if retain_days else 0
    with stops_when_asked():
        pace = Pace(limit, session.keep_alive)
        run = _Push(session, open_cold(session, store), store.name, result, pace, until, _MODES[mode])
        run.all(handles, progress)
    return result


class _Push:
    """One push."""

    def __init__(self, session: Session, cold: Cold, store: str, result: Pushed, pace: Pace, until: int, mode: str) -> None:
        self._session, self._cold, self._store, self._result = session, cold, store, result
        self._pace, self._until, self._mode = pace, until, mode
        self._local = store_of(session)
        self._fresh: list[tuple[str, Copy, list[Item]]] = []
        self._unsaved = 0

    def all(self, handles: Sequence[str], progress: Progress | None) -> None:
        there = copies(self._session, self._store)
        wanted = [one for one in files_of(self._session, _wanted(self._session, handles)) if self._is_wanted(one, there)]
        whole = members_of(self._session, [path.name for path, _name, _items in wanted])
        total = sum(self._length(path) for path, _name, _items in wanted)
        done = 0

        def moved(count: int, sent: int) -> None:
            nonlocal done
            done += count
            check_stop()
            self._pace.sent(sent)
            if progress:
                progress(done, total)

        try:
            for path, name, _items in wanted:
                self._one(path, name, whole[path.name], there.get(name), moved)
        finally:
            self._save()

    def _is_wanted(self, one: tuple[Path, str, list[Item]], there: dict[str, Copy]) -> bool:
        path, name, _items = one
        copy = there.get(name)
        if copy and not copy.bad and copy.until >= self._until - 86_400:
            self._result.before += 1
            return False
        return path.exists()

    def _length(self, path: Path) -> int:
        return path.stat().st_size if path.exists() else 0

    def _one(self, path: Path, name: str, items: list[Item], copy: Copy | None, moved: Callable[[int, int], None]) -> None:
        overwrite = copy is not None and copy.bad
        try:
            if name.startswith("packs/"):
                pieces = self._whole_pack(path, items)
            else:
                pieces = authentic(FolderReplica(self._session.folder), self._local, items[0])
            sent = self._cold.push(name, pieces, moved, overwrite=overwrite, until=self._until, mode=self._mode)
        except RemoteFailed:
            raise
        except (BlobDamaged, BlobMissing) as error:
            self._result.refused[name] = str(error)
            return
        size = self._length(path)
        self._fresh.append((name, Copy(now_ms(), copy.evicted if copy else 0, size, self._until), items))
        self._result.files, self._result.sent = self._result.files + 1, self._result.sent + sent
        self._unsaved += size
        if self._unsaved > _COMMIT:
            self._save()

    def _whole_pack(self, path: Path, items: list[Item]) -> Iterator[bytes]:
        """A pack in segments, after every file in it was looked at."""
        for outcome in check(self._local, items):
            if outcome.problem is not None:
                raise BlobDamaged(blob=outcome.item.blob)
        with path.open("rb") as file:
            while data := file.read(SEALED_CHUNK):
                yield data

    def _save(self) -> None:
        if not self._fresh:
            return
        with unhurried(), self._session.change(access=True) as change:
            for name, copy, items in self._fresh:
                _put_copy(change, self._store, name, copy)
                detail = _("sealed copy to the cold store {store}").format(store=self._store)
                _custody(change, self._session, items, "copied", detail)
        self._fresh, self._unsaved = [], 0


# -- evict, fetch, verify, prune ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Moved:
    """``files`` and ``bytes`` moved; ``items`` that lie in them; ``refused`` name -> sentence."""

    files: int = 0
    bytes: int = 0
    items: int = 0
    refused: dict[str, str] = field(default_factory=dict)


def evict(session: Session, name: str, handles: Sequence[str] = (), progress: Progress | None = None) -> Moved:
    """Remove local files that a store has, each after all of it was read back and opened. Raises NoSuchStore, RemoteFailed.

    A server's own checksum would prove nothing about a server that lies, so it is not asked for one.
    """
    store, result = get_store(session, name), Moved()
    there = copies(session, name)
    local = store_of(session)
    wanted = [one for one in files_of(session, _wanted(session, handles)) if one[1] in there and one[0].exists()]
    whole = members_of(session, [path.name for path, _name, _items in wanted])
    total, done = sum(there[file].size for _path, file, _items in wanted), 0
    cold = open_cold(session, store)
    with stops_when_asked():
        for path, file, _items in wanted:
            items = whole[path.name]
            try:
                _read_back(session, cold, local, items)
            except (Unverified, BlobMissing) as error:
                result.refused[file] = str(error)
                continue
            size = path.stat().st_size
            with session.change(access=True) as change:
                copy = there[file]
                _put_copy(change, name, file, Copy(copy.pushed, now_ms(), copy.size, copy.until))
                _custody(change, session, items, "moved", _("to the cold store {store}").format(store=name))
            local.drop(path)
            result.files, result.bytes, result.items = result.files + 1, result.bytes + size, result.items + len(items)
            done += size
            if progress:
                progress(done, total)
    return result


def _read_back(session: Session, cold: Replica, local: BlobStore, items: Iterable[Known]) -> None:
    """Read items' sealed files from a store, to the end. Raises what is wrong first."""
    for item in items:
        for _piece in authentic(cold, local, item):
            session.keep_alive()


def fetch(session: Session, name: str, handles: Sequence[str] = (), progress: Progress | None = None) -> Moved:
    """Bring evicted files back, each opened before it is put in its place; the copy in the store stays."""
    store, result = get_store(session, name), Moved()
    there = {file: copy for file, copy in copies(session, name).items() if copy.evicted}
    wanted = [one for one in files_of(session, _wanted(session, handles)) if one[1] in there]
    whole = members_of(session, [path.name for path, _name, _items in wanted])
    total, done = sum(there[file].size for _path, file, _items in wanted), 0
    cold = open_cold(session, store)
    with stops_when_asked():
        for path, file, _items in wanted:
            _fetch_one(session, cold, path, file, whole[path.name], there[file], result)
            session.keep_alive()
            done += there[file].size
            if progress:
                progress(done, total)
    return result


def _fetch_one(session: Session, cold: Cold, path: Path, file: str, items: list[Item], copy: Copy, result: Moved) -> None:
    local = store_of(session)
    with session.change(access=True) as change:
        try:
            if not path.exists():
                if path.parent.name == "packs":
                    mend_pack(local, path, items, items, [cold], all_or_none=True)
                else:
                    mend_object(local, items[0], cold)
        except (Unverified, BlobMissing) as error:
            result.refused[file] = str(error)
            return
        _put_copy(change, cold.label, file, Copy(copy.pushed, 0, copy.size, copy.until))
        _custody(change, session, items, "moved", _("back from the cold store {store}").format(store=cold.label))
    result.files, result.items = result.files + 1, result.items + len(items)
    result.bytes += sum(map(sealed_length, items))


def verify_remote(session: Session, name: str, progress: Progress | None = None) -> tuple[int, dict[str, str]]:
    """Read every copy in a store to the end and open it. Returns (files, name -> what is wrong); noted in the ledger.

    A damaged copy of a file that is here too is put there anew by the next push.
    """
    store, there = get_store(session, name), copies(session, name)
    wanted = [one for one in files_of(session, session.testimony.items()) if one[1] in there]
    local, wrong, done = store_of(session), dict[str, str](), 0
    lost: list[Item] = []
    total = sum(there[file].size for _path, file, _items in wanted)
    cold = open_cold(session, store)
    with stops_when_asked():
        for path, file, items in wanted:
            try:
                _read_back(session, cold, local, items)
            except (Unverified, BlobMissing) as error:
                wrong[file] = str(error)
                lost += [] if path.exists() else items
            done += there[file].size
            if progress:
                progress(done, total)
    with session.change(access=True) as change:
        for file in wrong:
            copy = there[file]
            _put_copy(change, name, file, Copy(copy.pushed, copy.evicted, copy.size, copy.until, bad=True))
        _custody(change, session, lost, "damage found", _("in the cold store {store}").format(store=name))
        detail = json.dumps({"store": name, "files": len(wanted), "damaged": len(wrong)})
        row = Custody("", now_ms(), str(session.number), "verified", detail=detail)
        change.put("testimony", Custody.TYPE, [row.to_row()])
    return len(wanted), wrong


def prune(session: Session, name: str) -> tuple[int, int]:
    """Remove from a store what this workspace put there and no item owns any more. Returns (removed, on no record of ours).

    An erased item's key is gone already; this removes its bytes too, where the server lets it.
    """
    store, there = get_store(session, name), copies(session, name)
    owned = {file for _path, file, _items in files_of(session, session.testimony.items())}
    gone = [file for file in there if file not in owned]
    cold = open_cold(session, store)
    with stops_when_asked():
        for file in gone:
            cold.remove(file, there[file].size)
            with session.change(access=True) as change:
                _put_copy(change, name, file, Copy())
        foreign = sum(1 for file in cold.names() if file not in there)
    return len(gone), foreign
