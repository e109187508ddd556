"""Reads WACZ packages (1.0 to 1.1.1) of any maker: pages, text, what is archived, and whether hashes and digests hold.

Invariant: every file of the package is hashed and compared with datapackage.json, this with datapackage-digest.json; what does
not hold, is missing or not listed is said. A signature is handed on as it stands (kind "signature"): to check it takes
cryptography, which the sandbox does not have.
"""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any, BinaryIO, Final

from amparo.evidence.findings import Data, Facts, Finding, Hints, Text, Unreadable, Warn
from amparo.evidence.readers import warc
from amparo.kernel.i18n import _

MEDIA_TYPES = ("application/wacz", "application/wacz+zip", "application/x-wacz")
NAME = "wacz/1"

_FILES: Final = 10_000
_SMALL: Final = 16 << 20  # bytes of a JSON file that is read whole
_LINE: Final = 16 << 20
_PAGES: Final = 10_000
_TEXT: Final = 100_000  # characters of one Text
_UNPACKED: Final = 64 << 30
_DESCRIBED: Final = (
    "wacz_version", "title", "description", "software", "created", "modified", "mainPageUrl", "mainPageDate",
)  # fmt: skip
_SIGNED: Final = (
    "hash", "created", "software", "version", "signature", "publicKey", "domain", "domainCert", "timeSignature",
    "timestampCert",
)  # fmt: skip
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Texts of the pages; facts "web archive", "package", "signature"; bodies where asked. Raises Unreadable."""
    try:
        package = zipfile.ZipFile(stream)
        names = package.namelist()
    except _BROKEN as error:
        raise Unreadable(_("This is no WACZ package: {why}.").format(why=str(error)[:200])) from None
    if len(names) > _FILES:
        raise Unreadable(_("This WACZ package claims {count} files, which no capture has.").format(count=len(names)))
    if not any(name.startswith("archive/") for name in names):
        raise Unreadable(_("This is a ZIP file without an archive/ folder, so it is no WACZ package."))
    hashes: dict[str, str] = {}
    yield from _archives(package, names, hints, hashes)
    yield from _description(package, names, hashes)
    yield from _pages(package, names)


def _archives(package: zipfile.ZipFile, names: list[str], hints: Hints, hashes: dict[str, str]) -> Iterator[Finding]:
    """Each WARC, read and hashed in one go; then every other file hashed."""
    tally, budget = warc.Tally(), _UNPACKED
    for name in dict.fromkeys(names):
        if name.endswith("/"):
            continue
        try:
            with package.open(name) as file:
                hashing = _Hashing(file, budget)
                if name.startswith("archive/") and name.endswith((".warc", ".warc.gz")):
                    plain = warc.inflated(hashing.pieces()) if name.endswith(".gz") else hashing.pieces()
                    source = warc.Source(plain)
                    yield from warc.findings(source, tally, warc.wanted(hints))
                for _piece in hashing.pieces():
                    pass
                budget -= hashing.size
                hashes[name] = hashing.sha256.hexdigest()
        except _BROKEN as error:
            yield Warn(_("{name} cannot be read: {why}.").format(name=name[:200], why=str(error)[:200]))
    yield Facts("web archive", {"format": "WACZ", "files": len(names), **tally.facts()})


class _Hashing:
    """A file of the package that is hashed while it is read."""

    def __init__(self, file: IO[bytes], budget: int) -> None:
        self._file, self._budget, self.sha256, self.size = file, budget, hashlib.sha256(), 0

    def pieces(self) -> Iterator[bytes]:
        while piece := self._file.read(warc.PIECE):
            self.sha256.update(piece)
            self.size += len(piece)
            if self.size > self._budget:
                raise ValueError(_("unpacked it would be larger than any capture"))
            yield piece


def _json(package: zipfile.ZipFile, name: str) -> Any:
    """A small JSON file of the package; None where there is none, or none that can be read."""
    try:
        with package.open(name) as file:
            data = file.read(_SMALL + 1)
        return json.loads(data) if len(data) <= _SMALL else None
    except (*_BROKEN, KeyError, RecursionError):
        return None


def _description(package: zipfile.ZipFile, names: list[str], hashes: dict[str, str]) -> Iterator[Finding]:
    described = _json(package, "datapackage.json")
    if not isinstance(described, dict):
        yield Warn(_("The package has no readable datapackage.json, so nothing says what it should hold."))
        return
    wrong, missing, listed = [], [], {"datapackage.json", "datapackage-digest.json"}
    held = described.get("resources")
    for one in held if isinstance(held, list) else ():
        path, value = (str(one.get(key, "")) for key in ("path", "hash")) if isinstance(one, dict) else ("", "")
        listed.add(path)
        if path not in hashes:
            missing.append(path[:200])
        elif value.startswith("sha256:") and value.removeprefix("sha256:").lower() != hashes[path]:
            wrong.append(path[:200])
    extra = [name[:200] for name in names if name not in listed and not name.endswith("/")]
    for name in wrong[:100]:
        yield Warn(_("The hash of {name} is not the one in datapackage.json: it was changed afterwards.").format(name=name))
    for name in missing[:100]:
        yield Warn(_("{name} stands in datapackage.json but is not in the package.").format(name=name))
    yield Facts("package", {
        **_words(described, _DESCRIBED),
        "hash": "sha256:" + hashes.get("datapackage.json", ""), "files listed": len(listed) - 2, "hash wrong": wrong[:100],
        "missing": missing[:100], "not listed": extra[:100],
    })  # fmt: skip
    yield from _signature(package, hashes)


def _words(found: dict[str, Any], names: tuple[str, ...]) -> Data:
    return {name: str(found[name])[:4000] for name in names if isinstance(found.get(name), str | int | float)}


def _signature(package: zipfile.ZipFile, hashes: dict[str, str]) -> Iterator[Finding]:
    sealed = _json(package, "datapackage-digest.json")
    if not isinstance(sealed, dict):
        yield Facts("signature", {"state": _("The package has no datapackage-digest.json: it is not signed.")})
        return
    fits = str(sealed.get("hash", "")).lower() == "sha256:" + hashes.get("datapackage.json", "")
    if not fits:
        yield Warn(_("datapackage-digest.json is for another datapackage.json: the package was changed afterwards."))
    signed = sealed.get("signedData")
    data: Data = {"fits": fits, "state": _("The package is not signed.")}
    if isinstance(signed, dict):
        data = {"fits": fits, "state": _("The package carries a signature, to be checked."), **_words(signed, _SIGNED)}
    yield Facts("signature", data)


def _pages(package: zipfile.ZipFile, names: list[str]) -> Iterator[Finding]:
    """pages/*.jsonl: addresses, titles, texts."""
    rows: list[Data] = []
    for name in names:
        if not name.startswith("pages/") or not name.endswith(".jsonl"):
            continue
        try:
            with package.open(name) as file:
                while line := file.readline(_LINE):
                    page = _page(line)
                    if page is None or len(rows) >= _PAGES:
                        continue
                    rows.append(_words(page, ("url", "ts", "title")))
                    text = page.get("text")
                    if isinstance(text, str) and text.strip():
                        for part, at in enumerate(range(0, len(text), _TEXT), 1):
                            yield Text(f"page {len(rows)}, part {part}", text[at : at + _TEXT])
        except _BROKEN as error:
            yield Warn(_("{name} cannot be read: {why}.").format(name=name[:200], why=str(error)[:200]))
    for at in range(0, len(rows), 500):
        yield Facts("pages" if at == 0 else f"pages from {at + 1}", {"pages": list(rows[at : at + 500])})


def _page(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and isinstance(row.get("url"), str) else None
