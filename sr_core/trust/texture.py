"""Whether an output holds more fine texture than real images of its kind: energy by octave, against what training HR lets expect.

The expectation is a regression of the log power of each octave of HR windows on the log power of ring 1 of the LR image under them; ring 1
is the LR image's second highest octave, which aliasing and the kernel's fall-off hardly touch at any scale.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sr_core.errors import ShapeError, TrustError
from sr_core.raster import BoolArray, Float32Array
from sr_core.records import Record
from sr_core.trust.hallucination import checked_mask, spread_evenly

Float64Array = npt.NDArray[np.float64]
RINGS = 4  # octaves from the Nyquist frequency down
LR_RING = 1
SIDE = 128  # HR px of a window
SMALLEST_LR_SIDE = 16  # LR px of a window: ring 1 then holds frequencies 3 and 4
LEAST_WINDOWS = 8
LEAST_ENERGY = 1e-12  # ratio of energies: an image without any detail is far from what is expected, not infinitely far
LEAST_SD = 0.01  # of a log power: nothing is foretold to better than 1 %
WARN_SD = 2.0


class OctaveFit(Record):
    """What power real images of a kind have in each octave, given that of ring 1 on the LR side; fitted on training HR.

    Attributes
    ----------
    side : HR pixels of a window's side.
    scale : HR pixels a LR pixel (rows, columns).
    windows : HR windows that each band was fitted on.
    slope, intercept, residual_sd : a row a band, a column an octave (highest first): natural logs of power in the unit squared.
    lowest, highest : a band each, log LR power that was seen; beyond it the nearer end is used.
    """

    side: int
    scale: tuple[int, int]
    windows: tuple[int, ...]
    slope: tuple[tuple[float, ...], ...]
    intercept: tuple[tuple[float, ...], ...]
    residual_sd: tuple[tuple[float, ...], ...]
    lowest: tuple[float, ...]
    highest: tuple[float, ...]


class OctaveExcess(Record):
    """Texture of an output against what is expected.

    Attributes
    ----------
    log_ratio : a row a band, a column an octave (highest first): mean over windows of log(P_SR / P_expected). Below 0 in the highest
        octave is usual for a model of the mean. None: absent.
    deviations : the same over the residual sd of one window.
    windows : how many were taken.
    absent : why there are no figures; "" where there are.
    """

    log_ratio: tuple[tuple[float, ...], ...] | None = None
    deviations: tuple[tuple[float, ...], ...] | None = None
    windows: int = 0
    absent: str = ""

    @property
    def warns(self) -> bool:
        """Whether an octave holds more than 2 residual sd above what real images of this kind have."""
        return self.deviations is not None and not all(d <= WARN_SD for row in self.deviations for d in row)


def octave_power(image: npt.NDArray[np.floating]) -> Float64Array:
    """Give the variance that each octave of max-norm frequency adds to an image.

    Parameters
    ----------
    image : float (C, H, W), finite, at least 16 x 16.

    Returns
    -------
    float64 (C, 4)
        Unit squared, octave k = (2^-(k+1), 2^-k] of the Nyquist frequency, highest first. Under a Hann window, mean removed, and scaled so
        that the expectation does not depend on the image's size: white noise of variance 1 has 1 - 4^-1 in the highest.
    """
    if image.ndim != 3 or min(image.shape[1:]) < SMALLEST_LR_SIDE:
        raise ShapeError(f"an image of shape {image.shape}", "(C, H, W) of at least 16 x 16 px", "Give a larger image.")
    height, width = image.shape[1:]
    from sr_core.metrics.resolution import hann, spectrum

    waves = spectrum(image.astype(np.float64))
    power = (waves.real**2 + waves.imag**2).reshape(len(image), -1)
    scale = height * width * float(np.sum(hann(height) ** 2) * np.sum(hann(width) ** 2))
    octave = _octave(height, width)
    rings = [np.bincount(octave, band, RINGS + 1)[:RINGS] for band in power]
    return np.asarray(np.stack(rings) / scale, np.float64)


@lru_cache(maxsize=4)
def _octave(height: int, width: int) -> npt.NDArray[np.intp]:
    """Give the octave of each wave of a spectrum of that size, flat; 4 for those below."""
    frequency = 2 * np.maximum(np.abs(np.fft.fftfreq(height))[:, None], np.abs(np.fft.fftfreq(width))[None, :])
    octave: npt.NDArray[np.intp] = (RINGS - np.digitize(frequency, [2.0 ** -(k + 1) for k in reversed(range(RINGS))], right=True)).ravel()
    return octave


def fit_octaves(pairs: Iterable[tuple[Float32Array, Float32Array, BoolArray | None]], side: int = SIDE) -> OctaveFit:
    """Fit the expectation on training pairs.

    Parameters
    ----------
    pairs : HR float32 (C, s h, s w), its LR float32 (C, h, w), and LR mask bool (h, w) or None; one unit, one scale.
    side : HR pixels of a window's side: a multiple of the scale, at least 16 LR px.

    Raises
    ------
    ShapeError
        If a pair does not fit, or is smaller than a window.
    TrustError
        If the pairs differ in scale or bands, or hold fewer than 8 windows with texture.
    """
    low: list[Float64Array] = []
    high: list[Float64Array] = []
    kinds = set()
    for hr, lr, mask in pairs:
        scale = _scale(hr, lr)
        kinds.add((scale, len(hr)))
        for large, small in _windows(hr, lr, mask, scale, side):
            low.append(octave_power(small)[:, LR_RING])
            high.append(octave_power(large))
    if len(kinds) != 1:
        given = "pairs of several scales or numbers of bands" if kinds else "no pairs"
        raise TrustError(given, "pairs of one scale and one number of bands", "Fit each kind of image by itself.")
    ((scale, bands),) = kinds
    fits = [_fit_band(np.array([p[b] for p in low]), np.array([p[b] for p in high]), b) for b in range(bands)]
    return OctaveFit(
        side=side, scale=scale, windows=tuple(f[0] for f in fits), slope=tuple(f[1] for f in fits), intercept=tuple(f[2] for f in fits),
        residual_sd=tuple(f[3] for f in fits), lowest=tuple(f[4] for f in fits), highest=tuple(f[5] for f in fits),
    )  # fmt: skip


def octave_excess(z: Float32Array, y: Float32Array, fit: OctaveFit, mask: BoolArray | None = None) -> OctaveExcess:
    """Hold the texture of an output against what training HR lets expect.

    Parameters
    ----------
    z, y : float32 (C, s h, s w) and (C, h, w), output and measurement, in the unit of the fit.
    fit : OctaveFit
    mask : bool (h, w) or None, usable LR pixels; windows with a hole are left out.

    Raises
    ------
    ShapeError
        If the images do not fit, or are smaller than a window.
    TrustError
        If the fit is of another scale or number of bands.
    """
    meter = OctaveMeter(fit)
    meter.update(z, y, mask)
    return meter.excess()


@dataclass
class OctaveMeter:
    """Takes the texture of an output window by window; what comes out is the mean over all of them.

    Attributes
    ----------
    fit : what is expected.
    windows : how many windows of the fit's side were taken.
    """

    fit: OctaveFit
    windows: int = 0
    _sum: Float64Array | float = 0.0

    def update(self, z: Float32Array, y: Float32Array, mask: BoolArray | None = None, most: int | None = None) -> None:
        """Take an image, or a part of one: at most so many windows of it, evenly spread; otherwise as `octave_excess`."""
        fit, scale = self.fit, _scale(z, y)
        if scale != fit.scale or len(z) != len(fit.slope):
            given = f"an image of {len(z)} bands at scale {scale}"
            raise TrustError(
                given, f"{len(fit.slope)} bands at scale {fit.scale}, as fitted", "Fit the expectation on images of this kind."
            )
        slope, intercept = np.array(fit.slope), np.array(fit.intercept)
        found = list(_windows(z, y, mask, scale, fit.side))
        for large, small in found if most is None else spread_evenly(found, most):
            with np.errstate(divide="ignore"):
                seen = np.clip(np.log(octave_power(small)[:, LR_RING]), fit.lowest, fit.highest)
                ratio = np.log(octave_power(large)) - (slope * seen[:, None] + intercept)
            self._sum = self._sum + np.maximum(ratio, math.log(LEAST_ENERGY))
            self.windows += 1

    def excess(self) -> OctaveExcess:
        """Give the mean over the windows taken."""
        if not self.windows:
            return OctaveExcess(absent=f"no window of {self.fit.side} HR px is free of holes")
        mean = np.asarray(self._sum / self.windows, np.float64)
        return OctaveExcess(log_ratio=_rows(mean), deviations=_rows(mean / np.array(self.fit.residual_sd)), windows=self.windows)


def _scale(hr: Float32Array, lr: Float32Array) -> tuple[int, int]:
    fits = hr.ndim == lr.ndim == 3 and len(hr) == len(lr) and all(n and m % n == 0 for m, n in zip(hr.shape[1:], lr.shape[1:], strict=True))
    if not fits:
        raise ShapeError(f"images {hr.shape} and {lr.shape}", "(C, s h, s w) and (C, h, w)", "Give the pair of one image.")
    return hr.shape[1] // lr.shape[1], hr.shape[2] // lr.shape[2]


def _windows(
    hr: Float32Array, lr: Float32Array, mask: BoolArray | None, scale: tuple[int, int], side: int
) -> Iterator[tuple[Float32Array, Float32Array]]:
    """Give the windows of a regular grid that are wholly usable: HR and LR."""
    usable = checked_mask(lr, mask)
    rows, cols = side // scale[0], side // scale[1]
    if (rows * scale[0], cols * scale[1]) != (side, side) or min(rows, cols) < SMALLEST_LR_SIDE:
        given = f"windows of {side} HR px at scale {scale}"
        raise ShapeError(given, "a multiple of the scale, at least 16 LR px", f"Give side={SMALLEST_LR_SIDE * scale[0] * scale[1]}.")
    if min(hr.shape[1:]) < side:
        given = f"an image of {hr.shape[1]} x {hr.shape[2]} px"
        raise ShapeError(given, f"at least {side} x {side} px, a window of the fit", "Leave the texture out for so small an image.")
    for r in range(0, lr.shape[1] - rows + 1, rows):
        for c in range(0, lr.shape[2] - cols + 1, cols):
            small = lr[:, r : r + rows, c : c + cols]
            large = hr[:, r * scale[0] : r * scale[0] + side, c * scale[1] : c * scale[1] + side]
            if usable[r : r + rows, c : c + cols].all() and np.isfinite(small).all():
                yield large, small


def _fit_band(
    low: Float64Array, high: Float64Array, band: int
) -> tuple[int, tuple[float, ...], tuple[float, ...], tuple[float, ...], float, float]:
    """Fit one band: LR power (n,) and HR powers (n, 4); give count, slopes, intercepts, residual sds, and the range of log LR power."""
    known = (low > 0) & (high > 0).all(axis=1) & np.isfinite(high).all(axis=1) if len(low) else np.zeros(0, bool)
    count = int(known.sum())
    if count < LEAST_WINDOWS:
        given = f"{count} windows with texture in band {band}"
        raise TrustError(given, f"at least {LEAST_WINDOWS}", "Give more training images, or smaller windows.")
    x, y = np.log(low[known]), np.log(high[known])
    centred = x - x.mean()
    spread = float(centred @ centred)
    slope = centred @ (y - y.mean(axis=0)) / spread if spread > 0 else np.zeros(RINGS)
    intercept = y.mean(axis=0) - slope * x.mean()
    residual = y - (x[:, None] * slope + intercept)
    sd = np.maximum(np.sqrt((residual**2).sum(axis=0) / (count - 2)), LEAST_SD)
    return count, _row(slope), _row(intercept), _row(sd), float(x.min()), float(x.max())


def _row(values: Float64Array) -> tuple[float, ...]:
    return tuple(float(v) for v in values)


def _rows(values: Float64Array) -> tuple[tuple[float, ...], ...]:
    return tuple(_row(row) for row in values)
