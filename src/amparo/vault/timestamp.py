"""RFC 3161 time-stamps: a request that tells its reader nothing, and replies that are believed only after every check.

Invariant: ``check`` returns a ``Stamp`` only if the token's signature, its certificate chain to a root *the user gave* (each
certificate valid at the token's own time), the critical and sole use "time-stamping", the ESS certificate id, the imprint and
(where one is known) the nonce all hold. A token is malleable: certificates and unsigned attributes can be added, taken away
or reordered without breaking it. So nobody identifies a token by its bytes; it stands for what it covers.

What is stamped is 32 bytes (a salted Merkle root, evidence.time.merkle); the imprint is their SHA-512 (RFC 3161 §2.4.1). The
signature is verified by rfc3161-client, which hands it to OpenSSL. That library insists on DER order in the SET OF
certificates (X.690 §11.6), which `openssl ts -reply` with a chain does not write; the set is outside the signature, so it is
put in order here first.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import rfc3161_client
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from rfc3161_client import VerificationError, VerifierBuilder
from rfc3161_client._rust import parse_timestamp_request

from amparo.kernel.errors import BadInput, Unverified
from amparo.kernel.i18n import N_, _
from amparo.kernel.text import printable

LIMIT: Final = 64 << 10
"""Bytes of a reply or a request at most: real ones have 1 to 8 KiB."""
_CHAIN_LIMIT: Final = 256 << 10
_CERTIFICATES: Final = 200
_EMBEDDED: Final = 20
_HASHES: Final = {
    "1.3.14.3.2.26": "sha1", "2.16.840.1.101.3.4.2.4": "sha224", "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384", "2.16.840.1.101.3.4.2.3": "sha512",
}  # fmt: skip
_ESS: Final = bytes.fromhex("2a864886f70d010910020c")  # signingCertificate, RFC 2634 §5.4: SHA-1 of the certificate
_ESS_V2: Final = bytes.fromhex("2a864886f70d010910022f")  # signingCertificateV2, RFC 5035 §3: SHA-256 unless said otherwise
_SEQUENCE, _SET, _OID, _OCTETS, _CONTEXT_0 = 0x30, 0x31, 0x06, 0x04, 0xA0


class ReplyUnreadable(BadInput):
    template = N_("{where} is not a time-stamp reply that Amparo can read ({why}); ask the authority again.")


class RequestUnreadable(BadInput):
    template = N_("This is not a time-stamp request ({why}).")


class StampRefused(Unverified):
    template = N_("The authority refused to stamp (status {status}: {why}); try again later or ask another authority.")


class StampOfOtherData(Unverified):
    template = N_("The time-stamp is over something else: its imprint is not that of what was to be stamped.")


class StampReplayed(Unverified):
    template = N_("The time-stamp answers another request: its nonce is not the one that was sent.")


class StampUntrusted(Unverified):
    template = N_(
        "The time-stamp's signature does not lead to a root certificate you gave for this authority, valid at the stamp's own "
        "time ({why}); nothing is proven by it."
    )


class StampOfOtherUse(Unverified):
    template = N_("The certificate that signed is not one for time-stamping alone ({why}); nothing is proven by it.")


class BadCertificates(BadInput):
    template = N_("{where} holds no usable certificates ({why}); give the authority's chain as PEM or DER, its root included.")


class Request(NamedTuple):
    """A request as sent: ``nonce`` and ``imprint`` (SHA-512 of the 32 bytes to be stamped)."""

    nonce: int | None
    imprint: bytes


@dataclass(slots=True, frozen=True)
class Stamp:
    """What a verified token says.

    ``time`` ms since 1970 UTC; ``accuracy`` ms or None where the authority states none; ``authority`` subject of the signing
    certificate; ``algorithms`` all that the stamp rests on ("sha512", "rsa-2048", "ec-256"); ``until`` ms, the end of the
    first certificate of the chain to end.
    """

    time: int
    accuracy: int | None
    authority: str
    serial: int
    policy: str
    algorithms: tuple[str, ...]
    until: int


# -- asking ------------------------------------------------------------------------------------------------------------------


def request(data: bytes) -> bytes:
    """A DER TimeStampReq (RFC 3161 §2.4.1) over SHA-512 of ``data``, with a random nonce, asking for the certificate."""
    builder = rfc3161_client.TimestampRequestBuilder().data(data)
    return builder.hash_algorithm(rfc3161_client.HashAlgorithm.SHA512).cert_request(cert_request=True).build().as_bytes()


def read_request(der: bytes) -> Request:
    """Raises RequestUnreadable."""
    if len(der) > LIMIT:
        raise RequestUnreadable(why=_("too long"))
    try:
        asked = parse_timestamp_request(der)
        return Request(asked.nonce, asked.message_imprint.message)
    except ValueError as error:
        raise RequestUnreadable(why=_short(error)) from None


# -- certificates ------------------------------------------------------------------------------------------------------------


def read_certificates(data: bytes, where: str, *, rooted: bool = True) -> list[x509.Certificate]:
    """The certificates in a PEM bundle or one DER file, at least one of them a root if ``rooted``. Raises BadCertificates."""
    if len(data) > _CHAIN_LIMIT:
        raise BadCertificates(where=where, why=_("too long"))
    try:
        pem = b"-----BEGIN" in data
        found = x509.load_pem_x509_certificates(data) if pem else [x509.load_der_x509_certificate(data)]
        unique = {certificate.public_bytes(Encoding.DER): certificate for certificate in found}
        if len(unique) > _CERTIFICATES:
            raise BadCertificates(where=where, why=_("more than {count}").format(count=_CERTIFICATES))
        if rooted and not any(_is_root(certificate) for certificate in unique.values()):
            raise BadCertificates(where=where, why=_("there is no root among them, a certificate that is its own issuer"))
    except (ValueError, x509.InvalidVersion) as error:
        raise BadCertificates(where=where, why=_short(error)) from None
    return list(unique.values())


def as_pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """One after the other, as `openssl ts -verify -CAfile` reads them."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def describe(certificates: Iterable[x509.Certificate]) -> list[str]:
    """One line a certificate: subject, end, SHA-256, for a person to compare with what the authority publishes."""
    lines = []
    for one in certificates:
        fingerprint = hashlib.sha256(one.public_bytes(Encoding.DER)).hexdigest()
        lines.append(f"{_name(one.subject)} · {one.not_valid_after_utc:%Y-%m-%d} · {fingerprint}")
    return lines


