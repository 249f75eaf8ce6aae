"""Noise of made measurements: a fixed function of the region and the place in it, so that a window has the bits of the whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from sr_core.raster import Window
from sr_core.records import Region

TILE = 64  # LR pixels: noise is drawn by whole tiles


@dataclass(frozen=True)
class Grain:
    """White Gaussian noise over the LR grid of a region.

    Attributes
    ----------
    sigma : standard deviation, physical unit, > 0.
    seed : says which noise; another one for every region.
    """

    sigma: float
    seed: int

    @classmethod
    def of(cls, region: Region, sigma: float) -> Self | None:
        """Give the noise of a region's measurement; None where there is none (sigma 0)."""
        name = f"{region.source} {region.window}"
        return cls(sigma, int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])) if sigma > 0 else None

    def drawn(self, bands: int, window: Window) -> npt.NDArray[np.float64]:
        """Give the noise in a window of the LR grid, float64 (bands, h, w)."""
        first, last = (window.row // TILE, window.col // TILE), (window.row + window.height - 1, window.col + window.width - 1)
        rows, cols = (range(a, b // TILE + 1) for a, b in zip(first, last, strict=True))
        tiles = [[self._tile(bands, row, col) for col in cols] for row in rows]
        top, left = window.row - first[0] * TILE, window.col - first[1] * TILE
        return self.sigma * np.block(tiles)[:, top : top + window.height, left : left + window.width]

    def _tile(self, bands: int, row: int, col: int) -> npt.NDArray[np.float64]:
        return np.random.default_rng([self.seed, row, col]).standard_normal((bands, TILE, TILE))
