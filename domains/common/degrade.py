"""The degradations that several domains name, as functions of the scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sr_core.operators import Operator

# sigma / s of a Gaussian whose response is one half at the LR Nyquist frequency f = 1 / (2 s): exp(-2 (pi sigma f)^2) = 1/2.
HALF_AT_NYQUIST = math.sqrt(2 * math.log(2)) / math.pi


def bicubic(scale: int) -> Operator:
    """Antialiased bicubic reduction, as MATLAB's `imresize`: the convention of published benchmarks."""
    from sr_core.operators import make_operator

    return make_operator("bicubic", scale)


def kspace(scale: int) -> Operator:
    """Keep the central frequencies along each axis: a scanner that measures fewer. Whole images only."""
    from sr_core.operators import make_operator

    return make_operator("kspace", scale)


def box(scale: int) -> Operator:
    """Mean over scale x scale pixels: an ideal detector of square pixels, or binning."""
    from sr_core.operators import make_operator

    return make_operator("box", scale)


def gaussian(scale: int) -> Operator:
    """Gaussian blur with half its response at the LR Nyquist frequency, then decimation."""
    from sr_core.operators import make_operator

    # 3 s taps reach four sigmas on each side, and are as even or odd as s, so that the kernel sits on the LR pixel's centre.
    return make_operator("gaussian", scale, sigma=HALF_AT_NYQUIST * scale, taps=3 * scale)
