"""Solves `A A^T z = y` on the LR grid: exactly by banded Cholesky factors, or by a short filter where float32 sees no difference."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from sr_core.errors import OperatorError
from sr_core.operators.engine import run
from sr_core.operators.factor import Factor, FloatArray, prefilter

FILTER_TOLERANCE = 1e-7  # share of the pre-filter's weight that may be cut off: below float32's rounding


@lru_cache(maxsize=32)
def cholesky(factor: Factor, count: int) -> FloatArray:
    """Give the lower banded Cholesky factor of `A A^T` for `count` LR pixels, borders included."""
    matrix = factor.sparse(factor.scale * count)
    gram = (matrix @ matrix.T).tocoo()
    band = min(len(factor.gram) - 1, count - 1)
    # Folded borders can widen the band by a little where the taps are not centred.
    band = max(band, int(np.abs(gram.row - gram.col).max(initial=0)))
    lower = np.zeros((band + 1, count))
    for k in range(band + 1):
        lower[k, : count - k] = gram.diagonal(-k)
    try:
        return np.asarray(scipy.linalg.cholesky_banded(lower, lower=True), dtype=np.float64)
    except np.linalg.LinAlgError as error:
        given = f"an axis of {count} LR px under {len(factor.taps)} taps off its centre"
        raise OperatorError(given, "a size whose borders leave the measurements independent", "Give an image of another size.") from error


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
