"""Cold storage: a real S3 server, hostile ones by name, and a power cut or kill at every step.

The S3 server is moto's (package ``moto[server]``), started here on loopback; without it those tests are skipped.
"""

import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cli_kit import Shell
from faulty_disk import FaultyDisk, Loss, PowerCut
from memory_kit import growth, measured

from amparo.app import evidence, evidence_cold, evidence_read, opening, people
from amparo.app import evidence_integrity as integrity
from amparo.app import evidence_repair as mending
from amparo.app.evidence_cold import Store
from amparo.app.evidence_files import store_of
from amparo.app.session import Session, stop_asked
from amparo.kernel.errors import AmparoError, DiskRefused
from amparo.record.items import Item
from amparo.vault import remote
from amparo.vault.disk import Disk
from amparo.vault.remote import Cold, FolderBucket, S3Bucket, Settings
from amparo.vault.remote_cache import Cache
from amparo.vault.remote_lock import Account, sign
from amparo.vault.replica import FolderReplica
from amparo.vault.slots import Cost, Passphrase

SECRETS = Passphrase("a made-up passphrase"), Passphrase("another made-up one")
NAME = re.compile(r"case/(?:objects/[0-9a-f]{2}|packs)/[0-9a-f]{64}\.[0-9]{5}")
MARK = b"made-up words that must not be seen outside"
LOSSES = [Loss.NOTHING, Loss.ZEROS, Loss.EVERYTHING]


# -- a real server --------------------------------------------------------------------------------------------------------


class S3:
    """moto's server in a process of its own."""

    def __init__(self) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                time.sleep(0.05)

        import boto3  # type: ignore[import-untyped]  # another client than ours looks at what the server has

        self.client = boto3.client(
            "s3", endpoint_url=self.endpoint, region_name="us-east-1", aws_access_key_id="made-up",
            aws_secret_access_key="made-up-secret",
        )  # fmt: skip

    def names(self, bucket: str) -> list[str]:
        return [one["Key"] for one in self.client.list_objects_v2(Bucket=bucket).get("Contents", [])]

    def get(self, bucket: str, name: str) -> bytes:
        with closing(self.client.get_object(Bucket=bucket, Key=name)["Body"]) as body:
            found: bytes = body.read()
        return found

    def stop(self) -> None:
        self.client.close()
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    if importlib.util.find_spec("moto") is None:
        pytest.skip("the S3 server moto is not installed")
    server = S3()
    yield server
    server.stop()


def bucket(s3: S3, *, lock: bool = False) -> str:
    name = f"b{os.urandom(6).hex()}"
    s3.client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock)
    return name


def s3_store(s3: S3, name: str, **more: object) -> Store:
    return Store("archive", f"s3://{name}/case", s3.endpoint, "us-east-1", "made-up", "made-up-secret", **more)  # type: ignore[arg-type]


# -- a workspace ----------------------------------------------------------------------------------------------------------


