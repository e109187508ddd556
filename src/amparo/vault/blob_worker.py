"""The process that seals small files for another one (blob_apart): paths on standard input, packs on standard output.

Invariant: it keeps nothing. What it holds are the blob-id key and the keys of the pack it is writing; it ends with its parent.
"""

import os
import queue
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from amparo.kernel.errors import DiskRefused
from amparo.vault import memory
from amparo.vault.blob_apart import message, messages
from amparo.vault.blobs import BlobStore

if TYPE_CHECKING:
    from amparo.vault.blob_stages import SourceUnreadable


class _Asked:
    """The paths asked for, and the number of each that is on its way."""

    def __init__(self, stream: BinaryIO) -> None:
        self._messages = messages(stream)
        self._numbers: dict[int, int] = {}
        [folder, self.id_key] = next(self._messages)
        self.folder = Path(os.fsdecode(folder))

    def __iter__(self) -> Iterator[Path]:
        for some in self._messages:
            for number, name in some:
                path = Path(os.fsdecode(name))
                self._numbers[id(path)] = number  # it lives until its number is asked for: whoever works on it holds it
                yield path

    def number(self, path: Path) -> int:
        return self._numbers.pop(id(path))


def work(source: BinaryIO, target: BinaryIO) -> None:
    """Seal what is asked for until the pipe ends."""
    asked = _Asked(source)

    def tell(*what: Any) -> None:
        target.write(message(list(what)))
        target.flush()

    unread: queue.SimpleQueue[SourceUnreadable] = queue.SimpleQueue()

    def tell_unread() -> None:
        while not unread.empty():
            error = unread.get()
            assert error.path is not None
            tell("refused", asked.number(error.path), str(error.facts["why"]))

    store = BlobStore(asked.folder, asked.id_key)
    try:
        for sealed, large in store.write_packs(asked, unread.put):
            files = [
                [asked.number(path), one.blob, one.sha256, one.size, one.key, one.blake3, one.head, one.modified]
                for path, one in sealed
            ]
            tell("pack", files, [asked.number(path) for path in large])
            tell_unread()
    except DiskRefused as error:
        tell("failed", type(error).__name__, {name: str(value) for name, value in error.facts.items()})
    tell_unread()
    tell("end")


def main() -> int:
    """Run as a child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is asked to stop, and says when
    memory.harden()
    memory.die_with_parent()
    work(sys.stdin.buffer, sys.stdout.buffer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
