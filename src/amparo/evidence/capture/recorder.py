"""Every answer the browser gets becomes a record: what arrives is held up until it has been kept, then let through as it was.

Invariants: an answer is taken at Chromium's Fetch stage "Response" and passed on unaltered; only one too large to be handed
over whole (over ``_WHOLE`` bytes) is read as a stream and given back to the page, or kept from it where it is larger still,
and ``Notes`` says so. Nobody waits in here for the browser: questions and answers are events of one loop, so a page can
neither stop the loop nor make it forget. What was not recorded, and why, is in ``Notes``.
"""

import base64
import queue
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from amparo.evidence.capture.browser import Chromium, Event
from amparo.evidence.capture.notes import NOTES, Notes, handler_name
from amparo.evidence.capture.warc import Body, Bytes, Exchange, Headers, WarcWriter, header

_WHOLE: Final = 32 << 20  # bytes of a body that is handed over in one message
_BACK: Final = 64 << 20  # bytes of a streamed body that is still given to the page
_PIECE: Final = 1 << 20
_HELD: Final = 32 << 20  # bytes of bodies that wait for their server's address
_REDIRECTS: Final = {301, 302, 303, 307, 308}
_EMPTY: Final = {204, 205, 304}
_ENDLESS: Final = {"text/event-stream", "multipart/x-mixed-replace", "application/x-ndjson", "application/grpc-web+proto"}
_SECRET: Final = {"cookie", "authorization", "proxy-authorization", "set-cookie"}
_WITHHELD: Final = "withheld"


class Store(Protocol):
    """vault.spool.Spool: bytes written once, read as often as wanted."""

    size: int

    def write(self, data: bytes, /) -> int: ...
    def chunks(self) -> Any: ...
    def close(self) -> None: ...


@dataclass(slots=True)
class Limits:
    """``size`` bytes of bodies in all; ``video`` False: no sound and video; ``discreet``: secrets of a login are withheld."""

    size: int = 2 << 30
    video: bool = True
    discreet: bool = False


@dataclass(slots=True)
class _Net:
    """What the Network domain knows of a request."""

    url: str = ""
    sent_headers: Headers = field(default_factory=list)
    response: dict[str, Any] | None = None
    began: float = field(default_factory=time.monotonic)
    done: bool = False


@dataclass(slots=True)
class _Paused:
    """An answer that is being read. ``network`` "" where Chromium does not name it."""

    id: str
    session: str
    network: str
    exchange: Exchange
    store: Store | None = None
    stream: str = ""
    tapped: bool = False


