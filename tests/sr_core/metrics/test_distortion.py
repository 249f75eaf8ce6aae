"""PSNR and SSIM: by hand, against scikit-image, and with nodata."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from sr_core.errors import ShapeError
from sr_core.metrics import Protocol, psnr, ssim

EIGHT_BIT = Protocol(data_range=255, border=0)


def pair(*shape: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    hr = 255 * random.random(shape)
    return hr + random.normal(0, 12, shape), hr


def test_psnr_by_hand() -> None:
    hr = np.zeros((2, 4, 4))
    sr = hr + np.array([1.0, 3.0])[:, None, None]  # MSE pooled over bands: (1 + 9) / 2
    assert psnr(sr, hr, EIGHT_BIT) == pytest.approx(10 * math.log10(255**2 / 5), abs=1e-12)
    assert psnr(hr, hr, EIGHT_BIT) == math.inf


def test_ssim_equals_scikit_image() -> None:
    sr, hr = pair(2, 40, 33)
    exact = {"data_range": 255, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    oracle = np.mean([structural_similarity(a, b, **exact) for a, b in zip(sr, hr, strict=True)])
    assert ssim(sr, hr, EIGHT_BIT) == pytest.approx(oracle, abs=1e-13)
    assert ssim(hr, hr, EIGHT_BIT) == pytest.approx(1, abs=1e-15)


def test_border_is_left_out() -> None:
    sr, hr = pair(1, 40, 40)
    spoiled = sr.copy()
    spoiled[:, :3] = spoiled[:, -3:] = spoiled[:, :, :3] = spoiled[:, :, -3:] = 9e9
    protocol = Protocol(data_range=255, border=3)
    for metric in (psnr, ssim):
        assert metric(spoiled, hr, protocol) == metric(sr[:, 3:-3, 3:-3], hr[:, 3:-3, 3:-3], EIGHT_BIT)


@pytest.mark.parametrize("nodata", [np.nan, -32768.0, np.inf])
def test_nodata_never_enters(nodata: float) -> None:
    sr, hr = pair(2, 48, 48)
    mask = np.ones((48, 48), dtype=bool)
    mask[:, 30:] = False
    spoiled, spoiled_hr = sr.copy(), hr.copy()
    spoiled[:, ~mask], spoiled_hr[:, ~mask] = nodata, nodata
    for metric in (psnr, ssim):
        assert metric(spoiled, spoiled_hr, EIGHT_BIT, mask) == pytest.approx(metric(sr[..., :30], hr[..., :30], EIGHT_BIT), abs=1e-12)


def test_forgotten_mask_would_be_seen() -> None:
    sr, hr = pair(1, 48, 48)
    spoiled = sr.copy()
    spoiled[:, 0, 0] = 9999
    assert psnr(spoiled, hr, EIGHT_BIT) < psnr(sr, hr, EIGHT_BIT) - 3


def test_rounding_to_the_step() -> None:
    hr = np.full((1, 12, 12), 10.0)
    assert psnr(hr + 0.49, hr, Protocol(data_range=255, border=0, rounding="step", step=1)) == math.inf
    assert psnr(hr + 0.5, hr, Protocol(data_range=255, border=0, rounding="step", step=1)) == pytest.approx(20 * math.log10(255))


def test_refusals() -> None:
    small = np.zeros((1, 10, 20))
    with pytest.raises(ShapeError, match="at least 11"):
        ssim(small, small, EIGHT_BIT)
    image, mask = np.zeros((1, 30, 30)), np.ones((30, 30), dtype=bool)
    mask[::8, ::8] = False
    with pytest.raises(ShapeError, match="no window"):
        ssim(image, image, EIGHT_BIT, mask)
