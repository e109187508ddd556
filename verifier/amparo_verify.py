#!/usr/bin/env python3
"""Verify an Amparo ledger without Amparo and without any key: Python's standard library and PyNaCl, nothing else.

    python amparo_verify.py WORKSPACE [--checkpoint FILE]

Written from docs/format.md, sharing no code with Amparo, so that an opposing expert need not trust ours. It checks signatures,
order, chain, certificates and the hash of every sealed part; it opens nothing. Exit status 0: all is as signed; 5: it is not,
and the first line says what; 2: wrong use.
"""

import argparse
import base64
import hashlib
import json
import struct
import sys
from pathlib import Path

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

PROTECTED = bytes.fromhex("a10132")
OPEN = bytes(16)
MORE = 1


class Wrong(Exception):
    """name: one of the names in docs/format.md, section 8; detail: where."""

    def __init__(self, name, detail=""):
        super().__init__(f"{name} {detail}".strip())
        self.name = name


# -- deterministic CBOR ------------------------------------------------------------------------------------------------


def cbor_head(data, at):
    """(major type, argument, next offset); only the shortest form of the argument is accepted."""
    if at >= len(data):
        raise Wrong("NotCanonical", "ends too early")
    major, info = data[at] >> 5, data[at] & 31
    if info < 24:
        return major, info, at + 1
    width = {24: 1, 25: 2, 26: 4, 27: 8}.get(info)
    if width is None or at + 1 + width > len(data):
        raise Wrong("NotCanonical", "indefinite or cut")
    value = int.from_bytes(data[at + 1 : at + 1 + width], "big")
    if value < {1: 24, 2: 1 << 8, 4: 1 << 16, 8: 1 << 32}[width]:
        raise Wrong("NotCanonical", "a longer integer than needed")
    return major, value, at + 1 + width


def cbor_item(data, at, depth=0):
    """(value, next offset)."""
    if depth > 18:
        raise Wrong("NotCanonical", "nested too deeply")
    if at < len(data) and data[at] in (0xF4, 0xF5, 0xF6):
        return {0xF4: False, 0xF5: True, 0xF6: None}[data[at]], at + 1
    major, value, at = cbor_head(data, at)
    if major == 0:
        return value, at
    if major == 1:
        if value >= 1 << 63:
            raise Wrong("NotCanonical", "integer over 64 bit")
        return -1 - value, at
    if major in (2, 3):
        if at + value > len(data):
            raise Wrong("NotCanonical", "string cut")
        raw = bytes(data[at : at + value])
        try:
            return (raw if major == 2 else raw.decode("utf-8")), at + value
        except UnicodeDecodeError:
            raise Wrong("NotCanonical", "text that is not UTF-8") from None
    if major == 4:
        items = []
        for _ in range(value):
            item, at = cbor_item(data, at, depth + 1)
            items.append(item)
        return items, at
    if major == 5:
        result, last = {}, b""
        for _ in range(value):
            start = at
            key, at = cbor_item(data, at, depth + 1)
            if type(key) not in (str, int) or (last and not (len(last), last) < (at - start, data[start:at])):
                raise Wrong("NotCanonical", "keys out of order")
            last = data[start:at]
            result[key], at = cbor_item(data, at, depth + 1)
        return result, at
    raise Wrong("NotCanonical", "a type that has no place here")


def cbor(data):
    value, end = cbor_item(data, 0)
    if end != len(data):
        raise Wrong("NotCanonical", "trailing bytes")
    return value


def byte_string(data):
    """Encode a byte string or, if it is text, a text string."""
    major, raw = (0x60, data.encode()) if isinstance(data, str) else (0x40, data)
    n = len(raw)
    for limit, lead in ((24, None), (1 << 8, 24), (1 << 16, 25), (1 << 32, 26)):
        if n < limit:
            head = bytes([major | n]) if lead is None else bytes([major | lead]) + n.to_bytes(1 << (lead - 24), "big")
            return head + raw
    raise ValueError("too long")


# -- COSE_Sign1 --------------------------------------------------------------------------------------------------------


