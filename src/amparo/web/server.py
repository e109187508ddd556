"""What stays while pages come and go: the listening socket, and the worker that is started anew each time it was ended.

Invariant: this process never holds a key or a passphrase. It remembers the fingerprint of the cookie that lets the browser in,
so that after a lock the same browser finds the page where the passphrase is typed.
"""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from amparo.app import opening
from amparo.kernel.errors import AmparoError
from amparo.kernel.i18n import N_
from amparo.vault.agent_wire import make_folder, places
from amparo.web.guard import fingerprint

_CRASHES: Final = 3
_SOON: Final = 5.0  # seconds: a worker that ends that soon, so often, will not stay up


class PortTaken(AmparoError):
    template = N_("Port {port} of this machine cannot be used ({why}); leave --port out, and a free one is taken.")


class PagesFailed(AmparoError):
    template = N_("The pages could not be started; `amparo status` tells whether the workspace itself can be opened.")


class Server:
    """The address of the pages of one workspace; ``run`` serves them until it is interrupted."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        """Listen on the loopback address only. Raises PortTaken."""
        self.folder = folder
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortTaken(port=port, why=error.strerror or "?") from None
        self._listener.listen(64)
        self._listener.set_inheritable(True)
        self.host = f"{secrets.token_hex(6)}.localhost:{self._listener.getsockname()[1]}"
        self._token = secrets.token_urlsafe(32)
        self._entrance, self._browser = fingerprint(self._token), ""
        self._fresh = True
        self._worker: subprocess.Popen[str] | None = None
        self._door = _door_folder(folder) / "open.html"

    @property
    def address(self) -> str:
        """The address that lets one browser in, once."""
        return f"http://{self.host}/enter?token={self._token}"

    def doorstep(self) -> Path:
        """A page in a folder only this user may enter, which leads to ``address``: other users can read the command a browser
        was started with. It is removed once a browser was let in.
        """
        text = '<!doctype html><meta charset="utf-8"><title>Amparo</title><meta http-equiv="refresh" content="0;url='
        text += f'{self.address}">'
        descriptor = os.open(self._door, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        return self._door

    def run(self, ready: Callable[[], None]) -> None:
        """Serve until interrupted; ``ready`` is called when the first page can be asked for. Raises PagesFailed."""
        crashes = 0
        try:
            while crashes < _CRASHES:
                started = time.monotonic()
                self._serve(ready)
                ready = _nothing
                crashes = crashes + 1 if time.monotonic() - started < _SOON else 0
            raise PagesFailed
        finally:
            self.close()

    def _serve(self, ready: Callable[[], None]) -> None:
        """One worker's life."""
        self._worker = subprocess.Popen(
            [sys.executable, "-P", "-m", "amparo.web.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            pass_fds=(self._listener.fileno(),), text=True, start_new_session=True,
        )  # fmt: skip
        assert self._worker.stdin is not None
        assert self._worker.stdout is not None
        start = {"socket": self._listener.fileno(), "host": self.host, "entrance": self._entrance, "browser": self._browser,
                 "folder": str(self.folder), "fresh": self._fresh}  # fmt: skip
        self._fresh = False
        with suppress(BrokenPipeError):
            self._worker.stdin.write(json.dumps(start) + "\n")
            self._worker.stdin.flush()
        ready()
        for line in self._worker.stdout:
            self._heard(json.loads(line))
        self._worker.wait()

    def _heard(self, what: dict[str, Any]) -> None:
        if "browser" in what:
            self._browser, self._entrance = what["browser"], ""
            self._door.unlink(missing_ok=True)

    def close(self) -> None:
        """End the worker, and the keys with it."""
        self._door.unlink(missing_ok=True)
        with suppress(AmparoError, OSError):
            opening.lock(self.folder)
        if self._worker is not None and self._worker.poll() is None:
            self._worker.kill()
            self._worker.wait()
        self._listener.close()


def _door_folder(workspace: Path) -> Path:
    folder = places(workspace)[0].folder
    make_folder(folder)
    return folder


def _nothing() -> None:
    pass
