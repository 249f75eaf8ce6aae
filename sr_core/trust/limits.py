"""Limits of checks from clean outputs: each number becomes a robust score, and one threshold holds for the largest score of all checks.

So many checks do not add up their false alarms. Each unit's joint score is found by centres and deviations of the *other* units.

References
----------
Vovk et al. (2005), Algorithmic Learning in a Random World (conformal quantiles); the joint score is the maximum statistic of Westfall
and Young (1993), Resampling-Based Multiple Testing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from sr_core.errors import TrustError
from sr_core.records import Record

RATE = 0.05  # share of clean outputs that the checks together may flag
LEAST = 1.0  # a joint score below it is no alarm
NORMAL = 1.64  # 90 % of a normal distribution lie within so many standard deviations
NUMERIC = 1e-9  # of a check's clean value: differences below it are arithmetic

Values = Mapping[str, float | None]  # of one unit, by check; None: the check could not run


class Scale(Record):
    """How a check's number becomes a score: (value - median) / deviation. `exact` checks have their own limit and no score.

    Beyond a `ceiling` a number is flagged whatever clean units do.
    """

    check: str
    median: float = 0.0
    deviation: float = 0.0
    exact: float | None = None
    ceiling: float | None = None

    def score(self, value: float) -> float:
        """Give the score; +inf where the value is no number, is beyond an exact limit, or leaves a check without any deviation."""
        if self.exact is not None:
            return -math.inf if value <= self.exact else math.inf
        if not math.isfinite(value):
            return -math.inf if value == -math.inf else math.inf
        away = value - self.median
        if self.deviation > 0:
            return away / self.deviation
        return math.inf if away > 0 else 0.0

    def above_ceiling(self, value: float) -> bool:
        """Whether a number is beyond its ceiling."""
        return self.ceiling is not None and not value <= self.ceiling


class Limits(Record):
    """The limits of all checks.

    Attributes
    ----------
    rate : share of clean outputs that the checks together may flag.
    units, rank : clean units behind it, and which of their sorted joint scores is the threshold.
    threshold : of the joint score.
    scales : one a check.
    """

    rate: float
    units: int
    rank: int
    threshold: float
    scales: tuple[Scale, ...]

    def fired(self, values: Values) -> dict[str, float]:
        """Give the checks that flag a unit, with their scores; a value that is no number is always flagged."""
        found: dict[str, float] = {}
        for scale in self.scales:
            if (value := values[scale.check]) is not None:
                score = scale.score(value)
                if scale.above_ceiling(value) or not score <= self.threshold or score == math.inf:
                    found[scale.check] = score
        return found

    def describe(self) -> str:
        """Say in words where the threshold comes from."""
        return (
            f"joint score of {len(self.scales)} checks, number {self.rank} of {self.units} clean outputs in rising order"
            f" (for at most {self.rate:.0%} false alarms{'' if self.enough else '; too few outputs for that: their largest'})"
        )

    @property
    def enough(self) -> bool:
        """Whether there are units enough for the rate; otherwise the threshold is the largest joint score seen."""
        return math.ceil((1 - self.rate) * (self.units + 1) - 1e-9) <= self.units


def fit_limits(
    clean: Sequence[Values],
    *,
    rate: float = RATE,
    floors: Mapping[str, float] | None = None,
    exact: Mapping[str, float] | None = None,
    ceilings: Mapping[str, float] | None = None,
) -> Limits:
    """Find the limits of all checks from clean units.

    Parameters
    ----------
    clean : one mapping a unit, from check to its number; the first unit's order of checks is kept.
    rate : share of clean units that the checks together may flag, between 0 and 1.
    floors : by check, the smallest deviation that is not mere rounding or arithmetic, in the check's unit.
    exact : by check, a limit that does not come from the units (its number may lie on it).
    ceilings : by check, a limit of reason that caps what comes from the units (its number may lie on it).

    Returns
    -------
    Limits
        A check's score is (value - median) / max(q90 |value - median| / 1.64, floor). The joint score of a unit is its largest finite
        one, with median and deviation of the other units; the threshold is that of rank ceil((1 - rate)(n + 1)), or the largest where n
        units are too few, and never below 1: a number is not flagged within its usual deviation.

    Raises
    ------
    TrustError
        If there are no units, they have other checks, or the rate is no share.

    Notes
    -----
    With the unit among those that its median and deviation come from, clean scores are smaller than a new unit's: of 13 independent
    checks and 60 units, 7 % of new clean units were flagged instead of 5 %.
    """
    if not clean or not 0 < rate < 1 or any(set(values) != set(clean[0]) for values in clean):
        raise TrustError(f"{len(clean)} units at a rate of {rate}", "at least one unit, the same checks in all, 0 < rate < 1", "Give them.")
    rules = _Rules(exact or {}, floors or {}, ceilings or {})
    unknown = {*rules.exact, *rules.floors, *rules.ceilings} - set(clean[0])
    if unknown:
        raise TrustError(f"a limit or floor for {sorted(unknown)}", f"checks among {sorted(clean[0])}", "Name a check that is run.")
    scales = _fit_scales(clean, rules)
    joint = sorted(_joint_scores(clean, rules))
    rank = min(len(joint), math.ceil((1 - rate) * (len(joint) + 1) - 1e-9))
    return Limits(rate=rate, units=len(joint), rank=rank, threshold=max(LEAST, joint[rank - 1]), scales=scales)


class _Rules(NamedTuple):
    """What does not come from the units, by check."""

    exact: Mapping[str, float]
    floors: Mapping[str, float]
    ceilings: Mapping[str, float]


def _fit_scales(clean: Sequence[Values], rules: _Rules) -> tuple[Scale, ...]:
    return tuple(
        Scale(check=check, exact=rules.exact[check]) if check in rules.exact else _scale(check, [u[check] for u in clean], rules)
        for check in clean[0]
    )


def _joint_scores(clean: Sequence[Values], rules: _Rules) -> list[float]:
    """Give the largest finite score of each unit by the scales of the others (of a single unit, by its own)."""
    found = []
    for n, values in enumerate(clean):
        scales = _fit_scales([*clean[:n], *clean[n + 1 :]] or clean, rules)
        found.append(max((score for score in _scores(scales, values).values() if math.isfinite(score)), default=-math.inf))
    return found


def _scores(scales: Sequence[Scale], values: Values) -> dict[str, float]:
    found = ((scale, values[scale.check]) for scale in scales)
    return {scale.check: scale.score(value) for scale, value in found if value is not None}


def _scale(check: str, values: Sequence[float | None], rules: _Rules) -> Scale:
    """Find centre and deviation from the finite values; without any, only what is no number or beyond a ceiling is flagged."""
    ceiling = rules.ceilings.get(check)
    finite = np.array([value for value in values if value is not None and math.isfinite(value)])
    if not finite.size:
        return Scale(check=check, median=math.inf, ceiling=ceiling)
    median = float(np.median(finite))
    away = np.abs(finite - median)
    robust = float(np.quantile(away, 0.9)) or float(away.max())  # a check that is nearly always 0 deviates by what it sometimes is
    deviation = max(robust / NORMAL, rules.floors.get(check, 0.0), NUMERIC * abs(median))
    return Scale(check=check, median=median, deviation=deviation, ceiling=ceiling)
