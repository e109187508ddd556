"""Signatures of web captures as the WACZ signing format wants them, and the throw-away certificate of an offline replay.

Source: WACZ Signing and Verification 0.1.0 (specs.webrecorder.net), "anonymous signature". The specification leaves curve
and encoding open; ReplayWeb.page, which checks such signatures, takes ECDSA on P-384 with SHA-256, r || s in 96 bytes, over
the text of the hash ("sha256:..."). The key is derived from the compartment's secret: one key for the workspace, nothing
to store. It proves that captures come from one workspace, not whose that is.
"""

import base64
import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.x509.oid import NameOID

from amparo.vault.seal import CompartmentKey, expand

_ORDER: Final = int(
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16
)  # of P-384 (SEC 2, 2.5.1)
_HALF: Final = 48


@dataclass(frozen=True, slots=True)
class CaptureKey:
    """The key by which a workspace signs its web captures."""

    _key: ec.EllipticCurvePrivateKey

    def __repr__(self) -> str:
        return "CaptureKey()"

    @classmethod
    def of(cls, key: CompartmentKey) -> "CaptureKey":
        """Derived: 64 uniform bytes modulo the order less one (FIPS 186-5, A.2.1)."""
        wide = expand(key.secret, "amparo/wacz-signing/1/a") + expand(key.secret, "amparo/wacz-signing/1/b")
        return cls(ec.derive_private_key(int.from_bytes(wide, "big") % (_ORDER - 1) + 1, ec.SECP384R1()))

    @property
    def public(self) -> str:
        """The public key: SubjectPublicKeyInfo, DER, in base64."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return base64.b64encode(self._key.public_key().public_bytes(serialization.Encoding.DER, form)).decode()

    def sign(self, text: str) -> str:
        """The signature on ``text``: r || s, in base64."""
        r, s = decode_dss_signature(self._key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return base64.b64encode(r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")).decode()


def verify(public: str, signature: str, text: str) -> bool:
    """True if ``signature`` is by ``public`` (both base64, of a stranger) on ``text``; P-256 and P-384 are known."""
    try:
        key = serialization.load_der_public_key(base64.b64decode(public, validate=True))
        raw = base64.b64decode(signature, validate=True)
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in ("secp256r1", "secp384r1"):
            return False
        if len(raw) == key.key_size // 4:
            half = len(raw) // 2
            raw = encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))
        key.verify(raw, text.encode(), ec.ECDSA(hashes.SHA256()))
    except (ValueError, UnsupportedAlgorithm, InvalidSignature):
        return False
    return True


def fingerprint(public: str) -> str:
    """SHA-256 of a public key (base64 DER), hexadecimal: short enough to be read out and compared."""
    return hashlib.sha256(base64.b64decode(public)).hexdigest()


def throwaway_certificate() -> bytes:
    """A self-signed certificate for any name and its key, PEM: for a replay that no network reaches, and gone with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Amparo offline replay")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=7))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    return made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
