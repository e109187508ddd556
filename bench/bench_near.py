"""Near-duplicates: a search over a million picture hashes, and which changes of a picture, text or recording are still found.

    ./run bench near [--hashes 1000000] [--rounds 200]

Everything is made up here: pictures of noise and shapes, texts of random words, speech of espeak-ng where it is installed (else a
melody). No photograph and no person's voice is used.
"""

import argparse
import io
import random
import resource
import statistics
import subprocess
import sys
import time
import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import av
import numpy as np
from harness import goal, machine, table, tool
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from amparo.evidence import near
from amparo.evidence.findings import Fingerprint, Hints
from amparo.evidence.sandbox import FileUnreadable, Sandbox

Picture = Image.Image


# -- search -----------------------------------------------------------------------------------------------------------------


def search(count: int, rounds: int) -> None:
    """Random hashes with neighbours planted at every distance from 0 to 40: all within 31 are found and no other."""
    rng = np.random.default_rng(7)
    hashes = rng.bytes(32 * count)
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    index = near.Pictures()
    for row in range(count):
        index.add(f"D-{row:04d}", "", hashes[32 * row : 32 * row + 32])
    index.near(bytes(32))
    build = time.perf_counter() - started
    spent, hit, wanted, wrong = [], 0, 0, 0
    for round_ in range(rounds):
        row, away, turn = int(rng.integers(count)), round_ % 41, int(rng.integers(8))
        near_by = flipped(hashes[32 * row : 32 * row + 32], away, rng)
        query = b"".join(near_by if one == turn else rng.bytes(32) for one in range(8))
        started = time.perf_counter()
        found = index.near(query)
        spent.append(time.perf_counter() - started)
        wanted += away <= near.MOST_BITS
        hit += near.Found(row, away, turn) in found
        wrong += len(found) - (near.Found(row, away, turn) in found)
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    spent.sort()
    print(f"\n{count:,} hashes, a query with all 8 variants, {rounds} queries")
    table(
        ("", "median", "p95", "slowest", "build", "memory", "recall", "wrong"),
        [("search", *(f"{1000 * value:.1f} ms" for value in (spent[rounds // 2], spent[int(rounds * 0.95)], spent[-1])),
          f"{build:.1f} s", f"{peak:.0f} MiB", f"{hit / wanted:.3f}", str(wrong))],
    )  # fmt: skip
    goal("near-duplicate search, p95 in ms", 1000 * spent[int(rounds * 0.95)], 50, at_least=False)
    everything(index, hashes, rng)


def everything(index: near.Pictures, hashes: bytes, rng: np.random.Generator) -> None:
    """What `similar --all` does for each picture, for some of them."""
    started, some = time.perf_counter(), range(0, len(index), len(index) // 50)
    for row in some:
        index.near(hashes[32 * row : 32 * row + 32] + rng.bytes(7 * 32), first=row + 1)
    seconds = (time.perf_counter() - started) / len(some) * len(index)
    print(f"all with all, reckoned from {len(some)} of them: {seconds / 60:.0f} minutes; of 100,000: {seconds / 100:.0f} s")


def flipped(bits: bytes, away: int, rng: np.random.Generator) -> bytes:
    """The hash with ``away`` of its bits turned."""
    turned = np.unpackbits(np.frombuffer(bits, np.uint8))
    turned[rng.choice(256, away, replace=False)] ^= 1
    return np.packbits(turned).tobytes()


# -- pictures ---------------------------------------------------------------------------------------------------------------


def scene(seed: int, width: int = 1600, height: int = 1200) -> Picture:
    """Clouds of 1/f noise with ellipses on them: as varied as a photograph, and of nobody."""
    rng = np.random.default_rng(seed)
    rows, columns = height // 4, width // 4
    waves = np.fft.fft2(rng.normal(size=(rows, columns)))
    far = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.fftfreq(columns)[None, :])
    clouds = np.real(np.fft.ifft2(waves / np.maximum(far, 1 / columns) ** 1.3))
    clouds = (clouds - clouds.min()) / (clouds.max() - clouds.min()) * 255
    picture = Image.fromarray(clouds.astype(np.uint8)).resize((width, height)).convert("RGB")
    draw = ImageDraw.Draw(picture)
    for _ellipse in range(8):
        x, y, size = (int(rng.integers(*span)) for span in ((0, width), (0, height), (width // 40, width // 4)))
        draw.ellipse(
            [x - size, y - size // 2, x + size, y + size // 2], fill=tuple(int(part) for part in rng.integers(0, 256, 3))
        )
    return picture


def page(seed: int) -> Picture:
    """A page of made-up words as a scanner sees it."""
    rng = random.Random(seed)
    sheet = Image.new("L", (1240, 1754), 250)
    draw = ImageDraw.Draw(sheet)
    for line in range(40):
        words = " ".join("".join(rng.choices("abdegiklmnorstuv", k=rng.randint(2, 9))) for _ in range(rng.randint(6, 14)))
        draw.text((120, 100 + 38 * line), words, fill=20, font_size=26)
    return sheet


def overlay(picture: Picture) -> Picture:
    """A line of text at the foot and a mark in the corner, as channels put on what they repost."""
    written = picture.copy()
    draw = ImageDraw.Draw(written)
    width, height = written.size
    draw.rectangle([0, int(height * 0.88), width, height], fill=0)
    draw.text((width // 20, int(height * 0.9)), "a made-up caption, forwarded many times", fill="white", font_size=height // 18)
    draw.ellipse([width * 0.85, 10, width * 0.97, 10 + width * 0.12], fill="white")
    return written


def cropped(part: float) -> Callable[[Picture], Picture]:
    def crop(picture: Picture) -> Picture:
        width, height = picture.size
        return picture.crop(
            (int(width * part / 2), int(height * part / 2), int(width * (1 - part / 2)), int(height * (1 - part / 2)))
        )

    return crop


CHANGES: dict[str, tuple[Callable[[Picture], Picture], int]] = {  # name: (change, JPEG quality)
    "saved anew, JPEG 90": (lambda picture: picture, 90),
    "JPEG 40": (lambda picture: picture, 40),
    "JPEG 10": (lambda picture: picture, 10),
    "quarter size, JPEG 40": (lambda picture: picture.resize((picture.width // 4, picture.height // 4)), 40),
    "160 pixels wide, JPEG 40": (lambda picture: picture.resize((160, 160 * picture.height // picture.width)), 40),
    "other aspect (16:9)": (lambda picture: picture.resize((1280, 720)), 75),
    "grey": (lambda picture: picture.convert("L"), 75),
    "brighter by a half": (lambda picture: picture.point(lambda value: min(255, value * 1.5)), 75),
    "cropped by 2 %": (cropped(0.02), 75),
    "cropped by 5 %": (cropped(0.05), 75),
    "cropped by 10 %": (cropped(0.10), 75),
    "caption and mark": (overlay, 75),
    "mirrored": (lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 75),
    "turned by 90°": (lambda picture: picture.transpose(Image.Transpose.ROTATE_90), 75),
    "turned by 180°, half size": (lambda picture: picture.transpose(Image.Transpose.ROTATE_180).reduce(2), 60),
    "turned by 3°": (lambda picture: picture.rotate(3), 75),
}  # fmt: skip


def jpeg(picture: Picture, quality: int = 92) -> bytes:
    out = io.BytesIO()
    picture.convert("RGB" if picture.mode != "L" else "L").save(out, "JPEG", quality=quality)
    return out.getvalue()


def taken(box: Sandbox, reader: str, data: bytes) -> list[Fingerprint]:
    return [one for one in box.read(reader, io.BytesIO(data), Hints()) if isinstance(one, Fingerprint)]


def distance(one: Fingerprint, other: Fingerprint) -> int:
    """Of the second picture to the nearest variant of the first."""
    index = near.Pictures()
    index.add("", "", other.bits)
    return index.near(one.bits, 255)[0].bits


def pictures(box: Sandbox, count: int) -> None:
    scenes = [(scene(seed), "scene") for seed in range(count)]
    prints = [taken(box, "fingerprint_picture", jpeg(one))[0] for one, _kind in scenes]
    rows = []
    for name, (change, quality) in CHANGES.items():
        far = sorted(
            distance(first, taken(box, "fingerprint_picture", jpeg(change(one), quality))[0])
            for (one, _kind), first in zip(scenes, prints, strict=True)
        )
        rows.append(
            (
                name,
                str(far[0]),
                f"{statistics.median(far):.0f}",
                str(far[-1]),
                f"{sum(bits <= near.MOST_BITS for bits in far)}/{count}",
            )
        )
    print(
        f"\nPDQ: {count} made-up pictures of 1600 x 1200 and a changed copy of each; bits of 256 that differ, found within {near.MOST_BITS}"
    )
    table(("change", "least", "median", "most", "found"), rows)
    pages = [taken(box, "fingerprint_picture", jpeg(page(seed)))[0] for seed in range(count)]
    for name, some in (("scenes", prints), ("pages of text, one layout", pages)):
        far = [distance(one, other) for number, one in enumerate(some) for other in some[:number]]
        low = sum(bits <= near.MOST_BITS for bits in far)
        print(f"different {name}: {len(far)} pairs, 8 variants: least {min(far)}, median {statistics.median(far):.0f}, taken for one {low}; "
              f"quality {min(one.quality for one in some)} to {max(one.quality for one in some)}")  # fmt: skip


# -- texts ------------------------------------------------------------------------------------------------------------------


def texts() -> None:
    rng = random.Random(5)
    vocabulary = ["".join(rng.choices("абвгдезиклмнопрстуabdegiklmnorstuv", k=rng.randint(2, 10))) for _ in range(20_000)]
    weights = [1 / (rank + 3) for rank in range(len(vocabulary))]
    words = rng.choices(vocabulary, weights, k=2000)

    def changed(part: float) -> list[str]:
        return [rng.choice(vocabulary) if rng.random() < part else word for word in words]

    variants = {
        "other case, line breaks, quotes": [word.upper() + (",\n" if number % 7 == 0 else "") for number, word in enumerate(words)],
        "1 % of the words changed": changed(0.01),
        "5 % of the words changed": changed(0.05),
        "10 % of the words changed": changed(0.10),
        "two halves exchanged": words[1000:] + words[:1000],
        "a quarter left out": words[:1500],
        "half of it in another text": words[:1000] + rng.choices(vocabulary, weights, k=1000),
        "another text, same vocabulary": rng.choices(vocabulary, weights, k=2000),
    }  # fmt: skip
    first, rows = signature(words), []
    for name, other in variants.items():
        index = near.Texts()
        index.add("", signature(other))
        [(_row, guess)] = index.near(first, 0.0)
        rows.append((name, f"{share(words, other):.2f}", f"{guess:.2f}", "yes" if guess >= near.LEAST_SHARED else "no"))
    print("\nMinHash: a made-up text of 2,000 words, and changed ones")
    table(("change", "shared", "estimate", "found"), rows)
    many = rng.choices(vocabulary, weights, k=500_000)
    started = time.perf_counter()
    signature(many)
    print(f"signature of 500,000 words in {time.perf_counter() - started:.2f} s")
    index, stack = near.Texts(), np.random.default_rng(3)
    for row in range(100_000):
        index.add(f"D-{row:04d}", stack.bytes(4 * near.PERMUTATIONS))
    index.near(first)
    started = time.perf_counter()
    index.near(first)
    one = time.perf_counter() - started
    started = time.perf_counter()
    list(index.pairs())
    print(f"100,000 texts: one compared with all in {1000 * one:.0f} ms, all with all in {time.perf_counter() - started:.1f} s")


def signature(words: list[str]) -> bytes:
    made = near.Signature()
    made.add(" ".join(words))
    return made.bits()


def share(one: list[str], other: list[str]) -> float:
    runs = [
        {tuple(word.strip(",\n").lower() for word in text[at : at + 5]) for at in range(len(text) - 4)} for text in (one, other)
    ]
    return len(runs[0] & runs[1]) / len(runs[0] | runs[1])


# -- sounds -----------------------------------------------------------------------------------------------------------------

_RATE = 22_050


def speech(seed: int, seconds: int = 40) -> bytes:
    """WAV of made-up sentences read by espeak-ng, or of random tones where it is not installed."""
    rng = random.Random(seed)
    if tool("espeak-ng"):
        words = "morning gate car road night house river train letter number window field bridge market winter seven blue old".split()
        said = " ".join(rng.choice(words) for _ in range(3 * seconds))
        voice = rng.choice(["en", "ru", "en-us", "en+f3", "en+m4"])
        return subprocess.run(
            ["espeak-ng", "-v", voice, "-p", str(rng.randint(30, 70)), "--stdout", said], capture_output=True, check=True
        ).stdout
    return melody(seed, seconds)


def melody(seed: int, seconds: int) -> bytes:
    rng, time_ = np.random.default_rng(seed), np.arange(_RATE // 4) / _RATE
    tones = [sum(np.sin(2 * np.pi * pitch * time_) for pitch in rng.uniform(100, 2000, 3)) for _ in range(4 * seconds)]
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, _RATE, 0, "NONE", ""))
        file.writeframes((np.concatenate(tones) * 8000).astype("<i2").tobytes())
    return out.getvalue()


def samples(sound: bytes, rate: int) -> NDArray[np.int16]:
    with av.open(io.BytesIO(sound), "r") as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray().ravel() for frame in frames]).astype(np.int16)


def encoded(data: NDArray[np.int16], form: str, codec: str, rate: int, bit_rate: int) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=form) as container:
        stream: Any = container.add_stream(codec, rate=rate, layout="mono", bit_rate=bit_rate)
        frame = av.AudioFrame.from_ndarray(data.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return out.getvalue()


def sounds(box: Sandbox, count: int) -> None:
    wavs = [speech(seed) for seed in range(count)]
    try:
        prints = [taken(box, "fingerprint_sound", one)[0] for one in wavs]
    except FileUnreadable as error:
        print(f"\nSKIPPED: {error}")
        return
    noise = np.random.default_rng(1)
    copies: dict[str, Callable[[bytes], bytes]] = {
        "opus 24 kbit/s": lambda one: encoded(samples(one, 48_000), "ogg", "libopus", 48_000, 24_000),
        "opus 12 kbit/s": lambda one: encoded(samples(one, 48_000), "ogg", "libopus", 48_000, 12_000),
        "mp3 32 kbit/s": lambda one: encoded(samples(one, 22_050), "mp3", "libmp3lame", 22_050, 32_000),
        "mp3, from second 7.3 on": lambda one: encoded(samples(one, 22_050)[161_000:], "mp3", "libmp3lame", 22_050, 32_000),
        "opus, seconds 10 to 22": lambda one: encoded(
            samples(one, 48_000)[480_000:1_056_000], "ogg", "libopus", 48_000, 24_000
        ),
        "with noise, 20 dB": lambda one: noisy(samples(one, 22_050), 0.1, noise),
        "with noise, 10 dB": lambda one: noisy(samples(one, 22_050), 0.316, noise),
        "5 % faster": lambda one: encoded(samples(one, 22_050), "wav", "pcm_s16le", 23_152, 0),
    }
    rows = []
    for name, change in copies.items():
        shares = [
            hearing(first, taken(box, "fingerprint_sound", change(one))[0]) for one, first in zip(wavs, prints, strict=True)
        ]
        found = [share for share in shares if share]
        rows.append((name, f"{len(found)}/{count}", f"{statistics.median(found):.2f}" if found else "-"))
    print(f"\nChromaprint: {count} recordings of 40 seconds and changed copies; median share of the shorter one that agrees")
    table(("copy", "found", "share"), rows)
    wrong = sum(hearing(one, other) > 0 for number, one in enumerate(prints) for other in prints[:number])
    print(f"different recordings of the same words and voices: {count * (count - 1) // 2} pairs, taken for one {wrong}")


def noisy(data: NDArray[np.int16], level: float, rng: np.random.Generator) -> bytes:
    loud = float(np.sqrt(np.mean(data.astype(float) ** 2)))
    mixed = np.clip(data + rng.normal(0, loud * level, len(data)), -32768, 32767).astype(np.int16)
    return encoded(mixed, "wav", "pcm_s16le", 22_050, 0)


def hearing(one: Fingerprint, other: Fingerprint) -> float:
    index = near.Sounds()
    index.add("", other.bits)
    return max((heard.share for heard in index.near(one.bits)), default=0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hashes", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=205)
    parser.add_argument("--pictures", type=int, default=20)
    given = parser.parse_args()
    print(machine())
    search(given.hashes, given.rounds)
    with Sandbox() as box:
        pictures(box, given.pictures)
        texts()
        sounds(box, given.pictures)


if __name__ == "__main__":
    main()
