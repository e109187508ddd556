"""The process that talks to an S3 server: it holds the account's credentials, no key of the workspace, and little memory.

Invariant: whatever a server answers, it can end this process and no other; the parent (vault.remote) believes none of its
words. Run as ``python -m amparo.vault.remote_worker``; requests and answers are frames on standard input and output: two
lengths (4 bytes each, big-endian), a CBOR list, and bytes. The first frame sets it up.
"""

import struct
import sys
from contextlib import suppress
from datetime import timedelta
from typing import Any, BinaryIO, Final

import obstore
from obstore.exceptions import AlreadyExistsError, PermissionDeniedError, PreconditionError, UnauthenticatedError
from obstore.store import S3Store

from amparo.kernel import cbor
from amparo.vault import remote_lock

_MEMORY: Final = 512 << 20  # bytes beyond what the program itself takes
_PIECE: Final = 64 << 10
_PAGE: Final = 1000


class Longer(Exception):
    """The server sends more bytes than were asked for."""


def read_frame(stream: BinaryIO) -> tuple[list[Any], bytes]:
    """Raises EOFError."""
    lengths = stream.read(8)
    if len(lengths) < 8:
        raise EOFError
    head, data = struct.unpack(">II", lengths)
    return cbor.decode(stream.read(head)), stream.read(data)


def frame(head: list[Any], data: bytes = b"") -> bytes:
    """One request or answer."""
    packed = cbor.encode(head)
    return struct.pack(">II", len(packed), len(data)) + packed + data


def limit_memory() -> None:
    """Where the system can: an answer without end then ends this process instead of filling the machine."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123  no library is needed for one line
            used = next((int(line.split()[1]) << 10 for line in status if line.startswith("VmData")), 0)
        resource.setrlimit(resource.RLIMIT_DATA, (used + _MEMORY, used + _MEMORY))


class Server:
    """One bucket; each method answers one kind of request."""

    def __init__(self, settings: list[Any]) -> None:
        bucket, prefix, endpoint, region, key, secret, token, authority, patience = settings
        self._prefix = prefix
        self._retention = remote_lock.Account(bucket, endpoint, region, key, secret, token, authority, patience)
        client: dict[str, Any] = {"timeout": f"{patience}s", "connect_timeout": f"{min(20, patience)}s"}
        if endpoint.startswith("http://"):
            client["allow_http"] = True  # the parent lets no address in but this machine's
        if authority:
            client["root_certificate"] = authority
        self._store = S3Store(
            bucket,
            region=region or "us-east-1", access_key_id=key, secret_access_key=secret,
            **({"endpoint": endpoint} if endpoint else {}), **({"session_token": token} if token else {}),
            virtual_hosted_style_request=not endpoint,
            client_options=client,  # type: ignore[arg-type]
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=patience)},
        )  # fmt: skip

    def put(self, name: str, overwrite: int, data: bytes) -> bytes:
        """Put if absent, unless ``overwrite``."""
        mode = "overwrite" if overwrite else "create"
        obstore.put(self._store, self._prefix + name, data, mode=mode, use_multipart=False)  # type: ignore[arg-type]
        return cbor.encode([])

    def get(self, name: str, start: int, length: int) -> bytes:
        """A range of an object; reads no byte more than that."""
        answer = obstore.get(self._store, self._prefix + name, options={"range": (start, start + length)})
        out = bytearray()
        for piece in answer.stream(min_chunk_size=_PIECE):
            out += memoryview(piece)
            if len(out) > length:
                raise Longer
        return bytes(out)

    def size(self, name: str) -> bytes:
        """Bytes of an object."""
        return cbor.encode([int(obstore.head(self._store, self._prefix + name)["size"])])

    def delete(self, name: str) -> bytes:
        """Remove an object; nothing if there is none."""
        with suppress(FileNotFoundError):
            obstore.delete(self._store, self._prefix + name)
        return cbor.encode([])

    def names(self, prefix: str, after: str) -> bytes:
        """A page of names behind ``after``."""
        offset = self._prefix + after if after else None
        found = next(iter(obstore.list(self._store, self._prefix + prefix, offset=offset, chunk_size=_PAGE)), [])
        return cbor.encode([str(one["path"]).removeprefix(self._prefix) for one in found])

    def retain(self, name: str, until: int, mode: str) -> bytes:
        """Lock an object until ``until`` (seconds since 1970), and read the lock back."""
        return cbor.encode([self._retention.retain(self._prefix + name, until, mode)])


def answer(server: Server, request: list[Any], data: bytes) -> bytes:
    """The frame that answers a request: a status word, one sentence of the library's, bytes."""
    method, *words = request
    try:
        found = server.put(words[0], words[1], data) if method == "put" else getattr(server, method)(*words)
    except (AlreadyExistsError, PreconditionError):
        return frame(["exists", ""])
    except FileNotFoundError:
        return frame(["missing", ""])
    except (PermissionDeniedError, UnauthenticatedError) as error:
        return frame(["refused", _brief(error)])
    except Longer:
        return frame(["longer", ""])
    except remote_lock.NotLocked as error:
        return frame(["unlocked", str(error)[:200]])
    except Exception as error:  # noqa: BLE001  whatever the library says about a hostile answer
        return frame([_status(str(error).lower()), _brief(error)])
    return frame(["done", ""], found)


def _status(text: str) -> str:
    """What the library's sentence is about."""
    if "timed out" in text or "timeout" in text:
        return "slow"
    return "short" if "requested" in text and "got" in text else "failed"


def _brief(error: Exception) -> str:
    """The library's sentence without the server's own words, which could be anything and long."""
    return str(error).partition("\n")[0].partition("Server returned")[0].strip()[:200] or type(error).__name__


def main() -> None:
    """Answer requests until the parent closes the pipe."""
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    settings, _ = read_frame(stdin)
    server = Server(settings)
    limit_memory()
    while True:
        try:
            request, data = read_frame(stdin)
        except EOFError:
            return
        stdout.write(answer(server, request, data))
        stdout.flush()


if __name__ == "__main__":
    main()
