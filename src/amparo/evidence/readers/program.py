"""Runs another program inside the sandbox: bytes in through a pipe, bytes out through a pipe, no file, no shell.

Invariant: what goes in and comes out never touches a disk; more than ``most`` bytes of output, or ``seconds``, end the program.
The module that calls this declares ``PROGRAMS``, or the sandbox lets it start nothing.
"""

import shutil
import subprocess
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import IO

from amparo.evidence.findings import Unreadable
from amparo.kernel.i18n import _

_PATH = "/usr/local/bin:/usr/bin:/bin"


def there(program: str) -> bool:
    """True if the program is installed where the sandbox can see it."""
    return shutil.which(program, path=_PATH) is not None


def run(
    program: str,
    arguments: Sequence[str] = (),
    stdin: bytes | Iterable[bytes] = b"",
    *,
    most: int = 1 << 26,
    seconds: float = 60,
) -> bytes:
    """What the program writes to standard output. Raises Unreadable: not installed, failed, too long, too much."""
    place = shutil.which(program, path=_PATH)
    if place is None:
        raise Unreadable(_("This needs the program {program}, which is not installed.").format(program=program))
    process = subprocess.Popen(
        [place, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
        env={"PATH": _PATH, "LC_ALL": "C.UTF-8", "OMP_THREAD_LIMIT": "1"},
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    late = threading.Event()

    def stop() -> None:
        late.set()
        _kill(process)

    said: list[bytes] = []
    threads = [
        threading.Thread(target=_feed, args=(process.stdin, stdin), daemon=True),
        threading.Thread(target=_drain, args=(process.stderr, said), daemon=True),
    ]
    clock = threading.Timer(seconds, stop)
    for thread in (*threads, clock):
        thread.start()
    with process.stdout:
        out = process.stdout.read(most + 1)
        if len(out) > most:
            _kill(process)
    code = process.wait()
    clock.cancel()
    if late.is_set():
        raise Unreadable(_("{program} was stopped after {n} seconds.").format(program=program, n=round(seconds)))
    if len(out) > most:
        raise Unreadable(_("{program} was stopped after {n} bytes of output.").format(program=program, n=most))
    if code:
        threads[1].join(1)
        why = b"".join(said).decode("utf-8", "replace").strip().partition("\n")[0][:200]
        raise Unreadable(_("{program} failed ({code}): {why}").format(program=program, code=code, why=why or "-"))
    return out


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with suppress(OSError):  # where it may not be killed from here, it dies with the worker
        process.kill()


def _feed(pipe: IO[bytes], data: bytes | Iterable[bytes]) -> None:
    with suppress(OSError), pipe:  # a program need not read to the end
        for piece in (data,) if isinstance(data, bytes) else data:
            pipe.write(piece)


def _drain(pipe: IO[bytes], said: list[bytes]) -> None:
    with suppress(OSError, ValueError), pipe:
        said.append(pipe.read(4096))
        while pipe.read(65536):
            pass
