"""Export for a court: items, custody and proofs as a bag that others can check alone; and the printed custody sheet.

Invariants: nothing leaves but through the gate, over the finished papers and over whatever of the items can be searched. The
entry of the access and each item's custody entry are durable before the export has its name; an export that is stopped or fails
leaves nothing. What leaves is signed as a whole, so that nothing can be exchanged, added or taken away unseen.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import IO, Any, Final, cast

import amparo
from amparo.app import evidence as room
from amparo.app import evidence_exhibits as exhibits_of
from amparo.app.evidence_leaving import Paper, judge, log_rows
from amparo.app.naming import refuse_names
from amparo.app.session import Session, check_stop, now_ms, require_folder, stops_when_asked
from amparo.dossier import custody
from amparo.evidence import bag, case, crate, disclosure, index
from amparo.evidence.exhibits import Export, batched, iso
from amparo.kernel import ids
from amparo.kernel.errors import AmparoError, BadInput, NotFound
from amparo.kernel.i18n import N_, _, ngettext
from amparo.ledger.checkpoint import Head
from amparo.protect import extract
from amparo.protect.gate import Override, Release, Report
from amparo.record.items import Custody, Item
from amparo.vault.blob_format import BlobHashWrong

Progress = Callable[[int, int], None]
"""progress(bytes written, bytes of all items)."""

_VOLUME: Final = 25  # items of one PDF of custody sheets: the engine remembers what it laid out in its last ten runs
_SHEETS: Final = 100  # items; of more only a list is printed, and their sheets on demand
_LISTED: Final = 500  # items of one PDF of that list
_REMEMBERED: Final = 10  # runs after which the engine forgets what it laid out
_VERIFIER: Final = "verify/amparo_verify_bag.py"


class NothingToExport(NotFound):
    template = N_("There is nothing to export: name items (--items D-0001) or a source with items (--source S-0001).")


class NotAnItem(BadInput):
    template = N_("“{handle}” is no digital item; items have handles like D-0001.")


class VerifierMissing(AmparoError):
    template = N_("The stand-alone verifier is not where this Amparo was installed; install it again. Nothing was exported.")


@dataclass(slots=True, frozen=True)
class Asked:
    """What is to leave and for whom. ``audience`` and ``purpose`` as in record.model; the rest in the user's words."""

    audience: str = "court"
    purpose: str = "prosecution"
    recipient: str = ""
    reason: str = ""
    authority: str = ""
    actor: str = ""
    organisation: str = ""
    title: str = ""
    names: bool = False
    overrides: tuple[Override, ...] = ()


def chosen(session: Session, handles: Iterable[str], source: str = "") -> list[Item]:
    """The items named and those of a source, each once. Raises NotAnItem, NoSuchItem, NoSuchSource, NothingToExport."""
    found: dict[str, Item] = {}
    for handle in handles:
        if ids.parse(handle).kind != "item":
            raise NotAnItem(handle=handle[:40])
        item = room.get(session, handle)
        found[item.handle] = item
    if source:
        known = str(ids.parse(source))
        entity = session.record.entity(known)
        if entity is None or entity.kind != "source":
            raise room.NoSuchSource(handle=known)
        found |= {item.handle: item for item in session.testimony.items(known)}
    if not found:
        raise NothingToExport
    return list(found.values())


