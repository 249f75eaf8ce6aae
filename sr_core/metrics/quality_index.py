"""Universal image quality index, band by band (UIQI) and for all bands as one hypercomplex number (Q2n).

References
----------
Z. Wang, A. C. Bovik, A universal image quality index, IEEE Signal Processing Letters 9 (2002), doi:10.1109/97.995823.
A. Garzelli, F. Nencini, Hypercomplex quality assessment of multi/hyperspectral images, IEEE GRSL 6 (2009),
doi:10.1109/LGRS.2009.2022650.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from sr_core.errors import InputError, ShapeError
from sr_core.metrics.protocol import BoolArray, Protocol, refuse_small
from sr_core.operators.factor import FloatArray

UIQI_SIDE = 8
Q2N_SIDE = 32


def uiqi(sr: NDArray[Any], hr: NDArray[Any], protocol: Protocol, mask: BoolArray | None = None, window: int = UIQI_SIDE) -> float:
    """Give the universal quality index, -1..1: mean over bands of the mean over all wholly usable windows, moved by one pixel.

    Parameters
    ----------
    sr, hr : array (C, H, W)
        Produced and reference image, in one unit.
    protocol : Protocol
        Channel, range, border, rounding.
    mask : array (H, W) of bool, optional
        True where a pixel is usable.
    window : int
        Side of the square window, px, >= 2.

    Raises
    ------
    ShapeError
        If the images do not fit, are smaller than a window, or no window is wholly usable.
    InputError
        If the window is below 2.

    Notes
    -----
    `4 cov mx my / ((vx + vy)(mx^2 + my^2))` with sample (n - 1) moments. Where the denominator is 0 a window counts 1 if both images are
    equal in it, else 0.
    """
    _check_window(window)
    a, b, usable = protocol.prepare(sr, hr, mask)
    refuse_small(usable.shape, window, "UIQI")
    whole = _inner(scipy.ndimage.minimum_filter(usable, size=window, mode="nearest"), window)
    if not whole.any():
        raise ShapeError(f"no window of {window} x {window} usable pixels", "at least one", "Measure UIQI on an image with less nodata.")
    return float(np.mean([_uiqi_map(x, y, window)[whole].mean() for x, y in zip(a, b, strict=True)]))


def q2n(sr: NDArray[Any], hr: NDArray[Any], protocol: Protocol, mask: BoolArray | None = None, block: int = Q2N_SIDE) -> float:
    """Give the quality index of all bands at once, 0..1: mean over non-overlapping, wholly usable blocks.

    Parameters
    ----------
    sr, hr : array (C, H, W)
        Produced and reference image, in one unit. Bands become one number of 2^n >= C parts, filled up with zeros; one band gives |UIQI|.
    protocol : Protocol
        Channel, range, border, rounding.
    mask : array (H, W) of bool, optional
        True where a pixel is usable.
    block : int
        Side of the square block, px, >= 2. Rows and columns at the end that fill no block are left out.

    Raises
    ------
    ShapeError
        If the images do not fit, are smaller than a block, or no block is wholly usable.
    InputError
        If the block is below 2.

    Notes
    -----
    Blocks are not normalised first, as the pansharpening toolbox does: its numbers differ. A denominator of 0 counts as in `uiqi`.
    """
    _check_window(block)
    a, b, usable = protocol.prepare(sr, hr, mask)
    refuse_small(usable.shape, block, "Q2n")
    whole = _blocks(usable[None], block).all(axis=(0, 2))
    if not whole.any():
        raise ShapeError(f"no block of {block} x {block} usable pixels", "at least one", "Measure Q2n on an image with less nodata.")
    parts = 1 << (len(a) - 1).bit_length()
    x, y = (_blocks(np.pad(v, ((0, parts - len(v)), (0, 0), (0, 0))), block)[:, whole] for v in (a, b))
    return float(_q2n_blocks(x, y).mean())


def cayley_dickson(a: FloatArray, b: FloatArray) -> FloatArray:
    """Multiply hypercomplex numbers of 2^n parts along the first axis: `(p, q)(r, t) = (p r - t* q, t p + q r*)`."""
    half = len(a) // 2
    if not half:
        return a * b
    p, q, r, t = a[:half], a[half:], b[:half], b[half:]
    first = cayley_dickson(p, r) - cayley_dickson(conjugate(t), q)
    return np.concatenate([first, cayley_dickson(t, p) + cayley_dickson(q, conjugate(r))])


def conjugate(a: FloatArray) -> FloatArray:
    """Negate all parts but the first."""
    return np.concatenate([a[:1], -a[1:]])


def _q2n_blocks(x: FloatArray, y: FloatArray) -> FloatArray:
    """Give Q of each block: (parts, blocks, pixels) to (blocks,)."""
    count = x.shape[2]
    mx, my = x.mean(axis=2), y.mean(axis=2)
    dx, dy = x - mx[..., None], y - my[..., None]
    # The product is linear in each factor, so the covariance may be taken of the deviations, without cancellation.
    cov = np.linalg.norm(cayley_dickson(dx, conjugate(dy)).sum(axis=2) / (count - 1), axis=0)
    spread = ((dx**2).sum(axis=(0, 2)) + (dy**2).sum(axis=(0, 2))) / (count - 1)
    # A flat block's computed mean may miss its value by a rounding: it is flat all the same.
    spread = np.where(np.ptp(x, axis=2).any(axis=0) | np.ptp(y, axis=2).any(axis=0), spread, 0.0)
    lengths = np.linalg.norm(mx, axis=0), np.linalg.norm(my, axis=0)
    return _ratio(4 * cov * lengths[0] * lengths[1], spread * (lengths[0] ** 2 + lengths[1] ** 2), (x == y).all(axis=(0, 2)))


def _uiqi_map(x: FloatArray, y: FloatArray, window: int) -> FloatArray:
    count = window * window
    centre = 0.5 * (x.mean() + y.mean())  # variances do not change by it, and lose fewer digits
    p, q = x - centre, y - centre
    sp, sq = _sums(p, window), _sums(q, window)
    cov = (_sums(p * q, window) - sp * sq / count) / (count - 1)
    spread = (_sums(p * p, window) - sp * sp / count + _sums(q * q, window) - sq * sq / count) / (count - 1)
    spread = np.where(_range(x, window) + _range(y, window) > 0, np.maximum(spread, 0), 0.0)
    mx, my = _sums(x, window) / count, _sums(y, window) / count
    equal = _inner(scipy.ndimage.minimum_filter(x == y, size=window, mode="nearest"), window)
    return _ratio(4 * cov * mx * my, spread * (mx * mx + my * my), equal)


def _ratio(above: FloatArray, below: FloatArray, equal: BoolArray) -> FloatArray:
    safe = np.where(below > 0, below, 1.0)
    return np.where(below > 0, above / safe, equal.astype(np.float64))


def _range(x: FloatArray, window: int) -> FloatArray:
    high, low = (f(x, size=window, mode="nearest") for f in (scipy.ndimage.maximum_filter, scipy.ndimage.minimum_filter))
    return _inner(high - low, window)


def _sums(x: FloatArray, window: int) -> FloatArray:
    for axis in (0, 1):
        x = scipy.ndimage.correlate1d(x, np.ones(window), axis=axis, mode="nearest")
    return _inner(x, window)


def _inner(x: NDArray[Any], window: int) -> NDArray[Any]:
    """Cut a filter's result to the windows that lie wholly inside: (H, W) to (H - window + 1, W - window + 1)."""
    start = window // 2
    return x[start : x.shape[0] - window + 1 + start, start : x.shape[1] - window + 1 + start]


def _blocks(x: NDArray[Any], side: int) -> NDArray[Any]:
    """Cut (C, H, W) into whole blocks: (C, blocks, side * side)."""
    rows, cols = x.shape[1] // side, x.shape[2] // side
    cut = x[:, : rows * side, : cols * side].reshape(len(x), rows, side, cols, side)
    return cut.transpose(0, 1, 3, 2, 4).reshape(len(x), rows * cols, side * side)


def _check_window(window: int) -> None:
    if window < 2:
        raise InputError(f"windows of {window} px", "a side of 2 or more", "Use 8 (UIQI) or 32 (Q2n).")
