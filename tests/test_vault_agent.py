"""The key agent with real processes: what ends, when, and what stays behind. Attacks tested by name."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from amparo.kernel import cbor
from amparo.vault import agent_client, agent_wire, slots
from amparo.vault.agent_client import AgentClient, Limits, forget, lock, panic, start_agent, status
from amparo.vault.agent_wire import MESSAGE_LIMIT, Process, connect, places, roster

posix = pytest.mark.skipif(sys.platform == "win32", reason="sockets, signals and /proc are POSIX's")
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
pytestmark = posix  # the named pipes of Windows are untested so far

EVERYDAY = b"made-up everyday ring " + bytes(range(128, 256))
IDENTITIES = b"made-up identities ring " + bytes(range(255, 127, -1))
LONG = Limits(60, 60)

HOLDER = """
import sys, time
from pathlib import Path
from amparo.vault.agent_client import AgentClient
client = AgentClient(Path(sys.argv[1]))
for ring in sys.argv[2:]:
    client.get(ring)
print("holds", flush=True)
time.sleep(60)
"""


@pytest.fixture
def workspace(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty workspace with a runtime folder of its own (a socket's path must be short)."""
    folder = Path(tempfile.mkdtemp(prefix="amp"))
    (folder / "run").mkdir(mode=0o700)
    (folder / "workspace").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / "run"))
    yield folder / "workspace"
    lock(folder / "workspace")
    shutil.rmtree(folder)


@pytest.fixture
def agent(workspace: Path) -> Path:
    """A workspace whose agent holds both rings for a minute."""
    start_agent(workspace, {"everyday": EVERYDAY, "identities": IDENTITIES}, {"everyday": LONG, "identities": LONG})
    return workspace


def holder(workspace: Path, *rings: str) -> "subprocess.Popen[str]":
    """A process that has been given ``rings``."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(workspace), *rings], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "holds\n"
    return process


def agent_process(workspace: Path) -> Process:
    """The agent, told apart from its clients by being first in the roster."""
    return roster(places(workspace)[0])[0]


def end_of(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Exit code and last words of a process that ends by itself."""
    _, words = process.communicate(timeout=10)
    return process.returncode, words


def raw(workspace: Path) -> socket.socket:
    """A bare connection to the agent."""
    end = socket.socket(socket.AF_UNIX)
    end.settimeout(5)
    end.connect(places(workspace)[0].socket)
    return end


# -- everyday work ----------------------------------------------------------------------------------------------------


def test_a_client_gets_what_was_put(agent: Path) -> None:
    """Rings come back unchanged, of any length up to 64 KiB; a ring that was never put is locked."""
    with AgentClient(agent) as client:
        assert client.get("everyday") == EVERYDAY
        longest = os.urandom(agent_wire.RING_LIMIT)
        client.put("casework", longest)
        assert client.get("casework") == longest
        with pytest.raises(agent_client.RingLocked) as caught:
            client.get("absent")
        assert caught.value.exit_code == 3
        held = status(agent)
        assert held is not None
        assert set(held.left) == {"everyday", "identities", "casework"}
        assert held.clients == 1


