"""WARC/1.1 records (ISO 28500:2017) and the CDXJ lines that find them, written to a stream that is never rewound.

Invariant: each record is a gzip member of its own, with SHA-256 over its block and, where there is HTTP in it, over its
payload. Bodies are kept as the browser was given them: Chromium hands them out after it has undone transfer and content
codings, so headers that would no longer be true are kept under ``X-Orig-`` names, as other tools of this kind do.
"""

import base64
import hashlib
import json
import time
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import unquote_plus, urlencode, urlsplit

Headers = list[tuple[str, str]]

_GONE: Final = {"content-encoding", "transfer-encoding", "content-length"}
_QUERY: Final = 4096  # characters of a request's body that go into the index, as pywb and its kin have it
_LARGE: Final = 16 << 20  # bytes; from here on little time is spent on squeezing


class Body(Protocol):
    """Bytes that can be read from the start more than once."""

    size: int

    def chunks(self) -> Iterator[bytes]:
        """The bytes in order."""
        ...


@dataclass(slots=True)
class Bytes:
    """A body that is small enough for memory."""

    data: bytes
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = len(self.data)

    def chunks(self) -> Iterator[bytes]:
        """The bytes, at once."""
        yield self.data


@dataclass(slots=True)
class Exchange:
    """One request and its answer: ``url`` without fragment, ``when`` s since 1970 of the answer's first byte.

    ``sent`` is the request's body; ``truncated`` "" or a reason of WARC-Truncated (length, time, disconnect, unspecified).
    """

    url: str
    when: float
    method: str
    request_headers: Headers
    status: int
    reason: str
    headers: Headers
    body: Body
    sent: bytes = b""
    address: str = ""
    protocol: str = ""
    truncated: str = ""
    kind: str = ""

    @property
    def mime(self) -> str:
        """The media type that was declared, without parameters."""
        return header(self.headers, "content-type").partition(";")[0].strip().lower()


def header(headers: Iterable[tuple[str, str]], name: str) -> str:
    """The first header of that name (lower case), or ""."""
    return next((value for key, value in headers if key.lower() == name), "")


