"""What is left of the measurement: the residual's size over all pixels, at its largest, and in its worst place.

Limits: the file's rounding alone leaves a residual of 0.12 steps rms after a projection with bicubic x2, hence 0.15; a
gain of 1 %, a shift of a tenth of a pixel or plain interpolation leave several times that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sr_core.raster import BoolArray, Float32Array, Window
from sr_core.trust.checks.place import in_image
from sr_core.trust.consistency import ResidualMeter
from sr_core.trust.noisy import noise_limits, noise_power_check, noise_tail_check
from sr_core.trust.verdict import CheckResult, Evidence, limit, skipped

ROUNDING = 1 / math.sqrt(12)  # rms of rounding to a step of 1
MARGIN = 1.25  # 0.15 / 0.12: over what rounding alone leaves
FLOAT_RMS, FLOAT_MAX = 1e-5, 1e-4  # of the data range, where the file stores floating point
CLIPPED, CLIPPED_FAIL = 3.0, 10.0  # times one step: where values are cut, clean images of 8 bits reach 1.8
BOX = 5  # LR px: side of the place whose residual is summed up
BOX_PIXELS = 9  # usable ones of 25 without which a place says nothing; a corner of the image has so many
BESIDE, BESIDE_FAIL = 0.1, 0.5  # times the local variation
LOCAL = 2.0  # times the limit of the whole image: 25 values of rounding scatter so far in the worst of 100,000 places


@dataclass(frozen=True)
class ResidualRms:
    """The root mean square of y - A z, outside saturation, is what the file's rounding leaves."""

    name: str = "residual rms"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure it; a fault where the image was projected onto the measurement, a warning where it was not."""
        meter = _meter(evidence)
        if not meter.count.sum():
            return skipped(self.name, nothing_usable(evidence))
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
        meter = _meter(evidence)
        if not meter.count.sum():
            return skipped(self.name, nothing_usable(evidence))
        if evidence.noise > 0:
            return noise_tail_check(self.name, meter, evidence)
        threshold, source = residual_limits(evidence)[1]
        return limit(
            self.name, meter.max, unit=evidence.unit, threshold=threshold, source=source,
            severity="fail" if evidence.projected else "warn", where=evidence.where,
            sentence="no single place departs from the measurement",
        )  # fmt: skip


@dataclass(frozen=True)
class LocalResidual:
    """The rms of y - A z over 5 x 5 LR pixels is nowhere larger than rounding explains: an object that nobody measured shows here."""

    name: str = "local residual"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure the worst place of the worst band."""
        worst, where = local_rms_max(evidence.residual, evidence.usable)
        if where is None:
            return skipped(self.name, nothing_usable(evidence))
        plain = evidence.degraded_bicubic
        bicubic = None if plain is None else local_rms_max(evidence.y - plain, evidence.usable)[0]
        (threshold, source), (largest, _) = residual_limits(evidence)
        return limit(
            self.name, worst, unit=evidence.unit, threshold=LOCAL * threshold, source=f"{source}, times {LOCAL:g} in one place",
            fail_threshold=max(largest, LOCAL * threshold) if evidence.projected else None, severity="warn",
            bicubic=bicubic, where=in_image(evidence, where), sentence="no small area departs from the measurement",
        )  # fmt: skip


@dataclass(frozen=True)
class ClippedResidual:
    """Where values lie at an end of the range, the residual has the sign that the end explains.

    A value cut at the low end leaves A z too large, one at the high end too small. The other way round something was lost: an empty block
    lies at the low end, too.
    """

    name: str = "residual at the range's ends"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure the largest residual that clipping does not explain."""
        values = evidence.residual[evidence.saturated & evidence.far_from_nodata]
        if not values.size:
            return skipped(self.name, "no value lies at an end of the valid range", required=False)
        low, high = (mark & evidence.far_from_nodata for mark in evidence.saturated_by_end)
        unexplained = np.concatenate([evidence.residual[low & ~high], -evidence.residual[high & ~low], [0.0]])
        (largest, source) = residual_limits(evidence)[1]
        return limit(
            self.name, max(0.0, float(np.max(unexplained))) if np.isfinite(values).all() else math.nan, unit=evidence.unit,
            threshold=CLIPPED * largest, fail_threshold=CLIPPED_FAIL * largest if evidence.projected else None, severity="warn",
            source=f"{source}, times {CLIPPED:g} beside clipping", where=evidence.where,
            sentence="what is missing at the ends of the range is what they cut",
        )  # fmt: skip


@dataclass(frozen=True)
class BesideNodata:
    """Pixels next to nodata are no further from the measurement than the guess of what lies under the nodata explains.

    There a degraded value needs pixels that are not in the file; the nearest valid ones stand in, and the residual is as large as the
    image varies there. A nodata value that was interpolated into its neighbours is larger than that.
    """

    name: str = "beside nodata"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Compare the residual beside nodata with how much the measurement varies over two pixels there."""
        beside = evidence.mask_lr & ~evidence.far_from_nodata
        if not beside.any():
            return skipped(self.name, "no valid pixel lies beside nodata", required=False)
        ratios = [
            _ratio(np.abs(r)[beside], varies[beside], residual_limits(evidence)[1][0])
            for r, varies in zip(evidence.residual, _variation(evidence.y, evidence.mask_lr), strict=True)
        ]
        return limit(
            self.name, float(np.max(ratios)), unit="of the local variation", threshold=BESIDE, fail_threshold=BESIDE_FAIL, severity="warn",
            source="physical: what a missing neighbour explains", where=evidence.where,
            sentence="the nodata value did not bleed into its neighbours",
        )  # fmt: skip


