"""The user's own Chromium, driven through a pair of pipes (Chrome DevTools Protocol), with a profile that is thrown away.

Invariants: no port is opened that another program could find; the profile, caches and downloads lie in memory-backed storage
where the system has some (``Chromium.place`` says where not) and are removed with the browser; the browser is started with
everything off that reports, updates, synchronises or guesses ahead. What it is told to visit is all it asks the network for.
"""

import fcntl
import json
import os
import queue
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self
from urllib.parse import urlsplit

from amparo.kernel.errors import AmparoError, BadInput, NotFound
from amparo.kernel.i18n import N_

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "brave-browser")
_MAC: Final = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
_LARGEST: Final = 256 << 20  # bytes of one message: more can only be an attack on our memory
_ENVIRONMENT: Final = frozenset({
    "PATH", "LANG", "LANGUAGE", "TZ", "DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS",
})  # fmt: skip
_PREFIX: Final = "amparo-browser-"
_FRESH: Final = 60.0  # seconds
_PROXIES: Final = ("http", "https", "socks4", "socks5")

_FLAGS: Final = (
    "--no-first-run", "--no-default-browser-check", "--no-service-autorun", "--disable-background-networking",
    "--disable-background-mode", "--disable-breakpad", "--disable-client-side-phishing-detection",
    "--disable-component-extensions-with-background-pages", "--disable-component-update", "--disable-crash-reporter",
    "--disable-default-apps", "--disable-domain-reliability", "--disable-extensions", "--disable-field-trial-config",
    "--disable-hang-monitor", "--disable-quic", "--disable-search-engine-choice-screen",
    "--disable-sync", "--disk-cache-size=1", "--dns-over-https-mode=off", "--dns-prefetch-disable",
    "--metrics-recording-only", "--no-pings", "--password-store=basic", "--use-mock-keychain", "--mute-audio",
    (
        "--disable-features=AutofillServerCommunication,CertificateTransparencyComponentUpdater,DialMediaRouteProvider,"
        "InterestFeedContentSuggestions,MediaRouter,OptimizationGuideModelDownloading,OptimizationHints,"
        "NetworkTimeServiceQuerying,OptimizationTargetPrediction,PreconnectToSearch,Translate"
    ),
    # services the browser would call on its own, sent to a port that no browser calls (found by listening to what it asks)
    "--gaia-url=http://127.0.0.1:1/", "--apps-gallery-update-url=http://127.0.0.1:1/",
    "--component-updater=url-source=http://127.0.0.1:1/",
)  # fmt: skip


class NoBrowser(NotFound):
    template = N_(
        "No Chromium was found; install one (on Debian: `apt install chromium`) or name the program with --browser FILE."
    )


class BrowserFailed(AmparoError):
    template = N_("The browser {program} did not start ({why}); start it once by hand to see that it works, then try again.")


class BrowserGone(AmparoError):
    template = N_("The browser ended or was killed before it answered ({what}).")


class BrowserSilent(AmparoError):
    template = N_("The browser did not answer within {seconds} s ({what}).")


class BrowserRefused(AmparoError):
    template = N_("The browser refused what it was asked ({what}: {why}).")


class BadProxy(BadInput):
    template = N_("“{proxy}” is no proxy Amparo can use; write it like socks5://127.0.0.1:9050.")


class NotHere(BadInput):
    template = N_("Web captures need pipes that this system ({system}) does not hand to a browser; use Linux or macOS.")


@dataclass(slots=True, frozen=True)
class Launch:
    """How to start: ``program`` "" to look for one; ``proxy`` a URL; ``visible`` with a window; ``extra`` further flags."""

    program: str = ""
    proxy: str = ""
    visible: bool = False
    extra: tuple[str, ...] = ()


class Event(NamedTuple):
    """What the browser told unasked; ``session`` is the target it is about, "" for the browser itself."""

    method: str
    params: dict[str, Any]
    session: str


Reply = Callable[[dict[str, Any] | None], None]
"""Gets the result, or None where the browser refused or is gone."""


_PREFERENCES: Final = {
    "alternate_error_pages": {"enabled": False},
    "credentials_enable_service": False,
    "net": {"network_prediction_options": 2},
    "safebrowsing": {"enabled": False},
    "search": {"suggest_enabled": False},
    "signin": {"allowed": False},
    "webrtc": {"ip_handling_policy": "disable_non_proxied_udp"},
}
"""What is off from the start; with Safe Browsing on, Chromium would tell Google about addresses."""


def find(program: str = "") -> str:
    """The path of a Chromium. Raises NoBrowser."""
    for name in [program] if program else [*NAMES, *_MAC]:
        if path := shutil.which(name):
            return path
    raise NoBrowser


def check_proxy(proxy: str) -> str:
    """The proxy's URL, with a host and a port. Raises BadProxy."""
    try:
        parts = urlsplit(proxy)
        address = f"{parts.scheme}://{parts.netloc}"
        fine = parts.scheme in _PROXIES and parts.hostname and parts.port and proxy.rstrip("/") == address
    except ValueError:
        fine = False
    if not fine or parts.username:
        raise BadProxy(proxy=proxy)
    return address


