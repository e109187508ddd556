"""The system-call filter of the sandbox (Linux seccomp-BPF, seccomp(2)): what a reader of hostile files may ask of the kernel.

Invariant: once ``apply`` has returned True, neither this process nor any it starts can open a socket, look into or signal
another process, change name spaces or mounts, load code into the kernel, or use a call newer than this list; without
``programs`` it cannot start a process either. Refused calls fail with EPERM, as libraries expect; calls newer than the list
with ENOSYS, so that libraries take their older way (clone3 hides its flags from a filter, io_uring hides whole calls).

Numbers: Linux arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h (aarch64); from 424 on both agree.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from typing import Final

_ARCHITECTURES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column below, AUDIT_ARCH_*

_REFUSED: Final = {  # name: (x86-64, aarch64), -1 where the call does not exist
    # network
    "socket": (41, 198), "connect": (42, 203), "accept": (43, 202), "sendto": (44, 206), "recvfrom": (45, 207),
    "sendmsg": (46, 211), "recvmsg": (47, 212), "bind": (49, 200), "listen": (50, 201), "socketpair": (53, 199),
    "setsockopt": (54, 208), "accept4": (288, 242), "recvmmsg": (299, 243), "sendmmsg": (307, 269),
    # other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "setpgid": (109, 154), "setsid": (112, 157),
    # name spaces, mounts, identity of the machine
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142), "sethostname": (170, 161),
    "setdomainname": (171, 162), "settimeofday": (164, 170), "adjtimex": (159, 171), "clock_settime": (227, 112),
    "clock_adjtime": (305, 266), "acct": (163, 89), "quotactl": (179, 60), "nfsservctl": (180, 42), "syslog": (103, 116),
    "vhangup": (153, 58), "mknod": (133, -1), "mknodat": (259, 33), "personality": (135, 92),
    # the kernel itself and its less trodden paths
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "create_module": (174, -1), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218), "iopl": (172, -1),
    "ioperm": (173, -1), "modify_ldt": (154, -1), "uselib": (134, -1), "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264), "lookup_dcookie": (212, 18), "fanotify_init": (300, 262),
}  # fmt: skip
_SIGNALS: Final = {"kill": (62, 129), "tkill": (200, 130)}
_STARTING: Final = {"execve": (59, 221), "execveat": (322, 281), "fork": (57, -1), "vfork": (58, -1)}
_CLONE, _TGKILL, _PRLIMIT = (56, 220), (234, 131), (302, 261)
_NEWEST: Final = 424
_TAKEN_OF_NEW: Final = (436, 437, 439, 441, 449, 454, 455, 456, 462)
"""close_range, openat2, faccessat2, epoll_pwait2, futex_waitv, futex_wake, futex_wait, futex_requeue, mseal."""

_NEW_NAMESPACES: Final = 0x7E020000  # every CLONE_NEW* flag that clone(2) takes
_CLONE_THREAD: Final = 0x00010000
_KILL, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data; low half of the first argument (little-endian)

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2

Instruction = tuple[int, int, int, int]


def instructions(machine: str, *, programs: bool, alone: bool, pid: int) -> list[Instruction]:
    """The filter as (code, jump if true, jump if false, constant). Raises KeyError for a machine we have no numbers of.

    ``programs``: other programs may be started. ``alone``: the process sees no others, so that it may signal all it sees;
    otherwise it may signal the process ``pid`` only (which it is).
    """
    column, arch = _ARCHITECTURES[machine]
    refuse: Instruction = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
    unknown: Instruction = (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)
    allow: Instruction = (_RETURN, 0, 0, _ALLOW)
    code: list[Instruction] = [(_LOAD, 0, 0, _ARCH), (_EQUAL, 1, 0, arch), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, _NUMBER)]
    for number in _TAKEN_OF_NEW:
        code += [(_EQUAL, 0, 1, number), allow]
    code += [(_AT_LEAST, 0, 1, _NEWEST), unknown]  # x32's numbers, too, are above
    refused = _REFUSED | ({} if alone else _SIGNALS) | ({} if programs else _STARTING)
    for numbers in refused.values():
        if numbers[column] >= 0:
            code += [(_EQUAL, 0, 1, numbers[column]), refuse]
    clone = [(_LOAD, 0, 0, _ARGUMENT), (_ANY_BIT, 0, 1, _NEW_NAMESPACES), refuse]
    clone += [allow] if programs else [(_ANY_BIT, 1, 0, _CLONE_THREAD), refuse, allow]
    code += [(_EQUAL, 0, len(clone), _CLONE[column]), *clone]
    own = [(_LOAD, 0, 0, _ARGUMENT), (_EQUAL, 1, 0, 0), refuse, allow]
    code += [(_EQUAL, 0, len(own), _PRLIMIT[column]), *own]
    if not alone:
        own = [(_LOAD, 0, 0, _ARGUMENT), (_EQUAL, 1, 0, pid), refuse, allow]
        code += [(_EQUAL, 0, len(own), _TGKILL[column]), *own]
    return [*code, allow]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def apply(*, programs: bool, alone: bool) -> bool:
    """Put this process and its children under the filter for good; False where the system has no such filter."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _ARCHITECTURES or sys.byteorder != "little" or sys.maxsize < 1 << 32:
        return False
    code = instructions(machine, programs=programs, alone=alone, pid=os.getpid())
    packed = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in code))
    program = _Program(len(code), ctypes.addressof(packed))
    prctl = ctypes.CDLL(None).prctl
    prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong)
    return not (
        prctl(_PR_SET_NO_NEW_PRIVS, 1, None, 0, 0)
        or prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(program), 0, 0)
    )
