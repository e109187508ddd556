"""What every benchmark here shares: the machine's name, a timed child process with its peak memory, medians, a table.

Yardstick and Amparo run alternately in the same minutes on the same files, and ratios are what counts.
"""

import importlib.util
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


@dataclass(frozen=True)
class Run:
    """One child process: wall-clock seconds, peak resident memory in MiB (0 where unknown), standard output."""

    seconds: float
    peak_mib: float
    output: str = ""


def machine() -> str:
    """Processor, cores, memory, system and Python, in one line."""
    info = Path("/proc/cpuinfo")
    names = (
        [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    memory = f", {os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') >> 30} GiB" if hasattr(os, "sysconf") else ""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    processor = names[0] if names else platform.processor() or platform.machine()
    system = f"{platform.system()} {platform.release()}"
    return f"{processor}, {os.cpu_count()} cores{memory}, {system}, Python {platform.python_version()}{load}"


def timed(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Run:
    """Run a command to its end. Raises CalledProcessError."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})})
    assert process.stdout is not None
    output = process.stdout.read()
    if hasattr(os, "wait4"):
        _, status, usage = os.wait4(process.pid, 0)
        seconds, code = time.perf_counter() - started, os.waitstatus_to_exitcode(status)
        process.returncode = code
        peak = usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    else:
        code, peak = process.wait(), 0.0
        seconds = time.perf_counter() - started
    if code:
        raise subprocess.CalledProcessError(code, command)
    return Run(seconds, peak, output)


def child(script: str, *arguments: str) -> Run:
    """Run ``script --child arguments`` in a fresh interpreter; it prints {"seconds": ...}, so its start-up does not count."""
    run = timed([sys.executable, script, "--child", *arguments])
    return Run(json.loads(run.output.splitlines()[-1])["seconds"], run.peak_mib, run.output)


def alternate(rounds: int, tasks: Mapping[str, Callable[[], Run]]) -> dict[str, Run]:
    """Run all tasks in turn, ``rounds`` times over; return for each its median time and its highest peak."""
    seen: dict[str, list[Run]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            seen[name].append(task())
    return {
        name: Run(statistics.median(run.seconds for run in runs), max(run.peak_mib for run in runs))
        for name, runs in seen.items()
    }


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a heading, the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in (heading, *rows)) for column in range(len(heading))]
    for row in (heading, *rows):
        first = row[0].ljust(widths[0])
        print("  ".join([first, *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]))


def goal(what: str, value: float, limit: float, *, at_least: bool) -> None:
    """Print one measure beside its goal."""
    met = value >= limit if at_least else value <= limit
    print(f"{'met   ' if met else 'MISSED'}  {what}: {value:.2f} (goal {'>=' if at_least else '<='} {limit:g})")


def size(text: str) -> int:
    """Read “2GiB”, “300MiB” or a number of bytes."""
    for unit, factor in UNITS.items():
        if text.endswith(unit):
            return int(text.removesuffix(unit)) * factor
    return int(text)


def module(name: str) -> bool:
    """True if a Python package to compare with is installed; says so if it is not."""
    if importlib.util.find_spec(name):
        return True
    print(f"SKIPPED: the package {name} is not installed, so nothing is compared with it", file=sys.stderr)
    return False


def tool(name: str) -> bool:
    """True if a program to compare with is installed; says so if it is not."""
    if shutil.which(name):
        return True
    print(f"SKIPPED: {name} is not installed, so nothing is compared with it", file=sys.stderr)
    return False
