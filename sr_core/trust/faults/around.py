"""Mutations of what stands beside the pixels: encoding, position, nodata, interval, calibration, split.

All take (the delivered image, size, random numbers) and give a changed copy of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TypeVar

import numpy as np

from sr_core.errors import TrustError
from sr_core.raster import Encoding, Float32Array, fill_nearest
from sr_core.records import Split
from sr_core.trust.calibration import Calibration
from sr_core.trust.faults.local import tiles_of
from sr_core.trust.faults.record import Delivered, Random

T = TypeVar("T")


def wrong_scale_factor(delivered: Delivered, size: float, rng: Random) -> Delivered:
    """Declare a scale factor `size` percent too large in the file: its pixels mean something else."""
    own = delivered.encoding
    return _declared(delivered, replace(own, scale=own.scale * (1 + size / 100)))


def wrong_offset(delivered: Delivered, size: float, rng: Random) -> Delivered:
    """Declare an offset `size` grey levels too large in the file."""
    own = delivered.encoding
    return _declared(delivered, replace(own, offset=own.offset + size * (own.step or delivered.level)))


def move_transform(delivered: Delivered, size: float, rng: Random) -> Delivered:
    """Move the place on the ground by `size` px, right and down; pixels stay."""
    a, b, c, d, e, f = _given(delivered.transform)
    return replace(delivered, transform=(a, b, c + size * (a + b), d, e, f + size * (d + e)))


def fill_nodata(delivered: Delivered, size: float, rng: Random) -> Delivered:
    """Give nodata up to `size` px from measured pixels the nearest of their values, and call it measured."""
    from scipy.ndimage import distance_transform_edt

    near = np.asarray(distance_transform_edt(~delivered.mask) <= size, np.bool_)
    return replace(delivered, z=np.where(near, fill_nearest(delivered.z, delivered.mask), delivered.z), mask=near)


def large_floor(delivered: Delivered, size: float, rng: Random) -> Delivered:
    """Choose a floor `size` times the right one, at the same mean width: the interval gets too narrow where errors are large."""
    own, width = _calibrated(delivered)
    multiplier = _given(own.multiplier)
    spread = width.astype(np.float64) / multiplier - own.floor
    floor = size * own.floor
    shared = np.isfinite(spread) & delivered.mask
    smaller = multiplier * float(np.mean(spread[shared] + own.floor) / np.mean(spread[shared] + floor))
    changed = own.model_copy(update={"floor": floor, "multiplier": smaller})
    half_width = np.where(delivered.mask, changed.half_width(spread.astype(np.float32)), width).astype(np.float32)
    return replace(delivered, calibration=changed, half_width=half_width)


def narrow_interval(delivered: Delivered, size: float, rng: Random) -> Delivered:
    """Make the written interval `size` percent narrower than its calibration says."""
    width = _given(delivered.half_width)
    return replace(delivered, half_width=np.where(delivered.mask, width * np.float32(1 - size / 100), width))


def shift_interval(delivered: Delivered, size: float, rng: Random) -> Delivered:
    """Move the interval, and the estimate behind it, by `size` tiles against the image, around its edge."""
    tile = tiles_of(delivered)[0]
    axis, far = (2, tile.width) if delivered.cols else (1, tile.height)

    def moved(values: Float32Array) -> Float32Array:
        return np.where(delivered.mask, np.roll(values, round(size) * far, axis), values)

    width, spread = _given(delivered.half_width), delivered.spread
    return replace(delivered, half_width=moved(width), spread=None if spread is None else moved(spread))


def other_weights(delivered: Delivered, size: float, rng: Random) -> Delivered:
    """Take the calibration of other weights."""
    own = _given(delivered.calibration)
    digest = hashlib.sha256(f"not {own.weights}".encode()).hexdigest()
    return replace(delivered, calibration=own.model_copy(update={"weights": digest}))


def leak(delivered: Delivered, size: float, rng: Random) -> Delivered:
    """Let one random test region into the calibration, too."""
    split: Split = _given(delivered.split)
    region = split.test[int(rng.integers(0, len(split.test)))]
    return replace(delivered, split=split.model_copy(update={"calibration": (*split.calibration, region)}))


def _declared(delivered: Delivered, encoding: Encoding) -> Delivered:
    """Read the stored values with another encoding."""
    stored = (delivered.z.astype(np.float64) - delivered.encoding.offset) / delivered.encoding.scale
    image = stored * encoding.scale + encoding.offset
    return replace(delivered, z=np.where(delivered.mask, image, delivered.z).astype(np.float32), encoding=encoding)


def _calibrated(delivered: Delivered) -> tuple[Calibration, Float32Array]:
    return _given(delivered.calibration), _given(delivered.half_width)


def _given(value: T | None) -> T:
    """Give what a fault's `needs` promise to be there."""
    if value is None:
        raise TrustError("an image without what the fault is planted in", "what its `needs` list", "Plant it with `Fault.plant`.")
    return value
