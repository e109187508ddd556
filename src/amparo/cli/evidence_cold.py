"""The verbs ``amparo evidence cold ...``: sealed files on an S3 server or another drive."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from amparo.app import evidence_cold as room
from amparo.cli.common import NoPassphrase, opened, passphrase_option, progress, verb
from amparo.cli.evidence import in_bytes
from amparo.kernel.i18n import _

Result = tuple[dict[str, Any], str]

_SHOWN: Final = 50
_UNITS: Final = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def size(value: str | int) -> int:
    """A number of bytes: 500000, 500K, 20M, 5G (units of 1,000)."""
    text = str(value).strip().upper().removesuffix("B")
    number, factor = (text[:-1], _UNITS[text[-1]]) if text[-1:] in _UNITS else (text, 1)
    if not number.isdecimal():
        raise click.BadParameter(_("“{value}” is no size; write 500K, 20M or 5G.").format(value=value))
    return int(number) * factor


@click.group(
    help=_(
        "Keep sealed files on an S3 server or another drive, and read them from there. What goes there is ciphertext under "
        "names that say nothing.\n\nExample: amparo evidence cold push archive"
    )
)
def cold() -> None:
    """The group of verbs about cold storage."""


@cold.command(
    help=_(
        "Add a cold store, or give one other credentials: s3://BUCKET/PREFIX or the path of a folder on another drive. The "
        "credentials are taken from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or asked for, and kept sealed.\n\n"
        "Example: amparo evidence cold add archive s3://bucket/case --endpoint https://s3.example.org"
    )
)
@click.argument("name")
@click.argument("url")
@click.option("--endpoint", default="", help=_("Address of the server (https://...); without it Amazon's."))
@click.option("--region", default="", help=_("Region of the bucket, where the server has regions."))
@click.option("--ca", type=click.File("r", encoding="ascii"), help=_("A certificate (PEM) to trust besides the system's."))
@click.option(
    "--cache", type=size, metavar="SIZE", default=room.CACHE, help=_("How much of what is read may be kept here, sealed (1G).")
)
@click.option("--patience", default=60, help=_("Seconds to wait for an answer, besides the time its bytes take."))
@passphrase_option
@verb
def add(
    name: str, url: str, endpoint: str, region: str, ca: Any, cache: int, patience: int, passphrase_fd: int | None,
    folder: Path | None,
) -> Result:  # fmt: skip
    key = secret = token = ""
    if url.startswith("s3://"):
        key, secret = _ask("AWS_ACCESS_KEY_ID", _("Access key")), _ask("AWS_SECRET_ACCESS_KEY", _("Secret key"))
        token = os.environ.get("AWS_SESSION_TOKEN", "")
    elif "://" not in url:
        url = str(Path(url).absolute())
    authority = ca.read(1 << 20) if ca else ""
    store = room.Store(name, url, endpoint, region, key, secret, token, authority, cache, max(1, patience))
    with opened(folder, descriptor=passphrase_fd) as session:
        room.add_store(session, store)
        data = {"demo": session.demo, "store": name, "url": url, "endpoint": endpoint}
    text = _("Added the cold store {name}; `amparo evidence cold push {name}` copies sealed files to it.")
    return data, text.format(name=name)


def _ask(variable: str, prompt: str) -> str:
    """A credential from the environment, else asked for without showing it. Raises NoPassphrase."""
    found = os.environ.get(variable, "")
    if found:
        return found
    if not sys.stdin.isatty():
        raise NoPassphrase
    return str(click.prompt(prompt, hide_input=True, err=True))


@cold.command(name="list", help=_("List the cold stores and what is there.\n\nExample: amparo evidence cold list"))
@passphrase_option
@verb
def list_stores(passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, descriptor=passphrase_fd) as session:
        found = []
        for store in room.stores(session):
            copies = room.copies(session, store.name).values()
            away = [copy for copy in copies if copy.evicted]
            found.append(
                {
                    "store": store.name, "url": store.url, "endpoint": store.endpoint, "files": len(copies),
                    "bytes": sum(copy.size for copy in copies), "only_there": len(away),
                    "damaged": sum(copy.bad for copy in copies), "cached": room.cache_of(session, store).size(),
                }
            )  # fmt: skip
        data = {"demo": session.demo, "stores": found}
    text = _("{store}  {url}  files {files:,} ({size}), only there {only_there:,}, found damaged {damaged:,}")
    lines = [text.format(**{**one, "size": in_bytes(int(str(one["bytes"])))}) for one in found]
    return data, "\n".join(lines) or _("There is no cold store; `amparo evidence cold add NAME URL` adds one.")


@cold.command(help=_("Forget a cold store and its credentials.\n\nExample: amparo evidence cold remove archive"))
@click.argument("name")
@passphrase_option
@verb
def remove(name: str, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, descriptor=passphrase_fd) as session:
        room.remove_store(session, name)
        data = {"demo": session.demo, "store": name}
    return data, _("Forgotten: {name}. What lies there stays there.").format(name=name)


@cold.command(
    help=_(
        "Copy sealed files to a cold store: all, or those of the items (D-...) and sources (S-...) named. Run it again to go "
        "on where it was stopped.\n\nExample: amparo evidence cold push archive --limit 500K"
    )
)
@click.argument("name")
@click.argument("handles", nargs=-1)
@click.option("--limit", type=size, metavar="SIZE", default=0, help=_("At most so many bytes a second (500K, 2M)."))
@click.option(
    "--retain-days", type=click.IntRange(1, 36_500), help=_("Ask the server to let nobody remove them for so many days.")
)
@click.option(
    "--retain-mode", type=click.Choice(("governance", "compliance")), default="governance", show_default=True,
    help=_("Compliance: not even the owner of the bucket may lift it."),
)  # fmt: skip
@passphrase_option
@verb
def push(
    name: str, handles: tuple[str, ...], limit: int, retain_days: int | None, retain_mode: str, passphrase_fd: int | None,
    folder: Path | None,
) -> Result:  # fmt: skip
    with opened(folder, descriptor=passphrase_fd) as session, progress(_("Pushing")) as bar:
        done = room.push(
            session, name, handles, limit=limit, retain_days=retain_days or 0, mode=retain_mode, progress=bar
        )  # fmt: skip
        data = {"demo": session.demo, "store": name, **asdict(done)}
    if done.refused:
        raise room.PushRefused(**data, count=len(done.refused), report=_listed(done.refused))
    text = _("Copied to {store}: {files:,} files, {size} sent; there already: {before:,}.")
    return data, text.format(store=name, files=done.files, size=in_bytes(done.sent), before=done.before)


@cold.command(
    help=_(
        "Remove sealed files from this disk that a cold store has: each is read back from there and opened first. They are "
        "read from there from then on.\n\nExample: amparo evidence cold evict archive S-0003"
    )
)
@click.argument("name")
@click.argument("handles", nargs=-1)
@click.option("--all", "everything", is_flag=True, help=_("All that the store has."))
@passphrase_option
@verb
def evict(name: str, handles: tuple[str, ...], everything: bool, passphrase_fd: int | None, folder: Path | None) -> Result:
    if bool(handles) == everything:
        raise click.UsageError(_("Name items or sources, or give --all."))
    with opened(folder, descriptor=passphrase_fd) as session, progress(_("Reading back")) as bar:
        done = room.evict(session, name, handles, bar)
        data = {"demo": session.demo, "store": name, **asdict(done)}
    if done.refused:
        raise room.NotEvicted(**data, count=len(done.refused), report=_listed(done.refused))
    if not done.files:
        return data, _("Nothing was moved: the store has none of it yet, or it was moved before; `cold push` comes first.")
    text = _("Moved to {store}: {files:,} files with {items:,} items, {size} freed here.")
    return data, text.format(store=name, files=done.files, items=done.items, size=in_bytes(done.bytes))


@cold.command(
    help=_("Bring evicted files back to this disk.\n\nExample: amparo evidence cold fetch archive D-0003")
)  # fmt: skip
@click.argument("name")
@click.argument("handles", nargs=-1)
@passphrase_option
@verb
def fetch(name: str, handles: tuple[str, ...], passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, descriptor=passphrase_fd) as session, progress(_("Fetching")) as bar:
        done = room.fetch(session, name, handles, bar)
        data = {"demo": session.demo, "store": name, **asdict(done)}
    if done.refused:
        raise room.NotFetched(**data, count=len(done.refused), report=_listed(done.refused))
    text = _("Back from {store}: {files:,} files with {items:,} items, {size}.")
    return data, text.format(store=name, files=done.files, items=done.items, size=in_bytes(done.bytes))


@cold.command(
    help=_(
        "Remove from a cold store the sealed files of items that were erased here.\n\n"
        "Example: amparo evidence cold prune archive"
    )
)
@click.argument("name")
@passphrase_option
@verb
def prune(name: str, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, descriptor=passphrase_fd) as session:
        removed, foreign = room.prune(session, name)
        data = {"demo": session.demo, "store": name, "removed": removed, "foreign": foreign}
    text = _("Removed from {store}: {removed:,} files. Not put there by this workspace and left alone: {foreign:,}.")
    return data, text.format(store=name, removed=removed, foreign=foreign)


def _listed(refused: dict[str, str]) -> str:
    return "\n".join(f"  {sentence}" for sentence in list(refused.values())[:_SHOWN])


COMMANDS = [cold]
