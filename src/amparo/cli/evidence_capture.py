"""The verbs for web pages: ``amparo capture`` and ``amparo evidence replay``."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from amparo.app import evidence as room
from amparo.app import evidence_capture as captures
from amparo.cli.common import opened, passphrase_option, verb
from amparo.cli.evidence_shared import by_option, source_option
from amparo.evidence.capture.capture import Plan, check_address
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _
from amparo.record.model import BASES

Result = tuple[dict[str, Any], str]


class NobodyToLogIn(BadInput):
    template = N_("--login waits for you to press Enter, and there is no terminal to press it on; run it in a terminal.")


@click.command(
    help=_(
        "Capture a web page with your own Chromium: everything it loads, pictures of it, its text and the certificates of its "
        "servers, sealed as one signed WACZ file. The site sees this computer's address unless you give --proxy.\n\n"
        "Example: amparo capture https://example.org/post/1 --proxy socks5://127.0.0.1:9050"
    )
)
@click.argument("url")
@source_option(_("Add to this source instead of a new one."), default="")
@click.option("--wait", default=30.0, show_default=True, type=click.FloatRange(1, 3600), help=_("Seconds the page may load."))
@click.option(
    "--scroll", default=20, show_default=True, type=click.IntRange(0, 2000), help=_("Screens to scroll down at most.")
)
@click.option(
    "--max-bytes", default=2 << 30, show_default=True, type=click.IntRange(1 << 20), help=_("Stop after so many bytes.")
)
@click.option("--no-video", is_flag=True, help=_("Leave sound and video out."))
@click.option("--proxy", default="", help=_("Reach the site through this proxy, as socks5://127.0.0.1:9050 for Tor."))
@click.option("--login", is_flag=True, help=_("Open a window to log in first; recording begins after that, without cookies."))
@click.option("--visible", is_flag=True, help=_("Show the browser's window."))
@click.option("--accept-bad-certificate", is_flag=True, help=_("Capture even if the server's certificate is not trusted."))
@click.option("--browser", "program", default="", help=_("The Chromium to use, if it is not found by itself."))
@click.option("--how", default="", help=_("How and why it was captured, in your words."))
@click.option("--collector", default="", help=_("Who captures it."))
@click.option("--authority", default="", help=_("On whose authority."))
@click.option(
    "--basis", default="published source", type=click.Choice(BASES), help=_("On what the source may be used; the gate asks.")
)
@passphrase_option
@verb
def capture(
    url: str, source: str, wait: float, scroll: int, max_bytes: int, no_video: bool, proxy: str, login: bool, visible: bool,
    accept_bad_certificate: bool, program: str, how: str, collector: str, authority: str, basis: str,
    passphrase_fd: int | None, folder: Path | None,
) -> Result:  # fmt: skip
    check_address(url)
    plan = Plan(
        url, wait, scroll, max_bytes, video=not no_video, proxy=proxy, program=program, login=login,
        visible=visible or login,
        any_certificate=accept_bad_certificate,
    )  # fmt: skip
    if login and not sys.stdin.isatty():
        raise NobodyToLogIn
    origin = room.Origin("", how, collector, "", authority, basis, "web page")
    with opened(folder, descriptor=passphrase_fd) as session:
        click.echo(_warning(proxy), err=True)
        kept = captures.take(session, plan, source=source, origin=origin, logged_in=_log_in, progress=_progress())
        made = kept.captured
        data = {
            "demo": session.demo, "item": kept.item.handle, "source": kept.item.source, "bytes": kept.item.size,
            "sha256": kept.item.sha256.hex(), "title": made.title, "partial": made.partial, "warnings": made.warnings,
            "signed_by": kept.fingerprint, "records": made.facts["records"], "failed": made.facts["failed"],
        }  # fmt: skip
    return data, _told(kept)


def _warning(proxy: str) -> str:
    if proxy:
        return _("The site is reached through {proxy}; it sees the address at that proxy's end.").format(proxy=proxy)
    return _(
        "The site now sees this computer's address and may note that it was looked at from here; to avoid that, stop (Ctrl-C) "
        "and use Tor: --proxy socks5://127.0.0.1:9050."
    )


def _log_in(_browser: object, _session: str) -> None:
    text = _("Log in in the window that has opened, go no further, and press Enter here; nothing is recorded until then.")
    click.prompt(text, default="", show_default=False, prompt_suffix=" ", err=True)


def _progress() -> Callable[[str], None]:
    if not sys.stderr.isatty():
        return lambda _what: None
    return lambda what: click.echo(f"  {_(what)} ...", err=True)


def _told(kept: captures.Kept) -> str:
    made, item = kept.captured, kept.item
    when = datetime.fromtimestamp(made.started, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    text = _("Captured as {item} of source {source}: “{title}”, {records:,} records, {size:,} bytes, begun {when}.")
    lines = [text.format(
        item=item.handle, source=item.source, title=made.title, records=made.facts["records"], size=item.size, when=when
    )]  # fmt: skip
    lines.append(f"SHA-256 {item.sha256.hex()}")
    lines.append(_("Signed by this workspace's capture key {key}.").format(key=kept.fingerprint[:32]))
    if made.partial:
        lines.append(_("The capture is PARTIAL: {why}. What had arrived until then is kept.").format(why=made.partial))
    if not made.facts["came to rest"]:
        lines.append(_("The page was still loading something when --wait was over."))
    for problem in made.facts["problems"]:
        lines.append(_("Look at: {warning}").format(warning=_(problem)))
    if made.facts["failed"]:
        lines.append(_("Did not load: {count:,}; `amparo evidence show {item}` lists them.").format(
            count=len(made.facts["failed"]), item=item.handle))  # fmt: skip
    if made.facts["cut"]:
        lines.append(_("Not recorded whole: {count:,}.").format(count=len(made.facts["cut"])))
    return "\n".join([*lines, *made.warnings])


@click.command(
    help=_(
        "Show a web capture in your Chromium as it was, off line: the browser can reach nothing but the capture. Close the "
        "window to end.\n\nExample: amparo evidence replay D-0007"
    )
)
@click.argument("item")
@click.option("--browser", "program", default="", help=_("The Chromium to use, if it is not found by itself."))
@by_option
@passphrase_option
@verb
def replay(item: str, program: str, actor: str, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, descriptor=passphrase_fd) as session:
        data = captures.replay(session, item, program=program, actor=actor, ready=_ready)
        data["demo"] = session.demo
    text = _("Shown off line: {served:,} answers came from the capture; {missing:,} addresses it does not hold were refused.")
    return data, text.format(served=data["served"], missing=len(data["not in the capture"]))


def _ready(url: str, port: int) -> None:
    text = _("Showing {url} from the capture, through 127.0.0.1:{port}; close the window to end.")
    click.echo(text.format(url=url, port=port), err=True)


@click.command(
    name="check-capture",
    help=_(
        "Check a web capture of any maker: the hash of every file, the digest of every record, the signature.\n\n"
        "Example: amparo evidence check-capture D-0007"
    ),
)
@click.argument("item")
@by_option
@passphrase_option
@verb
def check_capture(item: str, actor: str, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, descriptor=passphrase_fd) as session:
        data = captures.check(session, item, actor=actor)
        data["demo"] = session.demo
    lines = [
        _("{item}: everything holds.").format(item=data["item"])
        if data["sound"]
        else _("{item}: NOT as it was written.").format(item=data["item"])
    ]
    lines.append(_("Digests of records checked: {count:,}.").format(count=data["digests checked"]))
    return data, "\n".join([*lines, data["signature"], *data["warnings"]])


@click.command(
    name="auto-archiver",
    help=_(
        "Compare the hashes in an Auto Archiver's metadata (JSON, CSV database or sheet as CSV) with the files of its source "
        "that are here. Add the whole folder first.\n\nExample: amparo evidence auto-archiver D-0012"
    ),
)
@click.argument("item")
@by_option
@passphrase_option
@verb
def auto_archiver(item: str, actor: str, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, descriptor=passphrase_fd) as session:
        rows = captures.check_auto_archiver(session, item, actor=actor)
        data = {"demo": session.demo, "item": item, "media": rows}
    words = {
        "same": _("the hash holds"), "changed": _("CHANGED: the hash does not hold"), "missing": _("not here"),
        "no hash": _("here; the archiver kept no hash of it"),
    }  # fmt: skip
    lines = [f"{row['item'] or '-':10}  {row['name']}: {words[row['state']]}" for row in rows]
    return data, "\n".join(lines or [_("It names no files.")])


COMMANDS = [capture, replay, check_capture, auto_archiver]
