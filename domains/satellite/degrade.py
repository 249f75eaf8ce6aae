"""Known degradations of satellite imagery.

References
----------
C. Lanaras, J. Bioucas-Dias, E. Baltsavias, K. Schindler, "Super-resolution of multispectral multiresolution images from a single
sensor", CVPR Workshops 2017; the values stand in the authors' code (github.com/lanha/SupReME), which gives them for Sentinel-2 as a
whole: none were found for each satellite, or along and across the track.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from domains.common.degrade import bicubic, box

if TYPE_CHECKING:
    from sr_core.operators import Operator

# MTF at the Nyquist frequency of Sentinel-2 MSI's 10 m bands, in the order in which their files are stacked.
SENTINEL2_10M = {"B2": 0.26, "B3": 0.28, "B4": 0.24, "B8": 0.26}

# Where one value stands for all bands: near to those of Sentinel-2.
MTF_AT_NYQUIST = 0.25

# Assumed for Landsat 8 and 9 OLI: no published value per band was found.
LANDSAT_OLI = 0.30


def mtf(scale: int) -> Operator:
    """Gaussian sensor blur with a value of 0.25 at the LR Nyquist frequency, then decimation."""
    from sr_core.operators import make_operator

    return make_operator("mtf", scale, value=MTF_AT_NYQUIST)


def sentinel2_10m(scale: int) -> Operator:
    """Sensor blur of Sentinel-2's 10 m bands, each with its own: for images of B2, B3, B4 and B8 in this order only."""
    from sr_core.operators import make_operator

    return make_operator("mtf", scale, value=list(SENTINEL2_10M.values()))


def landsat_oli(scale: int) -> Operator:
    """Sensor blur of Landsat's OLI, any bands: an assumed value of 0.30 at the LR Nyquist frequency."""
    from sr_core.operators import make_operator

    return make_operator("mtf", scale, value=LANDSAT_OLI)


OPERATORS: dict[str, Callable[[int], Operator]] = {
    "bicubic": bicubic,
    "mtf": mtf,
    "mtf-sentinel2-10m": sentinel2_10m,
    "mtf-landsat-oli": landsat_oli,
    "box": box,
}
