"""The residual of a noisy measurement: what is left of y - A z should be the noise, no less and no more (discrepancy principle).

References
----------
V. A. Morozov, "On the solution of functional equations by the method of regularization", Soviet Mathematics Doklady 7 (1966).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sr_core.trust.consistency import ResidualMeter
from sr_core.trust.verdict import CheckResult, Evidence, limit, skipped

LEAST, MOST = 0.8, 1.25  # of the noise's power
FITTED, INCONSISTENT = 0.5, 1.5
MANY, FEW = 10_000, 100  # values of a band: for the near limits, and for any
TAIL = 6.0  # standard deviations that none of a billion values passes


def noise_power_check(name: str, meter: ResidualMeter, evidence: Evidence, rounding: float) -> CheckResult:
    """Hold the mean of r^2 over the noise's variance against 1, in the band that is farthest from it.

    Parameters
    ----------
    meter : the residual's statistics.
    rounding : rms that the file's rounding adds to the residual, physical unit.

    Notes
    -----
    Below 0.8 it warns: a network that reproduces the measurement closer than its noise has copied noise. Above 1.25 it warns, above 1.5
    it fails. In bands of fewer than 10,000 values the limits are 0.5 and 1.5.
    """
    usable = meter.count >= FEW
    if not usable.any():
        return skipped(name, f"no band has {FEW} values away from nodata and the ends of the range")
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = (meter.squares / meter.count / (evidence.noise**2 + rounding**2))[usable]
        distance = np.where(np.isnan(ratios), math.inf, np.abs(np.log(ratios)))
    farthest = int(distance.argmax())
    ratio, many = float(ratios[farthest]), int(meter.count[usable][farthest]) >= MANY
    low, high = (LEAST, MOST) if many else (FITTED, INCONSISTENT)
    above = not ratio < 1  # a value that is not a number goes the way that fails
    sentence = "what the image leaves of the measurement has the power of its noise"
    if ratio < FITTED:
        sentence = "noise fitted: the image copies noise of the measurement"
    elif not ratio <= INCONSISTENT:
        sentence = "inconsistent: the image leaves more of the measurement than noise"
    return limit(
        name, ratio, unit="of the noise's power", threshold=high if above else low, direction="at most" if above else "at least",
        fail_threshold=INCONSISTENT if above and evidence.projected else None, severity="warn",
        source="physical: the power of the noise", where=evidence.where, sentence=sentence,
    )  # fmt: skip


def noise_left(evidence: Evidence, values: int) -> float:
    """Give the standard deviation of the noise that so many values of a band may leave of the measurement, physical unit; 0: no noise."""
    return evidence.noise * math.sqrt(MOST if values >= MANY else INCONSISTENT)


def drawn_noise(evidence: Evidence, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Draw noise of that size for (bands, values), the same for every call: what it alone does to a figure, is no fault of the image."""
    drawn = np.random.default_rng(0).standard_normal(shape, np.float32)
    return drawn * np.float32(noise_left(evidence, shape[1]))


def noise_limits(evidence: Evidence, rounding: float) -> tuple[tuple[float, str], tuple[float, str]]:
    """Give the limits of the residual's rms and maximum, physical unit, each with where it came from."""
    rms = math.sqrt(INCONSISTENT) * math.hypot(evidence.noise, rounding)
    return (rms, "physical: the power of the noise"), (
        TAIL * evidence.noise + evidence.step, "physical: six standard deviations of the noise",
    )  # fmt: skip


def noise_tail_check(name: str, meter: ResidualMeter, evidence: Evidence) -> CheckResult:
    """Hold the largest |r| against six standard deviations of the noise and a step of the file."""
    threshold, source = noise_limits(evidence, 0.0)[1]
    return limit(
        name, meter.max, unit=evidence.unit, threshold=threshold, source=source,
        severity="fail" if evidence.projected else "warn", where=evidence.where,
        sentence="no single place departs from the measurement by more than noise does",
    )  # fmt: skip