@dataclass
class Recorder:
    """Reads the browser's events and writes records; ``pump`` runs it. ``setup`` is what each target is told first."""

    browser: Chromium
    warc: WarcWriter
    new_store: Callable[[], Store]
    limits: Limits
    notes: Notes = field(default_factory=Notes)
    total: int = 0
    full: bool = False
    crashed: bool = False
    urls: dict[str, dict[str, Any]] = field(default_factory=dict)
    watcher: object = None
    setup: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    _net: dict[str, _Net] = field(default_factory=dict)
    _reading: dict[str, _Paused] = field(default_factory=dict)
    _waiting: dict[str, list[_Paused]] = field(default_factory=dict)
    _busy: float = field(default_factory=time.monotonic)

    # -- the loop ------------------------------------------------------------------------------------------------------

    def attach(self, session: str, *, start: bool = False) -> None:
        """Record a target; ``start`` one that waits for it."""
        self.sessions.append(session)
        ask = self.browser.send
        for method, params in self.setup:
            ask(method, params, session)
        ask("Network.enable", {"maxPostDataSize": _WHOLE, "maxTotalBufferSize": _WHOLE}, session)
        ask("Network.setCacheDisabled", {"cacheDisabled": True}, session)
        ask("Network.setBypassServiceWorker", {"bypass": True}, session)
        patterns = [{"urlPattern": "*", "requestStage": "Response"}]
        ask("Fetch.enable", {"patterns": patterns, "handleAuthRequests": True}, session)
        ask("Log.enable", {}, session)
        ask("Runtime.enable", {}, session)
        ask("Page.enable", {}, session)
        follow = {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True}
        ask("Target.setAutoAttach", follow, session)
        if start:
            ask("Runtime.runIfWaitingForDebugger", {}, session)

    def pump(self, until: Callable[[], bool], seconds: float) -> bool:
        """Handle events until ``until`` holds (True), or the time is over, the browser gone or the capture full (False)."""
        end = time.monotonic() + seconds
        while not until():
            left = end - time.monotonic()
            if left <= 0 or self.full or self.crashed:
                return False
            try:
                found = self.browser.events.get(timeout=min(left, 0.1))
            except queue.Empty:  # time to look at ``until`` again
                continue
            if found is None:
                self.crashed = True
            elif isinstance(found, Event):
                self._handle(found)
            else:
                found()
        return True

    def ask(self, method: str, params: dict[str, Any], session: str, seconds: float) -> dict[str, Any] | None:
        """Ask the browser while the loop goes on; None where it refused or did not answer in time."""
        box: list[dict[str, Any] | None] = []
        self.browser.send(method, params, session, box.append)
        self.pump(lambda: bool(box), seconds)
        return box[0] if box else None

    @property
    def idle_for(self) -> float:
        """Seconds for which nothing has been under way; 0 while something is."""
        now = time.monotonic()
        if self._reading or any(not net.done and now - net.began < 60 for net in self._net.values()):
            self._busy = now
        return now - self._busy

    def stir(self) -> None:
        """Something has just been done to the page: what it does now is awaited."""
        self._busy = time.monotonic()

    def _handle(self, event: Event) -> None:
        for place in (self, self.watcher):
            handler = getattr(place, handler_name(event.method), None)
            if handler is not None:
                try:
                    handler(event.params, event.session)
                except (KeyError, ValueError, TypeError, AttributeError) as error:
                    self.notes.add("problems", f"{event.method}: {type(error).__name__}")

    # -- answers -------------------------------------------------------------------------------------------------------

    def _fetch_request_paused(self, params: dict[str, Any], session: str) -> None:
        asked, status = params["request"], params.get("responseStatusCode")
        if "responseErrorReason" in params or status is None:
            self.browser.send("Fetch.continueRequest", {"requestId": params["requestId"]}, session)
            return
        paused = self._begin(params, session)
        one = paused.exchange
        kind, length = one.kind, header(one.headers, "content-length")
        size = int(length) if length.isdecimal() and len(length) < 16 else -1
        if self.full or (kind == "Media" and not self.limits.video):
            self._note_cut(one, "limit" if self.full else "video left out", kept=0)
            self.browser.send("Fetch.failRequest", {"requestId": paused.id, "errorReason": "BlockedByClient"}, session)
            return
        if status in {401, 407} and header(one.headers, "www-authenticate"):
            self.notes.add("logins_asked", one.url)
        if status in _REDIRECTS | _EMPTY or asked["method"] in {"HEAD", "OPTIONS"}:
            self._kept(paused, Bytes(b""))
        elif one.mime in _ENDLESS:
            self._tap(paused)
        elif size > _WHOLE or (kind == "Media" and size < 0):
            self._reading[paused.id] = paused
            params = {"requestId": paused.id}
            self.browser.send("Fetch.takeResponseBodyAsStream", params, session, lambda reply: self._stream(paused, reply))
        else:
            self._reading[paused.id] = paused
            params = {"requestId": paused.id}
            self.browser.send("Fetch.getResponseBody", params, session, lambda reply: self._whole(paused, reply))

    def _begin(self, params: dict[str, Any], session: str) -> _Paused:
        asked = params["request"]
        network = params.get("networkId", "")
        net = self._net.get(network)
        request = list(net.sent_headers) if net and net.sent_headers else _pairs(asked["headers"])
        if not header(request, "host"):
            request.insert(0, ("Host", urlsplit(asked["url"]).netloc))
        answer = [(entry["name"], entry["value"]) for entry in params.get("responseHeaders", [])]
        one = Exchange(
            asked["url"], time.time(), asked["method"], self._discreet(request), params["responseStatusCode"],
            params.get("responseStatusText", ""), self._discreet(answer), Bytes(b""), sent=_sent(asked),
            kind=params["resourceType"],
        )  # fmt: skip
        return _Paused(params["requestId"], session, network, one)

    def _discreet(self, headers: Headers) -> Headers:
        """Where the user logged in: cookies and credentials open the account, so only their names are kept."""
        if not self.limits.discreet:
            return headers
        return [(name, _masked(value) if name.lower() in _SECRET else value) for name, value in headers]

    def _whole(self, paused: _Paused, reply: dict[str, Any] | None) -> None:
        self._reading.pop(paused.id, None)
        if reply is None:
            self._note_cut(paused.exchange, "the browser did not hand over its body", kept=0)
            paused.exchange.truncated = "unspecified"
        body = _bytes(reply) if reply else b""
        store = self.new_store()
        store.write(body)
        self._kept(paused, store)

    def _kept(self, paused: _Paused, body: Body) -> None:
        """The body is kept: let the answer through, and write it once the server's address is known."""
        self.browser.send("Fetch.continueRequest", {"requestId": paused.id}, paused.session)
        self._finish(paused, body, wait=True)

    def _finish(self, paused: _Paused, body: Body, *, wait: bool) -> None:
        paused.exchange.body = body
        self.total += body.size
        if self.total > self.limits.size:
            self.full = True
        if not wait or not paused.network or self._answered(paused):
            self._write(paused)
            return
        self._waiting.setdefault(paused.network, []).append(paused)
        while sum(one.exchange.body.size for held in self._waiting.values() for one in held) > _HELD:
            self._release(next(iter(self._waiting)))

    def _answered(self, paused: _Paused) -> bool:
        net = self._net.get(paused.network)
        if net is None or net.response is None:
            return False
        return bool(net.response.get("status") == paused.exchange.status)

    def _release(self, network: str) -> None:
        for paused in self._waiting.pop(network, []):
            self._write(paused)

    def _write(self, paused: _Paused) -> None:
        one, net = paused.exchange, self._net.get(paused.network)
        if net is not None and net.response is not None:
            one.address = net.response.get("remoteIPAddress", "").strip("[]")
            one.protocol = net.response.get("protocol", "")
        self.warc.exchange(one)
        if len(self.urls) < 20 * NOTES:
            self.urls[one.url] = {"status": one.status, "mime": one.mime, "type": one.kind.lower()}
        close_body(one.body)
        one.body = Bytes(b"")

    def _note_cut(self, one: Exchange, why: str, *, kept: int) -> None:
        self.notes.add("cut", {"url": one.url, "why": why, "bytes kept": kept})

    # -- large and endless bodies --------------------------------------------------------------------------------------

    def _stream(self, paused: _Paused, reply: dict[str, Any] | None) -> None:
        if reply is None:
            self._whole(paused, None)
            return
        paused.stream, paused.store = reply["stream"], self.new_store()
        self._more(paused)

    def _more(self, paused: _Paused) -> None:
        params = {"handle": paused.stream, "size": _PIECE}
        self.browser.send("IO.read", params, paused.session, lambda reply: self._piece(paused, reply))

    def _piece(self, paused: _Paused, reply: dict[str, Any] | None) -> None:
        store = paused.store
        if store is None or paused.id not in self._reading:
            return
        if reply is not None:
            store.write(_bytes(reply, "data"))
        if reply is None or self.total + store.size > self.limits.size:
            self._end(paused, "disconnect" if reply is None else "length")
        elif reply["eof"]:
            self._end(paused, "")
        else:
            self._more(paused)

    def _end(self, paused: _Paused, truncated: str) -> None:
        """A streamed body has ended: give it to the page if that is possible, and write it."""
        self._reading.pop(paused.id, None)
        store = paused.store
        assert store is not None
        self.browser.send("IO.close", {"handle": paused.stream}, paused.session)
        if truncated or store.size > _BACK:
            why = "cut off" if truncated else "recorded whole, but too large to hand back to the page"
            self._note_cut(paused.exchange, why, kept=store.size)
            params: dict[str, Any] = {"requestId": paused.id, "errorReason": "Aborted"}
            self.browser.send("Fetch.failRequest", params, paused.session)
        else:
            headers = [{"name": name, "value": value} for name, value in paused.exchange.headers]
            body = base64.b64encode(b"".join(store.chunks())).decode()
            params = {"requestId": paused.id, "responseCode": paused.exchange.status, "responseHeaders": headers, "body": body}
            self.browser.send("Fetch.fulfillRequest", params, paused.session)
        paused.exchange.truncated = truncated
        self._finish(paused, store, wait=False)

    def _tap(self, paused: _Paused) -> None:
        """An answer without end (server-sent events): let it through and keep what comes until the capture ends."""
        self.browser.send("Fetch.continueRequest", {"requestId": paused.id}, paused.session)
        paused.store, paused.tapped = self.new_store(), True
        self._waiting.setdefault(paused.network, []).append(paused)

    def _network_data_received(self, params: dict[str, Any], _session: str) -> None:
        if data := params.get("data"):
            self._tapped(params["requestId"], base64.b64decode(data))

    def _tapped(self, network: str, data: bytes) -> None:
        for paused in self._waiting.get(network, ()):
            if paused.tapped and paused.store is not None and self.total + paused.store.size < self.limits.size:
                paused.store.write(data)

    def close(self) -> None:
        """Write what is still open, marked as cut off, so that nothing that arrived is lost."""
        for paused in list(self._reading.values()):
            self._note_cut(
                paused.exchange, "had not ended when the capture ended", kept=paused.store.size if paused.store else 0
            )
            paused.exchange.truncated = "time"
            self._finish(paused, paused.store or Bytes(b""), wait=False)
        self._reading = {}
        for network in list(self._waiting):
            for paused in self._waiting[network]:
                if paused.tapped and paused.store is not None:
                    paused.exchange.truncated = "time"
                    paused.exchange.body = paused.store
                    self._note_cut(paused.exchange, "had not ended when the capture ended", kept=paused.store.size)
            self._release(network)

    # -- what the Network domain adds ----------------------------------------------------------------------------------

    def _network_request_will_be_sent(self, params: dict[str, Any], session: str) -> None:
        network = params["requestId"]
        if params["request"]["url"].startswith(("data:", "blob:")):
            return
        if redirect := params.get("redirectResponse"):
            self._network_response_received({"requestId": network, "response": redirect, "redirect": True}, session)
        self._net[network] = _Net(params["request"]["url"], done=params.get("type") in {"EventSource", "Ping"})

    def _network_request_will_be_sent_extra_info(self, params: dict[str, Any], _session: str) -> None:
        self._net.setdefault(params["requestId"], _Net()).sent_headers = _pairs(params["headers"])

    def _network_response_received(self, params: dict[str, Any], session: str) -> None:
        network, response = params["requestId"], params["response"]
        if response["url"].startswith(("data:", "blob:")):
            return
        net = self._net.setdefault(network, _Net(response["url"]))
        net.response = response
        self._note_origin(response)
        if any(paused.tapped for paused in self._waiting.get(network, ())):
            net.done = True
            params = {"requestId": network}
            self.browser.send("Network.streamResourceContent", params, session, lambda reply: self._first(network, reply))
        else:
            self._release(network)

    def _first(self, network: str, reply: dict[str, Any] | None) -> None:
        if reply is not None and reply.get("bufferedData"):
            self._tapped(network, base64.b64decode(reply["bufferedData"]))

    def _note_origin(self, response: dict[str, Any]) -> None:
        parts = urlsplit(response["url"])
        origin = f"{parts.scheme}://{parts.netloc}"
        known = self.notes.origins.get(origin)
        if not response.get("remoteIPAddress") or (known is None and len(self.notes.origins) >= NOTES):
            return
        known = self.notes.origins.setdefault(origin, {"addresses": []})
        address = f"{response['remoteIPAddress']} port {response.get('remotePort', 0)}"
        if address not in known["addresses"] and len(known["addresses"]) < 20:
            known["addresses"].append(address)
        if (tls := response.get("securityDetails")) and "tls" not in known:
            known["trusted"] = response.get("securityState") == "secure"
            known["tls"] = {
                "protocol": tls.get("protocol"), "cipher": tls.get("cipher"), "key exchange": tls.get("keyExchangeGroup") or "",
                "subject": tls.get("subjectName"), "issuer": tls.get("issuer"), "valid from": _day(tls.get("validFrom")),
                "valid to": _day(tls.get("validTo")), "certificate transparency": tls.get("certificateTransparencyCompliance"),
            }  # fmt: skip

    def _network_loading_finished(self, params: dict[str, Any], _session: str) -> None:
        self._done(params["requestId"])

    def _network_loading_failed(self, params: dict[str, Any], _session: str) -> None:
        network = params["requestId"]
        net = self._net.get(network)
        if net is not None and net.url and not net.done:
            why = params.get("blockedReason") or params.get("errorText", "")
            if not (params.get("canceled") and net.response):
                self.notes.add("failed", {"url": net.url, "why": why, "type": params.get("type", "")})
        self._done(network)

    def _done(self, network: str) -> None:
        self._busy = time.monotonic()
        for paused in self._waiting.get(network, ()):
            if paused.tapped and paused.store is not None:
                paused.exchange.body = paused.store
        self._release(network)
        self._net.pop(network, None)

    def _network_web_socket_created(self, params: dict[str, Any], _session: str) -> None:
        self.notes.add("websockets", params["url"])

    # -- targets: frames of other sites, workers ---------------------------------------------------------------------------

    def _target_attached_to_target(self, params: dict[str, Any], _session: str) -> None:
        self.attach(params["sessionId"], start=True)

    def _target_detached_from_target(self, params: dict[str, Any], _session: str) -> None:
        if params["sessionId"] in self.sessions:
            self.sessions.remove(params["sessionId"])

    def _inspector_target_crashed(self, _params: dict[str, Any], session: str) -> None:
        if self.sessions and session == self.sessions[0]:
            self.crashed = True


