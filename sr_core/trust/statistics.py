"""Statistics of a measurement and of the network's raw output that do not depend on an image's size; windows are taken one at a time.

All values are in the model's normalised unit, so that they do not depend on the physical one either.

References
----------
Immerkaer, J. (1996), doi:10.1006/cviu.1996.0060 (noise by the Laplacian of second differences). Welch, P. (1967),
doi:10.1109/TAU.1967.1161901 (power averaged over windows).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sr_core.raster import BoolArray, Float32Array
from sr_core.records import Record
from sr_core.trust import histogram

RINGS = (0.15, 0.3, 0.5, 0.7, 0.85, 1.0)  # edges, of the Nyquist frequency along rows or columns, whichever is larger
FINE = 2  # rings from this one on are fine detail
PHASES = 8  # of JPEG's blocks
LEAST_PIXELS = 1024
SMALLEST_SIDE = 16  # of a window
LEAST_VALID = 0.5  # share of a window
NOISE_SHARE = 0.05  # the quantile of local deviation that is taken for the noise
NOISE_WINDOW = 7
TINY = 1e-6  # normalised: far below what any sensor tells apart

# What is measured, in words; and the smallest deviation that is no mere arithmetic or chance of a small image.
NAMES: dict[str, float] = {
    "raw residual": 0.05,  # log rms(y - A z_raw)
    "raw residual for its fine detail": 0.05,  # the same, minus half the log of the power in the finest octave
    "noise floor": 0.05,
    "blockiness": 0.02,
    "fall of the spectrum": 0.05,
    "curvature of the spectrum": 0.05,
    "share of flat pixels": 0.01,
    "mean": 0.02,
    "contrast": 0.02,  # log standard deviation
    "spread for its fine detail": 0.02,  # log mean spread, minus half the log of the power in the finest octave
    "direction": 0.02,  # |log of gradient energy along rows over that along columns|
}
_SECOND = np.array([1.0, -2.0, 1.0])
_WEIGHTS = np.linalg.norm(np.outer(_SECOND, _SECOND))  # 6: white noise keeps its standard deviation


class Figures(Record):
    """The statistics of an image in the order of `NAMES`; or why there are none (a clause)."""

    values: tuple[float, ...] = ()
    absent: str = ""


class Gatherer:
    """Takes windows of an image and keeps sums only.

    Parameters
    ----------
    step : quantisation step of the file, normalised; 0 for floating point.
    """

    def __init__(self, step: float) -> None:
        self._step = step
        self._pixels = 0  # valid pixels, whatever the bands
        self._finite = True
        self._values = np.zeros(3)  # count, sum, sum of squares
        self._gradient = np.zeros(4)  # squares and counts, along rows and along columns
        self._flat = np.zeros(2)  # flat pixels, pixels
        self._phases = np.zeros((2, 2, PHASES))  # axis; excess and counts
        self._slope = np.zeros(2)  # sum and count of |difference|
        self._noise = np.zeros(histogram.CELLS, np.int64)
        self._power = np.zeros((2, len(RINGS) - 1))  # sums and counts
        self._raw = np.zeros((2, 2))  # residual: squares and counts; spread: sum and counts

    def see(self, y: Float32Array, mask: BoolArray, row: int = 0, col: int = 0) -> bool:
        """Take a window of the measurement; False if there is too little in it.

        Parameters
        ----------
        y : float32 (C, h, w), normalised; pixels that are not valid are filled.
        mask : bool (h, w), True = valid.
        row, col : place of the window in the image.
        """
        if min(mask.shape) < SMALLEST_SIDE or mask.mean() < LEAST_VALID:
            return False
        self._pixels += int(mask.sum())
        for band in y.astype(np.float64):
            if not np.isfinite(band).all():
                self._finite = False
                continue
            self._see_values(band, mask)
            self._see_phases(band, mask, row, col)
            self._see_noise(band, mask)
            self._see_power(band)
        return True

    def see_raw(self, residual: Float32Array, spread: Float32Array, mask: BoolArray) -> None:
        """Take a window of the network's output as it comes: y - A z and spread, float32 (C, h, w) and (C, s h, s w), normalised."""
        left = residual[:, mask].astype(np.float64)
        self._finite &= bool(np.isfinite(left).all() and np.isfinite(spread).all())
        self._raw[0] += np.sum(left**2), left.size
        self._raw[1] += np.sum(spread, dtype=np.float64), spread.size

    def figures(self) -> Figures:
        """Give the statistics of what was seen."""
        if self._pixels < LEAST_PIXELS:
            return Figures(absent=f"it has only {self._pixels} valid pixels in windows that can be judged, and {LEAST_PIXELS} are needed")
        if not self._finite:
            return Figures(absent="it holds values that are not finite, or the network gave such values")
        if not self._raw[:, 1].all():
            return Figures(absent="none of its windows could be run through the network")
        count, total, squares = self._values
        mean = total / count
        deviation = math.sqrt(max(0.0, squares / count - mean * mean))
        if deviation <= TINY:
            return Figures(absent="all its pixels have one value")
        tiny = TINY + 0.05 * self._step
        power = self._power[0] / self._power[1] + self._step**2 / 12 + TINY**2
        fine = float(self._power[0, FINE:].sum() / self._power[1, FINE:].sum() + self._step**2 / 12 + TINY**2)
        curvature, fall, _ = np.polyfit(np.linspace(-1, 1, len(power)), np.log(power), 2)
        residual = math.log(math.sqrt(self._raw[0, 0] / self._raw[0, 1]) + tiny)
        spread = math.log(abs(self._raw[1, 0] / self._raw[1, 1]) + TINY)
        along = self._gradient[:2] / np.maximum(self._gradient[2:], 1) + tiny**2
        values = (
            residual, residual - 0.5 * math.log(fine), math.log(self._noise_floor() + tiny), self._blockiness(), fall, curvature,
            self._flat[0] / max(1.0, self._flat[1]), mean, math.log(deviation), spread - 0.5 * math.log(fine),
            abs(math.log(along[0] / along[1])),
        )  # fmt: skip
        return Figures(values=tuple(round(float(value), 6) for value in values))

    def _see_values(self, band: npt.NDArray[np.float64], mask: BoolArray) -> None:
        values = band[mask]
        self._values += values.size, values.sum(), np.sum(values**2)
        flat: BoolArray = mask.copy()
        for axis in (0, 1):
            near = np.diff(band, axis=axis)
            both = _both(mask, axis)
            self._gradient[axis] += np.sum(near[both] ** 2)
            self._gradient[2 + axis] += np.count_nonzero(both)
            still = both & (np.abs(near) <= TINY + 0.25 * self._step)
            ahead = [slice(None), slice(None)]
            ahead[axis] = slice(0, -1)
            flat[tuple(ahead)] &= still
            ahead[axis] = slice(-1, None)
            flat[tuple(ahead)] = False
        self._flat += np.count_nonzero(flat), np.count_nonzero(mask)

    def _see_phases(self, band: npt.NDArray[np.float64], mask: BoolArray, row: int, col: int) -> None:
        for axis, start in ((0, row), (1, col)):
            size = np.abs(np.diff(band if axis else band.T, axis=1))  # lines across the boundaries
            known = _both(mask if axis else mask.T, 1)
            usable = known[:, 1:-1] & known[:, :-2] & known[:, 2:]
            excess = np.where(usable, size[:, 1:-1] - 0.5 * (size[:, :-2] + size[:, 2:]), 0.0)
            phase = (start + 2 + np.arange(excess.shape[1])) % PHASES  # of the pixel behind the boundary
            self._phases[axis, 0] += np.bincount(phase, excess.sum(axis=0), PHASES)
            self._phases[axis, 1] += np.bincount(phase, usable.sum(axis=0), PHASES)
            self._slope += size[known].sum(), np.count_nonzero(known)

    def _see_noise(self, band: npt.NDArray[np.float64], mask: BoolArray) -> None:
        from scipy import ndimage

        twice = ndimage.correlate1d(ndimage.correlate1d(band, _SECOND, 0), _SECOND, 1) / _WEIGHTS
        local = np.sqrt(np.maximum(ndimage.uniform_filter(twice**2, NOISE_WINDOW), 0.0))
        inside = ndimage.minimum_filter(mask, NOISE_WINDOW + 2, mode="constant", cval=False)
        self._noise += np.bincount(histogram.cells(local[inside]), minlength=histogram.CELLS)

    def _see_power(self, band: npt.NDArray[np.float64]) -> None:
        height, width = band.shape
        frequency = 2 * np.maximum(np.abs(np.fft.fftfreq(height))[:, None], np.abs(np.fft.fftfreq(width))[None, :])
        from sr_core.metrics.resolution import hann, spectrum

        power = np.abs(spectrum(band[None])[0]) ** 2 / float(np.sum(hann(height) ** 2) * np.sum(hann(width) ** 2))
        ring = np.digitize(frequency, RINGS, right=True) - 1
        used = (ring >= 0) & (ring < len(RINGS) - 1)
        self._power[0] += np.bincount(ring[used], power[used], len(RINGS) - 1)
        self._power[1] += np.bincount(ring[used], minlength=len(RINGS) - 1)

    def _noise_floor(self) -> float:
        cell = histogram.quantile_cell(self._noise, NOISE_SHARE)
        return histogram.upper_edge(cell) if cell else 0.0

    def _blockiness(self) -> float:
        mean = self._slope[0] / max(1.0, self._slope[1]) + TINY + 0.05 * self._step
        excess = self._phases[:, 0] / np.maximum(self._phases[:, 1], 1)
        return float((excess.max(axis=1) - np.median(excess, axis=1)).max() / mean)


def _both(mask: BoolArray, axis: int) -> BoolArray:
    """Say where a pixel and the next one along an axis are both valid."""
    both: BoolArray = mask[1:] & mask[:-1] if axis == 0 else mask[:, 1:] & mask[:, :-1]
    return both
