"""The verbs that read items in the sandbox and show what was read: read, transcribe, search, text."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from amparo.app import evidence as room
from amparo.app import evidence_read, evidence_time, evidence_transcribe
from amparo.cli.common import opened, passphrase_option, progress, read_text, verb
from amparo.evidence import sandbox, speech
from amparo.kernel.i18n import _, ngettext
from amparo.kernel.text import printable

Result = tuple[dict[str, Any], str]
_SHOWN = 50


@click.command(
    help=_(
        "Read items: their text, facts and fingerprints, and the files inside them. Hostile files are read in a sandbox; the "
        "last line says how strong it is here. Run it again to go on where it was interrupted.\n\n"
        "Example: amparo evidence read --source S-0003"
    )
)
@click.argument("handles", nargs=-1)
@click.option("--source", default=None, help=_("All items of this source; with no item and no source, all there are."))
@click.option("--reader", "only", multiple=True, help=_("This reader instead of those for the file's type; may be repeated."))
@click.option("--language", "languages", multiple=True, help=_("Of text in pictures: eng, rus, ara; may be repeated."))
@click.option("--again", is_flag=True, help=_("Also those that were read before."))
@click.option("--password", "asked", is_flag=True, help=_("Ask for the password of encrypted PDF files and zip archives."))
@click.option("--password-fd", type=int, default=None, metavar="N", help=_("Read that password from file descriptor N."))
@click.option(
    "--limits", "times", type=click.IntRange(1, 1000), default=1,
    help=_("So many times the limits of time, memory and output, for files you trust."),
)  # fmt: skip
@passphrase_option
@verb
def read(
    handles: tuple[str, ...], source: str | None, only: tuple[str, ...], languages: tuple[str, ...], again: bool,
    asked: bool, password_fd: int | None, times: int, passphrase_fd: int | None, folder: Path | None,
) -> Result:  # fmt: skip
    password = _password(password_fd) if asked or password_fd is not None else ""
    with opened(folder, descriptor=passphrase_fd) as session, progress(_("Reading")) as bar:
        items = [room.get(session, handle) for handle in handles] if handles else list(session.testimony.items(source))
        options: dict[str, Any] = {**evidence_time.reader_options(session)}
        if languages:
            options["languages"] = list(languages)
        if password:
            options["password"] = password
        done = evidence_read.read(
            session, items, only=only, again=again, options=options, times=times, progress=_harmless(bar)
        )  # fmt: skip
        strength = sandbox.strength()
        data = {
            "demo": session.demo, "items": done.items, "texts": done.texts, "facts": done.facts, "fingerprints": done.prints,
            "members": done.members, "problems": [{"item": item, "problem": what} for item, what in done.problems],
            "troubles": done.troubles, "lacking": done.lacking, "sandbox": strength,
        }  # fmt: skip
    lines = [
        ngettext("Read {count:,} item.", "Read {count:,} items.", done.items).format(count=done.items)
        + " "
        + _("Pieces of text: {texts:,}; facts: {facts:,}; files found inside: {members:,}.").format(
            texts=done.texts, facts=done.facts, members=done.members
        )
    ]
    lines += [f"  {item}: {what}" for item, what in done.problems[:_SHOWN]]
    if done.troubles > _SHOWN:
        lines.append(_("... and {count:,} more; --json tells of them.").format(count=done.troubles - _SHOWN))
    return data, "\n".join([*lines, *done.lacking, strength])


def _harmless(bar: Callable[..., None]) -> evidence_read.Progress:
    """The bar, which is told names of files: they may be made to steer the terminal, or be taken for marks of its own."""
    return lambda done, total, name: bar(done, total, escape(" ".join(printable(name).split())[:60]))


def _password(descriptor: int | None) -> str:
    """The password of a file, as it is typed: unlike a passphrase of ours it must not be changed by a letter."""
    if descriptor is None:
        return str(click.prompt(_("Password of the files"), hide_input=True, err=True))
    try:
        with os.fdopen(os.dup(descriptor), encoding="utf-8") as stream:
            return read_text(stream).partition("\n")[0]
    except OSError:
        text = _("There is no open file descriptor {number}.").format(number=descriptor)
        raise click.BadParameter(text, param_hint="--password-fd") from None


@click.command(
    help=_(
        "Let a speech recogniser of yours write down what it hears in recordings: a draft, to be checked by somebody who "
        "speaks the language. Nothing is downloaded; name a model that you have.\n\n"
        "Example: amparo evidence transcribe D-0007 --with vosk --model ~/models/vosk-ru --language ru"
    )
)
@click.argument("handles", nargs=-1, required=True)
@click.option("--with", "name", type=click.Choice(speech.KNOWN), required=True, help=_("The recogniser."))
@click.option(
    "--model", type=click.Path(exists=True, path_type=Path), default=None,
    help=_("Its model, a file or a folder; pocketsphinx has an English one."),
)  # fmt: skip
@click.option("--language", default="", help=_("Language spoken (ISO 639-1: ru, ar, en); the recogniser guesses if left out."))
@passphrase_option
@verb
def transcribe(
    handles: tuple[str, ...], name: str, model: Path | None, language: str, passphrase_fd: int | None, folder: Path | None
) -> Result:
    by = speech.recogniser(name, model)
    with opened(folder, descriptor=passphrase_fd) as session, progress(_("Listening")) as bar:
        items = [room.get(session, handle) for handle in handles]
        drafts = evidence_transcribe.transcribe(session, items, by, language, _harmless(bar))
        data = {
            "demo": session.demo, "recogniser": by.name, "version": by.version, "model_sha256": by.digest,
            "drafts": [{"item": one.item, "pieces": one.pieces, "problems": one.problems} for one in drafts],
        }  # fmt: skip
    lines = []
    for one in drafts:
        pieces = ngettext("{count:,} piece of speech", "{count:,} pieces of speech", one.pieces).format(count=one.pieces)
        lines += [f"{one.item}: {pieces}", *(f"  {problem}" for problem in one.problems)]
    lines.append(_("This is what a machine believes it heard: have it checked before a word of it is quoted."))
    return data, "\n".join(lines)


@click.command(help=_("Search the words of passages and items.\n\nExample: amparo evidence search 'военная полиция'"))
@click.argument("query")
@click.option("--limit", default=50, show_default=True, help=_("How many at most."))
@passphrase_option
@verb
def search(query: str, limit: int, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, descriptor=passphrase_fd) as session:
        hits = session.testimony.search(query, limit=limit)
        data = {"demo": session.demo, "hits": [hit._asdict() for hit in hits]}
    lines = [f"{hit.handle}  {hit.locator}  {' '.join(hit.excerpt.split())}" for hit in hits]
    return data, "\n".join(lines) or _("Nothing has all these words; `amparo evidence read` reads what was not read yet.")


@click.command(help=_("Show the text of an item, with the place of each piece.\n\nExample: amparo evidence text D-0003"))
@click.argument("handle")
@click.option("--limit", default=500, show_default=True, help=_("How many pieces at most."))
@passphrase_option
@verb
def text(handle: str, limit: int, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, descriptor=passphrase_fd) as session:
        item = room.get(session, handle)
        room.note(session, [item.handle], "viewed", reason="evidence text")
        pieces = session.testimony.texts(item.handle)
        data = {
            "demo": session.demo, "item": item.handle, "count": len(pieces),
            "pieces": [{"locator": piece.locator, "text": piece.text, "language": piece.language, "reader": piece.reader}
                       for piece in pieces[:limit]],
        }  # fmt: skip
    lines = [f"[{piece.locator}] {piece.text}" for piece in pieces[:limit]]
    if len(pieces) > limit:
        lines.append(_("... and {count:,} more; --limit shows more.").format(count=len(pieces) - limit))
    none = _("No text was read from it yet; `amparo evidence read {item}` does.").format(item=item.handle)
    return data, "\n".join(lines) or none


COMMANDS = [read, transcribe, search, text]
