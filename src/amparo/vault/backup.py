"""Backup: a mirror of what is sealed, and of nothing else. A second run copies only what changed.

A backup holds ciphertext, signed headers and the passphrase slots; views and locks stay behind. Logs are compared block by
block, so that an erasure in the workspace reaches the backup at its next run. Older copies elsewhere are not reached: see
the threat model.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from amparo.kernel.errors import BadInput, NotFound
from amparo.kernel.i18n import N_
from amparo.vault.disk import Disk, translated

_BLOCK: Final = 1 << 20
_MARK: Final = "amparo-backup.json"
_TREES: Final = ("slots", "ledger", "blobs")
_GROWING: Final = ("entries", "bodies", "wraps")

Progress = Callable[[int, int], None]
"""progress(bytes compared, bytes in all)."""


class NotABackup(NotFound):
    template = N_("{folder} is not an Amparo backup.")


class BackupOfAnother(BadInput):
    template = N_("{folder} holds the backup of another workspace; choose an empty folder.")


class FolderNotEmpty(BadInput):
    template = N_("{folder} is not empty; choose a new folder, so that nothing of yours is written over.")


def back_up(workspace: Path, target: Path, disk: Disk, progress: Progress | None = None) -> tuple[int, int]:
    """Mirror a workspace into ``target``; return (files changed, bytes written). Raises BackupOfAnother, FolderNotEmpty."""
    marker = (workspace / "amparo.json").read_bytes()
    if (target / _MARK).exists():
        if (target / "amparo.json").read_bytes() != marker:
            raise BackupOfAnother(folder=str(target))
    elif target.exists() and any(target.iterdir()):
        raise FolderNotEmpty(folder=str(target))
    else:
        disk.mkdir(target)
        disk.atomic_write(target / "amparo.json", marker)
        disk.atomic_write(target / _MARK, json.dumps({"format": 1}).encode())
    return _mirror(workspace, target, disk, progress)


def restore(backup: Path, target: Path, disk: Disk, progress: Progress | None = None) -> None:
    """Copy a backup into a new workspace folder. The caller makes it a new device before anything is written to it.

    Raises NotABackup, FolderNotEmpty.
    """
    if not (backup / _MARK).exists():
        raise NotABackup(folder=str(backup))
    if target.exists() and any(target.iterdir()):
        raise FolderNotEmpty(folder=str(target))
    disk.mkdir(target)
    _mirror(backup, target, disk, progress)
    disk.atomic_write(target / "amparo.json", (backup / "amparo.json").read_bytes())


def _mirror(source: Path, target: Path, disk: Disk, progress: Progress | None) -> tuple[int, int]:
    files = sorted(_files(source))
    total, done, changed, written = sum(path.stat().st_size for path in files), 0, 0, 0
    for path in files:
        copy = target / path.relative_to(source)
        size = _update(path, copy, disk) if path.name in _GROWING else _copy(path, copy, disk)
        changed, written = changed + (size > 0), written + size
        done += path.stat().st_size
        if progress:
            progress(done, total)
    return changed, written


def _files(folder: Path) -> Iterator[Path]:
    """What is sealed. A link is passed over: whoever can write here would let a plain file of this machine travel along."""
    for tree in _TREES:
        if (folder / tree).is_symlink():
            continue
        for path in (folder / tree).rglob("*"):
            if not path.is_symlink() and path.is_file() and path.name != "lock" and "tmp" not in path.name:
                yield path


def _copy(path: Path, copy: Path, disk: Disk) -> int:
    """Copy a file that never changes in place (blobs) or is small (slots)."""
    size = path.stat().st_size
    if copy.exists() and copy.stat().st_size == size and (size > _BLOCK or copy.read_bytes() == path.read_bytes()):
        return 0
    disk.mkdir(copy.parent)
    temporary = copy.with_name(f".{copy.name}.tmp")
    disk.unlink(temporary)
    with translated(copy):
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        with path.open("rb") as source, os.fdopen(fd, "wb") as stream:
            shutil.copyfileobj(source, stream, _BLOCK)
    disk.fsync(temporary)
    disk.rename(temporary, copy)
    disk.fsync_dir(copy.parent)
    return size


def _update(path: Path, copy: Path, disk: Disk) -> int:
    """Bring the copy of a log file up to date: only blocks that differ are written."""
    disk.mkdir(copy.parent)
    written, size, had = 0, path.stat().st_size, disk.size(copy)
    for offset in range(0, size, _BLOCK):
        block = disk.read(path, offset, _BLOCK)
        if offset >= had or disk.read(copy, offset, len(block)) != block:
            disk.write_at(copy, offset, block)
            written += len(block)
    if had > size:
        disk.truncate(copy, size)
    if written or had > size:
        disk.fsync(copy)
        disk.fsync_dir(copy.parent)
    return written
