"""Agreement with the measurement: what is left of y - A z, what the file's values are, and which part of z is a guess.

The meters take an image window by window and can be merged, so that no scene is ever held.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sr_core.errors import ShapeError
from sr_core.raster import BoolArray, Float32Array, fill_nearest

if TYPE_CHECKING:
    from sr_core.operators import Operator

Float64Array = npt.NDArray[np.float64]
GUESS_SIGMA = 1.0  # HR px: the guess is drawn as a local root mean square over about 3 x 3 pixels
HOLE_TOLERANCE = 1e-2  # of the filled value
WIDEST = 64.0  # HR px: objects beyond this size are no question of super-resolution


@dataclass
class ResidualMeter:
    """Statistics of the residual y - A z, a band each.

    Attributes
    ----------
    squares, largest : float64 (C,), sum of squares and largest |r| over valid pixels; NaN once a value was NaN.
    count : valid LR pixels taken (per band).
    saturated : int64 (C,), valid LR values left out because the valid range stopped the projection there.
    """

    squares: Float64Array
    largest: Float64Array
    count: npt.NDArray[np.int64]
    saturated: npt.NDArray[np.int64]

    @classmethod
    def of(cls, bands: int) -> ResidualMeter:
        """Make an empty meter for a number of bands."""
        return cls(np.zeros(bands), np.zeros(bands), np.zeros(bands, np.int64), np.zeros(bands, np.int64))

    def update(self, residual: Float32Array, mask: BoolArray, saturated: BoolArray | None = None) -> None:
        """Take a window.

        Parameters
        ----------
        residual : float32 (C, h, w), y - A z, physical unit.
        mask : bool (h, w), True = measured.
        saturated : bool (C, h, w) or None, True = left out (see `saturated_pixels`).
        """
        if residual.ndim != 3 or residual.shape[0] != self.squares.size or mask.shape != residual.shape[1:]:
            raise ShapeError(f"residual {residual.shape}, mask {mask.shape}", f"({self.squares.size}, h, w) and (h, w)", "Give one window.")
        for band, values in enumerate(residual):
            use = mask if saturated is None else mask & ~saturated[band]
            taken = np.abs(values[use].astype(np.float64))
            self.saturated[band] += int(mask.sum()) - taken.size
            if taken.size:
                self.squares[band] += float(np.sum(taken**2))
                self.largest[band] = float(np.maximum(self.largest[band], taken.max()))  # NaN stays NaN
                self.count[band] += taken.size

    def merge(self, other: ResidualMeter) -> None:
        """Add what another meter took."""
        self.squares += other.squares
        self.largest = np.maximum(self.largest, other.largest)
        self.count += other.count
        self.saturated += other.saturated

    @property
    def band_rms(self) -> tuple[float, ...]:
        """Root mean square of each band; NaN where nothing was taken."""
        return tuple(math.sqrt(s / n) if n else math.nan for s, n in zip(self.squares, self.count, strict=True))

    @property
    def rms(self) -> float:
        """Root mean square over all bands; NaN where nothing was taken."""
        total = int(self.count.sum())
        return math.sqrt(float(self.squares.sum()) / total) if total else math.nan

    @property
    def max(self) -> float:
        """Largest |r| over all bands; NaN where nothing was taken."""
        return float(self.largest.max()) if self.count.sum() else math.nan

    def lr_psnr_db(self, data_range: float) -> float:
        """Give the PSNR of A z against y in dB for a data range in the same unit; +inf where they are equal."""
        rms = self.rms
        return math.inf if rms == 0 else 20 * math.log10(data_range / rms)


@dataclass
class BoundsMeter:
    """Counts of valid SR values that are not finite, below or above the valid range."""

    valid_range: tuple[float, float]
    count: int = 0
    not_finite: int = 0
    below: int = 0
    above: int = 0

    def update(self, z: Float32Array, mask: BoolArray, slack: float = 0.0) -> None:
        """Take a window: z float32 (C, H, W), mask bool (H, W); values up to `slack` outside the range are let pass."""
        values = z[:, mask]
        low, high = self.valid_range
        self.count += values.size
        finite = np.isfinite(values)
        self.not_finite += int((~finite).sum())
        self.below += int((finite & (values < low - slack)).sum())
        self.above += int((finite & (values > high + slack)).sum())

    def merge(self, other: BoundsMeter) -> None:
        """Add what another meter took."""
        self.count += other.count
        self.not_finite += other.not_finite
        self.below += other.below
        self.above += other.above

    @property
    def outside(self) -> int:
        """Number of valid values that cannot stand, each counted once."""
        return self.not_finite + self.below + self.above


@dataclass
class MaskMeter:
    """Counts of SR pixels whose nodata state differs from that of the LR pixel they lie in."""

    lost: int = 0  # measured in y, nodata in z
    gained: int = 0  # nodata in y, a value in z
    count: int = field(default=0)

    def update(self, mask_lr: BoolArray, mask_hr: BoolArray) -> None:
        """Take a window: masks (h, w) and (H, W), True = measured."""
        rows, cols = mask_hr.shape[0] // mask_lr.shape[0], mask_hr.shape[1] // mask_lr.shape[1]
        wanted = mask_lr.repeat(rows, 0).repeat(cols, 1)
        if wanted.shape != mask_hr.shape:
            raise ShapeError(f"masks {mask_lr.shape} and {mask_hr.shape}", "an HR mask that is a multiple", "Give one window.")
        self.lost += int((wanted & ~mask_hr).sum())
        self.gained += int((~wanted & mask_hr).sum())
        self.count += mask_hr.size

    def merge(self, other: MaskMeter) -> None:
        """Add what another meter took."""
        self.lost += other.lost
        self.gained += other.gained
        self.count += other.count


def saturated_pixels(
    z: Float32Array, mask: BoolArray, scale: tuple[int, int], valid_range: tuple[float, float], step: float, reach: int = 2
) -> BoolArray:
    """Mark the LR pixels where the valid range may have stopped the projection, at either end (see `saturated_by_end`)."""
    low, high = saturated_by_end(z, mask, scale, valid_range, step, reach)
    return np.asarray(low | high, np.bool_)


def saturated_by_end(
    z: Float32Array, mask: BoolArray, scale: tuple[int, int], valid_range: tuple[float, float], step: float, reach: int = 2
) -> tuple[BoolArray, BoolArray]:
    """Mark the LR pixels where the low and the high end of the valid range may have stopped the projection.

    Parameters
    ----------
    z, mask : float32 (C, H, W), written SR image, and bool (H, W), its valid pixels.
    scale : HR pixels per LR pixel (rows, columns).
    valid_range, step : of the written file, physical unit.
    reach : LR pixels around a clipped one that its residual spreads to (2: the taps of bicubic).

    Returns
    -------
    bool (C, h, w) each
        True where an HR pixel on that end lies within `reach` LR pixels.
    """
    low, high = valid_range
    return _near((z <= low + step / 2) & mask, scale, reach), _near((z >= high - step / 2) & mask, scale, reach)


def _near(rail: BoolArray, scale: tuple[int, int], reach: int) -> BoolArray:
    from scipy.ndimage import maximum_filter

    bands, height, width = rail.shape
    rows, cols = scale
    if not rail.any():
        return np.zeros((bands, height // rows, width // cols), np.bool_)
    blocks = np.asarray(rail.reshape(bands, height // rows, rows, width // cols, cols).any(axis=(2, 4)), np.bool_)
    side = 2 * reach + 1
    return np.asarray(maximum_filter(blocks, (1, side, side), mode="constant"), np.bool_)


def guess(z: Float32Array, operator: Operator, mask: BoolArray | None = None, *, precise: bool = True) -> Float32Array:
    """Give the guessed part of an image: d = z - A+ A z, which the measurement cannot see.

    Parameters
    ----------
    z : float32 (C, H, W), SR image, physical unit; sides are multiples of the operator's scale.
    operator : the known degradation.
    mask : bool (H, W) or None; pixels outside, and those that are not finite, take the value of the nearest one inside
        before, and come back as NaN.
    precise : compute in float64; else in float32, about each band's mean, in half the time: to a millionth of the band's contrast.

    Returns
    -------
    float32 (C, H, W)
        Same unit. Zero for whatever is an interpolation by the operator's own adjoint (bicubic for bicubic).

    Raises
    ------
    OperatorError
        If the operator is too ill-conditioned to be inverted.
    """
    import torch

    known = np.asarray(np.isfinite(z).all(axis=0), np.bool_)
    if mask is not None:
        known &= mask
    filled = fill_nearest(z, known)
    middle = filled.mean(axis=(1, 2), keepdims=True)  # constants are measured: nothing of them is guessed
    image = torch.from_numpy(filled.astype(np.float64) if precise else np.ascontiguousarray(filled - middle, np.float32))
    part = (image - operator.pinv(operator.apply(image))).numpy().astype(np.float32)
    part[:, ~known] = np.nan
    return np.asarray(part, np.float32)


def guess_map(z: Float32Array, operator: Operator, mask: BoolArray | None = None) -> Float32Array:
    """Give the local size of the guessed part, sqrt(G * d^2) with a Gaussian of 1 HR px, in the image's unit.

    Parameters and errors are those of `guess`. Returns float32 (C, H, W) >= 0, NaN outside the mask; the mean around a
    hole runs over valid pixels only.
    """
    return local_rms(guess(z, operator, mask))


def local_rms(part: Float32Array) -> Float32Array:
    """Give the root of G * part^2 with a Gaussian of 1 HR px: float32 (C, H, W), NaN where `part` is; the mean runs over the rest."""
    from scipy.ndimage import gaussian_filter

    values = part.astype(np.float64)
    valid = np.isfinite(values)
    sigma = (0.0, GUESS_SIGMA, GUESS_SIGMA)
    weight = gaussian_filter(valid.astype(np.float64), sigma)
    energy = gaussian_filter(np.where(valid, values, 0.0) ** 2, sigma)
    with np.errstate(invalid="ignore", divide="ignore"):
        local = np.sqrt(np.maximum(energy / weight, 0.0))  # a filter may leave -1e-18: its root would be NaN
    return np.where(valid, local, np.nan).astype(np.float32)


def no_split(operator: Operator | None) -> str:
    """Say why an image cannot be split into a measured and a guessed part; "" where it can."""
    if operator is None:
        return "the degradation is not a known linear operator, so what is measured and what is guessed cannot be told apart"
    if not operator.invertible:
        return f"{operator.kind} x{operator.scale[0]} is too ill-conditioned to be inverted, so the guessed part is unknown"
    return ""


def away_from_holes(mask: BoolArray, operator: Operator) -> BoolArray:
    """Leave out HR pixels whose guessed part depends, by more than a hundredth, on how a hole near them is filled.

    Parameters
    ----------
    mask : bool (H, W), True = usable.
    operator : one that can be inverted. Where it has no windows every pixel depends on all, and the mask comes back as it is.
    """
    from scipy.ndimage import minimum_filter

    if mask.all() or not operator.windowed:
        return mask
    halo = operator.pinv_halo(HOLE_TOLERANCE)
    sides = tuple(2 * (halo * s + (operator.support if s > 1 else 0)) + 1 if s > 1 else 1 for s in operator.scale)
    return np.asarray(minimum_filter(mask, sides, mode="nearest"), np.bool_)


def smallest_vouched_size(operator: Operator, unseen: float = 0.10) -> float | None:
    """Give the smallest object that the measurement vouches for: the FWHM at which at most `unseen` of its peak is invisible.

    Returns
    -------
    float or None
        HR pixels, rounded up to a tenth; None where it is wider than 64 px or the operator cannot be inverted.
    """
    if not operator.invertible:
        return None
    low, high = 0.0, 1.0
    while operator.invisible(high) > unseen:
        low, high = high, 2 * high
        if high > WIDEST:
            return None
    while high - low > 0.02:
        middle = (low + high) / 2
        low, high = (middle, high) if operator.invisible(middle) > unseen else (low, middle)
    return math.ceil(high * 10 - 1e-9) / 10
