"""Takes from this process what a reader of hostile files does not need. Runs inside the sandbox only.

Invariant: every measure is given up for good, by the process itself, before it sees a byte of a file; what the system does
not offer is left out of the list that comes back, and never claimed. Standard library only.

Sources: landlock(7), user_namespaces(7), setrlimit(2), prctl(2).
"""

import ctypes
import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from amparo.evidence import seccomp

if sys.platform != "win32":
    import resource

CALLS: Final = "system calls"
FILES: Final = "files"
ALONE: Final = "sees no other process"
NETWORK: Final = "network"
USER: Final = "user"
"""What can hold: a filter of system calls, the file system shut but for libraries, a process name space of each file's own, a
network name space without devices, another user than root."""

_NEW_USER, _NEW_PIDS, _NEW_NET, _NEW_IPC, _NEW_UTS = 0x10000000, 0x20000000, 0x40000000, 0x08000000, 0x04000000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_NOBODY: Final = 65534
_MOST_PROCESSES: Final = 32
_MOST_THREADS: Final = 256  # the numeric libraries start one for each core
_MOST_FILES: Final = 128


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def drop_root(readable: Iterable[str]) -> bool:
    """Become nobody, unless nobody may read the libraries; True if this process is not root (any more)."""
    if os.geteuid() == 0:
        with suppress(OSError):
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.seteuid(_NOBODY)
            try:
                for path in readable:
                    if os.path.isdir(path):  # noqa: PTH112 - pathlib would be one more library in here
                        os.listdir(path)  # noqa: PTH208
            except PermissionError:
                os.seteuid(0)
                return False
            os.seteuid(0)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    return os.geteuid() != 0


def leave_network() -> bool:
    """Go into name spaces without a network, other programs' shared memory or a host name; False where not allowed."""
    user, group = os.geteuid(), os.getegid()
    if sys.platform != "linux" or _libc().unshare(_NEW_USER | _NEW_NET | _NEW_IPC | _NEW_UTS) != 0:
        return False
    # whoever has no place in this name space could not make another inside it
    for name, line in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with suppress(OSError), open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 - no pathlib in here
            file.write(line)
    return True


def leave_processes() -> bool:
    """Let the next child be the first process of a name space of its own, which dies with it; False where not allowed."""
    return sys.platform == "linux" and bool(_libc().unshare(_NEW_USER | _NEW_PIDS) == 0)


def close_doors(readable: Iterable[str], *, programs: bool, alone: bool) -> list[str]:
    """Shut the file system but for ``readable``, filter system calls; returns which of FILES, CALLS hold."""
    with suppress(AttributeError, OSError):
        if sys.platform == "linux":
            libc = _libc()
            libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    held = [FILES] if _landlock(readable) else []
    if seccomp.apply(programs=programs, alone=alone):
        held.append(CALLS)
    return held


def limit(memory: int, cpu: int, *, programs: bool, alone: bool) -> None:
    """``memory`` bytes of address space, ``cpu`` seconds; no written files, core dumps or locked pages."""
    limits = {
        resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: 0, resource.RLIMIT_NOFILE: _MOST_FILES, resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: cpu, resource.RLIMIT_MEMLOCK: 0,
    }  # fmt: skip
    if alone and _counts_by_namespace():
        limits[resource.RLIMIT_NPROC] = _MOST_PROCESSES if programs else _MOST_THREADS
    for which, value in limits.items():
        hard = resource.getrlimit(which)[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with suppress(OSError, ValueError):  # macOS refuses some
            resource.setrlimit(which, (most, most))


def _counts_by_namespace() -> bool:
    """RLIMIT_NPROC counts the processes of a user name space since Linux 5.14; before, all of the user's."""
    with suppress(ValueError):
        major, minor = os.uname().release.split(".")[:2]
        return sys.platform == "linux" and (int(major), int(minor)) >= (5, 14)
    return False


# -- Landlock ---------------------------------------------------------------------------------------------------------------

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_ACCESS_BY_VERSION: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_TCP: Final = 3  # bind and connect, from version 4
_SCOPES: Final = 3  # abstract sockets and signals beyond the sandbox, from version 6
_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("descriptor", ctypes.c_int32))


def _landlock(readable: Iterable[str]) -> bool:
    if sys.platform != "linux":
        return False
    call = _libc().syscall
    call.restype = ctypes.c_long
    version = call(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    everything = _ACCESS_BY_VERSION[max(known for known in _ACCESS_BY_VERSION if known <= version)]
    rules = _Ruleset(everything, _TCP if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = call(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return False
    try:
        reading = _READ_FILE | _READ_DIR | _EXECUTE
        for path in readable:
            _allow(call, ruleset, path, reading)
        for path in _DEVICES:
            _allow(call, ruleset, path, _READ_FILE | _WRITE_FILE)
        return bool(call(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _allow(call: "ctypes._NamedFuncPointer", ruleset: int, path: str, access: int) -> None:
    with suppress(OSError):  # what is not there needs no leave
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        if not os.path.isdir(path):  # noqa: PTH112 - pathlib would be one more library in here
            access &= _READ_FILE | _WRITE_FILE | _EXECUTE
        call(_ADD_RULE, ruleset, 1, ctypes.byref(_PathBeneath(access, descriptor)), 0)
        os.close(descriptor)
