"""A proxy on this machine's loopback address whose whole network is one web capture.

Invariants: it opens no connection, ever: what the capture does not hold is answered with 404. It answers connections of the
same user only (on Linux, by /proc/net/tcp), so that no other account of a shared machine reads along.
"""

import os
import ssl
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self

from amparo.evidence.capture.replay import Answer, BadCapture, Replay
from amparo.evidence.capture.warc import header

_SENT: Final = 32 << 20
_NOT_PASSED: Final = {
    "connection", "keep-alive", "transfer-encoding", "content-length", "proxy-authenticate", "upgrade", "alt-svc", "trailer",
    "strict-transport-security",
}  # fmt: skip


class ReplayProxy:
    """``with`` starts and ends it. ``served`` answers given; ``missing`` addresses that the capture does not hold."""

    def __init__(self, archive: Replay, certificate: bytes) -> None:
        """``certificate`` with its key, PEM: shown for every https:// address."""
        self.archive = archive
        self.served = 0
        self.missing: list[str] = []
        self.tls = _context(certificate)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.port: int = self._server.server_address[1]

    def flags(self) -> tuple[str, ...]:
        """The browser's flags: everything through here, no name looked up, any certificate taken."""
        return (
            f"--proxy-server=http://127.0.0.1:{self.port}", "--proxy-bypass-list=<-loopback>",
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--ignore-certificate-errors", "--test-type",
            "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
        )  # fmt: skip

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="replay", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def note(self, url: str, *, found: bool) -> None:
        """Count an answer."""
        if found:
            self.served += 1
        elif len(self.missing) < 1000 and url not in self.missing:
            self.missing.append(url)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    proxy: ReplayProxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is no failure."""


def _context(certificate: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:  # ssl reads from files only; the key guards nothing and ends with us
        file.write(certificate)
        file.flush()
        context.load_cert_chain(file.name)
    return context


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "Amparo", ""
    timeout = 120
    base = ""

    def log_message(self, *_: Any) -> None:
        """Addresses are evidence: nothing is logged."""

    @property
    def proxy(self) -> ReplayProxy:
        assert isinstance(self.server, _Server)
        return self.server.proxy

    def handle(self) -> None:
        """Answer one connection, unless another user's."""
        if _same_user(self.client_address, self.server.server_address):
            super().handle()

    def finish(self) -> None:
        """Close also what TLS was wrapped around."""
        super().finish()
        self.connection.close()

    def do_CONNECT(self) -> None:
        """An https:// address: speak TLS with a certificate of our own, then answer as for http://."""
        self.send_response_only(200)
        self.end_headers()
        self.wfile.flush()
        host = self.path.removesuffix(":443")
        try:
            self.connection = self.proxy.tls.wrap_socket(self.connection, server_side=True)
        except (OSError, ssl.SSLError):
            self.close_connection = True
            return
        self.rfile = self.connection.makefile("rb", -1)
        self.wfile = self.connection.makefile("wb", 0)
        self.base = f"https://{host}"
        self.close_connection = False

    def _serve(self) -> None:
        url = self.path if "://" in self.path.split("?")[0] else self.base + self.path
        length = self.headers.get("Content-Length", "0")
        size = int(length) if length.isdecimal() else 0
        sent = self.rfile.read(min(size, _SENT))
        if self.command == "OPTIONS":
            self._allow()
            return
        method = "GET" if self.command == "HEAD" else self.command
        try:
            answer = self.proxy.archive.get(url, method=method, sent=sent, content_type=self.headers.get("Content-Type", ""))
        except BadCapture:
            answer = None
        self.proxy.note(url, found=answer is not None)
        if answer is None:
            self._none()
        else:
            with suppress(BrokenPipeError, ConnectionResetError):
                self._give(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815

    def _none(self) -> None:
        text = b"This address is not in the capture."
        self.send_response_only(404)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def _allow(self) -> None:
        """The question before a request across origins: the capture decides by what it holds, so any may be asked."""
        self.send_response_only(204)
        for name, value in (
            ("Origin", self.headers.get("Origin", "*")), ("Methods", self.headers.get("Access-Control-Request-Method", "GET")),
            ("Headers", self.headers.get("Access-Control-Request-Headers", "*")), ("Credentials", "true"),
        ):  # fmt: skip
            self.send_header(f"Access-Control-Allow-{name}", value)
        self.end_headers()

    def _give(self, answer: Answer) -> None:
        status, body, size, more = _ranged(answer, self.headers.get("Range", ""))
        self.send_response_only(status, answer.reason or None)
        for name, value in answer.headers:
            if name.lower() not in _NOT_PASSED and not name.lower().startswith(("x-orig-", "content-range")):
                self.send_header(name, value.encode("utf-8", "surrogateescape").decode("latin-1"))
        for name, value in more:
            self.send_header(name, value)
        bare = self.command == "HEAD" or status in {204, 304} or status < 200
        if size >= 0:
            self.send_header("Content-Length", str(size))
        elif not bare:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        try:
            for piece in () if bare else body:
                self.wfile.write(piece)
        except BadCapture:  # the head is out already: hanging up tells the browser that it is not whole
            self.close_connection = True


def _ranged(answer: Answer, asked: str) -> tuple[int, Iterator[bytes], int, list[tuple[str, str]]]:
    """The part of a body that a player asks for, cut out of a recording that holds all of it."""
    whole = header(answer.headers, "content-range")
    full = answer.status == 200 or (answer.status == 206 and whole.startswith("bytes 0-") and answer.size > 0)
    first, _, last = asked.removeprefix("bytes=").partition("-")
    if not (full and answer.size > 0 and asked.startswith("bytes=") and first.isdecimal() and (not last or last.isdecimal())):
        kept = [("Content-Range", whole)] if whole and answer.status == 206 else []
        return answer.status, answer.body, answer.size, kept
    start, end = int(first), min(int(last) if last else answer.size - 1, answer.size - 1)
    if start > end:
        return 416, iter(()), 0, [("Content-Range", f"bytes */{answer.size}")]
    more = [("Content-Range", f"bytes {start}-{end}/{answer.size}"), ("Accept-Ranges", "bytes")]
    return 206, _slice(answer.body, start, end + 1), end + 1 - start, more


def _slice(body: Iterator[bytes], start: int, end: int) -> Iterator[bytes]:
    at = 0
    for piece in body:
        if at + len(piece) > start and at < end:
            yield piece[max(0, start - at) : end - at]
        at += len(piece)
        if at >= end:
            return


def _same_user(theirs: Any, ours: Any) -> bool:
    """True if the socket at the other end belongs to this user; on systems without /proc this is not known, and True."""
    if sys.platform != "linux":
        return True

    def spelt(address: Any) -> str:
        return f"{bytes(map(int, address[0].split('.')))[::-1].hex().upper()}:{address[1]:04X}"

    with suppress(OSError):
        for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
            words = line.split()
            if words[1] == spelt(theirs) and words[2] == spelt(ours):
                return int(words[7]) == os.geteuid()
    return False
