"""The kernel check: blur of known kernels, 1/f textures under several kernels told apart, and what is said where nothing can be."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from sr_core.errors import TrustError
from sr_core.operators import Operator, make_operator
from sr_core.trust.kernel_check import (
    LEAST_GROUPS,
    SIZE,
    KernelFit,
    Shown,
    blur_of,
    fit_kernel,
    kernel_bank,
    kernel_features,
    kernel_result,
    kernel_sums,
)

STEP = 1.0
X2 = make_operator("bicubic", 2)
OTHERS = {
    "nearest": make_operator("nearest", 2), "box": make_operator("box", 2), "bicubic": X2,
    "gaussian 1": make_operator("gaussian", 2, sigma=1.0), "gaussian 1.6": make_operator("gaussian", 2, sigma=1.6),
}  # fmt: skip


def scene(seed: int, side: int = 192) -> np.ndarray:
    """Scale-invariant: flat shapes of all sizes with hard edges, over texture with a 1/f amplitude; contrast of its own."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None, :])
    frequency[0, 0] = 1
    image = np.fft.ifft2(np.fft.fft2(rng.normal(size=(side, side))) / frequency).real
    image *= rng.uniform(3, 6) / image.std()
    rows, cols = np.mgrid[:side, :side]
    for radius in 60 * rng.uniform(0.05, 1, size=60) ** 2:
        row, col = rng.uniform(0, side, 2)
        image = np.where((rows - row) ** 2 + (cols - col) ** 2 < radius**2, image + rng.normal(0, 30), image)
    return (128 + rng.uniform(0.6, 1.4) * image)[None]


def measured(x: np.ndarray, operator: Operator) -> np.ndarray:
    return np.round(operator.apply(torch.from_numpy(x)).numpy() / STEP).astype(np.float32) * np.float32(STEP)


def sums(y: np.ndarray, step: float = STEP) -> np.ndarray:
    return kernel_sums(y, np.ones(y.shape[1:], np.bool_), step)


def features(y: np.ndarray) -> np.ndarray:
    found = kernel_features(sums(y))
    assert found is not None
    return found


@cache
def shown(seed: int) -> Shown:
    x = scene(seed)
    return Shown(f"g{seed}", {blur: features(measured(x, operator)) for blur, operator in kernel_bank(X2).items()})


@cache
def fitted(groups: int = 24) -> KernelFit:
    fit = fit_kernel([shown(seed) for seed in range(groups)])
    assert fit is not None
    return fit


def test_blur_is_that_of_the_gaussian_with_the_same_response() -> None:
    for scale in (2, 3, 4):
        assert blur_of(make_operator("gaussian", scale, sigma=0.5 * scale)) == pytest.approx(0.5 * scale, rel=1e-3)
    response = np.cos(np.pi / 4)  # of a mean of two at the LR Nyquist frequency
    assert blur_of(make_operator("box", 2)) == pytest.approx(2 * np.sqrt(-2 * np.log(response)) / np.pi)
    assert blur_of(make_operator("nearest", 2)) == pytest.approx(0, abs=1e-3)  # off the LR pixel's centre
    banded = blur_of(make_operator("mtf", 2, value=[0.2, 0.3]))
    assert blur_of(make_operator("mtf", 2, value=0.3)) < banded < blur_of(make_operator("mtf", 2, value=0.2))  # type: ignore[operator]
    assert blur_of(make_operator("bicubic", (1, 2))) is None and blur_of(make_operator("kspace", 2)) is None
    assert kernel_bank(make_operator("kspace", 2)) == {}


def test_the_assumed_kernel_is_the_first_of_the_bank_and_not_taught_twice() -> None:
    bank = kernel_bank(X2)
    assert next(iter(bank.values())) is X2 and len(bank) == 9
    assert len(kernel_bank(make_operator("gaussian", 2, sigma=0.8))) == 8


def test_kernels_stand_in_their_order_and_wrong_ones_are_flagged() -> None:
    fit = fitted()
    extra = {name: [fit.extra_blur(features(measured(scene(s), a))) for s in range(100, 112)] for name, a in OTHERS.items()}
    means = [float(np.mean(values)) for values in extra.values()]
    assert means == sorted(means) and abs(means[2]) < 0.05
    assert means[3] == pytest.approx(1.0 - fit.blur, abs=0.12)
    assert fit.threshold is not None
    flagged = {name: np.mean(np.abs(values) > fit.threshold) for name, values in extra.items()}
    assert flagged["bicubic"] <= 2 / 12
    assert all(flagged[name] == 1 for name in OTHERS if name != "bicubic")


