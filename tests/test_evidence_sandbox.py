"""A reader of hostile files can say things and nothing else: attacks from inside, one by one, on every kind of sandbox."""

import errno
import io
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amparo.evidence import frames, jail, sandbox, seccomp, walls
from amparo.evidence.findings import Chunk, Facts, Finding, Hints, Member, MemberEnd, Text, Warn
from amparo.evidence.sandbox import Limits, Sandbox

LINUX = sys.platform == "linux"
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no sandbox on a system without fork")

ATTACKER = '''
"""A reader taken over by the file it reads: it does what its options say."""
import ctypes, json, os, signal, socket, subprocess, time
from amparo.evidence.findings import *

NAME = "attacker/1"
MEDIA_TYPES = ("text/x-attack",)
PROGRAMS = ()
left = []

def tried(act):
    try:
        return "did: " + repr(act())[:300]
    except BaseException as error:
        return type(error).__name__

def raw(kind, payload, length=None):
    os.write(3, kind + (len(payload) if length is None else length).to_bytes(4, "big") + payload)

def read(stream, hints):
    name = hints.options["attack"]
    yield from globals()[name](stream, hints)

def look(stream, hints):
    for path in hints.options["paths"]:
        yield Text(path, tried(lambda: open(path, "rb").read(200)))
        yield Text(path, tried(lambda: os.listdir(path)))

def write(stream, hints):
    for path in hints.options["paths"]:
        yield Text(path, tried(lambda: open(path + "/left-behind", "wb").write(b"plain text")))
    def anonymous():
        with open(os.memfd_create("left"), "wb", buffering=0) as file:
            return file.write(b"x")
    yield Text("memfd", tried(anonymous))

def network(stream, hints):
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, 16, 17):
        yield Text(str(family), tried(lambda: socket.socket(family, socket.SOCK_DGRAM)))
    yield Text("pair", tried(socket.socketpair))
    yield Text("name", tried(lambda: socket.getaddrinfo("localhost", 80)))

def surroundings(stream, hints):
    yield Facts("environment", {"names": dict(os.environ), "home": os.path.expanduser("~"), "here": os.getcwd()})
    held = []
    for descriptor in range(256):
        try:
            os.fstat(descriptor)
            held.append(descriptor)
        except OSError:
            pass
    yield Facts("descriptors", {"open": held, "pid": os.getpid(), "parent": os.getppid()})

def start(stream, hints):
    yield Text("fork", tried(os.fork))
    yield Text("exec", tried(lambda: os.execv("/bin/true", ["true"])))
    yield Text("program", tried(lambda: subprocess.run(["/bin/true"], check=True)))

def kill(stream, hints):
    for pid in (os.getppid() or 1, -1, *hints.options["pids"]):
        yield Text(str(pid), tried(lambda: os.kill(pid, signal.SIGKILL)))

def calls(stream, hints):
    libc = ctypes.CDLL(None, use_errno=True)
    for name, number, *arguments in hints.options["calls"]:
        ctypes.set_errno(0)
        back = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(one) for one in arguments])
        yield Facts("call", {"name": name, "back": back, "errno": ctypes.get_errno()})

def loop(stream, hints):
    yield Text("", "still here")
    while True:
        pass

def sleep(stream, hints):
    yield Text("", "still here")
    time.sleep(3600)

def allocate(stream, hints):
    yield Text("", str(len(bytearray(10 << 30))))

def meddle(stream, hints):
    """Change what Landlock leaves open to change, signal and slow down others, leave something for the next file."""
    import fcntl
    path, pid = hints.options["path"], hints.options["pid"]
    acts = {
        "rights": lambda: os.chmod(path, 0o777), "owner": lambda: os.chown(path, os.getuid(), os.getgid()),
        "times": lambda: os.utime(path, (1, 1)), "attribute": lambda: os.setxattr(path, b"user.x", b"1"),
        "length": lambda: os.truncate(path, 0), "name": lambda: os.rename(path, path + "2"),
        "removal": lambda: os.unlink(path), "folder": lambda: os.mkdir(path + "3"),
        "link": lambda: os.symlink("/", path + "4"),
        "writing": lambda: os.open(path, os.O_RDWR), "appending": lambda: os.open(path, os.O_WRONLY | os.O_APPEND),
        "emptying": lambda: os.open(path, os.O_RDONLY | os.O_TRUNC),
        "nameless": lambda: os.open("/tmp", os.O_TMPFILE | os.O_RDWR),
        "owner of a signal": lambda: fcntl.fcntl(3, fcntl.F_SETOWN, pid), "which signal": lambda: fcntl.fcntl(3, 10, 9),
        "feigned keys": lambda: fcntl.ioctl(0, 0x5412, b"x"), "group": lambda: fcntl.ioctl(3, 0x8902, b"1234"),
        "priority": lambda: os.setpriority(os.PRIO_PROCESS, pid, 19), "everybody": lambda: os.setpriority(os.PRIO_USER, 0, 1),
        "cores": lambda: os.sched_setaffinity(0, {0}), "idle": lambda: os.sched_setscheduler(pid, 5, os.sched_param(0)),
    }
    for name, act in acts.items():
        yield Text(name, tried(act))

def threads(stream, hints):
    import threading
    threading.stack_size(65536)
    made = 0
    try:
        for _ in range(5000):
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            made += 1
    except RuntimeError:
        pass
    yield Facts("threads", {"count": made})

def crash(stream, hints):
    yield Text("", "so far")
    how = hints.options["how"]
    if how == "segfault":
        ctypes.string_at(0)
    if how == "abort":
        os.abort()
    if how == "exit":
        os._exit(7)
    if how == "recursion":
        def deeper(): return deeper()
        deeper()
    raise ValueError("words of a hostile file")

def endless_text(stream, hints):
    while True:
        yield Text("", "x" * 10000)

def endless_facts(stream, hints):
    while True:
        yield Warn("x")

def endless_member(stream, hints):
    yield Member("a")
    while True:
        yield Chunk(bytes(1 << 20))

def frame(stream, hints):
    yield Text("", "before")
    for kind, payload, length in hints.options["frames"]:
        raw(bytes.fromhex(kind), bytes.fromhex(payload), length)
    time.sleep(5)

def remember(stream, hints):
    left.append(1)
    yield Facts("left", {"count": len(left)})

def echo(stream, hints):
    for offset, whence, length in hints.options["steps"]:
        try:
            stream.seek(offset, whence)
        except ValueError:
            stream.seek(0)
        yield Facts("piece", {"at": stream.tell(), "bytes": stream.read(length)})

def long_text(stream, hints):
    yield Text("here", "ж" * 700000)
    yield Facts("odd", {"nan": float("nan"), "inf": float("inf"), "bytes": b"\\x01", "tuple": (1, 2), "half": "\\ud800"})

def odd(stream, hints):
    deep = {}
    inner = deep
    for _ in range(30):
        inner["a"] = inner = {}
    for _ in range(3000):
        yield Text("x" * 5000, "", "y" * 100)
    yield Facts("k" * 100, {"deep": deep, "huge": 1 << 90, 5: {1, 2}})
    yield Facts("big", {"words": ["w" * 1000] * 5000})
    yield Fingerprint("pdq", "", b"\\x01", 1000)
    yield Member("n" * 9000, "p\\udcff", "attachment", "text/plain\\r\\nX: y", 1 << 80)
    yield MemberEnd("e" * 9000)
    yield Warn("w" * 9000)

def many(stream, hints):
    data = stream.read()
    time.sleep(0.05)
    yield Text("", data.decode())
'''
BOMBER = """
import os, subprocess, time
from amparo.evidence.findings import *
NAME = "bomber/1"
MEDIA_TYPES = ()
PROGRAMS = ("cat",)

def read(stream, hints):
    if hints.options.get("run"):
        from amparo.evidence.readers import program
        yield Text("", program.run("cat", [], stream.read()).decode())
        return
    for sound in (True, False):
        made = 0
        try:
            for _ in range(2000):
                if os.fork() == 0:
                    os.setsid if sound else None
                    time.sleep(3600)
                made += 1
        except OSError as error:
            yield Facts("made", {"count": made, "errno": error.errno})
            break
    while True:
        pass
"""
LACKING = "import a_library_nobody_has\nNAME = 'lacking/1'\nMEDIA_TYPES = ()\n"


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readers")
    folder.chmod(0o755)  # root's sandbox runs as nobody
    (folder / "attacker.py").write_text(ATTACKER, "utf-8")
    (folder / "bomber.py").write_text(BOMBER, "utf-8")
    (folder / "lacking.py").write_text(LACKING, "utf-8")
    return folder


