"""The verbs ``amparo evidence verify``, ``repair`` and ``parity``."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from amparo.app import evidence_cold as cold
from amparo.app import evidence_integrity as integrity
from amparo.app import evidence_repair as mending
from amparo.cli.common import opened, passphrase_option, progress, verb
from amparo.cli.evidence import in_bytes
from amparo.cli.evidence_shared import by_option, known_source, source_option
from amparo.kernel.i18n import N_, _
from amparo.vault.replica import FolderReplica, Replica

Result = tuple[dict[str, Any], str]

_SHOWN: Final = 50
_MEANING: Final = {
    "missing": N_("the sealed file is not there"),
    "truncated": N_("it is shorter or longer than it was"),
    "altered": N_("it does not open with its key: rot, or a hand"),
    "exchanged": N_("another item's sealed file lies in its place"),
    "erased": N_("its place was overwritten, though it is on record"),
    "unreadable": N_("the disk refuses to read it"),
    "another hash": N_("it opens, and is not what the record says"),
}
"""What is wrong with a damaged item (app.evidence_integrity.KINDS), as the guide says it."""


@click.command(
    help=_(
        "Read every sealed file from the disk, open and hash it, and tell what is damaged and what rests on it. Stopped with "
        "Ctrl-C it goes on there the next time. Exit code 5 where anything is damaged.\n\n"
        "Example: amparo evidence verify"
    )
)
@source_option(_("Only the items of this source; may be given again."), multiple=True)
@click.option("--anew", is_flag=True, help=_("Begin anew instead of where the last run was stopped."))
@by_option
@click.option("--remote", metavar="NAME", help=_("Look at the copies in this cold store instead."))
@click.option("--copy", type=click.Path(path_type=Path), help=_("Look at a backup or another copy in this folder instead."))
@click.option(
    "--remove-leftovers", is_flag=True,
    help=_("Overwrite sealed files that are on no record: left by an interrupted add, or by an erasure elsewhere."),
)  # fmt: skip
@passphrase_option
@verb
def verify(
    source: tuple[str, ...], anew: bool, actor: str, remote: str | None, copy: Path | None, remove_leftovers: bool,
    passphrase_fd: int | None, folder: Path | None,
) -> Result:  # fmt: skip
    if sum((bool(source), remote is not None, copy is not None)) > 1:
        raise click.UsageError(_("Give one of --source, --remote and --copy."))
    with opened(folder, descriptor=passphrase_fd) as session, progress(_("Verifying")) as bar:
        if remote is not None:
            return _remote(session, remote, bar)
        for one in source:
            known_source(session, one)
        run = (
            mending.verify_copy(session, copy, bar)
            if copy is not None
            else integrity.verify(session, sources=source, anew=anew, actor=actor, progress=bar)
        )
        removed = integrity.remove_strays(session) if remove_leftovers and copy is None else 0
        data = {"demo": session.demo, **asdict(run), "removed": removed}
    if run.findings:
        lines = _listed(run.findings)
        for handle, resting in run.sources.items():
            lines += _resting(handle, resting)
        raise integrity.DamageFound(**{**data, "damaged": len(run.findings), "report": "\n".join(lines + _rest(run, removed))})
    text = _("Verified: {items:,} items ({size}), all as they were sealed.").format(items=run.items, size=in_bytes(run.bytes))
    return data, "\n".join([text, *_rest(run, removed)])


def _remote(session: Any, name: str, bar: Any) -> Result:
    files, wrong = cold.verify_remote(session, name, bar)
    data = {"demo": session.demo, "store": name, "files": files, "damaged": wrong}
    if wrong:
        raise cold.RemoteDamage(**data, count=len(wrong), report="\n".join(list(wrong.values())[:_SHOWN]))
    text = _("The cold store {store} has every file whole that was put there: {files:,}.")
    return data, text.format(store=name, files=files)


def _listed(findings: list[integrity.Finding]) -> list[str]:
    """Damaged items by what is wrong with them, and what is to be said of single ones; --json has each one's sentence."""
    lines = []
    kinds: dict[str, list[str]] = {}
    for one in findings:
        kinds.setdefault(one.kind, []).append(one.item)
    for kind, items in kinds.items():
        meaning = _(_MEANING[kind]) if kind in _MEANING else ""
        lines.append(f"  {_(kind)} ({meaning}), {len(items):,}: {_some(items)}")
    single = [one for one in findings if one.instead or one.derived or one.kind == "unreadable"]
    for one in single[:_SHOWN]:
        words = one.sentence if one.kind == "unreadable" else ""
        if one.instead:
            words += " " + _("In its place lies the sealed file of {item}.").format(item=one.instead)
        if one.derived:
            words += " " + _("Made from it: {list}").format(list=_some(one.derived))
        lines.append(f"  {one.item}: {words.strip()}")
    return lines


def _resting(source: str, one: integrity.Resting) -> list[str]:
    lines = []
    for text, handles in (
        (_("On {source} rest the passages {list}"), one.passages), (_("On {source} rest the claims {list}"), one.claims),
        (_("Released since {source} came, and perhaps citing it: {list}"), one.releases),
    ):  # fmt: skip
        if handles:
            lines.append(text.format(source=source, list=_some(handles)))
    return lines


def _some(handles: list[str]) -> str:
    more = f" (+{len(handles) - _SHOWN:,})" if len(handles) > _SHOWN else ""
    return ", ".join(handles[:_SHOWN]) + more


