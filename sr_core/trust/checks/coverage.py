"""The interval on a test region, beside its promise."""

from __future__ import annotations

import math

from sr_core.trust.verdict import CheckResult, limit, skipped


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