def _is_root(certificate: x509.Certificate) -> bool:
    if certificate.issuer != certificate.subject:
        return False
    with suppress(InvalidSignature, ValueError, TypeError):
        certificate.verify_directly_issued_by(certificate)
        return True
    return False


# -- what came back ----------------------------------------------------------------------------------------------------------


def token_of(reply: bytes, where: str = "The reply") -> bytes:
    """The token (RFC 3161 §2.4.2: a CMS ContentInfo) in a TimeStampResp. Raises ReplyUnreadable, StampRefused."""
    try:
        if len(reply) > LIMIT:
            raise _Malformed(_("too long"))
        outer = _only(reply, 0, len(reply))
        fields = _children(reply, outer)
        status = int.from_bytes(_children(reply, fields[0])[0].value(reply), "big", signed=True)
        if status not in (0, 1):  # granted, granted with modifications: what was changed is seen by the checks
            raise StampRefused(status=status, why=_refusal(reply))
        return fields[1].whole(reply)
    except (_Malformed, IndexError) as error:
        raise ReplyUnreadable(where=where, why=_short(error)) from None


def reply_of(token: bytes) -> bytes:
    """A token as a granted TimeStampResp, the form that `openssl ts -verify -in` reads."""
    return _wrap(b"\x30\x03\x02\x01\x00" + token)


