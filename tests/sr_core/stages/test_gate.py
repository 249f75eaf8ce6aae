"""The gate: two questions, and every reason in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_evaluation import DIGEST, decide, evaluation, row

from sr_core.domain import Sensitivity
from sr_core.stages.paired import paired_gain

BETTER = [row(30, 31, 31.5), row(32, 33, 33.4), row(29, 30, 30.6)]


def test_better_everywhere_is_promoted(tmp_path: Path) -> None:
    decision = decide(tmp_path, evaluation(BETTER, one_group=False))
    assert decision.register_it and decision.promote
    assert (
        "+0.50 dB over linear filter (beyond noise: mean between +0.39 and +0.61 dB, each end at 90 %, over 3 places)" in decision.sentence
    )


def test_one_scene_is_never_called_tested(tmp_path: Path) -> None:
    decision = decide(tmp_path, evaluation(BETTER, one_group=True))
    assert decision.promote
    assert "regions from +0.40 to +0.60 dB, 3 blocks of one scene, too few to test" in decision.sentence


@pytest.mark.parametrize("model", [30.9, 31.0, 31.04])
def test_no_better_than_the_filter_is_not_registered(tmp_path: Path, model: float) -> None:
    decision = decide(tmp_path, evaluation([row(30, 31, model)] * 3, one_group=True))
    assert not decision.register_it and not decision.promote
    assert "not better" in decision.sentence and "linear filter" in decision.sentence


def test_gain_within_noise_is_not_enough() -> None:
    noisy = evaluation([row(30, 31, 33.5), row(30, 31, 30.2), row(30, 31, 31.1)], one_group=False)
    gain = paired_gain(noisy, "linear filter")
    assert gain.mean > 0.5 and gain.tested and not gain.better


def test_linear_bundle_is_not_compared_with_itself(tmp_path: Path) -> None:
    same = evaluation([row(30, 31, 31)] * 3, one_group=True)
    assert decide(tmp_path, same, family="linear").register_it
    assert not decide(tmp_path, same, family="edsr").register_it


def test_worse_than_the_champion_is_challenger_only(tmp_path: Path) -> None:
    content = evaluation([row(30, 31, 31.5, 31.6)] * 3, one_group=True).model_copy(update={"champion": DIGEST})
    decision = decide(tmp_path, content)
    assert decision.register_it and not decision.promote
    assert "not better than the champion" in decision.sentence


def test_too_few_groups_and_approval(tmp_path: Path) -> None:
    careful = Sensitivity(minimum_test_groups=3, needs_approval=True, approver="a medical physicist")
    decision = decide(tmp_path, evaluation(BETTER, one_group=True), careful)
    assert decision.register_it and not decision.promote
    assert decision.reasons == ("too few groups: 1 test place, 3 needed", "a person must approve: a medical physicist")
    approved = decide(tmp_path, evaluation(BETTER, one_group=False), careful, approved_by="Dr X")
    assert approved.promote and "Approved by Dr X." in approved.sentence


def test_failed_check_blocks(tmp_path: Path) -> None:
    decision = decide(tmp_path, evaluation(BETTER, one_group=False, failed=True))
    assert not decision.register_it
    assert "the checks failed on 3 of 3 test places (residual rms)" in decision.sentence


def test_weaker_claim_than_the_champions(tmp_path: Path) -> None:
    decision = decide(tmp_path, evaluation(BETTER, one_group=False), champion_level="certified")
    assert decision.register_it and not decision.promote
    assert "weaker than the champion's 'certified'" in decision.sentence


@pytest.mark.parametrize("one_group", [True, False])
def test_nan_gain_is_never_better(tmp_path: Path, one_group: bool) -> None:
    decision = decide(tmp_path, evaluation([row(30, 31, float("nan"))] * 3, one_group=one_group))
    assert not decision.register_it


def test_perfect_images_are_better(tmp_path: Path) -> None:
    assert decide(tmp_path, evaluation([row(30, 31, float("inf")), *BETTER[:2]], one_group=False)).promote


@pytest.mark.parametrize(
    ("losses", "one_group", "registers"),
    [((0.0, 0.0, 0.0), True, True), ((0.0, 0.04, 0.0), True, True), ((0.0, 0.06, 0.0), True, False), ((-0.3, -0.2, 0.1), True, False),
     ((0.0, 0.0, 0.0), False, True), ((0.0, 0.06, 0.0), False, False), ((0.02, 0.021, 0.02), False, True),
     ((0.1, 0.11, 0.1), False, False)],
)  # fmt: skip
def test_a_child_must_be_no_worse_than_its_parent(tmp_path: Path, losses: tuple[float, ...], one_group: bool, registers: bool) -> None:
    rows = [{**scores, "parent": scores["model"] + loss} for scores, loss in zip(BETTER, losses, strict=True)]
    decision = decide(tmp_path, evaluation(rows, one_group=one_group))  # type: ignore[arg-type]
    assert decision.register_it == registers
    assert ("worse than its parent" in decision.sentence) != registers
