"""Images side by side, as one 8-bit picture with one stretch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sr_core.raster import Bytes, Float32Array

GAP = 4  # px between the panels
STRETCH = (1, 99)  # percentiles of the last image that become black and white


def side_by_side(images: Sequence[Float32Array]) -> Bytes:
    """Give images of one height as one picture.

    Parameters
    ----------
    images : float32 (C, H, W) each, same unit; NaN where there is nothing. The last one is the reference.

    Returns
    -------
    uint8 (H, W', 3)
        All stretched alike: the reference's 1 to 99 percentiles to 0..255; NaN is black. Exactly three bands are shown as red, green,
        blue; of more the third, second, first (satellite files begin with blue); one or two as grey.
    """
    shown = [_three(image) for image in images]
    finite = shown[-1][np.isfinite(shown[-1])]
    low, high = np.percentile(finite, STRETCH) if finite.size else (0.0, 1.0)
    width = float(high - low) or 1.0
    gap = np.full((shown[0].shape[0], GAP, 3), 255, np.uint8)
    panels: list[Bytes] = []
    for image in shown:
        scaled = np.nan_to_num((image - low) / width, nan=0.0, posinf=1.0, neginf=0.0)
        panels += [(np.clip(scaled, 0, 1) * 255).round().astype(np.uint8), gap]
    return np.concatenate(panels[:-1], axis=1)


def _three(image: Float32Array) -> Float32Array:
    bands = image.shape[0]
    chosen = (0, 0, 0) if bands < 3 else (0, 1, 2) if bands == 3 else (2, 1, 0)
    return np.stack([image[band] for band in chosen], axis=-1)
