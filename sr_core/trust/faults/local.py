"""Mutations of a place, a tile, a border, or the texture of busy areas; signatures as in `whole`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from sr_core.raster import BoolArray, Window
from sr_core.trust.consistency import guess
from sr_core.trust.faults.record import Delivered, Float64Array, PixelChange, Random
from sr_core.trust.faults.whole import moved, smoothed

BLOB_LEVELS = 40.0  # height of the objects whose width is varied
BLOCK_SIGMA = 1.0  # px
BUSY_SIGMA = 2.0  # px: where the image varies over about so far
FWHM = 2 * np.sqrt(2 * np.log(2))  # of a Gaussian, in standard deviations
TRIES = 64  # random places tried before the one with the most measured pixels is taken


def blob(fwhm: float) -> PixelChange:
    """Make the addition of one Gaussian object, `fwhm` px wide, `size` grey levels high, to all bands at a random place."""

    def add(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
        return image + size * delivered.level * _gaussian(image, delivered, fwhm, rng)

    return add


def blob_of_width(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Add a Gaussian object, `size` px wide at half its height of 40 grey levels, to all bands at a random place."""
    return image + BLOB_LEVELS * delivered.level * _gaussian(image, delivered, size, rng)


def shift_quadrant(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Shift one random quadrant to the right by `size` px."""
    top, left = (int(n) for n in rng.integers(0, 2, 2))
    height, width = image.shape[1] // 2, image.shape[2] // 2
    rows = slice(height, None) if top else slice(height)
    cols = slice(width, None) if left else slice(width)
    result = image.copy()
    result[:, rows, cols] = moved(image, 0.0, size)[:, rows, cols]
    return result


def shift_half(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Shift the lower half to the right by `size` px."""
    result, start = image.copy(), image.shape[1] // 2
    result[:, start:] = moved(image, 0.0, size)[:, start:]
    return result


def tile_step(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Add `size` grey levels to every second tile, so that all tile lines are steps of that height."""
    rows = np.searchsorted(delivered.rows, np.arange(image.shape[1]), side="right")
    cols = np.searchsorted(delivered.cols, np.arange(image.shape[2]), side="right")
    return image + size * delivered.level * ((rows[:, None] + cols[None, :]) % 2)


def nan_values(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Set `size` measured values to NaN."""
    result = image.copy()
    places = np.flatnonzero(np.broadcast_to(delivered.mask, image.shape))
    chosen = rng.choice(places, min(round(size), places.size), replace=False)
    result.reshape(-1)[chosen] = np.nan
    return result


def nan_tile(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Set `size` tiles with measured pixels to NaN."""
    result = image.copy()
    tiles = [tile for tile in tiles_of(delivered) if delivered.mask[tile.slices()].any()]
    for index in rng.permutation(len(tiles))[: round(size)]:
        result[(slice(None), *tiles[index].slices())] = np.nan
    return result


def tiles_of(delivered: Delivered) -> list[Window]:
    """Give the tiles that the image was computed in, row by row."""
    height, width = delivered.mask.shape
    bands, pieces = _cuts(delivered.rows, height), _cuts(delivered.cols, width)
    return [Window(top, left, bottom - top, right - left) for top, bottom in bands for left, right in pieces]


def empty_block(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Set a random block of `size` px to zero, or what the file can hold that is nearest to it."""
    result = image.copy()
    result[(slice(None), *_block(delivered, round(size), rng).slices())] = np.clip(0.0, *delivered.encoding.valid_range)
    return result


def smooth_block(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Blur a random block of `size` px by a Gaussian of 1 px."""
    result = image.copy()
    place = (slice(None), *_block(delivered, round(size), rng).slices())
    result[place] = smoothed(image, BLOCK_SIGMA)[place]
    return result


def mirror_border(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Replace a frame of `size` px by the mirror image of what lies inside of it."""
    side = min(round(size), (min(image.shape[1:]) - 1) // 2)
    inner = image[:, side:-side, side:-side]
    return np.pad(inner, ((0, 0), (side, side), (side, side)), mode="symmetric")


def invent_texture(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Add texture that the measurement cannot see, `size` grey levels rms over the busier half of the image."""
    busy = busy_area(image, delivered)
    drawn = (busy * rng.standard_normal(image.shape)).astype(np.float32)
    texture = guess(drawn, delivered.operator).astype(np.float64)
    rms = float(np.sqrt(np.mean(texture[:, busy] ** 2))) if busy.any() else 0.0
    return image + texture * (size * delivered.level / rms if rms > 0 else 0.0)


def busy_area(image: Float64Array, delivered: Delivered) -> BoolArray:
    """Mark the measured half of the image (H, W) that varies most over about 2 px."""
    mean = image.mean(axis=0, keepdims=True)
    varies = smoothed((mean - smoothed(mean, BUSY_SIGMA)) ** 2, BUSY_SIGMA)[0]
    values = varies[delivered.mask]
    return np.asarray(delivered.mask & (varies >= np.median(values)), np.bool_) if values.size else np.zeros_like(delivered.mask)


def bleed_nodata(image: Float64Array, delivered: Delivered, size: float, rng: Random) -> Float64Array:
    """Mix the nodata value into measured pixels up to `size` px from it, as an interpolation that knows no nodata does."""
    from scipy.ndimage import binary_dilation, uniform_filter

    side = 2 * round(size) + 1
    unaware = uniform_filter(np.where(delivered.mask, image, delivered.nodata), (1, side, side), mode="nearest")
    beside = delivered.mask & binary_dilation(~delivered.mask, np.ones((side, side), bool))
    return np.where(beside, unaware, image)


def _gaussian(image: Float64Array, delivered: Delivered, fwhm: float, rng: Random) -> Float64Array:
    """Give a Gaussian (H, W) of peak 1 on a random measured pixel."""
    place = _block(delivered, 2 * int(np.ceil(fwhm)) + 1, rng)
    row, col = place.row + place.height // 2, place.col + place.width // 2
    rows, cols = np.indices(image.shape[1:])
    return np.asarray(np.exp(-((rows - row) ** 2 + (cols - col) ** 2) / (2 * (fwhm / FWHM) ** 2)))


def _block(delivered: Delivered, side: int, rng: Random) -> Window:
    """Give a random square of measured pixels; where there is none, of those tried the one with the most."""
    height, width = delivered.mask.shape
    rows, cols = min(side, height), min(side, width)
    best, most = Window(0, 0, rows, cols), -1
    for _ in range(TRIES):
        tried = Window(int(rng.integers(0, height - rows + 1)), int(rng.integers(0, width - cols + 1)), rows, cols)
        if (found := int(delivered.mask[tried.slices()].sum())) > most:
            best, most = tried, found
        if most == rows * cols:
            break
    return best


def _cuts(lines: Sequence[int], length: int) -> list[tuple[int, int]]:
    inside = sorted({0, length, *(line for line in lines if 0 < line < length)})
    return list(itertools.pairwise(inside))
