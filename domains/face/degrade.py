"""The degradations that pictures of faces are assumed to have undergone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sr_core.operators import Operator

# sigma = s sqrt(2 ln 2) / pi: a Gaussian whose response is one half at the LR Nyquist frequency, as of a lens in focus.
HALF_AT_NYQUIST = 0.3748


def operators() -> Mapping[str, Callable[[int], Operator]]:
    """Give the named degradations; bicubic, the benchmark's, comes first.

    "box" is what a camera's or a viewer's binning does; "gaussian" is an optical blur.
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
