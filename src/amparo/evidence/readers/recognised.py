"""Knows the JSON that common speech recognisers write, as cues.

Invariant: a pure function of what JSON held; an entry of a shape that is not known becomes a warning with its number.

Sources: outputs of openai-whisper, faster-whisper, whisper.cpp (-oj), Vosk (SetWords), pocketsphinx (align, json), Amazon
Transcribe (results), Google Speech-to-Text (v1, v2), Azure Speech (batch transcription; detailed results).
"""

import math
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from amparo.evidence.findings import Unreadable, Warn
from amparo.evidence.readers.transcript import Cue
from amparo.kernel.i18n import _

_Cues = Iterator[Cue | Warn]
_Makers = Iterator[Callable[[], Cue]]


def cues(data: Any) -> tuple[list[Cue | Warn], str]:
    """The cues of ``data`` and the recogniser whose form it has. Raises Unreadable for a form that is not known."""
    for fits, form, reader in _FORMS:
        if fits(data):
            return list(_safely(reader(data))), form
    raise Unreadable(_("This JSON has none of the forms of a transcript that are known here."))


def _safely(found: _Makers) -> _Cues:
    for number, make in enumerate(found, 1):
        try:
            cue = make()
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError):
            yield Warn(_("Entry {n} of the transcript is not as its recogniser writes them; it was left out.").format(n=number))
            continue
        if cue.text.strip():
            yield cue


def _second(value: Any) -> float | None:
    """Seconds as a number, as "1.5" or as Google's "1.500s" or {"seconds": "1", "nanos": 5}; None where there is none."""
    if isinstance(value, dict):
        value = float(value.get("seconds") or 0) + float(value.get("nanos") or 0) / 1e9
    if isinstance(value, str):
        value = float(value.removesuffix("s"))
    if value is None:
        return None
    number = float(value)
    if not math.isfinite(number) or not 0 <= number < 1e8:
        raise ValueError(number)
    return number


def _share(value: Any) -> float | None:
    number = None if value is None else float(value)
    return number if number is not None and 0 <= number <= 1 else None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value.strip()


def _whisper(data: Any) -> _Makers:
    entries = data["segments"] if isinstance(data, dict) else data

    def make(entry: dict[str, Any]) -> Cue:
        likely = entry.get("avg_logprob")
        confidence = math.exp(min(0.0, float(likely))) if likely is not None else entry.get("confidence")
        return Cue(_second(entry.get("start")), _second(entry.get("end")), _text(entry["text"]),
                   str(entry.get("speaker") or "")[:200], _share(confidence))  # fmt: skip

    return (partial(make, entry) for entry in entries)


def _whisper_cpp(data: Any) -> _Makers:
    def make(entry: dict[str, Any]) -> Cue:
        tokens = [float(token["p"]) for token in entry.get("tokens") or [] if not str(token.get("text")).startswith("[_")]
        confidence = sum(tokens) / len(tokens) if tokens else None
        span = entry["offsets"]  # in ms
        return Cue(_second(span["from"] / 1000), _second(span["to"] / 1000), _text(entry["text"]),
                   str(entry.get("speaker") or "")[:200], _share(confidence))  # fmt: skip

    return (partial(make, entry) for entry in data["transcription"])


def _vosk(data: Any) -> _Makers:
    def make(entry: dict[str, Any]) -> Cue:
        words = entry.get("result") or []
        shares = [float(word["conf"]) for word in words if "conf" in word]
        return Cue(_second(words[0]["start"]) if words else None, _second(words[-1]["end"]) if words else None,
                   _text(entry["text"]), confidence=_share(sum(shares) / len(shares)) if shares else None)  # fmt: skip

    return (partial(make, entry) for entry in (data if isinstance(data, list) else [data]))


def _sphinx(data: Any) -> _Makers:
    def make(entry: dict[str, Any]) -> Cue:
        start = _second(entry["b"])
        length = _second(entry["d"])
        words = " ".join(re.sub(r"\(\d+\)$", "", str(word["t"])) for word in entry.get("w") or [] if not _noise(str(word["t"])))
        return Cue(start, (start or 0) + (length or 0), _text(entry.get("t")) or words, confidence=_share(entry.get("p")))

    return (partial(make, entry) for entry in (data if isinstance(data, list) else [data]))


def _noise(word: str) -> bool:
    return word.startswith(("<", "[", "++"))


