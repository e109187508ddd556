"""Sound, video, metadata and transcripts are read within bounds; what is cut off or damaged is said with its second.

All recordings are generated here (FFmpeg's own encoders through PyAV, speech by flite); all words are made up.
"""

import io
import json
import math
import shutil
import struct
import subprocess
from array import array
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_kit import from_here, high_water, measured
from PIL import Image

from amparo.evidence import frames, kinds, sandbox, speech
from amparo.evidence.findings import Chunk, Data, Facts, Finding, Hints, Member, MemberEnd, Text, Unreadable, Warn
from amparo.evidence.readers import media, metadata, transcript
from amparo.evidence.sandbox import Sandbox

EXIFTOOL = pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")


def found(reader: ModuleType, data: bytes, media_type: str = "", **options: object) -> list[Finding]:
    return list(reader.read(io.BytesIO(data), Hints(media_type=media_type, size=len(data), options=dict(options))))


def facts(findings: list[Finding], kind: str) -> Data:
    return next(finding.data for finding in findings if isinstance(finding, Facts) and finding.kind == kind)


def warnings(findings: list[Finding]) -> str:
    return "\n".join(finding.sentence for finding in findings if isinstance(finding, Warn))


def texts(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.locator, finding.text) for finding in findings if isinstance(finding, Text)]


def files(findings: list[Finding]) -> list[tuple[Member, bytes]]:
    out: list[tuple[Member, bytes]] = []
    for finding in findings:
        if isinstance(finding, Member):
            out.append((finding, b""))
        elif isinstance(finding, Chunk):
            out[-1] = (out[-1][0], out[-1][1] + finding.data)
    return out


