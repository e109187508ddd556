"""A WACZ 1.1.1 file (specs.webrecorder.net/wacz/1.1.1), written to a stream that is never rewound.

Invariant: every file in the package stands in datapackage.json with its size and SHA-256, datapackage-digest.json holds the
SHA-256 of that, and the signature (WACZ signing 0.1.0) is over this hash: who changes one byte breaks the chain.
WARC and compressed index are stored, not deflated, so that any record can be read without reading what stands before it.
"""

import hashlib
import json
import struct
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, Final, Protocol, cast

import amparo
from amparo.evidence.capture.warc import WarcWriter, iso

WACZ: Final = "1.1.1"
MEDIA_TYPE: Final = "application/wacz"
WARC_NAME: Final = "data.warc.gz"
SOFTWARE: Final = f"Amparo {amparo.__version__}"
_BLOCK: Final = 3000  # index lines that are compressed together


class Out(Protocol):
    """Where the file goes."""

    def write(self, data: bytes, /) -> int: ...
    def flush(self) -> None: ...


class Signer(Protocol):
    """vault.capture_signing.CaptureKey."""

    @property
    def public(self) -> str: ...
    def sign(self, text: str) -> str: ...


@dataclass(slots=True)
class Page:
    """One line of pages.jsonl: ``when`` s since 1970, ``text`` as the browser showed it."""

    url: str
    when: float
    title: str = ""
    text: str = ""
    id: str = ""


class _Hashed:
    """A member of the package that is being written: counts and hashes what passes."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out, self.sha256, self.size = out, hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        self.size += len(data)
        return self._out.write(data)


@dataclass(slots=True)
class WaczWriter:
    """``with writer.archive() as warc: ...``, then ``finish`` once."""

    out: Out
    created: float
    _zip: zipfile.ZipFile = field(init=False)
    _files: list[dict[str, Any]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        # zipfile asks for seek and, not finding it, writes sizes behind the data (APPNOTE 4.3.9) with 64-bit fields
        self._zip = zipfile.ZipFile(cast("IO[bytes]", self.out), "w", zipfile.ZIP_STORED, allowZip64=True)

    @contextmanager
    def archive(self) -> Iterator[WarcWriter]:
        """The WARC of the package; to be closed before anything else is written."""
        with self._member(f"archive/{WARC_NAME}") as member:
            yield WarcWriter(member.write, WARC_NAME)

    def finish(
        self, lines: list[str], pages: Iterable[Page], *, title: str, main: Page | None, notes: dict[str, Any],
        signer: Signer | None,
    ) -> str:  # fmt: skip
        """Write indexes, pages, description and signature; return the hash that was signed ("sha256:...")."""
        self._indexes(sorted(lines))
        with self._member("pages/pages.jsonl", zipfile.ZIP_DEFLATED) as member:
            header = {"format": "json-pages-1.0", "id": "pages", "title": "All Pages", "hasText": True}
            member.write(json.dumps(header).encode() + b"\n")
            for page in pages:
                row = {"id": page.id, "url": page.url, "ts": iso(page.when), "title": page.title, "text": page.text}
                member.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        stamp = iso(time.time())  # the signature's as well: py-wacz refuses a package whose two times differ
        package: dict[str, Any] = {
            "profile": "data-package", "wacz_version": WACZ, "title": title, "software": SOFTWARE, "created": stamp,
            "modified": stamp, "resources": self._files,
        }  # fmt: skip
        if main:
            package |= {"mainPageUrl": main.url, "mainPageDate": iso(main.when)}
        package |= notes
        text = json.dumps(package, indent=1, ensure_ascii=False).encode("utf-8", "replace")
        digest = "sha256:" + hashlib.sha256(text).hexdigest()
        self._small("datapackage.json", text)
        seal: dict[str, Any] = {"path": "datapackage.json", "hash": digest}
        if signer is not None:
            seal["signedData"] = signed(digest, signer, stamp)
        self._small("datapackage-digest.json", json.dumps(seal, indent=1).encode())
        self._zip.close()
        return digest

    def _indexes(self, lines: list[str]) -> None:
        """index.cdx.gz, blocks of lines compressed each for itself, and index.idx, which says where each begins."""
        places = ['!meta 0 {"format": "cdxj-gzip-1.0", "filename": "index.cdx.gz"}\n']
        with self._member("indexes/index.cdx.gz") as member:
            for first in range(0, len(lines), _BLOCK):
                squeeze = zlib.compressobj(6, zlib.DEFLATED, 31)
                packed = squeeze.compress("".join(lines[first : first + _BLOCK]).encode()) + squeeze.flush()
                key, when, _ = lines[first].split(" ", 2)
                digest = "sha256:" + hashlib.sha256(packed).hexdigest()
                place = {"offset": member.size, "length": len(packed), "digest": digest}
                places.append(f"{key} {when} {json.dumps(place)}\n")
                member.write(packed)
        with self._member("indexes/index.idx") as member:
            member.write("".join(places).encode())

    @contextmanager
    def _member(self, path: str, method: int = zipfile.ZIP_STORED) -> Iterator[_Hashed]:
        with self._zip.open(self._entry(path, method), "w", force_zip64=True) as out:
            member = _Hashed(out)
            yield member
        name = path.rpartition("/")[2]
        self._files.append({"name": name, "path": path, "hash": "sha256:" + member.sha256.hexdigest(), "bytes": member.size})

    def _small(self, path: str, data: bytes) -> None:
        with self._zip.open(self._entry(path, zipfile.ZIP_STORED), "w") as out:
            out.write(data)

    def _entry(self, path: str, method: int) -> zipfile.ZipInfo:
        entry = zipfile.ZipInfo(path, time.gmtime(max(self.created, 315532800))[:6])  # no earlier than 1980 (APPNOTE 4.4.6)
        entry.compress_type = method
        entry.external_attr = 0o600 << 16
        # The time in UTC. Some field must be here: ReplayWeb.page takes an entry without any in the central directory to have
        # none before its data either, and there zipfile has to put the 64-bit one.
        entry.extra = struct.pack("<HHBL", 0x5455, 5, 1, int(self.created) & 0xFFFFFFFF)
        return entry


def signed(digest: str, signer: Signer, created: str) -> dict[str, str]:
    """The anonymous signature over a package's hash (WACZ signing 0.1.0)."""
    return {
        "hash": digest, "created": created, "software": SOFTWARE, "version": "0.1.0",
        "signature": signer.sign(digest), "publicKey": signer.public,
    }  # fmt: skip
