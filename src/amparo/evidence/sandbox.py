"""Reads hostile files in a process that has nothing: no network, no keys, no files, no other processes.

    with Sandbox() as box:                      # one for many files: the libraries are loaded once
        for finding in box.read("pdf", stream, Hints(name, media_type)):
            ...                                 # amparo.evidence.findings

Invariant: this side never parses the file. It serves the file's bytes by ranges from a stream it keeps (so a sealed file is
never written out, and 20 GB need no memory), checks every finding's type and size, and ends the worker with all that it
started: at its end, at a limit, when the caller stops listening or is stopped, and when this process dies. Whatever a worker
does, the caller sees findings or one error of the classes below.

How strong the walls are depends on the system; ``strength`` says it. See docs/guide/reading-hostile-files.md.
"""

import ast
import functools
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

from amparo.evidence import frames, jail, walls
from amparo.evidence.findings import Chunk, Finding, Hints, Member, MemberEnd
from amparo.evidence.walls import BUBBLEWRAP, LEVELS
from amparo.evidence.worker import STATUS
from amparo.kernel.errors import AmparoError, BadInput
from amparo.kernel.i18n import N_, _
from amparo.kernel.text import printable

_READER: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_START: Final = 20.0  # seconds for the libraries' process to start
_END: Final = 2.0
_TICK: Final = 0.1
_LOCALE: Final = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


class SandboxUnavailable(AmparoError):
    template = N_("The sandbox in which files are read could not be started ({why}); no file was opened.")


class NoReader(BadInput):
    template = N_(
        "Nothing here reads this file: the reader “{reader}” is not there or lacks “{lacks}”; install it and read again."
    )


class FileUnreadable(BadInput):
    template = N_("The file could not be read: {why}")


class ReaderCrashed(BadInput):
    template = N_(
        "The reader “{reader}” broke down on this file ({why}), as damaged or hostile files can make it do; "
        "the file itself is unharmed and sealed as before."
    )


class ReaderTookTooLong(BadInput):
    template = N_(
        "The reader “{reader}” was stopped on this file after {seconds} seconds; `amparo evidence read --again --limits 10` "
        "gives it more."
    )


class ReaderTooLarge(BadInput):
    template = N_(
        "The reader “{reader}” was stopped on this file at the limit of {limit:,} ({what}), as files made to fill a disk or "
        "the memory make it do; if you trust where it comes from, `amparo evidence read --again --limits 10` gives it more."
    )


class ReaderMisbehaved(BadInput):
    template = N_(
        "The reader “{reader}” sent what no reader sends ({why}) and was ended; this file may have been made to attack who "
        "opens it. Nothing of what it said should be relied on."
    )


@dataclass(slots=True, frozen=True)
class Limits:
    """What one reading may cost: bytes of memory, processor and wall-clock seconds, bytes of text and facts, bytes of
    members, number of findings. Wall-clock time is not counted while the caller is busy with a finding.
    """

    memory: int = 2 << 30
    cpu: int = 300
    wall: float = 600.0
    said: int = 1 << 30
    members: int = 1 << 40
    findings: int = 20_000_000

    @classmethod
    def for_size(cls, size: int) -> Self:
        """Time for a file of ``size`` bytes at 4 MB a second; members up to a hundred times its size."""
        more = size // 4_000_000
        return cls(cpu=300 + more, wall=600.0 + more, members=(1 << 30) + 100 * size)

    def times(self, factor: int) -> Self:
        """All of them ``factor`` times, for a file that is trusted."""
        return type(self)(*(getattr(self, one) * factor for one in self.__slots__))


def _nothing() -> None:
    pass


def read(
    reader: str, source: BinaryIO, hints: Hints, limits: Limits | None = None, tick: Callable[[], None] = _nothing
) -> Iterator[Finding]:
    """Read one file in a sandbox of its own. As ``Sandbox.read``, which is quicker from the second file on."""
    with Sandbox() as box:
        yield from box.read(reader, source, hints, limits, tick)


@dataclass(slots=True, frozen=True)
class Reader:
    """A reader as its source declares it: ``module`` what ``read`` takes, ``name`` with version, what it reads and runs."""

    module: str
    name: str
    media_types: tuple[str, ...]
    programs: tuple[str, ...] = ()
    asked: bool = False
    """True for one that takes so long that it is run when asked for only."""


