"""What an output invents and what it omits, where the truth is known: the error's two parts, maps, and the share of improvement.

Images are float32 (C, H, W) in one physical unit; masks are bool (H, W), True = usable, or None for all.

References
----------
S. Bhadra et al., On hallucinations in tomographic image reconstruction, IEEE Trans. Medical Imaging 40 (2021),
doi:10.1109/TMI.2021.3077857 (the split). C. Aybar et al., A comprehensive benchmark for optical remote sensing image super-resolution,
IEEE Geoscience and Remote Sensing Letters 21 (2024), doi:10.1109/LGRS.2024.3401394, and its package opensr-test (the shares).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sr_core.errors import ShapeError
from sr_core.metrics import Protocol, sub_pixel_shift
from sr_core.raster import BoolArray, Float32Array
from sr_core.records import Record
from sr_core.trust.consistency import away_from_holes, guess, no_split
from sr_core.trust.hallucination import check_same, checked_mask, floats, mean_square

if TYPE_CHECKING:
    from sr_core.operators import Operator

Float64Array = npt.NDArray[np.float64]
SHARPNESS, TEMPERATURE = 0.05, 0.25  # lambda and T of the shares
CHANGED_QUANTILE = 0.75  # of the distance between interpolation and truth: pixels beyond it are looked at
BORDER = 16  # HR px left out along each side
LEAST_DISTANCE = 1e-6  # relative: where interpolation and truth agree to this, whatever is added is synthesis


class ErrorSplit(Record):
    """Root mean square of the two parts of z - x, a band each, in the images' unit.

    Attributes
    ----------
    measured_rms : of A+ A (z - x), which the measurement contradicts. None: absent.
    null_rms : of the rest, which it cannot see.
    pixels : usable pixels away from holes.
    absent : why the figures are None, in words; "" where they are not.
    """

    measured_rms: tuple[float, ...] | None = None
    null_rms: tuple[float, ...] | None = None
    pixels: int = 0
    absent: str = ""


@dataclass(frozen=True)
class NullErrorMaps:
    """Where the guessed part is wrong by more than the interval allows; float32 (C, H, W), unit of the images, NaN outside the mask.

    Attributes
    ----------
    hallucination : size of the null-space error where it exceeds the half-width (or there is no interval), else 0. None: absent.
    omission : the same, where the output's guessed part is smaller than the truth's: detail that is missing rather than added.
    absent : why there are no maps; "" where there are.
    """

    hallucination: Float32Array | None = None
    omission: Float32Array | None = None
    absent: str = ""


class Correctness(Record):
    """Shares of improvement, omission and synthesis over the pixels that matter; they sum to 1.

    Attributes
    ----------
    improvement : near the truth; 1 / (1 + 2 exp(-4)) = 0.965 for the truth itself.
    omission : near the interpolation; 0.965 for the interpolation itself.
    synthesis : far from both: invented. None: absent, as the other two.
    harmonised : whether histogram and position of the output were first fitted to the truth, which hides gain, offset and shift.
    pixels : how many pixels were looked at.
    absent : why there are no shares; "" where there are.
    """

    improvement: float | None = None
    omission: float | None = None
    synthesis: float | None = None
    harmonised: bool = False
    pixels: int = 0
    absent: str = ""


def error_split(z: Float32Array, x: Float32Array, operator: Operator | None, mask: BoolArray | None = None) -> ErrorSplit:
    """Split the error of an output into what the measurement contradicts and what it cannot see.

    Parameters
    ----------
    z, x : float32 (C, H, W), output and truth; sides are multiples of the operator's scale.
    operator : the known degradation, or None.
    mask : bool (H, W) or None.

    Returns
    -------
    ErrorSplit
        NaN where a usable value is not finite.

    Raises
    ------
    ShapeError
        If the arrays do not fit.
    """
    usable = checked_mask(z, mask)
    check_same(z, x)
    if reason := no_split(operator):
        return ErrorSplit(absent=reason)
    assert operator is not None
    inner = away_from_holes(usable, operator)
    if not inner.any():
        return ErrorSplit(absent="every usable pixel lies beside a hole" if usable.any() else "no pixel is usable")
    error = (z.astype(np.float64) - x).astype(np.float32)
    null = guess(error, operator, usable)
    measured = error - null
    return ErrorSplit(
        measured_rms=floats(np.sqrt(mean_square(measured, inner))),
        null_rms=floats(np.sqrt(mean_square(null, inner))),
        pixels=int(inner.sum()),
    )


def null_error_maps(
    z: Float32Array, x: Float32Array, half_width: Float32Array, operator: Operator | None, mask: BoolArray | None = None
) -> NullErrorMaps:
    """Draw where the guessed part is wrong by more than the interval allows.

    Parameters
    ----------
    z, x, half_width : float32 (C, H, W), output, truth, and the interval's half-width (NaN: none there).
    operator : the known degradation, or None.
    mask : bool (H, W) or None.

    Raises
    ------
    ShapeError
        If the arrays do not fit.
    """
    usable = checked_mask(z, mask)
    check_same(z, x, half_width)
    if reason := no_split(operator):
        return NullErrorMaps(absent=reason)
    assert operator is not None
    made, truth = guess(z, operator, usable), guess(x, operator, usable)
    size = np.abs(made - truth)
    wrong = np.where(size <= half_width, np.float32(0), size)  # NaN is not held
    missing = np.where(np.abs(made) < np.abs(truth), wrong, np.where(np.isnan(wrong), wrong, np.float32(0)))
    return NullErrorMaps(np.asarray(wrong, np.float32), np.asarray(missing, np.float32))


def correctness(
    z: Float32Array, x: Float32Array, interpolated: Float32Array, mask: BoolArray | None = None, *, harmonise: bool = False
) -> Correctness:
    """Give the shares of improvement, omission and synthesis of an output.

    Parameters
    ----------
    z, x, interpolated : float32 (C, H, W), output, truth and the interpolated measurement, in a unit whose 0 means none (distances are
        relative to the sum of two values).
    mask : bool (H, W) or None; 16 px along the image's sides are left out as well.
    harmonise : match the output's histogram to the truth's and shift it onto the truth first, as the published package does. It hides
        gain, offset and shift; for comparison with published figures only (give a bilinear interpolation then).

    Returns
    -------
    Correctness
        NaN where a usable value is not finite.

    Raises
    ------
    ShapeError
        If the arrays do not fit, the image is not larger than its two borders, or it is to be harmonised and has holes.

    Notes
    -----
    D(a, b) = |a - b| / |a + b|, mean over bands; with b the interpolation: d_im = D(z, x) / D(b, x), d_om = D(z, b) / D(b, x),
    H = d_im + d_om - 1; the three distances d_im + d_om (1 - e^{-lH}), d_om + d_im (1 - e^{-lH}) and e^{-l d_im d_om}, l = 0.05, are
    turned into shares by a softmin of temperature 0.25, on pixels where any of the three D exceeds the 75 % quantile of D(b, x).
    """
    usable = checked_mask(z, mask).copy()
    check_same(z, x, interpolated)
    if min(usable.shape) <= 2 * BORDER:
        given = f"an image of {usable.shape[0]} x {usable.shape[1]} px"
        raise ShapeError(given, f"more than {2 * BORDER} px a side, since {BORDER} px along each are left out", "Use a larger image.")
    made = _harmonised(z, x, usable) if harmonise else z
    inside = np.zeros_like(usable)
    inside[BORDER:-BORDER, BORDER:-BORDER] = True
    usable &= inside
    if not usable.any():
        return Correctness(harmonised=harmonise, absent="no pixel is usable")
    reference, to_truth, to_plain = (_distance(a[:, usable], b[:, usable]) for a, b in ((interpolated, x), (made, x), (made, interpolated)))
    threshold = np.quantile(reference, CHANGED_QUANTILE)
    looked_at = ~((reference <= threshold) & (to_truth <= threshold) & (to_plain <= threshold))
    if not looked_at.any():
        return Correctness(harmonised=harmonise, absent="interpolation, output and truth differ nowhere more than elsewhere")
    base = np.maximum(reference[looked_at], LEAST_DISTANCE)
    shares = _shares(to_truth[looked_at] / base, to_plain[looked_at] / base)
    improvement, omission, synthesis = (float(s) for s in shares.mean(axis=1))
    return Correctness(
        improvement=improvement, omission=omission, synthesis=synthesis, harmonised=harmonise, pixels=int(looked_at.sum())
    )  # fmt: skip


def _distance(a: Float32Array, b: Float32Array) -> Float64Array:
    """Give |a - b| / |a + b|, mean over bands: (C, n) to float64 (n,)."""
    one, other = a.astype(np.float64), b.astype(np.float64)
    return np.asarray(np.mean(np.abs(one - other) / np.maximum(np.abs(one + other), np.finfo(np.float64).tiny), axis=0), np.float64)


def _shares(d_im: Float64Array, d_om: Float64Array) -> Float64Array:
    """Give improvement, omission and synthesis of each pixel: float64 (3, n), sum 1."""
    bent = 1 - np.exp(-SHARPNESS * (d_im + d_om - 1))
    far = np.stack([d_im + d_om * bent, d_om + d_im * bent, np.exp(-SHARPNESS * d_im * d_om)])
    weight = np.exp(-(far - far.min(axis=0)) / TEMPERATURE)
    return np.asarray(weight / weight.sum(axis=0), np.float64)


def _harmonised(z: Float32Array, x: Float32Array, usable: BoolArray) -> Float32Array:
    """Give the output with the truth's histogram and position, band by band."""
    from scipy.ndimage import shift
    from skimage.exposure import match_histograms

    if not usable.all():
        raise ShapeError("an image with holes to be harmonised", "one without", "Leave harmonise off: it is not needed.")
    matched = np.asarray(match_histograms(z, x, channel_axis=0), np.float32)
    moved = sub_pixel_shift(matched, x, Protocol(data_range=max(float(np.ptp(x)), 1e-30), border=0))
    return np.stack([shift(band, (-m.row, -m.col), order=1, mode="nearest") for band, m in zip(matched, moved, strict=True)])
