"""Cold stores: sealed files kept on an S3 server or in a folder of another drive, in segments of one sealed chunk.

    <store>/objects/ab/<address>.00000, .00001, ...        the segments of one file, 4 MiB each but the last
    <store>/packs/<address>.00000, ...

Invariants: ciphertext only, under addresses that say nothing (vault.blobs). A segment is put if absent and never changed; what
comes back is bounded in bytes and time and believed only once it opened with its key, so a server can withhold, but neither
alter nor pass anything off. The server is spoken to by a process without keys (vault.remote_worker).

Segments instead of S3's multi-part uploads: a push that was cut goes on at the segment it had come to without a note of an
upload on the server, put-if-absent holds for each, and no hidden half of an upload is left that nobody sees and somebody pays.
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from amparo.kernel import cbor
from amparo.kernel.errors import AmparoError, BadInput, NotCanonical, Unverified
from amparo.kernel.i18n import N_
from amparo.vault.blob_format import SEALED_CHUNK, BlobMissing
from amparo.vault.disk import Disk, translated

SEGMENT: Final = SEALED_CHUNK
_PACE: Final = 8 << 10  # bytes a second; a server slower than that is called slow
_ANSWER_MOST: Final = 8 << 20  # bytes; no answer of the worker is longer
_NAMES_MOST: Final = 10_000_000


class RemoteFailed(AmparoError):
    template = N_("The cold store {store} failed ({why}); nothing here was changed. Try again later, or use another copy.")


class RemoteUnreachable(RemoteFailed):
    template = N_("The cold store {store} cannot be reached ({why}); plug in the drive or connect, then do the same again.")


class RemoteSlow(RemoteFailed):
    template = N_(
        "The cold store {store} did not answer in full within {seconds} s; what was done is kept, do the same again later."
    )


class RemoteRefused(RemoteFailed):
    template = N_(
        "The cold store {store} refuses these credentials or this act ({why}); give it others with `amparo evidence cold add`."
    )


class RemoteEndless(RemoteFailed, Unverified):
    template = N_(
        "The cold store {store} answers with more than was asked for; the answer was thrown away. Do not trust this server."
    )


class RemoteShort(RemoteFailed, Unverified):
    template = N_(
        "The cold store {store} did not return all of the {expected} bytes asked for ({blob}); the file is cut off there. Use "
        "another copy."
    )


class RemoteMissing(RemoteFailed, BlobMissing):
    template = N_("The cold store {store} does not have a sealed file that was put there ({blob}); use another copy.")


class RemoteAltered(RemoteFailed, Unverified):
    template = N_(
        "The cold store {store} returned other bytes than were put there ({blob}: {why}); they were thrown away. Use another "
        "copy, and do not trust this server."
    )


class RemoteListing(RemoteFailed, Unverified):
    template = N_(
        "The cold store {store} lists names without order or end; its list was thrown away. Do not trust this server."
    )


class RemoteNoLock(RemoteFailed):
    template = N_(
        "The cold store {store} does not lock objects ({why}). What was put there stays; make the bucket with object lock, or "
        "push without --retain-days."
    )


class BadAddress(BadInput):
    template = N_(
        "“{address}” is no address of a cold store: write s3://BUCKET/PREFIX with --endpoint https://... (plain http only to "
        "this machine), or the path of a folder on another drive."
    )


class Bucket(Protocol):
    """Where segments lie."""

    label: str

    def put(self, name: str, data: bytes, *, overwrite: bool = False) -> bool:
        """Put a segment; False if one of this name was there already (and ``overwrite`` is false)."""
        ...

    def get(self, name: str, start: int, length: int) -> bytes:
        """Up to ``length`` bytes. Raises RemoteMissing and what else goes wrong."""
        ...

    def size(self, name: str) -> int | None:
        """Bytes of a segment, None if it is not there."""
        ...

    def delete(self, name: str) -> None:
        """Remove a segment; nothing if it is not there."""
        ...

    def names(self, prefix: str) -> Iterator[str]:
        """The names that begin so, in order."""
        ...

    def retain(self, name: str, until: int, mode: str) -> None:
        """Keep a segment from being removed until then (seconds since 1970). Raises RemoteNoLock."""
        ...

    def close(self) -> None: ...


class FolderBucket:
    """A folder on another drive. Every put is durable when it returns."""

    def __init__(self, root: Path, disk: Disk | None = None) -> None:
        self.label, self._root, self._disk = str(root), root, disk or Disk()

    def found(self) -> None:
        """Make the folder a store: the folder ``objects`` tells a plugged drive from the empty place it is mounted on."""
        self._disk.mkdir(self._root / "objects")

    def put(self, name: str, data: bytes, *, overwrite: bool = False) -> bool:
        path = self._path(name)
        if path.exists() and not overwrite:
            return False
        self._disk.mkdir(path.parent)
        self._disk.atomic_write(path, data)
        return True

    def get(self, name: str, start: int, length: int) -> bytes:
        path = self._path(name)
        try:
            with translated(path), path.open("rb") as file:
                file.seek(start)
                return file.read(length)
        except FileNotFoundError:
            raise RemoteMissing(store=self.label, blob=name) from None

    def size(self, name: str) -> int | None:
        path = self._path(name)
        return self._disk.size(path) if path.exists() else None

    def delete(self, name: str) -> None:
        path = self._path(name)
        self._disk.unlink(path)
        if path.parent.is_dir():
            self._disk.fsync_dir(path.parent)

    def names(self, prefix: str) -> Iterator[str]:
        self._path("")
        for path in sorted((self._root / prefix).rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                yield path.relative_to(self._root).as_posix()

    def retain(self, name: str, until: int, mode: str) -> None:  # noqa: ARG002
        raise RemoteNoLock(store=self.label, why="a folder")

    def close(self) -> None:
        """Nothing is held open."""

    def _path(self, name: str) -> Path:
        if not (self._root / "objects").is_dir():
            raise RemoteUnreachable(store=self.label, why="the drive is not there")
        return self._root / name


@dataclass(frozen=True, slots=True)
class Settings:
    """How a server is reached. ``endpoint`` "" is Amazon's; ``authority`` PEM; ``patience`` seconds for the first byte."""

    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    key: str = ""
    secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    authority: str = ""
    patience: int = 60

    def checked(self) -> "Settings":
        """Raises BadAddress for what would send credentials or names over an open network."""
        address = urlsplit(self.endpoint)
        local = address.hostname == "localhost" or _is_loopback(address.hostname or "")
        if not self.bucket or (self.endpoint and not (address.scheme == "https" or (address.scheme == "http" and local))):
            raise BadAddress(address=f"s3://{self.bucket} {self.endpoint}".strip())
        return self


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class S3Bucket:
    """A bucket of an S3 server. ``watch`` is called several times a second while a request is under way, and may raise."""

    def __init__(self, label: str, settings: Settings, watch: Callable[[], object] = lambda: None) -> None:
        self.label, self._settings, self._watch = label, settings.checked(), watch
        self._worker: subprocess.Popen[bytes] | None = None

    def put(self, name: str, data: bytes, *, overwrite: bool = False) -> bool:
        return self._ask(["put", name, int(overwrite)], name, data, moved=len(data))[0] != "exists"

    def get(self, name: str, start: int, length: int) -> bytes:
        _, data = self._ask(["get", name, start, length], name, moved=length)
        if len(data) > length:
            raise RemoteEndless(store=self.label)
        return data

    def size(self, name: str) -> int | None:
        try:
            _, data = self._ask(["size", name], name)
        except RemoteMissing:
            return None
        [size] = self._list(data, int)
        return size  # type: ignore[no-any-return]

    def delete(self, name: str) -> None:
        self._ask(["delete", name], name)

    def names(self, prefix: str) -> Iterator[str]:
        last, count = "", 0
        while True:
            page = self._list(self._ask(["names", prefix, last], prefix)[1], str)
            for name in page:
                count += 1
                if name <= last or not name.startswith(prefix) or count > _NAMES_MOST:
                    raise RemoteListing(store=self.label)
                last = name
                yield name
            if not page:
                return

    def retain(self, name: str, until: int, mode: str) -> None:
        self._ask(["retain", name, until, mode], name)

    def close(self) -> None:
        """End the process that speaks to the server."""
        if self._worker is not None:
            worker, self._worker = self._worker, None
            worker.kill()
            worker.wait()
            for pipe in (worker.stdin, worker.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()

    def _list(self, data: bytes, kind: type) -> list[Any]:
        try:
            found = cbor.decode(data)
        except NotCanonical:
            found = None
        if not isinstance(found, list) or not all(type(one) is kind for one in found):
            raise RemoteFailed(store=self.label, why="an answer that cannot be read")
        return found

    # -- the process that speaks -----------------------------------------------------------------------------------------

    def _ask(self, request: list[Any], name: str, data: bytes = b"", *, moved: int = 0) -> tuple[str, bytes]:
        """One request: its status ("done" or "exists") and bytes. If talking fails the worker ends, and the next is new."""
        patience = self._settings.patience + moved // _PACE
        try:
            self._start()
            self._send(_frame(request, data), time.monotonic() + patience)
            status, why, answer = self._receive(time.monotonic() + patience, patience)
        except BaseException:
            self.close()
            raise
        facts = {"store": self.label, "why": why}
        if status == "missing":
            raise RemoteMissing(store=self.label, blob=name)
        if status == "slow":
            raise RemoteSlow(store=self.label, seconds=self._settings.patience)
        if status == "short":
            raise RemoteShort(store=self.label, blob=name, expected=moved)
        if status not in ("done", "exists"):
            errors = {"refused": RemoteRefused, "longer": RemoteEndless, "unlocked": RemoteNoLock}
            raise errors.get(status, RemoteUnreachable if "connect" in why.lower() else RemoteFailed)(**facts)
        return status, answer

    def _start(self) -> None:
        if self._worker is not None and self._worker.poll() is None:
            return
        self.close()
        kept = {key: value for key, value in os.environ.items() if not key.upper().startswith(("AWS_", "AMPARO_"))}
        self._worker = subprocess.Popen(
            [sys.executable, "-m", "amparo.vault.remote_worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env=kept, bufsize=0, start_new_session=True,
        )  # fmt: skip
        one = self._settings
        first = [
            one.bucket, one.prefix, one.endpoint, one.region, one.key, one.secret, one.token, one.authority, one.patience,
        ]  # fmt: skip
        self._send(_frame(first), time.monotonic() + one.patience)

    def _send(self, data: bytes, deadline: float) -> None:
        assert self._worker is not None and self._worker.stdin is not None
        view = memoryview(data)
        while view:
            self._wait(self._worker.stdin.fileno(), deadline, writing=True)
            try:
                view = view[os.write(self._worker.stdin.fileno(), view[: 64 << 10]) :]
            except BrokenPipeError:
                raise self._died() from None

    def _receive(self, deadline: float, patience: int) -> tuple[str, str, bytes]:
        lengths = self._exactly(8, deadline, patience)
        head, data = int.from_bytes(lengths[:4], "big"), int.from_bytes(lengths[4:], "big")
        if head > 1 << 16 or data > _ANSWER_MOST:
            raise RemoteEndless(store=self.label)
        said = self._list(self._exactly(head, deadline, patience), str)
        if len(said) != 2:
            raise RemoteFailed(store=self.label, why="an answer that cannot be read")
        return said[0], said[1], self._exactly(data, deadline, patience)

    def _exactly(self, length: int, deadline: float, patience: int) -> bytes:
        assert self._worker is not None and self._worker.stdout is not None
        out = bytearray()
        while len(out) < length:
            if not self._wait(self._worker.stdout.fileno(), deadline):
                raise RemoteSlow(store=self.label, seconds=patience)
            got = os.read(self._worker.stdout.fileno(), min(1 << 20, length - len(out)))
            if not got:
                raise self._died()
            out += got
        return bytes(out)

    def _wait(self, descriptor: int, deadline: float, *, writing: bool = False) -> bool:
        """True once the pipe is ready; False after ``deadline``."""
        while True:
            self._watch()
            left = deadline - time.monotonic()
            here, none = [descriptor], list[int]()
            ready = select.select(none if writing else here, here if writing else none, none, max(0.0, min(0.2, left)))
            if any(ready):
                return True
            if left <= 0:
                return False

    def _died(self) -> RemoteFailed:
        """The worker ended in the middle: the server's answer did not fit into its memory, or something stopped it."""
        assert self._worker is not None
        code = self._worker.wait()
        if code in (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGKILL):
            return RemoteEndless(store=self.label)
        return RemoteFailed(store=self.label, why=f"the process that speaks to it ended with {code}")


def _frame(head: list[Any], data: bytes = b"") -> bytes:
    packed = cbor.encode(head)
    return len(packed).to_bytes(4, "big") + len(data).to_bytes(4, "big") + packed + data


# -- files in segments --------------------------------------------------------------------------------------------------


class Cold:
    """A bucket's files; a vault.replica.Replica."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket, self.label = bucket, bucket.label

    def read(self, name: str, offset: int, length: int) -> bytes:
        """``length`` bytes of a file. Raises RemoteMissing, RemoteShort and what the bucket raises."""
        out = bytearray()
        while len(out) < length:
            number, start = divmod(offset + len(out), SEGMENT)
            wanted = min(SEGMENT - start, length - len(out))
            data = self.bucket.get(segment(name, number), start, wanted)
            if len(data) != wanted:
                raise RemoteShort(store=self.label, blob=name, expected=wanted)
            out += data
        return bytes(out)

    def push(
        self, name: str, pieces: Iterator[bytes], moved: Callable[[int, int], None], *, overwrite: bool = False,
        until: int = 0, mode: str = "GOVERNANCE",
    ) -> int:  # fmt: skip
        """Put a file's segments, those that are there already left alone; ``moved`` is told of (bytes done, bytes sent).

        ``pieces`` are the file's bytes in segments. Returns the bytes sent. Raises what the bucket and ``pieces`` raise.
        """
        sent, resuming = 0, False
        for number, data in enumerate(pieces):
            place = segment(name, number)
            if number == 0 or resuming:
                resuming = not overwrite and self.bucket.size(place) == len(data)
            put = 0 if resuming else len(data) * self.bucket.put(place, data, overwrite=overwrite)
            if until:
                self.bucket.retain(place, until, mode)
            sent += put
            moved(len(data), put)
        return sent

    def remove(self, name: str, length: int) -> None:
        """Remove a file's segments, the last first, so that what is left of an interrupted removal begins at the beginning."""
        for number in reversed(range(max(1, -(-length // SEGMENT)))):
            self.bucket.delete(segment(name, number))

    def names(self) -> Iterator[str]:
        """The names of the files there, each once."""
        last = ""
        for prefix in ("objects/", "packs/"):
            for name in self.bucket.names(prefix):
                base, dot, number = name.rpartition(".")
                if dot and number.isdecimal() and base != last:
                    last = base
                    yield base


def segment(name: str, number: int) -> str:
    """The name of a file's segment."""
    return f"{name}.{number:05d}"


class Pace:
    """Keeps a transfer at or below ``limit`` bytes a second (0: as fast as it goes); ``watch`` is called while it waits."""

    def __init__(self, limit: int, watch: Callable[[], object]) -> None:
        self._limit, self._watch, self._free = limit, watch, time.monotonic()

    def sent(self, size: int) -> None:
        """Wait until as much time has passed as ``size`` bytes take."""
        if not self._limit:
            return
        self._free = max(self._free, time.monotonic() - size / self._limit) + size / self._limit
        while (left := self._free - time.monotonic()) > 0:
            self._watch()
            time.sleep(min(0.2, left))
