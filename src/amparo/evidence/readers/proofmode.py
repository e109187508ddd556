"""Reads ProofMode bundles: a zip with media, the proof about each (CSV, JSON), and OpenPGP signatures over both.

Invariant: each media file's SHA-256 is computed and compared with the signed one; each signature is checked against the key in
the bundle, which shows that one hand signed all of it and not whose hand. The files themselves come out by the archive reader.

Source: guardianproject/proofmode-android, HowToVerifyProofData.txt and the fields its apps write (2016 to 2026).
"""

import hashlib
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from lzma import LZMAError
from typing import Any, BinaryIO, Final

from pysequoia import Cert, Sig, verify

from amparo.evidence.findings import Facts, Finding, Hints, Warn
from amparo.evidence.readers import capturelog
from amparo.evidence.readers.capturelog import Record
from amparo.kernel.i18n import _

MEDIA_TYPES = ("application/zip",)
NAME = "proofmode/1"
_PROOF: Final = re.compile(r"(?:(?P<hash>[0-9a-fA-F]{64})|.*)\.proof\.(?:csv|json)", re.DOTALL)
_BESIDE: Final = (".asc", ".proof.csv", ".proof.json", ".ots", ".gst", ".nostr", ".provider", ".cert", ".p7b", "batchproof.csv")
_SMALL: Final = 1 << 20
_WHOLE: Final = 64 << 20
"""Bytes of a media file up to which its own signature is checked: pysequoia takes the whole. The proof's covers its hash."""
_MEMBERS: Final = 20_000
_SWELL: Final = 20
"""Times the zip's size up to which its media are unpacked to be hashed: media hardly shrink, bombs do."""
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)
"""What zipfile raises on a damaged or encrypted member."""
_HASH: Final = ("filehashsha256", "sha256", "hash", "filehash")
_CAPTURED: Final = ("proofgenerated", "datecreated", "filecreated", "filemodified", "modified", "currentdatetime0gmt")


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Yield Facts ("provenance") for each proof in the bundle; nothing for a zip that is none."""
    try:
        with zipfile.ZipFile(stream) as archive:
            listed = archive.infolist()
            infos = {info.filename: info for info in listed[:_MEMBERS] if not info.filename.endswith("/")}
            proofs = [name for name in infos if _PROOF.fullmatch(name.rpartition("/")[2])]
            if proofs:
                bundle = _Bundle(archive, infos, hints.size * _SWELL + (64 << 20))
                if len(infos) != sum(not info.filename.endswith("/") for info in listed):
                    bundle.unread = True
                    text = _("Two files in the bundle have one name, or there are more than {count}: not all were looked at.")
                    bundle.problems.append(text.format(count=_MEMBERS))
                yield from _bundle(bundle, proofs)
    except _BROKEN:
        return  # the archive reader tells what is wrong with it


@dataclass(slots=True)
class _Bundle:
    """The archive, its entries by name, the hashes of its media, and the key it brings."""

    archive: zipfile.ZipFile
    infos: dict[str, zipfile.ZipInfo]
    most: int
    unread: bool = False
    hashes: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    key: Any = None

    def take(self, name: str, most: int) -> bytes:
        """A member's bytes; b"" where it is longer, damaged or not there."""
        info = self.infos.get(name)
        if info is None or info.file_size > most:
            return b""
        try:
            with self.archive.open(info) as member:
                return member.read(most)
        except _BROKEN:
            return b""

    def hash_media(self) -> None:
        """SHA-256 of every file that is no proof, signature or key."""
        done = 0
        for name, info in self.infos.items():
            if name.endswith(_BESIDE):
                continue
            digest = hashlib.sha256()
            try:
                with self.archive.open(info) as member:
                    while chunk := member.read(1 << 20):
                        digest.update(chunk)
                        done += len(chunk)
                        if done > self.most:
                            raise EOFError
            except _BROKEN:
                self.unread = True
                text = _("{name}: damaged, encrypted or swelling beyond measure; its hash was not computed.")
                self.problems.append(text.format(name=name[:200]))
                if done > self.most:
                    return
                continue
            self.hashes.setdefault(digest.hexdigest(), []).append(name)

    def load_key(self) -> None:
        name = next((one for one in self.infos if one.rpartition("/")[2] == "pubkey.asc"), "")
        try:
            self.key = Cert.from_bytes(self.take(name, _SMALL)) if name else None
        except Exception:  # noqa: BLE001  pysequoia raises plain Exception subclasses of many kinds
            self.problems.append(_("The key in the bundle cannot be read."))


def _bundle(bundle: _Bundle, proofs: list[str]) -> Iterator[Finding]:
    bundle.hash_media()
    bundle.load_key()
    for name in proofs:
        data = bundle.take(name, _SMALL)
        records = capturelog.parse(data)
        if not records:
            bundle.problems.append(_("{name}: the proof cannot be read.").format(name=name[:200]))
            continue
        yield from _proof(bundle, name, data, records[-1])
    for problem in bundle.problems:
        yield Warn(problem)


