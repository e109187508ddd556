"""What the key agent and its clients share: the private folder, the messages, and who is at the other end.

Everything lies in a folder that only this user may enter; both ends ask the system, not each other, for the user at the
other end. Messages are deterministic CBOR of bounded length, never pickles. A process is named by number *and* start time,
so that a number given again is never mistaken for it.
"""

import hashlib
import os
import select
import signal
import socket
import stat
import struct
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import Any, Final, NamedTuple

from amparo.kernel import cbor
from amparo.kernel.errors import AmparoError, NotCanonical
from amparo.kernel.i18n import N_

if sys.platform != "win32":
    import fcntl

EVERYDAY: Final = "everyday"
RING_LIMIT: Final = 64 * 1024
MESSAGE_LIMIT: Final = RING_LIMIT + 1024
MOST_CLIENTS: Final = 64
_PATH_LIMIT: Final = 100  # bytes; sun_path holds 104 (macOS) or 108 (Linux) with its final zero
_ROSTER: Final = struct.Struct(f"<{2 * (MOST_CLIENTS + 1)}Q")


class RuntimeFolderRefused(AmparoError):
    template = N_("The folder {folder} is not safe for the key agent ({why}); remove it, then try again.")


# -- the folder -------------------------------------------------------------------------------------------------------


class Place(NamedTuple):
    """Where the agent of one workspace is met: socket (or pipe name, on Windows) and roster of its processes."""

    folder: Path
    socket: str
    roster: Path


def places(workspace: Path) -> list[Place]:
    """Every place where the agent of ``workspace`` may be, best first.

    An agent started in a login session must be found from a shell that lacks the session's environment too.
    """
    real = os.path.normcase(os.path.realpath(workspace))
    name = hashlib.sha256(b"amparo/agent/1" + os.fsencode(real)).hexdigest()[:16]
    if sys.platform == "win32":
        folder = Path(tempfile.gettempdir()) / "amparo"
        return [Place(folder, rf"\\.\pipe\amparo-{name}", folder / f"{name}.roster")]
    bases = [Path(value) for value in (os.environ.get("XDG_RUNTIME_DIR", ""), f"/run/user/{os.geteuid()}") if value]
    folders = [base / "amparo" for base in bases if _is_private(base)]
    shared = (tempfile.gettempdir(), "/tmp")  # noqa: S108  the folder made in it is checked, see make_folder
    folders += [Path(base) / f"amparo-{os.geteuid()}" for base in shared]
    found = {folder: Place(folder, str(folder / f"{name}.sock"), folder / f"{name}.roster") for folder in folders}
    return [place for place in found.values() if len(os.fsencode(place.socket)) <= _PATH_LIMIT]