def open_session(folder: Path, disk: Disk | None = None) -> Session:
    return Session(folder, [opening.read_ring(folder, "everyday", SECRETS[0])], disk=disk)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a large item of three chunks, one of one, and four in a pack; all begin with MARK."""
    place = tmp_path_factory.mktemp("made")
    opening.create(place / "case", *SECRETS, cost=Cost(64, 1, 1))
    (place / "files").mkdir()
    for name, size in (("c.bin", 9 << 20), ("a.bin", 1 << 20), *((f"s{n}.bin", 2_000 + n) for n in range(4))):
        (place / "files" / name).write_bytes(MARK + os.urandom(size))
    with open_session(place / "case") as session:
        evidence.add(session, [place / "files"])
    return place


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made / "case", tmp_path / "case")
    return tmp_path


@pytest.fixture
def session(place: Path) -> Iterator[Session]:
    with open_session(place / "case") as opened:
        yield opened


def items(session: Session) -> dict[str, Item]:
    return {item.name: item for item in session.testimony.items()}


def local_files(session: Session) -> list[Path]:
    return list(store_of(session).files())


def readable(session: Session) -> dict[str, bool]:
    """Name -> whether the item can be read to its end, from here or from a cold store, with the hash on record."""
    found = {}
    for name, item in items(session).items():
        try:
            with evidence_cold.reading_store(session).open(item.blob, item.key, item.size, item.sha256) as stream:
                found[name] = hashlib.sha256(stream.read()).digest() == item.sha256
        except AmparoError:
            found[name] = False
    return found


# -- a server as it should be ---------------------------------------------------------------------------------------------


def test_push_evict_read_and_fetch_through_a_real_server(session: Session, place: Path, s3: S3) -> None:
    """Pushed once, evicted after reading back, read on demand byte for byte, brought back; custody tells each step."""
    evidence_cold.add_store(session, s3_store(s3, name := bucket(s3)))
    pushed = evidence_cold.push(session, "archive")
    assert pushed.files == 3 and evidence_cold.push(session, "archive").before == 3
    assert all(NAME.fullmatch(one) for one in s3.names(name)) and len(s3.names(name)) == 5
    moved = evidence_cold.evict(session, "archive")
    assert (moved.files, moved.items, moved.refused) == (3, 6, {}) and local_files(session) == []
    assert all(readable(session).values())
    verified = integrity.verify(session)
    assert not verified.findings and verified.cold == 6
    assert evidence_cold.verify_remote(session, "archive") == (3, {})
    fetched = evidence_cold.fetch(session, "archive")
    assert fetched.files == 3 and not fetched.refused and len(local_files(session)) == 3
    verified = integrity.verify(session)
    assert not verified.findings and verified.items == 6 and verified.cold == 0
    chain = [event.action for event in session.testimony.custody(items(session)["a.bin"].handle)]
    assert chain == ["acquired", "copied", "moved", "moved"]


def test_the_server_sees_no_plain_byte_no_name_and_no_key(session: Session, s3: S3) -> None:
    """Every object is searched for the files' words, names, digests and keys; lengths are the padded ones."""
    evidence_cold.add_store(session, s3_store(s3, name := bucket(s3)))
    evidence_cold.push(session, "archive")
    everything = b"".join(one.encode() + s3.get(name, one) for one in s3.names(name))
    for item in session.testimony.items():
        for secret in (MARK, item.name.encode(), item.sha256, item.sha256.hex().encode(), item.key, item.handle.encode()):
            assert secret not in everything


def test_credentials_and_names_of_stores_are_in_no_plain_file(session: Session, place: Path, s3: S3) -> None:
    """After adding and pushing, no file of the workspace has the secret, the bucket or the endpoint in it."""
    evidence_cold.add_store(session, s3_store(s3, name := bucket(s3)))
    evidence_cold.push(session, "archive")
    session.close()
    for path in (place / "case").rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not [word for word in (b"made-up-secret", name.encode(), s3.endpoint.encode()) if word in data], path


def test_a_part_of_an_evicted_file_is_fetched_alone_and_cached(session: Session, s3: S3) -> None:
    """Reading the middle of a large file takes one chunk; reading it again asks the server nothing."""
    evidence_cold.add_store(session, s3_store(s3, bucket(s3)))
    evidence_cold.push(session, "archive")
    evidence_cold.evict(session, "archive")
    item = items(session)["c.bin"]
    cache = evidence_cold.cache_of(session, evidence_cold.get_store(session, "archive"))
    with evidence_cold.reading_store(session).open(item.blob, item.key, item.size, item.sha256) as stream:
        one = stream.read_range(5 << 20, 100)
    assert cache.size() == (4 << 20) + 16
    evidence_cold._put_store(session, "archive", {**_raw(session), "endpoint": "http://127.0.0.1:1"})
    with evidence_cold.reading_store(session).open(item.blob, item.key, item.size, item.sha256) as stream:
        assert stream.read_range(5 << 20, 100) == one
        with pytest.raises(remote.RemoteFailed):
            stream.read_range(0, 10)


def _raw(session: Session) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(evidence_cold.get_store(session, "archive"))


def test_damage_here_is_repaired_from_the_cold_store(session: Session, s3: S3) -> None:
    """A missing and a rotten file are mended from the server like from any copy."""
    evidence_cold.add_store(session, store := s3_store(s3, bucket(s3)))
    evidence_cold.push(session, "archive")
    for path in local_files(session):
        path.unlink()
    integrity.verify(session)
    done = mending.repair(session, [evidence_cold.open_cold(session, store)])
    assert len(done.repaired) == 6 and not integrity.verify(session).findings


def test_the_folder_of_a_cold_store_is_a_copy_like_any_other(session: Session, place: Path) -> None:
    """`repair --from` mends from a drive with a store on it, also where the record knows of no such store."""
    evidence_cold.add_store(session, Store("drive", str(place / "drive")))
    evidence_cold.push(session, "drive")
    evidence_cold.remove_store(session, "drive")
    for path in local_files(session):
        path.unlink()
    integrity.verify(session)
    assert len(mending.repair(session, [FolderReplica(place / "drive")]).repaired) == 6


