#!/usr/bin/env python3
"""Verify an export of Amparo for a court, without Amparo: Python's standard library, and OpenSSL for time-stamps if there.

    python3 -I amparo_verify_bag.py FOLDER-or-FILE.zip [--workspace HEX] [--checkpoint FILE] [--tsa-roots FILE] [--openssl]

Written from docs/format.md and docs/guide/court-export.md, sharing no code with Amparo, so that an opposing expert need not
trust ours. In this order: the bag (RFC 8493), the signed list of files, certificates, entries, custody rows, the custody table,
proofs of time. Exit status 0: all is as signed; 5: it is not, and the first line says what; 2: it cannot be read.

What it cannot show: whose workspace it is (compare its number with one you got another way, or give it as --workspace), that
the device's owner left no row out, or that a row is true. Ed25519 (RFC 8032) and AES (FIPS 197) are written out below, for
verifying and reading only; --openssl has OpenSSL check each signature a second time.
"""

import sys

if __name__ == "__main__" and not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
    del sys.path[0]  # the folder this lies in: in a forged bag, a csv.py beside it would run in the place of Python's

import argparse
import base64
import calendar
import csv
import hashlib
import hmac
import io
import json
import os
import re
import shutil
import struct
import subprocess
import tempfile
import time
import unicodedata
import zipfile
import zlib
from pathlib import Path

STATEMENT, LEDGER, TABLE = "data/custody/statement.cbor", "data/custody/ledger.cbor", "data/custody/custody.csv"
ME = "verify/amparo_verify_bag.py"
PROTECTED = bytes.fromhex("a10132")
PIECE = 1 << 20
SMALL = 512 << 20
LISTS = 64 << 20
DAY = 86_400_000
STRONG = ("sha512", "sha384", "sha256", "sha224", "sha3_256", "sha3_384", "sha3_512")
KNOWN = (*STRONG, "sha1", "md5")


class Wrong(Exception):
    """name: what is wrong, one word; detail: where."""

    def __init__(self, name, detail=""):
        super().__init__(f"{name} {detail}".strip())
        self.name = name


def shown(text):
    """Text of a stranger: on one line, nothing that moves the cursor, hides or reorders letters."""
    return "".join(c if c.isprintable() and unicodedata.category(c) != "Cf" else f"\\u{{{ord(c):x}}}" for c in str(text))[:300]


# -- the bag: folder or zip --------------------------------------------------------------------------------------------


def alike(path):
    """What a path is on a disk that ignores case and normal form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


class Folder:
    """Files of a folder: path -> size. A link is refused, whatever it leads to."""

    def __init__(self, root):
        self.root, self.files = Path(root), {}
        for here, folders, names in os.walk(self.root):
            for name in sorted([*folders, *names]):
                path = Path(here) / name
                if path.is_symlink():
                    raise Wrong("LinkInBag", path.relative_to(self.root).as_posix())
                if name in names:
                    if not path.is_file():
                        raise Wrong("NotAFile", path.relative_to(self.root).as_posix())
                    self.files[path.relative_to(self.root).as_posix()] = path.stat().st_size

    def open(self, path):
        return (self.root / path).open("rb")


class Zip:
    """Files of a zip file that lie below its one folder: path -> size. Nothing lies between, before or behind them."""

    def __init__(self, path):
        self.archive, self.files, self.top, seen = zipfile.ZipFile(path), {}, None, {}
        self.check_gaps()
        for info in self.archive.infolist():
            name = info.orig_filename
            if info.flag_bits & 1:
                raise Wrong("Encrypted", name)
            if (info.external_attr >> 28) == 0xA:
                raise Wrong("LinkInBag", name)
            if info.file_size > 256 << 20 and info.file_size > 200 * max(1, info.compress_size):
                raise Wrong("ZipBomb", name)
            if name.startswith(("/", "\\", "~")) or name[1:2] == ":" or "\\" in name or ".." in name.split("/"):
                raise Wrong("PathUnsafe", name)
            if alike(name) in seen:
                raise Wrong("PathTwice", f"{name} and {seen[alike(name)]}")
            seen[alike(name)] = name
            top, slash, rest = name.partition("/")
            if self.top not in (None, top) or not slash:
                raise Wrong("NotOneFolder", name)
            self.top = top
            if rest and not name.endswith("/"):
                self.files[rest] = info.file_size

    def check_gaps(self):
        """Some programs unpack by the list at the end, some from the start: a second bag must not hide from either."""
        stream, at, room = self.archive.fp, 0, 0
        for info in sorted(self.archive.infolist(), key=lambda one: one.header_offset):
            if not 0 <= info.header_offset - at <= room:
                raise Wrong("HiddenInZip", f"before {info.orig_filename}")
            stream.seek(info.header_offset)
            head = stream.read(30)
            if head[:4] != b"PK\3\4" or len(head) < 30:
                raise Wrong("HiddenInZip", info.orig_filename)
            flags, method, crc, packed, name, extra = struct.unpack("<6xHH4xLL4xHH", head)
            room = 24 if flags & 8 else 0  # where its sizes may follow a file
            sizes = (info.CRC, info.compress_size), (info.CRC, 0xFFFFFFFF)
            if method != info.compress_type or (not room and (crc, packed) not in sizes):
                raise Wrong("HiddenInZip", info.orig_filename)
            at = info.header_offset + 30 + name + extra + info.compress_size
        stream.seek(0, 2)
        end = stream.tell()
        stream.seek(max(0, end - 22))
        if not 0 <= self.archive.start_dir - at <= room or stream.read(4) != b"PK\5\6":
            raise Wrong("HiddenInZip", "behind the last file")

    def open(self, path):
        return self.archive.open(f"{self.top}/{path}")


def whole(bag, path, most=SMALL, found=None):
    """A file's bytes; with ``found`` they are those that were hashed before."""
    if bag.files.get(path, most) >= most:
        raise Wrong("FileMissing" if path not in bag.files else "FileTooLarge", path)
    with bag.open(path) as stream:
        data = stream.read(most)
    if found is not None and hashlib.sha256(data).hexdigest() != found[path]["sha256"]:
        raise Wrong("FileAltered", f"{path} (while it was read)")
    return data