def test_words_and_limits_lie_on_the_side_of_the_fault() -> None:
    fit, x = fitted(), scene(100)
    assert kernel_result(sums(measured(x, X2)), fit).outcome == "pass"
    blurred, sharp = (kernel_result(sums(measured(x, OTHERS[name])), fit) for name in ("gaussian 1.6", "nearest"))
    assert blurred.outcome == sharp.outcome == "warn"
    assert blurred.direction == "at most" and blurred.threshold == fit.threshold
    assert sharp.direction == "at least" and sharp.threshold == -fit.threshold  # type: ignore[operator]
    assert blurred.value > 0.5 and sharp.value < -0.4  # type: ignore[operator]
    assert "24 validation groups" in blurred.threshold_source and f"by {fit.blur:.2f}" in blurred.sentence
    assert KernelFit.from_json(fit.to_json(), "here") == fit


def test_a_batch_is_held_to_a_narrower_limit() -> None:
    fit = fitted()
    one, ten, hundred = (fit.limit_of_mean(n) for n in (1, 10, 100))
    assert one > 1.8 * ten > 1.8 * hundred > 0  # type: ignore[operator]
    mild = make_operator("gaussian", 2, sigma=0.9)
    mean = np.mean([fit.extra_blur(features(measured(scene(s), mild))) for s in range(100, 110)])
    assert mean > ten
    clean = np.mean([fit.extra_blur(features(measured(scene(s), X2))) for s in range(100, 110)])
    assert abs(clean) <= ten


def test_sums_of_windows_add_up_and_neither_size_nor_unit_matters() -> None:
    y = measured(scene(100, 512), X2)
    halves = sums(y[:, :128]) + sums(y[:, 128:])
    fit = fitted()
    whole = fit.extra_blur(features(y))
    apart = kernel_features(halves)
    assert apart is not None and fit.extra_blur(apart) == pytest.approx(whole, abs=0.03)
    other_unit = kernel_features(sums(y / 255, STEP / 255))
    assert other_unit is not None and fit.extra_blur(other_unit) == pytest.approx(whole, abs=0.02)


def test_pixels_without_a_measurement_have_no_say() -> None:
    y = measured(scene(100), X2)
    mask = np.ones(y.shape[1:], np.bool_)
    mask[40:60, 30:70] = False
    expected = kernel_sums(y, mask, STEP)
    y[:, 40:60, 30:70] = 1e6
    assert (kernel_sums(y, mask, STEP) == expected).all()
    y[:, 40:60, 30:70] = np.nan
    assert (kernel_sums(y, mask, STEP) == expected).all()
    assert (kernel_sums(y, np.ones_like(mask), STEP) == expected).all()
    assert (kernel_sums(y, np.zeros_like(mask), STEP) == 0).all()


@pytest.mark.parametrize(
    "y", [np.zeros((1, 96, 96)), np.full((2, 96, 96), np.nan), np.ones((1, 1, 1)), np.random.default_rng(0).normal(size=(1, 20, 20))]
)
def test_too_little_to_see_is_said_and_holds_nothing_back(y: np.ndarray) -> None:
    found = sums(y.astype(np.float32), 0.0)
    assert found.shape == (SIZE,) and np.isfinite(found).all()
    result = kernel_result(found, fitted())
    assert result.outcome == "skipped" and not result.required and "too few edges" in result.sentence


def test_few_groups_inform_and_fewer_say_nothing() -> None:
    few = fitted(LEAST_GROUPS - 1)
    result = kernel_result(sums(measured(scene(100), OTHERS["gaussian 1.6"])), few)
    assert result.outcome == "pass" and result.threshold is None and result.value > 0.5  # type: ignore[operator]
    assert result.threshold_source == "information: 8 validation groups, 9 needed"
    assert few.limit_of_mean(10) is None
    nine = kernel_result(sums(measured(scene(100), OTHERS["gaussian 1.6"])), fitted(LEAST_GROUPS))
    assert nine.outcome == "warn" and "the largest" in nine.threshold_source
    assert fit_kernel([shown(0)]) is None and fit_kernel([]) is None
    assert kernel_result(np.zeros(SIZE), None).outcome == "skipped"


def test_a_group_is_judged_by_a_fit_without_it() -> None:
    odd = Shown("odd", {blur: row + 0.4 for blur, row in shown(30).features.items()})
    alone, within = fit_kernel([*(shown(s) for s in range(12)), odd]), fitted(12)
    assert alone is not None and alone.groups == 13
    assert max(np.abs(alone.clean)) > 2 * max(np.abs(within.clean))


def test_images_under_other_kernels_are_refused() -> None:
    other = Shown("other", dict(list(shown(1).features.items())[:3]))
    with pytest.raises(TrustError, match="the same bank"):
        fit_kernel([shown(0), other])
