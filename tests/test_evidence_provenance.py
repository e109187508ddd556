"""Content Credentials, ProofMode, Tella and capture logs: made here, signed, altered, stripped, and attacked."""

import csv
import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from c2pa import Builder, C2paSignerInfo, Context, Signer  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pysequoia import SignatureMode, Tsk, sign

from amparo.app import evidence, evidence_proofs, evidence_read, evidence_time, opening
from amparo.app.session import Session
from amparo.evidence.findings import Facts, Finding, Hints, Unreadable, Warn
from amparo.evidence.readers import c2pa, capturelog, eyewitness, proofmode, tella
from amparo.evidence.readers.capturelog import Point
from amparo.evidence.sandbox import Sandbox, readers_for
from amparo.vault.slots import Cost, Passphrase

SOURCES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
Key = ec.EllipticCurvePrivateKey


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


def facts(found: list[Finding], *, sensitive: bool = False) -> list[dict[str, Any]]:
    return [one.data for one in found if isinstance(one, Facts) and bool(one.data["sensitive"]) == sensitive]


def read(reader: Any, data: bytes, **hints: Any) -> list[Finding]:
    return list(reader.read(io.BytesIO(data), Hints(size=len(data), **hints)))


# -- Content Credentials -------------------------------------------------------------------------------------------------------


def certify(subject: str, key: Key, issuer: str, issuer_key: Key, *, authority: bool) -> x509.Certificate:
    now = datetime.now(UTC)
    name = [
        x509.Name(
            [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Made-up makers"), x509.NameAttribute(NameOID.COMMON_NAME, one)]
        )
        for one in (subject, issuer)
    ]
    used = x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False)
    made = (
        x509.CertificateBuilder().subject_name(name[0]).issuer_name(name[1]).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365)).add_extension(x509.BasicConstraints(authority, None), critical=True)
        .add_extension(used, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )  # fmt: skip
    if not authority:
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=True)
    return made.sign(issuer_key, hashes.SHA256())


class Maker:
    """Signs pictures as a camera or an editor would, with certificates of its own."""

    def __init__(self) -> None:
        root_key, self.key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        self.root = certify("Made-up root", root_key, "Made-up root", root_key, authority=True)
        self.leaf = certify("Made-up camera", self.key, "Made-up root", root_key, authority=False)
        self.trust = self.root.public_bytes(Encoding.PEM).decode()

    def sign(self, data: bytes, *actions: dict[str, Any], remote: str = "") -> bytes:
        chain = self.leaf.public_bytes(Encoding.PEM) + self.root.public_bytes(Encoding.PEM)
        private = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        signer = Signer.from_info(C2paSignerInfo(alg=b"es256", sign_cert=chain, private_key=private, ta_url=None))
        quiet = {"builder": {"thumbnail": {"enabled": False}}, "verify": {"verify_after_sign": False}}
        definition = {
            "claim_generator_info": [{"name": "Made-up camera app", "version": "1.0"}], "title": "made up",
            "assertions": [{"label": "c2pa.actions", "data": {"actions": list(actions) or [CAPTURED]}}],
        }  # fmt: skip
        out = io.BytesIO()
        with Context.from_dict(quiet) as context, Builder(json.dumps(definition), context) as builder:
            if remote:
                builder.set_remote_url(remote)
                builder.set_no_embed()
            builder.sign(signer, "image/jpeg", io.BytesIO(data), out)
        return out.getvalue()


CAPTURED = {"action": "c2pa.created", "digitalSourceType": SOURCES + "digitalCapture"}
INVENTED = {"action": "c2pa.created", "digitalSourceType": SOURCES + "trainedAlgorithmicMedia"}


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.effect_noise((64, 48), 50).convert("RGB").save(out, "JPEG")
    return out.getvalue()


@pytest.fixture(scope="module")
def maker() -> Maker:
    return Maker()


@pytest.fixture(scope="module")
def signed(maker: Maker) -> bytes:
    return maker.sign(jpeg(), CAPTURED, {"action": "c2pa.color_adjustments"})