@pytest.fixture(scope="module", params=walls.LEVELS)
def box(request: pytest.FixtureRequest, plugins: Path) -> Iterator[Sandbox]:
    if request.param == walls.BUBBLEWRAP and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed: the sandbox is weaker here")
    with Sandbox(request.param, plugins) as made:
        try:
            made.start()
        except sandbox.SandboxUnavailable:
            pytest.skip(f"{request.param} does not work on this machine: the sandbox is weaker here")
        yield made


def attack(box: Sandbox, name: str, data: bytes = b"", limits: Limits | None = None, **options: Any) -> list[Finding]:
    return list(box.read("attacker", io.BytesIO(data), Hints(options={"attack": name, **options}), limits))


def until(found: Iterator[Finding], into: list[Finding]) -> None:
    into.extend(found)


def texts(found: list[Finding]) -> dict[str, str]:
    return {finding.locator: finding.text for finding in found if isinstance(finding, Text)}


def facts(found: list[Finding]) -> list[dict[str, Any]]:
    return [finding.data for finding in found if isinstance(finding, Facts)]


def needs(box: Sandbox, *held: str) -> None:
    if missing := [name for name in held if name not in box.held]:
        pytest.skip(f"this machine has no: {', '.join(missing)}")


# -- nothing outside --------------------------------------------------------------------------------------------------------


def test_a_reader_sees_no_file_of_the_user(box: Sandbox, tmp_path: Path) -> None:
    """Neither passwords, nor the home, nor the workspace, nor any process's memory or environment can be read or listed."""
    needs(box, jail.FILES)
    canary = tmp_path / "canary"
    canary.write_text("made-up secret", "utf-8")
    here = Path(__file__)
    paths = [
        str(path)
        for path in (canary, tmp_path, Path.home(), here, here.parent, "/", "/etc", "/etc/passwd", "/etc/shadow", "/tmp")
    ]
    pids = (os.getpid(), "self", 1)
    paths += [f"/proc/{pid}/{what}" for pid in pids for what in ("environ", "mem", "maps", "cmdline", "fd", "root", "cwd")]
    paths += ["/proc", "/sys", "/dev/mem", "/dev/shm", "/dev/tty", "/run", "/var", "/boot"]
    for finding in attack(box, "look", paths=paths):
        assert isinstance(finding, Text)
        assert not finding.text.startswith("did"), finding


