"""What a network makes of a few fixed windows, as pictures that can be compared from step to step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from sr_core.panels import side_by_side
from sr_core.raster import Bytes, Float32Array, Window
from sr_core.training.task import WholePair

IMAGES = 2  # the first validation images, of each of which one window is shown
SIDE = 128  # HR pixels of a window, at most
LEAST_USABLE = 0.5  # share of a window's pixels


@dataclass(frozen=True)
class View:
    """One window of a validation image.

    Attributes
    ----------
    lr : float32 (C, h, w), physical unit, as the network takes it.
    hr : float32 (C, H, W), same unit; NaN where it is not usable.
    """

    lr: Tensor
    hr: Float32Array

    def beside(self, sr: Float32Array) -> Bytes:
        """Give LR (pixels as squares), a network's image (C, H, W) and HR as one picture, stretched alike by the HR window."""
        rows, cols = (fine // coarse for fine, coarse in zip(self.hr.shape[1:], self.lr.shape[1:], strict=True))
        lr = self.lr.numpy().repeat(rows, axis=1).repeat(cols, axis=2)
        return side_by_side([lr, sr, self.hr])


def views(images: Sequence[WholePair], scale: int) -> tuple[View, ...]:
    """Choose the most contrasted window of each of the first two images, always the same ones.

    Contrast is the standard deviation of the usable HR pixels, the mean over bands, on windows that lie half a side apart. An image
    of which no window is usable by half is left out.
    """
    found = (_most_contrasted(image, scale) for image in images[:IMAGES])
    return tuple(view for view in found if view is not None)


def _most_contrasted(image: WholePair, scale: int) -> View | None:
    lr, hr, _, mask = image
    fine = np.where(mask.numpy().astype(bool), hr.float().numpy(), np.float32(np.nan))
    best: tuple[float, Window] | None = None
    height, width = lr.shape[1:]
    for window in _places(height, width, max(1, SIDE // scale)):
        rows, cols = window.scaled(scale).slices()
        pixels = fine[:, rows, cols]
        usable = np.isfinite(pixels).all(axis=0)
        if usable.mean() < LEAST_USABLE:
            continue
        contrast = float(pixels[:, usable].std(axis=1, dtype=np.float64).mean())
        if best is None or contrast > best[0]:
            best = contrast, window
    if best is None:
        return None
    rows, cols = best[1].slices()
    fine_rows, fine_cols = best[1].scaled(scale).slices()
    return View(lr[:, rows, cols].float(), fine[:, fine_rows, fine_cols])


def _places(height: int, width: int, side: int) -> list[Window]:
    """Give windows of one size half a side apart, the last ones against the edge; the whole image where it is smaller."""

    def starts(length: int) -> list[int]:
        last = max(0, length - side)
        return sorted({*range(0, last, max(1, side // 2)), last})

    return [Window(row, col, min(side, height), min(side, width)) for row in starts(height) for col in starts(width)]
