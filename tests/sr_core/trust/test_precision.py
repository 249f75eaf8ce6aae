from __future__ import annotations

import math
from pathlib import Path

import pytest

from sr_core.errors import StoreError
from sr_core.metrics.protocol import Protocol
from sr_core.trust.precision import PRECISION, Cost, GroupCost, Limits, PrecisionGate, cost_of, load_gate

PROTOCOL = Protocol(data_range=100.0, border=2, rounding="step", step=1.0)


def group(name: str = "a", loss: float = 0.0, largest: float = 1.0, changed: int = 10, values: int = 1000) -> GroupCost:
    return GroupCost(group=name, regions=2, values=values, changed=changed, psnr_db=40.0, loss_db=loss, largest=largest)


def gate(*groups: GroupCost, one_group: bool = False, protocol: Protocol = PROTOCOL) -> PrecisionGate:
    limits = Limits()
    return PrecisionGate(
        weights="w" * 64, device="cpu", split="test", group_kind="place", one_group=one_group, unit="HU", protocol=protocol,
        limits=limits, costs=(cost_of("bfloat16", groups, limits, protocol),),
    )  # fmt: skip


def test_figures_are_means_over_groups_and_shares_over_values() -> None:
    cost = cost_of("bfloat16", [group("a", 0.012, 1.0, 10, 1000), group("b", 0.004, 2.0, 30, 3000)], Limits(), PROTOCOL)
    assert cost.mean_loss_db == pytest.approx(0.008)
    assert cost.largest == 2.0
    assert cost.changed_share == pytest.approx(40 / 4000)
    assert cost.allowed


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([group("a", 0.021), group("b", 0.001)], "costs 0.011 dB, the mean over groups"),
        ([group("a", 0.051), group("b", -0.04)], "costs 0.051 dB on a"),
        ([group(largest=2.5)], "changes a written value by 2.5; 2 are allowed"),
        ([group(loss=math.inf, largest=math.inf)], "not finite"),
        ([group(loss=math.nan)], "costs nan dB"),
    ],
)
def test_each_limit_refuses(groups: list[GroupCost], words: str) -> None:
    cost = cost_of("bfloat16", groups, Limits(), PROTOCOL)
    assert not cost.allowed
    assert words in "; ".join(cost.reasons)


def test_figures_at_their_limits_are_allowed() -> None:
    assert cost_of("bfloat16", [group("a", 0.01, 2.0, 1000, 1000)], Limits(), PROTOCOL).allowed


@pytest.mark.parametrize(
    ("protocol", "largest"),
    [
        (Protocol(data_range=255.0, border=2, rounding="step", step=1.0), 2.55),  # 1 % of 8 bits is more than two steps
        (Protocol(data_range=100.0, border=2, rounding="step", step=1.0), 2.0),
        (Protocol(data_range=0.4, border=2, rounding="step", step=1e-4), 0.004),
        (Protocol(data_range=0.4, border=2), 0.004),  # floating point has no steps
    ],
)
def test_the_largest_change_is_two_steps_or_a_share_of_the_range(protocol: Protocol, largest: float) -> None:
    assert Limits().largest(protocol) == pytest.approx(largest)


def test_a_refusal_holds_for_the_weights_that_were_measured() -> None:
    refusing = gate(group(loss=1.0))
    assert refusing.refused("w" * 64) == ("bfloat16",)
    assert refusing.refused("v" * 64) == ()
    assert gate(group()).refused("w" * 64) == ()


def test_it_says_what_was_measured_and_how_much_stands_behind_it() -> None:
    (sentence,) = gate(group("a", 0.012), group("b", 0.004)).says()
    assert sentence.startswith("bfloat16 beside float32: allowed (+0.0080 dB lost, largest change 1 HU (1.0 steps), 1 % of written values")
    assert sentence.endswith("4 test regions of 2 places, on cpu).")
    (one,) = gate(group("a"), group("b"), one_group=True).says()
    assert "4 test regions of 1 place, on cpu" in one
    (floating,) = gate(group(), protocol=Protocol(data_range=100.0, border=2)).says()
    assert "steps" not in floating
    (refused,) = gate(group(loss=1.0)).says()
    assert "refused, because it costs 1.000 dB" in refused


def test_the_record_survives_the_disk_also_where_nothing_is_finite(tmp_path: Path) -> None:
    assert load_gate(tmp_path) is None
    made = gate(group(loss=math.inf, largest=math.inf))
    (tmp_path / PRECISION).write_text(made.to_json())
    assert load_gate(tmp_path) == made


def test_a_newer_or_damaged_record_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / PRECISION).write_text(gate(group()).to_json().replace('"schema": 1', '"schema": 2'))
    with pytest.raises(StoreError, match="Install a newer version"):
        load_gate(tmp_path)
    (tmp_path / PRECISION).write_text("{")
    with pytest.raises(StoreError, match=r"precision\.json is not JSON"):
        load_gate(tmp_path)


def test_a_cost_without_reasons_is_an_allowed_one() -> None:
    assert Cost(precision="float16", groups=(group(),), reasons=()).allowed
    assert not Cost(precision="float16", groups=(group(),), reasons=("it is slow",)).allowed
