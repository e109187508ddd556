"""Letting a drawing of a chain of command out: through the gate, then an entry, then a file that only its owner reads.

Invariant: nothing is written unless the gate has seen every word of the drawing and the basis of every source behind it.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from amparo.app import release
from amparo.app.figures import require_new
from amparo.app.session import Session
from amparo.kernel.i18n import _
from amparo.protect import gate
from amparo.protect.extract import PLAIN
from amparo.protect.names import SealedNames
from amparo.vault.disk import translated


def write_figure(
    session: Session, target: Path, chain: Mapping[str, Any], drawing: str, *, purpose: str = "record", audience: str = "team"
) -> str:
    """Write the drawing of what ``app.command.command`` returned; returns its SHA-256 (hex). Needs the identities.

    Raises CompartmentLocked, NotARelease, Refused, FigureThere, NoFolder, DiskRefused.
    """
    require_new(target)
    identities = list(session.identities.all())
    edges = (*chain["edges"], *chain["elsewhere"])
    sources = frozenset(claim["source"] for edge in edges for claim in edge["claims"] if claim["source"])
    texts = [(_("the label of {what}").format(what=node), label) for node, label in chain["labels"].items()]
    finished = drawing.encode("utf-8")
    report = gate.check(
        gate.Release("figure", purpose, audience, sources), [*texts, (_("the name of the file"), target.name)], finished, PLAIN,
        SealedNames.from_view(identities, len(identities)), release.consents_of(session), datetime.now(UTC).date(),
        published=release.published_officials(session),
    )  # fmt: skip
    if not report.passed:
        blocking = [item for item in report.items if item.status == gate.BLOCKS]
        raise release.Refused(count=len(blocking), report=report.plain(), gate=report.as_json())
    session.note_access("export figure", report.sha256, f"{purpose}; {audience}")
    with translated(target), os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(finished)
    return report.sha256
