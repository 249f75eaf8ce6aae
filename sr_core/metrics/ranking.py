"""How well an estimate of the error says which pixels are worst, whatever its scale.

References
----------
Ilg et al., Uncertainty estimates and multi-hypotheses networks for optical flow, ECCV 2018, arXiv:1802.07095, section 4.1 (sparsification).
Spearman (1904), doi:10.2307/1412159.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sr_core.errors import ShapeError
from sr_core.operators.factor import FloatArray


def sparsification_area(abs_error: ArrayLike, estimate: ArrayLike) -> float:
    """Give the area between two sparsification curves (AUSE): 0 for a perfect ranking, higher for a worse one.

    A curve is the mean error of the pixels that are left when the worst share of them is taken out, over the mean error of all; the worst
    by the estimate, and by the error itself.

    Parameters
    ----------
    abs_error : array of any shape, >= 0; finite.
    estimate : array of the same shape; finite. Pixels with equal estimates are left or taken out together, at their mean error.

    Raises
    ------
    ShapeError
        If the shapes differ, or nothing is given.
    """
    error, said = _pair(abs_error, estimate)
    total = error.sum()
    if total == 0:
        return 0.0
    _, place, counts = np.unique(said, return_inverse=True, return_counts=True)
    tied = np.bincount(place, weights=error)[place] / counts[place]  # an order among equals would be made up
    left = np.arange(1, error.size + 1)
    by_estimate = np.cumsum(tied[np.argsort(said, kind="stable")]) / left
    by_error = np.cumsum(np.sort(error)) / left
    return float((by_estimate - by_error).mean() * error.size / total)


def rank_correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Give Spearman's correlation of two arrays, -1 to 1, ties at their mean rank; NaN where one of them is constant.

    Raises
    ------
    ShapeError
        If the shapes differ, or nothing is given.
    """
    from scipy.stats import rankdata

    ranks = [rankdata(values) for values in _pair(first, second)]
    deviations = [r - r.mean() for r in ranks]
    size = float(np.sqrt(np.prod([d @ d for d in deviations])))
    return float(deviations[0] @ deviations[1]) / size if size > 0 else float("nan")


def _pair(first: ArrayLike, second: ArrayLike) -> tuple[FloatArray, FloatArray]:
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.shape != b.shape or not a.size:
        raise ShapeError(f"arrays of {a.shape} and {b.shape}", "one shape, at least one value", "Give the two of one image.")
    return a.ravel(), b.ravel()
