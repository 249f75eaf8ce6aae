"""How far the exact inverse reaches: what a window of an image must have around it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sr_core.errors import OperatorError
from sr_core.operators.factor import Factor, FloatArray, inverse_series

FARTHEST = 1024  # LR px to which the response of a symmetric inverse is followed
CUT_SIDES = (64, 192, 512)  # LR px of the lines on which others are tried, one after the other until their response has ended
ENDED = 1e-9  # of the values' range: what counts as the end of a response


def _response(factor: Factor) -> tuple[float, FloatArray]:
    """Give the largest value that `A^+` makes of values within ±1 along one axis, and how much of it a window changes.

    The second is an array over the distance from the window's edge, in LR pixels.
    """
    if not factor.symmetric:
        return _cut(factor)
    weights = _weights(factor)
    beyond = weights[::-1].cumsum(axis=0)[::-1]
    return float(weights.sum(axis=0).max()), np.asarray(beyond[1:].max(axis=1), dtype=np.float64)


@lru_cache(maxsize=32)
def _cut(factor: Factor) -> tuple[float, FloatArray]:
    """Give `_response` of taps that are no mirror images, by trial: the inverse of a line against that of a piece of it.

    A mirrored edge is then no continuation of the line: it changes the inverse itself, not only what it is applied to.
    """
    for side in CUT_SIDES:
        whole, piece = (_inverse(factor, count) for count in (3 * side, side))
        rows = slice(factor.scale * side, 2 * factor.scale * side)
        difference = whole[rows].copy()
        difference[:, side : 2 * side] -= piece
        changed = np.abs(difference).sum(axis=1).reshape(side, factor.scale).max(axis=1)
        of_edges = np.maximum(changed, changed[::-1])[: side // 2]
        if of_edges[-1] <= ENDED:
            break
    return float(np.abs(whole).sum(axis=1).max()), np.maximum.accumulate(of_edges[::-1])[::-1]


def _inverse(factor: Factor, count: int) -> FloatArray:
    matrix = factor.dense(factor.scale * count)
    return np.asarray(np.linalg.solve(matrix @ matrix.T, matrix).T, dtype=np.float64)


def _endless(*factors: Factor) -> OperatorError:
    count = max(len(factor.taps) for factor in factors)
    given = f"a window of the inverse of {count} taps, which reaches too far"
    return OperatorError(given, "one that ends within some hundred LR px", "Treat the image in one piece, or choose a milder blur.")


@lru_cache(maxsize=32)
def _weights(factor: Factor) -> FloatArray:
    """Give the weight of `A^+` at each distance in LR pixels (both sides together), for each HR pixel of a block: (distances, scale)."""
    series = inverse_series(factor)
    if np.abs(series[FARTHEST:]).sum() > ENDED * np.abs(series).sum():
        raise _endless(factor)
    half = series[:FARTHEST]
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

    Raises
    ------
    OperatorError
        If it reaches farther than can be told.
    """
    missing = np.zeros(1)
    for factor, other in ((rows, cols), (cols, rows)):
        if not factor.identity:
            part = _response(factor)[1] * (1.0 if other.identity else _response(other)[0])
            size = max(len(missing), len(part))
            missing = np.pad(missing, (0, size - len(missing)), mode="edge") + np.pad(part, (0, size - len(part)), mode="edge")
    ended = missing <= max(tolerance, 1e-12)
    if not ended.any():
        raise _endless(rows, cols)
    return int(np.argmax(ended))
