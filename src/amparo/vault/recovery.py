"""The recovery sheet: 256 random bits on paper, typed back by hand, with an error found in the line where it was made.

Four lines of 65 bits (4 bits of version, 256 of code), each as 13 symbols of Crockford's base32 and three of checksum:
CRC-15/CAN over line number and bits, which finds every error within three neighbouring symbols, every transposition of
neighbours, and lines that changed places. The code is uniform, so its slot needs HKDF-SHA256 (RFC 5869) but no Argon2id.
"""

import os
import re
import unicodedata
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from amparo.kernel.errors import BadInput, Locked
from amparo.kernel.i18n import N_, _
from amparo.vault.disk import Disk
from amparo.vault.memory import Secret
from amparo.vault.slots import Slot, SlotDamaged

KIND: Final = "recovery"
LINES: Final = 4
_SYMBOLS: Final = 16  # in a line: 13 of data, 3 of checksum
_DATA_BITS, _CHECK_BITS = 65, 15
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_GENERATOR: Final = 0xC599  # x^15 + x^14 + x^10 + x^8 + x^7 + x^4 + x^3 + 1 (Bosch CAN 2.0, 3.1.1)
# What a reader takes for one of ours: Crockford's own pairs, and Cyrillic letters that look like Latin ones.
_LOOKALIKES: Final = str.maketrans("OILОАВЕКМНРСТХ", "0110ABEKMHPCTX")
_NUMBERING: Final = re.compile(r"^\s*[1-4]\s*[.:)]")


class RecoveryCodeMistyped(BadInput):
    template = N_("Line {line} of the recovery code has a typing error; compare it with the sheet, sign by sign.")


class RecoveryCodeIncomplete(BadInput):
    template = N_("The recovery code has {lines} lines of {symbols} signs each; {given} signs were given. Type all of it.")


class WrongRecoveryCode(Locked):
    template = N_("The recovery code is well typed but does not open {name}: it is of another workspace or an older sheet.")


class RecoveryCode:
    """32 random bytes, in memory under ``Secret``'s care."""

    __slots__ = ("_secret",)

    def __init__(self, code: bytes) -> None:
        if len(code) != 32:
            raise ValueError("a recovery code has 32 bytes")
        self._secret = Secret(code)

    @classmethod
    def new(cls) -> "RecoveryCode":
        return cls(os.urandom(32))

    @classmethod
    def read(cls, text: str) -> "RecoveryCode":
        """Read a typed code: any case, spacing, hyphens; O for 0, I or L for 1, look-alike Cyrillic, line numbers.

        Raises RecoveryCodeMistyped with the line, RecoveryCodeIncomplete.
        """
        value = 0
        for number, line in enumerate(_split(text), 1):
            value = value << _DATA_BITS | _read_line(number, line)
        if value >> 256:
            raise RecoveryCodeMistyped(line=1)  # a version this program does not know; so far there is one, 0
        return cls(value.to_bytes(32, "big"))

    def lines(self) -> list[str]:
        """Four lines of four groups of four, as the sheet shows them."""
        value = int.from_bytes(self._secret.reveal(), "big")
        lines = []
        for number in range(1, LINES + 1):
            data = value >> _DATA_BITS * (LINES - number) & (1 << _DATA_BITS) - 1
            signed = data << _CHECK_BITS | _checksum(number, data)
            text = "".join(_ALPHABET[signed >> 5 * place & 31] for place in reversed(range(_SYMBOLS)))
            lines.append("-".join(text[at : at + 4] for at in range(0, _SYMBOLS, 4)))
        return lines

    def __repr__(self) -> str:
        return "RecoveryCode()"

    def derive(self, salt: bytes) -> bytes:
        """HKDF-SHA256 (RFC 5869): 32 bytes."""
        return HKDF(SHA256(), 32, salt, b"amparo/recovery/1").derive(self._secret.reveal())

    def close(self) -> None:
        """Overwrite it in memory."""
        self._secret.close()


