"""The open workspace behind the pages: one thread, one session, one act at a time.

Invariants: every page sees the ledger as it is now (another program may have written since). Keys are here from the moment the
key agent gives them to the moment this process ends; it never asks for the identities, which a process of their own opens for
one act (``clerk``). What a browser asks for by itself does not count as use.
"""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from amparo.app import opening
from amparo.app.session import Session
from amparo.kernel.errors import AmparoError, Busy, Locked
from amparo.kernel.i18n import N_
from amparo.vault.slots import Passphrase

P = ParamSpec("P")
T = TypeVar("T")


class PagesLocked(Locked):
    template = N_("The workspace is locked. Type the passphrase to open it.")


class OneAtATime(Busy):
    template = N_("A passphrase is being tried already; wait a second and try again.")


class Desk:
    """``folder`` of the workspace; ``open`` once its keys are here."""

    def __init__(self, folder: Path, *, fresh: bool = True) -> None:
        """``fresh``: nobody locked the workspace yet, so a demonstration may open itself."""
        self.folder, self._fresh = folder, fresh
        self._thread = ThreadPoolExecutor(1, "amparo-desk")
        self._session: Session | None = None
        self._trying = asyncio.Lock()
        self.demo = opening.is_demo(folder)

    @property
    def open(self) -> bool:
        return self._session is not None

    async def sit(self) -> bool:
        """Take the keys if the agent has them. Raises what opening a workspace raises, but for a lock."""
        try:
            await self._run(self._sit)
        except Locked:
            return False
        return True

    def _sit(self) -> None:
        if self._session is None:
            if self._fresh and opening.has_demo_key(self.folder) and not opening.holds(self.folder, "everyday"):
                self._unlock(opening.demo_passphrases(self.folder)[0])
            else:
                self._session = opening.open_session(self.folder)

    async def unlock(self, passphrase: Passphrase | None) -> None:
        """Open with a passphrase, or a demonstration with its own; one at a time, since each try costs a quarter of a gigabyte.

        Raises OneAtATime, WrongPassphrase, NotADemo and what opening a workspace raises.
        """
        if self._trying.locked():
            raise OneAtATime
        async with self._trying:
            await self._run(self._unlock, passphrase or opening.demo_passphrases(self.folder)[0])

    def _unlock(self, passphrase: Passphrase) -> None:
        ring = opening.read_ring(self.folder, "everyday", passphrase)
        opening.unlock(self.folder, ring)
        if self._session is None:
            self._session = opening.open_session(self.folder)

    async def do(self, act: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run one act of ``app`` on the ledger as it stands now. Raises PagesLocked, and what the act raises."""
        return await self._run(self._do, act, *args, **kwargs)

    def _do(self, act: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        if self._session is None:
            raise PagesLocked
        self._session.keep_alive()
        self._session.refresh()
        return act(self._session, *args, **kwargs)

    async def _run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        context = contextvars.copy_context()  # the language of the page

        def call() -> T:
            return context.run(function, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def lock(self) -> None:
        """End the agent and everything that holds keys: this process too, before this returns."""
        await asyncio.to_thread(opening.lock, self.folder)

    async def panic(self) -> None:
        """Destroy the key slots and end as ``lock`` does."""
        await asyncio.to_thread(opening.panic, self.folder)

    def quiet_status(self) -> dict[str, Any]:
        """Whether keys are held, and for how long; asking does not count as use."""
        try:
            return {"open": self.open, "rings": opening.agent_status(self.folder)["rings"]}
        except AmparoError:
            return {"open": self.open, "rings": {}}
