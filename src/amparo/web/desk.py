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
from amparo.app.desk_acts import ACTS
from amparo.app.session import Session
from amparo.kernel.errors import AmparoError, Busy, Locked
from amparo.kernel.i18n import N_
from amparo.vault.keyring import IDENTITIES
from amparo.vault.slots import Passphrase
from amparo.web import clerk

P = ParamSpec("P")
T = TypeVar("T")


class PagesLocked(Locked):
    template = N_("The workspace is locked. Type the passphrase to open it.")


class OneAtATime(Busy):
    template = N_("A passphrase is being tried already; wait a second and try again.")


class Desk:
    """``folder`` of the workspace; ``open`` once its keys are here; ``leaving`` once a lock was asked for."""

    def __init__(self, folder: Path, *, fresh: bool = True) -> None:
        """``fresh``: nobody locked the workspace yet, so a demonstration may open itself."""
        self.folder, self._fresh = folder, fresh
        self._thread = ThreadPoolExecutor(1, "amparo-desk")
        self._session: Session | None = None
        self._trying, self._names = asyncio.Lock(), asyncio.Lock()
        self.leaving = False
        self.demo = opening.is_demo(folder)

    @property
    def open(self) -> bool:
        return self._session is not None and not self.leaving

    async def sit(self) -> bool:
        """Take the keys if the agent has them. Raises what opening a workspace raises, but for a lock."""
        if self.leaving:
            return False
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
        if self._session is None or self.leaving:
            raise PagesLocked
        self._session.keep_alive()
        self._session.refresh()
        return act(self._session, *args, **kwargs)

    async def act(self, name: str, **asked: Any) -> Any:
        """Do one act of ``app.desk_acts``: where the identities are unlocked, in a process of its own that looks for names.

        Raises PagesLocked, RingLocked for an act that needs names, and what the act raises, or a ``clerk.Carried`` of its kind.
        """
        if not self.open:
            raise PagesLocked
        act = ACTS[name]
        if not act.names and not await asyncio.to_thread(opening.holds, self.folder, IDENTITIES):
            return await self.do(act.run, asked)
        async with self._names:
            return await asyncio.to_thread(clerk.ask, self.folder, name, asked)

    async def unlock_names(self, passphrase: str) -> None:
        """Let the key agent hold the identities; this process never does. One try at a time, as in ``unlock``.

        Raises OneAtATime, PagesLocked, WrongPassphrase.
        """
        if not self.open:
            raise PagesLocked
        if self._trying.locked():
            raise OneAtATime
        async with self._trying:
            await asyncio.to_thread(clerk.ask, self.folder, clerk.UNLOCK, {"passphrase": passphrase})

    async def lock_names(self) -> None:
        """Let the key agent forget the identities; what runs with them ends."""
        await asyncio.to_thread(opening.lock_identities, self.folder)

    async def names_left(self) -> int:
        """Seconds until the identities go if nobody uses them; 0 if they are locked. Asking is no use of them."""
        status = await asyncio.to_thread(self.quiet_status)
        return int(status["rings"].get(IDENTITIES, 0))

    async def _run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        context = contextvars.copy_context()  # the language of the page

        def call() -> T:
            return context.run(function, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def leave(self) -> None:
        """A lock was asked for: from now on nothing of the record is shown, also while this process still lives."""
        self.leaving = True

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
