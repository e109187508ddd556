"""A slot file seals one ring under a passphrase: without the passphrase or with any byte changed, nothing is learned.

Passphrase -> Argon2id (RFC 9106) -> HKDF-Expand-SHA256 (RFC 5869, 2.3) -> key and key commitment -> AES-256-GCM with the
whole header as associated data. The commitment is checked first, so a wrong passphrase and a damaged file are told apart
and no file opens under two passphrases. Every write takes a fresh salt, hence a fresh key: the nonce may be constant.

The file is one map of deterministic CBOR (docs/format.md): format, version, kind, kdf (``["argon2id", KiB, passes, lanes]``
or ``["hkdf-sha256"]``), salt, commitment, sealed, checksum (SHA-256 of the rest, against accidents only).
"""

import hmac
import os
import re
import unicodedata
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from amparo.kernel import cbor
from amparo.kernel.errors import AmparoError, BadInput, DiskRefused, Locked, NotCanonical, NotFound, Unverified
from amparo.kernel.i18n import N_, _
from amparo.vault.disk import Disk
from amparo.vault.memory import Secret
from amparo.vault.seal import digest, expand

RING_LIMIT: Final = 64 * 1024  # bytes
SHORTEST: Final = 12  # characters of a new passphrase
_FILE_LIMIT: Final = RING_LIMIT + 1024
_FORMAT: Final = "amparo slot"
_NONCE: Final = bytes(12)
_FIELDS: Final = {"format", "version", "kind", "kdf", "salt", "commitment", "sealed", "checksum"}
_KIND: Final = re.compile(r"[a-z]{1,32}")
_JOINERS: Final = "\u200c\u200d"  # written in Persian and in several Indic scripts


class WrongPassphrase(Locked):
    template = N_("The passphrase does not open {name}; check the keyboard layout and Caps Lock, then type it again.")


class PassphraseTooShort(BadInput):
    template = N_("The passphrase has {length} characters; choose at least {least}, for example five or six unrelated words.")


class PassphraseEmpty(BadInput):
    template = N_("No passphrase was given; type it, or pass it through a file descriptor.")


class PassphraseUnusable(BadInput):
    template = N_("The passphrase holds a character that cannot be typed again reliably ({why}); choose one without it.")


class SlotMissing(NotFound):
    template = N_("The key slot {name} is not there; it was destroyed or never made. Use the recovery sheet or a backup.")


class SlotDamaged(Unverified):
    template = N_("The key slot {name} is damaged ({why}); restore it from a backup or open with the recovery sheet.")


class SlotMoved(Unverified):
    template = N_("The key slot {name} holds the keys of “{kind}”: the file was renamed or put in the place of another.")


class SlotHostile(Unverified):
    template = N_("The key slot {name} demands {why}, more than Amparo ever writes; restore it from a backup.")


class TooLittleMemory(AmparoError):
    template = N_("Opening {name} takes {mib} MiB of memory, which this machine lacks now; close other programs, try again.")


class Cost(NamedTuple):
    """Argon2id parameters (RFC 9106, 3.1): memory in KiB, passes over it, lanes. Opening spends ``memory * passes``."""

    memory: int
    passes: int
    lanes: int


DEFAULT: Final = Cost(256 * 1024, 3, 4)
"""About one second on a machine of two cores; stronger than RFC 9106's second recommendation (64 MiB, 3 passes)."""

_MOST: Final = Cost(2 * 1024 * 1024, 64, 64)
_MOST_WORK: Final = 16 * 1024 * 1024  # KiB * passes: about twenty times the default