def credentials(data: bytes, **options: Any) -> dict[str, Any]:
    [found] = facts(read(c2pa, data, media_type="image/jpeg", options=options))
    return found


def test_credentials_are_told_in_words_with_and_without_a_list_of_trust(maker: Maker, signed: bytes) -> None:
    """Signer, trust, binding, source and actions; the same file is trusted only by who was given its root."""
    unknown, trusted = credentials(signed), credentials(signed, c2pa_trust=maker.trust)
    other = credentials(signed, c2pa_trust=Maker().trust)
    assert unknown["binding"] == trusted["binding"] == "holds" and unknown["signer"] == "Made-up camera, Made-up makers"
    assert (unknown["trusted"], trusted["trusted"], other["trusted"]) == (False, True, False)
    words = " ".join(trusted["sentences"])
    for part in (
        "a root you trust",
        "byte for byte what was signed",
        "captured by a camera",
        "colours changed",
        "Made-up camera app",
    ):
        assert part in words
    assert "anybody can give themselves that name" in " ".join(unknown["sentences"])
    assert "none of the roots you trust" in " ".join(other["sentences"])
    assert "does not show that the scene was real" in words and "No time-stamp" in words and not trusted["ai"]


def test_a_picture_that_says_ai_made_it_is_told_so(maker: Maker) -> None:
    """The digital source type of a generated picture is in the facts and in the words."""
    found = credentials(maker.sign(jpeg(), INVENTED))
    assert found["ai"] and "generated by AI" in " ".join(found["sentences"])


def test_attack_a_byte_changed_after_signing_breaks_the_binding(signed: bytes) -> None:
    """A flipped bit in the picture is told as a file changed after it was signed."""
    altered = bytearray(signed)
    altered[-40] ^= 1
    found = credentials(bytes(altered))
    assert found["binding"] == "broken" and found["state"] == "invalid"
    assert "changed after it was signed" in " ".join(found["sentences"])


