"""Known degradations of satellite imagery."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from domains.common.degrade import bicubic, box

if TYPE_CHECKING:
    from sr_core.operators import Operator

# Sentinel-2's 10 m bands have 0.24 to 0.28 at the Nyquist frequency (Lanaras et al., "Super-resolution of multispectral
# multiresolution images from a single sensor", CVPR Workshops 2017, code of the authors). No source per band was found for
# Landsat. One value stands for all bands here.
MTF_AT_NYQUIST = 0.25


def mtf(scale: int) -> Operator:
    """Gaussian sensor blur with a value of 0.25 at the LR Nyquist frequency, then decimation."""
    from sr_core.operators import make_operator

    return make_operator("mtf", scale, value=MTF_AT_NYQUIST)


OPERATORS: dict[str, Callable[[int], Operator]] = {"bicubic": bicubic, "mtf": mtf, "box": box}
