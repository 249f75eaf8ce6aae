"""What an output invents, measured without the truth: the guessed part, where it is implausible, and disagreement.

Images are float32 (C, H, W) in one physical unit; masks are bool (H, W), True = usable, or None for all. A figure that cannot be had
is None, and the record's `absent` says why in words. The texture by octaves is in `texture`, the test on the LR image in `self_test`;
what needs the truth is in `hallucination_truth` and `planted`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from sr_core.errors import ShapeError
from sr_core.raster import BoolArray, Float32Array
from sr_core.records import Record
from sr_core.trust.consistency import away_from_holes, blurred, guess, local_rms, no_split

if TYPE_CHECKING:
    from sr_core.operators import Operator

Item = TypeVar("Item")
Float64Array = npt.NDArray[np.float64]
Upscale = Callable[[Float32Array], Float32Array]  # float32 (C, h, w) to (C, s h, s w), one unit
SPREAD_SIGMA = 2.0  # HR px: what is expected to be wrong is smoothed more than the guess, so that one odd pixel does not explain itself


class GuessFigures(Record):
    """Size of the guessed part d = z - A+ A z of an image.

    Attributes
    ----------
    energy : a band each, mean(d^2) over the variance of z, 0..1; 0 for an interpolation and for a constant band. None: absent.
    ratio : a band each, log of rms(d) over rms(spread). High: adds more than it expects to be wrong by; low: adds nothing. None: no
        spread was given, or absent.
    implausible : the largest log of d's local rms (Gaussian, 1 px) over the spread's local mean (2 px). None: as for the ratio.
    where : band, row, column of that place (HR px).
    pixels : usable pixels away from holes, over which d is taken.
    absent : why the figures are None, in words; "" where they are not.
    """

    energy: tuple[float, ...] | None = None
    ratio: tuple[float, ...] | None = None
    implausible: float | None = None
    where: tuple[int, int, int] | None = None
    pixels: int = 0
    absent: str = ""


class Disagreement(Record):
    """Share of values of a perceptual output that lie outside a pixel model's interval, 0..1, a band each and in all; NaN: no interval.

    `values` counts those that carry an interval.
    """

    bands: tuple[float, ...]
    share: float
    values: int


@dataclass
class GuessMeter:
    """Takes the guessed part of an image window by window; what comes out is that of all of them together.

    Attributes
    ----------
    bands : number of bands.
    floor : see `guess_figures`.
    """

    bands: int
    floor: float = 0.0
    _power: Float64Array = field(init=False)  # sums of d^2, of those beside a spread, and of spread^2, a band each
    _beside: Float64Array = field(init=False)
    _spread: Float64Array = field(init=False)
    _mean: Float64Array = field(init=False)
    _away: Float64Array = field(init=False)  # sum of (z - mean)^2
    _values: int = 0
    _pixels: int = 0
    _known: int = 0
    _worst: float = -math.inf
    _where: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        self._power, self._beside, self._spread, self._mean, self._away = (np.zeros(self.bands) for _ in range(5))

    def update(
        self,
        z: Float32Array,
        part: Float32Array,
        usable: BoolArray,
        inner: BoolArray,
        spread: Float32Array | None = None,
        corner: tuple[int, int] = (0, 0),
    ) -> None:
        """Take a window.

        Parameters
        ----------
        z, part : float32 (C, H, W), image and its guessed part (`consistency.guess`).
        usable, inner : bool (H, W), usable pixels, and those of them where the guessed part is looked at (`away_from_holes`).
        spread : float32 (C, H, W) or None; where it is NaN there is none.
        corner : row and column of the window in the image, HR px.
        """
        if usable.any():
            self._add_values(int(usable.sum()), *_moments(z, usable))
        self._power += _squares(part, inner)
        self._pixels += int(inner.sum())
        if spread is None:
            return
        has = ~np.isnan(spread).any(axis=0)
        within = inner & has
        if not within.any():
            return
        self._beside += _squares(part, within)
        self._spread += _squares(spread, within)
        self._known += int(within.sum())
        with np.errstate(invalid="ignore", divide="ignore"):
            local = local_rms(part) / (_smoothed(spread, usable & has) + np.float32(self.floor))
            local[:, ~within] = -1
            at = np.unravel_index(int(np.argmax(local)), local.shape)  # NaN counts as the largest
            largest = float(np.log(local[at]))
        if self._where is None or math.isnan(largest) or largest > self._worst:
            self._worst = largest if not math.isnan(self._worst) else math.nan
            self._where = (int(at[0]), int(at[1]) + corner[0], int(at[2]) + corner[1])

    def figures(self) -> GuessFigures:
        """Give the figures of all windows."""
        if not self._pixels:
            return GuessFigures(absent="no pixel is usable, or far enough from a hole and from a window's side")
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = self._away / max(self._values, 1)
            power = self._power / self._pixels
            energy = np.where(variance == 0, 0.0, power / variance)  # a constant band is its own interpolation
            ratio = 0.5 * np.log(self._beside / self._spread)
        known = self._known > 0
        return GuessFigures(
            energy=floats(energy),
            ratio=floats(ratio) if known else None,
            implausible=self._worst if known else None,
            where=self._where if known else None,
            pixels=self._pixels,
        )

    def _add_values(self, count: int, mean: Float64Array, variance: Float64Array) -> None:
        """Merge mean and variance (Chan, Golub and LeVeque 1979): exact for a constant band, unlike sums of squares."""
        total, apart = self._values + count, mean - self._mean
        self._away += count * variance + apart**2 * (self._values * count / total)
        self._mean += apart * (count / total)
        self._values = total


def guess_figures(
    z: Float32Array,
    operator: Operator | None,
    mask: BoolArray | None = None,
    spread: Float32Array | None = None,
    floor: float = 0.0,
) -> GuessFigures:
    """Measure the guessed part of an image.

    Parameters
    ----------
    z : float32 (C, H, W), SR image; sides are multiples of the operator's scale.
    operator : the known degradation, or None where it is not known to be linear.
    mask : bool (H, W) or None.
    spread : float32 (C, H, W) or None, typical absolute error, > 0, unit of z.
    floor : added to the spread's local mean, unit of z: the calibration's floor.

    Returns
    -------
    GuessFigures
        Figures are NaN where a usable value is not finite.

    Raises
    ------
    ShapeError
        If the arrays do not fit.
    """
    usable = checked_mask(z, mask)
    if spread is not None:
        check_same(z, spread)
    if reason := no_split(operator):
        return GuessFigures(absent=reason)
    assert operator is not None
    inner = away_from_holes(usable, operator)
    if not inner.any():
        return GuessFigures(absent=beside_a_hole(usable))
    meter = GuessMeter(len(z), floor)
    meter.update(z, guess(z, operator, usable), usable, inner, spread)
    return meter.figures()


def outside_interval(perceptual: Float32Array, pixel: Float32Array, half_width: Float32Array, mask: BoolArray | None = None) -> BoolArray:
    """Mark values of a perceptual output that a pixel model's interval does not hold: style, not evidence.

    Parameters
    ----------
    perceptual, pixel : float32 (C, H, W), outputs for one measurement, both projected onto it.
    half_width : float32 (C, H, W), of the pixel model's interval; NaN where there is none.
    mask : bool (H, W) or None.

    Returns
    -------
    bool (C, H, W)
        False where there is no interval; True where a usable value is not finite.

    Raises
    ------
    ShapeError
        If the arrays do not fit.
    """
    usable = checked_mask(pixel, mask)
    check_same(pixel, perceptual, half_width)
    apart = np.abs(perceptual.astype(np.float64) - pixel)
    return np.asarray(~(apart <= half_width) & usable & ~np.isnan(half_width), np.bool_)


def disagreement(perceptual: Float32Array, pixel: Float32Array, half_width: Float32Array, mask: BoolArray | None = None) -> Disagreement:
    """Give the share of `outside_interval`; parameters and errors are its own."""
    outside = outside_interval(perceptual, pixel, half_width, mask)
    known = ~np.isnan(half_width) & checked_mask(pixel, mask)
    counts, totals = outside.sum(axis=(1, 2)), known.sum(axis=(1, 2))
    shares = tuple(int(n) / int(of) if of else math.nan for n, of in zip(counts, totals, strict=True))
    total = int(totals.sum())
    return Disagreement(bands=shares, share=int(counts.sum()) / total if total else math.nan, values=total)


def spread_evenly(items: list[Item], count: int) -> list[Item]:
    """Give at most `count` of some items, evenly spread over them and always the same."""
    if len(items) <= count:
        return items
    return [items[int((k + 0.5) * len(items) / count)] for k in range(count)]


def checked_mask(image: Float32Array, mask: BoolArray | None) -> BoolArray:
    """Give the mask (all usable where there is none).

    Raises
    ------
    ShapeError
        If it does not fit the image.
    """
    if image.ndim != 3 or (mask is not None and mask.shape != image.shape[1:]):
        given = f"an image {image.shape}" + ("" if mask is None else f" with a mask {mask.shape}")
        raise ShapeError(given, "(C, H, W) and (H, W)", "Give one image's arrays.")
    return np.ones(image.shape[1:], bool) if mask is None else mask


def check_same(*images: Float32Array) -> None:
    """Refuse images of different shapes.

    Raises
    ------
    ShapeError
        If they differ.
    """
    if len({image.shape for image in images}) > 1:
        raise ShapeError("images of shapes " + ", ".join(str(i.shape) for i in images), "one shape (C, H, W)", "Give one image's arrays.")


def mean_square(image: Float32Array, mask: BoolArray) -> npt.NDArray[np.float64]:
    """Give the mean square of each band over the mask, float64 (C,)."""
    return np.asarray(np.mean(image[:, mask].astype(np.float64) ** 2, axis=1), np.float64)


def floats(values: npt.NDArray[np.float64]) -> tuple[float, ...]:
    """Give an array's values as plain numbers."""
    return tuple(float(v) for v in values)


