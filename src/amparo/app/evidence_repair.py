"""Mending damaged sealed files from copies, looking at copies, and parity for those that lie in a drawer.

Invariants: a repair is written under the ledger's lock, one change for each file, and holds only what opened with the item's
key (vault.replica). Parity needs no key: whoever keeps a copy can look after it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from amparo.app.evidence_files import files_of, handle_of, is_nowhere, items_by_handle, mark_of, members_of, store_of
from amparo.app.evidence_integrity import Finding, Run, clear_damage, kind_of, open_damage
from amparo.app.session import Session, check_stop, stops_when_asked
from amparo.kernel.errors import BadInput, Unverified
from amparo.kernel.i18n import N_, _
from amparo.record.items import Item
from amparo.vault import parity
from amparo.vault.blob_check import check, sealed_length
from amparo.vault.blob_format import BlobMissing
from amparo.vault.blobs import BlobStore
from amparo.vault.disk import Disk
from amparo.vault.remote import RemoteFailed
from amparo.vault.replica import FolderReplica, Replica, mend_object, mend_pack

Progress = Callable[[int, int], None]

_BATCH: Final = 5_000  # items looked up together


class NotRepaired(Unverified):
    template = N_(
        "No copy that was named has these files whole: {left:,}. Repaired: {repaired:,}. Name further copies with --from.\n"
        "{report}"
    )


class CopyDamaged(Unverified):
    template = N_("The copy {copy} is damaged.\n{report}")


class NothingDamaged(BadInput):
    template = N_("No damage is on record; `amparo evidence verify` looks for it.")


@dataclass(slots=True)
class Repaired:
    """What a repair did: item -> the copy it came from; ``left``: item -> one sentence; ``whole`` were not damaged."""

    repaired: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    whole: list[str] = field(default_factory=list)


def repair(
    session: Session, copies: Sequence[Replica], *, handles: Sequence[str] = (), actor: str = "",
    progress: Progress | None = None,
) -> Repaired:  # fmt: skip
    """Mend the damaged items on record (or ``handles``) from copies: each by the first copy that has it whole.

    Looks at each file again first. One change for each file; what was mended before an interruption stays. Raises
    NothingDamaged, DiskRefused.
    """
    wanted = list(handles) or sorted(open_damage(session))
    if not wanted:
        raise NothingDamaged
    items = [item for item in items_by_handle(session, wanted) if not is_nowhere(mark_of(item))]
    total, done, result = sum(map(sealed_length, items)), 0, Repaired()
    with stops_when_asked():
        for path, _name, group in files_of(session, items):
            _repair_file(session, path, group, copies, actor, result)
            session.keep_alive()
            done += sum(map(sealed_length, group))
            if progress:
                progress(done, total)
    return result


def _repair_file(
    session: Session, path: Path, group: list[Item], copies: Sequence[Replica], actor: str, result: Repaired
) -> None:
    store = store_of(session)
    damaged: list[Item] = []
    for outcome in check(store, group):
        assert isinstance(outcome.item, Item)
        if outcome.problem is None:
            result.whole.append(outcome.item.handle)
        else:
            damaged.append(outcome.item)
    with session.change(access=True) as change:
        origin: dict[str, str] = {}
        if damaged and path.parent.name == "packs":
            members = members_of(session, [path.name])[path.name]
            origin, refused = mend_pack(store, path, members, damaged, copies)
            result.left.update((handle, str(why)) for handle, why in refused.items())
        else:
            for item in damaged:
                origin.update(_mend_large(store, item, copies, result))
        for handle in origin:  # which copy is told to the user; custody leaves, and paths of this machine with it
            clear_damage(change, session, handle, "repaired", _("from another copy"), actor)
        on_record = open_damage(session)
        for item in group:
            if item.handle in result.whole and item.handle in on_record:
                clear_damage(change, session, item.handle, "verified", _("found whole again"), actor)
    result.repaired.update(origin)


def _mend_large(store: BlobStore, item: Item, copies: Sequence[Replica], result: Repaired) -> dict[str, str]:
    for copy in copies:
        try:
            mend_object(store, item, copy)
        except Unverified as error:
            result.left[item.handle] = str(error)
        except (BlobMissing, RemoteFailed) as error:
            result.left.setdefault(item.handle, str(error))
        else:
            result.left.pop(item.handle, None)
            return {item.handle: copy.label}
    return {}


# -- copies in a drawer: no key is needed for them ----------------------------------------------------------------------


def verify_copy(session: Session, folder: Path, progress: Progress | None = None) -> Run:
    """Read a backup's or another copy's sealed files as ``verify`` does this workspace's; nothing is noted.

    Raises NoReplica.
    """
    store = BlobStore(FolderReplica(folder).root, session.key("testimony").blob_id_key, session.disk)
    items = sorted(mark for mark in map(mark_of, session.testimony.items()) if not is_nowhere(mark))
    result, done, total = Run(), 0, len(items)
    with stops_when_asked():
        for start in range(0, total, _BATCH):
            batch = items_by_handle(session, map(handle_of, items[start : start + _BATCH]))
            for outcome in check(store, batch, lambda _done: session.keep_alive()):
                result.items, result.bytes, done = result.items + 1, result.bytes + outcome.item.size, done + 1
                if outcome.problem is not None:
                    result.damaged += 1
                    kind, item = kind_of(outcome.problem), outcome.item.handle
                    result.findings.append(Finding(item, "", kind, str(outcome.problem)))
                if progress:
                    progress(done, total)
    return result


def make_parity(folder: Path, percent: int, *, anew: bool = False, progress: Progress | None = None) -> parity.Made:
    """Give parity to what in a copy has none yet. Raises what vault.parity.make raises."""
    with stops_when_asked():
        return parity.make(folder, percent, Disk(), anew=anew, progress=_watched(progress))


def check_parity(folder: Path, *, repair: bool, progress: Progress | None = None) -> parity.Checked:
    """Compare a copy with its parity and, with ``repair``, mend what can be. Raises what vault.parity.check raises."""
    with stops_when_asked():
        return parity.check(folder, Disk(), repair=repair, progress=_watched(progress))


def _watched(progress: Progress | None) -> Progress:
    def told(done: int, total: int) -> None:
        check_stop()
        if progress:
            progress(done, total)

    return told
