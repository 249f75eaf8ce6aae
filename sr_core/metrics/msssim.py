"""Multi-scale structural similarity, in the variant of the published super-resolution tables (MeTriX MuX).

References
----------
Z. Wang, E. P. Simoncelli, A. C. Bovik, Multiscale structural similarity for image quality assessment, Asilomar 2003,
doi:10.1109/ACSSC.2003.1292216. M. Gaubatz, MeTriX MuX visual quality assessment package 1.1 (`msssim`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from sr_core.metrics.distortion import K1, K2, SSIM_SIDE, moments, whole_windows
from sr_core.metrics.protocol import BoolArray, Protocol, bounding_box, refuse_small
from sr_core.operators.factor import FloatArray

EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
SMALLEST_SIDE = SSIM_SIDE * 2 ** (len(EXPONENTS) - 1)
_HALF = (0.037828455507260, -0.023849465019560, -0.110624404418440, 0.377402855612830, 0.852698679008890)
TAPS = np.array([*_HALF, *_HALF[-2::-1]]) / sum((*_HALF, *_HALF[-2::-1]))


def msssim(sr: NDArray[Any], hr: NDArray[Any], protocol: Protocol, mask: BoolArray | None = None) -> float:
    """Give the multi-scale structural similarity (MuX variant), mean over bands; 1 for equal images.

    Parameters
    ----------
    sr, hr : array (C, H, W)
        Produced and reference image, in one unit.
    protocol : Protocol
        Channel, range, border, rounding.
    mask : array (H, W) of bool, optional
        True where a pixel is usable. Only windows whose pixels all descend from usable ones enter, at every scale.

    Raises
    ------
    ShapeError
        If the images do not fit, the usable part has a side below 176 px (the coarsest scale would be below 11), or a scale has no
        wholly usable window.

    Notes
    -----
    Five scales; luminance, contrast and structure are averaged apart over the valid area, then raised and multiplied. Between scales:
    separable 9-tap filter, symmetric border, every second sample. The better known variant averages contrast times structure and halves
    by 2 x 2 means: its numbers differ in the second digit after the point, so a table must name the variant. Where the mean structure of a
    scale is negative its power is not a real number, and NaN is given.
    """
    a, b, usable = protocol.prepare(sr, hr, mask)
    box = bounding_box(usable)
    refuse_small(usable[box].shape, SMALLEST_SIDE, "MS-SSIM")
    return float(np.mean([_band(x[box], y[box], usable[box], protocol.data_range) for x, y in zip(a, b, strict=True)]))


def _band(x: FloatArray, y: FloatArray, usable: BoolArray, data_range: float) -> float:
    result = 1.0
    for scale, exponent in enumerate(EXPONENTS):
        if scale:
            x, y, usable = _half(x), _half(y), _half_mask(usable)
        light, contrast, structure = _parts(x, y, whole_windows(usable, "MS-SSIM"), data_range)
        if structure < 0:
            return math.nan
        result *= (contrast * structure) ** exponent
    return float(result * light ** EXPONENTS[-1])


def _parts(x: FloatArray, y: FloatArray, whole: BoolArray, data_range: float) -> tuple[float, float, float]:
    """Give luminance, contrast and structure, each the mean over whole windows."""
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    mx, my, vx, vy, cov = moments(x, y)
    dx, dy = np.sqrt(np.maximum(vx, 0)), np.sqrt(np.maximum(vy, 0))
    light = (2 * mx * my + c1) / (mx * mx + my * my + c1)
    contrast = (2 * dx * dy + c2) / (dx * dx + dy * dy + c2)
    structure = (cov + c2 / 2) / (dx * dy + c2 / 2)
    return float(light[whole].mean()), float(contrast[whole].mean()), float(structure[whole].mean())


def _half(x: FloatArray) -> FloatArray:
    for axis in (0, 1):
        x = scipy.ndimage.correlate1d(x, TAPS, axis=axis, mode="reflect")
    return x[::2, ::2]


def _half_mask(usable: BoolArray) -> BoolArray:
    return np.asarray(scipy.ndimage.minimum_filter(usable, size=len(TAPS), mode="reflect")[::2, ::2], dtype=bool)
