"""Reads BagIt bags (RFC 8493, and the drafts 0.93 to 0.97), in a zip file or a folder handed over as one stream.

Invariant: nothing of a bag comes out as a member that its declaration, its manifests or its paths speak against: the whole
list is judged before the first byte of a file is handed over, and each file's digests when its last byte is. No path
is ever used as a path.

``Facts`` "bag" (declaration, bag-info, warnings) come first; then all files as members, tag files too; then "ro-crate" and
"case": what the bag's own metadata say of a file, by its path. Sources: RFC 8493; RO-Crate 1.1; CASE 1.3.
"""

import hashlib
import io
import json
import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from lzma import LZMAError
from typing import Any, BinaryIO, NamedTuple

from amparo.evidence.findings import Chunk, Data, Facts, Finding, Hints, Member, MemberEnd, Unreadable, Warn
from amparo.kernel import cbor
from amparo.kernel.errors import NotCanonical
from amparo.kernel.i18n import _

MEDIA_TYPES = ("application/x-bagit+zip", "application/x-bagit+folder")
NAME = "bag/1"
_FOLDER = b"amparo folder 1\n"
_PIECE = 1 << 20
_SMALL = 64 << 20  # a tag file larger than this is no tag file
_MOST_FILES = 1_000_000
_BOMB_SIZE = 256 << 20  # what zip files announce bounds what is unpacked of them
_BOMB_RATIO = 200
_STRONG = ("sha512", "sha384", "sha256", "sha224", "sha3_256", "sha3_384", "sha3_512")
_KNOWN = (*_STRONG, "sha1", "md5")
_ENCODINGS = ("utf-8", "utf-16", "utf-16le", "utf-16be", "iso-8859-1", "us-ascii", "windows-1251", "windows-1252")
_DECLARED = re.compile(r"BagIt-Version: (0\.9[3-7]|1\.0)\nTag-File-Character-Encoding: ([A-Za-z0-9_-]{1,40})\n*")
_LINE = re.compile(r"([0-9A-Fa-f]{32,128})[ \t]+(\*?)(.+)", re.DOTALL)
_SIGNED = {"data/custody/ledger.cbor": 64 << 20, "data/custody/statement.cbor": 16 << 20}
_METADATA = ("data/ro-crate-metadata.json", "ro-crate-metadata.json")
_DEEPEST = 8


class _Files:
    """The files of a bag: path -> size, and their bytes."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}

    def open(self, path: str) -> BinaryIO:
        raise NotImplementedError

    def small(self, path: str) -> bytes:
        """A tag file's bytes. Raises Unreadable."""
        if path not in self.sizes:
            raise Unreadable(_("The bag has no file {path}.").format(path=path))
        if self.sizes[path] > _SMALL:
            raise Unreadable(_("The bag's file {path} is too large to be what it is called.").format(path=path))
        with _damage(path), self.open(path) as stream:
            return stream.read()


@contextmanager
def _damage(path: str) -> Iterator[None]:
    """What unpacking a damaged file raises, as Unreadable."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError, NotImplementedError, RuntimeError, ValueError,
            struct.error) as error:  # fmt: skip
        why = str(error)[:200] or type(error).__name__
        raise Unreadable(_("“{path}” in the bag is damaged ({why}).").format(path=path[:300], why=why)) from None


class _FolderFiles(_Files):
    """A folder as evidence.folderstream hands it over."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        super().__init__()
        self._stream = stream
        stream.seek(len(_FOLDER))
        length = int.from_bytes(stream.read(8), "big")
        at = len(_FOLDER) + 8 + length
        if at > size:
            raise Unreadable(_("The folder's list is cut off."))
        self._starts: dict[str, int] = {}
        for path, count in json.loads(stream.read(length)):
            self.sizes[path], self._starts[path] = count, at
            at += count

    def open(self, path: str) -> BinaryIO:
        return io.BufferedReader(_Section(self._stream, self._starts[path], self.sizes[path]), _PIECE)