def imprint_of(token: bytes, where: str = "The reply") -> bytes:
    """The hash that a token is over, nothing verified. Raises ReplyUnreadable."""
    return bytes(_parse(token, where).tst_info.message_imprint.message)


def check(
    token: bytes, data: bytes, certificates: Iterable[x509.Certificate], *, nonce: int | None = None, where: str = "The reply"
) -> Stamp:
    """Verify a token over SHA-512 of ``data`` (or SHA-256 or SHA-384, for tokens others asked for).

    Raises ReplyUnreadable, StampOfOtherData, StampReplayed, StampUntrusted, StampOfOtherUse.
    """
    try:
        return _check(token, data, list(certificates), nonce, where)
    except _UNREADABLE as error:  # rfc3161-client and cryptography parse each field only when it is looked at
        raise ReplyUnreadable(where=where, why=_short(error)) from None


def _check(token: bytes, data: bytes, given: list[x509.Certificate], nonce: int | None, where: str) -> Stamp:
    reply = _parse(token, where)
    info = reply.tst_info
    imprint = _HASHES.get(info.message_imprint.hash_algorithm.dotted_string, "")
    if imprint not in ("sha256", "sha384", "sha512") or info.message_imprint.message != hashlib.new(imprint, data).digest():
        raise StampOfOtherData
    if nonce is not None and info.nonce != nonce:
        raise StampReplayed
    signer = _signer(reply, where)
    _check_use(signer)
    _check_signature(reply, info.message_imprint.message, given)
    signature_hash = _check_ess(token, signer, where)
    chain = _path(signer, given, _embedded(reply))
    return Stamp(
        time=_ms(info.gen_time),
        accuracy=_accuracy(info.accuracy),
        authority=_name(signer.subject),
        serial=info.serial_number,
        policy=info.policy.dotted_string,
        algorithms=tuple(sorted({imprint, signature_hash, *(word for one in chain for word in _algorithms(one))})),
        until=min(_ms(one.not_valid_after_utc) for one in chain),
    )


def _check_signature(reply: Any, message: bytes, given: list[x509.Certificate]) -> None:
    """By rfc3161-client: CMS signature and chain at the token's time."""
    roots = [one for one in given if _is_root(one)]
    if not roots:
        raise StampUntrusted(why=_("no root certificate is given"))
    verifier = VerifierBuilder(roots=roots, intermediates=[one for one in given if one not in roots]).build()
    try:
        verifier.verify(reply, message)
    except (VerificationError, ValueError) as error:
        raise StampUntrusted(why=_short(error)) from None


def _check_use(signer: x509.Certificate) -> None:
    """RFC 3161 §2.3: extended key usage is critical and has one purpose, id-kp-timeStamping."""
    try:
        usage = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        raise StampOfOtherUse(why=_("it names no extended key usage")) from None
    if list(usage.value) != [x509.oid.ExtendedKeyUsageOID.TIME_STAMPING]:
        raise StampOfOtherUse(why=_("it names another use"))
    if not usage.critical:
        raise StampOfOtherUse(why=_("its use is not marked critical"))


def _check_ess(token: bytes, signer: x509.Certificate, where: str) -> str:
    """The signed attributes name the signer's certificate by its hash (RFC 5816 §2.2.1). Returns the CMS digest's name."""
    der = signer.public_bytes(Encoding.DER)
    try:
        [info] = _children(token, _signed_data(token)[-1])
        fields = _children(token, info)
        digest = _algorithm(token, fields[2])
        attributes = [_children(token, one) for one in _children(token, fields[3])]
        named = [
            _named_hash(token, values, oid.value(token) == _ESS_V2)
            for oid, values in attributes
            if oid.value(token) in (_ESS, _ESS_V2)
        ]
    except _UNREADABLE as error:
        raise ReplyUnreadable(where=where, why=_short(error)) from None
    if not named or any(hashlib.new(algorithm, der).digest() != value for algorithm, value in named):
        raise StampUntrusted(why=_("it does not name its signer's certificate by hash"))
    return digest


