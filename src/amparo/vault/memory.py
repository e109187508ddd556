"""Keys leave memory by no door that the system lets us close: core dumps, debuggers, swap, tracebacks.

``harden`` closes what it can and says what held and what did not. Tracebacks are made of file names, line numbers and
program text only; the message of an unforeseen exception is left out, since it may quote a value. (faulthandler prints
file names and line numbers only, so it may be switched on.)

What Python cannot guarantee: a secret handed out as ``bytes`` is copied by the interpreter at will, and such copies are
freed but not overwritten. ``Secret`` keeps the one long-lived copy out of swap and overwrites that one.
"""

import ctypes
import mmap
import os
import signal
import sys
import threading
from contextlib import suppress
from types import TracebackType
from typing import Final, NamedTuple, Self

if sys.platform != "win32":
    import resource

CORE_DUMPS: Final = "no core dumps"
DEBUGGERS: Final = "closed to debuggers of the same user"
LOCKED: Final = "all memory kept out of swap"

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_MADV_WIPEONFORK: Final = 18  # Linux 4.14: a forked child sees zeros


class Hardening(NamedTuple):
    """The measures that ``held`` and those the system refused or does not have (``missed``), as the constants above."""

    held: tuple[str, ...]
    missed: tuple[str, ...]


def harden(*, lock_memory: bool = False) -> Hardening:
    """Close this process to core dumps and debuggers and quieten its tracebacks; ``lock_memory``: keep all of it in RAM.

    Locking everything suits a small process that lives long (the agent); a worker with gigabytes of views leaves it out.
    Never raises: what did not hold is in the report.
    """
    quiet_tracebacks()
    measures = {CORE_DUMPS: _no_core_dumps, DEBUGGERS: _no_debuggers}
    if lock_memory:
        measures[LOCKED] = _lock_all
    results = {name: measure() for name, measure in measures.items()}
    return Hardening(
        tuple(name for name, held in results.items() if held), tuple(name for name, held in results.items() if not held)
    )


def _no_core_dumps() -> bool:
    if sys.platform == "win32":
        return False
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return resource.getrlimit(resource.RLIMIT_CORE)[0] == 0


def _no_debuggers() -> bool:
    """Not dumpable (Linux, prctl(2)): no ptrace, no /proc/PID/mem for other programs of the same user."""
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)


def die_with_parent() -> None:
    """Let this process be killed when the thread that started it ends (Linux, prctl(2)); elsewhere its pipes tell it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _lock_all() -> bool:
    """mlockall(2), only where the limit could be lifted: under a limit, every later allocation beyond it would fail."""
    if sys.platform != "linux":
        return False
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, unlimited)
    except (OSError, ValueError):
        hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard))
        if hard != resource.RLIM_INFINITY:
            return False
    libc = ctypes.CDLL(None)
    everything = _MCL_CURRENT | _MCL_FUTURE
    return bool(libc.mlockall(everything | _MCL_ONFAULT) == 0 or libc.mlockall(everything) == 0)


class Secret:
    """The one long-lived copy of a secret: in pages of its own, locked where allowed, overwritten by ``close``.

    ``locked`` says whether the system keeps its pages out of swap. See the module for what this cannot promise.
    """

    __slots__ = ("_length", "_pages", "locked")

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._length = len(data)
        size = max(1, self._length)
        if sys.platform == "win32":
            self._pages = mmap.mmap(-1, size)
        else:
            self._pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.locked = _lock_pages(self._pages)
        self._pages[: self._length] = data

    def __len__(self) -> int:
        return self._length

    def __repr__(self) -> str:
        return "Secret()"

    def reveal(self) -> bytes:
        """Return a copy. Raises ValueError once closed."""
        return self._pages[: self._length]

    def close(self) -> None:
        """Overwrite with zeros and give the pages back; again is harmless."""
        if not self._pages.closed:
            self._pages[:] = bytes(len(self._pages))
            self._pages.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_pages"):
            self.close()


def _lock_pages(pages: mmap.mmap) -> bool:
    """Lock one mapping; on Linux keep it out of core dumps and forked children too."""
    size = len(pages)
    handle = ctypes.c_char.from_buffer(pages)
    address = ctypes.c_void_p(ctypes.addressof(handle))
    del handle  # or the mapping could not be closed
    if sys.platform == "win32":
        return bool(ctypes.windll.kernel32.VirtualLock(address, ctypes.c_size_t(size)))
    if sys.platform == "linux":
        for advice in (mmap.MADV_DONTDUMP, _MADV_WIPEONFORK):
            with suppress(OSError):
                pages.madvise(advice)
    return bool(ctypes.CDLL(None).mlock(address, ctypes.c_size_t(size)) == 0)


# -- tracebacks -------------------------------------------------------------------------------------------------------


def quiet_tracebacks() -> None:
    """Report unforeseen exceptions, of any thread, by type, file and line: never by message or value."""
    sys.excepthook = _report
    sys.unraisablehook = lambda args: _report(args.exc_type, None, args.exc_traceback)
    threading.excepthook = lambda args: _report(args.exc_type, None, args.exc_traceback)


def _report(kind: type[BaseException], _value: BaseException | None, trace: TracebackType | None) -> None:
    lines = []
    while trace is not None:
        code = trace.tb_frame.f_code
        lines.append(f"  {code.co_filename}:{trace.tb_lineno} in {code.co_name}\n")
        trace = trace.tb_next
    with suppress(OSError):
        os.write(2, ("".join(lines) + kind.__name__ + "\n").encode("utf-8", "backslashreplace"))
