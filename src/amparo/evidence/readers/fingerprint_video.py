"""Takes the PDQ fingerprints of a video's frames, one a second at most, so that copies and stills of it are found.

Invariant: memory and the number of fingerprints are bounded whatever the header claims; nothing the file points to is opened.
After a number of decoded pixels only key frames are looked at; of too many frames every other second is forgotten, so that the
grids of a long and a short copy still meet.

Source: vPDQ of ThreatExchange (PDQ on sampled frames; two videos are alike by the share of their frames that are).
"""

from collections.abc import Iterator
from typing import Any, BinaryIO

import av
import av.error

from amparo.evidence.findings import Finding, Fingerprint, Hints, Unreadable, Warn
from amparo.evidence.readers import pdq
from amparo.evidence.readers.transcript import clock
from amparo.kernel.i18n import _

import numpy as np  # isort: skip - after pdq, which keeps its threads few

MEDIA_TYPES = ("video/",)
NAME = "fingerprint_video/1"
MOST_FRAMES = 600
FAILED = (av.error.FFmpegError, ValueError, OverflowError, ZeroDivisionError, MemoryError, TypeError, EOFError)
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "flv", "asf", "mpeg", "mpegts", "mpegvideo", "m4v", "h264", "hevc",
    "mp3", "aac", "amr", "ogg", "wav", "w64", "flac", "aiff", "au", "caf", "ac3", "eac3", "dts", "ape", "wv", "tta",
    "voc", "rm", "dv", "mxf", "ivf", "nut", "mjpeg", "obu", "gsm", "amrnb", "amrwb",
)  # fmt: skip
_ALL_FRAMES = 10_000_000_000  # pixels that are decoded before only key frames are: three minutes of 1080p at 30 frames
_LARGEST = 100_000_000  # pixels of a frame
_PLAIN = 50  # quality under which a hash says nothing: black, fog, a wall
_SAME = 8  # bits: the scene has not changed since the last frame that was kept


def opened(stream: BinaryIO) -> Any:
    """The container, nothing decoded yet. Raises Unreadable."""
    stream.seek(0)
    options = {"format_whitelist": ",".join(_FORMATS), "protocol_whitelist": "none", "enable_drefs": "0"}
    try:
        return av.open(stream, options=options, metadata_errors="replace")
    except FAILED:
        raise Unreadable(_("FFmpeg finds no sound or video in it, so it has no fingerprint.")) from None


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Yield Fingerprints ("pdq", as of pictures; place the time in the video). Raises Unreadable."""
    del hints
    with opened(stream) as container:
        videos = [one for one in container.streams.video if "attached_pic" not in str(one.disposition)]
        if not videos:
            return
        context = videos[0].codec_context
        if context is None:
            raise Unreadable(_("There is no decoder here for its frames, so they have no fingerprints."))
        if context.width * context.height > _LARGEST:
            raise Unreadable(_("Its frames claim {w} x {h} pixels, too many to take fingerprints.").format(
                w=context.width, h=context.height))  # fmt: skip
        found = _Found()
        trouble = _decode(container, videos[0], found)
    for second in sorted(found.frames):
        at, bits, quality = found.frames[second]
        yield Fingerprint("pdq", clock(at), bits, quality)
    if trouble:
        yield Warn(_("Fingerprints end at {at}: the rest could not be decoded.").format(at=clock(found.last)))


class _Found:
    """Fingerprints by whole second; ``step`` doubles when there are too many."""

    def __init__(self) -> None:
        self.frames: dict[int, tuple[float, bytes, int]] = {}
        self.step, self.last = 1, 0.0
        self._second, self._before = -1, 0

    def look(self, frame: Any, at: float) -> None:
        """Take the first frame of each ``step`` seconds, unless it is plain or shows what the one before showed."""
        self.last = max(self.last, at)
        second = int(at)
        if second <= self._second or second % self.step:
            return
        self._second = second
        scale = min(1.0, pdq.LARGEST / max(frame.width, frame.height))
        width, height = (max(pdq.LARGEST // 16, round(side * scale)) for side in (frame.width, frame.height))
        luma = frame.reformat(width=width, height=height, format="gray", interpolation="AREA").to_ndarray()
        turns = round((frame.rotation or 0) / 90)  # as a player shows it
        bits, quality = pdq.hashes(np.rot90(luma, turns).astype(np.float64))
        now = int.from_bytes(bits[:32])
        if quality < _PLAIN or (self.frames and (now ^ self._before).bit_count() <= _SAME):
            return
        self._before = now
        self.frames[second] = at, bits, quality
        if len(self.frames) > MOST_FRAMES:
            self.step *= 2
            self.frames = {second: kept for second, kept in self.frames.items() if second % self.step == 0}


def _decode(container: Any, stream: Any, found: _Found) -> bool:
    """Show every frame, later only key frames, to ``found``. True if decoding broke off."""
    context = stream.codec_context
    context.thread_count = 1
    pixels, start = 0, None
    try:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.EOFError:
                break
            except av.error.InvalidDataError:
                continue  # a damaged packet; the next ones may be whole
            for frame in frames:
                pixels += frame.width * frame.height
                if frame.time is None or frame.width * frame.height > _LARGEST:
                    continue
                start = frame.time if start is None else start
                found.look(frame, max(0.0, frame.time - start))
            if pixels > _ALL_FRAMES:
                context.skip_frame = "NONKEY"
    except FAILED:
        return True
    return False
