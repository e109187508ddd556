"""PDQ, the perceptual hash of whole pictures, in numpy: 256 bits that survive scaling and recompression, not another picture.

Invariant: a pure function of brightness: the same pixels give the same bits on every machine, but for the last digits of
floating point, which can turn a bit or two. It sees a picture's coarse light and dark, 16 by 16 waves of it: no face, no
person, no text.

The package pdqhash has no wheels for current Pythons and would need a compiler on every laptop; tests compare with it.

Source: "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm", Facebook 2019 (ThreatExchange, hashing.pdf).
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads would eat into the sandbox's memory

import numpy as np
from numpy.typing import NDArray

LARGEST = 512
"""Pixels of the longer side: a picture is made this small before it is hashed, as PDQ's authors advise."""
_SIDE, _WAVES = 64, 16
_COSINES = np.sqrt(2 / _SIDE) * np.cos(np.pi / 2 / _SIDE * np.outer(np.arange(1, _WAVES + 1), 2 * np.arange(_SIDE) + 1))
_Luma = NDArray[np.float64]


def hashes(luma: _Luma) -> tuple[bytes, int]:
    """(eight PDQ hashes of 32 bytes, quality 0..100) of a picture given as rows of brightness 0..255.

    The hashes are those of the picture as it is, mirrored left to right, mirrored top to bottom, turned by 180°; then of these
    four with rows and columns exchanged: mirrored at the falling diagonal, turned by 90° counter-clockwise, by 90° clockwise,
    mirrored at the rising diagonal. Below quality 50 the picture is too plain for its hash to mean anything.
    """
    for _round in range(2):
        for axis in (1, 0):
            luma = _blurred(luma, axis)
    (down, up), (right, left) = (_samples(length) for length in luma.shape)
    small = [luma[rows][:, columns] for rows in (down, up) for columns in (right, left)]
    waves = [_COSINES @ one @ _COSINES.T for one in small]
    return b"".join(_bits(one) for one in (*waves, *(one.T for one in waves))), _quality(small[0])


def _samples(length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the 64 samples are taken, and where they would be taken in the mirrored picture.

    A filter of even width leans by one pixel to the end, in both rounds: in the mirrored picture to the other side.
    """
    places = ((np.arange(_SIDE) + 0.5) * length / _SIDE).astype(np.int64)
    lean = 0 if _window(length) % 2 else 2
    return places, np.maximum(length - 1 - places - lean, 0)


def _window(length: int) -> int:
    return (length + 2 * _SIDE - 1) // (2 * _SIDE)


def _blurred(luma: _Luma, axis: int) -> _Luma:
    """A box filter as wide as the distance of the 64 samples, along one axis; narrower at the edges."""
    length = luma.shape[axis]
    window = _window(length)
    right = (window + 2) // 2
    start = np.maximum(np.arange(length) - (window - right), 0)
    end = np.minimum(np.arange(length) + right, length)
    sums = np.concatenate((np.zeros_like(luma.take([0], axis)), np.cumsum(luma, axis)), axis)
    width = (end - start)[:, None] if axis == 0 else (end - start)[None, :]
    blurred: _Luma = (sums.take(end, axis) - sums.take(start, axis)) / width
    return blurred


def _bits(waves: _Luma) -> bytes:
    """One bit for each wave that is stronger than the median; the first wave is the last bit, as PDQ is written."""
    flat = waves.ravel()
    median = np.partition(flat, flat.size // 2 - 1)[flat.size // 2 - 1]
    return np.packbits((flat > median)[::-1]).tobytes()


def _quality(small: _Luma) -> int:
    """How much the samples differ from their neighbours: 100 for any busy picture, 0 for a plain one."""
    steps = sum(int(np.abs(np.trunc(np.diff(small, axis=axis) * 100 / 255)).sum()) for axis in (0, 1))
    return min(100, steps // 90)
