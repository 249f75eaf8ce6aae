"""What an output invents, measured without the truth: the guessed part, where it is implausible, disagreement, and a test on the LR image.

Images are float32 (C, H, W) in one physical unit; masks are bool (H, W), True = usable, or None for all. A figure that cannot be had
is None, and the record's `absent` says why in words. The texture by octaves is in `texture`; what needs the truth is in
`hallucination_truth` and `planted`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from sr_core.errors import ShapeError, TrustError
from sr_core.raster import BoolArray, Float32Array
from sr_core.records import Record
from sr_core.trust.consistency import away_from_holes, guess, local_rms, no_split

if TYPE_CHECKING:
    from sr_core.operators import Operator

Item = TypeVar("Item")
Upscale = Callable[[Float32Array], Float32Array]  # float32 (C, h, w) to (C, s h, s w), one unit
SPREAD_SIGMA = 2.0  # HR px: what is expected to be wrong is smoothed more than the guess, so that one odd pixel does not explain itself
TEST_WINDOWS, TEST_SIDE = 16, 128
SMALLEST_LR = 8  # LR pixels a side of what the coarser scale leaves: less is all border
SHAVE = 2  # coarse pixels left out along each side of a tested window: there both methods see a mirror


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


class SelfTest(Record):
    """An upscaler tried on the measurement itself: y is degraded once more, upscaled, and held against y.

    Attributes
    ----------
    rms, bicubic_rms : error of the upscaler and of plain bicubic, unit of y, over all bands and windows. None: absent.
    gain_db : 20 log10(bicubic_rms / rms); 0 where both are without error.
    windows : how many were tried.
    absent : why there are no figures; "" where there are.
    """

    rms: float | None = None
    bicubic_rms: float | None = None
    gain_db: float | None = None
    windows: int = 0
    absent: str = ""

    @property
    def warns(self) -> bool:
        """Whether the upscaler is worse than bicubic (a gain that is not a number counts as worse)."""
        return self.gain_db is not None and not self.gain_db >= 0

    def says(self) -> str:
        """Give the outcome in one sentence."""
        if self.gain_db is None:
            return f"Not tested on the measurement itself: {self.absent}."
        how = "worse" if self.warns else "no worse" if self.gain_db == 0 else "better"
        return f"One scale coarser the network is {how} than bicubic on this image ({self.gain_db:+.2f} dB, {self.windows} windows)."


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
        return GuessFigures(absent="every usable pixel lies beside a hole" if usable.any() else "no pixel is usable")
    part = guess(z, operator, usable)
    power = mean_square(part, inner)
    variance = z[:, usable].astype(np.float64).var(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        energy = np.where(variance == 0, 0.0, power / variance)  # a constant band is its own interpolation
    if spread is None:
        return GuessFigures(energy=floats(energy), pixels=int(inner.sum()))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = 0.5 * np.log(power / mean_square(spread, inner))
        local = np.log(local_rms(part).astype(np.float64) / (_smoothed(spread, usable) + floor))
    local[:, ~inner] = -np.inf
    band, row, col = (int(i) for i in np.unravel_index(int(np.argmax(local)), local.shape))  # NaN counts as the largest
    return GuessFigures(
        energy=floats(energy),
        ratio=floats(ratio),
        implausible=float(local[band, row, col]),
        where=(band, row, col),
        pixels=int(inner.sum()),
    )


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


def self_test(
    y: Float32Array,
    upscale: Upscale,
    operator: Operator | None,
    mask: BoolArray | None = None,
    *,
    windows: int = TEST_WINDOWS,
    side: int = TEST_SIDE,
) -> SelfTest:
    """Degrade the measurement once more, upscale it, and compare with the measurement and with bicubic.

    Parameters
    ----------
    y : float32 (C, h, w), measurement.
    upscale : gives the SR image of a coarse window. It is called once a window.
    operator : the known degradation, or None.
    mask : bool (h, w) or None. Only windows that are wholly usable and finite are tried.
    windows, side : at most so many windows, so many LR px a side (a shorter image is taken whole). They are spread evenly over those of a
        regular grid, so that the same image is always tested at the same places.

    Raises
    ------
    ShapeError
        If the arrays do not fit, or the image is too small: 8 pixels a side must be left at the coarser scale.
    TrustError
        If the upscaler gives another shape.
    """
    import torch

    from sr_core.operators import make_operator

    usable = checked_mask(y, mask) & np.isfinite(y).all(axis=0)
    if operator is None:
        return SelfTest(absent="the degradation is not a known linear operator, so the measurement cannot be degraded once more")
    sides = [min(side, n) // s * s for n, s in zip(y.shape[1:], operator.scale, strict=True)]
    if any(n // s < SMALLEST_LR for n, s in zip(sides, operator.scale, strict=True)):
        least = " x ".join(str(SMALLEST_LR * s) for s in operator.scale)
        raise ShapeError(
            f"windows of {sides[0]} x {sides[1]} px of a measurement of {y.shape[1]} x {y.shape[2]} px",
            f"at least {least} px for a test one scale coarser",
            "Leave the test out for so small an image.",
        )
    corners = [
        (r, c)
        for r in range(0, y.shape[1] - sides[0] + 1, sides[0])
        for c in range(0, y.shape[2] - sides[1] + 1, sides[1])
        if usable[r : r + sides[0], c : c + sides[1]].all()
    ]
    if not corners:
        return SelfTest(absent=f"no window of {sides[0]} x {sides[1]} LR px is free of holes")
    bicubic = make_operator("bicubic", operator.scale)
    rim = tuple(slice(SHAVE * s if s > 1 else 0, n - (SHAVE * s if s > 1 else 0)) for n, s in zip(sides, operator.scale, strict=True))
    squares, count = np.zeros(2), 0
    chosen = spread_evenly(corners, windows)
    for row, col in chosen:
        truth = y[:, row : row + sides[0], col : col + sides[1]]
        coarse = operator.apply(torch.from_numpy(np.ascontiguousarray(truth, np.float32)))
        made = upscale(coarse.numpy())
        if made.shape != truth.shape:
            raise TrustError(f"an upscaled window of shape {made.shape}", f"{truth.shape}", "Give the upscaler of this operator's scale.")
        for k, image in enumerate((made, bicubic.upscale(coarse).numpy())):
            squares[k] += float(np.sum((image.astype(np.float64) - truth)[:, rim[0], rim[1]] ** 2))
        count += truth[:, rim[0], rim[1]].size
    rms, base = (math.sqrt(s / count) for s in squares)
    gain = 0.0 if rms == base else math.inf if rms == 0 else -math.inf if base == 0 else 20 * math.log10(base / rms)
    return SelfTest(rms=rms, bicubic_rms=base, gain_db=gain, windows=len(chosen))


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


def _smoothed(image: Float32Array, mask: BoolArray) -> npt.NDArray[np.float64]:
    """Give the Gaussian mean over 2 px, of usable pixels only."""
    from scipy.ndimage import gaussian_filter

    sigma = (0.0, SPREAD_SIGMA, SPREAD_SIGMA)
    weight = gaussian_filter(mask.astype(np.float64)[None], sigma)
    return np.asarray(gaussian_filter(np.where(mask, image.astype(np.float64), 0.0), sigma) / np.maximum(weight, 1e-12), np.float64)
