"""Handles: how people and programs name things. ``parse(format(x)) == x``; a handle, once given, is never given again.

``P-0001`` is the first person registered by the workspace's first device, ``P-2-0001`` by its second: devices that are
apart never give the same handle. A handle says nothing about who bears it.
"""

import re
from typing import NamedTuple

from amparo.kernel.errors import BadHandle

KINDS: dict[str, str] = {
    "person": "P", "group": "G", "place": "L", "event": "E", "act": "A", "involvement": "N", "source": "S",
    "passage": "Q", "intervention": "V", "proceeding": "R", "measure": "M", "position": "X",
    "claim": "C", "link": "K", "assessment": "J", "item": "D",
}  # fmt: skip
LETTERS: dict[str, str] = {letter: kind for kind, letter in KINDS.items()}
_DEVICE_SHIFT = 40
_FORM = re.compile(r"([A-Z])-(?:([1-9][0-9]{0,5})-)?([0-9]{1,12})", re.ASCII)


_LOOKALIKES = str.maketrans("РСЕАМХВ\u2010\u2011\u2012\u2013\u2212", "PCEAMXV-----")


class Handle(NamedTuple):
    """kind (a key of KINDS), device (number of the device that gave it, 1 ..), number (1 ..)."""

    kind: str
    device: int
    number: int

    def __str__(self) -> str:
        letter = KINDS[self.kind]
        return f"{letter}-{self.number:04d}" if self.device == 1 else f"{letter}-{self.device}-{self.number:04d}"

    @property
    def packed(self) -> int:
        """The handle's number as one 63-bit integer (device << 40 | number): a database key."""
        return self.device << _DEVICE_SHIFT | self.number


def parse(text: str) -> Handle:
    """Read ``P-0001``, ``p-1`` or ``C-2-345``. Raises BadHandle."""
    match = _FORM.fullmatch(text.strip().upper().translate(_LOOKALIKES))
    if match is None or match[1] not in LETTERS or int(match[3]) == 0 or int(match[3]) >= 1 << _DEVICE_SHIFT:
        raise BadHandle(text=text[:40])
    return Handle(LETTERS[match[1]], int(match[2] or 1), int(match[3]))


def unpack(kind: str, packed: int) -> Handle:
    """The inverse of ``Handle.packed``."""
    return Handle(kind, packed >> _DEVICE_SHIFT, packed & (1 << _DEVICE_SHIFT) - 1)


def is_handle(text: str) -> bool:
    """Tell whether ``text`` is a handle in its canonical form (as ``str(handle)`` writes it)."""
    return device_of(text) > 0


def device_of(text: str) -> int:
    """The number of the device that gave a handle in its canonical form; 0 for what is none."""
    match = _FORM.fullmatch(text)
    if match is None or match[1] not in LETTERS or not 0 < int(match[3]) < 1 << _DEVICE_SHIFT:
        return 0
    handle = Handle(LETTERS[match[1]], int(match[2] or 1), int(match[3]))
    return handle.device if str(handle) == text else 0
