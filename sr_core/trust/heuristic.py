"""The spread of a model that has no head for it: a line through logarithms of features of the measurement and of the image made of it.

Its few numbers are fitted on validation images, so the network needs no training, nor to be one of ours. Nothing but the neighbourhood of
a pixel enters, so a window equals the whole image.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sr_core.errors import ShapeError, TrustError
from sr_core.raster import BoolArray, Float32Array
from sr_core.records import Record

if TYPE_CHECKING:
    from sr_core.operators import Operator

SIGMA = 1.0  # HR pixels, of the Gaussian mean of energies
TRUNCATE = 3.0  # standard deviations
BOX = 5  # HR pixels, side of the window of the local deviation
TOLERANCE = 1e-6  # relative tail of the inverse's response that a window may lose
LEVELS = 8  # steps of the measurement over the level that is added before a logarithm
FITTED = 400_000  # values that a fit keeps, about; more change its few numbers by less than they differ between images
HUBER = 1.345  # standard deviations from which a residual counts by its size only (95 % efficiency; Huber 1981)
ROUNDS = 20  # of reweighting; it settles in about ten


class Heuristic(Record):
    """A fitted line: spread = exp(intercept + sum of slope * log(feature + level)).

    Attributes
    ----------
    level : physical unit, > 0: keeps logarithms finite.
    intercept : of the line, in logarithms of the physical unit.
    slopes : one a feature, in the order of `features`; three where the degradation cannot be inverted, and its guessed part is unknown.
    """

    level: float
    intercept: float
    slopes: tuple[float, ...]

    def spread(self, z: Float32Array, y: Float32Array, operator: Operator, unit_size: float = 1.0) -> Float32Array:
        """Give the spread of an image: a typical absolute error, > 0, uncalibrated.

        Parameters
        ----------
        z : float32 (C, s h, s w), as it is delivered.
        y : float32 (C, h, w), its measurement, holes filled.
        operator : the degradation of these bands.
        unit_size : size of the line's unit in that of the images.

        Raises
        ------
        ShapeError
            If the line was fitted with other features than this degradation has.
        """
        found = features(z, y, operator)
        if len(found) != len(self.slopes):
            given = f"{len(found)} features for a line through {len(self.slopes)}"
            raise ShapeError(given, "the degradation it was fitted for", "Calibrate the model again.")
        line = np.full(z.shape, self.intercept + math.log(unit_size), np.float32)
        for slope, feature in zip(self.slopes, found, strict=True):
            line += np.float32(slope) * np.log(feature / np.float32(unit_size) + np.float32(self.level))
        return np.exp(line, out=line)


def features(z: Float32Array, y: Float32Array, operator: Operator) -> list[Float32Array]:
    """Measure what foretells the size of errors, in the unit of the image: float32 (C, s h, s w) each, >= 0.

    Parameters
    ----------
    z : float32 (C, s h, s w), as it is delivered.
    y : float32 (C, h, w), its measurement, holes filled.
    operator : the degradation of these bands.

    Returns
    -------
    list
        The local energies (Gaussian of 1 px, under the root) of the gradient of plain bicubic interpolation, and of what z adds to that
        interpolation; its standard deviation in 5 x 5 px; and, where the degradation can be inverted, the local energy of the guessed
        part z - A+ A z.
    """
    import torch

    image = torch.from_numpy(np.ascontiguousarray(z))
    from sr_core.operators import make_operator

    plain = make_operator("bicubic", operator.scale[0]).upscale(torch.from_numpy(np.ascontiguousarray(y))).numpy()
    found = [_energy(*_differences(plain)), _energy(z - plain), _deviation(plain)]
    if operator.invertible:
        found.append(_energy((image - operator.pinv(operator.apply(image))).numpy()))
    return found


def reach(operator: Operator) -> int:
    """Give the LR pixels of measurement and delivered image around a window that its features depend on, where there are windows."""
    scale = operator.scale[0]
    near = max(BOX // 2, math.ceil(SIGMA * TRUNCATE) + 1)  # HR pixels; the gradient takes one more
    from sr_core.operators import make_operator

    plain = make_operator("bicubic", scale).support  # the interpolation is the reduction's transpose
    inverse = scale * operator.pinv_halo(TOLERANCE) + operator.support if operator.invertible else 0
    return -(-(near + max(plain, inverse)) // scale)


class HeuristicFit:
    """Takes validation images one at a time and fits the line through some of their pixels.

    Parameters
    ----------
    step : larger of the quantisation step and the noise of the measurement, physical unit; 0 where neither is known.
    data_range : max - min of the data; without a step, 1/255 of it takes the step's place.
    images : how many will come, about: so many share the values that are kept.
    """

    def __init__(self, step: float, data_range: float, images: int) -> None:
        self.level = (step if step > 0 else data_range / 255) / LEVELS
        self._most = max(1000, FITTED // max(1, images))
        self._rows: list[npt.NDArray[np.float32]] = []
        self._errors: list[npt.NDArray[np.float32]] = []

    def add(self, abs_error: Float32Array, z: Float32Array, y: Float32Array, operator: Operator, mask: BoolArray) -> None:
        """Take an image.

        Parameters
        ----------
        abs_error : float32 (C, s h, s w), |HR - SR|.
        z, y, operator : as `features` takes them.
        mask : bool (s h, s w), which pixels count.
        """
        found = np.stack([feature[:, mask].ravel() for feature in features(z, y, operator)])
        errors = abs_error[:, mask].ravel()
        use = np.flatnonzero(np.isfinite(errors) & np.isfinite(found).all(axis=0))
        chosen = use[:: max(1, -(-use.size // self._most))]
        self._rows.append(found[:, chosen])
        self._errors.append(errors[chosen])

    def line(self) -> Heuristic:
        """Fit log |error| by least squares, reweighted so that the long tail of tiny errors does not lead; then scale it to the mean error.

        Raises
        ------
        TrustError
            If no image held a usable pixel.

        References
        ----------
        Huber, Robust Statistics (1981), chapter 7.
        """
        errors = np.concatenate(self._errors).astype(np.float64) if self._errors else np.empty(0)
        if not errors.size:
            raise TrustError("no usable validation image", "errors on at least one valid pixel", "Check masks and pixels.")
        rows = np.concatenate(self._rows, axis=1).astype(np.float64)
        columns = np.stack([np.ones_like(errors), *np.log(rows + self.level)], axis=1)
        target = np.log(errors + self.level)
        weight = np.ones_like(errors)
        for _ in range(ROUNDS):
            root = np.sqrt(weight)
            line = np.linalg.lstsq(columns * root[:, None], target * root, rcond=1e-10)[0]
            apart = np.abs(target - columns @ line)
            size = 1.4826 * float(np.median(apart))
            weight = np.minimum(1.0, HUBER * size / np.maximum(apart, np.finfo(np.float64).tiny)) if size > 0 else np.ones_like(apart)
        mean = float(np.exp(columns @ line).mean())
        intercept = float(line[0]) + math.log(max(float(errors.mean()), self.level) / mean)
        return Heuristic(level=self.level, intercept=intercept, slopes=tuple(float(slope) for slope in line[1:]))


def _differences(image: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Give the central differences along rows and columns, borders mirrored."""
    from scipy.ndimage import correlate1d

    down, along = (np.asarray(correlate1d(image, [-0.5, 0.0, 0.5], axis=axis, mode="reflect"), np.float32) for axis in (1, 2))
    return down, along


def _energy(*parts: Float32Array) -> Float32Array:
    """Give the root of the local mean of the parts' squares."""
    from scipy.ndimage import gaussian_filter

    energy = np.square(parts[0])
    for part in parts[1:]:
        energy += np.square(part)
    local = gaussian_filter(energy, (0.0, SIGMA, SIGMA), truncate=TRUNCATE)
    return np.asarray(np.sqrt(np.maximum(local, 0.0, out=local), out=local), np.float32)


def _deviation(image: Float32Array) -> Float32Array:
    """Give the standard deviation in a small window; each from its own window's values, so that no sum runs along the image."""
    from scipy.ndimage import correlate1d

    def mean(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        taps = np.full(BOX, 1 / BOX)
        return np.asarray(correlate1d(correlate1d(values, taps, axis=1, mode="reflect"), taps, axis=2, mode="reflect"), np.float64)

    values = image.astype(np.float64)
    return np.sqrt(np.maximum(mean(values**2) - mean(values) ** 2, 0.0)).astype(np.float32)
