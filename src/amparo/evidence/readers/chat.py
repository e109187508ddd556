"""What the chat readers share: a conversation's count, its pieces of text, and which of the files it names came along.

Invariant: memory stays bounded whatever a file claims (so many participants, files and chats are named, the rest counted),
and a sender is handed on as written: nobody is identified here.
"""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from amparo.evidence.findings import Facts, Finding, Hints, Text, Unreadable, Warn
from amparo.evidence.readers.archive import DAMAGED, Tally, tally, zip_members, zip_name
from amparo.kernel.i18n import _

LONGEST = 1 << 15
_MOST_SENDERS, _MOST_FILES = 10_000, 10_000


@dataclass
class Conversation:
    """One chat while it is read. ``files``: the paths of the archive it came in, lower case, or None where there is none."""

    application: str
    form: str
    name: str = ""
    files: frozenset[str] | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    messages: int = 0
    service: int = 0
    first: str = ""
    last: str = ""
    senders: dict[str, int] = field(default_factory=dict)
    references: list[dict[str, Any]] = field(default_factory=list)
    missing: int = 0
    unnamed: int = 0

    def message(self, when: str, sender: str, text: str, *, service: bool = False, ident: str = "") -> Iterator[Text]:
        """Count a message and yield its text under "message 5, 2017-03-28 14:05, sender as written" (``ident``: its own id)."""
        self.messages += 1
        self.service += service
        self.first = self.first or when
        self.last = when or self.last
        if sender and (sender in self.senders or len(self.senders) < _MOST_SENDERS):
            self.senders[sender] = self.senders.get(sender, 0) + 1
        parts = [f"message {self.messages}" + (f" (id {ident[:40]})" if ident else ""), when, sender[:200]]
        if self.name and self.facts.get("chat"):
            parts.insert(0, f"chat {self.facts['chat']}")
        where = ", ".join(part for part in parts if part)
        for start in range(0, len(text), LONGEST):
            yield Text(where, text[start : start + LONGEST])

    def refer(self, path: str, **more: Any) -> None:
        """Note a file that the message counted last names, and whether it came along (None where that cannot be known)."""
        here = None if self.files is None else path.lower() in self.files
        if more.get("left_out"):
            here = False
        self.missing += here is False
        if len(self.references) < _MOST_FILES:
            self.references.append({"message": self.messages, "path": path[:1000], "present": here, **more})
        else:
            self.unnamed += 1

    def close(self) -> Iterator[Finding]:
        """The Facts ("conversation"), and a warning where files are missing."""
        data: dict[str, Any] = {
            "application": self.application, "form": self.form, "name": self.name[:1000], "messages": self.messages,
            "service_messages": self.service, "first": self.first, "last": self.last,
            "participants": [{"name": name[:1000], "messages": count} for name, count in self.senders.items()],
            "files": self.references, "missing_files": self.missing, **self.facts,
        }  # fmt: skip
        if self.unnamed:
            data["files_not_listed"] = self.unnamed
        yield Facts("conversation", data)
        if self.missing:
            yield Warn(_("{n} files that the chat “{name}” names did not come with it; the facts list them.").format(
                n=self.missing, name=self.name[:200]))  # fmt: skip


def local_time(moment: datetime, offset: timedelta | None = None) -> str:
    """A time as "2017-03-28 14:05", with "UTC+03:00" where the offset is known."""
    text = moment.strftime("%Y-%m-%d %H:%M")
    if offset is None:
        return text
    minutes = round(offset.total_seconds() / 60)
    sign = "-" if minutes < 0 else "+"
    return f"{text} UTC" + (f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}" if minutes else "")


def utc_time(milliseconds: object) -> str:
    """Milliseconds since 1970 as "2017-03-28 11:05 UTC", "" where it is no such number."""
    try:
        when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(str(milliseconds)))
    except (ValueError, OverflowError):
        return ""
    return local_time(when, timedelta(0))


def text_of(value: object, longest: int = 1000) -> str:
    """A value of a hostile JSON object as text: strings and numbers, "" for all else."""
    if isinstance(value, str):
        return value[:longest]
    return str(value)[:longest] if isinstance(value, (int, float)) and not isinstance(value, bool) else ""


class Bundle:
    """A zip archive with a chat export inside."""

    def __init__(self, archive: zipfile.ZipFile, hints: Hints) -> None:
        self.archive = archive
        self.tally: Tally = tally(hints)
        self.infos = {zip_name(info): info for info in archive.infolist()[: self.tally.most_members]}

    def files(self, folder: str = "") -> frozenset[str]:
        """Paths below ``folder`` ("" or ending in "/"), lower case."""
        return frozenset(path[len(folder) :].lower() for path in self.infos if path.startswith(folder))

    def members(self) -> Iterator[Finding]:
        yield from zip_members(self.archive, self.tally)
        yield self.tally.facts("zip")
        yield from self.tally.warnings()


def bundle(stream: Any, hints: Hints) -> Bundle:
    """Open a zip archive. Raises Unreadable."""
    try:
        return Bundle(zipfile.ZipFile(stream), hints)
    except DAMAGED as error:
        raise Unreadable(
            _("The zip archive is damaged or cut off ({why}); read it as an archive to save what is whole.").format(
                why=str(error)[:200]
            )
        ) from None