def beside_a_hole(usable: BoolArray) -> str:
    """Say why no guessed part can be looked at."""
    return "every usable pixel lies beside a hole" if usable.any() else "no pixel is usable"


def _taken(band: Float32Array, mask: BoolArray) -> Float32Array:
    """Give the values of a mask: of a full rectangle without a copy."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return band[:0]
    box = slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
    return band[box] if mask[box].all() else band[mask]


def _squares(image: Float32Array, mask: BoolArray) -> Float64Array:
    """Give the sum of squares of each band over a mask, float64 (C,)."""
    return np.array([np.sum(np.square(_taken(band, mask)), dtype=np.float64) for band in image])


def _moments(image: Float32Array, mask: BoolArray) -> tuple[Float64Array, Float64Array]:
    """Give mean and variance of each band over a mask, float64 (C,); the variance of a constant band is 0."""
    found = []
    for band in image:
        values = _taken(band, mask)
        centre = np.float32(values.mean(dtype=np.float64))
        away = values - centre
        shift = away.mean(dtype=np.float64)
        found.append((centre + shift, max(np.square(away).mean(dtype=np.float64) - shift**2, 0.0) if np.isfinite(shift) else np.nan))
    return np.array([f[0] for f in found]), np.array([f[1] for f in found])


def _smoothed(image: Float32Array, mask: BoolArray) -> Float32Array:
    """Give the Gaussian mean over 2 px, of usable pixels only."""
    if mask.all():
        return blurred(image, SPREAD_SIGMA)
    weight = blurred(mask.astype(np.float32)[None], SPREAD_SIGMA)
    return np.asarray(blurred(np.where(mask, image, np.float32(0)), SPREAD_SIGMA) / np.maximum(weight, 1e-6), np.float32)
