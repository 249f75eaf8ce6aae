"""Limits learned from clean images: what they lower, what they never do, and what they say of themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sr_core.trust.learned import WindowFigures, figures_of, hold_against, learn, multiple
from sr_core.trust.reference import LearnedLimits, Reference
from sr_core.trust.verdict import CheckResult, limit, skipped


def result(value: float, threshold: float = 0.5, **changes: object) -> CheckResult:
    given: dict[str, object] = {"unit": "px", "threshold": threshold, "fail_threshold": 4 * threshold, "severity": "warn"}
    return limit("shift", value, source="physical: reason", sentence="it lies there", **(given | changes))  # type: ignore[arg-type]


def limits(groups: int = 24, centre: float = 0.1, spread: float = 0.01, **changes: object) -> LearnedLimits | None:
    rng = np.random.default_rng(0)
    values = centre + spread * rng.normal(size=groups)
    clean = {str(n): [WindowFigures(values={"shift": float(v), "exact": None}, pixels=4096)] for n, v in enumerate(values)}
    return learn(clean, quantised=True)


def held(given: CheckResult, learned: LearnedLimits | None, groups: int = 24, pixels: int = 4096, windows: int = 1) -> CheckResult:
    reference = Reference(images=groups, groups=groups, limits=learned)
    return hold_against([given], reference, "place", pixels=pixels, windows=windows, quantised=True)[0]


def test_figures_are_multiples_of_their_ceilings() -> None:
    assert multiple(result(0.25)) == 0.5
    assert multiple(result(0.25, direction="at least")) == -0.5
    assert multiple(result(0.25, threshold=0.0)) is None and multiple(skipped("shift", "flat")) is None
    assert multiple(limit("count", 3, unit="", threshold=1, source="exact", sentence="")) is None
    assert math.isnan(figures_of([result(math.nan)], 9).values["shift"] or 0)


def test_a_learned_limit_turns_a_pass_into_a_warning() -> None:
    learned = limits()
    assert learned is not None
    scale = learned.scales[0]
    edge = (scale.median + learned.threshold * scale.deviation) * 0.5
    assert scale.deviation == 0.05, "below a twentieth of the ceiling deviations are of no interest"
    inside, outside = held(result(0.99 * edge), learned), held(result(1.01 * edge), learned)
    assert (inside.outcome, outside.outcome) == ("pass", "warn")
    assert outside.threshold == pytest.approx(edge) and outside.fail_threshold == 2.0
    assert outside.threshold_source == "validation: 24 places, joint 95% quantile"
    assert held(result(2.1), learned).outcome == "fail" and held(result(1.9), learned).outcome == "warn"


def test_what_the_ceiling_fails_still_fails_and_nothing_else_does() -> None:
    strict = result(0.4, severity="fail", fail_threshold=None)
    lowered = held(strict, limits())
    assert (lowered.outcome, lowered.severity, lowered.fail_threshold) == ("warn", "warn", 0.5)
    assert held(result(0.6, severity="fail", fail_threshold=None), limits()).outcome == "fail"
    assert held(result(math.nan), limits()).outcome == "fail"


def test_a_ceiling_is_never_raised() -> None:
    loose = held(result(0.4), limits(centre=3.0, spread=1.0))
    assert loose == result(0.4)


def test_at_least_is_lowered_from_below() -> None:
    learned = limits(centre=-6.0, spread=0.1)
    given = held(result(0.6, threshold=0.1, direction="at least", fail_threshold=None), learned)
    assert given.outcome == "pass" and given.threshold is not None and 0.5 < given.threshold < 0.6
    assert held(result(0.45, threshold=0.1, direction="at least", fail_threshold=None), learned).outcome == "warn"


def test_too_few_groups_learn_nothing_and_say_so() -> None:
    assert limits(8) is None
    few = held(result(0.4), None, groups=3)
    assert few.outcome == "pass" and few.threshold_source == "physical: reason; n = 3 validation places are too few for a learned limit"
    some = held(result(0.4), limits(12), groups=12)
    assert some.outcome == "warn" and "12 places, largest joint score" in some.threshold_source
    assert hold_against([result(0.4)], None, "place", pixels=1, windows=1, quantised=True) == (result(0.4),)


def test_the_worst_window_speaks_for_its_group() -> None:
    windows = [WindowFigures(values={"shift": v}, pixels=4096) for v in (0.1, 0.3, 0.2)]
    learned = learn({str(n): windows for n in range(20)}, quantised=True)
    assert learned is not None and learned.scales[0].median == 0.3 and learned.windows == 3


def test_small_windows_and_many_windows_are_given_room() -> None:
    learned = limits()
    assert learned is not None
    plain, small, many = (learned.multiples(*at)["shift"] for at in ((4096, 1), (1024, 1), (4096, 16)))
    scale = learned.scales[0]
    assert small == pytest.approx(2 * plain), "a quarter of the pixels scatters twice as far"
    room = 1 + math.log(16) / -math.log(0.05)
    assert many == pytest.approx(scale.median + room * learned.threshold * scale.deviation)
    assert learned.multiples(10**6, 1)["shift"] == plain, "a larger window gets no less"


def test_limits_of_whole_numbers_say_nothing_of_floating_point() -> None:
    reference = Reference(images=24, groups=24, limits=limits())
    given = hold_against([result(0.4)], reference, "place", pixels=4096, windows=1, quantised=False)[0]
    assert given.outcome == "pass" and "store whole numbers" in given.threshold_source
