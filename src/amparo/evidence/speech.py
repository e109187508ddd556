"""Speech recognition as a plug-in: the user's own recogniser and model make a first transcript of sound.

Invariant: nothing is downloaded; a recogniser gets samples (signed 16-bit little-endian, one channel, 16 kHz, as
``readers.media`` hands them out of the sandbox), never the hostile file; what it heard is marked with its name, version, the
SHA-256 of its model and its confidence. It is a draft to be checked by somebody who speaks the language, not testimony.

Recognisers: pocketsphinx (model of its own, English only), Vosk, Whisper (openai-whisper, faster-whisper, or the program of
whisper.cpp).
"""

import hashlib
import importlib
import importlib.metadata
import json
import math
import re
import shutil
import struct
import subprocess
import sys
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from amparo.evidence.findings import Chunk, Facts, Finding, MemberEnd, Text
from amparo.kernel.errors import BadInput, NotFound
from amparo.kernel.i18n import N_

RATE = 16_000
_BYTES = 2
_PROGRAMS = ("whisper-cli", "whisper-cpp")
_STRETCH = 30 * 60 * RATE * _BYTES
"""Bytes of sound that recognisers get which want all of it at once: an hour-long recording must not fill the memory."""
_SEARCHED = 30 * RATE * _BYTES
_LINE = re.compile(r"\[(\d+):(\d\d):(\d\d)\.(\d{3}) --> (\d+):(\d\d):(\d\d)\.(\d{3})\]\s*(.*)")


class NoRecogniser(NotFound):
    template = N_(
        "The recogniser “{name}” is not installed here ({lacks} is missing); install it, or import a transcript made elsewhere."
    )


class NoModel(NotFound):
    template = N_("There is no model for “{name}” at the path given; download one yourself and name its folder or file.")


class BadModel(BadInput):
    template = N_("“{name}” cannot use this model ({why}); check that it was made for this recogniser.")


class UnknownRecogniser(BadInput):
    template = N_("“{name}” is not a recogniser Amparo knows; it knows {known}.")


class SoundBroken(BadInput):
    template = N_("The sound could not be read to its end: {why}")


@dataclass(slots=True, frozen=True)
class Segment:
    """A stretch of speech: ``start`` and ``end`` in seconds, ``confidence`` 0..1 or None where the recogniser tells none."""

    start: float
    end: float
    text: str
    confidence: float | None = None


class Recogniser(Protocol):
    """``name`` and ``version`` of the program, ``model`` its file name, ``digest`` the SHA-256 of the model."""

    name: str
    version: str
    model: str
    digest: str

    def hear(self, samples: Iterable[bytes], language: str) -> Iterator[Segment]:
        """Yield what is said in ``samples`` (see the module) in order. ``language`` ISO 639-1, "" to let it guess."""
        ...


def recogniser(name: str, model: Path | None = None) -> Recogniser:
    """The recogniser called ``name``: pocketsphinx, vosk, whisper, faster-whisper or whisper.cpp, with the model at ``model``.

    ``model`` may be None for pocketsphinx, which carries an English one. Raises UnknownRecogniser, NoRecogniser, NoModel,
    BadModel.
    """
    kind: Callable[[Path | None], Recogniser] | None = _KINDS.get(name)
    if kind is None:
        raise UnknownRecogniser(name=name, known=", ".join(_KINDS))
    if model is not None and not model.exists():
        raise NoModel(name=name)
    return kind(model)


def transcript(by: Recogniser, samples: Iterable[bytes], language: str = "") -> Iterator[Finding]:
    """Yield each segment as Text with its times, then Facts ("transcript") that say who heard it, and how surely."""
    count, end = 0, 0.0
    confidence: list[dict[str, object]] = []
    for segment in by.hear(samples, language):
        if not segment.text.strip():
            continue
        count += 1
        where = f"{_clock(segment.start)}-{_clock(segment.end)}"
        end = max(end, segment.end)
        if segment.confidence is not None and len(confidence) < 10_000:
            confidence.append({"place": where, "confidence": round(segment.confidence, 4)})
        yield Text(where, segment.text.strip()[:32768], language)
    yield Facts("transcript", {
        "format": "speech recognition", "recogniser": by.name, "version": by.version, "model": by.model,
        "model_sha256": by.digest, "language": language, "cues": count, "seconds": round(end, 3),
        "confidence": confidence, "checked_by": "",
    })  # fmt: skip


