"""What is counted once over the whole record and shown often: remembered while the logs end as they end now.

Invariant: nothing is remembered beyond the session it was counted in, nor past the next entry.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from amparo.app.session import Session

T = TypeVar("T")


class Remembered(Generic[T]):
    """``make`` counts for one session; calling the object gives what it counted last, if nothing was written since."""

    def __init__(self, make: Callable[[Session], T]) -> None:
        self._make = make
        self._kept: WeakKeyDictionary[Session, tuple[Any, T]] = WeakKeyDictionary()

    def __call__(self, session: Session) -> T:
        now = tuple(session.record.positions().items())
        kept = self._kept.get(session)
        if kept is None or kept[0] != now:
            kept = now, self._make(session)
            self._kept[session] = kept
        return kept[1]
