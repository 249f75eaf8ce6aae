"""How far an image lies beside its reference, in parts of a pixel.

References
----------
M. Guizar-Sicairos, S. T. Thurman, J. R. Fienup, Efficient subpixel image registration algorithms, Optics Letters 33 (2008),
doi:10.1364/OL.33.000156. The estimator equals scikit-image's `phase_cross_correlation(..., normalization=None)`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_core.errors import InputError, ShapeError
from sr_core.metrics.protocol import BoolArray, Protocol
from sr_core.metrics.resolution import SMALLEST_SIDE, spectrum
from sr_core.records import Record

FLOOR_RMS_PX = 0.08
FLOOR_WORST_PX = 0.25
FLOOR_MEAN_PX = 0.1
MEAN_OF = 10


class Shift(Record):
    """Displacement of an image against its reference: positive is down and right, px of their grid.

    Attributes
    ----------
    row, col : the estimate, in steps of 1 / upsample.
    upsample : subdivision of a pixel in the search.
    floor_rms, floor_worst : error of the method on pairs of a picture and its aliased x4 reduction, px: measured, not of this image.
    """

    row: float
    col: float
    upsample: int
    floor_rms: float = FLOOR_RMS_PX
    floor_worst: float = FLOOR_WORST_PX

    @property
    def length(self) -> float:
        """Length of the displacement, px."""
        return math.hypot(self.row, self.col)

    @property
    def beyond_floor(self) -> bool:
        """Whether the displacement is longer than the method's worst error: only then does one image prove a shift."""
        return self.length > self.floor_worst

    def describe(self) -> str:
        """Say it in words, with the floor."""
        known = "beyond" if self.beyond_floor else "within"
        return (
            f"{self.row:+.2f} px down, {self.col:+.2f} px right (steps of 1/{self.upsample}): {known} the method's floor"
            f" ({self.floor_rms:g} px RMS, {self.floor_worst:g} px at worst, on aliased x4 pairs)"
        )


def sub_pixel_shift(
    sr: NDArray[Any], hr: NDArray[Any], protocol: Protocol, mask: BoolArray | None = None, upsample: int = 100
) -> tuple[Shift, ...]:
    """Estimate the displacement of an image against its reference, one a band.

    Parameters
    ----------
    sr, hr : array (C, H, W)
        Produced and reference image, in one unit.
    protocol : Protocol
        Channel, range, border, rounding.
    mask : array (H, W) of bool, optional
        True where a pixel is usable; the usable pixels must be a full rectangle of at least 16 x 16.
    upsample : int
        Steps a pixel, 20 to 100.

    Raises
    ------
    ShapeError
        If the images do not fit, the mask has holes, or a band is flat.
    InputError
        If `upsample` is not between 20 and 100.

    Notes
    -----
    Means removed, periodic Hann window, highest cross-correlation, refined by a matrix Fourier transform around it. The cross-spectrum is
    **not** whitened: whitening lets the empty high frequencies of an SR image vote, and the error becomes 0.6 px. A limit below 0.25 px
    for one image, or below 0.1 px for a mean over ten or more, is not defensible with this method.
    """
    if not 20 <= upsample <= 100:
        raise InputError(f"{upsample} steps a pixel", "20 to 100", "Use 100.")
    a, b = protocol.prepare_whole(sr, hr, mask, "the shift", SMALLEST_SIDE)
    flat = [k for k in range(len(a)) if not np.ptp(a[k]) or not np.ptp(b[k])]
    if flat:
        raise ShapeError(f"band {flat[0]} is flat", "bands with structure", "A shift cannot be seen there: leave the band out.")
    found = (_estimate(x * y.conj(), upsample) for x, y in zip(spectrum(a), spectrum(b), strict=True))
    return tuple(Shift(row=row, col=col, upsample=upsample) for row, col in found)


def mean_floor(images: int) -> float:
    """Give the smallest limit, px, that may be set on a shift averaged over so many images."""
    return FLOOR_MEAN_PX if images >= MEAN_OF else FLOOR_WORST_PX


def _estimate(product: NDArray[np.complex128], upsample: int) -> tuple[float, float]:
    """Find the peak of the cross-correlation whose spectrum is given."""
    peak = np.unravel_index(int(np.abs(np.fft.ifft2(product)).argmax()), product.shape)
    whole = [int(p) - size if p > size // 2 else int(p) for p, size in zip(peak, product.shape, strict=True)]
    reach = math.ceil(1.5 * upsample)
    steps = np.arange(reach) - reach // 2
    rows, cols = (
        np.exp(2j * np.pi * np.outer(start + steps / upsample, np.fft.fftfreq(size)))
        for start, size in zip(whole, product.shape, strict=True)
    )
    fine = np.unravel_index(int(np.abs(rows @ product @ cols.T).argmax()), (reach, reach))
    row, col = (start + int(steps[k]) / upsample for start, k in zip(whole, fine, strict=True))
    return row, col
