"""What the verbs of the evidence room share: their common options, and words of strangers made fit for one line of a list.

Invariant: what a file brought with it (names, facts, warnings) never makes a line of its own, so it cannot pass for a line of
ours.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import click

from amparo.app.session import Session
from amparo.kernel import ids
from amparo.kernel.errors import NotFound
from amparo.kernel.i18n import N_, _
from amparo.kernel.text import printable
from amparo.record.items import Fact

_LINES: Final = 12  # of one fact
_WIDE: Final = 200  # characters of one value
_LONG: Final = 16  # values of a list that are shown


class NoSourceOfItems(NotFound):
    template = N_("There is no source {handle} in this workspace; `amparo evidence list` shows the source of each item.")


def _canonical(_context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
    """A handle as it is recorded: “s-3” means S-0003. Raises BadHandle."""
    if isinstance(value, tuple):
        return tuple(str(ids.parse(one)) for one in value)
    return str(ids.parse(value)) if value else value


def source_option(text: str, **more: Any) -> Callable[..., Any]:
    """``--source``: a source's handle in its canonical form."""
    return click.option("--source", metavar="S-...", callback=_canonical, help=text, **more)


def by_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--by``: whom the custody names, given to the verb as ``actor``."""
    return click.option(
        "--by", "actor", default="", envvar="AMPARO_BY", metavar="WHO",
        help=_("Who does it, for the custody: a role or a code, no name. Without it AMPARO_BY says."),
    )(function)  # fmt: skip


def known_source(session: Session, handle: str) -> None:
    """Raises NoSourceOfItems where there is no such source."""
    entity = session.record.entity(handle)
    if entity is None or entity.kind != "source":
        raise NoSourceOfItems(handle=handle)


def flat(text: str) -> str:
    """Words of a stranger in one line: a line break in a file's name must not begin a line of a list."""
    return printable(text).replace("\n", "\N{REPLACEMENT CHARACTER}").replace("\t", " ")


def facts_shown(facts: list[Fact]) -> Iterator[str]:
    """Facts in lines for people, cut where they are long; of a reading that went well nothing."""
    for fact in facts:
        data = json.loads(fact.data)
        if fact.kind in ("read", "unread"):
            yield from (f"  {fact.reader}: {flat(str(one))}" for one in data.get("warnings", []))
            continue
        yield f"  {_(fact.kind)} ({fact.reader})"
        lines = list(_lines("", data))
        yield from (f"    {flat(line)}" for line in lines[:_LINES])
        if len(lines) > _LINES:
            yield "    " + _("... and {count:,} more; --json tells all.").format(count=len(lines) - _LINES)


def _lines(name: str, value: Any) -> Iterator[str]:
    """“name.part: value” for whatever JSON holds; what is empty is left out."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _lines(f"{name}.{key}" if name else str(key), one)
    elif isinstance(value, list) and any(isinstance(one, (dict, list)) for one in value):
        for number, one in enumerate(value, 1):
            yield from _lines(f"{name} {number}", one)
    elif isinstance(value, list):
        if value:
            more = ", ..." if len(value) > _LONG else ""
            yield _cut(name, ", ".join(map(str, value[:_LONG])) + more)
    elif isinstance(value, bool):
        yield _cut(name, _("yes") if value else _("no"))
    elif value is not None and value != "":
        yield _cut(name, str(value))


def _cut(name: str, text: str) -> str:
    return f"{name}: {text[:_WIDE]}{' ...' if len(text) > _WIDE else ''}"
