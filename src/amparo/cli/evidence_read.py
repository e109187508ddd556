"""The verbs that read items in the sandbox and show what was read: read, transcribe, search, text."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from amparo.app import evidence as room
from amparo.app import evidence_read, evidence_time, evidence_transcribe
from amparo.app.session import Session
from amparo.cli.common import opened, passphrase_option, progress, read_text, verb
from amparo.cli.evidence_shared import by_option, flat, known_source, source_option
from amparo.evidence import sandbox, speech
from amparo.kernel.errors import BadInput
from amparo.kernel.i18n import N_, _, ngettext
from amparo.kernel.text import printable
from amparo.record.items import Item

Result = tuple[dict[str, Any], str]
_SHOWN = 50
_MADE = ("still", "rendered")
_NAMED = 8  # items or types named in one line


class NothingToLookFor(BadInput):
    template = N_("“{query}” has no letter and no digit to look for; give one word or more.")


@click.command(
    help=_(
        "Read items: their text, facts and fingerprints, and the files inside them. Hostile files are read in a sandbox; the "
        "last line says how strong it is here. Run it again to go on where it was interrupted.\n\n"
        "Example: amparo evidence read --source S-0003"
    )
)
@click.argument("handles", nargs=-1)
@source_option(_("All items of this source; with no item and no source, all there are."), default=None)
@click.option(
    "--reader", "only", multiple=True,
    help=_("This reader, not those for the type; may be repeated. “ocr” recognises the text in pictures and scans."),
)  # fmt: skip
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
        if source:
            known_source(session, source)
        items = [room.get(session, handle) for handle in handles] if handles else list(_to_read(session, source))
        options: dict[str, Any] = {**evidence_time.reader_options(session)}
        if languages:
            options["languages"] = "+".join(languages)
        if password:
            options["password"] = password
        done = evidence_read.read(
            session, items, only=only, again=again, options=options, times=times, progress=_harmless(bar)
        )  # fmt: skip
        strength = sandbox.strength()
        idle = _without_reader(items) if not only else {}
        data = {
            "demo": session.demo, "items": done.items, "texts": done.texts, "facts": done.facts, "fingerprints": done.prints,
            "members": done.members, "problems": [{"item": item, "problem": what} for item, what in done.problems],
            "troubles": done.troubles, "lacking": done.lacking, "no_reader": idle, "sandbox": strength,
        }  # fmt: skip
    lines = [
        ngettext("Read {count:,} item.", "Read {count:,} items.", done.items).format(count=done.items)
        + " "
        + _("Pieces of text: {texts:,}; facts: {facts:,}; files found inside: {members:,}.").format(
            texts=done.texts, facts=done.facts, members=done.members
        )
    ]
    if not done.items and items and not idle:
        lines.append(_("All of it was read before; --again reads it anew."))
    told = _told(done.problems)
    lines += told[:_SHOWN]
    if len(told) > _SHOWN:
        lines.append(_("... and {count:,} more; --json tells of them.").format(count=len(told) - _SHOWN))
    lines += _left(idle)
    return data, "\n".join([*lines, *done.lacking, strength])


def _told(problems: list[tuple[str, str]]) -> list[str]:
    """One line for each sentence, with the items it is said of: twelve photographs with a place are one line."""
    told: dict[str, list[str]] = {}
    for item, sentence in problems:
        held = told.setdefault(sentence, [])
        if item not in held[-1:]:
            held.append(item)
    return [f"  {_few(items)}: {flat(sentence)}" for sentence, items in told.items()]


def _few(words: list[str]) -> str:
    if len(words) <= _NAMED:
        return ", ".join(words)
    return _("{some} and {count:,} more").format(some=", ".join(words[:_NAMED]), count=len(words) - _NAMED)


def _without_reader(items: list[Item]) -> dict[str, list[str]]:
    """Media type -> the items of it that no reader here reads; what is empty has nothing to be read."""
    known = [reader for reader in sandbox.readers().values() if not reader.asked]
    read = {kind: any(_fits(reader, kind) for reader in known) for kind in {item.media_type for item in items}}
    found: dict[str, list[str]] = {}
    for item in items:
        if item.size and not read[item.media_type]:
            found.setdefault(item.media_type, []).append(item.handle)
    return found


def _fits(reader: sandbox.Reader, media_type: str) -> bool:
    return any(media_type == kind or (kind.endswith("/") and media_type.startswith(kind)) for kind in reader.media_types)


def _left(idle: dict[str, list[str]]) -> list[str]:
    if not idle:
        return []
    lines = [_("Nothing here reads these; they stay evidence as they are:")]
    return [*lines, *(f"  {flat(kind)}: {_few(handles)}" for kind, handles in sorted(idle.items())[:_SHOWN])]


def _to_read(session: Session, source: str | None) -> Iterator[Item]:
    """All items but what readers made: a picture drawn from a picture is not drawn again, run after run."""
    return (item for item in session.testimony.items(source) if item.relation not in _MADE)


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
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help=_("How many at most."))
@passphrase_option
@verb
def search(query: str, limit: int, passphrase_fd: int | None, folder: Path | None) -> Result:
    if not any(letter.isalnum() for letter in query):
        raise NothingToLookFor(query=query[:80])
    with opened(folder, descriptor=passphrase_fd) as session:
        hits = session.testimony.search(query, limit=limit)
        data = {"demo": session.demo, "hits": [hit._asdict() for hit in hits]}
    lines = [f"{hit.handle}  {flat(hit.locator)}  {' '.join(hit.excerpt.split())}" for hit in hits]
    return data, "\n".join(lines) or _("Nothing has all these words; `amparo evidence read` reads what was not read yet.")


@click.command(help=_("Show the text of an item, with the place of each piece.\n\nExample: amparo evidence text D-0003"))
@click.argument("handle")
@click.option("--limit", default=500, show_default=True, type=click.IntRange(1), help=_("How many pieces at most."))
@by_option
@passphrase_option
@verb
def text(handle: str, limit: int, actor: str, passphrase_fd: int | None, folder: Path | None) -> Result:
    with opened(folder, descriptor=passphrase_fd) as session:
        item = room.get(session, handle)
        room.note(session, [item.handle], "viewed", actor=actor, reason="evidence text")
        pieces = session.testimony.texts(item.handle)
        data = {
            "demo": session.demo, "item": item.handle, "count": len(pieces),
            "pieces": [{"locator": piece.locator, "text": piece.text, "language": piece.language, "reader": piece.reader}
                       for piece in pieces[:limit]],
        }  # fmt: skip
        none = "" if pieces else _no_text(session, item)
    lines = [f"[{flat(piece.locator)}] " + piece.text.replace("\n", "\n    ") for piece in pieces[:limit]]
    if len(pieces) > limit:
        lines.append(_("... and {count:,} more; --limit shows more.").format(count=len(pieces) - limit))
    return data, "\n".join(lines) or none


def _no_text(session: Session, item: Item) -> str:
    """Why there is no text, and what may bring it."""
    if not item.size:
        return _("{item} is an empty file.").format(item=item.handle)
    if _without_reader([item]):
        return _("Nothing here reads files of the type {type}; {item} stays evidence as it is.").format(
            type=item.media_type or "?", item=item.handle
        )
    if not any(fact.kind == "read" for fact in session.testimony.facts(item.handle)):
        return _("No text was read from it yet; `amparo evidence read {item}` does.").format(item=item.handle)
    text = _("{item} was read, and no text was found in it.").format(item=item.handle)
    if _fits(sandbox.readers()["ocr"], item.media_type):
        more = _("`amparo evidence read {item} --reader ocr --language rus` recognises the text in pictures and scans.")
        text += " " + more.format(item=item.handle)
    elif item.media_type.startswith(("audio/", "video/")):
        more = _("`amparo evidence transcribe {item}` drafts what is said in it, by a recogniser of yours.")
        text += " " + more.format(item=item.handle)
    return text


COMMANDS = [read, transcribe, search, text]
