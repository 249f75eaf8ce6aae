"""Pairs made by a seed: an HR image of smooth waves and its block means, so that alignment can be told by value."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sr_core.patches import PairImage
from sr_core.raster import BoolArray, Encoding, Raster

MakePair = Callable[..., PairImage]


def raster(pixels: np.ndarray, mask: BoolArray, encoding: Encoding) -> Raster:
    bands = tuple(f"B{i}" for i in range(1, pixels.shape[0] + 1))
    return Raster(encoding.decode(encoding.encode(pixels)), mask, bands, "reflectance", encoding.valid_range)


@pytest.fixture
def encoding() -> Encoding:
    return Encoding("uint16", scale=1e-4, offset=-0.1, low=1, high=20_000)


@pytest.fixture
def make_pair(encoding: Encoding) -> MakePair:
    def make(
        name: str = "a", split: str = "train", height: int = 60, width: int = 75, bands: int = 3, scale: int = 2, seed: int = 0,
        hole: tuple[int, int] | None = None, encoding: Encoding = encoding,
    ) -> PairImage:  # fmt: skip
        """LR sides height x width; `hole` is an unusable LR pixel (with its HR pixels)."""
        rng = np.random.default_rng(seed)
        rows, cols = np.mgrid[: height * scale, : width * scale] / scale
        phase = rng.uniform(0, 6, (bands, 2))
        hr = np.stack([0.4 + 0.2 * np.sin(rows / 5 + a) + 0.15 * np.cos(cols / 4 + b) for a, b in phase])
        lr = hr.reshape(bands, height, scale, width, scale).mean(axis=(2, 4))
        mask_lr, mask_hr = np.ones((height, width), bool), np.ones((height * scale, width * scale), bool)
        if hole:
            row, col = hole
            mask_lr[row, col] = False
            mask_hr[row * scale : (row + 1) * scale, col * scale : (col + 1) * scale] = False
        return PairImage(name, split, raster(lr, mask_lr, encoding), raster(hr, mask_hr, encoding))  # type: ignore[arg-type]

    return make
