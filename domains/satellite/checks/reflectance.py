"""Whether the output still measures the same reflectance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from domains.satellite.checks.common import REFLECTANCE, usable
from sr_core.raster import Float32Array
from sr_core.trust.noisy import noise_left
from sr_core.trust.verdict import CheckResult, Evidence, limit, skipped

MEAN_LIMIT, MEAN_FAIL = 0.0005, 0.002
P99_LIMIT, P99_FAIL = 0.003, 0.01
MEAN_OF_NOISE, P99_OF_NOISE = 0.798, 2.576  # of |n|, in standard deviations of a normal distribution
BRIGHTEST = 1.6  # clouds and glint exceed 1
SHARE_LIMIT, SHARE_FAIL = 0.005, 0.02  # beyond the measurement's: sharper clouds and glint rise above 1.6 more often


@dataclass(frozen=True)
class ReflectanceMean:
    """Mean of |y - A z| of the worst band."""

    name: str = "reflectance, mean change"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure it where the unit is reflectance."""
        if reason := _no_reflectance(evidence):
            return skipped(self.name, reason, required=False)
        worst, bicubic = (None if r is None else float(np.abs(r).mean(axis=1, dtype=np.float64).max()) for r in _residuals(evidence))
        noise, source = _beside_noise(evidence, MEAN_OF_NOISE, "the mean")
        return limit(
            self.name, _number(worst), unit=REFLECTANCE, threshold=MEAN_LIMIT + noise, fail_threshold=MEAN_FAIL + noise, severity="warn",
            source=source, bicubic=bicubic, where=evidence.where,
            sentence="degraded again, the worst band keeps its mean reflectance",
        )  # fmt: skip


@dataclass(frozen=True)
class ReflectanceTail:
    """99th percentile of |y - A z| of the worst band."""

    name: str = "reflectance, 99 % change"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure it where the unit is reflectance."""
        if reason := _no_reflectance(evidence):
            return skipped(self.name, reason, required=False)
        worst, bicubic = (None if r is None else float(np.quantile(np.abs(r), 0.99, axis=1).max()) for r in _residuals(evidence))
        noise, source = _beside_noise(evidence, P99_OF_NOISE, "the 99 % quantile")
        return limit(
            self.name, _number(worst), unit=REFLECTANCE, threshold=P99_LIMIT + noise, fail_threshold=P99_FAIL + noise, severity="warn",
            source=source, bicubic=bicubic, where=evidence.where,
            sentence="degraded again, 99 % of the pixels keep their reflectance",
        )  # fmt: skip


@dataclass(frozen=True)
class PhysicalBounds:
    """Share of values below 0 or above 1.6, beyond that of the measurement: negative reflectance stands only where y has it."""

    name: str = "physical bounds"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure it where the unit is reflectance; a value that is no number fails."""
        if evidence.unit != REFLECTANCE:
            return skipped(self.name, f"the values are {evidence.unit}, not reflectance", required=False)
        if not evidence.mask_hr.any():
            return skipped(self.name, "no pixel is valid", required=False)
        images = (evidence.z[:, evidence.mask_hr], evidence.bicubic[:, evidence.mask_hr], evidence.y[:, evidence.mask_lr])
        own, bicubic, measured = (_outside(values) for values in images)
        return limit(
            self.name, own - measured, unit="of the values", threshold=SHARE_LIMIT, fail_threshold=SHARE_FAIL, severity="warn",
            source="physical: half a percent more than the measurement has", bicubic=bicubic - measured, where=evidence.where,
            sentence="no more values than in the measurement are negative or brighter than clouds",
        )  # fmt: skip


def _beside_noise(evidence: Evidence, share: float, what: str) -> tuple[float, str]:
    """Give what the measurement's noise alone makes of |y - A z|, and where the limit comes from."""
    source = "physical: a tenth of the product's accuracy"
    noise = share * noise_left(evidence, int(np.count_nonzero(usable(evidence))))
    return noise, f"{source}, and {what} of the measurement's noise, {noise:.2g}" if noise else source


def _outside(values: Float32Array) -> float:
    """Give the share of values outside 0 to 1.6; NaN where one is not finite."""
    if not values.size or not np.isfinite(values).all():
        return math.nan if values.size else 0.0
    return float(np.mean((values < 0) | (values > BRIGHTEST)))


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _no_reflectance(evidence: Evidence) -> str:
    if evidence.unit != REFLECTANCE:
        return f"the values are {evidence.unit}, not reflectance"
    return "" if usable(evidence).any() else "no pixel is valid"


def _residuals(evidence: Evidence) -> tuple[Float32Array, Float32Array | None]:
    """Give y - A z, and the same for plain bicubic where the operator is at hand: (C, valid pixels)."""
    inside, bicubic = usable(evidence), evidence.degraded_bicubic
    return evidence.residual[:, inside], None if bicubic is None else (evidence.y - bicubic)[:, inside]
