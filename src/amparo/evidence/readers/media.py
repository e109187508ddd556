"""Reads sound and video through FFmpeg's libraries (PyAV): what the container and its streams say, how they run, stills, peaks.

Invariant: nothing a file points to is opened (playlists, concatenations and every protocol are shut out); memory and the
number of stills and peaks are bounded; the claims of a header (duration, creation time) stand beside what was measured by
reading all packets.

Sources: FFmpeg's libavformat options ``format_whitelist`` and ``protocol_whitelist``; ISO/IEC 14496-12 for rotation and times.
"""

import io
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, BinaryIO

import av
import av.error
from av.audio.resampler import AudioResampler
from av.stream import Disposition

from amparo.evidence.findings import Chunk, Data, Facts, Finding, Hints, Member, MemberEnd, Text, Unreadable, Warn
from amparo.evidence.readers.transcript import clock, place
from amparo.kernel.i18n import _

MEDIA_TYPES = ("video/", "audio/")
NAME = "media/1"
PIECE = 1 << 20
RATE = 16_000  # Hz of the sound that is handed to recognisers
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "flv", "live_flv", "asf", "mpeg", "mpegts", "mpegvideo", "m4v", "h264",
    "hevc", "obu", "ivf", "mp3", "aac", "amr", "amrnb", "amrwb", "ogg", "wav", "w64", "flac", "aiff", "au", "caf", "ac3",
    "eac3", "dts", "ape", "wv", "tta", "voc", "sln", "gsm", "rm", "dv", "mxf", "nut", "gif", "apng", "mjpeg", "dhav",
)  # fmt: skip
_FAILED = (av.error.FFmpegError, ValueError, OverflowError, ZeroDivisionError, MemoryError, TypeError, EOFError)
_PEAKS, _PEAK_RATE = 1000, 8000
_LARGEST = 100_000_000  # pixels of a picture
_TAGS, _TAG = 200, 2000


def read(stream: BinaryIO, hints: Hints) -> Iterator[Finding]:
    """Yield Facts ("media", "waveform"), embedded subtitles as Text, stills and covers as Members. Raises Unreadable.

    ``hints.options``: ``stills`` how many at most (12); ``want`` = "sound" for nothing but the first sound track as a member
    of signed 16-bit little-endian samples, one channel, 16 kHz: what speech recognisers take.
    """
    stream.seek(0)
    options = {"format_whitelist": ",".join(_FORMATS), "protocol_whitelist": "none", "enable_drefs": "0"}
    try:
        container = av.open(stream, options=options, metadata_errors="replace")
    except _FAILED as error:
        raise Unreadable(_("FFmpeg finds no sound or video in it ({why}); a recording that was cut off before its end may lack "
                           "its index.").format(why=_why(error))) from None  # fmt: skip
    with container:
        if hints.options.get("want") == "sound":
            yield from _sound(container)
            return
        measured = _Measured(container)
        yield from measured.run()
        yield Facts("media", _facts(container, measured, hints))
        yield from measured.warnings()
        yield from _stills(container, measured, hints)


def _why(error: BaseException) -> str:
    return (getattr(error, "strerror", "") or str(error) or type(error).__name__)[:200]


def _number(value: Any, digits: int = 6) -> float | None:
    return None if value is None else round(float(value), digits)


def _tags(metadata: dict[str, str]) -> dict[str, str]:
    return {str(key)[:100]: str(value)[:_TAG] for key, value in list(metadata.items())[:_TAGS]}


