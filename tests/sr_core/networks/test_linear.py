from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from sr_core.errors import ShapeError
from sr_core.networks import build, fit, linear_descriptor
from sr_core.networks.linear import CHUNK
from sr_core.operators import make_operator


def _planted(scale: int, taps: int, shape: tuple[int, ...], seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """LR noise and the HR image that a known filter makes of it, so that the fit must find that filter."""
    generator = torch.Generator().manual_seed(seed)
    weights = 0.1 * torch.randn(scale**2, 1, taps, taps, generator=generator)
    weights -= weights.mean(dim=(-2, -1), keepdim=True)
    net = build(linear_descriptor(make_operator("bicubic", scale), taps))
    net.set_filter(weights)
    lr = torch.randn(*shape, generator=generator)
    return weights, lr, net(lr.reshape(-1, 1, *shape[-2:])).detach().reshape(*shape[:-2], scale * shape[-2], scale * shape[-1])


@pytest.mark.parametrize(("scale", "taps"), [(2, 9), (2, 3), (3, 5), (4, 3)])
def test_planted_filter_is_found(scale: int, taps: int) -> None:
    weights, lr, hr = _planted(scale, taps, (3, 2, 33, 33))
    found = fit([(lr, hr)], make_operator("bicubic", scale), taps)
    assert found.shape == weights.shape
    assert found.dtype == torch.float32
    assert (found - weights).abs().max() < 2e-6


def test_patches_give_what_the_image_gives() -> None:
    """A patch's own upscaling is not the image's near the patch's border; those windows must stay out."""
    weights, lr, hr = _planted(2, 3, (1, 1, 60, 60))
    patches = [(lr[..., r : r + 20, c : c + 20], hr[..., 2 * r : 2 * r + 40, 2 * c : 2 * c + 40]) for r in (5, 30) for c in (7, 31)]
    assert (fit(patches, make_operator("bicubic", 2), 3) - weights).abs().max() < 2e-6


def test_filters_sum_to_zero_whatever_the_unit() -> None:
    _, lr, hr = _planted(2, 5, (1, 1, 40, 40))
    operator = make_operator("bicubic", 2)
    normalised = fit([(lr, hr)], operator, 5)
    raw = fit([(lr * 300 + 5000, hr * 300 + 5000)], operator, 5)
    assert normalised.sum(dim=(-2, -1)).abs().max() < 1e-6
    assert (raw - normalised).abs().max() < 1e-4


def test_solution_is_the_least_squares_one() -> None:
    """Oracle: NumPy's lstsq on an explicit design matrix, windows taken one by one."""
    rng = np.random.default_rng(5)
    lr, hr = rng.normal(size=(20, 17)), rng.normal(size=(40, 34))
    up = make_operator("bicubic", 2).upscale(torch.from_numpy(lr)[None, None])[0, 0].numpy()
    rows, targets = [], []
    for i in range(2, 18):
        for j in range(2, 15):
            window = lr[i - 2 : i + 3, j - 2 : j + 3].ravel() - lr[i, j]
            rows.append(np.delete(window, 12))
            targets.append((hr - up)[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].ravel())
    oracle = np.linalg.lstsq(np.array(rows), np.array(targets), rcond=None)[0].T
    found = fit([(torch.from_numpy(lr), torch.from_numpy(hr))], make_operator("bicubic", 2), 5, ridge=0.0)
    assert np.abs(np.delete(found.reshape(4, 25).numpy(), 12, axis=1) - oracle).max() < 1e-6


def test_masked_and_not_finite_pixels_do_not_take_part() -> None:
    operator = make_operator("bicubic", 2)
    weights, lr, hr = _planted(2, 5, (1, 60, 60))
    mask_lr, mask_hr = torch.ones(60, 60, dtype=torch.bool), torch.ones(120, 120, dtype=torch.bool)
    lr, hr = lr.clone(), hr.clone()
    lr[0, 10, 10], mask_lr[10, 10] = 1e6, False
    hr[0, 80, 80], mask_hr[80, 80] = -1e6, False
    found = fit([(lr, hr, mask_lr, mask_hr)], operator, 5)
    assert (found - weights).abs().max() < 2e-6
    lr[0, 10, 10], hr[0, 80, 80] = float("nan"), float("inf")
    assert (fit([(lr, hr)], operator, 5) - weights).abs().max() < 2e-6


def test_without_the_mask_the_spoilt_pixels_would_spoil_the_fit() -> None:
    weights, lr, hr = _planted(2, 5, (1, 60, 60))
    hr = hr.clone()
    hr[0, 80, 80] = -1e6
    assert (fit([(lr, hr)], make_operator("bicubic", 2), 5) - weights).abs().max() > 1e-2


def test_large_images_are_taken_in_strips() -> None:
    weights, lr, hr = _planted(2, 3, (1, 1, 260, 260))
    assert lr.numel() > 2 * CHUNK
    assert (fit([(lr, hr)], make_operator("bicubic", 2), 3) - weights).abs().max() < 2e-6


def test_flat_images_give_the_zero_filter() -> None:
    flat = torch.full((1, 20, 20), 7.0)
    found = fit([(flat, torch.full((1, 40, 40), 7.0))], make_operator("bicubic", 2), 5)
    assert found.abs().max() == 0


def test_too_small_and_ill_matched_pairs_are_refused() -> None:
    operator = make_operator("bicubic", 2)
    with pytest.raises(ShapeError, match="at least 9 px"):
        fit([(torch.zeros(1, 8, 30), torch.zeros(1, 16, 60))], operator, 9)
    with pytest.raises(ShapeError, match="2 times"):
        fit([(torch.zeros(1, 20, 20), torch.zeros(1, 60, 60))], operator, 9)


def test_filter_beats_plain_upscaling_on_a_degraded_picture() -> None:
    operator = make_operator("bicubic", 2)
    rng = np.random.default_rng(1)
    picture = torch.from_numpy(rng.normal(size=(1, 1, 200, 200)).cumsum(axis=2).cumsum(axis=3) / 30)
    picture = picture - picture.mean()
    lr = operator.apply(picture)
    net = build(linear_descriptor(operator, 9)).double()
    net.set_filter(fit([(lr, picture)], operator, 9).double())
    plain = (operator.upscale(lr) - picture).square().mean()
    assert (net(lr) - picture).square().mean() < 0.95 * plain
