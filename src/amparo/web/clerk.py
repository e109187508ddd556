"""The process of one act that needs the names: it opens the identities, does what stands on a list, tells, and ends.

Invariants: what it does is one of ``app.desk_acts.ACTS``, or to unlock the identities, and nothing else. What it is told and
what it tells goes through pipes, never through arguments or environment, where other programs could read it. It ends at
once when the key agent forgets the identities. The process of the pages never holds their key: ``ask`` is all it knows.

Standard input: one line of JSON (``folder``, ``act``, ``asked``, ``language``). Standard output: one line, ``told``, or
``sentence`` with the ``kind`` of an error.
"""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from amparo.app import opening
from amparo.app.desk_acts import ACTS
from amparo.kernel import errors, i18n
from amparo.kernel.errors import AmparoError
from amparo.kernel.i18n import N_
from amparo.vault import memory
from amparo.vault.slots import Passphrase

UNLOCK: Final = "unlock the identities"
_KINDS: Final[tuple[type[AmparoError], ...]] = (
    errors.BadInput, errors.NotFound, errors.Busy, errors.GateRefused, errors.DiskRefused, errors.Unverified, errors.Locked,
)  # fmt: skip


class Carried(AmparoError):
    """An error that was raised in the other process: the same sentence, of the same kind."""

    def __init__(self, sentence: str) -> None:
        super().__init__()
        self._sentence = sentence

    def __str__(self) -> str:
        return self._sentence


_CARRIED: Final = {kind.__name__: type(kind.__name__, (Carried, kind), {}) for kind in _KINDS}


class ClerkGone(errors.Locked):
    template = N_(
        "The process that holds the names ended before it answered (were they locked meanwhile?); look whether it was done "
        "before doing it again."
    )


class NotStarted(AmparoError):
    template = N_(
        "The process for the names could not be started ({why}); nothing was changed. Close other programs and try again."
    )


# -- asked by the process of the pages ---------------------------------------------------------------------------------------


def ask(folder: Path, act: str, asked: Mapping[str, Any]) -> Any:
    """Have one act done; what it returns. Raises Carried (also an instance of the error's kind), ClerkGone, NotStarted."""
    start = {"folder": str(folder), "act": act, "asked": dict(asked), "language": i18n.language()}
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "amparo.web.clerk"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as error:
        raise NotStarted(why=error.strerror or "?") from None
    with process:
        answer, _nothing = process.communicate(json.dumps(start).encode() + b"\n")
    try:
        line: dict[str, Any] = json.loads(answer)
    except ValueError:
        raise ClerkGone from None
    if "sentence" in line:
        raise _CARRIED.get(line["kind"], Carried)(line["sentence"])
    return line["told"]


# -- the process itself ------------------------------------------------------------------------------------------------------


def main() -> None:
    """Do what standard input says, and end."""
    memory.harden()
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer of ours
    start: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    with i18n.speaking(start["language"]):
        line = work(Path(start["folder"]), start["act"], start["asked"])
    out.write(json.dumps(line, default=str).encode() + b"\n")
    out.flush()
    os._exit(0)  # keys have no business here any more


def work(folder: Path, act: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The line to answer with."""
    try:
        if act == UNLOCK:
            _unlock(folder, asked)
            return {"told": None}
        with opening.open_session(folder, identities=True) as session:
            return {"told": ACTS[act].run(session, asked)}
    except AmparoError as error:
        kind = next((kind for kind in _KINDS if isinstance(error, kind)), AmparoError)
        return {"sentence": str(error), "kind": kind.__name__}
    except Exception as error:  # noqa: BLE001  the last door, as in cli.common.main
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}"
        text = i18n._("Amparo failed in a way it did not expect ({place}); please report this line. Your data is as it was.")
        return {"sentence": text.format(place=place), "kind": ""}


def _unlock(folder: Path, asked: Mapping[str, Any]) -> None:
    """Give the identities to the key agent, by their ``passphrase``; a demonstration's lies beside it."""
    typed = asked["passphrase"]
    passphrase = Passphrase(typed) if typed or not opening.is_demo(folder) else opening.demo_passphrases(folder)[1]
    opening.unlock(folder, opening.read_ring(folder, "identities", passphrase))


if __name__ == "__main__":
    main()
