"""A web page becomes a digital item: captured by the user's own browser, sealed as one WACZ file, its text searchable.

Invariants: addresses, titles and texts of pages go to the compartment ``testimony`` only; the record learns that there is a
source of the type "web page", and no more. Until the file is whole it lies in memory or on the disk under a key that nobody
keeps; item, custody, facts and text then appear in one change, or nothing does.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, cast
from urllib.parse import urlsplit

from amparo.app import evidence
from amparo.app.session import Session
from amparo.evidence import sandbox
from amparo.evidence.capture.browser import Chromium, Launch
from amparo.evidence.capture.capture import Captured, LogIn, Plan, capture, check_address
from amparo.evidence.capture.proxy import ReplayProxy
from amparo.evidence.capture.replay import Replay
from amparo.evidence.capture.wacz import MEDIA_TYPE
from amparo.evidence.capture.warc import timestamp
from amparo.evidence.findings import Data, Facts, Hints, Warn
from amparo.kernel import ids
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _
from amparo.record.items import Acquisition, Fact, Item, Piece
from amparo.record.model import Row
from amparo.vault import capture_signing
from amparo.vault.capture_signing import CaptureKey
from amparo.vault.spool import Spool

READER: Final = "capture/1"
_PIECE: Final = 4000  # characters of text that are found together


class CaptureOfOthers(BadInput):
    template = N_(
        "{handle} was captured elsewhere; Amparo shows only its own captures, since a file made by others could attack it. "
        "Read its words with `amparo evidence read`, or open a copy with ReplayWeb.page on a machine that holds no keys."
    )


class NotACapture(BadInput):
    template = N_("{handle} is no web capture (WACZ); `amparo evidence list` shows the type of each item.")


@dataclass(slots=True, frozen=True)
class Kept:
    """A capture that is in the workspace now; ``fingerprint`` of the public key that signed it."""

    item: Item
    captured: Captured
    fingerprint: str


def take(
    session: Session, plan: Plan, *, source: str = "", origin: evidence.Origin | None = None,
    logged_in: LogIn | None = None, progress: Callable[[str], None] = lambda _what: None,
) -> Kept:  # fmt: skip
    """Capture a page and seal it as an item of a source, new unless given.

    Raises NoSuchSource and what ``evidence.capture.capture.capture`` raises; then nothing was kept.
    """
    how = origin or evidence.Origin(basis="published source", type="web page")
    if source:
        entity = session.record.entity(str(ids.parse(source)))
        if entity is None or entity.kind != "source":
            raise evidence.NoSuchSource(handle=source)
    signer = CaptureKey.of(session.key("testimony"))

    def told(what: str) -> None:
        session.keep_alive()
        progress(what)

    with Spool(session.folder) as out:
        made = capture(plan, out, lambda: Spool(session.folder), signer=signer, logged_in=logged_in, progress=told)
        progress(_("Sealing"))
        url = check_address(plan.url)
        with session.change() as change:
            handle = source or evidence.new_source(change, how)
            words = _("web capture by {software} with {browser}").format(
                software=made.facts["software"], browser=made.facts["browser"]
            )
            row = Acquisition(
                handle, how.from_whom, how.how or words, how.collector, how.device, how.authority, url, int(made.started * 1000)
            )
            change.put("testimony", Acquisition.TYPE, [row.to_row()])
            sealed = session.blobs().seal_file(out.reader(), lambda _bytes: session.keep_alive())
            name = f"{urlsplit(url).hostname}-{timestamp(made.started)}.wacz"
            item = evidence.put_item(
                change, handle, sealed, name=name, path=url, media_type=MEDIA_TYPE, modified=int(made.ended * 1000)
            )
            evidence.put_parts(change, rows(item.handle, made, signer.public))
    return Kept(item, made, capture_signing.fingerprint(signer.public))


def rows(handle: str, made: Captured, public: str) -> Iterator[Row]:
    """What is known of a capture, as rows about the item: facts first, then the text in pieces."""
    facts = made.facts | {
        "title": made.title, "datapackage hash": made.digest,
        "signed by": {"key": capture_signing.fingerprint(public), "kind": "ECDSA P-384 with SHA-256, key of the workspace"},
    }  # fmt: skip
    yield Fact(handle, "web capture", READER, json.dumps(facts, ensure_ascii=False))
    number = 0
    for frame in made.texts:
        head = f"{frame.title}\n\n" if frame.title else ""
        for part, text in enumerate(_pieces(head + frame.text), 1):
            number += 1
            yield Piece(handle, number, f"{frame.place}, part {part}", text, frame.language, READER)


def _pieces(text: str) -> Iterator[str]:
    """The text in pieces of some thousand characters, cut at line ends where there are some."""
    held = ""
    for line in text.splitlines(keepends=True):
        for at in range(0, len(line), _PIECE):
            if len(held) + len(line) > _PIECE and held.strip():
                yield held.strip()
                held = ""
            held += line[at : at + _PIECE]
    if held.strip():
        yield held.strip()


# -- captures of others, and our own again ------------------------------------------------------------------------------------


def check(session: Session, handle: str, *, actor: str = "") -> dict[str, Any]:
    """What can be proven of a WACZ: hashes and digests (in the sandbox), and its signature; keeps both as facts.

    Returns {item, sound, signature, warnings, digests checked}. Raises NoSuchItem, NotACapture and what the sandbox raises.
    Custody: "verified".
    """
    item = _capture(session, handle)
    found: dict[str, Data] = {}
    warnings: list[str] = []
    with evidence.open_item(session, item, action="verified", actor=actor, reason=_("capture checked")) as stream:
        for finding in sandbox.read("wacz", cast("BinaryIO", stream), Hints(item.name, item.media_type, item.size)):
            if isinstance(finding, Facts):
                found[finding.kind] = finding.data
            elif isinstance(finding, Warn):
                warnings.append(finding.sentence)
    valid, words = check_signature(found.get("signature", {}), str(found.get("package", {}).get("hash", "")))
    verdict: dict[str, Any] = {
        "item": item.handle, "sound": valid is not False and not warnings, "signature": words, "warnings": warnings[:100],
        "digests checked": found.get("web archive", {}).get("digests checked", 0),
    }  # fmt: skip
    evidence.put_rows(session, [Fact(item.handle, "capture checked", READER, json.dumps(verdict, ensure_ascii=False))])
    return verdict


def check_signature(signed: Data, package: str) -> tuple[bool | None, str]:
    """What the signature of a package, as read in the sandbox, proves about ``package`` ("sha256:..."): True if it holds,
    None where there is none that could be checked; and the same in words.
    """
    public, signature, digest = (str(signed.get(name, "")) for name in ("publicKey", "signature", "hash"))
    if not signature:
        return None, _("The package is not signed.")
    if digest.lower() != package.lower() or not package:
        return False, _("The signature is for another package than this one.")
    if not public:
        return None, _("The signature rests on a domain's certificate, which Amparo does not check.")
    if not capture_signing.verify(public, signature, digest):
        return False, _("The signature is NOT valid: package or signature was changed.")
    text = _(
        "The signature is valid: since {created} nobody without the key {key} changed anything. Whose it is, it cannot say."
    )
    return True, text.format(created=str(signed.get("created", "?"))[:40], key=capture_signing.fingerprint(public))


def check_auto_archiver(session: Session, handle: str, *, actor: str = "") -> list[dict[str, str]]:
    """Compare what an Auto Archiver's JSON or CSV says it kept with the items of the same source; keeps the result as a fact.

    Returns rows {url, name, item, algorithm, state}: same, changed, missing, or no hash. Raises NoSuchItem and what the
    sandbox raises. Custody: "verified" on every item that was compared.
    """
    item = evidence.get(session, handle)
    named: dict[str, Item] = {one.name: one for one in session.testimony.items(item.source) if one.handle != item.handle}
    rows: list[dict[str, str]] = []
    with evidence.open_item(session, item, action="read", actor=actor) as stream:
        for finding in sandbox.read("autoarchiver", cast("BinaryIO", stream), Hints(item.name, item.media_type, item.size)):
            if isinstance(finding, Facts):
                rows += _compared(session, named, finding.data)
    seen = sorted({row["item"] for row in rows if row["item"]})
    if seen:
        evidence.note(
            session, seen, "verified", actor=actor, reason=_("compared with the Auto Archiver's hashes"), detail=item.handle
        )
    evidence.put_rows(session, [Fact(item.handle, "auto archiver checked", READER, json.dumps(rows, ensure_ascii=False))])
    return rows


def _compared(session: Session, named: dict[str, Item], row: Data) -> Iterator[dict[str, str]]:
    media = row.get("media")
    for one in media if isinstance(media, list) else ():
        if not isinstance(one, dict):
            continue
        name, algorithm, value = (str(one.get(key, "")) for key in ("name", "algorithm", "hash"))
        item = named.get(name) or named.get(str(one.get("key", "")).rpartition("/")[2])
        state = "missing"
        if item is not None:
            state = "no hash" if not value else "same" if _digest(session, item, algorithm) == value else "changed"
        yield {
            "url": str(row.get("url", "")), "name": name, "item": item.handle if item else "", "algorithm": algorithm,
            "state": state,
        }  # fmt: skip


def _digest(session: Session, item: Item, algorithm: str) -> str:
    if algorithm == "SHA-256":
        return item.sha256.hex()
    running = hashlib.sha3_512()
    with evidence.read_quietly(session, item) as stream:
        while piece := stream.read(1 << 20):
            running.update(piece)
    return running.hexdigest()


def _capture(session: Session, handle: str) -> Item:
    item = evidence.get(session, handle)
    if "wacz" not in item.media_type and not item.name.lower().endswith(".wacz"):
        raise NotACapture(handle=item.handle)
    return item


# -- looking at it again ------------------------------------------------------------------------------------------------------


def replay(
    session: Session, handle: str, *, program: str = "", actor: str = "", ready: Callable[[str, int], None] | None = None,
    until: Callable[[], None] | None = None, visible: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Show a capture in the user's browser, which can reach nothing but this capture; ends with the window or ``until``.

    Raises NoSuchItem, NotACapture, CaptureOfOthers, NoBrowser and what reading raises. Custody: "viewed".
    """
    item = _capture(session, handle)
    if not any((fact.kind, fact.reader) == ("web capture", READER) for fact in session.testimony.facts(item.handle)):
        raise CaptureOfOthers(handle=item.handle)  # the container would be parsed here, beside the keys
    with evidence.open_item(session, item, action="viewed", actor=actor, reason=_("offline replay")) as stream:
        archive = Replay(stream)
        url = archive.pages[0].url if archive.pages else ""
        with ReplayProxy(archive, capture_signing.throwaway_certificate()) as proxy:
            launch = Launch(program, visible=visible, extra=proxy.flags())
            with Chromium(launch) as browser:
                targets = browser.call("Target.getTargets")["targetInfos"]
                target = next(one["targetId"] for one in targets if one["type"] == "page")
                tab = browser.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
                browser.send("Page.navigate", {"url": url}, tab)
                if ready:
                    ready(url, proxy.port)
                _wait(session, browser, until)
        return {"item": item.handle, "url": url, "served": proxy.served, "not in the capture": proxy.missing}


def _wait(session: Session, browser: Chromium, until: Callable[[], None] | None) -> None:
    if until is not None:
        until()
        return
    while browser.events.get() is not None:
        session.keep_alive()