def iso(when: float) -> str:
    """WARC-Date with milliseconds (ISO 28500:2017, 5.4), UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when)) + f".{int(when * 1000) % 1000:03d}Z"


def timestamp(when: float) -> str:
    """The 14 digits of an index line, UTC."""
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(when))


# -- the index --------------------------------------------------------------------------------------------------------


def sort_key(url: str) -> str:
    """A URL as the index is sorted by: host reversed, all in lower case, ``www.`` and the scheme left out, query sorted."""
    try:
        parts = urlsplit(url.lower())
        port = f":{parts.port}" if parts.port and parts.port != {"http": 80, "https": 443}.get(parts.scheme) else ""
    except ValueError:
        return "%20".join(url.split())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return "%20".join(url.split())
    host = parts.hostname
    label, _, rest = host.partition(".")
    if label.startswith("www") and label[3:].isdigit() | (label == "www") and rest:
        host = rest
    query = "?" + "&".join(sorted(parts.query.split("&"))) if parts.query else ""
    key = ",".join(reversed(host.split("."))) + port + ")" + (parts.path or "/") + query
    return "%20".join(key.split())


def with_body(url: str, method: str, content_type: str, sent: bytes) -> tuple[str, str]:
    """(URL under which the index keeps a request that is no GET, the part that stands for its body).

    Source: "Request body canonicalization" of specs.webrecorder.net, which this follows for forms, JSON and other bytes.
    """
    if method in {"GET", "HEAD"}:
        return url, ""
    query = _as_query(content_type, sent)[:_QUERY] if method in {"POST", "PUT"} and sent else ""
    mark = "&" if "?" in url else "?"
    return f"{url}{mark}__wb_method={method}" + (f"&{query}" if query else ""), query


def _as_query(content_type: str, sent: bytes) -> str:
    kind = content_type.partition(";")[0].strip().lower()
    raw = "__wb_post_data=" + base64.b64encode(sent).decode()
    try:
        if kind == "application/x-www-form-urlencoded":
            return unquote_plus(sent.decode())
        if kind in {"application/json", "text/plain"}:
            return urlencode(_flat(json.loads(sent)))
    except (ValueError, RecursionError):
        return raw
    return raw


def _flat(value: Any) -> list[tuple[str, str]]:
    """The scalars of a JSON value under their nearest names; a name that comes again is numbered."""
    found: list[tuple[str, str]] = []
    seen: dict[str, int] = {}

    def walk(name: str, inner: Any) -> None:
        if isinstance(inner, dict):
            for key, child in inner.items():
                walk(key, child)
        elif isinstance(inner, list):
            for child in inner:
                walk(name, child)
        elif name:
            seen[name] = seen.get(name, 0) + 1
            found.append((name if seen[name] == 1 else f"{name}.{seen[name]}_", str(inner)))

    walk("", value)
    return found


# -- records ----------------------------------------------------------------------------------------------------------


class WarcWriter:
    """Writes records one after the other through ``write``; ``lines`` collects the CDXJ lines, unsorted."""

    def __init__(self, write: Callable[[bytes], object], name: str) -> None:
        """``name`` is the file's name without folder."""
        self._write, self._name = write, name
        self._offset = 0
        self._info = _record_id()
        self.lines: list[str] = []
        self.records = 0

    def info(self, when: float, fields: Headers) -> None:
        """The warcinfo record: ``fields`` such as software, format, http-header-user-agent."""
        block = "".join(f"{name}: {_line(value)}\r\n" for name, value in fields).encode()
        head = [("WARC-Filename", self._name)]
        self._put("warcinfo", self._info, "", when, "application/warc-fields", head, b"", Bytes(block))

    def exchange(self, one: Exchange) -> None:
        """A response record, its line in the index, and the request record that belongs to it."""
        reply, asked = _record_id(), _record_id()
        prefix = _http_head(f"HTTP/1.1 {one.status} {_line(one.reason)}".rstrip(), _true_headers(one))
        extra = [("WARC-Concurrent-To", asked)]
        if one.address:
            extra.append(("WARC-IP-Address", one.address))
        if one.protocol:
            extra.append(("WARC-Protocol", one.protocol))
        if one.truncated:
            extra.append(("WARC-Truncated", one.truncated))
        if one.kind:
            extra.append(("WARC-Resource-Type", one.kind))
        start, length, digest = self._put(
            "response", reply, one.url, one.when, "application/http; msgtype=response", extra, prefix, one.body, payload=True
        )
        url, query = with_body(one.url, one.method, header(one.request_headers, "content-type"), one.sent)
        more: dict[str, Any] = {} if one.method == "GET" else {"method": one.method, "requestBody": query}
        self._index(url, one.url, one.when, one.mime or "unk", one.status, digest, start, length, more)
        parts = urlsplit(one.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = _http_head(f"{one.method} {target} HTTP/1.1", one.request_headers)
        extra = [("WARC-Concurrent-To", reply)]
        self._put(
            "request", asked, one.url, one.when, "application/http; msgtype=request", extra, head, Bytes(one.sent), payload=True
        )

    def resource(self, url: str, when: float, media_type: str, body: Body) -> None:
        """A resource record (a screenshot, a certificate chain, ...), under a ``urn:`` of its own."""
        start, length, digest = self._put("resource", _record_id(), url, when, media_type, [], b"", body, payload=True)
        self._index(url, url, when, media_type.partition(";")[0], 200, digest, start, length, {})

    def _index(
        self, key: str, url: str, when: float, mime: str, status: int, digest: str, start: int, length: int,
        more: dict[str, Any],
    ) -> None:  # fmt: skip
        entry = {
            "url": url, "mime": mime, "status": str(status), "digest": digest, "length": str(length), "offset": str(start),
            "filename": self._name, **more,
        }  # fmt: skip
        self.lines.append(f"{sort_key(key)} {timestamp(when)} {json.dumps(entry, ensure_ascii=True)}\n")

    def _put(
        self, type: str, record: str, url: str, when: float, content_type: str, extra: Headers, prefix: bytes, body: Body,
        *, payload: bool = False,
    ) -> tuple[int, int, str]:  # fmt: skip
        """Write one record; return its offset and length in the file, and its payload's digest."""
        block, inner = hashlib.sha256(prefix), hashlib.sha256()
        for chunk in body.chunks():
            block.update(chunk)
            inner.update(chunk)
        digest = "sha256:" + inner.hexdigest()
        fields: Headers = [("WARC-Type", type), ("WARC-Record-ID", record)]
        if url:
            fields.append(("WARC-Target-URI", _line(url).replace(" ", "%20")))
        fields.append(("WARC-Date", iso(when)))
        if type != "warcinfo":
            fields.append(("WARC-Warcinfo-ID", self._info))
        fields += [(name, _line(value)) for name, value in extra]
        fields.append(("WARC-Block-Digest", "sha256:" + block.hexdigest()))
        if payload:
            fields.append(("WARC-Payload-Digest", digest))
        fields += [("Content-Type", content_type), ("Content-Length", str(len(prefix) + body.size))]
        head = "WARC/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
        start = self._offset
        squeeze = zlib.compressobj(6 if body.size < _LARGE else 1, zlib.DEFLATED, 31)
        self._out(squeeze.compress(head.encode() + prefix))
        for chunk in body.chunks():
            self._out(squeeze.compress(chunk))
        self._out(squeeze.compress(b"\r\n\r\n") + squeeze.flush())
        self.records += 1
        return start, self._offset - start, digest

    def _out(self, data: bytes) -> None:
        if data:
            self._write(data)
            self._offset += len(data)


def _record_id() -> str:
    return f"<urn:uuid:{uuid.uuid4()}>"


def _line(value: str) -> str:
    """One line of a header: a hostile server or page must not begin another one."""
    return " ".join(value.replace("\0", " ").splitlines())


def _http_head(first: str, headers: Headers) -> bytes:
    lines = [first, *(f"{_line(name)}: {_line(value)}" for name, value in headers if name and not name.startswith(":"))]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def _true_headers(one: Exchange) -> Headers:
    """The answer's headers, those that no longer fit the body under X-Orig- names, and the length that fits."""
    kept = [(f"X-Orig-{name}" if name.lower() in _GONE else name, value) for name, value in one.headers]
    return [*kept, ("Content-Length", str(one.body.size))]
