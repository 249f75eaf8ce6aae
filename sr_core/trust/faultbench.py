"""The fault bench: faults are planted in clean outputs, and each check is asked whether it sees them.

A check here gives a number, larger = worse, and its limit comes from clean outputs: the number is brought to a robust score, and one
threshold holds for the largest score of all checks together, so that many checks do not add up their false alarms. Each unit is judged
by limits from the *other* units, clean or with a fault in it.

References
----------
Vovk et al. (2005), Algorithmic Learning in a Random World (conformal quantiles); the joint score is the maximum statistic of Westfall
and Young (1993), Resampling-Based Multiple Testing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from sr_core.errors import TrustError
from sr_core.records import Record
from sr_core.trust.faults import FAULTS, Delivered, Fault

RATE = 0.05  # share of clean outputs that the checks together may flag
NEEDED = 3  # clean units, so that two are left to judge the third by
CAUGHT = 0.95  # share of units from which on a fault counts as caught
LEAST = 1.0  # a joint score below it is no alarm
NORMAL = 1.64  # 90 % of a normal distribution lie within so many standard deviations
NUMERIC = 1e-9  # of a check's clean value: differences below it are arithmetic

Values = Mapping[str, float | None]  # of one unit, by check; None: the check could not run
Measure = Callable[[Delivered], float | None]


class Scale(Record):
    """How a check's number becomes a score: (value - median) / deviation. `exact` checks have their own limit and no score."""

    check: str
    median: float = 0.0
    deviation: float = 0.0
    exact: float | None = None

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
        scores = _scores(self.scales, values)
        return {check: score for check, score in scores.items() if not score <= self.threshold or score == math.inf}

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


class BenchRow(Record):
    """One fault of one size: `units` it was planted in, shares of them `caught` by any check and `by_check` (None: it never ran).

    `first` is the check that led with its score in most of the units caught; "" where none was. `must_be_caught` is the star.
    """

    number: int
    fault: str
    where: str
    size: float
    size_unit: str
    must_be_caught: bool
    units: int
    caught: float
    first: str
    by_check: tuple[float | None, ...]


class NotPlanted(Record):
    """A fault that no unit could take, and why not."""

    number: int
    fault: str
    reason: str


class BenchTable(Record):
    """What the checks caught, and what they flagged without reason.

    Attributes
    ----------
    label : what the units are, in words.
    checks : names, in the order of `by_check`.
    limits : from all clean units: what a new image would be held against. Rows and false alarms were judged by the others' limits.
    clean_units, flagged : clean units, and names of those that a check flagged.
    false_alarms, false_alarms_by_check : shares of the clean units.
    rows, not_planted : faults by number and size.
    """

    label: str
    checks: tuple[str, ...]
    limits: Limits
    clean_units: int
    flagged: tuple[str, ...]
    false_alarms: float
    false_alarms_by_check: tuple[float | None, ...]
    rows: tuple[BenchRow, ...]
    not_planted: tuple[NotPlanted, ...] = ()

    def missed(self, share: float = CAUGHT) -> tuple[BenchRow, ...]:
        """Give the rows that must be caught and were, in fewer units than a share."""
        return tuple(row for row in self.rows if row.must_be_caught and row.caught < share)

    def caught_from(self, fault: str, share: float = CAUGHT) -> float | None:
        """Give the smallest size from which on a fault was caught at all sizes tried; None where not even the largest was."""
        found = None
        for row in sorted((row for row in self.rows if row.fault == fault), key=lambda row: -row.size):
            if row.caught < share:
                break
            found = row.size
        return found


