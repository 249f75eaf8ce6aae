"""Whether values keep their size: slope and level of A z against y."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sr_core.raster import BoolArray, Float32Array
from sr_core.trust.checks.residual import nothing_usable, residual_limits
from sr_core.trust.verdict import CheckResult, Evidence, limit, skipped

GAIN_LIMIT, GAIN_FAIL = 0.002, 0.01
OFFSET_FAIL = 4.0  # times the limit
TRIM = 4.0  # robust deviations from the line, beyond which a value does not count
ROUNDS = 2
SURE = 3.0  # rounding moves the slope by at most a third of the limit
SHARED = 0.25  # of the noise's variance: covariance of what an image copies of the noise and what it leaves, k (1 - k), at most
ROBUST = 1.4826  # of a normal distribution: standard deviation over median absolute deviation


class Line(NamedTuple):
    """A z = slope (y - mean) + mean + offset, robustly; `spread` is the root of the sum of squares of y - mean, over `values` values."""

    slope: float
    offset: float
    spread: float
    values: int


@dataclass(frozen=True)
class Gain:
    """The robust slope of A z on y, of the worst band, is 1."""

    name: str = "gain"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure |slope - 1| where the values differ enough."""
        noise = residual_limits(evidence)[0][0]
        shared = SHARED * evidence.noise**2
        slopes = [
            line.slope
            for line in lines(evidence)
            if not (line.spread <= SURE * noise / GAIN_LIMIT or line.spread**2 <= SURE * shared * line.values / GAIN_LIMIT)
        ]
        if not slopes:
            return skipped(self.name, _no_range(evidence), required=False)
        return limit(
            self.name, float(np.max(np.abs(np.asarray(slopes) - 1))), unit="", threshold=GAIN_LIMIT, fail_threshold=GAIN_FAIL,
            severity="warn", source="physical: a tenth of a product's accuracy", where=evidence.where,
            sentence="contrast is that of the measurement",
        )  # fmt: skip


@dataclass(frozen=True)
class Offset:
    """The level of A z at the mean of y, of the worst band, is that of y."""

    name: str = "offset"

    def __call__(self, evidence: Evidence) -> CheckResult:
        """Measure it; a fault where the image was projected onto the measurement, a warning where it was not."""
        found = lines(evidence)
        if not found:
            return skipped(self.name, nothing_usable(evidence))
        threshold, source = residual_limits(evidence)[0]
        return limit(
            self.name, float(np.max(np.abs([line.offset for line in found]))), unit=evidence.unit, threshold=threshold, source=source,
            fail_threshold=OFFSET_FAIL * threshold if evidence.projected else None, severity="warn", where=evidence.where,
            sentence="the level is that of the measurement",
        )  # fmt: skip


def lines(evidence: Evidence) -> list[Line]:
    """Fit each band that has a usable value.

    Notes
    -----
    Where the measurement has noise, the line is of A z - y on A z: on y, the noise that y shares with y - A z would be taken for a gain
    below 1.
    """

    def fit() -> list[Line]:
        level = evidence.degraded if evidence.noise > 0 else evidence.y
        fitted = (fit_line(*band) for band in zip(level, evidence.residual, evidence.usable, strict=True))
        return [line for line in fitted if line is not None]

    return evidence.once("lines of tone", fit)


def fit_line(y: Float32Array, residual: Float32Array, use: BoolArray) -> Line | None:
    """Fit A z on y, values far from the line left out in two rounds.

    Parameters
    ----------
    y, residual : float32 (h, w), the measurement (or A z, which it should be) and y - A z.
    use : bool (h, w).

    Returns
    -------
    Line or None
        NaN where a value is not a number; slope 1 where y is constant; None without a value.
    """
    given: npt.NDArray[np.float64] = y[use].astype(np.float64)
    apart: npt.NDArray[np.float64] = -residual[use].astype(np.float64)
    if not given.size:
        return None
    if not (np.isfinite(given).all() and np.isfinite(apart).all()):
        return Line(math.nan, math.nan, math.nan, given.size)
    centred = given - given.mean()
    slope, offset, energy = _straight(centred, apart)
    for _ in range(ROUNDS):
        away = np.abs(apart - offset - slope * centred)
        kept = away <= TRIM * ROBUST * float(np.median(away))
        if 2 * np.count_nonzero(kept) < kept.size:
            break
        slope, offset, energy = _straight(centred[kept], apart[kept])
    return Line(1 + slope, offset, math.sqrt(energy), given.size)


def _straight(x: npt.NDArray[np.float64], v: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """Give slope and value at x = 0 of v on x, and the sum of squares of x about its mean."""
    middle = float(x.mean())
    energy = float(np.sum((x - middle) ** 2))
    slope = float((x - middle) @ v) / energy if energy > 0 else 0.0
    return slope, float(v.mean()) - slope * middle, energy


def _no_range(evidence: Evidence) -> str:
    return "the values differ too little to see a gain by" if evidence.usable.any() else nothing_usable(evidence)
