"""LR-PSNR: how well an image explains its measurement."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sr_core.errors import ShapeError
from sr_core.metrics import lr_psnr
from sr_core.operators import make_operator


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
