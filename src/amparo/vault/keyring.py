"""Rings, certificates and grants: which device may sign, and which compartment keys it was given.

Organisation root (kept off the device, on the recovery sheet) -> certificate of a device -> grants: each compartment's
epoch secret, HPKE-sealed to one ring of one device. The *everyday* ring opens record, testimony and casework; the
*identities* ring opens identities only, so that everyday work has no name in memory. The workspace's id is the hash of the
root's public key: a workspace cannot be given another root.
"""

import os
from dataclasses import dataclass
from typing import Any, Final

from amparo.kernel import cbor
from amparo.kernel.errors import Unverified
from amparo.kernel.i18n import N_
from amparo.vault.seal import (
    CompartmentKey,
    RecipientKey,
    SigningKey,
    VerifyKey,
    check_signature,
    cose_parts,
    digest,
    seal_to,
)

EVERYDAY: Final = "everyday"
IDENTITIES: Final = "identities"
COMPARTMENTS: Final = {"record": EVERYDAY, "testimony": EVERYDAY, "casework": EVERYDAY, "identities": IDENTITIES}
_CERTIFICATE: Final = b"amparo/device/1"


class BadCertificate(Unverified):
    template = N_("The certificate of a device is not valid ({why}); its entries cannot be trusted.")


def workspace_id(root: VerifyKey) -> bytes:
    """16 bytes: the head of the SHA-256 of the organisation root's public key."""
    return digest(b"amparo/workspace/1" + root)[:16]


def device_id(key: VerifyKey) -> bytes:
    """16 bytes: the head of the SHA-256 of the device's public key."""
    return digest(b"amparo/device-id/1" + key)[:16]


@dataclass(frozen=True, slots=True)
class Ring:
    """What one slot protects: a device's HPKE key for some compartments and, in the everyday ring, its signing key."""

    name: str
    device: bytes
    recipient: RecipientKey
    signing: SigningKey | None = None

    def __repr__(self) -> str:
        return f"Ring({self.name!r}, device={self.device.hex()[:8]})"

    def encode(self) -> bytes:
        seed = self.signing.seed if self.signing else b""
        return cbor.encode([1, self.name, self.device, self.recipient.secret, seed])

    @classmethod
    def decode(cls, data: bytes) -> "Ring":
        _, name, device, recipient, seed = cbor.decode(data)
        return cls(name, device, RecipientKey(recipient), SigningKey.from_seed(seed) if seed else None)


def new_rings() -> tuple[Ring, Ring]:
    """Make the everyday and the identities ring of a new device."""
    signing = SigningKey.from_seed(os.urandom(32))
    device = device_id(signing.public)
    return (
        Ring(EVERYDAY, device, RecipientKey.generate(), signing),
        Ring(IDENTITIES, device, RecipientKey.generate()),
    )


@dataclass(frozen=True, slots=True)
class Certificate:
    """A device's public keys and number, signed by the organisation root or by a device already certified.

    ``issuer`` is the issuing device's id, or the workspace id where the root signed.
    """

    workspace: bytes
    device: bytes
    number: int
    key: VerifyKey
    everyday: bytes
    identities: bytes
    issuer: bytes
    raw: bytes

    @classmethod
    def decode(cls, raw: bytes) -> "Certificate":
        """Read without checking the signature. Raises BadCertificate, NotCanonical, BadSignature."""
        payload, _ = cose_parts(raw)
        fields = cbor.decode(payload)
        kinds = [int, bytes, bytes, int, bytes, bytes, bytes, bytes]
        if not (isinstance(fields, list) and [type(x) for x in fields] == kinds and fields[0] == 1):
            raise BadCertificate(why="unknown form")
        _, workspace, device, number, key, everyday, identities, issuer = fields
        certificate = cls(workspace, device, number, VerifyKey(key), everyday, identities, issuer, raw)
        if device_id(certificate.key) != certificate.device or certificate.number < 1:
            raise BadCertificate(why="the device's id does not belong to its key")
        return certificate

    def check(self, issuer: VerifyKey) -> None:
        """Verify the signature by ``issuer``. Raises BadSignature."""
        payload, signature = cose_parts(self.raw)
        check_signature(payload, signature, issuer, _CERTIFICATE, "a device certificate")


def certify(
    everyday: Ring, identities: Ring, *, workspace: bytes, number: int, issuer: bytes, signer: SigningKey
) -> Certificate:
    """Certify the device that holds the two rings as number ``number`` of ``workspace``."""
    if everyday.signing is None:
        raise BadCertificate(why="the everyday ring has no signing key")
    payload: list[Any] = [
        1, workspace, everyday.device, number, everyday.signing.public,
        everyday.recipient.public, identities.recipient.public, issuer,
    ]  # fmt: skip
    return Certificate.decode(signer.cose_sign1(cbor.encode(payload), _CERTIFICATE))


# -- grants -----------------------------------------------------------------------------------------------------------

GrantRow = list[Any]  # [compartment id, epoch, device id, ring name, HPKE ciphertext]


def new_compartment(name: str) -> CompartmentKey:
    """Make the first epoch of a new compartment under a random, opaque id."""
    return CompartmentKey(name, os.urandom(16), 1, os.urandom(32))


def grant(key: CompartmentKey, to: Certificate) -> GrantRow:
    """Seal a compartment's epoch secret to the ring of ``to`` that covers it."""
    ring = COMPARTMENTS.get(key.name, EVERYDAY)
    public = to.identities if ring == IDENTITIES else to.everyday
    sealed = seal_to(public, cbor.encode([key.name, key.secret]), _context(key.compartment, key.epoch, to.device, ring))
    return [key.compartment, key.epoch, to.device, ring, sealed]


def open_grant(row: GrantRow, ring: Ring) -> CompartmentKey | None:
    """Open a grant made to this very ring, or return None if it is another's. Raises SealBroken."""
    compartment, epoch, device, name, sealed = row
    if device != ring.device or name != ring.name:
        return None
    plain = ring.recipient.open(sealed, _context(compartment, epoch, device, name), "a grant")
    title, secret = cbor.decode(plain)
    return CompartmentKey(title, compartment, epoch, secret)


def _context(compartment: bytes, epoch: int, device: bytes, ring: str) -> bytes:
    return cbor.encode(["amparo/grant/1", compartment, epoch, device, ring])