def samples_of(findings: Iterable[Finding]) -> Iterator[bytes]:
    """The samples in what ``readers.media`` yields with the option want = "sound". Raises SoundBroken where they break off."""
    for finding in findings:
        if isinstance(finding, Chunk):
            yield finding.data
        elif isinstance(finding, MemberEnd) and finding.problem:
            raise SoundBroken(why=finding.problem)


def _clock(seconds: float) -> str:
    total = round(seconds * 1000)
    return f"{total // 3_600_000:02}:{total // 60_000 % 60:02}:{total // 1000 % 60:02}.{total % 1000:03}"


def digest_of(model: Path) -> str:
    """SHA-256 of a model: of the file, or of "path, zero byte, SHA-256 of the file" for every file below, sorted by path."""
    if model.is_file():
        return _file_digest(model).hex()
    total = hashlib.sha256()
    files = [path for path in model.rglob("*") if path.is_file()]
    for path in sorted(files, key=lambda path: path.relative_to(model).as_posix()):
        total.update(path.relative_to(model).as_posix().encode() + b"\0" + _file_digest(path))
    return total.hexdigest()


def _file_digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _package(name: str, module: str) -> Any:
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:
        raise NoRecogniser(name=name, lacks=getattr(error, "name", None) or module) from None


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "?"


def _needed(name: str, model: Path | None) -> Path:
    if model is None:
        raise NoModel(name=name)
    return model


class _Sphinx:
    """pocketsphinx: its own voice activity detector cuts the sound; one segment for each utterance."""

    name = "pocketsphinx"

    def __init__(self, model: Path | None) -> None:
        self._library = _package(self.name, "pocketsphinx")
        self.version = _version("pocketsphinx")
        folder = model or Path(str(self._library.get_model_path())) / "en-us"
        self.model, self.digest = folder.name, digest_of(folder)
        acoustic = next((path.parent for path in sorted(folder.rglob("mdef*"))), None)
        words = next(iter(sorted(folder.rglob("*.dict")) or sorted(folder.rglob("*.dic"))), None)
        grammar = min((path for path in folder.rglob("*.lm*") if "phone" not in path.name), default=None)
        if not (acoustic and words and grammar):
            raise BadModel(name=self.name, why=N_("it needs an acoustic model with mdef, a .dict and a .lm file"))
        try:
            self._decoder = self._library.Decoder(
                hmm=str(acoustic), dict=str(words), lm=str(grammar), samprate=RATE, loglevel="FATAL"
            )
        except RuntimeError as error:
            raise BadModel(name=self.name, why=str(error)[:200]) from None
        self._untouched = self._decoder.get_cmn(False)

    def hear(self, samples: Iterable[bytes], language: str) -> Iterator[Segment]:
        del language  # it is the model's
        self._decoder.set_cmn(self._untouched)  # what it learnt of another recording's sound is forgotten
        ear = self._library.Endpointer(sample_rate=RATE)
        size = ear.frame_bytes
        speaking, rest = False, b""
        for data in samples:
            rest += data
            cut = len(rest) - len(rest) % size
            for at in range(0, max(0, cut - size), size):  # one frame is kept for the end of the stream
                heard = ear.process(rest[at : at + size])
                speaking = yield from self._heard(ear, heard, speaking=speaking)
            rest = rest[max(0, cut - size) :]
        while len(rest) > size:
            heard = ear.process(rest[:size])
            speaking = yield from self._heard(ear, heard, speaking=speaking)
            rest = rest[size:]
        heard = ear.end_stream(rest) if rest else None
        speaking = yield from self._heard(ear, heard, speaking=speaking)
        if speaking:
            yield self._said(ear)

    def _heard(self, ear: Any, heard: bytes | None, *, speaking: bool) -> Any:
        """Pass speech on to the decoder; a generator that returns whether somebody still speaks."""
        if heard is None:
            return speaking
        if not speaking:
            self._decoder.start_utt()
        if heard:
            self._decoder.process_raw(heard, no_search=False, full_utt=False)
        if not ear.in_speech:
            yield self._said(ear)
            return False
        return True

    def _said(self, ear: Any) -> Segment:
        self._decoder.end_utt()
        best = self._decoder.hyp()
        shares = [float(word.prob) for word in self._decoder.seg() or () if not word.word.startswith(("<", "[", "++"))]
        end = ear.speech_end or ear.speech_start
        confidence = min(1.0, sum(shares) / len(shares)) if shares else None
        return Segment(ear.speech_start, end, best.hypstr if best else "", confidence)


