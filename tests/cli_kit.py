"""Drives the real command line in processes of its own, as a user's shell would."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EVERYDAY, IDENTITIES = "correct horse battery staple", "another staple battery horse"


@dataclass
class Shell:
    """A user with a home folder of their own; ``amparo`` runs one verb."""

    home: Path
    workspace: Path
    extra: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("home", "tmp", "run"):
            (self.home / name).mkdir(parents=True, exist_ok=True)
        (self.home / "run").chmod(0o700)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH") if name in os.environ}
        return {
            **kept, "HOME": str(self.home / "home"), "TMPDIR": str(self.home / "tmp"),
            "XDG_RUNTIME_DIR": str(self.home / "run"),
            "LANG": "C.UTF-8", **self.extra,
        }  # fmt: skip

    def amparo(self, *words: str, stdin: str = "", secrets: list[str] | None = None, code: int = 0) -> dict[str, Any]:
        """Run ``amparo *words --json`` on the workspace and return its object; fails unless the exit code is ``code``."""
        arguments = [*words, "--json"]
        if words[0] not in ("init", "restore"):
            arguments += ["--workspace", str(self.workspace)]
        descriptors: tuple[int, ...] = ()
        if secrets is not None:
            reader, writer = os.pipe()
            os.write(writer, "\n".join(secrets).encode())
            os.close(writer)
            arguments += ["--passphrase-fd", str(reader)]
            descriptors = (reader,)
        done = subprocess.run(
            [sys.executable, "-c", "from amparo.cli.common import main; main()", *arguments],
            env=self.environment, input=stdin, capture_output=True, text=True, pass_fds=descriptors, timeout=300, check=False,
        )  # fmt: skip
        for descriptor in descriptors:
            os.close(descriptor)
        assert done.returncode == code, (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        parsed: dict[str, Any] = json.loads(done.stdout)
        return parsed

    def init(self) -> str:
        """Make the workspace and unlock it; returns the recovery sheet's text."""
        made = self.amparo("init", str(self.workspace), secrets=[EVERYDAY, IDENTITIES])
        self.amparo("unlock", "--identities", secrets=[EVERYDAY, IDENTITIES])
        return str(made["recovery_text"])

    def lock(self) -> None:
        self.amparo("lock")