def _amazon(data: Any) -> _Makers:
    """Words are joined to cues where the speaker changes or a sentence ends."""
    run: list[dict[str, Any]] = []
    items = data["results"]["items"]
    for index, item in enumerate(items):
        run.append(item if isinstance(item, dict) else {})
        after = items[index + 1] if index + 1 < len(items) else None
        told = _said(run[-1])
        turned = isinstance(after, dict) and after.get("speaker_label") != run[-1].get("speaker_label")
        if after is None or turned or (run[-1].get("type") == "punctuation" and told in ".?!") or len(run) >= 200:
            yield partial(_joined, run)
            run = []


def _said(item: dict[str, Any]) -> str:
    choices = item.get("alternatives")
    return str(choices[0].get("content")) if isinstance(choices, list) and choices and isinstance(choices[0], dict) else ""


def _joined(run: list[dict[str, Any]]) -> Cue:
    timed = [item for item in run if item.get("start_time") is not None]
    text = "".join(("" if item.get("type") == "punctuation" else " ") + _said(item) for item in run)
    shares = [float(item["alternatives"][0]["confidence"]) for item in timed]
    return Cue(_second(timed[0]["start_time"]), _second(timed[-1]["end_time"]), text.strip(),
               str(run[0].get("speaker_label") or "")[:200], _share(sum(shares) / len(shares)))  # fmt: skip


def _google(data: Any) -> _Makers:
    def make(entry: dict[str, Any], before: Any) -> Cue:
        best = entry["alternatives"][0]
        words = best.get("words") or []
        start = _second(words[0].get("startTime", words[0].get("startOffset", 0))) if words else before
        last = words[-1] if words else {"endTime": entry.get("resultEndTime", entry.get("resultEndOffset"))}
        end = last.get("endTime", last.get("endOffset"))
        speaker = str(words[0].get("speakerTag") or words[0].get("speakerLabel") or "") if words else ""
        return Cue(_second(start), _second(end), _text(best["transcript"]), speaker[:200], _share(best.get("confidence")))

    before: Any = 0
    for entry in data["results"]:
        yield partial(make, entry, before)
        before = entry.get("resultEndTime", entry.get("resultEndOffset")) if isinstance(entry, dict) else None


def _ticks(value: Any) -> float | None:
    return None if value is None else _second(float(value) / 1e7)  # of 100 ns


def _azure(data: Any) -> _Makers:
    """Batch results and detailed results, which differ in the case of their names."""

    def make(entry: dict[str, Any]) -> Cue:
        told = {key.lower(): value for key, value in entry.items()}
        best = {key.lower(): value for key, value in (told.get("nbest") or [{}])[0].items()}
        start = _ticks(told.get("offsetinticks", told.get("offset")))
        length = _ticks(told.get("durationinticks", told.get("duration")))
        text = best.get("display", told.get("displaytext", ""))
        end = None if start is None or length is None else start + length
        return Cue(start, end, _text(text), str(told.get("speaker", told.get("speakerid")) or "")[:200],
                   _share(best.get("confidence")))  # fmt: skip

    entries = data["recognizedPhrases"] if isinstance(data, dict) and "recognizedPhrases" in data else _entries(data)
    return (partial(make, entry) for entry in entries)


def _entries(data: Any) -> list[Any]:
    return data if isinstance(data, list) else [data]


def _all(data: Any, *keys: str) -> bool:
    entries = _entries(data)[:20]
    return bool(entries) and all(isinstance(entry, dict) and all(key in entry for key in keys) for entry in entries)


_FORMS: tuple[tuple[Callable[[Any], bool], str, Callable[[Any], _Makers]], ...] = (
    (lambda data: isinstance(data, dict) and isinstance(data.get("segments"), list)
     and ("text" in data or _all(data["segments"], "text")), "Whisper", _whisper),
    (lambda data: isinstance(data, dict) and isinstance(data.get("transcription"), list), "whisper.cpp", _whisper_cpp),
    (lambda data: isinstance(data, dict) and isinstance(data.get("results"), dict)
     and isinstance(data["results"].get("items"), list), "Amazon Transcribe", _amazon),
    (lambda data: isinstance(data, dict) and isinstance(data.get("results"), list)
     and any("alternatives" in entry for entry in data["results"] if isinstance(entry, dict)),
     "Google Speech-to-Text", _google),
    (lambda data: isinstance(data, dict) and isinstance(data.get("recognizedPhrases"), list), "Azure Speech", _azure),
    (lambda data: _all(data, "RecognitionStatus", "Offset"), "Azure Speech", _azure),
    (lambda data: isinstance(data, list) and _all(data, "start", "end", "text"), "faster-whisper", _whisper),
    (lambda data: _all(data, "b", "d", "w"), "pocketsphinx", _sphinx),
    (lambda data: _all(data, "text") and any("result" in entry for entry in _entries(data)), "Vosk", _vosk),
)  # fmt: skip