def cose(raw):
    """(payload, signature), unchecked."""
    if raw[:1] != b"\xd2":
        raise Wrong("BadSignature", "not a COSE_Sign1")
    body = cbor(raw[1:])
    if not (isinstance(body, list) and len(body) == 4 and body[0] == PROTECTED and body[1] == {}):
        raise Wrong("BadSignature", "another form")
    if type(body[2]) is not bytes or type(body[3]) is not bytes:
        raise Wrong("BadSignature", "another form")
    return body[2], body[3]


def check(payload, signature, key, context, where):
    signed = b"\x84" + byte_string("Signature1") + byte_string(PROTECTED) + byte_string(context) + byte_string(payload)
    try:
        VerifyKey(key).verify(signed, signature)
    except (BadSignatureError, ValueError, TypeError):
        raise Wrong("BadSignature", where) from None


def sha(data):
    return hashlib.sha256(data).digest()


# -- the ledger --------------------------------------------------------------------------------------------------------


class Entry:
    """The twelve fields of docs/format.md, section 3."""

    def __init__(self, raw):
        self.raw, self.hash = raw, sha(raw)
        self.payload, self.signature = cose(raw)
        fields = cbor(self.payload)
        kinds = [int, bytes, bytes, bytes, int, int, list, list, int, bytes, int, list]
        if not isinstance(fields, list) or [type(f) for f in fields] != kinds or fields[0] != 1:
            raise Wrong("BadEntry", "form")
        (_, self.workspace, self.device, self.prev, self.seq, self.flags, self.deps, self.clock, self.claimed,
         self.compartment, self.epoch, self.parts) = fields  # fmt: skip
        if [len(f) for f in (self.workspace, self.device, self.prev, self.compartment)] != [16, 16, 32, 16]:
            raise Wrong("BadEntry", "length of a field")
        numbers = [self.seq, self.flags, self.claimed, self.epoch, *self.clock]
        if len(self.clock) != 2 or not all(type(n) is int and 0 <= n < 1 << 63 for n in numbers) or len(self.parts) > 4096:
            raise Wrong("BadEntry", "a number out of range")
        for saw in self.deps:
            if not isinstance(saw, list) or [type(x) for x in saw] != [bytes, int, bytes]:
                raise Wrong("BadEntry", "a dependency")
            if len(saw[0]) != 16 or len(saw[2]) != 32 or not 0 <= saw[1] < 1 << 63:
                raise Wrong("BadEntry", "a dependency")
        for part in self.parts:
            if not isinstance(part, list) or [type(x) for x in part] != [bytes, bytes, int]:
                raise Wrong("BadEntry", "a part")
            if len(part[0]) != 32 or len(part[1]) != 32 or not 0 <= part[2] <= 1 << 26:
                raise Wrong("BadEntry", "a part")
        self.where = f"{self.device.hex()[:8]}:{self.seq}"


def frames(data, name):
    """The entries in a file; a torn end is left out, damage is not."""
    at = 0
    while at + 4 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        raw = data[at + 4 : at + 4 + length]
        rest = data[at:]
        if length == 0 or length > 1 << 20 or len(raw) < length:
            if not any(rest) or (0 < length <= 1 << 20 and is_beginning(data[at + 4 :], length)):
                return
            raise Wrong("LogDamaged", f"{name} at byte {at}")
        if not any(raw[-64:]) and not any(data[at + 4 + length :]):
            return
        yield raw
        at += 4 + length


def is_beginning(tail, length):
    """True if ``tail`` may be the true beginning of an entry of ``length`` bytes, or zeros."""
    if not any(tail) or len(tail) < 12:
        return True
    width = {0x58: 1, 0x59: 2, 0x5A: 4}.get(tail[7])
    if tail[:7] != bytes.fromhex("d28443a10132a0") or width is None or len(tail) < 8 + width:
        return False
    return 8 + width + int.from_bytes(tail[8 : 8 + width], "big") + 66 == length


def open_part(body, kind, where):
    value = cbor(body)
    if not (isinstance(value, list) and len(value) == 2 and value[0] == kind and isinstance(value[1], list) and value[1]):
        raise Wrong("NoGenesis", where)
    return value[1]