def _split(text: str) -> list[str]:
    """The four lines, cleaned; from lines as typed if there are four, else by counting signs."""
    lines = [_clean(line) for line in text.splitlines()]
    lines = [line for line in lines if line]
    if len(lines) == LINES and sum(map(len, lines)) != LINES * _SYMBOLS:
        for number, line in enumerate(lines, 1):
            if len(line) != _SYMBOLS:
                raise RecoveryCodeMistyped(line=number)
    together = "".join(lines)
    if len(together) != LINES * _SYMBOLS:
        raise RecoveryCodeIncomplete(lines=LINES, symbols=_SYMBOLS, given=len(together))
    return [together[at : at + _SYMBOLS] for at in range(0, len(together), _SYMBOLS)]


def _clean(line: str) -> str:
    line = unicodedata.normalize("NFKC", _NUMBERING.sub("", line)).upper().translate(_LOOKALIKES)
    kept = (c for c in line if not c.isspace() and unicodedata.category(c) not in ("Pd", "Cf"))  # Pd: hyphens, dashes
    return "".join(str(unicodedata.digit(c)) if c.isdigit() else c for c in kept)


def _read_line(number: int, line: str) -> int:
    value = 0
    for symbol in line:
        place = _ALPHABET.find(symbol)
        if place < 0:
            raise RecoveryCodeMistyped(line=number)
        value = value << 5 | place
    data, check = value >> _CHECK_BITS, value & (1 << _CHECK_BITS) - 1
    if check != _checksum(number, data):
        raise RecoveryCodeMistyped(line=number)
    return data


def _checksum(number: int, data: int) -> int:
    return crc15(number << _DATA_BITS | data, _DATA_BITS + 8)


def crc15(value: int, bits: int) -> int:
    """CRC-15/CAN of ``bits`` bits, most significant first, initial value 0: the remainder of value * x^15."""
    value <<= _CHECK_BITS
    for place in reversed(range(bits)):
        if value >> place + _CHECK_BITS & 1:
            value ^= _GENERATOR << place
    return value


def write_recovery(path: Path, ring: bytes, code: RecoveryCode, disk: Disk | None = None) -> None:
    """Seal ``ring`` (up to 64 KiB) under ``code`` into ``path``. Raises DiskRefused."""
    salt = os.urandom(32)
    Slot.seal(ring, code.derive(salt), kind=KIND, kdf=["hkdf-sha256"], salt=salt).save(path, disk or Disk())


def read_recovery(path: Path, code: RecoveryCode, disk: Disk | None = None) -> bytes:
    """Return what the recovery slot holds. Raises WrongRecoveryCode, SlotMissing, SlotDamaged, SlotMoved."""
    slot = Slot.load(path, KIND, disk or Disk())
    if slot.kdf != ["hkdf-sha256"]:
        raise SlotDamaged(name=path.name, why="not under a recovery code")
    root = code.derive(slot.salt)
    if not slot.fits(root):
        raise WrongRecoveryCode(name=path.name)
    return slot.open(root, path.name)


def sheet_text(code: RecoveryCode, workspace_name: str, workspace: str = "", made: str = "") -> str:
    """The sheet to print, as plain text: ``workspace`` is the workspace's id, ``made`` a date; both may be empty.

    It is a secret: send it to a printer or write it down by hand; it is stored nowhere.
    """
    facts = [
        (_("Workspace"), workspace_name),
        (_("Number"), workspace),
        (_("Made on"), made),
    ]
    return "\n".join(
        [
            _("AMPARO RECOVERY SHEET"),
            "",
            *(f"{label}: {value}" for label, value in facts if value),
            "",
            *(f"    {number}.  {line}" for number, line in enumerate(code.lines(), 1)),
            "",
            _("Who holds this sheet and a copy of the workspace can read everything in it, names included."),
            _("Keep it on paper, away from the computer, where a search of your office or home would not find it."),
            _("It never expires. Do not photograph it and do not send it."),
            "",
            _("To use it: `amparo recover`, then type the four lines."),
            _("Capital or small letters, spaces and hyphens do not matter; 0 and O, 1 and I and L are taken as the same."),
            _("A typing error is told by the number of its line."),
            "",
            _("`amparo panic` leaves this sheet in force; `amparo panic --no-recovery` makes it worthless."),
            "",
        ]
    )
