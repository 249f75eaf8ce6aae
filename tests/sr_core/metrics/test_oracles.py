"""Other libraries' PSNR and SSIM beside ours, with the differences that are known and why.

ERGAS and spectral angle stand beside torchmetrics in test_spectral, the shift beside scikit-image in test_shift. torchmetrics' UQI is not
comparable: it has a Gaussian 11 x 11 window.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
)
from torchmetrics.functional.image import (
    peak_signal_noise_ratio as torch_psnr,
)
from torchmetrics.functional.image import (
    structural_similarity_index_measure as torch_ssim,
)

from sr_core.metrics import Protocol, luma, msssim, psnr, ssim
from sr_core.operators.matlab import resize, u8

PLAIN = Protocol(data_range=255, border=0)


@pytest.fixture(scope="module")
def butterfly(shared_data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Y uint8 as float, not divided; bicubic x4; SR rounded; 4 px left out."""
    picture = np.asarray(Image.open(shared_data / "sr_test" / "Set5" / "butterfly.png").convert("RGB")).transpose(2, 0, 1)
    hr = u8(luma(picture)).astype(np.float64)
    sr = u8(resize(resize(hr, 0.25), 4)).astype(np.float64)
    return sr[None, 4:-4, 4:-4], hr[None, 4:-4, 4:-4]


def random_pair() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    hr = 255 * random.random((2, 60, 50))
    return hr + random.normal(0, 20, hr.shape), hr


def tensors(pair: tuple[np.ndarray, np.ndarray]) -> tuple[torch.Tensor, ...]:
    return tuple(torch.from_numpy(v)[None] for v in pair)


def test_psnr() -> None:
    pair = random_pair()
    assert psnr(*pair, PLAIN) == pytest.approx(peak_signal_noise_ratio(pair[1], pair[0], data_range=255), abs=1e-12)
    assert psnr(*pair, PLAIN) == pytest.approx(float(torch_psnr(*tensors(pair), data_range=255.0)), abs=1e-5)


def test_ssim_of_the_butterfly(butterfly: tuple[np.ndarray, np.ndarray]) -> None:
    ours = ssim(*butterfly, PLAIN)
    assert ours == pytest.approx(0.7368904633, abs=5.1e-11)
    assert psnr(*butterfly, PLAIN) == pytest.approx(10 * math.log10(255**2 * 248**2 / 24673536), abs=1e-12)  # squares summed in integers
    sr, hr = (v[0] for v in butterfly)
    exact = {"data_range": 255, "gaussian_weights": True, "sigma": 1.5}
    assert structural_similarity(sr, hr, **exact, use_sample_covariance=False) == pytest.approx(ours, abs=1e-13)
    assert structural_similarity(sr, hr, data_range=255) == pytest.approx(0.75217, abs=5.1e-6)  # uniform 7 x 7 window
    assert structural_similarity(sr, hr, **exact) == pytest.approx(0.73647, abs=5.1e-6)  # n / (n - 1)
    # torchmetrics takes the mean over the whole area, borders mirrored.
    assert float(torch_ssim(*tensors(butterfly), data_range=255.0)) == pytest.approx(0.73240, abs=5.1e-6)


def test_torchmetrics_ssim_agrees_inside() -> None:
    pair = random_pair()
    _, whole = torch_ssim(*tensors(pair), data_range=255.0, return_full_image=True)
    assert float(whole[..., 5:-5, 5:-5].mean()) == pytest.approx(ssim(*pair, PLAIN), abs=1e-9)


def test_multi_scale_variants_differ(butterfly: tuple[np.ndarray, np.ndarray]) -> None:
    ours = msssim(*butterfly, PLAIN)
    theirs = float(multiscale_structural_similarity_index_measure(*tensors(butterfly), data_range=255.0))
    assert ours == pytest.approx(0.93761, abs=5.1e-6)
    assert wang(*(v[0] for v in butterfly)) == pytest.approx(0.94656, abs=5.1e-6)
    assert theirs == pytest.approx(0.95003, abs=5.1e-6)


def wang(x: np.ndarray, y: np.ndarray) -> float:
    """The variant of the 2003 paper: contrast times structure before the mean, 2 x 2 means between scales, valid area.

    The 2 x 2 mean is of a sample and the one before it; with the one after it the number is 0.95007.
    """
    taps = np.exp(-(np.arange(-5, 6) ** 2) / 4.5)
    kernel = np.outer(taps, taps) / taps.sum() ** 2
    c1, c2, result = 6.5025, 58.5225, 1.0
    for k, exponent in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        mean = [scipy.ndimage.correlate(v, kernel)[5:-5, 5:-5] for v in (x, y, x * x, y * y, x * y)]
        vx, vy, cov = mean[2] - mean[0] ** 2, mean[3] - mean[1] ** 2, mean[4] - mean[0] * mean[1]
        both = (2 * cov + c2) / (vx + vy + c2)
        if k == 4:
            both = both * (2 * mean[0] * mean[1] + c1) / (mean[0] ** 2 + mean[1] ** 2 + c1)
        result *= both.mean() ** exponent
        x, y = (scipy.ndimage.uniform_filter(v, 2, mode="reflect")[::2, ::2] for v in (x, y))
    return float(result)
