"""Verdicts: the worst decides, and what is not a number never passes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from sr_core.errors import ShapeError, TrustError
from sr_core.raster import Window
from sr_core.trust.claim import make_claim, no_claim, withdraw
from sr_core.trust.verdict import MADE_UP, CheckResult, Claim, Evidence, Outcome, Verdict, judge, limit, skipped, worst

CLAIM = make_claim(
    coverages=[0.95] * 22, pixels=[1] * 22, alpha=0.1, delta=0.1, gamma=0.1, group_kind="place", one_group=False, operator="a" * 64,
    operator_name="bicubic x2", calibration="b" * 64,
)  # fmt: skip
NONE = no_claim("there is no calibration", group_kind="place", operator="a" * 64)


def check(value: float, *, severity: str = "fail", fail_threshold: float | None = None, direction: str = "at most") -> CheckResult:
    return limit(
        "size", value, unit="px", threshold=1.0, source="exact", sentence="a size", severity=severity, fail_threshold=fail_threshold,
        direction=direction,
    )  # fmt: skip


PASS, WARN, FAIL = check(1.0), check(2.0, severity="warn"), check(2.0)


@pytest.mark.parametrize(
    ("checks", "abstain", "claim", "status"),
    [
        ([PASS], [], CLAIM, "pass"),
        ([PASS, WARN], [], CLAIM, "warn"),
        ([WARN, FAIL], [], CLAIM, "fail"),
        ([WARN], ["another sensor"], withdraw(CLAIM, "another sensor"), "abstain"),
        ([FAIL], ["another sensor"], withdraw(CLAIM, "another sensor"), "fail"),
        ([PASS, skipped("size", "no ruler")], [], CLAIM, "warn"),
        ([PASS, skipped("size", "no ruler", required=False)], [], CLAIM, "pass"),
        ([PASS], [], NONE, "warn"),
        ([check(math.nan, severity="warn")], [], CLAIM, "fail"),
    ],
)
def test_status(checks: list[CheckResult], abstain: list[str], claim: Claim, status: str) -> None:
    for order in itertools.permutations(checks):
        verdict = judge(claim, order, abstain=abstain)
        assert verdict.status == status
        assert bool(verdict.reasons) == (status != "pass")


@pytest.mark.parametrize("direction", ["at most", "at least"])
@pytest.mark.parametrize("severity", ["warn", "fail"])
def test_nan_fails_whatever_the_direction_and_severity(direction: str, severity: str) -> None:
    assert check(math.nan, direction=direction, severity=severity).outcome == "fail"


def test_nan_that_a_check_called_a_pass_fails_all_the_same() -> None:
    lying = PASS.model_copy(update={"value": math.nan})
    verdict = judge(CLAIM, [lying])
    assert verdict.status == "fail" and verdict.checks[0].outcome == "fail" and "not a number" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("value", "outcome"), [(1.0, "pass"), (1.001, "warn"), (2.0, "warn"), (2.001, "fail"), (math.inf, "fail"), (-math.inf, "pass")]
)
def test_two_limits(value: float, outcome: Outcome) -> None:
    assert check(value, severity="warn", fail_threshold=2.0).outcome == outcome


def test_at_least_holds_on_the_threshold() -> None:
    assert check(1.0, direction="at least").outcome == "pass" and check(0.999, direction="at least").outcome == "fail"


def test_reasons_give_value_limit_and_unit() -> None:
    assert judge(CLAIM, [FAIL]).reasons == ("size is 2 px, limit at most 1 px: a size",)
    assert judge(CLAIM, [skipped("size", "no ruler")]).reasons == ("size could not be checked: no ruler",)
    assert judge(NONE, [PASS]).reasons == (NONE.text,)


def test_abstaining_with_a_claim_is_refused() -> None:
    with pytest.raises(TrustError, match="withdraw"):
        judge(CLAIM, [PASS], abstain=["another sensor"])


def test_worst_of_windows() -> None:
    assert worst([PASS, WARN, check(3.0, severity="warn")]).value == 3.0
    assert worst([FAIL, check(math.nan)]).value is not None and math.isnan(worst([FAIL, check(math.nan)]).value or 0)
    assert worst([skipped("size", "no ruler"), PASS]) == PASS
    low = [check(v, direction="at least", severity="warn") for v in (0.5, 0.2, 0.9)]
    assert worst(low).value == 0.2
    with pytest.raises(TrustError):
        worst([PASS, skipped("other", "x")])


def test_record_survives_its_file() -> None:
    where = PASS.model_copy(update={"where": Window(0, 4, 8, 8)})
    verdict = judge(CLAIM, [where, check(math.nan)], invisible_size_px=3.5, inputs=["c" * 64], software="sr 0.1")
    again = Verdict.from_json(verdict.to_json(), "verdict.json")
    assert again.to_json() == verdict.to_json() and again.checks[0].where == Window(0, 4, 8, 8) and again.status == "fail"
    assert verdict.calibration == CLAIM.calibration


def test_sentence_counts_the_checks() -> None:
    assert judge(CLAIM, [PASS, PASS]).sentence == "Pass: 2 of 2 checks passed."
    assert judge(CLAIM, [PASS, WARN]).sentence == "Warn: 1 of 2 checks passed. size is 2 px, limit at most 1 px: a size"


@pytest.mark.parametrize(
    ("checks", "sentence"),
    [
        ([PASS], "Warn: 1 of 1 checks passed. Detail in this image is made up to look right; it is not a measurement."),
        (
            [WARN],
            "Warn: 0 of 1 checks passed. size is 2 px, limit at most 1 px: a size Detail in this image is made up to look right; "
            "it is not a measurement.",
        ),
        (
            [FAIL],
            "Fail: 0 of 1 checks passed. size is 2 px, limit at most 1 px: a size Detail in this image is made up to look right; "
            "it is not a measurement.",
        ),
    ],
)
def test_a_caution_is_always_said_and_never_passes(checks: list[CheckResult], sentence: str) -> None:
    verdict = judge(CLAIM, checks, cautions=[MADE_UP])
    assert verdict.sentence == sentence and verdict.cautions == (MADE_UP,) and verdict.reasons.count(MADE_UP) == 1
    again = Verdict.from_json(verdict.to_json(), "verdict.json")
    assert again == verdict


def test_without_cautions_the_record_is_what_it_was() -> None:
    assert "cautions" not in judge(CLAIM, [PASS]).to_json()


def test_evidence_refuses_arrays_of_different_images() -> None:
    y, z = np.zeros((1, 4, 4), np.float32), np.zeros((1, 8, 8), np.float32)
    lr, hr = np.ones((4, 4), bool), np.ones((8, 8), bool)

    def evidence(z: np.ndarray, residual: np.ndarray) -> Evidence:
        return Evidence(y, z, z, lr, hr, residual, None, 1.0, (0, 255), "grey level")

    assert evidence(z, y).scale == (2, 2)
    with pytest.raises(ShapeError):
        evidence(z, y[:, :3])
    with pytest.raises(ShapeError):
        evidence(z[:, :7, :7], y)
