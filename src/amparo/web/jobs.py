"""The long works of this session, each in a process of its own (``web.job``): started, watched, stopped, and what they told.

Invariants: only works on the list of ``app.desk_jobs`` are started, a few at a time. What they tell, and the file they make,
stay in the memory of this process (a large file sealed on the disk, under a key that ends with the process); looking at a
work is no use of the keys.
"""

import json
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from amparo.app.desk_jobs import JOBS, Kind
from amparo.kernel import i18n
from amparo.kernel.errors import AmparoError, Busy, NotFound
from amparo.kernel.i18n import N_, _
from amparo.vault.spool import Spool

_AT_ONCE: Final = 3
_KEPT: Final = 12  # that are over; the oldest go, and their files with them
_PATIENCE: Final = 10.0  # seconds between the request to stop and the end of the process
_PIECE: Final = 1 << 20

WAITING, WORKING, DONE, FAILED, STOPPED = "waiting", "working", "done", "failed", "stopped"


class TooMany(Busy):
    template = N_("Three works run already; wait until one of them is over, or stop one.")


class NoSuchJob(NotFound):
    template = N_("This work was forgotten (the workspace was locked since, or many others followed); start it again.")


class Job:
    """One long work. ``state`` one of the five above; ``done`` of ``total``; ``sentence`` and ``lines`` once it is over;
    ``data`` what its page shows; ``file`` what it made.
    """

    def __init__(self, name: str, asked: Mapping[str, Any], folder: Path) -> None:
        self.id = secrets.token_urlsafe(9)
        self.name, self.asked = name, dict(asked)
        self.state, self.started = WAITING, time.time()
        self.done = self.total = 0
        self.what = self.sentence = self.error = ""
        self.lines: list[str] = []
        self.data: dict[str, Any] = {}
        self.file: Spool | None = None
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._killer: threading.Timer | None = None

    @property
    def kind(self) -> Kind:
        return JOBS[self.name]

    @property
    def over(self) -> bool:
        return self.state in (DONE, FAILED, STOPPED)

    def start(self, passphrase: str, language: str) -> None:
        """Start the process, and a thread that listens to it until it is over."""
        process = self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "amparo.web.job"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        start = {"folder": str(self._folder), "job": self.name, "asked": self.asked, "language": language,
                 "passphrase": passphrase}  # fmt: skip
        assert process.stdin is not None
        with suppress(OSError):
            process.stdin.write(json.dumps(start).encode() + b"\n")
            process.stdin.flush()
        threading.Thread(target=self._listen, args=(process, language), name="amparo-job", daemon=True).start()

    def _listen(self, process: "subprocess.Popen[bytes]", language: str) -> None:
        assert process.stdout is not None
        why = ""
        try:
            for line in process.stdout:
                self._heard(json.loads(line), process)
        except (ValueError, KeyError, OSError, AmparoError) as error:  # the disk has no room for its file; it was cut short
            why = str(error) if isinstance(error, AmparoError) else ""
            process.kill()
        code = process.wait()
        if self._killer is not None:
            self._killer.cancel()
        if not self.over:
            with i18n.speaking(language):
                text = _("The work ended before it was done (code {code}); what the ledger holds is whole. Start it again.")
                self.sentence, self.state = why or text.format(code=code), STOPPED if self._killer else FAILED
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def _heard(self, line: dict[str, Any], process: "subprocess.Popen[bytes]") -> None:
        if "done" in line:
            self.state = WORKING
            self.done, self.total, self.what = line["done"], line["total"], line["what"]
            return
        if line.get("bytes"):
            self._take(line["bytes"], process)
        told = line.get("told", line)
        self.sentence, self.lines, self.data = told["sentence"], told["lines"], told.get("data", {})
        self.error = line.get("error", "")
        self.state = DONE if "told" in line else STOPPED if self.error == "Stopped" else FAILED

    def _take(self, size: int, process: "subprocess.Popen[bytes]") -> None:
        """Keep the file that follows. Raises OSError if the process ended before its end."""
        assert process.stdout is not None
        spool = Spool(self._folder)
        while size:
            piece = process.stdout.read(min(size, _PIECE))
            if not piece:
                spool.close()
                raise OSError("cut short")
            spool.write(piece)
            size -= len(piece)
        self.file = spool

    def stop(self) -> None:
        """Ask it to stop; if it does not, end it: a ledger survives that as it survives a power cut."""
        process = self._process
        if self.over or process is None or process.stdin is None or self._killer is not None:
            return
        self._killer = threading.Timer(_PATIENCE, process.kill)
        self._killer.daemon = True
        self._killer.start()
        with suppress(OSError, ValueError):
            process.stdin.write(b"stop\n")
            process.stdin.flush()

    def close(self) -> None:
        """Forget the file."""
        if self.file is not None:
            self.file.close()
            self.file = None

    def status(self) -> dict[str, Any]:
        """What a page asks for again and again."""
        return {"state": self.state, "done": self.done, "total": self.total, "what": self.what, "over": self.over}


class Jobs:
    """All works since the workspace was unlocked, the newest last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._jobs: dict[str, Job] = {}

    @property
    def running(self) -> list[Job]:
        return [job for job in self._jobs.values() if not job.over]

    @property
    def all(self) -> list[Job]:
        """The newest first."""
        return list(self._jobs.values())[::-1]

    def get(self, id: str, *names: str) -> Job:
        """One work, of one of these kinds if any are named. Raises NoSuchJob."""
        job = self._jobs.get(id)
        if job is None or (names and job.name not in names):
            raise NoSuchJob
        return job

    def start(self, name: str, asked: Mapping[str, Any], passphrase: str = "") -> Job:
        """Start a work of the list; ``passphrase`` opens the identities, if it needs them. Raises TooMany, JobNotStarted."""
        if len(self.running) >= _AT_ONCE:
            raise TooMany
        over = [job for job in self._jobs.values() if job.over]
        for job in over[: max(0, len(over) - _KEPT + 1)]:
            job.close()
            del self._jobs[job.id]
        job = Job(name, asked, self._folder)
        try:
            job.start(passphrase, i18n.language())
        except OSError as error:
            raise JobNotStarted(why=error.strerror or "?") from None
        self._jobs[job.id] = job
        return job


class JobNotStarted(AmparoError):
    template = N_("The work could not be started ({why}); nothing was changed. Close other programs and try again.")