class _Vosk:
    name = "vosk"

    def __init__(self, model: Path | None) -> None:
        self._library = _package(self.name, "vosk")
        folder = _needed(self.name, model)
        self.version, self.model, self.digest = _version("vosk"), folder.name, digest_of(folder)
        self._library.SetLogLevel(-1)
        try:
            self._model = self._library.Model(model_path=str(folder))
        except Exception as error:  # noqa: BLE001 - whatever the library says of a model it cannot load
            raise BadModel(name=self.name, why=str(error)[:200]) from None

    def hear(self, samples: Iterable[bytes], language: str) -> Iterator[Segment]:
        del language
        ear = self._library.KaldiRecognizer(self._model, RATE)
        ear.SetWords(True)
        for data in samples:
            for at in range(0, len(data), 8000):
                if ear.AcceptWaveform(data[at : at + 8000]):
                    yield from vosk_segments(ear.Result())
        yield from vosk_segments(ear.FinalResult())


def vosk_segments(told: str) -> Iterator[Segment]:
    """One result of Vosk (JSON with "result" and "text") as segments."""
    data = json.loads(told)
    words = data.get("result") or []
    if words:
        confidence = sum(float(word["conf"]) for word in words) / len(words)
        yield Segment(float(words[0]["start"]), float(words[-1]["end"]), str(data.get("text", "")), confidence)


def stretches(samples: Iterable[bytes]) -> Iterator[tuple[float, bytes]]:
    """The samples in stretches of half an hour at most, each with the second it begins at, parted where it is quietest."""
    held, begin = bytearray(), 0
    for data in samples:
        held += data
        while len(held) >= _STRETCH:
            cut = _quiet(held[_STRETCH - _SEARCHED : _STRETCH]) + _STRETCH - _SEARCHED
            yield begin / (RATE * _BYTES), bytes(held[:cut])
            begin += cut
            del held[:cut]
    if held:
        yield begin / (RATE * _BYTES), bytes(held)


def _quiet(sound: bytearray) -> int:
    """Where in some samples the tenth of a second begins that is quietest, in bytes."""
    values = array("h", bytes(sound))
    if sys.byteorder == "big":
        values.byteswap()
    step = RATE // 10
    return _BYTES * min(range(0, len(values), step), key=lambda at: sum(map(abs, values[at : at + step])))


def _floats(sound: bytes) -> Any:
    numpy = _package("whisper", "numpy")
    return numpy.frombuffer(sound[: len(sound) & ~1], dtype="<i2").astype("float32") / 32768


class _Whisper:
    """openai-whisper; a stretch of samples is in memory at a time (120 MB), as it needs."""

    name = "whisper"

    def __init__(self, model: Path | None) -> None:
        self._library = _package(self.name, "whisper")
        file = _needed(self.name, model)
        self.version, self.model, self.digest = _version("openai-whisper"), file.name, digest_of(file)
        try:
            self._model = self._library.load_model(str(file), device="cpu")
        except Exception as error:  # noqa: BLE001 - whatever the library says of a model it cannot load
            raise BadModel(name=self.name, why=str(error)[:200]) from None

    def hear(self, samples: Iterable[bytes], language: str) -> Iterator[Segment]:
        for at, sound in stretches(samples):
            told = self._model.transcribe(_floats(sound), language=language or None, fp16=False, verbose=None)
            for entry in told["segments"]:
                start, end = at + float(entry["start"]), at + float(entry["end"])
                yield Segment(start, end, str(entry["text"]), _likely(entry.get("avg_logprob")))


