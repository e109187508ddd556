"""Trusted time: stamps of authorities and of Bitcoin, made by real programs, attacked, carried by file, renewed."""

import hashlib
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
from cli_kit import Shell
from corpora_kit import corpus
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_public_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from opentimestamps.core.notary import BitcoinBlockHeaderAttestation  # type: ignore[import-untyped]
from opentimestamps.core.op import OpAppend, OpPrepend, OpSHA256  # type: ignore[import-untyped]
from opentimestamps.core.serialize import (  # type: ignore[import-untyped]
    BytesDeserializationContext,
    BytesSerializationContext,
    DeserializationError,
)
from opentimestamps.core.timestamp import DetachedTimestampFile, Timestamp  # type: ignore[import-untyped]

from amparo.app import evidence, evidence_proofs, evidence_time, opening, people
from amparo.app.session import Session, now_ms
from amparo.evidence.time import headers, merkle, ots, queue, renewal, wire
from amparo.evidence.time.queue import OTS, RFC3161
from amparo.evidence.time.wire import Way
from amparo.kernel.errors import AmparoError
from amparo.record.items import Seal
from amparo.vault import timestamp
from amparo.vault.slots import Cost, Passphrase

SECRETS = Passphrase("a made-up passphrase"), Passphrase("another made-up one")
DAY = timedelta(days=1)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


# -- authorities, made here ----------------------------------------------------------------------------------------------------


