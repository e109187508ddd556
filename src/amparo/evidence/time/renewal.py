"""When a time-stamp must be stamped again: before a certificate of its chain ends or an algorithm it rests on is unsafe.

Invariant: the policy is data (sunset.yaml), and an algorithm it does not name is due at once. A renewal (RFC 4998 §5.2) is a
new stamp over all that verifies the old one: what it was over, the reply, the authority's certificates. Whoever later holds
the old authority's key could forge old stamps, but none that was seen before the new stamp's time.
"""

import importlib.resources
from datetime import UTC, datetime, time
from functools import cache
from typing import Any, Final, NamedTuple

import yaml

from amparo.kernel import cbor
from amparo.kernel.errors import Unverified
from amparo.kernel.i18n import N_, _
from amparo.vault.timestamp import Stamp

_LABEL: Final = "amparo/stamp/evidence/1"
_DAY: Final = 86_400_000
_NEVER: Final = 1 << 62
_CERTIFICATE: Final = N_("a certificate of the authority's chain ends")
_ALGORITHM: Final = N_("{algorithm} is no longer relied on")
_UNKNOWN: Final = N_("nothing is known of the algorithm {algorithm}")


class EvidenceDamaged(Unverified):
    template = N_("The stored evidence of a renewed time-stamp is damaged; take the ledger from a backup.")


class End(NamedTuple):
    """``at`` ms since 1970 from which a stamp no longer stands alone, and the reason in words."""

    at: int
    why: str


@cache
def _policy() -> dict[str, Any]:
    text = importlib.resources.files("amparo.evidence.time").joinpath("sunset.yaml").read_text("utf-8")
    policy: dict[str, Any] = yaml.safe_load(text)
    return policy


def margin() -> int:
    """How long before its end a stamp is due, in ms."""
    return int(_policy()["margin_days"]) * _DAY


def end(stamp: Stamp) -> End:
    """The first thing to end of what a stamp rests on."""
    ends = [End(stamp.until, _(_CERTIFICATE)), *(_sunset(algorithm) for algorithm in stamp.algorithms)]
    return min(ends, key=lambda one: one.at)


def _sunset(algorithm: str) -> End:
    name, _dash, bits = algorithm.partition("-")
    for line in _policy()["algorithms"]:
        if line["algorithm"] == name and ("below" not in line or (bits.isdigit() and int(bits) < line["below"])):
            until = line.get("until")
            if until is None:
                return End(_NEVER, "")
            midnight = datetime.combine(until, time.max, UTC)
            return End(int(midnight.timestamp() * 1000), _(_ALGORITHM).format(algorithm=algorithm))
    return End(0, _(_UNKNOWN).format(algorithm=algorithm))


def evidence(root: bytes, reply: bytes, certificates: bytes) -> bytes:
    """What a renewal stamps of an old stamp: canonical CBOR of the 32 bytes it is over, the reply, and the chain as PEM."""
    return cbor.encode([_LABEL, root, reply, certificates])


def read_evidence(data: bytes) -> tuple[bytes, bytes, bytes]:
    """(root, reply, certificates) of ``evidence``. Raises EvidenceDamaged, NotCanonical."""
    fields = cbor.decode(data)
    if not (isinstance(fields, list) and [type(one) for one in fields] == [str, bytes, bytes, bytes] and fields[0] == _LABEL):
        raise EvidenceDamaged
    return fields[1], fields[2], fields[3]
