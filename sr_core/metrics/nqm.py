"""Noise quality measure: signal to noise after a model of contrast masking and detection.

References
----------
N. Damera-Venkata, T. D. Kite, W. S. Geisler, B. L. Evans, A. C. Bovik, Image quality assessment based on a degradation model,
IEEE TIP 9 (2000), doi:10.1109/83.841940. M. Gaubatz, MeTriX MuX 1.1 (`nqm`), whose viewing angle and filters these are.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_core.metrics.protocol import BoolArray, Protocol
from sr_core.operators.factor import FloatArray

VIEWING_ANGLE = 180 / (3.5 * math.pi)  # degrees that the picture spans
OCTAVES = 6
SMALLEST_SIDE = 32  # below it the middle octaves lie beyond the Nyquist frequency


def nqm(sr: NDArray[Any], hr: NDArray[Any], protocol: Protocol, mask: BoolArray | None = None) -> float:
    """Give the noise quality measure, dB, mean over bands; infinity where the eye model sees no difference.

    Parameters
    ----------
    sr, hr : array (C, H, W)
        Produced and reference image, in one unit. Not symmetric in the two.
    protocol : Protocol
        Channel, range, border, rounding. (The measure works on contrasts: only ratios of values enter, 0 being black.)
    mask : array (H, W) of bool, optional
        True where a pixel is usable; the usable pixels must be a full rectangle of at least 32 x 32, because the octaves are made by a
        Fourier transform of the whole.

    Raises
    ------
    ShapeError
        If the images do not fit, or the mask has holes.
    """
    a, b = protocol.prepare_whole(sr, hr, mask, "NQM", SMALLEST_SIDE)
    return float(np.mean([_band(y, x) for x, y in zip(a, b, strict=True)]))


def _band(reference: FloatArray, distorted: FloatArray) -> float:
    a, d = _octaves(reference), _octaves(distorted)
    c, e = _contrasts(a), _contrasts(d)
    clipped = np.where(np.abs(e) > 1, 1.0, e)
    with np.errstate(invalid="ignore"):
        for k in range(1, OCTAVES):
            threshold = _sensitivity_threshold(float(k))
            reach = threshold * (0.86 * (c[k] / threshold - 1) + 0.3)
            d[k] = np.where(np.abs(clipped[k] - c[k]) - reach < 0, a[k], d[k])
            seen = _sensitivity_threshold(2.0**k / VIEWING_ANGLE)
            a[k] = np.where(np.abs(c[k]) < seen, 0.0, a[k])
            d[k] = np.where(np.abs(e[k]) < seen, 0.0, d[k])
    signal = a[1:].sum(axis=0)
    noise = float(np.sum((signal - d[1:].sum(axis=0)) ** 2))
    power = float(np.sum(signal**2))
    if not noise:
        return math.inf
    return 10 * math.log10(power / noise) if power else -math.inf


def _octaves(image: FloatArray) -> FloatArray:
    """Give the six octave images, lowest first: (6, H, W)."""
    height, width = image.shape
    r = np.hypot(np.arange(height)[:, None] - height / 2, np.arange(width)[None, :] - width / 2)
    spectrum = np.fft.fft2(image)
    # (radius, lowest, highest, radius where the cosine is 0, turn of the cosine)
    bands = [(r + 2, 1, 4, 4.0, np.pi), (r, 1, 4, 4.0, np.pi), (r, 2, 8, 0.5, 0.0),
             (r, 4, 16, 4.0, np.pi), (r, 8, 32, 0.5, 0.0), (r, 16, 64, 4.0, np.pi)]  # fmt: skip
    result = np.empty((OCTAVES, height, width))
    for k, (radius, low, high, otherwise, turn) in enumerate(bands):
        q = np.where((radius >= low) & (radius <= high), radius, otherwise)
        gain = 0.5 * (1 + np.cos(np.pi * np.log2(q) - turn))
        result[k] = np.fft.ifft2(np.fft.fftshift(gain) * spectrum).real
    return result


def _contrasts(octaves: FloatArray) -> FloatArray:
    """Give each octave over the sum of those below it; entry 0 is not used."""
    result = np.zeros_like(octaves)
    with np.errstate(divide="ignore", invalid="ignore"):
        result[1:] = octaves[1:] / np.cumsum(octaves, axis=0)[:-1]
    return result


def _sensitivity_threshold(frequency: float) -> float:
    """Give the least contrast that is seen at a frequency (cycles a degree)."""
    x = 0.114 * frequency
    return 1 / (200 * 2.6 * (0.0192 + x) * math.exp(-(x**1.1)))
