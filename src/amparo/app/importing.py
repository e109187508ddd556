"""Import a folder of tables: checked row by row, all of it or nothing, twice the same as once.

Rows are sealed as they are read (flat memory); if a row is refused, what was sealed is dropped before anything is signed. Each
table is kept as it came, sealed, so that a claim can be traced to the very file it was read from; a table that holds names is
not kept.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from amparo.app import evidence
from amparo.app.session import Change, Session, check_stop, now_ms, stops_when_asked
from amparo.intake import importer
from amparo.intake.mapping import Mapping, load
from amparo.intake.problems import RejectsExist
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _
from amparo.record.items import Acquisition
from amparo.record.model import Entity

_LARGE: Final = 8 << 20
"""Bytes of tables from which a process of its own for the view pays."""


class RowsRefused(BadInput):
    template = N_("{count} rows were refused and nothing was imported; the first: {first}")


@dataclass(slots=True)
class Imported:
    """What an import did: new rows by type, unchanged and refused rows, warnings, the errors' texts."""

    dataset: str
    added: dict[str, int] = field(default_factory=dict)
    unchanged: int = 0
    refused: int = 0
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    rejected: str = ""
    files: int = 0


class _Abandoned(Exception):
    """Leaves the change without committing it."""


def holds_identities(folder: Path, mapping: Path | None = None) -> bool:
    """True if the mapping registers sealed identities, so that the import needs that compartment."""
    return any(file.identities for file in load(mapping or folder / "mapping.yaml").files)


def import_folder(
    session: Session, folder: Path, *, mapping: Path | None = None, skip_bad: Path | None = None, progress: Any = None
) -> Imported:
    """Import what ``mapping`` (default: mapping.yaml in the folder) describes.

    With ``skip_bad``, refused rows go to that CSV file and the others are imported; without it one refused row refuses all.
    Raises RowsRefused (its facts list the rows) and what the readers raise.
    """
    plan = load(mapping or folder / "mapping.yaml")
    if skip_bad is not None and skip_bad.exists():
        raise RejectsExist(file=skip_bad.name)
    errors = importer.RowErrors()
    result = Imported(plan.dataset)
    try:
        large = sum((folder / file.file).stat().st_size for file in plan.files if (folder / file.file).exists()) > _LARGE

        def look(*where: Any) -> None:
            check_stop()
            if progress:
                progress(*where)

        with session.change(large=large) as change, stops_when_asked():
            run = importer.run(
                folder, plan, change, recorded=now_ms(), progress=look, errors=errors, skip_bad=skip_bad is not None
            )
            for count, part in enumerate(run):
                check_stop()
                if count % 1000 == 0:
                    session.keep_alive()
                change.put(part.compartment, part.type, part.rows)
                result.added[part.type] = result.added.get(part.type, 0) + len(part.rows)
            if errors.count and skip_bad is None:
                raise _Abandoned
            if errors.count and skip_bad is not None:  # before anything is signed: refused rows are never lost
                errors.write(skip_bad)
                result.rejected = str(skip_bad)
            result.files = _keep_tables(session, change, folder, plan)
            if not result.added and not result.files:
                raise _Abandoned
    except _Abandoned:
        pass
    result.unchanged, result.refused = errors.unchanged, errors.rows
    result.errors = [str(error) for error in errors.kept]
    result.warnings = [str(warning) for warning in errors.warnings]
    if errors.count and skip_bad is None:
        raise RowsRefused(count=errors.rows, first=result.errors[0], rows=result.errors)
    return result


def _keep_tables(session: Session, change: Change, folder: Path, plan: Mapping) -> int:
    """Seal each table of the import as a source of its own, unless this very file is kept already or holds names."""
    kept = 0
    for file in plan.files:
        path = folder / file.file
        if file.identities:
            continue
        key = f"file:{file.file}"
        found = change.find(plan.dataset, key, Entity.TYPE)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").digest()
        if found and any(old.sha256 == digest for old in session.testimony.files(found[0])):
            continue
        handle = found[0] if found else change.allocate("source")
        if not found:
            entity = Entity(handle, "source", type="table", label=file.file, key=key, dataset=plan.dataset)
            change.put("record", Entity.TYPE, [entity.to_row()])
        sealed = session.blobs().seal_file(path)
        came = Acquisition(handle, how=_("import of a table"), started=now_ms())
        change.put("testimony", Acquisition.TYPE, [came.to_row()])
        evidence.put_item(change, handle, sealed, name=file.file)
        kept += 1
    return kept