def digests(bag, path, names):
    found, size = {name: hashlib.new(name) for name in names}, 0
    with bag.open(path) as stream:
        while True:
            piece = stream.read(PIECE)
            if not piece:
                return {name: one.hexdigest() for name, one in found.items()}, size
            size += len(piece)
            for one in found.values():
                one.update(piece)


# -- BagIt (RFC 8493) --------------------------------------------------------------------------------------------------


def check_path(path):
    steps = path.split("/")
    if not path or any(step in ("", ".", "..") for step in steps) or path[0] in "/\\~" or "\\" in path or path[1:2] == ":":
        raise Wrong("PathUnsafe", path)


def read_manifest(bag, name):
    """Path to digest; refuses a path that stands twice, or twice but for case or normal form."""
    found, seen = {}, {}
    for line in filter(None, re.split("\r\n|\n|\r", whole(bag, name, LISTS).decode("utf-8"))):
        match = re.fullmatch(r"([0-9A-Fa-f]{32,128})[ \t]+\*?(.+)", line, re.DOTALL)
        if match is None:
            raise Wrong("ManifestLine", f"{name}: {line}")
        path = re.sub("%(0[aA]|0[dD]|25)", lambda m: bytes.fromhex(m[1]).decode(), match[2])
        check_path(path)
        if alike(path) in seen:
            raise Wrong("PathTwice", f"{path} and {seen[alike(path)]} in {name}")
        seen[alike(path)] = path
        found[path] = match[1].lower()
    return found


def check_bag(bag):
    """Every rule of the format that protects something; returns path -> {algorithm: digest} of all files."""
    declaration = whole(bag, "bagit.txt", LISTS).decode("utf-8")
    if not re.fullmatch(r"BagIt-Version: (0\.9[3-7]|1\.0)\r?\nTag-File-Character-Encoding: UTF-8\s*", declaration):
        raise Wrong("NotABag", "bagit.txt")
    if "fetch.txt" in bag.files:
        raise Wrong("FilesElsewhere", "fetch.txt")
    manifests, tags = {}, {}
    for path in bag.files:
        match = re.fullmatch(r"(tag)?manifest-([a-z0-9]+)\.txt", path)
        if match:
            if match[2] not in KNOWN:
                raise Wrong("UnknownAlgorithm", path)
            (tags if match[1] else manifests)[match[2]] = read_manifest(bag, path)
    if not set(manifests) & set(STRONG):
        raise Wrong("NoStrongManifest", "no manifest of the SHA-2 or SHA-3 family")
    payload = {path for path in bag.files if path.startswith("data/")}
    for algorithm, listed in manifests.items():
        for path in sorted(payload ^ set(listed)):
            raise Wrong("FileMissing" if path in listed else "FileExtra", f"{path} (manifest-{algorithm})")
    found = {}
    for path in sorted(bag.files):
        lists = manifests if path in payload else tags
        wanted = {name: listed[path] for name, listed in lists.items() if path in listed}
        found[path], _size = digests(bag, path, {*wanted, "sha256"})
        for name, digest in wanted.items():
            if found[path][name] != digest:
                raise Wrong("FileAltered", f"{path} ({name})")
    for listed in tags.values():
        for path in set(listed) - set(bag.files):
            raise Wrong("FileMissing", path)
    check_oxum(bag, payload)
    return found


def check_oxum(bag, payload):
    if "bag-info.txt" not in bag.files:
        return
    for line in whole(bag, "bag-info.txt", LISTS).decode("utf-8").splitlines():
        match = re.fullmatch(r"(?i)payload-oxum\s*:\s*(\d+)\.(\d+)\s*", line)
        if match and (int(match[1]), int(match[2])) != (sum(bag.files[path] for path in payload), len(payload)):
            raise Wrong("OxumWrong", line)


# -- deterministic CBOR (RFC 8949, 4.2.1), without maps but the empty one ----------------------------------------------


