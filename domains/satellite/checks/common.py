"""What several satellite checks need."""

from __future__ import annotations

import numpy as np

from sr_core.raster import BoolArray
from sr_core.trust.verdict import Evidence

REFLECTANCE = "reflectance"
DARK_REFLECTANCE = 0.02  # below this a spectrum is mostly noise
DARK_SHARE = 0.02  # of the brightest percentile, where the values are no reflectances


def usable(evidence: Evidence) -> BoolArray:
    """Leave out LR pixels (h, w) near nodata: their degraded value would need SR pixels that are not in the file."""
    return evidence.far_from_nodata & evidence.mask_lr


def bright(evidence: Evidence) -> BoolArray:
    """Mark usable LR pixels (h, w) that are not dark in every band."""
    inside = usable(evidence)
    if not inside.any():
        return inside
    level = np.abs(np.where(inside, evidence.y, 0)).max(axis=0)
    dark = DARK_REFLECTANCE if evidence.unit == REFLECTANCE else DARK_SHARE * float(np.quantile(level[inside], 0.99))
    return np.asarray(inside & (level > dark), np.bool_)
