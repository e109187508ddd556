"""The agent seen from outside: start it, ask it for a ring, lock it, and panic. Who holds a ring ends when the agent says so.

An ``AgentClient`` keeps its connection while its process lives. A watchdog thread reads from it: when the agent cuts the
connection or dies, the process prints one line and exits with code 3 at once, whatever it was doing (a ledger survives
that as it survives a power cut). ``panic`` needs no answer from anybody: the slots go first, then the processes.
"""

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn, Self

from amparo.kernel import cbor
from amparo.kernel.errors import AmparoError, Busy, Locked, NotCanonical
from amparo.kernel.i18n import N_, _
from amparo.vault.agent_wire import (
    EVERYDAY,
    RING_LIMIT,
    Claim,
    Place,
    connect,
    end_all,
    make_folder,
    places,
    receive,
    roster,
    send,
)
from amparo.vault.slots import Destroyed, destroy_slots

EXIT_LOCKED: Final = 3
_ANSWER: Final = 5.0  # seconds an agent may take to answer
_LOCK: Final = 1.0  # seconds it is given to begin locking; then it is killed
_PANIC: Final = 0.15  # the same, in a panic
_GRACE: Final = 0.35  # seconds, after it said it is locking, for it and its clients to end: PATIENCE and some
_SLOT_TIME: Final = 0.5  # seconds after which a panic goes on although the disk has not answered yet


class AgentNotRunning(Locked):
    template = N_("The workspace is locked: no key agent holds its keys. Unlock it with `amparo unlock`.")


class RingLocked(Locked):
    template = N_("The “{ring}” keys are locked or their time is over; unlock them with `amparo unlock{option}`.")

    def __init__(self, ring: str) -> None:
        super().__init__(ring=ring, option="" if ring == EVERYDAY else f" --{ring}")


class AgentAlreadyRuns(Busy):
    template = N_("A key agent of this workspace runs already; `amparo status` shows it, `amparo lock` ends it.")


class AgentSilent(Busy):
    template = N_("The key agent does not answer; end it with `amparo lock`, then unlock again.")


class AgentFailed(AmparoError):
    template = N_("The key agent could not start ({why}); the workspace stays locked.")


class Limits(NamedTuple):
    """Seconds: ``idle`` since a ring was last used, ``absolute`` since it was unlocked; time asleep counts."""

    idle: float
    absolute: float


LIMITS: Final[Mapping[str, Limits]] = {EVERYDAY: Limits(15 * 60, 12 * 3600), "*": Limits(5 * 60, 3600)}
"""``*`` is for every ring not named, so for the identities."""


class Status(NamedTuple):
    """``left``: ring -> seconds until it goes if nobody uses it; ``clients``: processes that may hold keys."""

    left: dict[str, float]
    clients: int


# -- starting ---------------------------------------------------------------------------------------------------------


def start_agent(workspace: Path, rings: Mapping[str, bytes], limits: Mapping[str, Limits] | None = None) -> tuple[str, ...]:
    """Start the agent of ``workspace`` with its secrets, ``everyday`` among them.

    Returns the protections that the system refused it (``memory.Hardening.missed``).

    Raises AgentAlreadyRuns, AgentFailed, RuntimeFolderRefused.
    """
    if EVERYDAY not in rings or max(map(len, rings.values())) > RING_LIMIT:
        raise ValueError("an agent holds the everyday ring at least, and rings of at most 64 KiB")
    place = _free_place(workspace)
    times = {name: [int(value * 1000) for value in limit] for name, limit in {**LIMITS, **(limits or {})}.items()}
    start = {"place": [str(part) for part in place], "rings": dict(rings), "limits": times}
    answer = _launch(cbor.encode(start))
    if not answer["ready"]:
        if answer["why"] == "busy":
            raise AgentAlreadyRuns
        raise AgentFailed(why=answer["why"])
    return tuple(answer["missed"])


def _free_place(workspace: Path) -> Place:
    candidates = places(workspace)
    for place in candidates:
        try:
            connection = connect(place, _ANSWER)
        except TimeoutError:
            raise AgentAlreadyRuns from None
        if connection is not None:
            connection.close()
            raise AgentAlreadyRuns
    make_folder(candidates[0].folder)
    return candidates[0]