def fit_limits(
    clean: Sequence[Values], *, rate: float = RATE, floors: Mapping[str, float] | None = None, exact: Mapping[str, float] | None = None
) -> Limits:
    """Find the limits of all checks from clean units.

    Parameters
    ----------
    clean : one mapping a unit, from check to its number; the first unit's order of checks is kept.
    rate : share of clean units that the checks together may flag, between 0 and 1.
    floors : by check, the smallest deviation that is not mere rounding or arithmetic, in the check's unit.
    exact : by check, a limit that does not come from the units (its number may lie on it).

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
    known, given = exact or {}, floors or {}
    unknown = (set(known) | set(given)) - set(clean[0])
    if unknown:
        raise TrustError(f"a limit or floor for {sorted(unknown)}", f"checks among {sorted(clean[0])}", "Name a check that is run.")
    scales = _fit_scales(clean, known, given)
    joint = sorted(_joint_scores(clean, known, given))
    rank = min(len(joint), math.ceil((1 - rate) * (len(joint) + 1) - 1e-9))
    return Limits(rate=rate, units=len(joint), rank=rank, threshold=max(LEAST, joint[rank - 1]), scales=scales)


def run_bench(
    clean: Mapping[str, Delivered],
    checks: Mapping[str, Measure],
    *,
    label: str,
    faults: Sequence[Fault] = FAULTS,
    rate: float = RATE,
    floors: Mapping[str, float] | None = None,
    exact: Mapping[str, float] | None = None,
    seed: int = 0,
) -> BenchTable:
    """Plant every fault in every clean output, and see which checks catch it.

    Parameters
    ----------
    clean : delivered images by name, nothing wrong with them.
    checks : by name; each gives a number, larger = worse, or None where it cannot run. NaN is always flagged.
    label : what the units are, in words.
    faults : to plant, at all their sizes.
    rate, floors, exact : see `fit_limits`.
    seed : decides places and noise; another unit gets others.

    Raises
    ------
    TrustError
        If there are fewer than three units or no check.
    """
    if len(clean) < NEEDED or not checks:
        raise TrustError(f"{len(clean)} clean outputs and {len(checks)} checks", f"at least {NEEDED} outputs and one check", "Give more.")
    names = tuple(checks)
    values = [_measure(checks, delivered) for delivered in clean.values()]
    others = [
        fit_limits([*values[:n], *values[n + 1 :]], rate=rate, floors=floors, exact=exact) for n in range(len(values))
    ]  # one unit's limits: those of all the others
    false = [limits.fired(found) for limits, found in zip(others, values, strict=True)]
    rows, not_planted = [], []
    for fault in faults:
        reasons = [fault.why_not(delivered) for delivered in clean.values()]
        if all(reasons):
            not_planted.append(NotPlanted(number=fault.number, fault=fault.name, reason=reasons[0]))
            continue
        for size in fault.sizes:
            seen = [
                (limits, _measure(checks, fault.plant(delivered, size, seed + n)))
                for n, (delivered, limits, reason) in enumerate(zip(clean.values(), others, reasons, strict=True))
                if not reason
            ]
            rows.append(_row(fault, size, names, [(limits.fired(found), found) for limits, found in seen]))
    return BenchTable(
        label=label, checks=names, limits=fit_limits(values, rate=rate, floors=floors, exact=exact), clean_units=len(values),
        flagged=tuple(name for name, fired in zip(clean, false, strict=True) if fired),
        false_alarms=float(np.mean([bool(fired) for fired in false])),
        false_alarms_by_check=_by_check(names, list(zip(false, values, strict=True))), rows=tuple(rows), not_planted=tuple(not_planted),
    )  # fmt: skip


def _measure(checks: Mapping[str, Measure], delivered: Delivered) -> Values:
    return {name: check(delivered) for name, check in checks.items()}


def _row(fault: Fault, size: float, names: tuple[str, ...], seen: Sequence[tuple[dict[str, float], Values]]) -> BenchRow:
    leaders = [max(fired, key=lambda check: fired[check]) for fired, _ in seen if fired]
    return BenchRow(
        number=fault.number, fault=fault.name, where=fault.where, size=size, size_unit=fault.unit,
        must_be_caught=fault.must_be_caught(size), units=len(seen), caught=len(leaders) / len(seen),
        first=max(names, key=leaders.count) if leaders else "", by_check=_by_check(names, seen),
    )  # fmt: skip


def _by_check(names: tuple[str, ...], seen: Sequence[tuple[dict[str, float], Values]]) -> tuple[float | None, ...]:
    """Give the share of units that each check flagged, of those in which it ran."""
    ran = {name: [name in fired for fired, values in seen if values[name] is not None] for name in names}
    return tuple(float(np.mean(flags)) if flags else None for flags in ran.values())


def _fit_scales(clean: Sequence[Values], exact: Mapping[str, float], floors: Mapping[str, float]) -> tuple[Scale, ...]:
    return tuple(
        Scale(check=check, exact=exact[check]) if check in exact else _scale(check, [u[check] for u in clean], floors.get(check, 0.0))
        for check in clean[0]
    )


def _joint_scores(clean: Sequence[Values], exact: Mapping[str, float], floors: Mapping[str, float]) -> list[float]:
    """Give the largest finite score of each unit by the scales of the others (of a single unit, by its own)."""
    found = []
    for n, values in enumerate(clean):
        scales = _fit_scales([*clean[:n], *clean[n + 1 :]] or clean, exact, floors)
        found.append(max((score for score in _scores(scales, values).values() if math.isfinite(score)), default=-math.inf))
    return found


def _scores(scales: Sequence[Scale], values: Values) -> dict[str, float]:
    found = ((scale, values[scale.check]) for scale in scales)
    return {scale.check: scale.score(value) for scale, value in found if value is not None}


def _scale(check: str, values: Sequence[float | None], floor: float) -> Scale:
    """Find centre and deviation from the finite values; without any there is no limit, and only what is no number is flagged."""
    finite = np.array([value for value in values if value is not None and math.isfinite(value)])
    if not finite.size:
        return Scale(check=check, median=math.inf)
    median = float(np.median(finite))
    away = np.abs(finite - median)
    robust = float(np.quantile(away, 0.9)) or float(away.max())  # a check that is nearly always 0 deviates by what it sometimes is
    return Scale(check=check, median=median, deviation=max(robust / NORMAL, floor, NUMERIC * abs(median)))
