"""A disk that loses power: every change is counted, the n-th is cut, and the folder is left as a real disk might leave it.

What a file system promises is modelled at its weakest: bytes are safe once ``fsync`` returned, names (made, renamed,
removed) once ``fsync_dir`` of their folder returned; anything else may or may not have happened (``Loss``). Folders
themselves are taken as durable. After the cut every further change raises PowerCut again, as the process is dead.

    disk = FaultyDisk(cut_at=7, loss=Loss.EVERYTHING)     # or error_at=7, error=errno.ENOSPC: refused, life goes on
    with pytest.raises(PowerCut): work(disk)
    work_again(Disk())                                     # the folder is now as after the restart
"""

import os
from enum import Enum
from pathlib import Path

from amparo.vault.disk import Disk, Writer, translated


class PowerCut(BaseException):
    """Not an Exception: code under test cannot handle it."""


class Loss(Enum):
    """What happens to changes that were not synced when the power went."""

    NOTHING = "all of them reached the disk; of the write that was cut, a part (``torn``)"
    TAIL = "names reached it; half of the unsynced bytes did"
    ZEROS = "names and lengths reached it; unsynced bytes read as zeros"
    DATA = "names reached it; unsynced bytes did not"
    EVERYTHING = "neither names nor bytes"


class FaultyDisk(Disk):
    """``cut_at``: number of the change at which the power goes (1 ..; 0: never). ``changes``: how many there were.

    ``torn``: the part (0.0 .. 1.0) of the cut write that still reaches the file. ``error_at``/``error``: the change that is
    refused with this errno instead; later ones are accepted again unless ``error_stays``.
    """

    def __init__(
        self, cut_at: int = 0, *, torn: float = 0.0, loss: Loss = Loss.NOTHING, error_at: int = 0, error: int = 0,
        error_stays: bool = False,
    ) -> None:  # fmt: skip
        self.changes = 0
        self.log: list[str] = []
        self._cut_at, self._torn, self._loss = cut_at, torn, loss
        self._error_at, self._error, self._error_stays = error_at, error, error_stays
        self._dead = False
        self._live: dict[Path, int] = {}  # name -> file number, as the running process sees it
        self._names: dict[Path, int] = {}  # the same as the disk surely holds it
        self._content: dict[int, bytes] = {}  # file number -> bytes the disk surely holds
        self._touched: set[Path] = set()

    # -- primitives ---------------------------------------------------------------------------------------------------

    def write_at(self, path: Path, offset: int, data: bytes) -> None:
        number = self._number(path)
        if self._tick("write", path):
            if self._torn and self._loss is Loss.NOTHING:
                super().write_at(path, offset, data[: int(len(data) * self._torn)])
                self._live[path] = number
            self._cut()
        super().write_at(path, offset, data)
        self._live[path] = number

    def truncate(self, path: Path, size: int) -> None:
        self._number(path)
        self._maybe_cut("truncate", path)
        super().truncate(path, size)

    def fsync(self, path: Path) -> None:
        number = self._number(path)
        self._maybe_cut("fsync", path)
        super().fsync(path)
        self._content[number] = path.read_bytes()

    def fsync_dir(self, folder: Path) -> None:
        self._maybe_cut("fsync_dir", folder)
        super().fsync_dir(folder)
        for path in self._touched:
            if path.parent == folder:
                if path in self._live:
                    self._names[path] = self._live[path]
                else:
                    self._names.pop(path, None)

    def rename(self, source: Path, target: Path) -> None:
        number = self._number(source)
        self._number(target)
        self._maybe_cut("rename", target)
        super().rename(source, target)
        self._live.pop(source, None)
        self._live[target] = number

    def unlink(self, path: Path) -> None:
        self._number(path)
        self._maybe_cut("unlink", path)
        super().unlink(path)
        self._live.pop(path, None)

    def mkdir(self, folder: Path) -> None:
        if not folder.is_dir():
            self._maybe_cut("mkdir", folder)
            super().mkdir(folder)

    def writer(self, path: Path) -> Writer:
        number = self._number(path)
        self._maybe_cut("create", path)
        writer = _FaultyWriter(path, self)
        self._live[path] = number
        return writer

    # -- the model ----------------------------------------------------------------------------------------------------

    def _number(self, path: Path) -> int:
        """The file's number; a file first met while it exists is taken as durable."""
        self._touched.add(path)
        if path not in self._live:
            number = len(self._content)
            self._content[number] = b""
            if path.exists():
                self._content[number] = path.read_bytes()
                self._live[path] = self._names[path] = number
            return number
        return self._live[path]

    def _tick(self, what: str, path: Path) -> bool:
        """Count a change; True if the power goes now. Raises PowerCut when it has gone, OSError where one is due."""
        if self._dead:
            raise PowerCut
        self.changes += 1
        self.log.append(f"{what} {path.name}")
        if self._error_at and (self.changes == self._error_at or (self._error_stays and self.changes > self._error_at)):
            with translated(path):
                raise OSError(self._error, os.strerror(self._error))
        return self.changes == self._cut_at

    def _maybe_cut(self, what: str, path: Path) -> None:
        if self._tick(what, path):
            self._cut()

    def _cut(self) -> None:
        self._dead = True
        names = self._names if self._loss is Loss.EVERYTHING else dict(self._live)
        after = {path: self._after(path, number) for path, number in names.items()}
        for path in self._touched:
            if path in after:
                path.write_bytes(after[path])
            else:
                path.unlink(missing_ok=True)
        raise PowerCut

    def _after(self, path: Path, number: int) -> bytes:
        """What the file ``number``, to be found under ``path``, holds after the cut."""
        safe = self._content[number]
        if self._loss in (Loss.EVERYTHING, Loss.DATA):
            return safe
        now = path.read_bytes()
        if self._loss is Loss.NOTHING or now == safe:
            return now
        start = next((i for i, (a, b) in enumerate(zip(now, safe, strict=False)) if a != b), min(len(now), len(safe)))
        stop = len(now)  # behind the last byte that differs: what was synced and not written over is safe
        while len(now) == len(safe) and now[stop - 1] == safe[stop - 1]:
            stop -= 1
        if self._loss is Loss.ZEROS:
            return now[:start] + bytes(stop - start) + now[stop:]
        middle = start + (stop - start) // 2
        return now[:middle] + safe[middle:]


class _FaultyWriter(Writer):
    """Passes each write through the disk's counter, so that long files are cut like short ones."""

    def __init__(self, path: Path, disk: FaultyDisk) -> None:
        super().__init__(path)
        self._disk = disk
        self._offset = 0

    def write(self, data: memoryview) -> None:
        self._disk.write_at(self._path, self._offset, bytes(data))
        self._offset += len(data)

    def sync(self) -> None:
        self._disk.fsync(self._path)