def _rest(run: integrity.Run, removed: int) -> list[str]:
    """What a run says besides damage."""
    lines = []
    if run.resumed:
        lines.append(_("This run went on where the one before was stopped."))
    for count, text in (
        (run.cold, _("In cold storage, not looked at: {count:,}; `amparo evidence verify --remote NAME` does.")),
        (run.unseen, _("Came while the run was stopped, not looked at: {count:,}; the next run does.")),
        (len(run.healed), _("Whole again: {count:,}.")),
        (removed, _("Leftovers overwritten and removed: {count:,}.")),
        (
            len(run.strays) - removed,
            _("On no record, left by an interrupted add or by an erasure: {count:,}; --remove-leftovers overwrites what is "
              "older than a day."),
        ),
    ):  # fmt: skip
        if count > 0:
            lines.append(text.format(count=count))
    if run.root:
        lines.append(_("Merkle root of what is whole: {root}").format(root=run.root))
    return lines


@click.command(
    help=_(
        "Mend damaged items from copies: a backup, a copy of the workspace, a cold store. What a copy holds is opened and "
        "hashed before it replaces anything.\n\n"
        "Example: amparo evidence repair --from /media/backup"
    )
)
@click.argument("items", nargs=-1)
@click.option("--from", "folders", multiple=True, type=click.Path(path_type=Path), help=_("A folder with a copy."))
@click.option("--cold", "names", multiple=True, metavar="NAME", help=_("A cold store."))
@by_option
@passphrase_option
@verb
def repair(
    items: tuple[str, ...], folders: tuple[Path, ...], names: tuple[str, ...], actor: str, passphrase_fd: int | None,
    folder: Path | None,
) -> Result:  # fmt: skip
    if not (folders or names):
        raise click.UsageError(_("Name a copy with --from FOLDER or --cold NAME."))
    with opened(folder, descriptor=passphrase_fd) as session, progress(_("Repairing")) as bar:
        copies: list[Replica] = [FolderReplica(one) for one in folders]
        stores = [cold.open_cold(session, cold.get_store(session, name)) for name in names]
        done = mending.repair(session, [*copies, *stores], handles=items, actor=actor, progress=bar)
        data = {"demo": session.demo, **asdict(done)}
    lines = [_("{item}: repaired from {copy}").format(item=item, copy=copy) for item, copy in done.repaired.items()]
    lines += [_("{item}: is whole").format(item=item) for item in done.whole]
    if done.left:
        report = "\n".join([f"  {item}: {why}" for item, why in done.left.items()][:_SHOWN])
        facts = {"items": done.left, "left": len(done.left), "repaired": len(done.repaired), "report": report}
        raise mending.NotRepaired(**{**data, **facts})
    if len(lines) > _SHOWN:
        lines[_SHOWN:] = [_("... and {count:,} more; --json tells all.").format(count=len(lines) - _SHOWN)]
    return data, "\n".join(lines)


@click.command(
    help=_(
        "Give parity to a copy of the sealed files that lies in a drawer, or with --check and --repair use it: rotten or lost "
        "parts are computed back without any key, up to PERCENT of the whole. Verify the copy first (`evidence verify --copy`)."
        "\n\nExample: amparo evidence parity /media/backup --percent 10"
    )
)
@click.argument("copy", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--percent", default=10, show_default=True, help=_("How much may be lost, and how much room parity takes."))
@click.option("--anew", is_flag=True, help=_("Make it for everything anew, in one set, and remove the old."))
@click.option("--check", is_flag=True, help=_("Compare the copy with its parity."))
@click.option("--repair", "mend", is_flag=True, help=_("Compare, and mend what can be."))
@verb
def parity(copy: Path, percent: int, anew: bool, check: bool, mend: bool) -> Result:
    with progress(_("Parity")) as bar:
        if not (check or mend):
            made = mending.make_parity(copy, percent, anew=anew, progress=bar)
            text = _("Protected: {files:,} files ({size}) by {parity} of parity; had it already: {before:,}.")
            shown = text.format(files=made.files, size=in_bytes(made.bytes), parity=in_bytes(made.parity), before=made.before)
            return {"copy": str(copy), **asdict(made)}, shown
        found = mending.check_parity(copy, repair=mend, progress=bar)
    data = {"copy": str(copy), **asdict(found)}
    lines = [_("Compared: {files:,} files ({size}).").format(files=found.files, size=in_bytes(found.bytes))]
    if found.unprotected:
        lines.append(_("Without parity: {count:,} files; run it without --check.").format(count=found.unprotected))
    lines += [_("mended: {name}").format(name=name) for name in found.mended]
    left = [name for name in found.mendable if name not in found.mended]
    lines += [_("damaged, can be mended with --repair: {name}").format(name=name) for name in left[:_SHOWN]]
    beyond = _("lost: {name}: {blocks:,} of {of:,} blocks are beyond what {percent} % of parity can compute back")
    lines += [
        beyond.format(name=name, blocks=blocks, of=of, percent=found.percent) for name, (blocks, of) in found.lost.items()
    ]
    if found.sets_damaged and not (mend and not found.lost):
        lines.append(_("Parity itself is damaged in {count:,} sets.").format(count=found.sets_damaged))
    if left or found.lost or found.unusable or (found.sets_damaged and not mend):
        raise mending.CopyDamaged(**data, report="\n".join([*lines, *found.unusable]))
    return data, "\n".join(lines if found.mended else [*lines, _("Nothing is damaged.")])


COMMANDS = [verify, repair, parity]
