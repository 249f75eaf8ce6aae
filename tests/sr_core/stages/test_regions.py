"""Degrading a region: quantised, masked, nothing of a hole in it."""

from __future__ import annotations

import numpy as np
import pytest
from toy import ENCODING, texture

from sr_core.errors import ShapeError
from sr_core.operators import make_operator
from sr_core.raster import Raster, fill_nearest
from sr_core.stages.regions import degrade, enlarge_mask


def raster(stored: np.ndarray) -> Raster:
    return Raster(ENCODING.decode(stored), (stored != 0).all(axis=0), ("a", "b"), "reflectance", ENCODING.valid_range)


def test_measurement_lies_on_the_files_grid() -> None:
    lr = degrade(raster(texture(64, 48)), ENCODING, make_operator("bicubic", 2)).lr
    steps = lr.pixels.astype(np.float64) / 0.001
    assert lr.pixels.shape == (2, 32, 24)
    assert np.abs(steps - np.rint(steps)).max() < 1e-3


def test_usable_measurements_do_not_depend_on_what_lies_in_a_hole() -> None:
    stored = texture(64, 64)
    stored[:, 20:29, 30:41] = 0
    first = degrade(raster(stored), ENCODING, make_operator("bicubic", 2))
    pixels = raster(stored).pixels.copy()
    pixels[:, 20:29, 30:41] = 99.0  # anything may stand under the mask
    second = degrade(
        Raster(pixels, first.hr.mask | (stored != 0).all(axis=0), ("a", "b"), "reflectance", (0, 100)),
        ENCODING,
        make_operator("bicubic", 2),
    )
    assert 0 < first.lr.mask.sum() < first.lr.mask.size
    assert not first.lr.mask[10:14, 15:20].any()
    np.testing.assert_array_equal(first.lr.pixels[:, first.lr.mask], second.lr.pixels[:, first.lr.mask])


def test_hr_mask_follows_the_lr_mask() -> None:
    stored = texture(64, 64)
    stored[:, 31, 31] = 0
    pair = degrade(raster(stored), ENCODING, make_operator("bicubic", 2))
    assert not (pair.hr.mask & ~enlarge_mask(pair.lr.mask, (2, 2))).any()


def test_fill_takes_the_nearest() -> None:
    pixels = np.arange(9, dtype=np.float32).reshape(1, 3, 3)
    mask = np.ones((3, 3), bool)
    mask[0, 0] = False
    assert fill_nearest(pixels, mask)[0, 0, 0] in (1.0, 3.0)
    assert fill_nearest(pixels, np.zeros((3, 3), bool)).sum() == 0


def test_each_band_is_degraded_by_its_own_operator() -> None:
    stored = texture(64, 48)
    stored[:, 20:26, 30:33] = 0
    pair = degrade(raster(stored), ENCODING, make_operator("mtf", 2, value=[0.15, 0.4]))
    for band, value in enumerate((0.15, 0.4)):
        alone = degrade(raster(stored), ENCODING, make_operator("mtf", 2, value=value))
        np.testing.assert_array_equal(pair.lr.pixels[band], alone.lr.pixels[band])
        assert not (pair.lr.mask & ~alone.lr.mask).any()  # the widest band says which pixels are measured wholly
    with pytest.raises(ShapeError, match="an image of 2 bands; expected 3 bands"):
        degrade(raster(stored), ENCODING, make_operator("mtf", 2, value=[0.15, 0.4, 0.3]))