def test_a_reader_writes_no_file(box: Sandbox, tmp_path: Path, plugins: Path) -> None:
    """No place takes a file from inside, not even memory by way of a file."""
    places = [
        "/",
        "/tmp",
        "/dev",
        "/dev/shm",
        "/var/tmp",
        "/usr",
        str(tmp_path),
        str(plugins),
        str(Path.home()),
        str(Path.cwd()),
        ".",
    ]
    for where, said in texts(attack(box, "write", paths=places)).items():
        assert not said.startswith("did"), where
    assert not list(tmp_path.iterdir())


def test_a_reader_has_no_network(box: Sandbox) -> None:
    """No socket of any family can be made, and no name is looked up."""
    needs(box, jail.CALLS)
    assert {said.partition(":")[0] for said in texts(attack(box, "network")).values()} <= {
        "PermissionError",
        "OSError",
        "gaierror",
    }


def test_a_reader_inherits_nothing(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent's environment, folder and descriptors stay outside: what is open is one socket and nothing at all."""
    monkeypatch.setenv("AMPARO_PASSPHRASE", "made-up secret")
    with Sandbox(box.level, box._plugins) as fresh, socket.socket() as held:
        os.set_inheritable(held.fileno(), True)
        environment, descriptors = facts(attack(fresh, "surroundings"))
    assert set(environment["names"]) <= {"LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG", "PWD", "LC_CTYPE"}
    assert environment["here"] == "/"
    assert descriptors["open"] == [0, 1, 2, 3]
    if jail.ALONE in fresh.held:
        assert descriptors["pid"] == 1 and descriptors["parent"] == 0


def test_a_reader_starts_no_process(box: Sandbox) -> None:
    """A reader that declares no programs can neither fork nor execute."""
    needs(box, jail.CALLS)
    assert set(texts(attack(box, "start")).values()) == {"PermissionError"}


def test_a_reader_kills_nobody(box: Sandbox) -> None:
    """Signals to its parent, to everybody, to this process reach nobody, and the next file is read."""
    said = texts(attack(box, "kill", pids=[os.getpid(), box._process.pid if box._process else 0]))
    assert not [pid for pid, words in said.items() if words.startswith("did") and pid not in ("1", "-1")]
    assert texts(attack(box, "many", b"still alive")) == {"": "still alive"}


@pytest.mark.skipif(platform.machine() != "x86_64" or not LINUX, reason="the numbers are those of Linux on x86-64")
def test_a_reader_asks_the_kernel_for_nothing_dangerous(box: Sandbox) -> None:
    """ptrace, other processes' memory, mounts, name spaces, keyrings, BPF, io_uring and modules are refused."""
    needs(box, jail.CALLS)
    refused = [
        ["ptrace", 101, 16, 1], ["ptrace me", 101, 0], ["process_vm_readv", 310, 1, 0, 0, 0, 0, 0], ["process_vm_writev", 311,
        1],
        ["mount", 165, 0, 0, 0, 0, 0], ["unshare user", 272, 0x10000000], ["setns", 308, 0, 0], ["pivot_root", 155, 0, 0],
        ["chroot", 161, 0], ["keyctl", 250, 0, 0], ["add_key", 248], ["bpf", 321, 0], ["perf", 298], ["userfaultfd", 323, 0],
        ["kexec", 246], ["init_module", 175], ["finit_module", 313], ["reboot", 169], ["clone user", 56, 0x10000000 | 17],
        ["fork", 57], ["vfork", 58], ["execve", 59], ["execveat", 322], ["setsid", 112], ["prlimit other", 302, 1, 0, 0, 0],
        ["personality", 135, 0x0040000], ["socket", 41, 2, 1, 0], ["connect", 42, 3], ["sendmsg", 46, 3], ["recvmsg", 47, 3],
        ["shmget", 29, 0x4242, 4096, 0o1666], ["shmat", 30, 0], ["semget", 64, 0x4242, 1, 0o1666], ["mq_open", 240, 0, 0o102],
        ["msgget", 68, 0x4242, 0o1666], ["splice", 275, 3, 0, 3], ["aio", 206, 1], ["vsock", 41, 40, 1, 0],
        ["netlink", 41, 16, 3, 0], ["move_pages", 279, 0], ["ioprio", 251, 3, 0, 0],
    ]  # fmt: skip
    unknown = [["io_uring_setup", 425, 1, 0], ["clone3", 435, 0, 0], ["pidfd_open", 434, 1, 0], ["pidfd_getfd", 438, 0, 0],
               ["openat2", 437, 0, 0, 0, 24], ["mount_setattr", 442],
               ["no such call", 1000], ["x32", 0x40000000 | 41, 2, 1]]  # fmt: skip
    for told in facts(attack(box, "calls", calls=refused)):
        assert (told["back"], told["errno"]) == (-1, errno.EPERM), told
    for told in facts(attack(box, "calls", calls=unknown)):
        assert (told["back"], told["errno"]) == (-1, errno.ENOSYS), told


def test_a_reader_changes_no_file_and_disturbs_nobody(box: Sandbox, tmp_path: Path) -> None:
    """Rights, times, names and lengths of files, signals by way of a file, others' priority: refused, and all is as it was."""
    needs(box, jail.CALLS)
    tmp_path.chmod(0o777)
    victim = tmp_path / "ledger"
    victim.write_text("made-up entries", "utf-8")
    victim.chmod(0o666)
    before = victim.stat()
    said = texts(attack(box, "meddle", path=str(victim), pid=os.getpid()))
    assert len(said) == 21 and set(said.values()) == {"PermissionError"}, said
    after = victim.stat()
    assert (before.st_mode, before.st_mtime_ns, before.st_ctime_ns) == (after.st_mode, after.st_mtime_ns, after.st_ctime_ns)
    assert [path.name for path in tmp_path.iterdir()] == ["ledger"]


@pytest.mark.skipif(not LINUX, reason="looks into /proc")
def test_where_memory_runs_out_the_sandbox_goes_first(box: Sandbox) -> None:
    """The kernel is told to end the sandbox, and what it starts, before the process with the keys."""
    box.start()
    assert box._process is not None
    score = Path(f"/proc/{box._process.pid}/oom_score_adj").read_text("ascii")
    assert score.strip() == "1000" and Path("/proc/self/oom_score_adj").read_text("ascii").strip() != "1000"


def test_threads_without_end_are_bounded(box: Sandbox) -> None:
    """A reader that makes thread after thread gets a few hundred."""
    needs(box, jail.ALONE)
    if os.geteuid() == 0 and jail.USER not in box.held:
        pytest.skip("the kernel does not count root's threads")
    assert facts(attack(box, "threads"))[0]["count"] < 300


# -- limits -----------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no limit on address space")
def test_ten_gigabytes_are_refused(box: Sandbox) -> None:
    """A reader that wants more memory than its limit ends with a sentence about memory."""
    with pytest.raises(sandbox.ReaderTooLarge, match="memory"):
        attack(box, "allocate")


@pytest.mark.parametrize("how", ["loop", "sleep"])
def test_a_reader_that_never_ends_is_ended(box: Sandbox, how: str) -> None:
    """The wall clock ends a reader, busy or asleep, and what it said before stands."""
    found: list[Finding] = []
    with pytest.raises(sandbox.ReaderTookTooLong):
        until(box.read("attacker", io.BytesIO(), Hints(options={"attack": how}), Limits(wall=0.7)), found)
    assert found == [] or texts(found) == {"": "still here"}


def test_the_processor_limit_ends_a_reader(box: Sandbox) -> None:
    """A busy reader is ended by the kernel after its processor seconds, whatever the wall clock allows."""
    with pytest.raises(sandbox.ReaderTookTooLong):
        attack(box, "loop", limits=Limits(cpu=1, wall=60))


def test_time_of_the_caller_is_not_counted(box: Sandbox) -> None:
    """A caller who takes longer over the findings than the limit allows gets them all."""
    found = []
    for finding in box.read("attacker", io.BytesIO(b"x"), Hints(options={"attack": "many"}), Limits(wall=0.6)):
        time.sleep(0.8)
        found.append(finding)
    assert len(found) == 1


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("endless_text", Limits(said=1 << 20)),
        ("endless_facts", Limits(findings=5000)),
        ("endless_member", Limits(members=5 << 20)),
    ],
)
def test_endless_output_is_cut(box: Sandbox, name: str, limits: Limits) -> None:
    """Text, findings and members each have a cap, kept by this side."""
    with pytest.raises(sandbox.ReaderTooLarge):
        attack(box, name, limits=limits)