def make_folder(folder: Path) -> None:
    """Make the private folder. Raises RuntimeFolderRefused if it is a link, another user's, or open to others."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    why = _weakness(folder)
    if why:
        raise RuntimeFolderRefused(folder=str(folder), why=why)


def _is_private(folder: Path) -> bool:
    return _weakness(folder) == ""


def _weakness(folder: Path) -> str:
    try:
        facts = folder.lstat()
    except OSError as error:
        return error.strerror or "?"
    if not stat.S_ISDIR(facts.st_mode):
        return "a link or a file"
    if sys.platform == "win32":
        return ""  # the user's own temporary folder; its access list is inherited
    if facts.st_uid != os.geteuid():
        return "it belongs to another user"
    return "open to other users" if facts.st_mode & 0o077 else ""


# -- messages ---------------------------------------------------------------------------------------------------------


def send(connection: Connection, message: dict[str, Any]) -> None:
    """Send one message."""
    connection.send_bytes(cbor.encode(message))


def receive(connection: Connection) -> dict[Any, Any]:
    """Wait for one message. Raises EOFError, OSError (too long, broken), NotCanonical."""
    message = cbor.decode(connection.recv_bytes(MESSAGE_LIMIT))
    if not isinstance(message, dict):
        raise NotCanonical(why="not a message")
    return message


def connect(place: Place, seconds: float) -> Connection | None:
    """Connect to the agent at ``place``, or return None where none listens. Raises TimeoutError, RuntimeFolderRefused."""
    if sys.platform == "win32":
        try:
            return Client(place.socket, "AF_PIPE")
        except OSError:
            return None
    else:
        if not _is_private(place.folder):  # nobody's, or someone else's: not a place where our agent is
            return None
        with socket.socket(socket.AF_UNIX) as plain:
            plain.settimeout(seconds)
            try:
                plain.connect(place.socket)
            except BlockingIOError:  # its queue is full: it has stopped accepting
                raise TimeoutError from None
            except (FileNotFoundError, ConnectionRefusedError):
                return None
            if peer(plain)[1] != os.geteuid():
                raise RuntimeFolderRefused(folder=str(place.folder), why="another user's program listens there")
            plain.settimeout(None)
            return Connection(plain.detach())


def peer(end: socket.socket) -> tuple[int, int]:
    """(process, user) at the other end, as the system tells it; (0, own user) where it does not."""
    if sys.platform == "linux":
        process, user, _ = struct.unpack("3i", end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return process, user
    if sys.platform == "darwin":  # SOL_LOCAL 0: LOCAL_PEERCRED 1 (struct xucred), LOCAL_PEERPID 2
        return end.getsockopt(0, 2), struct.unpack_from("II", end.getsockopt(0, 1, 76))[1]
    return 0, getattr(os, "geteuid", lambda: 0)()


# -- processes --------------------------------------------------------------------------------------------------------


class Process:
    """Another process, to be waited for or killed. On Linux it is held by a pidfd, so it is the same one to the end."""

    def __init__(self, number: int, started: int = 0) -> None:
        """Raises ProcessLookupError if it is gone, or if the process of that ``number`` started at another time."""
        self.number = number
        self._fd = -1
        if sys.platform == "linux":
            self._fd = os.pidfd_open(number)
        self.started = start_time(number)
        if started and self.started and self.started != started:
            raise ProcessLookupError

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            os.close(self._fd)

    def ended(self, seconds: float) -> bool:
        """Wait up to ``seconds`` for its end."""
        if sys.platform == "linux":
            poll = select.poll()
            poll.register(self._fd, select.POLLIN)
            return bool(poll.poll(max(0, int(seconds * 1000))))
        until = time.monotonic() + seconds
        while sys.platform != "win32":
            try:
                os.kill(self.number, 0)
            except OSError:
                return True
            if time.monotonic() >= until:
                return False
            time.sleep(0.01)
        time.sleep(max(0.0, seconds))  # Windows: signal 0 would end it, so it is not asked
        return False

    def kill(self) -> None:
        """End it at once; no handler of its own runs."""
        with suppress(OSError):
            if sys.platform == "linux":
                signal.pidfd_send_signal(self._fd, signal.SIGKILL)
            else:
                os.kill(self.number, getattr(signal, "SIGKILL", signal.SIGTERM))


def start_time(number: int) -> int:
    """When a process started, in the kernel's ticks since boot (proc(5), stat, field 22); 0 where the system hides it."""
    try:
        return int(Path(f"/proc/{number}/stat").read_bytes().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def end_all(processes: Sequence[Process], patience: float) -> list[int]:
    """Give ``processes`` together ``patience`` seconds to end, kill the rest; return the numbers of those killed."""
    until = time.monotonic() + patience
    late = [process for process in processes if not process.ended(until - time.monotonic())]
    for process in late:
        process.kill()
    return [process.number for process in late]


class Claim:
    """The sole right to be the agent at a place, with the roster of processes that hold its keys; freed by death too."""

    def __init__(self, place: Place) -> None:
        """Raises BlockingIOError if another process has it, RuntimeFolderRefused."""
        make_folder(place.folder)
        self._place = place
        while True:
            self._fd = os.open(place.roster, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
            try:
                if sys.platform == "win32":
                    return  # there the name of the pipe is the lock
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if place.roster.stat().st_ino == os.fstat(self._fd).st_ino:
                    return
            except FileNotFoundError:  # the last holder removed it meanwhile: once more
                pass
            except BlockingIOError:
                os.close(self._fd)
                raise
            os.close(self._fd)

    def write(self, processes: Sequence[tuple[int, int]]) -> None:
        """Replace the roster: (number, start time) of the agent, then of its clients."""
        numbers = [value for process in processes[: MOST_CLIENTS + 1] for value in process]
        os.lseek(self._fd, 0, os.SEEK_SET)
        os.write(self._fd, _ROSTER.pack(*numbers, *[0] * (2 * (MOST_CLIENTS + 1) - len(numbers))))

    def clear(self) -> None:
        """Remove socket and roster; the right ends with this process or with ``release``."""
        for path in (Path(self._place.socket), self._place.roster):
            if sys.platform != "win32":
                path.unlink(missing_ok=True)

    def release(self) -> None:
        """Let another have it."""
        os.close(self._fd)


def roster(place: Place) -> list[Process]:
    """The agent and its clients that are alive, this process left out; empty where none is or the folder is not ours."""
    if not _is_private(place.folder):
        return []
    try:
        numbers = _ROSTER.unpack(place.roster.read_bytes())
    except (OSError, struct.error):
        return []
    alive = []
    for number, started in zip(numbers[::2], numbers[1::2], strict=True):
        if number and number != os.getpid():
            with suppress(OSError):
                alive.append(Process(number, started))
    return alive
