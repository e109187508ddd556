r"""A folder as one seekable stream, so that a reader in the sandbox can read it file by file without seeing a disk.

Invariant: no link is followed and nothing but regular files is in it; a file that changes its size while it is
read ends the reading.

    "amparo folder 1\\n"   8 bytes: length of the list   list (JSON: [path, size] each)   the files, end to end
"""

import io
import json
import os
import stat
from bisect import bisect_right
from pathlib import Path
from typing import IO, Final

from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_

MAGIC: Final = b"amparo folder 1\n"
MOST_FILES: Final = 1_000_000


class LinkInFolder(BadInput):
    template = N_("“{path}” in the folder is a link or no regular file; nothing was taken in. Copy the folder without it.")


class FolderTooLarge(BadInput):
    template = N_("The folder holds more than {limit:,} files; take it in in parts.")


class FileChanged(BadInput):
    template = N_("“{path}” changed while it was read; nothing was taken in. Try again when nobody writes to the folder.")


class FolderStream(io.RawIOBase):
    """Reads a folder. Raises LinkInFolder, FolderTooLarge here; FileChanged while reading."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths: list[str] = []
        sizes: list[int] = []
        for path, size in _walk(folder):
            self._paths.append(path)
            sizes.append(size)
        index = json.dumps([list(pair) for pair in zip(self._paths, sizes, strict=True)]).encode()
        self._head = MAGIC + len(index).to_bytes(8, "big") + index
        self._starts, self._sizes, at = [], sizes, len(self._head)
        for size in sizes:
            self._starts.append(at)
            at += size
        self._size, self._at = at, 0
        self._open: tuple[int, IO[bytes]] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: "memoryview | bytearray", /) -> int:  # type: ignore[override]
        """Fill the beginning of ``buffer`` from one file; 0 at the end."""
        piece = self._piece(len(buffer))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _piece(self, most: int) -> bytes:
        if self._at < len(self._head):
            return self._head[self._at : self._at + most]
        if self._at >= self._size:
            return b""
        number = bisect_right(self._starts, self._at) - 1
        offset = self._at - self._starts[number]
        stream = self._file(number)
        stream.seek(offset)
        piece = stream.read(min(most, self._sizes[number] - offset))
        if not piece:
            raise FileChanged(path=self._paths[number][:300])
        return piece

    def _file(self, number: int) -> IO[bytes]:
        if self._open is None or self._open[0] != number:
            self._shut()
            path = self._folder.joinpath(*self._paths[number].split("/"))
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
            stream = os.fdopen(descriptor, "rb", 0)
            if os.fstat(descriptor).st_size != self._sizes[number]:
                stream.close()
                raise FileChanged(path=self._paths[number][:300])
            self._open = number, stream
        return self._open[1]

    def _shut(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def close(self) -> None:
        self._shut()
        super().close()


def _walk(folder: Path) -> list[tuple[str, int]]:
    """(path, size) of every file below, sorted; directories of any depth, never through a link."""
    found: list[tuple[str, int]] = []
    waiting = [(folder, "")]
    while waiting:
        here, prefix = waiting.pop()
        for name in sorted(below.name for below in here.iterdir()):
            path = f"{prefix}{name}"
            status = (here / name).lstat()
            if stat.S_ISDIR(status.st_mode):
                waiting.append((here / name, f"{path}/"))
            elif stat.S_ISREG(status.st_mode) and _encodable(path):
                found.append((path, status.st_size))
            else:
                raise LinkInFolder(path=path.encode("utf-8", "backslashreplace").decode()[:300])
            if len(found) > MOST_FILES:
                raise FolderTooLarge(limit=MOST_FILES)
    return sorted(found)


def _encodable(path: str) -> bool:
    """Whether the name is UTF-8: a name that is not cannot be in a manifest."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
