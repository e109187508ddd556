"""The worked example as a workspace that says of itself, in its first signed entry, that it is a demonstration."""

import json
import secrets
from pathlib import Path
from typing import Any, Final

from amparo.app import importing, opening, release
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _
from amparo.vault.disk import Disk
from amparo.vault.slots import Passphrase

RUN: Final = "./run amparo"


class NotOursToReplace(BadInput):
    template = N_("{folder} is not a demonstration workspace and stays as it is; choose another folder with --workspace.")


def run(folder: Path, example: Path, pdf: Path, progress: Any = None) -> dict[str, Any]:
    """Make the workspace (in place of an older demonstration), import ``example``, write the dossier through the gate."""
    if folder.exists() and any(folder.iterdir()):
        _remove_demo(folder)
    everyday, identities = secrets.token_urlsafe(18), secrets.token_urlsafe(18)
    founded = opening.create(folder, Passphrase(everyday), Passphrase(identities), demo=True)
    key = json.dumps({"demo": True, "passphrases": [everyday, identities]}).encode()
    Disk().atomic_write(folder / opening.DEMO_KEY, key)
    for kind, passphrase in zip(("everyday", "identities"), opening.demo_passphrases(founded.folder), strict=True):
        opening.unlock(folder, opening.read_ring(folder, kind, passphrase))
    with opening.open_session(folder, identities=True) as session:
        asked = release.Asked("prosecution", "court", title=_("The persecution in Chechnya: the public record"))
        imported = importing.import_folder(session, example, progress=progress)
        released = release.dossier(session, asked, pdf)
    return {
        "demo": True, "workspace": str(folder), "pdf": str(pdf), "pages": released["pages"],
        "added": imported.added, "gate": released["gate"],
    }  # fmt: skip


def _remove_demo(folder: Path) -> None:
    """Remove an older demonstration; anything else is somebody's work. Raises NotOursToReplace."""
    import shutil

    try:
        opening.demo_passphrases(folder)
    except Exception:  # noqa: BLE001  whatever it is, it is not a whole demonstration of ours
        raise NotOursToReplace(folder=str(folder)) from None
    opening.lock(folder)
    shutil.rmtree(folder)
