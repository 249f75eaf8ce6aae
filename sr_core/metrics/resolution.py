"""What detail an image holds: energy by octave and correlation by frequency ring, against the reference.

References
----------
W. O. Saxton, W. Baumeister, The correlation averaging of a regularly arranged bacterial cell envelope protein, J. Microscopy 127 (1982),
doi:10.1111/j.1365-2818.1982.tb00405.x. P. B. Rosenthal, R. Henderson, Optimal determination of particle orientation, absolute hand, and
contrast loss in single-particle electron cryomicroscopy, J. Mol. Biol. 333 (2003), doi:10.1016/j.jmb.2003.07.013.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_core.errors import InputError, ShapeError
from sr_core.metrics.protocol import BoolArray, Protocol
from sr_core.operators.factor import FloatArray

SMALLEST_SIDE = 16
FRC_THRESHOLD = 1 / 7  # signal to noise power 1/6 in each image
LEAST_RATIO = 1e-12  # of energies: an image without any detail is far from 1, not infinitely far


@dataclass(frozen=True)
class RingCorrelation:
    """Fourier ring correlation of each band: `values` (C, side // 2 + 1) float64, ring r at r / side cycles/px.

    A ring without energy in one of the images is NaN.
    """

    values: FloatArray
    side: int

    def resolution(self, threshold: float = FRC_THRESHOLD) -> tuple[float | None, ...]:
        """Give, for each band, the frequency (cycles/px) at which the correlation first falls below the threshold.

        Linear interpolation between rings; None is "not limited": it never falls below. A ring without energy counts as correlation 0.
        The first ring (the mean, which is taken out) is passed over. One number of one pair of images proves no detail.
        """
        return tuple(self._crossing(curve, threshold) for curve in np.nan_to_num(self.values, nan=0.0))

    def _crossing(self, curve: FloatArray, threshold: float) -> float | None:
        below = np.flatnonzero(curve[1:] < threshold)
        if not below.size:
            return None
        ring = int(below[0]) + 1
        if ring == 1:
            return 1 / self.side
        before, after = float(curve[ring - 1]), float(curve[ring])
        return (ring - 1 + (before - threshold) / (before - after)) / self.side


def ring_correlation(
    sr: NDArray[Any], hr: NDArray[Any], protocol: Protocol, mask: BoolArray | None = None, window: bool = True
) -> RingCorrelation:
    """Give the Fourier ring correlation of an image with its reference.

    Parameters
    ----------
    sr, hr : array (C, n, n)
        Produced and reference image, square inside the border, in one unit.
    protocol : Protocol
        Channel, range, border, rounding.
    mask : array (H, W) of bool, optional
        True where a pixel is usable; the usable pixels must be a full square of at least 16 px.
    window : bool
        Whether a periodic Hann window is put on, against the jump from one border to the other. Leave it out for periodic images only.

    Raises
    ------
    ShapeError
        If the images do not fit, the mask has holes, or the usable part is not square.

    Notes
    -----
    Means removed; ring r holds the frequencies with `rint(hypot(kx, ky)) = r`, r <= n / 2; `Re sum A B* / sqrt(sum |A|^2 sum |B|^2)`.
    """
    a, b = protocol.prepare_whole(sr, hr, mask, "ring correlation", SMALLEST_SIDE)
    side = a.shape[1]
    if side != a.shape[2]:
        raise ShapeError(f"{side} x {a.shape[2]} usable px", "a square", "Cut a square window for the ring correlation.")
    index = np.fft.fftfreq(side, 1 / side)
    rings = np.rint(np.hypot(index[:, None], index[None, :])).astype(np.int64).ravel()
    count = side // 2 + 1
    curves = []
    for x, y in zip(spectrum(a, window), spectrum(b, window), strict=True):
        common, own, other = (
            np.bincount(rings, weights=v.ravel(), minlength=count)[:count] for v in ((x * y.conj()).real, np.abs(x) ** 2, np.abs(y) ** 2)
        )
        power = np.sqrt(own * other)
        curves.append(np.divide(common, power, out=np.full(count, np.nan), where=power > 0))
    return RingCorrelation(np.stack(curves), side)


def octave_energy(sr: NDArray[Any], hr: NDArray[Any], protocol: Protocol, mask: BoolArray | None = None, octaves: int = 4) -> FloatArray:
    """Give the energy of an image over that of its reference in each octave of frequency: (C, octaves) float64, highest octave first.

    Parameters
    ----------
    sr, hr : array (C, H, W)
        Produced and reference image, in one unit.
    protocol : Protocol
        Channel, range, border, rounding.
    mask : array (H, W) of bool, optional
        True where a pixel is usable; the usable pixels must be a full rectangle of at least 16 x 16.
    octaves : int
        How many; octave k holds radial frequencies in [0.5 / 2^(k+1), 0.5 / 2^k) cycles/px.

    Returns
    -------
    array (C, octaves)
        Above 1: texture that the reference does not have; below: blur. NaN where the reference has no energy in the octave.

    Raises
    ------
    ShapeError
        If the images do not fit, the mask has holes, or an octave holds no frequency of this size.
    InputError
        If no octave is asked for.
    """
    if octaves < 1:
        raise InputError(f"{octaves} octaves", "1 or more", "Ask for 4.")
    a, b = protocol.prepare_whole(sr, hr, mask, "octave energy", SMALLEST_SIDE)
    radius = np.hypot(np.fft.fftfreq(a.shape[1])[:, None], np.fft.fftfreq(a.shape[2])[None, :])
    members = [(radius >= 0.5 / 2 ** (k + 1)) & (radius < 0.5 / 2**k) for k in range(octaves)]
    if not members[-1].any() or 0.5 / 2**octaves < 1 / max(a.shape[1:]):
        raise ShapeError(f"{octaves} octaves of {a.shape[1]} x {a.shape[2]} px", "octaves above one cycle an image", "Ask for fewer.")
    powers = [np.abs(spectrum(v)) ** 2 for v in (a, b)]
    made, truth = (np.stack([power[:, member].sum(axis=1) for member in members], axis=1) for power in powers)
    ratio = np.full_like(truth, np.nan)
    np.divide(made, truth, out=ratio, where=truth > 0)
    return ratio


def highest_octave(sr: NDArray[Any], hr: NDArray[Any], protocol: Protocol, mask: BoolArray | None = None) -> tuple[float, ...]:
    """Give the energy of an image over that of its reference in the highest octave of frequency, of each band where that is a number.

    Parameters as for `octave_energy`. Empty where it cannot be measured: the image has holes or is too small, or the reference has no
    energy there.
    """
    try:
        ratios = octave_energy(sr, hr, protocol, mask, octaves=1)[:, 0].tolist()
    except ShapeError:
        return ()
    return tuple(ratio for ratio in ratios if math.isfinite(ratio))


def octave_distance(ratio: float) -> float:
    """Give how far a ratio of energies is from 1, |ln ratio|: as much for half as for double. NaN stays NaN."""
    return abs(math.log(max(ratio, LEAST_RATIO))) if not math.isnan(ratio) else math.nan


def spectrum(images: FloatArray, window: bool = True) -> NDArray[np.complex128]:
    """Give the Fourier transform of each band (C, H, W), mean removed and (where asked) under a periodic Hann window."""
    work = images - images.mean(axis=(1, 2), keepdims=True)
    if window:
        work = work * hann(work.shape[1])[:, None] * hann(work.shape[2])[None, :]
    return np.asarray(np.fft.fft2(work), dtype=np.complex128)


def hann(size: int) -> FloatArray:
    """Give the periodic Hann window, (size,) float64."""
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size), dtype=np.float64)
