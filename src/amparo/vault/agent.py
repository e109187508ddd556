"""The one process that holds keys: an opaque secret per ring, handed to clients of the same user that live no longer than it.

Run as ``python -m amparo.vault.agent`` by ``agent_client.start_agent``; secrets come over a pipe, never by argument or
environment. When a ring's time is over, its secret is overwritten and every client that was given it is ended: its
connection is cut, which it answers by exiting, and after 200 ms it is killed. When the everyday ring goes, so does all.
It knows nothing of ledgers or records, writes nothing but its socket and a list of process numbers, and logs nothing.
"""

import os
import re
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import Any, Final, NoReturn

from amparo.kernel import cbor
from amparo.kernel.errors import AmparoError, NotCanonical
from amparo.vault.agent_wire import (
    EVERYDAY,
    MOST_CLIENTS,
    RING_LIMIT,
    Claim,
    Place,
    Process,
    end_all,
    peer,
    receive,
    send,
    start_time,
)
from amparo.vault.memory import Secret, harden

PATIENCE: Final = 0.2  # seconds a client has to exit by itself
_MOST_RINGS: Final = 8
_TICK: Final = 1.0  # seconds; a machine that slept is noticed within one
_NAME: Final = re.compile(r"[a-z]{1,32}")
_ENDINGS: Final = (signal.SIGTERM, signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGTERM))
_STACK: Final = 256 * 1024


def clock() -> float:
    """Seconds that pass while the machine sleeps too: a lid closed for a night ends every limit."""
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):  # macOS counts sleep in the second
        if hasattr(time, name):
            return time.clock_gettime(getattr(time, name))
    return time.monotonic()


class Held:
    """One ring's secret with its limits, in seconds: ``idle`` since it was last used, ``absolute`` since it was put."""

    def __init__(self, secret: bytes, idle: float, absolute: float) -> None:
        self.secret, self._idle = Secret(secret), idle
        self._end = clock() + absolute
        self.touch()

    def touch(self) -> None:
        self._used = clock()

    @property
    def until(self) -> float:
        """The ``clock`` at which it goes."""
        return min(self._used + self._idle, self._end)


class Peer:
    """A connected client. ``given`` names the rings it has had; ``holder`` is False for a caller that only commands."""

    def __init__(self, connection: Connection) -> None:
        """Raises PermissionError for another user's process, OSError where it is gone already."""
        self.connection = connection
        self.holder = False
        self.given: set[str] = set()
        self.process: Process | None = None
        self._end: socket.socket | None = None
        if sys.platform != "win32":
            self._end = socket.socket(fileno=os.dup(connection.fileno()))
            number, user = peer(self._end)
            if user != os.geteuid():
                self._end.close()
                raise PermissionError
            self.process = Process(number)  # the very peer: were it gone, its connection would be at an end as well

    def cut(self) -> None:
        """End the connection from any thread, without waiting for the other side."""
        with suppress(OSError):
            if self._end is not None:
                self._end.shutdown(socket.SHUT_RDWR)
            else:
                self.connection.close()

    def close(self) -> None:
        """Called by the thread that reads from it."""
        for end in (self._end, self.connection):
            with suppress(OSError):
                if end is not None:
                    end.close()


