"""MATLAB's imresize for NumPy images, exact for uint8, single and double: for the classical protocols, where its rounding matters.

`SeparableOperator` is the same linear map (bicubic, integer scale, symmetric borders) without the casts between passes.

References
----------
The rules were found by reproducing files that MATLAB made; both border conventions are MATLAB's own (of different releases).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sr_core.errors import InputError, ShapeError
from sr_core.operators.factor import FloatArray, IntArray, reflect
from sr_core.operators.taps import cubic, triangle

Border = Literal["symmetric", "clamp"]
Rounding = Literal["pass", "end"]
KERNELS = {"bicubic": (cubic, 4.0), "bilinear": (triangle, 2.0)}


def half_away(x: FloatArray) -> FloatArray:
    """Round half away from zero, as MATLAB does (NumPy rounds half to even).

    >>> half_away(np.array([-1.5, -0.5, 0.5, 2.5])).tolist()
    [-2.0, -1.0, 1.0, 3.0]
    """
    return np.asarray(np.sign(x) * np.floor(np.abs(x) + 0.5), dtype=np.float64)


def u8(x: FloatArray) -> NDArray[np.uint8]:
    """Round half away from zero and saturate at 0 and 255."""
    return np.clip(half_away(np.asarray(x, dtype=np.float64)), 0, 255).astype(np.uint8)


def weights(size: int, out_size: int, scale: float, kernel: str, antialias: bool, border: Border) -> tuple[FloatArray, IntArray]:
    """Give the taps of every output pixel along one axis and the input pixels they stand on: two (out_size, taps) arrays."""
    function, width = KERNELS[kernel]
    shrink = min(scale, 1.0) if antialias else 1.0
    width /= shrink
    centre = np.arange(1, out_size + 1) / scale + 0.5 * (1 - 1 / scale)
    index = np.floor(centre - width / 2)[:, None] + np.arange(math.ceil(width) + 2)[None, :]  # 1-based, as the definition is
    taps = shrink * function(shrink * (centre[:, None] - index))
    taps /= taps.sum(axis=1, keepdims=True)
    below = index.astype(np.int64) - 1
    return taps, reflect(below, size) if border == "symmetric" else np.clip(below, 0, size - 1)


def resize(
    image: NDArray[Any],
    scale: float | Fraction,
    border: Border = "symmetric",
    rounding: Rounding = "pass",
    kernel: Literal["bicubic", "bilinear"] = "bicubic",
    antialias: bool = True,
) -> NDArray[Any]:
    """Resize as MATLAB's imresize does.

    Parameters
    ----------
    image : array (..., H, W) of uint8, float32 or float64
        Any leading dimensions; the class of the result is that of the image.
    scale : float or Fraction
        Output over input: Fraction(1, 3) or 3. Sides become ceil(scale * side).
    border : "symmetric" or "clamp"
        Current releases double the edge pixel; older ones repeat it for ever.
    rounding : "pass" or "end"
        MATLAB casts to the image's class after each pass; "end" casts once, for comparison.
    kernel : "bicubic" or "bilinear"
        Keys with a = -0.5, or triangle.
    antialias : bool
        Widen the kernel when shrinking.

    Raises
    ------
    InputError
        If the dtype is another, or the scale is not above 0.
    ShapeError
        If the image has no rows and columns.

    Notes
    -----
    Rows are made first (both axes have one scale). Arithmetic is float64. uint8 is rounded half away from zero and saturated, in each pass.
    """
    if image.dtype not in (np.uint8, np.float32, np.float64):
        raise InputError(f"an image of {image.dtype}", "uint8, float32 or float64", "Convert it first.")
    if image.ndim < 2 or 0 in image.shape:
        raise ShapeError(f"an image of shape {image.shape}", "(..., H, W), none of them 0", "Give an image with rows and columns.")
    factor = float(scale)
    if not (math.isfinite(factor) and factor > 0):
        raise InputError(f"scale {scale}", "a number above 0", "Give Fraction(1, 2) to halve an image.")
    exact = Fraction(scale).limit_denominator(1 << 16)
    work = image.astype(np.float64)
    for axis in (-2, -1):
        size = work.shape[axis]
        taps, index = weights(size, math.ceil(exact * size), factor, kernel, antialias, border)
        lines = np.moveaxis(work, axis, -1)
        total = sum(lines[..., index[:, t]] * taps[:, t] for t in range(taps.shape[1]))
        work = np.moveaxis(np.asarray(total), -1, axis)
        if rounding == "pass" or axis == -1:
            work = _cast(work, image.dtype).astype(np.float64)
    return np.ascontiguousarray(work).astype(image.dtype)


def _cast(x: FloatArray, dtype: np.dtype[Any]) -> NDArray[Any]:
    return u8(x) if dtype == np.uint8 else x.astype(dtype)
