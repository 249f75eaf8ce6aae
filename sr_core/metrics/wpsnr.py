"""PSNR with the error weighted by the eye's contrast sensitivity.

References
----------
J. L. Mannos, D. J. Sakrison, The effects of a visual fidelity criterion on the encoding of images, IEEE Trans. Inf. Theory 20 (1974),
doi:10.1109/TIT.1974.1055250. The filter is that of R. Liu's MATLAB function of 1999, which the published tables use.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_core.metrics.protocol import BoolArray, Protocol
from sr_core.operators.factor import FloatArray

REACH = 20  # of the filter, px


def wpsnr(sr: NDArray[Any], hr: NDArray[Any], protocol: Protocol, mask: BoolArray | None = None) -> float:
    """Give the weighted PSNR, dB; infinity for equal images.

    Parameters
    ----------
    sr, hr : array (C, H, W)
        Produced and reference image, in one unit.
    protocol : Protocol
        Channel, range, border, rounding.
    mask : array (H, W) of bool, optional
        True where a pixel is usable.

    Raises
    ------
    ShapeError
        If the images do not fit, or no pixel is usable.

    Notes
    -----
    The error is 0 outside the image by definition; unusable pixels count as outside, so a mask that is a rectangle gives the number of the
    cut image. Squared filtered errors are pooled over bands and usable pixels.
    """
    a, b, usable = protocol.prepare(sr, hr, mask)
    error = np.where(usable, b - a, 0.0) / protocol.data_range
    if not error.any():
        return math.inf
    filtered = _filter(error)
    return -10 * math.log10(float(np.mean(filtered[:, usable] ** 2)))


def _filter(error: FloatArray) -> FloatArray:
    """Convolve (C, H, W) with the sensitivity, zeros outside, to the same size."""
    height, width = error.shape[1:]
    whole = height + 2 * REACH, width + 2 * REACH
    product = np.fft.rfft2(error, whole) * np.fft.rfft2(sensitivity(), whole)
    return np.asarray(np.fft.irfft2(product, whole)[:, REACH : REACH + height, REACH : REACH + width], dtype=np.float64)


@lru_cache(maxsize=1)
def sensitivity() -> FloatArray:
    """Give the contrast sensitivity as a filter, (41, 41) float64, symmetric about its centre; its sum is 0.5."""
    u, v = np.meshgrid(np.arange(-REACH, REACH + 1), np.arange(-REACH, REACH + 1), indexing="xy")
    w = 2 * np.pi * np.hypot(u, v) / 60
    theta = np.arctan(v / (u + 2.2e-16))
    radial = 1.5 * np.exp(-2 * w**2) - np.exp(-4 * w**2)
    step = np.exp(8 * (w - 2 * np.pi * 11.13 / 60))
    response = radial * (1 + step * np.cos(2 * theta) ** 4) / (1 + step)
    kernel = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(response))).real
    kernel.flags.writeable = False
    return np.asarray(kernel, dtype=np.float64)
