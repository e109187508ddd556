"""The inside of the sandbox: one process that has loaded the readers' libraries and forks one process for each file.

    spawner      waits for jobs on its standard input (a socket); sees no byte of any file
    supervisor   one for each file: kills the worker when the parent lets go of it, tells how it ended
    worker       one for each file: gives up everything (``jail``), then reads the file the parent serves, and dies

Invariant: a worker has two things, a socket to the parent and the libraries; it begins reading only after ``jail`` has closed
the doors. Nothing lasts from one file to the next.
"""

import gc
import importlib
import io
import json
import math
import os
import signal
import socket
import struct
import sys
import time
from collections import OrderedDict
from contextlib import suppress
from types import ModuleType
from typing import Any, Final

from amparo.evidence import frames, jail, readers
from amparo.evidence.findings import Chunk, Facts, Finding, Hints, MemberEnd, Text, Unreadable, Warn
from amparo.kernel.i18n import _

if sys.platform != "win32":
    import resource

STATUS: Final = struct.Struct(">iqd")  # what waitpid said, peak memory in KiB, processor seconds
_BLOCK: Final = 1 << 18
_BLOCKS: Final = 64
_LATE: Final = 0.5  # seconds a finding waits for company
_NOTICE: Final = 0.05  # seconds after which a death is noticed


def main(readable: list[str], level: str, plugins: str = "") -> None:
    """Serve jobs until the parent closes its end. ``readable``: all that may be seen of the file system."""
    if plugins:
        readers.__path__.append(plugins)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # supervisors vanish when they end
    control = socket.socket(fileno=os.dup(0))
    held = []
    if level == "bubblewrap":
        held.append(jail.NETWORK)
        if jail.drop_root(readable):
            held.append(jail.USER)
    elif jail.leave_network():
        held.append(jail.NETWORK)
    held += _tried(readable)
    control.sendall(_framed(json.dumps(held).encode()))
    gc.freeze()
    while True:
        head, descriptors, _flags, _address = socket.recv_fds(control, frames.LENGTH.size, 2)
        if len(head) < frames.LENGTH.size or len(descriptors) != 2:
            os._exit(0)
        job = json.loads(_exactly(control, frames.LENGTH.unpack(head)[0]))
        module = _load(job["reader"])
        if os.fork() == 0:
            control.close()
            os.close(0)
            _supervise(descriptors[0], descriptors[1], job, module, readable)
            os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)


def _framed(payload: bytes) -> bytes:
    return frames.LENGTH.pack(len(payload)) + payload


