"""Collections of others (C2PA, WARC, exiftool, Wycheproof): right files read rightly, wrong ones refused for the right reason.

Run where they are at hand: AMPARO_CORPORA names the folder, tests/vectors/README.md says what belongs there.
"""

import gzip
import hmac
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nacl.bindings
import nacl.exceptions
import pytest
from corpora_kit import corpus
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import keywrap
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from amparo.evidence import kinds, sandbox
from amparo.evidence.findings import Facts, Finding, Hints, Warn
from amparo.evidence.sandbox import FileUnreadable, Sandbox


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


def read(box: Sandbox, reader: str, path: Path) -> list[Finding]:
    with path.open("rb") as file:
        kind = kinds.media_type(file.read(kinds.HEAD), path.name)
        return list(box.read(reader, file, Hints(path.name, kind, path.stat().st_size)))


def facts(found: list[Finding], kind: str) -> list[dict[str, Any]]:
    return [finding.data for finding in found if isinstance(finding, Facts) and finding.kind == kind]


# -- C2PA public test files ---------------------------------------------------------------------------------------------------

UNTRUSTED = "signingCredential.untrusted"  # the makers' test certificates lead to no root of ours
HELD: dict[str, tuple[str, str, set[str], set[str]] | None] = {
    # name: (state, binding, failures, failures of the files it was made from); None where there are no credentials
    "A": None, "I": None,
    **{name: ("valid", "holds", set(), set()) for name in (
        "C", "CA", "CACA", "CACAICAICICA", "CAI", "CAIAIIICAICIICAIICICA", "CAICA", "CAICAI", "CI", "CICA", "CICACACA", "CII")},
    "CIE-sig-CA": ("valid", "holds", set(), {"claimSignature.mismatch"}),
    "E-dat-CA": ("invalid", "broken", {"assertion.dataHash.mismatch"}, set()),
    "XCA": ("invalid", "broken", {"assertion.dataHash.mismatch"}, set()),
    "XCI": ("invalid", "broken", {"assertion.dataHash.mismatch"}, set()),
    "E-sig-CA": ("invalid", "unknown", {"claimSignature.mismatch"}, set()),
    "E-uri-CA": ("invalid", "holds", {"assertion.hashedURI.mismatch"}, set()),
    "E-uri-CIE-sig-CA": ("invalid", "holds", set(), {"claimSignature.mismatch", "assertion.hashedURI.mismatch"}),
    "E-clm-CAICAI": ("invalid", "holds", {"assertion.hashedURI.mismatch", "ingredient.manifest.missing"},
                     {"ingredient.manifest.missing"}),
}  # fmt: skip


@pytest.mark.parametrize("name", HELD)
def test_c2pa_files_are_judged_as_their_names_say(box: Sandbox, name: str) -> None:
    """Whole ones hold; a changed picture, signature, claim or statement is each told by its code, and what still holds."""
    found = read(box, "c2pa", corpus("public-testfiles") / "image" / "jpeg" / f"adobe-20220124-{name}.jpg")
    expected = HELD[name]
    assert not [finding for finding in found if isinstance(finding, Warn)]
    if expected is None:
        assert found == []
        return
    [told] = facts(found, "provenance")
    state, binding, failures, of_parts = expected
    assert (told["state"], told["binding"]) == (state, binding)
    assert set(told["failures"]) == failures | {UNTRUSTED} and set(told["failures_of_parts"]) == of_parts
    words = " ".join(told["sentences"])
    assert ("byte for byte what was signed" in words) == (binding == "holds")
    assert ("were not in order" in words) == bool(of_parts) and "whose authority is trusted" not in words