class Tsa:
    """A time-stamp authority as openssl plays it: a root, an issuing certificate, a signer."""

    def __init__(self, folder: Path, name: str, **signer: Any) -> None:
        folder.mkdir()
        self.folder, self.name = folder, name
        root_key, issuer_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
        self.key: Key = signer.pop("key", None) or ec.generate_private_key(ec.SECP256R1())
        self.root = certify(f"Made-up root {name}", root_key, f"Made-up root {name}", root_key, authority=True)
        self.issuer = certify(
            f"Made-up issuer {name}", issuer_key, f"Made-up root {name}", root_key, authority=signer.pop("issuer_is_ca", True)
        )
        self.signer = certify(f"Made-up stamps {name}", self.key, f"Made-up issuer {name}", issuer_key, **signer)
        self.pem = pem(self.root)
        files = {"signer.pem": pem(self.signer), "chain.pem": pem(self.issuer) + pem(self.root), "serial": b"01\n"}
        files["signer.key"] = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        files["tsa.cnf"] = (
            f"[tsa]\ndefault_tsa=t\n[t]\nserial={folder}/serial\nsigner_digest=sha256\ndefault_policy=1.2.3.4.1\n"
            "digests=sha256,sha384,sha512\naccuracy=secs:1\ness_cert_id_alg=sha256\n"
        ).encode()
        for file, content in files.items():
            (folder / file).write_bytes(content)

    def reply(self, request: bytes, *, chain: bool = True) -> bytes:
        """What `openssl ts -reply` answers."""
        (self.folder / "q.tsq").write_bytes(request)
        words = ["-chain", "chain.pem"] if chain else []
        command = ["openssl", "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "q.tsq", "-signer", "signer.pem"]
        done = subprocess.run(
            [*command, "-inkey", "signer.key", "-out", "r.tsr", *words], cwd=self.folder, capture_output=True, check=False
        )
        assert (self.folder / "r.tsr").exists(), done.stderr
        return (self.folder / "r.tsr").read_bytes()


def certify(
    subject: str, key: Key, issuer: str, issuer_key: Key, *, authority: bool = False, critical: bool = True,
    usage: list[x509.ObjectIdentifier] | None = None, begins: datetime | None = None, ends: datetime | None = None,
) -> x509.Certificate:  # fmt: skip
    now = datetime.now(UTC)
    name = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (subject, issuer)]
    made = (
        x509.CertificateBuilder().subject_name(name[0]).issuer_name(name[1]).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(begins or now - DAY)
        .not_valid_after(ends or now + 3650 * DAY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )  # fmt: skip
    if not authority:
        wanted = usage if usage is not None else [ExtendedKeyUsageOID.TIME_STAMPING]
        if wanted:
            made = made.add_extension(x509.ExtendedKeyUsage(wanted), critical=critical)
    return made.sign(issuer_key, hashes.SHA256())


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


@pytest.fixture(scope="module")
def tsa(tmp_path_factory: pytest.TempPathFactory) -> Tsa:
    return Tsa(tmp_path_factory.mktemp("tsa") / "first", "first")


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Tsa:
    return Tsa(tmp_path_factory.mktemp("tsa2") / "second", "second", key=rsa.generate_private_key(65537, 2048))


def roots(*authorities: Tsa) -> list[x509.Certificate]:
    return timestamp.read_certificates(b"".join(one.pem for one in authorities), "the test")


def nonce_of(request: bytes) -> int | None:
    return timestamp.read_request(request).nonce


ROOT = hashlib.sha256(b"made up").digest()


# -- one stamp -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chain", [True, False])
def test_a_reply_of_openssl_verifies_with_and_without_a_chain(tsa: Tsa, second: Tsa, chain: bool) -> None:
    """Replies whose SET of certificates is in any order, signed with EC or RSA, give time, accuracy, authority, algorithms."""
    for authority, algorithm in ((tsa, "ec-256"), (second, "rsa-2048")):
        request = timestamp.request(ROOT)
        token = timestamp.token_of(authority.reply(request, chain=chain))
        given = roots(authority) if chain else [authority.root, authority.issuer]
        stamp = timestamp.check(token, ROOT, given, nonce=nonce_of(request))
        assert abs(stamp.time / 1000 - time.time()) < 60 and stamp.accuracy == 1000
        assert stamp.authority == f"Made-up stamps {authority.name}" and stamp.policy == "1.2.3.4.1"
        assert {algorithm, "ec-384", "sha256", "sha512"} <= set(stamp.algorithms)


def test_every_order_of_the_certificates_is_the_same_stamp(tsa: Tsa) -> None:
    """A token is malleable: with its certificates in another order it still verifies, and other bytes are not another stamp."""
    token = timestamp.token_of(tsa.reply(timestamp.request(ROOT)))
    field = next(one for one in timestamp._signed_data(token) if one.tag == 0xA0)
    parts = [one.whole(token) for one in timestamp._children(token, field)]
    assert len(parts) == 3
    stamps = set()
    for turn in range(3):
        turned = token[: field.start] + b"".join(parts[turn:] + parts[:turn]) + token[field.stop :]
        stamps.add(timestamp.check(turned, ROOT, roots(tsa)))
    assert len(stamps) == 1


def test_a_request_tells_only_a_digest_and_asks_for_the_certificate() -> None:
    """What is sent holds SHA-512 of the root and a nonce; two requests over the same root have different nonces."""
    first, other = timestamp.request(ROOT), timestamp.request(ROOT)
    assert timestamp.read_request(first).imprint == hashlib.sha512(ROOT).digest() and ROOT not in first
    assert nonce_of(first) != nonce_of(other) and len(first) < 120
    assert b"\x01\x01\xff" in first  # certReq TRUE


def test_attack_a_stamp_over_another_digest_is_refused(tsa: Tsa) -> None:
    """A genuine token over something else proves nothing here."""
    token = timestamp.token_of(tsa.reply(timestamp.request(b"x" * 32)))
    with pytest.raises(timestamp.StampOfOtherData):
        timestamp.check(token, ROOT, roots(tsa))


def test_attack_a_replayed_reply_is_refused(tsa: Tsa) -> None:
    """A reply to an earlier request over the same digest is not taken for the answer to this one."""
    old, new = timestamp.request(ROOT), timestamp.request(ROOT)
    token = timestamp.token_of(tsa.reply(old))
    timestamp.check(token, ROOT, roots(tsa), nonce=nonce_of(old))
    with pytest.raises(timestamp.StampReplayed):
        timestamp.check(token, ROOT, roots(tsa), nonce=nonce_of(new))


def test_attack_a_reply_without_a_nonce_is_refused(tsa: Tsa, tmp_path: Path) -> None:
    """An authority (or whoever plays it) that leaves the nonce out is not believed."""
    (tmp_path / "data").write_bytes(ROOT)
    bare = subprocess.run(
        ["openssl", "ts", "-query", "-data", "data", "-sha512", "-cert", "-no_nonce"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    ).stdout
    token = timestamp.token_of(tsa.reply(bare))
    assert timestamp.check(token, ROOT, roots(tsa)).authority
    with pytest.raises(timestamp.StampReplayed):
        timestamp.check(token, ROOT, roots(tsa), nonce=12345)


def test_attack_a_stamp_of_somebody_else_is_refused(tsa: Tsa, second: Tsa) -> None:
    """A token whose chain ends in a root the user did not give is not trusted, whatever certificates it brings."""
    token = timestamp.token_of(second.reply(timestamp.request(ROOT)))
    with pytest.raises(timestamp.StampUntrusted):
        timestamp.check(token, ROOT, roots(tsa))


def _untrusted(tmp_path: Path, **signer: Any) -> type[AmparoError]:
    made = Tsa(tmp_path / "bad", "bad", **signer)
    with pytest.raises(AmparoError) as refused:
        timestamp.check(timestamp.token_of(made.reply(timestamp.request(ROOT))), ROOT, roots(made))
    return type(refused.value)


def test_attack_a_certificate_that_had_ended_is_refused(tmp_path: Path) -> None:
    """The chain must have been valid at the time in the token."""
    now = datetime.now(UTC)
    assert _untrusted(tmp_path, begins=now - 9 * DAY, ends=now - DAY) is timestamp.StampUntrusted


def test_attack_a_certificate_that_had_not_begun_is_refused(tmp_path: Path) -> None:
    """A certificate of tomorrow cannot have signed today."""
    assert _untrusted(tmp_path, begins=datetime.now(UTC) + DAY) is timestamp.StampUntrusted


def test_attack_a_chain_through_a_certificate_that_is_no_authority_is_refused(tmp_path: Path) -> None:
    """An end certificate that issues stamping certificates makes no authority."""
    assert _untrusted(tmp_path, issuer_is_ca=False) is timestamp.StampUntrusted


@pytest.mark.parametrize(
    ("usage", "critical"),
    [
        ([ExtendedKeyUsageOID.CODE_SIGNING], True),
        ([ExtendedKeyUsageOID.TIME_STAMPING], False),
        ([ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING], True),
        ([], True),
    ],
)
def test_attack_a_certificate_of_another_use_is_refused(
    tmp_path: Path, usage: list[x509.ObjectIdentifier], critical: bool
) -> None:
    """Only a critical extended key usage of time-stamping alone signs stamps (RFC 3161 §2.3)."""
    good = Tsa(tmp_path / "good", "good")
    token = timestamp.token_of(good.reply(timestamp.request(ROOT), chain=False))
    issuer = f"Made-up issuer {good.name}"
    issuer_key = ec.generate_private_key(ec.SECP256R1())
    bad = certify("Made-up stamps good", good.key, issuer, issuer_key, usage=usage, critical=critical)
    with pytest.raises(timestamp.StampOfOtherUse):
        timestamp._check_use(bad)
    assert timestamp.check(token, ROOT, [good.root, good.issuer])


def test_attack_every_altered_byte_of_a_token_is_refused_or_changes_nothing(tsa: Tsa) -> None:
    """No flipped byte gives another time, authority or digest: either a refusal by name or the same stamp."""
    token = timestamp.token_of(tsa.reply(timestamp.request(ROOT)))
    genuine = timestamp.check(token, ROOT, roots(tsa))
    kept = 0
    for place in range(0, len(token), 3):
        altered = token[:place] + bytes([token[place] ^ 0x01]) + token[place + 1 :]
        try:
            assert timestamp.check(altered, ROOT, roots(tsa)) == genuine, place
            kept += 1
        except AmparoError:
            pass
    assert kept < len(token) // 12  # what is outside the signature


def test_attack_a_token_without_the_hash_of_its_signer_is_refused(tsa: Tsa) -> None:
    """The signed attributes must name the signing certificate; a look-alike with the same key and name is not it."""
    token = timestamp.token_of(tsa.reply(timestamp.request(ROOT)))
    other = certify("Made-up stamps first", tsa.key, "Made-up issuer first", ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(timestamp.StampUntrusted):
        timestamp._check_ess(token, other, "the test")


def test_a_refusal_of_the_authority_is_told_with_its_words(tsa: Tsa, tmp_path: Path) -> None:
    """A reply without a token is a refusal, in the authority's own words, not a failure of Amparo."""
    (tmp_path / "data").write_bytes(ROOT)
    weak = subprocess.run(
        ["openssl", "ts", "-query", "-data", "data", "-sha1"], cwd=tmp_path, capture_output=True, check=True
    ).stdout
    with pytest.raises(timestamp.StampRefused, match="not supported"):
        timestamp.token_of(tsa.reply(weak))


def test_certificates_without_a_root_or_without_sense_are_refused(tsa: Tsa) -> None:
    """The user's file must hold a chain up to a root; anything else is one sentence."""
    for wrong in (
        b"",
        b"junk",
        pem(tsa.signer),
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"x" * 300_000,
    ):
        with pytest.raises(timestamp.BadCertificates):
            timestamp.read_certificates(wrong, "the test")
    assert len(timestamp.read_certificates(tsa.root.public_bytes(Encoding.DER), "the test")) == 1


@given(st.data())
@settings(max_examples=150)
def test_fuzz_no_reply_makes_anything_but_a_refusal(tsa: Tsa, data: st.DataObject) -> None:
    """Bytes of a real reply cut, changed, repeated or thrown away are read or refused by name; nothing else is raised."""
    reply = bytearray(_sample(tsa))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(reply) - 1))
        size = data.draw(st.integers(0, 6))
        reply[place : place + size] = data.draw(st.binary(max_size=6))
        if not reply:
            return
    try:
        timestamp.check(timestamp.token_of(bytes(reply)), ROOT, roots(tsa))
        timestamp.read_request(bytes(reply))
    except AmparoError as error:
        assert str(error)


_SAMPLES: dict[str, bytes] = {}


def _sample(tsa: Tsa) -> bytes:
    if tsa.name not in _SAMPLES:
        _SAMPLES[tsa.name] = tsa.reply(timestamp.request(ROOT))
    return _SAMPLES[tsa.name]


@given(st.binary(max_size=300))
def test_fuzz_random_bytes_are_no_reply_and_no_request(data: bytes) -> None:
    """Random bytes are refused by name as reply, token and request."""
    for read in (timestamp.token_of, timestamp.read_request, timestamp.imprint_of):
        with pytest.raises(AmparoError):
            read(data)


@pytest.mark.parametrize("name", ["ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384", "rsa_signature_2048_sha256"])
def test_the_signatures_under_a_chain_pass_wycheproof(name: str) -> None:
    """What verifies certificates (cryptography's ECDSA and RSA) accepts and refuses what Project Wycheproof says it should."""
    suite = json.loads((corpus("wycheproof") / "testvectors_v1" / f"{name}_test.json").read_text("utf-8"))
    count = 0
    for group in suite["testGroups"]:
        key = load_der_public_key(bytes.fromhex(group["publicKeyDer"]))
        digest = {"SHA-256": hashes.SHA256(), "SHA-384": hashes.SHA384()}[group["sha"]]
        for case in group["tests"]:
            message, signature = bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
            try:
                if isinstance(key, rsa.RSAPublicKey):
                    key.verify(signature, message, padding.PKCS1v15(), digest)
                else:
                    assert isinstance(key, ec.EllipticCurvePublicKey)
                    key.verify(signature, message, ec.ECDSA(digest))
                holds = True
            except InvalidSignature:
                holds = False
            assert case["result"] == "acceptable" or holds == (case["result"] == "valid"), (name, case["tcId"])
            count += 1
    assert count >= 80


# -- the tree ------------------------------------------------------------------------------------------------------------------


def _by_definition(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\1" + _by_definition(leaves[:split]) + _by_definition(leaves[split:])).digest()


@given(st.integers(1, 80), st.data())
def test_the_tree_is_that_of_rfc_9162_and_each_proof_leads_to_its_root(size: int, data: st.DataObject) -> None:
    """Root as by the RFC's recursive definition; every stored proof leads to it, and with another leaf or index does not."""
    leaves = [merkle.Leaf(merkle.ITEM, bytes([at]) * 32, b"content") for at in range(size)]
    root, proofs = merkle.tree(leaves)
    assert root == _by_definition([leaf.data for leaf in leaves])
    at = data.draw(st.integers(0, size - 1))
    assert merkle.Proof.unpack(proofs[at].packed()).root(leaves[at]) == root
    assert proofs[at].root(merkle.Leaf(merkle.HEADS, bytes([at]) * 32, b"content")) != root
    wrong = merkle.Proof(proofs[at].salt, data.draw(st.integers(0, size - 1)), size, proofs[at].path)
    try:
        assert wrong.index == at or wrong.root(leaves[at]) != root
    except merkle.ProofWrong:
        assert wrong.index != at


def test_a_planted_tree_hides_how_many_there_are() -> None:
    """Five items and eight give trees of one size, in random order; the same file twice has two leaves that differ."""
    sizes = set()
    for count in (5, 7, 8):
        leaves = [merkle.item_leaf(b"a" * 32, b"b" * 32, 9) for _ in range(count)]
        assert len({leaf.data for leaf in leaves}) == count
        root, proofs = merkle.plant(leaves)
        sizes |= {(proof.leaves, len(proof.path)) for proof in proofs}
        assert all(proof.root(leaf) == root for leaf, proof in zip(leaves, proofs, strict=True))
    assert sizes == {(8, 3)}


@given(st.binary(max_size=200))
def test_fuzz_no_stored_proof_makes_anything_but_a_refusal(data: bytes) -> None:
    """Random bytes as a stored proof, block or evidence are refused by name."""
    for read in (merkle.Proof.unpack, headers.Block.unpack, renewal.read_evidence):
        with pytest.raises(AmparoError):
            read(data)


# -- OpenTimestamps ------------------------------------------------------------------------------------------------------------

OTS_EXAMPLES = "different-blockchains hello-world incomplete merkle1 merkle2 merkle3 two-calendars unknown-notary".split()


def read_alike(data: bytes, name: str) -> None:
    """A proof gives the same attestations over the same messages as the reference library, and is written byte for byte."""
    theirs = DetachedTimestampFile.deserialize(BytesDeserializationContext(data))
    ours = ots.decode(data, name)
    assert ours.encode() == data and ours.digest == theirs.file_digest
    expected = sorted((message, end.TAG) for message, end in theirs.timestamp.all_attestations())
    known = sorted((message, end.kind) for message, end in ours.tree.ends() if message is not None)
    assert known == expected if name != "different-blockchains" else set(known) < set(expected)  # keccak256


@pytest.mark.parametrize("name", OTS_EXAMPLES)
def test_examples_of_the_ots_client_are_read_as_its_library_reads_them(name: str) -> None:
    """The client's own example proofs are read as the reference library reads them."""
    read_alike((corpus("opentimestamps-client") / "examples" / f"{name}.txt.ots").read_bytes(), name)


def hello() -> bytes:
    """A proof over the file "Hello World!\\n" up to a Bitcoin block, made by the reference library."""
    made = DetachedTimestampFile(OpSHA256(), Timestamp(hashlib.sha256(b"Hello World!\n").digest()))
    step = made.timestamp.ops.add(OpAppend(b"made up")).ops.add(OpSHA256())
    step.ops.add(OpPrepend(b"a branch")).ops.add(OpSHA256()).attestations.add(BitcoinBlockHeaderAttestation(358391))
    context = BytesSerializationContext()
    made.serialize(context)
    return bytes(context.getbytes())


def test_a_proof_of_the_reference_library_is_read_as_it_reads_it() -> None:
    """What python-opentimestamps writes we read with the same attestation over the same message, and write byte for byte."""
    read_alike(hello(), "hello-world")


_OPERATIONS = st.sampled_from([b"\x08", b"\x02", b"\xf0\x02ab", b"\xf1\x01c", b"\xf2", b"\xf3", b"\x67"])
_END = st.sampled_from([
    b"\x00" + ots.BITCOIN + b"\x03\x8a\xf0\x15", b"\x00" + ots.PENDING + b"\x05\x04http", b"\x00" + b"unknown!" + b"\x02hi",
])  # fmt: skip
_TREES = st.recursive(
    _END,
    lambda below: st.one_of(
        st.tuples(_OPERATIONS, below).map(b"".join), st.tuples(st.just(b"\xff"), _END, _OPERATIONS, below).map(b"".join)
    ),
    max_leaves=20,
)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@given(_TREES, st.integers(0, 200), st.binary(max_size=3))
def test_fuzz_proofs_are_read_or_refused_as_the_reference_library_does(tree: bytes, place: int, noise: bytes) -> None:
    """Made-up trees, whole or with bytes changed: what python-opentimestamps reads we read alike, what it refuses we refuse."""
    data = ots._MAGIC + b"\x01\x08" + bytes(32) + tree
    if noise:
        at = len(ots._MAGIC) + place % (len(data) - len(ots._MAGIC))
        data = data[:at] + noise + data[at + len(noise) :]
    try:
        theirs = DetachedTimestampFile.deserialize(BytesDeserializationContext(data))
        known = sorted((message, end.TAG) for message, end in theirs.timestamp.all_attestations())
    except (DeserializationError, ValueError, AssertionError, RecursionError, TypeError):
        known = None
    try:
        ours = ots.decode(data)
        assert ots.decode(ours.encode()).encode() == ours.encode()
    except AmparoError:
        return  # we may refuse more: sizes, addresses
    assert known is not None or any(end.kind in (ots.BITCOIN, ots.PENDING) for _message, end in ours.tree.ends())
    if known is not None and all(message is not None for message, _end in ours.tree.ends()):
        assert sorted({(message or b"", end.kind) for message, end in ours.tree.ends()}) == sorted(set(known))


def test_attack_a_proof_that_is_deep_long_or_endless_costs_nothing() -> None:
    """Ten thousand operations, a number without end, a message that doubles: each is refused at once by its cap."""
    begin = ots._MAGIC + b"\x01\x08" + bytes(32)
    for hostile in (
        begin + b"\x08" * 10_000, begin + b"\xf0" + b"\x80" * 60_000, begin + b"\xf3" * 200, begin + b"\xff\x08" * 20_000,
        begin + b"\x08" * 70_000, begin + b"\xf0\x00\x00", begin[:-1],
    ):  # fmt: skip
        with pytest.raises(ots.BadProof):
            ots.decode(hostile)


def _mined(root: bytes, before: bytes, when: int) -> bytes:
    """A header with the least proof of work there is (as on Bitcoin's regtest)."""
    for nonce in range(1 << 20):
        header = (1).to_bytes(4, "little") + before + root + when.to_bytes(4, "little") + bytes.fromhex("ffff7f20")
        header += nonce.to_bytes(4, "little")
        if int.from_bytes(headers._hash(header), "little") <= 0x7FFFFF << 232:
            return header
    raise AssertionError


def _chained(count: int, roots_at: dict[int, bytes] | None = None) -> list[bytes]:
    made, before = [], bytes(32)
    for height in range(count):
        root = (roots_at or {}).get(height, hashlib.sha256(str(height).encode()).digest())
        made.append(_mined(root, before, 1_700_000_000 + height))
        before = headers._hash(made[-1])
    return made


def test_headers_are_read_in_all_three_forms(tmp_path: Path) -> None:
    """The whole chain, lines with headers, and lines with roots as explorers print them give the same blocks."""
    chained = _chained(5)
    forms = {
        "chain": b"".join(chained),
        "lines": b"".join(f"{height} {header.hex()}\n".encode() for height, header in enumerate(chained)),
        "roots": b"\n".join(f"{at} {one[36:68][::-1].hex()} {1_700_000_000 + at}".encode() for at, one in enumerate(chained)),
    }
    for name, content in forms.items():
        (tmp_path / name).write_bytes(content)
        with (tmp_path / name).open("rb") as stream:
            found = headers.read(stream, [1, 3, 77], name)
        assert set(found) == {1, 3} and found[3].root == chained[3][36:68] and found[3].time == 1_700_000_003
        assert headers.Block.unpack(found[3].packed()) == found[3] and bool(found[3].hash) == (name != "roots")


def test_attack_forged_headers_are_refused(tmp_path: Path) -> None:
    """A header without its proof of work, out of its chain, cut short, or nonsense is told with its place."""
    chained = _chained(4)
    weak = bytearray(chained[2])
    weak[72:76] = bytes.fromhex("ffff001d")  # the difficulty of Bitcoin's first block, without the work
    for wrong in (
        b"".join([*chained[:2], chained[3]]), b"".join([*chained[:2], bytes(weak)]), b"".join(chained)[:-7], b"0 zz\n",
        f"7 {bytes(weak).hex()}".encode(), b"x" * 1000, b"5 " + b"ab" * 32, b"-1 " + chained[0].hex().encode(),
    ):  # fmt: skip
        (tmp_path / "headers").write_bytes(wrong)
        with (tmp_path / "headers").open("rb") as stream, pytest.raises(headers.BadHeaders):
            headers.read(stream, [0, 2], "headers")


# -- in a workspace ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    opening.create(tmp_path / "case", *SECRETS, cost=Cost(64, 1, 1))
    rings = [opening.read_ring(tmp_path / "case", kind, p) for kind, p in zip(("everyday", "identities"), SECRETS, strict=True)]
    with Session(tmp_path / "case", rings) as opened:
        yield opened


@pytest.fixture
def items(session: Session, tmp_path: Path) -> list[str]:
    (tmp_path / "in").mkdir()
    for number in range(5):
        (tmp_path / "in" / f"{number}.bin").write_bytes(os.urandom(500 + number))
    evidence.add(session, [tmp_path / "in"])
    return [item.handle for item in session.testimony.items()]


class Served:
    """An HTTP server on the loopback that answers with ``answer(path, body)`` and remembers what it was sent."""

    def __init__(self, answer: Callable[[str, bytes], tuple[int, bytes]]) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.seen.append((self.command, self.path, dict(self.headers), body))
                status, content = answer(self.path, body)
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST  # noqa: N815

            def log_message(self, *_args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/here"


def test_one_request_stamps_all_items_and_is_verified_for_each(
    session: Session, items: list[str], tsa: Tsa, second: Tsa
) -> None:
    """Two authorities over HTTP: two requests for five items; each item has two proofs that hold and a bracket."""
    with (
        Served(lambda _path, body: (200, tsa.reply(body))) as one,
        Served(lambda _path, body: (200, second.reply(body))) as two,
    ):
        evidence_time.set_authority(session, "one", RFC3161, one.url, tsa.pem)
        evidence_time.set_authority(session, "two", RFC3161, two.url, second.pem)
        wanted = evidence_time.want(session)
        [root] = wanted.roots
        assert (wanted.items, wanted.authorities) == (5, ["one", "two"]) and not one.seen
        outcome = evidence_time.send(session, Way())
        assert len(outcome.done) == 2 and not outcome.failed
        again = evidence_time.send(session, Way())
        assert not again.done and len(one.seen) == len(two.seen) == 1
        for _method, _path, sent, body in (*one.seen, *two.seen):
            assert timestamp.read_request(body).imprint == hashlib.sha512(root).digest()
            assert set(sent) <= {"Host", "Accept-Encoding", "Content-Length", "Content-Type", "Accept"}
    for handle in items:
        told = evidence_proofs.proofs(session, handle)
        assert [proof.holds for proof in told.proofs] == [True, True]
        assert abs(told.before / 1000 - time.time()) < 60 and told.after == 0
        assert [event.action for event in session.testimony.custody(handle)][-2:] == ["timestamped", "verified"]


def test_the_bracket_is_bounded_below_by_an_earlier_stamp_in_the_chain(
    session: Session, items: list[str], tsa: Tsa, tmp_path: Path
) -> None:
    """An item added after a stamp came back is told to be sealed after it; one added before is not."""
    with Served(lambda _path, body: (200, tsa.reply(body))) as server:
        evidence_time.set_authority(session, "one", RFC3161, server.url, tsa.pem)
        evidence_time.want(session)
        evidence_time.send(session, Way())
        (tmp_path / "later").write_bytes(b"later")
        added = evidence.add(session, [tmp_path / "later"])
        assert evidence_time.want(session).items == 1
        evidence_time.send(session, Way())
    later, earlier = evidence_proofs.proofs(session, added.first), evidence_proofs.proofs(session, items[0])
    assert 0 < later.after <= later.before and earlier.after == 0
    assert later.after == earlier.before - 2000 and any("one" in line for line in later.bracket)


def test_many_items_are_stamped_under_several_roots(
    session: Session, items: list[str], tsa: Tsa, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More items than one tree takes are spread over several, each stamped; the heads are in the first; all proofs hold."""
    monkeypatch.setattr(evidence_time, "_LEAVES", 2)
    with Served(lambda _path, body: (200, tsa.reply(body))) as server:
        evidence_time.set_authority(session, "one", RFC3161, server.url, tsa.pem)
        wanted = evidence_time.want(session)
        assert len(wanted.roots) == 3 and wanted.items == 5
        assert len(evidence_time.send(session, Way()).done) == 3
    assert all(evidence_proofs.proofs(session, handle).proofs[0].holds for handle in items)
    assert set(evidence_time.book(session).heads) == {wanted.roots[0]}


def test_requests_and_replies_are_carried_by_file(
    session: Session, items: list[str], tsa: Tsa, second: Tsa, tmp_path: Path
) -> None:
    """An off-line machine writes .tsq files and takes .tsr files; a bad one among them holds up no other."""
    evidence_time.set_authority(session, "one", RFC3161, "https://one.invalid/", tsa.pem)
    evidence_time.set_authority(session, "two", RFC3161, "https://two.invalid/", second.pem)
    evidence_time.want(session)
    written = evidence_time.write_requests(session, tmp_path / "out")
    assert len(written) == 2
    folder = tmp_path / "back"
    folder.mkdir()
    for path, authority in zip(written, (tsa, second), strict=True):
        (folder / (path.stem + ".tsr")).write_bytes(authority.reply(path.read_bytes()))
    (folder / "a-junk.tsr").write_bytes(b"junk")
    (folder / "b-other.tsr").write_bytes(tsa.reply(timestamp.request(b"y" * 32)))
    outcome = evidence_time.read_replies(session, folder)
    assert len(outcome.done) == 2 and len(outcome.failed) == 2
    assert all(proof.holds for proof in evidence_proofs.proofs(session, items[0]).proofs)
    assert evidence_time.write_requests(session, tmp_path / "out2") == []
    with pytest.raises(evidence_time.NoReplies):
        evidence_time.read_replies(session, tmp_path / "out2")


def test_attack_a_reply_in_the_name_of_another_authority_is_not_kept(
    session: Session, items: list[str], tsa: Tsa, second: Tsa
) -> None:
    """Whoever answers in an authority's place, by a redirect, a replay, a flood: nothing is kept, all stays queued."""
    replay = tsa.reply(timestamp.request(ROOT))
    answers: list[Callable[[str, bytes], tuple[int, bytes]]] = [
        lambda _path, body: (200, second.reply(body)), lambda _path, _body: (302, b""), lambda _path, _body: (200, replay),
        lambda _path, _body: (200, b"x" * 100_000), lambda _path, _body: (500, b""), lambda _path, _body: (200, b""),
        lambda _path, body: (200, tsa.reply(timestamp.request(body[:32]))),
    ]  # fmt: skip
    for answer in answers:
        with Served(answer) as server:
            evidence_time.set_authority(session, "one", RFC3161, server.url, tsa.pem)
            if not evidence_time.book(session).wanted:
                evidence_time.want(session)
            outcome = evidence_time.send(session, Way())
            assert not outcome.done and len(outcome.failed) == 1 and len(server.seen) == 1
    assert not evidence_time.book(session).stamps
    assert len(evidence_time.book(session).pending(RFC3161)) == 1


def test_attack_a_server_that_drips_its_headers_is_left_in_time() -> None:
    """The cap on time covers everything, headers too: a byte every 0.2 s for ever ends after the second that was given."""
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip() -> None:
        connection, _address = listener.accept()
        with connection:
            try:
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not stop.wait(0.2):
                    connection.sendall(b"X: y\r\n")
            except OSError:
                pass

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    with pytest.raises((wire.NotReached, wire.NoAnswer)):
        wire.exchange(f"http://127.0.0.1:{listener.getsockname()[1]}/", b"x", {}, limit=100, way=Way(seconds=1.0))
    stop.set()
    thread.join(5)
    listener.close()
    assert not thread.is_alive()


def test_a_proxy_is_asked_to_connect_and_the_authority_never_directly(tsa: Tsa) -> None:
    """With --proxy every byte goes through CONNECT, for http too; without it the environment's proxies are ignored."""
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    heard = []

    def proxy() -> None:
        connection, _address = listener.accept()
        with connection:
            heard.append(connection.recv(4096))
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            heard.append(connection.recv(4096))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    thread = threading.Thread(target=proxy, daemon=True)
    thread.start()
    way = Way(f"http://127.0.0.1:{listener.getsockname()[1]}")
    assert wire.exchange("http://tsa.invalid/tsr", b"body", {}, limit=100, way=way) == b"ok"
    thread.join(5)
    listener.close()
    assert heard[0].startswith(b"CONNECT tsa.invalid:80") and b"POST /tsr" in heard[1]


@pytest.mark.parametrize(
    "url", ["ftp://x/", "https://", "https://u:p@x/", "https://x/?q", "https://x/#f", "https://x/a b", "x", "https://x:99999/"]
)
def test_what_is_no_plain_address_is_refused(url: str) -> None:
    """Credentials, queries, fragments and other schemes are refused before anything is sent."""
    with pytest.raises(wire.BadAddress):
        wire.check_address(url)


def test_openssl_accepts_what_is_exported(session: Session, items: list[str], tsa: Tsa, tmp_path: Path) -> None:
    """`openssl ts -verify` says OK to the exported token over the exported root, by the command the export itself prints."""
    with Served(lambda _path, body: (200, tsa.reply(body))) as server:
        evidence_time.set_authority(session, "one", RFC3161, server.url, tsa.pem)
        [root] = evidence_time.want(session).roots
        evidence_time.send(session, Way())
    item = evidence.get(session, items[2])
    files = evidence_proofs.proof_files(session, item)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    told = files[f"{item.handle}-how-to-verify.txt"].decode()
    [command] = [line for line in told.splitlines() if line.startswith("openssl")]
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Verification: OK" in done.stdout + done.stderr, done
    (tmp_path / f"root-{root.hex()[:16]}.bin").write_bytes(b"z" * 32)
    assert subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=False).returncode != 0
    described = json.loads(files[f"{item.handle}-proof.json"])
    [step] = described["proofs"]
    found = hashlib.sha256(
        b"\0amparo/stamp/item/1" + bytes.fromhex(step["salt"] + described["sha256"] + described["blake3"])
        + described["size"].to_bytes(8, "big")
    ).digest()  # fmt: skip
    place = step["index"]  # the tree is full: a plain walk, as the text tells it
    for sibling in map(bytes.fromhex, step["path"]):
        found = hashlib.sha256(b"\1" + (sibling + found if place & 1 else found + sibling)).digest()
        place >>= 1
    assert found == root


def test_an_altered_file_or_proof_of_an_item_proves_nothing(session: Session, items: list[str], tsa: Tsa) -> None:
    """A path that leads elsewhere is told as such and no stamp is counted for it."""
    evidence_time.set_authority(session, "one", RFC3161, "https://one.invalid/", tsa.pem)
    evidence_time.want(session, items[:1])
    [seal] = [one for one in session.testimony.seals(items[0]) if one.kind == queue.MERKLE]
    held, item = evidence_time.book(session), evidence.get(session, items[1])
    [proof] = evidence_proofs._under_root(held, item, seal, 0)
    assert not proof.holds and "does not lead to the root" in proof.sentence


def test_erasing_an_item_erases_its_path_and_nobody_elses(session: Session, items: list[str], tsa: Tsa) -> None:
    """The salt goes with the item's own rows; the neighbours' proofs still lead to the same root."""
    with Served(lambda _path, body: (200, tsa.reply(body))) as server:
        evidence_time.set_authority(session, "one", RFC3161, server.url, tsa.pem)
        evidence_time.want(session)
        evidence_time.send(session, Way())
    people.erase(session, items[0], "request of the owner")
    assert session.testimony.seals(items[0]) == []
    assert all(proof.holds for proof in evidence_proofs.proofs(session, items[1]).proofs)


def test_a_stamp_is_renewed_before_its_certificate_ends(session: Session, items: list[str], tsa: Tsa, tmp_path: Path) -> None:
    """A stamp whose certificate ends soon is due; renewed by another authority it stands after its end, alone it does not."""
    ends = datetime.now(UTC) + 30 * DAY
    short = Tsa(tmp_path / "short", "short", ends=ends)
    with Served(lambda _path, body: (200, short.reply(body))) as server:
        evidence_time.set_authority(session, "short", RFC3161, server.url, short.pem)
        evidence_time.want(session)
        evidence_time.send(session, Way())
    afterwards = int((ends + 60 * DAY).timestamp() * 1000)
    [alone] = evidence_proofs.proofs(session, items[0], afterwards).proofs
    assert not alone.holds and "no earlier renewal" in alone.sentence
    assert evidence_proofs.proofs(session, items[0]).proofs[0].holds
    [due] = evidence_time.due(session)
    assert due.authority == "short" and "certificate" in due.why
    evidence_time.drop_authority(session, "short")
    with Served(lambda _path, body: (200, tsa.reply(body))) as server:
        evidence_time.set_authority(session, "one", RFC3161, server.url, tsa.pem)
        _roots, renewed = evidence_time.renew(session)
        assert renewed == 1 and evidence_time.due(session) == []
        evidence_time.send(session, Way())
    told = evidence_proofs.proofs(session, items[0], afterwards)
    by = {proof.authority: proof for proof in told.proofs}
    assert by["short"].holds and "renewed" in by["short"].sentence and by["one"].holds
    assert evidence_time.renew(session)[1] == 0


def test_the_policy_names_an_end_for_every_weak_algorithm() -> None:
    """SHA-1 and RSA-1024 have ended, RSA-2048 ends in 2030, an unknown algorithm is due at once, SHA-512 has no end."""
    assert renewal._sunset("sha1").at < renewal._sunset("rsa-2048").at < renewal._sunset("rsa-4096").at
    assert renewal._sunset("rsa-1024").at < time.time() * 1000 < renewal._sunset("ec-256").at
    assert renewal._sunset("invented").at == 0 and renewal._sunset("sha512").at > 1 << 60
    assert datetime.fromtimestamp(renewal._sunset("rsa-2048").at / 1000, UTC).year == 2030


# -- a calendar ----------------------------------------------------------------------------------------------------------------


class Calendar:
    """An OpenTimestamps calendar made up for the test: promises first, then a block of our own little chain."""

    def __init__(self) -> None:
        self.promised: list[bytes] = []
        self.ready = False

    def answer(self, path: str, body: bytes) -> tuple[int, bytes]:
        if path.endswith("/digest"):
            self.promised.append(hashlib.sha256(body + b"cal").digest())
            uri = b"https://calendar.invalid"
            return 200, b"\xf0\x03cal\x08\x00" + ots.PENDING + bytes([len(uri) + 1, len(uri)]) + uri
        message = bytes.fromhex(path.rsplit("/", 1)[1])
        if not self.ready or message not in self.promised:
            return 404, b"not yet"
        return 200, b"\xf1\x02tx\x08\x08\x00" + ots.BITCOIN + b"\x01\x02"

    def root(self) -> bytes:
        return hashlib.sha256(hashlib.sha256(b"tx" + self.promised[0]).digest()).digest()


def test_a_calendar_promises_then_proves_against_headers_the_user_gives(
    session: Session, items: list[str], tmp_path: Path
) -> None:
    """Asked, promised, upgraded, then checked off line; the item's .ots is one that the reference library reads alike."""
    calendar = Calendar()
    with Served(calendar.answer) as server:
        evidence_time.set_authority(session, "cal", OTS, server.url)
        [root] = evidence_time.want(session).roots
        first = evidence_time.send(session, Way())
        assert len(first.done) == 1 and not first.failed
        assert server.seen[0][3] != root and len(server.seen[0][3]) == 32
        assert "promised" in evidence_proofs.proofs(session, items[0]).proofs[0].sentence
        assert len(evidence_time.send(session, Way()).waiting) == 1
        calendar.ready = True
        assert len(evidence_time.send(session, Way()).done) == 1
        assert not evidence_time.send(session, Way()).waiting
    [named] = evidence_proofs.proofs(session, items[0]).proofs
    assert not named.holds and "--headers" in named.sentence
    (tmp_path / "forged").write_bytes(f"2 {hashlib.sha256(b'no').hexdigest()} 1700000000".encode())
    assert [block.height for block in evidence_time.read_headers(session, tmp_path / "forged")] == [2]
    assert not evidence_proofs.proofs(session, items[0]).proofs[0].holds
    (tmp_path / "headers").write_bytes(b"".join(_chained(4, {2: calendar.root()})))
    evidence_time.read_headers(session, tmp_path / "headers")
    told = evidence_proofs.proofs(session, items[0])
    assert told.proofs[0].holds and told.before == 1_700_000_002_000 + 7_200_000 and "headers" in told.proofs[0].sentence
    item = evidence.get(session, items[0])
    data = evidence_proofs.proof_files(session, item)[f"{item.handle}.ots"]
    theirs = DetachedTimestampFile.deserialize(BytesDeserializationContext(data))
    assert theirs.file_digest == item.sha256 and ots.decode(data).encode() == data
    [(message, end)] = [pair for pair in theirs.timestamp.all_attestations() if pair[1].TAG == ots.BITCOIN]
    assert message == calendar.root() and end.height == 2


@pytest.mark.skipif(shutil.which("ots") is None, reason="the ots client is not installed")
def test_the_ots_client_reads_what_is_exported(tmp_path: Path) -> None:
    """`ots info` prints the tree of a proof of ours."""
    leaf = merkle.item_leaf(b"s" * 32, b"b" * 32, 7)
    _root, [proof] = merkle.plant([leaf])
    stamped = ots.Node(proof.root(leaf), [ots.Attestation(ots.BITCOIN, b"\x02")])
    (tmp_path / "x.ots").write_bytes(ots.for_item(b"s" * 32, leaf, proof, stamped).encode())
    done = subprocess.run(["ots", "info", "x.ots"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "BitcoinBlockHeaderAttestation(2)" in done.stdout, done


def test_attack_a_calendar_cannot_make_us_ask_elsewhere_or_swallow_junk(session: Session, items: list[str]) -> None:
    """The address in a promise is never contacted; junk, floods and proofs without attestation are not kept."""
    with Served(lambda _path, _body: (200, b"")) as trap:
        uri = trap.url.encode()
        promise = b"\x00" + ots.PENDING + bytes([len(uri) + 1, len(uri)]) + uri
        for answer in (b"junk", b"", b"\x08", promise + b"x", b"\xf0" + b"\x80" * 1000):
            with Served(lambda _path, _body, answer=answer: (200, answer)) as server:  # type: ignore[misc]
                evidence_time.set_authority(session, "cal", OTS, server.url)
                if not evidence_time.book(session).wanted:
                    evidence_time.want(session)
                assert len(evidence_time.send(session, Way()).failed) == 1
        with Served(lambda path, _body: (200, promise) if path.endswith("digest") else (404, b"")) as server:
            evidence_time.set_authority(session, "cal", OTS, server.url)
            assert len(evidence_time.send(session, Way()).done) == 1
            evidence_time.send(session, Way())
        assert trap.seen == []


def promises(count: int, junk: int = 0) -> bytes:
    """A calendar's answer with so many promises under one message, each with ``junk`` bytes of an attestation nobody knows."""
    one = b"\x00" + ots.PENDING + b"\x0a\x09https://x"
    rest = b"\xff\x00" + bytes(8) + ots._number(junk) + bytes(junk) if junk else b""
    branches = [b"\xf0\x02" + number.to_bytes(2, "big") + rest + one for number in range(1, count + 1)]
    return b"".join(b"\xff" + branch for branch in branches[:-1]) + branches[-1]


def test_attack_a_calendar_that_promises_without_end_is_asked_a_few_times(session: Session, items: list[str]) -> None:
    """Thousands of promises in one answer make no thousands of requests, nor rows."""

    def answer(path: str, _body: bytes) -> tuple[int, bytes]:
        return (200, promises(2000)) if path.endswith("digest") else (404, b"")

    with Served(answer) as server:
        evidence_time.set_authority(session, "cal", OTS, server.url)
        evidence_time.want(session)
        assert evidence_time.send(session, Way()).done
        evidence_time.send(session, Way())
        assert 1 < len(server.seen) < 20


def test_attack_a_calendar_cannot_make_a_proof_grow_until_nobody_can_read_it(session: Session, items: list[str]) -> None:
    """An answer that makes the proof too large is refused, and the proof that is held stays readable."""
    grown = promises(8, 7900)
    assert len(grown) < ots.LIMIT

    def answer(path: str, body: bytes) -> tuple[int, bytes]:
        return 200, Calendar().answer(path, body)[1] if path.endswith("digest") else grown

    with Served(answer) as server:
        evidence_time.set_authority(session, "cal", OTS, server.url)
        evidence_time.want(session)
        for _time in range(3):
            outcome = evidence_time.send(session, Way())
        assert any("more than" in line for line in outcome.failed), outcome
    [held] = [row for row in evidence_time.book(session).stamps.values() if row.kind == OTS]
    assert ots.decode(held.data).tree.message == held.digest


def test_attack_an_authority_with_another_clock_is_told(
    session: Session, items: list[str], tsa: Tsa, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stamp that is right but days from this machine's clock is kept, and the difference is said."""
    with Served(lambda _path, body: (200, tsa.reply(body))) as server:
        evidence_time.set_authority(session, "first", RFC3161, server.url, timestamp.as_pem([tsa.root]))
        evidence_time.want(session)
        later = now_ms() + 40 * 86_400_000
        monkeypatch.setattr(evidence_time, "now_ms", lambda: later)
        outcome = evidence_time.send(session, Way())
    assert len(outcome.done) == 1 and "more than a day apart" in outcome.failed[0]


def test_somebody_elses_ots_file_is_kept_only_for_its_own_item(session: Session, tmp_path: Path) -> None:
    """A proof made elsewhere is taken for its file, told as unchecked until its header is given, and refused else."""
    (tmp_path / "hello-world.txt").write_bytes(b"Hello World!\n")
    (tmp_path / "other.txt").write_bytes(b"other")
    evidence.add(session, [tmp_path / "hello-world.txt", tmp_path / "other.txt"])
    by_name = {item.name: item.handle for item in session.testimony.items()}
    data = hello()
    [end] = evidence_time.import_proof(session, by_name["hello-world.txt"], data, "hello-world.txt.ots")
    assert end.height == 358391
    [told] = evidence_proofs.proofs(session, by_name["hello-world.txt"]).proofs
    assert not told.holds and "358,391" in told.sentence
    [message] = [message for message, _end in ots.decode(data).tree.ends()]
    assert message is not None
    (tmp_path / "list").write_text(f"358391 {message[::-1].hex()} 1432827678\n")
    evidence_time.read_headers(session, tmp_path / "list")
    [told] = evidence_proofs.proofs(session, by_name["hello-world.txt"]).proofs
    assert told.holds and "2015-05-28" in told.sentence
    with pytest.raises(ots.OtherProof):
        evidence_time.import_proof(session, by_name["other.txt"], data, "hello-world.txt.ots")


def test_attack_rows_of_a_hostile_device_name_no_path_and_hold_up_nothing(
    session: Session, items: list[str], tsa: Tsa, tmp_path: Path
) -> None:
    """An authority called like a path writes inside the folder only; junk for a proof or a stamp stops no other."""
    pem_of_it = timestamp.as_pem([tsa.root])
    evil = queue.Authority("../../evil; rm", RFC3161, "https://x.invalid/", pem_of_it)
    evidence.put_rows(session, [evil.row(1)])
    evidence_time.want(session)
    [path] = evidence_time.write_requests(session, tmp_path / "out")
    assert path.parent == tmp_path / "out" and path.exists() and ";" not in path.name and " " not in path.name
    junk = [Seal("", OTS, b"r" * 32, b"junk", 1, "cal"), Seal("", RFC3161, b"r" * 32, b"junk", 1, evil.name)]
    evidence.put_rows(session, [*junk, queue.Authority("cal", OTS, "https://x.invalid/").row(1)])
    (tmp_path / "headers").write_bytes(b"".join(_chained(1)))
    assert evidence_time.due(session) == [] and evidence_time.read_headers(session, tmp_path / "headers") == []
    outcome = evidence_time.send(session, Way(seconds=2.0))
    assert len(outcome.failed) == 2 and not outcome.done
    evidence_proofs.proofs(session, items[0])


def test_the_queue_survives_a_rebuild(session: Session, items: list[str], tsa: Tsa) -> None:
    """Authorities, requests, stamps and renewals are read again from the ledger after the views were thrown away."""
    with Served(lambda _path, body: (200, tsa.reply(body))) as server:
        evidence_time.set_authority(session, "one", RFC3161, server.url, tsa.pem)
        evidence_time.want(session)
        evidence_time.send(session, Way())
        evidence_time.want(session, items[:2])
    before = evidence_time.book(session)
    session.rebuild()
    assert evidence_time.book(session) == before and len(before.wanted) == 2 and len(before.stamps) == 1
    with pytest.raises(evidence_time.NoSuchAuthority):
        evidence_time.drop_authority(session, "nobody")
    with pytest.raises(evidence_time.BadName):
        evidence_time.set_authority(session, "../x", OTS, "https://x.invalid/")


def test_nothing_is_wanted_where_nobody_is_asked(session: Session, items: list[str]) -> None:
    """Without an authority the sentence says how to name one."""
    with pytest.raises(evidence_time.NoAuthority, match="evidence authority"):
        evidence_time.want(session)


# -- the command line ----------------------------------------------------------------------------------------------------------


def test_the_command_line_asks_carries_tells_and_writes(tmp_path: Path, tsa: Tsa) -> None:
    """authority, timestamp (queue, requests, replies, due, send to nobody) and proofs work together, in text and JSON."""
    shell = Shell(tmp_path / "user", tmp_path / "case2")
    shell.init()
    (tmp_path / "made-up.bin").write_bytes(b"made up")
    (tmp_path / "chain.pem").write_bytes(tsa.pem)
    item = shell.amparo("evidence", "add", str(tmp_path / "made-up.bin"))["first"]
    assert shell.amparo("evidence", "timestamp", code=9)["error"] == "NoAuthority"
    assert (
        shell.amparo("evidence", "authority", "one", "--url", "https://one.invalid/", code=2)["error"] == "CertificatesNeeded"
    )
    named = ["evidence", "authority", "one", "--url", "https://one.invalid/tsr", "--certificates", str(tmp_path / "chain.pem")]
    assert "Made-up root first" in shell.amparo(*named)["certificates"][0]
    assert shell.amparo("evidence", "timestamp")["items"] == 1
    assert len(shell.amparo("evidence", "timestamp", "--send", "--seconds", "5")["sent"]["failed"]) == 1
    [path] = shell.amparo("evidence", "timestamp", "--write-requests", str(tmp_path / "out"))["requests"]
    Path(path).with_suffix(".tsr").write_bytes(tsa.reply(Path(path).read_bytes()))
    assert len(shell.amparo("evidence", "timestamp", "--read-replies", str(tmp_path / "out"))["read"]["done"]) == 1
    assert shell.amparo("evidence", "timestamp", "--due")["due"] == []
    told = shell.amparo("evidence", "proofs", item, "--out", str(tmp_path / "proofs"))
    assert [proof["holds"] for proof in told["proofs"]] == [True] and told["before"] and len(told["files"]) == 5
    assert {path.name for path in (tmp_path / "proofs").iterdir()} == set(told["files"])
    shell.amparo("evidence", "authority", "one", "--remove")
    assert shell.amparo("evidence", "authority")["authorities"] == []
