"""The noise-aware projection by value: its weights, windows, maps, rails, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter
from torch import Tensor

from sr_core.errors import InputError, ShapeError
from sr_core.operators import make_operator
from sr_core.operators.projection import Rule, local_mean, weight


def image(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def test_local_mean_is_over_the_pixels_inside() -> None:
    x = image(2, 13, 30)
    inner = torch.from_numpy(uniform_filter(x.numpy(), (0, 9, 9)))[:, 4:-4, 4:-4]
    made = local_mean(x)
    torch.testing.assert_close(made[:, 4:-4, 4:-4], inner, rtol=0, atol=1e-14)
    assert float(made[1, 0, 29]) == pytest.approx(float(x[1, :5, 25:].mean()), abs=1e-14)
    assert float(local_mean(image(3, 2))[0, 0]) == pytest.approx(float(image(3, 2).mean()), abs=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_in_windows_equal_the_whole(dtype: torch.dtype) -> None:
    residual, sigma = image(2, 70, 61, dtype=dtype), torch.tensor(0.8, dtype=dtype)
    for rule in ("discrepancy", "wiener"):
        whole = weight(residual, sigma, rule)  # type: ignore[arg-type]
        part = weight(residual[:, 10:50, 20:], sigma, rule)  # type: ignore[arg-type]
        assert torch.equal(part[:, 4:-4, 4:], whole[:, 14:46, 24:])


def test_weights_by_value() -> None:
    residual = torch.full((1, 12, 12), 4.0, dtype=torch.float64)
    for sigma, wiener, discrepancy in ((2.0, 0.75, 0.5), (4.0, 0.0, 0.0), (9.0, 0.0, 0.0)):
        level = torch.tensor(sigma, dtype=torch.float64)
        assert float(weight(residual, level, "wiener")[0, 5, 5]) == pytest.approx(wiener, abs=1e-12)
        assert float(weight(residual, level)[0, 5, 5]) == pytest.approx(discrepancy, abs=1e-12)
    assert not weight(torch.zeros(1, 9, 9), torch.tensor(1.0)).any()


def test_no_noise_is_the_exact_projection() -> None:
    operator, x, y = make_operator("bicubic", 2), image(2, 40, 44), image(2, 20, 22, seed=1)
    assert torch.equal(operator.project(x, y, noise=0.0), operator.project(x, y))
    mixed = torch.zeros(2, 1, 1, dtype=torch.float64)
    mixed[1] = 50.0
    made = operator.project(x, y, noise=mixed)
    torch.testing.assert_close(made[0], operator.project(x, y)[0], rtol=0, atol=1e-12)
    assert torch.equal(made[1], x[1])  # all of it may be noise


def test_a_map_acts_where_it_says() -> None:
    operator, x, y = make_operator("box", 2), image(1, 80, 80), image(1, 40, 40, seed=1)
    sigma = torch.zeros(40, 40, dtype=torch.float64)
    sigma[:, 20:] = 100.0
    made = operator.project(x, y, noise=sigma)
    assert operator.residual(made, y)[:, :, :20].abs().max() < 1e-12
    assert torch.equal(made[..., 40:], x[..., 40:])


def test_what_is_left_has_the_power_of_the_noise() -> None:
    operator = make_operator("bicubic", 2)
    truth = 40 * torch.sin(torch.arange(400, dtype=torch.float64) / 9)[:, None] * torch.ones(1, 400, 400, dtype=torch.float64)
    y = operator.apply(truth) + 2 * image(1, 200, 200, seed=3)
    wrong = truth + 20  # far off everywhere
    made, copied = operator.project(wrong, y, noise=2.0), operator.project(wrong, y, noise=2.0, rule="wiener")
    power = [float((operator.residual(z, y) / 2).square().mean()) for z in (made, copied)]
    assert 0.8 <= power[0] <= 1.25
    assert power[1] < 0.05  # noise was fitted: why it is not the default


def picture(side: int = 240) -> Tensor:
    """Edges and waves in grey levels, with the detail that bicubic x2 cannot see."""
    rows, cols = torch.meshgrid(*(torch.arange(side, dtype=torch.float64),) * 2, indexing="ij")
    edges = sum(40 * torch.tanh((rows * np.sin(a) + cols * np.cos(a) - b) / 0.7) for a, b in ((0.3, 150), (1.2, 200), (2.2, 20), (0.9, 90)))
    return (128 + edges + 6 * torch.sin(rows / 1.4) * torch.sin(cols / 3))[None]


@pytest.mark.parametrize("rule", ["discrepancy", "wiener"])
@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0, 8.0])
def test_following_the_noise_s_share_beats_the_exact_projection(sigma: float, rule: Rule) -> None:
    """Of an estimate halfway from bicubic to the truth, and of the same with a slow wave of five grey levels."""
    operator, truth = make_operator("bicubic", 2), picture()
    y = operator.apply(truth) + sigma * image(1, 120, 120, seed=4)
    wave = 5 * torch.sin(torch.arange(240, dtype=torch.float64) / 25)
    good = (truth + operator.upscale(operator.apply(truth))) / 2
    for estimate, biased in ((good, False), (good + wave, True)):
        error = {
            "none": (estimate - truth).square().mean(),
            "exact": (operator.project(estimate, y) - truth).square().mean(),
            "local": (operator.project(estimate, y, noise=sigma, rule=rule) - truth).square().mean(),
        }
        assert error["local"] < error["exact"]
        if biased and sigma <= 4:
            assert error["local"] < error["none"]
        if not biased and sigma >= 4:
            assert error["exact"] > error["none"]


def test_clipping_does_not_bring_the_noise_back() -> None:
    operator = make_operator("bicubic", 2)
    truth = (image(1, 120, 120) * 0.3 + 0.5).clamp(0, 1)
    y = operator.apply(truth) + 0.1 * image(1, 60, 60, seed=2)
    made = operator.project(operator.upscale(operator.apply(truth)), y, (0.0, 1.0), 0.0, 0.1)
    free = operator.project(operator.upscale(operator.apply(truth)), y, noise=0.1)
    assert made.min() >= 0 and made.max() <= 1
    assert float((operator.residual(made, y) / 0.1).square().mean()) > 0.8
    assert (made - truth).norm() <= (free - truth).norm()


def test_the_range_is_settled_where_much_of_it_clips() -> None:
    operator = make_operator("bicubic", 2)
    truth = (image(1, 80, 90) * 60 + 20).clamp(0, 255)  # a third on the lower rail
    y = operator.apply(truth).clamp(0, 255)
    made = operator.project(operator.upscale(y), y, (0.0, 255.0), 1.0)
    once = operator.project(operator.upscale(y), y).clamp(0, 255)
    inner = (y > 0) & (y < 255)
    left, first = (operator.residual(z, y)[inner].square().mean().sqrt() for z in (made, once))
    assert left < 0.25 and left < first / 3  # a quarter of a step is left alone
    assert (made - truth).norm() < (once - truth).norm()


def test_gradients_flow_and_the_weight_is_held() -> None:
    operator, y = make_operator("bicubic", 2), image(1, 10, 10, seed=1)
    x = image(1, 20, 20).requires_grad_()
    operator.project(x, y, noise=0.3).square().sum().backward()
    assert x.grad is not None and bool(x.grad.any())
    with torch.no_grad():
        single = operator.project(x.float(), y.float(), noise=np.float64(0.3))
    assert single.dtype == torch.float32


def test_refusals() -> None:
    operator, x, y = make_operator("bicubic", 2), image(1, 20, 20), image(1, 10, 10)
    for noise in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="noise from"):
            operator.project(x, y, noise=noise)
    with pytest.raises(ShapeError, match="broadcasts"):
        operator.project(x, y, noise=torch.ones(3, 3))
    with pytest.raises(ShapeError, match="broadcasts"):
        operator.project(x, y, noise=torch.ones(4, 1, 1, 1))
    with pytest.raises(InputError, match="step"):
        operator.project(x, y, step=-1.0)
