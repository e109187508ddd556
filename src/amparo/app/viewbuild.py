"""Builds the record's first view in a process of its own while a large import is still being read and sealed.

The child gets the same parts that go into the ledger, in the same order, and a random key for its file; nothing else. Only once
the ledger has acknowledged the import is its file taken into use. If it fails, or if this process ends (a lock, a power cut),
the file is worthless and the view is made by replay as always: speed is at stake here, never content.
"""

import queue
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from amparo.kernel import cbor
from amparo.ledger.ledger import Origin
from amparo.record import tokens
from amparo.record.model import Claim
from amparo.record.view import RecordView
from amparo.record.writer import indexed_text
from amparo.vault import memory
from amparo.vault.database import Database

_HEAD: Final = struct.Struct(">IQI")  # length of the part, seq, index; a length of zero: positions follow, then the end
_PIPE: Final = 1 << 20  # bytes; as much as Linux gives without asking
_PACKET: Final = 1 << 21  # bytes a turn of the pumping thread: a turn can cost 5 ms of waiting for the interpreter
_AHEAD: Final = 12  # packets the import may be ahead of its child: 24 MiB, several groups of entries
_VALUE, _TEXT = (list(Claim.__dataclass_fields__).index(name) for name in ("value", "text"))


class Builder:
    """The parent's side. ``part`` is given to a group as its witness."""

    def __init__(self, path: Path, secret: bytes, compartment: bytes, device: int) -> None:
        self.path, self.compartment = path, compartment
        self._child = subprocess.Popen(
            [sys.executable, "-m", "amparo.app.viewbuild"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pipesize=_PIPE,
        )
        self._alive = True
        self._packet = bytearray()
        self._packets: queue.Queue[bytes] = queue.Queue(_AHEAD)
        self._pump = threading.Thread(target=self._run, name="view builder", daemon=True)
        self._pump.start()
        self._write(_frame(cbor.encode([str(path), secret, device]), 0, 0))

    def part(self, compartment: bytes, seq: int, index: int, plain: bytes) -> None:
        """Hand on one plain part, if it is of the compartment the view is for."""
        if compartment == self.compartment:
            kind, rows = cbor.decode_sealed(plain)
            texts = [indexed_text(row[_VALUE], row[_TEXT]) for row in rows] if kind == Claim.TYPE else []
            forms = [[text, tokens.tokens(text)] for text in texts]  # half the work of an index, done by this core
            self._write(_frame(plain, seq, index) + _frame(cbor.encode_rows(forms), seq, index))

    def finish(self, positions: Mapping[bytes, bytes]) -> bool:
        """End the building; True if the file is whole and holds everything up to ``positions``."""
        packed = cbor.encode([[device, position] for device, position in positions.items()])
        self._write(_HEAD.pack(0, 0, 0) + _frame(packed, 0, 0))
        self._end()
        answer = b""
        if self._child.stdout is not None:
            answer = self._child.stdout.read()
            self._child.stdout.close()
        return self._child.wait() == 0 and answer == b"whole" and self._alive

    def abandon(self) -> None:
        """End the child; its file is removed when the next view is made."""
        self._child.kill()
        self._packet.clear()
        self._end()
        if self._child.stdout is not None:
            self._child.stdout.close()
        self._child.wait()

    def _write(self, data: bytes) -> None:
        """Gather ``data`` for the pump. Entries come in bursts larger than a pipe: without it parent and child take turns."""
        self._packet += data
        if len(self._packet) >= _PACKET:
            self._packets.put(bytes(self._packet))
            self._packet.clear()

    def _end(self) -> None:
        self._packets.put(bytes(self._packet))
        if self._packet:
            self._packets.put(b"")
        self._packet.clear()
        self._pump.join()

    def _run(self) -> None:
        """The pump: write packets until an empty one; after a failure go on taking them, so that nobody waits for room."""
        pipe = self._child.stdin
        while packet := self._packets.get():
            try:
                if self._alive and pipe is not None:
                    pipe.write(packet)
            except OSError:
                self._alive = False
        with suppress(OSError):
            if pipe is not None:
                pipe.close()


def _frame(data: bytes, seq: int, index: int) -> bytes:
    return _HEAD.pack(len(data), seq, index) + data


def build(stream: BinaryIO, answer: Callable[[bytes], object]) -> int:
    """The child's side: read frames until the end; anything cut short leaves an unusable file and status 1."""
    _, first = _next(stream)
    path, secret, device = cbor.decode(first)
    database = Database(Path(path), secret)
    try:
        view = RecordView(database)
        with view.bulk():
            while True:
                origin, plain = _next(stream)
                if not plain:
                    break
                kind, rows = cbor.decode_sealed(plain)
                tokens.prepare(dict(cbor.decode_sealed(_next(stream)[1])))
                view.apply(Origin(device, *origin), kind, rows)
            view.set_positions(dict(cbor.decode(_next(stream)[1])))
    finally:
        database.close()
    answer(b"whole")
    return 0


def _next(stream: BinaryIO) -> tuple[tuple[int, int], bytes]:
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise EOFError
    length, seq, index = _HEAD.unpack(head)
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return (seq, index), data


def main() -> int:
    """Run as a child: parts on standard input, one word on standard output."""
    memory.harden()
    try:
        with open(sys.stdin.fileno(), "rb", buffering=_PIPE, closefd=False) as stream:
            return build(stream, sys.stdout.buffer.write)
    except EOFError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
