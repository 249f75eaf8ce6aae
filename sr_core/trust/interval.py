"""Figures of an interval where the truth is known: coverage, width, and how many of the largest errors it held."""

from __future__ import annotations

import math

import numpy as np

from sr_core.errors import ShapeError
from sr_core.raster import BoolArray, Float32Array


def coverage(hr: Float32Array, sr: Float32Array, half_width: Float32Array, mask: BoolArray) -> float:
    """Give the share of valid values whose truth lies inside the interval.

    Parameters
    ----------
    hr, sr, half_width : float32 (C, H, W), one physical unit. Among others, a NaN half-width holds nothing.
    mask : bool (H, W), True = use.

    Returns
    -------
    float
        0..1, over bands and valid pixels; NaN where no valid pixel carries an interval. Cutting the interval to the valid range changes
        nothing here, because the truth lies inside that range.
    """
    _same(hr, sr, half_width, mask)
    held = _errors(hr, sr)[:, mask] <= half_width[:, mask]
    return float(held.mean()) if np.isfinite(half_width[:, mask]).any() else math.nan


def mean_width(sr: Float32Array, half_width: Float32Array, valid_range: tuple[float, float], mask: BoolArray) -> float:
    """Give the mean full width of the interval, cut to the valid range, in the physical unit (NaN where none is given)."""
    _same(sr, sr, half_width, mask)
    centre, reach = sr[:, mask].astype(np.float64), half_width[:, mask].astype(np.float64)
    low, high = np.maximum(valid_range[0], centre - reach), np.minimum(valid_range[1], centre + reach)
    width = np.maximum(high - low, 0.0)
    return float(width.mean()) if width.size else math.nan


def covered_share(half_width: Float32Array | None, mask: BoolArray) -> float:
    """Give the share of valid values that carry an interval at all (a finite half-width), 0..1."""
    if half_width is None or not mask.any():
        return 0.0
    return float(np.isfinite(half_width[:, mask]).mean())


def largest_errors_held(hr: Float32Array, sr: Float32Array, half_width: Float32Array, mask: BoolArray, share: float = 0.01) -> float:
    """Give the share of the largest errors that lie inside the interval.

    Parameters
    ----------
    hr, sr, half_width, mask : as in `coverage`.
    share : which part of all errors counts as the largest: 0.01 is the largest one in a hundred, at least one value.

    Returns
    -------
    float
        0..1; NaN where no valid pixel carries an interval. A claim does not cover these errors; this figure stands beside it.
    """
    _same(hr, sr, half_width, mask)
    errors = _errors(hr, sr)[:, mask].ravel()
    if not np.isfinite(half_width[:, mask]).any():
        return math.nan
    count = max(1, round(errors.size * share))
    worst = np.argpartition(errors, errors.size - count)[errors.size - count :]
    return float((errors[worst] <= half_width[:, mask].ravel()[worst]).mean())


def _errors(hr: Float32Array, sr: Float32Array) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.abs(hr.astype(np.float64) - sr.astype(np.float64))


def _same(hr: Float32Array, sr: Float32Array, half_width: Float32Array, mask: BoolArray) -> None:
    if not hr.shape == sr.shape == half_width.shape or mask.shape != hr.shape[1:]:
        raise ShapeError(
            f"HR {hr.shape}, SR {sr.shape}, half-width {half_width.shape}, mask {mask.shape}",
            "three arrays (C, H, W) and a mask (H, W)",
            "Give one image's arrays.",
        )