def cbor_item(data, at, depth=0):
    """(value, next offset)."""
    if depth > 18 or at >= len(data):
        raise Wrong("NotCanonical", "cut or nested too deeply")
    first = data[at]
    if first in (0xF4, 0xF5, 0xF6):
        return {0xF4: False, 0xF5: True, 0xF6: None}[first], at + 1
    major, value, at = first >> 5, first & 31, at + 1
    if value > 23:
        width = {24: 1, 25: 2, 26: 4, 27: 8}.get(value)
        if width is None or at + width > len(data):
            raise Wrong("NotCanonical", "indefinite or cut")
        value, at = int.from_bytes(data[at : at + width], "big"), at + width
        if value < {1: 24, 2: 1 << 8, 4: 1 << 16, 8: 1 << 32}[width]:
            raise Wrong("NotCanonical", "a longer integer than needed")
    if major == 0:
        return value, at
    if major == 1:
        return -1 - value, at
    if major in (2, 3):
        if at + value > len(data):
            raise Wrong("NotCanonical", "string cut")
        raw = data[at : at + value]
        return (raw if major == 2 else raw.decode("utf-8")), at + value
    if major == 4:
        items = []
        for _ in range(value):
            item, at = cbor_item(data, at, depth + 1)
            items.append(item)
        return items, at
    if major == 5 and value == 0:
        return {}, at
    raise Wrong("NotCanonical", "a type that has no place here")


def cbor(data):
    value, end = cbor_item(data, 0)
    if end != len(data):
        raise Wrong("NotCanonical", "trailing bytes")
    return value


def shape(value, kinds, where):
    """A list of just these types, or refused."""
    if not isinstance(value, list) or [type(one) for one in value] != kinds:
        raise Wrong("BadForm", where)
    return value


def byte_string(data):
    """A byte string, or text, in CBOR."""
    major, raw = (0x60, data.encode()) if isinstance(data, str) else (0x40, data)
    n = len(raw)
    if n < 24:
        return bytes([major | n]) + raw
    width, lead = next((w, 24 + i) for i, w in enumerate((1, 2, 4, 8)) if n < 1 << (8 * w))
    return bytes([major | lead]) + n.to_bytes(width, "big") + raw


# -- Ed25519 (RFC 8032, 5.1): verification, with tables of doubled points ----------------------------------------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def recover_x(y, sign):
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    return P - x if x & 1 != sign else x


def point(data):
    y = int.from_bytes(data, "little")
    x = recover_x(y & (1 << 255) - 1, y >> 255)
    return None if x is None else (x, y & (1 << 255) - 1, 1, x * (y & (1 << 255) - 1) % P)


def add(a, b):
    m, n = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = n - m, d - c, d + c, n + m
    return e * f % P, g * h % P, f * g % P, e * h % P


TABLES = {}


def times(scalar, base, name):
    if name not in TABLES:
        table = [base]
        for _ in range(255):
            table.append(add(table[-1], table[-1]))
        TABLES[name] = table
    result = (0, 1, 1, 0)
    for doubled in TABLES[name]:
        if scalar & 1:
            result = add(result, doubled)
        scalar >>= 1
    return result


BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def ed25519(key, message, signature):
    """True if the signature holds; points of small order and scalars that are not reduced are refused."""
    if len(key) != 32 or len(signature) != 64:
        return False
    a, r, s = point(key), point(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= ORDER:
        return False
    eight = times(8, a, key)
    if eight[0] % P == 0:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % ORDER
    left, right = times(s, BASE, b""), add(r, times(k, a, key))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


class Signatures:
    """Checks COSE_Sign1 (RFC 9052); counts; with ``second`` OpenSSL has to agree each time."""

    def __init__(self, second=None):
        self.second, self.count = second, 0

    def parts(self, raw):
        """(payload, signature), unchecked."""
        if raw[:1] != b"\xd2":
            raise Wrong("BadSignature", "not a COSE_Sign1")
        protected, unprotected, payload, signature = shape(cbor(raw[1:]), [bytes, dict, bytes, bytes], "COSE_Sign1")
        if protected != PROTECTED or unprotected:
            raise Wrong("BadSignature", "another algorithm")
        return payload, signature

    def check(self, raw, key, context, where):
        payload, signature = self.parts(raw)
        signed = b"\x84" + b"".join(map(byte_string, ("Signature1", PROTECTED, context, payload)))
        if not ed25519(key, signed, signature) or (self.second and not self.second(key, signed, signature)):
            raise Wrong("BadSignature", where)
        self.count += 1
        return payload


def by_openssl(key, message, signature):
    """A second opinion on one signature."""
    with tempfile.TemporaryDirectory() as folder:
        der = bytes.fromhex("302a300506032b6570032100") + key
        for name, data in (("key", der), ("message", message), ("signature", signature)):
            (Path(folder) / name).write_bytes(data)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key", "-rawin", "-in", "message",
                   "-sigfile", "signature"]  # fmt: skip
        return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


# -- AES-256 in counter mode, as GCM uses it (NIST SP 800-38D, 6.5): to read a part whose hash and key are signed for --