@pytest.mark.parametrize("how", ["segfault", "abort", "exit", "recursion", "raise"])
def test_a_crash_is_one_sentence(box: Sandbox, how: str) -> None:
    """However a reader dies, the parent gets ReaderCrashed without a word of the file, and reads the next one."""
    with pytest.raises(sandbox.ReaderCrashed) as caught:
        attack(box, "crash", how=how)
    assert "words of" not in str(caught.value)
    assert texts(attack(box, "many", b"next")) == {"": "next"}


def test_a_fork_bomb_is_bounded(box: Sandbox, plugins: Path) -> None:
    """A reader that may start programs makes a few dozen processes at most, and none is left when it ends."""
    needs(box, jail.ALONE)
    if os.geteuid() == 0 and jail.USER not in box.held:
        pytest.skip("the kernel does not count root's processes")
    found: list[Finding] = []
    with pytest.raises(sandbox.ReaderTookTooLong):
        until(box.read("bomber", io.BytesIO(), Hints(), Limits(wall=3)), found)
    assert facts(found)[0]["count"] < 64
    assert settled(plugins, running(plugins))


def test_a_declared_program_runs_and_gets_its_bytes(box: Sandbox) -> None:
    """A reader that declares programs pipes a megabyte through one of them inside the sandbox."""
    data = b"made up " * (1 << 17)
    found = list(box.read("bomber", io.BytesIO(data), Hints(options={"run": True})))
    assert "".join(finding.text for finding in found if isinstance(finding, Text)).encode() == data


# -- the wire ---------------------------------------------------------------------------------------------------------------


