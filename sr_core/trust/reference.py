"""What a calibrated model knows of clean images of its kind: the figures of validation images that new ones are held against.

Part of the calibration, and covered by its digest.
"""

from __future__ import annotations

import math

from pydantic import Field

from sr_core.records import Record
from sr_core.trust.limits import Limits

FEWEST_GROUPS = 9  # below it no limit is learned


class LearnedLimits(Limits):
    """Limits of the checks, in multiples of their ceilings.

    Attributes
    ----------
    pixels : valid LR pixels of the windows behind them, typically.
    windows : windows of a group, typically.
    quantised : whether the files stored whole numbers; the limits say nothing about others.
    """

    pixels: int = Field(gt=0)
    windows: int = Field(gt=0)
    quantised: bool

    def multiples(self, pixels: int, windows: int) -> dict[str, float]:
        """Give the largest clean multiple of each check's ceiling.

        Parameters
        ----------
        pixels : valid LR pixels of the window at hand. A smaller one than those behind the limits scatters more, as the root of the pixels.
        windows : of the image at hand. The worst of many is further out than the worst of few: clean scores are taken to fall off
            exponentially.
        """
        scatter = math.sqrt(max(1.0, self.pixels / max(1, pixels)))
        many = 1 + math.log(max(1.0, windows / self.windows)) / -math.log(self.rate)
        return {s.check: max(s.median, s.median * scatter) + self.threshold * many * scatter * s.deviation for s in self.scales}


class Reference(Record):
    """Figures of validation images.

    Attributes
    ----------
    images, groups : how many validation images and independent groups stand behind them.
    limits : of the checks, or None where there were too few groups.
    """

    images: int
    groups: int
    limits: LearnedLimits | None = None