def _named_hash(token: bytes, values: "_Tlv", second: bool) -> tuple[str, bytes]:  # noqa: FBT001
    """(hash name, value) of the first ESSCertID or ESSCertIDv2 of a SigningCertificate attribute: the signer's."""
    [signing] = _children(token, values)
    first = _children(token, _children(token, _children(token, signing)[0])[0])
    algorithm = "sha256" if second else "sha1"
    if second and first[0].tag == _SEQUENCE:
        algorithm, first = _algorithm(token, first[0]), first[1:]
    if first[0].tag != _OCTETS:
        raise _Malformed(_("a certificate id without a hash"))
    return algorithm, first[0].value(token)


def _algorithm(token: bytes, at: "_Tlv") -> str:
    """Name of a hash's AlgorithmIdentifier; its dotted OID where we know none."""
    oid = _children(token, at)[0].whole(token)
    dotted = _dotted(oid[2:])
    if dotted not in _HASHES:
        raise _Malformed(_("an unknown hash, {oid}").format(oid=dotted))
    return _HASHES[dotted]


def _dotted(body: bytes) -> str:
    numbers, value = [], 0
    for byte in body:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2) if numbers else 0
    return ".".join(map(str, [first, (numbers or [0])[0] - 40 * first, *numbers[1:]]))


def _parse(token: bytes, where: str) -> Any:
    """The token as rfc3161-client reads it; its certificates in DER order."""
    if len(token) > LIMIT:
        raise ReplyUnreadable(where=where, why=_("too long"))
    try:
        reply = rfc3161_client.decode_timestamp_response(reply_of(_in_order(token)))
        if reply.tst_info.gen_time.year < 1970:
            raise _Malformed(_("a time before 1970"))
    except _UNREADABLE as error:
        raise ReplyUnreadable(where=where, why=_short(error)) from None
    return reply


def _embedded(reply: Any) -> list[x509.Certificate]:
    found = []
    for der in list(reply.signed_data.certificates)[:_EMBEDDED]:
        with suppress(*_UNREADABLE):  # one that cannot be read cannot be part of the chain
            found.append(x509.load_der_x509_certificate(der))
    return found


def _signer(reply: Any, where: str) -> x509.Certificate:
    signers = list(reply.signed_data.signer_infos)
    if len(signers) != 1:
        raise ReplyUnreadable(where=where, why=_("it has {count} signers, not one").format(count=len(signers)))
    for certificate in _embedded(reply):
        if certificate.issuer == signers[0].issuer and certificate.serial_number == signers[0].serial_number:
            return certificate
    raise StampUntrusted(why=_("it does not carry its signer's certificate"))


def _path(signer: x509.Certificate, given: list[x509.Certificate], embedded: list[x509.Certificate]) -> list[x509.Certificate]:
    """From the signer to a root that was given: whose ends and algorithms the stamp rests on.

    Built from the roots downwards, so that nothing unverified in the reply has a say in it. Raises StampUntrusted.
    """
    issued: dict[x509.Certificate, x509.Certificate | None] = {one: None for one in given if _is_root(one)}
    fresh = list(issued)
    while fresh:
        issuer = fresh.pop()
        for one in (*given, *embedded):
            if one not in issued:
                with suppress(InvalidSignature, ValueError, TypeError):
                    one.verify_directly_issued_by(issuer)
                    issued[one] = issuer
                    fresh.append(one)
    if signer not in issued:
        raise StampUntrusted(why=_("there is no path from its signer to a root"))
    path: list[x509.Certificate] = []
    step: x509.Certificate | None = signer
    while step is not None:
        path.append(step)
        step = issued[step]
    return path