def sbox():
    p = q = 1
    box = [0] * 256
    while True:
        p ^= (p << 1 & 0xFF) ^ (0x1B if p & 0x80 else 0)
        for shift in (1, 2, 4):
            q ^= q << shift & 0xFF
        q ^= 0x09 if q & 0x80 else 0
        box[p] = 0x63 ^ q
        for turn in (1, 2, 3, 4):
            box[p] ^= (q << turn | q >> 8 - turn) & 0xFF
        if p == 1:
            box[0] = 0x63
            return box


BOX = sbox()
TWO = [(s << 1) ^ (0x11B if s & 0x80 else 0) for s in BOX]
THREE = [two ^ s for two, s in zip(TWO, BOX, strict=False)]
ROUND = [
    [struct.unpack(">I", bytes(row))[0] for row in zip(*columns, strict=False)]
    for columns in ((TWO, BOX, BOX, THREE), (THREE, TWO, BOX, BOX), (BOX, THREE, TWO, BOX), (BOX, BOX, THREE, TWO))
]


def expand(key):
    words, rcon = list(struct.unpack(">8I", key)), 1
    for i in range(8, 60):
        w = words[-1]
        if i % 8 == 0:
            w = (w << 8 | w >> 24) & 0xFFFFFFFF
        if i % 4 == 0:
            w = BOX[w >> 24] << 24 | BOX[w >> 16 & 255] << 16 | BOX[w >> 8 & 255] << 8 | BOX[w & 255]
        if i % 8 == 0:
            w, rcon = w ^ rcon << 24, rcon << 1
        words.append(words[-8] ^ w)
    return words


def block(words, data):
    state = [a ^ b for a, b in zip(struct.unpack(">4I", data), words, strict=False)]
    one, two, three, four = ROUND
    for at in range(4, 56, 4):
        state = [
            one[state[i] >> 24] ^ two[state[(i + 1) % 4] >> 16 & 255] ^ three[state[(i + 2) % 4] >> 8 & 255]
            ^ four[state[(i + 3) % 4] & 255] ^ words[at + i]
            for i in range(4)
        ]  # fmt: skip
    last = [
        (BOX[state[i] >> 24] << 24 | BOX[state[(i + 1) % 4] >> 16 & 255] << 16 | BOX[state[(i + 2) % 4] >> 8 & 255] << 8
         | BOX[state[(i + 3) % 4] & 255]) ^ words[56 + i]
        for i in range(4)
    ]  # fmt: skip
    return struct.pack(">4I", *last)


def decrypt(key, sealed):
    """The plain part. Its tag is not computed: hash and key are signed for, and only one plain text belongs to them."""
    words, plain = expand(key), bytearray()
    for number, at in enumerate(range(0, len(sealed) - 16, 16), 2):
        piece = sealed[at : min(at + 16, len(sealed) - 16)]
        plain += bytes(a ^ b for a, b in zip(piece, block(words, bytes(12) + number.to_bytes(4, "big")), strict=False))
    return bytes(plain)


# -- the ledger and the statement (docs/format.md; docs/guide/court-export.md) -----------------------------------------


def sha(data):
    return hashlib.sha256(data).digest()


class Entry:
    """The twelve fields of docs/format.md, section 3."""

    def __init__(self, raw, signatures):
        self.raw, self.hash = raw, sha(raw)
        kinds = [int, bytes, bytes, bytes, int, int, list, list, int, bytes, int, list]
        fields = shape(cbor(signatures.parts(raw)[0]), kinds, "an entry")
        self.workspace, self.device, self.prev, self.seq, self.claimed = fields[1], fields[2], fields[3], fields[4], fields[8]
        self.compartment, self.parts = fields[9], fields[11]
        if fields[0] != 1 or len(self.workspace) != 16 or len(self.device) != 16:
            raise Wrong("BadForm", "an entry")


def read_certificates(logs, workspace, signatures):
    """Device -> (number, key), for those that follow from the root whose hash is the workspace's number."""
    waiting, roots, firsts = [], set(), {}
    for log in logs:
        raw, genesis, certificate = shape(log, [bytes, bytes, bytes], "the beginning of a log")
        entry = Entry(raw, signatures)
        if entry.workspace != workspace or entry.seq or entry.compartment != bytes(16) or len(entry.parts) < 2:
            raise Wrong("NoGenesis", entry.device.hex())
        if [part[0] for part in entry.parts[:2]] != [sha(genesis), sha(certificate)]:
            raise Wrong("NoGenesis", entry.device.hex())
        kinds = cbor(genesis), cbor(certificate)
        if kinds[0][0] != "genesis@1" or kinds[1][0] != "device@1":
            raise Wrong("NoGenesis", entry.device.hex())
        roots.add(kinds[0][1][0][0])
        raw_certificate = kinds[1][1][0][0]
        fields = shape(
            cbor(signatures.parts(raw_certificate)[0]), [int, bytes, bytes, int, bytes, bytes, bytes, bytes], "a certificate"
        )
        if fields[1] != workspace or fields[2] != entry.device or sha(b"amparo/device-id/1" + fields[4])[:16] != fields[2]:
            raise Wrong("BadCertificate", entry.device.hex())
        firsts[entry.device] = entry
        waiting.append((raw_certificate, fields))
    if len(roots) != 1:
        raise Wrong("NoGenesis", "not one root")
    root = roots.pop()
    if sha(b"amparo/workspace/1" + root)[:16] != workspace:
        raise Wrong("NoGenesis", "another root")
    known = {}
    while waiting:
        rest = []
        for raw, fields in waiting:
            issuer = root if fields[7] == workspace else known.get(fields[7], (0, None))[1]
            if issuer is None:
                rest.append((raw, fields))
                continue
            signatures.check(raw, issuer, b"amparo/device/1", f"certificate of {fields[2].hex()}")
            if fields[3] < 1 or fields[3] in {number for number, _ in known.values()}:
                raise Wrong("BadCertificate", "a number given twice")
            known[fields[2]] = fields[3], fields[4]
        if len(rest) == len(waiting):
            raise Wrong("UnknownDevice", rest[0][1][2].hex())
        waiting = rest
    for device, entry in firsts.items():
        signatures.check(entry.raw, known[device][1], b"amparo/entry/1", f"{device.hex()}:0")
    return known


