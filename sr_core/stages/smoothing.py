"""Training images as a softer device would show them: a Gaussian before the degradation, window by window.

A network that knows one device's kernel only takes the sharpness of that kernel for granted, and gives images of a softer one
power that they never had.
"""

from __future__ import annotations

import math

import numpy as np

from sr_core.raster import Encoding, Float32Array, Raster, Window, fill_nearest

TRUNCATE = 4.0  # standard deviations after which the Gaussian ends


def reach_of(sigma: float) -> int:
    """Give the pixels around one that a Gaussian of standard deviation `sigma` (px) sees."""
    return math.ceil(TRUNCATE * sigma)


def smoothed(raster: Raster, sigma: float, inside: Window, encoding: Encoding) -> Raster:
    """Smooth an image and cut a window out of it, rounded as its file rounds.

    Parameters
    ----------
    raster : float32 (C, H, W), with `reach_of(sigma)` pixels around the window where the image has them.
    sigma : standard deviation of the Gaussian, px, > 0.
    inside : the window, on the raster's own grid.

    Returns
    -------
    Raster
        (C, h, w), same unit and mask; unusable pixels take the nearest usable value before, so that nothing of them enters others.
    """
    from scipy.ndimage import gaussian_filter

    rows, cols = inside.slices()
    filled = fill_nearest(raster.pixels, raster.mask).astype(np.float64)
    soft = gaussian_filter(filled, (0.0, sigma, sigma), mode="nearest", radius=(0, reach_of(sigma), reach_of(sigma)))[:, rows, cols]
    pixels: Float32Array = encoding.decode(encoding.encode(soft))
    return Raster(pixels, raster.mask[rows, cols], raster.bands, raster.unit, raster.valid_range)