def read_first(entry, bodies, workspace):
    """(root key, certificate) of a log's first entry."""
    where = entry.where
    if entry.compartment != OPEN or len(entry.parts) < 2:
        raise Wrong("NoGenesis", where)
    texts, at = [], 0
    for digest, _, size in entry.parts:
        texts.append(bodies[at : at + size])
        at += size
        if sha(texts[-1]) != digest:
            raise Wrong("NoGenesis", where)
    root = open_part(texts[0], "genesis@1", where)[0][0]
    if type(root) is not bytes or sha(b"amparo/workspace/1" + root)[:16] != workspace:
        raise Wrong("NoGenesis", where)
    raw = open_part(texts[1], "device@1", where)[0][0]
    payload, signature = cose(raw)
    fields = cbor(payload)
    if [type(f) for f in fields] != [int, bytes, bytes, int, bytes, bytes, bytes, bytes] or fields[0] != 1:
        raise Wrong("BadCertificate", where)
    if fields[1] != workspace or fields[2] != entry.device or sha(b"amparo/device-id/1" + fields[4])[:16] != fields[2]:
        raise Wrong("BadCertificate", where)
    return root, {"device": fields[2], "number": fields[3], "key": fields[4], "issuer": fields[7], "payload": payload,
                  "signature": signature}  # fmt: skip


def accept(root, workspace, certificates):
    """Device -> key, for certificates that follow to the root."""
    keys, waiting, numbers = {}, list(certificates), set()
    while waiting:
        rest = []
        for c in waiting:
            issuer = root if c["issuer"] == workspace else keys.get(c["issuer"])
            if issuer is None:
                rest.append(c)
                continue
            check(c["payload"], c["signature"], issuer, b"amparo/device/1", f"certificate of {c['device'].hex()[:8]}")
            if c["number"] in numbers or c["number"] < 1:
                raise Wrong("BadCertificate", "a number given twice")
            numbers.add(c["number"])
            keys[c["device"]] = c["key"]
        if len(rest) == len(waiting):
            raise Wrong("UnknownDevice", rest[0]["device"].hex()[:8])
        waiting = rest
    return keys


def walk(raws, workspace, device, key):
    """Check a log entry by entry; return its entries."""
    entries, prev = [], bytes(32)
    for place, raw in enumerate(raws):
        entry = Entry(raw)
        if entry.workspace != workspace:
            raise Wrong("ForeignEntry", entry.where)
        if entry.device != device:
            raise Wrong("ForeignDevice", entry.where)
        check(entry.payload, entry.signature, key, b"amparo/entry/1", entry.where)
        if entry.seq > len(entries):
            if any(Entry(later).seq == len(entries) for later in raws[place + 1 :]):
                raise Wrong("Reordered", entry.where)
            raise Wrong("EntriesMissing", f"before {entry.where}")
        if entry.seq < len(entries):
            raise Wrong("Replayed" if entries[entry.seq].hash == entry.hash else "Forked", entry.where)
        if entry.prev != prev:
            raise Wrong("ChainBroken", entry.where)
        prev = entry.hash
        entries.append(entry)
    return entries


def tombstones(entries, bodies):
    """(device, seq, part) named by the tombstones of one log."""
    at, named = 0, set()
    for entry in entries:
        for digest, _, size in entry.parts:
            body = bodies[at : at + size]
            at += size
            if entry.compartment == OPEN and sha(body) == digest:
                value = cbor(body)
                if isinstance(value, list) and len(value) == 2 and value[0] == "tombstone@1" and isinstance(value[1], list):
                    rows = [row for row in value[1] if isinstance(row, list)]
                    named |= {tuple(row[:3]) for row in rows if [type(x) for x in row[:3]] == [bytes, int, int]}
    return named


def check_parts(entries, bodies, erased):
    """Compare every part of whole groups with its signed hash; return (parts, erased)."""
    at, count, gone = 0, 0, 0
    last = max((i for i, e in enumerate(entries) if not e.flags & MORE), default=-1)
    for entry in entries[: last + 1]:
        for index, (digest, _, size) in enumerate(entry.parts):
            body = bodies[at : at + size]
            at += size
            count += 1
            if (entry.device, entry.seq, index) in erased:
                gone += 1
            elif len(body) < size or (size and not any(body)):
                raise Wrong("BodyMissing", f"part {index} of {entry.where}")
            elif sha(body) != digest:
                raise Wrong("BodyAltered", f"part {index} of {entry.where}")
    return count, gone


