"""Colour and radiometry between bands: spectral angle, ERGAS, RMSE in units, NDVI difference.

References
----------
F. A. Kruse et al., The spectral image processing system (SIPS), Remote Sensing of Environment 44 (1993),
doi:10.1016/0034-4257(93)90013-N. L. Wald, Quality of high resolution synthesised images: is there a simple criterion?, Fusion of Earth
Data 2000. C. J. Tucker, Red and photographic infrared linear combinations for monitoring vegetation, Remote Sensing of Environment 8
(1979), doi:10.1016/0034-4257(79)90013-0.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_core.errors import InputError, ShapeError
from sr_core.metrics.consistency import degraded
from sr_core.metrics.protocol import BoolArray, Protocol
from sr_core.operators import Operator
from sr_core.operators.factor import FloatArray
from sr_core.records import Record


class SpectralAngle(Record):
    """Mean angle between spectra, degrees; `left_out` usable pixels had a spectrum of zeros and no angle."""

    mean_degrees: float
    pixels: int
    left_out: int


class NdviDifference(Record):
    """NDVI of the image minus that of its reference: mean, mean and 95th percentile of the absolute difference (NDVI, -1..1).

    `left_out` usable pixels had no NDVI in one of the images (near infrared + red not above 0).
    """

    mean: float
    mean_absolute: float
    p95_absolute: float
    pixels: int
    left_out: int


def spectral_angle(sr: NDArray[Any], hr: NDArray[Any], protocol: Protocol, mask: BoolArray | None = None) -> SpectralAngle:
    """Give the mean angle between the spectra of two images (the spectral angle mapper).

    Parameters
    ----------
    sr, hr : array (C, H, W)
        Produced and reference image, in one unit; C >= 2.
    protocol : Protocol
        Channel ("bands"), range, border, rounding.
    mask : array (H, W) of bool, optional
        True where a pixel is usable.

    Raises
    ------
    ShapeError
        If the images do not fit, have one band, or no pixel has an angle.

    Notes
    -----
    The angle is taken as `2 atan2(|u - v|, |u + v|)` of the unit spectra: the same as the arc cosine of their product, without its loss of
    half the digits at small angles.
    """
    a, b, usable = protocol.prepare(sr, hr, mask)
    if len(a) < 2:
        raise ShapeError("images of one band", "at least two bands", "A spectral angle needs a spectrum.")
    u, v = a[:, usable], b[:, usable]
    lengths = np.linalg.norm(u, axis=0), np.linalg.norm(v, axis=0)
    known = (lengths[0] > 0) & (lengths[1] > 0)
    if not known.any():
        raise ShapeError("spectra of zeros only", "at least one pixel with a spectrum in both images", "Measure on another image.")
    u, v = (spectra[:, known] / length[known] for spectra, length in zip((u, v), lengths, strict=True))
    angles = 2 * np.arctan2(np.linalg.norm(u - v, axis=0), np.linalg.norm(u + v, axis=0))
    return SpectralAngle(mean_degrees=math.degrees(angles.mean()), pixels=int(known.sum()), left_out=int((~known).sum()))


def rmse(sr: NDArray[Any], hr: NDArray[Any], protocol: Protocol, mask: BoolArray | None = None) -> FloatArray:
    """Give the root mean square error of each band, (C,) float64, in the images' unit; parameters and errors as for `psnr`.

    The pooled value is the root of the mean of their squares.
    """
    a, b, usable = protocol.prepare(sr, hr, mask)
    return np.asarray(np.sqrt(np.mean((a[:, usable] - b[:, usable]) ** 2, axis=1)), dtype=np.float64)


def ergas(sr: NDArray[Any], hr: NDArray[Any], protocol: Protocol, scale: int, mask: BoolArray | None = None) -> float:
    """Give the relative global error, `(100 / scale) sqrt(mean_b (MSE_b / mean_b^2))`, mean_b that of the reference band; 0 is perfect.

    Parameters
    ----------
    sr, hr : array (C, H, W)
        Produced and reference image, in one physical unit whose 0 means none (a ratio to the mean is taken).
    protocol : Protocol
        Channel, range, border, rounding.
    scale : int
        HR pixels a LR pixel, >= 1.
    mask : array (H, W) of bool, optional
        True where a pixel is usable.

    Raises
    ------
    InputError
        If a reference band has mean 0, or the scale is below 1.
    ShapeError
        If the images do not fit, or no pixel is usable.
    """
    if scale < 1:
        raise InputError(f"scale {scale}", "1 or more", "Give HR pixels a LR pixel.")
    _, b, usable = protocol.prepare(sr, hr, mask)
    means = b[:, usable].mean(axis=1)
    if not means.all():
        band = int(np.flatnonzero(means == 0)[0])
        raise InputError(f"reference band {band} of mean 0", "means other than 0", "ERGAS is a ratio to the mean: leave that band out.")
    return float(100 / scale * np.sqrt(np.mean((rmse(sr, hr, protocol, mask) / means) ** 2)))


def ndvi_difference(
    sr: NDArray[Any], hr: NDArray[Any], protocol: Protocol, red: int, near_infrared: int, mask: BoolArray | None = None
) -> NdviDifference:
    """Give how far the vegetation index of an image lies from that of its reference, `NDVI = (N - R) / (N + R)`.

    Parameters
    ----------
    sr, hr : array (C, H, W)
        Produced and reference image, reflectance (or another unit whose 0 means none).
    protocol : Protocol
        Channel ("bands"), range, border, rounding.
    red, near_infrared : int
        Band numbers, from 0.
    mask : array (H, W) of bool, optional
        True where a pixel is usable.

    Raises
    ------
    ShapeError
        If the images do not fit, have no such bands, or no pixel has an NDVI in both.
    """
    a, b, usable = protocol.prepare(sr, hr, mask)
    return _ndvi_difference(a[:, usable], b[:, usable], red, near_infrared)


def ndvi_difference_lr(
    sr: NDArray[Any],
    lr: NDArray[Any],
    operator: Operator,
    red: int,
    near_infrared: int,
    mask: BoolArray | None = None,
    hr_mask: BoolArray | None = None,
) -> NdviDifference:
    """Give the NDVI difference on the LR grid: the SR bands are degraded first, then NDVI is taken and compared with the measurement's.

    Parameters
    ----------
    sr, lr : array (C, s H, s W) and (C, H, W)
        SR image and measurement, reflectance.
    operator : Operator
        The known degradation. (NDVI is not linear: degrading the index instead would give another number.)
    red, near_infrared : int
        Band numbers, from 0.
    mask, hr_mask : arrays (H, W) and (s H, s W) of bool, optional
        Usable LR and HR pixels. A LR pixel with an unusable HR pixel under its taps is left out.

    Raises
    ------
    ShapeError
        If the images do not fit, have no such bands, or no pixel has an NDVI in both.
    InputError
        If a usable pixel is not a finite number.
    """
    low, used = degraded(sr, lr, operator, mask, hr_mask)
    return _ndvi_difference(low[:, used], np.asarray(lr, dtype=np.float64)[:, used], red, near_infrared)


def _ndvi_difference(a: FloatArray, b: FloatArray, red: int, near_infrared: int) -> NdviDifference:
    if red == near_infrared or not all(0 <= band < len(a) for band in (red, near_infrared)):
        given = f"bands {red} (red) and {near_infrared} (near infrared) of {len(a)}"
        raise ShapeError(given, "two bands, counted from 0", "Name the bands of this image.")
    sums = [x[near_infrared] + x[red] for x in (a, b)]
    known = (sums[0] > 0) & (sums[1] > 0)
    if not known.any():
        raise ShapeError("no pixel with an NDVI in both images", "near infrared + red above 0", "Measure on another image.")
    made, truth = ((x[near_infrared] - x[red])[known] / total[known] for x, total in zip((a, b), sums, strict=True))
    size = np.abs(made - truth)
    return NdviDifference(
        mean=float((made - truth).mean()),
        mean_absolute=float(size.mean()),
        p95_absolute=float(np.quantile(size, 0.95)),
        pixels=int(known.sum()),
        left_out=int((~known).sum()),
    )