def test_a_damaged_file_is_not_pushed_and_the_rest_is(session: Session, s3: S3) -> None:
    """What does not open here never reaches the store as if it were whole."""
    evidence_cold.add_store(session, s3_store(s3, bucket(s3)))
    path = store_of(session).place(items(session)["a.bin"].blob, (1 << 20) + len(MARK))[0]
    with path.open("r+b") as file:
        file.write(b"rot")
    pushed = evidence_cold.push(session, "archive")
    assert pushed.files == 2 and len(pushed.refused) == 1
    assert evidence_cold.evict(session, "archive").files == 2 and path.exists()


def test_a_stopped_push_goes_on_where_it_was(session: Session, s3: S3) -> None:
    """Stopped in the middle of a large file, the next run sends only the segments that are not there."""
    evidence_cold.add_store(session, s3_store(s3, name := bucket(s3)))
    large = items(session)["c.bin"].handle

    def stop(done: int, _total: int) -> None:
        if done >= 8 << 20:
            stop_asked.set()

    try:
        with pytest.raises(KeyboardInterrupt):
            evidence_cold.push(session, "archive", [large], progress=stop)
    finally:
        stop_asked.clear()
    before = len(s3.names(name))
    assert before == 2
    pushed = evidence_cold.push(session, "archive", [large])
    assert pushed.files == 1 and pushed.sent < 2 << 20 and len(s3.names(name)) == 3


def test_a_limit_on_bandwidth_is_kept(session: Session, s3: S3) -> None:
    """1 MiB at 1 MB/s takes at least about a second."""
    evidence_cold.add_store(session, s3_store(s3, bucket(s3)))
    began = time.monotonic()
    evidence_cold.push(session, "archive", [items(session)["a.bin"].handle], limit=1_000_000)
    assert time.monotonic() - began > 1


def test_an_erased_item_is_pruned_from_the_store_and_foreign_objects_are_left(session: Session, s3: S3) -> None:
    """Only what this workspace put there and no item owns goes; what lies there besides is counted and kept."""
    evidence_cold.add_store(session, s3_store(s3, name := bucket(s3)))
    evidence_cold.push(session, "archive")
    s3.client.put_object(Bucket=name, Key=f"case/objects/ff/{'f' * 64}.00000", Body=b"another's")
    people.erase(session, items(session)["c.bin"].handle, "request of the owner")
    assert evidence_cold.prune(session, "archive") == (1, 1)
    assert len(s3.names(name)) == 3 and f"case/objects/ff/{'f' * 64}.00000" in s3.names(name)


def test_object_lock_is_set_and_read_back_where_the_server_has_it(session: Session, s3: S3) -> None:
    """In a bucket with object lock each segment is retained until the day asked for; in another the push says it is not."""
    name = bucket(s3, lock=True)
    evidence_cold.add_store(session, s3_store(s3, name))
    handle = items(session)["a.bin"].handle
    evidence_cold.push(session, "archive", [handle], retain_days=30, mode="compliance")
    [one] = s3.names(name)
    told = s3.client.head_object(Bucket=name, Key=one)
    until = told["ObjectLockRetainUntilDate"].timestamp()
    assert told["ObjectLockMode"] == "COMPLIANCE" and abs(until - time.time() - 30 * 86_400) < 120
    evidence_cold.add_store(session, s3_store(s3, bucket(s3)))
    with pytest.raises(remote.RemoteNoLock):
        evidence_cold.push(session, "archive", [items(session)["c.bin"].handle], retain_days=30)


