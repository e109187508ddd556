"""The laptop is seized: after lock, and after the process was killed, no sealed name lies in any file, in any form.

Everything the user's account can write is searched: the workspace, the home folder, the temporary and the runtime folder. A
positive control proves that the scanner would have found the names.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_kit import Shell
from scanner import scan

EXAMPLE = Path(__file__).parent.parent / "examples" / "public-record"
pytestmark = pytest.mark.skipif(not EXAMPLE.exists(), reason="the worked example lies in the source tree only")


def sealed_words() -> list[str]:
    """Every sealed value of the made-up identities: whole, and each name part of six letters and more."""
    words = set()
    with (EXAMPLE / "identities.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            for column, value in row.items():
                if not value or column in ("person", "made_up", "birth", "note") or value.startswith("V-"):
                    continue
                words.add(value)
                if "name" in column or "alias" in column:
                    words.update(part for part in value.split() if len(part) >= 6)
    return sorted(words)


def everything(shell: Shell) -> list[Path]:
    return [path for path in shell.home.rglob("*") if path.is_file()]


def use(shell: Shell) -> None:
    """A day's work that has the names in memory: import, look up, show sealed, search, trace, dossier for a court."""
    shell.init()
    shell.amparo("import", str(EXAMPLE))
    shell.amparo("show", "P-0001", "--sealed", "--reason", "test")
    with (EXAMPLE / "identities.csv").open(encoding="utf-8") as stream:
        name = next(value for key, value in next(csv.DictReader(stream)).items() if "name" in key and value)
    shell.amparo("person", "add", "--form", "-", stdin=json.dumps({"names": [name]}), code=4)
    shell.amparo("search", "detained")
    shell.amparo("trace", "F047")


def test_the_scanner_finds_the_names_in_a_plain_copy(tmp_path: Path) -> None:
    """Positive control: in a plain copy, in UTF-16, base64, a plain SQLite file and romanised, the scanner sees them."""
    import base64
    import sqlite3

    from amparo.kernel.text import romanise

    words = sealed_words()
    assert len(words) > 60
    plain = (EXAMPLE / "identities.csv").read_text("utf-8")
    for name, data in {
        "utf8": plain.encode(), "utf16": plain.encode("utf-16-le"), "base64": base64.b64encode(plain.encode()),
        "roman": romanise(plain).encode(),
    }.items():  # fmt: skip
        path = tmp_path / name
        path.write_bytes(data)
        assert len({sighting.word for sighting in scan([path], words)}) > len(words) // 3, name
    database = sqlite3.connect(tmp_path / "plain.db")
    database.execute("CREATE TABLE t (x)")
    database.executemany("INSERT INTO t VALUES (?)", [(word,) for word in words])
    database.commit()
    database.close()
    assert len({sighting.word for sighting in scan([tmp_path / "plain.db"], words)}) == len(words)


def test_seized_after_lock(tmp_path: Path) -> None:
    """After a day's work and lock, not one sealed word is in any file."""
    shell = Shell(tmp_path, tmp_path / "home" / "case")
    use(shell)
    shell.lock()
    files = everything(shell)
    assert sum(path.stat().st_size for path in files) > 1 << 20
    assert scan(files, sealed_words()) == []
    strings = subprocess.run(["strings", "-n", "6", *map(str, shell.workspace.glob("views/*.db"))],
                             capture_output=True, check=False) if _has_strings() else None  # fmt: skip
    if strings is not None:
        listing = tmp_path / "listing"
        listing.write_bytes(strings.stdout)
        assert scan([listing], sealed_words()) == []


def _has_strings() -> bool:
    return any((Path(folder) / "strings").exists() for folder in os.environ["PATH"].split(os.pathsep))


def test_seized_after_kill(tmp_path: Path) -> None:
    """Killed with SIGKILL in the middle of an import and of a rebuild, agent included, it leaves no sealed word either."""
    shell = Shell(tmp_path, tmp_path / "home" / "case")
    use(shell)
    base = [sys.executable, "-c", "from amparo.cli.common import main; main()"]
    for words in (["rebuild", "--identities"], ["person", "add", "--unnamed"], ["import", str(EXAMPLE)]):
        for delay in (0.3, 0.6):
            process = subprocess.Popen(
                [*base, *words, "--json", "--workspace", str(shell.workspace)], env=shell.environment,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
            )  # fmt: skip
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            process.wait()
    for pid in _agents(shell):
        os.kill(pid, signal.SIGKILL)
    assert scan(everything(shell), sealed_words()) == []


def _agents(shell: Shell) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
            if (
                f"HOME={shell.home / 'home'}".encode() in environment
                and b"amparo.vault.agent" in (folder / "cmdline").read_bytes()
            ):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def test_after_panic_the_slots_are_gone_from_the_folder(tmp_path: Path) -> None:
    """After panic no slot file is left, and none of its former bytes in any file of the workspace."""
    shell = Shell(tmp_path, tmp_path / "home" / "case")
    shell.init()
    slots = {path.name: path.read_bytes() for path in (shell.workspace / "slots").iterdir()}
    shell.amparo("panic", "--no-recovery", "--yes")
    left = b"".join(path.read_bytes() for path in everything(shell))
    assert not list((shell.workspace / "slots").iterdir())
    for data in slots.values():
        assert data[40:72] not in left