@functools.cache
def readers() -> dict[str, Reader]:
    """The readers there are, by module; their constants are read, and none of them is imported."""
    found = {}
    for path in sorted((Path(__file__).parent / "readers").glob("*.py")):
        constants: dict[str, Any] = {}
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                with suppress(ValueError):
                    constants[node.targets[0].id] = ast.literal_eval(node.value)
        if "NAME" in constants and "MEDIA_TYPES" in constants:
            found[path.stem] = Reader(
                path.stem,
                constants["NAME"],
                tuple(constants["MEDIA_TYPES"]),
                tuple(constants.get("PROGRAMS", ())),
                constants.get("ASKED", False),
            )
    return found


def readers_for(media_type: str) -> list[str]:
    """The modules of the readers that declare this media type, or its beginning as in “image/”."""
    plain = media_type.partition(";")[0].strip().lower()
    return [
        reader.module
        for reader in readers().values()
        if any(plain == kind or (kind.endswith("/") and plain.startswith(kind)) for kind in reader.media_types)
    ]


class Sandbox:
    """The process that has the readers' libraries and forks one worker for each file. Threads may read at the same time.

    ``level`` one of LEVELS, "" the strongest that works here; ``plugins`` a folder with further readers, trusted as this
    program is.
    """

    def __init__(self, level: str = "", plugins: Path | None = None) -> None:
        self._wanted, self._plugins = level, plugins
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lifelines: set[socket.socket] = set()
        self.level = ""
        self.held: frozenset[str] = frozenset()
        """What holds of jail.CALLS, FILES, ALONE, NETWORK, USER once started."""
        self.peak = 0
        """Highest memory of a worker so far in bytes, as the workers say."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def start(self) -> None:
        """Start the process if it is not there. Raises SandboxUnavailable."""
        with self._lock:
            if self._control is not None and self._process is not None and self._process.poll() is None:
                return
            self._end()
            if not hasattr(os, "fork") or not hasattr(socket, "send_fds"):
                raise SandboxUnavailable(why=_("this system, {system}, cannot fork").format(system=sys.platform))
            for level in [self._wanted] if self._wanted else LEVELS:
                if self._try(level):
                    return
            raise SandboxUnavailable(why=_("no process answered"))

    def _try(self, level: str) -> bool:
        command = walls.command(level, self._plugins)
        if command is None:
            return False
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", close_fds=True,
                env={name: os.environ[name] for name in _LOCALE if name in os.environ}, start_new_session=True,
            )  # fmt: skip
        ours.settimeout(_START)
        try:
            length = frames.LENGTH.unpack(ours.recv(frames.LENGTH.size, socket.MSG_WAITALL))[0]
            told = json.loads(ours.recv(min(length, 4096), socket.MSG_WAITALL))
        except (OSError, ValueError, struct.error):
            ours.close()
            self._end()
            return False
        self._control, self.level, self.held = ours, level, frozenset(map(str, told))
        return True

    def close(self) -> None:
        """End the process and all that it started; readings that are not finished end with ReaderCrashed."""
        with self._lock:
            for lifeline in list(self._lifelines):
                with suppress(OSError):
                    lifeline.shutdown(socket.SHUT_RDWR)
            self._end()

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            try:  # with its socket closed it ends by itself, and the name space with all that is left in it
                self._process.wait(_END)
            except subprocess.TimeoutExpired:
                with suppress(OSError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        self._control = self._process = None

    def read(
        self, reader: str, source: BinaryIO, hints: Hints, limits: Limits | None = None, tick: Callable[[], None] = _nothing
    ) -> Iterator[Finding]:
        """Yield what ``reader`` (a module of evidence.readers) finds in ``source``, a seekable stream of any size.

        ``tick`` is called ten times a second while waiting, and may raise to stop. Raises NoReader, FileUnreadable,
        ReaderCrashed, ReaderTookTooLong, ReaderTooLarge, ReaderMisbehaved, SandboxUnavailable, and what ``source`` raises;
        findings already handed over stand, a member without its end does not.
        """
        if not _READER.fullmatch(reader):
            raise NoReader(reader=printable(reader[:40]), lacks=printable(reader[:40]))
        size = source.seek(0, os.SEEK_END)
        bounds = limits or Limits.for_size(size)
        data, lifeline = self._fork(reader, bounds)
        with data, lifeline:
            told = {"name": hints.name[:4096], "media_type": hints.media_type[:500], "size": size, "options": hints.options}
            visit = _Visit(reader, source, size, bounds, tick, data, lifeline)
            self._lifelines.add(lifeline)
            try:
                yield from visit.findings(json.dumps(told).encode())
            finally:
                self._lifelines.discard(lifeline)
                self.peak = max(self.peak, visit.peak)

    def _fork(self, reader: str, bounds: Limits) -> tuple[socket.socket, socket.socket]:
        job = json.dumps({"reader": reader, "memory": bounds.memory, "cpu": bounds.cpu}).encode()
        data, worker_data = socket.socketpair()
        lifeline, worker_lifeline = socket.socketpair()
        with worker_data, worker_lifeline:
            for attempt in (1, 2):
                self.start()
                with self._lock:
                    try:
                        assert self._control is not None
                        descriptors = [worker_data.fileno(), worker_lifeline.fileno()]
                        socket.send_fds(self._control, [frames.LENGTH.pack(len(job))], descriptors)
                        self._control.sendall(job)
                        break
                    except OSError as error:
                        self._end()
                        if attempt == 2:
                            data.close()
                            lifeline.close()
                            raise SandboxUnavailable(why=error.strerror or str(error)) from None
        return data, lifeline


class _Visit:
    """One reading: serves the file, takes and checks what comes, keeps to the limits."""

    def __init__(
        self, reader: str, source: BinaryIO, size: int, limits: Limits, tick: Callable[[], None], data: socket.socket,
        lifeline: socket.socket,
    ) -> None:  # fmt: skip
        self._reader, self._source, self._size, self._limits, self._tick = reader, source, size, limits, tick
        self._data, self._lifeline = data, lifeline
        self._left = limits.wall
        self._said = self._members = self._count = 0
        self._inside = False
        self.peak = 0

    def findings(self, job: bytes) -> Iterator[Finding]:
        self._data.settimeout(_TICK)
        since = time.monotonic()
        try:
            self._send(frames.LENGTH.pack(len(job)) + job, since)
            while True:
                kind, payload = self._frame(since)
                if kind == frames.DONE:
                    if self._inside or len(payload) != frames.PEAK.size:
                        raise frames.Misbehaved("end")
                    self.peak = frames.PEAK.unpack(payload)[0] << 10
                    return
                for finding in self._taken(kind, payload):
                    self._left -= time.monotonic() - since
                    yield finding
                    since = time.monotonic()
        except frames.Misbehaved as error:
            raise ReaderMisbehaved(reader=self._reader, why=str(error)) from None

    def _taken(self, kind: bytes, payload: bytearray) -> Iterator[Finding]:
        if kind == frames.READ:
            self._serve(payload)
        elif kind == frames.CHUNK:
            if not self._inside:
                raise frames.Misbehaved("chunk")
            self._members += len(payload)
            self._cap(self._members, self._limits.members, _("bytes of files inside it"))
            yield Chunk(bytes(payload))
        elif kind == frames.FINDINGS:
            self._said += len(payload)
            self._cap(self._said, self._limits.said, _("bytes of text"))
            for finding in frames.findings_of(bytes(payload)):
                self._count += 1
                self._cap(self._count, self._limits.findings, _("findings"))
                self._order(finding)
                yield finding
        else:
            self._failed(bytes(payload))

    def _cap(self, value: int, limit: int, what: str) -> None:
        if value > limit:
            raise ReaderTooLarge(reader=self._reader, limit=limit, what=what)

    def _order(self, finding: Finding) -> None:
        if isinstance(finding, (Member, MemberEnd)):
            if self._inside == isinstance(finding, Member):
                raise frames.Misbehaved("member")
            self._inside = not self._inside

    def _serve(self, payload: bytearray) -> None:
        offset, length = frames.RANGE.unpack(payload) if len(payload) == frames.RANGE.size else (0, 0)
        if not 0 < length <= frames.MOST_READ or offset + length > self._size:
            raise frames.Misbehaved("range")
        self._source.seek(offset)
        piece = self._source.read(length)
        while len(piece) < length:
            more = self._source.read(length - len(piece))
            if not more:
                raise FileUnreadable(why=_("it became shorter while it was read."))
            piece += more
        self._send(piece, time.monotonic())

    def _failed(self, payload: bytes) -> None:
        told = frames.json_of(payload)
        if not isinstance(told, list) or len(told) != 2 or told[0] not in frames.FAILURES:
            raise frames.Misbehaved("failure")
        what, sentence = told[0], printable(frames.words(told[1], 2000))
        if what == "unreadable":
            raise FileUnreadable(why=sentence)
        if what == "missing":
            raise NoReader(reader=self._reader, lacks=sentence)
        if what == "memory":
            raise ReaderTooLarge(reader=self._reader, limit=self._limits.memory, what=_("bytes of memory"))
        raise ReaderCrashed(reader=self._reader, why=sentence)

    # -- the wire -----------------------------------------------------------------------------------------------------------

    def _frame(self, since: float) -> tuple[bytes, bytearray]:
        kind, length = frames.HEAD.unpack(self._receive(frames.HEAD.size, since))
        if length > frames.MOST.get(kind, -1):
            raise frames.Misbehaved("frame")
        return kind, self._receive(length, since)

    def _receive(self, length: int, since: float) -> bytearray:
        data = bytearray(length)
        view, got = memoryview(data), 0
        while got < length:
            try:
                count = self._data.recv_into(view[got:])
            except TimeoutError:
                self._wait(since)
                continue
            except ConnectionError:
                count = 0
            if not count:
                self._gone()
            got += count
        self._in_time(since)
        return data

    def _send(self, data: bytes, since: float) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self._data.send(view) :]
            except TimeoutError:
                self._wait(since)
            except ConnectionError:
                self._gone()

    def _wait(self, since: float) -> None:
        self._tick()
        self._in_time(since)

    def _in_time(self, since: float) -> None:
        if time.monotonic() - since > self._left:
            raise ReaderTookTooLong(reader=self._reader, seconds=round(self._limits.wall))

    def _gone(self) -> None:
        """The worker has died: say how. Raises ReaderTookTooLong or ReaderCrashed."""
        self._lifeline.settimeout(5)
        status, used, why = -1, 0.0, _("it vanished")
        with suppress(OSError, struct.error):
            status, peak, used = STATUS.unpack(self._lifeline.recv(STATUS.size, socket.MSG_WAITALL))
            self.peak = peak << 10
        if status >= 0:
            code = os.waitstatus_to_exitcode(status)
            if -code in (signal.SIGKILL, signal.SIGXCPU) and used >= self._limits.cpu / 2:  # the kernel counts by its ticks
                raise ReaderTookTooLong(reader=self._reader, seconds=self._limits.cpu)
            why = _("signal {number}").format(number=-code) if code < 0 else _("exit code {number}").format(number=code)
        raise ReaderCrashed(reader=self._reader, why=why)


# -- in words ----------------------------------------------------------------------------------------------------------


def strength() -> str:
    """In one or two sentences: what holds between a hostile file and this computer, and what does not."""
    try:
        with Sandbox() as box:
            box.start()
            level, held = box.level, box.held
    except SandboxUnavailable as error:
        return str(error)
    names = {
        jail.NETWORK: (_("no network"), _("the network")),
        jail.FILES: (_("no file but the program's own libraries"), _("files that this user may read")),
        jail.CALLS: (_("a filter on system calls"), _("dangerous system calls")),
        jail.ALONE: (_("no sight of other processes"), _("other processes of this user")),
        jail.USER: (_("no privileges of root"), _("the privileges of root")),
    }
    if level == BUBBLEWRAP:
        held |= {jail.FILES, jail.ALONE}
    if jail.CALLS in held:
        held |= {jail.NETWORK}
    if hasattr(os, "geteuid") and os.geteuid() != 0:
        held |= {jail.USER}
    how = _("a bubblewrap sandbox") if level == BUBBLEWRAP else _("a separate process")
    has = ", ".join([*(has for name, (has, _lacks) in names.items() if name in held), _("limits on memory, time and output")])
    said = _("Each file is read in {how} with {has}.").format(how=how, has=has)
    lacks = ", ".join(lacks for name, (_has, lacks) in names.items() if name not in held)
    return said + (" " + _("This system does not let it shut off: {lacks}.").format(lacks=lacks) if lacks else "")
