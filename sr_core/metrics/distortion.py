"""PSNR and SSIM, in float64, on usable pixels only.

References
----------
Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, Image quality assessment: from error visibility to structural similarity,
IEEE TIP 13 (2004), doi:10.1109/TIP.2003.819861.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from sr_core.errors import ShapeError
from sr_core.metrics.protocol import BoolArray, Protocol, refuse_small
from sr_core.operators.factor import FloatArray

SSIM_SIDE = 11
SSIM_SIGMA = 1.5
K1, K2 = 0.01, 0.03


def psnr(sr: NDArray[Any], hr: NDArray[Any], protocol: Protocol, mask: BoolArray | None = None) -> float:
    """Give the peak signal-to-noise ratio, dB: `10 log10(data_range^2 / MSE)`, the MSE pooled over bands and usable pixels.

    Equal images give infinity; leave it out of means, in words.

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
    """
    a, b, usable = protocol.prepare(sr, hr, mask)
    mse = float(np.mean((a[:, usable] - b[:, usable]) ** 2))
    return 10 * math.log10(protocol.data_range**2 / mse) if mse else math.inf


def ssim(sr: NDArray[Any], hr: NDArray[Any], protocol: Protocol, mask: BoolArray | None = None) -> float:
    """Give the structural similarity, -1..1: mean over bands of the mean over windows that hold usable pixels only.

    Parameters and errors as for `psnr`; also ShapeError if no 11 x 11 window is wholly usable.

    Notes
    -----
    11 x 11 Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03, moments without the n/(n-1) correction, windows wholly inside the image.
    """
    a, b, usable = protocol.prepare(sr, hr, mask)
    whole = whole_windows(usable, "SSIM")
    return float(np.mean([_map(x, y, protocol.data_range)[whole].mean() for x, y in zip(a, b, strict=True)]))


def _map(x: FloatArray, y: FloatArray, data_range: float) -> FloatArray:
    """Give the SSIM of each window: (H, W) to (H - 10, W - 10)."""
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    mx, my, vx, vy, cov = moments(x, y)
    return (2 * mx * my + c1) * (2 * cov + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))


def whole_windows(usable: BoolArray, metric: str) -> BoolArray:
    """Give which 11 x 11 windows hold usable pixels only: (H, W) to (H - 10, W - 10).

    Raises
    ------
    ShapeError
        If the image is smaller than a window, or no window is wholly usable.
    """
    refuse_small(usable.shape, SSIM_SIDE, metric)
    whole = _inner(scipy.ndimage.minimum_filter(usable, size=SSIM_SIDE, mode="nearest"))
    if not whole.any():
        raise ShapeError("no window of 11 x 11 usable pixels", "at least one", f"Measure {metric} on an image with less nodata.")
    return whole


def moments(x: FloatArray, y: FloatArray) -> tuple[FloatArray, ...]:
    """Give means, variances (without the n/(n-1) correction) and covariance of each window: five arrays (H - 10, W - 10)."""
    mx, my = _mean(x), _mean(y)
    return mx, my, _mean(x * x) - mx * mx, _mean(y * y) - my * my, _mean(x * y) - mx * my


def _mean(x: FloatArray) -> FloatArray:
    """Give the Gaussian-weighted mean of each window that lies wholly inside."""
    taps = np.exp(-((np.arange(SSIM_SIDE) - SSIM_SIDE // 2) ** 2) / (2 * SSIM_SIGMA**2))
    taps /= taps.sum()
    for axis in (0, 1):
        x = scipy.ndimage.correlate1d(x, taps, axis=axis, mode="nearest")
    return _inner(x)


def _inner(x: NDArray[Any]) -> NDArray[Any]:
    reach = SSIM_SIDE // 2
    return x[reach:-reach, reach:-reach]
