"""Writes BagIt 1.0 bags (RFC 8493) from streams, into a folder or a zip file; memory grows by a line a file only.

Invariants: what is not finished is not there: a bag is written under a temporary name beside its target and renamed once all
of it is on the disk; an error or a stop removes it. Every file is in both manifests (SHA-256 and SHA-512); no two paths are one
on a file system that ignores case or normalises letters (RFC 8493, 5.1, 5.2); paths are in NFC.
"""

import hashlib
import os
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import IO, Final, Protocol

from amparo.kernel.errors import BadInput, DiskRefused
from amparo.kernel.i18n import N_
from amparo.vault.disk import Disk, translated

PIECE: Final = 1 << 20
_ALGORITHMS: Final = ("sha256", "sha512")
_STEP: Final = re.compile(r"[^/\\\x00]{1,255}")
_ALREADY: Final = zipfile.ZIP_STORED  # pictures and films are packed already, and whoever checks hashes wants no layer more


class BadBagPath(BadInput):
    template = N_("“{path}” cannot be the path of a file in a bag ({why}).")


class TargetExists(BadInput):
    template = N_("{path} is there already; choose another name, nothing was written.")


class Sink(Protocol):
    """Where a bag's files go."""

    def write(self, path: str, chunks: Iterable[bytes], size: int) -> None: ...


@dataclass(slots=True)
class FolderSink:
    """Files of a folder that is not there yet; each is on the disk when ``write`` returns."""

    folder: Path
    disk: Disk

    def write(self, path: str, chunks: Iterable[bytes], size: int) -> None:  # noqa: ARG002 - a zip file wants it beforehand
        place = self.folder.joinpath(*path.split("/"))
        self.disk.mkdir(place.parent)
        writer = self.disk.writer(place)
        try:
            for chunk in chunks:
                writer.write(memoryview(chunk))
            writer.sync()
        finally:
            writer.close()


@dataclass(slots=True)
class ZipSink:
    """Files below one folder in a zip file, stored; all with the date that zip files begin with, which says nothing."""

    archive: zipfile.ZipFile
    top: str

    def write(self, path: str, chunks: Iterable[bytes], size: int) -> None:
        info = zipfile.ZipInfo(f"{self.top}/{path}")
        info.compress_type, info.external_attr, info.file_size = _ALREADY, 0o644 << 16, size
        with self.archive.open(info, "w") as member:
            for chunk in chunks:
                member.write(chunk)


@contextmanager
def drafted(target: Path, disk: Disk) -> Iterator[Sink]:
    """A sink whose content becomes ``target`` (a zip file if it is called .zip, else a folder) when the block ends well.

    The folder it lies in is there. What a killed run for this target left goes first. Raises TargetExists and what the disk
    raises; then nothing is left.
    """
    if target.exists() or target.is_symlink():
        raise TargetExists(path=str(target))
    for left in target.parent.glob(f".{escape(target.name)}.{'[0-9a-f]' * 12}.part"):
        _remove(left, disk)  # plain files of an export that was killed
    draft = target.with_name(f".{target.name}.{os.urandom(6).hex()}.part")
    try:
        if target.suffix.lower() == ".zip":
            with _exclusively(draft) as stream:
                with zipfile.ZipFile(stream, "w", _ALREADY) as archive:
                    yield ZipSink(archive, target.stem)
                with translated(draft):
                    stream.flush()
                    os.fsync(stream.fileno())
        else:
            disk.mkdir(draft)
            yield FolderSink(draft, disk)
        if target.exists():
            raise TargetExists(path=str(target))
        disk.rename(draft, target)
        disk.fsync_dir(target.absolute().parent)
    except BaseException:
        with suppress(DiskRefused, OSError):
            _remove(draft, disk)
        raise


