"""One request to one place the user named: no redirect is followed, no proxy but the one asked for, size and time are capped.

Invariant: what leaves this machine is a salted digest; whom it reaches learns this machine's network address (or the proxy's)
and the moment, nothing else: no user agent, no cookie, no referrer. Whatever comes back is bytes of at most ``limit``.
"""

import http.client
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from amparo.kernel.errors import AmparoError, BadInput
from amparo.kernel.i18n import N_, _

_STEP: Final = 10.0
"""Seconds that a single read or connect may take."""


class BadAddress(BadInput):
    template = N_("“{url}” is not an address; write https://host/path, without a user name, a query or a fragment.")


class NotReached(AmparoError):
    template = N_("{host} could not be reached ({why}); the request stays in the queue, send it again later.")


class NoAnswer(AmparoError):
    template = N_("{host} did not answer as it should ({why}); the request stays in the queue, send it again later.")


class NotThere(NoAnswer):
    template = N_("{host} does not have it yet; ask again in some hours.")


@dataclass(slots=True, frozen=True)
class Way:
    """How to reach the outside: ``proxy`` "http://host:port" of an HTTP CONNECT proxy (Tor's HTTPTunnelPort is one) or "";
    ``seconds`` that one exchange may take in all.
    """

    proxy: str = ""
    seconds: float = 30.0


def check_address(url: str) -> None:
    """Raises BadAddress unless ``url`` is plain http or https."""
    _split(url)


def host_of(url: str) -> str:
    """The host that will see this machine's address."""
    return _split(url)[1]


def _split(url: str) -> tuple[bool, str, int, str]:
    """(encrypted, host, port, path)."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadAddress(url=url[:200]) from None
    bare = not (parts.username or parts.password or parts.query or parts.fragment)
    plain = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in ("http", "https") or not parts.hostname or not bare or not plain:
        raise BadAddress(url=url[:200])
    secure = parts.scheme == "https"
    return secure, parts.hostname, port or (443 if secure else 80), parts.path or "/"


def exchange(url: str, body: bytes | None, headers: dict[str, str], *, limit: int, way: Way) -> bytes:
    """POST ``body`` (GET where it is None) and return the answer. Raises BadAddress, NotReached, NoAnswer."""
    _secure, host, _port, _path = _split(url)
    found: list[bytes | AmparoError] = []
    work = _Exchange(url, body, headers, limit, way)
    thread = threading.Thread(target=lambda: found.append(work.run()), daemon=True)  # looking a name up cannot be stopped
    thread.start()
    thread.join(way.seconds)
    if not found:
        work.hang_up()
        raise NoAnswer(host=host, why=_("it took longer than {seconds:g} s").format(seconds=way.seconds))
    if isinstance(found[0], AmparoError):
        raise found[0]
    return found[0]


class _Exchange:
    """One request and its answer."""

    def __init__(self, url: str, body: bytes | None, headers: dict[str, str], limit: int, way: Way) -> None:
        secure, self._host, port, self._path = _split(url)
        self._body, self._headers, self._limit = body, headers, limit
        self._connection = _connection(secure, self._host, port, way)

    def hang_up(self) -> None:
        if self._connection.sock is not None:
            with suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)

    def run(self) -> bytes | AmparoError:
        """The answer, or why there is none."""
        try:
            return self._ask()
        except AmparoError as error:
            return error
        except ssl.SSLCertVerificationError:
            return NotReached(host=self._host, why=_("its certificate is not trusted"))
        except (http.client.HTTPException, UnicodeError) as error:
            return NoAnswer(host=self._host, why=type(error).__name__)
        except OSError as error:
            return NotReached(host=self._host, why=error.strerror or type(error).__name__)
        finally:
            self._connection.close()

    def _ask(self) -> bytes:
        method = "GET" if self._body is None else "POST"
        self._connection.request(method, self._path, self._body, {"Accept-Encoding": "identity", **self._headers})
        with self._connection.getresponse() as answer:
            if answer.status == http.client.NOT_FOUND and self._body is None:
                raise NotThere(host=self._host)
            if answer.status != http.client.OK:
                raise NoAnswer(host=self._host, why=_("status {number}").format(number=answer.status))
            found = answer.read(self._limit + 1)
        if len(found) > self._limit:
            raise NoAnswer(host=self._host, why=_("an answer of more than {count} bytes").format(count=self._limit))
        return found


def _connection(secure: bool, host: str, port: int, way: Way) -> http.client.HTTPConnection:  # noqa: FBT001
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    if not way.proxy:
        return kind(host, port, timeout=min(_STEP, way.seconds))
    proxied, proxy_host, proxy_port, _path = _split(way.proxy)
    if proxied:
        raise BadAddress(url=way.proxy)
    connection = kind(proxy_host, proxy_port, timeout=min(_STEP, way.seconds))
    connection.set_tunnel(host, port)
    return connection