def check_witnesses(logs):
    """What one device signed that it saw of another's log must be there."""
    for entries in logs.values():
        for entry in entries:
            for device, seq, digest in entry.deps:
                seen = logs.get(device, [])
                if len(seen) <= seq:
                    raise Wrong("WitnessedMissing", f"{device.hex()[:8]} ends before {seq}, which {entry.where} saw")
                if seen[seq].hash != digest:
                    raise Wrong("Diverged", f"{device.hex()[:8]}:{seq}")


def check_checkpoint(text, workspace, keys, logs):
    lines = [line.strip() for line in text.strip().splitlines()]
    if lines and lines[0].lower().startswith("amparo checkpoint"):
        lines = lines[1:]
    body = "".join("".join(line.split()) for line in lines).upper()
    payload, signature = cose(base64.b32decode(body + "=" * (-len(body) % 8)))
    _, home, signer, _, heads = cbor(payload)
    if home != workspace:
        raise Wrong("ForeignCheckpoint")
    if signer not in keys:
        raise Wrong("UnknownDevice", signer.hex()[:8])
    check(payload, signature, keys[signer], b"amparo/checkpoint/1", "checkpoint")
    for device, seq, digest in heads:
        entries = logs.get(device, [])
        if len(entries) <= seq:
            raise Wrong("RolledBack", f"{device.hex()[:8]} ends before {seq}")
        if entries[seq].hash != digest:
            raise Wrong("Diverged", f"{device.hex()[:8]}:{seq}")


def verify(workspace, files, checkpoint=None):
    """``files``: "<device hex>/entries" and "<device hex>/bodies" -> bytes. Returns counts or raises Wrong."""
    devices = sorted({name.split("/")[0] for name in files})
    firsts, raws, root = {}, {}, None
    for name in devices:
        raws[name] = list(frames(files[f"{name}/entries"], name))
        if not raws[name]:
            raise Wrong("NoGenesis", name)
        entry = Entry(raws[name][0])
        if entry.workspace != workspace:
            raise Wrong("ForeignEntry", entry.where)
        root, firsts[name] = read_first(entry, files[f"{name}/bodies"], workspace)
    if root is None:
        raise Wrong("NoGenesis", "no log")
    keys = accept(root, workspace, firsts.values())
    logs = {bytes.fromhex(n): walk(raws[n], workspace, bytes.fromhex(n), keys[firsts[n]["device"]]) for n in devices}
    check_witnesses(logs)
    if checkpoint is not None:
        check_checkpoint(checkpoint, workspace, keys, logs)
    erased = set().union(*(tombstones(logs[bytes.fromhex(n)], files[f"{n}/bodies"]) for n in devices))
    counts = [check_parts(logs[bytes.fromhex(n)], files[f"{n}/bodies"], erased) for n in devices]
    return {"entries": sum(map(len, logs.values())), "parts": sum(c[0] for c in counts), "erased": sum(c[1] for c in counts)}


def main():
    parser = argparse.ArgumentParser(description="Verify an Amparo ledger without any key.")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--checkpoint", type=Path)
    arguments = parser.parse_args()
    try:
        marker = json.loads((arguments.workspace / "amparo.json").read_text())
        workspace = bytes.fromhex(marker["workspace"])
        files = {
            f"{folder.name}/{kind}": (folder / kind).read_bytes()
            for folder in (arguments.workspace / "ledger").iterdir()
            if folder.is_dir() and len(folder.name) == 32 and not folder.name.strip("0123456789abcdef")
            for kind in ("entries", "bodies")
        }
        text = arguments.checkpoint.read_text() if arguments.checkpoint else None
    except (OSError, ValueError, KeyError) as error:
        print(f"cannot read the workspace: {error}", file=sys.stderr)
        return 2
    try:
        result = verify(workspace, files, text)
    except Wrong as wrong:
        print(f"NOT VERIFIED: {wrong}")
        return 5
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, RecursionError) as error:
        print(f"NOT VERIFIED: Malformed {type(error).__name__}")
        return 5
    print(f"verified: {result['entries']} entries, {result['parts']} parts, {result['erased']} erased by tombstone")
    if not arguments.checkpoint:
        print("without a checkpoint kept elsewhere nobody can tell whether the end was cut off")
    return 0


if __name__ == "__main__":
    sys.exit(main())
