"""Checks of an upscaled scene that satellite users ask for: whether it still measures the same reflectance and spectrum, at its place.

`A z` is the output degraded again, taken from the residual: A z = y - (y - A z). Limits are ceilings of reason: the product
accuracy of Sentinel-2 L2A is 5 % relative, and upscaling must stay an order below.
"""

from __future__ import annotations

from collections.abc import Sequence

from domains.satellite.checks.geometry import Geometry
from domains.satellite.checks.reflectance import PhysicalBounds, ReflectanceMean, ReflectanceTail
from domains.satellite.checks.spectrum import ColourFringes, SpectralAngle, SpectralAngleTail, VegetationIndex, angle
from sr_core.trust.verdict import Check

__all__ = ["angle", "checks"]


def checks() -> Sequence[Check]:
    """Give the checks in the order in which they are shown."""
    return (
        ReflectanceMean(), ReflectanceTail(), PhysicalBounds(), SpectralAngle(), SpectralAngleTail(), ColourFringes(), VegetationIndex(),
        Geometry(),
    )  # fmt: skip