def recording(
    seconds: int = 4, rate: int = 10, kind: str = "mp4", pauses: tuple[int, ...] = (), movflags: str = "", rotation: int = 0
) -> bytes:
    """A video whose colour says its frame, with a tone whose loudness grows by the second. ``pauses``: frames left out."""
    out = io.BytesIO()
    options = {"movflags": movflags} if movflags else {}
    with av.open(out, "w", format=kind, options=options) as container:
        container.metadata["creation_time"] = "2017-03-28T14:05:00Z"
        container.metadata["title"] = "made up"
        picture: Any = container.add_stream("mpeg4", rate=rate)
        picture.width, picture.height, picture.pix_fmt, picture.gop_size = 64, 48, "yuv420p", rate
        sound: Any = container.add_stream("aac", rate=16000)
        sound.layout = "mono"
        for number in range(seconds * rate):
            if number in pauses:
                continue
            image = Image.new("RGB", (64, 48), (number * 255 // (seconds * rate), 100, 50))
            frame = av.VideoFrame.from_image(image)  # type: ignore[no-untyped-call]
            frame.pts = number
            container.mux(picture.encode(frame))
        for start in range(0, seconds * 16000, 1024):
            count = min(1024, seconds * 16000 - start)
            loud = 8000 * (1 + start // 16000)
            wave = array("h", (int(min(loud, 32000) * math.sin((start + step) * 0.17)) for step in range(count)))
            samples = av.AudioFrame(format="s16", layout="mono", samples=count)
            samples.planes[0].update(wave.tobytes())
            samples.sample_rate, samples.pts = 16000, start
            container.mux(sound.encode(samples))
        container.mux(picture.encode(None))
        container.mux(sound.encode(None))
    data = out.getvalue()
    if rotation:  # the matrix of the first track header (ISO/IEC 14496-12 §8.3.2)
        at = data.index(b"tkhd") + 4 + 40
        turned = struct.pack(">9l", 0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
        data = data[:at] + turned + data[at + 36 :]
    return data


@pytest.fixture(scope="module")
def whole() -> bytes:
    return recording()


# -- sound and video ----------------------------------------------------------------------------------------------------------


def test_a_recordings_claims_and_what_was_measured_stand_side_by_side(whole: bytes) -> None:
    """Container, codecs, sizes, rates, times, tags; and first and last second, packets and frame rate as counted."""
    told = facts(found(media, whole), "media")
    assert told["seconds"] == 4.0 and told["tags"]["title"] == "made up" and told["complete"] is True
    assert told["tags"]["creation_time"].startswith("2017-03-28T14:05:00")
    picture, sound = told["streams"]
    assert (picture["codec"], picture["width"], picture["height"], picture["packets"]) == ("mpeg4", 64, 48, 40)
    assert (picture["first"], picture["end"], picture["measured_rate"], picture["variable_rate"]) == (0.0, 4.0, 10.0, False)
    assert (sound["codec"], sound["sample_rate"], sound["channels"]) == ("aac", 16000, 1)


def test_a_variable_frame_rate_and_a_gap_are_seen() -> None:
    """Frames left out here and there make the rate variable; three seconds without any are a gap with its times."""
    findings = found(media, recording(8, pauses=(3, 4, 9, 17, 18, *range(40, 70)), kind="matroska"))
    assert facts(findings, "media")["streams"][0]["variable_rate"] is True
    assert "nothing between 00:00:03.900 and 00:00:07.000" in warnings(findings)


def test_stills_are_bounded_spread_evenly_and_show_their_second(whole: bytes) -> None:
    """Not more than asked for, from the beginning to the end, each the picture of its second."""
    stills = [(member, data) for member, data in files(found(media, whole, stills=3)) if member.relation == "still"]
    assert len(stills) == 3 and stills[0][0].path == "00:00:00.000"
    seconds = [float(member.path[-6:]) for member, _data in stills]
    assert seconds == sorted(seconds) and seconds[-1] > 1
    for second, (_member, data) in zip(seconds, stills, strict=True):
        with Image.open(io.BytesIO(data)) as image:
            assert image.size == (64, 48) and abs(image.convert("RGB").getpixel((30, 20))[0] - second * 10 * 255 / 40) < 12  # type: ignore[index]
    assert not [member for member, _data in files(found(media, whole, stills=0))]


def test_a_recording_held_upright_gives_upright_stills() -> None:
    """The rotation in the track's matrix turns the stills, and the facts say by how much."""
    findings = found(media, recording(2, rotation=90), stills=1)
    with Image.open(io.BytesIO(files(findings)[0][1])) as image:
        assert image.size == (48, 64)
    assert abs(facts(findings, "rotation")["degrees"]) == 90


def test_the_waveform_is_bounded_and_follows_the_sound(whole: bytes) -> None:
    """Peaks are at most two thousand, cover the length, and grow where the tone grows."""
    told = facts(found(media, whole), "waveform")
    assert len(told["peaks"]) * told["seconds_per_peak"] == pytest.approx(4, abs=0.2)
    per = round(1 / told["seconds_per_peak"])
    assert told["peaks"][per // 2] < told["peaks"][per + per // 2] < told["peaks"][2 * per + per // 2] < 1000
    peaks = media._Peaks()
    frame = av.AudioFrame(format="s16", layout="mono", samples=8000)
    frame.sample_rate = 8000
    frame.planes[0].update(array("h", [1000] * 8000).tobytes())
    for second in range(600):
        frame.pts = second * 8000
        peaks.add(frame)
    long = peaks.facts().data
    assert 1000 <= len(long["peaks"]) <= 2000 and len(long["peaks"]) * long["seconds_per_peak"] == pytest.approx(600, rel=0.01)


def test_a_recording_that_is_cut_off_says_at_which_second() -> None:
    """A file cut in its middle, whose header promises four seconds, ends at the second where its data end."""
    data = recording(kind="matroska")
    assert "claims to last 00:00:04" in warnings(found(media, data[: len(data) // 2]))
    assert "its data end at 00:00:0" in warnings(found(media, data[: len(data) // 2]))
    fragments = recording(movflags="frag_keyframe+empty_moov")
    assert "damaged or incomplete" in warnings(found(media, fragments[: len(fragments) // 2]))


def test_a_recording_without_its_index_is_refused_with_the_reason(whole: bytes) -> None:
    """A phone that died while filming leaves no index: the sentence says so."""
    with pytest.raises(Unreadable, match="lack its index"):
        found(media, whole[: len(whole) // 2])


def test_damaged_sound_is_told_with_its_second(whole: bytes) -> None:
    """Bytes overwritten in the middle of the sound: packets that cannot be decoded are counted and placed, the rest is read."""
    start = whole.index(b"mdat")
    middle = start + (len(whole) - start) // 2
    findings = found(media, whole[:middle] + b"\xff" * 600 + whole[middle + 600 :])
    assert "cannot be decoded" in warnings(findings) and len(facts(findings, "waveform")["peaks"]) > 60


@pytest.mark.parametrize(
    "data",
    [
        b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{secret}\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile '{secret}'\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5000 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        b"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><Period><BaseURL>file://{secret}</BaseURL></Period></MPD>",
    ],
    ids=["playlist", "concatenation", "session description", "DASH"],
)
def test_a_file_that_points_elsewhere_opens_nothing(data: bytes, tmp_path: Path, whole: bytes) -> None:
    """Playlists and the like, by which FFmpeg could be made to read other files or the network, are not formats here."""
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(whole)
    with pytest.raises(Unreadable):
        found(media, data.replace(b"{secret}", str(secret).encode()))


def test_the_cover_of_a_sound_file_comes_out() -> None:
    """The picture that a FLAC file carries (RFC 9639 §8.8) is a member, byte for byte."""
    out, cover = io.BytesIO(), jpeg((16, 12))
    with av.open(out, "w", format="flac") as container:
        stream: Any = container.add_stream("flac", rate=16000)
        stream.layout = "mono"
        frame = av.AudioFrame(format="s16", layout="mono", samples=4000)
        frame.sample_rate = 16000
        frame.planes[0].update(bytes(8000))
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = out.getvalue()
    block = struct.pack(">LL", 3, 10) + b"image/jpeg" + struct.pack(">LLLLLL", 0, 16, 12, 24, 0, len(cover)) + cover
    at = 4 + 4 + 34  # after the stream's own description, which must come first
    data = data[:at] + b"\x06" + len(block).to_bytes(3, "big") + block + data[at:]
    findings = found(media, data)
    assert [(member.media_type, content) for member, content in files(findings)] == [("image/jpeg", cover)]


def test_a_subtitle_track_comes_out() -> None:
    """The words of a subtitle track inside a video are text with their times."""
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as container:
        words: Any = container.add_stream("ass")
        words.codec_context.subtitle_header = (
            b"[Script Info]\nScriptType: v4.00+\n[Events]\nFormat: Layer, Start, End, Style, Text\n"
        )
        packet = av.Packet(b"0,0,Default,,0,0,0,,made up words")
        packet.stream, packet.pts, packet.dts, packet.duration, packet.time_base = (
            words,
            1000,
            1000,
            1500,
            Fraction(1, 1000),
        )
        container.mux_one(packet)
    assert texts(found(media, out.getvalue())) == [("00:00:01.000-00:00:02.500, subtitle track 0", "made up words")]


def test_sound_alone_is_handed_to_recognisers_as_samples(whole: bytes) -> None:
    """One channel of 16-bit samples at 16 kHz, as long as the recording."""
    findings = found(media, whole, want="sound")
    member, samples = files(findings)[0]
    assert member.relation == "rendered" and "rate=16000" in member.media_type
    assert len(samples) / 2 / 16000 == pytest.approx(4, abs=0.1)
    with pytest.raises(Unreadable, match="no sound"):
        found(media, gif(), want="sound")


def gif() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "GIF", save_all=True, append_images=[Image.new("RGB", (8, 8), (9, 9, 9))])
    return out.getvalue()


class Wave(io.RawIOBase):
    """A WAV file of silence, made as it is read."""

    def __init__(self, size: int) -> None:
        self.head = speech.wave(b"")[:-4] + struct.pack("<L", size)
        self.size, self.at = size + len(self.head), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = {0: 0, 1: self.at, 2: self.size}[whence] + offset
        return self.at

    def readinto(self, buffer: Any) -> int:
        count = max(0, min(len(buffer), self.size - self.at))
        data = self.head[self.at : self.at + count]
        buffer[:count] = data + bytes(count - len(data))
        self.at += count
        return count


@measured
def test_memory_stays_flat_over_a_long_recording() -> None:
    """200 MB of sound (almost two hours) raise the peak of memory by less than 40 MiB."""
    list(media.read(io.BufferedReader(Wave(1 << 20)), Hints()))
    before = from_here()
    findings = list(media.read(io.BufferedReader(Wave(200 << 20)), Hints()))
    assert facts(findings, "media")["seconds"] > 6000 and high_water() - before < 40 << 20


# -- metadata -----------------------------------------------------------------------------------------------------------------


def jpeg(size: tuple[int, int] = (64, 48)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (200, 10, 10)).save(out, "JPEG")
    return out.getvalue()


def rational(*parts: int) -> bytes:
    return b"".join(struct.pack("<LL", part, 1) for part in parts)


def with_exif(thumbnail: bytes, latitude: bytes = b"N\0\0\0") -> bytes:
    """A JPEG with a place (43° 18' N, 45° 42' W), a maker and a thumbnail in its EXIF (CIPA DC-008)."""

    def ifd(at: int, entries: list[tuple[int, int, int, bytes]], after: int = 0) -> bytes:
        table, heap = struct.pack("<H", len(entries)), b""
        start = at + 2 + 12 * len(entries) + 4
        for tag, kind, count, value in entries:
            place = value if len(value) <= 4 else struct.pack("<L", start + len(heap))
            table += struct.pack("<HHL", tag, kind, count) + place.ljust(4, b"\0")
            heap += value if len(value) > 4 else b""
        return table + struct.pack("<L", after) + heap

    gps_at, first_at = 200, 400
    gps = ifd(gps_at, [(1, 2, 2, latitude), (2, 5, 3, rational(43, 18, 0)), (3, 2, 2, b"W\0"), (4, 5, 3, rational(45, 42, 0))])
    first = ifd(first_at, [(513, 4, 1, struct.pack("<L", 600)), (514, 4, 1, struct.pack("<L", len(thumbnail)))])
    main = ifd(8, [(271, 2, 8, b"Made up\0"), (0x8825, 4, 1, struct.pack("<L", gps_at))], first_at)
    tiff = (b"II*\0" + struct.pack("<L", 8) + main).ljust(gps_at, b"\0")
    tiff = (tiff + gps).ljust(first_at, b"\0")
    tiff = (tiff + first).ljust(600, b"\0") + thumbnail
    segment = b"Exif\0\0" + tiff
    data = jpeg()
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:]


@EXIFTOOL
def test_exiftool_tells_groups_a_place_as_numbers_and_the_thumbnail() -> None:
    """Groups are kept, the place is signed degrees with a warning, and the thumbnail comes out as it lies in the file."""
    thumbnail = jpeg((16, 12))
    findings = found(metadata, with_exif(thumbnail), "image/jpeg")
    told = facts(findings, "metadata")
    assert told["groups"]["IFD0"]["Make"] == "Made up" and told["by"].startswith("exiftool") and "System" not in told["groups"]
    place = facts(findings, "location")["places"][0]
    assert (place["latitude"], place["longitude"]) == (43.3, -45.7)
    assert "GPS" in warnings(findings) and "43.3" not in warnings(findings)
    assert [(member.name, data) for member, data in files(findings)] == [("ThumbnailImage.jpg", thumbnail)]


def test_without_exiftool_pillow_tells_a_part_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same place and thumbnail, and a sentence that names what to install."""
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    thumbnail = jpeg((16, 12))
    findings = found(metadata, with_exif(thumbnail), "image/jpeg")
    place = facts(findings, "location")["places"][0]
    assert (place["latitude"], place["longitude"]) == (43.3, -45.7)
    assert "Without exiftool" in warnings(findings) and files(findings)[0][1] == thumbnail
    with pytest.raises(Unreadable):
        found(metadata, b"junk" * 20, "image/jpeg")


@EXIFTOOL
@pytest.mark.parametrize("latitude", [b"S\0\0\0", b"N\0\0\0", b"X\0\0\0"])
def test_both_ways_of_reading_agree_on_the_sign_of_a_place(latitude: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """North, south, and a letter that is neither: exiftool and Pillow give the same degrees."""
    data = with_exif(jpeg((16, 12)), latitude)
    first = facts(found(metadata, data, "image/jpeg"), "location")["places"][0]["latitude"]
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert facts(found(metadata, data, "image/jpeg"), "location")["places"][0]["latitude"] == first


@EXIFTOOL
def test_of_a_large_video_exiftool_gets_the_boxes_that_hold_metadata(whole: bytes) -> None:
    """70 MiB of samples before the index: times and title are read, and what was left out is said."""
    at = whole.index(b"mdat") - 4
    size = struct.unpack_from(">L", whole, at)[0]
    pad = 70 << 20
    large = whole[:at] + struct.pack(">L", size + pad) + whole[at + 4 : at + size] + bytes(pad) + whole[at + size :]
    findings = found(metadata, large, "video/mp4")
    told = facts(findings, "metadata")["groups"]
    assert told["QuickTime"]["CreateDate"] == "2017:03:28 14:05:00" and "made up" in json.dumps(told)
    assert "64 MiB" in warnings(findings)


@EXIFTOOL
@pytest.mark.parametrize("data", [b"", b"junk" * 100, jpeg()[:200], b"\xff\xd8\xff\xe1\xff\xff", b"II*\0" + b"\xff" * 300])
def test_metadata_of_damaged_files_break_nothing(data: bytes) -> None:
    """Empty, foreign, cut and absurd files give facts or one sentence."""
    try:
        assert facts(found(metadata, data, "image/jpeg"), "metadata")["groups"]
    except Unreadable as error:
        assert 20 < len(str(error)) < 300


# -- transcripts --------------------------------------------------------------------------------------------------------------


def test_subrip_is_read_with_times_and_faults_named_by_line() -> None:
    """Two lines of one cue, tags taken away; a time that is none is named with its line and its words are kept."""
    findings = found(transcript, (
        "\ufeff1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>Привет</i>\r\nмир\r\n\r\n"
        "2\r\n00:00:99,000 --> 00:00:03,000\r\nlost\r\n\r\n"
        "3\r\n00:00:05,0 -> 00:00:04,0\r\nbackward\r\n4\r\n00:00:06,000 --> 00:00:07,000\r\n4\r\n"
    ).encode())  # fmt: skip
    assert texts(findings) == [
        ("00:00:01.000-00:00:02.500", "Привет\nмир"), ("cue 2, time unknown", "lost"),
        ("00:00:05.000-00:00:04.000", "backward"), ("00:00:06.000-00:00:07.000", "4"),
    ]  # fmt: skip
    assert "Line 7" in warnings(findings) and "ends before it begins" in warnings(findings)


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "cp1251", "koi8-r"])
def test_subtitles_of_old_encodings_are_readable(coding: str) -> None:
    """The encodings that Russian subtitles come in."""
    text = "1\n00:00:01,000 --> 00:00:02,000\nЕго увезли ночью, и никто не знает куда\n"
    assert texts(found(transcript, text.encode(coding)))[0][1] == "Его увезли ночью, и никто не знает куда"


def test_webvtt_gives_speakers_and_leaves_notes_out() -> None:
    """A voice tag is the speaker; notes, styles and settings of a cue are no words."""
    findings = found(transcript, (
        b"WEBVTT - made up\nKind: captions\n\nNOTE a note\nof two lines\n\nSTYLE\n::cue { color: red }\n\nintro\n"
        b"01:02.000 --> 01:05.500 align:start\n<v V-001>Hello &amp; <c.loud>you</c>\n\n00:01:06.000 --> 00:01:07.000\n- again\n"
    ))  # fmt: skip
    assert texts(findings) == [("00:01:02.000-00:01:05.500, V-001", "Hello & you"), ("00:01:06.000-00:01:07.000", "- again")]
    assert facts(findings, "transcript")["speakers"] == ["V-001"] and not warnings(findings)


def test_ttml_gives_paragraphs_in_every_form_of_time() -> None:
    """Clock times, frames, ticks and durations; an entity that would read a file stays unread."""
    findings = found(transcript, (
        b"<?xml version='1.0'?><!DOCTYPE tt [<!ENTITY x SYSTEM 'file:///etc/hostname'>]>"
        b"<tt xmlns='http://www.w3.org/ns/ttml' xmlns:p='http://www.w3.org/ns/ttml#parameter' p:frameRate='25' p:tickRate='10'>"
        b"<body><div><p begin='00:00:01.5' dur='2s'>one<br/>two <span>three</span></p>"
        b"<p begin='00:00:02:05' end='90t'>&x;four</p><p begin='soon'>five</p></div></body></tt>"
    ))  # fmt: skip
    assert texts(findings) == [
        ("00:00:01.500-00:00:03.500", "one\ntwo three"), ("00:00:02.200-00:00:09.000", "four"), ("cue 3, time unknown", "five"),
    ]  # fmt: skip
    assert "paragraph 3" in warnings(findings)


FORMS: dict[str, Any] = {
    "Whisper": {"text": "hi", "segments": [{"start": 1, "end": 2.5, "text": " hi", "avg_logprob": -0.1, "speaker": "V-001"}]},
    "faster-whisper": [{"start": 1, "end": 2.5, "text": "hi", "avg_logprob": -0.1, "speaker": "V-001"}],
    "whisper.cpp": {"transcription": [{"offsets": {"from": 1000, "to": 2500}, "text": " hi", "speaker": "V-001",
                                       "tokens": [{"text": "hi", "p": 0.9}, {"text": "[_TT_1]", "p": 0.1}]}]},
    "Vosk": {"result": [{"conf": 0.9, "start": 1.0, "end": 2.5, "word": "hi"}], "text": "hi"},
    "pocketsphinx": {"b": 1.0, "d": 1.5, "p": 0.9, "t": "hi", "w": [{"b": 1.0, "d": 1.5, "p": 0.9, "t": "hi(2)"}]},
    "Amazon Transcribe": {"results": {"items": [
        {"start_time": "1.0", "end_time": "2.5", "type": "pronunciation", "speaker_label": "V-001",
         "alternatives": [{"confidence": "0.9", "content": "hi"}]}]}},
    "Google Speech-to-Text": {"results": [{"alternatives": [{"transcript": "hi", "confidence": 0.9, "words": [
        {"startTime": "1s", "endTime": "2.500s", "word": "hi", "speakerTag": "V-001"}]}]}]},
    "Azure Speech": {"source": "x", "combinedRecognizedPhrases": [], "recognizedPhrases": [
        {"recognitionStatus": "Success", "speaker": "V-001", "offsetInTicks": 10000000.0, "durationInTicks": 15000000.0,
         "nBest": [{"confidence": 0.9, "lexical": "hi", "display": "hi"}]}]},
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_the_json_of_common_recognisers_is_known(form: str) -> None:
    """Times, words, speaker where there is one, and confidence, whichever recogniser wrote it."""
    findings = found(transcript, json.dumps(FORMS[form]).encode())
    (where, text), told = texts(findings)[0], facts(findings, "transcript")
    assert where.startswith("00:00:01.000-00:00:02.500") and text == "hi" and told["format"] == form
    assert told["confidence"][0]["confidence"] == pytest.approx(0.9, abs=0.01)


LONG = "made-up words " * 1000
AS_WRITTEN: dict[str, bytes] = {
    "Whisper": json.dumps({"text": LONG, "segments": [{"start": 1, "end": 2.5, "text": " hi"}], "language": "en"}).encode(),
    "faster-whisper": json.dumps([{"id": 0, "seek": 0, "start": 1, "end": 2.5, "text": " hi"}], indent=2).encode(),
    "pocketsphinx": json.dumps(FORMS["pocketsphinx"]).encode(),
    "Amazon Transcribe": json.dumps({"jobName": "made-up", "accountId": "0", "results": {"transcripts": [{"transcript": LONG}],
                                     **FORMS["Amazon Transcribe"]["results"]}, "status": "COMPLETED"}).encode(),
    "Google Speech-to-Text": json.dumps(FORMS["Google Speech-to-Text"], indent=1).encode(),
    "Azure Speech": json.dumps({"RecognitionStatus": "Success", "Offset": 10000000, "Duration": 15000000, "DisplayText": "hi",
                                "NBest": [{"Confidence": 0.9, "Display": "hi"}]}).encode(),
}  # fmt: skip


@pytest.mark.parametrize("form", AS_WRITTEN)
def test_a_transcript_is_sent_to_its_reader_as_its_recogniser_writes_it(form: str) -> None:
    """Long text before the segments, other names before the results: the type by its first bytes leads to this reader."""
    data = AS_WRITTEN[form]
    kind = kinds.media_type(data, "words.json")
    assert "transcript" in sandbox.readers_for(kind)
    findings = list(transcript.read(io.BytesIO(data), Hints("words.json", kind, len(data))))
    assert ("00:00:01.000-00:00:02.500", "hi") in [(where[:25], text) for where, text in texts(findings)]
    assert facts(findings, "transcript")["format"] == form


@pytest.mark.parametrize("data", [b'{"results": [{"id": 1}]}', b'{"a": [1, 2', b"[]", b'{"text": "made up"}', b"[" * 100_000])
def test_other_json_is_passed_over_in_silence(data: bytes) -> None:
    """JSON that is no transcript draws no warning from this reader: others read it."""
    assert list(transcript.read(io.BytesIO(data), Hints("x.json", "application/json", len(data)))) == []


@pytest.mark.parametrize("lines", [
    "٢٨\u200f/٣\u200f/٢٠١٧، ١٤:٠٥ - V-001: made up\n٢٨\u200f/٣\u200f/٢٠١٧، ١٤:٠٦ - V-002: made up\n",
    "28. 3. 2017 14:05 - V-001: made up\n28. 3. 2017 14:06 - V-002: made up\n",
    "[28.03.17, 14:05:09] V-001: made up\n\u200e[28.03.17, 14:06:09] V-002: made up\n",
    "3/28/17, 2:05\u202fPM - V-001: made up\n3/28/17, 2:06\u202fPM — V-002: made up\n",
])  # fmt: skip
def test_a_chat_of_whatsapp_is_known_in_every_script(lines: str) -> None:
    """Arabic digits with marks of direction between them, dates with spaces, long dashes: sent to WhatsApp's reader."""
    assert kinds.media_type(lines.encode(), "chat.txt") == "text/x-whatsapp-chat"


def test_attack_a_cue_of_a_million_lines_costs_its_length() -> None:
    """One cue with very many short lines is read within ten processor seconds, and its words are cut at their cap."""
    data = b"1\n00:00:01,000 --> 00:00:02,000\n" + b"a\n" * 2_000_000
    findings = list(sandbox.read("transcript", io.BytesIO(data), Hints(), sandbox.Limits(cpu=10)))
    assert 1 << 19 < sum(len(text) for _where, text in texts(findings)) < 2 << 20


@pytest.mark.parametrize(
    "data", [b"hello", b"{}", b"[]", b'{"segments": [{}]}', b'{"segments": 1', b"[" * 100_000, b"<tt/>", b"WEBVTT"]
)
def test_what_is_no_transcript_is_refused(data: bytes) -> None:
    """Text, JSON and XML without a cue are refused in a sentence."""
    with pytest.raises(Unreadable):
        found(transcript, data)


# -- speech -------------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed (it speaks the words of the test)")
def test_pocketsphinx_hears_words_spoken_by_a_machine() -> None:
    """A real recogniser on synthetic speech: nearly all words, times, confidence, the hash of the model; twice the same."""
    pytest.importorskip("pocketsphinx", reason="pocketsphinx is not installed")
    words = "the people came in the morning. they went to the city."
    command = ["flite", "-voice", "kal16", "-t", words, "-o", "/dev/stdout"]
    spoken = subprocess.run(command, capture_output=True, check=True).stdout
    by = speech.recogniser("pocketsphinx")
    findings = list(speech.transcript(by, speech.samples_of(found(media, spoken, want="sound")), "en"))
    heard = " ".join(text for _where, text in texts(findings)).split()
    assert len(set(heard) & set(words.replace(".", "").split())) >= 7
    told = facts(findings, "transcript")
    assert told["recogniser"] == "pocketsphinx" and len(told["model_sha256"]) == 64 and told["checked_by"] == ""
    assert all(0 <= entry["confidence"] <= 1 for entry in told["confidence"]) and told["confidence"]
    assert 2 < told["seconds"] < 5
    again = list(speech.transcript(by, speech.samples_of(found(media, spoken, want="sound")), "en"))
    assert texts(again) == texts(findings)


@pytest.mark.parametrize("name", [name for name in speech.KNOWN if name != "pocketsphinx"])
def test_a_recogniser_that_is_not_there_is_named_and_nothing_is_fetched(name: str, tmp_path: Path) -> None:
    """Without the package or program, or without a model, there is one sentence."""
    with pytest.raises((speech.NoRecogniser, speech.NoModel, speech.BadModel), match=name):
        speech.recogniser(name, tmp_path)
    with pytest.raises((speech.NoRecogniser, speech.NoModel), match=name):
        speech.recogniser(name)


def test_an_unknown_recogniser_and_a_missing_model_are_refused(tmp_path: Path) -> None:
    """The sentence lists what is known; a path without a model is not tried."""
    with pytest.raises(speech.UnknownRecogniser, match="vosk"):
        speech.recogniser("oracle")
    with pytest.raises(speech.NoModel):
        speech.recogniser("pocketsphinx", tmp_path / "nothing")


def test_lines_of_whisper_cpp_and_results_of_vosk_become_segments() -> None:
    """The forms in which two recognisers tell what they heard."""
    assert speech.whisper_line("[00:00:01.500 --> 00:01:02.000]   made up\n") == speech.Segment(1.5, 62.0, "made up")
    assert speech.whisper_line("whisper_init: loading") is None
    told = json.dumps({"result": [{"conf": 0.5, "start": 1, "end": 2, "word": "a"}], "text": "a"})
    assert list(speech.vosk_segments(told)) == [speech.Segment(1, 2, "a", 0.5)] and not list(
        speech.vosk_segments('{"text": ""}')
    )


def test_a_models_hash_changes_with_any_file_or_name(tmp_path: Path) -> None:
    """The digest of a folder covers paths and contents."""
    (tmp_path / "a").write_bytes(b"1")
    before = speech.digest_of(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert speech.digest_of(tmp_path) != before
    assert speech.digest_of(tmp_path / "b") == speech._file_digest(tmp_path / "b").hex()


def test_sound_that_breaks_off_is_no_whole_transcript() -> None:
    """A problem at the end of the samples is an error, not the end of the speech."""
    with pytest.raises(speech.SoundBroken, match="00:00:01"):
        list(speech.samples_of([Chunk(b"x"), MemberEnd("The sound breaks off at 00:00:01.")]))


# -- hostile bytes, and the sandbox -------------------------------------------------------------------------------------------

SEEDS: dict[str, tuple[ModuleType, bytes]] = {
    "srt": (transcript, "1\n00:00:01,000 --> 00:00:02,500\nПривет\n\n2\n00:00:03,000 --> 00:00:04,000\nx\n".encode()),
    "vtt": (transcript, b"WEBVTT\n\n01:02.000 --> 01:05.500\n<v V-001>Hello\n\nNOTE x\n"),
    "ttml": (transcript, b"<tt xmlns='http://www.w3.org/ns/ttml'><body><p begin='1s' end='2s'>a<br/>b</p></body></tt>"),
    **{form: (transcript, json.dumps(data).encode()) for form, data in FORMS.items()},
    "wav": (media, speech.wave(bytes(3200))), "mkv": (media, recording(1, kind="matroska")), "mp4": (media, recording(1)),
    "gif": (media, gif()),
}  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    name = draw(st.sampled_from(sorted(SEEDS)))
    data = bytearray(SEEDS[name][1])
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(("byte", "cut", "end", "words"))):
            case "byte" if data:
                data[at] = draw(st.integers(0, 255))
            case "cut":
                del data[at : at + draw(st.integers(1, 30))]
            case "end":
                del data[at:]
            case _:
                data[at:at] = draw(
                    st.sampled_from((b"\0" * 8, b"\xff" * 8, b"-->", b"1e999", b"null", b"-1", b"{", b"<p>", b"99:99:99"))
                )
    return name, bytes(data)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_no_mutation_breaks_a_reader_or_what_it_may_say(case: tuple[str, bytes]) -> None:
    """Changed files are read or refused in a sentence; the sandbox's other end takes every finding."""
    name, data = case
    try:
        findings = found(SEEDS[name][0], data, stills=1)
    except Unreadable as error:
        assert 20 < len(str(error)) < 600
        return
    for finding in findings:
        if not isinstance(finding, Chunk):
            frames.findings_of(
                json.dumps([frames.pack(finding)], ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
            )


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


@EXIFTOOL
def test_the_readers_say_the_same_inside_the_sandbox(box: Sandbox, whole: bytes) -> None:
    """Sound, video, transcripts, and exiftool as a program, in the jail as outside of it."""
    cases = [(SEEDS[name][0], SEEDS[name][1], "") for name in ("srt", "ttml", "Vosk", "wav")]
    cases += [(media, whole, "video/mp4"), (metadata, with_exif(jpeg((16, 12))), "image/jpeg")]
    for module, data, kind in cases:
        hints = Hints(media_type=kind, size=len(data))
        inside = list(box.read(module.__name__.rpartition(".")[2], io.BytesIO(data), hints))
        outside = list(module.read(io.BytesIO(data), hints))
        assert texts(inside) == texts(outside) and files(inside) == files(outside)
        assert [entry for entry in inside if isinstance(entry, Facts)] == [
            entry for entry in outside if isinstance(entry, Facts)
        ]