class Passphrase:
    """A passphrase as typed, in the one form that every keyboard and system yields (RFC 8265, OpaqueString).

    Spaces of any kind become U+0020, then NFC; case and everything else stay. ``check_new`` is asked of new ones only.
    """

    __slots__ = ("_secret", "length")

    def __init__(self, text: str) -> None:
        """Raises PassphraseEmpty, PassphraseUnusable (control characters, invisible ones, unassigned code points)."""
        spaced = "".join(" " if unicodedata.category(c) == "Zs" else c for c in text)
        for character in spaced:
            category = unicodedata.category(character)
            if category in ("Cc", "Cs", "Co", "Cn") or (category == "Cf" and character not in _JOINERS):
                raise PassphraseUnusable(why=f"U+{ord(character):04X}")
        normal = unicodedata.normalize("NFC", spaced)
        if not normal:
            raise PassphraseEmpty
        self.length = len(normal)
        self._secret = Secret(normal.encode())

    def __repr__(self) -> str:
        return "Passphrase()"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Passphrase) and hmac.compare_digest(self._secret.reveal(), other._secret.reveal())

    __hash__ = None  # type: ignore[assignment]

    def check_new(self) -> None:
        """Raises PassphraseTooShort."""
        if self.length < SHORTEST:
            raise PassphraseTooShort(length=self.length, least=SHORTEST)

    def derive(self, salt: bytes, cost: Cost, name: str) -> bytes:
        """Argon2id (version 0x13): 32 bytes. Raises TooLittleMemory naming ``name``."""
        kdf = Argon2id(salt=salt, length=32, iterations=cost.passes, lanes=cost.lanes, memory_cost=cost.memory)
        try:
            return kdf.derive(self._secret.reveal())
        except MemoryError:
            raise TooLittleMemory(name=name, mib=cost.memory // 1024) from None

    def close(self) -> None:
        """Overwrite it in memory."""
        self._secret.close()


class Slot(NamedTuple):
    """A slot file in parts. ``kdf`` is ``["argon2id", KiB, passes, lanes]`` or ``["hkdf-sha256"]``."""

    kind: str
    kdf: list[Any]
    salt: bytes
    commitment: bytes
    sealed: bytes

    @classmethod
    def seal(cls, ring: bytes, root: bytes, *, kind: str, kdf: list[Any], salt: bytes) -> "Slot":
        """Seal ``ring`` under ``root``, 32 uniform bytes that belong to this ``salt`` alone."""
        if len(ring) > RING_LIMIT or not _KIND.fullmatch(kind):
            raise ValueError("a ring has at most 64 KiB, a kind is a lower-case word")
        slot = cls(kind, kdf, salt, expand(root, "amparo/slot-commitment/1"), b"")
        key = expand(root, "amparo/slot-key/1")
        return slot._replace(sealed=AESGCM(key).encrypt(_NONCE, ring, cbor.encode(slot._header())))

    def fits(self, root: bytes) -> bool:
        """True if the slot was sealed under ``root``."""
        return hmac.compare_digest(self.commitment, expand(root, "amparo/slot-commitment/1"))

    def open(self, root: bytes, name: str) -> bytes:
        """Return the ring. ``root`` must fit. Raises SlotDamaged."""
        try:
            return AESGCM(expand(root, "amparo/slot-key/1")).decrypt(_NONCE, self.sealed, cbor.encode(self._header()))
        except InvalidTag:
            raise SlotDamaged(name=name, why="altered") from None

    def save(self, path: Path, disk: Disk) -> None:
        """Replace the file at once and durably; overwrite what was there, so that an old passphrase opens nothing."""
        disk.mkdir(path.parent)
        body = {**self._header(), "sealed": self.sealed}
        data = cbor.encode({**body, "checksum": digest(cbor.encode(body))})
        old = path.with_name(f".{path.name}.old")
        if old.exists():  # left by a power cut: a second name of the slot in force, or the one before it
            disk.unlink(old) if path.exists() and old.samefile(path) else disk.shred(old)
        with suppress(OSError):  # no old one, or a file system without hard links: then its blocks are merely freed
            os.link(path, old)
        disk.atomic_write(path, data)
        disk.shred(old)

    @classmethod
    def load(cls, path: Path, kind: str, disk: Disk) -> "Slot":
        """Read and check everything that takes no key. Raises SlotMissing, SlotDamaged, SlotMoved, SlotHostile."""
        name = path.name
        if not path.is_file():  # neither a folder nor a pipe that never ends
            raise SlotMissing(name=name)
        data = disk.read(path, 0, _FILE_LIMIT + 1)
        if len(data) > _FILE_LIMIT:
            raise SlotHostile(name=name, why=f"> {_FILE_LIMIT} bytes")
        try:
            fields = cbor.decode(data)
        except NotCanonical:
            raise SlotDamaged(name=name, why="not CBOR") from None
        if not isinstance(fields, dict) or set(fields) != _FIELDS:
            raise SlotDamaged(name=name, why="other fields")
        checksum = fields.pop("checksum")
        if checksum != digest(cbor.encode(fields)):
            raise SlotDamaged(name=name, why="checksum")
        if (fields["format"], fields["version"]) != (_FORMAT, 1):
            raise SlotDamaged(name=name, why="unknown version")
        slot = cls(*(fields[field] for field in cls._fields))
        if [type(value) for value in slot] != [str, list, bytes, bytes, bytes] or not _KIND.fullmatch(slot.kind):
            raise SlotDamaged(name=name, why="other types")
        if not 16 <= len(slot.salt) <= 64:
            raise SlotDamaged(name=name, why="length of the salt")
        if slot.kind != kind:
            raise SlotMoved(name=name, kind=slot.kind)
        return slot

    def _header(self) -> dict[str, Any]:
        return {
            "format": _FORMAT, "version": 1, "kind": self.kind, "kdf": self.kdf, "salt": self.salt,
            "commitment": self.commitment,
        }  # fmt: skip


def write_slot(
    path: Path, ring: bytes, passphrase: Passphrase, *, kind: str, cost: Cost = DEFAULT, disk: Disk | None = None
) -> None:
    """Seal ``ring`` (up to 64 KiB) into ``path``, by custom ``slots/<kind>.slot``. Raises PassphraseTooShort, DiskRefused."""
    passphrase.check_new()
    salt = os.urandom(32)
    root = passphrase.derive(salt, cost, path.name)
    Slot.seal(ring, root, kind=kind, kdf=["argon2id", *cost], salt=salt).save(path, disk or Disk())


def read_slot(path: Path, passphrase: Passphrase, *, kind: str | None = None, disk: Disk | None = None) -> bytes:
    """Open the slot of ``kind`` (None: as the file is named, without ``.slot``) and return its ring.

    Raises WrongPassphrase, SlotMissing, SlotDamaged, SlotMoved, SlotHostile, TooLittleMemory.
    """
    slot = Slot.load(path, kind or path.stem, disk or Disk())
    root = passphrase.derive(slot.salt, _checked_cost(slot.kdf, path.name), path.name)
    if not slot.fits(root):
        raise WrongPassphrase(name=_("the sealed identities") if path.stem == "identities" else _("this workspace"))
    return slot.open(root, path.name)


def _checked_cost(kdf: list[Any], name: str) -> Cost:
    """Refuse a file that would eat the machine before anything is derived."""
    if len(kdf) != 4 or kdf[0] != "argon2id" or any(type(value) is not int for value in kdf[1:]):
        raise SlotDamaged(name=name, why="not under a passphrase")
    cost = Cost(*kdf[1:])
    if cost.passes < 1 or cost.lanes < 1 or cost.memory < 8 * cost.lanes:
        raise SlotDamaged(name=name, why="cost")
    if cost.memory * cost.passes > _MOST_WORK or any(value > most for value, most in zip(cost, _MOST, strict=True)):
        raise SlotHostile(name=name, why=f"{cost.memory} KiB x {cost.passes} x {cost.lanes}")
    return cost


# -- destruction ------------------------------------------------------------------------------------------------------


class Destroyed(NamedTuple):
    """What became of one file: ``overwritten`` and ``removed`` durably, ``why`` not (empty if all is well)."""

    name: str
    overwritten: bool
    removed: bool
    why: str


def destroy_slots(folder: Path, kinds: Iterable[str]) -> list[Destroyed]:
    """Overwrite, sync and remove the slots of ``kinds`` with their temporary copies; a slot that is not there is no failure.

    All are overwritten before any is removed. A refusal by the disk is reported and stops nothing; never raises. Flash
    memory, snapshots and backups may keep older copies: see the threat model.
    """
    wanted = [f"{kind}.slot" for kind in kinds]
    names = list(wanted)
    with suppress(OSError):
        leftovers = tuple(f".{slot}." for slot in wanted)
        names += [path.name for path in folder.iterdir() if path.name.startswith(leftovers)]
    overwritten = {name: _refusal(_overwrite, folder / name) for name in names}
    results = []
    for name, refused in overwritten.items():
        if refused is not None:
            kept = _refusal(_remove, folder / name) or ""
            results.append(Destroyed(name, not refused, not kept, refused or kept))
    if results:
        _refusal(Disk().fsync_dir, folder)
    return results


def _overwrite(path: Path) -> None:
    size = path.stat().st_size
    with suppress(OSError):
        path.chmod(0o600)
    Disk().write_at(path, 0, os.urandom(size))
    Disk().fsync(path)


def _remove(path: Path) -> None:
    """Under a random name first: a journal that keeps names then keeps one that says nothing."""
    anonymous = path.with_name(os.urandom(8).hex())
    try:
        path.rename(anonymous)
    except OSError:
        anonymous = path
    anonymous.unlink()


def _refusal(act: Callable[[Path], None], path: Path) -> str | None:
    """Why ``act`` failed; empty if it did not; None if there is no such file."""
    try:
        act(path)
    except FileNotFoundError:
        return None
    except (OSError, DiskRefused) as error:
        return str(error) or type(error).__name__
    return ""