def flags(launch: Launch, profile: Path, *, root: bool) -> list[str]:
    """The command line after the program; ``root``: Chromium's own sandbox does not run for the superuser."""
    found = ["--remote-debugging-pipe", f"--user-data-dir={profile}", *_FLAGS]
    if not launch.visible:
        found.append("--headless=new")
    if root:
        found.append("--no-sandbox")
    if launch.proxy:
        host = urlsplit(launch.proxy).hostname
        found += [
            f"--proxy-server={launch.proxy}", "--proxy-bypass-list=<-loopback>",  # not even to this machine past the proxy
            f"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE {host}",  # names are looked up by the proxy only
            "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
        ]  # fmt: skip
    return [*found, *launch.extra, "about:blank"]


def _room() -> tuple[Path, str]:
    """A new folder for the profile, and "" if it is in memory or else where it is on a disk."""
    for place in (os.environ.get("XDG_RUNTIME_DIR", ""), "/dev/shm"):  # noqa: S108  memory on Linux, and what we make there is 0700
        if place and os.access(place, os.W_OK) and _in_memory(place):
            _sweep(Path(place))
            return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place)), ""
    _sweep(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    return folder, "" if _in_memory(str(folder)) else str(folder)


def _held(profile: Path) -> int:
    """A descriptor that locks a profile as long as this process lives; -1 where another's does. Raises OSError."""
    descriptor = os.open(profile, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return -1
    return descriptor


def _sweep(place: Path) -> None:
    """Remove the profiles that were left when this program was killed: they hold pages in the clear."""
    for profile in place.glob(_PREFIX + "*"):
        with suppress(OSError):
            status = profile.lstat()
            if status.st_uid != os.geteuid() or time.time() - status.st_ctime < _FRESH:
                continue  # one that is just being made is not locked yet
            if (descriptor := _held(profile)) >= 0:
                shutil.rmtree(profile, ignore_errors=True)
                os.close(descriptor)


def _in_memory(place: str) -> bool:
    """True if a folder is on tmpfs with room for a profile."""
    try:
        room = os.statvfs(place)
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text("utf-8").splitlines()]
    except OSError:
        return False
    real = os.path.realpath(place)
    under = [(len(point), kind) for point, kind in mounts if os.path.commonpath([point, real]) == point]
    return bool(under) and max(under)[1] in {"tmpfs", "ramfs"} and room.f_bavail * room.f_frsize > 256 << 20


@dataclass(slots=True)
class _Waiting:
    reply: Reply | None = None
    box: "queue.SimpleQueue[dict[str, Any] | None] | None" = None


@dataclass(slots=True)
class Chromium:
    """A running browser; ``with`` starts it and removes all of it. ``events`` holds what it told; None once it is gone.

    ``place`` is "" or the folder on a disk where its profile had to lie; ``pid`` its first process and the group of all.
    """

    launch: Launch
    events: "queue.SimpleQueue[Event | Callable[[], None] | None]" = field(default_factory=queue.SimpleQueue)
    place: str = ""
    gone: bool = False
    _waiting: dict[int, _Waiting] = field(default_factory=dict)
    _number: int = 0
    pid: int = 0
    _to: int = -1
    _from: int = -1
    _errors: int = -1
    _profile: Path | None = None
    _hold: int = -1
    _lock: threading.Lock = field(default_factory=threading.Lock)  # never held while writing: the listener needs it
    _writing: threading.Lock = field(default_factory=threading.Lock)
    _said: bytearray = field(default_factory=bytearray)

    def __enter__(self) -> Self:
        """Start. Raises NoBrowser, BrowserFailed, NotHere."""
        if os.name != "posix":
            raise NotHere(system=sys.platform)
        program = find(self.launch.program)
        self._profile, self.place = _room()
        try:
            self._hold = _held(self._profile)
            self._start(program, self._profile)
            self.call("Browser.getVersion", timeout=60)
        except (OSError, BrowserGone, BrowserSilent) as error:
            said = bytes(self._said[-200:]).decode("utf-8", "replace").strip().splitlines()
            self.close()
            why = said[-1] if said else getattr(error, "strerror", None) or str(error)
            raise BrowserFailed(program=program, why=why) from None
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _start(self, program: str, profile: Path) -> None:
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        self._errors, theirs_errors = os.pipe()
        kept = {
            "PATH",
            "LANG",
            "LANGUAGE",
            "TZ",
            "DISPLAY",
            "WAYLAND_DISPLAY",
            "XDG_RUNTIME_DIR",
            "XAUTHORITY",
            "DBUS_SESSION_BUS_ADDRESS",
        }
        env = {name: value for name, value in os.environ.items() if name in kept or name.startswith("LC_")}
        if "XAUTHORITY" not in env and (cookie := Path.home() / ".Xauthority").exists():
            env["XAUTHORITY"] = str(cookie)
        env |= {"HOME": str(profile), "TMPDIR": str(profile), "XDG_CONFIG_HOME": str(profile), "XDG_CACHE_HOME": str(profile)}
        (profile / "Default").mkdir()
        (profile / "Default" / "Preferences").write_text(json.dumps(_PREFERENCES), "utf-8")
        command = [program, *flags(self.launch, profile, root=os.geteuid() == 0)]
        theirs = (_high(theirs_in), _high(theirs_out), _high(theirs_errors))
        try:
            # Chromium reads descriptor 3 and writes 4; every other one of ours is closed by the start of the program
            self.pid = os.posix_spawn(program, command, env, setsid=True, file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                *((os.POSIX_SPAWN_DUP2, end, place) for end, place in zip(theirs, (3, 4, 2), strict=True)),
            ])  # fmt: skip
        finally:
            for end in theirs:
                os.close(end)
        threading.Thread(target=self._listen, name="browser", daemon=True).start()
        threading.Thread(target=self._drain, name="browser-errors", daemon=True).start()

    # -- talking -----------------------------------------------------------------------------------------------------------

    def send(self, method: str, params: dict[str, Any] | None = None, session: str = "", reply: Reply | None = None) -> None:
        """Ask without waiting; ``reply`` is called by whoever takes it out of ``events``."""
        self._ask(method, params, session, _Waiting(reply=reply))

    def call(self, method: str, params: dict[str, Any] | None = None, session: str = "", timeout: float = 30) -> dict[str, Any]:
        """Ask and wait. Raises BrowserGone, BrowserSilent, BrowserRefused."""
        box: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        number = self._ask(method, params, session, _Waiting(box=box))
        try:
            message = box.get(timeout=timeout)
        except queue.Empty:
            with self._lock:
                self._waiting.pop(number, None)
            raise BrowserSilent(seconds=int(timeout), what=method) from None
        if message is None:
            raise BrowserGone(what=method)
        if "error" in message:
            raise BrowserRefused(what=method, why=str(message["error"].get("message", ""))[:200])
        result: dict[str, Any] = message["result"]
        return result

    def _ask(self, method: str, params: dict[str, Any] | None, session: str, waiting: _Waiting) -> int:
        with self._lock:
            self._number += 1
            number = self._number
            listening = not self.gone
            if listening:
                self._waiting[number] = waiting
        if not listening:
            self._answer(waiting, None)
            return number
        message: dict[str, Any] = {"id": number, "method": method, "params": params or {}}
        if session:
            message["sessionId"] = session
        data = memoryview(json.dumps(message).encode() + b"\0")
        with self._writing, suppress(OSError):  # a closed pipe: the listener notices
            while data:
                data = data[os.write(self._to, data) :]
        return number

    def _listen(self) -> None:
        held = bytearray()
        with suppress(OSError):
            while chunk := os.read(self._from, 1 << 20):
                start = len(held)
                held += chunk
                while (end := held.find(b"\0", start)) >= 0:
                    self._heard(json.loads(bytes(held[:end])))
                    del held[: end + 1]
                    start = 0
                if len(held) > _LARGEST:
                    break
        with self._lock:
            self.gone = True
            left, self._waiting = self._waiting, {}
        for waiting in left.values():
            self._answer(waiting, None)
        self.events.put(None)

    def _heard(self, message: dict[str, Any]) -> None:
        if "id" not in message:
            self.events.put(Event(message["method"], message.get("params", {}), message.get("sessionId", "")))
            return
        with self._lock:
            waiting = self._waiting.pop(message["id"], None)
        if waiting is not None:
            self._answer(waiting, message)

    def _answer(self, waiting: _Waiting, message: dict[str, Any] | None) -> None:
        if waiting.box is not None:
            waiting.box.put(message)
        elif (reply := waiting.reply) is not None:
            result = message.get("result") if message else None
            self.events.put(lambda: reply(result))

    def _drain(self) -> None:
        with suppress(OSError):
            while data := os.read(self._errors, 4096):
                self._said = (self._said + data)[-2000:]

    # -- ending ------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End the browser and remove its profile."""
        if self.pid:
            self.send("Browser.close")
            if not self._ended(5):
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(self.pid, signal.SIGKILL)
                self._ended(10)
            with suppress(ProcessLookupError, PermissionError):  # its children are of its session; some outlive it for a moment
                os.killpg(self.pid, signal.SIGKILL)
            self.pid = 0
        if self._profile is not None:
            _remove(self._profile)
        for end in (self._to, self._from, self._errors, self._hold):
            if end >= 0:
                with suppress(OSError):
                    os.close(end)
        self._to = self._from = self._errors = self._hold = -1

    def _ended(self, seconds: float) -> bool:
        """True once the browser's first process has ended; False if it has not within that time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if os.waitpid(self.pid, os.WNOHANG)[0]:
                    return True
            except ChildProcessError:
                return True
            time.sleep(0.02)
        return False


def _high(descriptor: int) -> int:
    """The descriptor under a number that the child has no use for."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return moved


def _remove(folder: Path) -> None:
    """Remove the profile; a child that is just ending may still write, so try again."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.05)
