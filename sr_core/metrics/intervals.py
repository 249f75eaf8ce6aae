"""Stated ranges against the truth: interval score and calibration error; and the mean opinion of raters.

References
----------
T. Gneiting, A. E. Raftery, Strictly proper scoring rules, prediction, and estimation, JASA 102 (2007),
doi:10.1198/016214506000001437. ITU-R BT.500-15 (2023) for mean opinion scores.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from sr_core.errors import InputError, ShapeError
from sr_core.metrics.protocol import BoolArray
from sr_core.operators.factor import FloatArray
from sr_core.records import Record


class CalibrationCurve(Record):
    """How often intervals of each nominal level held the truth; `error` is the mean absolute difference, 0..1."""

    levels: tuple[float, ...]
    coverage: tuple[float, ...]
    error: float


class MeanOpinion(Record):
    """Mean of ratings 1..5 over raters with its 95 % interval, cut to 1..5; one rater gives no interval (None)."""

    mean: float
    raters: int
    standard_deviation: float | None
    low: float | None
    high: float | None


def interval_score(truth: ArrayLike, low: ArrayLike, high: ArrayLike, alpha: float, mask: BoolArray | None = None) -> float:
    """Give the mean interval score of intervals at level 1 - alpha, in the values' unit; smaller is better.

    Parameters
    ----------
    truth, low, high : arrays of one shape
        True value and both ends of the interval, one physical unit.
    alpha : float
        Share of truths that may lie outside, between 0 and 1.
    mask : array of bool, optional
        True where a value is usable; its shape is the last dimensions of the others.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or no value is usable.
    InputError
        If alpha is not between 0 and 1, a usable value is not a number, or an interval ends below its start.

    Notes
    -----
    `mean[(high - low) + (2 / alpha)(low - y)+ + (2 / alpha)(y - high)+]`. Report coverage beside it, for each group as well as pooled.
    """
    if not 0 < alpha < 1:
        raise InputError(f"alpha = {alpha}", "a share between 0 and 1", "Give 0.1 for 90 % intervals.")
    y, a, b = _usable([truth, low, high], mask)
    if (b < a).any():
        raise InputError(f"{int((b < a).sum())} intervals that end below their start", "low <= high", "Swap the two ends.")
    outside = np.maximum(a - y, 0) + np.maximum(y - b, 0)
    return float(np.mean(b - a + 2 / alpha * outside))


def calibration_error(
    truth: ArrayLike, low: ArrayLike, high: ArrayLike, levels: tuple[float, ...], mask: BoolArray | None = None
) -> CalibrationCurve:
    """Give how far the coverage of intervals lies from what they promise, averaged over levels.

    Parameters
    ----------
    truth : array (...)
        True values.
    low, high : arrays (levels, ...)
        Both ends of the interval of each nominal level, in the unit of the truth.
    levels : tuple of float
        Nominal coverages, between 0 and 1, such as (.1, .25, .5, .75, .9, .95).
    mask : array of bool, optional
        True where a value is usable; its shape is the last dimensions of the truth's.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or no value is usable.
    InputError
        If a level is not between 0 and 1, or a usable value is not a number.
    """
    if not levels or not all(0 < level < 1 for level in levels):
        raise InputError(f"levels {levels}", "nominal coverages between 0 and 1", "Give (0.1, 0.25, 0.5, 0.75, 0.9, 0.95).")
    lows, highs = np.asarray(low), np.asarray(high)
    if not len(levels) == len(lows) == len(highs):
        given = f"{len(levels)} levels, {len(lows)} lower and {len(highs)} upper ends"
        raise ShapeError(given, "one interval a level", "Stack the intervals of all levels along the first axis.")
    coverage = []
    for lower, upper in zip(lows, highs, strict=True):
        y, a, b = _usable([truth, lower, upper], mask)
        coverage.append(float(np.mean((a <= y) & (y <= b))))
    return CalibrationCurve(levels=levels, coverage=tuple(coverage), error=float(np.mean(np.abs(np.subtract(coverage, levels)))))


def mean_opinion(ratings: ArrayLike) -> MeanOpinion:
    """Give the mean opinion score with its 95 % t-interval.

    Parameters
    ----------
    ratings : array (raters,) or (raters, pictures), 1..5
        NaN where a rater gave none. Ratings of one rater are not independent: they are averaged first, and raters are counted.

    Raises
    ------
    ShapeError
        If there is no rating, or the array has another number of dimensions.
    InputError
        If a rating lies outside 1..5.
    """
    given = np.asarray(ratings, dtype=np.float64)
    if given.ndim not in (1, 2) or not np.isfinite(given).any():
        raise ShapeError(f"ratings of shape {given.shape}", "(raters,) or (raters, pictures), at least one", "Give one row a rater.")
    seen = given[~np.isnan(given)]
    if ((seen < 1) | (seen > 5)).any():
        raise InputError(f"ratings from {seen.min():g} to {seen.max():g}", "1 (bad) to 5 (excellent)", "Bring them to five grades.")
    table = given.reshape(len(given), -1)
    table = table[~np.isnan(table).all(axis=1)]
    raters = np.nanmean(table, axis=1)
    mean, count = float(raters.mean()), len(raters)
    if count == 1:
        return MeanOpinion(mean=mean, raters=1, standard_deviation=None, low=None, high=None)
    deviation = float(raters.std(ddof=1))
    reach = float(stdtrit(count - 1, 0.975)) * deviation / math.sqrt(count)
    return MeanOpinion(mean=mean, raters=count, standard_deviation=deviation, low=max(1.0, mean - reach), high=min(5.0, mean + reach))


def _usable(arrays: list[ArrayLike], mask: BoolArray | None) -> list[FloatArray]:
    """Give the usable values of arrays of one shape, float64, flat."""
    values: list[NDArray[Any]] = [np.asarray(array, dtype=np.float64) for array in arrays]
    shape = values[0].shape
    use = np.ones(shape, dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
    if any(v.shape != shape for v in values) or use.shape != shape[len(shape) - use.ndim :]:
        given = f"arrays of {[v.shape for v in values]} and a mask of {use.shape}"
        raise ShapeError(given, "one shape, and a mask of its last dimensions", "Give one image's arrays.")
    chosen = np.broadcast_to(use, shape)
    if not chosen.any():
        raise ShapeError("a mask that leaves no value", "at least one usable value", "Measure on another image.")
    flat = [v[chosen] for v in values]
    if not all(np.isfinite(v).all() for v in flat):
        raise InputError("a usable value that is not a number", "finite values wherever the mask says usable", "Mask it out.")
    return flat