def finding_frame(*rows: Any) -> list[Any]:
    return ["46", json.dumps(rows).encode().hex(), None]


BAD_FRAMES: dict[str, list[list[Any]]] = {
    "unknown kind": [["51", "", None]],
    "four gigabytes claimed": [["46", "", 0xFFFFFFFF]],
    "a chunk over its size": [["43", "", (1 << 20) + 1]],
    "no JSON": [["46", b"{]".hex(), None]],
    "no UTF-8": [["46", "ff00ff", None]],
    "not a number": [["46", b'[["K","k",{"a":NaN}]]'.hex(), None]],
    "nested too deeply": [["46", (b"[" * 100_000 + b"]" * 100_000).hex(), None]],
    "facts nested too deeply": [finding_frame(["K", "k", json.loads('{"a":' * 20 + "{}" + "}" * 20)])],
    "a huge number": [["46", b'[["K","k",{"a":1' .hex() + b"0".hex() * 5000 + b"}]]".hex(), None]],
    "a number over 64 bit": [finding_frame(["K", "k", {"a": 1 << 70}])],
    "half a letter": [["46", b'[["T","a","\\ud800",""]]'.hex(), None]],
    "no finding": [finding_frame("T")],
    "an unknown finding": [finding_frame(["Q", "a"])],
    "a list for a letter": [finding_frame([["T"], "a", "b", "c"])],
    "a field too many": [finding_frame(["T", "a", "b", "c", "d"])],
    "a number for a text": [finding_frame(["T", 1, "b", "c"])],
    "a text too long": [finding_frame(["T", "a", "b" * (1 << 19), "c"])],
    "too many findings": [finding_frame(*[["W", "a"]] * 2000)],
    "facts that are a list": [finding_frame(["K", "k", []])],
    "a quality over 100": [finding_frame(["P", "pdq", "", "00", 101])],
    "a truth for a number": [finding_frame(["P", "pdq", "", "00", True])],
    "bits that are no hexadecimal": [finding_frame(["P", "pdq", "", "zz", 1])],
    "an unknown relation": [finding_frame(["M", "a", "", "original", "", 0])],
    "a media type with a line break": [finding_frame(["M", "a", "", "member", "text/plain\nX: y", 0])],
    "bytes outside a member": [["43", "00", None]],
    "a member in a member": [finding_frame(["M", "a", "", "member", "", 0], ["M", "a", "", "member", "", 0])],
    "an end without a beginning": [finding_frame(["E", ""])],
    "done within a member": [finding_frame(["M", "a", "", "member", "", 0]), ["5a", "00" * 8, None]],
    "a range behind the end": [["52", (100).to_bytes(8, "big").hex() + (1).to_bytes(4, "big").hex(), None]],
    "a range that wraps": [["52", "ff" * 8 + "00000001", None]],
    "a range of nothing": [["52", "00" * 12, None]],
    "a short range": [["52", "00", None]],
    "a failure of an unknown kind": [["58", b'["what",""]'.hex(), None]],
    "a failure that is an object": [["58", b"{}".hex(), None]],
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_a_false_frame_ends_the_reading(box: Sandbox, name: str) -> None:
    """Frames no honest worker sends raise ReaderMisbehaved, none crashes the parent, and the next file is read."""
    with pytest.raises(sandbox.ReaderMisbehaved):
        attack(box, "frame", b"0123456789", Limits(wall=4), frames=BAD_FRAMES[name])
    assert texts(attack(box, "many", b"next")) == {"": "next"}


@given(st.binary(max_size=300) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from("TKPMEW"),
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=20,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_findings_of_takes_any_bytes(payload: bytes) -> None:
    """Whatever a frame holds, the parent gets findings of the known classes or one refusal."""
    try:
        found = frames.findings_of(payload)
    except frames.Misbehaved:
        return
    assert all(
        isinstance(finding, (Text, Facts, Member, MemberEnd, Warn)) or type(finding).__name__ == "Fingerprint"
        for finding in found
    )


@pytest.mark.parametrize("finding", [
    Text("p. 1, ¶ 2", "Ёж \U0001f994 قنفذ", "ru"), Facts("k", {"a": [1, 2.5, None, True, {"b": "c"}]}), Warn("x"),
    Member("a", "b/a", "attachment", "image/png", -5), MemberEnd("cut"),
], ids=lambda finding: type(finding).__name__)  # fmt: skip
def test_what_is_packed_comes_out_again(finding: Finding) -> None:
    """A finding crosses the wire unchanged."""
    assert frames.findings_of(json.dumps([frames.pack(finding)]).encode()) == [finding]


def test_long_text_is_parted_and_odd_numbers_are_dropped(box: Sandbox) -> None:
    """A text longer than a frame arrives in pieces that join to the same; what JSON cannot hold arrives as None or text."""
    found = attack(box, "long_text")
    assert "".join(finding.text for finding in found if isinstance(finding, Text)) == "ж" * 700_000
    assert facts(found) == [{"nan": None, "inf": None, "bytes": "01", "tuple": [1, 2], "half": "?"}]


def test_what_an_honest_reader_overdoes_is_cut_to_size(box: Sandbox) -> None:
    """Names, types and facts that a file made too long arrive cut, or as a warning, and are not taken for an attack."""
    found = attack(box, "odd")
    assert len(texts(found)) == 1 and len([finding for finding in found if isinstance(finding, Text)]) == 3000
    assert facts(found)[0]["huge"] == str(1 << 90) and len(facts(found)) == 1
    assert any(isinstance(finding, Warn) and "“big”" in finding.sentence for finding in found)
    (member,) = (finding for finding in found if isinstance(finding, Member))
    assert (len(member.name), member.path, member.media_type, member.modified) == (4096, "p?", "", 0)


# -- the file as it is served -----------------------------------------------------------------------------------------------

PATTERN = bytes(range(251)) * 9001  # nine blocks and a bit, no two alike


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.integers(-100, len(PATTERN) + 100), st.sampled_from([0, 0, 0, 2]), st.integers(0, 600_000)), max_size=6
    )
)
def test_the_served_file_reads_like_the_file(served: Sandbox, steps: list[tuple[int, int, int]]) -> None:
    """Seeking and reading inside the sandbox gives what a file of the same bytes gives, across blocks and past the end."""
    steps = [(offset if whence == 0 else -abs(offset), whence, length) for offset, whence, length in steps]
    wanted, plain = [], io.BytesIO(PATTERN)
    for offset, whence, length in steps:
        try:
            plain.seek(max(offset, -len(PATTERN)) if whence else offset, whence)
        except ValueError:
            plain.seek(0)
        wanted.append((plain.tell(), plain.read(length).hex()))
    steps = [(max(offset, -len(PATTERN)) if whence else offset, whence, length) for offset, whence, length in steps]
    found = facts(attack(served, "echo", PATTERN, steps=steps))
    assert [(told["at"], told["bytes"]) for told in found] == wanted


