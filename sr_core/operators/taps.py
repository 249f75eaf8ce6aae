"""The taps of each kind of degradation along one axis: float64, sum 1, placed by `Factor.centred`.

References
----------
R. G. Keys, Cubic convolution interpolation for digital image processing, IEEE TASSP 29 (1981), doi:10.1109/TASSP.1981.1163711.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from sr_core.errors import OperatorError
from sr_core.operators.factor import FloatArray

MTF_REACH = 4.0  # standard deviations at which a sampled Gaussian is cut off: 3e-4 of its peak
MOST_TAPS = 255  # taps by value along one axis
SUM_TOLERANCE = 1e-6  # of taps by value: what rounding in a text may have left


def cubic(x: FloatArray) -> FloatArray:
    """Evaluate the Keys kernel, a = -0.5, half-width 2."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def triangle(x: FloatArray) -> FloatArray:
    """Evaluate the linear interpolation kernel, half-width 1."""
    return np.asarray(np.maximum(0.0, 1 - np.abs(x)), dtype=np.float64)


def antialiased(kernel: Callable[[FloatArray], FloatArray], half_width: int) -> Callable[[int], FloatArray]:
    """Stretch an interpolation kernel by the scale, as MATLAB's imresize does; only taps inside the kernel are kept."""
    return lambda scale: _sampled(kernel, scale, 2 * half_width * scale - scale % 2)


def gaussian(scale: int, sigma: float, taps: float | None = None) -> FloatArray:
    """Sample a Gaussian of `sigma` HR px; `taps` says how many, by default MTF_REACH sigma each side.

    Raises
    ------
    OperatorError
        If sigma is not above 0, or taps not a whole number of at least 1.
    """
    if not (math.isfinite(sigma) and sigma > 0):
        raise OperatorError(f"sigma = {sigma}", "a standard deviation above 0, in HR pixels", "Give sigma=1.6, for example.")
    if taps is not None and not (math.isfinite(taps) and taps == int(taps) and taps >= 1):
        raise OperatorError(f"taps = {taps}", "a whole number of taps, at least 1", "Give taps=7, for example.")
    return _sampled(_gauss, sigma, int(taps) if taps is not None else _count(scale, sigma))


def mtf(scale: int, value: float) -> FloatArray:
    """Sample the Gaussian whose transfer function has `value` at the LR Nyquist frequency: sigma = scale sqrt(-2 ln value) / pi px.

    Raises
    ------
    OperatorError
        If the value is not between 0 and 1.
    """
    if not 0 < value < 1:
        raise OperatorError(f"value = {value}", "an MTF at the LR Nyquist frequency between 0 and 1", "Give value=0.2, for example.")
    sigma = scale * math.sqrt(-2 * math.log(value)) / math.pi
    return _sampled(_gauss, sigma, _count(scale, sigma))


def by_value(scale: int, taps: tuple[float, ...]) -> FloatArray:
    """Take taps as they are given, divided by their sum.

    Raises
    ------
    OperatorError
        If there are more than 255, one is not finite, or their sum is not 1 within 1e-6.
    """
    if len(taps) > MOST_TAPS:
        raise OperatorError(
            f"{len(taps)} taps along one axis", f"at most {MOST_TAPS}", "Leave out the far ones, and scale the rest to sum 1."
        )
    if not all(map(math.isfinite, taps)):
        raise OperatorError("taps that are not all finite", "finite numbers", "Give taps=[0.25, 0.5, 0.25], for example.")
    total = math.fsum(taps)
    if abs(total - 1) > SUM_TOLERANCE:
        remedy = "Divide the taps by their sum: a flat image must keep its value."
        raise OperatorError(f"taps whose sum is {total:.9g}", "a sum of 1, to one millionth", remedy)
    return np.asarray(taps, dtype=np.float64) / total


def _sampled(kernel: Callable[[FloatArray], FloatArray], width: float, count: int) -> FloatArray:
    """Sample a kernel of the given width (HR px a kernel unit) at `count` pixels about its centre; the sum is 1."""
    taps = kernel(np.asarray((np.arange(count) - (count - 1) / 2) / width, dtype=np.float64))
    taps = (taps + taps[::-1]) / 2  # vectorised kernels need not be even to the last bit
    return np.asarray(taps / taps.sum(), dtype=np.float64)


def _gauss(x: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-(x**2) / 2), dtype=np.float64)


def _count(scale: int, sigma: float) -> int:
    """Count the taps within MTF_REACH sigma; even for even scales and odd for odd ones, so that they can be centred."""
    count = 2 * math.ceil(MTF_REACH * sigma) + 1
    return count + (count - scale) % 2