def export(
    session: Session, items: Sequence[Item], asked: Asked, target: Path, *, progress: Progress | None = None,
    today: date | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Write the bag to ``target`` (a zip file if it is called .zip, else a folder). Needs testimony and identities.

    Raises Refused with the gate's report, NameInWords, TargetExists, and what reading an item and the disk raise.
    """
    require_folder(target)
    if target.exists():
        raise bag.TargetExists(path=str(target))
    job = _Job(session, items, asked, target)
    with stops_when_asked():
        report = job.judged(today)
        with bag.drafted(target, session.disk) as sink:
            job.write(bag.Bag(sink), report, progress)
    size = sum(item.size for item in items)
    return {
        "demo": session.demo, "target": str(target), "items": [item.handle for item in items], "bytes": size,
        "key": job.plan.key, "workspace": job.plan.workspace, "gate": report.as_json(), "report": report.plain(),
    }  # fmt: skip


def sheet(session: Session, items: Sequence[Item], asked: Asked, target: Path, *, today: date | None = None) -> dict[str, Any]:
    """Print the custody sheets of items to a PDF. Their files do not leave, so only words are judged. Raises as ``export``."""
    require_folder(target)
    job = _Job(session, items, asked, target)
    plan = replace(job.plan, exhibits=tuple(replace(one, path="") for one in job.plan.exhibits))
    made = custody.sheet(plan)
    paper = Paper("sheet", extract.PDF, lambda: [made], lambda: [made])
    release = job.release("custody sheet")
    words = [*_words(plan), (_("the name of the file"), target.name)]
    report = judge(session, release, (), [paper], words, asked.overrides, today)
    with session.change(access=True) as change:
        change.put("record", "access@1", job.access("export custody sheet", report))
    session.disk.atomic_write(target, made)
    return {
        "demo": session.demo, "file": str(target), "items": [item.handle for item in items], "bytes": len(made),
        "gate": report.as_json(), "report": report.plain(),
    }  # fmt: skip


class _Job:
    """One leaving: what is asked for, what it will look like, and its writing."""

    def __init__(self, session: Session, items: Sequence[Item], asked: Asked, target: Path) -> None:
        self._session, self._items, self._asked, self._target = session, items, asked, target
        words = {
            "recipient": asked.recipient, "reason": asked.reason, "authority": asked.authority, "title": asked.title,
            "organisation": asked.organisation, "name of the file": target.name,
        }  # fmt: skip
        room.check_words({**words, "actor": asked.actor})
        refuse_names(session, words)
        self.when = now_ms()
        self._proofs = {item.handle: sorted(exhibits_of.proof_files(session, item)) for item in items}
        self.plan = self._drawn()
        self._entered = False

    def _drawn(self) -> Export:
        """The export as plain values, by what the ledger holds now."""
        asked, count = self._asked, len(self._items)
        title = asked.title or ngettext("Custody of {n} digital item", "Custody of {n} digital items", count).format(n=count)
        shown = tuple(
            exhibits_of.exhibit(self._session, item, names=asked.names, files=self._proofs[item.handle]) for item in self._items
        )
        return Export(
            title, self._session.workspace.hex(), self._session.ring.device.hex(), self._session.number, self.when,
            asked.audience, asked.purpose, asked.recipient, asked.authority, f"Amparo {amparo.__version__}",
            self._session.demo, shown, asked.organisation, self._others(),
        )  # fmt: skip

    def _others(self) -> dict[str, str]:
        """Path -> what it is, for the files of the crate that are no items."""
        others = {
            "case.jsonld": _("the same for CASE/UCO tools"), "custody/custody.csv": _("custody as a table"),
            "custody/ledger.cbor": _("signed entries of custody, with the keys of those parts that tell of these items"),
            "custody/statement.cbor": _("the signed list of all files"), crate.PREVIEW: _("this page"),
        }  # fmt: skip
        others |= dict.fromkeys(self._sheets(), _("custody sheets, to print"))
        for files in self._proofs.values():
            others |= dict.fromkeys(files, _("a proof of time, or what is needed to check it"))
        return others

    def _sheets(self) -> dict[str, slice]:
        """Path of each PDF of custody sheets -> which exhibits it holds."""
        count = len(self._items)
        size = _LISTED if count > _SHEETS else _VOLUME
        if count <= size:
            return {"custody/custody-sheet.pdf": slice(0, count)}
        return {
            f"custody/custody-sheet-{number:03d}.pdf": slice(at, at + size)
            for number, at in enumerate(range(0, count, size), 1)
        }

    def release(self, kind: str) -> Release:
        sources = frozenset(item.source for item in self._items)
        told = {person for source in sources for person in self._session.record.persons_of_source(source)}
        return Release(kind, self._asked.purpose, self._asked.audience, sources, frozenset(told))

    def access(self, what: str, report: Report) -> list[list[object]]:
        """Rows of access@1: neither recipient nor reason goes into the everyday record beyond what custody says."""
        handles = ", ".join(item.handle for item in self._items[:20]) + (" ..." if len(self._items) > 20 else "")
        return log_rows(self._session, what, handles, f"{self._asked.purpose}; {self._asked.audience}", report, self.when)

    def _exported(self) -> list[Custody]:
        """The custody entries that this export will be."""
        asked = self._asked
        detail = "; ".join(word for word in (asked.audience, asked.recipient, self.plan.key) if word)
        number = str(self._session.number)
        return [
            Custody(item.handle, self.when, number, "exported", asked.actor, asked.reason, asked.authority, detail)
            for item in self._items
        ]

    def judged(self, today: date | None) -> Report:
        """The gate's report over the papers as they will be, and over the items. Raises Refused."""
        shown = exhibits_of.with_events(self.plan.exhibits, self._exported())
        papers = self._papers(replace(self.plan, exhibits=tuple(shown)))
        words = [*_words(self.plan), (_("the name of the file"), self._target.name)]
        return judge(self._session, self.release("court export"), self._items, papers, words, self._asked.overrides, today)

    def _papers(self, plan: Export) -> list[Paper]:
        """The files that Amparo makes, by their paths below data."""
        table = partial(index.custody_table, plan)
        papers = [
            Paper("custody/custody.csv", extract.CSV, table, lambda: _tables(table())),
            Paper("case.jsonld", extract.JSON, lambda: case.graph(plan), lambda: _documents(case.nodes(plan))),
            Paper(crate.METADATA, extract.JSON, lambda: crate.metadata(plan), lambda: _documents(crate.nodes(plan))),
            Paper(crate.PREVIEW, extract.PLAIN, lambda: index.page(plan), lambda: batched(index.page(plan))),
        ]
        for path, which in self._sheets().items():
            drawn = partial(self._sheet, replace(plan, exhibits=plan.exhibits[which]))
            papers.append(Paper(path, extract.PDF, drawn, drawn))
        return papers

    def _sheet(self, plan: Export) -> Iterator[bytes]:
        """One PDF of custody sheets or of the list."""
        check_stop()
        listed = len(self._items) > _SHEETS
        yield custody.sheet(plan, listed=listed)
        if len(self._items) > _VOLUME:  # else what it remembers of each would add up
            for _run in range(_REMEMBERED + 1):
                custody.sheet(replace(plan, exhibits=()), listed=True)

    # -- writing -------------------------------------------------------------------------------------------------------------

    def write(self, out: bag.Bag, report: Report, progress: Progress | None) -> None:
        """All of the bag; the entries come when only small files are missing."""
        total, done = sum(item.size for item in self._items), 0
        for item, shown in zip(self._items, self.plan.exhibits, strict=True):
            before = done

            def moved(size: int, before: int = before) -> None:
                self._session.keep_alive()
                if progress:
                    progress(before + size, total)

            written = out.put(f"data/{shown.path}", self._read(item, moved), item.size)
            done += item.size
            if written.sha256 != item.sha256:
                raise BlobHashWrong(blob=item.blob)
        try:
            self._enter(report)
            self._finish(out)
        except BaseException:
            if self._entered:
                with suppress(AmparoError, OSError):
                    reason = _("the export {key} came to nothing: no file has left").format(key=self.plan.key)
                    room.note(self._session, [item.handle for item in self._items], "exported", reason=reason)
            raise

    def _read(self, item: Item, moved: Callable[[int], None]) -> Iterator[bytes]:
        done = 0
        with room.read_quietly(self._session, item) as stream:
            for piece in bag.chunks_of(cast("IO[bytes]", stream)):
                yield piece
                done += len(piece)
                moved(done)

    def _enter(self, report: Report) -> None:
        """First the entries, then the name of the export: nothing leaves that the ledger does not tell of."""
        with self._session.change(access=True) as change:
            change.put("record", "access@1", self.access("export evidence", report))
            for row in self._exported():
                change.put("testimony", Custody.TYPE, [row.to_row()])
        self._entered = True

    def _finish(self, out: bag.Bag) -> None:
        """Papers, proofs, ledger and statement, then the bag's own files."""
        plan = self._drawn()
        for paper in self._papers(plan):
            out.put(f"data/{paper.name}", batched(paper.pieces()), 0)
            self._session.keep_alive()
        for item in self._items:
            if self._proofs[item.handle]:
                files = exhibits_of.proof_files(self._session, item)
                for path in self._proofs[item.handle]:
                    out.whole(f"data/{path}", files[path])
        proven = exhibits_of.prove(self._session, self._items, names=self._asked.names)
        ledger = disclosure.packed(self._session.workspace, proven.firsts, proven.entries, proven.parts)
        out.whole(disclosure.LEDGER, ledger)
        out.text("README.txt", index.readme(plan))
        out.whole(_VERIFIER, verifier())
        out.whole(disclosure.STATEMENT, self._statement(plan, out, proven))
        out.close(self._info(plan))

    def _statement(self, plan: Export, out: bag.Bag, proven: exhibits_of.Proven) -> bytes:
        signing = self._session.ring.signing
        assert signing is not None
        heads = [Head(device, end.seq, end.hash) for device, end in sorted(self._session.ledger.ends().items())]
        files = {path: (one.sha256, one.size) for path, one in out.files.items() if disclosure.signed_for(path)}
        items = tuple((one.handle, one.path, one.sha256, one.size) for one in plan.exhibits)
        return disclosure.Statement(
            self._session.workspace, self._session.ring.device, self.when, plan.audience, plan.purpose, plan.recipient,
            tuple(heads), tuple(part.place for part in proven.parts), items, files,
        ).signed(signing)  # fmt: skip

    def _info(self, plan: Export) -> list[tuple[str, str]]:
        labels = [
            ("Source-Organization", plan.organisation), ("External-Description", plan.title),
            ("External-Identifier", f"urn:amparo:{plan.workspace}:{plan.key}"), ("Bagging-Date", iso(plan.when)[:10]),
            ("Bag-Software-Agent", plan.software),
        ]  # fmt: skip
        return [(name, value) for name, value in labels if value]


def _tables(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """A table's lines in batches, each below the header line."""
    rest = iter(pieces)
    header = next(rest)
    yield from (header + lines for lines in batched(rest))


def _documents(nodes: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Each node as a JSON document of its own, several joined to one list."""
    for joined in batched(json.dumps(node, ensure_ascii=False).encode() + b"," for node in nodes):
        yield b"[" + joined[:-1] + b"]"


def _words(plan: Export) -> list[tuple[str, str]]:
    """What stands in the signed rows besides the table: nothing else, but for names where they leave."""
    return [(_("name of {handle}").format(handle=one.handle), one.name) for one in plan.exhibits if one.name]


def verifier() -> bytes:
    """The stand-alone verifier, as it lies in the installed package or in the source tree. Raises VerifierMissing."""
    package = Path(amparo.__file__).parent
    for place in (package / "evidence" / "standalone", package.parent.parent / "verifier"):
        path = place / Path(_VERIFIER).name
        if path.is_file():
            return path.read_bytes()
    raise VerifierMissing
