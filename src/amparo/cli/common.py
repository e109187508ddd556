"""What every verb shares: the workspace, ``--json``, passphrases, progress, and errors as one sentence with an exit code.

A traceback never reaches the screen: its frames could hold words of testimony. Unexpected failures show only where they
happened.
"""

import functools
import inspect
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from amparo.app import opening
from amparo.app.session import NotAWorkspace, Session, looking, read_marker, stop_asked
from amparo.kernel.errors import AmparoError, BadInput
from amparo.kernel.i18n import N_, _
from amparo.kernel.text import printable, printable_json
from amparo.vault.disk import DiskFailed, translated
from amparo.vault.keyring import Ring
from amparo.vault.slots import Passphrase, WrongPassphrase

_ROWS_SHOWN: Final = 20
_TRIES: Final = 3
DEMO_LINE: Final = N_("DEMONSTRATION WORKSPACE — example data from public reports; every identity in it is made up")


class NoPassphrase(BadInput):
    template = N_("A passphrase is needed and there is no terminal to ask on; give it with --passphrase-fd.")
    exit_code = 3


class NoWorkspaceHere(NotAWorkspace):
    template = N_(
        "Neither {folder} nor a folder above it is an Amparo workspace; name yours with --workspace FOLDER, or make one with "
        "`amparo init FOLDER`."
    )


class NotText(BadInput):
    template = N_("{name} is not text in UTF-8, or has more than {limit} characters; save it as plain text in UTF-8.")


class PassphrasesDiffer(BadInput):
    template = N_("The two passphrases differ; nothing was changed.")


def main() -> None:
    """Run the command line; the process ends with the documented exit code."""
    from amparo.cli.main import amparo
    from amparo.vault import memory

    memory.harden()
    signal.signal(signal.SIGINT, _stop)
    as_json = "--json" in sys.argv
    try:
        amparo.main(standalone_mode=False, prog_name="amparo")
    except AmparoError as error:
        _fail(error.as_json(), str(error), error.exit_code, as_json=as_json)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail({"error": "Stopped"}, _("Stopped; nothing half-done was kept."), 130, as_json=as_json)
    except click.ClickException as error:
        if isinstance(error, click.UsageError) and not as_json:
            error.show()
            sys.exit(2)
        _fail({"error": "Usage"}, error.format_message(), 2, as_json=as_json)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        refused = _disk_refusal(error)
        _fail(refused.as_json(), str(refused), refused.exit_code, as_json=as_json)
    except Exception as error:  # noqa: BLE001  the last door: no traceback with values may pass
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}"
        text = _("Amparo failed in a way it did not expect ({place}); please report this line. Your data is as it was.")
        _fail({"error": "Unexpected", "place": place}, text.format(place=place), 1, as_json=as_json)


def _stop(*_args: object) -> None:
    """Ctrl-C: long work that looks for itself stops by itself; anything else, and the second time, at once."""
    again = stop_asked.is_set()
    stop_asked.set()
    if again or not looking.is_set():
        raise KeyboardInterrupt


def _disk_refusal(error: OSError) -> AmparoError:
    """An operating system's refusal that no room below has put into words."""
    path = Path(str(error.filename or "?"))
    try:
        with translated(path):
            raise error
    except AmparoError as refused:
        return refused
    except OSError:  # a name that is missing, or is there already
        return DiskFailed(name=path.name, why=error.strerror or type(error).__name__)


def read_text(stream: Any, limit: int = 1 << 20) -> str:
    """All of a text file or standard input. Raises NotText."""
    name = Path(str(getattr(stream, "name", "?"))).name
    try:
        text: str = stream.read(limit + 1)
    except UnicodeDecodeError:
        raise NotText(name=name, limit=limit) from None
    if len(text) > limit:
        raise NotText(name=name, limit=limit)
    return text


def _fail(data: dict[str, object], sentence: str, code: int, *, as_json: bool) -> None:
    if as_json:
        click.echo(printable_json(json.dumps({"sentence": sentence, **data}, ensure_ascii=False, default=str)))
    else:
        click.echo(f"amparo: {sentence}", err=True)
        rows = data.get("rows")  # of a refused import: each row's own sentence; the first stands in the sentence above
        if isinstance(rows, list):
            for row in rows[1:_ROWS_SHOWN]:
                click.echo("  " + " ".join(printable(str(row)).split()), err=True)
            if len(rows) > _ROWS_SHOWN:
                click.echo("  " + _("... and more; --skip-bad FILE writes them all to a table, --json lists them."), err=True)
    sys.exit(code)


