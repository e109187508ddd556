"""The process of one long work: it opens the workspace itself, as a verb would, works, tells how far it is, and ends.

Invariants: what it does is one of ``app.desk_jobs.JOBS`` and nothing else. It ends at once when the key agent locks, or when
the process of the pages ends, however that ended: then the pipe it listens on is closed. What was asked stands in no argument
and no environment, where other programs could read it.

Standard input: one line of JSON (``folder``, ``job``, ``asked``, ``language``, ``passphrase``), then at most a line ``stop``.
Standard output: lines of JSON; ``done``, ``total`` and ``what`` while it works; at the end ``told`` or ``sentence``, with
``bytes``, the length of a file that follows.
"""

import json
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, Final

from amparo.app import opening
from amparo.app.desk_jobs import JOBS, Told
from amparo.app.session import looking, stop_asked
from amparo.kernel import i18n
from amparo.kernel.errors import AmparoError
from amparo.kernel.i18n import _
from amparo.vault import memory
from amparo.vault.slots import Passphrase

_EVERY: Final = 0.2  # seconds between two lines of progress
_PIECE: Final = 1 << 20


class Pipe:
    """What is told to the process of the pages."""

    def __init__(self, descriptor: int) -> None:
        self._out = os.fdopen(descriptor, "wb")
        self._last = 0.0

    def progress(self, done: int, total: int, what: str = "") -> None:
        """How far it is; most calls say nothing."""
        now = time.monotonic()
        if now - self._last >= _EVERY:
            self._last = now
            self.say({"done": done, "total": total, "what": what})

    def say(self, line: dict[str, Any], file: bytes = b"") -> None:
        """One line, and the bytes that belong to it."""
        self._out.write(json.dumps({**line, **({"bytes": len(file)} if file else {})}, default=str).encode() + b"\n")
        for start in range(0, len(file), _PIECE):
            self._out.write(file[start : start + _PIECE])
        self._out.flush()


def main() -> None:
    """Do what standard input says, and end."""
    memory.harden()
    signal.signal(signal.SIGINT, _stop)
    pipe = Pipe(os.dup(1))
    os.dup2(2, 1)  # whatever a library prints is no line of ours
    start: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_listen, daemon=True).start()
    with i18n.speaking(start["language"]):
        line, file = work(start, pipe)
    pipe.say(line, file)
    os._exit(0)  # the listening thread holds standard input, and keys have no business here any more


def _listen() -> None:
    """Stop when told; end when nobody is left to be told anything."""
    while line := sys.stdin.buffer.readline():
        if line == b"stop\n":
            os.kill(os.getpid(), signal.SIGINT)
    os._exit(1)


def _stop(*_args: object) -> None:
    """Long work that looks for itself stops by itself; anything else, and the second time, at once."""
    again = stop_asked.is_set()
    stop_asked.set()
    if again or not looking.is_set():
        raise KeyboardInterrupt


def work(start: dict[str, Any], pipe: Pipe) -> tuple[dict[str, Any], bytes]:
    """The last line, and the file that follows it."""
    try:
        told = _work(Path(start["folder"]), start["job"], start["asked"], start["passphrase"], pipe)
    except AmparoError as error:
        rows = error.as_json().get("rows")
        lines = [str(row) for row in rows] if isinstance(rows, list) else []
        return {"sentence": str(error), "error": type(error).__name__, "lines": lines}, b""
    except KeyboardInterrupt:
        return {"sentence": _("Stopped; nothing half-done was kept."), "error": "Stopped", "lines": []}, b""
    except Exception as error:  # noqa: BLE001  the last door, as in cli.common.main
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}"
        text = _("Amparo failed in a way it did not expect ({place}); please report this line. Your data is as it was.")
        return {"sentence": text.format(place=place), "error": "Unexpected", "lines": []}, b""
    return {"told": {"sentence": told.sentence, "lines": told.lines, "data": told.data}}, told.file


def _work(folder: Path, job: str, asked: dict[str, Any], passphrase: str, pipe: Pipe) -> Told:
    kind = JOBS[job]
    needs = kind.identities(asked)
    if needs and not opening.holds(folder, "identities") and (passphrase or opening.has_demo_key(folder)):
        given = Passphrase(passphrase) if passphrase else opening.demo_passphrases(folder)[1]
        opening.unlock(folder, opening.read_ring(folder, "identities", given))
    with opening.open_session(folder, identities=needs) as session:
        return kind.run(session, asked, pipe.progress)


if __name__ == "__main__":
    main()
