"""The few cryptographic acts Amparo performs, each a function whose types leave no choice to get wrong.

A part key seals one part, once: it is made inside ``seal_part`` and never offered a second plaintext, so its nonce may be
constant. Signatures always name the context they are made for. Primitives: AES-256-GCM (NIST SP 800-38D), AES key wrap
(RFC 3394), HKDF-SHA256 (RFC 5869), Ed25519 (RFC 8032, through libsodium), HPKE (RFC 9180) with X25519 + ML-KEM-768.
"""

import hashlib
import hmac
import os
from dataclasses import dataclass
from typing import Final, NewType

import nacl.bindings
import nacl.exceptions
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke, keywrap
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from amparo.kernel import cbor
from amparo.kernel.errors import Unverified
from amparo.kernel.i18n import N_

PartKey = NewType("PartKey", bytes)
VerifyKey = NewType("VerifyKey", bytes)

WRAP_SIZE: Final = 40
_NONCE: Final = bytes(12)
_COMMITMENT: Final = b"amparo/part-commitment/1\x01"
_PROTECTED: Final = bytes.fromhex("a10132")  # {1: -19}: alg Ed25519 (RFC 9864)
_COSE_SIGN1: Final = b"\xd2"


class SealBroken(Unverified):
    template = N_("A sealed part does not open with its key ({what}); it was altered or moved from another place.")


class BadSignature(Unverified):
    template = N_("The signature on {what} is not valid: it was altered, or signed by another key.")


def digest(data: bytes) -> bytes:
    """SHA-256, 32 bytes."""
    return hashlib.sha256(data).digest()


def expand(secret: bytes, label: str) -> bytes:
    """One 32-byte block of HKDF-Expand (RFC 5869, 2.3) with ``label`` as info; ``secret`` must already be uniform."""
    return hmac.digest(secret, label.encode() + b"\x01", "sha256")


# -- parts ------------------------------------------------------------------------------------------------------------


def seal_part(plaintext: bytes, aad: bytes) -> tuple[PartKey, bytes]:
    """Seal ``plaintext`` under a fresh key; return the key and ciphertext || 16-byte tag."""
    key = os.urandom(32)
    return PartKey(key), AESGCM(key).encrypt(_NONCE, plaintext, aad)


def open_part(key: PartKey, ciphertext: bytes, aad: bytes, what: str) -> bytes:
    """Open a sealed part. Raises SealBroken naming ``what``."""
    try:
        return AESGCM(key).decrypt(_NONCE, ciphertext, aad)
    except (InvalidTag, ValueError):
        raise SealBroken(what=what) from None


def commit(key: PartKey) -> bytes:
    """The key commitment of ``key``: 32 bytes that bind a ciphertext to one key (AES-GCM alone does not)."""
    return hmac.digest(key, _COMMITMENT, "sha256")


# -- compartments -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CompartmentKey:
    """The secret of one epoch of one compartment, with the keys derived from it."""

    name: str
    compartment: bytes
    epoch: int
    secret: bytes

    def __repr__(self) -> str:
        return f"CompartmentKey({self.name!r}, epoch={self.epoch})"

    @property
    def blob_id_key(self) -> bytes:
        """Key of blob addresses: without it no one can tell whether a known file is in the store."""
        return expand(self.secret, "amparo/blob-id/1")

    @property
    def wrapper(self) -> "Wrapper":
        return Wrapper(expand(self.secret, "amparo/wrap/1"))


@dataclass(frozen=True, slots=True)
class Wrapper:
    """Wraps part keys and view keys of one compartment epoch (RFC 3394): 32 bytes in, 40 bytes out."""

    _key: bytes

    def __repr__(self) -> str:
        return "Wrapper()"

    def wrap(self, key: bytes) -> bytes:
        return keywrap.aes_key_wrap(self._key, key)

    def unwrap(self, wrapped: bytes, what: str) -> PartKey:
        """Raises SealBroken naming ``what``."""
        try:
            return PartKey(keywrap.aes_key_unwrap(self._key, wrapped))
        except (keywrap.InvalidUnwrap, ValueError):
            raise SealBroken(what=what) from None


