"""What the verdicts on the test regions say to the gate, with planted failures and planted widths."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_evaluation import DIGEST, decide, evaluation, row

from sr_core.evaluation import Evaluation
from sr_core.stages.credible import failing, wider
from sr_core.stages.paired import paired_gain
from sr_core.trust.claim import make_claim, no_claim
from sr_core.trust.verdict import CheckResult, Claim, judge, limit

LEARNED = "joint score of 12 checks, number 20 of 20 clean outputs in rising order (for at most 5 % false alarms)"


def check(value: float, source: str = LEARNED) -> CheckResult:
    return limit("texture", value, unit="", threshold=1.0, source=source, sentence="the texture is that of clean images")


def world(failed: int, of: int, source: str = LEARNED, rate: float | None = 0.05, value: float = 2.0, **more: object) -> Evaluation:
    """Make an evaluation in which the first `failed` of `of` places fail a check."""
    made = evaluation([row(30, 31, 31.5 + 0.01 * i) for i in range(of)], one_group=False, false_alarms=rate, **more)
    regions = [
        r.model_copy(update={"verdict": judge(made.claim, [check(value if i < failed else 0.5, source)])})
        for i, r in enumerate(made.regions)
    ]
    return made.model_copy(update={"regions": tuple(regions)})


def claim(groups: int, alpha: float = 0.1) -> Claim:
    return make_claim(
        coverages=[0.92] * groups, pixels=[100] * groups, alpha=alpha, delta=0.1, gamma=0.1, group_kind="place", one_group=False,
        operator=DIGEST, operator_name="bicubic", calibration=DIGEST,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("failed", "of", "allowed"),
    [(0, 24, True), (1, 1, True), (1, 3, True), (2, 3, False), (4, 24, True), (5, 24, False), (3, 6, False), (24, 24, False)],
)
def test_as_many_failures_as_the_stated_false_alarms_explain(tmp_path: Path, failed: int, of: int, allowed: bool) -> None:
    decision = decide(tmp_path, world(failed, of))
    assert decision.register_it == allowed
    if failed:
        assert f"the checks failed on {failed} of {of} test places (texture)" in decision.sentence
        assert ("the 5% of false alarms explain (probability" in decision.sentence) and ("more than" in decision.sentence) != allowed


@pytest.mark.parametrize(
    ("source", "rate", "value"),
    [("exact", 0.05, 2.0), ("physical: one step of the file", 0.05, 2.0), (LEARNED, None, 2.0), (LEARNED, 0.05, float("nan"))],
)
def test_no_false_alarm_is_granted_where_none_can_be(tmp_path: Path, source: str, rate: float | None, value: float) -> None:
    decision = decide(tmp_path, world(1, 24, source, rate, value))
    assert not decision.register_it and "the checks failed on 1 of 24 test places (texture)" in decision.sentence


def test_many_regions_of_one_place_fail_once() -> None:
    made = world(3, 6)
    assert failing(made).against
    one = made.regions[0].region.group
    regions = [
        r.model_copy(update={"region": r.region.model_copy(update={"group": one})}) if i < 3 else r for i, r in enumerate(made.regions)
    ]
    together = failing(made.model_copy(update={"regions": tuple(regions)}))
    assert not together.against and "on 1 of 4 test places" in together.found[0]


@pytest.mark.parametrize(("own", "allowed"), [(0.5, True), (1.0, True), (1.1, True), (1.101, False), (2.0, False), (float("nan"), False)])
def test_a_wider_interval_is_not_promoted(tmp_path: Path, own: float, allowed: bool) -> None:
    rows = [row(30, 31, 31.5, 31.2)] * 3
    made = evaluation(rows, one_group=True, champion=DIGEST)
    regions = tuple(r.model_copy(update={"mean_width": own, "champion_width": 1.0}) for r in made.regions)
    content = made.model_copy(update={"regions": regions, "champion_claim": made.claim})
    decision = decide(tmp_path, content)
    assert decision.register_it and decision.promote == allowed
    if own == 2.0:
        assert "the interval is 100% wider than the champion's at the same claim (2 against 1 1, mean full width)" in decision.sentence


def test_widths_are_compared_at_equal_claims_only() -> None:
    made = evaluation([row(30, 31, 31.5)] * 2, one_group=False, claim=claim(30))
    regions = tuple(r.model_copy(update={"mean_width": 9.0, "champion_width": 1.0}) for r in made.regions)
    made = made.model_copy(update={"regions": regions})
    assert wider(made.model_copy(update={"champion_claim": claim(25)}))
    for other in (None, claim(5), claim(25, alpha=0.2), no_claim("none", group_kind="place", operator=DIGEST)):
        assert wider(made.model_copy(update={"champion_claim": other})) == ()
    unmeasured = made.model_copy(update={"regions": tuple(r.model_copy(update={"champion_width": None}) for r in regions)})
    assert "cannot be compared" in wider(unmeasured.model_copy(update={"champion_claim": claim(25)}))[0]


def test_the_interval_of_the_mean_gain_is_that_of_student() -> None:
    made = evaluation([row(30, 31, 31 + g) for g in (0.3, 0.5, 0.7, 0.9)], one_group=False)
    gain = paired_gain(made, "linear filter")
    reach = 1.6377443536962102 * 0.2581988897471611 / 2  # t(0.90, 3), standard deviation over sqrt(4)
    assert gain.lower == pytest.approx(0.6 - reach, abs=1e-9) and gain.upper == pytest.approx(0.6 + reach, abs=1e-9)
    assert gain.sentence() == "+0.60 dB over linear filter (beyond noise: mean between +0.39 and +0.81 dB, each end at 90 %, over 4 places)"
    small = paired_gain(evaluation([row(30, 31, 31 + g) for g in (-0.3, 0.5, 0.1)], one_group=False), "linear filter")
    assert not small.better and "within noise" in small.sentence()
