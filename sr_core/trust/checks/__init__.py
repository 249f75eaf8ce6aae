"""The checks that hold for every domain. Each looks at the written file, and none of them needs the truth.

`residual`, `position`, `tone` hold the image against the measurement; `texture` and `seams` look at what the measurement cannot see;
`bounds` holds exactly. Thresholds here are physical: ceilings of reason, which clean images may lower (`sr_core.trust.learned`).
"""

from sr_core.trust.checks.bounds import FiniteInRange, NodataKept
from sr_core.trust.checks.coverage import coverage_check
from sr_core.trust.checks.position import BandToBand, ShiftByPiece, WholeShift
from sr_core.trust.checks.residual import (
    BesideNodata,
    ClippedResidual,
    LocalResidual,
    ResidualMax,
    ResidualRms,
    residual_limits,
    rounding_passed,
)
from sr_core.trust.checks.seams import Seam
from sr_core.trust.checks.texture import AddsDetail, Checkerboard, TextureLow
from sr_core.trust.checks.tone import Gain, Offset
from sr_core.trust.verdict import Check

__all__ = ["coverage_check", "general_checks", "residual_limits", "rounding_passed"]


def general_checks() -> tuple[Check, ...]:
    """Give the checks of every domain, in the order in which they are shown."""
    return (
        ResidualRms(), ResidualMax(), LocalResidual(), ClippedResidual(), FiniteInRange(), NodataKept(), BesideNodata(),
        WholeShift(), ShiftByPiece(), BandToBand(), Gain(), Offset(), AddsDetail(), TextureLow(), Checkerboard(), Seam(),
    )  # fmt: skip