def test_the_signature_is_the_one_of_amazons_examples() -> None:
    """The two GET requests of “Signature Calculations for the Authorization Header” (Amazon S3 API Reference)."""
    account = Account("examplebucket", "", "us-east-1", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    when = datetime(2013, 5, 24, tzinfo=UTC)
    host = {"host": "examplebucket.s3.amazonaws.com"}
    ranged = sign(account, "GET", "/test.txt", "", {**host, "range": "bytes=0-9"}, b"", when)
    assert ranged["authorization"].endswith("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
    lifecycle = sign(account, "GET", "/", "lifecycle=", host, b"", when)
    assert lifecycle["authorization"].endswith("fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")


def test_a_store_is_not_forgotten_while_a_file_is_only_there(session: Session, s3: S3) -> None:
    """Removing a store with evicted files is refused; after fetching it is not, and its credentials are gone from the list."""
    evidence_cold.add_store(session, s3_store(s3, bucket(s3)))
    evidence_cold.push(session, "archive")
    evidence_cold.evict(session, "archive", [items(session)["a.bin"].handle])
    with pytest.raises(evidence_cold.StoreNeeded):
        evidence_cold.remove_store(session, "archive")
    evidence_cold.fetch(session, "archive")
    evidence_cold.remove_store(session, "archive")
    assert evidence_cold.stores(session) == []


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("s3://bucket/x", "http://example.org"), ("s3://bucket/x", "ftp://127.0.0.1"), ("s3://", "https://example.org"),
        ("https://example.org/x", ""), ("s3://bucket/x", "http://127.0.0.1.example.org"),
    ],
)
def test_an_address_that_would_show_names_to_the_network_is_refused(session: Session, url: str, endpoint: str) -> None:
    """Plain http to anywhere but this machine, other schemes, no bucket: refused before a byte is sent."""
    with pytest.raises(remote.BadAddress):
        evidence_cold.add_store(session, Store("archive", url, endpoint))


# -- killed in the middle -------------------------------------------------------------------------------------------------


@contextmanager
def killed(script: str, when: Callable[[], bool]) -> Iterator[None]:
    """Run a script in a process of its own and end it by SIGKILL once ``when`` is true."""
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not when() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None, process.stderr.read().decode()[-2000:] if process.stderr else ""
    process.send_signal(signal.SIGKILL)
    process.wait()
    if process.stderr:
        process.stderr.close()
    yield


SCRIPT = """
from pathlib import Path
from amparo.app import evidence_cold, opening
from amparo.app.session import Session
from amparo.vault.slots import Passphrase
place = Path({place!r})
with Session(place, [opening.read_ring(place, "everyday", Passphrase("a made-up passphrase"))]) as session:
    {act}
"""


def test_kill_9_in_the_middle_of_a_push_and_of_an_evict(session: Session, place: Path, s3: S3) -> None:
    """After SIGKILL every item is readable, and the same verb run again completes."""
    evidence_cold.add_store(session, s3_store(s3, name := bucket(s3)))
    session.close()
    push = SCRIPT.format(place=str(place / "case"), act="evidence_cold.push(session, 'archive', limit=3_000_000)")
    with killed(push, lambda: len(s3.names(name)) >= 2), open_session(place / "case") as again:
        assert all(readable(again).values())
        assert evidence_cold.push(again, "archive").files + 0 >= 1 and len(s3.names(name)) == 5
        assert evidence_cold.verify_remote(again, "archive") == (3, {})
    act = "evidence_cold.evict(session, 'archive', progress=lambda *_: __import__('time').sleep(30))"
    evict = SCRIPT.format(place=str(place / "case"), act=act)
    blobs = place / "case" / "blobs"
    with killed(evict, lambda: sum(path.is_file() for path in blobs.rglob("*")) < 3), open_session(place / "case") as again:
        assert all(readable(again).values())
        assert evidence_cold.evict(again, "archive").files == 2 and all(readable(again).values())