@pytest.fixture(scope="module")
def served(plugins: Path) -> Iterator[Sandbox]:
    with Sandbox("", plugins) as made:
        yield made


class Endless(io.RawIOBase):
    """Twenty gigabytes that lie nowhere: the byte at a place is the place modulo 256."""

    size = 20 << 30

    def __init__(self) -> None:
        self.at = self.taken = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = offset + (self.size if whence == os.SEEK_END else 0)
        return self.at

    def read(self, length: int = -1) -> bytes:
        self.taken += length
        return bytes((self.at + index) & 0xFF for index in range(min(length, self.size - self.at)))


def test_twenty_gigabytes_are_read_where_asked(served: Sandbox) -> None:
    """Of a file of 20 GB no more is taken from the source than the reader asks for, and a block around it."""
    source = Endless()
    steps = [(0, 0, 4), (source.size - 3, 0, 10), (12_345_678_901, 0, 2)]
    hints = Hints(options={"attack": "echo", "steps": steps})
    found = facts(list(served.read("attacker", source, hints)))  # type: ignore[arg-type]
    assert [told["bytes"] for told in found] == ["00010203", "fdfeff", f"{12_345_678_901 % 256:02x}{12_345_678_902 % 256:02x}"]
    assert source.taken < 4 << 20


class Failing(io.BytesIO):
    """A sealed file that turns out to be damaged, or shorter than it said."""

    short = False

    def read(self, length: int | None = -1, /) -> bytes:  # noqa: ARG002 - as every stream
        if self.short:
            return b""
        raise OSError(errno.EIO, "damaged")


def test_damage_of_the_source_reaches_the_caller(served: Sandbox) -> None:
    """What the source raises comes out as it is, and a file that became shorter is told."""
    source = Failing(b"x" * 100)
    with pytest.raises(OSError, match="damaged"):
        list(served.read("attacker", source, Hints(options={"attack": "many"})))
    source.short = True
    with pytest.raises(sandbox.FileUnreadable, match="shorter"):
        list(served.read("attacker", source, Hints(options={"attack": "many"})))


# -- beginnings and ends ----------------------------------------------------------------------------------------------------


def running(plugins: Path) -> int:
    """How many processes of sandboxes with this folder of readers there are (their command line names it)."""
    count = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            count += str(plugins).encode() in path.read_bytes() and b"amparo.evidence.worker" in path.read_bytes()
        except OSError:
            continue
    return count


def settled(plugins: Path, most: int) -> bool:
    """True once there are at most ``most`` processes."""
    for _ in range(200):
        if running(plugins) <= most:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.skipif(not LINUX, reason="looks into /proc")
def test_a_caller_who_stops_listening_ends_the_worker(plugins: Path) -> None:
    """Leaving the loop, an exception from ``tick`` and the end of the sandbox leave no process behind."""
    before = running(plugins)
    with Sandbox("", plugins) as box:
        box.start()
        idle = running(plugins)
        found = box.read("attacker", io.BytesIO(), Hints(options={"attack": "endless_text"}))
        next(found)
        assert running(plugins) > idle
        found.close()  # type: ignore[attr-defined]
        assert settled(plugins, idle)

        def stop() -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            list(box.read("attacker", io.BytesIO(), Hints(options={"attack": "sleep"}), tick=stop))
        assert settled(plugins, idle)
        other = box.read("attacker", io.BytesIO(), Hints(options={"attack": "endless_text"}))
        next(other)
    assert settled(plugins, before)
    other.close()  # type: ignore[attr-defined]


