"""The degradations that medical images are assumed to have undergone in the image plane."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sr_core.operators import Operator

# Gaussian at x2: sigma in HR pixels. A reconstruction kernel whose response falls to one half at the LR Nyquist
# frequency f = 1 / (2 s) has exp(-2 (pi sigma f)^2) = 1/2, so sigma = s sqrt(2 ln 2) / pi = 0.37 s.
HALF_AT_NYQUIST = 0.3748


def operators() -> Mapping[str, Callable[[int], Operator]]:
    """Give the named degradations; bicubic, the benchmark's, comes first.

    "box" is a larger detector element or voxel; "gaussian" is a smooth reconstruction kernel (half its response at the
    LR Nyquist frequency).
    """
    return {"bicubic": _bicubic, "box": _box, "gaussian": _gaussian}


def _bicubic(scale: int) -> Operator:
    from sr_core.operators import make_operator

    return make_operator("bicubic", scale)


def _box(scale: int) -> Operator:
    from sr_core.operators import make_operator

    return make_operator("box", scale)


def _gaussian(scale: int) -> Operator:
    from sr_core.operators import make_operator

    # 3 s taps reach four sigmas on each side, and are as even or odd as s, so that the kernel sits on the LR pixel's centre.
    return make_operator("gaussian", scale, sigma=HALF_AT_NYQUIST * scale, taps=3 * scale)
