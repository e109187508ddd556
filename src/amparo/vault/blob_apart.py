"""Seals many small files in a process of its own, so that recording them and sealing the next ones do not wait for each other.

Invariant: what is told to be sealed is durable, as in this process (blobs). The child gets the folder, the blob-id key and the
paths, by a pipe; it answers with addresses, digests and keys, by another. It ends with this process, and what it was writing
then is a draft that ``BlobStore.clean`` removes. Threads would do, were it not for the interpreter's lock: both sides take it
some ten times for each small file.
"""

import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import cbor2

from amparo.kernel.errors import AmparoError, DiskRefused
from amparo.kernel.i18n import N_
from amparo.vault.blob_stages import Sealed, SourceUnreadable, ahead
from amparo.vault.disk import DiskFailed, DiskFull, DiskReadOnly

ENOUGH: Final = 1_000  # files for which it pays to start a process
_ASKED: Final = 200  # paths in one message
_PACKS: Final = 8  # the child may be ahead by: 256 MiB of files, some 40 MB of answers
_LENGTH: Final = struct.Struct(">I")

Packed = tuple[list[tuple[Path, Sealed]], list[Path]]


class SealerEnded(AmparoError):
    template = N_(
        "The process that seals files ended by itself ({code}); what was told as sealed is sealed, run it again for the rest."
    )


_ERRORS: Final[dict[str, type[DiskRefused]]] = {one.__name__: one for one in (DiskFull, DiskReadOnly, DiskFailed)}


def packs(
    folder: Path, id_key: bytes, paths: Iterable[Path], refused: Callable[[SourceUnreadable], object]
) -> Generator[Packed, None, None]:
    """What ``BlobStore`` yields for each pack: its files, durable now, and the files that are too large for one.

    ``refused`` is told of each file that cannot be read. Raises DiskFull, DiskReadOnly, DiskFailed, SealerEnded.
    """
    command = [sys.executable, "-P", "-m", "amparo.vault.blob_worker"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert child.stdin is not None
    assert child.stdout is not None
    asker = _Asker(cast("BinaryIO", child.stdin), [os.fsencode(folder), id_key], paths)
    asker.start()
    try:
        with closing(ahead(messages(cast("BinaryIO", child.stdout)), _PACKS)) as answers:
            for kind, *told in answers:
                if kind == "pack":
                    yield [(asker.asked.pop(n), Sealed(*one)) for n, *one in told[0]], [asker.asked.pop(n) for n in told[1]]
                elif kind == "refused":
                    refused(SourceUnreadable(asker.asked.pop(told[0]), why=told[1]))
                elif kind == "failed":
                    raise _ERRORS[told[0]](**told[1])
                elif kind == "end":
                    break
            else:
                raise SealerEnded(code=child.wait())
        asker.join()
        if asker.error is not None:
            raise asker.error
    finally:
        child.kill()
        child.wait()
        asker.join()
        child.stdout.close()


class _Asker(threading.Thread):
    """Sends paths while there are any; what stops them (the user, a folder that is gone) is in ``error``."""

    def __init__(self, pipe: BinaryIO, first: list[Any], paths: Iterable[Path]) -> None:
        super().__init__(name="ask", daemon=True)
        self._pipe, self._first, self._paths = pipe, first, iter(paths)
        self.asked: dict[int, Path] = {}
        self.error: BaseException | None = None

    def run(self) -> None:
        number = 0
        try:
            self._pipe.write(message(self._first))
            while some := list(islice(self._paths, _ASKED)):
                self.asked.update(enumerate(some, number))
                self._pipe.write(message([[n, os.fsencode(path)] for n, path in enumerate(some, number)]))
                self._pipe.flush()
                number += len(some)
        except BrokenPipeError:
            pass  # the child ended: it has said why, or nothing, which is told there
        except BaseException as error:  # noqa: BLE001  raised again where the packs are used
            self.error = error
        finally:
            with suppress(OSError):
                self._pipe.close()


def message(what: list[Any]) -> bytes:
    """One message of the pipe: its length, then CBOR."""
    data = cbor2.dumps(what)
    return _LENGTH.pack(len(data)) + data


def messages(stream: BinaryIO) -> Iterator[list[Any]]:
    """The messages of a pipe until it ends, also in the middle of one."""
    while len(head := stream.read(_LENGTH.size)) == _LENGTH.size:
        [length] = _LENGTH.unpack(head)
        data = stream.read(length)
        if len(data) < length:
            return
        yield cbor2.loads(data)
