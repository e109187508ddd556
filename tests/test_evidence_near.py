"""Near-duplicates: copies are found whatever was done to them, others are not, and hostile files cost no more than allowed.

Every picture, text and sound here is made up by the test.
"""

import io
import random
import struct
import wave
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from cli_kit import Shell
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from amparo.app import evidence, evidence_near, evidence_read, opening, people
from amparo.app.session import Session
from amparo.evidence import near
from amparo.evidence.findings import Fingerprint, Hints
from amparo.evidence.readers import fingerprint_sound, pdq
from amparo.evidence.sandbox import (
    FileUnreadable,
    ReaderCrashed,
    ReaderTookTooLong,
    ReaderTooLarge,
    Sandbox,
)
from amparo.record.items import Fact, Piece, Print
from amparo.vault.slots import Cost, Passphrase

SECRETS = Passphrase("a made-up passphrase"), Passphrase("another made-up one")
PINNED = ("9bae33aa73ae62aa5526a56749669a64e66e8ccc33cece1c307ccff83800c3d8", 100)
SIGNED = "bf320200614102003d0004000f2d0000"
REFUSED = (FileUnreadable, ReaderCrashed, ReaderTooLarge, ReaderTookTooLong)
SMALL: dict[str, bytes] = {}
"""Files that are mutated, made once."""
TURNED = [
    None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.ROTATE_180,
    Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE,
]  # fmt: skip


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    opening.create(tmp_path / "case", *SECRETS, cost=Cost(64, 1, 1))
    rings = [opening.read_ring(tmp_path / "case", kind, p) for kind, p in zip(("everyday", "identities"), SECRETS, strict=True)]
    with Session(tmp_path / "case", rings) as opened:
        yield opened


