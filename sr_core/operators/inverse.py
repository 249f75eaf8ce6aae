"""Solves `A A^T z = y` on the LR grid: exactly by banded Cholesky factors, or by a short filter where float32 sees no difference."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from sr_core.operators.engine import run
from sr_core.operators.factor import Factor, FloatArray, inverse_series, prefilter

FILTER_TOLERANCE = 1e-7  # share of the pre-filter's weight that may be cut off: below float32's rounding


@lru_cache(maxsize=32)
def cholesky(factor: Factor, count: int) -> FloatArray:
    """Give the lower banded Cholesky factor of `A A^T` for `count` LR pixels, borders included."""
    matrix = factor.sparse(factor.scale * count)
    gram = (matrix @ matrix.T).todia()
    band = min(len(factor.gram) - 1, count - 1)
    # Folded borders can widen the band by a little where the taps are not centred.
    band = max(band, int(np.abs(gram.offsets).max(initial=0)))
    lower = np.zeros((band + 1, count))
    for k in range(band + 1):
        lower[k, : count - k] = gram.diagonal(-k)
    return np.asarray(scipy.linalg.cholesky_banded(lower, lower=True), dtype=np.float64)


def solve(y: Tensor, rows: Factor, cols: Factor) -> Tensor:
    """Solve exactly, in float64 on the CPU; (…, H, W) in, the same shape, dtype and device out."""
    work = y.detach().to("cpu", torch.float64).numpy().reshape(-1, *y.shape[-2:])
    for factor, axis in ((rows, 1), (cols, 2)):
        if not factor.identity:
            lines = np.moveaxis(work, axis, 0)
            solved = scipy.linalg.cho_solve_banded((cholesky(factor, lines.shape[0]), True), lines.reshape(lines.shape[0], -1))
            work = np.moveaxis(solved.reshape(lines.shape), 0, axis)
    return torch.from_numpy(np.ascontiguousarray(work)).reshape(y.shape).to(y.device, y.dtype)


def solve_or_filter(y: Tensor, rows: Factor, cols: Factor) -> Tensor:
    """Solve as exactly as the dtype can tell: float64 by factors, float32 by the short filter where the taps are symmetric."""
    if y.dtype == torch.float64 or not (rows.symmetric and cols.symmetric):
        return solve(y, rows, cols)
    one = Factor(1, 0, (1.0,))
    row_filter, col_filter = (one if factor.identity else prefilter(factor, FILTER_TOLERANCE) for factor in (rows, cols))
    return run(y, row_filter, col_filter)


def _weight(factor: Factor) -> float:
    """Give all the weight of `A^+` along one axis: the largest value that it makes of values within ±1."""
    return float(_weights(factor).sum(axis=0).max())


def _tails(factor: Factor) -> FloatArray:
    """Give, for each distance h in LR pixels, the weight of `A^+` beyond it: the largest over the HR pixels of a block."""
    beyond = _weights(factor)[::-1].cumsum(axis=0)[::-1]
    return np.asarray(beyond[1:].max(axis=1), dtype=np.float64)


@lru_cache(maxsize=32)
def _weights(factor: Factor) -> FloatArray:
    """Give the weight of `A^+` at each distance in LR pixels (both sides together), for each HR pixel of a block: (distances, scale)."""
    half = inverse_series(factor)[:1024]
    series = np.concatenate([half[:0:-1], half])
    taps, scale = np.asarray(factor.taps), factor.scale
    # Column of A^+ for one LR pixel: the series, each value spread by the taps; HR pixel i of block b lies at scale * b + i.
    spread = np.zeros(scale * len(series) + len(taps) + scale)
    for k, value in enumerate(series):
        spread[scale * k : scale * k + len(taps)] += value * taps
    position = np.arange(len(spread)) + factor.offset - scale * (len(half) - 1)
    block = position // scale
    weight = np.zeros((2 * len(half) + len(taps), scale))
    np.add.at(weight, (np.minimum(np.abs(block), weight.shape[0] - 1), position % scale), np.abs(spread))
    return weight


def halo(rows: Factor, cols: Factor, tolerance: float) -> int:
    """Give the LR pixels to add on each side of a window so that `A^+` of it equals that of the whole to `tolerance` of the values' range.

    Notes
    -----
    What a window sees in place of the pixels beyond its halo differs from them by the range at most. So the error is bounded by the range
    times the weight of `A^+` beyond the halo along one axis times all its weight along the other, for both axes.
    """
    missing = np.zeros(1)
    for factor, other in ((rows, cols), (cols, rows)):
        if not factor.identity:
            part = _tails(factor) * (1.0 if other.identity else _weight(other))
            size = max(len(missing), len(part))
            missing = np.pad(missing, (0, size - len(missing))) + np.pad(part, (0, size - len(part)))
    return int(np.argmax(missing <= max(tolerance, 1e-12)))