# -- signatures: COSE_Sign1 (RFC 9052, 4.2) ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 signing key."""

    seed: bytes
    _expanded: bytes
    public: VerifyKey

    @classmethod
    def from_seed(cls, seed: bytes) -> "SigningKey":
        public, expanded = nacl.bindings.crypto_sign_seed_keypair(seed)
        return cls(seed, expanded, VerifyKey(public))

    def __repr__(self) -> str:
        return f"SigningKey({self.public.hex()[:16]})"

    def cose_sign1(self, payload: bytes, context: bytes) -> bytes:
        """Return a tagged COSE_Sign1 over ``payload`` with ``context`` as external_aad."""
        signature = nacl.bindings.crypto_sign(_to_be_signed(payload, context), self._expanded)[:64]
        return _COSE_SIGN1 + cbor.encode([_PROTECTED, {}, payload, signature])


def cose_parts(data: bytes) -> tuple[bytes, bytes]:
    """Split a tagged COSE_Sign1 of ours into (payload, signature), unchecked. Raises NotCanonical, BadSignature."""
    if data[:1] != _COSE_SIGN1:
        raise BadSignature(what="an entry that is not a COSE_Sign1")
    body = cbor.decode_form(data[1:])
    if not (isinstance(body, list) and len(body) == 4 and body[0] == _PROTECTED and body[1] == {}):
        raise BadSignature(what="an entry in a form Amparo does not write")
    if not (isinstance(body[2], bytes) and isinstance(body[3], bytes)):
        raise BadSignature(what="an entry in a form Amparo does not write")
    return body[2], body[3]


def check_signature(payload: bytes, signature: bytes, key: VerifyKey, context: bytes, what: str) -> None:
    """Verify. Raises BadSignature naming ``what``."""
    try:
        nacl.bindings.crypto_sign_open(signature + _to_be_signed(payload, context), key)
    except (nacl.exceptions.BadSignatureError, nacl.exceptions.ValueError, ValueError):
        raise BadSignature(what=what) from None


def _to_be_signed(payload: bytes, context: bytes) -> bytes:
    return cbor.encode_rows(["Signature1", _PROTECTED, context, payload])  # type: ignore[list-item]


# -- recipients: HPKE base mode (RFC 9180) ----------------------------------------------------------------------------

_SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_HPKE_INFO: Final = b"amparo/hpke/1"


@dataclass(frozen=True, slots=True)
class RecipientKey:
    """A device's HPKE private key, hybrid X25519 + ML-KEM-768: 96 bytes of seeds."""

    secret: bytes

    def __repr__(self) -> str:
        return "RecipientKey()"

    @classmethod
    def generate(cls) -> "RecipientKey":
        return cls(os.urandom(96))

    def _private(self) -> hpke.MLKEM768X25519PrivateKey:
        return hpke.MLKEM768X25519PrivateKey(
            MLKEM768PrivateKey.from_seed_bytes(self.secret[:64]), X25519PrivateKey.from_private_bytes(self.secret[64:])
        )

    def open(self, sealed: bytes, context: bytes, what: str) -> bytes:
        """Open what ``seal_to`` sealed in the same ``context``. Raises SealBroken naming ``what``."""
        try:
            return _SUITE.decrypt(sealed, self._private(), _HPKE_INFO + context)
        except (InvalidTag, ValueError):
            raise SealBroken(what=what) from None

    @property
    def public(self) -> bytes:
        """The public key as bytes: ML-KEM-768 encapsulation key (1184) || X25519 (32)."""
        mlkem = MLKEM768PrivateKey.from_seed_bytes(self.secret[:64]).public_key().public_bytes_raw()
        return mlkem + X25519PrivateKey.from_private_bytes(self.secret[64:]).public_key().public_bytes_raw()


def seal_to(public: bytes, plaintext: bytes, context: bytes) -> bytes:
    """Seal to a recipient's public key (as ``RecipientKey.public`` gives it); ``context`` goes into HPKE's info."""
    if len(public) != 1216:
        raise SealBroken(what="a device certificate with a key of another length")
    key = hpke.MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(public[:1184]), X25519PublicKey.from_public_bytes(public[1184:])
    )
    return _SUITE.encrypt(plaintext, key, _HPKE_INFO + context)