def local_rms_max(residual: Float32Array, usable: BoolArray) -> tuple[float, Window | None]:
    """Find the largest rms over 5 x 5 LR pixels.

    Parameters
    ----------
    residual, usable : float32 and bool (C, h, w); the mean runs over usable values, of which there must be nine.

    Returns
    -------
    float, Window or None
        NaN where a usable value is not finite; the window of the place on the LR grid, None where there is no such place.
    """
    from scipy.ndimage import uniform_filter

    worst, found = -1.0, None
    for values, use in zip(residual, usable, strict=True):
        bad = np.argwhere(use & ~np.isfinite(values))
        if len(bad):
            return math.nan, Window(int(bad[0][0]), int(bad[0][1]), 1, 1)
        squares = np.where(use, values, 0).astype(np.float64) ** 2
        share = uniform_filter(use.astype(np.float64), BOX, mode="constant")
        mean = uniform_filter(squares, BOX, mode="constant")
        enough = use & (share > (BOX_PIXELS - 0.5) / BOX**2)
        if not enough.any():
            continue
        local = np.where(enough, np.maximum(mean, 0) / np.maximum(share, 1 / BOX**2), -1.0)  # a running sum may leave -1e-18
        row, col = (int(i) for i in np.unravel_index(int(local.argmax()), local.shape))
        if local[row, col] > worst:
            top, left = max(0, row - BOX // 2), max(0, col - BOX // 2)
            bottom, right = (min(n, i + BOX // 2 + 1) for n, i in zip(local.shape, (row, col), strict=True))
            worst, found = float(local[row, col]), Window(top, left, bottom - top, right - left)
    return (math.sqrt(worst), found) if found is not None else (math.nan, None)


def residual_limits(evidence: Evidence) -> tuple[tuple[float, str], tuple[float, str]]:
    """Give the limits of the residual's rms and maximum in the image's unit, each with where it came from.

    Notes
    -----
    A file with a step: 0.15 steps and 1 step. Operators that average less than bicubic (one axis only, box) let more of the
    rounding through: then 1.25 times what rounding leaves. Floating point: 1e-5 and 1e-4 of the data range. A measurement with known
    noise: what that leaves (`noisy.noise_limits`).
    """
    if evidence.noise > 0:
        return noise_limits(evidence, ROUNDING * evidence.step * rounding_passed(evidence))
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

    def passed() -> float:
        side = 17
        delta = torch.zeros(operator.bands or 1, side, side, dtype=torch.float64)
        delta[:, side // 2, side // 2] = 1.0
        return float(operator.adjoint(delta).square().sum(dim=(1, 2)).max().sqrt())

    return evidence.once("rounding passed", passed)


def _variation(y: Float32Array, mask: BoolArray) -> Float32Array:
    """Give the difference of largest and smallest valid value over 5 x 5 pixels, float32 (C, h, w)."""
    from scipy.ndimage import maximum_filter, minimum_filter

    size = (1, BOX, BOX)
    high = maximum_filter(np.where(mask, y, -np.inf), size, mode="nearest")
    return np.asarray(high - minimum_filter(np.where(mask, y, np.inf), size, mode="nearest"), np.float32)


def _ratio(residual: Float32Array, varies: Float32Array, slack: float) -> float:
    """Give rms over rms, the second one `slack` larger; 0 where all vanish."""
    top, bottom = (float(np.sqrt(np.mean(a.astype(np.float64) ** 2))) for a in (residual, varies))
    return 0.0 if top == 0 else top / max(bottom + slack, np.finfo(np.float64).tiny)


def nothing_usable(evidence: Evidence) -> str:
    """Say why no LR pixel can be held against the measurement."""
    if not evidence.mask_lr.any():
        return "no pixel is valid"
    return "every valid pixel lies at an end of the valid range or beside nodata"


def _meter(evidence: Evidence) -> ResidualMeter:
    meter = ResidualMeter.of(evidence.y.shape[0])
    meter.update(evidence.residual, evidence.far_from_nodata, evidence.saturated)
    return meter
