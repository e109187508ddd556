"""What happens in the browser besides the traffic: noted, and answered so that the page goes on.

Invariant: nothing a page says can make the capture wait for a person, open a second window, or write a file.
"""

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from amparo.evidence.capture.browser import Chromium

NOTES: Final = 500  # entries of one kind: a page may complain a million times


@dataclass(slots=True)
class Notes:
    """What the capture has to say besides its records; each list holds at most 500 entries."""

    failed: list[dict[str, Any]] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    downloads: list[str] = field(default_factory=list)
    websockets: list[str] = field(default_factory=list)
    windows: list[str] = field(default_factory=list)
    logins_asked: list[str] = field(default_factory=list)
    cut: list[dict[str, Any]] = field(default_factory=list)
    origins: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, name: str, entry: object) -> None:
        """Append to one of the lists, unless it is full or says so already."""
        entries = getattr(self, name)
        if len(entries) < NOTES and entry not in entries:
            entries.append(entry)


@cache
def handler_name(method: str) -> str:
    """The name of the method that handles a Chromium event: Fetch.requestPaused -> _fetch_request_paused."""
    domain, _, name = method.partition(".")
    return f"_{domain}_".lower() + re.sub(r"([A-Z]+)", r"_\1", name).lower()


@dataclass
class Watcher:
    """Its methods are called by the recorder's loop with an event's parameters and session."""

    browser: Chromium
    notes: Notes

    def _fetch_auth_required(self, params: dict[str, Any], session: str) -> None:
        self.notes.add("logins_asked", params["request"]["url"])
        answer = {"requestId": params["requestId"], "authChallengeResponse": {"response": "CancelAuth"}}
        self.browser.send("Fetch.continueWithAuth", answer, session)

    def _target_target_created(self, params: dict[str, Any], _session: str) -> None:
        target = params["targetInfo"]
        if target["type"] == "page" and target.get("openerId"):
            self.notes.add("windows", target["url"])
            self.browser.send("Target.closeTarget", {"targetId": target["targetId"]})

    def _page_javascript_dialog_opening(self, params: dict[str, Any], session: str) -> None:
        self.notes.add("dialogs", f"{params['type']}: {params['message'][:1000]}")
        self.browser.send("Page.handleJavaScriptDialog", {"accept": params["type"] == "beforeunload"}, session)

    def _page_download_will_begin(self, params: dict[str, Any], _session: str) -> None:
        self.notes.add("downloads", params["url"])

    def _log_entry_added(self, params: dict[str, Any], _session: str) -> None:
        entry = params["entry"]
        self.notes.add("console", f"{entry['level']}: {entry['text'][:1000]}")

    def _runtime_console_apicalled(self, params: dict[str, Any], _session: str) -> None:
        if params["type"] in {"error", "warning", "assert"}:
            words = " ".join(str(one.get("value", one.get("description", "")))[:500] for one in params["args"][:10])
            self.notes.add("console", f"{params['type']}: {words}")

    def _runtime_exception_thrown(self, params: dict[str, Any], _session: str) -> None:
        details = params["exceptionDetails"]
        words = details.get("exception", {}).get("description", details.get("text", ""))
        self.notes.add("console", f"exception: {words[:1000]}")
