"""Limits learned from clean images: figures of the checks as multiples of their ceilings, and thresholds made of them.

A ceiling of reason says what nobody should accept; clean images of a model stay far below most of them, and a fault shows long before
it reaches the ceiling. As multiples of ceilings, figures hold for any unit and any quantisation step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from sr_core.records import Record
from sr_core.trust.limits import RATE, Values, fit_limits
from sr_core.trust.reference import FEWEST_GROUPS, LearnedLimits, Reference
from sr_core.trust.verdict import CheckResult, Outcome

PHYSICAL = "physical"  # thresholds from elsewhere (exact, promised, declared) are not learned
FLOOR = 1 / 20  # of the ceiling: smaller deviations between clean images are rounding, and of no interest to anyone


class WindowFigures(Record):
    """Figures of one window by check (multiples of the ceilings, larger = worse; None: it did not run), and its valid LR pixels."""

    values: dict[str, float | None]
    pixels: int


def multiple(result: CheckResult) -> float | None:
    """Give a check's value as a multiple of its ceiling, negated for "at least"; None where it did not run or has no ceiling to learn."""
    ceiling = result.threshold
    if result.outcome == "skipped" or result.value is None or ceiling is None or not ceiling > 0 or not learnable(result):
        return None
    return result.value / ceiling * (1 if result.direction == "at most" else -1)


def learnable(result: CheckResult) -> bool:
    """Whether a check's ceiling is one of reason, that clean images may lower."""
    return result.threshold_source.startswith(PHYSICAL)


def figures_of(results: Sequence[CheckResult], pixels: int) -> WindowFigures:
    """Note the figures of one window."""
    return WindowFigures(values={r.name: multiple(r) for r in results}, pixels=pixels)


def learn(groups: Mapping[str, Sequence[WindowFigures]], *, quantised: bool, rate: float = RATE) -> LearnedLimits | None:
    """Fit limits to clean images.

    Parameters
    ----------
    groups : the windows of each independent group; the worst one speaks for it.
    quantised : whether the files store whole numbers.
    rate : share of clean images that the checks together may flag.

    Returns
    -------
    LearnedLimits or None
        None with fewer than nine groups.
    """
    windows = [list(found) for found in groups.values() if found]
    if len(windows) < FEWEST_GROUPS:
        return None
    clean: list[Values] = [_worst(found) for found in windows]
    ran = [name for name in clean[0] if any(values.get(name) is not None for values in clean)]
    if not ran:
        return None
    limits = fit_limits([{name: values[name] for name in ran} for values in clean], rate=rate, floors=dict.fromkeys(ran, FLOOR))
    pixels = sorted(figures.pixels for found in windows for figures in found)
    counts = sorted(len(found) for found in windows)
    return LearnedLimits(
        **dict(limits), pixels=pixels[len(pixels) // 2], windows=counts[len(counts) // 2], quantised=quantised,
    )  # fmt: skip


def hold_against(
    results: Sequence[CheckResult], reference: Reference | None, group_kind: str, *, pixels: int, windows: int, quantised: bool
) -> tuple[CheckResult, ...]:
    """Lower the ceilings of one window's checks to what clean images reach.

    Parameters
    ----------
    results : with their ceilings.
    reference : what clean images look like; None: the ceilings hold.
    group_kind : what the groups behind it are.
    pixels, windows : valid LR pixels of the window, and how many windows of the image are looked at.
    quantised : whether the file stores whole numbers.

    Returns
    -------
    tuple of CheckResult
        A value between the learned limit and the ceiling warns; only what the ceilings fail, fails.
    """
    if reference is None:
        return tuple(results)
    limits = reference.limits
    if limits is None:
        few = f"n = {reference.groups} validation {_plural(group_kind, reference.groups)} are too few for a learned limit"
        return tuple(_told(result, few) for result in results)
    if limits.quantised != quantised:
        other = f"the learned limit is for files that store {'whole numbers' if limits.quantised else 'floating point'}"
        return tuple(_told(result, other) for result in results)
    found = limits.multiples(pixels, windows)
    how = f"joint {1 - limits.rate:.0%} quantile" if limits.enough else "largest joint score, as they are too few for a quantile"
    source = f"validation: {limits.units} {_plural(group_kind, limits.units)}, {how}"
    return tuple(_lowered(result, found.get(result.name), source) for result in results)


def _worst(figures: Sequence[WindowFigures]) -> dict[str, float | None]:
    return {name: _largest([f.values.get(name) for f in figures]) for name in figures[0].values}


def _largest(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return math.nan if any(math.isnan(v) for v in known) else max(known, default=None)


def _told(result: CheckResult, what: str) -> CheckResult:
    if result.threshold is None or not learnable(result):
        return result
    return result.model_copy(update={"threshold_source": f"{result.threshold_source}; {what}"})


def _lowered(result: CheckResult, learned: float | None, source: str) -> CheckResult:
    """Put the learned multiple in the place of the ceiling where it is the stricter one; what the ceiling fails still fails."""
    value = multiple(result)
    if value is None or result.threshold is None or learned is None:
        return result
    ceiling = 1.0 if result.direction == "at most" else -1.0
    if not learned < ceiling:
        return result
    fail = result.threshold if result.severity == "fail" else result.fail_threshold
    outcome: Outcome = result.outcome
    if outcome == "pass" and not value <= learned:
        outcome = "warn"
    return result.model_copy(
        update={
            "threshold": learned * result.threshold * ceiling, "fail_threshold": fail, "threshold_source": source,
            "severity": "warn", "outcome": outcome,
        }
    )  # fmt: skip


def _plural(kind: str, count: int) -> str:
    return kind if count == 1 else f"{kind}s"
