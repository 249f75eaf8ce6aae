"""Standard scores: an image in deviations from its own mean, so that one model serves images of any unit.

A bundle whose unit is `STANDARD_SCORE` was trained, calibrated and measured on images in standard scores. An image in another unit is
not converted: the model is expressed in the image's unit instead (`Restorer.for_scene`), and all that follows is as with any model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sr_core.raster import Scene, windows

STANDARD_SCORE = "standard score"
SIDE = 256  # px of a window
ENOUGH = 64  # windows with usable pixels: four million pixels


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation (> 0) of an image, all bands together, in its physical unit."""

    mean: float
    std: float


def moments_of(scene: Scene) -> Moments:
    """Measure an image on its usable pixels, in 64 windows of 256 px that are drawn once and for all; a smaller image wholly.

    An image without deviation, or without a usable pixel, has a deviation of 1.
    """
    everywhere = list(windows(scene.shape[1], scene.shape[2], SIDE))
    count, total, squares, read = 0, 0.0, 0.0, 0
    for place in np.random.default_rng(0).permutation(len(everywhere)):
        raster = scene.read(everywhere[place])
        values = raster.pixels[:, raster.mask].astype(np.float64)
        if values.size == 0:
            continue
        count, total, squares, read = count + values.size, total + float(values.sum()), squares + float(np.square(values).sum()), read + 1
        if read == ENOUGH:
            break
    if count == 0:
        return Moments(0.0, 1.0)
    mean = total / count
    return Moments(mean, math.sqrt(max(0.0, squares / count - mean * mean)) or 1.0)