def read_entries(raws, workspace, devices, signatures):
    entries = {}
    for raw in raws:
        entry = Entry(raw, signatures)
        where = f"{entry.device.hex()[:8]}:{entry.seq}"
        if entry.workspace != workspace or entry.device not in devices:
            raise Wrong("ForeignEntry", where)
        signatures.check(raw, devices[entry.device][1], b"amparo/entry/1", where)
        if (entry.device, entry.seq) in entries:
            raise Wrong("EntryTwice", where)
        entries[entry.device, entry.seq] = entry
    for (device, seq), entry in entries.items():
        before = entries.get((device, seq - 1))
        if before is not None and entry.prev != before.hash:
            raise Wrong("ChainBroken", f"{device.hex()[:8]}:{seq}")
    return entries


def open_parts(parts, entries, devices):
    """(opened rows as (type, row, place), places of all parts, how many stay sealed)."""
    rows, places, closed = [], set(), 0
    for part in parts:
        if not isinstance(part, list) or [type(x) for x in part[:4]] != [bytes, int, int, bytes] or len(part) != 5:
            raise Wrong("BadForm", "a part")
        device, seq, index, body, key = part
        entry, where = entries.get((device, seq)), f"part {index} of {device.hex()[:8]}:{seq}"
        if entry is None or not 0 <= index < len(entry.parts) or (device, seq, index) in places:
            raise Wrong("PartWithoutEntry", where)
        places.add((device, seq, index))
        digest, commitment, size = shape(entry.parts[index], [bytes, bytes, int], where)
        if sha(body) != digest or len(body) != size:
            raise Wrong("PartAltered", where)
        if key is None:
            closed += 1
            continue
        if type(key) is not bytes or hmac.new(key, b"amparo/part-commitment/1\x01", "sha256").digest() != commitment:
            raise Wrong("KeyOfAnotherPart", where)
        kind, found = shape(cbor(decrypt(key, body)), [str, list], where)
        rows += [(kind, row, f"{devices[device][0]}:{seq}:{index}") for row in found]
    return rows, places, closed


def check_statement(bag, found, workspace, devices, places, signatures):
    """The signed list against the files that are there; returns its fields."""
    raw = whole(bag, STATEMENT, found=found)
    kinds = [int, bytes, bytes, int, str, str, str, list, list, list, list]
    fields = shape(cbor(signatures.parts(raw)[0]), kinds, "the statement")
    if fields[0] != 1 or fields[1] != workspace or fields[2] not in devices:
        raise Wrong("ForeignStatement", fields[1].hex())
    signatures.check(raw, devices[fields[2]][1], b"amparo/court-export/1", "the statement")
    if {tuple(shape(part, [bytes, int, int], "a part")) for part in fields[8]} != places:
        raise Wrong("CustodyIncomplete", "parts of custody were added or removed after the export")
    listed = {path: digest for path, digest, _size in (shape(one, [str, bytes, int], "a file") for one in fields[10])}
    of_bag = re.compile(r"bagit\.txt|bag-info\.txt|(?:tag)?manifest-[a-z0-9]+\.txt")
    there = {path for path in found if path != STATEMENT and not of_bag.fullmatch(path)}
    for path in sorted(there ^ set(listed)):
        raise Wrong("FileRemoved" if path in listed else "FileAdded", path)
    for path in sorted(there):
        if bytes.fromhex(found[path]["sha256"]) != listed[path]:
            raise Wrong("FileNotAsSigned", path)
    for handle, path, digest, _size in (shape(one, [str, str, bytes, int], "an item") for one in fields[9]):
        if path and listed.get(f"data/{path}") != digest:
            raise Wrong("ItemSwapped", handle)
    return fields


def cell(text):
    line = " ".join(text.split())
    return "'" + line if line.startswith(("=", "+", "-", "@", "\t", "\r")) else line


