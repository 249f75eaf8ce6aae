"""Statements that hold exactly: every value is a number in its range, and nodata lies where it lay."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sr_core.trust.consistency import BoundsMeter, MaskMeter
from sr_core.trust.verdict import CheckResult, Evidence, limit, skipped


@dataclass(frozen=True)
class FiniteInRange:
    """Every valid value is a number inside the valid range."""

    name: str = "finite and in range"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Count the values that are not."""
        meter = BoundsMeter(evidence.valid_range)
        low, high = evidence.valid_range
        ends = max(abs(low) if math.isfinite(low) else 0.0, abs(high) if math.isfinite(high) else 0.0)
        meter.update(evidence.z, evidence.mask_hr, slack=max(evidence.step / 2, 1e-6 * ends))  # float32 rounding of the ends
        if meter.count == 0:
            return skipped(self.name, "no pixel is valid")
        return limit(
            self.name, float(meter.outside), unit="values", threshold=0, source="exact", where=evidence.where,
            sentence="every value is finite and lies in the valid range",
        )  # fmt: skip


@dataclass(frozen=True)
class NodataKept:
    """An SR pixel is nodata exactly where its LR pixel is."""

    name: str = "nodata kept"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Count the pixels where it is not so."""
        meter = MaskMeter()
        meter.update(evidence.mask_lr, evidence.mask_hr)
        return limit(
            self.name, float(meter.lost + meter.gained), unit="pixels", threshold=0, source="exact", where=evidence.where,
            sentence="nodata lies where it lay in the measurement",
        )  # fmt: skip