class _Section(io.RawIOBase):
    """A stretch of a stream."""

    def __init__(self, stream: BinaryIO, start: int, size: int) -> None:
        self._stream, self._at, self._end = stream, start, start + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview", /) -> int:  # type: ignore[override]
        self._stream.seek(self._at)
        piece = self._stream.read(min(len(buffer), self._end - self._at))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


class _ZipFiles(_Files):
    """The files of a zip file, below its one folder where it has one."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        try:
            self._archive = zipfile.ZipFile(stream)
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, OverflowError, struct.error) as error:
            raise Unreadable(_("The zip file is damaged ({why}).").format(why=str(error)[:200])) from None
        infos = self._archive.infolist()
        if len(infos) > _MOST_FILES:
            raise Unreadable(_("The zip file lists more than {n} files.").format(n=_MOST_FILES))
        _check_gaps(stream, infos, self._archive.start_dir)
        names = [_zip_path(info) for info in infos]
        tops = {name.partition("/")[0] for name in names}
        top = f"{next(iter(tops))}/" if len(tops) == 1 and "bagit.txt" not in tops else ""
        self._infos: dict[str, zipfile.ZipInfo] = {}
        for name, info in zip(names, infos, strict=True):
            if info.filename.endswith("/"):
                continue
            path = name.removeprefix(top)
            if path in self._infos:
                raise Unreadable(_("The zip file holds “{path}” twice.").format(path=path[:300]))
            self._infos[path], self.sizes[path] = info, info.file_size

    def open(self, path: str) -> BinaryIO:
        return self._archive.open(self._infos[path])  # type: ignore[return-value]


def _check_gaps(stream: BinaryIO, infos: list[zipfile.ZipInfo], directory: int) -> None:
    """Refuse bytes that stand between the files and belong to none: what the list leaves out, other programs may still find.

    The stand-alone verifier calls the same HiddenInZip. Raises Unreadable.
    """
    at, room = 0, 0
    for info in sorted(infos, key=lambda one: one.header_offset):
        if not 0 <= info.header_offset - at <= room:
            raise _hidden(info.orig_filename)
        stream.seek(info.header_offset)
        head = stream.read(30)
        if len(head) < 30 or head[:4] != b"PK\3\4":
            raise _hidden(info.orig_filename)
        flags, name, extra = struct.unpack("<6xH18xHH", head)
        room = 24 if flags & 8 else 0  # where its sizes may follow a file
        at = info.header_offset + 30 + name + extra + info.compress_size
    if not 0 <= directory - at <= room:
        raise _hidden(_("its list"))


def _hidden(path: str) -> Unreadable:
    sentence = _("Before “{path}” the zip file holds bytes that its list does not name; unpack it, look, and add the folder.")
    return Unreadable(sentence.format(path=path[:300]))


def _zip_path(info: zipfile.ZipInfo) -> str:
    """A member's path. Raises Unreadable for a link, an encrypted member and one that leads out of the folder."""
    name = info.orig_filename
    if info.create_system == 3 and (info.external_attr >> 28) == 0xA:
        raise Unreadable(_("The zip file holds a link, “{path}”; links are not taken in.").format(path=name[:300]))
    if info.file_size > _BOMB_SIZE and info.file_size > _BOMB_RATIO * max(1, info.compress_size):
        sentence = _(
            "“{path}” grows to more than {n} times its packed size, as a zip bomb does; if you trust it, unpack the bag."
        )
        raise Unreadable(sentence.format(path=name[:300], n=_BOMB_RATIO))
    if info.flag_bits & 1:
        raise Unreadable(_("“{path}” in the zip file is encrypted; unpack it first.").format(path=name[:300]))
    _check_path(name.rstrip("/"))
    return name


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Yield Facts "bag", the members, Facts about them, warnings. Raises Unreadable with what is wrong and where."""
    stream.seek(0)
    head = stream.read(len(_FOLDER))
    files: _Files = _FolderFiles(stream, hints.size) if head == _FOLDER else _ZipFiles(stream)
    bag = _Bag(files)
    yield bag.facts()
    for path in sorted(files.sizes):
        yield from bag.member(path)
    yield from _metadata(bag)
    for sentence in bag.warnings:
        yield Warn(sentence)


# -- the bag -----------------------------------------------------------------------------------------------------------------


def _check_path(path: str) -> None:
    """Raises Unreadable for a path that could mean a place outside the bag."""
    steps = path.split("/")
    if (
        not path or any(step in ("", ".", "..") for step in steps) or path[0] == "~" or "\\" in path or path[1:2] == ":"
        or any(ord(letter) < 32 and letter not in "\r\n" for letter in path)
    ):  # fmt: skip
        raise Unreadable(_("The path “{path}” leads out of the bag, or is none; nothing was taken in.").format(path=path[:300]))


def _alike(path: str) -> str:
    """What a path is where neither case nor the normal form of letters counts (RFC 8493, 5.1 and 5.2)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


