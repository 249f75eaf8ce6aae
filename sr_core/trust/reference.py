"""What a calibrated model knows of clean images of its kind: the figures of validation images that new ones are held against.

Part of the calibration, and covered by its digest.
"""

from __future__ import annotations

from sr_core.records import Record
from sr_core.trust.declared import Declared
from sr_core.trust.domain_check import DomainFit
from sr_core.trust.limits import Limits


class Reference(Record):
    """Figures of validation images.

    Attributes
    ----------
    images, groups : how many validation images and independent groups stand behind them.
    limits : thresholds of the checks, or None where there were too few groups.
    facts : what the files of training, validation and calibration declare, or None where nobody asked.
    domain : the statistics of validation images, or None where there were too few.
    """

    images: int
    groups: int
    limits: Limits | None = None
    facts: Declared | None = None
    domain: DomainFit | None = None
