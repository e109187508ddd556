"""The system-call filter of the sandbox (Linux seccomp-BPF, seccomp(2)): what a reader of hostile files may ask of the kernel.

Invariant: once ``apply`` has returned True, neither this process nor any it starts can open a socket, look into, signal or
slow down another process, leave anything in memory that outlasts it, open a file for writing, change or remove one, its
rights or its times, change name spaces or mounts, load code into the kernel, or use a call newer than this list; without
``programs`` it cannot start a process either. Refused calls fail with EPERM, as libraries expect; calls newer than the list
with ENOSYS, so that libraries take their older way (clone3 and openat2 hide their flags from a filter, io_uring whole calls).

Files are shut by Landlock too, where there is one; but it leaves rights, times and attributes open to change, and before
Linux 6.2 truncate(2).

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
    "setpriority": (141, 140), "ioprio_set": (251, 30), "sched_setparam": (142, 118), "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274), "sched_setaffinity": (203, 122), "migrate_pages": (256, 238), "move_pages": (279, 239),
    # what outlasts a process: memory, queues and semaphores of System V and POSIX
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "semget": (64, 190), "semop": (65, 193), "semctl": (66, 191),
    "semtimedop": (220, 192), "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187),
    "mq_open": (240, 180), "mq_unlink": (241, 181), "mq_timedsend": (242, 182), "mq_timedreceive": (243, 183),
    "mq_notify": (244, 184), "mq_getsetattr": (245, 185),
    # files: their names, rights, owners, times, attributes, length
    "chmod": (90, -1), "fchmod": (91, 52), "fchmodat": (268, 53), "chown": (92, -1), "fchown": (93, 55), "lchown": (94, -1),
    "fchownat": (260, 54), "utime": (132, -1), "utimes": (235, -1), "futimesat": (261, -1), "utimensat": (280, 88),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "removexattr": (197, 14), "lremovexattr": (198, 15),
    "fremovexattr": (199, 16), "truncate": (76, 45), "creat": (85, -1), "rename": (82, -1), "renameat": (264, 38),
    "renameat2": (316, 276), "unlink": (87, -1), "unlinkat": (263, 35), "rmdir": (84, -1), "mkdir": (83, -1),
    "mkdirat": (258, 34), "link": (86, -1), "linkat": (265, 37), "symlink": (88, -1), "symlinkat": (266, 36),
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
    "name_to_handle_at": (303, 264), "lookup_dcookie": (212, 18), "fanotify_init": (300, 262), "io_setup": (206, 0),
    "io_submit": (209, 2), "splice": (275, 76), "tee": (276, 77), "vmsplice": (278, 75),
}  # fmt: skip
_SIGNALS: Final = {"kill": (62, 129), "tkill": (200, 130)}
_STARTING: Final = {"execve": (59, 221), "execveat": (322, 281), "fork": (57, -1), "vfork": (58, -1)}
_CLONE, _TGKILL, _PRLIMIT = (56, 220), (234, 131), (302, 261)
_OPEN, _OPENAT, _FCNTL, _IOCTL = (2, -1), (257, 56), (72, 25), (16, 29)
_NEWEST: Final = 424
_TAKEN_OF_NEW: Final = (436, 439, 441, 449, 454, 455, 456, 462)
"""close_range, faccessat2, epoll_pwait2, futex_waitv, futex_wake, futex_wait, futex_requeue, mseal."""

_WRITING: Final = 0x400000 | 0o1000 | 0o100 | 0o2 | 0o1  # O_TMPFILE's own bit, O_TRUNC, O_CREAT, O_RDWR, O_WRONLY
_SIGNAL_BY_FILE: Final = (8, 10, 15)
"""F_SETOWN, F_SETSIG, F_SETOWN_EX: a file that becomes readable signals whom they name."""
_FEIGNED: Final = (0x5412, 0x541C, 0x8901, 0x8902)
"""TIOCSTI, TIOCLINUX (keys nobody pressed), FIOSETOWN, SIOCSPGRP."""

_NEW_NAMESPACES: Final = 0x7E020000  # every CLONE_NEW* flag that clone(2) takes
_CLONE_THREAD: Final = 0x00010000
_KILL, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH = 0, 4  # offsets in struct seccomp_data
_ARGUMENT, _SECOND, _THIRD = 16, 24, 32  # low halves of the arguments (little-endian)

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
    for call, steps in _by_argument(programs=programs, alone=alone, pid=pid).items():
        if call[column] >= 0:
            code += [(_EQUAL, 0, len(steps) + 1, call[column]), *steps, allow]
    return [*code, allow]


def _by_argument(*, programs: bool, alone: bool, pid: int) -> dict[tuple[int, int], list[Instruction]]:
    """What is refused, by its numbers, for some arguments only: steps that return, or run on to "allow"."""
    refuse: Instruction = (_RETURN, 0, 0, _ERRNO | errno.EPERM)

    def unless(value: int) -> list[Instruction]:
        return [(_LOAD, 0, 0, _ARGUMENT), (_EQUAL, 1, 0, value), refuse]

    def never(argument: int, values: tuple[int, ...]) -> list[Instruction]:
        return [(_LOAD, 0, 0, argument), *(step for value in values for step in ((_EQUAL, 0, 1, value), refuse))]

    def no_bit(argument: int, bits: int) -> list[Instruction]:
        return [(_LOAD, 0, 0, argument), (_ANY_BIT, 0, 1, bits), refuse]

    clone = no_bit(_ARGUMENT, _NEW_NAMESPACES)
    if not programs:
        clone += [(_ANY_BIT, 1, 0, _CLONE_THREAD), refuse]
    steps = {
        _CLONE: clone, _PRLIMIT: unless(0), _FCNTL: never(_SECOND, _SIGNAL_BY_FILE), _IOCTL: never(_SECOND, _FEIGNED),
    }  # fmt: skip
    if not programs:  # a program may want /dev/null
        steps |= {_OPEN: no_bit(_SECOND, _WRITING), _OPENAT: no_bit(_THIRD, _WRITING)}
    if not alone:
        steps[_TGKILL] = unless(pid)
    return steps


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
