"""The checks that hold for every domain. Each looks at the written file, and none of them needs the truth.

Limits: the file's rounding alone leaves a residual of 0.12 steps rms after a projection with bicubic x2, hence 0.15; a
gain of 1 %, a shift of a tenth of a pixel or plain interpolation leave several times that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sr_core.raster import BoolArray
from sr_core.trust.consistency import BoundsMeter, MaskMeter, ResidualMeter, guess, saturated_pixels
from sr_core.trust.noisy import noise_power_check, noise_tail_check
from sr_core.trust.verdict import Check, CheckResult, Evidence, limit, skipped

ROUNDING = 1 / math.sqrt(12)  # rms of rounding to a step of 1
MARGIN = 1.25  # 0.15 / 0.12: over what rounding alone leaves
FLOAT_RMS, FLOAT_MAX = 1e-5, 1e-4  # of the data range, where the file stores floating point
DETAIL_LIMIT = 0.08  # of bicubic's own fine detail: interpolation leaves up to 0.05 where it clips, a quarter of the truth 0.15


@dataclass(frozen=True)
class ResidualRms:
    """The root mean square of y - A z, outside saturation, is what the file's rounding leaves."""

    name: str = "residual rms"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure it; a fault where the image was projected onto the measurement, a warning where it was not."""
        meter = _residual(evidence)
        if not meter.count.sum():
            return skipped(self.name, _nothing(evidence))
        if evidence.noise > 0:
            return noise_power_check(self.name, meter, evidence, ROUNDING * evidence.step * rounding_passed(evidence))
        threshold, source = residual_limits(evidence)[0]
        return limit(
            self.name, meter.rms, unit=evidence.unit, threshold=threshold, source=source,
            severity="fail" if evidence.projected else "warn", where=evidence.where,
            sentence="the image, degraded again, gives the measurement back",
        )  # fmt: skip


@dataclass(frozen=True)
class ResidualMax:
    """The largest |y - A z|, outside saturation, is at most one step of the file."""

    name: str = "residual max"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure it; a fault where the image was projected onto the measurement, a warning where it was not."""
        meter = _residual(evidence)
        if not meter.count.sum():
            return skipped(self.name, _nothing(evidence))
        if evidence.noise > 0:
            return noise_tail_check(self.name, meter, evidence)
        threshold, source = residual_limits(evidence)[1]
        return limit(
            self.name, meter.max, unit=evidence.unit, threshold=threshold, source=source,
            severity="fail" if evidence.projected else "warn", where=evidence.where,
            sentence="no single place departs from the measurement",
        )  # fmt: skip


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


