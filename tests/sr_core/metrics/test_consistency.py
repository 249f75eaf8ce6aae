"""LR-PSNR: how well an image explains its measurement."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sr_core.errors import InputError, ShapeError
from sr_core.metrics import lr_psnr, luma
from sr_core.operators import make_operator
from sr_core.operators.matlab import u8


def test_exact_and_shifted() -> None:
    operator = make_operator("bicubic", 2)
    x = np.random.default_rng(0).random((2, 40, 44))
    y = operator.apply(torch.from_numpy(x)).numpy()
    assert lr_psnr(x, y, operator, 1.0) == math.inf
    assert lr_psnr(x + 0.1, y, operator, 1.0) == pytest.approx(20, abs=1e-9)
    assert lr_psnr(np.roll(x, 1, axis=-1), y, operator, 1.0) < 30


def test_masked() -> None:
    operator = make_operator("box", 2)
    x, y = np.zeros((1, 8, 8)), np.zeros((1, 4, 4))
    y[0, 0, 0] = 5
    y[0, 1] = 0.1
    mask = np.zeros((4, 4), dtype=bool)
    mask[1] = True
    assert lr_psnr(x, y, operator, 1.0, mask) == pytest.approx(20, abs=1e-9)
    with pytest.raises(ShapeError, match="no pixel"):
        lr_psnr(x, y, operator, 1.0, np.zeros((4, 4), dtype=bool))


def test_projection_raises_it() -> None:
    operator = make_operator("bicubic", 4)
    x = np.random.default_rng(0).random((1, 64, 64))
    y = operator.apply(torch.from_numpy(x))
    bicubic = operator.upscale(y)
    assert lr_psnr(bicubic.numpy(), y.numpy(), operator, 1.0) < 45
    assert lr_psnr(operator.project(bicubic, y).numpy(), y.numpy(), operator, 1.0) > 280
    assert lr_psnr(operator.project(bicubic.float(), y.float()).numpy(), y.float().numpy(), operator, 1.0) > 120


@pytest.mark.parametrize("nodata", [np.nan, np.inf, -32768.0])
def test_nodata_never_enters(nodata: float) -> None:
    operator = make_operator("bicubic", 2)
    x = np.random.default_rng(0).random((2, 40, 44))
    y = operator.apply(torch.from_numpy(x)).numpy() + 0.1
    hr_mask, mask = np.ones((40, 44), dtype=bool), np.ones((20, 22), dtype=bool)
    hr_mask[10, 11], mask[0] = False, False
    x[:, 10, 11], y[:, 0] = nodata, nodata
    assert lr_psnr(x, y, operator, 1.0, mask, hr_mask) == pytest.approx(20, abs=1e-9)
    with pytest.raises(ShapeError, match="no pixel"):
        lr_psnr(x, y, operator, 1.0, mask, np.zeros((40, 44), dtype=bool))
    with pytest.raises(ShapeError, match="mask of"):
        lr_psnr(x, y, operator, 1.0, hr_mask)


def test_usable_nan_is_refused() -> None:
    operator = make_operator("bicubic", 2)
    x, y = np.zeros((1, 40, 40)), np.zeros((1, 20, 20))
    x[0, 20, 20] = np.nan
    with pytest.raises(InputError, match="not a number"):
        lr_psnr(x, y, operator, 1.0)
    mask = np.zeros((20, 20), dtype=bool)
    mask[:5] = True  # far from it: nothing of it arrives there
    assert lr_psnr(x, y, operator, 1.0, mask) == math.inf


@pytest.mark.parametrize(("scale", "bicubic_db", "ceiling_db"), [(2, 35.769, 66.80), (3, 34.118, 70.13), (4, 32.438, 72.68)])
def test_butterfly(shared_data: Path, scale: int, bicubic_db: float, ceiling_db: float) -> None:
    """Golden numbers: an independent program. The second is the ceiling of an 8-bit file: projected, then rounded."""
    rgb = np.asarray(Image.open(shared_data / "sr_test" / "Set5" / "butterfly.png").convert("RGB")).transpose(2, 0, 1)
    hr = u8(luma(rgb)).astype(np.float64)[None, : 256 // scale * scale, : 256 // scale * scale]
    operator = make_operator("bicubic", scale)
    lr = operator.apply(torch.from_numpy(hr))
    bicubic = operator.upscale(lr)
    assert lr_psnr(bicubic.numpy(), lr.numpy(), operator, 255) == pytest.approx(bicubic_db, abs=5.1e-4)
    written = u8(operator.project(bicubic, lr).numpy())
    assert lr_psnr(written, lr.numpy(), operator, 255) == pytest.approx(ceiling_db, abs=5.1e-3)


def test_bands_with_taps_of_their_own() -> None:
    operator = make_operator("mtf", 2, value=[0.9, 0.1])
    x = np.random.default_rng(0).random((2, 60, 60))
    y = operator.apply(torch.from_numpy(x)).numpy()
    assert lr_psnr(x, y, operator, 1.0) == math.inf
    hr_mask = np.ones((60, 60), dtype=bool)
    hr_mask[30, 30] = False
    y[1, 15, 15 + 2] += 1  # within the reach of the wide band's taps only: left out for both
    assert operator.members[0].support < 4 < operator.support
    assert lr_psnr(x, y, operator, 1.0, hr_mask=hr_mask) == pytest.approx(math.inf)
    assert lr_psnr(x, y, operator, 1.0) < 60
    with pytest.raises(ShapeError, match="expected 2 bands"):
        lr_psnr(x[:1], y[:1], operator, 1.0)