class Agent:
    """Serves each client in a thread of its own; the main thread keeps time and ends clients."""

    def __init__(self, listener: Listener, claim: Claim, limits: dict[str, list[int]]) -> None:
        """``limits``: per ring [idle, absolute] in ms; a ring not in it has those of ``*``."""
        self._listener, self._claim, self._limits = listener, claim, limits
        self._rings: dict[str, Held] = {}
        self._peers: set[Peer] = set()
        self._doomed: set[Peer] = set()
        self._locked = False
        self._changed = threading.Condition()
        self._write_roster()

    # -- main thread ---------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until the everyday ring goes, ``lock`` is asked, or a signal to end comes; then end every client."""
        for number in _ENDINGS:
            signal.signal(number, signal.default_int_handler)
        threading.Thread(target=self._accept, daemon=True).start()
        with suppress(KeyboardInterrupt):
            while not self._over():
                self._end(self._expire())
        for number in _ENDINGS:
            signal.signal(number, signal.SIG_IGN)
        with self._changed:
            self._wipe()
            holders = {client for client in self._peers | self._doomed if client.holder}
        self._end(holders)
        self._claim.clear()

    def _over(self) -> bool:
        with self._changed:
            return self._locked or EVERYDAY not in self._rings

    def _expire(self) -> set[Peer]:
        """Wait for something to do; drop the rings whose time is over and return the clients to end."""
        with self._changed:
            if not self._doomed and not self._locked:
                soonest = min((held.until for held in self._rings.values()), default=0.0) - clock()
                self._changed.wait(min(max(soonest, 0.0), _TICK))
            for name in [name for name, held in self._rings.items() if held.until <= clock()]:
                self._drop(name)
            doomed, self._doomed = self._doomed, set()
        return doomed

    @staticmethod
    def _end(clients: set[Peer]) -> None:
        for client in clients:
            client.cut()
        end_all([client.process for client in clients if client.process is not None], PATIENCE)

    # -- state, under the lock -----------------------------------------------------------------------------------------

    def put(self, ring: str, secret: bytes) -> None:
        """Hold ``secret`` under the name ``ring``, its limits counted from now. Raises ValueError."""
        if not _NAME.fullmatch(ring) or len(secret) > RING_LIMIT:
            raise ValueError("not a ring")
        with self._changed:
            if self._locked or len(self._rings.keys() | {ring}) > _MOST_RINGS:
                raise ValueError("no room for a ring")
            if ring in self._rings:
                self._rings.pop(ring).secret.close()
            idle, absolute = self._limits.get(ring, self._limits["*"])
            self._rings[ring] = Held(secret, idle / 1000, absolute / 1000)
            self._touch(ring)
            self._changed.notify()

    def _touch(self, ring: str) -> None:
        """Who uses a ring is at work, so the everyday ring counts as used too."""
        for held in (self._live(ring), self._live(EVERYDAY)):
            if held is not None:
                held.touch()

    def _live(self, ring: str) -> Held | None:
        held = self._rings.get(ring)
        return held if held is not None and held.until > clock() else None

    def _drop(self, ring: str) -> None:
        """Overwrite a ring; the clients that had it are doomed. The main thread ends them."""
        if ring in self._rings:
            self._rings.pop(ring).secret.close()
        self._doomed |= {client for client in self._peers if ring in client.given}
        self._changed.notify()

    def _wipe(self) -> None:
        self._locked = True
        for name in list(self._rings):
            self._drop(name)
        self._changed.notify()

    def _write_roster(self) -> None:
        own = (os.getpid(), start_time(os.getpid()))
        clients = [client.process for client in self._peers if client.holder and client.process is not None]
        self._claim.write([own, *((process.number, process.started) for process in clients)])

    # -- client threads ------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except OSError:  # out of descriptors, or the caller hung up: neither is a reason to lose the keys
                time.sleep(0.02)
                continue
            try:
                client = Peer(connection)
            except OSError:
                connection.close()
                continue
            with self._changed:
                welcome = len(self._peers) < MOST_CLIENTS and not self._locked
                if welcome:
                    self._peers.add(client)
            if welcome:
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()
            else:
                client.close()

    def _serve(self, client: Peer) -> None:
        """Answer until the client hangs up or says anything it should not."""
        with suppress(OSError, EOFError, NotCanonical, ValueError):
            while True:
                message = receive(client.connection)
                number = message.pop("n", 0)
                answer = self._answer(client, message)
                if answer is None:
                    break
                send(client.connection, {"n": number, **answer})
        with self._changed:
            self._peers.discard(client)
            if client.holder:
                self._write_roster()
        client.close()

    def _answer(self, client: Peer, message: dict[Any, Any]) -> dict[str, Any] | None:
        """The answer to one message, or None to hang up. Raises ValueError."""
        match message:
            case {"op": "hello"}:
                with self._changed:
                    client.holder = True
                    self._write_roster()
                return {"ok": True}
            case {"op": "get", "ring": str(ring)} if client.holder:
                return self._get(client, ring)
            case {"op": "put", "ring": str(ring), "secret": bytes(secret)}:
                with self._changed:
                    self.put(ring, secret)
                    client.given.add(ring)  # it has the secret, however it came by it
                return {"ok": True}
            case {"op": "touch", "ring": str(ring)}:
                with self._changed:
                    live = self._live(ring)
                    if live is not None:
                        self._touch(ring)
                return {"ok": live is not None}
            case {"op": "forget", "ring": str(ring)}:
                with self._changed:
                    self._drop(ring)
                return {"ok": True}
            case {"op": "lock"}:
                with self._changed:
                    self._wipe()
                return {"ok": True}
            case {"op": "status"}:
                return self._status()
        return None

    def _get(self, client: Peer, ring: str) -> dict[str, Any]:
        with self._changed:
            held = self._live(ring)
            if held is None:
                return {"ok": False}
            self._touch(ring)
            client.given.add(ring)
            return {"ok": True, "secret": held.secret.reveal()}

    def _status(self) -> dict[str, Any]:
        with self._changed:
            now = clock()
            left = {name: int((held.until - now) * 1000) for name, held in self._rings.items() if held.until > now}
            clients = sum(1 for client in self._peers if client.holder)
        return {"ok": True, "left": left, "clients": clients}


def main() -> NoReturn:
    """Read the start message from standard input, answer on standard output, serve, and end without a trace."""
    if hasattr(os, "fork") and os.fork():
        os._exit(0)  # the starter waits for this one; the agent belongs to nobody
    os.umask(0o077)
    hardening = harden(lock_memory=True)
    threading.stack_size(_STACK)
    with open(0, "rb", buffering=0, closefd=False) as pipe:  # unbuffered: a buffer would keep the secrets
        agent, answer = _begin(cbor.decode(pipe.readall()))
    sys.stdout.buffer.write(cbor.encode({**answer, "missed": list(hardening.missed)}))
    sys.stdout.buffer.flush()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nowhere, fd)
    try:
        if agent is not None:
            agent.run()
    finally:
        os._exit(0)  # no thread may delay the end


def _begin(start: dict[str, Any]) -> tuple[Agent | None, dict[str, Any]]:
    """Take the place and the secrets: the agent (None: refused) and what to tell the starter."""
    folder, address, path = start["place"]
    place = Place(Path(folder), address, Path(path))
    try:
        claim = Claim(place)
        if sys.platform != "win32":
            Path(place.socket).unlink(missing_ok=True)  # left by an agent that was killed
        listener = Listener(place.socket, "AF_PIPE" if sys.platform == "win32" else "AF_UNIX", backlog=MOST_CLIENTS)
    except BlockingIOError:
        return None, {"ready": False, "why": "busy"}
    except AmparoError as error:
        return None, {"ready": False, "why": str(error)}
    except OSError as error:
        return None, {"ready": False, "why": "busy" if sys.platform == "win32" else error.strerror or "?"}
    agent = Agent(listener, claim, start["limits"])
    for name, secret in start["rings"].items():
        agent.put(name, secret)
    return agent, {"ready": True}


if __name__ == "__main__":
    main()