def _launch(start: bytes) -> dict[str, Any]:
    """Run the agent detached, with next to no environment; the start message goes through a pipe."""
    package = str(Path(__file__).parents[2])
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "TEMP", "TMP", "LD_LIBRARY_PATH") if name in os.environ}
    # sys.path as it is, since this program may run from an archive, a checkout or a virtual environment
    kept["PYTHONPATH"] = os.pathsep.join([package, *(part for part in sys.path if part)])
    # glibc overwrites what is freed (its thread cache would not), so that no copy Python made of a secret outlives its use
    kept |= {"PYTHONMALLOC": "malloc", "GLIBC_TUNABLES": "glibc.malloc.perturb=85:glibc.malloc.tcache_count=0"}
    detached = 0x00000208 if sys.platform == "win32" else 0  # DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "amparo.vault.agent"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=kept, cwd=Path(sys.executable).anchor, start_new_session=True, creationflags=detached,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout, suppress(BrokenPipeError):
        with process.stdin:
            process.stdin.write(start)
        answer = process.stdout.read()
    if sys.platform == "win32":
        process.returncode = 0  # it is not to be waited for
    else:
        process.wait()
    try:
        return dict(cbor.decode(answer))
    except (NotCanonical, TypeError, ValueError):
        raise AgentFailed(why="no answer") from None


# -- clients ----------------------------------------------------------------------------------------------------------


class AgentClient:
    """A connection for the life of this process. After ``get`` the process ends, with exit code 3, whenever the ring does.

    A child process that is handed a ring must make a client of its own: a watchdog does not survive ``fork``. Call ``touch``
    during long work, or the idle limit ends it.
    """

    def __init__(self, workspace: Path) -> None:
        """Raises AgentNotRunning, AgentSilent, RuntimeFolderRefused."""
        self._connection = _reach(workspace)
        self._answers: queue.SimpleQueue[dict[Any, Any]] = queue.SimpleQueue()
        self._turn = threading.Lock()
        self._number = 0
        self._closing = False
        self._last_words = _("Amparo was locked: this program ended at once, and its keys with it.") + "\n"
        self._watchdog = threading.Thread(target=self._watch, name="amparo-watchdog", daemon=True)
        self._watchdog.start()
        try:
            self._ask({"op": "hello"})
        except AgentSilent:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, ring: str) -> bytes:
        """The secret of ``ring``; counts as use. Raises RingLocked, AgentSilent."""
        answer = self._ask({"op": "get", "ring": ring})
        if not answer["ok"]:
            raise RingLocked(ring)
        return bytes(answer["secret"])

    def put(self, ring: str, secret: bytes) -> None:
        """Let the agent hold another ring (unlock the identities), or the same anew. Raises AgentSilent."""
        self._ask({"op": "put", "ring": ring, "secret": secret})

    def touch(self, ring: str = EVERYDAY) -> bool:
        """Say that ``ring`` is in use; False if it is locked. Using any ring counts as use of the everyday ring."""
        return bool(self._ask({"op": "touch", "ring": ring})["ok"])

    def forget(self, ring: str) -> None:
        """Lock one ring and end every process that had it, this one too if it had; ``everyday`` locks everything."""
        self._ask({"op": "forget", "ring": ring})

    def close(self) -> None:
        """Hang up. Only for a process that ends now or has dropped every key: nothing will end it any more."""
        self._closing = True
        with suppress(OSError):
            send(self._connection, {"op": "bye"})
        self._watchdog.join(_LOCK)  # until the agent has struck this process off: a lock from now on does not end it

    def _ask(self, message: dict[str, Any]) -> dict[Any, Any]:
        with self._turn:
            self._number += 1
            try:
                send(self._connection, {**message, "n": self._number})
            except OSError:
                self._exit()
            until = time.monotonic() + _ANSWER
            while True:
                try:
                    answer = self._answers.get(timeout=max(0.0, until - time.monotonic()))
                except queue.Empty:
                    raise AgentSilent from None
                if answer.get("n") == self._number:  # else one that came too late for its question
                    return answer

    def _watch(self) -> None:
        with suppress(OSError, EOFError, NotCanonical):
            while True:
                self._answers.put(receive(self._connection))
        if not self._closing:
            self._exit()
        self._connection.close()

    def _exit(self) -> NoReturn:
        """No clean-up, no handler, no flush: keys are in this memory."""
        with suppress(OSError):
            os.write(2, self._last_words.encode("utf-8", "replace"))
        os._exit(EXIT_LOCKED)