def test_threads_of_one_client_get_their_own_answers(agent: Path) -> None:
    """Eight threads that ask at once never receive each other's ring."""
    wrong: list[str] = []
    with AgentClient(agent) as client:

        def ask(ring: str, secret: bytes) -> None:
            wrong.extend(ring for _ in range(50) if client.get(ring) != secret)

        pairs = [("everyday", EVERYDAY), ("identities", IDENTITIES)] * 4
        threads = [threading.Thread(target=ask, args=pair) for pair in pairs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_a_locked_workspace_is_told_as_locked(workspace: Path) -> None:
    """Without an agent a client is refused with exit code 3; status, forget and lock say that none runs."""
    with pytest.raises(agent_client.AgentNotRunning) as caught:
        AgentClient(workspace)
    assert caught.value.exit_code == 3
    assert status(workspace) is None
    assert not forget(workspace, "identities")
    assert not lock(workspace)


def test_a_second_agent_is_refused(agent: Path) -> None:
    """Two agents at once: the second is refused, the first keeps its keys; another name of the folder changes nothing."""
    with pytest.raises(agent_client.AgentAlreadyRuns):
        start_agent(agent, {"everyday": b"another"})
    link = agent.with_name("link")
    link.symlink_to(agent)
    with pytest.raises(agent_client.AgentAlreadyRuns):
        start_agent(link, {"everyday": b"another"})
    with AgentClient(link) as client:
        assert client.get("everyday") == EVERYDAY


def test_of_many_agents_started_at_once_one_wins(workspace: Path) -> None:
    """Six starts race: exactly one succeeds, the others are told that one runs."""
    outcomes: list[str] = []

    def start() -> None:
        try:
            start_agent(workspace, {"everyday": EVERYDAY})
            outcomes.append("started")
        except agent_client.AgentAlreadyRuns:
            outcomes.append("refused")

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused"] * 5 + ["started"]


# -- ends -------------------------------------------------------------------------------------------------------------


def test_lock_ends_every_process_that_holds_keys(agent: Path) -> None:
    """After lock the clients have exited with code 3 and one line, the agent is gone, and its folder is empty."""
    clients = [holder(agent, "everyday"), holder(agent, "everyday", "identities"), holder(agent)]
    process = agent_process(agent)
    assert lock(agent)
    assert process.ended(0)
    for client in clients:
        code, words = end_of(client)
        assert code == 3
        assert len(words.splitlines()) == 1
    assert list(places(agent)[0].folder.iterdir()) == []
    assert status(agent) is None


def test_a_client_that_does_not_react_is_killed(agent: Path) -> None:
    """A stopped client (SIGSTOP) cannot exit by itself: lock kills it."""
    client = holder(agent, "everyday")
    client.send_signal(signal.SIGSTOP)
    assert lock(agent)
    assert end_of(client)[0] == -signal.SIGKILL


def test_clients_of_a_killed_agent_end_at_once(agent: Path) -> None:
    """kill -9 of the agent ends its clients; its stale socket neither misleads nor hinders the next start."""
    client = holder(agent, "everyday")
    agent_process(agent).kill()
    assert end_of(client)[0] == 3
    assert Path(places(agent)[0].socket).exists()
    assert status(agent) is None
    start_agent(agent, {"everyday": b"new"})
    with AgentClient(agent) as again:
        assert again.get("everyday") == b"new"


def test_a_polite_signal_ends_all(agent: Path) -> None:
    """SIGTERM (a logout, a shutdown) is a lock: clients end, nothing stays in the folder."""
    client = holder(agent, "everyday")
    process = agent_process(agent)
    os.kill(process.number, signal.SIGTERM)
    assert end_of(client)[0] == 3
    assert process.ended(5)
    assert list(places(agent)[0].folder.iterdir()) == []


def test_identities_expire_while_everyday_stays(workspace: Path) -> None:
    """When the identities' idle time is over, who had them is ended; who had the everyday ring only goes on."""
    start_agent(workspace, {"everyday": EVERYDAY}, {"everyday": LONG, "identities": Limits(0.6, 60)})
    everyday, both = holder(workspace, "everyday"), None
    with AgentClient(workspace) as client:
        assert client.get("everyday") == EVERYDAY
    unlocking = f"""
import sys, time
from pathlib import Path
from amparo.vault.agent_client import AgentClient
client = AgentClient(Path(sys.argv[1])); client.put("identities", {IDENTITIES!r}); time.sleep(60)
"""
    both = subprocess.Popen([sys.executable, "-c", unlocking, str(workspace)], stderr=subprocess.PIPE, text=True)
    assert end_of(both)[0] == 3
    held = status(workspace)
    assert held is not None
    assert set(held.left) == {"everyday"}
    assert everyday.poll() is None
    lock(workspace)
    assert end_of(everyday)[0] == 3


def test_forget_ends_who_had_the_ring(agent: Path) -> None:
    """Forgetting the identities ends the client that had them; forgetting the everyday ring ends everything."""
    everyday, both = holder(agent, "everyday"), holder(agent, "identities")
    assert forget(agent, "identities")
    assert end_of(both)[0] == 3
    assert everyday.poll() is None
    with AgentClient(agent) as client, pytest.raises(agent_client.RingLocked):
        client.get("identities")
    process = agent_process(agent)
    assert forget(agent, "everyday")
    assert end_of(everyday)[0] == 3
    assert process.ended(5)


def test_the_idle_limit_counts_from_the_last_use(workspace: Path) -> None:
    """An agent that is touched outlives its idle limit; left alone, it ends."""
    start_agent(workspace, {"everyday": EVERYDAY}, {"everyday": Limits(1.5, 60)})
    process = agent_process(workspace)
    client = holder(workspace, "everyday")
    with AgentClient(workspace) as touching:
        for _ in range(10):
            time.sleep(0.2)
            assert touching.touch()
    assert process.ended(10)
    assert end_of(client)[0] == 3


def test_the_absolute_limit_ends_even_busy_work(workspace: Path) -> None:
    """Use prolongs the idle limit only: the absolute one ends agent and client."""
    start_agent(workspace, {"everyday": EVERYDAY}, {"everyday": Limits(60, 2.0)})
    process = agent_process(workspace)
    assert end_of(holder(workspace, "everyday"))[0] == 3
    assert process.ended(5)


def test_an_expired_ring_is_not_revived_by_use(workspace: Path) -> None:
    """A ring whose time is over is locked even in the instant before the agent sweeps it away."""
    start_agent(workspace, {"everyday": EVERYDAY, "identities": IDENTITIES}, {"everyday": LONG, "identities": Limits(0.3, 60)})
    with AgentClient(workspace) as client:
        time.sleep(0.3)
        assert not client.touch("identities")
        with pytest.raises(agent_client.RingLocked):
            client.get("identities")


# -- panic ------------------------------------------------------------------------------------------------------------


def make_slots(workspace: Path) -> None:
    """Three cheap slots."""
    for kind in ("everyday", "identities", "recovery"):
        path = workspace / "slots" / f"{kind}.slot"
        slots.write_slot(path, b"ring", slots.Passphrase("twelve chars"), kind=kind, cost=slots.Cost(8, 1, 1))


def left(workspace: Path) -> list[str]:
    """The slots that are left."""
    return sorted(path.name for path in (workspace / "slots").iterdir())


def test_panic_destroys_slots_and_ends_all(agent: Path) -> None:
    """Panic leaves only the recovery slot, no agent and no client."""
    make_slots(agent)
    client, process = holder(agent, "everyday"), agent_process(agent)
    result = panic(agent)
    assert result.complete
    assert result.agent
    assert left(agent) == ["recovery.slot"]
    assert process.ended(0)
    assert end_of(client)[0] == 3
    assert list(places(agent)[0].folder.iterdir()) == []


def test_panic_with_a_stopped_agent_and_a_stopped_client(agent: Path) -> None:
    """Neither a hung agent nor a hung client saves a key: the slots go, both are killed, in far less than 5 s."""
    make_slots(agent)
    client, process = holder(agent, "everyday", "identities"), agent_process(agent)
    client.send_signal(signal.SIGSTOP)
    os.kill(process.number, signal.SIGSTOP)
    began = time.monotonic()
    result = panic(agent, ["everyday", "identities", "recovery"])
    took = time.monotonic() - began
    assert took < 5  # measured 0.16 s
    assert left(agent) == []
    assert result.complete
    assert set(result.killed) == {client.pid, process.number}
    assert process.ended(0)
    assert end_of(client)[0] == -signal.SIGKILL
    assert list(places(agent)[0].folder.iterdir()) == []


def test_panic_without_an_agent(workspace: Path) -> None:
    """Slots are destroyed when nothing runs; a second panic finds nothing and fails at nothing."""
    make_slots(workspace)
    result = panic(workspace)
    assert (result.complete, result.agent, result.killed) == (True, False, [])
    assert left(workspace) == ["recovery.slot"]
    assert panic(workspace).complete


def test_panic_reports_what_it_could_not_destroy(agent: Path) -> None:
    """A slot that resists is reported as such, and the agent is ended all the same."""
    (agent / "slots" / "everyday.slot").mkdir(parents=True)
    process = agent_process(agent)
    result = panic(agent)
    assert not result.complete
    assert [slot.name for slot in result.slots] == ["everyday.slot"]
    assert process.ended(0)


# -- attacks ----------------------------------------------------------------------------------------------------------


def test_hostile_messages_are_dropped_without_harm(agent: Path) -> None:
    """Huge, negative, truncated, malformed and unexpected messages end their own connection and nothing else."""
    good = cbor.encode({"op": "status"})
    messages: list[object] = [
        [1], {"op": 7}, {"op": "get", "ring": "everyday"}, {"op": "put", "ring": "x", "secret": "text"},
        {"op": "put", "ring": "../x", "secret": b""}, {"op": "put", "ring": "x" * 33, "secret": b""},
    ]  # fmt: skip
    bodies = [b"", b"\xff", good + b"\0", b"\x81" * 2000, b"\x80\x04\x95pickle", *map(cbor.encode, messages)]
    frames = [
        b"\x7f\xff\xff\xff",
        b"\xff\xff\xff\xff" + b"\xff" * 8,
        b"\x80\x00\x00\x00",
        (MESSAGE_LIMIT + 1).to_bytes(4, "big") + bytes(1000),
        *(len(body).to_bytes(4, "big") + body for body in bodies),
    ]
    for frame in frames:
        with raw(agent) as end, suppress(ConnectionResetError):
            end.sendall(frame)
            assert end.recv(100) == b""
    with raw(agent) as slow, AgentClient(agent) as client:
        slow.sendall(b"\x00\x00\x10\x00half a message")
        assert client.get("everyday") == EVERYDAY


def test_a_flood_of_connections_costs_no_keys(agent: Path) -> None:
    """Hundreds of callers that say nothing are turned away beyond the limit; those who hold keys go on."""
    with AgentClient(agent) as client:
        crowd = []
        for _ in range(300):
            end = socket.socket(socket.AF_UNIX)
            end.setblocking(False)
            try:
                end.connect(places(agent)[0].socket)
            except BlockingIOError:
                time.sleep(0.001)
            crowd.append(end)
        assert client.get("everyday") == EVERYDAY
        for end in crowd:
            end.close()
        assert client.get("identities") == IDENTITIES


def test_keys_are_given_to_registered_clients_only(agent: Path) -> None:
    """Who has not said hello, and so would not be ended by a lock, gets no ring."""
    connection = connect(places(agent)[0], 5)
    assert connection is not None
    agent_wire.send(connection, {"op": "get", "ring": "everyday"})
    with pytest.raises(EOFError):
        agent_wire.receive(connection)
    connection.close()


STRANGER = """
import os, socket, sys
os.setgid(65534); os.setuid(65534)
end = socket.socket(socket.AF_UNIX); end.connect(sys.argv[1])
try:
    end.sendall(bytes.fromhex(sys.argv[2])); sys.exit(len(end.recv(100)))
except (BrokenPipeError, ConnectionResetError):
    sys.exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="takes root to become another user")
def test_another_users_process_is_refused(agent: Path) -> None:
    """Even with the folder thrown open, a process of another user gets no answer."""
    place = places(agent)[0]
    for folder in (place.folder, place.folder.parent, place.folder.parent.parent):
        folder.chmod(0o755)
    Path(place.socket).chmod(0o777)
    body = cbor.encode({"op": "status"})
    message = (len(body).to_bytes(4, "big") + body).hex()
    done = subprocess.run([sys.executable, "-c", STRANGER, place.socket, message], timeout=20, check=False)
    place.folder.chmod(0o700)
    place.folder.parent.chmod(0o700)
    assert done.returncode == 0
    assert status(agent) is not None


@pytest.mark.parametrize("trick", ["link", "open", "file"])
def test_an_unsafe_runtime_folder_is_refused(workspace: Path, trick: str) -> None:
    """A folder that is a link, is open to others, or is no folder: no agent starts in it, no client looks into it."""
    folder = places(workspace)[0].folder
    if trick == "link":
        folder.with_name("elsewhere").mkdir(mode=0o700)
        folder.symlink_to(folder.with_name("elsewhere"))
    elif trick == "open":
        folder.mkdir()
        folder.chmod(0o777)
    else:
        folder.write_bytes(b"")
    with pytest.raises(agent_wire.RuntimeFolderRefused):
        start_agent(workspace, {"everyday": EVERYDAY})
    with pytest.raises(agent_client.AgentNotRunning):
        AgentClient(workspace)


def test_a_false_agent_in_an_open_folder_gets_nothing(workspace: Path) -> None:
    """A socket that another planted in a folder open to others is not connected to."""
    place = places(workspace)[0]
    place.folder.mkdir()
    place.folder.chmod(0o777)
    with socket.socket(socket.AF_UNIX) as false:
        false.bind(place.socket)
        false.listen()
        assert status(workspace) is None


@linux
def test_a_process_number_given_again_is_not_killed() -> None:
    """A roster entry whose process started at another time names nobody."""
    own = os.getpid()
    assert Process(own, agent_wire.start_time(own)).number == own
    with pytest.raises(ProcessLookupError):
        Process(own, agent_wire.start_time(own) - 1)


def test_a_stale_or_damaged_roster_kills_nobody(workspace: Path) -> None:
    """Rubbish in the roster, or the numbers of living strangers with other start times, ends nothing."""
    place = places(workspace)[0]
    agent_wire.make_folder(place.folder)
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    for rubbish in (b"", b"x" * 100, agent_wire._ROSTER.pack(bystander.pid, 1, *[0] * (2 * agent_wire.MOST_CLIENTS))):
        place.roster.write_bytes(rubbish)
        assert panic(workspace).killed == []
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_a_silent_agent_is_told_as_such(agent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that hangs makes a client wait for a bounded time; lock ends it without its help."""
    monkeypatch.setattr(agent_client, "_ANSWER", 0.2)
    process = agent_process(agent)
    os.kill(process.number, signal.SIGSTOP)
    with pytest.raises(agent_client.AgentSilent):
        status(agent)
    with pytest.raises(agent_client.AgentSilent):
        AgentClient(agent)
    assert lock(agent)
    assert process.ended(0)


# -- what stays behind ------------------------------------------------------------------------------------------------


def proc(process: Process, name: str) -> bytes:
    """A file of /proc; skips the test where the system keeps it from us, as it should for other users than root."""
    try:
        return Path(f"/proc/{process.number}/{name}").read_bytes()
    except PermissionError:
        pytest.skip("the agent's /proc is closed to this user, as it should be")


@linux
def test_the_agent_shows_no_secret_and_dumps_no_core(agent: Path) -> None:
    """Command line, environment, working folder, open files and runtime folder hold no ring; core dumps are off."""
    process = agent_process(agent)
    for name in ("cmdline", "environ"):
        data = proc(process, name)
        assert data
        assert EVERYDAY[22:60] not in data
        assert b"made-up" not in data
    assert b"Max core file size        0                    0 " in proc(process, "limits")
    folder = Path(f"/proc/{process.number}/fd")
    targets = {str(fd.readlink()) for fd in folder.iterdir()}
    assert not any(str(agent) in target for target in targets)
    files = [path for path in places(agent)[0].folder.iterdir() if path.is_file()]
    assert files
    assert not any(b"made-up" in path.read_bytes() for path in files)


def in_memory(process: Process, secret: bytes) -> int:
    """How often a part of ``secret`` stands in the memory of ``process``."""
    count = 0
    for line in proc(process, "maps").decode().splitlines():
        area, rights, *rest = line.split()
        if "r" in rights and "[v" not in "".join(rest):
            first, last = (int(end, 16) for end in area.split("-"))
            try:
                with Path(f"/proc/{process.number}/mem").open("rb", buffering=0) as memory:
                    memory.seek(first)
                    count += memory.read(last - first).count(secret[30:70])
            except PermissionError:
                pytest.skip("the agent's memory is closed to this user, as it should be")
            except OSError:
                continue
    return count


@linux
@pytest.mark.parametrize("put", [True, False])
def test_a_forgotten_ring_is_gone_from_the_agents_memory(workspace: Path, put: bool) -> None:
    """Once forgotten, no copy of the identities is left in the living agent (with glibc), however it was given."""
    if not hasattr(os, "confstr") or "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""):
        pytest.skip("overwriting freed memory is glibc's")
    start_agent(workspace, {"everyday": EVERYDAY, **({} if put else {"identities": IDENTITIES})})
    process = agent_process(workspace)
    with AgentClient(workspace) as client:
        if put:
            client.put("identities", IDENTITIES)
        else:
            assert client.get("identities") == IDENTITIES
        assert in_memory(process, IDENTITIES) > 0
    assert forget(workspace, "identities")
    assert in_memory(process, IDENTITIES) == 0
    assert in_memory(process, EVERYDAY) > 0


STARTER = """
import sys
from pathlib import Path
from amparo.vault.agent_client import start_agent
start_agent(Path(sys.argv[1]), {"everyday": b"made-up"})
"""


def test_the_agent_outlives_its_starter(workspace: Path) -> None:
    """The program that unlocks may end: the agent goes on, and is nobody's child to be waited for."""
    subprocess.run([sys.executable, "-c", STARTER, str(workspace)], check=True, timeout=20)
    with AgentClient(workspace) as client:
        assert client.get("everyday") == b"made-up"


def test_the_socket_speaks_the_standard_framing(agent: Path) -> None:
    """Messages are framed as by multiprocessing.connection, so that Windows' pipes can take the socket's place."""
    connection = connect(places(agent)[0], 5)
    assert isinstance(connection, Connection)
    with connection:
        agent_wire.send(connection, {"op": "status", "n": 7})
        assert agent_wire.receive(connection)["n"] == 7