@pytest.mark.skipif(not LINUX, reason="looks into /proc")
@pytest.mark.parametrize("level", walls.LEVELS)
def test_the_death_of_the_parent_ends_everything(plugins: Path, tmp_path: Path, level: str) -> None:
    """When the process with the keys is killed, sandbox and worker end too."""
    before = running(plugins)
    script = f"""
import io, sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from amparo.evidence.findings import Hints
from amparo.evidence.sandbox import Sandbox
box = Sandbox({level!r}, Path({str(plugins)!r}))
found = box.read("attacker", io.BytesIO(), Hints(options={{"attack": "sleep"}}))
threading = __import__("threading")
threading.Thread(target=lambda: list(found), daemon=True).start()
__import__("time").sleep(1)
print("ready", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        if parent.stdout.readline() != b"ready\n":
            pytest.skip(f"{level} does not work on this machine")
        assert running(plugins) > before
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert settled(plugins, before)


def test_nothing_lasts_from_one_file_to_the_next(box: Sandbox) -> None:
    """What one file did to the reader's memory is not there for the next file."""
    assert [facts(attack(box, "remember")) for _ in range(3)] == [[{"count": 1}]] * 3


def test_threads_read_side_by_side(served: Sandbox) -> None:
    """Several readings at once through one sandbox each get their own file."""
    said: dict[int, dict[str, str]] = {}

    def one(number: int) -> None:
        said[number] = texts(attack(served, "many", str(number).encode()))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == {number: {"": str(number)} for number in range(12)}


def test_a_sandbox_that_was_killed_starts_again(plugins: Path) -> None:
    """Where the process with the libraries dies between two files, the next file starts it afresh."""
    with Sandbox(walls.PROCESS, plugins) as box:
        assert texts(attack(box, "many", b"one")) == {"": "one"}
        assert box._process is not None
        box._process.kill()
        box._process.wait()
        assert texts(attack(box, "many", b"two")) == {"": "two"}


@pytest.mark.parametrize(("reader", "lacks"), [
    ("nobody", "readers.nobody"), ("lacking", "a_library_nobody_has"), ("../../x", "x"), ("os", "readers.os"), ("", ""),
])  # fmt: skip
def test_an_absent_reader_or_library_is_named(served: Sandbox, reader: str, lacks: str) -> None:
    """A reader that is not there, or lacks a library, raises NoReader with its name; no path is taken for one."""
    with pytest.raises(sandbox.NoReader) as caught:
        list(served.read(reader, io.BytesIO(), Hints()))
    assert lacks in str(caught.value)


def test_the_one_file_way_works_alike() -> None:
    """``read`` without a sandbox at hand starts one and ends it."""
    assert texts(list(sandbox.read("plain", io.BytesIO(b"made up"), Hints()))) == {"¶ 1, line 1": "made up"}


def test_every_reader_declares_itself() -> None:
    """Each module that reads has name, version and media types as plain constants, and PDF has its reader."""
    found = sandbox.readers()
    assert all(reader.name.startswith(reader.module.partition("_")[0]) or "/" in reader.name for reader in found.values())
    assert "pdf" in sandbox.readers_for("application/pdf")
    assert found["ocr"].asked and found["ocr"].programs == ("tesseract",)


def test_the_strength_is_said_in_words() -> None:
    """The sentence names the kind of sandbox, and never claims a measure that the started sandbox did not report."""
    said = sandbox.strength()
    assert said.startswith("Each file is read in ")
    with Sandbox() as box:
        box.start()
    assert ("bubblewrap" in said) == (box.level == walls.BUBBLEWRAP)
    assert jail.CALLS in box.held or "does not let" in said


POORER = """
import ctypes, os, struct, sys
sys.path[:0] = {path!r}
from amparo.evidence import sandbox, seccomp
take = {take!r}
steps = [(0x20, 0, 0, 0)]
for number, error in (("landlock", 444), ("unshare", 272)):
    if number in take:
        steps += [(0x15, 0, 1, error), (0x06, 0, 0, 0x50000 | (38 if error == 444 else 1))]
if "seccomp" in take:  # prctl(PR_SET_SECCOMP)
    steps += [(0x15, 0, 3, 157), (0x20, 0, 0, 16), (0x15, 0, 1, 22), (0x06, 0, 0, 0x50000 | 22)]
steps.append((0x06, 0, 0, 0x7FFF0000))
code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
program = seccomp._Program(len(steps), ctypes.addressof(code))
libc = ctypes.CDLL(None)
libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.addressof(program), 0, 0) == 0
os.environ["PATH"] = "/nowhere"
print(sandbox.strength())
"""


@pytest.mark.skipif(platform.machine() != "x86_64" or not LINUX, reason="the numbers are those of Linux on x86-64")
@pytest.mark.parametrize(("take", "lacks", "has"), [
    ([], "", "no file but the program's own libraries"),
    (["landlock"], "files that this user may read", "a filter on system calls"),
    (["unshare"], "other processes of this user", "no network"),
    (["landlock", "unshare", "seccomp"], "the network, files that this user may read, dangerous system calls, other processes",
     "a separate process with"),
])  # fmt: skip
def test_what_a_poorer_system_lacks_is_said(take: list[str], lacks: str, has: str) -> None:
    """Without bubblewrap, and without Landlock, name spaces or filter: the sentence names each that does not hold."""
    script = POORER.format(path=sys.path, take=take)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Each file is read in a separate process") and has in done.stdout
    assert (f"does not let it shut off: {lacks}" in done.stdout) if lacks else ("other processes of" not in done.stdout)


