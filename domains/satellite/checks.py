"""Checks of an upscaled scene that satellite users ask for: whether it still measures the same reflectance and spectrum.

`A z` is the output degraded again, taken from the residual: A z = y - (y - A z). Limits are ceilings of reason: the product
accuracy of Sentinel-2 L2A is 5 % relative, and upscaling must stay an order below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sr_core.raster import BoolArray, Float32Array
from sr_core.trust.verdict import Check, CheckResult, Evidence, limit, skipped

REFLECTANCE = "reflectance"
MEAN_LIMIT, MEAN_FAIL = 0.0005, 0.002
P99_LIMIT, P99_FAIL = 0.003, 0.01
ANGLE_LIMIT, ANGLE_FAIL = 0.3, 1.0  # degrees, mean
ANGLE_P99_LIMIT, ANGLE_P99_FAIL = 2.0, 5.0
DARK_REFLECTANCE = 0.02  # below this a spectrum is mostly noise
DARK_SHARE = 0.02  # of the brightest percentile, where the values are no reflectances
REACH = 2  # LR px around nodata whose degraded value is not the measurement's business (bicubic)


@dataclass(frozen=True)
class ReflectanceMean:
    """Mean of |y - A z| of the worst band."""

    name: str = "reflectance, mean change"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure it where the unit is reflectance."""
        if reason := _no_reflectance(evidence):
            return skipped(self.name, reason, required=False)
        worst, bicubic = (None if r is None else float(np.abs(r).mean(axis=1, dtype=np.float64).max()) for r in _residuals(evidence))
        return limit(
            self.name, _number(worst), unit=REFLECTANCE, threshold=MEAN_LIMIT, fail_threshold=MEAN_FAIL, severity="warn",
            source="physical: a tenth of the product's accuracy", bicubic=bicubic, where=evidence.where,
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
        return limit(
            self.name, _number(worst), unit=REFLECTANCE, threshold=P99_LIMIT, fail_threshold=P99_FAIL, severity="warn",
            source="physical: a tenth of the product's accuracy", bicubic=bicubic, where=evidence.where,
            sentence="degraded again, 99 % of the pixels keep their reflectance",
        )  # fmt: skip


@dataclass(frozen=True)
class SpectralAngle:
    """Mean angle between the spectra y and A z."""

    name: str = "spectral angle, mean"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure it over pixels that are not dark."""
        angles, bicubic = _angles(evidence)
        if isinstance(angles, str):
            return skipped(self.name, angles, required=False)
        return limit(
            self.name, float(angles.mean(dtype=np.float64)), unit="degrees", threshold=ANGLE_LIMIT, fail_threshold=ANGLE_FAIL,
            severity="warn", source="physical: a quarter of the best published models'", where=evidence.where,
            bicubic=None if bicubic is None else float(bicubic.mean(dtype=np.float64)),
            sentence="the mix of bands stays the measured one",
        )  # fmt: skip


@dataclass(frozen=True)
class SpectralAngleTail:
    """99th percentile of the angle between the spectra y and A z."""

    name: str = "spectral angle, 99 %"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure it over pixels that are not dark."""
        angles, bicubic = _angles(evidence)
        if isinstance(angles, str):
            return skipped(self.name, angles, required=False)
        return limit(
            self.name, float(np.quantile(angles, 0.99)), unit="degrees", threshold=ANGLE_P99_LIMIT, fail_threshold=ANGLE_P99_FAIL,
            severity="warn", source="physical: the best published models' mean", where=evidence.where,
            bicubic=None if bicubic is None else float(np.quantile(bicubic, 0.99)),
            sentence="99 % of the pixels keep their mix of bands",
        )  # fmt: skip


def checks() -> Sequence[Check]:
    """Give the checks in the order in which they are shown."""
    return ReflectanceMean(), ReflectanceTail(), SpectralAngle(), SpectralAngleTail()


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _no_reflectance(evidence: Evidence) -> str:
    if evidence.unit != REFLECTANCE:
        return f"the values are {evidence.unit}, not reflectance"
    return "" if _usable(evidence).any() else "no pixel is valid"


def _usable(evidence: Evidence) -> BoolArray:
    """Leave out LR pixels near nodata: their degraded value would need SR pixels that are not in the file."""
    from scipy.ndimage import binary_erosion

    side = 2 * REACH + 1
    eroded: BoolArray = binary_erosion(evidence.mask_lr, np.ones((side, side), bool), border_value=1)
    return eroded


def _residuals(evidence: Evidence) -> tuple[Float32Array, Float32Array | None]:
    """Give y - A z, and the same for plain bicubic where the operator is at hand: (C, valid pixels)."""
    usable = _usable(evidence)
    bicubic = _degraded_bicubic(evidence)
    return evidence.residual[:, usable], None if bicubic is None else (evidence.y - bicubic)[:, usable]


def _degraded_bicubic(evidence: Evidence) -> Float32Array | None:
    import torch

    if evidence.operator is None:
        return None
    image = np.where(evidence.mask_hr, evidence.bicubic, 0.0).astype(np.float32)
    degraded: Float32Array = evidence.operator.apply(torch.from_numpy(image)).numpy()
    return degraded


def _angles(evidence: Evidence) -> tuple[Float32Array | str, Float32Array | None]:
    """Give the angles in degrees over pixels that are valid and not dark, or the reason why there are none."""
    if evidence.y.shape[0] < 2:
        return "one band has no spectrum", None
    bright = _usable(evidence)
    if bright.any():
        level = np.abs(evidence.y).max(axis=0)
        dark = DARK_REFLECTANCE if evidence.unit == REFLECTANCE else DARK_SHARE * float(np.quantile(level[bright], 0.99))
        bright = bright & (level > dark)
    if not bright.any():
        return "no valid pixel is bright enough", None
    y = evidence.y[:, bright]
    degraded = _degraded_bicubic(evidence)
    return angle(y, y - evidence.residual[:, bright]), None if degraded is None else angle(y, degraded[:, bright])


def angle(a: Float32Array, b: Float32Array) -> Float32Array:
    """Give the angle in degrees between spectra (C, N), 0 to 180; 0 where both vanish.

    Notes
    -----
    Computed as 2 atan2(|a/|a| - b/|b||, |a/|a| + b/|b||): the arc cosine loses half of its digits near 0, where all is decided.

    References
    ----------
    Kahan, "How futile are mindless assessments of roundoff in floating-point computation?", 2006, section 12.
    """
    tiny = np.finfo(np.float64).tiny
    one = a.astype(np.float64) / np.maximum(np.linalg.norm(a.astype(np.float64), axis=0), tiny)
    two = b.astype(np.float64) / np.maximum(np.linalg.norm(b.astype(np.float64), axis=0), tiny)
    degrees = np.degrees(2 * np.arctan2(np.linalg.norm(one - two, axis=0), np.linalg.norm(one + two, axis=0)))
    angles: Float32Array = degrees.astype(np.float32)
    return angles