def _exactly(control: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = control.recv(length - len(data))
        if not more:
            os._exit(0)
        data += more
    return data


def _load(reader: str) -> ModuleType | str:
    """The reader's module, or the name of what it lacks. Loaded before the fork, so that it is loaded once."""
    try:
        module = importlib.import_module(f"amparo.evidence.readers.{reader}")
    except (ImportError, OSError) as error:
        return getattr(error, "name", None) or reader
    gc.freeze()
    return module


def _tried(readable: list[str]) -> list[str]:
    """Which measures hold, found out by a child that takes them all."""
    out, back = os.pipe()
    if os.fork() == 0:
        held = [jail.ALONE] if jail.leave_processes() else []
        held += jail.close_doors(readable, programs=False, alone=bool(held))
        os.write(back, json.dumps(held).encode())
        os._exit(0)
    os.close(back)
    with os.fdopen(out, "rb") as pipe:
        told = pipe.read()
    return [str(measure) for measure in json.loads(told)] if told else []


# -- the supervisor ---------------------------------------------------------------------------------------------------------


def _supervise(data: int, lifeline: int, job: dict[str, Any], module: ModuleType | str, readable: list[str]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    alone = jail.leave_processes()
    child = os.fork()
    if child == 0:
        try:
            _work(data, job, module, readable, alone=alone)
        finally:
            os._exit(1)
    os.close(data)
    line = socket.socket(fileno=lifeline)
    line.settimeout(_NOTICE)
    while True:
        ended, status, used = os.wait4(child, os.WNOHANG)
        if ended:
            break
        with suppress(TimeoutError):
            if not line.recv(1):
                with suppress(OSError):
                    os.kill(child, signal.SIGKILL)
                    if not alone:
                        os.killpg(child, signal.SIGKILL)
    if not alone:
        with suppress(OSError):
            os.killpg(child, signal.SIGKILL)  # what it started may still be there
    with suppress(OSError):
        line.sendall(STATUS.pack(status, used.ru_maxrss, used.ru_utime + used.ru_stime))


# -- the worker -------------------------------------------------------------------------------------------------------------


def _work(data: int, job: dict[str, Any], module: ModuleType | str, readable: list[str], *, alone: bool) -> None:
    os.setpgid(0, 0)
    programs = bool(getattr(module, "PROGRAMS", ()))
    os.dup2(data, 3)
    os.closerange(4, 4096)
    os.closerange(0, 3)
    for _descriptor in range(3):
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    jail.limit(job["memory"], job["cpu"], programs=programs, alone=alone)
    jail.close_doors(readable, programs=programs, alone=alone)
    parent = _Parent(3)
    try:
        if isinstance(module, str):
            parent.fail("missing", module)
            return
        _read(parent, module)
    except Unreadable as error:
        parent.fail("unreadable", str(error))
    except MemoryError:
        parent.fail("memory", "")
    except RecursionError:
        parent.fail("fault", "RecursionError")
    except OSError as error:
        parent.fail("fault", f"{type(error).__name__} {error.errno or ''}")
    except Exception as error:  # noqa: BLE001 - whatever a parser raises on a hostile file ends here, in one word
        place = error.__traceback__
        while place and place.tb_next:
            place = place.tb_next
        where = f" {os.path.basename(place.tb_frame.f_code.co_filename)}:{place.tb_lineno}" if place else ""  # noqa: PTH119
        parent.fail("fault", type(error).__name__ + where)


def _read(parent: "_Parent", module: ModuleType) -> None:
    hints = Hints(**json.loads(parent.take(frames.LENGTH.unpack(parent.take(frames.LENGTH.size))[0])))
    stream = io.BufferedReader(Served(parent, hints.size), 1 << 15)
    for finding in module.read(stream, hints):
        parent.tell(finding)
    parent.done()


class _Parent:
    """The socket to the process that serves the file and takes the findings."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting: list[list[Any]] = []
        self._size = 0
        self._since = time.monotonic()

    def fetch(self, offset: int, length: int) -> bytes:
        self._write(frames.HEAD.pack(frames.READ, frames.RANGE.size) + frames.RANGE.pack(offset, length))
        return self.take(length)

    def take(self, length: int) -> bytes:
        data = bytearray(length)
        view, got = memoryview(data), 0
        while got < length:
            count = os.readv(self._descriptor, [view[got:]])
            if not count:
                os._exit(0)  # the parent has let go
            got += count
        return bytes(data)

    def tell(self, finding: Finding) -> None:
        if isinstance(finding, Chunk):
            self.flush()
            for start in range(0, len(finding.data), frames.MOST_CHUNK):
                piece = finding.data[start : start + frames.MOST_CHUNK]
                self._write(frames.HEAD.pack(frames.CHUNK, len(piece)) + piece)
            return
        if isinstance(finding, Text) and len(finding.text) > frames.MOST_TEXT:
            for start in range(0, len(finding.text), frames.MOST_TEXT):
                self.tell(Text(finding.locator, finding.text[start : start + frames.MOST_TEXT], finding.language))
            return
        if isinstance(finding, Facts):
            self.flush()
            finding = Facts(finding.kind, _plain(finding.data, 0))
            if len(_json(finding.data)) > frames.MOST[frames.FINDINGS] // 2:
                sentence = _("The facts of kind “{kind}” are longer than can be kept, and were left out.")
                finding = Warn(sentence.format(kind=finding.kind[:64]))
        self._waiting.append(frames.pack(finding))
        self._size += 100 + (len(finding.text) if isinstance(finding, Text) else 900)  # far fewer than MOST_FINDINGS fit
        late = time.monotonic() - self._since > _LATE
        if self._size > 1 << 16 or late or isinstance(finding, (Facts, MemberEnd)):
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            self._frame(frames.FINDINGS, self._waiting)
            self._waiting, self._size, self._since = [], 0, time.monotonic()

    def done(self) -> None:
        self.flush()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self._write(frames.HEAD.pack(frames.DONE, frames.PEAK.size) + frames.PEAK.pack(peak))

    def fail(self, what: str, sentence: str) -> None:
        with suppress(MemoryError):
            self.flush()
        self._frame(frames.FAILED, [what, sentence[:2000]])

    def _frame(self, kind: bytes, value: object) -> None:
        payload = _json(value)
        self._write(frames.HEAD.pack(kind, len(payload)) + payload)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def _plain(value: Any, depth: int) -> Any:
    """Facts as JSON and the parent take them: not a number and infinite as None, bytes in hexadecimal, the rest as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict) and depth < frames.DEEPEST:
        return {str(key)[:1000]: _plain(entry, depth + 1) for key, entry in value.items()}
    if isinstance(value, (list, tuple)) and depth < frames.DEEPEST:
        return [_plain(entry, depth + 1) for entry in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, int) and abs(value) < 1 << 62:
        return value
    return value if isinstance(value, (str, type(None))) else str(value)[:1000]


class Served(io.RawIOBase):
    """The file as the parent serves it: seekable, read ahead while it is read in order, some blocks kept."""

    def __init__(self, parent: "_Parent", size: int) -> None:
        self._parent, self._size, self._at = parent, size, 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._next, self._ahead = 0, 1

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("before the start")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        if self._at >= self._size or not view:
            return 0
        block, skip = divmod(self._at, _BLOCK)
        data = self._block(block)
        count = min(len(view), len(data) - skip)
        view[:count] = data[skip : skip + count]
        self._at += count
        return count

    def _block(self, number: int) -> bytes:
        held = self._blocks.get(number)
        if held is not None:
            self._blocks.move_to_end(number)
            return held
        self._ahead = min(self._ahead * 2, frames.MOST_READ // _BLOCK) if number == self._next else 1
        start = number * _BLOCK
        data = self._parent.fetch(start, min(self._ahead * _BLOCK, self._size - start))
        for place in range(0, len(data), _BLOCK):
            self._blocks[number + place // _BLOCK] = data[place : place + _BLOCK]
        self._next = number + self._ahead
        while len(self._blocks) > _BLOCKS:
            self._blocks.popitem(last=False)
        return self._blocks[number]