@dataclass(frozen=True)
class AddsDetail:
    """The image is more than an interpolation: its guessed part is not merely the file's rounding."""

    name: str = "adds detail"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure rms of the guessed part, less rounding, over rms of the interpolation's own fine detail.

        Notes
        -----
        Interpolation, and its projection onto the measurement, are consistent with the measurement; no check of the residual
        can tell them from a model's work. A warning only: an image without any detail has none to add.
        """
        if evidence.operator is None:
            return skipped(self.name, "the degradation operator is not at hand", required=False)
        if not evidence.operator.invertible:
            return skipped(self.name, "the degradation cannot be inverted, so the guessed part is unknown", required=False)
        mask = evidence.mask_hr
        detail = _fine_detail(evidence)
        noise = evidence.step * ROUNDING
        if not mask.any() or not detail > 4 * noise:
            return skipped(self.name, "the image has no fine detail to judge by", required=False)
        part = guess(evidence.z, evidence.operator, mask, double=False)[:, mask].astype(np.float64)
        added = math.sqrt(max(0.0, float(np.mean(part**2)) - noise**2)) if np.isfinite(part).all() else math.nan
        return limit(
            self.name, added / detail, unit="", threshold=DETAIL_LIMIT, source="physical", direction="at least", severity="warn",
            bicubic=0.0, where=evidence.where, sentence="the model adds something to the interpolation", required=False,
        )  # fmt: skip


def general_checks() -> tuple[Check, ...]:
    """Give the checks of every domain, in the order in which they are shown."""
    return ResidualRms(), ResidualMax(), FiniteInRange(), NodataKept(), AddsDetail()


def coverage_check(coverage: float, alpha: float, *, largest_held: float | None = None) -> CheckResult:
    """Hold the coverage on a test region against the promise: information, since one region may fall short of it.

    Parameters
    ----------
    coverage : share of valid values inside the interval; NaN where there is no interval.
    alpha : 1 - promised share.
    largest_held : share of the 1 % largest errors that it held, or None.
    """
    name = "coverage"
    if math.isnan(coverage):
        return skipped(name, "there is no interval", required=False)
    tail = "" if largest_held is None or math.isnan(largest_held) else f"; of the 1 % largest errors it held {largest_held:.0%}"
    return limit(
        name, coverage, unit="", threshold=1 - alpha, source="promise of the calibration", direction="at least", severity="warn",
        sentence=f"the interval holds the promised share of this region's pixels{tail}", required=False,
    )  # fmt: skip


def residual_limits(evidence: Evidence) -> tuple[tuple[float, str], tuple[float, str]]:
    """Give the limits of the residual's rms and maximum in the image's unit, each with where it came from.

    Notes
    -----
    A file with a step: 0.15 steps and 1 step. Operators that average less than bicubic (one axis only, box) let more of the
    rounding through: then 1.25 times what rounding leaves. Floating point: 1e-5 and 1e-4 of the data range.
    """
    if evidence.step > 0:
        passed = 0.15 if evidence.operator is None else max(0.15, MARGIN * ROUNDING * rounding_passed(evidence))
        return (passed * evidence.step, f"physical: {passed:.2g} steps of the file"), (evidence.step, "physical: one step of the file")
    values = evidence.y[:, evidence.mask_lr]
    low, high = evidence.valid_range
    bounded = math.isfinite(high - low) and high - low < 1e30  # a float file states the range of its type
    span = high - low if bounded else float(np.ptp(values)) if values.size else 0.0
    return (FLOAT_RMS * span, "physical: 1e-5 of the data range"), (FLOAT_MAX * span, "physical: 1e-4 of the data range")


def rounding_passed(evidence: Evidence) -> float:
    """Give which share of white noise (rms) the operator lets through: the norm of one of its rows, in the band with the largest."""
    import torch

    operator = evidence.operator
    if operator is None:
        return 0.0
    side = 17
    delta = torch.zeros(operator.bands or 1, side, side, dtype=torch.float64)
    delta[:, side // 2, side // 2] = 1.0
    return float(operator.adjoint(delta).square().sum(dim=(1, 2)).max().sqrt())


def _residual(evidence: Evidence) -> ResidualMeter:
    meter = ResidualMeter.of(evidence.y.shape[0])
    saturated = saturated_pixels(evidence.z, evidence.mask_hr, evidence.scale, evidence.valid_range, evidence.step, _reach(evidence))
    meter.update(evidence.residual, _far_from_nodata(evidence), saturated)
    return meter


def _reach(evidence: Evidence) -> int:
    """Give the LR pixels around one that its degraded value depends on (2 for bicubic, and where all pixels depend on all)."""
    return 2 if evidence.operator is None or not evidence.operator.windowed else math.ceil(evidence.operator.support / min(evidence.scale))


def _far_from_nodata(evidence: Evidence) -> BoolArray:
    """Leave out LR pixels whose degraded value would need SR pixels that are nodata in the file."""
    from scipy.ndimage import binary_erosion

    side = 2 * _reach(evidence) + 1
    return np.asarray(binary_erosion(evidence.mask_lr, np.ones((side, side), bool), border_value=1), np.bool_)


def _nothing(evidence: Evidence) -> str:
    if not evidence.mask_lr.any():
        return "no pixel is valid"
    return "every valid pixel lies at an end of the valid range or beside nodata"


def _fine_detail(evidence: Evidence) -> float:
    """Give the rms of what a Gaussian of one LR pixel takes away from plain bicubic (physical unit)."""
    from scipy.ndimage import gaussian_filter

    mask = evidence.mask_hr
    image = np.where(mask, np.nan_to_num(evidence.bicubic.astype(np.float64)), 0.0)
    sigma = tuple(float(s) for s in evidence.scale)
    weight = 1.0 if mask.all() else gaussian_filter(mask.astype(np.float64), sigma)
    squares = []
    for band in image:
        with np.errstate(invalid="ignore", divide="ignore"):
            fine = (band - gaussian_filter(band, sigma) / weight)[mask]
        squares.append(float(np.mean(fine**2)) if fine.size else 0.0)
    return math.sqrt(float(np.mean(squares)))
