"""The long works that a page may start, each by its name on a fixed list: what it does with an open session and what it tells.

Invariants: nothing but what stands in ``JOBS`` is ever started, and a work gets plain values, never a command. It tells one
sentence at its end, and lines where there is more; damage, refused rows and the gate's refusal are told, not hidden.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from amparo.app.session import Session
from amparo.kernel.errors import BadInput, NotFound
from amparo.kernel.i18n import N_, _, ngettext

Progress = Callable[[int, int, str], None]
"""progress(done, of how many, what is being looked at)."""
_SHOWN: Final = 200


class NoFolderThere(NotFound):
    template = N_("There is no folder {folder} on this machine; give its whole path. Nothing was imported.")


@dataclass(slots=True)
class Told:
    """What a work tells at its end: one ``sentence``, further ``lines``, plain ``data`` for its page, a ``file`` it made."""

    sentence: str
    lines: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    file: bytes = b""


@dataclass(frozen=True, slots=True)
class Kind:
    """A long work: what it is called, what it does, whether it needs the identities for what is asked."""

    label: str
    run: Callable[[Session, Mapping[str, Any], Progress], Told]
    identities: Callable[[Mapping[str, Any]], bool] = lambda _asked: False


# -- integrity ----------------------------------------------------------------------------------------------------------


def verify(session: Session, asked: Mapping[str, Any], progress: Progress) -> Told:
    """Verify the ledger, against ``checkpoint`` (text) if one is given, then, with ``files``, every sealed file."""
    from amparo.app import care
    from amparo.ledger import checkpoint as checkpoints

    seen = checkpoints.parse(asked["checkpoint"]) if asked.get("checkpoint") else None

    def parts(done: int, total: int) -> None:
        progress(done, total, _("Sealed parts of the ledger"))

    progress(0, 0, _("Signatures of the ledger"))
    found = care.verify(session, checkpoint=seen, progress=parts)
    lines = [_("Ledger: {entries:,} entries, devices: {devices}; {parts:,} sealed parts, {erased:,} erased by tombstone.")
             .format(**found)]  # fmt: skip
    if seen:
        lines.append(_("Nothing is missing since the checkpoint of {checkpoint}.").format(**found))
    else:
        lines.append(_("Without a checkpoint kept elsewhere nobody can tell whether the ledger's end was cut off."))
    if found["unfinished_bytes"]:
        lines.append(_("A write was cut short ({unfinished_bytes} bytes, never acknowledged); the next entry replaces it.")
                     .format(**found))  # fmt: skip
    lines += [_("Look at: {warning}").format(warning=warning) for warning in found["warnings"]]
    damaged = _verify_files(session, lines, progress) if asked.get("files") else []
    if damaged:
        text = ngettext("The ledger is whole, but {count:,} sealed file is damaged.",
                        "The ledger is whole, but {count:,} sealed files are damaged.", len(damaged))  # fmt: skip
        return Told(text.format(count=len(damaged)), lines, {"damaged": damaged, "good": False})
    good = not found["warnings"]
    sentence = _("Everything that was verified is as it was signed and sealed.") if good else _(
        "Every signature and hash is right, but something asks to be looked at.")  # fmt: skip
    return Told(sentence, lines, {"damaged": [], "good": good})


def _verify_files(session: Session, lines: list[str], progress: Progress) -> list[dict[str, Any]]:
    from amparo.app import evidence_integrity

    def moved(done: int, total: int) -> None:
        progress(done, total, _("Sealed files"))

    run = evidence_integrity.verify(session, progress=moved)
    lines.append(_("Files: {items:,} read, opened and hashed, {bytes:,} bytes.").format(items=run.items, bytes=run.bytes))
    if run.resumed:
        lines.append(_("It went on where the verification before was stopped."))
    if run.cold:
        lines.append(_("In cold storage, not looked at: {count:,}.").format(count=run.cold))
    if run.unseen:
        lines.append(_("Came while the verification was stopped, not looked at: {count:,}.").format(count=run.unseen))
    lines += [_("Whole again: {item}").format(item=item) for item in run.healed[:_SHOWN]]
    if run.findings:
        lines.append(_("Keep this disk as it is, and mend from a copy: `amparo evidence repair --from FOLDER`."))
    return [{**asdict(one), "kind": _(one.kind), "claims": run.sources[one.source].claims[:_SHOWN] if one.source in run.sources
             else []} for one in run.findings[:_SHOWN]]  # fmt: skip


def checkpoint(session: Session, _asked: Mapping[str, Any], progress: Progress) -> Told:
    """Sign the heads of the ledger; the text is ``data["text"]``."""
    from amparo.app import care

    progress(0, 0, _("Signatures of the ledger"))
    made = care.checkpoint(session)
    sentence = _("The checkpoint of {date}: print it or copy it, and keep it where this machine is not.").format(date=made.date)
    return Told(sentence, [], {"text": made.text(), "date": made.date})


# -- letting out --------------------------------------------------------------------------------------------------------


def look(session: Session, asked: Mapping[str, Any], progress: Progress) -> Told:
    """Build a dossier and let the gate judge it; nothing leaves."""
    from amparo.app import desk_dossier

    progress(0, 0, _("Composing, laying out, checking at the gate"))
    return desk_dossier.look(session, asked)


def let_out(session: Session, asked: Mapping[str, Any], progress: Progress) -> Told:
    """Build the same dossier again, check it again, write the entry; only then it is ``file``."""
    from amparo.app import desk_dossier

    progress(0, 0, _("Composing, laying out, checking at the gate"))
    return desk_dossier.let_out(session, asked)


# -- taking in ----------------------------------------------------------------------------------------------------------


def import_tables(session: Session, asked: Mapping[str, Any], progress: Progress) -> Told:
    """Import the ``folder`` (a path on this machine) by its mapping.yaml: all of it or nothing."""
    from amparo.app import importing

    folder = _folder(asked)
    done = importing.import_folder(session, folder, progress=lambda *where: progress(*_numbers(where)))
    added = ", ".join(f"{count:,} {kind.partition('@')[0]}" for kind, count in sorted(done.added.items())) or _("nothing new")
    sentence = _("Imported: {added}; {unchanged:,} rows unchanged.").format(added=added, unchanged=done.unchanged)
    lines = [_("Look at: {warning}").format(warning=warning) for warning in done.warnings[:_SHOWN]]
    if importing.holds_identities(folder):
        lines.append(_("The tables with names lie in {folder} unsealed as before; remove them when you are done.")
                     .format(folder=folder))  # fmt: skip
    return Told(sentence, lines)


def _folder(asked: Mapping[str, Any]) -> Path:
    folder = Path(str(asked["folder"]))
    if not folder.is_absolute() or not folder.is_dir():
        raise NoFolderThere(folder=str(folder))
    return folder


def _numbers(where: tuple[Any, ...]) -> tuple[int, int, str]:
    """(done, total, what), whatever the reader of tables tells."""
    numbers = [value for value in where if isinstance(value, int)]
    return (numbers or [0])[0], (numbers[1:] or [0])[0], next((value for value in where if isinstance(value, str)), "")


def _import_needs_names(asked: Mapping[str, Any]) -> bool:
    from amparo.app import importing

    return importing.holds_identities(_folder(asked))


class NothingToRead(BadInput):
    template = N_("There is no file of {source} that could be read; add one to the source first.")


def read_files(session: Session, asked: Mapping[str, Any], progress: Progress) -> Told:
    """Send the readers through the files of one ``source``: text, facts, fingerprints, files inside; each in the sandbox."""
    from amparo.app import evidence, evidence_read

    one = str(asked.get("item", ""))
    items = [evidence.get(session, one)] if one else session.testimony.files(str(asked["source"]))
    if not items:
        raise NothingToRead(source=str(asked["source"])[:40])
    only = [str(asked["reader"])] if asked.get("reader") else []
    done = evidence_read.read(session, items, only=only, progress=progress)
    sentence = ngettext("Read {count:,} item.", "Read {count:,} items.", done.items).format(count=done.items)
    lines = [_("Pieces of text: {texts:,}; facts: {facts:,}; files found inside: {members:,}.")
             .format(texts=done.texts, facts=done.facts, members=done.members)]  # fmt: skip
    lines += [f"{item}: {what}" for item, what in done.problems[:_SHOWN]]
    return Told(sentence, [*lines, *done.lacking], {"source": one or str(asked["source"])})


def alike(session: Session, _asked: Mapping[str, Any], progress: Progress) -> Told:
    """Find files that are like each other by their fingerprints: suggestions, each with its reason."""
    from amparo.app import evidence_near

    found = list(evidence_near.groups(session, lambda done, total: progress(done, total, _("Fingerprints"))))
    groups = [{"items": group.items[:_SHOWN], "ties": [{"of": one, "item": like.item, "words": like.words}
                                                       for one, like in group.ties[:_SHOWN]]}
              for group in found[:_SHOWN]]  # fmt: skip
    count = len(found)
    sentence = ngettext("{count:,} group of like files.", "{count:,} groups of like files.", count).format(count=count)
    unread = evidence_near.unread(session)
    lines = [_("Not read yet, so not compared: {count:,}. Read the files of their sources first.").format(count=unread)]
    if not found:
        sentence = _("No two files are like each other.")
    return Told(sentence, lines if unread else [], {"groups": groups})


def proofs(session: Session, asked: Mapping[str, Any], progress: Progress) -> Told:
    """Read one ``item`` again and verify every proof of its time and what is known of its origin."""
    from amparo.app import evidence_proofs

    progress(0, 0, _("Proofs of time"))
    found = evidence_proofs.proofs(session, str(asked["item"]))
    lines = [f"{_('holds') if one.holds else _('does not hold')}: {one.sentence}" for one in found.proofs[:_SHOWN]]
    lines += [str(sentence) for one in found.provenance for sentence in one["sentences"]][:_SHOWN]
    sentence = ngettext("{count} proof of its time was verified; its bytes are those that were recorded.",
                        "{count} proofs of its time were verified; its bytes are those that were recorded.",
                        len(found.proofs)).format(count=len(found.proofs))  # fmt: skip
    good = all(one.holds for one in found.proofs)
    return Told(sentence, [*found.bracket, *lines], {"source": found.item.handle, "good": good})


def like(session: Session, asked: Mapping[str, Any], progress: Progress) -> Told:
    """What is like one ``item`` by its fingerprints: suggestions, each with its reason."""
    from amparo.app import evidence_near

    progress(0, 0, _("Fingerprints"))
    found = evidence_near.similar(session, str(asked["item"]))
    ties = [{"of": found.item, "item": one.item, "words": one.words} for one in found.likes[:_SHOWN]]
    groups = [{"items": [found.item], "ties": ties}] if ties else []
    sentence = ngettext("{count:,} file is like it.", "{count:,} files are like it.", len(found.likes)).format(
        count=len(found.likes))  # fmt: skip
    return Told(sentence, found.remarks, {"source": found.item, "groups": groups})


def estimate(session: Session, asked: Mapping[str, Any], progress: Progress) -> Told:
    """How many are unseen, by lists that overlap."""
    from amparo.app import desk_estimates

    return desk_estimates.estimate(session, asked, progress)


def keeping_alive(session: Session, progress: Progress) -> Progress:
    """``progress`` that counts as use: a work that goes on does not lock the workspace under itself."""

    def told(done: int, total: int, what: str) -> None:
        session.keep_alive()
        progress(done, total, what)

    return told


def check(session: Session, asked: Mapping[str, Any], progress: Progress) -> Told:
    """Claims that cannot both hold, and claims that are undercut."""
    from amparo.app import checking

    found = checking.check(session, level=asked["level"], progress=keeping_alive(session, progress))
    total = sum(found.counts.values())
    sentence = ngettext("{n} finding; each is a question to weigh.", "{n} findings; each is a question to weigh.", total)
    if not total:
        sentence = _("Nothing was found that cannot hold together, and nothing that is undercut.")
    return Told(sentence.format(n=total), [], checking.data(found))


def look_for_waves(session: Session, asked: Mapping[str, Any], progress: Progress) -> Told:
    """Stretches in which more was documented than before and after."""
    from amparo.app import waves, waves_figure, waves_words

    alive = keeping_alive(session, progress)

    def told(done: int, total: int) -> None:
        alive(done, total, _("Looking for waves"))

    counted = waves.count(session, acts=asked["acts"], place=asked["place"], progress=told)
    found = waves.look(counted, since=asked["since"], until=asked["until"], progress=told)
    return Told(waves_words.summary(found), [], {
        "drawn": waves_figure.figure(found), "months": waves_figure.months(found),
        "sections": waves_words.data(found, counted)["sections"],
    })  # fmt: skip


def same(session: Session, _asked: Mapping[str, Any], progress: Progress) -> Told:
    """Who may be one person: the questions whose answers teach most; handles, words of agreement and weights alone."""
    from amparo.app import same_compare

    found = same_compare.queue(session, stage=lambda name: progress(0, 1, name))
    number = len(found["questions"])
    sentence = ngettext("{n} pair is left open.", "{n} pairs are left open.", number).format(n=number)
    return Told(sentence if number else _("No pair is left open."), [], {**found, "compared": True})


JOBS: Final[Mapping[str, Kind]] = {
    "verify": Kind(N_("Verification"), verify, lambda asked: bool(asked.get("identities"))),
    "checkpoint": Kind(N_("Checkpoint"), checkpoint),
    "look": Kind(N_("Dossier, to look at"), look, lambda _asked: True),
    "let out": Kind(N_("Dossier, let out"), let_out, lambda _asked: True),
    "import": Kind(N_("Import of tables"), import_tables, _import_needs_names),
    "read": Kind(N_("Reading of files"), read_files),
    "alike": Kind(N_("Files that are like each other"), alike),
    "proofs": Kind(N_("Proofs of one file's time"), proofs),
    "estimate": Kind(N_("Estimate of the unseen"), estimate),
    "waves": Kind(N_("Waves"), look_for_waves),
    "same": Kind(N_("The same person?"), same, lambda _asked: True),
    "check": Kind(N_("Look for contradictions"), check),
    "like": Kind(N_("Files that are like one"), like),
}