def rehashed(signed: bytes) -> bytes:
    """A pixel changed, and the hash in the credentials with it, as a forger does who has no key."""
    first, last, at = 0, 0, 2
    while signed[at] == 0xFF and signed[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(signed[at + 2 : at + 4], "big")
        if signed[at + 1] == 0xEB:
            first, last = first or at, end
        at = end
    altered = bytearray(signed)
    altered[-40] ^= 1
    old, new = (hashlib.sha256(data[:first] + data[last:]).digest() for data in (signed, bytes(altered)))
    assert signed.count(old) == 1
    return bytes(altered).replace(old, new)


def test_attack_a_changed_picture_with_its_hash_changed_too_is_not_called_whole(maker: Maker, signed: bytes) -> None:
    """Who alters picture and hash alike leaves a hash that fits: it is under no signature, and nothing is said to hold."""
    found = credentials(rehashed(signed), c2pa_trust=maker.trust)
    words = " ".join(found["sentences"])
    assert found["binding"] == "unknown" and found["state"] == "invalid" and not found["trusted"]
    assert "byte for byte" not in words and "under no signature" in words
    assert "Statements changed after the signing: c2pa.hash.data" in words


def test_a_time_stamp_that_nobody_vouches_for_is_called_so() -> None:
    """The library calls every time-stamp of old credentials trusted: the words do not, nor without a list of trust."""

    def store(explanation: str) -> Any:
        success = [{"code": "claimSignature.validated"}, {"code": "timeStamp.trusted", "explanation": explanation}]
        manifest = {"signature_info": {"time": "2017-04-04T00:00:00+00:00"}}
        return c2pa._Store({"active_manifest": "a", "manifests": {"a": manifest},
                            "validation_results": {"activeManifest": {"success": success}}})  # fmt: skip

    for explanation, trust, vouched in (
        ("legacy timestamp cert trusted: Made-up", True, False), ("timestamp cert trusted: Made-up", True, True),
        ("timestamp cert trusted: Made-up", False, False), ("", True, True),
    ):  # fmt: skip
        words = " ".join(c2pa._told(store(explanation), "Valid", trust_given=trust)["sentences"])
        assert ("whose authority is trusted" in words) == vouched, explanation
        assert ("nobody trusted vouches" in words) != vouched


def test_attack_a_changed_statement_breaks_the_credentials(signed: bytes) -> None:
    """A word changed inside the manifest makes it invalid, whatever its signature says of the rest."""
    place = signed.index(b"digitalCapture")
    altered = signed[:place] + b"digitalRapture" + signed[place + 14 :]
    found = read(c2pa, altered, media_type="image/jpeg")
    assert all(one["state"] == "invalid" and one["failures"] for one in facts(found))


def test_stripped_credentials_leave_nothing_to_tell(signed: bytes) -> None:
    """A picture saved again has no credentials, and the reader is silent: absence shows nothing."""
    out = io.BytesIO()
    Image.open(io.BytesIO(signed)).save(out, "JPEG")
    assert read(c2pa, out.getvalue(), media_type="image/jpeg") == [] == read(c2pa, jpeg(), media_type="image/jpeg")


class Trap:
    """A server on the loopback that counts who asks it anything."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                self.send_error(404)

            def log_message(self, *_args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/made-up.c2pa"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def trap() -> Iterator[Trap]:
    made = Trap()
    yield made
    made.close()


def test_attack_a_remote_manifest_is_not_fetched(maker: Maker, trap: Trap) -> None:
    """Opening a picture whose credentials are on a server makes no connection, and the sentence says why."""
    data = maker.sign(jpeg(), remote=trap.url)
    assert trap.url.encode() in data
    found = credentials(data)
    assert trap.asked == [] and found["state"] == "remote" and "not fetched" in found["sentences"][0]
    from c2pa import C2paError, Reader

    with pytest.raises(C2paError):  # the library's own default does ask, which is why the setting matters
        Reader("image/jpeg", io.BytesIO(data))
    assert trap.asked == ["/made-up.c2pa"]


def test_the_sandbox_denies_the_network_even_to_a_library_that_asks(
    maker: Maker, signed: bytes, trap: Trap, box: Sandbox
) -> None:
    """In the sandbox the same facts come out, and nothing reaches the server, whatever the file says."""
    data = maker.sign(jpeg(), remote=trap.url)
    [remote] = facts(list(box.read("c2pa", io.BytesIO(data), Hints("x.jpg", "image/jpeg", len(data)))))
    options = {"c2pa_trust": maker.trust}
    [known] = facts(list(box.read("c2pa", io.BytesIO(signed), Hints("x.jpg", "image/jpeg", len(signed), options))))
    assert trap.asked == [] and remote["state"] == "remote" and known["trusted"] and known["binding"] == "holds"


@given(st.lists(st.tuples(st.integers(0, 1 << 30), st.binary(min_size=1, max_size=8)), min_size=1, max_size=6))
@settings(max_examples=120)
def test_fuzz_no_altered_picture_passes_as_whole(signed: bytes, changes: list[tuple[int, bytes]]) -> None:
    """Bytes changed anywhere: the reader tells something broken or nothing, refuses by name, and never says that it holds."""
    data = bytearray(signed)
    for place, new in changes:
        at = place % len(data)
        data[at : at + len(new)] = new
    if bytes(data) == signed:
        return
    found = read(c2pa, bytes(data), media_type="image/jpeg")
    for one in facts(found):
        assert one["state"] in ("invalid", "remote") or one["binding"] != "holds" or _only_padding(signed, bytes(data)), one


def _only_padding(one: bytes, other: bytes) -> bool:
    """Whether only excluded bytes differ: the JUMBF segment's own framing, no part of the picture or its statements."""
    start, stop = one.index(b"\xff\xeb"), one.index(b"\xff\xdb")
    return len(one) == len(other) and one[:start] == other[:start] and one[stop:] == other[stop:]


# -- ProofMode -----------------------------------------------------------------------------------------------------------------

MEDIA = b"\xff\xd8\xff\xe0 a made-up picture"
HASH = hashlib.sha256(MEDIA).hexdigest()
FIELDS = {
    "File Hash SHA256": HASH, "File Path": "/storage/DCIM/V-900.jpg", "File Modified": "2022-02-03T22:51:16Z",
    "Proof Generated": "2022-02-03T22:51:20Z", "Location.Latitude": "43.3", "Location.Longitude": "45.7",
    "Location.Time": "1643928670000", "DeviceID": "made-up-device-1", "Wifi MAC": "02:00:00:00:00:01", "IPv4": "192.0.2.7",
    "Manufacturer": "Made up", "Language": "English",
}  # fmt: skip


@pytest.fixture(scope="module")
def key() -> Tsk:
    return Tsk.generate("made up <v-900@example.org>")


def proof_csv(fields: dict[str, str]) -> bytes:
    return (",".join(fields) + ",\n" + ",".join(value.replace(",", " ") for value in fields.values()) + ",").encode()


def bundle(key: Tsk, *, fields: dict[str, str] | None = None, change: dict[str, bytes | None] | None = None) -> bytes:
    """A bundle as the app shares it; ``change`` replaces or removes files after they were signed."""
    proof, also = proof_csv(fields or FIELDS), json.dumps(fields or FIELDS).encode()
    made: dict[str, bytes] = {
        "V-900.jpg": MEDIA, f"{HASH}.proof.csv": proof, f"{HASH}.proof.json": also,
        "pubkey.asc": str(key.extract_certificate()).encode(),
        f"{HASH}.asc": sign(key.signer(), MEDIA, mode=SignatureMode.DETACHED),
        f"{HASH}.proof.csv.asc": sign(key.signer(), proof, mode=SignatureMode.DETACHED),
        f"{HASH}.proof.json.asc": sign(key.signer(), also, mode=SignatureMode.DETACHED),
        f"{HASH}.ots": b"made up", "HowToVerifyProofData.txt": b"made up",
    }  # fmt: skip
    for name, content in (change or {}).items():
        if content is None:
            made.pop(name)
        else:
            made[name] = content
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in made.items():
            archive.writestr(zipfile.ZipInfo(name, (2022, 2, 3, 22, 51, 16)), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def test_a_genuine_bundle_matches_and_its_signatures_hold(key: Tsk, box: Sandbox) -> None:
    """CSV and JSON proof: hash and both signatures hold, the key is named; the same through the sandbox."""
    data = bundle(key)
    for found in (
        read(proofmode, data),
        list(box.read("proofmode", io.BytesIO(data), Hints("b.zip", "application/zip", len(data)))),
    ):
        told = facts(found)
        assert len(told) == 2 and not [one for one in found if isinstance(one, Warn)]
        for one in told:
            assert (one["hash"], one["signature"], one["media_signature"]) == ("match", "good", "good")
            assert (
                one["key"] == key.extract_certificate().fingerprint and one["oddities"] == [] and one["files"] == ["V-900.jpg"]
            )
            assert "2022-02-03 22:51 UTC" in " ".join(one["sentences"]) and "compare its fingerprint" in " ".join(
                one["sentences"]
            )
    assert "proofmode" in readers_for("application/zip")


def test_device_network_and_place_are_marked_and_never_in_a_sentence(key: Tsk) -> None:
    """Device id, MAC, IP, coordinates and paths are in facts marked sensitive, and in no other."""
    found = read(proofmode, bundle(key))
    [first, _second] = facts(found, sensitive=True)
    assert {"DeviceID", "Wifi MAC", "IPv4", "Location.Latitude", "Location.Longitude", "File Path"} <= set(first["fields"])
    plain = json.dumps(facts(found))
    for secret in ("made-up-device-1", "02:00:00", "192.0.2.7", "43.3", "45.7", "DCIM"):
        assert secret not in plain
    assert "Made up" in plain


def test_attack_an_exchanged_picture_is_told(key: Tsk) -> None:
    """Another file in the place of the signed one: its hash is absent, whatever its name."""
    told = facts(read(proofmode, bundle(key, change={"V-900.jpg": b"another"})))
    assert {one["hash"] for one in told} == {"absent"} and "changed or left out" in " ".join(told[0]["sentences"])


def test_attack_a_changed_proof_is_told(key: Tsk) -> None:
    """A place edited in the CSV after signing: the signature does not hold, that over the JSON still does."""
    moved = proof_csv({**FIELDS, "Location.Latitude": "55.7"})
    told = facts(read(proofmode, bundle(key, change={f"{HASH}.proof.csv": moved})))
    assert sorted(one["signature"] for one in told) == ["bad", "good"]
    assert any("does NOT hold" in sentence for one in told for sentence in one["sentences"])


def test_attack_signatures_of_another_key_no_key_and_no_signature_are_told_apart(key: Tsk) -> None:
    """A swapped public key, a missing one, junk instead of one, and missing signatures each have their own word."""
    other = Tsk.generate("another made up <v-901@example.org>")
    cases: list[tuple[dict[str, bytes | None], str]] = [
        ({"pubkey.asc": str(other.extract_certificate()).encode()}, "bad"), ({"pubkey.asc": None}, "no key"),
        ({"pubkey.asc": b"junk"}, "no key"),
        ({f"{HASH}.proof.csv.asc": None}, "none"), ({f"{HASH}.proof.csv.asc": b"junk"}, "bad"),
    ]  # fmt: skip
    for change, word in cases:
        told = [one for one in facts(read(proofmode, bundle(key, change=change))) if one["proof"].endswith(".csv")]
        assert [one["signature"] for one in told] == [word], change


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_attack_bombs_and_double_names_in_a_bundle_are_told_and_not_unpacked(key: Tsk) -> None:
    """Media that swell a thousandfold are left, and a second file of the same name is told; neither passes for a match."""
    bombed = bundle(key, change={"V-900.jpg": bytes(120 << 20)})
    assert len(bombed) < 1 << 20
    found = read(proofmode, bombed)
    assert {one["hash"] for one in facts(found)} == {"unknown"} and any("swelling" in one.sentence for one in _warnings(found))
    out = io.BytesIO(bundle(key))
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("V-900.jpg", b"another")
    found = read(proofmode, out.getvalue())
    assert {one["hash"] for one in facts(found)} == {"unknown"} and any("one name" in one.sentence for one in _warnings(found))


def _warnings(found: list[Finding]) -> list[Warn]:
    return [one for one in found if isinstance(one, Warn)]


def test_a_zip_that_is_no_bundle_is_passed_over_in_silence() -> None:
    """Office files, plain archives and damaged zips are no business of this reader."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("holiday.txt", "made up")
    assert read(proofmode, out.getvalue()) == [] == read(proofmode, out.getvalue()[:40]) == read(proofmode, b"")


@given(st.lists(st.tuples(st.integers(0, 1 << 30), st.binary(min_size=1, max_size=6)), min_size=1, max_size=8), st.booleans())
@settings(max_examples=120)
def test_fuzz_bundles_never_break_the_reader(key: Tsk, changes: list[tuple[int, bytes]], cut: bool) -> None:
    """Changed or cut bundles give facts, warnings or silence, and a hash that matches is always the media's own."""
    data = bytearray(_whole(key))
    for place, new in changes:
        at = place % len(data)
        data[at : at + len(new)] = new
    for one in facts(read(proofmode, bytes(data[: len(data) // 2] if cut else data))):
        assert one["hash"] != "match" or one["files"]


_MADE: dict[str, bytes] = {}


def _whole(key: Tsk) -> bytes:
    if key.extract_certificate().fingerprint not in _MADE:
        _MADE[key.extract_certificate().fingerprint] = bundle(key)
    return _MADE[key.extract_certificate().fingerprint]


# -- logs ----------------------------------------------------------------------------------------------------------------------


def _tella(**fields: str) -> bytes:
    named = {
        "File hash": HASH, "File path": "/data/V-900", "File name": "V-900.jpg", "Timestamp": "1643928676000",
        "Location accuracy": "9.0", "Location latitude": "43.3", "Location longitude": "45.7",
        "Location timestamp": "1643928670000", "WiFi MAC": "02:00:00:00:00:01", "Device ID": "made-up-device-1",
        "Manufacturer": "Made up", **fields,
    }  # fmt: skip
    out = io.StringIO()
    csv.writer(out).writerows([list(named), list(named.values())])
    return out.getvalue().encode()


def test_tella_records_give_hash_time_and_marked_sensors(box: Sandbox) -> None:
    """The hash at capture and its time come out plain, device and place apart; the record is told to be unsigned."""
    data = _tella()
    for found in (read(tella, data), list(box.read("tella", io.BytesIO(data), Hints("V-900.csv", "text/csv", len(data))))):
        [plain], [marked] = facts(found), facts(found, sensitive=True)
        assert (
            plain["hashes"] == [{"file": "V-900.jpg", "digest": HASH}]
            and plain["captured"] == 1643928676000
            and plain["oddities"] == []
        )
        assert "not signed" in plain["sentences"][0] and "made-up-device-1" not in json.dumps(plain)
        assert marked["fields"]["Device ID"] == "made-up-device-1"
    assert read(tella, b"name,age\nmade up,7\n") == []


def test_clocks_that_differ_are_told() -> None:
    """An old location fix, and a capture in the future, are oddities in words."""
    [late] = facts(read(tella, _tella(Timestamp="1643999999000")))
    [future] = facts(read(tella, _tella(Timestamp="4102444800000")))
    assert "location fix differ" in " ".join(late["oddities"]) and "future" in " ".join(future["oddities"])


def _log(points: list[tuple[int, float, float]]) -> bytes:
    readings = [{"timestamp": at, "latitude": lat, "longitude": lon} for at, lat, lon in points]
    return json.dumps(
        {"media": {"filename": "clip.mp4", "sha256": HASH}, "deviceId": "made-up-device-1", "readings": readings}
    ).encode()


def test_a_capture_log_is_checked_for_order_and_impossible_journeys(box: Sandbox) -> None:
    """A plain walk has no oddity; time running backwards, a leap to another country and places at 0, 0 have one each."""
    walk = [(1643928670000 + n * 1000, 43.3 + n * 1e-5, 45.7) for n in range(20)]
    data = _log(walk)
    [plain] = facts(list(box.read("eyewitness", io.BytesIO(data), Hints("log.json", "application/json", len(data)))))
    assert plain["oddities"] == [] and plain["hashes"] == [{"file": "clip.mp4", "digest": HASH}] and plain["places"] == 20
    [leap] = facts(read(eyewitness, _log([*walk, (walk[-1][0] + 1000, 55.7, 37.6)]), name="log.json"))
    [back] = facts(read(eyewitness, _log([*walk, (walk[0][0] - 5000, 43.3, 45.7)]), name="log.json"))
    [zero] = facts(read(eyewitness, _log([*walk, (walk[-1][0] + 1000, 0.0, 0.0)]), name="log.json"))
    assert "faster than anybody travels" in " ".join(leap["oddities"])
    assert "backwards" in " ".join(back["oddities"]) and "no places" in " ".join(zero["oddities"])
    assert "43.3" not in json.dumps(leap) and "made-up-device-1" not in json.dumps(leap)


def test_a_capture_log_in_csv_is_read_and_other_files_are_passed_over() -> None:
    """Rows of readings with a hash are a log; any other JSON or CSV, and proofs of ProofMode, are not."""
    rows = ["time,lat,lon,file_hash", f"2022-02-03T22:51:16Z,43.3,45.7,{HASH}", f"2022-02-03T22:51:17Z,43.3,45.7,{HASH}"]
    [told] = facts(read(eyewitness, "\n".join(rows).encode(), name="log.csv"))
    assert told["readings"] == 2 and [one["digest"] for one in told["hashes"]] == [HASH]
    for other in (b"{}", b"[]", b"[1, 2]", b'{"a": {"b": 1}}', b"a,b\n1,2\n", b"", b"\xff\xfe", _tella(), b"[" * 5000):
        assert read(eyewitness, other, name="x.json") == []
    assert read(eyewitness, json.dumps(FIELDS).encode(), name="x.proof.json") == []


@given(st.binary(max_size=400), st.sampled_from(["a.json", "a.csv"]))
def test_fuzz_logs_never_break_their_readers(noise: bytes, name: str) -> None:
    """Random bytes, alone and spliced into a log of each kind, give facts or silence."""
    for base in (b"", _tella(), _log([(1643928670000, 43.3, 45.7)])):
        place = len(base) // 2
        for reader in (tella, eyewitness):
            try:
                read(reader, base[:place] + noise + base[place:], name=name)
            except Unreadable as error:
                assert str(error)


@given(st.text(max_size=40))
def test_fuzz_no_text_breaks_the_reading_of_times(text: str) -> None:
    """Any text is a time from 0 up, or none."""
    assert capturelog.milliseconds(text) >= 0


def test_times_are_read_in_the_forms_the_apps_write() -> None:
    """ISO with and without a zone's colon, Unix seconds and milliseconds mean the same moment."""
    for text in (
        "2022-02-03T22:51:16Z",
        "2022-02-03T23:51:16+0100",
        "2022-02-03 17:51:16.123-05:00",
        "1643928676",
        "1643928676000",
    ):
        assert capturelog.milliseconds(text) == 1643928676000, text
    for text in ("", "none", "2022-13-40T99:99Z", "-5", "nan", "1e99"):
        assert capturelog.milliseconds(text) == 0


def test_a_journey_is_judged_with_the_accuracy_of_its_fixes() -> None:
    """A jump within what the receiver itself says it may be off is no oddity; the same jump between exact fixes is."""
    loose = [Point(1000, 43.0, 45.0, 30_000.0), Point(2000, 43.3, 45.0, 30_000.0)]
    exact = [Point(1000, 43.0, 45.0, 5.0), Point(2000, 43.3, 45.0, 5.0)]
    assert list(capturelog.oddities(loose)) == [] and len(list(capturelog.oddities(exact))) == 1


# -- in a workspace ------------------------------------------------------------------------------------------------------------

SECRETS = Passphrase("a made-up passphrase"), Passphrase("another made-up one")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    opening.create(tmp_path / "case", *SECRETS, cost=Cost(64, 1, 1))
    rings = [opening.read_ring(tmp_path / "case", kind, p) for kind, p in zip(("everyday", "identities"), SECRETS, strict=True)]
    with Session(tmp_path / "case", rings) as opened:
        yield opened


def test_what_readers_found_is_told_with_the_item_and_its_neighbours(
    session: Session, tmp_path: Path, signed: bytes, maker: Maker, key: Tsk
) -> None:
    """Read through the sandbox and told by `proofs`: credentials, a bundle, and a log whose hash is that of another item."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "signed.jpg").write_bytes(signed)
    (folder / "bundle.zip").write_bytes(bundle(key))
    (folder / "V-900.jpg").write_bytes(MEDIA)
    (folder / "V-900.csv").write_bytes(_tella())
    evidence.add(session, [folder])
    evidence_time.trust_signers(session, "makers", maker.root.public_bytes(Encoding.PEM))
    named = {item.name: item for item in session.testimony.items()}
    mine = ("c2pa", "proofmode", "tella", "eyewitness")
    options = evidence_time.reader_options(session)
    done = evidence_read.read(session, named.values(), only=mine, options=dict(options))
    assert done.items == 4 and not done.problems

    def told(name: str) -> str:
        found = evidence_proofs.proofs(session, named[name].handle).provenance
        assert not any(one.get("sensitive") for one in found)
        return " ".join(sentence for one in found for sentence in one["sentences"])

    assert "a root you trust" in told("signed.jpg") and "signature holds" in told("bundle.zip")
    assert f"is that of {named['V-900.jpg'].handle}" in told("V-900.csv")
    assert f"{named['V-900.csv'].handle} (tella) names this very file" in told("V-900.jpg")
    assert f"{named['bundle.zip'].handle} (proofmode) names this very file" in told("V-900.jpg")
    evidence_time.drop_authority(session, "makers")
    assert evidence_time.reader_options(session) == {}