def _algorithms(certificate: x509.Certificate) -> Iterator[str]:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        yield f"rsa-{key.key_size}"
    elif isinstance(key, ec.EllipticCurvePublicKey):
        yield f"ec-{key.curve.key_size}"
    else:
        yield type(key).__name__.lower().lstrip("_").replace("publickey", "")
    if not _is_root(certificate) and certificate.signature_hash_algorithm is not None:  # a root's own signature proves nothing
        yield certificate.signature_hash_algorithm.name


def _accuracy(accuracy: Any) -> int | None:
    if accuracy is None:
        return None
    return int((accuracy.seconds or 0) * 1000 + (accuracy.millis or 0) + ((accuracy.micros or 0) + 999) // 1000)


def _refusal(reply: bytes) -> str:
    with suppress(ValueError):
        words = rfc3161_client.decode_timestamp_response(reply).status_string
        return printable(" ".join(map(str, words)))[:200] or _("no reason given")
    return _("no reason given")


def _name(name: x509.Name) -> str:
    common = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return printable(str(common[0].value) if common else name.rfc4514_string())[:200]


def _ms(when: datetime) -> int:
    return int(when.astimezone(UTC).timestamp() * 1000) if when.tzinfo else int(when.replace(tzinfo=UTC).timestamp() * 1000)


def _short(error: Exception) -> str:
    """The reason that OpenSSL names, where the error is one of its own; else the error's words."""
    reasons = re.findall(r'reason: "([^"]+)"', str(error))
    return printable(", ".join(reasons) or str(error) or type(error).__name__)[:200]


# -- DER, as little of it as is needed ---------------------------------------------------------------------------------------


class _Malformed(Exception):
    """These bytes are no DER of the form expected."""


_UNREADABLE: Final = (
    _Malformed, LookupError, ValueError, TypeError, OverflowError, UnsupportedAlgorithm, x509.InvalidVersion,
    x509.DuplicateExtension, x509.UnsupportedGeneralNameType,
)  # fmt: skip


class _Tlv(NamedTuple):
    """Tag, and where in the bytes it begins, its value begins and it ends."""

    tag: int
    begin: int
    start: int
    stop: int

    def value(self, data: bytes) -> bytes:
        return data[self.start : self.stop]

    def whole(self, data: bytes) -> bytes:
        return data[self.begin : self.stop]


def _read(data: bytes, at: int, end: int) -> _Tlv:
    if at + 2 > end or data[at] & 0x1F == 0x1F:
        raise _Malformed(_("it is cut short"))
    length, start = data[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or start + count > end:
            raise _Malformed(_("a length that is not DER"))
        length, start = int.from_bytes(data[start : start + count], "big"), start + count
    if start + length > end:
        raise _Malformed(_("it is cut short"))
    return _Tlv(data[at], at, start, start + length)


def _only(data: bytes, at: int, end: int) -> _Tlv:
    found = _read(data, at, end)
    if found.stop != end:
        raise _Malformed(_("bytes after its end"))
    return found


def _children(data: bytes, parent: _Tlv) -> list[_Tlv]:
    if not parent.tag & 0x20:
        raise _Malformed(_("a field of another form"))
    found, at = [], parent.start
    while at < parent.stop:
        found.append(_read(data, at, parent.stop))
        at = found[-1].stop
    return found


def _signed_data(token: bytes) -> list[_Tlv]:
    """The fields of the token's CMS SignedData (RFC 5652 §5.1)."""
    content = _children(token, _only(token, 0, len(token)))[1]
    return _children(token, _children(token, content)[0])


def _in_order(token: bytes) -> bytes:
    """The token with its SET OF certificates in DER order; its length is the same."""
    certificates = next((one for one in _signed_data(token) if one.tag == _CONTEXT_0), None)
    if certificates is None:
        return token
    ordered = b"".join(sorted(one.whole(token) for one in _children(token, certificates)))
    return token[: certificates.start] + ordered + token[certificates.stop :]


def _wrap(body: bytes) -> bytes:
    size = len(body)
    if size < 0x80:
        return bytes([_SEQUENCE, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([_SEQUENCE, 0x80 | len(length)]) + length + body