def close_body(body: Body) -> None:
    """Give back what a body in a store holds."""
    close = getattr(body, "close", None)
    if close is not None:
        close()


def _pairs(headers: dict[str, str]) -> Headers:
    """Chromium's object of headers; several of one name come joined by line feeds."""
    return [(name, value) for name, joined in headers.items() for value in joined.split("\n")]


def _bytes(reply: dict[str, Any], name: str = "body") -> bytes:
    data: str = reply[name]
    return base64.b64decode(data) if reply.get("base64Encoded") else data.encode("utf-8", "surrogatepass")


def _sent(asked: dict[str, Any]) -> bytes:
    """The request's body, where Chromium hands it over."""
    entries: Iterable[dict[str, str]] = asked.get("postDataEntries", ())
    data = b"".join(base64.b64decode(entry["bytes"]) for entry in entries if "bytes" in entry)
    return data or asked.get("postData", "").encode("utf-8", "surrogatepass")


def _masked(value: str) -> str:
    """A cookie's or credential's name without its value."""
    words = [part.partition("=")[0].strip() + f"={_WITHHELD}" for part in value.split(";")[:1] if "=" in part]
    return "; ".join(words) or _WITHHELD


def _day(seconds: Any) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds)) if isinstance(seconds, int | float) and 0 < seconds < 1e11 else ""
