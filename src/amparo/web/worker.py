"""The process that serves the pages and may hold keys; it ends when the key agent ends it.

Run by ``server`` with a listening socket and a start message on standard input. It holds no key until somebody types the
passphrase (or the agent already has the keys); when the workspace is locked it dies with the agent's other clients, and
``server`` starts another one, which again holds nothing.
"""

import json
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import uvicorn

from amparo.vault import memory
from amparo.web.application import make
from amparo.web.guard import Door


def main() -> None:
    """Serve until this process is ended."""
    memory.harden()
    start: dict[str, Any] = json.loads(sys.stdin.readline())
    listener = socket.socket(fileno=start["socket"])

    def told(what: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()

    threading.Thread(target=_outlive_nobody, daemon=True).start()
    door = Door(start["host"], start["entrance"], start["browser"])
    app = make(Path(start["folder"]), door, told, fresh=start["fresh"])
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, date_header=False, limit_concurrency=64, lifespan="off",
        backlog=64, timeout_keep_alive=15, h11_max_incomplete_event_size=64 << 10, ws="none",
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[listener])


def _outlive_nobody() -> None:
    """End when the parent ends, however it ended: its end of the pipe is closed by the system."""
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