@contextmanager
def _exclusively(path: Path) -> Iterator[IO[bytes]]:
    with translated(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(descriptor, "w+b") as stream:
            yield stream


def _remove(path: Path, disk: Disk) -> None:
    if path.is_dir() and not path.is_symlink():
        for below in list(path.iterdir()):
            _remove(below, disk)
        path.rmdir()
    else:
        disk.unlink(path)


@dataclass(slots=True, frozen=True)
class Written:
    """What was written at a path: size in bytes and both hashes."""

    size: int
    sha256: bytes
    sha512: bytes


@dataclass(slots=True)
class Bag:
    """A bag being written. ``files``: path -> what is there, in the order it came."""

    sink: Sink
    files: dict[str, Written] = field(default_factory=dict)
    _known: dict[str, str] = field(default_factory=dict)

    def put(self, path: str, chunks: Iterable[bytes], size: int) -> Written:
        """Add a payload file (below "data/") or a tag file. ``size`` bytes are announced; what came counts.

        Raises BadBagPath and what ``chunks`` and the disk raise.
        """
        path = self._taken(path)
        hashes, count = [hashlib.new(name) for name in _ALGORITHMS], 0

        def passing() -> Iterator[bytes]:
            nonlocal count
            for chunk in chunks:
                for one in hashes:
                    one.update(chunk)
                count += len(chunk)
                yield chunk

        self.sink.write(path, passing(), size)
        written = self.files[path] = Written(count, hashes[0].digest(), hashes[1].digest())
        return written

    def text(self, path: str, text: str) -> Written:
        """Add a small file of text."""
        return self.whole(path, text.encode())

    def whole(self, path: str, data: bytes) -> Written:
        """Add a small file."""
        return self.put(path, [data], len(data))

    def payload(self) -> dict[str, Written]:
        """The payload's files."""
        return {path: written for path, written in self.files.items() if path.startswith("data/")}

    def close(self, info: Iterable[tuple[str, str]]) -> None:
        """Write bag-info.txt with these labels (RFC 8493, 2.2.2) and Payload-Oxum, the declaration, and all manifests."""
        payload = self.payload()
        oxum = f"{sum(one.size for one in payload.values())}.{len(payload)}"
        self.text("bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
        self.text("bag-info.txt", "".join(map(_info_line, [*info, ("Payload-Oxum", oxum)])))
        for name in _ALGORITHMS:
            self.text(f"manifest-{name}.txt", _manifest(payload, name))
        tags = {path: written for path, written in self.files.items() if path not in payload}
        for name in _ALGORITHMS:
            self.text(f"tagmanifest-{name}.txt", _manifest(tags, name))

    def _taken(self, path: str) -> str:
        path = unicodedata.normalize("NFC", path)
        steps = path.split("/")
        if not all(_STEP.fullmatch(step) and step not in (".", "..") and len(step.encode()) <= 255 for step in steps):
            raise BadBagPath(path=path[:200], why="a step is empty, too long, “.”, “..” or has a backslash")
        if steps[0].startswith("~") or steps[0][1:2] == ":":
            raise BadBagPath(path=path[:200], why="it begins like a path outside")
        same = unicodedata.normalize("NFC", path.casefold())
        if same in self._known:
            raise BadBagPath(path=path[:200], why=f"on some disks it is the same as “{self._known[same][:200]}”")
        self._known[same] = path
        return path


def encode_path(path: str) -> str:
    """A path as manifests hold it: CR, LF and % percent-encoded, nothing else (RFC 8493, 2.1.3)."""
    return path.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")


def chunks_of(stream: IO[bytes]) -> Iterator[bytes]:
    """The stream in pieces."""
    while piece := stream.read(PIECE):
        yield piece


def _manifest(files: dict[str, Written], algorithm: str) -> str:
    lines = ((encode_path(path), getattr(written, algorithm).hex()) for path, written in files.items())
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(lines))


def _info_line(label: tuple[str, str]) -> str:
    """``Label: value``; a value's line breaks are folded with a tab (RFC 8493, 2.2.2)."""
    name, value = label
    return f"{name}: " + "\n\t".join(line.strip() for line in value.splitlines() or [""]) + "\n"