def check_rows(bag, found, rows, items, known_places):
    """Opened rows against the statement's items and against the custody table, line by line.

    A line rests on a signed part that is here; a part that stays sealed cannot be compared, and is counted apart. Returns
    (rows, lines, remarks).
    """
    known, expected = {one[0]: one for one in items}, {}
    if len(known) != len(items):
        raise Wrong("ItemTwice", "the statement names an item twice")
    for kind, row, place in rows:
        if kind == "items@1" and (row[0] not in known or row[2] != known[row[0]][2] or row[4] != known[row[0]][3]):
            raise Wrong("ItemSwapped", f"{row[0]}: the signed row names another file")
        if kind == "custody@1":
            if row[0] not in known:
                raise Wrong("ForeignRow", place)
            expected.setdefault(place, []).append([row[0], row[1], *map(cell, row[3:8])])
    csv.field_size_limit(SMALL)
    lines = list(csv.reader(io.StringIO(whole(bag, TABLE, found=found).decode("utf-8"), newline="")))[1:]
    told = {}
    for line in lines:
        if len(line) != 11 or line[0] not in known or line[2] != known[line[0]][2].hex():
            raise Wrong("TableWrong", " ".join(line))
        if line[10] not in known_places:
            raise Wrong("TableWrong", f"no signed part is here for {line[10]}")
        if line[1] != known[line[0]][1] or line[4] != line[10].partition(":")[0]:
            raise Wrong("TableWrong", f"file or device of {line[0]} in the line that rests on {line[10]}")
        told.setdefault(line[10], []).append([line[0], milliseconds(line[3]), *line[5:10]])
    for place, events in expected.items():
        if sorted(told.get(place, [])) != sorted(events):
            raise Wrong("TableWrong", f"the table differs from the signed row {place}")
    return sum(map(len, expected.values())), len(lines), remarks_on(rows)


def remarks_on(rows):
    """What a signature does not forbid, and a reader should see: another device's name, times that run backwards."""
    lines, latest = [], {}
    custody = [(tuple(map(int, place.split(":"))), row) for kind, row, place in rows if kind == "custody@1"]
    for (device, *place), row in sorted(custody, key=lambda one: one[0]):
        where = f"{row[0]}, entry {device}:{place[0]}:{place[1]} ({row[3]})"
        if row[2] != str(device):
            lines.append(f"{where}: the row names device {row[2]}; device {device} signed it")
        if row[1] + DAY < latest.get(device, 0):
            lines.append(f"{where}: its time lies before that of an earlier entry: the clock was set back, or it is back-dated")
        latest[device] = max(row[1], latest.get(device, 0))
    return lines


def milliseconds(text):
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{3})Z", text)
    if match is None:
        raise Wrong("TableWrong", text)
    return calendar.timegm(time.strptime(match[1], "%Y-%m-%dT%H:%M:%S")) * 1000 + int(match[2])


def check_checkpoint(text, workspace, devices, entries, signatures):
    """Heads that were kept elsewhere against the entries that are here; how many could be compared."""
    lines = [line.strip() for line in text.strip().splitlines()]
    if lines and lines[0].lower().startswith("amparo checkpoint"):
        lines = lines[1:]
    body = "".join("".join(line.split()) for line in lines).upper()
    raw = base64.b32decode(body + "=" * (-len(body) % 8))
    _, home, signer, _, heads = shape(cbor(signatures.parts(raw)[0]), [int, bytes, bytes, int, list], "the checkpoint")
    if home != workspace or signer not in devices:
        raise Wrong("ForeignCheckpoint", home.hex())
    signatures.check(raw, devices[signer][1], b"amparo/checkpoint/1", "the checkpoint")
    compared = 0
    for device, seq, digest in heads:
        if (device, seq) in entries:
            compared += 1
            if entries[device, seq].hash != digest:
                raise Wrong("Diverged", f"{device.hex()[:8]}:{seq}")
    return compared


# -- proofs of time ----------------------------------------------------------------------------------------------------


def check_paths(bag, items):
    """The Merkle paths (RFC 9162, 2.1.3.2) from items to stamped roots: set of roots that are proven."""
    by_hash, roots = {one[2].hex(): one for one in items}, {}
    for path in sorted(bag.files):
        if not re.fullmatch(r"data/proofs/.*-proof\.json", path):
            continue
        told = json.loads(whole(bag, path))
        item = by_hash.get(told["sha256"])
        if item is None or item[3] != told["size"]:
            raise Wrong("ProofOfAnother", path)
        content = bytes.fromhex(told["sha256"]) + bytes.fromhex(told["blake3"]) + told["size"].to_bytes(8, "big")
        for one in told["proofs"]:
            node, last = one["index"], one["leaves"] - 1
            value = sha(b"\x00amparo/stamp/item/1" + bytes.fromhex(one["salt"]) + content)
            for sibling in map(bytes.fromhex, one["path"]):
                if last == 0:
                    raise Wrong("ProofWrong", path)
                if node & 1 or node == last:
                    value = sha(b"\x01" + sibling + value)
                    while node and not node & 1:
                        node, last = node >> 1, last >> 1
                else:
                    value = sha(b"\x01" + value + sibling)
                node, last = node >> 1, last >> 1
            if last or value.hex() != one["root"]:
                raise Wrong("ProofWrong", path)
            roots.setdefault(one["root"], set()).add(item[0])
    return roots


