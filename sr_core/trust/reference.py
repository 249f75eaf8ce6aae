"""What a calibrated model knows of clean images of its kind: the figures of validation images that new ones are held against.

Part of the calibration, and covered by its digest.
"""

from __future__ import annotations

from sr_core.records import Record
from sr_core.trust.limits import Limits
from sr_core.trust.texture import OctaveFit


class Reference(Record):
    """Figures of validation images.

    Attributes
    ----------
    images, groups : how many validation images and independent groups stand behind them.
    limits : thresholds of the checks, or None where there were too few groups.
    octaves : what texture real images of this kind have, from training HR; None where those held too few windows.
    guesses : thresholds of what a model may guess (`stages.hallucination`), or None where nothing was to be had.
    """

    images: int
    groups: int
    limits: Limits | None = None
    octaves: OctaveFit | None = None
    guesses: Limits | None = None
