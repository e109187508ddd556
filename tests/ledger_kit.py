"""A small real ledger for tests: root, device, one compartment, and a way to append rows."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amparo.ledger.ledger import Ledger
from amparo.vault import keyring
from amparo.vault.disk import Disk
from amparo.vault.keyring import Certificate, Ring
from amparo.vault.seal import CompartmentKey, SigningKey

NOW = 1_700_000_000_000


@dataclass
class Kit:
    """Keys of a made-up workspace of one device, and its ledger in ``folder``."""

    folder: Path
    disk: Disk = field(default_factory=Disk)
    root: SigningKey = field(default_factory=lambda: SigningKey.from_seed(os.urandom(32)))
    now: int = NOW
    demo: bool = False

    def __post_init__(self) -> None:
        self.workspace = keyring.workspace_id(self.root.public)
        self.everyday, self.identities = keyring.new_rings()
        self.key = keyring.new_compartment("record")
        self.other = keyring.new_compartment("identities")
        self.certificate = self.certify(self.everyday, self.identities, 1)

    def certify(self, everyday: Ring, identities: Ring, number: int) -> Certificate:
        return keyring.certify(
            everyday, identities, workspace=self.workspace, number=number, issuer=self.workspace, signer=self.root
        )

    @property
    def signing(self) -> SigningKey:
        assert self.everyday.signing is not None
        return self.everyday.signing

    @property
    def keys(self) -> dict[tuple[bytes, int], CompartmentKey]:
        return {(k.compartment, k.epoch): k for k in (self.key, self.other)}

    def ledger(self, disk: Disk | None = None) -> Ledger:
        return Ledger(self.folder, self.workspace, disk or self.disk)

    def found(
        self, certificate: Certificate | None = None, signing: SigningKey | None = None, disk: Disk | None = None
    ) -> None:
        """Write the first entry of a device's log."""
        certificate = certificate or self.certificate
        with (
            self.ledger(disk).writer(certificate.device, signing or self.signing) as writer,
            writer.group(now=self.now) as group,
        ):
            group.add_open("genesis@1", [[self.root.public, self.demo, self.now]])
            group.add_open("device@1", [[certificate.raw]])

    def append(self, *texts: str, disk: Disk | None = None) -> None:
        """Append each text as a one-part entry of its own, each in a group of its own."""
        for text in texts:
            self.append_group([text], disk=disk)

    def append_group(self, texts: list[str], disk: Disk | None = None) -> None:
        """Append one group, one part a text."""
        self.now += 1000
        with self.ledger(disk).writer(self.everyday.device, self.signing) as writer, writer.group(now=self.now) as group:
            for text in texts:
                group.add(self.key, "words@1", [[text]])

    def words(self) -> list[Any]:
        return [row[0] for r in self.ledger().replay(self.keys) if r.type == "words@1" for row in r.rows]

    @property
    def log(self) -> Path:
        return self.folder / self.everyday.device.hex()
