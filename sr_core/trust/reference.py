"""What a calibrated model knows of clean images of its kind: the figures of validation images that new ones are held against.

Part of the calibration, and covered by its digest.
"""

from __future__ import annotations

from sr_core.records import Record
from sr_core.trust.kernel_check import KernelFit
from sr_core.trust.limits import Limits


class Reference(Record):
    """Figures of validation images.

    Attributes
    ----------
    images, groups : how many validation images and independent groups stand behind them.
    limits : thresholds of the checks, or None where there were too few groups.
    kernel : how blur is read from a measurement; None where it cannot be.
    """

    images: int
    groups: int
    limits: Limits | None = None
    kernel: KernelFit | None = None
