"""Objects in an output that are not in the truth, and what could hide in its interval.

Objects are Gaussian, of a full width at half height in HR px. Images are float32 (C, H, W) in one physical unit; masks are bool (H, W),
True = usable, or None for all.
"""

from __future__ import annotations

import math

import numpy as np

from sr_core.errors import InputError, ShapeError
from sr_core.raster import BoolArray, Float32Array
from sr_core.records import Record
from sr_core.trust.hallucination import check_same, checked_mask
from sr_core.trust.planted import Float64Array, Place, profile


class CreatedObject(Record):
    """A place with nothing planted where the output differs from the truth by an object larger than the interval allows (HR px, unit)."""

    band: int
    row: int
    col: int
    amplitude: float
    half_width: float


def object_amplitudes(z: Float32Array, x: Float32Array, fwhm: float, mask: BoolArray | None = None) -> Float32Array:
    """Give, for each pixel, the amplitude of an object centred there that best explains the error: <z - x, L> / <L, L>.

    Parameters
    ----------
    z, x : float32 (C, H, W), output and truth, with nothing planted.
    fwhm : HR px.
    mask : bool (H, W) or None.

    Returns
    -------
    float32 (C, H, W)
        Unit of the images, signed; NaN outside the mask, where a value is not finite, and so near an image's side or a hole that less
        than nine tenths of <L, L> is usable.
    """
    from scipy.ndimage import correlate1d

    usable = checked_mask(z, mask)
    check_same(z, x)
    if not (math.isfinite(fwhm) and fwhm > 0):
        raise InputError(f"an object {fwhm} px wide", "a width above 0", "Give fwhm=3, for example.")
    known = usable & np.isfinite(z).all(axis=0) & np.isfinite(x).all(axis=0)
    taps = profile(np.arange(-math.ceil(2 * fwhm), math.ceil(2 * fwhm) + 1), 0.0, fwhm)

    def sums(image: Float64Array, along: Float64Array) -> Float64Array:
        rows = correlate1d(image, along, axis=-2, mode="constant")
        return np.asarray(correlate1d(rows, along, axis=-1, mode="constant"), np.float64)

    whole = float(np.sum(taps**2)) ** 2
    norm = sums(known.astype(np.float64), taps**2)
    found = sums(np.where(known, z.astype(np.float64) - x, 0.0), taps) / np.maximum(norm, 1e-12)
    return np.where(known & (norm >= 0.9 * whole), found, np.nan).astype(np.float32)


def created_objects(
    z: Float32Array, x: Float32Array, half_width: Float32Array, fwhm: float, mask: BoolArray | None = None
) -> tuple[CreatedObject, ...]:
    """Find objects in the output that are not in the truth, larger than the interval's half-width at their centre; the largest first.

    Every pixel is tried; of those within one width of each other only the largest counts. Parameters are those of `object_amplitudes`;
    half_width is float32 (C, H, W), and where it is NaN there is no interval to exceed.

    Raises
    ------
    ShapeError
        If the arrays do not fit.
    InputError
        If the width is not above 0.
    """
    from scipy.ndimage import maximum_filter

    check_same(z, half_width)
    amplitudes = object_amplitudes(z, x, fwhm, mask)
    size = np.nan_to_num(np.abs(amplitudes), nan=0.0)
    reach = 2 * math.ceil(fwhm) + 1
    peak = (size > half_width) & (size == maximum_filter(size, (1, reach, reach)))
    found = [
        CreatedObject(band=b, row=r, col=c, amplitude=float(amplitudes[b, r, c]), half_width=float(half_width[b, r, c]))
        for b, r, c in np.argwhere(peak).tolist()
    ]
    return tuple(sorted(found, key=lambda o: -abs(o.amplitude)))


def hidden_sentence(half_width: Float32Array, place: Place, fwhm: float, unit: str) -> str:
    """Say what could hide in the interval at a place: half_width float32 (C, H, W), its widest band there.

    Raises
    ------
    ShapeError
        If the place lies outside the image.
    """
    row, col = place
    if not (0 <= row < half_width.shape[1] and 0 <= col < half_width.shape[2]):
        raise ShapeError(f"the place {row}, {col}", f"one inside {half_width.shape[1:]}", "Give a place of this image.")
    h = float(half_width[:, row, col].max())
    if math.isnan(h):
        return f"There is no interval here: an object of {fwhm:g} px of any strength cannot be excluded."
    return f"An object of {fwhm:g} px weaker than {h:.3g} {unit} cannot be excluded here."