@dataclass
class _Track:
    """What one stream showed while all its packets went by. Times in seconds."""

    packets: int = 0
    bytes: int = 0
    damaged: int = 0
    first: float | None = None
    last: float | None = None
    end: float | None = None
    backward: int = 0
    gaps: list[tuple[float, float]] = field(default_factory=list)
    steps: dict[int, int] = field(default_factory=dict)
    keys: list[int] = field(default_factory=list)
    key_count: int = 0
    _every: int = 1
    _before: int | None = None

    def look(self, packet: Any, base: Fraction) -> None:
        self.packets += 1
        self.bytes += packet.size
        self.damaged += bool(packet.is_corrupt)
        stamp = packet.dts if packet.dts is not None else packet.pts
        if stamp is None:
            return
        shown = packet.pts if packet.pts is not None else stamp
        at = float(shown * base)
        self.first = at if self.first is None else min(self.first, at)
        self.last = at if self.last is None else max(self.last, at)
        ends = at + float((packet.duration or 0) * base)
        self.end = ends if self.end is None else max(self.end, ends)
        if self._before is not None:
            step = stamp - self._before
            self.backward += step < 0
            if len(self.steps) < 256 or step in self.steps:
                self.steps[step] = self.steps.get(step, 0) + 1
            if float(step * base) > 2.0 and len(self.gaps) < 100:
                self.gaps.append((float(self._before * base), float(stamp * base)))
        self._before = stamp
        if packet.is_keyframe:
            self.key_count += 1
            if self.key_count % self._every == 0:
                self.keys.append(shown)
            if len(self.keys) > 4096:
                self.keys = self.keys[::2]
                self._every *= 2

    def variable(self) -> bool | None:
        """Whether the steps between frames differ by more than the rounding of the clock; None where too few are known."""
        total = sum(self.steps.values())
        if total < 3:
            return None
        usual = max(self.steps, key=lambda step: self.steps[step])
        return sum(count for step, count in self.steps.items() if abs(step - usual) > 1 + usual // 50) > max(1, total // 100)


class _Peaks:
    """The loudest sample of each stretch of time; the stretches double when there are too many of them."""

    def __init__(self) -> None:
        self.per = _PEAK_RATE // 20
        self.peaks: list[int] = []
        self._rest: array[int] = array("h")
        self._resampler = AudioResampler(format="s16", layout="mono", rate=_PEAK_RATE)

    def add(self, frame: Any) -> None:
        for out in self._resampler.resample(frame):
            self._rest.frombytes(bytes(out.planes[0])[: out.samples * 2])
        while len(self._rest) >= self.per:
            self._take(self.per)

    def _take(self, count: int) -> None:
        part = self._rest[:count]
        self._rest = self._rest[count:]
        high, low = max(part), min(part)
        loudest = max(high, -low)
        self.peaks.append(min(32767, loudest))
        if len(self.peaks) >= 2 * _PEAKS:
            self.peaks = [max(self.peaks[index : index + 2]) for index in range(0, len(self.peaks), 2)]
            self.per *= 2

    def facts(self) -> Facts:
        if self._rest:
            self._take(len(self._rest))
        peaks = [peak * 1000 // 32767 for peak in self.peaks]
        return Facts("waveform", {"seconds_per_peak": self.per / _PEAK_RATE, "peaks": peaks, "full_scale": 1000})


class _Measured:
    """One pass over all packets."""

    def __init__(self, container: Any) -> None:
        self._container = container
        self.tracks: dict[int, _Track] = {stream.index: _Track() for stream in container.streams}
        self.broken = ""
        self.undecoded = 0
        self.undecoded_at: list[float] = []
        self._peaks: _Peaks | None = None

    def run(self) -> Iterator[Finding]:
        sound = next(iter(self._container.streams.audio), None)
        if sound is not None:
            self._peaks = _Peaks()
        try:
            for packet in self._container.demux():
                stream = packet.stream
                if not packet.size or stream is None or stream.index not in self.tracks:
                    continue
                track = self.tracks[stream.index]
                track.look(packet, packet.time_base or Fraction(1))
                if sound is not None and stream.index == sound.index:
                    self._listen(packet, track)
                elif stream.type == "subtitle":
                    yield from _subtitle(packet, stream)
                elif _cover(stream) and track.packets == 1:
                    yield from _picture(packet, stream)
        except _FAILED as error:
            self.broken = _why(error)
        if self._peaks is not None:
            yield self._peaks.facts()

    def _listen(self, packet: Any, track: _Track) -> None:
        assert self._peaks is not None
        try:
            for frame in packet.decode():
                self._peaks.add(frame)
        except _FAILED:
            self.undecoded += 1
            if len(self.undecoded_at) < 20:
                self.undecoded_at.append(round(track.last or 0.0, 3))

    def warnings(self) -> Iterator[Warn]:
        if self.broken:
            at = max((track.end or 0.0 for track in self.tracks.values()), default=0.0)
            yield Warn(_("Reading broke off at {at}: {why}.").format(at=clock(at), why=self.broken))
        declared = float(self._container.duration or 0) / 1_000_000
        ends = [track.end for track in self.tracks.values() if track.end is not None and track.packets > 1]
        starts = [track.first for track in self.tracks.values() if track.first is not None]
        if ends and declared - max(ends) + min([0.0, *starts]) > 1.0 + declared * 0.02:
            yield Warn(_("It claims to last {said}, but its data end at {at}: it is cut off or damaged.").format(
                said=clock(declared), at=clock(max(ends))))  # fmt: skip
        for index, track in self.tracks.items():
            if track.damaged:
                yield Warn(_("Stream {n}: {count} packets are damaged or incomplete.").format(n=index, count=track.damaged))
            for start, end in track.gaps[:10] if self._container.streams[index].type in ("audio", "video") else ():
                yield Warn(
                    _("Stream {n}: nothing between {start} and {end}.").format(n=index, start=clock(start), end=clock(end))
                )
            if track.backward:
                yield Warn(_("Stream {n}: its times run backward {count} times.").format(n=index, count=track.backward))
        if self.undecoded:
            places = ", ".join(clock(at) for at in self.undecoded_at[:5])
            yield Warn(
                _("{n} packets of sound cannot be decoded, the first at {places}.").format(n=self.undecoded, places=places)
            )


def _cover(stream: Any) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def _picture(packet: Any, stream: Any) -> Iterator[Finding]:
    kinds = {
        "mjpeg": ("jpg", "image/jpeg"),
        "png": ("png", "image/png"),
        "bmp": ("bmp", "image/bmp"),
        "gif": ("gif", "image/gif"),
    }
    suffix, kind = kinds.get(_codec(stream), ("bin", ""))
    yield Member(f"cover {stream.index}.{suffix}", f"stream {stream.index}", "member", kind)
    data = bytes(packet)
    for start in range(0, len(data), PIECE):
        yield Chunk(data[start : start + PIECE])
    yield MemberEnd()


def _subtitle(packet: Any, stream: Any) -> Iterator[Finding]:
    base = packet.time_base or Fraction(1)
    start = float((packet.pts or 0) * base)
    try:
        lines = [bytes(getattr(entry, "dialogue", b"") or getattr(entry, "text", b"") or b"") for entry in packet.decode()]
    except _FAILED:
        return
    text = "\n".join(line.decode("utf-8", "backslashreplace") for line in lines).strip()
    if text:
        where = place(start, start + float((packet.duration or 0) * base))
        yield Text(f"{where}, subtitle track {stream.index}", text[:32768], (stream.language or "")[:35])


def _codec(stream: Any) -> str:
    context = getattr(stream, "codec_context", None)
    return str(getattr(context, "name", "") or "") if context is not None else ""


def _facts(container: Any, measured: _Measured, hints: Hints) -> Data:
    data: Data = {
        "format": container.format.name, "format_name": container.format.long_name,
        "seconds": _number(Fraction(container.duration or 0, 1_000_000)), "bit_rate": container.bit_rate, "bytes": hints.size,
        "tags": _tags(container.metadata), "complete": not measured.broken,
    }  # fmt: skip
    data["streams"] = [_stream(stream, measured.tracks[stream.index]) for stream in list(container.streams)[:100]]
    chapters = container.chapters()[:1000]
    if chapters:
        data["chapters"] = [
            {"start": _number(entry["start"] * entry["time_base"]), "end": _number(entry["end"] * entry["time_base"]),
             "tags": _tags(entry.get("metadata") or {})} for entry in chapters
        ]  # fmt: skip
    return data


def _stream(stream: Any, track: _Track) -> Data:
    base = stream.time_base
    declared = _number(stream.duration * base) if stream.duration and base else None
    data: Data = {
        "index": stream.index, "type": stream.type, "codec": _codec(stream), "language": (stream.language or "")[:35],
        "tags": _tags(stream.metadata), "declared_seconds": declared,
        "first": _number(track.first), "last": _number(track.last), "end": _number(track.end), "packets": track.packets,
        "bytes": track.bytes, "damaged_packets": track.damaged,
    }  # fmt: skip
    context = getattr(stream, "codec_context", None)
    if stream.type == "video" and context is not None:
        ratio = context.sample_aspect_ratio
        length = (track.end or 0) - (track.first or 0)
        data.update(
            width=context.width, height=context.height, pixel_format=context.pix_fmt, pixel_ratio=str(ratio) if ratio else "",
            profile=str(context.profile or ""), declared_rate=_number(stream.average_rate), key_frames=track.key_count,
            measured_rate=_number(track.packets / length) if length > 0 else None, variable_rate=track.variable(),
        )  # fmt: skip
    elif stream.type == "audio" and context is not None:
        data.update(sample_rate=context.sample_rate, channels=context.layout.nb_channels, layout=context.layout.name,
                    sample_format=context.format.name if context.format else "")  # fmt: skip
    return data


def _stills(container: Any, measured: _Measured, hints: Hints) -> Iterator[Finding]:
    wanted = hints.options.get("stills", 12)
    videos = [stream for stream in container.streams.video if not _cover(stream)]
    if not isinstance(wanted, int) or wanted < 1 or not videos:
        return
    stream = videos[0]
    context = stream.codec_context
    if context.width * context.height > _LARGEST:
        yield Warn(_("Its pictures have {n} pixels each; no stills were made.").format(n=context.width * context.height))
        return
    keys = sorted(set(measured.tracks[stream.index].keys))
    count = min(wanted, len(keys), 200)
    context.thread_count = 1
    context.skip_frame = "NONKEY"
    failed = []
    turned: int | None = None
    for number in range(count):
        key = keys[number * len(keys) // count]
        at = float(key * (stream.time_base or Fraction(1)))
        try:
            frame = _frame_at(container, stream, key)
            data, turned = _jpeg(frame) if frame is not None else (b"", turned)
        except _FAILED:
            data = b""
        if not data:
            failed.append(clock(at))
            continue
        yield Member(f"still {clock(at).replace(':', '.')}.jpg", clock(at), "still", "image/jpeg")
        for start in range(0, len(data), PIECE):
            yield Chunk(data[start : start + PIECE])
        yield MemberEnd()
    if turned:
        yield Facts("rotation", {"stream": stream.index, "degrees": turned, "stills_turned": True})
    if failed:
        yield Warn(_("{n} key frames cannot be decoded, the first at {at}.").format(n=len(failed), at=failed[0]))


def _frame_at(container: Any, stream: Any, key: int) -> Any:
    container.seek(key, stream=stream)
    stream.codec_context.flush_buffers()
    for tried, packet in enumerate(container.demux(stream)):
        for frame in packet.decode():
            return frame
        if tried > 600:
            break
    return None


def _jpeg(frame: Any) -> tuple[bytes, int]:
    """The picture as JPEG, turned as a player would show it, and by how many degrees (counter-clockwise) it was turned."""
    if frame.width * frame.height > _LARGEST:
        return b"", 0
    image = frame.to_image()
    turn = round(frame.rotation or 0)
    if turn % 360:
        image = image.rotate(turn, expand=True)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=92)
    return out.getvalue(), turn


def _sound(container: Any) -> Iterator[Finding]:
    stream = next(iter(container.streams.audio), None)
    if stream is None:
        raise Unreadable(_("There is no sound in it."))
    yield Member("sound.s16le", "", "rendered", f"audio/x-raw;format=s16le;rate={RATE};channels=1")
    resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
    problem, at, failed = "", 0.0, 0
    try:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.EOFError:
                break
            except _FAILED:
                failed += 1
                continue
            for frame in frames:
                at = frame.time or at
                for out in resampler.resample(frame):
                    yield Chunk(bytes(out.planes[0])[: out.samples * 2])
        for out in resampler.resample(None):
            yield Chunk(bytes(out.planes[0])[: out.samples * 2])
    except _FAILED as error:
        problem = _("The sound breaks off at {at} ({why}).").format(at=clock(at), why=_why(error))
    yield MemberEnd(problem or (_("{n} packets could not be decoded.").format(n=failed) if failed else ""))
