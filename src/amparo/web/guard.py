"""Who may ask, and what every answer carries. The first thing that sees a request.

Invariants: a request is answered only if it names this server's own host, comes from the browser that was let in (a cookie
that is a random secret), and, unless it only reads, comes from a page of this server itself; one that does not say where it
comes from is refused. Every answer forbids what pages do not need: scripts and styles from elsewhere or in the page, frames,
storage in caches, referrers.

The host is ``<random>.localhost``: cookies of 127.0.0.1 are shared by all its ports, and another user of the machine may have
one of them. (RFC 6265 §8.5; RFC 6761 §6.3; Fetch Metadata, W3C.)
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE: Final = "amparo"
SAFE: Final = ("GET", "HEAD")
BODY: Final = 1 << 20  # bytes of a form; uploads are counted by the page that takes them
HEADERS: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " media-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "x-robots-tag": "noindex",
}


def fingerprint(secret: str) -> str:
    """What is kept of a token or cookie: SHA-256, hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass
class Door:
    """The secrets that let a browser in. ``host`` with its port; ``entrance`` the fingerprint of the one-time token, "" once
    it was used; ``browser`` the fingerprint of the cookie that is good now.
    """

    host: str
    entrance: str = ""
    browser: str = ""
    uploads: tuple[str, ...] = field(default=("/upload",))

    @property
    def origin(self) -> str:
        return f"http://{self.host}"

    def enter(self, token: str) -> str:
        """Use up the one-time token: a new cookie, or "" if it is not the one."""
        if not self.entrance or not hmac.compare_digest(fingerprint(token), self.entrance):
            return ""
        self.entrance = ""
        return self.renew()

    def renew(self) -> str:
        """A new cookie; the one before is good no more (so none that was planted or seen before an unlock stays good)."""
        secret = secrets.token_urlsafe(32)
        self.browser = fingerprint(secret)
        return secret

    def knows(self, cookie: str) -> bool:
        return bool(self.browser) and hmac.compare_digest(fingerprint(cookie), self.browser)


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets here
            return
        headers = Headers(scope=scope)
        status, why = self._refusal(scope, headers)
        if status:
            await _refuse(status, why, send)
            return
        await self._app(scope, self._counted(scope, headers, receive), _with_headers(send))

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str]:
        path, method = scope["path"], scope["method"]
        if headers.getlist("host") != [self._door.host]:
            return 400, "This server has another name."
        site, origin = headers.get("sec-fetch-site", ""), headers.get("origin", "")
        if method not in SAFE:
            if site != "same-origin" and not (site == "" and origin == self._door.origin):
                return 403, "A form is taken only from a page of this server itself."
            if origin not in ("", "null", self._door.origin):  # "null" is what a page without referrers says of itself
                return 403, "A form is taken only from a page of this server itself."
        elif site not in ("", "none", "same-origin") and path != "/enter":
            return 403, "Another site's page asked for this."
        length = headers.get("content-length", "0")
        if not length.isdecimal() or (int(length) > BODY and path not in self._door.uploads):
            return 413, "That is too long for a form."
        if path == "/enter" or path.startswith("/static/"):
            return 0, ""
        if not self._door.knows(_cookie(headers)):
            return 403, "This address belongs to the browser that `amparo open` opened. Run `amparo open` again."
        return 0, ""

    def _counted(self, scope: Scope, headers: Headers, receive: Receive) -> Receive:
        """A body without a length is cut at the same limit."""
        if scope["path"] in self._door.uploads or "content-length" in headers:
            return receive
        left = BODY

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            return message if left >= 0 else {"type": "http.disconnect"}

        return counted


def _cookie(headers: Headers) -> str:
    """Our cookie's value, only if it stands there once."""
    pairs = [pair.strip().partition("=") for line in headers.getlist("cookie") for pair in line.split(";")]
    values = [value for name, _, value in pairs if name == COOKIE]
    return values[0] if len(values) == 1 else ""


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sent


async def _refuse(status: int, why: str, send: Send) -> None:
    body = why.encode()
    headers = {**HEADERS, "content-type": "text/plain; charset=utf-8", "content-length": str(len(body)), "connection": "close"}
    await send({"type": "http.response.start", "status": status,
                "headers": [(name.encode(), value.encode()) for name, value in headers.items()]})  # fmt: skip
    await send({"type": "http.response.body", "body": body})