def scene(seed: int, width: int = 640, height: int = 480) -> Image.Image:
    """Clouds with ellipses on them."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8), dtype=np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    fine = Image.fromarray(rng.integers(0, 256, (24, 32), dtype=np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    picture = Image.blend(coarse, fine, 0.3).convert("RGB")
    draw = ImageDraw.Draw(picture)
    for _ellipse in range(6):
        x, y, size = (int(rng.integers(*span)) for span in ((0, width), (0, height), (width // 30, width // 5)))
        draw.ellipse(
            [x - size, y - size // 2, x + size, y + size // 2], fill=tuple(int(part) for part in rng.integers(0, 256, 3))
        )
    return picture


def saved(picture: Image.Image, form: str = "JPEG", **more: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **more)
    return out.getvalue()


def taken(box: Sandbox, reader: str, data: bytes) -> list[Fingerprint]:
    return [one for one in box.read(reader, io.BytesIO(data), Hints()) if isinstance(one, Fingerprint)]


def seen(box: Sandbox, picture: Image.Image, quality: int = 75) -> Fingerprint:
    [found] = taken(box, "fingerprint_picture", saved(picture, quality=quality))
    return found


def nearest(one: bytes, other: bytes) -> near.Found:
    index = near.Pictures()
    index.add("D-0001", "", other)
    return index.near(one, 255)[0]


def melody(seed: int, seconds: int, rate: int = 22_050) -> NDArray[np.int16]:
    rng, clock = np.random.default_rng(seed), np.arange(rate // 4) / rate
    tones = [sum(np.sin(2 * np.pi * pitch * clock) for pitch in rng.uniform(100, 2000, 3)) for _ in range(4 * seconds)]
    return (np.concatenate(tones) * 8000).astype(np.int16)


def wav(data: NDArray[np.int16], rate: int = 22_050) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(data.astype("<i2").tobytes())
    return out.getvalue()


def encoded(data: NDArray[np.int16], form: str, codec: str, rate: int, bit_rate: int = 24_000) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=form) as container:
        stream: Any = container.add_stream(codec, rate=rate, layout="mono", bit_rate=bit_rate)
        frame = av.AudioFrame.from_ndarray(data.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = 22_050, Fraction(1, 22_050), 0
        resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=rate)
        for one in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(one))
        container.mux(stream.encode(None))
    return out.getvalue()


def video_frame(picture: Image.Image) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.asarray(picture.convert("RGB")), format="rgb24")


def film(
    seeds: list[int], form: str = "matroska", codec: str = "mpeg4", size: tuple[int, int] = (320, 240), **more: Any
) -> bytes:
    """Two seconds of each scene, at five frames a second, slowly moving."""
    out = io.BytesIO()
    with av.open(out, "w", format=form) as container:
        stream: Any = container.add_stream(codec, rate=5)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.bit_rate = more.get("bit_rate", 800_000)
        for number, seed in enumerate(seeds):
            whole = scene(seed, 400, 300)
            for step in range(10):
                shot = whole.crop((4 * step, 2 * step, 320 + 4 * step, 240 + 2 * step)).resize(size)
                frame = video_frame(shot)
                frame.pts = 10 * number + step
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


@pytest.fixture(scope="module")
def chromaprint() -> None:
    if fingerprint_sound.LIBRARY is None:
        pytest.skip("Chromaprint is not installed (on Debian: libchromaprint1)")


# -- pictures ---------------------------------------------------------------------------------------------------------------


def test_hashes_are_those_of_the_reference_implementation() -> None:
    """On pictures of many shapes bits and quality equal those of Facebook's own PDQ; one is pinned, so that it stays so."""
    rows, columns = np.mgrid[:300, :400]
    bits, quality = pdq.hashes((columns * columns // 300 + rows * columns // 90 + rows) % 256.0)
    assert (bits[:32].hex(), quality) == PINNED
    reference = pytest.importorskip("pdqhash", reason="the reference implementation of PDQ is not installed")
    for seed, (width, height) in enumerate([(640, 480), (512, 384), (97, 301), (64, 64), (33, 40), (1000, 700)]):
        rgb = np.asarray(scene(seed, width, height))
        bits, quality = pdq.hashes(rgb.astype(np.float64) @ (0.299, 0.587, 0.114))
        vector, theirs = reference.compute(rgb)
        assert abs(quality - theirs) <= 1
        assert (int.from_bytes(bits[:32]) ^ int("".join(map(str, vector)), 2)).bit_count() <= 2


@pytest.mark.parametrize("turn", range(8))
@pytest.mark.parametrize("size", [(640, 480), (512, 384), (97, 301), (200, 200)])
def test_the_eight_variants_are_the_hashes_of_the_turned_picture(turn: int, size: tuple[int, int]) -> None:
    """Each variant is the hash of the picture that was really turned or mirrored, but for few bits where a small one ends."""
    picture = scene(3, *size).convert("L")
    how = TURNED[turn]
    turned = picture.transpose(how) if how is not None else picture
    ours, theirs = (pdq.hashes(np.asarray(one, np.float64))[0] for one in (picture, turned))
    found = nearest(ours, theirs)
    assert found.turn == turn and found.bits <= (8 if size == (200, 200) else 0)
    back = nearest(theirs, ours)
    assert back.turn == {5: 6, 6: 5}.get(turn, turn) and back.bits <= 8


@pytest.mark.parametrize("name", ["anew", "smaller", "JPEG 40", "grey", "stretched", "cropped", "mirrored", "turned", "PNG"])
def test_a_changed_copy_of_a_picture_is_found(box: Sandbox, name: str) -> None:
    """Scaling, strong compression, grey, another aspect, a crop of 2 %, mirroring and turning stay within 31 bits."""
    for seed in range(3):
        picture = scene(seed, 1280, 960)
        changed = {
            "anew": picture, "smaller": picture.resize((320, 240)), "JPEG 40": picture, "grey": picture.convert("L"),
            "stretched": picture.resize((1280, 720)), "cropped": picture.crop((12, 9, 1267, 950)), "PNG": picture,
            "mirrored": picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((640, 480)),
            "turned": picture.transpose(Image.Transpose.ROTATE_270).resize((600, 800)),
        }[name]  # fmt: skip
        if name == "PNG":
            [copy] = taken(box, "fingerprint_picture", saved(changed, "PNG"))
        else:
            copy = seen(box, changed, 40 if name in ("JPEG 40", "smaller") else 80)
        found = nearest(seen(box, picture, 95).bits, copy.bits)
        assert found.bits <= near.MOST_BITS
        assert found.turn == {"mirrored": 1, "turned": 6}.get(name, 0)


def test_the_orientation_that_a_camera_notes_is_followed(box: Sandbox) -> None:
    """A picture stored lying down with an EXIF orientation has the fingerprint of the picture as it is shown."""
    picture = scene(5)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right
    lying = saved(picture.transpose(Image.Transpose.ROTATE_90), exif=exif)
    [noted] = taken(box, "fingerprint_picture", lying)
    found = nearest(seen(box, picture).bits, noted.bits)
    assert found.turn == 0 and found.bits <= 12


def test_unrelated_pictures_are_never_taken_for_one(box: Sandbox) -> None:
    """Of 10,000 pairs of different scenes, each in all eight variants, none is within 31 bits."""
    prints = [pdq.hashes(np.asarray(scene(seed, 160, 120).convert("L"), np.float64)) for seed in range(142)]
    index = near.Pictures()
    for number, (bits, quality) in enumerate(prints):
        assert quality >= near.LEAST_QUALITY
        index.add(f"D-{number:04d}", "", bits)
    assert sum(len(prints) - row - 1 for row in range(len(prints))) > 10_000
    assert [found for row, (bits, _q) in enumerate(prints) for found in index.near(bits, first=row + 1)] == []


def test_plain_pictures_and_icons_are_not_compared(box: Sandbox) -> None:
    """One colour and a smooth gradient have a quality under 50; a picture of 16 pixels has no fingerprint at all."""
    ramp = Image.fromarray(np.tile(np.linspace(90, 140, 640).astype(np.uint8), (480, 1)))
    for plain in (Image.new("RGB", (640, 480), "grey"), ramp):
        assert seen(box, plain).quality < near.LEAST_QUALITY
    assert taken(box, "fingerprint_picture", saved(scene(1, 16, 16), "PNG")) == []


def test_a_negative_is_not_a_copy() -> None:
    """All 256 bits differ, which must not be counted as none."""
    bits = bytes(range(32))
    opposite = bytes(255 - byte for byte in bits)
    index = near.Pictures()
    index.add("D-0001", "", opposite)
    assert index.near(bits) == [] and index.near(bits, 255) == [] and index.near(opposite) == [near.Found(0, 0, 0)]


HASHES = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40)


def apart(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


@given(HASHES, st.lists(st.tuples(st.integers(0, 39), st.sets(st.integers(0, 255), max_size=40)), max_size=8), st.data())
def test_the_search_equals_comparing_one_by_one(
    hashes: list[bytes], planted: list[tuple[int, set[int]]], data: st.DataObject
) -> None:
    """Whatever is in the index, near finds what a loop over all rows and variants finds, with the same distances."""
    for row, bits in planted:
        turned = int.from_bytes(hashes[row % len(hashes)]) ^ sum(1 << bit for bit in bits)
        hashes.append(turned.to_bytes(32))
    index = near.Pictures()
    for number, one in enumerate(hashes):
        index.add(f"D-{number:04d}", "", one)
    query = [data.draw(st.sampled_from(hashes)), *data.draw(st.lists(st.binary(min_size=32, max_size=32), max_size=7))]
    most, first = data.draw(st.integers(0, 200)), data.draw(st.integers(0, len(hashes)))
    expected = {
        row: min(apart(one, variant) for variant in query)
        for row, one in enumerate(hashes)
        if row >= first and min(apart(one, variant) for variant in query) <= most
    }
    found = index.near(b"".join(query), most, first)
    assert {one.row: one.bits for one in found} == expected and len(found) == len(expected)
    assert all(apart(hashes[one.row], query[one.turn]) == one.bits for one in found)
    assert [one.bits for one in found] == sorted(one.bits for one in found)


@given(*(st.binary(min_size=32, max_size=32),) * 3)
def test_the_distance_is_a_metric(one: bytes, two: bytes, three: bytes) -> None:
    """Nothing is nearer than itself, both ways are as long, and no way is shorter by a third; up to the 255 that are told."""

    def far(a: bytes, b: bytes) -> int:
        index = near.Pictures()
        index.add("", "", b)
        return next((found.bits for found in index.near(a, 255)), 256)

    assert far(one, one) == 0 and far(one, two) == far(two, one) and far(one, three) <= far(one, two) + far(two, three)


# -- hostile files ----------------------------------------------------------------------------------------------------------


def huge_png(side: int) -> bytes:
    """A PNG of a few hundred kilobytes that claims, and truly holds, side x side pixels of one bit."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer, row = zlib.compressobj(9), bytes(1 + side // 8)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_a_picture_bomb_is_refused_before_it_is_decoded(box: Sandbox) -> None:
    """60,000 x 60,000 pixels in half a megabyte: one sentence, and the worker never grew."""
    bomb = huge_png(60_000)
    assert len(bomb) < 1 << 20
    with Sandbox() as fresh:
        with pytest.raises(FileUnreadable, match="60000 x 60000"):
            list(fresh.read("fingerprint_picture", io.BytesIO(bomb), Hints()))
        assert fresh.peak < 300 << 20
    assert seen(box, scene(1))


def test_truncated_media_give_a_sentence_or_what_was_whole(box: Sandbox) -> None:
    """Pictures cut off are refused; a video cut off gives the frames before the cut; nothing breaks the sandbox."""
    for data in (saved(scene(1)), saved(scene(1), "PNG")):
        with pytest.raises(FileUnreadable):
            taken(box, "fingerprint_picture", data[: len(data) // 2])
    whole = film([1, 2, 3, 4])
    full, part = taken(box, "fingerprint_video", whole), taken(box, "fingerprint_video", whole[: len(whole) // 2])
    assert 0 < len(part) < len(full) and part[0] == full[0]


def test_a_codec_nobody_knows_is_told(box: Sandbox) -> None:
    """Attack found by fuzzing: a video whose codec has no decoder here is refused in a sentence."""
    with pytest.raises(FileUnreadable, match="no decoder"):
        taken(box, "fingerprint_video", film([1], "avi").replace(b"FMP4", b"ZQ1X"))


@settings(max_examples=25)
@given(st.sampled_from(["JPEG", "PNG", "GIF", "film"]), st.data())
def test_mutated_files_never_break_the_sandbox(box: Sandbox, kind: str, data: st.DataObject) -> None:
    """Bytes changed, cut out or doubled anywhere: fingerprints of the right size, or one of the sandbox's own errors."""
    if kind not in SMALL:
        SMALL[kind] = film([1, 2], size=(64, 48)) if kind == "film" else saved(scene(1, 64, 48), kind)
    mutated = bytearray(SMALL[kind])
    for _change in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        how = data.draw(st.integers(0, 3))
        if how == 0:
            mutated[at] = data.draw(st.integers(0, 255))
        elif how == 1:
            mutated[at : at + 4] = data.draw(st.sampled_from([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"]))
        elif how == 2:
            del mutated[at : at + data.draw(st.integers(1, 64))]
        else:
            mutated[at:at] = mutated[at : at + 64]
        mutated = mutated or bytearray(1)
    readers = ("fingerprint_video", "fingerprint_sound") if kind == "film" else ("fingerprint_picture",)
    for reader in readers:
        try:
            found = taken(box, reader, bytes(mutated))
        except REFUSED:
            continue
        assert all(one.kind == "chromaprint" or (len(one.bits) == 256 and 0 <= one.quality <= 100) for one in found)


@given(st.binary(max_size=4000))
@settings(max_examples=25)
def test_any_bytes_as_sound_never_break_the_sandbox(box: Sandbox, chromaprint: None, data: bytes) -> None:
    """Noise behind the head of a WAV file is a sound, a silence or a refusal."""
    head = wav(np.zeros(1, np.int16))[:44]
    try:
        found = taken(box, "fingerprint_sound", head + data)
    except REFUSED:
        return
    assert all(one.kind == "chromaprint" and len(one.bits) % 4 == 0 for one in found)


# -- videos -----------------------------------------------------------------------------------------------------------------


def frames(box: Sandbox, data: bytes) -> list[Fingerprint]:
    return taken(box, "fingerprint_video", data)


def compared(ours: list[Fingerprint], theirs: list[Fingerprint]) -> near.Alike | None:
    index = near.Pictures()
    for one in theirs:
        index.add("D-0002", one.place, one.bits)
    matches = [(seconds(one), seconds(theirs[found.row])) for one in ours for found in index.near(one.bits)]
    return near.alike(matches, len(ours), len(theirs))


def seconds(one: Fingerprint) -> float:
    hours, minutes, rest = one.place.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def test_a_recompressed_smaller_video_and_a_part_of_it_are_found(box: Sandbox) -> None:
    """Another codec, size and container, or a piece out of the middle: alike; another film is not."""
    first = frames(box, film([1, 2, 3, 4, 5, 6]))
    smaller = frames(box, film([1, 2, 3, 4, 5, 6], "mp4", "libx264", (192, 144), bit_rate=150_000))
    part = frames(box, film([3, 4, 5], "mp4", "libx264"))
    other = frames(box, film([11, 12, 13, 14, 15, 16]))
    whole = compared(first, smaller)
    assert whole and whole.frames >= 6 and compared(first, part) and compared(part, first)
    assert compared(first, other) is None and compared(other, first) is None


def test_a_still_picture_is_one_frame_however_long(box: Sandbox) -> None:
    """A minute of one unchanging scene leaves one fingerprint, a black one none."""
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as container:
        stream: Any = container.add_stream("mpeg4", rate=1)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(60):
            shot = scene(1, 320, 240) if number < 30 else Image.new("RGB", (320, 240))
            frame = video_frame(shot)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    [only] = frames(box, out.getvalue())
    assert only.place == "00:00:00.000"


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)), max_size=60), st.integers(0, 80), st.integers(0, 80))
def test_videos_are_judged_alike_from_both_sides(matches: list[tuple[float, float]], ours: int, theirs: int) -> None:
    """Whoever is asked, the answer is the same whether two videos are alike."""
    one = near.alike(matches, ours, theirs)
    other = near.alike([(b, a) for a, b in matches], theirs, ours)
    assert (one is None) == (other is None)


# -- texts ------------------------------------------------------------------------------------------------------------------


def prose(seed: int, count: int = 400) -> list[str]:
    rng = random.Random(seed)
    return ["".join(rng.choices("абвгдеклмнопрстуabdegiklmnorstuv", k=rng.randint(2, 9))) for _ in range(count)]


def signed(*pieces: str) -> bytes:
    made = near.Signature()
    for piece in pieces:
        made.add(piece)
    return made.bits()


def shared(one: bytes, other: bytes) -> float:
    index = near.Texts()
    index.add("D-0002", other)
    return index.near(one, 0.0)[0][1]


def test_a_text_is_found_in_other_letters_and_layout_and_slightly_changed() -> None:
    """Case, line breaks, punctuation, е for ё and look-alike letters change nothing; 3 % of words changed leave it found."""
    words = [*prose(1), "ёлка", "Грозный"]
    rng = random.Random(2)
    other = " ,\n".join(words).upper().replace("Ё", "Е")
    assert signed(" ".join(words)) == signed(other)
    changed = [rng.choice(prose(9)) if rng.random() < 0.03 else word for word in words]
    assert shared(signed(" ".join(words)), signed(" ".join(changed))) > near.LEAST_SHARED
    assert shared(signed(" ".join(words)), signed(" ".join(prose(3)))) < 0.1


def test_a_short_text_has_no_signature() -> None:
    """“Yes, I am coming” is no sign that two letters are alike: fewer than 20 words give nothing."""
    assert signed(" ".join(prose(1, 19))) == b"" and len(signed(" ".join(prose(1, 20)))) == 512 and signed("") == b""


@given(st.lists(st.text(alphabet="abc де\n", max_size=60), max_size=12))
def test_how_a_text_is_cut_into_pieces_does_not_matter(pieces: list[str]) -> None:
    """The signature of pages is that of the whole, as long as no word is cut."""
    assert signed(*(piece + " " for piece in pieces)) == signed("".join(piece + " " for piece in pieces))


def test_a_signature_is_the_same_for_ever() -> None:
    """Pinned: a constant that changed would part old fingerprints from new ones."""
    words = " ".join(f"word{number}" for number in range(10_000))
    assert signed(words)[:16].hex() == SIGNED


def test_estimates_are_as_near_as_they_claim() -> None:
    """For known shares of common runs the estimate is within 0.13 (three standard deviations), pair after pair."""
    rng = random.Random(4)
    for share in (0.2, 0.5, 0.8):
        common = prose(rng.random(), int(2000 * share))  # type: ignore[arg-type]
        rest = (2000 - len(common)) // 2
        one, other = common + prose(rng.random(), rest), common + prose(rng.random(), rest)  # type: ignore[arg-type]
        assert abs(shared(signed(" ".join(one)), signed(" ".join(other))) - share) < 0.13


def test_all_pairs_of_texts_find_what_the_search_finds() -> None:
    """Among families of edited texts, pairs connects exactly those that near finds above 0.7, and no strangers."""
    rng, index, families = random.Random(5), near.Texts(), {}
    for family in range(12):
        words = prose(100 + family)
        for member in range(4):
            changed = [rng.choice(words) if rng.random() < 0.01 * member else word for word in words]
            families[len(index)] = family
            index.add(f"D-{len(index):04d}", signed(" ".join(changed)))
    pairs = list(index.pairs(0.6))
    assert all(families[one] == families[other] for one, other, _share in pairs)
    assert {row for pair in pairs for row in pair[:2]} == set(families)


# -- sounds -----------------------------------------------------------------------------------------------------------------


def heard(box: Sandbox, data: bytes) -> bytes:
    [found] = taken(box, "fingerprint_sound", data)
    assert found.quality > 5
    return found.bits


def test_recoded_cut_and_noisy_copies_of_a_recording_are_found(box: Sandbox, chromaprint: None) -> None:
    """Opus and MP3 at a telephone's rate, from a later second on, with noise: found at the right place; another is not."""
    tune = melody(1, 30)
    noisy = (tune + np.random.default_rng(1).normal(0, 800, len(tune))).clip(-32768, 32767).astype(np.int16)
    index = near.Sounds()
    copies = {
        "opus": encoded(tune, "ogg", "libopus", 48_000), "mp3": encoded(tune, "mp3", "libmp3lame", 22_050),
        "later": encoded(tune[int(7.3 * 22_050) :], "ogg", "libopus", 48_000), "noisy": wav(noisy),
        "inside": encoded(np.concatenate((melody(8, 9), tune[:330_750])), "mp3", "libmp3lame", 22_050),
        "other": wav(melody(2, 30)), "another": encoded(melody(3, 30), "ogg", "libopus", 48_000),
    }  # fmt: skip
    for name, data in copies.items():
        index.add(name, heard(box, data))
    found = {index.owners[one.row]: one for one in index.near(heard(box, wav(tune)))}
    assert set(found) == {"opus", "mp3", "later", "noisy", "inside"}
    assert found["later"].here - found["later"].there == pytest.approx(7.3, abs=0.3)
    assert found["inside"].there - found["inside"].here == pytest.approx(9, abs=0.3)
    assert found["opus"].share > 0.9


def test_silence_and_a_tone_are_like_nothing(box: Sandbox, chromaprint: None) -> None:
    """Recordings that do not change agree with all that do not change, so they are not compared."""
    still = [np.zeros(400_000, np.int16), (8000 * np.sin(np.arange(400_000) / 10)).astype(np.int16)]
    for sound in still:
        [found] = taken(box, "fingerprint_sound", wav(sound))
        assert found.quality <= 5 or not near.Sounds().near(found.bits)
        index = near.Sounds()
        index.add("D-0001", found.bits)
        assert index.near(found.bits) == []


@given(st.lists(st.binary(max_size=400), max_size=5), st.binary(max_size=400))
def test_any_bytes_as_fingerprints_of_sound_are_compared_without_harm(stored: list[bytes], query: bytes) -> None:
    """Fingerprints come from a sandbox that hostile files may have taken over: odd lengths and repeats are only bits."""
    index = near.Sounds()
    for number, bits in enumerate(stored):
        index.add(f"D-{number:04d}", bits)
    for one in index.near(query):
        assert 0 <= one.share <= 1 and one.seconds > 0 and one.here >= 0 and one.there >= 0


# -- the workspace ----------------------------------------------------------------------------------------------------------


def add(session: Session, folder: Path, files: dict[str, bytes]) -> dict[str, str]:
    """Add and read files; name -> handle."""
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    added = evidence.add(session, [folder / name for name in files])
    items = list(session.testimony.items(added.source))
    fit = {"image": ["picture", "fingerprint_picture"], "video": ["fingerprint_video", "fingerprint_sound"],
           "audio": ["fingerprint_sound"], "text": ["plain"]}  # fmt: skip
    for kind, readers in fit.items():
        evidence_read.read(session, [item for item in items if item.media_type.startswith(kind)], only=readers)
    return {item.name: item.handle for item in items}


def test_a_workspace_tells_what_is_like_an_item_and_why(session: Session, tmp_path: Path, chromaprint: None) -> None:
    """Smaller, mirrored, in a film, in other words, in another format: each is named with its kind, measure and reason."""
    picture, words = scene(1, 1280, 960), prose(1)
    handles = add(session, tmp_path / "in", {
        "one.jpg": saved(picture, quality=92), "again.jpg": saved(picture, quality=92),
        "small.jpg": saved(picture.resize((400, 300)), quality=40),
        "mirror.png": saved(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "PNG"), "other.jpg": saved(scene(2)),
        "a.txt": " ".join(words).encode(), "b.txt": "\n".join(words).upper().encode(), "c.txt": " ".join(prose(2)).encode(),
        "film.mkv": film([3, 4, 5, 6]), "film.mp4": film([3, 4, 5, 6], "mp4", "libx264", (192, 144)), "still.png": saved(
            scene(4, 400, 300).crop((0, 0, 320, 240)), "PNG"),
        "a.wav": wav(melody(1, 20)), "b.ogg": encoded(melody(1, 20), "ogg", "libopus", 48_000), "plain.png": saved(
            Image.new("RGB", (200, 200)), "PNG"),
    })  # fmt: skip
    told = evidence_near.similar(session, handles["one.jpg"])
    likes = {like.item: like for like in told.likes}
    assert set(likes) == {handles[name] for name in ("again.jpg", "small.jpg", "mirror.png")}
    assert likes[handles["again.jpg"]].kind == "file"
    small = likes[handles["small.jpg"]]
    assert (
        small.kind == "picture" and "smaller (400 × 300)" in small.words and f"distance {small.measure} of 256" in small.words
    )
    assert "mirrored left to right" in likes[handles["mirror.png"]].words
    for one, other, kind in (("a.txt", "b.txt", "text"), ("film.mkv", "film.mp4", "video"), ("a.wav", "b.ogg", "sound"),
                             ("still.png", "film.mkv", "frame"), ("film.mkv", "still.png", "frame")):  # fmt: skip
        found = {like.item: like.kind for like in evidence_near.similar(session, handles[one]).likes}
        assert found[handles[other]] == kind and not {handles["c.txt"], handles["other.jpg"]} & set(found)
    assert "too plain" in evidence_near.similar(session, handles["plain.png"]).remarks[0]
    groups = [set(group.items) for group in evidence_near.groups(session)]
    names = [{"one.jpg", "again.jpg", "small.jpg", "mirror.png"}, {"a.txt", "b.txt"},
             {"film.mkv", "film.mp4", "still.png"}, {"a.wav", "b.ogg"}]  # fmt: skip
    assert sorted(map(sorted, groups)) == sorted(sorted(handles[name] for name in some) for some in names)
    for group in evidence_near.groups(session):
        assert len(group.ties) == len(group.items) - 1
    assert evidence_near.unread(session) == 0


def test_nothing_is_merged_and_custody_is_not_touched(session: Session, tmp_path: Path) -> None:
    """Looking for what is alike leaves items, facts and custody as they were."""
    handles = add(session, tmp_path / "in", {"a.jpg": saved(scene(1)), "b.jpg": saved(scene(1), quality=40)})
    items = list(session.testimony.items())
    chains = [session.testimony.custody(handle) for handle in handles.values()]
    evidence_near.similar(session, handles["a.jpg"])
    assert list(evidence_near.groups(session))
    assert list(session.testimony.items()) == items
    assert [session.testimony.custody(handle) for handle in handles.values()] == chains


def test_a_preview_inside_a_picture_is_no_group_of_its_own(session: Session, tmp_path: Path) -> None:
    """What came out of an item is told when asked about it, and does not fill the list of groups."""
    handles = add(session, tmp_path / "in", {"a.jpg": saved(scene(1))})
    parent = evidence.get(session, handles["a.jpg"])
    small = saved(scene(1).resize((160, 120)))
    child = evidence.derive(session, parent, io.BytesIO(small), name="thumb.jpg", relation="redacted", media_type="image/jpeg")
    evidence_read.read(session, [child], only=["fingerprint_picture"])
    assert [like.item for like in evidence_near.similar(session, parent.handle).likes] == [child.handle]
    assert list(evidence_near.groups(session)) == []


def test_a_text_that_was_read_again_is_signed_again(session: Session, tmp_path: Path) -> None:
    """The signature follows the words: new text replaces it, and what was not read anew is not signed twice."""
    added = add(session, tmp_path / "in", {"a.txt": " ".join(prose(1)).encode(), "b.txt": " ".join(prose(2)).encode()})
    assert evidence_near.sign_texts(session) == 2 and evidence_near.sign_texts(session) == 0
    evidence.put_rows(session, [Piece(added["a.txt"], 1, "¶ 1", " ".join(prose(2)), "", "plain/1")])
    assert evidence_near.sign_texts(session) == 1
    assert [like.item for like in evidence_near.similar(session, added["a.txt"]).likes] == [added["b.txt"]]


def test_an_erased_item_is_like_nothing_any_more(session: Session, tmp_path: Path) -> None:
    """Its fingerprints go with it: neither search nor groups know it."""
    handles = add(session, tmp_path / "in", {"a.jpg": saved(scene(1)), "b.jpg": saved(scene(1), quality=40)})
    people.erase(session, handles["b.jpg"], "request of the owner")
    assert evidence_near.similar(session, handles["a.jpg"]).likes == [] and list(evidence_near.groups(session)) == []


def test_forged_fingerprints_from_a_broken_sandbox_are_passed_over(session: Session, tmp_path: Path) -> None:
    """Attack: a hostile file makes its reader report fingerprints of odd length, kind and place, and facts that are no JSON
    objects; the search goes on without them.
    """
    handles = add(session, tmp_path / "in", {"a.jpg": saved(scene(1)), "b.jpg": saved(scene(1), quality=40)})
    shapes = [
        ("", b""),
        ("x", b"1"),
        ("1:2", bytes(33)),
        ("a:b:c", bytes(512)),
        ("nan:1:2", bytes(256)),
        ("1:1:inf", bytes(256)),
    ]
    kinds = ("pdq", "minhash", "chromaprint", "x")
    forged = [Print(item, kind, place, bits, 100) for item in handles.values() for kind in kinds for place, bits in shapes]
    evidence.put_rows(session, forged)
    facts = [Fact(handles["b.jpg"], "media", "picture/1", "[1]"), Fact(handles["b.jpg"], "media", "x/1", '{"width":"1"}', 2)]
    evidence.put_rows(session, facts)
    for handle in handles.values():
        evidence_near.similar(session, handle)
    list(evidence_near.groups(session))


def test_the_command_line_shows_one_and_all(tmp_path: Path) -> None:
    """`similar D-...` and `similar --all` on a fresh workspace, in JSON and in words; wrong use is told."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(saved(scene(1)))
    (folder / "b.jpg").write_bytes(saved(scene(1).resize((320, 240)), quality=40))
    shell = Shell(tmp_path / "user", tmp_path / "case")
    shell.init()
    shell.amparo("evidence", "add", str(folder))
    before = shell.amparo("evidence", "similar", "D-0001")
    assert before["unread"] == 2 and before["similar"] == [] and before["remarks"]
    shell.amparo("evidence", "read", "--reader", "picture", "--reader", "fingerprint_picture")
    told = shell.amparo("evidence", "similar", "D-0001")
    assert [like["item"] for like in told["similar"]] == ["D-0002"] and "distance" in told["similar"][0]["words"]
    [group] = shell.amparo("evidence", "similar", "--all")["groups"]
    assert group["items"] == ["D-0001", "D-0002"] and group["ties"][0]["of"] == "D-0001"
    assert shell.amparo("evidence", "similar", code=2)["error"] == "Usage"
    assert shell.amparo("evidence", "similar", "D-0009", code=9)["error"] == "NoSuchItem"
