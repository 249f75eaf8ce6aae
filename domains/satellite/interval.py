"""How half-widths of intervals are stored in a GeoTIFF."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sr_core.raster import BoolArray, Encoding, Float32Array, cache_blocks

NO_CLAIM = 65535
FINENESS = {1: 256, 2: 4}  # codes of half-width a quantisation step, by bytes of the stored type


def interval_encoding(encoding: Encoding) -> Encoding:
    """Give how half-widths are stored for an image stored by `encoding`.

    uint16 for 8- and 16-bit images, with 256 or 4 codes a step of the image (so up to 255 or 16383 steps; wider than that is
    written as no claim); float32 for others. Code 65535, or NaN, means no claim.
    """
    fineness = FINENESS.get(np.dtype(encoding.dtype).itemsize) if encoding.is_integer else None
    if fineness is None:
        return Encoding("float32", 1.0, 0.0, 0.0, float("inf"))
    return Encoding("uint16", encoding.step / fineness, 0.0, 0.0, NO_CLAIM - 1.0)


def half_width_rows(encoding: Encoding, half_width: Float32Array, mask: BoolArray) -> npt.NDArray[Any]:
    """Encode half-widths as the rows of a flat file.

    Parameters
    ----------
    encoding : of `interval_encoding`.
    half_width : float32 (C, h, w), physical unit; NaN where there is no claim.
    mask : bool (h, w), True = measured.

    Returns
    -------
    (h, C, w) of the stored type, never narrower than what was given.
    """
    channels, height, width = half_width.shape
    rows = np.empty((height, channels, width), encoding.dtype)
    for band in range(channels):
        for values, usable, out in cache_blocks(half_width[band], mask, rows[:, band]):
            claimed = np.isfinite(values) & usable
            if not encoding.is_integer:
                out[...] = np.where(claimed, values, np.nan)
                continue
            # Rounded up, so that storing never narrows an interval; the slack lets exact multiples stay.
            codes = np.ceil(np.where(claimed, values, 0.0).astype(np.float64) / encoding.scale - 1e-3)
            out[...] = np.where(claimed & (codes < NO_CLAIM), codes, NO_CLAIM)
    return rows


def half_widths(encoding: Encoding, stored: npt.NDArray[Any]) -> Float32Array:
    """Give the half-widths of stored codes: float32 of the same shape, physical unit, NaN where there is no claim."""
    if not encoding.is_integer:
        return np.asarray(stored, np.float32)
    return np.where(stored == NO_CLAIM, np.float32(np.nan), stored * np.float32(encoding.scale))