class _FasterWhisper:
    name = "faster-whisper"

    def __init__(self, model: Path | None) -> None:
        self._library = _package(self.name, "faster_whisper")
        folder = _needed(self.name, model)
        self.version, self.model, self.digest = _version("faster-whisper"), folder.name, digest_of(folder)
        try:
            self._model = self._library.WhisperModel(str(folder), device="cpu", compute_type="int8", local_files_only=True)
        except Exception as error:  # noqa: BLE001 - whatever the library says of a model it cannot load
            raise BadModel(name=self.name, why=str(error)[:200]) from None

    def hear(self, samples: Iterable[bytes], language: str) -> Iterator[Segment]:
        for at, sound in stretches(samples):
            segments, _info = self._model.transcribe(_floats(sound), language=language or None)
            for entry in segments:
                yield Segment(at + float(entry.start), at + float(entry.end), str(entry.text), _likely(entry.avg_logprob))


def _likely(logarithm: float | None) -> float | None:
    return None if logarithm is None else math.exp(min(0.0, logarithm))


class _WhisperProgram:
    """whisper.cpp: gets the sound through a pipe and tells its segments line by line; it prints no confidence."""

    name = "whisper.cpp"

    def __init__(self, model: Path | None) -> None:
        found = next((path for name in _PROGRAMS if (path := shutil.which(name))), None)
        if found is None:
            raise NoRecogniser(name=self.name, lacks=" / ".join(_PROGRAMS))
        file = _needed(self.name, model)
        self._command = [found, "--model", str(file), "--file", "-", "--no-prints"]
        self.version, self.model, self.digest = "sha256 " + _file_digest(Path(found)).hex()[:16], file.name, digest_of(file)

    def hear(self, samples: Iterable[bytes], language: str) -> Iterator[Segment]:
        for at, sound in stretches(samples):
            for one in self._stretch(wave(sound), language):
                yield replace(one, start=at + one.start, end=at + one.end)

    def _stretch(self, sound: bytes, language: str) -> Iterator[Segment]:
        command = [*self._command, "--language", language or "auto"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
            assert program.stdin and program.stdout
            feeder = threading.Thread(target=_feed, args=(program.stdin, sound), daemon=True)
            feeder.start()
            for line in program.stdout:
                if segment := whisper_line(line.decode("utf-8", "replace")):
                    yield segment
            feeder.join()
        if program.returncode:
            raise BadModel(name=self.name, why=N_("the program ended with code {code}").format(code=program.returncode))


def _feed(pipe: Any, data: bytes) -> None:
    with suppress(BrokenPipeError), pipe:
        pipe.write(data)


def whisper_line(line: str) -> Segment | None:
    """A line that whisper.cpp prints, "[00:00:00.000 --> 00:00:02.500]   words", as a segment; None for any other line."""
    match = _LINE.match(line.strip())
    if not match:
        return None
    times = [int(part) for part in match.groups()[:8]]
    start, end = (hours * 3600 + minutes * 60 + seconds + thousandths / 1000
                  for hours, minutes, seconds, thousandths in (times[:4], times[4:]))  # fmt: skip
    return Segment(start, end, match[9])


def wave(samples: bytes) -> bytes:
    """Samples (see the module) as a WAV file."""
    return (
        struct.pack("<4sL4s4sLHHLLHH4sL", b"RIFF", 36 + len(samples), b"WAVE", b"fmt ", 16, 1, 1, RATE, RATE * _BYTES, _BYTES,
                    8 * _BYTES, b"data", len(samples)) + samples
    )  # fmt: skip


_KINDS: dict[str, Any] = {
    kind.name: kind for kind in (_Sphinx, _Vosk, _Whisper, _FasterWhisper, _WhisperProgram)
}  # fmt: skip
KNOWN = tuple(_KINDS)
