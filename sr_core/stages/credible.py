"""What the verdicts on the test regions say to the gate: whether too many failed, and whether the interval became wider."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from sr_core.evaluation import Evaluation, RegionScore
from sr_core.trust.claim import plural
from sr_core.trust.verdict import ONE_SCENE, CheckResult

SIGNIFICANCE = 0.01  # of the binomial test of failures against the stated rate of false alarms
MOST_WIDER = 0.10  # of the champion's interval


@dataclass(frozen=True)
class Failing:
    """What speaks against a model in the outcomes of its checks, and what was found of them, in words."""

    against: tuple[str, ...] = ()
    found: tuple[str, ...] = ()


def failing(content: Evaluation) -> Failing:
    """Count the test groups on which a check failed.

    Notes
    -----
    A limit that comes from physics or arithmetic is never crossed by a clean image: one failure is one too many. Limits learned from
    validation images are, by a stated share of clean images; as many failures as that share explains (binomial test at 1 %) are let
    pass, and said. A group counts once, however many of its regions failed.
    """
    groups = content.by_group()
    failed = {name: regions for name, regions in groups.items() if any(r.verdict.status == "fail" for r in regions)}
    if not failed:
        return Failing()
    checks = [c for regions in failed.values() for r in regions for c in _failed(r)]
    names = ", ".join(dict.fromkeys(c.name for c in checks))
    kind = plural(ONE_SCENE if content.one_group else content.group_kind)
    said = f"the checks failed on {len(failed)} of {len(groups)} test {kind} ({names})"
    rate = content.false_alarms
    if rate is None or not all(_may_be_false(c) for c in checks):
        return Failing(against=(said,))
    chance = _at_least(len(failed), len(groups), rate)
    if chance < SIGNIFICANCE:
        return Failing(against=(f"{said}, more than the {rate:.0%} of false alarms explain (probability {chance:.2g})",))
    return Failing(found=(f"{said}, which the {rate:.0%} of false alarms explain (probability {chance:.2g})",))


def wider(content: Evaluation) -> tuple[str, ...]:
    """Give what speaks against a promotion in the width of the interval, beside the champion's on the same regions at the same claim."""
    claim, other = content.claim, content.champion_claim
    if other is None or claim.level == "none" or _promise(content) != (other.level, other.alpha, other.delta, other.gamma):
        return ()
    pairs = [(r.mean_width, r.champion_width) for r in content.regions]
    own = statistics.fmean(math.nan if mine is None else mine for mine, _ in pairs)
    champions = statistics.fmean(math.nan if theirs is None else theirs for _, theirs in pairs)
    if own <= (1 + MOST_WIDER) * champions:  # NaN never is
        return ()
    if not (math.isfinite(own) and math.isfinite(champions)):
        return ("the width of the interval cannot be compared with the champion's on the test regions",)
    return (
        f"the interval is {own / champions - 1:.0%} wider than the champion's at the same claim ({own:.3g} against {champions:.3g} "
        f"{content.unit}, mean full width), of which at most {MOST_WIDER:.0%} is allowed",
    )


def _promise(content: Evaluation) -> tuple[str, float, float, float]:
    return content.claim.level, content.claim.alpha, content.claim.delta, content.claim.gamma


def _failed(region: RegionScore) -> tuple[CheckResult, ...]:
    return tuple(c for c in region.verdict.checks if c.outcome == "fail")


def _may_be_false(check: CheckResult) -> bool:
    """Whether a clean image may fail this check so: by a number, at a limit that was learned from clean images."""
    return check.learned and check.value is not None and not math.isnan(check.value)


def _at_least(count: int, of: int, rate: float) -> float:
    """Give the probability of at least `count` failures in `of` independent tries."""
    return math.fsum(math.comb(of, k) * rate**k * (1 - rate) ** (of - k) for k in range(count, of + 1))
