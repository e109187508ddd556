"""Deterministic CBOR (RFC 8949, 4.2.1), closed to what Amparo writes: decode(encode(x)) == x, encode(decode(b)) == b.

Only None, bool, int (64 bit), float64-free scalars, bytes, str, list and dict are used. Floats are refused, so that no two
encodings of one number exist.
"""

from typing import Any

import cbor2

from amparo.kernel.errors import NotCanonical

_SCALARS = (str, bytes, int, type(None))  # bool is an int


def encode(value: object) -> bytes:
    """Return the one canonical encoding of ``value``. Raises TypeError on a type outside the closed set."""
    _check(value, 0)
    return cbor2.dumps(value, canonical=True)


def encode_rows(rows: list[list[Any]]) -> bytes:
    """Encode a list of lists of scalars: the same bytes as ``encode``, without its walk (no maps, so no key order).

    The bulk path of imports; callers pass rows built by the record's own ``to_row``.
    """
    return cbor2.dumps(rows)


def decode(data: bytes) -> Any:
    """Decode canonical CBOR. Raises NotCanonical for anything ``encode`` would have written otherwise
    (duplicate keys, longer integers, indefinite lengths, trailing bytes, tags, floats).
    """
    value = _loads(data)
    try:
        again = encode(value)
    except (TypeError, RecursionError):
        raise NotCanonical(why="a type that has no place here") from None
    if again != data:
        raise NotCanonical(why="another encoding of the same value")
    return value


def decode_form(data: bytes) -> Any:
    """``decode`` for arrays without maps whose every type the caller checks: headers, on the path of each verification."""
    value = _loads(data)
    try:
        again = cbor2.dumps(value)
    except (cbor2.CBORError, TypeError, ValueError, RecursionError):
        raise NotCanonical(why="a type that has no place here") from None
    if again != data:
        raise NotCanonical(why="another encoding of the same value")
    return value


def _loads(data: bytes) -> Any:
    try:
        return cbor2.loads(data)
    except (cbor2.CBORError, TypeError, ValueError, RecursionError, EOFError, UnicodeError, OverflowError, MemoryError):
        raise NotCanonical(why="undecodable") from None


def _check(value: object, depth: int) -> None:
    if isinstance(value, _SCALARS):
        if isinstance(value, int) and not -(2**63) <= value < 2**64:
            raise TypeError("integer over 64 bit")
        return
    if depth > 16:
        raise TypeError("nested too deeply")
    if isinstance(value, list):
        for item in value:
            _check(item, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, (str, int)):
                raise TypeError("map key is neither text nor integer")
            _check(item, depth + 1)
    else:
        raise TypeError(f"type {type(value).__name__} has no place in a canonical encoding")


def decode_sealed(data: bytes) -> Any:
    """Decode bytes that an AEAD of ours has just authenticated: what we wrote, so not checked a second time."""
    return cbor2.loads(data)