def _proof(bundle: _Bundle, name: str, data: bytes, record: Record) -> Iterator[Finding]:
    match = _PROOF.fullmatch(name.rpartition("/")[2])
    claimed = (record.get(*_HASH) or (match["hash"] if match and match["hash"] else "") or "").lower()
    media = bundle.hashes.get(claimed, [])
    signed = _signature(bundle, name, data)
    media_signed = _media_signature(bundle, claimed, media[0]) if media else ""
    captured = record.time(*_CAPTURED)
    point = capturelog.point(record, captured)
    sentences = [*_hash_told(claimed, media, unread=bundle.unread), *_signature_told(bundle, signed, media_signed)]
    if captured:
        when = datetime.fromtimestamp(captured / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
        sentences.append(_("By the device's own clock the proof or the file is of {time}.").format(time=when))
    file_time = _zip_time(bundle.infos[media[0]]) if media else 0
    odd = [*capturelog.oddities([point] if point else []), *capturelog.skews(captured, point.time if point else 0, file_time)]
    sentences += odd
    if f"{claimed}.ots" in {one.rpartition("/")[2] for one in bundle.infos}:
        text = _("The bundle has an OpenTimestamps proof; keep it with `amparo evidence timestamp ITEM --import FILE.ots`.")
        sentences.append(text)
    yield Facts("provenance", {
        "scheme": "proofmode", "sensitive": False, "proof": name[:500], "sha256": claimed[:64],
        "files": media[:10],
        "hash": "match" if media else "unknown" if bundle.unread else "absent",
        "signature": signed, "media_signature": media_signed,
        "key": bundle.key.fingerprint if bundle.key else "", "captured": captured, "oddities": odd,
        "sentences": sentences, "fields": record.plain(),
    })  # fmt: skip
    if record.sensitive():
        yield Facts("provenance", {"proof": name[:500], **capturelog.sensitive_facts("proofmode", record.sensitive())})


def _signature(bundle: _Bundle, name: str, data: bytes) -> str:
    """Of a file by the ``.asc`` beside it: good, bad, none, no key."""
    return _verified(bundle, bundle.take(name + ".asc", _SMALL), data)


def _media_signature(bundle: _Bundle, claimed: str, media: str) -> str:
    """Of a media file by ``<hash>.asc`` or ``<name>.asc``: as ``_signature``, or "too large"."""
    folder = media.rpartition("/")[0]
    beside = f"{folder}/{claimed}.asc" if folder else f"{claimed}.asc"
    signature = bundle.take(beside, _SMALL) or bundle.take(f"{media}.asc", _SMALL)
    if signature and bundle.infos[media].file_size > _WHOLE:
        return "too large"
    return _verified(bundle, signature, bundle.take(media, _WHOLE) if signature else b"")


def _verified(bundle: _Bundle, signature: bytes, data: bytes) -> str:
    if not signature:
        return "none"
    if bundle.key is None:
        return "no key"
    try:
        done = verify(bytes=data, store=lambda _ids: [bundle.key], signature=Sig.from_bytes(signature))
    except Exception:  # noqa: BLE001  as above; whatever it is, the signature does not hold
        return "bad"
    return "good" if done.valid_sigs else "bad"


def _hash_told(claimed: str, media: list[str], *, unread: bool) -> Iterator[str]:
    if media:
        yield _("{name} is byte for byte the file that the proof is about (SHA-256).").format(name=media[0][:200])
    elif claimed and unread:
        yield _("Among the files that could be read none has the SHA-256 that the proof is about.")
    elif claimed:
        yield _("No file in the bundle has the SHA-256 that the proof is about: the file was changed or left out.")
    else:
        yield _("The proof names no SHA-256, so it is about no particular file.")


def _signature_told(bundle: _Bundle, proof: str, media: str) -> Iterator[str]:
    key = bundle.key.fingerprint if bundle.key else ""
    told = {
        "good": _("The proof's signature holds, by the key {key} that lies in the same bundle: compare its fingerprint with "
                  "one you got from the owner, or it shows no more than that one hand signed.").format(key=key),
        "bad": _("The proof's signature does NOT hold: proof or signature was changed, another key signed, or with an "
                 "algorithm that is unsafe."),
        "none": _("The proof is not signed: anybody could have written it."),
        "no key": _("The proof's signature was not checked: the bundle brings no key that can be read."),
    }  # fmt: skip
    yield told[proof]
    if media == "bad":
        yield _("The media file's own signature does NOT hold.")
    elif media == "good":
        yield _("The media file's own signature holds, by the same key.")
    elif media == "too large":
        yield _("The media file's own signature was not checked, the file being large; the signed proof covers its hash.")


def _zip_time(info: zipfile.ZipInfo) -> int:
    """A zip's times have no zone: taken as UTC, they tell days, not hours."""
    try:
        return int(datetime(*info.date_time, tzinfo=UTC).timestamp() * 1000) if info.date_time[0] > 1980 else 0
    except ValueError:
        return 0