def test_power_cut_at_every_step_of_push_evict_and_fetch_loses_no_item(place: Path) -> None:
    """Local disk and the store's drive lose power together: every item stays readable, and running it again completes."""
    with open_session(place / "case") as session:
        evidence_cold.add_store(session, Store("drive", str(place / "drive")))

    def push(session: Session) -> None:
        evidence_cold.push(session, "drive")

    def evict(session: Session) -> None:
        evidence_cold.evict(session, "drive")

    def fetch(session: Session) -> None:
        evidence_cold.fetch(session, "drive")

    drive = place / "drive"
    for act in (push, evict, fetch):
        shutil.copytree(place / "case", place / "count")
        shutil.copytree(drive, place / "kept")
        disk = FaultyDisk()
        with open_session(place / "count", disk) as session:
            act(session)
        shutil.copytree(drive, place / "after")
        for cut in range(1, disk.changes + 1, 1 + disk.changes // 15):
            shutil.rmtree(drive)
            shutil.copytree(place / "kept", drive)
            target = place / f"{act.__name__}{cut}"
            shutil.copytree(place / "case", target)
            session = open_session(target, FaultyDisk(cut_at=cut, torn=0.5, loss=LOSSES[cut % 3]))
            with pytest.raises(PowerCut):
                act(session)
            session.close()
            with open_session(target) as after:
                assert all(readable(after).values()), (act.__name__, cut)
                act(after)
                assert all(readable(after).values()), (act.__name__, cut)
                assert evidence_cold.verify_remote(after, "drive")[1] == {}, (act.__name__, cut)
            shutil.rmtree(target)
        for old in ("case", "drive"):
            shutil.rmtree(place / old)
        (place / "count").rename(place / "case")
        (place / "after").rename(drive)
        shutil.rmtree(place / "kept")


@pytest.mark.parametrize("error", [28, 5])
def test_a_full_or_failing_drive_is_a_sentence_and_loses_nothing(place: Path, error: int) -> None:
    """No room or an I/O error at steps of push and evict: DiskRefused, every item readable, and a retry completes."""
    with open_session(place / "case") as session:
        evidence_cold.add_store(session, Store("drive", str(place / "drive")))
    for at in range(1, 60, 7):
        with open_session(place / "case", FaultyDisk(error_at=at, error=error, error_stays=True)) as session:
            try:
                evidence_cold.push(session, "drive")
                evidence_cold.evict(session, "drive")
            except DiskRefused as refused:
                assert str(refused)
        with open_session(place / "case") as after:
            assert all(readable(after).values()), at
    with open_session(place / "case") as session:
        evidence_cold.push(session, "drive")
        evidence_cold.evict(session, "drive")
        assert all(readable(session).values()) and evidence_cold.verify_remote(session, "drive")[1] == {}


def test_an_unplugged_drive_is_not_mistaken_for_an_empty_one(session: Session, place: Path) -> None:
    """With the drive away its mount point is an empty folder: nothing is written there, and reading says to plug it in."""
    evidence_cold.add_store(session, Store("drive", str(place / "drive")))
    evidence_cold.push(session, "drive")
    evidence_cold.evict(session, "drive", [items(session)["a.bin"].handle])
    (place / "drive").rename(place / "away")
    (place / "drive").mkdir()
    assert readable(session) == {name: name != "a.bin" for name in items(session)}
    with pytest.raises(remote.RemoteUnreachable):
        evidence_cold.evict(session, "drive")
    with pytest.raises(remote.RemoteUnreachable):
        evidence_cold.fetch(session, "drive")
    assert list((place / "drive").iterdir()) == []


def test_a_drive_that_is_away_does_not_hold_up_the_reading_of_what_is_here(session: Session, place: Path) -> None:
    """Texts beside an evicted file are read; that file is told with its reason, and read once the drive is back."""
    (place / "notes").mkdir()
    for name in ("away", "here"):
        (place / "notes" / f"{name}.txt").write_bytes(f"{name} ".encode() + os.urandom(1 << 19).hex().encode())
    evidence_cold.add_store(session, Store("drive", str(place / "drive")))
    first = evidence.add(session, [place / "notes" / "away.txt"]).first
    evidence_cold.push(session, "drive", [first])
    assert evidence_cold.evict(session, "drive", [first]).files == 1
    second = evidence.add(session, [place / "notes" / "here.txt"]).first
    (place / "drive").rename(place / "gone")
    done = evidence_read.read(session, [evidence.get(session, first), evidence.get(session, second)])
    assert (done.items, [item for item, _ in done.problems]) == (1, [first])
    assert "plug in the drive" in done.problems[0][1]
    (place / "gone").rename(place / "drive")
    again = evidence_read.read(session, [evidence.get(session, first), evidence.get(session, second)])
    assert (again.items, again.problems) == (1, [])
    assert session.testimony.texts(first)


# -- hostile servers ------------------------------------------------------------------------------------------------------


class Hostile(ThreadingHTTPServer):
    """A server that keeps what is put and answers as ``mood`` says."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.mood, self.objects, self.ended = "honest", dict[str, bytes](), threading.Event()
        self.endpoint = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hostile

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.mood == "says it is there":
            self._say(412)
            return
        if self.server.mood != "forgets":
            self.server.objects[self.path.split("?")[0]] = data
        self._say(200, headers={"ETag": '"1"'})

    def do_HEAD(self) -> None:
        data = self.server.objects.get(self.path)
        self._say(404 if data is None else 200, headers=self._facts(data or b""), length=len(data or b""), body=b"")

    def do_DELETE(self) -> None:
        self._say(204)

    def do_GET(self) -> None:
        mood, data = self.server.mood, self.server.objects.get(self.path.split("?")[0], b"")
        if "list-type" in self.path:
            self._list(mood)
            return
        if not data:
            self._say(404)
            return
        low, high = (int(x) for x in self.headers.get("Range", f"bytes=0-{len(data) - 1}").removeprefix("bytes=").split("-"))
        part = data[low : high + 1]
        others = [other for path, other in self.server.objects.items() if path != self.path and len(other) >= high + 1]
        if mood == "altered":
            part = part[:50] + bytes([part[50] ^ 1]) + part[51:]
        elif mood == "swapped" and others:
            part = others[0][low : high + 1]
        elif mood == "replayed":
            part = next(iter(self.server.objects.values()))[low : high + 1].ljust(len(part), b"\0")
        elif mood == "truncated":
            part = part[:-7]
        elif mood == "zeros":
            part = bytes(len(part))
        elif mood == "gone":
            self._say(404)
            return
        elif mood == "ignores the range":
            self._say(200, body=data, headers=self._facts(data))
            return
        elif mood == "redirects":
            self._say(302, headers={"Location": "http://127.0.0.1:1/elsewhere"})
            return
        elif mood == "no http":
            self.connection.sendall(b"\x00\xff nothing you know\r\n\r\n")
            self.close_connection = True
            return
        elif mood in ("endless", "endless error"):
            self._endless(low, high, error=mood == "endless error")
            return
        elif mood == "slow":
            self._slow(low, high, len(data))
            return
        told = high + 1 if mood != "truncated" else low + len(part)
        self._say(206, body=part, headers={**self._facts(data), "Content-Range": f"bytes {low}-{told - 1}/{len(data)}"})

    def _facts(self, data: bytes) -> dict[str, str]:
        del data
        return {"ETag": '"1"', "Last-Modified": "Mon, 23 Nov 2026 00:00:00 GMT"}

    def _list(self, mood: str) -> None:
        if mood == "endless list":
            rest = "<LastModified>2026-11-23T00:00:00.000Z</LastModified><ETag>1</ETag><Size>1</Size></Contents>"
            page = "".join(f"<Contents><Key>case/objects/00/{n:064d}.00000</Key>{rest}" for n in range(1000))
            more = "<IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>"
        else:
            page, more = "", "<IsTruncated>false</IsTruncated>"
        head = '<?xml version="1.0"?><ListBucketResult><Name>b</Name><Prefix></Prefix><KeyCount>1</KeyCount>'
        text = f"{head}{more}{page}</ListBucketResult>"
        self._say(200, body=text.encode())

    def _endless(self, low: int, high: int, *, error: bool) -> None:
        self.send_response(400 if error else 206)
        if error:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Range", f"bytes {low}-{high}/99999999999")
            self.send_header("Content-Length", "99999999999")
            for name, value in self._facts(b"").items():
                self.send_header(name, value)
        self.end_headers()
        piece = b"100000\r\n" + bytes(1 << 20) + b"\r\n" if error else bytes(1 << 20)
        try:
            while not self.server.ended.is_set():
                self.wfile.write(piece)
        except OSError:
            self.close_connection = True

    def _slow(self, low: int, high: int, size: int) -> None:
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {low}-{high}/{size}")
        self.send_header("Content-Length", str(high - low + 1))
        for name, value in self._facts(b"").items():
            self.send_header(name, value)
        self.end_headers()
        try:
            while not self.server.ended.is_set():
                self.wfile.write(b"x")
                time.sleep(0.2)
        except OSError:
            self.close_connection = True

    def _say(
        self, status: int, *, body: bytes = b"", headers: dict[str, str] | None = None, length: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    server = Hostile()
    yield server
    server.ended.set()
    server.shutdown()
    server.server_close()


def hostile_store(server: Hostile) -> Store:
    return Store("archive", "s3://bucket/case", server.endpoint, "us-east-1", "made-up", "made-up-secret", patience=3)


LIES = ["altered", "swapped", "replayed", "truncated", "zeros", "gone"]
REFUSALS = ["ignores the range", "redirects", "no http", "endless", "endless error"]


@pytest.mark.parametrize("mood", LIES)
def test_a_lying_server_neither_takes_the_local_file_nor_passes_anything_off(
    session: Session, hostile: Hostile, mood: str
) -> None:
    """Altered, swapped, replayed, cut, zeroed, withheld: eviction keeps the file; reading and fetching refuse."""
    evidence_cold.add_store(session, hostile_store(hostile))
    evidence_cold.push(session, "archive")
    hostile.mood = mood
    moved = evidence_cold.evict(session, "archive")
    assert len(moved.refused) + moved.files == 3 and moved.refused
    assert all(sentence.count(".") >= 1 for sentence in moved.refused.values())
    hostile.mood = "honest"
    evidence_cold.evict(session, "archive")
    hostile.mood = mood
    told = readable(session)
    assert not told["c.bin"] and sum(told.values()) <= 1  # a replayed first object is itself
    assert evidence_cold.fetch(session, "archive").refused
    wrong = evidence_cold.verify_remote(session, "archive")[1]
    assert wrong
    hostile.mood = "honest"
    assert all(readable(session).values())  # nothing false stayed in the cache
    assert not evidence_cold.fetch(session, "archive").refused and not integrity.verify(session).findings


@pytest.mark.parametrize("mood", [*REFUSALS, "slow"])
def test_a_server_that_answers_nonsense_without_end_or_slowly_is_one_sentence(
    session: Session, hostile: Hostile, mood: str
) -> None:
    """Whole objects for ranges, redirects, no HTTP, endless bodies and errors, dribbling: refused, in bounded time."""
    evidence_cold.add_store(session, hostile_store(hostile))
    evidence_cold.push(session, "archive", [items(session)["s1.bin"].handle])
    hostile.mood = mood
    began = time.monotonic()
    try:
        [sentence] = evidence_cold.evict(session, "archive").refused.values()
    except remote.RemoteFailed as error:
        sentence = str(error)
    assert sentence.startswith("The cold store archive") and time.monotonic() - began < 45
    assert len(local_files(session)) == 3
    if mood in ("slow", "endless", "endless error"):
        assert ("did not answer in full" if mood == "slow" else "more than was asked") in sentence


def test_a_server_that_forgets_or_only_says_it_has_a_file_is_found_out(session: Session, hostile: Hostile) -> None:
    """Puts answered with success and thrown away, and puts answered with “is there already”: nothing is evicted."""
    evidence_cold.add_store(session, hostile_store(hostile))
    for mood in ("forgets", "says it is there"):
        hostile.mood = mood
        evidence_cold.push(session, "archive")
        assert evidence_cold.evict(session, "archive").files == 0
        assert len(local_files(session)) == 3


def test_a_list_without_end_is_thrown_away(session: Session, hostile: Hostile) -> None:
    """The same page again and again is noticed at its first repetition."""
    evidence_cold.add_store(session, hostile_store(hostile))
    hostile.mood = "endless list"
    with pytest.raises(remote.RemoteListing):
        evidence_cold.prune(session, "archive")


@measured
def test_no_answer_makes_this_process_large(hostile: Hostile) -> None:
    """During endless bodies and errors the asking process grows by less than 64 MiB: the answers stay in the other one."""
    settings = Settings("bucket", "case/", hostile.endpoint, "us-east-1", "made-up", "made-up-secret", patience=3)
    hostile.objects["/bucket/case/x"] = bytes(4 << 20)

    def ask() -> None:
        for mood in ("endless", "endless error"):
            hostile.mood = mood
            with closing(S3Bucket("archive", settings)) as opened, pytest.raises(remote.RemoteFailed):
                opened.get("x", 0, 4 << 20)

    assert growth(ask) < 64 << 20


# -- the cache ------------------------------------------------------------------------------------------------------------


def test_the_cache_is_bounded_and_drops_the_longest_unused(tmp_path: Path) -> None:
    """Its size never passes the limit; a range used again outlives an older one; one that is too large is not kept."""
    cache = Cache(tmp_path / "cache", 350)
    names = [f"objects/{n:02x}/{n:064x}" for n in range(6)]
    for number, name in enumerate(names[:3]):
        cache.put(name, 0, bytes([number]) * 100)
        time.sleep(0.02)
    assert cache.get(names[0], 0, 100) == bytes(100)
    cache.put(names[3], 0, bytes([3]) * 100)
    assert cache.size() <= 350
    assert [cache.get(name, 0, 100) is not None for name in names[:4]] == [True, False, True, True]
    cache.put(names[4], 0, bytes(1000))
    assert cache.get(names[4], 0, 1000) is None
    cache.clear()
    assert cache.size() == 0


@pytest.mark.parametrize("loss", list(Loss))
def test_a_power_cut_in_the_cache_is_never_read_as_data(tmp_path: Path, loss: Loss) -> None:
    """Whatever a cut leaves of an entry, it is the bytes that were put or nothing."""
    name, data = f"packs/{'a' * 64}", os.urandom(5000)
    disk = FaultyDisk()
    Cache(tmp_path / "count", 1 << 20, disk).put(name, 8, data)
    for cut in range(1, disk.changes + 1):
        folder = tmp_path / f"cut{cut}"
        with pytest.raises(PowerCut):
            Cache(folder, 1 << 20, FaultyDisk(cut_at=cut, torn=0.5, loss=loss)).put(name, 8, data)
        assert Cache(folder, 1 << 20).get(name, 8, len(data)) in (None, data)


def test_every_flipped_byte_of_a_cached_range_is_noticed(tmp_path: Path) -> None:
    """A rotten entry is dropped and fetched again instead of being handed on."""
    cache, name = Cache(tmp_path / "cache", 1 << 20), f"packs/{'a' * 64}"
    cache.put(name, 0, bytes(200))
    [path] = (tmp_path / "cache").iterdir()
    whole = path.read_bytes()
    for offset in range(len(whole)):
        path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 1]) + whole[offset + 1 :])
        assert cache.get(name, 0, 200) is None
        path.write_bytes(whole)
    assert cache.get(name, 0, 200) == bytes(200)


def test_a_full_disk_does_not_keep_an_evicted_file_from_being_read(place: Path) -> None:
    """The cache takes no room where there is none, and reading goes on."""
    with open_session(place / "case") as session:
        evidence_cold.add_store(session, Store("drive", str(place / "drive")))
        evidence_cold.push(session, "drive")
        evidence_cold.evict(session, "drive")
    with open_session(place / "case") as session:
        assert session.testimony
        session.disk = FaultyDisk(error_at=1, error=28, error_stays=True)
        assert all(readable(session).values())


def test_segments_of_a_folder_are_cut_and_joined_again(tmp_path: Path) -> None:
    """A range over several segments is what was put, and a missing or short segment is named."""
    held = FolderBucket(tmp_path / "drive")
    held.found()
    cold, data = Cold(held), os.urandom(9 << 20)
    pieces = (data[at : at + remote.SEGMENT] for at in range(0, len(data), remote.SEGMENT))
    assert cold.push("packs/x", pieces, lambda _done, _sent: None) == len(data)
    assert cold.read("packs/x", 0, len(data)) == data and cold.read("packs/x", (4 << 20) - 5, 10) == data[(4 << 20) - 5 :][:10]
    os.truncate(tmp_path / "drive" / "packs" / "x.00001", 17)
    with pytest.raises(remote.RemoteShort):
        cold.read("packs/x", 4 << 20, 100)
    (tmp_path / "drive" / "packs" / "x.00001").unlink()
    with pytest.raises(remote.RemoteMissing):
        cold.read("packs/x", 4 << 20, 100)


# -- the command line -----------------------------------------------------------------------------------------------------


def test_the_command_line_keeps_credentials_out_of_arguments_and_answers(tmp_path: Path, s3: S3) -> None:
    """Added with credentials from the environment, pushed, evicted, verified, fetched; no answer ever shows the secret."""
    shell = Shell(tmp_path / "user", tmp_path / "case")
    shell.init()
    (tmp_path / "film.bin").write_bytes(os.urandom((1 << 20) + 9))
    item = shell.amparo("evidence", "add", str(tmp_path / "film.bin"))["first"]
    url = f"s3://{bucket(s3)}/case"
    words = ("evidence", "cold", "add", "archive", url, "--endpoint", s3.endpoint, "--region", "us-east-1")
    assert shell.amparo(*words, code=3)["error"] == "NoPassphrase"
    assert shell.amparo("evidence", "cold", "add", "x", "https://example.org", code=4)["error"] == "BadAddress"
    shell.extra = {**shell.extra, "AWS_ACCESS_KEY_ID": "made-up", "AWS_SECRET_ACCESS_KEY": "made-up-secret"}
    answers = [shell.amparo(*words)]
    shell.extra = {name: value for name, value in shell.extra.items() if not name.startswith("AWS_")}
    answers.append(shell.amparo("evidence", "cold", "push", "archive", "--limit", "50M"))
    answers.append(shell.amparo("evidence", "cold", "evict", "archive", item))
    answers.append(shell.amparo("evidence", "cold", "list"))
    answers.append(shell.amparo("evidence", "verify", "--remote", "archive"))
    answers.append(shell.amparo("evidence", "verify"))
    answers.append(shell.amparo("evidence", "cold", "fetch", "archive"))
    answers.append(shell.amparo("evidence", "cold", "prune", "archive"))
    assert (answers[1]["files"], answers[2]["files"], answers[5]["cold"], answers[6]["files"]) == (1, 1, 1, 1)
    assert "made-up-secret" not in json.dumps(answers)
    assert shell.amparo("evidence", "cold", "remove", "archive")["store"] == "archive"
    assert shell.amparo("evidence", "cold", "push", "archive", code=9)["error"] == "NoSuchStore"
