"""Letting something out: compose, build, check at the gate, and only then write the file and an entry about it."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from amparo.app.session import Session, now_ms, require_folder
from amparo.dossier import build, compose
from amparo.kernel.errors import BadInput, GateRefused
from amparo.kernel.i18n import N_, _
from amparo.ledger.entry import ACCESS
from amparo.protect.consents import Consents
from amparo.protect.gate import Override, Release, Report, check
from amparo.protect.names import SealedNames


class Refused(GateRefused):
    template = N_("The gate refuses: nothing has left. findings that block: {count}; the report names each.\n{report}")


class Head(NamedTuple):
    """What a dossier is dated by: the ledger's last entries that are not about access or export."""

    hash: str
    ms: int

    @property
    def day(self) -> date:
        return datetime.fromtimestamp(self.ms / 1000, UTC).date()


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user asks for: purpose and audience (record.model), the overrides with their reasons, the form, a title, and
    the events it is about (handles; none: the whole record).
    """

    purpose: str
    audience: str
    overrides: tuple[Override, ...] = ()
    form: str = "pdf"
    title: str = ""
    events: tuple[str, ...] = ()


def content_head(session: Session) -> Head:
    """SHA-256 over each log's last entry that is not about access, in the order of device ids; the latest claimed time."""
    heads, latest = [], 0
    for device, log in sorted(session.ledger.logs.items()):
        last = None
        for placed in log.placed():
            if not placed.entry.header.flags & ACCESS:
                last = placed.entry
        if last is not None:
            heads.append(device + last.hash)
            latest = max(latest, last.header.claimed)
    return Head(hashlib.sha256(b"".join(heads)).hexdigest(), latest)


class NotADossier(BadInput):
    template = N_("{file} is there already and is no dossier; choose another name for --out. Nothing was written.")


def _refuse_overwriting(target: Path) -> None:
    """An older dossier may be written over, a recording or another file of the user's may not. Raises NotADossier."""
    if target.is_dir():
        raise NotADossier(file=str(target))
    if target.is_file() and target.stat().st_size:
        with target.open("rb") as stream:
            if not stream.read(4).startswith((b"%PDF", b"{")):
                raise NotADossier(file=str(target))


@dataclass(frozen=True, slots=True)
class Draft:
    """A dossier that was built and checked and has not left: the finished bytes, the gate's report, and where (as the report
    says it) which claims stand.
    """

    asked: Asked
    finished: bytes
    media_type: str
    report: Report
    claims_at: dict[str, tuple[str, ...]]


class NotAsSeen(BadInput):
    template = N_("The record or a consent changed since this dossier was looked at; look at it again. Nothing has left.")


def draft(session: Session, asked: Asked, name: str, *, today: date | None = None) -> Draft:
    """Build the dossier and let the gate check it, before layout and as the finished file ``name``. Nothing leaves.

    Needs testimony and identities: the gate refuses to judge what it cannot see.
    """
    identities = list(session.identities.all())
    sealed = SealedNames.from_view(identities, len(identities))
    on = today or datetime.now(UTC).date()
    overridden: tuple[tuple[str, str], ...] = ()
    while True:
        head = content_head(session)
        options = compose.Options(
            asked.purpose, asked.audience, head.hash, head.day.isoformat(),
            demo=session.demo, overrides=overridden, title=asked.title, events=asked.events,
        )  # fmt: skip
        manifest = compose.compose(session.record, session.testimony, options)
        finished, media_type = build.build(manifest, asked.form)
        release = Release("dossier", asked.purpose, asked.audience, compose.sources_of(manifest), compose.persons_of(manifest))
        texts = [*compose.texts_of(manifest), (_("the name of the file"), name)]
        report = check(
            release, texts, finished, media_type, sealed, consents_of(session), on, asked.overrides,
            published=published_officials(session),
        )  # fmt: skip
        now_overridden = tuple((item.id, item.reason) for item in report.overridden)
        if not report.passed or now_overridden == overridden:
            return Draft(asked, finished, media_type, report, compose.claims_at(manifest))
        overridden = now_overridden  # an override is printed in the manifest, so the file is built once more


def dossier(session: Session, asked: Asked, target: Path, *, today: date | None = None) -> dict[str, Any]:
    """Build the dossier, let the gate check it, then write the file. Raises Refused with the report, NotADossier, NoFolder."""
    _refuse_overwriting(target)
    require_folder(target)
    made = draft(session, asked, target.name, today=today)
    let_out(session, made)
    session.disk.atomic_write(target, made.finished)
    return {
        "demo": session.demo, "file": str(target), "sha256": made.report.sha256, "bytes": len(made.finished),
        "pages": build.pages(made.finished) if asked.form == "pdf" else None, "gate": made.report.as_json(),
        "report": made.report.plain(),
    }  # fmt: skip


def let_out(session: Session, made: Draft, *, seen: str = "") -> None:
    """First the entry, then the file: nothing leaves that the ledger does not tell of. ``seen``: the SHA-256 (hex) of the file
    that somebody looked at, if it must be that one. Raises Refused, NotAsSeen.
    """
    asked, report = made.asked, made.report
    if not report.passed:
        blocking = [item for item in report.items if item.status == "blocks"]
        raise Refused(count=len(blocking), report=report.plain(), gate=report.as_json())
    if seen and seen != report.sha256:
        raise NotAsSeen
    device = session.ring.device.hex()[:8]
    rows = [[device, "export dossier", report.sha256, f"{asked.purpose}; {asked.audience}", now_ms()]]
    rows += [[device, f"override {item.id}", item.subject, item.reason, now_ms()] for item in report.overridden]
    with session.change(access=True) as change:
        change.put("record", "access@1", rows)


def consents_of(session: Session) -> Consents:
    """What the persons of every source allowed, and the basis on which each source is used."""
    record = session.record
    bases = {entity.handle: entity.basis or "unknown" for entity in record.entities(kind="source")}
    told = {source: record.persons_of_source(source) for source in bases}
    return Consents(record.consents(), bases, told)


def published_officials(session: Session) -> Iterable[str]:
    """Labels under which officials, institutions and places are published: they belong to the record."""
    for entity in session.record.entities():
        if entity.label and (entity.kind != "person" or entity.official):
            yield entity.label