# -- the filter of system calls ---------------------------------------------------------------------------------------------


def decide(
    machine: str, number: int, argument: int = 0, arch: int | None = None, second: int = 0, third: int = 0, **options: Any
) -> int:  # fmt: skip
    """Run the filter as the kernel would (classic BPF, only the instructions we use) and return its verdict."""
    code = seccomp.instructions(machine, **{"programs": False, "alone": False, "pid": 77, **options})
    here = seccomp._ARCHITECTURES[machine][1] if arch is None else arch
    data = {0: number, 4: here, 16: argument & 0xFFFFFFFF, 24: second, 32: third}
    held = at = 0
    while True:
        step, yes, no, constant = code[at]
        at += 1
        if step == seccomp._LOAD:
            held = data[constant]
        elif step == seccomp._RETURN:
            return constant
        else:
            true = {
                seccomp._EQUAL: held == constant,
                seccomp._AT_LEAST: held >= constant,
                seccomp._ANY_BIT: bool(held & constant),
            }[step]
            at += yes if true else no


ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS, 0x80000000


@pytest.mark.parametrize(("machine", "column"), [("x86_64", 0), ("aarch64", 1)])
def test_the_filter_decides_as_it_says(machine: str, column: int) -> None:
    """On both machines: what reads and writes passes, what is listed is refused, what is newer does not exist."""
    everyday = {"x86_64": (0, 1, 3, 8, 9, 11, 12, 60, 202, 231), "aarch64": (63, 64, 57, 62, 222, 215, 214, 93, 98, 94)}[
        machine
    ]
    assert {decide(machine, number) for number in everyday} == {ALLOW}
    for name, numbers in {**seccomp._REFUSED, **seccomp._STARTING, **seccomp._SIGNALS}.items():
        assert numbers[column] < 0 or decide(machine, numbers[column]) == EPERM, name
    for name, numbers in seccomp._STARTING.items():
        assert numbers[column] < 0 or decide(machine, numbers[column], programs=True) == ALLOW, name
    clone, tgkill, prlimit = seccomp._CLONE[column], seccomp._TGKILL[column], seccomp._PRLIMIT[column]
    assert decide(machine, clone, 0x00010000 | 0x100) == ALLOW  # a thread
    assert decide(machine, clone, 17) == EPERM and decide(machine, clone, 17, programs=True) == ALLOW  # a process
    for flag in (0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000, 0x00020000):
        assert decide(machine, clone, flag | 0x00010000, programs=True) == EPERM  # a name space
    assert decide(machine, tgkill, 77) == ALLOW and decide(machine, tgkill, 78) == EPERM
    assert decide(machine, tgkill, 78, alone=True) == ALLOW
    assert decide(machine, prlimit, 0) == ALLOW and decide(machine, prlimit, 1) == EPERM
    assert decide(machine, 425) == decide(machine, 435) == decide(machine, 0x40000000 | 41) == decide(machine, 5000) == ENOSYS
    assert decide(machine, 436) == ALLOW
    assert decide(machine, 437) == ENOSYS  # openat2 hides its flags
    openat, fcntl, ioctl = seccomp._OPENAT[column], seccomp._FCNTL[column], seccomp._IOCTL[column]
    for flags in (os.O_RDONLY, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY):
        assert decide(machine, openat, third=flags) == ALLOW
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC, 0x410000):
        assert decide(machine, openat, third=flags) == EPERM and decide(machine, openat, third=flags, programs=True) == ALLOW
    assert decide(machine, fcntl, second=2) == ALLOW and decide(machine, ioctl, second=0x5413) == ALLOW
    assert {decide(machine, fcntl, second=which) for which in (8, 10, 15)} == {EPERM}
    assert {decide(machine, ioctl, second=which, programs=True) for which in (0x5412, 0x541C, 0x8901, 0x8902)} == {EPERM}
    assert decide(machine, 0, arch=0x40000003) == KILL  # 32-bit calls have other numbers
    assert all(0 <= yes < 256 and 0 <= no < 256 for _step, yes, no, _constant in seccomp.instructions(
        machine, programs=False, alone=False, pid=1))  # fmt: skip


def stream_of(data: bytes) -> BinaryIO:
    return io.BytesIO(data)


def test_chunks_come_whole(served: Sandbox, plugins: Path) -> None:
    """A member's bytes arrive complete and in order between its beginning and its end."""
    (plugins / "members.py").write_text(
        "from amparo.evidence.findings import *\nNAME = 'members/1'\nMEDIA_TYPES = ()\n"
        "def read(stream, hints):\n    yield Member('a', 'b/a')\n    yield Chunk(bytes(range(256)) * 20000)\n"
        "    yield MemberEnd()\n    yield Member('empty')\n    yield MemberEnd('cut off')\n", "utf-8",
    )  # fmt: skip
    found = list(served.read("members", stream_of(b""), Hints()))
    assert b"".join(finding.data for finding in found if isinstance(finding, Chunk)) == bytes(range(256)) * 20000
    assert [finding for finding in found if not isinstance(finding, Chunk)] == [
        Member("a", "b/a"), MemberEnd(), Member("empty"), MemberEnd("cut off"),
    ]  # fmt: skip