def _reach(workspace: Path) -> Any:
    for place in places(workspace):
        try:
            connection = connect(place, _ANSWER)
        except TimeoutError:
            raise AgentSilent from None
        if connection is not None:
            return connection
    raise AgentNotRunning


# -- commands: callers that hold nothing and are not ended --------------------------------------------------------------


def status(workspace: Path) -> Status | None:
    """What the agent of ``workspace`` holds; None if none runs. Raises AgentSilent."""
    answer = _command(workspace, {"op": "status"})
    if answer is None:
        return None
    return Status({name: left / 1000 for name, left in answer["left"].items()}, answer["clients"])


def forget(workspace: Path, ring: str) -> bool:
    """Lock one ring; False if no agent runs. Raises AgentSilent."""
    try:
        _command(workspace, {"op": "forget", "ring": ring}, silent_end=False)
    except AgentNotRunning:
        return False
    return True  # an agent that ends over it may be gone before its answer


def lock(workspace: Path) -> bool:
    """End the agent and every process that holds keys; True if there was any. Returns when all have ended."""
    ended = [_end(place, _LOCK) for place in places(workspace)]
    return any(there for there, _killed, _gone in ended)


def _command(workspace: Path, message: dict[str, Any], *, silent_end: bool = True) -> dict[Any, Any] | None:
    try:
        connection = _reach(workspace)
    except AgentNotRunning:
        if silent_end:
            return None
        raise
    with connection, suppress(OSError, EOFError):
        send(connection, message)
        if not connection.poll(_ANSWER):
            raise AgentSilent
        return receive(connection)
    return None


# -- panic ------------------------------------------------------------------------------------------------------------


class Panic(NamedTuple):
    """``slots``: what became of each file; ``agent``: one ran; ``killed``: numbers of processes that did not end by themselves.

    ``complete``: nothing is left that this program knows of.
    """

    slots: list[Destroyed]
    agent: bool
    killed: list[int]
    complete: bool


def panic(workspace: Path, kinds: Iterable[str] = (EVERYDAY, "identities")) -> Panic:
    """Destroy the slots of ``kinds`` (add ``recovery`` to leave no way back), then end the agent and its clients.

    Waits for nobody: a stopped agent is killed, and a disk that does not answer holds the killing up for half a second
    only. Never raises. A process that holds an ``AgentClient`` and calls this ends with the others.
    """
    outcome: list[list[Destroyed]] = []
    chosen = list(kinds)
    worker = threading.Thread(target=lambda: outcome.append(destroy_slots(workspace / "slots", chosen)), daemon=True)
    worker.start()
    worker.join(_SLOT_TIME)
    ended = [_end(place, _PANIC) for place in places(workspace)]
    worker.join(_ANSWER)
    slots = [slot for slots in outcome for slot in slots]
    return Panic(
        slots,
        any(there for there, _killed, _gone in ended),
        [number for _there, killed, _gone in ended for number in killed],
        bool(outcome) and all(slot.overwritten and slot.removed for slot in slots) and all(gone for *_, gone in ended),
    )


def _end(place: Place, patience: float) -> tuple[bool, list[int], bool]:
    """Ask the agent at ``place`` to lock, kill what does not end: (was there one, numbers killed, all gone)."""
    processes = roster(place)
    there = asked = False
    with suppress(OSError, EOFError, AmparoError):
        connection = connect(place, patience)
        if connection is not None:
            there = True
            with connection:
                send(connection, {"op": "lock"})
                asked = connection.poll(patience)
    processes = [*roster(place), *processes]  # again: one may have joined meanwhile
    killed = end_all(processes, _GRACE if asked else 0.0)
    gone = not end_all(processes, _GRACE) if killed else True
    with suppress(OSError, AmparoError):  # the agent that was killed left its socket
        if place.folder.is_dir():
            claim = Claim(place)
            claim.clear()
            claim.release()
    return there or bool(processes), sorted(set(killed)), gone
