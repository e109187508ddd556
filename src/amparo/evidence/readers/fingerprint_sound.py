"""Takes the Chromaprint fingerprint of the first sound track of a recording or video.

Invariant: a fingerprint tells one recording and its copies from another, not who speaks; no more than four hours of sound are
looked at. The library is loaded by its own name from the system's folders (Debian: libchromaprint1); where it is not, every
recording says so.

Source: chromaprint.h of Chromaprint 1.5 (acoustid.org), algorithm TEST2: 32 bits for each 1365 samples at 11,025 Hz.
"""

import ctypes
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any, BinaryIO

import av
import av.error
from av.audio.resampler import AudioResampler

from amparo.evidence.findings import Finding, Fingerprint, Hints, Unreadable, Warn
from amparo.evidence.readers.fingerprint_video import FAILED, opened
from amparo.evidence.readers.transcript import clock
from amparo.kernel.i18n import _

MEDIA_TYPES = ("audio/", "video/")
NAME = "fingerprint_sound/1"
RATE = 11_025
_ALGORITHM = 1
_LONGEST = 4 * 3600 * RATE
_NAMES = ("libchromaprint.so.1", "libchromaprint.1.dylib", "chromaprint.dll")


def _library() -> ctypes.CDLL | None:
    for name in _NAMES:
        with suppress(OSError):
            library = ctypes.CDLL(name)
            library.chromaprint_new.restype = ctypes.c_void_p
            for function in ("free", "start", "feed", "finish", "get_raw_fingerprint", "dealloc"):
                getattr(library, f"chromaprint_{function}").argtypes = _ARGUMENTS[function]
            return library
    return None


_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "free": (ctypes.c_void_p,),
    "start": (ctypes.c_void_p, ctypes.c_int, ctypes.c_int),
    "feed": (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int),
    "finish": (ctypes.c_void_p,),
    "get_raw_fingerprint": (ctypes.c_void_p, ctypes.POINTER(ctypes.POINTER(ctypes.c_uint32)), ctypes.POINTER(ctypes.c_int)),
    "dealloc": (ctypes.c_void_p,),
}
LIBRARY = _library()
"""None where Chromaprint is not installed."""


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Yield one Fingerprint ("chromaprint": little-endian 32-bit values; quality the share that differs from the one before).

    None where there is no sound or less than three seconds of it. Raises Unreadable.
    """
    del hints
    if LIBRARY is None:
        raise Unreadable(
            _("Sound is compared by Chromaprint, which is not installed (on Debian: libchromaprint1); then read with --again.")
        )
    with opened(stream) as container:
        sound = next(iter(container.streams.audio), None)
        if sound is None:
            return
        if sound.codec_context is None:
            raise Unreadable(_("There is no decoder here for its sound, so it has no fingerprint."))
        context = LIBRARY.chromaprint_new(_ALGORITHM)
        try:
            LIBRARY.chromaprint_start(context, RATE, 1)
            samples, trouble = _feed(LIBRARY, container, sound, context)
            LIBRARY.chromaprint_finish(context)
            bits = _raw(LIBRARY, context)
        finally:
            LIBRARY.chromaprint_free(context)
    if bits:
        values = memoryview(bits).cast("I")
        moving = sum(one != other for one, other in pairwise(values))
        yield Fingerprint("chromaprint", "", bits, 100 * moving // max(1, len(values) - 1))
    if trouble:
        yield Warn(_("The fingerprint of its sound ends at {at}: {why}.").format(at=clock(samples / RATE), why=trouble))


def _feed(library: ctypes.CDLL, container: Any, sound: Any, context: int) -> tuple[int, str]:
    """(samples that were heard, why not more)."""
    resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
    samples, damaged = 0, 0
    try:
        for packet in container.demux(sound):
            try:
                frames = packet.decode()
            except av.error.EOFError:
                break
            except av.error.InvalidDataError:
                damaged += 1
                continue
            for frame in frames:
                for out in resampler.resample(frame):
                    data = bytes(out.planes[0])[: out.samples * 2]
                    library.chromaprint_feed(context, data, out.samples)
                    samples += out.samples
            if samples > _LONGEST:
                return samples, _("only its first four hours are compared")
    except FAILED:
        return samples, _("the rest could not be decoded")
    return samples, ""


def _raw(library: ctypes.CDLL, context: int) -> bytes:
    values, count = ctypes.POINTER(ctypes.c_uint32)(), ctypes.c_int()
    if not library.chromaprint_get_raw_fingerprint(context, ctypes.byref(values), ctypes.byref(count)) or not count.value:
        return b""
    try:
        return bytes(ctypes.string_at(values, 4 * count.value))
    finally:
        library.chromaprint_dealloc(values)
