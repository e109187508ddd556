"""Peak resident memory. Of this process since a moment, and of another process by itself.

``ru_maxrss`` will not do: it never falls again, and a child begins with that of the process that started it.
"""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

measured = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from Linux's /proc")


def high_water(process: int | str = "self") -> int:
    """Peak of a process, in bytes; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:")), 0)


def from_here() -> int:
    """Forget this process's peak: what ``high_water`` tells from now on begins with what is resident now, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")  # proc(5)
    return high_water()


def growth(work: Callable[[], object]) -> int:
    """By how many bytes this process grew at most while ``work`` ran."""
    before = from_here()
    work()
    return high_water() - before


class Watched:
    """The peak of a child while it runs, looked at fifty times a second."""

    def __init__(self, process: int) -> None:
        self.peak = 0
        self._process = process
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(0.02):
            self.peak = max(self.peak, high_water(self._process))

    def ended(self) -> int:
        self._over.set()
        self._thread.join()
        return self.peak
