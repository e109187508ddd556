"""Object lock: asking an S3 server to keep an object from being removed until a day, and reading back that it says so.

The one request obstore has no call for. Signed by AWS Signature Version 4 (“Authenticating Requests: Using the Authorization
Header”, Amazon S3 API Reference); answers are read up to 64 KiB. Runs in the process of vault.remote_worker only.
"""

import base64
import hashlib
import hmac
import http.client
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit

_MOST: Final = 64 << 10
_BODY: Final = (
    '<Retention xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Mode>{mode}</Mode>'
    "<RetainUntilDate>{until}</RetainUntilDate></Retention>"
)


class NotLocked(Exception):
    """The server does not lock objects, or does not say that it did: one sentence."""


@dataclass(slots=True)
class Account:
    """A bucket and who asks; ``authority`` a PEM certificate to trust besides the system's, ``patience`` seconds."""

    bucket: str
    endpoint: str
    region: str
    key: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)
    authority: str = ""
    patience: int = 60

    def retain(self, name: str, until: int, mode: str) -> int:
        """Lock ``name`` until ``until`` (seconds since 1970) in ``mode`` GOVERNANCE or COMPLIANCE; return what was read back.

        Raises NotLocked, OSError.
        """
        day = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        status, _ = self._request("PUT", name, _BODY.format(mode=mode, until=day).encode())
        if status // 100 != 2:
            raise NotLocked(f"answer {status} to the request for a lock")
        status, headers = self._request("HEAD", name, b"")
        try:
            told = int(datetime.fromisoformat(headers["x-amz-object-lock-retain-until-date"][:40]).timestamp())
        except (KeyError, ValueError):
            raise NotLocked(f"answer {status} to the question whether the lock is set, and no day") from None
        if told < until:
            raise NotLocked("the lock it tells of ends earlier than the one asked for")
        return told

    def _request(self, method: str, name: str, body: bytes) -> tuple[int, dict[str, str]]:
        """Status and headers (by lower-case names) of the answer: PUT asks for the lock, HEAD tells of it."""
        address = urlsplit(self.endpoint or f"https://{self.bucket}.s3.{self.region}.amazonaws.com")
        path = quote(f"/{self.bucket}/{name}" if self.endpoint else f"/{name}", safe="/-_.~")
        digest = hashlib.md5(body, usedforsecurity=False).digest()  # S3 asks for it
        headers = {"host": address.netloc, "content-md5": base64.b64encode(digest).decode()}
        signed = sign(self, method, path, "retention=" if body else "", headers, body, datetime.now(UTC))
        host, port = address.hostname or "", address.port
        connection: http.client.HTTPConnection
        if address.scheme == "http":
            connection = http.client.HTTPConnection(host, port, timeout=self.patience)
        else:
            trusted = ssl.create_default_context()
            if self.authority:
                trusted.load_verify_locations(cadata=self.authority)
            connection = http.client.HTTPSConnection(host, port, timeout=self.patience, context=trusted)
        try:
            connection.request(method, f"{path}?retention" if body else path, body, signed)
            answer = connection.getresponse()
            answer.read(_MOST)
            return answer.status, {key.lower(): value for key, value in answer.getheaders()}
        except (http.client.HTTPException, ValueError) as error:
            raise NotLocked(f"an answer that is none: {type(error).__name__}") from None
        finally:
            connection.close()


def sign(
    account: Account, method: str, path: str, query: str, headers: dict[str, str], body: bytes, now: datetime
) -> dict[str, str]:
    """Add the headers of AWS Signature Version 4: ``headers`` by lower-case names, with host; all of them are signed."""
    digest, stamp, region = hashlib.sha256(body).hexdigest(), now.strftime("%Y%m%dT%H%M%SZ"), account.region or "us-east-1"
    every = {**headers, "x-amz-date": stamp, "x-amz-content-sha256": digest}
    if account.token:
        every["x-amz-security-token"] = account.token
    names = ";".join(sorted(every))
    lines = "".join(f"{name}:{every[name].strip()}\n" for name in sorted(every))
    request = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{digest}"
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = b"AWS4" + account.secret.encode()
    for word in (stamp[:8], region, "s3", "aws4_request"):
        key = hmac.digest(key, word.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"AWS4-HMAC-SHA256 Credential={account.key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**every, "authorization": credential}