def verb(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --json and, where the verb takes ``folder``, --workspace; print what it returns: (data, text).

    Whatever a verb does to a demonstration workspace, what it prints says that it is one.
    """
    takes_folder = "folder" in inspect.signature(function).parameters

    @click.option("--json", "as_json", is_flag=True, help=_("Print one JSON object instead of text."))
    @functools.wraps(function)
    def wrapped(*args: Any, as_json: bool, **kwargs: Any) -> None:
        data, text = function(*args, **kwargs)
        place = kwargs.get("folder") or data.get("workspace") or "."
        demo = bool(data.pop("demo", False)) or opening.is_demo(Path(str(place)))
        if as_json:
            whole = json.dumps({**({"demo": True} if demo else {}), **data}, ensure_ascii=False, indent=1, default=str)
            click.echo(printable_json(whole))
        else:
            if demo:
                click.secho(f"[{_(DEMO_LINE)}]", err=True, dim=True)
            click.echo(printable(text))

    if not takes_folder:
        return wrapped
    return click.option(
        "--workspace",
        "-w",
        "folder",
        type=click.Path(path_type=Path),
        envvar="AMPARO_WORKSPACE",
        default=None,
        help=_("Folder of the workspace (default: this folder or one above it)."),
    )(wrapped)


def passphrase_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --passphrase-fd: passphrases, one a line, from an inherited file descriptor; never from the command line."""
    return click.option(
        "--passphrase-fd", type=int, default=None, metavar="N",
        help=_("Read passphrases (one a line: everyday, identities) from file descriptor N instead of asking."),
    )(function)  # fmt: skip


class Passphrases:
    """Where passphrases come from: a file descriptor, or the terminal."""

    def __init__(self, descriptor: int | None) -> None:
        self._lines: Iterator[str] | None = None
        if descriptor is not None:
            try:
                with os.fdopen(os.dup(descriptor), encoding="utf-8") as stream:
                    self._lines = iter(read_text(stream).splitlines())
            except OSError:
                text = _("There is no open file descriptor {number}.").format(number=descriptor)
                raise click.BadParameter(text, param_hint="--passphrase-fd") from None

    def ask(self, prompt: str, *, confirm: bool = False) -> Passphrase:
        """One passphrase. Raises NoPassphrase."""
        if self._lines is not None:
            line = next(self._lines, None)
            if line is None:
                raise NoPassphrase
            return Passphrase(line)
        if not sys.stdin.isatty():
            raise NoPassphrase
        first = click.prompt(prompt, hide_input=True, err=True)
        passphrase = Passphrase(first)
        if confirm:
            passphrase.check_new()  # before it is typed a second time
            if click.prompt(_("The same again"), hide_input=True, err=True) != first:
                raise PassphrasesDiffer
        return passphrase


def find_workspace(folder: Path | None) -> Path:
    """The folder given, or this one or the nearest above it that is a workspace. Raises NotAWorkspace, NoWorkspaceHere."""
    if folder is not None:
        read_marker(folder)
        return folder
    here = Path.cwd()
    for candidate in (here, *here.parents):
        if (candidate / "amparo.json").exists():
            return candidate
    raise NoWorkspaceHere(folder=str(here))


def unlock_if_needed(folder: Path, *, identities: bool, passphrases: Passphrases | None = None) -> None:
    """Make sure the agent holds the rings a task needs: by a demonstration's key file, or by asking."""
    for name, wanted in (("everyday", True), ("identities", identities)):
        if not wanted or opening.holds(folder, name):
            continue
        if passphrases is None and opening.has_demo_key(folder):
            everyday, second = opening.demo_passphrases(folder)
            passphrase = second if name == "identities" else everyday
            opening.unlock(folder, opening.read_ring(folder, name, passphrase))
        else:
            opening.unlock(folder, _ask_ring(folder, name, passphrases))


def _ask_ring(folder: Path, name: str, given: Passphrases | None) -> Ring:
    """Open a ring with a passphrase; on a terminal a wrong one may be typed again twice."""
    label = _("Passphrase") if name == "everyday" else _("Passphrase of the identities")
    for _try in range(1, _TRIES):
        try:
            return opening.read_ring(folder, name, (given or Passphrases(None)).ask(label))
        except WrongPassphrase as error:
            if given is not None:
                raise
            click.echo(str(error), err=True)
    return opening.read_ring(folder, name, (given or Passphrases(None)).ask(label))


def names_at_hand(folder: Path | None) -> bool:
    """True if the identities are unlocked, so that words about to be recorded can be searched for sealed names."""
    return opening.holds(find_workspace(folder), "identities")


@contextmanager
def opened(folder: Path | None, *, identities: bool = False, descriptor: int | None = None) -> Iterator[Session]:
    """A session on the workspace, unlocked first if need be."""
    place = find_workspace(folder)
    unlock_if_needed(place, identities=identities, passphrases=Passphrases(descriptor) if descriptor is not None else None)
    with opening.open_session(place, identities=identities) as session:
        yield session


@contextmanager
def progress(label: str) -> Iterator[Callable[..., None]]:
    """A progress bar on the terminal's error stream; nothing where there is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda *_args: None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(label, total=None)

        def update(done: int, total: int, what: str = "") -> None:
            bar.update(task, completed=done, total=total, description=printable(what) or label)

        yield update