def check_stamps(bag, roots, own_roots):
    """Each RFC 3161 reply, by OpenSSL at the time it names: sentences, and how many could not be checked."""
    lines, unchecked = [], 0
    for path in sorted(bag.files):
        match = re.fullmatch(r"(data/proofs/(?:.*/)?)([^/]+)-([0-9a-f]{16})\.tsr", path)
        if match is None:
            continue
        if shutil.which("openssl") is None:
            unchecked += 1
            continue
        folder, name, mark = match.groups()
        root = whole(bag, f"{folder}root-{mark}.bin")
        if root.hex() not in roots or not root.hex().startswith(mark):
            raise Wrong("ProofWrong", f"{path}: no path leads to its root")
        chain = own_roots or whole(bag, f"{folder}{name}.pem")
        when, who = openssl_ts(whole(bag, path), root, chain, path)
        marks = ", ".join(fingerprints(chain))
        items = ", ".join(sorted(roots[root.hex()]))
        whose = f"time-stamp of {shown(who)}; compare the SHA-256 of its certificate: {marks}"
        lines.append(f"{shown(items)} existed before {when} ({whose})")
    return lines, unchecked


def fingerprints(chain):
    """SHA-256 of each certificate of a PEM file: what an authority publishes of its root."""
    found = re.findall(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", chain, re.DOTALL)
    return [sha(base64.b64decode(one)).hex() for one in found[:20]]


def openssl_ts(reply, root, chain, path):
    with tempfile.TemporaryDirectory() as folder:
        for name, data in (("reply", reply), ("root", root), ("chain", chain)):
            (Path(folder) / name).write_bytes(data)

        def run(*words):
            environment = {**os.environ, "LC_ALL": "C"}
            return subprocess.run(["openssl", *words], cwd=folder, capture_output=True, text=True, check=False, env=environment)

        if run("ts", "-reply", "-in", "reply", "-token_out", "-out", "token").returncode:
            raise Wrong("StampWrong", path)
        text = run("ts", "-reply", "-token_in", "-in", "token", "-text").stdout  # of what the authority signed, and no more
        when = re.search(r"^Time stamp: (\w{3} +\d+ \d\d:\d\d:\d\d)(?:\.\d+)? (\d{4}) GMT", text, re.MULTILINE)
        if when is None:
            raise Wrong("StampWrong", path)
        at = calendar.timegm(time.strptime(f"{when[1]} {when[2]}", "%b %d %H:%M:%S %Y"))
        certificates = ("-CAfile", "chain", "-untrusted", "chain")
        done = run("ts", "-verify", "-data", "root", "-in", "reply", *certificates, "-attime", str(at))
        if done.returncode or "Verification: OK" not in done.stdout + done.stderr:
            raise Wrong("StampWrong", path)
        who = re.search(r"^TSA: (.*)$", text, re.MULTILINE)
        return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(at))} UTC", who[1] if who else "an unnamed authority"


def check_ots(bag, items):
    """OpenTimestamps files: what they say has to stand in which block of Bitcoin."""
    lines, by_hash = [], {one[2]: one[0] for one in items}
    for path in sorted(bag.files):
        if not re.fullmatch(r"data/proofs/.*\.ots", path):
            continue
        data = whole(bag, path)
        head = b"\0OpenTimestamps\0\0Proof\0\xbf\x89\xe2\xe8\x84\xe8\x92\x94\x01\x08"
        if not data.startswith(head) or data[len(head) : len(head) + 32] not in by_hash:
            raise Wrong("ProofOfAnother", path)
        digest = data[len(head) : len(head) + 32]
        ends = []
        ots_walk(data, len(head) + 32, digest, ends, path, 0)
        blocks = [f"block {height} of Bitcoin must have the Merkle root {root}" for height, root in sorted(set(ends))]
        told = "; ".join(blocks) or "only promised by a calendar so far"
        lines.append(f"{shown(by_hash[digest])}, OpenTimestamps: {told} (look it up in any copy of the chain)")
    return lines


def ots_walk(data, at, message, ends, path, depth):
    def number(at):
        value = shift = 0
        while True:
            value, shift = value | (data[at] & 127) << shift, shift + 7
            if data[at] < 128:
                return value, at + 1
            at += 1

    if depth > 400 or len(message) > 4096:
        raise Wrong("ProofWrong", path)
    while True:
        more, tag = data[at] == 0xFF, data[at + 1] if data[at] == 0xFF else data[at]
        at += 2 if more else 1
        if tag == 0x00:
            kind, (length, start) = data[at : at + 8], number(at + 8)
            if kind.hex() == "0588960d73d71901":
                ends.append((number(start)[0], message[::-1].hex()))
            at = start + length
        else:
            if tag in (0xF0, 0xF1):
                length, start = number(at)
                extra, at = data[start : start + length], start + length
                result = message + extra if tag == 0xF0 else extra + message
            elif tag in (0x02, 0x03, 0x08):
                result = hashlib.new({0x02: "sha1", 0x03: "ripemd160", 0x08: "sha256"}[tag], message).digest()
            else:
                raise Wrong("ProofWrong", path)
            at = ots_walk(data, at, result, ends, path, depth + 1)
        if not more:
            return at


