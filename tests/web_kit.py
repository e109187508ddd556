"""A real server of pages on a temporary workspace, spoken to by raw requests or by the system's Chromium."""

import http.client
import re
import shutil
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
browsing = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: chromium)")
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="the pages hand a socket to their worker as POSIX does")


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def sentence(self) -> str:
        found = re.search(r'class="sentence"[^>]*>([^<]*)<', self.text)
        return found[1] if found else ""


@dataclass
class Pages:
    """``amparo open`` in a process of its own; ``cookie`` once ``enter`` was called."""

    workspace: Path
    environment: dict[str, str]
    process: "subprocess.Popen[str]" = field(init=False)
    address: str = field(init=False)
    cookie: str = ""

    def __post_init__(self) -> None:
        command = [sys.executable, "-m", "amparo", "open", "--no-browser", "-w", str(self.workspace)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=self.environment)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, line + (self.process.stderr.read() if self.process.stderr else "")
        self.address = found[0]

    @property
    def host(self) -> str:
        return self.address.split("/")[2]

    @property
    def base(self) -> str:
        return f"http://{self.host}"

    def ask(
        self, path: str, form: dict[str, str] | None = None, *, method: str = "", body: Any = None, **headers: str
    ) -> Answer:
        """One request; ``form`` is posted as this server's own page would. Header names with _ for -; "" leaves one out."""
        method = method or ("POST" if form is not None else "GET")
        sent = {"Host": self.host, "Cookie": self.cookie}
        if form is not None:
            body = urlencode(form)
            sent |= {"Content-Type": "application/x-www-form-urlencoded"}
        if method == "POST":
            sent |= {"Sec-Fetch-Site": "same-origin", "Origin": self.base}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", int(self.host.rpartition(":")[2]), timeout=30)
        with closing(connection):
            connection.request(method, path, body, {name: value for name, value in sent.items() if value})
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        return Answer(answer.status, answer.headers, text)

    def enter(self) -> Answer:
        answer = self.ask(self.address.removeprefix(self.base))
        if cookie := answer.headers.get("set-cookie"):
            self.cookie = cookie.partition(";")[0]
        return answer

    def opened(self) -> "Pages":
        self.enter()
        self.ask("/unlock")
        return self

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