@pytest.mark.parametrize(("name", "binding", "failure"), [
    ("nikon-20221019-building.jpeg", "holds", "signingCredential.expired"),
    ("truepic-20230212-camera.jpg", "partly", "assertion.dataHash.mismatch"),
    ("truepic-20230212-library.jpg", "partly", "assertion.dataHash.mismatch"),
])  # fmt: skip
def test_c2pa_files_of_cameras_are_not_called_forged(box: Sandbox, name: str, binding: str, failure: str) -> None:
    """An expired certificate, and a hash that leaves out too much, are said as what they are, not as a changed picture."""
    [told] = facts(read(box, "c2pa", corpus("public-testfiles") / "image" / "jpeg" / name), "provenance")
    assert told["binding"] == binding and failure in told["failures"]
    assert "was changed after it was signed" not in " ".join(told["sentences"])


def test_c2pa_in_a_pdf_is_read(box: Sandbox) -> None:
    """The credentials of a PDF hold."""
    [path] = (corpus("public-testfiles") / "pdf").glob("*.pdf")
    [told] = facts(read(box, "c2pa", path), "provenance")
    assert (told["state"], told["binding"]) == ("valid", "holds")


# -- WARC ---------------------------------------------------------------------------------------------------------------------

WARC: dict[str, tuple[dict[str, int], int, str]] = {  # records by type, digests that are wrong, words of a warning
    "example.warc": ({"warcinfo": 2, "response": 1, "request": 2, "revisit": 1}, 0, ""),
    "example.warc.gz": ({"warcinfo": 2, "response": 1, "request": 2, "revisit": 1}, 0, ""),
    "example-digest.warc": ({"request": 4}, 1, "payload"),
    "example-iana.org-chunked.warc": ({"warcinfo": 1, "response": 1, "request": 1}, 0, ""),
    "example-resource.warc.gz": ({"warcinfo": 2, "resource": 1}, 0, ""),
    "example-space-in-target-uri.warc.gz": ({"warcinfo": 1, "resource": 1}, 0, ""),
    "example-trunc.warc": ({"warcinfo": 2, "response": 1}, 1, "cannot be read on"),
    "example-wget-bad-target-uri.warc.gz": ({"warcinfo": 1, "request": 1, "response": 1, "metadata": 1, "resource": 2}, 0, ""),
    "example-wrong-chunks.warc.gz": ({"response": 1, "request": 1}, 1, "block"),
    "post-test.warc.gz": ({"response": 3, "request": 3}, 0, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", WARC)
def test_warc_files_are_read_and_judged(box: Sandbox, name: str) -> None:
    """Records and wrong digests as warcio finds them; truncation and bad chunks are told."""
    records, wrong, words = WARC[name]
    found = read(box, "warc", corpus("warcio") / "test" / "data" / name)
    [told] = [finding.data for finding in found if isinstance(finding, Facts) and "records" in finding.data]
    assert (told["records"], told["digests wrong"]) == (records, wrong)
    warned = " ".join(finding.sentence for finding in found if isinstance(finding, Warn))
    assert words in warned and bool(warned) == bool(words)


def test_warc_of_one_gzip_run_is_read_and_its_altered_digest_found(box: Sandbox) -> None:
    """Files that others refuse for their compression alone are read; the digest altered in one of them is found."""
    folder = corpus("warcio") / "test" / "data"
    for name, wrong in (("example-bad-non-chunked.warc.gz", ["http://example.com/ (block)"]), ("example-bad.warc.gz.bad", [])):
        [told] = [one.data for one in read(box, "warc", folder / name) if isinstance(one, Facts) and "records" in one.data]
        assert told["wrong"] == wrong and set(told["hosts"]) <= {"example.com", "www.iana.org"}


@pytest.mark.parametrize("name", ["example.arc", "bad.arc", "example.arc.gz"])
def test_the_older_arc_is_refused_by_name(box: Sandbox, name: str) -> None:
    """ARC, the format before WARC, is no WARC: one sentence."""
    with pytest.raises(FileUnreadable, match="WARC"):
        read(box, "warc", corpus("warcio") / "test" / "data" / name)


# -- exiftool's samples -------------------------------------------------------------------------------------------------------

TAGS = {
    "Make": "Make", "Camera Model Name": "Model", "Date/Time Original": "DateTimeOriginal", "Software": "Software",
    "Artist": "Artist", "Create Date": "CreateDate", "Orientation": "Orientation", "ISO": "ISO", "Modify Date": "ModifyDate",
    "Exposure Time": "ExposureTime", "F Number": "FNumber", "Image Description": "ImageDescription", "Copyright": "Copyright",
}  # fmt: skip


def expected() -> Iterator[tuple[Path, dict[str, set[str]]]]:
    """Each sample of exiftool's own tests with the EXIF values that those expect."""
    folder = corpus("exiftool") / "t"
    for test in sorted(folder.glob("*.t")):
        for match in re.finditer(r"# test (\d+):[^\n]*\n\{?(.*?)(?=\n# test|\Z)", test.read_text("latin-1"), re.DOTALL):
            named = re.findall(r"ImageInfo\('t/images/([^']+)'\)", match[2])
            out = folder / f"{test.stem}_{match[1]}.out"
            if len(named) != 1 or "check($exifTool, $info" not in match[2] or "Options(" in match[2] or not out.exists():
                continue
            values: dict[str, set[str]] = {}
            for line in out.read_text("utf-8", "replace").splitlines():
                told = re.match(r"\[EXIF, [\w-]+, \w+\] \S+ - ([^:]+): (.*)", line)
                if told and told[1] in TAGS and told[2].isascii():
                    values.setdefault(TAGS[told[1]], set()).add(told[2].strip())
            if values:
                yield folder / "images" / named[0], values


def test_exif_is_told_as_exiftools_own_tests_expect(box: Sandbox) -> None:
    """Camera, times, exposure and authors of some forty samples, value by value, through the sandbox."""
    compared = 0
    for path, values in expected():
        told: dict[str, set[str]] = {}
        for group in facts(read(box, "metadata", path), "metadata")[0]["groups"].values():
            for tag, value in group.items():
                told.setdefault(tag, set()).add(str(value).strip())
        for tag, wanted in values.items():
            assert wanted <= told.get(tag, set()), (path.name, tag)
            compared += len(wanted)
    assert compared > 200


def test_every_sample_of_exiftool_meets_its_readers_without_harm(box: Sandbox) -> None:
    """Some two hundred odd formats: each reader that is sent gives findings or one sentence, and none breaks down."""
    for path in sorted((corpus("exiftool") / "t" / "images").iterdir()):
        kind = kinds.media_type(path.read_bytes()[: kinds.HEAD], path.name)
        for reader in sandbox.readers_for(kind):
            try:
                read(box, reader, path)
            except FileUnreadable as error:
                assert str(error).endswith((".", ")", "!", "index.")), (path.name, reader)


# -- Wycheproof: what vault uses ----------------------------------------------------------------------------------------------


def wycheproof(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(group, test) of one file."""
    path = corpus("wycheproof") / "testvectors_v1" / f"{name}_test.json"
    raw = path.read_bytes() if path.exists() else gzip.decompress(path.with_suffix(".json.gz").read_bytes())
    for group in json.loads(raw)["testGroups"]:
        for test in group["tests"]:
            yield group, test


def hexed(test: dict[str, Any], *names: str) -> list[bytes]:
    return [bytes.fromhex(test[name]) for name in names]


def test_aes_gcm_passes_wycheproof() -> None:
    """Keys of 256 bits, nonces of 96, tags of 128, as parts and files are sealed: right ones open, wrong ones never."""
    count = 0
    for group, test in wycheproof("aes_gcm"):
        if (group["keySize"], group["ivSize"], group["tagSize"]) != (256, 96, 128):
            continue
        key, nonce, aad, plain, sealed, tag = hexed(test, "key", "iv", "aad", "msg", "ct", "tag")
        count += 1
        if test["result"] == "valid":
            assert AESGCM(key).encrypt(nonce, plain, aad) == sealed + tag
            assert AESGCM(key).decrypt(nonce, sealed + tag, aad) == plain
        else:
            with pytest.raises(InvalidTag):
                AESGCM(key).decrypt(nonce, sealed + tag, aad)
    assert count > 50


def test_aes_key_wrap_passes_wycheproof() -> None:
    """RFC 3394 with 256-bit keys, as part keys are wrapped."""
    count = 0
    for group, test in wycheproof("aes_wrap"):
        if group["keySize"] != 256:
            continue
        key, plain, wrapped = hexed(test, "key", "msg", "ct")
        count += 1
        if test["result"] == "invalid":
            with pytest.raises((keywrap.InvalidUnwrap, ValueError)):
                keywrap.aes_key_unwrap(key, wrapped)
        elif test["result"] == "valid":
            assert keywrap.aes_key_unwrap(key, wrapped) == plain
    assert count > 40


def test_ed25519_passes_wycheproof() -> None:
    """Signatures as libsodium checks them for the ledger: malleable, truncated and foreign ones are refused."""
    for group, test in wycheproof("ed25519"):
        key, message, signature = bytes.fromhex(group["publicKey"]["pk"]), *hexed(test, "msg", "sig")
        try:
            held = nacl.bindings.crypto_sign_open(signature + message, key) == message and len(signature) == 64
        except (nacl.exceptions.BadSignatureError, nacl.exceptions.ValueError, ValueError):
            held = False
        assert held == (test["result"] == "valid"), test["tcId"]


def test_hkdf_and_hmac_pass_wycheproof() -> None:
    """HKDF-SHA256 and HMAC-SHA256, by which keys, commitments and addresses are derived."""
    for _group, test in wycheproof("hkdf_sha256"):
        secret, salt, info, wanted = hexed(test, "ikm", "salt", "info", "okm")
        if test["result"] == "invalid":
            with pytest.raises(ValueError, match="larger"):
                HKDF(SHA256(), test["size"], salt, info)
        else:
            assert HKDF(SHA256(), test["size"], salt, info).derive(secret) == wanted
    for group, test in wycheproof("hmac_sha256"):
        key, message, tag = hexed(test, "key", "msg", "tag")
        made = hmac.digest(key, message, "sha256")[: group["tagSize"] // 8]
        assert hmac.compare_digest(made, tag) == (test["result"] == "valid")


def test_x25519_passes_wycheproof() -> None:
    """The classical half of the recipients' key agreement; points of small order give no secret."""
    for _group, test in wycheproof("x25519"):
        public, private, shared = hexed(test, "public", "private", "shared")
        try:
            found = X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))
        except ValueError:
            assert test["result"] != "valid" and not any(shared), test["tcId"]
            continue
        assert found == shared, test["tcId"]


def test_ml_kem_768_passes_wycheproof() -> None:
    """The other half: keys from seeds, decapsulation with implicit rejection, encapsulation keys of the wrong form refused."""
    for _group, test in wycheproof("mlkem_768_keygen_seed"):
        seed, public = hexed(test, "seed", "ek")
        assert MLKEM768PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw() == public
    for _group, test in wycheproof("mlkem_768"):
        seed, sealed = hexed(test, "seed", "c")
        try:
            shared = MLKEM768PrivateKey.from_seed_bytes(seed).decapsulate(sealed)
        except ValueError:
            assert test["result"] == "invalid", test["tcId"]
            continue
        assert (shared == bytes.fromhex(test["K"])) == (test["result"] == "valid"), test["tcId"]
    refused = 0
    for _group, test in wycheproof("mlkem_768_encaps"):
        try:
            MLKEM768PublicKey.from_public_bytes(bytes.fromhex(test["ek"]))
        except ValueError:
            refused += 1
            assert test["result"] == "invalid", test["tcId"]
            continue
        assert test["result"] == "valid", test["tcId"]
    assert refused > 100
