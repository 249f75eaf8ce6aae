"""The residual of a noisy measurement, with planted faults: noise copied, detail missing, a single place that departs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sr_core.operators import make_operator
from sr_core.trust.checks import ResidualMax, ResidualRms
from sr_core.trust.verdict import CheckResult, Evidence

OPERATOR = make_operator("bicubic", 2)
SIGMA, SIDE = 2.0, 120


def truth(side: int = SIDE, bands: int = 1) -> torch.Tensor:
    rows, cols = torch.meshgrid(torch.arange(2.0 * side), torch.arange(2.0 * side), indexing="ij")
    return (120 + 40 * torch.sin(rows / 9) * torch.cos(cols / 7))[None].repeat(bands, 1, 1)


def measured(x: torch.Tensor, sigma: float = SIGMA, seed: int = 0) -> torch.Tensor:
    y = OPERATOR.apply(x)
    return y + sigma * torch.randn(y.shape, generator=torch.Generator().manual_seed(seed))


def evidence(z: torch.Tensor, y: torch.Tensor, noise: float = SIGMA, projected: bool = True) -> Evidence:
    z = z.round()  # as a file of grey levels stores it
    mask_lr, mask_hr = (np.ones(image.shape[1:], bool) for image in (y, z))
    return Evidence(
        y=y.numpy(), z=z.numpy(), bicubic=OPERATOR.upscale(y).numpy(), mask_lr=mask_lr, mask_hr=mask_hr,
        residual=OPERATOR.residual(z.double(), y.double()).float().numpy(), half_width=None, step=1.0, valid_range=(-500.0, 500.0),
        unit="grey level", operator=OPERATOR, noise=noise, projected=projected,
    )  # fmt: skip


def power(z: torch.Tensor, y: torch.Tensor, **changes: float) -> CheckResult:
    return ResidualRms()(evidence(z, y, **changes))  # type: ignore[arg-type]


def test_a_good_estimate_projected_with_its_noise_passes() -> None:
    x = truth()
    y = measured(x)
    for estimate in (x, x + 5, OPERATOR.upscale(OPERATOR.apply(x))):
        found = evidence(OPERATOR.project(estimate, y, (-500, 500), 1.0, SIGMA), y)
        assert {ResidualRms()(found).outcome, ResidualMax()(found).outcome} == {"pass"}
        assert 0.8 <= (ResidualRms()(found).value or 0) <= 1.25


def test_the_exact_projection_copies_noise_and_is_told_so() -> None:
    y = measured(truth())
    found = power(OPERATOR.project(truth(), y, (-500, 500), 1.0), y)
    assert found.outcome == "warn" and found.direction == "at least" and found.value is not None and found.value < 0.05
    assert "noise fitted" in found.sentence


@pytest.mark.parametrize(("gain", "outcome"), [(1.0, "pass"), (1.011, "warn"), (1.02, "fail")])
def test_a_gain_of_the_written_image_is_inconsistent(gain: float, outcome: str) -> None:
    y = measured(truth())
    found = power(gain * OPERATOR.project(truth(), y, (-500, 500), 1.0, SIGMA), y)
    assert found.outcome == outcome
    assert ("inconsistent" in found.sentence) == (outcome == "fail")
    assert power(gain * truth(), y, projected=False).outcome != "fail"


def test_wrong_noise_is_seen_both_ways() -> None:
    y = measured(truth())
    z = OPERATOR.project(truth(), y, (-500, 500), 1.0, SIGMA)
    assert power(z, y, noise=2 * SIGMA).outcome == "warn" and power(z, y, noise=SIGMA / 2).outcome == "fail"


def test_the_band_that_is_farthest_counts() -> None:
    y = measured(truth(bands=2))
    z = OPERATOR.project(truth(bands=2), y, (-500, 500), 1.0, SIGMA)
    z[1] += 3
    found = power(z, y)
    assert found.outcome == "fail" and found.value == pytest.approx(1 + 9 / 4, rel=0.1)


def test_few_values_are_judged_more_loosely_and_too_few_not_at_all() -> None:
    for side, expected in ((40, 0.5), (SIDE, 0.8)):
        y = measured(truth(side))
        found = power(OPERATOR.project(truth(side), y, (-500, 500), 1.0, 0.75 * SIGMA), y, noise=0.999 * SIGMA + 0.4)
        assert found.threshold == expected
    y = measured(truth(8))
    assert power(truth(8), y).outcome == "skipped"


def test_a_single_place_and_a_value_that_is_not_a_number_fail() -> None:
    y = measured(truth())
    z = OPERATOR.project(truth(), y, (-500, 500), 1.0, SIGMA)
    z[0, 100:104, 60:64] += 40
    assert ResidualMax()(evidence(z, y)).outcome == "fail" and power(z, y).outcome == "pass"
    broken = evidence(z, y)
    broken.residual[0, 50, 50] = np.nan
    assert ResidualRms()(broken).outcome == ResidualMax()(broken).outcome == "fail"
