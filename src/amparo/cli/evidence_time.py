"""The verbs ``amparo evidence authority``, ``timestamp`` and ``proofs``: who is asked, asking, and what the answers prove."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from amparo.app import evidence as room
from amparo.app import evidence_proofs as proving
from amparo.app import evidence_time as timing
from amparo.app.session import Session
from amparo.cli.common import opened, passphrase_option, verb
from amparo.evidence.time import wire
from amparo.evidence.time.queue import OTS, RFC3161, WANTED
from amparo.evidence.time.wire import Way
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _, ngettext

Result = tuple[dict[str, Any], str]
_CHAIN = 256 << 10


class BadProxy(BadInput):
    template = N_("“{proxy}” is no HTTP CONNECT proxy; write http://HOST:PORT (Tor: its HTTPTunnelPort, not the SOCKS port).")
    exit_code = 2


class CertificatesNeeded(BadInput):
    template = N_("Give the authority's certificates with --certificates FILE, its root included; or --calendar.")
    exit_code = 2


@click.command(
    help=_(
        "Name an authority that stamps the time (RFC 3161), or with --calendar an OpenTimestamps calendar; without arguments, "
        "list those that are known and how much waits for each. Take the certificates from the authority itself and compare "
        "their fingerprints: without that, a stamp proves nothing.\n\n"
        "Example: amparo evidence authority first --url https://tsa.example.org/tsr --certificates chain.pem"
    )
)
@click.argument("name", required=False, default="")
@click.option("--url", default="", help=_("Where requests go."))
@click.option(
    "--certificates",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help=_("The authority's chain, its root included: PEM or DER."),
)
@click.option("--calendar", is_flag=True, help=_("It is an OpenTimestamps calendar."))
@click.option("--signers", is_flag=True, help=_("They sign Content Credentials (C2PA): trust those; nobody is asked."))
@click.option("--remove", is_flag=True, help=_("Ask it no more; its stamps stay."))
@passphrase_option
@verb
def authority(
    name: str, url: str, certificates: Path | None, calendar: bool, signers: bool, remove: bool, passphrase_fd: int | None,
    folder: Path | None,
) -> Result:  # fmt: skip
    with opened(folder, descriptor=passphrase_fd) as session:
        if name and remove:
            timing.drop_authority(session, name)
        elif name:
            if not calendar and certificates is None:
                raise CertificatesNeeded
            chain = timing.read_file(certificates, _CHAIN) if certificates and not calendar else b""
            if signers:
                lines = timing.trust_signers(session, name, chain)
                text = "\n".join([_("Content Credentials signed under these are trusted from the next reading on:"), *lines])
                return {"demo": session.demo, "authority": name, "certificates": lines}, text
            lines = timing.set_authority(session, name, OTS if calendar else RFC3161, url, chain)
            kept = _("{name} will be asked at {url}. It will see this machine's network address, and nothing of the content.")
            text = "\n".join([kept.format(name=name, url=url), *lines])
            return {"demo": session.demo, "authority": name, "url": url, "certificates": lines}, text
        held = timing.book(session)
        active = [*held.active, *held.signers]
        queued = Counter(one.name for kind in WANTED for one, _row in held.pending(kind))
        data = {
            "demo": session.demo,
            "authorities": [
                {"name": one.name, "kind": one.kind, "url": one.url, "waiting": queued[one.name]} for one in active
            ],
        }
    lines = [f"{one.name}  {one.kind}  {one.url}  " + _("waiting: {count:,}").format(count=queued[one.name]) for one in active]
    if queued:
        lines.append(_("`amparo evidence timestamp --send` sends what waits."))
    return data, "\n".join(lines) or _("No authority is asked.")


@click.command(
    help=_(
        "Have the time proven: put the ledger's heads and items (those named, or all in no stamp yet) under one salted digest "
        "and queue it for every authority you named. --send sends what is queued; --write-requests and --read-replies carry it "
        "by file; --due lists stamps that must be renewed and --renew queues their renewal. An authority learns this machine's "
        "network address and the moment, nothing of the content; --proxy hides the address.\n\n"
        "Example: amparo evidence timestamp --send --proxy http://127.0.0.1:9080"
    )
)
@click.argument("handles", nargs=-1)
@click.option("--send", is_flag=True, help=_("Send what is queued, now; ask calendars for what they promised."))
@click.option("--proxy", default="", help=_("An HTTP CONNECT proxy, http://host:port (Tor: its HTTPTunnelPort)."))
@click.option("--seconds", default=30.0, show_default=True, help=_("How long one authority may take."))
@click.option("--write-requests", type=click.Path(path_type=Path), help=_("Write queued requests (.tsq) to this folder."))
@click.option("--read-replies", type=click.Path(path_type=Path), help=_("Read replies (.tsr) from this folder."))
@click.option(
    "--headers", type=click.Path(path_type=Path), help=_("Take the Bitcoin block headers that proofs name from this file.")
)
@click.option("--import", "proof", type=click.Path(path_type=Path), help=_("Keep this .ots file as a proof of the item named."))
@click.option("--due", "list_due", is_flag=True, help=_("List the stamps that age soon."))
@click.option("--renew", is_flag=True, help=_("Queue the renewal of the stamps that age soon."))
@passphrase_option
@verb
def timestamp(
    handles: tuple[str, ...], send: bool, proxy: str, seconds: float, write_requests: Path | None, read_replies: Path | None,
    headers: Path | None, proof: Path | None, list_due: bool, renew: bool, passphrase_fd: int | None, folder: Path | None,
) -> Result:  # fmt: skip
    if proxy:
        try:
            wire.check_address(proxy)
        except BadInput:
            raise BadProxy(proxy=proxy) from None
    with opened(folder, descriptor=passphrase_fd) as session:
        data: dict[str, Any] = {"demo": session.demo}
        lines: list[str] = []
        if proof is not None:
            _import(session, handles, proof, data, lines)
        elif not (read_replies or headers or list_due or renew) and (handles or not (send or write_requests)):
            _want(session, handles, data, lines)
        if renew:
            roots, count = timing.renew(session)
            data |= {"renewing": count, "roots": [root.hex() for root in roots]}
            queued = ngettext("Queued the renewal of {count} stamp.", "Queued the renewal of {count} stamps.", count)
            lines.append(queued.format(count=count))
        if send:
            _tell(timing.send(session, Way(proxy, seconds)), "sent", data, lines)
        if write_requests is not None:
            written = timing.write_requests(session, write_requests)
            data["requests"] = [str(path) for path in written]
            lines.append(_("Wrote {count} requests to {folder}.").format(count=len(written), folder=write_requests))
        if read_replies is not None:
            _tell(timing.read_replies(session, read_replies), "read", data, lines)
        if headers is not None:
            blocks = timing.read_headers(session, headers)
            data["blocks"] = [block.height for block in blocks]
            lines.append(_("Kept {count} block headers that proofs name.").format(count=len(blocks)))
        if list_due:
            _due(session, data, lines)
    return data, "\n".join(lines)


def _want(session: Session, handles: tuple[str, ...], data: dict[str, Any], lines: list[str]) -> None:
    wanted = timing.want(session, handles)
    data |= {"roots": [root.hex() for root in wanted.roots], "items": wanted.items, "authorities": wanted.authorities}
    text = ngettext(
        "Queued: the ledger's heads and {count:,} item under {root}, wanted of {names}.",
        "Queued: the ledger's heads and {count:,} items under {root}, wanted of {names}.",
        wanted.items,
    )
    roots = ", ".join(root.hex()[:16] for root in wanted.roots)
    lines.append(text.format(count=wanted.items, root=roots, names=", ".join(wanted.authorities)))


def _import(session: Session, handles: tuple[str, ...], proof: Path, data: dict[str, Any], lines: list[str]) -> None:
    if len(handles) != 1:
        raise click.UsageError(_("Name the one item that the .ots file is about."))
    ends = timing.import_proof(session, handles[0], timing.read_file(proof, 64 << 10), proof.name)
    data |= {"item": handles[0], "blocks_named": sorted(end.height for end in ends if end.height >= 0)}
    lines.append(_("Kept; `amparo evidence proofs {item}` tells what it proves.").format(item=handles[0]))


def _tell(outcome: timing.Outcome, name: str, data: dict[str, Any], lines: list[str]) -> None:
    data[name] = {"done": outcome.done, "waiting": outcome.waiting, "failed": outcome.failed}
    lines += _once([*outcome.done, *outcome.waiting])
    lines += _once([_("Failed: {line}").format(line=line) for line in outcome.failed])
    if not (outcome.done or outcome.waiting or outcome.failed):
        lines.append(_("Nothing waits for an answer; `amparo evidence timestamp` queues."))


def _once(lines: list[str]) -> list[str]:
    """Each line once, and how often it came."""
    return [f"{line} (× {count:,})" if count > 1 else line for line, count in Counter(lines).items()]


def _due(session: Session, data: dict[str, Any], lines: list[str]) -> None:
    found = timing.due(session)
    data["due"] = [{"root": one.root.hex(), "authority": one.authority, "at": one.at, "why": one.why} for one in found]
    for one in found:
        lines.append(f"{timing.shown(one.at)}  {one.authority}  {one.root.hex()[:16]}  {one.why}")
    if not found:
        lines.append(_("No stamp is due."))


@click.command(
    help=_(
        "Read an item again, verify every proof of its age and origin, and tell in plain words what each proves. --out writes "
        "them in the forms of openssl and ots, with how to check them without Amparo.\n\n"
        "Example: amparo evidence proofs D-0003"
    )
)
@click.argument("handle")
@click.option("--out", type=click.Path(path_type=Path), help=_("Write the proofs to this folder."))
@passphrase_option
@verb
def proofs(handle: str, out: Path | None, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, descriptor=passphrase_fd) as session:
        told = proving.proofs(session, handle)
        data: dict[str, Any] = {
            "demo": session.demo, "item": told.item.handle, "sha256": told.item.sha256.hex(), "after": told.after,
            "before": told.before, "bracket": told.bracket, "provenance": told.provenance,
            "proofs": [asdict(one) for one in told.proofs],
        }  # fmt: skip
        lines = [_("{item} was read again: it is the file its entry describes.").format(item=told.item.handle), *told.bracket]
        lines += [f"{_('holds') if one.holds else _('open')}  {one.sentence}" for one in told.proofs]
        for found in told.provenance:
            lines += [f"{found['reader']}  {sentence}" for sentence in found.get("sentences", [])]
        if out is not None:
            data["files"] = _write(session, told, out)
            lines.append(_("Wrote {list}.").format(list=", ".join(data["files"])))
    return data, "\n".join(lines)


def _write(session: Session, told: proving.Told, out: Path) -> list[str]:
    files = proving.proof_files(session, told.item)
    session.disk.mkdir(out)
    for name, content in files.items():
        session.disk.atomic_write(out / name, content)
    room.note(session, [told.item.handle], "exported", reason="evidence proofs --out", detail=", ".join(files))
    return list(files)


COMMANDS = [authority, timestamp, proofs]
