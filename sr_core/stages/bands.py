"""A whole image restored band of rows by band of rows: what upscaling writes, in memory that grows with the image's width only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sr_core.raster import Float32Array, Raster, Scene, Window
from sr_core.stages.evidence import residual_of
from sr_core.stages.regions import enlarge_mask

if TYPE_CHECKING:
    from sr_core.stages.restore import Restorer

PIXELS = 1 << 20  # LR pixels of a band and a channel, at most
ROWS = (32, 256)  # fewest and most LR rows of a band


@dataclass(frozen=True)
class Band:
    """Restored rows of an image, over its whole width.

    Attributes
    ----------
    window : place on the LR grid.
    lr : the measurement there.
    sr, half_width : float32 (C, s h, s W), physical unit; `half_width` is NaN where the calibration gives no interval.
    residual : float32 (C, h, W), y - A z of the image as the file stores it; None if it was not asked for.
    """

    window: Window
    lr: Raster
    sr: Float32Array
    half_width: Float32Array
    residual: Float32Array | None


def band_height(width: int) -> int:
    """Give the LR rows of a band: a multiple of 32 that depends on nothing but the image's width, so that a run can go on at a band."""
    low, high = ROWS
    return int(np.clip(PIXELS // width // low * low, low, high))


def bands_of(scene: Scene) -> list[Window]:
    """List the bands of an image, from top to bottom, on the LR grid."""
    _, height, width = scene.shape
    rows = band_height(width)
    return [Window(row, 0, min(rows, height - row), width) for row in range(0, height, rows)]


def restore_bands(restorer: Restorer, scene: Scene, *, start: int = 0, residual: bool = False) -> Iterator[Band]:
    """Restore an image band by band.

    Parameters
    ----------
    start : number of the first band wanted; what comes is the same as in a run from the top.
    residual : whether each band comes with its residual.

    Raises
    ------
    InputError
        If the image cannot be read, or a measured pixel is not finite.
    """
    _, height, width = scene.shape
    scale = restorer.scale
    for window in bands_of(scene)[start:]:
        around = window.grown(restorer.margin, height, width)
        lr = scene.read(around)
        inner = window.inside(around)
        rows, cols = inner.slices()
        fine = inner.scaled(scale).slices()
        here = Raster(lr.pixels[:, rows, cols], lr.mask[rows, cols], lr.bands, lr.unit, lr.valid_range)
        if not lr.mask.any():
            nothing = np.full((scene.shape[0], window.height * scale, width * scale), np.nan, np.float32)
            left = np.full((scene.shape[0], window.height, width), np.nan, np.float32) if residual else None
            yield Band(window, here, nothing, nothing, left)
            continue
        restored = restorer.restore(lr.pixels, lr.mask)
        left = None
        if residual:
            delivered = scene.encoding.decode(scene.encoding.encode(np.nan_to_num(restored.sr)))
            left = residual_of(restorer, lr, delivered, enlarge_mask(lr.mask, restorer.operator.scale))[:, rows, cols]
        yield Band(window, here, restored.sr[(slice(None), *fine)], restored.half_width[(slice(None), *fine)], left)