class _Manifest(NamedTuple):
    algorithm: str
    digests: dict[str, str]


class _Bag:
    """A bag whose lists agree with its files. Raises Unreadable."""

    def __init__(self, files: _Files) -> None:
        self._files = files
        self.warnings: list[str] = []
        self._warned: set[str] = set()
        self.version, self._encoding = self._declaration()
        self.info = self._labels()
        if "fetch.txt" in files.sizes:
            raise Unreadable(
                _(
                    "The bag lists files to be fetched from elsewhere (fetch.txt). Amparo fetches nothing by itself: have the "
                    "bag completed by who made it, then import it."
                )
            )
        for path in files.sizes:
            _check_path(path)
        self._by_look: dict[str, list[str]] = {}
        for path in files.sizes:
            self._by_look.setdefault(_alike(path), []).append(path)
        for same in self._by_look.values():
            if len(same) > 1:
                self._warn("case", _("Some disks take these for one file: {paths}").format(paths=", ".join(same)[:300]))
        self._payload = {path for path in files.sizes if path.startswith("data/")}
        self._manifests, self._tags = self._lists("manifest"), self._lists("tagmanifest")
        self._check_lists()
        self._check_signed()
        self.sha256: dict[str, str] = {}

    def _check_signed(self) -> None:
        """An Amparo export's signed files are decoded again where the keys are: so only if they are no bomb."""
        for path, most in _SIGNED.items():
            if path not in self._files.sizes:
                continue
            data = self._files.small(path)
            try:
                value = [cbor.decode(data.removeprefix(b"\xd2"))]
            except NotCanonical as error:
                raise Unreadable(_("{path}: {why}").format(path=path, why=str(error))) from None
            count = 0
            while value:
                inner = value.pop()
                count += 1
                if isinstance(inner, (list, dict)):
                    value += inner.values() if isinstance(inner, dict) else inner
            if len(data) > most or count > 10_000 + len(data) // 5:
                raise Unreadable(_("{path} is made to fill a memory; nothing was taken in.").format(path=path))

    def _warn(self, kind: str, sentence: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            self.warnings.append(sentence)

    def _declaration(self) -> tuple[str, str]:
        raw = self._files.small("bagit.txt")[:1000]
        match = _DECLARED.fullmatch(raw.decode("utf-8", "replace").replace("\r\n", "\n"))
        if match is None or match[2].lower() not in _ENCODINGS:
            raise Unreadable(_("bagit.txt does not declare a version and an encoding that BagIt 0.93 to 1.0 know."))
        return match[1], match[2].lower()

    def _text(self, path: str) -> str:
        try:
            return self._files.small(path).decode(self._encoding)
        except UnicodeDecodeError:
            raise Unreadable(_("{path} is not in the encoding the bag declares.").format(path=path)) from None

    def _labels(self) -> list[list[str]]:
        """Label and value of each line of bag-info.txt, folded lines joined."""
        if "bag-info.txt" not in self._files.sizes:
            return []
        labels: list[list[str]] = []
        for line in re.split(r"\r\n|\n|\r", self._text("bag-info.txt"))[:10_000]:
            if line[:1] in (" ", "\t") and labels:
                labels[-1][1] += " " + line.strip()
            elif ":" in line:
                name, _colon, value = line.partition(":")
                labels.append([name.strip()[:1000], value.strip()[:10_000]])
        return labels

    def _lists(self, kind: str) -> list[_Manifest]:
        found = []
        for path in sorted(self._files.sizes):
            match = re.fullmatch(kind + r"-([a-z0-9_-]{1,20})\.txt", path)
            if match and match[1].replace("-", "_") in _KNOWN:
                found.append(_Manifest(match[1].replace("-", "_"), self._manifest(path, payload=kind == "manifest")))
            elif match:
                self._warn(path, _("The algorithm of {path} is not known here; it was not checked.").format(path=path))
        return found

    def _manifest(self, name: str, *, payload: bool) -> dict[str, str]:
        """Path -> digest as a manifest lists them, paths as they are in the bag."""
        found: dict[str, str] = {}
        for line in re.split(r"\r\n|\n|\r", self._text(name)):
            if not line.strip():
                continue
            match = _LINE.fullmatch(line)
            if match is None:
                raise Unreadable(_("{name} has a line that is none of a manifest: {line}").format(name=name, line=line[:200]))
            if match[2]:
                self._warn("star", _("{name} marks paths with an asterisk, as md5sum does.").format(name=name))
            path = self._there(_decoded(match[3], self.version), name)
            if payload and not path.startswith("data/"):
                raise Unreadable(_("{name} lists “{path}”, which is not below data.").format(name=name, path=path[:300]))
            if path in found:
                if self.version == "1.0" or found[path] != match[1].lower():
                    raise Unreadable(_("{name} lists “{path}” twice.").format(name=name, path=path[:300]))
                self._warn("twice", _("{name} lists “{path}” twice.").format(name=name, path=path[:300]))
            found[path] = match[1].lower()
        return found

    def _there(self, path: str, name: str) -> str:
        """A listed path as the bag has it: exactly, or the one that only differs by case or normal form."""
        if path.startswith("./"):
            self._warn("dot", _("{name} begins paths with “./”, which BagIt does not.").format(name=name))
            path = path[2:]
        _check_path(path)
        if path not in self._files.sizes:
            same = self._by_look.get(_alike(path), [])
            if len(same) == 1:
                sentence = _("{name} writes “{path}” in another case or normal form than the file's name.")
                self._warn("look", sentence.format(name=name, path=path[:300]))
                return same[0]
        return path

    def _check_lists(self) -> None:
        if not self._manifests:
            raise Unreadable(_("The bag has no manifest of an algorithm that is known here."))
        for kind, listed in self._manifests:
            for path in sorted(listed.keys() - self._payload):
                raise Unreadable(
                    _("“{path}” is listed (manifest-{kind}) and not in the bag.").format(path=path[:300], kind=kind)
                )
        everywhere = all if self.version == "1.0" else any
        for path in sorted(self._payload):
            if not everywhere(path in listed for _kind, listed in self._manifests):
                raise Unreadable(_("“{path}” is in the bag and not in its manifests.").format(path=path[:300]))
        for kind, listed in self._tags:
            for path in sorted(listed.keys() - self._files.sizes.keys()):
                raise Unreadable(
                    _("“{path}” is listed (tagmanifest-{kind}) and not in the bag.").format(path=path[:300], kind=kind)
                )
        if not any(kind in _STRONG for kind, _listed in self._manifests):
            sentence = _("The bag has only {kinds} digests: they show damage, not exchange by somebody who wanted it.")
            self._warn("weak", sentence.format(kinds=", ".join(kind for kind, _listed in self._manifests)))
        total = sum(self._files.sizes[path] for path in self._payload)
        for name, value in self.info:
            match = re.fullmatch(r"(\d{1,18})\.(\d{1,18})", value) if name.lower() == "payload-oxum" else None
            if match and (int(match[1]), int(match[2])) != (total, len(self._payload)):
                sentence = _("The bag promises {promised} bytes and files (Payload-Oxum); there are {found}.")
                raise Unreadable(sentence.format(promised=value, found=f"{total}.{len(self._payload)}"))

    def facts(self) -> Facts:
        """What the bag says of itself, before its files are read."""
        data: Data = {
            "version": self.version, "info": [list(pair) for pair in self.info[:1000]], "files": len(self._payload),
            "bytes": sum(self._files.sizes[path] for path in self._payload),
            "manifests": [kind for kind, _listed in self._manifests],
            "tag_manifests": [kind for kind, _listed in self._tags],
        }  # fmt: skip
        return Facts("bag", data)

    def member(self, path: str) -> Iterator[Finding]:
        """One file, and its digests compared once it is through. Raises Unreadable."""
        lists = self._manifests if path in self._payload else self._tags
        wanted = [(kind, listed[path]) for kind, listed in lists if path in listed]
        hashes = {kind: hashlib.new(kind) for kind in {"sha256", *(kind for kind, _digest in wanted)}}
        yield Member(path.rpartition("/")[2][:255], path)
        with _damage(path), self._files.open(path) as stream:
            while piece := stream.read(_PIECE):
                for one in hashes.values():
                    one.update(piece)
                yield Chunk(piece)
        for kind, digest in wanted:
            if hashes[kind].hexdigest() != digest:
                raise Unreadable(
                    _("“{path}” is not the file the bag lists: its {kind} differs.").format(path=path[:300], kind=kind)
                )
        yield MemberEnd()
        self.sha256[hashes["sha256"].hexdigest()] = path

    def json(self, path: str) -> Any:
        """A file of the bag as JSON, or None."""
        if self._files.sizes.get(path, _SMALL + 1) > _SMALL:
            return None
        try:
            return json.loads(self._files.small(path).decode("utf-8"))
        except (ValueError, RecursionError):
            self.warnings.append(_("{path} is not well-formed JSON; what it says was not kept.").format(path=path))
            return None

    @property
    def paths(self) -> list[str]:
        return sorted(self._files.sizes)


def _decoded(path: str, version: str) -> str:
    """Percent-encoded CR and LF, and in 1.0 the percent sign, undone (RFC 8493, 2.1.3)."""
    signs = "0[aA]|0[dD]|25" if version == "1.0" else "0[aA]|0[dD]"
    return re.sub(f"%({signs})", lambda match: bytes.fromhex(match[1]).decode(), path)


# -- what the bag's metadata say of its files --------------------------------------------------------------------------------


def _metadata(bag: _Bag) -> Iterator[Facts]:
    for path in _METADATA:
        if path in bag.paths:
            yield from _crate(bag, path)
    for path in bag.paths:
        if path.endswith(".jsonld"):
            yield from _case(bag, path)


def _nodes(graph: Any) -> list[dict[str, Any]]:
    found = graph.get("@graph") if isinstance(graph, dict) else None
    return [node for node in found if isinstance(node, dict)] if isinstance(found, list) else []


def _crate(bag: _Bag, path: str) -> Iterator[Facts]:
    """Facts "ro-crate": the entity of each file that the crate describes."""
    folder = path.rpartition("/")[0]
    known = set(bag.paths)
    for node in _nodes(bag.json(path)):
        kinds = node.get("@type")
        name = node.get("@id")
        if "File" not in (kinds if isinstance(kinds, list) else [kinds]) or not isinstance(name, str):
            continue
        place = f"{folder}/{name.removeprefix('./')}" if folder else name.removeprefix("./")
        if place in known:
            yield Facts("ro-crate", {"path": place, "entity": _plain(node)})


def _case(bag: _Bag, path: str) -> Iterator[Facts]:
    """Facts "case": each observable whose SHA-256 is that of a file of the bag."""
    for node in _nodes(bag.json(path)):
        text = json.dumps(node)
        for digest in set(re.findall(r'"([0-9A-Fa-f]{64})"', text)):
            place = bag.sha256.get(digest.lower())
            if place is not None:
                yield Facts("case", {"path": place, "node": _plain(node)})


def _plain(value: Any, depth: int = 0) -> Any:
    """JSON without what could not pass on: deep nests as text, huge numbers and fractions as text."""
    if depth == _DEEPEST:
        return json.dumps(value)[:10_000]
    if isinstance(value, dict):
        return {str(key)[:500]: _plain(one, depth + 1) for key, one in list(value.items())[:1000]}
    if isinstance(value, list):
        return [_plain(one, depth + 1) for one in value[:1000]]
    if isinstance(value, str):
        return value[:100_000].encode("utf-8", "replace").decode()
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) < 1 << 63):
        return value
    return str(value)[:1000]