# -- all of it ---------------------------------------------------------------------------------------------------------


def verify(bag, workspace=None, checkpoint=None, tsa_roots=None, second=None):
    """Returns what was found as plain values, or raises Wrong."""
    found = check_bag(bag)
    if STATEMENT not in found or LEDGER not in found or TABLE not in found:
        raise Wrong("NoSignedCustody", "the bag is whole, but nothing in it is signed")
    signatures = Signatures(second)
    ledger = cbor(whole(bag, LEDGER, found=found))
    version, home, logs, raws, parts = shape(ledger, [int, bytes, list, list, list], "ledger.cbor")
    if version != 1 or (workspace is not None and home != workspace):
        raise Wrong("AnotherWorkspace", home.hex())
    devices = read_certificates(logs, home, signatures)
    entries = read_entries(raws, home, devices, signatures)
    rows, places, closed = open_parts(parts, entries, devices)
    statement = check_statement(bag, found, home, devices, places, signatures)
    items = statement[9]
    known_places = {f"{devices[device][0]}:{seq}:{index}" for device, seq, index in places}
    opened, lines, remarks = check_rows(bag, found, rows, items, known_places)
    roots = check_paths(bag, items)
    stamps, unchecked = check_stamps(bag, roots, tsa_roots)
    with Path(__file__).open("rb") as stream:
        same = found.get(ME, {}).get("sha256") == hashlib.sha256(stream.read()).hexdigest()
    result = {
        "workspace": home.hex(), "device": statement[2].hex(), "exported_ms": statement[3], "audience": statement[4],
        "files": len(found), "items": [[one[0], one[1], one[2].hex(), one[3]] for one in items],
        "signatures": signatures.count, "rows_opened": opened, "parts_sealed": closed, "events": lines,
        "remarks": remarks,
        "stamps": stamps, "stamps_unchecked": unchecked, "opentimestamps": check_ots(bag, items),
        "program_in_bag_is_this": same,
    }  # fmt: skip
    if checkpoint is not None:
        result["checkpoint_heads_compared"] = check_checkpoint(checkpoint, home, devices, entries, signatures)
    return result


def told(result):
    """The result in sentences; every word of a stranger passes ``shown``."""
    home = " ".join(result["workspace"][at : at + 4] for at in range(0, 32, 4))
    items = len(result["items"])
    lines = [
        f"VERIFIED: {items} item{'' if items == 1 else 's'}, {result['files']} files, {result['signatures']} signatures.",
        f"Signed by device {result['device']} of the workspace {home}.",
        "Whose workspace that is, nothing in the bag can show: compare the number with one you got another way.",
        (f"Custody: {result['events']} events in the table, {result['rows_opened']} of them compared with signed rows; "
        f"{result['parts_sealed']} signed parts stay sealed (names), their keys can be asked for."),
    ]
    lines += [f"  {shown(handle)}  {digest}  {shown(path)}" for handle, path, digest, _size in result["items"]]
    lines += [f"LOOK AT: {shown(remark)}" for remark in result["remarks"]]
    lines += [*result["stamps"], *result["opentimestamps"]]
    if result["stamps_unchecked"]:
        lines.append(f"NOT CHECKED: {result['stamps_unchecked']} time-stamps, since OpenSSL is not here.")
    if "checkpoint_heads_compared" in result:
        lines.append(f"Heads of the checkpoint that could be compared: {result['checkpoint_heads_compared']}.")
    if not result["program_in_bag_is_this"]:
        lines.append("The program in the bag is another version of this one; the one that ran is yours.")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description="Verify an Amparo export for a court.")
    parser.add_argument("bag", type=Path)
    parser.add_argument("--workspace", type=lambda text: bytes.fromhex(text.replace(" ", "")))
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--tsa-roots", type=Path, help="PEM file with the authorities' roots, instead of those in the bag")
    parser.add_argument("--openssl", action="store_true", help="have OpenSSL check every signature a second time")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    try:
        checkpoint = arguments.checkpoint.read_text() if arguments.checkpoint else None
        tsa_roots = arguments.tsa_roots.read_bytes() if arguments.tsa_roots else None
        bag = Folder(arguments.bag) if arguments.bag.is_dir() else Zip(arguments.bag)
        second = by_openssl if arguments.openssl else None
        result = verify(bag, arguments.workspace, checkpoint, tsa_roots, second)
    except Wrong as wrong:
        print(json.dumps({"verified": False, "wrong": wrong.name, "detail": str(wrong)}) if arguments.json
              else f"NOT VERIFIED: {shown(wrong)}")  # fmt: skip
        return 5
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, NotImplementedError,
            struct.error, csv.Error) as error:  # fmt: skip
        print(f"NOT VERIFIED: BadForm {shown(type(error).__name__)}")
        return 5
    except (OSError, EOFError, RuntimeError, MemoryError, zlib.error, zipfile.BadZipFile) as error:
        print(f"cannot be read: {shown(error)}", file=sys.stderr)
        return 2
    print(json.dumps({"verified": True, **result}, indent=1) if arguments.json else told(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
