"""What a page may have written, each act by its name on a fixed list: which function, and whether it needs the identities.

Invariant: nothing but what stands in ``ACTS`` is ever run in the process that holds the identities; it gets and returns plain
values (``web.clerk`` carries them as JSON). An act that writes words looks for sealed names in them wherever it can: so
every act runs where the identities are, if they are unlocked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from amparo.app import (
    checking,
    desk_assess,
    desk_edit,
    desk_events,
    desk_items,
    desk_people,
    desk_searches,
    marking,
    people,
    same,
)
from amparo.app.session import Session


@dataclass(frozen=True, slots=True)
class Act:
    """``run`` it with an open session and what was asked; ``names``: it cannot be done while the identities are locked."""

    run: Callable[[Session, Mapping[str, Any]], Any]
    names: bool = False


def _link(session: Session, asked: Mapping[str, Any]) -> str:
    return people.link(session, asked["kind"], asked["of"], asked["to"], asked["reason"])


def _assess(session: Session, asked: Mapping[str, Any]) -> str:
    return desk_assess.assess(session, **asked)


def _put_findings(session: Session, asked: Mapping[str, Any]) -> list[str]:
    return checking.put(session, asked["found"])


def _same(session: Session, asked: Mapping[str, Any]) -> str:
    return same.decide(session, asked["one"], asked["two"], same=asked["same"], why=asked["why"])


def _apart(session: Session, asked: Mapping[str, Any]) -> str:
    return same.undo(session, asked["decision"], asked["why"])


def _save_search(session: Session, asked: Mapping[str, Any]) -> str:
    return desk_searches.save(session, asked["called"], asked["words"], asked["filters"])


def _read_back(session: Session, asked: Mapping[str, Any]) -> None:
    """Look through the ``draft`` for what would hinder its recording, sealed names among it."""
    desk_people.read_back(session, asked["draft"])


ACTS: Final[Mapping[str, Act]] = {
    "register": Act(desk_people.register, names=True),
    "reveal": Act(desk_people.reveal, names=True),
    "read back": Act(_read_back),
    "record": Act(desk_people.record),
    "consent": Act(desk_people.consent),
    "edit": Act(desk_edit.save),
    "link": Act(_link),
    "assess": Act(_assess),
    "put findings": Act(_put_findings),
    "same": Act(_same),
    "same undone": Act(_apart),
    "save search": Act(_save_search),
    "mark": Act(marking.mark),
    "event": Act(desk_events.record),
    "take a copy": Act(desk_items.take_copy),
}
