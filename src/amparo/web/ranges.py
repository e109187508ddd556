"""The bytes of a recording for a player: one range at a time, bounded, read as they are sent (RFC 9110 §14).

Invariants: whatever is asked for, no more than ``MOST`` bytes are sent for one range, and memory holds a few pieces. What is
sent is never stored, sniffed or run: its type is from a closed list, and it is sandboxed.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol

from starlette.responses import Response, StreamingResponse

MOST: Final = 8 << 20
_PIECE: Final = 1 << 18
_RANGE: Final = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})", re.ASCII)
HEADERS: Final = {
    "content-security-policy": "default-src 'none'; sandbox", "cache-control": "no-store", "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
}  # fmt: skip


class Bytes(Protocol):
    """What is asked of a recording's bytes."""

    def seek(self, offset: int, /) -> object: ...
    def read(self, size: int, /) -> bytes: ...
    def close(self) -> None: ...


def parse(asked: str, size: int) -> tuple[int, int] | None:
    """(first byte, byte after the last) of one range of a file of ``size`` bytes; None for what cannot be satisfied.

    Several ranges, backward ones, empty ones and those beyond the end are not satisfied (RFC 9110 §15.5.17 lets a server refuse
    many small ranges).
    """
    found = _RANGE.fullmatch(asked.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:  # the last so many bytes
        length = min(int(found[2]), size)
        return (size - length, size) if length else None
    first = int(found[1])
    last = min(int(found[2]), size - 1) if found[2] else size - 1
    return (first, last + 1) if first <= last else None


def answer(
    stream: Bytes, size: int, media_type: str, asked: str | None, going_on: Callable[[], bool], *, body: bool = True
) -> Response:
    """206 for a range that can be had, 416 for one that cannot, 200 for the whole; ``body`` False answers HEAD."""
    headers = {**HEADERS, "accept-ranges": "bytes"}
    if asked is None:
        first, end, status = 0, size, 200
    else:
        found = parse(asked, size)
        if found is None:
            stream.close()
            return Response(status_code=416, headers={**headers, "content-range": f"bytes */{size}"})
        first, end = found[0], min(found[1], found[0] + MOST)
        status = 206
        headers["content-range"] = f"bytes {first}-{end - 1}/{size}"
    headers["content-length"] = str(end - first)
    if not body:
        stream.close()
        return Response(status_code=status, headers=headers, media_type=media_type)
    return StreamingResponse(sent(stream, first, end, going_on), status, headers, media_type)


async def sent(stream: Bytes, first: int, end: int, going_on: Callable[[], bool]) -> AsyncIterator[bytes]:
    """The bytes in pieces, read beside the server's loop; ends early where ``going_on`` says so. Closes the stream."""
    try:
        await asyncio.to_thread(stream.seek, first)
        while first < end and going_on():
            piece = await asyncio.to_thread(stream.read, min(_PIECE, end - first))
            if not piece:
                return
            first += len(piece)
            yield piece
    finally:
        stream.close()
